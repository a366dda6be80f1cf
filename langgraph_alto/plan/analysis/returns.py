"""What LangGraph would make of a returned value: updates and destinations."""

from __future__ import annotations

from dataclasses import dataclass, field

from langgraph_alto.plan.analysis import hints, runnables
from langgraph_alto.plan.analysis.construct import is_langgraph
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.source import is_library_module
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    Alloc,
    Atom,
    Cell,
    Const,
    Func,
    Method,
    Obj,
    Opaque,
    Plain,
    Ref,
    Value,
    strings,
)

END = "__end__"

_SEND_FIELDS = ("node", "arg", "timeout")


@dataclass(slots=True)
class Outcome:
    """Where a result may write and lead, as far as it is understood.

    Args:
        writes: Keys of updates.
        any_writes: Whether updates may have other keys.
        names: Destinations given by name.
        any_names: Whether there may be other names.
        sends: Nodes that ``Send`` objects go to.
        any_sends: Whether there may be other ``Send`` objects.
        updates: The values of updates, by key.
        payloads: What ``Send`` objects carry.
    """

    machine: Machine
    writes: set[str] = field(default_factory=set)
    any_writes: bool = False
    names: set[str] = field(default_factory=set)
    any_names: bool = False
    sends: set[str] = field(default_factory=set)
    any_sends: bool = False
    updates: dict[str, Value] = field(default_factory=dict)
    payloads: Value = NOTHING
    _seen: set[object] = field(default_factory=set)

    def unknown_writes(self, why: str) -> None:
        """Updates may have any key."""
        self.any_writes = True
        self.machine.rec.doubt("writes", why)

    def unknown_goto(self, why: str) -> None:
        """The result may lead anywhere."""
        self.any_names = self.any_sends = True
        self.machine.rec.doubt("goto", why)

    @property
    def goto(self) -> frozenset[str] | None:
        """All destinations, or ``None``."""
        if self.any_names or self.any_sends:
            return None
        return frozenset((self.names | self.sends) - {END})

    # -- a node's result -----------------------------------------------------------

    def _locate(self, atom: Atom) -> None:
        where = self.machine.origins.get(atom)
        if where is not None:
            self.machine.rec.file, self.machine.rec.line = where

    def node(self, value: Value) -> None:
        """Take a value that a node returns."""
        for atom in value:
            self._locate(atom)
            self._node_atom(atom)

    def parts(self, value: Value) -> None:
        """Take what a ``@streaming`` node yields: as what it returns, and packets as such."""
        for atom in value:
            self._locate(atom)
            cell = self.machine.cell(atom) if isinstance(atom, Alloc) else None
            if cell is not None and cell.kind == "send":
                self.send(cell)
            elif cell is not None and cell.kind in ("list", "tuple"):
                self.parts(cell.everything())
            else:
                self._node_atom(atom)

    def _node_atom(self, atom: Atom) -> None:
        if isinstance(atom, (Const, Plain)):
            return
        if isinstance(atom, Alloc):
            if ("node", atom) in self._seen:
                return
            self._seen.add(("node", atom))
            self._node_cell(self.machine.cell(atom))
        elif isinstance(atom, Ref):
            self._returned_ref(atom)
        elif isinstance(atom, (Func, Method)):
            self.unknown_writes("a function is returned")
            self.unknown_goto("a function is returned")
        elif isinstance(atom, Obj) and isinstance(atom.obj, dict):
            for key, value in atom.obj.items():
                self._write(key, wrap(value))
            if self.machine.kept_real(atom.obj, "[]"):
                self.unknown_writes("a mapping that outlives the node is returned")
        else:
            runnable = isinstance(atom, Opaque) and atom.runnable
            if runnable or (isinstance(atom, Obj) and runnables.is_runnable(atom.obj)):
                self.machine.rec.read((), "a runnable is returned, and is given the whole state")
                self.machine.rec.mutate((), "a runnable is returned, and is given the whole state")
            self.unknown_writes("the result of code that is not seen is returned")
            self.unknown_goto("the result of code that is not seen is returned")

    def _returned_ref(self, ref: Ref) -> None:
        if not ref.path and ref.exact:
            self.unknown_writes("the state itself is returned")
            return
        self.unknown_writes("an object of the state is returned as the update")
        classes = hints.classes(ref.hint)
        if not classes or any(
            is_langgraph(c, "Command") or issubclass(c, (list, tuple)) for c in classes
        ):
            self.unknown_goto("an object of the state is returned")

    def _node_cell(self, cell: Cell) -> None:
        if cell.kind == "command":
            self._command(cell)
        elif cell.kind == "send":
            # LangGraph looks for state keys among a Send's own attributes.
            self.writes.update(_SEND_FIELDS)
            self.send(cell)
        elif cell.kind in ("dict", "state"):
            self.update(cell)
        elif cell.kind == "instance":
            self.instance(cell)
        elif cell.kind in ("list", "tuple"):
            self.node(cell.everything())
        elif cell.kind == "partial":
            self.unknown_writes("a function is returned")
            self.unknown_goto("a function is returned")

    def update(self, cell: Cell) -> None:
        """Take a dict of updates."""
        if cell.kind == "state":
            self.unknown_writes("a copy of the state is returned")
        elif cell.open or not cell.exact:
            self.unknown_writes("a key of the returned update is not a constant")
        for key, value in cell.fields.items():
            self._write(key, value)

    def _write(self, key: object, value: Value) -> None:
        if isinstance(key, str):
            self.writes.add(key)
            self.updates[key] = self.updates.get(key, NOTHING) | value

    def instance(self, cell: Cell) -> None:
        """Take an object whose attributes are the updates."""
        cls = cell.cls
        names = None if cls is None else hints.fields(cls)
        config = getattr(cls, "model_config", {})
        if cls is None or names is None or cell.open or config.get("extra") == "allow":
            self.unknown_writes("an object of an unknown shape is returned")
            if cls is None or issubclass(cls, (list, tuple)):
                self.unknown_goto("an object of an unknown shape is returned")
            return
        for name in names:
            self._write(name, cell.rest)
        for key, value in cell.fields.items():
            self._write(key, value)
        for base in cls.__mro__:
            if not is_library_module(base.__module__):
                self.writes.update(n for n in vars(base) if not n.startswith("_"))

    def _command(self, cell: Cell) -> None:
        graph = cell.fields.get("graph", NONE)
        if cell.open or cell.rest:
            self.unknown_writes("a Command is built from unknown arguments")
            self.unknown_goto("a Command is built from unknown arguments")
            return
        if graph != NONE:
            self.unknown_writes("a Command is sent to a parent graph")
            self.unknown_goto("a Command is sent to a parent graph")
        for atom in cell.fields.get("update", NONE):
            self._command_update(atom)
        self.destinations(cell.fields.get("goto", NOTHING))

    def _command_update(self, atom: Atom) -> None:
        if isinstance(atom, Const) and atom.value is None:
            return
        if isinstance(atom, Alloc):
            cell = self.machine.cell(atom)
            if cell.kind in ("dict", "state"):
                self.update(cell)
                return
            if cell.kind == "instance":
                self.instance(cell)
                return
            if cell.kind in ("list", "tuple"):
                self._pairs(cell)
                return
        if isinstance(atom, Obj) and isinstance(atom.obj, dict):
            self._node_atom(atom)
            return
        if isinstance(atom, (Const, Plain)):
            self.writes.add("__root__")
            return
        what = "the state itself" if isinstance(atom, Ref) and not atom.path else "an unknown value"
        self.unknown_writes(f"the update of a Command is {what}")

    def _pairs(self, cell: Cell) -> None:
        """An update given as a sequence of key and value."""
        for atom in cell.everything():
            pair = self.machine.cell(atom) if isinstance(atom, Alloc) else None
            keys = None if pair is None else strings(pair.fields.get(0, NOTHING))
            if pair is None or pair.kind != "tuple" or not pair.exact or keys is None:
                self.unknown_writes("the update of a Command is a list that is not understood")
                return
            for key in keys:
                self._write(key, pair.fields.get(1, NOTHING) | pair.rest)

    # -- destinations --------------------------------------------------------------

    def destinations(self, value: Value, *, depth: int = 0) -> None:
        """Take a value that names where to go: names, sends, or sequences of them."""
        for atom in value:
            self._locate(atom)
            self._destination(atom, depth)

    def _destination(self, atom: Atom, depth: int) -> None:
        if isinstance(atom, Const):
            if isinstance(atom.value, str):
                self.names.add(atom.value)
            elif atom.value is not None:
                self._unknown_name("a destination is not a string")
        elif isinstance(atom, Plain):
            self._unknown_name("a destination is computed")
        elif isinstance(atom, Alloc):
            if ("goto", atom) in self._seen:
                return
            self._seen.add(("goto", atom))
            cell = self.machine.cell(atom)
            if cell.kind == "send":
                self.send(cell)
            elif cell.kind in ("list", "tuple") and depth < 3:
                self.destinations(cell.everything(), depth=depth + 1)
            else:
                self.unknown_goto("a destination is not understood")
        elif isinstance(atom, Ref) and hints.is_scalar(atom.hint):
            self._unknown_name("a destination is taken from the state")
        elif isinstance(atom, Obj):
            self._real_destination(atom.obj)
        else:
            self.unknown_goto("a destination is not known before the run")

    def _real_destination(self, obj: object) -> None:
        cls = type(obj)
        if isinstance(obj, str):
            self.names.add(str(obj))
        elif is_langgraph(cls, "Send"):
            self.sends.add(str(getattr(obj, "node", "")))
        elif isinstance(obj, (list, tuple)):
            for each in obj:
                if each is not None:
                    self._real_destination(each)
        else:
            self.unknown_goto("a destination is not understood")

    def _unknown_name(self, why: str) -> None:
        self.any_names = True
        self.machine.rec.doubt("goto", why)

    def send(self, cell: Cell) -> None:
        """Take one ``Send``."""
        self.payloads |= cell.fields.get("arg", NOTHING) | cell.rest
        node = cell.fields.get("node", NOTHING)
        targets = strings(node)
        if targets is None or cell.open or cell.rest:
            self.any_sends = True
            self.machine.rec.doubt("goto", "the target of a Send is not a constant")
            return
        self.sends.update(targets)
