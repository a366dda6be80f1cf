"""What ``wrap`` is told of nodes is checked against the graph: its keys and its nodes."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from langgraph_alto import Effects, gather, wrap


class State(TypedDict, total=False):
    topic: Any
    docs: Annotated[list[Any], operator.add]


class Private(TypedDict, total=False):
    draft: str


POLICIES = pytest.mark.parametrize("policy", ["off", "proven", "speculative"])


def search(state: State) -> dict[str, Any]:
    return {"docs": [state["topic"]], "draft": "a draft"}


def polish(state: Private) -> dict[str, Any]:
    return {"docs": [state.get("draft")]}


def chain() -> Any:
    """START ─▶ search ─▶ polish, which has a key of its own."""
    graph: Any = StateGraph(State)
    graph.add_node("search", search).add_node("polish", polish, input_schema=Private)
    graph.add_edge(START, "search").add_edge("search", "polish")
    return graph


def fan_out(route: Any) -> Any:
    """START ─▶ search ─▷ check, per packet; check has no other edge to it."""
    graph: Any = StateGraph(State)
    graph.add_node("search", search)
    graph.add_node("check", lambda packet: {"docs": [packet["sentence"]]})
    graph.add_edge(START, "search")
    graph.add_conditional_edges("search", route)
    return graph


@POLICIES
@pytest.mark.parametrize(
    ("field", "name", "words"),
    [
        ("reads", "doc", "reads of 'doc', but the state has no key 'doc'"),
        ("reads", "topc.notes", "reads of 'topc.notes', but the state has no key 'topc'"),
        ("mutates", "doc.score", "mutates of 'doc.score', but the state has no key 'doc'"),
        ("writes", "doc", "writes of 'doc', but the state has no such key"),
    ],
)
def test_a_key_that_is_not_there(policy: str, field: str, name: str, words: str) -> None:
    given: Any = {field: [name]}
    with pytest.raises(ValueError) as caught:
        wrap(chain(), policy=policy, effects={"search": Effects(**given)})
    message = str(caught.value)
    assert f"effects['search'] declares {words}" in message
    assert message.endswith("its keys are docs, draft, topic")


@POLICIES
def test_an_update_is_of_whole_keys(policy: str) -> None:
    with pytest.raises(ValueError, match=r"writes of 'topic\.notes'.*give writes 'topic', or mut"):
        wrap(chain(), policy=policy, effects={"search": Effects(writes={"topic.notes"})})


@POLICIES
@pytest.mark.parametrize("name", ["polsh", START])
def test_a_destination_that_is_not_there(policy: str, name: str) -> None:
    with pytest.raises(ValueError) as caught:
        wrap(chain(), policy=policy, effects={"search": Effects(goto=[name])})
    assert str(caught.value) == (
        f"effects['search'] declares goto of {name!r}, which is no node of the graph; "
        "its nodes are polish, search"
    )


@pytest.mark.parametrize("option", ["effects", "ordered"])
def test_nodes_are_checked_under_policy_off_too(option: str) -> None:
    given: Any = {"effects": {"never": Effects()}, "ordered": ["never"]}
    with pytest.raises(ValueError, match=f"{option} names the node 'never'"):
        wrap(chain(), policy="off", **{option: given[option]})


@POLICIES
def test_what_is_there(policy: str) -> None:
    """A node's private keys are keys of the graph; so are paths below any, and END a target."""
    effects = {
        "search": Effects(
            reads={"topic.notes", "docs"}, writes={"docs", "draft"}, mutates={"topic"}, goto={END}
        ),
        "polish": Effects(reads={"draft"}, writes=(), goto={"search"}),
    }
    fast = wrap(chain(), policy=policy, effects=effects)
    assert wrap(fast, policy=policy, effects=effects).alto.effects == effects


def hidden_from_analysis(state: Any) -> Any:
    return eval("[Send('check', {'sentence': 'a'})]")


@pytest.mark.parametrize(
    "route", [lambda state: [Send("check", {"sentence": "a"})], hidden_from_analysis]
)
def test_a_packet_has_keys_of_its_own(route: Any) -> None:
    known = Effects(reads={"sentence"}, mutates={"sentence.words"}, writes={"docs"})
    assert wrap(fan_out(route), effects={"check": known}).invoke({"topic": "t"})["docs"][1:] == [
        "a"
    ]
    with pytest.raises(ValueError, match="writes of 'sentence'"):
        wrap(fan_out(route), effects={"check": Effects(writes={"sentence"})})
    with pytest.raises(ValueError, match="reads of 'sentence'"):
        wrap(fan_out(route), effects={"search": known})


def test_what_was_seen_in_runs_is_taken_as_it_is() -> None:
    seen = Effects(reads={"elsewhere"}, observed=True)
    assert wrap(chain(), effects={"search": seen}).alto.effects == {"search": seen}


def test_graphs_in_graphs() -> None:
    """A graph used as a node is declared by the outer graph's keys and nodes."""
    graph: Any = StateGraph(State)
    graph.add_node("inner", chain().compile()).add_node("last", lambda state: None)
    graph.add_edge(START, "inner").add_edge("inner", "last")
    known = Effects(reads={"topic"}, writes={"docs"}, mutates=(), goto={"last"})
    assert wrap(graph, effects={"inner": known}).invoke({"topic": "t"})["docs"]
    with pytest.raises(ValueError, match="its keys are docs, topic"):
        wrap(graph, effects={"inner": Effects(writes={"draft"})})
    with pytest.raises(ValueError, match="its nodes are inner, last"):
        wrap(graph, effects={"inner": Effects(goto={"search"})})


def test_a_gather_is_given_results() -> None:
    graph = fan_out(lambda state: [Send("check", {"sentence": "a"})])
    gather(graph, "reduce", lambda found: {"topic": len(found)}, over="search", of="check")
    known = Effects(reads=(), mutates={"sentence"}, writes={"topic"})
    assert wrap(graph, effects={"reduce": known}).invoke({"topic": "t"})["topic"] == 1
    with pytest.raises(ValueError, match="its keys are docs, topic"):
        wrap(graph, effects={"reduce": Effects(writes={"nothing"})})


def test_a_state_without_keys() -> None:
    graph: Any = StateGraph(list)
    graph.add_node("only", lambda state: [*state, 1]).add_edge(START, "only")
    assert wrap(graph, effects={"only": Effects(reads={"__root__"})}).invoke([]) == [1]
    with pytest.raises(ValueError, match="no key 'docs'; its keys are __root__"):
        wrap(graph, effects={"only": Effects(reads={"docs"})})


def test_an_entrypoint_has_no_keys() -> None:
    @entrypoint()
    def flow(number: int) -> int:
        return number

    with pytest.raises(ValueError, match="no key 'docs'; it has no keys to name"):
        wrap(flow, effects={"flow": Effects(reads={"docs"})})
    assert wrap(flow, effects={"flow": Effects(reads=())}).invoke(3) == 3


@pytest.mark.parametrize("effects", [[("search", Effects())], "search", 3, Effects()])
def test_effects_that_are_no_mapping(effects: Any) -> None:
    with pytest.raises(TypeError, match=f"effects is a {type(effects).__name__}; give a mapping"):
        wrap(chain(), effects=effects)


@pytest.mark.parametrize("ordered", [3, True, iter(["search"])])
def test_ordered_that_is_no_collection(ordered: Any) -> None:
    with pytest.raises(TypeError, match=f"ordered is a {type(ordered).__name__}; give a coll"):
        wrap(chain(), ordered=ordered)


def test_ordered_none_is_none_of_them() -> None:
    assert wrap(chain(), ordered=None).alto.ordered == frozenset()
