"""One concurrency bound for the thread shell: a pool that serves by priority.

A plain thread pool is first come, first served: tasks run ahead would sit in
front of the current superstep's own. Here the lowest priority value is served
first, and a thread that waits at a gate does not count, so that waiting can
never starve the work that would end the wait. Calls of a node that has a limit
of its own wait for it without a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Any

from langgraph_alto.engine.line import FIRST, Line, Priority, Waiter


class Pool:
    """Threads that run calls by priority, at most ``limit`` at once.

    Threads are started when needed and end when the pool is closed.

    Args:
        limit: How many calls may run at once; at least 1.
        name: Prefix of the threads' names.
        limits: How many calls of a node may, by its name; at least 1.
    """

    def __init__(
        self, limit: int, name: str = "alto", limits: Mapping[str, int] | None = None
    ) -> None:
        self.limit = limit
        self.limits = limits or {}
        self.name = name
        self.running = 0
        self.expected = 0
        self._ticket = count()
        self._line = Line(self.limits) if self.limits else None
        self._calls: list[Waiter] = [] if self._line is None else self._line
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._returning = 0
        self._closed = False

    def submit(self, priority: Priority, call: Callable[[], Any], node: str = "") -> Future[Any]:
        """Queue a call.

        Args:
            priority: Lowest first; among equals the first comer.
            call: What to run.
            node: The node whose limit it is under, if that has one.

        Raises:
            RuntimeError: The pool is closed.
        """
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is closed")
            key = node if node in self.limits else ""
            heappush(self._calls, (priority, next(self._ticket), key, (future, call)))
            if self.expected and priority == FIRST:
                self.expected -= 1
            self._offer()
        return future

    def expect(self, calls: int) -> None:
        """Keep room for so many that will come at :data:`FIRST`, and have not yet."""
        with self._changed:
            self.expected = calls
            self._offer()

    @property
    def busy(self) -> bool:
        """Whether any call runs or waits."""
        # Whoever stands aside waits for somebody who runs.
        return self.running > 0 or len(self._calls) > 0

    @contextmanager
    def inline(self, node: str = "") -> Iterator[None]:
        """Count a call that the caller runs itself."""
        with self._changed:
            self._take(node)
            self.expected = max(0, self.expected - 1)
        try:
            yield
        finally:
            self._finish(node)

    @contextmanager
    def blocked(self, node: str = "") -> Iterator[None]:
        """Stop counting the calling thread while it waits for other calls."""
        self._finish(node)
        try:
            yield
        finally:
            with self._changed:
                self._take(node)

    @contextmanager
    def aside(self, node: str = "") -> Iterator[None]:
        """Stop counting the calling thread while it waits; it goes on when there is a place."""
        self._finish(node)
        try:
            yield
        finally:
            with self._changed:
                self._returning += 1
                while not (self._closed or self._may_return(node)):
                    self._changed.wait()
                self._returning -= 1
                self._take(node)

    def close(self) -> None:
        """Drop the calls that have not started, wait for the others, end the threads."""
        with self._changed:
            self._closed = True
            calls = self._calls if self._line is None else self._line.everyone()
            dropped = [future for _, _, _, (future, _) in calls]
            self._calls.clear()
            self._changed.notify_all()
        for future in dropped:
            future.cancel()
            future.set_running_or_notify_cancel()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _offer(self) -> None:
        """Wake or start a thread if a call may run; the lock is held."""
        if self._may_serve():
            if self._idle:
                self._changed.notify()
            elif not self._closed:
                thread = threading.Thread(
                    target=self._work, name=f"{self.name}-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not (self._closed or self._may_serve()):
                    self._changed.wait()
                self._idle -= 1
                if not self._calls:
                    return
                _, _, node, (future, call) = heappop(self._calls)
                self._take(node)
                self._offer()
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:
                    self._finish(node)
                    future.set_exception(error)
                else:
                    self._finish(node)
                    future.set_result(result)
            else:
                self._finish(node)
            del future, call

    def _may_serve(self) -> bool:
        """Whether the head of the line may run now; the lock is held."""
        if self.running >= self.limit or not self._calls:
            return False
        # Whoever comes back was served before, and goes before those that only run ahead.
        kept = self.expected + self._returning
        return self.running + kept < self.limit or self._calls[0][0] == FIRST

    def _may_return(self, node: str) -> bool:
        """Whether a call that stood aside may go on now; the lock is held."""
        if self.running >= self.limit:
            return False
        return self._line is None or self._line.room.get(node, 1) > 0

    def _take(self, node: str) -> None:
        """Count a call that begins; the lock is held."""
        self.running += 1
        if self._line is not None and node in self.limits:
            self._line.take(node)

    def _finish(self, node: str) -> None:
        with self._changed:
            self.running -= 1
            if self._line is not None and node in self.limits:
                self._line.give_back(node)
            if self._returning:
                self._changed.notify_all()
            self._offer()
