"""The predictor: which tasks LangGraph *will* create, and which may start now.

A pure state machine: no clock, no threads, no I/O. The shells tell it what
happened (:meth:`Predictor.begin`, :meth:`~Predictor.finished`,
:meth:`~Predictor.failed`, :meth:`~Predictor.advance`) and carry out what it
allows (:meth:`~Predictor.settle`).

It keeps *virtual time*: a superstep number for every task it knows of. The
real superstep is ``base``; tasks foreseen from the writes of finished tasks
stand at later ones. Superstep ``k`` may be known in part only. For each one::

    unfinished(k)   nodes with a known task that has not finished
    possible(k)     nodes that unfinished work of k-1 may still start at k
                    (could-result-in, as in timely dataflow)

A task at ``k`` on its state may start when no node that could change what it
reads is unfinished or possible at any step before ``k``. A task on a ``Send``
packet reads the packet only. Both questions are one ``&`` of masks
(:mod:`langgraph_alto.plan.masks`), and are asked once per node and superstep,
never per task, so that a wide fan-out stays linear.

Why this cannot be wrong in the ways eager engines are: triggers that LangGraph
coalesces, because they fall into one superstep, meet in one task here too,
whatever the clock says; a task is given *its* logical state, never what happens
to be current. And whatever is foreseen is checked against the task that
LangGraph makes in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from langgraph_alto.ancestry import Ancestry
from langgraph_alto.engine.frontier import Frontier
from langgraph_alto.engine.growth import Grows
from langgraph_alto.engine.supersteps import Growth, Known, Phase, Step, Task, Write
from langgraph_alto.engine.virtual import VirtualChannels
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Masks, Trigger

LEAD = 256
"""How many supersteps ahead a task may run: each one more makes every decision dearer."""


class Predictor(Grows):
    """Foresees tasks and decides which of them are certain.

    Args:
        masks: The graph's plan, compiled.
        channels: The run's channels, as of the start of the base superstep.
        packets: Name of the channel that ``Send`` packets are written to.
        stops_before: Nodes with a static interrupt before them.
        stops_after: Nodes with a static interrupt after them.
        allowed: The nodes that may run ahead in this run; default: the plan's.
        exact: The nodes whose packets may start only once their place is known.
        speculative: Start tasks on what is known so far, certain or not.
    """

    def __init__(
        self,
        masks: Masks,
        channels: Mapping[str, Any],
        *,
        packets: str,
        stops_before: int = 0,
        stops_after: int = 0,
        allowed: int | None = None,
        exact: int = 0,
        speculative: bool = False,
    ) -> None:
        self.masks = masks
        self.packets = packets
        self.stops_before = stops_before
        self.stops_after = stops_after
        self.allowed = masks.ahead if allowed is None else allowed
        self.exact = exact
        self.speculative = speculative
        self.rebuilt = False
        # The tasks foreseen, for whoever wants to know; a shell empties it.
        self.news: list[Task] | None = None
        self.horizon = 0
        self._stop = 0
        self._last: list[Task] = []
        self.known = Known(masks)
        self.virtual = VirtualChannels(self.known, channels)
        self.frontier = Frontier(self.known, self.virtual)
        self._dirty = False
        self._fresh: list[Task] = []
        # While all is foreseen again: the tasks known before, to be taken up again.
        self._before: dict[Any, Task] = {}

    # -- events ---------------------------------------------------------------

    def begin(
        self,
        step: int,
        made: Sequence[tuple[int, Any, int | None]],
        stop: int,
        ancestries: Sequence[Ancestry] = (),
    ) -> list[Task]:
        """LangGraph has made the tasks of superstep ``step``.

        Args:
            step: The superstep, the new base.
            made: ``(node, packet, place)`` of each task, with ``None`` for the
                packet and place of an edge-started one.
            stop: The last superstep the recursion limit allows.
            ancestries: That of each task, where there are any.

        Returns:
            The task for each of ``made``: the foreseen one where there is one.
            Whoever calls compares those and calls :meth:`distrust` where
            LangGraph's differs.
        """
        steps = self.known.steps
        known = steps.get(step)
        self.known.base, self._stop = step, min(stop, step + LEAD)
        for old in [number for number in steps if number < step]:
            del steps[old]
        by_packet: dict[int, list[Task]] = {}
        if known is not None:
            for task in reversed(known.pushes):
                by_packet.setdefault(id(task.packet), []).append(task)
        current = Step()
        tasks: list[Task] = []
        matched = 0
        for node, packet, place in made:
            found: Task | None = None
            if known is not None:
                if packet is None:
                    found = known.pulls.get(node)
                elif same := by_packet.get(id(packet)):
                    found = same.pop()
            if found is None:
                found = Task(node, step, packet)
            else:
                matched += 1
                if found.phase is Phase.FAILED and found.run is None:
                    found.phase = Phase.WAITING  # LangGraph could make it after all
            if packet is None:
                current.pulls[node] = found
            else:
                found.index = place
                current.pushes.append(found)
            tasks.append(found)
        for task, ancestry in zip(tasks, ancestries, strict=False):
            task.ancestry = ancestry
        for task in tasks:
            current.enter(task)
        if known is not None:
            current.writes, current.joined = known.writes, known.joined
            still = set(tasks)
            for task in [task for grown in known.growing.values() for task in grown]:
                if task in still:
                    current.grow(task)
            if matched != len(known.pulls) + len(known.pushes):
                steps[step] = current
                self._rebuild()
                return tasks
        self.known.deferred &= ~sum(1 << node for node in current.pulls)
        steps[step] = current
        self._bound()
        self._dirty = True
        return tasks

    def distrust(self, task: Task) -> None:
        """LangGraph's task differs from the one foreseen: forget what came of it."""
        task.phase = Phase.WAITING
        task.writes = ()
        task.growth = None
        self._rebuild()

    def started(self, task: Task) -> None:
        """A task's body has begun, ahead or in its superstep."""
        task.phase = Phase.RUNNING

    def routing(self, task: Task, *, for_good: bool = False) -> None:
        """A task's body is done, and its routers wait for :meth:`settle`.

        Args:
            task: The task.
            for_good: Whether its routers must wait for its superstep.
        """
        task.phase = Phase.ROUTING
        task.late = for_good
        if (step := self.known.steps.get(task.step)) is not None:
            step.routing.append(task)
            self._dirty = True

    def finished(self, task: Task, writes: Sequence[Write]) -> None:
        """A task has finished with these writes."""
        step = self.known.steps.get(task.step)
        if step is None or task.phase is Phase.FINISHED:
            return
        task.phase = Phase.FINISHED
        task.writes = writes
        if step.leave(task):
            self._dirty = True
        if task.growth is None:
            self._record(step, task)
        elif not task.growth.kept.intact():
            task.growth = None
            self._rebuild(reuse=True, until=task.step)
        elif (early := self._settled(step, task, writes)) is not None:
            self._record(step, task, early)
        else:
            self._rebuild(reuse=True)

    def failed(self, task: Task, *, fatal: bool) -> list[Task]:
        """A task has raised.

        Args:
            task: The task. It stays unfinished: nothing after it is certain.
            fatal: Whether its superstep ends the run, so that no later
                superstep will come.

        Returns:
            The tasks run ahead of later supersteps, to be cancelled.
        """
        task.phase = Phase.FAILED
        self._dirty = True
        if not fatal:
            self.retracted(task)
            return []
        self._last.append(task)
        self._bound()
        return [
            later
            for number, step in self.known.steps.items()
            if number > task.step
            for later in step.tasks()
            if later.run is not None
        ]

    def dropped(self, task: Task) -> None:
        """A run ahead came to nothing; the task waits for its superstep."""
        self.retracted(task)
        task.phase = Phase.WAITING
        task.late = True
        task.run = None

    def refused(self, task: Task) -> None:
        """Making a task raised; LangGraph will raise the same when it makes it.

        Its superstep never begins, so nothing from there on is certain.
        """
        task.phase = Phase.FAILED
        task.late = True
        self._last.append(task)
        self._bound()

    def advance(self) -> None:
        """LangGraph has committed the base superstep."""
        self.known.steps.pop(self.known.base, None)
        self.known.base += 1
        self.virtual.advance(self.known.base)

    def skip(self, step: int, present: int) -> None:
        """Nothing can be foreseen from a superstep with tasks of these nodes only."""
        self.known.base = step
        self.known.deferred |= self.frontier.reach(present) & self.masks.deferred

    def forget(self) -> None:
        """Let go of all tasks and channels: the run has ended."""
        self.known.steps.clear()
        self._fresh.clear()
        self.virtual.clear()
        self.virtual.channels = {}

    # -- decisions ------------------------------------------------------------

    def settle(self) -> tuple[list[Task], list[Task]]:
        """What has become certain since the last call.

        Returns:
            The tasks whose bodies may start, and those in
            :attr:`Phase.ROUTING` whose routers may run.
        """
        ready: list[Task] = []
        routable: list[Task] = []
        if self._dirty:
            self._dirty = False
            for task in self._fresh:
                self.known.step(task.step).group(task).waiting.append(task)
            self._fresh.clear()
            self._sweep(ready, routable)
        elif self._fresh:
            ready.extend(task for task in self._fresh if not task.late)
            self._fresh.clear()
        return ready, routable

    def ahead_of(self, step: int) -> bool:
        """Whether anything is known of ``step`` or a later superstep."""
        return any(number >= step for number in self.known.steps)

    def place(self, task: Task) -> int | None:
        """The place of a task's packet in its superstep; ``None`` if not known yet."""
        return self.known.steps[task.step].place(task, self.masks)

    def may_route(self, task: Task) -> bool:
        """Whether what a task's routers read is certain now."""
        return not self.masks.routes_late[task.node] and (
            self._routes_on_guess(task)
            or (
                not self.masks.route_blockers[task.node] & self.frontier.pending(task.step)
                and self._foldable(task.node, task.step)
            )
        )

    def certain(self, keys: Iterable[str], step: int) -> set[str]:
        """Those of the keys whose value at the start of ``step`` is certain."""
        guessed = self.masks.safe_reducers if self.speculative else frozenset()
        unsure: set[str] = set()
        pending = self.frontier.pending(step)
        if (prior := self.known.steps.get(step - 1)) is not None and prior.growing:
            pending = self._apart(prior, step, unsure)
        for node in bits(pending):
            stage = self.masks.stages[node]
            if stage.writes is None or stage.mutates is None:
                keys = guessed.intersection(keys)
                continue
            unsure.update(stage.writes)
            # Of a change below a key, the key's own value is none the wiser.
            unsure.update(path[0] for path in stage.mutates if len(path) == 1)
        unsure -= guessed
        return {key for key in keys if key not in unsure and self.virtual.foldable(key, step)}

    # -- inside ---------------------------------------------------------------

    def _guesses(self, node: int) -> bool:
        """Whether a node may start on a guess, to be compared with the truth in the end.

        Not where a reducer may change the very object that was guessed: it
        would be compared with itself.
        """
        return self.speculative and not self.masks.as_is[node]

    def _routes_on_guess(self, task: Task) -> bool:
        """Whether a task's routers may read what is likely.

        Not of one that was told before its sender had ended: what that writes is to
        come, so the guess would be wrong, and the task's work done again.
        """
        return not task.early and self._guesses(task.node)

    def _foresee(self, task: Task) -> Task:
        """Take note of a task that LangGraph will make; it may be known from before."""
        task = self._before.pop(_place_of(task), task) if self._before else task
        if self.news is not None:
            self.news.append(task)
        step = self.known.step(task.step)
        if task.packet is None:
            step.pulls[task.node] = task
        else:
            step.pushes.append(task)
        if task.phase is not Phase.WAITING:
            step.enter(task)
            self._again(step, task)
            return task
        group = step.group(task)
        before = step.unfinished
        step.enter(task)
        if group.open and step.unfinished == before and task.step <= self.horizon:
            self._fresh.append(task)
        else:
            group.waiting.append(task)
            if step.unfinished != before or len(group.waiting) == 1:
                self._dirty = True
        return task

    def _again(self, step: Step, task: Task) -> None:
        """Foresee again what comes of a task."""
        if task.phase is Phase.FINISHED:
            self._record(step, task)
        elif (growth := task.growth) is not None:
            # What has changed since it was first seen must be found in the end.
            task.growth = Growth(kept=growth.kept)
            self.grown(task, growth.writes)

    def _record(self, step: Step, task: Task, early: Mapping[int, Task] | None = None) -> None:
        """Apply a finished task's writes to what is known of the next superstep.

        Args:
            step: The task's superstep.
            task: The task.
            early: The tasks of its packets that are known already, by their place.
        """
        masks, following = self.masks, task.step + 1
        name, sent = masks.stages[task.node].name, 0
        count = sum(channel == self.packets for channel, _ in task.writes)
        if self.speculative:
            self.virtual.clear()
        for channel, value in task.writes:
            if channel == self.packets:
                node = masks.index.get(getattr(value, "node", None) or "")
                if node is None:
                    # LangGraph ignores it, but it has a place among the others.
                    self.known.step(following).strays.append(Task(-1, following, value, task, sent))
                elif early and (known := early.get(sent)) is not None:
                    known.ancestry = task.ancestry.child(name, sent, count)
                else:
                    packet = Task(node, following, value, task, sent)
                    packet.ancestry = task.ancestry.child(name, sent, count)
                    packet.late = bool(masks.early_only >> node & 1)
                    self._foresee(packet)
                sent += 1
                continue
            step.writes.setdefault(channel, []).append((task, value))
            for node, kind in masks.triggers.get(channel, ()):
                if kind is Trigger.DEFERRED:
                    self.known.deferred |= 1 << node
                    self._dirty = True
                elif kind is Trigger.EDGE:
                    known = self.known.step(following).pulls.get(node)
                    led = masks.loops.follow(task.ancestry, node)
                    if known is None:
                        self._foresee(Task(node, following, ancestry=led))
                    else:
                        known.ancestry = known.ancestry.meet(led)
                else:
                    step.joined.append(node)
                    self._dirty = True

    def _rebuild(self, *, reuse: bool = False, until: int | None = None) -> None:
        """Forget everything foreseen beyond the base, and foresee it again.

        Args:
            reuse: Take up the same tasks again where they are foreseen again. What
                they were given is compared in their superstep, as always.
            until: The last superstep whose tasks may be taken up again.
        """
        steps, base = self.known.steps, self.known.base
        current = steps.get(base, Step())
        if reuse:
            self._before = {
                _place_of(task): task
                for number, step in steps.items()
                if number > base and (until is None or number <= until)
                for task in step.tasks()
            }
        steps.clear()
        self.virtual.clear()
        self._fresh.clear()
        self.rebuilt = True
        fresh = Step(pulls=current.pulls, pushes=current.pushes)
        for task in current.tasks():
            fresh.enter(task)
        steps[base] = fresh
        for task in list(fresh.tasks()):
            self._again(fresh, task)
        self._before = {}
        self._bound()
        self._dirty = True

    def _bound(self) -> None:
        """Set the last superstep: what the recursion limit and known failures allow."""
        self._last = [
            task for task in self._last if task.phase is Phase.FAILED and self.known.has(task)
        ]
        # A superstep in which a task raises does begin, one that cannot be made does not.
        self.horizon = min([self._stop, *(task.step - task.late for task in self._last)])

    def _sweep(self, ready: list[Task], routable: list[Task]) -> None:
        """Decide anew for every group of waiting tasks.

        One walk along the frontier, with what it has passed gathered in masks.
        Take ``a -> b -> c`` beside a slow ``s``, with ``a`` finished, ``b`` and
        ``s`` running, and ``x`` foreseen as the packet of some task::

            superstep     present  pending  possible   before       latest
            0 (base)      a s      s        -          -            -
            1             b        b        (after s)  s            s
            2             -        c        c          s b          b

        ``before`` is what the tasks of a superstep may have to wait for: whatever
        is pending at an earlier one. ``latest`` is what may still send packets
        into it. ``seen`` and ``ahead`` say whether a static interrupt may come
        before it: once a node with one *may* run, nothing beyond is certain.
        """
        masks, steps = self.masks, self.known.steps
        # Joins first: a task they start counts as unfinished below.
        for number in sorted(steps):
            step = steps.get(number)
            if step is not None and step.joined:
                self._join(number, step)
        before = 0  # unfinished or possible at an earlier superstep
        latest = 0  # unfinished or possible at the superstep just before
        seen = 0  # present or possible at an earlier superstep
        ahead = 0  # present or possible at a superstep after the base
        earlier = 0  # unfinished or possible before the superstep just before
        last = min(max(steps, default=self.known.base), self.horizon)
        for number, pending, possible in self.frontier.walk(last):
            step = steps.get(number)
            here = possible | (step.present if step is not None else 0)
            if number > self.known.base:
                ahead |= here
                if seen & self.stops_after or ahead & self.stops_before:
                    return
                if before & masks.interrupts:
                    return
                if step is not None:
                    step.settled = not latest
                    self._open(number, step, (earlier, before, latest), possible, ready)
            if step is not None and step.routing:
                self._route(number, step, before, routable)
            earlier = before
            before |= pending
            latest = pending
            seen |= here

    def _open(
        self,
        number: int,
        step: Step,
        passed: tuple[int, int, int],
        possible: int,
        ready: list[Task],
    ) -> None:
        masks = self.masks
        earlier, before, latest = passed
        prior = self.known.steps.get(number - 1)
        for groups, blockers in (
            (step.pull_groups, masks.blockers),
            (step.push_groups, masks.packet_blockers),
        ):
            # An edge orders its ends: a task waits for what may still start it too.
            late = possible if groups is step.pull_groups else 0
            for node, group in groups.items():
                bit = 1 << node
                # Guess that unfinished work changes nothing, unless it does so in place.
                waits = before & masks.mutators if self._guesses(node) else before
                if late & bit and (cleared := self._cleared(node, prior)):
                    # What grows has started it, and will not write what it reads.
                    rest = latest & ~cleared
                    waits = earlier | rest
                    late &= ~bit
                    if self.frontier.reach(rest) & bit or masks.joined & bit:
                        group.open = False
                        continue
                group.open = bool(
                    self.allowed & bit
                    and not (latest and bit & self.exact and groups is step.push_groups)
                    and not blockers[node] & waits
                    and not late & bit
                    and self._foldable(node, number)
                )
                if group.open and group.waiting:
                    ready.extend(task for task in group.waiting if not task.late)
                    group.waiting.clear()

    def _route(self, number: int, step: Step, before: int, routable: list[Task]) -> None:
        staying = []
        for task in step.routing:
            if task.phase is not Phase.ROUTING:
                continue
            if task.late or self.masks.routes_late[task.node]:
                staying.append(task)
            elif self._routes_on_guess(task) or (
                not self.masks.route_blockers[task.node] & before
                and self._foldable(task.node, number)
            ):
                routable.append(task)
            else:
                staying.append(task)
        step.routing = staying

    def _foldable(self, node: int, step: int) -> bool:
        return all(self.virtual.unwritten(key, step) for key in self.masks.as_is[node])

    def _join(self, number: int, step: Step) -> None:
        """Foresee the targets of waiting edges that are complete for certain."""
        pending = self.frontier.pending(number + 1)
        for join in self.masks.joins:
            if join.target not in step.joined or join.sources & pending:
                continue
            following = self.known.step(number + 1)
            if join.target in following.pulls or join.channel not in step.writes:
                continue
            if self.virtual.fires(join.channel, number + 1):
                target = Task(join.target, number + 1)
                target.ancestry = reduce(
                    Ancestry.meet,
                    (
                        self.masks.loops.follow(task.ancestry, join.target)
                        for task, _ in step.writes[join.channel]
                    ),
                )
                self._foresee(target)


def _place_of(task: Task) -> Any:
    """What makes a foreseen task the same as one foreseen before."""
    if task.packet is None:
        return task.step, task.node
    return task.step, id(task.packet), id(task.parent)
