"""Batches in trouble: errors, retries, cancellation, limits, and nothing left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from langgraph.types import RetryPolicy, interrupt

from langgraph_alto import batched, wrap
from langgraph_alto.batching.calls import BatchResultError
from langgraph_alto.testing import check
from tests.batching.graphs import Calls, Packet, embedding, fan, nested, node_of, texts, upper
from tests.guarantees.support import Mode, both, run
from tests.versions import needs_langgraph

LONG = 5.0


def quickly() -> Any:
    return RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3)


# -- errors ----------------------------------------------------------------------------


answers = needs_langgraph("1.2.18", "raises a handled failure again when the run ends")


@answers
@both
def test_an_error_in_place_of_a_result_is_its_owners(mode: Mode) -> None:
    """The others have their results, as pending writes show after the run has failed."""
    calls = Calls()
    handled: list[str] = []

    def give_up(state: Packet) -> Any:
        handled.append("!")
        return {"vectors": ["-"]}

    fast = wrap(fan(node_of(mode, calls, 64, LONG), error_handler=give_up))
    result = run(fast, {"texts": ["a", "b!", "c"]}, mode)
    assert sorted(result["vectors"]) == ["-", "A", "C"]
    assert handled == ["!"]
    assert calls.sizes == [3]


@answers
@both
def test_whoever_shares_a_batch_makes_no_difference(mode: Mode) -> None:
    """If the function raises, each item is tried alone: only the culprit fails."""
    calls = Calls()
    fast = wrap(fan(node_of(mode, calls, 64, LONG), error_handler=lambda state: {"vectors": ["-"]}))
    result = run(fast, {"texts": ["a", "b?", "c"]}, mode)
    assert sorted(result["vectors"]) == ["-", "A", "C"]
    assert sorted(calls.sizes) == [1, 1, 1, 3]


async def test_another_request_makes_no_difference() -> None:
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG)))
    results: list[Any] = await asyncio.gather(
        fast.ainvoke(texts(3)), fast.ainvoke({"texts": ["b?"]}), return_exceptions=True
    )
    assert results[0]["vectors"] == upper(3)
    assert isinstance(results[1], RuntimeError)


@both
def test_retries_come_again(mode: Mode) -> None:
    """Each failed item is tried as often as its policy says, the others once."""
    tries: dict[str, int] = {}

    def of(text: str) -> Any:
        tries[text] = tries.get(text, 0) + 1
        return ConnectionError(text) if text == "b" and tries[text] < 3 else {"vectors": [text]}

    calls = Calls()
    node = node_of(mode, calls, 64, LONG, of=of)
    fast = wrap(fan(node, retry_policy=quickly()))
    assert run(fast, {"texts": ["a", "b", "c"]}, mode)["vectors"] == ["a", "b", "c"]
    assert tries == {"a": 1, "b": 3, "c": 1}
    assert calls.sizes == [3, 1, 1]


@both
@pytest.mark.parametrize(
    ("results", "match"),
    [
        ([], "of node 'embed' returned 0 results for 3 inputs; return one for each"),
        ([None] * 4, "returned 4 results for 3 inputs"),
        ({"vectors": ["a"]}, "returned a dict for 3 inputs; return a list"),
        (None, "returned a NoneType for 3 inputs"),
    ],
)
def test_results_that_are_no_list_of_results(mode: Mode, results: Any, match: str) -> None:
    fast = wrap(fan(batched(64, LONG)(lambda states: results)))
    with pytest.raises(BatchResultError, match=match):
        run(fast, texts(3), mode)


def test_plain_graphs_say_so_too() -> None:
    graph = fan(batched(64)(lambda states: [])).compile()
    with pytest.raises(BatchResultError, match="returned 0 results for 1 inputs"):
        graph.invoke(texts(1))


@both
def test_what_belongs_to_one_task_is_not_to_be_had(mode: Mode) -> None:
    """``interrupt`` and the like say that they are not in a node; in plain LangGraph too."""

    def asks(states: list[Packet]) -> list[Any]:
        return [interrupt("?") for _ in states]

    graph = fan(batched(64)(asks))
    for made in (graph.compile(), wrap(graph)):
        with pytest.raises(RuntimeError, match="outside of a runnable context"):
            run(made, texts(2), mode)


def test_context_variables_of_no_owner_are_seen() -> None:
    from contextvars import ContextVar

    name = ContextVar("name", default="nobody")

    def embed(states: list[Packet]) -> list[Any]:
        return [{"vectors": [name.get()]} for _ in states]

    graph = fan(batched(64)(embed))
    name.set("somebody")
    for made in (graph.compile(), wrap(graph)):
        assert made.invoke(texts(2))["vectors"] == ["nobody"] * 2
        assert asyncio.run(made.ainvoke(texts(2)))["vectors"] == ["nobody"] * 2


# -- limits ----------------------------------------------------------------------------


@both
@pytest.mark.parametrize("bound", [1, 2, 4])
@pytest.mark.parametrize("policy", ["off", "proven"])
def test_the_bound_counts_calls(mode: Mode, bound: int, policy: str) -> None:
    """A batch may have more items than tasks may run at once; calls may not be more."""
    calls = Calls()
    fast = wrap(fan(node_of(mode, calls, 8, LONG, seconds=0.01)), policy=policy)
    result = run(fast, texts(80), mode, {"max_concurrency": bound})
    assert result["vectors"] == upper(80)
    assert calls.sizes == [8] * 10
    assert calls.peak == bound


@both
def test_a_nodes_limit_counts_calls(mode: Mode) -> None:
    calls = Calls()
    node = node_of(mode, calls, 8, LONG, seconds=0.01)
    fast = wrap(fan(node), limits={"embed": 2})
    assert run(fast, texts(80), mode)["vectors"] == upper(80)
    assert calls.peak == 2
    assert calls.sizes == [8] * 10


@both
@pytest.mark.parametrize("bound", [1, 2])
def test_one_bound_for_batches_and_what_feeds_them(mode: Mode, bound: int) -> None:
    """No deadlock, whatever waits for whom."""
    calls = Calls()
    graph = nested(mode, node_of(mode, calls, 4, 0.002), lambda text: 0.001)
    report = check(graph, texts(9), config={"max_concurrency": bound}, mode=mode, runs=2)
    report.raise_for_difference()


@both
def test_a_batch_does_not_wait_for_a_place_that_it_holds(mode: Mode) -> None:
    """Tasks that may lead to more, and that wait for a place themselves, count for nothing."""
    started = time.monotonic()
    called: list[float] = []

    def of(text: str) -> Any:
        called.append(time.monotonic() - started)
        return {"vectors": [text]}

    builder: Any = nested(mode, node_of(mode, Calls(), 64, LONG, of=of))
    # Beside a slow task, which has one of two places, so that the others run ahead in turn.
    builder.add_node("first", lambda state: None)
    builder.branches["first"] = builder.branches.pop("__start__")

    def slow(state: Any) -> None:
        time.sleep(0.6)

    async def aslow(state: Any) -> None:
        await asyncio.sleep(0.6)

    builder.add_node("slow", slow if mode == "sync" else aslow)
    builder.add_edge("__start__", "first")
    builder.add_edge("__start__", "slow")
    fast = wrap(builder)
    started = time.monotonic()
    assert len(run(fast, texts(9), mode, {"max_concurrency": 2})["vectors"]) == 18
    assert called[-1] < 0.4


async def test_runs_are_bound_each_by_itself() -> None:
    """A run that has no place keeps no other waiting."""
    calls = Calls()
    node = node_of("async", calls, 4, 0.0, seconds=0.05)
    fast = wrap(fan(node))
    crowded = asyncio.create_task(fast.ainvoke(texts(40, "c"), {"max_concurrency": 1}))
    await asyncio.sleep(0.01)
    start = time.monotonic()
    await fast.ainvoke(texts(1, "q"))
    assert time.monotonic() - start < 0.2
    assert (await crowded)["vectors"] == upper(40, "c")


# -- cancellation ------------------------------------------------------------------------


async def ended(task: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await task


async def begun(calls: Calls) -> None:
    while not calls.made:  # noqa: ASYNC110 - a function that is tested sets it
        await asyncio.sleep(0)


async def test_an_owner_that_is_cancelled_leaves_the_others() -> None:
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG, seconds=0.05)))
    runs = [asyncio.create_task(fast.ainvoke(texts(2, f"r{n}-"))) for n in range(3)]
    await begun(calls)
    runs[0].cancel()
    await ended(runs[0])
    for number in (1, 2):
        assert (await runs[number])["vectors"] == upper(2, f"r{number}-")


async def test_when_all_owners_are_cancelled_so_is_the_call() -> None:
    """And it has ended when they have."""
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG, seconds=5.0)))
    before = asyncio.all_tasks()
    task = asyncio.create_task(fast.ainvoke(texts(3)))
    await begun(calls)
    task.cancel()
    await ended(task)
    assert calls.ended == 1
    assert asyncio.all_tasks() == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bound", [None, 1, 2])
async def test_cancellation_at_any_await(bound: int | None) -> None:
    """Nothing is left behind, and another run beside it has its results."""
    config: Any = {"max_concurrency": bound} if bound else {}
    for turns in range(0, 60, 2):
        calls = Calls()
        fast = wrap(nested("async", node_of("async", calls, 3, 0.001, seconds=0.001)))
        before = asyncio.all_tasks()
        beside = asyncio.create_task(fast.ainvoke(texts(3), config))
        task = asyncio.create_task(fast.ainvoke(texts(3), config))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert len((await beside)["vectors"]) == 6
        assert calls.running == 0
        assert asyncio.all_tasks() == before


async def test_an_item_dropped_before_its_call_is_not_called() -> None:
    calls = Calls()
    wait = {"slow0": 0.5}
    fast = wrap(nested("async", node_of("async", calls, 64, 0.05), lambda t: wait.get(t, 0.0)))
    # It waits for what the slow one may send; then its run is gone.
    task = asyncio.create_task(fast.ainvoke({"texts": ["slow0", "x"]}))
    await asyncio.sleep(0.02)
    task.cancel()
    await ended(task)
    await asyncio.sleep(0.1)
    assert not calls.made


@both
def test_a_run_that_fails_leaves_nothing(mode: Mode) -> None:
    """Neither a thread nor a task, though batches wait for what never comes."""
    calls = Calls()

    def wait(text: str) -> float:
        if text == "bad":
            raise ZeroDivisionError
        return 0.05 if text == "slow" else 0.0

    before = threading.active_count()
    fast = wrap(nested(mode, node_of(mode, calls, 64, LONG), wait))
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run(fast, {"texts": ["a", "slow", "bad", "b"]}, mode)
    assert time.monotonic() - start < LONG / 2
    assert calls.running == 0
    assert threading.active_count() <= before + 8  # the event loop's own executor


async def test_a_function_that_is_cancelled_from_within() -> None:
    async def embed(states: list[Packet]) -> list[Any]:
        raise asyncio.CancelledError

    fast = wrap(fan(batched(64, LONG)(embed)))
    plain = fan(batched(64)(embed)).compile()
    raised = [
        *await asyncio.gather(plain.ainvoke(texts(2)), return_exceptions=True),
        *await asyncio.gather(fast.ainvoke(texts(2)), return_exceptions=True),
    ]
    # What LangGraph makes of it, an error or nothing, depends on its version.
    assert type(raised[0]) is type(raised[1])


@both
def test_streams_left_early_leave_nothing(mode: Mode) -> None:
    calls = Calls()
    fast = wrap(nested(mode, node_of(mode, calls, 2, LONG, seconds=0.01)))
    if mode == "sync":
        for _ in fast.stream(texts(6), stream_mode="updates"):
            break
    else:

        async def leave() -> None:
            before = asyncio.all_tasks()
            stream: Any = fast.astream(texts(6), stream_mode="updates")
            async for _ in stream:
                break
            await stream.aclose()
            assert asyncio.all_tasks() == before

        asyncio.run(leave())
    assert calls.running == 0


def test_many_threads_invoke_one_graph() -> None:
    """On threads each run has batches of its own."""
    calls = Calls()
    fast = wrap(fan(batched(64, LONG)(embedding("sync", calls))))
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(fast.invoke(texts(n + 1))))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(len(result["vectors"]) for result in results) == list(range(1, 9))
    assert sorted(calls.sizes) == list(range(1, 9))
