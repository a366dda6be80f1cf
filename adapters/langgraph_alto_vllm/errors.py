"""What can go wrong with a model server, and which of it may be tried again."""

from __future__ import annotations

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say that the same request may work later, or at another replica."""


class VLLMError(RuntimeError):
    """A request to the model server failed; the message says which server, and how.

    Args:
        message: What happened, without the request's text or the key.
        again: Whether the same request may work if it is sent again.
        retry_after: Seconds the server asks to be left alone for, if it said so.
    """

    def __init__(
        self, message: str, *, again: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.again = again
        self.retry_after = retry_after


class VLLMConnectionError(VLLMError):
    """The server cannot be reached, or the connection to it broke."""


class VLLMTimeoutError(VLLMError):
    """The server was silent for too long, or the whole took longer than allowed."""


class VLLMProtocolError(VLLMError):
    """What the server sent cannot be read: broken events, or an answer without its end."""


class VLLMStatusError(VLLMError):
    """The server refused the request.

    Args:
        url: The server's address.
        status: The HTTP status, or the code of an error within a stream.
        detail: What the server said about it.
        retry_after: Seconds the server asks to be left alone for, if it said so.
    """

    def __init__(
        self, url: str, status: int, detail: str, retry_after: float | None = None
    ) -> None:
        super().__init__(
            f"The server at {url} answered with status {status}: {detail[:500]}",
            again=status in _PASSING,
            retry_after=retry_after,
        )
        self.status = status
