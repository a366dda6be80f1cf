"""Graphs of every kind that the engine treats in a way of its own."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send
from pydantic import BaseModel

from tests.guarantees.support import Body, Journal, Mode, State, graph_of, node

Shape = Callable[[Mode, Journal, float], Any]
"""Makes a graph whose slow node takes that many seconds."""


def pause(mode: Mode, name: str, journal: Journal, seconds: float, make: Body) -> Body:
    """A node that takes ``seconds`` and returns ``make(state)``."""

    def body(state: Any) -> Any:
        journal.begin(name)
        time.sleep(seconds)
        journal.end(name)
        return make(state)

    async def abody(state: Any) -> Any:
        journal.begin(name)
        await asyncio.sleep(seconds)
        journal.end(name)
        return make(state)

    return body if mode == "sync" else abody


def _plain(
    mode: Mode, journal: Journal, slow: float, names: Sequence[str], *edges: tuple[Any, str]
) -> Any:
    nodes = {
        name: node(mode, name, journal, seconds=slow if name == "slow" else 0.0) for name in names
    }
    return graph_of(nodes, list(edges))


def waiting_edge(mode: Mode, journal: Journal, slow: float) -> Any:
    """quick -> early -> end, slow -> late -> end; end waits for both."""
    return _plain(
        mode,
        journal,
        slow,
        ["quick", "slow", "early", "late", "end"],
        ("", "quick"),
        ("", "slow"),
        ("quick", "early"),
        ("slow", "late"),
        (["early", "late"], "end"),
    )


def double_edge(mode: Mode, journal: Journal, slow: float) -> Any:
    """quick -> early -> end and slow -> end: plain edges, so end runs twice."""
    return _plain(
        mode,
        journal,
        slow,
        ["quick", "slow", "early", "end", "after"],
        ("", "quick"),
        ("", "slow"),
        ("quick", "early"),
        ("early", "end"),
        ("slow", "end"),
        ("end", "after"),
    )


def coalesced(mode: Mode, journal: Journal, slow: float) -> Any:
    """quick -> end and slow -> end in one superstep: end runs once."""
    return _plain(
        mode,
        journal,
        slow,
        ["quick", "slow", "end", "after"],
        ("", "quick"),
        ("", "slow"),
        ("quick", "end"),
        ("slow", "end"),
        ("end", "after"),
    )


def deferred(mode: Mode, journal: Journal, slow: float) -> Any:
    """quick -> last (deferred), slow -> late: last waits for everything."""
    graph = _plain(
        mode,
        journal,
        slow,
        ["quick", "slow", "early", "late"],
        ("", "quick"),
        ("", "slow"),
        ("quick", "early"),
        ("slow", "late"),
    )
    graph.add_node("last", node(mode, "last", journal), defer=True)
    graph.add_edge("quick", "last")
    return graph


def loop(mode: Mode, journal: Journal, slow: float) -> Any:
    """A loop quick -> again -> quick, beside slow -> late."""
    graph = _plain(
        mode,
        journal,
        slow,
        ["quick", "slow", "again", "late"],
        ("", "quick"),
        ("", "slow"),
        ("quick", "again"),
        ("slow", "late"),
    )

    def more(state: State) -> str:
        return "quick" if len(state["log"]) < 7 else END

    graph.add_conditional_edges("again", more, ["quick", END])
    return graph


class Fan(TypedDict, total=False):
    """A state that is fanned out."""

    items: list[int]
    done: Annotated[list[str], operator.add]
    seen: Annotated[list[str], operator.add]


def send_chain(mode: Mode, journal: Journal, slow: float) -> Any:
    """fan => work (one per item, the first is slow) => check => reduce."""
    graph: Any = StateGraph(Fan)

    def fan(state: Fan) -> list[Send]:
        return [Send("work", item) for item in state["items"]]

    def onward(state: Fan) -> list[Send]:
        return [Send("check", text) for text in state["done"]]

    def work(item: int) -> Command[Any]:
        name = f"work {item}"
        journal.begin(name)
        time.sleep(slow if item == 0 else 0)
        journal.end(name)
        return Command(update={"done": [str(item)]}, goto=[Send("check", str(item))])

    async def awork(item: int) -> Command[Any]:
        name = f"work {item}"
        journal.begin(name)
        await asyncio.sleep(slow if item == 0 else 0)
        journal.end(name)
        return Command(update={"done": [str(item)]}, goto=[Send("check", str(item))])

    def check(text: str) -> dict[str, Any]:
        journal.begin(f"check {text}")
        journal.end(f"check {text}")
        return {"seen": [text]}

    graph.add_node("work", work if mode == "sync" else awork, destinations=("check",))
    graph.add_node("check", check)
    graph.add_node("reduce", pause(mode, "reduce", journal, 0, _count))
    graph.add_conditional_edges(START, fan, ["work"])
    graph.add_edge("check", "reduce")
    return graph


def _count(state: Fan) -> dict[str, Any]:
    return {"done": [f"{len(state['seen'])} seen"]}


def early_reduce(mode: Mode, journal: Journal, slow: float) -> Any:
    """fan => work -> reduce -> after, beside an unrelated slow task -> late."""
    graph: Any = StateGraph(Fan)

    def fan(state: Fan) -> list[Send]:
        return [Send("work", item) for item in state["items"]]

    def work(item: int) -> dict[str, Any]:
        journal.begin(f"work {item}")
        journal.end(f"work {item}")
        return {"done": [str(item)]}

    def total(state: Fan) -> dict[str, Any]:
        return {"seen": ["+".join(state["done"])]}

    def late(state: Fan) -> dict[str, Any]:
        return {"seen": ["late"]}

    def nothing(state: Fan) -> dict[str, Any]:
        return {"seen": ["slow"]}

    graph.add_node("work", work)
    graph.add_node("slow", pause(mode, "slow", journal, slow, nothing))
    graph.add_node("reduce", pause(mode, "reduce", journal, 0, total))
    graph.add_node("after", pause(mode, "after", journal, slow, late))
    graph.add_conditional_edges(START, fan, ["work"])
    graph.add_edge(START, "slow")
    graph.add_edge("work", "reduce")
    graph.add_edge("reduce", "after")
    return graph


def router(mode: Mode, journal: Journal, slow: float) -> Any:
    """A router in a branch reads what its own branch wrote.

    quick --(left == "quick")--> early -> end, slow -> late
    """
    graph: Any = StateGraph(State)
    graph.add_node("quick", node(mode, "quick", journal, key="left"))
    graph.add_node("slow", node(mode, "slow", journal, seconds=slow, key="right"))
    for name in ("early", "never", "late", "end"):
        graph.add_node(name, node(mode, name, journal))

    def choose(state: State) -> str:
        return "early" if state["left"] == "quick" else "never"

    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    graph.add_conditional_edges("quick", choose, ["early", "never"])
    graph.add_edge("early", "end")
    graph.add_edge("slow", "late")
    return graph


def command(mode: Mode, journal: Journal, slow: float) -> Any:
    """quick goes to early by a Command; slow has an edge."""
    graph = _plain(
        mode,
        journal,
        slow,
        ["slow", "early", "late"],
        ("", "slow"),
        ("slow", "late"),
    )

    def leads(state: State) -> Command[Any]:
        return Command(update={"left": "gone", "log": ["quick"]}, goto="early")

    graph.add_node("quick", pause(mode, "quick", journal, 0, leads), destinations=("early",))
    graph.add_edge(START, "quick")
    return graph


def reads_everything(mode: Mode, journal: Journal, slow: float) -> Any:
    """early copies its whole state into the log, which slow still adds to."""
    graph = _plain(mode, journal, slow, ["quick", "slow"], ("", "quick"), ("", "slow"))

    def whole(state: State) -> dict[str, Any]:
        return {"log": [f"{key}={value}" for key, value in sorted(state.items())]}

    graph.add_node("early", pause(mode, "early", journal, 0, whole))
    graph.add_edge("quick", "early")
    return graph


def reads_late(mode: Mode, journal: Journal, slow: float) -> Any:
    """early reads ``right``, which slow writes in the superstep before."""
    graph: Any = StateGraph(State)
    graph.add_node("quick", node(mode, "quick", journal))
    graph.add_node("slow", node(mode, "slow", journal, seconds=slow, key="right"))

    def reads(state: State) -> dict[str, Any]:
        return {"log": [f"right is {state.get('right', 'missing')}"]}

    graph.add_node("early", pause(mode, "early", journal, 0, reads))
    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    graph.add_edge("quick", "early")
    return graph


def mutates(mode: Mode, journal: Journal, slow: float) -> Any:
    """early appends to a list in place, which slow is to read before it ends."""
    graph: Any = StateGraph(State)
    graph.add_node("quick", node(mode, "quick", journal))

    def measures(state: State) -> dict[str, Any]:
        journal.begin("slow")
        items = state["items"]
        time.sleep(slow)
        journal.end("slow")
        return {"log": [f"slow saw {len(items)}"]}

    async def ameasures(state: State) -> dict[str, Any]:
        journal.begin("slow")
        items = state["items"]
        await asyncio.sleep(slow)
        journal.end("slow")
        return {"log": [f"slow saw {len(items)}"]}

    def appends(state: State) -> dict[str, Any]:
        state["items"].append("early")
        return {"log": [f"early left {len(state['items'])}"]}

    graph.add_node("slow", measures if mode == "sync" else ameasures)
    graph.add_node("early", pause(mode, "early", journal, 0, appends))
    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    graph.add_edge("quick", "early")
    return graph


class Model(BaseModel):
    """A Pydantic state."""

    items: list[str] = []
    log: Annotated[list[str], operator.add] = []
    left: str = ""
    right: str = ""


@dataclass
class Record:
    """A dataclass state."""

    items: list[str] = field(default_factory=list)
    log: Annotated[list[str], operator.add] = field(default_factory=list)
    left: str = ""
    right: str = ""


def _attributes(schema: Any, mode: Mode, journal: Journal, slow: float) -> Any:
    graph: Any = StateGraph(schema)

    def quick(state: Any) -> dict[str, Any]:
        return {"left": "quick"}

    def early(state: Any) -> dict[str, Any]:
        return {"log": [state.left, "early"]}

    def late(state: Any) -> dict[str, Any]:
        return {"log": ["late"]}

    def last(state: Any) -> dict[str, Any]:
        return {"right": "slow"}

    graph.add_node("quick", pause(mode, "quick", journal, 0, quick))
    graph.add_node("slow", pause(mode, "slow", journal, slow, last))
    graph.add_node("early", pause(mode, "early", journal, slow, early))
    graph.add_node("late", pause(mode, "late", journal, 0, late))
    for source, target in [
        (START, "quick"),
        (START, "slow"),
        ("quick", "early"),
        ("slow", "late"),
    ]:
        graph.add_edge(source, target)
    return graph


def pydantic(mode: Mode, journal: Journal, slow: float) -> Any:
    """A Pydantic state: early reads one attribute, slow writes another."""
    return _attributes(Model, mode, journal, slow)


def dataclass_state(mode: Mode, journal: Journal, slow: float) -> Any:
    """The same with a dataclass."""
    return _attributes(Record, mode, journal, slow)


def subgraph(mode: Mode, journal: Journal, slow: float) -> Any:
    """The uneven branches in a graph used as a node, itself beside a slow node.

    quick -> [ waiting_edge ] -> end, slow -> late
    """
    inner = waiting_edge(mode, journal, slow).compile()
    graph = graph_of(
        {
            "outer quick": node(mode, "outer quick", journal),
            "outer slow": node(mode, "outer slow", journal, seconds=slow),
            "outer late": node(mode, "outer late", journal),
        },
        [("", "outer quick"), ("", "outer slow"), ("outer slow", "outer late")],
    )

    def fresh(state: State) -> dict[str, Any]:
        return {"left": state.get("left", "none")}

    graph.add_node("before", pause(mode, "before", journal, 0, fresh))
    graph.add_node("inner", inner)
    graph.add_edge("outer quick", "before")
    graph.add_edge("before", "inner")
    return graph


def messages(mode: Mode, journal: Journal, slow: float) -> Any:
    """A MessagesState: quick answers while slow still thinks; ids are given."""
    graph: Any = StateGraph(MessagesState)

    def says(name: str) -> Body:
        def say(state: MessagesState) -> dict[str, Any]:
            return {"messages": [("ai", f"{name} after {len(state['messages'])}")]}

        return say

    for name in ("quick", "slow", "early", "late"):
        seconds = slow if name == "slow" else 0
        graph.add_node(name, pause(mode, name, journal, seconds, says(name)))
    for source, target in [
        (START, "quick"),
        (START, "slow"),
        ("quick", "early"),
        ("slow", "late"),
    ]:
        graph.add_edge(source, target)
    return graph


FAN: dict[str, Any] = {"items": [0, 1, 2, 3]}
LOG: dict[str, Any] = {"log": []}
LIST: dict[str, Any] = {"log": [], "items": ["given"]}

SHAPES: dict[str, tuple[Shape, dict[str, Any]]] = {
    "waiting_edge": (waiting_edge, LOG),
    "double_edge": (double_edge, LOG),
    "coalesced": (coalesced, LOG),
    "deferred": (deferred, LOG),
    "loop": (loop, LOG),
    "send_chain": (send_chain, FAN),
    "early_reduce": (early_reduce, FAN),
    "router": (router, LOG),
    "command": (command, LOG),
    "reads_everything": (reads_everything, LOG),
    "reads_late": (reads_late, LOG),
    "mutates": (mutates, LIST),
    "pydantic": (pydantic, LOG),
    "dataclass": (dataclass_state, LOG),
    "subgraph": (subgraph, LOG),
}
"""Every shape with an input for it."""
