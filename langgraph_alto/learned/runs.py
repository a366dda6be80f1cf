"""Runs a graph on inputs, watched, and says what was learned."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from langgraph_alto import _langgraph
from langgraph_alto.graph import unwrapped
from langgraph_alto.learned.conclude import conclude
from langgraph_alto.learned.inferred import Inferred
from langgraph_alto.learned.watch import Log, watched
from langgraph_alto.testing.arguments import (
    check_timeout,
    fresh,
    inputs_of,
    outside_loop,
)
from langgraph_alto.testing.drive import Job, arun, run
from langgraph_alto.testing.instrument import Recorder, delay_function
from langgraph_alto.testing.trace import Trace


@dataclass(frozen=True, slots=True)
class Session:
    """All that one call of `infer` was given.

    Args:
        graph: The graph as the user made it.
        watched: The copy that is watched.
        log: Where its runs are recorded.
        inputs: What it is run on.
        config: The config of every run.
        resume: Answers to interrupts.
        timeout: Seconds one run may take.
    """

    graph: Any
    watched: Any
    log: Log
    inputs: tuple[Any, ...]
    config: Mapping[str, Any]
    resume: tuple[Any, ...]
    timeout: float

    @classmethod
    def make(
        cls,
        graph: Any,
        inputs: Any,
        config: Mapping[str, Any] | None,
        resume: Sequence[Any],
        timeout: float,
    ) -> Session:
        """Check the arguments and copy the graph.

        Raises:
            TypeError: ``graph`` is no state graph, or ``timeout`` no number.
            ValueError: There are no inputs, or ``timeout`` is not positive.
            RuntimeError: The installed LangGraph is not one that is known.
        """
        if isinstance(graph, StateGraph):
            graph = graph.compile()
        if not isinstance(graph, Pregel) or not isinstance(
            getattr(graph, "builder", None), StateGraph
        ):
            raise TypeError(
                f"cannot infer the effects of a {type(graph).__name__}; "
                "give a StateGraph or a compiled one"
            )
        if _langgraph.unsupported is not None:
            raise RuntimeError(f"{_langgraph.unsupported}; effects cannot be inferred")
        given = inputs_of(inputs)
        check_timeout(timeout)
        graph = unwrapped(graph)
        log = Log()
        # Never the user's own saver: these runs are not to be remembered.
        saver = None
        if graph.checkpointer or resume:
            saver = InMemorySaver(serde=getattr(graph.checkpointer, "serde", None))
        twin = watched(graph.copy({"checkpointer": saver}), log)
        return cls(graph, twin, log, given, config or {}, tuple(resume), timeout)

    def run(self) -> list[Trace]:
        """Run all inputs through the sync methods."""
        quiet, recorder = delay_function(None, 0), Recorder()
        return [run(self.watched, job, recorder, quiet, self.timeout) for job in self._jobs()]

    async def arun(self) -> list[Trace]:
        """Run all inputs through the async methods."""
        quiet, recorder = delay_function(None, 0), Recorder()
        return [
            await arun(self.watched, job, recorder, quiet, self.timeout) for job in self._jobs()
        ]

    def _jobs(self) -> Iterator[Job]:
        saves = self.watched.checkpointer is not None
        for given in self.inputs:
            config = dict(self.config)
            if saves:
                thread = f"infer-{random.SystemRandom().getrandbits(64):016x}"
                config["configurable"] = {**config.get("configurable", {}), "thread_id": thread}
            yield Job(fresh(given), config, "invoke", self.resume, persists=saves)

    def result(self, traces: Sequence[Trace]) -> Inferred:
        """Say what was learned."""
        self.log.settle()
        failures = tuple(str(trace.failure) for trace in traces if trace.failure is not None)
        return Inferred(conclude(self.graph, self.log.records), len(traces), failures)


def infer(
    graph: Any,
    inputs: Any,
    config: Mapping[str, Any] | None,
    mode: Literal["async", "sync"],
    resume: Sequence[Any],
    timeout: float,
) -> Inferred:
    """See `langgraph_alto.infer`."""
    if mode not in ("async", "sync"):
        raise ValueError(f"mode is {mode!r}; it must be 'async' or 'sync'")
    session = Session.make(graph, inputs, config, resume, timeout)
    return session.result(session.run() if mode == "sync" else outside_loop(session.arun))


async def ainfer(
    graph: Any,
    inputs: Any,
    config: Mapping[str, Any] | None,
    resume: Sequence[Any],
    timeout: float,
) -> Inferred:
    """See `langgraph_alto.ainfer`."""
    session = Session.make(graph, inputs, config, resume, timeout)
    return session.result(await session.arun())
