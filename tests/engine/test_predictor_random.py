"""The predictor on random programs, against LangGraph's own supersteps.

Which examples are drawn depends on ``ALTO_HYPOTHESIS_PROFILE``, as for the
random graphs: ``default`` draws the same few hundred every time, ``random``
others, ``nightly`` thousands.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from tests.engine.programs import Program, RunAhead, Trace, programs, reference

PROFILE = os.environ.get("ALTO_HYPOTHESIS_PROFILE", "default")
TIMES = {"default": 1, "random": 1, "nightly": 30}[PROFILE]

pytestmark = pytest.mark.timeout(600 if PROFILE != "nightly" else 7200)

schedules = st.lists(st.integers(0, 11), max_size=40)


def examples(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        derandomize=PROFILE == "default",
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def both(
    program: Program, schedule: Sequence[int], *, speculative: bool = False
) -> tuple[Trace, RunAhead]:
    """Run a program in both ways; they must agree on everything that LangGraph commits."""
    plain = reference(program)
    # The reference ends with a superstep that is not run, unless it ends within one.
    inside = plain.end.split()[0] in ("Failed", "Asked", "conflict")
    stop = len(plain.steps) - (not inside) if plain.end == "limit" else 99
    alto = RunAhead(program, schedule, stop, speculative=speculative)
    trace = alto.run()
    note(f"{plain}\n{trace}")
    if inside and trace.end != plain.end:
        # Which of a failure and an interrupt of one superstep comes first is open.
        assert trace.end.split()[-1] == plain.end.split()[-1]
    else:
        assert trace.end == plain.end
    assert trace.steps == plain.steps
    assert trace.values == plain.values
    return plain, alto


def test_exactly_langgraphs_tasks_each_once() -> None:
    """Proven: nothing runs that LangGraph would not run, on its very input, and only once."""
    seen: Counter[str] = Counter()

    @examples(300)
    @given(programs(), schedules)
    def run(program: Program, schedule: list[int]) -> None:
        plain, alto = both(program, schedule)
        if not plain.end.startswith("conflict"):
            assert not alto.left()
            assert alto.trace.bodies == plain.bodies
        assert not alto.dropped or plain.end.startswith("conflict")
        seen["ahead"] += alto.ahead > 0
        seen["far ahead"] += alto.deepest > 1
        seen["all"] += 1

    run()
    # Else this test would say nothing.
    assert seen["ahead"] > seen["all"] / 5
    assert seen["far ahead"] > seen["all"] / 25


def test_runs_that_end_early() -> None:
    """Failures, interrupts and static stops: the same end, and nothing starts beyond it."""
    ends: Counter[str] = Counter()
    wanted = {"done", "Failed", "Asked", "stopped"}

    # One sequence of examples tends to stay with one kind of end: there are several.
    for number in range(40):
        if number >= 5 and ends.keys() >= wanted:
            break

        @seed(number if PROFILE == "default" else random.getrandbits(32))
        @settings(examples(40), derandomize=False)
        @given(programs(ends=True), schedules)
        def run(program: Program, schedule: list[int]) -> None:
            plain, alto = both(program, schedule)
            end = plain.end.split()[0]
            if end in ("done", "limit", "stopped", "Asked"):
                assert not alto.left(), "ran ahead of an interrupt"
            if alto.ahead:
                ends[end] += 1

        run()
    assert ends.keys() >= wanted


def test_guesses_are_checked() -> None:
    """Speculative: work may be lost, results never."""
    seen: Counter[str] = Counter()

    @examples(200)
    @given(programs(), schedules)
    def run(program: Program, schedule: list[int]) -> None:
        _, alto = both(program, schedule, speculative=True)
        seen["wrong"] += alto.dropped > 0
        seen["right"] += alto.ahead > alto.dropped

    run()
    assert seen["wrong"] > 10
    assert seen["right"] > 50
