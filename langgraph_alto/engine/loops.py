"""LangGraph's loops with the predictor beside them.

The loop stays the referee: it makes tasks, applies writes, saves checkpoints and
decides on interrupts exactly as always. These subclasses tell the predictor
when a superstep begins and when it is committed, use a checkpoint id that was
foretold, and keep pending writes in time linear in their number.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langgraph_alto._langgraph import (
    CONF,
    NULL_TASK_ID,
    TASKS,
    AsyncPregelLoop,
    PregelLoop,
    SyncPregelLoop,
    create_checkpoint,
    rebind,
)
from langgraph_alto.ancestry import KEY, METADATA, ROOT
from langgraph_alto.batching.nodes import BatchNode
from langgraph_alto.engine.batch_tasks import task_batches
from langgraph_alto.engine.batch_threads import ThreadBatches, thread_batches
from langgraph_alto.engine.batches import Batches
from langgraph_alto.engine.channels import Channels, Kinds, apply_to_channels, listed
from langgraph_alto.engine.collector import (
    WIDE,
    collector_paused,
    set_aside,
    set_aside_more,
    take_back,
)
from langgraph_alto.engine.events import without_ancestry
from langgraph_alto.engine.gathers import gathers_of
from langgraph_alto.engine.lineage import Lineage
from langgraph_alto.engine.pool import Pool
from langgraph_alto.engine.recording import Recording
from langgraph_alto.engine.slots import Slots
from langgraph_alto.engine.tasks import TaskAhead
from langgraph_alto.engine.threads import ThreadAhead
from langgraph_alto.graph import Policy, unwatched
from langgraph_alto.plan.masks import Masks
from langgraph_alto.trace import Trace, current


@dataclass(frozen=True, slots=True)
class Engine:
    """How the runs of one graph are scheduled.

    Args:
        policy: ``"off"``, ``"proven"`` or ``"speculative"``.
        masks: Gives the graph's plan, compiled; called when first needed.
        step_timeout: The graph's limit for one superstep, in seconds.
        kinds: Which of the graph's channels a superstep may have to visit.
        states: Whether it is a state graph, whose triggers are of known kinds.
        name: The graph's name.
        trace: Where every run is recorded.
        limits: How many tasks of a node may run at once in a run, by its name.
        batched: The batched nodes, by name.
    """

    policy: Policy
    masks: Callable[[], Masks]
    step_timeout: float | None
    kinds: Kinds
    states: bool
    name: str
    trace: Trace | None
    limits: Mapping[str, int] = field(default_factory=dict)
    batched: Mapping[str, BatchNode] = field(default_factory=dict)

    @property
    def nests(self) -> bool:
        """Whether tasks of the graph may have an ancestry."""
        return self.states and self.masks().nests

    @property
    def runs_ahead(self) -> bool:
        """Whether anything may run ahead in runs of the graph."""
        # A superstep's time limit is for tasks that start together.
        return self.policy != "off" and self.step_timeout is None and bool(self.masks().ahead)


_foretold: ContextVar[str | None] = ContextVar("foretold", default=None)


def _create_checkpoint(*args: Any, id: str | None = None, **kwargs: Any) -> Any:
    return create_checkpoint(*args, id=id or _foretold.get(), **kwargs)


_put_checkpoint = rebind(PregelLoop._put_checkpoint, create_checkpoint=_create_checkpoint)
_after_tick = rebind(PregelLoop.after_tick, apply_writes=apply_to_channels)

if TYPE_CHECKING:
    _Base = PregelLoop
else:
    _Base = object


class _Loop(_Base):
    """What both loops add; a mixin in front of LangGraph's."""

    ahead: TaskAhead | ThreadAhead | None
    lineage: Lineage | None
    recording: Recording | None
    limiter: Slots | Pool | None
    """What tasks of nodes with a limit pass through; only where a node has one, or is batched."""
    batches: Batches | None
    """What gets the tasks of batched nodes into batches; only where there are some."""

    def __init__(self, *args: Any, engine: Engine, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.engine = engine
        self.ahead = None
        if METADATA in (metadata := self.config.get("metadata") or {}):
            # Savers keep what is in the metadata; LangGraph's checkpoints have no ancestry.
            kept = {key: value for key, value in metadata.items() if key != METADATA}
            self.checkpoint_config = {**self.checkpoint_config, "metadata": kept}
        self.lineage = self._lineage()
        if self.lineage is not None:
            without_ancestry(self.manager)
        self.recording = self._recording()
        self.limiter = None
        self.batches = None
        self._wrote: set[str] | None = None
        self._set_aside = False
        self._write_lock = threading.RLock()
        # Said of this run only, not of those that its nodes start.
        self._unwatched = unwatched.get()
        unwatched.set(False)

    def tick(self) -> bool:
        channels: Any = self.channels
        packets = channels[TASKS]
        if len(packets.values) < WIDE:
            more = super().tick()
        else:
            with collector_paused(), listed(channels, TASKS):
                more = super().tick()
            self._set_aside = set_aside()
        self._wrote = None
        if self.lineage is not None:
            self.lineage.begin(self.tasks)
        if self.recording is not None and more:
            self.recording.made(self.step, self.tasks.values())
        ahead = self.ahead
        if ahead is None:
            if not more or not self.engine.runs_ahead or self._alone():
                if more and self.batches is not None:
                    self.batches.begin(self.tasks.values())
                return more
            ahead = self.ahead = self._run_ahead()
            ahead.lineage, ahead.recording = self.lineage, self.recording
            ahead.gathers = gathers_of(ahead)
            ahead.predictor.news = None if self.recording is None else []
            if self.batches is not None:
                self.batches.runs_ahead(ahead)
        if more:
            ahead.begin()
            if self.batches is not None:
                self.batches.begin(self.tasks.values())
        return more

    def _alone(self) -> bool:
        """Whether the superstep has one task, and nothing of it is known before its end."""
        if len(self.tasks) > 1:
            return False
        masks = self.engine.masks()
        return not masks.growing & masks.mask(task.name for task in self.tasks.values())

    def _lineage(self) -> Lineage | None:
        if not self.engine.nests:
            return None
        return Lineage(self.engine.masks(), self.config.get(CONF, {}).get(KEY, ROOT))

    def _recording(self) -> Recording | None:
        trace = self.engine.trace or current.get()
        if trace is None:
            return None
        own = self.config.get(CONF, {}).get(KEY, ROOT)
        return Recording(trace, self.engine.name, own, self.lineage)

    def _run_ahead(self) -> TaskAhead | ThreadAhead:
        """Set up running ahead: not before there may be something to run ahead."""
        raise NotImplementedError

    def after_tick(self) -> None:
        if self.lineage is not None:
            self.lineage.commit()
        if self.ahead is None:
            _after_tick(self)
        else:
            # Nobody may read the channels while they change, nor before the
            # predictor knows that they have.
            with self.ahead.locked():
                channels: Any = self.channels
                channels.made_of = self.ahead.predictor.virtual.made_of
                try:
                    _after_tick(self)
                finally:
                    channels.made_of = None
                self.ahead.committed()
        if self.recording is not None:
            self.recording.committed()
        self._take_back()

    def _leave(self) -> None:
        if self.lineage is not None:
            self.lineage.forget()
        self._take_back()

    def started_many(self) -> None:
        """Many tasks of the superstep have been handed to the executor."""
        if self._set_aside:
            set_aside_more()

    def _take_back(self) -> None:
        if self._set_aside:
            self._set_aside = False
            take_back()

    def put_writes(self, task_id: str, writes: Any, **kwargs: Any) -> None:
        if len(self.checkpoint_pending_writes) < WIDE or task_id == NULL_TASK_ID:
            super().put_writes(task_id, writes, **kwargs)
            return
        with self._write_lock:
            pending = self.checkpoint_pending_writes
            if self._wrote is None:
                self._wrote = {write[0] for write in pending}
            if task_id in self._wrote:
                super().put_writes(task_id, writes, **kwargs)
                return
            self._wrote.add(task_id)
            # LangGraph looks through all pending writes for earlier ones of the task.
            # There are none, so it is shown none.
            self.checkpoint_pending_writes = []
            try:
                super().put_writes(task_id, writes, **kwargs)
            finally:
                pending.extend(self.checkpoint_pending_writes)
                self.checkpoint_pending_writes = pending

    def _put_checkpoint(self, metadata: Any) -> None:
        exiting = metadata is self.checkpoint_metadata
        if self.ahead is None or exiting:
            super()._put_checkpoint(metadata)
            return
        token = _foretold.set(self.ahead.checkpoint_id(self.step + 1))
        try:
            _put_checkpoint(self, metadata)
        finally:
            _foretold.reset(token)


class SyncLoop(_Loop, SyncPregelLoop):
    """The loop of ``invoke`` and ``stream``."""

    def __enter__(self) -> SyncLoop:
        super().__enter__()
        self.channels = Channels(self.channels, self.engine.kinds)
        if self.engine.limits or self.engine.batched:
            self.limiter = pool = self._pool()
            self.stack.callback(pool.close)
            if self.engine.batched:
                self.batches = thread_batches(self.engine.batched, pool, self.nodes)
                self.batches.recording = self.recording
                self.stack.callback(self.batches.close)
        return self

    def __exit__(self, *exc: Any) -> bool | None:
        self._leave()
        return super().__exit__(*exc)

    def _pool(self) -> Pool:
        executor: Any = self.submit.__self__  # type: ignore[attr-defined]
        return Pool(executor.executor._max_workers, limits=self.engine.limits)

    def _run_ahead(self) -> ThreadAhead:
        ahead = ThreadAhead(
            self,
            self.engine.masks(),
            pool=self.limiter if isinstance(self.limiter, Pool) else self._pool(),
            speculative=self.engine.policy == "speculative",
            unwatched=self._unwatched,
            batches=self.batches if isinstance(self.batches, ThreadBatches) else None,
        )
        self.stack.callback(self._close, ahead)
        return ahead

    def _close(self, ahead: ThreadAhead) -> None:
        ahead.close()
        self.ahead = None


class AsyncLoop(_Loop, AsyncPregelLoop):
    """The loop of ``ainvoke`` and ``astream``."""

    async def __aenter__(self) -> AsyncLoop:
        await super().__aenter__()
        self.channels = Channels(self.channels, self.engine.kinds)
        if self.engine.limits or self.engine.batched:
            self.limiter = self._slots()
        if self.engine.batched:
            slots = self.limiter if isinstance(self.limiter, Slots) else None
            self.batches = task_batches(self.engine.batched, slots)
            self.batches.recording = self.recording
        return self

    async def __aexit__(self, *exc: Any) -> bool | None:
        self._leave()
        try:
            return await super().__aexit__(*exc)
        except asyncio.CancelledError as cancelled:
            # LangGraph leaves in a task of its own and cancels the siblings of a failed
            # node twice: the second time may meet that task before its first step. Then
            # nothing has been left, and the tasks of this run would go on by themselves.
            left = self.stack.pop_all()
            await left.__aexit__(type(cancelled), cancelled, cancelled.__traceback__)
            raise
        finally:
            if self.batches is not None:
                self.batches.close()

    def _slots(self) -> Slots | None:
        """The run's bound and limits, in place of the executor's semaphore."""
        executor: Any = self.submit.__self__  # type: ignore[attr-defined]
        limits = self.engine.limits
        if executor.semaphore is None:
            return Slots(None, limits) if limits else None
        slots = executor.semaphore = Slots(self.config.get("max_concurrency") or 1, limits)
        return slots

    def _run_ahead(self) -> TaskAhead:
        ahead = TaskAhead(
            self,
            self.engine.masks(),
            speculative=self.engine.policy == "speculative",
            unwatched=self._unwatched,
            slots=self.limiter if isinstance(self.limiter, Slots) else self._slots(),
            batches=self.batches,
        )
        self.stack.push_async_callback(self._aclose, ahead)
        return ahead

    async def _aclose(self, ahead: TaskAhead) -> None:
        await ahead.aclose()
        self.ahead = None
