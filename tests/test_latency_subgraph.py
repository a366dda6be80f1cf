"""A subgraph as a node runs ahead where it reads none of what is unfinished."""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.graph import START, StateGraph

from tests.guarantees.shapes import pause
from tests.guarantees.support import Journal, Mode, both, graph_of, node, run, wrapped


class Narrow(TypedDict, total=False):
    left: str


@both
def test_a_subgraph_reads_what_its_own_input_schema_has(mode: Mode) -> None:
    journal = Journal()
    inner: Any = StateGraph(Narrow)
    inner.add_node("long", pause(mode, "long", journal, 0, lambda state: {"left": "answer"}))
    inner.add_edge(START, "long")
    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, until="begin long"),
        },
        [("", "quick"), ("", "slow")],
    )
    graph.add_node("inner", inner.compile())
    graph.add_edge("quick", "inner")
    run(wrapped(graph), {"log": []}, mode)
    assert journal.came_first("begin long", "end slow")
