"""Statements: how control flows through a function, abstractly.

Branches join, loops run until nothing new turns up, and a handler may start
from any point of its ``try`` body. Names that inner functions capture are not
followed in order; see ``machine``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from langgraph_alto.plan.analysis.attributes import get_attribute, set_attribute
from langgraph_alto.plan.analysis.definitions import define_function, import_modules, import_names
from langgraph_alto.plan.analysis.dunders import entered, run_special
from langgraph_alto.plan.analysis.expressions import bind, evaluate, test
from langgraph_alto.plan.analysis.frames import Frame, Jumps
from langgraph_alto.plan.analysis.items import elements, get_item, set_item, slice_of
from langgraph_alto.plan.analysis.learned import learn_from_annotation
from langgraph_alto.plan.analysis.machine import GiveUp, Machine, covers, merge
from langgraph_alto.plan.analysis.names import bind_name, resolve
from langgraph_alto.plan.analysis.operators import in_place, use
from langgraph_alto.plan.analysis.patterns import match_pattern
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    Func,
    Method,
    Opaque,
    Ref,
    Value,
)

_MAX_ROUNDS = 24


def execute(machine: Machine, frame: Frame) -> None:
    """Interpret the body of a frame's function."""
    node = frame.node
    if isinstance(node, ast.Lambda):
        _returned(machine, frame, evaluate(machine, frame, node.body))
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        block(machine, frame, node.body)
        if not frame.dead:
            _returned(machine, frame, NONE)


def _returned(machine: Machine, frame: Frame, value: Value) -> None:
    if not covers(frame.returns, value):
        frame.returns |= value
        machine.changed |= frame.results_seen
    if frame.depth == 1:
        for atom in value:
            machine.origins.setdefault(atom, (machine.rec.file, machine.rec.line))


def block(machine: Machine, frame: Frame, body: Iterable[ast.stmt]) -> None:
    """Interpret statements in order, until one that does not go on."""
    for statement in body:
        if frame.dead:
            return
        machine.tick()
        machine.rec.line = statement.lineno
        handler = _HANDLERS.get(type(statement))
        if handler is None:
            raise GiveUp(f"statement {type(statement).__name__} is not understood")
        handler(machine, frame, statement)
        for index, env in enumerate(frame.tries):
            frame.tries[index] = merge(env, frame.env)


def _expression(machine: Machine, frame: Frame, node: ast.Expr) -> None:
    evaluate(machine, frame, node.value)


def _assign(machine: Machine, frame: Frame, node: ast.Assign) -> None:
    value = evaluate(machine, frame, node.value)
    for target in node.targets:
        bind(machine, frame, target, value)


def _annotated(machine: Machine, frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        value = evaluate(machine, frame, node.value)
        learn_from_annotation(machine, value, node.annotation, frame.scope)
        bind(machine, frame, node.target, value)


def _augmented(machine: Machine, frame: Frame, node: ast.AugAssign) -> None:
    right = evaluate(machine, frame, node.value)
    target = node.target
    if isinstance(target, ast.Name):
        old = resolve(machine, frame, target.id)
        bind_name(machine, frame, target.id, in_place(machine, old, right, node))
    elif isinstance(target, ast.Attribute):
        base = evaluate(machine, frame, target.value)
        old = get_attribute(machine, base, target.attr, target)
        set_attribute(machine, base, target.attr, in_place(machine, old, right, node))
    else:
        base = evaluate(machine, frame, target.value)
        key = evaluate(machine, frame, target.slice)
        use(machine, key, "is used as a key")
        if isinstance(target.slice, ast.Slice):
            old = slice_of(machine, base, target)
        else:
            old = get_item(machine, base, key, target)
        set_item(machine, base, key, in_place(machine, old, right, node))


def _return(machine: Machine, frame: Frame, node: ast.Return) -> None:
    value = NONE if node.value is None else evaluate(machine, frame, node.value)
    _returned(machine, frame, value)
    _leave(frame)


def _leave(frame: Frame) -> None:
    """Control does not reach what follows; handlers around may still run."""
    for index, env in enumerate(frame.tries):
        frame.tries[index] = merge(env, frame.env)
    frame.dead = True


# -- branches and loops -----------------------------------------------------------


def _if(machine: Machine, frame: Frame, node: ast.If) -> None:
    test(machine, frame, node.test)
    _branches(machine, frame, (node.body, node.orelse))


def _branches(machine: Machine, frame: Frame, bodies: Iterable[list[ast.stmt]]) -> None:
    before = frame.env
    ends: list[dict[str, Value]] = []
    for body in bodies:
        frame.env, frame.dead = dict(before), False
        block(machine, frame, body)
        if not frame.dead:
            ends.append(frame.env)
    _join(frame, ends, before)


def _join(frame: Frame, ends: list[dict[str, Value]], fallback: dict[str, Value]) -> None:
    frame.dead = not ends
    frame.env = merge(*ends) if ends else fallback


def _loop(
    machine: Machine,
    frame: Frame,
    head: Callable[[], None],
    last: Callable[[], None],
    body: list[ast.stmt],
    orelse: list[ast.stmt],
) -> None:
    jumps = Jumps()
    entry = dict(frame.env)
    for _ in range(_MAX_ROUNDS):
        frame.env, frame.dead = dict(entry), False
        frame.loops.append(jumps)
        try:
            head()
            block(machine, frame, body)
        finally:
            frame.loops.pop()
        ends = [entry, *jumps.continues]
        if not frame.dead:
            ends.append(frame.env)
        after = merge(*ends)
        if after == entry:
            break
        entry = after
    else:
        raise GiveUp("a loop does not settle")
    # What a loop that runs out leaves behind, its target unbound if it never ran.
    frame.env, frame.dead = dict(entry), False
    last()
    block(machine, frame, orelse)
    ends = list(jumps.breaks)
    if not frame.dead:
        ends.append(frame.env)
    _join(frame, ends, entry)


def _for(machine: Machine, frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    source = evaluate(machine, frame, node.iter)

    def head() -> None:
        each = elements(machine, source, node.iter)
        bind(machine, frame, node.target, each)

    _loop(machine, frame, head, lambda: None, node.body, node.orelse)


def _while(machine: Machine, frame: Frame, node: ast.While) -> None:
    def head() -> None:
        test(machine, frame, node.test)

    _loop(machine, frame, head, head, node.body, node.orelse)


def _break(machine: Machine, frame: Frame, node: ast.Break) -> None:
    frame.loops[-1].breaks.append(dict(frame.env))
    _leave(frame)


def _continue(machine: Machine, frame: Frame, node: ast.Continue) -> None:
    frame.loops[-1].continues.append(dict(frame.env))
    _leave(frame)


def _match(machine: Machine, frame: Frame, node: ast.Match) -> None:
    subject = evaluate(machine, frame, node.subject)
    before = frame.env
    ends: list[dict[str, Value]] = [before]
    for case in node.cases:
        frame.env, frame.dead = dict(before), False
        match_pattern(machine, frame, case.pattern, subject)
        # What a pattern bound stays bound even if its guard then fails.
        if case.guard is not None:
            test(machine, frame, case.guard)
        before = merge(before, frame.env)
        block(machine, frame, case.body)
        if not frame.dead:
            ends.append(frame.env)
    ends.append(before)
    _join(frame, ends, before)


# -- with, try --------------------------------------------------------------------


def _with(machine: Machine, frame: Frame, node: ast.With | ast.AsyncWith) -> None:
    for item in node.items:
        context = evaluate(machine, frame, item.context_expr)
        bound = entered(machine, context, item.context_expr)
        if item.optional_vars is not None:
            bind(machine, frame, item.optional_vars, bound)
    before = dict(frame.env)
    # A context manager may swallow what its body raises.
    frame.tries.append(before)
    block(machine, frame, node.body)
    reached = frame.tries.pop()
    frame.env = reached if frame.dead else merge(frame.env, reached)
    frame.dead = False


def _try(machine: Machine, frame: Frame, node: ast.Try) -> None:
    frame.tries.append(dict(frame.env))
    block(machine, frame, node.body)
    thrown = frame.tries.pop()
    ends: list[dict[str, Value]] = []
    anywhere = [thrown]
    if not frame.dead:
        block(machine, frame, node.orelse)
    anywhere.append(frame.env)
    if not frame.dead:
        ends.append(frame.env)
    for handler in node.handlers:
        frame.env, frame.dead = dict(thrown), False
        if handler.type is not None:
            # To let an interrupt pass is not to ask for one.
            interrupts = machine.rec.interrupts
            use(machine, evaluate(machine, frame, handler.type), "is an exception")
            machine.rec.interrupts = interrupts
        if handler.name is not None:
            # Any exception that the code itself raises may arrive here.
            caught = machine.opaque(handler) | machine.aliasing(machine.raised)
            bind_name(machine, frame, handler.name, caught)
        frame.tries.append(dict(frame.env))
        block(machine, frame, handler.body)
        anywhere.append(frame.tries.pop())
        if not frame.dead:
            ends.append(frame.env)
    if not node.finalbody:
        _join(frame, ends, thrown)
        return
    gone = not ends
    frame.env, frame.dead = merge(*anywhere, *ends), False
    block(machine, frame, node.finalbody)
    frame.dead = frame.dead or gone


def _raise(machine: Machine, frame: Frame, node: ast.Raise) -> None:
    for part in (node.exc, node.cause):
        if part is not None:
            value = evaluate(machine, frame, part)
            use(machine, value, "is raised")
            machine.throw(value)
    _leave(frame)


def _assert(machine: Machine, frame: Frame, node: ast.Assert) -> None:
    test(machine, frame, node.test)
    if node.msg is not None:
        use(machine, evaluate(machine, frame, node.msg), "is part of a message")


def _delete(machine: Machine, frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        _delete_target(machine, frame, target)


def _delete_target(machine: Machine, frame: Frame, target: ast.expr) -> None:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            _delete_target(machine, frame, part)
    elif isinstance(target, ast.Attribute):
        base = evaluate(machine, frame, target.value)
        refs = frozenset(a for a in base if isinstance(a, Ref))
        set_attribute(machine, refs, target.attr, NOTHING)
    elif isinstance(target, ast.Subscript):
        base = evaluate(machine, frame, target.value)
        key = evaluate(machine, frame, target.slice)
        use(machine, key, "is used as a key")
        run_special(machine, base, "__delitem__", [key], target)
        refs = frozenset(a for a in base if isinstance(a, Ref))
        set_item(machine, refs, key, NOTHING)


# -- definitions and imports ------------------------------------------------------


def _class(machine: Machine, frame: Frame, node: ast.ClassDef) -> None:
    """Interpret a nested class; its methods may be called by anyone."""
    for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
        use(machine, evaluate(machine, frame, part), "is part of a class")
    key = ("class", frame.index, id(node))
    inner = machine.frame_for(key, node, frame.scope, frame, frame.depth)
    inner.env, inner.dead = {}, False
    machine.stack.append(inner)
    try:
        block(machine, inner, node.body)
    finally:
        machine.stack.pop()
    made = machine.opaque(node, user=True)
    for name, value in (*inner.env.items(), *inner.shared.items()):
        use(machine, value, "is part of a class")
        for atom in made:
            if isinstance(atom, Opaque):
                data = frozenset(a for a in value if not isinstance(a, (Func, Method)))
                machine.keep_real(atom.site, name, data)
    bind_name(machine, frame, node.name, made)


def _nothing(machine: Machine, frame: Frame, node: ast.stmt) -> None:
    return None


_HANDLERS: dict[type[ast.stmt], Callable[..., None]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _return,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Match: _match,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.FunctionDef: define_function,
    ast.AsyncFunctionDef: define_function,
    ast.ClassDef: _class,
    ast.Import: import_modules,
    ast.ImportFrom: import_names,
    ast.Global: _nothing,
    ast.Nonlocal: _nothing,
    ast.Pass: _nothing,
}
for _name, _handler in (("TryStar", _try), ("TypeAlias", _nothing)):
    if hasattr(ast, _name):
        _HANDLERS[getattr(ast, _name)] = _handler
