"""Hypothesis strategies for LangGraph graphs.

`graphs` draws a `Description`: plain data, small when shrunk, printed as the
source of the graph. `build` makes a ``StateGraph`` of it, and `check_graph` runs
it on both engines:

    @given(graphs())
    def test_same(description):
        check_graph(description).raise_for_difference()

Needs hypothesis.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Literal, get_args

from hypothesis import strategies as st

from langgraph_alto.testing.description import Description
from langgraph_alto.testing.drawing import BYTES, Choices, Maker
from langgraph_alto.testing.program import build, program
from langgraph_alto.testing.run_program import check_graph, reproducer

Feature = Literal[
    "branches",
    "breakpoints",
    "checkpoints",
    "commands",
    "conflicts",
    "defer",
    "failures",
    "fans",
    "flaky",
    "interrupts",
    "joins",
    "loops",
    "messages",
    "missing",
    "models",
    "mutation",
    "narrow",
    "opaque",
    "recursion",
    "reducers",
    "returns",
    "stamps",
    "start_route",
    "subgraphs",
    "unguarded",
    "whole",
]
"""Something a random graph may have on top of nodes and plain edges."""

FEATURES: tuple[Feature, ...] = get_args(Feature)

__all__ = [
    "FEATURES",
    "Description",
    "Feature",
    "build",
    "check_graph",
    "graphs",
    "program",
    "reproducer",
]


def graphs(
    *,
    mode: Literal["async", "sync"] = "async",
    features: Collection[Feature] = FEATURES,
    at_once: int = 6,
    nodes: int = 8,
) -> st.SearchStrategy[Description]:
    """Draw descriptions of graphs whose result does not depend on timing.

    Nodes are deterministic functions of what they read, and their updates say
    what they read, so a node that ran on wrong input shows in the values. What
    LangGraph itself leaves to chance is not drawn: nodes that change in place
    what a node of the same superstep reads. Nor is what it cannot do: ``interrupt``
    in an async run before Python 3.11.

    Args:
        mode: With ``"sync"`` all nodes and routers are plain functions.
        features: What a graph may have.
        at_once: At most this many features in one graph.
        nodes: At most this many nodes, workers and inner nodes not counted.

    Returns:
        The strategy.
    """
    cannot = {"interrupts"} if mode == "async" and sys.version_info < (3, 11) else set()
    ordered: Sequence[Feature] = sorted(set(features) - cannot)

    def made(data: bytes) -> Description:
        choices = Choices(data)
        left = list(ordered)
        count = choices.number(0, min(at_once, len(left)))
        wanted = [left.pop(choices.number(0, len(left) - 1)) for _ in range(count)]
        return Maker(choices, mode, wanted, nodes).description()

    return st.binary(min_size=BYTES, max_size=BYTES).map(made)
