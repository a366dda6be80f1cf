"""What the tests of learned effects share."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langgraph.constants import START
from langgraph.graph import StateGraph
from pydantic import BaseModel

from langgraph_alto import Effects
from langgraph_alto.learned.record import Record
from langgraph_alto.learned.tracker import Tracker


@dataclass
class Topic:
    title: str = "rain"
    notes: list[Any] = field(default_factory=list)

    @property
    def loud(self) -> str:
        return self.title.upper()

    def add(self, note: Any) -> None:
        self.notes.append(note)


@dataclass(slots=True)
class Slotted:
    x: int = 1
    y: list[int] = field(default_factory=list)


class Sheet(BaseModel):
    name: str = "sheet"
    rows: list[dict[str, Any]] = []
    topic: Topic = Topic()
    _cached: int = 4


class Plain:
    def __init__(self) -> None:
        self.count = 0
        self.parent: Any = None

    def bump(self) -> None:
        self.count += 1


class State(TypedDict, total=False):
    docs: list[dict[str, Any]]
    table: dict[Any, Any]
    topic: Topic
    sheet: Sheet
    words: set[str]
    n: int
    log: Annotated[list[Any], operator.add]


def given(n: int = 1) -> dict[str, Any]:
    return {
        "docs": [{"score": n, "text": "a", "tags": ["x"]}, {"score": 2, "text": "b", "tags": []}],
        "table": {"a": {"b": 1}, 1: [2], "c": 3},
        "topic": Topic(notes=[n]),
        "sheet": Sheet(rows=[{"cell": n}]),
        "words": {"dry", "wet"},
        "n": n,
        "log": [],
    }


class Hidden:
    """A node that analysis cannot read."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, state: Any) -> Any:
        return eval("self.function(state)")


class AsyncHidden:
    """An async node that analysis cannot read."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    async def __call__(self, state: Any) -> Any:
        result = eval("self.function(state)")
        return await result if hasattr(result, "__await__") else result


def line(*nodes: tuple[str, Any], schema: Any = State) -> Any:
    """START -> first -> ... -> last."""
    graph: Any = StateGraph(schema)
    previous = START
    for name, node in nodes:
        graph.add_node(name, node)
        graph.add_edge(previous, name)
        previous = name
    return graph.compile()


def watch(function: Callable[[Any], Any], state: Any) -> tuple[Any, Record]:
    """Run a function on views of a state: its result, and what it was seen to do."""
    record = Record("node")
    tracker = Tracker(record)
    view = tracker.root(state)
    try:
        return tracker.release(function(view)), record
    finally:
        tracker.finish(state)


def dotted(paths: Any) -> set[str]:
    return {".".join(path) for path in paths}


def evaluate(source: str) -> dict[str, Effects]:
    """The effects a text stands for, without running it."""
    tree = ast.parse(source, mode="eval").body
    assert isinstance(tree, ast.Dict)
    found = {}
    for key, call in zip(tree.keys, tree.values, strict=True):
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        assert call.func.id == "Effects"
        assert not call.args
        assert key is not None
        keywords = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        found[ast.literal_eval(key)] = Effects(**keywords)
    return found
