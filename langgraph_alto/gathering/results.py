"""What a gather's function is given: one parent, and what came of its fan-out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from langgraph_alto.ancestry import ROOT, Ancestry


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, in the place of its result (``errors="collect"``).

    Args:
        node: Its node.
        ancestry: The fan-outs it came from.
        type: Name of the exception's class.
        message: The exception's message.
    """

    node: str
    ancestry: Ancestry
    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.type} in {self.node} at {self.ancestry}: {self.message}"


class Gathered(Sequence[Any]):
    """One parent with the results of its fan-out, in order: a sequence of them.

    Args:
        parent: What the parent's task was sent; ``None`` where an edge started it.
        results: The results, in the order of their places.
        ancestry: The fan-outs that the parent came from.
    """

    __slots__ = ("ancestry", "parent", "results")

    def __init__(self, parent: Any, results: list[Any], ancestry: Ancestry = ROOT) -> None:
        self.parent = parent
        self.results = results
        self.ancestry = ancestry

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __repr__(self) -> str:
        return f"Gathered(parent={self.parent!r}, results={self.results!r}, at={self.ancestry})"


class Feed:
    """Results that are all there; the engine's feed waits for those that are not.

    Args:
        results: The results, in order.
    """

    def __init__(self, results: list[Any]) -> None:
        self.results = results

    def has(self, place: int) -> bool:
        """Whether there is a result at this place; waits until it is known."""
        return place < len(self.results)

    async def ahas(self, place: int) -> bool:
        """Whether there is a result at this place; waits until it is known."""
        return place < len(self.results)


class Arriving:
    """One parent with the results of its fan-out as they come, in order.

    Iterate it with ``for`` in a plain function and ``async for`` in a coroutine.
    A result is given when all those before it are known, so the order is the same
    whoever is first. In plain LangGraph all are there when the function is called.

    Args:
        parent: What the parent's task was sent; ``None`` where an edge started it.
        feed: The results.
        ancestry: The fan-outs that the parent came from.
    """

    __slots__ = ("_feed", "ancestry", "parent")

    def __init__(self, parent: Any, feed: Feed, ancestry: Ancestry = ROOT) -> None:
        self.parent = parent
        self.ancestry = ancestry
        self._feed = feed

    def __iter__(self) -> Iterator[Any]:
        place = 0
        while self._feed.has(place):
            yield self._feed.results[place]
            place += 1

    async def __aiter__(self) -> AsyncIterator[Any]:
        place = 0
        while await self._feed.ahas(place):
            yield self._feed.results[place]
            place += 1
