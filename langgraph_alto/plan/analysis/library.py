"""Models of the builtins and library functions that node code really uses.

A model says what a call returns in terms of its arguments, so that ``sorted``
of a state list is known to be a new list of the state's own objects.
"""

from __future__ import annotations

import ast
import asyncio
import collections
import copy
import enum
import functools
import itertools
import operator
import types
import typing
from collections.abc import Callable

from langgraph_alto.plan.analysis import access, hints
from langgraph_alto.plan.analysis.machine import GiveUp, Machine, wrap
from langgraph_alto.plan.analysis.source import is_library_module
from langgraph_alto.plan.analysis.unseen import call_unseen, describe
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    OPAQUE,
    PLAIN,
    USER_OPAQUE,
    Alloc,
    Args,
    Cell,
    Const,
    Obj,
    Ref,
    Super,
    Value,
    const,
    join,
    one,
    strings,
)

Model = Callable[[Machine, Args, ast.AST], Value]
_MODELS: dict[int, Model] = {}


def model_of(obj: object) -> Model | None:
    """The model of a real callable, if there is one."""
    return _MODELS.get(id(obj))


def _model(*objs: object) -> Callable[[Model], Model]:
    def register(model: Model) -> Model:
        for obj in objs:
            _MODELS[id(obj)] = model
        return model

    return register


def _all_elements(machine: Machine, args: Args, node: ast.AST) -> Value:
    return join(access.elements(machine, value, node) for value in (*args.pos, args.star))


@_model(
    *(len, str, repr, int, float, bool, complex, bytes, bytearray, format, ord, chr, hash, abs),
    *(round, divmod, pow, bin, hex, oct, ascii, any, all, range, slice, print, input, memoryview),
)
def _plain(machine: Machine, args: Args, node: ast.AST) -> Value:
    label = describe(node)
    access.escape(machine, args.everything(), lambda: f"the whole state is passed to `{label}`")
    return PLAIN


@_model(isinstance, issubclass, callable, id)
def _type_test(machine: Machine, args: Args, node: ast.AST) -> Value:
    return PLAIN


@_model(sum)
def _sum(machine: Machine, args: Args, node: ast.AST) -> Value:
    _plain(machine, args, node)
    each = _all_elements(machine, args, node)
    return PLAIN | machine.container("list", node, access.elements(machine, each, node))


@_model(
    *(list, set, frozenset, sorted, reversed, iter, aiter, asyncio.as_completed),
    *(collections.deque, collections.Counter),
    *(itertools.chain, itertools.cycle, itertools.islice, itertools.repeat),
    *(itertools.takewhile, itertools.dropwhile, itertools.filterfalse, filter),
)
def _collect(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = _all_elements(machine, args, node)
    for key in (args.kw.get("key"), *args.pos):
        if key:
            functions = frozenset(a for a in key if not isinstance(a, (Ref, Alloc, Const)))
            if functions and (key is args.kw.get("key") or len(args.pos) > 1):
                machine.apply(machine, functions, Args([each]), node)
    return machine.container("list", node, each)


@_model(itertools.chain.from_iterable)
def _flatten(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = _all_elements(machine, args, node)
    return machine.container("list", node, access.elements(machine, each, node))


@_model(zip, itertools.zip_longest)
def _tuples(machine: Machine, args: Args, node: ast.AST) -> Value:
    pair, cell = machine.alloc("tuple", node, "zip")
    if args.star:
        cell.exact = False
    for index, value in enumerate(args.pos):
        machine.put(cell, index, access.elements(machine, value, node))
    machine.put_rest(cell, access.elements(machine, args.star, node))
    return machine.container("list", node, pair)


@_model(
    *(itertools.groupby, itertools.product, itertools.combinations, itertools.permutations),
    itertools.tee,
)
def _groups(machine: Machine, args: Args, node: ast.AST) -> Value:
    call_unseen(machine, args, describe(node), node, user=False, name=("itertools", "product"))
    each = _all_elements(machine, args, node)
    group = machine.container("list", node, each, "group")
    return machine.container("list", node, each | group)


@_model(enumerate)
def _enumerate(machine: Machine, args: Args, node: ast.AST) -> Value:
    pair, cell = machine.alloc("tuple", node, "enumerate")
    machine.put(cell, 0, PLAIN)
    machine.put(cell, 1, access.elements(machine, args.get(0, "iterable"), node))
    return machine.container("list", node, pair)


@_model(tuple)
def _tuple(machine: Machine, args: Args, node: ast.AST) -> Value:
    found = NOTHING
    for atom in args.get(0):
        if isinstance(atom, Alloc) and machine.cell(atom).kind == "tuple":
            found |= one(atom)
        else:
            each = access.elements(machine, one(atom), node)
            found |= machine.container("tuple", node, each)
    return found or machine.container("tuple", node, NOTHING)


@_model(map)
def _map(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = [access.elements(machine, value, node) for value in args.pos[1:]]
    star = access.elements(machine, args.star, node)
    result = machine.apply(machine, args.get(0), Args(each, star), node)
    return machine.container("list", node, result)


@_model(functools.reduce)
def _reduce(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = access.elements(machine, args.get(1), node) | args.get(2)
    result = machine.apply(machine, args.get(0), Args([each, each]), node)
    return machine.apply(machine, args.get(0), Args([each | result, each]), node) | each


@_model(next, anext)
def _next(machine: Machine, args: Args, node: ast.AST) -> Value:
    machine.mutate(args.get(0), "`next()` moves an iterator of the state")
    return access.elements(machine, args.get(0), node) | args.get(1)


@_model(min, max)
def _extreme(machine: Machine, args: Args, node: ast.AST) -> Value:
    access.escape(machine, args.everything(), lambda: "the whole state is compared")
    each = _all_elements(machine, args, node) if len(args.pos) < 2 else join(args.pos) | args.star
    if "key" in args.kw:
        machine.apply(machine, args.kw["key"], Args([each]), node)
    return each | args.kw.get("default", NOTHING)


@_model(dict, collections.OrderedDict, collections.defaultdict)
def _dict(machine: Machine, args: Args, node: ast.AST) -> Value:
    value, cell = machine.alloc("dict", node)
    for source in (*args.pos, args.star):
        spread(machine, cell, source, node, "copied into a new mapping")
    for key, each in args.kw.items():
        machine.put(cell, key, each)
    if args.kwstar:
        machine.put_rest(cell, args.kwstar)
        machine.loosen(cell)
    if args.pos and any(isinstance(a, Obj) and callable(a.obj) for a in args.pos[0]):
        # `defaultdict(list)`: a missing key makes a new value, and a new key.
        factory = machine.apply(machine, args.pos[0], Args(), node)
        machine.put_rest(cell, factory)
    return value


@_model(dict.__dict__["fromkeys"])
def _fromkeys(machine: Machine, args: Args, node: ast.AST) -> Value:
    value, cell = machine.alloc("dict", node)
    keys = access.elements(machine, args.get(0), node)
    names = strings(keys)
    for name in names or ():
        machine.put(cell, name, args.get(1) or NONE)
    if names is None:
        machine.put_rest(cell, args.get(1) or NONE)
        machine.loosen(cell)
    return value


def spread(machine: Machine, cell: Cell, source: Value, node: ast.AST, how: str) -> None:
    """Copy all items of a mapping, or pairs of an iterable, into a dict cell."""
    for atom in source:
        if isinstance(atom, Alloc):
            other = machine.cell(atom)
            if other.kind in ("dict", "state"):
                for key, value in tuple(other.fields.items()):
                    machine.put(cell, key, value)
                machine.put_rest(cell, other.rest)
                if other.open:
                    machine.loosen(cell)
                continue
            for each in other.everything():
                pair = machine.cell(each) if isinstance(each, Alloc) else None
                keys = None if pair is None else strings(pair.fields.get(0, NOTHING))
                if pair is not None and keys is not None and pair.kind == "tuple" and pair.exact:
                    for key in keys:
                        machine.put(cell, key, pair.fields.get(1, NOTHING) | pair.rest)
                else:
                    machine.loosen(cell)
                    machine.put_rest(cell, access.elements(machine, one(each), node) | OPAQUE)
        elif isinstance(atom, Obj) and isinstance(atom.obj, (dict, types.MappingProxyType)):
            for key, real in tuple(atom.obj.items())[:256]:
                machine.put(cell, key, access.see(machine, real))
            machine.put_rest(cell, machine.kept_real(atom.obj, "[]"))
        elif (isinstance(atom, Obj) and callable(atom.obj)) or (
            isinstance(atom, Const) and atom.value is None
        ):
            continue
        else:
            machine.loosen(cell)
            if isinstance(atom, Ref):
                machine.read(one(atom), lambda: f"the whole state is {how}")
                machine.put_rest(cell, access.inner(machine, atom, hints.item(atom.hint, None)))
            else:
                machine.put_rest(cell, OPAQUE)


@_model(getattr)
def _getattr(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(1))
    base = args.get(0)
    found = args.get(2)
    if names is not None:
        for name in names:
            found |= access.get_attribute(machine, base, name, node)
        return found
    return found | _any_attribute(machine, base, node)


def _any_attribute(machine: Machine, base: Value, node: ast.AST) -> Value:
    found = OPAQUE
    for atom in base:
        if isinstance(atom, Ref):
            if not atom.path:
                machine.rec.read((), "an attribute of the state is not known before the run")
            found |= access.inner(machine, atom)
        elif isinstance(atom, Alloc):
            found |= machine.cell(atom).everything()
        elif isinstance(atom, Obj):
            found |= USER_OPAQUE | machine.kept_real(atom.obj, None)
    return found


@_model(hasattr)
def _hasattr(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(1))
    if names is None:
        _any_attribute(machine, args.get(0), node)
    else:
        for name in names:
            access.get_attribute(machine, args.get(0), name, node)
    return PLAIN


@_model(setattr, delattr)
def _setattr(machine: Machine, args: Args, node: ast.AST) -> Value:
    names = strings(args.get(1))
    if names is not None:
        for name in names:
            access.set_attribute(machine, args.get(0), name, args.get(2))
        return NONE
    for atom in args.get(0):
        if isinstance(atom, Ref):
            machine.mutate(one(atom), "an attribute that is not known is set")
            machine.keep(atom.path, None, args.get(2))
        elif isinstance(atom, Alloc):
            cell = machine.cells[atom.site]
            machine.put_rest(cell, args.get(2))
            machine.loosen(cell)
        elif isinstance(atom, Obj):
            machine.keep_real(atom.obj, None, args.get(2))
    return NONE


@_model(operator.getitem)
def _getitem(machine: Machine, args: Args, node: ast.AST) -> Value:
    return access.get_item(machine, args.get(0), args.get(1), node)


@_model(operator.setitem)
def _setitem(machine: Machine, args: Args, node: ast.AST) -> Value:
    access.set_item(machine, args.get(0), args.get(1), args.get(2))
    return NONE


@_model(operator.add, operator.concat)
def _add(machine: Machine, args: Args, node: ast.AST) -> Value:
    access.escape(machine, args.everything(), lambda: "the whole state is added")
    return machine.container("list", node, _all_elements(machine, args, node)) | PLAIN


@_model(vars)
def _vars(machine: Machine, args: Args, node: ast.AST) -> Value:
    if not (args.pos or args.star):
        return _locals(machine, args, node)
    return join(
        access.get_attribute(machine, one(a), "__dict__", node)
        if not isinstance(a, Alloc)
        else one(a)
        for a in args.get(0)
    )


@_model(locals)
def _locals(machine: Machine, args: Args, node: ast.AST) -> Value:
    value, cell = machine.alloc("dict", node)
    for name, each in (*machine.frame.env.items(), *machine.frame.shared.items()):
        machine.put(cell, name, each)
    machine.frame.seen.update(machine.frame.shared)
    return value


@_model(eval, exec, compile, __import__, globals)
def _dynamic(machine: Machine, args: Args, node: ast.AST) -> Value:
    raise GiveUp(f"`{describe(node)}` can do anything")


@_model(type)
def _type(machine: Machine, args: Args, node: ast.AST) -> Value:
    found = USER_OPAQUE
    for atom in args.get(0):
        if isinstance(atom, Obj):
            found |= one(Obj(type(atom.obj)))
        elif isinstance(atom, Ref):
            found |= frozenset(Obj(c) for c in hints.classes(atom.hint))
    return found


@_model(super)
def _super(machine: Machine, args: Args, node: ast.AST) -> Value:
    frame = machine.frame
    owner: object = frame.scope.cells.get("__class__")
    receiver = NOTHING
    if args.pos:
        for atom in args.get(0):
            owner = atom.obj if isinstance(atom, Obj) else None
        receiver = args.get(1)
    else:
        spec = getattr(frame.node, "args", None)
        first = [*spec.posonlyargs, *spec.args][:1] if isinstance(spec, ast.arguments) else []
        for arg in first:
            receiver = machine.lookup(frame, arg.arg) or NOTHING
    if not isinstance(owner, type) or not receiver:
        return USER_OPAQUE
    return frozenset(Super(owner, atom) for atom in receiver)


@_model(copy.copy)
def _copy(machine: Machine, args: Args, node: ast.AST) -> Value:
    access.escape(machine, args.get(0), lambda: "the whole state is copied")
    found = NOTHING
    for atom in args.get(0):
        if isinstance(atom, Ref):
            each = access.inner(machine, atom)
            kind: typing.Literal["state", "list"] = "state" if not atom.path else "list"
            value, cell = machine.alloc(kind, node, "copy")
            cell.exact = False
            machine.put_rest(cell, each)
            machine.loosen(cell)
            found |= value
        elif isinstance(atom, Alloc):
            source = machine.cell(atom)
            value, cell = machine.alloc(source.kind, node, ("copy", id(source.cls)))
            cell.cls, cell.exact = source.cls, source.exact
            for key, each in tuple(source.fields.items()):
                machine.put(cell, key, each)
            machine.put_rest(cell, source.rest)
            if source.open:
                machine.loosen(cell)
            found |= value
        else:
            found |= one(atom)
    return found


@_model(copy.deepcopy)
def _deepcopy(machine: Machine, args: Args, node: ast.AST) -> Value:
    access.escape(machine, args.get(0), lambda: "the whole state is copied")
    found = NOTHING
    for atom in args.get(0):
        if isinstance(atom, Alloc):
            # Its keys are those of the original; what they hold is all new.
            source = machine.cell(atom)
            value, cell = machine.alloc(source.kind, node, ("deep", id(source.cls)))
            cell.cls, cell.exact = source.cls, source.exact
            for key, each in tuple(source.fields.items()):
                machine.put(cell, key, frozenset(a for a in each if isinstance(a, Const)) | OPAQUE)
            if source.rest:
                machine.put_rest(cell, OPAQUE)
            if source.open:
                machine.loosen(cell)
            found |= value
        else:
            found |= one(atom) if isinstance(atom, (Const, Obj)) else machine.opaque(node)
    return found


@_model(functools.partial)
def _partial(machine: Machine, args: Args, node: ast.AST) -> Value:
    value, cell = machine.alloc("partial", node)
    machine.put(cell, "func", args.get(0))
    for index, each in enumerate(args.pos[1:]):
        machine.put(cell, index, each)
    for key, each in args.kw.items():
        machine.put(cell, key, each)
    machine.put_rest(cell, args.star | args.kwstar)
    if args.kwstar:
        machine.loosen(cell)
    return value


def _getter(kind: Callable[..., object], machine: Machine, args: Args, node: ast.AST) -> Value:
    """``itemgetter("a", "b")`` and its like become real objects if their keys are known."""
    keys = [next(iter(value)) for value in args.pos if len(value) == 1]
    names = [key.value for key in keys if isinstance(key, Const)]
    if not names or len(names) != len(args.pos) or args.kw or args.star:
        return call_unseen(machine, args, describe(node), node, user=False)
    made = (machine.frame.index, id(node), kind, *names)
    if made not in machine.made:
        machine.made[made] = kind(*names)
    return one(Obj(machine.made[made]))


for _kind in (operator.itemgetter, operator.attrgetter, operator.methodcaller):
    _MODELS[id(_kind)] = functools.partial(_getter, _kind)


@_model(typing.cast)
def _cast(machine: Machine, args: Args, node: ast.AST) -> Value:
    return args.get(1, "val")


@_model(asyncio.gather)
def _gather(machine: Machine, args: Args, node: ast.AST) -> Value:
    return machine.container("list", node, join(args.pos) | args.star)


@_model(asyncio.create_task, asyncio.ensure_future, asyncio.shield, asyncio.wait_for, asyncio.run)
def _same(machine: Machine, args: Args, node: ast.AST) -> Value:
    rest = Args(args.pos[1:], kw=args.kw)
    access.escape(machine, rest.everything(), lambda: "the state is passed to asyncio")
    return args.pos[0] if args.pos else machine.opaque(node)


@_model(asyncio.to_thread)
def _to_thread(machine: Machine, args: Args, node: ast.AST) -> Value:
    rest = Args(args.pos[1:], args.star, args.kw, args.kwstar)
    return machine.apply(machine, args.get(0), rest, node)


# -- classes ----------------------------------------------------------------------


def is_langgraph(cls: type, name: str) -> bool:
    """Whether a class is LangGraph's ``Send`` or ``Command``, or derives from it."""
    return any(c.__name__ == name and c.__module__ == "langgraph.types" for c in cls.__mro__)


def construct(machine: Machine, cls: type, args: Args, node: ast.AST) -> Value:
    """Make an instance of a class."""
    if is_langgraph(cls, "Command"):
        return _construct_special(machine, "command", (), args, node)
    if is_langgraph(cls, "Send"):
        return _construct_special(machine, "send", ("node", "arg"), args, node)
    if hints.is_typed_dict(cls):
        return _dict(machine, args, node)
    label = describe(node)
    if issubclass(cls, (enum.Enum, str, bytes, int, float)):
        access.escape(machine, args.everything(), lambda: f"the whole state is passed to `{label}`")
        return PLAIN
    library = is_library_module(cls.__module__)
    if not library and (type(cls) is not type and not _usual_meta(type(cls))):
        return call_unseen(machine, args, label, node, user=True)
    value, cell = machine.alloc("instance", node, id(cls))
    cell.cls = cls
    machine.pinned.append(cls)
    names = tuple(hints.fields(cls) or ())
    if names and not (library and args.star):
        for name, each in zip(names, args.pos, strict=False):
            machine.put(cell, name, each)
        for name, each in args.kw.items():
            machine.put(cell, name, each)
        machine.put_rest(cell, args.star | args.kwstar)
    else:
        machine.put_rest(cell, args.everything())
    access.escape(machine, args.everything(), lambda: f"the whole state is passed to `{label}`")
    if library:
        call_unseen(machine, args, label, node, user=False, name=(cls.__module__, cls.__name__))
        return value
    for name in ("__init__", "__post_init__", "model_post_init"):
        method = hints.static(cls, name)
        if isinstance(method, types.FunctionType) and not _generated(method):
            given = args if name == "__init__" else Args(star=OPAQUE)
            full = Args([value, *given.pos], given.star, given.kw, given.kwstar)
            machine.apply(machine, wrap(method), full, node)
    return value


def _usual_meta(meta: type) -> bool:
    return is_library_module(meta.__module__)


def _generated(method: types.FunctionType) -> bool:
    """Whether a method was written by a dataclass or a library, not by the user."""
    return method.__code__.co_filename == "<string>" or is_library_module(method.__module__ or "")


def _construct_special(
    machine: Machine,
    kind: typing.Literal["command", "send"],
    names: tuple[str, ...],
    args: Args,
    node: ast.AST,
) -> Value:
    value, cell = machine.alloc(kind, node)
    for name, each in zip(names, args.pos, strict=False):
        machine.put(cell, name, each)
    for name, each in args.kw.items():
        machine.put(cell, name, each)
    if args.star or args.kwstar or len(args.pos) > len(names):
        machine.put_rest(cell, args.everything() | OPAQUE)
        machine.loosen(cell)
    return value


__all__ = ["const", "construct", "is_langgraph", "model_of", "spread"]
