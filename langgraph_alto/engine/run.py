"""A task run ahead, and what came of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph_alto.engine.events import Events
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.partial_objects import PartialDict, PartialObject
from langgraph_alto.engine.routes import Gate
from langgraph_alto.engine.saver import HeldSaver
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.trace import Span

if TYPE_CHECKING:
    from langgraph_alto.engine.sinks import Sink


class _Any(frozenset[str]):
    """All keys there may be."""

    def __contains__(self, key: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


ANY = _Any()

NOTHING: Any = object()
"""Stands for the value of a key that has none."""


class Run:
    """A task run ahead: LangGraph's own task, made early, and what came of it.

    Args:
        task: The predictor's task.
        made: The task as LangGraph makes it, for a superstep to come.
        given: Values of the state keys it was given, when an edge starts it.
        absent: Keys that were certain to have no value.
    """

    __slots__ = (
        "absent",
        "adopted",
        "alone",
        "begun",
        "done",
        "error",
        "events",
        "future",
        "gate",
        "given",
        "made",
        "provisional",
        "routed",
        "saver",
        "sink",
        "span",
        "state",
        "task",
        "view",
    )

    def __init__(self, task: Task, made: Any, provisional: bool) -> None:
        self.task = task
        self.made = made
        self.provisional = provisional
        self.given: dict[str, Any] = {}
        self.absent: frozenset[str] = frozenset()
        # What its routers were given of the shared state.
        self.routed: dict[str, Any] = {}
        self.state: PartialDict | PartialObject | None = None
        self.events = Events()
        self.gate: Gate | None = None
        self.adopted: Any = None
        # Whether it is a tool call, to be given nothing of the state.
        self.alone = False
        self.begun = False
        self.done = False
        self.error: BaseException | None = None
        self.future: Any = None
        self.saver: HeldSaver | None = None
        self.span: Span | None = None
        # Who waits for it: the task that has started it, and still runs.
        self.sink: Sink | None = None
        # What the task's reads of shared state go to, until it is adopted.
        self.view: Callable[..., Any] | None = None

    def read(self, select: Any, fresh: bool = False) -> Any:
        """What LangGraph calls to read state on behalf of the task."""
        if self.view is None and self.alone and not select:
            return PartialDict(self.made.name, {}, ANY).target
        if self.view is None:
            raise Misprediction(self.made.name, "read shared state, which is not certain yet")
        return self.view(select, fresh)


class Reader(partial[Any]):
    """What LangGraph calls to read state on behalf of a task run ahead.

    LangGraph's own is a ``partial`` whose arguments its ``ToolNode`` looks into,
    for all channels there are: those are certain once the task is adopted.
    """

    run: Run

    def __new__(cls, run: Run) -> Reader:
        made = super().__new__(cls, run.read)
        made.run = run
        return made

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of LangGraph's own.

        Raises:
            Misprediction: The task's superstep has not come.
        """
        if self.run.adopted is None and self.run.alone:
            return None, {}
        if self.run.adopted is None or not isinstance(self.run.view, partial):
            raise Misprediction(self.run.made.name, "looked into the state's channels")
        return self.run.view.args


def equal(left: Any, right: Any) -> bool:
    """Whether two values of one key that were made of the same writes are the same."""
    try:
        if left is right or (type(left) is type(right) and left == right):
            return True
    except Exception:
        pass  # an equality that raises, or is no answer, says nothing
    return alike(left, right)


def alike(left: Any, right: Any) -> bool:
    """Whether two values of one key are the same to any node that reads them: in all parts.

    More than equality: ``True`` and ``1``, the order of a dict, or what a class
    leaves out of its comparison make a difference to some.
    """
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    return _pickled(left) == _pickled(right) is not None


def _pickled(value: Any) -> bytes | None:
    try:
        return pickle.dumps(value)
    except (Exception, Misprediction):  # a state of which only a part is there
        return None


def held(channel: Any) -> Any:
    """The value of a channel; ``NOTHING`` where there is none."""
    return channel.get() if channel.is_available() else NOTHING
