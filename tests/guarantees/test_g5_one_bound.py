"""G5, one concurrency bound.

``max_concurrency`` covers run-ahead and ordinary tasks together; tasks of the
current superstep go first, then the deepest ancestry. No deadlock at
``max_concurrency=1``.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langgraph.func import task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from tests.guarantees.shapes import SHAPES, Fan, pause
from tests.guarantees.support import (
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    run,
    wrapped,
)
from tests.versions import both_with_context

bounds = pytest.mark.parametrize("bound", [1, 2, 3])


@both
@bounds
@pytest.mark.parametrize("policy", ["proven", "speculative"])
def test_the_bound_covers_all_together(policy: str, bound: int, mode: Mode) -> None:
    """``max_concurrency`` covers run-ahead and ordinary tasks together.

    START -> s0 ... s3 -> t0 ... t3 -> u0 ... u3, each on its own
    """
    journal = Journal()
    nodes = {}
    edges = []
    for number in range(4):
        before = ""
        for level in "stu":
            name = f"{level}{number}"
            seconds = 0.03 if (number + "stu".index(level)) % 2 else 0.005
            nodes[name] = node(mode, name, journal, seconds=seconds)
            edges.append((before, name))
            before = name
    fast = wrapped(graph_of(nodes, edges), policy=policy)
    result = run(fast, {"log": []}, mode, {"max_concurrency": bound})
    assert result["log"] == sorted(nodes)
    if policy == "proven":
        assert set(journal.calls().values()) == {1}
    assert journal.peak == bound


@both
@bounds
@pytest.mark.parametrize("shape", SHAPES)
def test_no_deadlock(shape: str, bound: int, mode: Mode) -> None:
    """No deadlock at any bound, whatever the graph."""
    make, given = SHAPES[shape]
    journal = Journal()

    def outcome(compiled: Any) -> Any:
        journal.clear()
        return run(compiled, {**given, "items": list(given.get("items", []))}, mode, config)

    config = {"max_concurrency": bound}
    graph = make(mode, journal, 0.01)
    expected = outcome(graph.compile())
    peak = journal.peak
    assert outcome(wrapped(graph)) == expected
    if shape != "subgraph":  # a subgraph's run has a bound of its own, in LangGraph too
        assert journal.peak <= bound
        assert peak <= bound


@both
def test_routers_that_wait_hold_no_place(mode: Mode) -> None:
    """A node run ahead whose router waits must not keep those it waits for from running.

    START -> quick -> early --(reads right)--> done
    START -> slow (writes right), START -> third
    """
    journal = Journal()
    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, seconds=0.02, key="right"),
            "third": node(mode, "third", journal, seconds=0.02),
            "early": node(mode, "early", journal),
            "done": node(mode, "done", journal),
        },
        [("", "quick"), ("", "slow"), ("", "third"), ("quick", "early"), ("slow", "third")],
    )

    def choose(state: State) -> str:
        return "done" if state.get("right") else "quick"

    graph.add_conditional_edges("early", choose, ["done", "quick"])
    for bound in (1, 2):
        expected = run(graph.compile(), {"log": []}, mode, {"max_concurrency": bound})
        journal.clear()
        assert run(wrapped(graph), {"log": []}, mode, {"max_concurrency": bound}) == expected
        assert journal.peak <= bound


@both
def test_the_current_superstep_goes_first(mode: Mode) -> None:
    """Tasks of the current superstep go first.

    START -> a0 -> b0 -> c0, START -> a1, a2, a3
    """
    journal = Journal()
    names = ["a0", "a1", "a2", "a3", "b0", "c0"]
    nodes = {name: node(mode, name, journal, seconds=0.02) for name in names}
    edges = [("", name) for name in names[:4]] + [("a0", "b0"), ("b0", "c0")]
    run(wrapped(graph_of(nodes, edges)), {"log": []}, mode, {"max_concurrency": 1})
    begun = [entry for entry in journal.entries if entry.startswith("begin")]
    assert begun[0] == "begin a0"
    assert set(begun[:4]) == {"begin a0", "begin a1", "begin a2", "begin a3"}


@both
def test_then_the_deepest_ancestry(mode: Mode) -> None:
    """Among what runs ahead, the task of the latest superstep goes first.

    With two places, one held by ``slow``, the other serves what runs ahead:

        START -> slow
        START -> x1 -> x2 -> x3        x2 and y2 wait together; then x3 and y2 do
        START -> y1 -> y2 -> y3
    """
    journal = Journal()
    chains = ["x1", "x2", "x3", "y1", "y2", "y3"]
    nodes = {name: node(mode, name, journal, seconds=0.01) for name in chains}
    nodes["slow"] = node(mode, "slow", journal, until="end y3")
    edges = [
        ("", "slow"),
        ("", "x1"),
        ("", "y1"),
        ("x1", "x2"),
        ("x2", "x3"),
        ("y1", "y2"),
        ("y2", "y3"),
    ]
    run(wrapped(graph_of(nodes, edges)), {"log": []}, mode, {"max_concurrency": 2})
    assert journal.peak == 2
    begun = [e.removeprefix("begin ") for e in journal.entries if e.startswith("begin")]
    ahead = [name for name in begun if name[1] in "23"]
    # One chain to its end, then the other.
    assert ahead in (["x2", "x3", "y2", "y3"], ["y2", "y3", "x2", "x3"])


@both
@bounds
def test_a_wide_fan_out(bound: int, mode: Mode) -> None:
    """Packets count as other tasks do, and so do those they send on."""
    journal = Journal()

    def work(item: int) -> Command[Any]:
        journal.begin("work")
        time.sleep(0.002)
        journal.end("work")
        return Command(goto=[Send("check", item)])

    async def awork(item: int) -> Command[Any]:
        journal.begin("work")
        await asyncio.sleep(0.002 * (item % 3))
        journal.end("work")
        return Command(goto=[Send("check", item)])

    def check(item: int) -> dict[str, Any]:
        journal.begin("check")
        journal.end("check")
        return {"seen": [str(item)]}

    def fan(state: Fan) -> list[Send]:
        return [Send("work", item) for item in state["items"]]

    graph: Any = StateGraph(Fan)
    graph.add_node("work", work if mode == "sync" else awork, destinations=("check",))
    graph.add_node("check", check)
    graph.add_conditional_edges(START, fan, ["work"])
    given = {"items": list(range(40))}
    result = run(wrapped(graph), given, mode, {"max_concurrency": bound})
    assert result["seen"] == [str(number) for number in range(40)]
    assert journal.peak == bound
    assert journal.calls() == {"work": 40, "check": 40}


@both_with_context
@bounds
def test_calls_of_tasks_count(bound: int, mode: Mode) -> None:
    """A node that waits for the ``@task``s it calls does not starve them."""
    journal = Journal()

    @task
    def double(number: int) -> int:
        journal.begin("call")
        time.sleep(0.002)
        journal.end("call")
        return 2 * number

    @task
    async def adouble(number: int) -> int:
        journal.begin("call")
        await asyncio.sleep(0.002)
        journal.end("call")
        return 2 * number

    def calls(state: State) -> dict[str, Any]:
        return {"log": [str(sum(call.result() for call in [double(n) for n in range(4)]))]}

    async def acalls(state: State) -> dict[str, Any]:
        return {"log": [str(sum(await asyncio.gather(*(adouble(n) for n in range(4)))))]}

    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, seconds=0.02),
            "early": node(mode, "early", journal, seconds=0.01),
            "calls": calls if mode == "sync" else acalls,
        },
        [("", "quick"), ("", "slow"), ("quick", "early"), ("early", "calls")],
    )
    if bound > 1:
        # With one place LangGraph itself waits for ever, where the node that
        # calls is not alone in its superstep.
        graph.add_edge("slow", "calls")

    def outcome(compiled: Any) -> Any:
        return run(compiled, {"log": []}, mode, {"max_concurrency": bound})

    expected = outcome(graph.compile())
    journal.clear()
    assert outcome(wrapped(graph)) == expected


@both
def test_the_bound_of_a_run_is_its_own(mode: Mode) -> None:
    """Runs of one graph at once do not share a bound, as in LangGraph."""
    journal = Journal()
    nodes = {name: node(mode, name, journal, seconds=0.1) for name in ("quick", "slow", "early")}
    fast = wrapped(graph_of(nodes, [("", "quick"), ("", "slow"), ("quick", "early")]))
    configs = [{"max_concurrency": 1} for _ in range(3)]
    if mode == "sync":
        fast.batch([{"log": []}] * 3, [{**config} for config in configs])
        return

    async def three() -> None:
        await asyncio.gather(*(fast.ainvoke({"log": []}, config) for config in configs))

    asyncio.run(three())
    assert journal.peak == 3


@both
def test_a_failure_gives_the_places_back(mode: Mode) -> None:
    """After a failure at the bound, the graph runs again, at the same bound."""
    journal = Journal()
    failing = True

    def maybe(state: State) -> dict[str, Any]:
        if failing:
            raise ValueError("no")
        return {"log": ["early"]}

    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, seconds=0.02),
            "early": pause(mode, "early", journal, 0, maybe),
        },
        [("", "quick"), ("", "slow"), ("quick", "early")],
    )
    fast = wrapped(graph)
    with pytest.raises(ValueError, match="no"):
        run(fast, {"log": []}, mode, {"max_concurrency": 1})
    failing = False
    result = run(fast, {"log": []}, mode, {"max_concurrency": 1})
    assert result["log"] == ["quick", "slow", "early"]
