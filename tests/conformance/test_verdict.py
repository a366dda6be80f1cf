"""The comparison that decides whether `make conformance` is green."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.verdict import (
    MAX_EXCEPTIONS,
    KnownDifference,
    Outcomes,
    compare,
    load_exceptions,
)


def run(**outcomes: str) -> Outcomes:
    return Outcomes(outcomes, messages={}, seconds=1.0)


def test_equal_runs_are_fine_whatever_fails_in_both() -> None:
    plain = run(a="passed", b="failed", c="skipped")
    assert compare(plain, run(a="passed", b="failed", c="skipped"), []).ok


@pytest.mark.parametrize("outcome", ["failed", "skipped", "xfailed"])
def test_a_test_that_no_longer_passes_is_lost(outcome: str) -> None:
    verdict = compare(run(a="passed"), run(a=outcome), [])
    assert verdict.lost == ("a",)
    assert not verdict.ok


def test_a_test_that_did_not_run_is_lost() -> None:
    assert compare(run(a="passed", b="passed"), run(a="passed"), []).lost == ("b",)


def test_a_test_that_only_passes_wrapped_is_a_difference_too() -> None:
    verdict = compare(run(a="failed"), run(a="passed"), [])
    assert verdict.gained == ("a",)
    assert not verdict.ok


def test_an_exception_covers_all_parameters_of_its_test_and_no_other_test() -> None:
    plain = Outcomes(dict.fromkeys(("t[1]", "t[2]", "tt"), "passed"), {}, 1.0)
    wrapped = Outcomes(dict.fromkeys(("t[1]", "t[2]", "tt"), "failed"), {}, 1.0)
    verdict = compare(plain, wrapped, [KnownDifference("langgraph", "t", "why")])
    assert verdict.excepted == ("t[1]", "t[2]")
    assert verdict.lost == ("tt",)


def test_an_exception_that_nothing_needs_is_stale() -> None:
    entry = KnownDifference("langgraph", "a", "why")
    verdict = compare(run(a="passed"), run(a="passed"), [entry])
    assert verdict.stale == (entry,)
    assert not verdict.ok


def test_an_exception_holds_for_its_suite_and_policies() -> None:
    entry = KnownDifference("langgraph", "a", "why", ("speculative",))
    assert entry.covers("langgraph", "speculative")
    assert not entry.covers("langgraph", "proven")
    assert not entry.covers("langgraph-prebuilt", "speculative")


def test_counts_reads_like_pytest() -> None:
    assert run(a="passed", b="passed", c="skipped").counts() == "2 passed, 1 skipped"
    assert run().counts() == "no tests"


def test_the_exceptions_of_this_repository_are_valid() -> None:
    load_exceptions(Path(__file__).with_name("exceptions.toml"))


def test_exceptions_are_few(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    entry = '[[exception]]\nsuite = "langgraph"\ntest = "t"\nreason = "why"\n'
    file.write_text(entry * MAX_EXCEPTIONS)
    assert len(load_exceptions(file)) == MAX_EXCEPTIONS
    file.write_text(entry * (MAX_EXCEPTIONS + 1))
    with pytest.raises(ValueError, match="8 is the most"):
        load_exceptions(file)


def test_an_exception_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text('[[exception]]\nsuite = "langgraph"\ntest = "t"\nreason = " "\n')
    with pytest.raises(ValueError, match="t needs a reason"):
        load_exceptions(file)
