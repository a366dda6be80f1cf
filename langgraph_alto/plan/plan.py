"""The plan of a graph, for people and tools to read.

What the engine uses are masks (:mod:`langgraph_alto.plan.masks`). A
:class:`Plan` says the same in words: what each node touches and how that is
known, where fan-outs open and meet again, what waits for what because the data
need it, and which barriers stay only because something is not known.

A plan is made by small named passes (:mod:`langgraph_alto.plan.passes`), each
a function from plan to plan, as dask's optimiser has named stages: one can
stop after any of them and look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langgraph_alto.plan.effects import Doubt, Effects
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.plain import plain

if TYPE_CHECKING:
    from langgraph_alto.plan.gain import Gain

Source = Literal["schema", "analysis", "declaration", "observation"]
"""How a fact is known: from what the graph declares (schemas, edges, ``path_map``,
``destinations``), from the source of its functions, from ``Effects(...)``, or
from runs."""

Granularity = Literal["state", "packet", "parent"]
EdgeKind = Literal["edge", "join", "route", "command", "send", "gather"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact about a stage.

    Args:
        names: The keys, dotted paths or nodes, sorted; ``None``: any.
        source: How that is known.
        doubts: Why it is not known any better, if so.
    """

    names: tuple[str, ...] | None
    source: Source
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A node of the graph, as planned.

    Args:
        name: The node's name.
        step: The earliest superstep in which LangGraph may run it, 1 being the
            first after the input; ``None`` if nothing is known to lead to it.
        again: Whether it may run in several supersteps of one run.
        reads: State keys, or paths below them, that it may read.
        writes: State keys it may write.
        mutates: Paths of its input it may change in place.
        leads_to: Nodes it may lead to.
        granularity: What one task of it takes: ``"state"`` when an edge starts
            it, ``"packet"`` when a ``Send`` does, ``"parent"`` when it is a gather,
            whose function is called once per parent.
        streaming: Whether it may take its input before that is complete.
        ordered: Whether it is declared to run in its own superstep.
        deferred: Whether it waits for everything else.
        ahead: Whether it may run ahead of its superstep at all.
    """

    name: str
    step: int | None
    again: bool
    reads: Fact | None = None
    writes: Fact | None = None
    mutates: Fact | None = None
    leads_to: Fact | None = None
    granularity: tuple[Granularity, ...] = ()
    streaming: bool = False
    ordered: bool = False
    deferred: bool = False
    ahead: bool = False

    @property
    def changes(self) -> bool:
        """Whether it may change its input in place, which a stream or a checkpoint could show."""
        return self.mutates is not None and self.mutates.names != ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node to another.

    Args:
        source: Where it begins.
        target: Where it leads.
        kind: ``"edge"``: always; ``"join"``: once all of ``together`` have
            ended; ``"route"``: if a router says so; ``"command"``: if the node
            says so; ``"send"``: once per packet; ``"gather"``: once per parent of
            the packets.
        together: The sources of a waiting edge, sorted.
    """

    source: str
    target: str
    kind: EdgeKind
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FanOut:
    """Where a node sends packets: each is a frame of ancestry.

    Args:
        scope: Its name, the sender's.
        targets: The nodes the packets go to, sorted.
        within: The scopes it is nested in, the outermost first.
        recursive: Whether packets of the scope may open it again.
    """

    scope: str
    targets: tuple[str, ...]
    within: tuple[str, ...] = ()
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class Reduce:
    """Where the results of fan-outs meet: one task for all of a superstep.

    Args:
        node: The node that runs once on all of them.
        scopes: The scopes that end there, the innermost first.
        of: The nodes whose results meet.
        keys: The keys through which it sees them.
    """

    node: str
    scopes: tuple[str, ...]
    of: tuple[str, ...]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PerParent:
    """A gather: its function is called once per parent of a fan-out.

    Args:
        node: The gather.
        over: The fan-out site: each of its tasks is a parent.
        of: The nodes whose results are gathered, sorted.
        scopes: The scopes that end there, the innermost first.
        first: How many results are enough; ``None``: all are wanted.
        as_completed: Whether it is given the results as they come.
        errors: The error scope of the site; ``None`` where none is declared.
        early: Whether each call may begin as soon as its own parent is complete,
            or has as many results as are wanted; otherwise all calls wait for
            the gather's superstep.
    """

    node: str
    over: str
    of: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    first: int | None = None
    as_completed: bool = False
    errors: str | None = None
    early: bool = False


@dataclass(frozen=True, slots=True)
class Dependency:
    """A wait that the data need: it is no barrier, and nothing lifts it.

    Args:
        node: The node that waits.
        earlier: The node it waits for, where that is at an earlier superstep.
        keys: What passes between them.
        why: In words.
        router: Whether it is the node's router that waits.
    """

    node: str
    earlier: str
    keys: tuple[str, ...]
    why: str
    router: bool = False


@dataclass(frozen=True, slots=True)
class Lift:
    """A declaration that removes a barrier, if it is true.

    Args:
        text: As an argument of ``wrap``, ready to paste.
        effects: The same, by node.
    """

    text: str
    effects: tuple[tuple[str, Effects], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Barrier:
    """A wait that stays although the data may not need it.

    Args:
        node: The node that waits.
        earlier: The node it waits for; ``None``: all of earlier supersteps.
        keys: The state keys it is about; empty if it is about none.
        reason: Why it stays, naming node, key and line.
        doubts: What is not known.
        lift: The declaration that would lift it; ``None`` if none can.
        instead: What else can be done, or why nothing can.
        router: Whether it is the node's router that waits.
    """

    node: str
    earlier: str | None
    keys: tuple[str, ...]
    reason: str
    doubts: tuple[Doubt, ...] = ()
    lift: Lift | None = None
    instead: str | None = None
    router: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A place where the plan streams or batches.

    Args:
        node: The node.
        keys: The state keys concerned.
        why: In words.
    """

    node: str
    keys: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the passes are given to read; no part of the plan.

    Args:
        masks: The graph's plan, compiled.
        effects: Declarations by node.
        ordered: Nodes declared ordered by name.
        keys: The state's keys.
        joins: ``(channel, target, sources)`` of all waiting edges.
        gathers: The graph's gathers.
        hidden: The keys that hold their accounts, and are no user's.
        watched: Whether a checkpointer sees every superstep.
        stops: Nodes before or after which the graph is set to interrupt.
        remade: Compiles the graph with other declarations.
        batches: Where it batches.
    """

    masks: Masks
    effects: Mapping[str, Effects]
    ordered: frozenset[str]
    keys: tuple[str, ...]
    joins: tuple[tuple[str, str, frozenset[str]], ...]
    watched: bool
    stops_before: int
    stops_after: int
    remade: Callable[[Mapping[str, Effects]], Masks]
    gathers: tuple[PerParent, ...] = ()
    hidden: frozenset[str] = frozenset()
    batches: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a wrapped graph runs, and why; ``fast.plan`` of a wrapped graph.

    Args:
        policy: The policy it was wrapped with.
        off: Why nothing runs ahead at all, or ``None``.
        passes: The passes that made it, in order.
        stages: Its nodes, by earliest superstep and name.
        edges: How they lead to each other.
        keys: The state's keys, sorted.
        fanouts: Where packets are sent.
        reduces: Where their results meet.
        gathers: Where they are reduced per parent.
        dependencies: Waits that the data need.
        barriers: Waits that stay for another reason.
        streams: Where the plan streams.
        batches: Where it batches.

    Example:
        ```python
        print(wrap(graph).plan.explain(times={"search": 0.8, "rank": 0.3}))
        ```
    """

    policy: str
    off: str | None = None
    passes: tuple[str, ...] = ()
    stages: tuple[PlannedStage, ...] = ()
    edges: tuple[Edge, ...] = ()
    keys: tuple[str, ...] = ()
    fanouts: tuple[FanOut, ...] = ()
    reduces: tuple[Reduce, ...] = ()
    gathers: tuple[PerParent, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    streams: tuple[Point, ...] = ()
    batches: tuple[Point, ...] = ()
    given: Given | None = field(default=None, repr=False, compare=False)
    before: Plan | None = field(default=None, repr=False, compare=False)

    def after(self, stage: str) -> Plan:
        """The plan as it was after one of its passes.

        Raises:
            ValueError: It has no pass of that name.
        """
        plan: Plan | None = self
        while plan is not None:
            if plan.passes and plan.passes[-1] == stage:
                return plan
            plan = plan.before
        raise ValueError(f"no pass is called {stage!r}; the passes are {', '.join(self.passes)}")

    def __getitem__(self, name: str) -> PlannedStage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def explain(
        self,
        stage: str | None = None,
        times: Mapping[str, float] | None = None,
        *,
        widths: Mapping[str, int] | None = None,
    ) -> str:
        """The plan as text for a terminal.

        Args:
            stage: Stop after this pass; default: after the last.
            times: Seconds that one run of each node takes. With them, what the
                plan gains is predicted, and what lifting each barrier would.
            widths: Packets that one fan-out sends to a node; default: 4 each.

        Raises:
            TypeError: ``stage`` is no name, or ``times`` or ``widths`` are no
                mapping to numbers.
            ValueError: There is no such pass, ``times`` or ``widths`` name a node
                that the graph does not have or hold a number that is too small,
                or there are ``widths`` without ``times``.
        """
        from langgraph_alto.plan.explain import explain

        given: object = stage
        if given is not None and not isinstance(given, str):
            hint = ", or give times=..." if isinstance(given, Mapping) else ""
            raise TypeError(f"stage is a {type(given).__name__}; give the name of a pass{hint}")
        if widths is not None and times is None:
            raise ValueError(
                "widths count only where times are predicted; give times=... too, "
                'such as times={"node": 0.5}'
            )
        gain = None if times is None else self.gain(times, widths=widths)
        return explain(self if stage is None else self.after(stage), gain)

    def gain(self, times: Mapping[str, float], *, widths: Mapping[str, int] | None = None) -> Gain:
        """Predict how long a run takes in supersteps, and how long under this plan.

        Args:
            times: Seconds that one run of each node takes; others count as 0.
            widths: Packets that one fan-out sends to a node; default: 4 each.

        Raises:
            TypeError: ``times`` or ``widths`` are no mapping to numbers.
            ValueError: A time is negative, a width is not positive, or a name
                is none of the graph's nodes.
        """
        from langgraph_alto.plan.gain import predict

        return predict(self, times, widths)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values, for ``json.dumps``; ``format`` counts changes of shape."""
        return {"format": 2, **plain(self)}

    def draw_mermaid(self) -> str:
        """LangGraph's steps and this plan as a Mermaid flowchart."""
        from langgraph_alto.plan.mermaid import draw

        return draw(self)

    def draw_svg(self) -> str:
        """LangGraph's steps beside this plan as an SVG image: no scripts, no links."""
        from langgraph_alto.plan.svg import draw

        return draw(self)
