"""Random node functions on views: they do what they do on the state itself."""

from __future__ import annotations

import os
import random
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langgraph_alto.learned.record import covered
from langgraph_alto.learned.snapshot import changes, picture
from langgraph_alto.plan.analysis import analyse_node
from tests.infer.support import watch
from tests.plan.test_analysis_soundness import (
    KEYS,
    Grammar,
    State,
    TooLongError,
    fresh,
    load,
    run,
    shape,
)

NIGHTLY = os.environ.get("ALTO_HYPOTHESIS_PROFILE") == "nightly"


@pytest.mark.timeout(900 if not NIGHTLY else 14_400)
@settings(
    max_examples=2000 if NIGHTLY else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.integers(0, 2**32))
def test_views_change_nothing_and_see_what_analysis_foresees(seed: int) -> None:
    text = Grammar(Random(seed)).program()
    node = load(text)
    if node is None:
        return
    facts = analyse_node(node, State)
    plain, state = fresh(), fresh()
    try:
        result, error = run(node, plain)
    except TooLongError:
        return
    again = load(text)
    assert again is not None

    def on_views(view: Any) -> Any:
        random.seed(1)
        try:
            return again(view), None
        except Exception as problem:  # noqa: BLE001
            return None, type(problem).__name__

    before = picture(state)
    (watched, seen_error), record = watch(on_views, state)
    assert seen_error == error, text
    assert shape(watched) == shape(result), text
    assert shape(state) == shape(plain), text
    # What changed was seen to change, or is found by comparing.
    different = changes(before, picture(state))
    assert all(path[0] in KEYS for path in different)
    if facts.mutates is not None:
        assert all(covered(path, facts.mutates) for path in record.changed), text
    if facts.reads is not None:
        for path in record.used:
            foreseen = covered(path, facts.reads)
            # A program that takes a number for a mapping fails before it gets deeper.
            deeper = any(known[: len(path)] == path for known in facts.reads)
            assert foreseen or deeper or path[0] not in KEYS, text
