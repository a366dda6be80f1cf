"""The real servers' addresses; without them, tests marked ``vllm`` are skipped."""

from __future__ import annotations

import os

import pytest

from tests.vllm.serve import EMBEDDING_URL, URL


def address(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        pytest.skip(f"{name} is not set: `make test-vllm` starts the real servers")
    return found


@pytest.fixture(scope="session")
def chat_url() -> str:
    """The chat server's address, up to and with ``/v1``."""
    return address(URL)


@pytest.fixture(scope="session")
def embedding_url() -> str:
    """The embedding server's address, up to and with ``/v1``."""
    return address(EMBEDDING_URL)


def pytest_configure(config: pytest.Config) -> None:
    """The marks that LangChain's suites carry."""
    for mark in ("benchmark", "vcr"):
        config.addinivalue_line("markers", f"{mark}: LangChain's standard suites carry it")
