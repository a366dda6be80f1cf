"""G1, same result: only time differs from LangGraph.

For any graph and node timing: final state, ``values`` per superstep, the set of
``updates`` per superstep, checkpoints (values, next, step, source), exceptions
and retries equal LangGraph's.
"""

from __future__ import annotations

import asyncio
import copy
import time
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START
from langgraph.types import Command, RetryPolicy, Send

from langgraph_alto.testing import check
from tests.guarantees.shapes import SHAPES, messages
from tests.guarantees.support import (
    Journal,
    Mode,
    State,
    both,
    collect,
    engines,
    graph_of,
    node,
    run,
    stream,
    supersteps,
    thread,
    uneven,
    wrapped,
)

shapes = pytest.mark.parametrize("shape", SHAPES)


def made(shape: str, mode: Mode, slow: float = 0.03) -> tuple[Any, dict[str, Any]]:
    make, given = SHAPES[shape]
    return make(mode, Journal(), slow), copy.deepcopy(given)


@both
@shapes
def test_final_state(shape: str, mode: Mode) -> None:
    """The final state equals LangGraph's."""
    graph, given = made(shape, mode)
    expected = run(graph.compile(), copy.deepcopy(given), mode)
    assert run(wrapped(graph), given, mode) == expected


@both
@shapes
def test_values_and_updates_per_superstep(shape: str, mode: Mode) -> None:
    """``values`` per superstep, and the set of ``updates`` per superstep, are equal."""
    graph, given = made(shape, mode)
    how: dict[str, Any] = {"stream_mode": ["values", "updates"]}
    expected = stream(graph.compile(), copy.deepcopy(given), mode, **how)
    assert len(expected) > 3
    assert supersteps(stream(wrapped(graph), given, mode, **how)) == supersteps(expected)


@both
@shapes
def test_checkpoints(shape: str, mode: Mode) -> None:
    """Checkpoints are equal: values, next, step, source."""
    graph, given = made(shape, mode)

    def history(compiled: Any) -> list[Any]:
        run(compiled, copy.deepcopy(given), mode, thread(), durability="sync")
        return [
            (s.values, s.next, s.metadata["step"], s.metadata["source"], _tasks(s))
            for s in compiled.get_state_history(thread())
        ]

    expected = history(graph.compile(checkpointer=InMemorySaver()))
    assert len(expected) >= 4
    assert history(wrapped(graph.compile(checkpointer=InMemorySaver()))) == expected


def _tasks(snapshot: Any) -> list[Any]:
    return [(task.name, task.path, task.error, task.result) for task in snapshot.tasks]


@both
@pytest.mark.parametrize("policy", ["proven", "speculative", "off"])
@shapes
def test_any_timing(shape: str, policy: str, mode: Mode) -> None:
    """For any node timing, and under every policy, everything observable is equal."""
    graph, given = made(shape, mode, slow=0)
    check(
        graph,
        [given],
        policy=policy,
        delays=("random", 0, 0.01),
        mode=mode,
        checkpointer=InMemorySaver,
        seed=7,
    ).raise_for_difference()


@both
def test_messages_are_added_in_langgraphs_order(mode: Mode) -> None:
    """A reducer that depends on order gets the updates in LangGraph's order."""
    graph = messages(mode, Journal(), 0.03)
    given = {"messages": [("user", "hello")]}

    def texts(compiled: Any) -> list[str]:
        return [m.content for m in run(compiled, given, mode)["messages"]]

    assert texts(wrapped(graph)) == texts(graph.compile())


@both
@pytest.mark.parametrize("failing", ["quick", "slow", "early", "late", "end"])
def test_exceptions(failing: str, mode: Mode) -> None:
    """The exception, and what was streamed before it, is LangGraph's."""

    def outcome(make: Any) -> tuple[Any, ...]:
        journal = Journal()
        body = node(mode, failing, journal, seconds=0.02, error=ValueError(f"no {failing}"))
        slow = {} if failing == "slow" else {"slow": node(mode, "slow", journal, seconds=0.04)}
        compiled = make(uneven(mode, journal, **{failing: body, **slow}))
        events: list[Any] = []
        with pytest.raises(ValueError, match=rf"^no {failing}\b"):
            collect(compiled, {"log": []}, mode, events, stream_mode=["values", "updates"])
        return tuple(supersteps(events)[:-1])

    assert outcome(wrapped) == outcome(lambda graph: graph.compile())


@both
def test_retries(mode: Mode) -> None:
    """A node that fails twice is tried as often, run ahead or not."""

    def outcome(make: Any) -> tuple[Any, int]:
        journal = Journal()
        plain = node(mode, "early", journal)

        def flaky(state: Any) -> Any:
            result = plain(state)
            if journal.calls()["early"] < 3:
                raise ConnectionError("try again")
            return result

        async def aflaky(state: Any) -> Any:
            result = await plain(state)
            if journal.calls()["early"] < 3:
                raise ConnectionError("try again")
            return result

        nodes = {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, seconds=0.05),
        }
        graph = graph_of(nodes, [("", "quick"), ("", "slow")])
        policy = RetryPolicy(initial_interval=0.001, jitter=False)
        graph.add_node("early", flaky if mode == "sync" else aflaky, retry_policy=policy)
        graph.add_edge("quick", "early")
        return run(make(graph), {"log": []}, mode), journal.calls()["early"]

    assert outcome(wrapped) == outcome(lambda graph: graph.compile())
    assert outcome(wrapped)[1] == 3


@both
def test_only_time_differs(mode: Mode) -> None:
    """What is compared here does run ahead: LangGraph would never come to an end."""
    before = engines.made
    journal = Journal()
    assert run(wrapped(uneven(mode, journal)), {"log": []}, mode)["log"][-1] == "end"
    assert journal.came_first("begin early", "end slow")
    assert engines.made > before


LOOKS: dict[str, Any] = {
    "path": lambda config: config["metadata"]["langgraph_path"],
    "all": lambda config: [str(v) for v in dict(config["metadata"]).values() if type(v) is tuple],
    "namespace": lambda config: config["metadata"]["langgraph_checkpoint_ns"].split(":")[0],
}


@both
@pytest.mark.parametrize("look", LOOKS)
def test_a_node_that_looks_at_its_place(look: str, mode: Mode) -> None:
    """START ==> a: first slow, then quick ==> b, which logs its place among all ``b``.

    The quick one's packets come second, which is not known while the slow one runs.
    """
    journal = Journal()

    def start(state: State) -> Command[Any]:
        return Command(goto=[Send("a", 0.05), Send("a", 0)])

    def b(packet: Any, config: RunnableConfig) -> Any:
        return {"log": [f"{packet} {LOOKS[look](config)}"]}

    def a(seconds: Any) -> Any:
        time.sleep(seconds)
        return Command(goto=[Send("b", f"{seconds} {n}") for n in range(2)])

    async def aa(seconds: Any) -> Any:
        await asyncio.sleep(seconds)
        return Command(goto=[Send("b", f"{seconds} {n}") for n in range(2)])

    graph = graph_of({"slow": node(mode, "slow", journal, seconds=0.1)}, [("", "slow")])
    graph.add_node("start", start, destinations=("a",))
    graph.add_node("a", a if mode == "sync" else aa, destinations=("b",))
    graph.add_node("b", b)
    graph.add_edge(START, "start")
    assert (
        run(wrapped(graph), {"log": []}, mode)["log"]
        == run(graph.compile(), {"log": []}, mode)["log"]
    )
