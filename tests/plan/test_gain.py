"""Predicted times: against measured ones, and what is said when there is nothing to gain."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from langgraph_alto import Effects, wrap
from langgraph_alto.plan.gain import Gain
from tests.plan.vague import (
    State,
    agent,
    beside,
    draft,
    fan_out,
    load,
    nested,
    vague_reads,
    vague_writes,
)

# -- measured -------------------------------------------------------------------

SECONDS = {
    "archive": 0.4,
    "index": 0.05,
    "pages": 0.4,
    "answer": 0.05,
    "slow": 0.5,
    "split": 0.05,
    "check": 0.25,
    "collect": 0.25,
    "agent": 0.1,
    "tools": 0.15,
    "report": 0.3,
    "first": 0.05,
    "then": 0.4,
}


def branches() -> StateGraph[Any]:
    """
    archive ------------.
    index ---> pages ---+--> answer
    """

    async def archive(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["archive"])
        return {"docs": ["archive"]}

    async def index(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["index"])
        return {"docs": ["index"]}

    async def pages(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["pages"])
        return {"docs": ["pages"]}

    async def answer(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["answer"])
        return {"score": len(state["docs"])}

    builder = StateGraph(State)
    for node in (archive, index, pages, answer):
        builder.add_node(node)
    builder.add_edge(START, "archive")
    builder.add_edge(START, "index")
    builder.add_edge("index", "pages")
    builder.add_edge(["archive", "pages"], "answer")
    return builder


def fan_out_beside() -> StateGraph[Any]:
    """
    slow/best
    split ==> check/docs --> collect[docs]
    """

    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["slow"])
        return {"best": "slow"}

    async def split(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["split"])
        return {}

    async def check(packet: Any) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["check"])
        return {"docs": ["checked"]}

    async def collect(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["collect"])
        return {"score": len(state["docs"])}

    def packets(state: State) -> list[Send]:
        return [Send("check", {}) for _ in range(6)]

    builder = StateGraph(State)
    nodes: dict[str, Any] = {"slow": slow, "split": split, "check": check, "collect": collect}
    for name, node in nodes.items():
        builder.add_node(name, node)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", packets, ["check"])
    builder.add_edge("check", "collect")
    return builder


def loop_beside() -> StateGraph[Any]:
    """
    slow/best
    agent ...> tools --> agent ...> report[score]
    """

    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["slow"])
        return {"best": "slow"}

    async def agent(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["agent"])
        return {"score": state.get("score", 0) + 1}

    async def tools(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["tools"])
        return {"docs": ["tools"]}

    async def report(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["report"])
        return {"draft": str(state["score"])}

    def route(state: State) -> str:
        return "tools" if state["score"] < 2 else "report"

    builder = StateGraph(State)
    for node in (slow, agent, tools, report):
        builder.add_node(node)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", route)
    builder.add_edge("tools", "agent")
    return builder


def needed() -> StateGraph[Any]:
    """
    slow/docs
    first ---> then[docs]
    """

    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["slow"])
        return {"docs": ["slow"]}

    async def first(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["first"])
        return {"best": "first"}

    async def then(state: State) -> dict[str, Any]:
        await asyncio.sleep(SECONDS["then"])
        return {"score": len(state["docs"])}

    return beside(slow, first, then)


async def measured(graph: Any, predicted: float) -> float:
    """The quickest of a few runs: whatever else the machine does only adds."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        await graph.ainvoke({"docs": []})
        best = min(best, time.perf_counter() - start)
        if best < predicted * 1.1:
            break
    return best


@pytest.mark.parametrize("make", [branches, fan_out_beside, loop_beside, needed])
async def test_predictions_come_true(make: Any) -> None:
    graph = make().compile()
    fast = wrap(graph)
    names = {stage.name for stage in fast.plan.stages}
    times = {name: seconds for name, seconds in SECONDS.items() if name in names}
    widths = {"check": 6} if "check" in names else None
    gain = fast.plan.gain(times, widths=widths)
    # Of several passages, the last goes round the loop first, as this program does.
    course = gain.courses[-1]
    for graph_, makespan in ((graph, course.before), (fast, course.after)):
        seconds = await measured(graph_, makespan.seconds)
        assert makespan.seconds == pytest.approx(seconds, rel=0.15)


# -- predicted ---------------------------------------------------------------------


def test_the_critical_path() -> None:
    gain = wrap(branches()).plan.gain({"archive": 1.0, "index": 0.1, "pages": 1.0, "answer": 0.2})
    assert gain.before == pytest.approx(2.2)
    assert gain.after == pytest.approx(1.3)
    assert gain.share == pytest.approx(0.9 / 2.2)
    (course,) = gain.courses
    assert course.steps == (("archive", "index"), ("pages",), ("answer",))
    assert course.before.path == ("archive", "pages", "answer")
    assert course.after.path == ("index", "pages", "answer")
    assert gain.verdict == "2.2 s in supersteps, 1.3 s under this plan: 41 % less."


def test_packets() -> None:
    plan = wrap(fan_out_beside()).plan
    times = {"slow": 1.0, "check": 0.5, "collect": 0.5}
    usual, wide = plan.gain(times), plan.gain(times, widths={"check": 9})
    assert usual.before == wide.before == 2.0
    assert usual.after == wide.after == 1.0
    assert usual.courses[0].steps[1] == ("check",) * 4
    assert wide.courses[0].steps[1] == ("check",) * 9
    assert "each split sends 4 to check" in usual.assumptions
    assert "each split sends 9 to check" in wide.assumptions


def test_packets_of_packets() -> None:
    gain = wrap(nested()).plan.gain({"mark": 1.0}, widths={"read": 2, "mark": 3})
    assert gain.courses[0].steps == (
        ("split",),
        ("read",) * 2,
        ("mark",) * 6,
        ("collect",),
    )


def test_loops_are_gone_round_once() -> None:
    gain = wrap(agent()).plan.gain({"agent": 1.0, "tools": 0.5})
    assert [course.steps for course in gain.courses] == [(("agent",), ("tools",), ("agent",))]
    assert gain.before == 2.5
    assert "a loop is gone round once" in gain.assumptions


def test_every_choice_is_taken_in_one_passage() -> None:
    """
    slow
    pick ...> left  --> end
         ...> right --> end
    """

    def pick(state: State) -> str:
        return "left" if state["score"] else "right"

    builder = StateGraph(State)
    for name in ("slow", "pick", "left", "right"):
        builder.add_node(name, lambda state: {})
    builder.add_edge(START, "slow")
    builder.add_edge(START, "pick")
    builder.add_conditional_edges("pick", pick, ["left", "right"])
    builder.add_edge("left", END)
    gain = wrap(builder).plan.gain({"slow": 1.0, "left": 1.0, "right": 3.0})
    assert [course.steps[1] for course in gain.courses] == [("left",), ("right",)]
    assert [course.before.seconds for course in gain.courses] == [2.0, 4.0]
    assert [course.after.seconds for course in gain.courses] == [1.0, 3.0]
    assert (gain.before, gain.after) == (3.0, 2.0)
    assert gain.longest is gain.courses[1]
    assert any("2 passages" in text for text in gain.assumptions)


def test_a_graph_that_does_not_end() -> None:
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {})
    builder.add_node("b", lambda state: {})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "a")
    gain = wrap(builder).plan.gain({"a": 0.1})
    assert "a passage did not come to an end and was cut off" in gain.assumptions
    assert len(gain.courses[0].steps) < 100


def test_wide_fan_outs_are_linear() -> None:
    start = time.perf_counter()
    gain = wrap(fan_out()).plan.gain({"check": 1.0}, widths={"check": 5000})
    assert len(gain.courses[0].steps[1]) == 5000
    assert time.perf_counter() - start < 20


# -- nothing to gain ------------------------------------------------------------------


def verdict(builder: StateGraph[Any], **times: float) -> str:
    gain: Gain = wrap(builder).plan.gain(times)
    assert gain.share < 0.02
    return gain.verdict


def test_a_chain_gains_nothing() -> None:
    text = verdict(agent(), agent=1.0, tools=1.0)
    assert text == "This graph gains nothing: it is a chain, in which each superstep has one task."


def test_a_fan_out_into_its_reduce_gains_nothing() -> None:
    text = verdict(fan_out(), split=1.0, check=1.0, collect=1.0)
    assert "a chain of fan-outs, each of which meets again in the next superstep" in text


def test_branches_of_the_same_slowest_gain_nothing() -> None:
    text = verdict(branches(), archive=0.1, index=1.0, pages=1.0)
    assert "its edges alone take as long" in text


def test_a_graph_whose_data_need_its_waits_gains_nothing() -> None:
    text = verdict(needed(), slow=1.0, first=0.1, then=1.0)
    assert "the data need its waits (then reads 'docs', which slow may write)" in text


def test_a_graph_held_by_barriers_gains_nothing_yet() -> None:
    text = verdict(vague_writes(), slow=1.0, first=0.1, then=1.0)
    assert "with all that could be declared it would take 1.1 s instead of 2 s" in text


def test_little_is_not_nothing() -> None:
    text = verdict(branches(), archive=1.0, index=0.985, pages=0.1)
    assert text.startswith("It gains only 1 %: ")


def test_without_times_there_is_nothing_to_compare() -> None:
    assert "nothing to compare" in wrap(branches()).plan.gain({}).verdict


# -- lifting -----------------------------------------------------------------------------


def test_what_each_lift_gains() -> None:
    """
    slow/best
    draft .........../?
    first --> then[?]
    """
    builder = vague_reads()
    builder.add_node("draft", draft)
    builder.add_edge(START, "draft")
    plan = wrap(builder, effects={"draft": Effects(goto=())}).plan
    times = {"slow": 1.0, "draft": 0.6, "first": 0.1, "then": 1.0}
    gain = plan.gain(times)
    assert gain.after == 2.0
    by_text = {lift.text: lift.seconds for lift in gain.lifts}
    for barrier in plan.barriers:
        if barrier.lift is not None:
            declared = {"draft": Effects(goto=()), **dict(barrier.lift.effects)}
            lifted = wrap(builder, effects=declared).plan.gain(times)
            assert by_text[barrier.lift.text] == pytest.approx(gain.after - lifted.after)
            assert gain.of(barrier) == by_text[barrier.lift.text]
    assert max(by_text.values()) == pytest.approx(0.4), "until what the other one keeps"
    assert gain.lifted == pytest.approx(1.1)


def test_an_ordered_node_is_predicted_as_such() -> None:
    times = {"slow": 1.0, "first": 0.1, "then": 1.0}
    assert wrap(beside(lambda state: {})).plan.gain(times).after == pytest.approx(1.1)
    assert wrap(beside(lambda state: {}), ordered={"then"}).plan.gain(times).after == 2.0


# -- wrong arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "widths", "text"),
    [
        ({"nobody": 1.0}, None, "times names the node 'nobody'.*'first', 'slow', 'then'"),
        ({}, {"nobody": 2}, "widths names the node 'nobody'"),
        ({"slow": -1.0}, None, r"times\['slow'\] is -1.0; give seconds"),
        ({"slow": float("nan")}, None, r"times\['slow'\] is nan"),
        ({}, {"slow": 0}, r"widths\['slow'\] is 0; give the number of packets"),
    ],
)
def test_wrong_arguments(times: Any, widths: Any, text: str) -> None:
    plan = wrap(beside(load)).plan
    with pytest.raises(ValueError, match=text):
        plan.gain(times, widths=widths)
    with pytest.raises(ValueError, match=text):
        plan.explain(times=times, widths=widths)


@pytest.mark.parametrize(
    ("times", "widths", "text"),
    [
        ([("slow", 1.0)], None, "times is a list; give a mapping of node names to seconds"),
        (1.0, None, "times is a float; give a mapping"),
        ({"slow": "1"}, None, r"times\['slow'\] is '1'; give seconds, a number"),
        ({"slow": None}, None, r"times\['slow'\] is None; give seconds"),
        ({"slow": True}, None, r"times\['slow'\] is True; give seconds"),
        ({}, 3, "widths is a int; give a mapping of node names to numbers of packets"),
        ({}, {"slow": 2.5}, r"widths\['slow'\] is 2.5; give the number of packets, a whole"),
        ({}, {"slow": True}, r"widths\['slow'\] is True; give the number"),
    ],
)
@pytest.mark.parametrize("policy", ["proven", "off"])
def test_arguments_of_the_wrong_type(times: Any, widths: Any, text: str, policy: str) -> None:
    plan = wrap(beside(load), policy=policy).plan
    with pytest.raises(TypeError, match=text):
        plan.gain(times, widths=widths)
    with pytest.raises(TypeError, match=text):
        plan.explain(times=times, widths=widths)


def test_times_in_place_of_a_pass() -> None:
    """``explain({...})`` says where times go."""
    given: Any = {"slow": 1.0}
    plan = wrap(beside(load)).plan
    with pytest.raises(TypeError, match=r"stage is a dict; .* a pass, or give times=\.\.\."):
        plan.explain(given)
    with pytest.raises(TypeError, match=r"stage is a int; give the name of a pass$"):
        plan.explain(len(given))  # type: ignore[arg-type]


def test_widths_without_times() -> None:
    with pytest.raises(ValueError, match=r"give times=\.\.\. too"):
        wrap(beside(load)).plan.explain(widths={"slow": 2})


def test_whole_numbers_of_other_types() -> None:
    plan = wrap(fan_out_beside()).plan
    numpy = pytest.importorskip("numpy")
    node = plan.stages[0].name
    assert plan.gain({node: numpy.float32(0.5)}, widths={node: numpy.int64(2)}) == plan.gain(
        {node: 0.5}, widths={node: 2}
    )
