"""What the random programs of the soundness test may call.

Real functions and classes in a real file, so that analysis finds their source.
Most keep, hand on or change what they are given.
"""

# mypy: ignore-errors
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportFunctionMemberAccess=false
# pyright: reportIndexIssue=false, reportOptionalMemberAccess=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportUnusedExpression=false
# ruff: noqa

import asyncio
import bisect
import collections
import contextlib
import copy
import dataclasses
import functools
import heapq
import itertools
import operator
import random
import types

from pydantic import BaseModel


class Note(BaseModel):
    text: str = "t"
    tags: list[str] = []

    def rename(self, text):
        self.text = text

    def first(self):
        return self.tags[0] if self.tags else None

    @property
    def loud(self):
        return self.text.upper()

    def all_tags(self):
        return self.tags


@dataclasses.dataclass
class Topic:
    title: str = "title"
    notes: list[Note] = dataclasses.field(default_factory=list)
    meta: dict[str, object] = dataclasses.field(default_factory=dict)

    def add(self, note):
        self.notes.append(note)
        return note

    def grow(self):
        self.meta["size"] = len(self.notes)


KEY = "x"
LOG = []
def same(p): return p
TABLE = {"f": same, "g": len}
def pick(p): return p[0]
def wrap(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs): return fn(*args, **kwargs)
    return inner
@wrap
def wrapf(p): return p
def gather(*parts): return list(parts)
def kw(*, p=None, **rest): return p
def star(first=None, *rest): return first if first is not None else rest
def both(p, q): return p
def part(p): return functools.partial(both, p)(None)
def rec(p, depth): return p if depth == 0 else rec(p, depth - 1)
def later(p):
    def run(): return p
    return run
def gen(p):
    for i in p: yield i
def push(p, q): p.append(q)
def bump(p):
    for i in p: i["x"] = 5
def fill(p, q):
    p["x"] = q
    return q
op = operator.itemgetter("x")
class Box:
    def __init__(self, held): self.held = held
    def get(self): return self.held
BOX = Box(None)
@contextlib.contextmanager
def ctx(p): yield p
@functools.lru_cache
def memo(p): return p
def await_(p):
    async def wait(): return p
    waits = [wait(), wait()]
    async def main(): return (await asyncio.gather(*waits))[0]
    coroutine = main()
    try:
        while True: coroutine.send(None)
    except StopIteration as stop: return stop.value
    except BaseException: return p
    finally:
        for each in (coroutine, *waits): each.close()
def yield_(p):
    def inner():
        got = yield p
        got.append(1)
        yield got
    try:
        run = inner()
        next(run)
        return run.send(p)
    except AttributeError: return p
def hold(p): hold.held = p
def exec_(p): (lambda: p.append(1))()
def choose(p):
    if isinstance(p, dict): return p.get("x")
    try: return p.tags
    except AttributeError: pass
    return p
def apply(fn, p): return fn(p)
@dataclasses.dataclass
class Both:
    tags: object
    def first(self): return self.tags[0]
    def push(self, p): self.tags.append(p)
class Sly:
    def __init__(self, held): self.held = held
    def __getitem__(self, key): return self.held[key]
    def __setitem__(self, key, value): self.held[key] = value
    def __delitem__(self, key): del self.held[key]
    def __iter__(self): return iter(self.held)
    def __iadd__(self, other):
        self.held.append(other)
        return self
    def __lshift__(self, other): self.held.append(other)
    def __radd__(self, other): return self.held
    def __call__(self, other):
        self.held.append(other)
        return self.held
    def __getattr__(self, name): return getattr(object.__getattribute__(self, "held"), name)
    def __eq__(self, other): return self.held.pop() is other
    def __hash__(self): return 1
    def __contains__(self, other): return self.held.pop() is other
    def __len__(self): return len(self.held.pop())
    def __str__(self):
        self.held.clear()
        return "sly"
    def __enter__(self): return self.held
    def __exit__(self, *args): self.held.clear()
@functools.singledispatch
def single(p): return p
@single.register
def _(p: list): return p[0]
@single.register
def _(p: dict):
    p["x"] = 1
    return p
class Iter:
    def __init__(self, p): self.p = list(p)
    def __iter__(self): return self
    def __next__(self):
        if not self.p: raise StopIteration
        return self.p.pop()
SPACE = types.SimpleNamespace()
class Meta:
    table = {}
    @classmethod
    def put(cls, p): cls.table["x"] = p
    @classmethod
    def take(cls): return cls.table["x"]
    @property
    def prop(self): return self.table.get("x")
KEPT = None
def remember(p):
    global KEPT
    KEPT = p
def remembered(): return KEPT


def reset() -> None:
    """Forget what programs left behind."""
    global KEPT
    KEPT = None
    LOG.clear()
    BOX.held = None
    vars(SPACE).clear()
    Meta.table.clear()
    memo.cache_clear()
    for function in (same, hold):
        vars(function).clear()
