"""A chat model that writes what it is told, in the chunks and at the pace it is told."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from tests.guarantees.support import PATIENCE, Journal, Mode


class Broken(Exception):
    """The model's stream has failed."""


class Writer(BaseChatModel):
    """Writes chunks.

    Args:
        chunks: Pieces of text, or of messages.
        pause: Seconds before each chunk.
        until: By a chunk's place: what must be true before it is written.
        fails: The place of the chunk before which the stream fails.
    """

    chunks: list[Any]
    pause: float = 0.0
    until: dict[int, Any] = {}  # noqa: RUF012 - a field, of which each model has its own
    fails: int | None = None

    @property
    def _llm_type(self) -> str:
        return "writer"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _chunk(self, piece: Any) -> ChatGenerationChunk:
        message = AIMessageChunk(content=piece) if isinstance(piece, str) else piece.model_copy()
        return ChatGenerationChunk(message=message)

    def _pieces(self, messages: Any) -> Sequence[Any]:
        return self.chunks

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        whole: Any = None
        for chunk in self._stream(messages):
            whole = chunk if whole is None else whole + chunk
        return _result(whole)

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any
    ) -> Iterator[ChatGenerationChunk]:
        for place, piece in enumerate(self._pieces(messages)):
            if place == self.fails:
                raise Broken("the line is dead")
            time.sleep(self.pause)
            limit = time.monotonic() + PATIENCE
            while (until := self.until.get(place)) is not None and not until():
                assert time.monotonic() < limit, f"chunk {place} was waited for in vain"
                time.sleep(0.002)
            yield self._chunk(piece)

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for place, piece in enumerate(self._pieces(messages)):
            if place == self.fails:
                raise Broken("the line is dead")
            await asyncio.sleep(self.pause)
            limit = time.monotonic() + PATIENCE
            while (until := self.until.get(place)) is not None and not until():
                assert time.monotonic() < limit, f"chunk {place} was waited for in vain"
                await asyncio.sleep(0.002)
            yield self._chunk(piece)

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        whole: Any = None
        async for chunk in self._astream(messages):
            whole = chunk if whole is None else whole + chunk
        return _result(whole)


def _result(whole: Any) -> ChatResult:
    """What a model that has written all of it returns."""
    chunk = whole.message if whole is not None else AIMessageChunk(content="")
    message: Any = message_chunk_to_message(chunk)
    return ChatResult(generations=[ChatGeneration(message=message)])


class Whole(Writer):
    """Does not stream."""

    disable_streaming: bool | Literal["tool_calling"] = True


class Facts(TypedDict):
    """The state of a graph that checks what a model writes."""

    topic: str
    answer: str
    found: Annotated[list[str], operator.add]
    end: int


def lines(state: Any) -> list[Send]:
    """A router: a packet for each line."""
    return [Send("verify", {"line": line}) for line in state["answer"].splitlines() if line]


Call = Callable[..., Any]


def asks(mode: Mode, model: Any, how: str = "invoke", after: Call | None = None) -> Call:
    """A node that asks a model.

    Args:
        mode: Whether it is an ordinary or a coroutine function.
        model: The model.
        how: ``"invoke"`` or ``"stream"``.
        after: What becomes of the text.
    """
    done = after or (lambda text: text)

    def draft(state: Facts) -> Any:
        if how == "invoke":
            text = model.invoke(state["topic"]).content
        else:
            text = "".join(chunk.content for chunk in model.stream(state["topic"]))
        return {"answer": done(text)}

    async def adraft(state: Facts) -> Any:
        if how == "invoke":
            text = (await model.ainvoke(state["topic"])).content
        else:
            text = "".join([chunk.content async for chunk in model.astream(state["topic"])])
        return {"answer": done(text)}

    return draft if mode == "sync" else adraft


def checks(mode: Mode, journal: Journal, seconds: float = 0.0) -> Call:
    """A node that checks a line."""

    def verify(packet: Any) -> Any:
        journal.begin(packet["line"])
        time.sleep(seconds)
        journal.end(packet["line"])
        return {"found": [packet["line"]]}

    async def averify(packet: Any) -> Any:
        journal.begin(packet["line"])
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            journal.end(packet["line"], "cancel")
            raise
        journal.end(packet["line"])
        return {"found": [packet["line"]]}

    return verify if mode == "sync" else averify


def count(state: Facts) -> Any:
    """What comes behind the checks."""
    return {"end": len(state["found"])}


def facts(draft: Call, verify: Call, router: Call = lines, **edges: Any) -> Any:
    """START ─▶ draft ─▷ verify (each) ─▶ count."""
    graph: Any = StateGraph(Facts)
    graph.add_node("draft", draft)
    graph.add_node("verify", verify)
    graph.add_node("count", count)
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", router, edges.get("to", ["verify"]))
    graph.add_edge("verify", "count")
    return graph
