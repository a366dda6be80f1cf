"""Where a plan says that it streams."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.graph.message import MessagesState
from langgraph.types import Send

from langgraph_alto import Stream, streaming, wrap


class State(TypedDict, total=False):
    text: str
    odd: Annotated[str, lambda left, right: unknown(left, right)]
    found: Annotated[list[str], operator.add]


unknown = print
"""A reducer that nobody has looked into."""


@streaming(buffer=3)
def crawl(state: State) -> Iterator[Any]:
    yield {"text": "t"}
    yield Send("check", {})


def check(packet: Any) -> Any:
    return {"found": ["x"]}


def graph(node: Any, *, routed: bool = True, state: Any = State) -> Any:
    builder: Any = StateGraph(state)
    builder.add_node("node", node)
    builder.add_node("check", check)
    builder.add_edge(START, "node")
    if routed:
        builder.add_conditional_edges("node", lambda state: [Send("check", {})], ["check"])
    return builder.compile()


def test_a_generator_node() -> None:
    (point,) = wrap(graph(crawl, routed=False)).plan.streams
    assert (point.node, point.keys) == ("node", ("text",))
    assert "while 3 of the tasks" in point.why


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ("text", "the last packet waits for the next"),
        (Stream("text", by="line"), "cut by line"),
        ("odd", "nothing: what the reducer of odd does"),
    ],
)
def test_a_declared_stream(stream: Any, words: str) -> None:
    plan = wrap(graph(lambda state: {"text": ""}), streams={"node": stream}).plan
    (point,) = plan.streams
    assert words in point.why
    assert "Streaming\n  node: " in plan.explain()


def test_a_declared_stream_of_messages() -> None:
    class Chat(MessagesState):
        found: Annotated[list[str], operator.add]

    stream = Stream("messages", tools={"search"})
    fast = wrap(graph(lambda state: {"messages": []}, state=Chat), streams={"node": stream})
    (point,) = fast.plan.streams
    assert "tools that may start early: search" in point.why


def test_nobody_to_be_shown_it() -> None:
    fast = wrap(graph(lambda state: {"text": ""}, routed=False), streams={"node": "text"})
    assert fast.plan.streams[0].why == "nothing: it has no conditional edge to be shown text"
