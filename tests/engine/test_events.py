"""What a run ahead emits is held, comes out in order, and then passes through."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage

from langgraph_alto._langgraph import (
    CONF,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_STREAM,
    StreamMessagesHandler,
    StreamProtocol,
)
from langgraph_alto.engine.events import Events, hold


def test_held_then_released_then_through() -> None:
    events = Events()
    seen: list[int] = []
    events.emit(seen.append, 1)
    events.emit(seen.append, 2)
    assert seen == []
    events.release()
    assert seen == [1, 2]
    events.emit(seen.append, 3)
    assert seen == [1, 2, 3]
    events.release()
    assert seen == [1, 2, 3]


def test_order_across_sinks() -> None:
    """Tokens and custom events of one task keep their order among each other."""
    events = Events()
    seen: list[tuple[str, int]] = []
    for number in range(6):
        sink = "token" if number % 2 else "custom"
        events.emit(lambda value, sink=sink: seen.append((sink, value)), number)
    events.release()
    assert [number for _, number in seen] == list(range(6))
    assert seen[1] == ("token", 1)


def test_renamed() -> None:
    """A provisional identity is put right in what was held, and in what comes later."""
    events = Events()
    seen: list[tuple[int, Any]] = []

    def sink(number: int, metadata: Any = None) -> None:
        seen.append((number, metadata))

    events.emit(sink, 1, metadata={"id": "old"})
    events.emit(sink, 2)
    events.release(lambda metadata: {**metadata, "id": "new"})
    events.emit(sink, 3, metadata={"id": "old"})
    assert seen == [(1, {"id": "new"}), (2, None), (3, {"id": "new"})]


def test_discarded() -> None:
    """The run came to nothing: neither what it emitted nor what it still may."""
    events = Events()
    seen: list[int] = []
    events.emit(seen.append, 1)
    events.discard()
    events.emit(seen.append, 2)
    events.release()
    assert seen == []


def test_a_sink_may_emit() -> None:
    """While events come out, one of them leads to another."""
    events = Events()
    seen: list[int] = []

    def twice(value: int) -> None:
        seen.append(value)
        events.emit(seen.append, value * 10)

    events.emit(twice, 1)
    events.release()
    assert seen == [1, 10]


def test_threads() -> None:
    """A node's threads emit while the loop releases: nothing is lost, nor out of order."""
    for _ in range(20):
        events = Events()
        seen: list[tuple[int, int]] = []
        start = threading.Barrier(4)

        def emits(
            thread: int,
            events: Events = events,
            seen: list[tuple[int, int]] = seen,
            start: threading.Barrier = start,
        ) -> None:
            start.wait()
            for number in range(100):
                events.emit(seen.append, (thread, number))

        threads = [threading.Thread(target=emits, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        events.release()
        for thread in threads:
            thread.join()
        for n in range(3):
            assert [number for by, number in seen if by == n] == list(range(100))


class Manager:
    """Stands in for a callback manager."""

    def __init__(self, handlers: list[Any]) -> None:
        self.handlers = handlers
        self.inheritable_handlers = list(handlers)


class Runtime:
    """Stands in for LangGraph's runtime."""

    def __init__(self, stream_writer: Any) -> None:
        self.stream_writer = stream_writer

    def override(self, **changes: Any) -> Runtime:
        return Runtime(**changes)


def test_hold() -> None:
    """Custom events, the streams of subgraphs, and tokens all go to the events."""
    seen: list[Any] = []
    tokens = StreamMessagesHandler(lambda chunk: seen.append(("token", chunk)), subgraphs=False)
    run = uuid4()
    other = object()
    shared = Manager([tokens, other])
    config: dict[str, Any] = {
        CONF: {
            CONFIG_KEY_RUNTIME: Runtime(lambda chunk: seen.append(("custom", chunk))),
            CONFIG_KEY_STREAM: StreamProtocol(
                lambda chunk: seen.append(("inner", chunk)), {"values"}
            ),
        },
        "callbacks": shared,
    }
    events = Events()
    hold(config, events)
    config[CONF][CONFIG_KEY_RUNTIME].stream_writer("c")
    config[CONF][CONFIG_KEY_STREAM](((), "values", "s"))
    for handlers in (shared.handlers, shared.inheritable_handlers):
        assert handlers[1] is other
        handlers[0].on_chain_end(AIMessage("t", id="same"), run_id=run)
    assert config[CONF][CONFIG_KEY_STREAM].modes == {"values"}
    tokens.stream(((), "messages", "by another task"))
    assert seen == [("token", ((), "messages", "by another task"))], "its handler is a copy"
    seen.clear()
    # Only now does the handler hear of the task, and so of its messages.
    tokens.metadata[run] = ((), {"langgraph_node": "n"})
    events.release()
    assert [kind for kind, _ in seen] == ["custom", "inner", "token"]
    assert seen[2][1][2][0].content == "t"


def test_hold_without_streams() -> None:
    config: dict[str, Any] = {CONF: {CONFIG_KEY_RUNTIME: Runtime(print)}}
    hold(config, Events())
    assert CONFIG_KEY_STREAM not in config[CONF]
