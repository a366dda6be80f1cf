"""One passage through a graph, assumed: which tasks each superstep has.

Where a run goes is known to the graph's functions only. To predict times, a few
things are taken for granted, and said wherever a prediction is shown:

- A conditional edge (or a node with ``Command``) leads to one of its
  destinations, or to those that its code names together. There are as many
  passages as the largest number of such choices, so that each is taken in one of
  them.
- A loop is gone round once: the second time, a choice that leads out of it is taken.
- A router that sends packets sends so many to each of its targets.

A passage does not depend on times, so LangGraph's schedule and the engine's can
both be played on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langgraph.constants import START
from langgraph.types import Send

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine.supersteps import Write
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.order import Order, known_destinations
from langgraph_alto.plan.plan import Given
from langgraph_alto.plan.stages import Stage
from langgraph_alto.plan.waits import ordered_by

WIDTH = 4
"""Packets that a fan-out sends to each of its targets, unless told otherwise."""

MOST = 2_000
"""No passage goes on after as many tasks, and those of the widest fan-out on top."""

ROUNDS = 3
"""No choice is made more often in one passage."""

STEPS = 12
"""No passage goes on for more supersteps per node, as one without a way out would."""


class Choice(NamedTuple):
    """What a conditional edge leads to, if it is taken so."""

    names: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()


class Decision(NamedTuple):
    """The choices of one conditional edge, or of a node's ``Command``."""

    choices: tuple[Choice, ...]
    ends: bool


@dataclass(eq=False, slots=True)
class Job:
    """A task of a passage.

    Args:
        node: Position of its node in the plan.
        packet: The packet it runs on; ``None`` if an edge starts it.
        sender: The task that sent the packet.
        writes: What it writes, to keys, triggers and as packets.
    """

    node: int
    packet: Send | None = None
    sender: Job | None = None
    writes: list[Write] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Passage:
    """The tasks of each superstep, the input's being the first.

    Args:
        steps: The tasks: of each superstep those that edges start, by name, and
            then those on packets, in the order of their packets.
        cut: Whether it was cut off, because it did not come to an end.
    """

    steps: tuple[tuple[Job, ...], ...]
    cut: bool = False


def decisions(stage: Stage, joined: frozenset[str]) -> tuple[Decision, ...]:
    """Everything a node decides when it runs.

    Args:
        stage: The node.
        joined: Targets of its waiting edges.
    """
    found = []
    reached = stage.edges | joined
    for route in stage.routes:
        names = route.destinations or frozenset()
        sends = frozenset[str]() if route.guessed else (route.sends_to or frozenset()) & names
        reached |= names
        found.append(Decision(_choices(names - sends, sends, route.together), route.ends))
    commands = known_destinations(stage) - reached
    sent = commands & stage.packets
    found.append(Decision(_choices(commands - sent, sent, stage.together), ends=True))
    return tuple(decision for decision in found if decision.choices)


def _choices(
    names: frozenset[str], sends: frozenset[str], together: frozenset[frozenset[str]]
) -> tuple[Choice, ...]:
    """What is named together, each name that is named alone, and all packets at once."""
    # By packets alone, one goes to all that are sent some.
    ways = {way & (names | sends) for way in together if way & names}
    ways |= {frozenset({name}) for name in names - frozenset().union(*ways)}
    alone = sends - frozenset().union(*ways)
    choices = [Choice(sends=tuple(sorted(alone)))] if alone else []
    return (
        *choices,
        *(
            Choice(tuple(sorted(way & names)), tuple(sorted(way & sends)))
            for way in sorted(ways, key=sorted)
        ),
    )


def passages(given: Given, masks: Masks, widths: Mapping[str, int]) -> list[Passage]:
    """All passages through a graph that are looked at.

    Args:
        given: The graph.
        masks: Its plan, compiled; perhaps with other declarations than its own.
        widths: Packets that one fan-out sends to a node.
    """
    joined = {
        stage.name: frozenset(to for _, to, of in given.joins if stage.name in of)
        for stage in masks.stages
    }
    decided = [decisions(stage, joined[stage.name]) for stage in masks.stages]
    count = max((len(one.choices) for of in decided for one in of), default=1)
    when = ordered_by(given, masks)
    return [_Walk(given, masks, when, decided, widths, number).passage() for number in range(count)]


class _Walk:
    """LangGraph's part: which tasks follow from what the tasks of a superstep write."""

    def __init__(
        self,
        given: Given,
        masks: Masks,
        when: Order,
        decided: Sequence[tuple[Decision, ...]],
        widths: Mapping[str, int],
        number: int,
    ) -> None:
        self.given, self.masks, self.when = given, masks, when
        self.decided, self.widths, self.number = decided, widths, number
        self.joins = [(masks.mask(of), masks.index[to]) for _, to, of in given.joins]
        self.visits: dict[int, int] = {}
        self.seen: dict[str, set[str]] = {}
        self.count = 0
        self.most = MOST + 4 * max(widths.values(), default=0)

    def passage(self) -> Passage:
        masks = self.masks
        here = [Job(masks.index[START])]
        deferred = 0
        steps: list[tuple[Job, ...]] = []
        while here and self.count < self.most and len(steps) < STEPS * len(masks.stages):
            for node in {job.node for job in here}:
                self.visits[node] = self.visits.get(node, 0) + 1
            packets: list[Job] = []
            edges = 0
            ran = {job.node for job in here if job.packet is None}
            for channel, to, of in self.given.joins:
                if masks.index[to] in ran and set(of) == self.seen.get(channel):
                    self.seen[channel] = set()
            for job in here:
                self.count += 1
                job.writes = self._writes(masks.stages[job.node], job.node)
                for channel, value in job.writes:
                    if channel == TASKS:
                        packets.append(Job(masks.index[value.node], value, job))
                    for node, _ in masks.triggers.get(channel, ()):
                        edges |= self._triggered(channel, node, value)
            steps.append(tuple(here))
            deferred = (deferred | edges & masks.deferred) & ~sum(1 << node for node in ran)
            edges &= ~masks.deferred
            if not packets and not edges:
                edges, deferred = deferred, 0
            following = sorted(bits(edges), key=lambda node: masks.stages[node].name)
            here = [*(Job(node) for node in following), *packets]
        return Passage(tuple(steps), cut=bool(here))

    def _triggered(self, channel: str, node: int, value: Any) -> int:
        for name, _, of in self.given.joins:
            if name == channel:
                seen = self.seen.setdefault(name, set())
                seen.add(value)
                if seen != set(of):
                    return 0
        return 1 << node

    def _writes(self, stage: Stage, node: int) -> list[Write]:
        keys = self.given.keys if stage.writes is None else stage.writes & set(self.given.keys)
        writes: list[Write] = [(key, None) for key in sorted(keys)]
        writes += [(f"branch:to:{name}", stage.name) for name in sorted(stage.edges)]
        writes += [(channel, stage.name) for channel, _, of in self.given.joins if stage.name in of]
        for decision in self.decided[node]:
            choice = self._choose(node, decision)
            writes += [(f"branch:to:{name}", stage.name) for name in choice.names]
            writes += [
                (TASKS, Send(name, None))
                for name in choice.sends
                for _ in range(self.widths.get(name, WIDTH))
            ]
        return writes

    def _choose(self, node: int, decision: Decision) -> Choice:
        usual = decision.choices[self.number % len(decision.choices)]
        visit = self.visits[node]
        if visit == 1:
            return usual
        for choice in decision.choices:
            after = self.masks.mask((*choice.names, *choice.sends))
            if not any(
                place == node or self.when.reaches(place, self.joins) >> node & 1
                for place in bits(after)
            ):
                return choice
        return Choice() if decision.ends or visit > ROUNDS else usual
