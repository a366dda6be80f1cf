"""Questions that are asked at the same time become one call."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.documents import Document

from langgraph_alto import Batch
from langgraph_alto_qdrant import Connection, DimensionError, RefusedError
from tests.qdrant.stand_in import Fault, StandIn
from tests.qdrant.support import Letters, counted, documents, retriever, sizes, texts, until

LONG = Batch(64, 5.0)
"""On a machine that is busy with other things too, what comes together still is together."""


class Slow(Letters):
    """Embeddings that take a while, each its own."""

    async def aembed_query(self, text: str) -> list[float]:
        await asyncio.sleep(0.002 * (len(text) % 7))
        return self.embed_query(text)


class Sudden(Letters):
    """Async embeddings that never await."""

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


@pytest.mark.parametrize("dense", [Letters(), Slow(), Sudden()], ids=lambda one: type(one).__name__)
async def test_concurrent_questions_are_one_call(
    place: Connection, collection: str, dense: Letters
) -> None:
    found = retriever(place, collection=collection, dense=dense, batching=LONG)
    await found.aensure_collection()
    await found.aupsert(documents(150))
    questions = [f"item number {n}" for n in range(150)]
    alone = [await found.ainvoke(question) for question in questions[:5]]
    with counted(place) as calls:
        together = await asyncio.gather(*[found.ainvoke(one) for one in questions])
    assert sorted(sizes(calls)) == [22, 64, 64]
    assert together[:5] == alone


async def test_each_gets_the_answer_to_its_own_question(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection, dense=None, limit=1, batching=LONG)
    await found.aensure_collection()
    await found.aupsert(documents(60))
    with counted(place) as calls:
        several = await asyncio.gather(
            *[found.ainvoke(str(n), limit=1 + n % 2) for n in range(60)],
        )
    assert [texts(one)[0].split()[2] for one in several] == [str(n) for n in range(60)]
    assert sizes(calls) == [60]


async def test_a_lone_question_does_not_wait(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection, batching=Batch(64, 30.0))
    await found.aensure_collection()
    start = time.perf_counter()
    await found.ainvoke("a")
    await asyncio.to_thread(found.invoke, "a")
    assert time.perf_counter() - start < 10


async def test_one_that_is_embedded_slowly_is_not_waited_for_longer_than_said(
    place: Connection, collection: str
) -> None:
    class Never(Letters):
        async def aembed_query(self, text: str) -> list[float]:
            if text == "never":
                await asyncio.sleep(3600)
            return self.embed_query(text)

    found = retriever(place, collection=collection, dense=Never(), batching=Batch(64, 0.05))
    await found.aensure_collection()
    never = asyncio.ensure_future(found.ainvoke("never"))
    await asyncio.sleep(0)
    await asyncio.wait_for(found.ainvoke("a"), 30)
    never.cancel()
    await asyncio.wait([never])
    # It does not count as coming any more.
    slow = retriever(place, collection=collection, dense=Never(), batching=Batch(64, 3600))
    gone = asyncio.ensure_future(slow.ainvoke("never"))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(slow.ainvoke("a"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    gone.cancel()
    await asyncio.wait_for(waiting, 30)


async def test_threads_and_event_loops_share_calls(place: Connection, collection: str) -> None:
    class Meeting(Letters):
        """All are embedding at the same time."""

        def embed_query(self, text: str) -> list[float]:
            time.sleep(0.1)
            return super().embed_query(text)

    found = retriever(place, collection=collection, batching=LONG)
    await found.aensure_collection()
    found = retriever(place, collection=collection, dense=Meeting(), batching=LONG)
    found.invoke("a")
    with counted(place) as calls, ThreadPoolExecutor(8) as threads:
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *[loop.run_in_executor(threads, found.invoke, "a") for _ in range(4)],
            *[
                loop.run_in_executor(threads, lambda: asyncio.run(found.ainvoke("a")))
                for _ in range(4)
            ],
        )
    assert sum(sizes(calls)) == 8
    assert len(sizes(calls)) <= 4


async def test_another_loop_later(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection)
    await found.aensure_collection()
    for _ in range(3):
        assert await asyncio.to_thread(asyncio.run, found.ainvoke("a")) == []


async def test_a_question_that_is_refused_fails_alone(stand_in: StandIn) -> None:
    with retriever(stand_in.url, dense=None, batching=LONG) as found:
        found.ensure_collection()
        found.upsert(documents(5))
        # All together, then the first alone.
        stand_in.faults += [Fault("query", status=400), Fault("query", status=422)]
        several = await found.afind(["number 1", "number 2", "number 3"])
        assert [type(one) for one in several] == [RefusedError, list, list]
        assert stand_in.of("query") == [3, 1, 1, 1]


async def test_a_question_that_cannot_be_embedded_fails_alone(
    place: Connection, collection: str
) -> None:
    class Picky(Letters):
        def embed_query(self, text: str) -> list[float]:
            if text == "!":
                raise ValueError("nothing to embed")
            return super().embed_query(text)[: 3 if text == "short" else 26]

    found = retriever(place, collection=collection, dense=Picky(), batching=LONG)
    await found.aensure_collection()
    for several in (
        await found.afind(["a", "!", "short"]),
        await asyncio.to_thread(found.find, ["a", "!", "short"]),
    ):
        assert [type(one) for one in several] == [list, ValueError, DimensionError]


async def test_whoever_is_cancelled_is_not_asked_for(stand_in: StandIn) -> None:
    with retriever(stand_in.url, dense=None, batching=Batch(2, 3600)) as found:
        found.ensure_collection()
        found.upsert([Document("a"), Document("b")])
        stand_in.pause = 0.5
        # Four calls may be under way; the others wait in line.
        busy = [asyncio.ensure_future(found.ainvoke("a")) for _ in range(8)]
        late = [asyncio.ensure_future(found.ainvoke("b")) for _ in range(8)]
        await until(lambda: len(stand_in.of("query")) >= 4)
        for task in late[:7]:
            task.cancel()
        await asyncio.gather(*busy)
        assert texts(await late[7]) == ["b"]
        assert stand_in.of("query") == [2, 2, 2, 2, 1]
        assert stand_in.most <= 4
