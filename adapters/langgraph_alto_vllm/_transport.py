"""Requests over HTTP: connections, attempts, and which replica is asked. Sync and async.

A connection pool is opened for the first request and closed with the last one that uses
it, so nothing is left when a run ends, and an event loop never meets another's sockets.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import (
    AsyncExitStack,
    ExitStack,
    aclosing,
    asynccontextmanager,
    closing,
    contextmanager,
)
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeAlias, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from langgraph_alto_vllm._answers import Reading, named, parsed, refused
from langgraph_alto_vllm._protocol import Json, shows
from langgraph_alto_vllm._replicas import Replicas
from langgraph_alto_vllm.errors import VLLMError, VLLMTimeoutError

CONNECT_S = 10.0
POOL = 16
"""Requests that share a connection pool. Whenever one ends, httpcore goes over its pool's
connections for each of them: 200 in one pool held up the event loop for 0.6 s."""

FIRST_WAIT_S, MOST_WAIT_S = 0.5, 8.0
"""Before the second attempt, and before any, unless the server names a time."""

MOST_RETRY_AFTER_S = 60.0
"""The longest time a server may name; asked for more, a request fails instead."""

_Client = TypeVar("_Client")
_Begun: TypeAlias = tuple[AsyncExitStack, list[Json], AsyncGenerator[Json, None]]
"""What ends a stream, the events read already, and those to come."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a request may take and how often it is tried.

    Args:
        silence: Seconds without a byte from the server.
        whole: Seconds for all of one attempt.
        attempts: How often it is tried.
    """

    silence: float
    whole: float | None
    attempts: int


@dataclass(slots=True)
class _Open(Generic[_Client]):
    client: _Client
    users: int = 0


def _roomy(pools: list[_Open[_Client]], new: Callable[[], _Client]) -> _Open[_Client]:
    """A pool with room for another user, who is counted."""
    found = next((pool for pool in pools if pool.users < POOL), None)
    if found is None:
        found = _Open(new())
        pools.append(found)
    found.users += 1
    return found


def _left(pools: list[_Open[_Client]], pool: _Open[_Client]) -> bool:
    """Take a user off a pool; returns whether it was the last, so that it must be closed."""
    pool.users -= 1
    if not pool.users:
        pools.remove(pool)
    return not pool.users


@dataclass(slots=True)
class Call:
    """One request, in all its attempts.

    Args:
        path: The path after ``/v1``.
        body: What is sent.
        beginning: The prompt's beginning, which chooses the replica.
        limits: How long it may take.
    """

    path: str
    body: Json
    beginning: bytes
    limits: Limits
    failed_at: set[str] = field(default_factory=set)


class Transport:
    """Sends requests to a server's replicas.

    Args:
        urls: The replicas' addresses, each up to and with ``/v1``.
        key: Sent as the bearer token.
    """

    def __init__(self, urls: tuple[str, ...], key: str) -> None:
        self.replicas = Replicas(urls)
        self._options: dict[str, Any] = {
            "verify": _tls(),
            "limits": httpx.Limits(max_connections=None),
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "trust_env": False,
        }
        self._async: dict[asyncio.AbstractEventLoop, list[_Open[httpx.AsyncClient]]] = {}
        self._sync: list[_Open[httpx.Client]] = []
        self._lock = threading.Lock()
        self._given = urls, key

    def __reduce__(self) -> Any:
        """A copy, or what is unpickled, has connections of its own."""
        return Transport, self._given

    # -- asynchronous

    async def apost(self, call: Call) -> Json:
        """The whole answer to a request.

        Raises:
            VLLMError: It failed, as often as it may be tried.
        """

        async def attempt(client: httpx.AsyncClient) -> Json:
            async with self._asent(client, call) as (answer, end):
                received = [part async for part in _abytes(answer, end)]
            return parsed(b"".join(received))

        async with self.aopen() as client:
            return await AsyncRetrying(**self._policy(call))(attempt, client)

    async def astream(self, call: Call) -> AsyncGenerator[Json]:
        """The events of an answer, as they come. Once one is seen, nothing is tried again.

        Raises:
            VLLMError: It failed, as often as it may be tried.
        """

        async def attempt(
            client: httpx.AsyncClient,
        ) -> _Begun:
            async with AsyncExitStack() as stack:
                answer, end = await stack.enter_async_context(self._asent(client, call))
                events = _aevents(answer, end)
                held: list[Json] = []
                async for event in events:
                    held.append(event)
                    if shows(event):
                        break
                return stack.pop_all(), held, events

        async with self.aopen() as client:
            trying = AsyncRetrying(**self._policy(call))
            opened: _Begun = await trying(attempt, client)
            stack, held, events = opened
            async with stack, aclosing(events):
                for event in held:
                    yield event
                async for event in events:
                    yield event

    @asynccontextmanager
    async def aopen(self) -> AsyncIterator[httpx.AsyncClient]:
        """Connections of this loop, kept open for as long as somebody is inside."""
        loop = asyncio.get_running_loop()
        with self._lock:
            opened = _roomy(
                self._async.setdefault(loop, []), lambda: httpx.AsyncClient(**self._options)
            )
        try:
            yield opened.client
        finally:
            with self._lock:
                last = _left(self._async[loop], opened)
                if not self._async[loop]:
                    del self._async[loop]
            if last:
                await opened.client.aclose()

    @asynccontextmanager
    async def _asent(
        self, client: httpx.AsyncClient, call: Call
    ) -> AsyncIterator[tuple[httpx.Response, float]]:
        with self._attempt(call) as url:
            end = _end(call)
            async with client.stream(
                "POST", url + call.path, json=call.body, timeout=_timeout(call)
            ) as answer:
                if answer.is_error:
                    raise refused(url, answer, await answer.aread())
                yield answer, end

    # -- synchronous

    def post(self, call: Call) -> Json:
        """As `apost`."""

        def attempt(client: httpx.Client) -> Json:
            with self._sent(client, call) as (answer, end):
                return parsed(b"".join(_bytes(answer, end)))

        with self.open() as client:
            return Retrying(**self._policy(call))(attempt, client)

    def stream(self, call: Call) -> Generator[Json]:
        """As `astream`."""

        def attempt(
            client: httpx.Client,
        ) -> tuple[ExitStack, list[Json], Generator[Json]]:
            with ExitStack() as stack:
                answer, end = stack.enter_context(self._sent(client, call))
                events = _events(answer, end)
                held: list[Json] = []
                for event in events:
                    held.append(event)
                    if shows(event):
                        break
                return stack.pop_all(), held, events

        with self.open() as client:
            stack, held, events = Retrying(**self._policy(call))(attempt, client)
            with stack, closing(events):
                yield from held
                yield from events

    @contextmanager
    def open(self) -> Generator[httpx.Client]:
        """Connections of the threads, kept open for as long as somebody is inside."""
        with self._lock:
            opened = _roomy(self._sync, lambda: httpx.Client(**self._options))
        try:
            yield opened.client
        finally:
            with self._lock:
                last = _left(self._sync, opened)
            if last:
                opened.client.close()

    @contextmanager
    def _sent(self, client: httpx.Client, call: Call) -> Generator[tuple[httpx.Response, float]]:
        with self._attempt(call) as url:
            end = _end(call)
            with client.stream(
                "POST", url + call.path, json=call.body, timeout=_timeout(call)
            ) as answer:
                if answer.is_error:
                    raise refused(url, answer, answer.read())
                yield answer, end

    # -- both

    @contextmanager
    def _attempt(self, call: Call) -> Generator[str]:
        """A replica for one attempt; what goes wrong is told to the replicas, and named."""
        url = self.replicas.take(call.beginning, time.monotonic(), call.failed_at)
        try:
            yield url
        except (httpx.HTTPError, httpx.InvalidURL, VLLMError) as error:
            found = named(url, error)
            if found.again:
                call.failed_at.add(url)
                self.replicas.failed(url, time.monotonic(), found.retry_after)
            if found is error:
                raise
            raise found from error
        else:
            self.replicas.worked(url)
        finally:
            self.replicas.give_back(url)

    def _policy(self, call: Call) -> dict[str, Any]:
        """When another attempt is made, and how long is waited before it."""

        def wait(state: RetryCallState) -> float:
            assert state.outcome is not None
            error = state.outcome.exception()
            if len(call.failed_at) < len(self.replicas.held):
                return 0.0  # another replica may answer at once
            most = min(FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1), MOST_WAIT_S)
            asked = error.retry_after if isinstance(error, VLLMError) else None
            if asked is None:
                return random.uniform(most / 2, most)
            # A crowd that was sent away with the same number does not come back as one.
            return asked + random.uniform(0, most)

        def passing(error: BaseException) -> bool:
            if not isinstance(error, VLLMError) or not error.again:
                return False
            return (error.retry_after or 0) <= MOST_RETRY_AFTER_S

        return {
            "retry": retry_if_exception(passing),
            "wait": wait,
            "stop": stop_after_attempt(call.limits.attempts),
            "reraise": True,
        }


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients: making it takes longer than a request to a local server."""
    return httpx.create_ssl_context()


def _timeout(call: Call) -> httpx.Timeout:
    return httpx.Timeout(call.limits.silence, connect=CONNECT_S, pool=None)


def _end(call: Call) -> float:
    return time.monotonic() + call.limits.whole if call.limits.whole else float("inf")


def _in_time(end: float) -> None:
    if time.monotonic() > end:
        raise VLLMTimeoutError("The whole answer took longer than allowed")


async def _abytes(answer: httpx.Response, end: float) -> AsyncGenerator[bytes]:
    async for part in answer.aiter_bytes():
        _in_time(end)
        yield part


def _bytes(answer: httpx.Response, end: float) -> Iterator[bytes]:
    for part in answer.iter_bytes():
        _in_time(end)
        yield part


async def _aevents(answer: httpx.Response, end: float) -> AsyncGenerator[Json]:
    reading = Reading(str(answer.url))
    async with aclosing(_abytes(answer, end)) as parts:
        async for part in parts:
            for event in reading.feed(part):
                yield event
    reading.finish()


def _events(answer: httpx.Response, end: float) -> Generator[Json]:
    reading = Reading(str(answer.url))
    for part in _bytes(answer, end):
        yield from reading.feed(part)
    reading.finish()
