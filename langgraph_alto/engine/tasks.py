"""The asyncio shell: runs ahead as tasks of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any

from langgraph.errors import GraphInterrupt

from langgraph_alto._langgraph import PregelLoop, arun_with_retry
from langgraph_alto.engine.ahead import Ahead
from langgraph_alto.engine.batches import Batches
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.routes import AsyncGate, Gate
from langgraph_alto.engine.run import Run
from langgraph_alto.engine.sinks import Sink, TaskSink
from langgraph_alto.engine.slots import FIRST, Slots, within
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.engine.taps import Tap, TaskTap
from langgraph_alto.plan.masks import Masks
from langgraph_alto.streams.declare import Stream


class TaskAhead(Ahead):
    """Runs ahead on the event loop of the run.

    Args:
        loop: LangGraph's loop for the run.
        masks: The graph's plan, compiled.
        speculative: Whether to start what is not certain, too.
        unwatched: Whether nobody sees the state before the run has ended.
        slots: The bound and the limits shared with the superstep's own tasks, if
            there are any.
        batches: The run's batches, if any node is batched.
    """

    def __init__(
        self,
        loop: PregelLoop,
        masks: Masks,
        *,
        speculative: bool = False,
        unwatched: bool = False,
        slots: Slots | None = None,
        batches: Batches | None = None,
    ) -> None:
        super().__init__(loop, masks, speculative=speculative, unwatched=unwatched)
        self.slots = slots
        self.batches = batches
        self.stream = False
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._given_up: set[asyncio.Task[None]] = set()
        # What holds a slot: runs ahead, and the ids of tasks that may give it up for a while.
        self._holding: set[Run | str] = set()

    def gate(self, run: Run) -> Gate:
        return AsyncGate()

    def sink(self, known: Task, made: Any, run: Run | None) -> Sink:
        return TaskSink(self, known, made, run)

    def tap(self, known: Task, made: Any, run: Run | None, stream: Stream) -> Tap:
        return TaskTap(self, known, made, run, stream)

    def launch(self, run: Run) -> None:
        slots, node = self.slots, run.made.name
        over = None
        if self.batches is not None:
            over = self.batches.launched(run, self.priority, partial(self.begins, run))
        if slots is None or not slots.counts(node):
            run.future = self.create(self._execute(run, None), node)
            if over is not None:
                run.future.add_done_callback(over)
            return
        # In line at once, not when the task first runs: by then others may be served.
        turn = slots.queue(self.priority(run), node)
        run.future = self.create(self._execute(run, turn), node)
        # Not in the task itself: cancelled before its first step, it never runs.
        run.future.add_done_callback(lambda _: None if run.begun else slots.leave(turn, node))
        if over is not None:
            run.future.add_done_callback(over)

    def discard(self, run: Run) -> None:
        self.mispredicted(run)
        if run.future is not None:
            self._give_up(run.future)

    def at_gate(self, run: Run, *, for_good: bool = False) -> None:
        super().at_gate(run, for_good=for_good)
        self._release(run)
        self.pump()

    def begun(self, run: Run) -> bool:
        if self.batches is not None and run.made.name in self.batches:
            self.batches.promote(run)
            return True
        return self.slots is None or run.begun

    @property
    def line(self) -> Slots | None:
        return self.slots

    async def hand_over(self, run: Run, task: Any, again: Callable[[], Awaitable[None]]) -> None:
        """Give a task of the current superstep what its run ahead has done, or will do.

        Args:
            run: The adopted run.
            task: LangGraph's task.
            again: Runs the task as usual, when the run came to nothing.

        Raises:
            Exception: What the node raised.
        """
        if run.saver is not None:
            await run.saver.arelease()
        await run.future
        if run.error is not None:
            raise run.error
        if run.done:
            task.writes.clear()
            task.writes.extend(run.made.writes)
        elif self.slots is not None:
            await self.placed(task, again)
        else:
            await again()

    def grows(self, node: str) -> bool:
        """Whether tasks of a node may have to wait for those that they start."""
        place = self.masks.index.get(node)
        return (
            self.slots is not None
            and place is not None
            and self.masks.stages[place].buffer is not None
        )

    async def placed(self, task: Any, usual: Callable[[], Awaitable[None]]) -> None:
        """Run a task of the current superstep in a slot that it may give up for a while."""
        slots = self.slots
        assert slots is not None
        await slots.acquire(FIRST, task.name)
        self._holding.add(task.id)
        try:
            await usual()
        finally:
            if task.id in self._holding:
                self._holding.discard(task.id)
                slots.release(task.name)

    async def pause(self, sink: Sink, room: asyncio.Future[None]) -> None:
        """Let a task wait, without a slot, until there is room for what it puts out."""
        if sink.run is not None:
            await self.stand_aside(sink.run, room)
        elif self.slots is None or sink.id not in self._holding:
            await room
        else:
            self._holding.discard(sink.id)
            self.slots.release(sink.name)
            await room
            await self.slots.acquire(FIRST, sink.name)
            if sink.running:
                self._holding.add(sink.id)
            else:
                self.slots.release(sink.name)

    async def alone(self, task: Any, usual: Callable[[], Awaitable[None]]) -> None:
        """Run the only task of a superstep, counted in the bound beside what runs ahead."""
        place = self.masks.index.get(task.name)
        if self.grows(task.name):
            await self.placed(task, usual)
        elif self.slots is None or not self.slots.held or place is None:
            await usual()
        elif self.masks.stages[place].calls_tasks:
            # Its calls take slots of their own, and it waits for them.
            self.slots.expect(0)
            await usual()
        else:
            await within(self.slots, task.name, usual)

    def create(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that ends with the run at the latest."""
        task = self._context.copy().run(asyncio.ensure_future, coroutine)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Cancel everything that still runs ahead, and wait until it has ended."""
        self.closed = True
        if self.gathers is not None:
            self.gathers.stop()
        for sink in list(self.sinks):
            sink.wake()
        tasks = list(self._tasks)
        for task in tasks:
            self._give_up(task)
        if tasks:
            await asyncio.wait(tasks)
        self.forget()

    def _give_up(self, task: asyncio.Task[None]) -> None:
        # Once: a second time would cut off what a node does to clean up.
        if task not in self._given_up:
            self._given_up.add(task)
            task.cancel()

    async def stand_aside(self, run: Run, event: asyncio.Future[None]) -> None:
        """Wait for something without holding a slot, and stand in line again."""
        slots, node = self.slots, run.made.name
        if slots is None or run not in self._holding:
            await event
            return
        self._release(run)
        await event
        await slots.acquire(FIRST if run.adopted is not None else self.priority(run), node)
        if run.future.done():
            slots.release(node)  # it was given up, and its thread has not heard
        else:
            self._holding.add(run)

    async def _execute(self, run: Run, turn: asyncio.Future[None] | None) -> None:
        over = None
        try:
            if turn is not None:
                await turn
                self._holding.add(run)
            if self.batches is None or run.made.name not in self.batches:
                self.begins(run)
            if self.batches is not None:
                over = self.batches.began(run)
            await arun_with_retry(run.made, None, stream=self.stream)
        except (Misprediction, GraphInterrupt):
            # An interrupt must be asked for by the task that LangGraph resumes.
            self.mispredicted(run)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.raised(run, error)
        else:
            self.ended(run)
        finally:
            self._release(run)
            if over is not None:
                over()

    def _release(self, run: Run) -> None:
        if self.slots is not None and run in self._holding:
            self._holding.discard(run)
            self.slots.release(run.made.name)
