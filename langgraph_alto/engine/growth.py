"""Tasks whose output grows: what is certain of it before they have ended.

A ``@streaming`` node yields parts of its output, and a declared stream shows what
a router will return. Either way a task that still runs has *grown*: some of what it
will write is known. Packets are tasks of the next superstep as soon as they are
known, as those of a finished task are. A node that an edge starts waits for less::

    title, text = writes(pages)          pages has yielded {"title": ...}

    pages (grows) ──▶ head   reads title          may start
                  ──▶ body   reads title, text    waits for text

That holds where nothing can take it back but the task's failure, which ends the
superstep: of a key that may be written once, the value is final when it is yielded.
What a finished task turns out not to have written after all is forgotten, and all
that came of it. So is all that came of what it has changed since.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from langgraph.channels import LastValue

from langgraph_alto.engine.frontier import Frontier
from langgraph_alto.engine.supersteps import Growth, Known, Phase, Step, Task, Write
from langgraph_alto.engine.virtual import VirtualChannels
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Masks, Trigger


class Grows:
    """What the predictor knows of tasks that grow; a part of it."""

    masks: Masks
    packets: str
    known: Known
    virtual: VirtualChannels
    frontier: Frontier
    rebuilt: bool
    _dirty: bool
    _foresee: Callable[[Task], Task]
    _rebuild: Callable[..., None]

    def grown(self, task: Task, writes: Sequence[Write]) -> None:
        """A task that has not finished will have written this, if it does not fail.

        Args:
            task: The task.
            writes: A further part of its writes, in order.
        """
        step = self.known.steps.get(task.step)
        if step is None or task.phase in (Phase.FINISHED, Phase.FAILED):
            return
        growth = task.growth
        if growth is None:
            growth = task.growth = Growth()
        first = not growth.writes
        growth.writes.extend(writes)
        step.grow(task)
        self._grow(step, task, writes, first=first)

    def retracted(self, task: Task) -> None:
        """What a task has put out so far counts for nothing: it begins again, or failed."""
        if task.growth is None:
            return
        task.growth = None
        step = self.known.steps.get(task.step)
        if step is not None and step.grows(task):
            self._rebuild(reuse=True)

    def revised(self, task: Task, gone: Collection[int]) -> None:
        """Of what a task has put out, some counts for nothing.

        Args:
            task: The task.
            gone: The ids of the packets that do not count.
        """
        growth, step = task.growth, self.known.steps.get(task.step)
        if growth is None or step is None or not step.grows(task):
            return
        growth.writes = [write for write in growth.writes if id(write[1]) not in gone]
        self._rebuild(reuse=True)

    def _grow(self, step: Step, task: Task, writes: Iterable[Write], *, first: bool) -> None:
        growth, masks = task.growth, self.masks
        assert growth is not None
        name, following = masks.stages[task.node].name, task.step + 1
        news = first
        for channel, value in writes:
            if channel == self.packets:
                node = masks.index.get(getattr(value, "node", None) or "")
                child = Task(-1 if node is None else node, following, value, task, growth.sent)
                child.early = True
                growth.sent += 1
                if node is not None:
                    growth.kept.add(value.arg)
                    child.ancestry = task.ancestry.child(name, child.position)
                    growth.children.append(self._foresee(child))
            elif channel in masks.triggers:
                for node, kind in masks.triggers[channel]:
                    if kind is Trigger.EDGE:
                        self._start(task, node)
            elif self._once(channel) and channel not in growth.keys:
                news = True
                growth.keys.add(channel)
                growth.kept.add(value)
                step.writes.setdefault(channel, []).append((task, value))
                self.virtual.changed(channel, task.step)
        if news:
            # Else nobody need look again: most yields are packets.
            self._dirty = True
            for node in bits(masks.mask(masks.stages[task.node].edges)):
                if self._needed(task, node) and self._satisfied(task, node):
                    self._start(task, node)

    def _start(self, task: Task, node: int) -> None:
        growth = task.growth
        assert growth is not None
        if not growth.started >> node & 1:
            growth.started |= 1 << node
            self._dirty = True
            led = self.masks.loops.follow(task.ancestry, node)
            known = self.known.step(task.step + 1).pulls.get(node)
            if known is None:
                self._foresee(Task(node, task.step + 1, ancestry=led))
            else:
                known.ancestry = known.ancestry.meet(led)

    def _once(self, key: str) -> bool:
        """Whether a superstep may write a key only once."""
        return type(self.virtual.channels.get(key)) is LastValue

    def _needed(self, task: Task, node: int) -> frozenset[str]:
        """The keys that a node reads and the task may write."""
        reads, writes = self.masks.stages[node].read_keys, self.masks.stages[task.node].writes
        return reads if writes is None else reads & writes

    def _satisfied(self, task: Task, node: int) -> bool:
        """Whether a node need not wait for the task's end, once it is started."""
        assert task.growth is not None
        before, after = self.masks.stages[task.node], self.masks.stages[node]
        if before.mutates != frozenset() or after.mutates != frozenset():
            return False
        if before.uses_store and after.uses_store:
            return False
        return self._needed(task, node) <= task.growth.keys

    def _cleared(self, node: int, step: Step | None) -> int:
        """The nodes that the task of ``node`` at the next superstep need not wait for here."""
        found = 0
        for task in self._growing(step):
            growth = task.growth
            if growth is not None and growth.started >> node & 1 and self._satisfied(task, node):
                found |= 1 << task.node
        return found

    def _growing(self, step: Step | None) -> Iterator[Task]:
        """The tasks of a superstep that grow and are the last unfinished one of their node."""
        for node, tasks in step.growing.items() if step is not None else ():
            if step is not None and step.counts.get(node) == 1:
                yield from tasks

    def _apart(self, prior: Step, number: int, unsure: set[str]) -> int:
        """What is pending before a superstep but for tasks that grow just before it.

        Args:
            prior: The superstep before.
            number: The superstep.
            unsure: Takes the keys that the tasks left out may still write.
        """
        left_out = 0
        for task in self._growing(prior):
            writes = self.masks.stages[task.node].writes
            if (
                task.growth is not None
                and writes is not None
                and self.masks.stages[task.node].mutates == frozenset()
            ):
                unsure |= writes - task.growth.keys
                left_out |= 1 << task.node
        found = 0
        for at, pending, _ in self.frontier.walk(number - 1):
            found |= pending & ~left_out if at == number - 1 else pending
        return found

    def _settled(
        self, step: Step, task: Task, writes: Sequence[Write]
    ) -> Mapping[int, Task] | None:
        """Put what a task has written in the place of what it was seen to write.

        Returns:
            The tasks of its packets that are known already, by their place;
            ``None`` where something that was seen has not come.
        """
        growth, task.growth = task.growth, None
        assert growth is not None
        del step.growing[task.node][task]
        waiting = deque(growth.children)
        early: dict[int, Task] = {}
        place = 0
        for channel, value in writes:
            if channel != self.packets:
                continue
            for at, child in enumerate(waiting):
                if child.packet is value or same_packet(child.packet, value):
                    child.packet, child.position = value, place
                    early[place] = child
                    del waiting[at]
                    break
            place += 1
        triggered = 0
        for channel, _ in writes:
            for node, _ in self.masks.triggers.get(channel, ()):
                triggered |= 1 << node
        lost = bool(waiting) or bool(growth.started & ~triggered)
        for key in growth.keys:
            entries = step.writes[key]
            seen = next(value for owner, value in entries if owner is task)
            entries[:] = [entry for entry in entries if entry[0] is not task]
            lost = lost or not any(channel == key and value is seen for channel, value in writes)
            self.virtual.changed(key, task.step)
        self.known.step(task.step + 1).places.clear()
        return None if lost else early


def same_packet(seen: Any, sent: Any) -> bool:
    """Whether a packet that was seen early is the one that was sent in the end."""
    if seen.node != sent.node or getattr(seen, "timeout", None) != getattr(sent, "timeout", None):
        return False
    if in_context(seen.arg) and in_context(sent.arg):
        # The state beside the call was not there yet; nothing has read it.
        return _alike(seen.arg["tool_call"], sent.arg["tool_call"])
    return _alike(seen.arg, sent.arg)


def _alike(seen: Any, sent: Any) -> bool:
    """Whether two payloads are the same to any node, part by part.

    Parts may be what cannot be compared, such as a client, and yet be the same ones.
    """
    from langgraph_alto.engine.run import alike

    if seen is sent:
        return True
    if type(seen) is not type(sent):
        return False
    if type(seen) is dict:
        return list(seen) == list(sent) and all(_alike(seen[key], sent[key]) for key in seen)
    if type(seen) in (list, tuple):
        return len(seen) == len(sent) and all(map(_alike, seen, sent))
    return alike(seen, sent)


def in_context(arg: Any) -> bool:
    """Whether a packet is a tool call with the state of its agent beside it."""
    return isinstance(arg, dict) and arg.get("__type") == "tool_call_with_context"
