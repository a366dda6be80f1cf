"""The passes that make a plan, each a function from plan to plan.

``read`` takes the graph as LangGraph has it; ``effects`` adds what each node
touches, and how that is known; ``scopes`` finds where packets are sent and
where their results meet; ``barriers`` says what waits for what; ``streams``
marks where the plan streams and batches. Every later pass only adds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from langgraph.channels import NamedBarrierValue
from langgraph.channels.named_barrier_value import NamedBarrierValueAfterFinish
from langgraph.constants import START
from langgraph.pregel import Pregel

from langgraph_alto.plan.batches import batches_of
from langgraph_alto.plan.effects import Effects, Path
from langgraph_alto.plan.gathers import accounts_of, gathers_of
from langgraph_alto.plan.lifts import waits
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.order import known_destinations, order
from langgraph_alto.plan.plan import (
    Edge,
    Fact,
    FanOut,
    Given,
    Granularity,
    Plan,
    PlannedStage,
    Reduce,
    Source,
)
from langgraph_alto.plan.shape import masks_of
from langgraph_alto.plan.stages import Stage, roots
from langgraph_alto.plan.streaming import streams_of
from langgraph_alto.plan.words import dotted

Pass = Callable[[Plan], Plan]


def make_plan(
    graph: Pregel[Any, Any, Any, Any],
    masks: Masks,
    *,
    policy: str = "proven",
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] = (),
    off: str | None = None,
) -> Plan:
    """Run all passes over a graph.

    Args:
        graph: The compiled graph.
        masks: Its plan, compiled, with the same declarations.
        policy: The policy it is wrapped with.
        effects: Declarations by node name.
        ordered: Nodes that must run in their own superstep.
        off: Why nothing of it runs ahead at all, if so.
    """
    effects = dict(effects or {})
    given = Given(
        masks=masks,
        effects=effects,
        ordered=frozenset(ordered),
        keys=_keys(graph),
        joins=tuple(
            (name, node, frozenset(channel.names))
            for node, of in graph.nodes.items()
            for name in of.triggers
            if isinstance(
                channel := graph.channels.get(name),
                NamedBarrierValue | NamedBarrierValueAfterFinish,
            )
        ),
        watched=graph.checkpointer not in (None, False),
        stops_before=_stops(masks, graph.interrupt_before_nodes),
        stops_after=_stops(masks, graph.interrupt_after_nodes),
        remade=partial(
            masks_of,
            graph,
            ordered=ordered,
            streams={stage.name: stage.stream for stage in masks.stages if stage.stream},
        ),
        gathers=gathers_of(graph, masks),
        hidden=accounts_of(graph),
        batches=batches_of(graph),
    )
    plan = Plan(policy, off, given=given)
    for step in PASSES:
        plan = replace(step(plan), passes=(*plan.passes, step.__name__), before=plan)
    return plan


def no_plan(policy: str, off: str) -> Plan:
    """The plan of a graph whose nodes are not known, and so stay as LangGraph runs them."""
    plan = Plan(policy, off)
    for step in PASSES:
        plan = replace(plan, passes=(*plan.passes, step.__name__), before=plan)
    return plan


def _keys(graph: Pregel[Any, Any, Any, Any]) -> tuple[str, ...]:
    builder = getattr(graph, "builder", None)
    return tuple(sorted(() if builder is None else builder.channels))


def _stops(masks: Masks, names: Any) -> int:
    return masks.mask(masks.index if names == "*" else names) & ~masks.mask([START])


def _given(plan: Plan) -> Given:
    assert plan.given is not None
    return plan.given


# -- read ---------------------------------------------------------------------


def read(plan: Plan) -> Plan:
    """Nodes, edges and keys as LangGraph has them, and the supersteps they take."""
    given = _given(plan)
    masks = given.masks
    when = order(masks, [(masks.mask(of), masks.index[target]) for _, target, of in given.joins])
    edges = {edge for stage in masks.stages for edge in _edges(stage, given)}
    for _, target, of in given.joins:
        together = tuple(sorted(of))
        edges |= {Edge(source, target, "join", together) for source in together}
    stages = [
        PlannedStage(
            name=stage.name,
            step=when.earliest[place],
            again=when.earliest[place] is not None and when.latest[place] is None,
            granularity=_granularity(stage.name, edges),
            ordered=stage.name in given.ordered or _declared(given, stage.name).ordered,
            deferred=bool(masks.deferred >> place & 1),
        )
        for place, stage in enumerate(masks.stages)
        if stage.name != START
    ]
    stages.sort(key=lambda stage: (stage.step is None, stage.step or 0, stage.name))
    return replace(
        plan,
        stages=tuple(stages),
        edges=tuple(sorted(edges, key=lambda e: (e.source, e.target, e.kind, e.together))),
        keys=tuple(key for key in given.keys if key not in given.hidden),
        gathers=tuple(replace(of, early=of.early and not plan.off) for of in given.gathers),
    )


def _granularity(name: str, edges: Collection[Edge]) -> tuple[Granularity, ...]:
    kinds = {edge.kind for edge in edges if edge.target == name}
    if "gather" in kinds:
        return ("parent",)
    packet: tuple[Granularity, ...] = ("packet",) if "send" in kinds else ()
    return packet if kinds == {"send"} else ("state", *packet)


def _edges(stage: Stage, given: Given) -> set[Edge]:
    gathers = {gather.node for gather in given.gathers}
    found = {
        Edge(stage.name, name, "gather" if name in gathers else "edge") for name in stage.edges
    }
    reached = set(stage.edges)
    reached |= _joined(stage, given)
    for route in stage.routes:
        sends = frozenset[str]() if route.guessed else route.sends_to or frozenset()
        found |= {Edge(stage.name, name, "send") for name in sends}
        found |= {
            Edge(stage.name, name, "route") for name in (route.destinations or frozenset()) - sends
        }
        reached |= (route.destinations or set()) | sends
    commands = known_destinations(stage) - reached
    found |= {Edge(stage.name, name, "send") for name in commands & stage.packets}
    found |= {Edge(stage.name, name, "command") for name in commands - stage.packets}
    return found


def _declared(given: Given, name: str) -> Effects:
    return given.effects.get(name) or Effects()


# -- effects ------------------------------------------------------------------


def effects(plan: Plan) -> Plan:
    """What each node touches and where it leads, and how that is known."""
    given = _given(plan)
    return replace(plan, stages=tuple(_with_effects(stage, given) for stage in plan.stages))


def _with_effects(planned: PlannedStage, given: Given) -> PlannedStage:
    stage = given.masks.stages[given.masks.index[planned.name]]
    told = _declared(given, planned.name)

    def fact(name: str, value: Collection[str] | None, source: Source) -> Fact:
        doubts = tuple(doubt for doubt in stage.doubts if doubt.fact == name)
        if getattr(told, name) is not None:
            source, doubts = "observation" if told.observed else "declaration", ()
        names = None if value is None else tuple(sorted(set(value) - given.hidden))
        return Fact(names, source, doubts)

    all_inputs = stage.reads == roots(stage.inputs)
    reads = fact("reads", dotted(stage.reads), "analysis")
    if stage.whole_input or (all_inputs and reads.doubts):
        reads = replace(reads, source="schema")
    writes = stage.writes
    by_graph = any(doubt.fact == "goto" for doubt in stage.doubts) or not _commands(stage, given)
    return replace(
        planned,
        reads=reads,
        writes=fact(
            "writes",
            None if writes is None else writes & set(given.keys),
            # The keys a graph used as a node gives back are its output schema's.
            "schema"
            if stage.exact_id and writes is not None and not stage.least_writes
            else "analysis",
        ),
        mutates=fact("mutates", _dotted(stage.mutates), "analysis"),
        leads_to=fact(
            "goto",
            None if stage.leads_to is None else stage.leads_to | _joined(stage, given),
            "schema" if by_graph and stage.leads_to is not None else "analysis",
        ),
        ahead=stage.barrier is None,
    )


def _commands(stage: Stage, given: Given) -> bool:
    """Whether a stage leads somewhere that no edge and no router names."""
    named = stage.edges.union(*(route.destinations or () for route in stage.routes))
    return bool(known_destinations(stage) - named - _joined(stage, given))


def _joined(stage: Stage, given: Given) -> frozenset[str]:
    """The targets of a stage's waiting edges."""
    return frozenset(target for _, target, of in given.joins if stage.name in of)


def _dotted(paths: frozenset[Path] | None) -> Collection[str] | None:
    return None if paths is None else dotted(paths)


# -- scopes -------------------------------------------------------------------


def scopes(plan: Plan) -> Plan:
    """Where packets are sent, and where the results of a scope meet again.

    A scope is named after the node that sends, as its frames of ancestry are. It
    ends at whatever an edge starts from inside of it: LangGraph makes one task
    of all triggers of one superstep, so there all siblings meet.
    """
    given = _given(plan)
    opened: dict[str, set[str]] = {}
    for edge in plan.edges:
        if edge.kind == "send":
            opened.setdefault(edge.source, set()).add(edge.target)
    within = {scope: _around(scope, opened) for scope in opened}
    fanouts = [
        FanOut(
            scope,
            tuple(sorted(targets)),
            tuple(name for name in within[scope] if name != scope),
            recursive=scope in within[scope],
        )
        for scope, targets in sorted(opened.items())
    ]
    inside = {
        target: (*(name for name in within[scope] if name != scope), scope)
        for scope, targets in sorted(opened.items())
        for target in sorted(targets)
    }

    def ended(of: Collection[str]) -> tuple[str, ...]:
        """The scopes that end where the results of these nodes meet."""
        return tuple(
            dict.fromkeys(s for name in sorted(of) for s in reversed(inside.get(name, ())))
        )

    stages = given.masks.stages
    reduces: dict[str, set[str]] = {}
    for edge in plan.edges:
        if edge.kind not in ("send", "gather") and edge.source in inside:
            reduces.setdefault(edge.target, set()).add(edge.source)
    return replace(
        plan,
        fanouts=tuple(sorted(fanouts, key=lambda out: (len(out.within), out.scope))),
        reduces=tuple(
            Reduce(
                node,
                scopes=ended(of),
                of=tuple(sorted(of)),
                keys=tuple(
                    sorted(
                        stages[given.masks.index[node]].read_keys
                        & frozenset().union(*(_written(name, given) for name in of)) - given.hidden
                    )
                ),
            )
            for node, of in sorted(reduces.items())
        ),
        gathers=tuple(replace(gather, scopes=ended(gather.of)) for gather in plan.gathers),
    )


def _around(scope: str, opened: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The scopes that packets of a scope's sender are in, the outermost first.

    Ends with the scope itself if its own packets open it again.
    """
    found: list[str] = []
    fresh = [scope]
    while fresh:
        name = fresh.pop()
        for outer in sorted(opened):
            if name in opened[outer] and outer not in found:
                found.append(outer)
                fresh.append(outer)
    return tuple(reversed(found))


def _written(name: str, given: Given) -> frozenset[str]:
    stage = given.masks.stages[given.masks.index[name]]
    return frozenset(given.keys) if stage.writes is None else stage.writes


# -- barriers, streams ----------------------------------------------------------


def barriers(plan: Plan) -> Plan:
    """What waits for what at an earlier superstep: for its data, or for want of knowledge."""
    needed, staying = waits(_given(plan))
    return replace(plan, dependencies=needed, barriers=staying)


def streams(plan: Plan) -> Plan:
    """Where the plan streams and batches: nowhere, unless the graph declares it."""
    given = _given(plan)
    return replace(plan, streams=streams_of(given.masks), batches=given.batches)


PASSES: tuple[Pass, ...] = (read, effects, scopes, barriers, streams)
