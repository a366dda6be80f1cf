"""Batches on threads: of one run.

A task that goes into a batch does not wait in a thread: it is put aside with what
is left of it to do. When its batch is called, by one thread of the run's pool, the
rest of every task is done there, one after the other: writing its update. What may
take long gets a call of its own: conditional edges, and whatever an error leads to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any

from langgraph_alto._langgraph import CONF
from langgraph_alto.batching.calls import BatchResultError
from langgraph_alto.batching.collector import Collector, Formed, Item
from langgraph_alto.batching.nodes import TICKET, BatchNode
from langgraph_alto.engine.batches import Batches, Lane, Ticket
from langgraph_alto.engine.line import FIRST, Priority
from langgraph_alto.engine.pool import Pool
from langgraph_alto.engine.routes import routes_of
from langgraph_alto.gathering.log import unwrapped


@dataclass(eq=False, slots=True)
class _Aside:
    """A task put aside.

    Args:
        ticket: The task's.
        input: What it was given.
        config: Its config.
        rest: Runs it, once its outcome is found.
        future: Done when it has run.
    """

    ticket: Ticket
    input: Any
    config: Any
    rest: Callable[[], None]
    future: Future[None]

    def run(self) -> None:
        try:
            self.rest()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(None)


class ThreadLane(Lane):
    """One batched node in one run on threads.

    Args:
        node: The node.
        pool: The run's threads.
        routes: Whether conditional edges follow the node.
    """

    def __init__(self, node: BatchNode, pool: Pool, routes: bool) -> None:
        super().__init__(node)
        self.pool = pool
        self.routes = routes
        self.collector = Collector(node.how.max_size, node.how.max_wait)
        self._changed = threading.Condition(threading.RLock())
        self._waits = False
        self._closed = False

    def expect(self, items: int) -> None:
        with self._changed:
            if self._closed:
                return
            self.collector.expect(self.source, items)
            if not self.collector.coming:
                self.look()

    def feed(self, tasks: int) -> None:
        with self._changed:
            if self._closed:
                return
            self.source.feeding += tasks
            if not self.source.feeding:
                self.look()

    def submit(self, ticket: Ticket, task: Any, rest: Callable[[], None]) -> Future[None]:
        """Put a task aside; :meth:`look` is to be called when no more comes at once."""
        envelope, payload = unwrapped(task.input)
        if envelope is not None and envelope.get("phantom"):
            ticket.arrived()  # it stands for a packet in a gathered fan-out, and has no body
            return self.pool.submit(ticket.priority, rest, self.node.label)
        future: Future[None] = Future()
        aside = _Aside(ticket, payload, task.config, rest, future)
        with self._changed:
            if self._closed:
                raise RuntimeError("the run has ended")
            self.collector.arrive(Item(self.source, ticket.priority, aside))
            self.collector.place(self.source, None, time.monotonic())
            ticket.arrived()
        return future

    def look(self) -> None:
        """See what is to be called."""
        with self._changed:
            for formed in self.collector.ready(time.monotonic()):
                priority = min(item.priority for item in formed.items)
                self._submit(priority, formed)
            if self.collector.due is not None and not self._waits and not self._closed:
                self._waits = True
                self.pool.submit(FIRST, self._wait)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self.collector.leave(self.source)
            left = self.collector.ready(float("inf"))
            self._changed.notify_all()
        for formed in left:
            _cancel(formed)

    def _submit(self, priority: Priority, formed: Formed) -> None:
        try:
            called = self.pool.submit(priority, lambda: self._call(formed), self.node.label)
        except RuntimeError:  # closed meanwhile
            _cancel(formed)
        else:
            called.add_done_callback(lambda done: _cancel(formed) if done.cancelled() else None)

    def _wait(self) -> None:
        """Wait, without a place, until the batch that forms is due or has gone."""
        with self.pool.blocked(), self._changed:
            while not self._closed and (due := self.collector.due) is not None:
                if (left := due - time.monotonic()) <= 0:
                    break
                self._changed.wait(left)
            self._waits = False
        self.look()

    def _call(self, formed: Formed) -> None:
        asides: list[_Aside] = [
            item.value for item in formed.items if item.value.future.set_running_or_notify_cancel()
        ]
        if not asides:
            return
        for aside in asides:
            aside.ticket.begins()
        outcomes: list[Any] | None
        try:
            outcomes = self.node.calls.many(
                [aside.input for aside in asides], [aside.config for aside in asides]
            )
        except BaseException as error:
            if len(asides) > 1 and not isinstance(error, BatchResultError):
                # Whose error it is, is not known: each is tried alone, by its own task.
                outcomes = None
            else:
                outcomes = [error] * len(asides)
        for place, aside in enumerate(asides):
            quick = not self.routes and outcomes is not None
            if outcomes is not None:
                aside.ticket.found(outcomes[place])
                quick = quick and not isinstance(outcomes[place], BaseException)
            if quick or len(asides) == 1:
                aside.run()
            else:
                self._run_apart(aside)

    def _run_apart(self, aside: _Aside) -> None:
        try:
            called = self.pool.submit(aside.ticket.priority, aside.run, self.node.label)
        except RuntimeError:  # closed meanwhile
            aside.future.set_exception(CancelledError())
        else:
            called.add_done_callback(
                lambda done: (
                    aside.future.set_exception(CancelledError()) if done.cancelled() else None
                )
            )


class ThreadBatches(Batches):
    """The batches of a run on threads.

    Args:
        lanes: The batched nodes that can be called in a thread, by name.
    """

    lanes: Mapping[str, ThreadLane]

    def submit(self, task: Any, rest: Callable[[], None], context: Context) -> Future[None]:
        """Run a task whose call goes into a batch.

        Args:
            task: LangGraph's task, with its ticket.
            rest: Runs it, once its outcome is found.
            context: The context it runs in.
        """
        ticket: Ticket = task.config[CONF][TICKET]
        return self.lanes[task.name].submit(ticket, task, lambda: context.run(rest))

    def ordinary(self, task: Any, rest: Callable[[], None]) -> Future[None]:
        """Run a task of the current superstep whose call goes into a batch."""
        self.starts(task)
        future = self.submit(task, rest, copy_context())
        lane = self.lanes[task.name]
        if not lane.source.coming:
            lane.look()
        return future

    def inline(self, task: Any) -> None:
        """The only task of a superstep runs by itself."""
        if task.name in self.lanes:
            self.starts(task)
            task.config[CONF][TICKET].arrived()

    def look(self) -> None:
        """See what is to be called, now that no more comes at once."""
        for lane in self.lanes.values():
            if lane.collector.forming is not None:
                lane.look()


def thread_batches(
    batched: Mapping[str, BatchNode], pool: Pool, nodes: Mapping[str, Any]
) -> ThreadBatches:
    """The batches of a run on threads.

    Args:
        batched: The batched nodes, by name.
        pool: The run's threads.
        nodes: The graph's nodes.
    """
    return ThreadBatches(
        {
            name: ThreadLane(node, pool, bool(routes_of(nodes[name])))
            for name, node in batched.items()
            if not node.calls.asynchronous
        },
        lambda name: True,
    )


def _cancel(formed: Formed) -> None:
    for item in formed.items:
        if item.value.future.cancel():
            item.value.future.set_running_or_notify_cancel()
