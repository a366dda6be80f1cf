"""Names: what they stand for, and how they get another value."""

from __future__ import annotations

import ast
import builtins

from langgraph_alto.plan.analysis.frames import Frame
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import see
from langgraph_alto.plan.analysis.source import rebound_names
from langgraph_alto.plan.analysis.values import NOTHING, OPAQUE, USER_OPAQUE, Value

_DATA = (str, int, float, bytes, tuple)


def resolve(machine: Machine, frame: Frame, name: str) -> Value:
    """The value of a name."""
    found = machine.lookup(frame, name)
    if found is not None:
        return found
    scope = frame.scope
    kept = machine.kept_real(scope.globals, name)
    if name in scope.cells:
        return kept | see(machine, scope.cells[name])
    if name in scope.globals:
        real = scope.globals[name]
        if real is None or (isinstance(real, _DATA) and name in rebound_names(scope.file)):
            # Filled in later, or changed now and then.
            kept |= USER_OPAQUE if real is None else OPAQUE
        return kept | see(machine, real)
    if hasattr(builtins, name):
        return kept | wrap(getattr(builtins, name))
    return kept | USER_OPAQUE


def bind_name(machine: Machine, frame: Frame, name: str, value: Value) -> None:
    """Assign to a name, wherever it is bound."""
    if name in frame.names.local:
        machine.assign(frame, name, value)
        return
    at = frame.parent if name not in frame.names.global_ else None
    while at is not None:
        if name in at.names.local and not isinstance(at.node, ast.ClassDef):
            machine.assign(at, name, value)
            return
        at = at.parent if name not in at.names.global_ else None
    # A global or a closure variable of the real function: from now on it may
    # be anything, besides what it is.
    machine.keep_real(frame.scope.globals, name, value)
    slot = (id(frame.scope.globals), name)
    if not machine.kept.get(slot, NOTHING) >= USER_OPAQUE:
        machine.kept[slot] = machine.kept.get(slot, NOTHING) | USER_OPAQUE
        machine.changed = True
