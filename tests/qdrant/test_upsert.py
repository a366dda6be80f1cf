"""Streams of documents: ids, memory, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from langchain_core.documents import Document

from langgraph_alto_qdrant import Connection, UpsertError
from tests.qdrant.stand_in import Fault, StandIn
from tests.qdrant.support import (
    Letters,
    counted,
    documents,
    retriever,
    sizes,
    texts,
    until,
    written,
)


def stored(place: Connection, collection: str) -> int:
    found: int = place.submit("count", collection).result().count
    return found


async def test_a_second_run_changes_nothing(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection, dense=None)
    await found.aensure_collection()
    assert await found.aupsert(documents(50), batch_size=7) == 50
    before = await found.ainvoke("7", limit=50)
    assert await found.aupsert(iter(documents(50)), batch_size=16) == 50
    assert found.upsert(documents(50)) == 50
    assert stored(place, collection) == 50
    assert await found.ainvoke("7", limit=50) == before


async def test_ids(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection, limit=20)
    await found.aensure_collection()
    own = str(uuid.uuid4())
    given = [
        Document("a text", metadata={"source": "one"}),
        Document("a text", metadata={"source": "one", "page": 2}),  # the same
        Document("a text", metadata={"source": "two"}),
        Document("a text"),
        Document("with an id", id=own),
        Document("with a name", id="chapter-1"),
        Document("with the same name", id="chapter-1"),
    ]
    await found.aupsert(given, batch_size=1, max_pending=4)
    all_of_them = await found.ainvoke("text with")
    assert sorted(texts(all_of_them)) == ["a text"] * 3 + ["with an id", "with the same name"]
    pages = [one.metadata.get("page") for one in all_of_them if one.metadata.get("source") == "one"]
    assert pages == [2]  # the last one stays
    assert own in {one.id for one in all_of_them}
    # What was found can be changed and written back in place.
    changed = [
        Document(f"{one.page_content}!", metadata=one.metadata, id=one.id) for one in all_of_them
    ]
    await found.aupsert(changed)
    again = await found.ainvoke("text with")
    assert {one.id for one in again} == {one.id for one in all_of_them}
    assert all(text.endswith("!") for text in texts(again))


async def test_progress_and_async_streams(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection)
    await found.aensure_collection()

    async def stream() -> AsyncIterator[Document]:
        for document in documents(25):
            await asyncio.sleep(0)
            yield document

    told: list[int] = []
    assert await found.aupsert(stream(), batch_size=10, progress=told.append) == 25
    assert told == sorted(told)
    assert told[-1] == 25
    told.clear()
    assert found.upsert(iter(documents(25)), batch_size=10, progress=told.append) == 25
    assert told[-1] == 25
    assert await found.aupsert([]) == 0
    with pytest.raises(TypeError, match="give it to aupsert"):
        found.upsert(stream())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 or more"):
        await found.aupsert([], batch_size=0)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_memory_is_bounded(stand_in: StandIn, mode: str) -> None:
    """The stream is never read further than the batches that may be on their way, and one."""
    stand_in.pause = 0.005
    letters = Letters()
    ahead: list[int] = []
    read = 0

    def stream() -> Iterator[Document]:
        nonlocal read
        for document in documents(400):
            read += 1
            with stand_in.lock:
                ahead.append(read - sum(stand_in.of("upsert")))
            yield document

    with retriever(stand_in.url, dense=letters) as found:
        found.ensure_collection()
        await written(mode, found, stream(), batch_size=10, max_pending=3)
    assert letters.largest == 10
    assert max(stand_in.of("upsert")) == 10
    # Three on their way, of which the stand-in need not know yet, and one that is read.
    assert max(ahead) <= 40
    assert stand_in.most <= 3


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("upsert", done=0.5),
        Fault("upsert", done=0.5, status=500),
        Fault("upsert", done=1.0),
        Fault("upsert", status=503),
        Fault("upsert", status=429, headers={"Retry-After": "0"}),
    ],
    ids=["half, then cut", "half, then 500", "all, answer lost", "busy", "too many"],
)
async def test_a_batch_that_half_arrives_is_written_again(
    stand_in: StandIn, fault: Fault, mode: str
) -> None:
    stand_in.faults += [fault, fault]
    with retriever(stand_in.url) as found:
        found.ensure_collection()
        assert await written(mode, found, documents(30), batch_size=10) == 30
        assert sum(stand_in.of("upsert")) == 50  # two batches twice
        assert stand_in.engine.count("items").count == 30
        assert len(await found.ainvoke("item", limit=100)) == 30


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_stream_that_fails_says_how_far_it_came(stand_in: StandIn, mode: str) -> None:
    with retriever(stand_in.url) as found:
        found.ensure_collection()
        found.upsert(documents(10))
        stand_in.faults += [Fault("upsert", done=0.5, status=500)] * 4
        given = documents(50, "others")
        with pytest.raises(UpsertError, match=r"failed 4 times.*status 500.*the start") as told:
            await written(mode, found, given, batch_size=10, max_pending=1)
        assert told.value.written == 0
        assert stand_in.engine.count("items").count == 15
        # From the start: what was half written is neither lost nor doubled.
        assert await found.aupsert(given, batch_size=10) == 50
        assert stand_in.engine.count("items").count == 60


async def test_others_that_were_written_are_counted(stand_in: StandIn) -> None:
    with retriever(stand_in.url) as found:
        found.ensure_collection()
        told: list[int] = []

        def fail(written: int) -> None:
            told.append(written)
            stand_in.faults += [Fault("upsert", status=400)]

        with pytest.raises(UpsertError, match=r"20 documents known.*status 400") as error:
            await found.aupsert(documents(60), batch_size=20, max_pending=1, progress=fail)
        assert error.value.written == 20
        assert told == [20]


async def test_a_stream_that_raises(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection)
    await found.aensure_collection()

    def stream() -> Iterator[Document]:
        yield from documents(15)
        raise OSError("the disk is gone")

    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            await found.aupsert(stream(), batch_size=10)
    with pytest.raises(OSError, match="disk"):
        found.upsert(stream(), batch_size=10)
    assert await found.aupsert(documents(15)) == 15
    assert stored(place, collection) == 15


async def test_cancelled(stand_in: StandIn) -> None:
    stand_in.pause = 0.2
    with retriever(stand_in.url) as found:
        found.ensure_collection()
        task = asyncio.ensure_future(found.aupsert(documents(500), batch_size=10))
        await until(lambda: len(stand_in.of("upsert")) >= 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.5)
        sent = len(stand_in.of("upsert"))
        await asyncio.sleep(0.5)
        assert len(stand_in.of("upsert")) == sent < 10


async def test_batches_have_the_size_that_was_asked(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection)
    await found.aensure_collection()
    with counted(place) as calls:
        await found.aupsert(documents(25), batch_size=10)
    assert sizes(calls, "upsert") == [10, 10, 5]
