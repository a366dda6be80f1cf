"""Instrumented copies count and sleep, and otherwise are the graph they were made from."""

from __future__ import annotations

import functools
import inspect
import operator
import time
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from langgraph_alto.testing.instrument import Call, Recorder, delay_function, instrumented
from tests.versions import needs_context


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def first(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"log": [f"first {config['metadata']['langgraph_step']}"]}


async def second(state: State) -> dict[str, Any]:
    return {"log": ["second"]}


def worker(payload: dict[str, int]) -> dict[str, Any]:
    return {"log": [f"worker {payload['i']}"]}


class Opaque:
    def __call__(self, state: State) -> dict[str, Any]:
        return {"log": ["opaque"]}


def _graph() -> Any:
    inner = StateGraph(State).add_node("deep", lambda state: {"log": ["deep"]})
    inner.add_edge(START, "deep")
    graph = StateGraph(State)
    graph.add_node(first)
    graph.add_node(second)
    graph.add_node(worker)  # type: ignore[arg-type]
    graph.add_node("partial", functools.partial(first))
    graph.add_node("opaque", Opaque())
    graph.add_node("chain", RunnableLambda(lambda s: s) | (lambda s: {"log": ["chain"]}))
    graph.add_node("sub", inner.compile())
    for name in ("first", "partial", "opaque", "chain", "sub"):
        graph.add_edge(START, name)
    graph.add_edge("first", "second")
    graph.add_conditional_edges("first", lambda s: [Send("worker", {"i": i}) for i in range(2)])
    return graph.compile()


@needs_context
async def test_counts_every_body_by_step_and_place() -> None:
    graph, recorder = _graph(), Recorder()
    copy = instrumented(graph, recorder)
    recorder.start(delay_function(None, 0))
    assert await copy.ainvoke({"log": []}) == await graph.ainvoke({"log": []})
    recorder.stop()
    one = {"first": 1, "partial": 1, "opaque": 1, "chain": 1, "sub/deep": 1}
    assert recorder.calls == {
        **{Call(name, step, -1): 1 for name, step in one.items()},
        Call("second", 2, -1): 1,
        Call("worker", 2, 0): 1,
        Call("worker", 2, 1): 1,
    }
    assert not recorder.late
    assert not recorder.uncounted


def test_leaves_the_graph_alone() -> None:
    graph = _graph()
    bound = {name: node.bound for name, node in graph.nodes.items()}
    instrumented(graph, Recorder())
    assert all(graph.nodes[name].bound is bound[name] for name in bound)
    assert graph.nodes["first"].bound.func is first


def test_function_source_and_signature_stay_visible() -> None:
    copy = instrumented(_graph(), Recorder())
    function = copy.nodes["first"].bound.func
    assert inspect.unwrap(function) is first
    assert inspect.getsource(function) == inspect.getsource(first)
    assert inspect.signature(function) == inspect.signature(first)
    assert inspect.iscoroutinefunction(copy.nodes["second"].bound.afunc)
    assert copy.builder.nodes["first"].runnable is copy.nodes["first"].bound


def test_a_body_after_the_run_is_late() -> None:
    recorder = Recorder()
    copy = instrumented(_graph(), recorder)
    recorder.start(delay_function(None, 0))
    recorder.stop()
    copy.nodes["opaque"].bound.invoke({"log": []})
    assert recorder.late == ["opaque"]
    assert not recorder.calls


def test_what_cannot_be_counted_is_named() -> None:
    from langchain_core.runnables import RunnablePassthrough

    graph = StateGraph(State).add_node("pass", RunnablePassthrough())
    recorder = Recorder()
    instrumented(graph.add_edge(START, "pass").compile(), recorder)
    assert recorder.uncounted == ["pass"]


def test_delays() -> None:
    assert delay_function(None, 0)("a", 1, -1) == 0
    assert delay_function({"a": 0.5}, 0)("a", 1, -1) == 0.5
    assert delay_function({"a": 0.5}, 0)("b", 1, -1) == 0
    assert delay_function(lambda node, step, place: step + place, 0)("a", 3, 4) == 7


@pytest.mark.parametrize("delays", [("random", 0.0, 1.0), {"a": tuple(range(1000))}])
def test_drawn_delays_depend_on_the_call_and_the_seed_only(delays: Any) -> None:
    draw = delay_function(delays, 1)
    assert draw("a", 1, 2) == delay_function(delays, 1)("a", 1, 2)
    others = [draw("a", 2, 2), draw("a", 1, 3), delay_function(delays, 2)("a", 1, 2)]
    assert draw("a", 1, 2) not in others


def test_sleeps_before_the_body() -> None:
    recorder = Recorder()
    copy = instrumented(_graph(), recorder)
    recorder.start(delay_function({"opaque": 0.05}, 0))
    start = time.perf_counter()
    copy.nodes["opaque"].bound.invoke({"log": []})
    assert time.perf_counter() - start >= 0.05
