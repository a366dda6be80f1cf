"""A reducer that changes its arguments, and a router that is shown its node's own writes."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from langgraph.constants import END, START
from langgraph.graph import StateGraph

from langgraph_alto import wrap


def merge(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    left.update(right)
    return left


class State(TypedDict):
    found: Annotated[dict[str, int], merge]
    log: Annotated[list[Any], operator.add]


async def slow(state: State) -> dict[str, Any]:
    await asyncio.sleep(0.05)
    return {"log": [len(state["found"])]}


async def quick(state: State) -> dict[str, Any]:
    return {}


async def other(state: State) -> dict[str, Any]:
    return {}


async def more(state: State) -> dict[str, Any]:
    return {}


async def find(state: State) -> dict[str, Any]:
    return {"found": {"it": 1}}


async def last(state: State) -> dict[str, Any]:
    return {"log": ["last"]}


def choose(state: State) -> str:
    return "last" if state["found"] else END


async def test_an_earlier_task_does_not_see_it_early() -> None:
    """``slow`` looks at ``found`` again after ``find`` could have run ahead.

    START --> slow[found]
    START --> quick --> find/found --(found?)--> last
    START --> other --> more
    """
    graph = StateGraph(State)
    for function in (slow, quick, other, more, find, last):
        graph.add_node(function)
    for name in ("slow", "quick", "other"):
        graph.add_edge(START, name)
    graph.add_edge("quick", "find")
    graph.add_edge("other", "more")
    graph.add_conditional_edges("find", choose, ["last", END])
    compiled: Any = graph.compile()
    plain = await compiled.ainvoke({"found": {}, "log": []})
    assert await wrap(compiled).ainvoke({"found": {}, "log": []}) == plain
    assert plain["log"] == [0, "last"]
