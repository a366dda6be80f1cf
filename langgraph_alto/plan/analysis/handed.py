"""Library calls that keep, hand back or run what they are given."""

from __future__ import annotations

import ast
import asyncio
import collections
import types

from langgraph_alto.plan.analysis.items import elements
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.registry import model
from langgraph_alto.plan.analysis.source import is_library_code
from langgraph_alto.plan.analysis.unseen import call_unseen, describe
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    Alloc,
    Args,
    Const,
    Func,
    Method,
    Obj,
    Opaque,
    Ref,
    Value,
    one,
)

KEEPING = frozenset(("set", "set_result"))
"""Methods of unseen objects that give out later what they are given."""

_RUNNING = {"run_in_executor": 1, "submit": 0, "run": 0, "run_sync": 0}
"""Methods of unseen objects that call a function, and the function's position."""


def run_by_name(machine: Machine, name: str, args: Args, node: ast.AST) -> Value:
    """What a method returns that calls a function it is passed with what follows."""
    index = _RUNNING.get(name)
    if index is None:
        return NOTHING
    functions = frozenset(
        a
        for a in args.get(index)
        if isinstance(a, (Func, Method))
        or (isinstance(a, Obj) and isinstance(a.obj, (types.FunctionType, types.MethodType)))
        or (isinstance(a, Alloc) and machine.cell(a).kind == "partial")
    )
    if not functions:
        return NOTHING
    rest = Args(args.pos[index + 1 :], args.star, args.kw, args.kwstar)
    return machine.apply(machine, functions, rest, node)


def run_held(machine: Machine, held: Value, value: Value, node: ast.AST) -> Value:
    """What a chain returns that is made of functions and nothing else."""
    if machine.frame.scope.library:
        return NOTHING
    parts = machine.reachable(held)
    functions = frozenset(
        a
        for a in parts
        if isinstance(a, Func)
        or (
            isinstance(a, Obj)
            and isinstance(a.obj, types.FunctionType)
            and not is_library_code(a.obj)
        )
    )
    if not functions or any(isinstance(a, (Obj, Opaque, Ref)) for a in parts - functions):
        return NOTHING
    found = machine.apply(machine, functions, Args([value]), node)
    # One may be given the result of another, or all results by name.
    found |= machine.apply(machine, functions, Args([found | OPAQUE]), node)
    return found | machine.container("dict", node, found, "results")


@model(asyncio.wait)
def _wait(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = elements(machine, args.get(0, "fs"), node)
    return machine.container("tuple", node, machine.container("set", node, each, "awaited"))


@model(collections.namedtuple)
def _namedtuple(machine: Machine, args: Args, node: ast.AST) -> Value:
    """A class made of constants is made here, once."""
    name, fields = (_constants(machine, args.get(i)) for i in (0, 1))
    if isinstance(node, ast.Call) and len(node.args) == 2 and isinstance(node.args[1], ast.List):
        parts = [part.value for part in node.args[1].elts if isinstance(part, ast.Constant)]
        whole = len(parts) == len(node.args[1].elts)
        fields = [str(part) for part in parts] if whole else None
    if name is None or fields is None or len(args.pos) != 2 or args.kw or args.star or args.kwstar:
        return call_unseen(machine, args, describe(node), node, user=False)
    made = (machine.frame.index, id(node), "namedtuple", *name, *fields)
    if made not in machine.made:
        module = str(machine.frame.scope.globals.get("__name__"))
        try:
            cls = collections.namedtuple(name[0], fields, module=module)  # type: ignore[misc]
        except (ValueError, IndexError):
            return call_unseen(machine, args, describe(node), node, user=False)
        machine.made[made] = cls
    return one(Obj(machine.made[made]))


def _constants(machine: Machine, value: Value) -> list[str] | None:
    """The strings that a string of names, or a list of them, is made of."""
    if len(value) != 1:
        return None
    (atom,) = value
    if isinstance(atom, Const) and isinstance(atom.value, str):
        return atom.value.replace(",", " ").split()
    cell = machine.cell(atom) if isinstance(atom, Alloc) else None
    if cell is None or cell.kind != "tuple" or not cell.exact or cell.rest:
        return None
    found = []
    for each in cell.fields.values():
        for part in each:
            if len(each) != 1 or not isinstance(part, Const) or not isinstance(part.value, str):
                return None
            found.append(part.value)
    return found
