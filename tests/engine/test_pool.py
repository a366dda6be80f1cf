"""The thread shell's bound: never exceeded, served by priority, and gone when closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_alto.engine.line import FIRST
from langgraph_alto.engine.pool import Pool

SOON = 10
"""Seconds after which a test gives up; nothing here takes any time."""


@pytest.fixture
def make() -> Iterator[Callable[..., Pool]]:
    """Makes pools; no thread of theirs may outlive the test."""
    pools: list[Pool] = []

    def one(limit: int, limits: Mapping[str, int] | None = None) -> Pool:
        pools.append(Pool(limit, name=f"pool-{id(pools)}", limits=limits))
        return pools[-1]

    yield one
    for pool in pools:
        pool.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(f"pool-{id(pools)}")]


class Gauge:
    """How many calls run at once, and at most."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def held(pool: Pool) -> tuple[threading.Event, Future[Any]]:
    """A call that runs until the event is set, and has begun."""
    begun, end = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert end.wait(SOON)

    future = pool.submit(FIRST, call)
    assert begun.wait(SOON)
    return end, future


@pytest.mark.parametrize("limit", [1, 3])
def test_at_most_so_many(make: Callable[[int], Pool], limit: int) -> None:
    pool, gauge = make(limit), Gauge()

    def call(number: int) -> int:
        with gauge:
            time.sleep(0.002)
            return number

    futures = [pool.submit((number % 2,), lambda n=number: call(n)) for number in range(20)]  # type: ignore[misc]
    assert [future.result(SOON) for future in futures] == list(range(20))
    assert gauge.most == limit
    assert not pool.busy


def test_lowest_priority_value_first(make: Callable[[int], Pool]) -> None:
    """The superstep's own tasks, in order of arrival; then what runs ahead."""
    pool = make(1)
    end, _ = held(pool)
    order: list[str] = []
    futures = [
        pool.submit(priority, lambda name=name: order.append(name))  # type: ignore[misc]
        for name, priority in [
            ("step 2", (1, -2)),
            ("step 5", (1, -5)),
            ("own", FIRST),
            ("step 5 too", (1, -5)),
            ("own too", FIRST),
        ]
    ]
    assert pool.busy
    end.set()
    wait(futures, SOON)
    assert order == ["own", "own too", "step 5", "step 5 too", "step 2"]


def test_room_is_kept_for_those_who_are_expected(make: Callable[[int], Pool]) -> None:
    """One thread, and an own call on its way: what runs ahead is served after it."""
    pool = make(1)
    pool.expect(1)
    order: list[str] = []
    ahead = pool.submit((1,), lambda: order.append("ahead"))
    time.sleep(0.02)
    assert order == []
    own = pool.submit(FIRST, lambda: order.append("own"))
    wait([ahead, own], SOON)
    assert order == ["own", "ahead"]


def test_who_was_expected_may_stay_away_or_be_run_by_the_caller(
    make: Callable[[int], Pool],
) -> None:
    pool = make(1)
    pool.expect(1)
    ahead = pool.submit((1,), lambda: "ran")
    with pool.inline():
        time.sleep(0.02)
        assert not ahead.done()
    assert ahead.result(SOON) == "ran"
    pool.expect(1)
    ahead = pool.submit((1,), lambda: "ran")
    time.sleep(0.02)
    assert not ahead.done()
    pool.expect(0)
    assert ahead.result(SOON) == "ran"


def test_an_error_is_the_futures(make: Callable[[int], Pool]) -> None:
    """Also one that is no ``Exception``; the thread goes on."""
    pool = make(1)

    def call() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.submit(FIRST, call).result(SOON)
    assert pool.submit(FIRST, lambda: 1).result(SOON) == 1
    assert pool.running == 0


def test_a_cancelled_call_does_not_run(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    end, _ = held(pool)
    ran: list[int] = []
    gone = pool.submit(FIRST, lambda: ran.append(1))
    next_ = pool.submit(FIRST, lambda: ran.append(2))
    assert gone.cancel()
    end.set()
    next_.result(SOON)
    assert ran == [2]
    assert pool.running == 0


def test_a_call_that_waits_does_not_count(make: Callable[[int], Pool]) -> None:
    """Else the pool would be full of those that wait for the one it has no room for."""
    pool, gauge = make(1), Gauge()
    opened = threading.Event()

    def waits() -> str:
        with pool.blocked():
            assert opened.wait(SOON)
        return "went on"

    def opens() -> None:
        with gauge:
            opened.set()

    first = [pool.submit(FIRST, waits) for _ in range(3)]
    pool.submit((1,), opens).result(SOON)
    assert [future.result(SOON) for future in first] == ["went on"] * 3
    assert pool.running == 0


def test_a_call_that_waited_counts_again(make: Callable[[int], Pool]) -> None:
    """It does not wait for a place of its own; whoever comes later waits for it."""
    pool = make(1)
    gate, back, end = threading.Event(), threading.Event(), threading.Event()

    def waits() -> None:
        with pool.blocked():
            assert gate.wait(SOON)
        back.set()
        assert end.wait(SOON)

    first = pool.submit(FIRST, waits)
    while pool.running or not pool._threads:  # until it waits
        time.sleep(0.001)
    gate.set()
    assert back.wait(SOON)
    later = pool.submit(FIRST, lambda: None)
    time.sleep(0.01)
    assert not later.done()
    end.set()
    first.result(SOON)
    later.result(SOON)


def test_a_call_that_the_caller_runs_counts(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    with pool.inline():
        assert pool.busy
        later = pool.submit(FIRST, lambda: 1)
        time.sleep(0.01)
        assert not later.running()
        assert not later.done()
    assert later.result(SOON) == 1


def test_threads_are_kept_for_the_next_call(make: Callable[[int], Pool]) -> None:
    pool = make(4)
    for _ in range(10):
        pool.submit(FIRST, lambda: None).result(SOON)
        while not pool._idle:
            time.sleep(0.001)
    assert len(pool._threads) == 1


def test_close_drops_what_waits_and_waits_for_what_runs(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    end, running = held(pool)
    waiting = pool.submit(FIRST, lambda: None)
    seen: list[Future[Any]] = []
    waiting.add_done_callback(seen.append)
    closer = threading.Thread(target=pool.close)
    closer.start()
    with pytest.raises(CancelledError):
        waiting.result(SOON)
    assert seen == [waiting], "whoever waits for it is told"
    assert closer.is_alive()
    end.set()
    closer.join(SOON)
    assert not closer.is_alive()
    assert running.done()
    assert not running.cancelled()
    assert not any(thread.is_alive() for thread in pool._threads)
    with pytest.raises(RuntimeError, match="the pool is closed"):
        pool.submit(FIRST, lambda: None)


def test_close_twice_and_of_an_unused_pool(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    pool.close()
    pool.close()


def test_many_at_once(make: Callable[[int], Pool]) -> None:
    """Calls that submit, wait and fail, from several threads: all end, none too many run."""
    pool, gauge = make(3), Gauge()
    gate = threading.Event()

    def call(number: int) -> int:
        with gauge:
            if number % 5 == 0:
                raise ValueError(number)
            time.sleep(0.0005)
        if number % 3 == 0:
            with pool.blocked():
                assert gate.wait(SOON)
        return number

    futures: list[Future[int]] = []
    lock = threading.Lock()

    def submits(start: int) -> None:
        for number in range(start, start + 25):
            future = pool.submit((number % 4,), lambda n=number: call(n))  # type: ignore[misc]
            with lock:
                futures.append(future)

    threads = [threading.Thread(target=submits, args=(25 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    gate.set()
    done, left = wait(futures, SOON)
    assert not left
    assert sum(future.exception() is not None for future in done) == 20
    assert gauge.most <= 3
    assert pool.running == 0


# -- limits of nodes -----------------------------------------------------------


def test_who_waits_for_its_node_keeps_no_thread_and_nobody_waiting(
    make: Callable[..., Pool],
) -> None:
    pool = make(2, {"a": 1})
    end = threading.Event()
    first = pool.submit(FIRST, lambda: end.wait(SOON), "a")
    second = pool.submit(FIRST, lambda: 2, "a")
    assert pool.submit((1,), lambda: 3).result(SOON) == 3
    assert not second.done()
    assert pool.busy
    end.set()
    assert first.result(SOON)
    assert second.result(SOON) == 2


def test_a_call_at_a_gate_keeps_no_place_of_its_node(make: Callable[..., Pool]) -> None:
    pool = make(1, {"a": 1})
    opened, entered = threading.Event(), threading.Event()

    def waits() -> str:
        with pool.blocked("a"):
            entered.set()
            assert opened.wait(SOON)
        return "went on"

    first = pool.submit(FIRST, waits, "a")
    assert entered.wait(SOON)
    pool.submit(FIRST, opened.set, "a").result(SOON)
    assert first.result(SOON) == "went on"
    with pool.inline("a"):
        later = pool.submit(FIRST, lambda: 1, "a")
        assert not later.done()
    assert later.result(SOON) == 1
    assert pool._line is not None
    assert pool._line.room["a"] == 1


def test_close_drops_who_stands_aside(make: Callable[..., Pool]) -> None:
    pool = make(2, {"a": 1})
    begun, end = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert end.wait(SOON)

    running = pool.submit(FIRST, call, "a")
    assert begun.wait(SOON)
    aside = pool.submit(FIRST, lambda: None, "a")
    pool.submit(FIRST, lambda: None).result(SOON)  # so it has been passed over
    closer = threading.Thread(target=pool.close)
    closer.start()
    with pytest.raises(CancelledError):
        aside.result(SOON)
    end.set()
    closer.join(SOON)
    assert running.done()


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 2),
        st.sampled_from(["returns", "raises", "waits", "is cancelled"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), CALLS)
def test_any_calls(limit: int, calls: list[tuple[str, int, str]]) -> None:
    """Never over the bound or a limit, and nobody is forgotten, whatever the calls do."""
    limits = {"a": 1, "b": 2}
    pool = Pool(limit, limits=limits)
    gauges = {name: Gauge() for name in ("a", "b", "c", "all")}

    def call(node: str, how: str) -> None:
        with gauges[node], gauges["all"]:
            time.sleep(0.0002)
            if how == "raises":
                raise ValueError(node)
        if how == "waits":
            with pool.blocked(node):
                time.sleep(0.0002)

    try:
        futures = [
            pool.submit((priority,), lambda n=node, h=how: call(n, h), node)  # type: ignore[misc]
            for node, priority, how in calls
        ]
        for future, (_, _, how) in zip(futures, calls, strict=True):
            if how == "is cancelled":
                future.cancel()
        assert not wait(futures, SOON).not_done
    finally:
        while pool.busy:  # with calls that were cancelled
            time.sleep(0.0001)
        pool.close()
    assert pool.running == 0
    assert pool._line is not None
    assert {node: pool._line.room[node] for node in limits} == limits
    assert gauges["all"].most <= limit
    assert all(gauges[node].most <= most for node, most in limits.items())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3)), max_size=20))
def test_the_first_of_those_who_may(calls: list[tuple[str, int]]) -> None:
    """One place is left beside a call of ``a``, at its limit: the others go by priority."""
    pool = Pool(2, limits={"a": 1})
    order: list[int] = []
    try:
        gates = [threading.Event(), threading.Event()]
        held = [
            pool.submit(FIRST, lambda gate=gate: gate.wait(SOON), node)  # type: ignore[misc]
            for gate, node in zip(gates, ("a", ""), strict=True)
        ]
        while pool.running < 2:
            time.sleep(0.0001)
        futures = [
            pool.submit((1, priority), lambda n=number: order.append(n), node)  # type: ignore[misc]
            for number, (node, priority) in enumerate(calls)
        ]
        ranked = sorted(range(len(calls)), key=lambda number: (calls[number][1], number))
        gates[1].set()
        free = [number for number in ranked if calls[number][0] == "b"]
        wait([futures[number] for number in free], SOON)
        assert order == free
        gates[0].set()
        wait(futures + held, SOON)
        assert order == free + [number for number in ranked if calls[number][0] == "a"]
    finally:
        pool.close()
