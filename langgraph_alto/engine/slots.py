"""One concurrency bound for the asyncio shell: the superstep's own tasks first.

LangGraph gates what it submits with a semaphore of ``max_concurrency``. These
slots take its place, so that tasks run ahead share the same bound and wait
behind those of the current superstep.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from types import TracebackType
from typing import Any

Priority = tuple[Any, ...]

FIRST: Priority = (0,)
"""The priority of everything that belongs to the current superstep."""


class Slots:
    """A semaphore whose waiters are served by priority, lowest first.

    Entered as a context manager it serves at :data:`FIRST`, in order of
    arrival, as the semaphore it replaces.

    Args:
        limit: How many may hold a slot at once; at least 1.
    """

    def __init__(self, limit: int) -> None:
        self.free = limit
        self._ticket = count()
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []

    async def acquire(self, priority: Priority = FIRST) -> None:
        """Take a slot, waiting for one if none is free."""
        if self.free > 0 and not self._waiting:
            self.free -= 1
            return
        turn = self.queue(priority)
        try:
            await turn
        except asyncio.CancelledError:
            self.leave(turn)
            raise

    def queue(self, priority: Priority) -> asyncio.Future[None]:
        """Stand in line for a slot; what comes is one's turn, done when the slot is one's."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._ticket), turn))
        self._serve()
        return turn

    def leave(self, turn: asyncio.Future[None]) -> None:
        """Leave the line, or give the slot back that came in the meantime."""
        if turn.done() and not turn.cancelled():
            self.release()
        else:
            turn.cancel()

    def release(self) -> None:
        """Give a slot back."""
        self.free += 1
        self._serve()

    def _serve(self) -> None:
        while self.free > 0 and self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.free -= 1
                turn.set_result(None)

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
