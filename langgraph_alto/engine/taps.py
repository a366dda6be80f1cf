"""What a model writes, shown to the routers of its node while it writes it.

A callback handler in the task's config hears the model. At each complete piece the
node's own routers are tried on the state as it would be if the model stopped there,
and the packets that can no longer change become growth of the task::

    model ─▶ tap ─▶ splitter ─▶ routers ─▶ packets ─▶ predictor
             "A. B. C"  "A. B. "   [Send A, Send B]     start A, B

What the routers return in the end decides. Whatever goes wrong before that is no
error: nothing more is shown, and the end tells.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage
from langgraph.types import Send

from langgraph_alto._langgraph import TASKS, StreamingCallbackHandler
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.supersteps import Phase, Task
from langgraph_alto.engine.texts import Message, Text, text_of
from langgraph_alto.engine.tools import may_start_early
from langgraph_alto.engine.trials import Trial, trials_of
from langgraph_alto.streams.declare import Stream

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead
    from langgraph_alto.engine.run import Run


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
        self.messages = stream.key in ahead.masks.messages
        self.trials = trials_of(ahead, known, made, stream, messages=self.messages)
        # The models that write; of the last one that began, its text.
        self._live: set[Any] = set()
        self._model: Any = None
        self._text: Text | None = None
        # How many models have begun: what an earlier one wrote counts for nothing.
        self._turn = 0
        self._off = not self.trials
        # What has started, and what its router had returned for it.
        self._started: list[tuple[Send, Send]] = []

    # -- what LangChain tells ---------------------------------------------------

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output

    def on_chat_model_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self._tell(partial(self._begin, run_id))

    def on_llm_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self._tell(partial(self._begin, run_id))

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: Any, **_: Any) -> None:
        if self._off:
            return
        message = getattr(chunk, "message", None)
        piece = message if isinstance(message, AIMessageChunk) else token
        if isinstance(piece, str | AIMessageChunk):
            self._tell(partial(self._feed, run_id, piece))

    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        self._tell(partial(self._end, run_id, response))

    def on_llm_error(self, *_: Any, run_id: Any, **__: Any) -> None:
        # What was shown stays: the node decides what becomes of half a message.
        self._tell(partial(self._end, run_id, None))

    # -- where the run's predictor may be asked ----------------------------------

    @property
    def over(self) -> bool:
        """Whether nobody will take what comes of the task."""
        return (
            self.ahead.closed
            or self.known.run is not self.run
            or self.known.phase in (Phase.FINISHED, Phase.FAILED)
        )

    def _begin(self, run_id: Any) -> None:
        with self.ahead.locked():
            if self._off:
                return
            if self._live:
                self._stop()  # two at once: nobody knows whose text it will be
                return
            self._live.add(run_id)
            self._model = run_id
            self._turn += 1
            self._text = Message(self.stream.by) if self.messages else Text(self.stream.by)  # type: ignore[arg-type]
            if self._turn > 1:
                self._retract()

    def _feed(self, run_id: Any, piece: str | AIMessageChunk) -> None:
        text = self._text
        if run_id != self._model or self._off or text is None:
            return
        try:
            if text.feed(piece):
                self._show(text.shown(), last=False)
        except Exception:
            # The text is not what its splitter takes it for: the end will tell.
            self._text = None

    def _end(self, run_id: Any, response: Any) -> None:
        self._live.discard(run_id)
        if run_id != self._model or self._off:
            return
        self._text = None
        generations = response.generations[0] if response and response.generations else ()
        if not generations:
            return
        message = getattr(generations[0], "message", None)
        if not self.messages:
            self._show(
                text_of(message) if isinstance(message, BaseMessage) else generations[0].text,
                last=True,
            )
        elif isinstance(message, BaseMessage):
            # A copy: adding it to others may give it an id.
            self._show([message.model_copy()], last=True)

    def _stop(self) -> None:
        self._off = True
        self._text = None
        self._retract()

    def _retract(self) -> None:
        for trial in self.trials:
            trial.forget()
        self._revise()

    def _tell(self, what: Any) -> None:
        """Say something where the predictor may be asked."""
        what()

    def _show(self, value: Any, *, last: bool) -> None:
        """Try the routers on a value of the key."""
        raise NotImplementedError

    def _found(self, trial: Trial, packets: list[Send], turn: int, *, last: bool) -> None:
        """Tell the predictor of the packets among a router's results that stay."""
        with self.ahead.locked():
            if self._off or self.over or turn != self._turn:
                return
            fresh, lost = trial.take(packets, last=last)
            if lost:
                # The router thought better of it. What else it says, the end will tell.
                self._revise(lost)
            early: list[tuple[str, Send | None]] = []
            for packet in fresh:
                sent = trial.addressed(packet)
                chosen = sent and may_start_early(self.ahead.loop.nodes, sent, self.stream)
                if chosen is not None:
                    self._started.append((packet, chosen))
                early.append((TASKS, chosen))  # None has a place among the others
            if any(packet is not None for _, packet in early):
                self.ahead.grown(self.known, early)

    def _revise(self, lost: list[Send] | None = None) -> None:
        """Take back these packets, or all."""
        gone = {
            id(chosen)
            for packet, chosen in self._started
            if lost is None or any(packet is each for each in lost)
        }
        self._started = [entry for entry in self._started if id(entry[1]) not in gone]
        if gone and not self.over:
            self.ahead.revised(self.known, gone)


class TaskTap(Tap):
    """For the asyncio shell: routers run as tasks of the event loop."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._latest: list[tuple[Any, bool]] = []
        # Without a splitter it takes two values to see what stays.
        self._keeps = 1 if self.stream.by is not None or self.messages else 2
        self._routing = False

    def _tell(self, what: Any) -> None:
        if threading.get_ident() == self._thread:
            what()
            return
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            self._off = True  # a thread that has outlived its event loop

    def _retract(self) -> None:
        self._latest.clear()
        super()._retract()

    def _show(self, value: Any, *, last: bool) -> None:
        # What has not been looked at yet is out of date.
        self._latest = [*self._latest, (value, last)][-self._keeps :]
        if not self._routing and not self.over:
            self._routing = True
            self.ahead.create(self._route(), f"{self.made.name} (stream)")  # type: ignore[attr-defined]

    async def _route(self) -> None:
        try:
            while self._latest and not self._off and not self.over:
                value, last = self._latest.pop(0)
                turn = self._turn
                for trial in self.trials:
                    if not trial.probed and (state := trial.state(trial.empty())) is not None:
                        with suppress(Exception, Misprediction):
                            trial.expect(await trial.aroute(state))
                    packets: list[Send] | None = None
                    with suppress(Exception, Misprediction):
                        if (state := trial.state(value)) is not None:
                            packets = await trial.aroute(state)
                    if packets is not None:
                        self._found(trial, packets, turn, last=last)
        finally:
            self._routing = False


class ThreadTap(Tap):
    """For the thread shell: routers run where the model writes."""

    def _show(self, value: Any, *, last: bool) -> None:
        turn = self._turn
        for trial in self.trials:
            if self._off or self.over:
                return
            if not trial.probed and (state := trial.state(trial.empty())) is not None:
                with suppress(Exception, Misprediction):
                    trial.expect(trial.route(state))
            packets: list[Send] | None = None
            with suppress(Exception, Misprediction):
                if (state := trial.state(value)) is not None:
                    packets = trial.route(state)
            if packets is not None:
                self._found(trial, packets, turn, last=last)


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
