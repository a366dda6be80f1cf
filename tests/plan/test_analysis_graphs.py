"""Nodes that call graphs: wherever the graph is kept, what it may do counts."""

from __future__ import annotations

import types
from typing import Any

import pytest
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from langgraph_alto.plan.shape import masks_of
from langgraph_alto.plan.stages import Stage

# mypy: disable-error-code="no-untyped-def, no-untyped-call, union-attr"
# pyright: reportOptionalMemberAccess=false


class State(TypedDict, total=False):
    name: str
    out: Any


def one_node(function: Any) -> Any:
    """START -> node."""
    graph: Any = StateGraph(State)
    graph.add_node("node", function)
    graph.add_edge(START, "node")
    return graph.compile()


def ask(state):
    return {"out": interrupt("why?")}


@task
def work(name):
    return name


@entrypoint()
def errands(name):
    return work(name).result()


ASKS = one_node(ask)
QUIET = one_node(lambda state: {"out": state["name"]})
GRAPHS = {"a": ASKS}
NESTED: dict[str, Any] = {"team": [QUIET, (ASKS,)]}
HARMLESS = {"a": QUIET}
ERRANDS = [errands]
SPACE = types.SimpleNamespace(graphs={"a": ASKS})
LATER: dict[str, Any] = {}


class Registry:
    def __init__(self, graphs):
        self._graphs = graphs

    def get(self, name):
        return self._graphs[name]


class Table(dict):  # type: ignore[type-arg]
    """What it holds is seen without running its own methods."""

    def values(self):
        raise AssertionError


REGISTRY = Registry({"a": ASKS})
TABLE = Table(a=ASKS)


def pick(name):
    return GRAPHS[name]


class Team:
    def __init__(self):
        self.graphs = {"a": ASKS}
        self.other = QUIET

    def asks(self, state):
        return {"out": self.graphs[state["name"]].invoke({})}

    def does_not(self, state):
        return {"out": self.other.invoke({})}


def in_a_closure():
    graphs = [ASKS]

    def node(state):
        return {"out": [graph.invoke({}) for graph in graphs]}

    return node


def in_a_table(state):
    return {"out": GRAPHS["a"].invoke({})}


def under_a_name_not_known(state):
    return {"out": GRAPHS[state["name"]].invoke({})}


def through_get(state):
    return {"out": GRAPHS.get(state["name"]).invoke({})}


def in_a_loop(state):
    for graph in GRAPHS.values():
        graph.invoke({})


async def two_levels_deep(state):
    return {"out": await NESTED["team"][1][0].ainvoke({})}


def in_an_attribute(state):
    return {"out": SPACE.graphs["a"].invoke({})}


def in_a_registry(state):
    return {"out": REGISTRY.get(state["name"]).invoke({})}


def in_a_dict_of_its_own_class(state):
    return {"out": TABLE[state["name"]].invoke({})}


def in_a_helper(state):
    return {"out": pick(state["name"]).invoke({})}


def in_a_list_made_here(state):
    return {"out": [g.invoke({}) for g in [QUIET, ASKS]]}


ASKING = (
    in_a_table,
    under_a_name_not_known,
    through_get,
    in_a_loop,
    two_levels_deep,
    in_an_attribute,
    in_a_registry,
    in_a_dict_of_its_own_class,
    in_a_helper,
    in_a_list_made_here,
    in_a_closure(),
    Team().asks,
)


def stage_of(function: Any) -> Stage:
    (stage,) = (s for s in masks_of(one_node(function)).stages if s.name == "node")
    return stage


@pytest.mark.parametrize("function", ASKING, ids=lambda f: f.__qualname__)
def test_a_graph_that_interrupts_is_found(function: Any) -> None:
    stage = stage_of(function)
    assert stage.interrupts
    assert stage.barrier is not None
    assert stage.exact_id


def harmless(state):
    return {"out": HARMLESS["a"].invoke({})}


@pytest.mark.parametrize("function", [harmless, Team().does_not])
def test_a_graph_that_does_not_is_no_barrier(function: Any) -> None:
    stage = stage_of(function)
    assert not stage.interrupts
    assert not stage.calls_tasks
    assert stage.barrier is None


def test_a_graph_that_calls_tasks_is_found() -> None:
    def node(state):
        return {"out": ERRANDS[0].invoke(state["name"])}

    assert stage_of(node).calls_tasks


def test_a_graph_not_compiled_yet_may_do_anything() -> None:
    builders = {"a": StateGraph(State)}

    def node(state):
        return {"out": builders["a"].compile().invoke({})}

    assert stage_of(node).interrupts


def test_graphs_that_lead_to_each_other_end() -> None:
    def again(state):
        return {"out": LATER["a"].invoke({})}

    for name in "abcdefgh":
        LATER[name] = one_node(again)
    try:
        (stage,) = (s for s in masks_of(LATER["a"]).stages if s.name == "node")
    finally:
        LATER.clear()
    assert stage.interrupts
