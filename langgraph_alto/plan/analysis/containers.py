"""Methods of the lists, dicts and sets that the code makes."""

from __future__ import annotations

import ast

from langgraph_alto.plan.analysis import handed, runnables
from langgraph_alto.plan.analysis.catalogue import (
    CONTAINER_ONLY,
    COPIES,
    FRESH,
    HARMLESS,
    MUTATORS,
    NO_RESULT,
)
from langgraph_alto.plan.analysis.items import elements, get_item, set_item
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import escape, inner
from langgraph_alto.plan.analysis.unseen import call_unseen, change_reachable
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    OPAQUE,
    PLAIN,
    Alloc,
    Args,
    Cell,
    Obj,
    Ref,
    Value,
    join,
    one,
)


def merge_into(machine: Machine, target: Value, source: Value, node: ast.AST) -> None:
    """``target.update(source)`` for a source of any kind."""
    for atom in source:
        cell = machine.cell(atom) if isinstance(atom, Alloc) else None
        if cell is not None and cell.kind in ("dict", "state"):
            for key, value in cell.fields.items():
                set_item(machine, target, wrap(key), value)
            if cell.open or cell.rest:
                set_item(machine, target, PLAIN, cell.rest | OPAQUE)
            continue
        if isinstance(atom, Obj) and type(atom.obj) is dict:
            for key, real in tuple(atom.obj.items()):
                set_item(machine, target, wrap(key), wrap(real))
            continue
        escape(machine, one(atom), lambda: "the whole state is copied")
        held = NOTHING
        for element in elements(machine, one(atom), node):
            held |= one(element)
            if isinstance(element, Alloc):
                held |= machine.cell(element).everything()
        if isinstance(atom, Ref):
            held |= inner(machine, atom)
        set_item(machine, target, PLAIN, held | OPAQUE)


def pair_of(machine: Machine, key: Value, value: Value, node: ast.AST) -> Value:
    """A key and its value."""
    pair, cell = machine.alloc("tuple", node, "pair")
    machine.put(cell, 0, key)
    machine.put(cell, 1, value)
    return pair


def pairs_of(machine: Machine, key: Value, value: Value, node: ast.AST) -> Value:
    """A mapping's items."""
    return machine.container("list", node, pair_of(machine, key, value, node), "pairs")


def on_container(
    machine: Machine, atom: Alloc, cell: Cell, name: str, args: Args, node: ast.AST
) -> Value:
    """``receiver.name(*args)`` for a list, tuple, dict or set."""
    if cell.kind in ("dict", "state"):
        return _on_dict(machine, atom, cell, name, args, node)
    each = cell.everything()
    if cell.unsure and name in MUTATORS - CONTAINER_ONLY:
        why = f"`.{name}()` may change what a copy shares"
        change_reachable(machine, each, why, args.everything())
    unsure = each | args.everything() | OPAQUE if cell.unsure else NOTHING
    if name in ("append", "add", "appendleft", "insert", "push", "put", "put_nowait"):
        machine.put_rest(cell, args.everything())
        machine.loosen(cell)
        return NONE | unsure
    if name in ("extend", "update", "extendleft", "__iadd__"):
        for value in (*args.pos, args.star):
            machine.put_rest(cell, elements(machine, value, node))
        machine.loosen(cell)
        return NONE | unsure
    for callback in ("key",):
        if callback in args.kw:
            machine.apply(machine, args.kw[callback], Args([each]), node)
    if name in NO_RESULT:
        return NONE | unsure
    if name in ("pop", "popleft", "__getitem__", "__next__", "get", "__iter__"):
        return each or OPAQUE
    if name in COPIES or name in ("__reversed__", "symmetric_difference"):
        more = join(elements(machine, value, node) for value in args.pos)
        return machine.container("list", node, each | more)
    return _unusual(machine, atom, name, args, node)


def _unusual(machine: Machine, atom: Alloc, name: str, args: Args, node: ast.AST) -> Value:
    """A method that plain containers lack: the copy of some other object has it."""
    held = machine.cell(atom).everything()
    call_unseen(machine, args, f".{name}", node, user=False, name=("builtins", name))
    if name not in HARMLESS and not any(hasattr(c, name) for c in (list, dict, set, tuple)):
        escape(machine, held, lambda: f"an object that holds the state runs `.{name}`")
        why = f"`.{name}()` may change what its object holds"
        change_reachable(machine, held, why, args.everything())
    found = machine.opaque(node) | held
    if name in runnables.RUN:
        value = runnables.inputs(machine, name, args, node)
        found |= handed.run_held(machine, held, value, node)
    return PLAIN if name in FRESH else found


def _on_dict(
    machine: Machine, atom: Alloc, cell: Cell, name: str, args: Args, node: ast.AST
) -> Value:
    this = one(atom)
    if name in ("get", "pop", "__getitem__", "setdefault"):
        default = args.get(1, "default")
        found = get_item(machine, this, args.get(0), node) | default
        if name == "setdefault":
            set_item(machine, this, args.get(0), default or NONE)
        return found | NONE
    if name in ("__setitem__",):
        set_item(machine, this, args.get(0), args.get(1))
        return NONE
    if name in ("update", "__ior__"):
        for value in args.pos:
            merge_into(machine, this, value, node)
        for key, value in args.kw.items():
            machine.put(cell, key, value)
        if args.star or args.kwstar:
            machine.put_rest(cell, args.star | args.kwstar)
            machine.loosen(cell)
        return NONE if name == "update" else this
    keys = join(wrap(k) for k in cell.fields) | (PLAIN if cell.open else NOTHING)
    if name == "keys":
        return machine.container("list", node, keys)
    if name == "values":
        return machine.container("list", node, cell.everything())
    if name == "items":
        return pairs_of(machine, keys, cell.everything(), node)
    if name == "popitem":
        return pair_of(machine, keys, cell.everything(), node)
    if name in ("copy", "__copy__"):
        value, copied = machine.alloc(cell.kind, node, "copy")
        _copy_cell(machine, cell, copied)
        return value
    if name in ("clear", "__delitem__", "move_to_end"):
        return NONE
    return _unusual(machine, atom, name, args, node)


def _copy_cell(machine: Machine, source: Cell, target: Cell) -> None:
    for key, value in tuple(source.fields.items()):
        machine.put(target, key, value)
    machine.put_rest(target, source.rest)
    if source.open:
        machine.loosen(target)
