"""Random fan-outs with random timing, beside other branches: all as in LangGraph."""

from __future__ import annotations

import operator
import random
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import gather
from langgraph_alto.testing import check
from tests.gather.graphs import Mode


class State(TypedDict, total=False):
    seed: int
    log: Annotated[list[str], operator.add]
    other: Annotated[list[str], operator.add]


def program(seed: int, mode: Mode) -> Any:
    """A random graph: one to three levels, gathers over some, and a branch beside them."""
    draw = random.Random(seed)
    levels = draw.randint(1, 3)
    builder: Any = StateGraph(State)

    def site(level: int, *, by_edge: bool) -> Any:
        def width(packet: Any) -> int:
            at = packet.get("at", "")
            return random.Random(f"{seed}/{level}/{at}").choice([0, 1, 2, 3])

        def packets(packet: Any) -> list[Send]:
            at = packet.get("at", "")
            return [Send(f"n{level + 1}", {"at": f"{at}{i}"}) for i in range(width(packet))]

        def by_command(packet: Any) -> Command[Any]:
            return Command(goto=packets(packet))

        async def aby_command(packet: Any) -> Command[Any]:
            return Command(goto=packets(packet))

        if by_edge:
            return packets
        return by_command if mode == "sync" else aby_command

    def leaf(packet: dict[str, Any]) -> dict[str, Any] | None:
        at = packet["at"]
        draw = random.Random(f"{seed}/leaf/{at}")
        if draw.random() < 0.15:
            raise ValueError(at)
        if draw.random() < 0.2:
            return None
        return {"other": [at], "at": at}

    async def aleaf(packet: dict[str, Any]) -> dict[str, Any] | None:
        return leaf(packet)

    first_packets = site(0, by_edge=True)
    for level in range(levels):
        if level == 0:
            builder.add_node("n0", lambda state: None)
            builder.add_conditional_edges("n0", lambda state: first_packets({}), ["n1"])
        else:
            builder.add_node(
                f"n{level}", site(level, by_edge=False), destinations=(f"n{level + 1}",)
            )
    builder.add_node(f"n{levels}", leaf if mode == "sync" else aleaf)
    builder.add_edge(START, "n0")
    errors: Any = draw.choice(["isolate", "collect"])
    declared = draw.sample(range(levels), draw.randint(1, levels))
    if 0 not in declared:
        declared.append(0)
    for level in declared:
        first = draw.choice([None, None, 1, 2])

        def function(found: Any, level: int = level) -> dict[str, Any]:
            return {"log": [f"{level} {found.ancestry}: {', '.join(map(str, found))}"]}

        async def afunction(found: Any, level: int = level) -> dict[str, Any]:
            return {"log": [f"{level} {found.ancestry}: {', '.join(map(str, found))}"]}

        gather(
            builder,
            f"g{level}",
            function if mode == "sync" else afunction,
            over=f"n{level}",
            of=f"n{levels}",
            key="at",
            first=first,
            errors=errors if level == 0 else None,
        )
        if draw.random() < 0.5:
            builder.add_node(f"after{level}", lambda state: {"other": [f"{len(state['log'])}"]})
            builder.add_edge(f"g{level}", f"after{level}")
    if draw.random() < 0.7:
        builder.add_node("beside", lambda state: {"other": ["beside"]})
        builder.add_node("further", lambda state: {"other": ["further"]})
        builder.add_edge(START, "beside")
        builder.add_edge("beside", "further")
    return builder


@pytest.mark.parametrize("seed", range(16))
def test_all_that_can_be_observed_is_the_same(seed: int) -> None:
    draw = random.Random(seed)
    mode: Mode = draw.choice(["sync", "async"])
    check(
        program(seed, mode),
        [{"seed": 1, "log": [], "other": []}],
        policy=draw.choice(["proven", "proven", "speculative"]),
        mode=mode,
        delays=("random", 0.0, 0.02),
        checkpointer=draw.choice([None, InMemorySaver]),
        runs=2,
        seed=seed,
        config=draw.choice([{}, {"max_concurrency": 2}]),
    ).raise_for_difference()
