"""Batches in wrapped graphs: what goes together, what waits, and what does not."""

from __future__ import annotations

import asyncio
import gc
import operator
import time
import weakref
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from langgraph_alto import Batch, trace, wrap
from langgraph_alto.testing import check
from tests.batching.graphs import Calls, State, chain, fan, nested, node_of, texts, upper
from tests.guarantees.support import Mode, both, run


class Outer(TypedDict, total=False):
    vectors: Annotated[list[str], operator.add]


LONG = 5.0
"""Seconds that a batch may wait; no test takes as long unless something waits in vain."""


@both
def test_plain_graphs_call_with_a_list_of_one(mode: Mode) -> None:
    calls = Calls()
    result = run(fan(node_of(mode, calls)).compile(), texts(5), mode)
    assert result["vectors"] == upper(5)
    assert calls.sizes == [1] * 5


@both
@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
def test_a_superstep_of_calls_becomes_few(mode: Mode, policy: str) -> None:
    """Results go back to their owners in order; nobody waits as nothing more can come."""
    calls = Calls()
    fast = wrap(fan(node_of(mode, calls, 64, LONG)), policy=policy)
    start = time.monotonic()
    result = run(fast, texts(200), mode)
    assert time.monotonic() - start < LONG / 2
    assert result["vectors"] == upper(200)
    assert result["count"] == 200
    assert calls.sizes == [64, 64, 64, 8]


@both
def test_calls_of_plain_functions_on_an_event_loop_need_no_thread_each(mode: Mode) -> None:
    calls = Calls()
    fast = wrap(fan(node_of("sync", calls, 128, LONG)))
    assert run(fast, texts(128), mode)["vectors"] == upper(128)
    assert calls.sizes == [128]


@both
def test_what_runs_ahead_is_batched_with_what_comes_soon(mode: Mode) -> None:
    """While a ``split`` still runs that may send more, a batch waits for it, up to its time."""
    calls = Calls()
    fast = wrap(nested(mode, node_of(mode, calls, 64, LONG), lambda text: 0.02 * int(text[1:])))
    start = time.monotonic()
    result = run(fast, texts(4), mode)
    assert time.monotonic() - start < LONG / 2
    assert calls.sizes == [8]
    assert result["vectors"] == [f"T{n}{part}" for n in range(4) for part in "AB"]


@both
def test_a_batch_waits_no_longer_than_it_may(mode: Mode) -> None:
    calls = Calls()
    last = {"t3": 1.5}
    fast = wrap(nested(mode, node_of(mode, calls, 64, 0.5), lambda text: last.get(text, 0.0)))
    run(fast, texts(4), mode)
    assert calls.sizes == [6, 2]


@both
@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
def test_a_lone_item_never_waits(mode: Mode, policy: str) -> None:
    """A loop in which one task follows the other, though each batch may wait for seconds."""
    calls = Calls()
    fast = wrap(chain(node_of(mode, calls, 64, LONG)), policy=policy)
    start = time.monotonic()
    result = run(fast, {}, mode)
    assert time.monotonic() - start < LONG / 2
    assert result["vectors"] == ["T0", "T1", "T2"]
    assert calls.sizes == [1, 1, 1]


@both
def test_a_lone_item_does_not_wait_for_a_sibling_that_leads_elsewhere(mode: Mode) -> None:
    calls = Calls()
    builder: Any = fan(node_of(mode, calls, 64, LONG))

    def slow(state: State) -> None:
        time.sleep(0.3)

    async def aslow(state: State) -> None:
        await asyncio.sleep(0.3)

    builder.add_node("slow", slow if mode == "sync" else aslow)
    builder.add_edge(START, "slow")
    fast = wrap(builder)
    with trace() as timeline:
        run(fast, texts(1), mode)
    took = {span.name.partition("@")[0]: span.finished - span.started for span in timeline.spans}  # type: ignore[operator]
    assert took["embed"] < 0.2
    assert calls.sizes == [1]


async def test_concurrent_runs_share_batches() -> None:
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG, seconds=0.01)))
    start = time.monotonic()
    results = await asyncio.gather(*(fast.ainvoke(texts(1, f"r{n}-")) for n in range(100)))
    assert time.monotonic() - start < LONG / 2
    assert [result["vectors"] for result in results] == [[f"R{n}-0"] for n in range(100)]
    # Which of them get there in the same turn of the event loop is LangGraph's affair.
    assert len(calls.sizes) <= 10
    assert max(calls.sizes) <= 64


async def test_copies_of_a_graph_share_batches() -> None:
    """LangGraph's server makes a copy for each request."""
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG)))
    graphs = [fast, fast.copy({"name": "other"}), fast.with_config({"tags": ["one"]})]
    await asyncio.gather(*(graph.ainvoke(texts(3)) for graph in graphs))
    assert len(calls.sizes) < 3


async def test_a_run_does_not_wait_for_another_that_may_never_get_there() -> None:
    calls = Calls()
    wait = {"slow0": 1.0}
    fast = wrap(nested("async", node_of("async", calls, 64, LONG), lambda t: wait.get(t, 0.0)))
    slow = asyncio.create_task(fast.ainvoke(texts(1, "slow")))
    await asyncio.sleep(0.05)
    start = time.monotonic()
    await fast.ainvoke(texts(2, "quick"))
    assert time.monotonic() - start < 0.5
    await slow
    assert calls.sizes == [4, 2]


def test_event_loops_have_batches_of_their_own() -> None:
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG)))
    for _ in range(3):
        asyncio.run(fast.ainvoke(texts(3)))
    assert calls.sizes == [3, 3, 3]


@both
def test_a_node_in_a_subgraph_is_batched(mode: Mode) -> None:
    calls = Calls()
    inner = fan(node_of(mode, calls, 64, LONG)).compile()
    builder: Any = StateGraph(Outer)
    builder.add_node("inner", inner)
    builder.add_conditional_edges(
        START, lambda state: [Send("inner", texts(3, f"s{n}-")) for n in range(4)], ["inner"]
    )
    result = run(wrap(builder), {}, mode)
    assert len(result["vectors"]) == 12
    # On threads each run of the subgraph has its own.
    assert len(calls.sizes) < 4 if mode == "async" else calls.sizes == [3] * 4


@both
def test_wrap_again_and_without(mode: Mode) -> None:
    """The numbers given last count; without any, those of the decorator."""
    calls = Calls()
    fast = wrap(fan(node_of(mode, calls, 64, LONG)), batch={"embed": Batch(3)})
    run(fast, texts(6), mode)
    assert calls.sizes == [3, 3]
    calls.made.clear()
    run(wrap(fast), texts(6), mode)
    assert calls.sizes == [6]


async def test_batches_of_a_run_that_is_over_are_gone() -> None:
    calls = Calls()
    fast = wrap(fan(node_of("async", calls, 64, LONG)))
    node: Any = fast.nodes["embed"].bound
    before = asyncio.all_tasks()
    await fast.ainvoke(texts(10))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    gc.collect()
    assert not list(node.batchers.values())


def test_a_closed_loop_is_freed() -> None:
    fast = wrap(fan(node_of("async", Calls(), 64, LONG)))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(fast.ainvoke(texts(3)))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


@both
def test_the_trace_shows_when_the_call_ran(mode: Mode) -> None:
    calls = Calls()
    fast = wrap(fan(node_of(mode, calls, 64, LONG, seconds=0.05)))
    with trace() as timeline:
        run(fast, texts(3), mode)
    spans = [span for span in timeline.spans if span.name.startswith("embed")]
    assert len(spans) == 3
    for span in spans:
        assert span.started is not None
        assert span.finished is not None
        assert span.finished - span.started >= 0.045


# LangGraph's own, of tasks that a failing sibling ends before they have a slot.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
@pytest.mark.parametrize("config", [{}, {"max_concurrency": 1}, {"max_concurrency": 3}])
def test_a_batched_graph_equals_its_unwrapped_self(
    mode: Mode, policy: str, config: dict[str, Any]
) -> None:
    """With random timings; every item counts as a body, and none runs twice."""
    graph = nested(mode, node_of(mode, Calls(), 4, 0.005))
    report = check(
        graph,
        [texts(5), {"texts": ["a", "b!", "c"]}, {"texts": ["a", "b?", "c"]}],
        policy=policy,
        config=config,
        mode=mode,
        delays=("random", 0, 0.005),
        runs=2,
    )
    report.raise_for_difference()
