"""A gather in plain LangGraph: the result is that of a subgraph per parent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_alto import wrap
from tests.gather.graphs import Mode, documents, documents_graph, oracle, run

both = pytest.mark.parametrize("mode", ["sync", "async"])
words = st.sampled_from(["one", "two", "three", "skip"])
texts = st.lists(st.lists(words, max_size=4).map(" ".join), max_size=4)
ORACLE = oracle()


@both
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "given_texts",
    [("a b", "c"), ("a", "", "b skip"), ("", ""), ("skip",), ("a",)],
    ids=["two", "empty and filtered", "all empty", "all filtered", "one"],
)
def test_the_result_is_that_of_a_subgraph_per_parent(
    mode: Mode, wrapped: bool, given_texts: tuple[str, ...]
) -> None:
    graph = documents_graph(mode).compile()
    if wrapped:
        graph = wrap(graph)
    inputs = documents(*given_texts)
    assert run(graph, inputs, mode) == run(ORACLE, inputs, mode)


@settings(max_examples=25)
@given(texts)
def test_for_any_widths(texts: list[str]) -> None:
    inputs = documents(*texts)
    if not texts:
        # The oracle stops where there is nothing to do; a gather is always answered.
        assert documents_graph().compile().invoke(inputs)["answer"] == ""
        return
    expected = ORACLE.invoke(inputs)
    assert documents_graph().compile().invoke(inputs) == expected
    assert wrap(documents_graph()).invoke(inputs) == expected


@both
def test_nothing_of_it_is_left_in_the_state(mode: Mode) -> None:
    graph = documents_graph(mode).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    run(graph, documents("a b", "c"), mode, config)
    saved = graph.checkpointer.get_tuple(config)
    assert not any("gather" in key for key in saved.checkpoint["channel_values"])
    for snapshot in graph.get_state_history(config):
        assert not any("gather" in key for key in snapshot.values)


def test_a_gather_is_one_task_in_the_superstep_after_its_children() -> None:
    graph = documents_graph().compile()
    steps = [
        (event["step"], event["payload"]["name"])
        for event in graph.stream(documents("a b", "c"), stream_mode="debug")
        if event["type"] == "task"
    ]
    assert steps == [
        (1, "split"),
        (2, "sentences"),
        (2, "sentences"),
        (3, "check"),
        (3, "check"),
        (3, "check"),
        (4, "summarise"),
        (5, "answer"),
    ]
