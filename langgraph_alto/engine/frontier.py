"""The frontier: which nodes unfinished work may still start, superstep by superstep.

Timely dataflow's *could-result-in* (Murray et al., Naiad, SOSP 2013), over a
LangGraph graph: a task that has not finished may start, one superstep later,
whatever its node leads to; that may start what it leads to, and so on. Until
the frontier has passed a superstep, more tasks may come up in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from langgraph_alto.engine.supersteps import Known
from langgraph_alto.engine.virtual import VirtualChannels
from langgraph_alto.plan.bits import bits


class Frontier:
    """What may still come up in the supersteps from the base on.

    Args:
        known: What is known of the supersteps.
        virtual: The run's channels, for what waiting edges have seen.
    """

    def __init__(self, known: Known, virtual: VirtualChannels) -> None:
        self.known = known
        self.virtual = virtual
        self._successors: dict[int, int] = {}

    def pending(self, until: int) -> int:
        """The nodes unfinished or possible at any superstep before ``until``."""
        found = 0
        for _, pending, _ in self.walk(until - 1):
            found |= pending
        return found

    def walk(self, last: int) -> Iterator[tuple[int, int, int]]:
        """Go through the supersteps from the base to ``last``.

        Yields:
            ``(superstep, pending, possible)``: the nodes that unfinished work of
            the superstep before may still start in this one are *possible*;
            those, and the nodes of known tasks that have not finished, are
            *pending*.
        """
        known, masks = self.known, self.known.masks
        # Of a waiting edge, sources that are pending at a superstep seen so far.
        possible = arriving = 0
        deferred = known.deferred
        for number in range(known.base, last + 1):
            step = known.steps.get(number)
            # A deferred node runs once nothing else does: where no task that an
            # edge starts is known, that may be here.
            if number > known.base and deferred and not (step is not None and step.pulls):
                possible |= deferred
            pending = (step.unfinished if step is not None else 0) | possible
            yield number, pending, possible
            possible = self.reach(pending)
            if late := possible & masks.deferred:
                deferred |= late
                # A packet starts a deferred node as it does any other.
                for node in bits(pending):
                    late &= ~masks.sends[node]
                possible &= ~late
            if masks.joins:
                arriving |= pending
                for join in masks.joins:
                    # It fires next if one source is still to write now, and every
                    # other one has written or is to write by now.
                    if join.sources & pending and not (
                        join.sources & ~(arriving | self._arrived(join.channel, number))
                    ):
                        possible |= 1 << join.target

    def reach(self, nodes: int) -> int:
        """The nodes that unfinished work of these nodes may start next."""
        found = self._successors.get(nodes)
        if found is None:
            found = 0
            for node in bits(nodes):
                found |= self.known.masks.successors[node]
            self._successors[nodes] = found
        return found

    def _arrived(self, channel: str, until: int) -> int:
        """Sources of a waiting edge known to have written by the end of ``until``."""
        real = self.virtual.channels.get(channel)
        found = self.known.masks.mask(getattr(real, "seen", ()))
        for number in range(self.known.base, until + 1):
            if (step := self.known.steps.get(number)) is not None:
                for task, _ in step.writes.get(channel, ()):
                    found |= 1 << task.node
        return found
