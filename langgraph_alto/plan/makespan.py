"""How long a passage takes: in supersteps, and as the engine runs it.

The engine's side is played by its own :class:`~langgraph_alto.engine.predictor.Predictor`
in virtual time, so that what is predicted cannot differ from what is done. Only
the nodes' times count; what the engines themselves cost does not.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.channels import NamedBarrierValue
from langgraph.constants import START

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.engine.supersteps import Phase, Task
from langgraph_alto.plan.durations import Call, Durations
from langgraph_alto.plan.gathers import may_be_early
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.passage import Job, Passage
from langgraph_alto.plan.plan import Given


@dataclass(frozen=True, slots=True)
class Makespan:
    """How long one passage takes, and which nodes make it so.

    Args:
        seconds: From the input to the end of the last task.
        path: The nodes of the critical path, in order: each began when the one
            before it ended.
    """

    seconds: float
    path: tuple[str, ...]


def in_supersteps(passage: Passage, masks: Masks, lasts: Durations) -> Makespan:
    """LangGraph's schedule: every superstep takes as long as its slowest task.

    Args:
        passage: The tasks.
        masks: The graph's plan, compiled.
        lasts: How long everything in it takes.
    """
    slowest = [max(step, key=lasts.alone) for step in passage.steps if step]
    return Makespan(
        sum(map(lasts.alone, slowest)),
        tuple(name for job in slowest if (name := masks.stages[job.node].name) != START),
    )


def run_ahead(passage: Passage, given: Given, masks: Masks, lasts: Durations) -> Makespan:
    """The engine's schedule, without a bound on how many tasks run at once.

    Args:
        passage: The tasks.
        given: The graph.
        masks: Its plan, compiled.
        lasts: How long everything in it takes.
    """
    return _Play(passage, given, masks, lasts).run()


@dataclass(eq=False, slots=True)
class _Begun:
    """What is known of one call of a gather.

    Args:
        call: The call.
        ended: Those of its tasks that have ended.
        known: How many of the first ones have.
        begin: When it began, if it has.
        whole: When the last of its tasks ended.
        cause: The task whose end it waited for.
    """

    call: Call
    ended: set[Job] = field(default_factory=set)
    known: int = 0
    begin: float | None = None
    whole: float = 0.0
    cause: Task | None = None

    def heard(self, job: Job, task: Task, now: float) -> None:
        """One of its tasks has ended."""
        below, gather = self.call.below, self.call.gather
        self.ended.add(job)
        while self.known < len(below) and below[self.known] in self.ended:
            self.known += 1
        self.whole = now
        wanted = 1 if gather.as_completed else gather.first or len(below)
        if self.begin is None and self.known >= min(wanted, len(below)):
            self.begin, self.cause = now, task

    def end(self, now: float, seconds: float) -> float:
        """When it ends, if it begins now unless it has begun."""
        end = (now if self.begin is None else self.begin) + seconds
        return max(end, self.whole) if self.call.gather.as_completed else end


class _Play:
    def __init__(self, passage: Passage, given: Given, masks: Masks, lasts: Durations) -> None:
        self.passage, self.masks, self.lasts = passage, masks, lasts
        self.channels: dict[str, Any] = {
            channel: NamedBarrierValue(str, set(of)) for channel, _, of in given.joins
        }
        allowed = masks.ahead & ~masks.mutators if given.watched else masks.ahead
        self.predictor = Predictor(
            masks,
            self.channels,
            packets=TASKS,
            stops_before=given.stops_before,
            stops_after=given.stops_after,
            allowed=allowed,
            exact=masks.exact(seen=given.watched),
        )
        self.pulls: list[dict[int, Job]] = [
            {job.node: job for job in step if job.packet is None} for step in passage.steps
        ]
        self.packets = {id(job.packet): job for step in passage.steps for job in step}
        self.running: list[tuple[float, int, int, Task]] = []
        self.causes: dict[Task, Task | None] = {}
        self.calls: dict[Job, list[_Begun]] = {}
        self.wanted: dict[Job, list[_Begun]] = {}
        for job, calls in lasts.made.items():
            self.calls[job] = [_Begun(call) for call in calls]
            if given.stops_before or given.stops_after:
                continue
            if may_be_early(masks, job.node, allowed):
                for begun in self.calls[job]:
                    for below in begun.call.below:
                        self.wanted.setdefault(below, []).append(begun)
        self.now = 0.0
        self.last: Task | None = None
        self._count = 0

    def run(self) -> Makespan:
        steps, predictor = self.passage.steps, self.predictor
        for number, jobs in enumerate(steps):
            place = iter(range(len(jobs)))
            made = [
                (job.node, job.packet, None if job.packet is None else next(place)) for job in jobs
            ]
            tasks = predictor.begin(number, made, len(steps))
            for task in tasks:
                if task.phase is Phase.WAITING:
                    self._start(task)
                elif task.phase is Phase.ROUTING:
                    self._finished(task)
            self._pump()
            while any(task.phase is not Phase.FINISHED for task in tasks):
                self.now, _, _, task = heapq.heappop(self.running)
                self.last = task
                self._ended(task, number)
                self._pump()
            predictor.advance()
            self._commit(jobs)
        return Makespan(self.now, self._path())

    def _start(self, task: Task) -> None:
        job = self._job(task)
        if job is None:
            return
        task.run = job
        self.predictor.started(task)
        self.causes[task] = self.last
        self._count += 1
        end = self._end(job, task)
        heapq.heappush(self.running, (end, task.step, self._count, task))

    def _end(self, job: Job, task: Task) -> float:
        """When a task that begins now will have ended."""
        calls = self.calls.get(job)
        if not calls:
            return self.now + self.lasts.tasks[job]
        ends = [(begun.end(self.now, self.lasts.calls[begun.call]), begun) for begun in calls]
        end, last = max(ends, key=lambda each: each[0])
        if last.cause is not None:
            self.causes[task] = last.cause
        return max(end, self.now)

    def _job(self, task: Task) -> Job | None:
        if task.packet is not None:
            return self.packets.get(id(task.packet))
        return self.pulls[task.step].get(task.node) if task.step < len(self.pulls) else None

    def _ended(self, task: Task, base: int) -> None:
        late = task.step > base and bool(self.masks.stages[task.node].routes)
        if late and not self.predictor.may_route(task):
            self.predictor.routing(task)
        else:
            self._finished(task)

    def _finished(self, task: Task) -> None:
        for begun in self.wanted.get(task.run, ()):
            begun.heard(task.run, task, self.now)
        self.predictor.finished(task, task.run.writes)

    def _pump(self) -> None:
        more = True
        while more:
            ready, routable = self.predictor.settle()
            for task in routable:
                self._finished(task)
            for task in ready:
                self._start(task)
            more = bool(routable)

    def _commit(self, jobs: Sequence[Job]) -> None:
        """Apply to the waiting edges what the superstep's tasks have written."""
        written: dict[str, list[str]] = {}
        for job in jobs:
            for channel, value in job.writes:
                if channel in self.channels:
                    written.setdefault(channel, []).append(value)
        ran = {job.node for job in jobs if job.packet is None}
        for name, channel in self.channels.items():
            if any(node in ran for node, _ in self.masks.triggers.get(name, ())):
                channel.consume()
            if name in written:
                channel.update(written[name])

    def _path(self) -> tuple[str, ...]:
        names: list[str] = []
        task = self.last
        while task is not None:
            if (name := self.masks.stages[task.node].name) != START:
                names.append(name)
            task = self.causes[task]
        return tuple(reversed(names))
