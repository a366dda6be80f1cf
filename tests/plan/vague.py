"""Small graphs that keep something to themselves, for the tests of plans.

In each of them LangGraph waits for more than the data need.
"""

from __future__ import annotations

import json
import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send


class State(TypedDict, total=False):
    docs: Annotated[list[str], operator.add]
    draft: str
    score: int
    best: str


def load(state: State) -> dict[str, Any]:
    return {"docs": ["a", "b"]}


def rank(state: State) -> dict[str, Any]:
    return {"score": len(state["docs"])}


def draft(state: State) -> Any:
    # What comes of this is known to the reader only.
    return json.loads('{"draft": "text"}')


def key_of(name: str) -> Any:
    """The name, in a way that no analysis sees through."""
    return json.loads(json.dumps(name))


def beside(slow: Any, first: Any = load, then: Any = rank) -> StateGraph[Any]:
    """
    slow
    first --> then
    """
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("slow", slow)
    builder.add_node("first", first)
    builder.add_node("then", then)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "first")
    builder.add_edge("first", "then")
    builder.add_edge("slow", END)
    return builder


def vague_writes() -> StateGraph[Any]:
    """
    slow ............/?
    first/docs --> then[docs]
    """
    return beside(draft)


def vague_reads() -> StateGraph[Any]:
    """
    slow/best
    first/docs --> then[?]
    """

    def slow(state: State) -> dict[str, Any]:
        return {"best": "b"}

    def then(state: Any) -> dict[str, Any]:
        docs = state[key_of("docs")]
        return {"score": len(docs)}

    return beside(slow, then=then)


def vague_both() -> StateGraph[Any]:
    """
    draft/?
    load/docs --> rank[?]
    """

    def rank_all(state: Any) -> dict[str, Any]:
        docs = state[key_of("docs")]
        return {"score": len(docs)}

    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("draft", draft)
    builder.add_node("load", load)
    builder.add_node("rank", rank_all)
    builder.add_edge(START, "draft")
    builder.add_edge(START, "load")
    builder.add_edge("load", "rank")
    return builder


def vague_goto() -> StateGraph[Any]:
    """
    slow/best ...> left, right
    first/docs --> then[docs]
    """

    def slow(state: State) -> Any:
        return Command(update={"best": "b"}, goto=json.loads('"left"'))

    builder = beside(slow)
    builder.add_node("left", lambda state: {"draft": "left"})
    builder.add_node("right", lambda state: {"draft": "right"})
    return builder


class Noted(TypedDict, total=False):
    notes: Any
    score: int
    docs: Annotated[list[str], operator.add]


def vague_changes() -> StateGraph[Any]:
    """
    slow[notes]/docs
    first/docs --> then[notes], which may change what it reads
    """

    def slow(state: Noted) -> dict[str, Any]:
        return {"docs": [f"{state['notes']}"]}

    def first(state: Noted) -> dict[str, Any]:
        return {"docs": ["first"]}

    def then(state: Noted) -> dict[str, Any]:
        return {"score": len(look(state.get("notes")))}

    def look(notes: Any) -> Any:
        return notes.text() if hasattr(notes, "text") else notes

    builder = StateGraph(Noted)
    builder.add_node("slow", slow)
    builder.add_node("first", first)
    builder.add_node("then", then)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "first")
    builder.add_edge("first", "then")
    return builder


VAGUE = {
    "writes": vague_writes,
    "reads": vague_reads,
    "both": vague_both,
    "goto": vague_goto,
    "changes": vague_changes,
}


def fan_out() -> StateGraph[Any]:
    """
    split ==> check/docs --> collect[docs]
    """

    def split(state: State) -> dict[str, Any]:
        return {}

    def packets(state: State) -> list[Send]:
        return [Send("check", {"docs": [str(number)]}) for number in range(3)]

    def check(state: State) -> dict[str, Any]:
        return {"docs": state["docs"]}

    def collect(state: State) -> dict[str, Any]:
        return {"score": len(state["docs"])}

    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("split", split)
    builder.add_node("check", check)
    builder.add_node("collect", collect)
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", packets, ["check"])
    builder.add_edge("check", "collect")
    return builder


def nested() -> StateGraph[Any]:
    """
    split ==> read ==> mark --> collect
    """

    def split(state: State) -> dict[str, Any]:
        return {}

    def to_read(state: State) -> list[Send]:
        return [Send("read", number) for number in range(2)]

    def mark(state: State) -> dict[str, Any]:
        return {"docs": [str(state)]}

    def again(state: State) -> list[Send]:
        return [Send("mark", number) for number in range(2)]

    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("split", split)
    builder.add_node("read", lambda packet: {"docs": ["read"]})
    builder.add_node("mark", mark)
    builder.add_node("collect", rank)
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", to_read, ["read"])
    builder.add_conditional_edges("read", again, ["mark"])
    builder.add_edge("mark", "collect")
    return builder


def agent() -> StateGraph[Any]:
    """
    agent --> tools --> agent ... END
    """

    def think(state: State) -> dict[str, Any]:
        return {"score": state.get("score", 0) + 1}

    def tools(state: State) -> dict[str, Any]:
        return {"docs": ["found"]}

    def route(state: State) -> str:
        return "tools" if state["score"] < 2 else END

    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("agent", think)
    builder.add_node("tools", tools)
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", route)
    builder.add_edge("tools", "agent")
    return builder
