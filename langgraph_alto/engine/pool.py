"""One concurrency bound for the thread shell: a pool that serves by priority.

A plain thread pool is first come, first served: tasks run ahead would sit in
front of the current superstep's own. Here the lowest priority value is served
first, and a thread that waits at a gate does not count, so that waiting can
never starve the work that would end the wait.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any

from langgraph_alto.engine.slots import Priority


class Pool:
    """Threads that run calls by priority, at most ``limit`` at once.

    Threads are started when needed and end when the pool is closed.

    Args:
        limit: How many calls may run at once; at least 1.
        name: Prefix of the threads' names.
    """

    def __init__(self, limit: int, name: str = "alto") -> None:
        self.limit = limit
        self.name = name
        self.running = 0
        self._ticket = count()
        self._calls: list[tuple[Priority, int, Future[Any], Callable[[], Any]]] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def submit(self, priority: Priority, call: Callable[[], Any]) -> Future[Any]:
        """Queue a call.

        Raises:
            RuntimeError: The pool is closed.
        """
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is closed")
            heapq.heappush(self._calls, (priority, next(self._ticket), future, call))
            self._offer()
        return future

    @property
    def busy(self) -> bool:
        """Whether any call runs or waits."""
        return self.running > 0 or bool(self._calls)

    @contextmanager
    def inline(self) -> Iterator[None]:
        """Count a call that the caller runs itself."""
        with self._changed:
            self.running += 1
        try:
            yield
        finally:
            with self._changed:
                self.running -= 1
                self._offer()

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Stop counting the calling thread while it waits for other calls."""
        with self._changed:
            self.running -= 1
            self._offer()
        try:
            yield
        finally:
            with self._changed:
                self.running += 1

    def close(self) -> None:
        """Drop the calls that have not started, wait for the others, end the threads."""
        with self._changed:
            self._closed = True
            dropped = [future for _, _, future, _ in self._calls]
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
        if self._calls and self.running < self.limit:
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
                while not (self._closed or (self._calls and self.running < self.limit)):
                    self._changed.wait()
                self._idle -= 1
                if not self._calls:
                    return
                _, _, future, call = heapq.heappop(self._calls)
                self.running += 1
                self._offer()
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:
                    self._finish()
                    future.set_exception(error)
                else:
                    self._finish()
                    future.set_result(result)
            else:
                self._finish()
            del future, call

    def _finish(self) -> None:
        with self._changed:
            self.running -= 1
            self._offer()
