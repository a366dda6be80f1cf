"""Models of the builtins that look into objects, frames and classes."""

from __future__ import annotations

import ast
import importlib
import sys

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.attributes import get_attribute, set_attribute
from langgraph_alto.plan.analysis.machine import GiveUp, Machine
from langgraph_alto.plan.analysis.reach import inner
from langgraph_alto.plan.analysis.registry import model
from langgraph_alto.plan.analysis.unseen import describe
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    OPAQUE,
    PLAIN,
    USER_OPAQUE,
    Alloc,
    Args,
    Obj,
    Ref,
    Super,
    Value,
    join,
    one,
    strings,
)


@model(getattr)
def _getattr(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(1))
    base = args.get(0)
    found = args.get(2)
    if names is not None:
        for name in names:
            found |= get_attribute(machine, base, name, node)
        return found
    return found | _any_attribute(machine, base, node)


def _any_attribute(machine: Machine, base: Value, node: ast.AST) -> Value:
    found = OPAQUE
    for atom in base:
        if isinstance(atom, Ref):
            if not atom.path:
                machine.rec.read((), "an attribute of the state is not known before the run")
            found |= inner(machine, atom)
        elif isinstance(atom, Alloc):
            found |= machine.cell(atom).everything()
        elif isinstance(atom, Obj):
            found |= USER_OPAQUE | machine.kept_real(atom.obj, None)
    return found


@model(hasattr)
def _hasattr(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(1))
    if names is None:
        _any_attribute(machine, args.get(0), node)
    else:
        for name in names:
            get_attribute(machine, args.get(0), name, node)
    return PLAIN


@model(setattr, delattr)
def _setattr(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(1))
    if names is not None:
        for name in names:
            set_attribute(machine, args.get(0), name, args.get(2))
        return NONE
    for atom in args.get(0):
        if isinstance(atom, Ref):
            machine.mutate(one(atom), "an attribute that is not known is set")
            machine.keep(atom.path, None, args.get(2))
        elif isinstance(atom, Alloc):
            cell = machine.cells[atom.site]
            machine.put_rest(cell, args.get(2))
            machine.loosen(cell)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, None, args.get(2))
    return NONE


@model(vars)
def _vars(machine: Machine, args: Args, node: ast.AST) -> Value:
    if not (args.pos or args.star):
        return _locals(machine, args, node)
    return join(
        get_attribute(machine, one(a), "__dict__", node) if not isinstance(a, Alloc) else one(a)
        for a in args.get(0)
    )


@model(locals)
def _locals(machine: Machine, args: Args, node: ast.AST) -> Value:
    value, cell = machine.alloc("dict", node)
    for name, each in (*machine.frame.env.items(), *machine.frame.shared.items()):
        machine.put(cell, name, each)
    machine.frame.seen.update(machine.frame.shared)
    return value


@model(eval, exec, compile, __import__, globals)
def _dynamic(machine: Machine, args: Args, node: ast.AST) -> Value:
    raise GiveUp(f"`{describe(node)}` can do anything")


@model(importlib.import_module)
def _import(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(0))
    if names is None or not all(name in sys.modules for name in names):
        # Not loaded yet, or any: its functions may be the user's.
        return USER_OPAQUE
    return frozenset(Obj(sys.modules[name]) for name in names)


@model(type)
def _type(machine: Machine, args: Args, node: ast.AST) -> Value:
    found = USER_OPAQUE
    for atom in args.get(0):
        if isinstance(atom, Obj):
            found |= one(Obj(type(atom.obj)))
        elif isinstance(atom, Ref):
            if not atom.path:
                # What stands in for the state has a class of its own.
                machine.rec.read((), "the state's type is asked for")
            found |= frozenset(Obj(c) for c in hints.classes(atom.hint))
    return found


@model(super)
def _super(machine: Machine, args: Args, node: ast.AST) -> Value:
    frame = machine.frame
    owner: object = frame.scope.cells.get("__class__")
    receiver = NOTHING
    if args.pos:
        for atom in args.get(0):
            owner = atom.obj if isinstance(atom, Obj) else None
        receiver = args.get(1)
    else:
        spec = getattr(frame.node, "args", None)
        first = [*spec.posonlyargs, *spec.args][:1] if isinstance(spec, ast.arguments) else []
        for arg in first:
            receiver = machine.lookup(frame, arg.arg) or NOTHING
    if not isinstance(owner, type) or not receiver:
        return USER_OPAQUE
    return frozenset(Super(owner, atom) for atom in receiver)
