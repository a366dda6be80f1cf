"""Runnables: what LangGraph and LangChain make of functions, prompts and chains.

They are recognised by what they have, not by import, so that no private module
is needed and other versions work.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Iterable, Mapping

from langgraph_alto.batching.declare import declared_of
from langgraph_alto.plan.analysis import members
from langgraph_alto.plan.analysis.copies import spread
from langgraph_alto.plan.analysis.graphs import is_graph
from langgraph_alto.plan.analysis.items import elements, get_item
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import escape, work_on
from langgraph_alto.plan.analysis.source import is_library_code
from langgraph_alto.plan.analysis.unseen import call_unseen
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    PLAIN,
    Alloc,
    Args,
    Atom,
    Obj,
    Ref,
    Value,
    const,
    one,
)
from langgraph_alto.plan.prompts import uses_variables_only

BATCHES = frozenset(("batch", "abatch", "batch_as_completed", "abatch_as_completed"))
_STREAMED = frozenset(("transform", "atransform"))
RUN = BATCHES | _STREAMED | {"invoke", "ainvoke", "stream", "astream"}
INJECTED = ("config", "writer", "store", "previous", "runtime", "error", "run_manager")
_INVOKERS = frozenset(("run_in_executor",))


def is_runnable(obj: object) -> bool:
    """Whether an object has a runnable's methods."""
    cls = type(obj)
    return not isinstance(obj, type) and hasattr(cls, "invoke") and hasattr(cls, "ainvoke")


def _is_a(obj: object, name: str) -> bool:
    return any(c.__name__ == name for c in type(obj).__mro__)


def function_of(obj: object) -> object:
    """The function inside a ``RunnableCallable`` or ``RunnableLambda``, or ``None``.

    Where a synchronous function exists, LangGraph's asynchronous one only runs
    it in a thread, or does the same in other words; see ``both``.
    """
    func = _attribute(obj, "func")
    return func if func is not None else _attribute(obj, "afunc")


def both(obj: object) -> list[object]:
    """The different functions of a runnable: usually one."""
    func, afunc = _attribute(obj, "func"), _attribute(obj, "afunc")
    found = [f for f in (func, afunc) if f is not None]
    if len(found) == 2 and _delegates(afunc, func):
        return [func]
    return found


def _attribute(obj: object, name: str) -> object:
    try:
        return getattr(obj, name, None)
    except Exception:  # noqa: BLE001 - a property of the user's may do anything
        return None


def _delegates(afunc: object, func: object) -> bool:
    """Whether ``afunc`` only runs ``func`` in an executor."""
    return (
        isinstance(afunc, functools.partial)
        and getattr(afunc.func, "__name__", "") in _INVOKERS
        and any(a is func or a == func for a in afunc.args)
    )


def inputs(machine: Machine, name: str, args: Args, node: ast.AST) -> Value:
    """What one of the methods in ``RUN`` gives to the runnable."""
    if name in BATCHES or name in _STREAMED:
        return elements(machine, args.get(0, "inputs"), node)
    return args.get(0, "input")


def run_method(machine: Machine, obj: object, name: str, args: Args, node: ast.AST) -> Value:
    """One of the methods in ``RUN``."""
    found = run(machine, obj, inputs(machine, name, args, node), node)
    kw = {k: v for k, v in args.kw.items() if k not in ("input", "inputs")}
    call_unseen(machine, Args(args.pos[1:], kw=kw), f".{name}", node, user=False)
    return results(machine, name, found, node)


def results(machine: Machine, name: str, found: Value, node: ast.AST) -> Value:
    """What one of the methods in ``RUN`` makes of what a runnable gives."""
    if name in ("invoke", "ainvoke"):
        return found
    if name.endswith("_as_completed"):
        found = machine.container("tuple", node, found | PLAIN, "which")
    return machine.container("list", node, found, "many") | machine.opaque(node)


def run(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    """Invoke a runnable with an input."""
    if is_graph(obj):
        name = f"graph {getattr(obj, 'name', '')}"
        found, cell = machine.alloc("dict", node, "graph")
        # Its channels hold the very objects it is given.
        machine.put_rest(cell, machine.aliasing(machine.reachable(value) | _within(machine, value)))
        machine.loosen(cell)
        return found | call_unseen(machine, Args([value]), name, node, user=False)
    if _is_a(obj, "RunnableSequence") or _is_a(obj, "RunnableSeq"):
        steps = _attribute(obj, "steps")
        for step in steps if isinstance(steps, (list, tuple)) else ():
            value = run(machine, step, value, node)
        return value
    if _is_a(obj, "RunnableParallel"):
        return _parallel(machine, obj, value, node)
    if _is_a(obj, "RunnableAssign"):
        return _assign(machine, obj, value, node)
    if _is_a(obj, "RunnablePassthrough"):
        func = function_of(obj)
        if func is not None:
            call(machine, func, value, {}, node)
        return value
    if _is_a(obj, "RunnablePick"):
        keys = _attribute(obj, "keys")
        found = NOTHING
        for key in keys if isinstance(keys, (list, tuple)) else (keys,):
            found |= get_item(machine, value, wrap(key), node)
        return found | OPAQUE
    if _is_a(obj, "RunnableBranch"):
        return _branch(machine, obj, value, node)
    if _is_a(obj, "RunnableEachBase"):
        found = run(machine, _attribute(obj, "bound"), elements(machine, value, node), node)
        return machine.container("list", obj, found, "each")
    if _is_a(obj, "RunnableBindingBase"):
        return run(machine, _attribute(obj, "bound"), value, node) | machine.opaque(node)
    if _is_a(obj, "ToolNode"):
        return _tools(machine, obj, value, node)
    if _is_a(obj, "BasePromptTemplate"):
        return _prompt(machine, obj, value, node)
    if _is_a(obj, "BaseTool"):
        return _tool(machine, obj, value, node)
    followed = [_own_method(obj, name) for name in ("invoke", "ainvoke")]
    if any(f is not None for f in followed):
        found = NOTHING
        for method in followed:
            if method is not None:
                args = Args(
                    [wrap_one(obj), value], kw={"config": machine.opaque((id(obj), "config"))}
                )
                found |= machine.apply(machine, wrap(method), args, node)
        return found
    if both(obj) and (is_runnable(obj) or not callable(obj)):
        return _call_each(machine, obj, value, node)
    name = getattr(obj, "name", None) or type(obj).__name__
    found = call_unseen(machine, Args([value]), str(name), node, user=False)
    for inner in _parts(obj):
        # What a runnable of a library holds, it may run on what it is given.
        if is_runnable(inner):
            found |= run(machine, inner, value | OPAQUE, node)
        else:
            for atom in wrap(inner):
                machine.call_escaped(atom, value | OPAQUE, node)
    return found


def _within(machine: Machine, value: Value) -> Value:
    """What is below the state objects among these."""
    return frozenset(Ref(a.path, False) for a in machine.reachable(value) if isinstance(a, Ref))


def _parts(obj: object) -> list[object]:
    """The runnables, and the user's functions, that a runnable holds."""
    found: list[object] = []
    for held in getattr(obj, "__dict__", {}).values():
        several: Iterable[object] = (held,)
        if isinstance(held, Mapping):
            several = held.values()
        elif isinstance(held, (list, tuple, set, frozenset)):
            several = held
        found.extend(each for each in several if is_runnable(each) or _is_own(each))
    return found


def wrap_one(obj: object) -> Value:
    """The value of an object that is not a constant."""
    return one(Obj(obj))


def _own_method(obj: object, name: str) -> object:
    """A method that the user's own class of runnables defines."""
    method = members.static(type(obj), name)
    if isinstance(method, types.FunctionType) and not is_library_code(method):
        return method
    return None


def _call_each(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    """Call the functions of a runnable that is made of functions."""
    extra = _attribute(obj, "kwargs")
    kwargs = dict(extra) if isinstance(extra, dict) else {}
    results = [call(machine, function, value, kwargs, node) for function in both(obj)]
    return frozenset().union(*results)


def _tools(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    """LangGraph's ``ToolNode`` gives its tools parts of the state, the store and the config."""
    escape(machine, value, lambda: "tools may be given any of the state")
    machine.rec.all_reads = True
    machine.rec.uses_store = True
    held = _attribute(obj, "tools_by_name")
    tools = list(held.values()) if isinstance(held, dict) else []
    for tool in tools:
        _tool(machine, tool, value, node)
    key = _attribute(obj, "_messages_key")
    found = machine.opaque(node)
    if isinstance(key, str) and not any(map(_may_command, tools)):
        found, cell = machine.alloc("dict", obj)
        machine.put(cell, key, machine.opaque(node))
    for name in ("_wrap_tool_call", "_awrap_tool_call"):
        wrapper = _attribute(obj, name)
        if _is_own(wrapper):
            for atom in wrap(wrapper):
                machine.call_escaped(atom, value | OPAQUE, node)
    return found


def _may_command(tool: object) -> bool:
    """Whether a tool may return commands, which lead and write anywhere.

    Not so if the user's function says what it returns, and never names them.
    """
    functions = [_attribute(tool, name) for name in ("func", "coroutine")]
    own = [function for function in functions if isinstance(function, types.FunctionType)]
    return not own or not all(
        _is_own(function)
        and "return" in function.__annotations__
        and "Command" not in str(function.__annotations__["return"])
        and "Command" not in function.__code__.co_names
        for function in own
    )


def _tool(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    """A tool gets parts of its input as arguments, in ways of its own."""
    found = call_unseen(machine, Args([value]), str(_attribute(obj, "name")), node, user=False)
    parts = NOTHING
    for atom in machine.reachable(value):
        parts |= one(atom)
        if isinstance(atom, Ref):
            parts |= one(Ref(atom.path, False))
    for name in ("func", "coroutine", "_run", "_arun"):
        function = _attribute(obj, name)
        if _is_own(function):
            for atom in wrap(function):
                machine.call_escaped(atom, parts | OPAQUE, node)
    return found


def _is_own(obj: object) -> bool:
    """Whether this is a function, or a method, of the user's."""
    plain = obj.__func__ if isinstance(obj, types.MethodType) else obj
    return isinstance(plain, types.FunctionType) and not is_library_code(plain)


def call(
    machine: Machine, func: object, value: Value, kwargs: dict[str, object], node: ast.AST
) -> Value:
    """Call a node function the way LangGraph does: the input, and what is injected."""
    if (declared := declared_of(func)) is not None:
        # Of whatever is in the list it is given, and of all that is in the one it returns.
        many = machine.container("list", declared, value, "batch")
        found = machine.apply(machine, wrap(declared.function), Args([many]), node)
        each = elements(machine, found, node)
        return frozenset(atom for atom in each if not _is_error(machine, atom))
    given = {k: wrap(v) for k, v in kwargs.items()}
    for name in _injectable(func):
        given.setdefault(name, machine.opaque((id(func), name)))
    return machine.apply(machine, wrap(func), Args([value], kw=given), node)


def _is_error(machine: Machine, atom: Atom) -> bool:
    """Whether a value is an exception that the code made."""
    if not isinstance(atom, Alloc):
        return False
    cls = machine.cell(atom).cls
    return cls is not None and issubclass(cls, BaseException)


def _injectable(func: object) -> tuple[str, ...]:
    """Which of the keyword arguments LangGraph injects a function can take."""
    if isinstance(func, functools.partial):
        return tuple(n for n in _injectable(func.func) if n not in func.keywords)
    if isinstance(func, types.MethodType):
        func = func.__func__
    if not isinstance(func, types.FunctionType):
        call_method = members.static(type(func), "__call__")
        if not isinstance(call_method, types.FunctionType):
            return ()
        func = call_method
    code = func.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if code.co_flags & 0x08:
        return INJECTED
    return tuple(n for n in INJECTED if n in names)


def _parallel(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    steps = _attribute(obj, "steps__")
    if not isinstance(steps, dict):
        return call_unseen(machine, Args([value]), "RunnableParallel", node, user=False)
    found, cell = machine.alloc("dict", obj)
    for key, step in steps.items():
        machine.put(cell, key, run(machine, step, value, node))
    return found


def _branch(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    """Conditions, and runnables of which one is given the input."""
    found = machine.opaque(node)
    branches = _attribute(obj, "branches")
    for condition, chosen in branches if isinstance(branches, (list, tuple)) else ():
        run(machine, condition, value, node)
        found |= run(machine, chosen, value, node)
    return found | run(machine, _attribute(obj, "default"), value, node)


def _assign(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    mapper = _attribute(obj, "mapper")
    added = run(machine, mapper, value, node)
    escape(machine, value, lambda: "a chain passes the whole state on")
    found, cell = machine.alloc("dict", obj)
    machine.loosen(cell)
    spread(machine, cell, value | added, node, "passed on by a chain")
    return found


def _prompt(machine: Machine, obj: object, value: Value, node: ast.AST) -> Value:
    """Most prompt templates use their variables and nothing else."""
    if not uses_variables_only(obj):
        name = str(_attribute(obj, "name") or type(obj).__name__)
        escape(machine, value, lambda: f"the prompt template `{name}` may use all of it")
        return call_unseen(machine, Args([value]), name, node, user=False)
    names: list[str] = []
    for attribute in ("input_variables", "optional_variables"):
        found = _attribute(obj, attribute)
        names.extend(found if isinstance(found, list) else ())
    for name in names:
        given = get_item(machine, value, const(name), node)
        escape(machine, given, lambda: "a prompt")
        work_on(machine, machine.reachable(given), deep=True)
    return machine.opaque(node)
