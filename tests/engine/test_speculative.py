"""Guesses and declarations that turn out wrong, where comparing inputs is not enough."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.constants import START
from langgraph.graph import StateGraph
from langgraph.types import Send

from langgraph_alto import Effects, wrap


def extend(left: list[int], right: list[int]) -> list[int]:
    left += right
    return left


class State(TypedDict):
    grown: Annotated[list[int], extend]
    flag: int
    log: Annotated[list[Any], operator.add]


class Flag(TypedDict):
    flag: int


class Nothing(TypedDict, total=False):
    none: int


def uneven(after: Any, reads: type[Any] = State) -> StateGraph[State]:
    """A slow branch that writes everything, and two quick ones.

    START --> slow
    START --> quick --> after
    START --> other --> more
    """

    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"grown": [2], "flag": 1}

    async def quick(state: State) -> dict[str, Any]:
        return {}

    async def other(state: State) -> dict[str, Any]:
        return {}

    async def more(state: State) -> dict[str, Any]:
        return {"log": ["more"]}

    graph = StateGraph(State)
    for function in (slow, quick, other, more):
        graph.add_node(function)
    graph.add_node("after", after, input_schema=reads)
    for name in ("slow", "quick", "other"):
        graph.add_edge(START, name)
    graph.add_edge("other", "more")
    return graph


async def same(graph: StateGraph[State], **options: Any) -> Any:
    """Run a graph plain and wrapped; returns the state that both end with."""
    compiled: Any = graph.compile()
    fast: Any = wrap(compiled, **options or {"policy": "speculative"})
    start = {"grown": [1], "flag": 0, "log": []}
    plain = await compiled.ainvoke(start)
    assert await fast.ainvoke({"grown": [1], "flag": 0, "log": []}) == plain
    return plain


async def test_a_value_that_a_reducer_changes_in_place() -> None:
    """The guess and the truth are one list: comparing them would say nothing."""

    async def after(state: State) -> dict[str, Any]:
        return {"log": [len(state["grown"])]}

    graph = uneven(after)
    graph.add_edge("quick", "after")
    assert (await same(graph))["log"] == [2, "more"]


def hides(state: State) -> Any:
    try:
        return state["flag"]
    except:  # noqa: E722  -- as nodes do
        return None


async def test_a_node_that_hides_a_refusal() -> None:
    """Declared to read nothing, it reads what is not certain, and makes do without."""

    async def after(state: State) -> dict[str, Any]:
        return {"log": [hides(state)]}

    graph = uneven(after)
    graph.add_edge("quick", "after")
    declared = {"after": Effects(reads=(), writes={"log"})}
    assert (await same(graph, effects=declared))["log"] == [1, "more"]


@pytest.mark.parametrize("packet", [True, False])
async def test_a_router_that_guessed(packet: bool) -> None:
    """``after`` reads nothing; where it leads to depends on what ``slow`` writes."""

    async def after(state: Any) -> dict[str, Any]:
        return {"log": ["after"]}

    async def first(state: State) -> dict[str, Any]:
        return {"log": ["first"]}

    async def second(state: State) -> dict[str, Any]:
        return {"log": ["second"]}

    def choose(state: Flag) -> str:
        return "second" if state["flag"] else "first"

    def send(state: Nothing) -> list[Send]:
        return [Send("after", {})]

    graph = uneven(after, Nothing)
    graph.add_node(first)
    graph.add_node(second)
    graph.add_conditional_edges("after", choose, ["first", "second"])
    if packet:
        graph.add_conditional_edges("quick", send, ["after"])
    else:
        graph.add_edge("quick", "after")
    assert (await same(graph))["log"][-1] == "second"
