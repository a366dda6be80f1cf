"""What the account of a gathered fan-out adds to the effects of its nodes.

Analysis reads the user's own functions; these say where they are, and what the
runnables around them read, write and send beside.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from langgraph_alto.batching.nodes import BatchNode
from langgraph_alto.gathering.nodes import GatherNode
from langgraph_alto.gathering.scopes import Addressed, Tracked
from langgraph_alto.plan.effects import Facts


def inside(runnable: Any) -> Any:
    """The user's own runnable, or function, in that of a node or conditional edge."""
    if isinstance(runnable, Tracked | Addressed):
        runnable = runnable.inner
    if isinstance(runnable, BatchNode):
        return runnable.runs
    if isinstance(runnable, GatherNode):
        return runnable.function
    return runnable


def with_account(runnable: Any, facts: Facts) -> Facts:
    """What a node does, its account included.

    Args:
        runnable: The node's.
        facts: What the user's part of it does.
    """
    if isinstance(runnable, GatherNode):
        log = runnable.declaration.log
        # What its function reads is what it is given; of the state it sees nothing.
        return replace(
            facts,
            reads=frozenset({(log,)}),
            writes=_added(facts.writes, {log}),
            doubts=tuple(doubt for doubt in facts.doubts if doubt.fact != "reads"),
            least_reads=frozenset({log}),
        )
    if isinstance(runnable, Tracked):
        logs = {role.log for role in runnable.scope.roles}
        return replace(
            facts,
            writes=_added(facts.writes, logs),
            goto=sends_of(runnable, facts.goto),
            **_packets(facts, runnable),
        )
    return facts


def sends_of(runnable: Any, known: Collection[str] | None) -> frozenset[str] | None:
    """Where a node or conditional edge may send packets, phantoms included."""
    if known is None or not isinstance(runnable, Tracked | Addressed):
        return None if known is None else frozenset(known)
    return _added(known, {target for role in runnable.scope.roles for target in role.targets[:1]})


def _packets(facts: Facts, runnable: Any) -> dict[str, Any]:
    """Where a node's own packets may go, where analysis tells them from names."""
    known = getattr(facts, "sends", None)
    return {} if known is None else {"sends": sends_of(runnable, known)}


def _added(known: Collection[str] | None, more: set[str]) -> frozenset[str] | None:
    return None if known is None else frozenset(known) | more
