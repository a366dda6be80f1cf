"""G8, nothing left behind.

When a run ends in any way, no task, thread, future or ledger entry of it lives on.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained, GraphRecursionError, NodeTimeoutError
from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, TimeoutPolicy, interrupt

from langgraph_alto.engine.ahead import Ahead
from langgraph_alto.engine.pool import Pool
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.engine.run import Run
from langgraph_alto.engine.slots import Slots
from langgraph_alto.engine.supersteps import Task
from tests.guarantees.shapes import SHAPES, messages
from tests.guarantees.support import (
    Body,
    Journal,
    Mode,
    State,
    both,
    engines,
    graph_of,
    node,
    nothing_left,
    run,
    thread,
    uneven,
    wrapped,
)
from tests.versions import both_with_context

OURS = (Ahead, Run, Pool, Predictor, Task, Slots)


def alive() -> list[Any]:
    """What is alive of all runs: predictors, tasks known or run ahead, pools and slots."""
    gc.collect()
    return [found for found in gc.get_objects() if isinstance(found, OURS)]


def nothing_alive(before: int) -> None:
    """A run did foresee something, and nothing of it is alive."""
    assert engines.made > before
    assert [type(found).__name__ for found in alive()] == []


async def begun(journal: Journal, name: str) -> None:
    """Wait until a node has begun."""
    while not journal.has(f"begin {name}"):  # noqa: ASYNC110 - written by threads, too
        await asyncio.sleep(0.002)


class Broken(Exception):
    """Raised by nodes here."""


def with_nodes(mode: Mode, journal: Journal, **replaced: Body) -> Any:
    return uneven(mode, journal, **replaced).compile(checkpointer=InMemorySaver())


# -- it ends by itself ---------------------------------------------------------


@both
def test_a_run_that_ends(mode: Mode) -> None:
    """A run that ends as it should."""
    before = engines.made
    run(wrapped(uneven(mode, Journal())), {"log": []}, mode)
    nothing_alive(before)


@both
@pytest.mark.parametrize("name", ["quick", "slow", "early", "late", "end"])
def test_a_run_that_fails(name: str, mode: Mode) -> None:
    """A run that fails, in whichever node, with the exception held or let go."""
    before = engines.made
    journal = Journal()
    until = "begin early" if name == "slow" else None
    failing = node(mode, name, journal, until=until, error=Broken(name))
    graph = with_nodes(mode, journal, **{name: failing})
    if name == "quick":
        # Then nothing has begun ahead, and slow must not wait for it.
        graph = with_nodes(
            mode, journal, quick=failing, slow=node(mode, "slow", journal, seconds=0.02)
        )
    try:
        run(wrapped(graph), {"log": []}, mode, thread())
    except Broken as error:
        held: BaseException | None = error
    else:
        held = None
    assert held is not None
    assert engines.made > before
    # Its traceback holds the frames of the engine; without it nothing is left.
    held.__traceback__ = None
    del held
    nothing_alive(before)


@both_with_context
def test_a_run_that_is_interrupted(mode: Mode) -> None:
    """A run that pauses, with run-ahead before and after it."""
    before = engines.made
    journal = Journal()

    def asks(state: State) -> dict[str, Any]:
        return {"log": [interrupt("go on?")]}

    graph = wrapped(with_nodes(mode, journal, late=asks))
    run(graph, {"log": []}, mode, thread())
    nothing_alive(before)
    assert run(graph, Command(resume="yes"), mode, thread())["log"][-1] == "end"
    nothing_alive(before)


@both
def test_a_run_that_stops_at_a_breakpoint(mode: Mode) -> None:
    """A run that stops before or after a node."""
    before = engines.made
    for stop in ({"interrupt_before": ["end"]}, {"interrupt_after": ["late"]}):
        graph = wrapped(with_nodes(mode, Journal()))
        run(graph, {"log": []}, mode, thread(), **stop)
    nothing_alive(before)


@both
def test_a_run_at_its_recursion_limit(mode: Mode) -> None:
    """A run that has no superstep left."""
    before = engines.made
    with pytest.raises(GraphRecursionError):
        run(wrapped(uneven(mode, Journal())), {"log": []}, mode, {"recursion_limit": 2})
    nothing_alive(before)


@both
def test_a_run_that_is_drained(mode: Mode) -> None:
    """A run that is asked to stop while something runs ahead."""
    before = engines.made
    journal = Journal()
    control = RunControl()
    plain = node(mode, "early", journal)

    def early(state: State) -> Any:
        control.request_drain("enough")
        return plain(state)

    async def aearly(state: State) -> Any:
        control.request_drain("enough")
        return await plain(state)

    graph = wrapped(with_nodes(mode, journal, early=early if mode == "sync" else aearly))
    with pytest.raises(GraphDrained, match="enough"):
        run(graph, {"log": []}, mode, thread(), control=control)
    nothing_alive(before)
    assert run(graph, None, mode, thread())["log"][-1] == "end"


async def test_a_node_out_of_time() -> None:
    """A node run ahead that is out of time."""
    before = engines.made
    journal = Journal()
    graph = graph_of(
        {
            "quick": node("async", "quick", journal),
            "slow": node("async", "slow", journal, seconds=0.1),
        },
        [("", "quick"), ("", "slow")],
    )
    lasting = node("async", "early", journal, seconds=30)
    graph.add_node("early", lasting, timeout=TimeoutPolicy(run_timeout=0.02))
    graph.add_edge("quick", "early")
    with nothing_left(), pytest.raises(NodeTimeoutError):
        await wrapped(graph).ainvoke({"log": []})
    nothing_alive(before)


@both
def test_a_wrong_guess(mode: Mode) -> None:
    """A run ahead that was dropped."""
    before = engines.made
    journal = Journal()

    def reads(state: State) -> dict[str, Any]:
        return {"log": [state.get("right", "nothing")]}

    graph = uneven(
        mode, journal, early=reads, slow=node(mode, "slow", journal, seconds=0.03, key="right")
    )
    result = run(wrapped(graph, policy="speculative"), {"log": []}, mode)
    assert "slow" in result["log"]
    nothing_alive(before)


# -- it is ended ---------------------------------------------------------------


async def test_a_run_that_is_cancelled() -> None:
    """A run whose caller is cancelled while something runs ahead."""
    before = engines.made
    journal = Journal()
    lasting = node("async", "early", journal, seconds=30)
    slow = node("async", "slow", journal, seconds=30)
    with nothing_left():
        running = asyncio.ensure_future(
            wrapped(uneven("async", journal, early=lasting, slow=slow)).ainvoke({"log": []})
        )
        await begun(journal, "early")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        del running
    assert set(journal.entries) >= {"cancel early", "cancel slow"}
    assert journal.running == 0
    await asyncio.sleep(0)  # callbacks of what has ended
    nothing_alive(before)


async def test_a_subgraph_beside_a_failing_node() -> None:
    """LangGraph's own loop leaves the subgraph's tasks running here; a wrapped one does not."""
    journal = Journal()

    async def fails(state: State) -> dict[str, Any]:
        raise Broken

    inner = StateGraph(State)
    for name in ("first", "second"):
        inner.add_node(name, node("async", name, journal, seconds=30 if name == "first" else 0))
        inner.add_edge(START, name)
    outer = StateGraph(State)
    outer.add_node("fails", fails)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "fails")
    outer.add_edge(START, "inner")
    with nothing_left(), pytest.raises(Broken):
        await wrapped(outer).ainvoke({"log": []})
    assert "cancel first" in journal.entries
    assert journal.running == 0


async def test_a_run_out_of_its_callers_time() -> None:
    """A run under ``asyncio.wait_for``."""
    before = engines.made
    journal = Journal()
    lasting = node("async", "early", journal, seconds=30)
    slow = node("async", "slow", journal, seconds=30)
    graph = wrapped(uneven("async", journal, early=lasting, slow=slow))
    with nothing_left(), pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(graph.ainvoke({"log": []}), 0.1)
    assert journal.running == 0
    nothing_alive(before)


async def test_a_stream_that_is_left() -> None:
    """A stream that its reader closes after the first event."""
    before = engines.made
    journal = Journal()
    lasting = node("async", "early", journal, seconds=30)
    graph = wrapped(uneven("async", journal, early=lasting))
    with nothing_left():
        async with aclosing(graph.astream({"log": []}, stream_mode="updates")) as events:
            async for event in events:
                assert set(event) == {"quick"}
                break
    assert journal.running == 0
    nothing_alive(before)


def test_a_stream_that_is_left_on_threads() -> None:
    """The same on threads: what has begun is waited for, and nothing else begins."""
    before = engines.made
    journal = Journal()
    slow = node("sync", "slow", journal, seconds=0.15)
    graph = wrapped(uneven("sync", journal, slow=slow))
    with nothing_left(), closing(graph.stream({"log": []}, stream_mode="updates")) as events:
        assert set(next(events)) == {"quick"}
    assert journal.running == 0
    assert "late" not in journal.calls()
    nothing_alive(before)


async def test_a_node_that_cleans_up() -> None:
    """A cancelled run has not ended before a node run ahead has cleaned up."""
    journal = Journal()
    cleaned: list[str] = []

    async def careful(state: State) -> dict[str, Any]:
        journal.begin("early")
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)
            cleaned.append("early")
        return {}

    slow = node("async", "slow", journal, seconds=30)
    graph = wrapped(uneven("async", journal, early=careful, slow=slow))
    with nothing_left():
        running = asyncio.ensure_future(graph.ainvoke({"log": []}))
        await begun(journal, "early")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cleaned == ["early"]


# -- over many runs ------------------------------------------------------------


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_of_graph(shape: str, mode: Mode) -> None:
    """Whatever the graph, nothing of its runs is alive afterwards."""
    make, given = SHAPES[shape]
    graph = wrapped(make(mode, Journal(), 0.01))
    for _ in range(2):
        run(graph, {**given, "items": list(given.get("items", []))}, mode)
    assert alive() == []


@both
def test_counts_stay_level(mode: Mode) -> None:
    """Objects and threads do not grow with the number of runs."""
    graph = wrapped(messages(mode, Journal(), 0.001))
    given = {"messages": [("user", "hello")]}

    def objects() -> int:
        for _ in range(10):
            run(graph, given, mode)
        gc.collect()
        return len(gc.get_objects())

    counts = [objects() for _ in range(5)]
    assert counts[-1] - counts[1] < 100


def test_values_die_with_their_run() -> None:
    """What a state held is freed when nobody holds the result."""

    class Big:
        freed = 0

        def __del__(self) -> None:
            Big.freed += 1

    def makes(name: str, seconds: float) -> Callable[[State], dict[str, Any]]:
        def body(state: State) -> dict[str, Any]:
            time.sleep(seconds)
            big: Any = Big()
            return {"log": [big]}

        return body

    graph = graph_of(
        {"quick": makes("quick", 0), "slow": makes("slow", 0.02), "early": makes("early", 0)},
        [("", "quick"), ("", "slow"), ("quick", "early")],
    )
    result = wrapped(graph).invoke({"log": []})
    assert len(result["log"]) == 3
    assert Big.freed == 0
    del result
    gc.collect()
    assert Big.freed == 3


def test_threads_end_with_their_run() -> None:
    """While a run lasts its threads live; after it they do not."""
    seen: list[int] = []

    def looks(state: State) -> dict[str, Any]:
        seen.append(threading.active_count())
        return {"log": ["looks"]}

    journal = Journal()
    before = threading.active_count()
    run(wrapped(uneven("sync", journal, late=looks)), {"log": []}, "sync")
    assert seen[0] > before
    assert threading.active_count() == before
