"""Models of the builtins and library functions that node code really uses.

A model says what a call returns in terms of its arguments, so that ``sorted``
of a state list is known to be a new list of the state's own objects.
"""

from __future__ import annotations

import ast
import asyncio
import collections
import functools
import itertools
import operator
import types
import typing
from collections.abc import Callable

from langgraph_alto.plan.analysis.copies import spread
from langgraph_alto.plan.analysis.items import elements, get_item, set_item
from langgraph_alto.plan.analysis.learned import learn, learn_from_class
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.reach import escape, work_on
from langgraph_alto.plan.analysis.registry import MODELS, model
from langgraph_alto.plan.analysis.unseen import call_unseen, describe
from langgraph_alto.plan.analysis.values import (
    NONE,
    NOTHING,
    PLAIN,
    Alloc,
    Args,
    Const,
    Func,
    Method,
    Obj,
    Opaque,
    Ref,
    Value,
    join,
    one,
    strings,
)


def _all_elements(machine: Machine, args: Args, node: ast.AST) -> Value:
    return join(elements(machine, value, node) for value in (*args.pos, args.star))


@model(
    *(str, repr, int, float, bool, complex, bytes, bytearray, format, ord, chr, hash, abs),
    *(round, divmod, pow, bin, hex, oct, ascii, range, slice, print, input, memoryview),
)
def _plain(machine: Machine, args: Args, node: ast.AST) -> Value:
    label = describe(node)
    escape(machine, args.everything(), lambda: f"the whole state is passed to `{label}`")
    if label in _WORKING:
        work_on(machine, args.get(0))
    return PLAIN


_WORKING = frozenset(("bytes", "bytearray", "abs", "round", "divmod", "pow"))
"""Builtins that iterate over their argument, or apply an operator to it."""


@model(any, all)
def _any(machine: Machine, args: Args, node: ast.AST) -> Value:
    work_on(machine, args.get(0))
    return _plain(machine, args, node)


@model(len)
def _len(machine: Machine, args: Args, node: ast.AST) -> Value:
    # The length of a container that the code made says nothing of what is in it.
    made = frozenset(
        atom
        for atom in args.get(0)
        if isinstance(atom, Alloc) and machine.cell(atom).kind in ("list", "tuple")
    )
    if made != args.get(0):
        _plain(machine, args, node)
    return PLAIN


@model(isinstance)
def _isinstance(machine: Machine, args: Args, node: ast.AST) -> Value:
    learn_from_class(machine, args.get(0), args.get(1))
    return PLAIN


@model(issubclass, callable, id)
def _type_test(machine: Machine, args: Args, node: ast.AST) -> Value:
    return PLAIN


@model(sum)
def _sum(machine: Machine, args: Args, node: ast.AST) -> Value:
    _plain(machine, args, node)
    each = _all_elements(machine, args, node)
    return PLAIN | machine.container("list", node, elements(machine, each, node))


@model(
    *(list, set, frozenset, sorted, reversed, aiter, asyncio.as_completed),
    *(collections.deque, collections.UserList),
    *(itertools.chain, itertools.cycle, itertools.islice, itertools.repeat),
    *(itertools.takewhile, itertools.dropwhile, itertools.filterfalse, itertools.compress, filter),
)
def _collect(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = _all_elements(machine, args, node)
    for key in (args.kw.get("key"), *args.pos):
        if key:
            functions = frozenset(a for a in key if not isinstance(a, (Ref, Alloc, Const)))
            if functions and (key is args.kw.get("key") or len(args.pos) > 1):
                machine.apply(machine, functions, Args([each]), node)
    return machine.container("list", node, each)


@model(iter)
def _iter(machine: Machine, args: Args, node: ast.AST) -> Value:
    if len(args.pos) < 2:
        return _collect(machine, args, node)
    # `iter(read, "")` calls until it gets the second.
    return machine.container("list", node, machine.apply(machine, args.pos[0], Args(), node))


@model(itertools.chain.from_iterable)
def _flatten(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = _all_elements(machine, args, node)
    return machine.container("list", node, elements(machine, each, node))


@model(zip, itertools.zip_longest)
def _tuples(machine: Machine, args: Args, node: ast.AST) -> Value:
    pair, cell = machine.alloc("tuple", node, "zip")
    if args.star:
        cell.exact = False
    for index, value in enumerate(args.pos):
        machine.put(cell, index, elements(machine, value, node))
    machine.put_rest(cell, elements(machine, args.star, node))
    return machine.container("list", node, pair)


@model(
    *(itertools.groupby, itertools.product, itertools.combinations, itertools.permutations),
    itertools.tee,
)
def _groups(machine: Machine, args: Args, node: ast.AST) -> Value:
    call_unseen(machine, args, describe(node), node, user=False, name=("itertools", "product"))
    each = _all_elements(machine, args, node)
    group = machine.container("list", node, each, "group")
    return machine.container("list", node, each | group)


@model(itertools.starmap)
def _starmap(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = elements(machine, elements(machine, args.get(1), node), node)
    result = machine.apply(machine, args.get(0), Args(star=each), node)
    return machine.container("list", node, result)


@model(itertools.accumulate)
def _accumulate(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = elements(machine, args.get(0), node) | args.kw.get("initial", NOTHING)
    function = args.get(1, "func")
    for _ in range(2 if function else 0):
        each |= machine.apply(machine, function, Args([each, each]), node)
    return machine.container("list", node, each | PLAIN)


@model(getattr(itertools, "pairwise", None), getattr(itertools, "batched", None))
def _batches(machine: Machine, args: Args, node: ast.AST) -> Value:
    batch = machine.container("tuple", node, _all_elements(machine, args, node), "batch")
    return machine.container("list", node, batch)


@model(enumerate)
def _enumerate(machine: Machine, args: Args, node: ast.AST) -> Value:
    pair, cell = machine.alloc("tuple", node, "enumerate")
    machine.put(cell, 0, PLAIN)
    machine.put(cell, 1, elements(machine, args.get(0, "iterable"), node))
    return machine.container("list", node, pair)


@model(tuple)
def _tuple(machine: Machine, args: Args, node: ast.AST) -> Value:
    found = NOTHING
    for atom in args.get(0):
        if isinstance(atom, Alloc) and machine.cell(atom).kind == "tuple":
            found |= one(atom)
        else:
            each = elements(machine, one(atom), node)
            found |= machine.container("tuple", node, each)
    return found or machine.container("tuple", node, NOTHING)


@model(map)
def _map(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = [elements(machine, value, node) for value in args.pos[1:]]
    star = elements(machine, args.star, node)
    result = machine.apply(machine, args.get(0), Args(each, star), node)
    return machine.container("list", node, result)


@model(functools.reduce)
def _reduce(machine: Machine, args: Args, node: ast.AST) -> Value:
    each = elements(machine, args.get(1), node) | args.get(2)
    result = machine.apply(machine, args.get(0), Args([each, each]), node)
    return machine.apply(machine, args.get(0), Args([each | result, each]), node) | each


@model(next, anext)
def _next(machine: Machine, args: Args, node: ast.AST) -> Value:
    machine.mutate(args.get(0), "`next()` moves an iterator of the state")
    return elements(machine, args.get(0), node) | args.get(1)


@model(min, max)
def _extreme(machine: Machine, args: Args, node: ast.AST) -> Value:
    escape(machine, args.everything(), lambda: "the whole state is compared")
    each = _all_elements(machine, args, node) if len(args.pos) < 2 else join(args.pos) | args.star
    if "key" in args.kw:
        machine.apply(machine, args.kw["key"], Args([each]), node)
    return each | args.kw.get("default", NOTHING)


@model(collections.Counter)
def _counter(machine: Machine, args: Args, node: ast.AST) -> Value:
    value = new_dict(machine, args, node)
    for atom in value:
        if isinstance(atom, Alloc):
            machine.loosen(machine.cell(atom))
            machine.put_rest(machine.cell(atom), PLAIN)
    return value


@model(collections.ChainMap, types.MappingProxyType)
def _window(machine: Machine, args: Args, node: ast.AST) -> Value:
    """A view on mappings: what is read or changed through it is theirs."""
    return join(args.pos) | args.star | new_dict(machine, Args(), node)


@model(dict, collections.OrderedDict, collections.defaultdict, collections.UserDict)
def new_dict(machine: Machine, args: Args, node: ast.AST) -> Value:
    """``dict(...)`` and its relatives."""
    value, cell = machine.alloc("dict", node)
    for source in (*args.pos, args.star):
        spread(machine, cell, source, node, "copied into a new mapping")
    for key, each in args.kw.items():
        machine.put(cell, key, each)
    if args.kwstar:
        machine.put_rest(cell, args.kwstar)
        machine.loosen(cell)
    makes = (Func, Method, Opaque)
    if args.pos and any(
        isinstance(a, makes) or (isinstance(a, Obj) and callable(a.obj)) for a in args.pos[0]
    ):
        # `defaultdict(list)`: a missing key makes a new value, and a new key.
        factory = machine.apply(machine, args.pos[0], Args(), node)
        machine.put_rest(cell, factory)
        machine.loosen(cell)
    return value


@model(dict.__dict__["fromkeys"])
def _fromkeys(machine: Machine, args: Args, node: ast.AST) -> Value:
    value, cell = machine.alloc("dict", node)
    keys = elements(machine, args.get(0), node)
    names = strings(keys)
    for name in names or ():
        machine.put(cell, name, args.get(1) or NONE)
    if names is None:
        machine.put_rest(cell, args.get(1) or NONE)
        machine.loosen(cell)
    return value


@model(operator.getitem)
def _getitem(machine: Machine, args: Args, node: ast.AST) -> Value:
    return get_item(machine, args.get(0), args.get(1), node)


@model(operator.setitem)
def _setitem(machine: Machine, args: Args, node: ast.AST) -> Value:
    set_item(machine, args.get(0), args.get(1), args.get(2))
    return NONE


@model(operator.add, operator.concat)
def _add(machine: Machine, args: Args, node: ast.AST) -> Value:
    escape(machine, args.everything(), lambda: "the whole state is added")
    return machine.container("list", node, _all_elements(machine, args, node)) | PLAIN


@model(functools.partial)
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
    MODELS[id(_kind)] = functools.partial(_getter, _kind)


@model(typing.cast)
def _cast(machine: Machine, args: Args, node: ast.AST) -> Value:
    value = args.get(1, "val")
    for atom in args.get(0, "typ"):
        if isinstance(atom, Obj):
            learn(machine, value, atom.obj)
    return value


@model(asyncio.gather)
def _gather(machine: Machine, args: Args, node: ast.AST) -> Value:
    return machine.container("list", node, join(args.pos) | args.star)


@model(asyncio.create_task, asyncio.ensure_future, asyncio.shield, asyncio.wait_for, asyncio.run)
def _same(machine: Machine, args: Args, node: ast.AST) -> Value:
    rest = Args(args.pos[1:], kw=args.kw)
    escape(machine, rest.everything(), lambda: "the state is passed to asyncio")
    return args.pos[0] if args.pos else machine.opaque(node)


@model(asyncio.to_thread)
def _to_thread(machine: Machine, args: Args, node: ast.AST) -> Value:
    rest = Args(args.pos[1:], args.star, args.kw, args.kwstar)
    return machine.apply(machine, args.get(0), rest, node)


# -- classes ----------------------------------------------------------------------
