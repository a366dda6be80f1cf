"""Views: what is done with a state is noted, and done to the state itself."""

from __future__ import annotations

import copy
import dataclasses
import heapq
import json
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from langgraph_alto.learned.tracker import MAX_DEPTH, Release
from langgraph_alto.learned.views import MAX_ITEMS, PROXIES
from langgraph_alto.testing.canonical import canonical
from tests.infer.support import Plain, Sheet, Slotted, State, Topic, dotted, given, watch

Function = Callable[[Any], Any]

READS: list[tuple[Function, set[str]]] = [
    (lambda s: s["n"], {"n"}),
    (lambda s: s.get("n"), {"n"}),
    (lambda s: s.get("none"), {"none"}),
    (lambda s: "n" in s, {"n"}),
    (lambda s: [d["score"] for d in s["docs"]], {"docs.[].score"}),
    (lambda s: s["docs"][0]["score"], {"docs.[].score"}),
    (lambda s: [d["score"] for d in s["docs"][1:]], {"docs.[].score"}),
    (lambda s: max(s["docs"], key=lambda d: d["score"])["text"], {"docs.[].score", "docs.[].text"}),
    (lambda s: len(s["docs"]), {"docs"}),
    (lambda s: [1 for _ in s["docs"]], {"docs"}),
    (lambda s: s["docs"][0]["tags"][0], {"docs.[].tags"}),
    (lambda s: s["table"]["a"]["b"], {"table.a.b"}),
    (lambda s: s["table"].get("zz"), {"table.zz"}),
    (lambda s: s["table"][1][0], {"table"}),
    (lambda s: list(s["table"]), {"table"}),
    (lambda s: dict(s["table"]), {"table"}),
    (lambda s: [v for _, v in s["table"].items()], {"table"}),
    (lambda s: s["topic"].title, {"topic.title"}),
    (lambda s: s["topic"].loud, {"topic.title"}),
    (lambda s: getattr(s["topic"], "none", 0), {"topic.none"}),
    (lambda s: s["topic"] == Topic(), {"topic.title", "topic.notes"}),
    (lambda s: str(s["topic"]), {"topic.title", "topic.notes"}),
    (lambda s: vars(s["topic"]), {"topic"}),
    (lambda s: s["sheet"].rows[0]["cell"], {"sheet.rows.[].cell"}),
    (lambda s: s["sheet"].topic.title, {"sheet.topic.title"}),
    (lambda s: s["sheet"].model_dump(), {"sheet"}),
    (lambda s: s["sheet"]._cached, {"sheet"}),
    (lambda s: "wet" in s["words"], {"words"}),
    (lambda s: sorted(s["words"]), {"words"}),
    (lambda s: json.dumps(s["docs"]), {"docs"}),
    (lambda s: pickle.dumps(s["topic"]), {"topic"}),
    (lambda s: copy.deepcopy(s["docs"]), {"docs"}),
    (lambda s: {"log": [d for d in s["docs"] if d["score"]]}, {"docs"}),
    (lambda s: s["docs"] + [1], {"docs"}),
    (lambda s: [1] + s["docs"], {"docs"}),
    (lambda s: s["docs"] == [], {"docs"}),
    (lambda s: {**s["topic"].__dict__}, {"topic"}),
]


@pytest.mark.parametrize(("function", "reads"), READS)
def test_reads(function: Function, reads: set[str]) -> None:
    state, plain = given(), function(given())
    result, record = watch(function, state)
    assert dotted(record.reads) == reads
    assert not record.changed
    if not isinstance(plain, bytes):
        assert canonical(result) == canonical(plain)
    assert canonical(state) == canonical(given())


WHOLE: list[Function] = [
    lambda s: {**s},
    lambda s: dict(s),
    lambda s: json.dumps(s, default=str),
    lambda s: pickle.dumps(s),
    lambda s: copy.deepcopy(s),
    lambda s: s.copy(),
    lambda s: list(s.items()),
    lambda s: len(s),
    lambda s: str(s),
    lambda s: s,
    lambda s: s | {},
    lambda s: s == {},
]


@pytest.mark.parametrize("function", WHOLE)
def test_whole_reads(function: Function) -> None:
    _, record = watch(function, given())
    assert record.reads == {()}


CHANGES: list[tuple[Function, set[str]]] = [
    (lambda s: s["topic"].notes.append(1), {"topic.notes"}),
    (lambda s: s["topic"].add(1), {"topic.notes"}),
    (lambda s: setattr(s["topic"], "title", "sun"), {"topic.title"}),
    (lambda s: delattr(s["topic"], "title"), {"topic.title"}),
    (lambda s: setattr(s["sheet"], "name", "b"), {"sheet.name"}),
    (lambda s: s["sheet"].rows[0].update(cell=5), {"sheet.rows.[].cell"}),
    (lambda s: s["sheet"].topic.add(1), {"sheet.topic.notes"}),
    (lambda s: s["docs"].append({}), {"docs"}),
    (lambda s: s["docs"].extend([{}]), {"docs"}),
    (lambda s: s["docs"].insert(0, {}), {"docs"}),
    (lambda s: s["docs"].pop(), {"docs"}),
    (lambda s: s["docs"].pop(0), {"docs"}),
    (lambda s: s["docs"].remove(s["docs"][0]), {"docs"}),
    (lambda s: s["docs"].clear(), {"docs"}),
    (lambda s: s["docs"].reverse(), {"docs"}),
    (lambda s: s["docs"].sort(key=lambda d: -d["score"]), {"docs"}),
    (lambda s: s["docs"].__iadd__([{}]), {"docs"}),
    (lambda s: s["docs"].__imul__(2), {"docs"}),
    (lambda s: s["docs"].__setitem__(0, {}), {"docs"}),
    (lambda s: s["docs"].__setitem__(slice(1), [{}]), {"docs"}),
    (lambda s: s["docs"].__delitem__(0), {"docs"}),
    (lambda s: s["docs"][0].__setitem__("score", 9), {"docs.[].score"}),
    (lambda s: [d.pop("text") for d in s["docs"]], {"docs.[].text"}),
    (lambda s: s["table"].__setitem__("new", 1), {"table.new"}),
    (lambda s: s["table"].__delitem__("a"), {"table.a"}),
    (lambda s: s["table"].setdefault("new", []), {"table.new"}),
    (lambda s: s["table"].setdefault("a", []), set()),
    (lambda s: s["table"].update({"a": 1}, d=2), {"table.a", "table.d"}),
    (lambda s: s["table"].__ior__({"a": 1}), {"table.a"}),
    (lambda s: s["table"].pop("a"), {"table.a"}),
    (lambda s: s["table"].pop("none", 1), set()),
    (lambda s: s["table"].popitem(), {"table"}),
    (lambda s: s["table"].clear(), {"table"}),
    (lambda s: s["table"].__setitem__(7, 1), {"table"}),
    (lambda s: s["table"][1].append(1), {"table"}),
    (lambda s: s["words"].add("hail"), {"words"}),
    (lambda s: s["words"].discard("wet"), {"words"}),
    (lambda s: s["words"].update({"fog"}), {"words"}),
    (lambda s: s["words"].__ior__({"fog"}), {"words"}),
    # Written in C: they go around the methods of lists.
    (lambda s: heapq.heappush(s["topic"].notes, 0), {"topic.notes"}),
    (lambda s: heapq.heappushpop(s["topic"].notes, 3), {"topic.notes"}),
    (lambda s: list.append(s["docs"], {}), {"docs"}),
    (lambda s: dict.update(s["table"], z=1), {"table"}),
    (lambda s: random.Random(1).shuffle(s["docs"]), {"docs"}),
]


@pytest.mark.parametrize(("function", "changes"), CHANGES)
def test_changes(function: Function, changes: set[str]) -> None:
    plain, state = given(), given()
    expected = function(plain)
    result, record = watch(function, state)
    assert dotted(record.mutates) == changes
    assert canonical(state) == canonical(plain)
    assert canonical(result) == canonical(expected)


def test_its_own_input_is_the_nodes_to_set() -> None:
    def node(state: Any) -> Any:
        state["n"] = 5
        state["more"] = state["docs"]
        state["more"].append({})
        return state["n"]

    state = given()
    result, record = watch(node, state)
    assert result == 5
    assert dotted(record.mutates) == {"docs"}
    assert dotted(record.reads) == {"docs"}
    assert len(state["docs"]) == 3


def test_objects_stay_the_same_objects() -> None:
    state = given()
    topic = state["topic"]

    def node(view: Any) -> Any:
        assert view["topic"] is view["topic"]
        assert isinstance(view["topic"], Topic)
        assert view["topic"].__class__ is Topic
        assert isinstance(view["docs"], list)
        assert isinstance(view["sheet"], Sheet)
        view["docs"].append({"topic": view["topic"]})
        return {"log": (view["topic"], [view["topic"]], {"k": view["topic"]})}

    result, _ = watch(node, state)
    one, (two,), three = result["log"]
    assert one is two is three["k"] is state["docs"][-1]["topic"] is topic


def test_what_a_node_makes_of_its_classes_is_ordinary() -> None:
    def node(state: Any) -> Any:
        return [
            type(state["topic"])("new"),
            state["topic"].__class__("new"),
            type(state["docs"])([1]),
            dataclasses.replace(state["topic"], title="other"),
            copy.copy(state["topic"]),
            Sheet(rows=state["docs"], topic=state["topic"]),
            state["sheet"].model_copy(update={"name": "c"}),
        ]

    result, _ = watch(node, given())
    assert no_views(result)
    assert [type(each) for each in result] == [Topic, Topic, list, Topic, Topic, Sheet, Sheet]


def no_views(value: Any) -> bool:
    found: list[Any] = []
    Release(found.append).of(value)
    return not found and type(value) not in PROXIES


def test_no_view_stays_in_the_state_by_ways_around_it() -> None:
    def node(state: Any) -> None:
        object.__setattr__(state["topic"], "title", state["docs"])
        list.append(state["docs"], state["sheet"])

    state = given()
    watch(node, state)
    assert no_views(state)
    assert state["topic"].title is state["docs"]
    assert state["docs"][-1] is state["sheet"]


def test_slots_cycles_and_objects_with_an_identity() -> None:
    class Own(dict[str, Any]):
        pass

    child, parent = Plain(), Plain()
    child.parent, parent.parent = parent, child
    state = {"slots": Slotted(), "child": child, "known": {child: 1}, "own": Own(a=1)}

    def node(view: Any) -> Any:
        view["slots"].x += 1
        view["slots"].y.append(1)
        view["child"].parent.parent.parent.bump()
        return view["child"] in view["known"], view["own"]["a"]

    result, record = watch(node, state)
    assert result == (True, 1)
    assert state["slots"] == Slotted(2, [1])
    assert parent.count == 1
    assert dotted(record.mutates) == {"slots.x", "slots.y", "child.parent.count"}
    assert "own" in dotted(record.reads)


def test_deep_and_huge_parts_are_taken_as_a_whole() -> None:
    deep: Any = {"x": 1}
    for _ in range(MAX_DEPTH + 3):
        deep = {"d": deep}
    state = {"deep": deep, "huge": [{"a": 1}] * (MAX_ITEMS + 1)}

    def node(view: Any) -> Any:
        inner = view["deep"]
        for _ in range(MAX_DEPTH + 3):
            inner = inner["d"]
        return inner["x"], view["huge"][0]["a"]

    result, record = watch(node, state)
    assert result == (1, 1)
    assert ("huge",) in record.reads
    assert max(map(len, record.reads)) == MAX_DEPTH + 1


def test_objects_of_libraries_are_taken_as_a_whole() -> None:
    from langchain_core.messages import AIMessage

    state = {"messages": [AIMessage("hello")]}
    result, record = watch(lambda s: s["messages"][0].content, state)
    assert result == "hello"
    assert dotted(record.reads) == {"messages"}


def test_model_and_dataclass_states() -> None:
    @dataclasses.dataclass
    class Data:
        topic: Topic
        n: int = 1

    class Model(BaseModel):
        topic: Topic
        n: int = 1

    for state in (Data(Topic()), Model(topic=Topic())):

        def node(view: Any) -> Any:
            assert isinstance(view, (Data, Model))
            view.n = 3
            view.topic.add(1)
            return view.topic.title

        result, record = watch(node, state)
        assert result == "rain"
        assert state.n == 3
        assert state.topic.notes == [1]
        assert dotted(record.reads) == {"topic.title", "topic.notes"}
        assert dotted(record.mutates) == {"topic.notes"}


def test_models_that_check_what_is_assigned() -> None:
    class Strict(BaseModel, validate_assignment=True):
        n: int = 1
        names: list[str] = []

    state = {"strict": Strict()}

    def node(view: Any) -> Any:
        view["strict"].n = "5"
        view["strict"].names.append("a")
        return view["strict"].n

    result, record = watch(node, state)
    assert result == state["strict"].n == 5
    assert state["strict"].names == ["a"]
    assert dotted(record.mutates) == {"strict.n", "strict.names"}


def test_frozen_objects_stay_frozen() -> None:
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        n: int = 1

    state = {"frozen": Frozen()}
    with pytest.raises(dataclasses.FrozenInstanceError):
        watch(lambda s: setattr(s["frozen"], "n", 2), state)
    assert state["frozen"].n == 1


def test_errors_are_those_of_the_state_itself() -> None:
    for function, error in (
        (lambda s: s["none"], KeyError),
        (lambda s: s["docs"][9], IndexError),
        (lambda s: s["topic"].none, AttributeError),
        (lambda s: s["table"].pop("none"), KeyError),
        (lambda s: hash(s["docs"]), TypeError),
    ):
        with pytest.raises(error):
            watch(function, given())


def test_classes_with_hooks_of_their_own_have_no_view() -> None:
    class Registered:
        known: list[type] = []  # noqa: RUF012

        def __init_subclass__(cls) -> None:
            cls.known.append(cls)

        x = 1

    class Odd:
        x = 1

        def __getattribute__(self, name: str) -> Any:
            return object.__getattribute__(self, name)

    state = {"a": Registered(), "b": Odd()}
    result, record = watch(lambda s: (s["a"].x, s["b"].x), state)
    assert result == (1, 1)
    assert dotted(record.reads) == {"a", "b"}
    assert Registered.known == []


def test_state_is_typed() -> None:
    assert set(given()) == set(State.__annotations__)
