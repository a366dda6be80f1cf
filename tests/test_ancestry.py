"""Laws of nested ancestry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto.ancestry import ROOT, Ancestry

stacks = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=5)


def made(frames: list[tuple[str, int]]) -> Ancestry:
    """The ancestry with these frames, outermost first."""
    ancestry = ROOT
    for scope, index in frames:
        ancestry = ancestry.child(scope, index)
    return ancestry


@given(stacks)
def test_frames_are_what_was_stacked(frames: list[tuple[str, int]]) -> None:
    ancestry = made(frames)
    assert [(frame.scope, frame.index) for frame in ancestry.frames()] == frames
    assert ancestry.depth == len(frames)


@given(stacks, stacks)
def test_the_order_is_that_of_the_frames(
    left: list[tuple[str, int]], right: list[tuple[str, int]]
) -> None:
    assert (made(left) < made(right)) == (left < right)


@given(stacks, stacks)
def test_the_meet_is_the_longest_common_stack(
    left: list[tuple[str, int]], right: list[tuple[str, int]]
) -> None:
    common: list[tuple[str, int]] = []
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        common.append(one)
    assert made(left).meet(made(right)) == made(common)
    assert made(right).meet(made(left)) == made(common)


def test_a_reduce_stands_where_its_fan_out_began() -> None:
    document = ROOT.child("split", 2)
    sentences = [document.child("check", index) for index in range(4)]
    together = sentences[0]
    for sentence in sentences[1:]:
        together = together.meet(sentence)
    assert together is document


def test_the_readable_form_names_every_fan_out() -> None:
    assert str(ROOT.child("split", 2).child("check", 0)) == "split[2] › check[0]"
    assert str(ROOT) == "run"
