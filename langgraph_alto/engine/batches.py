"""The batches of a run: what the run tells them, and how its tasks get into them.

:class:`Batches` is what the asyncio and the thread shell share. It keeps, for every
batched node, the count of its tasks that are coming and of the tasks that may
still lead to it, from what the run tells anyhow: a superstep has been made, a task
runs ahead, a task has ended. :mod:`~langgraph_alto.batching.collector` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph_alto._langgraph import CONF
from langgraph_alto.batching.collector import Priority, Source
from langgraph_alto.batching.nodes import TICKET, BatchNode
from langgraph_alto.engine.line import FIRST
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Masks

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead
    from langgraph_alto.engine.recording import Recording
    from langgraph_alto.engine.run import Run


class Lane:
    """One batched node in one run.

    Args:
        node: The node.
    """

    def __init__(self, node: BatchNode) -> None:
        self.node = node
        self.source = Source()

    def expect(self, items: int) -> None:
        """So many items are coming; fewer, if negative."""
        raise NotImplementedError

    def feed(self, tasks: int) -> None:
        """So many tasks that run may lead to more items; fewer, if negative."""
        raise NotImplementedError

    async def call(self, ticket: Ticket, input: Any, config: Any) -> Any:
        """Wait in a batch on the event loop."""
        raise NotImplementedError

    def promote(self, ticket: Ticket) -> None:
        """A task that runs ahead belongs to the current superstep from now on."""

    def close(self) -> None:
        """The run has ended."""
        raise NotImplementedError


class Ticket:
    """What is known of one task of a batched node.

    Args:
        lane: The node in its run.
        priority: Its place in the line for places.
        begins: Called once, when the call that the task is in begins.
    """

    __slots__ = ("_begins", "_found", "coming", "lane", "priority", "waiter")

    def __init__(self, lane: Lane, priority: Priority, begins: Callable[[], None] | None) -> None:
        self.lane = lane
        self.priority = priority
        self.coming = True
        self._begins = begins
        self._found: tuple[Any] | None = None
        # What a shell knows of it while it waits.
        self.waiter: Any = None
        lane.expect(1)

    def arrived(self) -> None:
        """It has arrived, or never will."""
        if self.coming:
            self.coming = False
            self.lane.expect(-1)

    def begins(self) -> None:
        begins, self._begins = self._begins, None
        if begins is not None:
            begins()

    async def call(self, node: BatchNode, input: Any, config: Any) -> Any:
        return await self.lane.call(self, input, config)

    def found(self, outcome: Any) -> None:
        """This came of the task's item; the task is to ask for it."""
        self._found = (outcome,)

    def outcome(self) -> tuple[Any] | None:
        found, self._found = self._found, None
        return found


class Batches:
    """All batched nodes of one run.

    Args:
        lanes: Each of them, by name.
        gated: Whether tasks of a node may have to wait for a place, by its name. Such a
            task may lead to more from when it has one: it might wait for the very
            place that a batch holds.
    """

    def __init__(self, lanes: Mapping[str, Lane], gated: Callable[[str], bool]) -> None:
        self.lanes = lanes
        self.gated = gated
        self.ahead: Ahead | None = None
        self.recording: Recording | None = None
        self._feeds: Mapping[str, tuple[Lane, ...]] = {}
        # What is to be undone when a task of the current superstep has ended, by its id.
        self._over: dict[str, Callable[[], None]] = {}

    def __contains__(self, node: object) -> bool:
        return node in self.lanes

    def runs_ahead(self, ahead: Ahead) -> None:
        """From now on tasks of the run may run ahead, and lead to more that do."""
        self.ahead = ahead
        masks, allowed = ahead.masks, ahead.predictor.allowed
        feeds: dict[str, list[Lane]] = {}
        for name, lane in self.lanes.items():
            place = masks.index[name]
            if allowed >> place & 1:
                for feeder in bits(_feeders(masks, place)):
                    feeds.setdefault(masks.stages[feeder].name, []).append(lane)
        # A batched node's own tasks are in batches, where they lead to nothing.
        self._feeds = {
            name: tuple(lanes) for name, lanes in feeds.items() if name not in self.lanes
        }

    def begin(self, tasks: Iterable[Any]) -> None:
        """LangGraph has made the tasks of a superstep."""
        current = {} if self.ahead is None else self.ahead.current
        for task in tasks:
            known = current.get(task.id)
            if (
                not task.writes
                and (known is None or known.run is None)
                and (task.name in self.lanes or not self.gated(task.name))
            ):
                self.starts(task)

    def starts(self, task: Any) -> None:
        """A task of the current superstep runs now; more than once is once."""
        if task.id in self._over:
            return
        if (lane := self.lanes.get(task.name)) is not None:
            begins = None if self.recording is None else partial(self.recording.started, task)
            ticket = task.config[CONF][TICKET] = Ticket(lane, FIRST, begins)
            self._over[task.id] = ticket.arrived
        elif lanes := self._feeds.get(task.name):
            self._over[task.id] = _fed(lanes)

    def ended(self, task: Any) -> None:
        """A task of the current superstep has ended."""
        if (over := self._over.pop(task.id, None)) is not None:
            over()

    def launched(
        self, run: Run, priority: Callable[[Run], Priority], begins: Callable[[], None]
    ) -> Callable[[Any], None] | None:
        """A task is about to run ahead.

        Args:
            run: It.
            priority: Tells its place in the line for places.
            begins: Called when the call that it is in begins.

        Returns:
            What to call with its future, when it has ended.
        """
        name = run.made.name
        if (lane := self.lanes.get(name)) is not None:
            ticket = run.made.config[CONF][TICKET] = Ticket(lane, priority(run), begins)
            return lambda _: ticket.arrived()
        if not self.gated(name) and (lanes := self._feeds.get(name)):
            over = _fed(lanes)
            return lambda _: over()
        return None

    def began(self, run: Run) -> Callable[[], None]:
        """The body of a task that runs ahead begins.

        Returns:
            What to call when it has ended.
        """
        name = run.made.name
        return _fed(self._feeds.get(name, ()) if self.gated(name) else ())

    def promote(self, run: Run) -> None:
        """LangGraph asks for a task that runs ahead: it goes before others that do."""
        ticket: Ticket = run.made.config[CONF][TICKET]
        ticket.lane.promote(ticket)

    def close(self) -> None:
        """The run has ended."""
        self._over.clear()
        self.ahead = None
        for lane in self.lanes.values():
            lane.close()


def _fed(lanes: Iterable[Lane]) -> Callable[[], None]:
    """Count a task that runs and may lead to more; what comes ends that."""
    for lane in lanes:
        lane.feed(1)

    def over() -> None:
        for lane in lanes:
            lane.feed(-1)

    return over


def _feeders(masks: Masks, place: int) -> int:
    """The nodes that may lead to this one, directly or not."""
    found = 1 << place
    while True:
        more = found
        for node, after in enumerate(masks.successors):
            if after & found:
                more |= 1 << node
        for join in masks.joins:
            if found >> join.target & 1:
                more |= join.sources
        if more == found:
            return found
        found = more
