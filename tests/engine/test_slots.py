"""The asyncio shell's bound: never exceeded, served by priority, and never leaking."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_alto.engine.slots import FIRST, Priority, Slots


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
