"""G5, one concurrency bound: and limits of single nodes beside it.

``limits`` covers run-ahead and ordinary tasks of a node together. Whoever waits
for its node's limit keeps no place of ``max_concurrency`` and nobody waiting.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections import Counter
from collections.abc import Collection
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send

from langgraph_alto import wrap
from langgraph_alto.engine.slots import Slots
from langgraph_alto.testing import check
from tests.guarantees.shapes import SHAPES, Fan
from tests.guarantees.support import (
    Body,
    Journal,
    Mode,
    both,
    graph_of,
    node,
    run,
    uneven,
    wrapped,
)


class Seen(TypedDict):
    """What a chain returns."""

    seen: Annotated[list[str], operator.add]


policies = pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
bounds = pytest.mark.parametrize("bound", [None, 1, 2, 4])


class Gauges:
    """How many bodies of each node run at once, at most, and in which order they began."""

    def __init__(self) -> None:
        self.journals: dict[str, Journal] = {}
        self.all = Journal()

    def begin(self, name: str, item: object) -> None:
        self.journals.setdefault(name, Journal()).begin(name)
        self.all.begin(f"{name} {item}")

    def end(self, name: str, item: object, how: str = "end") -> None:
        self.all.end(f"{name} {item}", how)
        self.journals[name].end(name, how)

    def peak(self, name: str) -> int:
        return self.journals[name].peak

    def begun(self) -> list[str]:
        entries = self.all.entries
        return [entry.removeprefix("begin ") for entry in entries if entry.startswith("begin ")]


def stage(
    mode: Mode,
    name: str,
    then: str,
    gauges: Gauges,
    seconds: float = 0.001,
    failing: Collection[int] = (),
) -> Body:
    """A node that takes a packet and sends it on, or collects it; not all take as long."""

    def result(item: int) -> Any:
        if item in failing:
            raise ValueError("no")
        return Command(goto=[Send(then, item)]) if then else {"seen": [str(item)]}

    def body(item: int) -> Any:
        gauges.begin(name, str(item))
        time.sleep(seconds * (1 + item % 4))
        gauges.end(name, str(item))
        return result(item)

    async def abody(item: int) -> Any:
        gauges.begin(name, str(item))
        try:
            await asyncio.sleep(seconds * (1 + item % 4))
        except asyncio.CancelledError:
            gauges.end(name, str(item), "cancel")
            raise
        gauges.end(name, str(item))
        return result(item)

    return body if mode == "sync" else abody


def fan(graph: Any, *names: str) -> Any:
    """START ═▶ each of the names, with all items."""

    def sends(state: Fan) -> list[Send]:
        return [Send(name, item) for name in names for item in state["items"]]

    graph.add_conditional_edges(START, sends, list(names))
    return graph


def chain(
    mode: Mode,
    gauges: Gauges,
    names: str = "abc",
    seconds: float = 0.001,
    failing: Collection[int] = (),
) -> Any:
    """START ═▶ a ═▶ b ═▶ c: each item is sent through all of them."""
    graph: Any = StateGraph(Fan, output_schema=Seen)
    for name, then in zip(names, [*names[1:], ""], strict=True):
        body = stage(mode, name, then, gauges, seconds, failing if name == "b" else ())
        graph.add_node(name, body, **({"destinations": (then,)} if then else {}))
    return fan(graph, names[0])


def config_of(bound: int | None) -> dict[str, Any]:
    return {} if bound is None else {"max_concurrency": bound}


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

    START ═▶ work ═▶ (work or done, by what ``slow`` writes); START -> slow
    """
    journal = Journal()
    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, until="end early", key="right"),
            "early": node(mode, "early", journal),
            "done": node(mode, "done", journal),
        },
        [("", "quick"), ("", "slow"), ("quick", "early")],
    )
    graph.add_conditional_edges(
        "early", lambda state: "done" if state.get("right") else "quick", ["done", "quick"]
    )
    fast = wrapped(graph, limits=dict.fromkeys(["quick", "slow", "early", "done"], 1))
    assert run(fast, {"log": []}, mode)["log"] == ["quick", "early", "done"]


# -- what counts ---------------------------------------------------------------


@both
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


# -- strict order --------------------------------------------------------------


@both
def test_the_oldest_of_the_deepest_goes_first(mode: Mode) -> None:
    """What has come furthest is finished first, document by document.

    START ═▶ load ═▶ check ═▶ rate: two documents in three sentences each, while one
    document is loaded slowly, and with one place for all the rest.
    """
    gauges = Gauges()

    def parts(item: int) -> Any:
        return Command(goto=[Send("check", 10 * item + part) for part in range(3)])

    def waits(item: int) -> bool:
        return item == 0 and len(gauges.begun()) < 15

    def load(item: int) -> Any:
        gauges.begin("load", str(item))
        while waits(item):
            time.sleep(0.001)
        gauges.end("load", str(item))
        return parts(item)

    async def aload(item: int) -> Any:
        gauges.begin("load", str(item))
        while waits(item):  # noqa: ASYNC110 - for whatever runs meanwhile
            await asyncio.sleep(0.001)
        gauges.end("load", str(item))
        return parts(item)

    graph: Any = StateGraph(Fan)
    graph.add_node("load", load if mode == "sync" else aload, destinations=("check",))
    graph.add_node("check", stage(mode, "check", "rate", gauges), destinations=("rate",))
    graph.add_node("rate", stage(mode, "rate", "", gauges))
    run(wrapped(fan(graph, "load")), {"items": [0, 1, 2]}, mode, config_of(2))
    expected = [
        f"{name} {10 * document + part}"
        for document in (1, 2)
        for part in range(3)
        for name in ("check", "rate")
    ]
    ahead = [name for name in gauges.begun()[:15] if not name.startswith("load")]
    assert ahead == expected


@both
@pytest.mark.parametrize("limits", [{}, {"shallow": 1, "deep": 1}])
def test_nobody_starves(limits: dict[str, int], mode: Mode) -> None:
    """Its superstep begins, and then it goes first: before anything deeper, however much.

    START ═▶ a ═▶ deep ═▶ deep ═▶ deep ... one place, and always one more to run ahead
             a ═▶ shallow                  that is deeper than ``shallow``
    """
    gauges = Gauges()

    def deep(item: int) -> Any:
        gauges.begin("deep", str(item))
        time.sleep(0.002)
        gauges.end("deep", str(item))
        return Command(goto=[Send("deep", item + 1)] if item < 60 else [])

    async def adeep(item: int) -> Any:
        gauges.begin("deep", str(item))
        await asyncio.sleep(0.002)
        gauges.end("deep", str(item))
        return Command(goto=[Send("deep", item + 1)] if item < 60 else [])

    def a(item: int) -> Any:
        return Command(goto=[Send("shallow" if item else "deep", item)])

    graph: Any = StateGraph(Fan)
    graph.add_node("a", a, destinations=("deep", "shallow"))
    graph.add_node("deep", deep if mode == "sync" else adeep, destinations=("deep",))
    graph.add_node("shallow", stage(mode, "shallow", "", gauges))
    config = {"recursion_limit": 100, **config_of(1)}
    run(wrapped(fan(graph, "a"), limits=limits), {"items": [0, 1]}, mode, config)
    begun = gauges.begun()
    assert len(begun) == 62
    # Not at once: some run ahead before LangGraph has committed the first superstep.
    assert begun.index("shallow 1") < 30


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
