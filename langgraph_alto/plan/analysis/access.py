"""Attributes, items and elements: how paths grow, and what stores change."""

from __future__ import annotations

import ast
import functools
import inspect
import types
from collections.abc import Callable, Iterable

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.catalogue import MUTATORS
from langgraph_alto.plan.analysis.machine import Machine, wrap
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
    aliasing,
    join,
    one,
    strings,
)

_MAX_REAL_ITEMS = 64
DICT_METHODS = frozenset(n for n in dir(dict) if not n.startswith("__"))


# -- paths ------------------------------------------------------------------------


def child(machine: Machine, ref: Ref, name: str, hint: object) -> Value:
    """The object under a constant name of a state object."""
    if not ref.exact:
        return inner(machine, ref, hint)
    if len(ref.path) >= machine.max_path:
        return inner(machine, ref, hint)
    path = (*ref.path, name)
    machine.rec.touched.add(path)
    return one(Ref(path, True, hint)) | machine.kept_at(path)


def inner(machine: Machine, ref: Ref, hint: object = UNKNOWN) -> Value:
    """Some object somewhere below a state object."""
    if ref.path:
        machine.rec.touched.add(ref.path)
    else:
        machine.rec.read((), "a key of the state is not known before the run")
    return one(Ref(ref.path, False, hint)) | machine.kept_below(ref.path)


# -- attributes -------------------------------------------------------------------


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
            found |= one(Method(atom, name)) if calling else one(atom)
        elif isinstance(atom, Super):
            found |= _super_attribute(machine, atom, name, node)
        elif isinstance(atom, (Const, Plain)):
            found |= one(Method(atom, name)) if calling else PLAIN
        else:
            found |= one(Method(atom, name)) if calling else OPAQUE
    return found


def _ref_attribute(machine: Machine, ref: Ref, name: str, node: ast.AST, calling: bool) -> Value:
    if name in ("__dict__",):
        return one(ref)
    if name == "__class__":
        return OPAQUE
    found = hints.member(ref.hint, name)
    if found.kind == "field":
        value = child(machine, ref, name, found.hint)
        return value | one(Method(ref, name)) if calling else value
    if found.kind == "property":
        value = NOTHING
        for code in found.code:
            getter = code.fget if isinstance(code, property) else getattr(code, "func", None)
            if isinstance(code, functools.cached_property):
                machine.mutate(one(ref), f"`{name}` caches its value in the state")
            value |= machine.apply(machine, wrap(getter), Args([one(ref)]), node)
        return value
    if found.kind == "method" or calling:
        return one(Method(ref, name))
    if not ref.path and ref.exact:
        return _root_attribute(machine, ref, name)
    # Not known to be stored data: a property could look at all of the object.
    machine.rec.read(ref.path, f"an attribute of the state, `{name}`, is not known")
    return inner(machine, ref) | one(Method(ref, name))


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
    if cell.kind in ("instance", "command", "send"):
        found = cell.fields.get(name, NOTHING) | cell.rest
        attribute = UNKNOWN if cell.cls is None else hints.static(cell.cls, name)
        if isinstance(attribute, property):
            found |= machine.apply(machine, wrap(attribute.fget), Args([one(atom)]), cell_node())
        elif attribute is not UNKNOWN and not callable(attribute):
            found |= wrap(attribute) if not hasattr(attribute, "__get__") else OPAQUE
        if calling or callable(attribute) or hasattr(attribute, "__get__"):
            found |= one(Method(atom, name))
        return found or OPAQUE
    # Containers have methods only, but the copy of some other object is one too.
    return one(Method(atom, name)) | (NOTHING if calling else cell.everything())


@functools.cache
def cell_node() -> ast.AST:
    """A place for calls no syntax stands for."""
    return ast.Pass(lineno=0, col_offset=0)


def real_attribute(machine: Machine, obj: object, name: str, node: ast.AST, calling: bool) -> Value:
    """An attribute of a real object, found without running its code."""
    kept = machine.kept_real(obj, name)
    if isinstance(obj, types.ModuleType):
        if name in vars(obj):
            return kept | see(machine, vars(obj)[name])
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
    own = getattr(obj, "__dict__", None)
    if isinstance(own, dict) and own.get(name, UNKNOWN) is attribute:
        if isinstance(attribute, (str, int, float)) and _rebinds(_class_of(obj), name):
            return kept | PLAIN
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


def see(machine: Machine, obj: object) -> Value:
    """A real object the code refers to; some of them are facts by themselves."""
    module = getattr(type(obj), "__module__", "")
    if module == "langgraph.func":
        machine.rec.calls_tasks = True
    elif isinstance(obj, types.FunctionType) and obj.__module__ is not None:
        if obj.__name__ == "interrupt" and obj.__module__ == "langgraph.types":
            machine.rec.interrupts = True
        elif obj.__name__ == "get_store" and obj.__module__ == "langgraph.config":
            machine.rec.uses_store = True
    return wrap(obj)


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
    for atom in base:
        if isinstance(atom, Ref):
            if not atom.path and atom.exact:
                machine.rec.store(name, "")
                machine.keep((), name, value)
            elif atom.exact and hints.setter_is_plain(atom.hint, name):
                machine.rec.touched.add((*atom.path, name))
                machine.rec.mutate((*atom.path, name), "")
                machine.keep(atom.path, name, value)
            else:
                _change(machine, atom, f"attribute `{name}` of the state's objects is set")
                machine.keep(atom.path, None, value)
        elif isinstance(atom, Alloc):
            machine.put(machine.cells[atom.site], name, value)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, name, value)
            escape(machine, value, lambda: f"the state is stored in `{name}` of an object")
        else:
            escape(machine, value, lambda: f"the state is stored in `{name}` of an object")


def _change(machine: Machine, ref: Ref, why: str) -> None:
    if ref.path:
        machine.rec.touched.add(ref.path)
    machine.mutate(one(ref), why)


# -- items and elements -----------------------------------------------------------


def get_item(machine: Machine, base: Value, key: Value, node: ast.AST) -> Value:
    """``base[key]``."""
    found = NOTHING
    names = strings(key)
    for atom in base:
        if isinstance(atom, Ref):
            found |= _ref_item(machine, atom, names)
        elif isinstance(atom, Alloc):
            found |= _cell_item(machine, machine.cell(atom), key)
        elif isinstance(atom, Obj):
            found |= _real_item(machine, atom.obj, key)
        elif isinstance(atom, Opaque):
            found |= one(atom)
        elif isinstance(atom, (Const, Plain)):
            found |= PLAIN
        else:
            found |= machine.opaque(node)
    return found


def _ref_item(machine: Machine, ref: Ref, names: frozenset[str] | None) -> Value:
    root = not ref.path and ref.exact
    if names is None:
        if root:
            machine.rec.read((), "a key of the state is not a constant")
        return inner(machine, ref, hints.item(ref.hint, None))
    mapping = hints.is_mapping(ref.hint)
    if mapping is False and not root:
        machine.rec.read(ref.path, "an item of the state is not known")
        return inner(machine, ref)
    if mapping is False:
        machine.rec.read((), "the state is not a mapping, yet it is subscripted")
    return join(child(machine, ref, n, hints.item(ref.hint, n)) for n in names)


def _cell_item(machine: Machine, cell: Cell, key: Value) -> Value:
    exact = cell.exact and cell.kind in ("dict", "tuple", "partial", "state")
    if not exact:
        return cell.everything()
    found = NOTHING
    for atom in key:
        if not isinstance(atom, Const):
            return cell.everything() | (OPAQUE if cell.open else NOTHING)
        where = atom.value
        if isinstance(where, int) and where < 0 and cell.kind == "tuple":
            return cell.everything()
        found |= cell.fields.get(where, NOTHING)
    return found | cell.rest | (OPAQUE if cell.open and not cell.rest else NOTHING)


def _real_item(machine: Machine, obj: object, key: Value) -> Value:
    kept = machine.kept_real(obj, "[]")
    if isinstance(obj, type):
        # Subscripting a class only parametrises it.
        return one(Obj(obj))
    if type(obj) not in (dict, list, tuple):
        return kept | OPAQUE
    found = kept
    for atom in key:
        if not isinstance(atom, Const):
            return kept | real_elements(machine, obj, values=True)
        try:
            found |= see(machine, obj[atom.value])  # type: ignore[index]
        except (LookupError, TypeError):
            found |= OPAQUE
    return found


def real_elements(machine: Machine, obj: object, *, values: bool = False) -> Value:
    """What iterating over a real object yields, or a mapping's values."""
    kept = machine.kept_real(obj, "[]")
    if type(obj) in (list, tuple, set, frozenset, dict, types.MappingProxyType):
        mapping = values and isinstance(obj, (dict, types.MappingProxyType))
        items: Iterable[object] = obj.values() if mapping else obj  # type: ignore[attr-defined, assignment]
        found = tuple(items)
        if len(found) > _MAX_REAL_ITEMS:
            return kept | USER_OPAQUE
        return kept | join(see(machine, item) for item in found)
    if isinstance(obj, range):
        return PLAIN
    return kept | OPAQUE


def set_item(machine: Machine, base: Value, key: Value, value: Value) -> None:
    """``base[key] = value``."""
    names = strings(key)
    for atom in base:
        if isinstance(atom, Ref):
            _set_ref_item(machine, atom, names, value)
        elif isinstance(atom, Alloc):
            cell = machine.cells[atom.site]
            if names is not None and cell.kind in ("dict", "state"):
                for name in names:
                    machine.put(cell, name, value)
            else:
                machine.put_rest(cell, value)
                machine.loosen(cell)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, "[]", value)
            escape(
                machine, value, lambda: "the state is stored in an object that outlives the node"
            )
        else:
            escape(machine, value, lambda: "the state is stored in an unknown object")


def _set_ref_item(machine: Machine, ref: Ref, names: frozenset[str] | None, value: Value) -> None:
    if not ref.path and ref.exact:
        for name in names or (None,):
            machine.rec.store(name, "a key that is set is not a constant")
            machine.keep((), name, value)
        return
    if names is None or not ref.exact or hints.is_mapping(ref.hint) is False:
        _change(machine, ref, "an item of the state's objects is set")
        machine.keep(ref.path, None, value)
        return
    for name in names:
        machine.rec.touched.add((*ref.path, name))
        machine.rec.mutate((*ref.path, name), "")
        machine.keep(ref.path, name, value)


def slice_of(machine: Machine, base: Value, node: ast.AST) -> Value:
    """``base[a:b]``: a new container of the same elements, or a view."""
    found = NOTHING
    for atom in base:
        if isinstance(atom, (Const, Plain)):
            found |= PLAIN
        elif isinstance(atom, Ref) and not hints.is_sequence(atom.hint):
            # An array's slice is a window on it; a list's is not.
            machine.read(one(atom), lambda: "the state is sliced")
            found |= machine.container("list", node, elements(machine, one(atom), node))
            if hints.classes(atom.hint):
                found |= inner(machine, atom)
        elif isinstance(atom, Opaque):
            found |= one(atom)
        else:
            found |= machine.container("list", node, elements(machine, one(atom), node))
    return found


def elements(machine: Machine, base: Value, node: ast.AST) -> Value:
    """What iterating over a value yields."""
    found = NOTHING
    for atom in base:
        if isinstance(atom, Ref):
            machine.read(one(atom), lambda: "the code iterates over the whole state")
            if hints.is_scalar(atom.hint) or hints.is_mapping(atom.hint):
                found |= PLAIN
            else:
                found |= inner(machine, atom, hints.element(atom.hint))
        elif isinstance(atom, Alloc):
            cell = machine.cell(atom)
            if cell.kind in ("dict", "state"):
                found |= join(wrap(k) for k in cell.fields) | (PLAIN if cell.open else NOTHING)
            elif cell.kind == "partial":
                continue
            else:
                found |= cell.everything()
        elif isinstance(atom, Obj):
            found |= real_elements(machine, atom.obj)
        elif isinstance(atom, Opaque):
            found |= one(atom)
        elif isinstance(atom, (Const, Plain)):
            found |= PLAIN
        else:
            found |= machine.opaque(node)
    return found


def unpack(
    machine: Machine, base: Value, count: int, star: int | None, node: ast.AST
) -> list[Value]:
    """The values that ``a, b, *c = base`` gives to its targets."""
    out = [NOTHING] * count
    for atom in base:
        cell = machine.cell(atom) if isinstance(atom, Alloc) else None
        if (
            cell is not None
            and cell.kind == "tuple"
            and cell.exact
            and not cell.rest
            and star is None
        ):
            for index in range(count):
                out[index] |= cell.fields.get(index, NOTHING)
            continue
        if isinstance(atom, Obj) and type(atom.obj) in (tuple, list) and star is None:
            real = atom.obj
            if isinstance(real, (tuple, list)) and len(real) == count:
                for index in range(count):
                    out[index] |= see(machine, real[index]) | machine.kept_real(real, "[]")
                continue
        each = elements(machine, one(atom), node)
        for index in range(count):
            if index == star:
                out[index] |= machine.container("list", node, each, ("star", index))
            else:
                out[index] |= each
    return out


# -- escape -----------------------------------------------------------------------


def escape(machine: Machine, value: Value, why: Callable[[], str]) -> None:
    """These objects go where analysis cannot follow: all their content is read."""
    if not aliasing(value):
        return
    for atom in machine.reachable(value):
        if isinstance(atom, Ref):
            machine.rec.read(atom.path, "" if atom.path else why())
        elif isinstance(atom, Func) or (isinstance(atom, Method) and may_change(atom)):
            machine.call_escaped(atom, OPAQUE, cell_node())


def may_change(method: Method) -> bool:
    """Whether calling a bound method later is worth thinking about.

    An attribute of unknown objects is far more often data than a method.
    """
    if method.name in MUTATORS:
        return True
    receiver = method.receiver
    if isinstance(receiver, Ref):
        return hints.member(receiver.hint, method.name).kind == "method"
    return isinstance(receiver, (Alloc, Super, Obj))
