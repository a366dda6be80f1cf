"""``python -m examples.fact_check``: the fact checker on LangGraph, then wrapped."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from examples.fact_check.bound import critical_path
from examples.fact_check.corpus import load_passages
from examples.fact_check.graph import Context, build_graph
from examples.fact_check.retrieval import PassageRetriever
from examples.fact_check.runner import EngineResult, Graph, Run, compare, difference
from examples.fact_check.served_llm import ModelServerError, ServedChatModel, served_model
from examples.fact_check.skills import simulated_model
from examples.fact_check.timeline import draw
from examples.simulated_llm import SimulatedChatModel
from langgraph_alto import wrap

QUESTION = 'How does a generator function behave when "yield" is called?'

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    question: Annotated[
        str, typer.Option(help="What to ask about the Python language.")
    ] = QUESTION,
    llm: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Base address of an OpenAI-compatible server, as http://127.0.0.1:8000/v1. "
            "Without it, a simulated server answers.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model's name on that server, if it serves several."),
    ] = None,
    api_key: Annotated[
        str, typer.Option(envvar="OPENAI_API_KEY", help="The key to show that server.")
    ] = "none",
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each engine.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the model, simulated or not.")] = 0,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="At most this many tasks at a time, on both engines.")
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            min=0.01, max=100, help="Simulated seconds per real second; 1 is as on the named GPU."
        ),
    ] = 1.0,
) -> None:
    """Answer a question about Python, checking every claim, with and without Alto.

    The same LangGraph application runs on LangGraph, then as wrap(graph). Both
    answers, both times, the dependency bound and a timeline of each are printed.
    Exits with 1 if the two final states differ, with 2 if a model server cannot
    be used.
    """
    console = Console(width=None if Console().is_terminal else 100, highlight=False)
    try:
        chosen = (
            simulated_model(seed=seed, speed=speed)
            if llm is None
            else served_model(llm, model, seed=seed, api_key=api_key)
        )
    except ModelServerError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]Error:[/] {error}")
        raise typer.Exit(2) from None
    retriever = PassageRetriever(load_passages())
    console.print(Text.assemble(("Question  ", "bold"), question))
    console.print(Text.assemble(("Model     ", "bold"), _describe(chosen)))
    console.print(
        Text.assemble(
            ("Corpus    ", "bold"),
            f"{len(load_passages())} passages of the Python language reference, in Qdrant's "
            "embedded mode",
        ),
        soft_wrap=True,
    )
    console.print()

    plain = build_graph().compile()
    engines: list[tuple[str, Graph]] = [("LangGraph", plain), ("Alto", wrap(plain))]
    context = Context(llm=chosen, retriever=retriever)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), console=console, transient=True
    ) as progress:
        bar = progress.add_task("running", total=2 * (runs + 1))

        def on_run(run: Run, number: int) -> None:
            progress.advance(bar)
            label = f"run {number}  " if number else "warm-up"
            progress.console.print(f"{label} {run.engine:<10}{run.seconds:6.2f} s", style="dim")

        results = asyncio.run(
            compare(engines, question, context, runs=runs, concurrency=concurrency, on_run=on_run)
        )
    _report(console, results)
    if isinstance(chosen, ServedChatModel) and chosen.answered_differently:
        console.print(
            f"\nThe server answered {chosen.answered_differently} of {chosen.asked_again} prompts "
            "differently when asked again; its first answer was used each time.",
            soft_wrap=True,
        )
    differs = difference([run for result in results for run in result.runs])
    if differs is not None:
        console.print(f"\n[bold red]The runs differ.[/] {differs}", soft_wrap=True)
        raise typer.Exit(1)
    console.print(
        f"\n[bold green]Equal:[/] the answer and the rest of the final state "
        f"({', '.join(results[0].typical.state)}) in all {2 * runs} runs.",
        soft_wrap=True,
    )


def _describe(model: SimulatedChatModel | ServedChatModel) -> str:
    if isinstance(model, ServedChatModel):
        return f"{model.model} at {model.url}"
    server = model.server
    pace = "" if server.speed == 1 else f", {server.speed:g} times as fast"
    return f"simulated: the timing of {server.profile.name}{pace}; no language model"


def _report(console: Console, results: list[EngineResult]) -> None:
    for result in results:
        answer = result.typical.state.get("answer", "(no answer)")
        console.print(f"\n[bold]Answer on {result.engine}[/]")
        console.print(Padding(Text(answer), (0, 0, 0, 2), expand=False))

    seconds = max(run.seconds for result in results for run in [result.typical])
    for result in results:
        run = result.typical
        console.print(f"\n[bold]{result.engine}[/]  {run.seconds:.2f} s")
        console.print(draw(run.spans, seconds=seconds, width=console.width))
    console.print(
        "dots: a task has all that it needs, and waits for others all the same", style="dim"
    )

    table = Table(title="\nMedian of the timed runs", title_justify="left")
    table.add_column("")
    for heading in ("time", "dependency bound", "time / bound", "node runs"):
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(
            result.engine,
            f"{result.median_s:.2f} s",
            f"{result.bound_s:.2f} s",
            f"{result.median_s / result.bound_s:.2f}",
            str(result.typical.node_runs),
        )
    console.print(table)
    plain, fast = results
    path = " → ".join(
        task.node + (f" {task.claim}" if task.claim else "")
        for task in critical_path(fast.typical.spans)
    )
    console.print(f"Alto takes {fast.median_s / plain.median_s:.0%} of LangGraph's time.")
    console.print(f"Its dependency bound is the chain {path}.", soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m examples.fact_check")
