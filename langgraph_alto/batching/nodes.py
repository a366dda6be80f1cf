"""The runnable that stands for a batched node in a wrapped graph."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakValueDictionary

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.pregel import Pregel

from langgraph_alto.batching.calls import (
    Calls,
    FunctionCalls,
    RunnableCalls,
    apart,
    only,
)
from langgraph_alto.batching.declare import Batch, Declared, declared_of, node_of

TICKET = "__alto_batch_ticket"
"""Where the engine leaves, in a task's config, how its call gets into a batch."""


class Ticket(Protocol):
    """How a task's call gets into a batch."""

    async def call(self, node: BatchNode, input: Any, config: Any) -> Any:
        """Wait in a batch on the event loop, and for what comes of it."""

    def outcome(self) -> tuple[Any] | None:
        """What came of the task's item in a batch called already, in a thread; once."""


class Watch(Protocol):
    """Counts and delays node bodies, for ``check``: one per item, as in plain LangGraph."""

    def enter(self) -> None:
        """A body begins, in a thread."""

    async def aenter(self) -> None:
        """A body begins, on the event loop."""

    def note(self, error: Exception) -> None:
        """A body has raised."""


class BatchNode(Runnable[Any, Any]):
    """A node whose calls go into batches, where the engine says how, and else alone.

    Args:
        inner: The node's own runnable, as LangGraph has it.
        how: How it is batched.
        name: Its name.

    Raises:
        TypeError: The node has no form that takes a list.
    """

    def __init__(self, inner: Runnable[Any, Any], how: Batch, name: str) -> None:
        self.inner = inner
        self.how = how
        self.name = name
        self.label = name
        self.calls = _calls(inner, how, name)
        self.watch: Watch | None = None
        # One for each event loop that has runs of the graph; it goes with the last of them.
        self.batchers: WeakValueDictionary[int, Any] = WeakValueDictionary()

    @cached_property
    def runs(self) -> Any:
        """What runs for one input: the node's own, or a node of the list-taking function."""
        if self.how.function is None:
            return self.inner
        return node_of(self.how.function, Batch(self.how.max_size))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """What came of the task's item, or a call with a list of one."""
        if self.calls.asynchronous:
            raise TypeError(
                f"the function of batched node {self.name!r} is a coroutine function; run "
                "the graph with ainvoke, astream or abatch"
            )
        ticket: Ticket | None = (config or {}).get("configurable", {}).get(TICKET)
        if self.watch is not None:
            self.watch.enter()
        try:
            outcome = None if ticket is None else ticket.outcome()
            return only(outcome or self.calls.many([input], [config]))
        except Exception as error:
            if self.watch is not None:
                self.watch.note(error)
            raise

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Wait in a batch, or call with a list of one."""
        ticket: Ticket | None = (config or {}).get("configurable", {}).get(TICKET)
        if self.watch is not None:
            await self.watch.aenter()
        try:
            if ticket is None:
                return only(await apart(self.calls, [input], [config]))
            return await ticket.call(self, input, config)
        except Exception as error:
            if self.watch is not None:
                self.watch.note(error)
            raise


def node_declared(runnable: Any) -> Declared | None:
    """What ``@batched`` left on a node's function, looked for in LangGraph's runnable."""
    for part in ("func", "afunc"):
        if (declared := declared_of(getattr(runnable, "__dict__", {}).get(part))) is not None:
            return declared
    return None


def batched_node(bound: Any, option: Batch | None, name: str) -> Any:
    """A node's runnable as it is in a wrapped graph.

    Args:
        bound: The node's runnable, batched or not.
        option: What ``wrap(batch=...)`` says of the node.
        name: The node's name.

    Raises:
        TypeError: The option names a node that has no form that takes a list.
    """
    inner = bound.inner if isinstance(bound, BatchNode) else bound
    declared = node_declared(inner)
    if option is None and declared is None:
        return inner
    batch = option if option is not None else declared.batch if declared else None
    assert batch is not None
    if isinstance(bound, BatchNode) and bound.how == batch:
        return bound
    return BatchNode(inner, batch, name)


def batch_nodes(nodes: Mapping[str, Any]) -> dict[str, BatchNode]:
    """The batched nodes of a wrapped graph, by name, those of gathered fan-outs included."""
    from langgraph_alto.gathering.scopes import Tracked

    found = {}
    for name, node in nodes.items():
        bound = node.bound.inner if isinstance(node.bound, Tracked) else node.bound
        if isinstance(bound, BatchNode):
            found[name] = bound
    return found


def _calls(inner: Any, batch: Batch, name: str) -> Calls:
    """The form of a node that takes a list."""
    from langgraph_alto.gathering.nodes import GatherNode

    if isinstance(inner, GatherNode):
        raise TypeError(
            f"batch names the node {name!r}, which is a gather: it calls its function once for "
            "each parent; leave it out"
        )
    if isinstance(inner, Pregel):
        raise TypeError(
            f"batch names the node {name!r}, which is a graph; batch a node inside of it, "
            "with @batched"
        )
    if batch.function is not None:
        return FunctionCalls(batch.function, name)
    if (declared := node_declared(inner)) is not None:
        return FunctionCalls(declared.function, name)
    if _has_own_batch(inner):
        return RunnableCalls(inner, name)
    raise TypeError(
        f"batch names the node {name!r}, whose function takes one input; decorate a function "
        "that takes a list with @batched, or give Batch(..., function=...) one that returns a "
        "list of what the node returns for each input"
    )


def _has_own_batch(inner: Any) -> bool:
    """Whether a node is a runnable of LangChain's, whose ``batch`` does more than call it."""
    # LangGraph's own wrapper around a function has `batch` from its base only.
    return isinstance(inner, Runnable) and not (
        type(inner).__module__.startswith("langgraph.") and hasattr(inner, "func")
    )
