"""What one engine did with one input, in a form that can be compared.

A run of a graph is a list of *segments* (one, and one more for each resume), a
segment a list of supersteps. `SegmentBuilder` makes them from the events of
``stream(stream_mode=["values", "updates", "debug"])``; everything is turned
into canonical text on arrival, since nodes may later change the objects in place.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langgraph_alto.testing.canonical import canonical, without_ids
from langgraph_alto.testing.instrument import Call

How = Literal["stream", "invoke"]
HUNG = "hang"
"""Type of the `Failure` of a run that was given up."""

MODES = ("values", "updates", "debug")
_OF_THE_RUN = frozenset({"thread_id", "checkpoint_id", "run_id"})
"""What a message's metadata hold that differs from run to run of one graph."""

_TASK_NOTE = re.compile(r"During task with name '(.*?)' and id")


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as the caller of the graph saw it.

    Attributes:
        type: Qualified name of its class.
        message: Its text without ids and addresses.
        nodes: The nodes that LangGraph's notes name, innermost first; empty
            when it was not a node that raised it. Before Python 3.11 LangGraph
            writes no notes; instrumented bodies then do.
    """

    type: str
    message: str
    nodes: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception."""
        notes = "\n".join(getattr(error, "__notes__", ()))
        kind = type(error)
        return cls(
            f"{kind.__module__}.{kind.__qualname__}",
            without_ids(str(error)),
            tuple(_TASK_NOTE.findall(notes)),
        )

    @property
    def of_node(self) -> bool:
        """Whether a node raised it; before Python 3.11 routes and writes leave no note."""
        return bool(self.nodes) or sys.version_info < (3, 11)

    def __str__(self) -> str:
        where = f" in node {'/'.join(reversed(self.nodes))}" if self.nodes else ""
        return f"{self.type.rpartition('.')[2]}: {self.message}{where}"


@dataclass(frozen=True, slots=True)
class Superstep:
    """One superstep as its stream events told it.

    Attributes:
        step: LangGraph's number; -1 for what came before the first task.
        tasks: Its tasks with their inputs, in LangGraph's order.
        updates: Updates and task results, sorted: they arrive in any order.
        values: State after the superstep, once per ``values`` event.
        checkpoints: Its checkpoints, when there is a checkpointer.
        interrupts: Interrupts raised in it, sorted.
    """

    step: int
    tasks: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    interrupts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """From one input (or resume) to the end, a pause or an exception.

    Attributes:
        supersteps: In order; empty for a run by ``invoke``.
        subgraphs: Streams of subgraphs, sorted, each as one text.
        result: What ``invoke`` returned; ``None`` for a stream.
        interrupts: Pending interrupts' values in the order of their tasks; of one
            task's (a subgraph's, that is) sorted, since they come in any order.
        next: Nodes the run stopped in front of.
        failure: The exception that ended it.
    """

    supersteps: tuple[Superstep, ...] = ()
    subgraphs: tuple[str, ...] = ()
    result: str | None = None
    interrupts: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole run on one engine.

    Attributes:
        how: Whether it ran by ``stream`` or by ``invoke``.
        segments: One, and one for each resume.
        history: ``get_state_history``, oldest first, each snapshot as text.
        calls: How often each node body ran.
        leaks: Tasks, threads and late node bodies left behind by the run.
    """

    how: How
    segments: tuple[Segment, ...]
    history: tuple[str, ...] = ()
    calls: Mapping[Call, int] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()

    @property
    def failure(self) -> Failure | None:
        """The exception that ended the run."""
        return self.segments[-1].failure if self.segments else None

    @property
    def hung(self) -> bool:
        """Whether the run was given up."""
        return self.failure is not None and self.failure.type == HUNG

    @property
    def undisturbed(self) -> bool:
        """Whether the run had neither an exception nor an interrupt nor a pause."""
        return len(self.segments) == 1 and not (
            self.failure or self.segments[0].interrupts or self.segments[0].next
        )

    def calls_by_node(self) -> Counter[str]:
        """Node bodies run, by node."""
        totals: Counter[str] = Counter()
        for call, count in self.calls.items():
            totals[call.node] += count
        return totals


class SegmentBuilder:
    """Collects the stream events of one segment."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[str, ...], list[_Open]] = {}

    def feed(self, event: Any, *, subgraphs: bool) -> None:
        """Take one event, as ``stream`` yields it for several modes."""
        namespace, mode, data = event if subgraphs else ((), *event)
        steps = self._graphs.setdefault(tuple(namespace), [_Open(-1)])
        if mode == "debug":
            self._debug(steps, data)
        elif mode == "values":
            interrupts = _interrupts_of(data)
            if interrupts is None:
                steps[-1].values.append(canonical(data))
            else:
                steps[-1].interrupts.append(result_text(data))
        elif mode == "updates":
            steps[-1].updates.append(result_text(data))
        else:
            steps[-1].updates.append(f"{mode}: {_event_text(mode, data)}")

    @staticmethod
    def _debug(steps: list[_Open], data: Mapping[str, Any]) -> None:
        payload = data["payload"]
        if data["type"] == "task":
            if data["step"] != steps[-1].step:
                steps.append(_Open(data["step"]))
            steps[-1].tasks.append(_task_text(payload))
        elif data["type"] == "task_result":
            steps[-1].updates.append(_task_result_text(payload))
        elif data["type"] == "checkpoint":
            steps[-1].checkpoints.append(_checkpoint_text(payload))

    def close(
        self,
        *,
        failure: Failure | None = None,
        interrupts: Sequence[object] = (),
        next_: Sequence[str] = (),
    ) -> Segment:
        """End the segment.

        Updates of a superstep that a node's exception cut short depend on who
        was quicker, so they are left out; so are subgraphs running in it.
        """
        cut = failure is not None and failure.of_node
        main = self._graphs.pop((), [_Open(-1)])
        inner = [
            f"{'/'.join(part.partition(':')[0] for part in namespace)}: "
            + " ".join(str(step.freeze()) for step in steps)
            for namespace, steps in self._graphs.items()
        ]
        return Segment(
            supersteps=tuple(s.freeze(cut=cut and s is main[-1]) for s in main),
            subgraphs=() if cut else tuple(sorted(inner)),
            interrupts=tuple(canonical(i) for i in interrupts),
            next=tuple(next_),
            failure=failure,
        )


@dataclass(slots=True)
class _Open:
    """A superstep while it is collected."""

    step: int
    tasks: list[str] = field(default_factory=list)
    updates: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    interrupts: list[str] = field(default_factory=list)

    def freeze(self, *, cut: bool = False) -> Superstep:
        return Superstep(
            self.step,
            tuple(self.tasks),
            () if cut else tuple(sorted(self.updates)),
            tuple(self.values),
            tuple(self.checkpoints),
            () if cut else tuple(sorted(self.interrupts)),
        )


def _event_text(mode: str, data: Any) -> str:
    """An event of a further stream mode without ids, thread and timestamps."""
    if mode == "tasks":
        return _task_text(data) if "input" in data else _task_result_text(data)
    if mode == "checkpoints":
        tasks = ", ".join(_pending_text(task) for task in data["tasks"])
        return f"{_checkpoint_text(data)} tasks=[{tasks}]"
    if mode == "messages":
        message, metadata = data
        known = {key: value for key, value in metadata.items() if key not in _OF_THE_RUN}
        return f"{canonical(message)} {without_ids(canonical(known))}"
    return canonical(data)


def _task_text(payload: Mapping[str, Any]) -> str:
    triggers = ", ".join(sorted(payload["triggers"]))
    return f"{payload['name']}({canonical(payload['input'])}) by {triggers}"


def _task_result_text(payload: Mapping[str, Any]) -> str:
    error = payload["error"]
    result = canonical(payload["result"])
    shown = f"{result}" if error is None else f"failed: {without_ids(str(error))}"
    interrupts = sorted(canonical(i["value"]) for i in payload["interrupts"])
    paused = f" interrupted: {interrupts}" if interrupts else ""
    return f"result of {payload['name']}: {shown}{paused}"


def _checkpoint_text(payload: Mapping[str, Any]) -> str:
    metadata = payload["metadata"]
    return (
        f"{metadata['source']} {metadata['step']} next={payload['next']} "
        f"values={canonical(payload['values'])}"
    )


def _pending_text(task: Mapping[str, Any]) -> str:
    """A task of a checkpoint; of the state of a subgraph, only that there is one."""
    interrupts = sorted(canonical(_value_of(i)) for i in task.get("interrupts", ()))
    told = [f"interrupts={interrupts}"] if interrupts else []
    if task.get("error") is not None:
        told.append(f"failed: {without_ids(str(task['error']))}")
    if "result" in task:
        told.append(f"result={canonical(task['result'])}")
    if task.get("state") is not None:
        told.append("of a subgraph")
    return f"{task['name']}({', '.join(told)})"


def _value_of(interrupt: Any) -> Any:
    return interrupt["value"] if isinstance(interrupt, Mapping) else interrupt.value


def result_text(value: Any) -> str:
    """A result or an event, its interrupts sorted: those of siblings come in any order."""
    interrupts = _interrupts_of(value)
    if interrupts is None:
        return canonical(value)
    rest = {k: v for k, v in value.items() if k != "__interrupt__"}
    return f"{canonical(rest)} interrupted: {sorted(canonical(i) for i in interrupts)}"


def snapshot_text(snapshot: Any, *, last: bool, failed: bool) -> str:
    """One entry of ``get_state_history`` without ids and timestamps.

    Args:
        snapshot: A ``StateSnapshot``.
        last: Whether it is the newest.
        failed: Whether the run ended in a node's exception: then the newest
            snapshot's task results depend on who was quicker.
    """
    metadata = snapshot.metadata or {}
    cut = last and failed
    tasks = ", ".join(
        task.name
        if cut
        else f"{task.name}(interrupts={sorted(canonical(i.value) for i in task.interrupts)}, "
        f"result={canonical(task.result)})"
        for task in snapshot.tasks
    )
    return (
        f"{metadata.get('source')} {metadata.get('step')} next={list(snapshot.next)} "
        f"values={canonical(snapshot.values)} tasks=[{tasks}]"
    )


def _interrupts_of(data: Any) -> Any:
    return data.get("__interrupt__") if isinstance(data, Mapping) else None
