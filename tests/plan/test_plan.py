"""``fast.plan``: always there, never changing, and the same in text, JSON and on copies."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph

from langgraph_alto import Effects, wrap
from langgraph_alto.plan.plan import Plan
from tests.plan.vague import State, agent, beside, load, nested, rank, vague_writes


def test_a_plan_is_made_once_and_never_changes() -> None:
    fast = wrap(nested())
    plan = fast.plan
    assert plan is fast.plan
    assert hash(plan) == hash(wrap(nested()).plan)
    assert plan == wrap(nested()).plan
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.policy = "off"  # type: ignore[misc]
    assert isinstance(plan.stages, tuple)
    assert all(not hasattr(part, "__dict__") for part in (plan, *plan.stages, *plan.edges))


def test_copies_have_their_own_plan() -> None:
    """LangGraph's server rebuilds graphs from their attributes."""
    fast = wrap(vague_writes(), effects={"slow": Effects(writes={"draft"}, goto=())})
    assert not fast.plan.barriers
    for copied in (fast.copy(), fast.with_config({"tags": ["x"]}), fast.copy({"name": "other"})):
        assert isinstance(copied.plan, Plan)
        assert copied.plan == fast.plan
    again: Any = wrap(fast)
    assert again.plan.barriers, "wrapped again without the declaration"
    assert "plan" not in vars(fast.copy())


def test_json() -> None:
    plan = wrap(vague_writes()).plan
    found = json.loads(json.dumps(plan.to_json()))
    assert found["format"] == 2
    assert found["policy"] == "proven"
    assert [stage["name"] for stage in found["stages"]] == ["first", "slow", "then"]
    (barrier,) = found["barriers"]
    assert barrier["node"] == "then"
    assert barrier["earlier"] == "slow"
    assert barrier["keys"] == ["docs"]
    assert barrier["doubts"][0]["line"] > 0
    assert barrier["lift"]["effects"][0] == [
        "slow",
        {
            "reads": None,
            "writes": ["best", "draft", "score"],
            "mutates": None,
            "ordered": False,
            "goto": [],
            "routes": None,
        },
    ]
    assert "given" not in found
    assert "before" not in found


def test_a_stage_by_name() -> None:
    plan = wrap(agent()).plan
    assert plan["tools"].step == 2
    with pytest.raises(KeyError, match="nobody"):
        plan["nobody"]


def test_where_facts_come_from() -> None:
    """Each source in one graph: ``narrow`` has a schema of its own, which it uses whole."""

    class Narrow(TypedDict):
        best: str

    def narrow(state: Narrow) -> dict[str, Any]:
        return {"score": len(list(state.values()))}

    builder = StateGraph(State)
    builder.add_node("narrow", narrow, input_schema=Narrow)
    builder.add_node("load", load)
    builder.add_node("rank", rank)
    builder.add_node("seen", rank)
    builder.add_edge(START, "narrow")
    builder.add_edge("narrow", "load")
    builder.add_edge("load", "rank")
    builder.add_edge("rank", "seen")
    effects = {
        "rank": Effects(reads={"docs", "draft"}),
        "seen": Effects(reads={"docs"}, observed=True),
    }
    plan = wrap(builder, effects=effects).plan
    reads = {stage.name: stage.reads for stage in plan.stages}
    assert [(name, fact.source, fact.names) for name, fact in reads.items() if fact] == [
        ("narrow", "schema", ("best",)),
        ("load", "analysis", ()),
        ("rank", "declaration", ("docs", "draft")),
        ("seen", "observation", ("docs",)),
    ]
    assert reads["narrow"]
    assert reads["narrow"].doubts
    writes = plan["rank"].writes
    assert writes
    assert (writes.names, writes.source) == (("score",), "analysis")
    leads = plan["load"].leads_to
    assert leads
    assert (leads.names, leads.source) == (("rank",), "schema")


@pytest.mark.parametrize(
    ("options", "compiled", "why"),
    [
        ({"policy": "off"}, {}, 'its policy is "off"'),
        ({}, {"step_timeout": 5.0}, "step_timeout"),
    ],
)
def test_plans_of_graphs_that_never_run_ahead(
    options: dict[str, Any], compiled: dict[str, Any], why: str
) -> None:
    graph = beside(load).compile()
    for name, value in compiled.items():
        setattr(graph, name, value)
    plan = wrap(graph, **options).plan
    assert why in str(plan.off)
    assert [stage.name for stage in plan.stages] == ["first", "slow", "then"]
    gain = plan.gain({"slow": 1.0, "first": 0.1, "then": 1.0})
    assert gain.after == gain.before == 2.0
    assert "gains nothing" in gain.verdict
    assert why in gain.verdict
    assert why in plan.explain()


def test_an_entrypoint_has_a_plan_that_says_so() -> None:
    @entrypoint()
    def work(number: int) -> int:
        return number + 1

    fast: Any = wrap(work)
    plan = fast.plan
    assert plan.stages == ()
    assert "entrypoint" in str(plan.off)
    assert "entrypoint" in plan.explain()
    assert plan.explain(stage="barriers") == plan.explain()
    assert "entrypoint" in plan.explain(times={})
    assert "entrypoint" in plan.gain({}).verdict
    json.dumps(plan.to_json())
    assert plan.draw_mermaid().startswith("flowchart")
    assert "<svg" in plan.draw_svg()


def test_importing_the_package_leaves_the_plan_alone() -> None:
    """The modules that explain and draw are imported when they are first asked for."""
    code = (
        "import sys, langgraph_alto\n"
        "names = ('plan', 'passes', 'waits', 'gain', 'explain', 'svg', 'mermaid')\n"
        "print([n for n in names if f'langgraph_alto.plan.{n}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_effects_learned_from_runs_are_observed() -> None:
    from langgraph_alto import infer

    learned = infer(vague_writes(), [{"draft": "a"}, {"draft": "b"}, {"draft": "c"}])
    plan = wrap(vague_writes(), effects=learned.effects).plan
    writes = plan["slow"].writes
    assert writes
    assert (writes.source, writes.names) == ("observation", ("draft",))
    assert not plan.barriers
    assert "draft (o)" in plan.explain()
