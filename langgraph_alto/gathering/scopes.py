"""What the nodes of a gathered fan-out do beside their work: envelopes and entries.

When a graph with a gather is compiled, each node of the fan-out becomes a
:class:`Tracked` one and each of its conditional edges a :class:`Addressed` one.
They hand the user's functions just what they would be given otherwise, and keep
the account: where the task stands, what it sent, what it returned. All of it is
in the task's own writes, so plain LangGraph commits, retries and resumes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command, Send

from langgraph_alto.gather import Errors
from langgraph_alto.gathering.log import Entry, Envelope, compact, unwrapped, wrapped_in
from langgraph_alto.gathering.outputs import (
    attempt_of,
    chosen,
    commands,
    gotos,
    is_command,
    is_retried,
    update_of,
    without_goto,
)

_FANOUT = "__alto_fanout"
"""Where a task's config holds its account, for the task's routers."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a node is to one gather.

    Args:
        log: The gather's channel.
        over: Whether its tasks are the parents.
        of: Whether its tasks' results are gathered.
        key: The one key of the updates that is gathered; ``None``: all.
        targets: The nodes of the fan-out that it sends packets to.
    """

    log: str
    over: bool
    of: bool
    key: str | None
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """A node's place in the gathered fan-outs of its graph.

    Args:
        node: Its name.
        roles: One for each gather it belongs to.
        tracked: The nodes whose packets travel in envelopes.
        errors: The error scope declared for what it sends; ``None`` where there
            is none.
        routers: How many conditional edges it has.
    """

    node: str
    roles: tuple[Role, ...]
    tracked: frozenset[str]
    errors: Errors | None
    routers: int


class Fanout:
    """The account of one task.

    Args:
        scope: Its node's.
        at: Where it stands.
        envelope: What its packet came in, if one did.
    """

    __slots__ = ("at", "chose", "entries", "envelope", "errors", "idle", "scope", "slots")

    def __init__(self, scope: Scope, at: list[Any], envelope: Envelope | None) -> None:
        self.scope = scope
        self.at = at
        self.envelope = envelope
        inherited = envelope["errors"] if envelope is not None else None
        self.errors = scope.errors or inherited
        # Whether no node runs for it: a phantom, or one that failed.
        self.idle = envelope is not None and envelope.get("phantom", False)
        self.entries: dict[str, Entry] = {}
        # What it sent, by node: first the body, then each router, in order.
        self.slots: dict[int, list[str]] = {}
        self.chose: set[int] = set()

    def address(self, slot: int, results: Iterable[Any], *, last: bool) -> list[Any]:
        """Put packets in envelopes, and take them into account.

        May be called again for a slot: a router may have to run twice.

        Args:
            slot: 0 for the body's ``Command``, and then the place of the router.
            results: Packets, and names of nodes.
            last: Whether no slot comes after this one.

        Returns:
            The results, with a phantom where nothing at all was sent.
        """
        results = list(results)
        sent = [result for result in results if isinstance(result, Send)]
        # Who goes elsewhere instead of fanning out begins no fan-out.
        self.chose.discard(slot)
        if len(sent) < len(results):
            self.chose.add(slot)
        self.slots[slot] = [packet.node for packet in sent]
        before = sum(len(names) for place, names in self.slots.items() if place < slot)
        phantoms: list[Send] = []
        if last:
            phantoms = self._phantoms(before + len(sent))
            self.slots[slot] += [packet.node for packet in phantoms]
        first = self._account()
        at = before
        addressed: list[Any] = []
        for result in [*results, *phantoms]:
            if isinstance(result, Send):
                if result.node in self.scope.tracked:
                    phantom = len(addressed) >= len(results)
                    result = self._addressed(result, at, first, phantom)
                at += 1
            addressed.append(result)
        return addressed

    def _account(self) -> dict[str, int | list[int]]:
        """Bring the entries up to date; what each gather's part of the packets is."""
        names = [name for slot in sorted(self.slots) for name in self.slots[slot]]
        parts: dict[str, int | list[int]] = {}
        for role in self.scope.roles:
            part = [place for place, name in enumerate(names) if name in role.targets]
            parts[role.log] = compact(part)
            if (entry := self.entries.get(role.log)) is not None:
                entry["sends"] = parts[role.log]
                if not part and self.elsewhere:
                    entry["void"] = True
                else:
                    entry.pop("void", None)
        return parts

    @property
    def alone(self) -> bool:
        """Whether it is a conditional edge's only: no body keeps entries for it."""
        return not self.entries

    @property
    def elsewhere(self) -> bool:
        """Whether a task that stands in no fan-out chose to begin none."""
        return self.envelope is None and bool(self.chose)

    def _phantoms(self, at: int) -> list[Send]:
        """Packets in place of those that were not sent, one for each gather at most.

        So what waits for the fan-out is started even where it is empty, and in
        the superstep in which it is started where it is not.
        """
        if self.elsewhere:
            return []
        names = {name for slot in self.slots.values() for name in slot}
        phantoms: list[Send] = []
        for role in self.scope.roles:
            if role.targets and names.isdisjoint(role.targets):
                phantoms.append(Send(role.targets[0], None))
                names.add(role.targets[0])
        return phantoms

    def _addressed(
        self, packet: Send, place: int, first: dict[str, int | list[int]] | None, phantom: bool
    ) -> Send:
        envelope: Envelope = {"at": [*self.at, place], "errors": self.errors}
        if first is not None and self.alone:
            envelope["first"] = first
        if phantom:
            envelope["phantom"] = True
        twin = copy(packet)
        twin.arg = wrapped_in(packet.arg, envelope)
        return twin


class Tracked(Runnable[Any, Any]):
    """A node of a gathered fan-out.

    Args:
        inner: What the user gave, as LangGraph made a runnable of it.
        scope: Its place in the fan-outs.
        spec: LangGraph's description of the node, for its retry policy.
    """

    def __init__(self, inner: Runnable[Any, Any], scope: Scope, spec: Any) -> None:
        self.inner = inner
        self.scope = scope
        self.spec = spec
        self.name = scope.node

    def around(self, inner: Runnable[Any, Any]) -> Tracked:
        """The same around another runnable."""
        return Tracked(inner, self.scope, self.spec)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node on the payload, and add the entry to what it returns."""
        fanout, payload = self._begin(input, config)
        if fanout is None:
            return self.inner.invoke(payload, config, **kwargs)
        if fanout.idle:
            return self._end(fanout, None, payload)
        try:
            output = self.inner.invoke(payload, config, **kwargs)
        except Exception as error:
            if not self._keeps(error, fanout, config):
                raise
            return self._failed(fanout, error)
        return self._end(fanout, output, payload)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node on the payload, and add the entry to what it returns."""
        fanout, payload = self._begin(input, config)
        if fanout is None:
            return await self.inner.ainvoke(payload, config, **kwargs)
        if fanout.idle:
            return self._end(fanout, None, payload)
        try:
            output = await self.inner.ainvoke(payload, config, **kwargs)
        except Exception as error:
            if not self._keeps(error, fanout, config):
                raise
            return self._failed(fanout, error)
        return self._end(fanout, output, payload)

    def _begin(self, input: Any, config: Any) -> tuple[Fanout | None, Any]:
        scope = self.scope
        envelope, payload = unwrapped(input)
        metadata = config.get("metadata", {})
        at = [metadata.get("langgraph_step", 0), scope.node]
        config["configurable"].pop(_FANOUT, None)
        if envelope is not None:
            at = envelope["at"]
        elif not any(role.targets for role in scope.roles):
            return None, payload  # a result in no fan-out is nobody's
        elif "push" in str(metadata.get("langgraph_path", ("",))[0]):
            raise RuntimeError(
                f"node {scope.node!r} was sent a packet by a node that is not known to send it "
                "any, so it is not known which fan-out the packet belongs to; name "
                f"{scope.node!r} in the path_map of the conditional edge, or in the "
                "`destinations` of the node, that sends it"
            )
        fanout = Fanout(scope, at, envelope)
        # Shared by all that runs in this attempt of the task, routers included.
        config["configurable"][_FANOUT] = fanout
        return fanout, payload

    def _end(self, fanout: Fanout, output: Any, payload: Any) -> Any:
        update = None if fanout.idle else update_of(output)
        for role in self.scope.roles:
            entry = self._entry(fanout, role)
            if role.over and not fanout.idle:
                entry["given"] = payload if fanout.envelope is not None else None
            if role.of and (result := chosen(update, role.key)) is not None:
                entry["result"] = result
        return self._output(fanout, output)

    def _failed(self, fanout: Fanout, error: Exception) -> Any:
        fanout.idle = True
        for role in self.scope.roles:
            entry = self._entry(fanout, role)
            if fanout.envelope is not None and fanout.envelope["errors"] == "collect":
                entry["failed"] = [type(error).__name__, str(error)]
        return self._output(fanout, None)

    def _entry(self, fanout: Fanout, role: Role) -> Entry:
        entry: Entry = {"at": fanout.at, "node": self.scope.node, "sends": 0}
        if fanout.envelope is not None and "first" in fanout.envelope:
            entry["first"] = fanout.envelope["first"][role.log]
        fanout.entries[role.log] = entry
        return entry

    def _output(self, fanout: Fanout, output: Any) -> Any:
        """What the node returns, with its packets addressed and its entries added."""
        last = not self.scope.routers
        extra: list[Any] = []
        if commands(output):
            every = output if isinstance(output, list | tuple) else [output]
            goto = [go for command in every if is_command(command) for go in gotos(command)]
            addressed = fanout.address(0, goto, last=last)
            output = [without_goto(command) for command in every]
            extra = addressed
        else:
            extra = fanout.address(0, (), last=last)
        if not isinstance(output, list) and not extra and (output is None or type(output) is dict):
            return {**(output or {}), **fanout.entries}
        kept = output if isinstance(output, list) else [output]
        return [*kept, Command(update=dict(fanout.entries), goto=extra)]

    def _keeps(self, error: Exception, fanout: Fanout, config: Any) -> bool:
        """Whether the error scope keeps an error from the run."""
        if isinstance(error, GraphBubbleUp) or fanout.envelope is None:
            return False
        if fanout.envelope["errors"] not in ("isolate", "collect"):
            return False
        return not is_retried(error, self.spec.retry_policy, attempt_of(config))


def addressed_early(config: Any, packet: Send, place: int) -> Send:
    """A packet as its task's output will have it, before the task has ended.

    Args:
        config: The config of a task that may be one of a gathered fan-out.
        packet: What it has sent.
        place: Its place among all that the task sends.
    """
    fanout: Fanout | None = config["configurable"].get(_FANOUT)
    if fanout is None or packet.node not in fanout.scope.tracked:
        return packet
    # A body's entries are made at its end; they say what comes first.
    return fanout._addressed(packet, place, None, phantom=False)


def addressed_ahead(scope: Scope, config: Any, input: Any, packet: Send, place: int) -> Send:
    """A packet of a conditional edge as it will be, before the edge's task has ended.

    Args:
        scope: The place of the task's node in the fan-outs.
        config: The task's config.
        input: What the task was given.
        packet: What the edge will send.
        place: Its place among all that the task sends.
    """
    envelope, _ = unwrapped(input)
    at = [config["metadata"]["langgraph_step"], scope.node] if envelope is None else envelope["at"]
    return Fanout(scope, at, envelope)._addressed(packet, place, None, phantom=False)


def is_phantom(packet: Send) -> bool:
    """Whether a packet stands for those that were not sent."""
    envelope, _ = unwrapped(packet.arg)
    return envelope is not None and bool(envelope.get("phantom"))


class Addressed(Runnable[Any, Any]):
    """A conditional edge of a node of a gathered fan-out, or of ``START``.

    Args:
        inner: What the user gave.
        scope: The node's place in the fan-outs.
        slot: Which of its conditional edges it is, from 1.
    """

    def __init__(self, inner: Runnable[Any, Any], scope: Scope, slot: int) -> None:
        self.inner = inner
        self.scope = scope
        self.slot = slot
        self.name = inner.get_name()

    def around(self, inner: Runnable[Any, Any]) -> Addressed:
        """The same around another runnable."""
        return Addressed(inner, self.scope, self.slot)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Route as the user's function does, with the packets in envelopes."""
        fanout = self._fanout(config)
        if fanout.idle:
            return self._end(fanout, ())
        return self._end(fanout, self.inner.invoke(self._shown(input), config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Route as the user's function does, with the packets in envelopes."""
        fanout = self._fanout(config)
        if fanout.idle:
            return self._end(fanout, ())
        return self._end(fanout, await self.inner.ainvoke(self._shown(input), config, **kwargs))

    def _fanout(self, config: Any) -> Fanout:
        fanout: Fanout | None = config["configurable"].get(_FANOUT)
        if fanout is None or fanout.scope is not self.scope:
            # After START, or where update_state() runs it for a task that never was. It is
            # a root of its own, whose name no node can have: "|" is LangGraph's.
            name = self.scope.node if self.slot == 1 else f"{self.scope.node}|{self.slot}"
            step = config.get("metadata", {}).get("langgraph_step", -1)
            fanout = Fanout(self.scope, [step, name], None)
        return fanout

    def _end(self, fanout: Fanout, result: Any) -> list[Any]:
        results = result if isinstance(result, list | tuple) else [result]
        last = fanout.alone or self.slot == self.scope.routers
        return fanout.address(self.slot, results, last=last)

    def _shown(self, input: Any) -> Any:
        """The state without what the node added to its own update."""
        logs = {role.log for role in self.scope.roles}
        if type(input) is dict and not logs.isdisjoint(input):
            return {key: value for key, value in input.items() if key not in logs}
        return input
