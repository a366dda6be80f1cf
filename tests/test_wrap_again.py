"""A wrapped graph that is wrapped again: the options given last count."""

from __future__ import annotations

from langgraph_alto import wrap
from tests.guarantees.support import Journal, Mode, both, graph_of, node, run, uneven


@both
def test_the_latest_options_win_in_subgraphs_too(mode: Mode) -> None:
    journal = Journal()
    slow = node(mode, "slow", journal, seconds=0.1)
    inner = uneven(mode, journal, slow=slow).compile()
    fast = wrap(graph_of({"inner": inner}, [("", "inner")]))
    run(fast, {"log": []}, mode)
    assert journal.came_first("begin early", "end slow")
    journal.clear()
    run(wrap(fast, policy="off"), {"log": []}, mode)
    assert journal.came_first("end slow", "begin early")
