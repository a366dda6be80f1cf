"""Method calls: on state objects, on objects the code made, on real objects."""

from __future__ import annotations

import ast
import functools
import types

from langgraph_alto.plan.analysis import chains, handed, hints, members, runnables, validated
from langgraph_alto.plan.analysis.attributes import DICT_METHODS, get_attribute
from langgraph_alto.plan.analysis.catalogue import (
    ADDING,
    ALIASING,
    BUILTIN,
    COPIES,
    FRESH,
    HARMLESS,
    LOOKING,
    MUTATORS,
    NO_RESULT,
)
from langgraph_alto.plan.analysis.containers import merge_into, on_container, pairs_of
from langgraph_alto.plan.analysis.copies import copied
from langgraph_alto.plan.analysis.items import elements, get_item, real_elements, set_item
from langgraph_alto.plan.analysis.learned import learn_from_default
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.reach import element, escape, inner
from langgraph_alto.plan.analysis.source import is_library_code, is_library_module
from langgraph_alto.plan.analysis.unseen import call_unseen, change_reachable
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    OPAQUE,
    PLAIN,
    UNKNOWN,
    Alloc,
    Args,
    Atom,
    Cell,
    Const,
    Obj,
    Opaque,
    Plain,
    Ref,
    Value,
    join,
    one,
    strings,
)


def call_method(machine: Machine, receiver: Atom, name: str, args: Args, node: ast.AST) -> Value:
    """``receiver.name(*args)``."""
    if name in ("send", "asend", "throw", "athrow", "__next__"):
        # Who drives a coroutine by hand finds its result in an exception.
        machine.throw(one(receiver))
        machine.send(args.get(0))
    if isinstance(receiver, Ref):
        if not receiver.path and receiver.exact:
            return _on_state(machine, receiver, name, args, node)
        return _on_ref(machine, receiver, name, args, node)
    if isinstance(receiver, Alloc):
        cell = machine.cell(receiver)
        if cell.kind in ("instance", "command", "send", "partial"):
            return _on_instance(machine, receiver, cell, name, args, node)
        return on_container(machine, receiver, cell, name, args, node)
    if isinstance(receiver, Obj):
        return _on_real(machine, receiver.obj, name, args, node)
    if isinstance(receiver, (Const, Plain)):
        call_unseen(machine, args, name, node, user=False, name=("builtins", name))
        return _formatted(receiver, name, args)
    user = isinstance(receiver, Opaque) and receiver.user
    user = user and name not in HARMLESS
    fills = name not in HARMLESS
    found = call_unseen(machine, args, f".{name}", node, user=user, fills=fills)
    if not isinstance(receiver, Opaque):
        return found
    if name in MUTATORS or name in handed.KEEPING:
        machine.keep_real(receiver.site, "[]", args.everything())
    kept = machine.kept_real(receiver.site, "[]") | handed.run_by_name(machine, name, args, node)
    return (one(receiver) if name in ALIASING else found) | kept


def _formatted(receiver: Const | Plain, name: str, args: Args) -> Value:
    if not isinstance(receiver, Const) or not isinstance(receiver.value, str):
        return PLAIN
    simple = name in ("lower", "upper", "strip", "title", "capitalize")
    if simple and not (args.pos or args.kw or args.star):
        return one(Const(getattr(receiver.value, name)()))
    return PLAIN


# -- the state itself -------------------------------------------------------------


def _on_state(machine: Machine, ref: Ref, name: str, args: Args, node: ast.AST) -> Value:
    found = members.member(ref.hint, name)
    if found.kind == "method":
        return _follow(machine, ref, found.code, name, args, node)
    usual = name in DICT_METHODS or name.startswith("__")
    if usual and (hints.is_mapping(ref.hint) or members.lacks(ref.hint, name)):
        return _on_state_dict(machine, ref, name, args, node)
    if found.kind == "field":
        value = get_attribute(machine, one(ref), name, node)
        return machine.apply(machine, value, args, node)
    machine.rec.read((), f"`.{name}()` may read all of the state")
    call_unseen(machine, args, f".{name}", node, user=False)
    if (found.kind != "library" or name in MUTATORS) and name not in HARMLESS:
        machine.rec.mutate((), f"`.{name}()` may change anything in the state")
    return machine.opaque(node)


def _on_state_dict(machine: Machine, ref: Ref, name: str, args: Args, node: ast.AST) -> Value:
    state = one(ref)
    keys = strings(args.get(0))
    known = keys is not None and not args.star
    if name in ("get", "__getitem__", "pop", "setdefault") and known:
        found = get_item(machine, state, args.get(0), node)
        learn_from_default(machine, found, args.get(1, "default"))
        if name in ("pop", "setdefault"):
            for key in keys or ():
                machine.rec.store(key, "")
                if name == "setdefault":
                    machine.keep((), key, args.get(1))
        default = NONE if name != "__getitem__" and len(args.pos) < 2 else NOTHING
        return found | args.get(1, "default") | default
    if name == "__contains__" and known:
        get_item(machine, state, args.get(0), node)
        return PLAIN
    if name in ("__setitem__", "__delitem__"):
        set_item(machine, state, args.get(0), args.get(1))
        return NONE
    if name == "update":
        _update_state(machine, ref, args, node)
        return NONE
    if name == "clear":
        machine.rec.store(None, "the state is cleared")
        return NONE
    machine.rec.read((), f"`.{name}()` reads all keys of the state")
    if name in ("pop", "popitem", "setdefault"):
        machine.rec.store(None, f"`.{name}()` changes an unknown key")
        machine.keep((), None, args.get(1))
    call_unseen(machine, args, f".{name}", node, user=False)
    each = inner(machine, ref)
    if name in ("copy", "__copy__"):
        value, cell = machine.alloc("state", node)
        machine.put_rest(cell, each)
        machine.loosen(cell)
        return value
    if name == "keys":
        return PLAIN
    if name == "items":
        return pairs_of(machine, PLAIN, each, node)
    return machine.container("list", node, each) | each


def _update_state(machine: Machine, ref: Ref, args: Args, node: ast.AST) -> None:
    for key, value in args.kw.items():
        machine.rec.store(key, "")
        machine.keep((), key, value)
    if args.star or args.kwstar:
        machine.rec.store(None, "the state is updated with unknown keys")
        machine.keep((), None, args.star | args.kwstar)
    for value in args.pos:
        merge_into(machine, one(ref), value, node)


# -- objects in the state ---------------------------------------------------------


def _follow(
    machine: Machine,
    receiver: Atom,
    code: tuple[object, ...],
    name: str,
    args: Args,
    node: ast.AST,
) -> Value:
    """Call methods of a class whose source may be followed."""
    found = NOTHING
    for attribute in code:
        if isinstance(attribute, staticmethod):
            found |= machine.apply(machine, wrap(attribute.__func__), args, node)
            continue
        function = attribute.__func__ if isinstance(attribute, classmethod) else attribute
        bound = OPAQUE if isinstance(attribute, classmethod) else one(receiver)
        if isinstance(function, types.FunctionType) and is_library_code(function):
            told = members.is_told(function.__module__ or "")
            found |= _by_name(machine, receiver, name, args, node, library=told)
            continue
        full = Args([bound, *args.pos], args.star, args.kw, args.kwstar)
        found |= machine.apply(machine, wrap(function), full, node)
    return found


def _on_ref(machine: Machine, ref: Ref, name: str, args: Args, node: ast.AST) -> Value:
    if not members.fits(ref.hint, name):
        ref = Ref(ref.path, ref.exact)
    found = members.member(ref.hint, name)
    if found.kind == "method":
        return _follow(machine, ref, found.code, name, args, node)
    return _by_name(machine, ref, name, args, node, library=found.kind == "library")


def call_kept(machine: Machine, ref: Ref, args: Args, node: ast.AST) -> Value:
    """Call an object of the state."""
    found = members.member(ref.hint, "__call__")
    if found.kind == "method":
        return _follow(machine, ref, found.code, "__call__", args, node)
    machine.mutate(one(ref), "calling it may change it", certain=False)
    return call_unseen(machine, args, "a callable kept in the state", node, user=True)


def call_unbound(machine: Machine, name: str, args: Args, node: ast.AST) -> Value:
    """``Class.name(*args)``, for a method of a library's class."""
    rest = Args(args.pos[1:], args.star, args.kw, args.kwstar)
    found = NOTHING
    for atom in args.get(0):
        if isinstance(atom, (Ref, Alloc)):
            found |= _by_name(machine, atom, name, rest, node, library=True)
    return found


def _by_name(
    machine: Machine, receiver: Atom, name: str, args: Args, node: ast.AST, *, library: bool
) -> Value:
    """Call a method of which only the name says what it does."""
    ref = receiver if isinstance(receiver, Ref) else None
    state = one(receiver)
    if ref is None:
        return _on_held(machine, receiver, name, args, node, library=library)
    scalar = hints.is_scalar(ref.hint)
    keys = strings(args.get(0)) if args.pos else None
    item = name in ("get", "pop", "setdefault", "__getitem__") and keys is not None
    if item and hints.is_mapping(ref.hint):
        value = get_item(machine, state, args.get(0), node)
        learn_from_default(machine, value, args.get(1, "default"))
        value |= args.get(1, "default") | NONE
        if name in ("pop", "setdefault"):
            set_item(machine, state, args.get(0), args.get(1))
        return value
    if ref.path:
        machine.rec.touched.add(ref.path)
    if name not in ADDING:
        machine.read(state, lambda: "the whole state is used")
    changes = name in MUTATORS or _in_place(args) or _takes_out(ref, name, args)
    looks = hints.is_used_up(ref.hint) and name in LOOKING
    unsure = not (scalar or library or looks or name in HARMLESS)
    if changes and not scalar:
        machine.mutate(state, f"`.{name}()` changes it")
        if name in ("update", "extend", "extendleft", "__ior__", "__iadd__"):
            for value in (*args.pos, args.star):
                machine.keep(ref.path, None, elements(machine, value, node) | value)
            machine.keep(ref.path, None, join(args.kw.values()) | args.kwstar)
        else:
            machine.keep(ref.path, None, args.everything())
    elif unsure or (machine.strict and name not in BUILTIN):
        machine.mutate(state, f"`.{name}()` may change it", certain=False)
        machine.keep(ref.path, None, args.everything())
    known = None if unsure and not changes else ("builtins", name)
    call_unseen(machine, args, f".{name}", node, user=known is None, name=known)
    if scalar or name in FRESH:
        return PLAIN
    if name in NO_RESULT and hints.is_builtin(ref.hint):
        return NONE
    if name in COPIES:
        return _copied(machine, ref, args, node)
    found = _shared(machine, ref, name, node) | args.get(1, "default")
    if name in MUTATORS and not hints.is_builtin(ref.hint):
        # A method of the user's may go by that name, and return what it was given.
        found |= args.everything() | NONE
    return found


def _in_place(args: Args) -> bool:
    flag = args.kw.get("inplace", NOTHING)
    return bool(flag) and flag != one(Const(False))


def _takes_out(ref: Ref, name: str, args: Args) -> bool:
    """Whether a call is one of a queue's or an iterator's, which give each thing once."""
    if hints.is_used_up(ref.hint):
        return name not in LOOKING
    if name != "get" or args.star or hints.is_mapping(ref.hint):
        return False
    # A mapping's `get` needs a key; a queue's takes `block` and `timeout`.
    flag = args.get(0, "block")
    return not args.pos or flag <= {Const(True), Const(False)}


def _shared(machine: Machine, ref: Ref, name: str, node: ast.AST) -> Value:
    """The result of a method that may hand out parts of its receiver."""
    hint: object = UNKNOWN
    if hints.is_mapping(ref.hint):
        hint = hints.item(ref.hint, None)
    elif hints.is_sequence(ref.hint):
        hint = hints.element(ref.hint)
    each = element(machine, ref) if hints.is_sequence(ref.hint) else inner(machine, ref, hint)
    if name == "items":
        return pairs_of(machine, inner(machine, ref), each, node)
    if name in ("values",):
        return machine.container("list", node, each)
    if name in HARMLESS and name not in ALIASING and not hints.classes(ref.hint):
        return machine.opaque(node)
    return each | machine.opaque(node)


def _copied(machine: Machine, receiver: Atom, args: Args, node: ast.AST) -> Value:
    if args.get(-1, "deep") == one(Const(True)):
        return machine.opaque(node)
    kw = dict(args.kw)
    for atom in (*kw.pop("update", NOTHING), *args.get(0)):
        if isinstance(atom, Alloc):
            # `model_copy(update={...})`, and the operands of set operations.
            cell = machine.cell(atom)
            kw.update((k, v) for k, v in cell.fields.items() if isinstance(k, str))
            kw["*"] = kw.get("*", NOTHING) | cell.rest
    return copied(machine, Args([one(receiver)], kw=kw, kwstar=args.kwstar | args.star), node)


# -- objects the code made --------------------------------------------------------


def _on_held(
    machine: Machine, receiver: Atom, name: str, args: Args, node: ast.AST, *, library: bool
) -> Value:
    """A method that is not seen, of an object the code made."""
    held = machine.cell(receiver).everything() if isinstance(receiver, Alloc) else NOTHING
    chain = chains.as_made(machine, receiver)
    derived = chains.derive(machine, one(chain), name, args, node) if chain else NOTHING
    unsure = not (library or derived or name in HARMLESS)
    found = call_unseen(machine, args, f".{name}", node, user=unsure)
    escape(machine, held, lambda: f"an object that holds the state runs `.{name}`")
    if unsure:
        why = f"`.{name}()` may change what its object holds"
        change_reachable(machine, one(receiver), why, args.everything())
    if name in COPIES:
        return _copied(machine, receiver, args, node)
    if library and isinstance(receiver, Alloc) and name in MUTATORS | handed.KEEPING:
        machine.put_rest(machine.cells[receiver.site], args.everything())
    found |= validated.adapt(machine, receiver, name, args, node)
    if chain is not None:
        found |= chains.run_method(machine, chain, name, args, node) | derived
    elif name in runnables.RUN:
        value = runnables.inputs(machine, name, args, node)
        found |= handed.run_held(machine, held, value, node)
    return found | (held if name in ALIASING else NOTHING)


def _on_instance(
    machine: Machine, atom: Alloc, cell: Cell, name: str, args: Args, node: ast.AST
) -> Value:
    stored = cell.fields.get(name)
    if stored is not None:
        return machine.apply(machine, stored, args, node)
    attribute = UNKNOWN if cell.cls is None else members.static(cell.cls, name)
    if isinstance(attribute, (types.FunctionType, staticmethod, classmethod)):
        return _follow(machine, atom, (attribute,), name, args, node)
    library = cell.cls is not None and is_library_module(cell.cls.__module__)
    if (cell.rest or library) and (name in MUTATORS or name in handed.KEEPING):
        escape(machine, args.everything(), lambda: f"the state is passed to `.{name}`")
        machine.put_rest(cell, args.everything())
        return NONE | cell.rest
    return _on_held(machine, atom, name, args, node, library=library) | cell.rest


# -- real objects -----------------------------------------------------------------


def _on_real(machine: Machine, obj: object, name: str, args: Args, node: ast.AST) -> Value:
    stored = machine.kept_real(obj, name)
    if stored:
        machine.apply(machine, stored, args, node)
    own = members.static(type(obj), name)
    followed = isinstance(own, types.FunctionType) and not is_library_code(own)
    if not followed and runnables.is_runnable(obj) and name in runnables.RUN:
        return runnables.run_method(machine, obj, name, args, node)
    if not followed and runnables.is_runnable(obj):
        derived = chains.derive(machine, one(Obj(obj)), name, args, node)
        if derived:
            return derived | call_unseen(machine, args, f".{name}", node, user=False)
    cls = obj if isinstance(obj, type) else type(obj)
    attribute = members.static(cls, name)
    receiver = Obj(obj)
    if isinstance(obj, type):
        made = validated.make(machine, obj, name, args, node)
        if made is not None:
            return made
    if isinstance(obj, type) and chains.assigns(obj, name):
        return chains.derive(machine, NOTHING, name, args, node)
    if isinstance(attribute, classmethod):
        function = attribute.__func__
        full = Args([one(Obj(cls)), *args.pos], args.star, args.kw, args.kwstar)
        return machine.apply(machine, wrap(function), full, node)
    if isinstance(attribute, functools.partialmethod):
        return call_unseen(machine, args, f".{name}", node, user=True)
    if isinstance(attribute, (types.FunctionType, staticmethod)):
        if isinstance(attribute, staticmethod) or isinstance(obj, type):
            plain = attribute.__func__ if isinstance(attribute, staticmethod) else attribute
            return machine.apply(machine, wrap(plain), args, node)
        full = Args([one(receiver), *args.pos], args.star, args.kw, args.kwstar)
        adapted = validated.adapt(machine, receiver, name, args, node)
        return machine.apply(machine, wrap(attribute), full, node) | adapted
    if name in MUTATORS or name in handed.KEEPING:
        machine.keep_real(obj, "[]", args.everything())
    if name in ("get", "__getitem__") and type(obj) is dict:
        return get_item(machine, one(receiver), args.get(0), node) | args.get(1) | NONE
    if name in ("values", "items", "pop", "popitem", "get") and type(obj) in (dict, list):
        each = real_elements(machine, obj, values=True)
        if name == "items":
            return pairs_of(machine, real_elements(machine, obj), each, node)
        return machine.container("list", node, each) if name == "values" else each | NONE
    user = not is_library_module(cls.__module__)
    found = call_unseen(
        machine, args, f".{name}", node, user=user, name=(cls.__module__.lstrip("_"), name)
    )
    found |= handed.run_by_name(machine, name, args, node)
    return found | machine.kept_real(obj, "[]")
