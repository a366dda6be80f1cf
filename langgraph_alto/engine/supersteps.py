"""What the predictor knows of a superstep: its tasks, and what they wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from langgraph_alto.ancestry import ROOT, Ancestry
from langgraph_alto.plan.masks import Masks

Write = tuple[str, Any]


class Phase(Enum):
    """What has become of a known task."""

    WAITING = 0
    """Known, not started."""
    RUNNING = 1
    """Its body runs: ahead of its superstep, or in it."""
    ROUTING = 2
    """Its body is done; its routers wait until what they read is certain."""
    FINISHED = 3
    """Its writes are known."""
    FAILED = 4
    """It raised; the error is held until its superstep comes."""


@dataclass(slots=True, eq=False)
class Task:
    """A task LangGraph has made, or will make.

    Args:
        node: Position of its node in the plan.
        step: Its superstep.
        packet: What was sent to it; ``None`` for a task started by an edge.
        parent: The task that sent the packet.
        position: Place of the packet among the parent's packets.
        index: Place among all packets of the superstep, once LangGraph has said.
        phase: See :class:`Phase`.
        writes: What it wrote, once finished.
        spent: It was started ahead and dropped; it waits for its own superstep.
        run: The shell's handle on its run ahead.
        ancestry: The fan-outs it came from.
    """

    node: int
    step: int
    packet: Any = None
    parent: Task | None = None
    position: int = 0
    index: int | None = None
    phase: Phase = Phase.WAITING
    writes: Sequence[Write] = ()
    spent: bool = False
    run: Any = None
    ancestry: Ancestry = ROOT

    def order(self, masks: Masks) -> tuple[Any, ...]:
        """A key that sorts the tasks of one superstep as LangGraph applies them.

        Edge-started tasks first, by name; then packets, by sender and place:
        the lexicographic order of their ancestries.
        """
        if self.packet is None:
            return (0, masks.stages[self.node].name)
        if self.index is not None or self.parent is None:
            return (1, self.index)
        return (1, self.parent.order(masks), self.position)


@dataclass(slots=True)
class Group:
    """The waiting tasks of one node at one superstep, and whether they may start."""

    waiting: list[Task] = field(default_factory=list)
    open: bool = False


@dataclass(slots=True)
class Step:
    """What is known of one superstep."""

    pulls: dict[int, Task] = field(default_factory=dict)
    pushes: list[Task] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    unfinished: int = 0
    present: int = 0
    writes: dict[str, list[tuple[Task, Any]]] = field(default_factory=dict)
    pull_groups: dict[int, Group] = field(default_factory=dict)
    push_groups: dict[int, Group] = field(default_factory=dict)
    routing: list[Task] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    strays: list[Task] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    settled: bool = False

    def tasks(self) -> Iterator[Task]:
        """All known tasks of the superstep, in no particular order."""
        yield from self.pulls.values()
        yield from self.pushes
