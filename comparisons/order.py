"""In which order a few places are given out, and when the first answer is there.

    python -m comparisons.order [--runs N] [--json FILE] [--assert]

Sixteen documents of eight sentences go through an application that may run four
tasks at once. Alto gives a place to the current superstep first, then to what has
come furthest, the oldest first of that. It is compared with itself where whoever
comes first is served first, and with LangGraph. The order cannot change how much
there is to do, so the whole run must take as long; what changes is how soon the
first document has all of its sentences through all stages. No model server is used.

What is gained needs a superstep that lasts: here one document loads slowly, or one
loads at a time, while the others go on. Where all load alike, nothing is: once the
checks are the current superstep, all of them go before the first rating.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from comparisons._command import command, ended
from comparisons._documents import DOCUMENTS, LOADINGS, SLOTS, Clock, Loading, build
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
from langgraph_alto.engine.ahead import Ahead
from langgraph_alto.engine.line import FIRST

FIRST_BAR, TOTAL_BAR = 0.5, 1.03
"""The most that the first document and the whole run may take of what they take first-come."""

BARRED = LOADINGS[0]
"""The loading that the bars are for."""

LANGGRAPH, FIRST_COME, ALTO = "LangGraph", "Alto, first come", "Alto"
FORMS = LANGGRAPH, FIRST_COME, ALTO


@dataclass(frozen=True, slots=True)
class Row:
    """The times of one loading.

    Args:
        loading: Its name.
        first: Seconds until the first document was complete, by form.
        total: Seconds of the whole run, by form; of the same rounds.
    """

    loading: str
    first: dict[str, Sample]
    total: dict[str, Sample]


def first_come() -> AbstractContextManager[Any]:
    """Serve whoever comes first, of the current superstep or ahead of it."""
    return patch.object(Ahead, "priority", lambda self, run: FIRST)


def contenders(loading: Loading, clock: Clock, run: RunOnLoop) -> dict[str, Callable[[], Any]]:
    """The forms of the application, each ready to run once and return its final state.

    Args:
        loading: How its documents are loaded.
        clock: Begun by each run.
        run: Runs coroutines.
    """
    graph = build(loading, clock)
    fast = wrap(graph, limits=loading.limits)
    # LangGraph has no limits of nodes; its schedule can be had with them.
    plain = wrap(graph, policy="off", limits=loading.limits) if loading.limits else graph

    def form(graph: Any, order: Callable[[], AbstractContextManager[Any]]) -> Callable[[], Any]:
        given = {"documents": list(range(DOCUMENTS)), "collected": []}

        def once() -> Any:
            with order():
                clock.begin()
                return run(graph.ainvoke(given, {"max_concurrency": SLOTS}))

        return once

    return {
        LANGGRAPH: form(plain, nullcontext),
        FIRST_COME: form(fast, first_come),
        ALTO: form(fast, nullcontext),
    }


def measure(loading: Loading, run: RunOnLoop, rounds: int) -> Row:
    """Check that the forms agree, then time them in turn.

    Args:
        loading: How the documents are loaded.
        run: Runs coroutines.
        rounds: How often to time each form.

    Raises:
        AssertionError: If two forms disagree.
    """
    clock = Clock()
    forms = contenders(loading, clock, run)
    results = {name: form() for name, form in forms.items()}
    for name, result in results.items():
        assert result == results[LANGGRAPH], f"{loading.name}: {name} gives {result}"
    firsts: dict[str, list[float]] = {name: [] for name in forms}

    def noted(name: str, form: Callable[[], Any]) -> Callable[[], Any]:
        def once() -> None:
            form()
            firsts[name].append(clock.first)

        return once

    total = interleaved(
        {name: noted(name, form) for name, form in forms.items()}, rounds=rounds, warm_up=0
    )
    return Row(loading.name, {name: Sample(tuple(of)) for name, of in firsts.items()}, total)


def bars(row: Row) -> list[Bar]:
    """How soon, against first come, and at what price: medians of the ratios."""
    return [
        Bar(
            "first document / first come",
            ratio(row.first[ALTO], row.first[FIRST_COME]).median,
            FIRST_BAR,
        ),
        Bar(
            "whole run / first come",
            ratio(row.total[ALTO], row.total[FIRST_COME]).median,
            TOTAL_BAR,
        ),
    ]


def show(rows: Sequence[Row]) -> None:
    """Print the tables; times are median (shortest-longest)."""
    for title, part in (("First document complete", "first"), ("Whole run", "total")):
        made = table(
            f"{title}, ms: median (shortest-longest)",
            *("loading", LANGGRAPH, FIRST_COME, ALTO),
        )
        for row in rows:
            times: dict[str, Sample] = getattr(row, part)
            made.add_row(row.loading, *(milliseconds(times[name]) for name in FORMS))
        console.print(made)
    made = table("Alto / first come: median [95 %]", "loading", "first document", "whole run")
    for row in rows:
        ratios = (ratio(of[ALTO], of[FIRST_COME]) for of in (row.first, row.total))
        made.add_row(row.loading, *(interval(one) for one in ratios))
    console.print(made)
    gains = {row.loading: ratio(row.first[ALTO], row.first[FIRST_COME]).high for row in rows}
    names = [name for name, high in gains.items() if high > 0.9]
    console.print(f"Order gains nothing: {', '.join(names) or 'in none of these'}")
    console.print(f"The bars are for: {BARRED.name}")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether a bar was missed.

    Args:
        arguments: Command line arguments; those of the process by default.

    Returns:
        1 if `--assert` was given and a bar was missed, else 0.
    """
    parser = command("order", __doc__, rounds="rounds for each loading", runs=7)
    asked = parser.parse_args(arguments)

    where = machine()
    rows = []
    with event_loop() as run, progress() as shown:
        step = shown.add_task("order", total=len(LOADINGS))
        for loading in LOADINGS:
            shown.update(step, description=loading.name, refresh=True)
            rows.append(measure(loading, run, asked.runs))
            shown.advance(step)
    limits = [bar for row in rows if row.loading == BARRED.name for bar in bars(row)]
    show(rows)
    show_bars(limits)
    console.print(
        f"{where}\nno model server; {asked.runs} rounds, forms in turn in one process, "
        f"{SLOTS} tasks at once"
    )
    return ended(asked, where, limits, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
