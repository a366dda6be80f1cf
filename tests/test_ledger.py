"""The scope ledger's laws, for any shape of fan-outs and any order of arrival."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto.ledger import TOMBSTONE, Kind, Ledger, Outcome, Place

Tree = tuple[str, list[Any]]
"""What a task leaves, and the tasks it sends packets to."""

kinds = st.sampled_from(["value", "tombstone", "failure"])
trees: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(kinds, st.just([])),
    lambda below: st.tuples(kinds, st.lists(below, max_size=4)),
    max_leaves=25,
)
orders = st.integers(0, 2**32)


def tasks(tree: Tree, place: Place = ("root",)) -> list[tuple[Place, str, int]]:
    """All tasks of a tree, in order: their places, what they leave, how many they send."""
    kind, below = tree
    found = [(place, kind, len(below))]
    for position, part in enumerate(below):
        found += tasks(part, (*place, position))
    return found


def outcome(place: Place, kind: str) -> Outcome[Place]:
    return TOMBSTONE if kind == "tombstone" else Outcome(Kind(kind), place)


def events(tree: Tree, seed: int) -> list[tuple[Place, str, int]]:
    """What the ledger is told of a tree, in some order."""
    told = [(place, "close", sends) for place, _, sends in tasks(tree)]
    told += [(place, kind, 0) for place, kind, _ in tasks(tree)]
    random.Random(seed).shuffle(told)
    return told


def tell(ledger: Ledger[Place], event: tuple[Place, str, int]) -> list[Place]:
    place, what, sends = event
    if what == "close":
        return ledger.close(place, range(sends))
    return ledger.resolve(place, outcome(place, what))


@given(trees, orders)
def test_every_place_is_complete_exactly_once(tree: Tree, seed: int) -> None:
    ledger: Ledger[Place] = Ledger()
    done: Counter[Place] = Counter()
    for event in events(tree, seed):
        done.update(tell(ledger, event))
    assert done == Counter(place for place, _, _ in tasks(tree))


@given(trees, orders)
def test_a_place_is_complete_when_all_below_it_is_and_not_before(tree: Tree, seed: int) -> None:
    ledger: Ledger[Place] = Ledger()
    told: Counter[Place] = Counter()
    complete: set[Place] = set()
    places = [place for place, _, _ in tasks(tree)]
    for event in events(tree, seed):
        complete.update(tell(ledger, event))
        told[event[0]] += 1
        for place in places:
            below = [other for other in places if other[: len(place)] == place]
            expected = all(told[other] == 2 for other in below)
            assert ledger.complete(place) == expected == (place in complete)
    assert ledger.complete(("root",))


@given(trees, orders)
def test_the_innermost_comes_first(tree: Tree, seed: int) -> None:
    ledger: Ledger[Place] = Ledger()
    for event in events(tree, seed):
        done = tell(ledger, event)
        assert done == sorted(done, key=len, reverse=True)


@given(trees, orders)
def test_what_is_below_comes_in_order_whatever_the_order_of_arrival(tree: Tree, seed: int) -> None:
    ledger: Ledger[Place] = Ledger()
    told = events(tree, seed)
    tell(ledger, told[0])
    walk = ledger.walk(("root",))
    found = list(walk)
    for event in told[1:]:
        tell(ledger, event)
        found += walk  # goes on where it stopped
    expected = [(place, outcome(place, kind)) for place, kind, _ in tasks(tree)[1:]]
    assert found == expected == list(ledger.walk(("root",)))
    assert walk.finished


@given(trees, orders)
def test_the_memory_of_a_root_is_returned(tree: Tree, seed: int) -> None:
    ledger: Ledger[Place] = Ledger()
    for event in events(tree, seed):
        tell(ledger, event)
        tell(ledger, (("other", *event[0][1:]), event[1], event[2]))
    size = len(tasks(tree))
    assert len(ledger) == 2 * size
    ledger.release("root")
    assert len(ledger) == size
    assert ledger.roots() == ["other"]
    ledger.release("other")
    ledger.release("other")
    assert len(ledger) == 0


@given(trees, orders, st.data())
def test_what_is_given_up_is_complete(tree: Tree, seed: int, data: st.DataObject) -> None:
    ledger: Ledger[Place] = Ledger()
    told = events(tree, seed)
    for event in told[: data.draw(st.integers(1, len(told)))]:
        tell(ledger, event)
    ledger.give_up("root")
    assert ledger.complete(("root",))
    ledger.release("root")
    assert len(ledger) == 0


def test_a_fan_out_of_nothing_is_complete_when_it_is_closed() -> None:
    ledger: Ledger[str] = Ledger()
    assert ledger.resolve(("r",), TOMBSTONE) == []
    assert ledger.close(("r",), ()) == [("r",)]


def test_children_may_be_known_before_their_count() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.resolve(("r",), TOMBSTONE)
    ledger.resolve(("r", 1), Outcome(Kind.VALUE, "b"))
    assert ledger.close(("r", 1), ()) == [("r", 1)]
    assert list(ledger.walk(("r",))) == []
    ledger.close(("r",), range(2))
    ledger.resolve(("r", 0), TOMBSTONE)
    assert ledger.close(("r", 0), ()) == [("r", 0), ("r",)]


def test_positions_may_have_gaps() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.close(("r",), [1, 4])
    with pytest.raises(ValueError, match="no packet 2"):
        ledger.resolve(("r", 2), TOMBSTONE)
    ledger.resolve(("r",), TOMBSTONE)
    for position in (4, 1):
        ledger.resolve(("r", position), Outcome(Kind.VALUE, str(position)))
        ledger.close(("r", position), ())
    assert ledger.complete(("r",))
    assert [found.value for _, found in ledger.walk(("r",))] == ["1", "4"]


def test_what_cannot_be_is_refused() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.resolve(("r", 3), TOMBSTONE)
    with pytest.raises(ValueError, match="resolved already"):
        ledger.resolve(("r", 3), TOMBSTONE)
    with pytest.raises(ValueError, match="no packet 3"):
        ledger.close(("r",), range(2))
    ledger.close(("r",), range(4))
    with pytest.raises(ValueError, match="closed already"):
        ledger.close(("r",), range(4))
    assert not ledger.complete(("q",))
    assert not ledger.complete(("r", 0))


@pytest.mark.parametrize("width", [1_000, 4_000])
def test_operations_take_constant_time(width: int) -> None:
    """Counted, not timed: an operation touches its own place and those above it only."""
    touched = 0

    class Counting(Ledger[int]):
        def _settle(self, entry: Any) -> list[Place]:
            nonlocal touched
            done = super()._settle(entry)
            touched += 1 + len(done)
            return done

    ledger = Counting()
    ledger.resolve(("r",), TOMBSTONE)
    ledger.close(("r",), range(width))
    for position in range(width):
        ledger.resolve(("r", position), TOMBSTONE)
        ledger.close(("r", position), ())
    assert ledger.complete(("r",))
    assert touched == 3 * width + 3
