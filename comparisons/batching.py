"""What micro-batching gains: 2,000 texts, one by one and in batches of 64.

    python -m comparisons.batching [--runs N] [--texts N] [--json FILE] [--assert]

A graph fans out over texts and embeds each. The same texts go through it one by
one; through a batcher written by hand with asyncio, which the node awaits; through
one node that is given the whole list and cuts it up itself, as one would write it
for LangGraph with this in mind; through Alto, with the node's function taking a
list; and through asyncio alone, without a graph.

The first embedder is a simulator, named so, with published timing constants; the
second one really computes, with numpy on one core. Both take one call at a time:
a server that puts concurrent calls together itself gains nothing by batches.
"""

from __future__ import annotations

import asyncio
import operator
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: one core

from langgraph.graph import START, StateGraph
from langgraph.types import Send

from comparisons._command import command, ended
from comparisons._embedders import Embedder, NumpyEmbedder, SimulatedEmbedder, Vector, alike
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
from langgraph_alto import batched, wrap

SIZE, WAIT = 64, 0.005
"""The largest batch, and how long a batch may wait for more, in seconds."""

GAIN_BAR, BY_HAND_BAR = 1 / 8, 1.05
"""The most that batches may take of one by one, and of a batcher by hand."""

ONE_BY_ONE, BY_HAND, ONE_NODE = "LangGraph, one by one", "LangGraph, by hand", "LangGraph, one node"
ALTO_ONE, ALTO, BOUND = "Alto, one by one", "Alto, batches", "asyncio, no graph"
FORMS = ONE_BY_ONE, ALTO_ONE, BY_HAND, ONE_NODE, ALTO, BOUND


class State(TypedDict):
    """The state of all graphs here."""

    texts: list[str]
    vectors: Annotated[list[Vector], operator.add]


class Packet(TypedDict):
    """What an ``embed`` task is sent."""

    text: str


class BatcherByHand:
    """What one writes without Alto: a queue that goes when it is full, or after a while."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._waiting: list[tuple[str, asyncio.Future[Vector]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def embed(self, text: str) -> Vector:
        """Embed one text in whatever batch it gets into."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Vector] = loop.create_future()
        self._waiting.append((text, future))
        if len(self._waiting) >= SIZE:
            self._go()
        elif self._timer is None:
            self._timer = loop.call_later(WAIT, self._go)
        return await future

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        task = asyncio.ensure_future(self._call(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _call(self, batch: list[tuple[str, asyncio.Future[Vector]]]) -> None:
        vectors = await self.embedder.embed([text for text, _ in batch])
        for (_, future), vector in zip(batch, vectors, strict=True):
            future.set_result(vector)


@dataclass(frozen=True, slots=True)
class Row:
    """The times of one embedder.

    Args:
        embedder: Its name.
        times: Seconds of a run, by form.
    """

    embedder: str
    times: dict[str, Sample]


def fan_out(node: Any) -> Any:
    """START ═▶ embed, once per text."""
    builder: Any = StateGraph(State)
    builder.add_node("embed", node)

    def sends(state: State) -> list[Send]:
        return [Send("embed", {"text": text}) for text in state["texts"]]

    builder.add_conditional_edges(START, sends, ["embed"])
    return builder.compile()


def chunks(texts: Sequence[str]) -> list[list[str]]:
    """The texts in as few batches as can be."""
    return [list(texts[first : first + SIZE]) for first in range(0, len(texts), SIZE)]


def contenders(
    embedder: Embedder, texts: list[str], run: RunOnLoop
) -> dict[str, Callable[[], list[Vector]]]:
    """The forms of the application, each ready to run once and return its vectors.

    Args:
        embedder: What embeds.
        texts: The texts.
        run: Runs coroutines.
    """

    async def one(packet: Packet) -> Any:
        return {"vectors": await embedder.embed([packet["text"]])}

    batcher = BatcherByHand(embedder)

    async def by_hand(packet: Packet) -> Any:
        return {"vectors": [await batcher.embed(packet["text"])]}

    @batched(SIZE, WAIT)
    async def embed(packets: list[Packet]) -> list[Any]:
        vectors = await embedder.embed([packet["text"] for packet in packets])
        return [{"vectors": [vector]} for vector in vectors]

    async def whole(texts: Sequence[str]) -> list[Vector]:
        parts = await asyncio.gather(*map(embedder.embed, chunks(texts)))
        return [vector for part in parts for vector in part]

    async def one_node(state: State) -> Any:
        return {"vectors": await whole(state["texts"])}

    single: Any = StateGraph(State)
    single.add_node("embed", one_node)
    single.add_edge(START, "embed")

    def form(graph: Any) -> Callable[[], list[Vector]]:
        given = {"texts": texts, "vectors": []}
        return lambda: run(graph.ainvoke(given))["vectors"]

    plain = fan_out(one)
    return {
        ONE_BY_ONE: form(plain),
        ALTO_ONE: form(wrap(plain)),
        BY_HAND: form(fan_out(by_hand)),
        ONE_NODE: form(single.compile()),
        ALTO: form(wrap(fan_out(embed))),
        BOUND: lambda: run(whole(texts)),
    }


def measure(embedder: Embedder, count: int, run: RunOnLoop, rounds: int) -> Row:
    """Check that the forms agree, then time them in turn.

    Args:
        embedder: What embeds.
        count: How many texts.
        run: Runs coroutines.
        rounds: How often to time each form.

    Raises:
        AssertionError: If two forms disagree.
    """
    agreed = contenders(embedder, [f"sentence number {n}" for n in range(3 * SIZE)], run)
    results = {name: form() for name, form in agreed.items()}
    for name, result in results.items():
        assert alike(result, results[BOUND]), f"{embedder.name}: {name} gives other vectors"
    forms = contenders(embedder, [f"sentence number {n}" for n in range(count)], run)
    return Row(embedder.name, interleaved(forms, rounds=rounds, warm_up=0))


def bars(row: Row) -> list[Bar]:
    """What batches take, of one by one and of a batcher by hand: medians of the ratios."""
    return [
        Bar(
            "Alto in batches / LangGraph one by one",
            ratio(row.times[ALTO], row.times[ONE_BY_ONE]).median,
            GAIN_BAR,
        ),
        Bar(
            "Alto in batches / LangGraph with a batcher by hand",
            ratio(row.times[ALTO], row.times[BY_HAND]).median,
            BY_HAND_BAR,
        ),
    ]


def show(rows: Sequence[Row], count: int) -> None:
    """Print the tables; times are median (shortest-longest)."""
    made = table(
        f"{count:,} texts, ms: median (shortest-longest)", "form", *(row.embedder for row in rows)
    )
    for name in FORMS:
        made.add_row(name, *(milliseconds(row.times[name]) for row in rows))
    console.print(made)
    made = table(
        "Times the throughput of LangGraph one by one: median [95 %]",
        "form",
        *(row.embedder for row in rows),
    )
    for name in FORMS[1:]:
        ratios = (ratio(row.times[ONE_BY_ONE], row.times[name]) for row in rows)
        made.add_row(name, *(interval(one) for one in ratios))
    console.print(made)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether a bar was missed.

    Args:
        arguments: Command line arguments; those of the process by default.

    Returns:
        1 if `--assert` was given and a bar was missed, else 0.
    """
    parser = command("batching", __doc__, rounds="rounds per embedder", runs=5)
    parser.add_argument("--texts", type=int, default=2000, metavar="N", help="texts per run")
    asked = parser.parse_args(arguments)

    where = machine()
    embedders: list[Embedder] = [SimulatedEmbedder(), NumpyEmbedder()]
    rows = []
    with event_loop() as run, progress() as shown:
        step = shown.add_task("batching", total=len(embedders))
        for embedder in embedders:
            shown.update(step, description=embedder.name, refresh=True)
            rows.append(measure(embedder, asked.texts, run, asked.runs))
            shown.advance(step)
    limits = bars(rows[0])
    show(rows, asked.texts)
    show_bars(limits)
    console.print(f"The bars are for: {embedders[0].name}")
    for embedder in embedders:
        console.print(f"{embedder.name}: {embedder.note}", soft_wrap=True)
    console.print(
        f"{where}\n{asked.runs} rounds, forms in turn in one process; batches of {SIZE}, "
        f"{WAIT * 1000:g} ms"
    )
    return ended(asked, where, limits, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
