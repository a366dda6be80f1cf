"""The timeline of runs."""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from langgraph_alto import Span, Trace, trace, wrap
from tests.guarantees.support import Journal, Mode, State, both, graph_of, node, run, wrapped
from tests.test_ancestry_in_graphs import documents


def uneven(mode: Mode) -> Any:
    """START --> slow; START --> quick --> early, which runs ahead."""
    journal = Journal()
    nodes = {
        "quick": node(mode, "quick", journal),
        "early": node(mode, "early", journal),
        "slow": node(mode, "slow", journal, until="end early"),
    }
    return graph_of(nodes, [("", "quick"), ("", "slow"), ("quick", "early")])


def by_name(timeline: Trace) -> dict[str, Span]:
    return {span.node: span for span in timeline.spans}


@both
def test_what_is_recorded(mode: Mode) -> None:
    with trace() as timeline:
        run(wrapped(uneven(mode)), {"log": []}, mode)
    spans = by_name(timeline)
    early, slow = spans["early"], spans["slow"]
    assert early.ahead
    assert early.waited_for == "quick@1"
    assert early.certain is not None
    assert early.started is not None
    assert early.finished is not None
    assert early.adopted is not None
    assert slow.finished is not None
    assert early.foreseen <= early.certain <= early.started <= early.finished
    assert early.finished <= slow.finished <= early.adopted
    assert not slow.ahead
    assert slow.adopted is None
    assert {span.outcome for span in timeline.spans} == {"done"}
    assert [step.step for step in timeline.supersteps] == [0, 1, 2]
    first, second = timeline.supersteps[1:]
    assert first.committed is not None
    assert first.began <= first.committed <= second.began
    assert [found.graph for found in timeline.runs] == ["LangGraph"]


@both
def test_every_body_is_one_span(mode: Mode) -> None:
    """Also where nothing can run ahead, and with every policy."""
    for policy in ("off", "proven", "speculative"):
        with trace() as timeline:
            run(wrap(documents(mode), policy=policy), {"log": []}, mode)
        counts = Counter((span.node, span.step, span.outcome) for span in timeline.spans)
        expected = {
            ("__start__", 0, "done"): 1,
            ("plan", 1, "done"): 1,
            ("slow", 1, "done"): 1,
            ("split", 2, "done"): 2,
            ("rate", 3, "done"): 4,
            ("reduce", 4, "done"): 1,
        }
        assert {key: n for key, n in counts.items() if key[2] != "dropped"} == expected
        assert policy == "speculative" or counts == expected
        ancestries = {span.ancestry for span in timeline.spans if span.node == "rate"}
        assert "plan[0/2] › split[1/2]" in ancestries
        assert len(ancestries) == 4


@both
def test_a_failure(mode: Mode) -> None:
    journal = Journal()
    nodes = {
        "quick": node(mode, "quick", journal),
        "early": node(mode, "early", journal, error=ValueError("no")),
        "slow": node(mode, "slow", journal, until="end early"),
    }
    graph = graph_of(nodes, [("", "quick"), ("", "slow"), ("quick", "early")])
    with trace() as timeline, pytest.raises(ValueError, match="no"):
        run(wrapped(graph), {"log": []}, mode)
    assert by_name(timeline)["early"].outcome == "failed"


def test_an_interrupt() -> None:
    def ask(state: State) -> Any:
        return {"left": interrupt("?")}

    graph = StateGraph(State).add_node(ask).add_edge(START, "ask")
    with trace() as timeline:
        wrap(graph).invoke({"log": []})
    assert by_name(timeline)["ask"].outcome == "interrupted"


def test_a_subgraph_is_a_run_of_its_own() -> None:
    graph = documents("sync")
    inner = StateGraph(State).add_node("leaf", lambda state: {}).add_edge(START, "leaf")
    graph.add_node("inner", inner.compile(name="inside"))
    graph.add_edge("reduce", "inner")
    with trace() as timeline:
        wrap(graph).invoke({"log": []})
    assert [found.graph for found in timeline.runs] == ["LangGraph", "inside"]
    assert {span.node for span in timeline.spans if span.run == 1} == {"__start__", "leaf"}


def test_concurrent_runs_and_one_that_is_not_recorded() -> None:
    fast = wrapped(uneven("async"))
    timeline = Trace()

    async def recorded() -> None:
        with trace() as own:
            await fast.ainvoke({"log": []})
        timeline.runs.extend(own.runs)
        assert len({span.run for span in own.spans}) == 1

    async def main() -> None:
        await asyncio.gather(recorded(), fast.ainvoke({"log": []}), recorded())

    asyncio.run(main())
    assert len(timeline.runs) == 2


@both
def test_every_run_of_one_graph(mode: Mode) -> None:
    timeline = Trace()
    fast = wrap(uneven(mode), trace=timeline)
    for _ in range(2):
        run(fast.with_config(tags=["x"]), {"log": []}, mode)
        run(wrapped(uneven(mode)), {"log": []}, mode)
    assert len(timeline.runs) == 2
    assert len(timeline.spans) == 8


def test_a_trace_that_is_none() -> None:
    with pytest.raises(TypeError, match=r"langgraph_alto\.Trace"):
        wrap(uneven("sync"), trace="run.json")  # type: ignore[call-overload]


@both
def test_tracers_see_the_ancestry(mode: Mode) -> None:
    class Handler(BaseCallbackHandler):
        seen: list[Any]

        def __init__(self) -> None:
            self.seen = []

        def on_chain_start(self, *_: Any, metadata: Any = None, **__: Any) -> None:
            self.seen.append((metadata or {}).get("alto_ancestry"))

    handler = Handler()
    run(wrap(documents(mode)), {"log": []}, mode, {"callbacks": [handler]})
    assert "plan[1/2] › split[0/2]" in handler.seen
    assert None in handler.seen  # that of the run itself is not said


@both
def test_checkpoints_say_nothing_of_it(mode: Mode) -> None:
    """A saver keeps what metadata it is given, those of a subgraph's node among them."""
    journal = Journal()
    inner = graph_of({"leaf": node(mode, "leaf", journal)}, [("", "leaf")])
    graph = documents(mode)
    graph.add_node("inner", inner.compile())
    graph.add_conditional_edges("split", lambda _: [Send("inner", {"log": []})], ["inner"])
    saver = InMemorySaver()
    fast = wrap(graph.compile(checkpointer=saver))
    run(fast, {"log": []}, mode, {"configurable": {"thread_id": "1"}})
    kept = [saved.metadata for saved in saver.list(None)]
    assert len(kept) > 4
    assert not any("alto_ancestry" in metadata for metadata in kept)


# -- what is made of it -------------------------------------------------------------


def test_json(tmp_path: Path) -> None:
    with trace() as timeline:
        run(wrapped(uneven("sync")), {"log": ["a secret"]}, "sync")
    timeline.save(tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text("utf-8")
    assert json.loads(text) == json.loads(json.dumps(timeline.to_json()))
    assert "a secret" not in text


def test_chrome(tmp_path: Path) -> None:
    """Complete events, no two of a row at a time, and arrows between them."""
    with trace() as timeline:
        run(wrap(documents("sync")), {"log": []}, "sync")
    timeline.save(tmp_path / "run.json", chrome=True)
    events = json.loads((tmp_path / "run.json").read_text("utf-8"))["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert len(slices) == len(timeline.spans) + len(timeline.supersteps)
    rows: dict[int, float] = {}
    for event in sorted(slices, key=lambda event: event["ts"]):
        assert event["dur"] >= 0
        assert rows.get(event["tid"], 0) <= event["ts"] + 0.2
        rows[event["tid"]] = event["ts"] + event["dur"]
    begins = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = {event["id"]: event for event in events if event["ph"] == "f"}
    assert begins.keys() == ends.keys()
    assert len(begins) == sum(span.ahead for span in timeline.spans)
    assert all(begins[number]["ts"] <= ends[number]["ts"] for number in begins)


@both
def test_nothing_of_a_run_is_kept(mode: Mode) -> None:
    """A trace holds names and times only."""

    class Big:
        pass

    def hold(state: Any) -> Any:
        return {"left": Big()}

    graph = StateGraph(State).add_node("hold", hold).add_edge(START, "hold")
    with trace() as timeline:
        run(wrap(graph), {"log": []}, mode)
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, Big)]
    assert timeline.spans
