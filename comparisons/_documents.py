"""Sixteen documents of eight sentences, each sentence through two stages of its own.

    START ═▶ split ═▶ check ═▶ rate ──▶ collected
             16       16 x 8   16 x 8

Every arrow is a ``Send``. All that the nodes do is to sleep and to note the time.
"""

from __future__ import annotations

import asyncio
import operator
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

DOCUMENTS, SENTENCES, SLOTS = 16, 8, 4
"""How many documents, sentences in each, and tasks at once."""

STAGE = 0.020
"""Seconds that one stage of a sentence takes in the middle; some take more, some less."""


class State(TypedDict):
    """What the graph works on."""

    documents: list[int]
    collected: Annotated[list[str], operator.add]


class Sentence(TypedDict):
    """What is sent from stage to stage."""

    document: int
    number: int


@dataclass(frozen=True, slots=True)
class Loading:
    """How the documents are loaded, which is what the first superstep waits for.

    Args:
        name: What it is called.
        seconds: How long one takes.
        slow: How long the sixth one takes; as the others if 0.
        limits: Limits of nodes, as for ``wrap``.
    """

    name: str
    seconds: float
    slow: float = 0.0
    limits: dict[str, int] = field(default_factory=dict)

    def of(self, document: int) -> float:
        """Seconds to load this document."""
        return self.slow if self.slow and document == 5 else self.seconds


LOADINGS = (
    Loading("one slow", 0.010, slow=0.500),
    Loading("one at a time", 0.020, limits={"split": 1}),
    Loading("all alike", 0.010),
)


class Clock:
    """When documents were complete, in seconds from the start of a run."""

    def __init__(self) -> None:
        self.start = 0.0
        self._left: dict[int, int] = {}
        self.complete: dict[int, float] = {}

    def begin(self) -> None:
        """A run begins."""
        self.start = time.perf_counter()
        self._left = dict.fromkeys(range(DOCUMENTS), SENTENCES)
        self.complete = {}

    def through(self, document: int) -> None:
        """A sentence of this document has been through all its stages."""
        self._left[document] -= 1
        if not self._left[document]:
            self.complete[document] = time.perf_counter() - self.start

    @property
    def first(self) -> float:
        """When the first document was complete."""
        return min(self.complete.values())


def seconds(sentence: Sentence, stage: int) -> float:
    """What one stage of a sentence takes: between 3/4 and 5/4 of ``STAGE``."""
    drawn = (7 * sentence["document"] + 5 * sentence["number"] + 3 * stage) % 11
    return STAGE * (0.75 + drawn / 20)


def build(loading: Loading, clock: Clock) -> Any:
    """The application, as anyone would write it.

    Args:
        loading: How its documents are loaded.
        clock: Told when a sentence is through.
    """

    def documents(state: State) -> list[Send]:
        return [Send("split", number) for number in state["documents"]]

    async def split(document: int) -> Command[Any]:
        await asyncio.sleep(loading.of(document))
        parts = range(SENTENCES)
        return Command(
            goto=[Send("check", {"document": document, "number": part}) for part in parts]
        )

    async def check(sentence: Sentence) -> Command[Any]:
        await asyncio.sleep(seconds(sentence, 0))
        return Command(goto=[Send("rate", sentence)])

    async def rate(sentence: Sentence) -> dict[str, Any]:
        await asyncio.sleep(seconds(sentence, 1))
        clock.through(sentence["document"])
        return {"collected": [f"{sentence['document']}.{sentence['number']}"]}

    graph: Any = StateGraph(State)
    graph.add_node("split", split, destinations=("check",))
    graph.add_node("check", check, destinations=("rate",))
    graph.add_node("rate", rate)
    graph.add_conditional_edges(START, documents, ["split"])
    return graph.compile()
