"""Run tasks ahead of their superstep, and hand them over when it comes.

:class:`Ahead` is what the asyncio and the thread shell share: it feeds the
predictor, makes the tasks the predictor allows, as LangGraph would make them,
and compares each with the task LangGraph makes in the end. The shells in
``tasks.py`` and ``threads.py`` only start, wait for and cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base.id import uuid6

from langgraph_alto._langgraph import (
    CONF,
    CONFIG_KEY_REPLAY_STATE,
    CONFIG_KEY_RUNNER_SUBMIT,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_STREAM,
    PUSH,
    TASKS,
    Pregel,
    PregelLoop,
    PregelTaskWrites,
    local_read,
)
from langgraph_alto.ancestry import METADATA
from langgraph_alto.engine.lineage import Lineage
from langgraph_alto.engine.making import make
from langgraph_alto.engine.pool import Pool
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.engine.recording import Recording
from langgraph_alto.engine.routes import Gate
from langgraph_alto.engine.run import Run, alike, equal, held
from langgraph_alto.engine.sinks import Sink, attach
from langgraph_alto.engine.slots import Priority, Slots
from langgraph_alto.engine.supersteps import Phase, Task
from langgraph_alto.engine.taps import Tap, tap
from langgraph_alto.plan.masks import Masks
from langgraph_alto.streams.declare import Stream

if TYPE_CHECKING:
    from langgraph_alto.engine.batches import Batches
    from langgraph_alto.engine.gathers import Gathers


class Ahead:
    """Everything that runs ahead in one run of a graph.

    Args:
        loop: LangGraph's loop for the run.
        masks: The graph's plan, compiled.
        speculative: Whether to start what is not certain, too.
        unwatched: Whether nobody sees the state before the run has ended.
    """

    def __init__(
        self,
        loop: PregelLoop,
        masks: Masks,
        *,
        speculative: bool = False,
        unwatched: bool = False,
    ) -> None:
        self.loop = loop
        self.masks = masks
        self.unwatched = unwatched
        self.speculative = speculative
        self.predictor = Predictor(
            masks,
            loop.channels,
            packets=TASKS,
            stops_before=_stops(masks, loop.interrupt_before),
            stops_after=_stops(masks, loop.interrupt_after),
            allowed=self._allowed(),
            exact=self._exact(),
            speculative=speculative,
        )
        self.runs: set[Run] = set()
        self.current: dict[str, Task] = {}
        self.frozen = False
        self.closed = False
        self.lineage: Lineage | None = None
        self.gathers: Gathers | None = None
        self.batches: Batches | None = None
        self.recording: Recording | None = None
        self._ids: dict[int, str] = {}
        self._awaited: set[str] = set()
        # Those whose tasks wait until there is room for more.
        self.sinks: set[Sink] = set()

    # -- what the loop tells --------------------------------------------------

    def begin(self) -> None:
        """LangGraph has made the tasks of a superstep; compare them with ours."""
        with self.locked():
            self._begin()
            self._expect()
            self.pump()
            if self.gathers is not None:
                self.gathers.begin(self.loop.tasks.values())

    def _begin(self) -> None:
        loop, predictor = self.loop, self.predictor
        tasks: dict[str, Any] = loop.tasks
        self.frozen = False
        if not self.runs and not predictor.ahead_of(loop.step):
            present = self.masks.mask({task.name for task in tasks.values()})
            grows = present & self.masks.growing
            if not grows and (len(tasks) == 1 or self.masks.flat(present, predictor.allowed)):
                self.current = {}
                predictor.skip(loop.step, present)
                return
        real = [task for task in tasks.values() if task.name in self.masks.index]
        packets: Sequence[Any] = ()
        if any(task.path[0] == PUSH for task in real):
            packets = loop.channels[TASKS].get()
        made = [
            (
                self.masks.index[task.name],
                packets[task.path[1]] if task.path[0] == PUSH else None,
                task.path[1] if task.path[0] == PUSH else None,
            )
            for task in real
        ]
        lineage = self.lineage
        ancestries = () if lineage is None else [lineage.of(task.id) for task in real]
        known = predictor.begin(loop.step, made, loop.stop, ancestries)
        self.current = {task.id: found for task, found in zip(real, known, strict=True)}
        for task, found in zip(real, known, strict=True):
            run = found.run
            # Writes that are there already come from a checkpoint.
            if run is not None and (task.writes or not self._agrees(run, task)):
                predictor.dropped(found)
                predictor.distrust(found)
                self.discard(run)
            if task.writes:
                predictor.finished(found, list(task.writes))
            else:
                attach(self, found, task, None)
                tap(self, found, task, None)
        self._prune()

    def _prune(self) -> None:
        """Discard what is not foreseen any more."""
        predictor = self.predictor
        if predictor.rebuilt:
            predictor.rebuilt = False
            for run in [run for run in self.runs if not predictor.known.has(run.task)]:
                self.discard(run)

    def _expect(self) -> None:
        """Keep room for the superstep's own tasks until they stand in line themselves."""
        self._awaited = {
            id
            for id, known in self.current.items()
            if (known.run is None or not known.run.begun) and not self.loop.tasks[id].writes
        }
        if (batches := self.batches) is not None:
            # They wait in batches, which stand in line in their place.
            self._awaited = {id for id in self._awaited if self.loop.tasks[id].name not in batches}
        self.expect(len(self._awaited))

    def committed(self) -> None:
        """LangGraph has applied the writes of a superstep."""
        with self.locked():
            self.expect(0)
            self.predictor.advance()
            self.frozen = True

    def real_finished(self, task: Any) -> None:
        """A task of the current superstep has finished."""
        if self.gathers is not None:
            with self.locked():
                self.gathers.heard(task.writes)
        if (known := self.current.get(task.id)) is not None:
            with self.locked():
                self.predictor.finished(known, list(task.writes))
                self._prune()
                self.pump()

    def real_failed(self, task: Any, *, fatal: bool) -> None:
        """A task of the current superstep has raised or was interrupted."""
        if self.gathers is not None and fatal:
            with self.locked():
                self.gathers.stop()
        if (known := self.current.get(task.id)) is not None:
            with self.locked():
                for later in self.predictor.failed(known, fatal=fatal):
                    self.discard(later.run)
                self._prune()

    def grown(self, known: Task, writes: Sequence[tuple[str, Any]]) -> None:
        """A task that still runs has put out this."""
        self.predictor.grown(known, writes)
        self.pump()

    def retracted(self, known: Task) -> None:
        """What a task has put out so far counts for nothing."""
        self.predictor.retracted(known)
        self._prune()

    def revised(self, known: Task, gone: Collection[int]) -> None:
        """Some packets that a task has put out so far count for nothing."""
        self.predictor.revised(known, gone)
        self._prune()
        self.pump()

    def checkpoint_id(self, step: int) -> str | None:
        """The id foretold for the checkpoint that superstep ``step`` starts from."""
        return self._ids.pop(step, None)

    # -- adoption -------------------------------------------------------------

    def adopt(self, task: Any) -> Run | None:
        """Hand over the run ahead of a task that LangGraph asks for, if there is one.

        From here on its events pass through, and its routers read the true state.
        """
        known = self.current.get(task.id)
        if known is None:
            return None
        with self.locked():
            run: Run | None = known.run
            if run is not None and not self.begun(run):
                # It waits for a slot; its superstep has come, so it goes first.
                self.discard(run)
                run = None
            if run is None:
                if known.phase is Phase.WAITING:
                    self.predictor.started(known)
                return None
            if task.id in self._awaited:
                # It has begun since, and will not ask for a place again.
                self._awaited.discard(task.id)
                self.expect_one_less()
            self._hand_over(run, task)
            return run

    def _hand_over(self, run: Run, task: Any) -> None:
        self.runs.discard(run)
        if self.recording is not None:
            self.recording.adopted(run, task)
        if run.state is not None:
            run.state.complete(task.input)
            run.state = None
        made = run.made
        conf = task.config[CONF]
        run.view = partial(
            local_read,
            conf[CONFIG_KEY_SCRATCHPAD],
            self.loop.channels,
            self.loop.managed,
            PregelTaskWrites(task.path, task.name, made.writes, task.triggers),
        )
        run.adopted = task
        run.events.release(_renamer(made, task) if run.provisional else None)
        if run.gate is not None:
            run.gate.open()

    def _agrees(self, run: Run, task: Any) -> bool:
        """Whether LangGraph's task has the input that its run ahead was given."""
        channels = self.loop.channels
        # What was guessed must be the very same, not only equal: a node can tell.
        same = alike if self.speculative else equal
        if not all(same(held(channels[key]), value) for key, value in run.routed.items()):
            return False
        if run.task.packet is not None:
            return True
        if run.state is not None and run.state.refused:
            return False
        keys: Iterable[str] = run.given
        absent: Iterable[str] = run.absent
        if run.state is not None and run.task.phase in (Phase.FINISHED, Phase.ROUTING):
            read = run.state.read
            if self.speculative:
                # Code in C reads without leaving a trace; analysis knows of it.
                read = read | self.masks.stages[run.task.node].read_keys
            keys = [key for key in run.given if key in read]
            absent = [key for key in run.absent if key in read]
        return all(
            channels[key].is_available() and same(channels[key].get(), run.given[key])
            for key in keys
        ) and not any(channels[key].is_available() for key in absent)

    # -- starting -------------------------------------------------------------

    def pump(self) -> None:
        """Start whatever has become certain."""
        if self.frozen or self.closed:
            return
        control = self.loop.control
        if control is not None and control.drain_requested:
            return
        recording = self.recording
        if recording is not None and self.predictor.news is not None:
            recording.foreseen(self.predictor.news)
            self.predictor.news.clear()
        ready, routable = self.predictor.settle()
        for task in routable:
            if task.run is not None and task.run.gate is not None:
                task.run.gate.open()
        for task in ready:
            run = make(self, task)
            if run is not None:
                task.run = run
                self.predictor.started(task)
                self.runs.add(run)
                if recording is not None:
                    recording.certain(run)
                if task.parent is not None and (sink := task.parent.sink) is not None:
                    run.sink = sink
                    sink.more()
                self.launch(run)

    def may_route(self, run: Run) -> bool:
        """Whether the routers of a run may read what is known now."""
        with self.locked():
            return not self.frozen and self.predictor.may_route(run.task)

    def at_gate(self, run: Run, *, for_good: bool = False) -> None:
        """A run's body is done; its routers wait."""
        with self.locked():
            if self.recording is not None:
                self.recording.routes(run)
            _leave(run)
            self.predictor.routing(run.task, for_good=for_good)

    def locked(self) -> AbstractContextManager[Any]:
        """Keep other threads from the predictor; nothing to do on an event loop."""
        return nullcontext()

    def forget(self) -> None:
        """Let go of everything, so that the run's state is freed with the run."""
        self.closed = True
        self.gathers = None
        self.sinks.clear()
        self.runs.clear()
        self.current.clear()
        self.predictor.forget()

    def priority(self, run: Run) -> Priority:
        """Behind the superstep's own tasks; the deepest first, and of those the oldest.

        So what has come furthest is finished before more is begun: of sixteen
        documents in their sentences, the first is complete long before the last
        one's sentences are looked at. Of two at the same depth the older is the
        one whose ancestry comes first, frame by frame: document 0 before document
        1. Of two with the same ancestry, the one of the later superstep goes first.

        Room is kept for the superstep's own tasks from when LangGraph has made them,
        so what becomes certain in between does not take it.

        Nobody starves. A superstep does not end before all of its own tasks have
        been served, before anything that runs ahead; and it ends, as they are
        finitely many. Then the next one's are its own, whatever their ancestry:
        whoever was passed over goes first when its superstep comes, at the latest.
        Among equals the first comer is served first.
        """
        task = run.task
        ancestry = task.ancestry
        age = tuple([(frame.scope, frame.index) for frame in ancestry.frames()])
        return (1, -ancestry.depth, age, -task.step)

    def launch(self, run: Run) -> None:
        """Start a run; the shells do it."""
        raise NotImplementedError

    def sink(self, known: Task, made: Any, run: Run | None) -> Sink:
        """A sink of the shell's kind for a task of a ``@streaming`` node."""
        raise NotImplementedError

    def tap(self, known: Task, made: Any, run: Run | None, stream: Stream) -> Tap:
        """What hears the models of a task, of the shell's kind."""
        raise NotImplementedError

    def discard(self, run: Run) -> None:
        """Cancel a run and forget what it did; the shells do it."""
        raise NotImplementedError

    def begun(self, run: Run) -> bool:
        """Whether a run's body has begun; if it is only queued, it never will."""
        raise NotImplementedError

    def expect(self, tasks: int) -> None:
        """Keep room for so many tasks of the superstep that are not in line yet."""
        if (line := self.line) is not None:
            line.expect(tasks)

    def expect_one_less(self) -> None:
        """Somebody whom room is kept for will not come."""
        if (line := self.line) is not None:
            line.expect(max(0, line.expected - 1))

    @property
    def line(self) -> Slots | Pool | None:
        """Where tasks stand in line, if there is a bound."""
        raise NotImplementedError

    def begins(self, run: Run) -> None:
        """The body of a run ahead begins; called by the shells."""
        run.begun = True
        if self.recording is not None:
            self.recording.began(run)

    def ended(self, run: Run) -> None:
        """A run ahead has finished; called by the shells."""
        with self.locked():
            run.done = True
            _leave(run)
            if self.recording is not None:
                self.recording.ended(run)
            if run.task.run is run:
                self.predictor.finished(run.task, list(run.made.writes))
                self._prune()
                self.pump()
                if self.gathers is not None:
                    self.gathers.heard(run.made.writes)

    def raised(self, run: Run, error: BaseException) -> None:
        """A run ahead has raised; the error is held until its superstep comes."""
        with self.locked():
            run.error = error
            _leave(run)
            if self.recording is not None:
                self.recording.ended(run, error)
            if run.task.run is run:
                handled = self.loop.nodes[run.made.name].error_handler_node is not None
                for later in self.predictor.failed(run.task, fatal=not handled):
                    self.discard(later.run)
                self._prune()

    def mispredicted(self, run: Run) -> None:
        """A run ahead needs what is not certain; its superstep will run it."""
        with self.locked():
            _leave(run)
            self.runs.discard(run)
            if run.task.run is run:
                self.predictor.dropped(run.task)
                self._prune()
            run.events.discard()
            if self.recording is not None:
                self.recording.dropped(run)

    # -- what making and routing need -----------------------------------------

    def gate(self, run: Run) -> Gate:
        """A gate of the shell's kind."""
        raise NotImplementedError

    def virtual_view(self, run: Run, keys: Iterable[str]) -> Callable[..., Any]:
        """Read the given keys as they will be at the run's superstep."""
        step = run.task.step
        # Copies: a router may read them while the real ones move on.
        channels = {key: self.predictor.virtual.channel(key, step).copy() for key in keys}
        run.routed.update((key, held(channel)) for key, channel in channels.items())
        made = run.made
        return partial(
            local_read,
            made.config[CONF][CONFIG_KEY_SCRATCHPAD],
            channels,
            self.loop.managed,
            PregelTaskWrites(made.path, made.name, made.writes, made.triggers),
        )

    def foretell(self, step: int) -> str:
        """The id of the checkpoint that ``step`` will start from.

        Savers order checkpoints by id, so ids are foretold without gaps.
        """
        loop = self.loop
        for number in range(loop.step + 1, step + 1):
            if number not in self._ids:
                self._ids[number] = str(uuid6(clock_seq=number - 1))
        return self._ids[step]

    def _allowed(self) -> int:
        """The nodes that may run ahead in this run."""
        loop, masks = self.loop, self.masks
        conf: Any = loop.config.get(CONF, {})
        if CONFIG_KEY_RUNNER_SUBMIT in conf:
            return 0
        allowed = masks.ahead
        watched = not self.unwatched or CONFIG_KEY_STREAM in conf
        if loop.checkpointer is not None or watched:
            # A checkpoint or a stream of a superstep before it would show the change.
            allowed &= ~masks.mutators
        if conf.get(CONFIG_KEY_REPLAY_STATE) is not None or (
            loop.checkpointer is not None and _keeps_state(loop.nodes)
        ):
            # A subgraph that keeps its own state is found by the order of
            # checkpoint ids across namespaces, which foretelling would disturb.
            allowed &= ~masks.exact_id
        return allowed

    def _exact(self) -> int:
        """The nodes that need the true id of their task in this run."""
        loop = self.loop
        return self.masks.exact(
            seen=loop.checkpointer is not None
            or CONFIG_KEY_STREAM in loop.config.get(CONF, {})
            or (
                loop.stream is not None
                and bool(loop.stream.modes & {"messages", "custom", "tools"})
            )
        )


def _leave(run: Run) -> None:
    """A run's body has ended; the task that has started it may be asked for more."""
    if run.sink is not None:
        sink, run.sink = run.sink, None
        sink.less()


def _stops(masks: Masks, names: Any) -> int:
    if names == "*":
        return (1 << len(masks.stages)) - 1
    return masks.mask(names)


def _keeps_state(nodes: Mapping[str, Any]) -> bool:
    """Whether a subgraph anywhere below keeps its own checkpoints between calls."""
    return any(
        getattr(graph, "checkpointer", None) is True
        or (isinstance(graph, Pregel) and _keeps_state(graph.nodes))
        for node in nodes.values()
        for graph in node.subgraphs
    )


def _renamer(made: Any, task: Any) -> Callable[[Any], Any]:
    """Put a task's true identity in place of its provisional one in metadata."""
    old, new = made.config["metadata"], task.config["metadata"]
    keys = ("langgraph_checkpoint_ns", "langgraph_path", "checkpoint_ns", METADATA)

    def rename(metadata: Any) -> Any:
        fixed = {
            key: new[key]
            for key in keys
            if key in metadata and key in new and metadata[key] == old.get(key)
        }
        return {**metadata, **fixed}

    return rename
