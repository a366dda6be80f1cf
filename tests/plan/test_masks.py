"""Compiled plans: masks say what the stages say, and ``flat`` never hides a chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.types import Send

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine.predictor import Predictor
from langgraph_alto.engine.supersteps import Write
from langgraph_alto.plan.bits import bits
from langgraph_alto.plan.masks import Trigger, compile_masks
from langgraph_alto.plan.stages import Route, Stage, conflicts, roots
from tests.engine.graphs import ANY, Graph, Node, Referee, graph, node

# -- masks --------------------------------------------------------------------


@given(st.integers(0, 2**70))
def test_bits(mask: int) -> None:
    positions = list(bits(mask))
    assert positions == sorted(positions)
    assert sum(1 << position for position in positions) == mask


def test_a_plan() -> None:
    """
    a --> b[x]/y ==> c (ordered)
     `--> d --[b+d]--> e (deferred as well, by f)
    """
    of = graph(
        a=node("b d"),
        b=node(sends="c", reads="x", writes="y"),
        c=node(barrier="ordered"),
        d=node(interrupts=True),
        e=node(),
        f=node(may=ANY),
        g=node(defer=True),
        joins="b+d->e",
    )
    masks = of.masks
    bit = of.bit
    assert masks.index == {name: position for position, name in enumerate("abcdefg")}
    assert masks.successors[0] == bit("b", "d")
    assert masks.successors[1] == bit("c")
    assert masks.successors[5] == bit(*"abcdefg")
    assert masks.sends[1] == bit("c")
    assert masks.ahead == bit(*"abdefg")
    assert masks.interrupts == bit("d")
    assert masks.deferred == bit("g")
    (join,) = masks.joins
    assert (join.target, join.sources) == (4, bit("b", "d"))
    assert masks.triggers["to:b"] == ((1, Trigger.EDGE),)
    assert masks.triggers["to:g"] == ((6, Trigger.DEFERRED),)
    assert masks.triggers[join.channel] == ((4, Trigger.JOIN),)
    assert masks.mask(["a", "nowhere", "c"]) == bit("a", "c")


PATHS = st.lists(st.sampled_from("xyz"), min_size=1, max_size=2).map(tuple)
KEYS = st.frozensets(st.sampled_from("xyz"), max_size=2)


@st.composite
def stages(draw: st.DrawFn) -> tuple[Stage, ...]:
    names = [f"n{number}" for number in range(draw(st.integers(1, 5)))]
    nodes = st.none() | st.frozensets(st.sampled_from(names), max_size=2)
    made = []
    for name in names:
        reads = draw(st.frozensets(PATHS, max_size=2))
        routed = draw(KEYS)
        made.append(
            Stage(
                name=name,
                inputs=frozenset(path[0] for path in reads),
                reads=reads,
                writes=draw(st.none() | KEYS),
                mutates=draw(st.just(frozenset()) | st.none() | st.frozensets(PATHS, max_size=2)),
                leads_to=draw(nodes),
                sends_to=draw(st.just(frozenset()) | nodes),
                routes=(Route(routed, routed, None, None, partial=True),),
                uses_store=draw(st.booleans()),
            )
        )
    return tuple(made)


@settings(max_examples=200)
@given(stages())
def test_masks_say_what_the_stages_say(given_stages: tuple[Stage, ...]) -> None:
    """They are compiled in linear time where possible; here they are compared pair by pair."""
    masks = compile_masks(given_stages, {}, ())
    for (at, later), (bit, earlier) in product(enumerate(masks.stages), repeat=2):
        assert bool(masks.blockers[at] >> bit & 1) == conflicts(later, earlier), (later, earlier)
        routers = Stage(
            name="routers",
            inputs=frozenset(),
            reads=roots(later.routes[0].reads),
            writes=frozenset(),
            mutates=frozenset(),
        )
        assert bool(masks.route_blockers[at] >> bit & 1) == conflicts(routers, earlier)
        changes = later.mutates != frozenset() or earlier.mutates != frozenset()
        shared = later.uses_store and earlier.uses_store
        assert bool(masks.packet_blockers[at] >> bit & 1) == (changes or shared)
    assert masks.mutators == sum(
        1 << at for at, stage in enumerate(masks.stages) if stage.mutates != frozenset()
    )


def test_what_packets_reach_goes_by_other_names() -> None:
    """A node that changes a packet's contents may change anything: whose they are is not known."""
    of = graph(a=node(sends="b"), b=node(mutates="x"), c=node(mutates="x"))
    assert of.masks.stages[1].mutates is None
    assert of.masks.stages[2].mutates == frozenset({("x",)})
    everywhere = graph(a=node(sends=ANY), b=node(mutates="x"), c=node(mutates="x"))
    assert all(stage.mutates is None for stage in everywhere.masks.stages[1:])


# -- flat -----------------------------------------------------------------------

NAMES = "abcd"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, Node], str]:
    some = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(" ".join)
    keys = st.lists(st.sampled_from("xy"), max_size=2, unique=True).map(" ".join)
    nodes = {
        name: node(
            draw(some),
            may=draw(some),
            sends=draw(st.sampled_from(["", "", "", "b"])),
            reads=draw(keys),
            writes=draw(keys),
            barrier=draw(st.sampled_from([None, None, "ordered"])),
            defer=draw(st.sampled_from([False] * 5 + [True])),
        )
        for name in NAMES
    }
    targets = [name for name in NAMES if not nodes[name].defer]
    sources = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map("+".join)
    joins = (
        draw(st.lists(st.tuples(sources, st.sampled_from(targets)), max_size=1)) if targets else []
    )
    return nodes, " ".join(f"{of}->{to}" for of, to in joins)


def choices(of: Graph, name: str) -> list[list[Write]]:
    """What a task of a node may write, in so far as it starts something."""
    stage = of.masks.stages[of.masks.index[name]]
    always: list[Write] = [(f"to:{to}", name) for to in stage.edges]
    always += [(channel, name) for channel in of.sources.get(name, ())]
    values: list[Write] = [(key, [name]) for key in stage.writes or () if ":" not in key]
    chosen: list[Write] = [(f"to:{to}", name) for to in stage.leads_to or ()]
    sent: list[Write] = [(TASKS, Send(to, name)) for to in stage.sends_to or ()]
    return [always, always + values + chosen + sent]


def starts_early(of: Graph, present: Sequence[str]) -> bool:
    """By brute force: whether anything can start before all of the superstep have ended."""
    first = [(f"to:{name}", None) for name in present]
    referee = Referee(of, first)
    for order in permutations(present):
        for writes in product(*(choices(of, name) for name in order)):
            predictor = Predictor(of.masks, referee.channels, packets=TASKS)
            made = [(of.masks.index[name], None, None) for name in order]
            tasks = predictor.begin(1, made, 99)
            for task, written in list(zip(tasks, writes, strict=True))[:-1]:
                predictor.finished(task, written)
                if predictor.settle()[0]:
                    return True
    return False


def test_flat_is_sound() -> None:
    """Where a superstep is called flat, no order of ends and no choice starts anything early."""
    seen = {True: 0, False: 0}

    @settings(max_examples=150, deadline=None)
    @given(graphs(), st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True))
    def check(drawn: tuple[dict[str, Node], str], chosen: list[str]) -> None:
        nodes, joins = drawn
        of = graph(joins=joins, keys=None, unsafe="", **nodes)
        present = [name for name in chosen if not nodes[name].defer]
        flat = of.masks.flat(of.bit(*present), of.masks.ahead)
        seen[flat] += 1
        if flat and len(present) > 1:
            assert not starts_early(of, present)

    check()
    assert min(seen.values()) > 10


@pytest.mark.parametrize(
    ("drawn", "present", "flat"),
    [
        pytest.param(
            graph(w=node("reduce", writes="x"), reduce=node(reads="x")), "w", True, id="fan-out"
        ),
        pytest.param(
            graph(v=node("reduce"), w=node("reduce", writes="x"), reduce=node(reads="x")),
            "v w",
            True,
            id="both lead to it",
        ),
        pytest.param(
            graph(v=node(), w=node("reduce", writes="x"), reduce=node(reads="x")),
            "v w",
            False,
            id="one does not concern it",
        ),
        pytest.param(
            graph(v=node(writes="x"), w=node("reduce"), reduce=node(reads="x")),
            "v w",
            True,
            id="one writes what it reads",
        ),
        pytest.param(graph(v=node(sends="w"), w=node()), "v", False, id="packets start at once"),
        pytest.param(
            graph(v=node(), w=node("a"), a=node(barrier="ordered")), "v w", True, id="not ahead"
        ),
        pytest.param(
            graph(v=node(), w=node(), a=node(), joins="v+w->a"), "v w", True, id="a join of all"
        ),
        pytest.param(
            graph(u=node(), v=node(), w=node(), a=node(), joins="v+w->a"),
            "u v w",
            False,
            id="a join of some",
        ),
        pytest.param(graph(v=node(), w=node()), "v w", True, id="ends"),
    ],
)
def test_flat(drawn: Graph, present: str, flat: bool) -> None:
    assert drawn.masks.flat(drawn.bit(*present.split()), drawn.masks.ahead) == flat
