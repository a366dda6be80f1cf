"""What a server's answers mean: errors by name, times to wait, events as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

from langgraph_alto_vllm._protocol import Json
from langgraph_alto_vllm._sse import EventReader, MalformedEventError
from langgraph_alto_vllm.errors import (
    VLLMConnectionError,
    VLLMError,
    VLLMProtocolError,
    VLLMStatusError,
    VLLMTimeoutError,
)


def named(url: str, error: Exception) -> VLLMError:
    """The error as ours, which says whether to try again."""
    if isinstance(error, VLLMError):
        return error
    kind = type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return VLLMTimeoutError(f"The server at {url} was silent for too long ({kind})", again=True)
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        said = f"No connection to the server at {url}, or it broke: {kind}: {error}"
        return VLLMConnectionError(said, again=True)
    return VLLMConnectionError(f"The server at {url} cannot be asked: {kind}: {error}")


def refused(url: str, answer: httpx.Response, body: bytes) -> VLLMStatusError:
    detail = body.decode(errors="replace")
    try:
        found = json.loads(detail)
        detail = str(found.get("error", found).get("message", detail))
    except (ValueError, AttributeError):
        pass
    return VLLMStatusError(url, answer.status_code, detail, retry_after(answer.headers))


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that ``Retry-After`` asks for: it holds a number, or a date."""
    asked = headers.get("Retry-After", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


class Reading:
    """Makes JSON of a stream's bytes, and holds the stream to its end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reader = EventReader()
        self._done = False

    def feed(self, part: bytes) -> Iterator[Json]:
        try:
            for data in self._reader.feed(part):
                if data == "[DONE]":
                    self._done = True
                elif not self._done:
                    yield self._event(parsed(data))
        except MalformedEventError as error:
            raise VLLMProtocolError(f"{self._url} sent {error}", again=True) from error

    def finish(self) -> None:
        if not self._done:
            raise VLLMProtocolError(f"{self._url} ended its stream in the middle", again=True)

    def _event(self, event: Json) -> Json:
        error = event.get("error")
        if error:
            detail = error if isinstance(error, dict) else {"message": error}
            code = detail.get("code")
            status = code if isinstance(code, int) else 500
            raise VLLMStatusError(self._url, status, str(detail.get("message")))
        return event


def parsed(text: str | bytes) -> Json:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise VLLMProtocolError("The server sent what is no JSON", again=True) from error
    if not isinstance(found, dict):
        raise VLLMProtocolError("The server sent JSON that is no object", again=True)
    return found
