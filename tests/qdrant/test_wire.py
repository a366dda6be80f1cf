"""What goes over the wire, against the stand-in: keys, TLS, timeouts, servers that are away."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.types import RetryPolicy

import langgraph_alto_qdrant
from langgraph_alto_qdrant import (
    ClosedError,
    Connection,
    LocationBusyError,
    QdrantError,
    QdrantRetriever,
    RefusedError,
    ServerAwayError,
)
from tests.qdrant.stand_in import Fault, StandIn
from tests.qdrant.support import documents, retriever, until

SECRET = "key-that-nobody-may-see"


@pytest.fixture
def locked() -> Iterator[StandIn]:
    """A stand-in that wants a key."""
    found = StandIn(api_key=SECRET)
    try:
        yield found
    finally:
        found.close()


async def test_the_key_is_sent(locked: StandIn) -> None:
    async with retriever(locked.url, api_key=SECRET) as found:
        await found.aensure_collection()
        await found.aupsert(documents(5))
        assert len(await found.ainvoke("item", limit=9)) == 5


async def test_a_wrong_key(locked: StandIn) -> None:
    async with retriever(locked.url, api_key="other-secret") as found:
        with pytest.raises(RefusedError, match=r"status 401: Invalid API key.*api_key=") as told:
            await found.ainvoke("a")
        assert "other-secret" not in str(told.value)


def test_the_key_is_never_shown(locked: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        retriever(locked.url, api_key=SECRET) as found,
        Connection(url=locked.url, api_key=SECRET) as connection,
    ):
        found.ensure_collection()
        with pytest.raises(QdrantError) as error:
            retriever(connection, collection="none").invoke("a")
        told = [error.value, error.value.__cause__]
        shown = [
            *map(repr, [found, connection, found.api_key, *told]),
            *map(str, [found, connection, *told]),
            str(found.model_dump(exclude={"dense", "sparse", "location", "batching"})),
            str(found.to_json()),
            caplog.text,
        ]
    with pytest.raises(ValueError, match="mode") as wrong:
        retriever(locked.url, api_key=SECRET, mode="best")
    with pytest.raises(ValueError, match="collection") as missing:
        QdrantRetriever.model_validate({"api_key": SECRET})
    shown += [str(wrong.value), str(missing.value)]
    assert not [one for one in shown if SECRET in one]


@pytest.mark.parametrize(
    "url", [f"https://me:{SECRET}@host", f"https://host?api-key={SECRET}", f"http://{SECRET}@host"]
)
def test_keys_in_addresses_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="api_key=") as error:
        Connection(url=url)
    assert SECRET not in str(error.value)


def test_a_key_without_encryption_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"the API key for qdrant\.example is sent without"):
        Connection(url="http://qdrant.example:6333", api_key=SECRET)
    Connection(url="https://qdrant.example:6333", api_key=SECRET)


async def test_tls(tmp_path: Path) -> None:
    """A certificate is checked, by the system's authorities or by a context."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
        f"-keyout {key} -out {certificate} -subj /CN=stand-in -addext subjectAltName=IP:127.0.0.1"
    )
    made = await asyncio.create_subprocess_exec(*command.split(), stderr=subprocess.DEVNULL)
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = StandIn(api_key=SECRET, tls=context)
    try:
        trusted = ssl.create_default_context(cafile=certificate)
        async with retriever(server.url, api_key=SECRET, verify=trusted) as found:
            await found.aensure_collection()
            assert await found.ainvoke("a") == []
        stranger = Connection(url=server.url, api_key=SECRET, attempts=1)
        async with stranger:
            with pytest.raises(ServerAwayError, match=r"(?i)certificate"):
                await retriever(stranger).ainvoke("a")
    finally:
        server.close()


async def test_no_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Connection(url=url, attempts=2) as connection:
            found = retriever(connection)
            said = rf"collection 'items' of the server at {url} failed 2 times.*ConnectError"
            with pytest.raises(ServerAwayError, match=said) as away:
                await found.ainvoke("a")
            # LangGraph's own retry policy, unless told otherwise, tries it again.
            retry_on = RetryPolicy().retry_on
            assert callable(retry_on)
            assert retry_on(away.value)
            with pytest.raises(ServerAwayError, match="see whether the server runs"):
                await asyncio.to_thread(found.upsert, documents(3))


async def test_a_server_that_comes_back(stand_in: StandIn) -> None:
    async with retriever(stand_in.url) as found:
        await found.aensure_collection()
        await found.aupsert(documents(3))
        stand_in.faults += [Fault("query"), Fault("query", status=502), Fault("query", status=503)]
        assert len(await found.ainvoke("item")) == 3
        assert stand_in.of("query") == [1, 1, 1, 1]
        stand_in.faults += [Fault("query", status=503)] * 4
        with pytest.raises(ServerAwayError, match=r"failed 4 times.*status 503"):
            await found.ainvoke("item")
        assert len(await found.ainvoke("item")) == 3


async def test_a_collection_whose_making_was_not_answered(stand_in: StandIn) -> None:
    stand_in.faults += [Fault("create", done=1.0)]
    async with retriever(stand_in.url) as found:
        await found.aensure_collection()
        assert stand_in.of("create") == [0, 0]
        assert await found.ainvoke("a") == []


async def test_a_server_that_does_not_answer(stand_in: StandIn) -> None:
    async with Connection(url=stand_in.url, timeout=1.0, attempts=2) as connection:
        found = retriever(connection)
        await found.aensure_collection()
        stand_in.faults += [Fault("query", seconds=60, status=200)] * 2
        start = time.perf_counter()
        with pytest.raises(ServerAwayError, match=r"no answer in time.*timeout="):
            await found.ainvoke("a")
        assert time.perf_counter() - start < 30
        assert await found.ainvoke("a") == []


async def test_something_that_is_no_qdrant(stand_in: StandIn) -> None:
    stand_in.faults += [Fault("info", status=418)]
    async with retriever(stand_in.url) as found:
        with pytest.raises(RefusedError, match=r"refused with status 418"):
            await found.ainvoke("a")


async def test_calls_under_way_end_with_the_connection(stand_in: StandIn) -> None:
    stand_in.pause = 0.5
    found = retriever(stand_in.url)
    asking = [asyncio.ensure_future(found.ainvoke("a")) for _ in range(3)]
    in_thread = asyncio.ensure_future(asyncio.to_thread(found.invoke, "a"))
    await until(lambda: bool(stand_in.of("info")))
    await found.aclose()
    ended = await asyncio.gather(*asking, in_thread, return_exceptions=True)
    assert [type(one) for one in ended] == [ClosedError] * 4
    with pytest.raises(ClosedError, match="open another one"):
        await found.ainvoke("a")


# -- nothing is left behind -----------------------------------------------------------


def ours() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "langgraph-alto-qdrant"]


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    retriever(tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert not ours()


@pytest.mark.parametrize("forgotten", [False, True])
def test_closing_leaves_no_thread_and_no_lock(tmp_path: Path, forgotten: bool) -> None:
    store = tmp_path / "store"
    found = retriever(store)
    found.ensure_collection()
    found.upsert(documents(3))
    assert len(ours()) == 1
    if forgotten:
        del found
        gc.collect()
    else:
        found.close()
        found.close()
    assert not ours()
    with retriever(store) as again:
        assert len(again.invoke("item")) == 3
    assert not ours()


# The client leaves the file that it could not lock to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_that_another_client_has_open(tmp_path: Path) -> None:
    with retriever(tmp_path) as first, retriever(tmp_path) as second:
        first.ensure_collection()
        said = r"another client has the embedded store .* open; share one Connection"
        with pytest.raises(LocationBusyError, match=said):
            second.invoke("a")
        first.close()
        assert second.invoke("a") == []
        gc.collect()


def test_a_program_that_forgets_to_close_ends(stand_in: StandIn, tmp_path: Path) -> None:
    code = """if True:
        import sys
        from langgraph_alto_qdrant import HashedBM25, QdrantRetriever

        kept = []
        for location in sys.argv[1:]:
            found = QdrantRetriever(collection="items", location=location, sparse=HashedBM25())
            found.ensure_collection()
            print(found.invoke("a"))
            kept.append(found)
    """
    path = Path(langgraph_alto_qdrant.__file__).parents[1]
    places = [":memory:", str(tmp_path / "store"), stand_in.url.replace("127.0.0.1", "localhost")]
    done = subprocess.run(
        [sys.executable, "-Werror", "-c", code, *places],
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{path.parent}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n[]\n[]\n", "")


async def test_a_connection_that_was_given_is_not_closed() -> None:
    async with Connection() as connection:
        async with retriever(connection) as first:
            await first.aensure_collection()
        assert await retriever(connection).ainvoke("a") == []
    assert not ours()
    with pytest.raises(ValueError, match="belong to the Connection"):
        retriever(connection, api_key=SECRET)


def test_connections_to_a_server_are_closed(stand_in: StandIn) -> None:
    with retriever(stand_in.url) as found:
        found.ensure_collection()
        found.upsert(documents(10), batch_size=2)
    assert not ours()
