"""Graphs with a batched node, and what their functions saw."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import batched
from tests.guarantees.support import Mode


class State(TypedDict, total=False):
    texts: list[str]
    vectors: Annotated[list[str], operator.add]
    count: int


class Turn(TypedDict, total=False):
    text: str
    turns: Annotated[int, operator.add]
    vectors: Annotated[list[str], operator.add]


class Packet(TypedDict):
    text: str


class Calls:
    """The calls of a list-taking function: what each was given, and how many ran at once."""

    def __init__(self) -> None:
        self.made: list[list[str]] = []
        self.running = 0
        self.peak = 0
        self.ended = 0

    @property
    def sizes(self) -> list[int]:
        return [len(texts) for texts in self.made]

    def begin(self, states: Sequence[Any]) -> None:
        self.made.append([state["text"] for state in states])
        self.running += 1
        self.peak = max(self.peak, self.running)

    def end(self) -> None:
        self.running -= 1
        self.ended += 1


def one(text: str) -> Any:
    """What becomes of one text; ``!`` fails by itself."""
    if text.endswith(("!", "!a")):
        return ValueError(f"cannot embed {text}")
    return {"vectors": [text.upper()]}


def embedding(
    mode: Mode, calls: Calls, seconds: float = 0.0, of: Callable[[str], Any] = one
) -> Any:
    """A list-taking function; raises as a whole for a text with ``?`` in it."""

    def results(states: list[Packet]) -> list[Any]:
        if any("?" in state["text"] for state in states):
            raise RuntimeError("a question")
        return [of(state["text"]) for state in states]

    def embed(states: list[Packet]) -> list[Any]:
        calls.begin(states)
        try:
            if seconds:
                time.sleep(seconds)
            return results(states)
        finally:
            calls.end()

    async def aembed(states: list[Packet]) -> list[Any]:
        calls.begin(states)
        try:
            if seconds:
                await asyncio.sleep(seconds)
            return results(states)
        finally:
            calls.end()

    return embed if mode == "sync" else aembed


def fan(embed: Any, **options: Any) -> StateGraph[Any, Any, Any, Any]:
    """START ═▶ embed ──▶ count."""
    builder: Any = StateGraph(State)
    builder.add_node("embed", embed, **options)
    builder.add_node("count", lambda state: {"count": len(state["vectors"])})

    def sends(state: State) -> list[Send]:
        return [Send("embed", {"text": text}) for text in state["texts"]]

    builder.add_conditional_edges(START, sends, ["embed"])
    builder.add_edge("embed", "count")
    return builder  # type: ignore[no-any-return]


def nested(
    mode: Mode, embed: Any, seconds: Callable[[str], float] = lambda text: 0.0
) -> StateGraph[Any, Any, Any, Any]:
    """START ═▶ split ═▶ embed ──▶ count: ``split`` sends each text twice."""

    def packets(packet: Packet) -> Command[Any]:
        return Command(goto=[Send("embed", {"text": packet["text"] + part}) for part in "ab"])

    def split(packet: Packet) -> Command[Any]:
        time.sleep(seconds(packet["text"]))
        return packets(packet)

    async def asplit(packet: Packet) -> Command[Any]:
        await asyncio.sleep(seconds(packet["text"]))
        return packets(packet)

    builder: Any = StateGraph(State)
    builder.add_node("split", split if mode == "sync" else asplit, destinations=("embed",))
    builder.add_node("embed", embed)
    builder.add_node("count", lambda state: {"count": len(state["vectors"])})

    def sends(state: State) -> list[Send]:
        return [Send("split", {"text": text}) for text in state["texts"]]

    builder.add_conditional_edges(START, sends, ["split"])
    builder.add_edge("embed", "count")
    return builder  # type: ignore[no-any-return]


def chain(embed: Any, rounds: int = 3) -> StateGraph[Any, Any, Any, Any]:
    """START ──▶ ask ──▶ embed ──▶ ask …, so many times round, one task at a time."""

    def ask(state: Turn) -> Any:
        return {"text": f"t{state.get('turns', 0)}", "turns": 1}

    def more(state: Turn) -> str:
        return "ask" if state["turns"] < rounds else "__end__"

    builder: Any = StateGraph(Turn)
    builder.add_node("ask", ask)
    builder.add_node("embed", embed)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "embed")
    builder.add_conditional_edges("embed", more, ["ask", "__end__"])
    return builder  # type: ignore[no-any-return]


def texts(count: int, name: str = "t") -> dict[str, list[str]]:
    return {"texts": [f"{name}{number}" for number in range(count)]}


def upper(count: int, name: str = "t") -> list[str]:
    return [f"{name}{number}".upper() for number in range(count)]


def node_of(mode: Mode, calls: Calls, size: int = 64, wait: float = 0.0, **more: Any) -> Any:
    return batched(size, wait)(embedding(mode, calls, **more))
