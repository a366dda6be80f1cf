"""Destinations that are named together: what is found in the source, and what it predicts."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import Effects, wrap
from langgraph_alto.plan.analysis import analyse_node, analyse_router
from tests.plan.vague import State

BOTH = ["slow", "quick"]


def a_list(state: State) -> Any:
    return ["slow", "quick"]


def a_tuple(state: State) -> Any:
    return "slow", "quick"


def a_name(state: State) -> Any:
    return BOTH


def one_of_two(state: State) -> Any:
    return "slow" if state["score"] else "quick"


def one_or_both(state: State) -> Any:
    if state["score"]:
        return ["slow", "quick"]
    return "after"


def a_list_with_a_choice(state: State) -> Any:
    return ["slow", "quick" if state["score"] else "after"]


def a_list_that_grows(state: State) -> Any:
    found = ["slow"]
    if state["score"]:
        found.append("quick")
    return found


def a_list_of_a_loop(state: State) -> Any:
    return [name for name in ("slow", "quick") if name in state["best"]]


def a_packet_and_a_name(state: State) -> Any:
    return [Send("slow", {}), "quick"]


@pytest.mark.parametrize(
    ("function", "ways"),
    [
        (a_list, [{"slow", "quick"}]),
        (a_tuple, [{"slow", "quick"}]),
        (a_name, [{"slow", "quick"}]),
        (one_of_two, [{"slow"}, {"quick"}]),
        (one_or_both, [{"slow", "quick"}, {"after"}]),
        (a_list_with_a_choice, [{"slow", "quick"}, {"slow", "after"}]),
        (a_list_that_grows, [{"slow"}, {"quick"}, {"slow", "quick"}]),
        (a_list_of_a_loop, [{"slow"}, {"quick"}, {"slow", "quick"}]),
        (a_packet_and_a_name, [{"slow", "quick"}]),
    ],
)
def test_what_a_router_names_together(function: Any, ways: list[set[str]]) -> None:
    found = analyse_router(function, State).facts.together
    assert found == frozenset(map(frozenset, ways))

    def node(state: State) -> Any:
        return Command(goto=function(state), update={"best": ""})

    assert analyse_node(node, State).together == found


def test_commands_returned_together() -> None:
    def node(state: State) -> Any:
        return [Command(goto="slow"), Command(goto="quick"), {"best": ""}]

    assert analyse_node(node, State).together == {frozenset({"slow", "quick"})}


def test_an_update_leads_nowhere() -> None:
    assert analyse_node(lambda state: {"best": "slow"}, State).together == frozenset()


# -- predicted ---------------------------------------------------------------------


def graph(pick: Any = None, command: Any = None, path_map: Any = None) -> StateGraph[Any]:
    """
    pick ...> slow/docs
         ...> quick/best --> after[best]
    """
    builder = StateGraph(State)
    if command is not None:
        builder.add_node("pick", command, destinations=("slow", "quick"))
    else:
        builder.add_node("pick", lambda state: {})
        builder.add_conditional_edges("pick", pick, path_map)
    builder.add_node("slow", lambda state: {"docs": ["slow"]})
    builder.add_node("quick", lambda state: {"best": "quick"})
    builder.add_node("after", lambda state: {"draft": state["best"]})
    builder.add_edge(START, "pick")
    builder.add_edge("quick", "after")
    return builder


TIMES = {"slow": 1.0, "quick": 0.1, "after": 0.9}


def to_both(state: State) -> Command[Literal["slow", "quick"]]:
    return Command(goto=["slow", "quick"])


def to_marked(state: State) -> Any:
    return ["left", "right"]


@pytest.mark.parametrize(
    "builder",
    [
        graph(a_list),
        graph(a_list, path_map=["slow", "quick"]),
        graph(to_marked, path_map={"left": "slow", "right": "quick", "none": END}),
        graph(command=to_both),
    ],
)
def test_what_is_named_together_runs_together(builder: StateGraph[Any]) -> None:
    gain = wrap(builder).plan.gain(TIMES)
    together = next(course for course in gain.courses if len(course.steps[1]) > 1)
    assert together.steps == (("pick",), ("quick", "slow"), ("after",))
    assert together.before.seconds == pytest.approx(1.9)
    assert together.after.seconds == pytest.approx(1.0)
    assert "chain" not in gain.verdict


def test_what_may_be_named_together_is_one_passage_of_several() -> None:
    gain = wrap(graph(a_list_of_a_loop)).plan.gain(TIMES)
    assert [course.steps[1] for course in gain.courses] == [
        ("quick",),
        ("quick", "slow"),
        ("slow",),
    ]


def test_a_choice_stays_a_choice() -> None:
    for builder in (graph(one_of_two), graph(lambda state: state["best"], path_map=BOTH)):
        gain = wrap(builder).plan.gain(TIMES)
        assert [course.steps[1] for course in gain.courses] == [("quick",), ("slow",)]


def test_declared_destinations_are_alternatives_unless_the_code_tells() -> None:
    def unseen(state: State) -> Any:
        return Command(goto=state["docs"])

    gain = wrap(graph(command=unseen), effects={"pick": Effects(goto=BOTH)}).plan.gain(TIMES)
    assert [course.steps[1] for course in gain.courses] == [("quick",), ("slow",)]
