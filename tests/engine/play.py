"""Drive a predictor by hand: the test says what ends, and sees what may start.

A task is named by its node and its superstep, ``"b@2"``, and one that runs on a
packet by what was sent as well, ``"w:1@2"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.types import Send

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.engine.supersteps import Phase, Task, Write
from tests.engine.graphs import Graph, Made, Referee


class Play:
    """A run of a graph.

    Args:
        of: The graph.
        first: Names of the nodes of the first superstep.
        state: The input.
        stop: The last superstep that the recursion limit allows.
        options: The predictor's, with names of nodes in place of masks.
    """

    def __init__(
        self,
        of: Graph,
        first: str,
        state: Mapping[str, Any] | None = None,
        *,
        stop: int = 99,
        speculative: bool = False,
        **options: str,
    ) -> None:
        self.of = of
        self.stop = stop
        self.referee = Referee(
            of, [*(state or {}).items(), *((f"to:{name}", None) for name in first.split())]
        )
        self.predictor = Predictor(
            of.masks,
            self.referee.channels,
            packets=TASKS,
            speculative=speculative,
            **{name: of.bit(*names.split()) for name, names in options.items()},
        )
        self.started: list[str] = []
        self.routable: list[str] = []
        self.base: list[tuple[Made, Task]] = []
        self.begin()

    def __getitem__(self, name: str) -> Task:
        step = self.predictor.known.steps[int(name.split("@")[1])]
        (task,) = (task for task in step.tasks() if self.name(task) == name)
        return task

    def __contains__(self, name: str) -> bool:
        step = self.predictor.known.steps.get(int(name.split("@")[1]))
        return step is not None and any(self.name(task) == name for task in step.tasks())

    def name(self, task: Task) -> str:
        packet = "" if task.packet is None else f":{task.packet.arg}"
        return f"{self.of.masks.stages[task.node].name}{packet}@{task.step}"

    # -- what happens -----------------------------------------------------------

    def begin(self) -> None:
        """LangGraph makes the tasks of a superstep, and runs those that are new to us."""
        made = self.referee.made
        tasks = self.predictor.begin(
            self.referee.step,
            [(self.of.masks.index[real.node], real.packet, real.place) for real in made],
            self.stop,
        )
        self.base = list(zip(made, tasks, strict=True))
        for task in tasks:
            if task.phase is Phase.WAITING:
                self.predictor.started(task)

    def settle(self) -> list[str]:
        """What may start now; it does."""
        ready, routable = self.predictor.settle()
        for task in ready:
            task.run = self.name(task)
            self.predictor.started(task)
        names = sorted(self.name(task) for task in ready)
        self.started += names
        self.routable = sorted(self.name(task) for task in routable)
        return names

    def finish(self, name: str, to: str = "", send: str = "", **values: Any) -> list[str]:
        """A task ends, with these writes beside those of its edges.

        Args:
            name: The task.
            to: Nodes that it has chosen to lead to.
            send: Packets that it sends: ``"w:1 w:2"``.
            values: What it writes to the state.

        Returns:
            The tasks that may start now.
        """
        task = self[name]
        self.predictor.finished(task, self.writes(task, to, send, **values))
        return self.settle()

    def writes(self, task: Task, to: str = "", send: str = "", **values: Any) -> list[Write]:
        stage = self.of.masks.stages[task.node]
        chosen = sorted(stage.edges | set(to.split()))
        packets = (packet.split(":") for packet in send.split())
        return [
            *values.items(),
            *((f"to:{target}", stage.name) for target in chosen),
            *((channel, stage.name) for channel in self.of.sources.get(stage.name, ())),
            *((TASKS, Send(node, arg)) for node, arg in packets),
        ]

    def commit(self) -> list[str]:
        """LangGraph applies the superstep's writes, and makes the tasks of the next.

        Returns:
            Those tasks.
        """
        assert all(task.phase is Phase.FINISHED for _, task in self.base)
        self.predictor.advance()
        self.referee.commit([(made, task.writes) for made, task in self.base])
        self.begin()
        return sorted(self.name(task) for _, task in self.base)

    # -- what is known ----------------------------------------------------------

    def value(self, key: str, step: int) -> Any:
        """What a key is foreseen to hold at the start of a superstep."""
        return self.predictor.virtual.channel(key, step).get()

    def adopted(self) -> list[str]:
        """The superstep's tasks that have run ahead."""
        return sorted(self.name(task) for _, task in self.base if task.run is not None)
