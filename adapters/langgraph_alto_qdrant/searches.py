"""Questions that are asked at the same time become one ``query_batch_points``.

The shell, on the connection's worker, around the collector that also batches nodes:
what is *coming* are questions that are still being embedded, and a place is one of the
calls that may be under way. So a lone question goes at once, and one that comes while
others are being embedded waits for them, up to ``max_wait``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

from qdrant_client import models
from qdrant_client.http.models import QueryResponse

from langgraph_alto import Batch
from langgraph_alto.batching.collector import Collector, Formed, Item, Source
from langgraph_alto_qdrant.connection import Connection, resolve
from langgraph_alto_qdrant.errors import ClosedError, RefusedError

_CALLS = 4
"""How many calls may be under way to a server; the embedded engine answers one by one."""


class Searches:
    """The questions to one collection.

    ``expect``, ``withdraw`` and ``submit`` may be called from any thread; all else runs
    on the connection's worker, so nothing is locked.

    Args:
        connection: The connection.
        collection: The collection's name.
        batch: How many questions one call may have, and how long one may wait.
    """

    def __init__(self, connection: Connection, collection: str, batch: Batch) -> None:
        self._connection = connection
        self._collection = collection
        self._collector = Collector(batch.max_size, batch.max_wait)
        self._source = Source()
        self._free = _CALLS if connection.remote else 1
        self._tasks: dict[Formed, asyncio.Task[None]] = {}
        self._due = False
        self._timer: asyncio.TimerHandle | None = None

    # -- any thread -----------------------------------------------------------------

    def expect(self, count: int = 1) -> None:
        """So many questions are being embedded."""
        self._connection.post(self._expect, count)

    def withdraw(self, count: int = 1) -> None:
        """So many of those will not be asked."""
        with suppress(ClosedError):  # then nobody waits for them
            self._connection.post(self._expect, -count)

    def submit(self, requests: Sequence[models.QueryRequest]) -> list[Future[QueryResponse]]:
        """Ask questions that were expected.

        Returns:
            A future for each. Cancelling it takes the question back.

        Raises:
            ClosedError: The connection is closed.
        """
        futures = [self._connection.future() for _ in requests]
        self._connection.post(self._arrive, requests, futures)
        return futures

    # -- the worker -----------------------------------------------------------------

    def _expect(self, count: int) -> None:
        self._collector.expect(self._source, count)
        self._soon()

    def _arrive(
        self,
        requests: Sequence[models.QueryRequest],
        futures: Sequence[Future[QueryResponse]],
    ) -> None:
        for request, future in zip(requests, futures, strict=True):
            item = Item(self._source, (), (request, future))
            future.add_done_callback(partial(self._taken_back, item))
            self._collector.arrive(item)
        self._expect(-len(requests))

    def _taken_back(self, item: Item, future: Future[Any]) -> None:
        if future.cancelled():
            with suppress(ClosedError):
                self._connection.post(self._drop, item)

    def _drop(self, item: Item) -> None:
        batch = self._collector.drop(item)
        if batch is not None:
            task = self._tasks.get(batch)
            if task is not None:
                task.cancel()
            else:
                self._free += len(batch.places)
        self._soon()

    def _soon(self) -> None:
        """Look once at all that came in the same turn of the loop."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._due = False
        loop = asyncio.get_running_loop()
        collector = self._collector
        while True:
            if self._free and collector.first(self._source) is not None:
                self._free -= collector.place(self._source, None, loop.time())
            batches = collector.ready(loop.time())
            for batch in batches:
                task = Context().run(loop.create_task, self._ask(batch))
                self._tasks[batch] = task
                task.add_done_callback(partial(self._asked, batch))
            if not batches:
                break
        if self._timer is not None:
            self._timer.cancel()
        due = collector.due
        self._timer = None if due is None else loop.call_at(due, self._soon)

    def _asked(self, batch: Formed, task: asyncio.Task[None]) -> None:
        del self._tasks[batch]
        self._free += 1
        self._soon()

    async def _ask(self, batch: Formed) -> None:
        wanted = [item for item in batch.items if not item.gone]
        # Cancelled when nobody is left to want it, or by the connection's end, which tells them.
        try:
            answers = await self._answers([item.value[0] for item in wanted])
        except Exception as error:  # noqa: BLE001 - of those who wait for it
            answers = [error] * len(wanted)
        for item, answer in zip(wanted, answers, strict=True):
            resolve(item.value[1], answer)

    async def _answers(self, requests: list[models.QueryRequest]) -> list[Any]:
        """What comes of each request: a response or an error."""
        try:
            return await self._call(requests)
        except RefusedError:
            if len(requests) == 1:
                raise
        # One of them is to blame, and the others are not to fail for it.
        return [await self._alone(request) for request in requests]

    async def _alone(self, request: models.QueryRequest) -> Any:
        try:
            (found,) = await self._call([request])
        except RefusedError as error:
            return error
        return found

    async def _call(self, requests: list[models.QueryRequest]) -> list[QueryResponse]:
        found: list[QueryResponse] = await self._connection.call(
            "query_batch_points", self._collection, requests=requests
        )
        return found


__all__ = ["Searches"]
