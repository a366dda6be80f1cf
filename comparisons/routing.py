"""Why a replica may hold 1.25 times its share: prefix affinity against even load, simulated.

    python -m comparisons.routing

Four replicas get 40 requests a second, each about one of 1,000 documents, whose popularity is
Zipf's; and the same again where half of all are about one. Each replica remembers the last
100 documents; a prompt whose document it remembers is prefilled at once, another in 0.1 s, one
after the other; then 100 tokens are written, in 1 s when alone and 2.5 s in the company of 64,
which is how decoding slows down with the batch (`examples/simulated_llm/profile.py`).
No model runs here; routing is the adapter's own code.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import sys
from collections import OrderedDict
from dataclasses import dataclass, field

from comparisons._show import console, table
from langgraph_alto_vllm._replicas import LOAD, Replicas

REPLICAS, REMEMBERED, DOCUMENTS = 4, 100, 1000
PREFILL_S, WRITE_S, SLOWER_PER_REQUEST = 0.1, 1.0, 1.5 / 64
REQUESTS, PER_S = 20_000, 40.0
HOT = (0.0, 0.5)
LOADS = (1.0, 1.1, 1.25, 1.5, 2.0, 4.0, math.inf)


@dataclass
class _Replica:
    """One simulated replica: what it remembers, and until when it prefills."""

    remembered: OrderedDict[int, None] = field(default_factory=OrderedDict)
    prefills_until: float = 0.0
    held: int = 0

    def serve(self, document: int, now: float) -> tuple[bool, float]:
        """Whether the document was remembered, and when the answer ends."""
        hit = document in self.remembered
        self.remembered[document] = None
        self.remembered.move_to_end(document)
        if len(self.remembered) > REMEMBERED:
            self.remembered.popitem(last=False)
        begins = now
        if not hit:
            begins = self.prefills_until = max(now, self.prefills_until) + PREFILL_S
        self.held += 1
        return hit, begins + WRITE_S + SLOWER_PER_REQUEST * self.held


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way of routing gives.

    Args:
        hits: The share of prompts whose document was remembered.
        median: Seconds to an answer.
        slow: Seconds that one answer in a hundred takes longer than.
        fullest: The most that a replica held, of its share, on average over time.
    """

    hits: float
    median: float
    slow: float
    fullest: float


def simulate(load: float, *, hot: float, by_prefix: bool = True, seed: int = 0) -> Outcome:
    """Route the same requests, letting a replica hold ``load`` times its share.

    Args:
        load: See above.
        hot: The share of the requests that are about one document, beside Zipf's.
        by_prefix: Whether the document chooses the replica; else chance does.
        seed: Another seed gives other requests.
    """
    rng = random.Random(seed)
    router = Replicas([f"replica-{n}" for n in range(REPLICAS)], load=load)
    replicas = {url: _Replica() for url in router.held}
    weights = [1 / (rank + 1) for rank in range(DOCUMENTS)]
    weights[0] += sum(weights) * hot / (1 - hot)
    documents = rng.choices(range(DOCUMENTS), weights, k=REQUESTS)
    under_way: list[tuple[float, str]] = []
    now, hits, took, fullest = 0.0, 0, [], []
    for number, document in enumerate(documents):
        now += rng.expovariate(PER_S)
        while under_way and under_way[0][0] <= now:
            _, url = heapq.heappop(under_way)
            replicas[url].held -= 1
            router.give_back(url)
        key = document if by_prefix else number
        url = router.take(str(key).encode(), now)
        hit, end = replicas[url].serve(document, now)
        heapq.heappush(under_way, (end, url))
        hits += hit
        took.append(end - now)
        held = router.held.values()
        fullest.append(max(held) * len(replicas) / sum(held))
    took.sort()
    slow = took[-len(took) // 100]
    return Outcome(hits / REQUESTS, took[REQUESTS // 2], slow, statistics.fmean(fullest))


def main() -> int:
    """Print a table for each set of requests, with a row for each bound, and for chance."""
    columns = "a replica holds", "hits", "median", "1 in 100", "fullest"
    for hot in HOT:
        title = f"one document in {hot:.0%} of the requests" if hot else "Zipf's documents"
        shown = table(title, *columns)
        rows = [("as few as it can, by chance", simulate(1.0, hot=hot, by_prefix=False))]
        for load in LOADS:
            name = "any number" if load == math.inf else f"{load:g} times its share"
            rows.append((name + (" (ours)" if load == LOAD else ""), simulate(load, hot=hot)))
        for name, got in rows:
            times = f"{got.median:.2f} s", f"{got.slow:.2f} s"
            shown.add_row(name, f"{got.hits:.0%}", *times, f"{got.fullest:.2f}")
        console.print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
