"""The ancestry of the tasks that LangGraph makes, superstep by superstep.

The predictor gives the tasks it foresees an ancestry; this one follows
LangGraph's own tasks, whether anything is foreseen or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph_alto._langgraph import CONF, PUSH, TASKS, task_path_str
from langgraph_alto.ancestry import KEY, Ancestry
from langgraph_alto.plan.masks import Masks


class Lineage:
    """Follows one run.

    Args:
        masks: The graph's plan, compiled.
        root: The ancestry of the run itself: that of the node it is, in a subgraph.
    """

    def __init__(self, masks: Masks, root: Ancestry) -> None:
        self.masks = masks
        self.root = root.inside()
        self._here: dict[str, Ancestry] = {}
        self._packets: list[Ancestry] = []
        # What the writers of a trigger have in common, until it fires.
        self._met: dict[tuple[str, int], Ancestry] = {}

    def begin(self, tasks: Iterable[Any]) -> None:
        """LangGraph has made the tasks of a superstep: tell each its ancestry."""
        self._here.clear()
        for task in tasks:
            own = self._of(task)
            if own.frame is not None:
                self._here[task.id] = task.config[CONF][KEY] = own

    def of(self, task_id: str) -> Ancestry:
        """The ancestry of a task of the current superstep."""
        return self._here.get(task_id, self.root)

    def commit(self, tasks: Iterable[Any]) -> None:
        """The tasks of the superstep have written what they write."""
        triggers, loops, met = self.masks.triggers, self.masks.loops, self._met
        packets = self._packets = []
        ended = list(tasks)
        if len(ended) > 1:
            ended.sort(key=lambda task: task_path_str(task.path[:3]))
        for task in ended:
            own = self.of(task.id)
            sent = 0
            for channel, _ in task.writes:
                if (nodes := triggers.get(channel)) is None:
                    sent += channel == TASKS
                    continue
                for node, _ in nodes:
                    led = loops.follow(own, node)
                    before = met.get((channel, node))
                    met[channel, node] = led if before is None else before.meet(led)
            packets.extend(own.child(task.name, place, sent) for place in range(sent))

    def _of(self, task: Any) -> Ancestry:
        path = task.path
        if path[0] == PUSH:
            place = path[1]
            if not isinstance(place, int):
                return self.root
            if place < len(self._packets):
                return self._packets[place]
            return self.root.child("?", place)
        node = self.masks.index.get(task.name)
        found: Ancestry | None = None
        for channel in task.triggers:
            if node is not None and (met := self._met.pop((channel, node), None)) is not None:
                found = met if found is None else found.meet(met)
        return self.root if found is None else found
