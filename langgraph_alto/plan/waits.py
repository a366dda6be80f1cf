"""What waits for what at an earlier superstep, and why.

A wait that the data need is a :class:`~langgraph_alto.plan.plan.Dependency`: one
node is known to write what the other is known to read. A wait for want of
knowledge is a :class:`~langgraph_alto.plan.plan.Barrier`: one of them *may*.
Only pairs count that can be at work at the same time
(:mod:`langgraph_alto.plan.order`); along a chain nothing waits for a barrier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from langgraph.constants import START

from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.effects import Doubt, Path
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.order import Order, order
from langgraph_alto.plan.plan import Given
from langgraph_alto.plan.stages import Stage, overlap, roots
from langgraph_alto.plan.words import ACCOUNT, because, dotted, listed, shown

How = Literal["edge", "packet", "router"]
"""What waits: a task that an edge starts, one on a packet, or a node's routers."""


class Unknown(NamedTuple):
    """A fact of a node that is not known and could be declared."""

    node: str
    fact: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node waits for another.

    Args:
        keys: The keys it is about.
        text: In words.
        unknown: What to declare; empty when the data need the wait.
        doubts: Why that is not known.
        needed: Whether the data need it.
    """

    keys: tuple[str, ...]
    text: str
    unknown: tuple[Unknown, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """That a node waits for another, with every reason it has."""

    node: str
    earlier: str
    how: How
    reasons: tuple[Reason, ...]

    @property
    def needed(self) -> bool:
        """Whether the data need it, whatever else is not known."""
        return any(reason.needed for reason in self.reasons)


def ordered_by(given: Given, masks: Masks) -> Order:
    """The order of the graph's nodes under these facts."""
    return order(masks, [(masks.mask(of), masks.index[target]) for _, target, of in given.joins])


# -- one node for another -------------------------------------------------------


def pair_waits(
    given: Given, masks: Masks, when: Order, later: int, among: int = -1
) -> Iterable[Wait]:
    """The waits of one node for nodes at earlier supersteps.

    Args:
        given: The graph.
        masks: Its plan, compiled; perhaps with other declarations than its own.
        when: The order of its nodes.
        later: The node.
        among: The nodes it may wait for.
    """
    stage = masks.stages[later]
    if stage.name == START or stage.barrier is not None:
        return
    seen = _Views(masks, stage)
    for place in bits(when.waits(later) & among):
        earlier = masks.stages[place]
        if earlier.name == START:
            continue
        for how, view in seen.views:
            reasons = tuple(_reasons(given, stage, view, earlier, how))
            if reasons:
                yield Wait(stage.name, earlier.name, how, reasons)


class _Views:
    """What counts as read and changed in each way that a node is started."""

    def __init__(self, masks: Masks, stage: Stage) -> None:
        self.views: list[tuple[How, Stage]] = []
        by_packet = any(
            stage.name in other.packets
            or any(
                stage.name in (route.sends_to or ()) and not route.guessed for route in other.routes
            )
            for other in masks.stages
        )
        place = masks.index[stage.name]
        by_edge = not by_packet or any(
            masks.successors[at] & ~masks.sends[at] & 1 << place or stage.name in other.edges
            for at, other in enumerate(masks.stages)
        )
        if by_edge or any(join.target == place for join in masks.joins):
            self.views.append(("edge", stage))
        if by_packet:
            self.views.append(("packet", replace(stage, reads=frozenset())))
        if stage.routes:
            read = frozenset[str]().union(*(route.reads for route in stage.routes))
            router = Stage(
                stage.name,
                inputs=read,
                reads=roots(read),
                writes=frozenset(),
                mutates=frozenset(),
                doubts=tuple(doubt for route in stage.routes for doubt in route.doubts),
                least_reads=frozenset[str]().union(
                    *(route.least if route.doubts else route.reads for route in stage.routes)
                ),
            )
            self.views.append(("router", router))


def _reasons(given: Given, later: Stage, view: Stage, earlier: Stage, how: How) -> Iterable[Reason]:
    who = f"the router of {shown(later.name)}" if how == "router" else shown(later.name)
    yield from _writes_read(given, later, view, earlier, how, who)
    yield from _changes_read(later, view, earlier, how, who)
    yield from _changes_shared(view, earlier, how, who)
    if view.uses_store and earlier.uses_store:
        yield Reason((), f"both {who} and {shown(earlier.name)} may use the store")
    if earlier.leads_to is None and (how == "edge" or view.read_keys or view.mutates):
        doubts = doubts_of(earlier, "goto")
        yield Reason(
            (),
            f"{shown(earlier.name)} may lead to any node{told_why(doubts)}",
            (Unknown(earlier.name, "goto"),),
            doubts,
        )


def _writes_read(
    given: Given, later: Stage, view: Stage, earlier: Stage, how: How, who: str
) -> Iterable[Reason]:
    """Read after write."""
    reads = view.read_keys & frozenset(given.keys)
    meets = reads if earlier.writes is None else reads & earlier.writes
    if not meets:
        return
    reader = view if how == "router" else later
    vague = how != "packet" and reads_unknown(reader)
    known = least_reads(reader) if vague else reads
    sure = known & (earlier.least_writes if earlier.writes is None else earlier.writes)
    name = shown(earlier.name)
    if sure:
        keys = tuple(sorted(sure))
        text = f"{who} reads {key_list(keys)}, which {name} may write"
        if vague and not sure <= reader.least_reads:
            text += told_why(doubts_of(reader, "reads"))
        yield Reason(keys, text, needed=True)
        return
    keys = tuple(sorted(meets))
    unknown: list[Unknown] = []
    doubts: tuple[Doubt, ...] = ()
    texts = []
    if earlier.writes is None:
        unknown.append(Unknown(earlier.name, "writes"))
        doubts += (of := doubts_of(earlier, "writes"))
        texts.append(f"{name} may write any key, so also {key_list(keys)}{told_why(of)}")
    if vague and reader.whole_input:
        texts.append(
            f"{who} is given its input as a whole"
            + ("" if earlier.writes is None else f", with {key_list(keys)}, which {name} may write")
        )
    elif vague:
        unknown.append(Unknown(later.name, "routes" if how == "router" else "reads"))
        doubts += (of := doubts_of(reader, "reads"))
        texts.append(
            f"{who} may read all of its input"
            + ("" if earlier.writes is None else f", with {key_list(keys)}, which {name} may write")
            + told_why(of)
        )
    yield Reason(keys, ", and ".join(texts), tuple(unknown), doubts)


def _changes_read(
    later: Stage, view: Stage, earlier: Stage, how: How, who: str
) -> Iterable[Reason]:
    """A read of what an unfinished task changes in place."""

    def meets(changed: frozenset[Path] | None) -> bool:
        return changed != frozenset() if how == "packet" else overlap(view.reads, changed)

    if not meets(earlier.mutates):
        return
    name = shown(earlier.name)
    if earlier.mutates is None and earlier.barrier is None:
        text = f"{name} changes what it is sent in place, which may be any object of the state"
        yield Reason((), text, needed=True)
        return
    doubts = doubts_of(earlier, "mutates")
    certain = not doubts or meets(earlier.least_mutates)
    of = view if how == "router" else later
    vague = how != "packet" and reads_unknown(of) and not of.whole_input
    vague = vague and not overlap(roots(least_reads(of)), earlier.mutates)
    keys = () if earlier.mutates is None else dotted(earlier.mutates)
    unknown = []
    if not certain:
        unknown.append(Unknown(earlier.name, "mutates"))
    if vague:
        unknown.append(Unknown(later.name, "routes" if how == "router" else "reads"))
    what = key_list(keys) if keys else "any of its input"
    reader = "a packet may hold" if how == "packet" else f"{who} {'may read' if vague else 'reads'}"
    yield Reason(
        keys,
        f"{name} {'changes' if certain else 'may change'} {what} in place, which {reader}"
        + ("" if certain else told_why(doubts)),
        tuple(unknown),
        () if certain else doubts,
        needed=not unknown,
    )


def _changes_shared(view: Stage, earlier: Stage, how: How, who: str) -> Iterable[Reason]:
    """A change in place of what an unfinished task reads, writes or changes."""
    if view.mutates == frozenset() or how == "router":
        return
    doubts = doubts_of(view, "mutates")
    what = "what it is sent" if view.mutates is None else key_list(dotted(view.mutates))
    keys = () if view.mutates is None else dotted(view.mutates)
    mine = Unknown(view.name, "mutates")
    if how == "packet":
        sure = not doubts or bool(view.least_mutates)
        yield Reason(
            keys,
            f"{who} {'changes' if sure else 'may change'} {what} in place, which others may hold"
            + ("" if sure else told_why(doubts)),
            () if sure else (mine,),
            () if sure else doubts,
            needed=sure,
        )
        return
    writes = None if earlier.writes is None else roots(earlier.writes)
    least = (roots(least_reads(earlier)), roots(earlier.least_writes), earlier.least_mutates)
    for fact, verb, paths, known, vague in zip(
        ("reads", "writes", "mutates"),
        ("read", "write", "change"),
        (earlier.reads, writes, earlier.mutates),
        least,
        (reads_unknown(earlier), writes is None, bool(doubts_of(earlier, "mutates"))),
        strict=True,
    ):
        if not overlap(view.mutates, paths):
            continue
        theirs = vague and not overlap(view.mutates, known)
        ours = bool(doubts) and not overlap(view.least_mutates, known if vague else paths)
        why = (*(doubts if ours else ()), *(doubts_of(earlier, fact) if theirs else ()))
        yield Reason(
            keys,
            f"{who} {'may change' if ours else 'changes'} {what} in place, "
            f"which {shown(earlier.name)} may {verb}{told_why(why)}",
            (*([mine] if ours else []), *([Unknown(earlier.name, fact)] if theirs else [])),
            why,
            needed=not ours and not theirs,
        )


def reads_unknown(stage: Stage) -> bool:
    """Whether a node counts as reading all of its input for want of anything better."""
    return stage.reads == roots(stage.inputs) and bool(
        stage.whole_input or doubts_of(stage, "reads")
    )


_WHOLE = (
    "iterates over the whole state",
    "reads all keys of the state",
    "the whole state is tested",
    "the whole state is compared",
    "the whole state is matched",
)
"""Doubts about what is read that leave none: all of it is."""


def least_reads(stage: Stage) -> frozenset[str]:
    """The keys a node was seen to read: all of them, if it goes through its state."""
    whole = any(text in doubt.why for doubt in doubts_of(stage, "reads") for text in _WHOLE)
    return stage.inputs if whole else stage.least_reads


def doubts_of(stage: Stage, fact: str) -> tuple[Doubt, ...]:
    """What stayed unknown about one fact of a stage."""
    return tuple(doubt for doubt in stage.doubts if doubt.fact == fact)


def told_why(doubts: tuple[Doubt, ...]) -> str:
    """The end of a sentence that says why something is unknown."""
    return f": {because(doubts[0])}" if doubts else ""


def key_list(keys: tuple[str, ...]) -> str:
    """Keys in a sentence, the first few of them."""
    few = [
        f"what {shown(key.removeprefix(ACCOUNT))} gathers"
        if key.startswith(ACCOUNT)
        else repr(shown(key))
        for key in keys[:4]
    ]
    more = len(keys) - len(few)
    return listed([*few, f"{more} more"] if more else few)
