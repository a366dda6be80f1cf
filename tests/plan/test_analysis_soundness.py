"""Random small node functions, run for real: what they do must have been foreseen.

A function is run on a state in which everything it was said not to read is
replaced by poison. If it touches poison, or does anything else than on the full
state, analysis was wrong. What changes in place and what is returned is compared
with the foreseen changes and writes.
"""

from __future__ import annotations

import collections
import copy
import itertools
import linecache
import os
import random
import re
import sys
import textwrap
import types
import warnings
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.types import Command, Send
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node
from langgraph_alto.plan.effects import Facts, Path
from tests.plan import programs
from tests.plan.programs import Note, Topic

_serial = itertools.count()


class State(TypedDict, total=False):
    a: list[dict[str, Any]]
    b: list[list[int]]
    m: dict[str, Any]
    t: Topic
    o: Note
    s: str
    n: int


def fresh() -> dict[str, Any]:
    return {
        "a": [{"x": 1, "y": [1]}, {"x": 2, "y": [2, 3]}],
        "b": [[1], [2, 3]],
        "m": {"x": {"p": [1], "q": "w"}, "y": [3], "z": "t"},
        "t": Topic("title", [Note(text="n1", tags=["g"]), Note(text="n2")], {"k": [1]}),
        "o": Note(text="o", tags=["h"]),
        "s": "x y",
        "n": 2,
    }


KEYS = tuple(fresh())


class PoisonTouchedError(BaseException):
    """Something was read that was not to be read."""


class Poison:
    """Raises whatever is done with it."""

    def _touch(self, *args: Any, **kwargs: Any) -> Any:
        raise PoisonTouchedError

    __getattr__ = __call__ = __len__ = __iter__ = __getitem__ = __setitem__ = _touch
    __contains__ = __bool__ = __eq__ = __add__ = __radd__ = __iadd__ = __hash__ = _touch
    __str__ = __repr__ = __format__ = __lt__ = __gt__ = __or__ = __ror__ = _touch
    __delitem__ = __reversed__ = __int__ = __index__ = __enter__ = __exit__ = _touch


# ruff: noqa: E501
# -- programs ---------------------------------------------------------------------

NAMES = ("v", "w", "u")
PATHS = (
    *(f'state["{k}"]' for k in KEYS),
    'state.get("a")', 'state.get("m", {})', 'state["m"]["x"]', 'state["m"]["y"]',
    'state["a"][0]', 'state["t"].notes', 'state["t"].title', 'state["t"].meta',
    'state["o"].tags', 'state["o"].loud', 'state["t"].notes[0]', 'state["b"][0]',
)  # fmt: skip
LEAVES = ("(1)", '"x"', "None", "[]", "{}", "KEY")
EXPRESSIONS = (
    "[{0}]", "({0},)", '{{"x": {0}}}', "list({0})", "len({0})", "{0}[0]", '{0}["x"]',
    "{0}[1:]", "{0}[KEY]", "[i for i in {0}]", '[i["x"] for i in {0}]',
    "{{k: q for k, q in {0}.items()}}", "f'{{{0}}}'", "str({0})", "not {0}",
    "(lambda p: p)({0})", "(lambda: {0})()", "same({0})", "pick({0})", "wrapf({0})",
    "next(iter({0}), None)", "sorted({0}, key=str)", "dict({0})", "copy.copy({0})",
    "copy.deepcopy({0})", "{0}.get('x')", "{0}.copy()", "list({0}.values())",
    "{0}.all_tags()", "{0}.first()", "max({0}, key=len)", "list(map(same, {0}))",
    "list(filter(None, {0}))", "[*{0}]", "{{**{0}}}", "gather({0})", "kw(p={0})",
    "kw(**{{'p': {0}}})", "star(*{0})", "star({0})", "getattr({0}, 'tags', None)",
    "(g := {0})", "tuple({0})", "{0}.notes", "{0}.meta", "{0}.tags", "Box({0})",
    "Box({0}).held", "Box({0}).get()", "part({0})", "rec({0}, 2)", "{0} is None",
    "list(reversed({0}))", "list(enumerate({0}))[0][1]", "set(map(str, {0}))",
    "[*zip({0}, {0})][0][0]", "sum({0}, [])", "isinstance({0}, list)", "later({0})()",
    "list(gen({0}))", "TABLE['f']({0})", "{0}.pop()", "{0}.setdefault('x', [])",
    "{0}.pop('x', None)", "memo({0})", "op({0})", "{0}.items()", "[j for i in {0} for j in i]",
    "(lambda *p, **q: p)({0})[0]", "dict(x={0})", "dict([('x', {0})])", "{0}.upper()",
    "vars({0})", "{0}.__dict__", "type({0})", "next(iter({0}.values()))", "list({0})[0]",
    "sorted({0}, key=lambda i: i['x'])", "[i for i in {0} if i['y']]", "{0}.notes[0]",
    "list(itertools.chain({0}, {0}))", "[f() for f in [lambda: {0}]][0]", "{0}[-1]", "g",
    "functools.partial(same, {0})()", "collections.deque({0})", "({0}, 1)[0]", "{0}[0]['y']",
    "Both({0}).tags", "Both({0})", "Both({0}).first()", "(await_({0}))", "{0} or []", "choose({0})",
    "Sly({0})", "Sly({0})[0]", "[i for i in Sly({0})]", "Sly({0})(1)", "Sly({0}).notes", "1 + Sly({0})",
    "str(Sly({0}))", "f'{{Sly({0})}}'", "Sly({0}) == 1", "1 in Sly({0})", "len(Sly({0}))", "Sly({0}) or 1",
    "{0}.model_copy()", "{0}.model_copy(update={{'tags': []}})", "{0}.model_copy(deep=True)",
    "dataclasses.replace({0}, title='x')", "dataclasses.replace({0}, meta={{}}).notes", "single({0})",
    "[i for i in Iter({0})]", "next(Iter({0}))", "Meta.take()", "Meta().prop", "SPACE.x", "{0}.union({0})",
    "collections.Counter({0})", "collections.defaultdict(list, {0})", "collections.OrderedDict({0})",
    "list(itertools.accumulate({0}, same))", "list(itertools.starmap(both, [({0}, 1)]))", "heapq.nlargest(1, {0})",
    "random.choice({0})", "copy.copy({0}).notes", "copy.copy({0})[0]", "{0}.copy().get('x')",
    "collections.ChainMap({0})['x']", "types.SimpleNamespace(x={0}).x", "types.MappingProxyType({0})['x']",
    "list(itertools.islice({0}, 1))", "list(itertools.pairwise({0}))[0][0]", "{0}.__class__", "{0}.__getitem__(0)",
    "{0}.values()", "operator.attrgetter('tags')({0})", "operator.methodcaller('get', 'x')({0})", "(yield_({0}))",
    "[{0}, 1].pop(0)", "{{'x': {0}}}.popitem()[1]", "{{1: {0}}}[1]", "{{**{0}, 'x': 1}}",
)  # fmt: skip
PAIRS = (
    "[{0}, {1}]", "({0}, {1})[0]", "({0} or {1})", "({0} and {1})", "({0} if {1} else None)",
    "{0} + {1}", "{0} == {1}", "{0} in {1}", '{{"x": {0}, "y": {1}}}', "{0} | {1}",
    "both({0}, {1})", "[{0} for i in {1}]", "(lambda p, q={0}: q)({1})", "Topic({0}, {1})",
    "{0}.get('x', {1})", "fill({0}, {1})", "functools.reduce(both, {0}, {1})",
    "dict(zip({0}, {1}))", "[p for p, q in zip({0}, {1})]", "{0}.add({1})", "({0}, {1})[1]",
    "list(map(both, {0}, {1}))", "{{'x': {0}}}.get('y', {1})", "[*{0}, *{1}]",
)  # fmt: skip
SIMPLE = (
    "{n} = {0}", "{n} = {0}", "{n} = {0}", "{n}.append({0})", '{n}["x"] = {0}', "{n} += {0}",
    "{n}[0] = {0}", '{n}["y"] += {0}', "del {n}[0]", "{n}.extend({0})", "{n}.update({0})",
    "{n}.tags = {0}", "{n}.title = {0}", "{n}.rename('z')", "{n}.add({0})", "{n}.grow()",
    "{n}.notes.append({0})", 'state["q"] = {0}', 'state["a"] = {0}', "state.update(r={0})",
    "{n}, *u = {0}", "u, {n} = {0}", "push({0}, 1)", "push({n}, {0})", "{n}.clear()",
    "{n}.sort(key=str)", "{n}.held = {0}", "BOX.held = {0}", "{n} = BOX.held", "{0}",
    "setattr({n}, 'text', {0})", "{n}[:] = {0}", "{n}[KEY] = {0}", "bump({0})", "{n} |= {0}",
    '{n}.setdefault("x", []).append({0})', "LOG.append({0})", "{n} = LOG[-1]", "assert {0}",
    '{n}["x"]["y"] = {0}', "{n}[0]['x'] = {0}", "{n}.meta['k'] = {0}", "{n}: object = {0}",
    "heapq.heappush({n}, {0})", "(lambda: {n}.append({0}))()", "remember({0})", "{n}.text += 'x'",
    "{n} = remembered()", '{n}.notes[0].text = "c"', '{n}["y"].append(9)', "del {n}['x']",
    "for {n} in {0}: pass", "operator.setitem({n}, 'x', {0})", "{n} = [{0}, {n}]",
    '{n} = {n}["x"]', "{n} = {n}[0]", "{n} = {n}.notes", "random.shuffle({0})", "{n} = q = {0}",
    "[i.append(1) for i in list({0})[:2]]", "list(map({n}.append, list({0})[:2]))", "{n}[0].append({0})",
    "{n} = state.pop('a', {0})", "state.setdefault('z', []).append({0})", "{n} = state['q']",
    "list.append({n}, {0})", "dict.update({n}, x={0})", "{n}['x'].append({0})", "bisect.insort({n}, 1)",
    "list(map(lambda i: i.update(x={0}), {n}))", "{n} = {{'x': {n}}}", "Both({n}).tags.append({0})",
    "Both({n}).push({0})", "{n}.sort(key=lambda i: i.append(1))", "Note.rename({n}, {0})",
    "{n} = Sly({n})", "{n} << {0}", "{n} == {0}", "Meta.put({0})", "SPACE.x = {0}", "SPACE.x.append(1)",
    "Meta.take().append(1)", "Meta().prop.append(1)", "same.held = {0}", "same.held.append(1)",
    "{n} = type('T', (), {{'held': {0}}})", "{n}.held.append(1)", "q = {n}.append\nq({0})", "hold({0})",
    "hold.held.append({0})", "exec_({n})", "{n} = collections.defaultdict(lambda: {0})", "{n}['new'].append(1)",
    "{n}.x = {0}", "{n}.x.append(1)", "{n} = types.SimpleNamespace(x={0})", "{n} = types.SimpleNamespace()",
    "getattr({n}, 'append')({0})", "{n}.extend([{0}])", "{n}.insert(0, {0})", "apply({n}.append, {0})",
    "apply(lambda i: i.append(1), {0})", "vars({n})['text'] = {0}", "{n}.__dict__.update(text={0})",
)  # fmt: skip
BLOCKS = (
    "if {0}:\n{1}\nelse:\n{2}",
    "for {n} in {0}:\n{1}\nelse:\n{2}",
    "for {n} in {0}:\n{1}\n    if {n}: break\nelse:\n{2}",
    "for {n}, u in {0}.items():\n{1}",
    "for i, {n} in enumerate({0}):\n{1}",
    "try:\n{1}\nexcept Exception:\n{2}",
    "try:\n{1}\nfinally:\n{2}",
    "try:\n{1}\n    raise ValueError({0})\nexcept ValueError as problem:\n    {n} = problem.args\n{2}",
    "def inner(p=None):\n{1}\n    return {n}\n{n} = inner({0})",
    "def inner(p):\n    nonlocal {n}\n    {n} = {0}\n{1}\ninner({n})",
    "def inner(p):\n    p.append({0})\ninner({n})\nif True:\n{1}",
    "def inner(p):\n    return lambda: p\n{n} = inner({0})()\nif True:\n{1}",
    "while {n}:\n{1}\n    break",
    "for i in [1, 2]:\n{1}\n    if i == 2:\n        continue\n{2}",
    "with ctx({0}) as {n}:\n{1}",
    "with Sly({0}) as {n}:\n{1}",
    "for {n} in Iter({0}):\n{1}",
    "class Local:\n    def __init__(self, p): self.p = p\n    def run(self): self.p.append(1)\nlocal = Local({0})\nlocal.run()\nif True:\n{1}",
    "class Local: pass\nlocal = Local()\nlocal.x = {0}\nlocal.x.append(1)\nif True:\n{1}",
    "@same\ndef inner(p=None):\n    {n}.append(1)\n    return p\n{n} = inner({0})\nif True:\n{1}",
    "async def inner():\n{1}\n    return {n}\ntry: inner().send(None)\nexcept StopIteration as stop: {n} = stop.value",
    "def inner(p, *r, k=None, **o):\n    {n} = [p, *r, k, *o.values()]\n    {n}[-1].append(1)\n    return {n}\n{n} = inner({0}, {n}, z=u)\nif True:\n{1}",
    "try:\n{1}\n    {n} = {0}\nfinally:\n    {n}.append(1)",
    "for {n} in {0}:\n    if {n}: continue\n{1}\n    {n}.append(1)",
    "with contextlib.suppress(Exception):\n{1}\n{2}",
    "match {0}:\n    case {{'x': {n}, **u}}:\n{1i}\n    case [{n}, *u]:\n{2i}\n    case {n}:\n        pass",
    "match {0}:\n    case Topic(notes={n}) | Note(tags={n}):\n{1i}\n    case list({n}):\n{2i}",
    "class Local:\n    def run(self):\n        {n}.append(1)\nLocal().run()\nif True:\n{1}",
    "f = []\nfor i in {0}:\n    f.append(lambda i=i: i)\n{n} = f[0]()\nif True:\n{1}",
)  # fmt: skip
RETURNS = (
    "return None",
    'return {{"out": {0}}}',
    'return {{"out": {0}, "n": {1}}}',
    'out = {{"out": {0}}}\nout["more"] = {1}\nreturn out',
    "out = dict(out={0})\nout.update(late={1})\nreturn out",
    'return {{k: {0} for k in ("p", "q")}}',
    "return {0}",
    'return Command(update={{"out": {0}}}, goto=("a" if {1} else "b"))',
    'return Command(update={{"out": {0}, "m": {1}}}, goto=[Send("w", i) for i in {0}])',
    "return Command(goto={0}, update=dict(k={1}))",
    'return Command(**{{"goto": "a", "update": {{"k": {0}}}}})',
    'return same(Command(goto="x", update={{"k": [{0}, {1}]}}))',
    'names = ["a"]\nnames.append({0})\nreturn Command(goto=names)',
    'one = Command(goto="a", update={{"k": {0}}})\nreturn [one, Command(goto="b", update={{"j": {1}}})]',
    'return Send("w", {0})',
    'state["m"]["x"] = {0}\nreturn {{"k": {1}}}',
    'x = [{0}]\nreturn {{"k": x, "j": [x], "z": {1}}}',
    'return {{"a": state["a"], **{{"z": {0}}}}}',
    'return both({{"out": {0}}}, {1})',
    'out = {{}}\nfor k in ("p", "q"):\n    out[k] = {0}\nreturn out',
    'out = {{"a": {0}}}\nv = out\nv["b"] = {1}\nreturn out',
    'out = {{"a": {{}}}}\nout["a"]["b"] = {1}\nreturn out["a"]',
)


class Grammar:
    """Draws programs; small, so that most of what they do is not an exception."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def expression(self, depth: int = 0) -> str:
        chance = self.random.random()
        if depth > 2 or chance < 0.45:
            pool = PATHS if self.random.random() < 0.55 else NAMES
            return self.random.choice(LEAVES if self.random.random() < 0.12 else pool)
        if chance < 0.85:
            return self.random.choice(EXPRESSIONS).format(self.expression(depth + 1))
        left, right = self.expression(depth + 1), self.expression(depth + 1)
        return self.random.choice(PAIRS).format(left, right)

    def simple(self) -> str:
        form = self.random.choice(SIMPLE)
        text = form.format(self.expression(), n=self.random.choice(NAMES))
        if self.random.random() < 0.85:
            return f"try:\n{indent(text)}\nexcept Exception:\n    pass"
        return text

    def body(self, depth: int) -> str:
        return "\n".join(self.statement(depth) for _ in range(self.random.randint(1, 2)))

    def statement(self, depth: int = 0) -> str:
        if depth > 1 or self.random.random() < 0.75:
            return self.simple()
        one, two = self.body(depth + 1), self.body(depth + 1)
        text = self.random.choice(BLOCKS).format(
            self.expression(),
            indent(one),
            indent(two),
            n=self.random.choice(NAMES),
            **{"1i": indent(indent(one)), "2i": indent(indent(two))},
        )
        if self.random.random() < 0.5:
            return f"try:\n{indent(text)}\nexcept Exception:\n    pass"
        return text

    def program(self) -> str:
        lines = ["v = w = u = g = q = None"]
        for name in NAMES:
            value = self.expression(1)
            lines.append(f"try:\n    {name} = {value}\nexcept Exception:\n    {name} = None")
        lines.extend(self.statement() for _ in range(self.random.randint(1, 4)))
        form = self.random.choice(RETURNS)
        lines.append(form.format(self.expression(), self.expression()))
        return f"def node(state):\n{indent(chr(10).join(lines))}\n"


def indent(text: str) -> str:
    return textwrap.indent(text, "    ")


def load(text: str) -> types.FunctionType | None:
    file = f"<program {next(_serial)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {**vars(programs), "Command": Command, "Send": Send}
    programs.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            exec(compile(text, file, "exec"), scope)
        except SyntaxError:
            return None
    node = scope["node"]
    assert isinstance(node, types.FunctionType)
    return node


# -- what really happens ----------------------------------------------------------


def poisoned(value: Any, path: Path, reads: frozenset[Path]) -> Any:
    if any(path[: len(r)] == r for r in reads):
        return value
    if not any(r[: len(path)] == path for r in reads):
        return Poison()
    if isinstance(value, dict):
        return {k: poisoned(v, (*path, k), reads) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, (*path, "[]"), reads) for v in value]
    if isinstance(value, (Topic, Note)):
        for name in list(vars(value)):
            part = poisoned(getattr(value, name), (*path, name), reads)
            vars(value)[name] = part
        return value
    return value


def changes(old: Any, new: Any, path: Path) -> set[Path]:
    if isinstance(old, Poison) or isinstance(new, Poison):
        return set() if isinstance(old, Poison) and isinstance(new, Poison) else {path}
    if isinstance(old, dict) and isinstance(new, dict):
        found: set[Path] = set()
        for key in {*old, *new}:
            if key in old and key in new:
                found |= changes(old[key], new[key], (*path, str(key)))
            else:
                found.add((*path, str(key)))
        return found
    if type(old) is type(new) and isinstance(old, (Topic, Note)):
        return changes(dict(vars(old)), dict(vars(new)), path)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return {p for o, n in pairs for p in changes(o, n, (*path, "[]"))}
    return set() if shape(old) == shape(new) else {path}


def shape(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """A comparable picture of a value; functions and cycles are only marked."""
    if id(value) in seen:
        return "cycle"
    seen = (*seen, id(value))
    if isinstance(value, dict):
        return {str(k): shape(v, seen) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(shape(v, seen) for v in value)]
    if isinstance(value, (set, frozenset)):
        return sorted(shape(str(v)) for v in value)
    if isinstance(value, str):
        return re.sub(r" at 0x\w+", "", value)
    if isinstance(value, (int, float, type(None))):
        return value
    if isinstance(value, Poison):
        return "poison"
    if hasattr(value, "__dict__") and not callable(value):
        return {k: shape(v, seen) for k, v in vars(value).items()}
    return type(value).__name__


class TooLongError(BaseException):
    """The program does not end, or not soon."""


def large(values: Iterable[Any]) -> bool:
    """Whether values grew so much that the next round may fill the memory."""
    todo = list(values)
    seen = 0
    while todo:
        value = todo.pop()
        seen += 1
        if isinstance(value, (str, list, tuple, dict, set, collections.deque)):
            seen += len(value) // 8
            if isinstance(value, dict):
                todo.extend(value.values())
            elif not isinstance(value, str):
                todo.extend(value)
        if seen > 400:
            return True
    return False


def run(node: types.FunctionType, state: dict[str, Any]) -> tuple[Any, str | None]:
    steps = 0

    def trace(frame: types.FrameType, event: str, arg: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps > 2_000 or large((*frame.f_locals.values(), *state.values())):
            raise TooLongError
        return trace

    random.seed(1)
    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        return node(state), None
    except RecursionError:
        return None, "RecursionError"
    except Exception as problem:  # noqa: BLE001
        return None, type(problem).__name__
    finally:
        sys.settrace(previous)


def updates_of(result: Any) -> dict[Any, Any]:
    """What LangGraph would make of a result."""
    if isinstance(result, dict):
        return result
    if isinstance(result, Command):
        return result.update if isinstance(result.update, dict) else {}
    if isinstance(result, (list, tuple)) and any(isinstance(r, Command) for r in result):
        return {k: v for part in result for k, v in updates_of(part).items()}
    return {}


def destinations(result: Any) -> Iterator[str]:
    if isinstance(result, Send):
        yield result.node
    elif isinstance(result, Command):
        goto: Any = result.goto
        for each in goto if isinstance(goto, (list, tuple, set, dict)) else [goto]:
            if isinstance(each, Send):
                yield str(each.node)
            elif isinstance(each, str):
                yield each
    elif isinstance(result, (list, tuple)):
        for each in result:
            if isinstance(each, Command):
                yield from destinations(each)


def shared(values: dict[str, Any], state: dict[str, Any]) -> set[tuple[str, str]]:
    """Pairs of keys that hold a common object, those of the state itself included."""
    holders = [(k, mutable(v)) for k, v in values.items()]
    holders += [(k, mutable(v)) for k, v in state.items()]
    return {
        (min(j, k), max(j, k))
        for (j, left), (k, right) in itertools.combinations(holders, 2)
        if j != k and left & right
    }


def closure(pairs: frozenset[tuple[str, str]]) -> set[tuple[str, str]]:
    """What follows: who shares with the same key may share with each other."""
    found = set(pairs)
    while True:
        more = {
            (min(a, b), max(a, b))
            for one, other in itertools.product(found, found)
            for a, b in itertools.product(one, other)
            if a != b and set(one) & set(other)
        }
        if more <= found:
            return found
        found |= more


def mutable(value: Any) -> set[int]:
    """Identities of all objects in a value that can change."""
    found: set[int] = set()
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, (str, int, float, type, type(None))) or callable(each):
            continue
        if not isinstance(each, (tuple, frozenset)):
            if id(each) in found:
                continue
            found.add(id(each))
        if isinstance(each, dict):
            todo.extend(each.values())
        elif isinstance(each, (list, tuple, set, frozenset, collections.deque)):
            todo.extend(each)
        elif hasattr(each, "__dict__"):
            todo.extend(vars(each).values())
    return found


def check(text: str, schema: object) -> Facts | None:
    node = load(text)
    if node is None:
        return None
    facts = analyse_node(node, schema)
    full = fresh()
    before = copy.deepcopy(full)
    try:
        result, error = run(node, dict(full))
    except TooLongError:
        return facts
    picture = shape(result)
    happened = {p for k in full for p in changes(before[k], full[k], (k,))}
    if facts.mutates is not None:
        missed = {p for p in happened if not any(p[: len(m)] == m for m in facts.mutates)}
        assert not missed, f"mutates {missed}, foreseen {facts.mutates}\n{text}"
    updates = updates_of(result)
    if facts.writes is not None:
        extra = {str(k) for k in updates} - facts.writes
        assert not extra, f"writes {extra}, foreseen {facts.writes}\n{text}"
    if facts.goto is not None:
        lost = set(destinations(result)) - facts.goto
        assert not lost, f"leads to {lost}, foreseen {facts.goto}\n{text}"
    if facts.shares is not None:
        pairs = shared({**full, **{str(k): v for k, v in updates.items()}}, full)
        assert pairs <= closure(facts.shares), f"shares {pairs}, foreseen {facts.shares}\n{text}"
    if facts.reads is not None:
        again = load(text)
        assert again is not None
        clean = {k: poisoned(v, (k,), facts.reads) for k, v in fresh().items()}
        try:
            result2, error2 = run(again, dict(clean))
        except PoisonTouchedError:
            raise AssertionError(f"reads more than {facts.reads}\n{text}") from None
        assert error2 == error, f"{error} became {error2}, reads {facts.reads}\n{text}"
        assert shape(result2) == picture, f"another result, reads {facts.reads}\n{text}"
    return facts


@settings(
    max_examples=2000 if os.environ.get("ALTO_HYPOTHESIS_PROFILE") == "nightly" else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.integers(0, 2**32), st.sampled_from([State, None]))
def test_what_happens_was_foreseen(seed: int, schema: object) -> None:
    check(Grammar(Random(seed)).program(), schema)


FOUND = (
    "heapq.heappush(state['b'], 1)",
    "random.shuffle(state['b'])",
    "{'x': state['b'][0]}.popitem()[1].pop()",
    "copy.copy(state['t']).add(1)",
    "copy.copy(copy.copy(state['t'])).notes.append(1)",
    "random.choice(state['a']).clear()",
    "single(collections.ChainMap(functools.partial(same, state['m'])())['x'])",
    "return {'out': gather(1 + Sly([state['a']]))}",
    "return {'out': {**Sly({'x': KEY, 'y': state['m']})}}",
    "return {'out': {'x': 1} | Sly({'y': state['m']}).held}",
    "[i.append(1) for i in collections.deque(itertools.starmap(both, [(state['b'], 1)])).pop()]",
    "heapq.heappush(state['b'], state['o'].tags)",
    "try:\n    raise ValueError(state['a'][0])\nexcept ValueError as e:\n    e.args[0]['x'] = 1",
    "try:\n    raise ValueError(state['o'].tags)\nexcept ValueError as e:\n    [i.append(1) for i in e.args]",
    "u = collections.defaultdict(lambda: TABLE['f'](state['s']))\nreturn {'out': u[1]}",
    "w = state['m']\nw['x']['y'] = w\nw['x']['y']['x']['p'].append(1)",
    "state['z'] = state['b']\nstate['z'].append(1)",
    "remember(state['b'])\nremembered().append(1)",
    "w = copy.deepcopy(state['m']['y'])\nw.append(state['t'].notes)\nreturn {'out': None, 'n': w}",
    "BOX.held = copy.deepcopy(state['m']['y'])\nBOX.held.append(state['b'])\nBOX.held[-1].pop()",
    "fill(state['t'].add(state['m']), 1)",
    "fill(copy.copy(state['t']).add(state['m']), 1)",
    "fill(copy.deepcopy(state['t']).add(state['m']), 1)",
    "v = state['m']\nfor v in []:\n    pass\nelse:\n    v['x'] = 1",
    "u = state['a']\nstate['a']['x'] if state['n'] == 1 else None\nreturn {'out': u[0]['x']}",
)
"""What random programs once got wrong, made small."""


@pytest.mark.parametrize("schema", [State, None])
@pytest.mark.parametrize("body", FOUND)
def test_what_was_missed_once_is_foreseen(body: str, schema: object) -> None:
    facts = check(f"def node(state):\n{indent(body)}\n", schema)
    assert facts is not None
    assert facts.mutates is not None
