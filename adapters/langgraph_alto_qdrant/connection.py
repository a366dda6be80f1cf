"""One Qdrant, embedded or on a server, for any number of event loops and threads.

The client lives on an event loop in a thread of its own::

    event loop A ──╮
    event loop B ──┼──▶ worker thread: AsyncQdrantClient ──▶ :memory:, folder or server
    thread C     ──╯

Embedded, Qdrant's async client computes without ever awaiting, so it blocks the
loop that it is on: here that is nobody else's, and as there is one thread, which
the engine needs, there are no locks. To a server it has one pool of connections,
whatever loops the callers are on, and a caller who goes away cancels his request.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
import ssl
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from langgraph_alto_qdrant.errors import ClosedError, transient, translated

MEMORY = ":memory:"
_PORT = 6333
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_PAUSE = 30.0
_GROWING = wait_exponential(multiplier=0.1, max=2.0) + wait_random(0.0, 0.1)

_CLIENTS_OWN = (
    ApiException,
    QdrantException,
    asyncio.TimeoutError,
    # Of the embedded engine:
    OSError,
    RuntimeError,
    ValueError,
    sqlite3.Error,
)


@dataclass(eq=False)
class _Worker:
    """The thread's side; holds no reference to its ``Connection``, so that can be collected."""

    make: Callable[[], AsyncQdrantClient]
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread | None = None
    client: AsyncQdrantClient | None = None
    futures: set[Future[Any]] = field(default_factory=set)


class Connection:
    """A Qdrant to talk to.

    Nothing is opened before the first call. Close it, or use it as a context
    manager; one that is forgotten is closed when it is collected.

    Args:
        location: ``":memory:"`` for an embedded store that ends with the connection,
            the path of a folder for one that stays, or the ``http(s)://`` address of a
            server. An address without a port means Qdrant's own, 6333.
        url: The address of a server, in place of ``location``.
        api_key: Sent to the server with each request; never shown.
        timeout: How long a call to a server may take, in seconds, each attempt.
        verify: Whether the server's certificate is checked: ``True`` by the system's
            authorities, else an SSL context; ``False`` is for tests.
        attempts: How often a call is made, if the server cannot be reached, does not
            answer in time, or says that it cannot now. Writes too: they can be repeated.

    Raises:
        ValueError: The address has credentials in it or is no address, or an argument
            for a server is given for an embedded store.
    """

    def __init__(
        self,
        location: str | Path = MEMORY,
        *,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = 10.0,
        verify: bool | ssl.SSLContext = True,
        attempts: int = 4,
    ) -> None:
        if url is not None:
            if str(location) != MEMORY:
                raise ValueError(f"both location={str(location)!r} and url= are given; give one")
            if not url.startswith(("http://", "https://")):
                raise ValueError("url= must begin with http:// or https://")
            location = url
        if timeout <= 0 or attempts < 1:
            raise ValueError(f"timeout={timeout} must be above 0, attempts={attempts} at least 1")
        text = str(location)
        self.remote = text.startswith(("http://", "https://"))
        self.attempts = attempts if self.remote else 1
        self.timeout = timeout
        if self.remote:
            text = _address(text, api_key is not None)
            options: dict[str, Any] = {
                "url": text,
                "port": _PORT,
                # Whole seconds only; the exact time is watched over here.
                "timeout": math.ceil(timeout) + 1,
                "verify": verify,
                # Not as the client's own argument: it would warn on another thread.
                "headers": {"api-key": api_key} if api_key is not None else None,
                # Would start a thread, and ask the server before anybody asked for it.
                "check_compatibility": False,
            }
            self.where = f"the server at {text}"
        else:
            if api_key is not None:
                raise ValueError(f"api_key= is for a server, and {text!r} is an embedded store")
            memory = text == MEMORY
            options = {"location": MEMORY} if memory else {"path": text}
            # There is one thread, which the client need not find out.
            options["force_disable_check_same_thread"] = True
            self.where = "the embedded store in memory" if memory else f"the embedded store {text}"
        self._make = lambda: AsyncQdrantClient(**options)
        self._lock = threading.Lock()
        self._closed = False
        self._worker: _Worker | None = None
        self._finalizer: weakref.finalize[..., Connection] | None = None

    def __repr__(self) -> str:
        return f"Connection({self.where})"

    # -- calls, from any thread -----------------------------------------------------

    def submit(self, method: str, collection: str, **arguments: Any) -> Future[Any]:
        """Call a method of the client for a collection.

        Args:
            method: The method of ``AsyncQdrantClient``.
            collection: The collection's name.
            **arguments: The method's other arguments.

        Returns:
            A future with what it returns, or one of this package's errors. Cancelling it
            cancels the call, where that can still be done.

        Raises:
            ClosedError: The connection is closed.
        """
        future = self.future()
        self.post(self._start, future, method, collection, arguments)
        return future

    def future(self) -> Future[Any]:
        """A future that fails when the connection is closed before it is done.

        Raises:
            ClosedError: The connection is closed.
        """
        futures = self._running().futures
        future: Future[Any] = Future()
        futures.add(future)
        future.add_done_callback(futures.discard)
        return future

    def post(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Have something called on the worker's event loop, in the order of the posts.

        Raises:
            ClosedError: The connection is closed.
        """
        worker = self._running()
        try:
            # No context of whoever happens to call: others share what comes of it.
            worker.loop.call_soon_threadsafe(callback, *arguments, context=Context())
        except RuntimeError as error:
            raise self._closed_error() from error

    # -- on the worker --------------------------------------------------------------

    async def call(self, method: str, collection: str, **arguments: Any) -> Any:
        """What ``submit`` does, for those who are on the worker's event loop already."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.attempts),
            wait=_pause,
            retry=retry_if_exception(transient),
            reraise=True,
        )
        try:
            return await retrying(self._once, method, collection, arguments)
        except _CLIENTS_OWN as error:
            raise translated(
                error,
                where=self.where,
                method=method,
                collection=collection,
                attempts=self.attempts,
            ) from error

    async def _once(self, method: str, collection: str, arguments: dict[str, Any]) -> Any:
        worker = self._running()
        if worker.client is None:
            worker.client = worker.make()
        call = getattr(worker.client, method)(collection_name=collection, **arguments)
        if not self.remote:
            return await call
        return await asyncio.wait_for(call, self.timeout)

    def _start(
        self, future: Future[Any], method: str, collection: str, arguments: dict[str, Any]
    ) -> None:
        if future.cancelled():
            return

        async def run() -> None:
            try:
                resolve(future, await self.call(method, collection, **arguments))
            except Exception as error:  # noqa: BLE001 - the caller's, who waits for it
                resolve(future, error)

        task = asyncio.ensure_future(run())

        def cancel(done: Future[Any]) -> None:
            if done.cancelled():
                with contextlib.suppress(ClosedError):  # then it has been cancelled
                    self.post(task.cancel)

        future.add_done_callback(cancel)

    # -- life -----------------------------------------------------------------------

    def close(self) -> None:
        """End the thread, the client and its connections, and give the folder back.

        Calls that are under way fail with ``ClosedError``. May be called again.
        """
        with self._lock:
            self._closed = True
        if self._finalizer is not None:
            self._finalizer()

    async def aclose(self) -> None:
        """Close it without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _running(self) -> _Worker:
        if self._closed:
            raise self._closed_error()
        if self._worker is not None:
            return self._worker
        with self._lock:
            if self._closed:
                raise self._closed_error()
            if self._worker is None:
                worker = self._worker = _Worker(self._make, asyncio.new_event_loop())
                self._finalizer = weakref.finalize(self, _stop, worker)
                worker.thread = threading.Thread(
                    target=_serve, args=(worker,), name="langgraph-alto-qdrant", daemon=True
                )
                worker.thread.start()
            return self._worker

    def _closed_error(self) -> ClosedError:
        return ClosedError(f"the connection to {self.where} is closed; open another one")


def resolve(future: Future[Any], outcome: object) -> None:
    """Give a future its result, or its error, unless nobody wants it any more."""
    if future.done() or not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _serve(worker: _Worker) -> None:
    asyncio.set_event_loop(worker.loop)
    try:
        worker.loop.run_forever()
    finally:
        asyncio.set_event_loop(None)
        worker.loop.close()
        # From here on nothing can be posted; what was posted too late to run fails.
        for future in list(worker.futures):
            resolve(future, ClosedError("the connection was closed before the answer"))


def _stop(worker: _Worker) -> None:
    """End a worker; from its own thread, where garbage may be collected, without waiting."""
    worker.loop.call_soon_threadsafe(
        lambda: worker.loop.create_task(_shut_down(worker)), context=Context()
    )
    if worker.thread is not None and threading.current_thread() is not worker.thread:
        worker.thread.join()


async def _shut_down(worker: _Worker) -> None:
    loop = asyncio.get_running_loop()
    try:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if worker.client is not None:
            await worker.client.close()
        await loop.shutdown_asyncgens()
        # Names are looked up there. As Python itself ends, there is nothing left to end.
        with contextlib.suppress(RuntimeError):
            await loop.shutdown_default_executor()
    finally:
        loop.stop()


def _pause(state: RetryCallState) -> float:
    """Seconds until the next attempt: what the server asks for, else longer each time."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, ResourceExhaustedResponse):
        return min(float(error.retry_after_s), _LONGEST_PAUSE)
    return _GROWING(state)


def _address(url: str, secret: bool) -> str:
    """A server's address, without anything that must not be shown."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("url= names no host; give it as in https://qdrant.example:6333")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "url= holds credentials or a query, which would show in logs; give the address "
            "alone, and the key as api_key="
        )
    if secret and parts.scheme == "http" and parts.hostname not in _LOCAL:
        warnings.warn(
            f"the API key for {parts.hostname} is sent without encryption; use https://",
            stacklevel=4,
        )
    return url.rstrip("/")


__all__ = ["MEMORY", "Connection", "resolve"]
