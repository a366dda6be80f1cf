"""The plan: stages compiled to bit masks the predictor can combine in constant time.

Node ``i`` of the plan is bit ``1 << i``. A set of nodes is an ``int``, so the
question that decides everything at run time, *may any unfinished work still
change what this task reads?*, is one ``&`` of two integers whatever the width
of a fan-out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.effects import BELOW, Path
from langgraph_alto.plan.loops import Loops, find_loops
from langgraph_alto.plan.stages import Stage, conflicts, roots


class Trigger(Enum):
    """How a channel starts a node."""

    EDGE = "edge"
    """Fires in the superstep after any write (``branch:to:…``)."""
    JOIN = "join"
    """Fires once every named source has written (a waiting edge)."""
    DEFERRED = "deferred"
    """Fires only when nothing else will."""


@dataclass(frozen=True, slots=True)
class Join:
    """A waiting edge: its channel, its target node and the nodes it waits for."""

    channel: str
    target: int
    sources: int


@dataclass(frozen=True, slots=True)
class Masks:
    """What the predictor knows about a graph before any run.

    Args:
        stages: One per node, in a fixed order; bit ``1 << i`` is ``stages[i]``.
        index: Position of each node by name.
        triggers: For each trigger channel, the nodes it starts and how.
        joins: The waiting edges.
        successors: For each node, the nodes it may start in the next superstep.
        sends: For each node, the nodes it may send packets to.
        deferred: The nodes that wait for everything pending.
        blockers: For each node, those that must not be unfinished in an
            earlier superstep when it runs on its state.
        packet_blockers: The same for a node that runs on a ``Send`` packet.
        route_blockers: The same for what a node's routers read.
        ahead: The nodes that may run ahead at all.
        interrupts: Nodes that may call ``interrupt()``.
        mutators: Nodes that may change what they are given in place.
        kept: State keys that hold the very object last written to them.
        safe_reducers: State keys whose reducer is known not to change its
            arguments, so that it may be applied to a copy of the channel.
        as_is: For each node, the state keys that it, or its routers, must be
            given as the real channel holds them, not as a copy would.
        routes_late: For each node, whether its routers must wait for its own
            superstep, because reading the state would change it.
        exact_id: Nodes that run something which carries the id of their task.
        asks_identity: Nodes that may look at their task's id, namespace or path.
        loops: Where a run may go round.
        nests: Whether a task may have an ancestry: by a fan-out or a loop.
        growing: Nodes whose output may be known in part before they have ended.
        messages: State keys that LangGraph's ``add_messages`` adds to.
        early_only: Nodes that run ahead only of what is told before their sender has
            ended: tools that were named as such.
    """

    stages: tuple[Stage, ...]
    index: Mapping[str, int]
    triggers: Mapping[str, tuple[tuple[int, Trigger], ...]]
    joins: tuple[Join, ...]
    successors: tuple[int, ...]
    sends: tuple[int, ...]
    deferred: int
    blockers: tuple[int, ...]
    packet_blockers: tuple[int, ...]
    route_blockers: tuple[int, ...]
    ahead: int
    interrupts: int
    mutators: int
    kept: frozenset[str]
    safe_reducers: frozenset[str]
    as_is: tuple[frozenset[str], ...]
    routes_late: tuple[bool, ...]
    exact_id: int
    asks_identity: int
    loops: Loops
    nests: bool
    growing: int
    messages: frozenset[str]
    early_only: int = 0

    @property
    def joined(self) -> int:
        """The nodes that waiting edges lead to."""
        return sum(1 << target for target in {join.target for join in self.joins})

    def with_tools(self, names: Iterable[str]) -> Masks:
        """The same where these nodes may start on packets that are told early.

        Args:
            names: Nodes that run tools. A call that is told early is given nothing of
                the state, so nothing that is unfinished can change it.
        """
        nodes = self.mask(names) & ~self.ahead
        if not nodes:
            return self
        blockers = tuple(
            0 if nodes >> place & 1 else mask for place, mask in enumerate(self.packet_blockers)
        )
        return replace(self, ahead=self.ahead | nodes, packet_blockers=blockers, early_only=nodes)

    def mask(self, names: Iterable[str]) -> int:
        """The bits of the named nodes; names the plan does not know are left out."""
        bits = 0
        for name in names:
            if (position := self.index.get(name)) is not None:
                bits |= 1 << position
        return bits

    def exact(self, *, seen: bool) -> int:
        """The nodes that need the true id of their task.

        Args:
            seen: Whether checkpoints or streams show the ids of what nodes run.
        """
        return self.asks_identity | (self.exact_id if seen else 0)

    def flat(self, present: int, allowed: int) -> bool:
        """Whether nothing can start before all tasks of a superstep have ended.

        So it is when whatever its nodes lead to waits for every one of them: a
        fan-out into its reduce, say. Then there is nothing to predict.

        Args:
            present: The nodes with a task in the superstep.
            allowed: The nodes that may run ahead.
        """
        for node in bits(present):
            if self.sends[node] & allowed:
                return False
            for after in bits(self.successors[node] & allowed):
                waits = self.blockers[after]
                for other in bits(present & ~waits):
                    if not self.successors[other] >> after & 1:
                        return False
        return not any(
            join.sources & present
            and allowed >> join.target & 1
            and present & ~(join.sources | self.blockers[join.target])
            for join in self.joins
        )


def compile_masks(
    stages: tuple[Stage, ...],
    triggers: Mapping[str, tuple[tuple[str, Trigger], ...]],
    joins: Sequence[tuple[str, str, frozenset[str]]],
    *,
    safe_reducers: frozenset[str] = frozenset(),
    kept: frozenset[str] = frozenset(),
    messages: frozenset[str] = frozenset(),
) -> Masks:
    """Compile stages and triggers to masks.

    Args:
        stages: One per node.
        triggers: Nodes started by each channel, by name.
        joins: ``(channel, target, sources)`` of each waiting edge.
        safe_reducers: See :class:`Masks`.
        kept: See :class:`Masks`.
        messages: See :class:`Masks`.
    """
    index = {stage.name: position for position, stage in enumerate(stages)}
    stages = _watching(_aliased(_shared(stages)))
    everything = (1 << len(stages)) - 1

    def named(names: Iterable[str] | None) -> int:
        if names is None:
            return everything
        return sum(1 << index[name] for name in set(names) if name in index)

    def who(test: Callable[[Stage], bool]) -> int:
        return sum(1 << position for position, stage in enumerate(stages) if test(stage))

    writers: dict[str | None, int] = {}
    for position, stage in enumerate(stages):
        for key in (None,) if stage.writes is None else stage.writes:
            writers[key] = writers.get(key, 0) | 1 << position

    def touching(later: Stage) -> int:
        """The nodes that must not be unfinished when ``later`` runs."""
        changes = later.mutates != frozenset()  # also where it is not known what
        mask = writers.get(None, 0) if later.reads or changes else 0
        for key in later.read_keys:
            mask |= writers.get(key, 0)
        # Few nodes change things in place or use the store; the rest is done.
        others = everything if changes else mutators | (storing if later.uses_store else 0)
        for position in bits(others & ~mask):
            if conflicts(later, stages[position]):
                mask |= 1 << position
        return mask

    mutators = who(lambda stage: stage.mutates is None or bool(stage.mutates))
    storing = who(lambda stage: stage.uses_store)
    sends = tuple(named(stage.sends_to) for stage in stages)
    # What is not known to be an edge makes no loop, or all would be one.
    edges = [named(_known_targets(stage)) for stage in stages]
    for _, to, of in joins:
        for source in of & index.keys():
            edges[index[source]] |= 1 << index[to]
    loops = find_loops([stage.name for stage in stages], edges)
    return Masks(
        stages=stages,
        index=index,
        triggers={
            channel: tuple((index[name], kind) for name, kind in nodes)
            for channel, nodes in triggers.items()
        },
        joins=tuple(Join(channel, index[to], named(of)) for channel, to, of in joins),
        successors=tuple(named(stage.leads_to) for stage in stages),
        sends=sends,
        deferred=named(
            name for nodes in triggers.values() for name, kind in nodes if kind is Trigger.DEFERRED
        ),
        blockers=tuple(touching(stage) for stage in stages),
        # What a packet holds was made before it was sent, so only work that
        # changes objects in place, or shares the store, can still reach it.
        packet_blockers=tuple(
            everything
            if stage.mutates != frozenset()
            else mutators | (storing if stage.uses_store else 0)
            for stage in stages
        ),
        route_blockers=tuple(
            touching(
                Stage(
                    name=stage.name,
                    inputs=frozenset(),
                    reads=roots(frozenset().union(*(route.reads for route in stage.routes))),
                    writes=frozenset(),
                    mutates=frozenset(),
                )
            )
            for stage in stages
        ),
        ahead=who(lambda stage: stage.barrier is None),
        interrupts=who(lambda stage: stage.interrupts),
        mutators=mutators,
        kept=kept,
        safe_reducers=safe_reducers,
        as_is=tuple(_as_is(stage, safe_reducers, kept) for stage in stages),
        routes_late=tuple(_routes_late(stage, safe_reducers) for stage in stages),
        exact_id=who(lambda stage: stage.exact_id),
        asks_identity=who(lambda stage: stage.asks_identity),
        loops=loops,
        nests=any(sends) or bool(loops.heads),
        growing=who(lambda stage: stage.buffer is not None or stage.stream is not None),
        messages=messages,
    )


def _known_targets(stage: Stage) -> frozenset[str]:
    if stage.leads_to is not None:
        return stage.leads_to
    routes = (route.destinations for route in stage.routes if route.destinations is not None)
    return stage.edges.union(*routes)


def _as_is(stage: Stage, safe: frozenset[str], kept: frozenset[str]) -> frozenset[str]:
    reads = stage.read_keys.union(*(route.reads for route in stage.routes))
    changes = reads if stage.mutates is None else {path[0] for path in stage.mutates}
    return (reads - safe) | (changes - kept)


def _routes_late(stage: Stage, safe: frozenset[str]) -> bool:
    # Routers are shown their node's own writes, which LangGraph applies to a copy of
    # the channel: a reducer that changes its arguments changes the state itself.
    given = frozenset[str]().union(*(route.inputs for route in stage.routes))
    own = given if stage.writes is None else given & stage.writes
    return bool(own - safe) or any(route.changes for route in stage.routes)


def _shared(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Widen what nodes change to all keys that may hold the same objects."""
    if not any(stage.mutates for stage in stages):
        return stages
    groups: dict[str, set[str]] = {}

    def join(keys: Iterable[str]) -> None:
        together = set(keys)
        for key in tuple(together):
            together |= groups.get(key, set())
        for key in together:
            groups[key] = together

    for stage in stages:
        if stage.shares is not None:
            for pair in stage.shares:
                join(pair)
        elif stage.writes is None:
            return tuple(
                replace(stage, mutates=None) if stage.mutates else stage for stage in stages
            )
        elif stage.writes:
            join(stage.writes | stage.read_keys)

    def widened(stage: Stage) -> Stage:
        if not stage.mutates:
            return stage
        more = {(key,) for path in stage.mutates for key in groups.get(path[0], {path[0]})}
        own = {(path[0],) for path in stage.mutates}
        return replace(stage, mutates=stage.mutates | (more - own))

    return tuple(map(widened, stages))


def _watching(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Have whoever reads a key look at what others work on there, as that may change it."""
    worked: dict[str, set[Path]] = {}
    for stage in stages:
        for path in stage.untold:
            if path and path[0] == BELOW:
                for key in stage.inputs:
                    worked.setdefault(key, set()).add((key, BELOW))
            elif path:
                worked.setdefault(path[0], set()).add(path)
    return tuple(
        replace(stage, untold=stage.untold.union(*(worked[key] for key in keys)))
        if (keys := worked.keys() & stage.read_keys)
        else stage
        for stage in stages
    )


def _aliased(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Widen what nodes change that packets reach.

    What a packet holds goes by the names its sender chose, but the objects may
    be those of the state: a node that changes them may change anything.
    """
    sent: set[str] = set()
    for stage in stages:
        if stage.sends_to is None:
            sent = {stage.name for stage in stages}
            break
        sent |= stage.sends_to
    return tuple(
        replace(stage, mutates=None) if stage.mutates and stage.name in sent else stage
        for stage in stages
    )
