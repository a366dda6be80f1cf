"""``ancestry()`` inside the nodes of real graphs."""

from __future__ import annotations

import asyncio
import operator
import random
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import ancestry, wrap

Mode = Literal["async", "sync"]
modes = pytest.mark.parametrize("mode", ["async", "sync"])
policies = pytest.mark.parametrize("policy", ["off", "proven", "speculative"])


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    turns: Annotated[int, operator.add]


def node(mode: Mode, body: Callable[[Any, RunnableConfig], Any], seed: int = 0) -> Any:
    """A node with this body, which takes its time."""
    jitter = random.Random(seed)
    if mode == "sync":

        def run(state: Any, config: RunnableConfig) -> Any:
            return body(state, config)

        return run

    async def arun(state: Any, config: RunnableConfig) -> Any:
        await asyncio.sleep(jitter.choice((0, 0.001, 0.003)))
        return body(state, config)

    return arun


def invoke(graph: Any, mode: Mode, given: Any, config: Any = None) -> Any:
    if mode == "sync":
        return graph.invoke(given, config)
    return asyncio.run(graph.ainvoke(given, config))


def said(name: str, config: RunnableConfig) -> dict[str, Any]:
    """What a node logs: itself, its superstep, and its ancestry."""
    return {"log": [(name, config["metadata"]["langgraph_step"], str(ancestry(config)))]}


# -- fan-outs ------------------------------------------------------------------


def documents(mode: Mode) -> StateGraph[Any, Any, Any, Any]:
    """plan ==> split ==> check ==> rate --> reduce, beside a slow node."""
    graph = StateGraph(State)

    def plan(state: Any, config: RunnableConfig) -> Any:
        return Command(update=said("plan", config), goto=[Send("split", n) for n in (2, 1)])

    def split(count: int, config: RunnableConfig) -> Any:
        return said(f"split {count}", config) | {"turns": 0}

    def sentences(state: Any) -> Any:
        return [Send("rate", n) for n in range(2)]

    def rate(count: int, config: RunnableConfig) -> Any:
        return said(f"rate {count}", config)

    def reduce(state: Any, config: RunnableConfig) -> Any:
        return said("reduce", config)

    graph.add_node("plan", node(mode, plan), destinations=("split",))
    graph.add_node("split", node(mode, split))
    graph.add_conditional_edges("split", sentences, ["rate"])
    graph.add_node("rate", node(mode, rate))
    graph.add_node("reduce", node(mode, reduce))
    graph.add_node("slow", node(mode, lambda state, config: said("slow", config)))
    graph.add_edge(START, "plan")
    graph.add_edge(START, "slow")
    graph.add_edge("rate", "reduce")
    graph.add_edge("reduce", END)
    return graph


@modes
@policies
def test_nested_fan_outs(mode: Mode, policy: str) -> None:
    log = invoke(wrap(documents(mode), policy=policy), mode, {"log": []})["log"]
    assert log == [
        ("plan", 1, "run"),
        ("slow", 1, "run"),
        ("split 2", 2, "plan[0/2]"),
        ("split 1", 2, "plan[1/2]"),
        ("rate 0", 3, "plan[0/2] › split[0/2]"),
        ("rate 1", 3, "plan[0/2] › split[1/2]"),
        ("rate 0", 3, "plan[1/2] › split[0/2]"),
        ("rate 1", 3, "plan[1/2] › split[1/2]"),
        ("reduce", 4, "run"),
    ]


def test_the_parts_of_an_ancestry() -> None:
    seen: list[Any] = []

    def plan(state: Any) -> Any:
        return Command(goto=[Send("work", n) for n in range(3)])

    def work(state: Any) -> Any:
        seen.append(ancestry())

    graph = StateGraph(State).add_node(plan, destinations=("work",)).add_node(work)
    wrap(graph.add_edge(START, "plan")).invoke({"log": []})
    first, _, third = sorted(seen)
    assert (third.frame.scope, third.frame.index, third.frame.count) == ("plan", 2, 3)
    assert third.depth == 1
    assert third.parent.frame is None
    assert first < third


def test_without_being_wrapped_it_is_that_of_the_run() -> None:
    log = invoke(documents("sync").compile(), "sync", {"log": []})["log"]
    assert {said for _, _, said in log} == {"run"}


def test_outside_a_node() -> None:
    with pytest.raises(RuntimeError, match="inside a node"):
        ancestry()


@modes
def test_nodes_see_the_metadata_they_would_see(mode: Mode) -> None:
    seen: list[Any] = []

    def look(state: Any, config: RunnableConfig) -> Any:
        seen.append({key for key in config["metadata"] if "alto" in key})
        return {}

    graph = documents(mode)
    graph.add_node("look", node(mode, look))
    graph.add_edge("reduce", "look")
    invoke(wrap(graph), mode, {"log": []})
    assert seen == [set()]


# -- loops and subgraphs ----------------------------------------------------------


@modes
@policies
def test_an_agent_loop(mode: Mode, policy: str) -> None:
    graph = StateGraph(State)
    graph.add_node("agent", node(mode, lambda _, config: said("agent", config) | {"turns": 1}))
    graph.add_node("tools", node(mode, lambda _, config: said("tools", config)))
    graph.add_node("done", node(mode, lambda _, config: said("done", config)))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges(
        "agent", lambda state: "tools" if state["turns"] < 3 else "done", ["tools", "done"]
    )
    graph.add_edge("tools", "agent")
    log = invoke(wrap(graph, policy=policy), mode, {"log": []})["log"]
    assert [f"{name} {place}" for name, _, place in log] == [
        "agent agent#0",
        "tools agent#0",
        "agent agent#1",
        "tools agent#1",
        "agent agent#2",
        "done run",
    ]


@modes
@policies
def test_a_subgraph_continues_the_ancestry_of_its_node(mode: Mode, policy: str) -> None:
    graph = documents(mode)

    def start(count: Any) -> Any:
        return [Send("leaf", 0)]

    inner = StateGraph(State)
    inner.add_node("leaf", node(mode, lambda _, config: said("leaf", config)))
    inner.add_node("close", node(mode, lambda _, config: said("close", config)))
    inner.add_conditional_edges(START, start, ["leaf"])
    inner.add_edge("leaf", "close")
    graph.add_node("inner", inner.compile())
    graph.add_conditional_edges("split", lambda _: [Send("inner", {"log": []})], ["inner"])
    log = invoke(wrap(graph, policy=policy), mode, {"log": []})["log"]
    assert [(name, place) for name, _, place in log if name in ("leaf", "close")] == [
        ("leaf", "plan[0/2] › split[2/3] › __start__[0/1]"),
        ("close", "plan[0/2] › split[2/3]"),
        ("leaf", "plan[1/2] › split[2/3] › __start__[0/1]"),
        ("close", "plan[1/2] › split[2/3]"),
    ]


@modes
def test_a_run_resumed_inside_a_fan_out(mode: Mode) -> None:
    """Who sent the packets of a checkpoint is not known any more."""
    saver = InMemorySaver()
    graph = documents(mode).compile(checkpointer=saver, interrupt_before=["rate"])
    config = {"configurable": {"thread_id": "1"}}
    fast = wrap(graph)
    invoke(fast, mode, {"log": []}, config)
    log = invoke(wrap(documents(mode).compile(checkpointer=saver)), mode, None, config)["log"]
    assert [place for name, _, place in log if name.startswith("rate")] == [
        "?[0]",
        "?[1]",
        "?[2]",
        "?[3]",
    ]


# -- random fan-outs ---------------------------------------------------------------


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**16), mode=st.sampled_from(["async", "sync"]))
def test_order_and_frames_of_random_fan_outs(seed: int, mode: Mode) -> None:
    """Nodes send to each other at random; each packet carries where it came from.

    Ancestry tells the same, with every policy, and its order is LangGraph's.
    """
    names = "abc"

    def act(name: str, trail: tuple[Any, ...], step: int) -> Any:
        draw = random.Random(f"{seed} {name} {trail}")
        width = draw.choice((0, 1, 2, 3)) if step < 5 else 0
        targets = [draw.choice(names) for _ in range(width)]
        return [
            Send(target, {"trail": (*trail, (name, place, width))})
            for place, target in enumerate(targets)
        ]

    def build() -> StateGraph[Any, Any, Any, Any]:
        graph = StateGraph(State)
        for name in names:

            def body(state: Any, config: RunnableConfig, name: str = name) -> Any:
                trail = state.get("trail", ())
                meta = config["metadata"]
                step = meta["langgraph_step"]
                own = ancestry(config)
                frames = tuple((f.scope, f.index, f.count) for f in own.frames() if not f.loop)
                return Command(
                    update={"log": [(step, name, frames, trail, own)]},
                    goto=act(name, trail, step),
                )

            graph.add_node(name, node(mode, body, seed), destinations=tuple(names))
            if name != "c":
                graph.add_edge(START, name)
        return graph

    logs = []
    for policy in ("off", "proven", "speculative"):
        log = invoke(wrap(build(), policy=policy), mode, {"log": []})["log"]
        logs.append([entry[:4] for entry in log])
        assert all(frames == trail for _, _, frames, trail, _ in log)
        for step in {entry[0] for entry in log}:
            # The log is written in LangGraph's order.
            packets = [own for at, _, _, trail, own in log if at == step and trail]
            assert packets == sorted(packets)
    assert logs[0] == logs[1] == logs[2]


@modes
def test_streamed_messages_have_langgraphs_metadata(mode: Mode) -> None:
    """Their tasks' metadata say where they stand; a stream is LangGraph's in all parts."""
    seen: list[Any] = []

    def say(_: Any, config: RunnableConfig) -> Any:
        seen.append(config["metadata"].get("alto_ancestry"))
        return {"messages": [AIMessage("said", id=str(len(seen)))]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("say", node(mode, say))
    graph.add_conditional_edges(START, lambda _: [Send("say", {}), Send("say", {})], ["say"])
    inputs: Any = {"messages": []}
    plain, fast = graph.compile(), wrap(graph)

    async def streamed(app: Any) -> list[Any]:
        if mode == "sync":
            return list(app.stream(inputs, stream_mode="messages"))
        return [chunk async for chunk in app.astream(inputs, stream_mode="messages")]

    keys = [[set(metadata) for _, metadata in asyncio.run(streamed(app))] for app in (plain, fast)]
    assert keys[0] == keys[1] != []
    assert sorted(seen, key=str) == [None, None, "__start__[0/2]", "__start__[1/2]"]
