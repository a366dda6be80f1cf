"""What a check found, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from langgraph_alto.testing.trace import Segment, Superstep, Trace

Kind = Literal[
    "result",
    "values",
    "updates",
    "tasks",
    "checkpoints",
    "subgraphs",
    "interrupts",
    "pause",
    "exception",
    "history",
    "calls",
    "leaks",
]

_WIDTH = 320


class DifferenceError(AssertionError):
    """Raised by `Report.raise_for_difference`; its text is the report."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that LangGraph and Alto did not do alike.

    Attributes:
        kind: What differs. ``pause`` is where a run stopped, ``calls`` how
            often node bodies ran, ``leaks`` what outlived the run.
        where: Superstep, node or snapshot.
        plain: What LangGraph had, as text; empty for nothing.
        alto: What Alto had.
    """

    kind: Kind
    where: str
    plain: str
    alto: str

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.where}".rstrip()
            + f"\n    plain: {_short(self.plain)}\n    alto:  {_short(self.alto)}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run on each engine.

    Attributes:
        label: Which input, mode and way of running it was.
        input: The input as text.
        plain: What LangGraph did.
        alto: What Alto did.
        differences: What was not alike.
    """

    label: str
    input: str
    plain: Trace
    alto: Trace
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Result of `langgraph_alto.testing.check`.

    Attributes:
        comparisons: Every pair of runs.
        seed: Seed of the delays; pass it to `check` to get the same runs.
        policy: The policy Alto ran under.
        notes: What a reader should know though it is no difference, such as
            nodes whose calls could not be counted.
    """

    comparisons: tuple[Comparison, ...]
    seed: int
    policy: str
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences, in the order of the runs."""
        return tuple(d for c in self.comparisons for d in c.differences)

    @property
    def ok(self) -> bool:
        """Whether both engines did the same in every run."""
        return not self.differences

    def text(self, *, context: str = "") -> str:
        """Describe the result superstep by superstep.

        Args:
            context: Put after the first line, such as the graph's source.

        Returns:
            One line if all is well, else for every differing run what LangGraph
            had and what Alto had.
        """
        bad = [c for c in self.comparisons if c.differences]
        runs = len(self.comparisons)
        head = f"policy {self.policy}, seed {self.seed}, {runs} pair(s) of runs"
        if not bad:
            ended = self._ended()
            return "\n".join([f"no difference: {head}", *([ended] if ended else []), *self.notes])
        lines = [f"{len(self.differences)} difference(s) in {len(bad)} pair(s): {head}"]
        lines += [*self.notes, *([context] if context else [])]
        for comparison in bad:
            lines += ["", f"== {comparison.label}", f"input: {_short(comparison.input)}"]
            lines += [str(d) for d in comparison.differences]
            lines += _side_by_side(comparison)
        return "\n".join(lines)

    def _ended(self) -> str | None:
        """That no run came to its end, which is alike but hardly what was to be checked."""
        traces = [trace for each in self.comparisons for trace in (each.plain, each.alto)]
        failures = [str(trace.failure) for trace in traces if trace.failure is not None]
        if not failures or len(failures) < len(traces):
            return None
        if len(set(failures)) == 1:
            return f"all {len(traces)} runs ended with {failures[0]}"
        return f"all {len(traces)} runs ended with an exception, the first with {failures[0]}"

    def raise_for_difference(self, *, context: str = "") -> None:
        """Raise if the engines differed.

        Args:
            context: Put into the message, such as the graph's source.

        Raises:
            DifferenceError: With `text` as its message.
        """
        if not self.ok:
            raise DifferenceError(self.text(context=context))

    def __str__(self) -> str:
        return self.text()


def _short(text: str) -> str:
    if len(text) <= _WIDTH:
        return text or "-"
    half = _WIDTH // 2
    return f"{text[:half]} ...{len(text) - 2 * half} more... {text[-half:]}"


def _side_by_side(comparison: Comparison) -> Iterator[str]:
    """The whole of both runs, superstep by superstep; alike supersteps in short."""
    pairs = zip_longest(comparison.plain.segments, comparison.alto.segments)
    for number, (plain, alto) in enumerate(pairs):
        if number:
            yield f"-- resume {number}"
        steps = zip_longest(_steps(plain), _steps(alto))
        for left, right in steps:
            same = left == right
            step = (left or right).step if (left or right) else "?"
            yield f"superstep {step}{'' if same else '  <-- differs'}"
            if same and left is not None:
                yield f"  {_short(', '.join(t.partition('(')[0] for t in left.tasks))}"
                continue
            yield from (f"  plain {line}" for line in _lines(left))
            yield from (f"  alto  {line}" for line in _lines(right))


def _steps(segment: Segment | None) -> tuple[Superstep, ...]:
    return segment.supersteps if segment else ()


def _lines(step: Superstep | None) -> Iterator[str]:
    if step is None:
        yield "did not have this superstep"
        return
    for name in ("tasks", "updates", "values", "interrupts"):
        for item in getattr(step, name):
            yield f"{name}: {_short(item)}"
