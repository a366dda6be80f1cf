"""What cannot be gathered is refused when the graph is compiled or wrapped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import AltoGraph, gather, install, wrap
from tests.gather.graphs import State, documents_graph


def nothing(state: Any) -> None:
    return None


def sends(*nodes: str) -> Callable[[Any], Command[Any]]:
    def node(state: Any) -> Command[Any]:
        return Command(goto=[Send(name, state) for name in nodes])

    return node


def graph(sent: dict[str, tuple[str, ...]], *edges: tuple[str, str]) -> Any:
    """START -> a, and then nodes that send packets, and edges."""
    builder: Any = StateGraph(State)
    for name, targets in sent.items():
        builder.add_node(name, sends(*targets) if targets else nothing, destinations=targets)
    builder.add_edge(START, "a")
    for start, end in edges:
        builder.add_edge(start, end)
    return builder


def refused(builder: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        builder.compile()
    with pytest.raises(ValueError, match=match):
        wrap(builder)


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"over": "sites"}, "'reduce' names 'sites', which is no node of the graph; .* a, b"),
        ({"over": "a", "of": "sentence"}, "'reduce' names 'sentence', which is no node"),
        ({"over": "b"}, "over 'b', which is not known to send packets"),
        ({"over": START}, "'reduce' is over START"),
    ],
)
def test_unknown_nodes_and_sites_that_send_nothing(declared: dict[str, Any], match: str) -> None:
    builder = graph({"a": ("b",), "b": ()})
    gather(builder, "reduce", nothing, **declared)
    refused(builder, match)


def test_a_child_that_an_edge_starts() -> None:
    builder = graph({"a": ("b",), "b": (), "c": ()}, ("b", "c"))
    gather(builder, "reduce", nothing, over="a", of="c")
    refused(builder, "an edge starts 'c', and an edge merges all parents")


def test_a_child_that_is_not_downstream() -> None:
    builder = graph({"a": ("b",), "b": (), "c": ()})
    gather(builder, "reduce", nothing, over="a", of="c")
    refused(builder, "no packets lead from there to 'c'; send it some")


def test_a_fan_out_that_goes_round_in_a_circle() -> None:
    builder = graph({"a": ("b",), "b": ("a", "c"), "c": ()})
    gather(builder, "reduce", nothing, over="a", of="c")
    refused(builder, r"packets go round in a circle \(a -> b -> a\).* may never be complete")


def test_ways_of_different_lengths() -> None:
    builder = graph({"a": ("b", "c"), "b": ("c",), "c": ()})
    gather(builder, "reduce", nothing, over="a", of="c")
    refused(builder, "'a' to c on ways of different lengths")


def test_a_gather_that_its_own_fan_out_waits_for() -> None:
    builder = graph({"a": ("b",), "b": ()})
    gather(builder, "reduce", sends("a"), over="a", of="b")
    refused(builder, "'reduce' sends packets into the fan-out of 'a' that it waits for")


def test_other_edges_to_a_gather() -> None:
    builder = graph({"a": ("b",), "b": ()})
    gather(builder, "reduce", nothing, over="a")
    builder.add_edge("a", "reduce")
    refused(builder, "there is an edge to it from a, too")


def test_a_gather_over_a_gather() -> None:
    builder = documents_graph()
    gather(builder, "more", nothing, over="summarise")
    refused(builder, "names 'summarise', which is a gather itself")


def test_two_error_scopes_for_one_site() -> None:
    builder = documents_graph(errors="isolate")
    gather(builder, "more", nothing, over="sentences", errors="collect")
    refused(builder, "'summarise' and 'more' declare different error scopes .* 'sentences'")


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"first": 0}, "first is 0; it must be at least 1"),
        ({"first": 2, "as_completed": True}, "declares both first=2 and as_completed"),
        ({"errors": "ignore"}, "errors is 'ignore'; it must be one of"),
        ({"defer": True}, "cannot take defer"),
    ],
)
def test_contradictions_are_refused_at_once(declared: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        gather(graph({"a": ("b",), "b": ()}), "reduce", nothing, **{"over": "a", **declared})


class Counts:
    def __call__(self, found: Any, *, runtime: Any) -> None: ...


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"of": []}, "gather 'reduce': of is empty, so there is nothing to gather"),
        ({"of": ()}, "gather 'reduce': of is empty"),
    ],
)
def test_nothing_to_gather_is_refused_at_once(declared: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        gather(graph({"a": ("b",), "b": ()}), "reduce", nothing, **{"over": "a", **declared})


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"of": 3}, "of is 3; give the name of a node, or a collection"),
        ({"of": ["b", 3]}, r"of is \['b', 3\]; give the name"),
        ({"over": ["a"]}, r"over is \['a'\], a list; give the name of one node"),
        ({"over": None}, "over is None, a NoneType; give the name of one node"),
        ({"first": True}, "first is True; give a whole number"),
        ({"first": 1.0}, "first is 1.0; give a whole number"),
        ({"first": "2"}, "first is '2'; give a whole number"),
        ({"function": None}, "function is None, a NoneType; give a function"),
        ({"function": {"b": 1}}, "function is .*, a dict; give a function"),
        ({"function": lambda: None}, r"function '<lambda>' takes \(\), so it cannot"),
        ({"function": lambda a, b: None}, r".* takes \(a, b\), .*missing .* 'b'"),
        ({"function": lambda *, found: None}, ".*one positional parameter"),
        ({"function": lambda config: None}, ".*one positional parameter"),
    ],
)
def test_wrong_types_are_refused_at_once(declared: dict[str, Any], match: str) -> None:
    given = {"over": "a", "function": nothing, **declared}
    with pytest.raises(TypeError, match=f"gather 'reduce': {match}"):
        gather(graph({"a": ("b",), "b": ()}), "reduce", **given)


@pytest.mark.parametrize(
    "function",
    [
        lambda found: None,
        lambda *found: None,
        lambda found, more=1: None,
        lambda found, config, runtime: None,
        lambda found, *, config: None,
        partial(lambda word, found: None, "word"),
        Counts(),
        len,
        RunnableLambda(lambda found: None),
    ],
)
def test_what_can_be_called_with_the_results(function: Any) -> None:
    builder = graph({"a": ("b",), "b": ()})
    assert gather(builder, "reduce", function, over="a", of=["b"]) is builder


def test_a_state_without_keys() -> None:
    builder: Any = StateGraph(int)
    with pytest.raises(ValueError, match="state with keys"):
        gather(builder, "reduce", nothing, over="a")


def test_a_name_that_is_taken() -> None:
    with pytest.raises(ValueError, match="already present"):
        gather(graph({"a": ("b",), "b": ()}), "b", nothing, over="a")


def test_a_packet_from_who_is_not_known_to_send_any() -> None:
    def route(state: Any) -> Any:
        return [Send(name, 1) for name in ["a"[:1]]]

    builder: Any = StateGraph(State)
    builder.add_node("start", nothing)
    builder.add_node("a", sends("b"), destinations=("b",))
    builder.add_node("b", nothing)
    builder.add_edge(START, "start")
    builder.add_conditional_edges("start", route)
    gather(builder, "reduce", nothing, over="a")
    with pytest.raises(RuntimeError, match="node 'a' was sent a packet by a node that is not"):
        builder.compile().invoke({})


def test_a_graph_may_be_compiled_again_with_more_in_it() -> None:
    builder = documents_graph()
    first = builder.compile()
    builder.add_node("more", nothing)
    builder.add_edge("answer", "more")
    second = builder.compile()
    inputs: Any = {"documents": [{"title": "t", "sentences": ["a"]}]}
    assert first.invoke(inputs)["summaries"] == second.invoke(inputs)["summaries"] == ["t: A"]
    assert wrap(builder).invoke(inputs)["summaries"] == ["t: A"]


def test_installing_after_the_gather_is_declared() -> None:
    builder = documents_graph()
    with install():
        assert isinstance(builder.compile(), AltoGraph)
    assert not isinstance(builder.compile(), AltoGraph)
