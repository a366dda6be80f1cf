"""Installs that overlap: blocks of concurrent tasks need not nest."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph_alto import AltoGraph, install
from tests.guarantees.support import Journal, uneven


def compiled(**options: Any) -> Any:
    return uneven("sync", Journal()).compile(**options)


def policy_of(graph: Any) -> str | None:
    return graph.alto.policy if isinstance(graph, AltoGraph) else None


async def test_async_functions_at_once() -> None:
    """Blocks that do not nest in time: whoever leaves last, nothing stays installed."""

    @install()
    async def waits(seconds: float) -> str | None:
        await asyncio.sleep(seconds)
        return policy_of(compiled())

    seen = await asyncio.gather(waits(0.02), waits(0.04), waits(0))
    assert list(seen) == ["proven"] * 3
    assert policy_of(compiled()) is None
