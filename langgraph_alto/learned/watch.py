"""A copy of a compiled graph that is watched: LangGraph runs it as ever.

Every node, and the function of every conditional edge, is put behind a function
that hands it a view of its input and takes the views out of its result. Graphs
used as nodes get their true input, and are compared before and after.
"""

from __future__ import annotations

import copy
import threading
import types
from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.constants import END, START
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command, Send

from langgraph_alto._langgraph import BranchSpec, Pregel, RunnableCallable
from langgraph_alto.gathering.effects import inside
from langgraph_alto.gathering.nodes import GatherNode
from langgraph_alto.gathering.scopes import Tracked
from langgraph_alto.learned.record import Record, covered
from langgraph_alto.learned.snapshot import Picture, changes, picture
from langgraph_alto.learned.tracker import Tracker
from langgraph_alto.plan.effects import Path


class Log:
    """The records of all runs. Thread-safe.

    Attributes:
        records: In the order in which the runs began.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._active: list[Record] = []
        self._found: list[tuple[Record, Mapping[Path, set[int]]]] = []
        self._lock = threading.Lock()

    def begin(self, record: Record) -> None:
        """A run begins."""
        with self._lock:
            self.records.append(record)
            for other in self._active:
                other.beside.append(record)
                record.beside.append(other)
            self._active.append(record)

    def end(self, record: Record, different: Mapping[Path, set[int]]) -> None:
        """A run has ended; its input was different afterwards at these paths, in these objects."""
        with self._lock:
            self._active.remove(record)
            self._found.append((record, different))

    def settle(self) -> None:
        """Say whose the differences are that no view noticed.

        Called when all runs have ended: what a run found changed may be the
        doing of one beside it, which its own views told.
        """
        with self._lock:
            for record, different in self._found:
                told = [record, *record.beside]
                for path, objects in different.items():
                    known = any(covered(path, other.changed) for other in told)
                    # By another name: what packets hold is named by their sender.
                    if not known and not objects <= set().union(*(r.objects for r in told)):
                        record.unexplained.add(path)
            self._found.clear()


class _Watch:
    """One run of one function, from its input to its result; entered while it runs."""

    def __init__(
        self, log: Log, node: str, route: int | None, state: Any, config: Any, *, views: bool
    ) -> None:
        self.log, self.state = log, state
        path = (config.get("metadata") or {}).get("langgraph_path") or ("",)
        self.record = Record(
            node, route, viewed=views, packet=route is None and str(path[0]).endswith("push")
        )
        self.before: Picture = picture(state)
        self.record.inputs = self.before.digest
        self.tracker = Tracker(self.record) if views else None
        log.begin(self.record)
        self.input = state if self.tracker is None else self.tracker.root(state)

    def result(self, value: Any) -> Any:
        """The function returned."""
        if self.tracker is not None:
            value = self.tracker.release(value)
        self.record.ended = "returned"
        return value

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is not None:
                self._failed(error)
        finally:
            self._close()

    def _failed(self, error: BaseException) -> None:
        """The function raised; what it says may hold views, which nobody must see."""
        stop = isinstance(error, GraphBubbleUp)
        self.record.ended = "interrupted" if stop else "raised"
        if self.tracker is not None:
            args = self.tracker.release(error.args)
            if args is not error.args:
                error.args = args

    def _close(self) -> None:
        """The function has ended, in whatever way."""
        if self.tracker is not None:
            self.tracker.finish(self.state)
        after = picture(self.state)
        self.record.unseen.update({**self.before.unseen, **after.unseen})
        different = changes(self.before, after)
        if self.tracker is not None and not self.record.packet:
            # LangGraph makes the input afresh, so keys that were set on it are its own.
            own = self.tracker.own_keys(self.state)
            different = {p: objects for p, objects in different.items() if p[0] not in own}
        self.log.end(self.record, different)


def watched(graph: Any, log: Log) -> Any:
    """Copy a compiled graph so that the log hears what its nodes and routers do.

    Args:
        graph: A compiled graph. It is left as it is.
        log: Where the runs are recorded.

    Returns:
        A graph of the same class.
    """
    return graph.copy(
        {"nodes": {name: _node(log, name, node, graph) for name, node in graph.nodes.items()}}
    )


def _node(log: Log, name: str, node: Any, graph: Any) -> Any:
    channels = frozenset(graph.channels)
    update: dict[str, Any] = {"subgraphs": node.subgraphs, "writers": list(node.writers)}
    if name != START:
        update["bound"] = (
            _subgraph(log, name, node.bound)
            if isinstance(node.bound, Pregel)
            else _within(log, name, node.bound, channels)
        )
        if update["bound"] is not node.bound and isinstance(node.bound, Pregel):
            update["subgraphs"] = [
                update["bound"] if inner is node.bound else inner for inner in node.subgraphs
            ]
    number = 0
    for position, writer in enumerate(node.writers):
        branch = getattr(getattr(writer, "func", None), "__self__", None)
        if isinstance(branch, BranchSpec):
            update["writers"][position] = _router(log, name, number, writer, branch)
            number += 1
    return node.copy(update)


def _within(log: Log, name: str, bound: Any, channels: frozenset[str]) -> Any:
    """A node's runnable, where what the user gave is put behind a view."""
    if isinstance(bound, GatherNode):
        return bound
    if isinstance(bound, Tracked):
        return bound.around(_behind(log, name, bound.inner, channels))
    return _behind(log, name, bound, channels)


def _behind(log: Log, name: str, bound: Any, channels: frozenset[str]) -> RunnableCallable:
    """A node's runnable behind a view of its input."""

    def run(state: Any, config: RunnableConfig) -> Any:
        with _Watch(log, name, None, state, config, views=True) as watch:
            result = watch.result(bound.invoke(watch.input, config))
            _note_result(watch.record, result, channels)
            return result

    async def arun(state: Any, config: RunnableConfig) -> Any:
        with _Watch(log, name, None, state, config, views=True) as watch:
            result = watch.result(await bound.ainvoke(watch.input, config))
            _note_result(watch.record, result, channels)
            return result

    return RunnableCallable(run, arun, name=name, trace=False)


def _router(log: Log, name: str, number: int, writer: Any, branch: Any) -> Any:
    """A conditional edge whose function gets a view of its state."""
    path, ends = inside(branch.path), branch.ends

    def note(watch: _Watch, result: Any) -> Any:
        result = watch.result(result)
        for each in result if isinstance(result, list | tuple) else [result]:
            if isinstance(each, Send):
                watch.record.goto.add(each.node)
                continue
            target = each if ends is None else ends.get(each)
            if isinstance(target, str) and target != END:
                watch.record.goto.add(target)
        return result

    def run(state: Any, config: RunnableConfig) -> Any:
        with _Watch(log, name, number, state, config, views=True) as watch:
            return note(watch, path.invoke(watch.input, config))

    async def arun(state: Any, config: RunnableConfig) -> Any:
        with _Watch(log, name, number, state, config, views=True) as watch:
            return note(watch, await path.ainvoke(watch.input, config))

    router: Any = RunnableCallable(run, arun, name="router", trace=False)
    if path is not branch.path:
        router = branch.path.around(router)
    seen = branch._replace(path=router)
    twin = copy.copy(writer)
    twin.func = types.MethodType(writer.func.__func__, seen)
    twin.afunc = types.MethodType(writer.afunc.__func__, seen)
    return twin


def _subgraph(log: Log, name: str, inner: Any) -> Any:
    """A graph used as a node, compared before and after as a whole."""
    kind = type(inner)

    class Watched(kind):  # type: ignore[misc, valid-type]
        def invoke(self, input: Any, config: Any = None, **options: Any) -> Any:
            with _Watch(log, name, None, input, config or {}, views=False) as watch:
                result = watch.result(super().invoke(input, config, **options))
                _note_subgraph(watch.record, result)
                return result

        async def ainvoke(self, input: Any, config: Any = None, **options: Any) -> Any:
            with _Watch(log, name, None, input, config or {}, views=False) as watch:
                result = watch.result(await super().ainvoke(input, config, **options))
                _note_subgraph(watch.record, result)
                return result

    Watched.__name__, Watched.__qualname__ = kind.__name__, kind.__qualname__
    made: Any = Watched.__new__(Watched)
    vars(made).update(vars(inner))
    return made


def _note_subgraph(record: Record, result: Any) -> None:
    record.writes = {k for k in result if isinstance(k, str)} if isinstance(result, dict) else None


def _note_result(record: Record, result: Any, channels: frozenset[str]) -> None:
    """What LangGraph will make of a node's result."""
    if "__root__" in channels:
        record.writes = None if result is None else {"__root__"}
        if not isinstance(result, Command):
            return
    parts = list(result) if isinstance(result, list | tuple) else [result]
    if not any(isinstance(part, Command) for part in parts):
        parts = [result]
    for part in parts:
        if isinstance(part, Send):
            record.goto.add(part.node)
        elif isinstance(part, Command):
            if part.graph == Command.PARENT:
                continue
            _note_update(record, part.update, channels)
            targets: Any = part.goto
            for target in [targets] if isinstance(targets, str | Send) else targets:
                to = target.node if isinstance(target, Send) else target
                if isinstance(to, str) and to != END:
                    record.goto.add(to)
        else:
            _note_update(record, part, channels)


def _note_update(record: Record, update: Any, channels: frozenset[str]) -> None:
    if update is None or record.writes is None:
        return
    keys: set[Any]
    if isinstance(update, Mapping):
        keys = set(update)
    elif isinstance(update, list | tuple):
        keys = {pair[0] for pair in update if isinstance(pair, list | tuple) and pair}
    else:
        keys = {
            name for base in type(update).__mro__ for name in vars(base).get("__annotations__", {})
        }
    record.writes.update(key for key in keys if isinstance(key, str) and key in channels)
