"""The bound's simulator, on runs small enough to work out by hand."""

import pytest

from comparisons._bound import Work, bound, supersteps


def test_nothing_takes_no_time() -> None:
    assert bound(()) == supersteps(()) == 0.0


def test_a_chain_adds_up() -> None:
    works = (Work("a", 1), Work("b", 2, ("a",)), Work("c", 3, ("b",)))
    assert bound(works) == supersteps(works) == 6


def test_a_branch_does_not_wait_for_its_sibling() -> None:
    """
    a 1 --> c 5
    b 4 --> d 1      c ends at 6, d at 5; with barriers 4 + 5.
    """
    works = (Work("a", 1), Work("b", 4), Work("c", 5, ("a",)), Work("d", 1, ("b",)))
    assert bound(works) == 6
    assert supersteps(works) == 9


def test_a_join_waits_for_all_its_sources() -> None:
    """
    a 1 --> c 1 --\\
    b 4 -----------> j 1     j is in the step after c's and starts when b ends.
    """
    works = (Work("a", 1), Work("b", 4), Work("c", 1, ("a",)), Work("j", 1, ("c", "b")))
    assert bound(works) == 5
    assert supersteps(works) == 6


def test_a_reader_waits_for_an_earlier_writer_that_does_not_cause_it() -> None:
    works = (Work("a", 1), Work("b", 4, writes=("key",)), Work("c", 1, ("a",), reads=("key",)))
    assert bound(works) == 5


def test_a_reader_does_not_wait_for_a_writer_of_its_own_superstep() -> None:
    works = (Work("a", 4, writes=("key",)), Work("b", 1, reads=("key",)))
    assert bound(works) == 4


def test_a_reader_does_not_wait_for_a_later_writer() -> None:
    """
    a 1 --> b 9 (writes key)
    c 2 --> d 1 (reads key): same superstep as b, so d ends at 3.
    """
    works = (
        Work("a", 1),
        Work("c", 2),
        Work("b", 9, ("a",), writes=("key",)),
        Work("d", 1, ("c",), reads=("key",)),
        Work("last", 8, ("d",)),
    )
    assert bound(works) == 11


def test_a_node_that_runs_twice_is_two_works() -> None:
    """
    a 1 ----------> j 3
    b 2 --> c 2 --> j 3      the first j ends at 4, the second at 7.
    """
    works = (
        Work("a", 1),
        Work("b", 2),
        Work("j", 3, ("a",)),
        Work("c", 2, ("b",)),
        Work("j again", 3, ("c",)),
    )
    assert bound(works) == 7
    assert supersteps(works) == 2 + 3 + 3


def test_a_subgraph_takes_as_long_as_its_works() -> None:
    """
    inside: x 1 --> X 5
            y 4 --> Y 1      6 by dependencies, 9 by supersteps
    """
    inside = (Work("x", 1), Work("y", 4), Work("X", 5, ("x",)), Work("Y", 1, ("y",)))
    works = (Work("subgraph", inside=inside), Work("then", 1, ("subgraph",)))
    assert bound(works) == 7
    assert supersteps(works) == 10


def test_a_work_must_follow_its_causes() -> None:
    with pytest.raises(KeyError, match="a"):
        bound((Work("b", 1, ("a",)), Work("a", 1)))
