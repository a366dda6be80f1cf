"""A wrapped graph is faster where a barrier is what costs: generous bounds, real time.

`comparisons/` measures; this only sees that nothing has stopped running ahead.
"""

from __future__ import annotations

import asyncio
import copy
import time
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from tests.guarantees.shapes import Fan, Model, early_reduce, pause
from tests.guarantees.support import Body, Journal, Mode, State, both, graph_of, node, run, wrapped

UNIT = 0.1
RATIO = 0.8


def _nodes(mode: Mode, **units: float) -> dict[str, Body]:
    return {
        name: node(mode, name, Journal(), seconds=units_ * UNIT) for name, units_ in units.items()
    }


def uneven_branches(mode: Mode) -> Any:
    """Issue 6320: a: 0 -> 2, b: 2 -> 0. Supersteps: 4, dependencies: 2."""
    return graph_of(
        _nodes(mode, a1=0, a2=2, b1=2, b2=0),
        [("", "a1"), ("", "b1"), ("a1", "a2"), ("b1", "b2")],
    )


def waiting_edge(mode: Mode) -> Any:
    """Two pairs that join, one of them early; then a node of its own."""
    return graph_of(
        _nodes(mode, a=0, b=0, after=2, slow=2, late=0),
        [("", "a"), ("", "b"), ("", "slow"), (["a", "b"], "after"), ("slow", "late")],
    )


def send_chain(mode: Mode) -> Any:
    """work and check take turns at being slow."""

    def one(item: int) -> Command[Any]:
        time.sleep((item % 2) * 2 * UNIT)
        return Command(goto=[Send("check", item)])

    async def aone(item: int) -> Command[Any]:
        await asyncio.sleep((item % 2) * 2 * UNIT)
        return Command(goto=[Send("check", item)])

    def two(item: int) -> dict[str, Any]:
        time.sleep((1 - item % 2) * 2 * UNIT)
        return {"seen": [str(item)]}

    async def atwo(item: int) -> dict[str, Any]:
        await asyncio.sleep((1 - item % 2) * 2 * UNIT)
        return {"seen": [str(item)]}

    def fan(state: Fan) -> list[Send]:
        return [Send("work", item) for item in state["items"]]

    graph: Any = StateGraph(Fan)
    graph.add_node("work", one if mode == "sync" else aone, destinations=("check",))
    graph.add_node("check", two if mode == "sync" else atwo)
    graph.add_conditional_edges(START, fan, ["work"])
    return graph


def reduce_early(mode: Mode) -> Any:
    """A fan-out is reduced and used while an unrelated task is slow."""
    return early_reduce(mode, Journal(), 2 * UNIT)


def router(mode: Mode) -> Any:
    """A router in the quick branch chooses what takes long."""
    graph = graph_of(
        _nodes(mode, quick=0, slow=2, long=2, never=2, late=0),
        [("", "quick"), ("", "slow"), ("slow", "late")],
    )

    def choose(state: State) -> str:
        return "never" if state.get("left") else "long"

    graph.add_conditional_edges("quick", choose, ["long", "never"])
    return graph


def pydantic_state(mode: Mode) -> Any:
    """Attributes of a Pydantic state, one written by each branch."""
    graph: Any = StateGraph(Model)

    def left(state: Model) -> dict[str, Any]:
        return {"left": "left"}

    def right(state: Model) -> dict[str, Any]:
        return {"right": "right"}

    def reads(state: Model) -> dict[str, Any]:
        return {"log": [state.left]}

    journal = Journal()
    graph.add_node("quick", pause(mode, "quick", journal, 0, left))
    graph.add_node("slow", pause(mode, "slow", journal, 2 * UNIT, right))
    graph.add_node("after", pause(mode, "after", journal, 2 * UNIT, reads))
    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    graph.add_edge("quick", "after")
    return graph


def subgraph_in_its_parent(mode: Mode) -> Any:
    """A subgraph that takes long, after a quick node, beside a slow one."""
    inner: Any = StateGraph(Narrow)
    inner.add_node("long", pause(mode, "long", Journal(), 2 * UNIT, _answers))
    inner.add_edge(START, "long")
    graph = graph_of(_nodes(mode, quick=0, slow=2), [("", "quick"), ("", "slow")])
    graph.add_node("inner", inner.compile(), input_schema=Narrow)
    graph.add_edge("quick", "inner")
    return graph


class Narrow(TypedDict, total=False):
    """What the subgraph takes and gives: nothing that ``slow`` writes."""

    left: str


def _answers(state: Any) -> dict[str, Any]:
    return {"left": "answer"}


def subgraph_within(mode: Mode) -> Any:
    """The uneven branches inside a subgraph."""
    return graph_of({"inner": uneven_branches(mode).compile()}, [("", "inner")])


SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "uneven_branches": (uneven_branches, {"log": []}),
    "waiting_edge": (waiting_edge, {"log": []}),
    "send_chain": (send_chain, {"items": [0, 1, 2, 3]}),
    "reduce_early": (reduce_early, {"items": [0, 1]}),
    "router": (router, {"log": []}),
    "pydantic_state": (pydantic_state, {"log": []}),
    "subgraph_in_its_parent": (subgraph_in_its_parent, {"left": ""}),
    "subgraph_within": (subgraph_within, {"log": []}),
}


def _seconds(graph: Any, given: Any, mode: Mode) -> tuple[float, Any]:
    start = time.monotonic()
    result = run(graph, copy.deepcopy(given), mode)
    return time.monotonic() - start, result


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_wrapped_is_well_under_plain(shape: str, mode: Mode) -> None:
    make, given = SHAPES[shape]
    plain, fast = make(mode).compile(), wrapped(make(mode))
    for attempt in (1, 2):
        before, expected = _seconds(plain, given, mode)
        after, result = _seconds(fast, given, mode)
        assert result == expected
        assert before > 3 * UNIT
        if after < RATIO * before:
            return
        # A busy machine may hold up one measurement, but hardly two.
        assert attempt == 1, f"{after:.3f} s wrapped, {before:.3f} s plain"
