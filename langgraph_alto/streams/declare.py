"""Declared streams: which state key a node's model writes, and how it is cut."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from langchain_core.messages import BaseMessage

if TYPE_CHECKING:
    from langgraph_alto.streams.split import Factory

START_EARLY = "start_early"
"""What a tool's ``metadata`` holds, true, where it may start before its message has ended."""

_AGENTS = ("agent", "model")
"""What the node that asks the model is called, in LangGraph's agents and in LangChain's."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a node's model writes while it writes it, for the node's own routers.

    Args:
        key: The state key that the text, or the message, goes to.
        by: When a part of it can no longer change: the name of a splitter
            (``"sentence"``, ``"line"``, ``"item"``, ``"element"``), one of those in
            :mod:`langgraph_alto.streams.split`, or a function that cuts a text into
            pieces. Default: whatever the routers make of the text at hand, but for
            the last packet of each; for a key of messages, complete tool calls.
        tools: Names of the tools whose calls may start before the message has
            ended; beside those whose ``metadata`` say ``{"start_early": True}``.
    """

    key: str
    by: str | Factory | Callable[[str], list[str]] | None = None
    tools: frozenset[str] = frozenset()

    def __init__(
        self,
        key: str,
        by: str | Factory | Callable[[str], list[str]] | None = None,
        tools: Collection[str] = (),
    ) -> None:
        if not key or not isinstance(key, str):
            raise TypeError(f"a Stream's key is {key!r}; give the name of a state key")
        if isinstance(tools, str):
            raise TypeError(f"tools is the string {tools!r}; give a collection of tool names")
        if by is not None:
            from langgraph_alto.streams.split import Factory, splitter

            if not isinstance(by, str | Factory) and not callable(by):
                raise TypeError(
                    f"by is {by!r}; give the name of a splitter, one of those in "
                    "langgraph_alto.streams.split, or a function that cuts a text into pieces"
                )
            by = splitter(by)  # an unknown name is an error here
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "by", by)
        object.__setattr__(self, "tools", frozenset(tools))


def is_messages(channel: object) -> bool:
    """Whether what is written to a state key are messages, which are added to others."""
    added = getattr(channel, "operator", None)
    if getattr(added, "__module__", "") == "langgraph.graph.message":
        return True
    kind = _bare(getattr(channel, "typ", None))
    return added is operator.add and any(_is_message(each) for each in get_args(kind))


def _bare(kind: Any) -> Any:
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _is_message(kind: Any) -> bool:
    kind = _bare(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(map(_is_message, get_args(kind)))
    return isinstance(kind, type) and issubclass(kind, BaseMessage)


def _is_text(kind: Any) -> bool:
    """Whether a text may be written to a key of a type; so it may where that is not known."""
    kind = _bare(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(map(_is_text, get_args(kind)))
    if isinstance(kind, type):
        return kind is object or issubclass(kind, str)
    return get_origin(kind) is None or not isinstance(get_origin(kind), type)


def streams_of(
    declared: Mapping[str, str | Stream], nodes: Collection[str], channels: Mapping[str, Any]
) -> dict[str, Stream]:
    """Check declared streams against a graph.

    Args:
        declared: By node name; a state key stands for ``Stream(key)``.
        nodes: The graph's nodes. ``"agent"`` and ``"model"`` stand for each other
            where there is only one of them.
        channels: The channels of its state keys.

    Raises:
        TypeError: A key holds neither a text nor messages that are added to others.
        ValueError: A node or a key is not the graph's.
    """
    found: dict[str, Stream] = {}
    for name, stream in declared.items():
        node = name
        if name not in nodes and name in _AGENTS:
            node = next((other for other in _AGENTS if other in nodes), name)
        if node not in nodes:
            raise ValueError(
                f"streams names the node {name!r}, which the graph does not have; "
                f"its nodes are {', '.join(sorted(nodes))}"
            )
        chosen = Stream(stream) if isinstance(stream, str) else stream
        if chosen.key not in channels:
            raise ValueError(
                f"streams[{name!r}] names the key {chosen.key!r}, which the graph's state does "
                f"not have; its keys are {', '.join(sorted(channels))}"
            )
        channel = channels[chosen.key]
        if not is_messages(channel) and not _is_text(getattr(channel, "typ", Any)):
            raise TypeError(
                f"streams[{name!r}] names the key {chosen.key!r}, which holds neither a text nor "
                f"messages that are added to others, but {channel.typ}; give the key that the "
                "model's own text goes to"
            )
        found[node] = chosen
    return found


def check_streams(declared: Any) -> dict[str, str | Stream]:
    """Check the option of ``wrap``, as far as that takes no graph.

    Raises:
        TypeError: It is no mapping of node names to state keys or ``Stream``.
    """
    if declared is not None and not isinstance(declared, Mapping):
        raise TypeError(
            f"streams is a {type(declared).__name__}; give a mapping of node names to state "
            'keys, such as {"draft": "answer"}'
        )
    for name, stream in (declared or {}).items():
        if not isinstance(stream, str | Stream):
            raise TypeError(
                f"streams[{name!r}] is {stream!r}; give the name of a state key, or a "
                "langgraph_alto.Stream"
            )
    return dict(declared or {})
