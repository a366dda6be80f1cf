"""Random graphs: runs confirm analysis, and what is learned changes no result."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from langgraph_alto import infer
from langgraph_alto.learned.inferred import Inferred
from langgraph_alto.testing import check
from langgraph_alto.testing.description import Description
from langgraph_alto.testing.program import Program, program
from langgraph_alto.testing.run_program import ANSWERS, check_graph
from langgraph_alto.testing.strategies import graphs
from langgraph_alto.wrap import wrap
from tests.infer.support import evaluate

PROFILE = os.environ.get("ALTO_HYPOTHESIS_PROFILE", "default")

pytestmark = pytest.mark.timeout(900 if PROFILE != "nightly" else 14_400)


def examples(count: int) -> settings:
    return settings(
        max_examples=count * (20 if PROFILE == "nightly" else 1),
        derandomize=PROFILE == "default",
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def learned(made: Program, description: Description, mode: Any) -> Inferred:
    made.reset()
    return infer(
        made.compiled(),
        made.given,
        config=made.config,
        mode=mode,
        resume=ANSWERS if description.checkpointer else (),
        timeout=20,
    )


def confirmed(description: Description, mode: Any) -> None:
    inferred = learned(program(description), description, mode)
    assert inferred.contradictions == ()
    assert evaluate(inferred.source) == inferred.effects
    wrapped = partial(wrap, effects=inferred.effects)
    check_graph(description, mode=mode, wrapped=wrapped).raise_for_difference()


@examples(40)
@given(graphs())
def test_any_graph(description: Description) -> None:
    confirmed(description, "async")


@examples(20)
@given(graphs(mode="sync"))
def test_any_graph_in_threads(description: Description) -> None:
    confirmed(description, "sync")


@examples(20)
@given(graphs(features=("opaque", "whole", "mutation", "models", "subgraphs", "commands", "fans")))
def test_what_analysis_cannot_read(description: Description) -> None:
    confirmed(description, "async")


def same_result(description: Description) -> None:
    """A watched run against a plain one, superstep by superstep."""
    from langgraph_alto.learned.watch import Log, watched

    made = program(description)
    report = check(
        made.compiled(),
        [made.given],
        config=made.config,
        reset=made.reset,
        wrapped=lambda graph: watched(graph, Log()),
        timeout=20,
    )
    report.raise_for_difference()


@examples(60)
@given(graphs(features=("fans", "commands", "joins", "reducers", "models", "mutation", "loops")))
def test_watched_runs_are_plain_runs(description: Description) -> None:
    same_result(description)
