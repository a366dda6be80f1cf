"""Random programs for the predictor: what each node does, and two ways to run them.

A program's nodes are tables: which keys a task writes, where it leads and what
it sends follow from what it has read. :func:`reference` runs a program as
LangGraph does, superstep by superstep. :class:`RunAhead` runs it as the shells
do, in virtual time: tasks that the predictor allows start early, and whatever
has started may finish in any order.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from hypothesis import strategies as st
from langgraph.channels import BinaryOperatorAggregate, EphemeralValue, Topic
from langgraph.channels.base import BaseChannel
from langgraph.errors import InvalidUpdateError
from langgraph.types import Send

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.engine.supersteps import Phase, Task, Write
from tests.engine.graphs import ANY, Graph, Made, Node, Referee, anything, graph, last, node

STEPS = 7
"""No program takes more supersteps."""

TASKS_AT_MOST = 40
"""No superstep after one with so many tasks."""


@dataclass(frozen=True)
class Choice:
    """Where a task may lead to, and what it may send."""

    to: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Behaviour:
    """What the tasks of a node do.

    Args:
        reads: Keys whose values decide everything.
        writes: Keys that a task may write.
        choices: One of them is taken.
        router: Keys that decide which; ``None``: those in ``reads``.
        edges: Nodes every task leads to.
        fails: One task in so many raises; 0: none.
        asks: One task in so many interrupts; 0: none.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    choices: tuple[Choice, ...]
    router: tuple[str, ...] | None
    edges: tuple[str, ...]
    fails: int
    asks: int


@dataclass(frozen=True)
class Program:
    """A graph, and what its nodes do."""

    nodes: Mapping[str, Node]
    does: Mapping[str, Behaviour]
    joins: str
    kinds: Mapping[str, str]
    first: tuple[str, ...]
    values: tuple[str, ...]
    exact: tuple[str, ...]
    stops_before: tuple[str, ...]
    stops_after: tuple[str, ...]

    def graph(self) -> Graph:
        keys = {key: KINDS[kind]() for key, kind in self.kinds.items()}
        unsafe = " ".join(key for key, kind in self.kinds.items() if kind == "unsafe")
        return graph(joins=self.joins, keys=keys, unsafe=unsafe, **self.nodes)

    def input(self) -> list[Write]:
        return [(f"to:{name}", None) for name in self.first] + [
            (key, _value(self.kinds[key], 0)) for key in self.values
        ]


def _extend(left: list[Any], right: list[Any]) -> list[Any]:
    left += right
    return left


def _fading() -> BaseChannel[Any, Any, Any]:
    return EphemeralValue(Any, guard=False)


KINDS: dict[str, Callable[[], BaseChannel[Any, Any, Any]]] = {
    "add": lambda: BinaryOperatorAggregate(list, operator.add),
    "last": last,
    "any": anything,
    "ephemeral": _fading,
    "topic": lambda: Topic(int),
    "log": lambda: Topic(int, accumulate=True),
    "unsafe": lambda: BinaryOperatorAggregate(list, _extend),
}


def _value(kind: str, value: Any) -> Any:
    return [value] if kind in ("add", "unsafe") else value


class Failed(Exception):
    """A task raised."""


class Asked(Exception):
    """A task interrupted."""


def digest(*of: Any) -> int:
    return crc32(repr(of).encode())


def body(
    program: Program, name: str, given: Mapping[str, Any], packet: Any
) -> tuple[list[Write], int, int]:
    """What a node's function does with its input.

    Returns:
        Its writes to the state, what its choice rests on, and how far its
        packets may still fan out.

    Raises:
        Failed: It raises.
        Asked: It interrupts.
    """
    does = program.does[name]
    arg = None if packet is None else packet.arg
    seed = digest(name, sorted(given.items(), key=lambda item: item[0]), arg)
    if does.fails and not seed % does.fails:
        raise Failed(name)
    if does.asks and not seed % does.asks:
        raise Asked(name)
    writes = [
        (key, _value(program.kinds[key], (name, (seed + place) % 89)))
        for place, key in enumerate(does.writes)
        if (seed >> place) % 3
    ]
    return writes, seed, 2 if arg is None else arg[1] - 1


def lead(
    program: Program, of: Graph, name: str, seed: int, fuel: int, seen: Mapping[str, Any] | None
) -> list[Write]:
    """What a node's edges and its router write."""
    does = program.does[name]
    writes: list[Write] = [(f"to:{to}", name) for to in does.edges]
    writes += [(channel, name) for channel in of.sources.get(name, ())]
    if does.choices:
        if seen is not None:
            seed = digest(seed, sorted(seen.items(), key=lambda item: item[0]))
        choice = does.choices[seed % len(does.choices)]
        writes += [(f"to:{to}", name) for to in choice.to]
        if fuel > 0:
            writes += [
                (TASKS, Send(to, ((name, (seed + place) % 53), fuel)))
                for place, to in enumerate(choice.sends)
            ]
    return writes


def with_own(
    channels: Mapping[str, Any], keys: Iterable[str], writes: Sequence[Write]
) -> dict[str, Any]:
    """Values as a router reads them: as of the superstep's start, plus its node's writes."""
    seen = {}
    for key in keys:
        channel = channels[key]
        if own := [value for name, value in writes if name == key]:
            # LangGraph reads from a mere copy of the channel, so that a reducer that
            # changes its arguments changes the state itself: not a case to imitate.
            channel = channel.from_checkpoint(deepcopy(channel.checkpoint()))
            channel.update(own)
        if channel.is_available():
            seen[key] = channel.get()
    return seen


def values_of(channels: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: channels[key].get() for key in keys if channels[key].is_available()}


@dataclass
class Trace:
    """What a run did.

    Args:
        steps: The tasks of each superstep, each with its packet.
        values: The state at the start of each superstep, and at the end.
        bodies: How often each node's function ran.
        end: Why the run ended.
    """

    steps: list[list[str]] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    bodies: Counter[str] = field(default_factory=Counter)
    end: str = "done"

    def enter(self, referee: Referee) -> None:
        self.steps.append(sorted(label(made) for made in referee.made))
        self.values.append(repr(sorted(referee.values().items())))


def label(made: Made) -> str:
    if made.packet is None:
        return made.node
    place = "" if made.place is None else f" at {made.place}"
    return f"{made.node} {made.packet.arg}{place}"


def reference(program: Program) -> Trace:
    """Run a program as LangGraph does."""
    of = program.graph()
    referee = Referee(of, program.input())
    trace = Trace()
    while True:
        trace.enter(referee)
        made = referee.made
        if not made:
            return trace
        if referee.step > STEPS or (len(trace.steps) > 1 and len(trace.steps[-2]) > TASKS_AT_MOST):
            trace.end = "limit"
            return trace
        if any(task.node in program.stops_before for task in made):
            trace.end = "stopped"
            return trace
        done: list[tuple[Made, list[Write]]] = []
        for task in made:
            does = program.does[task.node]
            given = {} if task.packet is not None else values_of(referee.channels, does.reads)
            try:
                writes, seed, fuel = body(program, task.node, given, task.packet)
            except (Failed, Asked) as error:
                # What the others do is LangGraph's affair: none of it is committed.
                trace.end = f"{type(error).__name__} in {len(trace.steps)}"
                continue
            trace.bodies[f"{len(trace.steps)} {label(Made(task.node, task.packet))}"] += 1
            seen = None if does.router is None else with_own(referee.channels, does.router, writes)
            done.append((task, writes + lead(program, of, task.node, seed, fuel, seen)))
        if trace.end != "done":
            return trace
        try:
            referee.commit(done)
        except InvalidUpdateError:
            trace.end = f"conflict in {len(trace.steps)}"
            return trace
        if any(task.node in program.stops_after for task in made):
            trace.enter(referee)
            trace.end = "stopped"
            return trace


@dataclass(eq=False)
class Run:
    """A task that has started, ahead or in its superstep."""

    task: Task
    name: str
    packet: Any
    ahead: bool
    given: dict[str, Any]
    place: int | None = None
    writes: list[Write] = field(default_factory=list)
    seed: int = 0
    fuel: int = 0
    routed: dict[str, Any] | None = None


class RunAhead:
    """Run a program as the shells do, with the predictor, in virtual time.

    Args:
        program: The program.
        schedule: Decides what happens next, whenever several things may.
        stop: The last superstep of the reference.
        speculative: Guess, and check.
    """

    def __init__(
        self, program: Program, schedule: Sequence[int], stop: int, *, speculative: bool = False
    ) -> None:
        self.program = program
        self.of = program.graph()
        self.masks = self.of.masks
        self.referee = Referee(self.of, program.input())
        self.predictor = Predictor(
            self.masks,
            self.referee.channels,
            packets=TASKS,
            stops_before=self.of.bit(*program.stops_before),
            stops_after=self.of.bit(*program.stops_after),
            exact=self.of.bit(*program.exact),
            speculative=speculative,
        )
        self.schedule = schedule
        self.stop = stop
        self.speculative = speculative
        self.trace = Trace()
        self.runs: set[Run] = set()
        self.ahead = 0
        self.dropped = 0
        self.deepest = 0
        self.committing = False
        self.failing: int | None = None
        self._turn = 0

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options, as the schedule says."""
        if len(options) == 1:
            return options[0]
        at = self.schedule[self._turn % len(self.schedule)] if self.schedule else 0
        self._turn += 1
        return options[at % len(options)]

    def run(self) -> Trace:
        trace, referee, predictor = self.trace, self.referee, self.predictor
        while True:
            trace.enter(referee)
            made = referee.made
            if not made:
                return trace
            if referee.step > self.stop:
                trace.end = "limit"
                return trace
            if any(task.node in self.program.stops_before for task in made):
                trace.end = "stopped"
                return trace
            tasks = self._begin(made)
            if not self._superstep(tasks):
                return trace
            # While LangGraph saves a checkpoint nothing starts, but runs may end.
            self.committing = True
            predictor.advance()
            try:
                referee.commit(
                    [(task, known.writes) for task, known in zip(made, tasks, strict=True)]
                )
            except InvalidUpdateError:
                trace.end = f"conflict in {len(trace.steps)}"
                return trace
            if any(task.node in self.program.stops_after for task in made):
                trace.enter(referee)
                trace.end = "stopped"
                return trace
            while self.runs and self.pick((0, 0, 1)):
                self._finish(self.pick(self._ordered()))
            self.committing = False

    def left(self) -> list[Run]:
        """What ran ahead of supersteps that never came."""
        return [
            task.run
            for number, step in self.predictor.known.steps.items()
            for task in step.tasks()
            if task.run is not None and number > len(self.trace.steps)
        ]

    # -- supersteps -----------------------------------------------------------

    def _begin(self, made: Sequence[Made]) -> list[Task]:
        predictor, step = self.predictor, self.referee.step
        tasks = predictor.begin(
            step, [(self.masks.index[m.node], m.packet, m.place) for m in made], self.stop
        )
        for task, real in zip(tasks, made, strict=True):
            run = task.run
            if run is None:
                continue
            assert run.place in (None, real.place), "an exact task got another place"
            if not self._agrees(run):
                assert self.speculative, f"{real} was given {run.given} at {step}"
                self.dropped += 1
                predictor.dropped(task)
                predictor.distrust(task)
                self.runs.discard(run)
        if predictor.rebuilt:
            assert self.speculative, f"foresaw other tasks than {made} at {step}"
            predictor.rebuilt = False
            for run in [run for run in self.runs if not predictor.known.has(run.task)]:
                self._discard(run)
        self._pump()
        return tasks

    def _agrees(self, run: Run) -> bool:
        truth = values_of(self.referee.channels, self.program.does[run.name].reads)
        if run.packet is None and run.given != truth:
            return False
        if run.routed is None:
            return True
        router = self.program.does[run.name].router or ()
        return run.routed == with_own(self.referee.channels, router, run.writes)

    def _superstep(self, tasks: list[Task]) -> bool:
        """Run a superstep to its end; whether it may be committed."""
        predictor = self.predictor
        while not all(task.phase is Phase.FINISHED for task in tasks):
            failed = [task for task in tasks if task.phase is Phase.FAILED]
            waiting = [task for task in tasks if task.phase is Phase.WAITING]
            gated = [task for task in tasks if task.phase is Phase.ROUTING]
            options: list[Any] = [*failed, *waiting, *gated, *self._ordered()]
            chosen = self.pick(options)
            if isinstance(chosen, Run):
                self._finish(chosen)
            elif chosen.phase is Phase.FAILED:
                self.trace.end = f"Failed in {len(self.trace.steps)}"
                return False
            elif chosen.phase is Phase.WAITING:
                name = self.masks.stages[chosen.node].name
                given = values_of(self.referee.channels, self.program.does[name].reads)
                run = Run(chosen, name, chosen.packet, ahead=False, given=given)
                predictor.started(chosen)
                self.runs.add(run)
            else:
                self._route(chosen.run, self.referee.channels)
            self._pump()
            if self.trace.end != "done":
                return False
        return True

    def _pump(self) -> None:
        if self.committing:
            return
        ready, routable = self.predictor.settle()
        for task in routable:
            self._route(task.run, None)
        for task in ready:
            self._start(task)
        if routable:
            self._pump()

    # -- tasks ----------------------------------------------------------------

    def _ordered(self) -> list[Run]:
        """What runs, in an order that does not depend on chance."""
        return sorted(
            (run for run in self.runs if run.task.phase is Phase.RUNNING),
            key=lambda run: (run.task.step, run.task.order(self.masks)),
        )

    def _start(self, task: Task) -> None:
        predictor = self.predictor
        name = self.masks.stages[task.node].name
        stage = self.masks.stages[task.node]
        assert stage.barrier is None
        assert self.referee.step < task.step <= self.stop
        assert self.failing is None or task.step <= self.failing
        given: dict[str, Any] = {}
        if task.packet is None:
            certain = predictor.certain(stage.inputs, task.step)
            if certain != stage.inputs:
                # It reads what cannot be had yet, and is given up on the spot.
                assert self.speculative
                predictor.dropped(task)
                return
            try:
                given = values_of(
                    {key: predictor.virtual.channel(key, task.step) for key in certain}, certain
                )
            except InvalidUpdateError:
                predictor.refused(task)
                return
        run = task.run = Run(task, name, task.packet, ahead=True, given=given)
        if self.of.bit(*self.program.exact) >> task.node & 1:
            run.place = predictor.place(task) if task.packet is not None else None
        predictor.started(task)
        self.runs.add(run)
        self.ahead += 1
        self.deepest = max(self.deepest, task.step - self.referee.step)

    def _finish(self, run: Run) -> None:
        """The function of a task ends."""
        predictor, task = self.predictor, run.task
        self.runs.discard(run)
        try:
            run.writes, run.seed, run.fuel = body(
                self.program, run.name, {} if run.packet is not None else run.given, run.packet
            )
        except Failed:
            for later in predictor.failed(task, fatal=True):
                self._discard(later.run)
            self.failing = min(task.step, self.failing or task.step)
            return
        except Asked:
            if (run.ahead and task.step > self.referee.step) or self.committing:
                self._discard(run)
                return
            predictor.failed(task, fatal=False)
            self.trace.end = f"Asked in {len(self.trace.steps)}"
            return
        self.trace.bodies[f"{task.step} {label(Made(run.name, run.packet))}"] += 1
        router = self.program.does[run.name].router
        if router is None:
            self._leads(run, None)
        elif task.step == self.referee.step and not self.committing:
            self._route(run, self.referee.channels)
        else:
            task.run = run
            if predictor.may_route(task) and not self.committing:
                self._route(run, None)
            else:
                predictor.routing(task)

    def _route(self, run: Run, channels: Mapping[str, Any] | None) -> None:
        """The router of a task runs, on the true channels or on what is foreseen."""
        keys = self.program.does[run.name].router or ()
        if channels is None:
            step = run.task.step
            if self.predictor.certain(keys, step) != set(keys):
                assert self.speculative
                self.predictor.routing(run.task, for_good=True)
                return
            try:
                channels = {key: self.predictor.virtual.channel(key, step) for key in keys}
            except InvalidUpdateError:
                self.predictor.routing(run.task, for_good=True)
                return
            run.routed = with_own(channels, keys, run.writes)
        self._leads(run, with_own(channels, keys, run.writes))

    def _leads(self, run: Run, seen: Mapping[str, Any] | None) -> None:
        run.writes = run.writes + lead(self.program, self.of, run.name, run.seed, run.fuel, seen)
        self.predictor.finished(run.task, run.writes)

    def _discard(self, run: Run) -> None:
        if run.task.run is run:
            self.predictor.dropped(run.task)
        self.runs.discard(run)
        self.dropped += 1


# -- drawing programs -----------------------------------------------------------


def _some(of: Sequence[str], at_most: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(of), unique=True, max_size=at_most).map(tuple)


def _rarely(value: Any, otherwise: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([otherwise] * 7 + [value])


@st.composite
def programs(draw: st.DrawFn, *, ends: bool = False) -> Program:
    """Draw a program.

    Args:
        draw: Given by hypothesis.
        ends: Whether runs may also end by failures and interrupts.
    """
    names = [f"n{number}" for number in range(draw(st.integers(2, 6)))]
    kinds = {
        key: draw(st.sampled_from(["add"] * 4 + ["last", *KINDS]))
        for key in "xyz"[: draw(st.integers(1, 3))]
    }
    keys = list(kinds)
    free = [kind for kind in keys if kinds[kind] != "last"]
    one = draw(st.sampled_from(names))
    nodes: dict[str, Node] = {}
    does: dict[str, Behaviour] = {}
    for name in names:
        reads = draw(_some(keys, 2))
        # A key that takes one value has one writer, mostly.
        writes = draw(_some(keys if name == one or ends else free or keys, 2))
        edges = draw(_some(names, 2))
        choices = tuple(
            draw(st.lists(st.builds(Choice, to=_some(names, 2), sends=_fan(names)), max_size=3))
        )
        router = draw(st.none() | _some(keys, 2)) if choices else None
        fails = draw(_rarely(3, 0)) if ends else 0
        asks = draw(_rarely(2, 0)) if ends else 0
        may = " ".join({to for choice in choices for to in choice.to})
        sends = " ".join({to for choice in choices for to in choice.sends})
        more = " ".join(draw(_some(keys, 1)))
        nodes[name] = node(
            " ".join(edges),
            may=draw(_rarely(ANY, f"{may} {draw(_rarely(names[0], ''))}")),
            sends=draw(_rarely(ANY, sends)),
            reads=" ".join(reads),
            writes=draw(_rarely(ANY, " ".join({*writes, *more.split()}))),
            router=None if router is None else " ".join(router),
            interrupts=bool(asks),
            barrier="ordered" if asks or draw(_rarely(True, False)) else None,
            defer=draw(_rarely(True, False)),
        )
        does[name] = Behaviour(reads, writes, choices, router, edges, fails, asks)
    joins = draw(st.lists(st.tuples(_sources(names), st.sampled_from(names)), max_size=2))
    distinct = {f"{'+'.join(sorted(sources))}->{to}" for sources, to in joins}
    return Program(
        nodes=nodes,
        does=does,
        joins=" ".join(sorted(join for join in distinct if not nodes[join.split("->")[1]].defer)),
        kinds=kinds,
        first=tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))),
        values=draw(_some(keys, 2)),
        exact=draw(st.just(()) | _some(names, 2)),
        stops_before=draw(_rarely((names[-1],), ())) if ends else (),
        stops_after=draw(_rarely((names[-1],), ())) if ends else (),
    )


def _fan(names: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just(()) | st.lists(st.sampled_from(names), max_size=3).map(tuple)


def _sources(names: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=3).map(tuple)
