"""FINDING B: on the event loop the deepest ancestry does not go first."""

from __future__ import annotations

from tests.guarantees.support import Journal, Mode, both, graph_of, node, run, wrapped


@both
def test_then_the_deepest_ancestry(mode: Mode) -> None:
    """Among what runs ahead, the task of the latest superstep goes first.

    With two places, one held by ``slow``, the other serves what runs ahead:

        START -> slow
        START -> x1 -> x2 -> x3        x2 and y2 wait together; then x3 and y2 do
        START -> y1 -> y2 -> y3
    """
    journal = Journal()
    chains = ["x1", "x2", "x3", "y1", "y2", "y3"]
    nodes = {name: node(mode, name, journal, seconds=0.01) for name in chains}
    nodes["slow"] = node(mode, "slow", journal, until="end y3")
    edges = [
        ("", "slow"),
        ("", "x1"),
        ("", "y1"),
        ("x1", "x2"),
        ("x2", "x3"),
        ("y1", "y2"),
        ("y2", "y3"),
    ]
    run(wrapped(graph_of(nodes, edges)), {"log": []}, mode, {"max_concurrency": 2})
    assert journal.peak == 2
    begun = [e.removeprefix("begin ") for e in journal.entries if e.startswith("begin")]
    ahead = [name for name in begun if name[1] in "23"]
    # One chain to its end, then the other.
    assert ahead in (["x2", "x3", "y2", "y3"], ["y2", "y3", "x2", "x3"])
