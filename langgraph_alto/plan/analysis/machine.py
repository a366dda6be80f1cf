"""The store of one analysis: frames, cells, and what was put where.

Everything here only grows. A slot that grows after it was read sets
``changed``, and the whole function is then interpreted once more; when a pass
ends with nothing changed, what was recorded covers every order of execution.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from langgraph_alto.plan.analysis.frames import Frame, Scope
from langgraph_alto.plan.analysis.recorder import Recorder
from langgraph_alto.plan.analysis.scopes import ScopeNode, bindings
from langgraph_alto.plan.analysis.values import (
    MAX_PATH,
    NOTHING,
    Alloc,
    Args,
    Atom,
    Cell,
    Const,
    Func,
    Kind,
    Method,
    Obj,
    Opaque,
    Plain,
    Ref,
    Super,
    Value,
    one,
)
from langgraph_alto.plan.effects import Path

MAX_DEPTH = 6
MAX_VISITS = 40_000
MAX_ATOMS = 96
MAX_CONSTS = 32
_COARSER = {6: 2, 10: 1}
"""After so many passes, paths get no longer than this: structures that refer to
themselves would otherwise take long to settle."""


class GiveUp(Exception):
    """Analysis is not worth continuing; everything stays unknown."""


class Apply(Protocol):
    """Calls a value; the interpreter provides it."""

    def __call__(self, machine: Machine, callee: Value, args: Args, node: ast.AST) -> Value: ...


@dataclass(slots=True)
class Machine:
    """All that is known while one function is analysed.

    Args:
        apply: How to call a value.
        strict: Whether calls of unseen code count as changing their arguments.
        final: Whether what has no value by now will never have one.
        nameless: Whether something without a value was called.
    """

    apply: Apply
    strict: bool = False
    rec: Recorder = field(default_factory=Recorder)
    frames: list[Frame] = field(default_factory=list)
    frame_index: dict[object, int] = field(default_factory=dict)
    stack: list[Frame] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    cell_index: dict[object, int] = field(default_factory=dict)
    sites: dict[object, int] = field(default_factory=dict)
    at: dict[Path, Value] = field(default_factory=dict)
    inside: dict[Path, Value] = field(default_factory=dict)
    kept: dict[tuple[int, object], Value] = field(default_factory=dict)
    kept_in: dict[int, Value] = field(default_factory=dict)
    learned: dict[tuple[Path, bool], tuple[object, ...]] = field(default_factory=dict)
    pinned: list[object] = field(default_factory=list)
    raised: Value = NOTHING
    sent: Value = NOTHING
    made: dict[object, object] = field(default_factory=dict)
    changed: bool = False
    final: bool = False
    nameless: bool = False
    visits: int = 0
    passes: int = 0
    max_path: int = MAX_PATH
    escaped: dict[Atom, Value] = field(default_factory=dict)
    defaults: dict[Func, dict[str, Value]] = field(default_factory=dict)
    origins: dict[Atom, tuple[str | None, int | None]] = field(default_factory=dict)

    @property
    def frame(self) -> Frame:
        """The frame that is running."""
        return self.stack[-1]

    def site(self, node: object) -> int:
        """A number for a place in the code, in the context it is reached in."""
        key = (self.frame.index if self.stack else -1, id(node) if is_node(node) else node)
        return self.sites.setdefault(key, len(self.sites) + 1)

    def opaque(self, node: object, *, user: bool = False, runnable: bool = False) -> Value:
        """An unknown object made at ``node``."""
        return one(Opaque(self.site(node), user, runnable))

    def frame_for(
        self,
        key: object,
        node: ScopeNode,
        scope: Scope,
        parent: Frame | None,
        depth: int,
        *,
        inline: bool = False,
    ) -> Frame:
        """The frame for this code in this context, the same one in every pass."""
        index = self.frame_index.get(key)
        if index is None:
            index = self.frame_index[key] = len(self.frames)
            frame = Frame(index, node, bindings(node), scope, parent, depth, inline)
            self.frames.append(frame)
        return self.frames[index]

    def defaults_of(self, func: Func) -> dict[str, Value]:
        """The default values of an analysed function's parameters."""
        return self.defaults.get(func, {})

    # -- objects the code makes ------------------------------------------------

    def alloc(self, kind: Kind, node: object, part: object = None) -> tuple[Value, Cell]:
        """The object made at a place, the same one each time the place is met."""
        key = (self.frame.index if self.stack else -1, id(node), part, kind)
        index = self.cell_index.get(key)
        if index is None:
            index = self.cell_index[key] = len(self.cells)
            self.cells.append(Cell(kind))
            self.pinned.append(node)
        return one(Alloc(index)), self.cells[index]

    def cell(self, atom: Alloc) -> Cell:
        """The content of an allocated object, which counts as read."""
        cell = self.cells[atom.site]
        cell.seen = True
        return cell

    def put(self, cell: Cell, key: object, value: Value) -> None:
        """Add to what an object may hold under a constant key."""
        old = cell.fields.get(key)
        if old is None or not covers(old, value):
            cell.fields[key] = limit(value if old is None else old | value)
            cell.held = limit(cell.held | value)
            self.changed |= cell.seen

    def put_rest(self, cell: Cell, value: Value) -> None:
        """Add to what an object may hold anywhere."""
        if not covers(cell.rest, value):
            cell.rest = limit(cell.rest | value)
            cell.held = limit(cell.held | value)
            self.changed |= cell.seen

    def loosen(self, cell: Cell) -> None:
        """From now on the object may have keys that are not known."""
        if not cell.open:
            cell.open = True
            self.changed |= cell.seen

    def container(self, kind: Kind, node: object, elements: Value, part: object = None) -> Value:
        """A fresh container of these elements."""
        value, cell = self.alloc(kind, node, part)
        self.put_rest(cell, elements)
        cell.exact = False
        return value

    # -- what was stored in the state, or in real objects ----------------------

    def keep(self, path: Path, key: str | None, value: Value) -> None:
        """Something was stored in a state object, so loads may yield it again."""
        value = self.aliasing(value)
        if not value:
            return
        table, slot = (self.at, (*path, key)) if key is not None else (self.inside, path)
        old = table.get(slot, NOTHING)
        if not covers(old, value):
            table[slot] = limit(old | value)
            self.changed = True

    def kept_at(self, path: Path) -> Value:
        """What loads of exactly this path may yield besides the state's object."""
        if not (self.at or self.inside):
            return NOTHING
        return self.at.get(path, NOTHING) | self.inside.get(path[:-1], NOTHING)

    def kept_below(self, path: Path) -> Value:
        """What loads of unknown depth below a path may yield."""
        found = NOTHING
        for table in (self.at, self.inside):
            for where, value in table.items():
                if where[: len(path)] == path:
                    found |= value
        return found

    def keep_real(self, obj: object, key: object, value: Value) -> None:
        """Something was stored in a real object, or the unknown one of a site."""
        value = self.aliasing(value)
        if not value:
            return
        slot = (_identity(obj), key)
        old = self.kept.get(slot, NOTHING)
        if not covers(old, value):
            self.pinned.append(obj)
            self.kept[slot] = limit(old | value)
            self.kept_in[slot[0]] = limit(self.kept_in.get(slot[0], NOTHING) | value)
            self.changed = True

    def kept_real(self, obj: object, key: object) -> Value:
        """What such an object may hold besides its real content."""
        if not self.kept:
            return NOTHING
        slot = _identity(obj)
        return self.kept.get((slot, key), NOTHING) | self.kept.get((slot, None), NOTHING)

    def held_by(self, atom: Atom) -> Value:
        """What was stored in an object that is not the state's, in whatever place."""
        if isinstance(atom, Alloc):
            return self.cell(atom).held
        if isinstance(atom, (Method, Super)):
            return one(atom.receiver)
        if self.kept_in and isinstance(atom, (Opaque, Obj)):
            thing = atom.site if isinstance(atom, Opaque) else atom.obj
            return self.kept_in.get(_identity(thing), NOTHING)
        return NOTHING

    def aliasing(self, value: Value) -> Value:
        """The atoms through which state or made objects can be changed."""
        return frozenset(
            a for a in value if isinstance(a, (Ref, Alloc, Func, Method, Super)) or self.held_by(a)
        )

    # -- names -----------------------------------------------------------------

    def assign(self, frame: Frame, name: str, value: Value) -> None:
        """Bind a name of a frame."""
        if name in frame.names.captured or frame.inline:
            old = frame.shared.get(name)
            if old is None or not covers(old, value):
                frame.shared[name] = limit(value if old is None else old | value)
                self.changed |= name in frame.seen
        else:
            frame.env[name] = limit(value)

    def lookup(self, frame: Frame, name: str) -> Value | None:
        """The value of a name some analysed frame binds, or ``None``."""
        at: Frame | None = frame
        while at is not None:
            if name in at.names.local and (at is frame or not isinstance(at.node, ast.ClassDef)):
                if name in at.names.captured or at.inline:
                    at.seen.add(name)
                    return at.shared.get(name, NOTHING)
                return at.env.get(name, NOTHING)
            if name in at.names.global_:
                return None
            at = at.parent
        return None

    def throw(self, value: Value) -> None:
        """From now on, any exception that is caught may be or hold this."""
        if not covers(self.raised, value):
            self.raised = limit(self.raised | value)
            self.changed = True

    def send(self, value: Value) -> None:
        """From now on, any generator may be sent this."""
        value = self.aliasing(value)
        if not covers(self.sent, value):
            self.sent = limit(self.sent | value)
            self.changed = True

    # -- effects ---------------------------------------------------------------

    def read(self, value: Value, why: Callable[[], str]) -> None:
        """The whole content of these objects is used."""
        for atom in value:
            if isinstance(atom, Ref):
                self.rec.read(atom.path, "" if atom.path else why())

    def mutate(self, value: Value, why: str, *, certain: bool = True) -> None:
        """These objects change in place."""
        for atom in value:
            if isinstance(atom, Ref):
                if atom.path or not atom.exact:
                    self.rec.mutate(atom.path, why, certain)
                else:
                    self.rec.store(None, why)

    def reachable(self, value: Value) -> Value:
        """All atoms that can be reached through these, cells opened up."""
        found: set[Atom] = set(value)
        todo = list(value)
        while todo:
            new = self.held_by(todo.pop()) - found
            found |= new
            todo += new
        self.visits += len(found) // 4
        return frozenset(found)

    def begin_pass(self) -> None:
        """Interpret everything once more, with what is known by now."""
        self.changed = False
        self.escaped.clear()
        self.passes += 1
        if self.passes in _COARSER:
            self.max_path = _COARSER[self.passes]

    def call_escaped(self, atom: Atom, passed: Value, node: ast.AST) -> None:
        """Unseen code may call this with these objects in any position."""
        known = self.escaped.get(atom)
        if known is not None and passed <= known:
            return
        passed = passed if known is None else passed | known
        self.escaped[atom] = passed
        self.apply(self, one(atom), Args(star=passed, kwstar=passed), node)

    def tick(self) -> None:
        """Count work, so that hostile code cannot keep analysis busy."""
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise GiveUp("the function is too large to analyse")


def is_node(thing: object) -> bool:
    """Whether this is syntax, which outlives the analysis, or a name of our own."""
    return isinstance(thing, ast.AST)


def _identity(obj: object) -> int:
    """What stored things are filed under: an object, or the site of an unknown one."""
    return -1 - obj if isinstance(obj, int) else id(obj)


def covers(old: Value, new: Value) -> bool:
    """Whether everything ``new`` may be is already in ``old``."""
    if new <= old:
        return True
    return Plain() in old and all(isinstance(a, Const) and a.value is not None for a in new - old)


def limit(value: Value) -> Value:
    """Keep values small: many constants become plain data, too many atoms give up."""
    if len(value) <= MAX_CONSTS:
        return value
    consts = [a for a in value if isinstance(a, Const) and a.value is not None]
    if len(consts) > MAX_CONSTS // 2:
        value = (value - frozenset(consts)) | {Plain()}
    if len(value) > MAX_ATOMS:
        raise GiveUp("a value has too many possible origins")
    return value


def merge(*envs: dict[str, Value]) -> dict[str, Value]:
    """The environment where control flow joins."""
    first, *others = envs
    out = dict(first)
    for env in others:
        for name, value in env.items():
            old = out.get(name)
            if old is None:
                out[name] = value
            elif old != value:
                out[name] = limit(old | value)
    return out


def wrap(obj: object) -> Value:
    """The value of a real object."""
    if obj is None or isinstance(obj, (str, int, float, bytes, complex)):
        return one(Const(obj)) if type(obj) in _EXACT else one(Obj(obj))
    return one(Obj(obj))


_EXACT = (str, int, float, bytes, complex, bool, type(None))
