"""Prompt templates: they go through their whole input, and use their variables only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain_core.example_selectors import LengthBasedExampleSelector
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    StringPromptTemplate,
)
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langgraph.graph import START, StateGraph

from langgraph_alto import wrap
from langgraph_alto.engine.partial import Misprediction, PartialDict
from tests.guarantees.support import Journal, Mode, both, node, run


class State(TypedDict, total=False):
    question: str
    history: list[Any]
    slow: str
    answer: str


TEXT = PromptTemplate.from_template("say {question}")
CHAT = ChatPromptTemplate.from_messages(
    [MessagesPlaceholder("history", optional=True), ("human", "say {question}")]
)


class Tracer(BaseTracer):
    """Keeps what it is told, as tracers of services do."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.inputs.append(dict(run.inputs))


def in_a_chain(template: Any, model: Any) -> Any:
    return template | RunnableLambda(model)


def in_a_function(template: Any, model: Any) -> Any:
    def ask(state: State) -> Any:
        return model(template.invoke(state))

    return ask


def built(mode: Mode, journal: Journal, ask: Any) -> Any:
    """START --> slow/slow, until "ask" has ended; START --> quick/question --> ask."""

    def quick(state: State) -> Any:
        return {"question": "hello", "history": []}

    graph = StateGraph(State)
    graph.add_node("slow", node(mode, "slow", journal, until="end ask", key="slow"))
    graph.add_node("quick", quick)
    graph.add_node("ask", ask)
    graph.add_edge(START, "slow")
    graph.add_edge(START, "quick")
    graph.add_edge("quick", "ask")
    return graph


@both
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("place", [in_a_chain, in_a_function])
@pytest.mark.parametrize("template", [TEXT, CHAT], ids=["text", "chat"])
def test_a_prompt_whose_variables_are_certain_runs_ahead(
    template: Any, place: Callable[[Any, Any], Any], traced: bool, mode: Mode
) -> None:
    journal = Journal()

    def model(prompt: Any) -> Any:
        journal.begin("ask")
        journal.end("ask")
        return {"answer": prompt.to_string()}

    tracer = Tracer()
    config = {"callbacks": [tracer]} if traced else {}
    graph = built(mode, journal, place(template, model))
    result = run(wrap(graph), {}, mode, config)
    assert result["answer"].endswith("say hello")
    assert journal.calls()["ask"] == 1
    assert journal.came_first("end ask", "end slow")


@pytest.mark.parametrize("template", [TEXT, CHAT], ids=["text", "chat"])
def test_a_variable_that_is_not_certain(template: Any) -> None:
    partial = PartialDict("ask", {"history": []}, frozenset({"question", "slow"}))
    with pytest.raises(Misprediction, match="question"):
        template.invoke(partial.target)
    assert partial.refused


def test_a_variable_that_is_missing() -> None:
    """The error is the one that the template raises on the whole state."""
    partial = PartialDict("ask", {}, frozenset({"slow"}))
    with pytest.raises(KeyError, match="missing variables"):
        TEXT.invoke(partial.target)


def test_nobody_else_may_go_through_it() -> None:
    partial = PartialDict("ask", {"question": "hello"}, frozenset({"slow"}))
    assert TEXT.invoke(partial.target).to_string() == "say hello"
    assert partial.read == {"question"}
    with pytest.raises(Misprediction):
        list(partial.target)


class Own(StringPromptTemplate):
    """Uses a key that is not among its variables."""

    def format(self, **values: Any) -> str:
        return f"{values['question']} {values.get('slow')}"


OWN = Own(input_variables=["question"])
CHOOSY = FewShotPromptTemplate(
    example_selector=LengthBasedExampleSelector(
        examples=[{"n": str(n)} for n in range(9)],
        example_prompt=PromptTemplate.from_template("{n}"),
        max_length=8,
    ),
    example_prompt=PromptTemplate.from_template("{n}"),
    suffix="{question}",
    input_variables=["question"],
)


@both
@pytest.mark.parametrize("place", [in_a_chain, in_a_function])
@pytest.mark.parametrize(
    "template",
    [
        Own(input_variables=["question"]),
        CHOOSY,
        ChatPromptTemplate([HumanMessagePromptTemplate(prompt=Own(input_variables=["question"]))]),
    ],
    ids=["own", "few-shot", "own in chat"],
)
def test_a_template_that_may_use_everything_waits(
    template: Any, place: Callable[[Any, Any], Any], mode: Mode
) -> None:
    def model(prompt: Any) -> Any:
        return {"answer": prompt.to_string()}

    def slow(state: State) -> Any:
        time.sleep(0.05)
        return {"slow": "a b c d e f"}

    graph = built(mode, Journal(), place(template, model))
    for name, body in (("slow", slow), ("quick", lambda _: {"question": "hello"})):
        graph.nodes.pop(name)
        graph.add_node(name, body)
    assert run(wrap(graph), {}, mode) == run(graph.compile(), {}, mode)
