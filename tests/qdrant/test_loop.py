"""The event loop stays free while the embedded engine computes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.documents import Document
from qdrant_client import AsyncQdrantClient, models

from langgraph_alto_qdrant import Connection
from tests.qdrant.support import documents, retriever

POINTS = 3000
SIZE = 64


class Many:
    """Sparse vectors with many words in them: work for the engine."""

    def __call__(self, text: str, /) -> models.SparseVector:
        return models.SparseVector(indices=list(range(SIZE)), values=[1.0] * SIZE)


async def longest_pause(work: Callable[[], Awaitable[Any]]) -> float:
    """How long the event loop was away at most while something was awaited, in seconds."""
    longest = 0.0
    done = False

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest = max(longest, now - last)
            last = now

    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(0.01)
    await work()
    done = True
    await watching
    return longest


async def least_pause(work: Callable[[], Awaitable[Any]]) -> float:
    """The same, the best of three: a busy machine makes pauses of its own.

    A thread that computes gives the interpreter away every 5 ms.
    """
    return min([await longest_pause(work) for _ in range(3)])


async def test_the_plain_async_client_blocks_the_loop_and_ours_does_not() -> None:
    """The same questions to the same points, by the client alone and by the retriever."""
    points = [
        models.PointStruct(id=n, vector={"sparse": Many()("")}, payload={}) for n in range(POINTS)
    ]
    request = models.QueryRequest(query=Many()(""), using="sparse", limit=4)
    plain = AsyncQdrantClient(":memory:")
    await plain.create_collection(
        "items", vectors_config={}, sparse_vectors_config={"sparse": models.SparseVectorParams()}
    )
    await plain.upsert("items", points)

    async with Connection() as connection:
        ours = retriever(connection, dense=None, sparse=Many())
        await ours.aensure_collection()

        async def both() -> None:
            await asyncio.wrap_future(connection.submit("upsert", "items", points=points))
            await asyncio.gather(*[ours.ainvoke("question") for _ in range(10)])

        blocked = await longest_pause(lambda: plain.query_batch_points("items", [request] * 10))
        free = await least_pause(both)
    await plain.close()
    assert free < blocked / 3


async def test_nothing_waits_on_the_loop_for_writes() -> None:
    async with Connection() as connection:
        ours = retriever(connection)
        await ours.aensure_collection()
        given = [
            Document(f"{one.page_content} " * 30, metadata=one.metadata) for one in documents(1500)
        ]
        start = time.perf_counter()
        await ours.aupsert(given, batch_size=500)
        seconds = time.perf_counter() - start
        assert await least_pause(lambda: ours.aupsert(given, batch_size=500)) < seconds / 3
