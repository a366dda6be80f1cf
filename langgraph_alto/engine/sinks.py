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
from langgraph_alto.gathering.outputs import gotos
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
        self.running = False
        self.lag = 0
        """How many tasks that it has started have begun, or stand in line, and not ended."""
        self._sent = 0

    @property
    def over(self) -> bool:
        """Whether nobody will take what the task puts out."""
        return self.ahead.closed or self.known.run is not self.run

    def begin(self, config: Any) -> bool:
        """The node begins, perhaps for another time.

        Args:
            config: What it is called with.

        Returns:
            Whether it is this task's node; what it calls itself may find the sink, too.
        """
        if self.running:
            return False
        self.running = True
        self.config = config
        self._sent = 0
        self._start()
        return True

    def end(self) -> None:
        """The node has ended."""
        self.running = False

    def _start(self) -> None:
        with self.ahead.locked():
            if not self.over:
                self.known.sink = self
                self.ahead.retracted(self.known)

    def hear(self, command: Command[Any]) -> None:
        """Tell the predictor of one part of the output."""
        try:
            writes = list(self._writes(command))
        except Exception:
            return  # LangGraph's writers will raise it
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
        yield from command._update_as_tuples()
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
        # What the node's thread waits for, if it has one.
        self._taken: Future[None] | None = None

    async def aput(self, command: Command[Any]) -> None:
        self.hear(command)
        if self.lag < self.buffer or self.over:
            return
        self._room = self._loop.create_future()
        self.ahead.sinks.add(self)
        try:
            await self.ahead.pause(self, self._room)
        finally:
            self._room = None
            self.ahead.sinks.discard(self)

    def put(self, command: Command[Any]) -> None:
        if threading.get_ident() == self._thread:
            self.hear(command)  # nothing can be waited for here
            return
        taken = self._taken = Future()
        self.ahead.sinks.add(self)
        try:
            if self.over:
                raise self._late()
            self._loop.call_soon_threadsafe(self._take, command, taken)
            taken.result()
        finally:
            self.ahead.sinks.discard(self)
            self._taken = None

    def _start(self) -> None:
        if threading.get_ident() == self._thread:
            super()._start()
        elif not self.over:
            self._loop.call_soon_threadsafe(super()._start)

    def less(self) -> None:
        super().less()
        if self.lag < self.buffer:
            self.wake()

    def wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        taken = self._taken
        if self.ahead.closed and taken is not None and not taken.done():
            taken.set_exception(self._late())

    def _late(self) -> CancelledError:
        return CancelledError(f"the run of {self.name!r} is over")

    def _take(self, command: Command[Any], taken: Future[None]) -> None:
        """Put what a thread has yielded, and let it go on when there is room."""
        if self.over:
            if not taken.done():
                taken.set_exception(self._late())
            return
        self.hear(command)
        if self.lag < self.buffer:
            taken.set_result(None)
            return
        task = self.ahead.create(self._wait(), self.name)

        def went(task: asyncio.Task[None]) -> None:
            if taken.done():
                return
            if task.cancelled() or self.over:
                taken.set_exception(self._late())
            elif (error := task.exception()) is not None:
                taken.set_exception(error)
            else:
                taken.set_result(None)

        task.add_done_callback(went)

    async def _wait(self) -> None:
        self._room = self._loop.create_future()
        try:
            await self.ahead.pause(self, self._room)
        finally:
            self._room = None


class ThreadSink(Sink):
    """For the thread shell."""

    ahead: ThreadAhead

    def __init__(self, ahead: Any, known: Task, made: Any, run: Run | None) -> None:
        super().__init__(ahead, known, made, run)
        self._changed = threading.Condition()

    def put(self, command: Command[Any]) -> None:
        self.hear(command)
        self._check()
        if self.lag >= self.buffer:
            self.ahead.sinks.add(self)
            try:
                with self.ahead.pool.aside(self.name), self._changed:
                    self._changed.wait_for(lambda: self.lag < self.buffer or self.over)
            finally:
                self.ahead.sinks.discard(self)
            self._check()

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

    def _check(self) -> None:
        """End a run that nobody wants any more, as soon as it puts something out."""
        if self.run is not None and self.over:
            raise Misprediction(self.name, "was given up")


def attach(ahead: Ahead, known: Task, made: Any, run: Run | None) -> None:
    """Let a task of a ``@streaming`` node find its sink.

    Args:
        ahead: What runs ahead in the run.
        known: The predictor's task.
        made: LangGraph's.
        run: The run ahead, if the task runs ahead of its superstep.
    """
    if ahead.masks.stages[known.node].buffer is not None:
        made.config[CONF][SINK] = ahead.sink(known, made, run)
