"""For which runs a prediction holds, and where equal times make it what it is."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from langgraph_alto import wrap
from tests.plan.vague import State, beside, fan_out, nested


def changing() -> StateGraph[Any]:
    """
    slow/best
    first --> then, which changes docs in place
    """

    def then(state: State) -> dict[str, Any]:
        state["docs"].append("then")
        return {"score": 1}

    builder = StateGraph(State)
    builder.add_node("slow", lambda state: {"best": "slow"})
    builder.add_node("first", lambda state: {"draft": "first"})
    builder.add_node("then", then)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "first")
    builder.add_edge("first", "then")
    return builder


TIMES = {"slow": 1.0, "first": 0.1, "then": 1.0}
ONLY = "This holds for invoke and ainvoke without a checkpointer only"


def test_a_gain_under_invoke_only_says_so_and_gives_the_other_figure() -> None:
    gain = wrap(changing()).plan.gain(TIMES)
    assert (gain.before, gain.after, gain.streamed) == pytest.approx((2.0, 1.1, 2.0))
    assert gain.verdict.startswith("2 s in supersteps, 1.1 s under this plan: 45 % less. " + ONLY)
    assert gain.verdict.endswith("under stream, or with a checkpointer: 2 s.")


@pytest.mark.parametrize(
    "graph",
    [
        wrap(changing().compile(checkpointer=InMemorySaver())),
        wrap(beside(lambda state: {})),
        wrap(changing(), policy="off"),
    ],
    ids=["checkpointer", "no changes", "off"],
)
def test_other_gains_hold_for_all_runs(graph: Any) -> None:
    gain = graph.plan.gain(TIMES)
    assert gain.streamed == gain.after
    assert ONLY not in gain.verdict


def test_where_equal_times_of_packets_hide_a_gain() -> None:
    gain = wrap(nested()).plan.gain({"read": 1.0, "mark": 1.0, "collect": 0.1})
    assert gain.share == 0
    assert gain.uneven is not None
    assert gain.uneven[1] < gain.uneven[0]
    assert gain.verdict.startswith(
        "With equal times for the packets of one fan-out, this graph gains nothing: "
    )
    assert "If they take from half to one and a half times as long, " in gain.verdict
    assert "the packets of one fan-out take equally long" in gain.assumptions


def test_where_they_hide_none() -> None:
    gain = wrap(fan_out()).plan.gain({"split": 1.0, "check": 1.0, "collect": 0.1})
    assert gain.uneven is None
    assert gain.verdict.startswith("This graph gains nothing: ")
