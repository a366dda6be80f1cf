"""Random graphs: readable, real source, everything in them, and no chance in their results."""

from __future__ import annotations

import inspect
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from langgraph.graph import StateGraph

from langgraph_alto.testing.check import Mode
from langgraph_alto.testing.description import Description, Node, possible_steps
from langgraph_alto.testing.instrument import Recorder, instrumented
from langgraph_alto.testing.report import Report
from langgraph_alto.testing.strategies import (
    FEATURES,
    Feature,
    build,
    check_graph,
    graphs,
    program,
    reproducer,
)

QUIET = settings(suppress_health_check=list(HealthCheck), deadline=None, derandomize=True)


def jittered(graph: Any) -> Any:
    """LangGraph again, under other timing."""
    recorder = Recorder()
    copy = instrumented(graph, recorder)
    draw = random.Random(1)
    recorder.start(lambda node, step, place: draw.choice((0, 0, 0.002, 0.004)))
    return copy


def _features_of(description: Description) -> Iterator[str]:
    for node in description.nodes:
        yield f"returns {node.returns}"
        yield f"dress {node.dress}"
        yield f"whole {node.whole}"
        yield "async" if node.asynchronous else "sync"
        yield from (f"read {read.style}" for read in node.reads)
        for name, route in (("route", node.route), ("goto", node.goto)):
            if route is not None:
                yield f"{name} {route.kind}"
                yield f"payload {route.payload}"
                yield f"mapped {route.mapped}"
                yield "guarded" if route.limit is not None else "unguarded"
                yield f"width {route.width}"
        for fact in ("narrow", "mutates", "shelves", "by_attempt", "asks", "stamps", "defer"):
            if getattr(node, fact):
                yield fact
        if node.fails:
            yield "fails always" if node.fails < 0 else "fails at first"
        if node.inner is not None:
            yield "subgraph"
            if any(inner.worker for inner in node.inner.nodes):
                yield "fan-out in subgraph"
        if node.name == "w2":
            yield "three levels"
    yield f"state {description.state}"
    yield f"durability {description.durability}"
    if len(description.joins) > 1:
        yield "several joins"
    for start, end in description.edges:
        if start[0] == end[0] == "n" and start >= end:
            yield "cycle"
    for fact in ("joins", "start_route", "interrupt_before", "interrupt_after", "output"):
        if getattr(description, fact):
            yield fact


EXPECTED = {
    *(f"returns {r}" for r in "dict built early comprehension helper command list".split()),
    *(f"dress {d}" for d in "def partial object lambda method".split()),
    *(f"whole {w}" for w in "dict items unpack repr json deepcopy kind for".split()),
    *(f"read {s}" for s in "item get in alias helper itemgetter".split()),
    *(f"{how} {kind}" for how in ("route", "goto") for kind in ("one", "several", "fan")),
    *(f"state {s}" for s in ("typeddict", "pydantic", "dataclass")),
    *(f"durability {d}" for d in (None, "sync", "exit", "async")),
    *(f"width {w}" for w in range(5)),
    *("route mixed", "payload item", "payload state", "mapped True", "mapped False", "guarded"),
    *("unguarded", "narrow", "mutates", "shelves", "by_attempt", "asks", "stamps", "defer"),
    *("fails always", "fails at first", "subgraph", "fan-out in subgraph", "three levels"),
    *("several joins", "cycle", "joins", "start_route", "interrupt_before", "interrupt_after"),
    *("output", "async", "sync"),
} - ({"asks"} if sys.version_info < (3, 11) else set())
"""Async runs cannot ask before Python 3.11."""


def test_everything_is_drawn() -> None:
    seen: Counter[str] = Counter()
    groups: list[tuple[Feature, ...]] = [
        FEATURES,
        ("fans", "commands", "subgraphs"),
        ("joins", "loops", "unguarded"),
        ("whole",),
        ("opaque",),
        ("returns",),
    ]
    for group in groups:

        @settings(QUIET, max_examples=250, database=None)
        @given(graphs(features=group, at_once=14))
        def draw(description: Description) -> None:
            assert isinstance(build(description), StateGraph)
            seen.update(set(_features_of(description)))

        draw()
    assert seen.keys() >= EXPECTED, EXPECTED - seen.keys()


@settings(QUIET, max_examples=40)
@given(graphs())
def test_nodes_have_source(description: Description) -> None:
    made = program(description)
    for node in description.nodes:
        if node.inner is None and node.dress == "def":
            runnable = made.graph.nodes[node.name].runnable
            function = runnable.func or runnable.afunc
            assert inspect.getsource(function).splitlines()[0] in made.source
            assert inspect.iscoroutinefunction(function) == node.asynchronous


@settings(QUIET, max_examples=30)
@given(graphs(mode="sync"))
def test_sync_graphs_have_no_coroutines(description: Description) -> None:
    assert "async def" not in repr(description)


@settings(QUIET, max_examples=40)
@given(graphs())
def test_a_description_prints_as_its_source(description: Description) -> None:
    assert repr(description).strip() == program(description).source.strip()
    compile(reproducer(description), "reproducer", "exec")


def _same(description: Description, mode: Mode) -> Report:
    report = check_graph(description, mode=mode, wrapped=jittered)
    # LangGraph itself leaves tasks of a subgraph running when a sibling fails.
    if any(difference.kind != "leaks" for difference in report.differences):
        report.raise_for_difference(context=repr(description))
    return report


def test_results_do_not_depend_on_timing_async() -> None:
    """Nor do most graphs fail: failures are wanted, but results are compared too."""
    ends: Counter[bool] = Counter()

    @settings(QUIET, max_examples=100, database=None)
    @given(graphs())
    def run(description: Description) -> None:
        ends[_same(description, "async").comparisons[0].plain.failure is None] += 1

    run()
    assert ends[True] > 2 * ends[False]


@settings(QUIET, max_examples=60)
@given(graphs(mode="sync"))
def test_results_do_not_depend_on_timing_sync(description: Description) -> None:
    _same(description, "sync")


def test_possible_steps() -> None:
    """n0 -> n1 -> n3, n0 -> n3, n2 after nothing but START; n3 runs in 2 and in 3.

    START -> n0 -> n1 -> n3
               `-------> n3
    START -> n2
    """
    described = Description(
        nodes=tuple(Node(f"n{i}") for i in range(4)),
        entry=("n0", "n2"),
        edges=(("n0", "n1"), ("n1", "n3"), ("n0", "n3")),
    )
    assert possible_steps(described) == {"n0": {1}, "n1": {2}, "n2": {1}, "n3": {2, 3}}
