"""Pydantic models that a node makes of what it has: their fields may be the very same objects.

Pydantic copies a list or dict whose items it looks at; what is annotated ``Any``,
with a class of its own, or with a model, it may keep. Here all are taken to be kept.
"""

from __future__ import annotations

import ast
import types

from pydantic import TypeAdapter

from langgraph_alto.plan.analysis import hints, members
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import inner
from langgraph_alto.plan.analysis.source import is_library_code
from langgraph_alto.plan.analysis.unseen import call_unseen
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    PLAIN,
    Alloc,
    Args,
    Atom,
    Const,
    Obj,
    Ref,
    Value,
    one,
)

_CONSTRUCTING = frozenset(("model_construct", "construct"))
_MAKING = _CONSTRUCTING | {"model_validate", "validate", "parse_obj", "from_orm"}


def make(machine: Machine, cls: type, name: str, args: Args, node: ast.AST) -> Value | None:
    """What a class method of Pydantic's makes; ``None`` if it is none that makes a model."""
    attribute = members.static(cls, name)
    if name not in _MAKING or not hints.is_model(cls) or not isinstance(attribute, classmethod):
        return None
    function = attribute.__func__
    if not isinstance(function, types.FunctionType) or not is_library_code(function):
        return None
    if name in _CONSTRUCTING:
        return machine.apply(machine, one(Obj(cls)), _named(args), node)
    source = args.get(0, "obj") | args.get(0, "value")
    spelled = _spelled(machine, source)
    if spelled is not None:
        return machine.apply(machine, one(Obj(cls)), spelled, node)
    call_unseen(machine, args, f"{cls.__name__}.{name}", node, user=False)
    return _instance(machine, cls, source, node)


def _named(args: Args) -> Args:
    """The arguments without the set of fields that comes first."""
    return Args(
        [], args.star, {k: v for k, v in args.kw.items() if k != "_fields_set"}, args.kwstar
    )


def _spelled(machine: Machine, source: Value) -> Args | None:
    """What a mapping holds, if that is spelled out."""
    (*cells,) = (machine.cell(a) for a in source if isinstance(a, Alloc))
    if len(source) != 1 or not cells or cells[0].kind != "dict" or cells[0].open:
        return None
    return Args(kw={k: v for k, v in cells[0].fields.items() if isinstance(k, str)})


def _inside(machine: Machine, source: Value) -> Value:
    """All that may be found in what a model is made of."""
    known = machine.reachable(source)
    found = known - frozenset(atom for atom in source if isinstance(atom, Ref))
    for atom in known:
        if isinstance(atom, Ref):
            found |= inner(machine, atom)
    return frozenset(atom for atom in found if not isinstance(atom, Const))


def _instance(machine: Machine, cls: type, source: Value, node: ast.AST) -> Value:
    """A model made of something that may be a mapping, an object, or such a model itself."""
    found, cell = machine.alloc("instance", node, ("validated", id(cls)))
    cell.cls = cls
    machine.pinned.append(cls)
    held = _inside(machine, source)
    fields = hints.fields(cls) or {}
    for name, hint in fields.items():
        told = frozenset(
            Ref(atom.path, atom.exact, hint) if isinstance(atom, Ref) else atom for atom in held
        )
        machine.put(cell, name, PLAIN if hints.is_scalar(hint) else told)
    if getattr(cls, "model_config", {}).get("extra") == "allow":
        machine.put_rest(cell, held)
    return found | frozenset(atom for atom in source if _may_be_model(machine, atom))


def _may_be_model(machine: Machine, atom: object) -> bool:
    """Whether it may be handed back as it is, as it is a model already."""
    if isinstance(atom, Ref):
        plain = hints.is_scalar(atom.hint) or hints.is_mapping(atom.hint)
        return not plain and (bool(atom.path) or not atom.exact)
    return isinstance(atom, Alloc) and machine.cell(atom).kind == "instance"


def adapt(machine: Machine, receiver: Atom, name: str, args: Args, node: ast.AST) -> Value:
    """``TypeAdapter(...).validate_python(x)``: a model, or a container of what is in ``x``."""
    if name != "validate_python":
        return NOTHING
    source = args.get(0, "object")
    if isinstance(receiver, Obj) and isinstance(receiver.obj, TypeAdapter):
        of = wrap(getattr(receiver.obj, "_type", None))
    elif isinstance(receiver, Alloc) and machine.cell(receiver).cls is TypeAdapter:
        of = machine.cell(receiver).everything()
    else:
        return NOTHING
    found = NOTHING
    for atom in of:
        if isinstance(atom, Obj) and isinstance(atom.obj, type) and hints.is_model(atom.obj):
            found |= _instance(machine, atom.obj, source, node)
        else:
            held = _inside(machine, source)
            found |= source | machine.container("list", node, held, "validated")
    return found
