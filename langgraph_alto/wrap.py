"""``wrap`` one graph, or ``install`` for every graph compiled from now on."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar, overload

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from langgraph_alto import _langgraph
from langgraph_alto.batching.declare import Batch
from langgraph_alto.graph import AltoGraph, Options, Wrapped, options, wrapped_class
from langgraph_alto.plan.effects import Effects
from langgraph_alto.streams.declare import Stream
from langgraph_alto.trace import Trace

F = TypeVar("F", bound=Callable[..., Any])
G = TypeVar("G", bound=Pregel[Any, Any, Any, Any])


class UnsupportedLangGraphWarning(UserWarning):
    """The installed LangGraph is unknown; graphs run on its own schedule."""


@overload
def wrap(
    graph: StateGraph[Any, Any, Any, Any] | CompiledStateGraph[Any, Any, Any, Any],
    *,
    policy: str = ...,
    effects: Mapping[str, Effects] | None = ...,
    ordered: Collection[str] | None = ...,
    limits: Mapping[str, int] | None = ...,
    batch: Mapping[str, Batch] | None = ...,
    streams: Mapping[str, str | Stream] | None = ...,
    trace: Trace | None = ...,
) -> AltoGraph: ...


@overload
def wrap(
    graph: G,
    *,
    policy: str = ...,
    effects: Mapping[str, Effects] | None = ...,
    ordered: Collection[str] | None = ...,
    limits: Mapping[str, int] | None = ...,
    batch: Mapping[str, Batch] | None = ...,
    streams: Mapping[str, str | Stream] | None = ...,
    trace: Trace | None = ...,
) -> G: ...


def wrap(
    graph: Any,
    *,
    policy: str = "proven",
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] | None = (),
    limits: Mapping[str, int] | None = None,
    batch: Mapping[str, Batch] | None = None,
    trace: Trace | None = None,
    streams: Mapping[str, str | Stream] | None = None,
) -> Any:
    """Return a graph that computes what ``graph`` computes, sooner.

    The result is a ``CompiledStateGraph`` (or the ``Pregel`` class of the graph
    given) and stands in for it everywhere. The graph given is left untouched.
    Graphs used as nodes of it are wrapped too. Wrapping twice is wrapping once,
    with the options given last.

    Args:
        graph: A ``StateGraph``, which is compiled with default options; a
            compiled graph, such as an agent's; or an ``@entrypoint``.
        policy: ``"proven"`` runs ahead only what is certain to be asked for,
            with the very input it will have. ``"speculative"`` also runs what
            is likely; a wrong guess costs work, never a result. ``"off"``
            keeps LangGraph's schedule.
        effects: What nodes read and write, by node name, where analysis of
            their functions cannot tell.
        ordered: Names of nodes that must run in their own superstep, because
            the world outside can see when they run.
        limits: How many tasks of a node may run at once, by node name, beside
            ``max_concurrency`` and under any policy. Each counts what runs ahead
            and what runs in its turn together. A limit is for one run of the
            graph, as ``max_concurrency`` is: two runs at once have two, and each
            run of a subgraph has its own. A task that waits for its node's limit
            keeps no place of ``max_concurrency`` and nobody else waiting.
        batch: How calls of a node that are ready together become one call, by node
            name: for nodes made with :func:`~langgraph_alto.batched`, in place of
            the numbers there, for LangChain runnables, and for any other node with
            ``Batch(..., function=...)``. A batch counts as one task.
        streams: Which state key a node's model writes, by node name: while it
            writes, the node's conditional edges are shown the growing text (or
            message), and the packets that they would send start at once. What they
            return in the end decides; what they would not send after all has cost
            work. A :class:`~langgraph_alto.Stream` says more: how the text is cut,
            and which tools may start early.
        trace: Where every run of the graph is recorded; see
            :func:`~langgraph_alto.trace.trace`, which records some runs.

    Returns:
        The wrapped graph.

    Raises:
        TypeError: ``graph`` is nothing that can be wrapped, an option is of the
            wrong type, or ``batch`` names a node that has no form that takes a list.
        ValueError: ``policy`` is unknown, a limit is below 1, or a declaration
            names a node or a state key that the graph does not have.

    Warns:
        UnsupportedLangGraphWarning: The installed LangGraph is not one that the
            engine knows; the graph runs on LangGraph's own schedule.
    """
    chosen = options(policy, effects, ordered, limits, trace, batch, streams)
    if isinstance(graph, StateGraph):
        graph = _compile(graph)
    if not isinstance(graph, Pregel):
        raise TypeError(
            f"cannot wrap a {type(graph).__name__}; give a StateGraph, a compiled graph, "
            "an agent or an @entrypoint"
        )
    known = set(graph.nodes) - {START}
    for option, names in (("limits", chosen.limits), ("batch", chosen.batch)):
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{option} names the node {name!r}, which the graph does not have; "
                    f"its nodes are {', '.join(sorted(known))}"
                )
    _warn()
    wrapped = _wrapped(graph, chosen)
    if _langgraph.unsupported is None and (chosen.effects or chosen.ordered):
        _check(wrapped)
    return wrapped


def _check(wrapped: Any) -> None:
    from langgraph_alto.gathering.nodes import GatherNode
    from langgraph_alto.plan.declarations import check_effects

    masks = wrapped._alto_masks  # it has checked the names of the nodes
    check_effects(
        wrapped.alto.effects,
        masks.stages,
        wrapped.channels,
        (masks.stages[join.target].name for join in masks.joins),
        {name for name, node in wrapped.nodes.items() if isinstance(node.bound, GatherNode)},
    )


def _warn() -> None:
    if _langgraph.unsupported is not None:
        warnings.warn(
            f"{_langgraph.unsupported}; graphs run on LangGraph's own schedule",
            UnsupportedLangGraphWarning,
            stacklevel=3,
        )


def _compile(graph: StateGraph[Any, Any, Any, Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    # A graph with a gather has a compile() of its own.
    compile = vars(graph).get("compile")
    return _original_compile(graph) if compile is None else compile()


def _wrapped(graph: Pregel[Any, Any, Any, Any], chosen: Options) -> Any:
    if isinstance(graph, Wrapped):
        nodes = {name: _again(name, node, chosen) for name, node in graph.nodes.items()}
        again: Any = graph.copy({"alto": chosen, "nodes": nodes})
    else:
        # Not through the constructor: compiling sets attributes that it does not take.
        kind: Any = wrapped_class(type(graph))
        again = kind.__new__(kind)
        vars(again).update(vars(graph))
        again.nodes = {name: _node(name, node, chosen) for name, node in graph.nodes.items()}
        again.alto = chosen
    again._streams()  # a wrong declaration is an error here, also where nothing runs ahead
    if _langgraph.unsupported is None and chosen.policy != "off":
        _ = again._alto_masks  # a wrong declaration is an error here, not in the first run
    return again


def _again(name: str, node: Any, chosen: Options) -> Any:
    """A node of a graph that is wrapped again: a graph used as a node takes the policy."""
    if not isinstance(node.bound, Wrapped) or name in chosen.batch:
        bound = _batched(name, node.bound, chosen)
        return node if bound is node.bound else _quiet(node.copy({"bound": bound}))
    wrapped = _wrapped(
        node.bound, replace(node.bound.alto, policy=chosen.policy, trace=chosen.trace)
    )
    graphs = [wrapped if graph is node.bound else graph for graph in node.subgraphs]
    return _quiet(node.copy({"bound": wrapped, "subgraphs": graphs}))


def _quiet(node: Any) -> Any:
    if _langgraph.unsupported is not None:
        return node
    from langgraph_alto.engine.node import quiet

    return quiet(node)


def _batched(name: str, bound: Any, chosen: Options) -> Any:
    """A node's runnable, batched as it is declared to be."""
    if _langgraph.unsupported is not None:
        return bound
    from langgraph_alto.batching.nodes import batched_node
    from langgraph_alto.gathering.scopes import Tracked

    if not isinstance(bound, Tracked):
        return batched_node(bound, chosen.batch.get(name), name)
    inner = batched_node(bound.inner, chosen.batch.get(name), name)
    return bound if inner is bound.inner else bound.around(inner)


def _node(name: str, node: Any, chosen: Options) -> Any:
    """A node as it is in the wrapped graph: a graph used as a node is wrapped too."""
    from langgraph_alto.gathering.scopes import Tracked

    tracked = node.bound if isinstance(node.bound, Tracked) else None
    inner: Any = node.bound if tracked is None else tracked.inner
    if type(inner) in (Pregel, CompiledStateGraph) and name not in chosen.batch:
        wrapped = _wrapped(inner, Options(chosen.policy, trace=chosen.trace))
        graphs = [wrapped if graph is inner else graph for graph in node.subgraphs]
        bound = wrapped if tracked is None else tracked.around(wrapped)
        node = node.copy({"bound": bound, "subgraphs": graphs})
    elif (bound := _batched(name, node.bound, chosen)) is not node.bound:
        node = node.copy({"bound": bound})
    return _quiet(node)


_original_compile = StateGraph.compile


_active: list[Installed] = []
"""The installs in force, the latest last: its options count."""


class Installed:
    """What :func:`install` returns: a context manager and a decorator.

    Leaving the block, or returning from the decorated function, undoes it.
    """

    def __init__(self, chosen: Options) -> None:
        self.chosen = chosen

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *_: object) -> None:
        # By identity, and in any order: blocks of concurrent tasks need not nest.
        _active[:] = [other for other in _active if other is not self]
        _settle()

    def __call__(self, function: F) -> F:
        """Wrap every graph compiled while ``function`` runs."""
        self.__exit__()
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def arun(*args: Any, **kwargs: Any) -> Any:
                with _install(self.chosen):
                    return await function(*args, **kwargs)

            return arun  # type: ignore[return-value]

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _install(self.chosen):
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]


@functools.wraps(_original_compile)
def _compile_wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
    graph = _original_compile(self, *args, **kwargs)
    return _wrapped(graph, _active[-1].chosen) if _active else graph


def _settle() -> None:
    StateGraph.compile = _compile_wrapped if _active else _original_compile  # type: ignore[method-assign]


def install(*, policy: str = "proven") -> Installed:
    """Wrap every graph that ``StateGraph.compile()`` makes from now on.

    Also usable as a context manager and as a decorator, which undo it.

    Args:
        policy: As for :func:`wrap`.

    Raises:
        ValueError: ``policy`` is unknown.

    Warns:
        UnsupportedLangGraphWarning: As for :func:`wrap`.

    Example:
        ```python
        with install():
            graph = builder.compile()  # wrapped
        ```
    """
    chosen = options(policy)
    _warn()
    return _install(chosen)


def _install(chosen: Options) -> Installed:
    installed = Installed(chosen)
    _active.append(installed)
    _settle()
    return installed


def uninstall() -> None:
    """Undo :func:`install`: graphs compiled from now on are LangGraph's own."""
    _active.clear()
    _settle()
