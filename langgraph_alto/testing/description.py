"""Descriptions of graphs: plain data that hypothesis can draw, print and shrink."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

StateKind = Literal["typeddict", "pydantic", "dataclass"]

ReadStyle = Literal["item", "get", "in", "alias", "helper", "itemgetter"]
"""How a key is read: ``state["k"]``, ``state.get("k")``, after ``"k" in state``,
through another name for the state, through a visible function, or opaquely."""

WholeStyle = Literal["", "dict", "items", "unpack", "repr", "json", "deepcopy", "kind", "for"]
"""How a node reads everything, if it does."""

ReturnStyle = Literal["dict", "built", "early", "comprehension", "helper", "command", "list"]
"""How a node returns its update."""

Dress = Literal["def", "partial", "object", "lambda", "method"]
"""What is given to ``add_node``: a function, or something less readable."""

KEYS: dict[str, str] = {
    "log": "Annotated[list, operator.add]",
    "text": "Annotated[str, operator.add]",
    "hops": "Annotated[int, operator.add]",
    "table": "Annotated[dict, merged]",
    "best": "Annotated[str, longest]",
    "new": "Annotated[str, newest]",
    "zip": "Annotated[list, zipped]",
    "messages": "Annotated[list, add_messages]",
    "x": "str",
    "y": "str",
    "shelf": "Shelf",
}
"""State keys a graph may have. Each node may also have its own, ``of_<node>``."""

END = "END"


@dataclass(frozen=True, slots=True)
class Read:
    """A key that a node reads."""

    key: str
    style: ReadStyle = "item"


@dataclass(frozen=True, slots=True)
class Route:
    """A decision where to go next: of a router, or in a ``Command(goto=...)``.

    Attributes:
        kind: ``one`` of the targets, ``several``, ``fan`` (a list of ``Send`` to
            the first target), or ``mixed`` (such a list, and the second target).
        targets: Names of nodes, or ``END``.
        key: What the choice depends on; ``""`` for ``hops``.
        limit: Leave when the counter ``hops`` has reached this; ``None``: no guard.
        width: How many ``Send``s; with `varies`, at most.
        varies: Whether the number of ``Send``s depends on the state.
        payload: What a ``Send`` carries: an ``item``, or the ``state`` as well.
        mapped: Whether destinations are declared (``path_map``, ``destinations``).
        table: Whether targets are looked up in a list, not written out.
        asynchronous: Whether the router is a coroutine.
    """

    kind: Literal["one", "several", "fan", "mixed"]
    targets: tuple[str, ...]
    key: str = ""
    limit: int | None = None
    width: int = 2
    varies: bool = False
    payload: Literal["item", "state"] = "item"
    mapped: bool = False
    table: bool = False
    asynchronous: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        name: ``n0``... for nodes that read state, ``w0``... for workers, which
            read the payload of a ``Send``.
        asynchronous: Whether it is a coroutine.
        reads: Keys it reads.
        whole: How it reads the whole state, if it does.
        mixes: Whether it digests by a helper rather than by an f-string.
        writes: Keys it writes.
        returns: How it returns them.
        goto: Where its ``Command`` goes.
        route: Its conditional edge.
        narrow: Whether its input schema has only the keys it reads.
        mutates: Whether it appends to its list on the shelf.
        shelves: Whose lists on the shelf it reads.
        dress: How it is given to ``add_node``.
        fails: How many first attempts fail; -1: all.
        by_attempt: Whether failures go by LangGraph's attempt number.
        retries: ``max_attempts`` of its retry policy; 0: no policy.
        asks: How often it calls ``interrupt``.
        stamps: Whether it reads its superstep from the config's metadata.
        defer: Whether it is deferred.
        inner: The subgraph that this node is.
    """

    name: str
    asynchronous: bool = False
    reads: tuple[Read, ...] = ()
    whole: WholeStyle = ""
    mixes: bool = False
    writes: tuple[str, ...] = ("log",)
    returns: ReturnStyle = "dict"
    goto: Route | None = None
    route: Route | None = None
    narrow: bool = False
    mutates: bool = False
    shelves: tuple[str, ...] = ()
    dress: Dress = "def"
    fails: int = 0
    by_attempt: bool = False
    retries: int = 0
    asks: int = 0
    stamps: bool = False
    defer: bool = False
    inner: Description | None = None

    @property
    def worker(self) -> bool:
        """Whether its input is the payload of a ``Send``."""
        return self.name.startswith("w")


@dataclass(frozen=True, slots=True, repr=False)
class Description:
    """A graph, the input it is given and the timing it runs under.

    Its ``repr`` is the source of the graph, which is what one wants to read
    when hypothesis prints a failing example.

    Attributes:
        state: How the state is declared.
        keys: The state's keys, out of `KEYS`; ``of_<node>`` come on their own.
        nodes: The nodes.
        entry: Nodes that ``START`` leads to by plain edges.
        start_route: A conditional edge from ``START``.
        edges: Plain edges; the target may be ``END``.
        joins: Waiting edges: several sources, one target.
        interrupt_before: Static breakpoints.
        interrupt_after: Static breakpoints.
        checkpointer: Whether to run with a checkpointer.
        durability: When checkpoints are persisted.
        recursion_limit: The run's limit.
        given: Keys that the input has.
        output: Keys of the output schema; empty: all.
        delays: Seconds to sleep, by node; each call draws one.
    """

    state: StateKind = "typeddict"
    keys: tuple[str, ...] = ("log", "x")
    nodes: tuple[Node, ...] = ()
    entry: tuple[str, ...] = ()
    start_route: Route | None = None
    edges: tuple[tuple[str, str], ...] = ()
    joins: tuple[tuple[tuple[str, ...], str], ...] = ()
    interrupt_before: tuple[str, ...] = ()
    interrupt_after: tuple[str, ...] = ()
    checkpointer: bool = False
    durability: str | None = None
    recursion_limit: int = 15
    given: tuple[str, ...] = ("x",)
    output: tuple[str, ...] = ()
    delays: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def __repr__(self) -> str:
        from langgraph_alto.testing.source import source

        return "\n" + source(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints it: not as a dataclass, but as source."""
        printer.text(repr(self))


def successors(description: Description, node: Node) -> Iterator[str]:
    """Names of the nodes that a node may lead to in the next superstep."""
    for start, end in description.edges:
        if start == node.name:
            yield end
    for starts, end in description.joins:
        if node.name in starts:
            yield end
    for route in (node.route, node.goto):
        if route is not None:
            yield from route.targets


def possible_steps(description: Description, horizon: int = 24) -> dict[str, frozenset[int]]:
    """In which supersteps each node may run, assuming that any route may be taken.

    Two nodes that share no superstep never run at the same time under
    LangGraph, so one may read what the other changes in place. Deferred nodes
    run when nothing else does and are left out.
    """
    by_name = {node.name: node for node in description.nodes}
    route = description.start_route
    current = {*description.entry, *(route.targets if route else ())}
    steps: dict[str, set[int]] = {name: set() for name in by_name}
    for step in range(1, horizon):
        following: set[str] = set()
        for name in sorted(current & by_name.keys()):
            steps[name].add(step)
            following |= set(successors(description, by_name[name]))
        deferred = {n for n in following if n in by_name and by_name[n].defer}
        if deferred:  # may run at any later time, and whatever follows it
            later = _reachable(description, deferred)
            for name in later:
                steps[name] |= set(range(step, horizon))
        current = following
    return {name: frozenset(found) for name, found in steps.items()}


def _reachable(description: Description, names: set[str]) -> set[str]:
    by_name = {node.name: node for node in description.nodes}
    found: set[str] = set()
    left = names & by_name.keys()
    while left:
        found |= left
        left = {
            n for name in left for n in successors(description, by_name[name]) if n in by_name
        } - found
    return found
