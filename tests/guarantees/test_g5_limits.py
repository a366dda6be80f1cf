"""G5, one concurrency bound: and limits of single nodes beside it.

``limits`` covers run-ahead and ordinary tasks of a node together. Whoever waits
for its node's limit keeps no place of ``max_concurrency`` and nobody waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send

from langgraph_alto import Effects, wrap
from langgraph_alto.engine.slots import Slots
from langgraph_alto.testing import check
from tests.guarantees.chains import Gauges, chain, config_of, fan, stage
from tests.guarantees.shapes import SHAPES, Fan, pause
from tests.guarantees.support import (
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    run,
    thread,
    uneven,
    wrapped,
)
from tests.versions import both_with_context

policies = pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
bounds = pytest.mark.parametrize("bound", [None, 1, 2, 4])


# -- the limit holds -----------------------------------------------------------


@both
@bounds
@policies
def test_a_limit_covers_all_together(policy: str, bound: int | None, mode: Mode) -> None:
    """A limit counts tasks of the current superstep and those run ahead together."""
    gauges = Gauges()
    limits = {"b": 1, "c": 2}
    fast = wrapped(chain(mode, gauges, seconds=0.004), policy=policy, limits=limits)
    items = list(range(12))
    result = run(fast, {"items": items}, mode, config_of(bound))
    assert result["seen"] == [str(item) for item in items]
    assert gauges.peak("b") == 1
    assert gauges.peak("c") <= 2
    assert len(gauges.begun()) == 36
    if policy == "proven" and bound != 1:
        entries = gauges.all.entries
        last = max(place for place, entry in enumerate(entries) if entry.startswith("end a"))
        assert any(entry.startswith("begin b") for entry in entries[:last]), "none ran ahead"
    if bound is not None:
        assert gauges.all.peak == bound


@both
def test_it_runs_ahead_up_to_the_limit(mode: Mode) -> None:
    """START -> slow, START -> quick -> early: the limit keeps nothing from running ahead."""
    journal = Journal()
    fast = wrapped(uneven(mode, journal), limits={"early": 1, "slow": 1})
    run(fast, {"log": []}, mode)
    assert journal.came_first("begin early", "end slow")


@both
@pytest.mark.parametrize("bound", [2, 3])
def test_who_waits_for_a_limit_keeps_nobody_waiting(bound: int, mode: Mode) -> None:
    """Neither a place nor those behind it in line.

    All of ``a`` is in line before all of ``b``, in one superstep; one of ``a`` at a time.
    """
    gauges = Gauges()
    graph: Any = StateGraph(Fan)
    for name in "ab":
        graph.add_node(name, stage(mode, name, "", gauges, 0.01))
    fan(graph, "a", "b")
    run(wrapped(graph, limits={"a": 1}), {"items": list(range(4))}, mode, config_of(bound))
    assert gauges.peak("a") == 1
    assert gauges.peak("b") == bound - 1
    begun = gauges.begun()
    assert begun[0] == "a 0"
    assert begun.index("b 0") < begun.index("a 1")


@both
@pytest.mark.parametrize("bound", [None, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_graph_with_every_node_limited(shape: str, bound: int | None, mode: Mode) -> None:
    """Whatever the graph: the result is LangGraph's, and there is no deadlock."""
    make, given_ = SHAPES[shape]
    journal = Journal()

    def outcome(compiled: Any) -> Any:
        journal.clear()
        return run(
            compiled, {**given_, "items": list(given_.get("items", []))}, mode, config_of(bound)
        )

    graph = make(mode, journal, 0.005)
    expected = outcome(graph.compile())
    fast = wrapped(graph, limits=dict.fromkeys(graph.nodes, 1))
    assert outcome(fast) == expected


@both
@pytest.mark.parametrize("policy", ["off", "proven"])
def test_the_only_task_of_a_superstep(policy: str, mode: Mode) -> None:
    """It counts beside what runs ahead of the same node, and waits for nothing else."""
    gauges = Gauges()
    fast = wrapped(chain(mode, gauges), policy=policy, limits=dict.fromkeys("abc", 1))
    assert run(fast, {"items": [1]}, mode)["seen"] == ["1"]
    assert run(fast, {"items": [1]}, mode, config_of(1))["seen"] == ["1"]


@both
def test_routers_that_wait_hold_no_place_of_their_node(mode: Mode) -> None:
    """Else the node would be full of those that wait for what its others do.

    START -> quick ═▶ early, early --(reads right)--> done
    START -> slow (writes right, when both of ``early`` have ended)
    """
    journal = Journal()

    def quick(state: State) -> Any:
        return Command(goto=[Send("early", {}), Send("early", {})])

    def waits() -> bool:
        return journal.entries.count("end early") < 2

    def slow(state: State) -> dict[str, Any]:
        limit = time.monotonic() + 5
        while waits():
            assert time.monotonic() < limit, "the second of early has not run ahead"
            time.sleep(0.001)
        return {"right": "yes"}

    async def aslow(state: State) -> dict[str, Any]:
        limit = time.monotonic() + 5
        while waits():
            assert time.monotonic() < limit, "the second of early has not run ahead"
            await asyncio.sleep(0.001)
        return {"right": "yes"}

    def choose(state: State) -> str:
        return "done" if state.get("right") else "quick"

    graph: Any = StateGraph(State)
    graph.add_node("quick", quick, destinations=("early",))
    graph.add_node("slow", slow if mode == "sync" else aslow)
    graph.add_node("early", node(mode, "early", journal))
    graph.add_node("done", node(mode, "done", journal))
    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    graph.add_conditional_edges("early", choose, ["done", "quick"])
    known = {"slow": Effects(reads=(), writes=("right",), mutates=())}
    fast = wrapped(graph, effects=known, limits={"early": 1})
    assert run(fast, {"log": []}, mode)["log"] == ["early", "early", "done"]
    assert journal.peak == 1


@both
def test_a_superstep_that_nothing_is_foreseen_from(mode: Mode) -> None:
    """In a graph in which something could run ahead, if it were reached.

    START ═▶ leaf; or -> quick -> early -> late
    """
    journal = Journal()
    names = ["leaf", "quick", "early", "late"]
    nodes = {name: node(mode, name, journal, seconds=0.005) for name in names}
    graph = graph_of(nodes, [("quick", "early"), ("early", "late")])

    def leaves(state: State) -> Any:
        return [Send("leaf", {}) for _ in range(5)] if not state.get("left") else "quick"

    graph.add_conditional_edges(START, leaves, ["leaf", "quick"])
    run(wrapped(graph, limits={"leaf": 1}), {"log": []}, mode)
    assert journal.entries == ["begin leaf", "end leaf"] * 5


@both
def test_what_came_to_nothing_takes_a_place_again(mode: Mode) -> None:
    """A run ahead, adopted while it runs, that calls a ``@task`` and begins anew."""
    gauges = Gauges()

    @task
    def hidden(number: int) -> int:
        return number

    @task
    async def ahidden(number: int) -> int:
        return number

    calls: list[Any] = []  # filled when analysis has looked

    def early(item: int) -> dict[str, Any]:
        gauges.begin("early", str(item))
        try:
            time.sleep(0.05)
            return {"seen": [str(calls[0](item).result())]}
        finally:
            gauges.end("early", str(item))

    async def aearly(item: int) -> dict[str, Any]:
        gauges.begin("early", str(item))
        try:
            await asyncio.sleep(0.05)
            return {"seen": [str(await calls[0](item))]}
        finally:
            gauges.end("early", str(item))

    graph: Any = StateGraph(Fan)
    graph.add_node("a", stage(mode, "a", "early", gauges, 0.01), destinations=("early",))
    graph.add_node("early", early if mode == "sync" else aearly)
    known = {"early": Effects(reads=(), writes=("seen",), mutates=(), goto=())}
    fast = wrapped(fan(graph, "a"), effects=known, limits={"early": 1})
    calls.append(hidden if mode == "sync" else ahidden)
    assert run(fast, {"items": [0, 1, 2, 3]}, mode)["seen"] == ["0", "1", "2", "3"]
    assert gauges.peak("early") == 1
    assert len(gauges.begun()) == 4 + 5, "one of early begins twice"


@both
def test_the_only_task_left_of_a_superstep(mode: Mode) -> None:
    """A run goes on after a failure: what was done is not done again, and its successors
    run ahead beside the one task that is left, within the bound."""
    journal = Journal()
    failing = True

    def maybe(state: State) -> dict[str, Any]:
        if failing:
            raise ValueError("no")
        return {"left": "yes"}

    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": pause(mode, "slow", journal, 0.03, maybe),
            "early": node(mode, "early", journal, seconds=0.03),
        },
        [("", "quick"), ("", "slow"), ("quick", "early")],
    )
    fast = wrapped(graph.compile(checkpointer=InMemorySaver()), limits={"early": 1})
    config = {**thread(), **config_of(1)}
    with pytest.raises(ValueError, match="no"):
        run(fast, {"log": []}, mode, config)
    failing = False
    journal.clear()
    assert run(fast, None, mode, config)["log"] == ["quick", "early"]
    assert journal.calls() == {"slow": 1, "early": 1}
    assert journal.peak == 1


# -- what counts ---------------------------------------------------------------


@both_with_context
def test_a_node_that_calls_tasks(mode: Mode) -> None:
    """Its ``@task``s have no limit of its; it holds its own place while it waits for them."""
    gauges = Gauges()

    @task
    def double(number: int) -> int:
        gauges.begin("call", number)
        time.sleep(0.002)
        gauges.end("call", number)
        return 2 * number

    @task
    async def adouble(number: int) -> int:
        gauges.begin("call", number)
        await asyncio.sleep(0.002)
        gauges.end("call", number)
        return 2 * number

    def calls(item: int) -> dict[str, Any]:
        gauges.begin("calls", item)
        total = sum(call.result() for call in [double(n) for n in range(3)])
        gauges.end("calls", item)
        return {"seen": [str(total)]}

    async def acalls(item: int) -> dict[str, Any]:
        gauges.begin("calls", item)
        total = sum(await asyncio.gather(*(adouble(n) for n in range(3))))
        gauges.end("calls", item)
        return {"seen": [str(total)]}

    graph: Any = StateGraph(Fan)
    graph.add_node("calls", calls if mode == "sync" else acalls)
    fast = wrapped(fan(graph, "calls"), limits={"calls": 1})
    # Without its limit, LangGraph would have no place left for the calls.
    for bound in (None, 2, 4):
        gauges.journals.clear()
        result = run(fast, {"items": [1, 2, 3]}, mode, config_of(bound))
        assert result["seen"] == ["6"] * 3
        assert gauges.peak("calls") == 1
        assert gauges.peak("call") > 1 or bound == 2


@both
def test_each_run_of_a_subgraph_has_its_own(mode: Mode) -> None:
    """Three runs of a subgraph at once: one of its node in each; two runs where limited."""
    gauges = Gauges()
    inner = wrapped(chain(mode, gauges, "x", 0.05), limits={"x": 1})

    def sends(state: Fan) -> list[Send]:
        return [Send("inner", {"items": [item, item + 10]}) for item in state["items"]]

    graph: Any = StateGraph(Fan)
    graph.add_node("inner", inner)
    graph.add_conditional_edges(START, sends, ["inner"])
    for limits, peak in (({}, 3), ({"inner": 2}, 2)):
        gauges.journals.clear()
        result = run(wrapped(graph, limits=limits), {"items": [0, 1, 2]}, mode)
        assert result["seen"] == ["0", "10", "1", "11", "2", "12"]
        assert gauges.peak("x") == peak


async def test_each_run_has_its_own() -> None:
    """As ``max_concurrency``, a limit is for one run: two at once have two."""
    gauges = Gauges()
    fast = wrapped(chain("async", gauges, "a", 0.05), limits={"a": 1})
    await asyncio.gather(*(fast.ainvoke({"items": [0, 1]}) for _ in range(3)))
    assert gauges.peak("a") == 3


@both
def test_an_entrypoint(mode: Mode) -> None:
    """A graph without a plan has limits, too."""

    @entrypoint()
    def main(number: int) -> int:
        return number + 1

    @entrypoint()
    async def amain(number: int) -> int:
        return number + 1

    graph: Any = main if mode == "sync" else amain
    name = next(iter(graph.nodes))
    assert run(wrapped(graph, limits={name: 1}), 1, mode) == 2
    with pytest.raises(ValueError, match="limits names the node 'other'"):
        wrapped(graph, limits={"other": 1})


@both
def test_retries_hold_their_place(mode: Mode) -> None:
    """An attempt after another is the same task: it counts once, and until the last."""
    gauges = Gauges()
    tries: Counter[int] = Counter()

    def body(item: int) -> dict[str, Any]:
        tries[item] += 1
        gauges.begin("a", str(item))
        time.sleep(0.001)
        gauges.end("a", str(item))
        if tries[item] < 3:
            raise ValueError(item)
        return {"seen": [str(item)]}

    async def abody(item: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return body(item)

    graph: Any = StateGraph(Fan)
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)
    graph.add_node("a", body if mode == "sync" else abody, retry_policy=policy)
    result = run(wrapped(fan(graph, "a"), limits={"a": 1}), {"items": [0, 1, 2]}, mode)
    assert result["seen"] == ["0", "1", "2"]
    assert gauges.begun() == [f"a {n}" for n in range(3) for _ in range(3)]


# -- it ends early -------------------------------------------------------------


@both
@bounds
def test_a_failure_gives_the_places_back(bound: int | None, mode: Mode) -> None:
    """After a failure at a limit, ahead or in turn, the graph runs again at the same one."""
    gauges = Gauges()
    failing: set[int] = {5}
    fast = wrapped(chain(mode, gauges, failing=failing), limits={"b": 1})
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            run(fast, {"items": list(range(9))}, mode, config_of(bound))
    failing.clear()
    result = run(fast, {"items": list(range(9))}, mode, config_of(bound))
    assert result["seen"] == [str(item) for item in range(9)]
    assert gauges.peak("b") == 1


@pytest.mark.parametrize("bound", [None, 1, 2])
@policies
def test_cancelled_at_any_await(
    policy: str, bound: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a run is cancelled, all its places have been given back when it has ended."""
    made: list[Slots] = []
    original = Slots.__init__

    def noted(self: Slots, *args: Any) -> None:
        original(self, *args)
        made.append(self)

    monkeypatch.setattr(Slots, "__init__", noted)

    async def turns(count: int) -> bool:
        gauges = Gauges()
        fast = wrapped(chain("async", gauges, seconds=0.0), policy=policy, limits={"a": 2, "b": 1})
        running = asyncio.ensure_future(fast.ainvoke({"items": [0, 1, 2]}, config_of(bound)))
        for _ in range(count):
            await asyncio.sleep(0)
        ended = bool(running.done())
        running.cancel()
        await asyncio.wait([running])
        assert gauges.all.running == 0
        return ended

    async def everywhere() -> None:
        count = 0
        while not await turns(count):
            count += 1
        assert count > 20

    asyncio.run(everywhere())
    assert made
    for slots in made:
        assert slots.held == 0
        assert slots._line is not None
        assert {name: slots._line.room[name] for name in "ab"} == {"a": 2, "b": 1}
    made.clear()


# -- same result ---------------------------------------------------------------


@both
@pytest.mark.parametrize("policy", ["proven", "speculative"])
@pytest.mark.parametrize("bound", [None, 2])
def test_everything_else_is_langgraphs(policy: str, bound: int | None, mode: Mode) -> None:
    """States, updates, checkpoints and node calls, with random delays."""

    def limited(graph: Any) -> Any:
        return wrap(graph, policy=policy, limits={"a": 2, "b": 1})

    check(
        chain(mode, Gauges()),
        [{"items": list(range(5))}],
        policy=policy,
        mode=mode,
        delays=("random", 0, 0.004),
        runs=2,
        seed=3,
        config=config_of(bound),
        checkpointer=InMemorySaver,
        wrapped=limited,
    ).raise_for_difference()


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 3),
    st.fixed_dictionaries({}, optional={name: st.integers(1, 3) for name in "abc"}),
    st.lists(st.integers(0, 7), min_size=1, max_size=8),
    st.sampled_from(["off", "proven", "speculative"]),
    st.sampled_from(["sync", "async"]),
)
def test_any_limits(
    bound: int, limits: dict[str, int], items: list[int], policy: str, mode: Mode
) -> None:
    """The bound and all limits hold, and all that is to be done is done once."""
    gauges = Gauges()
    graph = chain(mode, gauges, seconds=0.0003)
    fast = wrapped(graph, policy=policy, limits=limits)
    result = run(fast, {"items": items}, mode, config_of(bound))
    assert result["seen"] == [str(item) for item in items]
    assert gauges.all.peak <= bound
    assert all(gauges.peak(name) <= limit for name, limit in limits.items())
    if policy != "speculative":
        assert len(gauges.begun()) == 3 * len(items)
