"""Where a plan batches: the nodes whose calls become one, as they are declared."""

from __future__ import annotations

from langgraph_alto._langgraph import Pregel
from langgraph_alto.batching.declare import Batch
from langgraph_alto.batching.nodes import batch_nodes
from langgraph_alto.plan.plan import Point
from langgraph_alto.plan.words import duration


def batches_of(graph: Pregel) -> tuple[Point, ...]:  # type: ignore[type-arg]
    """The batching points of a wrapped graph, by name of the node."""
    return tuple(
        Point(name, (), _why(node.how)) for name, node in sorted(batch_nodes(graph.nodes).items())
    )


def _why(how: Batch) -> str:
    size = f"up to {how.max_size} calls become one"
    if how.max_size == 1 or not how.max_wait:
        return f"{size}, of those that are ready together"
    return f"{size}, which waits up to {duration(how.max_wait)} where more may come"
