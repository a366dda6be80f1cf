"""What annotations tell about the objects in the state.

An annotation is never proof of a value, but it names the class whose methods
and properties are then looked up, in all its known subclasses too. Where it
says nothing, the answer is ``UNKNOWN`` and the caller assumes the worst.
"""

from __future__ import annotations

import asyncio
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import io
import queue
import types
import typing
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal, ParamSpec, TypeVar, cast

from langgraph_alto.plan.analysis.source import is_library_module
from langgraph_alto.plan.analysis.values import UNKNOWN

_SCALARS = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type(None),
    enum.Enum,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
)
_WRAPPERS = frozenset(("Required", "NotRequired", "ReadOnly", "Final", "ClassVar"))

_P = ParamSpec("_P")
_R = TypeVar("_R")
_memories: list[Callable[[], None]] = []


def remembered(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Cache a question about annotations until the next analysis begins."""
    cached = functools.lru_cache(maxsize=2048)(function)
    _memories.append(cached.cache_clear)
    return cast("Callable[_P, _R]", cached)


def forget() -> None:
    """Drop what was remembered: a class may have new subclasses by now."""
    for clear in _memories:
        clear()


def normal(hint: object) -> object:
    """A hashable annotation, without the wrappers that do not matter here."""
    for _ in range(8):
        origin = typing.get_origin(hint)
        name = getattr(origin, "_name", None) or getattr(origin, "__name__", None)
        if origin is typing.Annotated or name in _WRAPPERS:
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = getattr(hint, "__value__", UNKNOWN)
        else:
            break
    if hint in (Any, object, None, inspect.Parameter.empty) or isinstance(
        hint, (str, typing.TypeVar, typing.ForwardRef)
    ):
        return type(None) if hint is None else UNKNOWN
    try:
        hash(hint)
    except TypeError:
        return UNKNOWN
    return hint


@remembered
def alternatives(hint: object) -> tuple[object, ...]:
    """The members of a union without ``None``, or the annotation itself."""
    hint = normal(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found: list[object] = []
        for arg in typing.get_args(hint):
            found.extend(a for a in alternatives(arg) if a is not type(None))
        return tuple(found) or (UNKNOWN,)
    return (hint,)


def runtime_class(hint: object) -> type | None:
    """The class an annotation without unions stands for."""
    if hint is UNKNOWN:
        return None
    origin = typing.get_origin(hint)
    if origin is Literal:
        return str if all(isinstance(a, str) for a in typing.get_args(hint)) else int
    found = origin or hint
    if isinstance(found, type) and not getattr(found, "_is_protocol", False):
        return found
    return None


@remembered
def classes(hint: object) -> tuple[type, ...]:
    """The classes a value may have, subclasses apart; empty if not known."""
    found = []
    for alternative in alternatives(hint):
        cls = runtime_class(alternative)
        if cls is None:
            return ()
        found.append(cls)
    return tuple(found)


@remembered
def known_classes(hint: object) -> tuple[type, ...]:
    """The classes an annotation names, though there may be others."""
    found = (runtime_class(alternative) for alternative in alternatives(hint))
    return tuple(cls for cls in found if cls is not None)


@remembered
def is_scalar(hint: object) -> bool:
    """Whether values of this annotation cannot be changed in place."""
    found = classes(hint)
    return bool(found) and all(issubclass(c, _SCALARS) for c in found)


def is_typed_dict(cls: type) -> bool:
    """Whether a class is a ``TypedDict``."""
    return issubclass(cls, dict) and hasattr(cls, "__total__")


@remembered
def is_mapping(hint: object) -> bool | None:
    """Whether values are plain mappings; ``None`` if that is not known."""
    found = classes(hint)
    if not found:
        return None
    return all(
        issubclass(c, Mapping) and (is_typed_dict(c) or is_library_module(c.__module__))
        for c in found
    )


@remembered
def is_sequence(hint: object) -> bool:
    """Whether values are plain sequences, whose slices are new ones."""
    found = classes(hint)
    usual = (list, tuple, str, bytes, collections.deque, range)
    return bool(found) and all(
        (issubclass(c, usual) and not is_user_class(c))
        or c in (collections.abc.Sequence, collections.abc.MutableSequence)
        for c in found
    )


@remembered
def is_builtin(hint: object) -> bool:
    """Whether values are of classes whose methods are known by name."""
    found = classes(hint)
    return bool(found) and all(
        is_typed_dict(c) or c.__module__ in ("builtins", "collections", "collections.abc")
        for c in found
    )


_fields: weakref.WeakKeyDictionary[type, dict[str, object] | None] = weakref.WeakKeyDictionary()


def fields(cls: type) -> dict[str, object] | None:
    """Annotations of the data fields of a model, dataclass, TypedDict or named tuple.

    Returns:
        Name to annotation, or ``None`` for any other class.
    """
    try:
        return _fields[cls]
    except KeyError:
        pass
    found = _fields[cls] = _read_fields(cls)
    return found


def _read_fields(cls: type) -> dict[str, object] | None:
    model = getattr(cls, "model_fields", None) if is_model(cls) else None
    names: collections.abc.Iterable[str]
    if isinstance(model, Mapping):
        names = model
    elif dataclasses.is_dataclass(cls):
        names = [f.name for f in dataclasses.fields(cls)]
    elif is_typed_dict(cls):
        names = resolved(cls)
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        names = getattr(cls, "_fields")  # noqa: B009
    else:
        return None
    hints = resolved(cls)
    return {name: normal(hints.get(name, UNKNOWN)) for name in names}


def resolved(thing: object) -> dict[str, object]:
    """The resolved annotations of a class or function, raw ones where that fails."""
    try:
        return dict(typing.get_type_hints(thing, include_extras=True))
    except Exception:  # noqa: BLE001 - resolving a user's annotations runs any code
        raw = getattr(thing, "__annotations__", None)
        return dict(raw) if isinstance(raw, Mapping) else {}


@functools.lru_cache(maxsize=1024)
def is_model(cls: type) -> bool:
    """Whether a class is a Pydantic model."""
    return any(
        c.__name__ == "BaseModel" and c.__module__.partition(".")[0] == "pydantic"
        for c in cls.__mro__
    )


def is_user_class(cls: type) -> bool:
    """Whether a class is the user's, as opposed to a library's."""
    return not is_library_module(cls.__module__)


@remembered
def element(hint: object) -> object:
    """The annotation of what iterating over a value yields."""
    found = alternatives(hint)
    if len(found) != 1:
        return UNKNOWN
    args = typing.get_args(found[0])
    cls = runtime_class(found[0])
    if cls is None or not args:
        return UNKNOWN
    if issubclass(cls, tuple):
        return normal(args[0]) if len(args) == 2 and args[1] is Ellipsis else UNKNOWN
    return normal(args[0])


@remembered
def key(hint: object) -> object:
    """The annotation of what iterating over a mapping yields."""
    found = alternatives(hint)
    args = typing.get_args(found[0])
    if len(found) == 1 and is_mapping(hint) and len(args) == 2:
        return normal(args[0])
    return str if any(is_typed_dict(cls) for cls in classes(hint)) else UNKNOWN


@remembered
def inserts(hint: object) -> bool:
    """Whether looking for a key that is missing may add it."""
    return any(issubclass(cls, collections.defaultdict) for cls in known_classes(hint))


_USED_UP = (
    collections.abc.Iterator,
    collections.abc.AsyncIterator,
    collections.abc.Awaitable,
    io.IOBase,
    typing.IO,
    queue.Queue,
    queue.SimpleQueue,
    asyncio.Queue,
)


@remembered
def is_used_up(hint: object) -> bool:
    """Whether looking at what is inside takes it out: iterators, files, queues.

    The user's own iterators are left out, as their code is followed.
    """
    return any(
        not is_user_class(cls)
        and (issubclass(cls, _USED_UP) or cls.__module__ == "multiprocessing.queues")
        for cls in known_classes(hint)
    )


@remembered
def is_told(hint: object) -> bool:
    """Whether an annotation tells a value's class, so what iterating over it does."""
    found = classes(hint)
    return bool(found) and not any(cls in _MAY_BE_USED_UP for cls in found)


_MAY_BE_USED_UP = (collections.abc.Iterable, collections.abc.AsyncIterable)
"""What iterators are called as well as others."""


@remembered
def is_all_told(hint: object) -> bool:
    """Whether an annotation tells the classes of a value and of what it contains.

    What the attributes of an object are is taken to be told by its class.
    """
    if not is_told(hint):
        return False
    if is_scalar(hint):
        return True
    found = classes(hint)
    if any(is_typed_dict(cls) for cls in found):
        return all(is_all_told(each) for cls in found for each in (fields(cls) or {}).values())
    usual = (list, tuple, set, frozenset, collections.deque, dict)
    if not any(cls in usual or cls.__module__ == "collections.abc" for cls in found):
        return True
    return is_all_told(item(hint, None) if is_mapping(hint) else element(hint))


@remembered
def item(hint: object, key: str | None) -> object:
    """The annotation of ``value[key]``; ``None`` stands for a key that is not known."""
    found = alternatives(hint)
    if len(found) != 1:
        return UNKNOWN
    cls = runtime_class(found[0])
    if cls is None:
        return UNKNOWN
    if is_typed_dict(cls):
        return (fields(cls) or {}).get(key, UNKNOWN) if key is not None else UNKNOWN
    args = typing.get_args(found[0])
    if issubclass(cls, Mapping):
        return normal(args[1]) if len(args) == 2 else UNKNOWN
    return element(hint)
