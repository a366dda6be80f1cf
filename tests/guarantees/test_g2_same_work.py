"""G2, same work: every node body runs exactly as often as in LangGraph.

Under the default policy, in a run without failure or interrupt: nothing is run
ahead that is not then adopted.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections import Counter
from typing import Any

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph

from langgraph_alto.engine import making
from langgraph_alto.engine.ahead import Ahead
from langgraph_alto.engine.run import Run
from tests.guarantees.shapes import SHAPES
from tests.guarantees.support import (
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    run,
    uneven,
    wrapped,
)


@both
@pytest.mark.parametrize("slow", [0.0, 0.03])
@pytest.mark.parametrize("shape", SHAPES)
def test_node_bodies_run_exactly_as_often(shape: str, slow: float, mode: Mode) -> None:
    """Every node body runs exactly as often as in LangGraph."""
    make, given = SHAPES[shape]

    def calls(wrapping: Any) -> Counter[str]:
        journal = Journal()
        run(wrapping(make(mode, journal, slow)), copy.deepcopy(given), mode)
        return journal.calls()

    expected = calls(lambda graph: graph.compile())
    assert expected
    assert calls(wrapped) == expected


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_all_that_runs_ahead_is_adopted(
    shape: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is run ahead that is not then adopted."""
    launched: list[Run] = []
    original = making.make

    def noted(ahead: Ahead, task: Any) -> Run | None:
        made = original(ahead, task)
        if made is not None:
            launched.append(made)
        return made

    monkeypatch.setattr("langgraph_alto.engine.ahead.make", noted)
    make, given = SHAPES[shape]
    run(wrapped(make(mode, Journal(), 0.03)), copy.deepcopy(given), mode)
    # One that had not begun when its superstep came has not run ahead.
    begun = [run for run in launched if run.begun]
    assert all(run.adopted is not None for run in begun)
    stays = {"coalesced", "reads_everything", "reads_late", "mutates"}
    assert bool(begun) == (shape not in stays)
    launched.clear()
    begun.clear()


@both
def test_a_branch_not_taken_does_not_run(mode: Mode) -> None:
    """What a router might still choose is not run on the chance.

    START -> quick -> early
    START -> slow --(maybe)--> late
    """
    journal = Journal()
    graph: Any = StateGraph(State)
    graph.add_node("slow", node(mode, "slow", journal, seconds=0.05))
    graph.add_node("late", node(mode, "late", journal))
    graph.add_edge(START, "slow")

    def choose(state: State) -> str:
        return END if "slow" in state["log"] else "late"

    graph.add_conditional_edges("slow", choose, ["late", END])
    graph.add_node("quick", node(mode, "quick", journal))
    graph.add_node("early", node(mode, "early", journal, seconds=0.01))
    graph.add_edge(START, "quick")
    graph.add_edge("quick", "early")
    run(wrapped(graph), {"log": []}, mode)
    assert journal.calls() == {"quick": 1, "slow": 1, "early": 1}


@both
def test_routers_run_as_often(mode: Mode) -> None:
    """A router of a node run ahead runs once, as in LangGraph."""
    seen: list[str] = []
    journal = Journal()

    def choose(state: State) -> str:
        seen.append("asked")
        return "end"

    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, until="begin end"),
            "early": node(mode, "early", journal),
            "end": node(mode, "end", journal),
        },
        [("", "quick"), ("", "slow"), ("quick", "early")],
    )
    graph.add_conditional_edges("early", choose, ["end"])
    run(wrapped(graph), {"log": []}, mode)
    assert seen == ["asked"]
    assert journal.came_first("begin end", "end slow")


@both
def test_a_second_run_starts_afresh(mode: Mode) -> None:
    """Runs of one graph share nothing: each runs every body again."""
    journal = Journal()
    fast = wrapped(uneven(mode, journal))
    for _ in range(3):
        run(fast, {"log": []}, mode)
        assert set(journal.calls().values()) == {1}
        journal.clear()


def test_batches_run_each_input_once() -> None:
    """``abatch`` and ``batch`` run each body once for each input."""
    journal = Journal()

    async def work(state: State) -> dict[str, Any]:
        journal.begin(state["left"])
        await asyncio.sleep(0.001)
        journal.end(state["left"])
        return {"log": [state["left"]]}

    def work_sync(state: State) -> dict[str, Any]:
        journal.begin(state["left"])
        time.sleep(0.001)
        journal.end(state["left"])
        return {"log": [state["left"]]}

    names = [f"run {number}" for number in range(5)]
    for body in (work, work_sync):
        graph = graph_of(
            {"one": body, "two": body, "then": body}, [("", "one"), ("", "two"), ("one", "then")]
        )
        fast = wrapped(graph)
        given = [{"left": name, "log": []} for name in names]
        results = asyncio.run(fast.abatch(given)) if body is work else fast.batch(given)
        assert [r["log"] for r in results] == [[name] * 3 for name in names]
        assert journal.calls() == dict.fromkeys(names, 3)
        journal.clear()


@both
@pytest.mark.parametrize("message", [{"role": "ai", "content": "x"}, ("ai", "x"), "x"])
def test_a_reducer_that_makes_ids(message: Any, mode: Mode) -> None:
    """``add_messages`` gives new ids; who has read ahead must have read the very same."""
    journal = Journal()
    seen: list[Any] = []

    def write(state: Any) -> Any:
        return {"messages": [message]}

    def read(state: Any) -> Any:
        journal.begin("read")
        seen.append(state["messages"][-1].id)
        journal.end("read")

    graph = StateGraph(MessagesState)
    graph.add_node("slow", node(mode, "slow", journal, until="end read", key="unused"))
    graph.add_node("write", write)
    graph.add_node("read", read)
    graph.add_edge(START, "slow")
    graph.add_edge(START, "write")
    graph.add_edge("write", "read")
    result = run(wrapped(graph), {"messages": []}, mode)
    assert journal.calls()["read"] == 1
    assert [result["messages"][-1].id] == seen
