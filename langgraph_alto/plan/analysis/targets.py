"""The entry points: facts about a node function, a router, a reducer."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import typing
from dataclasses import dataclass, replace

from langgraph_alto.batching.declare import declared_of
from langgraph_alto.plan.analysis import hints, members, runnables
from langgraph_alto.plan.analysis.calls import apply
from langgraph_alto.plan.analysis.items import elements
from langgraph_alto.plan.analysis.machine import GiveUp, Machine, wrap
from langgraph_alto.plan.analysis.reach import cell_node, escape
from langgraph_alto.plan.analysis.recorder import coarsest
from langgraph_alto.plan.analysis.returns import END, Outcome
from langgraph_alto.plan.analysis.scopes import bindings
from langgraph_alto.plan.analysis.sharing import keys_inside, shared_keys
from langgraph_alto.plan.analysis.source import call_home, source_of
from langgraph_alto.plan.analysis.together import ways_of
from langgraph_alto.plan.analysis.values import UNKNOWN, Args, Opaque, Ref, Value, one
from langgraph_alto.plan.effects import Doubt, Facts
from langgraph_alto.streams.nodes import generator_of

_MAX_PASSES = 24


@dataclass(frozen=True, slots=True)
class RouterFacts:
    """What analysis found out about a conditional edge's function.

    Args:
        facts: Its reads and changes in place; ``writes`` is always empty.
        sends: Nodes that its ``Send`` objects may go to; ``None``: any.
        names: All strings it may return, ``"__end__"`` and keys of a path map
            included; ``None``: any, or results that are not strings. So it is
            with ``facts.together``.
    """

    facts: Facts
    sends: frozenset[str] | None
    names: frozenset[str] | None


def analyse_node(target: object, schema: object | None = None) -> Facts:
    """Find out what a node function reads, writes, changes, and where it leads.

    Args:
        target: What was given to ``StateGraph.add_node``, or the runnable that
            LangGraph made of it.
        schema: The node's input schema. Default: the annotation of its first
            parameter.

    Returns:
        The facts; whatever is not certain is ``None``, with a doubt that says
        why. Never raises.
    """
    machine = Machine(apply)
    try:
        return _analyse_node(machine, target, schema)
    except GiveUp as reason:
        return _nothing_known(machine, str(reason), target)
    except Exception as problem:  # noqa: BLE001 - a plan must not fail because of analysis
        return _nothing_known(machine, f"analysis failed: {problem!r}", target)


def analyse_router(target: object, schema: object | None = None) -> RouterFacts:
    """Find out what a conditional edge's function reads and where it may lead.

    Args:
        target: The function or runnable given to ``add_conditional_edges``.
        schema: Its input schema, if any.

    Returns:
        The facts; never raises.
    """
    machine = Machine(apply)
    try:
        return _analyse_router(machine, target, schema)
    except GiveUp as reason:
        return RouterFacts(_nothing_known(machine, str(reason), target), None, None)
    except Exception as problem:  # noqa: BLE001 - a plan must not fail because of analysis
        known = _nothing_known(machine, f"analysis failed: {problem!r}", target)
        return RouterFacts(known, None, None)


def _analyse_node(machine: Machine, target: object, schema: object | None) -> Facts:
    streamed = _streamed(target)
    result = _run(machine, target if streamed is None else streamed, schema)
    outcome = Outcome(machine)
    generator = streamed is None and _is_generator(target)
    if streamed is not None:
        result = elements(machine, result, cell_node())
        outcome.parts(result)
    elif generator:
        outcome.unknown_writes("the node is a generator, whose chunks are added up")
        outcome.unknown_goto("the node is a generator, whose chunks are added up")
    elif result:
        outcome.node(result)
    escape(machine, result, lambda: "the state itself is returned")
    goto = outcome.goto
    if goto is None and not generator:
        goto = _annotated_goto(target)
    rooted = schema is not None and _is_root(schema)
    writes = None if outcome.any_writes else frozenset(outcome.writes)
    facts = _facts(machine, outcome, writes, goto)
    if not generator and streamed is None:
        facts = replace(facts, together=ways_of(machine, result, node=True))
    return _rooted(facts, machine) if rooted else facts


def _analyse_router(machine: Machine, target: object, schema: object | None) -> RouterFacts:
    result = _run(machine, target, schema)
    outcome = Outcome(machine)
    if _is_generator(target):
        outcome.unknown_goto("the router is a generator")
    outcome.destinations(result)
    escape(machine, result, lambda: "the state itself is returned")
    facts = replace(
        _facts(machine, outcome, frozenset(), outcome.goto),
        together=ways_of(machine, result, node=False),
    )
    if schema is not None and _is_root(schema):
        facts = replace(_rooted(facts, machine), writes=frozenset())
    return RouterFacts(
        facts,
        None if outcome.any_sends else frozenset(outcome.sends - {END}),
        None if outcome.any_names else frozenset(outcome.names),
    )


def _facts(
    machine: Machine,
    outcome: Outcome,
    writes: frozenset[str] | None,
    goto: frozenset[str] | None,
) -> Facts:
    rec = machine.rec
    sent = None if outcome.any_sends else keys_inside(machine, outcome.payloads)
    return Facts(
        reads=rec.final_reads(),
        writes=writes,
        mutates=rec.final_mutates(),
        goto=goto,
        names=None if outcome.any_names else frozenset(outcome.names - {END}),
        sends=None if outcome.any_sends else frozenset(outcome.sends - {END}),
        interrupts=rec.interrupts,
        calls_tasks=rec.calls_tasks,
        uses_store=rec.uses_store,
        asks_identity=rec.asks_identity,
        graphs=tuple(rec.graphs.values()),
        doubts=rec.doubts,
        stores=None if rec.all_stores else frozenset(rec.stores),
        shares=None if writes is None else shared_keys(machine, outcome.updates),
        sends_share=sent,
        least_reads=frozenset(path[0] for path in rec.reads | rec.touched if path),
        least_writes=frozenset(outcome.writes),
        least_mutates=frozenset(rec.changed),
        untold=coarsest(rec.untold),
    )


def _rooted(facts: Facts, machine: Machine) -> Facts:
    """Facts for a state that is one unnamed value."""
    rec = machine.rec
    changed = rec.all_mutated or rec.mutated or rec.stores or rec.all_stores
    return replace(
        facts,
        reads=frozenset({("__root__",)}),
        writes=frozenset({"__root__"}),
        mutates=frozenset({("__root__",)}) if changed else frozenset(),
    )


def _is_root(schema: object) -> bool:
    return not hasattr(schema, "__annotations__")


def _run(machine: Machine, target: object, schema: object | None) -> Value:
    hints.forget()
    for thing in (*functions(target), schema):
        plain = _plain_function(thing)
        module = plain.__globals__.get("__name__") if plain else getattr(thing, "__module__", None)
        if isinstance(module, str):
            call_home(module)
    hint = hints.normal(schema if schema is not None else _first_annotation(target))
    state = one(Ref((), True, hint))
    _note_parameters(machine, target)
    result: Value = frozenset()
    for _ in range(_MAX_PASSES):
        machine.begin_pass()
        result = _invoke(machine, target, state)
        if not machine.changed:
            if machine.final or not machine.nameless:
                return result
            machine.final = True
    raise GiveUp("the function's values do not settle")


def _invoke(machine: Machine, target: object, state: Value) -> Value:
    node = cell_node()
    if runnables.is_runnable(target) or _is_like_runnable(target):
        return runnables.run(machine, target, state, node)
    if not callable(target):
        raise GiveUp("it cannot be called")
    return runnables.call(machine, target, state, {}, node)


def _is_like_runnable(target: object) -> bool:
    """Whether an object wraps ``func`` and ``afunc`` the way LangGraph's runnables do."""
    return (
        not isinstance(target, (type, functools.partial, types.FunctionType, types.MethodType))
        and not callable(target)
        and (hasattr(target, "func") or hasattr(target, "afunc"))
    )


def functions(target: object) -> list[object]:
    """The functions that take the state, looked for through runnables."""
    for _ in range(8):
        steps = getattr(target, "steps", None)
        if isinstance(steps, (list, tuple)) and steps:
            target = steps[0]
        else:
            break
    if runnables.is_runnable(target) or _is_like_runnable(target):
        return runnables.both(target)
    return [target]


def _plain_function(target: object) -> types.FunctionType | None:
    while isinstance(target, functools.partial):
        target = target.func
    if isinstance(target, types.MethodType):
        target = target.__func__
    if isinstance(target, types.FunctionType):
        return target
    call = members.static(type(target), "__call__")
    return call if isinstance(call, types.FunctionType) else None


def _streamed(target: object) -> object | None:
    """The generator function in a ``@streaming`` node, or ``None``."""
    found = [generator_of(function) for function in functions(target)]
    return found[0] if len(found) == 1 else None


def _is_generator(target: object) -> bool:
    return any(
        f is not None and (inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f))
        for f in map(_plain_function, functions(target))
    )


def _first_annotation(target: object) -> object:
    for function in functions(target):
        bound = 0
        while isinstance(function, functools.partial):
            bound += len(function.args)
            function = function.func
        plain = _plain_function(function)
        if plain is None:
            continue
        unwrapped = inspect.unwrap(plain)
        if isinstance(unwrapped, types.FunctionType) and unwrapped is not plain:
            function = plain = unwrapped
        bound += plain is not function
        names = plain.__code__.co_varnames[: plain.__code__.co_argcount]
        if len(names) > bound:
            return hints.resolved(plain).get(names[bound], UNKNOWN)
    return UNKNOWN


def _note_parameters(machine: Machine, target: object) -> None:
    for function in functions(target):
        plain = _plain_function(function)
        if plain is not None:
            code = plain.__code__
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            machine.rec.uses_store |= "store" in names


def _annotated_goto(target: object) -> frozenset[str] | None:
    """Destinations from ``-> Command[Literal[...]]``, which LangGraph trusts too."""
    found: set[str] = set()
    for function in functions(target):
        plain = _plain_function(function)
        hint = None if plain is None else hints.resolved(plain).get("return")
        names = _command_names(hint)
        if not names:
            return None
        found |= names
    return frozenset(found - {END}) if found else None


def _command_names(hint: object) -> set[str]:
    origin = typing.get_origin(hint)
    if getattr(origin, "__name__", "") != "Command":
        return set()
    found: set[str] = set()
    for arg in typing.get_args(hint):
        if typing.get_origin(arg) is typing.Literal:
            found.update(a for a in typing.get_args(arg) if isinstance(a, str))
    return found


def _nothing_known(machine: Machine, why: str, target: object) -> Facts:
    file = line = None
    with contextlib.suppress(Exception):
        taken = functions(target)[0]
        declared = declared_of(taken)
        plain = _plain_function(taken if declared is None else declared.function)
        if plain is not None:
            file, line = plain.__code__.co_filename, plain.__code__.co_firstlineno
    doubts = tuple(Doubt(fact, why, file, line) for fact in ("reads", "writes", "mutates", "goto"))
    return Facts(
        None,
        None,
        None,
        None,
        interrupts=machine.rec.interrupts,
        calls_tasks=machine.rec.calls_tasks,
        uses_store=machine.rec.uses_store,
        asks_identity=True,
        graphs=tuple(machine.rec.graphs.values()),
        doubts=doubts,
    )


def analyse_reducer(fn: object) -> bool:
    """Whether a binary reducer is known to leave both its arguments as they were.

    Args:
        fn: The reducer.

    Returns:
        ``False`` also if it is not known.
    """
    with contextlib.suppress(Exception):
        return _analyse_reducer(fn)
    return False


def _analyse_reducer(fn: object) -> bool:
    if not callable(fn):
        return False
    plain = fn.func if isinstance(fn, functools.partial) else fn
    name = (getattr(plain, "__module__", None) or "").lstrip("_"), getattr(plain, "__name__", "")
    if name in _KNOWN_REDUCERS:
        return True
    function = _plain_function(fn)
    source = None if function is None else source_of(function)
    if function is not None and (source is None or bindings(source.node).generator):
        return False
    machine = Machine(apply, strict=True)
    left, right = one(Ref(("left",))), one(Ref(("right",)))
    for _ in range(_MAX_PASSES):
        machine.begin_pass()
        value = Args([left, right])
        result = apply(machine, wrap(fn), value, cell_node())
        if not machine.changed:
            break
    else:
        return False
    if function is None and any(isinstance(a, Opaque) for a in result):
        return False
    return not (machine.rec.mutated or machine.rec.all_mutated)


_KNOWN_REDUCERS = frozenset(
    (
        *(("operator", n) for n in ("add", "concat", "or_", "and_", "xor", "sub", "mul")),
        *(("builtins", n) for n in ("max", "min")),
        ("langgraph.graph.message", "add_messages"),
        ("langgraph.graph.message", "_add_messages"),
    )
)
