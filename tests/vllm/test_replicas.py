"""Where a request goes: where its beginning was, while there is room, and it is up."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto_vllm import ChatVLLM, _transport
from langgraph_alto_vllm._replicas import LOAD, MOST_REST_S, REST_S, ROOM, Replicas
from tests.vllm.stand_in import Reply, StandIn, answer, streamed

URLS = [f"http://127.0.0.1:{port}/v1" for port in (1, 2, 3, 4)]


def one(replicas: Replicas, beginning: str, now: float = 0.0) -> str:
    """Where a request goes that ends at once."""
    url = replicas.take(beginning.encode(), now)
    replicas.give_back(url)
    return url


def test_what_begins_alike_goes_to_the_same() -> None:
    replicas = Replicas(URLS)
    assert len({one(replicas, "document 1") for _ in range(20)}) == 1
    spread = Counter(one(replicas, f"document {n}") for n in range(400))
    assert all(70 <= spread[url] <= 130 for url in URLS)


def test_without_one_replica_only_its_documents_move() -> None:
    texts = [f"document {n}" for n in range(200)]
    before, after = Replicas(URLS), Replicas(URLS[:-1])
    moved = [t for t in texts if one(before, t) != one(after, t)]
    assert {one(before, text) for text in moved} == {URLS[-1]}


@given(st.lists(st.integers(0, 3), max_size=60))
def test_no_replica_holds_much_more_than_its_share(documents: list[int]) -> None:
    replicas = Replicas(URLS)
    for document in documents:
        url = replicas.take(str(document).encode(), 0.0)
        held = replicas.held
        assert held[url] <= max(ROOM, LOAD * sum(held.values()) / len(URLS) + 1)


def test_what_is_given_back_is_free() -> None:
    replicas = Replicas(URLS)
    for url in [replicas.take(b"a", 0.0) for _ in range(40)]:
        replicas.give_back(url)
    assert set(replicas.held.values()) == {0}


def test_a_replica_that_failed_rests_for_longer_each_time() -> None:
    replicas = Replicas(URLS)
    home = one(replicas, "a")
    now = 0.0
    for rest in (REST_S, 2 * REST_S, 4 * REST_S):
        replicas.failed(home, now)
        replicas.failed(home, now)  # a second request of the same outage
        assert one(replicas, "a", now + rest - 0.1) != home
        now += rest
        assert one(replicas, "a", now) == home
    for _ in range(20):
        replicas.failed(home, now)
        now += MOST_REST_S
        assert one(replicas, "a", now) == home
    replicas.worked(home)
    replicas.failed(home, now)
    assert one(replicas, "a", now + REST_S) == home


def test_when_all_failed_one_is_tried_all_the_same() -> None:
    replicas = Replicas(URLS)
    for url in URLS:
        replicas.failed(url, 0.0)
    assert one(replicas, "a") in URLS


def test_a_server_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="No address"):
        Replicas([])


async def test_requests_fail_over_at_once() -> None:
    """One of two replicas is down, the other turns nobody away."""
    with StandIn() as gone:
        pass
    with StandIn() as server:
        model = ChatVLLM(base_url=(gone.url, server.url), model="m")
        answers = await asyncio.gather(*[model.ainvoke(f"question {n}") for n in range(20)])
        assert {a.text for a in answers} == {"one two"}
        assert len(server.requests) == 20


async def test_a_replica_that_sends_requests_away_is_left_alone() -> None:
    busy_for = Reply(status=503, headers={"Retry-After": "30"})
    with StandIn(lambda _: busy_for) as busy, StandIn(answer) as server:
        model = ChatVLLM(base_url=[busy.url, server.url], model="m")
        for number in range(20):
            assert (await model.ainvoke(f"question {number}")).text == "one two"
        assert len(busy.requests) == 1
        assert len(server.requests) == 20


async def test_streams_spill_over_when_a_replica_is_full() -> None:
    parts = streamed(*"abc", pause=0.1)
    with StandIn(lambda _: Reply(parts)) as one, StandIn(lambda _: Reply(parts)) as two:
        model = ChatVLLM(base_url=[one.url, two.url], model="m")

        async def ask() -> str:
            return "".join([chunk.text async for chunk in model.astream("the same")])

        assert set(await asyncio.gather(*[ask() for _ in range(16)])) == {"abc"}
        served = sorted([len(one.requests), len(two.requests)])
        assert served[0] >= 6, served


async def test_a_replica_killed_before_a_token_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_transport, "FIRST_WAIT_S", 0.02)
    with StandIn(lambda _: Reply(breaks=True)) as dying, StandIn() as server:
        model = ChatVLLM(base_url=[dying.url, server.url], model="m")
        for number in range(10):
            text = "".join([c.text async for c in model.astream(f"question {number}")])
            assert text == "one two three"
