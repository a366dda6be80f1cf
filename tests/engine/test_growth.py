"""Tasks that grow: what is certain of one that has not ended.

``▷`` marks a node whose output is known part by part; the rest is as in
``test_predictor.py``: a key in brackets is what a node reads, one after a slash
what it writes.
"""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.types import Send

from langgraph_alto._langgraph import TASKS
from langgraph_alto.engine.kept import Kept
from tests.engine.graphs import ANY, graph, last, node
from tests.engine.play import Play


def grow(play: Play, name: str, to: str = "", *packets: Send, **values: Any) -> list[str]:
    """A task puts out a part; what may start now."""
    writes = [*values.items(), *((f"to:{each}", None) for each in to.split())]
    play.predictor.grown(play[name], [*writes, *((TASKS, packet) for packet in packets)])
    return play.settle()


def end(play: Play, name: str, *packets: Send, to: str = "", **values: Any) -> list[str]:
    """A task ends with these packets, beside what its edges write."""
    task = play[name]
    play.predictor.finished(
        task,
        [*play.writes(task, to, **values), *((TASKS, packet) for packet in packets)],
    )
    return play.settle()


ONE, TWO, THREE = (Send("w", at) for at in (1, 2, 3))


# -- packets --------------------------------------------------------------------


def test_packets_start_when_they_are_known() -> None:
    """
    START --> ▷a ..> w
    """
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    assert grow(play, "a@1", "", ONE) == ["w:1@2"]
    assert grow(play, "a@1", "", TWO) == ["w:2@2"]
    assert end(play, "a@1", ONE, TWO, THREE) == ["w:3@2"]
    assert play.commit() == ["w:1@2", "w:2@2", "w:3@2"]
    assert play.adopted() == ["w:1@2", "w:2@2", "w:3@2"]
    assert not play.predictor.rebuilt


def test_its_packets_stand_in_the_order_of_the_senders() -> None:
    """
    START --> ▷a ..> w
    START --> ▷b ..> w
    """
    play = Play(graph(a=node(sends="w"), b=node(sends="w"), w=node()), "a b")
    grow(play, "b@1", "", TWO)
    grow(play, "a@1", "", ONE)
    end(play, "b@1", TWO)
    end(play, "a@1", ONE)
    play.commit()
    assert play.adopted() == ["w:1@2", "w:2@2"]
    assert [play[name].index for name in ("w:1@2", "w:2@2")] == [0, 1]


def test_what_comes_of_its_packets_goes_on() -> None:
    """
    START --> ▷a ..> ▷m ..> w
    """
    play = Play(graph(a=node(sends="m"), m=node(sends="w"), w=node()), "a")
    m = Send("m", "m")
    assert grow(play, "a@1", "", m) == ["m:m@2"]
    assert grow(play, "m:m@2", "", ONE) == ["w:1@3"]
    assert end(play, "m:m@2", ONE) == []
    play.finish("w:1@3")
    assert end(play, "a@1", m) == []
    assert play.commit() == play.adopted() == ["m:m@2"]
    assert play.commit() == play.adopted() == ["w:1@3"]


def test_a_packet_that_did_not_come_after_all() -> None:
    """What is left is kept, and what came of the other is forgotten."""
    play = Play(graph(a=node(sends="w"), w=node("z"), z=node()), "a")
    grow(play, "a@1", "", ONE, TWO)
    kept = play["w:2@2"]
    play.finish("w:1@2")
    end(play, "a@1", TWO)
    assert play.predictor.rebuilt
    assert "w:1@2" not in play
    assert play["w:2@2"] is kept
    assert play.commit() == play.adopted() == ["w:2@2"]


def test_packets_in_another_order() -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    grow(play, "a@1", "", ONE, TWO)
    end(play, "a@1", TWO, ONE)
    assert not play.predictor.rebuilt
    play.commit()
    assert play.adopted() == ["w:1@2", "w:2@2"]
    assert [play[name].index for name in ("w:2@2", "w:1@2")] == [0, 1]


def test_a_copy_of_a_packet_is_that_packet() -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    seen, sent = Send("w", {"x": [1]}), Send("w", {"x": [1]})
    grow(play, "a@1", "", seen)
    task = play.predictor.known.steps[2].pushes[0]
    end(play, "a@1", sent)
    assert task.packet is sent
    assert not play.predictor.rebuilt


def test_packets_to_nobody_have_a_place() -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    nobody = Send("nobody", 0)
    assert grow(play, "a@1", "", nobody, ONE) == ["w:1@2"]
    end(play, "a@1", nobody, ONE)
    assert play.predictor.place(play["w:1@2"]) == 1
    assert play.commit() == play.adopted() == ["w:1@2"]


def test_the_place_is_not_known_before_the_end() -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    grow(play, "a@1", "", ONE)
    assert play.predictor.place(play["w:1@2"]) is None
    end(play, "a@1", ONE)
    assert play.predictor.place(play["w:1@2"]) == 0


def test_one_that_needs_its_place_waits_for_the_end() -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a", exact="w")
    assert grow(play, "a@1", "", ONE) == []
    assert end(play, "a@1", ONE) == ["w:1@2"]


def test_one_that_changes_things_in_place_waits_for_the_end() -> None:
    """What it was sent may be what the sender still reads."""
    play = Play(graph(a=node(sends="w"), w=node(mutates=ANY)), "a")
    assert grow(play, "a@1", "", ONE) == []
    assert end(play, "a@1", ONE) == ["w:1@2"]


# -- keys -----------------------------------------------------------------------


def two(**more: Any) -> Any:
    """
    START --> ▷a/x,y --> head[x]
                     --> body[x,y]
    """
    return graph(
        a=node("head body", writes="x y", **more),
        head=node(reads="x"),
        body=node(reads="x y"),
        keys={"x": last(), "y": last()},
    )


def test_a_follower_waits_for_what_it_reads() -> None:
    play = Play(two(), "a")
    assert grow(play, "a@1", x=1) == ["head@2"]
    assert play.value("x", 2) == 1
    assert grow(play, "a@1", y=2) == ["body@2"]
    assert play.finish("a@1", x=1, y=2) == []
    assert play.commit() == play.adopted() == ["body@2", "head@2"]
    assert not play.predictor.rebuilt


def test_a_follower_that_reads_nothing_of_it_is_not_hurried() -> None:
    """It gains nothing of the parts: whether it runs at all is for the end to say."""
    play = Play(graph(a=node("b", writes="x"), b=node(), keys={"x": last()}), "a")
    assert grow(play, "a@1", x=1) == []
    assert play.finish("a@1", x=1) == ["b@2"]


def test_a_key_that_is_added_up_is_not_certain() -> None:
    play = Play(graph(a=node("b", writes="x"), b=node(reads="x")), "a", {"x": [0]})
    assert grow(play, "a@1", x=[1]) == []
    assert play.finish("a@1", x=[1, 2]) == ["b@2"]
    assert play.value("x", 2) == [0, 1, 2]


def test_unknown_writes_are_certain_only_where_a_node_reads_what_is_there() -> None:
    of = graph(
        a=node("b c", writes=ANY),
        b=node(reads="x"),
        c=node(reads="x y"),
        keys={"x": last(), "y": last()},
    )
    play = Play(of, "a")
    assert grow(play, "a@1", x=1) == ["b@2"]
    assert play.finish("a@1", x=1) == ["c@2"]


def test_another_task_that_may_write_it() -> None:
    """
    START --> ▷a/x --> b[x,z]
    START --> slow/z
    """
    of = graph(
        a=node("b", writes="x"),
        slow=node(writes="z"),
        b=node(reads="x z"),
        keys={"x": last()},
    )
    play = Play(of, "a slow")
    assert grow(play, "a@1", x=1) == []
    assert play.finish("slow@1", z=[1]) == ["b@2"]
    assert play.finish("a@1", x=1) == []


def test_another_task_that_may_start_it() -> None:
    """An edge orders its ends, whatever they share.

    START --> ▷a/x --> b[x]
    START --> slow ..> b
    """
    of = graph(a=node("b", writes="x"), slow=node(may="b"), b=node(reads="x"), keys={"x": last()})
    play = Play(of, "a slow")
    assert grow(play, "a@1", x=1) == []
    assert play.finish("slow@1") == ["b@2"]


def test_two_that_grow_start_one_task() -> None:
    """
    START --> ▷a/x --> c[x,y]
    START --> ▷b/y --> c
    """
    of = graph(
        a=node("c", writes="x"),
        b=node("c", writes="y"),
        c=node(reads="x y"),
        keys={"x": last(), "y": last()},
    )
    play = Play(of, "a b")
    assert grow(play, "a@1", x=1) == []
    assert grow(play, "b@1", y=2) == ["c@2"]
    play.finish("a@1", x=1)
    play.finish("b@1", y=2)
    assert play.commit() == play.adopted() == ["c@2"]


@pytest.mark.parametrize("shared", ["store", "before", "after"])
def test_what_is_shared_besides_the_state(shared: str) -> None:
    store = shared == "store"
    of = graph(
        a=node("b", store=store, mutates=ANY if shared == "before" else "", writes="x"),
        b=node(reads="x", store=store, mutates="x" if shared == "after" else ""),
        keys={"x": last()},
    )
    play = Play(of, "a")
    assert grow(play, "a@1", x=1) == []
    # What a node changes in place must be the real one: it waits for the commit.
    assert play.finish("a@1", x=1) == ([] if shared == "after" else ["b@2"])


def test_a_waiting_edge_waits() -> None:
    """
    START --> ▷a/x --+--> c[x]
    START --> b -----'
    """
    of = graph(
        joins="a+b->c",
        a=node(writes="x"),
        b=node(),
        c=node(reads="x"),
        keys={"x": last()},
    )
    play = Play(of, "a b")
    assert grow(play, "a@1", x=1) == []
    assert play.finish("b@1") == []
    assert play.finish("a@1", x=1) == ["c@2"]


def test_a_node_that_it_names() -> None:
    """
    START --> ▷a/x ..> b[x]
    """
    of = graph(a=node(may="b", writes="x y"), b=node(reads="x"), keys={"x": last(), "y": last()})
    play = Play(of, "a")
    assert grow(play, "a@1", "b") == [], "x may still come"
    assert grow(play, "a@1", x=1) == ["b@2"]
    assert play.finish("a@1", to="b", x=1, y=2) == []
    assert play.commit() == play.adopted() == ["b@2"]


def test_a_name_that_did_not_come_after_all() -> None:
    of = graph(a=node(may="b", writes="x"), b=node(reads="x"), keys={"x": last()})
    play = Play(of, "a")
    assert grow(play, "a@1", "b", x=1) == ["b@2"]
    play.finish("a@1", x=1)
    assert play.predictor.rebuilt
    assert "b@2" not in play
    assert play.commit() == []


def test_another_value_in_the_end() -> None:
    play = Play(two(), "a")
    first = [1]
    grow(play, "a@1", x=first)
    task = play["head@2"]
    play.finish("a@1", x=[2], y=0)
    assert play.predictor.rebuilt
    assert play.value("x", 2) == [2]
    assert play["head@2"] is task, "what it was given is compared when its superstep comes"


# -- ends -----------------------------------------------------------------------


def test_it_begins_again() -> None:
    """What it had put out counts for nothing; what others had, stays.

    START --> ▷a ..> w
    START --> b --> c
    """
    play = Play(graph(a=node(sends="w"), b=node("c"), c=node(), w=node()), "a b")
    grow(play, "a@1", "", ONE)
    play.finish("b@1")
    kept = play["c@2"]
    play.predictor.retracted(play["a@1"])
    play.settle()
    assert "w:1@2" not in play
    assert play["c@2"] is kept
    assert grow(play, "a@1", "", TWO) == ["w:2@2"]
    assert end(play, "a@1", TWO) == []
    play.commit()
    assert play.adopted() == ["c@2", "w:2@2"]


@pytest.mark.parametrize("fatal", [True, False])
def test_it_fails(fatal: bool) -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    grow(play, "a@1", "", ONE)
    task = play["w:1@2"]
    gone = play.predictor.failed(play["a@1"], fatal=fatal)
    assert gone == ([task] if fatal else [])
    assert play.predictor.known.has(task) == fatal
    assert grow(play, "a@1", "", TWO) == []


@pytest.mark.parametrize(("stop", "started"), [(1, []), (2, ["w:1@2"])])
def test_the_recursion_limit(stop: int, started: list[str]) -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a", stop=stop)
    assert grow(play, "a@1", "", ONE) == started


@pytest.mark.parametrize("options", [{"stops_before": "w"}, {"stops_after": "a"}])
def test_static_interrupts(options: dict[str, Any]) -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a", **options)
    assert grow(play, "a@1", "", ONE) == []
    assert end(play, "a@1", ONE) == []


def test_one_that_may_interrupt_starts_nothing() -> None:
    play = Play(graph(a=node(sends="w", interrupts=True), w=node()), "a")
    assert grow(play, "a@1", "", ONE) == []


def test_it_grows_ahead_of_its_superstep() -> None:
    """
    START --> slow
    START --> q --> ▷a/x --> b[x]
    """
    of = graph(
        slow=node(), q=node("a"), a=node("b", writes="x y"), b=node(reads="x"), keys={"x": last()}
    )
    play = Play(of, "slow q")
    assert play.finish("q@1") == ["a@2"]
    assert grow(play, "a@2", x=1) == ["b@3"]
    play.finish("slow@1")
    assert play.commit() == play.adopted() == ["a@2"]
    assert play["b@3"].run
    assert play.finish("a@2", x=1) == []
    assert play.commit() == play.adopted() == ["b@3"]


def test_the_one_before_it_fails_to_come() -> None:
    """All that grew of a task goes with the task."""
    play = Play(graph(q=node(sends="a"), a=node(sends="w"), w=node()), "q")
    first = Send("a", "a")
    grow(play, "q@1", "", first)
    grow(play, "a:a@2", "", ONE)
    end(play, "q@1")
    assert "a:a@2" not in play
    assert "w:1@3" not in play
    assert play.commit() == []


def test_late_parts_of_what_is_over() -> None:
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    task = play["a@1"]
    end(play, "a@1", ONE)
    play.predictor.grown(task, [(TASKS, TWO)])
    assert "w:2@2" not in play
    play.commit()
    play.predictor.grown(task, [(TASKS, TWO)])
    play.predictor.retracted(task)
    assert play.settle() == []


# -- what is changed after it was put out -----------------------------------------


def test_a_packet_that_is_changed_afterwards() -> None:
    """What came of it starts again; what the task itself was made for stays."""
    play = Play(graph(a=node(sends="w"), w=node()), "a")
    sent = Send("w", [1])
    grow(play, "a@1", "", sent)
    task = play.predictor.known.steps[2].pushes[0]
    sent.arg.append(2)
    assert end(play, "a@1", sent) == ["w:[1, 2]@2"]
    assert not play.predictor.known.has(task)
    assert play.commit() == play.adopted() == ["w:[1, 2]@2"]


def test_a_value_that_is_changed_afterwards() -> None:
    play = Play(two(), "a")
    value = {"deep": [1]}
    grow(play, "a@1", x=value)
    task = play["head@2"]
    value["deep"].append(2)
    assert play.finish("a@1", x=value, y=0) == ["body@2", "head@2"]
    assert play["head@2"] is not task


def test_one_that_ran_ahead_stays_when_it_changes_what_it_put_out() -> None:
    """Or it would start again, and change it again, for ever."""
    of = graph(slow=node(), q=node("a"), a=node(sends="w"), w=node())
    play = Play(of, "slow q")
    play.finish("q@1")
    task, sent = play["a@2"], Send("w", [1])
    grow(play, "a@2", "", sent)
    sent.arg.append(2)
    assert end(play, "a@2", sent) == ["w:[1, 2]@3"]
    assert play["a@2"] is task


def test_a_change_is_not_forgotten_when_all_is_foreseen_again() -> None:
    play = Play(graph(a=node(sends="w"), b=node(sends="w"), w=node()), "a b")
    sent = Send("w", [1])
    grow(play, "a@1", "", sent)
    task = play.predictor.known.steps[2].pushes[0]
    sent.arg.append(2)
    grow(play, "b@1", "", ONE)
    play.predictor.retracted(play["b@1"])
    play.settle()
    end(play, "a@1", sent)
    assert not play.predictor.known.has(task)


class TestKept:
    def test_what_stays(self) -> None:
        kept = Kept()
        shared = {"list": [1, {2}, (3, [4])], "text": "x", "none": None, "float": float("nan")}
        shared["self"] = shared  # type: ignore[assignment]
        kept.add(shared)
        kept.add([shared, shared])
        assert kept.intact()

    @pytest.mark.parametrize(
        "change",
        [
            lambda value: value.update(new=1),
            lambda value: value.pop("set"),
            lambda value: value.update(number=2000),
            lambda value: value.update(number=True),
            lambda value: value["list"].append(1),
            lambda value: value["list"][0].clear(),
            lambda value: value["set"].add(3),
            lambda value: value["deep"][0]["deeper"].append(1),
            lambda value: value["list"].reverse(),
        ],
    )
    def test_what_changes(self, change: Any) -> None:
        value = {"number": 1, "list": [[1], 2], "set": {1}, "deep": ({"deeper": []},)}
        kept = Kept()
        kept.add(value)
        assert kept.intact()
        change(value)
        assert not kept.intact()

    def test_an_equal_value_in_its_place_is_no_change(self) -> None:
        value = {"number": 10**6}
        kept = Kept()
        kept.add(value)
        value["number"] = int("1000000")
        assert kept.intact()

    def test_a_change_and_back_between_two_parts(self) -> None:
        value = {"at": 0}
        kept = Kept()
        for at in (0, 1, 0):
            value["at"] = at
            kept.add(value)
        assert not kept.intact()

    def test_ids_that_messages_are_given(self) -> None:
        from langchain_core.messages import HumanMessage

        message = HumanMessage("x")
        kept = Kept()
        kept.add([message])
        message.id = "1"
        assert kept.intact()
        message.content = "y"
        assert not kept.intact()
