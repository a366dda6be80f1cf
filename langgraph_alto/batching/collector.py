"""Which items go together, and when; pure: no clock, no threads, no I/O.

Items of one node come from several *sources*, one for each run of the graph. An
item waits in its source's line until the source has a place to call in (of
``max_concurrency``, or of the node's limit), then joins the batch that forms::

    run A  ▪▪▪ ──place──▶ ╭─────────────╮  full, or nothing more
    run B  ▪   ──place──▶ │ forming  ▪▪ │ ─────────────────────▶  one call
                          ╰─────────────╯  can come, or due

So a run that has no place keeps no other waiting, and a batch holds one place of
every run that has an item in it, however many items those are.

What may still come is known, not guessed. A source counts its items that are
*coming*: their tasks have been made and may start, but have not arrived. And it
counts what is *feeding* it: tasks that run, whose nodes may lead to this one. A
batch waits for what any source has coming, as that is certain and near; of what
is feeding, it waits for that of its own sources only, so that no request waits
for another one that may never get there. All are counters: no event looks at all
items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

Priority = tuple[Any, ...]


@dataclass(eq=False, slots=True)
class Source:
    """One run's calls of the node.

    Args:
        coming: How many of its items are certain to arrive, and have not.
        feeding: How many running tasks may lead to further items.
        line: Items that wait for a place, as a heap by priority and age.
    """

    coming: int = 0
    feeding: int = 0
    line: list[tuple[Priority, int, Item]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Item:
    """One call of the node.

    Args:
        source: The run it is of.
        priority: Its place in the line, lowest first.
        value: Whatever the shell needs to know about it.
        alone: Whether it is to have a batch of its own.
        gone: Whether nobody wants its result any more.
        batch: The batch it is in.
    """

    source: Source
    priority: Priority
    value: Any
    alone: bool = False
    gone: bool = False
    batch: Formed | None = None


@dataclass(eq=False, slots=True)
class Formed:
    """A batch that forms, or is to be called.

    Args:
        due: When it goes at the latest, in seconds of the caller's clock.
        items: Its items, in the order in which they joined.
        places: What each source gave for its place.
        live: How many of the items are still wanted.
    """

    due: float
    items: list[Item] = field(default_factory=list)
    places: dict[Source, Any] = field(default_factory=dict)
    live: int = 0


class Collector:
    """The items of one node.

    Args:
        max_size: How many items a batch may have.
        max_wait: How long the first item of a batch may wait, in seconds.
    """

    def __init__(self, max_size: int, max_wait: float) -> None:
        self.max_size = max_size
        self.max_wait = max_wait
        self.coming = 0
        self.forming: Formed | None = None
        self._closed: list[Formed] = []
        self._age = count()

    # -- what is known of the runs ----------------------------------------------

    def expect(self, source: Source, items: int = 1) -> None:
        """So many items of a source are coming; fewer, if negative."""
        source.coming += items
        self.coming += items

    def leave(self, source: Source) -> None:
        """A run has ended: nothing more comes of it."""
        self.expect(source, -source.coming)
        source.feeding = 0
        source.line.clear()

    # -- items --------------------------------------------------------------------

    def arrive(self, item: Item) -> None:
        """An item joins the batch that forms, if its source has a place in it; else the line."""
        forming = self.forming
        if not item.alone and forming is not None and item.source in forming.places:
            self._join(forming, item)
        else:
            heappush(item.source.line, (item.priority, next(self._age), item))

    def promote(self, item: Item, priority: Priority) -> None:
        """An item moves up in its line, if it still waits there."""
        if item.batch is None and not item.gone and priority < item.priority:
            item.priority = priority
            # Its old entry is passed over when it comes up: it is in a batch by then.
            heappush(item.source.line, (priority, next(self._age), item))

    def first(self, source: Source) -> Priority | None:
        """The priority of whoever is first in a source's line; ``None`` if nobody is."""
        line = source.line
        while line and (line[0][2].gone or line[0][2].batch is not None):
            heappop(line)
        return line[0][0] if line else None

    def place(self, source: Source, place: Any, now: float) -> bool:
        """A source has got a place: its line moves up.

        Args:
            source: The source.
            place: What to give back when the batch has been called.
            now: The time, in seconds.

        Returns:
            Whether anybody took it; if not, it is to be given back.
        """
        if self.first(source) is None:
            return False
        line = source.line
        item = heappop(line)[2]
        if item.alone:
            batch = Formed(now)
            batch.places[source] = place
            self._add(batch, item)
            self._closed.append(batch)
            return True
        forming = self.forming
        if forming is None:
            forming = self.forming = Formed(now + self.max_wait)
        forming.places[source] = place
        self._join(forming, item)
        aside = []
        while self.forming is forming and self.first(source) is not None:
            entry = heappop(line)
            if entry[2].alone:
                aside.append(entry)
            else:
                self._join(forming, entry[2])
        for entry in aside:
            heappush(line, entry)
        return True

    def drop(self, item: Item) -> Formed | None:
        """Nobody wants an item any more.

        Returns:
            Its batch, if nobody wants anything of that any more.
        """
        if item.gone:
            return None
        item.gone = True
        batch = item.batch
        if batch is None:
            return None
        batch.live -= 1
        if batch.live:
            return None
        if batch is self.forming:
            self.forming = None
        elif batch in self._closed:
            self._closed.remove(batch)
        return batch

    # -- batches ------------------------------------------------------------------

    def ready(self, now: float) -> list[Formed]:
        """The batches that are to be called now."""
        forming = self.forming
        if forming is not None and (now >= forming.due or not self._waits(forming)):
            self._close()
        closed, self._closed = self._closed, []
        return closed

    @property
    def due(self) -> float | None:
        """When the batch that forms goes at the latest; ``None`` if none forms."""
        return None if self.forming is None else self.forming.due

    def _waits(self, batch: Formed) -> bool:
        """Whether anything may still come that is worth a wait."""
        return self.coming > 0 or any(source.feeding for source in batch.places)

    def _join(self, batch: Formed, item: Item) -> None:
        self._add(batch, item)
        if len(batch.items) >= self.max_size:
            self._close()

    def _add(self, batch: Formed, item: Item) -> None:
        item.batch = batch
        batch.items.append(item)
        batch.live += 1

    def _close(self) -> None:
        if self.forming is not None:
            self._closed.append(self.forming)
            self.forming = None


__all__ = ["Collector", "Formed", "Item", "Priority", "Source"]
