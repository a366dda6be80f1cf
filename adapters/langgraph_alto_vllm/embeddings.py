"""LangChain embeddings in front of vLLM's server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.utils import secret_from_env
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from langgraph_alto_vllm._protocol import PREFIX_CHARACTERS, Json
from langgraph_alto_vllm._transport import Call, Limits, Transport
from langgraph_alto_vllm.errors import VLLMProtocolError


class VLLMEmbeddings(BaseModel, Embeddings):
    """Embeddings of a vLLM server started with ``--runner pooling``, or of its replicas.

    Args:
        base_url: The server's address, up to and with ``/v1``; several are replicas.
        model: The model's name there.
        api_key: Sent as the bearer token; from ``VLLM_API_KEY`` by default.
        batch: How many texts are sent at once.
        timeout: Seconds without a byte from the server.
        max_retries: How often a failed request is sent again; none has an effect.
        extra_body: Sent with each request as it is.
    """

    model_config = ConfigDict(extra="forbid")

    base_url: str | Sequence[str]
    model: str
    api_key: SecretStr = Field(
        default_factory=secret_from_env("VLLM_API_KEY", default=""), repr=False
    )
    batch: int = Field(default=64, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    max_retries: int = Field(default=2, ge=0)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    _transport: Transport = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Know the replicas."""
        urls = (self.base_url,) if isinstance(self.base_url, str) else tuple(self.base_url)
        self._transport = Transport(urls, self.api_key.get_secret_value())

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, in order."""
        with self._transport.open():
            answers = [self._transport.post(call) for call in self._calls(texts)]
        return _vectors(answers, len(texts))

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, in order; batches are sent side by side."""
        tasks = [asyncio.ensure_future(self._transport.apost(call)) for call in self._calls(texts)]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return _vectors(answers, len(texts))

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        return (await self.aembed_documents([text]))[0]

    def _calls(self, texts: list[str]) -> list[Call]:
        limits = Limits(self.timeout, None, self.max_retries + 1)
        calls = []
        for start in range(0, len(texts), self.batch):
            part = texts[start : start + self.batch]
            body = {"model": self.model, "input": part, **self.extra_body}
            beginning = part[0][:PREFIX_CHARACTERS].encode(errors="surrogatepass")
            calls.append(Call("/embeddings", body, beginning, limits))
        return calls


def _vectors(answers: Sequence[Json], count: int) -> list[list[float]]:
    try:
        found: list[list[float]] = []
        for answer in answers:
            in_order = sorted(answer["data"], key=lambda entry: entry["index"])
            found += [entry["embedding"] for entry in in_order]
    except (KeyError, TypeError) as error:
        raise VLLMProtocolError(f"An answer without embeddings: {error!r}") from error
    if len(found) != count:
        raise VLLMProtocolError(f"{count} texts were sent, {len(found)} embeddings came back")
    return found
