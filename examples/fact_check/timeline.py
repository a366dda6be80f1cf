"""A run drawn in the terminal: a line for each chain of tasks, a bar for each task."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from examples.fact_check.bound import needs
from examples.fact_check.recorder import Span, TaskKey

_COLOURS = {
    "find": "cyan",
    "define_terms": "yellow",
    "draft": "blue",
    "split": "magenta",
    "plan": "bright_cyan",
    "search": "white",
    "read": "green",
    "judge": "bright_yellow",
    "rephrase": "bright_red",
    "join": "white",
    "answer": "bright_blue",
}
_LABEL = 11
_WAIT = "·"
_FILL = "━"


def draw(spans: Mapping[TaskKey, Span], *, seconds: float, width: int) -> Text:
    """The timeline of one run.

    A bar carries as much of its node's name as fits. Dots are time in which a
    task had all that it needs, and did not run.

    Args:
        spans: When each task ran.
        seconds: What the full width stands for; the same for two charts makes
            them comparable.
        width: Columns to use.
    """
    columns = max(20, width - _LABEL)
    scale = columns / max(seconds, 1e-9)
    chart = Text(no_wrap=True, overflow="crop")
    for label, tasks in _lanes(spans):
        chart.append(f"{label:<{_LABEL}}", style="bold")
        column = 0
        for task in tasks:
            span = spans[task]
            start = max(column, int(span.start * scale))
            end = max(start + 1, round(span.end * scale))
            ready = max((spans[t].end for t in needs(task, spans) if t in spans), default=0.0)
            waits = min(start, max(column, round(ready * scale)))
            chart.append(" " * (waits - column) + _WAIT * (start - waits), style="dim")
            bar = task.node[: end - start].ljust(end - start, _FILL)
            chart.append(bar, style=f"black on {_COLOURS.get(task.node, 'white')}")
            column = end
        chart.append("\n")
    chart.append(_axis(seconds, columns), style="dim")
    return chart


def _lanes(spans: Mapping[TaskKey, Span]) -> list[tuple[str, list[TaskKey]]]:
    """Tasks that follow each other share a line; a claim's plan goes with its first query."""
    lanes: dict[tuple[int, int], list[TaskKey]] = {(0, 0): []}
    for task in sorted(spans, key=lambda task: spans[task].start):
        if task.node == "define_terms":
            lane = (0, 1)
        elif task.claim:
            lane = (task.claim, max(1, task.query))
        else:
            lane = (0, 0)
        lanes.setdefault(lane, []).append(task)
    names = {(0, 0): "question", (0, 1): "terms"}
    return [(names.get(lane, f"claim {lane[0]}.{lane[1]}"), lanes[lane]) for lane in sorted(lanes)]


def _axis(seconds: float, columns: int) -> str:
    """Times below the chart, far enough apart to be read."""
    steps = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    step = next((s for s in steps if seconds / s <= columns / 8), seconds)
    line = [" "] * (columns + 8)
    tick = 0
    while tick * step <= seconds:
        column = int(tick * step / seconds * columns)
        text = f"{tick * step:g} s"
        line[column : column + len(text)] = text
        tick += 1
    return " " * _LABEL + "".join(line)[:columns].rstrip()
