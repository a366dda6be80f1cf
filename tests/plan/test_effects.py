"""Declarations: wrong ones are refused where they are written, right ones lift what they can."""

from __future__ import annotations

import operator
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from langgraph_alto import Effects, wrap


@pytest.mark.parametrize("field", ["reads", "writes", "mutates", "goto", "routes"])
@pytest.mark.parametrize("names", ["docs", "a", ""])
def test_a_string_is_no_collection_of_letters(field: str, names: str) -> None:
    given: Any = {field: names}
    with pytest.raises(TypeError) as caught:
        Effects(**given)
    message = str(caught.value)
    assert f"Effects({field}={names!r}): give a collection of" in message
    assert f"{field}={{{names!r}}}" in message


@pytest.mark.parametrize("field", ["reads", "writes", "mutates", "goto", "routes"])
@pytest.mark.parametrize("names", [3, True, iter("ab")])
def test_what_is_no_collection(field: str, names: Any) -> None:
    """A generator is none either: it could be read only once."""
    with pytest.raises(TypeError, match=rf"Effects\({field}=.*give a collection of"):
        Effects(**{field: names})


@pytest.mark.parametrize("names", [{3}, ["a", None], (b"a",)])
def test_names_are_strings(names: Any) -> None:
    with pytest.raises(TypeError, match=r"Effects\(reads=\.\.\.\) holds .*which are strings"):
        Effects(reads=names)


@pytest.mark.parametrize("ordered", ["yes", 1, None])
def test_ordered_is_true_or_false(ordered: Any) -> None:
    with pytest.raises(TypeError, match=rf"Effects\(ordered={ordered!r}\): give True or False"):
        Effects(ordered=ordered)


def test_collections_of_names_are_taken() -> None:
    effects = Effects(reads=["a", "b.c"], writes=(), mutates={"a": 1}, goto=frozenset({"n"}))
    assert effects == Effects(["a", "b.c"], (), {"a": 1}, goto=frozenset({"n"}))
    assert Effects(observed=True) == Effects()


# -- what routers read --------------------------------------------------------------


class Routed(TypedDict, total=False):
    a: int
    b: int


def routed(read: Any) -> Any:
    """START --> quick --> after, with a router; START --> slow, which writes ``b``."""
    graph: Any = StateGraph(Routed)
    graph.add_node("quick", lambda state: {"a": 1})
    graph.add_node("slow", lambda state: {"b": 1})
    graph.add_node("after", lambda state: {})
    graph.add_node("end", lambda state: {})
    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    graph.add_edge("quick", "after")
    graph.add_conditional_edges("after", read, ["end"])
    return graph


def unseen(state: Any) -> str:
    return "end" if operator.itemgetter(*[chr(97)])(state) else END


def test_what_routers_read_is_declared() -> None:
    before = wrap(routed(unseen)).plan
    waits = [wait for wait in (*before.barriers, *before.dependencies) if wait.router]
    assert [(wait.node, wait.earlier) for wait in waits] == [("after", "slow")]
    after = wrap(routed(unseen), effects={"after": Effects(routes={"a"})}).plan
    assert not [wait for wait in (*after.barriers, *after.dependencies) if wait.router]


def test_a_barrier_of_a_router_says_what_lifts_it() -> None:
    (barrier,) = wrap(routed(unseen)).plan.barriers
    assert barrier.router
    assert barrier.lift is not None
    assert barrier.lift.text == 'effects={"after": Effects(routes={"a"})}'


def test_a_router_that_reads_more_than_declared_waits() -> None:
    """A wrong declaration costs time, never a result."""
    graph = routed(lambda state: "end" if state.get("b") else END)
    fast = wrap(graph, effects={"after": Effects(routes={"a"})})
    assert fast.invoke({}) == graph.compile().invoke({})


@pytest.mark.parametrize(
    ("node", "routes", "words"),
    [
        ("quick", {"a"}, "but it has none"),
        ("after", {"z"}, "has no such key; its keys are a, b"),
    ],
)
def test_wrong_routes(node: str, routes: set[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wrap(routed(unseen), effects={node: Effects(routes=routes)})
