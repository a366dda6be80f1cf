"""Copies: new objects that share what is in them, or do not."""

from __future__ import annotations

import ast
import copy
import dataclasses
import types

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.dunders import run_special
from langgraph_alto.plan.analysis.items import elements
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.reach import child, element, escape, inner, see, work_on
from langgraph_alto.plan.analysis.registry import model
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    Alloc,
    Args,
    Atom,
    Cell,
    Const,
    Kind,
    Obj,
    Plain,
    Ref,
    Value,
    one,
    strings,
)


def spread(machine: Machine, cell: Cell, source: Value, node: ast.AST, how: str) -> None:
    """Copy all items of a mapping, or pairs of an iterable, into a dict cell."""
    for atom in source:
        if isinstance(atom, Alloc):
            other = machine.cell(atom)
            if other.kind in ("dict", "state"):
                for key, value in tuple(other.fields.items()):
                    machine.put(cell, key, value)
                machine.put_rest(cell, other.rest)
                if other.open:
                    machine.loosen(cell)
                continue
            if other.kind == "instance":
                machine.loosen(cell)
                held = machine.reachable(other.everything()) | OPAQUE
                key = one(Plain())
                machine.put_rest(
                    cell, held | run_special(machine, source, "__getitem__", [key], node)
                )
                continue
            for each in other.everything():
                pair = machine.cell(each) if isinstance(each, Alloc) else None
                keys = None if pair is None else strings(pair.fields.get(0, NOTHING))
                if pair is not None and keys is not None and pair.kind == "tuple" and pair.exact:
                    for key in keys:
                        machine.put(cell, key, pair.fields.get(1, NOTHING) | pair.rest)
                else:
                    machine.loosen(cell)
                    machine.put_rest(cell, elements(machine, one(each), node) | OPAQUE)
        elif isinstance(atom, Obj) and isinstance(atom.obj, (dict, types.MappingProxyType)):
            for key, real in tuple(atom.obj.items())[:256]:
                machine.put(cell, key, see(machine, real))
            machine.put_rest(cell, machine.kept_real(atom.obj, "[]"))
        elif (isinstance(atom, Obj) and callable(atom.obj)) or (
            isinstance(atom, Const) and atom.value is None
        ):
            continue
        else:
            machine.loosen(cell)
            if isinstance(atom, Ref):
                work_on(machine, one(atom))
                escape(machine, one(atom), lambda: f"the whole state is {how}")
                machine.put_rest(cell, inner(machine, atom, hints.item(atom.hint, None)))
            else:
                machine.put_rest(cell, OPAQUE)


def shallow(machine: Machine, atom: Atom, node: ast.AST) -> Value:
    """A new object of the same kind that shares all that is in it."""
    if isinstance(atom, Alloc):
        source = machine.cell(atom)
        value, cell = machine.alloc(source.kind, node, ("copy", id(source.cls)))
        cell.cls, cell.exact = source.cls, source.exact
        for key, each in tuple(source.fields.items()):
            machine.put(cell, key, each)
        machine.put_rest(cell, source.rest)
        if source.open:
            machine.loosen(cell)
        return value
    if not isinstance(atom, Ref):
        return one(atom)
    found = hints.classes(atom.hint)
    names = hints.fields(found[0]) if len(found) == 1 and atom.path else None
    if names is not None and not hints.is_typed_dict(found[0]):
        value, cell = machine.alloc("instance", node, ("copy", id(found[0])))
        cell.cls = found[0]
        for name, hint in names.items():
            machine.put(cell, name, child(machine, atom, name, hint))
        return value
    kind: Kind = "state" if not atom.path else "dict" if hints.is_mapping(atom.hint) else "list"
    value, cell = machine.alloc(kind, node, "copy")
    cell.exact = False
    cell.unsure = not found
    if hints.is_sequence(atom.hint):
        machine.put_rest(cell, element(machine, atom))
    else:
        machine.put_rest(cell, inner(machine, atom, hints.item(atom.hint, None)))
    machine.loosen(cell)
    return value


@model(copy.copy, getattr(copy, "replace", None), dataclasses.replace)
def copied(machine: Machine, args: Args, node: ast.AST) -> Value:
    """``copy(x)`` and ``replace(x, a=1)``."""
    escape(machine, args.everything(), lambda: "the whole state is copied")
    work_on(machine, args.get(0))
    found = NOTHING
    for atom in args.get(0):
        found |= shallow(machine, atom, node)
    for atom in found:
        if not isinstance(atom, Alloc):
            continue
        cell = machine.cell(atom)
        for name, each in args.kw.items():
            machine.put(cell, name, each)
        machine.put_rest(cell, args.kwstar)
    return found


@model(copy.deepcopy)
def _deepcopy(machine: Machine, args: Args, node: ast.AST) -> Value:
    escape(machine, args.get(0), lambda: "the whole state is copied")
    work_on(machine, args.get(0), deep=True)
    found = NOTHING
    for atom in args.get(0):
        if isinstance(atom, Alloc):
            # Its keys are those of the original; what they hold is all new.
            source = machine.cell(atom)
            value, cell = machine.alloc(source.kind, node, ("deep", id(source.cls)))
            cell.cls, cell.exact = source.cls, source.exact
            for key, each in tuple(source.fields.items()):
                machine.put(cell, key, frozenset(a for a in each if isinstance(a, Const)) | OPAQUE)
            if source.rest:
                machine.put_rest(cell, OPAQUE)
            if source.open:
                machine.loosen(cell)
            found |= value
        else:
            found |= one(atom) if isinstance(atom, (Const, Obj)) else machine.opaque(node)
    return found


def put_key(machine: Machine, cell: Cell, key: Value, value: Value) -> None:
    """Add an item under a key that may be one of several constants."""
    escape(machine, key, lambda: "the whole state is used as a key")
    names = strings(key)
    if names is None:
        machine.put_rest(cell, value)
        machine.loosen(cell)
        return
    for name in names:
        machine.put(cell, name, value)
