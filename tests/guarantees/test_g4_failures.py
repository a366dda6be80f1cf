"""G4, failures as in LangGraph.

A failing task cancels what LangGraph would cancel, plus all run-ahead of later
steps; the exception that reaches the caller is the same type from the same
node; retry and timeout policies count the same attempts.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import pytest
from langgraph.errors import InvalidUpdateError, NodeTimeoutError
from langgraph.types import Command, RetryPolicy, TimeoutPolicy

from tests.guarantees.shapes import pause
from tests.guarantees.support import (
    Body,
    Journal,
    Mode,
    State,
    both,
    collect,
    graph_of,
    node,
    run,
    uneven,
    wrapped,
)
from tests.versions import needs_langgraph


class Broken(Exception):
    """Raised by nodes here."""


def plainly(graph: Any) -> Any:
    return graph.compile()


RETRY = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=Broken)
QUICKLY = [("", "quick"), ("", "slow"), ("quick", "early"), ("slow", "late"), ("early", "after")]


def branches(mode: Mode, journal: Journal, delay: float = 0.1, **replaced: Body) -> Any:
    nodes = {
        name: node(mode, name, journal, seconds=delay if name == "slow" else 0)
        for name in ("quick", "slow", "early", "late", "after")
    }
    return graph_of({**nodes, **replaced}, QUICKLY)


# -- the exception -------------------------------------------------------------


@both
def test_same_type_from_the_same_node(mode: Mode) -> None:
    """The exception that reaches the caller is the same type from the same node."""
    journal = Journal()
    failing = node(mode, "early", journal, error=Broken("no"))
    with pytest.raises(Broken, match=r"^no\b") as caught:
        run(wrapped(branches(mode, journal, early=failing)), {"log": []}, mode)
    if sys.version_info >= (3, 11):
        assert any("early" in note for note in caught.value.__notes__)
    # It did fail early; and it is raised once its superstep has come.
    assert journal.came_first("end early", "end slow")
    assert journal.calls()["early"] == 1


@both
def test_raised_after_what_earlier_supersteps_stream(mode: Mode) -> None:
    """The error of a node run ahead is held until its superstep comes."""

    def streamed(make: Any) -> list[Any]:
        journal = Journal()
        failing = node(mode, "early", journal, error=Broken("no"))
        events: list[Any] = []
        graph = make(branches(mode, journal, early=failing))
        with pytest.raises(Broken):
            collect(graph, {"log": []}, mode, events, stream_mode=["updates", "values"])
        return [e for e in events if e != ("updates", {"late": {"log": ["late"]}})]

    expected = [
        ("values", {"log": []}),
        ("updates", {"quick": {"log": ["quick"]}}),
        ("updates", {"slow": {"log": ["slow"]}}),
        ("values", {"log": ["quick", "slow"]}),
    ]
    assert streamed(plainly) == expected
    assert streamed(wrapped) == expected


@both
def test_an_earlier_superstep_that_fails_wins(mode: Mode) -> None:
    """When slow fails in its superstep, the failure of a node run ahead was never asked for."""
    journal = Journal()
    graph = branches(
        mode,
        journal,
        slow=node(mode, "slow", journal, seconds=0.1, error=KeyError("slow")),
        early=node(mode, "early", journal, error=Broken("early")),
    )
    with pytest.raises(KeyError, match="slow"):
        run(wrapped(graph), {"log": []}, mode)
    assert journal.has("end early")


@both
def test_of_two_supersteps_that_fail_the_first_is_raised(mode: Mode) -> None:
    """The node two supersteps ahead fails first by the clock, and is not what is raised."""
    journal = Journal()
    graph = branches(
        mode,
        journal,
        late=node(mode, "late", journal, error=KeyError("late")),
        after=node(mode, "after", journal, error=Broken("after")),
    )
    with pytest.raises(KeyError, match="late"):
        run(wrapped(graph), {"log": []}, mode)
    assert journal.came_first("end after", "begin late")


@both
def test_conflicting_updates(mode: Mode) -> None:
    """Two values for one key in a superstep: LangGraph's own error, in its own turn."""

    def outcome(make: Any) -> str:
        journal = Journal()
        graph = branches(
            mode,
            journal,
            early=node(mode, "early", journal, key="left"),
            late=node(mode, "late", journal, key="left"),
        )
        with pytest.raises(InvalidUpdateError) as caught:
            run(make(graph), {"log": []}, mode)
        return str(caught.value)

    assert outcome(wrapped) == outcome(plainly)


@both
def test_a_router_that_raises(mode: Mode) -> None:
    """The exception of a router of a node run ahead is raised, and from that node."""

    def outcome(make: Any) -> tuple[str, Any]:
        journal = Journal()

        def choose(state: State) -> str:
            raise Broken("which way?")

        graph = branches(mode, journal)
        graph.add_conditional_edges("early", choose, ["late", "after"])
        with pytest.raises(Broken) as caught:
            run(make(graph), {"log": []}, mode)
        return str(caught.value), journal.calls()["early"]

    assert outcome(wrapped) == outcome(plainly)


# -- what is cancelled ---------------------------------------------------------


async def test_siblings_are_cancelled() -> None:
    """A failing task cancels its siblings, as in LangGraph."""
    journal = Journal()
    cancelled: list[str] = []

    async def late(state: State) -> dict[str, Any]:
        journal.begin("late")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append("late")
            raise
        return {}

    failing = node("async", "early", journal, seconds=0.15, error=Broken("no"))
    fast = wrapped(branches("async", journal, early=failing, late=late))
    with pytest.raises(Broken):
        await asyncio.wait_for(fast.ainvoke({"log": []}), 10)
    assert cancelled == ["late"]


async def test_run_ahead_of_later_steps_is_cancelled() -> None:
    """A failing task cancels all run-ahead of later steps, at once."""
    journal = Journal()
    cancelled: list[str] = []

    async def lasting(state: State) -> dict[str, Any]:
        journal.begin("early")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append("early")
            raise
        return {}

    failing = node("async", "slow", journal, until="begin early", error=Broken("no"))
    fast = wrapped(branches("async", journal, slow=failing, early=lasting))
    with pytest.raises(Broken):
        await asyncio.wait_for(fast.ainvoke({"log": []}), 10)
    assert cancelled == ["early"]
    assert "after" not in journal.calls()


def test_run_ahead_of_later_steps_does_not_begin_on_threads() -> None:
    """Threads cannot be cancelled; but nothing begins after the failure."""
    journal = Journal()
    failing = node("sync", "slow", journal, until="begin early", error=Broken("no"))
    lasting = node("sync", "early", journal, seconds=0.1)
    with pytest.raises(Broken):
        run(wrapped(branches("sync", journal, slow=failing, early=lasting)), {"log": []}, "sync")
    assert "after" not in journal.calls()
    # Unlike LangGraph's, a thread that runs ahead has ended when the run has.
    assert journal.running == 0


# -- attempts ------------------------------------------------------------------


@both
@pytest.mark.parametrize("name", ["early", "slow", "late", "after"])
def test_retries_count_the_same(name: str, mode: Mode) -> None:
    """A retry policy counts the same attempts, run ahead or not."""

    def attempts(make: Any) -> int:
        journal = Journal()
        graph = graph_of(
            {
                other: node(mode, other, journal, seconds=0.03 if other == "slow" else 0)
                for other in ("quick", "slow", "early", "late", "after")
                if other != name
            },
            [],
        )
        graph.add_node(name, node(mode, name, journal, error=Broken(name)), retry_policy=RETRY)
        for source, target in QUICKLY:
            graph.add_edge(source or "__start__", target)
        with pytest.raises(Broken, match=name):
            run(make(graph), {"log": []}, mode)
        return journal.calls()[name]

    assert attempts(wrapped) == attempts(plainly) == 3


@both
def test_the_graphs_own_retry_policy(mode: Mode) -> None:
    """So does one set for the whole graph."""

    def attempts(make: Any) -> int:
        journal = Journal()
        graph = branches(mode, journal, early=node(mode, "early", journal, error=Broken("no")))
        graph.set_node_defaults(retry_policy=RETRY)
        with pytest.raises(Broken):
            run(make(graph), {"log": []}, mode)
        return journal.calls()["early"]

    assert attempts(wrapped) == attempts(plainly) == 3


async def test_timeouts_count_the_same() -> None:
    """A node's time limit is for its own attempt, whenever that begins."""

    async def outcome(make: Any, seconds: float) -> tuple[str, int]:
        journal = Journal()
        graph = graph_of(
            {
                "quick": node("async", "quick", journal),
                "slow": node("async", "slow", journal, seconds=0.1),
            },
            [("", "quick"), ("", "slow")],
        )
        graph.add_node(
            "early",
            node("async", "early", journal, seconds=seconds),
            timeout=TimeoutPolicy(run_timeout=0.2),
            retry_policy=RetryPolicy(
                max_attempts=2, initial_interval=0.001, jitter=False, retry_on=NodeTimeoutError
            ),
        )
        graph.add_edge("quick", "early")
        try:
            log = (await make(graph).ainvoke({"log": []}))["log"]
        except NodeTimeoutError as error:
            return type(error).__name__, journal.calls()["early"]
        return ",".join(log), journal.calls()["early"]

    for seconds, attempts in ((0.6, 2), (0.0, 1)):
        expected = await outcome(plainly, seconds)
        assert expected[1] == attempts
        assert await outcome(wrapped, seconds) == expected


# -- error handlers ------------------------------------------------------------


@both
@pytest.mark.parametrize("kind", ["node", "default"])
def test_error_handlers(kind: str, mode: Mode) -> None:
    """A node run ahead that fails goes to its error handler, and the run goes on."""

    def outcome(make: Any) -> tuple[Any, Any]:
        journal = Journal()

        def handle(state: State) -> Command[Any]:
            journal.begin("handler")
            return Command(update={"log": ["handled"]}, goto="late")

        failing = node(mode, "early", journal, error=Broken("no"))
        graph = graph_of(
            {name: node(mode, name, journal, seconds=0.03) for name in ("slow", "late")}, []
        )
        graph.add_node("quick", node(mode, "quick", journal))
        graph.add_node("early", failing, error_handler=handle if kind == "node" else None)
        if kind == "default":
            graph.set_node_defaults(error_handler=handle)
        for source, target in (("__start__", "quick"), ("__start__", "slow"), ("quick", "early")):
            graph.add_edge(source, target)
        return run(make(graph), {"log": []}, mode), journal.calls()

    assert outcome(wrapped) == outcome(plainly)
    assert outcome(wrapped)[1]["handler"] == 1


@needs_langgraph("1.2.18", "raises a handled failure again when the run ends")
@both
def test_a_handled_failure_lets_siblings_go_on(mode: Mode) -> None:
    """A failure that is handled cancels nothing, of this superstep or of later ones."""
    journal = Journal()

    def handle(state: State) -> dict[str, Any]:
        return {"log": ["handled"]}

    graph = branches(mode, journal, slow=node(mode, "slow", journal, until="begin after"))
    graph.add_node(
        "failing", node(mode, "failing", journal, error=Broken("no")), error_handler=handle
    )
    graph.add_edge("__start__", "failing")

    def result(made: Any) -> Any:
        return run(made, {"log": []}, mode)["log"]

    assert result(wrapped(graph)) == ["handled", "quick", "slow", "early", "late", "after"]


# -- the exception is the caller's ---------------------------------------------


@both
def test_catching_it_inside_the_node_is_the_nodes_business(mode: Mode) -> None:
    """A node may catch what its own code raises, run ahead or not."""
    journal = Journal()

    def careful(state: State) -> dict[str, Any]:
        try:
            raise Broken("inside")
        except Exception as error:  # noqa: BLE001 - the node's own business
            return {"log": [str(error)]}

    early = pause(mode, "early", journal, 0, careful)
    slow = node(mode, "slow", journal, until="begin early")
    result = run(wrapped(uneven(mode, journal, early=early, slow=slow)), {"log": []}, mode)
    assert "inside" in result["log"]


async def test_base_exceptions_reach_the_caller() -> None:
    """A node run ahead that raises no ``Exception`` ends the run with it."""

    class Stop(BaseException):
        pass

    async def outcome(make: Any) -> str:
        journal = Journal()

        async def early(state: State) -> dict[str, Any]:
            raise Stop("now")

        graph = branches("async", journal, delay=0.05, early=early)
        with pytest.raises(BaseException) as caught:
            await asyncio.wait_for(make(graph).ainvoke({"log": []}), 10)
        return f"{type(caught.value).__name__}: {caught.value}"

    assert await outcome(wrapped) == await outcome(plainly)


@both
def test_the_traceback_leads_into_the_node(mode: Mode) -> None:
    """The traceback shows the line of the node that raised, and is not long."""

    def depth(make: Any) -> tuple[str, int]:
        journal = Journal()
        early = node(mode, "early", journal, error=Broken("no"))
        with pytest.raises(Broken) as caught:
            run(make(branches(mode, journal, delay=0.02, early=early)), {"log": []}, mode)
        return caught.traceback[-1].name, len(caught.traceback)

    name, length = depth(wrapped)
    assert (name, "result") == (depth(plainly)[0], name)
    assert length <= depth(plainly)[1] + 4


def test_time_is_not_lost_on_a_failure() -> None:
    """A failure ends the run as soon as LangGraph would end it."""
    journal = Journal()
    slow = node("async", "slow", journal, seconds=0.02, error=Broken("no"))
    lasting = node("async", "early", journal, seconds=5)
    start = time.monotonic()
    with pytest.raises(Broken):
        run(wrapped(branches("async", journal, slow=slow, early=lasting)), {"log": []}, "async")
    assert time.monotonic() - start < 2.5
