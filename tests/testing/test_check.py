"""The checker finds nothing between LangGraph and itself, and every fault planted in a copy."""

from __future__ import annotations

import asyncio
import copy
import operator
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, Send, interrupt

from langgraph_alto.testing import DifferenceError, Report, acheck, check
from langgraph_alto.testing.check import Mode
from tests.versions import both_with_context, needs_context, needs_langgraph


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    x: str


def same(graph: Any) -> Any:
    return graph


def add(name: str) -> Callable[[Any], dict[str, Any]]:
    def node(state: State) -> dict[str, Any]:
        return {"log": [name]}

    return node


def worker(payload: dict[str, int]) -> dict[str, Any]:
    return {"log": [f"w{payload['i']}"]}


def fan(state: State) -> list[Send]:
    return [Send("worker", {"i": i}) for i in range(2)]


def sample() -> Any:
    """START -> a -> Send(worker) x 2 -> c, and START -> b -> c: c runs twice."""
    graph: Any = StateGraph(State)
    for name in ("a", "b", "c"):
        graph.add_node(name, add(name))
    graph.add_node("worker", worker)
    graph.add_edge(START, "a")
    graph.add_edge(START, "b")
    graph.add_conditional_edges("a", fan, ["worker"])
    graph.add_edge("worker", "c")
    graph.add_edge("b", "c")
    return graph


def asking() -> Any:
    """Two nodes that ask, side by side, and one after them."""

    def ask(state: State) -> dict[str, Any]:
        return {"log": [interrupt("one?"), interrupt("two?")]}

    def ask_too(state: State) -> dict[str, Any]:
        return {"log": [interrupt("three?")]}

    graph: Any = StateGraph(State)
    graph.add_node(ask)
    graph.add_node(ask_too)
    graph.add_node("end", add("end"))
    graph.add_edge(START, "ask")
    graph.add_edge(START, "ask_too")
    graph.add_edge(["ask", "ask_too"], "end")
    return graph


def failing(error: Callable[[], Exception] = lambda: ValueError("no")) -> Any:
    def fails(state: State) -> dict[str, Any]:
        raise error()

    graph: Any = StateGraph(State)
    graph.add_node("first", add("first"))
    graph.add_node(fails)
    graph.add_edge(START, "first")
    graph.add_edge("first", "fails")
    return graph


GIVEN: dict[str, Any] = {"log": []}

keeps_answers = needs_langgraph("1.2.13", "still shows an interrupt when its task has ended")


# -- no difference -------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sync", "async", "both"])
@pytest.mark.parametrize("make", [sample, asking, failing])
@pytest.mark.parametrize("saver", [None, InMemorySaver])
def test_langgraph_is_like_itself(make: Callable[[], Any], mode: Mode, saver: Any) -> None:
    report = check(
        make(),
        [GIVEN],
        mode=mode,
        checkpointer=saver,
        resume=["1", "3", "2"],
        delays=("random", 0, 0.003),
        runs=2,
        wrapped=same,
    )
    assert report.ok, report.text()
    assert len(report.comparisons) == 4 * (2 if mode == "both" else 1)


async def test_acheck_on_the_running_loop() -> None:
    assert (await acheck(sample(), GIVEN, wrapped=same)).ok


async def test_check_inside_a_running_loop() -> None:
    assert check(sample(), GIVEN, wrapped=same).ok


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_sqlite(tmp_path: Any) -> None:
    connections: list[sqlite3.Connection] = []

    def saver() -> SqliteSaver:
        path = tmp_path / f"{len(connections)}.db"
        connections.append(sqlite3.connect(path, check_same_thread=False))
        return SqliteSaver(connections[-1])

    report = check(sample(), GIVEN, mode="sync", checkpointer=saver, wrapped=same)
    assert report.ok, report.text()
    assert report.comparisons[0].plain.history
    for connection in connections:
        connection.close()


@needs_context
@keeps_answers
def test_async_sqlite_by_context_manager() -> None:
    report = check(
        asking(),
        GIVEN,
        checkpointer=lambda: AsyncSqliteSaver.from_conn_string(":memory:"),
        resume=["1", "3", "2"],
        wrapped=same,
    )
    assert report.ok, report.text()
    assert len(report.comparisons[0].plain.segments) == 3


@needs_context
@keeps_answers
def test_answers_reach_their_interrupts() -> None:
    report = check(
        asking(), GIVEN, checkpointer=InMemorySaver, resume=["1", "3", "2"], wrapped=same
    )
    trace = report.comparisons[0].plain
    assert [s.interrupts for s in trace.segments] == [("'one?'", "'three?'"), ("'two?'",), ()]
    assert "{'log': ['1', '2', '3', 'end']}" in trace.segments[-1].supersteps[-1].values


def test_breakpoints_are_passed() -> None:
    compiled = sample().compile(interrupt_before=["c"])
    report = check(compiled, GIVEN, checkpointer=InMemorySaver, wrapped=same)
    assert report.ok
    assert [s.next for s in report.comparisons[0].plain.segments] == [
        ("worker", "worker", "c"),
        ("c",),
        (),
    ]


def test_the_graph_given_stays_as_it_was() -> None:
    compiled = sample().compile()
    before = {name: node.bound for name, node in compiled.nodes.items()}
    check(compiled, GIVEN, wrapped=same, mode="both")
    assert {name: node.bound for name, node in compiled.nodes.items()} == before
    assert compiled.checkpointer is None


def test_input_is_given_afresh() -> None:
    def greedy(state: State) -> None:
        state["log"].append("eaten")

    graph: Any = StateGraph(State).add_node(greedy).add_edge(START, "greedy")
    given = {"log": ["a"]}
    assert check(graph, given, wrapped=same, mode="both").ok
    assert given == {"log": ["a"]}


# -- planted faults ------------------------------------------------------------


class Proxy:
    """A graph of which a fault overrides what it wants."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def __getattr__(self, name: str) -> Any:
        return getattr(self.graph, name)

    def events(self, events: list[Any]) -> list[Any]:
        return events

    def result(self, result: Any) -> Any:
        return result

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from self.events(list(self.graph.stream(*args, **kwargs)))

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for event in self.events([e async for e in self.graph.astream(*args, **kwargs)]):
            yield event

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        return self.result(self.graph.invoke(*args, **kwargs))

    async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
        return self.result(await self.graph.ainvoke(*args, **kwargs))


class LosesAnUpdate(Proxy):
    def events(self, events: list[Any]) -> list[Any]:
        gone = next(e for e in events if e[0] == "updates")
        return [e for e in events if e is not gone]


class SwapsValues(Proxy):
    def events(self, events: list[Any]) -> list[Any]:
        first, second = [i for i, e in enumerate(events) if e[0] == "values"][-2:]
        events[first], events[second] = events[second], events[first]
        return events


class SwapsUpdatesOfDifferentSteps(Proxy):
    def events(self, events: list[Any]) -> list[Any]:
        places = [i for i, e in enumerate(events) if e[0] == "updates"]
        first, last = places[0], places[-1]
        events[first], events[last] = events[last], events[first]
        return events


class AddsASuperstep(Proxy):
    def events(self, events: list[Any]) -> list[Any]:
        task = next(e for e in events if e[0] == "debug" and e[1]["type"] == "task")
        return [*events, ("debug", {**task[1], "step": 99})]


class StopsEarly(Proxy):
    def events(self, events: list[Any]) -> list[Any]:
        last = max(e[1]["step"] for e in events if e[0] == "debug")
        cut = next(i for i, e in enumerate(events) if e[0] == "debug" and e[1]["step"] == last)
        return events[:cut]


class ChangesTheResult(Proxy):
    def result(self, result: Any) -> Any:
        return {**result, "log": result["log"][::-1]}


class SwallowsExceptions(Proxy):
    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from self.graph.stream(*args, **kwargs)
        except ValueError:
            return

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            async for event in self.graph.astream(*args, **kwargs):
                yield event
        except ValueError:
            return


class LeaksATask(Proxy):
    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        self.left = asyncio.create_task(asyncio.sleep(0.5))
        async for event in self.graph.astream(*args, **kwargs):
            yield event


class LeaksAThread(Proxy):
    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        threading.Thread(target=time.sleep, args=(0.5,), name="left").start()
        yield from self.graph.stream(*args, **kwargs)


class Hangs(Proxy):
    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        time.sleep(1)
        yield from ()

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(60)
        yield None


def change(node: str, how: Callable[[Callable[[Any], Any], Any], Any]) -> Callable[[Any], Any]:
    """A fault inside a node: `how` is called with the node's function and its input."""

    def wrapped(graph: Any) -> Any:
        bound = graph.nodes[node].bound
        function = bound.func
        bound.func = bound.afunc = None
        bound.func = lambda state: how(function, state)
        return graph

    return wrapped


def _twice(function: Callable[[Any], Any], state: Any) -> Any:
    function(state)
    return function(state)


def _again_later(function: Callable[[Any], Any], state: Any) -> Any:
    threading.Timer(0.03, function, (state,)).start()
    return function(state)


def reverse_sends(graph: Any) -> Any:
    """Sends arrive in another order: the branch is run on reversed packets."""

    def reversed_(writer: Any) -> Any:
        if "writer" not in getattr(writer, "kwargs", {}):
            return writer
        twin, write = copy.copy(writer), writer.kwargs["writer"]
        twin.kwargs = {
            **writer.kwargs,
            "writer": lambda packets, static=False: write(packets[::-1], static),
        }
        return twin

    node = graph.nodes["a"]
    graph.nodes["a"] = node.copy({"writers": [reversed_(w) for w in node.writers]})
    return graph


class ForgetfulSaver(InMemorySaver):
    """Skips the checkpoint of superstep 1."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        if metadata["step"] == 1:
            return config
        return super().put(config, checkpoint, metadata, versions)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        return self.put(config, checkpoint, metadata, versions)


class LyingSaver(InMemorySaver):
    """Says every checkpoint came from an update."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        changed: Any = {**metadata, "source": "update"}
        return super().put(config, checkpoint, changed, versions)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        return self.put(config, checkpoint, metadata, versions)


def saved_by(saver: type[InMemorySaver]) -> Callable[[Any], Any]:
    return lambda graph: graph.copy({"checkpointer": saver()})


def kinds(report: Report) -> set[str]:
    return {difference.kind for difference in report.differences}


FAULTS: dict[str, tuple[Callable[[Any], Any], set[str]]] = {
    "loses an update": (LosesAnUpdate, {"updates"}),
    "swaps values": (SwapsValues, {"values"}),
    "swaps updates of two supersteps": (SwapsUpdatesOfDifferentSteps, {"updates"}),
    "adds a superstep": (AddsASuperstep, {"tasks"}),
    "stops early": (StopsEarly, {"tasks"}),
    "changes the result": (ChangesTheResult, {"result"}),
    "runs a node twice": (change("b", _twice), {"calls"}),
    "runs a node after the run": (change("c", _again_later), {"leaks"}),
    "changes a node's output": (change("b", lambda f, s: {"log": ["B"]}), {"values", "result"}),
    "loses a node's output": (change("b", lambda f, s: None), {"updates", "result"}),
    "reverses Sends": (reverse_sends, {"tasks", "values", "result"}),
    "forgets a checkpoint": (saved_by(ForgetfulSaver), {"history"}),
    "mislabels checkpoints": (saved_by(LyingSaver), {"history"}),
}


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, mode: Mode) -> None:
    wrapped, expected = FAULTS[fault]
    report = check(
        sample(), GIVEN, mode=mode, checkpointer=InMemorySaver, wrapped=wrapped, delays={"c": 0.002}
    )
    assert not report.ok
    assert expected <= kinds(report), report.text()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_swallowed_exception_is_found(mode: Mode) -> None:
    report = check(failing(), GIVEN, mode=mode, wrapped=SwallowsExceptions)
    assert "exception" in kinds(report)
    assert "ValueError: no in node fails" in report.text()


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("error", [TypeError("no"), ValueError("yes")])
def test_another_exception_is_found(error: Exception, mode: Mode) -> None:
    def raises(function: object, state: object) -> None:
        raise error

    assert "exception" in kinds(check(failing(), GIVEN, mode=mode, wrapped=change("fails", raises)))


def test_an_exception_from_another_node_is_found() -> None:
    def raises(function: object, state: object) -> None:
        raise ValueError("no")

    report = check(failing(), GIVEN, wrapped=change("first", raises))
    assert "exception" in kinds(report)


@needs_context
def test_another_interrupt_is_found() -> None:
    wrapped = change("ask_too", lambda f, s: {"log": [interrupt("four?")]})
    report = check(asking(), GIVEN, checkpointer=InMemorySaver, resume="123", wrapped=wrapped)
    assert "interrupts" in kinds(report)


def test_a_missing_pause_is_found() -> None:
    compiled = sample().compile(interrupt_before=["c"])
    report = check(
        compiled,
        GIVEN,
        checkpointer=InMemorySaver,
        wrapped=lambda graph: graph.copy({"interrupt_before_nodes": []}),
    )
    assert "pause" in kinds(report)


@both_with_context
def test_another_number_of_attempts_is_found(mode: Mode) -> None:
    graph = failing()
    policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=2, retry_on=ValueError)
    graph.nodes["fails"].retry_policy = policy

    def once(graph: Any) -> Any:
        graph.nodes["fails"] = graph.nodes["fails"].copy({"retry_policy": None})
        return graph

    assert check(graph, GIVEN, mode=mode, wrapped=same).ok
    assert kinds(check(graph, GIVEN, mode=mode, wrapped=once)) == {"calls"}


def test_a_left_task_is_found() -> None:
    report = check(sample(), GIVEN, wrapped=LeaksATask)
    assert kinds(report) == {"leaks"}
    assert "task sleep" in report.text()


def test_a_left_thread_is_found() -> None:
    report = check(sample(), GIVEN, mode="sync", wrapped=LeaksAThread)
    assert kinds(report) == {"leaks"}
    assert "thread left" in report.text()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_hang_is_found(mode: Mode) -> None:
    report = check(sample(), GIVEN, mode=mode, wrapped=Hangs, timeout=0.3)
    assert "exception" in kinds(report)
    assert "did not end within 0.3 s" in report.text()


def test_a_subgraph_that_streams_otherwise_is_found() -> None:
    inner: Any = StateGraph(State)
    inner.add_node("deep", add("deep")).add_edge(START, "deep")
    graph: Any = StateGraph(State).add_node("sub", inner.compile()).add_edge(START, "sub")

    def wrapped(graph: Any) -> Any:
        return change("deep", lambda f, s: {"log": ["deep"], "x": "new"})(graph.nodes["sub"].bound)

    def patched(graph: Any) -> Any:
        wrapped(graph)
        return graph

    assert check(graph, GIVEN, wrapped=same).ok
    assert "subgraphs" in kinds(check(graph, GIVEN, wrapped=patched))


@needs_context
def test_custom_events_are_compared_on_demand() -> None:
    from langgraph.config import get_stream_writer

    def says(state: State) -> None:
        get_stream_writer()("hello")

    def mute(function: object, state: object) -> None:
        return None

    graph: Any = StateGraph(State).add_node(says).add_edge(START, "says")
    assert check(graph, GIVEN, wrapped=change("says", mute)).ok is False  # its calls
    options: Any = {"stream_modes": ["custom"], "policy": "speculative"}
    assert check(graph, GIVEN, wrapped=same, **options).ok
    assert kinds(check(graph, GIVEN, wrapped=change("says", mute), **options)) == {"updates"}


# -- fair races ----------------------------------------------------------------


def test_which_of_two_failures_is_first_is_no_difference() -> None:
    def one(state: State) -> None:
        raise ValueError("one")

    def two(state: State) -> None:
        raise ValueError("two")

    graph: Any = StateGraph(State).add_node(one).add_node(two)
    graph.add_edge(START, "one").add_edge(START, "two")

    def other_first(graph: Any) -> Any:
        def slow(function: Callable[[Any], Any], state: Any) -> Any:
            time.sleep(0.1)
            return function(state)

        return change("one", slow)(graph)

    # On a busy machine the same may come first on both sides; then there was no race.
    said = ""
    while "LangGraph too reports 'ValueError: two in node two'" not in said:
        report = check(graph, GIVEN, mode="both", delays={"two": 0.03}, wrapped=other_first)
        said = report.text()
        assert report.ok, said


# -- the report ----------------------------------------------------------------


def test_the_report_reads_superstep_by_superstep() -> None:
    wrapped = change("worker", lambda f, s: {"log": [f"W{s['i']}"]})
    report = check(sample(), GIVEN, seed=7, wrapped=wrapped)
    text = report.text(context="the source")
    assert text == str(report).replace("pair(s) of runs\n", "pair(s) of runs\nthe source\n", 1)
    assert "seed 7" in text
    assert "superstep 1\n  a, b\nsuperstep 2  <-- differs" in text
    assert "  plain values: {'log': ['a', 'b', 'c', 'w0', 'w1']}" in text
    assert "  alto  values: {'log': ['a', 'b', 'c', 'W0', 'W1']}" in text
    with pytest.raises(DifferenceError, match="W0"):
        report.raise_for_difference()


def test_a_good_report_is_one_line() -> None:
    report = check(sample(), GIVEN, seed=7, wrapped=same)
    assert str(report) == "no difference: policy proven, seed 7, 2 pair(s) of runs"
    report.raise_for_difference()


def test_unseeded_runs_report_their_seed() -> None:
    seeds = {check(sample(), GIVEN, wrapped=same).seed for _ in range(3)}
    assert len(seeds) == 3
