"""G1 and G2 on graphs that hypothesis makes up: Alto does what LangGraph does.

Which examples are drawn depends on ``ALTO_HYPOTHESIS_PROFILE``:

- ``default``: a few hundred, the same every time;
- ``random``: as many, other ones each time;
- ``nightly``: thousands, other ones each time.

A failure prints the report, superstep by superstep, and a script that repeats it.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from langgraph_alto.testing.check import Mode
from langgraph_alto.testing.description import Description
from langgraph_alto.testing.strategies import FEATURES, check_graph, graphs, reproducer

PROFILE = os.environ.get("ALTO_HYPOTHESIS_PROFILE", "default")
TIMES = {"default": 1, "random": 1, "nightly": 20}[PROFILE]

# A failing example takes minutes to shrink; pytest's usual limit would cut that short.
pytestmark = pytest.mark.timeout(900 if PROFILE != "nightly" else 14_400)


def examples(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        derandomize=PROFILE == "default",
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def same(description: Description, *, mode: Mode = "async", policy: str = "proven") -> None:
    report = check_graph(description, mode=mode, policy=policy)
    if not report.ok:
        script = reproducer(description, mode=mode, policy=policy)
        report.raise_for_difference(context=f"\n{script}")


@examples(100)
@given(graphs())
def test_any_graph(description: Description) -> None:
    same(description)


@examples(60)
@given(graphs(features=("fans", "commands", "joins", "reducers", "defer", "flaky", "models")))
def test_fan_outs_and_reduces(description: Description) -> None:
    same(description)


@examples(40)
@given(graphs(features=("loops", "unguarded", "branches", "commands", "recursion", "reducers")))
def test_loops(description: Description) -> None:
    same(description)


@examples(40)
@given(graphs(features=("mutation", "models", "whole", "defer", "checkpoints", "loops", "joins")))
def test_state_changed_in_place(description: Description) -> None:
    same(description)


@examples(40)
@given(graphs(features=("failures", "flaky", "conflicts", "missing", "fans", "checkpoints")))
def test_failures(description: Description) -> None:
    same(description)


@examples(40)
@given(graphs(features=("interrupts", "breakpoints", "fans", "joins", "subgraphs", "loops")))
def test_pauses(description: Description) -> None:
    same(description)


@examples(60)
@given(graphs(mode="sync"))
def test_any_graph_in_threads(description: Description) -> None:
    same(description, mode="sync")


@examples(40)
@given(graphs(mode="sync", features=("fans", "joins", "loops", "flaky", "mutation", "reducers")))
def test_fan_outs_in_threads(description: Description) -> None:
    same(description, mode="sync")


@examples(40)
@given(graphs())
def test_any_graph_speculatively(description: Description) -> None:
    same(description, policy="speculative")


@examples(20)
@given(graphs(mode="sync"))
def test_any_graph_speculatively_in_threads(description: Description) -> None:
    same(description, mode="sync", policy="speculative")


@examples(20)
@given(graphs(features=FEATURES))
def test_policy_off(description: Description) -> None:
    same(description, policy="off")
