"""Members of the classes that annotations name: what an attribute or a method is.

Looked up without running any of the class's code, in all its known subclasses
too, as any of them may be what the state holds at run time.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import Literal

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.hints import remembered
from langgraph_alto.plan.analysis.source import is_library_code, is_library_module, source_of
from langgraph_alto.plan.analysis.values import UNKNOWN

_MAX_SUBCLASSES = 64
_STAND_INS = frozenset({"__alto_partial__", "__alto_view__"})

MemberKind = Literal["field", "property", "method", "library", "unknown"]


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """What ``value.name`` is for a value of some annotation.

    Args:
        kind: ``"field"`` for stored data of its own, ``"property"`` and
            ``"method"`` for user code, ``"library"`` for other people's code,
            ``"unknown"`` if it cannot be told.
        hint: The annotation of a field.
        code: The objects found in the classes, for properties and methods.
    """

    kind: MemberKind
    hint: object = UNKNOWN
    code: tuple[object, ...] = ()


def lineage(cls: type) -> tuple[type, ...] | None:
    """A class and all its known subclasses, or ``None`` if they are too many."""
    found = [cls]
    for known in found:
        if len(found) > _MAX_SUBCLASSES:
            return None
        kin: list[type] = type.__subclasses__(known)
        # Subclasses of this package stand in for the state; they do what it does.
        found.extend(c for c in kin if c not in found and not _STAND_INS & c.__dict__.keys())
    return tuple(found)


def static(cls: type, name: str) -> object:
    """``cls.name`` without running any code; ``UNKNOWN`` if there is none."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return UNKNOWN


@remembered
def member(hint: object, name: str) -> Member:
    """What ``value.name`` is for values of this annotation."""
    found = [_member(cls, name) for cls in hints.classes(hint)]
    if not found:
        return Member("unknown")
    kinds = {m.kind for m in found}
    if len(kinds) > 1:
        return Member("unknown")
    declared = {m.hint for m in found}
    return Member(
        found[0].kind,
        found[0].hint if len(declared) == 1 else UNKNOWN,
        tuple(code for m in found for code in m.code),
    )


def _member(cls: type, name: str) -> Member:
    own = hints.fields(cls)
    if own is not None and hints.is_typed_dict(cls):
        own = None
    family = lineage(cls)
    if not hints.is_user_class(cls):
        # Subclasses of library classes are too many to follow, and seldom matter.
        if own is not None and name in own:
            return Member("field", own[name])
        return _of_library(cls, name)
    if family is None:
        return Member("unknown")
    attributes = [static(c, name) for c in family]
    if own is not None and name in own:
        plain = not any(_computes(a) for a in attributes) and not _intercepts(family)
        return Member("field", own[name]) if plain else Member("unknown")
    found = {id(a): a for a in attributes if a is not UNKNOWN and not _is_stub(a)}
    known = tuple(found.values())
    if not known or _intercepts(family):
        return Member("unknown")
    if all(isinstance(a, (property, functools.cached_property)) for a in known):
        return Member("property", code=known)
    if all(isinstance(a, (types.FunctionType, staticmethod, classmethod)) for a in known):
        owners = [c for c in cls.__mro__ if name in c.__dict__]
        if owners and is_library_module(owners[0].__module__) and len(known) == 1:
            return _of_library(owners[0], name)
        return Member("method", code=known)
    return Member("unknown")


def _of_library(cls: type, name: str) -> Member:
    """A member of a library's class, if what its methods change is told by their names."""
    owners = [c for c in cls.__mro__ if name in c.__dict__]
    return Member("library" if owners and is_told(owners[0].__module__) else "unknown")


_TOLD = frozenset(
    """
    builtins collections datetime decimal fractions pathlib re types uuid zoneinfo ipaddress enum
    pydantic langchain_core.messages langchain_core.documents langchain_core.prompt_values
    langchain_core.outputs
    """.split()
)


def is_told(module: str) -> bool:
    """Whether the methods of a library that change their receivers are known by name.

    Those of any other may be called anything, whatever the annotation says.
    """
    parts = module.lstrip("_").split(".")
    return any(".".join(parts[:n]) in _TOLD for n in range(1, len(parts) + 1))


def _is_stub(attribute: object) -> bool:
    """Whether a method is there to be overridden, so says nothing about what runs."""
    if isinstance(attribute, property):
        attribute = attribute.fget
    if getattr(attribute, "__isabstractmethod__", False):
        return True
    if not isinstance(attribute, types.FunctionType):
        return False
    found = None if is_library_code(attribute) else source_of(attribute)
    if found is None or isinstance(found.node, ast.Lambda):
        return False
    return all(
        isinstance(part, ast.Raise)
        or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        for part in found.node.body
    )


@remembered
def methods(hint: object, name: str) -> tuple[types.FunctionType, ...]:
    """All functions of that name in the classes a value may have, and their subclasses."""
    return tuple(a for a in _all_static(hint, name) if isinstance(a, types.FunctionType))


@remembered
def getters(hint: object, name: str) -> tuple[object, ...]:
    """Properties and other descriptors that ``value.name`` may run."""
    return tuple(
        a
        for a in _all_static(hint, name)
        if isinstance(a, (property, functools.cached_property))
        or isinstance(static(type(a), "__get__"), types.FunctionType)
    )


def _all_static(hint: object, name: str) -> list[object]:
    found: dict[int, object] = {}
    for cls in hints.known_classes(hint):
        for kin in lineage(cls) or cls.__mro__ if hints.is_user_class(cls) else (cls,):
            attribute = static(kin, name)
            if attribute is not UNKNOWN:
                found[id(attribute)] = attribute
    return list(found.values())


@remembered
def fits(hint: object, name: str) -> bool:
    """Whether a value of this annotation may have such an attribute, as far as is known.

    Code that uses it all the same shows that the annotation is wrong.
    """
    found = hints.classes(hint)
    return not found or any(
        hints.is_user_class(cls)
        or static(cls, name) is not UNKNOWN
        or name in (hints.fields(cls) or ())
        or not (hints.is_scalar(cls) or hints.is_builtin(cls))
        for cls in found
    )


def _computes(attribute: object) -> bool:
    """Whether a class attribute turns access to a field into a call."""
    if attribute is UNKNOWN or isinstance(attribute, types.MemberDescriptorType):
        return False
    return hasattr(type(attribute), "__get__")


def _intercepts(family: tuple[type, ...]) -> bool:
    """Whether user code sees every attribute access of a class."""
    return any(
        name in base.__dict__ and hints.is_user_class(base)
        for cls in family
        for base in cls.__mro__
        for name in ("__getattribute__", "__getattr__")
    )


@remembered
def lacks(hint: object, name: str) -> bool:
    """Whether no value of this annotation has such an attribute, as far as is known.

    Code that uses it all the same expects something else, such as a mapping.
    """
    for cls in hints.classes(hint):
        family = lineage(cls)
        if family is None or _intercepts(family):
            return False
        if name in (hints.fields(cls) or ()) or any(static(c, name) is not UNKNOWN for c in family):
            return False
    return True


@remembered
def setter_is_plain(hint: object, name: str) -> bool:
    """Whether ``value.name = x`` changes that one field and nothing else."""
    found = hints.classes(hint)
    if not found or member(hint, name).kind != "field":
        return False
    for cls in found:
        for kin in lineage(cls) or ():
            config = getattr(kin, "model_config", None)
            if isinstance(config, Mapping) and config.get("validate_assignment"):
                return False
            if any("__setattr__" in b.__dict__ and hints.is_user_class(b) for b in kin.__mro__):
                return False
    return True
