"""Results that a call of a gather is given while they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.run import Run
from langgraph_alto.engine.tasks import TaskAhead
from langgraph_alto.engine.threads import ThreadAhead
from langgraph_alto.gathering.results import Feed

if TYPE_CHECKING:
    from langgraph_alto.engine.early import EarlyCalls


class LiveFeed(Feed):
    """Results that are still coming; whoever wants the next one waits without a slot.

    Args:
        early: The calls of the gather.
    """

    def __init__(self, early: EarlyCalls) -> None:
        super().__init__([])
        self.early = early
        self.run: Run | None = None
        self.ended = False
        self.abandoned = False
        self._news = threading.Condition()
        self._waiter: asyncio.Future[None] | None = None

    def add(self, results: Iterable[Any], *, ended: bool) -> None:
        """More results, and whether these are the last."""
        with self._news:
            self.results.extend(results)
            self.ended = self.ended or ended
            self._tell()

    def abandon(self) -> None:
        """Nothing more will come: make whoever waits give up."""
        with self._news:
            self.abandoned = True
            self._tell()

    def _tell(self) -> None:
        self._news.notify_all()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _known(self, place: int) -> bool:
        return self.abandoned or self.ended or place < len(self.results)

    def has(self, place: int) -> bool:
        ahead, run = self.early.ahead, self.run
        if not self._known(place) and isinstance(ahead, ThreadAhead) and run is not None:
            with ahead.pool.blocked(run.made.name), self._news:
                self._news.wait_for(lambda: self._known(place))
        if not self._known(place):
            # On an event loop nobody can wait here, and what is there is not all.
            raise Misprediction(self.early.name, "went through its results without await")
        return self._has(place)

    async def ahas(self, place: int) -> bool:
        ahead, run = self.early.ahead, self.run
        while not self._known(place) and isinstance(ahead, TaskAhead) and run is not None:
            if self._waiter is not None:
                raise Misprediction(self.early.name, "went through its results twice at a time")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await ahead.stand_aside(run, self._waiter)
            finally:
                self._waiter = None
        return self._has(place)

    def _has(self, place: int) -> bool:
        if place < len(self.results):
            return True
        if self.abandoned and not self.ended:
            raise Misprediction(self.early.name, "was given up")
        return False
