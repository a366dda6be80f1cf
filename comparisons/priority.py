"""When groups are complete on a full server: served as they come, or by ancestry.

    python -m comparisons.priority --llm URL --model NAME [--runs N]

Twenty-four documents have six claims each; about each claim a model is asked twice, one after
the other. The server (vLLM, started with ``--scheduling-policy priority``) holds fewer
requests than that, so most wait. Served as they come, all first questions are answered
before any second one, and all documents end last::

    START ══► claims ══► ask ─► ask again
          document   claim

The graph is wrapped in both forms; each text has a length of its own, the same in both.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from typing import Any, Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from comparisons._show import console, progress, table
from comparisons.measure import RunOnLoop, event_loop, machine
from langgraph_alto import wrap
from langgraph_alto_vllm import ChatVLLM

DOCUMENTS, CLAIMS = 24, 6
TOKENS = 8, 40
"""The shortest answer and the longest."""

FORMS = {"as they come": False, "by ancestry": True}


class State(TypedDict, total=False):
    """The state of the application: nothing, for all is in the packets."""

    done: bool


class Packet(TypedDict):
    """What the tasks are sent."""

    document: int
    claim: int


def application(model: ChatVLLM, ends: dict[int, float]) -> Any:
    """The application, which notes when the last claim of each document ended."""

    async def question(packet: Packet, text: str) -> None:
        prompt = f"{text} {packet['claim']} of document {packet['document']}"
        length = random.Random(prompt).randint(*TOKENS)
        await model.ainvoke(prompt, max_tokens=length)

    def claims(packet: Packet) -> Command[Literal["ask"]]:
        return Command(goto=[Send("ask", {**packet, "claim": n}) for n in range(CLAIMS)])

    async def ask(packet: Packet) -> Command[Literal["ask_again"]]:
        await question(packet, "What is said in claim")
        return Command(goto=Send("ask_again", packet))

    async def ask_again(packet: Packet) -> Any:
        await question(packet, "Is it right what is said in claim")
        ends[packet["document"]] = time.perf_counter()

    builder: Any = StateGraph(State)
    builder.add_node("claims", claims)
    builder.add_node("ask", ask)
    builder.add_node("ask_again", ask_again)
    builder.add_conditional_edges(
        START, lambda _: [Send("claims", {"document": n}) for n in range(DOCUMENTS)], ["claims"]
    )
    return wrap(builder.compile())


def once(run: RunOnLoop, model: ChatVLLM) -> tuple[float, float]:
    """Seconds until a document is complete, on average, and until all are."""
    ends: dict[int, float] = {}
    graph = application(model, ends)
    start = time.perf_counter()
    run(graph.ainvoke({}, {"configurable": {"thread_id": f"run {start}"}}))
    assert len(ends) == DOCUMENTS
    return statistics.fmean(ends.values()) - start, max(ends.values()) - start


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="comparisons.priority", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--llm", metavar="URL", required=True, help="its address, up to /v1")
    parser.add_argument("--model", metavar="NAME", required=True, help="the model's name there")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="rounds")
    asked = parser.parse_args(arguments)

    times: dict[str, list[tuple[float, float]]] = {form: [] for form in FORMS}
    with event_loop() as run, progress() as shown:
        step = shown.add_task("priority", total=asked.runs * len(FORMS))
        for _ in range(asked.runs):
            for form, priority in FORMS.items():
                fixed = {"ignore_eos": True}
                model = ChatVLLM(
                    base_url=asked.llm,
                    model=asked.model,
                    temperature=0.0,
                    timeout=600,
                    priority=priority,
                    extra_body=fixed,
                )
                times[form].append(once(run, model))
                shown.advance(step)
    made = table("seconds: median (shortest-longest)", "served", "a document complete", "all")
    for form, found in times.items():
        columns = [sorted(one) for one in zip(*found, strict=True)]
        made.add_row(
            form, *(f"{statistics.median(c):.1f} ({c[0]:.1f}-{c[-1]:.1f})" for c in columns)
        )
    console.print(made)
    console.print(f"{asked.model} at {asked.llm}; {DOCUMENTS * CLAIMS} claims, {machine()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
