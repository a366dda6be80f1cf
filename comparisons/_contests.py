"""A graph plain and wrapped, ready to be run in turn."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from comparisons._wide import wide
from comparisons.measure import RunOnLoop
from langgraph_alto import wrap


class Contest:
    """A graph on one engine.

    Args:
        graph: The plain graph.
        run: Runs coroutines; `None` for the thread engine.

    Attributes:
        wrapping: Seconds it took to wrap the graph.
    """

    def __init__(self, graph: Any, run: RunOnLoop | None) -> None:
        self.graph, self.run = graph, run
        start = time.perf_counter()
        self.wrapped_graph = wrap(graph)
        self.wrapping = time.perf_counter() - start


class BenchContest(Contest):
    """A graph of LangGraph's bench, streamed as the bench does, each time on a new thread.

    Args:
        graph: The plain graph.
        given: Its input.
        run: Runs coroutines; `None` for the thread engine.
    """

    def __init__(self, graph: Any, given: Any, run: RunOnLoop | None) -> None:
        super().__init__(graph, run)
        self.given = given
        self._threads: list[str] = []

    def plain(self) -> int:
        """Run on LangGraph; returns the number of chunks streamed."""
        return self._stream(self.graph)

    def wrapped(self) -> int:
        """Run on Alto; returns the number of chunks streamed."""
        return self._stream(self.wrapped_graph)

    def _stream(self, graph: Any) -> int:
        self._threads.append(str(uuid4()))
        configurable = {"thread_id": self._threads[-1]}
        config = {"configurable": configurable, "recursion_limit": 1_000_000_000}
        if self.run is None:
            return len(list(graph.stream(self.given, config, durability="exit")))
        return self.run(_count(graph.astream(self.given, config, durability="exit")))

    def tidy(self) -> None:
        """Forget the saved threads, or the saver grows and slows later runs."""
        if self.graph.checkpointer is not None:
            for thread in self._threads:
                self.graph.checkpointer.delete_thread(thread)
        self._threads.clear()


async def _count(chunks: AsyncIterator[object]) -> int:
    return len([chunk async for chunk in chunks])


class FanOutContest(Contest):
    """A fan-out of tasks that do nothing, invoked with any width.

    Args:
        run: Runs coroutines; `None` for the thread engine.
    """

    def __init__(self, run: RunOnLoop | None) -> None:
        super().__init__(wide(for_async=run is not None), run)

    def plain(self, width: int) -> dict[str, Any]:
        """Run on LangGraph; returns the final state."""
        return self._invoke(self.graph, width)

    def wrapped(self, width: int) -> dict[str, Any]:
        """Run on Alto; returns the final state."""
        return self._invoke(self.wrapped_graph, width)

    def _invoke(self, graph: Any, width: int) -> dict[str, Any]:
        given = {"width": width}
        state: dict[str, Any]
        state = graph.invoke(given) if self.run is None else self.run(graph.ainvoke(given))
        return state
