"""LangChain's messages in the server's JSON, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    InvalidToolCall,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall, ToolCallChunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langgraph_alto_vllm.errors import VLLMProtocolError

Json = dict[str, Any]

PREFIX_CHARACTERS = 1024
"""How much of a prompt's beginning says at which replica it is wanted: about 256 tokens, which
is what a system message and the document asked about make, but not yet the question."""


def messages_json(messages: Sequence[BaseMessage]) -> list[Json]:
    """The messages of a request."""
    return convert_to_openai_messages(list(messages))


def beginning(messages: Sequence[Mapping[str, Any]]) -> bytes:
    """The first `PREFIX_CHARACTERS` of a prompt."""
    found = ""
    for message in messages:
        found += f"{message['role']}\n{message.get('content')}\n"
        if len(found) >= PREFIX_CHARACTERS:
            break
    return found[:PREFIX_CHARACTERS].encode(errors="surrogatepass")


def result(answer: Mapping[str, Any]) -> ChatResult:
    """What a request that is not streamed gives.

    Raises:
        VLLMProtocolError: The answer is not what the protocol says.
    """
    try:
        usage = usage_metadata(answer.get("usage"))
        generations = [_generation(choice, answer, usage) for choice in answer["choices"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise VLLMProtocolError(f"An answer that is no chat completion: {error!r}") from error
    if not generations:
        raise VLLMProtocolError("An answer without a choice")
    return ChatResult(generations=generations)


def chunk(event: Mapping[str, Any]) -> ChatGenerationChunk | None:
    """What an event of a stream adds; ``None`` if nothing.

    Raises:
        VLLMProtocolError: The event is not what the protocol says.
    """
    try:
        return _chunk(event)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise VLLMProtocolError(f"An event that is no chat completion: {error!r}") from error


def shows(event: Mapping[str, Any]) -> bool:
    """Whether an event holds something that a reader would see, or the end."""
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        if choice.get("finish_reason") or any(v for k, v in delta.items() if k != "role"):
            return True
    return False


def usage_metadata(usage: Mapping[str, Any] | None) -> UsageMetadata | None:
    """The server's count of tokens."""
    if not usage:
        return None
    read, written = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    found = UsageMetadata(
        input_tokens=read,
        output_tokens=written,
        total_tokens=usage.get("total_tokens") or read + written,
    )
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    if cached is not None:
        found["input_token_details"] = InputTokenDetails(cache_read=cached)
    return found


def _generation(
    choice: Mapping[str, Any], answer: Mapping[str, Any], usage: UsageMetadata | None
) -> ChatGeneration:
    said = choice["message"]
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for raw in said.get("tool_calls") or ():
        try:
            parsed: Any = parse_tool_call(dict(raw), return_id=True)
        except OutputParserException as error:  # noqa: PERF203 - each call by itself
            invalid.append(make_invalid_tool_call(dict(raw), str(error)))
        else:
            calls.append(parsed)
    about = _about(choice, answer)
    message = AIMessage(
        content=said.get("content") or "",
        additional_kwargs=_reasoning(said),
        response_metadata=about,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage,
        id=answer.get("id"),
    )
    return ChatGeneration(message=message, generation_info=about)


def _chunk(event: Mapping[str, Any]) -> ChatGenerationChunk | None:
    usage = usage_metadata(event.get("usage"))
    choices = event.get("choices") or ()
    if not choices:
        if usage is None:
            return None
        # The usage comes by itself, after the end.
        message = AIMessageChunk(content="", usage_metadata=usage, id=event.get("id"))
        return ChatGenerationChunk(message=message)
    choice = choices[0]
    said = choice.get("delta") or {}
    calls = [
        ToolCallChunk(
            name=call.get("function", {}).get("name"),
            args=call.get("function", {}).get("arguments"),
            id=call.get("id"),
            index=call.get("index"),
            type="tool_call_chunk",
        )
        for call in said.get("tool_calls") or ()
    ]
    about = _about(choice, event) if choice.get("finish_reason") else _logprobs(choice)
    message = AIMessageChunk(
        content=said.get("content") or "",
        additional_kwargs=_reasoning(said),
        response_metadata=about,
        tool_call_chunks=calls,
        usage_metadata=usage,
        id=event.get("id"),
    )
    return ChatGenerationChunk(message=message, generation_info=about or None)


def _about(choice: Mapping[str, Any], answer: Mapping[str, Any]) -> Json:
    found: Json = {
        "finish_reason": choice.get("finish_reason"),
        "model_name": answer.get("model"),
        "model_provider": "vllm",
    }
    if choice.get("stop_reason") is not None:
        found["stop_reason"] = choice["stop_reason"]
    return found | _logprobs(choice)


def _logprobs(choice: Mapping[str, Any]) -> Json:
    return {"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}


def _reasoning(said: Mapping[str, Any]) -> Json:
    text = said.get("reasoning") or said.get("reasoning_content")
    return {"reasoning_content": text} if text else {}
