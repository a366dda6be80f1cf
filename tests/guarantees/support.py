"""What the tests of the guarantees share: nodes that keep a journal, and ways to run."""

from __future__ import annotations

import asyncio
import gc
import operator
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langgraph.graph import START, StateGraph

from langgraph_alto import wrap
from langgraph_alto.engine.predictor import Predictor

Mode = Literal["sync", "async"]
Body = Callable[..., Any]

both = pytest.mark.parametrize("mode", ["sync", "async"])
"""Runs a test on threads and on an event loop."""

PATIENCE = 5.0
"""Seconds after which a node gives up waiting for another; then the test has failed."""


class State(TypedDict, total=False):
    """The state of most graphs here; only ``log`` has a reducer."""

    log: Annotated[list[str], operator.add]
    left: str
    right: str
    items: list[str]


class Journal:
    """What node bodies did, in the order they did it.

    Entries are ``"begin NAME"`` and then ``"end NAME"`` or ``"cancel NAME"``;
    ``peak`` is how many bodies ran at once at most.
    """

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.running = 0
        self.peak = 0
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        with self._lock:
            self.entries.append(f"begin {name}")
            self.running += 1
            self.peak = max(self.peak, self.running)

    def end(self, name: str, how: str = "end") -> None:
        with self._lock:
            self.entries.append(f"{how} {name}")
            self.running -= 1

    def has(self, entry: str) -> bool:
        return entry in self.entries

    def calls(self) -> Counter[str]:
        """How often each body began."""
        return Counter(e.removeprefix("begin ") for e in self.entries if e.startswith("begin "))

    def came_first(self, first: str, then: str) -> bool:
        """Whether the one entry came before the other; both must be there."""
        return self.entries.index(first) < self.entries.index(then)

    def clear(self) -> None:
        self.entries.clear()
        self.running = self.peak = 0


def node(
    mode: Mode,
    name: str,
    journal: Journal,
    *,
    seconds: float = 0.0,
    until: str | None = None,
    key: str = "log",
    error: Exception | None = None,
) -> Body:
    """A node that reads nothing and writes its name to ``key``.

    Args:
        mode: Whether it is an ordinary or a coroutine function.
        name: What it writes in the journal and the state.
        journal: The journal.
        seconds: How long it takes.
        until: A journal entry that it waits for before it ends. To wait for a
            node of the next superstep is to prove that it runs ahead.
        key: The state key it writes; only ``log`` takes a list.
        error: Raised instead of returning.
    """

    def result() -> dict[str, Any]:
        journal.end(name)
        if error is not None:
            raise error
        return {key: [name] if key == "log" else name}

    def waits() -> bool:
        return until is not None and not journal.has(until)

    def body(state: State) -> dict[str, Any]:
        journal.begin(name)
        time.sleep(seconds)
        limit = time.monotonic() + PATIENCE
        while waits():
            assert time.monotonic() < limit, f"{name} waited in vain until {until}"
            time.sleep(0.002)
        return result()

    async def abody(state: State) -> dict[str, Any]:
        journal.begin(name)
        try:
            await asyncio.sleep(seconds)
            limit = time.monotonic() + PATIENCE
            while waits():
                assert time.monotonic() < limit, f"{name} waited in vain until {until}"
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            journal.end(name, "cancel")
            raise
        return result()

    return body if mode == "sync" else abody


def graph_of(nodes: dict[str, Body], edges: list[tuple[Any, str]], schema: Any = State) -> Any:
    """A ``StateGraph`` of these nodes and edges; ``START`` where a source is ``""``.

    Several sources in a list make a waiting edge.
    """
    graph: Any = StateGraph(schema)
    for name, body in nodes.items():
        graph.add_node(name, body)
    for source, target in edges:
        graph.add_edge(source or START, target)
    return graph


UNEVEN: list[tuple[Any, str]] = [
    ("", "quick"),
    ("", "slow"),
    ("quick", "early"),
    ("slow", "late"),
    (["early", "late"], "end"),
]
"""The edges of `uneven`."""


def uneven(mode: Mode, journal: Journal, **replaced: Body) -> Any:
    """Two branches; ``early`` can run while ``slow`` does, which waits until it has begun.

    START -> quick -> early -> end
    START -> slow  -> late  -> end
    """
    nodes: dict[str, Body] = {
        "quick": node(mode, "quick", journal),
        "slow": node(mode, "slow", journal, until="begin early"),
        "early": node(mode, "early", journal),
        "late": node(mode, "late", journal),
        "end": node(mode, "end", journal),
    }
    return graph_of({**nodes, **replaced}, UNEVEN)


def run(graph: Any, given: Any, mode: Mode, config: Any = None, **kwargs: Any) -> Any:
    """Invoke a graph, and see that it leaves no task and no thread."""
    if mode == "sync":
        with nothing_left():
            return graph.invoke(given, config, **kwargs)

    async def arun() -> Any:
        with nothing_left():
            return await graph.ainvoke(given, config, **kwargs)

    return asyncio.run(arun())


def stream(graph: Any, given: Any, mode: Mode, config: Any = None, **kwargs: Any) -> list[Any]:
    """All that a graph streams; it must leave no task and no thread."""
    events: list[Any] = []
    collect(graph, given, mode, events, config, **kwargs)
    return events


def collect(
    graph: Any, given: Any, mode: Mode, events: list[Any], config: Any = None, **kwargs: Any
) -> None:
    """Stream a graph into ``events``, which also holds what came before an exception."""
    if mode == "sync":
        with nothing_left():
            for event in graph.stream(given, config, **kwargs):
                events.append(event)  # noqa: PERF402
        return

    async def arun() -> None:
        with nothing_left():
            async for event in graph.astream(given, config, **kwargs):
                events.append(event)  # noqa: PERF401

    asyncio.run(arun())


def thread(name: str = "1", **more: Any) -> Any:
    """A config with a thread id."""
    return {"configurable": {"thread_id": name}, **more}


def supersteps(events: list[Any]) -> list[list[str]]:
    """Stream events cut into supersteps, each in an order of its own.

    Within a superstep LangGraph emits updates as tasks end; so their order there
    is a matter of time. Needs ``values`` among the modes, which ends a superstep.
    """
    cut: list[list[str]] = [[]]
    for event in events:
        cut[-1].append(repr(event))
        if event[-2] == "values" and (len(event) == 2 or not event[0]):
            cut[-1].sort()
            cut.append([])
    return cut


class _Engines:
    """The predictors that are alive: each run that foresees anything has one."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Predictor] = weakref.WeakSet()
        self.made = 0


engines = _Engines()


@contextmanager
def nothing_left() -> Iterator[None]:
    """See that no thread, and no task of the running event loop, outlives the block."""
    threads = _threads()
    tasks = _tasks()
    try:
        yield
    finally:
        # A pool's thread may need a moment between its last result and its end.
        limit = time.monotonic() + 0.5
        while _threads() - threads and time.monotonic() < limit:
            time.sleep(0.005)
        assert not _threads() - threads
        assert not _tasks() - tasks


def _threads() -> set[threading.Thread]:
    # The event loop's own pool lives as long as the loop.
    return {t for t in threading.enumerate() if not t.name.startswith("asyncio_")}


def _tasks() -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks()
    except RuntimeError:
        return set()


def nothing_alive() -> bool:
    """Whether every predictor made so far has been freed."""
    if engines.alive:
        gc.collect()
    return not engines.alive


def wrapped(graph: Any, **options: Any) -> Any:
    """``wrap`` with what is unneeded by most tests left out of sight of mypy."""
    return wrap(graph, **options)
