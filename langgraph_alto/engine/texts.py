"""What is shown of a text, or a message, that a model is writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from langgraph_alto.streams.split import Factory, Splitter, ToolCalls

_ENDS = frozenset("\n.!?;:,]}\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f")
"""Where a text without a splitter is shown: a router may end a piece at any of these."""


class Text:
    """What is shown of a growing text.

    Args:
        by: Cuts it into pieces; ``None`` to show all there is.
    """

    def __init__(self, by: Factory | None) -> None:
        self.splitter: Splitter | None = None if by is None else by()
        self.parts: list[str] = []

    def feed(self, chunk: str | AIMessageChunk) -> bool:
        """Take a chunk; whether there is something new to show."""
        text = chunk if isinstance(chunk, str) else text_of(chunk)
        if not text:
            return False
        if self.splitter is not None:
            return bool(self.splitter.feed(text))
        self.parts.append(text)
        return not _ENDS.isdisjoint(text)

    def shown(self) -> Any:
        """What the state key would be if nothing more came."""
        return "".join(self.parts) if self.splitter is None else self.splitter.shown()


class Message(Text):
    """What is shown of a growing message: its text, or its complete tool calls.

    Args:
        by: Cuts its text into pieces; ``None`` for its tool calls.
    """

    def __init__(self, by: Factory | None) -> None:
        super().__init__(by)
        self.calls = ToolCalls() if by is None else None
        self.id: str | None = None

    def feed(self, chunk: str | AIMessageChunk) -> bool:
        """Take a chunk; whether there is something new to show."""
        if isinstance(chunk, str):
            chunk = AIMessageChunk(content=chunk)
        self.id = self.id or chunk.id
        if self.calls is None:
            return super().feed(chunk)
        return bool(self.calls.feed(chunk))

    def shown(self) -> Any:
        """What would be added to the messages if nothing more came."""
        if self.calls is None:
            return [AIMessage(content=super().shown(), id=self.id)]
        return [self.calls.message()]


def text_of(message: Any) -> str:
    """The text of a message or chunk, whatever kind of content it has."""
    content = message.content
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content
    return "".join(
        part if isinstance(part, str) else part.get("text", "")
        for part in parts
        if isinstance(part, str) or part.get("type") == "text"
    )
