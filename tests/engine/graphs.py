"""Small graphs for the predictor's tests: a plan and channels from a compact description.

:func:`node` says what a node touches, :func:`graph` puts nodes together, and
:class:`Referee` does LangGraph's part: it applies the writes of a superstep with
LangGraph's own ``apply_writes`` and says which tasks the next one has. No node
has code here; the test says what a task has written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from langgraph.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
)
from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.types import Send

from langgraph_alto._langgraph import PULL, PUSH, TASKS, apply_writes
from langgraph_alto.engine.supersteps import Write
from langgraph_alto.plan.masks import Masks, Trigger, compile_masks
from langgraph_alto.plan.stages import Route, Stage, roots

ANY = "*"
"""In a description: unknown, so anything."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def known(text: str) -> frozenset[str] | None:
    return None if text == ANY else words(text)


@dataclass(frozen=True)
class Node:
    """A node of a description; see :func:`node`."""

    to: frozenset[str]
    may: frozenset[str] | None
    sends: frozenset[str] | None
    reads: frozenset[str]
    writes: frozenset[str] | None
    mutates: frozenset[str] | None
    router: frozenset[str] | None
    interrupts: bool
    store: bool
    barrier: str | None
    defer: bool


def node(
    to: str = "",
    *,
    may: str = "",
    sends: str = "",
    reads: str = "",
    writes: str = "",
    mutates: str = "",
    router: str | None = None,
    interrupts: bool = False,
    store: bool = False,
    barrier: str | None = None,
    defer: bool = False,
) -> Node:
    """Describe a node. Each text is a list of names, or :data:`ANY`.

    Args:
        to: Nodes that an edge leads to.
        may: Nodes that it may choose to lead to.
        sends: Nodes that it may send packets to.
        reads: State keys that it reads, or paths below them: ``"x topic.notes"``.
        writes: State keys that it may write.
        mutates: Keys or paths that it may change in place.
        router: State keys that its conditional edge reads; ``None``: it has none.
        interrupts: Whether it may call ``interrupt()``.
        store: Whether it uses the store.
        barrier: Why it never runs ahead.
        defer: Whether it waits for everything else.
    """
    return Node(
        to=words(to),
        may=known(may),
        sends=known(sends),
        reads=words(reads),
        writes=known(writes),
        mutates=known(mutates),
        router=None if router is None else words(router),
        interrupts=interrupts,
        store=store,
        barrier=barrier,
        defer=defer,
    )


class Graph(NamedTuple):
    """A compiled description.

    Args:
        masks: Its plan, compiled.
        channels: Makes its channels, all empty.
        sources: The waiting edges' channels, by source.
    """

    masks: Masks
    channels: Callable[[], dict[str, Any]]
    sources: Mapping[str, tuple[str, ...]]

    def bit(self, *names: str) -> int:
        return self.masks.mask(names)


def _paths(names: frozenset[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(name.split(".")) for name in names)


def _stage(name: str, of: Node, joined: tuple[str, ...]) -> Stage:
    sends, may = of.sends, of.may
    leads_to = None if sends is None or may is None else of.to | sends | may
    router = of.router
    routes = () if router is None else (Route(router, router, may, sends, partial=True),)
    return Stage(
        name=name,
        inputs=frozenset(read.split(".")[0] for read in of.reads),
        reads=_paths(of.reads),
        writes=None if of.writes is None else of.writes | frozenset(joined),
        mutates=None if of.mutates is None else _paths(of.mutates),
        edges=of.to,
        leads_to=leads_to,
        sends_to=sends,
        routes=routes,
        interrupts=of.interrupts,
        uses_store=of.store,
        barrier=of.barrier,
    )


def graph(
    *,
    joins: str = "",
    keys: Mapping[str, BaseChannel[Any, Any, Any]] | None = None,
    unsafe: str = "",
    **nodes: Node,
) -> Graph:
    """Compile a description.

    Args:
        joins: Waiting edges: ``"b+c->d e+f->g"``.
        keys: Channels of state keys; the others add to a list, in order.
        unsafe: Keys whose reducer may change its arguments.
        nodes: The nodes by name.
    """
    triggers: dict[str, tuple[tuple[str, Trigger], ...]] = {}
    made: dict[str, Callable[[], Any]] = {TASKS: lambda: Topic(Send)}
    for name, of in nodes.items():
        kind = Trigger.DEFERRED if of.defer else Trigger.EDGE
        triggers[f"to:{name}"] = ((name, kind),)
        made[f"to:{name}"] = (
            (lambda: LastValueAfterFinish(Any))
            if of.defer
            else (lambda: EphemeralValue(Any, guard=False))
        )
    sources: dict[str, tuple[str, ...]] = {}
    waiting: list[tuple[str, str, frozenset[str]]] = []
    for join in joins.split():
        left, target = join.split("->")
        of_join = frozenset(left.split("+"))
        channel = f"join:{join}"
        waiting.append((channel, target, of_join))
        triggers[channel] = ((target, Trigger.JOIN),)
        made[channel] = lambda of_join=of_join: NamedBarrierValue(str, set(of_join))  # type: ignore[misc]
        for source in of_join:
            sources[source] = (*sources.get(source, ()), channel)
    keys = keys or {}
    touched = {name for of in nodes.values() for name in of.reads | (of.router or set())}
    touched |= {name for of in nodes.values() for name in of.writes or ()}
    names = {name.split(".")[0] for name in touched} | set(keys)
    for name in names:
        made[name] = (
            keys[name].copy if name in keys else lambda: BinaryOperatorAggregate(list, operator.add)
        )
    masks = compile_masks(
        tuple(_stage(name, of, sources.get(name, ())) for name, of in nodes.items()),
        triggers,
        waiting,
        safe_reducers=frozenset(made) - words(unsafe),
    )
    return Graph(masks, lambda: {name: make() for name, make in made.items()}, sources)


class Made(NamedTuple):
    """A task that LangGraph has made.

    Args:
        node: The node's name.
        packet: The packet it runs on; ``None`` when an edge started it.
        place: The packet's place.
    """

    node: str
    packet: Any = None
    place: int | None = None

    @property
    def path(self) -> tuple[Any, ...]:
        return (PULL, self.node) if self.place is None else (PUSH, self.place, False)


class _Applied(NamedTuple):
    path: tuple[Any, ...]
    name: str
    writes: Sequence[Write]
    triggers: Sequence[str]


class Referee:
    """LangGraph's part: the channels, and which tasks each superstep has.

    Args:
        of: The graph.
        first: What the input writes: state keys, and triggers of the first nodes.
    """

    def __init__(self, of: Graph, first: Sequence[Write]) -> None:
        self.masks = of.masks
        self.channels = of.channels()
        self.step = 0
        self.updated: set[str] = set()
        self._versions: dict[str, int] = {}
        self._seen: dict[str, dict[str, int]] = {}
        self._nodes: dict[str, list[str]] = {}
        for channel, nodes in of.masks.triggers.items():
            self._nodes[channel] = [of.masks.stages[at].name for at, _ in nodes]
        self._triggers: dict[str, list[str]] = {stage.name: [] for stage in of.masks.stages}
        for channel, names in self._nodes.items():
            for name in names:
                self._triggers[name].append(channel)
        self.made = self._apply([_Applied((PULL, "__start__"), "__start__", first, ["start"])])

    def commit(self, tasks: Iterable[tuple[Made, Sequence[Write]]]) -> list[Made]:
        """Apply what the superstep's tasks have written.

        Returns:
            The tasks of the next superstep, as in ``prepare_next_tasks``.

        Raises:
            InvalidUpdateError: Two tasks have written a key that takes one value.
        """
        return self._apply(
            [
                _Applied(
                    made.path,
                    made.node,
                    writes,
                    (PUSH,) if made.place is not None else self._triggers[made.node],
                )
                for made, writes in tasks
            ]
        )

    def _apply(self, tasks: list[_Applied]) -> list[Made]:
        checkpoint: Any = {"channel_versions": self._versions, "versions_seen": self._seen}
        self.updated = apply_writes(
            checkpoint, self.channels, tasks, lambda last, _: (last or 0) + 1, self._nodes
        )
        self.step += 1
        self.made = [
            Made(packet.node, packet, place)
            for place, packet in enumerate(self.packets())
            if packet.node in self.masks.index
        ]
        # The same order in which LangGraph goes through its candidates.
        candidates = {name for channel in self.updated for name in self._nodes.get(channel, ())}
        self.made += [Made(name) for name in sorted(candidates) if self._fires(name)]
        return self.made

    def packets(self) -> Sequence[Any]:
        channel = self.channels[TASKS]
        return channel.get() if channel.is_available() else ()

    def _fires(self, name: str) -> bool:
        seen = self._seen.get(name, {})
        return any(
            self.channels[channel].is_available()
            and self._versions.get(channel, 0) > seen.get(channel, 0)
            for channel in self._triggers[name]
        )

    def values(self) -> dict[str, Any]:
        """The state keys that have a value."""
        return {
            name: channel.get()
            for name, channel in self.channels.items()
            if not name.startswith(("to:", "join:")) and channel.is_available()
        }


def last() -> LastValue[Any]:
    """A key that takes one value in a superstep."""
    return LastValue(Any)


def anything() -> AnyValue[Any]:
    """A key that holds the last value for one superstep."""
    return AnyValue(Any)


__all__ = [
    "ANY",
    "Graph",
    "Made",
    "Node",
    "Referee",
    "anything",
    "graph",
    "known",
    "last",
    "node",
    "roots",
    "words",
]
