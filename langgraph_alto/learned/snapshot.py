"""Pictures of a state before and after a node: the safety net under the views.

A change that no view noticed (code in C, an object that has no view, a second
way to the same object) shows as a difference of two pictures. Taking and
comparing them runs no code of the objects, but that which pickles objects of
classes written in C.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import hashlib
import pathlib
import pickle
import re
import threading
import types
import uuid
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from langgraph_alto.learned.record import ELEMENT
from langgraph_alto.learned.views import own_attributes
from langgraph_alto.plan.effects import Path

MAX_OBJECTS = 100_000
"""A picture has no more objects than this; the rest is not compared."""

MAX_PICKLE = 16_000_000
"""Nor pickles longer than this, in bytes."""

_PLAIN = frozenset({str, int, bool, bytes, type(None), complex})
_IMMUTABLE = (
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath, re.Pattern, range),
    *(enum.Enum, type, types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    *(types.ModuleType, weakref.ref, type(threading.Lock()), type(threading.RLock())),
)
_UNCOUNTED = frozenset({"__pydantic_fields_set__"})


@dataclass(eq=False, slots=True)
class Token:
    """One object in a picture.

    Args:
        kind: Its class.
        id: Its id, if it is one that can change.
        value: What is compared for a leaf: something that compares safely.
        items: Its items or attributes by name; elements by position.
        named: Whether ``items`` have names that paths can have.
        sized: Whether another number of items is a change of the object itself.
    """

    kind: type
    id: int = 0
    value: Any = None
    items: dict[Any, Token] = field(default_factory=dict)
    named: bool = False
    sized: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A state at one time.

    Args:
        keys: A token for each top-level key.
        unseen: Keys of which something cannot be compared, and why.
    """

    keys: Mapping[str, Token]
    unseen: Mapping[str, str]

    @property
    def digest(self) -> int:
        """The same for equal states, as far as they are seen."""
        text = hashlib.sha256()
        seen: set[int] = set()
        for key in sorted(self.keys):
            text.update(repr(key).encode(errors="replace"))
            for part in _parts(self.keys[key], seen):
                text.update(part.encode(errors="replace"))
        return int.from_bytes(text.digest()[:8], "big")


def picture(state: Any) -> Picture:
    """Take a picture of a state: a dict, or an object whose attributes are the keys."""
    if issubclass(type(state), dict):
        parts: Mapping[Any, Any] = dict(dict.items(state))
    else:
        parts = own_attributes(state) or {"__root__": state}
    camera = _Camera()
    keys, unseen = {}, {}
    for key, value in parts.items():
        if type(key) is not str or key in _UNCOUNTED:
            continue
        camera.trouble = None
        try:
            keys[key] = camera.token(value)
        except Exception as problem:  # noqa: BLE001 - the node must run whatever is in its state
            # Too deep, say, or changed by another thread while it was looked at.
            keys[key] = Token(type(value))
            camera.trouble = f"it cannot be walked through: {type(problem).__name__}"
        if camera.trouble is not None:
            unseen[key] = camera.trouble
    return Picture(keys, unseen)


def changes(before: Picture, after: Picture) -> dict[Path, set[int]]:
    """The paths at which two pictures differ, with the ids of the objects that changed.

    Keys that came or went are not compared.
    """
    found: dict[Path, set[int]] = {}
    for key, token in before.keys.items():
        if key in after.keys:
            _compare(token, after.keys[key], (key,), 0, found, set())
    return found


class _Camera:
    def __init__(self) -> None:
        self.trouble: str | None = None
        self._tokens: dict[int, Token] = {}
        self._kept: list[Any] = []

    def token(self, value: Any) -> Token:
        kind = type(value)
        if kind in _PLAIN:
            return Token(kind, value=value)
        if kind is float:
            return Token(kind, value=repr(value))
        # Not isinstance, which may ask the object for its class.
        if issubclass(kind, _IMMUTABLE):
            return Token(kind, value=id(value))
        known = self._tokens.get(id(value))
        if known is not None:
            return known
        token = self._tokens[id(value)] = Token(kind, id(value))
        self._kept.append(value)  # or its id could be another's
        if len(self._tokens) > MAX_OBJECTS:
            self.trouble = f"it has more than {MAX_OBJECTS:,} objects"
            return token
        self._look(token, value)
        return token

    def _look(self, token: Token, value: Any) -> None:
        kind = type(value)
        attributes = {} if kind in (dict, list, set, tuple) else own_attributes(value)
        for attribute, each in attributes.items():
            if attribute not in _UNCOUNTED:
                token.items[attribute] = self.token(each)
        token.named = bool(attributes)
        if issubclass(kind, dict):
            token.named = not attributes
            for key, each in tuple(dict.items(value)):
                name: Any = key if type(key) is str else ("item", _mark(key))
                token.items[name] = self.token(each)
        elif issubclass(kind, list | tuple | collections.deque):
            elements = tuple(value)
            kinds = tuple(map(type, elements))
            if _PLAIN.issuperset(kinds):
                token.value = kinds, elements  # one by one, long lists would take long
                return
            token.sized, token.named = True, False
            for position, each in enumerate(elements):
                token.items[position] = self.token(each)
        elif issubclass(kind, set | frozenset):
            token.value = frozenset(_mark(each) for each in tuple(value))
        elif issubclass(kind, bytearray):
            token.value = bytes(value)
        elif issubclass(kind, str | int | bytes | float):
            token.value = repr(_plain(value))
        elif not attributes and not _is_heap(kind):
            token.value = self._pickled(value)

    def _pickled(self, value: Any) -> Any:
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception:  # noqa: BLE001 - pickling runs the object's own code
            self.trouble = f"a {type(value).__qualname__} in it cannot be compared"
            return id(value)
        if len(data) > MAX_PICKLE:
            self.trouble = f"a {type(value).__qualname__} in it is too large to compare"
            return len(data)
        return hashlib.sha256(data).digest()


def _plain(value: Any) -> Any:
    """A value of a subclass of a plain class, as one of the plain class."""
    for kind in (str, int, bytes, float):
        if isinstance(value, kind):
            plain: Any = kind
            return plain.__str__(value) if kind in (str,) else plain.__repr__(value)
    return None


def _is_heap(kind: type) -> bool:
    """Whether instances of a class have nothing but attributes: the class is Python's."""
    return all(
        base is object or base is BaseModel or base.__flags__ & 1 << 9 for base in kind.__mro__
    ) and ("__dict__" in dir(kind) or any("__slots__" in vars(base) for base in kind.__mro__))


def _mark(value: Any) -> Any:
    """Something that stands for a key or a set's element and compares safely."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if kind is float:
        return kind, repr(value)
    if kind in (tuple, frozenset):
        return kind, tuple(_mark(each) for each in value)
    return kind, id(value)


def _compare(
    one: Token,
    other: Token,
    path: Path,
    owner: int,
    found: dict[Path, set[int]],
    seen: set[tuple[int, int]],
) -> None:
    if one is other or (id(one), id(other)) in seen:
        return
    seen.add((id(one), id(other)))
    # Of an object that another took the place of, its owner changed.
    changed = one.id if one.id == other.id and one.id else owner
    grown = one.sized and len(one.items) != len(other.items)
    if one.kind is not other.kind or one.value != other.value or grown:
        found.setdefault(path, set()).add(changed)
        return
    for name in {**one.items, **other.items}:
        below = (*path, name) if one.named and type(name) is str else path
        if one.sized and type(name) is int:
            below = (*path, ELEMENT)
        left, right = one.items.get(name), other.items.get(name)
        if left is None or right is None:
            found.setdefault(below, set()).add(changed)
        else:
            _compare(left, right, below, changed, found, seen)


def _parts(token: Token, seen: set[int]) -> Iterator[str]:
    """A token as text, without ids."""
    if id(token) in seen:
        yield "again"
        return
    seen.add(id(token))
    yield token.kind.__qualname__
    if token.kind in _PLAIN or token.kind is float or type(token.value) in (bytes, str, tuple):
        yield repr(token.value)
    elif isinstance(token.value, frozenset):
        yield repr(sorted(repr(each) for each in token.value if each[0] in _PLAIN))
    for name, item in token.items.items():
        yield str(name) if type(name) in (str, int) else "item"
        yield from _parts(item, seen)
