"""The passes of a plan: what each of them finds, and that one can stop after any."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from langgraph_alto import Effects, wrap
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.passes import PASSES
from langgraph_alto.plan.plan import Edge, FanOut, Plan, Reduce
from langgraph_alto.plan.waits import ordered_by
from langgraph_alto.testing.description import Description
from langgraph_alto.testing.program import program
from langgraph_alto.testing.strategies import graphs
from tests.plan.vague import (
    VAGUE,
    State,
    agent,
    beside,
    draft,
    fan_out,
    load,
    nested,
    rank,
    vague_writes,
)


def nothing(state: State) -> dict[str, Any]:
    return {}


def steps(plan: Plan) -> dict[str, int | None]:
    return {stage.name: stage.step for stage in plan.stages}


def built(edges: str, *, deferred: str = "") -> StateGraph[Any]:
    """A graph of nodes that do nothing: ``"START->a a->b b+c->d"``."""
    builder = StateGraph(State)
    ways = [way.split("->") for way in edges.split()]
    names = {name for left, right in ways for name in (*left.split("+"), right)} - {"START", "END"}
    for name in sorted(names):
        builder.add_node(name, nothing, defer=name in deferred.split())
    for left, right in ways:
        sources = [START if name == "START" else name for name in left.split("+")]
        builder.add_edge(sources if len(sources) > 1 else sources[0], right)
    return builder


# -- the passes ---------------------------------------------------------------


def test_names() -> None:
    plan = wrap(vague_writes()).plan
    assert plan.passes == ("read", "effects", "scopes", "barriers", "streams")
    assert [step.__name__ for step in PASSES] == list(plan.passes)


def test_each_pass_only_adds() -> None:
    plan = wrap(nested(), effects={"mark": Effects(reads={"docs"})}).plan
    assert plan.after("read").stages[0].reads is None
    assert plan.after("effects").stages[0].reads is not None
    assert not plan.after("effects").fanouts
    assert plan.after("scopes").fanouts
    assert plan.after("streams") is plan
    for step in PASSES:
        before = plan.after(step.__name__).before
        assert before is not None
        done = step(before)
        assert done == step(before), "the same, and without a trace"
        assert done.edges == plan.after(step.__name__).edges


def test_no_such_pass() -> None:
    with pytest.raises(ValueError, match=r"'fuse'.*read, effects, scopes, barriers, streams"):
        wrap(agent()).plan.explain(stage="fuse")


# -- read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ("START->a a->b b->c", {"a": 1, "b": 2, "c": 3}),
        ("START->a START->b b->c a+c->d", {"a": 1, "b": 1, "c": 2, "d": 3}),
        # Plain double edges: d runs twice, the first time in step 2.
        ("START->a START->b b->c a->d c->d", {"a": 1, "b": 1, "c": 2, "d": 2}),
        ("START->a a->b b->a", {"a": 1, "b": 2}),
    ],
)
def test_supersteps(edges: str, expected: dict[str, int]) -> None:
    assert steps(wrap(built(edges)).plan) == expected


def test_supersteps_are_langgraphs() -> None:
    """
    a --> c --> e, deferred
    b --> e
    """
    builder = built("START->a START->b a->c c->e b->e e->f", deferred="e")
    plan = wrap(builder).plan
    found: dict[str, int] = {}
    for event in builder.compile().stream({}, stream_mode="debug"):
        if event["type"] == "task":
            found.setdefault(event["payload"]["name"], event["step"])
    assert steps(plan) == found == {"a": 1, "b": 1, "c": 2, "e": 3, "f": 4}
    assert [stage.name for stage in plan.stages if stage.deferred] == ["e"]


def test_loops() -> None:
    plan = wrap(agent()).plan
    assert [stage.again for stage in plan.stages] == [True, True]
    assert not wrap(fan_out()).plan["check"].again


def test_edges() -> None:
    def choose(state: State) -> str:
        return "b" if state["docs"] else END

    def command(state: State) -> Command[Any]:
        return Command(goto="c")

    builder = built("START->a START->d b->c c+d->e")
    builder.add_node("f", command)
    builder.add_edge("e", "f")
    builder.add_conditional_edges("a", choose)
    edges = wrap(builder).plan.edges
    assert Edge("a", "b", "route") in edges
    assert Edge("b", "c", "edge") in edges
    assert Edge("c", "e", "join", ("c", "d")) in edges
    assert Edge("d", "e", "join", ("c", "d")) in edges
    assert Edge("f", "c", "command") in edges
    assert {edge for edge in edges if edge.source == START} == {
        Edge(START, "a", "edge"),
        Edge(START, "d", "edge"),
    }


# -- scopes ---------------------------------------------------------------------


def test_a_fan_out_and_where_it_meets() -> None:
    plan = wrap(fan_out()).plan
    assert plan.fanouts == (FanOut("split", ("check",)),)
    assert plan.reduces == (Reduce("collect", ("split",), ("check",), ("docs",)),)
    assert plan["check"].granularity == ("packet",)
    assert plan["collect"].granularity == ("state",)


def test_fan_outs_nest() -> None:
    plan = wrap(nested()).plan
    assert plan.fanouts == (FanOut("split", ("read",)), FanOut("read", ("mark",), ("split",)))
    (reduce,) = plan.reduces
    assert (reduce.node, reduce.scopes, reduce.of) == ("collect", ("read", "split"), ("mark",))


def test_a_fan_out_of_itself() -> None:
    """
    split ==> split ==> ...
    """

    def packets(state: Any) -> list[Send]:
        return [Send("split", {})] if state else []

    builder = built("START->split")
    builder.add_conditional_edges("split", packets, ["split"])
    (out,) = wrap(builder).plan.fanouts
    assert out == FanOut("split", ("split",), (), recursive=True)
    assert wrap(builder).plan["split"].granularity == ("state", "packet")


# -- barriers ---------------------------------------------------------------------


def test_data_is_no_barrier() -> None:
    """
    slow/docs
    first ---> then[docs]
    """
    plan = wrap(beside(load, nothing)).plan
    assert not plan.barriers
    (needed,) = plan.dependencies
    assert (needed.node, needed.earlier, needed.keys) == ("then", "slow", ("docs",))
    assert needed.why == "then reads 'docs', which slow may write"


def test_what_is_not_known_is_a_barrier() -> None:
    plan = wrap(vague_writes()).plan
    assert not plan.dependencies
    (barrier,) = plan.barriers
    assert barrier.reason.startswith(
        "then waits for every unfinished slow: slow may write any key, so also 'docs'"
    )
    assert "(vague.py line " in barrier.reason


def test_no_barrier_along_a_chain() -> None:
    """
    draft/? --> rank[docs]
    """
    builder = StateGraph(State)
    builder.add_node("draft", draft)
    builder.add_node("rank", rank)
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "rank")
    assert not wrap(builder).plan.barriers


def test_nothing_waits_for_what_comes_later() -> None:
    """
    first --> then[docs] --> draft/?
    side
    """
    builder = beside(nothing)
    builder.add_node("draft", draft)
    builder.add_edge("then", "draft")
    assert not wrap(builder).plan.barriers


def test_no_barrier_along_commands() -> None:
    """
    a ...> b/? ...> c[docs]
    """

    def a(state: State) -> Command[Any]:
        return Command(goto="b")

    def b(state: State) -> Any:
        return Command(update=draft(state), goto="c")

    builder = StateGraph(State)
    builder.add_node("a", a)
    builder.add_node("b", b)
    builder.add_node("c", rank)
    builder.add_edge(START, "a")
    assert not wrap(builder).plan.barriers


def test_siblings_wait_for_each_other_anyway() -> None:
    """
    agent ==> tools/? --> agent
    """

    def packets(state: State) -> list[Send]:
        return [Send("tools", {"docs": ["a"]})] if state["score"] < 2 else []

    builder = StateGraph(State)
    builder.add_node("agent", rank)
    builder.add_node("tools", draft)
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", packets, ["tools"])
    builder.add_edge("tools", "agent")
    assert not wrap(builder).plan.barriers


def test_packets_of_packets_may_start_while_siblings_work() -> None:
    """
    split ==> read/?, changes its packet in place ==> mark --> collect
    """

    def read(state: State) -> dict[str, Any]:
        state["docs"].append("read")
        return {}

    def packets(to: str) -> Any:
        return lambda state: [Send(to, {"docs": [str(number)]}) for number in range(2)]

    builder = StateGraph(State)
    builder.add_node("split", nothing)
    builder.add_node("read", read)
    builder.add_node("mark", nothing)
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", packets("read"), ["read"])
    builder.add_conditional_edges("read", packets("mark"), ["mark"])
    plan = wrap(builder).plan
    waits = {(wait.node, wait.earlier) for wait in plan.dependencies}
    waits |= {(wait.node, wait.earlier) for wait in plan.barriers if wait.earlier is not None}
    assert waits == {("mark", "read")}


def alone(plan: Plan) -> list[tuple[str, str]]:
    return [(b.node, b.reason) for b in plan.barriers if b.earlier is None]


def test_nodes_that_never_run_ahead() -> None:
    def ask(state: State) -> dict[str, Any]:
        return {"best": interrupt("which?")}

    for then, options, word in (
        (rank, {"ordered": {"then"}}, "declared ordered"),
        (rank, {"effects": {"then": Effects(ordered=True)}}, "declared ordered"),
        (ask, {}, "interrupt()"),
    ):
        plan = wrap(beside(nothing, then=then), **options).plan
        if then is ask:
            # Nothing comes after it that could run ahead.
            assert not plan["then"].ahead
            continue
        ((node, reason),) = alone(plan)
        assert node == "then"
        assert word in reason
        assert not plan["then"].ahead


def test_nothing_runs_ahead_past_an_interrupt() -> None:
    """
    ask, which interrupts
    first --> then[docs]
    """

    def ask(state: State) -> dict[str, Any]:
        return {"best": interrupt("which?")}

    ((node, reason),) = alone(wrap(beside(ask)).plan)
    assert node == "slow"
    assert "interrupt()" in reason
    graph = beside(nothing).compile(InMemorySaver(), interrupt_before=["slow"])
    ((node, reason),) = alone(wrap(graph).plan)
    assert (node, "interrupt before" in reason) == ("slow", True)


def test_a_deferred_node() -> None:
    builder = built("START->a START->b b->c", deferred="c")
    ((node, reason),) = alone(wrap(builder).plan)
    assert (node, "deferred" in reason) == ("c", True)


def test_changes_in_place_under_a_checkpointer() -> None:
    def sort(state: State) -> dict[str, Any]:
        state["docs"].sort()
        return {"score": 1}

    builder = beside(nothing, nothing, sort)
    assert not alone(wrap(builder).plan)
    ((node, reason),) = alone(wrap(builder.compile(InMemorySaver())).plan)
    assert (node, "'docs' in place" in reason) == ("then", True)


# Everything the engine waits for is in the plan, and nothing else ----------------


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(graphs(nodes=6))
def test_random_graphs(description: Description) -> None:
    plan = wrap(program(description).compiled()).plan
    assert plan.given is not None
    masks = plan.given.masks
    when = ordered_by(plan.given, masks)
    waits = {(wait.node, wait.earlier) for wait in (*plan.dependencies, *plan.barriers)}
    for place, stage in enumerate(masks.stages):
        if stage.name == START or stage.barrier is not None:
            continue
        if plan[stage.name].granularity == ("packet",):
            continue
        blocking = {masks.stages[at].name for at in bits(when.waits(place) & masks.blockers[place])}
        assert {(stage.name, name) for name in blocking} <= waits
    times = {stage.name: 0.25 + len(stage.name) for stage in plan.stages}
    gain = plan.gain(times)
    assert gain.edges <= gain.after + 1e-9
    assert gain.lifted <= gain.after + 1e-9
    assert gain.after <= gain.before + 1e-9
    assert plan.explain(times=times) == plan.explain(times=times)


@pytest.mark.parametrize("make", VAGUE.values(), ids=VAGUE)
def test_vague_graphs_have_one_barrier(make: Any) -> None:
    assert len(wrap(make()).plan.barriers) == 1


def test_a_command_that_sends_packets_fans_out() -> None:
    """
    split ==> check (by Command) --> collect;  split ..> stop, by name
    """

    def split(state: State) -> Command[Any]:
        if state["score"]:
            return Command(goto="stop")
        return Command(goto=[Send("check", {}) for _ in range(3)])

    builder = StateGraph(State)
    builder.add_node("split", split, destinations=("check", "stop"))
    for name in ("check", "stop", "collect"):
        builder.add_node(name, nothing)
    builder.add_edge(START, "split")
    builder.add_edge("check", "collect")
    plan = wrap(builder).plan
    assert {(edge.target, edge.kind) for edge in plan.edges if edge.source == "split"} == {
        ("check", "send"),
        ("stop", "command"),
    }
    declared = wrap(builder, effects={"split": Effects(goto={"check", "stop"})}).plan
    kinds = {(edge.target, edge.kind) for edge in declared.edges if edge.source == "split"}
    assert kinds == {("check", "command"), ("stop", "command")}
