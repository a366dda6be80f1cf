"""Reduce per parent: a node that runs once per parent of a nested fan-out.

This module is light; what it needs is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

B = TypeVar("B", bound="StateGraph[Any, Any, Any, Any]")

Errors = Literal["fail", "isolate", "collect"]


def gather(
    builder: B,
    name: str,
    function: Callable[..., Any],
    *,
    over: str,
    of: str | Collection[str] | None = None,
    key: str | None = None,
    first: int | None = None,
    as_completed: bool = False,
    errors: Errors | None = None,
    **options: Any,
) -> B:
    """Add a node that runs once per parent of a fan-out, with that parent's results.

    Each task of ``over`` that sends packets is a *parent*. The node calls
    ``function`` once for each of them, with the results of the ``of`` tasks below
    it, in order, whatever the order in which they ended::

        split ─▶ sentences[0] ─▶ check, check, check ─▶ summarise(document 0)
              └▶ sentences[1] ─▶ check ──────────────▶ summarise(document 1)

        gather(builder, "summarise", summarise, over="sentences", of="check")

    In plain LangGraph that is one task in the superstep after the ``of`` tasks,
    with an edge from them that this function adds. In a wrapped graph each call
    begins as soon as its own parent is complete. The function returns an update,
    a ``Command``, or nothing; the updates are applied in the order of the parents.

    Everything between ``over`` and ``of`` must go by packets (``Send``), as an
    edge would merge the parents. A parent that sends nothing is complete, and is
    called with no results, unless it stands in no fan-out itself and goes
    elsewhere instead. While the fan-out runs, its account is kept in the state
    under a key of its own, so a run can be resumed anywhere.

    The idea is Alto's nested ancestry (arXiv 2403.04311); dagster#4364 describes
    the need. The specification is our own.

    Args:
        builder: The graph. Edges from the node are the user's to add.
        name: Name of the node.
        function: Called with a :class:`Gathered`, a sequence of the results with
            ``parent`` and ``ancestry``; or with an :class:`Arriving`. It may also
            take ``config`` and ``runtime``. A coroutine function's calls run at
            the same time.
        over: The fan-out site: the node whose tasks are the parents.
        of: The node, or nodes, whose results are gathered. Default: those that
            ``over`` sends packets to.
        key: The one key of their updates that is a result, in the graph's state
            or not. Default: the update as a whole. A task without is left out.
        first: Give the function the first so many results, in order, only.
        as_completed: Give it an iterator over the results, in order. In a wrapped
            graph it is called as soon as the first one is there.
        errors: What becomes of a task below ``over`` that fails when its attempts
            are used up: ``"fail"`` ends the run, as in LangGraph; with
            ``"isolate"`` it has no result, and the others go on; with
            ``"collect"`` a :class:`Failure` stands in its place. The innermost
            fan-out with a declaration decides.
        options: What else ``StateGraph.add_node`` takes.

    Returns:
        The builder.

    Raises:
        TypeError: An argument is of the wrong type, or ``function`` cannot be called
            with one argument.
        ValueError: ``of`` is empty, declarations contradict each other, or the node
            is there already. What only the whole graph can tell is raised when it is
            compiled, or wrapped: ``over`` or ``of`` is no node; no packets lead
            from the one to the other, or on ways of different lengths; they lead
            round in a circle, so that the fan-out would never be complete; the
            node has other edges to it.

    Example:
        ```python
        def summarise(checks):
            return {"summaries": [f"{checks.parent['title']}: {sum(checks)}"]}


        gather(builder, "summarise", summarise, over="sentences", of="check", key="score")
        ```
    """
    for option, given in (("name", name), ("over", over)):
        if not isinstance(given, str):
            raise TypeError(
                f"gather {name!r}: {option} is {given!r}, a {type(given).__name__}; "
                "give the name of one node"
            )
    of = _names(name, of)
    _check_function(name, function)
    if first is not None and (isinstance(first, bool) or not isinstance(first, int)):
        raise TypeError(
            f"gather {name!r}: first is {first!r}; give a whole number of results, at least 1"
        )
    if first is not None and first < 1:
        raise ValueError(f"gather {name!r}: first is {first}; it must be at least 1")
    if first is not None and as_completed:
        raise ValueError(
            f"gather {name!r} declares both first={first} and as_completed; "
            "take so many from the iterator, or leave out as_completed"
        )
    if errors is not None and errors not in get_args(Errors):
        raise ValueError(
            f"gather {name!r}: errors is {errors!r}; it must be one of {get_args(Errors)}"
        )
    if "__root__" in builder.channels:
        raise ValueError(f"gather {name!r} keeps its account in the state; use a state with keys")
    for option in ("defer", "input_schema", "destinations"):
        if option in options:
            raise ValueError(f"gather {name!r} cannot take {option}: its fan-out decides")
    from langgraph_alto.gathering import declare
    from langgraph_alto.gathering.nodes import Declaration

    declaration = Declaration(name, over, of, key, first, as_completed, errors)
    declare.add(builder, function, declaration, options)
    return builder


def _names(name: str, of: object) -> tuple[str, ...] | None:
    """The nodes whose results are gathered, if declared."""
    if of is None:
        return None
    if isinstance(of, str):
        return (of,)
    if not isinstance(of, Collection) or not all(isinstance(node, str) for node in of):
        raise TypeError(
            f"gather {name!r}: of is {of!r}; give the name of a node, or a collection of names"
        )
    if not of:
        raise ValueError(
            f"gather {name!r}: of is empty, so there is nothing to gather; name the nodes whose "
            "results are wanted, or leave it out for those that the fan-out sends packets to"
        )
    return tuple(of)


def _check_function(name: str, function: object) -> None:
    from langchain_core.runnables import Runnable

    if isinstance(function, Runnable):
        return
    if not callable(function):
        raise TypeError(
            f"gather {name!r}: function is {function!r}, a {type(function).__name__}; give a "
            "function of the gathered results"
        )
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins do not tell
        return
    more = dict.fromkeys({"config", "runtime"} & set(signature.parameters))
    try:
        signature.bind(None, **more)
    except TypeError as error:
        raise TypeError(
            f"gather {name!r}: function {getattr(function, '__name__', function)!r} takes "
            f"{signature}, so it cannot be called with the gathered results alone ({error}); "
            "give it one positional parameter, and beside it config and runtime at most"
        ) from None
