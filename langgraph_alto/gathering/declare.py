"""Declare a reduce per parent, and prepare the graph for it.

The node is added at once. The nodes of the fan-out, which may be added later, are
prepared when the graph is compiled: ``StateGraph.compile`` calls ``validate``
first, and that is where it happens. Of what is compiled, streams and snapshots of
the state then leave out the gathers' own channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.constants import START

from langgraph_alto.gather import Errors
from langgraph_alto.gathering.log import Log
from langgraph_alto.gathering.nodes import Declaration, GatherNode
from langgraph_alto.gathering.scopes import Addressed, Role, Scope, Tracked

if TYPE_CHECKING:
    from langgraph_alto.gathering.packets import Plan

_DECLARED = "_alto_gathers"


def add(builder: Any, function: Callable[..., Any], declaration: Declaration, options: Any) -> None:
    """Add a gather's node to a graph, and see to it that the graph is prepared."""
    name = declaration.name
    make: Any = TypedDict  # checkers want literals
    schema = make(f"Gather_{name}", {declaration.log: Annotated[list[Any], Log]})
    builder.add_node(name, GatherNode(function, declaration), input_schema=schema, **options)
    declared: dict[str, Declaration] = vars(builder).get(_DECLARED, {})
    if not declared:
        setattr(builder, _DECLARED, declared)
        kind: Any = type(builder)

        def prepared(*args: Any, **kwargs: Any) -> Any:
            _prepare(builder)
            return kind.validate(builder, *args, **kwargs)

        def compiled(*args: Any, **kwargs: Any) -> Any:
            # Looked up now: every graph may have to be wrapped by now, or no more.
            graph = kind.compile(builder, *args, **kwargs)
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
        builder.validate = prepared
        builder.compile = compiled
    declared[name] = declaration


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
