"""A stand-in for a Qdrant server, over real HTTP; not Qdrant.

It has the few endpoints that the adapter uses, answers them by the client's own embedded
engine, and says "not found" and "refused" as the server does. What it is for is what goes
over the wire: keys, timeouts, and answers that fail, come late, or get lost half way.
What a real server does is tested where ``QDRANT_URL`` is set.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models

Call = Literal["info", "create", "upsert", "query", "count", "delete"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Args:
        call: The kind of request.
        done: How much of a write is done before, 0 to 1.
        status: What is answered; ``None``: the connection is cut.
        seconds: How long that takes.
        headers: What is answered with it.
    """

    call: Call
    done: float = 0.0
    status: int | None = None
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class StandIn:
    """The server, on a port of its own, until it is closed.

    Args:
        api_key: What requests must bring.
        tls: For ``https``.
    """

    def __init__(self, api_key: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.api_key = api_key
        self.engine = QdrantClient(":memory:", force_disable_check_same_thread=True)
        self.lock = threading.Lock()
        self.faults: deque[Fault] = deque()
        self.calls: list[tuple[Call, int]] = []
        """Each request's kind, and how many points or questions were in it."""
        self.connections: set[tuple[str, int]] = set()
        self.open = 0
        self.most = 0
        self.pause = 0.0
        self.over = threading.Event()
        """Set to end what a fault would still wait."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self.port = self._server.server_address[1]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.engine.close()

    def of(self, call: Call) -> list[int]:
        return [size for kind, size in self.calls if kind == call]

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A request is under way, until its answer is sent."""
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            yield
        finally:
            with self.lock:
                self.open -= 1

    # -- one request ------------------------------------------------------------------

    def answer(self, verb: str, path: str, body: Any) -> tuple[int, dict[str, str], Any] | None:
        """Status, headers and body; ``None`` to cut the connection."""
        found = re.fullmatch(r"/collections/([^/]+)(/points.*)?", path)
        assert found, f"the adapter uses an endpoint that the stand-in has not: {verb} {path}"
        name, rest = found[1], found[2] or ""
        call, size = _kind(verb, rest, body)
        self.calls.append((call, size))
        fault = next((one for one in self.faults if one.call == call), None)
        if fault is not None:
            self.faults.remove(fault)
            self.over.wait(fault.seconds)
            if fault.done:
                self._do(call, name, body, fault.done)
            if fault.status is None:
                return None
            if fault.status != 200:
                return fault.status, fault.headers, _error("the stand-in was told to")
        time.sleep(self.pause)
        if call not in ("create", "delete") and not self.engine.collection_exists(name):
            return 404, {}, _error(f"Not found: Collection `{name}` doesn't exist!")
        try:
            result = self._do(call, name, body, 1.0)
        except ValueError as error:
            if "already exists" in str(error):
                return 409, {}, _error(f"Wrong input: Collection `{name}` already exists!")
            return 400, {}, _error(f"Wrong input: {error}")
        return 200, {}, {"result": _plain(result), "status": "ok", "time": 0.0}

    def _do(self, call: Call, name: str, body: Any, share: float) -> Any:
        engine = self.engine
        with self.lock:
            if call == "info":
                return engine.get_collection(name)
            if call == "create":
                given = models.CreateCollection.model_validate(body)
                return engine.create_collection(
                    name,
                    vectors_config=given.vectors or {},
                    sparse_vectors_config=given.sparse_vectors,
                )
            if call == "delete":
                return engine.delete_collection(name)
            if call == "count":
                return engine.count(name)
            if call == "upsert":
                points = TypeAdapter(list[models.PointStruct]).validate_python(body["points"])
                return engine.upsert(name, points[: round(len(points) * share)])
            asked = TypeAdapter(list[models.QueryRequest]).validate_python(body["searches"])
            return engine.query_batch_points(name, asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                try:
                    self._serve()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_PUT = do_POST = do_DELETE = do_GET

            def _serve(self) -> None:
                stand_in.connections.add(self.client_address)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path = self.path.partition("?")[0]
                answer: tuple[int, dict[str, str], Any] | None
                if stand_in.api_key is not None and self.headers["api-key"] != stand_in.api_key:
                    answer = 401, {}, _error("Invalid API key or JWT")
                else:
                    with stand_in.counted():
                        answer = stand_in.answer(self.command, path, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, said = answer
                content = json.dumps(said).encode()
                self.send_response(status)
                for key, value in {
                    **headers,
                    "Content-Type": "application/json",
                    "Content-Length": str(len(content)),
                }.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _kind(verb: str, rest: str, body: Any) -> tuple[Call, int]:
    if rest == "/points/query/batch":
        return "query", len(body["searches"])
    if rest == "/points/count":
        return "count", 0
    if rest == "/points":
        return "upsert", len(body["points"])
    whole: dict[str, Call] = {"PUT": "create", "DELETE": "delete", "GET": "info"}
    return whole[verb], 0


def _error(text: str) -> dict[str, Any]:
    return {"status": {"error": text}, "time": 0.0}


def _plain(result: Any) -> Any:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    return [_plain(one) for one in result] if isinstance(result, list) else result
