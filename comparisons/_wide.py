"""A fan-out of many tasks that do nothing: what is left is the engine's cost."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict


class State(TypedDict):
    width: int
    numbers: Annotated[list[int], operator.add]
    total: int


class Item(TypedDict):
    number: int


def fan_out(state: State) -> list[Send]:
    return [Send("item", {"number": number}) for number in range(state["width"])]


def item(given: Item) -> dict[str, list[int]]:
    return {"numbers": [given["number"]]}


async def item_async(given: Item) -> dict[str, list[int]]:
    return {"numbers": [given["number"]]}


def reduce(state: State) -> dict[str, int]:
    return {"total": sum(state["numbers"])}


async def reduce_async(state: State) -> dict[str, int]:
    return {"total": sum(state["numbers"])}


def wide(*, for_async: bool) -> Any:
    """Compile the graph, with coroutine functions as nodes or without."""
    graph: Any = StateGraph(State)
    if for_async:
        graph.add_node("item", item_async, input_schema=Item)
        graph.add_node("reduce", reduce_async)
    else:
        graph.add_node("item", item, input_schema=Item)
        graph.add_node("reduce", reduce)
    graph.add_conditional_edges(START, fan_out, ["item"])
    graph.add_edge("item", "reduce")
    graph.add_edge("reduce", END)
    return graph.compile()
