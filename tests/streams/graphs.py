"""Nodes that stream, with a journal; what the tests of streaming nodes share.

In a module of its own: pytest rewrites the asserts of test modules, and analysis
does not follow what it makes of them.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Send

from langgraph_alto import Effects, streaming
from tests.guarantees.support import PATIENCE, Journal, Mode


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    left: str
    right: str
    rounds: int


class Until:
    """In the parts of a `source`: wait until the journal has an entry."""

    def __init__(self, entry: str) -> None:
        self.entry = entry


class Then:
    """In the parts of a `source`: do something."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self.do = do


def source(
    mode: Mode, journal: Journal, *parts: Any, name: str = "source", buffer: int = 64
) -> Any:
    """A streaming node that yields these parts, and keeps a journal.

    Args:
        mode: Whether it is a generator or an asynchronous one.
        journal: The journal; an entry ``"begin NAME"``, and ``"end NAME"`` or ``"cancel NAME"``.
        parts: What it yields; an exception is raised.
        name: What it is called in the journal.
        buffer: As for ``@streaming``.
    """

    def steps() -> Iterator[Any]:
        for part in parts:
            if isinstance(part, Then):
                part.do()
            elif isinstance(part, Exception):
                raise type(part)(*part.args)  # each time one of its own: LangGraph adds notes
            elif isinstance(part, Until):
                limit = time.monotonic() + PATIENCE
                while not journal.has(part.entry):
                    assert time.monotonic() < limit, f"{name} waited in vain until {part.entry}"
                    yield None
            else:
                yield part

    @streaming(buffer=buffer)
    def node(state: Any) -> Iterator[Any]:
        journal.begin(name)
        how = "cancel"
        try:
            for part in steps():
                if part is None:
                    time.sleep(0.001)
                yield part
            how = "end"
        finally:
            journal.end(name, how)

    @streaming(buffer=buffer)
    async def anode(state: Any) -> Any:
        journal.begin(name)
        how = "cancel"
        try:
            for part in steps():
                await asyncio.sleep(0.001 if part is None else 0)
                yield part
            how = "end"
        finally:
            journal.end(name, how)

    return node if mode == "sync" else anode


def worker(
    mode: Mode,
    journal: Journal,
    *,
    name: str = "worker",
    seconds: float = 0.0,
    until: str | None = None,
    error: Exception | None = None,
) -> Any:
    """A node for packets ``{"at": ...}``, which writes what it was sent to ``log``."""

    def done(at: Any) -> Any:
        journal.end(f"{name} {at}")
        if error is not None:
            raise type(error)(*error.args)
        return {"log": [f"{name} {at}"]}

    def node(packet: dict[str, Any]) -> Any:
        journal.begin(f"{name} {packet['at']}")
        limit = time.monotonic() + PATIENCE
        while until is not None and not journal.has(until):
            assert time.monotonic() < limit, f"{name} waited in vain until {until}"
            time.sleep(0.001)
        time.sleep(seconds)
        return done(packet["at"])

    async def anode(packet: dict[str, Any]) -> Any:
        journal.begin(f"{name} {packet['at']}")
        try:
            limit = time.monotonic() + PATIENCE
            while until is not None and not journal.has(until):
                assert time.monotonic() < limit, f"{name} waited in vain until {until}"
                await asyncio.sleep(0.001)
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            journal.end(f"{name} {packet['at']}", "cancel")
            raise
        return done(packet["at"])

    return node if mode == "sync" else anode


def packet(at: Any, node: str = "worker") -> Send:
    return Send(node, {"at": at})


def fan_out(mode: Mode, journal: Journal, *parts: Any, **options: Any) -> Any:
    """``source`` with packets to ``worker``; options of the source, or a ``worker``."""
    of_worker = options.pop("worker", None) or worker(mode, journal)
    more = options.pop("more", {})
    builder: Any = StateGraph(State)
    builder.add_node(
        "source", source(mode, journal, *parts, **options), destinations=("worker",), **more
    )
    builder.add_node("worker", of_worker)
    builder.add_edge(START, "source")
    return builder


def known(*goto: str) -> dict[str, Effects]:
    """What analysis cannot see of a `source`: its parts are made elsewhere."""
    return {"source": Effects(writes={"log", "left", "right"}, goto=goto)}


def wait(journal: Journal, entry: str) -> None:
    """Wait in a thread until the journal has an entry."""
    limit = time.monotonic() + PATIENCE
    while not journal.has(entry):
        assert time.monotonic() < limit, f"waited in vain until {entry}"
        time.sleep(0.001)


async def await_(journal: Journal, entry: str) -> None:
    """Wait on the event loop until the journal has an entry."""
    limit = time.monotonic() + PATIENCE
    while not journal.has(entry):
        assert time.monotonic() < limit, f"waited in vain until {entry}"
        await asyncio.sleep(0.001)
