"""A LangChain chat model in front of the simulated server."""

from __future__ import annotations

import asyncio
import queue
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from examples.simulated_llm.server import SimulatedServer

Skill = Callable[[str, random.Random], str]
"""Writes the answer to a user message; the generator is seeded by the whole prompt."""

# The usual rule of thumb for English text and common tokenizers.
CHARACTERS_PER_TOKEN = 4


class UnknownPromptError(ValueError):
    """The simulator has no skill for this prompt: it is not a language model."""


@dataclass(frozen=True, slots=True)
class _Job:
    text: str
    pieces: tuple[str, ...]
    prompt_tokens: int

    @property
    def usage(self) -> UsageMetadata:
        written = len(self.pieces)
        return UsageMetadata(
            input_tokens=self.prompt_tokens,
            output_tokens=written,
            total_tokens=self.prompt_tokens + written,
        )


class SimulatedChatModel(BaseChatModel):
    """Answers the prompts it has a skill for, in the time a model server would take.

    The text depends on the prompt and the seed only; the time depends on the
    lengths of both and on what else the server is doing.

    Args:
        server: Where requests wait and are batched.
        skills: For each system message, the function that writes the answer.
        seed: Another seed gives other choices, and so other lengths.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    server: SimulatedServer = Field(repr=False)
    skills: Mapping[str, Skill] = Field(repr=False)
    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "simulated"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": f"simulated {self.server.profile.name}", "seed": self.seed}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        job = self._write(messages)
        self.server.submit(job.prompt_tokens, len(job.pieces)).result()
        return _result(job)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        job = self._write(messages)
        await asyncio.wrap_future(self.server.submit(job.prompt_tokens, len(job.pieces)))
        return _result(job)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        job = self._write(messages)
        written: queue.SimpleQueue[int] = queue.SimpleQueue()
        future = self.server.submit(job.prompt_tokens, len(job.pieces), written.put)
        sent = 0
        try:
            while sent < len(job.pieces):
                upto = written.get()
                for chunk in _chunks(job, sent, upto):
                    if run_manager is not None:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                sent = max(sent, upto)
        finally:
            future.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        job = self._write(messages)
        written: asyncio.Queue[int] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(count: int) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(written.put_nowait, count)

        future = self.server.submit(job.prompt_tokens, len(job.pieces), tell)
        sent = 0
        try:
            while sent < len(job.pieces):
                upto = await written.get()
                for chunk in _chunks(job, sent, upto):
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                sent = max(sent, upto)
        finally:
            future.cancel()

    def _write(self, messages: list[BaseMessage]) -> _Job:
        system = "\n".join(m.text for m in messages if m.type == "system")
        user = "\n".join(m.text for m in messages if m.type != "system")
        skill = self.skills.get(system)
        if skill is None:
            raise UnknownPromptError(
                "The simulated model has no skill for the system message "
                f"{system[:60]!r}. It imitates a server's timing, not a language model: "
                "give it a skill for this prompt, or use a real server."
            )
        text = skill(user, random.Random(f"{self.seed}\n{system}\n{user}"))
        prompt_tokens = sum(count_tokens(m.text) for m in messages)
        return _Job(text, _pieces(text), prompt_tokens)


def count_tokens(text: str) -> int:
    """Tokens in ``text``, by the rule of thumb; at least 1."""
    return max(1, -(-len(text) // CHARACTERS_PER_TOKEN))


def _pieces(text: str) -> tuple[str, ...]:
    """``text`` cut into as many pieces as it has tokens."""
    return tuple(re.findall(rf".{{1,{CHARACTERS_PER_TOKEN}}}", text, re.DOTALL)) or ("",)


def _chunks(job: _Job, start: int, stop: int) -> Iterator[ChatGenerationChunk]:
    for position in range(start, stop):
        last = position == len(job.pieces) - 1
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=job.pieces[position],
                chunk_position="last" if last else None,
                usage_metadata=job.usage if last else None,
            )
        )


def _result(job: _Job) -> ChatResult:
    message = AIMessage(content=job.text, usage_metadata=job.usage)
    return ChatResult(generations=[ChatGeneration(message=message)])
