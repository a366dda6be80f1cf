"""The one module that imports LangGraph's private names.

The engine subclasses LangGraph's loop and runner, so it needs names that
LangGraph does not promise to keep. They are all imported here, behind a check
of the installed version: outside ``1.2.x``, or where a name has gone,
:data:`unsupported` says why, and :func:`langgraph_alto.wrap` falls back to
LangGraph's own schedule with a warning.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

SUPPORTED = "1.2"
"""The LangGraph series whose internals this version of the engine knows."""

installed = version("langgraph")

unsupported: str | None = None
"""Why the engine cannot drive the installed LangGraph; ``None`` when it can."""

if installed.split(".")[:2] != SUPPORTED.split("."):
    unsupported = (
        f"langgraph {installed} is installed; this version of langgraph-alto knows "
        f"langgraph {SUPPORTED}.x"
    )
else:
    try:
        from langchain_core.tracers._streaming import (
            _StreamingCallbackHandler as StreamingCallbackHandler,
        )
        from langgraph._internal._config import (
            ensure_config,
            get_async_callback_manager_for_config,
            get_callback_manager_for_config,
            patch_config,
        )
        from langgraph._internal._constants import (
            CONF,
            CONFIG_KEY_CALL,
            CONFIG_KEY_CHECKPOINT_NS,
            CONFIG_KEY_CHECKPOINTER,
            CONFIG_KEY_READ,
            CONFIG_KEY_REPLAY_STATE,
            CONFIG_KEY_RESUMING,
            CONFIG_KEY_RUNNER_SUBMIT,
            CONFIG_KEY_RUNTIME,
            CONFIG_KEY_SCRATCHPAD,
            CONFIG_KEY_SEND,
            CONFIG_KEY_STREAM,
            CONFIG_KEY_TASK_ID,
            ERROR,
            ERROR_SOURCE_NODE,
            INTERRUPT,
            NO_WRITES,
            NS_SEP,
            NULL_TASK_ID,
            PULL,
            PUSH,
            RESERVED,
            RESUME,
            RETURN,
            TASKS,
        )
        from langgraph._internal._runnable import (
            ASYNCIO_ACCEPTS_CONTEXT,
            RunnableCallable,
            RunnableSeq,
            set_config_context,
        )
        from langgraph._internal._scratchpad import PregelScratchpad
        from langgraph._internal._typing import MISSING
        from langgraph.graph._branch import BranchSpec
        from langgraph.pregel import Pregel
        from langgraph.pregel._algo import (
            PregelTaskWrites,
            apply_writes,
            local_read,
            prepare_single_task,
            task_path_str,
        )
        from langgraph.pregel._checkpoint import create_checkpoint
        from langgraph.pregel._executor import AsyncBackgroundExecutor, BackgroundExecutor
        from langgraph.pregel._log import logger
        from langgraph.pregel._loop import AsyncPregelLoop, PregelLoop, SyncPregelLoop
        from langgraph.pregel._messages import StreamMessagesHandler
        from langgraph.pregel._read import PregelNode
        from langgraph.pregel._retry import arun_with_retry, run_with_retry
        from langgraph.pregel._runner import (  # type: ignore[attr-defined]
            EXCLUDED_FRAME_FNAMES,
            SKIP_RERAISE_SET,
            FuturesDict,
            PregelRunner,
            _acall,
            _call,
            _exception,
            _panic_or_proceed,
            _should_stop_others,
        )
        from langgraph.pregel._tools import StreamToolCallHandler
        from langgraph.pregel._write import (
            ChannelWrite,
            ChannelWriteEntry,
            ChannelWriteTupleEntry,
        )
        from langgraph.pregel.protocol import StreamProtocol
    except ImportError as exc:
        unsupported = f"langgraph {installed} lacks a name the engine needs: {exc}"

__all__ = [
    "ASYNCIO_ACCEPTS_CONTEXT",
    "CONF",
    "CONFIG_KEY_CALL",
    "CONFIG_KEY_CHECKPOINTER",
    "CONFIG_KEY_CHECKPOINT_NS",
    "CONFIG_KEY_READ",
    "CONFIG_KEY_REPLAY_STATE",
    "CONFIG_KEY_RESUMING",
    "CONFIG_KEY_RUNNER_SUBMIT",
    "CONFIG_KEY_RUNTIME",
    "CONFIG_KEY_SCRATCHPAD",
    "CONFIG_KEY_SEND",
    "CONFIG_KEY_STREAM",
    "CONFIG_KEY_TASK_ID",
    "ERROR",
    "ERROR_SOURCE_NODE",
    "EXCLUDED_FRAME_FNAMES",
    "INTERRUPT",
    "MISSING",
    "NO_WRITES",
    "NS_SEP",
    "NULL_TASK_ID",
    "PULL",
    "PUSH",
    "RESERVED",
    "RESUME",
    "RETURN",
    "SKIP_RERAISE_SET",
    "SUPPORTED",
    "TASKS",
    "AsyncBackgroundExecutor",
    "AsyncPregelLoop",
    "BackgroundExecutor",
    "BranchSpec",
    "ChannelWrite",
    "ChannelWriteEntry",
    "ChannelWriteTupleEntry",
    "FuturesDict",
    "Pregel",
    "PregelLoop",
    "PregelNode",
    "PregelRunner",
    "PregelScratchpad",
    "PregelTaskWrites",
    "RunnableCallable",
    "RunnableSeq",
    "StreamMessagesHandler",
    "StreamProtocol",
    "StreamToolCallHandler",
    "StreamingCallbackHandler",
    "SyncPregelLoop",
    "_acall",
    "_call",
    "_exception",
    "_panic_or_proceed",
    "_should_stop_others",
    "apply_writes",
    "arun_with_retry",
    "create_checkpoint",
    "ensure_config",
    "get_async_callback_manager_for_config",
    "get_callback_manager_for_config",
    "installed",
    "is_plain_tool",
    "local_read",
    "logger",
    "patch_config",
    "prepare_single_task",
    "rebind",
    "run_with_retry",
    "set_config_context",
    "task_path_str",
    "unsupported",
]


def rebind(function: F, **names: Any) -> F:
    """Return a copy of ``function`` that sees other objects under these globals.

    ``Pregel.stream`` names its loop and runner as globals of its module. A copy
    with those names rebound runs on our subclasses, and leaves the module, and
    every graph that is not wrapped, as it is.

    Args:
        function: A plain function, with or without a closure.
        names: Globals to replace, by name; each must exist already.

    Raises:
        KeyError: A name is no global of the function's module.
    """
    scope = function.__globals__
    for name in names:
        scope[name]
    copy = types.FunctionType(
        function.__code__,
        {**scope, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__annotations__ = function.__annotations__
    copy.__qualname__ = function.__qualname__
    copy.__doc__ = function.__doc__
    copy.__module__ = function.__module__
    return copy  # type: ignore[return-value]


def is_plain_tool(tools: Any, name: str) -> bool:
    """Whether a ``ToolNode`` gives a tool the arguments of its call, and nothing else.

    Args:
        tools: The ``ToolNode``.
        name: The tool's name.
    """
    injected = getattr(tools, "_injected_args", {}).get(name)
    given = (getattr(injected, part, True) for part in ("state", "store", "runtime"))
    around = (getattr(tools, part, True) for part in ("_wrap_tool_call", "_awrap_tool_call"))
    return not any(given) and not any(around)
