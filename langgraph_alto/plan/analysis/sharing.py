"""Which state keys may come to hold one and the same object.

LangGraph shares nested objects by reference. If a node returns an object of one
key under another, a later change in place through the second is a change of the
first, though no path says so.
"""

from __future__ import annotations

import itertools
import types

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.values import Alloc, Obj, Opaque, Ref, Value
from langgraph_alto.plan.effects import Path


def keys_inside(machine: Machine, value: Value) -> frozenset[str] | None:
    """State keys whose objects a value may hold; ``None``: any."""
    found: set[str] = set()
    for atom in machine.reachable(value):
        if isinstance(atom, Ref) and not hints.is_scalar(atom.hint):
            if not atom.path:
                return None
            found.add(atom.path[0])
    return frozenset(found)


def _marks(machine: Machine, value: Value) -> set[object]:
    """What tells the mutable objects inside a value apart, state objects aside."""
    found: set[object] = set()
    for atom in machine.reachable(value):
        if isinstance(atom, Alloc):
            found.add(atom)
        elif isinstance(atom, Opaque):
            found.add(("opaque", atom.site))
        elif isinstance(atom, Obj) and not isinstance(
            atom.obj, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
        ):
            found.add(atom)
    return found


def shared_keys(machine: Machine, updates: dict[str, Value]) -> frozenset[tuple[str, str]] | None:
    """Pairs of keys that may hold a common object once these updates are applied.

    Args:
        machine: The finished analysis, which knows what was stored in place.
        updates: The values the node returns, by key.
    """
    holders = list(updates.items())
    for table, depth in ((machine.at, 2), (machine.inside, 1)):
        holders.extend(_stored(table, depth))
    pairs: set[tuple[str, str]] = set()
    marks: dict[object, set[str]] = {}
    for key, value in holders:
        inside = keys_inside(machine, value)
        if inside is None:
            return None
        pairs.update((min(key, other), max(key, other)) for other in inside if other != key)
        for mark in _marks(machine, value):
            marks.setdefault(mark, set()).add(key)
    for keys in marks.values():
        pairs.update(itertools.combinations(sorted(keys), 2))
    return frozenset(pairs)


def _stored(table: dict[Path, Value], depth: int) -> list[tuple[str, Value]]:
    """What was put into state objects; the top level is the node's own copy."""
    return [(path[0], value) for path, value in table.items() if len(path) >= depth]
