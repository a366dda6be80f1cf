"""Run the tasks of one superstep: LangGraph's runner, in time linear in their number.

What it does is LangGraph's: commit each task as it ends, stop the others when
one fails, let the caller emit output in between. How it waits is ours: finished
futures arrive in a queue, where LangGraph waits on the whole set again for each
one. And a task that ran ahead is adopted instead of run.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from functools import partial
from typing import Any, TypeGuard

from langgraph.errors import GraphBubbleUp

from langgraph_alto._langgraph import (
    CONFIG_KEY_CALL,
    EXCLUDED_FRAME_FNAMES,
    SKIP_RERAISE_SET,
    FuturesDict,
    PregelRunner,
    _acall,
    _call,
    _exception,
    _panic_or_proceed,
    _should_stop_others,
    arun_with_retry,
    run_with_retry,
)
from langgraph_alto.engine.ahead import Ahead
from langgraph_alto.engine.batch_threads import ThreadBatches
from langgraph_alto.engine.batches import Batches
from langgraph_alto.engine.pool import Pool
from langgraph_alto.engine.recording import Recording
from langgraph_alto.engine.slots import Slots, ungated, within
from langgraph_alto.engine.tasks import TaskAhead
from langgraph_alto.engine.threads import ThreadAhead, ordinary

BATCH = 64
"""How many tasks of a wide superstep are started between two turns of the event loop."""


class Arrivals(FuturesDict):  # type: ignore[type-arg]
    """The futures of a superstep; those that are done arrive in a queue.

    Args:
        event: Set when nothing more is to be waited for.
        commit: Called with each task and its exception, as it ends.
        should_stop: Whether these failed futures end the superstep.
        arrive: Called with each future that is done.
    """

    def __init__(
        self,
        event: threading.Event | asyncio.Event,
        commit: Any,
        should_stop: Callable[[set[Any]], bool],
        arrive: Callable[[Any], None],
    ) -> None:
        super().__init__(event, commit, should_stop, object)
        self.failed = set()
        self.arrive = arrive

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if value is None:
            key.add_done_callback(self.arrive)

    def on_done(self, task: Any, fut: Any) -> None:
        try:
            if (commit := self.callback()) is not None:
                commit(task, _exception(fut))
        finally:
            with self.lock:
                self.counter -= 1
                # Only a future that raised matters in the end; the others, and
                # what they hold on to, may go.
                if not fut.cancelled() and fut.exception() is not None:
                    self.done.add(fut)
                    self.failed.add(fut)
                if self.counter == 0 or self.should_stop(self.failed):
                    self.event.set()
            self.arrive(fut)


class Runner(PregelRunner):
    """LangGraph's runner, with adoption and without scans of all tasks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ahead: Ahead | None = None
        self.recording: Recording | None = None
        self.limiter: Slots | Pool | None = None
        self.batches: Batches | None = None
        self._commit = weakref.WeakMethod(self.commit)
        self._should_stop = partial(
            _should_stop_others, handled_exception_ids=self._handled_exception_ids
        )

    def _begin(self) -> Ahead | None:
        """What runs ahead in this run, if anything does."""
        loop = self._loop
        self.ahead = loop.ahead
        self.limiter = loop.limiter
        self.batches = loop.batches
        self.recording = loop.recording
        return self.ahead

    @property
    def _loop(self) -> Any:
        put_writes: Any = self.put_writes()
        return put_writes.__self__

    def commit(self, task: Any, exception: BaseException | None) -> None:
        super().commit(task, exception)
        if self.recording is not None:
            self.recording.finished(task, exception)
        ahead = self.ahead
        if ahead is not None and (ahead.current or ahead.gathers):
            if exception is None:
                ahead.real_finished(task)
            else:
                ahead.real_failed(task, fatal=not self._handled(task, exception))
        if self.batches is not None:
            self.batches.ended(task)

    def _handled(self, task: Any, error: BaseException | None) -> TypeGuard[BaseException]:
        """Whether a task's error goes to the node's own error handler."""
        return (
            error is not None
            and self._should_route_to_error_handler(task)
            and not isinstance(error, GraphBubbleUp)
        )

    # -- threads --------------------------------------------------------------

    def tick(
        self,
        tasks: Iterable[Any],
        *,
        reraise: bool = True,
        timeout: float | None = None,
        retry_policy: Any = None,
        get_waiter: Callable[[], concurrent.futures.Future[None]] | None = None,
        schedule_task: Callable[..., Any],
    ) -> Iterator[None]:
        """Run the tasks of one superstep; yields whenever there may be output."""
        tasks = tuple(tasks)
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        schedule_handler: Any = self.schedule_error_handler
        futures = Arrivals(threading.Event(), self._commit, self._should_stop, arrived.put)
        ahead: Any = self._begin()

        def configurable(task: Any) -> dict[str, Any]:
            return {
                CONFIG_KEY_CALL: partial(
                    _call,
                    weakref.ref(task),
                    retry_policy=retry_policy,
                    futures=weakref.ref(futures),
                    schedule_task=schedule_task,
                    submit=self.submit,
                )
            }

        def start(task: Any) -> None:
            futures[self._submit(ahead, task, retry_policy, configurable(task), reraise)] = task

        yield
        if not tasks:
            return
        if (
            len(tasks) == 1
            and timeout is None
            and get_waiter is None
            and not (isinstance(ahead, ThreadAhead) and ahead.pool.busy)
        ):
            task = tasks[0]
            tasks = ()
            try:
                self._inline(ahead, task, retry_policy, configurable(task))
                self.commit(task, None)
            except Exception as error:
                self.commit(task, error)
                if self._handled(task, error) and schedule_handler is not None:
                    self._handled_exception_ids.add(id(error))
                    if handler := schedule_handler(task, error):
                        tasks = (handler,)
                if reraise and id(error) not in self._handled_exception_ids:
                    if not futures:
                        # let the caller stream this task's result before it raises
                        yield
                        _trim(error)
                        raise
                    # raised below, once the calls the task has made are done
                    failed: concurrent.futures.Future[Any] = concurrent.futures.Future()
                    failed.set_exception(error)
                    futures.done.add(failed)
                    futures.failed.add(failed)
            if not futures and not tasks:
                return
        if get_waiter is not None:
            futures[get_waiter()] = None
        for place, task in enumerate(tasks, 1):
            start(task)
            if not place % BATCH:
                self._loop.started_many()
        end = timeout + time.monotonic() if timeout else None
        handled: set[Any] = set()
        while len(futures) > (1 if get_waiter is not None else 0):
            try:
                batch = [arrived.get(timeout=max(0, end - time.monotonic()) if end else None)]
            except queue.Empty:
                break  # timed out
            while not arrived.empty():
                batch.append(arrived.get_nowait())
            ended: set[Any] = set()
            for future in batch:
                if future not in futures:
                    continue
                task = futures.pop(future)
                if task is None:
                    # the waiter has ended; another one waits for more output
                    if futures and get_waiter is not None:
                        futures[get_waiter()] = None
                elif (raised := _exception(future)) is not None and self._handled(task, raised):
                    self._handled_exception_ids.add(id(raised))
                    SKIP_RERAISE_SET.add(future)
                    handled.add(future)
                    if schedule_handler is not None and (handler := schedule_handler(task, raised)):
                        start(handler)
                else:
                    ended.add(future)
            if _should_stop_others(ended, handled_exception_ids=self._handled_exception_ids):
                break
            yield
        futures.event.wait(timeout=max(0, end - time.monotonic()) if end else None)
        yield
        self._panic(futures, handled, reraise, TimeoutError)

    def _submit(
        self, ahead: Any, task: Any, retry_policy: Any, configurable: Any, reraise: bool
    ) -> concurrent.futures.Future[Any]:
        batches = self.batches if isinstance(self.batches, ThreadBatches) else None
        if batches is not None and task.name not in batches:
            batches = None
        if isinstance(ahead, ThreadAhead):
            usual = partial(self._run, task, retry_policy, configurable=configurable)
            if (run := ahead.adopt(task)) is not None:
                return ahead.hand_over(run, task, usual)
            if batches is not None:
                return batches.ordinary(task, usual)
            if ahead.current or self.limiter is not None:
                return ahead.ordinary(task.name, usual)
        elif isinstance(self.limiter, Pool):
            usual = partial(self._run, task, retry_policy, configurable=configurable)
            if batches is not None:
                return batches.ordinary(task, usual)
            return ordinary(self.limiter, task.name, usual)
        submit: Any = self.submit()
        future: concurrent.futures.Future[Any] = submit(
            self._run,
            task,
            retry_policy,
            configurable=configurable,
            __reraise_on_exit__=reraise,
        )
        return future

    def _inline(self, ahead: Any, task: Any, retry_policy: Any, configurable: Any) -> None:
        """Run the only task of a superstep on the caller's thread."""
        if isinstance(self.batches, ThreadBatches):
            self.batches.inline(task)
        if not isinstance(ahead, ThreadAhead):
            self._run(task, retry_policy, configurable=configurable)
        elif (run := ahead.adopt(task)) is not None:
            usual = partial(self._run, task, retry_policy, configurable=configurable)
            ahead.hand_over(run, task, usual).result()
        else:
            with ahead.pool.inline(task.name):
                self._run(task, retry_policy, configurable=configurable)

    def _run(self, task: Any, retry_policy: Any, *, configurable: Any) -> None:
        if self.batches is not None:
            self.batches.starts(task)
        if self.recording is not None:
            self.recording.started(task)
        run_with_retry(task, retry_policy, configurable=configurable)

    # -- asyncio --------------------------------------------------------------

    async def atick(
        self,
        tasks: Iterable[Any],
        *,
        reraise: bool = True,
        timeout: float | None = None,
        retry_policy: Any = None,
        get_waiter: Callable[[], asyncio.Future[None]] | None = None,
        schedule_task: Callable[..., Any],
    ) -> AsyncIterator[None]:
        """Run the tasks of one superstep; yields whenever there may be output."""
        loop = asyncio.get_running_loop()
        tasks = tuple(tasks)
        arrived: deque[Any] = deque()
        schedule_handler: Any = self.aschedule_error_handler
        waiting: asyncio.Future[None] | None = None

        def arrive(future: Any) -> None:
            arrived.append(future)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

        futures = Arrivals(asyncio.Event(), self._commit, self._should_stop, arrive)
        ahead = self._begin()
        shell = ahead if isinstance(ahead, TaskAhead) else None
        if shell is not None:
            shell.stream = self.use_astream

        def configurable(task: Any) -> dict[str, Any]:
            return {
                CONFIG_KEY_CALL: partial(
                    _acall,
                    weakref.ref(task),
                    stream=self.use_astream,
                    retry_policy=retry_policy,
                    futures=weakref.ref(futures),
                    schedule_task=schedule_task,
                    submit=self.submit,
                    loop=loop,
                )
            }

        recording, batches = self.recording, self.batches

        def run_usual(task: Any) -> Any:
            if batches is not None:
                batches.starts(task)
            if recording is not None and (batches is None or task.name not in batches):
                recording.started(task)
            return arun_with_retry(
                task, retry_policy, stream=self.use_astream, configurable=configurable(task)
            )

        def run_later(task: Any) -> Any:
            return _Later(partial(run_usual, task))

        limiter = self.limiter if isinstance(self.limiter, Slots) else None

        def run_limited(task: Any) -> Any:
            assert limiter is not None
            return within(limiter, task.name, partial(run_usual, task))

        def run_placed(task: Any) -> Any:
            assert shell is not None
            return shell.placed(task, partial(run_usual, task))

        def start(task: Any) -> None:
            grows = shell is not None and shell.grows(task.name)
            if shell is not None and (run := shell.adopt(task)) is not None:
                future: Any = shell.create(
                    shell.hand_over(run, task, partial(run_usual, task)), task.name
                )
            elif grows or (
                limiter is not None and (task.name in limiter.limits or task.name in limiter.apart)
            ):
                submit: Any = self.submit()
                with ungated(submit):
                    future = submit(
                        run_placed if grows else run_limited,
                        task,
                        __name__=task.name,
                        __cancel_on_exit__=True,
                        __reraise_on_exit__=reraise,
                    )
            else:
                submit = self.submit()
                gated = getattr(getattr(submit, "__self__", None), "semaphore", None) is not None
                future = submit(
                    run_later if gated else run_usual,
                    task,
                    __name__=task.name,
                    __cancel_on_exit__=True,
                    __reraise_on_exit__=reraise,
                )
            futures[future] = task

        yield
        if not tasks:
            return
        if len(tasks) == 1 and get_waiter is None and timeout is None:
            task = tasks[0]
            tasks = ()
            try:
                if shell is None:
                    await run_usual(task)
                elif (run := shell.adopt(task)) is not None:
                    await shell.hand_over(run, task, partial(run_usual, task))
                elif shell.slots is None:
                    await run_usual(task)
                else:
                    await shell.alone(task, partial(run_usual, task))
                self.commit(task, None)
            except Exception as error:
                self.commit(task, error)
                if self._handled(task, error) and schedule_handler is not None:
                    self._handled_exception_ids.add(id(error))
                    if handler := await schedule_handler(task, error):
                        tasks = (handler,)
                if reraise and id(error) not in self._handled_exception_ids:
                    if not futures:
                        yield
                        _trim(error)
                        raise
                    failed: asyncio.Future[Any] = loop.create_future()
                    failed.set_exception(error)
                    futures.done.add(failed)
                    futures.failed.add(failed)
            if not futures and not tasks:
                return
        if get_waiter is not None:
            futures[get_waiter()] = None
        for first in range(0, len(tasks), BATCH):
            for task in tasks[first : first + BATCH]:
                start(task)
            if len(tasks) > BATCH:
                # Let these begin: what is done early need not stay in memory.
                await asyncio.sleep(0)
                self._loop.started_many()
        end = timeout + loop.time() if timeout else None
        handled: set[Any] = set()
        while len(futures) > (1 if get_waiter is not None else 0):
            if not arrived:
                waiting = loop.create_future()
                if end is None:
                    await waiting
                else:
                    await asyncio.wait((waiting,), timeout=max(0, end - loop.time()))
                waiting = None
            if not arrived:
                break  # timed out
            ended: set[Any] = set()
            while arrived:
                future = arrived.popleft()
                if future not in futures:
                    continue
                task = futures.pop(future)
                if task is None:
                    if futures and get_waiter is not None:
                        futures[get_waiter()] = None
                elif (raised := _exception(future)) is not None and self._handled(task, raised):
                    self._handled_exception_ids.add(id(raised))
                    SKIP_RERAISE_SET.add(future)
                    handled.add(future)
                    if schedule_handler is not None and (
                        handler := await schedule_handler(task, raised)
                    ):
                        start(handler)
                else:
                    ended.add(future)
            if _should_stop_others(ended, handled_exception_ids=self._handled_exception_ids):
                break
            yield
        await asyncio.wait_for(
            futures.event.wait(), timeout=max(0, end - loop.time()) if end else None
        )
        yield
        for future in futures:
            future.cancel()
        self._panic(futures, handled, reraise, asyncio.TimeoutError)

    def _panic(
        self, futures: Arrivals, handled: set[Any], reraise: bool, timed_out: type[Exception]
    ) -> None:
        """Raise what the superstep raises, if anything, and cancel what is left."""
        try:
            _panic_or_proceed(
                futures.done.union(f for f, task in futures.items() if task is not None),
                timeout_exc_cls=timed_out,
                panic=reraise,
                handled_exception_ids=self._handled_exception_ids,
                handled_futures=handled,
            )
        except Exception as error:
            _trim(error)
            raise


class _Later:
    """An awaitable that makes its coroutine when awaited.

    A task that waits for a slot may be cancelled before it has one; a coroutine
    made for it by then would never be awaited, which Python warns of.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.make = make

    def __await__(self) -> Generator[Any, None, None]:
        return self.make().__await__()


def _trim(error: BaseException) -> None:
    """Take LangGraph's own frames off the end of a traceback, as it does itself."""
    if (trace := error.__traceback__) is not None:
        while trace.tb_next is not None and any(
            trace.tb_frame.f_code.co_filename.endswith(name) for name in EXCLUDED_FRAME_FNAMES
        ):
            trace = trace.tb_next
        error.__traceback__ = trace
