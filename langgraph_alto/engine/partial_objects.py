"""State objects with fields missing: Pydantic models and dataclasses.

The counterpart of :class:`~langgraph_alto.engine.partial.PartialState` for
graphs whose state has a class. The object a node gets is an instance of a
subclass of its schema. Fields that are certain have the value LangGraph's own
construction would give them; touching another one, or the object as a whole,
is a misprediction.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from copy import copy, deepcopy
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from langgraph_alto.engine.partial import Partial, PartialDict

_WHOLE = frozenset(
    {
        "__dict__",
        "__iter__",
        "copy",
        "dict",
        "json",
        "model_copy",
        "model_dump",
        "model_dump_json",
        "model_fields_set",
    }
)
"""Attributes through which an object gives away all its fields at once."""

_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")

_SLOT = "__alto_partial__"


class PartialObject(Partial):
    """What is known of the fields of one state object.

    Args:
        node: The node's name.
        unsure: Names of the fields that are not certain.
    """

    __slots__ = ("target",)

    def __init__(self, node: str, unsure: frozenset[str]) -> None:
        super().__init__(node, unsure)
        self.target: Any = None

    def touch(self, key: Any) -> None:
        """A field is read; see :meth:`Partial.touch`."""
        if key in _WHOLE:
            if self.refuse_whole():
                self.read.update(object.__getattribute__(self.target, "__dict__"))
        else:
            super().touch(key)

    def complete(self, real: Any) -> None:
        """Take the fields that were not certain from LangGraph's own object."""
        unsure, self.unsure = self.unsure, frozenset()
        for name in unsure:
            if name in vars(real):
                object.__getattribute__(self.target, "__dict__")[name] = vars(real)[name]
        if isinstance(real, BaseModel):
            self.target.__pydantic_fields_set__.update(real.model_fields_set & unsure)


def make_partial(
    mapper: Any, node: str, known: Mapping[str, Any], unsure: frozenset[str]
) -> PartialDict | PartialObject | None:
    """State with keys missing, of the class that LangGraph's mapper makes."""
    if mapper is None:
        return PartialDict(node, known, unsure)
    return partial_object(mapper.args[0], node, known, unsure)


@functools.cache
def may_be_partial(schema: Any) -> bool:
    """Whether objects of a class can be made field by field.

    Not so where fields may depend on each other: validators, a constructor or
    a post-init of the class's own, a default made from other fields.
    """
    if not isinstance(schema, type):
        return False
    if issubclass(schema, BaseModel):
        marks = schema.__pydantic_decorators__
        return (
            not (
                marks.field_validators
                or marks.validators
                or marks.root_validators
                or marks.model_validators
            )
            and schema.__init__ is BaseModel.__init__
            and schema.model_post_init is BaseModel.model_post_init
            and schema.__getattribute__ is object.__getattribute__
            and not any(
                "alidator" in type(mark).__name__
                for field in schema.model_fields.values()
                for mark in field.metadata
            )
            and not any(
                field.default_factory_takes_validated_data
                for field in schema.model_fields.values()
                if field.default_factory is not None
            )
        )
    return (
        dataclasses.is_dataclass(schema)
        and not hasattr(schema, "__post_init__")
        and not hasattr(schema, "__pydantic_validator__")
        and not hasattr(schema, "__slots__")
        and schema.__getattribute__ is object.__getattribute__
        and all(field.init for field in dataclasses.fields(schema))
    )


def partial_object(
    schema: Any, node: str, known: Mapping[str, Any], unsure: frozenset[str]
) -> PartialObject | None:
    """Make a state object of which some fields are not certain yet.

    Args:
        schema: The state's class, for which :func:`may_be_partial` holds.
        node: The node's name, for the message of a misprediction.
        known: Values of the certain keys that have one.
        unsure: The keys that are not certain.

    Returns:
        The partial object, its instance in ``target``; ``None`` where the known
        values are not valid, so that LangGraph will raise.
    """
    partial = PartialObject(node, unsure)
    kind = _tracking(schema)
    if issubclass(schema, BaseModel):
        names = frozenset(schema.model_fields) - unsure
        try:
            checked = _checker(schema, names)(**known)
        except ValidationError:
            return None
        target = kind.model_construct(checked.model_fields_set, **vars(checked))
    else:
        values = {}
        for field in dataclasses.fields(schema):
            if field.name in unsure:
                continue
            if field.name in known:
                values[field.name] = known[field.name]
            elif field.default is not dataclasses.MISSING:
                values[field.name] = field.default
            elif field.default_factory is not dataclasses.MISSING:
                values[field.name] = field.default_factory()
            else:
                return None
        target = object.__new__(kind)
        vars(target).update(values)
    object.__setattr__(target, _SLOT, partial)
    partial.target = target
    return partial


@functools.lru_cache(maxsize=1024)
def _checker(schema: type[BaseModel], names: frozenset[str]) -> type[BaseModel]:
    """A model of some fields of a schema, which checks them as the schema does."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in schema.model_fields.items()
        if name in names
    }
    return create_model(schema.__name__, __config__=schema.model_config, **fields)


@functools.cache
def _tracking(schema: Any) -> Any:
    """The subclass of a schema whose instances notice what is read of them."""

    def partial_of(self: Any) -> PartialObject | None:
        try:
            return object.__getattribute__(self, _SLOT)  # type: ignore[no-any-return]
        except AttributeError:  # still being made, or made by the node itself
            return None

    def __getattribute__(self: Any, name: str) -> Any:
        if name in _WHOLE or name in fields:
            partial = partial_of(self)
            if partial is not None:
                partial.touch(name)
        return object.__getattribute__(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        partial = partial_of(self)
        if partial is None:
            schema.__setattr__(self, name, value)
            return
        # A node's own object: what it has set itself is certain to it.
        unsure, partial.unsure = partial.unsure, frozenset()
        try:
            schema.__setattr__(self, name, value)
            unsure -= {name}
        finally:
            partial.unsure = unsure

    def whole(name: str) -> Any:
        def method(self: Any, *args: Any) -> Any:
            touch_all(self)
            return getattr(schema, name)(self, *args)

        return method

    def touch_all(self: Any) -> None:
        partial = partial_of(self)
        if partial is not None:
            partial.touch("__dict__")

    def plain(self: Any) -> Any:
        """The same as an object of the schema itself, which copies and pickles are."""
        touch_all(self)
        twin = object.__new__(schema)
        for name in ("__dict__", *slots):
            value = object.__getattribute__(self, name)
            object.__setattr__(twin, name, dict(value) if name == "__dict__" else copy(value))
        return twin

    slots = [name for name in getattr(BaseModel, "__slots__", ()) if name != "__dict__"]
    if issubclass(schema, BaseModel):
        fields = frozenset(schema.model_fields)
    else:
        slots = []
        fields = frozenset(field.name for field in dataclasses.fields(schema))
    body = {
        "__module__": schema.__module__,
        "__qualname__": schema.__qualname__,
        "__doc__": schema.__doc__,
        "__slots__": (_SLOT,),
        "__getattribute__": __getattribute__,
        "__setattr__": __setattr__,
        # Classes compare the class of the other object with their own.
        "__class__": property(lambda self: schema),
        "__copy__": lambda self: copy(plain(self)),
        "__deepcopy__": lambda self, memo: deepcopy(plain(self), memo),
        "__reduce_ex__": lambda self, protocol: plain(self).__reduce_ex__(protocol),
        "__hash__": schema.__hash__,
        **{
            name: whole(name)
            for name in ("__iter__", "__repr__", "__str__", "__hash__", *_COMPARISONS)
            if getattr(schema, name, None) not in (None, getattr(object, name, None))
        },
    }
    kind: Any = type(schema)
    return kind(schema.__name__, (schema,), body)


__all__ = ["PartialDict", "PartialObject", "make_partial", "may_be_partial", "partial_object"]
