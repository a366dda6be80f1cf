"""What can go wrong, said so that one knows what to do."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class QdrantError(RuntimeError):
    """Any error of this adapter; what the client raised is its ``__cause__``."""


class CollectionMissingError(QdrantError):
    """There is no collection of that name."""


class VectorMissingError(QdrantError):
    """The collection has no vector of that name and kind."""


class DimensionError(QdrantError):
    """The embeddings have another dimension than the collection's vectors."""


class ServerAwayError(QdrantError, ConnectionError):
    """The server cannot be reached, does not answer in time, or says that it cannot now.

    A ``ConnectionError``, so that LangGraph's default retry policy tries the node again.
    """


class RefusedError(QdrantError):
    """The server, or the embedded engine, understood a call and refused it."""


class LocationBusyError(QdrantError):
    """Another client has the folder of an embedded store open."""


class ClosedError(QdrantError):
    """The connection has been closed."""


class UpsertError(QdrantError):
    """A stream of documents was not written to its end.

    Attributes:
        written: How many documents, from the stream's start or not, are known to be
            stored. Others may be: writing the same again changes nothing.
    """

    def __init__(self, message: str, written: int) -> None:
        super().__init__(message)
        self.written = written


def transient(error: BaseException) -> bool:
    """Whether the same call may succeed if it is made again."""
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TransportError)
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _TRANSIENT
    return isinstance(error, ResourceExhaustedResponse | asyncio.TimeoutError)


def translated(
    error: Exception, *, where: str, method: str, collection: str, attempts: int
) -> QdrantError:
    """The error to raise for one of the client's.

    Args:
        error: What the client raised.
        where: The connection, in words.
        method: The client's method.
        collection: The collection's name.
        attempts: How often the call was made.
    """
    if isinstance(error, QdrantError):
        return error
    said = _said(error)
    at = f"{method} on collection {collection!r} of {where}"
    if transient(error):
        return ServerAwayError(
            f"{at} failed {attempts} times, the last time with {said}; see whether the server "
            "runs and can be reached from here, or give a longer timeout="
        )
    status = error.status_code if isinstance(error, UnexpectedResponse) else None
    if "already accessed by another instance" in said:
        return LocationBusyError(
            f"another client has {where} open; share one Connection among the retrievers of a "
            "process, close the other one, or use a server for several processes"
        )
    if "not found" in said.lower() and (status == 404 or said.startswith("Collection ")):
        return missing(collection, where)
    if status in (401, 403):
        return RefusedError(
            f"{at} was refused with {said}; give api_key=, one that may do this to the collection"
        )
    return RefusedError(f"{at} was refused with {said}")


def missing(collection: str, where: str) -> CollectionMissingError:
    """The error for a collection that does not exist."""
    return CollectionMissingError(
        f"there is no collection {collection!r} in {where}; make it with ensure_collection(), "
        "which leaves one that exists as it is"
    )


def conflict(error: BaseException | None) -> bool:
    """Whether a collection could not be made since it exists."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code == 409 or b"already exists" in error.content
    return isinstance(error, ValueError) and "already exists" in str(error)


def _said(error: Exception) -> str:
    """What the client or the server said, in one line, without headers."""
    if isinstance(error, ResponseHandlingException):
        source = error.source
        return f"{type(source).__name__}: {' '.join(str(source).split())[:300]}"
    if isinstance(error, UnexpectedResponse):
        said = error.content[:300].decode("utf-8", "replace")
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a proxy's page, say
            said = str(json.loads(error.content)["status"]["error"])
        return f"status {error.status_code}: {' '.join(said.split())}"
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__


__all__ = [
    "ClosedError",
    "CollectionMissingError",
    "DimensionError",
    "LocationBusyError",
    "QdrantError",
    "RefusedError",
    "ServerAwayError",
    "UpsertError",
    "VectorMissingError",
    "conflict",
    "missing",
    "transient",
    "translated",
]
