"""Wrapped graphs: LangGraph's own classes, run by this engine."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.runnables.graph import Graph
from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from langgraph_alto import _langgraph
from langgraph_alto.batching.declare import Batch
from langgraph_alto.plan.effects import Effects
from langgraph_alto.streams.declare import Stream, check_streams, streams_of
from langgraph_alto.trace import Trace

if TYPE_CHECKING:
    from langgraph_alto.plan.masks import Masks
    from langgraph_alto.plan.plan import Plan

Policy = Literal["off", "proven", "speculative"]

unwatched: ContextVar[bool] = ContextVar("unwatched", default=False)
"""Set around ``invoke``, whose caller sees the state only when the run has ended."""

POLICIES: tuple[Policy, ...] = ("off", "proven", "speculative")


@dataclass(frozen=True, slots=True)
class Options:
    """What a graph was wrapped with.

    Args:
        policy: ``"off"`` keeps LangGraph's schedule; ``"proven"`` runs ahead
            only what is certain; ``"speculative"`` also what is likely.
        effects: Declarations by node name.
        ordered: Nodes that must run in their own superstep.
        limits: How many tasks of a node may run at once in a run, by its name.
        trace: Where every run is recorded.
        batch: How the calls of a node are batched, by its name.
        streams: What models write for the routers of their node, by its name.
    """

    policy: Policy = "proven"
    effects: Mapping[str, Effects] = field(default_factory=dict)
    ordered: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    trace: Trace | None = None
    batch: Mapping[str, Batch] = field(default_factory=dict)
    streams: Mapping[str, str | Stream] = field(default_factory=dict)


if TYPE_CHECKING:
    _Base = Pregel[Any, Any, Any, Any]
else:
    _Base = object


class Wrapped(_Base):
    """What wrapping adds to a graph class; a mixin in front of LangGraph's.

    Everything it keeps is in ``alto``, so that ``copy``, ``with_config`` and
    whatever else rebuilds a graph from its attributes keep it too.
    """

    alto: Options

    def __init__(self, *, alto: Options, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alto = alto

    def copy(self, update: dict[str, Any] | None = None) -> Any:
        """Copy the graph, with some attributes replaced; it stays wrapped."""
        own = {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
        own.pop("__orig_class__", None)
        return self.__class__(**{**own, **(update or {})})

    def get_graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Draw the graph, as LangGraph draws it unwrapped."""
        return unwrapped(self).get_graph(*args, **kwargs)

    async def aget_graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Draw the graph, as LangGraph draws it unwrapped."""
        return await unwrapped(self).aget_graph(*args, **kwargs)

    @functools.cached_property
    def _alto_masks(self) -> Masks:
        """What may run ahead, and why the rest may not."""
        from langgraph_alto.plan.shape import masks_of

        return masks_of(self, self.alto.effects, self.alto.ordered, self._streams())

    def _streams(self) -> dict[str, Stream]:
        """What is declared of what its models write, by the name of the node."""
        internal = ("__", "branch:", "join:")
        keys = {
            name: channel
            for name, channel in self.channels.items()
            if not name.startswith(internal)
        }
        return streams_of(self.alto.streams, set(self.nodes) - {START}, keys)

    @functools.cached_property
    def plan(self) -> Plan:
        """How the graph runs, and why: its stages, their effects, the barriers that stay."""
        from langgraph_alto.plan.passes import make_plan, no_plan

        options = self.alto
        if not isinstance(self, CompiledStateGraph):
            return no_plan(
                options.policy,
                "it is no state graph: what an @entrypoint or a Pregel graph does is decided "
                "while it runs",
            )
        return make_plan(
            self,
            self._alto_masks,
            policy=options.policy,
            effects=options.effects,
            ordered=options.ordered,
            off=self._off(),
        )

    def _off(self) -> str | None:
        """Why nothing runs ahead at all, if so."""
        if _langgraph.unsupported is not None:
            return _langgraph.unsupported
        if self.alto.policy == "off":
            return 'its policy is "off"'
        if self.step_timeout is not None:
            return "it has a step_timeout, which is for tasks that start together"
        return None

    @functools.cached_property
    def _alto_methods(self) -> tuple[Any, Any]:
        from langgraph_alto.batching.nodes import batch_nodes
        from langgraph_alto.engine.channels import Kinds
        from langgraph_alto.engine.loops import AsyncLoop, Engine, SyncLoop
        from langgraph_alto.engine.runner import Runner

        # Only a state graph's triggers are of the kinds that the predictor knows.
        states = isinstance(self, CompiledStateGraph)
        engine = Engine(
            self.alto.policy if states else "off",
            lambda: self._alto_masks,
            self.step_timeout,
            Kinds(self.channels),
            states,
            self.get_name(),
            self.alto.trace,
            self.alto.limits,
            batch_nodes(self.nodes),
        )
        return (
            _langgraph.rebind(
                super().stream.__func__,  # type: ignore[attr-defined]
                SyncPregelLoop=functools.partial(SyncLoop, engine=engine),
                PregelRunner=Runner,
            ),
            _langgraph.rebind(
                super().astream.__func__,  # type: ignore[attr-defined]
                AsyncPregelLoop=functools.partial(AsyncLoop, engine=engine),
                PregelRunner=Runner,
            ),
        )

    def _unseen(self, options: Mapping[str, Any]) -> bool:
        """Whether the caller of ``invoke`` sees the state only when the run has ended."""
        return (
            options.get("stream_mode", "values") in ("values", "updates")
            and not options.get("print_mode")
            and not self.debug
        )

    if not TYPE_CHECKING and _langgraph.unsupported is None:

        @functools.wraps(Pregel.stream)
        def stream(self, *args, **kwargs):  # noqa: D102  (the wrapped method's)
            return self._alto_methods[0](self, *args, **kwargs)

        @functools.wraps(Pregel.invoke)
        def invoke(self, *args, **kwargs):  # noqa: D102  (the wrapped method's)
            token = unwatched.set(self._unseen(kwargs))
            try:
                return super().invoke(*args, **kwargs)
            finally:
                unwatched.reset(token)

        @functools.wraps(Pregel.ainvoke)
        async def ainvoke(self, *args, **kwargs):  # noqa: D102  (the wrapped method's)
            token = unwatched.set(self._unseen(kwargs))
            try:
                return await super().ainvoke(*args, **kwargs)
            finally:
                unwatched.reset(token)

        @functools.wraps(Pregel.astream)
        def astream(self, *args, **kwargs):  # noqa: D102  (the wrapped method's)
            return self._alto_methods[1](self, *args, **kwargs)


_DERIVED = frozenset({"_alto_masks", "_alto_methods", "plan"})


class AltoGraph(Wrapped, CompiledStateGraph[Any, Any, Any, Any]):
    """A ``CompiledStateGraph`` that computes the same, sooner."""


class AltoPregel(Wrapped, Pregel[Any, Any, Any, Any]):
    """A ``Pregel`` graph, such as an ``@entrypoint``'s, run by this engine."""


@functools.cache
def wrapped_class(kind: type[Pregel[Any, Any, Any, Any]]) -> type[Wrapped]:
    """The class a graph of this class becomes when wrapped."""
    if kind is CompiledStateGraph:
        return AltoGraph
    if kind is Pregel:
        return AltoPregel
    base = AltoGraph if issubclass(kind, CompiledStateGraph) else Wrapped
    made: Any = type(f"Alto{kind.__name__}", (base, kind), {"__doc__": kind.__doc__})
    return made  # type: ignore[no-any-return]


def unwrapped(graph: Pregel[Any, Any, Any, Any]) -> Pregel[Any, Any, Any, Any]:
    """The same graph with LangGraph's own classes, and so those used as its nodes."""
    if not isinstance(graph, Wrapped):
        return graph
    kind: Any = next(base for base in type(graph).__mro__ if not issubclass(base, Wrapped))
    plain = kind.__new__(kind)
    vars(plain).update(
        {name: value for name, value in vars(graph).items() if name not in _DERIVED | {"alto"}}
    )
    plain.nodes = {name: _plain(node) for name, node in graph.nodes.items()}
    return plain  # type: ignore[no-any-return]


def _plain(node: Any) -> Any:
    """A node as it is in the graph unwrapped."""
    from langgraph_alto.batching.nodes import BatchNode
    from langgraph_alto.gathering.scopes import Tracked

    bound = node.bound
    if isinstance(bound, Tracked) and isinstance(bound.inner, BatchNode):
        return node.copy({"bound": bound.around(bound.inner.inner)})
    if isinstance(bound, BatchNode):
        return node.copy({"bound": bound.inner})
    if not isinstance(bound, Wrapped):
        return node
    subgraphs = [
        unwrapped(inner) if isinstance(inner, Pregel) else inner for inner in node.subgraphs
    ]
    return node.copy({"bound": unwrapped(bound), "subgraphs": subgraphs})


def options(
    policy: str,
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] | None = (),
    limits: Mapping[str, int] | None = None,
    trace: Trace | None = None,
    batch: Mapping[str, Batch] | None = None,
    streams: Mapping[str, str | Stream] | None = None,
) -> Options:
    """Check the options of ``wrap``, as far as that takes no graph.

    Raises:
        ValueError: ``policy`` is none of the three, or a limit is below 1.
        TypeError: ``effects`` is no mapping to ``Effects``, ``ordered`` is no
            collection of names, ``limits`` is no mapping to whole numbers, ``trace``
            is no ``Trace``, ``batch`` is no mapping to ``Batch``, or ``streams`` none
            to state keys.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy is {policy!r}; it must be one of {', '.join(POLICIES)}")
    if effects is not None and not isinstance(effects, Mapping):
        raise TypeError(
            f"effects is a {type(effects).__name__}; give a mapping of node names to Effects, "
            'such as {"node": Effects(writes={"key"})}'
        )
    for name, declared in (effects or {}).items():
        if not isinstance(declared, Effects):
            raise TypeError(
                f"effects[{name!r}] is a {type(declared).__name__}; "
                "give Effects(reads=..., writes=...)"
            )
    if isinstance(ordered, str):
        raise TypeError(f"ordered is the string {ordered!r}; give a collection of node names")
    if ordered is not None and not isinstance(ordered, Collection):
        raise TypeError(
            f"ordered is a {type(ordered).__name__}; give a collection of node names, "
            'such as {"node"}'
        )
    if limits is not None and not isinstance(limits, Mapping):
        raise TypeError(
            f"limits is a {type(limits).__name__}; give a mapping of node names to numbers, "
            'such as {"node": 4}'
        )
    for name, limit in (limits or {}).items():
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(
                f"limits[{name!r}] is {limit!r}; give a whole number of tasks, at least 1"
            )
        if limit < 1:
            raise ValueError(
                f"limits[{name!r}] is {limit}; it must be at least 1, or no task of "
                f"{name!r} could ever run"
            )
    if trace is not None and not isinstance(trace, Trace):
        raise TypeError(f"trace is a {type(trace).__name__}; give a langgraph_alto.Trace")
    if batch is not None and not isinstance(batch, Mapping):
        raise TypeError(
            f"batch is a {type(batch).__name__}; give a mapping of node names to Batch, "
            'such as {"node": Batch(64, 0.005)}'
        )
    for name, how in (batch or {}).items():
        if not isinstance(how, Batch):
            raise TypeError(
                f"batch[{name!r}] is {how!r}; give a langgraph_alto.Batch, such as Batch(64, 0.005)"
            )
    return Options(
        policy,
        dict(effects or {}),
        frozenset(ordered or ()),
        dict(limits or {}),
        trace,
        dict(batch or {}),
        check_streams(streams),
    )
