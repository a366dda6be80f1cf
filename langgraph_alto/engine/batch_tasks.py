"""Batches on an event loop: of all runs of one graph on it together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from langgraph_alto.batching.calls import BatchResultError, start_apart
from langgraph_alto.batching.collector import Collector, Formed, Item, Priority
from langgraph_alto.batching.nodes import BatchNode
from langgraph_alto.engine.batches import Batches, Lane, Ticket
from langgraph_alto.engine.slots import Slots


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
        self.collector = Collector(node.batch.max_size, node.batch.max_wait)
        self._looks = False
        self._timer: asyncio.TimerHandle | None = None
        self._calls: dict[Formed, asyncio.Task[None]] = {}

    async def call(self, lane: TaskLane, ticket: Ticket, input: Any, config: Any) -> Any:
        """Put an item into a batch, and wait for what comes of it.

        Raises:
            BaseException: The item's own error.
        """
        future: asyncio.Future[Any] = self.loop.create_future()
        item = Item(lane.source, ticket.priority, (lane, ticket, input, config, future))
        self._arrive(item)
        ticket.arrived()
        try:
            return await future
        except asyncio.CancelledError:
            abandoned = self.collector.drop(item)
            lane.asks()  # nobody may be left who needs the place that was asked for
            if abandoned is not None:
                await self._abandon(abandoned)
            raise

    def look(self) -> None:
        """See what is to be called, at the end of this turn of the event loop.

        By then whatever becomes ready in the same turn has arrived, of other runs too.
        """
        if not self._looks and not self.loop.is_closed():
            self._looks = True
            self.loop.call_soon(self._look)

    def placed(self, lane: TaskLane, place: Any) -> bool:
        """A run has got a place; whether anybody took it."""
        taken = self.collector.place(lane.source, place, self.loop.time())
        if taken:
            self.look()
        return taken

    def _arrive(self, item: Item) -> None:
        self.collector.arrive(item)
        item.value[0].asks()
        self.look()

    def _look(self) -> None:
        self._looks = False
        collector = self.collector
        for formed in collector.ready(self.loop.time()):
            for lane in formed.places:
                self._begin(formed) if formed not in self._calls else None
            for item in formed.items[:1]:
                item.value[0].asks()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if collector.due is not None:
            self._timer = self.loop.call_at(collector.due, self._look)

    def _begin(self, formed: Formed) -> None:
        raise NotImplementedError
