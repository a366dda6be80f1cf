"""Streams of documents into a collection, in bounded memory.

At any time there are ``max_pending`` batches on their way to Qdrant and one that is
being embedded; the stream is read no faster than that. Points have ids that come from
their documents, so whatever was written by an attempt that failed is written again in
place, and a run after a failure may begin at the start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from collections.abc import Sequence as AbstractSequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from langchain_core.documents import Document

from langgraph_alto_qdrant.encoding import Points
from langgraph_alto_qdrant.errors import QdrantError, UpsertError

Progress = Callable[[int], object]


@dataclass(slots=True)
class Writing:
    """What is on its way; pure but for the futures.

    Args:
        title: The collection, for errors.
        max_pending: How many batches may be on their way.
        pending: Those, oldest first: the future, the ids, and the number of documents.
        written: How many documents are known to be stored.
    """

    title: str
    max_pending: int
    pending: deque[tuple[Future[Any], frozenset[Any], int]] = field(default_factory=deque)
    written: int = 0

    def must_wait(self, points: Points) -> bool:
        """Whether a batch must wait: for room, or for one that writes the same points.

        Of documents with the same id the last one stays, so they keep their order.
        """
        if len(self.pending) >= self.max_pending:
            return True
        ids = {point.id for point in points}
        return any(not ids.isdisjoint(others) for _, others, _ in self.pending)

    def sent(self, future: Future[Any], points: Points, documents: int) -> None:
        """A batch is on its way."""
        self.pending.append((future, frozenset(point.id for point in points), documents))

    def settle(self) -> int:
        """Count the batches that are done.

        Returns:
            How many documents are stored.

        Raises:
            UpsertError: One failed.
        """
        done = [entry for entry in self.pending if entry[0].done()]
        failures = []
        for entry in done:
            future, _, documents = entry
            self.pending.remove(entry)
            try:
                future.result()
            except QdrantError as error:
                failures.append(error)
            else:
                self.written += documents
        if failures:
            raise self.failed(failures[0]) from failures[0]
        return self.written

    def failed(self, error: QdrantError) -> UpsertError:
        """The error that says how far it came."""
        return UpsertError(
            f"upsert into {self.title} ended with {self.written} documents known to be stored: "
            f"{error}. Others may be stored too; write the same documents again from the start, "
            "their ids are the same and nothing is doubled",
            self.written,
        )

    def abandon(self) -> None:
        """Cancel what is on its way."""
        for future, _, _ in self.pending:
            future.cancel()
        self.pending.clear()


def write(
    documents: Iterable[Document],
    encode: Callable[[list[Document]], Points],
    send: Callable[[Points], Future[Any]],
    writing: Writing,
    *,
    batch_size: int,
    progress: Progress | None,
) -> int:
    """Write a stream from a thread.

    Returns:
        How many documents were written.

    Raises:
        ValueError: A size is below 1.
        UpsertError: A batch could not be written.
    """
    if isinstance(documents, AsyncIterable):
        raise TypeError("upsert was given an async stream; give it to aupsert")

    _check(batch_size, writing)

    def settle() -> None:
        wait([future for future, _, _ in writing.pending], return_when=FIRST_COMPLETED)
        _tell(progress, writing, writing.written)

    try:
        for batch in _batches(documents, batch_size):
            points = encode(batch)
            while writing.must_wait(points):
                settle()
            writing.sent(send(points), points, len(batch))
        while writing.pending:
            settle()
    finally:
        writing.abandon()
    return writing.written


async def awrite(
    documents: Iterable[Document] | AsyncIterable[Document],
    encode: Callable[[list[Document]], Awaitable[Points]],
    send: Callable[[Points], Future[Any]],
    writing: Writing,
    *,
    batch_size: int,
    progress: Progress | None,
) -> int:
    """Write a stream from an event loop; a stream that is not async is read in a thread.

    Returns:
        How many documents were written.

    Raises:
        ValueError: A size is below 1.
        UpsertError: A batch could not be written.
    """
    _check(batch_size, writing)
    waiting: dict[Future[Any], asyncio.Future[Any]] = {}

    async def settle() -> None:
        current = [waiting[future] for future, _, _ in writing.pending]
        await asyncio.wait(current, return_when=asyncio.FIRST_COMPLETED)
        _tell(progress, writing, writing.written)
        for gone in waiting.keys() - {future for future, _, _ in writing.pending}:
            del waiting[gone]

    try:
        async with aclosing(_abatches(documents, batch_size)) as batches:
            async for batch in batches:
                points = await encode(batch)
                while writing.must_wait(points):
                    await settle()
                future = send(points)
                waiting[future] = asyncio.wrap_future(future)
                waiting[future].add_done_callback(_seen)
                writing.sent(future, points, len(batch))
        while writing.pending:
            await settle()
    finally:
        writing.abandon()
    return writing.written


def _check(batch_size: int, writing: Writing) -> None:
    if batch_size < 1 or writing.max_pending < 1:
        raise ValueError(
            f"batch_size={batch_size} and max_pending={writing.max_pending} must be 1 or more"
        )


def _tell(progress: Progress | None, writing: Writing, before: int) -> None:
    written = writing.settle()
    if progress is not None and written > before:
        progress(written)


def _seen(wrapped: asyncio.Future[Any]) -> None:
    """Its error has been taken from the future that it wraps."""
    if not wrapped.cancelled():
        wrapped.exception()


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    stream = iter(documents)
    while batch := list(islice(stream, size)):
        yield batch


async def _abatches(
    documents: Iterable[Document] | AsyncIterable[Document], size: int
) -> AsyncGenerator[list[Document], None]:
    if not isinstance(documents, AsyncIterable):
        batches = _batches(documents, size)
        if isinstance(documents, AbstractSequence):
            for batch in batches:
                yield batch
            return
        # It may read a file, or compute.
        while batch := await asyncio.to_thread(next, batches, []):
            yield batch
        return
    batch = []
    async for document in documents:
        batch.append(document)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


__all__ = ["Writing", "awrite", "write"]
