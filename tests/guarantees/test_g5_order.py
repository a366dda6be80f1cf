"""G5, one concurrency bound: the order in which places are given out.

The current superstep first, then the deepest ancestry, and of equals the oldest.
Nobody starves.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langgraph.graph import StateGraph
from langgraph.types import Command, Send

from tests.guarantees.chains import Gauges, config_of, fan, stage
from tests.guarantees.shapes import Fan
from tests.guarantees.support import Mode, both, run, wrapped


@both
def test_the_oldest_of_the_deepest_goes_first(mode: Mode) -> None:
    """What has come furthest is finished first, document by document.

    START ═▶ load ═▶ check ═▶ rate: two documents in three sentences each, while one
    document is loaded slowly, and with one place for all the rest.
    """
    gauges = Gauges()

    def parts(item: int) -> Any:
        return Command(goto=[Send("check", 10 * item + part) for part in range(3)])

    def waits(item: int) -> bool:
        return item == 0 and len(gauges.begun()) < 15

    def load(item: int) -> Any:
        gauges.begin("load", str(item))
        while waits(item):
            time.sleep(0.001)
        gauges.end("load", str(item))
        return parts(item)

    async def aload(item: int) -> Any:
        gauges.begin("load", str(item))
        while waits(item):  # noqa: ASYNC110 - for whatever runs meanwhile
            await asyncio.sleep(0.001)
        gauges.end("load", str(item))
        return parts(item)

    graph: Any = StateGraph(Fan)
    graph.add_node("load", load if mode == "sync" else aload, destinations=("check",))
    graph.add_node("check", stage(mode, "check", "rate", gauges), destinations=("rate",))
    graph.add_node("rate", stage(mode, "rate", "", gauges))
    run(wrapped(fan(graph, "load")), {"items": [0, 1, 2]}, mode, config_of(2))
    expected = [
        f"{name} {10 * document + part}"
        for document in (1, 2)
        for part in range(3)
        for name in ("check", "rate")
    ]
    ahead = [name for name in gauges.begun()[:15] if not name.startswith("load")]
    assert ahead == expected


@both
def test_an_older_one_overtakes(mode: Mode) -> None:
    """Age is a matter of ancestry, not of who was in line first; but depth comes before it.

    START ═▶ load ═▶ check ═▶ rate: document 1 is loaded when the first sentence of
    document 2 is being checked, and document 0 when all the rest is done.
    """
    gauges = Gauges()

    def parts(item: int) -> Any:
        return Command(goto=[Send("check", 10 * item + part) for part in range(3)])

    def waits(item: int) -> bool:
        if item == 1:
            return "check 20" not in gauges.begun()
        return item == 0 and len(gauges.begun()) < 15

    def load(item: int) -> Any:
        gauges.begin("load", str(item))
        while waits(item):
            time.sleep(0.0005)
        gauges.end("load", str(item))
        return parts(item)

    async def aload(item: int) -> Any:
        gauges.begin("load", str(item))
        while waits(item):  # noqa: ASYNC110 - for whatever runs meanwhile
            await asyncio.sleep(0.0005)
        gauges.end("load", str(item))
        return parts(item)

    graph: Any = StateGraph(Fan)
    graph.add_node("load", load if mode == "sync" else aload, destinations=("check",))
    graph.add_node("check", stage(mode, "check", "rate", gauges, 0.02), destinations=("rate",))
    graph.add_node("rate", stage(mode, "rate", "", gauges, 0.002))
    run(wrapped(fan(graph, "load")), {"items": [0, 1, 2]}, mode, config_of(3))
    begun = gauges.begun()
    assert begun.index("check 12") < begun.index("check 22")
    assert begun.index("rate 20") < begun.index("check 12")


@both
@pytest.mark.parametrize("limits", [{}, {"shallow": 1, "deep": 1}])
def test_nobody_starves(limits: dict[str, int], mode: Mode) -> None:
    """Its superstep begins, and then it goes first: before anything deeper, however much.

    START ═▶ a ═▶ deep ═▶ deep ═▶ deep ... one place, and always one more to run ahead
             a ═▶ shallow                  that is deeper than ``shallow``
    """
    gauges = Gauges()

    def deep(item: int) -> Any:
        gauges.begin("deep", str(item))
        time.sleep(0.002)
        gauges.end("deep", str(item))
        return Command(goto=[Send("deep", item + 1)] if item < 60 else [])

    async def adeep(item: int) -> Any:
        gauges.begin("deep", str(item))
        await asyncio.sleep(0.002)
        gauges.end("deep", str(item))
        return Command(goto=[Send("deep", item + 1)] if item < 60 else [])

    def a(item: int) -> Any:
        return Command(goto=[Send("shallow" if item else "deep", item)])

    graph: Any = StateGraph(Fan)
    graph.add_node("a", a, destinations=("deep", "shallow"))
    graph.add_node("deep", deep if mode == "sync" else adeep, destinations=("deep",))
    graph.add_node("shallow", stage(mode, "shallow", "", gauges))
    config = {"recursion_limit": 100, **config_of(1)}
    run(wrapped(fan(graph, "a"), limits=limits), {"items": [0, 1]}, mode, config)
    begun = gauges.begun()
    assert len(begun) == 62
    # Not at once: some run ahead before LangGraph has committed the first superstep.
    assert begun.index("shallow 1") < 30
