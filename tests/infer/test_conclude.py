"""From runs to facts: when runs have settled, and what they are worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto.learned.conclude import confidence, settle
from langgraph_alto.learned.inferred import source
from langgraph_alto.learned.record import Place, covered, minimal
from langgraph_alto.plan.effects import Effects, Path
from tests.infer.support import evaluate


def runs(*texts: str) -> list[frozenset[Path]]:
    return [frozenset(tuple(name.split(".")) for name in text.split()) for text in texts]


@pytest.mark.parametrize(
    ("given", "settled"),
    [
        (["a"], ["a"]),
        (["a", "a"], ["a", "a"]),
        (["a b", "a", "b"], ["a b", "a", "b"]),
        (["a", "b"], None),
        (["a", "a", "a", "a", "a", "b"], None),
        (["a", "b", "a"], ["a", "b", "a"]),
        # Keys that are new each time: the mapping as a whole.
        (["m.x n", "m.y n", "m.z n"], ["m n", "m n", "m n"]),
        (["m.x.p", "m.y.p", "m.z.p"], ["m", "m", "m"]),
        (["m.x.p", "m.x.q"], ["m.x", "m.x"]),
        (["m", "m.x"], ["m", "m.x"]),
        (["", ""], ["", ""]),
        (["", "a"], None),
    ],
)
def test_settle(given: list[str], settled: list[str] | None) -> None:
    assert settle(runs(*given)) == (None if settled is None else runs(*settled))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a"], 0),
        ([""], 0),
        (["", ""], 1 - 1 / 3),
        (["a", "a"], 1 - 1 / 3),
        (["a b", "a"], 1 - 2 / 3),
        (["a"] * 9, 1 - 1 / 10),
        (["a"] * 8 + ["b"], 1 - 2 / 10),
        (["a", "b", "c"], 1 - 4 / 4),
    ],
)
def test_confidence(given: list[str], expected: float) -> None:
    assert confidence(runs(*given)) == pytest.approx(expected)


PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "[]"]), min_size=1, max_size=4).map(tuple)
).map(set)


@given(PATHS)
def test_the_shortest_paths_cover_all(paths: set[Path]) -> None:
    kept = minimal(paths)
    assert all(covered(path, kept) for path in paths)
    assert not any(covered(path, kept - {path}) for path in kept)
    assert all(not path or path[-1] != "[]" for path in kept)


@given(st.lists(PATHS.map(minimal), min_size=1, max_size=6))
def test_what_settles_still_covers_every_run(each: list[frozenset[Path]]) -> None:
    settled = settle(each)
    if settled is not None:
        union = frozenset().union(*settled)
        assert all(covered(path, union) for run in each for path in run)


NAMES = st.none() | st.frozensets(st.text(max_size=5), max_size=3)


@given(st.dictionaries(st.text(max_size=5), st.tuples(NAMES, NAMES, NAMES, NAMES), max_size=3))
def test_the_source_evaluates_to_the_effects(
    drawn: dict[str, tuple[frozenset[str] | None, ...]],
) -> None:
    effects = {
        node: Effects(reads=reads, writes=writes, mutates=mutates, goto=goto)
        for node, (reads, writes, mutates, goto) in drawn.items()
    }
    assert evaluate(source(effects)) == effects


def test_places() -> None:
    place = Place(("docs",))
    assert place.element().below("score").path == ("docs", "[]", "score")
    for odd in (1, None, "", "a.b", "[]"):
        below = place.below(odd)
        assert below.path == ("docs",)
        assert below.below("x").path == ("docs",)
        assert below.element().path == ("docs",)
