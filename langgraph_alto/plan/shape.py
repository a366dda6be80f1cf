"""Read a compiled LangGraph graph: the stages and triggers of its plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from langgraph.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import NamedBarrierValueAfterFinish
from langgraph.constants import END, START
from langgraph.prebuilt import ToolNode

from langgraph_alto._langgraph import (
    BranchSpec,
    ChannelWrite,
    ChannelWriteEntry,
    ChannelWriteTupleEntry,
    Pregel,
    PregelNode,
    RunnableCallable,
)
from langgraph_alto.engine.partial_objects import may_be_partial
from langgraph_alto.gathering.effects import inside, sends_of, with_account
from langgraph_alto.gathering.log import Log
from langgraph_alto.plan.analysis import analyse_node, analyse_reducer, analyse_router
from langgraph_alto.plan.called import with_called
from langgraph_alto.plan.effects import BELOW, Doubt, Effects, Facts, Path
from langgraph_alto.plan.masks import Masks, Trigger, compile_masks
from langgraph_alto.plan.stages import NOTHING, Route, Stage, check_names, declared, roots
from langgraph_alto.streams.declare import Stream, is_messages
from langgraph_alto.streams.nodes import buffer_of

_BRANCH_TO = "branch:to:"

ORDERED = "it is declared ordered"


class _Leads(NamedTuple):
    """The part of a stage that a node's writers tell."""

    edges: frozenset[str]
    writes: frozenset[str] | None
    routes: tuple[Route, ...]
    leads_to: frozenset[str] | None
    sends_to: frozenset[str] | None
    packets: frozenset[str] = frozenset()


def masks_of(
    graph: Pregel[Any, Any, Any, Any],
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] = (),
    streams: Mapping[str, Stream] | None = None,
) -> Masks:
    """Build the plan of a compiled graph.

    Args:
        graph: The compiled graph.
        effects: Declarations by node name.
        ordered: Nodes that must run in their own superstep.
        streams: What is declared of what models write, by node name.

    Raises:
        ValueError: A declaration names a node the graph does not have.
    """
    effects = effects or {}
    check_names(effects, ordered, set(graph.nodes) - {START})
    triggers: dict[str, list[tuple[str, Trigger]]] = {}
    joins: list[tuple[str, str, frozenset[str]]] = []
    for name, node in graph.nodes.items():
        for channel_name in node.triggers:
            channel = graph.channels.get(channel_name)
            triggers.setdefault(channel_name, []).append((name, _trigger(channel)))
            if isinstance(channel, NamedBarrierValue):
                joins.append((channel_name, name, frozenset(channel.names)))
    handlers = graph.node_error_handler_map
    stages = {
        name: _stage(graph, name, node, effects.get(name), name in ordered)
        for name, node in graph.nodes.items()
    }
    for name, stream in (streams or {}).items():
        stages[name] = replace(stages[name], stream=stream)
    for name, handler in handlers.items():
        # A failing node's handler runs in the node's own superstep.
        if handler in stages:
            stages[name] = _with_handler(stages[name], stages[handler])
    masks = compile_masks(
        tuple(stages.values()),
        {channel: tuple(nodes) for channel, nodes in triggers.items()},
        joins,
        safe_reducers=frozenset(key for key, channel in graph.channels.items() if _safe(channel)),
        kept=frozenset(
            key for key, channel in graph.channels.items() if isinstance(channel, LastValue)
        ),
        messages=frozenset(key for key, channel in graph.channels.items() if is_messages(channel)),
    )
    if any(stream.key in masks.messages for stream in (streams or {}).values()):
        return masks.with_tools(
            name
            for name, node in graph.nodes.items()
            if isinstance(inside(node.bound), ToolNode)
            and stages[name].mutates is None
            and _barrier(graph, name, node, NOTHING, stages[name].barrier == ORDERED) is None
            and not (stages[name].interrupts or stages[name].calls_tasks)
        )
    return masks


def _trigger(channel: object) -> Trigger:
    if isinstance(channel, NamedBarrierValue):
        return Trigger.JOIN
    if isinstance(channel, LastValueAfterFinish | NamedBarrierValueAfterFinish):
        return Trigger.DEFERRED
    return Trigger.EDGE


def _safe(channel: object) -> bool:
    if isinstance(channel, BinaryOperatorAggregate):
        return analyse_reducer(channel.operator)
    return isinstance(
        channel,
        LastValue | EphemeralValue | Topic | AnyValue | UntrackedValue | NamedBarrierValue | Log,
    )


def _stage(
    graph: Pregel[Any, Any, Any, Any],
    name: str,
    node: PregelNode,
    effects: Effects | None,
    ordered: bool,
) -> Stage:
    keys = [node.channels] if isinstance(node.channels, str) else list(node.channels)
    inputs = frozenset(key for key in keys if key in graph.channels)
    mapper = node.mapper
    schema = mapper.args[0] if isinstance(mapper, partial) and mapper.args else None
    bound = inside(node.bound)
    subgraph = isinstance(bound, Pregel)
    facts = (
        _subgraph_facts(bound, inputs)
        if isinstance(bound, Pregel)
        else analyse_node(bound, schema or _annotated(graph, name))
    )
    called = [g for g in (*node.subgraphs, *facts.graphs) if g is not bound]
    facts = with_called(facts, called, masks_of)
    facts = with_account(node.bound, declared(facts, effects))
    leads = _writers(graph, name, node, facts, effects)
    reads = (
        roots(inputs)
        if facts.reads is None
        else frozenset(path for path in facts.reads if path and path[0] in inputs)
    )
    whole = "__root__" in inputs or not _partial(schema)
    if whole:
        reads = roots(inputs)
    return Stage(
        name=name,
        inputs=inputs,
        reads=reads,
        writes=leads.writes,
        mutates=_changed(facts, leads.routes, effects),
        edges=leads.edges,
        leads_to=leads.leads_to,
        sends_to=leads.sends_to,
        packets=leads.packets,
        together=facts.together,
        routes=leads.routes,
        interrupts=facts.interrupts,
        calls_tasks=facts.calls_tasks,
        uses_store=facts.uses_store,
        asks_identity=facts.asks_identity,
        shares=frozenset() if name == START else facts.shares,
        barrier=_barrier(graph, name, node, facts, ordered or bool(effects and effects.ordered)),
        whole_input=whole,
        exact_id=bool(called) or subgraph,
        buffer=_buffer(bound),
        doubts=facts.doubts,
        least_reads=facts.least_reads,
        least_writes=facts.least_writes,
        least_mutates=facts.least_mutates,
        untold=facts.untold.union(*(route.untold for route in leads.routes)),
    )


def _changed(
    facts: Facts, routes: tuple[Route, ...], effects: Effects | None
) -> frozenset[Path] | None:
    """What a node and its routers, which run in its task, change in place."""
    if effects is not None and effects.mutates is not None:
        return facts.mutates
    found = set(facts.mutates or ())
    for changed in (facts.mutates, *(route.mutates for route in routes)):
        if changed is None:
            return None
        found |= changed
    return frozenset(found)


def _buffer(bound: Any) -> int | None:
    """How many tasks a ``@streaming`` node may have started and not seen end."""
    if not isinstance(bound, RunnableCallable):
        return None
    return buffer_of(bound.func or bound.afunc)


def _annotated(graph: Pregel[Any, Any, Any, Any], name: str) -> object | None:
    """The schema a node's input was declared with; LangGraph builds dicts from it, too.

    A ``TypedDict`` has no mapper, but its annotations still say what the
    objects in the state are.
    """
    builder = getattr(graph, "builder", None)
    nodes = getattr(builder, "nodes", {})
    if name in nodes:
        return getattr(nodes[name], "input_schema", None)
    return getattr(builder, "state_schema", None) if name == START else None


def _barrier(
    graph: Pregel[Any, Any, Any, Any], name: str, node: PregelNode, facts: Facts, ordered: bool
) -> str | None:
    """Why a node keeps its own superstep, or ``None``."""
    if name == START:
        return "it is the graph's entry"
    if ordered:
        return ORDERED
    if facts.interrupts:
        return "it may call interrupt()"
    if facts.calls_tasks:
        return "it calls a @task, which LangGraph numbers within the superstep"
    if node.is_error_handler:
        return "it handles errors"
    if node.cache_policy is not None or graph.cache_policy is not None:
        return "it has a cache policy, and the cache is asked in its own superstep"
    if facts.mutates is None:
        return _because(facts, "mutates", "it may change its input in place")
    return None


def _because(facts: Facts, fact: str, why: str) -> str:
    for doubt in facts.doubts:
        if doubt.fact == fact:
            line = f", line {doubt.line}" if doubt.line is not None else ""
            return f"{why}: {doubt.why}{line}"
    return why


def _partial(schema: object) -> bool:
    """Whether a node's input can be given with keys missing that it does not read."""
    return schema is None or (isinstance(schema, type) and may_be_partial(schema))


def _writers(
    graph: Pregel[Any, Any, Any, Any],
    name: str,
    node: PregelNode,
    facts: Facts,
    effects: Effects | None,
) -> _Leads:
    """What a node's writers write, and where they lead."""
    edges: set[str] = set()
    channels: set[str] = set()
    ends: set[str] | None = None
    routes: list[Route] = []
    for writer in node.writers:
        if not isinstance(writer, ChannelWrite):
            route = _route(graph, name, writer)
            if route is None:
                return _Leads(frozenset(), None, (), None, None)
            routes.append(route)
            continue
        for entry in writer.writes:
            if isinstance(entry, ChannelWriteEntry):
                channels.add(entry.channel)
                if entry.channel.startswith(_BRANCH_TO):
                    edges.add(_node_of(entry.channel))
            elif isinstance(entry, ChannelWriteTupleEntry):
                if entry.static:
                    ends = {_node_of(channel) for channel, *_ in entry.static} - {END}
            else:
                return _Leads(frozenset(edges), None, (), None, None)
    if effects is not None and effects.routes is not None:
        read = frozenset(effects.routes)
        routes = [
            replace(route, reads=route.inputs & read, doubts=()) if route.partial else route
            for route in routes
        ]
    if effects is not None and effects.goto is not None:
        routes = [_declared_route(route, frozenset(effects.goto)) for route in routes]
    goto: Collection[str] | None = ends if facts.goto is None else facts.goto
    if goto is not None and ends and (effects is None or effects.goto is None):
        goto = {*goto, *ends}
    sends = goto if facts.sends is None else facts.sends
    targets = {target for channel in channels for target in _targets(graph, channel)}
    return _Leads(
        edges=frozenset(edges),
        writes=_union(facts.writes, channels - {_BRANCH_TO + edge for edge in edges}),
        routes=tuple(routes),
        leads_to=_union(targets, goto, *(route.destinations for route in routes)),
        sends_to=_union(sends, *(route.sends_to for route in routes)),
        packets=frozenset(sends or ()) - facts.names if facts.names is not None else frozenset(),
    )


def _union(*names: Collection[str] | None) -> frozenset[str] | None:
    """All the names; ``None``, which stands for any, if one of them is."""
    found: set[str] = set()
    for some in names:
        if some is None:
            return None
        found.update(some)
    return frozenset(found)


def _declared_route(route: Route, goto: frozenset[str]) -> Route:
    """A route whose destinations are declared where they are not known."""
    return replace(
        route,
        destinations=goto if route.destinations is None else route.destinations,
        sends_to=goto if route.sends_to is None else route.sends_to,
    )


def _node_of(channel: str) -> str:
    return channel.removeprefix(_BRANCH_TO)


def _targets(graph: Pregel[Any, Any, Any, Any], channel: str) -> set[str]:
    # A waiting edge leads to its target only together with its other sources:
    # the plan's joins say so, and the predictor adds the target when they have.
    if isinstance(graph.channels.get(channel), NamedBarrierValue):
        return set()
    return set(graph.trigger_to_nodes.get(channel, ()))


def _route(graph: Pregel[Any, Any, Any, Any], name: str, writer: object) -> Route | None:
    """Read one conditional edge; ``None`` when it is none that we know."""
    if not isinstance(writer, RunnableCallable):
        return None
    branch = getattr(writer.func, "__self__", None)
    if not isinstance(branch, BranchSpec):
        return None
    reader = writer.kwargs.get("reader")
    mapper = reader.keywords.get("mapper") if reader is not None else None
    schema = mapper.args[0] if mapper else branch.input_schema or _annotated(graph, name)
    found = analyse_router(inside(branch.path), schema)
    names = found.names if branch.ends is None else frozenset(branch.ends.values())
    sends = found.sends
    ends, guessed = names is None or END in names, sends is None
    if sends is None and branch.ends is not None:
        # LangGraph draws the graph from path_map; so do we, and a packet sent
        # elsewhere is a misprediction, not a wrong result.
        sends = names
    sends = sends_of(branch.path, sends)
    destinations = None if names is None or sends is None else (names | sends) - {END}
    mapped = branch.ends or {}
    together = frozenset(
        frozenset(mapped.get(to, to) for to in way) for way in found.facts.together
    )
    if reader is None:
        return Route(
            frozenset(),
            frozenset(),
            destinations,
            sends,
            True,
            ends,
            guessed,
            together,
            mutates=found.facts.mutates,
            untold=found.facts.untold,
        )
    select = reader.keywords.get("select", ())
    inputs = frozenset([select] if isinstance(select, str) else select) & set(graph.channels)
    reads = found.facts.reads
    partly = not isinstance(select, str) and _partial(mapper.args[0] if mapper else None)
    return Route(
        inputs=inputs,
        reads=inputs
        if reads is None or not partly
        else frozenset(path[0] for path in reads if path) & inputs,
        destinations=destinations,
        sends_to=sends,
        partial=partly,
        ends=ends,
        guessed=guessed,
        together=together,
        doubts=tuple(doubt for doubt in found.facts.doubts if doubt.fact == "reads" and partly),
        least=found.facts.least_reads & inputs,
        mutates=found.facts.mutates,
        untold=found.facts.untold,
    )


def _subgraph_facts(graph: Pregel[Any, Any, Any, Any], inputs: frozenset[str]) -> Facts:
    """The facts of a graph used as a node: what its own nodes may do."""
    builder = getattr(graph, "builder", None)
    channels = (
        graph.input_channels if builder is None else list(builder.schemas[builder.input_schema])
    )
    takes = inputs if isinstance(channels, str) else frozenset(channels) & inputs
    outputs = graph.output_channels
    inner = masks_of(graph)
    own = set(graph.nodes)
    untold = any(stage.untold for stage in inner.stages if stage.name != START)
    mutates = all(stage.mutates == frozenset() for stage in inner.stages if stage.name != START)
    leads = _union(*(stage.leads_to for stage in inner.stages if stage.name != START))
    doubts = [
        Doubt(fact="mutates", why=f"in the subgraph, node {stage.name!r}: {stage.barrier}")
        for stage in inner.stages
        if stage.name != START and stage.mutates != frozenset()
    ]
    return Facts(
        reads=roots(takes),
        writes=None if isinstance(outputs, str) else frozenset(outputs),
        mutates=frozenset() if mutates else None,
        untold=frozenset((key, BELOW) for key in takes) if untold else frozenset(),
        goto=None if leads is None else leads - own,
        interrupts=any(stage.interrupts for stage in inner.stages)
        or bool(graph.interrupt_before_nodes or graph.interrupt_after_nodes),
        calls_tasks=any(stage.calls_tasks for stage in inner.stages),
        uses_store=any(stage.uses_store for stage in inner.stages),
        asks_identity=any(stage.asks_identity for stage in inner.stages),
        doubts=tuple(doubts),
    )


def _with_handler(stage: Stage, handler: Stage) -> Stage:
    both = stage.writes, handler.writes
    leads = stage.leads_to, handler.leads_to
    changes = stage.mutates, handler.mutates
    return replace(
        stage,
        writes=None if None in both else (stage.writes or frozenset()) | (handler.writes or set()),
        leads_to=None
        if None in leads
        else (stage.leads_to or frozenset()) | (handler.leads_to or set()),
        mutates=None
        if None in changes
        else (stage.mutates or frozenset()) | (handler.mutates or set()),
        untold=stage.untold | handler.untold,
    )
