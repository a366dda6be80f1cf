"""The option ``limits``: what it refuses, and what keeps it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from langgraph_alto import Effects, wrap
from tests.guarantees.shapes import Fan
from tests.guarantees.support import Journal, Mode, both, node, run, uneven, wrapped

WRONG = [
    (["early"], TypeError, r"limits is a list; give a mapping of node names"),
    ("early", TypeError, r"limits is a str; give a mapping of node names"),
    ({"early": "4"}, TypeError, r"limits\['early'\] is '4'; give a whole number"),
    ({"early": 4.0}, TypeError, r"limits\['early'\] is 4.0; give a whole number"),
    ({"early": None}, TypeError, r"limits\['early'\] is None; give a whole number"),
    ({"early": True}, TypeError, r"limits\['early'\] is True; give a whole number"),
    ({"early": 0}, ValueError, r"limits\['early'\] is 0; it must be at least 1"),
    ({"early": -2}, ValueError, r"limits\['early'\] is -2; it must be at least 1"),
    ({"never": 1}, ValueError, r"limits names the node 'never'.*its nodes are early, end, late"),
    ({START: 1}, ValueError, r"limits names the node '__start__'"),
    ({3: 1}, ValueError, r"limits names the node 3"),
]


@pytest.mark.parametrize("policy", ["off", "proven"])
@pytest.mark.parametrize(("limits", "kind", "match"), WRONG)
def test_what_it_refuses(limits: Any, kind: type[Exception], match: str, policy: str) -> None:
    """At once, whatever the policy; the message names the option and the node."""
    with pytest.raises(kind, match=match):
        wrapped(uneven("sync", Journal()), limits=limits, policy=policy)


def fan(journal: Journal, mode: Mode) -> Any:
    """START ═▶ work, six times."""
    graph: Any = StateGraph(Fan)
    graph.add_node("work", node(mode, "work", journal, seconds=0.01, key="log"))

    def sends(state: Fan) -> list[Send]:
        return [Send("work", {"n": n}) for n in range(6)]

    graph.add_conditional_edges(START, sends, ["work"])
    return graph


def peak(graph: Any, journal: Journal, mode: Mode) -> int:
    journal.clear()
    run(graph, {"items": []}, mode)
    return journal.peak


@both
def test_what_keeps_it(mode: Mode) -> None:
    """Whatever makes another graph of a wrapped one."""
    journal = Journal()
    fast = wrap(fan(journal, mode), limits={"work": 2})
    assert peak(fast, journal, mode) == 2
    assert peak(fast.copy(), journal, mode) == 2
    assert peak(fast.with_config(tags=["x"]), journal, mode) == 2
    assert peak(copy.copy(fast), journal, mode) == 2
    assert peak(fast.copy(update={"name": "again"}), journal, mode) == 2


@both
def test_wrapped_again(mode: Mode) -> None:
    """The options given last count, as for every option; a subgraph's own stay."""
    journal = Journal()
    fast = wrap(fan(journal, mode), limits={"work": 2})
    assert peak(wrap(fast, limits={"work": 1}), journal, mode) == 1
    assert peak(wrap(fast), journal, mode) > 2
    assert peak(fast, journal, mode) == 2
    outer: Any = StateGraph(Fan)
    outer.add_node("inner", fast)
    outer.add_edge(START, "inner")
    assert peak(wrap(outer, limits={"inner": 1}), journal, mode) == 2
    assert peak(wrap(wrap(outer), policy="speculative"), journal, mode) == 2


@both
def test_with_other_options(mode: Mode) -> None:
    """Limits go with declarations, and with any policy."""
    journal = Journal()
    graph = fan(journal, mode)
    for policy in ("off", "proven", "speculative"):
        fast = wrap(
            graph,
            policy=policy,
            effects={"work": Effects(reads=(), mutates=())},
            ordered=["work"],
            limits={"work": 3},
        )
        assert peak(fast, journal, mode) == 3


def test_what_is_given_is_not_kept() -> None:
    """A mapping that its owner goes on to change is no way to change a graph."""
    journal = Journal()
    limits = {"work": 1}
    fast = wrap(fan(journal, "sync"), limits=limits)
    limits["work"] = 5
    assert peak(fast, journal, "sync") == 1
    assert wrap(fan(journal, "sync")).alto.limits == {}
