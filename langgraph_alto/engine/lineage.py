"""The ancestry of the tasks that LangGraph makes, superstep by superstep.

The predictor gives the tasks it foresees an ancestry; this one follows
LangGraph's own tasks, whether anything is foreseen or not. Siblings share all of
it but their place, so what is kept of a fan-out is one entry for each sender.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from langgraph_alto._langgraph import CONF, PUSH, TASKS, task_path_str
from langgraph_alto.ancestry import KEY, METADATA, Ancestry
from langgraph_alto.plan.masks import Masks

Fan = tuple[int, Ancestry, str, int]
"""Place of a task's first packet, its ancestry, its node, and how many packets it sent."""

_first = itemgetter(0)


class Lineage:
    """Follows one run.

    Args:
        masks: The graph's plan, compiled.
        root: The ancestry of the run itself: that of the node it is, in a subgraph.
    """

    def __init__(self, masks: Masks, root: Ancestry) -> None:
        self.masks = masks
        self.root = root.inside()
        self._tasks: Mapping[str, Any] = {}
        self._here: dict[str, Ancestry] = {}
        self._fans: list[Fan] = []
        # What the writers of a trigger have in common, until it fires.
        self._met: dict[tuple[str, int], Ancestry] = {}

    def begin(self, tasks: Mapping[str, Any]) -> None:
        """LangGraph has made the tasks of a superstep.

        Args:
            tasks: The tasks by their id, as LangGraph keeps them.
        """
        self._tasks = tasks
        here = self._here = {}
        for task in tasks.values():
            if task.path[0] == PUSH:
                own = here[task.id] = self._sent(task.path[1])
            elif self._met:
                own = here[task.id] = self._started(task)
            else:
                continue
            if own.frame is not None:
                task.config[CONF][KEY] = own
                task.config["metadata"][METADATA] = str(own)

    def of(self, task_id: str) -> Ancestry:
        """The ancestry of a task of the current superstep."""
        return self._here.get(task_id, self.root)

    def commit(self) -> None:
        """The tasks of the superstep have written what they write."""
        triggers, fans = self.masks.triggers, self._fans
        self._fans = following = []
        led: set[tuple[int, str]] = set()
        place = 0
        ended = list(self._tasks.values())
        if len(ended) > 1:
            ended.sort(key=lambda task: task_path_str(task.path[:3]))
        for task in ended:
            sent = 0
            fan = -1
            if fans and task.path[0] == PUSH and isinstance(task.path[1], int):
                fan = bisect_right(fans, task.path[1], key=_first)
            for channel, _ in task.writes:
                if channel in triggers:
                    # All packets of one sender lead an edge to the same place.
                    if fan < 0:
                        self._lead(task.id, channel)
                    elif (fan, channel) not in led:
                        led.add((fan, channel))
                        self._lead(task.id, channel)
                elif channel == TASKS:
                    sent += 1
            if sent:
                following.append((place, self.of(task.id), task.name, sent))
                place += sent

    def forget(self) -> None:
        """Let go of the tasks: the run has ended."""
        self._tasks = {}

    def _lead(self, task_id: str, channel: str) -> None:
        met, own = self._met, self.of(task_id)
        for node, _ in self.masks.triggers[channel]:
            led = self.masks.loops.follow(own, node)
            before = met.get((channel, node))
            met[channel, node] = led if before is None else before.meet(led)

    def _sent(self, place: Any) -> Ancestry:
        if not isinstance(place, int):
            return self.root
        at = bisect_right(self._fans, place, key=_first) - 1
        if at >= 0:
            first, sender, name, count = self._fans[at]
            if place < first + count:
                return sender.child(name, place - first, count)
        return self.root.child("?", place)

    def _started(self, task: Any) -> Ancestry:
        node = self.masks.index.get(task.name)
        found: Ancestry | None = None
        if node is not None:
            for channel in task.triggers:
                if (met := self._met.pop((channel, node), None)) is not None:
                    found = met if found is None else found.meet(met)
        return self.root if found is None else found
