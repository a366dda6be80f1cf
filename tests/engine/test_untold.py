"""What only the objects themselves tell: looking into some changes them.

In each graph two nodes look into one object, and plain LangGraph lets the slow
one go first::

    make --> slow
    make --> first --> then
"""

from __future__ import annotations

import collections
import itertools
import operator
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel

from langgraph_alto import wrap
from langgraph_alto.engine.untold import settled
from langgraph_alto.plan.effects import Effects
from langgraph_alto.plan.shape import masks_of
from langgraph_alto.testing import check

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


class State(TypedDict):
    thing: Any
    out: Annotated[list[Any], operator.add]


class Stack:
    """Whoever iterates over it, subscripts it or adds to it takes from it."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)

    def __iter__(self) -> Iterator[Any]:
        while self.items:
            yield self.items.pop()

    def __getitem__(self, index: int) -> Any:
        return self.items.pop()

    def __contains__(self, item: Any) -> bool:
        return self.items.pop() is item

    def __sub__(self, other: Any) -> Any:
        return self.items.pop()


def graph_of(
    thing: Callable[[], Any], look: Callable[[Any], Any], later: Callable[[Any], Any] | None = None
) -> StateGraph[Any]:
    look_later = later or look

    def make(state: State) -> dict[str, Any]:
        return {"thing": thing()}

    def slow(state: State) -> dict[str, Any]:
        return {"out": [f"slow {look(state['thing'])}"]}

    def first(state: State) -> dict[str, Any]:
        return {"out": ["first"]}

    def then(state: State) -> dict[str, Any]:
        return {"out": [f"then {look_later(state['thing'])}"]}

    builder = StateGraph(State)
    for name, node in (("make", make), ("slow", slow), ("first", first), ("then", then)):
        builder.add_node(name, node)
    builder.add_edge(START, "make")
    builder.add_edge("make", "slow")
    builder.add_edge("make", "first")
    builder.add_edge("first", "then")
    return builder


def numbers() -> Any:
    return iter([1, 2, 3])


def generator() -> Any:
    return (n for n in [1, 2, 3])


def held() -> Any:
    return types.SimpleNamespace(items=iter([1, 2, 3]))


def stack() -> Any:
    return Stack(1, 2, 3)


def loops(thing: Any) -> Any:
    return [n for n in thing]  # noqa: C416


def unpacks(thing: Any) -> Any:
    first, *_ = thing
    return first


def lists(thing: Any) -> Any:
    return list(thing)


def some(thing: Any) -> Any:
    return list(itertools.islice(thing, 1))


def pairs(thing: Any) -> Any:
    return list(zip(thing, "ab", strict=False))


def finds(thing: Any) -> Any:
    return 1 in thing


def asks(thing: Any) -> Any:
    return any(n == 1 for n in thing), any(thing)


def joins(thing: Any) -> Any:
    return ",".join(thing)


def takes(thing: Any) -> Any:
    return thing[0]


def subtracts(thing: Any) -> Any:
    return thing - 1


def looks_deeper(thing: Any) -> Any:
    return list(thing.items)


@pytest.mark.parametrize(
    ("thing", "look"),
    [
        *((thing, look) for thing in (numbers, generator) for look in (loops, unpacks, lists)),
        *((numbers, look) for look in (some, pairs, finds, asks)),
        (lambda: iter("abc"), joins),
        *((stack, look) for look in (loops, lists, finds, takes, subtracts)),
        (held, looks_deeper),
    ],
)
def test_what_is_changed_by_looking_is_looked_at_in_turn(
    thing: Callable[[], Any], look: Callable[[Any], Any]
) -> None:
    report = check(
        graph_of(thing, look), [{"thing": None, "out": []}], delays={"slow": 0.05}, mode="both"
    )
    report.raise_for_difference()


class Topic(BaseModel):
    title: str = "t"
    tags: list[str] = []


@pytest.mark.parametrize(
    ("thing", "look"),
    [
        *((lambda: [1, 2, 3], look) for look in (loops, unpacks, lists, some, pairs, finds, takes)),
        (lambda: "abc", joins),
        (lambda: 3, subtracts),
        (lambda: types.SimpleNamespace(items=[1]), looks_deeper),
        (lambda: {"a": [Topic(), Topic(tags=["x"])], "b": {"c": (1, None)}}, lists),
        (lambda: collections.deque([1, 2]), loops),
    ],
)
def test_what_stays_as_it_is_does_not_wait(
    thing: Callable[[], Any], look: Callable[[Any], Any]
) -> None:
    ran = threading.Event()

    def slowly(value: Any) -> Any:
        seen = look(value)
        if not ran.wait(5):
            raise TimeoutError("the other one waits for this")
        return seen

    def at_once(value: Any) -> Any:
        seen = look(value)
        ran.set()
        return seen

    out = wrap(graph_of(thing, slowly, at_once).compile()).invoke({"thing": None, "out": []})["out"]
    assert len(out) == 3


class Packets(TypedDict, total=False):
    out: Annotated[list[Any], operator.add]


def sends(thing: Callable[[], Any], node: Callable[[Any], Any]) -> StateGraph[Any]:
    """Two packets of one object: the slow one's, and one that is sent later.

    START --> split ==> slow
                    --> first ==> then
    """
    one: list[Any] = []

    def split(state: Packets) -> dict[str, Any]:
        one[:] = [thing()]
        return {}

    def to_slow(state: Packets) -> list[Any]:
        return [Send("slow", {"thing": one[0]}), "first"]

    def to_then(state: Packets) -> list[Any]:
        return [Send("then", {"thing": one[0]})]

    def slow(state: Any) -> dict[str, Any]:
        time.sleep(0.05)
        return {"out": [f"slow {node(state)}"]}

    def first(state: Packets) -> dict[str, Any]:
        return {"out": ["first"]}

    def then(state: Any) -> dict[str, Any]:
        return {"out": [f"then {node(state)}"]}

    builder = StateGraph(Packets)
    bodies: dict[str, Any] = {"split": split, "slow": slow, "first": first, "then": then}
    for name, body in bodies.items():
        builder.add_node(name, body)
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", to_slow, ["slow", "first"])
    builder.add_conditional_edges("first", to_then, ["then"])
    return builder


def loops_over_part(packet):
    return [n for n in packet["thing"]]  # noqa: C416


def loops_over_parts(packet):
    return [list(part) for part in packet.values()]


@pytest.mark.parametrize("thing", [numbers, generator, stack])
@pytest.mark.parametrize("node", [loops_over_part, loops_over_parts])
def test_what_is_changed_by_looking_waits_in_packets(
    thing: Callable[[], Any], node: Callable[[Any], Any]
) -> None:
    plain = sends(thing, node).compile().invoke({"out": []})
    assert wrap(sends(thing, node).compile()).invoke({"out": []}) == plain


def test_what_is_declared_is_not_looked_at() -> None:
    masks = masks_of(graph_of(numbers, loops).compile())
    assert masks.stages[masks.index["then"]].untold == {("thing",)}
    harmless = {name: Effects(mutates=()) for name in ("slow", "then")}
    masks = masks_of(graph_of(numbers, loops).compile(), harmless)
    assert masks.stages[masks.index["then"]].untold == frozenset()


class Meter:
    """Who asks how far it is from something moves it."""

    def __init__(self) -> None:
        self.at = 0

    def __sub__(self, other: int) -> int:
        self.at += 1
        return self.at - other


def name_of(thing: Any) -> str:
    return f"at {thing.at}"


def test_who_reads_what_another_changes_by_looking_waits() -> None:
    builder = graph_of(Meter, sleeps_and_subtracts, name_of)
    masks = masks_of(builder.compile())
    assert masks.stages[masks.index["then"]].untold == {("thing",)}
    plain = builder.compile().invoke({"thing": None, "out": []})["out"]
    assert wrap(builder.compile()).invoke({"thing": None, "out": []})["out"] == plain


def sleeps_and_subtracts(thing: Any) -> Any:
    time.sleep(0.05)
    return thing - 1


def test_paths_lead_to_what_is_looked_at() -> None:
    files = {"docs": [{"lines": iter("ab")}], "name": "n", "topic": Topic()}
    assert settled([("docs",), ("name",), ("topic",), ()], files)
    assert not settled([("docs", "*")], files)
    assert not settled([("*",)], files)
    assert settled([("docs", "[]")], files)
    assert not settled([("docs", "[]", "lines")], files)
    assert settled([("topic", "tags"), ("topic", "*"), ("other",), ("other", "*")], files)
    assert not settled([()], None, iter("ab"))
    assert settled([()], None, files)
    assert not settled([("docs", "[]", "lines")], None, files)
    # What is not as the code expects is looked at as a whole.
    assert not settled([("docs", "lines")], files)


def test_very_much_is_not_looked_at() -> None:
    assert settled([("docs", "*")], {"docs": ["text"] * 100_000})
    assert not settled([("docs", "*")], {"docs": [[] for _ in range(30_000)]})


def test_what_refers_to_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert settled([("loop", "*")], {"loop": loop})


class Slotted:
    __slots__ = ("held", "other")

    held: Any
    other: Any


def test_slots_are_looked_into() -> None:
    thing = Slotted()
    assert settled([("thing", "*")], {"thing": thing})
    thing.held = iter("ab")
    assert not settled([("thing", "*")], {"thing": thing})
