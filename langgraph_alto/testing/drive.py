"""Runs a graph to its end, through interrupts and breakpoints, and records it.

What to ask of the graph next is decided by one generator, `script`, that does
no I/O; `run` answers its requests through the sync methods of a graph and
`arun` through the async ones. So both record in the same way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.types import Command

from langgraph_alto.testing.canonical import canonical
from langgraph_alto.testing.instrument import DelayFunction, Recorder
from langgraph_alto.testing.trace import (
    HUNG,
    MODES,
    Failure,
    How,
    Segment,
    SegmentBuilder,
    Trace,
    result_text,
    snapshot_text,
)

MAX_SEGMENTS = 32
"""A run is given up after this many pauses; loops with breakpoints have no end."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run that both engines are given.

    Attributes:
        input: What the graph is called with.
        config: The run's config, its thread included.
        how: By ``stream`` or by ``invoke``.
        resume: Answers to interrupts, in order.
        persists: Whether the graph has a checkpointer.
        subgraphs: Whether to stream subgraphs too.
        modes: Stream modes beside those always recorded.
        durability: When checkpoints are persisted; ``None`` for the default.
    """

    input: Any
    config: dict[str, Any]
    how: How
    resume: Sequence[Any] = ()
    persists: bool = False
    subgraphs: bool = False
    modes: tuple[str, ...] = ()
    durability: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of `script`: call this method of the graph.

    Attributes:
        method: ``stream``, ``invoke``, ``get_state`` or ``get_state_history``.
        args: Positional arguments.
        kwargs: Keyword arguments.
        builder: Takes the events of a stream.
    """

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    builder: SegmentBuilder | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How `script` ended: the segments, and the history oldest first."""

    segments: tuple[Segment, ...]
    history: tuple[str, ...] = ()


Answer = tuple[Any, Exception | None]
Script = Generator[Ask, Answer, Outcome]


def script(job: Job) -> Script:
    """Decide what to ask of a graph; answers come in by ``send``.

    All interrupts that are pending at a pause are answered together, each with
    the next of ``job.resume``, in the order of their tasks (of one task's, sorted). A breakpoint is
    passed by calling the graph with ``None``. The run ends where the graph
    ends, where answers run out, or with an exception.

    Args:
        job: The run.

    Returns:
        The outcome.
    """
    answers = list(job.resume)
    options = {"durability": job.durability} if job.durability and job.persists else {}
    given: Any = job.input
    segments: list[Segment] = []
    for _ in range(MAX_SEGMENTS):
        builder = SegmentBuilder()
        if job.how == "stream":
            modes = list(dict.fromkeys([*MODES, *job.modes]))
            kwargs = {"stream_mode": modes, "subgraphs": job.subgraphs, **options}
            value, error = yield Ask("stream", (given, job.config), kwargs, builder)
        else:
            value, error = yield Ask("invoke", (given, job.config), options)
        failure = None if error is None else Failure.of(error)
        pending: list[Any] = []
        next_: tuple[str, ...] = ()
        if job.persists and failure is None:
            state, _error = yield Ask("get_state", (job.config,))
            if state is not None:
                pending = [i for task in state.tasks for i in sorted(task.interrupts, key=_value)]
                next_ = state.next
        segment = builder.close(failure=failure, interrupts=[i.value for i in pending], next_=next_)
        if job.how == "invoke" and failure is None:
            segment = Segment(result=result_text(value), interrupts=segment.interrupts, next=next_)
        segments.append(segment)
        if failure is not None or not next_:
            break
        if not pending:
            given = None
        elif len(pending) > len(answers):
            break
        elif len(pending) == 1:
            given = Command(resume=answers.pop(0))
        else:
            given = Command(resume={i.id: answers.pop(0) for i in pending})
    history: tuple[str, ...] = ()
    if job.persists:
        snapshots, error = yield Ask("get_state_history", (job.config,))
        if error is not None:
            history = (str(Failure.of(error)),)
        else:
            end = segments[-1].failure
            failed = end is not None and end.of_node
            history = tuple(
                snapshot_text(s, last=i == 0, failed=failed) for i, s in enumerate(snapshots)
            )[::-1]
    return Outcome(tuple(segments), history)


def run(graph: Any, job: Job, recorder: Recorder, delay: DelayFunction, timeout: float) -> Trace:
    """Run a job through the sync methods of a graph, in a thread of its own.

    Args:
        graph: An instrumented graph.
        job: The run.
        recorder: The graph's recorder.
        delay: Sleeps before node bodies.
        timeout: Seconds after which the run is given up as hanging.

    Returns:
        The trace. A hang shows as a ``TimeoutError``.
    """
    before = set(threading.enumerate())
    done: list[Outcome] = []

    def body() -> None:
        plot = script(job)
        step: Ask | Outcome = next(plot)
        while isinstance(step, Ask):
            step = _advance(plot, _answer(graph, step))
        done.append(step)

    recorder.start(delay)
    thread = threading.Thread(target=body, name="langgraph-alto-check", daemon=True)
    thread.start()
    thread.join(timeout)
    recorder.stop()
    outcome = done[0] if done else _hung(timeout)
    leaks = [*_left_threads(before | {thread}), *_late(recorder.late)]
    return _trace(job, outcome, recorder, leaks)


async def arun(
    graph: Any, job: Job, recorder: Recorder, delay: DelayFunction, timeout: float
) -> Trace:
    """Run a job through the async methods of a graph; see `run`."""
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()

    async def body() -> Outcome:
        plot = script(job)
        step: Ask | Outcome = next(plot)
        while isinstance(step, Ask):
            step = _advance(plot, await _aanswer(graph, step))
        return step

    recorder.start(delay)
    own = asyncio.ensure_future(body())
    finished, _ = await asyncio.wait({own}, timeout=timeout)
    recorder.stop()
    if not finished:
        own.cancel()
        await asyncio.wait({own}, timeout=1)
    outcome = own.result() if finished else _hung(timeout)
    leaks = [*await _left_tasks(tasks | {own}), *_left_threads(threads)]
    late = Counter(_late(recorder.late))
    if outcome.segments[-1].failure is not None:
        # A function that LangGraph gave to a thread just before another node failed.
        late -= Counter(_late(recorder.late_in_threads))
    leaks += late.elements()
    return _trace(job, outcome, recorder, leaks)


def _trace(job: Job, outcome: Outcome, recorder: Recorder, leaks: Sequence[str]) -> Trace:
    calls = dict(recorder.calls)
    return Trace(job.how, outcome.segments, outcome.history, calls, tuple(leaks))


def _advance(plot: Script, answer: Answer) -> Ask | Outcome:
    try:
        return plot.send(answer)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


def _answer(graph: Any, ask: Ask) -> Answer:
    try:
        if ask.builder is not None:
            for event in graph.stream(*ask.args, **ask.kwargs):
                ask.builder.feed(event, subgraphs=ask.kwargs["subgraphs"])
            return None, None
        value = getattr(graph, ask.method)(*ask.args, **ask.kwargs)
        return list(value) if ask.method == "get_state_history" else value, None
    except Exception as error:  # noqa: BLE001 - what a graph raises is a finding
        return None, error


async def _aanswer(graph: Any, ask: Ask) -> Answer:
    try:
        if ask.builder is not None:
            async for event in graph.astream(*ask.args, **ask.kwargs):
                ask.builder.feed(event, subgraphs=ask.kwargs["subgraphs"])
            return None, None
        if ask.method == "get_state_history":
            return [s async for s in graph.aget_state_history(*ask.args)], None
        return await getattr(graph, "a" + ask.method)(*ask.args, **ask.kwargs), None
    except Exception as error:  # noqa: BLE001 - what a graph raises is a finding
        return None, error


def _value(interrupt: Any) -> str:
    return canonical(interrupt.value)


def _hung(timeout: float) -> Outcome:
    failure = Failure(HUNG, f"the run did not end within {timeout:g} s")
    return Outcome((Segment(failure=failure),))


def _late(names: Sequence[str]) -> list[str]:
    return [f"node {name} started after the run" for name in names]


def _left_threads(before: set[threading.Thread]) -> list[str]:
    """Threads of the run that are still there a moment later."""
    deadline = time.monotonic() + 0.2
    while True:
        left = [
            thread.name
            for thread in threading.enumerate()
            if thread not in before and not thread.name.startswith("asyncio_")
        ]
        if not left or time.monotonic() > deadline:
            return [f"thread {name.partition('-')[0]}" for name in sorted(left)]
        time.sleep(0.005)


async def _left_tasks(before: set[asyncio.Task[Any]]) -> list[str]:
    """Tasks of the run that are still there a moment later."""
    mine = asyncio.current_task()
    left: list[asyncio.Task[Any]] = []
    for pause in (0, 0, 0, 0.005, 0.02, 0.05, 0.1):
        left = [t for t in asyncio.all_tasks() if t not in before and t is not mine]
        if not left:
            return []
        await asyncio.sleep(pause)
    return sorted(f"task {getattr(t.get_coro(), '__qualname__', canonical(t))}" for t in left)
