"""Priorities: what belongs together stays together, the oldest first."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from langgraph_alto import Ancestry, wrap
from langgraph_alto_vllm import ChatVLLM
from langgraph_alto_vllm._place import place
from langgraph_alto_vllm._priority import Ages, priority
from tests.vllm.stand_in import StandIn

ROOT = Ancestry()


def test_what_came_first_and_further_is_first() -> None:
    """Two runs; the first fans out over documents, and each document over claims."""
    first, second = ROOT.child("split", 0), ROOT.child("split", 1)
    in_order = [
        (0, first.child("claims", 0)),
        (0, first.child("claims", 1)),
        (0, first),
        (0, second.child("claims", 0)),
        (0, second),
        (0, ROOT),
        (1, first.child("claims", 0)),
        (1, ROOT),
    ]
    numbers = [priority(age, place) for age, place in in_order]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)


def test_turns_of_a_loop_keep_their_place() -> None:
    packet = ROOT.child("split", 3)
    assert priority(0, packet.again("agent").again("agent")) == priority(0, packet)


def test_a_number_fits_where_the_server_keeps_it() -> None:
    far = ROOT
    for _ in range(5):
        far = far.child("split", 10**9)
    assert 0 <= priority(0, far) < priority(10**9, ROOT) < 2**63


def test_runs_are_numbered_as_they_are_first_seen() -> None:
    ages = Ages()
    assert [ages.of(run, 0.0) for run in ("a", "b", "a", "c", "b")] == [0, 1, 0, 2, 1]


def test_a_thread_s_next_run_is_new() -> None:
    ages = Ages()
    assert [ages.of("a", 0.0), ages.of("b", 50.0), ages.of("a", 50.0)] == [0, 1, 0]
    assert [ages.of("a", 115.0), ages.of("b", 115.0)] == [2, 3]


def test_outside_a_graph_there_is_a_place_too() -> None:
    assert place({}) >= 0


class State(TypedDict):
    number: int


async def test_a_task_s_place_reaches_the_server() -> None:
    """START ─► split ══► ask: three packets, each asks the model."""
    with StandIn() as server:
        model = ChatVLLM(base_url=server.url, model="m", priority=True)

        async def ask(packet: Any) -> Any:
            await model.ainvoke(str(packet))

        builder: Any = StateGraph(State)
        builder.add_node("split", lambda state: {"number": 1})
        builder.add_node("ask", ask)
        builder.add_edge(START, "split")
        builder.add_conditional_edges(
            "split", lambda state: [Send("ask", number) for number in range(3)], ["ask"]
        )
        await wrap(builder.compile()).ainvoke({"number": 0}, {"configurable": {"thread_id": "t"}})
        sent = {r["messages"][0]["content"]: r["priority"] for r in server.requests}
        numbers = [sent[str(number)] for number in range(3)]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("asked", [True, False])
def test_a_priority_is_sent_only_when_asked_for(asked: bool) -> None:
    with StandIn() as server:
        ChatVLLM(base_url=server.url, model="m", priority=asked).invoke("hello")
        assert ("priority" in server.requests[0]) is asked
