"""G7, streams in LangGraph's order.

For values, updates, checkpoints, tasks, debug. Tokens and custom events of a
task that is certain to be adopted may come early, with the ``langgraph_*``
metadata of its true step; events of one that is not certain are held until
adoption.
"""

from __future__ import annotations

import asyncio
import copy
import time
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, StreamWriter

from tests.guarantees.shapes import SHAPES, Fan
from tests.guarantees.support import (
    Body,
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
from tests.versions import both_with_context

VARYING = frozenset(
    {
        "checkpoint_id",
        "checkpoint_ns",
        "id",
        "langgraph_checkpoint_ns",
        "parent_checkpoint_id",
        "timestamp",
        "created_at",
        "parents",
        "checkpoint_map",
        "lc_run_id",
    }
)


def steady(value: Any) -> Any:
    """A stream chunk without what differs between any two runs of LangGraph."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VARYING}
    if isinstance(value, list | tuple):
        return tuple(steady(item) for item in value)
    return value


def plainly(graph: Any) -> Any:
    return graph.compile(checkpointer=InMemorySaver())


def fast(graph: Any) -> Any:
    return wrapped(plainly(graph))


# -- the supersteps' own streams -----------------------------------------------


@both
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("also", ["updates", "checkpoints", "tasks", "debug", "custom", "messages"])
def test_order_of_each_mode(also: str, shape: str, mode: Mode) -> None:
    """Each mode, cut into supersteps by ``values``, is LangGraph's."""
    make, given = SHAPES[shape]
    how: dict[str, Any] = {"stream_mode": ["values", also], "durability": "sync"}

    def streamed(made: Any) -> Any:
        graph = made(make(mode, Journal(), 0.02))
        return supersteps(steady(stream(graph, copy.deepcopy(given), mode, thread(), **how)))

    expected = streamed(plainly)
    assert len(expected) > 2
    assert streamed(fast) == expected


@both
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_all_modes_and_subgraphs(version: Any, mode: Mode) -> None:
    """All modes at once, with those of subgraphs, in both versions."""
    make, given = SHAPES["subgraph"]
    how: dict[str, Any] = {
        "stream_mode": ["values", "updates", "checkpoints", "tasks", "debug", "custom"],
        "subgraphs": True,
        "version": version,
        "durability": "sync",
    }

    def streamed(made: Any) -> list[Any]:
        graph = made(make(mode, Journal(), 0.02))
        events = stream(graph, copy.deepcopy(given), mode, thread(), **how)
        if version == "v2":
            events = [(e["ns"], e["type"], e["data"]) for e in events]
        return [(_ns(ns), kind, steady(data)) for ns, kind, data in events]

    expected, got = streamed(plainly), streamed(fast)
    assert {ns for ns, *_ in expected} == {(), ("inner",)}
    for space in ((), ("inner",)):
        assert _cut(got, space) == _cut(expected, space)
    assert supersteps(got) == supersteps(expected)


def _ns(namespace: Any) -> tuple[str, ...]:
    return tuple(part.split(":")[0] for part in namespace)


def _cut(events: list[Any], space: tuple[str, ...]) -> list[list[str]]:
    return supersteps([event[1:] for event in events if event[0] == space])


@both
def test_tasks_come_with_their_superstep(mode: Mode) -> None:
    """A task run ahead is announced in its own superstep, and its result after that."""
    events = stream(
        wrapped(uneven(mode, Journal())), {"log": []}, mode, stream_mode=["tasks", "values"]
    )
    names = [
        chunk["name"] + ("" if "input" in chunk else "!") if kind == "tasks" else "|"
        for kind, chunk in events
    ]
    text = " ".join(names)
    assert text.startswith("| ")
    steps = [set(part.split()) for part in text.split("|")]
    assert steps == [
        set(),
        {"quick", "slow", "quick!", "slow!"},
        {"early", "late", "early!", "late!"},
        {"end", "end!"},
        set(),
    ]
    for name in ("early", "late", "quick", "slow", "end"):
        assert names.index(name) < names.index(f"{name}!")


@both
def test_updates_come_as_soon_as_langgraph_gives_them(mode: Mode) -> None:
    """An update of the current superstep does not wait for the others of it."""
    journal = Journal()
    graph = wrapped(uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.2)))
    seen: list[tuple[str, float]] = []

    def note(event: Any) -> None:
        seen.append((next(iter(event)), time.monotonic()))

    if mode == "sync":
        for event in graph.stream({"log": []}, stream_mode="updates"):
            note(event)
    else:

        async def arun() -> None:
            async for event in graph.astream({"log": []}, stream_mode="updates"):
                note(event)

        asyncio.run(arun())
    times = dict(seen)
    assert [name for name, _ in seen[:2]] == ["quick", "slow"]
    assert times["slow"] - times["quick"] > 0.1


# -- messages ------------------------------------------------------------------


class Asked(TypedDict, total=False):
    """What talking nodes are given: nothing that another node writes."""

    left: str


def talking(mode: Mode, name: str, journal: Journal, until: str | None = None) -> Body:
    """A node that asks a chat model, whose answer streams word by word."""
    pause = node(mode, name, journal, until=until)

    def body(state: Asked, config: RunnableConfig) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage(f"{name} says so")]))
        answer = model.invoke("hello", config)
        pause(state)
        return {"log": [str(answer.content)]}

    async def abody(state: Asked, config: RunnableConfig) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage(f"{name} says so")]))
        answer = await model.ainvoke("hello", config)
        await pause(state)
        return {"log": [str(answer.content)]}

    return body if mode == "sync" else abody


def conversation(mode: Mode, journal: Journal, until: str | None = "begin early") -> Any:
    """quick -> early -> end and slow -> end, all of them talking."""
    return graph_of(
        {
            "quick": talking(mode, "quick", journal),
            "slow": talking(mode, "slow", journal, until),
            "early": talking(mode, "early", journal),
            "end": talking(mode, "end", journal),
        },
        [("", "quick"), ("", "slow"), ("quick", "early"), ("early", "end")],
    )


@both
def test_messages_carry_their_true_step(mode: Mode) -> None:
    """Tokens of a node run ahead carry the ``langgraph_*`` metadata of its true step."""
    journal = Journal()
    events = stream(
        wrapped(conversation(mode, journal)),
        {"log": []},
        mode,
        stream_mode=["messages", "tasks"],
    )
    assert journal.came_first("begin early", "end slow")
    ids = {chunk["name"]: chunk["id"] for kind, chunk in events if kind == "tasks"}
    steps = {"quick": 1, "slow": 1, "early": 2, "end": 3}
    seen = set()
    for kind, chunk in events:
        if kind != "messages":
            continue
        _, metadata = chunk
        name = metadata["langgraph_node"]
        seen.add(name)
        assert metadata["langgraph_step"] == steps[name]
        assert metadata["langgraph_checkpoint_ns"] == f"{name}:{ids[name]}"
        assert metadata["langgraph_path"] == ("__pregel_pull", name)
        assert list(metadata["langgraph_triggers"]) == [f"branch:to:{name}"]
    assert seen == set(steps)


@both
def test_metadata_of_messages_is_langgraphs(mode: Mode) -> None:
    """Every key of the metadata is LangGraph's, and so are the words."""

    def spoken(made: Any, until: str | None) -> list[Any]:
        graph = made(conversation(mode, Journal(), until))
        events = stream(graph, {"log": []}, mode, thread(), stream_mode="messages")
        return sorted(
            ((m.content, sorted(map(str, steady(meta).items()))) for m, meta in events), key=str
        )

    expected = spoken(plainly, None)
    assert len(expected) >= 4 * 3
    assert spoken(fast, "begin early") == expected


@both
def test_messages_do_not_overtake_earlier_supersteps(mode: Mode) -> None:
    """Tokens are not emitted before the updates of earlier supersteps."""
    events = stream(
        wrapped(conversation(mode, Journal())),
        {"log": []},
        mode,
        stream_mode=["messages", "updates"],
    )
    names = [
        chunk[1]["langgraph_node"] if kind == "messages" else f"{next(iter(chunk))}!"
        for kind, chunk in events
    ]
    assert names.index("slow!") < names.index("early")
    last = len(names) - names[::-1].index("early") - 1
    assert last < names.index("early!") < names.index("end")


@both
def test_messages_of_packets_carry_their_true_place(mode: Mode) -> None:
    """A packet's place among its siblings is known late; its tokens carry the true one."""

    def say(item: str, config: RunnableConfig) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage(f"item {item}")]))
        return {"seen": [str(model.invoke("hello", config).content)]}

    async def asay(item: str, config: RunnableConfig) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage(f"item {item}")]))
        return {"seen": [str((await model.ainvoke("hello", config)).content)]}

    def sends(name: str, seconds: float) -> Body:
        def body(state: Fan) -> Command[Any]:
            time.sleep(seconds)
            return Command(goto=[Send("say", f"{name}{number}") for number in range(2)])

        async def abody(state: Fan) -> Command[Any]:
            await asyncio.sleep(seconds)
            return Command(goto=[Send("say", f"{name}{number}") for number in range(2)])

        return body if mode == "sync" else abody

    def made(make: Any) -> dict[str, Any]:
        graph: Any = StateGraph(Fan)
        graph.add_node("a", sends("a", 0.05), destinations=("say",))
        graph.add_node("b", sends("b", 0), destinations=("say",))
        graph.add_node("say", say if mode == "sync" else asay)
        graph.add_edge(START, "a")
        graph.add_edge(START, "b")
        events = stream(
            make(graph), {"items": []}, mode, thread(), stream_mode=["messages", "tasks"]
        )
        ids = {c["id"] for kind, c in events if kind == "tasks" and c["name"] == "say"}
        for kind, chunk in events:
            if kind == "messages":
                assert chunk[1]["langgraph_checkpoint_ns"].removeprefix("say:") in ids
        return {
            chunk[0].content: (chunk[1]["langgraph_path"], chunk[1]["langgraph_step"])
            for kind, chunk in events
            if kind == "messages" and chunk[0].content in ("a0", "a1", "b0", "b1")
        }

    expected = made(plainly)
    assert expected["b0"] == (("__pregel_push", 2, False), 2)
    assert made(fast) == expected


# -- custom events -------------------------------------------------------------


@both_with_context
@pytest.mark.parametrize("how", ["argument", "function"])
def test_custom_events(how: str, mode: Mode) -> None:
    """Custom events of a node run ahead come in LangGraph's order."""
    journal = Journal()

    def tells(name: str, until: str | None = None) -> Body:
        pause = node(mode, name, journal, until=until)

        def body(state: State, writer: StreamWriter) -> Any:
            (writer if how == "argument" else get_stream_writer())(f"{name} begins")
            result = pause(state)
            (writer if how == "argument" else get_stream_writer())(f"{name} ends")
            return result

        async def abody(state: State, writer: StreamWriter) -> Any:
            writer(f"{name} begins")
            result = await pause(state)
            writer(f"{name} ends")
            return result

        return body if mode == "sync" else abody

    graph = uneven(
        mode,
        journal,
        early=tells("early"),
        slow=tells("slow", "begin early"),
        late=tells("late"),
    )
    events = stream(wrapped(graph), {"log": []}, mode, stream_mode=["custom", "updates"])
    names = [chunk if kind == "custom" else f"{next(iter(chunk))}!" for kind, chunk in events]
    assert names.index("slow ends") < names.index("slow!") < names.index("early begins")
    assert names.index("early begins") < names.index("early ends") < names.index("early!")
    assert [names.count(f"{name} ends") for name in ("slow", "early", "late")] == [1, 1, 1]


@both_with_context
def test_events_of_a_wrong_guess_are_never_seen(mode: Mode) -> None:
    """Events of a task that is not certain are held until adoption, or dropped."""
    journal = Journal()

    def tells(state: State, writer: StreamWriter) -> dict[str, Any]:
        journal.begin("early")
        found = state.get("right", "nothing")
        writer(f"early found {found}")
        journal.end("early")
        return {"log": [found]}

    graph = uneven(
        mode,
        journal,
        slow=node(mode, "slow", journal, until="end early", key="right"),
        early=tells,
    )
    made = wrapped(graph, policy="speculative")
    events = stream(made, {"log": []}, mode, stream_mode=["custom"])
    assert events == [("custom", "early found slow")]
    assert journal.calls()["early"] == 2


# -- listening does not slow down ----------------------------------------------


@both
@pytest.mark.parametrize("modes", [["messages"], ["messages", "updates", "custom", "tasks"]])
def test_nodes_run_ahead_whatever_is_streamed(modes: list[str], mode: Mode) -> None:
    """Listeners are shown a node's input; a key that is not certain then is no misprediction."""
    journal = Journal()
    stream(wrapped(uneven(mode, journal)), {"log": []}, mode, stream_mode=modes)
    assert journal.came_first("begin early", "end slow")


async def test_nodes_run_ahead_under_astream_events() -> None:
    """So it is with LangChain's own event streams, and with any tracer."""
    journal = Journal()
    graph = wrapped(uneven("async", journal))
    assert [event async for event in graph.astream_events({"log": []}, version="v2")]
    assert journal.came_first("begin early", "end slow")


# -- other ways to listen ------------------------------------------------------


async def test_events_of_astream_events() -> None:
    """``astream_events`` names each node once, with the metadata of its true step."""

    async def seen(made: Any, until: str | None) -> list[Any]:
        graph = made(conversation("async", Journal(), until))
        found = [
            (event["event"], event["name"], steady(event["metadata"]).get("langgraph_step"))
            async for event in graph.astream_events({"log": []}, thread(), version="v2")
            if event["event"].startswith("on_chain") and event["name"] in SEEN
        ]
        return sorted(found, key=str)

    expected = await seen(plainly, None)
    assert len(expected) == 3 * len(SEEN)
    assert await seen(fast, "begin early") == expected


SEEN = {"quick", "slow", "early", "end"}


@both
def test_print_mode_and_output_keys(mode: Mode) -> None:
    """``output_keys`` narrows the values, as in LangGraph."""

    def streamed(made: Any) -> Any:
        graph = made(SHAPES["router"][0](mode, Journal(), 0.02))
        how = {"stream_mode": ["values", "updates"], "output_keys": ["left"]}
        steps = supersteps(stream(graph, {"log": []}, mode, thread(), **how))
        # Without the values of every step, which event is of which step is not told.
        return sorted(event for step in steps for event in step)

    assert streamed(fast) == streamed(plainly)


@both
def test_nothing_is_streamed_after_the_end(mode: Mode) -> None:
    """The last event is the last superstep's; and the result is the last value."""
    journal = Journal()
    graph = wrapped(uneven(mode, journal))
    events = stream(graph, {"log": []}, mode, stream_mode=["values", "updates"])
    journal.clear()
    assert events[-1] == ("values", run(graph, {"log": []}, mode))
