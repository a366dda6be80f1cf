"""Error scopes: what becomes of a task below a site that fails."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from langgraph_alto import Failure, Gathered, gather, wrap
from tests.gather.graphs import Mode, State, documents, documents_graph, run, verdict_of
from tests.versions import both_with_context

both = pytest.mark.parametrize("mode", ["sync", "async"])
engines = pytest.mark.parametrize("policy", [None, "off", "proven", "speculative"])
TEXTS = documents("a bad1 b", "bad2", "c")


def on(builder: Any, policy: str | None) -> Any:
    """The graph in plain LangGraph, or wrapped."""
    return builder.compile() if policy is None else wrap(builder, policy=policy)


@both
@engines
@pytest.mark.parametrize("errors", [None, "fail"])
def test_an_error_ends_the_run_by_default(mode: Mode, policy: Any, errors: Any) -> None:
    with pytest.raises(ValueError, match="cannot check bad"):
        run(on(documents_graph(mode, errors=errors), policy), TEXTS, mode)


@both
@engines
def test_isolated_siblings_and_other_parents_go_on(mode: Mode, policy: Any) -> None:
    found = run(on(documents_graph(mode, errors="isolate"), policy), TEXTS, mode)
    assert found["summaries"] == ["d0: A B", "d1: ", "d2: C"]
    assert found["checked"] == ["a", "b", "c"]


@both
@engines
def test_a_collected_failure_stands_in_its_place(mode: Mode, policy: Any) -> None:
    seen: list[Any] = []

    def function(verdicts: Gathered) -> None:
        seen.append(list(verdicts))

    async def afunction(verdicts: Gathered) -> None:
        seen.append(list(verdicts))

    graph = documents_graph(mode, function if mode == "sync" else afunction, errors="collect")
    run(on(graph, policy), TEXTS, mode)
    (first,) = (results for results in seen if len(results) == 3)
    assert first[0] == "A"
    assert first[2] == "B"
    failure = first[1]
    assert isinstance(failure, Failure)
    assert (failure.node, failure.type) == ("check", "ValueError")
    assert failure.message == "cannot check bad1"
    assert str(failure.ancestry) == "split[0/3] › sentences[1/3]"
    assert "ValueError in check at split[0/3]" in str(failure)
    assert sorted(map(len, seen)) == [1, 1, 3]


@both
@engines
def test_attempts_are_used_up_first(mode: Mode, policy: Any) -> None:
    attempts: dict[str, int] = {}

    def check(packet: dict[str, Any]) -> dict[str, Any]:
        sentence = packet["sentence"]
        attempts[sentence] = attempts.get(sentence, 0) + 1
        if sentence == "flaky" and attempts[sentence] == 2:
            return {"verdict": "AT LAST"}
        return {"verdict": verdict_of("bad" if sentence != "a" else "a")}

    builder = documents_graph(mode, nodes={"check": check}, errors="isolate")
    builder.nodes["check"].retry_policy = RetryPolicy(
        max_attempts=3, initial_interval=0.001, jitter=False, retry_on=ValueError
    )
    found = run(on(builder, policy), documents("a bad", "flaky"), mode)
    assert attempts == {"a": 1, "bad": 3, "flaky": 2}
    assert found["summaries"] == ["d0: A", "d1: AT LAST"]


def test_an_error_that_is_not_retried_is_isolated_at_once() -> None:
    attempts: list[str] = []

    def check(packet: dict[str, Any]) -> dict[str, Any]:
        attempts.append(packet["sentence"])
        raise ValueError

    builder = documents_graph(nodes={"check": check}, errors="isolate")
    for policy in (
        [RetryPolicy(retry_on=KeyError)],
        RetryPolicy(retry_on=(KeyError, TypeError)),
        RetryPolicy(retry_on=lambda error: isinstance(error, KeyError)),
    ):
        builder.nodes["check"].retry_policy = policy
        attempts.clear()
        assert builder.compile().invoke(documents("a"))["summaries"] == ["d0: "]
        assert attempts == ["a"]


@engines
def test_the_innermost_declaration_decides(policy: Any) -> None:
    """Split collects what fails in sentences; sentences isolate what fails in checks."""

    def sentences(document: dict[str, Any]) -> Command[Any]:
        if document["title"] == "d1":
            raise KeyError("d1")
        return Command(goto=[Send("check", {"sentence": s}) for s in document["sentences"]])

    def total(results: Gathered) -> dict[str, Any]:
        return {"checked": [", ".join(map(str, results))]}

    builder = documents_graph(nodes={"sentences": sentences}, errors="isolate")
    gather(builder, "total", total, over="split", of="check", key="verdict", errors="collect")
    found = run(on(builder, policy), documents("a bad", "x", "c"), "sync")
    assert found["summaries"] == ["d0: A", "d2: C"]
    assert found["checked"] == ["a", "c", "A, KeyError in sentences at split[1/3]: 'd1', C"]


@both_with_context
def test_an_interrupt_is_not_an_error(mode: Mode) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    def check(packet: dict[str, Any]) -> dict[str, Any]:
        return {"verdict": interrupt("well?") if packet["sentence"] == "ask" else "ok"}

    for policy in (None, "proven"):
        builder = documents_graph(mode, nodes={"check": check}, errors="isolate")
        graph = builder.compile(checkpointer=InMemorySaver())
        graph = graph if policy is None else wrap(graph)
        config = {"configurable": {"thread_id": "1"}}
        run(graph, documents("a ask", "b"), mode, config)
        found = run(graph, Command(resume="yes"), mode, config)
        assert found["summaries"] == ["d0: ok yes", "d1: ok"]


def test_an_error_handler_of_a_gathered_node_answers_for_it() -> None:
    def handler(state: Any) -> dict[str, Any]:
        return {"checked": ["handled"]}

    def fan(state: State) -> Command[Any]:
        return Command(goto=[Send("check", word) for word in ("a", "bad")])

    def check(word: str) -> dict[str, Any]:
        return {"verdict": verdict_of(word)}

    plain: Any = StateGraph(State)
    plain.add_node("check", check, error_handler=handler)
    plain.add_conditional_edges(
        START, lambda state: [Send("check", word) for word in ("a", "bad")], ["check"]
    )
    try:
        plain.compile().invoke({})
    except ValueError:
        pytest.skip("this LangGraph does not hand a packet's errors to the node's handler")
    for only_bad in (False, True):
        builder: Any = StateGraph(State)
        fans: Any = (lambda state: Command(goto=[Send("check", "bad")])) if only_bad else fan
        builder.add_node("fan", fans, destinations=("check",))
        builder.add_node("check", check, error_handler=handler)
        builder.add_edge(START, "fan")
        gather(builder, "all", lambda g: {"answer": " ".join(g)}, over="fan", key="verdict")
        for graph in (builder.compile(), wrap(builder)):
            found = graph.invoke({})
            assert found["answer"] == ("" if only_bad else "A")
            assert found["checked"] == ["handled"]
