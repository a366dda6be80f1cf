"""Make a task before its superstep, as LangGraph will make it.

LangGraph's own function does it, on channels that hold what is foreseen. What
must not happen before the superstep is then taken out of the task's config:
interrupts, ``@task`` calls, reads of shared state, checkpoints and streams.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from langgraph_alto._langgraph import (
    CONF,
    CONFIG_KEY_CALL,
    CONFIG_KEY_CHECKPOINTER,
    CONFIG_KEY_READ,
    CONFIG_KEY_RESUMING,
    CONFIG_KEY_SCRATCHPAD,
    PULL,
    PUSH,
    TASKS,
    Pregel,
    RunnableSeq,
    prepare_single_task,
)
from langgraph_alto.ancestry import KEY, METADATA
from langgraph_alto.engine.events import hold
from langgraph_alto.engine.partial import Misprediction
from langgraph_alto.engine.partial_objects import make_partial
from langgraph_alto.engine.routes import ahead_node, routes_of
from langgraph_alto.engine.run import Reader, Run
from langgraph_alto.engine.saver import HeldSaver
from langgraph_alto.engine.sinks import attach
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.engine.taps import tap
from langgraph_alto.engine.tools import calls_of
from langgraph_alto.engine.untold import settled
from langgraph_alto.gathering.effects import inside

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead

_provisional = count(1_000_000_000)
"""Places for packets whose place among their siblings is not known yet."""


class _On:
    """Stands in for a trigger channel that has fired."""

    def is_available(self) -> bool:
        return True

    def get(self) -> None:
        return None


class _Off:
    """Stands in for a channel whose value is not certain."""

    def is_available(self) -> bool:
        return False


class _Packets:
    """Stands in for the channel of ``Send`` packets: one packet, at one place."""

    def __init__(self, packet: Any, place: int) -> None:
        self.packet = packet
        self.place = place

    def is_available(self) -> bool:
        return True

    def get(self) -> _Packets:
        return self

    def __len__(self) -> int:
        return self.place + 1

    def __getitem__(self, place: int) -> Any:
        return self.packet


ON, _OFF = _On(), _Off()


def make(ahead: Ahead, task: Task) -> Run | None:
    """Make a task as LangGraph will make it, on the state as it will be."""
    loop, masks, predictor = ahead.loop, ahead.masks, ahead.predictor
    stage = masks.stages[task.node]
    node = loop.nodes[stage.name]
    channels: dict[str, Any] = {}
    given: dict[str, Any] = {}
    absent: set[str] = set()
    unsure: frozenset[str] = frozenset()
    provisional = False
    processes = loop.nodes
    path: tuple[Any, ...]
    # A tool call that is told early is given nothing of the state.
    alone = task.early and task.packet is not None and calls_of(task.packet.arg) is not None
    if (
        stage.untold
        and task.packet is not None
        and not alone
        and not settled(stage.untold, None, task.packet.arg)
    ):
        task.late = True
        return None
    try:
        if task.packet is None:
            path = (PULL, stage.name)
            certain = predictor.certain(stage.inputs, task.step)
            unsure = stage.inputs - certain
            if (unsure or (ahead.speculative and not stage.whole_input)) and node.mapper:
                # Without its class, which cannot be made with fields missing.
                processes = {stage.name: node.copy({"mapper": None})}
            for key in stage.inputs:
                if key in unsure:
                    channels[key] = _OFF
                    continue
                channel = channels[key] = predictor.virtual.channel(key, task.step)
                if channel.is_available():
                    given[key] = channel.get()
                else:
                    absent.add(key)
            if stage.untold and not settled(stage.untold, given):
                task.late = True
                return None
            channels.update((trigger, ON) for trigger in node.triggers)
        else:
            place = predictor.place(task)
            provisional = place is None
            path = (PUSH, next(_provisional) if place is None else place)
            channels[TASKS] = _Packets(task.packet, path[1])
        made: Any = prepare_single_task(
            path,
            None,
            checkpoint={
                **loop.checkpoint,
                "id": (checkpoint_id := ahead.foretell(task.step)),
                "channel_versions": dict.fromkeys(node.triggers, 1),
                "channel_values": {},
                "versions_seen": {},
            },
            checkpoint_id_bytes=bytes.fromhex(checkpoint_id.replace("-", "")),
            checkpoint_null_version=0,
            pending_writes=[],
            processes=processes,
            channels=channels,
            managed=loop.managed,
            config=loop.config,
            step=task.step,
            stop=loop.stop,
            for_execution=True,
            store=loop.store,
            checkpointer=loop.checkpointer,
            manager=loop.manager,
            retry_policy=loop.retry_policy,
            cache_policy=None,
        )
    except Exception:
        # What LangGraph would raise here, it will raise in its own turn.
        predictor.refused(task)
        return None
    if made is None:
        task.late = True
        return None
    if made.timeout is not None and stage.routes and not predictor.may_route(task):
        # Its routers would wait within the node's time.
        task.late = True
        return None
    run = Run(task, made, provisional)
    run.given, run.absent = given, frozenset(absent)
    run.alone = alone
    detach(run, made.config)
    if ahead.gathers is not None:
        ahead.gathers.attach(made, run.events)
    attach(ahead, task, made, run)
    tap(ahead, task, made, run)
    if task.ancestry.frame is not None:
        made.config[CONF][KEY] = task.ancestry
        made.config["metadata"][METADATA] = str(task.ancestry)
    guessed = ahead.speculative and task.packet is None and not stage.whole_input
    if unsure or guessed:
        state = made.input
        if isinstance(inside(node.bound), Pregel):
            # A subgraph takes the keys it knows, and all of those are certain.
            state = {key: state[key] for key in stage.read_keys if key in state}
        else:
            run.state = make_partial(node.mapper, stage.name, state, unsure)
            if run.state is None:
                task.late = True
                return None
            state = run.state.target
        object.__setattr__(made, "input", state)
    if stage.routes:
        _routes(ahead, run, node)
    if run.state is not None:
        _show_known(made, given)
    return run


def detach(run: Run, config: Any) -> None:
    """Give a made task a config of its own for the time before its superstep."""
    name = run.made.name
    conf = config[CONF]
    conf.pop(CONFIG_KEY_RESUMING, None)

    def interrupts(*_: Any) -> Any:
        raise Misprediction(name, "called interrupt()")

    def calls(*_: Any, **__: Any) -> Any:
        raise Misprediction(name, "called a @task")

    conf[CONFIG_KEY_SCRATCHPAD] = replace(
        conf[CONFIG_KEY_SCRATCHPAD], interrupt_counter=interrupts, get_null_resume=interrupts
    )
    conf[CONFIG_KEY_CALL] = calls
    conf[CONFIG_KEY_READ] = Reader(run)
    if (saver := conf.get(CONFIG_KEY_CHECKPOINTER)) is not None:
        run.saver = conf[CONFIG_KEY_CHECKPOINTER] = HeldSaver(saver)
    hold(config, run.events)


def _show_known(made: Any, known: dict[str, Any]) -> None:
    """Show tracers of a task the part of its state that is certain, and no more.

    They look at all of an input, which for one with keys missing would be a
    misprediction.
    """
    if isinstance(made.proc, RunnableSeq):
        proc = copy(made.proc)
        proc.trace_inputs = lambda _: dict(known)
        object.__setattr__(made, "proc", proc)


def _routes(ahead: Ahead, run: Run, node: Any) -> None:
    """Let a task's routers wait for what they read."""
    run.gate = ahead.gate(run)
    object.__setattr__(run.made, "proc", ahead_node(ahead, run, node, routes_of(node)))
