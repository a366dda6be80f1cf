"""Instrumented copies of a graph: every node body is counted and may be delayed.

A node's function is replaced by a small wrapper made with ``functools.wraps``::

    def counted(*args, **kwargs):
        recorder.enter(name)
        return function(*args, **kwargs)

The function stays visible in the wrapper's closure and as ``__wrapped__``, so
signatures (``config``, ``runtime``, ``store``) and the analysis of what the node
reads and writes come out as they do for the bare function. The wrapper never
looks at the node's input: a run-ahead engine tracks what is read of it, and
looking would change what is being tested.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from langchain_core.runnables import Runnable, RunnableSequence
from langchain_core.runnables.config import run_in_executor
from langgraph.config import get_config
from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel

from langgraph_alto.batching.calls import FunctionCalls
from langgraph_alto.batching.declare import declared_of, mark
from langgraph_alto.batching.nodes import BatchNode
from langgraph_alto.gathering.nodes import GatherNode
from langgraph_alto.gathering.scopes import Tracked
from langgraph_alto.streams import nodes as streams

Delays = (
    Mapping[str, float | Sequence[float]]
    | Callable[[str, int, int], float]
    | tuple[str, float, float]
)
"""Seconds to sleep before node bodies; see `delay_function`."""

DelayFunction = Callable[[str, int, int], float]


class Call(NamedTuple):
    """Where a node body ran: the same in every engine, whatever the timing.

    Attributes:
        node: Name of the node; ``outer/inner`` for a node of a subgraph.
        step: Number of the superstep that owns the task, from the task's own
            metadata; ``-1`` if none is to be had: nodes of an async run cannot see
            theirs before Python 3.11.
        place: Position among the ``Send`` tasks of its superstep, else ``-1``.
    """

    node: str
    step: int
    place: int


def delay_function(delays: Delays | None, seed: int) -> DelayFunction:
    """Turn what a user may write for delays into a function of the call.

    Delays depend on the node, the superstep and the place among ``Send``
    siblings only, never on the order of events, so both engines sleep alike.

    Args:
        delays: ``None`` for no delays; a mapping from node name to seconds, or
            to several values of which each call draws one; a callable
            ``(node, step, place) -> seconds``; or ``("random", low, high)``.
        seed: Seed of all draws.

    Returns:
        A function from node, superstep and ``Send`` place to seconds.
    """
    if delays is None:
        return lambda node, step, place: 0.0
    if callable(delays):
        return delays
    if isinstance(delays, tuple):
        _, low, high = delays
        return lambda node, step, place: _draw(seed, node, step, place).uniform(low, high)
    table = dict(delays)

    def of_table(node: str, step: int, place: int) -> float:
        entry = table.get(node, 0.0)
        if isinstance(entry, Sequence):
            return _draw(seed, node, step, place).choice(entry)
        return entry

    return of_table


def _draw(seed: int, node: str, step: int, place: int) -> random.Random:
    return random.Random(f"{seed}/{node}/{step}/{place}")


class Recorder:
    """Counts the node bodies of one run and makes them sleep.

    Thread-safe. `start` begins a run; bodies entered after `stop` are counted
    apart, as they belong to no run.

    Attributes:
        calls: How often a body was entered, by `Call`.
        late: Names of nodes whose body was entered after the run had ended.
        late_in_threads: Those of them that are plain functions.
        uncounted: Names of nodes that could not be instrumented.
    """

    def __init__(self) -> None:
        self.calls: Counter[Call] = Counter()
        self.late: list[str] = []
        self.late_in_threads: list[str] = []
        self.uncounted: list[str] = []
        self._delay: DelayFunction = delay_function(None, 0)
        self._lock = threading.Lock()
        self._running = False

    def start(self, delay: DelayFunction) -> None:
        """Forget what was counted and begin a run with these delays."""
        with self._lock:
            self.calls = Counter()
            self.late, self.late_in_threads = [], []
            self._delay = delay
            self._running = True

    def stop(self) -> None:
        """End the run; what starts from here on is late."""
        with self._lock:
            self._running = False

    def enter(self, node: str) -> None:
        """Count a body and sleep, in a thread."""
        if seconds := self._count(node, threaded=True):
            time.sleep(seconds)

    async def aenter(self, node: str) -> None:
        """Count a body and sleep, on the event loop."""
        if seconds := self._count(node):
            await asyncio.sleep(seconds)

    def _count(self, node: str, *, threaded: bool = False) -> float:
        step, place = _where()
        call = Call(node, step, place)
        with self._lock:
            if not self._running:
                self.late.append(node)
                if threaded:
                    self.late_in_threads.append(node)
                return 0.0
            self.calls[call] += 1
            delay = self._delay
        return delay(*call)


def _where() -> tuple[int, int]:
    """Superstep and ``Send`` place of the running task, from its config."""
    try:
        metadata: Mapping[str, Any] = get_config().get("metadata") or {}
    except RuntimeError:
        return -1, -1
    path: Sequence[Any] = metadata.get("langgraph_path") or ()
    pushed = bool(path) and str(path[0]).endswith("push")
    place = next((p for p in reversed(path) if type(p) is int), -1) if pushed else -1
    return int(metadata.get("langgraph_step", -1)), place


def instrumented(graph: Any, recorder: Recorder, prefix: str = "") -> Any:
    """Copy a compiled graph so that the recorder sees every node body.

    Args:
        graph: A compiled graph. It is left as it is.
        recorder: Where bodies are counted.
        prefix: Put before the names of nodes, for subgraphs.

    Returns:
        A graph of the same class.
    """
    replaced: dict[int, Any] = {}
    nodes = {}
    for name, node in graph.nodes.items():
        bound = node.bound if name == START else _instrument(node.bound, recorder, prefix + name)
        replaced[id(node.bound)] = bound
        update: dict[str, Any] = {"bound": bound}
        if isinstance(bound, Pregel):
            update["subgraphs"] = [bound]
        nodes[name] = node.copy(update)
    update = {"nodes": nodes}
    builder = getattr(graph, "builder", None)
    if isinstance(builder, StateGraph):
        update["builder"] = _with_runnables(builder, replaced)
    return graph.copy(update)


def node_names(graph: Any, prefix: str = "") -> set[str]:
    """The names by which the nodes of a graph, and of graphs in it, may be delayed.

    Args:
        graph: A compiled graph.
        prefix: Put before the names, for subgraphs.
    """
    names: set[str] = set()
    for name, node in graph.nodes.items():
        if name == START:
            continue
        names.add(prefix + name)
        bound = node.bound
        while isinstance(bound, RunnableSequence | Tracked):
            bound = bound.first if isinstance(bound, RunnableSequence) else bound.inner
        if isinstance(bound, Pregel):
            names |= node_names(bound, f"{prefix}{name}/")
    return names


def _with_runnables(builder: Any, replaced: Mapping[int, Any]) -> Any:
    """The builder of the copy: it names the runnables that the copy runs."""
    twin = copy.copy(builder)
    twin.nodes = {
        name: dataclasses.replace(spec, runnable=replaced.get(id(spec.runnable), spec.runnable))
        for name, spec in builder.nodes.items()
    }
    return twin


def _instrument(bound: Any, recorder: Recorder, name: str) -> Any:
    if isinstance(bound, Pregel):
        return instrumented(bound, recorder, f"{name}/")
    if isinstance(bound, RunnableSequence):
        first = _instrument(bound.first, recorder, name)
        return bound.model_copy(update={"first": first})
    if isinstance(bound, Tracked):
        twin: Any = copy.copy(bound)
        twin.inner = _instrument(bound.inner, recorder, name)
        return twin
    if isinstance(bound, GatherNode) and not isinstance(bound.function, Runnable):
        twin = copy.copy(bound)
        counted: Any = _acounted if bound.asynchronous else _counted
        twin.function = counted(bound.function, recorder, name)
        return twin
    function = getattr(bound, "func", None)
    coroutine = getattr(bound, "afunc", None)
    if not isinstance(bound, Runnable) or (function is None and coroutine is None):
        recorder.uncounted.append(name)
        return bound
    twin = copy.copy(bound)
    if function is not None:
        twin.func = _counted(function, recorder, name)
        _remark(twin.func, function)
    if coroutine is not None:
        twin.afunc = (
            functools.wraps(twin.func)(functools.partial(run_in_executor, None, twin.func))
            if _runs_in_executor(coroutine, function)
            else _acounted(coroutine, recorder, name)
        )
        _remark(twin.afunc, coroutine)
    return twin


def _remark(twin: Any, function: object) -> None:
    """Leave a batched node a batched node, and a streaming one a streaming one."""
    if (declared := declared_of(function)) is not None:
        mark(twin, declared.function, declared.batch)
    if (buffer := streams.buffer_of(function)) is not None:
        streams.mark(twin, streams.generator_of(function), buffer)


class _Bodies:
    """Counts the items of a batched node as bodies of it, and makes them sleep.

    Args:
        recorder: Where they are counted.
        name: The node's.
    """

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.recorder = recorder
        self.name = name

    def enter(self) -> None:
        self.recorder.enter(self.name)

    async def aenter(self) -> None:
        await self.recorder.aenter(self.name)

    def note(self, error: Exception) -> None:
        _note(error, self.name)


def watch_batches(graph: Any, recorder: Recorder, prefix: str = "") -> None:
    """Let a recorder see the items of the batched nodes of a wrapped graph.

    Args:
        graph: A wrapped graph of an instrumented one.
        recorder: Where bodies are counted.
        prefix: Put before the names of nodes, for subgraphs.
    """
    for name, node in graph.nodes.items():
        bound = node.bound.inner if isinstance(node.bound, Tracked) else node.bound
        if isinstance(bound, Pregel):
            watch_batches(bound, recorder, f"{prefix}{name}/")
        elif isinstance(bound, BatchNode) and isinstance(bound.calls, FunctionCalls):
            bound.watch = _Bodies(recorder, prefix + name)


def _runs_in_executor(coroutine: object, function: object) -> bool:
    """Whether this is LangGraph's own ``partial(run_in_executor, None, function)``."""
    return isinstance(coroutine, functools.partial) and function in coroutine.args


def _counted(function: Callable[..., Any], recorder: Recorder, name: str) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        recorder.enter(name)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            _note(error, name)
            raise

    return cast("Callable[..., Any]", functools.wraps(function)(counted))


def _acounted(
    function: Callable[..., Awaitable[Any]], recorder: Recorder, name: str
) -> Callable[..., Awaitable[Any]]:
    async def counted(*args: Any, **kwargs: Any) -> Any:
        await recorder.aenter(name)
        try:
            return await function(*args, **kwargs)
        except Exception as error:
            _note(error, name)
            raise

    return cast("Callable[..., Awaitable[Any]]", functools.wraps(function)(counted))


def _note(error: Exception, name: str) -> None:
    """Say on an exception which node raised it, as LangGraph does from Python 3.11 on."""
    if sys.version_info < (3, 11) and not hasattr(error, "__notes__"):
        noted: Any = error
        noted.__notes__ = [
            f"During task with name '{node}' and id ''" for node in reversed(name.split("/"))
        ]
