"""Classes of state objects that no schema tells, but the code that uses them does.

A helper's parameter may be annotated, a value checked with ``isinstance``, or a
default made on the spot. Any of these only adds to what is assumed of the
object: the code of the class is followed, and everything that is assumed of
objects of unknown classes still is.
"""

from __future__ import annotations

import ast
import builtins
import types

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.frames import Scope
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.values import UNKNOWN, Alloc, Obj, Ref, Value

_MOST = 4
"""How many classes are followed for one place in the state."""


def learn(machine: Machine, value: Value, hint: object) -> None:
    """The state objects among these values may be of this class."""
    hint = hints.normal(hint)
    if not _matters(hint):
        return
    for atom in value:
        if not isinstance(atom, Ref) or not atom.path or hints.classes(atom.hint):
            continue
        place = atom.path, atom.exact
        known = machine.learned.get(place, ())
        if hint not in known and len(known) < _MOST:
            machine.learned[place] = (*known, hint)
            machine.changed = True


def learn_from_class(machine: Machine, value: Value, cls: Value) -> None:
    """Some value is checked against a class, or a tuple of classes."""
    for atom in cls:
        if isinstance(atom, Obj) and isinstance(atom.obj, (type, types.UnionType)):
            learn(machine, value, atom.obj)
        elif isinstance(atom, Obj) and isinstance(atom.obj, tuple):
            for each in atom.obj:
                learn(machine, value, each)
        elif isinstance(atom, Alloc) and machine.cell(atom).kind == "tuple":
            learn_from_class(machine, value, machine.cell(atom).everything())


def learn_from_default(machine: Machine, value: Value, default: Value) -> None:
    """What stands in for a missing value is likely to be of its class."""
    for atom in default:
        cls = machine.cell(atom).cls if isinstance(atom, Alloc) else None
        if isinstance(atom, Obj) and not isinstance(atom.obj, type):
            cls = type(atom.obj)
        if cls is not None:
            learn(machine, value, cls)


def learn_from_annotation(
    machine: Machine, value: Value, node: ast.expr | None, scope: Scope
) -> None:
    """A parameter or a variable that a value is bound to has an annotation."""
    if node is None or not any(isinstance(a, Ref) and a.path for a in value):
        return
    key = ("annotation", id(node), id(scope.globals))
    if key not in machine.made:
        try:
            machine.made[key] = _meaning(node, scope)
        except Exception:  # noqa: BLE001 - a class may do anything when it is subscripted
            machine.made[key] = UNKNOWN
    learn(machine, value, machine.made[key])


def _meaning(node: ast.expr, scope: Scope) -> object:
    """What an annotation stands for; only names and what combines them is understood."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _meaning(ast.parse(node.value, mode="eval").body, scope)
        return node.value
    if isinstance(node, ast.Name):
        for names in (scope.cells, scope.globals, vars(builtins)):
            if node.id in names:
                return names[node.id]
        return UNKNOWN
    if isinstance(node, ast.Attribute):
        base = _meaning(node.value, scope)
        inside = vars(base) if isinstance(base, (types.ModuleType, type)) else {}
        return inside.get(node.attr, UNKNOWN)
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_meaning(part, scope) for part in node.elts)
    if isinstance(node, ast.Subscript):
        base = _meaning(node.value, scope)
        return UNKNOWN if base is UNKNOWN else base[_meaning(node.slice, scope)]  # type: ignore[index]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = _meaning(node.left, scope), _meaning(node.right, scope)
        return UNKNOWN if UNKNOWN in sides else sides[0] | sides[1]  # type: ignore[operator]
    return UNKNOWN


def _matters(hint: object, depth: int = 0) -> bool:
    """Whether following this class, or what it holds, can tell anything."""
    if hint is UNKNOWN:
        return False
    if any(hints.is_user_class(cls) for cls in hints.known_classes(hint)):
        return not hints.is_scalar(hint)
    if hints.is_used_up(hint) or hints.inserts(hint):
        return True
    inside = (hints.element(hint), hints.item(hint, None), hints.key(hint))
    return depth < 2 and any(_matters(each, depth + 1) for each in inside)
