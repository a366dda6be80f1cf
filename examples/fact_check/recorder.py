"""When each task ran, observed from outside the graph by a LangChain callback handler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """Which task of the fact checker: the same in every run and on every engine.

    Args:
        node: The node's name.
        claim: The claim's number, from 1; 0 for tasks that serve them all.
        query: The number of the claim's query, from 1; 0 before there is one.
        attempt: 1 for the first search, 2 for the one after rephrasing. For
            ``join``, the highest attempt among the judgments that it saw.
    """

    node: str
    claim: int = 0
    query: int = 0
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """When a task's node ran, in seconds since the recorder was made."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.end - self.start


class TaskRecorder(BaseCallbackHandler):
    """Notes when each task of one run starts and ends, and counts how often nodes run.

    Pass it in ``config={"callbacks": [recorder]}``; use a new one for each run.
    """

    # Called in the event loop, not through a thread pool, so that times are exact.
    run_inline = True

    def __init__(self) -> None:
        self.node_runs = 0
        self._begin = time.perf_counter()
        self._keys: dict[UUID, TaskKey] = {}
        self._starts: dict[UUID, float] = {}
        self._spans: dict[TaskKey, Span] = {}

    @property
    def spans(self) -> dict[TaskKey, Span]:
        """Every finished task and when it ran, by start."""
        return dict(sorted(self._spans.items(), key=lambda item: item[1].start))

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A node starts, if the chain bears a node's name; routers and others are passed over."""
        node = (metadata or {}).get("langgraph_node")
        if node is not None and kwargs.get("name") == node:
            self._keys[run_id] = task_key(node, inputs)
            self._starts[run_id] = self._now()
            self.node_runs += 1

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A node ends. Of several chains for one task, the longest ran the node's body."""
        key = self._keys.pop(run_id, None)
        if key is not None:
            span = Span(self._starts.pop(run_id), self._now())
            if key not in self._spans or span.seconds > self._spans[key].seconds:
                self._spans[key] = span

    def _now(self) -> float:
        return time.perf_counter() - self._begin


def task_key(node: str, inputs: Any) -> TaskKey:
    """The key of the task that runs ``node`` on ``inputs``."""
    if not isinstance(inputs, Mapping):
        return TaskKey(node)
    if node == "join":
        return TaskKey(node, attempt=max(j["attempt"] for j in inputs["judgments"]))
    if "claim" not in inputs:
        return TaskKey(node)
    return TaskKey(
        node,
        claim=inputs["claim"]["number"],
        query=inputs.get("number", 0),
        attempt=inputs.get("attempt", 0),
    )
