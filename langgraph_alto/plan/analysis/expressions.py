"""Expressions: from syntax to abstract values."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.attributes import get_attribute, set_attribute
from langgraph_alto.plan.analysis.copies import put_key, spread
from langgraph_alto.plan.analysis.dunders import run_special
from langgraph_alto.plan.analysis.frames import Frame
from langgraph_alto.plan.analysis.items import elements, get_item, set_item, slice_of, unpack
from langgraph_alto.plan.analysis.learned import learn_from_default
from langgraph_alto.plan.analysis.machine import Machine, covers
from langgraph_alto.plan.analysis.names import bind_name, resolve
from langgraph_alto.plan.analysis.operators import _MAX_FOLD, combine, membership, use
from langgraph_alto.plan.analysis.reach import work_on
from langgraph_alto.plan.analysis.scopes import Comprehension
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    PLAIN,
    USER_OPAQUE,
    Alloc,
    Args,
    Cell,
    Const,
    Func,
    Kind,
    Opaque,
    Ref,
    Value,
    one,
    strings,
)


def evaluate(machine: Machine, frame: Frame, node: ast.expr) -> Value:
    """What an expression may be, noting what its evaluation does."""
    machine.tick()
    handler = _HANDLERS.get(type(node))
    if handler is not None:
        return handler(machine, frame, node)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            use(machine, evaluate(machine, frame, child), "is used in an unknown way")
    return USER_OPAQUE


def test(machine: Machine, frame: Frame, node: ast.expr) -> None:
    """Evaluate for truth."""
    tested(machine, evaluate(machine, frame, node), node)


def tested(machine: Machine, value: Value, node: ast.AST) -> None:
    """A value is looked at for truth."""
    machine.read(value, lambda: "the whole state is tested")
    for name in ("__bool__", "__len__"):
        run_special(machine, value, name, [], node)


def _constant(machine: Machine, frame: Frame, node: ast.Constant) -> Value:
    return one(Const(node.value))


def _name(machine: Machine, frame: Frame, node: ast.Name) -> Value:
    return resolve(machine, frame, node.id)


def _attribute(machine: Machine, frame: Frame, node: ast.Attribute) -> Value:
    base = evaluate(machine, frame, node.value)
    return get_attribute(machine, base, node.attr, node)


def _subscript(machine: Machine, frame: Frame, node: ast.Subscript) -> Value:
    base = evaluate(machine, frame, node.value)
    if isinstance(node.slice, ast.Slice):
        use(machine, evaluate(machine, frame, node.slice), "is used as an index")
        return slice_of(machine, base, node)
    key = evaluate(machine, frame, node.slice)
    use(machine, key, "is used as a key")
    return get_item(machine, base, key, node)


def _slice(machine: Machine, frame: Frame, node: ast.Slice) -> Value:
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            use(machine, evaluate(machine, frame, part), "is used as an index")
    return PLAIN


# -- operators --------------------------------------------------------------------


def _binary(machine: Machine, frame: Frame, node: ast.BinOp) -> Value:
    left = evaluate(machine, frame, node.left)
    right = evaluate(machine, frame, node.right)
    return combine(machine, left, right, node.op, node)


def _unary(machine: Machine, frame: Frame, node: ast.UnaryOp) -> Value:
    value = evaluate(machine, frame, node.operand)
    use(machine, value, "is an operand")
    if not isinstance(node.op, ast.Not):
        work_on(machine, value)
    if isinstance(node.op, ast.USub) and all(
        isinstance(a, Const) and isinstance(a.value, (int, float)) for a in value
    ):
        return frozenset(Const(-a.value) for a in value if isinstance(a, Const))  # type: ignore[operator]
    return PLAIN


def _boolean(machine: Machine, frame: Frame, node: ast.BoolOp) -> Value:
    found = NOTHING
    *heads, last = node.values
    is_or = isinstance(node.op, ast.Or)
    for part in heads:
        value = evaluate(machine, frame, part)
        tested(machine, value, part)
        found |= frozenset(
            a for a in value if not (isinstance(a, Const) and bool(a.value) is not is_or)
        )
    default = evaluate(machine, frame, last)
    learn_from_default(machine, found, default)
    return found | default


def _compare(machine: Machine, frame: Frame, node: ast.Compare) -> Value:
    left = evaluate(machine, frame, node.left)
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = evaluate(machine, frame, part)
        if isinstance(op, (ast.In, ast.NotIn)):
            membership(machine, left, right, node)
        elif not isinstance(op, (ast.Is, ast.IsNot)):
            use(machine, left | right, "is compared")
        left = right
    return PLAIN


def _if_expression(machine: Machine, frame: Frame, node: ast.IfExp) -> Value:
    test(machine, frame, node.test)
    return evaluate(machine, frame, node.body) | evaluate(machine, frame, node.orelse)


# -- displays and comprehensions --------------------------------------------------


def _sequence(machine: Machine, frame: Frame, node: ast.List | ast.Tuple | ast.Set) -> Value:
    kind: Kind = (
        "tuple" if isinstance(node, ast.Tuple) else "set" if isinstance(node, ast.Set) else "list"
    )
    value, cell = machine.alloc(kind, node)
    spelled = cell.spelled or (NOTHING,) * len(node.elts)
    for index, part in enumerate(node.elts):
        if isinstance(part, ast.Starred):
            inner = evaluate(machine, frame, part.value)
            machine.put_rest(cell, elements(machine, inner, part))
            cell.exact = False
        elif kind == "tuple":
            machine.put(cell, index, evaluate(machine, frame, part))
        else:
            item = evaluate(machine, frame, part)
            machine.put_rest(cell, item)
            spelled = (*spelled[:index], spelled[index] | item, *spelled[index + 1 :])
    cell.spelled = spelled
    return value


def _dict(machine: Machine, frame: Frame, node: ast.Dict) -> Value:
    value, cell = machine.alloc("dict", node)
    for key_node, part in zip(node.keys, node.values, strict=True):
        each = evaluate(machine, frame, part)
        if key_node is None:
            spread(machine, cell, each, part, "copied into a new mapping")
        else:
            put_key(machine, cell, evaluate(machine, frame, key_node), each)
    return value


def _comprehension(machine: Machine, frame: Frame, node: Comprehension) -> Value:
    first = evaluate(machine, frame, node.generators[0].iter)
    key = ("comprehension", frame.index, id(node))
    inner = machine.frame_for(key, node, frame.scope, frame, frame.depth, inline=True)
    machine.stack.append(inner)
    try:
        for index, generator in enumerate(node.generators):
            source = first if index == 0 else evaluate(machine, inner, generator.iter)
            each = elements(machine, source, generator.iter)
            bind(machine, inner, generator.target, each)
            for condition in generator.ifs:
                test(machine, inner, condition)
        if isinstance(node, ast.DictComp):
            found, cell = machine.alloc("dict", node)
            names = evaluate(machine, inner, node.key)
            put_key(machine, cell, names, evaluate(machine, inner, node.value))
            return found
        kind: Kind = "set" if isinstance(node, ast.SetComp) else "list"
        return machine.container(kind, node, evaluate(machine, inner, node.elt))
    finally:
        machine.stack.pop()


# -- binding ----------------------------------------------------------------------


def bind(machine: Machine, frame: Frame, target: ast.expr, value: Value) -> None:
    """Assign a value to a target of any form."""
    if isinstance(target, ast.Name):
        bind_name(machine, frame, target.id, value)
    elif isinstance(target, ast.Attribute):
        base = evaluate(machine, frame, target.value)
        set_attribute(machine, base, target.attr, value)
    elif isinstance(target, ast.Subscript):
        base = evaluate(machine, frame, target.value)
        key = evaluate(machine, frame, target.slice)
        use(machine, key, "is used as a key")
        if isinstance(target.slice, ast.Slice):
            value = elements(machine, value, target)
        set_item(machine, base, key, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        parts = target.elts
        stars = [i for i, part in enumerate(parts) if isinstance(part, ast.Starred)]
        star = stars[0] if stars else None
        values = unpack(machine, value, len(parts), star, target)
        for part, each in zip(parts, values, strict=True):
            bind(machine, frame, part.value if isinstance(part, ast.Starred) else part, each)


def _walrus(machine: Machine, frame: Frame, node: ast.NamedExpr) -> Value:
    value = evaluate(machine, frame, node.value)
    at = frame
    while at.inline and at.parent is not None:
        at = at.parent
    bind_name(machine, at, node.target.id, value)
    return value


# -- functions and calls ----------------------------------------------------------


def _lambda(machine: Machine, frame: Frame, node: ast.Lambda) -> Value:
    return make_function(machine, frame, node)


def make_function(
    machine: Machine, frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
) -> Value:
    """The function object a definition makes."""
    func = Func(node, frame.index)
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    table = machine.defaults.setdefault(func, {})
    pairs = list(
        zip(positional[len(positional) - len(spec.defaults) :], spec.defaults, strict=True)
    )
    pairs += [(a, d) for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d]
    for arg, default in pairs:
        value = table.get(arg.arg, NOTHING)
        new = evaluate(machine, frame, default)
        if not covers(value, new):
            table[arg.arg] = value | new
    return one(func)


def _call(machine: Machine, frame: Frame, node: ast.Call) -> Value:
    if isinstance(node.func, ast.Attribute):
        base = evaluate(machine, frame, node.func.value)
        callee = get_attribute(machine, base, node.func.attr, node.func, calling=True)
    else:
        callee = evaluate(machine, frame, node.func)
    args = arguments(machine, frame, node)
    machine.rec.line = node.lineno
    return machine.apply(machine, callee, args, node)


def arguments(machine: Machine, frame: Frame, node: ast.Call) -> Args:
    """Evaluate the arguments of a call."""
    args = Args()
    for part in node.args:
        if isinstance(part, ast.Starred):
            _star(machine, args, evaluate(machine, frame, part.value), part)
        elif args.star:
            args.star |= evaluate(machine, frame, part)
        else:
            args.pos.append(evaluate(machine, frame, part))
    for keyword in node.keywords:
        value = evaluate(machine, frame, keyword.value)
        if keyword.arg is not None:
            args.kw[keyword.arg] = args.kw.get(keyword.arg, NOTHING) | value
        else:
            _double_star(machine, args, value, keyword.value)
    return args


def _star(machine: Machine, args: Args, value: Value, node: ast.AST) -> None:
    cells = [machine.cell(a) for a in value if isinstance(a, Alloc)]
    if len(cells) == len(value) == 1 and not args.star:
        (cell,) = cells
        if cell.kind == "tuple" and cell.exact and not cell.rest:
            args.pos.extend(cell.fields.get(i, NOTHING) for i in range(len(cell.fields)))
            return
    args.star |= elements(machine, value, node) | (NOTHING if value else OPAQUE)


def _double_star(machine: Machine, args: Args, value: Value, node: ast.AST) -> None:
    cell = Cell("dict")
    spread(machine, cell, value, node, "passed as keyword arguments")
    for key, each in cell.fields.items():
        if isinstance(key, str):
            args.kw[key] = args.kw.get(key, NOTHING) | each
    if cell.open or cell.rest:
        args.kwstar |= cell.rest | OPAQUE


# -- the rest ---------------------------------------------------------------------


def _await(machine: Machine, frame: Frame, node: ast.Await) -> Value:
    value = evaluate(machine, frame, node.value)
    machine.read(value, lambda: "the whole state is awaited")
    for atom in value:
        if isinstance(atom, Ref) and (atom.exact or hints.is_used_up(atom.hint)):
            machine.mutate(one(atom), "awaiting it uses it up", certain=False)
        elif isinstance(atom, Opaque):
            # A future gives what it was given.
            value |= machine.kept_real(atom.site, "[]")
    return value


def _function_frame(frame: Frame) -> Frame:
    while frame.inline and frame.parent is not None:
        frame = frame.parent
    return frame


def _yield(machine: Machine, frame: Frame, node: ast.Yield | ast.YieldFrom) -> Value:
    value = NOTHING if node.value is None else evaluate(machine, frame, node.value)
    found = machine.opaque(node)
    if isinstance(node, ast.YieldFrom):
        value = elements(machine, value, node)
        # The generator's result is among what it is taken to yield.
        found |= machine.aliasing(value)
    at = _function_frame(frame)
    if not covers(at.yields, value):
        at.yields |= value
        machine.changed |= at.results_seen
    return found | machine.sent


def _joined(machine: Machine, frame: Frame, node: ast.JoinedStr) -> Value:
    parts: list[frozenset[str]] = []
    known = True
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(frozenset((str(part.value),)))
            continue
        if isinstance(part, ast.FormattedValue):
            value = evaluate(machine, frame, part.value)
            use(machine, value, "is formatted into a string")
            names = strings(value)
            if part.format_spec is not None:
                evaluate(machine, frame, part.format_spec)
            if names is None or part.format_spec is not None or part.conversion != -1:
                known = False
            else:
                parts.append(names)
        else:
            use(machine, evaluate(machine, frame, part), "is formatted into a string")
            known = False
    size = 1
    for each in parts:
        size *= len(each)
    if not known or size > _MAX_FOLD:
        return PLAIN
    return frozenset(Const("".join(words)) for words in itertools.product(*parts))


def _starred(machine: Machine, frame: Frame, node: ast.Starred) -> Value:
    return elements(machine, evaluate(machine, frame, node.value), node)


_Handler = Callable[..., Value]
_HANDLERS: dict[type[ast.expr], _Handler] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _if_expression,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.NamedExpr: _walrus,
    ast.Lambda: _lambda,
    ast.Call: _call,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.JoinedStr: _joined,
    ast.Starred: _starred,
}
