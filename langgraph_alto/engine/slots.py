"""One concurrency bound for the asyncio shell: the superstep's own tasks first.

LangGraph gates what it submits with a semaphore of ``max_concurrency``. These
slots take its place, so that tasks run ahead share the same bound and wait
behind those of the current superstep; and so that a node may have a limit of its
own, which its tasks wait for without holding a slot.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from types import TracebackType
from typing import Any

from langgraph_alto.engine.line import FIRST, Line, Priority, Waiter

__all__ = ["FIRST", "Priority", "Slots", "ungated", "within"]


class Slots:
    """A semaphore whose waiters are served by priority, lowest first.

    Entered as a context manager it serves at :data:`FIRST`, in order of
    arrival, as the semaphore it replaces.

    Args:
        limit: How many may hold a slot at once, at least 1; ``None`` for any number.
        limits: How many of a node may, by its name; at least 1.
    """

    def __init__(self, limit: int | None, limits: Mapping[str, int] | None = None) -> None:
        self.limit = math.inf if limit is None else limit
        self.limits = limits or {}
        self.held = 0
        self.expected = 0
        # Nodes whose tasks wait in batches without a slot; their batches take one each.
        self.apart: frozenset[str] = frozenset()
        self._ticket = count()
        self._line = Line(self.limits) if self.limits else None
        self._waiting: list[Waiter] = [] if self._line is None else self._line

    @property
    def free(self) -> float:
        """How many slots nobody holds."""
        return self.limit - self.held

    def counts(self, node: str) -> bool:
        """Whether a task of this node may ever have to wait for a slot."""
        return node not in self.apart and self.bounds(node)

    def bounds(self, node: str) -> bool:
        """Whether calls of this node may ever have to wait, whoever stands in line for them."""
        return self.limit != math.inf or node in self.limits

    async def acquire(self, priority: Priority = FIRST, node: str = "") -> None:
        """Take a slot, waiting for one if none is free, or none for this node."""
        if priority == FIRST and self.held < self.limit and not node and not self._waiting:
            self.held += 1
            self._arrived(priority)
            return
        turn = self.queue(priority, node)
        try:
            await turn
        except BaseException:
            self.leave(turn, node)
            raise

    def queue(self, priority: Priority, node: str = "") -> asyncio.Future[None]:
        """Stand in line for a slot; what comes is one's turn, done when the slot is one's."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        key = node if node in self.limits else ""
        heappush(self._waiting, (priority, next(self._ticket), key, turn))
        self._arrived(priority)
        self._serve()
        return turn

    def expect(self, tasks: int) -> None:
        """Keep room for so many that will come at :data:`FIRST`, and have not yet."""
        self.expected = tasks
        self._serve()

    def _arrived(self, priority: Priority) -> None:
        if self.expected and priority == FIRST:
            self.expected -= 1

    def leave(self, turn: asyncio.Future[None], node: str = "") -> None:
        """Leave the line, or give the slot back that came in the meantime."""
        if turn.done() and not turn.cancelled():
            self.release(node)
        else:
            turn.cancel()

    def release(self, node: str = "") -> None:
        """Give a slot back, taken for the same node."""
        self.held -= 1
        if self._line is not None and node in self.limits:
            self._line.give_back(node)
        self._serve()

    def _serve(self) -> None:
        while self.held < self.limit and self._waiting:
            if self.held + self.expected >= self.limit and self._waiting[0][0] > FIRST:
                return
            _, _, node, turn = heappop(self._waiting)
            if not turn.done():
                self.held += 1
                if self._line is not None:
                    self._line.take(node)
                turn.set_result(None)
            elif self._line is not None and node:
                # It may have come back to the line for one that ended; so may the next now.
                self._line.take(node)
                self._line.give_back(node)

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


async def within(slots: Slots, node: str, run: Callable[[], Awaitable[Any]]) -> Any:
    """Run a task of the current superstep in a slot taken for its node."""
    if node in slots.apart:
        return await run()
    await slots.acquire(FIRST, node)
    try:
        return await run()
    finally:
        slots.release(node)


@contextmanager
def ungated(submit: Any) -> Iterator[None]:
    """Let a task be submitted that takes its slot itself, as it knows its node.

    LangGraph's executor looks at its semaphore when it is given a task, and at no
    other time, so nothing else can be submitted meanwhile.

    Args:
        submit: The ``submit`` of LangGraph's executor, or anything else that submits.
    """
    executor = getattr(submit, "__self__", None)
    semaphore = getattr(executor, "semaphore", None)
    if executor is None or semaphore is None:
        yield
        return
    executor.semaphore = None
    try:
        yield
    finally:
        executor.semaphore = semaphore
