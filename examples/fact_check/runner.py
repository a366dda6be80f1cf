"""Runs the application on two engines in turn, and says what came out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from examples.fact_check.bound import dependency_bound
from examples.fact_check.graph import Context
from examples.fact_check.recorder import Span, TaskKey, TaskRecorder

Graph = Pregel[Any, Context, Any, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the graph."""

    engine: str
    seconds: float
    state: dict[str, Any]
    spans: dict[TaskKey, Span]
    node_runs: int


@dataclass(frozen=True, slots=True)
class EngineResult:
    """All timed runs of one engine."""

    engine: str
    runs: Sequence[Run]

    @property
    def median_s(self) -> float:
        """Median time of a run."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def bound_s(self) -> float:
        """Median dependency bound, each computed from its own run's task durations."""
        return statistics.median(dependency_bound(run.spans) for run in self.runs)

    @property
    def typical(self) -> Run:
        """The run closest to the median."""
        return min(self.runs, key=lambda run: abs(run.seconds - self.median_s))


async def run_once(
    engine: str, graph: Graph, question: str, context: Context, *, concurrency: int | None = None
) -> Run:
    """Answer ``question`` once, recording when each task runs.

    Args:
        engine: What to call the engine.
        graph: The application, compiled.
        question: The question to answer.
        context: The model and the retriever to use.
        concurrency: At most this many tasks at a time; ``None``: no limit.
    """
    recorder = TaskRecorder()
    config = RunnableConfig(callbacks=[recorder])
    if concurrency is not None:
        config["max_concurrency"] = concurrency
    began = time.perf_counter()
    state = await graph.ainvoke({"question": question}, config, context=context)
    seconds = time.perf_counter() - began
    return Run(engine, seconds, state, recorder.spans, recorder.node_runs)


async def compare(
    engines: Sequence[tuple[str, Graph]],
    question: str,
    context: Context,
    *,
    runs: int,
    concurrency: int | None = None,
    on_run: Callable[[Run, int], None] = lambda run, number: None,
) -> list[EngineResult]:
    """Run the engines in turn, after one run of each that is not counted.

    Every second round goes through them in reverse, so that none always comes
    first. ``on_run`` hears of each run with its round's number, 0 for the
    uncounted one.
    """
    counted: dict[str, list[Run]] = {engine: [] for engine, _ in engines}
    for number in range(runs + 1):
        for engine, graph in engines[:: -1 if number % 2 else 1]:
            run = await run_once(engine, graph, question, context, concurrency=concurrency)
            on_run(run, number)
            if number:
                counted[engine].append(run)
    return [EngineResult(engine, counted[engine]) for engine, _ in engines]


def difference(runs: Sequence[Run]) -> str | None:
    """How two of ``runs`` differ in their final state, in words; ``None`` if they do not."""
    first = runs[0]
    for run in runs[1:]:
        for key in sorted(first.state.keys() | run.state.keys()):
            ours, theirs = run.state.get(key), first.state.get(key)
            if ours != theirs:
                return (
                    f"{key!r} differs between {first.engine} and {run.engine}:\n"
                    f"  {first.engine}: {_short(theirs)}\n  {run.engine}: {_short(ours)}"
                )
    return None


def _short(value: object, limit: int = 300) -> str:
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
