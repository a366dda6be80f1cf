"""What the tests of the adapter share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from langgraph_alto_qdrant import Connection, HashedBM25, QdrantRetriever

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Letters(Embeddings):
    """How often each letter occurs: vectors that one can reckon by hand.

    Args:
        letters: Those that count, one dimension each.
    """

    def __init__(self, letters: str = LETTERS) -> None:
        self.letters = letters
        self.largest = 0

    def embed_query(self, text: str) -> list[float]:
        # A little of each, since no vector may be zero.
        return [text.count(letter) + 0.01 for letter in self.letters]

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        self.largest = max(self.largest, len(texts))
        return [self.embed_query(text) for text in texts]


def documents(count: int, source: str = "numbers") -> list[Document]:
    return [
        Document(f"item number {place} {LETTERS[place % 26]}", metadata={"source": source})
        for place in range(count)
    ]


def texts(found: Sequence[Document]) -> list[str]:
    return [document.page_content for document in found]


def retriever(location: Any = ":memory:", **options: Any) -> QdrantRetriever:
    given = {"collection": "items", "dense": Letters(), "sparse": HashedBM25(), **options}
    return QdrantRetriever(location=location, **given)


@contextmanager
def counted(connection: Connection) -> Iterator[list[tuple[str, int]]]:
    """The client's calls: the method, and how many points or questions were in each."""
    calls: list[tuple[str, int]] = []
    plain = connection.call

    async def call(method: str, collection: str, **arguments: Any) -> Any:
        given = arguments.get("requests", arguments.get("points", ()))
        calls.append((method, len(given)))
        return await plain(method, collection, **arguments)

    connection.call = call  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        del connection.call


def sizes(calls: Sequence[tuple[str, int]], method: str = "query_batch_points") -> list[int]:
    return [size for called, size in calls if called == method]


async def written(
    mode: str, found: QdrantRetriever, given: Iterable[Document], **options: Any
) -> int:
    """Written in a thread or on the event loop."""
    if mode == "sync":
        return await asyncio.to_thread(found.upsert, given, **options)
    return await found.aupsert(given, **options)


async def until(condition: Callable[[], bool]) -> None:
    """Until something is so that tells nobody."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
