"""Write down the tasks of one run in a :class:`~langgraph_alto.trace.Trace`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphBubbleUp

from langgraph_alto.ancestry import ROOT, Ancestry
from langgraph_alto.engine.lineage import Lineage
from langgraph_alto.trace import Outcome, RunOf, Span, Superstep, Trace

if TYPE_CHECKING:
    from langgraph_alto.engine.run import Run


class Recording:
    """What the engine tells of one run.

    Args:
        trace: Where it is written down.
        graph: The graph's name.
        ancestry: That of the run itself.
        lineage: The ancestry of LangGraph's own tasks, if they have any.
    """

    def __init__(
        self, trace: Trace, graph: str, ancestry: Ancestry, lineage: Lineage | None
    ) -> None:
        self.trace = trace
        self.number = len(trace.runs)
        trace.runs.append(RunOf(self.number, graph, str(ancestry)))
        self.lineage = lineage
        self._real: dict[str, Span] = {}
        self._foreseen: dict[int, float] = {}
        self._superstep: Superstep | None = None
        self._last: str | None = None

    # -- supersteps -------------------------------------------------------------

    def made(self, step: int, tasks: Iterable[Any]) -> None:
        """LangGraph has made the tasks of a superstep."""
        now = self.trace.now()
        self._superstep = Superstep(self.number, step, now)
        self.trace.supersteps.append(self._superstep)
        self._real.clear()
        for task in tasks:
            self._made(task, step, now)

    def _made(self, task: Any, step: int, now: float) -> Span:
        ancestry = ROOT if self.lineage is None else self.lineage.of(task.id)
        span = Span(self.number, task.name, step, str(ancestry), False, now, waited_for=self._last)
        self._real[task.id] = span
        return span

    def committed(self) -> None:
        """LangGraph has applied the writes of the superstep."""
        if self._superstep is not None:
            self._superstep.committed = self.trace.now()
        self._foreseen.clear()

    # -- LangGraph's own tasks ----------------------------------------------------

    def started(self, task: Any) -> None:
        """A task's body begins in its own superstep, for the first time or again."""
        span = self._span(task)
        if span.started is None:
            span.started = self.trace.now()
            self.trace.spans.append(span)

    def finished(self, task: Any, error: BaseException | None) -> None:
        """A task of the current superstep has ended."""
        span = self._span(task)
        if span.started is not None and span.finished is None:
            self._end(span, error)
        self._last = span.name

    def _span(self, task: Any) -> Span:
        # Calls of a @task and error handlers are made within the superstep.
        step = -1 if self._superstep is None else self._superstep.step
        span = self._real.get(task.id)
        if span is None or span.outcome == "dropped":
            span = self._made(task, step, self.trace.now())
        return span

    # -- tasks run ahead ----------------------------------------------------------

    def foreseen(self, tasks: Iterable[Any]) -> None:
        """The predictor has foreseen these tasks."""
        now = self.trace.now()
        for task in tasks:
            self._foreseen[id(task)] = now

    def certain(self, run: Run) -> None:
        """A task may run ahead: its input is certain."""
        now, task = self.trace.now(), run.task
        ancestry = str(task.ancestry)
        run.span = Span(
            self.number,
            run.made.name,
            task.step,
            ancestry,
            True,
            self._foreseen.get(id(task), now),
            certain=now,
            waited_for=self._last,
        )

    def began(self, run: Run) -> None:
        """The body of a task run ahead begins."""
        if run.span is not None:
            run.span.started = self.trace.now()
            self.trace.spans.append(run.span)

    def ended(self, run: Run, error: BaseException | None = None) -> None:
        """The body of a task run ahead has ended."""
        if run.span is not None:
            self._end(run.span, error)
            self._last = run.span.name

    def routes(self, run: Run) -> None:
        """The body of a task run ahead has ended; its routers may have to wait."""
        if run.span is not None:
            run.span.finished = self.trace.now()

    def dropped(self, run: Run) -> None:
        """A task run ahead has come to nothing."""
        if (span := run.span) is not None:
            if span.finished is None:
                span.finished = self.trace.now()
            span.outcome = "dropped"
            run.span = None

    def adopted(self, run: Run, task: Any) -> None:
        """LangGraph has asked for a task that ran ahead."""
        if (span := run.span) is not None:
            span.adopted = self.trace.now()
            if self.lineage is not None:
                span.ancestry = str(self.lineage.of(task.id))
            self._real[task.id] = span

    def _end(self, span: Span, error: BaseException | None) -> None:
        if span.finished is None:
            span.finished = self.trace.now()
        outcome: Outcome = "done"
        if error is not None:
            outcome = "interrupted" if isinstance(error, GraphBubbleUp) else "failed"
        span.outcome = outcome
