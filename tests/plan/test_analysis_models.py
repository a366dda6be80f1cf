"""Pydantic models keep the very objects they are made of, and the node changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false
# pyright: reportOptionalMemberAccess=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportDeprecated=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, attr-defined, union-attr, misc"
# mypy: disable-error-code="arg-type, index, no-any-return, call-arg, comparison-overlap"


class State(TypedDict, total=False):
    l: list[Any]  # noqa: E741
    a: Any
    d: dict[str, Any]
    name: str


class Model(BaseModel):
    x: Any = None
    label: str = ""


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Kid(BaseModel):
    held: dict[str, Any] = {}

    def add(self, item):
        self.held["item"] = item

    def first(self):
        return self.held.get("item")


class Parent(BaseModel):
    kid: Kid | None = None
    kids: list[Kid] = []


MODELS = TypeAdapter(Model)
LISTS = TypeAdapter(list[Any])


def made(state):
    Model(x=state["l"]).x.append(1)


def made_of_a_mapping(state):
    Model(**state["d"]).x.append(1)


def constructed(state):
    Model.model_construct(x=state["l"]).x.append(1)


def constructed_with_a_set_of_fields(state):
    Model.model_construct({"x"}, x=state["l"]).x.append(1)


def constructed_of_a_mapping(state):
    Model.model_construct(**state["d"]).x.append(1)


def validated(state):
    Model.model_validate({"x": state["l"]}).x.append(1)


def validated_with_keys_that_are_not_known(state):
    given = {}
    given[state["name"]] = state["l"]
    Model.model_validate(given).x.append(1)


def validated_from_a_mapping_of_the_state(state):
    Model.model_validate(state["d"]).x.append(1)


def validated_from_the_state(state):
    Model.model_validate(state).x.append(1)


def validated_from_anything(state):
    Model.model_validate(state["a"]).x.append(1)


def handed_back_as_it_is(state):
    Model.model_validate(state["a"]).x = 5


def validated_with_further_fields(state):
    Open.model_validate(state["d"]).anything.append(1)


def validated_into_models_in_models(state):
    Parent.model_validate(state["d"]).kid.held["x"].append(1)


def validated_into_a_list_of_models(state):
    for kid in Parent.model_validate(state["d"]).kids:
        kid.held["x"].append(1)


def changed_by_a_method(state):
    Parent.model_validate(state["d"]).kid.first().append(1)


def in_the_old_way(state):
    Model.parse_obj(state["d"]).x.append(1)


def adapted(state):
    MODELS.validate_python({"x": state["l"]}).x.append(1)


def adapted_at_once(state):
    TypeAdapter(Model).validate_python({"x": state["l"]}).x.append(1)


def adapted_to_a_list(state):
    LISTS.validate_python([state["l"]])[0].append(1)


def adapted_to_what_it_is(state):
    TypeAdapter(Any).validate_python(state["l"]).append(1)


def put_into_it(state):
    model = Model()
    model.x = state["l"]
    model.x.append(1)


def copied_with_an_update(state):
    Model().model_copy(update={"x": state["l"]}).x.append(1)


def in_its_dictionary(state):
    Model(x=state["l"]).__dict__["x"].append(1)


@pytest.mark.parametrize("schema", [State, None])
@pytest.mark.parametrize(
    "node",
    [
        *(made, made_of_a_mapping, constructed, constructed_with_a_set_of_fields),
        *(constructed_of_a_mapping, validated, validated_with_keys_that_are_not_known),
        *(validated_from_a_mapping_of_the_state, validated_from_the_state),
        *(validated_from_anything, handed_back_as_it_is, validated_with_further_fields),
        *(validated_into_models_in_models, validated_into_a_list_of_models, changed_by_a_method),
        *(in_the_old_way, adapted, adapted_at_once, adapted_to_a_list, adapted_to_what_it_is),
        *(put_into_it, copied_with_an_update, in_its_dictionary),
    ],
)
def test_changes_of_what_a_model_holds(node: Callable[..., Any], schema: object) -> None:
    assert analyse_node(node, schema).mutates != frozenset()


def reads_it(state):
    model = Model.model_validate(state["d"])
    words = [model.label, str(model.x)]
    words.append("end")
    return {"name": " ".join(words)}


def renames_it(state):
    model = Model.model_validate(state["d"])
    model.label = model.label.strip()
    return {"name": model.label}


def looks_into_it(state):
    parent = MODELS.validate_python({"x": state["l"], "label": state["name"]})
    kids = Parent.model_validate(state["d"]).kids
    return {"name": parent.label + str([kid.first() for kid in kids])}


@pytest.mark.parametrize("node", [reads_it, renames_it, looks_into_it])
def test_models_that_are_looked_at(node: Callable[..., Any]) -> None:
    facts = analyse_node(node, State)
    assert facts.mutates == frozenset()
    assert facts.writes == {"name"}
    assert facts.reads is not None
    assert facts.reads <= {("d",), ("l",), ("name",)}
