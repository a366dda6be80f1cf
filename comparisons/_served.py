"""The claims' model behind a real server, held to the same texts in every run.

A server that batches does not always repeat itself, even at temperature 0: the company a
request is in changes how sums are rounded. So that forms can be compared, a prompt asked
again is sent again, and takes its time, but the text is that of the first answer.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from comparisons import _claims

QUESTION = "Facts about the city of Paris"

PARAMETERS: dict[str, dict[str, Any]] = {
    # Small models lose count, and stop early: so the server holds them to the form.
    _claims.DRAFT: {
        "structured_outputs": {
            "regex": rf"([1-9][0-9]?\. [A-Z][^\n]{{60,130}}\.\n){{{_claims.CLAIMS}}}"
        },
        "max_tokens": 800,
    },
    _claims.VERIFY: {"min_tokens": 120, "max_tokens": 120},
}
"""What is asked of vLLM beside the prompt, by system message; the lengths are those of the
simulated model's answers, about."""


class FirstAnswers(BaseChatModel):
    """Keeps to the first answer to each prompt. The time is always that of the model.

    Of a stream that says what was said before, each delta brings as large a part of the
    text as it was of the first answer's tokens.

    Args:
        model: The model; it must count its tokens.
        parameters: What is asked of it beside a prompt, by the prompt's system message.

    Attributes:
        asked_again: How often a prompt was asked that had been asked before.
        answered_differently: How often the model then gave another answer.
    """

    model: BaseChatModel
    parameters: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    asked_again: int = 0
    answered_differently: int = 0
    _texts: dict[str, tuple[str, int]] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "first-answers"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        made = self.model._generate(messages, stop, **self._asked(messages))
        return self._kept(messages, made)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        made = await self.model._agenerate(messages, stop, **self._asked(messages))
        return self._kept(messages, made)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        first, tokens = self._texts.get(_key(messages), (None, 0))
        said, shown, deltas = "", 0, 0
        async for made in self.model._astream(messages, stop, **self._asked(messages)):
            if not made.text:
                continue
            said, deltas = said + made.text, deltas + 1
            upto = len(said) if first is None else len(first) * deltas // max(tokens, 1)
            text = (said if first is None else first)[shown:upto]
            shown = max(shown, upto)
            if text:
                yield await self._chunk(text, run_manager)
        kept = self._keep(messages, said, deltas)
        if kept[shown:]:
            yield await self._chunk(kept[shown:], run_manager)

    async def _chunk(
        self, text: str, run_manager: AsyncCallbackManagerForLLMRun | None
    ) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
        if run_manager is not None:
            await run_manager.on_llm_new_token(text, chunk=chunk)
        return chunk

    def _asked(self, messages: list[BaseMessage]) -> dict[str, Any]:
        return dict(self.parameters.get(messages[0].text, {}))

    def _kept(self, messages: list[BaseMessage], made: ChatResult) -> ChatResult:
        message = made.generations[0].message
        assert isinstance(message, AIMessage)
        tokens = message.usage_metadata["output_tokens"] if message.usage_metadata else 0
        text = self._keep(messages, message.text, tokens)
        kept = AIMessage(content=text, usage_metadata=message.usage_metadata)
        return ChatResult(generations=[ChatGeneration(message=kept)])

    def _keep(self, messages: list[BaseMessage], text: str, tokens: int) -> str:
        key = _key(messages)
        if key in self._texts:
            self.asked_again += 1
            self.answered_differently += self._texts[key][0] != text
        return self._texts.setdefault(key, (text, tokens))[0]


def served(url: str, model: str) -> FirstAnswers:
    """The model called ``model`` of the vLLM server at ``url``."""
    from langgraph_alto_vllm import ChatVLLM

    # Small models asked for the likeliest word tend to repeat themselves.
    penalty = {"frequency_penalty": 0.5}
    chat = ChatVLLM(base_url=url, model=model, temperature=0.0, seed=0, extra_body=penalty)
    return FirstAnswers(model=chat, parameters=PARAMETERS)


def _key(messages: list[BaseMessage]) -> str:
    return json.dumps([(message.type, message.text) for message in messages])
