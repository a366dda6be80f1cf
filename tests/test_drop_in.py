"""A wrapped graph works in place of the graph: every method, mode, version and place."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import StateUpdate, StreamWriter
from typing_extensions import TypedDict

from langgraph_alto import AltoGraph, wrap
from tests.guarantees.support import (
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    run,
    stream,
    supersteps,
    thread,
    uneven,
    wrapped,
)
from tests.versions import needs_context

ALL = ["quick", "slow", "early", "late", "end"]
MODES = ["values", "updates", "messages", "custom", "checkpoints", "tasks", "debug"]
TIMES = frozenset(
    {
        "checkpoint_id",
        "checkpoint_ns",
        "langgraph_checkpoint_ns",
        "id",
        "timestamp",
        "created_at",
        "parents",
    }
)


def steady(value: Any) -> Any:
    """Without what differs between any two runs."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list | tuple):
        return tuple(steady(item) for item in value)
    return value


def graph(mode: Mode) -> Any:
    """The uneven branches; ``late`` also emits a custom event."""
    journal = Journal()

    def late(state: State, writer: StreamWriter) -> dict[str, Any]:
        writer("late was here")
        return {"log": ["late"]}

    return uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.02), late=late)


def pair(mode: Mode, **options: Any) -> tuple[Any, Any]:
    """The graph plain and wrapped, each with a saver of its own."""
    plain = graph(mode).compile(checkpointer=InMemorySaver(), **options)
    return plain, wrapped(graph(mode).compile(checkpointer=InMemorySaver(), **options))


def snapshot(state: Any) -> Any:
    tasks = [
        (task.name, task.path, task.error, task.interrupts, task.result) for task in state.tasks
    ]
    return state.values, state.next, state.metadata, tasks


# -- running -------------------------------------------------------------------


@both
def test_invoke(mode: Mode) -> None:
    plain, fast = pair(mode)
    assert run(fast, {"log": []}, mode, thread()) == run(plain, {"log": []}, mode, thread())


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("stream_mode", "mode"),
    [
        pytest.param(
            stream_mode,
            mode,
            marks=[needs_context] if (stream_mode, mode) == ("custom", "async") else [],
        )
        for stream_mode in MODES
        for mode in ("sync", "async")
    ],
)
def test_each_stream_mode_in_each_version(stream_mode: str, version: Any, mode: Mode) -> None:
    def streamed(made: Any) -> Any:
        how: dict[str, Any] = {"stream_mode": stream_mode, "version": version}
        events = stream(made, {"log": []}, mode, thread(), durability="sync", **how)
        return sorted(map(repr, steady(events)))

    plain, fast = pair(mode)
    expected = streamed(plain)
    assert bool(expected) == (stream_mode != "messages")
    assert streamed(fast) == expected


@both
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_invoke_in_each_version(version: Any, mode: Mode) -> None:
    plain, fast = pair(mode)

    def result(made: Any, **how: Any) -> Any:
        found = run(made, {"log": []}, mode, thread(), version=version, **how)
        return type(found), repr(steady(found if version == "v1" else found.value))

    assert result(fast) == result(plain)
    assert result(fast, output_keys=["log"]) == result(plain, output_keys=["log"])


@both
def test_invoke_that_returns_every_update(mode: Mode) -> None:
    plain, fast = pair(mode)

    def updates(made: Any) -> Any:
        found = run(made, {"log": []}, mode, thread(), stream_mode="updates")
        return sorted(map(repr, found))

    assert updates(fast) == updates(plain)
    assert len(updates(fast)) == 5


@pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated")
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_astream_events(version: Any) -> None:
    async def seen(made: Any) -> list[Any]:
        return sorted(
            [
                (event["event"], event["name"], repr(steady(event["metadata"])))
                async for event in made.astream_events({"log": []}, thread(), version=version)
            ]
        )

    plain, fast = pair("async")
    expected = await seen(plain)
    assert len(expected) > 15
    assert await seen(fast) == expected


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol on Pregel is experimental")
async def test_stream_events_in_version_3() -> None:
    plain, fast = pair("async")

    async def seen(made: Any) -> Any:
        events = await made.astream_events({"log": []}, thread(), version="v3")
        values = [steady(value) async for value in events.values]
        return values, steady(await events.output())

    expected = await seen(plain)
    assert expected[1]["log"] == tuple(ALL)
    assert await seen(fast) == expected


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol on Pregel is experimental")
def test_stream_events_in_version_3_on_threads() -> None:
    plain, fast = pair("sync")

    def seen(made: Any) -> Any:
        events = made.stream_events({"log": []}, thread(), version="v3")
        return [steady(value) for value in events.values], steady(events.output)

    expected = seen(plain)
    assert expected[1]["log"] == tuple(ALL)
    assert seen(fast) == expected


@both
def test_batch(mode: Mode) -> None:
    plain, fast = pair(mode)
    given = [{"log": [str(number)]} for number in range(4)]
    configs = [thread(str(number)) for number in range(4)]

    def results(made: Any) -> Any:
        if mode == "sync":
            return made.batch(given, configs)
        return asyncio.run(_abatch(made, given, configs))

    assert results(fast) == results(plain)


async def _abatch(made: Any, given: Any, configs: Any) -> Any:
    return await made.abatch(given, configs)


@both
def test_as_part_of_a_runnable_chain(mode: Mode) -> None:
    """``|`` with other runnables, and ``with_config``, ``with_retry``, ``bind``."""
    _, fast = pair(mode)
    chain: Any = fast | (lambda state: state["log"])
    assert run(chain, {"log": []}, mode, thread()) == ALL
    retried = fast.with_retry(stop_after_attempt=2)
    assert run(retried, {"log": []}, mode, thread("2"))["log"] == ALL


# -- state ---------------------------------------------------------------------


@both
def test_get_state_and_history(mode: Mode) -> None:
    def seen(made: Any) -> Any:
        run(made, {"log": []}, mode, thread(), interrupt_before=["end"])
        history = [snapshot(state) for state in made.get_state_history(thread())]
        limited = [snapshot(s) for s in made.get_state_history(thread(), limit=2)]
        found = [snapshot(s) for s in made.get_state_history(thread(), filter={"step": 1})]
        return snapshot(made.get_state(thread())), history, limited, found

    plain, fast = pair(mode)
    expected = seen(plain)
    assert expected[0][1] == ("end",)
    assert len(expected[1]) == 4
    assert seen(fast) == expected


async def test_aget_state_and_history() -> None:
    async def seen(made: Any) -> Any:
        await made.ainvoke({"log": []}, thread())
        history = [snapshot(state) async for state in made.aget_state_history(thread())]
        return snapshot(await made.aget_state(thread())), history

    plain, fast = pair("async")
    assert await seen(fast) == await seen(plain)


@both
def test_update_state(mode: Mode) -> None:
    def seen(made: Any) -> Any:
        run(made, {"log": []}, mode, thread(), interrupt_before=["end"])
        if mode == "sync":
            made.update_state(thread(), {"log": ["by hand"]}, as_node="late")
            many = [[StateUpdate({"log": ["one"]}, "early"), StateUpdate({"log": ["two"]}, "late")]]
            made.bulk_update_state(thread(), many)
        else:
            asyncio.run(_update(made))
        return run(made, None, mode, thread()), snapshot(made.get_state(thread()))

    plain, fast = pair(mode)
    assert seen(fast) == seen(plain)


async def _update(made: Any) -> None:
    await made.aupdate_state(thread(), {"log": ["by hand"]}, as_node="late")
    many = [[StateUpdate({"log": ["one"]}, "early"), StateUpdate({"log": ["two"]}, "late")]]
    await made.abulk_update_state(thread(), many)


@both
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_durability(durability: Any, mode: Mode) -> None:
    def seen(made: Any) -> int:
        run(made, {"log": []}, mode, thread(), durability=durability)
        return len(list(made.get_state_history(thread())))

    plain, fast = pair(mode)
    assert seen(fast) == seen(plain) == (1 if durability == "exit" else 5)


# -- what it knows of itself ---------------------------------------------------


def nested() -> Any:
    inner = graph("sync").compile(name="inner")
    return graph_of({"inner": inner, "other": node("sync", "other", Journal())}, [("", "inner")])


@pytest.mark.parametrize("xray", [False, True, 1])
def test_get_graph(xray: Any) -> None:
    outer = nested()
    outer.add_edge("inner", "other")
    plain = outer.compile()
    assert wrap(plain).get_graph(xray=xray).to_json() == plain.get_graph(xray=xray).to_json()
    mermaid = plain.get_graph(xray=xray).draw_mermaid()
    assert wrap(plain).get_graph(xray=xray).draw_mermaid() == mermaid


async def test_aget_graph() -> None:
    plain = graph("async").compile()
    assert (await wrap(plain).aget_graph()).to_json() == (await plain.aget_graph()).to_json()


async def test_get_subgraphs() -> None:
    outer = nested()
    outer.add_edge("inner", "other")
    plain = outer.compile()
    fast = wrap(plain)
    names = [name for name, _ in plain.get_subgraphs()]
    assert [name for name, _ in fast.get_subgraphs()] == names == ["inner"]
    assert all(isinstance(found, AltoGraph) for _, found in fast.get_subgraphs())
    assert [name async for name, _ in fast.aget_subgraphs(recurse=True)] == names


def test_schemas() -> None:
    class Given(TypedDict):
        left: str

    class Result(TypedDict):
        right: str

    @dataclass
    class Context:
        user: str = "x"

    builder: Any = StateGraph(
        State, input_schema=Given, output_schema=Result, context_schema=Context
    )
    builder.add_node("only", node("sync", "only", Journal(), key="right"))
    builder.add_edge(START, "only")
    plain = builder.compile()
    fast = wrap(plain)
    for method in ("get_input_jsonschema", "get_output_jsonschema", "get_context_jsonschema"):
        assert json.dumps(getattr(fast, method)()) == json.dumps(getattr(plain, method)())
    assert fast.input_channels == plain.input_channels
    assert fast.output_channels == plain.output_channels
    assert fast.stream_channels == plain.stream_channels
    assert fast.invoke({"left": "l"}) == {"right": "only"}


def test_name_and_attributes() -> None:
    plain = graph("sync").compile(name="mine", debug=False, interrupt_before=["end"])
    fast = wrap(plain)
    for name in vars(plain):
        if name not in ("nodes", "builder"):
            assert getattr(fast, name) == getattr(plain, name), name
    assert fast.get_name() == plain.get_name() == "mine"
    assert fast.builder is plain.builder
    assert list(fast.nodes) == list(plain.nodes)


# -- copies --------------------------------------------------------------------


@both
def test_with_config(mode: Mode) -> None:
    plain, fast = pair(mode)
    bound: Any = fast.with_config(thread("bound", tags=["t"]))
    assert run(bound, {"log": []}, mode)["log"] == ALL
    assert bound.get_state(thread("bound")).values["log"] == ALL
    expected: Any = plain.with_config(thread("bound", tags=["t"]))
    assert bound.config["tags"] == expected.config["tags"]
    assert isinstance(bound, AltoGraph)


@both
def test_copy_with_update(mode: Mode) -> None:
    """What LangGraph's server does: ``copy(update=...)`` with its own saver and store."""
    journal = Journal()
    fast: Any = wrapped(uneven(mode, journal), ordered=["late"])
    saver, store = InMemorySaver(), InMemoryStore()
    again: Any = fast.copy(update={"checkpointer": saver, "store": store, "name": "served"})
    assert type(again) is type(fast)
    assert (again.checkpointer, again.store, again.name) == (saver, store, "served")
    assert again.alto == fast.alto
    assert run(again, {"log": []}, mode, thread())["log"] == ALL
    assert journal.came_first("begin early", "end slow")
    assert again.get_state(thread()).values["log"] == ALL
    assert fast.checkpointer is None
    assert isinstance(again, Pregel)


def test_copy_after_a_run() -> None:
    """What a graph has worked out for itself does not go stale in a copy."""
    fast = wrapped(uneven("sync", Journal()))
    fast.invoke({"log": []})
    again = fast.copy(update={"step_timeout": 5.0})
    assert again.step_timeout == 5.0
    journal = Journal()
    slow = node("sync", "slow", journal, seconds=0.02)
    other = wrapped(uneven("sync", journal, slow=slow)).copy(update={"step_timeout": 5.0})
    assert other.invoke({"log": []})["log"] == ALL
    # With a limit for supersteps there is no run-ahead.
    assert journal.came_first("end slow", "begin early")
    shallow = copy.copy(fast)
    assert shallow.invoke({"log": []})["log"] == ALL


def test_configs_pickle() -> None:
    """What a run passes to its nodes can be pickled where LangGraph's can."""
    seen: list[Any] = []

    def early(state: State, config: RunnableConfig) -> dict[str, Any]:
        seen.append(pickle.loads(pickle.dumps({k: config.get(k) for k in ("metadata", "tags")})))
        return {"log": ["early"]}

    journal = Journal()
    slow = node("sync", "slow", journal, seconds=0.02)
    fast = wrapped(uneven("sync", journal, early=early, slow=slow))
    assert fast.invoke({"log": []}, {"tags": ["t"], "metadata": {"m": 1}})["log"] == ALL
    assert seen[0]["metadata"]["langgraph_step"] == 2
    assert seen[0]["metadata"]["m"] == 1


# -- what runs are given -------------------------------------------------------


@both
def test_context_store_and_config_reach_a_node_run_ahead(mode: Mode) -> None:
    @dataclass
    class Context:
        user: str

    journal = Journal()
    plain = node(mode, "early", journal)
    seen: list[Any] = []

    def look(runtime: Runtime[Context], config: RunnableConfig) -> None:
        assert runtime.store is not None
        seen.append((runtime.context.user, config["configurable"]["mine"], config["tags"]))

    def early(state: State, runtime: Runtime[Context], config: RunnableConfig) -> Any:
        look(runtime, config)
        return plain(state)

    async def aearly(state: State, runtime: Runtime[Context], config: RunnableConfig) -> Any:
        look(runtime, config)
        return await plain(state)

    builder = uneven(mode, journal, early=early if mode == "sync" else aearly)
    builder.context_schema = Context
    fast = wrapped(builder.compile(store=InMemoryStore()))
    config = {"configurable": {"mine": 1}, "tags": ["t"]}
    run(fast, {"log": []}, mode, config, context=Context("ada"))
    assert seen == [("ada", 1, ["t"])]
    assert journal.came_first("begin early", "end slow")


@both
def test_the_store_is_shared(mode: Mode) -> None:
    def puts(state: State, store: BaseStore) -> dict[str, Any]:
        store.put(("n",), "k", {"v": 1})
        return {"log": ["quick"]}

    def gets(state: State, store: BaseStore) -> dict[str, Any]:
        found = store.get(("n",), "k")
        return {"log": [str(found and found.value["v"])]}

    store = InMemoryStore()
    builder = uneven(mode, Journal(), quick=puts, end=gets)
    builder.add_node("slow2", node(mode, "slow2", Journal(), seconds=0.01))
    fast = wrapped(builder.compile(store=store, cache=InMemoryCache()))
    assert fast.store is store
    assert run(fast, {"log": []}, mode)["log"][-1] == "1"


# -- as a node of another graph ------------------------------------------------


@both
@pytest.mark.parametrize("outside", ["plain", "wrapped"])
@pytest.mark.parametrize("inside", ["plain", "wrapped"])
def test_as_a_subgraph(inside: str, outside: str, mode: Mode) -> None:
    """Wrapped or not, inside or outside: state, stream and history are the same."""

    def seen(inner_how: Any, outer_how: Any) -> Any:
        inner = inner_how(graph(mode).compile())
        journal = Journal()
        builder = graph_of(
            {
                "before": node(mode, "before", journal),
                "inner": inner,
                "beside": node(mode, "beside", journal, seconds=0.03),
                "after": node(mode, "after", journal),
            },
            [("", "before"), ("", "beside"), ("before", "inner"), ("beside", "after")],
        )
        outer = outer_how(builder.compile(checkpointer=InMemorySaver()))
        how: dict[str, Any] = {"stream_mode": ["updates", "values"], "subgraphs": True}
        events = stream(outer, {"log": []}, mode, thread(), **how)
        events = [(tuple(p.split(":")[0] for p in ns), *rest) for ns, *rest in events]
        history = [snapshot(state)[:2] for state in outer.get_state_history(thread())]
        return supersteps(events), history

    def same(made: Any) -> Any:
        return made

    hows = {"plain": same, "wrapped": wrap}
    assert seen(hows[inside], hows[outside]) == seen(same, same)


@both
def test_called_from_a_node(mode: Mode) -> None:
    """A wrapped graph that a node of another graph calls."""
    inner = wrapped(graph(mode))

    def calls(state: State) -> dict[str, Any]:
        return {"left": ",".join(inner.invoke({"log": []})["log"])}

    async def acalls(state: State) -> dict[str, Any]:
        return {"left": ",".join((await inner.ainvoke({"log": []}))["log"])}

    builder = graph_of({"calls": calls if mode == "sync" else acalls}, [("", "calls")])
    for made in (builder.compile(), wrap(builder)):
        assert run(made, {"log": []}, mode)["left"] == ",".join(ALL)


@both
def test_a_subgraph_with_its_own_saver(mode: Mode) -> None:
    """``checkpointer=True`` keeps a subgraph's state between calls."""

    def seen(how: Any) -> Any:
        inner = graph(mode).compile(checkpointer=True)
        builder = graph_of(
            {"inner": inner, "beside": node(mode, "beside", Journal(), seconds=0.02)},
            [("", "inner"), ("", "beside")],
        )
        outer = how(builder.compile(checkpointer=InMemorySaver()))
        return [run(outer, {"log": [str(turn)]}, mode, thread()) for turn in range(2)]

    assert seen(wrap) == seen(lambda made: made)


def test_it_is_seen_as_a_graph_by_type_checks() -> None:
    fast = wrap(graph("sync"))
    for kind in (Pregel, CompiledStateGraph):
        assert isinstance(fast, kind)
    assert StateGraph(State).add_node("inner", fast).compile is not None


# -- closing early -------------------------------------------------------------


def test_streams_are_generators() -> None:
    _, fast = pair("sync")
    events: Iterator[Any] = fast.stream({"log": []}, thread())
    assert iter(events) is events
    assert len(list(events)) == 5


async def test_astreams_are_async_generators() -> None:
    _, fast = pair("async")
    events: AsyncIterator[Any] = fast.astream({"log": []}, thread())
    assert aiter(events) is events
    assert [event async for event in events]
