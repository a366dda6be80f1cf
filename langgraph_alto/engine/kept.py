"""Whether what a task has put out is still what it was.

A node hands on an object when it yields it, and may change it afterwards::

    packet = {}
    for page in range(3):
        packet["page"] = page
        yield Send("read", packet)      # LangGraph reads page 2, three times

What started on the object as it was is then no use. So a picture is kept of each:
of lists, dicts, sets, dataclasses and Pydantic models all the way down. Any other
object is taken to stay as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from langgraph_alto.engine.partial import PartialState

_ATOMS = frozenset({str, int, float, bool, bytes, complex, type(None)})
_AGAIN = 64
"""What has more parts than this, and was seen before, is not looked at before the end."""

_GONE: Any = object()


class Kept:
    """Objects as they were when they were first seen."""

    __slots__ = ("_seen", "changed")

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, Any]] = {}
        self.changed = False
        """Whether one was found to have changed."""

    def add(self, value: Any) -> None:
        """See a value; in time linear in its parts that were not seen before."""
        waiting, here = [value], set[int]()
        while waiting:
            each = waiting.pop()
            if type(each) in _ATOMS or id(each) in here:
                continue
            here.add(id(each))
            known = self._seen.get(id(each))
            if known is not None and len(known[1]) > _AGAIN:
                continue
            parts = _parts(each)
            if parts is None:
                continue
            if known is None:
                self._seen[id(each)] = each, parts
            elif not _same(known[1], parts):
                self.changed = True
            waiting.extend(parts.values() if isinstance(parts, dict) else parts)

    def intact(self) -> bool:
        """Whether all that was seen is what it was."""
        return not self.changed and all(
            _same(parts, _parts(each)) for each, parts in self._seen.values()
        )


def _parts(value: Any) -> Any:
    """A copy of what an object holds directly; ``None`` for one that is not looked into."""
    if isinstance(value, PartialState):
        return None  # it is ours, and is read by nobody yet
    if isinstance(value, Mapping):
        return dict(value) if isinstance(value, dict) else None
    if isinstance(value, list | tuple | deque):
        return list(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, bytearray):
        return [bytes(value)]
    if isinstance(value, BaseModel):
        return {name: value.__dict__.get(name, _GONE) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name, _GONE) for each in fields(value)}
    return None


def _same(then: Any, now: Any) -> bool:
    if len(then) != len(now):
        return False
    if isinstance(then, dict):
        # LangGraph gives ids to messages that have none, when somebody adds them up.
        return all(
            key == other and (_alike(one, now[other]) or (key == "id" and one is None))
            for (key, one), other in zip(then.items(), now, strict=True)
        )
    return _all_alike(then, now)


def _all_alike(then: Iterable[Any], now: Iterable[Any]) -> bool:
    return all(_alike(one, other) for one, other in zip(then, now, strict=True))


def _alike(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and type(one) in _ATOMS and bool(one == other))
