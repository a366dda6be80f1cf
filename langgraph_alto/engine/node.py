"""The runnable of a node, without the ceremony of callbacks that nobody hears.

LangGraph starts and ends a traced run around every node. With no handler to
tell, that is some bookkeeping and, on an event loop, a shielded task per node,
all for nothing. What a node sees in its config stays the same.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks.manager import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
)
from langchain_core.utils.uuid import uuid7

from langgraph_alto._langgraph import (
    PregelNode,
    RunnableSeq,
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
)


class NodeSeq(RunnableSeq):
    """A node's body and writers; tells handlers only where there are some."""

    def _start(self, input: Any, config: Any) -> Any:
        manager = get_callback_manager_for_config(config)
        if manager.handlers:
            return super()._start(input, config)
        return _silent(CallbackManagerForChainRun, manager, config)

    async def _astart(self, input: Any, config: Any) -> Any:
        manager = get_async_callback_manager_for_config(config)
        if manager.handlers:
            return await super()._astart(input, config)
        return _silent(AsyncCallbackManagerForChainRun, manager, config)

    def _end(self, run_manager: Any, output: Any) -> None:
        if run_manager.handlers:
            super()._end(run_manager, output)

    async def _aend(self, run_manager: Any, output: Any) -> None:
        if run_manager.handlers:
            await super()._aend(run_manager, output)


def _silent(kind: Any, manager: Any, config: Any) -> Any:
    return kind(
        run_id=config.pop("run_id", None) or uuid7(),
        handlers=manager.handlers,
        inheritable_handlers=manager.inheritable_handlers,
        parent_run_id=manager.parent_run_id,
        tags=manager.tags,
        inheritable_tags=manager.inheritable_tags,
        metadata=manager.metadata,
        inheritable_metadata=manager.inheritable_metadata,
    )


def quiet(node: PregelNode) -> PregelNode:
    """A copy of a node that runs as a :class:`NodeSeq`, where it is a sequence."""
    copy = node.copy({})
    sequence = copy.node
    if type(sequence) is RunnableSeq:
        own = NodeSeq.__new__(NodeSeq)
        vars(own).update(vars(sequence))
        vars(copy)["node"] = own
    return copy
