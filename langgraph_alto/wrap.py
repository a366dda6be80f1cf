"""``wrap`` one graph, or ``install`` for every graph compiled from now on."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, overload

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from langgraph_alto import _langgraph
from langgraph_alto.graph import AltoGraph, Options, Wrapped, options, wrapped_class
from langgraph_alto.plan.effects import Effects

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
    ordered: Collection[str] = ...,
) -> AltoGraph: ...


@overload
def wrap(
    graph: G,
    *,
    policy: str = ...,
    effects: Mapping[str, Effects] | None = ...,
    ordered: Collection[str] = ...,
) -> G: ...


def wrap(
    graph: Any,
    *,
    policy: str = "proven",
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] = (),
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

    Returns:
        The wrapped graph.

    Raises:
        TypeError: ``graph`` is nothing that can be wrapped.
        ValueError: ``policy`` is unknown, or a declaration names a node that
            the graph does not have.

    Warns:
        UnsupportedLangGraphWarning: The installed LangGraph is not one that the
            engine knows; the graph runs on LangGraph's own schedule.
    """
    chosen = options(policy, effects, ordered)
    if isinstance(graph, StateGraph):
        graph = _compile(graph)
    if not isinstance(graph, Pregel):
        raise TypeError(
            f"cannot wrap a {type(graph).__name__}; give a StateGraph, a compiled graph, "
            "an agent or an @entrypoint"
        )
    if _langgraph.unsupported is not None:
        warnings.warn(
            f"{_langgraph.unsupported}; graphs run on LangGraph's own schedule",
            UnsupportedLangGraphWarning,
            stacklevel=2,
        )
    return _wrapped(graph, chosen)


def _compile(graph: StateGraph[Any, Any, Any, Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    return _original_compile(graph)


def _wrapped(graph: Pregel[Any, Any, Any, Any], chosen: Options) -> Any:
    if isinstance(graph, Wrapped):
        again: Any = graph.copy({"alto": chosen})
    else:
        # Not through the constructor: compiling sets attributes that it does not take.
        kind: Any = wrapped_class(type(graph))
        again = kind.__new__(kind)
        vars(again).update(vars(graph))
        again.nodes = {name: _node(node, chosen) for name, node in graph.nodes.items()}
        again.alto = chosen
    if _langgraph.unsupported is None and chosen.policy != "off":
        _ = again.plan  # a wrong declaration is an error here, not in the first run
    return again


def _node(node: Any, chosen: Options) -> Any:
    """A node as it is in the wrapped graph: a graph used as a node is wrapped too."""
    inner = node.bound
    if type(inner) in (Pregel, CompiledStateGraph):
        wrapped = _wrapped(inner, Options(chosen.policy))
        graphs = [wrapped if graph is inner else graph for graph in node.subgraphs]
        node = node.copy({"bound": wrapped, "subgraphs": graphs})
    if _langgraph.unsupported is not None:
        return node
    from langgraph_alto.engine.node import quiet

    return quiet(node)


_original_compile = StateGraph.compile


class Installed:
    """What :func:`install` returns: a context manager and a decorator.

    Leaving the block, or returning from the decorated function, undoes it.
    """

    def __init__(self, chosen: Options, before: Any) -> None:
        self._chosen = chosen
        self._before = before

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *_: object) -> None:
        StateGraph.compile = self._before  # type: ignore[method-assign]

    def __call__(self, function: F) -> F:
        """Wrap every graph compiled while ``function`` runs."""
        self.__exit__()
        import inspect

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def arun(*args: Any, **kwargs: Any) -> Any:
                with _install(self._chosen):
                    return await function(*args, **kwargs)

            return arun  # type: ignore[return-value]

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _install(self._chosen):
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]


def install(*, policy: str = "proven") -> Installed:
    """Wrap every graph that ``StateGraph.compile()`` makes from now on.

    Also usable as a context manager and as a decorator, which undo it.

    Args:
        policy: As for :func:`wrap`.

    Raises:
        ValueError: ``policy`` is unknown.

    Example:
        ```python
        with install():
            graph = builder.compile()  # wrapped
        ```
    """
    return _install(options(policy, None, ()))


def _install(chosen: Options) -> Installed:
    before = StateGraph.compile

    @functools.wraps(_original_compile)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _wrapped(_original_compile(self, *args, **kwargs), chosen)

    StateGraph.compile = compile  # type: ignore[method-assign]
    return Installed(chosen, before)


def uninstall() -> None:
    """Undo :func:`install`: graphs compiled from now on are LangGraph's own."""
    StateGraph.compile = _original_compile  # type: ignore[method-assign]
