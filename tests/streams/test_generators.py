"""What a ``@streaming`` node yields goes on while it still works, and all ends as in LangGraph.

Here a node proves that another runs ahead by waiting for it: it ends only when the
journal has the other's beginning, so under LangGraph's schedule it waits in vain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from langgraph_alto import Gathered, gather, streaming, wrap
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.testing import check
from tests.guarantees.support import (
    Journal,
    Mode,
    both,
    engines,
    nothing_alive,
    nothing_left,
    run,
    stream,
    supersteps,
    thread,
)
from tests.streams.graphs import (
    State,
    Then,
    Until,
    await_,
    fan_out,
    known,
    packet,
    source,
    wait,
    worker,
)


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """G8, for each test: no thread, and no predictor, which knows all tasks of its run."""
    original = Predictor.__init__

    def noted(self: Predictor, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        engines.alive.add(self)

    monkeypatch.setattr(Predictor, "__init__", noted)
    with nothing_left():
        yield
    assert nothing_alive()


# -- packets --------------------------------------------------------------------


@both
def test_a_packet_starts_its_task_before_the_node_has_ended(mode: Mode) -> None:
    journal = Journal()
    builder = fan_out(mode, journal, packet(0), Until("end worker 0"), packet(1))
    found = run(wrap(builder), {"log": []}, mode)
    assert found["log"] == ["worker 0", "worker 1"]
    assert journal.calls() == {"source": 1, "worker 0": 1, "worker 1": 1}
    assert nothing_alive()


@both
@pytest.mark.parametrize("way", ["command", "list"])
def test_packets_in_any_part(mode: Mode, way: str) -> None:
    journal = Journal()
    sends = [packet(0), packet(1)]
    part: Any = Command(goto=sends, update={"left": "x"}) if way == "command" else sends
    builder = fan_out(mode, journal, part, Until("begin worker 0"), Until("begin worker 1"))
    assert run(wrap(builder), {"log": []}, mode)["log"] == ["worker 0", "worker 1"]


@both
def test_policy_off_starts_nothing_before_the_end(mode: Mode) -> None:
    journal = Journal()
    builder = fan_out(mode, journal, packet(0), packet(1), Then(lambda: time.sleep(0.01)))
    run(wrap(builder, policy="off"), {"log": []}, mode)
    assert journal.came_first("end source", "begin worker 0")


@both
def test_a_child_that_streams_too(mode: Mode) -> None:
    journal = Journal()
    builder = fan_out(
        mode,
        journal,
        packet(0, "middle"),
        Until("end worker 0"),
        Until("begin worker 1"),
        packet(1, "middle"),
    )
    middle = source(
        mode, journal, packet(0), Until("end worker 0"), packet(1), name="middle", buffer=2
    )
    builder.add_node("middle", middle, destinations=("worker",))
    builder.nodes["source"].ends = ("middle",)
    found = run(wrap(builder), {"log": []}, mode)
    assert found["log"] == ["worker 0", "worker 1"] * 2
    assert journal.calls() == {"source": 1, "middle": 2, "worker 0": 2, "worker 1": 2}


@both
def test_it_streams_while_it_runs_ahead_itself(mode: Mode) -> None:
    """
    START -> slow, which waits for the packets' tasks, two supersteps later
    START -> quick -> source -> worker
    """
    journal = Journal()
    builder = fan_out(mode, journal, packet(0), Until("end worker 0"), packet(1))
    builder.add_node("slow", worker(mode, journal, name="slow", until="end worker 1"))
    builder.add_node("quick", lambda state: None)
    builder.edges.clear()
    builder.add_conditional_edges(START, lambda state: [packet(0, "slow"), "quick"])
    builder.add_edge("quick", "source")
    found = run(wrap(builder), {"log": []}, mode)
    assert found["log"] == ["slow 0", "worker 0", "worker 1"]
    assert journal.came_first("end source", "end slow 0")


@both
def test_many_in_one_superstep(mode: Mode) -> None:
    """Packets are in the order of their senders, whoever yielded first."""
    journal = Journal()
    builder: Any = StateGraph(State)
    builder.add_node("worker", worker(mode, journal))
    for name, other in (("a", "worker b1"), ("b", "worker c1"), ("c", None)):
        parts: list[Any] = [packet(f"{name}1"), packet(f"{name}2")]
        if other is not None:
            parts.insert(0, Until(f"end {other}"))
        node = source(mode, journal, *parts, name=name)
        builder.add_node(name, node, destinations=("worker",))
        builder.add_edge(START, name)
    found = run(wrap(builder), {"log": []}, mode)
    assert found["log"] == [f"worker {name}{at}" for name in "abc" for at in "12"]


def test_ten_thousand_yields_cost_little() -> None:
    def seconds(count: int) -> float:
        journal = Journal()

        @streaming
        async def node(state: State) -> Any:
            for _ in range(count):
                yield {"log": ["x"]}

        builder: Any = StateGraph(State)
        builder.add_node("node", node)
        builder.add_node("after", lambda state: {"left": str(len(state["log"]))})
        builder.add_edge(START, "node")
        builder.add_edge("node", "after")
        graph = wrap(builder)
        run(graph, {"log": []}, "async")  # its plan is made here
        start = time.perf_counter()
        assert run(graph, {"log": []}, "async")["left"] == str(count)
        assert not journal.entries
        return time.perf_counter() - start

    assert seconds(10_000) < 3.0


def test_many_that_stream_side_by_side_are_linear() -> None:
    def seconds(count: int) -> float:
        builder = fan_out("async", Journal())
        builder.add_node(
            "page",
            source("async", Journal(), *map(packet, range(4)), name="page"),
            destinations=("worker",),
        )
        builder.edges.clear()
        builder.add_conditional_edges(
            START, lambda state: [packet(at, "page") for at in range(count)], ["page"]
        )
        graph = wrap(builder)
        start = time.perf_counter()
        found = run(graph, {"log": []}, "async")
        assert len(found["log"]) == count * 4
        return time.perf_counter() - start

    seconds(10)
    assert seconds(400) < 12 * seconds(100)


# -- updates --------------------------------------------------------------------


def partly(mode: Mode, journal: Journal) -> Any:
    """``left`` is known early, ``right`` when ``head`` has begun.

    source / left, right --> head [left]
                         --> body [left, right]
    """

    def head(state: State) -> dict[str, Any]:
        journal.begin("head")
        return {"log": [f"head {state['left']}"]}

    def body(state: State) -> dict[str, Any]:
        journal.begin("body")
        return {"log": [f"body {state['left']}{state['right']}"]}

    builder: Any = StateGraph(State)
    parts = [
        {"left": "l"},
        Until("begin head"),
        Then(lambda: journal.begin("half")),
        Then(lambda: time.sleep(0.01)),
        {"right": "r"},
        Until("begin body"),
        {"log": ["late"]},
    ]
    builder.add_node("source", source(mode, journal, *parts))
    builder.add_node("head", head)
    builder.add_node("body", body)
    builder.add_edge(START, "source")
    builder.add_edge("source", "head")
    builder.add_edge("source", "body")
    return builder


@both
def test_a_follower_starts_when_all_that_it_reads_is_there(mode: Mode) -> None:
    journal = Journal()
    graph = wrap(partly(mode, journal), effects=known())
    found = run(graph, {"log": []}, mode)
    assert found == {"log": ["late", "body lr", "head l"], "left": "l", "right": "r"}
    assert journal.came_first("begin head", "begin half")
    assert journal.came_first("begin half", "begin body")
    assert journal.calls() == {"source": 1, "head": 1, "half": 1, "body": 1}


@both
def test_a_key_that_is_added_up_is_known_at_the_end(mode: Mode) -> None:
    journal = Journal()

    def after(state: State) -> dict[str, Any]:
        journal.begin("after")
        return {"left": str(state["log"])}

    builder: Any = StateGraph(State)
    parts = [{"log": ["one"]}, Then(lambda: time.sleep(0.01)), {"log": ["two"]}]
    builder.add_node("source", source(mode, journal, *parts))
    builder.add_node("after", after)
    builder.add_edge(START, "source")
    builder.add_edge("source", "after")
    found = run(wrap(builder, effects=known()), {"log": []}, mode)
    assert found["left"] == "['one', 'two']"
    assert journal.came_first("end source", "begin after")


@both
def test_a_command_starts_the_node_that_it_names(mode: Mode) -> None:
    journal = Journal()

    def head(state: State) -> dict[str, Any]:
        journal.begin("head")
        return {"log": [f"head {state['left']}"]}

    builder: Any = StateGraph(State)
    part = Command(update={"left": "l"}, goto="head")
    builder.add_node(
        "source",
        source(mode, journal, part, Until("begin head"), {"right": "r"}),
        destinations=("head",),
    )
    builder.add_node("head", head)
    builder.add_edge(START, "source")
    found = run(wrap(builder, effects=known("head")), {"log": []}, mode)
    assert found["log"] == ["head l"]
    assert journal.calls() == {"source": 1, "head": 1}


@both
@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
def test_what_is_changed_after_it_was_yielded(mode: Mode, policy: str) -> None:
    """LangGraph's nodes see it as it was in the end; the journal shows that ours began before."""

    def build(journal: Journal, *waits: Any) -> Any:
        shared: dict[str, Any] = {"at": 0}
        name: list[str] = ["l"]

        @streaming
        def node(state: State) -> Any:
            shared["at"] = 0
            name[:] = ["l"]
            yield {"left": name}
            for at in range(3):
                shared["at"] = at
                yield Send("worker", shared)
                if waits:
                    wait(journal, "begin worker 0")
                    time.sleep(0.005)
            shared["at"] = 1
            name.append("changed")

        def head(state: State) -> dict[str, Any]:
            journal.begin("head")
            return {"log": [f"head {state['left']}"]}

        builder: Any = StateGraph(State)
        builder.add_node("node", node, destinations=("worker",))
        builder.add_node("worker", worker("sync", journal))
        builder.add_node("head", head)
        builder.add_edge(START, "node")
        builder.add_edge("node", "head")
        return builder

    plain = run(build(Journal()).compile(), {"log": []}, mode)
    journal = Journal()
    waits = ["early"] if policy != "off" else []
    found = run(wrap(build(journal, *waits), policy=policy), {"log": []}, mode)
    assert found == plain
    assert found["log"] == ["head ['l', 'changed']"] + ["worker 1"] * 3
    assert (len(journal.entries) > 7) == (policy != "off")


# -- what comes after it ----------------------------------------------------------


def routed(mode: Mode, journal: Journal, how: str) -> Any:
    def by_state(state: State) -> str:
        journal.begin(f"router {state.get('left')}")
        return "after" if state.get("left") == "l" else "__end__"

    def more(state: State) -> list[Any]:
        return [packet("router"), packet("again"), "after"]

    def after(state: State) -> dict[str, Any]:
        return {"log": ["after"]}

    builder = fan_out(mode, journal, packet(0), {"left": "l"}, Until("end worker 0"), packet(1))
    builder.add_node("after", after)
    builder.add_conditional_edges("source", by_state if how == "state" else more)
    return builder


@both
@pytest.mark.parametrize("how", ["state", "more"])
def test_conditional_edges_after_it(mode: Mode, how: str) -> None:
    plain = run(routed(mode, journal := _done("worker 0"), how).compile(), {"log": []}, mode)
    journal = Journal()
    found = run(wrap(routed(mode, journal, how)), {"log": []}, mode)
    assert found == plain
    assert set(journal.calls().values()) == {1}


def _done(*names: str) -> Journal:
    """A journal in which these have ended, for LangGraph's schedule."""
    journal = Journal()
    journal.entries += [f"{how} {name}" for name in names for how in ("begin", "end")]
    return journal


@both
def test_in_a_loop(mode: Mode) -> None:
    journal = Journal()

    def build(rounds: Journal) -> Any:
        @streaming
        def node(state: State) -> Any:
            at = state.get("rounds", 0)
            yield Send("worker", {"at": at})
            if rounds is journal:
                wait(journal, f"end worker {at}")
            yield {"rounds": at + 1}

        builder: Any = StateGraph(State)
        builder.add_node("node", node, destinations=("worker",))
        builder.add_node("worker", worker("sync", rounds))
        builder.add_edge(START, "node")
        builder.add_conditional_edges(
            "node", lambda state: "node" if state["rounds"] < 5 else "__end__", ["node", "__end__"]
        )
        return builder

    plain = run(build(Journal()).compile(), {"log": []}, mode)
    assert run(wrap(build(journal)), {"log": []}, mode) == plain
    assert journal.calls() == {f"worker {at}": 1 for at in range(5)}


@both
def test_in_a_subgraph(mode: Mode) -> None:
    journal = Journal()
    inner = fan_out(mode, journal, packet(0), Until("end worker 0"), packet(1)).compile()
    builder: Any = StateGraph(State)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    found = run(wrap(builder), {"log": []}, mode)
    assert found["log"] == ["worker 0", "worker 1"]


@both
@pytest.mark.parametrize("wrapped", [False, True])
def test_another_streaming_graph_inside_its_body(mode: Mode, wrapped: bool) -> None:
    """What runs inside a node is no part of that node's output."""
    inside = fan_out(mode, Journal(), packet("in 0"), packet("in 1")).compile()
    inside = wrap(inside) if wrapped else inside
    journal = Journal()

    @streaming
    def node(state: State) -> Any:
        yield packet("before")
        wait(journal, "end worker before")
        yield {"log": inside.invoke({"log": []})["log"]}
        yield packet("after")

    @streaming
    async def anode(state: State) -> Any:
        yield packet("before")
        await await_(journal, "end worker before")
        yield {"log": (await inside.ainvoke({"log": []}))["log"]}
        yield packet("after")

    builder: Any = StateGraph(State)
    builder.add_node("node", node if mode == "sync" else anode, destinations=("worker",))
    builder.add_node("worker", worker(mode, journal))
    builder.add_edge(START, "node")
    found = run(wrap(builder), {"log": []}, mode)
    assert found["log"] == ["worker in 0", "worker in 1", "worker before", "worker after"]
    assert journal.calls() == {"worker before": 1, "worker after": 1}


@both
@pytest.mark.parametrize("first", [None, 1])
def test_a_gather_over_its_packets(mode: Mode, first: int | None) -> None:
    journal = Journal()

    def build(journal: Journal) -> Any:
        builder = fan_out(mode, journal, packet(0), Until("end worker 0"), packet(1))

        def reduce(found: Gathered) -> dict[str, Any]:
            return {"left": ", ".join(map(str, found))}

        async def areduce(found: Gathered) -> dict[str, Any]:
            return {"left": ", ".join(map(str, found))}

        gather(
            builder,
            "reduce",
            reduce if mode == "sync" else areduce,
            over="source",
            of="worker",
            key="log",
            first=first,
        )
        return builder

    plain = run(build(_done("worker 0")).compile(), {"log": []}, mode)
    assert run(wrap(build(journal)), {"log": []}, mode) == plain
    assert journal.calls() == {"source": 1, "worker 0": 1, "worker 1": 1}


# -- bounds -----------------------------------------------------------------------


@both
@pytest.mark.parametrize("bound", [1, 2, 4, None])
@pytest.mark.parametrize("buffer", [1, 2, 64])
def test_no_more_than_its_buffer_are_unfinished(mode: Mode, bound: int | None, buffer: int) -> None:
    journal = Journal()
    ahead: list[int] = []

    def look() -> None:
        calls = [entry for entry in journal.entries if " worker " in entry]
        begun = sum(entry.startswith("begin") for entry in calls)
        ahead.append(len(ahead) - (len(calls) - begun))

    parts = [part for at in range(12) for part in (Then(look), packet(at))]
    builder = fan_out(
        mode, journal, *parts, buffer=buffer, worker=worker(mode, journal, seconds=0.002)
    )
    found = run(wrap(builder), {"log": []}, mode, {"max_concurrency": bound} if bound else None)
    assert found["log"] == [f"worker {at}" for at in range(12)]
    assert max(ahead) < buffer or buffer == 64, "asked for more with its tasks unfinished"
    if bound is not None:
        # The source has begun, but keeps no place while it waits.
        assert journal.peak <= bound + (buffer < 12)
    if buffer < 12:
        assert journal.has("end worker 0")
        assert journal.came_first("end worker 0", "end source")
    assert set(journal.calls().values()) == {1}


@both
@pytest.mark.parametrize("bound", [1, 2])
def test_nested_with_the_smallest_buffers(mode: Mode, bound: int) -> None:
    journal = Journal()
    builder = fan_out(mode, journal, *[packet(at, "middle") for at in range(3)], buffer=1)
    builder.nodes["source"].ends = ("middle",)
    middle = source(mode, journal, *map(packet, range(3)), name="middle", buffer=1)
    builder.add_node("middle", middle, destinations=("worker",))
    graph = wrap(builder, limits={"middle": 1, "worker": 1})
    found = run(graph, {"log": []}, mode, {"max_concurrency": bound})
    assert found["log"] == ["worker 0", "worker 1", "worker 2"] * 3


@both
def test_the_limit_of_its_node_holds_when_it_goes_on(mode: Mode) -> None:
    """Of three that wait for their tasks by turns, one is in its body at any time."""
    busy = Journal()
    inside = {"n": 0, "peak": 0}

    @streaming(buffer=1)
    def page(packet: Any) -> Any:
        for at in range(3):
            inside["n"] += 1
            inside["peak"] = max(inside["peak"], inside["n"])
            time.sleep(0.001)
            inside["n"] -= 1
            yield Send("worker", {"at": at})

    @streaming(buffer=1)
    async def apage(packet: Any) -> Any:
        for at in range(3):
            inside["n"] += 1
            inside["peak"] = max(inside["peak"], inside["n"])
            await asyncio.sleep(0.001)
            inside["n"] -= 1
            yield Send("worker", {"at": at})

    builder: Any = StateGraph(State)
    builder.add_node("page", page if mode == "sync" else apage, destinations=("worker",))
    builder.add_node("worker", worker(mode, busy, seconds=0.004))
    builder.add_conditional_edges(
        START, lambda state: [Send("page", n) for n in range(3)], ["page"]
    )
    found = run(wrap(builder, limits={"page": 1}), {"log": []}, mode)
    assert found["log"] == ["worker 0", "worker 1", "worker 2"] * 3
    assert inside["peak"] == 1


def test_generators_in_threads_of_an_event_loop() -> None:
    """A plain generator in an ``ainvoke``: it waits in its thread, not on the loop."""
    journal = Journal()
    builder = fan_out(
        "sync",
        journal,
        *map(packet, range(8)),
        buffer=1,
        worker=worker("async", journal, seconds=0.002),
    )
    found = run(wrap(builder), {"log": []}, "async", {"max_concurrency": 1})
    assert found["log"] == [f"worker {at}" for at in range(8)]
    assert journal.came_first("end worker 6", "end source")


# -- failures -----------------------------------------------------------------------


@both
@pytest.mark.parametrize("policy", [None, "off", "proven", "speculative"])
def test_a_second_attempt_begins_anew(mode: Mode, policy: str | None) -> None:
    journal = Journal()
    attempts: list[int] = []

    def fail() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("again")

    retry = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3)
    ahead = [Until("begin worker 0")] if policy in ("proven", "speculative") else []
    builder = fan_out(
        mode,
        journal,
        packet(0),
        *ahead,
        Then(fail),
        packet(1),
        more={"retry_policy": retry},
    )
    graph = builder.compile() if policy is None else wrap(builder, policy=policy)
    found = run(graph, {"log": []}, mode)
    assert found["log"] == ["worker 0", "worker 1"]
    calls = journal.calls()
    assert calls["source"] == len(attempts) == 3
    assert calls["worker 1"] == 1
    assert nothing_alive()


@both
@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
def test_its_error_reaches_the_caller_and_nothing_is_left(mode: Mode, policy: str) -> None:
    journal = Journal()
    ahead = [Until("begin worker 1")] if policy != "off" else []
    parts = [packet(0), packet(1), {"left": "l"}, *ahead, LookupError("source")]
    children = worker(mode, journal, seconds=0.05)
    graph = wrap(fan_out(mode, journal, *parts, worker=children), policy=policy)
    saver = InMemorySaver()
    graph.checkpointer = saver
    notes: list[str] = []
    try:
        run(graph, {"log": []}, mode, thread())
    except LookupError as error:
        # Not kept: it holds on to the whole run.
        notes += [str(error), *error.__notes__]
    assert notes[0] == "source"
    assert "task with name 'source'" in notes[1]
    if mode == "async" and policy != "off":
        assert journal.has("cancel worker 0")
        assert journal.has("cancel worker 1")
    assert graph.get_state(thread()).values == {"log": []}
    assert graph.get_state(thread()).next == ("source",)
    assert nothing_alive()


@both
def test_an_error_of_a_child_is_held_until_its_superstep(mode: Mode) -> None:
    """The source ends in peace; its updates are committed first, as in LangGraph."""
    journal = Journal()
    parts = [packet(0), Until("end worker 0"), packet(1), {"left": "l"}]
    children = worker(mode, journal, error=LookupError("child"))
    graph = wrap(fan_out(mode, journal, *parts, worker=children))
    graph.checkpointer = InMemorySaver()
    with pytest.raises(LookupError, match="child"):
        run(graph, {"log": []}, mode, thread())
    assert journal.has("end source")
    assert graph.get_state(thread()).values == {"log": [], "left": "l"}


@both
@pytest.mark.parametrize("fails", ["source", "worker"])
def test_errors_equal_langgraphs(mode: Mode, fails: str) -> None:
    error = LookupError("x")
    journal = Journal()
    parts = [packet(0), {"log": ["y"]}, packet(1)]
    builder = fan_out(
        mode,
        journal,
        *parts,
        *([error] if fails == "source" else []),
        worker=worker(mode, journal, error=error if fails == "worker" else None),
    )
    check(
        builder,
        [{"log": []}],
        mode=mode,
        checkpointer=InMemorySaver,
        delays=("random", 0.0, 0.005),
        runs=2,
    ).raise_for_difference()


@both
def test_an_error_handler_on_the_node(mode: Mode) -> None:
    def handle(state: State) -> dict[str, Any]:
        return {"log": ["handled"]}

    def build(*ahead: Any) -> Any:
        journal = Journal()
        parts = [packet(0), *(Until(entry) for entry in ahead), LookupError("x")]
        return fan_out(mode, journal, *parts, more={"error_handler": handle})

    plain = run(build().compile(), {"log": []}, mode)
    assert run(wrap(build("begin worker 0")), {"log": []}, mode) == plain
    assert plain["log"] == ["handled"]


@both
def test_a_part_that_is_refused_cancels_what_began(mode: Mode) -> None:
    journal = Journal()
    graph = wrap(fan_out(mode, journal, packet(0), Until("begin worker 0"), "nonsense"))
    with pytest.raises(TypeError, match="yielded a str"):
        run(graph, {"log": []}, mode)


@both
def test_a_command_to_the_parent_graph(mode: Mode) -> None:
    """It leaves the subgraph, and what it had sent within it counts for nothing."""

    def build(journal: Journal, *ahead: Any) -> Any:
        leave = Command(graph=Command.PARENT, update={"log": ["parent"]}, goto="after")
        inner = fan_out(mode, journal, packet(0), *ahead, leave).compile()
        builder: Any = StateGraph(State)
        builder.add_node("inner", inner, destinations=("after",))
        builder.add_node("after", lambda state: {"log": ["after"]})
        builder.add_edge(START, "inner")
        return builder

    plain = run(build(Journal()).compile(), {"log": []}, mode)
    journal = Journal()
    found = run(wrap(build(journal, Until("end worker 0"))), {"log": []}, mode)
    assert found == plain
    assert found["log"] == ["parent", "after"]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("bound", [None, 1])
@pytest.mark.parametrize("after", [0.0, 0.002, 0.005, 0.01, 0.02, 0.04])
def test_cancelled_by_the_caller(mode: Mode, bound: int | None, after: float) -> None:
    """At any time; ``mode`` is that of the node, in an event loop."""
    journal = Journal()
    parts = [part for at in range(20) for part in (packet(at), Then(lambda: time.sleep(0.001)))]
    builder = fan_out(
        mode, journal, *parts, buffer=2, worker=worker("async", journal, seconds=0.003)
    )
    graph = wrap(builder)

    async def main() -> None:
        with nothing_left():
            config: Any = {"max_concurrency": bound}
            task = asyncio.ensure_future(graph.ainvoke({"log": []}, config))
            await asyncio.sleep(after)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            at = len(journal.entries)
            await asyncio.sleep(0.01)
            begun = [entry for entry in journal.entries[at:] if entry.startswith("begin worker")]
            assert not begun

    asyncio.run(main())
    assert nothing_alive()


@both
def test_a_stream_that_is_left(mode: Mode) -> None:
    journal = Journal()
    graph = wrap(fan_out(mode, journal, *map(packet, range(5)), buffer=1))

    async def left() -> None:
        with nothing_left():
            events = graph.astream({"log": []})
            async for _ in events:
                break
            await events.aclose()

    if mode == "async":
        asyncio.run(left())
    else:
        with nothing_left():
            events = graph.stream({"log": []})
            next(events)
            events.close()
    assert nothing_alive()


# -- interrupts, limits, checkpoints --------------------------------------------------


@both
@pytest.mark.parametrize("where", ["before worker", "after source"])
def test_a_static_interrupt(mode: Mode, where: str) -> None:
    journal = Journal()
    builder = fan_out(mode, journal, packet(0), Then(lambda: time.sleep(0.01)), packet(1))
    how = {f"interrupt_{where.split()[0]}": [where.split()[1]]}
    graph = wrap(builder.compile(checkpointer=InMemorySaver(), **how))
    run(graph, {"log": []}, mode, thread())
    assert journal.calls() == {"source": 1}
    assert run(graph, None, mode, thread())["log"] == ["worker 0", "worker 1"]
    assert journal.calls() == {"source": 1, "worker 0": 1, "worker 1": 1}


@both
def test_an_interrupt_in_a_child(mode: Mode) -> None:
    def child(packet: dict[str, Any]) -> dict[str, Any]:
        return {"log": [f"{packet['at']} {interrupt(packet['at'])}"]}

    check(
        fan_out(mode, Journal(), packet(0), packet(1), worker=child),
        [{"log": []}],
        mode=mode,
        checkpointer=InMemorySaver,
        resume=["yes"],
    ).raise_for_difference()


@both
def test_an_interrupt_after_some_yields(mode: Mode) -> None:
    journal = Journal()

    @streaming
    def node(state: State) -> Any:
        yield Send("worker", {"at": 0})
        yield {"log": [interrupt("go on?")]}

    builder: Any = StateGraph(State)
    builder.add_node("node", node, destinations=("worker",))
    builder.add_node("worker", worker("sync", journal))
    builder.add_edge(START, "node")
    graph = wrap(builder.compile(checkpointer=InMemorySaver()))
    assert run(graph, {"log": []}, mode, thread())["__interrupt__"]
    assert not journal.entries
    assert run(graph, Command(resume="yes"), mode, thread())["log"] == ["yes", "worker 0"]
    assert journal.calls() == {"worker 0": 1}


@both
def test_the_recursion_limit(mode: Mode) -> None:
    journal = Journal()
    builder = fan_out(mode, journal, packet(0), Then(lambda: time.sleep(0.01)))
    with pytest.raises(GraphRecursionError):
        run(wrap(builder), {"log": []}, mode, {"recursion_limit": 1})
    assert journal.calls() == {"source": 1}


@both
def test_what_is_ordered_waits(mode: Mode) -> None:
    journal = Journal()
    builder = fan_out(mode, journal, packet(0), Then(lambda: time.sleep(0.01)), buffer=1)
    run(wrap(builder, ordered={"worker"}), {"log": []}, mode)
    assert journal.came_first("end source", "begin worker 0")


@both
def test_streams_come_in_langgraphs_order(mode: Mode) -> None:
    from langgraph.config import get_stream_writer

    def build(*ahead: Any) -> Any:
        journal = Journal()

        def child(packet: dict[str, Any]) -> dict[str, Any]:
            get_stream_writer()(f"child {packet['at']}")
            journal.begin(f"worker {packet['at']}")
            return {"log": [f"child {packet['at']}"]}

        parts = [packet(0), *ahead, {"left": "l"}, packet(1)]
        return fan_out(mode, journal, *parts, worker=child)

    modes = ["values", "updates", "custom", "debug", "tasks", "checkpoints"]

    def events(graph: Any) -> list[Any]:
        found = stream(graph, {"log": []}, mode, thread(), stream_mode=modes[:3])
        return supersteps(found)

    plain = build().compile(checkpointer=InMemorySaver())
    fast = wrap(build(Until("begin worker 0")).compile(checkpointer=InMemorySaver()))
    assert events(fast) == events(plain)


@both
@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
def test_check_sees_no_difference(mode: Mode, policy: str) -> None:
    @streaming
    def pages(state: State) -> Any:
        yield {"left": "l"}
        for at in range(3):
            yield Send("page", {"at": at})
        yield Command(update={"right": "r"}, goto="tail")
        yield {"log": ["pages"]}

    @streaming(buffer=1)
    def page(packet: dict[str, Any]) -> Any:
        for line in range(packet["at"]):
            yield Send("line", {"at": f"{packet['at']}.{line}"})
        yield {"log": [f"page {packet['at']}"]}

    def line(packet: dict[str, Any]) -> dict[str, Any]:
        return {"log": [f"line {packet['at']}"]}

    def head(state: State) -> dict[str, Any]:
        return {"log": [f"head {state['left']}"]}

    def tail(state: State) -> dict[str, Any]:
        return {"log": [f"tail {state['right']}"]}

    builder: Any = StateGraph(State)
    builder.add_node("pages", pages, destinations=("page", "tail"))
    builder.add_node("page", page, destinations=("line",))
    for each in (line, head, tail):
        builder.add_node(each.__name__, each)
    builder.add_edge(START, "pages")
    builder.add_edge("pages", "head")
    check(
        builder,
        [{"log": []}],
        mode=mode,
        policy=policy,
        checkpointer=InMemorySaver,
        stream_modes=["custom", "messages"],
        delays=("random", 0.0, 0.004),
        runs=3,
    ).raise_for_difference()
