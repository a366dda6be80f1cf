"""The patterns of ``match``: what they look at, and what they bind."""

from __future__ import annotations

import ast

from langgraph_alto.plan.analysis.attributes import get_attribute
from langgraph_alto.plan.analysis.expressions import evaluate
from langgraph_alto.plan.analysis.frames import Frame
from langgraph_alto.plan.analysis.items import elements, get_item, unpack
from langgraph_alto.plan.analysis.learned import learn_from_class
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.names import bind_name
from langgraph_alto.plan.analysis.operators import use
from langgraph_alto.plan.analysis.reach import inner
from langgraph_alto.plan.analysis.values import NOTHING, Ref, Value, one


def match_pattern(machine: Machine, frame: Frame, pattern: ast.pattern, subject: Value) -> None:
    """Match a subject against a pattern, binding its captures."""
    if isinstance(pattern, ast.MatchValue):
        use(machine, evaluate(machine, frame, pattern.value), "is compared")
        use(machine, subject, "is compared")
    elif isinstance(pattern, ast.MatchAs):
        if pattern.pattern is not None:
            match_pattern(machine, frame, pattern.pattern, subject)
        if pattern.name is not None:
            bind_name(machine, frame, pattern.name, subject)
    elif isinstance(pattern, ast.MatchOr):
        for each in pattern.patterns:
            match_pattern(machine, frame, each, subject)
    elif isinstance(pattern, ast.MatchSequence):
        _sequence(machine, frame, pattern, subject)
    elif isinstance(pattern, ast.MatchMapping):
        _mapping(machine, frame, pattern, subject)
    elif isinstance(pattern, ast.MatchClass):
        _class(machine, frame, pattern, subject)
    elif isinstance(pattern, ast.MatchStar) and pattern.name is not None:
        bind_name(machine, frame, pattern.name, subject)


def _sequence(machine: Machine, frame: Frame, pattern: ast.MatchSequence, subject: Value) -> None:
    machine.read(subject, lambda: "the whole state is matched against a sequence")
    parts = pattern.patterns
    stars = [i for i, part in enumerate(parts) if isinstance(part, ast.MatchStar)]
    values = unpack(machine, subject, len(parts), stars[0] if stars else None, pattern)
    for part, value in zip(parts, values, strict=True):
        match_pattern(machine, frame, part, value)


def _mapping(machine: Machine, frame: Frame, pattern: ast.MatchMapping, subject: Value) -> None:
    if pattern.keys:
        # Python asks for the length first, to see whether there are enough keys.
        machine.read(subject, lambda: "the whole state is matched against a mapping")
    for key_node, part in zip(pattern.keys, pattern.patterns, strict=True):
        key = evaluate(machine, frame, key_node)
        use(machine, key, "is used as a key")
        value = get_item(machine, subject, key, key_node)
        match_pattern(machine, frame, part, value)
    if pattern.rest is not None:
        use(machine, subject, "is matched with `**`")
        found = NOTHING
        for atom in subject:
            each = inner(machine, atom) if isinstance(atom, Ref) else NOTHING
            value, cell = machine.alloc("dict", pattern, "rest")
            machine.loosen(cell)
            machine.put_rest(cell, each | elements(machine, one(atom), pattern))
            machine.put_rest(cell, _held(machine, atom))
            found |= value
        bind_name(machine, frame, pattern.rest, found)


def _held(machine: Machine, atom: object) -> Value:
    from langgraph_alto.plan.analysis.values import Alloc

    return machine.cell(atom).everything() if isinstance(atom, Alloc) else NOTHING


def _class(machine: Machine, frame: Frame, pattern: ast.MatchClass, subject: Value) -> None:
    cls = evaluate(machine, frame, pattern.cls)
    learn_from_class(machine, subject, cls)
    for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        value = get_attribute(machine, subject, name, pattern)
        match_pattern(machine, frame, part, value)
    if not pattern.patterns:
        return
    names = _match_args(cls)
    for index, part in enumerate(pattern.patterns):
        if names is not None and index < len(names):
            value = get_attribute(machine, subject, names[index], pattern)
        else:
            # A builtin class matches the subject itself, any other class something of it.
            use(machine, subject, "is matched against a class")
            value = subject | elements(machine, subject, pattern)
        match_pattern(machine, frame, part, value)


def _match_args(cls: Value) -> tuple[str, ...] | None:
    from langgraph_alto.plan.analysis.values import Obj

    for atom in cls:
        if isinstance(atom, Obj) and len(cls) == 1:
            found = getattr(atom.obj, "__match_args__", None)
            if isinstance(found, tuple) and all(isinstance(n, str) for n in found):
                return found
    return None
