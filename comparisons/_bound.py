"""The soonest a run can end, from what was drawn and nothing else.

This knows neither engine: it takes the tasks of a run with their durations, what
each is caused by, reads and writes, and works out two figures on paper.

`bound` is the dependency bound. LangGraph defines what a task sees: the state
after every earlier superstep. So a task depends on those that cause it, and on
every task of an earlier superstep that writes a key it reads; on nothing else.

`supersteps` is the floor of a schedule with a barrier after each superstep: the
longest task of each, added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """One execution of a node.

    Args:
        name: Unique within the run.
        seconds: How long it takes; ignored if there is `inside`.
        after: Names of the works that cause it, together.
        reads: Keys of the shared state it reads. A `Send` task reads its payload
            and none of these.
        writes: Keys it writes.
        inside: The works of the subgraph it runs.
    """

    name: str
    seconds: float = 0.0
    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    inside: tuple[Work, ...] = ()


def bound(works: Sequence[Work]) -> float:
    """The dependency bound of a run, in seconds.

    Args:
        works: Its tasks, each after those that cause it.

    Raises:
        KeyError: If a work comes before one that causes it.
    """
    step = steps(works)
    ends: dict[str, float] = {}
    for work in sorted(works, key=lambda work: step[work.name]):
        waits = [ends[cause] for cause in work.after]
        waits += [
            ends[other.name]
            for other in works
            if step[other.name] < step[work.name] and set(other.writes) & set(work.reads)
        ]
        took = bound(work.inside) if work.inside else work.seconds
        ends[work.name] = max(waits, default=0.0) + took
    return max(ends.values(), default=0.0)


def supersteps(works: Sequence[Work]) -> float:
    """The floor of a run with a barrier after each superstep, in seconds.

    Args:
        works: Its tasks, each after those that cause it.

    Raises:
        KeyError: If a work comes before one that causes it.
    """
    longest: dict[int, float] = {}
    for name, step in steps(works).items():
        work = next(work for work in works if work.name == name)
        took = supersteps(work.inside) if work.inside else work.seconds
        longest[step] = max(longest.get(step, 0.0), took)
    return sum(longest.values())


def steps(works: Sequence[Work]) -> dict[str, int]:
    """The superstep of each work: one more than the last of its causes.

    Args:
        works: The tasks of a run, each after those that cause it.

    Raises:
        KeyError: If a work comes before one that causes it.
    """
    found: dict[str, int] = {}
    for work in works:
        found[work.name] = 1 + max((found[cause] for cause in work.after), default=0)
    return found
