"""How long each task of a passage takes, and each call of its gathers.

Usually all tasks of a node take equally long. Where packets overtake each other
that hides what a plan gains, so they can be taken to differ: evenly spread from
half to one and a half times the node's time, in a few orders drawn at random,
the same each time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.passage import Job, Passage
from langgraph_alto.plan.plan import PerParent

DRAWS = 9
"""Orders that are drawn, of which the one in the middle counts."""

WIDE = 1_000
"""Of a passage with more tasks one order is drawn."""


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """The call of a gather for one parent.

    Args:
        gather: How it was declared.
        parent: The parent's task.
        below: The tasks whose results it is given, in order.
    """

    gather: PerParent
    parent: Job
    below: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds that everything in a passage takes.

    Args:
        tasks: Of each task; that of a gather apart from its calls.
        calls: Of each call of a gather.
        made: The calls that each gather's task makes, where it makes any.
    """

    tasks: Mapping[Job, float]
    calls: Mapping[Call, float] = field(default_factory=dict)
    made: Mapping[Job, tuple[Call, ...]] = field(default_factory=dict)

    def alone(self, job: Job) -> float:
        """How long a task takes if nothing of it has begun: its calls run at once."""
        if job in self.made:
            return max(self.calls[call] for call in self.made[job])
        return self.tasks[job]


def durations(
    passage: Passage,
    masks: Masks,
    gathers: Sequence[PerParent],
    seconds: Sequence[float],
    *,
    uneven: bool,
) -> tuple[Durations, ...]:
    """How long everything in a passage takes: one way, or several that are as likely.

    Args:
        passage: The tasks.
        masks: The graph's plan, compiled.
        gathers: The graph's gathers.
        seconds: For each node, how long one task of it takes, or one call.
        uneven: Whether packets of one node differ, and calls of one gather.
    """
    made = _calls(passage, masks, gathers)
    count = sum(map(len, passage.steps))
    draws = range((1 if count > WIDE else DRAWS) if uneven else 1)
    return tuple(_drawn(passage, seconds, made, draw if uneven else None) for draw in draws)


def _drawn(
    passage: Passage,
    seconds: Sequence[float],
    made: Mapping[Job, tuple[Call, ...]],
    draw: int | None,
) -> Durations:
    tasks: dict[Job, float] = {}
    calls: dict[Call, float] = {}
    for number, step in enumerate(passage.steps):
        packets: dict[int, list[Job]] = {}
        for job in step:
            tasks[job] = seconds[job.node]
            if job.packet is not None:
                packets.setdefault(job.node, []).append(job)
            for call, factor in zip(
                made.get(job, ()),
                _factors(len(made.get(job, ())), draw, f"{number} {job.node} calls"),
                strict=True,
            ):
                calls[call] = seconds[job.node] * factor
        for node, jobs in packets.items():
            for job, factor in zip(
                jobs, _factors(len(jobs), draw, f"{number} {node}"), strict=True
            ):
                tasks[job] = seconds[node] * factor
    return Durations(tasks, calls, made)


def _factors(count: int, draw: int | None, what: str) -> Iterable[float]:
    if draw is None:
        return [1.0] * count
    factors = [0.5 + (place + 0.5) / count for place in range(count)]
    random.Random(f"{draw} {what}").shuffle(factors)
    return factors


def _calls(
    passage: Passage, masks: Masks, gathers: Sequence[PerParent]
) -> dict[Job, tuple[Call, ...]]:
    """The calls that each gather's task makes, by parent, in the order of the packets."""
    by_node = {masks.index[gather.node]: gather for gather in gathers}
    found: dict[Job, tuple[Call, ...]] = {}
    for number, step in enumerate(passage.steps):
        for job in step:
            gather = by_node.get(job.node)
            if gather is None or number == 0:
                continue
            over, of = masks.index[gather.over], masks.mask(gather.of)
            parents: dict[Job, list[Job]] = {}
            for below in passage.steps[number - 1]:
                if of >> below.node & 1 and (parent := _parent(below, over)) is not None:
                    parents.setdefault(parent, []).append(below)
            if parents:
                found[job] = tuple(Call(gather, on, tuple(of_)) for on, of_ in parents.items())
    return found


def _parent(job: Job, over: int) -> Job | None:
    above = job.sender
    while above is not None and above.node != over:
        above = above.sender
    return above
