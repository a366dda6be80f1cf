"""What wrapping costs where there is nothing to gain.

    python -m comparisons.overhead [--runs N] [--only NAME] [--quick] [--json FILE] [--assert]

Three tables, plain and wrapped side by side in one process: the graphs of
LangGraph's own bench (with and without a memory saver, async and sync), a wide
fan-out of tasks that do nothing, and the time to import. Nodes do no real work
here, so these ratios are the worst case; in an application with model calls the
same cost is a rounding error. No model server is used.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from comparisons._command import command, ended
from comparisons._contests import BenchContest, FanOutContest
from comparisons._show import console, interval, milliseconds, progress, show_bars, table
from comparisons.bench_graphs import BenchGraph, bench_graphs
from comparisons.measure import (
    Bar,
    Ratio,
    RunOnLoop,
    Sample,
    event_loop,
    geometric_mean,
    interleaved,
    machine,
    ratio,
)

MEAN_LIMIT = 1.0
GRAPH_LIMIT = 1.1
WIDE_LIMIT = 0.35
GROWTH_LIMIT = 1.3
IMPORT_LIMIT = 50.0
"""Milliseconds that `import langgraph_alto` may add."""

WIDTHS = (1_000, 10_000)
SECOND_LOOK = 21
"""The least rounds for a graph that seemed above its limit."""

SHORTEST_TIMED = 0.02
"""Seconds: a graph that runs faster is run several times for one time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One graph on one engine, plain and wrapped.

    Args:
        graph: Name of the graph.
        engine: `"async"` or `"sync"`.
        tasks: Width of the fan-out; 1 for the graphs of the bench.
        plain: Seconds of a run on LangGraph.
        wrapped: Seconds of a run on Alto, of the same rounds.
        ratio: Wrapped to plain.
        wrapping: Seconds to wrap the graph, once.
    """

    graph: str
    engine: str
    tasks: int
    plain: Sample
    wrapped: Sample
    ratio: Ratio
    wrapping: float


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time to spend.

    Args:
        rounds: Rounds for each row, or `None` to fill `seconds`.
        seconds: Time for each row of the bench when `rounds` is `None`.
        wide_rounds: Rounds for each width in `WIDTHS`.
        imports: How many fresh processes import.
        sizes: Whether every size of a graph is measured, or only the smallest.
    """

    rounds: int | None
    seconds: float
    wide_rounds: tuple[int, ...]
    imports: int
    sizes: bool


FULL = Effort(rounds=None, seconds=1.2, wide_rounds=(9, 3), imports=9, sizes=True)
QUICK = Effort(rounds=None, seconds=0.3, wide_rounds=(3, 1), imports=3, sizes=False)


def compare(name: str, contest: BenchContest, *, rounds: int | None, seconds: float) -> Row:
    """Time the two sides of a contest in turn.

    Args:
        name: Name of the graph.
        contest: What to run.
        rounds: How often, or `None` to fill `seconds`.
        seconds: The time to fill.

    Raises:
        AssertionError: If the two sides do not stream as many chunks.
    """
    expected, got = contest.plain(), contest.wrapped()
    assert got == expected, f"{name}: {got} chunks wrapped, {expected} plain"
    start = time.perf_counter()
    contest.plain()
    once = time.perf_counter() - start
    repeats = max(1, math.ceil(SHORTEST_TIMED / once))
    if rounds is None:
        rounds = min(40, max(9, round(seconds / (2 * once * repeats))))
    samples = interleaved(
        {side: _repeat(getattr(contest, side), repeats) for side in ("plain", "wrapped")},
        rounds=rounds,
        warm_up=0,
        between=contest.tidy,
    )
    plain, wrapped = (Sample(tuple(s / repeats for s in one.seconds)) for one in samples.values())
    engine = "sync" if contest.run is None else "async"
    return Row(name, engine, 1, plain, wrapped, ratio(wrapped, plain), contest.wrapping)


def _repeat(run: Callable[[], object], times: int) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(times):
            run()

    return repeated


def bench_rows(effort: Effort, only: str, run: RunOnLoop) -> list[Row]:
    """Compare the graphs of LangGraph's bench.

    A row above the limit for one graph is measured again with more rounds, and
    that second measurement is the one that counts.

    Args:
        effort: How long to measure.
        only: A part of the name of the graphs to measure; empty for all.
        run: Runs coroutines.
    """
    graphs = [graph for graph in bench_graphs() if only in graph.name]
    if not effort.sizes:
        graphs = list(_smallest(graphs))
    rows = []
    with progress() as shown:
        step = shown.add_task("bench graphs", total=2 * len(graphs))
        for graph in graphs:
            for plain, loop in ((graph.for_async, run), (graph.for_sync, None)):
                shown.update(step, description=graph.name, refresh=True)
                contest = BenchContest(plain, graph.given, loop)
                row = compare(graph.name, contest, rounds=effort.rounds, seconds=effort.seconds)
                if row.ratio.median > GRAPH_LIMIT:
                    again = max(2 * len(row.ratio.rounds), SECOND_LOOK)
                    row = compare(graph.name, contest, rounds=again, seconds=effort.seconds)
                rows.append(row)
                shown.advance(step)
    return rows


def _smallest(graphs: Iterable[BenchGraph]) -> Iterable[BenchGraph]:
    """The first of each family in the bench's order, without and with a saver."""
    seen = set()
    for graph in graphs:
        if graph.family not in seen:
            seen.add(graph.family)
            yield graph


def wide_rows(effort: Effort, run: RunOnLoop) -> list[Row]:
    """Compare fan-outs of tasks that do nothing, at each of `WIDTHS`.

    Args:
        effort: How many rounds each width gets.
        run: Runs coroutines.
    """
    rows = []
    with progress() as shown:
        step = shown.add_task("wide fan-out", total=2 * len(WIDTHS))
        for width, rounds in zip(WIDTHS, effort.wide_rounds, strict=True):
            for engine in ("async", "sync"):
                shown.update(step, description=f"fan-out of {width}, {engine}", refresh=True)
                contest = FanOutContest(run if engine == "async" else None)
                assert contest.plain(100) == contest.wrapped(100)
                samples = interleaved(
                    {
                        "plain": partial(contest.plain, width),
                        "wrapped": partial(contest.wrapped, width),
                    },
                    rounds=rounds,
                    warm_up=0,
                )
                times = samples["plain"], samples["wrapped"]
                between = ratio(times[1], times[0])
                rows.append(Row("fan-out", engine, width, *times, between, contest.wrapping))
                shown.advance(step)
    return rows


IMPORTS = """
import gc, json, time
start = time.perf_counter()
import langgraph.graph
between = time.perf_counter() - start
gc.collect()
start = time.perf_counter()
import langgraph_alto
print(json.dumps([between, time.perf_counter() - start]))
"""
"""LangGraph's import leaves the next full garbage collection all but due: some 45 ms for all
that *it* has made, which whatever is imported next would seem to cost. So it is paid before."""


def import_times(processes: int) -> tuple[Sample, Sample]:
    """Import in fresh processes.

    Args:
        processes: How many.

    Returns:
        The time of `import langgraph.graph`, and what `import langgraph_alto`
        adds to it in the same process.
    """
    times = []
    # What is measured is the import, not the compilation of a package just checked out.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    for _ in range(processes + 1):
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        times.append(json.loads(done.stdout))
    base, added = zip(*times[1:], strict=True)  # the first one fills the file cache
    return Sample(base), Sample(added)


def bars(bench: list[Row], wide_: list[Row], imports: tuple[Sample, Sample]) -> list[Bar]:
    """Set the results against their limits.

    Args:
        bench: Rows of LangGraph's bench, possibly none.
        wide_: Rows of the wide fan-out, possibly none.
        imports: What `import_times` returned.
    """
    made = []
    if bench:
        worst = max(bench, key=lambda row: row.ratio.median)
        mean = geometric_mean([row.ratio for row in bench])
        made += [
            Bar("bench graphs: geometric mean of the ratios", mean.median, MEAN_LIMIT),
            Bar(f"worst ratio: {worst.graph}, {worst.engine}", worst.ratio.median, GRAPH_LIMIT),
        ]
    for engine in ("async", "sync"):
        costs = {row.tasks: row for row in wide_ if row.engine == engine}
        if not costs:
            continue
        narrow, broad = (costs[width] for width in WIDTHS)
        growth = broad.wrapped.median / broad.tasks / (narrow.wrapped.median / narrow.tasks)
        made += [
            Bar(f"fan-out of {broad.tasks}, {engine}: ratio", broad.ratio.median, WIDE_LIMIT),
            Bar(f"its cost per task to that at {narrow.tasks}, {engine}", growth, GROWTH_LIMIT),
        ]
    made.append(Bar("import langgraph_alto: ms added", 1e3 * imports[1].median, IMPORT_LIMIT))
    return made


def show(bench: list[Row], wide_: list[Row], imports: tuple[Sample, Sample]) -> None:
    """Print the tables; times are median (shortest-longest)."""
    if bench:
        made = table(
            "Graphs of LangGraph's bench, ms for one run: median (shortest-longest); to wrap, once",
            *("graph", "engine", "LangGraph", "Alto", "Alto / LangGraph [95 %]", "rounds", "wrap"),
        )
        for row in bench:
            cells = [row.graph, row.engine, milliseconds(row.plain), milliseconds(row.wrapped)]
            cells += [interval(row.ratio, GRAPH_LIMIT), str(len(row.ratio.rounds))]
            made.add_row(*cells, f"{1e3 * row.wrapping:.1f}")
        made.add_section()
        mean = geometric_mean([row.ratio for row in bench])
        made.add_row("geometric mean", "", "", "", interval(mean, MEAN_LIMIT))
        console.print(made)
    if wide_:
        made = table(
            "Fan-out of tasks that do nothing, ms for one run and µs for one task",
            *("tasks", "engine", "LangGraph", "Alto", "µs", "µs", "Alto / LangGraph [95 %]"),
        )
        for row in wide_:
            cells = [f"{row.tasks:,}", row.engine, milliseconds(row.plain)]
            cells += [milliseconds(row.wrapped)]
            cells += [f"{1e6 * one.median / row.tasks:.0f}" for one in (row.plain, row.wrapped)]
            made.add_row(*cells, interval(row.ratio))
        console.print(made)
    base, added = imports
    console.print(
        f"import langgraph.graph {milliseconds(base)} ms; import langgraph_alto adds "
        f"{milliseconds(added)} ms ({len(added.seconds)} fresh processes)"
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether a bar was missed.

    Args:
        arguments: Command line arguments; those of the process by default.

    Returns:
        1 if `--assert` was given and a bar was missed, else 0.
    """
    parser = command("overhead", __doc__, rounds="rounds for each graph")
    parser.add_argument("--only", default="", metavar="NAME", help="graphs with NAME in the name")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    asked = parser.parse_args(arguments)
    effort = QUICK if asked.quick else FULL
    if asked.runs:
        effort = replace(effort, rounds=asked.runs, wide_rounds=(asked.runs,) * len(WIDTHS))
    # The bench asks for durability="exit" without a saver too; LangGraph says so each time.
    warnings.filterwarnings("ignore", message="`durability` has no effect")

    where = machine()
    with event_loop() as run:
        bench = bench_rows(effort, asked.only, run)
        wide_ = wide_rows(effort, run) if asked.only in "fan-out" else []
    imports = import_times(effort.imports)
    limits = bars(bench, wide_, imports)
    show(bench, wide_, imports)
    show_bars(limits)
    console.print(f"{where}\nno model server; plain and wrapped in turn in one process")
    return ended(asked, where, limits, bench=bench, wide=wide_, imports=imports)


if __name__ == "__main__":
    sys.exit(main())
