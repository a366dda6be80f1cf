"""Compiled graphs among the real objects that code refers to."""

from __future__ import annotations

import collections
import functools
import itertools
import types
from collections.abc import Iterator
from typing import Any

_LEVELS = 3
"""How deep containers are searched: a table of lists of graphs, for one."""

_MOST = 1024
"""How many objects are looked at."""

_CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque, types.MappingProxyType)


@functools.lru_cache(maxsize=1024)
def _is_graph_class(cls: type) -> bool:
    names = {c.__name__ for c in cls.__mro__}
    return bool(names & {"Pregel", "PregelProtocol", "StateGraph"})


def is_graph(obj: object) -> bool:
    """Whether an object is a graph, compiled or not.

    Recognised by name, so that no private module is needed.
    """
    cls: type = type(obj)
    return _is_graph_class(cls)


def graphs_in(obj: object) -> Iterator[object]:
    """The graphs an object is or, as a container, holds."""
    todo = [(obj, _LEVELS)]
    for each, levels in todo:
        if is_graph(each):
            yield each
        elif levels and isinstance(each, _CONTAINERS):
            room = _MOST - len(todo)
            todo.extend((held, levels - 1) for held in itertools.islice(_held(each), room))


def _held(obj: object) -> Iterator[object]:
    """What a container holds; a subclass may have methods of its own, which must not run."""
    if isinstance(obj, dict):
        return iter(dict.values(obj))
    if isinstance(obj, types.MappingProxyType):
        return iter(obj.values())
    base: Any = next(kind for kind in _CONTAINERS if isinstance(obj, kind))
    found: Iterator[object] = base.__iter__(obj)
    return found
