"""What a model writes, shown to the routers of its node while it writes it.

A callback handler in the task's config hears the model. At each complete piece the
node's own routers are run on the state as it would be if the model stopped there,
and the packets that can no longer change become growth of the task::

    model ─▶ tap ─▶ splitter ─▶ routers ─▶ packets ─▶ predictor
             "A. B. C"  "A. B. "   [Send A, Send B]     start A, B

What the routers return in the end decides. They are run on what is certain only,
and where they ask for more, or fail on half a text, nothing is shown.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langgraph.types import Send

from langgraph_alto._langgraph import (
    CONF,
    CONFIG_KEY_CALL,
    CONFIG_KEY_READ,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_SCRATCHPAD,
    TASKS,
    PregelTaskWrites,
    StreamingCallbackHandler,
    local_read,
)
from langgraph_alto.engine.growth import same_packet
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.partial_objects import make_partial
from langgraph_alto.engine.routes import routes_of
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.engine.tools import may_start_early
from langgraph_alto.gathering.scopes import is_phantom
from langgraph_alto.streams.declare import Stream
from langgraph_alto.streams.split import Factory, Splitter, ToolCalls

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead
    from langgraph_alto.engine.run import Run

_ENDS = frozenset("\n.!?;:,]}\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f")
"""Where a text without a splitter is shown: a router may end a piece at any of these."""


class Text:
    """What is shown of a growing text."""

    def __init__(self, by: Factory | None) -> None:
        self.splitter: Splitter | None = None if by is None else by()
        self.parts: list[str] = []

    def feed(self, chunk: Any) -> bool:
        """Take a chunk; whether there is something new to show."""
        text = chunk if isinstance(chunk, str) else _text(chunk)
        if not text:
            return False
        if self.splitter is not None:
            return bool(self.splitter.feed(text))
        self.parts.append(text)
        return not _ENDS.isdisjoint(text)

    def close(self) -> None:
        """The model has ended."""
        if self.splitter is not None:
            self.splitter.close()

    def shown(self) -> Any:
        """What the state key would be if nothing more came."""
        return "".join(self.parts) if self.splitter is None else self.splitter.shown()


class Message(Text):
    """What is shown of a growing message: its text, or its complete tool calls."""

    def __init__(self, by: Factory | None) -> None:
        super().__init__(by)
        self.calls = ToolCalls() if by is None else None
        self.id: str | None = None

    def feed(self, chunk: Any) -> bool:
        if isinstance(chunk, str):
            chunk = AIMessageChunk(content=chunk)
        self.id = self.id or chunk.id
        if self.calls is None:
            return super().feed(chunk)
        return bool(self.calls.feed(chunk))

    def close(self) -> None:
        if self.calls is None:
            super().close()
        else:
            self.calls.close()

    def shown(self) -> Any:
        if self.calls is None:
            return [AIMessage(content=super().shown(), id=self.id)]
        return [self.calls.message()]


class Tap(BaseCallbackHandler, StreamingCallbackHandler[Any]):
    """Hears the models of one task, and shows its routers what they write.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        run: The run ahead, if the task runs ahead of its superstep.
        stream: What was declared.
    """

    run_inline = True

    def __init__(
        self, ahead: Ahead, known: Task, made: Any, run: Run | None, stream: Stream
    ) -> None:
        self.ahead = ahead
        self.known = known
        self.made = made
        self.run = run
        self.stream = stream
        self.node = ahead.loop.nodes[made.name]
        self.routes = routes_of(self.node)
        self.messages = stream.key in ahead.masks.messages
        self._live: set[Any] = set()
        self._model: Any = None
        self._text: Text | None = None
        self._given: list[list[Send]] = [[] for _ in self.routes]
        self._latest: tuple[Any, bool] | None = None
        self._routing = False
        self._off = not self.routes or stream.key not in ahead.masks.safe_reducers

    # -- what LangChain tells ---------------------------------------------------

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output

    def on_chat_model_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self._begin(run_id)

    def on_llm_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self._begin(run_id)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: Any, **_: Any) -> None:
        if run_id != self._model or self._off or self._text is None:
            return
        message = getattr(chunk, "message", None)
        piece = message if isinstance(message, AIMessageChunk) else token
        if isinstance(piece, str | AIMessageChunk):
            self._feed(piece)

    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        self._live.discard(run_id)
        if run_id != self._model or self._off or self._text is None:
            return
        self._text = None
        generations = response.generations[0] if response.generations else ()
        if not generations:
            return
        message = getattr(generations[0], "message", None)
        if self.messages:
            shown: Any = [message]
        else:
            shown = _text(message) if isinstance(message, BaseMessage) else generations[0].text
        self._show(shown, last=True)

    def on_llm_error(self, *_: Any, run_id: Any, **__: Any) -> None:
        # What was shown stays: the node decides what becomes of half a message.
        self._live.discard(run_id)
        if run_id == self._model:
            self._text = None

    def _begin(self, run_id: Any) -> None:
        if self._off:
            return
        if self._live:
            self._stop()  # two at once: nobody knows whose text it will be
            return
        again = self._model is not None
        self._live.add(run_id)
        self._model = run_id
        by: Any = self.stream.by
        self._text = Message(by) if self.messages else Text(by)
        if again:
            self._tell(self._retract)

    def _feed(self, piece: Any) -> None:
        assert self._text is not None
        try:
            if self._text.feed(piece):
                self._show(self._text.shown(), last=False)
        except ValueError:
            # The text is not what its splitter takes it for: the end will tell.
            self._text = None

    # -- showing ----------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether nobody will take what comes of the task."""
        return self.ahead.closed or self.known.run is not self.run

    def _stop(self) -> None:
        self._off = True
        self._text = None
        self._tell(self._retract)

    def _retract(self) -> None:
        self._latest = None
        self._given = [[] for _ in self.routes]
        with self.ahead.locked():
            if not self.over:
                self.ahead.retracted(self.known)

    def _tell(self, what: Any) -> None:
        what()

    def _show(self, value: Any, *, last: bool) -> None:
        raise NotImplementedError

    def _found(self, route: int, result: Any, *, last: bool) -> None:
        """Tell the predictor of the packets among a router's results that stay."""
        results = result if isinstance(result, list | tuple) else [result]
        packets = [packet for packet in results if isinstance(packet, Send)]
        packets = [packet for packet in packets if not is_phantom(packet)]
        if self.stream.by is None and not self.messages and not last:
            packets = packets[:-1]
        given = self._given[route]
        if not all(same_packet(old, new) for old, new in zip(given, packets, strict=False)):
            self._off = True  # the router thought better of it: the end will tell
            return
        fresh = packets[len(given) :]
        given.extend(fresh)
        chosen = (may_start_early(self.ahead.loop.nodes, each, self.stream) for each in fresh)
        early = [(TASKS, packet) for packet in chosen if packet is not None]
        with self.ahead.locked():
            if early and not self.over:
                self.ahead.grown(self.known, early)

    def _shown_state(self, writer: Any, value: Any) -> tuple[Any, Any] | None:
        """A router's state as it would be with the value written, and who watches it.

        Returns:
            The state, and the partial state that notes what was refused, if any.
        """
        ahead, key, step = self.ahead, self.stream.key, self.known.step
        reader = writer.kwargs.get("reader")
        if reader is None:
            return None
        select = reader.keywords["select"]
        keys = [select] if isinstance(select, str) else list(select)
        if ahead.frozen or key not in keys or isinstance(select, str):
            return None
        branch = writer.func.__self__
        other = ahead.masks.stages[self.known.node].writes or frozenset()
        known = [name for name in keys if name in ahead.loop.channels]
        certain = ahead.predictor.certain(known, step) - (other - {key}) | {key}
        channels = {name: ahead.predictor.virtual.channel(name, step) for name in certain}
        conf = self.made.config[CONF]
        state = local_read(
            conf[CONFIG_KEY_SCRATCHPAD],
            channels,
            ahead.loop.managed,
            PregelTaskWrites(self.made.path, self.made.name, [(key, value)], self.made.triggers),
            [name for name in keys if name in certain or name not in known],
            True,
        )
        mapper = reader.keywords.get("mapper")
        found = make_partial(mapper, self.made.name, state, frozenset(known) - certain)
        return None if found is None else (branch, found)

    def _config(self, manager: Any) -> Any:
        """The task's config for a router that is tried out: it is heard by nobody."""
        name = self.made.name

        def refused(*_: Any, **__: Any) -> Any:
            raise Misprediction(name, "did more than route on half a text")

        conf = self.made.config[CONF]
        runtime = conf[CONFIG_KEY_RUNTIME]
        return {
            **self.made.config,
            "callbacks": manager(handlers=[]),
            CONF: {
                **conf,
                CONFIG_KEY_SCRATCHPAD: replace(
                    conf[CONFIG_KEY_SCRATCHPAD],
                    interrupt_counter=refused,
                    get_null_resume=refused,
                ),
                CONFIG_KEY_CALL: refused,
                CONFIG_KEY_READ: refused,
                CONFIG_KEY_RUNTIME: runtime.override(stream_writer=lambda _: None),
            },
        }


class TaskTap(Tap):
    """For the asyncio shell: routers run as tasks of the event loop."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def _tell(self, what: Any) -> None:
        if threading.get_ident() == self._thread:
            what()
        else:
            self._loop.call_soon_threadsafe(what)

    def _show(self, value: Any, *, last: bool) -> None:
        self._tell(partial(self._next, value, last))

    def _next(self, value: Any, last: bool) -> None:
        """Route on this next; what has not been looked at yet is out of date."""
        self._latest = value, last
        if not self._routing and not self.over and not self._off:
            self._routing = True
            self.ahead.create(self._route(), f"{self.made.name} (stream)")  # type: ignore[attr-defined]

    async def _route(self) -> None:
        try:
            while self._latest is not None and not self._off and not self.over:
                (value, last), self._latest = self._latest, None
                for place, writer in enumerate(self.routes):
                    try:
                        if (shown := self._shown_state(writer, value)) is None:
                            continue
                        branch, found = shown
                        config = self._config(AsyncCallbackManager)
                        result = await branch.path.ainvoke(found.target, config)
                    except (Exception, Misprediction):
                        continue
                    if not found.refused and not self._off:
                        self._found(place, result, last=last)
        finally:
            self._routing = False


class ThreadTap(Tap):
    """For the thread shell: routers run where the model writes."""

    def _show(self, value: Any, *, last: bool) -> None:
        for place, writer in enumerate(self.routes):
            if self._off or self.over:
                return
            try:
                with self.ahead.locked():
                    shown = self._shown_state(writer, value)
                if shown is None:
                    continue
                branch, found = shown
                result = branch.path.invoke(found.target, self._config(CallbackManager))
            except (Exception, Misprediction):
                continue
            if not found.refused:
                self._found(place, result, last=last)


def tap(ahead: Ahead, known: Task, made: Any, run: Run | None) -> None:
    """Let the models of a task be heard, where its node's stream is declared.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        run: The run ahead, if the task runs ahead of its superstep.
    """
    stream = ahead.masks.stages[known.node].stream
    if stream is None:
        return
    handler = ahead.tap(known, made, run, stream)
    manager = made.config.get("callbacks")
    if manager is None:
        made.config["callbacks"] = [handler]
    else:
        manager.add_handler(handler, inherit=True)


def _text(message: Any) -> str:
    """The text of a message or chunk, whatever kind of content it has."""
    content = message.content
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content
    return "".join(
        part if isinstance(part, str) else part.get("text", "")
        for part in parts
        if isinstance(part, str) or part.get("type") == "text"
    )
