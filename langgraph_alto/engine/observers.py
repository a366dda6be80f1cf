"""Who reads a partial state: the node, or somebody who only looks on.

Callback handlers and tracers are handed the inputs of whatever a node calls.
They look at all of them, but nothing that a node does comes of it. So they are
shown the part that is certain, where the node itself would be refused.
"""

from __future__ import annotations

import sys
from types import FrameType

_HANDLED = frozenset({"handle_event", "ahandle_event", "_ahandle_event_for_handler"})
_MANAGER = "langchain_core.callbacks.manager"
_TRACERS = ("langsmith", "langchain_core.tracers")
_BETWEEN = (*_TRACERS, "copy", "json", "collections", "pydantic", "concurrent")

DEPTH = 60
"""How many frames are looked through at most."""


def only_looked_at() -> bool:
    """Whether whoever reads right now is a callback handler or a tracer.

    That is so below LangChain's dispatch of events, where no node ever runs; and
    where a tracer's own code asks, with nobody else's in between: a node may well
    run below a tracer's decorator.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame).startswith("langgraph_alto."):
        frame = frame.f_back
    direct = True
    for _ in range(DEPTH):
        if frame is None:
            return False
        module = _module(frame)
        if module == _MANAGER and frame.f_code.co_name in _HANDLED:
            return True
        if direct and _within(module, _TRACERS):
            return True
        direct = direct and _within(module, _BETWEEN)
        frame = frame.f_back
    return False


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
