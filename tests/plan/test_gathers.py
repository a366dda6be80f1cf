"""Gathers in a plan: what is said of them, and what they are predicted to gain."""

from __future__ import annotations

import asyncio
import json
import operator
import time
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt

from langgraph_alto import gather, wrap
from langgraph_alto.plan.durations import durations
from langgraph_alto.plan.gathers import once_per
from langgraph_alto.plan.makespan import in_supersteps, run_ahead
from langgraph_alto.plan.passage import passages
from langgraph_alto.plan.plan import Edge


class Doc(TypedDict, total=False):
    ids: list[int]
    summaries: Annotated[list[str], operator.add]
    report: str


LOAD = (0.05, 0.3)
CHECK = 0.1
SUMMARISE = 0.3


def documents(summarise: Any = None, **declared: Any) -> StateGraph[Any]:
    """
    split ==> load ==> check --> summarise (per load) --> report[summaries]
    """

    async def split(state: Doc) -> dict[str, Any]:
        return {}

    def packets(state: Doc) -> list[Send]:
        return [Send("load", number) for number in state["ids"]]

    async def load(number: Any) -> Command[Any]:
        await asyncio.sleep(LOAD[number])
        return Command(goto=[Send("check", place) for place in range(2)])

    async def check(place: Any) -> dict[str, Any]:
        await asyncio.sleep(CHECK)
        return {"score": place}

    async def summed(scores: Any) -> dict[str, Any]:
        # The first document takes longest here, and comes first.
        await asyncio.sleep(SUMMARISE if scores.parent == 0 else 0.01)
        return {"summaries": [f"{scores.parent}: {sum(scores)}"]}

    builder: Any = StateGraph(Doc)
    builder.add_node(split)
    builder.add_node(load, destinations=("check",))
    builder.add_node(check)
    builder.add_node("report", lambda state: {"report": " ".join(state["summaries"])})
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", packets, ["load"])
    gather(
        builder, "summarise", summarise or summed, over="load", of="check", key="score", **declared
    )
    builder.add_edge("summarise", "report")
    made: StateGraph[Any] = builder
    return made


TIMES = {"load": 0.3, "check": 0.4, "summarise": 0.5}


def test_a_plan_says_when_each_parent_is_reduced() -> None:
    plan = wrap(documents()).plan
    assert plan["summarise"].granularity == ("parent",)
    assert Edge("check", "summarise", "gather") in plan.edges
    (found,) = plan.gathers
    assert (found.node, found.over, found.of) == ("summarise", "load", ("check",))
    assert (found.scopes, found.early) == (("load", "split"), True)
    assert [reduce.node for reduce in plan.reduces] == []
    text = plan.explain()
    when = "once per parent (load), as soon as all check below it have ended"
    assert f"summarise │ {when}\n" in text
    assert f"summarise runs {when}: scope load and split ends" in text
    assert "runs once on what comes of" not in text


def test_drawings_and_json_say_so_too() -> None:
    plan = wrap(documents()).plan
    assert '-->|"once per load"|' in plan.draw_mermaid()
    assert "summarise runs once per parent (load), as soon as all check" in plan.draw_svg()
    (found,) = plan.to_json()["gathers"]
    assert (found["over"], found["of"], found["early"]) == ("load", ["check"], True)


def unseen(state: Doc) -> Any:
    return json.loads("{}")


@pytest.mark.parametrize("stage", ["read", "effects", "scopes", "barriers", "streams"])
def test_accounts_are_nobodys_business(stage: str) -> None:
    builder = documents()
    builder.add_node("beside", unseen)
    builder.add_edge(START, "beside")
    plan = wrap(builder).plan.after(stage)
    shown = [plan.explain(), plan.draw_mermaid(), plan.draw_svg(), json.dumps(plan.to_json())]
    assert [text for text in shown if "__gather" in text] == []
    assert "summarise reads all its input" not in shown[0]


def test_a_barrier_of_a_gather_is_told_and_lifted() -> None:
    builder = documents()
    builder.add_node("beside", unseen)
    builder.add_edge(START, "beside")
    plan = wrap(builder).plan
    barrier = next(each for each in plan.barriers if each.node == "summarise")
    assert "beside may write any key, so also what summarise gathers" in barrier.reason
    assert barrier.keys == ()
    assert barrier.lift is not None
    lifted = wrap(builder, effects=dict(barrier.lift.effects)).plan
    assert [each for each in lifted.barriers if each.node == "summarise"] == []


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"first": 2}, "as soon as the first 2 results of check below it are certain"),
        ({"as_completed": True}, "from the first result of check below it on"),
    ],
)
def test_other_ways_to_begin(declared: Any, words: str) -> None:
    (found,) = wrap(documents(**declared)).plan.gathers
    assert once_per(found) == f"once per parent (load), {words}"


def changing(scores: Any) -> Any:
    scores.parent["seen"] = True
    return {"summaries": []}


def asking(scores: Any) -> Any:
    return {"summaries": [interrupt("?")]}


@pytest.mark.parametrize(
    "graph",
    [
        wrap(documents(), ordered={"summarise"}),
        wrap(documents().compile(interrupt_before=["report"])),
        wrap(documents(asking)),
        wrap(documents(changing).compile(checkpointer=InMemorySaver())),
    ],
    ids=["ordered", "stops", "interrupts", "changes"],
)
def test_where_calls_wait_for_their_superstep(graph: Any) -> None:
    (found,) = graph.plan.gathers
    assert not found.early
    assert "once per parent (load), all in the superstep after check" in graph.plan.explain()
    course = graph.plan.gain({"summarise": 1.0}).courses[0]
    assert course.after.seconds == course.before.seconds


# -- predicted ---------------------------------------------------------------------


def test_what_a_gather_gains() -> None:
    gain = wrap(documents()).plan.gain(TIMES)
    assert gain.share > 0.05
    assert "under this plan" in gain.verdict
    assert any("calls of summarise take from half to one and a half" in a for a in gain.assumptions)
    assert wrap(documents()).plan.gain(TIMES) == gain, "the same each time"
    assert wrap(documents(), policy="off").plan.gain(TIMES).share == 0


def test_one_parent_gains_nothing() -> None:
    gain = wrap(documents()).plan.gain(TIMES, widths={"load": 1, "check": 1})
    assert gain.share == 0
    assert "gains nothing" in gain.verdict


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, 0.05 + 2.0 + 0.3),
        ({"first": 1}, 0.3 + 2.0),
        ({"as_completed": True}, 0.3 + 2.0),
    ],
)
def test_when_calls_begin(declared: Any, expected: float) -> None:
    """The second check of each parent takes 2 s; the gather ends no sooner than the last."""
    plan = wrap(documents(**declared)).plan
    assert plan.given is not None
    masks = plan.given.masks
    (passage,) = passages(plan.given, masks, {"load": 2, "check": 2})
    (lasts,) = durations(passage, masks, plan.given.gathers, [0.0] * 9, uneven=False)
    tasks, calls = dict(lasts.tasks), dict(lasts.calls)
    loads = passage.steps[2]
    tasks.update(zip(loads, LOAD, strict=True))
    tasks.update(zip(passage.steps[3], (0.1, 2.0, 0.1, 2.0), strict=True))
    for call, seconds in zip(calls, (SUMMARISE, 0.01), strict=True):
        assert call.parent in loads
        calls[call] = seconds
    lasts = type(lasts)(tasks, calls, lasts.made)
    assert in_supersteps(passage, masks, lasts).seconds == pytest.approx(0.3 + 2.0 + 0.3)
    ahead = run_ahead(passage, plan.given, masks, lasts)
    assert ahead.seconds == pytest.approx(expected)


async def test_the_model_is_what_happens() -> None:
    """The first document is summed up while the second is still loaded."""
    graph = documents().compile()
    fast = wrap(graph)
    for each, seconds in ((graph, 0.3 + 0.1 + 0.3), (fast, 0.05 + 0.1 + 0.3)):
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            await each.ainvoke({"ids": [0, 1]})
            best = min(best, time.perf_counter() - start)
        assert best == pytest.approx(seconds, rel=0.15)
