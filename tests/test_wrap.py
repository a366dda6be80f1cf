"""``wrap``: what it takes, what it returns, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from langgraph_alto import AltoGraph, Effects, wrap
from tests.guarantees.support import (
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    run,
    thread,
    uneven,
    wrapped,
)
from tests.versions import both_with_context

ALL = ["quick", "slow", "early", "late", "end"]


class Talker(GenericFakeChatModel):
    """A chat model that can be given tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def calls_then_answers(*tool_calls: str) -> Talker:
    calls = [
        {"name": name, "args": {"city": f"city {place}"}, "id": f"call {place}"}
        for place, name in enumerate(tool_calls)
    ]
    return Talker(messages=iter([AIMessage("", tool_calls=calls), AIMessage("done")]))


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sun in {city}"


def _react(model: Any) -> Any:
    from langgraph.prebuilt import create_react_agent

    with pytest.warns(DeprecationWarning, match="create_react_agent"):
        return create_react_agent(model, [weather])


# -- what it takes -------------------------------------------------------------


@both
def test_a_state_graph(mode: Mode) -> None:
    journal = Journal()
    fast = wrap(uneven(mode, journal))
    assert run(fast, {"log": []}, mode)["log"] == ALL
    assert journal.came_first("begin early", "end slow")


@both
def test_a_compiled_graph(mode: Mode) -> None:
    journal = Journal()
    fast = wrap(uneven(mode, journal).compile(name="uneven"))
    assert fast.name == "uneven"
    assert run(fast, {"log": []}, mode)["log"] == ALL
    assert journal.came_first("begin early", "end slow")


@both_with_context
def test_an_entrypoint(mode: Mode) -> None:
    @task
    def double(number: int) -> int:
        return 2 * number

    @entrypoint(checkpointer=InMemorySaver())
    def work(numbers: list[int], *, previous: int | None) -> Any:
        found = [double(number) for number in numbers]
        total = sum(each.result() for each in found) + (previous or 0)
        return entrypoint.final(value=f"total {total}", save=total)

    @entrypoint(checkpointer=InMemorySaver())
    async def awork(numbers: list[int], *, previous: int | None) -> Any:
        total = sum([await double(number) for number in numbers]) + (previous or 0)
        return entrypoint.final(value=f"total {total}", save=total)

    graph: Any = work if mode == "sync" else awork
    fast = wrap(graph)
    assert isinstance(fast, Pregel)
    assert not isinstance(fast, CompiledStateGraph)
    assert run(fast, [1, 2], mode, thread()) == "total 6"
    assert run(fast, [1], mode, thread()) == "total 8"
    assert run(graph, [1], mode, thread()) == "total 10"


@both
@pytest.mark.parametrize("make", [_react, lambda model: create_agent(model, [weather])])
def test_agents(make: Callable[[Any], Any], mode: Mode) -> None:
    """``create_react_agent`` and ``langchain.agents.create_agent``."""
    given = {"messages": [("user", "how is the weather?")]}

    def texts(wrapping: Any) -> list[str]:
        graph = wrapping(make(calls_then_answers("weather", "weather")))
        return [message.text for message in run(graph, given, mode)["messages"]]

    expected = texts(lambda graph: graph)
    assert expected[2:4] == ["sun in city 0", "sun in city 1"]
    assert texts(wrap) == expected


@both
def test_a_graph_that_holds_graphs(mode: Mode) -> None:
    """Graphs used as nodes are wrapped too, and so are those inside them."""
    journal = Journal()
    inner = uneven(mode, journal).compile()
    middle = graph_of({"inner": inner}, [("", "inner")]).compile()
    fast = wrap(graph_of({"middle": middle}, [("", "middle")]))
    # LangGraph would wait for ever in `slow`.
    assert run(fast, {"log": []}, mode)["log"] == ALL


# -- what it returns -----------------------------------------------------------


def test_it_is_a_compiled_state_graph() -> None:
    fast = wrap(uneven("sync", Journal()))
    assert type(fast) is AltoGraph
    assert isinstance(fast, CompiledStateGraph)


def test_a_subclass_stays_one() -> None:
    """A graph of a class of the user's own keeps that class, and its methods."""

    class Mine(CompiledStateGraph[Any, Any, Any, Any]):
        def shout(self) -> str:
            return str(self.name).upper()

    compiled = uneven("sync", Journal()).compile(name="mine")
    compiled.__class__ = Mine
    fast: Any = wrap(compiled)
    assert isinstance(fast, Mine)
    assert isinstance(fast, AltoGraph)
    assert fast.shout() == "MINE"


def test_the_graph_given_is_untouched() -> None:
    journal = Journal()
    inner = uneven("sync", journal).compile()
    graph = graph_of({"inner": inner, "other": node("sync", "other", journal)}, [("", "inner")])
    graph.add_edge(START, "other")
    compiled = graph.compile(checkpointer=InMemorySaver())
    before = dict(vars(compiled)), dict(compiled.nodes), compiled.nodes["inner"].bound
    builder = dict(vars(graph))
    fast = wrap(compiled)
    assert (dict(vars(compiled)), dict(compiled.nodes), compiled.nodes["inner"].bound) == before
    assert dict(vars(graph)) == builder
    assert type(compiled) is CompiledStateGraph
    assert type(inner) is CompiledStateGraph
    assert type(compiled.nodes["inner"].bound) is CompiledStateGraph
    assert fast.nodes is not compiled.nodes


def test_the_graph_given_stays_usable() -> None:
    graph = graph_of(
        {name: node("sync", name, Journal()) for name in ("quick", "slow", "early")},
        [("", "quick"), ("", "slow"), ("quick", "early")],
    )
    compiled = graph.compile()
    fast = wrap(compiled)
    assert compiled.invoke({"log": []}) == fast.invoke({"log": []}) == compiled.invoke({"log": []})
    # And the builder can still grow.
    graph.add_node("late", node("sync", "late", Journal()))
    graph.add_edge("slow", "late")
    assert wrap(graph).invoke({"log": []})["log"] == ["quick", "slow", "early", "late"]
    assert fast.invoke({"log": []})["log"] == ["quick", "slow", "early"]


def test_the_plan_can_be_looked_at() -> None:
    fast = wrap(uneven("sync", Journal()), ordered=["late"])
    stages = {stage.name: stage for stage in fast._alto_masks.stages}
    assert stages["early"].barrier is None
    assert stages["late"].barrier == "it is declared ordered"


# -- wrapping twice ------------------------------------------------------------


def test_wrapping_twice_is_wrapping_once() -> None:
    once = wrap(uneven("sync", Journal()))
    twice = wrap(once)
    assert type(twice) is AltoGraph
    assert AltoGraph in type(twice).__mro__
    assert sum(base is AltoGraph for base in type(twice).__mro__) == 1
    assert set(vars(twice)) - {"_alto_plan", "_alto_methods"} <= set(vars(once))


@both
def test_the_latest_options_win(mode: Mode) -> None:
    journal = Journal()
    graph = uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.1))

    def early_waits(fast: Any) -> bool:
        journal.clear()
        run(fast, {"log": []}, mode)
        return journal.came_first("end slow", "begin early")

    first = wrap(graph)
    off = wrap(first, policy="off")
    ordered = wrap(off, ordered=["early"])
    again = wrap(ordered)
    assert [early_waits(fast) for fast in (first, off, ordered, again)] == [
        False,
        True,
        True,
        False,
    ]
    # And none of them has changed another.
    assert [early_waits(fast) for fast in (first, off)] == [False, True]


# -- options -------------------------------------------------------------------


@both
def test_policy_off_is_langgraphs_schedule(mode: Mode) -> None:
    journal = Journal()
    graph = uneven(mode, journal, slow=node(mode, "slow", journal, seconds=0.1))
    assert run(wrap(graph, policy="off"), {"log": []}, mode)["log"] == ALL
    assert journal.came_first("end slow", "begin early")


@both
def test_policy_speculative_runs_what_is_likely(mode: Mode) -> None:
    """``early`` reads what ``slow`` may write, and in the end does not."""
    journal = Journal()
    plain = node(mode, "early", journal)

    def early(state: State) -> Any:
        state.get("right")
        return plain(state)

    async def aearly(state: State) -> Any:
        state.get("right")
        return await plain(state)

    def maybe(state: State) -> dict[str, Any]:
        return {"log": ["slow"]} if "left" not in state else {"right": "slow"}

    waits = node(mode, "slow", journal, seconds=0.1)

    def slow(state: State) -> Any:
        waits(state)
        return maybe(state)

    async def aslow(state: State) -> Any:
        await waits(state)
        return maybe(state)

    nodes: dict[str, Any] = {"early": aearly, "slow": aslow}
    if mode == "sync":
        nodes = {"early": early, "slow": slow}
    graph = uneven(mode, journal, **nodes)
    assert run(wrap(graph), {"log": []}, mode)["log"] == ALL
    assert journal.came_first("end slow", "begin early")
    journal.clear()
    assert run(wrap(graph, policy="speculative"), {"log": []}, mode)["log"] == ALL
    assert journal.came_first("begin early", "end slow")
    assert journal.calls()["early"] == 1


@both
def test_effects_say_what_analysis_cannot_see(mode: Mode) -> None:
    journal = Journal()
    hidden: Any = RunnableLambda(lambda state: eval("sorted")(state["log"]))

    def early(state: State) -> dict[str, Any]:
        journal.begin("early")
        journal.end("early")
        return {"left": str(hidden.func({"log": ["b"], "state": state}))}

    graph = uneven(mode, journal, early=early, slow=node(mode, "slow", journal, seconds=0.1))
    run(wrap(graph), {"log": []}, mode)
    assert journal.came_first("end slow", "begin early")
    journal.clear()
    known = Effects(reads=[], writes=["left"], mutates=[], goto=[])
    assert run(wrap(graph, effects={"early": known}), {"log": []}, mode)["left"] == "['b']"
    assert journal.came_first("begin early", "end slow")


# -- what it refuses -----------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [None, 3, "graph", {"nodes": []}, RunnableLambda(lambda x: x), StateGraph, lambda state: state],
)
def test_anything_else(given: Any) -> None:
    """The message names what was given, and what to give."""
    with pytest.raises(TypeError) as caught:
        wrapped(given)
    message = str(caught.value)
    assert f"a {type(given).__name__}" in message
    for word in ("StateGraph", "compiled", "agent", "@entrypoint"):
        assert word in message


def test_an_unknown_policy() -> None:
    with pytest.raises(ValueError, match=r"policy is 'fast'.*off, proven, speculative"):
        wrap(uneven("sync", Journal()), policy="fast")


@pytest.mark.parametrize("option", ["effects", "ordered"])
def test_a_node_that_is_not_there(option: str) -> None:
    value: Any = {"never": Effects()} if option == "effects" else ["never"]
    with pytest.raises(ValueError, match=f"{option} names the node 'never'.*early, end, late"):
        wrapped(uneven("sync", Journal()), **{option: value})


def test_effects_of_the_wrong_type() -> None:
    wrong: Any = {"early": {"reads": []}}
    with pytest.raises(TypeError, match=r"effects\['early'\] is a dict; give Effects"):
        wrap(uneven("sync", Journal()), effects=wrong)


def test_ordered_as_one_string() -> None:
    with pytest.raises(TypeError, match="ordered is the string 'early'; give a collection"):
        wrap(uneven("sync", Journal()), ordered="early")


def test_a_graph_that_does_not_compile() -> None:
    """LangGraph's own error reaches the user."""
    graph: Any = StateGraph(State)
    graph.add_edge(START, "missing")
    with pytest.raises(ValueError, match="missing"):
        wrap(graph)
