"""Fan-outs sent from stage to stage, and gauges that watch each stage."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Collection
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from tests.guarantees.shapes import Fan
from tests.guarantees.support import Body, Journal, Mode


class Seen(TypedDict):
    """What a chain returns."""

    seen: Annotated[list[str], operator.add]


class Gauges:
    """How many bodies of each node run at once, at most, and in which order they began."""

    def __init__(self) -> None:
        self.journals: dict[str, Journal] = {}
        self.all = Journal()

    def begin(self, name: str, item: object) -> None:
        self.journals.setdefault(name, Journal()).begin(name)
        self.all.begin(f"{name} {item}")

    def end(self, name: str, item: object, how: str = "end") -> None:
        self.all.end(f"{name} {item}", how)
        self.journals[name].end(name, how)

    def peak(self, name: str) -> int:
        return self.journals[name].peak

    def begun(self) -> list[str]:
        entries = self.all.entries
        return [entry.removeprefix("begin ") for entry in entries if entry.startswith("begin ")]


def stage(
    mode: Mode,
    name: str,
    then: str,
    gauges: Gauges,
    seconds: float = 0.001,
    failing: Collection[int] = (),
) -> Body:
    """A node that takes a packet and sends it on, or collects it; not all take as long."""

    def result(item: int) -> Any:
        if item in failing:
            raise ValueError("no")
        return Command(goto=[Send(then, item)]) if then else {"seen": [str(item)]}

    def body(item: int) -> Any:
        gauges.begin(name, str(item))
        time.sleep(seconds * (1 + item % 4))
        gauges.end(name, str(item))
        return result(item)

    async def abody(item: int) -> Any:
        gauges.begin(name, str(item))
        try:
            await asyncio.sleep(seconds * (1 + item % 4))
        except asyncio.CancelledError:
            gauges.end(name, str(item), "cancel")
            raise
        gauges.end(name, str(item))
        return result(item)

    return body if mode == "sync" else abody


def fan(graph: Any, *names: str) -> Any:
    """START ═▶ each of the names, with all items."""

    def sends(state: Fan) -> list[Send]:
        return [Send(name, item) for name in names for item in state["items"]]

    graph.add_conditional_edges(START, sends, list(names))
    return graph


def chain(
    mode: Mode,
    gauges: Gauges,
    names: str = "abc",
    seconds: float = 0.001,
    failing: Collection[int] = (),
) -> Any:
    """START ═▶ a ═▶ b ═▶ c: each item is sent through all of them."""
    graph: Any = StateGraph(Fan, output_schema=Seen)
    for name, then in zip(names, [*names[1:], ""], strict=True):
        body = stage(mode, name, then, gauges, seconds, failing if name == "b" else ())
        graph.add_node(name, body, **({"destinations": (then,)} if then else {}))
    return fan(graph, names[0])


def config_of(bound: int | None) -> dict[str, Any]:
    return {} if bound is None else {"max_concurrency": bound}
