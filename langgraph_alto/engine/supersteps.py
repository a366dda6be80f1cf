"""What the predictor knows of a run: its supersteps, their tasks, and what those wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from langgraph_alto.ancestry import ROOT, Ancestry
from langgraph_alto.engine.kept import Kept
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
class Growth:
    """What is known of the writes of a task that has not finished.

    Args:
        writes: The writes, in order.
        children: The tasks that its packets start, in order.
        sent: How many packets it has sent.
        keys: State keys whose value is final.
        started: The nodes that it has started by an edge (bits).
        kept: What of it others are given, as it was.
    """

    writes: list[Write] = field(default_factory=list)
    children: list[Task] = field(default_factory=list)
    sent: int = 0
    keys: set[str] = field(default_factory=set)
    started: int = 0
    kept: Kept = field(default_factory=Kept)


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
        late: Nothing more of it may start before its own superstep.
        run: The shell's handle on its run ahead.
        ancestry: The fan-outs it came from.
        growth: What it has put out so far, where that is known before its end.
        sink: The shell's handle on what tells of its growth.
        early: Whether it was foreseen before the task that sends its packet had ended.
    """

    node: int
    step: int
    packet: Any = None
    parent: Task | None = None
    position: int = 0
    index: int | None = None
    phase: Phase = Phase.WAITING
    writes: Sequence[Write] = ()
    late: bool = False
    run: Any = None
    ancestry: Ancestry = ROOT
    growth: Growth | None = None
    sink: Any = None
    early: bool = False

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
    growing: dict[int, dict[Task, None]] = field(default_factory=dict)
    strays: list[Task] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    settled: bool = False

    def tasks(self) -> Iterator[Task]:
        """All known tasks of the superstep, in no particular order."""
        yield from self.pulls.values()
        yield from self.pushes

    def has(self, task: Task) -> bool:
        """Whether a task foreseen earlier is still expected here."""
        if task.packet is None:
            return self.pulls.get(task.node) is task
        return any(task is known for known in self.pushes)

    def place(self, task: Task, masks: Masks) -> int | None:
        """The place of a task's packet among all; ``None`` if not known yet."""
        if not self.settled:
            return None
        if not self.places:
            packets = [*self.pushes, *self.strays]
            known = sorted(packets, key=lambda push: push.order(masks))
            self.places = {id(push): place for place, push in enumerate(known)}
        return self.places[id(task)]

    def enter(self, task: Task) -> None:
        """Take up a task."""
        bit = 1 << task.node
        self.present |= bit
        if task.phase is not Phase.FINISHED:
            self.counts[task.node] = self.counts.get(task.node, 0) + 1
            self.unfinished |= bit
        if task.phase is Phase.ROUTING:
            self.routing.append(task)

    def grows(self, task: Task) -> bool:
        """Whether a task that has not finished has grown."""
        return task in self.growing.get(task.node, ())

    def grow(self, task: Task) -> None:
        """A task that has not finished has grown."""
        self.growing.setdefault(task.node, {})[task] = None

    def leave(self, task: Task) -> bool:
        """A task has finished; whether it was the last unfinished one of its node."""
        left = self.counts[task.node] - 1
        self.counts[task.node] = left
        if not left:
            self.unfinished &= ~(1 << task.node)
        return not left

    def group(self, task: Task) -> Group:
        """The tasks that wait for the same as this one."""
        groups = self.pull_groups if task.packet is None else self.push_groups
        group = groups.get(task.node)
        if group is None:
            group = groups[task.node] = Group()
        return group


class Known:
    """All that is known of the base superstep and of those after it.

    Args:
        masks: The graph's plan, compiled.

    Attributes:
        base: The superstep that LangGraph is at.
        steps: What is known of each superstep from there on.
        deferred: The deferred nodes that are triggered, and wait until nothing
            else is left to run.
    """

    def __init__(self, masks: Masks) -> None:
        self.masks = masks
        self.base = 0
        self.steps: dict[int, Step] = {}
        # A deferred node may have been triggered before this run began.
        self.deferred = masks.deferred

    def step(self, number: int) -> Step:
        """What is known of a superstep; from now on at least nothing."""
        step = self.steps.get(number)
        if step is None:
            step = self.steps[number] = Step()
        return step

    def has(self, task: Task) -> bool:
        """Whether a task foreseen earlier is still expected."""
        step = self.steps.get(task.step)
        return step is not None and step.has(task)
