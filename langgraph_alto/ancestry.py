"""Nested ancestry: which fan-outs a task came from, and where it stands in them.

The idea is Alto's (arXiv 2403.04311): metadata on each partial output that says
which fan-outs it came from, so that work can be streamed, run in parallel and
put together again without a global barrier. The specification is our own.

An :class:`Ancestry` is an immutable stack of frames. A packet's ancestry is its
sender's with one frame more. A task that edges start stands outside the fan-out
its starters came from, since LangGraph makes one such task for all of them, and
in what they have in common: a reduce stands where its fan-out began::

    split ──Send──▶ check ──Send──▶ rank ──▶ join
      run         split[0/3]    split[0/3] › check[1/2]      run

Each time round a loop is a frame, too, as in timely dataflow (Murray et al.,
Naiad, SOSP 2013)::

    agent ──▶ tools ──▶ agent ──▶ tools
    agent#0   agent#0   agent#1   agent#1

All operations but :meth:`Ancestry.meet` and :meth:`Ancestry.frames` take
constant time, and all share the frames below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from langgraph.config import get_config


@dataclass(frozen=True, slots=True)
class Frame:
    """One fan-out, or one loop, that a task came from.

    Args:
        scope: Name of the node that fanned out, or that begins the loop; ``"?"``
            where a run was resumed in the middle of a fan-out.
        index: Position of the packet among those the node's task sent, or how
            many times the loop has been gone round; from 0.
        count: How many packets that task sent; ``None`` while it may send more,
            and for a loop.
        loop: Whether this is a loop.
    """

    scope: str
    index: int
    count: int | None = field(default=None, compare=False)
    loop: bool = False

    def __str__(self) -> str:
        if self.loop:
            return f"{self.scope}#{self.index}"
        of = "" if self.count is None else f"/{self.count}"
        return f"{self.scope}[{self.index}{of}]"


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A stack of frames, innermost last.

    Args:
        parent: The stack below; ``None`` for that of the run itself.
        frame: The innermost frame; ``None`` for that of the run itself.
        depth: How many frames there are.
        hops: How many packets lead here since an edge last started a task.
        floor: How many of the frames are of the graphs around this one.
    """

    parent: Ancestry | None = None
    frame: Frame | None = None
    depth: int = 0
    hops: int = field(default=0, compare=False)
    floor: int = field(default=0, compare=False)

    def child(self, scope: str, index: int, count: int | None = None) -> Ancestry:
        """The ancestry of the packet at ``index`` of those that ``scope`` sent.

        Args:
            scope: Name of the node that sent it.
            index: Its position among those the node's task sent, from 0.
            count: How many those are, if that is known.
        """
        frame = Frame(scope, index, count)
        return Ancestry(self, frame, self.depth + 1, self.hops + 1, self.floor)

    def left(self) -> Ancestry:
        """What an edge leads to: for a packet's task, its sender's surroundings."""
        if not self.hops:
            return self
        here = self
        while here.parent is not None:
            fan_out = here.frame is not None and not here.frame.loop
            here = here.parent
            if fan_out:
                break
        return Ancestry(here.parent, here.frame, here.depth, 0, self.floor)

    def inside(self) -> Ancestry:
        """The ancestry of a run that a task with this one starts: of a subgraph."""
        return Ancestry(self.parent, self.frame, self.depth, 0, self.depth)

    def again(self, head: str) -> Ancestry:
        """The ancestry at the beginning of a loop: entered, or gone round once more.

        Args:
            head: Name of the node that begins the loop.
        """
        frame = self.frame
        if frame is not None and frame.loop and frame.scope == head and self.depth > self.floor:
            turn = Frame(head, frame.index + 1, loop=True)
            return Ancestry(self.parent, turn, self.depth, self.hops, self.floor)
        turn = Frame(head, 0, loop=True)
        return Ancestry(self, turn, self.depth + 1, self.hops, self.floor)

    def meet(self, other: Ancestry) -> Ancestry:
        """What two ancestries have in common: their longest common stack."""
        one: Ancestry = self
        two: Ancestry = other
        while one is not two and one != two:
            if one.depth >= two.depth and one.parent is not None:
                one = one.parent
            elif two.parent is not None:
                two = two.parent
        return one

    def frames(self) -> tuple[Frame, ...]:
        """The frames, outermost first."""
        return tuple(reversed(list(self._upwards())))

    def __lt__(self, other: Ancestry) -> bool:
        """Whether LangGraph applies this packet's writes first, within a superstep.

        LangGraph orders packets by their senders, and senders that edges started
        come before those that are packets themselves. So the packets with fewer
        hops come first; with as many, the frames of those hops decide, outermost
        first.
        """
        return self._order() < other._order()

    def __str__(self) -> str:
        return " › ".join(str(frame) for frame in self.frames()) or "run"

    def _order(self) -> tuple[Any, ...]:
        sent = [frame for frame in self.frames() if not frame.loop]
        last = sent[len(sent) - self.hops :] if self.hops else []
        return (self.hops, [(frame.scope, frame.index) for frame in last])

    def _upwards(self) -> Iterator[Frame]:
        here: Ancestry | None = self
        while here is not None and here.frame is not None:
            yield here.frame
            here = here.parent


ROOT = Ancestry()
"""The ancestry of a task that came from no fan-out."""

KEY = "__alto_ancestry"
"""Where a task's config holds its ancestry, if it is not :data:`ROOT`."""

METADATA = "alto_ancestry"
"""The key of a task's ancestry in its metadata, in readable form, if it has any."""


def ancestry(config: Any = None) -> Ancestry:
    """The ancestry of the task that calls it, in a wrapped graph.

    In a subgraph it continues that of the node the subgraph is. Where a run was
    resumed in the middle of a fan-out, the node that fanned out is not known any
    more: the frame says ``?``. In a graph that is not wrapped it is that of the
    run itself.

    Args:
        config: The node's config; needed in async nodes on Python 3.10 only,
            where LangGraph cannot tell it by itself.

    Raises:
        RuntimeError: It is not called inside a node.

    Example:
        ```python
        def check(packet):
            log.info("checking %s", ancestry())  # checking split[2/5]
        ```
    """
    if config is None:
        try:
            config = get_config()
        except RuntimeError as error:
            raise RuntimeError(
                "ancestry() is for use inside a node; in an async node on Python 3.10 "
                "give it the node's config: ancestry(config)"
            ) from error
    found: Ancestry = config.get("configurable", {}).get(KEY, ROOT)
    return found
