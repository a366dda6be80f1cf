"""An agent whose model calls three tools in one message, and goes on writing.

The model is scripted: it writes a message of three seconds, a token every 25 ms. The
calls stand at its beginning, as models write them that say what they do, and then what
they expect of it. Each tool takes one second.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent

MESSAGE_S, TOKEN_S, TOOL_S, CALLS = 3.0, 0.025, 1.0, 3


@tool
async def look_up(place: str) -> str:
    """Look something up; it takes a second."""
    await asyncio.sleep(TOOL_S)
    return f"found {place}"


def written() -> Iterator[AIMessageChunk]:
    """The chunks of the message, one for each token."""
    tokens = round(MESSAGE_S / TOKEN_S)
    for call in range(CALLS):
        for args in ("", '{"pla', 'ce": "', f"town {call}", '"}'):
            yield AIMessageChunk(
                content="",
                id="m1",
                tool_call_chunks=[
                    {
                        "name": "look_up" if not args else None,
                        "args": args,
                        "id": f"call-{call}" if not args else None,
                        "index": call,
                        "type": "tool_call_chunk",
                    }
                ],
            )
    for token in range(5 * CALLS, tokens):
        yield AIMessageChunk(content=f"word{token} ", id="m1")


class ScriptedModel(BaseChatModel):
    """Calls three tools, and answers when it has their results."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        """It knows its tools."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("it is asked on an event loop")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        whole: Any = None
        async for chunk in self._astream(messages):
            whole = chunk.message if whole is None else whole + chunk.message
        message = AIMessage(content=whole.content, tool_calls=whole.tool_calls, id=whole.id)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if any(isinstance(message, ToolMessage) for message in messages):
            yield ChatGenerationChunk(message=AIMessageChunk(content="done", id="m2"))
            return
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number, message in enumerate(written(), 1):
            # By the clock, so that what is done with a token costs the message no time.
            await asyncio.sleep(max(0, begun + number * TOKEN_S - loop.time()))
            chunk = ChatGenerationChunk(message=message)
            if run_manager is not None:
                await run_manager.on_llm_new_token("", chunk=chunk)
            yield chunk


def agent() -> Any:
    """The agent, as it comes from LangGraph."""
    with warnings.catch_warnings():
        # It has moved to a package that nothing else here needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return create_react_agent(ScriptedModel(), [look_up])


async def by_hand(model: BaseChatModel) -> list[str]:
    """The same with asyncio alone: each call begins when it is written."""
    tasks: list[asyncio.Task[Any]] = []
    whole: Any = None
    begun = 0
    async for chunk in model.astream("go"):
        whole = chunk if whole is None else whole + chunk
        calls = whole.tool_calls if chunk.tool_call_chunks or chunk.content else []
        complete = len(calls) - bool(chunk.tool_call_chunks)
        for call in calls[begun:complete]:
            tasks.append(asyncio.create_task(look_up.ainvoke(call["args"])))
            begun += 1
    return [await task for task in tasks]
