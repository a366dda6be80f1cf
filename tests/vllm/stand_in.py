"""A stand-in for the model server, for what the real one will not do when it is asked to.

It speaks as much of HTTP and of the protocol as the adapters use, and fails as the tests tell
it. No model is in it: what is true of vLLM itself, the tests marked ``vllm`` say.

    python -m tests.vllm.stand_in TOKENS SECONDS    # serves streams until its input ends
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What is sent: bytes, pauses in seconds, and at the end whether the connection breaks.

    Args:
        parts: What the body is made of; a number is a pause before the next part.
        status: The HTTP status.
        headers: Further headers.
        breaks: Whether the connection is cut after the last part, without the body's end.
        hangs: Whether nothing follows, while the connection stays open.
    """

    parts: Sequence[bytes | float] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False
    hangs: bool = False


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> Json:
    """An event of a stream."""
    said = {"content": text, **more} if text is not None else more
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "stand-in",
        "choices": [{"index": 0, "delta": said, "finish_reason": finish}],
    }


def event(data: Json | str) -> bytes:
    """An event's bytes."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def streamed(*texts: str, pause: float = 0.0) -> list[bytes | float]:
    """The parts of a whole stream."""
    parts: list[bytes | float] = [event(delta("", role="assistant"))]
    for text in texts:
        parts += [pause, event(delta(text))] if pause else [event(delta(text))]
    end = [delta(finish="stop"), {"id": "chatcmpl-1", "choices": [], "usage": USAGE}]
    return [*parts, *map(event, end), event("[DONE]")]


def whole(text: str, **message: Any) -> list[bytes | float]:
    """The parts of an answer that is not streamed."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    answer = {"id": "chatcmpl-1", "model": "stand-in", "choices": [choice], "usage": USAGE}
    return [json.dumps(answer).encode()]


def answer(request: Json) -> Reply:
    """Three words, streamed or not, as asked."""
    return Reply(streamed("one ", "two ", "three") if request.get("stream") else whole("one two"))


class StandIn:
    """The server, in a thread of its own; a context manager.

    Args:
        reply: Answers each request, given its body.
        port: Where it listens; a free one by default.

    Attributes:
        requests: The bodies of the requests, in order.
        headers: Their headers.
        connections: How many connections are open.
        left: How many requests were left by the client before their answer's end.
    """

    def __init__(self, reply: Callable[[Json], Reply] = answer, port: int = 0) -> None:
        self.reply = reply
        self.port = port
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.left = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stand-in")
        self._started = threading.Event()
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Its address, up to and with ``/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> StandIn:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; returns whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or "{}")
        self.requests.append(body)
        self.headers.append(headers)
        reply = self.reply(body)
        kind = "text/event-stream" if body.get("stream") else "application/json"
        lines = {"Content-Type": kind, "Transfer-Encoding": "chunked", **reply.headers}
        writer.write(f"HTTP/1.1 {reply.status} Reply\r\n".encode())
        writer.write("".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n")
        gone = asyncio.ensure_future(reader.read(1))
        try:
            for part in reply.parts:
                if isinstance(part, bytes):
                    writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                    await writer.drain()
                elif await self._within(gone, part):
                    return False
            if reply.hangs and await self._within(gone, 3600):
                return False
            if reply.breaks:
                return False
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await gone
        return True

    async def _within(self, gone: asyncio.Future[bytes], seconds: float) -> bool:
        """Whether the client leaves within a pause."""
        done, _ = await asyncio.wait([gone], timeout=seconds)
        self.left += bool(done)
        return bool(done)


def main() -> None:
    """Serve streams from a process of its own, and print the address."""
    tokens, seconds = int(sys.argv[1]), float(sys.argv[2])
    parts = streamed(*(f"word{n} " for n in range(tokens)), pause=seconds)
    with StandIn(lambda _: Reply(parts)) as server:
        print(server.url, flush=True)
        sys.stdin.read()
        print(server.connections, server.left, flush=True)


if __name__ == "__main__":
    main()
