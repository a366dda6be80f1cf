"""Nested ancestry: which fan-outs a task came from, and where it stands in them.

The idea is Alto's (arXiv 2403.04311): metadata on each partial output that says
which fan-outs it came from, so that work can be streamed, run in parallel and
put together again without a global barrier. The specification is our own.

An :class:`Ancestry` is an immutable stack of frames ``(scope, index)``: the node
that fanned out and the position among what it sent. A packet's ancestry is its
sender's with one frame more; a task that edges start has what the tasks that
start it have in common, so a reduce stands where its fan-out began::

    split ──Send──▶ check ──Send──▶ rank ──▶ join
      ()          split[0]      split[0] › check[1]      ()

Both operations take constant time per frame, and share all frames below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One fan-out a task came from.

    Args:
        scope: Name of the node that fanned out.
        index: Position of the task's packet among those that node's task sent.
    """

    scope: str
    index: int

    def __str__(self) -> str:
        return f"{self.scope}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A stack of frames, innermost last.

    Args:
        parent: The stack below; ``None`` for that of the run itself.
        frame: The innermost frame; ``None`` for that of the run itself.
        depth: How many frames there are.
    """

    parent: Ancestry | None = None
    frame: Frame | None = None
    depth: int = 0

    def child(self, scope: str, index: int) -> Ancestry:
        """The ancestry of the packet at ``index`` of those that ``scope`` sent."""
        return Ancestry(self, Frame(scope, index), self.depth + 1)

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
        """Whether this one comes first, frame by frame from the outermost."""
        mine, theirs = self.frames(), other.frames()
        return [(f.scope, f.index) for f in mine] < [(f.scope, f.index) for f in theirs]

    def __str__(self) -> str:
        return " › ".join(str(frame) for frame in self.frames()) or "run"

    def _upwards(self) -> Iterator[Frame]:
        here: Ancestry | None = self
        while here is not None and here.frame is not None:
            yield here.frame
            here = here.parent


ROOT = Ancestry()
"""The ancestry of a task that came from no fan-out."""
