"""How close each engine comes to the soonest possible end, shape by shape.

    python -m comparisons.shapes [--runs N] [--only NAME] [--quick] [--json FILE] [--assert]

Each shape is run as LangGraph runs it, in the tuned form its maintainers advise,
on Alto, and as hand-written asyncio; and on the thread engine as well. What they
wait for is drawn, so the dependency bound is known without running anything. The
forms must agree on their answers, and the wrapped graph with the plain one on the
whole final state, before a time counts. No model server is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel

from comparisons._bound import bound, supersteps
from comparisons._catalogue import SHAPES, Shape
from comparisons._command import command, ended
from comparisons._show import console, interval, milliseconds, progress, show_bars, table
from comparisons.measure import (
    Bar,
    RunOnLoop,
    Sample,
    event_loop,
    interleaved,
    machine,
    ratio,
)
from langgraph_alto import wrap

SLOPE, OFFSET = 1.05, 0.010
"""A run may take `SLOPE` times the dependency bound and `OFFSET` seconds."""

THREADS: RunnableConfig = {"max_concurrency": 64}
"""For the thread engine, whose pool would otherwise be what limits it."""

LANGGRAPH, TUNED, ALTO, BY_HAND = "LangGraph", "LangGraph tuned", "Alto", "asyncio by hand"
LANGGRAPH_SYNC, ALTO_SYNC = "LangGraph, threads", "Alto, threads"


@dataclass(frozen=True, slots=True)
class Row:
    """The times of one shape.

    Args:
        shape: Its name.
        bound: The dependency bound in seconds.
        supersteps: The floor of a schedule with barriers in seconds.
        tuned: Why there is no tuned form; empty if there is.
        samples: Seconds by form, all of the same rounds.
    """

    shape: str
    bound: float
    supersteps: float
    tuned: str
    samples: dict[str, Sample]


def contenders(shape: Shape, run: RunOnLoop) -> dict[str, Callable[[], Any]]:
    """The forms of a shape, each ready to run once and return its final state.

    Args:
        shape: What to run.
        run: Runs coroutines.
    """
    graph, threaded = shape.build(), shape.build_sync()
    fast, fast_threaded = wrap(graph), wrap(threaded)
    forms: dict[str, Callable[[], Any]] = {
        LANGGRAPH: lambda: run(graph.ainvoke(shape.given)),
        ALTO: lambda: run(fast.ainvoke(shape.given)),
        BY_HAND: lambda: run(_hand(shape)),
        LANGGRAPH_SYNC: lambda: threaded.invoke(shape.given, THREADS),
        ALTO_SYNC: lambda: fast_threaded.invoke(shape.given, THREADS),
    }
    if not isinstance(shape.tuned, str):
        tuned = shape.tuned()
        forms[TUNED] = lambda: run(tuned.ainvoke(shape.given))
    return forms


async def _hand(shape: Shape) -> dict[str, Any]:
    return await shape.by_hand(shape.given)


def disagreements(shape: Shape, forms: dict[str, Callable[[], Any]]) -> list[str]:
    """Run each form once and compare what it returns with plain LangGraph.

    Args:
        shape: The shape of the forms.
        forms: What `contenders` returned.

    Returns:
        One line for each form that gives something else.
    """
    expected = _plain(forms[LANGGRAPH]())
    found = []
    for name, form in forms.items():
        if name == LANGGRAPH:
            continue
        got = _plain(form())
        if name not in (TUNED, BY_HAND):
            same = got == expected
        else:
            # The order of parallel updates is LangGraph's own; other forms may have another.
            same = all(_unordered(got[key]) == _unordered(expected[key]) for key in shape.answer)
        if not same:
            found.append(f"{shape.name}: {name} gives {got}, {LANGGRAPH} {expected}")
    return found


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """Models as dicts: the graph for threads has classes of its own."""
    return {
        key: value.model_dump() if isinstance(value, BaseModel) else value
        for key, value in state.items()
    }


def _unordered(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def measure(shape: Shape, run: RunOnLoop, rounds: int) -> Row:
    """Check that the forms of a shape agree, then time them in turn.

    A shape above its bar is measured again with twice the rounds, and that second
    measurement is the one that counts.

    Args:
        shape: What to measure.
        run: Runs coroutines.
        rounds: How often to time each form.

    Raises:
        AssertionError: If two forms disagree.
    """
    forms = contenders(shape, run)
    wrong = disagreements(shape, forms)
    assert not wrong, "\n".join(wrong)
    why = shape.tuned if isinstance(shape.tuned, str) else ""
    floors = bound(shape.works), supersteps(shape.works)
    row = Row(shape.name, *floors, why, interleaved(forms, rounds=rounds, warm_up=0))
    if bar(row).met:
        return row
    return replace(row, samples=interleaved(forms, rounds=2 * rounds, warm_up=0))


def bar(row: Row) -> Bar:
    """How far Alto is above the dependency bound, against what is allowed."""
    return Bar(
        f"{row.shape}: ms, bound {1e3 * row.bound:.0f}",
        1e3 * row.samples[ALTO].median,
        1e3 * (SLOPE * row.bound + OFFSET),
    )


def show(rows: Sequence[Row]) -> None:
    """Print the tables; times are median (shortest-longest)."""
    made = table(
        "Async, ms for one run: median (shortest-longest)",
        *("shape", "bound", "supersteps", LANGGRAPH, TUNED, ALTO, BY_HAND),
    )
    ratios = table(
        "Ratios of medians, async; and the thread engine, ms for one run",
        *("shape", "Alto / bound", "Alto / LangGraph [95 %]", "Alto / tuned"),
        *(LANGGRAPH_SYNC, ALTO_SYNC, "Alto / bound"),
    )
    for row in rows:
        floors = [f"{1e3 * one:.0f}" for one in (row.bound, row.supersteps)]
        times = [
            milliseconds(row.samples[name]) if name in row.samples else "-"
            for name in (LANGGRAPH, TUNED, ALTO, BY_HAND, LANGGRAPH_SYNC, ALTO_SYNC)
        ]
        made.add_row(row.shape, *floors, *times[:4])
        alto, plain = row.samples[ALTO], row.samples[LANGGRAPH]
        tuned = row.samples.get(TUNED)
        ratios.add_row(
            row.shape,
            f"{alto.median / row.bound:.3f}",
            interval(ratio(alto, plain)),
            f"{ratio(alto, tuned).median:.3f}" if tuned else "-",
            *times[4:],
            f"{row.samples[ALTO_SYNC].median / row.bound:.3f}",
        )
    console.print(made)
    console.print(ratios)
    _show_no_gain(rows)


def _show_no_gain(rows: Sequence[Row]) -> None:
    """Name the shapes in which wrapping, or tuning by hand as well, is not worth it."""
    for other, why in ((LANGGRAPH, "nothing over LangGraph"), (TUNED, "nothing over tuning")):
        names = [
            row.shape
            for row in rows
            if other in row.samples and ratio(row.samples[ALTO], row.samples[other]).high > 0.98
        ]
        console.print(f"Alto gains {why}: {', '.join(names) or 'in none of these'}")
    untuned = [f"{row.shape} ({row.tuned})" for row in rows if row.tuned]
    if untuned:
        console.print(f"No tuned form: {'; '.join(untuned)}")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether a bar was missed.

    Args:
        arguments: Command line arguments; those of the process by default.

    Returns:
        1 if `--assert` was given and a bar was missed, else 0.
    """
    parser = command("shapes", __doc__, rounds="rounds for each shape")
    parser.add_argument("--only", default="", metavar="NAME", help="shapes with NAME in the name")
    parser.add_argument("--quick", action="store_true", help="two rounds for each shape")
    asked = parser.parse_args(arguments)
    rounds = asked.runs or (2 if asked.quick else 6)

    where = machine()
    shapes = [shape for shape in SHAPES if asked.only in shape.name]
    rows = []
    with event_loop() as run, progress() as shown:
        step = shown.add_task("shapes", total=len(shapes))
        for shape in shapes:
            shown.update(step, description=shape.name, refresh=True)
            rows.append(measure(shape, run, rounds))
            shown.advance(step)
    limits = [bar(row) for row in rows]
    show(rows)
    show_bars(limits)
    console.print(f"{where}\nno model server; {rounds} rounds, forms in turn in one process")
    return ended(asked, where, limits, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
