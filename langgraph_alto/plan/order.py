"""In which supersteps a node may run, and beside which others.

All from the graph's known edges, before any run. The question behind it: can a
node's input be ready while another node, which LangGraph puts at an earlier
superstep, is still at work? Only where it can does a barrier cost anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langgraph.constants import START

from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.stages import Stage


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a graph's nodes; sets of nodes are masks, as in the plan's.

    Args:
        known: For each node, those it is known to lead to, joins left out.
        earliest: First superstep in which it may run, 0 being the input's;
            ``None`` if nothing is known to lead to it.
        latest: Last such superstep; ``None`` if a loop leads to it, or nothing.
        ended: Nodes that have ended whenever a task of it is made.
        beside: Nodes that may be at work when a task of it is made or at work.
        siblings: Nodes that run on packets, some of which may be at work when
            others have led to it by packets of their own.
        deferred: The nodes that run only when nothing else will.
    """

    known: tuple[int, ...]
    earliest: tuple[int | None, ...]
    latest: tuple[int | None, ...]
    ended: tuple[int, ...]
    beside: tuple[int, ...]
    siblings: tuple[int, ...]
    deferred: int

    def waits(self, later: int) -> int:
        """The nodes that may be unfinished at an earlier superstep than a task's own."""
        first, last = self.earliest, self.latest[later]
        others = self.beside[later] & ~self.ended[later] & ~self.deferred
        return self.siblings[later] | sum(
            1 << node
            for node in bits(others)
            if last is None or (at := first[node]) is None or at < last
        )

    def reaches(self, source: int, joins: Sequence[tuple[int, int]]) -> int:
        """All nodes that known edges lead to from one, in any number of supersteps."""
        found, fresh = 0, self.known[source] | _joined(joins, 1 << source)
        while fresh:
            found |= fresh
            following = _joined(joins, fresh)
            for node in bits(fresh):
                following |= self.known[node]
            fresh = following & ~found
        return found


def _joined(joins: Sequence[tuple[int, int]], sources: int) -> int:
    return _or(1 << target for of, target in joins if of & sources)


def _or(masks: object) -> int:
    found = 0
    for mask in masks:  # type: ignore[attr-defined]
        found |= mask
    return found


def known_destinations(stage: Stage) -> frozenset[str]:
    """The nodes a stage is known to lead to, if it may lead to others as well."""
    if stage.leads_to is not None:
        return stage.leads_to
    return stage.edges.union(
        stage.sends_to or (), *(route.destinations or () for route in stage.routes)
    )


def order(masks: Masks, joins: Sequence[tuple[int, int]]) -> Order:
    """Work out the order of a graph's nodes.

    Args:
        masks: The graph's plan, compiled.
        joins: ``(sources, target)`` of every waiting edge, those of deferred
            nodes included.
    """
    known = [masks.mask(known_destinations(stage)) for stage in masks.stages]
    earliest, latest = _supersteps(masks, known, joins)
    # A node that nothing is known to lead to must be led to by one of unknown ways.
    lost = sum(1 << node for node, step in enumerate(earliest) if step is None)
    vague = [place for place, stage in enumerate(masks.stages) if stage.leads_to is None]
    if lost and vague:
        for place in vague:
            known[place] |= lost
        earliest, latest = _supersteps(masks, known, joins)
    return Order(
        tuple(known),
        tuple(earliest),
        tuple(latest),
        _ended(masks, known, joins),
        _beside(masks, known, joins),
        _siblings(masks),
        masks.deferred,
    )


def _supersteps(
    masks: Masks, known: Sequence[int], joins: Sequence[tuple[int, int]]
) -> tuple[list[int | None], list[int | None]]:
    count = len(masks.stages)
    earliest: list[int | None] = [None] * count
    latest: list[int | None] = [None] * count
    seen = 0
    for step, here in enumerate(_walk(masks, known, joins, once=True)):
        for node in bits(here & ~seen):
            earliest[node] = step
        seen |= here
    for step, here in enumerate(_walk(masks, known, joins, once=False)):
        for node in bits(here):
            # Without loops there are no more supersteps than nodes.
            latest[node] = step if step <= count else None
    # A deferred node after a loop is never come to in a walk that does not leave it.
    return earliest, latest


def _walk(
    masks: Masks, known: Sequence[int], joins: Sequence[tuple[int, int]], *, once: bool
) -> Iterator[int]:
    """The nodes that may have a task in each superstep, or the first time they do."""
    here, arrived, deferred, seen = masks.mask([START]), 0, 0, 0
    for _ in range(2 * len(masks.stages) + 2):
        yield here
        arrived |= here
        seen |= here
        following = _or(known[node] for node in bits(here))
        following |= _or(1 << target for of, target in joins if of & here and not of & ~arrived)
        deferred |= following & masks.deferred
        here = following & ~masks.deferred
        if once:
            here &= ~seen
            deferred &= ~seen
        if not here:
            here, deferred = deferred, 0
        if not here:
            return


def _ended(masks: Masks, known: Sequence[int], joins: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Dominators: what every way from the start to a node goes through."""
    count = len(masks.stages)
    everything = (1 << count) - 1
    start = masks.mask([START])
    ended = [0 if start >> node & 1 else everything for node in range(count)]
    before: list[list[int]] = [[] for _ in range(count)]
    for node in range(count):
        for after in bits(known[node]):
            before[after].append(node)
    changed = True
    while changed:
        changed = False
        for node in range(count):
            if start >> node & 1:
                continue
            mask = everything
            for source in before[node]:
                mask &= ended[source] | 1 << source
            for of, target in joins:
                if target == node:
                    mask &= _or(ended[source] | 1 << source for source in bits(of))
            if mask != ended[node]:
                ended[node] = mask
                changed = True
    return tuple(ended)


def _beside(
    masks: Masks, known: Sequence[int], joins: Sequence[tuple[int, int]]
) -> tuple[int, ...]:
    """Pairs of nodes that may be at work at once if nothing but the edges is waited for."""
    count = len(masks.stages)
    beside = [0] * count
    fresh: list[tuple[int, int]] = []

    def add(left: int, right: int) -> None:
        if not beside[left] >> right & 1:
            beside[left] |= 1 << right
            beside[right] |= 1 << left
            fresh.append((left, right))

    for node in range(count):
        following = list(bits(known[node] | _joined(joins, 1 << node)))
        for place, left in enumerate(following):
            for right in following[place + 1 :]:
                add(left, right)
    while fresh:
        left, right = fresh.pop()
        for one, other in ((left, right), (right, left)):
            for after in bits(known[one]):
                add(after, other)
            for of, target in joins:
                # Its other sources have ended by then, or it is not made yet.
                if of >> one & 1 and not of >> other & 1:
                    add(target, other)
    return tuple(beside)


def _siblings(masks: Masks) -> tuple[int, ...]:
    """For each node, those that lead to it by packets alone, on packets themselves.

    Siblings end in one superstep, and what an edge starts from any of them is one
    task of the next. Only their own packets may start while others are at work.
    """
    # By a Command one may send packets as well, but mostly it is a name.
    sends = [
        masks.mask(
            name for route in stage.routes if not route.guessed for name in route.sends_to or ()
        )
        for stage in masks.stages
    ]
    siblings = [0] * len(sends)
    for node in bits(_or(sends)):
        found, fresh = 0, sends[node]
        while fresh:
            found |= fresh
            fresh = _or(sends[after] for after in bits(fresh)) & ~found
        for after in bits(found):
            siblings[after] |= 1 << node
    return tuple(siblings)
