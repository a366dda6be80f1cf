"""From a state object to what is below it, and out of the code's sight."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable

from langgraph_alto.plan.analysis import hints, members
from langgraph_alto.plan.analysis.catalogue import MUTATORS
from langgraph_alto.plan.analysis.dunders import observe
from langgraph_alto.plan.analysis.graphs import graphs_in
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.values import (
    ELEMENT,
    OPAQUE,
    UNKNOWN,
    Alloc,
    Func,
    Method,
    Obj,
    Ref,
    Super,
    Value,
    one,
)
from langgraph_alto.plan.effects import BELOW, Path


def child(machine: Machine, ref: Ref, name: str, hint: object) -> Value:
    """The object under a constant name of a state object."""
    if not ref.exact:
        return inner(machine, ref, hint)
    if len(ref.path) >= machine.max_path:
        return inner(machine, ref, hint)
    path = (*ref.path, name)
    machine.rec.touched.add(path)
    return _place(machine, path, True, hint) | machine.kept_at(path)


def inner(machine: Machine, ref: Ref, hint: object = UNKNOWN) -> Value:
    """Some object somewhere below a state object."""
    machine.rec.read(ref.path, "a key of the state is not known before the run")
    return _place(machine, ref.path, False, hint) | machine.kept_below(ref.path)


def _place(machine: Machine, path: Path, exact: bool, hint: object) -> Value:
    """The object at a place: of its annotation, and of classes found out since."""
    found = one(Ref(path, exact, hint))
    if hints.classes(hint):
        return found
    return found | {Ref(path, exact, each) for each in machine.learned.get((path, exact), ())}


def element(machine: Machine, ref: Ref) -> Value:
    """Some element of a state object."""
    hint = hints.element(ref.hint)
    if ref.path and ref.exact and hints.is_sequence(ref.hint):
        return child(machine, ref, ELEMENT, hint)
    return inner(machine, ref, hint)


@functools.cache
def cell_node() -> ast.AST:
    """A place for calls no syntax stands for."""
    return ast.Pass(lineno=0, col_offset=0)


def see(machine: Machine, obj: object) -> Value:
    """A real object the code refers to; some of them are facts by themselves."""
    for graph in graphs_in(obj):
        machine.rec.graphs[id(graph)] = graph
    module = getattr(type(obj), "__module__", "")
    if module == "langgraph.func":
        machine.rec.calls_tasks = True
    elif isinstance(obj, types.FunctionType) and obj.__module__ is not None:
        if obj.__name__ == "interrupt" and obj.__module__ == "langgraph.types":
            machine.rec.interrupts = True
        elif obj.__name__ == "get_store" and obj.__module__ == "langgraph.config":
            machine.rec.uses_store = True
    elif (
        isinstance(obj, type)
        and obj.__module__ == "langgraph.errors"
        and issubclass(obj, BaseException)
        and any(c.__name__ == "GraphBubbleUp" for c in obj.__mro__)
    ):
        machine.rec.interrupts = True
    return wrap(obj)


def escape(machine: Machine, value: Value, why: Callable[[], str]) -> None:
    """These objects go where analysis cannot follow: all their content is read."""
    if not machine.aliasing(value):
        return
    for atom in machine.reachable(value):
        if isinstance(atom, Ref):
            machine.rec.read(atom.path, "" if atom.path else why())
            observe(machine, atom, cell_node())
        elif isinstance(atom, Func) or (isinstance(atom, Method) and may_change(atom)):
            machine.call_escaped(atom, OPAQUE, cell_node())
        elif isinstance(atom, Alloc):
            observe(machine, atom, cell_node())


def work_on(machine: Machine, value: Value, *, deep: bool = False) -> None:
    """The code iterates over these, subscripts them or works on them by operators.

    Where nothing tells the class of a state object, that is noted; what it does is
    known when the object is at hand.

    Args:
        machine: The analysis.
        value: The objects.
        deep: Whether code that is not seen does, so with all that is in them, too.
    """
    for atom in value:
        if isinstance(atom, Ref) and not (hints.is_all_told if deep else hints.is_told)(atom.hint):
            whole = deep or not atom.exact
            machine.rec.untold.add((*atom.path, BELOW) if whole else atom.path)


def may_change(method: Method) -> bool:
    """Whether calling a bound method later is worth thinking about.

    An attribute of unknown objects is far more often data than a method.
    """
    if method.name in MUTATORS:
        return True
    receiver = method.receiver
    if isinstance(receiver, Ref):
        return members.member(receiver.hint, method.name).kind == "method"
    return isinstance(receiver, (Alloc, Super, Obj))


def change(machine: Machine, ref: Ref, why: str) -> None:
    """A state object changes in place."""
    if ref.path:
        machine.rec.touched.add(ref.path)
    machine.mutate(one(ref), why)
