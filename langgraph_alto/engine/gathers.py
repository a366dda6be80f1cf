"""The gathers of a run: what the run tells them, and what their tasks find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from langgraph_alto._langgraph import CONF
from langgraph_alto.engine.early import Call, EarlyCalls
from langgraph_alto.engine.events import Events
from langgraph_alto.engine.slots import FIRST, Slots
from langgraph_alto.engine.tasks import TaskAhead
from langgraph_alto.gathering.nodes import EARLY, GatherNode, Parent

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead


class Handle:
    """What a gather's task sees of its early calls.

    Args:
        early: The calls.
        events: Where the events of the task are held, if it runs ahead itself.
    """

    def __init__(self, early: EarlyCalls, events: Events | None) -> None:
        self.early = early
        self.events = events

    def take(self, parent: Parent, config: Any) -> Call | None:
        """The call for this very parent, if one has begun."""
        return self.early.take(parent, config, self.events)

    def room(self) -> AbstractAsyncContextManager[Any]:
        """Room for one more call beside the task: a slot, where there is a bound."""
        ahead, name = self.early.ahead, self.early.name
        if not isinstance(ahead, TaskAhead) or ahead.slots is None or not ahead.slots.counts(name):
            return nullcontext()
        return _slot(ahead.slots, name)


@asynccontextmanager
async def _slot(slots: Slots, node: str) -> AsyncIterator[None]:
    await slots.acquire(FIRST, node)
    try:
        yield
    finally:
        slots.release(node)


class Gathers:
    """All gathers of one run.

    Args:
        ahead: What runs ahead in the run.
        nodes: The gathers, by name.
    """

    def __init__(self, ahead: Ahead, nodes: Mapping[str, GatherNode]) -> None:
        self.ahead = ahead
        self.by_name = {name: EarlyCalls(ahead, node) for name, node in nodes.items()}
        self.by_log = {early.log: early for early in self.by_name.values()}

    def begin(self, tasks: Iterable[Any]) -> None:
        """LangGraph has made the tasks of a superstep."""
        for early in self.by_name.values():
            early.sync()
        for task in tasks:
            if task.name in self.by_name:
                self.attach(task, None)
                self.by_name[task.name].superseded()
        self.start()

    def attach(self, task: Any, events: Events | None) -> None:
        """Let a gather's task find its calls."""
        if (early := self.by_name.get(task.name)) is not None:
            task.config[CONF][EARLY] = Handle(early, events)

    def heard(self, writes: Iterable[tuple[str, Any]]) -> None:
        """A task has finished, in its superstep or ahead of it, with these writes."""
        for channel, value in writes:
            if (early := self.by_log.get(channel)) is not None:
                early.hear(value)
        self.start()

    def start(self) -> None:
        """Begin the calls that are due, where anything may run ahead now."""
        ahead = self.ahead
        control = ahead.loop.control
        if ahead.frozen or ahead.closed or (control is not None and control.drain_requested):
            return
        for early in self.by_name.values():
            early.start()

    def stop(self) -> None:
        """The run ends: give up whatever has begun."""
        for early in self.by_name.values():
            early.stop()


def gathers_of(ahead: Ahead) -> Gathers | None:
    """The gathers of a run's graph, if there are any."""
    nodes = {
        name: node.bound
        for name, node in ahead.loop.nodes.items()
        if isinstance(node.bound, GatherNode)
    }
    return Gathers(ahead, nodes) if nodes else None
