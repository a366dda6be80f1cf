"""A LangChain chat model behind any OpenAI-compatible server.

Only what the example needs; a program of yours would rather use the integration
of its provider (``langchain-openai`` and others): `Context` takes any of them.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx
from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

TIMEOUT_S = 300
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class ModelServerError(RuntimeError):
    """The model server cannot be used; the message says what to do."""


class ServedChatModel(BaseChatModel):
    """Asks ``POST {url}/chat/completions``, and keeps to the first answer to each prompt.

    A server that batches does not always repeat itself, even at temperature 0:
    the company a request is in changes how sums are rounded. So that two runs
    can be compared, a prompt asked again is sent again, and takes its time, but
    the text returned is that of the first answer.

    Args:
        url: The server's base address, up to and with ``/v1``.
        model: The model's name there.
        api_key: Sent as the bearer token.
        seed: Sent with each request, beside temperature 0.
        max_tokens: The longest answer to ask for.

    Attributes:
        asked_again: How often a prompt was asked that had been asked before.
        answered_differently: How often the server then gave another answer.
    """

    url: str
    model: str
    api_key: str = Field(repr=False)
    seed: int = 0
    max_tokens: int = 512
    asked_again: int = 0
    answered_differently: int = 0
    _first_answers: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "openai-compatible"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "url": self.url, "seed": self.seed}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with httpx.Client(verify=_tls(), timeout=TIMEOUT_S) as client:
            return self._read(messages, client.send(self._request(messages, stop)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async with httpx.AsyncClient(verify=_tls(), timeout=TIMEOUT_S) as client:
            return self._read(messages, await client.send(self._request(messages, stop)))

    def _request(self, messages: list[BaseMessage], stop: list[str] | None) -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{self.url}/chat/completions",
            headers={"Authorization": f"Bearer {self.api_key}"},
            json={
                "model": self.model,
                "messages": [{"role": _ROLES[m.type], "content": m.text} for m in messages],
                "temperature": 0,
                # Small models asked for the likeliest word tend to repeat themselves.
                "frequency_penalty": 0.5,
                "seed": self.seed,
                "max_tokens": self.max_tokens,
                **({"stop": stop} if stop else {}),
            },
            extensions={"timeout": httpx.Timeout(TIMEOUT_S).as_dict()},
        )

    def _read(self, messages: list[BaseMessage], answer: httpx.Response) -> ChatResult:
        if answer.is_error:
            raise ModelServerError(
                f"The server at {self.url} answered with status {answer.status_code}: "
                f"{answer.text[:500]}"
            )
        text = answer.json()["choices"][0]["message"]["content"] or ""
        prompt = repr([(m.type, m.text) for m in messages])
        if prompt in self._first_answers:
            self.asked_again += 1
            self.answered_differently += self._first_answers[prompt] != text
        text = self._first_answers.setdefault(prompt, text)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])


def served_model(url: str, model: str | None, *, seed: int, api_key: str) -> ServedChatModel:
    """The model called ``model`` at ``url``, after a look whether it is there.

    Args:
        url: The server's base address, such as ``http://127.0.0.1:8000/v1``.
        model: The model's name there; ``None`` takes the only one it serves.
        seed: Sent with each request.
        api_key: Sent with each request; many local servers ignore it.

    Raises:
        ModelServerError: No such server answers there, or it serves other models.
    """
    url = url.rstrip("/")
    served = _served_models(url, api_key)
    listed = ", ".join(served) or "(none)"
    if model is None and len(served) != 1:
        raise ModelServerError(
            f"The server at {url} serves {len(served)} models; name one with --model: {listed}"
        )
    if model is not None and model not in served:
        raise ModelServerError(f"The server at {url} does not serve {model!r}, but: {listed}")
    return ServedChatModel(url=url, model=model or served[0], api_key=api_key, seed=seed)


def _served_models(url: str, api_key: str) -> list[str]:
    """The names that ``GET /models`` gives."""
    try:
        headers = {"Authorization": f"Bearer {api_key}"}
        answer = httpx.get(f"{url}/models", headers=headers, timeout=10, verify=_tls())
        answer.raise_for_status()
        return [str(entry["id"]) for entry in answer.json()["data"]]
    except httpx.HTTPStatusError as error:
        detail = f"GET {url}/models answered with status {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{type(error).__name__}: {error}"
    except (ValueError, KeyError, TypeError):
        detail = f"what GET {url}/models answers is no list of models"
    raise ModelServerError(
        f"No OpenAI-compatible server answers at {url} ({detail}). Give its address up to "
        "and with /v1, as in --llm http://127.0.0.1:8000/v1, and check that it runs; "
        "without --llm the simulated model answers."
    )


@cache
def _tls() -> ssl.SSLContext:
    """One for all requests: making it takes longer than a request to a local server."""
    return httpx.create_ssl_context()
