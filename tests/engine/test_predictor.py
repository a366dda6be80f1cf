"""What the predictor foresees and what it lets start, on graphs one can see through.

Each test draws its graph; ``slow`` is the task that LangGraph would wait for.
A key in brackets is what a node reads, one after a slash what it writes.
"""

from __future__ import annotations

from itertools import permutations

import pytest
from langgraph.types import Send

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine import predictor
from langgraph_alto.engine.supersteps import Phase
from tests.engine.graphs import ANY, anything, graph, last, node
from tests.engine.play import Play

SLOW = node()
"""A branch that touches nothing, and does not end."""


# -- supersteps ---------------------------------------------------------------


def test_uneven_branches() -> None:
    """A branch does not wait for another that it has nothing to do with.

    START --> slow
    START --> a --> b --> c
    """
    play = Play(graph(slow=SLOW, a=node("b"), b=node("c"), c=node()), "slow a")
    assert play.settle() == []
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == ["c@3"]
    assert play.finish("c@3") == []
    play.finish("slow@1")
    assert play.commit() == play.adopted() == ["b@2"]
    assert play.commit() == play.adopted() == ["c@3"]
    assert play.commit() == []
    assert not play.predictor.rebuilt


def test_a_task_has_its_own_snapshot() -> None:
    """``b`` reads what ``a`` wrote before it, and not what ``c`` writes after it.

    START --> slow
    START --> a/x --> b[x] --> c/x --> d[x]
    """
    of = graph(
        slow=SLOW,
        a=node("b", writes="x"),
        b=node("c", reads="x"),
        c=node("d", writes="x"),
        d=node(reads="x"),
    )
    play = Play(of, "slow a", {"x": [0]})
    play.finish("a@1", x=[1])
    play.finish("b@2")
    assert play.finish("c@3", x=[2]) == ["d@4"]
    assert [play.value("x", step) for step in (1, 2, 3, 4)] == [[0], [0, 1], [0, 1], [0, 1, 2]]
    assert play.referee.channels["x"].get() == [0]


def test_a_value_that_fades() -> None:
    """A key for one superstep only: ``b`` sees it, ``c`` does not.

    START --> slow
    START --> a/x --> b[x] --> c[x]
    """
    of = graph(
        slow=SLOW,
        a=node("b", writes="x"),
        b=node("c", reads="x"),
        c=node(reads="x"),
        keys={"x": anything()},
    )
    play = Play(of, "slow a")
    assert play.finish("a@1", x=1) == ["b@2"]
    assert play.finish("b@2") == ["c@3"]
    assert play.value("x", 2) == 1
    assert not play.predictor.virtual.channel("x", 3).is_available()


@pytest.mark.parametrize("first", ["a", "b"])
def test_triggers_of_one_superstep_start_one_task(first: str) -> None:
    """LangGraph runs ``c`` once, with what both have written.

    START --> slow
    START --> a/x --,
    START --> b/x --+-> c[x]
    """
    of = graph(slow=SLOW, a=node("c", writes="x"), b=node("c", writes="x"), c=node(reads="x"))
    play = Play(of, "slow a b")
    second = "b" if first == "a" else "a"
    assert play.finish(f"{first}@1", x=[first]) == []
    assert play.finish(f"{second}@1", x=[second]) == ["c@2"]
    assert play.value("x", 2) == ["a", "b"], "in LangGraph's order, whoever was first"
    play.finish("slow@1")
    assert play.commit() == ["c@2"]


def test_triggers_of_two_supersteps_start_two_tasks() -> None:
    """``c`` runs at 2 after ``a``, and again at 3 after ``d``.

    START --> slow
    START --> a ------> c
    START --> b --> d --^
    """
    of = graph(slow=SLOW, a=node("c"), b=node("d"), c=node(), d=node("c"))
    play = Play(of, "slow a b")
    assert play.finish("a@1") == ["c@2"]
    assert play.finish("b@1") == ["d@2"]
    assert play.finish("d@2") == ["c@3"]
    assert play["c@2"] is not play["c@3"]


def test_an_edge_orders_its_ends() -> None:
    """``c`` will run in any case, but ``b`` may still come before it by an edge.

    START --> a --> c
    START --> b ..> c
    """
    play = Play(graph(a=node("c"), b=node(may="c"), c=node()), "a b")
    assert play.finish("a@1") == []
    assert "c@2" in play
    assert play.finish("b@1") == ["c@2"]


def test_loop() -> None:
    """Each round is a superstep of its own; rounds run ahead like anything else.

    START --> slow
    START --> a[x]/x --> b --,
              ^--------------'
    """
    of = graph(slow=SLOW, a=node("b", reads="x", writes="x"), b=node(may="a"))
    play = Play(of, "slow a", {"x": [0]})
    for step in range(1, 9, 2):
        assert play.finish(f"a@{step}", x=[step]) == [f"b@{step + 1}"]
        assert play.finish(f"b@{step + 1}", to="a") == [f"a@{step + 2}"]
        assert play.value("x", step + 2) == [0, *range(1, step + 1, 2)]
    play.finish("a@9")
    play.finish("b@10")
    play.finish("slow@1")
    for step in range(2, 11):
        assert play.commit() == play.adopted() == [f"{'ab'[step % 2 == 0]}@{step}"]
    assert play.commit() == []


# -- what a task reads ----------------------------------------------------------


def test_read_after_write() -> None:
    """``b`` waits for ``slow``, which may write what it reads; ``c`` does not.

    START --> slow/x
    START --> a --> b[x]
               `--> c[y]
    """
    of = graph(slow=node(writes="x"), a=node("b c"), b=node(reads="x"), c=node(reads="y"))
    play = Play(of, "slow a")
    assert play.finish("a@1") == ["c@2"]
    assert play.finish("slow@1", x=[1]) == ["b@2"]
    assert play.value("x", 2) == [1]


def test_what_a_possible_task_writes_counts() -> None:
    """``slow`` writes nothing, but ``d`` after it may write what ``c`` reads.

    START --> slow ..> d/x
    START --> a --> b --> c[x]
    """
    of = graph(
        slow=node(may="d"),
        a=node("b"),
        b=node("c", reads="x"),
        c=node(reads="x"),
        d=node(writes="x"),
    )
    play = Play(of, "slow a")
    assert play.finish("a@1") == ["b@2"], "d writes at 2 at the earliest, so not before b"
    assert play.finish("b@2") == []
    assert play.finish("slow@1") == ["c@3"], "slow has not chosen d"


def test_unknown_writes_stand_for_any() -> None:
    """
    START --> slow/?
    START --> a --> b[x]
               `--> c
    """
    of = graph(slow=node(writes=ANY), a=node("b c"), b=node(reads="x"), c=node())
    play = Play(of, "slow a")
    assert play.finish("a@1") == ["c@2"], "which reads nothing"
    assert play.finish("slow@1") == ["b@2"]


def test_unknown_destinations_stand_for_any() -> None:
    """``slow`` may lead to ``b`` itself, and to ``d``, which writes what ``c`` reads.

    START --> slow ..> ?
    START --> a --> b --> c[x]
              d/x
    """
    of = graph(slow=node(may=ANY), a=node("b"), b=node("c"), c=node(reads="x"), d=node(writes="x"))
    play = Play(of, "slow a")
    assert play.finish("a@1") == []
    assert play.finish("slow@1") == ["b@2"]
    assert play.finish("b@2") == ["c@3"]


def test_certain_keys() -> None:
    """A task may start with part of its state: the keys that nobody may still write.

    START --> slow/x
    START --> a/y --> b[y]
    """
    of = graph(slow=node(writes="x"), a=node("b", writes="y"), b=node(reads="y"))
    play = Play(of, "slow a", {"x": [0]})
    assert play.finish("a@1", y=[1]) == ["b@2"]
    assert play.predictor.certain(["x", "y"], 2) == {"y"}
    play.finish("slow@1")
    assert play.predictor.certain(["x", "y"], 2) == {"x", "y"}


def test_a_reducer_that_changes_its_arguments_is_left_to_langgraph() -> None:
    """Applied to a copy of the channel, it would change the real list.

    START --> slow
    START --> a/x --> b[x]
    """
    of = graph(slow=SLOW, a=node("b", writes="x"), b=node(reads="x"), unsafe="x")
    play = Play(of, "slow a")
    assert play.finish("a@1", x=[1]) == []
    assert play.predictor.certain(["x"], 2) == set()
    play.finish("slow@1")
    play.commit()
    assert play.predictor.certain(["x"], 2) == {"x"}


def test_changes_in_place() -> None:
    """``slow`` changes ``topic.notes``: ``b`` would see it, ``c`` reads another part.

    START --> slow (changes topic.notes)
    START --> a --> b[topic]
               `--> c[topic.title]
               `==> w    (packets may hold anything)
    """
    of = graph(
        slow=node(reads="topic", mutates="topic.notes", barrier="in place"),
        a=node("b c", sends="w"),
        b=node(reads="topic"),
        c=node(reads="topic.title"),
        w=node(),
        keys={"topic": last()},
    )
    play = Play(of, "slow a", {"topic": object()})
    assert play.finish("a@1", send="w:1") == ["c@2"]
    assert play.finish("slow@1") == ["b@2", "w:1@2"]


def test_a_packet_to_a_node_that_changes_it() -> None:
    """What ``w`` is sent may be an object that ``slow`` is reading.

    START --> slow[topic]
    START --> a ==> w (changes what it is sent)
    """
    of = graph(slow=node(reads="topic"), a=node(sends="w"), w=node(mutates="topic.notes"))
    play = Play(of, "slow a")
    assert play.finish("a@1", send="w:1") == []
    assert play.finish("slow@1") == ["w:1@2"]


def test_a_change_in_place_is_made_to_the_real_object() -> None:
    """A list that ``a`` has added to exists only in a copy so far: not ``b``'s to change.

    START --> slow
    START --> a/x --> b (changes x)
    """
    for mutates in ("x", ANY):
        b = node(reads="x", mutates=mutates)
        play = Play(graph(slow=SLOW, a=node("b", writes="x"), b=b), "slow a")
        assert play.finish("a@1", x=[1]) == []
        play.finish("slow@1")
        assert play.commit() == ["b@2"]
        assert play.adopted() == []


def test_the_store_is_shared() -> None:
    """
    START --> slow (store)
    START --> a --> b (store)
               `--> c
    """
    of = graph(slow=node(store=True), a=node("b c"), b=node(store=True), c=node())
    play = Play(of, "slow a")
    assert play.finish("a@1") == ["c@2"]
    assert play.finish("slow@1") == ["b@2"]


def test_a_barrier_stays() -> None:
    """``b`` is declared ordered: it waits for its superstep, and ``c`` after it for ``b``.

    START --> slow
    START --> a --> b --> c
    """
    of = graph(slow=SLOW, a=node("b"), b=node("c", barrier="ordered"), c=node())
    play = Play(of, "slow a")
    assert play.finish("a@1") == []
    play.finish("slow@1")
    assert play.commit() == ["b@2"]
    assert play.adopted() == []


def test_what_a_run_does_not_allow() -> None:
    """The run's own mask takes the place of the plan's.

    START --> slow
    START --> a --> b
               `--> c
    """
    of = graph(slow=SLOW, a=node("b c"), b=node(), c=node())
    play = Play(of, "slow a", allowed="c")
    assert play.finish("a@1") == ["c@2"]


# -- fan-outs -------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations("123")))
def test_a_reduce_is_foreseen_once_when_all_are_in(order: tuple[str, ...]) -> None:
    """
    START --> slow
    START --> plan ==> w/done --> reduce[done]
    """
    of = graph(
        slow=SLOW,
        plan=node(sends="w"),
        w=node("reduce", writes="done"),
        reduce=node(reads="done"),
    )
    play = Play(of, "slow plan")
    assert play.finish("plan@1", send="w:1 w:2 w:3") == ["w:1@2", "w:2@2", "w:3@2"]
    *early, final = order
    for arg in early:
        assert play.finish(f"w:{arg}@2", done=[arg]) == []
    assert play.finish(f"w:{final}@2", done=[final]) == ["reduce@3"]
    assert play.value("done", 3) == ["1", "2", "3"], "by place, not by arrival"


def test_a_reduce_waits_for_whoever_writes_what_it_reads() -> None:
    """
    START --> slow/done
    START --> plan ==> w/done --> reduce[done]
    """
    of = graph(
        slow=node(writes="done"),
        plan=node(sends="w"),
        w=node("reduce", writes="done"),
        reduce=node(reads="done"),
    )
    play = Play(of, "slow plan")
    play.finish("plan@1", send="w:1")
    assert play.finish("w:1@2", done=[1]) == []
    assert play.finish("slow@1", done=[0]) == ["reduce@3"]
    assert play.value("done", 3) == [0, 1]


def test_fan_outs_of_fan_outs() -> None:
    """Children, grandchildren and theirs run while ``slow`` still does.

    START --> slow
    START --> a ==> b ==> c ==> d/log --> end[log]
    """
    of = graph(
        slow=SLOW,
        a=node(sends="b"),
        b=node(sends="c"),
        c=node(sends="d"),
        d=node("end", writes="log"),
        end=node(reads="log"),
    )
    play = Play(of, "slow a")
    assert play.finish("a@1", send="b:1 b:2") == ["b:1@2", "b:2@2"]
    # The second family is done first, at every level.
    assert play.finish("b:2@2", send="c:21 c:22") == ["c:21@3", "c:22@3"]
    assert play.finish("c:22@3", send="d:221") == ["d:221@4"]
    assert play.finish("d:221@4", log=[221]) == []
    assert play.finish("b:1@2", send="c:11") == ["c:11@3"]
    assert play.finish("c:11@3", send="d:111 d:112") == ["d:111@4", "d:112@4"]
    assert play.finish("c:21@3", send="d:211") == ["d:211@4"]
    for arg in (211, 112):
        assert play.finish(f"d:{arg}@4", log=[arg]) == []
    assert play.finish("d:111@4", log=[111]) == ["end@5"]
    assert play.value("log", 5) == [111, 112, 211, 221]
    play.finish("slow@1")
    for _ in range(4):
        assert play.commit() == play.adopted()
    assert play.referee.channels["log"].get() == [111, 112, 211, 221]
    assert not play.predictor.rebuilt


def test_packets_that_come_later_start_at_once() -> None:
    """A node whose packets may start is not looked at again for each one.

    START --> slow
    START --> a ==> w
    START --> b ==> w
    """
    of = graph(slow=SLOW, a=node(sends="w"), b=node(sends="w"), w=node())
    play = Play(of, "slow a b")
    assert play.finish("a@1", send="w:1") == ["w:1@2"]
    play.predictor.finished(play["b@1"], play.writes(play["b@1"], send="w:2 w:3"))
    assert play.settle() == ["w:2@2", "w:3@2"]
    assert play.settle() == []


def test_exact_places() -> None:
    """``w`` needs the true id of its task, so the place of its packet must be known.

    START --> slow
    START --> a ==> w
    START --> b ==> w ==> v
    """
    of = graph(slow=node(), a=node(sends="w"), b=node(sends="w"), w=node(sends="v"), v=node())
    play = Play(of, "slow a b", exact="w")
    assert play.finish("b@1", send="w:b") == [], "a may send packets before it"
    assert play.finish("a@1", send="w:a") == [], "so may slow, for all we know: it comes last"
    assert play.finish("slow@1") == ["w:a@2", "w:b@2"]
    places = {name: play.predictor.place(play[name]) for name in ("w:a@2", "w:b@2")}
    assert places == {"w:a@2": 0, "w:b@2": 1}
    play.finish("w:b@2", send="v:1")
    assert play.predictor.place(play["v:1@3"]) is None, "w:a may send one before it"
    play.commit()
    assert {play.name(task): task.index for _, task in play.base} == places


def test_ancestry() -> None:
    """A packet stands in its sender's fan-out; a reduce, where the fan-out began.

    START --> slow
    START --> a ==> b ==> c --> one --> all
                     `--------------------^ (in another superstep)
    """
    of = graph(
        slow=SLOW,
        a=node(sends="b"),
        b=node(may="all", sends="c"),
        c=node("one", writes="done"),
        one=node("all"),
        all=node(),
    )
    play = Play(of, "slow a")
    play.finish("a@1", send="b:1 b:2")
    play.finish("b:2@2", send="c:21 c:22")
    play.finish("b:1@2", to="all")
    play.finish("c:22@3")
    assert str(play["one@4"].ancestry) == "a[1/2]", "one for both packets"
    play.finish("c:21@3")
    play.finish("one@4")
    tasks = ("a@1", "b:2@2", "c:22@3", "one@4", "all@5", "all@3")
    assert [str(play[name].ancestry) for name in tasks] == [
        "run",
        "a[1/2]",
        "a[1/2] › b[1/2]",
        "a[1/2]",
        "a[1/2]",
        "run",
    ]


def test_one_packet_sent_twice() -> None:
    """Two tasks with the same object: each stays at its own place.

    START --> slow
    START --> a ==> w
    """
    play = Play(graph(slow=SLOW, a=node(sends="w"), w=node(writes="x")), "slow a")
    packet = Send("w", "1")
    play.predictor.finished(play["a@1"], [(TASKS, packet), (TASKS, packet)])
    first, second = play.predictor.settle()[0]
    play.predictor.finished(second, [("x", [2])])
    play.predictor.finished(first, [("x", [1])])
    assert play.value("x", 3) == [1, 2]
    play.finish("slow@1")
    play.commit()
    assert [task for _, task in play.base] == [first, second]
    assert [first.index, second.index] == [0, 1]


def test_a_packet_to_nowhere_has_a_place() -> None:
    """LangGraph ignores it with a warning, and numbers the others as if it were there.

    START --> slow
    START --> a ==> w
               `==> nowhere
    """
    of = graph(slow=SLOW, a=node(sends="w"), w=node())
    play = Play(of, "slow a", exact="w")
    play.finish("slow@1")
    assert play.finish("a@1", send="nowhere:1 w:2") == ["w:2@2"]
    place = play.predictor.place(play["w:2@2"])
    assert play.commit() == ["w:2@2"]
    assert place == play["w:2@2"].index == 1


def test_what_has_run_ahead_counts_when_its_superstep_comes() -> None:
    """Its writes, and its part in a waiting edge, are still known then.

    START --> slow
    START --> a --> b/x --[b+c]--> d[x]
               `--> c --------^
    """
    of = graph(
        slow=SLOW,
        a=node("b c"),
        b=node(writes="x"),
        c=node(),
        d=node(reads="x"),
        joins="b+c->d",
    )
    play = Play(of, "slow a")
    play.finish("a@1")
    play.finish("b@2", x=[1])
    play.finish("slow@1")
    assert play.commit() == ["b@2", "c@2"]
    assert play.finish("c@2") == ["d@3"]
    assert play.value("x", 3) == [1]


# -- waiting edges --------------------------------------------------------------


def test_a_join_is_complete() -> None:
    """``d`` starts once both have written, in whatever supersteps.

    START --> slow
    START --> a --> b --[b+c]--> d
    START --> c ---------^
    """
    of = graph(slow=SLOW, a=node("b"), b=node(), c=node(), d=node(), joins="b+c->d")
    play = Play(of, "slow a c")
    assert play.finish("c@1") == []
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == ["d@3"]
    play.finish("slow@1")
    assert play.commit() == ["b@2"]
    assert play.commit() == play.adopted() == ["d@3"]


def test_a_join_that_is_not_complete() -> None:
    """``c`` does not run in time, so ``d`` does not either.

    START --> slow
    START --> b --[b+c]--> d
    START --> a ..> c
    """
    of = graph(slow=SLOW, a=node(may="c"), b=node(), c=node(), d=node(), joins="b+c->d")
    play = Play(of, "slow a b")
    play.finish("b@1")
    assert play.finish("a@1") == []
    play.finish("slow@1")
    assert play.commit() == []
    assert "d@2" not in play


def test_a_join_waits_for_a_source_that_is_still_possible() -> None:
    """``b`` may run again at 2: then ``d`` would, too, and it is one task or two.

    START --> slow ..> b
    START --> b --[b+c]--> d[x]
    START --> c -----^
    """
    of = graph(slow=node(may="b"), b=node(), c=node(), d=node(), joins="b+c->d")
    play = Play(of, "slow b c")
    play.finish("b@1")
    assert play.finish("c@1") == ["d@2"], "what b does at 2 comes after it"
    assert play.finish("slow@1", to="b") == ["b@2"]
    assert play.finish("b@2") == []
    assert "d@3" not in play, "d took what was there; one of two is not enough"


def test_the_target_of_a_join_is_possible_while_its_last_source_runs() -> None:
    """``d`` may write ``x`` at 2, before ``f`` reads it at 3.

    START --> slow --[slow+c]--> d/x
    START --> c --------^
    START --> e --> f --> g[x]
    """
    of = graph(
        slow=node(),
        c=node(),
        d=node(writes="x"),
        e=node("f"),
        f=node("g"),
        g=node(reads="x"),
        joins="slow+c->d",
    )
    play = Play(of, "slow c e")
    play.finish("c@1")
    assert play.finish("e@1") == ["f@2"]
    assert play.finish("f@2") == []
    assert play.finish("slow@1") == ["d@2"]
    assert play.finish("d@2") == ["g@3"]


def test_a_join_without_a_chance_does_not_block() -> None:
    """As above, but ``c`` is not there: ``slow`` alone cannot start ``d``.

    START --> slow --[slow+c]--> d/x
    START --> e --> f --> g[x]
    """
    of = graph(
        slow=node(),
        c=node(),
        d=node(writes="x"),
        e=node("f"),
        f=node("g"),
        g=node(reads="x"),
        joins="slow+c->d",
    )
    play = Play(of, "slow e")
    assert play.finish("e@1") == ["f@2"]
    assert play.finish("f@2") == ["g@3"]


def test_a_join_re_arms_in_a_loop() -> None:
    """Each round takes both again; what one round left over would be wrong.

    START --> slow
    START --> a --> b --[b+c]--> d --> a
               `--> c ------^
    """
    of = graph(slow=SLOW, a=node("b c"), b=node(), c=node(), d=node(may="a"), joins="b+c->d")
    play = Play(of, "slow a")
    for step in (1, 4, 7):
        assert play.finish(f"a@{step}") == [f"b@{step + 1}", f"c@{step + 1}"]
        assert play.finish(f"b@{step + 1}") == []
        assert play.finish(f"c@{step + 1}") == [f"d@{step + 2}"]
        assert play.finish(f"d@{step + 2}", to="a" if step < 7 else "") == (
            [f"a@{step + 3}"] if step < 7 else []
        )
    play.finish("slow@1")
    for _ in range(8):
        assert play.commit() == play.adopted()
    assert play.commit() == []
    assert not play.predictor.rebuilt


def test_a_join_that_is_complete_again_while_its_target_runs() -> None:
    """``d`` takes what there was at 2; both have written again by then, so it runs at 3, too.

    START --> slow
    START --> b --[b+c]--> d       b --> b
    START --> c -----^             c --> c
    """
    of = graph(slow=SLOW, b=node(may="b"), c=node(may="c"), d=node(), joins="b+c->d")
    play = Play(of, "slow b c")
    assert play.finish("b@1", to="b") == ["b@2"]
    assert play.finish("c@1", to="c") == ["c@2", "d@2"]
    play.finish("b@2")
    assert play.finish("c@2") == ["d@3"]
    play.finish("d@2")
    play.finish("d@3")
    play.finish("slow@1")
    assert play.commit() == ["b@2", "c@2", "d@2"]
    assert play.commit() == play.adopted() == ["d@3"]


# -- deferred nodes -------------------------------------------------------------


def test_a_deferred_node_is_never_foreseen() -> None:
    """``z`` runs when nothing else does, which only LangGraph can say.

    START --> slow
    START --> a --> b
               `--> z (deferred)
    """
    of = graph(slow=SLOW, a=node("b z"), b=node(), z=node(defer=True))
    play = Play(of, "slow a")
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == []
    play.finish("slow@1")
    assert play.commit() == ["b@2"]
    assert play.commit() == ["z@3"]
    assert play.adopted() == []


def test_a_deferred_node_may_come_any_time_nothing_else_is_triggered() -> None:
    """Packets trigger nothing: ``z`` runs beside ``w``, and writes what ``c`` reads.

    START --> slow
    START --> a ==> w --> c[x]
               `--> z/x (deferred)
    """
    of = graph(
        slow=SLOW,
        a=node("z", sends="w"),
        w=node("c"),
        c=node(reads="x"),
        z=node(defer=True, writes="x"),
    )
    play = Play(of, "slow a")
    assert play.finish("a@1", send="w:1") == ["w:1@2"]
    assert play.finish("w:1@2") == []
    play.finish("slow@1")
    assert play.commit() == ["w:1@2", "z@2"]
    assert play.finish("z@2", x=[1]) == ["c@3"]


def test_a_deferred_node_cannot_come_beside_a_task_that_an_edge_starts() -> None:
    """
    START --> slow
    START --> a --> b --> c[x]
               `--> z/x (deferred)
    """
    of = graph(
        slow=SLOW,
        a=node("b z"),
        b=node("c"),
        c=node(reads="x"),
        z=node(defer=True, writes="x"),
    )
    play = Play(of, "slow a")
    play.finish("a@1")
    assert play.finish("b@2") == ["c@3"]


def test_a_packet_to_a_deferred_node_is_not_deferred() -> None:
    """``slow`` may send one, which runs at 2 and writes what ``c`` reads at 3.

    START --> slow ==> z/x (deferred)
    START --> a --> b --> c[x]
    """
    of = graph(
        slow=node(sends="z"),
        a=node("b"),
        b=node("c"),
        c=node(reads="x"),
        z=node(defer=True, writes="x"),
    )
    play = Play(of, "slow a")
    play.finish("a@1")
    assert play.finish("b@2") == []
    assert play.finish("slow@1", send="z:1") == ["z:1@2"]
    assert play.finish("z:1@2", x=[1]) == ["c@3"]


@pytest.mark.parametrize("again", [False, True])
def test_a_deferred_node_that_has_run(again: bool) -> None:
    """``z`` runs once; afterwards it counts only if ``u`` may start it again.

    START --> a --> z/x (deferred)
               |==> u ..> z
               `==> w ==> v --> c[x]
    """
    of = graph(
        a=node("z", sends="u w"),
        u=node(may="z" if again else ""),
        w=node(sends="v"),
        v=node(sends="t"),
        t=node("c"),
        c=node(reads="x"),
        z=node(defer=True, writes="x"),
    )
    play = Play(of, "a")
    play.finish("a@1", send="u:1 w:1")
    assert play.commit() == ["u:1@2", "w:1@2", "z@2"]
    play.finish("z@2", x=[1])
    assert play.finish("w:1@2", send="v:1") == ["v:1@3"]
    assert play.finish("v:1@3", send="t:1") == ["t:1@4"]
    assert play.finish("t:1@4") == ([] if again else ["c@5"])


# -- interrupts, limits, failures -------------------------------------------------


def test_nothing_runs_ahead_of_a_stop_before() -> None:
    """The superstep with ``c`` does not run, nor ``d``, which is in it.

    START --> slow
    START --> a --> b --> c (stop before)
                     `--> d
    """
    of = graph(slow=SLOW, a=node("b"), b=node("c d"), c=node(), d=node())
    play = Play(of, "slow a", stops_before="c")
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == []


def test_nothing_runs_ahead_of_a_stop_before_that_is_possible() -> None:
    """
    START --> slow ..> c (stop before)
    START --> a --> b
    """
    of = graph(slow=node(may="c"), a=node("b"), b=node(), c=node())
    play = Play(of, "slow a", stops_before="c")
    assert play.finish("a@1") == []
    assert play.finish("slow@1") == ["b@2"], "slow has not chosen c"


def test_nothing_runs_ahead_of_a_stop_after() -> None:
    """
    START --> slow
    START --> a --> b (stop after) --> c
    """
    of = graph(slow=SLOW, a=node("b"), b=node("c"), c=node())
    play = Play(of, "slow a", stops_after="b")
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == []


def test_nothing_runs_ahead_of_a_stop_after_that_is_possible() -> None:
    """``s`` may run at 2, and the run would stop there: ``c`` at 3 must wait.

    START --> slow ..> s (stop after)
    START --> a --> b --> c
    """
    of = graph(slow=node(may="s"), a=node("b"), b=node("c"), c=node(), s=node())
    play = Play(of, "slow a", stops_after="s")
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == []
    assert play.finish("slow@1") == ["c@3"]


def test_a_stop_after_counts_though_its_task_has_ended() -> None:
    """
    START --> slow
    START --> a (stop after) --> b
    """
    play = Play(graph(slow=SLOW, a=node("b"), b=node()), "slow a", stops_after="a")
    assert play.finish("a@1") == []


def test_nothing_runs_ahead_of_an_interrupt() -> None:
    """Once ``ask`` has ended without one, it cannot stop the run any more.

    START --> ask
    START --> a --> b
    """
    of = graph(ask=node(interrupts=True, barrier="it may call interrupt()"), a=node("b"), b=node())
    play = Play(of, "ask a")
    assert play.finish("a@1") == []
    assert play.finish("ask@1") == ["b@2"]


def test_nothing_runs_ahead_of_the_recursion_limit() -> None:
    """
    START --> slow
    START --> a --> b --> c
    """
    of = graph(slow=SLOW, a=node("b"), b=node("c"), c=node())
    play = Play(of, "slow a", stop=2)
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == []


def test_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop beside a slow branch does not run away from it for ever.

    START --> slow
    START --> a --,
              ^---'
    """
    monkeypatch.setattr(predictor, "LEAD", 2)
    play = Play(graph(slow=SLOW, a=node("a")), "slow a")
    assert play.finish("a@1") == ["a@2"]
    assert play.finish("a@2") == ["a@3"]
    assert play.finish("a@3") == []
    play.finish("slow@1")
    play.commit()
    assert play.settle() == ["a@4"]


def test_nothing_runs_ahead_of_a_failure() -> None:
    """Whatever of later supersteps runs is to be cancelled, and nothing more starts.

    START --> slow
    START --> a --> b --> c
    START --> d --> e
    """
    of = graph(slow=SLOW, a=node("b"), b=node("c"), c=node(), d=node("e"), e=node())
    play = Play(of, "slow a d")
    play.finish("a@1")
    play.finish("b@2")
    assert [task.run for task in play.predictor.failed(play["d@1"], fatal=True)] == [
        "b@2",
        "c@3",
    ]
    assert play["d@1"].phase is Phase.FAILED
    assert play.finish("c@3") == []


def test_a_failure_run_ahead_holds_until_its_superstep() -> None:
    """``b`` failed at 2: ``f`` at 3 must not start when superstep 2 begins, either.

    START --> slow
    START --> a --> b
    START --> d --> e --> f
    """
    of = graph(slow=SLOW, a=node("b"), b=node(), d=node("e"), e=node("f"), f=node())
    play = Play(of, "slow a d")
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("d@1") == ["e@2"]
    assert play.predictor.failed(play["b@2"], fatal=True) == []
    assert play.finish("e@2") == []
    play.finish("slow@1")
    assert play.commit() == ["b@2", "e@2"]
    assert play.settle() == []


def test_packets_that_come_after_a_failure_do_not_start() -> None:
    """``w`` may start at 3 when ``b`` fails at 2; what is sent to it then must wait.

    START --> slow
    START --> a --> b
    START --> d ==> e ==> w
    """
    of = graph(slow=SLOW, a=node("b"), b=node(), d=node(sends="e"), e=node(sends="w"), w=node())
    play = Play(of, "slow a d")
    play.finish("a@1")
    play.finish("d@1", send="e:1 e:2 e:3")
    assert play.finish("e:1@2", send="w:1") == ["w:1@3"]
    play.predictor.failed(play["b@2"], fatal=True)
    assert play.settle() == []
    assert play.finish("e:2@2", send="w:2") == []


def test_a_failure_that_does_not_happen_after_all() -> None:
    """Run ahead, ``b`` failed on a guess. LangGraph gives it other input, and it does not.

    START --> slow/x
    START --> a --> b[x]
    START --> d --> e --> f
    """
    of = graph(
        slow=node(writes="x"),
        a=node("b"),
        b=node(reads="x"),
        d=node("e"),
        e=node("f"),
        f=node(),
    )
    play = Play(of, "slow a d", speculative=True)
    assert play.finish("a@1") == ["b@2"]
    play.finish("d@1")
    play.predictor.failed(play["b@2"], fatal=True)
    assert play.finish("e@2") == []
    play.finish("slow@1", x=[1])
    play.commit()
    play.predictor.dropped(play["b@2"])
    play.predictor.distrust(play["b@2"])
    assert play.settle() == ["f@3"]


def test_a_handled_failure_ends_nothing() -> None:
    """Its error handler goes on; what comes after the failure stays uncertain.

    START --> slow
    START --> a/x --> b[x]
    START --> d --> e
    """
    of = graph(slow=SLOW, a=node("b", writes="x"), b=node(reads="x"), d=node("e"), e=node())
    play = Play(of, "slow a d")
    assert play.predictor.failed(play["a@1"], fatal=False) == []
    assert play.finish("d@1") == ["e@2"]
    assert play.finish("a@1", x=["by the handler"]) == ["b@2"]


# -- routers --------------------------------------------------------------------


def test_a_router_waits_for_what_it_reads() -> None:
    """The body of ``b`` reads nothing, so it runs ahead; its router must wait.

    START --> slow/x
    START --> a --> b --(x?)..> c
    """
    of = graph(slow=node(writes="x"), a=node("b"), b=node(may="c", router="x"), c=node())
    play = Play(of, "slow a")
    assert play.finish("a@1") == ["b@2"]
    assert not play.predictor.may_route(play["b@2"])
    play.predictor.routing(play["b@2"])
    assert play.settle() == []
    assert play.routable == []
    play.finish("slow@1", x=[1])
    assert play.routable == ["b@2"]
    assert play.predictor.may_route(play["b@2"])
    assert play.finish("b@2", to="c") == ["c@3"]


def test_a_router_that_needs_the_true_state_waits_for_good() -> None:
    """It touched what was not certain: only its superstep will do.

    START --> slow
    START --> a --> b --(?)..> c
    """
    of = graph(slow=SLOW, a=node("b"), b=node(may="c", router=""), c=node())
    play = Play(of, "slow a")
    play.finish("a@1")
    play.predictor.routing(play["b@2"], for_good=True)
    play.settle()
    play.finish("slow@1")
    assert play.routable == []
    play.commit()
    play.settle()
    assert play.routable == [], "LangGraph asks for the task, and runs the router itself"
    play.finish("b@2", to="c")
    assert play.commit() == ["c@3"]


def test_a_router_that_changes_the_state_by_reading_it() -> None:
    """It is shown what ``b`` wrote, by a reducer that extends the real list: not ahead.

    START --> slow
    START --> a --> b/x --(x?)..> c
    """
    b = node(may="c", router="x", writes="x")
    play = Play(graph(slow=SLOW, a=node("b"), b=b, c=node(), unsafe="x"), "slow a")
    assert play.finish("a@1") == ["b@2"]
    assert not play.predictor.may_route(play["b@2"])
    play.predictor.routing(play["b@2"])
    play.finish("slow@1")
    assert play.routable == []
    safe = Play(graph(slow=SLOW, a=node("b"), b=b, c=node()), "slow a")
    safe.finish("a@1")
    assert safe.predictor.may_route(safe["b@2"])


def test_while_a_router_waits_its_destinations_are_possible() -> None:
    """``b`` has run, but may still lead to ``c``, which writes what ``f`` reads.

    START --> slow/x
    START --> a --> b --(x?)..> c/y
    START --> d --> e --> g --> f[y]
    """
    of = graph(
        slow=node(writes="x"),
        a=node("b"),
        b=node(may="c", router="x"),
        c=node(writes="y"),
        d=node("e"),
        e=node("g"),
        g=node("f"),
        f=node(reads="y"),
    )
    play = Play(of, "slow a d")
    play.finish("a@1")
    play.predictor.routing(play["b@2"])
    play.settle()
    play.finish("d@1")
    assert play.finish("e@2") == ["g@3"]
    assert play.finish("g@3") == []
    play.finish("slow@1")
    assert play.finish("b@2") == ["f@4"]


# -- when LangGraph differs -------------------------------------------------------


def test_a_task_that_langgraph_did_not_make() -> None:
    """Foreseen from writes that LangGraph did not apply; what came of it is forgotten.

    START --> slow
    START --> a --> b --> c
               `--> d
    """
    of = graph(slow=SLOW, a=node("b d"), b=node("c"), c=node(), d=node())
    play = Play(of, "slow a")
    play.finish("a@1")
    play.finish("b@2")
    assert play.finish("slow@1") == []
    old, kept = play["c@3"], play["d@2"]
    play.predictor.advance()
    (task,) = play.predictor.begin(2, [(of.masks.index["d"], None, None)], 99)
    assert task is kept
    assert play.predictor.rebuilt
    assert not play.predictor.known.has(old)
    assert "c@3" not in play
    assert play.finish("d@2") == []


def test_a_task_that_was_not_foreseen() -> None:
    """LangGraph made more; what was foreseen stands, and the new one counts as unfinished.

    START --> slow
    START --> a --> b --> c[x]
              z/x (nobody knows why)
    """
    of = graph(slow=SLOW, a=node("b"), b=node("c"), c=node(reads="x"), z=node(writes="x"))
    play = Play(of, "slow a")
    play.finish("a@1")
    play.finish("slow@1")
    play.predictor.advance()
    made = [(of.masks.index[name], None, None) for name in ("b", "z")]
    _, new = play.predictor.begin(2, made, 99)
    assert not play.predictor.rebuilt
    assert new.phase is Phase.WAITING
    assert play.settle() == [], "LangGraph starts the tasks of its superstep"
    assert play.finish("b@2") == []
    assert play.finish("z@2", x=[1]) == ["c@3"]


def test_distrust() -> None:
    """``b`` was given something else than LangGraph's task: it and all after it run again.

    START --> slow
    START --> a --> b --> c --> d
               `--> e --> f
    """
    of = graph(slow=SLOW, a=node("b e"), b=node("c"), c=node("d"), d=node(), e=node("f"), f=node())
    play = Play(of, "slow a")
    play.finish("a@1")
    play.finish("b@2")
    play.finish("c@3")
    play.finish("e@2")
    play.finish("slow@1")
    play.commit()
    gone = [play["c@3"], play["d@4"], play["f@3"]]
    play.predictor.distrust(play["b@2"])
    assert play.predictor.rebuilt
    assert not any(play.predictor.known.has(task) for task in gone)
    assert play["b@2"].phase is Phase.WAITING
    assert play.settle() == ["f@3"], "foreseen anew, from what e has written"
    assert play.finish("b@2") == ["c@3"]


def test_dropped() -> None:
    """A run ahead came to nothing: the task is not started ahead again.

    START --> slow
    START --> a --> b
    START --> c --> d
    """
    of = graph(slow=SLOW, a=node("b"), b=node(), c=node("d"), d=node())
    play = Play(of, "slow a c")
    play.finish("a@1")
    play.predictor.dropped(play["b@2"])
    assert play.finish("c@1") == ["d@2"]
    play.finish("slow@1")
    assert play.commit() == ["b@2", "d@2"]
    assert play.adopted() == ["d@2"]


def test_speculative() -> None:
    """``b`` starts on the guess that ``slow`` will not change ``x``.

    START --> slow/x
    START --> a --> b[x]
    """
    of = graph(slow=node(writes="x"), a=node("b"), b=node(reads="x"), keys={"x": last()})
    play = Play(of, "slow a", {"x": 0}, speculative=True)
    assert play.finish("a@1") == ["b@2"]
    assert play.predictor.certain(["x"], 2) == {"x"}
    assert play.value("x", 2) == 0
    play.finish("slow@1", x=1)
    assert play.value("x", 2) == 1, "what was guessed is not kept"


def test_speculative_guesses_nothing_that_changes_in_place() -> None:
    """A reducer that extends its list would make any guess true in the end.

    START --> slow/x
    START --> a --> b[x]
    """
    of = graph(slow=node(writes="x"), a=node("b"), b=node(reads="x"), unsafe="x")
    play = Play(of, "slow a", speculative=True)
    assert play.finish("a@1") == []
    assert play.predictor.certain(["x"], 2) == set()


def test_skip() -> None:
    """Nothing was foreseen from superstep 1; from 2 on there is.

    START --> a --> b
                `-> c --> d
    """
    of = graph(a=node("b c"), b=node(), c=node("d"), d=node())
    play = Play(of, "a")
    play.predictor.known.steps.clear()
    play.predictor.skip(1, of.bit("a"))
    play.predictor.advance()
    tasks = play.predictor.begin(2, [(of.masks.index[name], None, None) for name in "bc"], 99)
    assert [play.name(task) for task in tasks] == ["b@2", "c@2"]
    assert play.finish("c@2") == ["d@3"]


def test_a_deferred_node_triggered_in_a_skipped_superstep() -> None:
    """``z`` waits since 1, and may write what ``d`` reads.

    START --> a --> z/x (deferred)
               `==> b ==> c --> d[x]
    """
    of = graph(
        a=node("z", sends="b"),
        b=node(sends="c"),
        c=node("d"),
        d=node(reads="x"),
        z=node(defer=True, writes="x"),
        slow=SLOW,
    )
    play = Play(of, "a")
    play.predictor.known.deferred = 0  # as if it had not been triggered before the run
    play.predictor.known.steps.clear()
    play.predictor.skip(1, of.bit("a"))
    assert play.predictor.known.deferred == of.bit("z")


def test_a_task_that_cannot_be_made() -> None:
    """``c`` cannot be made, so superstep 3 never begins, whatever else is foreseen in it.

    START --> a --> b --> c
    START --> s --> m --> n
                `-> t
    """
    of = graph(a=node("b"), b=node("c"), c=node(), s=node("m t"), m=node("n"), n=node(), t=node())
    play = Play(of, "a s")
    assert play.finish("a@1") == ["b@2"]
    assert play.finish("b@2") == ["c@3"]
    play["c@3"].run = None
    play.predictor.refused(play["c@3"])
    play.finish("s@1")
    assert play.commit() == ["b@2", "m@2", "t@2"]
    assert play.finish("m@2") == []
    play.finish("t@2")
    # It could be made after all: then it is a task like any other.
    assert play.commit() == ["c@3", "n@3"]
    assert play["c@3"].phase is Phase.RUNNING


def test_nothing_is_left() -> None:
    """
    START --> slow
    START --> a/x ==> b
    """
    of = graph(slow=SLOW, a=node(sends="b", writes="x"), b=node())
    play = Play(of, "slow a")
    play.finish("a@1", send="b:1", x=[1])
    play.value("x", 2)
    play.predictor.forget()
    assert not play.predictor.known.steps
    assert not play.predictor.virtual.channels
    assert not play.predictor.ahead_of(0)
    assert play.settle() == []
