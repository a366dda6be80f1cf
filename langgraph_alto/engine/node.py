"""The runnable of a node, without the ceremony of callbacks that nobody hears.

LangGraph starts and ends a traced run around every node, and makes a callback
manager for each of its writers. With no handler to tell, that is some bookkeeping
and, on an event loop, a shielded task per node, all for nothing. What a node sees
in its config stays the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.callbacks.manager import (
    AsyncCallbackManager,
    AsyncCallbackManagerForChainRun,
    CallbackManager,
    CallbackManagerForChainRun,
)
from langchain_core.utils.uuid import uuid7

from langgraph_alto._langgraph import (
    ASYNCIO_ACCEPTS_CONTEXT,
    ChannelWrite,
    PregelNode,
    RunnableSeq,
    ensure_config,
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    patch_config,
    set_config_context,
)


class NodeSeq(RunnableSeq):
    """A node's body and writers; tells handlers only where there are some."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        config = ensure_config() if config is None else config
        manager = get_callback_manager_for_config(config)
        if manager.handlers or manager.inheritable_handlers:
            return super().invoke(input, config, **kwargs)
        run_id = config.pop("run_id", None) or uuid7()
        for place, step in enumerate(self.steps):
            if place and type(step) is ChannelWrite:
                input = step.invoke(input, config)  # it has no use for callbacks
                continue
            config = patch_config(config, callbacks=_child(CallbackManager, manager, run_id, place))
            if place:
                input = step.invoke(input, config)
            else:
                with set_config_context(config, None) as context:
                    input = context.run(step.invoke, input, config, **kwargs)
        return input

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        config = ensure_config() if config is None else config
        manager = get_async_callback_manager_for_config(config)
        if manager.handlers or manager.inheritable_handlers:
            return await super().ainvoke(input, config, **kwargs)
        run_id = config.pop("run_id", None) or uuid7()
        for place, step in enumerate(self.steps):
            if place and type(step) is ChannelWrite:
                input = await step.ainvoke(input, config)
                continue
            child = _child(AsyncCallbackManager, manager, run_id, place)
            config = patch_config(config, callbacks=child)
            if place or not ASYNCIO_ACCEPTS_CONTEXT:
                input = await step.ainvoke(input, config, **({} if place else kwargs))
            else:
                in_context: Any = asyncio.create_task  # with a context, from Python 3.11 on
                with set_config_context(config, None) as context:
                    input = await in_context(step.ainvoke(input, config, **kwargs), context=context)
        return input

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


def _child(kind: Any, manager: Any, run_id: Any, place: int) -> Any:
    """The callbacks that a step of the sequence is given, in one go."""
    tags, metadata = manager.inheritable_tags, manager.inheritable_metadata
    return kind(
        handlers=[],
        inheritable_handlers=[],
        parent_run_id=run_id,
        tags=[*tags, f"seq:step:{place + 1}"],
        inheritable_tags=[*tags],
        metadata={**metadata},
        inheritable_metadata={**metadata},
    )


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
