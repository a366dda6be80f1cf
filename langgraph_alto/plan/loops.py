"""Loops of a graph: where a run goes round, and where each turn begins.

Strongly connected components, taken apart at their heads one after another
(Bourdoncle's weak topological order, 1993), so that loops nest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langgraph_alto.ancestry import Ancestry
from langgraph_alto.plan.bits import bits


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of a graph; nodes are positions in the plan.

    Args:
        heads: Name of the node at which a turn begins, by its position.
        bodies: For each loop, by the name of its head, the nodes in it (bits).
    """

    heads: Mapping[int, str] = field(default_factory=dict)
    bodies: Mapping[str, int] = field(default_factory=dict)

    def follow(self, ancestry: Ancestry, node: int) -> Ancestry:
        """The ancestry of the task that an edge of another task leads to.

        Args:
            ancestry: The other task's.
            node: Position of the node the edge leads to.
        """
        here = ancestry.left()
        if not self.heads:
            return here
        while (
            here.depth > here.floor
            and here.parent is not None
            and here.frame is not None
            and here.frame.loop
            and not self.bodies[here.frame.scope] >> node & 1
        ):
            here = here.parent
        return here if node not in self.heads else here.again(self.heads[node])


def find_loops(names: Sequence[str], successors: Sequence[int]) -> Loops:
    """Find the loops of a graph.

    Args:
        names: Name of each node.
        successors: For each node, the nodes it is known to lead to (bits).
    """
    heads: dict[int, str] = {}
    bodies: dict[str, int] = {}
    pending = [(1 << len(names)) - 1]
    while pending:
        for body in _components(successors, pending.pop()):
            head = _head(successors, body)
            heads[head] = names[head]
            bodies[names[head]] = body
            pending.append(body & ~(1 << head))
    return Loops(heads, bodies)


def _head(successors: Sequence[int], body: int) -> int:
    """The node of a loop that is entered from outside; the first, if there are several."""
    entered = 0
    for node, leads_to in enumerate(successors):
        if not body >> node & 1:
            entered |= leads_to & body
    return next(bits(entered or body))


def _components(successors: Sequence[int], among: int) -> list[int]:
    """The strongly connected components that go round, among some nodes (Tarjan, 1972)."""
    found: list[int] = []
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack = 0
    for start in bits(among):
        if start in number:
            continue
        visits = [(start, bits(successors[start] & among))]
        while visits:
            node, following = visits[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                stack.append(node)
                on_stack |= 1 << node
            for after in following:
                if after not in number:
                    visits.append((after, bits(successors[after] & among)))
                    break
                if on_stack >> after & 1:
                    low[node] = min(low[node], number[after])
            else:
                visits.pop()
                if visits:
                    before = visits[-1][0]
                    low[before] = min(low[before], low[node])
                if low[node] == number[node]:
                    body = 0
                    while not body >> node & 1:
                        body |= 1 << stack.pop()
                    on_stack &= ~body
                    if body != 1 << node or successors[node] & body:
                        found.append(body)
    return found
