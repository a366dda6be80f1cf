"""Graphs that a node's function calls: what they may do beside the node's update.

LangGraph itself finds those that a function names. Analysis also finds those
in tables, attributes and helpers, see ``Facts.graphs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from langgraph_alto._langgraph import Pregel
from langgraph_alto.plan.effects import Facts
from langgraph_alto.plan.masks import Masks

_ANYTHING = Facts(
    None, None, None, None, interrupts=True, calls_tasks=True, uses_store=True, asks_identity=True
)

_known: ContextVar[dict[int, Facts] | None] = ContextVar("called graphs", default=None)


def with_called(
    facts: Facts,
    graphs: Iterable[object],
    masks_of: Callable[[Pregel[Any, Any, Any, Any]], Masks],
) -> Facts:
    """Add what the graphs that a node calls may do.

    Args:
        facts: The node's own facts.
        graphs: Compiled graphs; what is none may do anything.
        masks_of: How to read one.
    """
    for graph in graphs:
        called = _facts_of(graph, masks_of)
        facts = replace(
            facts,
            interrupts=facts.interrupts or called.interrupts,
            calls_tasks=facts.calls_tasks or called.calls_tasks,
            uses_store=facts.uses_store or called.uses_store,
            asks_identity=facts.asks_identity or called.asks_identity,
        )
    return facts


def _facts_of(graph: object, masks_of: Callable[[Pregel[Any, Any, Any, Any]], Masks]) -> Facts:
    if not isinstance(graph, Pregel):
        return _ANYTHING
    known = _known.get()
    outermost = None
    if known is None:
        known = {}
        outermost = _known.set(known)
    try:
        if id(graph) not in known:
            # A graph that leads back to itself may do whatever it does elsewhere,
            # and that is not known yet.
            known[id(graph)] = _ANYTHING
            stages = masks_of(graph).stages
            known[id(graph)] = replace(
                _ANYTHING,
                interrupts=any(stage.interrupts for stage in stages)
                or bool(graph.interrupt_before_nodes or graph.interrupt_after_nodes),
                calls_tasks=any(stage.calls_tasks for stage in stages),
                uses_store=any(stage.uses_store for stage in stages),
                asks_identity=any(stage.asks_identity for stage in stages),
            )
        return known[id(graph)]
    finally:
        if outermost is not None:
            _known.reset(outermost)
