"""Batches on an event loop: of all runs of one graph on it together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any

from langgraph_alto.batching.calls import BatchResultError
from langgraph_alto.batching.collector import Collector, Formed, Item, Priority
from langgraph_alto.batching.nodes import BatchNode
from langgraph_alto.engine.batches import Batches, Lane, Ticket
from langgraph_alto.engine.line import FIRST
from langgraph_alto.engine.slots import Slots


@dataclass(eq=False, slots=True)
class _Waiter:
    """A task that waits for what comes of its item.

    Args:
        lane: The node in the task's run.
        ticket: The task's.
        input: What the task was given.
        config: The task's config.
        future: What it waits for.
        item: Its item; another one when it is tried again, alone.
    """

    lane: TaskLane
    ticket: Ticket
    input: Any
    config: Any
    future: asyncio.Future[Any]
    item: Item


class Batcher:
    """One batched node on one event loop.

    It lives as long as runs do that use it, and holds nothing between them.

    Args:
        node: The node.
        loop: The event loop.
    """

    def __init__(self, node: BatchNode, loop: asyncio.AbstractEventLoop) -> None:
        self.node = node
        self.loop = loop
        self.collector = Collector(node.how.max_size, node.how.max_wait)
        self._looks = False
        self._timer: asyncio.TimerHandle | None = None
        self._calls: dict[Formed, asyncio.Task[None]] = {}

    async def call(self, lane: TaskLane, ticket: Ticket, input: Any, config: Any) -> Any:
        """Put an item into a batch, and wait for what comes of it.

        Raises:
            BaseException: The item's own error.
        """
        item = Item(lane.source, ticket.priority, None)
        waiter = _Waiter(lane, ticket, input, config, self.loop.create_future(), item)
        ticket.waiter = waiter
        self._arrive(waiter)
        ticket.arrived()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            abandoned = self.collector.drop(waiter.item)
            lane.ask()  # perhaps nobody needs the place any more that was asked for
            self.look()
            if abandoned is not None:
                await self._abandon(abandoned)
            raise

    def look(self) -> None:
        """See what is to be called, when this turn of the event loop is over.

        By then whatever becomes ready in the same turn has arrived, of other runs too.
        """
        if not self._looks:
            self._looks = True
            self.loop.call_soon(self._look)

    def _arrive(self, waiter: _Waiter) -> None:
        waiter.item.value = waiter
        self.collector.arrive(waiter.item)
        waiter.lane.ask()
        self.look()

    def _look(self) -> None:
        self._looks = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for formed in self.collector.ready(self.loop.time()):
            # A task of its own in a context of its own: it belongs to many.
            task = Context().run(self.loop.create_task, self._call(formed))
            task.set_name(f"batch of {self.node.label}")
            self._calls[formed] = task
            # Not in the task itself: cancelled before its first step, it never runs.
            task.add_done_callback(partial(self._ended, formed))
        if self.collector.due is not None:
            self._timer = self.loop.call_at(self.collector.due, self._look)

    async def _call(self, formed: Formed) -> None:
        waiters: list[_Waiter] = [item.value for item in formed.items if not item.gone]
        for waiter in waiters:
            waiter.ticket.begins()
        try:
            outcomes = await self.node.calls.amany(
                [waiter.input for waiter in waiters], [waiter.config for waiter in waiters]
            )
        except Exception as error:
            if len(waiters) > 1 and not isinstance(error, BatchResultError):
                # Whose error it is, is not known; whoever shares a batch makes no difference.
                self._again(waiters)
                return
            outcomes = [error] * len(waiters)
        for waiter, outcome in zip(waiters, outcomes, strict=True):
            if waiter.future.done():
                continue
            if isinstance(outcome, StopIteration):
                waiter.future.set_exception(RuntimeError("the node raised StopIteration"))
            elif isinstance(outcome, BaseException):
                waiter.future.set_exception(outcome)
            else:
                waiter.future.set_result(outcome)

    def _again(self, waiters: Iterable[_Waiter]) -> None:
        for waiter in waiters:
            if not waiter.item.gone:
                waiter.item = Item(waiter.lane.source, waiter.ticket.priority, None, alone=True)
                self._arrive(waiter)

    def _ended(self, formed: Formed, _: object) -> None:
        del self._calls[formed]
        for item in formed.items:
            waiter: _Waiter = item.value
            if waiter.item is item and not waiter.future.done():
                waiter.future.cancel()
        self._give_back(formed)

    async def _abandon(self, formed: Formed) -> None:
        """Nobody wants anything of a batch any more."""
        task = self._calls.get(formed)
        if task is None:
            if formed not in self._calls:
                self._give_back(formed)
            return
        task.cancel()
        # Whoever was its last owner leaves when it has ended, as with a body of its own.
        await asyncio.wait((task,))

    def _give_back(self, formed: Formed) -> None:
        places, formed.places = formed.places, {}
        for lane in places.values():
            lane.give_back()


class TaskLane(Lane):
    """One batched node in one run on an event loop.

    Args:
        node: The node.
        slots: The run's bound and limits, if it has any.
    """

    def __init__(self, node: BatchNode, slots: Slots | None) -> None:
        super().__init__(node)
        self.slots = slots if slots is not None and slots.bounds(node.label) else None
        loop = asyncio.get_running_loop()
        batcher: Batcher | None = node.batchers.get(id(loop))
        if batcher is None:
            batcher = node.batchers[id(loop)] = Batcher(node, loop)
        self.batcher = batcher
        self._turn: asyncio.Future[None] | None = None
        self._asked: Priority = ()
        self._closed = False

    def expect(self, items: int) -> None:
        if self._closed:
            return
        collector = self.batcher.collector
        collector.expect(self.source, items)
        if not collector.coming and collector.forming is not None:
            self.batcher.look()

    def feed(self, tasks: int) -> None:
        if self._closed:
            return
        self.source.feeding += tasks
        if not self.source.feeding and self.batcher.collector.forming is not None:
            self.batcher.look()

    async def call(self, ticket: Ticket, input: Any, config: Any) -> Any:
        return await self.batcher.call(self, ticket, input, config)

    def promote(self, ticket: Ticket) -> None:
        ticket.priority = FIRST
        if ticket.waiter is not None:
            self.batcher.collector.promote(ticket.waiter.item, FIRST)
            self.ask()

    def ask(self) -> None:
        """Ask for a place for whoever is first in line, or for none any more."""
        first = self.batcher.collector.first(self.source)
        if self.slots is None:
            if first is not None:
                self._place()
            return
        if self._turn is not None:
            if first is not None and (self._turn.done() or self._asked <= first):
                return
            turn, self._turn = self._turn, None
            self.slots.leave(turn, self.node.label)
        if first is not None:
            self._asked = first
            turn = self._turn = self.slots.queue(first, self.node.label)
            if turn.done():
                self._served(turn)
            else:
                turn.add_done_callback(self._served)

    def give_back(self) -> None:
        """Give a place back."""
        if self.slots is not None:
            self.slots.release(self.node.label)

    def close(self) -> None:
        self._closed = True
        self.batcher.collector.leave(self.source)
        self.ask()
        if self.batcher.collector.forming is not None:
            self.batcher.look()

    def _served(self, turn: asyncio.Future[None]) -> None:
        if turn is not self._turn or turn.cancelled():
            return
        self._turn = None
        self._place()
        self.ask()

    def _place(self) -> None:
        batcher = self.batcher
        if batcher.collector.place(self.source, self, batcher.loop.time()):
            batcher.look()
        else:
            self.give_back()


def task_batches(nodes: Mapping[str, BatchNode], slots: Slots | None) -> Batches:
    """The batches of a run on the running event loop.

    Args:
        nodes: The batched nodes, by name.
        slots: The run's bound and limits, if it has any.
    """
    if slots is not None:
        # Their tasks wait in batches, and take no place; each batch does.
        slots.apart = frozenset(nodes)
    lanes = {name: TaskLane(node, slots) for name, node in nodes.items()}
    return Batches(lanes, lambda name: slots is not None and slots.counts(name))
