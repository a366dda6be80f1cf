"""Words that generated graphs are written in: reducers, digests, planned failures.

Imported by the source that `langgraph_alto.testing.source` writes, so that this
source stays short. Everything here is deterministic: what a node returns
depends on what it read and on nothing else.
"""

from __future__ import annotations

import copy
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from pydantic import BaseModel


class Shelf(BaseModel):
    """Nested state that nodes change in place, each its own list."""

    n0: list[str] = []
    n1: list[str] = []
    n2: list[str] = []
    n3: list[str] = []
    n4: list[str] = []
    n5: list[str] = []
    n6: list[str] = []
    n7: list[str] = []


class FlakyError(Exception):
    """A planned failure, which retry policies do retry."""


class Failures:
    """Remembers which calls have failed already, outside of any state.

    A call is known by node and digest of its input, so that the count does not
    depend on the order in which tasks run.
    """

    def __init__(self) -> None:
        self._failed: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget everything, before a new run."""
        with self._lock:
            self._failed.clear()

    def fail(self, node: str, seen: str, times: int) -> None:
        """Raise on the first calls with this digest.

        Raises:
            FlakyError: On the first `times` calls.
        """
        with self._lock:
            self._failed[node, seen] += 1
            if self._failed[node, seen] > times:
                return
        raise FlakyError(f"{node} fails")


def mix(name: str, *seen: object) -> str:
    """A short digest of everything a node saw."""
    return f"{name}#{zlib.crc32(repr([show(s) for s in seen]).encode()):08x}"


def show(value: Any) -> Any:
    """A value without what may change behind its back: message ids and shelves."""
    if isinstance(value, BaseMessage):
        return f"{value.type}:{value.content}"
    if isinstance(value, Shelf):
        return "shelf"
    if isinstance(value, BaseModel):
        return show(dict(value))
    if isinstance(value, Mapping):
        return {k: show(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [show(v) for v in value]
    return value


def merged(left: dict[str, str], right: dict[str, str]) -> dict[str, str]:
    """Reducer: entries of the right replace those of the left."""
    return {**left, **right}


def longest(left: str, right: str) -> str:
    """Reducer: the longer text; of two as long the one that was there first."""
    return right if len(right) > len(left) else left


def newest(left: str, right: str) -> str:
    """Reducer: the last one wins."""
    return f"{left[:1]}{right}"[-16:]


def zipped(left: list[str], right: list[str]) -> list[str]:
    """Reducer: order-sensitive in both arguments, and mindful of its own history."""
    return [*left, f"{len(left)}:{right[-1] if right else ''}"]


def raised(state: Any) -> Any:
    """A copy of a state object with one more hop."""
    twin = copy.copy(state)
    twin.hops = state.hops + 1
    return twin


class SyncNode:
    """A node that is an object with ``__call__``, opaque to a reader of functions."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", "node")

    def __call__(self, state: Any) -> Any:
        """Run the node."""
        return self._function(state)


class AsyncNode:
    """A node that is an object with an async ``__call__``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", "node")

    async def __call__(self, state: Any) -> Any:
        """Run the node."""
        return await self._function(state)


def chosen(state: Mapping[str, Any], keys: Sequence[str]) -> list[Any]:
    """Read keys that only the caller knows."""
    return [state.get(key) for key in keys]
