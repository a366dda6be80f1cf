"""The laws of effects: when two paths overlap, and when one node must wait for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto.plan.effects import Doubt, Effects, Facts
from langgraph_alto.plan.stages import (
    NOTHING,
    Route,
    Stage,
    check_names,
    conflicts,
    declared,
    overlap,
    paths,
    roots,
)

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)
SETS = st.frozensets(PATHS, max_size=3)
MAYBE = st.none() | SETS
KEYS = st.frozensets(st.sampled_from("abc"), max_size=2)


def stage(
    reads: frozenset[tuple[str, ...]] = frozenset(),
    writes: frozenset[str] | None = frozenset(),
    mutates: frozenset[tuple[str, ...]] | None = frozenset(),
    uses_store: bool = False,
) -> Stage:
    return Stage(
        name="n",
        inputs=frozenset(path[0] for path in reads),
        reads=reads,
        writes=writes,
        mutates=mutates,
        uses_store=uses_store,
    )


STAGES = st.builds(stage, SETS, st.none() | KEYS, MAYBE, st.booleans())


# -- paths --------------------------------------------------------------------


def test_a_path_stands_for_all_below_it() -> None:
    topic, notes = frozenset({("topic",)}), frozenset({("topic", "notes")})
    title = frozenset({("topic", "title")})
    assert overlap(topic, notes)
    assert overlap(notes, topic)
    assert overlap(notes, notes)
    assert not overlap(notes, title)
    assert not overlap(topic, frozenset({("topics",)}))


def test_unknown_is_anything_but_not_nothing() -> None:
    some = frozenset({("a",)})
    assert overlap(None, some)
    assert overlap(some, None)
    assert overlap(None, None)
    assert not overlap(None, frozenset())
    assert not overlap(frozenset(), None)


@given(MAYBE, MAYBE)
def test_overlap_is_symmetric(
    left: frozenset[tuple[str, ...]] | None, right: frozenset[tuple[str, ...]] | None
) -> None:
    assert overlap(left, right) == overlap(right, left)


@given(SETS, SETS)
def test_overlap_is_a_common_path(
    left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]
) -> None:
    """By brute force: some place in the state lies below both."""

    def below(tops: frozenset[tuple[str, ...]]) -> set[tuple[str, ...]]:
        places = {(a, b, c) for a in "abc" for b in "abc" for c in "abc"}
        return {place for place in places if any(place[: len(top)] == top for top in tops)}

    assert overlap(left, right) == bool(below(left) & below(right))


@given(SETS, SETS, SETS)
def test_overlap_grows_with_its_sides(
    left: frozenset[tuple[str, ...]],
    right: frozenset[tuple[str, ...]],
    more: frozenset[tuple[str, ...]],
) -> None:
    if overlap(left, right):
        assert overlap(left | more, right)
        assert overlap(left, right | more)


def test_roots_and_paths() -> None:
    assert roots(frozenset({"a", "b"})) == frozenset({("a",), ("b",)})
    assert paths(["a", "topic.notes"]) == frozenset({("a",), ("topic", "notes")})
    assert paths(None) is None


# -- conflicts ------------------------------------------------------------------

A, B = frozenset({("a",)}), frozenset({("b",)})
DEEP, OTHER = frozenset({("a", "x")}), frozenset({("a", "y")})


@pytest.mark.parametrize(
    ("later", "earlier", "waits"),
    [
        pytest.param(stage(reads=A), stage(writes=frozenset("a")), True, id="read after write"),
        pytest.param(stage(reads=B), stage(writes=frozenset("a")), False, id="of another key"),
        pytest.param(stage(reads=DEEP), stage(writes=frozenset("a")), True, id="of a part"),
        pytest.param(stage(reads=A), stage(writes=None), True, id="of anything"),
        pytest.param(stage(), stage(writes=None), False, id="reads nothing"),
        pytest.param(stage(reads=A), stage(mutates=DEEP), True, id="read after change"),
        pytest.param(stage(reads=OTHER), stage(mutates=DEEP), False, id="of another part"),
        pytest.param(stage(reads=A), stage(mutates=None), True, id="change of anything"),
        pytest.param(stage(writes=frozenset("a")), stage(reads=A), False, id="write after read"),
        pytest.param(
            stage(writes=frozenset("a")), stage(writes=frozenset("a")), False, id="two writes"
        ),
        pytest.param(stage(mutates=DEEP), stage(reads=A), True, id="change after read"),
        pytest.param(
            stage(mutates=DEEP), stage(writes=frozenset("a")), True, id="change after write"
        ),
        pytest.param(stage(mutates=DEEP), stage(mutates=DEEP), True, id="two changes"),
        pytest.param(stage(mutates=DEEP), stage(mutates=OTHER), False, id="of two parts"),
        pytest.param(stage(mutates=None), stage(reads=A), True, id="changes anything"),
        pytest.param(stage(mutates=None), stage(), False, id="of one who touches nothing"),
        pytest.param(stage(uses_store=True), stage(uses_store=True), True, id="the store"),
        pytest.param(stage(uses_store=True), stage(), False, id="the store alone"),
    ],
)
def test_who_waits(later: Stage, earlier: Stage, waits: bool) -> None:
    assert conflicts(later, earlier) == waits


@given(STAGES, STAGES)
def test_less_known_is_no_less_waiting(later: Stage, earlier: Stage) -> None:
    """What is not known of a node can only add to what it waits for, or has wait for it."""
    if conflicts(later, earlier):
        assert conflicts(later, stage(earlier.reads, None, None, earlier.uses_store))
        assert conflicts(stage(later.reads, later.writes, None, later.uses_store), earlier)


@given(STAGES, STAGES)
def test_changes_in_place_conflict_both_ways(later: Stage, earlier: Stage) -> None:
    """Writes are seen in the next superstep only; changes in place, at once and by all."""
    one = stage(later.reads, frozenset(), later.mutates, later.uses_store)
    two = stage(earlier.reads, frozenset(), earlier.mutates, earlier.uses_store)
    assert conflicts(one, two) == conflicts(two, one)


# -- declarations -----------------------------------------------------------------

UNKNOWN = Facts(
    reads=None,
    writes=None,
    mutates=None,
    goto=None,
    interrupts=True,
    doubts=tuple(Doubt(fact, "why") for fact in ("reads", "writes", "mutates", "goto")),
)


def test_nothing_declared() -> None:
    assert declared(UNKNOWN, None) is UNKNOWN
    assert declared(UNKNOWN, Effects()) == UNKNOWN


def test_what_is_declared_wins() -> None:
    effects = Effects(reads=["a", "topic.notes"], writes={"b"}, mutates=(), goto=["n"])
    facts = declared(UNKNOWN, effects)
    assert facts.reads == frozenset({("a",), ("topic", "notes")})
    assert facts.writes == frozenset({"b"})
    assert facts.mutates == frozenset()
    assert facts.goto == frozenset({"n"})
    assert facts.interrupts, "not to be declared away"
    assert facts.doubts == ()


def test_what_is_not_declared_stays() -> None:
    facts = declared(UNKNOWN, Effects(writes=["b"]))
    assert (facts.reads, facts.mutates, facts.goto) == (None, None, None)
    assert {doubt.fact for doubt in facts.doubts} == {"reads", "mutates", "goto"}
    known = declared(NOTHING, Effects(reads=["a"]))
    assert known.reads == frozenset({("a",)})
    assert known.writes == frozenset()


@pytest.mark.parametrize("option", ["effects", "ordered"])
def test_names_are_checked(option: str) -> None:
    """The message names the option, the wrong name, and those there are."""
    effects = {"nowhere": Effects()} if option == "effects" else {}
    ordered = ["a", "nowhere"] if option == "ordered" else []
    with pytest.raises(ValueError) as caught:
        check_names(effects, ordered, {"b", "a"})
    assert str(caught.value) == (
        f"{option} names the node 'nowhere', which the graph does not have; its nodes are a, b"
    )
    check_names({"a": Effects()}, ["b"], {"a", "b"})


def test_read_keys() -> None:
    of = stage(reads=frozenset({("a", "x"), ("a", "y"), ("b",)}))
    assert of.read_keys == {"a", "b"}
    assert Route(frozenset(), frozenset(), None, None, partial=True).destinations is None
