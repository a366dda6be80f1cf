"""Instances: what calling a class makes."""

from __future__ import annotations

import ast
import enum
import types
import typing

from langgraph_alto.plan.analysis import hints, members
from langgraph_alto.plan.analysis.dunders import is_generated
from langgraph_alto.plan.analysis.library import new_dict
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import escape
from langgraph_alto.plan.analysis.source import is_library_module
from langgraph_alto.plan.analysis.unseen import call_unseen, describe
from langgraph_alto.plan.analysis.values import OPAQUE, PLAIN, Args, Value


def is_langgraph(cls: type, name: str) -> bool:
    """Whether a class is LangGraph's ``Send`` or ``Command``, or derives from it."""
    return any(c.__name__ == name and c.__module__ == "langgraph.types" for c in cls.__mro__)


def construct(machine: Machine, cls: type, args: Args, node: ast.AST) -> Value:
    """Make an instance of a class."""
    if is_langgraph(cls, "Command"):
        return _construct_special(machine, "command", (), args, node)
    if is_langgraph(cls, "Send"):
        return _construct_special(machine, "send", ("node", "arg"), args, node)
    if hints.is_typed_dict(cls):
        return new_dict(machine, args, node)
    label = describe(node)
    if issubclass(cls, (enum.Enum, str, bytes, int, float)):
        escape(machine, args.everything(), lambda: f"the whole state is passed to `{label}`")
        return PLAIN
    library = is_library_module(cls.__module__)
    if not library and (type(cls) is not type and not _usual_meta(type(cls))):
        return call_unseen(machine, args, label, node, user=True)
    value, cell = machine.alloc("instance", node, id(cls))
    cell.cls = cls
    machine.pinned.append(cls)
    names = tuple(hints.fields(cls) or ())
    if names and not (library and args.star):
        for name, each in zip(names, args.pos, strict=False):
            machine.put(cell, name, each)
        for index, each in enumerate(args.pos[len(names) :], len(names)):
            machine.put(cell, index, each)
        for name, each in args.kw.items():
            machine.put(cell, name, each)
        machine.put_rest(cell, args.star | args.kwstar)
    else:
        machine.put_rest(cell, args.everything())
    escape(machine, args.everything(), lambda: f"the whole state is passed to `{label}`")
    if library:
        call_unseen(machine, args, label, node, user=False, name=(cls.__module__, cls.__name__))
        return value
    for name in ("__init__", "__post_init__", "model_post_init"):
        method = members.static(cls, name)
        if isinstance(method, types.FunctionType) and not is_generated(method):
            given = args if name == "__init__" else Args(star=OPAQUE)
            full = Args([value, *given.pos], given.star, given.kw, given.kwstar)
            machine.apply(machine, wrap(method), full, node)
    return value


def _usual_meta(meta: type) -> bool:
    return is_library_module(meta.__module__)


def _construct_special(
    machine: Machine,
    kind: typing.Literal["command", "send"],
    names: tuple[str, ...],
    args: Args,
    node: ast.AST,
) -> Value:
    value, cell = machine.alloc(kind, node)
    for name, each in zip(names, args.pos, strict=False):
        machine.put(cell, name, each)
    for name, each in args.kw.items():
        machine.put(cell, name, each)
    if args.star or args.kwstar or len(args.pos) > len(names):
        machine.put_rest(cell, args.everything() | OPAQUE)
        machine.loosen(cell)
    return value
