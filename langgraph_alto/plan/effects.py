"""What a node reads, writes and mutates: the facts every plan rests on.

Paths are tuples of names: ``("docs",)`` is the state key ``docs``,
``("topic", "notes")`` the attribute (or constant item) ``notes`` of what the
key ``topic`` holds, ``("docs", "[]", "score")`` the ``score`` of any element of
the list ``docs``. A path stands for everything below it, so two paths conflict
when one is a prefix of the other.

In all these types ``None`` in place of a set means *unknown, so anything*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

Path = tuple[str, ...]

BELOW: Final = "*"
"""The last segment of a path in ``Facts.untold`` that stands for all there, however deep."""


@dataclass(frozen=True, slots=True)
class Effects:
    """A user's declaration of what a node touches; what is omitted is inferred.

    Args:
        reads: State keys, or dotted attribute paths below them, the node may
            read. ``None`` (the default) leaves it to inference.
        writes: State keys the node's updates may contain.
        mutates: Keys or dotted paths of its input that the node changes in
            place. An empty collection promises that it changes nothing.
        ordered: Never run this node before the superstep that owns it.
        goto: Names of the nodes that a ``Command(goto=...)``, a ``Send`` or a
            router of this node may lead to.
        routes: State keys that the routers of this node may read.
        observed: Whether this was seen in runs rather than written down.

    Raises:
        TypeError: A field is of the wrong type; one string is no collection of names.

    Example:
        ```python
        fast = wrap(graph, effects={"rank": Effects(reads={"docs"}, writes={"top"})})
        ```
    """

    reads: Collection[str] | None = None
    writes: Collection[str] | None = None
    mutates: Collection[str] | None = None
    ordered: bool = False
    goto: Collection[str] | None = None
    routes: Collection[str] | None = None
    observed: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for fact in ("reads", "writes", "mutates", "goto", "routes"):
            _check_collection(fact, getattr(self, fact))
        if not isinstance(self.ordered, bool):
            raise TypeError(f"Effects(ordered={self.ordered!r}): give True or False")


def _check_collection(fact: str, names: object) -> None:
    if names is None:
        return
    what = "node names" if fact == "goto" else "names"
    if isinstance(names, str):
        # A string is a collection too: of its letters.
        raise TypeError(
            f"Effects({fact}={names!r}): give a collection of {what}, such as "
            f"{fact}={{{names!r}}}, not one string"
        )
    if not isinstance(names, Collection):
        raise TypeError(
            f"Effects({fact}={names!r}): give a collection of {what}, such as a set; "
            "an empty one says that there are none"
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"Effects({fact}=...) holds {name!r}, a {type(name).__name__}; "
                f"give a collection of {what}, which are strings"
            )


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why one fact about a function stayed unknown.

    Args:
        fact: Which fact: ``"reads"``, ``"writes"``, ``"mutates"`` or ``"goto"``.
        why: The reason, in words that name what was met.
        file: Source file, or ``None`` where there is no source.
        line: Line in that file, 1-based, or ``None``.
    """

    fact: str
    why: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What analysis found out about one function that takes the state.

    Args:
        reads: Paths of the state the function may read; ``None``: any.
        writes: State keys its returned updates may contain; ``None``: any.
        mutates: Paths of its input it may change in place; ``None``: any.
        goto: Node names that a returned ``Command``, ``Send`` or (for a
            router) name may lead to; ``None``: any.
        names: Those of them that may be named; ``None``: any.
        sends: Those of them that packets may be sent to; ``None``: any.
        interrupts: Whether it may call ``interrupt()``.
        calls_tasks: Whether it may call a ``@task`` function.
        uses_store: Whether it may touch the run's store.
        asks_identity: Whether it may look at its task's id, namespace or path.
        doubts: One entry for each fact that is ``None``, at least.
        stores: Top-level keys it may set or delete on the input it is given.
            LangGraph makes that afresh for each task, except the payload of a
            ``Send``; ``None``: any.
        shares: Pairs of state keys, each in alphabetical order, that may hold a
            common mutable object because of what it returns or stores in place.
            Sharing is transitive. ``None``: any.
        sends_share: State keys whose objects the payloads of its ``Send`` objects
            may hold; ``None``: any.
        graphs: Graphs it refers to, so may call.
        least_reads: State keys seen to be read, also where ``reads`` is ``None``.
        least_writes: Keys seen to be written, also where ``writes`` is ``None``.
        least_mutates: Paths seen to be changed in place, for certain.
        together: Sets of destinations that one result may name at once, as far as
            that was seen; what is in none of them is named alone, if it is named.
        untold: Where objects are whose class nothing tells, and that the code
            iterates over, subscripts or works on by operators, or hands to code
            that may. That they stay as they are by that is known only when they
            are at hand.
    """

    reads: frozenset[Path] | None
    writes: frozenset[str] | None
    mutates: frozenset[Path] | None
    goto: frozenset[str] | None
    names: frozenset[str] | None = None
    sends: frozenset[str] | None = None
    interrupts: bool = False
    calls_tasks: bool = False
    uses_store: bool = False
    asks_identity: bool = False
    doubts: tuple[Doubt, ...] = ()
    stores: frozenset[str] | None = None
    shares: frozenset[tuple[str, str]] | None = None
    sends_share: frozenset[str] | None = None
    least_reads: frozenset[str] = frozenset()
    least_writes: frozenset[str] = frozenset()
    least_mutates: frozenset[Path] = frozenset()
    graphs: tuple[object, ...] = ()
    together: frozenset[frozenset[str]] = frozenset()
    untold: frozenset[Path] = frozenset()
