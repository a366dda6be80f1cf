"""Abstract values: what a Python expression may stand for during analysis.

A value is a set of *atoms*; the empty set means "nothing yet". The atoms that
matter are ``Ref`` (an object that lives in the state, named by its path) and
``Alloc`` (an object made by the analysed code, named by the place that makes
it). Naming objects rather than variables is what keeps aliases honest: two
names for one list share one ``Cell``, so a change through either is seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from langgraph_alto.plan.effects import Path

ELEMENT: Final = "[]"
"""The path segment that stands for any element of a list."""

MAX_PATH: Final = 6
"""Longest path kept; what lies deeper is described by its ancestor's path."""


class _Unknown:
    """The type of a thing whose annotation is missing or says nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Ref:
    """An object of the state.

    Args:
        path: Where it lives; ``()`` is the state itself.
        exact: ``False`` for some object at or anywhere below ``path``.
        hint: Its annotation, or ``UNKNOWN``.
    """

    path: Path
    exact: bool = True
    hint: object = UNKNOWN


@dataclass(frozen=True, slots=True)
class Const:
    """A constant that the source or a real object spells out."""

    value: object


@dataclass(frozen=True, slots=True)
class Plain:
    """Fresh data that can be neither a mapping of updates nor a command.

    Strings, numbers, booleans and containers of such.
    """


@dataclass(frozen=True, slots=True)
class Opaque:
    """Some object analysis knows nothing about, except that it is not state.

    Args:
        site: Which call or name it came from, so that two uses of one unknown
            object can be told from two unknown objects.
        user: Whether calling it may run code of the user's that was not seen.
        runnable: Whether it may be a runnable, which LangGraph would invoke
            with the state if a node returned it.
    """

    site: int = 0
    user: bool = False
    runnable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Obj:
    """A real object found through a closure, a global or an attribute."""

    obj: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Obj) and other.obj is self.obj

    def __hash__(self) -> int:
        return hash(("Obj", id(self.obj)))


@dataclass(frozen=True, slots=True)
class Alloc:
    """An object the analysed code makes; ``site`` indexes its ``Cell``."""

    site: int


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Func:
    """A function or lambda defined inside analysed code."""

    node: FunctionNode
    frame: int


@dataclass(frozen=True, slots=True)
class Method:
    """``receiver.name``, not called yet."""

    receiver: Atom
    name: str


@dataclass(frozen=True, slots=True)
class Super:
    """``super()`` inside a method of ``owner``."""

    owner: type
    receiver: Atom


Atom = Ref | Const | Plain | Opaque | Obj | Alloc | Func | Method | Super
Value = frozenset[Atom]

NOTHING: Final[Value] = frozenset()
PLAIN: Final[Value] = frozenset((Plain(),))
NONE: Final[Value] = frozenset((Const(None),))
OPAQUE: Final[Value] = frozenset((Opaque(),))
USER_OPAQUE: Final[Value] = frozenset((Opaque(user=True),))

Kind = Literal["dict", "list", "tuple", "set", "command", "send", "instance", "partial", "state"]


@dataclass(slots=True)
class Cell:
    """What is known of one allocated object, whatever the order of its stores.

    Args:
        kind: What it is; ``"state"`` is a shallow copy of the state.
        fields: Values under constant keys, positions or attribute names.
        rest: Values under keys that are not known, and elements.
        open: Whether it may have keys other than those in ``fields``.
        cls: The class of an instance.
        exact: Whether integer keys of ``fields`` are true positions.
        seen: Whether it was read, so that growing it asks for another pass.
        held: All values of ``fields`` and ``rest``.
        unsure: Whether it copies an object whose class is not known.
        spelled: The items that a list display spells out, by position; what is put
            in later is in ``rest`` only.
    """

    kind: Kind
    fields: dict[object, Value] = field(default_factory=dict)
    rest: Value = NOTHING
    open: bool = False
    cls: type | None = None
    exact: bool = True
    seen: bool = False
    held: Value = NOTHING
    unsure: bool = False
    spelled: tuple[Value, ...] = ()

    def everything(self) -> Value:
        """All values it may hold."""
        return self.held


@dataclass(slots=True)
class Args:
    """The arguments of one call.

    Args:
        pos: Positional arguments.
        star: Elements of ``*iterables`` whose length is not known.
        kw: Keyword arguments.
        kwstar: Values of ``**mappings`` whose keys are not known.
    """

    pos: list[Value] = field(default_factory=list)
    star: Value = NOTHING
    kw: dict[str, Value] = field(default_factory=dict)
    kwstar: Value = NOTHING

    def everything(self) -> Value:
        """All values passed."""
        return join(self.pos) | self.star | join(self.kw.values()) | self.kwstar

    def get(self, index: int, name: str | None = None) -> Value:
        """The value of one parameter, as far as it is known.

        Args:
            index: Its position.
            name: Its name, if it may be passed by keyword.
        """
        if 0 <= index < len(self.pos):
            return self.pos[index]
        if name is not None and name in self.kw:
            return self.kw[name]
        return self.star | (self.kwstar if name is not None else NOTHING)


def join(values: Iterable[Value]) -> Value:
    """The union of values."""
    return frozenset().union(*values)


def const(value: object) -> Value:
    """A value that is exactly this constant."""
    return frozenset((Const(value),))


def one(atom: Atom) -> Value:
    """A value of one atom."""
    return frozenset((atom,))


def strings(value: Value) -> frozenset[str] | None:
    """The strings a value can be, or ``None`` if it can be anything else."""
    found = set()
    for atom in value:
        if not (isinstance(atom, Const) and isinstance(atom.value, str)):
            return None
        found.add(atom.value)
    return frozenset(found) if found else None
