"""``gather``: declare a reduce per parent, and prepare the graph for it.

The node is added at once. The nodes of the fan-out, which may be added later, are
prepared when the graph is compiled: ``StateGraph.compile`` calls ``validate``
first, and that is where it happens. Of what is compiled, streams and snapshots of
the state then leave out the gathers' own channels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar

from langgraph.constants import START
from langgraph.graph import StateGraph

from langgraph_alto.gathering.log import Log
from langgraph_alto.gathering.nodes import Declaration, GatherNode
from langgraph_alto.gathering.scopes import Addressed, Errors, Role, Scope, Tracked

if TYPE_CHECKING:
    from langgraph_alto.gathering.packets import Plan

B = TypeVar("B", bound="StateGraph[Any, Any, Any, Any]")

_DECLARED = "_alto_gathers"
ERRORS: tuple[Errors, ...] = ("fail", "isolate", "collect")


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
        ValueError: Declarations contradict each other, or the node is there
            already. What only the whole graph can tell is raised when it is
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
    if first is not None and first < 1:
        raise ValueError(f"gather {name!r}: first is {first}; it must be at least 1")
    if first is not None and as_completed:
        raise ValueError(
            f"gather {name!r} declares both first={first} and as_completed; "
            "take so many from the iterator, or leave out as_completed"
        )
    if errors is not None and errors not in ERRORS:
        raise ValueError(f"gather {name!r}: errors is {errors!r}; it must be one of {ERRORS}")
    if "__root__" in builder.channels:
        raise ValueError(f"gather {name!r} keeps its account in the state; use a state with keys")
    for option in ("defer", "input_schema", "destinations"):
        if option in options:
            raise ValueError(f"gather {name!r} cannot take {option}: its fan-out decides")
    if of is not None:
        of = (of,) if isinstance(of, str) else tuple(of)
    declaration = Declaration(name, over, of, key, first, as_completed, errors)
    make: Any = TypedDict  # checkers want literals
    schema = make(f"Gather_{name}", {declaration.log: Annotated[list[Any], Log]})
    builder.add_node(name, GatherNode(function, declaration), input_schema=schema, **options)
    declared: dict[str, Declaration] = vars(builder).get(_DECLARED, {})
    if not declared:
        setattr(builder, _DECLARED, declared)
        validate, compile = builder.validate, builder.compile

        def prepared(*args: Any, **kwargs: Any) -> Any:
            _prepare(builder)
            return validate(*args, **kwargs)

        def compiled(*args: Any, **kwargs: Any) -> Any:
            graph = compile(*args, **kwargs)
            logs = {declaration.log for declaration in declared.values()}
            if isinstance(channels := graph.stream_channels, list):
                graph.stream_channels = [key for key in channels if key not in logs]
            for node in graph.nodes.values():
                if isinstance(node.bound, Tracked):
                    # LangGraph looks for subgraphs in what it knows; as if there were no more.
                    bare = type(node)(channels=[], triggers=[], bound=node.bound.inner)
                    node.subgraphs = bare.subgraphs
            return graph

        # The instance's own: LangGraph's compile() begins with validate().
        builder.validate = prepared  # type: ignore[method-assign]
        builder.compile = compiled  # type: ignore[method-assign]
    declared[name] = declaration
    return builder


def _prepare(builder: Any) -> None:
    """Make the nodes and conditional edges of gathered fan-outs keep their account."""
    # It needs the analysis of functions, which a program without gathers need not import.
    from langgraph_alto.gathering.packets import plan_of

    declared: Mapping[str, Declaration] = getattr(builder, _DECLARED)
    _unprepare(builder)
    plan = plan_of(builder, declared)
    errors = _error_scopes(declared)
    for name in sorted(plan.tracked | {START}):
        branches = builder.branches.get(name, {})
        roles = _roles(name, declared, plan)
        if not roles:
            continue
        scope = Scope(name, roles, plan.tracked, errors.get(name), len(branches))
        for slot, (label, branch) in enumerate(list(branches.items()), 1):
            branches[label] = branch._replace(path=Addressed(branch.path, scope, slot))
        if name != START:
            spec = builder.nodes[name]
            spec.runnable = Tracked(spec.runnable, scope, spec)
    for name, declaration in declared.items():
        node: GatherNode = builder.nodes[name].runnable
        node.depths = {root: plan.depth(name, root) for root in plan.parts[name]}
        node.handled = False
        # Its conditional edges are given the state, not the node's own input.
        for label, branch in builder.branches.get(name, {}).items():
            schema = branch.input_schema or builder.state_schema
            builder.branches[name][label] = branch._replace(input_schema=schema)
        for source in plan.of[name]:
            handler = builder.nodes[source].error_handler_node
            node.handled |= handler is not None
            for start in (source, handler):
                if start is not None and (start, declaration.name) not in builder.edges:
                    builder.edges.add((start, declaration.name))


def _unprepare(builder: Any) -> None:
    """Take off what an earlier compilation has put on."""
    for spec in builder.nodes.values():
        if isinstance(spec.runnable, Tracked):
            spec.runnable = spec.runnable.inner
    for branches in builder.branches.values():
        for label, branch in list(branches.items()):
            if isinstance(branch.path, Addressed):
                branches[label] = branch._replace(path=branch.path.inner)


def _roles(name: str, declared: Mapping[str, Declaration], plan: Plan) -> tuple[Role, ...]:
    roles: list[Role] = []
    for gather, declaration in declared.items():
        if name in plan.parts[gather]:
            roles.append(
                Role(
                    log=declaration.log,
                    over=name == declaration.over,
                    of=name in plan.of[gather],
                    key=declaration.key,
                    targets=tuple(sorted(plan.parts[gather][name])),
                )
            )
    return tuple(roles)


def _error_scopes(declared: Mapping[str, Declaration]) -> dict[str, Errors]:
    scopes: dict[str, tuple[str, Errors]] = {}
    for name, declaration in declared.items():
        if declaration.errors is None:
            continue
        other, errors = scopes.setdefault(declaration.over, (name, declaration.errors))
        if errors != declaration.errors:
            raise ValueError(
                f"gathers {other!r} and {name!r} declare different error scopes for the fan-out "
                f"of {declaration.over!r}: {errors!r} and {declaration.errors!r}; declare one"
            )
    return {site: errors for site, (_, errors) in scopes.items()}
