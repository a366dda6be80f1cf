"""Stages: what each node of a graph is given, touches and may lead to.

A :class:`Stage` joins three sources, the strongest first: what the user
declared (:class:`~langgraph_alto.plan.effects.Effects`), what the graph's
structure says (schemas, edges, ``path_map``, ``destinations``), and what the
analysis of the functions found. Reading LangGraph's node objects is in
``shape.py``; everything here is a function of plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from langgraph_alto.plan.effects import Doubt, Effects, Facts, Path
from langgraph_alto.streams.declare import Stream

NOTHING = Facts(
    reads=frozenset(),
    writes=frozenset(),
    mutates=frozenset(),
    goto=frozenset(),
    names=frozenset(),
    sends=frozenset(),
)
"""The facts of a function that touches nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """One conditional edge of a stage.

    Args:
        inputs: The state keys the router is given.
        reads: Those it may read.
        destinations: Names of nodes it may lead to, by name or by ``Send``;
            ``None``: any.
        sends_to: Those of them it may send packets to; ``None``: any.
        partial: Whether the router can be given its state with keys missing
            that it is known not to read (a plain dict state).
        ends: Whether it may lead to the end, or nowhere.
        guessed: Whether ``sends_to`` is only what its ``path_map`` allows.
        together: Sets of nodes that it may lead to at once, as far as that is known.
        doubts: Why it is taken to read all of its state, where that is not known.
        least: State keys it was seen to read.
        mutates: Paths of what it is given that it may change in place; ``None``: any.
        untold: Where objects are that it works on though nothing tells their class.
    """

    inputs: frozenset[str]
    reads: frozenset[str]
    destinations: frozenset[str] | None
    sends_to: frozenset[str] | None
    partial: bool
    ends: bool = True
    guessed: bool = False
    together: frozenset[frozenset[str]] = frozenset()
    doubts: tuple[Doubt, ...] = ()
    least: frozenset[str] = frozenset()
    mutates: frozenset[Path] | None = frozenset()
    untold: frozenset[Path] = frozenset()

    @property
    def changes(self) -> bool:
        """Whether it may change in place what it is given."""
        return self.mutates != frozenset()


@dataclass(frozen=True, slots=True)
class Stage:
    """A node in the plan.

    Args:
        name: The node's name.
        inputs: State keys the node is given when an edge triggers it.
        reads: Paths it may read, each below one of ``inputs``.
        writes: State keys and join channels it may write; ``None``: any.
        mutates: Paths it may change in place; ``None``: any.
        edges: Names of nodes every run of it leads to.
        leads_to: Names of nodes it may lead to, ``edges`` included; ``None``: any.
        sends_to: Names of nodes it may send packets to; ``None``: any.
        packets: Names of nodes that its commands lead to by packets only.
        shares: Pairs of state keys that may hold a common object after it;
            ``None``: any of those that it reads and writes.
        together: Sets of nodes that its commands may lead to at once, as far as that
            is known.
        routes: Its conditional edges.
        interrupts: Whether it may call ``interrupt()``.
        calls_tasks: Whether it may call a ``@task``.
        uses_store: Whether it may touch the run's store.
        asks_identity: Whether it may look at its task's id, namespace or path.
        barrier: Why it never runs ahead, in words; ``None`` when it may.
        whole_input: Whether its input cannot be given with keys missing.
        exact_id: Whether what it runs needs the true id of its task (a
            subgraph, whose checkpoints and streams carry it).
        buffer: How many tasks that a ``@streaming`` node has started may be
            unfinished before it is asked for more; ``None`` for any other node.
        stream: What its model writes for its routers while it writes it, if that
            is declared.
        doubts: What stayed unknown about it, and why.
        least_reads: State keys it was seen to read, whatever ``reads`` says.
        least_writes: Keys it was seen to write, whatever ``writes`` says.
        least_mutates: Paths it was seen to change in place, for certain.
        untold: Where objects are that must be looked at before it runs ahead; see
            :class:`~langgraph_alto.plan.effects.Facts`.
    """

    name: str
    inputs: frozenset[str]
    reads: frozenset[Path]
    writes: frozenset[str] | None
    mutates: frozenset[Path] | None
    edges: frozenset[str] = frozenset()
    leads_to: frozenset[str] | None = frozenset()
    sends_to: frozenset[str] | None = frozenset()
    packets: frozenset[str] = frozenset()
    shares: frozenset[tuple[str, str]] | None = frozenset()
    together: frozenset[frozenset[str]] = frozenset()
    routes: tuple[Route, ...] = ()
    interrupts: bool = False
    calls_tasks: bool = False
    uses_store: bool = False
    asks_identity: bool = False
    barrier: str | None = None
    whole_input: bool = False
    exact_id: bool = False
    buffer: int | None = None
    stream: Stream | None = None
    doubts: tuple[Doubt, ...] = field(default=())
    least_reads: frozenset[str] = frozenset()
    least_writes: frozenset[str] = frozenset()
    least_mutates: frozenset[Path] = frozenset()
    untold: frozenset[Path] = frozenset()

    @property
    def read_keys(self) -> frozenset[str]:
        """The state keys at the root of what the node may read."""
        return frozenset(path[0] for path in self.reads)


def overlap(left: frozenset[Path] | None, right: frozenset[Path] | None) -> bool:
    """Whether a path of one side is, or is below, a path of the other."""
    if left is None:
        return right is None or bool(right)
    if right is None:
        return bool(left)
    return any(a[: len(b)] == b[: len(a)] for a in left for b in right)


def roots(names: frozenset[str]) -> frozenset[Path]:
    """The paths of whole state keys."""
    return frozenset((name,) for name in names)


def paths(names: object) -> frozenset[Path] | None:
    """Turn declared dotted names into paths; ``None`` stays ``None``."""
    if names is None:
        return None
    return frozenset(tuple(name.split(".")) for name in names)  # type: ignore[attr-defined]


def declared(facts: Facts, effects: Effects | None) -> Facts:
    """Put the user's declaration over what analysis found.

    Args:
        facts: What analysis found.
        effects: The declaration; each field that is not ``None`` wins.
    """
    if effects is None:
        return facts
    known = {
        fact
        for fact in ("reads", "writes", "mutates", "goto")
        if getattr(effects, fact) is not None
    }
    return replace(
        facts,
        reads=paths(effects.reads) if "reads" in known else facts.reads,
        writes=frozenset(effects.writes) if effects.writes is not None else facts.writes,
        mutates=paths(effects.mutates) if "mutates" in known else facts.mutates,
        goto=frozenset(effects.goto) if effects.goto is not None else facts.goto,
        # Declared destinations may be reached in either way.
        names=None if effects.goto is not None else facts.names,
        sends=None if effects.goto is not None else facts.sends,
        doubts=tuple(doubt for doubt in facts.doubts if doubt.fact not in known),
        untold=frozenset() if "mutates" in known else facts.untold,
    )


def conflicts(later: Stage, earlier: Stage) -> bool:
    """Whether ``later``, given its state, must wait for ``earlier`` to finish.

    True when ``earlier`` may write or mutate what ``later`` reads (read after
    write), when ``later`` mutates what ``earlier`` reads, writes or mutates
    (write after read, write after write), or when both touch the store.
    """
    writes = None if earlier.writes is None else roots(earlier.writes)
    return (
        overlap(later.reads, writes)
        or overlap(later.reads, earlier.mutates)
        or (
            later.mutates != frozenset()
            and (
                overlap(later.mutates, earlier.reads)
                or overlap(later.mutates, writes)
                or overlap(later.mutates, earlier.mutates)
            )
        )
        or (later.uses_store and earlier.uses_store)
    )


def check_names(effects: Mapping[str, Effects], ordered: object, known: set[str]) -> None:
    """Refuse declarations about nodes the graph does not have.

    Raises:
        ValueError: A name in ``effects`` or ``ordered`` is not a node.
    """
    for option, names in (("effects", effects), ("ordered", ordered)):
        for name in names:  # type: ignore[attr-defined]
            if name not in known:
                raise ValueError(
                    f"{option} names the node {name!r}, which the graph does not have; "
                    f"its nodes are {', '.join(sorted(known))}"
                )
