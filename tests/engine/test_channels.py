"""Applying writes to the channels they concern: the same as LangGraph's going through all."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    DeltaChannel,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import NamedBarrierValueAfterFinish
from langgraph.errors import InvalidUpdateError

from langgraph_alto._langgraph import ERROR, NO_WRITES, PULL, PUSH, apply_writes
from langgraph_alto.engine.channels import FADING, STEADY, Channels, apply_to_channels, steady
from langgraph_alto.gathering.log import Log


class Counting(LastValue[Any]):
    """Counts the supersteps that do not write it, and says so."""

    def update(self, values: Sequence[Any]) -> bool:
        if not values:
            self.value += 1
            return True
        return super().update(values)


class OneShot(AnyValue[Any]):
    """Is gone once read, and looks written when it is not."""

    def update(self, values: Sequence[Any]) -> bool:
        return super().update(values) if values else False

    def consume(self) -> bool:
        return super().update(())


class Silent(AnyValue[Any]):
    """Says that it is unchanged when it is written, and changed when it is not."""

    def update(self, values: Sequence[Any]) -> bool:
        if values:
            super().update(values)
        return not values


class AtTheEnd(UntrackedValue[Any]):
    """Changes when the run seems to end."""

    def finish(self) -> bool:
        self.value = ("end", self.value)
        return True


class Barrier(NamedBarrierValue[Any]):
    """A subclass that changes nothing may still change tomorrow."""


def _add(left: list[Any], right: Sequence[Any]) -> list[Any]:
    return [*left, *right]


NAMES = {"a", "b"}
KINDS: Mapping[str, Callable[[], BaseChannel[Any, Any, Any]]] = {
    "last": lambda: LastValue(int),
    "any": lambda: AnyValue(int),
    "ephemeral": lambda: EphemeralValue(int),
    "unguarded": lambda: EphemeralValue(int, guard=False),
    "untracked": lambda: UntrackedValue(int, guard=False),
    "topic": lambda: Topic(int),
    "log": lambda: Topic(int, accumulate=True),
    "sum": lambda: BinaryOperatorAggregate(int, operator.add),
    "delta": lambda: DeltaChannel(_add, list),
    "barrier": lambda: NamedBarrierValue(str, NAMES),
    "after": lambda: LastValueAfterFinish(int),
    "barrier after": lambda: NamedBarrierValueAfterFinish(str, NAMES),
    "counting": lambda: Counting(int),
    "one shot": lambda: OneShot(int),
    # A name that LangGraph keeps for itself: not consumed, whatever it is.
    "configurable": lambda: OneShot(int),
    "silent": lambda: Silent(int),
    "at the end": lambda: AtTheEnd(int, guard=False),
    "own barrier": lambda: Barrier(str, NAMES),
}


class Task(NamedTuple):
    path: tuple[Any, ...]
    name: str
    writes: Sequence[tuple[str, Any]]
    triggers: Sequence[str]


def _value(name: str, number: int) -> Any:
    if "barrier" in name:
        return "ab"[number % 2]
    if name in ("topic", "log") and number % 3 == 0:
        return [number] * (number % 4)
    return number


NUMBERS = st.integers(0, 9)
CHANNEL = st.sampled_from([*KINDS, "unknown", NO_WRITES, ERROR])
WRITES = st.lists(
    st.builds(lambda name, number: (name, _value(name, number)), CHANNEL, NUMBERS), max_size=4
)
TRIGGERS = st.lists(st.sampled_from([*KINDS, "unknown"]), max_size=3, unique=True)


@st.composite
def supersteps(draw: st.DrawFn) -> list[Task]:
    """The tasks of a superstep, in any order: edge-started ones, packets, or the input."""
    tasks = [
        Task((PULL, name), name, draw(WRITES), tuple(sorted(draw(TRIGGERS))))
        for name in draw(st.lists(st.sampled_from("nmop"), max_size=3, unique=True))
    ]
    tasks += [
        Task((PUSH, place, False), "w", draw(WRITES), (PUSH,))
        for place in range(draw(st.integers(0, 2)))
    ]
    if draw(st.integers(0, 5)) == 0:
        tasks = [Task((), "input", draw(WRITES), ())]
    return draw(st.permutations(tasks))


def next_version(current: int | None, _: object) -> int:
    return (current or 0) + 1


class Side:
    """The state of one of the two."""

    def __init__(self, apply: Callable[..., set[str]], channels: Mapping[str, Any]) -> None:
        self.apply = apply
        self.channels = channels
        self.checkpoint: dict[str, Any] = {"channel_versions": {}, "versions_seen": {}}

    def step(self, tasks: Sequence[Task], nodes: Mapping[str, Any]) -> Any:
        """What one superstep leaves behind, everything that LangGraph looks at."""
        try:
            updated = self.apply(self.checkpoint, self.channels, tasks, next_version, nodes)
        except InvalidUpdateError as error:
            return str(error)
        held = {
            name: (
                channel.is_available(),
                channel.checkpoint(),
                channel.is_available() and channel.get(),
            )
            for name, channel in self.channels.items()
        }
        return updated, self.checkpoint, held


@settings(max_examples=400)
@given(
    st.lists(supersteps(), min_size=1, max_size=6),
    st.lists(st.sampled_from(list(KINDS)), max_size=6, unique=True),
    st.lists(
        st.tuples(st.sampled_from(list(KINDS)), NUMBERS), max_size=4, unique_by=lambda w: w[0]
    ),
)
def test_as_langgraph_does(
    steps: list[list[Task]], starting: list[str], first: list[tuple[str, int]]
) -> None:
    """Versions, versions seen, values and what was updated, superstep by superstep."""
    nodes = dict.fromkeys(starting, ("n",))

    def channels() -> dict[str, Any]:
        made = {name: make() for name, make in KINDS.items()}
        for name, number in first:
            made[name].update([_value(name, number)])
        return made

    theirs, ours = Side(apply_writes, channels()), Side(apply_to_channels, Channels(channels()))
    for tasks in steps:
        expected = theirs.step(tasks, nodes)
        assert ours.step(tasks, nodes) == expected
        if isinstance(expected, str):
            return


def test_every_class_is_known() -> None:
    """A class that LangGraph adds must be looked at, not taken for either kind."""
    known = {type(make()) for make in KINDS.values()}
    own = {Counting, OneShot, Silent, AtTheEnd, Barrier, DeltaChannel}
    # That of gathers is a steady one, of this package; its own tests are in tests/gather.
    assert known - own == (STEADY | FADING) - {Log}
    assert [steady(kind()) for kind in (KINDS["log"], KINDS["topic"], KINDS["delta"])] == [
        True,
        False,
        False,
    ]
    assert not steady(Barrier(str, NAMES)), "a subclass may do anything"


def test_only_what_may_change_is_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason for all this: a superstep's cost does not grow with the graph's channels."""
    channels = Channels({**{f"k{n}": LastValue(int) for n in range(50)}, "e": EphemeralValue(int)})
    touched: list[Any] = []

    def noted(update: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
        def noting(self: Any, values: Any) -> bool:
            touched.append(self)
            return update(self, values)

        return noting

    for kind in (LastValue, EphemeralValue):
        monkeypatch.setattr(kind, "update", noted(kind.update))
    checkpoint: Any = {"channel_versions": {}, "versions_seen": {}}
    writes = [Task((PULL, "n"), "n", [("k1", 1), ("e", 1)], ("k0",))]
    assert apply_to_channels(checkpoint, channels, writes, next_version, {}) == {"k1", "e"}
    assert len(touched) == 2
    nothing = [Task((PULL, "n"), "n", [], ("k0",))]
    assert apply_to_channels(checkpoint, channels, nothing, next_version, {}) == set()
    assert len(touched) == 3, "e fades"
    apply_to_channels(checkpoint, channels, nothing, next_version, {})
    assert len(touched) == 3


def test_unknown_channels_are_named(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [Task((PULL, "n"), "n", [("nowhere", 1)], ())]
    for side in (Side(apply_writes, {}), Side(apply_to_channels, Channels({}))):
        side.step(tasks, {})
    theirs, ours = (record.getMessage() for record in caplog.records)
    assert ours == theirs
    assert "nowhere" in ours


def test_other_mappings_are_left_to_langgraph() -> None:
    """LangGraph also applies writes to channels that are not a run's."""
    channels: dict[str, Any] = {"x": LastValue(int)}
    checkpoint: Any = {"channel_versions": {}, "versions_seen": {}}
    tasks = [Task((PULL, "n"), "n", [("x", 1)], ("t",))]
    assert apply_to_channels(checkpoint, channels, tasks, next_version, {}) == {"x"}
    assert apply_to_channels(checkpoint, Channels(channels), tasks, None, {}) == set()


def test_reserved_names_are_not_consumed() -> None:
    """A channel may have a name that LangGraph uses for itself."""
    tasks = [Task((PULL, "n"), "n", [], ("configurable", "one shot"))]
    for apply, kind in ((apply_writes, dict), (apply_to_channels, Channels)):
        channels = kind({name: OneShot(int) for name in ("configurable", "one shot")})
        for channel in channels.values():
            channel.update([1])
        Side(apply, channels).step(tasks, {})
        assert [channel.is_available() for channel in channels.values()] == [True, False]
