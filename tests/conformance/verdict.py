"""Compare a wrapped run of a suite with the plain one; pure.

The rule: the tests that pass wrapped are the tests that pass plain, but for a
short list of exceptions, each with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli

MAX_EXCEPTIONS = 8


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one run of a suite gave.

    Args:
        outcomes: Test id to ``"passed"``, ``"failed"``, ``"skipped"``,
            ``"xfailed"`` or ``"xpassed"``.
        messages: Test id to the first line of its failure.
        seconds: Wall time of the run.
        again: Tests that failed at first and passed when run again, alone.
    """

    outcomes: Mapping[str, str]
    messages: Mapping[str, str]
    seconds: float
    again: Sequence[str] = ()

    @property
    def passed(self) -> frozenset[str]:
        return frozenset(t for t, outcome in self.outcomes.items() if outcome == "passed")

    @property
    def failed(self) -> frozenset[str]:
        return frozenset(t for t, outcome in self.outcomes.items() if outcome == "failed")

    def counts(self) -> str:
        """The outcomes in pytest's words, such as ``"2941 passed, 43 skipped"``."""
        counts = Counter(self.outcomes.values())
        order = ("failed", "passed", "skipped", "xfailed", "xpassed")
        return ", ".join(f"{counts[name]} {name}" for name in order if counts[name]) or "no tests"


@dataclass(frozen=True, slots=True)
class KnownDifference:
    """One entry of ``exceptions.toml``.

    Args:
        suite: The distribution whose suite it is, such as ``"langgraph"``.
        test: A test id; without its ``[...]`` it stands for all its parameters.
        reason: Why this test may differ.
        policies: Policies under which it does; all when empty.
    """

    suite: str
    test: str
    reason: str
    policies: tuple[str, ...] = ()

    def covers(self, suite: str, policy: str) -> bool:
        return self.suite == suite and (not self.policies or policy in self.policies)

    def matches(self, test: str) -> bool:
        return test == self.test or test.partition("[")[0] == self.test


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a wrapped run of one suite compares with the plain run.

    Args:
        lost: Tests that pass plain and not wrapped.
        gained: Tests that pass wrapped and not plain.
        excepted: Tests that differ and are listed as exceptions.
        stale: Exceptions that nothing needs any more.
    """

    lost: tuple[str, ...]
    gained: tuple[str, ...]
    excepted: tuple[str, ...]
    stale: tuple[KnownDifference, ...]

    @property
    def ok(self) -> bool:
        return not (self.lost or self.gained or self.stale)


def load_exceptions(file: Path) -> tuple[KnownDifference, ...]:
    """Read the list of tests that may differ.

    Raises:
        ValueError: It has more than `MAX_EXCEPTIONS` entries, or one of them
            lacks its reason.
    """
    entries = tomli.loads(file.read_text()).get("exception", [])
    if len(entries) > MAX_EXCEPTIONS:
        raise ValueError(f"{file.name} has {len(entries)} exceptions; {MAX_EXCEPTIONS} is the most")
    known = tuple(
        KnownDifference(
            entry["suite"], entry["test"], entry.get("reason", ""), tuple(entry.get("policies", ()))
        )
        for entry in entries
    )
    for entry in known:
        if not entry.reason.strip():
            raise ValueError(f"{file.name}: {entry.test} needs a reason")
    return known


def compare(plain: Outcomes, wrapped: Outcomes, exceptions: Sequence[KnownDifference]) -> Verdict:
    """Judge one suite, with the exceptions that apply to it and its policy."""
    lost = plain.passed - wrapped.passed
    gained = wrapped.passed - plain.passed
    used = {test: [e for e in exceptions if e.matches(test)] for test in lost | gained}
    needed = [e for entries in used.values() for e in entries]
    return Verdict(
        lost=tuple(sorted(t for t in lost if not used[t])),
        gained=tuple(sorted(t for t in gained if not used[t])),
        excepted=tuple(sorted(t for t, entries in used.items() if entries)),
        stale=tuple(e for e in exceptions if e not in needed),
    )
