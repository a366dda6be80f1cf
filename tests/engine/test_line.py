"""The line: the first who may be served, at a price per event that does not grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_alto.engine import line as module
from langgraph_alto.engine.line import Line, Priority, Waiter

LIMITS = {"a": 1, "b": 2}


@dataclass
class Plain:
    """What a line has to do, in the plainest way: look through everyone, every time."""

    limits: dict[str, int]
    waiting: list[tuple[Priority, int, str]] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def next(self) -> tuple[Priority, int, str] | None:
        able = [
            waiter
            for waiter in self.waiting
            if waiter[2] not in self.limits
            or self.running.count(waiter[2]) < self.limits[waiter[2]]
        ]
        return min(able, default=None)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from(["", "a", "b"]), st.integers(0, 3)),
        st.tuples(st.just("serve"), st.just(""), st.just(0)),
        st.tuples(st.just("end"), st.just(""), st.integers(0, 9)),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(EVENTS)
def test_it_serves_whom_a_search_would_find(events: list[tuple[str, str, int]]) -> None:
    line, plain, ticket = Line(LIMITS), Plain(LIMITS), count()
    for kind, node, number in events:
        if kind == "arrive":
            waiter = ((number,), next(ticket), node)
            plain.waiting.append(waiter)
            heappush(line, (*waiter, None))
        elif kind == "serve":
            expected = plain.next()
            assert bool(line) == (expected is not None)
            if expected is not None:
                assert heappop(line)[:3] == expected
                line.take(expected[2])
                plain.waiting.remove(expected)
                plain.running.append(expected[2])
        elif plain.running:
            ended = plain.running.pop(number % len(plain.running))
            if ended:
                line.give_back(ended)
        assert sorted(waiter[:3] for waiter in line.everyone()) == sorted(plain.waiting)
    line.clear()
    assert not list(line.everyone())
    assert not line


def test_the_price_of_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand of one node at its limit are looked at once each, not once per event."""
    moves = 0

    def counted(heap: list[Waiter], waiter: Waiter) -> None:
        nonlocal moves
        moves += 1
        heappush(heap, waiter)

    monkeypatch.setattr(module, "heappush", counted)
    line = Line({"a": 1})
    for number in range(1000):
        heappush(line, ((0,), number, "a", None))
    for number in range(1000):
        heappush(line, ((1,), 1000 + number, "", None))
    assert line
    heappop(line)
    line.take("a")
    for _ in range(500):  # of the others, while the thousand stand aside
        assert line
        assert heappop(line)[2] == ""
    assert moves == 999
    for _ in range(500):  # one comes back for each that ends
        line.give_back("a")
        assert line
        assert heappop(line)[2] == "a"
        line.take("a")
    assert moves == 999 + 500


def test_a_node_may_be_over_its_limit_for_a_while() -> None:
    """A thread that waited goes on without asking; then two must end before one comes."""
    line = Line({"a": 1})
    line.take("a")
    line.take("a")
    heappush(line, ((0,), 0, "a", None))
    assert not line
    line.give_back("a")
    assert not line
    line.give_back("a")
    assert line
