"""Subgraphs as nodes of a gathered fan-out, and gathers in subgraphs."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from langgraph_alto import gather, infer, install, wrap
from langgraph_alto.testing import check
from tests.gather.graphs import Mode, State, documents, documents_graph, run, summarise
from tests.versions import both_with_context

both = pytest.mark.parametrize("mode", ["sync", "async"])
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "1"}}


class Sentence(TypedDict, total=False):
    sentence: str
    title: str
    verdict: str


def checker(*, ask: bool = False) -> Any:
    """A subgraph that checks one sentence, in two steps."""

    def shout(state: Sentence) -> dict[str, Any]:
        return {"sentence": state["sentence"].upper()}

    def decide(state: Sentence) -> dict[str, Any]:
        known = interrupt(state["sentence"]) if ask and state["sentence"] == "ASK" else "!"
        return {"verdict": state["sentence"] + known}

    inner: Any = StateGraph(Sentence)
    inner.add_node("shout", shout)
    inner.add_node("decide", decide)
    inner.add_edge(START, "shout")
    inner.add_edge("shout", "decide")
    return inner.compile()


@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
@both
def test_a_subgraph_checks(mode: Mode, policy: str) -> None:
    builder = documents_graph(mode, nodes={"check": checker()})
    expected = ["d0: A! B!", "d1: C!"]
    assert run(builder.compile(), documents("a b", "c"), mode)["summaries"] == expected
    check(
        builder,
        [documents("a b", "", "c")],
        policy=policy,
        mode=mode,
        checkpointer=InMemorySaver,
        delays=("random", 0.0, 0.02),
    ).raise_for_difference()


@both_with_context
def test_a_subgraph_that_asks_is_found(mode: Mode) -> None:
    for wrapped in (False, True):
        builder = documents_graph(mode, nodes={"check": checker(ask=True)})
        graph = builder.compile(checkpointer=InMemorySaver())
        assert [name for name, _ in graph.get_subgraphs()] == ["check"]
        graph = wrap(graph) if wrapped else graph
        run(graph, documents("a ask", "b"), mode, CONFIG)
        found = run(graph, Command(resume="?"), mode, CONFIG)
        assert found["summaries"] == ["d0: A! ASK?", "d1: B!"]


@both
def test_a_gather_in_a_subgraph(mode: Mode) -> None:
    """The same fan-out in two subgraphs at once: each keeps an account of its own."""

    class Library(TypedDict, total=False):
        checked: Annotated[list[str], operator.add]

    inner = documents_graph(mode).compile()

    def side(*texts: str) -> Any:
        def node(state: Library) -> dict[str, Any]:
            return {"checked": inner.invoke(documents(*texts))["summaries"]}

        async def anode(state: Library) -> dict[str, Any]:
            return {"checked": (await inner.ainvoke(documents(*texts)))["summaries"]}

        return node if mode == "sync" else anode

    builder: Any = StateGraph(Library)
    builder.add_node("left", side("a", "b c"))
    builder.add_node("right", side("d"))
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    for graph in (builder.compile(), wrap(builder)):
        assert run(graph, {}, mode)["checked"] == ["d0: A", "d1: B C", "d0: D"]


def test_installed_graphs_are_prepared_and_wrapped() -> None:
    with install():
        graph = documents_graph().compile()
    assert type(graph).__name__ == "AltoGraph"
    assert graph.invoke(documents("a b"))["summaries"] == ["d0: A B"]
    assert not any("gather" in key for key in graph.stream_channels)


def test_a_gather_returns_the_builder() -> None:
    builder: Any = StateGraph(State)
    assert gather(builder, "summarise", summarise, over="a") is builder


def test_what_is_watched_is_the_users_own() -> None:
    inferred = str(infer(documents_graph().compile(), [documents("a b", "c")]))
    assert "failed" not in inferred
    assert "check: 3 runs" in inferred
