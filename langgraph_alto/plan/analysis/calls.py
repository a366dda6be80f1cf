"""Calls: which code runs, with which arguments, and what comes back.

Code of the user's is followed into; so is a library function given as a node,
together with the helpers of its own file. All other code is *unseen*: it reads
its arguments entirely, returns something new, and changes its arguments only
if it is known to, or if it may be the user's.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import operator
import types
from collections.abc import Mapping

from langgraph_alto.plan.analysis import copies, library, members, methods, reflection
from langgraph_alto.plan.analysis.attributes import get_attribute
from langgraph_alto.plan.analysis.catalogue import ARGUMENT_MUTATORS
from langgraph_alto.plan.analysis.construct import construct
from langgraph_alto.plan.analysis.frames import Frame, Scope
from langgraph_alto.plan.analysis.identity import asks_identity
from langgraph_alto.plan.analysis.interpret import execute
from langgraph_alto.plan.analysis.items import get_item
from langgraph_alto.plan.analysis.learned import learn_from_annotation
from langgraph_alto.plan.analysis.machine import MAX_DEPTH, Machine, wrap
from langgraph_alto.plan.analysis.registry import model_of
from langgraph_alto.plan.analysis.scopes import bindings
from langgraph_alto.plan.analysis.source import is_library_code, is_library_module, source_of
from langgraph_alto.plan.analysis.unseen import call_unseen, describe
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    Alloc,
    Args,
    Func,
    FunctionNode,
    Method,
    Obj,
    Opaque,
    Ref,
    Value,
    join,
    one,
)


def apply(machine: Machine, callee: Value, args: Args, node: ast.AST) -> Value:
    """Call whatever ``callee`` may be."""
    machine.tick()
    if not callee:
        # Perhaps it gets a value in a later pass.
        machine.nameless = True
        if not machine.final:
            return NOTHING
        return call_unseen(machine, args, "something", node, user=True)
    found = NOTHING
    for atom in callee:
        if isinstance(atom, Func):
            found |= _call_func(machine, atom, args, node)
        elif isinstance(atom, Obj):
            found |= call_object(machine, atom.obj, args, node)
        elif isinstance(atom, Method):
            found |= methods.call_method(machine, atom.receiver, atom.name, args, node)
        elif isinstance(atom, Alloc):
            found |= _call_cell(machine, atom, args, node)
        elif isinstance(atom, Ref):
            machine.read(one(atom), lambda: "the state is called")
            found |= methods.call_kept(machine, atom, args, node)
        elif isinstance(atom, Opaque):
            made = call_unseen(machine, args, describe(node), node, user=atom.user, fills=True)
            # The instances of a class have what is its own.
            for each in made if atom.user and machine.held_by(atom) else ():
                if isinstance(each, Opaque):
                    machine.keep_real(each.site, None, machine.held_by(atom))
            found |= made
    return found


def _call_func(machine: Machine, func: Func, args: Args, node: ast.AST) -> Value:
    parent = machine.frames[func.frame]
    return run(machine, func.node, parent.scope, parent, args, node, machine.defaults_of(func))


def _call_cell(machine: Machine, atom: Alloc, args: Args, node: ast.AST) -> Value:
    cell = machine.cell(atom)
    if cell.kind == "partial":
        bound = Args(star=cell.rest, kwstar=cell.rest if cell.open else NOTHING)
        index = 0
        while index in cell.fields:
            bound.pos.append(cell.fields[index])
            index += 1
        bound.kw = {k: v for k, v in cell.fields.items() if isinstance(k, str) and k != "func"}
        return apply(machine, cell.fields.get("func", NOTHING), merged(bound, args), node)
    if cell.kind == "instance":
        return methods.call_method(machine, atom, "__call__", args, node)
    return call_unseen(machine, args, describe(node), node, user=False)


def merged(bound: Args, args: Args) -> Args:
    """The arguments of a partial and those of its call, in one."""
    if bound.star:
        star = bound.star | args.star
        for value in args.pos:
            star |= value
        return Args(bound.pos, star, {**bound.kw, **args.kw}, bound.kwstar | args.kwstar)
    return Args(
        [*bound.pos, *args.pos], args.star, {**bound.kw, **args.kw}, bound.kwstar | args.kwstar
    )


def call_object(machine: Machine, obj: object, args: Args, node: ast.AST) -> Value:
    """Call a real object."""
    model = model_of(obj)
    if model is not None:
        return model(machine, args, node)
    if isinstance(obj, types.FunctionType):
        return call_function(machine, obj, args, node)
    if isinstance(obj, types.MethodType):
        bound = Args([wrap(obj.__self__)])
        return call_object(machine, obj.__func__, merged(bound, args), node)
    if isinstance(obj, functools.partial):
        bound = Args([wrap(a) for a in obj.args], kw={k: wrap(v) for k, v in obj.keywords.items()})
        return call_object(machine, obj.func, merged(bound, args), node)
    if isinstance(obj, type):
        return construct(machine, obj, args, node)
    if isinstance(obj, (operator.itemgetter, operator.attrgetter, operator.methodcaller)):
        return _call_getter(machine, obj, args, node)
    if isinstance(obj, types.BuiltinMethodType) and not isinstance(
        obj.__self__, (types.ModuleType, type(None))
    ):
        return methods.call_method(machine, Obj(obj.__self__), obj.__name__, args, node)
    if isinstance(obj, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        rest = Args(args.pos[1:], args.star, args.kw, args.kwstar)
        found = NOTHING
        for atom in args.get(0):
            found |= methods.call_method(machine, atom, obj.__name__, rest, node)
        return found or OPAQUE
    if _is_task(obj):
        machine.rec.calls_tasks = True
        return call_object(machine, getattr(obj, "func", None), args, node) and machine.opaque(node)
    wrapped = getattr(obj, "__wrapped__", None) if isinstance(obj, _CACHED) else None
    if isinstance(wrapped, types.FunctionType):
        call_unseen(machine, args, describe(node), node, user=False)
        return call_object(machine, wrapped, args, node)
    call = members.static(type(obj), "__call__")
    if isinstance(call, types.FunctionType):
        return call_function(machine, call, merged(Args([one(Obj(obj))]), args), node)
    name = (str(getattr(obj, "__module__", "")).lstrip("_"), str(getattr(obj, "__name__", "")))
    # Compiled code of the user's is not seen either.
    user = callable(obj) and bool(name[0]) and not is_library_module(name[0])
    return call_unseen(machine, args, describe(node), node, user=user, name=name)


_CACHED = type(functools.lru_cache(len))


def _is_task(obj: object) -> bool:
    return type(obj).__module__ == "langgraph.func"


def _call_getter(machine: Machine, getter: object, args: Args, node: ast.AST) -> Value:
    made: tuple[object, tuple[object, ...]] = getter.__reduce__()  # type: ignore[assignment]
    base = args.get(0)
    keys = made[1]
    if isinstance(getter, operator.methodcaller):
        callee = get_attribute(machine, base, str(keys[0]), node, calling=True)
        return apply(machine, callee, Args([wrap(k) for k in keys[1:]]), node)
    found: list[Value] = []
    for key in keys:
        if isinstance(getter, operator.itemgetter):
            found.append(get_item(machine, base, wrap(key), node))
        else:
            value = base
            for name in str(key).split("."):
                value = get_attribute(machine, value, name, node)
            found.append(value)
    if len(found) == 1:
        return found[0]
    value, cell = machine.alloc("tuple", node, "getter")
    for index, each in enumerate(found):
        machine.put(cell, index, each)
    return value


def call_function(
    machine: Machine, function: types.FunctionType, args: Args, node: ast.AST
) -> Value:
    """Call a real Python function, following it if that is worth while."""
    file = function.__code__.co_filename
    label = describe(node) if isinstance(node, ast.Call) else function.__qualname__
    if str(function.__globals__.get("__name__")).startswith(_PASSING_ON):
        inside = _inside(function)
        if inside:
            return join(call_object(machine, inner, args, node) for inner in inside)
    foreign = is_library_code(function)
    key = ((function.__module__ or "").lstrip("_"), function.__name__)
    if foreign and key in ARGUMENT_MUTATORS:
        return call_unseen(machine, args, label, node, user=False, name=key)
    own = bool(machine.stack) and machine.frame.scope.file == file
    if foreign and not own and machine.stack:
        found = call_unseen(machine, args, label, node, user=False, name=key)
        if "." in function.__qualname__ and "<locals>" not in function.__qualname__:
            # `Model.method(thing)` is `thing.method()`.
            found |= methods.call_unbound(machine, function.__name__, args, node)
        for inner in _inside(function):
            found |= call_object(machine, inner, args, node)
        return found
    if not machine.rec.asks_identity and asks_identity(function.__code__):
        machine.rec.asks_identity = True
    source = source_of(function)
    if source is None or _depth(machine) >= MAX_DEPTH:
        return call_unseen(machine, args, label, node, user=not foreign, name=key)
    return run(
        machine,
        source.node,
        scope_of(function, foreign),
        None,
        args,
        node,
        defaults_of(function),
    )


_PASSING_ON = ("tenacity", "backoff")
"""Libraries whose decorators call what they wrap, perhaps again, and return its result."""


def _inside(function: types.FunctionType) -> list[object]:
    """The functions that a library's wrapper of a function runs."""
    found: list[object] = []
    registry = function.__dict__.get("registry")
    if isinstance(registry, Mapping):
        # `functools.singledispatch`
        found.extend(registry.values())
    elif "__wrapped__" in function.__dict__:
        found.append(function.__dict__["__wrapped__"])
    return found


def scope_of(function: types.FunctionType, library: bool) -> Scope:
    """Where a real function's names resolve."""
    cells: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        # A variable of the enclosing function may have no value yet.
        with contextlib.suppress(ValueError):
            cells[name] = cell.cell_contents
    return Scope(function.__globals__, cells, function.__code__.co_filename, library)


def defaults_of(function: types.FunctionType) -> dict[str, Value]:
    """The default values of a real function's parameters."""
    found: dict[str, Value] = {}
    code = function.__code__
    values = function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    for name, value in zip(names[len(names) - len(values) :], values, strict=True):
        found[name] = wrap(value)
    for name, value in (function.__kwdefaults__ or {}).items():
        found[name] = wrap(value)
    return found


def _depth(machine: Machine) -> int:
    return machine.frame.depth if machine.stack else 0


def run(
    machine: Machine,
    body: FunctionNode,
    scope: Scope,
    parent: Frame | None,
    args: Args,
    node: ast.AST,
    defaults: dict[str, Value],
) -> Value:
    """Interpret a function's body with these arguments."""
    for active in machine.stack:
        if active.node is body and active.parent is parent and active.scope.cells == scope.cells:
            # Recursion: one activation stands for all of them.
            bind_arguments(machine, active, body, args, defaults)
            active.results_seen = True
            return _result(machine, active, body)
    if _depth(machine) >= MAX_DEPTH:
        return call_unseen(machine, args, describe(node), node, user=True)
    caller = machine.frame.index if machine.stack else -1
    key = (caller, id(node), id(body), -1 if parent is None else parent.index)
    frame = machine.frame_for(key, body, scope, parent, _depth(machine) + 1)
    machine.stack.append(frame)
    where = (machine.rec.file, machine.rec.line)
    machine.rec.file = scope.file
    try:
        bind_arguments(machine, frame, body, args, defaults)
        frame.dead = False
        frame.loops.clear()
        frame.tries.clear()
        frame.env = {k: v for k, v in frame.params.items() if k not in frame.names.captured}
        execute(machine, frame)
        return _result(machine, frame, body)
    finally:
        machine.stack.pop()
        machine.rec.file, machine.rec.line = where


def _result(machine: Machine, frame: Frame, body: FunctionNode) -> Value:
    if not bindings(body).generator:
        return frame.returns
    machine.stack.append(frame)
    try:
        # For `yield from`, what it returns is among what it yields.
        given = frame.yields | machine.aliasing(frame.returns)
        return machine.container("list", body, given, "yields")
    finally:
        machine.stack.pop()


def bind_arguments(
    machine: Machine, frame: Frame, body: FunctionNode, args: Args, defaults: dict[str, Value]
) -> None:
    """Give parameters their values, on top of those of earlier calls."""
    spec = body.args
    positional = [*spec.posonlyargs, *spec.args]
    taken: set[str] = set()
    for index, arg in enumerate(positional):
        keyword = None if arg in spec.posonlyargs else arg.arg
        value = args.get(index, keyword)
        if keyword is not None:
            taken.add(keyword)
        if not (index < len(args.pos) or (keyword in args.kw)):
            value |= defaults.get(arg.arg, NOTHING)
        learn_from_annotation(machine, value, arg.annotation, frame.scope)
        _give(machine, frame, arg.arg, value)
    for arg in spec.kwonlyargs:
        taken.add(arg.arg)
        value = args.kw.get(arg.arg, NOTHING)
        if arg.arg not in args.kw:
            value = args.kwstar | defaults.get(arg.arg, NOTHING)
        learn_from_annotation(machine, value, arg.annotation, frame.scope)
        _give(machine, frame, arg.arg, value)
    if spec.vararg:
        value, cell = machine.alloc("tuple", spec.vararg)
        for index, extra in enumerate(args.pos[len(positional) :]):
            machine.put(cell, index, extra)
        machine.put_rest(cell, args.star)
        _give(machine, frame, spec.vararg.arg, value)
    if spec.kwarg:
        value, cell = machine.alloc("dict", spec.kwarg)
        for name, extra in args.kw.items():
            if name not in taken:
                machine.put(cell, name, extra)
        if args.kwstar:
            machine.put_rest(cell, args.kwstar)
            machine.loosen(cell)
        _give(machine, frame, spec.kwarg.arg, value)


def _give(machine: Machine, frame: Frame, name: str, value: Value) -> None:
    old = frame.params.get(name, NOTHING)
    if name not in frame.params or not value <= old:
        frame.params[name] = old | value
        machine.changed |= frame.results_seen
    if name in frame.names.captured:
        machine.assign(frame, name, value)


# Imported for the models they register.
_MODELLED = (copies, library, reflection)
