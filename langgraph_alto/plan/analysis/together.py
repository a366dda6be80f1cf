"""Which destinations a result names together, where its code spells that out.

``Command(goto=["a", "b"])`` leads to both at once, ``"a" if ... else "b"`` to one
of them. Where a run may go is known without this (``Outcome``); it tells the ways
that are worth a look when times are predicted, and nothing rests on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from langgraph_alto.plan.analysis.construct import is_langgraph
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.values import Alloc, Atom, Cell, Const, Obj, Value, join, strings

Ways = set[frozenset[str]]

_MOST = 16
"""Of a list that could be made in more ways, all of it counts, and each of its items."""

_DEEP = 4


def ways_of(machine: Machine, result: Value, *, node: bool) -> frozenset[frozenset[str]]:
    """The sets of destinations that a result may name, as far as they are told.

    Args:
        machine: What analysed the function.
        result: What it returns.
        node: Whether it is a node's, of which only commands and packets lead on.
    """
    return frozenset(way for way in _ways(machine, result, node, 0) if way)


def _ways(machine: Machine, value: Value, node: bool, depth: int) -> Ways:
    found: Ways = set()
    for atom in value:
        found |= _atom(machine, atom, node, depth)
    return found


def _atom(machine: Machine, atom: Atom, node: bool, depth: int) -> Ways:
    if isinstance(atom, Const):
        return {frozenset({atom.value})} if isinstance(atom.value, str) and not node else _NOWHERE
    if isinstance(atom, Obj):
        return {frozenset(_real(atom.obj))} if not node else _NOWHERE
    if not isinstance(atom, Alloc) or depth > _DEEP:
        return _NOWHERE
    cell = machine.cell(atom)
    if cell.kind == "send":
        return {frozenset({name}) for name in strings(cell.fields.get("node", frozenset())) or ()}
    if cell.kind == "command":
        return _ways(machine, cell.fields.get("goto", frozenset()), False, depth + 1) or _NOWHERE
    if cell.kind in ("list", "tuple"):
        return _items(machine, cell, node, depth + 1)
    return _NOWHERE


def _items(machine: Machine, cell: Cell, node: bool, depth: int) -> Ways:
    """A list spelled out names one way of each item; any other list, some of them."""
    spelled = (*cell.fields.values(),) if cell.kind == "tuple" else cell.spelled
    items = [_ways(machine, value, node, depth) for value in spelled]
    more = cell.rest if cell.kind == "tuple" else cell.rest - join(spelled)
    if cell.exact and not cell.open and not more:
        count = 1
        for ways in items:
            count *= len(ways)
        if 0 < count <= _MOST:
            return {_union(chosen) for chosen in itertools.product(*items)}
    each = set().union(*items, _ways(machine, cell.rest, node, depth))
    return {_union(each), *each}


def _union(ways: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*ways)


def _real(obj: object) -> set[str]:
    if isinstance(obj, str):
        return {str(obj)}
    if isinstance(obj, (list, tuple)):
        return set().union(*map(_real, obj))
    return {str(getattr(obj, "node", ""))} if is_langgraph(type(obj), "Send") else set()


_NOWHERE: Ways = {frozenset()}
