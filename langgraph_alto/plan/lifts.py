"""Declarations that would lift a barrier: the weakest promise that does.

What a node does not say about itself may be declared. A declaration that leaves
out what analysis saw the node do would be a lie, so none such is made; and each
one is tried on the graph before it is suggested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from langgraph_alto.plan.alone import alone_waits
from langgraph_alto.plan.effects import Effects
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.order import Order, known_destinations
from langgraph_alto.plan.plan import Barrier, Dependency, Given, Lift
from langgraph_alto.plan.stages import Stage
from langgraph_alto.plan.waits import (
    Unknown,
    Wait,
    least_reads,
    ordered_by,
    pair_waits,
)
from langgraph_alto.plan.words import dotted, pasted, shown

Declared = Mapping[str, Effects]


def waits(given: Given) -> tuple[tuple[Dependency, ...], tuple[Barrier, ...]]:
    """All waits of a graph: those that the data need, and the barriers that stay."""
    masks = given.masks
    when = ordered_by(given, masks)
    pairs = [
        wait for place in range(len(masks.stages)) for wait in pair_waits(given, masks, when, place)
    ]
    needed = tuple(
        Dependency(
            wait.node,
            wait.earlier,
            tuple(key for key in reason.keys if key not in given.hidden),
            reason.text,
            wait.how == "router",
        )
        for wait in pairs
        if wait.needed
        for reason in [next(reason for reason in wait.reasons if reason.needed)]
    )
    alone = [
        _lifted_alone(given, barrier)
        for place in range(len(masks.stages))
        for barrier in alone_waits(given, masks, when, place)
    ]
    unneeded = [wait for wait in pairs if not wait.needed]
    tried: dict[str, tuple[Masks, Order]] = {}
    staying = (_lifted(given, wait, unneeded, tried) for wait in unneeded)
    return needed, (*alone, *staying)


def _lifted(
    given: Given, wait: Wait, staying: Sequence[Wait], tried: dict[str, tuple[Masks, Order]]
) -> Barrier:
    unknown = {unknown for reason in wait.reasons for unknown in reason.unknown}
    who = f"the router of {shown(wait.node)}" if wait.how == "router" else shown(wait.node)
    barrier = Barrier(
        wait.node,
        wait.earlier,
        tuple(
            dict.fromkeys(
                key for reason in wait.reasons for key in reason.keys if key not in given.hidden
            )
        ),
        f"{who} waits for every unfinished {shown(wait.earlier)}: "
        + _together([reason.text for reason in wait.reasons]),
        tuple(dict.fromkeys(doubt for reason in wait.reasons for doubt in reason.doubts)),
        router=wait.how == "router",
    )
    if unknown and all(reason.unknown for reason in wait.reasons):
        for declared in _candidates(given, wait, unknown, staying):
            text = pasted(declared)
            if text not in tried:
                masks = given.remade({**given.effects, **declared})
                tried[text] = masks, ordered_by(given, masks)
            if not _stays(given, *tried[text], wait):
                return replace(barrier, lift=lift_of(declared))
    return replace(barrier, instead=_instead(given, wait, unknown))


def _together(texts: Sequence[str]) -> str:
    """Reasons in one sentence; what explains several of them is said once, last."""
    ends = [text.partition(": ")[2] for text in texts]
    said = [
        text.partition(": ")[0] if end and end in ends[place + 1 :] else text
        for place, (text, end) in enumerate(zip(texts, ends, strict=True))
    ]
    return ", and ".join(said)


def lift_of(declared: Declared) -> Lift:
    """A lift, whose declarations can be hashed."""
    return Lift(pasted(declared), tuple((name, declared[name]) for name in sorted(declared)))


def _lifted_alone(given: Given, barrier: Barrier) -> Barrier:
    """A node's own barrier, with what would lift it."""
    stage = _stage(given, barrier.node)
    if not barrier.doubts or stage.mutates is not None:
        return barrier
    declared = {barrier.node: _with(given, barrier.node, mutates=dotted(stage.least_mutates))}
    masks = given.remade({**given.effects, **declared})
    if masks.stages[masks.index[barrier.node]].barrier is not None:
        return barrier
    return replace(barrier, lift=lift_of(declared), instead=None)


def _stays(given: Given, masks: Masks, when: Order, wait: Wait) -> bool:
    found = pair_waits(given, masks, when, masks.index[wait.node], masks.mask([wait.earlier]))
    return any(other.how == wait.how for other in found)


def _candidates(
    given: Given, wait: Wait, unknown: set[Unknown], staying: Sequence[Wait]
) -> Iterable[Declared]:
    """Declarations of all that is unknown: first those that lift other barriers too."""
    alike = [
        other
        for other in staying
        if unknown & {vague for reason in other.reasons for vague in reason.unknown}
    ]
    for waits in (alike, [wait]):
        values: dict[str, dict[str, Sequence[str]]] = {}
        for node, fact in sorted(unknown):
            value = _value(given, Unknown(node, fact), waits, wait)
            if value is None:
                break
            values.setdefault(node, {})[fact] = value
        else:
            yield {node: _with(given, node, **facts) for node, facts in values.items()}


def _value(
    given: Given, unknown: Unknown, waits: Sequence[Wait], wait: Wait
) -> Sequence[str] | None:
    """What could be declared of one fact; ``None``: nothing that is likely to be true."""
    node, fact = unknown
    stage = _stage(given, node)
    if fact == "mutates":
        return dotted(stage.least_mutates)
    if fact == "goto":
        return _goto(given, stage)
    met = _met(other for other in waits if _is_about(other, unknown))
    keys = frozenset(given.keys) - given.hidden
    inputs = stage.inputs & keys
    if _both_vague(wait):
        # Nothing is known of either end: take what the earlier one was seen to
        # write, or what it is named after.
        earlier = _stage(given, wait.earlier)
        met = earlier.least_writes & keys or keys & {wait.earlier}
        met = keys - met if fact == "writes" else met
    if fact == "routes":
        found = frozenset[str]().union(*(route.reads for route in stage.routes)) & keys - met
        least = frozenset[str]().union(*(route.least for route in stage.routes)) & keys
        return sorted(found) if least <= found else None
    found = (keys if fact == "writes" else inputs) - met
    least = stage.least_writes & keys if fact == "writes" else least_reads(stage) & inputs
    return sorted(found) if found and least <= found else None


def _both_vague(wait: Wait) -> bool:
    return any(
        "writes" in {fact for _, fact in reason.unknown}
        and {"reads", "routes"} & {fact for _, fact in reason.unknown}
        for reason in wait.reasons
    )


def _is_about(wait: Wait, unknown: Unknown) -> bool:
    return any(unknown in reason.unknown for reason in wait.reasons)


def _met(waits: Iterable[Wait]) -> frozenset[str]:
    """The keys that stand between the nodes of these waits."""
    return frozenset(
        key.split(".")[0]
        for wait in waits
        for reason in wait.reasons
        if reason.unknown
        for key in reason.keys
    )


def _goto(given: Given, stage: Stage) -> Sequence[str] | None:
    masks = given.masks
    when = ordered_by(given, masks)
    known = when.known[masks.index[stage.name]]
    reached = stage.edges.union(*(route.destinations or () for route in stage.routes))
    names = {other.name for other in masks.stages if known & masks.mask([other.name])}
    found = (names | known_destinations(stage)) - reached
    # A router that leads nowhere is none.
    routed = any(route.destinations is None for route in stage.routes)
    return sorted(found) if found or not routed else None


def _with(given: Given, node: str, **facts: Sequence[str]) -> Effects:
    """What is declared of a node already, and these facts."""
    told = given.effects.get(node) or Effects()

    def value(fact: str) -> frozenset[str] | None:
        found = facts.get(fact, getattr(told, fact))
        return None if found is None else frozenset(found)

    return Effects(
        reads=value("reads"),
        writes=value("writes"),
        mutates=value("mutates"),
        ordered=told.ordered,
        goto=value("goto"),
        routes=value("routes"),
    )


def _stage(given: Given, name: str) -> Stage:
    return given.masks.stages[given.masks.index[name]]


def _instead(given: Given, wait: Wait, unknown: set[Unknown]) -> str | None:
    later, earlier = _stage(given, wait.node), _stage(given, wait.earlier)
    if "__root__" in later.inputs:
        return "the state is one value; give it keys"
    if wait.how == "edge" and later.whole_input:
        return (
            f"give {shown(wait.node)} a narrower input_schema: "
            "one with validators can only be made whole"
        )
    if any(fact == "goto" for _, fact in unknown):
        if any(route.destinations is None for route in earlier.routes):
            return f"give the conditional edges of {shown(wait.earlier)} a path_map"
        return f"add {shown(wait.earlier)} with destinations=..., and see what stays"
    told = [f"what {shown(node)} {_VERBS[fact]}" for node, fact in sorted(unknown)]
    return f"declare {' and '.join(told)}, if the two do not meet" if told else None


_VERBS = {
    "reads": "reads",
    "writes": "writes",
    "mutates": "changes in place",
    "routes": "reads in its routers",
}
