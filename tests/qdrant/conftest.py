"""Places to keep a collection in."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from langgraph_alto_qdrant import Connection
from tests.qdrant.stand_in import StandIn

URL = os.environ.get("QDRANT_URL")
SERVER = [pytest.param("server", marks=pytest.mark.qdrant)] if URL else []


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A stand-in for a server."""
    found = StandIn()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(params=["memory", "folder", "stand-in", *SERVER])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """Qdrant: embedded in both ways, the stand-in, and a server if ``QDRANT_URL`` says where."""
    if request.param == "server":
        given = Connection(url=URL, api_key=os.environ.get("QDRANT_API_KEY"))
    elif request.param == "stand-in":
        given = Connection(url=request.getfixturevalue("stand_in").url)
    else:
        given = Connection(":memory:" if request.param == "memory" else tmp_path / "store")
    with given as connection:
        yield connection


@pytest.fixture
def collection(place: Connection) -> Iterator[str]:
    """A name that no other test uses, and nothing of it on a server afterwards."""
    name = f"alto-{uuid.uuid4().hex}"
    yield name
    if place.remote:
        place.submit("delete_collection", name).result()
