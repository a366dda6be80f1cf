"""Pydantic and dataclass states with fields missing, against LangGraph's own objects."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import pickle
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    computed_field,
    field_validator,
    model_validator,
)

from langgraph_alto.engine.partial import Misprediction, PartialDict
from langgraph_alto.engine.partial_objects import (
    PartialObject,
    make_partial,
    may_be_partial,
    partial_object,
)


class Part(BaseModel):
    title: str = "part"
    notes: list[str] = []


class Model(BaseModel):
    """A state with what states have: coercion, defaults, factories, nested models."""

    number: int
    text: str = "text"
    items: list[int] = Field(default_factory=list)
    part: Part = Part()
    kind: Literal["x", "y"] | None = None
    ratio: float = Field(default=0.5, ge=0)

    @property
    def double(self) -> int:
        return self.number * 2

    def shout(self) -> str:
        return self.text.upper()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def half(self) -> float:
        return self.number / 2


@dataclasses.dataclass
class Data:
    number: int
    text: str = "text"
    items: list[int] = dataclasses.field(default_factory=list)
    part: Part = dataclasses.field(default_factory=Part)
    kind: str | None = None
    ratio: float = 0.5

    @property
    def double(self) -> int:
        return self.number * 2

    def shout(self) -> str:
        return self.text.upper()


Schema = type[Model] | type[Data]
SCHEMAS: list[Schema] = [Model, Data]
FIELDS = ["number", "text", "items", "part", "kind", "ratio"]
VALUES = {"number": 1, "text": "t", "items": [1, 2], "kind": "x"}
"""What the channels hold: ``part`` and ``ratio`` have no value yet."""


def partial(schema: Schema, *unsure: str) -> PartialObject:
    known = {name: value for name, value in VALUES.items() if name not in unsure}
    made = partial_object(schema, "n", known, frozenset(unsure))
    assert made is not None
    return made


def whole(schema: Schema) -> Any:
    """What LangGraph's mapper makes."""
    return schema(**VALUES)  # type: ignore[arg-type]


# -- certain fields -----------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("unsure", FIELDS)
def test_certain_fields(schema: Schema, unsure: str) -> None:
    state = partial(schema, unsure)
    real = whole(schema)
    for name in FIELDS:
        if name != unsure:
            assert getattr(state.target, name) == getattr(real, name)
            assert type(getattr(state.target, name)) is type(getattr(real, name))
    assert state.read == set(FIELDS) - {unsure}
    with pytest.raises(Misprediction, match=f"node 'n' read the key '{unsure}'"):
        getattr(state.target, unsure)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_properties_and_methods_read_fields(schema: Schema) -> None:
    target = partial(schema, "text").target
    assert target.double == 2
    with pytest.raises(Misprediction):
        target.shout()
    target = partial(schema, "number").target
    assert target.shout() == "T"
    with pytest.raises(Misprediction):
        _ = target.double


@pytest.mark.parametrize("schema", SCHEMAS)
def test_it_is_of_its_class(schema: Schema) -> None:
    target = partial(schema, "text").target
    assert isinstance(target, schema)
    assert target.__class__ is schema
    assert type(target).__name__ == schema.__name__
    match target:
        case Model(number=number) | Data(number=number):
            assert number == 1
    with pytest.raises(AttributeError, match="nowhere"):
        getattr(target, "nowhere")  # noqa: B009


def test_nested_objects_are_shared() -> None:
    """LangGraph hands on the very object, so that a node may change it in place."""
    part = Part()
    for schema in SCHEMAS:
        made = partial_object(schema, "n", {"number": 1, "part": part}, frozenset({"text"}))
        assert made is not None
        assert made.target.part is part is schema(number=1, part=part).part


# -- the whole ----------------------------------------------------------------

ANY: dict[str, Callable[[Any], Any]] = {
    "vars": vars,
    "__dict__": lambda state: state.__dict__,
    "==": lambda state: state == state.__class__(**VALUES),
    "== left": lambda state: state.__class__(**VALUES) == state,
    "!=": lambda state: state != state.__class__(**VALUES),
    "repr": repr,
    "str": str,
    "format": lambda state: f"{state}",
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda state: pickle.loads(pickle.dumps(state)),
}
OF_MODEL: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "iter": list,
    "model_dump": lambda state: state.model_dump(),
    "model_dump include": lambda state: state.model_dump(include={"number"}),
    "model_dump_json": lambda state: state.model_dump_json(),
    "model_copy": lambda state: state.model_copy(),
    "model_copy update": lambda state: state.model_copy(update={"number": 5}),
    "model_fields_set": lambda state: state.model_fields_set,
    "rebuilt": lambda state: type(state)(**state.model_dump(exclude={"half"})),
    "json of dict": lambda state: json.dumps(dict(state), default=str),
}
OF_DATA: dict[str, Callable[[Any], Any]] = {
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "replace": lambda state: dataclasses.replace(state, number=5),
}


class Other(BaseModel):
    """Takes what it can from any object."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    text: str


READS = [
    pytest.param(schema, read, id=f"{schema.__name__} {name}")
    for schema, more in ((Model, OF_MODEL), (Data, OF_DATA))
    for name, read in {**ANY, **more}.items()
]


@pytest.mark.parametrize(("schema", "read"), READS)
def test_the_whole(schema: Schema, read: Callable[[Any], Any]) -> None:
    with pytest.raises(Misprediction):
        read(partial(schema, "text").target)


@pytest.mark.parametrize(("schema", "read"), READS)
def test_the_whole_once_complete(schema: Schema, read: Callable[[Any], Any]) -> None:
    state = partial(schema, "text", "items")
    state.complete(whole(schema))
    assert read(state.target) == read(whole(schema))


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy])
def test_copies_are_objects_of_their_own(schema: Schema, twin_of: Callable[[Any], Any]) -> None:
    """A node may copy its state, once it is whole, and go on with the copy."""
    state = partial(schema, "text")
    state.complete(whole(schema))
    twin = twin_of(state.target)
    twin.number = 7
    assert twin.number == 7
    assert twin != state.target
    assert "number=7" in repr(twin)
    assert state.target.number == 1


@pytest.mark.parametrize("schema", SCHEMAS)
def test_new_objects_of_its_class(schema: Schema) -> None:
    """``type(state)(...)`` is a way to make another one."""
    target = partial(schema, "text").target
    for made in (type(target)(number=3), target.__class__(number=3)):
        assert made.number == 3
        assert made.text == "text"
        made.text = "other"
        assert made == schema(number=3, text="other")
        assert "other" in repr(made)


def test_a_library_may_keep_the_misprediction_to_itself() -> None:
    """Pydantic turns it into an error of its own; the refusal is noted nonetheless."""
    state = partial(Model, "text")
    before = state.refused
    with pytest.raises(ValidationError):
        Other.model_validate(state.target)
    assert (before, state.refused) == (False, True)
    state.complete(whole(Model))
    assert Other.model_validate(state.target) == Other(number=1, text="t")


# -- assignment ---------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_the_node_sets_is_certain_to_it(schema: Schema) -> None:
    state = partial(schema, "text", "items")
    state.target.text = "mine"
    assert state.target.text == "mine"
    with pytest.raises(Misprediction):
        _ = state.target.items
    state.complete(whole(schema))
    assert state.target.text == "mine"
    assert state.target.items == [1, 2]


def test_assignment_is_validated_where_the_schema_says_so() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(validate_assignment=True)

        number: int = 0
        text: str = "text"

    made = partial_object(Strict, "n", {"number": 1}, frozenset({"text"}))
    assert made is not None
    made.target.number = "2"
    assert made.target.number == 2
    with pytest.raises(ValidationError):
        made.target.number = "many"
    with pytest.raises(Misprediction):
        _ = made.target.text


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int
    text: str = "text"


@dataclasses.dataclass(frozen=True, order=True)
class FrozenData:
    number: int
    text: str = "text"


@pytest.mark.parametrize("schema", [FrozenModel, FrozenData])
def test_frozen(schema: Any) -> None:
    """A frozen state has a hash, made of all of its fields, and takes no assignment."""
    made = partial_object(schema, "n", {"number": 1}, frozenset({"text"}))
    assert made is not None
    with pytest.raises((ValidationError, dataclasses.FrozenInstanceError)):
        made.target.number = 2
    with pytest.raises((ValidationError, dataclasses.FrozenInstanceError)):
        made.target.text = "mine"
    with pytest.raises(Misprediction):
        hash(made.target)
    made.complete(schema(number=1, text="t"))
    assert hash(made.target) == hash(schema(number=1, text="t"))
    assert {made.target: 1}[schema(number=1, text="t")] == 1


def test_order() -> None:
    made = partial_object(FrozenData, "n", {"number": 1}, frozenset({"text"}))
    assert made is not None
    with pytest.raises(Misprediction):
        _ = made.target < FrozenData(2)
    made.complete(FrozenData(1))
    assert made.target < FrozenData(2)
    assert FrozenData(0) < made.target


@pytest.mark.parametrize("schema", SCHEMAS)
def test_others_have_no_hash(schema: Schema) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(whole(schema))
    with pytest.raises(TypeError, match="unhashable"):
        hash(partial(schema, "text").target)


# -- LangGraph's own construction -----------------------------------------------

GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "number": st.sampled_from([1, "2", 3.0, True, "many", None, 4.5]),
        "text": st.sampled_from(["t", b"t", 1, None]),
        "items": st.sampled_from([[], [1], ["2"], (3,), {4}, "5", None]),
        "part": st.sampled_from([{}, {"title": "p"}, {"title": 1}, Part(title="q"), None]),
        "kind": st.sampled_from(["x", "y", "z", None]),
        "ratio": st.sampled_from([0, "0.25", -1, None]),
    },
)


@settings(max_examples=300)
@given(st.sampled_from(SCHEMAS), GIVEN, st.sets(st.sampled_from(FIELDS)))
def test_as_langgraph_makes_it(schema: Schema, values: dict[str, Any], unsure: set[str]) -> None:
    """Coercion, defaults, factories and errors of the certain fields."""
    known = {name: value for name, value in values.items() if name not in unsure}
    made = partial_object(schema, "n", known, frozenset(unsure))
    try:
        real = schema(**values)
    except (ValidationError, TypeError):
        # Its error may be about a certain field or another; then there is none.
        if made is None or unsure:
            return
        raise AssertionError("LangGraph raises, and the partial state is there") from None
    assert made is not None
    for name in FIELDS:
        if name not in unsure:
            ours, theirs = getattr(made.target, name), getattr(real, name)
            assert ours == theirs
            assert type(ours) is type(theirs)
    made.complete(real)
    assert made.target == real
    if isinstance(real, BaseModel):
        assert made.target.model_dump() == real.model_dump()


@given(GIVEN)
def test_there_is_none_where_langgraph_raises(values: dict[str, Any]) -> None:
    """What is not certain may be valid or not; what is certain decides."""
    made = partial_object(Model, "n", values, frozenset())
    try:
        Model(**values)
    except ValidationError:
        assert made is None
    else:
        assert made is not None


# -- which classes can be made with fields missing --------------------------------


def test_make_partial() -> None:
    plain = make_partial(None, "n", {"a": 1}, frozenset("b"))
    assert isinstance(plain, PartialDict)
    mapper = functools.partial(lambda schema, values: schema(**values), Model)
    made = make_partial(mapper, "n", {"number": 1}, frozenset({"text"}))
    assert isinstance(made, PartialObject)
    assert isinstance(made.target, Model)


class FieldValidator(BaseModel):
    number: int = 0

    @field_validator("number")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class Validated(BaseModel):
    number: int = 0

    @model_validator(mode="after")
    def check(self) -> Validated:
        return self


class Annotations(BaseModel):
    number: Annotated[int, AfterValidator(lambda value: value)] = 0


class Constructor(BaseModel):
    number: int = 0

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class PostInit(BaseModel):
    number: int = 0

    def model_post_init(self, context: Any, /) -> None:
        self.number += 1


class Private(BaseModel):
    number: int = 0
    _hidden: int = PrivateAttr(default=1)


class Attributes(BaseModel):
    number: int = 0

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


class FromOthers(BaseModel):
    number: int = 0
    more: int = Field(default_factory=lambda values: values["number"] + 1)


@dataclasses.dataclass
class DataPostInit:
    number: int = 0

    def __post_init__(self) -> None:
        self.number += 1


@dataclasses.dataclass(slots=True)
class Slots:
    number: int = 0


@dataclasses.dataclass
class NotInInit:
    number: int = 0
    more: int = dataclasses.field(default=1, init=False)


class Plain:
    number: int = 0


@pytest.mark.parametrize("schema", [Model, Data, FrozenModel, FrozenData, Part])
def test_fields_that_stand_alone(schema: Any) -> None:
    assert may_be_partial(schema)


@pytest.mark.parametrize(
    "schema",
    [
        FieldValidator,
        Validated,
        Annotations,
        Constructor,
        PostInit,
        Private,
        Attributes,
        FromOthers,
        DataPostInit,
        Slots,
        NotInInit,
        Plain,
        dict,
        list[int],
        None,
    ],
)
def test_fields_that_depend_on_each_other(schema: Any) -> None:
    """One field may decide another, so that it takes all of them to make the object."""
    assert not may_be_partial(schema)
