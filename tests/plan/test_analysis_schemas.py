"""What annotations of the state add, and that wrong ones take nothing away."""

from __future__ import annotations

import abc
import collections
import dataclasses
import functools
import operator
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Protocol

import pytest
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node
from langgraph_alto.plan.effects import Path
from langgraph_alto.plan.shape import masks_of

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportIncompatibleMethodOverride=false, reportUnusedExpression=false
# pyright: reportOperatorIssue=false, reportCallIssue=false, reportAssignmentType=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg, attr-defined, index, misc"
# mypy: disable-error-code="comparison-overlap, operator, union-attr, arg-type, assignment"
# ruff: noqa: B015, B018


class Doc(BaseModel):
    text: str = ""
    seen: int = 0
    tags: list[str] = []

    def rename(self, text):
        self.text = text

    @property
    def loud(self):
        self.seen += 1
        return self.text.upper()

    @property
    def calm(self):
        return self.text.lower()


class Shelf:
    """All its operators and special methods change it."""

    def __init__(self):
        self.held: list[Any] = []
        self.count = 0

    def _touch(self, *args):
        self.count += 1
        return self

    __getitem__ = __contains__ = __call__ = __add__ = __radd__ = __eq__ = __enter__ = _touch
    __iter__ = __next__ = __len__ = __bool__ = __exit__ = __missing__ = _touch
    __hash__ = None


class Traced:
    """Counts who looks at it."""

    def __getattr__(self, name):
        self.__dict__["count"] = 1
        return name


class Cached:
    @functools.cached_property
    def answer(self):
        return 42


class Descriptor:
    def __get__(self, owner, kind=None):
        owner.count = 1
        return 1


class Described:
    field = Descriptor()


class Source(abc.ABC):
    @abc.abstractmethod
    def fetch(self): ...


class Planned:
    def fetch(self):
        raise NotImplementedError


class Fetches(Protocol):
    def fetch(self): ...


class Quiet:
    def fetch(self):
        return 1


class State(TypedDict, total=False):
    docs: list[Doc]
    doc: Doc
    by_name: dict[str, Doc]
    by_doc: dict[Doc, int]
    shelf: Shelf
    shelves: list[Shelf]
    either: Doc | Shelf
    traced: Traced
    cached: Cached
    described: Described
    source: Source
    planned: Planned
    fetches: Fetches
    quiet: Quiet
    counts: collections.defaultdict[str, list[int]]
    plain: dict
    name: str
    n: int
    call: Callable[[int], int]
    thread: collections.UserList


CASES: list[tuple[Any, str]] = []


def changes(paths: str) -> Any:
    """The function must be known to change these paths, at least."""

    def register(function: Any) -> Any:
        CASES.append((function, paths))
        return function

    return register


@changes("doc.seen")
def a_property_that_changes(state):
    return {"out": state["doc"].loud}


@changes("")
def a_property_that_does_not(state):
    return {"out": state["doc"].calm}


@changes("docs.[].text")
def a_method_of_an_element(state):
    for doc in state["docs"]:
        doc.rename("x")


@changes("by_name.text")
def a_method_of_a_value(state):
    for doc in state["by_name"].values():
        doc.rename("x")


@changes("by_doc.text")
def a_method_of_a_key(state):
    for doc in state["by_doc"]:
        doc.rename("x")


@changes("shelf.count")
def an_item(state):
    state["shelf"]["x"]


@changes("shelf.count")
def a_search(state):
    1 in state["shelf"]


@changes("shelf.count")
def a_call(state):
    state["shelf"](1)


@changes("shelf.count")
def a_sum(state):
    state["shelf"] + 1


@changes("shelf.count")
def a_sum_from_the_right(state):
    1 + state["shelf"]


@changes("shelf.count")
def a_comparison(state):
    state["shelf"] == 1


@changes("shelves.[].count")
def a_comparison_of_a_list(state):
    state["shelves"] == []


@changes("shelf.count")
def a_loop(state):
    for _ in state["shelf"]:
        pass


@changes("shelf.count")
def a_test(state):
    if state["shelf"]:
        pass


@changes("shelf.count")
def a_context(state):
    with state["shelf"]:
        pass


@changes("shelf.count")
def a_size(state):
    len(state["shelf"])


@changes("either.count")
def an_item_of_one_of_two(state):
    state["either"]["x"]


@changes("either.seen")
def a_property_of_one_of_two(state):
    state["either"].loud


@changes("traced.count")
def any_attribute(state):
    state["traced"].anything


@changes("cached")
def a_cached_property(state):
    state["cached"].answer


@changes("described.count")
def a_descriptor(state):
    state["described"].field


@changes("source")
def an_abstract_method(state):
    state["source"].fetch()


@changes("planned")
def a_method_without_a_body(state):
    state["planned"].fetch()


@changes("fetches")
def a_method_of_a_protocol(state):
    state["fetches"].fetch()


@changes("")
def a_method_with_a_body(state):
    state["quiet"].fetch()


@changes("counts")
def a_missing_key(state):
    state["counts"]["x"]


@changes("call")
def a_callable(state):
    state["call"](1)


@changes("plain")
def a_mapping_that_is_none(state):
    state["plain"].rename("x")


@changes("name")
def a_string_that_is_none(state):
    state["name"].append(1)


@changes("name")
def characters_that_are_none(state):
    for part in state["name"]:
        part.append(1)


@changes("plain")
def keys_that_are_no_strings(state):
    for key in state["plain"]:
        key.rename("x")


@changes("n")
def a_number_that_is_none(state):
    state["n"] += [1]


@changes("thread")
def a_method_of_a_library(state):
    state["thread"].resize_somehow()


@pytest.mark.parametrize(("node", "paths"), CASES, ids=[node.__name__ for node, _ in CASES])
def test_changes_through_classes_are_foreseen(node: Any, paths: str) -> None:
    facts = analyse_node(node, State)
    if facts.mutates is None:
        pytest.fail(f"{facts.doubts}")
    wanted = {tuple(p.replace("[]", "#").split(".")) for p in paths.split()}
    if not wanted:
        assert not facts.mutates
    for path in wanted:
        path = tuple("[]" if p == "#" else p for p in path)
        assert any(covers(m, path) for m in facts.mutates), facts.mutates


def covers(foreseen: Path, happens: Path) -> bool:
    return happens[: len(foreseen)] == foreseen


def test_a_graph_passes_on_what_its_schema_says() -> None:
    """START -> rename -> END, with a node that has no annotation of its own."""

    class Input(TypedDict):
        shelf: Shelf

    graph = StateGraph(State)
    graph.add_node("loop", a_loop)
    graph.add_node("item", an_item, input_schema=Input)
    graph.add_node("calm", a_property_that_does_not)
    for name in ("loop", "item", "calm"):
        graph.add_edge(START, name)
    stages = {stage.name: stage for stage in masks_of(graph.compile()).stages}
    assert stages["loop"].mutates == {("shelf",)}
    assert stages["item"].mutates == {("shelf",)}
    assert stages["calm"].mutates == frozenset()
    assert stages["calm"].reads == {("doc", "text")}


def test_a_router_is_told_the_schema_of_its_node() -> None:
    """START -> calm -> (calm.text)."""

    def route(state):
        return "a" if state["doc"].calm else "b"

    graph = StateGraph(State)
    graph.add_node("calm", a_property_that_does_not)
    graph.add_node("a", a_property_that_does_not)
    graph.add_node("b", a_property_that_does_not)
    graph.add_edge(START, "calm")
    graph.add_conditional_edges("calm", route)
    (stage,) = (s for s in masks_of(graph.compile()).stages if s.name == "calm")
    assert stage.leads_to == {"a", "b"}
    assert {key for found in stage.routes for key in found.reads} == {"doc"}


def test_a_state_that_is_one_value_has_no_keys() -> None:
    """START -> add -> END, over a state that is a list."""

    def add(state):
        return [len(state)]

    graph: Any = StateGraph(Annotated[list, operator.add])
    graph.add_node("add", add)
    graph.add_edge(START, "add")
    stages = {stage.name: stage for stage in masks_of(graph.compile()).stages}
    assert stages["add"].reads == {("__root__",)}
    assert stages["add"].mutates == frozenset()


def test_what_an_iterator_class_yields_is_followed() -> None:
    @dataclasses.dataclass
    class Pages:
        left: list[Doc]

        def __iter__(self) -> Iterator[Doc]:
            while self.left:
                yield self.left.pop()

    class Paged(TypedDict):
        pages: Pages

    def read(state):
        for doc in state["pages"]:
            doc.rename("x")

    facts = analyse_node(read, Paged)
    assert facts.mutates is not None
    assert any(covers(m, ("pages", "left")) for m in facts.mutates)
