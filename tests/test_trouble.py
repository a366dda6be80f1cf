"""Behaviour under trouble: what ends a run before its time, or disturbs it.

Every test runs the same on plain LangGraph, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import gc
import operator
import time
from collections import Counter
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained, GraphRecursionError, NodeTimeoutError
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import CachePolicy, Command, Send, TimeoutPolicy, interrupt

from langgraph_alto import wrap
from tests.guarantees.shapes import pause
from tests.guarantees.support import (
    Body,
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    nothing_left,
    run,
    thread,
    uneven,
    wrapped,
)
from tests.versions import both_with_context

ALL = ["quick", "slow", "early", "late", "end"]


def plainly(graph: Any) -> Any:
    return graph.compile(checkpointer=InMemorySaver())


def fast(graph: Any) -> Any:
    return wrapped(plainly(graph))


def history(graph: Any, config: Any) -> list[Any]:
    return [
        (s.values, s.next, s.metadata["step"], s.metadata["source"], [t.name for t in s.tasks])
        for s in graph.get_state_history(config)
    ]


# -- a failing node beside run-ahead work --------------------------------------


@both
def test_a_failing_node_beside_run_ahead_work(mode: Mode) -> None:
    """The failure is raised, run-ahead is dropped, and the run can be resumed."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        broken = [True]

        def fails(state: State) -> dict[str, Any]:
            if broken:
                raise ValueError("not yet")
            return {"log": ["slow"]}

        graph = make(uneven(mode, journal, slow=pause(mode, "slow", journal, 0.05, fails)))
        with pytest.raises(ValueError, match="not yet"):
            run(graph, {"log": []}, mode, thread())
        broken.clear()
        return run(graph, None, mode, thread()), history(graph, thread())

    assert outcome(fast) == outcome(plainly)


# -- cancellation --------------------------------------------------------------


def turning(turns: int, name: str, journal: Journal) -> Body:
    """A node that gives way to the event loop so many times."""

    async def body(state: State) -> dict[str, Any]:
        journal.begin(name)
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            journal.end(name, "cancel")
            raise
        journal.end(name)
        return {"log": [name]}

    return body


def _turning(journal: Journal) -> Any:
    return uneven(
        "async",
        journal,
        quick=turning(1, "quick", journal),
        slow=turning(12, "slow", journal),
        early=turning(6, "early", journal),
        late=turning(4, "late", journal),
        end=turning(2, "end", journal),
    )


# A coroutine that waits for a place and is cancelled there has never begun; LangGraph
# itself leaves it so, and Python says that it was never awaited.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bound", [None, 1, 2])
async def test_cancellation_at_any_await(bound: int | None) -> None:
    """The caller is cancelled at each of its awaits in turn; the run can then go on."""
    ended = 0
    for turns in range(0, 400, 3):
        journal = Journal()
        graph = fast(_turning(journal))
        config = thread(max_concurrency=bound) if bound else thread()
        with nothing_left():
            running = asyncio.ensure_future(graph.ainvoke({"log": []}, config, durability="sync"))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            try:
                await running
                ended += 1
            except asyncio.CancelledError:
                pass
        assert journal.running == 0
        state = await graph.aget_state(config)
        given: Any = None if state.values else {"log": []}
        with nothing_left():
            assert (await graph.ainvoke(given, config))["log"] == ALL
        if ended > 2:
            break
    # From before the first node to after the last.
    assert ended > 2
    assert turns > 30
    gc.collect()  # here, and not in the next test, are those coroutines said to be lost


async def test_cancellation_of_a_stream() -> None:
    """The same while the caller waits for an event."""
    for seconds in (0.0, 0.005, 0.02, 0.05):
        journal = Journal()
        graph = fast(uneven("async", journal, late=node("async", "late", journal, seconds=30)))

        async def read(graph: Any = graph) -> None:
            async for _ in graph.astream({"log": []}, thread(), stream_mode="updates"):
                pass

        with nothing_left():
            running = asyncio.ensure_future(read())
            await asyncio.sleep(seconds)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert journal.running == 0


# -- time limits ---------------------------------------------------------------


@both
def test_step_timeout(mode: Mode) -> None:
    """The time limit of a superstep is for its tasks, as in LangGraph."""

    def outcome(make: Any, seconds: float, limit: float) -> Any:
        journal = Journal()
        graph = uneven(
            mode,
            journal,
            slow=node(mode, "slow", journal, seconds=seconds),
            early=node(mode, "early", journal, seconds=seconds),
        ).compile()
        graph.step_timeout = limit
        try:
            return run(make(graph), {"log": []}, mode)["log"]
        except TimeoutError:
            return "out of time"
        except asyncio.TimeoutError:  # another class before 3.11
            return "out of time"

    def same(graph: Any) -> Any:
        return graph

    assert outcome(wrap, 0.3, 0.1) == outcome(same, 0.3, 0.1) == "out of time"
    # Two supersteps within the limit each, longer than it together.
    assert outcome(wrap, 0.2, 0.3) == outcome(same, 0.2, 0.3) == ALL


async def test_node_timeouts() -> None:
    """A node's own limit ends its attempt; other nodes run ahead of it and beside it."""

    async def outcome(make: Any) -> Any:
        journal = Journal()
        graph = graph_of(
            {
                "quick": node("async", "quick", journal),
                "early": node("async", "early", journal, seconds=0.01),
            },
            [("", "quick"), ("quick", "early")],
        )
        lasting = node("async", "slow", journal, seconds=30)
        graph.add_node("slow", lasting, timeout=TimeoutPolicy(run_timeout=0.1))
        graph.add_edge(START, "slow")
        with nothing_left(), pytest.raises(NodeTimeoutError) as caught:
            await make(graph).ainvoke({"log": []}, thread())
        return caught.value.node

    assert await outcome(fast) == await outcome(plainly) == "slow"


# -- limits --------------------------------------------------------------------


@both
@pytest.mark.parametrize("bound", [1, 2])
def test_max_concurrency(bound: int, mode: Mode) -> None:
    """The bound covers ordinary tasks and run-ahead together; nothing hangs."""
    journal = Journal()
    nodes = {name: node(mode, name, journal, seconds=0.01) for name in ALL}
    graph = uneven(mode, journal, **nodes)
    result = run(wrapped(graph), {"log": []}, mode, {"max_concurrency": bound})
    assert result["log"] == ALL
    assert journal.peak == bound


@both
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_recursion_limit(limit: int, mode: Mode) -> None:
    """The limit counts LangGraph's supersteps, however much runs ahead."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        graph = make(uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.03)))
        config = thread(recursion_limit=limit)
        try:
            result = run(graph, {"log": []}, mode, config)
        except GraphRecursionError as error:
            result = str(error)
        return result, history(graph, thread()), journal.calls()

    assert outcome(fast) == outcome(plainly)


# -- interrupts ----------------------------------------------------------------


def asks(name: str) -> Body:
    def body(state: State) -> dict[str, Any]:
        return {"log": [f"{name}: {interrupt(f'{name}?')}"]}

    return body


@both_with_context
def test_several_interrupts_with_run_ahead_in_flight(mode: Mode) -> None:
    """Three branches: two ask in different supersteps, one runs ahead until it may not.

    START -> a -> ask1 -> join
    START -> b -> ask2 -> join
    START -> quick -> early -> after -> join
    """

    def outcome(make: Any) -> Any:
        journal = Journal()
        names = ["a", "quick", "early", "after", "join"]
        nodes: dict[str, Body] = {name: node(mode, name, journal) for name in names}
        nodes["b"] = node(mode, "b", journal, seconds=0.03)
        nodes["ask1"], nodes["ask2"] = asks("ask1"), asks("ask2")
        edges: list[tuple[Any, str]] = [
            ("", "a"),
            ("", "b"),
            ("", "quick"),
            ("a", "ask1"),
            ("b", "ask2"),
            ("quick", "early"),
            ("early", "after"),
            (["ask1", "ask2", "after"], "join"),
        ]
        graph = make(graph_of(nodes, edges))
        config = thread()
        first = run(graph, {"log": []}, mode, config)
        assert {i.value for i in first["__interrupt__"]} == {"ask1?", "ask2?"}
        answers = {i.id: f"yes {i.value}" for i in first["__interrupt__"]}
        one = next(iter(answers))
        second = run(graph, Command(resume={one: answers.pop(one)}), mode, config)
        assert len(second["__interrupt__"]) == 1
        last = run(graph, Command(resume=answers), mode, config)
        calls = journal.calls()
        assert set(calls.values()) == {1}
        return last["log"], history(graph, config), calls

    assert outcome(fast) == outcome(plainly)


@both_with_context
def test_interrupts_in_subgraphs(mode: Mode) -> None:
    """A subgraph asks twice while its parent's other branch runs ahead."""

    def outcome(make: Any) -> Any:
        journal = Journal()

        def twice(state: State) -> dict[str, Any]:
            return {"left": f"{interrupt('one?')}, {interrupt('two?')}"}

        inner = graph_of(
            {"first": node(mode, "first", journal), "twice": twice},
            [("", "first"), ("first", "twice")],
        ).compile()
        graph = graph_of(
            {
                "quick": node(mode, "quick", journal),
                "early": node(mode, "early", journal),
                "slow": node(mode, "slow", journal, seconds=0.03),
            },
            [("", "quick"), ("", "slow"), ("quick", "early")],
        )
        graph.add_node("inner", inner)
        graph.add_edge("slow", "inner")
        made = make(graph)
        inputs: list[Any] = [{"log": []}, Command(resume="1"), Command(resume="2")]
        results = [run(made, given, mode, thread()) for given in inputs]
        seen = [[i.value for i in result.get("__interrupt__", ())] for result in results]
        return seen, results[-1], history(made, thread()), journal.calls()

    expected = outcome(plainly)
    assert expected[0] == [["one?"], ["two?"], []]
    assert outcome(fast) == expected


@both
@pytest.mark.parametrize(
    "stop",
    [
        {"interrupt_before": ["late"]},
        {"interrupt_after": ["early"]},
        {"interrupt_before": ["end"], "interrupt_after": ["quick"]},
        {"interrupt_before": "*"},
        {"interrupt_after": "*"},
    ],
)
def test_static_interrupts(stop: dict[str, Any], mode: Mode) -> None:
    """Breakpoints with run-ahead in flight, resumed until the end."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        graph = make(
            uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.03)).compile(
                checkpointer=InMemorySaver(), **stop
            )
        )
        seen = [run(graph, {"log": []}, mode, thread())]
        while graph.get_state(thread()).next:
            seen.append(run(graph, None, mode, thread()))
        return seen, history(graph, thread()), journal.calls()

    expected = outcome(lambda graph: graph)
    assert len(expected[0]) > 1
    assert outcome(wrap) == expected


# -- time travel ---------------------------------------------------------------


@both
def test_replay_and_forks(mode: Mode) -> None:
    """Replay from, and ``update_state`` at, each old checkpoint."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        graph = make(uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.02)))
        run(graph, {"log": []}, mode, thread())
        found: list[Any] = []
        for old in list(graph.get_state_history(thread())):
            journal.clear()
            replayed = run(graph, None, mode, old.config)
            found.append((replayed, journal.calls()))
            if old.metadata["step"] < 0:
                continue
            journal.clear()
            fork = graph.update_state(old.config, {"log": ["forked"]}, as_node="quick")
            found.append((run(graph, None, mode, fork), journal.calls()))
        return found, history(graph, thread())

    expected = outcome(plainly)
    assert any("forked" in result["log"] for result, _ in expected[0])
    assert outcome(fast) == expected


@both
def test_input_into_a_thread_that_is_not_done(mode: Mode) -> None:
    """New input, or a ``Command``, in a thread that stopped half-way."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        graph = make(uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.02)))
        run(graph, {"log": []}, mode, thread(), interrupt_before=["end"])
        results = [run(graph, {"log": ["again"]}, mode, thread())]
        command = Command(update={"log": ["by hand"]}, goto="early")
        results.append(run(graph, command, mode, thread()))
        return results, history(graph, thread()), journal.calls()

    assert outcome(fast) == outcome(plainly)


# -- draining ------------------------------------------------------------------


@both
def test_drain(mode: Mode) -> None:
    """A drain request from outside: the superstep ends, nothing else begins."""
    journal = Journal()
    control = RunControl()
    plain = node(mode, "slow", journal, until="end early")

    def slow(state: State) -> Any:
        result = plain(state)
        control.request_drain("deploy")
        return result

    async def aslow(state: State) -> Any:
        result = await plain(state)
        control.request_drain("deploy")
        return result

    graph = fast(uneven(mode, journal, slow=slow if mode == "sync" else aslow))
    with pytest.raises(GraphDrained, match="deploy"):
        run(graph, {"log": []}, mode, thread(), control=control)
    assert journal.calls() == {"quick": 1, "slow": 1, "early": 1}
    assert graph.get_state(thread()).values["log"] == ["quick", "slow"]
    assert run(graph, None, mode, thread())["log"] == ALL


# -- state ---------------------------------------------------------------------


class Notes(TypedDict, total=False):
    notes: dict[str, list[str]]
    log: Annotated[list[str], operator.add]


@both
def test_nodes_that_mutate_their_state(mode: Mode) -> None:
    """Nodes that change nested state in place and return nothing, side by side."""

    def outcome(make: Any) -> Any:
        journal = Journal()

        def adds(name: str) -> Body:
            def body(state: Notes) -> dict[str, Any]:
                # Of its own branch: what siblings see of each other is a race.
                state["notes"].setdefault(name[0], []).append(name)
                return {"log": [f"{name} of {len(state['notes'][name[0]])}"]}

            return body

        names = ["a1", "b1", "a2", "b2", "c1"]
        nodes = {
            name: pause(mode, name, journal, 0.02 if name == "b1" else 0, adds(name))
            for name in names
        }
        edges: list[tuple[Any, str]] = [
            ("", "a1"),
            ("", "b1"),
            ("a1", "a2"),
            ("b1", "b2"),
            (["a2", "b2"], "c1"),
        ]
        return run(make(graph_of(nodes, edges, Notes)), {"notes": {}, "log": []}, mode, thread())

    assert outcome(fast) == outcome(plainly)


@both
def test_nodes_that_read_everything(mode: Mode) -> None:
    """Nodes that print, copy, compare and iterate over the whole state."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        ways: dict[str, Any] = {
            "copies": lambda state: sorted(dict(state)),
            "lists": lambda state: sorted(list(state)),  # noqa: C414
            "prints": lambda state: [str(len(f"{state}"))],
            "iterates": lambda state: sorted(key for key in state),
            "merges": lambda state: sorted({**state, "x": 1}),
            "counts": lambda state: [str(len(state))],
        }

        def says(way: Any) -> Body:
            return lambda state: {"log": way(state)}

        nodes: dict[str, Body] = {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, seconds=0.02, key="right"),
        }
        edges: list[tuple[Any, str]] = [("", "quick"), ("", "slow")]
        for name, way in ways.items():
            nodes[name] = says(way)
            edges.append(("quick", name))
        return run(make(graph_of(nodes, edges)), {"log": []}, mode, thread())

    assert outcome(fast) == outcome(plainly)


# -- caches --------------------------------------------------------------------


@both
@pytest.mark.parametrize("cached", ["quick", "early", "late", "end"])
def test_caches(cached: str, mode: Mode) -> None:
    """A cached node is looked up as in LangGraph, and beside it others run ahead."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        graph = graph_of({}, [])
        for name in ALL:
            seconds = 0.03 if name == "slow" else 0
            policy: Any = CachePolicy(ttl=None) if name == cached else None
            graph.add_node(name, node(mode, name, journal, seconds=seconds), cache_policy=policy)
        for source, target in [
            (START, "quick"),
            (START, "slow"),
            ("quick", "early"),
            ("slow", "late"),
        ]:
            graph.add_edge(source, target)
        graph.add_edge(["early", "late"], "end")
        compiled = make(graph.compile(cache=InMemoryCache()))
        results = [run(compiled, {"log": []}, mode) for _ in range(3)]
        return results, journal.calls()

    expected = outcome(lambda graph: graph)
    assert expected[1] == {name: 1 if name == cached else 3 for name in ALL}
    assert outcome(wrap) == expected


# -- many runs at once ---------------------------------------------------------


async def test_a_thousand_runs_at_once() -> None:
    """Runs of one graph share nothing but the graph."""
    calls: Counter[str] = Counter()

    async def step(state: State) -> dict[str, Any]:
        calls[state["left"]] += 1
        await asyncio.sleep(0.001 * (len(state["left"]) % 3))
        return {"log": [state["left"]]}

    async def waits(state: State) -> dict[str, Any]:
        calls[state["left"]] += 1
        await asyncio.sleep(0.02)
        return {"log": [state["left"]]}

    graph = graph_of(
        {"quick": step, "slow": waits, "early": step, "late": step},
        [("", "quick"), ("", "slow"), ("quick", "early"), (["early", "slow"], "late")],
    )
    made = wrapped(graph)
    names = [f"{number}" for number in range(1000)]
    with nothing_left():
        results = await asyncio.gather(*(made.ainvoke({"left": name, "log": []}) for name in names))
    for name, result in zip(names, results, strict=True):
        assert result == {"left": name, "log": [name] * 4}
    assert set(calls.values()) == {4}


def test_runs_on_several_threads() -> None:
    """One graph, called from several threads at once."""
    journal = Journal()
    made = wrapped(uneven("sync", journal, slow=node("sync", "slow", journal, seconds=0.02)))
    results = made.batch([{"log": []} for _ in range(20)], {"max_concurrency": 5})
    assert [result["log"] for result in results] == [ALL] * 20
    assert set(journal.calls().values()) == {20}


# -- wrapped twice -------------------------------------------------------------


@both
def test_a_graph_wrapped_twice(mode: Mode) -> None:
    """It runs as one wrapped once: every body once, and ahead."""
    journal = Journal()
    made = wrap(wrap(uneven(mode, journal)))
    assert run(made, {"log": []}, mode)["log"] == ALL
    assert set(journal.calls().values()) == {1}


# -- loops ---------------------------------------------------------------------


@both
def test_a_loop_that_fans_out_each_time(mode: Mode) -> None:
    """Foreseen tasks of one turn are not kept for the next."""

    def outcome(make: Any) -> Any:
        journal = Journal()
        graph: Any = StateGraph(State)

        def more(state: State) -> Any:
            if len(state["log"]) > 12:
                return END
            return [Send("work", {"left": str(len(state["log"]) + n)}) for n in range(2)]

        def work(packet: State) -> dict[str, Any]:
            journal.begin("work")
            time.sleep(0.001)
            journal.end("work")
            return {"log": [packet["left"]]}

        graph.add_node("turn", node(mode, "turn", journal))
        graph.add_node("slow", node(mode, "slow", journal, seconds=0.02))
        graph.add_node("work", work)
        graph.add_edge(START, "turn")
        graph.add_edge(START, "slow")
        graph.add_conditional_edges("turn", more, ["work", END])
        graph.add_edge("work", "turn")
        return run(make(graph), {"log": []}, mode, thread()), journal.calls()

    assert outcome(fast) == outcome(plainly)
