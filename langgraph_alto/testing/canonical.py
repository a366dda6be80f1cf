"""A value as text: what the checker compares, and what it shows.

Two engines hand back two sets of objects, many of which cannot be compared
with ``==``: arrays answer with arrays, NaN is not itself, messages carry random
ids, and a class without ``__eq__`` is only ever equal to itself. So a value is
turned into canonical text the moment it is seen. Equal text means equal value,
and text cannot change afterwards when a later node mutates the object in place.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import hashlib
import pathlib
import pickle
import re
import types
import uuid
from collections.abc import Mapping, Set
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel

RANDOM_ID = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])"
)
"""A UUID, with or without hyphens: an id that differs from run to run."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLAIN = (int, str, bytes, type(None), bool, float, complex)
_BY_REPR = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    pathlib.PurePath,
    range,
    re.Pattern,
    slice,
    uuid.UUID,
    type(Ellipsis),
    type(NotImplemented),
)


def canonical(value: object) -> str:
    """Describe a value so that equal values, and only those, give equal text.

    Mappings and sets are sorted, NaN equals NaN, random message ids are left
    out, arrays show dtype, shape and content, and an object without a
    comparison of its own is shown by its type and attributes. The text reads
    like Python where it can.

    Args:
        value: Anything; cyclic and broken objects included.

    Returns:
        The canonical text. This function does not raise: what cannot be
        described at all is shown by its type alone.

    Example:
        ```python
        assert canonical({"b": {2, 1}, "a": float("nan")}) == "{'a': nan, 'b': {1, 2}}"
        ```
    """
    return _text(value, frozenset())


def without_ids(text: str) -> str:
    """Replace random ids and memory addresses in a message by a placeholder."""
    return _ADDRESS.sub("", RANDOM_ID.sub("<id>", text))


def _text(value: object, above: frozenset[int]) -> str:
    if type(value) in _PLAIN:
        return repr(value)
    if id(value) in above:
        return f"<cycle {type(value).__name__}>"
    try:
        return _compound(value, above | {id(value)})
    except RecursionError:
        return f"<too deep: {type(value).__qualname__}>"
    except Exception:  # noqa: BLE001 - a user's object may do anything when looked at
        return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _compound(value: Any, above: frozenset[int]) -> str:
    kind = type(value)
    if isinstance(value, BaseMessage):
        return _message(value, above)
    if isinstance(value, Interrupt):
        return f"Interrupt({_text(value.value, above)})"
    if isinstance(value, Send):
        return f"Send({value.node!r}, {_text(value.arg, above)})"
    if isinstance(value, Command):
        fields = ("graph", "update", "resume", "goto")
        set_ = [(f, getattr(value, f)) for f in fields if getattr(value, f)]
        return f"Command({_pairs(set_, above)})"
    if isinstance(value, enum.Enum):
        return f"{kind.__qualname__}.{value.name}"
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return f"<{value.__module__}.{value.__qualname__}>"
    if isinstance(value, BaseException):
        return f"{kind.__qualname__}{_text(value.args, above)}"
    if isinstance(value, _BY_REPR):
        return repr(value)
    if isinstance(value, BaseModel):
        fields_ = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        return f"{kind.__qualname__}({_pairs(fields_.items(), above)})"
    if kind.__module__.partition(".")[0] == "numpy":
        return _array(value, above)
    if isinstance(value, Mapping):
        body = "{" + ", ".join(_items(value, above)) + "}"
        return body if kind is dict else f"{kind.__qualname__}({body})"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        names: Any = getattr(value, "_fields")  # noqa: B009
        return f"{kind.__qualname__}({_pairs(zip(names, value, strict=True), above)})"
    if isinstance(value, list | tuple):
        parts = ", ".join(_text(v, above) for v in value)
        body = f"[{parts}]" if isinstance(value, list) else f"({parts})"
        return body if kind in (list, tuple) else f"{kind.__qualname__}({body})"
    if isinstance(value, Set):
        body = "{" + ", ".join(sorted(_text(v, above) for v in value)) + "}"
        return body if kind is set else f"{kind.__qualname__}({body})"
    if isinstance(value, _PLAIN):  # a subclass of int, str, ...
        base: Any = next(c for c in _PLAIN if isinstance(value, c))
        return f"{kind.__qualname__}({base.__repr__(value)})"
    return _opaque(value, above)


def _items(value: Mapping[Any, Any], above: frozenset[int]) -> list[str]:
    return sorted(f"{_text(k, above)}: {_text(v, above)}" for k, v in value.items())


def _pairs(pairs: Any, above: frozenset[int]) -> str:
    return ", ".join(f"{k}={_text(v, above)}" for k, v in pairs)


def _message(value: BaseMessage, above: frozenset[int]) -> str:
    """A message with what was set on it; a random id is no part of its value."""
    shown = {k: v for k, v in value.__dict__.items() if v not in (None, {}, [], "")}
    shown.pop("type", None)
    shown["content"] = value.content
    if RANDOM_ID.search(value.id or ""):
        del shown["id"]
    return f"{type(value).__qualname__}({_pairs(sorted(shown.items()), above)})"


def _array(value: Any, above: frozenset[int]) -> str:
    """A numpy array or scalar, without importing numpy."""
    name = type(value).__qualname__
    if not hasattr(value, "dtype"):
        return repr(value)
    content = _text(value.tolist(), above)
    return f"{name}({content}, dtype={value.dtype}, shape={value.shape})"


def _opaque(value: Any, above: frozenset[int]) -> str:
    """An object of a class we know nothing about: attributes, else its pickle."""
    kind = type(value)
    if dataclasses.is_dataclass(value):
        shown = [(f.name, getattr(value, f.name, None)) for f in dataclasses.fields(value)]
        return f"{kind.__qualname__}({_pairs(shown, above)})"
    slots = [s for c in kind.__mro__ for s in _slots(c) if hasattr(value, s)]
    if slots or hasattr(value, "__dict__"):
        shown = sorted({s: getattr(value, s) for s in slots}.items())
        shown += sorted(getattr(value, "__dict__", {}).items())
        if shown or "__repr__" not in vars(kind):
            return f"{kind.__qualname__}({_pairs(shown, above)})"
    if "__len__" in dir(kind) and "__iter__" in dir(kind):
        return f"{kind.__qualname__}({', '.join(_text(v, above) for v in value)})"
    try:
        digest = hashlib.sha256(pickle.dumps(value)).hexdigest()[:12]
    except Exception:  # noqa: BLE001 - pickling runs the object's own code
        return f"<{kind.__module__}.{kind.__qualname__}>"
    return f"<{kind.__qualname__} pickled {digest}>"


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    named = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(s for s in named if s not in ("__dict__", "__weakref__"))
