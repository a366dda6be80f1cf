"""Objects of classes that no schema tells: what the code around them gives away."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import pytest
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportIndexIssue=false, reportUnusedExpression=false
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, comparison-overlap, type-arg"
# mypy: disable-error-code="var-annotated, has-type, operator"


@dataclasses.dataclass
class Box:
    held: list
    count: int = 0

    def __getitem__(self, key):
        self.count += 1
        return self.held

    def __iter__(self):
        self.count += 1
        return iter(self.held)

    def __contains__(self, other):
        self.count += 1
        return True

    def __call__(self):
        self.count += 1

    def __add__(self, other):
        self.count += 1
        return self

    @property
    def prop(self):
        self.count += 1
        return self.held


class Negative:
    def __init__(self):
        self.count = 0

    def __neg__(self):
        self.count += 1
        return self


class Looked(TypedDict):
    box: Negative


def a_helper(box: Box):
    return box["x"]


def a_helper_of_many(boxes: list[Box]):
    return [box.prop for box in boxes]


def a_helper_with_a_name(box: "Box | None"):  # noqa: UP037
    return box and 1 in box


def a_helper_that_takes_one(it: Iterator[int]):
    return list(it)


def an_annotated_parameter(state):
    return {"out": a_helper(state["box"])}


def a_parameter_that_holds_some(state):
    return {"out": a_helper_of_many(state["box"])}


def an_annotation_in_quotes(state):
    return {"out": a_helper_with_a_name(state["box"])}


def an_iterator_by_its_parameter(state):
    return {"out": a_helper_that_takes_one(state["box"])}


def an_annotated_variable(state):
    box: Box = state["box"]
    return {"out": box["x"]}


def a_parameter_of_a_nested_function(state):
    def inner(box: Box):
        return box + 1

    return {"out": inner(state["box"])}


def a_check(state):
    box = state["box"]
    if isinstance(box, (Box, str)):
        for _ in box:
            pass


def a_check_after_the_fact(state):
    box = state["box"]
    held = box.prop
    if not isinstance(box, Box):
        raise TypeError
    return {"out": held}


def a_check_of_each(state):
    return {"out": [b.prop for b in state["box"] if isinstance(b, Box)]}


def a_cast(state):
    return {"out": cast(Box, state["box"]).prop}


def a_default(state):
    box = state.get("box", Box([]))
    return {"out": box["x"]}


def an_alternative(state):
    box = state.get("box") or Box([])
    return {"out": box["x"]}


def a_pattern(state):
    match state["box"]:
        case Box() as box:
            return {"out": box["x"]}


def a_class_pattern(state):
    match state["box"]:
        case Box(prop=held):
            return {"out": held}


TOLD = (
    an_annotated_parameter,
    a_parameter_that_holds_some,
    an_annotation_in_quotes,
    an_iterator_by_its_parameter,
    an_annotated_variable,
    a_parameter_of_a_nested_function,
    a_check,
    a_check_after_the_fact,
    a_check_of_each,
    a_cast,
    a_default,
    an_alternative,
    a_pattern,
    a_class_pattern,
)


@pytest.mark.parametrize("node", TOLD, ids=lambda f: f.__name__)
def test_the_code_of_a_class_that_is_told_is_followed(node: Any) -> None:
    facts = analyse_node(node)
    assert facts.mutates is not None
    assert facts.mutates in ({("box",)}, {("box", "count")}, {("box", "[]", "count")})


def no_sign(state):
    return {"out": state["box"]["x"], "more": state["box"].prop}


def a_plain_class(state):
    box: list = state["box"]
    checked = isinstance(box, (list, tuple))
    return {"out": [x for x in box], "checked": checked}  # noqa: C416


@pytest.mark.parametrize("node", [no_sign, a_plain_class])
def test_without_a_sign_nothing_changes(node: Any) -> None:
    assert analyse_node(node).mutates == frozenset()


def test_what_is_assumed_of_any_class_still_is() -> None:
    """The value may be of another class than the one it is checked for."""

    def node(state):
        box = state["box"]
        if isinstance(box, Box):
            return
        box.anything(state["other"])

    assert analyse_node(node).mutates == {("box",), ("other",)}


def test_operators_with_one_side_are_followed() -> None:
    def node(state):
        return {"out": -state["box"]}

    assert analyse_node(node, Looked).mutates == {("box",)}
