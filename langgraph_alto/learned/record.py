"""What one run of a node or router did to the state it was given.

Paths are those of :mod:`langgraph_alto.plan.effects`. What is merely passed on
its way to something deeper is *loaded*; what is looked at as a whole is *used*;
what leaves the node (in its update, a packet, another part of the state), or
cannot be followed, is *handed* on, so that somebody may look at all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from langgraph_alto.plan.effects import Path

ELEMENT = "[]"
"""The name of any element of a list in a path."""

Ending = Literal["running", "returned", "raised", "interrupted"]


class Place(NamedTuple):
    """Where an object was found in the state.

    Args:
        path: Its path, or that of the last container whose item has a name.
        exact: Whether ``path`` is the object's own.
    """

    path: Path
    exact: bool = True

    def below(self, name: object) -> Place:
        """The place of an item: named by a text, an attribute, or not at all."""
        if not self.exact:
            return self
        # A dot would be read as two names, and a list's element has its name already.
        if type(name) is not str or not name or "." in name or name == ELEMENT:
            return Place(self.path, exact=False)
        return Place((*self.path, name))

    def element(self) -> Place:
        """The place of any element of a list."""
        return Place((*self.path, ELEMENT)) if self.exact and self.path else self


@dataclass(eq=False, slots=True)
class Record:
    """One run of one function. Several threads may add to it.

    Args:
        node: The node's name.
        route: Which of the node's routers it is; ``None`` for the node itself.
        viewed: Whether it was given views; a graph used as a node is not.
        packet: Whether it ran on the payload of a ``Send``.
        inputs: A digest of its input, to tell repeated inputs apart from new ones.
        loaded: Paths it passed.
        used: Paths it looked at as a whole; ``()`` is the state itself.
        handed: Paths of what it handed on.
        changed: Paths it changed in place, as its own operations told.
        objects: Ids of the objects those paths led to.
        unexplained: Paths that were different afterwards without such an operation.
        unseen: Keys that could not be compared before and after, and why.
        writes: Keys of its update; ``None``: not known.
        goto: Where it led.
        ended: How it ended.
        beside: Runs that were under way at the same time.
    """

    node: str
    route: int | None = None
    viewed: bool = True
    packet: bool = False
    inputs: int = 0
    loaded: set[Path] = field(default_factory=set)
    used: set[Path] = field(default_factory=set)
    handed: set[Path] = field(default_factory=set)
    changed: set[Path] = field(default_factory=set)
    objects: set[int] = field(default_factory=set)
    unexplained: set[Path] = field(default_factory=set)
    unseen: dict[str, str] = field(default_factory=dict)
    writes: set[str] | None = field(default_factory=set)
    goto: set[str] = field(default_factory=set)
    ended: Ending = "running"
    beside: list[Record] = field(default_factory=list)

    def reached(self, key: str) -> bool:
        """Whether it may have had anything below a top-level key in hand."""
        paths = self.used | self.handed | self.loaded
        return not self.viewed or any(not path or path[0] == key for path in paths)

    @property
    def reads(self) -> frozenset[Path]:
        """All it read, each path standing for everything below it; ``()``: everything."""
        if () in self.used or () in self.handed:
            return frozenset({()})
        known = self.used | self.handed | self.loaded
        inner = {path[:length] for path in known for length in range(1, len(path))}
        return minimal(self.used | self.handed | (self.loaded - inner))

    @property
    def mutates(self) -> frozenset[Path]:
        """All it changed in place, shortest paths only.

        Where it was not seen how, the whole key: this run may not show all of it.
        """
        return minimal(self.changed | {path[:1] for path in self.unexplained})


def whole_lists(paths: Iterable[Path]) -> set[Path]:
    """The elements of a list, as a whole, are no less than the list."""
    found = set()
    for path in paths:
        while path and path[-1] == ELEMENT:
            path = path[:-1]
        found.add(path)
    return found


def minimal(paths: Iterable[Path]) -> frozenset[Path]:
    """Drop the paths that others of them cover."""
    known = whole_lists(paths)
    return frozenset(p for p in known if not any(p[:n] in known for n in range(len(p))))


def covered(path: Path, by: Iterable[Path]) -> bool:
    """Whether a path is, or is below, one of some others."""
    return any(path[: len(other)] == other for other in by)
