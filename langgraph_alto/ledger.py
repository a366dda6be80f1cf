"""The scope ledger: which fan-outs are complete, and what came of them, in order.

A *place* is where a task of nested fan-outs stands: a root, and the position at
each level below it. What a task sends out is its *scope*. The ledger is told two
things of every place, in any order::

    resolve(place, outcome)   its own task has ended: a value, a tombstone, a failure
    close(place, positions)   its scope is closed: it holds these packets, no more

A place is complete when both are known and every place of its scope is complete,
recursively. Whatever the order of arrival, each place becomes complete exactly
once, and what is told twice, or of a packet that was never sent, is refused.

    split ──▶ sentences[0] ──▶ check[0], check[1]      complete: 2 of 2
          └─▶ sentences[1] ──▶ (nothing)               complete: 0 of 0
          └─▶ sentences[2] ──▶ check[0], ?             open: 1 of 2

The idea of counting a fan-out's results by ancestry is Alto's (arXiv 2403.04311);
the need for it per parent of a *nested* fan-out is described in dagster#4364. The
specification is our own. No clock, no threads, no I/O; every operation takes
constant time, amortised over the places.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Place = tuple[Any, ...]
"""A root, which may be anything hashable, and then the position at each level."""


class Kind(Enum):
    """How a task resolved its place."""

    VALUE = "value"
    """It has a result."""
    TOMBSTONE = "tombstone"
    """It ended without one: filtered, not reached, or only passed on."""
    FAILURE = "failure"
    """It raised, and its error scope kept the error from the run."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a task left at its place.

    Args:
        kind: See :class:`Kind`.
        value: The result, or what is known of the failure.
    """

    kind: Kind
    value: T | None = None


TOMBSTONE: Outcome[Any] = Outcome(Kind.TOMBSTONE)
"""The outcome of a task that has no result."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[T]):
    """What is known of one place."""

    place: Place
    above: _Entry[T] | None
    outcome: Outcome[T] | None = None
    positions: Sequence[int] | None = None
    members: Container[int] = ()
    below: dict[int, _Entry[T]] = field(default_factory=dict)
    completed: int = 0
    """How many places of its scope are complete."""

    @property
    def complete(self) -> bool:
        return (
            self.outcome is not None
            and self.positions is not None
            and self.completed == len(self.positions)
        )


class Ledger(Generic[T]):
    """The scopes of nested fan-outs, as far as they are known.

    ``len(ledger)`` is how many places it holds.
    """

    def __init__(self) -> None:
        self._roots: dict[Any, _Entry[T]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def resolve(self, place: Place, outcome: Outcome[T]) -> list[Place]:
        """The task at a place has ended.

        Args:
            place: The place.
            outcome: What it left there.

        Returns:
            The places that are complete from now on, innermost first.

        Raises:
            ValueError: The place was resolved before, or its scope has no such
                packet.
        """
        entry = self._entry(place)
        if entry.outcome is not None:
            raise ValueError(f"the place {place} is resolved already")
        entry.outcome = outcome
        return self._settle(entry)

    def close(self, place: Place, positions: Sequence[int]) -> list[Place]:
        """The task at a place sends no more packets.

        Args:
            place: The place.
            positions: The positions of the packets it has sent, ascending; a
                ``range`` where there are no gaps.

        Returns:
            The places that are complete from now on, innermost first.

        Raises:
            ValueError: The scope was closed before, or a packet is known that
                is not among these.
        """
        entry = self._entry(place)
        if entry.positions is not None:
            raise ValueError(f"the scope of {place} is closed already")
        members = positions if isinstance(positions, range) else frozenset(positions)
        for position in entry.below:
            if position not in members:
                raise ValueError(f"the scope of {place} has no packet {position}")
        entry.positions, entry.members = positions, members
        return self._settle(entry)

    def complete(self, place: Place) -> bool:
        """Whether a place, and all there is below it, is complete."""
        entry = self._find(place)
        return entry is not None and entry.complete

    def closed(self, place: Place) -> bool:
        """Whether it is known what a place's scope holds."""
        entry = self._find(place)
        return entry is not None and entry.positions is not None

    def roots(self) -> list[Any]:
        """The roots that are known, in order of first mention."""
        return list(self._roots)

    def give_up(self, root: Any) -> None:
        """Put tombstones where something below a root is still waited for.

        What is not closed holds the packets that are known, and no more.
        """
        while waiting := list(self._waiting(root)):
            for place in waiting:
                entry = self._entry(place)
                if entry.outcome is None:
                    self.resolve(place, TOMBSTONE)
                if entry.positions is None:
                    self.close(place, sorted(entry.below))

    def walk(self, place: Place) -> Walk[T]:
        """What is known below a place, in order, up to the first thing that is not.

        The order is that of the places, a task before what it sent. Of a
        complete place this is all there is. The iterator may be kept, and asked
        again when more is known: it goes on where it stopped.

        Yields:
            Places and their outcomes, without the place's own.
        """
        return Walk(self._entry(place))

    def release(self, root: Any) -> None:
        """Forget everything below a root, and the root."""
        stack = [entry] if (entry := self._roots.pop(root, None)) is not None else []
        while stack:
            here = stack.pop()
            self._size -= 1
            stack.extend(here.below.values())

    def _waiting(self, root: Any) -> Iterator[Place]:
        """The places below a root that are known and still open, or sent and not known."""
        stack = [entry] if (entry := self._roots.get(root)) is not None else []
        while stack:
            here = stack.pop()
            if here.outcome is None or here.positions is None:
                yield here.place
            for position in here.positions or ():
                if position not in here.below:
                    yield (*here.place, position)
            stack.extend(here.below.values())

    def _find(self, place: Place) -> _Entry[T] | None:
        entry = self._roots.get(place[0])
        for position in place[1:]:
            if entry is None:
                return None
            entry = entry.below.get(position)
        return entry

    def _entry(self, place: Place) -> _Entry[T]:
        """The entry of a place; what leads to it is made where it is not known yet."""
        entry = self._roots.get(place[0])
        if entry is None:
            entry = self._roots[place[0]] = _Entry(place[:1], None)
            self._size += 1
        for depth, position in enumerate(place[1:], 2):
            below = entry.below.get(position)
            if below is None:
                if entry.positions is not None and position not in entry.members:
                    raise ValueError(f"the scope of {entry.place} has no packet {position}")
                below = entry.below[position] = _Entry(place[:depth], entry)
                self._size += 1
            entry = below
        return entry

    def _settle(self, entry: _Entry[T]) -> list[Place]:
        """The places that an event at one of them makes complete.

        Each entry goes up once in its life, so this is constant time per place.
        """
        done: list[Place] = []
        here: _Entry[T] | None = entry
        while here is not None and here.complete:
            done.append(here.place)
            here = here.above
            if here is not None:
                here.completed += 1
        return done


class Walk(Iterator[tuple[Place, Outcome[T]]]):
    """The places below one, in order; stops where something is not known yet."""

    def __init__(self, entry: _Entry[T]) -> None:
        # Each level: an entry, how many of its scope are done with, and whether
        # its own outcome has been given.
        self._stack: list[list[Any]] = [[entry, 0, True]]

    def __iter__(self) -> Walk[T]:
        return self

    def __next__(self) -> tuple[Place, Outcome[T]]:
        stack = self._stack
        while stack:
            level = stack[-1]
            entry, done, given = level
            if not given:
                if entry.outcome is None:
                    raise StopIteration
                level[2] = True
                return entry.place, entry.outcome
            if entry.positions is None:
                raise StopIteration
            if done == len(entry.positions):
                stack.pop()
                continue
            below = entry.below.get(entry.positions[done])
            if below is None:
                raise StopIteration
            level[1] = done + 1
            stack.append([below, 0, False])
        raise StopIteration

    @property
    def finished(self) -> bool:
        """Whether it has stopped at the end, and not at a gap."""
        return not self._stack
