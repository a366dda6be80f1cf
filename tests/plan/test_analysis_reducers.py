"""Which reducers are known to leave their arguments alone."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph.message import add_messages

from langgraph_alto.plan.analysis import analyse_reducer

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


def appends(left, right):
    left.append(right)
    return left


def appends_to_a_copy(left, right):
    out = list(left or [])
    out.append(right)
    return out


def merges(left, right):
    return {**left, **right}


def updates(left, right):
    left.update(right)
    return left


def keeps_the_last(left, right):
    return right


def by_id(left, right):
    merged = {item["id"]: item for item in left}
    for item in right:
        if item["id"] in merged:
            merged[item["id"]] = {**merged[item["id"]], **item}
        else:
            merged[item["id"]] = item
    return sorted(merged.values(), key=lambda item: item["id"])


def by_id_in_place(left, right):
    merged = {item["id"]: item for item in left}
    for item in right:
        merged[item["id"]].update(item)
    return list(merged.values())


def augments(left, right):
    left += right
    return left


def asks_someone(left, right):
    return UNKNOWN(left, right)


def calls_an_unknown_method(left, right):
    return left.merge(right)


def calls_a_helper(left, right):
    return merges(left, right)


def calls_a_helper_that_appends(left, right):
    return appends(left, right)


def changes_the_right(left, right):
    right.pop()
    return left + right


class Merge:
    def __call__(self, left, right):
        return [*left, *right]


scope: dict[str, Any] = {}
exec("def made(left, right): return left + right", scope)
UNKNOWN = scope["made"]


@pytest.mark.parametrize(
    ("reducer", "safe"),
    [
        (operator.add, True),
        (operator.or_, True),
        (operator.iadd, False),
        (operator.ior, False),
        (max, True),
        (add_messages, True),
        (add_messages(format="langchain-openai"), True),  # type: ignore[call-arg]
        (lambda left, right: left + right, True),
        (lambda left, right: right or left, True),
        (lambda left, right: left.append(right) or left, False),
        (lambda left, right: (left or []) + [x for x in right if x not in left], True),
        (lambda left, right: left | right, True),
        (appends, False),
        (appends_to_a_copy, True),
        (merges, True),
        (updates, False),
        (keeps_the_last, True),
        (by_id, True),
        (by_id_in_place, False),
        (augments, False),
        (asks_someone, False),
        (calls_an_unknown_method, False),
        (calls_a_helper, True),
        (calls_a_helper_that_appends, False),
        (changes_the_right, False),
        (functools.partial(lambda k, left, right: left + right, 1), True),
        (Merge(), True),
        (list.extend, False),
        (dict.update, False),
        (UNKNOWN, False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_reducers(reducer: Callable[..., Any], safe: bool) -> None:
    assert analyse_reducer(reducer) is safe
