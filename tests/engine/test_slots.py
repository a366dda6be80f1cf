"""The asyncio shell's bound: never exceeded, served by priority, and never leaking."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_alto._langgraph import AsyncBackgroundExecutor
from langgraph_alto.engine.line import FIRST, Priority
from langgraph_alto.engine.slots import Slots, ungated, within


async def turns(count: int = 10) -> None:
    """Let everything run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_at_most_so_many() -> None:
    slots = Slots(2)
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        async with slots:
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work() for _ in range(7)))
    assert most == 2
    assert slots.free == 2


async def test_lowest_priority_value_first() -> None:
    """The superstep's own tasks, in order of arrival; then what runs ahead."""
    slots = Slots(1)
    await slots.acquire()
    order: list[str] = []

    async def work(name: str, priority: Priority) -> None:
        await slots.acquire(priority)
        order.append(name)
        slots.release()

    tasks = [
        asyncio.create_task(work(name, priority))
        for name, priority in [
            ("step 2", (1, -2)),
            ("step 5", (1, -5)),
            ("own", FIRST),
            ("step 5 too", (1, -5)),
            ("own too", FIRST),
        ]
    ]
    await turns()
    assert order == []
    slots.release()
    await asyncio.gather(*tasks)
    assert order == ["own", "own too", "step 5", "step 5 too", "step 2"]


async def test_room_is_kept_for_those_who_are_expected() -> None:
    """Two slots, and two own tasks on their way: what runs ahead is served after them."""
    slots = Slots(2)
    slots.expect(2)
    order: list[str] = []

    async def work(name: str, priority: Priority) -> None:
        await slots.acquire(priority)
        order.append(name)
        await turns(3)
        slots.release()

    ahead = asyncio.create_task(work("ahead", (1,)))
    await turns()
    assert order == []
    own = [asyncio.create_task(work(name, FIRST)) for name in ("own", "own too")]
    await asyncio.gather(ahead, *own)
    assert order == ["own", "own too", "ahead"]
    assert (slots.free, slots.expected) == (2, 0)


async def test_who_was_expected_may_stay_away() -> None:
    slots = Slots(1)
    slots.expect(1)
    ahead = asyncio.create_task(slots.acquire((1,)))
    await turns()
    assert not ahead.done()
    slots.expect(0)
    await ahead


async def test_nobody_overtakes() -> None:
    """A free slot with a waiter belongs to the waiter, not to who comes by."""
    slots = Slots(1)
    await slots.acquire()
    order: list[str] = []

    async def work(name: str) -> None:
        async with slots:
            order.append(name)

    waiting = asyncio.create_task(work("first"))
    await turns()
    slots.release()
    late = asyncio.create_task(work("late"))
    await asyncio.gather(waiting, late)
    assert order == ["first", "late"]


async def test_release_on_error() -> None:
    slots = Slots(1)
    with pytest.raises(ValueError, match="oh"):
        async with slots:
            raise ValueError("oh")
    assert slots.free == 1


async def test_a_waiter_that_is_cancelled_takes_no_slot() -> None:
    slots = Slots(1)
    await slots.acquire()
    gone = asyncio.create_task(slots.acquire())
    next_ = asyncio.create_task(slots.acquire())
    await turns()
    gone.cancel()
    await turns()
    slots.release()
    await asyncio.wait_for(next_, 1)
    assert gone.cancelled()
    slots.release()
    assert slots.free == 1


async def test_a_waiter_cancelled_just_when_it_is_served_passes_the_slot_on() -> None:
    slots = Slots(1)
    await slots.acquire()
    gone = asyncio.create_task(slots.acquire())
    next_ = asyncio.create_task(slots.acquire())
    await turns()
    slots.release()  # gone is served, but has not run yet
    gone.cancel()
    await asyncio.wait_for(next_, 1)
    assert gone.cancelled()
    slots.release()
    assert slots.free == 1


async def test_another_error_than_a_cancellation() -> None:
    """Whatever ends the wait, no slot is lost: here, a time limit."""
    slots = Slots(1)
    await slots.acquire()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(slots.acquire(), 0.01)
    slots.release()
    await asyncio.wait_for(slots.acquire(), 1)


EVENTS = st.lists(st.sampled_from(["start", "end", "cancel", "turn"]), max_size=40)


@settings(max_examples=150)
@given(st.integers(1, 3), EVENTS, st.lists(st.integers(0, 20), min_size=1, max_size=10))
def test_cancelled_at_any_point(limit: int, events: list[str], picks: Sequence[int]) -> None:
    """Whenever a holder or a waiter is cancelled, in the end all slots are free."""

    async def run() -> None:
        slots = Slots(limit)
        tasks: list[asyncio.Task[None]] = []
        running: set[int] = set()

        async def work(number: int, end: asyncio.Event) -> None:
            await slots.acquire((number % 3,))
            running.add(number)
            assert len(running) <= limit
            try:
                await end.wait()
            finally:
                running.discard(number)
                slots.release()

        ends: list[asyncio.Event] = []
        for turn, event in enumerate(events):
            pick = picks[turn % len(picks)]
            if event == "start":
                ends.append(asyncio.Event())
                tasks.append(asyncio.create_task(work(len(tasks), ends[-1])))
            elif event == "turn":
                await asyncio.sleep(0)
            elif tasks and event == "end":
                ends[pick % len(ends)].set()
            elif tasks:
                tasks[pick % len(tasks)].cancel()
        for end in ends:
            end.set()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
        assert slots.free == limit

    asyncio.run(run())


# -- limits of nodes -----------------------------------------------------------

LIMITS = {"a": 1, "b": 2}


async def test_who_waits_for_its_node_keeps_no_slot_and_nobody_waiting() -> None:
    slots = Slots(2, {"a": 1})
    await slots.acquire(FIRST, "a")
    second = slots.queue(FIRST, "a")
    other = slots.queue((1,))
    assert not second.done()
    assert other.done(), "a free slot, and nobody in front who may have it"
    slots.release("a")
    assert second.done()


async def test_a_limit_without_a_bound() -> None:
    slots = Slots(None, {"a": 1})
    turns_ = [slots.queue(FIRST, "a") for _ in range(2)] + [slots.queue(FIRST) for _ in range(9)]
    assert [turn.done() for turn in turns_] == [True, False] + [True] * 9
    assert slots.counts("a")
    assert not slots.counts("b")
    assert Slots(1, {"a": 1}).counts("b")


async def test_back_from_aside_it_has_its_old_place() -> None:
    slots = Slots(1, {"a": 1})
    await slots.acquire(FIRST, "a")
    old = slots.queue((1, 0), "a")
    young = slots.queue((1, 0))
    slots.release("a")
    assert old.done()
    assert not young.done()


async def test_one_who_came_back_and_left_brings_the_next() -> None:
    slots = Slots(2, {"a": 1})
    await slots.acquire(FIRST, "a")
    gone, last = slots.queue((1,), "a"), slots.queue((1,), "a")  # both stand aside
    await slots.acquire()
    other = slots.queue(FIRST)
    slots.release("a")
    assert other.done(), "before the one who came back"
    slots.leave(gone, "a")
    slots.release()
    assert last.done()


NODES = st.sampled_from(["", "a", "b", "c"])
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), NODES, st.integers(0, 3)),
        st.tuples(st.just("leave"), st.just(""), st.integers(0, 20)),
        st.tuples(st.just("end"), st.just(""), st.integers(0, 20)),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(st.sampled_from([1, 2, 3, None]), MOVES)
def test_as_one_would_by_hand(limit: int | None, moves: list[tuple[str, str, int]]) -> None:
    """After each event those have a slot who would if everyone were looked through.

    So the bound and the limits hold, the first who may be served is, nobody who may
    is left waiting, and whoever leaves leaves nothing behind.
    """

    async def play() -> None:
        slots = Slots(limit, LIMITS)
        waiting: list[tuple[int, int, str, asyncio.Future[None]]] = []
        holding: list[tuple[str, asyncio.Future[None]]] = []

        def has_room(node: str) -> bool:
            held = [one for one, _ in holding]
            return (limit is None or len(held) < limit) and (
                node not in LIMITS or held.count(node) < LIMITS[node]
            )

        for number, (kind, node, pick) in enumerate(moves):
            if kind == "arrive":
                waiting.append((pick, number, node, slots.queue((pick,), node)))
            elif kind == "leave" and waiting:
                *_, node, turn = waiting.pop(pick % len(waiting))
                slots.leave(turn, node)
            elif holding:
                node, turn = holding.pop(pick % len(holding))
                # To give a slot back before one has taken note of it, or after.
                slots.leave(turn, node) if kind == "leave" else slots.release(node)
            while able := [one for one in waiting if has_room(one[2])]:
                first = min(able, key=lambda one: one[:2])
                waiting.remove(first)
                holding.append(first[2:])
            assert all(turn.done() for _, turn in holding)
            assert not any(turn.done() for *_, turn in waiting)
            assert slots.held == len(holding)
        for _, _, node, turn in waiting:
            slots.leave(turn, node)
        for node, _ in holding:
            slots.release(node)
        assert slots.held == 0
        again = [slots.queue(FIRST, node) for node in ("a", "b", "b")[:limit]]
        assert all(turn.done() for turn in again), "no room was lost"

    asyncio.run(play())


@settings(max_examples=150)
@given(EVENTS, st.lists(st.integers(0, 20), min_size=1, max_size=10))
def test_tasks_of_nodes_cancelled_at_any_point(events: list[str], picks: Sequence[int]) -> None:
    """As tasks of the current superstep take their slots; each await may be its last."""

    async def play() -> None:
        slots = Slots(2, LIMITS)
        tasks: list[asyncio.Task[None]] = []
        ends: list[asyncio.Event] = []
        running: list[str] = []

        async def work(node: str, end: asyncio.Event) -> None:
            async def body() -> None:
                running.append(node)
                assert len(running) <= 2
                assert all(running.count(name) <= most for name, most in LIMITS.items())
                try:
                    await end.wait()
                finally:
                    running.remove(node)

            await within(slots, node, body)

        for turn, event in enumerate(events):
            pick = picks[turn % len(picks)]
            if event == "start":
                ends.append(asyncio.Event())
                tasks.append(asyncio.create_task(work("abc"[pick % 3], ends[-1])))
            elif event == "turn":
                await asyncio.sleep(0)
            elif tasks and event == "end":
                ends[pick % len(ends)].set()
            elif tasks:
                tasks[pick % len(tasks)].cancel()
        for end in ends:
            end.set()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
        assert slots.held == 0
        again = [slots.queue(FIRST, node) for node in ("a", "b")]
        assert all(turn.done() for turn in again)

    asyncio.run(play())


async def test_ungated() -> None:
    """LangGraph's executor takes no slot for a task that takes its own, and does after."""
    executor: Any = AsyncBackgroundExecutor({"max_concurrency": 1})
    slots = executor.semaphore = Slots(1, {"a": 1})
    async with executor as submit:

        async def body() -> float:
            return slots.held

        async def limited() -> Any:
            return await within(slots, "a", body)

        with ungated(submit):
            own = submit(limited)
        gated = submit(body)
        assert await asyncio.wait_for(own, 1) == 1
        assert await asyncio.wait_for(gated, 1) == 1
    with ungated(print):  # whatever else submits
        pass
    assert slots.held == 0
