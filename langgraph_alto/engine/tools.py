"""Which tool calls may start before their message has ended."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from langgraph.prebuilt import ToolNode
from langgraph.types import Send

from langgraph_alto._langgraph import is_plain_tool
from langgraph_alto.engine.partial import PartialDict
from langgraph_alto.streams.declare import START_EARLY, Stream

_WITH_CONTEXT = "tool_call_with_context"


def calls_of(arg: Any) -> list[Any] | None:
    """The tool calls in what an agent sends to its tools; ``None`` where it is none."""
    if isinstance(arg, dict) and arg.get("__type") == _WITH_CONTEXT:
        return [arg["tool_call"]]
    if (
        isinstance(arg, list)
        and arg
        and all(isinstance(call, dict) and call.get("type") == "tool_call" for call in arg)
    ):
        return list(arg)
    return None


def may_start_early(nodes: Mapping[str, Any], packet: Send, stream: Stream) -> Send | None:
    """A packet that may start now; ``None`` where it must wait for the end.

    A call of a tool starts early where the user says so, and only where all that it
    is given is in the call: a tool that is given state, store or runtime, or that is
    called through somebody else's function, waits. What an agent sends beside the call,
    the whole state, is left out: the message it will hold is still being written.

    Args:
        nodes: The graph's nodes.
        packet: What a router returned on half a message.
        stream: What was declared.
    """
    node = nodes.get(packet.node)
    tools = None if node is None else getattr(node, "bound", None)
    calls = calls_of(packet.arg)
    if not isinstance(tools, ToolNode):
        return packet
    if calls is None:
        return None
    for call in calls:
        tool = tools.tools_by_name.get(call["name"])
        if tool is None or not is_plain_tool(tools, call["name"]):
            return None
        named = call["name"] in stream.tools or bool((tool.metadata or {}).get(START_EARLY))
        if not named:
            return None
    if isinstance(packet.arg, list):
        return packet
    twin = copy(packet)
    state = packet.arg["state"]
    known: Mapping[str, Any] = {}
    unsure = frozenset(state) if isinstance(state, Mapping) else frozenset({"state"})
    twin.arg = {**packet.arg, "state": PartialDict(packet.node, known, unsure).target}
    return twin
