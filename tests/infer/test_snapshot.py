"""Pictures of a state: equal for equal states, and different where it changed."""

from __future__ import annotations

import collections
import copy
import datetime
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langgraph_alto.learned.snapshot import MAX_OBJECTS, changes, picture
from tests.infer.support import Plain, Sheet, Slotted, Topic, dotted, given


def state() -> dict[str, Any]:
    return {
        **given(),
        "slots": Slotted(),
        "plain": Plain(),
        "message": AIMessage("hi", additional_kwargs={"a": [1]}),
        "queue": collections.deque([1]),
        "counts": collections.Counter("aab"),
        "when": datetime.date(2020, 1, 1),
        "bytes": bytearray(b"x"),
        "pair": (1, [2]),
        "nan": float("nan"),
        "text": "text",
    }


CHANGES: list[tuple[Callable[[Any], Any], set[str]]] = [
    (lambda s: None, set()),
    (lambda s: s["docs"].append(1), {"docs"}),
    (lambda s: s["docs"][0].update(score=7), {"docs.[].score"}),
    (lambda s: s["docs"][0].update(score=True), {"docs.[].score"}),
    (lambda s: s["docs"].reverse(), {"docs.[].score", "docs.[].text", "docs.[].tags"}),
    (lambda s: s["table"].update(new=1), {"table.new"}),
    (lambda s: s["table"].pop("a"), {"table.a"}),
    (lambda s: s["table"].update({1: 2}), {"table"}),
    (lambda s: s["topic"].add(1), {"topic.notes"}),
    (lambda s: setattr(s["topic"], "other", 1), {"topic.other"}),
    (lambda s: s["sheet"].rows[0].update(cell=2), {"sheet.rows.[].cell"}),
    (lambda s: setattr(s["sheet"], "topic", Topic("x")), {"sheet.topic.title"}),
    (lambda s: s["slots"].y.append(1), {"slots.y"}),
    (lambda s: setattr(s["plain"], "parent", s["plain"]), {"plain.parent"}),
    (lambda s: s["message"].additional_kwargs["a"].append(1), {"message.additional_kwargs.a"}),
    (lambda s: s["queue"].append(1), {"queue"}),
    (lambda s: s["counts"].update("a"), {"counts.a"}),
    (lambda s: s["bytes"].extend(b"y"), {"bytes"}),
    (lambda s: s["pair"][1].append(1), {"pair.[]"}),
    (lambda s: s["words"].add("x"), {"words"}),
]


@pytest.mark.parametrize(("change", "paths"), CHANGES)
def test_changes(change: Callable[[Any], Any], paths: set[str]) -> None:
    now = state()
    before = picture(now)
    change(now)
    assert dotted(changes(before, picture(now))) == paths
    assert not before.unseen


def test_equal_states_have_equal_digests() -> None:
    one = state()
    assert picture(one).digest == picture(copy.deepcopy(one)).digest
    one["topic"].add(5)
    assert picture(one).digest != picture(state()).digest


def test_objects_with_attributes_are_states_too() -> None:
    sheet = Sheet()
    before = picture(sheet)
    sheet.rows.append({})
    assert dotted(changes(before, picture(sheet))) == {"rows"}


def test_what_cannot_be_compared() -> None:
    now = {
        "generator": iter(lambda: 1, 2),
        "lock": threading.Lock(),
        "many": [{"n": n} for n in range(MAX_OBJECTS + 1)],
        "after": [1],
    }
    assert set(picture(now).unseen) == {"generator", "many"} | {"after"} & set(picture(now).unseen)


def test_pictures_run_no_code_of_the_objects() -> None:
    class Trap:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        __eq__ = __repr__ = __len__ = __iter__ = __hash__ = __getattribute__  # type: ignore[assignment]

    now = {"trap": Trap(), "list": [Trap()]}
    assert not changes(picture(now), picture(now))
