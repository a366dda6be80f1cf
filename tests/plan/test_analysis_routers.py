"""Where conditional edges lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END
from langgraph.types import Send
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_router

# mypy: disable-error-code="no-untyped-def, no-untyped-call, comparison-overlap"
# ruff: noqa: PERF401, SIM210


class State(TypedDict):
    docs: list[str]
    name: str
    kind: Literal["a", "b"]
    any: Any


WORKER = "worker"
ROUTES = {"yes": "a", "no": "b"}


def fan_out(items, node=WORKER):
    return [Send(node, {"item": item}) for item in items]


def a_name(state):
    return "a"


def one_of_two(state):
    if state["name"]:
        return "a"
    return END


def a_conditional(state):
    return "a" if state["docs"] else "b"


def from_a_table(state):
    return ROUTES["yes" if state["docs"] else "no"]


def from_a_table_by_the_state(state):
    return ROUTES[state["name"]]


def several_names(state):
    return ["a", *(["b"] if state["docs"] else [])]


def sends(state):
    return [Send("worker", doc) for doc in state["docs"]]


def sends_by_helper(state):
    return fan_out(state["docs"])


def sends_by_loop(state):
    out = []
    for node in ("x", "y"):
        out.append(Send(node, {"name": state["name"]}))
    out.extend(Send(node="z", arg=d) for d in state["docs"])
    return out


def sends_or_name(state):
    if not state["docs"]:
        return "none"
    return [Send(f"{WORKER}_1", d) for d in state["docs"]]


def sends_anywhere(state):
    return [Send(d, {}) for d in state["docs"]]


def sends_the_state(state):
    return Send("worker", state)


def sends_with_changes(state):
    return Send("worker", {**state, "x": 1})


def a_name_of_the_state(state):
    return state["name"]


def a_kind_of_the_state(state):
    return state["kind"]


def anything_of_the_state(state):
    return state["any"]


def a_truth(state):
    return len(state["docs"]) > 3


def a_real_bool(state):
    return True if state["docs"] else False


def what_a_model_says(state, config):
    return config["llm"].invoke(state["name"])


def a_computed_name(state):
    return "go_" + state["name"]


def a_local_with_two_values(state):
    target = "a"
    if state["docs"]:
        target = "b"
    return target


def changes_in_place(state):
    state["docs"].append("x")
    return "a"


async def asynchronous(state):
    return "a"


def generated(state):
    yield "a"


@pytest.mark.parametrize(
    ("router", "reads", "sends", "names"),
    [
        (a_name, "", "", "a"),
        (one_of_two, "name", "", "a __end__"),
        (a_conditional, "docs", "", "a b"),
        (from_a_table, "docs", "", "a b"),
        (from_a_table_by_the_state, "name", "", "a b"),
        (several_names, "docs", "", "a b"),
        (sends, "docs", "worker", ""),
        (sends_by_helper, "docs", "worker", ""),
        (sends_by_loop, "docs name", "x y z", ""),
        (sends_or_name, "docs", "worker_1", "none"),
        (sends_anywhere, "docs", None, ""),
        (sends_the_state, None, "worker", ""),
        (sends_with_changes, None, "worker", ""),
        (a_name_of_the_state, "name", "", None),
        (a_kind_of_the_state, "kind", "", None),
        (anything_of_the_state, "any", None, None),
        (a_truth, "docs", "", None),
        (a_real_bool, "docs", "", None),
        (what_a_model_says, "name", None, None),
        (a_computed_name, "name", "", None),
        (a_local_with_two_values, "docs", "", "a b"),
        (changes_in_place, "docs", "", "a"),
        (asynchronous, "", "", "a"),
        (generated, "", None, None),
        (lambda state: "b" if state["name"] else "c", "name", "", "b c"),
        (RunnableLambda(one_of_two), "name", "", "a __end__"),
        (WORKER, None, None, None),
    ],
)
def test_routers(
    router: Callable[..., Any], reads: str | None, sends: str | None, names: str | None
) -> None:
    found = analyse_router(router, State)
    assert found.sends == (None if sends is None else frozenset(sends.split())), found.facts.doubts
    assert found.names == (None if names is None else frozenset(names.split())), found.facts.doubts
    expected = None if reads is None else {(r,) for r in reads.split()}
    assert found.facts.reads == expected, found.facts.doubts
    if found.sends is None or found.names is None:
        assert found.facts.goto is None
        assert any(d.fact == "goto" for d in found.facts.doubts)
    else:
        assert found.facts.goto == (found.sends | found.names) - {END}
    assert not found.facts.writes or router is WORKER


def test_a_router_may_change_its_input_too() -> None:
    assert analyse_router(changes_in_place, State).facts.mutates == {("docs",)}
    assert analyse_router(sends, State).facts.mutates == frozenset()
