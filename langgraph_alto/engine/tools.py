"""Which tool calls may start before their message has ended."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from langgraph.prebuilt import ToolNode
from langgraph.types import Send

from langgraph_alto._langgraph import is_plain_tool
from langgraph_alto.engine.growth import in_context
from langgraph_alto.engine.partial import PartialDict
from langgraph_alto.gathering.effects import inside
from langgraph_alto.streams.declare import START_EARLY, Stream


def calls_of(arg: Any) -> list[Any] | None:
    """The tool calls in what an agent sends to its tools; ``None`` where it is none."""
    if in_context(arg):
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
    calls = calls_of(packet.arg)
    node = nodes.get(packet.node)
    tools = None if node is None else inside(node.bound)
    if not isinstance(tools, ToolNode):
        # Somebody's own node may run tools as well; what they are is not known.
        named = {call["name"] for call in calls or ()} <= stream.tools
        return packet if named and not in_context(packet.arg) else None
    if not calls:
        return None
    for call in calls:
        tool = tools.tools_by_name.get(call["name"])
        if tool is None or not is_plain_tool(tools, call["name"]):
            return None
        declared = bool((tool.metadata or {}).get(START_EARLY))
        if not declared and call["name"] not in stream.tools:
            return None
    if isinstance(packet.arg, list):
        return packet
    twin = copy(packet)
    state = packet.arg["state"]
    known: Mapping[str, Any] = {}
    unsure = frozenset(state) if isinstance(state, Mapping) else frozenset({"state"})
    twin.arg = {**packet.arg, "state": PartialDict(packet.node, known, unsure).target}
    return twin
