"""Gathers in a plan: which there are, and when their calls may begin."""

from __future__ import annotations

from typing import Any

from langgraph.constants import START

from langgraph_alto._langgraph import Pregel
from langgraph_alto.gathering.nodes import Declaration, GatherNode
from langgraph_alto.gathering.scopes import Tracked
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.plan import PerParent
from langgraph_alto.plan.words import listed, shown


def gathers_of(graph: Pregel[Any, Any, Any, Any], masks: Masks) -> tuple[PerParent, ...]:
    """The gathers of a compiled graph, by name.

    Args:
        graph: The graph.
        masks: Its plan, compiled.
    """
    watched = graph.checkpointer not in (None, False)
    stops = bool(graph.interrupt_before_nodes or graph.interrupt_after_nodes)
    allowed = masks.ahead & ~masks.mutators if watched else masks.ahead
    return tuple(
        PerParent(
            name,
            declared.over,
            _gathered(graph, declared),
            first=declared.first,
            as_completed=declared.as_completed,
            errors=declared.errors,
            early=not stops and may_be_early(masks, masks.index[name], allowed),
        )
        for name, declared in sorted(_declared(graph).items())
    )


def accounts_of(graph: Pregel[Any, Any, Any, Any]) -> frozenset[str]:
    """The keys that hold the gathers' accounts of their fan-outs."""
    return frozenset(declared.log for declared in _declared(graph).values())


def _declared(graph: Pregel[Any, Any, Any, Any]) -> dict[str, Declaration]:
    return {
        name: node.bound.declaration
        for name, node in graph.nodes.items()
        if isinstance(node.bound, GatherNode)
    }


def _gathered(graph: Pregel[Any, Any, Any, Any], declared: Declaration) -> tuple[str, ...]:
    return tuple(
        sorted(
            name
            for name, node in graph.nodes.items()
            if isinstance(node.bound, Tracked)
            and any(role.of and role.log == declared.log for role in node.bound.scope.roles)
        )
    )


def may_be_early(masks: Masks, gather: int, allowed: int) -> bool:
    """Whether calls of a gather may begin before its superstep.

    Args:
        masks: The graph's plan, compiled.
        gather: Position of the gather.
        allowed: The nodes that may run ahead.
    """
    if not allowed >> gather & 1 or masks.stages[gather].uses_store:
        return False
    # What comes before it may stop the run, and go on with other writes.
    return not _before(masks, gather) & masks.interrupts


def _before(masks: Masks, gather: int) -> int:
    """The nodes that may run before a gather has: that do not need it."""
    found, stack = 0, [masks.index[START]] if START in masks.index else []
    starts = [(join.sources, join.target) for join in masks.joins]
    while stack:
        node = stack.pop()
        following = masks.successors[node]
        for sources, target in starts:
            if sources >> node & 1:
                following |= 1 << target
        for after in bits(following & ~found & ~(1 << gather)):
            found |= 1 << after
            stack.append(after)
    return found


def once_per(gather: PerParent) -> str:
    """When its function is called, in words."""
    per, of = f"once per parent ({shown(gather.over)})", listed(gather.of)
    if not gather.early:
        return f"{per}, all in the superstep after {of}"
    if gather.first is not None:
        return f"{per}, as soon as the first {gather.first} results of {of} below it are certain"
    if gather.as_completed:
        return f"{per}, from the first result of {of} below it on"
    return f"{per}, as soon as all {of} below it have ended"
