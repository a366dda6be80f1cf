"""Items and elements of state objects, of objects the code made, of real ones."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.dunders import run_special
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import (
    cell_node,
    change,
    child,
    element,
    escape,
    inner,
    see,
    work_on,
)
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    PLAIN,
    USER_OPAQUE,
    Alloc,
    Cell,
    Const,
    Obj,
    Opaque,
    Plain,
    Ref,
    Value,
    join,
    one,
    strings,
)

_MAX_REAL_ITEMS = 64


def get_item(machine: Machine, base: Value, key: Value, node: ast.AST) -> Value:
    """``base[key]``."""
    found = run_special(machine, base, "__getitem__", [key], node)
    found |= run_special(machine, base, "__missing__", [key], node)
    work_on(machine, base)
    names = strings(key)
    for atom in base:
        if isinstance(atom, Ref):
            found |= _ref_item(machine, atom, names)
        elif isinstance(atom, Alloc):
            found |= _cell_item(machine, machine.cell(atom), key)
        elif isinstance(atom, Obj):
            found |= _real_item(machine, atom.obj, key)
        elif isinstance(atom, Opaque):
            found |= one(atom) | machine.kept_real(atom.site, "[]")
        elif isinstance(atom, (Const, Plain)):
            found |= PLAIN
        else:
            found |= machine.opaque(node)
    return found


def _ref_item(machine: Machine, ref: Ref, names: frozenset[str] | None) -> Value:
    root = not ref.path and ref.exact
    if hints.inserts(ref.hint):
        change(machine, ref, "looking for a missing key in a defaultdict adds it")
    if names is None:
        if root:
            machine.rec.read((), "a key of the state is not a constant")
        if hints.is_sequence(ref.hint):
            return element(machine, ref)
        return inner(machine, ref, hints.item(ref.hint, None))
    mapping = hints.is_mapping(ref.hint)
    if mapping is False and not root:
        machine.rec.read(ref.path, "an item of the state is not known")
        return inner(machine, ref)
    if mapping is False:
        machine.rec.read((), "the state is not a mapping, yet it is subscripted")
    return join(child(machine, ref, n, hints.item(ref.hint, n)) for n in names)


def _cell_item(machine: Machine, cell: Cell, key: Value) -> Value:
    exact = cell.exact and cell.kind in ("dict", "tuple", "partial", "state")
    if not exact:
        return cell.everything()
    found = NOTHING
    for atom in key:
        if not isinstance(atom, Const):
            return cell.everything() | (OPAQUE if cell.open else NOTHING)
        where = atom.value
        if isinstance(where, int) and where < 0 and cell.kind == "tuple":
            return cell.everything()
        found |= cell.fields.get(where, NOTHING)
    return found | cell.rest | (OPAQUE if cell.open and not cell.rest else NOTHING)


def _real_item(machine: Machine, obj: object, key: Value) -> Value:
    kept = machine.kept_real(obj, "[]")
    if isinstance(obj, type):
        # Subscripting a class only parametrises it.
        return one(Obj(obj))
    if type(obj) not in (dict, list, tuple):
        return kept | OPAQUE
    found = kept
    for atom in key:
        if not isinstance(atom, Const):
            return kept | real_elements(machine, obj, values=True)
        try:
            found |= see(machine, obj[atom.value])  # type: ignore[index]
        except (LookupError, TypeError):
            found |= OPAQUE
    return found


def real_elements(machine: Machine, obj: object, *, values: bool = False) -> Value:
    """What iterating over a real object yields, or a mapping's values."""
    kept = machine.kept_real(obj, "[]")
    if type(obj) in (list, tuple, set, frozenset, dict, types.MappingProxyType):
        mapping = values and isinstance(obj, (dict, types.MappingProxyType))
        items: Iterable[object] = obj.values() if mapping else obj  # type: ignore[attr-defined, assignment]
        found = tuple(items)
        if len(found) > _MAX_REAL_ITEMS:
            return kept | USER_OPAQUE
        return kept | join(see(machine, item) for item in found)
    if isinstance(obj, range):
        return PLAIN
    return kept | OPAQUE


def set_item(machine: Machine, base: Value, key: Value, value: Value) -> None:
    """``base[key] = value``."""
    run_special(machine, base, "__setitem__", [key, value], cell_node())
    names = strings(key)
    for atom in base:
        if isinstance(atom, Ref):
            _set_ref_item(machine, atom, names, value)
        elif isinstance(atom, Alloc):
            cell = machine.cells[atom.site]
            if names is not None and cell.kind in ("dict", "state"):
                for name in names:
                    machine.put(cell, name, value)
            else:
                machine.put_rest(cell, value)
                machine.loosen(cell)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, "[]", value)
            escape(
                machine, value, lambda: "the state is stored in an object that outlives the node"
            )
        else:
            site = atom.site if isinstance(atom, Opaque) else 0
            machine.keep_real(site, "[]", value)
            escape(machine, value, lambda: "the state is stored in an unknown object")


def _set_ref_item(machine: Machine, ref: Ref, names: frozenset[str] | None, value: Value) -> None:
    if not ref.path and ref.exact:
        for name in names or (None,):
            machine.rec.store(name, "a key that is set is not a constant")
            machine.keep((), name, value)
        return
    if names is None or not ref.exact or hints.is_mapping(ref.hint) is False:
        change(machine, ref, "an item of the state's objects is set")
        machine.keep(ref.path, None, value)
        return
    for name in names:
        machine.rec.touched.add((*ref.path, name))
        machine.rec.mutate((*ref.path, name), "")
        machine.keep(ref.path, name, value)


def slice_of(machine: Machine, base: Value, node: ast.AST) -> Value:
    """``base[a:b]``: a new container of the same elements, or a view."""
    found = NOTHING
    for atom in base:
        if isinstance(atom, (Const, Plain)):
            found |= PLAIN
        elif isinstance(atom, Ref) and not hints.is_sequence(atom.hint):
            # An array's slice is a window on it; a list's is not.
            machine.read(one(atom), lambda: "the state is sliced")
            found |= machine.container("list", node, elements(machine, one(atom), node))
            if hints.classes(atom.hint):
                found |= inner(machine, atom)
        elif isinstance(atom, Opaque):
            found |= one(atom)
        else:
            found |= machine.container("list", node, elements(machine, one(atom), node))
    return found


def elements(machine: Machine, base: Value, node: ast.AST) -> Value:
    """What iterating over a value yields."""
    found = NOTHING
    work_on(machine, base)
    iterators = run_special(machine, base, "__iter__", [], node)
    run_special(machine, base, "__len__", [], node)
    found |= run_special(machine, base | iterators, "__next__", [], node)
    if iterators - base:
        found |= elements(machine, iterators - base, node)
    for atom in base:
        if isinstance(atom, Ref):
            if hints.is_used_up(atom.hint):
                change(machine, atom, "iterating uses it up")
            plain = hints.is_scalar(atom.hint) or hints.is_mapping(atom.hint)
            if plain or not hints.is_sequence(atom.hint):
                machine.read(one(atom), lambda: "the code iterates over the whole state")
            found |= inner(machine, atom, hints.key(atom.hint)) if plain else element(machine, atom)
        elif isinstance(atom, Alloc):
            cell = machine.cell(atom)
            if cell.kind in ("dict", "state"):
                found |= join(wrap(k) for k in cell.fields) | (PLAIN if cell.open else NOTHING)
            elif cell.kind == "partial":
                continue
            else:
                found |= cell.everything()
        elif isinstance(atom, Obj):
            found |= real_elements(machine, atom.obj)
        elif isinstance(atom, Opaque):
            found |= one(atom) | machine.kept_real(atom.site, "[]")
        elif isinstance(atom, (Const, Plain)):
            found |= PLAIN
        else:
            found |= machine.opaque(node)
    return found


def unpack(
    machine: Machine, base: Value, count: int, star: int | None, node: ast.AST
) -> list[Value]:
    """The values that ``a, b, *c = base`` gives to its targets."""
    out = [NOTHING] * count
    for atom in base:
        cell = machine.cell(atom) if isinstance(atom, Alloc) else None
        if (
            cell is not None
            and cell.kind == "tuple"
            and cell.exact
            and not cell.rest
            and star is None
        ):
            for index in range(count):
                out[index] |= cell.fields.get(index, NOTHING)
            continue
        if isinstance(atom, Obj) and type(atom.obj) in (tuple, list) and star is None:
            real = atom.obj
            if isinstance(real, (tuple, list)) and len(real) == count:
                for index in range(count):
                    out[index] |= see(machine, real[index]) | machine.kept_real(real, "[]")
                continue
        each = elements(machine, one(atom), node)
        for index in range(count):
            if index == star:
                out[index] |= machine.container("list", node, each, ("star", index))
            else:
                out[index] |= each
    return out
