"""Stand-ins for objects of the user's own classes: dataclasses, Pydantic models, others.

A stand-in is an instance of a subclass made on the spot. Its attributes are
those of the object it stands for, each given out as a view; methods and
properties run on the stand-in, so that what they read and set is noticed too.

Objects of libraries (messages, arrays, clients) have no stand-in: a library may
look at them in ways of its own. They are read as a whole, and what changes in
them is found by comparing.
"""

from __future__ import annotations

import abc
import copy
import functools
import sys
import types
import typing
from typing import Any

import typing_extensions
from pydantic import BaseModel

from langgraph_alto.learned.views import PROXIES, SLOT, View
from langgraph_alto.plan.analysis.source import is_library_file

_BASES = frozenset(
    {object, BaseModel, abc.ABC, typing.Generic, typing.Protocol, typing_extensions.Protocol}
)
"""Classes that may stand above the user's."""

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement

_WHOLE = frozenset(
    {
        "__dict__",
        "__getstate__",
        "__pydantic_extra__",
        "__pydantic_fields_set__",
        "__pydantic_private__",
        "copy",
        "dict",
        "json",
        "model_copy",
        "model_dump",
        "model_dump_json",
        "model_extra",
        "model_fields_set",
    }
)
"""Attributes of models through which they give away all their fields at once."""

_ALWAYS_WHOLE = frozenset(name for name in _WHOLE if name.startswith("__"))


def _view(self: Any) -> View:
    view: View = object.__getattribute__(self, SLOT)
    return view


def stand_in(value: Any) -> Any:
    """An empty stand-in of an object; ``None`` where it can have none."""
    kind: Any = type(value)
    made = stand_in_class(kind)
    return None if made is None else object.__new__(made)


@functools.lru_cache(maxsize=1024)
def stand_in_class(kind: Any) -> Any:
    """The class of stand-ins for objects of a class; ``None`` where there can be none."""
    if kind in PROXIES or not may_stand_in(kind):
        return None
    try:
        made: Any = type(kind)(kind.__name__, (kind,), _body(kind))
    except Exception:  # noqa: BLE001 - a class that cannot have subclasses, for its own reasons
        return None
    PROXIES.add(made)
    return made


def may_stand_in(kind: type) -> bool:
    """Whether a class is the user's, and so plain that a subclass can stand in for it."""
    if type(kind) not in (type, abc.ABCMeta, type(BaseModel), type(typing.Protocol)):
        return False
    own = [base for base in kind.__mro__ if base not in _BASES]
    looks_up: Any = kind.__getattribute__
    if not own or looks_up is not object.__getattribute__:
        return False
    return all(
        base.__flags__ & _HEAP_TYPE
        and not _of_library(base)
        and not {"__init_subclass__", "__pydantic_init_subclass__", "__class__"} & set(vars(base))
        for base in own
    )


def _of_library(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        return kind.__module__ in sys.builtin_module_names
    return is_library_file(file)


def _static(kind: type, name: str) -> Any:
    """What a class has under a name, as it stands there."""
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None


def _body(kind: Any) -> dict[str, Any]:
    model = issubclass(kind, BaseModel)

    def __getattribute__(self: Any, name: str) -> Any:
        if name == "__class__":
            return kind
        view = _view(self)
        true = view.true
        if name in _ALWAYS_WHOLE or (model and name in _WHOLE):
            view.use()
            return getattr(true, name)
        if name.startswith("__") and name.endswith("__"):
            return object.__getattribute__(self, name)
        static = _static(kind, name)
        if isinstance(static, types.MemberDescriptorType):
            view.use_item(name)
            return view.item(name, static.__get__(true, kind))
        if not hasattr(type(static), "__set__"):
            attributes = getattr(true, "__dict__", {})
            if name in attributes:
                return view.item(name, attributes[name])
            if static is None:
                view.use_item(name)
        # A method or property runs on the stand-in.
        return object.__getattribute__(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        view = _view(self)
        value = view.tracker.release(value)
        if isinstance(_static(kind, name), property):
            object.__setattr__(self, name, value)
            return
        kind.__setattr__(view.true, name, value)
        view.change_item(name)
        share(self, view)

    def __delattr__(self: Any, name: str) -> None:
        view = _view(self)
        kind.__delattr__(view.true, name)
        view.change_item(name)
        share(self, view)

    def share(self: Any, view: View) -> None:
        """Setting an attribute may have given the object a new ``__dict__``."""
        attributes = getattr(view.true, "__dict__", None)
        if attributes is not None:
            object.__setattr__(self, "__dict__", attributes)

    def true_of(self: Any) -> Any:
        view = _view(self)
        view.use()
        return view.true

    def _new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        # Code that makes another "of the same class" gets an ordinary one.
        return kind(*args, **kwargs)

    body: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__slots__": (SLOT,),
        "__alto_view__": True,  # analysis leaves it out
        "__new__": _new,
        "__getattribute__": __getattribute__,
        "__setattr__": __setattr__,
        "__delattr__": __delattr__,
        "__copy__": lambda self: copy.copy(true_of(self)),
        "__deepcopy__": lambda self, memo: copy.deepcopy(true_of(self), memo),
        "__reduce_ex__": lambda self, protocol: true_of(self).__reduce_ex__(protocol),
        "__hash__": kind.__hash__,
    }
    if kind.__eq__ is object.__eq__:
        # Objects that equal only themselves equal their stand-ins too.
        body["__eq__"] = lambda self, other: _same(self, other)
        body["__hash__"] = lambda self: hash(_view(self).true)
    if model:
        body["__iter__"] = lambda self: iter(true_of(self))
    return body


def _same(one: Any, other: Any) -> Any:
    view = _view(one)
    if other is one or other is view.true:
        return True
    same = type(other) is type(one) and _view(other).true is view.true
    return True if same else NotImplemented
