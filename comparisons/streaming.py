"""What streaming between nodes gains: claims that are written, tools that are called.

    python -m comparisons.streaming [--runs N] [--json FILE] [--assert] [--llm URL --model NAME]

Claims: a model writes twelve claims, and each is verified by a model, four at a time.
LangGraph as one writes it today is the tuned form already: async, and a packet for each
claim. It is compared with itself wrapped, with and without the stream declared, and with
asyncio by hand. Without a limit nothing would be gained: the last claim is written last.

Tools: a message of three seconds calls three tools of one second at its beginning.

The model server of the claims is a simulated one with continuous batching (its timing
and their sources are in ``examples/simulated_llm/profile.py``), or vLLM's, with ``--llm``.
The model of the tools is scripted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage

from comparisons import _claims, _served, _tools
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
from examples.simulated_llm import LLAMA_3_1_8B_H100
from langgraph_alto import Stream, wrap

TUNED_BAR, BY_HAND_BAR, TOOLS_BAR = 0.70, 1.05, 0.755
"""The most that Alto may take: of LangGraph and asyncio for the claims, of LangGraph for the
tools (0.75, to two digits: a message of 3 s and tools of 1 s leave no more to be gained)."""

LANGGRAPH, PROVEN, STREAMED, BY_HAND = "LangGraph", "Alto", "Alto, streams", "asyncio by hand"
FORMS = LANGGRAPH, PROVEN, STREAMED, BY_HAND


@dataclass(frozen=True, slots=True)
class Row:
    """The times of one application.

    Args:
        name: The application.
        times: Seconds of a run, by form.
    """

    name: str
    times: dict[str, Sample]


def claims(
    llm: BaseChatModel, run: RunOnLoop, question: str = "What is to be checked?"
) -> dict[str, Callable[[], Any]]:
    """The forms of the claims application, each ready to run once and return its report."""
    graph = _claims.application()

    def form(graph: Any) -> Callable[[], Any]:
        given = {"question": question, "found": []}

        def once() -> Any:
            context = _claims.Context(llm, asyncio.Semaphore(_claims.PLACES))
            return run(graph.ainvoke(given, context=context))["report"]

        return once

    return {
        LANGGRAPH: form(graph),
        PROVEN: form(wrap(graph)),
        STREAMED: form(wrap(graph, streams={"draft": Stream("claims", by="line")})),
        BY_HAND: lambda: run(_claims.by_hand(llm, question)),
    }


def tools(run: RunOnLoop) -> dict[str, Callable[[], Any]]:
    """The forms of the agent, each ready to run once and return what its tools found."""
    graph = _tools.agent()

    def form(graph: Any) -> Callable[[], Any]:
        def once() -> Any:
            state = run(graph.ainvoke({"messages": [HumanMessage("go")]}))
            return [m.content for m in state["messages"] if m.type == "tool"]

        return once

    streams = {"agent": Stream("messages", tools={"look_up"})}
    return {
        LANGGRAPH: form(graph),
        PROVEN: form(wrap(graph)),
        STREAMED: form(wrap(graph, streams=streams)),
        BY_HAND: lambda: run(_tools.by_hand(_tools.ScriptedModel())),
    }


def measure(name: str, forms: dict[str, Callable[[], Any]], rounds: int) -> Row:
    """Check that the forms agree, then time them in turn.

    Raises:
        AssertionError: If two forms disagree.
    """
    results = {form: once() for form, once in forms.items()}
    for form, result in results.items():
        assert result == results[LANGGRAPH], f"{name}: {form} gives something else"
    return Row(name, interleaved(forms, rounds=rounds, warm_up=0))


def bars(rows: Sequence[Row]) -> list[Bar]:
    """What streaming takes, of LangGraph and of asyncio: medians of the ratios."""

    def of(row: Row, other: str) -> float:
        return ratio(row.times[STREAMED], row.times[other]).median

    made, agent = rows
    return [
        Bar("claims: Alto with streams / LangGraph", of(made, LANGGRAPH), TUNED_BAR),
        Bar("claims: Alto with streams / asyncio by hand", of(made, BY_HAND), BY_HAND_BAR),
        Bar("tools: Alto with streams / LangGraph", of(agent, LANGGRAPH), TOOLS_BAR),
    ]


def show(rows: Sequence[Row]) -> None:
    """Print the table; times are median (shortest-longest)."""
    for row in rows:
        made = table(f"{row.name}, ms: median (shortest-longest)", "form", "time", "of LangGraph")
        for form in FORMS:
            share = interval(ratio(row.times[form], row.times[LANGGRAPH]))
            made.add_row(form, milliseconds(row.times[form]), "" if form == LANGGRAPH else share)
        console.print(made)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether a bar was missed.

    Args:
        arguments: Command line arguments; those of the process by default.

    Returns:
        1 if `--assert` was given and a bar was missed, else 0.
    """
    parser = command("streaming", __doc__, rounds="rounds", runs=5)
    parser.add_argument("--llm", metavar="URL", help="a vLLM server's address, up to /v1")
    parser.add_argument("--model", default="", metavar="NAME", help="the model's name there")
    asked = parser.parse_args(arguments)

    where = machine()
    rows = []
    with event_loop() as run, progress() as shown:
        if asked.llm:
            answers = _served.served(asked.llm, asked.model)
            written = claims(answers, run, _served.QUESTION)
        else:
            answers, written = None, claims(_claims.simulated(), run)
        step = shown.add_task("streaming", total=2)
        for name, forms in (("Twelve claims", written), ("Three tools", tools(run))):
            shown.update(step, description=name, refresh=True)
            rows.append(measure(name, forms, asked.runs))
            shown.advance(step)
    limits = bars(rows)
    show(rows)
    show_bars(limits)
    source = f"{asked.model} at {asked.llm}" if asked.llm else f"simulated {LLAMA_3_1_8B_H100.name}"
    console.print(f"Claims: {source}, {_claims.PLACES} verified at once. Tools: a scripted model.")
    if answers is not None:
        again, other = answers.asked_again, answers.answered_differently
        console.print(f"{again} prompts were asked again; {other} times the text was another.")
    console.print(f"{where}\n{asked.runs} rounds, forms in turn in one process")
    return ended(asked, where, limits, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
