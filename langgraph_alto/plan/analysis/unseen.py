"""Calls of code that is not followed, and what is assumed of them."""

from __future__ import annotations

import ast
import functools
import types

from langgraph_alto.plan.analysis import members
from langgraph_alto.plan.analysis.arrays import windows
from langgraph_alto.plan.analysis.catalogue import ARGUMENT_MUTATORS, SHARING
from langgraph_alto.plan.analysis.dunders import defined
from langgraph_alto.plan.analysis.items import elements
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.reach import escape, may_change, work_on
from langgraph_alto.plan.analysis.source import is_library_code, is_library_module
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Alloc,
    Args,
    Atom,
    Const,
    Func,
    Method,
    Obj,
    Opaque,
    Ref,
    Value,
    one,
)

_FIRST_ARGUMENT = frozenset(
    ("shuffle", "copyto", "place", "putmask", "fill_diagonal", "put", "put_along_axis")
)
PURE_MODULES = frozenset(
    "builtins operator math cmath itertools functools json re copy statistics string textwrap "
    "fractions decimal datetime uuid hashlib collections typing dataclasses".split()
)


def describe(node: ast.AST) -> str:
    """How the user wrote the thing that is called."""
    target = node.func if isinstance(node, ast.Call) else node
    try:
        text = ast.unparse(target)
    except (AttributeError, ValueError, RecursionError):
        return "something"
    return text if len(text) <= 60 else text[:57] + "..."


def call_unseen(
    machine: Machine,
    args: Args,
    label: str,
    node: ast.AST,
    *,
    user: bool,
    name: tuple[str, str] | None = None,
    fills: bool = False,
) -> Value:
    """Assume the worst that is likely of a call whose code is not seen.

    Args:
        machine: The analysis.
        args: The arguments: all of their content counts as read.
        label: What to call it in doubts.
        node: The call.
        user: Whether it may be the user's code, which may change its arguments.
        name: Module and name of a library function.
        fills: Whether it may add to containers it is passed, short of changing
            the state.
    """
    passed = args.everything()
    mutating = ARGUMENT_MUTATORS.get(name, ()) if name is not None else ()
    if name is not None and name[1] in _FIRST_ARGUMENT:
        mutating = (0, 1)
    for index in mutating:
        machine.mutate(args.get(index), f"`{label}` changes its argument")
        _loosen(machine, args.get(index))
        _fill(machine, args.get(index), passed - args.get(index))
    machine.mutate(args.kw.get("out", NOTHING), f"`{label}` writes into its argument")
    strict = machine.strict and (name is None or name[0].partition(".")[0] not in PURE_MODULES)
    if machine.aliasing(passed):
        escape(machine, passed, lambda: f"the whole state is passed to `{label}`")
        work_on(machine, machine.reachable(passed), deep=True)
        if user or strict:
            change_reachable(machine, passed, f"`{label}` may change what it is passed")
    if fills:
        _loosen(machine, passed)
    callbacks(machine, passed, node)
    found = machine.opaque(node, user=user)
    if user:
        # It may hand out what it was given, under whatever name.
        for atom in found:
            if isinstance(atom, Opaque):
                machine.keep_real(atom.site, None, passed)
    if name is not None and name[1] in SHARING:
        each = elements(machine, passed, node)
        found |= each | machine.container("list", node, each, "shared")
    if name is not None:
        found |= windows(machine, name, args, node)
    return found


def _fill(machine: Machine, target: Value, value: Value) -> None:
    """Something is put into these objects."""
    for atom in target:
        if isinstance(atom, Ref):
            machine.keep(atom.path, None, value)
        elif isinstance(atom, Alloc):
            machine.put_rest(machine.cells[atom.site], value)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, "[]", value)


def change_reachable(machine: Machine, value: Value, why: str, passed: Value = NOTHING) -> None:
    """Everything reachable from these objects may change.

    Args:
        machine: The analysis.
        value: The objects.
        why: What to tell of it.
        passed: What else is at hand, and so may be stored in any of them.
    """
    found = machine.reachable(value)
    holders = [a for a in found if isinstance(a, (Ref, Alloc))]
    stored = frozenset(machine.aliasing(value | passed))
    for atom in holders:
        others = stored - {atom}
        if isinstance(atom, Ref):
            machine.rec.mutate(atom.path, why, certain=False)
            machine.keep(atom.path, None, others)
        else:
            _loosen(machine, one(atom))
            machine.put_rest(machine.cells[atom.site], others)


def _loosen(machine: Machine, value: Value) -> None:
    for atom in value:
        if isinstance(atom, Alloc):
            cell = machine.cells[atom.site]
            machine.loosen(cell)
            machine.put_rest(cell, OPAQUE)


def is_callback(atom: Atom) -> bool:
    """Whether unseen code might call this, to an effect worth knowing."""
    if isinstance(atom, Func) or (isinstance(atom, Method) and may_change(atom)):
        return True
    if not isinstance(atom, Obj):
        return False
    obj = atom.obj
    if isinstance(obj, types.MethodType):
        obj = obj.__func__
    if isinstance(obj, types.FunctionType):
        return not is_library_code(obj)
    if isinstance(obj, type):
        return not is_library_module(obj.__module__)
    call = members.static(type(obj), "__call__")
    if isinstance(call, types.FunctionType) and not is_library_code(call):
        return True
    return isinstance(obj, functools.partial) or members.static(type(obj), "invoke") is not UNKNOWN


def callbacks(machine: Machine, passed: Value, node: ast.AST) -> None:
    """Functions among the arguments may be called with any of the others."""
    calls = [a for a in passed if is_callback(a)]
    calls += [
        a
        for a in passed
        if isinstance(a, Alloc)
        and (machine.cell(a).kind == "partial" or defined(machine, a, "__call__"))
    ]
    if not calls:
        return
    others = NOTHING
    for atom in machine.reachable(passed - frozenset(calls)):
        others |= one(Ref(atom.path, False, atom.hint)) if isinstance(atom, Ref) else one(atom)
        if isinstance(atom, Ref):
            others |= one(atom)
    useful = frozenset(a for a in others if not isinstance(a, Const))
    for atom in calls:
        if isinstance(atom, Obj) and not machine.aliasing(useful):
            continue
        machine.call_escaped(atom, useful | OPAQUE, node)
