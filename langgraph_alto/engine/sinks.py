"""Where a ``@streaming`` node's yields go, in a wrapped graph: to the predictor.

And back: a node whose tasks lag behind is not asked for more. While it waits it
keeps no place of the run's bound, so that what it waits for can run.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from langgraph.constants import END
from langgraph.types import Command, Send

from langgraph_alto._langgraph import CONF, TASKS
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.supersteps import Task, Write
from langgraph_alto.gathering.outputs import gotos, update_of
from langgraph_alto.gathering.scopes import addressed_early
from langgraph_alto.streams.nodes import SINK

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead
    from langgraph_alto.engine.run import Run
    from langgraph_alto.engine.tasks import TaskAhead
    from langgraph_alto.engine.threads import ThreadAhead


class Sink:
    """Takes what one task yields.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        run: The run ahead, if the task runs ahead of its superstep.
    """

    def __init__(self, ahead: Ahead, known: Task, made: Any, run: Run | None) -> None:
        self.ahead = ahead
        self.known = known
        self.name: str = made.name
        self.id: str = made.id
        self.config = made.config
        self.run = run
        self.buffer = ahead.masks.stages[known.node].buffer or 1
        self.lag = 0
        """How many tasks that it has started have begun, or stand in line, and not ended."""
        self._sent = 0

    @property
    def over(self) -> bool:
        """Whether nobody will take what the task puts out."""
        return self.ahead.closed or self.known.run is not self.run

    def begin(self) -> None:
        """The node begins, perhaps for another time."""
        self._sent = 0
        with self.ahead.locked():
            if not self.over:
                self.known.sink = self
                self.ahead.retracted(self.known)

    def hear(self, command: Command[Any]) -> None:
        """Tell the predictor of one part of the output."""
        writes = list(self._writes(command))
        with self.ahead.locked():
            if not self.over:
                self.ahead.grown(self.known, writes)

    def more(self) -> None:
        """A task that it has started begins, or stands in line."""
        self.lag += 1

    def less(self) -> None:
        """A task that it has started has ended."""
        self.lag -= 1

    def wake(self) -> None:
        """The run is over: nobody waits any more."""

    def _writes(self, command: Command[Any]) -> Iterator[Write]:
        """What LangGraph's writers will make of a part, as far as it is sure."""
        if command.graph is not None:
            return
        update = update_of(command.update)
        if isinstance(update, dict):
            yield from update.items()
        for go in gotos(command):
            if isinstance(go, Send):
                yield TASKS, addressed_early(self.config, go, self._sent)
                self._sent += 1
            elif go != END:
                yield f"branch:to:{go}", None


class TaskSink(Sink):
    """For the asyncio shell."""

    ahead: TaskAhead

    def __init__(self, ahead: Any, known: Task, made: Any, run: Run | None) -> None:
        super().__init__(ahead, known, made, run)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._room: asyncio.Future[None] | None = None

    async def aput(self, command: Command[Any]) -> None:
        self.hear(command)
        if self.lag < self.buffer or self.over:
            return
        self._room = self._loop.create_future()
        try:
            await self.ahead.pause(self, self._room)
        finally:
            self._room = None

    def put(self, command: Command[Any]) -> None:
        if threading.get_ident() == self._thread:
            self.hear(command)  # nothing can be waited for here
            return
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._take, command, done)
        done.result()

    def begin(self) -> None:
        if threading.get_ident() == self._thread:
            super().begin()
        else:
            self._loop.call_soon_threadsafe(super().begin)

    def less(self) -> None:
        super().less()
        if self.lag < self.buffer:
            self.wake()

    def wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _take(self, command: Command[Any], done: Future[None]) -> None:
        """Put what a thread has yielded, and let it go on when there is room."""
        if self.over:
            done.set_exception(CancelledError(f"the run of {self.name!r} is over"))
            return
        task = self.ahead.create(self.aput(command), self.name)

        def went(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                done.set_exception(CancelledError(f"the run of {self.name!r} is over"))
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(None)

        task.add_done_callback(went)


class ThreadSink(Sink):
    """For the thread shell."""

    ahead: ThreadAhead

    def __init__(self, ahead: Any, known: Task, made: Any, run: Run | None) -> None:
        super().__init__(ahead, known, made, run)
        self._changed = threading.Condition()

    def put(self, command: Command[Any]) -> None:
        self.hear(command)
        if self.run is not None and self.over:
            raise Misprediction(self.name, "was given up")
        if self.lag >= self.buffer and not self.over:
            with self.ahead.pool.aside(self.name), self._changed:
                self._changed.wait_for(lambda: self.lag < self.buffer or self.over)

    async def aput(self, command: Command[Any]) -> None:
        raise RuntimeError("the thread shell never waits on an event loop")

    def more(self) -> None:
        with self._changed:
            super().more()

    def less(self) -> None:
        with self._changed:
            super().less()
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def attach(ahead: Ahead, known: Task, made: Any, run: Run | None) -> None:
    """Let a task of a ``@streaming`` node find its sink.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        run: The run ahead, if the task runs ahead of its superstep.
    """
    if ahead.masks.stages[known.node].buffer is not None:
        sink = ahead.sink(known, made, run)
        ahead.sinks.append(sink)
        made.config[CONF][SINK] = sink
