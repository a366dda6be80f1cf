"""Tool calls of a message that is still being written.

A tool call is complete when the braces of its arguments are balanced, while the model
still writes the next one. What is shown is the message with the calls that are complete,
in the message's order: a call waits for those before it, so that the list only grows at
its end. Which chunk belongs to which call, and what arguments a text stands for, is
decided as LangChain decides it when it adds the chunks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall, message_chunk_to_message
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import ToolCallChunk, tool_call
from langchain_core.utils.json import parse_partial_json

_MARK = re.compile(r"[\"{}\[\]]")
_IN_STRING = re.compile(r"[\"\\]")

_CALLS = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call"}
)
"""The types of the content blocks that are a call, or a part of one."""


@dataclass(slots=True, eq=False)
class _Call:
    """One tool call, as far as it was written."""

    id: str | None
    name: str = ""
    args: list[str] = field(default_factory=list)
    depth: int = 0
    in_string: bool = False
    escaped: bool = False
    balanced: bool = False
    """Its arguments were closed."""
    skipped: bool = False
    """Its arguments were closed and are no object: it is no tool call."""
    call: ToolCall | None = None
    """It is complete."""

    def read(self, text: str) -> None:
        """Its arguments go on.

        Raises:
            ValueError: It was complete.
        """
        if self.call is not None and text.strip():
            raise ValueError(
                f"the tool call {self.name!r} ({self.id}) was complete, but its arguments go"
                f" on with {text!r}; such a message cannot be shown before it has ended"
            )
        if not text:
            return
        self.args.append(text)
        at = 0
        while at < len(text):
            if self.escaped:
                self.escaped = False
                at += 1
                continue
            match = (_IN_STRING if self.in_string else _MARK).search(text, at)
            if match is None:
                return
            at = match.end()
            mark = match[0]
            if self.in_string:
                self.escaped = mark == "\\"
                self.in_string = self.escaped
            elif mark == '"':
                self.in_string = True
            else:
                self.depth += 1 if mark in "{[" else -1
                self.balanced = self.depth <= 0

    def complete(self) -> None:
        """Its arguments are known: they are parsed."""
        text = "".join(self.args)
        try:
            args = parse_partial_json(text) if text else {}
        except (ValueError, RecursionError):
            args = None
        if isinstance(args, dict):
            self.call = tool_call(name=self.name, args=args, id=self.id)
        else:
            self.skipped = True


class ToolCalls:
    """One message that grows, and the tool calls of it that are complete.

    The calls that :meth:`feed` and :meth:`close` return are, one after another, the
    message's ``tool_calls``. Arguments that are not valid JSON are never complete: what
    becomes of them is decided, by LangChain, when the message has ended.
    """

    def __init__(self) -> None:
        self._chunks: list[AIMessageChunk] = []
        self._calls: list[_Call] = []
        # By the index that the model gives them; several may have the same.
        self._by_index: dict[int, list[_Call]] = {}
        # Of the calls, how many are shown or skipped.
        self._passed = 0
        self._shown: list[ToolCall] = []
        self._whole: AIMessage | None = None
        # The chunks without the calls, as far as they were added up.
        self._merged: AIMessageChunk | None = None
        self._added = 0

    def feed(self, chunk: AIMessageChunk) -> list[ToolCall]:
        """The message goes on.

        Args:
            chunk: What follows what was fed before.

        Returns:
            The calls that are complete with it, in the message's order.

        Raises:
            ValueError: The message was closed, or a call that was complete goes on.
        """
        if self._whole is not None:
            raise ValueError("the message was closed: tool calls are for one message only")
        self._chunks.append(chunk)
        for part in chunk.tool_call_chunks:
            self._read(part)
        return self._pass()

    def close(self) -> list[ToolCall]:
        """The message has ended: the calls that remain are those that LangChain makes of it.

        Raises:
            ValueError: The message was closed before, or is not what was shown of it.
        """
        if self._whole is not None:
            raise ValueError("the message was closed before")
        whole = message_chunk_to_message(_sum(self._chunks))
        assert isinstance(whole, AIMessage)
        self._whole = whole
        known = len(self._shown)
        if _told(whole.tool_calls[:known]) != _told(self._shown):
            raise ValueError(
                f"the message has the tool calls {whole.tool_calls}, but of these"
                f" {self._shown} were shown; such a message cannot be shown before it has ended"
            )
        return whole.tool_calls[known:]

    @property
    def settled(self) -> int:
        """How many tool calls are complete."""
        return len(self._whole.tool_calls if self._whole else self._shown)

    def message(self) -> AIMessage:
        """The message so far: all content, and the calls that are complete.

        Content blocks of other calls are left out. When the message has ended, it is what
        LangChain makes of all chunks. Takes time in proportion to the message's length.
        """
        if self._whole is not None:
            return self._whole
        bare = [
            chunk.model_copy(
                update={
                    "tool_call_chunks": [],
                    "tool_calls": [],
                    "invalid_tool_calls": [],
                    "chunk_position": None,
                }
            )
            for chunk in self._chunks[self._added :]
        ]
        self._added = len(self._chunks)
        self._merged = _sum([*([self._merged] if self._merged else []), *bare])
        content = self._merged.content
        if isinstance(content, list):
            complete = {call["id"] for call in self._shown}
            content = [block for block in content if _belongs(block, complete)]
        # Some models' integrations give the calls here as well, as they came.
        others = {**self._merged.additional_kwargs}
        others.pop("tool_calls", None)
        return AIMessage(
            content=content,
            additional_kwargs=others,
            response_metadata=self._merged.response_metadata,
            usage_metadata=self._merged.usage_metadata,
            tool_calls=list(self._shown),
            id=self._merged.id,
            name=self._merged.name,
        )

    def _read(self, part: ToolCallChunk) -> None:
        """A part of a call; LangChain's merging of lists, for the keys that calls have."""
        index = part.get("index")
        id_ = part.get("id")
        same = [] if index is None else self._by_index.setdefault(index, [])
        # Within the first chunk, nothing is merged.
        others = same if len(self._chunks) > 1 else []
        call = next((one for one in others if not one.id or not id_ or one.id == id_), None)
        if call is None:
            call = _Call(id_)
            self._calls.append(call)
            same.append(call)
        call.id = call.id or id_
        call.name += part.get("name") or ""
        call.read(part.get("args") or "")

    def _pass(self) -> list[ToolCall]:
        """The calls that nothing that is open stands before."""
        found: list[ToolCall] = []
        while self._passed < len(self._calls):
            call = self._calls[self._passed]
            # Without arguments there is no brace to close. That they would have been
            # written by now is known when those of a later call are.
            empty = not call.args and any(one.args for one in self._calls[self._passed + 1 :])
            if not (call.name and (call.balanced or empty)):
                break
            call.complete()
            self._passed += 1
            if call.call is not None:
                found.append(call.call)
        self._shown += found
        return found


def _sum(chunks: Sequence[AIMessageChunk]) -> AIMessageChunk:
    """One chunk of many."""
    first, *others = chunks or [AIMessageChunk(content="")]
    return add_ai_message_chunks(first, *others)


def _told(calls: Sequence[ToolCall]) -> list[tuple[str, dict[str, Any], str | None]]:
    """What of the calls counts."""
    return [(call["name"], call["args"], call["id"]) for call in calls]


def _belongs(block: str | dict[Any, Any], complete: set[str | None]) -> bool:
    """Is a content block of no call, or of one that is complete?"""
    if isinstance(block, str) or block.get("type") not in _CALLS:
        return True
    return not complete.isdisjoint({block.get("id"), block.get("call_id")} - {None})
