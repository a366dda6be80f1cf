"""Graphs that a node's function calls: what they may do beside the node's update.

LangGraph itself finds those that a function names. Analysis also finds those
in tables, attributes and helpers, see ``Facts.graphs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from langgraph.constants import START

from langgraph_alto._langgraph import Pregel
from langgraph_alto.plan.effects import Facts, Path
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.stages import Stage

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
            mutates=_changed(facts, called),
        )
    return facts


def _changes(stage: Stage) -> bool:
    return stage.name != START and stage.mutates != frozenset()


def _changed(facts: Facts, called: Facts) -> frozenset[Path] | None:
    """What a node changes in place that calls a graph: perhaps all it can have passed to it."""
    if called.mutates == frozenset():
        return facts.mutates
    if facts.mutates is None or facts.reads is None:
        return None
    return facts.mutates | facts.reads


def _facts_of(graph: object, masks_of: Callable[[Pregel[Any, Any, Any, Any]], Masks]) -> Facts:
    if not isinstance(graph, Pregel):
        # Whoever runs it elsewhere has no object of ours.
        return replace(_ANYTHING, mutates=frozenset())
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
                mutates=None if any(map(_changes, stages)) else frozenset(),
            )
        return known[id(graph)]
    finally:
        if outermost is not None:
            _known.reset(outermost)
