"""Where a request stands in vLLM's queue, from where its task stands in the graph.

vLLM with ``--scheduling-policy priority`` serves the lowest number first, and those of the
same number as they came. Served as they come, the requests of ten documents that are worked
on at once advance side by side, and all ten end last. So what belongs together is kept
together: the oldest run first; in it, the first packet of the outermost fan-out with
all that came from it; and so on inwards. What has come further goes before what it came
from, for it is nearer to a result. The reasoning is that of Coflow scheduling (Chowdhury and
Stoica, HotNets 2012): a group counts as done when its last member is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from langgraph_alto import Ancestry

LEVELS, LEVEL_BITS, AGE_BITS = 3, 12, 24
"""Fan-outs within one another that count, and how far they and the runs are told apart: 60
bits, for vLLM keeps a priority in 64."""

_LAST = (1 << LEVEL_BITS) - 1
RUNS, IDLE_S = 4096, 60.0
"""How many runs are remembered, and for how long after they last asked. One that is forgotten
counts as new: it is told by its thread, and a thread's next run is no older than others."""


def priority(age: int, ancestry: Ancestry) -> int:
    """The number to send with a request; the lowest is served first.

    Args:
        age: The run's place among the runs, the oldest's being 0.
        ancestry: The ancestry of the task that asks. Times round a loop do not count.
    """
    indices = [frame.index for frame in ancestry.frames() if not frame.loop][:LEVELS]
    found = min(age, (1 << AGE_BITS) - 1)
    for level in range(LEVELS):
        # Beyond the innermost fan-out stands the highest number: what came further goes first.
        place = min(indices[level], _LAST - 1) if level < len(indices) else _LAST
        found = found << LEVEL_BITS | place
    return found


class Ages:
    """Numbers runs in the order in which they are first seen. Safe to use from threads.

    No clock; the time is handed in.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._next = 0
        self._lock = threading.Lock()

    def of(self, run: str, now: float) -> int:
        """The place of ``run`` among the runs.

        Args:
            run: What tells it from others.
            now: The time, in seconds of a clock that does not go back.
        """
        with self._lock:
            age, last = self._seen.get(run, (-1, now))
            if age < 0 or now - last > IDLE_S:
                age = self._next
                self._next += 1
            self._seen[run] = age, now
            self._seen.move_to_end(run)
            if len(self._seen) > RUNS:
                self._seen.popitem(last=False)
            return age
