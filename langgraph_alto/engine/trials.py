"""Trying a node's routers on a value that its model has not finished.

What a router returns for half a text is taken only as far as it will stay: not the
packets that came out otherwise when there was less of the text, nor what holds all of
it, nor what stands behind the pieces::

    shown          a router returns      started
    ""             [Sum]                 (one packet stands at the end)
    "A. "          [A, Sum]              A
    "A. B. "       [A, B, Sum]           B

A router that is tried is heard by nobody and changes nothing: what it would write,
call or ask for is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.messages import AIMessage
from langgraph.types import Send

from langgraph_alto._langgraph import (
    CONF,
    CONFIG_KEY_CALL,
    CONFIG_KEY_CHECKPOINTER,
    CONFIG_KEY_READ,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_STREAM,
    PregelTaskWrites,
    local_read,
)
from langgraph_alto.engine.growth import same_packet
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.partial_objects import PartialDict, PartialObject, make_partial
from langgraph_alto.engine.routes import routes_of
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.engine.tools import calls_of
from langgraph_alto.gathering.scopes import Addressed, Tracked, addressed_ahead
from langgraph_alto.streams.declare import Stream

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead

_DEPTH = 4
"""How deep in plain containers a packet is looked through for the text itself."""


class Trial:
    """One conditional edge of a task, tried while the task runs.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        writer: The conditional edge, as LangGraph runs it.
        stream: What was declared.
        messages: Whether the key's values are messages.

    Attributes:
        given: The packets that stay, as the router returned them.
        probed: Whether the router was tried on an empty text.
    """

    def __init__(
        self, ahead: Ahead, known: Task, made: Any, writer: Any, stream: Stream, *, messages: bool
    ) -> None:
        self.ahead = ahead
        self.known = known
        self.made = made
        self.stream = stream
        self.messages = messages
        self.branch = writer.func.__self__
        self.reader = writer.kwargs["reader"].keywords
        self.given: list[Send] = []
        self.probed = False
        self._empty: list[Send] = []
        self._previous: list[Send] = []
        self._off = False
        # What must not be in a packet: the state, and what of it grows.
        self._growing: set[int] = set()

    def forget(self) -> None:
        """Another model begins: what the one before wrote counts for nothing."""
        self.given = []
        self._previous = []

    def state(self, value: Any) -> PartialDict | PartialObject | None:
        """The router's state as it would be with the value written, if it can be made."""
        ahead, key, step = self.ahead, self.stream.key, self.known.step
        with ahead.locked():
            if ahead.frozen or ahead.closed or self._off:
                return None
            keys: list[str] = list(self.reader["select"])
            known = [name for name in keys if name in ahead.loop.channels]
            own = ahead.masks.stages[self.known.node].writes
            certain = {key}
            if own is not None:
                certain |= ahead.predictor.certain(known, step) - own
            # Copies: the router reads them while the real ones move on.
            channels = {
                name: ahead.predictor.virtual.channel(name, step).copy() for name in certain
            }
            writes = PregelTaskWrites(
                self.made.path, self.made.name, [(key, value)], self.made.triggers
            )
            state = local_read(
                self.made.config[CONF][CONFIG_KEY_SCRATCHPAD],
                channels,
                ahead.loop.managed,
                writes,
                [name for name in keys if name in certain or name not in known],
                True,
            )
        found = make_partial(
            self.reader.get("mapper"), self.made.name, state, frozenset(known) - certain
        )
        if found is not None:
            self._growing = {id(found.target), id(state[key])}
            if self.messages:
                self._growing.update(map(id, state[key][-1:]))
            elif len(state[key]) < 2:
                self._growing.discard(id(state[key]))  # Python has one of each
        return found

    def empty(self) -> Any:
        """The value before the model has written anything."""
        self.probed = True
        return [AIMessage(content="")] if self.messages else ""

    def route(self, state: PartialDict | PartialObject) -> list[Send]:
        """Try the router; its packets.

        Raises:
            Misprediction: It did, or read, more than it may.
        """
        result = self._path.invoke(state.target, self._config(CallbackManager))
        return self._packets(state, result)

    async def aroute(self, state: PartialDict | PartialObject) -> list[Send]:
        """Try the router on the event loop; see :meth:`route`."""
        result = await self._path.ainvoke(state.target, self._config(AsyncCallbackManager))
        return self._packets(state, result)

    def expect(self, packets: list[Send]) -> None:
        """This is what the router returns for an empty text."""
        self._empty = packets

    def take(self, packets: list[Send], *, last: bool) -> tuple[list[Send], list[Send]]:
        """Take what the router returned.

        Args:
            packets: The packets.
            last: Whether the model has ended; the node may still change the text.

        Returns:
            Packets that stay and were not known before, and those that were given
            and have not stayed. After the latter, no more is taken.
        """
        same = _common(self.given, packets)
        if same < len(self.given):
            self._off = True
            lost, self.given = self.given[same:], self.given[:same]
            return [], lost
        whole = self.messages and self.stream.by is None  # calls are complete, or not there
        stay = len(packets)
        if _common(self._empty, packets) < len(self._empty):
            stay -= len(self._empty)
        if not whole and (last or self.stream.by is None):
            stay = min(stay, len(packets) - 1)
        if not whole and not last and self.stream.by is None:
            stay = min(stay, _common(self._previous, packets))
        self._previous = packets
        growing = (place for place, packet in enumerate(packets) if self._grows(packet))
        stay = min(stay, next(growing, stay))
        fresh = packets[len(self.given) : stay]
        self.given.extend(fresh)
        return fresh, []

    def addressed(self, packet: Send) -> Send | None:
        """A packet as LangGraph will be given it; ``None`` where that is not known yet."""
        path = self.branch.path
        if not isinstance(path, Addressed) or packet.node not in path.scope.tracked:
            return packet
        bound = self.ahead.loop.nodes[self.made.name].bound
        if path.slot > 1 or not isinstance(bound, Tracked):
            return None  # its place is that behind what others send
        place = next(at for at, given in enumerate(self.given) if given is packet)
        return addressed_ahead(path.scope, self.made.config, self.made.input, packet, place)

    @property
    def _path(self) -> Any:
        path = self.branch.path
        return path.inner if isinstance(path, Addressed) else path

    def _packets(self, state: PartialDict | PartialObject, result: Any) -> list[Send]:
        if state.refused:
            raise Misprediction(self.made.name, "routed on what is not certain yet")
        results = result if isinstance(result, list | tuple) else [result]
        return [packet for packet in results if isinstance(packet, Send)]

    def _grows(self, packet: Send) -> bool:
        """Whether a packet holds the text itself, or the state it is in."""
        if calls_of(packet.arg) is not None:
            return False  # an agent's state goes beside the call, and is left out
        return _holds(packet.arg, self._growing, _DEPTH)

    def _config(self, manager: Any) -> Any:
        """The task's config for a router that is tried: it is heard by nobody."""
        name = self.made.name

        def refused(*_: Any, **__: Any) -> Any:
            raise Misprediction(name, "did more than route on half a text")

        conf = self.made.config[CONF]
        runtime = conf[CONFIG_KEY_RUNTIME]
        silent = {key: value for key, value in conf.items() if key != CONFIG_KEY_STREAM}
        return {
            **self.made.config,
            "callbacks": manager(handlers=[]),
            CONF: {
                **silent,
                CONFIG_KEY_SCRATCHPAD: replace(
                    conf[CONFIG_KEY_SCRATCHPAD],
                    interrupt_counter=refused,
                    get_null_resume=refused,
                ),
                CONFIG_KEY_CALL: refused,
                CONFIG_KEY_READ: refused,
                CONFIG_KEY_CHECKPOINTER: None,
                CONFIG_KEY_RUNTIME: runtime.override(stream_writer=lambda _: None),
            },
        }


def trials_of(
    ahead: Ahead, known: Task, made: Any, stream: Stream, *, messages: bool
) -> list[Trial]:
    """The conditional edges of a task that can be tried on what its model writes.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        stream: What was declared.
        messages: Whether the key's values are messages.
    """
    if stream.key not in ahead.masks.safe_reducers:
        return []
    trials = []
    # One that changes what it is given would change it for everybody, again and again.
    routes = ahead.masks.stages[known.node].routes
    writers = routes_of(ahead.loop.nodes[made.name])
    if len(routes) != len(writers):
        return []
    for writer, route in zip(writers, routes, strict=True):
        if route.changes:
            continue
        reader = writer.kwargs.get("reader")
        select = reader.keywords.get("select", ()) if reader is not None else ()
        if not isinstance(select, str) and stream.key in select:
            trials.append(Trial(ahead, known, made, writer, stream, messages=messages))
    return trials


def _common(left: list[Send], right: list[Send]) -> int:
    """How many packets two lists have in common, from the first on."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if not same_packet(one, other):
            return place
    return min(len(left), len(right))


def _holds(value: Any, things: set[int], depth: int) -> bool:
    """Whether one of some objects is a value, or in the containers that it is made of."""
    if id(value) in things:
        return True
    if not depth:
        return False
    parts: Iterable[Any] = ()
    if isinstance(value, dict):
        parts = dict.values(value)
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    return any(_holds(part, things, depth - 1) for part in parts)
