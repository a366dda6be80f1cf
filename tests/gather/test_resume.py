"""A run killed, or interrupted, in the middle of a fan-out goes on from its checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from langgraph_alto import Gathered, wrap
from langgraph_alto.testing import check
from tests.gather.graphs import Mode, documents, documents_graph, run
from tests.versions import both_with_context

both = pytest.mark.parametrize("mode", ["sync", "async"])
engines = pytest.mark.parametrize("policy", [None, "off", "proven", "speculative"])
TEXTS = documents("a b", "", "c")
SUMMARIES = ["d0: A B", "d1: ", "d2: C"]
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "1"}}


def on(builder: Any, policy: str | None, saver: Any, **options: Any) -> Any:
    plain = builder.compile(checkpointer=saver, **options)
    return plain if policy is None else wrap(plain, policy=policy)


@both
@engines
@pytest.mark.parametrize("where", ["sentences", "check", "summarise", "answer"])
def test_stopped_before_any_node(mode: Mode, policy: Any, where: str) -> None:
    saver = InMemorySaver()
    run(on(documents_graph(mode), policy, saver, interrupt_before=[where]), TEXTS, mode, CONFIG)
    # Another process, with the checkpoint only.
    found = run(on(documents_graph(mode), policy, saver), None, mode, CONFIG)
    assert found["summaries"] == SUMMARIES
    saved = saver.get_tuple(CONFIG)  # type: ignore[arg-type]
    assert saved is not None
    assert not any("gather" in key for key in saved.checkpoint["channel_values"])


@both
@engines
@pytest.mark.parametrize("where", ["check", "summarise"])
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_killed_in_the_middle(mode: Mode, policy: Any, where: str, durability: str) -> None:
    """What dies is one call of the node; what its siblings have done is kept."""
    saver = InMemorySaver()
    dead = [True]

    def function(verdicts: Gathered) -> dict[str, Any]:
        if where == "summarise" and dead and verdicts.parent["title"] == "d2":
            raise KeyboardInterrupt
        return {"summaries": [f"{verdicts.parent['title']}: {' '.join(verdicts)}"]}

    async def afunction(verdicts: Gathered) -> dict[str, Any]:
        if where == "summarise" and dead and verdicts.parent["title"] == "d2":
            raise RuntimeError("killed")
        return {"summaries": [f"{verdicts.parent['title']}: {' '.join(verdicts)}"]}

    def body(packet: dict[str, Any]) -> dict[str, Any]:
        if where == "check" and dead and packet["sentence"] == "b":
            raise RuntimeError("killed")
        return {"verdict": packet["sentence"].upper()}

    def build() -> Any:
        return documents_graph(mode, function if mode == "sync" else afunction, {"check": body})

    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        run(on(build(), policy, saver), TEXTS, mode, CONFIG, durability=durability)
    dead.clear()
    found = run(on(build(), policy, saver), None, mode, CONFIG, durability=durability)
    assert found["summaries"] == SUMMARIES


@both_with_context
@engines
def test_a_call_that_asks_is_answered(mode: Mode, policy: Any) -> None:
    saver = InMemorySaver()

    def function(verdicts: Gathered) -> dict[str, Any]:
        known = "" if verdicts.parent["title"] != "d2" else interrupt("well?")
        return {"summaries": [" ".join([*verdicts, known])]}

    async def afunction(verdicts: Gathered) -> dict[str, Any]:
        return function(verdicts)

    def build() -> Any:
        return documents_graph(mode, function if mode == "sync" else afunction)

    found = run(on(build(), policy, saver), TEXTS, mode, CONFIG)
    assert "answer" not in found
    found = run(on(build(), policy, saver), Command(resume="yes"), mode, CONFIG)
    assert found["summaries"] == ["A B ", "", "C yes"]


@both
@engines
def test_the_state_may_be_changed_in_between(mode: Mode, policy: Any) -> None:
    saver = InMemorySaver()
    graph = on(documents_graph(mode), policy, saver, interrupt_before=["check"])
    run(graph, TEXTS, mode, CONFIG)
    graph.update_state(CONFIG, {"checked": ["by hand"]})
    found = run(on(documents_graph(mode), policy, saver), None, mode, CONFIG)
    assert found["checked"][0] == "by hand"


@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
@both
def test_all_that_can_be_observed_is_the_same(mode: Mode, policy: str) -> None:
    """Checkpoints, too; and each body runs as often as in LangGraph."""
    report = check(
        documents_graph(mode, errors="collect", function=lambda found: {"summaries": [str(found)]}),
        [TEXTS, documents("skip", "a bad b"), documents()],
        policy=policy,
        mode=mode,
        checkpointer=InMemorySaver,
        delays=("random", 0.0, 0.02),
        runs=2,
    )
    report.raise_for_difference()
