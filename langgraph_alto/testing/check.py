"""Runs any graph on LangGraph and on Alto, and reports what differs.

    >>> from langgraph_alto.testing import check
    >>> check(graph, [{"question": "why?"}], delays=("random", 0, 0.01)).raise_for_difference()

For every input both engines run the graph twice: once by ``stream``, where each
superstep is compared, and once by ``invoke``, where the result is.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

from langgraph_alto.batching.declare import Batch
from langgraph_alto.plan.effects import Effects
from langgraph_alto.streams.declare import Stream
from langgraph_alto.testing.arguments import (
    check_arguments,
    check_mode,
    compiled,
    fresh,
    inputs_of,
    outside_loop,
    stream_modes_of,
)
from langgraph_alto.testing.canonical import canonical
from langgraph_alto.testing.compare import compare
from langgraph_alto.testing.drive import Job, arun, run
from langgraph_alto.testing.instrument import (
    DelayFunction,
    Delays,
    Recorder,
    delay_function,
    instrumented,
    watch_batches,
)
from langgraph_alto.testing.report import Comparison, Report
from langgraph_alto.testing.trace import How, Trace

Mode = Literal["async", "sync", "both"]
WAYS: tuple[How, ...] = ("stream", "invoke")
_RACE_PAUSE = 0.05


class Wrapped(Protocol):
    """Makes the second engine's graph from a compiled graph."""

    def __call__(self, graph: Any, /) -> Any:
        """Return a graph that should behave as the given one does."""


def check(
    graph: Any,
    inputs: Any,
    *,
    policy: str = "proven",
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] | None = (),
    limits: Mapping[str, int] | None = None,
    batch: Mapping[str, Batch] | None = None,
    streams: Mapping[str, str | Stream] | None = None,
    delays: Delays | None = None,
    runs: int = 1,
    mode: Mode = "async",
    config: Mapping[str, Any] | None = None,
    checkpointer: Callable[[], Any] | None = None,
    resume: Sequence[Any] = (),
    seed: int | None = None,
    wrapped: Wrapped | None = None,
    reset: Callable[[], object] | None = None,
    stream_modes: Sequence[str] = (),
    durability: str | None = None,
    timeout: float = 60.0,
) -> Report:
    """Run a graph on LangGraph and on Alto and compare everything observable.

    Compared are results, the ``values`` of every superstep in order, its
    ``updates`` as a multiset, its tasks with their inputs, checkpoints and
    state history (values, next, step, source, tasks' results and interrupts),
    streams of subgraphs, exceptions (type, message, node), interrupts, how
    often each node body ran, and threads and tasks that outlive the run.
    Values are compared by `canonical` text.

    Of several nodes that fail in one superstep, LangGraph reports whichever
    was first. So if the engines report different exceptions, LangGraph runs
    again with Alto's failing node made the quickest, and if it then reports
    the same exception, that is no difference.

    Args:
        graph: A ``StateGraph`` or a compiled graph. It is left untouched.
        inputs: A list of inputs, an iterator over them, or one input.
        policy: Alto's policy. Under ``"speculative"`` the number of node calls
            is not compared.
        effects: Declared effects, as for `wrap`.
        ordered: Nodes never run ahead, as for `wrap`.
        limits: How many tasks of a node may run at once, as for `wrap`.
        batch: How calls of nodes are batched, as for `wrap`. An item of a batch counts
            as a body.
        streams: Which state key a node's model writes, as for `wrap`. A packet that its
            routers would not send after all has run a body once more, which counts.
        delays: Sleeps injected before node bodies, in seconds, the same in both
            engines: a mapping from node name to seconds (or to several values
            of which each call draws one), a callable
            ``(node, superstep, place among Send siblings) -> seconds``, or
            ``("random", low, high)``. Nodes of subgraphs are ``"outer/inner"``.
        runs: How often to run each input; random delays differ between runs.
        mode: Through async methods, sync methods, or both.
        config: Config of every run; its thread id is replaced.
        checkpointer: Called for a saver, once per engine and mode. May return a
            saver, or a (sync or async) context manager of one.
        resume: Answers to the graph's interrupts, in order.
        seed: Seed of the delays. Drawn and reported if ``None``.
        wrapped: Makes the second engine's graph from the compiled graph,
            instead of `wrap`. For testing the checker and other engines.
        reset: Called before every run, for state the graph keeps outside.
        stream_modes: Further stream modes to compare as multisets per
            superstep, such as ``"custom"``.
        durability: When checkpoints are persisted, as for ``invoke``.
        timeout: Seconds after which one run counts as hanging.

    Returns:
        The report. This function raises only for arguments that are wrong.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: There are no inputs or no runs, or an argument names a mode, a
            node, a state key or a policy that there is not.

    Example:
        ```python
        report = check(graph, [{"topic": "rain"}], delays=("random", 0, 0.01), runs=5)
        assert report.ok, report.text()
        ```
    """
    check_mode(mode)
    case = _Case.make(
        graph,
        inputs,
        policy=policy,
        delays=delays,
        runs=runs,
        config=config,
        checkpointer=checkpointer,
        resume=resume,
        seed=seed,
        wrapped=wrapped or _wrapper(policy, effects, ordered, limits, batch, streams),
        reset=reset,
        stream_modes=stream_modes,
        durability=durability,
        timeout=timeout,
    )
    comparisons: list[Comparison] = []
    if mode in ("sync", "both"):
        comparisons += case.check()
    if mode in ("async", "both"):
        comparisons += outside_loop(case.acheck)
    return case.report(comparisons)


async def acheck(
    graph: Any,
    inputs: Any,
    *,
    policy: str = "proven",
    effects: Mapping[str, Effects] | None = None,
    ordered: Collection[str] | None = (),
    limits: Mapping[str, int] | None = None,
    batch: Mapping[str, Batch] | None = None,
    streams: Mapping[str, str | Stream] | None = None,
    delays: Delays | None = None,
    runs: int = 1,
    config: Mapping[str, Any] | None = None,
    checkpointer: Callable[[], Any] | None = None,
    resume: Sequence[Any] = (),
    seed: int | None = None,
    wrapped: Wrapped | None = None,
    reset: Callable[[], object] | None = None,
    stream_modes: Sequence[str] = (),
    durability: str | None = None,
    timeout: float = 60.0,
) -> Report:
    """Like `check` with ``mode="async"``, on the running event loop.

    Raises:
        TypeError: As for `check`.
        ValueError: As for `check`.
    """
    case = _Case.make(
        graph,
        inputs,
        policy=policy,
        delays=delays,
        runs=runs,
        config=config,
        checkpointer=checkpointer,
        resume=resume,
        seed=seed,
        wrapped=wrapped or _wrapper(policy, effects, ordered, limits, batch, streams),
        reset=reset,
        stream_modes=stream_modes,
        durability=durability,
        timeout=timeout,
    )
    return case.report(await case.acheck())


def _wrapper(
    policy: str,
    effects: Mapping[str, Effects] | None,
    ordered: Collection[str] | None,
    limits: Mapping[str, int] | None,
    batch: Mapping[str, Batch] | None,
    streams: Mapping[str, str | Stream] | None,
) -> Wrapped:
    from langgraph_alto.wrap import wrap

    return lambda graph: wrap(
        graph,
        policy=policy,
        effects=effects,
        ordered=ordered,
        limits=limits,
        batch=batch,
        streams=streams,
    )


@dataclass(frozen=True, slots=True)
class _Engine:
    """A graph as one engine runs it, with the recorder of its node bodies."""

    graph: Any
    recorder: Recorder
    persists: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """All that one call of `check` was given, checked and completed."""

    compiled: Any
    inputs: tuple[Any, ...]
    policy: str
    delays: Delays | None
    runs: int
    config: Mapping[str, Any]
    checkpointer: Callable[[], Any] | None
    resume: Sequence[Any]
    seed: int
    wrapped: Wrapped
    reset: Callable[[], object]
    stream_modes: tuple[str, ...]
    durability: str | None
    timeout: float
    notes: list[str]

    @classmethod
    def make(
        cls,
        graph: Any,
        inputs: Any,
        *,
        config: Mapping[str, Any] | None,
        seed: int | None,
        reset: Callable[[], object] | None,
        stream_modes: Sequence[str],
        **rest: Any,
    ) -> _Case:
        graph = compiled(graph)
        check_arguments(graph, **rest)
        return cls(
            compiled=graph,
            inputs=inputs_of(inputs),
            config=config or {},
            stream_modes=stream_modes_of(stream_modes),
            seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
            reset=reset or (lambda: None),
            notes=[],
            **rest,
        )

    def report(self, comparisons: Sequence[Comparison]) -> Report:
        notes = tuple(dict.fromkeys(self.notes))
        return Report(tuple(comparisons), self.seed, self.policy, notes)

    def check(self) -> list[Comparison]:
        with contextlib.ExitStack() as stack:
            savers = [_entered(stack, self._saver()) for _ in range(2)]
            plain, alto = self._engines(savers)
            found = []
            for label, job, delay in self._jobs("sync", plain):
                left = self._run(plain, job, delay)
                right = self._run(alto, job, delay)
                if (pause := _race(left, right, delay)) and left.failure != right.failure:
                    second = self._run(plain, _again(job), pause)
                    left = self._settled(left, right, second)
                found.append(self._comparison(label, job, left, right))
            return found

    async def acheck(self) -> list[Comparison]:
        async with contextlib.AsyncExitStack() as stack:
            savers = [await _aentered(stack, self._saver()) for _ in range(2)]
            plain, alto = self._engines(savers)
            found = []
            for label, job, delay in self._jobs("async", plain):
                left = await self._arun(plain, job, delay)
                right = await self._arun(alto, job, delay)
                if (pause := _race(left, right, delay)) and left.failure != right.failure:
                    second = await self._arun(plain, _again(job), pause)
                    left = self._settled(left, right, second)
                found.append(self._comparison(label, job, left, right))
            return found

    def _run(self, engine: _Engine, job: Job, delay: DelayFunction) -> Trace:
        self.reset()
        job = replace(job, input=fresh(job.input))
        return run(engine.graph, job, engine.recorder, delay, self.timeout)

    async def _arun(self, engine: _Engine, job: Job, delay: DelayFunction) -> Trace:
        self.reset()
        job = replace(job, input=fresh(job.input))
        return await arun(engine.graph, job, engine.recorder, delay, self.timeout)

    def _saver(self) -> Any:
        return self.checkpointer() if self.checkpointer else None

    def _engines(self, savers: Sequence[Any]) -> tuple[_Engine, _Engine]:
        engines = []
        makers: tuple[Wrapped, Wrapped] = (_unwrapped, self.wrapped)
        for saver, make in zip(savers, makers, strict=True):
            recorder = Recorder()
            update = {} if saver is None else {"checkpointer": saver}
            graph = instrumented(self.compiled.copy(update), recorder)
            persists = isinstance(graph.checkpointer, BaseCheckpointSaver)
            made = make(graph)
            watch_batches(made, recorder)
            engines.append(_Engine(made, recorder, persists))
            self.notes.extend(f"calls of {name} are not counted" for name in recorder.uncounted)
        return engines[0], engines[1]

    def _jobs(self, mode: str, engine: _Engine) -> Iterator[tuple[str, Job, DelayFunction]]:
        nested = any(node.subgraphs for node in engine.graph.nodes.values())
        for number, given in enumerate(self.inputs):
            for turn in range(self.runs):
                delay = delay_function(self.delays, self.seed + turn)
                for how in WAYS:
                    label = f"input {number}, run {turn}, {mode} {how}"
                    job = Job(
                        input=given,
                        config=self._config(engine.persists),
                        how=how,
                        resume=tuple(self.resume),
                        persists=engine.persists,
                        subgraphs=nested,
                        modes=self.stream_modes,
                        durability=self.durability,
                    )
                    yield label, job, delay

    def _config(self, persists: bool) -> dict[str, Any]:
        config = dict(self.config)
        if persists:
            thread = f"check-{random.SystemRandom().getrandbits(64):016x}"
            config["configurable"] = {**config.get("configurable", {}), "thread_id": thread}
        return config

    def _settled(self, plain: Trace, alto: Trace, second: Trace) -> Trace:
        """The plain run to compare with: the second, if it shows a fair race."""
        if second.failure != alto.failure:
            return plain
        self.notes.append(
            f"several nodes fail in one superstep; LangGraph too reports '{alto.failure}'"
        )
        return second

    def _comparison(self, label: str, job: Job, plain: Trace, alto: Trace) -> Comparison:
        if plain.hung:
            self.notes.append(f"{label}: LangGraph did not end within {self.timeout:g} s")
        differences = compare(plain, alto, same_work=self.policy != "speculative")
        return Comparison(label, canonical(job.input), plain, alto, differences)


def _unwrapped(graph: Any, /) -> Any:
    return graph


def _race(plain: Trace, alto: Trace, delay: DelayFunction) -> DelayFunction | None:
    """Delays under which Alto's failing node is the first to fail, if that may be."""
    if not (plain.failure and plain.failure.nodes and alto.failure and alto.failure.nodes):
        return None
    quick = "/".join(reversed(alto.failure.nodes))
    return lambda node, step, place: (
        0.0 if node == quick else max(delay(node, step, place), _RACE_PAUSE)
    )


def _again(job: Job) -> Job:
    configurable = dict(job.config.get("configurable", {}))
    if "thread_id" in configurable:
        configurable["thread_id"] += "-again"
    return replace(job, config={**job.config, "configurable": configurable})


def _entered(stack: contextlib.ExitStack, saver: Any) -> Any:
    if saver is None or isinstance(saver, BaseCheckpointSaver):
        return saver
    return stack.enter_context(saver)


async def _aentered(stack: contextlib.AsyncExitStack, saver: Any) -> Any:
    if saver is None or isinstance(saver, BaseCheckpointSaver):
        return saver
    if hasattr(saver, "__aenter__"):
        return await stack.enter_async_context(saver)
    return stack.enter_context(saver)
