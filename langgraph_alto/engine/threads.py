"""The thread shell: runs ahead on a pool shared with the superstep's own tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from typing import Any

from langgraph.errors import GraphInterrupt

from langgraph_alto._langgraph import PregelLoop, run_with_retry
from langgraph_alto.engine.ahead import Ahead
from langgraph_alto.engine.batch_threads import ThreadBatches
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.pool import Pool
from langgraph_alto.engine.routes import Gate
from langgraph_alto.engine.run import Run
from langgraph_alto.engine.sinks import Sink, ThreadSink
from langgraph_alto.engine.slots import FIRST
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.engine.taps import Tap, ThreadTap
from langgraph_alto.plan.masks import Masks
from langgraph_alto.streams.declare import Stream


class ThreadGate:
    """A gate for the thread shell; waiting gives up the thread's place in the pool."""

    __slots__ = ("_abandoned", "_event", "_node", "_pool")

    def __init__(self, pool: Pool, node: str) -> None:
        self._event = threading.Event()
        self._pool = pool
        self._node = node
        self._abandoned = False

    def open(self) -> None:
        self._event.set()

    def abandon(self) -> None:
        """Make whoever waits give up."""
        self._abandoned = True
        self._event.set()

    def wait(self) -> None:
        with self._pool.blocked(self._node):
            self._event.wait()
        self._event.clear()
        if self._abandoned:
            raise Misprediction("", "was given up")

    async def await_(self) -> None:
        raise RuntimeError("the thread shell never waits on an event loop")


class ThreadAhead(Ahead):
    """Runs ahead on threads.

    The predictor is shared by the loop's thread and those that finish tasks,
    behind one lock.

    Args:
        loop: LangGraph's loop for the run.
        masks: The graph's plan, compiled.
        pool: The threads, shared with the superstep's own tasks.
        speculative: Whether to start what is not certain, too.
        unwatched: Whether nobody sees the state before the run has ended.
        batches: The run's batches, if any node is batched.
    """

    def __init__(
        self,
        loop: PregelLoop,
        masks: Masks,
        *,
        pool: Pool,
        speculative: bool = False,
        unwatched: bool = False,
        batches: ThreadBatches | None = None,
    ) -> None:
        super().__init__(loop, masks, speculative=speculative, unwatched=unwatched)
        self.pool = pool
        self.batches = self._batches = batches
        self._lock = threading.RLock()
        self._context = copy_context()

    def locked(self) -> AbstractContextManager[Any]:
        return self._lock

    def gate(self, run: Run) -> Gate:
        return ThreadGate(self.pool, run.made.name)

    def sink(self, known: Task, made: Any, run: Run | None) -> Sink:
        return ThreadSink(self, known, made, run)

    def tap(self, known: Task, made: Any, run: Run | None, stream: Stream) -> Tap:
        return ThreadTap(self, known, made, run, stream)

    def launch(self, run: Run) -> None:
        context, batches = self._context.copy(), self._batches
        over = None
        if batches is not None:
            over = batches.launched(run, self.priority, partial(self.begins, run))
        if batches is not None and run.made.name in batches:
            run.future = batches.submit(run.made, partial(self._execute, run), context)
        else:
            run.future = self.pool.submit(
                self.priority(run), lambda: context.run(self._execute, run), run.made.name
            )
        if over is not None:
            run.future.add_done_callback(over)

    def pump(self) -> None:
        super().pump()
        if self._batches is not None:
            self._batches.look()

    def discard(self, run: Run) -> None:
        self.mispredicted(run)
        if run.future is not None:
            run.future.cancel()
        if isinstance(run.gate, ThreadGate):
            run.gate.abandon()

    def at_gate(self, run: Run, *, for_good: bool = False) -> None:
        super().at_gate(run, for_good=for_good)
        self.pump()

    def ordinary(self, node: str, call: Callable[[], None]) -> Future[None]:
        """Run a task of the current superstep, before anything that runs ahead."""
        return ordinary(self.pool, node, call)

    def begun(self, run: Run) -> bool:
        # Asking and giving up are one: a thread may be about to take the call.
        return not run.future.cancel()

    @property
    def line(self) -> Pool:
        return self.pool

    def hand_over(self, run: Run, task: Any, again: Callable[[], None]) -> Future[None]:
        """Give a task of the current superstep what its run ahead has done, or will do.

        Args:
            run: The adopted run.
            task: LangGraph's task.
            again: Runs the task as usual, when the run came to nothing.

        Returns:
            Done when the task's writes are there, or with what the node raised.
        """
        if run.saver is not None:
            run.saver.release()
        handed: Future[None] = Future()
        handed.set_running_or_notify_cancel()

        def arrived(_: Future[Any]) -> None:
            if run.error is not None:
                handed.set_exception(run.error)
            elif run.done:
                task.writes.clear()
                task.writes.extend(run.made.writes)
                handed.set_result(None)
            elif self.closed:
                handed.set_exception(CancelledError())
            else:
                self.ordinary(task.name, again).add_done_callback(lambda ran: _pass_on(ran, handed))

        run.future.add_done_callback(arrived)
        return handed

    def close(self) -> None:
        """Give up what has not started, and wait for the threads to end."""
        with self._lock:
            self.closed = True
            if self.gathers is not None:
                self.gathers.stop()
            if self.batches is not None:
                self.batches.close()
            for run in list(self.runs):
                if isinstance(run.gate, ThreadGate):
                    run.gate.abandon()
            for sink in list(self.sinks):
                sink.wake()
        self.pool.close()
        self.forget()

    def _execute(self, run: Run) -> None:
        if not run.begun:  # a batch that it is in may have
            self.begins(run)
        over = None if self.batches is None else self.batches.began(run)
        try:
            run_with_retry(run.made, None)
        except (Misprediction, GraphInterrupt):
            self.mispredicted(run)
        except BaseException as error:
            self.raised(run, error)
        else:
            self.ended(run)
        finally:
            if over is not None:
                over()


def ordinary(pool: Pool, node: str, call: Callable[[], None]) -> Future[None]:
    """Run a task of the current superstep on the pool, before anything that runs ahead."""
    context = copy_context()
    return pool.submit(FIRST, lambda: context.run(call), node)


def _pass_on(done: Future[None], to: Future[None]) -> None:
    if done.cancelled():
        to.set_exception(CancelledError())
    elif (error := done.exception()) is not None:
        to.set_exception(error)
    else:
        to.set_result(None)
