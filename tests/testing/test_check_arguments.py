"""The checker and ``infer`` refuse what they cannot do, and what would check nothing."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from langgraph_alto import Effects, ainfer, infer
from langgraph_alto.testing import acheck, check


class State(TypedDict, total=False):
    x: int


def add(state: State) -> dict[str, Any]:
    return {"x": state["x"] + 1}


def nested() -> Any:
    """START ─▶ outer (START ─▶ inner) ─▶ last."""
    inner: Any = StateGraph(State).add_node("inner", add).add_edge(START, "inner")
    graph: Any = StateGraph(State).add_node("outer", inner.compile()).add_node("last", add)
    return graph.add_edge(START, "outer").add_edge("outer", "last")


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"runs": 0}, ValueError, "runs is 0, so nothing would be run"),
    ({"runs": -1}, ValueError, "runs is -1"),
    ({"runs": 1.5}, TypeError, "runs is 1.5; give a whole number"),
    ({"runs": True}, TypeError, "runs is True; give a whole number"),
    ({"inputs": []}, ValueError, "there are no inputs"),
    ({"inputs": ()}, ValueError, "there are no inputs"),
    ({"inputs": iter(())}, ValueError, "there are no inputs"),
    ({"stream_modes": ["costum"]}, ValueError, "stream_modes holds 'costum'; .*'custom'"),
    ({"stream_modes": "custom"}, TypeError, r"stream_modes is 'custom'; give a list"),
    ({"stream_modes": None}, TypeError, "stream_modes is None; give a list"),
    ({"durability": "never"}, ValueError, "durability is 'never'; .*'sync', 'async', 'exit'"),
    ({"delays": {"lst": 1}}, ValueError, "delays names the node 'lst'.*last, outer, outer/inner"),
    ({"delays": {"inner": 1}}, ValueError, "delays names the node 'inner'"),
    ({"delays": {"last": -1}}, ValueError, r"delays\['last'\] holds -1; give seconds, 0 or"),
    ({"delays": {"last": [0, -1]}}, ValueError, r"delays\['last'\] holds -1"),
    ({"delays": {"last": []}}, ValueError, r"delays\['last'\] is empty"),
    ({"delays": {"last": "1"}}, TypeError, r"delays\['last'\] holds '1'; give seconds, a number"),
    ({"delays": ("random", -1, 1)}, ValueError, "delays holds -1"),
    ({"delays": ("random", 2, 1)}, ValueError, "whose low is above its high"),
    ({"delays": ("uniform", 0, 1)}, ValueError, r"give .*\(\"random\", low, high\)"),
    ({"delays": ("random", 1)}, ValueError, r"give .*\(\"random\", low, high\)"),
    ({"delays": 0.1}, TypeError, "delays is 0.1; give a mapping"),
    ({"checkpointer": InMemorySaver()}, TypeError, "a InMemorySaver, .* such as InMemorySaver"),
    ({"checkpointer": True}, TypeError, "give a factory such as InMemorySaver"),
    (
        {"checkpointer": SqliteSaver.from_conn_string(":memory:")},
        TypeError,
        "give a factory such as InMemorySaver",
    ),
    ({"graph": None}, TypeError, "cannot check a NoneType; give a StateGraph"),
    ({"graph": add}, TypeError, "cannot check a function; give a StateGraph"),
    ({"timeout": 0}, ValueError, "timeout is 0; give seconds above 0"),
    ({"policy": "fast"}, ValueError, "policy is 'fast'"),
    ({"effects": {"last": Effects(writes=["y"])}}, ValueError, "writes of 'y'"),
    ({"effects": {"lst": Effects()}}, ValueError, "effects names the node 'lst'"),
    ({"ordered": ["lst"]}, ValueError, "ordered names the node 'lst'"),
    ({"limits": {"lst": 1}}, ValueError, "limits names the node 'lst'"),
    ({"limits": {"last": 0}}, ValueError, r"limits\['last'\] is 0"),
    ({"streams": {"lst": "x"}}, ValueError, "streams names the node 'lst'"),
    ({"streams": {"last": "y"}}, ValueError, r"streams\['last'\] names the key 'y'"),
    ({"streams": {"last": "x"}}, TypeError, "holds neither a text nor messages"),
    ({"streams": ["last"]}, TypeError, "streams is a list"),
]


@pytest.mark.parametrize(("given", "kind", "text"), WRONG)
async def test_wrong_arguments(given: dict[str, Any], kind: type[Exception], text: str) -> None:
    """Also inside an event loop, where the runs are in a thread of their own."""
    options = {"graph": nested(), "inputs": [{"x": 1}], **given}
    with pytest.raises(kind, match=text):
        check(**options)
    with pytest.raises(kind, match=text):
        await acheck(**options)


@pytest.mark.parametrize("mode", ["asink", "", None])
def test_an_unknown_mode(mode: Any) -> None:
    with pytest.raises(ValueError, match=r"mode is .*; it must be one of 'async', 'sync', 'both'"):
        check(nested(), {"x": 1}, mode=mode)


@pytest.mark.parametrize(
    "options",
    [
        {"delays": {"outer/inner": 0.001, "last": [0, 0.001]}},
        {"delays": ("random", 0, 0)},
        {"delays": lambda node, step, place: 0.0},
        {"limits": {"last": 1}, "ordered": None},
        {"checkpointer": InMemorySaver, "durability": "exit"},
        {"checkpointer": lambda: InMemorySaver()},
    ],
)
def test_right_arguments(options: Any) -> None:
    report = check(nested(), (given for given in [{"x": 1}, {"x": 2}]), mode="both", **options)
    assert report.ok, report.text()
    assert len(report.comparisons) == 8


def test_limits_reach_the_wrapped_graph() -> None:
    """START ─▷ work x 4: at once on LangGraph, one by one on Alto."""
    peaks: list[int] = []
    now = [0]

    async def work(packet: Any) -> None:
        now[0] += 1
        peaks[-1] = max(peaks[-1], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1

    graph: Any = StateGraph(State)
    graph.add_node("work", work)
    graph.add_conditional_edges(START, lambda state: [Send("work", {})] * 4, ["work"])
    report = check(graph, {"x": 1}, limits={"work": 1}, reset=lambda: peaks.append(0))
    assert report.ok, report.text()
    assert peaks == [4, 1, 4, 1]


# -- the report --------------------------------------------------------------------------


def failing(message: Any) -> Any:
    def fail(state: State) -> None:
        raise ValueError(message(state))

    return StateGraph(State).add_node("fail", fail).add_edge(START, "fail")


def test_a_report_says_that_no_run_ended_well() -> None:
    report = check(failing(lambda state: "no"), [{"x": 1}, {"x": 2}], seed=7)
    assert report.ok
    assert report.text() == (
        "no difference: policy proven, seed 7, 4 pair(s) of runs\n"
        "all 8 runs ended with ValueError: no in node fail"
    )


def test_a_report_of_runs_that_end_with_various_exceptions() -> None:
    report = check(failing(lambda state: f"no {state['x']}"), [{"x": 1}, {"x": 2}])
    assert report.ok
    assert report.text().endswith(
        "all 8 runs ended with an exception, the first with ValueError: no 1 in node fail"
    )


def test_a_report_of_runs_of_which_some_end_well() -> None:
    def some(state: State) -> None:
        if state["x"] > 1:
            raise ValueError("no")

    graph: Any = StateGraph(State).add_node("some", some).add_edge(START, "some")
    report = check(graph, [{"x": 1}, {"x": 2}])
    assert report.ok
    assert "ended with" not in report.text()


# -- infer -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"inputs": []}, ValueError, "there are no inputs"),
        ({"inputs": iter(())}, ValueError, "there are no inputs"),
        ({"timeout": 0}, ValueError, "timeout is 0; give seconds above 0"),
        ({"timeout": -1.0}, ValueError, "timeout is -1.0"),
        ({"timeout": "1"}, TypeError, "timeout is '1'; give seconds"),
    ],
)
async def test_wrong_arguments_of_infer(given: Any, kind: type[Exception], text: str) -> None:
    options = {"inputs": [{"x": 1}], **given}
    with pytest.raises(kind, match=text):
        infer(nested(), **options)
    with pytest.raises(kind, match=text):
        infer(nested(), mode="sync", **options)
    with pytest.raises(kind, match=text):
        await ainfer(nested(), **options)


def test_infer_takes_a_generator_as_a_list() -> None:
    inputs = [{"x": number} for number in range(3)]
    inferred = infer(nested(), (each for each in inputs))
    assert inferred.runs == 3
    assert inferred == infer(nested(), inputs)
