"""Chains that a node makes itself: what is given to one goes through its steps, in order.

``(a | b).invoke(x)`` hands out whatever ``b`` returns, be it ``x``. A chain is
an instance of LangChain's class whose steps are its fields ``0``, ``1``, ... .
"""

from __future__ import annotations

import ast

from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnableSequence
from langchain_core.runnables.base import RunnableEach
from langchain_core.runnables.passthrough import RunnableAssign, RunnablePassthrough, RunnablePick

from langgraph_alto.plan.analysis import runnables
from langgraph_alto.plan.analysis.copies import spread
from langgraph_alto.plan.analysis.items import elements, get_item
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.unseen import call_unseen
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    Alloc,
    Args,
    Atom,
    Cell,
    Func,
    Method,
    Obj,
    Opaque,
    Value,
    one,
)

_SAME = frozenset(
    """
    with_config with_retry with_types with_listeners with_alisteners bind configurable_fields
    """.split()
)
"""Methods that return what runs as their receiver does."""


def pipe(machine: Machine, left: Value, right: Value, node: ast.AST) -> Value:
    """``left | right``, as far as these are runnables, or become such."""
    if not any(_is_step(machine, atom) for atom in left | right):
        return NOTHING
    return _made(machine, RunnableSequence, (left, right), node)


def _is_step(machine: Machine, atom: Atom) -> bool:
    if isinstance(atom, Obj):
        plain = callable(atom.obj) and not isinstance(atom.obj, type)
        return plain or runnables.is_runnable(atom.obj)
    if isinstance(atom, Alloc):
        return machine.cell(atom).kind == "partial" or as_made(machine, atom) is not None
    return isinstance(atom, (Func, Method)) or (isinstance(atom, Opaque) and atom.runnable)


def as_made(machine: Machine, atom: Atom) -> Alloc | None:
    """The atom itself, if it is a runnable that the code has made."""
    return atom if isinstance(atom, Alloc) and _is_runnable(machine.cell(atom)) else None


def _is_runnable(cell: Cell) -> bool:
    return cell.kind == "instance" and hasattr(cell.cls, "ainvoke") and hasattr(cell.cls, "invoke")


def _made(machine: Machine, cls: type, steps: tuple[Value, ...], node: ast.AST) -> Value:
    value, cell = machine.alloc("instance", node, ("chain", cls))
    cell.cls = cls
    for index, step in enumerate(steps):
        machine.put(cell, index, step)
    return value


def derive(machine: Machine, receiver: Value, name: str, args: Args, node: ast.AST) -> Value:
    """What a method of a runnable returns that makes another of it."""
    if name in _SAME:
        return receiver
    if name == "with_fallbacks":
        return receiver | elements(machine, args.get(0, "fallbacks"), node)
    if name == "pipe":
        found = receiver
        for index, step in enumerate((*args.pos, args.star)):
            if step:
                value, cell = machine.alloc("instance", node, ("pipe", index))
                cell.cls = RunnableSequence
                machine.put(cell, 0, found)
                machine.put(cell, 1, step)
                found = value
        return found
    if name == "map":
        return _made(machine, RunnableEach, (receiver,), node)
    if name == "pick":
        after = _made(machine, RunnablePick, (args.get(0, "keys"),), node)
        return _made(machine, RunnableSequence, (receiver, after), node)
    if name == "assign":
        added, cell = machine.alloc("dict", node, "assigned")
        for key, each in args.kw.items():
            machine.put(cell, key, each)
        machine.put_rest(cell, args.kwstar)
        after = _made(machine, RunnableAssign, (added,), node)
        return _made(machine, RunnableSequence, (receiver, after), node) if receiver else after
    return NOTHING


def assigns(cls: type, name: str) -> bool:
    """Whether a class method is ``RunnablePassthrough.assign``."""
    return name == "assign" and issubclass(cls, RunnablePassthrough)


def run_method(machine: Machine, atom: Alloc, name: str, args: Args, node: ast.AST) -> Value:
    """One of the methods in ``runnables.RUN``, of a runnable that the code made."""
    if name not in runnables.RUN:
        return NOTHING
    found = run(machine, one(atom), runnables.inputs(machine, name, args, node), node)
    return runnables.results(machine, name, found, node)


def run(machine: Machine, steps: Value, value: Value, node: ast.AST) -> Value:
    """What any of these gives when it is invoked with a value, or called with it."""
    found = NOTHING
    for atom in steps:
        machine.tick()
        if isinstance(atom, Alloc):
            found |= _run_cell(machine, atom, value, node)
        elif isinstance(atom, Obj) and isinstance(atom.obj, dict):
            each = {key: wrap(step) for key, step in atom.obj.items()}
            found |= _parallel(machine, each, value, node)
        elif isinstance(atom, Obj) and runnables.is_runnable(atom.obj):
            found |= runnables.run(machine, atom.obj, value, node)
        elif isinstance(atom, Obj) and callable(atom.obj):
            found |= runnables.call(machine, atom.obj, value, {}, node)
        elif isinstance(atom, (Func, Method)):
            found |= machine.apply(machine, one(atom), Args([value]), node)
        else:
            found |= call_unseen(machine, Args([value]), "a step", node, user=False)
    return found


def _run_cell(machine: Machine, atom: Alloc, value: Value, node: ast.AST) -> Value:
    cell = machine.cell(atom)
    if cell.kind == "partial":
        return machine.apply(machine, one(atom), Args([value]), node)
    if cell.kind == "dict":
        return _parallel(machine, cell.fields, value, node, cell.rest)
    if not _is_runnable(cell) or cell.cls is None:
        return machine.opaque(node)
    if issubclass(cell.cls, RunnableSequence):
        for step in filter(None, tuple(cell.fields.values())):
            value = run(machine, step, value, node)
        return value | run(machine, cell.rest, value, node)
    if issubclass(cell.cls, RunnablePick):
        return get_item(machine, value, cell.held, node)
    if issubclass(cell.cls, RunnablePassthrough):
        run(machine, cell.held, value, node)
        return value
    if issubclass(cell.cls, RunnableParallel):
        # Steps are given by name, or as a mapping in the first place.
        own = RunnableParallel.model_fields
        named = {key: step for key, step in cell.fields.items() if key not in own}
        mappings = NOTHING.union(*(cell.fields.get(key, NOTHING) for key in own))
        found = _parallel(machine, named, value, node, cell.rest)
        return found | run(machine, mappings, value, node)
    if issubclass(cell.cls, RunnableAssign):
        added = run(machine, cell.held, value, node)
        found, mapping = machine.alloc("dict", node, "passed on")
        machine.loosen(mapping)
        spread(machine, mapping, value | added, node, "passed on by a chain")
        return found
    if issubclass(cell.cls, RunnableEach):
        each = run(machine, cell.held, elements(machine, value, node), node)
        return machine.container("list", node, each, "each")
    if issubclass(cell.cls, RunnableLambda):
        return run(machine, cell.held, value, node)
    return _in_any_order(machine, cell.held, value, node)


def _in_any_order(machine: Machine, held: Value, value: Value, node: ast.AST) -> Value:
    """What a runnable of another class gives that was made of these."""
    parts = frozenset(a for a in machine.reachable(held) if _is_step(machine, a))
    found = run(machine, parts, value, node)
    return found | machine.opaque(node)


def _parallel(
    machine: Machine,
    steps: dict[object, Value],
    value: Value,
    node: ast.AST,
    rest: Value = NOTHING,
) -> Value:
    found, cell = machine.alloc("dict", node, "parallel")
    for key, step in steps.items():
        machine.put(cell, key, run(machine, step, value, node))
    if rest:
        machine.put_rest(cell, run(machine, rest, value, node) | OPAQUE)
        machine.loosen(cell)
    return found
