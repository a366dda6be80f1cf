"""Hold what a run ahead emits until LangGraph asks for its task.

LangGraph's streams have an order that users rely on. A task that runs ahead of
its superstep writes tokens, custom events and the streams of its subgraphs
here; at adoption they go out, and from then on they pass straight through.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from copy import copy
from functools import partial
from typing import Any

from langgraph_alto._langgraph import (
    CONF,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_STREAM,
    StreamMessagesHandler,
    StreamProtocol,
    StreamToolCallHandler,
)
from langgraph_alto.ancestry import METADATA

Chunk = tuple[tuple[str, ...], str, Any]


class Events:
    """The held events of one run ahead.

    Thread-safe: a node's threads may emit while the loop's thread releases.
    """

    __slots__ = ("_held", "_lock", "_rename", "_via")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held: deque[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] | None
        self._held = deque()
        self._rename: Callable[[Any], Any] | None = None
        self._via: Events | None = None

    def emit(self, sink: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Hold a call of ``sink``, or make it when the events were released."""
        with self._lock:
            if self._held is not None:
                # As they are now: the node may go on to use the same containers.
                self._held.append((sink, _as_now(args), kwargs))
                return
        self._call(sink, args, kwargs)

    def release(
        self, rename: Callable[[Any], Any] | None = None, via: Events | None = None
    ) -> None:
        """Let out what is held, in order, and everything after it.

        Args:
            rename: Applied to each call's ``metadata``, to put the task's true
                identity in place of a provisional one.
            via: The events of another run ahead that these become part of.
        """
        with self._lock:
            held, self._held, self._rename, self._via = self._held, None, rename, via
            for sink, args, kwargs in held or ():
                self._call(sink, args, kwargs)

    def discard(self) -> None:
        """Forget what is held, and ignore what may still come."""
        with self._lock:
            self._held = deque(maxlen=0)

    def _call(
        self, sink: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if self._rename is not None and kwargs.get("metadata"):
            kwargs = {**kwargs, "metadata": self._rename(kwargs["metadata"])}
        if self._via is not None:
            self._via.emit(sink, *args, **kwargs)
        else:
            sink(*args, **kwargs)


def hold(config: dict[str, Any], events: Events) -> None:
    """Point every stream of a task's config at ``events``; changes ``config``.

    Args:
        config: The config of a task made for a run ahead, not shared.
        events: Where its events are held.
    """
    conf = config[CONF]
    runtime = conf[CONFIG_KEY_RUNTIME]
    writer = runtime.stream_writer

    def write(chunk: Any) -> None:
        # LangGraph's writer looks up the namespace of its caller when called.
        context = copy_context()
        events.emit(lambda: context.run(writer, chunk))

    conf[CONFIG_KEY_RUNTIME] = runtime.override(stream_writer=write)
    if (stream := conf.get(CONFIG_KEY_STREAM)) is not None:
        conf[CONFIG_KEY_STREAM] = StreamProtocol(
            lambda chunk: events.emit(stream, chunk), stream.modes
        )
    manager = config.get("callbacks")
    if manager is None:
        return
    for handlers in (manager.handlers, manager.inheritable_handlers):
        for place, handler in enumerate(handlers):
            if isinstance(handler, StreamMessagesHandler | StreamToolCallHandler):
                handlers[place] = _held_handler(handler, events)


def _held_handler(handler: Any, events: Events) -> Any:
    """A twin of a stream's callback handler that holds what it is told.

    A handler of messages remembers which ones it has streamed, so it is told of
    a task's events when they are released, not when they happen. One of tools
    acts on its caller's context, so it is told at once, and its output is held.
    """
    twin = copy(handler)
    if isinstance(handler, StreamMessagesHandler):
        for name in dir(type(handler)):
            if name.startswith("on_"):
                setattr(twin, name, partial(events.emit, getattr(handler, name)))
    else:
        sink = handler.stream
        twin.stream = lambda chunk: events.emit(sink, chunk)
    return twin


def without_ancestry(manager: Any) -> None:
    """Keep the ancestry that tasks have in their metadata out of the stream of messages.

    LangGraph's handler streams each message with all metadata of its task; streams
    are LangGraph's in all parts.

    Args:
        manager: The callback manager of the run; its handlers are those of the run.
    """
    for handler in getattr(manager, "inheritable_handlers", ()):
        if isinstance(handler, StreamMessagesHandler) and type(handler.stream) is not _Plain:
            handler.stream = _Plain(handler.stream)


class _Plain:
    """A stream that messages go to without their task's ancestry."""

    def __init__(self, stream: Callable[[Chunk], None]) -> None:
        self.stream = stream

    def __call__(self, chunk: Chunk) -> None:
        namespace, mode, (message, metadata) = chunk
        if METADATA in metadata:
            metadata = {key: value for key, value in metadata.items() if key != METADATA}
        self.stream((namespace, mode, (message, metadata)))


def _as_now(value: Any) -> Any:
    """A copy of plain containers, and of those in them."""
    kind = type(value)
    if kind is dict:
        return {key: _as_now(each) for key, each in value.items()}
    if kind is list or kind is tuple or kind is set:
        return kind(map(_as_now, value))
    return value
