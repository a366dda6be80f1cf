"""Operators: what they look at, and what they make."""

from __future__ import annotations

import ast

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.chains import pipe
from langgraph_alto.plan.analysis.copies import spread
from langgraph_alto.plan.analysis.dunders import OPERATORS, run_special
from langgraph_alto.plan.analysis.hints import is_scalar
from langgraph_alto.plan.analysis.items import elements, get_item
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.reach import escape, work_on
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    PLAIN,
    Alloc,
    Args,
    Const,
    Func,
    Method,
    Obj,
    Opaque,
    Plain,
    Ref,
    Value,
    one,
    strings,
)

_MAX_FOLD = 16


def use(machine: Machine, value: Value, how: str) -> None:
    """All of the value's content is looked at."""
    escape(machine, value, lambda: f"the whole state {how}")


def combine(machine: Machine, left: Value, right: Value, op: ast.operator, node: ast.AST) -> Value:
    """The result of a binary operator on these operands."""
    use(machine, left | right, "is an operand")
    work_on(machine, left | right)
    if isinstance(op, ast.Add):
        folded = fold(left, right)
        if folded is not None:
            return folded
    data = (Const, Plain)
    both = left | right
    name = OPERATORS[type(op)]
    found = run_special(machine, left, f"__{name}__", [right], node)
    found |= run_special(machine, right, f"__r{name}__", [left], node)
    if isinstance(op, (ast.Add, ast.Mod)) and (
        all(isinstance(a, data) for a in left) or all(isinstance(a, data) for a in right)
    ):
        return found | PLAIN if left and right else NOTHING
    if isinstance(op, ast.BitOr) and any(_maybe_mapping(machine, a) for a in both):
        merged, cell = machine.alloc("dict", node)
        found |= merged
        for value in (left, right):
            spread(machine, cell, value, node, "merged")
    if isinstance(op, ast.BitOr):
        found |= pipe(machine, left, right, node)
    for atom in both:
        if isinstance(atom, data):
            found |= PLAIN
        elif isinstance(atom, (Obj, Opaque, Func)):
            found |= machine.opaque(node, runnable=isinstance(op, ast.BitOr))
        elif isinstance(atom, Ref) and hints.is_scalar(atom.hint):
            found |= PLAIN
        elif isinstance(atom, (Ref, Alloc)):
            each = elements(machine, one(atom), node)
            found |= machine.container("list", node, each, "operands")
            if isinstance(atom, Ref) or machine.cell(atom).kind == "instance":
                found |= machine.opaque(node)
    return found


def _maybe_mapping(machine: Machine, atom: object) -> bool:
    if isinstance(atom, Ref):
        return hints.is_mapping(atom.hint) is not False
    return isinstance(atom, Alloc) and machine.cell(atom).kind in ("dict", "state")


def fold(left: Value, right: Value) -> Value | None:
    """The sums of constant strings, if they are few."""
    a, b = strings(left), strings(right)
    if a is None or b is None or len(a) * len(b) > _MAX_FOLD:
        return None
    if max(map(len, a)) + max(map(len, b)) > 256:
        return None
    return frozenset(Const(x + y) for x in a for y in b)


def membership(machine: Machine, left: Value, right: Value, node: ast.AST) -> None:
    """``left in right``; of the state itself, only that key is read."""
    use(machine, left, "is looked for")
    names = strings(left)
    for atom in right:
        root = isinstance(atom, Ref) and not atom.path and atom.exact
        if root and names is not None:
            get_item(machine, one(atom), left, node)
        else:
            use(machine, one(atom), "is searched")
            work_on(machine, one(atom))
            run_special(machine, one(atom), "__contains__", [left], node)


def in_place(machine: Machine, old: Value, right: Value, node: ast.AugAssign) -> Value:
    """``old += right``: lists and sets change themselves, numbers do not."""
    use(machine, right, "is an operand")
    name = f"__i{OPERATORS[type(node.op)]}__"
    found = run_special(machine, old, name, [right], node)
    for atom in old:
        if isinstance(atom, Ref):
            machine.read(one(atom), lambda: "the whole state is an operand")
            # `number += [...]` would mean that the annotation is wrong.
            numbers = all(
                isinstance(a, (Const, Plain)) or (isinstance(a, Ref) and is_scalar(a.hint))
                for a in right
            )
            if is_scalar(atom.hint) and numbers:
                found |= PLAIN
                continue
            why = "an augmented assignment changes lists, sets and arrays in place"
            machine.mutate(one(atom), why)
            each = elements(machine, right, node)
            machine.keep(atom.path, None, right | each)
            found |= one(atom) | PLAIN
        elif isinstance(atom, Alloc):
            cell = machine.cells[atom.site]
            method = "update" if cell.kind in ("dict", "set") else "extend"
            if cell.kind == "tuple":
                each = elements(machine, one(atom) | right, node)
                found |= machine.container("tuple", node, each)
                continue
            if cell.kind == "instance":
                machine.put_rest(cell, right)
            else:
                machine.apply(machine, one(Method(atom, method)), Args([right]), node)
            found |= one(atom)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, "[]", right | elements(machine, right, node))
            found |= one(atom) | machine.opaque(node)
        else:
            found |= combine(machine, one(atom), right, node.op, node)
    return found
