"""Laws of nested ancestry."""

from __future__ import annotations

import copy
import pickle

from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto.ancestry import ROOT, Ancestry
from langgraph_alto.plan.loops import Loops, find_loops

stacks = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=5)


def made(frames: list[tuple[str, int]]) -> Ancestry:
    """The ancestry with these fan-outs, outermost first."""
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
def test_the_order_is_hops_then_frames(
    left: list[tuple[str, int]], right: list[tuple[str, int]]
) -> None:
    """Senders that edges started come before senders that are packets themselves."""
    assert (made(left) < made(right)) == ((len(left), left) < (len(right), right))


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


@given(st.permutations(range(5)))
def test_a_reduce_stands_where_its_fan_out_began(order: list[int]) -> None:
    """Whatever the order of arrival, and however many there are."""
    document = ROOT.child("split", 2, 3)
    sentences = [document.child("check", index, 5) for index in order]
    together = sentences[0].left()
    for sentence in sentences[1:]:
        together = together.meet(sentence.left())
        assert together == document
    assert document.left() == ROOT


def test_the_readable_form_names_every_fan_out() -> None:
    assert str(ROOT.child("split", 2, 5).child("check", 0)) == "split[2/5] › check[0]"
    assert str(ROOT.again("agent").again("agent").child("tools", 0, 2)) == "agent#1 › tools[0/2]"
    assert str(ROOT) == "run"


def test_a_count_learned_later_changes_nothing_else() -> None:
    assert ROOT.child("split", 2) == ROOT.child("split", 2, 5)


def test_it_can_be_pickled_and_copied() -> None:
    ancestry = ROOT.again("agent").child("split", 2, 5)
    assert pickle.loads(pickle.dumps(ancestry)) == copy.deepcopy(ancestry) == ancestry


# -- loops ---------------------------------------------------------------------


def loops(*edges: str) -> tuple[Loops, dict[str, int]]:
    """The loops of a graph with these edges: ``"a b"`` leads from ``a`` to ``b``."""
    names = sorted({name for edge in edges for name in edge.split()})
    at = {name: place for place, name in enumerate(names)}
    successors = [0] * len(names)
    for edge in edges:
        source, target = edge.split()
        successors[at[source]] |= 1 << at[target]
    return find_loops(names, successors), at


def walk(path: str, *edges: str) -> str:
    """The ancestries along a path of edges."""
    found, at = loops(*edges)
    ancestry, seen = ROOT, []
    for name in path.split():
        ancestry = found.follow(ancestry, at[name])
        seen.append(str(ancestry))
    return ", ".join(seen)


def test_a_graph_without_loops() -> None:
    assert not loops("a b", "b c", "a c")[0].heads


def test_an_agent() -> None:
    """START --> agent <--> tools; agent --> end."""
    edges = ("start agent", "agent tools", "tools agent", "agent end")
    assert walk("agent tools agent tools agent end", *edges) == (
        "agent#0, agent#0, agent#1, agent#1, agent#2, run"
    )


def test_a_node_that_leads_to_itself() -> None:
    assert walk("a b b c", "a b", "b b", "b c") == "run, b#0, b#1, run"


def test_loops_nest() -> None:
    """a --> b <--> c inside a --> ... --> a."""
    edges = ("start a", "a b", "b c", "c b", "c a", "c end")
    assert walk("a b c b c a b c end", *edges) == (
        "a#0, a#0 › b#0, a#0 › b#0, a#0 › b#1, a#0 › b#1, a#1, a#1 › b#0, a#1 › b#0, run"
    )


def test_a_fan_out_inside_a_loop() -> None:
    """The reduce of a turn begins the next one."""
    found, at = loops("start plan", "plan work", "work plan", "plan end")
    turn = found.follow(ROOT, at["plan"])
    work = turn.child("plan", 1, 3)
    assert str(work) == "plan#0 › plan[1/3]"
    assert str(found.follow(work, at["plan"])) == "plan#1"


def test_a_subgraph_leaves_the_frames_around_it_alone() -> None:
    """Both graphs have a loop of the same name."""
    found, at = loops("start agent", "agent agent", "agent end")
    outside = ROOT.again("agent").child("split", 0, 2).again("agent").inside()
    turn = found.follow(outside, at["agent"])
    assert str(turn) == "agent#0 › split[0/2] › agent#0 › agent#0"
    assert found.follow(turn, at["end"]) == outside


@given(
    st.integers(1, 6).flatmap(lambda n: st.lists(st.integers(0, 2**n - 1), min_size=n, max_size=n))
)
def test_every_cycle_is_in_a_loop(successors: list[int]) -> None:
    """Without the heads nothing goes round, and a head can reach itself within its loop."""
    names = [f"n{place}" for place in range(len(successors))]
    found = find_loops(names, successors)
    heads = sum(1 << place for place in found.heads)
    left = [
        leads_to & ~heads if not heads >> at & 1 else 0 for at, leads_to in enumerate(successors)
    ]

    def reached(start: int, edges: list[int], among: int) -> int:
        seen, fresh = 0, edges[start] & among
        while fresh & ~seen:
            seen |= fresh
            fresh = 0
            for place in range(len(edges)):
                if seen >> place & 1:
                    fresh |= edges[place] & among
        return seen

    for place in range(len(successors)):
        assert not reached(place, left, -1) >> place & 1
    for head, name in found.heads.items():
        assert reached(head, successors, found.bodies[name]) >> head & 1
