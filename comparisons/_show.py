"""Tables, bars and progress on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from comparisons.measure import Bar, Ratio, Sample

console = Console()


def progress() -> Progress:
    """A progress bar that leaves nothing behind when it is done.

    It is drawn only when told to: a thread that redraws would take its share of
    what is being timed.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        auto_refresh=False,
    )


def table(title: str, *columns: str) -> Table:
    """An empty table: its first column is text, the others are figures."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", no_wrap=True)
    return made


def milliseconds(sample: Sample) -> str:
    """Median, and shortest and longest time, in milliseconds."""
    low, middle, high = (1e3 * one for one in (sample.low, sample.median, sample.high))
    digits = 0 if middle >= 100 else 1
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def interval(ratio: Ratio, limit: float | None = None) -> str:
    """Median and interval of a ratio, in red where the median passes `limit`."""
    text = f"{ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]".replace("[", r"\[")
    return f"[red]{text}[/red]" if limit is not None and ratio.median > limit else text


def show_bars(bars: Sequence[Bar]) -> None:
    """Print the bars, the missed ones in red."""
    made = table("Bars", "what", "measured", "at most", "")
    for bar in bars:
        verdict = "[green]met[/green]" if bar.met else "[red]missed[/red]"
        made.add_row(bar.name, f"{bar.value:.3f}", f"{bar.limit:.3f}", verdict)
    console.print(made)
