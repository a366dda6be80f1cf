"""Routers of a task run ahead: they wait until what they read is certain.

A conditional edge reads shared state as of the start of its task's superstep,
plus the task's own writes. The node's body may be certain long before that is.
So its routers stand behind a gate, which opens when the predictor says that
their reads are certain, or when LangGraph asks for the task.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.runnables import RunnableConfig

from langgraph_alto._langgraph import BranchSpec, RunnableCallable, RunnableSeq
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.partial_objects import PartialDict, PartialObject, make_partial

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead
    from langgraph_alto.engine.run import Run


class Gate(Protocol):
    """Where a task run ahead waits between its body and its routers."""

    def open(self) -> None:
        """Let it pass; more than once is once."""

    def wait(self) -> None:
        """Wait in a thread.

        Raises:
            Misprediction: The run was given up.
        """

    async def await_(self) -> None:
        """Wait on the event loop."""


def routes_of(node: Any) -> list[Any]:
    """The writers of a node that are conditional edges."""
    return [
        writer
        for writer in node.flat_writers
        if isinstance(writer, RunnableCallable)
        and isinstance(getattr(writer.func, "__self__", None), BranchSpec)
    ]


def ahead_node(ahead: Ahead, run: Run, node: Any, routes: list[Any]) -> RunnableSeq:
    """The node as LangGraph runs it, with its routers behind the run's gate."""
    writers = [
        _Route(ahead, run, writer) if writer in routes else writer for writer in node.flat_writers
    ]
    policy = {"trace_policy": node.trace_policy} if hasattr(node, "trace_policy") else {}
    return RunnableSeq(node.bound, *writers, **policy)


class _Route(RunnableCallable):
    """One conditional edge behind the gate."""

    def __init__(self, ahead: Ahead, run: Run, writer: Any) -> None:
        super().__init__(self._route, self._aroute, name=None, trace=False)
        self.ahead = ahead
        self.run = run
        self.writer = writer

    def _route(self, input: Any, config: RunnableConfig) -> Any:
        assert self.run.gate is not None
        if not self._certain():
            self.ahead.at_gate(self.run)
            self.run.gate.wait()
        if self.run.adopted is None:
            try:
                if (partly := self._partly(input)) is not None:
                    branch, partial = partly
                    result = branch.path.invoke(partial.target, config)
                    self._check(partial)
                    return branch._finish(self.writer.kwargs["writer"], input, result, config)
            except Misprediction:
                # The body has run; only the router must wait for the true state.
                self.ahead.at_gate(self.run, for_good=True)
                self.run.gate.wait()
        return self.writer.invoke(input, config)

    async def _aroute(self, input: Any, config: RunnableConfig) -> Any:
        assert self.run.gate is not None
        if not self._certain():
            self.ahead.at_gate(self.run)
            await self.run.gate.await_()
        if self.run.adopted is None:
            try:
                if (partly := self._partly(input)) is not None:
                    branch, partial = partly
                    result = await branch.path.ainvoke(partial.target, config)
                    self._check(partial)
                    return branch._finish(self.writer.kwargs["writer"], input, result, config)
            except Misprediction:
                self.ahead.at_gate(self.run, for_good=True)
                await self.run.gate.await_()
        return await self.writer.ainvoke(input, config)

    def _select(self) -> list[str]:
        reader = self.writer.kwargs.get("reader")
        select = reader.keywords["select"] if reader is not None else ()
        return [select] if isinstance(select, str) else list(select)

    def _certain(self) -> bool:
        """Whether the router may run now."""
        return self.run.adopted is not None or self.ahead.may_route(self.run)

    def _check(self, partial: PartialDict | PartialObject) -> None:
        """Take no result of a router that was refused something, whatever it did then."""
        if partial.refused:
            raise Misprediction(self.run.made.name, "routed on what is not certain yet")

    def _partly(self, input: Any) -> tuple[BranchSpec, PartialDict | PartialObject] | None:
        """The router's state with the keys that are certain; ``None`` if all are."""
        reader = self.writer.kwargs.get("reader")
        if reader is None:
            return None
        keys = [key for key in self._select() if key in self.ahead.loop.channels]
        with self.ahead.locked():
            if self.run.adopted is not None:
                return None
            if self.ahead.frozen:
                raise Misprediction(self.run.made.name, "routed between two supersteps")
            certain = self.ahead.predictor.certain(keys, self.run.task.step)
            self.run.view = self.ahead.virtual_view(self.run, certain)
            if len(certain) == len(keys):
                return None
            select = [key for key in self._select() if key in certain or key not in keys]
            value = self.run.view(select, True)
        branch = self.writer.func.__self__
        unsure = frozenset(keys) - certain
        mapper = reader.keywords.get("mapper")
        if mapper is None and isinstance(input, dict) and branch.input_schema is None:
            value = {k: v for k, v in {**input, **value}.items() if k not in unsure}
        partial = make_partial(mapper, self.run.made.name, value, unsure)
        if partial is None:
            raise Misprediction(self.run.made.name, "cannot be given part of its state")
        return branch, partial


class AsyncGate:
    """A gate for the asyncio shell."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def open(self) -> None:
        self._event.set()

    def wait(self) -> None:
        raise RuntimeError("the asyncio shell never waits in a thread")

    async def await_(self) -> None:
        await self._event.wait()
        self._event.clear()
