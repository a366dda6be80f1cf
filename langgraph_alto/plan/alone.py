"""Why a node waits for all of the supersteps before it, whatever they do."""

from __future__ import annotations

from collections.abc import Iterable

from langgraph.constants import START

from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.order import Order
from langgraph_alto.plan.plan import Barrier, Given
from langgraph_alto.plan.waits import doubts_of, key_list, told_why
from langgraph_alto.plan.words import dotted, shown


def alone_waits(given: Given, masks: Masks, when: Order, place: int) -> Iterable[Barrier]:
    """Why a node waits for all of the supersteps before it, if it does."""
    stage = masks.stages[place]
    name = shown(stage.name)
    bit = 1 << place
    if stage.name == START:
        return
    holds = any(when.waits(later) & bit for later in range(len(masks.stages)))
    if stage.interrupts and holds:
        yield Barrier(
            stage.name,
            None,
            (),
            f"nothing of later supersteps runs ahead while {name} is unfinished: "
            "it may call interrupt()",
            instead="the run may stop there",
        )
    for stops, word in ((given.stops_before, "before"), (given.stops_after, "after")):
        if stops & bit and holds:
            yield Barrier(
                stage.name,
                None,
                (),
                f"nothing runs ahead past {name}: the graph is set to interrupt {word} it",
                instead=f"compile it without interrupt_{word}",
            )
    if not when.waits(place):
        return
    if stage.barrier is not None and not stage.interrupts:
        doubts = doubts_of(stage, "mutates") if stage.mutates is None else ()
        text = (
            stage.barrier if not doubts else f"it may change its input in place{told_why(doubts)}"
        )
        yield Barrier(
            stage.name,
            None,
            (),
            f"{name} waits for its superstep: {text}",
            doubts,
            instead=_instead(stage.barrier),
        )
        return
    if masks.deferred & bit:
        yield Barrier(
            stage.name,
            None,
            (),
            f"{name} waits for everything else: it is deferred",
            instead="add it without defer=True",
        )
    if given.watched and stage.mutates:
        keys = dotted(stage.mutates)
        yield Barrier(
            stage.name,
            None,
            keys,
            f"{name} waits for its superstep: it changes {key_list(keys)} in place, "
            "which checkpoints of the supersteps before it would show",
            instead="return a new value instead",
        )
    yield from _reducers(given, masks, when, place)


def _instead(barrier: str) -> str | None:
    if "declared ordered" in barrier:
        return "you have; leave that out if nothing outside depends on when it runs"
    return None


def _reducers(given: Given, masks: Masks, when: Order, place: int) -> Iterable[Barrier]:
    """Keys that can only be had once LangGraph has applied what is written to them."""
    stage = masks.stages[place]
    unsafe = frozenset(given.keys) - masks.safe_reducers
    own = frozenset[str]().union(*(route.inputs for route in stage.routes)) & unsafe
    if stage.writes is not None:
        own &= stage.writes
    last = when.latest[place]
    written: set[str] = set()
    for at, other in enumerate(masks.stages):
        first = when.earliest[at]
        if other.name != START and first is not None and (last is None or first < last):
            written |= set(given.keys) if other.writes is None else other.writes
    read = stage.read_keys.union(*(route.reads for route in stage.routes))
    for key in sorted((read & unsafe & written) | own):
        what = "the router of " if key in own else ""
        yield Barrier(
            stage.name,
            None,
            (key,),
            f"{what}{shown(stage.name)} waits until LangGraph has applied what is written to "
            f"{key_list((key,))}: its reducer may change its arguments in place, "
            "so it is not tried on copies",
            instead="let the reducer return a new value and leave its arguments alone",
            router=key in own,
        )
    changed = frozenset(path[0] for path in stage.mutates or ())
    for key in sorted((changed & written) - masks.kept - (read & unsafe)):
        yield Barrier(
            stage.name,
            None,
            (key,),
            f"{shown(stage.name)} waits until LangGraph has applied what is written to "
            f"{key_list((key,))}: it changes the value in place, and a copy of it would not do",
            instead="return a new value instead of changing the old one",
        )
