"""The timeline of runs: what ran when, what it waited for, and what ran ahead.

``with trace() as timeline:`` records every run of a wrapped graph that begins in
the block; ``wrap(graph, trace=Trace())`` records every run of one graph. What is
recorded are names and times, never states, inputs or outputs.

The Chrome trace format is the one that ``chrome://tracing`` and Perfetto read
(*Trace Event Format*, Google).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["done", "failed", "interrupted", "dropped", "running"]

VERSION = 1
"""Version of the JSON form."""


@dataclass(slots=True)
class Span:
    """One task: a body that ran, or was to run. Times are seconds since the trace began.

    Args:
        run: Number of the run it belongs to; see :attr:`Trace.runs`.
        node: Its node.
        step: The superstep that owns it.
        ancestry: The fan-outs and loops it came from; ``"run"`` for none.
        ahead: Whether its body began before LangGraph asked for it.
        foreseen: When it was known that LangGraph would make it; for a task that
            was not foreseen, when LangGraph made it.
        certain: When its input was certain, so that it could start but for a
            free place; ``None`` if it was not run ahead.
        started: When its body began; ``None`` if it never did.
        finished: When its body had ended.
        adopted: When LangGraph took over what had run ahead.
        waited_for: The :attr:`name` of the task whose end let it start.
        outcome: ``"dropped"``: it ran ahead and came to nothing, so that LangGraph's
            own task, another span, ran instead, or none.
    """

    run: int
    node: str
    step: int
    ancestry: str
    ahead: bool
    foreseen: float
    certain: float | None = None
    started: float | None = None
    finished: float | None = None
    adopted: float | None = None
    waited_for: str | None = None
    outcome: Outcome = "running"

    @property
    def name(self) -> str:
        """The task as ``"node@superstep"``, with its ancestry if it has one."""
        where = "" if self.ancestry == "run" else f" {self.ancestry}"
        return f"{self.node}@{self.step}{where}"


@dataclass(slots=True)
class Superstep:
    """One of LangGraph's supersteps: from when its tasks were made to its commit."""

    run: int
    step: int
    began: float
    committed: float | None = None


@dataclass(frozen=True, slots=True)
class RunOf:
    """One run of a graph.

    Args:
        run: Its number.
        graph: The graph's name.
        ancestry: Where it stands: that of the node it is, for a subgraph.
    """

    run: int
    graph: str
    ancestry: str


@dataclass(slots=True)
class Trace:
    """What was recorded. Several runs, also concurrent ones, may be in it.

    Attributes:
        spans: The tasks whose bodies began, in that order.
        supersteps: LangGraph's supersteps.
        runs: The runs, subgraphs' included.
    """

    spans: list[Span] = field(default_factory=list)
    supersteps: list[Superstep] = field(default_factory=list)
    runs: list[RunOf] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    _zero: float = field(default_factory=time.perf_counter, repr=False)

    def now(self) -> float:
        """Seconds since the trace began."""
        return time.perf_counter() - self._zero

    def to_json(self) -> dict[str, Any]:
        """The trace as plain values: runs, supersteps and spans with the fields above."""
        return {
            "version": VERSION,
            "began": self.began.isoformat(),
            "runs": [asdict(run) for run in self.runs],
            "supersteps": [asdict(step) for step in self.supersteps],
            "spans": [asdict(span) for span in self.spans],
        }

    def to_chrome(self) -> dict[str, Any]:
        """The trace in Chrome's event format: a process for each run.

        Supersteps are a row of their own; tasks that overlap are in rows below
        each other. An arrow leads to each task run ahead from the one it waited for.
        """
        events: list[dict[str, Any]] = []
        for run in self.runs:
            where = "" if run.ancestry == "run" else f" ({run.ancestry})"
            called = {"name": f"{run.graph}{where}"}
            events += [
                {"ph": "M", "name": "process_name", "pid": run.run, "tid": 0, "args": called},
                {
                    "ph": "M",
                    "name": "thread_name",
                    "pid": run.run,
                    "tid": 0,
                    "args": {"name": "supersteps"},
                },
            ]
        end = self._end()
        for step in self.supersteps:
            until = end if step.committed is None else step.committed
            name = f"superstep {step.step}"
            events.append(_slice(name, "superstep", step.run, 0, step.began, until))
        rows = self._rows(end)
        ended = {(span.run, span.name): (span, row) for span, row in rows}
        for number, (span, row) in enumerate(rows):
            began = span.started or 0.0
            until = end if span.finished is None else span.finished
            kind = "ahead" if span.ahead else "in turn"
            event = _slice(span.node, f"{kind},{span.outcome}", span.run, row, began, until)
            event["args"] = {
                name: value for name, value in asdict(span).items() if value is not None
            }
            events.append(event)
            cause = ended.get((span.run, span.waited_for or ""))
            if span.ahead and cause is not None and cause[0].finished is not None:
                flow = {"name": "waited for", "cat": "waited for", "id": number, "pid": span.run}
                at = min(cause[0].finished, began)
                events += [
                    {**flow, "ph": "s", "tid": cause[1], "ts": _micros(at)},
                    {**flow, "ph": "f", "bp": "e", "tid": row, "ts": _micros(began)},
                ]
        return {"traceEvents": events, "displayTimeUnit": "ms"}

    def save(self, path: str | Path, *, chrome: bool = False) -> None:
        """Write the trace to a file.

        Args:
            path: The file; it is replaced.
            chrome: For ``chrome://tracing`` and Perfetto, instead of plain JSON.
        """
        made = self.to_chrome() if chrome else self.to_json()
        Path(path).write_text(json.dumps(made, indent=None if chrome else 1), encoding="utf-8")

    def _end(self) -> float:
        times = [span.finished for span in self.spans if span.finished is not None]
        times += [step.committed for step in self.supersteps if step.committed is not None]
        return max(times, default=0.0)

    def _rows(self, end: float) -> list[tuple[Span, int]]:
        """Each span with a row of its run in which it overlaps no other; from 1."""
        free: dict[int, list[tuple[float, int]]] = {}
        rows: list[tuple[Span, int]] = []
        for span in sorted(self.spans, key=lambda span: span.started or 0.0):
            ends = free.setdefault(span.run, [])
            until = end if span.finished is None else span.finished
            if ends and ends[0][0] <= (span.started or 0.0):
                row = heappop(ends)[1]
            else:
                row = len(ends) + 1
            heappush(ends, (until, row))
            rows.append((span, row))
        return rows


def _micros(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def _slice(
    name: str, category: str, run: int, row: int, began: float, until: float
) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": run,
        "tid": row,
        "ts": _micros(began),
        "dur": _micros(max(until - began, 0.0)),
    }


current: ContextVar[Trace | None] = ContextVar("langgraph_alto_trace", default=None)
"""Where runs that begin in this context are recorded."""


@contextmanager
def trace() -> Iterator[Trace]:
    """Record every run of a wrapped graph that begins in the block.

    Costs nothing where nothing is recorded, and a few microseconds a task where
    something is.

    Example:
        ```python
        with trace() as timeline:
            await fast.ainvoke(question)
        timeline.save("run.json", chrome=True)  # open in ui.perfetto.dev
        ```
    """
    timeline = Trace()
    token = current.set(timeline)
    try:
        yield timeline
    finally:
        current.reset(token)
