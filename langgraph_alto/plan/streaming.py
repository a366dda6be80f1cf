"""Where a plan streams: the nodes whose output goes on before they have ended."""

from __future__ import annotations

from collections.abc import Iterator

from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.plan import Point
from langgraph_alto.plan.stages import Stage


def streams_of(masks: Masks) -> tuple[Point, ...]:
    """The streaming points of a plan, by name of the node."""
    return tuple(sorted(_points(masks), key=lambda point: point.node))


def _points(masks: Masks) -> Iterator[Point]:
    for stage in masks.stages:
        if stage.buffer is not None:
            keys = () if stage.writes is None else tuple(sorted(stage.writes))
            yield Point(
                stage.name,
                keys,
                "what it yields goes on at once; it waits while "
                f"{stage.buffer} of the tasks that it has started are unfinished",
            )
        if stage.stream is not None:
            yield Point(stage.name, (stage.stream.key,), _declared(stage, masks))


def _declared(stage: Stage, masks: Masks) -> str:
    stream = stage.stream
    assert stream is not None
    if not stage.routes:
        return f"nothing: it has no conditional edge to be shown {stream.key}"
    if stream.key not in masks.safe_reducers:
        return f"nothing: what the reducer of {stream.key} does to its arguments is not known"
    splits = getattr(stream.by, "name", None)
    if splits is not None:
        shown = f"cut by {splits}"
    elif stream.key in masks.messages:
        tools = ", ".join(sorted(stream.tools)) or "those that say so themselves"
        shown = f"with its complete tool calls; tools that may start early: {tools}"
    else:
        shown = "as far as it is written; the last packet waits for the next"
    return (
        f"while its model writes {stream.key}, its conditional edges are shown that, {shown}; "
        "what they would send starts at once"
    )
