"""Random graphs with nodes that stream: all that can be observed is as in LangGraph.

Which examples are drawn depends on ``ALTO_HYPOTHESIS_PROFILE``, as for the other
random graphs: ``default`` draws the same few dozen every time, ``random`` others,
``nightly`` thousands.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_alto import trace, wrap
from langgraph_alto.testing import Report, acheck, check
from tests.streams.programs import Program, build, programs

PROFILE = os.environ.get("ALTO_HYPOTHESIS_PROFILE", "default")
TIMES = {"default": 1, "random": 1, "nightly": 50}[PROFILE]

pytestmark = [
    pytest.mark.timeout(600 if PROFILE != "nightly" else 7200),
    # LangGraph's own, when a task that waits for a place is cancelled.
    pytest.mark.filterwarnings("ignore:coroutine 'arun_with_retry' was never awaited"),
]


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


configs = st.sampled_from([{}, {}, {"max_concurrency": 1}, {"max_concurrency": 2}])
pauses = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.004]), min_size=7, max_size=7)


def arguments(program: Program, delays: Sequence[float], **more: Any) -> dict[str, Any]:
    note(f"{program}\n{delays} {more}")
    return {
        "delays": lambda node, step, place: delays[(hash((step, place)) + len(node)) % 7],
        "checkpointer": InMemorySaver if program.saved else None,
        "limits": {"leaf": 1} if program.limited else None,
        "timeout": 20.0,
        **more,
    }


def judge(report: Report, program: Program) -> None:
    """No difference; after a failure, bodies may have run for nothing."""
    again = "flaky" in program.first + program.middle
    found = [each for each in report.differences if not (again and each.kind == "calls")]
    assert not found, report.text()


@examples(30)
@given(programs("async"), pauses, configs)
def test_on_an_event_loop(program: Program, delays: list[float], config: dict[str, Any]) -> None:
    given = arguments(program, delays, config=config)
    report = asyncio.run(acheck(build(program, delays), [{"log": []}], **given))
    judge(report, program)


@examples(30)
@given(programs("sync"), pauses, configs)
def test_in_threads(program: Program, delays: list[float], config: dict[str, Any]) -> None:
    given = arguments(program, delays, config=config, mode="sync")
    judge(check(build(program, delays), [{"log": []}], **given), program)


@examples(15)
@given(programs("sync"), pauses, configs)
def test_generators_in_threads_of_an_event_loop(
    program: Program, delays: list[float], config: dict[str, Any]
) -> None:
    given = arguments(program, delays, config=config, mode="async")
    judge(check(build(program, delays), [{"log": []}], **given), program)


@examples(15)
@given(programs("async"), pauses)
def test_speculatively(program: Program, delays: list[float]) -> None:
    given = arguments(program, delays, policy="speculative")
    judge(check(build(program, delays), [{"log": []}], **given), program)


def test_they_do_run_ahead() -> None:
    """Else the tests above would say nothing."""
    seen = {"ahead": 0, "all": 0}

    @examples(20)
    @given(programs("async", fails=False), pauses)
    def run(program: Program, delays: list[float]) -> None:
        with trace() as timeline:
            asyncio.run(wrap(build(program, delays)).ainvoke({"log": []}))
        seen["all"] += 1
        seen["ahead"] += any(span.ahead for span in timeline.spans)

    run()
    assert seen["ahead"] > seen["all"] / 4
