"""Further stream modes: what differs from run to run by itself is no difference."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from langgraph_alto import wrap
from langgraph_alto.testing import Report, check
from tests.versions import both_with_context, needs_context

MODES = ["tasks", "checkpoints", "messages", "debug", "custom", "updates", "values"]
every_mode = pytest.mark.parametrize("mode", MODES)


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def same(graph: Any) -> Any:
    return graph


def says(text: str) -> Callable[[Any], dict[str, Any]]:
    def node(state: Any) -> dict[str, Any]:
        return {"log": [text]}

    return node


def fan(state: State) -> list[Send]:
    return [Send("worker", {"log": [i]}) for i in range(2)]


def sample(text: str = "b", *, speaks: str = "", asks: str = "", fails: str = "") -> Any:
    """START ─▶ a ─▷ worker x 2 ─▶ inner (START ─▶ b) ─▶ end."""

    def end(state: State) -> dict[str, Any]:
        if speaks:
            return {"log": [FakeListChatModel(responses=[speaks]).invoke("hello").content]}
        if fails:
            raise ValueError(fails)
        return {"log": [interrupt(asks) if asks else "end"]}

    inner: Any = StateGraph(State)
    inner.add_node("b", says(text)).add_edge(START, "b")
    graph: Any = StateGraph(State)
    graph.add_node("a", says("a")).add_node("worker", says("w"))
    graph.add_node("inner", inner.compile()).add_node("end", end)
    graph.add_edge(START, "a").add_conditional_edges("a", fan, ["worker"])
    graph.add_edge("worker", "inner").add_edge("inner", "end")
    return graph


def of_mode(report: Report, mode: str) -> list[str]:
    """The events of one mode that were compared, of LangGraph's run."""
    return [
        update
        for comparison in report.comparisons
        for segment in comparison.plain.segments
        for step in segment.supersteps
        for update in step.updates
        if update.startswith(f"{mode}: ")
    ]


@every_mode
@pytest.mark.parametrize("saver", [None, InMemorySaver])
def test_langgraph_is_like_itself(mode: str, saver: Any) -> None:
    report = check(
        sample(), {"log": []}, mode="both", checkpointer=saver, stream_modes=[mode], wrapped=same
    )
    assert report.ok, report.text()
    if mode == "tasks":
        assert of_mode(report, mode)
    if mode == "checkpoints" and saver:
        assert of_mode(report, mode)


@both_with_context
def test_messages_of_a_model(mode: Any) -> None:
    """Chunks have ids, and their metadata those of the task and of the thread."""
    for saver in (None, InMemorySaver):
        options: Any = {"mode": mode, "checkpointer": saver, "stream_modes": ["messages"]}
        report = check(sample(speaks="one"), {"log": []}, wrapped=same, **options)
        assert report.ok, report.text()
        assert len(of_mode(report, "messages")) >= 3
        report = check(sample(speaks="one"), {"log": []}, **options)
        assert report.ok, report.text()


@every_mode
@needs_context
def test_interrupts_and_failures(mode: str) -> None:
    options: Any = {"checkpointer": InMemorySaver, "stream_modes": [mode], "wrapped": same}
    report = check(sample(asks="why?"), {"log": []}, resume=["so"], mode="both", **options)
    assert report.ok, report.text()
    report = check(sample(fails="no"), {"log": []}, mode="both", **options)
    assert report.ok, report.text()


@pytest.mark.parametrize("mode", ["tasks", "checkpoints", "debug"])
def test_wrapped_graphs_stream_the_same(mode: str) -> None:
    for saver in (None, InMemorySaver):
        report = check(sample(), {"log": []}, mode="both", checkpointer=saver, stream_modes=[mode])
        assert report.ok, report.text()


@needs_context
def test_another_message_is_found() -> None:
    """What is canonical still tells one text from another, and one node from another."""
    options: Any = {"mode": "sync", "stream_modes": ["messages"], "policy": "speculative"}
    other = sample(speaks="two").compile()

    def swapped(graph: Any) -> Any:
        return wrap(other)

    report = check(sample(speaks="one"), {"log": []}, wrapped=swapped, **options)
    assert any("messages: AIMessageChunk(" in d.plain for d in report.differences)


def test_other_tasks_and_checkpoints_are_found() -> None:
    for mode in ("tasks", "checkpoints"):
        report = check(
            sample(),
            {"log": []},
            mode="sync",
            checkpointer=InMemorySaver,
            stream_modes=[mode],
            wrapped=lambda graph: sample("c").compile(checkpointer=InMemorySaver()),
        )
        shown = [f"{d.plain} {d.alto}" for d in report.differences if d.kind == "updates"]
        assert any(f"{mode}: " in text for text in shown), report.text()


@pytest.mark.parametrize("mode", ["values", "updates", "debug"])
def test_what_is_always_compared_may_be_named(mode: str) -> None:
    plain = check(sample(), {"log": []}, mode="sync", wrapped=same)
    named = check(sample(), {"log": []}, mode="sync", stream_modes=[mode, mode], wrapped=same)
    assert [c.plain.segments for c in plain.comparisons] == [
        c.plain.segments for c in named.comparisons
    ]
