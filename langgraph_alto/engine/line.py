"""A line of waiters with limits for some nodes; pure: no clock, no threads, no I/O.

Whoever has a place to give serves the head of a heap, lowest priority value
first. A node may have a limit of its own beside the common bound, and then the
head may be somebody who may not be served: its node has no room. To leave it
there would block everyone behind it, and to look past it would cost a search per
event. So it *stands aside*, with the others of its node, until one of them ends::

              next          ╭──────────╮  no room for its node   ╭──────────────╮
    served ◀──────────────  │   line   │ ─────────────────────▶  │ aside[check] │
                            ╰──────────╯ ◀─────────────────────  ╰──────────────╯
                                            one of check ended

A place that is given back brings back one waiter, the first of its node, which
keeps its priority and its age. So whoever comes back does so for one that ended
or left, and an event costs no more than the logarithm of the line's length,
whatever the limits.

Nobody is forgotten: of a node with somebody aside, at least as many stand in line
as there is room for. To stand aside takes that there is no room; to be served
takes one from both sides; to give back adds one to both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from math import inf
from typing import Any

Priority = tuple[Any, ...]

FIRST: Priority = (0,)
"""The priority of everything that belongs to the current superstep."""

Waiter = tuple[Priority, int, str, Any]
"""Its priority, its age, the node with a limit that it is of (or ``""``), and who it is."""


class Line(list[Waiter]):
    """A heap whose head, if there is one, may be served: its node has room.

    It is used as any heap, by ``heapq``; ask for its truth before each ``heappop``.
    Where no node has a limit, a list will do.

    Args:
        limits: How many of a node may be served at once, by name; at least 1.
    """

    __slots__ = ("aside", "room")

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__()
        # A node whose thread has waited and goes on takes its room without asking: below 0.
        self.room: dict[str, float] = {"": inf, **limits}
        self.aside: dict[str, list[Waiter]] = {node: [] for node in limits}

    def __bool__(self) -> bool:
        while len(self):
            node = self[0][2]
            if self.room[node] > 0:
                return True
            heappush(self.aside[node], heappop(self))
        return False

    def take(self, node: str) -> None:
        """One of this node has been served."""
        self.room[node] -= 1

    def give_back(self, node: str) -> None:
        """One of this node has ended: the first that stands aside comes back."""
        self.room[node] += 1
        if self.room[node] > 0 and (aside := self.aside[node]):
            heappush(self, heappop(aside))

    def everyone(self) -> Iterator[Waiter]:
        """Everyone who waits, in no particular order."""
        yield from self
        for aside in self.aside.values():
            yield from aside

    def clear(self) -> None:
        """Send everyone away."""
        super().clear()
        for aside in self.aside.values():
            aside.clear()
