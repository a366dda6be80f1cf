"""Objects of classes that nothing tells: looked at when they are at hand.

Analysis takes it that iterating over an object, subscripting it or adding to it
leaves it as it was, unless its class says otherwise; see ``Facts.untold`` for
where it knew no class. Before a task runs ahead, the objects there are looked
up: an iterator, or one whose class has such methods of the user's own, may
change by that, so its task waits for its own superstep.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import io
import queue
import types
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from typing import Any, Final

from langgraph_alto.plan.analysis.dunders import OPERATORS
from langgraph_alto.plan.analysis.members import is_told, static
from langgraph_alto.plan.analysis.values import ELEMENT
from langgraph_alto.plan.effects import BELOW, Path

_MOST: Final = 20_000
"""How many objects are looked at, leaves apart; where there are more, the task waits."""

_LEAVES: Final = frozenset(
    (str, int, float, bool, bytes, complex, type(None), type, types.ModuleType)
) | {types.FunctionType, types.BuiltinFunctionType, types.MethodType}
_HOLDERS: Final = (list, tuple, set, frozenset, collections.deque)
_USED_UP: Final = (
    *(Iterator, AsyncIterator, Awaitable, io.IOBase, queue.Queue, queue.SimpleQueue),
    *(asyncio.Queue, collections.defaultdict),
)
_SPECIAL: Final = tuple(
    f"__{name}__"
    for name in (
        *("iter", "aiter", "next", "getitem", "missing", "contains", "neg", "pos", "invert"),
        *OPERATORS.values(),
        *(f"r{name}" for name in OPERATORS.values()),
    )
)
_DATA: Final = frozenset(
    """
    collections_abc dataclasses langchain_core langgraph networkx numbers numpy pandas polars
    pyarrow scipy sympy torch typing
    """.split()
)
"""Libraries whose objects stay as they are when they are iterated over or added to."""


def settled(untold: Iterable[Path], state: Mapping[str, Any] | None, packet: Any = None) -> bool:
    """Whether looking at these objects leaves them as they are.

    Args:
        untold: Where they are; see :class:`~langgraph_alto.plan.effects.Facts`.
        state: The values of a task's state keys; ``None`` if it runs on a packet.
        packet: What it runs on then.
    """
    for path in untold:
        if state is None:
            starts = [packet]
        elif not path:
            # The mapping that LangGraph makes for the task.
            continue
        elif path[0] == BELOW:
            starts = list(state.values())
        else:
            starts = [state[path[0]]] if path[0] in state else []
            path = path[1:]
        if not all(_stays(start, path) for start in starts):
            return False
    return True


def _stays(value: Any, path: Path) -> bool:
    here = [value]
    for place, name in enumerate(path):
        if name == BELOW:
            return _all_stay(here)
        found: list[Any] = []
        for each in here:
            inside = _inside(each, name)
            if inside is None:
                # It is not what the code that was read expects.
                return _all_stay(here)
            found.extend(inside)
        if len(found) > _MOST * (place + 1):
            return False
        here = found
    classes: set[type] = set(map(type, here))
    return all(map(_changeless, classes))


def _inside(value: Any, name: str) -> Iterable[Any] | None:
    """What is under a name of an object, without running any of its code."""
    if name == ELEMENT:
        return value if type(value) in _HOLDERS else None
    if isinstance(value, dict):
        return [dict.__getitem__(value, name)] if dict.__contains__(value, name) else []
    held = getattr(value, "__dict__", None)
    return [held[name]] if isinstance(held, dict) and name in held else None


def _all_stay(values: Iterable[Any]) -> bool:
    """Whether these objects, and all that is in them, stay as they are."""
    waiting = [each for each in values if type(each) not in _LEAVES]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        cls: type = type(value)
        if len(seen) > _MOST or not _changeless(cls):
            return False
        if isinstance(value, dict):
            inside: Iterable[Any] = dict.values(value)
        elif issubclass(cls, _HOLDERS):
            inside = value
        else:
            inside = _attributes(value, cls)
        waiting.extend([each for each in inside if type(each) not in _LEAVES])
    return True


def _attributes(value: Any, cls: type) -> list[Any]:
    if isinstance(value, (type, types.ModuleType)):
        return []
    held = getattr(value, "__dict__", None)
    found = list(held.values()) if isinstance(held, dict) else []
    for name in _slots(cls):
        with contextlib.suppress(AttributeError):
            found.append(object.__getattribute__(value, name))
    return found


@functools.lru_cache(maxsize=1024)
def _slots(cls: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in cls.__mro__
        for name, member in base.__dict__.items()
        if isinstance(member, types.MemberDescriptorType)
    )


@functools.lru_cache(maxsize=1024)
def _changeless(cls: type) -> bool:
    """Whether objects of a class stay as they are, whoever looks at what is in them."""
    if issubclass(cls, _USED_UP):
        return False
    return not any(_is_untold(cls, name) for name in _SPECIAL)


def _is_untold(cls: type, name: str) -> bool:
    method = static(cls, name)
    if not isinstance(method, types.FunctionType) or method.__code__.co_filename == "<string>":
        return False
    module = str(method.__module__).lstrip("_")
    return not is_told(module) and module.partition(".")[0] not in _DATA
