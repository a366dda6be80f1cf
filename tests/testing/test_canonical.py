"""Equal text means equal value; nothing makes it raise."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel

from langgraph_alto.testing.canonical import canonical, without_ids

UUID_A = "11111111-2222-4333-8444-555555555555"
UUID_B = "99999999-2222-4333-8444-555555555555"
Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Model(BaseModel):
    a: int = 0
    inner: list[Any] = []


@dataclasses.dataclass
class Data:
    a: object


class Name(str):
    pass


SAME: list[tuple[object, object]] = [
    (float("nan"), float("nan")),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({3, 1, 2}, {1, 2, 3}),
    (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
    (Plain([1]), Plain([1])),
    (Slotted("x"), Slotted("x")),
    (AIMessage("hi", id=UUID_A), AIMessage("hi", id=UUID_B)),
    (AIMessage("hi", id=f"run--{UUID_A}"), AIMessage("hi", id=f"run--{UUID_B}")),
    (Interrupt("q", id="1"), Interrupt("q", id="2")),
    (ValueError("a"), ValueError("a")),
    (Model(a=1, inner=[Plain(1)]), Model(a=1, inner=[Plain(1)])),
]

DIFFERENT: list[tuple[object, object]] = [
    (1, True),
    (1, 1.0),
    (1, "1"),
    ([1, 2], (1, 2)),
    ([1, 2], [2, 1]),
    ({"a": None}, {}),
    ({1: 0}, {"1": 0}),
    (np.array([1]), np.array([1.0])),
    (np.array([1]), np.array([[1]])),
    (np.array([1]), [1]),
    (Plain(1), Plain(2)),
    (Plain(1), Slotted(1)),
    (Slotted(1), Slotted(2)),
    (AIMessage("a"), AIMessage("b")),
    (AIMessage("a"), HumanMessage("a")),
    (AIMessage("a", id="m1"), AIMessage("a", id="m2")),
    (Model(a=1), Model(a=2)),
    (Data(1), Data(2)),
    (Colour.RED, Colour.BLUE),
    (Point(1, 2), Point(2, 1)),
    (Point(1, 2), (1, 2)),
    (Send("a", 1), Send("a", 2)),
    (Command(goto="a"), Command(goto="b")),
    (Interrupt("q"), Interrupt("r")),
    (ValueError("a"), TypeError("a")),
    (Counter("aab"), Counter("ab")),
    (deque([1]), deque([2])),
    (OrderedDict(a=1), OrderedDict(a=2)),
    (Name("a"), "a"),
    (Decimal("1.0"), Decimal("1.1")),
    (datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)),
    (b"a", "a"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same(left: object, right: object) -> None:
    assert canonical(left) == canonical(right)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different(left: object, right: object) -> None:
    assert canonical(left) != canonical(right)


def test_reads_like_python() -> None:
    value = {"log": ["a", 1, None], "at": (1.5,), "who": Name("x"), "set": {2, 1}}
    assert canonical(value) == (
        "{'at': (1.5), 'log': ['a', 1, None], 'set': {1, 2}, 'who': Name('x')}"
    )


def test_is_a_snapshot() -> None:
    value = {"log": [1]}
    text = canonical(value)
    value["log"].append(2)
    assert text == "{'log': [1]}"


def _cycle() -> object:
    found: list[object] = []
    found.append(found)
    return found


def _deep() -> object:
    found: list[object] = []
    for _ in range(100_000):
        found = [found]
    return found


class _Hostile:
    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


HOSTILE: list[Callable[[], object]] = [
    _cycle,
    _deep,
    _Hostile,
    object,
    threading.Lock,
    lambda: canonical,
    lambda: defaultdict(list, a=[1]),
    lambda: iter([1]),
    lambda: Ellipsis,
]


@pytest.mark.parametrize("make", HOSTILE)
def test_never_raises(make: Callable[[], object]) -> None:
    assert canonical(make())


def test_shared_objects_are_no_cycle() -> None:
    shared = [1]
    assert canonical([shared, shared]) == "[[1], [1]]"


def test_without_ids() -> None:
    text = f"task {UUID_A} of <object object at 0x7f0011> and {'0af3' * 8}"
    assert without_ids(text) == "task <id> of <object object> and <id>"
