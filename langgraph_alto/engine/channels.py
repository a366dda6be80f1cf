"""Apply a superstep's writes by looking at the channels they concern.

LangGraph goes through every channel of the graph twice per superstep, to tell
those that were not written of a new step, and to tell all of them when nothing
is left to run. Both calls do nothing on most channels. Here only those are
visited on which they may do something; what a channel of an unknown class does
is its own affair, so it is always visited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langgraph.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import NamedBarrierValueAfterFinish

from langgraph_alto._langgraph import (
    ERROR,
    ERROR_SOURCE_NODE,
    INTERRUPT,
    NO_WRITES,
    PUSH,
    RESERVED,
    RESUME,
    RETURN,
    apply_writes,
    logger,
    task_path_str,
)
from langgraph_alto.gathering.log import Log

STEADY: frozenset[type] = frozenset(
    {
        BinaryOperatorAggregate,
        LastValue,
        LastValueAfterFinish,
        Log,
        NamedBarrierValue,
        NamedBarrierValueAfterFinish,
        UntrackedValue,
    }
)
"""Channel classes that keep their value through a superstep that does not write them."""

FADING: frozenset[type] = frozenset({AnyValue, EphemeralValue, Topic})
"""Channel classes that lose their value in a superstep that does not write them."""

_NO_CHANNEL = frozenset({NO_WRITES, PUSH, RESUME, INTERRUPT, RETURN, ERROR, ERROR_SOURCE_NODE})
_NOTHING: Sequence[Any] = ()


def steady(channel: Any) -> bool:
    """Whether a superstep that does not write the channel leaves it as it is."""
    return type(channel) in STEADY or (type(channel) is Topic and channel.accumulate)


class Kinds:
    """Which of a graph's channels a superstep may have to visit.

    Args:
        specs: The graph's channels by name, values of a run or not.
    """

    __slots__ = ("finishing", "strange", "unsteady")

    def __init__(self, specs: Mapping[str, Any]) -> None:
        channels = {name: spec for name, spec in specs.items() if isinstance(spec, BaseChannel)}
        self.unsteady = frozenset(name for name, channel in channels.items() if not steady(channel))
        self.strange = frozenset(
            name for name in self.unsteady if type(channels[name]) not in FADING
        )
        self.finishing = tuple(
            name
            for name, channel in channels.items()
            if type(channel).finish is not BaseChannel.finish
        )


class Channels(dict[str, Any]):
    """The channels of a run.

    Args:
        channels: The run's channels, by name.
        kinds: Which of them a superstep may have to visit.
    """

    __slots__ = ("fading", "kinds", "made_of")

    def __init__(self, channels: Mapping[str, Any], kinds: Kinds | None = None) -> None:
        super().__init__(channels)
        self.kinds = kinds or Kinds(channels)
        # Tells of a channel that has been made of the same writes already.
        self.made_of: Callable[[str, list[Any]], tuple[Any, bool] | None] | None = None
        # Those that hold a value which may fade.
        self.fading = {name for name in self.kinds.unsteady if self[name].is_available()}


def apply_to_channels(
    checkpoint: Any,
    channels: Mapping[str, Any],
    tasks: Iterable[Any],
    get_next_version: Any,
    trigger_to_nodes: Mapping[str, Sequence[str]],
) -> set[str]:
    """What LangGraph's ``apply_writes`` does, for :class:`Channels`.

    Returns:
        The names of the channels that were updated and hold a value.
    """
    if not isinstance(channels, Channels) or get_next_version is None:
        return apply_writes(checkpoint, channels, tasks, get_next_version, trigger_to_nodes)
    tasks = list(tasks)
    if len(tasks) > 1:
        tasks.sort(key=lambda task: task_path_str(task.path[:3]))
    versions, seen = checkpoint["channel_versions"], checkpoint["versions_seen"]
    bump = False
    consumed: set[str] = set()
    for task in tasks:
        triggers = task.triggers
        if triggers:
            bump = True
            consumed.update(triggers)
        seen.setdefault(task.name, {}).update(
            {name: versions[name] for name in triggers if name in versions}
        )
    following = get_next_version(max(versions.values()) if versions else None, None)
    for name in consumed:
        if name not in RESERVED and name in channels and channels[name].consume():
            versions[name] = following
    written: dict[str, list[Any]] = {}
    for task in tasks:
        for name, value in task.writes:
            if name in _NO_CHANNEL:
                continue
            if name not in channels:
                logger.warning(
                    "Task %s with path %s wrote to unknown channel %s, ignoring it.",
                    task.name,
                    task.path,
                    name,
                )
            elif (values := written.get(name)) is None:
                written[name] = [value]
            else:
                values.append(value)
    updated: set[str] = set()
    for name, values in written.items():
        channel = channels[name]
        made = None if channels.made_of is None else channels.made_of(name, values)
        if made is None:
            changed = channel.update(values)
        else:
            channel, changed = made
            channels[name] = channel
        if changed:
            versions[name] = following
            if channel.is_available():
                updated.add(name)
    if bump:
        for name in (channels.fading | channels.kinds.strange) - updated:
            channel = channels[name]
            if channel.is_available() and channel.update(_NOTHING):
                versions[name] = following
                if channel.is_available():
                    updated.add(name)
        channels.fading = {
            name
            for name in channels.fading | (updated & channels.kinds.unsteady)
            if channels[name].is_available()
        }
        if updated.isdisjoint(trigger_to_nodes):
            for name in channels.kinds.finishing:
                channel = channels[name]
                if channel.finish():
                    versions[name] = following
                    if channel.is_available():
                        updated.add(name)
    else:
        channels.fading |= updated & channels.kinds.unsteady
    return updated


class _Listed:
    """The channel of packets, while the tasks for them are made.

    LangGraph asks it for all packets once for each of them, and gets a new list
    each time; here it gets the same one.
    """

    def __init__(self, packets: Any) -> None:
        self.packets = packets
        self.values = packets.get()

    def is_available(self) -> bool:
        return True

    def get(self) -> Any:
        return self.values

    def __getattr__(self, name: str) -> Any:
        return getattr(self.packets, name)


@contextmanager
def listed(channels: dict[str, Any], name: str) -> Iterator[None]:
    """Make many tasks for the packets of a channel without a copy of all for each.

    Args:
        channels: The run's channels.
        name: Name of the channel of packets, which holds some.
    """
    packets = channels[name]
    channels[name] = _Listed(packets)
    try:
        yield
    finally:
        channels[name] = packets
