"""What a plan says: the words, the advice, and that following it does what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from pydantic import BaseModel, field_validator

from langgraph_alto import Effects, wrap
from langgraph_alto.plan.plan import Barrier, Plan
from langgraph_alto.plan.words import quoted, shown
from langgraph_alto.testing import check
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

TIMES = {"slow": 1.0, "first": 0.1, "then": 1.0}


# -- words ----------------------------------------------------------------------


def test_a_whole_plan() -> None:
    """
    slow ............/?
    first/docs --> then[docs]
    """
    text = wrap(vague_writes()).plan.explain(times=TIMES)
    line = draft.__code__.co_firstlineno + 2
    unseen = f"the result of code that is not seen is returned (vague.py line {line})"
    assert (
        text
        == f"""\
Plan of 3 nodes, policy proven

LangGraph │ Alto
1  first  │ at once
   slow   │ at once
──────────┤
2  then   │ after first; [barrier 1]

Effects, known from (s)chemas and edges, (a)nalysis, (d)eclarations, (o)bservation
  node   reads     writes     changes in place  leads to
  first  - (a)     docs (a)   - (a)             then (s)
  slow   - (a)     any (a)    - (a)             any (a)
  then   docs (a)  score (a)  - (a)             - (s)
  slow writes any: {unseen}
  slow leads to any: {unseen}

Barriers that stay: 1
  1. then waits for every unfinished slow: slow may write any key, so also 'docs', and slow may \
lead to any node: {unseen}
     If true, this lifts it: effects={{"slow": Effects(writes={{"best", "draft", "score"}}, \
goto=())}}
     That would gain 900 ms.

Predicted: This graph gains nothing: the barriers that stay hold it; with all that could be \
declared it would take 1.1 s instead of 2 s.
  LangGraph  slow → then
  Alto       slow → then
  With all that could be declared: 1.1 s
  Assumed: only the nodes' own times count, and as many run at once as may"""
    )


def test_after_each_pass() -> None:
    plan = wrap(nested()).plan
    read = plan.explain(stage="read")
    assert (
        read
        == """\
Plan of 4 nodes, policy proven

LangGraph  │ Alto
1  split   │ at once
───────────┤
2  read    │ on each packet of split
───────────┤
3  mark    │ on each packet of read
───────────┤
4  collect │ after mark"""
    )
    effects = plan.explain(stage="effects")
    assert effects.startswith(read)
    assert "Effects" in effects
    assert "Fan-outs" not in effects
    scopes = plan.explain(stage="scopes")
    assert scopes.startswith(effects)
    assert scopes.endswith(
        """\
Fan-outs
  split sends packets to read
  read sends packets to mark, within split
  collect runs once on what comes of mark, through docs: scope read and split ends"""
    )
    assert plan.explain(stage="barriers") == f"{scopes}\n\nBarriers that stay: none"
    assert plan.explain(stage="streams") == plan.explain()


def test_what_starts_a_node() -> None:
    text = wrap(agent()).plan.explain(stage="read")
    assert "1+  agent │ at once, or after tools" in text
    assert "2+  tools │ after agent, if its router says so" in text


def test_waits_that_the_data_need() -> None:
    text = wrap(beside(load)).plan.explain()
    assert "2  then   │ after first; data of slow" in text
    assert "Waits that the data need\n  then reads 'docs', which slow may write" in text
    assert text.endswith("Barriers that stay: none")


def test_changes_in_place_run_ahead_where_nobody_sees() -> None:
    assert "ahead under invoke only" in wrap(VAGUE["changes"]()).plan.explain()


def test_names_are_shown_on_one_line() -> None:
    assert shown("plain name") == "plain name"
    assert shown("two\nlines\x1b[31m\u202e") == "two\\nlines\\x1b[31m\\u202e"
    assert shown("né 名") == "né 名"
    assert shown("") == "''"


@pytest.mark.parametrize("name", ["a", "a'b", 'a"b', "a'\"b", "a\\b\n", "名\u202e", "\ud800"])
def test_names_are_pasted_as_they_are(name: str) -> None:
    assert eval(quoted(name)) == name


# -- lifting ----------------------------------------------------------------------


def declared(text: str) -> Mapping[str, Effects]:
    """What a user has who pastes a suggestion."""
    given: dict[str, Any] = eval(f"dict({text})", {"Effects": Effects})
    effects: Mapping[str, Effects] = given["effects"]
    return effects


def as_sets(effects: Effects) -> Effects:
    facts: dict[str, Any] = {
        name: frozenset(value)
        for name in ("reads", "writes", "mutates", "goto")
        if (value := getattr(effects, name)) is not None
    }
    return Effects(**facts)


def key(barrier: Barrier) -> tuple[str, str | None, bool]:
    return barrier.node, barrier.earlier, barrier.router


@pytest.mark.parametrize("make", VAGUE.values(), ids=VAGUE)
def test_pasting_a_suggestion_lifts_its_barrier(make: Any) -> None:
    plan = wrap(make()).plan
    (barrier,) = plan.barriers
    assert barrier.lift is not None
    effects = declared(barrier.lift.text)
    assert {name: as_sets(of) for name, of in effects.items()} == dict(barrier.lift.effects)
    after = wrap(make(), effects=effects).plan
    assert key(barrier) not in {key(other) for other in after.barriers}
    assert barrier.node not in {wait.node for wait in after.dependencies}
    times = {stage.name: TIMES.get(stage.name, 0.1) for stage in plan.stages}
    (lift,) = plan.gain(times).lifts
    assert lift.seconds == pytest.approx(plan.gain(times).after - after.gain(times).after)


@pytest.mark.parametrize("make", VAGUE.values(), ids=VAGUE)
def test_what_is_suggested_is_true_here(make: Any) -> None:
    """LangGraph and Alto agree under the declaration, and the node does run ahead."""
    plan = wrap(make()).plan
    (barrier,) = plan.barriers
    assert barrier.lift is not None
    effects = declared(barrier.lift.text)
    given = {"draft": "d", "notes": "text"} if "notes" in plan.keys else {"draft": "d"}
    slow = {"slow", "draft"} & {stage.name for stage in plan.stages}
    delays = dict.fromkeys(slow, 0.05)
    report = check(make(), [given], effects=effects, delays=delays, mode="both")
    assert report.ok, report.text()


def test_one_declaration_lifts_all_that_one_node_holds() -> None:
    """
    slow ............/?
    first/docs --> then[docs]
              `--> other[draft]
    """
    builder = beside(draft)
    builder.add_node("other", lambda state: {"best": state.get("draft", "")})
    builder.add_edge("first", "other")
    plan = wrap(builder).plan
    texts = {barrier.lift.text for barrier in plan.barriers if barrier.lift}
    assert texts == {'effects={"slow": Effects(writes={"best", "score"}, goto=())}'}
    assert not wrap(builder, effects=declared(*texts)).plan.barriers


def test_what_is_declared_already_is_kept() -> None:
    plan = wrap(vague_writes(), effects={"slow": Effects(goto=(), reads={"best"})}).plan
    (barrier,) = plan.barriers
    assert barrier.lift is not None
    assert barrier.lift.text == (
        'effects={"slow": Effects(reads={"best"}, writes={"best", "draft", "score"}, goto=())}'
    )


def barriers(builder: StateGraph[Any], **options: Any) -> tuple[Plan, tuple[Barrier, ...]]:
    plan = wrap(builder, **options).plan
    return plan, plan.barriers


def test_no_lie_about_what_a_node_writes() -> None:
    """
    slow ............/docs, and more
    first/docs --> then[docs]
    """

    def slow(state: State) -> Any:
        found: dict[str, Any] = json.loads("{}")
        return found if state.get("best") else {"docs": ["x"]}

    plan, staying = barriers(beside(slow))
    assert not staying
    (wait,) = plan.dependencies
    assert wait.why == "then reads 'docs', which slow may write"


def test_no_lie_about_what_a_node_reads() -> None:
    """
    slow/best
    first ---> then[best, and more]
    """

    def slow(state: State) -> dict[str, Any]:
        return {"best": "b"}

    def then(state: State) -> dict[str, Any]:
        return {"score": len(state["best"]) + len(list(state.items()))}

    plan, staying = barriers(beside(slow, then=then))
    assert not staying
    (wait,) = plan.dependencies
    assert wait.why == "then reads 'best', which slow may write"


@pytest.mark.parametrize("how", ["values", "for", "bool", "match"])
def test_no_lie_about_a_node_that_goes_through_its_state(how: str) -> None:
    """
    slow/best
    first ---> then[all of it]
    """

    def values(state: State) -> dict[str, Any]:
        return {"score": len(list(state.values()))}

    def loop(state: State) -> dict[str, Any]:
        return {"score": len([key for key in state])}  # noqa: C416

    def test(state: State) -> dict[str, Any]:
        return {"score": 1 if state else 0}

    def case(state: Any) -> dict[str, Any]:
        match state:
            case {**rest}:
                return {"score": len(rest)}
        return {}

    then = {"values": values, "for": loop, "bool": test, "match": case}[how]
    plan, staying = barriers(beside(lambda state: {"best": "b"}, then=then))
    assert not staying
    (wait,) = plan.dependencies
    assert wait.why.startswith("then reads 'best', which slow may write: ")


def test_no_lie_about_what_a_node_changes() -> None:
    """
    slow[docs], changes them for certain, and perhaps more
    first ---> then[docs]
    """

    def slow(state: State) -> dict[str, Any]:
        state["docs"].append("x")
        return {"best": "b"}

    plan, staying = barriers(beside(slow))
    assert not [barrier for barrier in staying if barrier.earlier == "slow"]
    assert [wait.why for wait in plan.dependencies] == [
        "slow changes 'docs' in place, which then reads"
    ]


def test_no_declaration_of_nothing_at_all() -> None:
    """A node that reads every key waits for whatever is written."""

    def then(state: State) -> dict[str, Any]:
        return {"score": len([state.get(k) for k in ("docs", "draft", "score", "best")])}

    _, (barrier,) = barriers(beside(draft, then=then), effects={"slow": Effects(goto=())})
    assert barrier.lift is None
    assert barrier.instead == "declare what slow writes, if the two do not meet"


def test_input_that_is_made_as_a_whole() -> None:
    class Checked(BaseModel):
        draft: str = ""
        docs: list[str] = []

        @field_validator("draft")
        @classmethod
        def stripped(cls, value: str) -> str:
            return value.strip()

    def first(state: Checked) -> dict[str, Any]:
        return {"docs": ["a"]}

    def slow(state: Checked) -> dict[str, Any]:
        return {"draft": "a"}

    def then(state: Checked) -> dict[str, Any]:
        return {"docs": [*state.docs, "b"]}

    builder = StateGraph(Checked)
    for name, node in (("slow", slow), ("first", first), ("then", then)):
        builder.add_node(name, node)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "first")
    builder.add_edge("first", "then")
    _, (barrier,) = barriers(builder)
    assert barrier.lift is None
    assert "given its input as a whole" in barrier.reason
    assert "narrower input_schema" in str(barrier.instead)


def test_reducers_that_change_their_arguments() -> None:
    def extend(left: list[str], right: list[str]) -> list[str]:
        left.extend(right)
        return left

    from typing import Annotated

    Reduced = TypedDict("Reduced", {"docs": Annotated[list[str], extend]})  # noqa: UP013
    builder = StateGraph(Reduced)
    builder.add_node("slow", lambda state: {})
    builder.add_node("first", lambda state: {"docs": ["a"]})
    builder.add_node("then", lambda state: {"docs": state["docs"][:1]})
    builder.add_edge(START, "slow")
    builder.add_edge(START, "first")
    builder.add_edge("first", "then")
    _, (barrier,) = barriers(builder)
    assert "its reducer may change its arguments" in barrier.reason
    assert barrier.lift is None


def test_routers_wait_too() -> None:
    """
    slow ............/?
    first/docs ...[docs]> then
    """
    builder = StateGraph(State)
    builder.add_node("slow", draft)
    builder.add_node("first", load)
    builder.add_node("then", rank)
    builder.add_node("last", lambda state: {"best": "b"})
    builder.add_edge(START, "slow")
    builder.add_edge(START, "first")
    builder.add_edge("first", "then")

    def more(state: State) -> str:
        return "last" if state["docs"] else "__end__"

    builder.add_conditional_edges("then", more)
    _, staying = barriers(builder, effects={"slow": Effects(goto=())})
    assert [(barrier.node, barrier.router) for barrier in staying] == [
        ("then", False),
        ("then", True),
    ]
    assert staying[1].reason.startswith("the router of then waits for every unfinished slow")
    assert staying[1].lift is not None
    assert not wrap(builder, effects=declared(staying[1].lift.text)).plan.barriers


def test_a_router_of_unknown_destinations() -> None:
    """
    slow ...> ?
    first --> then[docs]
    """

    def anywhere(state: State) -> Any:
        return json.loads('"left"')

    builder = beside(lambda state: {"best": "b"})
    builder.add_node("left", lambda state: {"draft": "left"})
    builder.add_conditional_edges("slow", anywhere)
    _, (barrier,) = barriers(builder)
    assert barrier.lift is not None
    assert barrier.lift.text == 'effects={"slow": Effects(goto={"left"})}'
    effects = declared(barrier.lift.text)
    assert not wrap(builder, effects=effects).plan.barriers
    report = check(builder, [{"draft": "d"}], effects=effects, delays={"slow": 0.05})
    assert report.ok, report.text()


def test_a_command_that_goes_on() -> None:
    """A ``Command`` with no destinations but its edges."""

    def slow(state: State) -> Command[Any]:
        return Command(update={"best": "b"})

    assert not barriers(beside(slow))[1]


def test_fan_outs_have_no_barriers_of_their_own() -> None:
    assert wrap(fan_out()).plan.explain().endswith("Barriers that stay: none")
