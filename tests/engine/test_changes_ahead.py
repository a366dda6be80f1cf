"""A node that changes a list in place, in some hidden way, waits for whoever reads it.

In each graph plain LangGraph lets the slow one see the list as it was::

    slow[items]
    first --> then[items], which changes it --> last
"""

from __future__ import annotations

import operator
import time
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from pydantic import BaseModel, TypeAdapter

from langgraph_alto import wrap
from langgraph_alto.plan.shape import masks_of


class State(TypedDict):
    items: list[Any]
    out: Annotated[list[Any], operator.add]


class Model(BaseModel):
    held: Any = None


def same(value: Any) -> Any:
    return value


a, b = RunnableLambda(same), RunnableLambda(same)
adapter = TypeAdapter(Model)


def slow(state: State) -> dict[str, Any]:
    time.sleep(0.05)
    return {"out": [len(state["items"])]}


def first(state: State) -> dict[str, Any]:
    return {"out": ["first"]}


def last(state: State) -> dict[str, Any]:
    return {"out": ["last"]}


def adds(state: State) -> dict[str, Any]:
    state["items"].append("added")
    return {"out": []}


def graph_of(*nodes: Any) -> StateGraph[State]:
    builder = StateGraph(State)
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
    return builder


def same_as_plain(builder: StateGraph[State]) -> None:
    graph = builder.compile()
    plain = graph.invoke({"items": [1], "out": []})
    assert wrap(graph).invoke({"items": [1], "out": []}) == plain


adding, reading = graph_of(adds).compile(), graph_of(last).compile()


def by_a_chain(state: State) -> dict[str, Any]:
    out = (a | b).invoke(state["items"])
    out.append(1)
    return {"out": ["then"]}


def by_a_model(state: State) -> dict[str, Any]:
    Model(held=state["items"]).held.append(1)
    return {"out": ["then"]}


def by_a_model_that_is_validated(state: State) -> dict[str, Any]:
    adapter.validate_python({"held": state["items"]}).held.append(1)
    return {"out": ["then"]}


def by_a_graph(state: State) -> dict[str, Any]:
    adding.invoke({"items": state["items"], "out": []})
    return {"out": ["then"]}


def in_what_a_graph_returns(state: State) -> dict[str, Any]:
    reading.invoke({"items": state["items"], "out": []})["items"].append(1)
    return {"out": ["then"]}


@pytest.mark.parametrize(
    "then",
    [
        *(by_a_chain, by_a_model, by_a_model_that_is_validated),
        *(by_a_graph, in_what_a_graph_returns),
    ],
)
def test_a_node_that_changes_what_another_reads(then: Any) -> None:
    builder = graph_of(slow, first)
    builder.add_node("then", then)
    builder.add_edge("first", "then")
    same_as_plain(builder)


def test_a_router_that_changes_what_another_reads() -> None:
    def then(state: State) -> dict[str, Any]:
        return {"out": ["then"]}

    def route(state: State) -> str:
        state["items"].append("routed")
        return "last"

    builder = graph_of(slow, first)
    builder.add_node("then", then)
    builder.add_node("last", last)
    builder.add_edge("first", "then")
    builder.add_conditional_edges("then", route, ["last"])
    masks = masks_of(builder.compile())
    stage = masks.stages[masks.index["then"]]
    assert stage.mutates == frozenset({("items",)})
    assert stage.barrier is None
    assert masks.routes_late[masks.index["then"]]
    same_as_plain(builder)


def test_a_graph_that_changes_nothing_is_called_ahead() -> None:
    def then(state: State) -> dict[str, Any]:
        return {"out": reading.invoke({"items": state["items"], "out": []})["out"]}

    builder = graph_of(slow, first)
    builder.add_node("then", then)
    builder.add_edge("first", "then")
    masks = masks_of(builder.compile())
    stage = masks.stages[masks.index["then"]]
    assert stage.mutates == frozenset()
    assert stage.barrier is None
