"""Attributes: how paths grow, and what attribute stores change."""

from __future__ import annotations

import ast
import functools
import inspect
import types

from langgraph_alto.plan.analysis import hints, members
from langgraph_alto.plan.analysis.catalogue import MUTATORS
from langgraph_alto.plan.analysis.dunders import run_special
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import cell_node, change, child, escape, inner, see
from langgraph_alto.plan.analysis.source import is_library_module
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    PLAIN,
    UNKNOWN,
    USER_OPAQUE,
    Alloc,
    Args,
    Cell,
    Const,
    Func,
    Method,
    Obj,
    Opaque,
    Plain,
    Ref,
    Super,
    Value,
    one,
)

DICT_METHODS = frozenset(n for n in dir(dict) if not n.startswith("__"))


def get_attribute(
    machine: Machine, base: Value, name: str, node: ast.AST, *, calling: bool = False
) -> Value:
    """``base.name``.

    Args:
        machine: The analysis.
        base: The object.
        name: The attribute.
        node: Where, for naming what comes of it.
        calling: Whether it is about to be called, so is hardly data.
    """
    found = NOTHING
    for atom in base:
        if isinstance(atom, Ref):
            found |= _ref_attribute(machine, atom, name, node, calling)
        elif isinstance(atom, Alloc):
            found |= _cell_attribute(machine, atom, name, calling)
        elif isinstance(atom, Obj):
            found |= real_attribute(machine, atom.obj, name, node, calling)
        elif isinstance(atom, Opaque):
            if name == "store":
                machine.rec.uses_store = True
            found |= one(Method(atom, name)) if calling or name in MUTATORS else NOTHING
            found |= NOTHING if calling else one(atom)
            found |= machine.kept_real(atom.site, name)
        elif isinstance(atom, Super):
            found |= _super_attribute(machine, atom, name, node)
        elif isinstance(atom, (Const, Plain)):
            found |= one(Method(atom, name)) if calling else PLAIN
        else:
            found |= one(Method(atom, name)) if calling else OPAQUE
            found |= machine.kept_real(0, name)
    return found


def _ref_attribute(machine: Machine, ref: Ref, name: str, node: ast.AST, calling: bool) -> Value:
    if name in ("__dict__",):
        return one(ref)
    if name == "__class__":
        return OPAQUE
    found = members.member(ref.hint, name)
    if found.kind == "field":
        value = child(machine, ref, name, found.hint)
        return value | one(Method(ref, name)) if calling else value
    if found.kind == "property":
        return _computed(machine, ref, name, node)
    computed = _computed(machine, ref, name, node)
    if found.kind == "method" or calling:
        return one(Method(ref, name)) | computed
    if not ref.path and ref.exact:
        return _root_attribute(machine, ref, name)
    # Not known to be stored data: a property could look at all of the object.
    machine.rec.read(ref.path, f"an attribute of the state, `{name}`, is not known")
    return inner(machine, ref) | one(Method(ref, name)) | computed


def _computed(machine: Machine, ref: Ref, name: str, node: ast.AST) -> Value:
    """What code of the classes an object may have makes of one of its attributes."""
    found = NOTHING
    for code in members.getters(ref.hint, name):
        if isinstance(code, property):
            found |= machine.apply(machine, wrap(code.fget), Args([one(ref)]), node)
            continue
        if isinstance(code, functools.cached_property):
            machine.mutate(one(ref), f"`{name}` caches its value in the state")
            found |= machine.apply(machine, wrap(code.func), Args([one(ref)]), node)
            continue
        getter = wrap(members.static(type(code), "__get__"))
        found |= machine.apply(machine, getter, Args([wrap(code), one(ref), OPAQUE]), node)
    for special in ("__getattribute__", "__getattr__"):
        found |= run_special(machine, one(ref), special, [wrap(name)], node)
    return found


def _root_attribute(machine: Machine, ref: Ref, name: str) -> Value:
    plain = ref.hint is UNKNOWN or hints.is_mapping(ref.hint)
    if plain and name in DICT_METHODS:
        return one(Method(ref, name))
    if plain:
        return child(machine, ref, name, UNKNOWN)
    machine.rec.read((), f"`{name}` is not a field of the state")
    return inner(machine, ref) | one(Method(ref, name))


def _cell_attribute(machine: Machine, atom: Alloc, name: str, calling: bool) -> Value:
    cell = machine.cell(atom)
    if name == "__class__":
        return OPAQUE if cell.cls is None else one(Obj(cell.cls))
    if name == "__dict__":
        return one(atom)
    if cell.kind in ("instance", "command", "send"):
        return _instance_attribute(machine, atom, cell, name, calling)
    # Containers have methods only, but the copy of some other object is one too.
    return one(Method(atom, name)) | (NOTHING if calling else cell.everything())


def _instance_attribute(
    machine: Machine, atom: Alloc, cell: Cell, name: str, calling: bool
) -> Value:
    found = cell.fields.get(name, NOTHING) | cell.rest
    attribute = UNKNOWN if cell.cls is None else members.static(cell.cls, name)
    function = isinstance(attribute, (types.FunctionType, staticmethod, classmethod))
    if calling:
        # What is kept of the state is data; methods come from the class.
        found = frozenset(a for a in found if not isinstance(a, Ref))
    elif machine.aliasing(cell.rest):
        # What an attribute of unknown content gives may be a container of it.
        found |= machine.container("list", cell_node(), cell.rest, ("held", atom.site))
    if isinstance(attribute, property):
        return found | machine.apply(machine, wrap(attribute.fget), Args([one(atom)]), cell_node())
    if attribute is UNKNOWN and name not in cell.fields:
        found |= run_special(machine, one(atom), "__getattr__", [wrap(name)], cell_node())
    elif attribute is not UNKNOWN and not function:
        found |= OPAQUE if hasattr(attribute, "__get__") else wrap(attribute)
    if calling or function:
        found |= one(Method(atom, name))
    return found or OPAQUE


def real_attribute(machine: Machine, obj: object, name: str, node: ast.AST, calling: bool) -> Value:
    """An attribute of a real object, found without running its code."""
    kept = machine.kept_real(obj, name)
    if name == "__class__":
        return one(Obj(type(obj)))
    if isinstance(obj, types.ModuleType):
        if name in vars(obj):
            found = vars(obj)[name]
            return kept | see(machine, found) | (USER_OPAQUE if found is None else NOTHING)
        return kept | OPAQUE
    try:
        attribute = inspect.getattr_static(obj, name)
    except AttributeError:
        return kept | (one(Method(Obj(obj), name)) if calling else OPAQUE)
    if isinstance(obj, type):
        if isinstance(attribute, staticmethod):
            attribute = attribute.__func__
        elif isinstance(attribute, classmethod):
            return kept | one(Method(Obj(obj), name))
        return kept | see(machine, attribute)
    if isinstance(attribute, property) and attribute.fget is not None:
        return kept | machine.apply(machine, wrap(attribute.fget), Args([one(Obj(obj))]), node)
    if isinstance(attribute, staticmethod):
        return kept | see(machine, attribute.__func__)
    if attribute is None or _rebinds(_class_of(obj), name):
        # Filled in later, or changed now and then.
        kept |= USER_OPAQUE
    own = getattr(obj, "__dict__", None)
    if isinstance(own, dict) and own.get(name, UNKNOWN) is attribute:
        return kept | see(machine, attribute)
    if isinstance(attribute, types.MemberDescriptorType):
        try:
            return kept | see(machine, attribute.__get__(obj, type(obj)))
        except AttributeError:
            return kept | OPAQUE
    if hasattr(type(attribute), "__get__"):
        return kept | one(Method(Obj(obj), name))
    return kept | see(machine, attribute)


def _class_of(obj: object) -> type:
    return type(obj)


@functools.lru_cache(maxsize=2048)
def _rebinds(cls: type, name: str) -> bool:
    """Whether a method other than the initialiser gives ``self.name`` a value."""
    from langgraph_alto.plan.analysis.source import source_of

    for base in cls.__mro__:
        if is_library_module(base.__module__):
            continue
        for method_name, method in base.__dict__.items():
            if method_name in ("__init__", "__post_init__", "__new__"):
                continue
            if not isinstance(method, types.FunctionType) or name not in method.__code__.co_names:
                continue
            found = source_of(method)
            if found is None:
                return True
            for part in ast.walk(found.node):
                if (
                    isinstance(part, ast.Attribute)
                    and part.attr == name
                    and not isinstance(part.ctx, ast.Load)
                ):
                    return True
    return False


def _super_attribute(machine: Machine, atom: Super, name: str, node: ast.AST) -> Value:
    receiver = atom.receiver
    cls: type | None = None
    if isinstance(receiver, Obj):
        cls = receiver.obj if isinstance(receiver.obj, type) else type(receiver.obj)
    elif isinstance(receiver, Alloc):
        cls = machine.cell(receiver).cls
    mro = (cls or atom.owner).__mro__
    after = mro[mro.index(atom.owner) + 1 :] if atom.owner in mro else atom.owner.__mro__[1:]
    for base in after:
        if name in base.__dict__:
            attribute = base.__dict__[name]
            if isinstance(attribute, types.FunctionType):
                value, cell = machine.alloc("partial", node, (name, id(attribute)))
                machine.put(cell, "func", wrap(attribute))
                machine.put(cell, 0, one(receiver))
                return value
            return OPAQUE
    return OPAQUE


def set_attribute(machine: Machine, base: Value, name: str, value: Value) -> None:
    """``base.name = value``."""
    refs = frozenset(a for a in base if isinstance(a, Ref))
    run_special(machine, refs, "__setattr__", [wrap(name), value], cell_node())
    for atom in base:
        if isinstance(atom, Ref):
            if not atom.path and atom.exact:
                machine.rec.store(name, "")
                machine.keep((), name, value)
            elif atom.exact and members.setter_is_plain(atom.hint, name):
                machine.rec.touched.add((*atom.path, name))
                machine.rec.mutate((*atom.path, name), "")
                machine.keep(atom.path, name, value)
            else:
                change(machine, atom, f"attribute `{name}` of the state's objects is set")
                machine.keep(atom.path, None, value)
        elif isinstance(atom, Alloc):
            machine.put(machine.cells[atom.site], name, value)
            run_special(machine, one(atom), "__setattr__", [wrap(name), value], cell_node())
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, name, value)
            escape(machine, value, lambda: f"the state is stored in `{name}` of an object")
        elif isinstance(atom, (Opaque, Func)):
            machine.keep_real(atom.site if isinstance(atom, Opaque) else 0, name, value)
            escape(machine, value, lambda: f"the state is stored in `{name}` of an object")
