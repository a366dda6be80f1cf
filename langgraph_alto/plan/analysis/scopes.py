"""Which names a function binds, and which of them its inner functions capture.

A name that no inner function captures is followed from statement to statement;
a captured one may be read whenever the inner function runs, so it keeps every
value it is ever given.
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from langgraph_alto.plan.analysis.values import FunctionNode

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
ScopeNode = FunctionNode | Comprehension | ast.ClassDef

_INNER = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.ClassDef,
)


@dataclass(slots=True)
class Bindings:
    """The names of one scope.

    Args:
        local: Names bound in it.
        captured: Those of them that code which may run later reads.
        outer: Names it declares ``global`` or ``nonlocal``.
        global_: Names it declares ``global``.
        generator: Whether it yields.
    """

    local: set[str] = field(default_factory=set)
    captured: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    global_: set[str] = field(default_factory=set)
    generator: bool = False


_cache: weakref.WeakKeyDictionary[ast.AST, Bindings] = weakref.WeakKeyDictionary()


def bindings(node: ScopeNode) -> Bindings:
    """The bindings of a function, lambda, comprehension or class body."""
    found = _cache.get(node)
    if found is None:
        found = _cache[node] = _collect(node)
    return found


def parameters(node: FunctionNode) -> Iterator[ast.arg]:
    """All parameters of a function, in order of declaration."""
    args = node.args
    yield from args.posonlyargs
    yield from args.args
    if args.vararg:
        yield args.vararg
    yield from args.kwonlyargs
    if args.kwarg:
        yield args.kwarg


def _body(node: ScopeNode) -> Iterable[ast.AST]:
    """What is evaluated inside the scope, as opposed to where it is defined."""
    if isinstance(node, ast.Lambda):
        return (node.body,)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.body
    heads: list[ast.AST] = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    for index, generator in enumerate(node.generators):
        heads.append(generator.target)
        heads.extend(generator.ifs)
        if index:
            heads.append(generator.iter)
    return heads


def _outside(node: ScopeNode) -> Iterable[ast.AST]:
    """What of an inner scope's node is evaluated in the scope around it."""
    if isinstance(node, ast.ClassDef):
        return (*node.decorator_list, *node.bases, *node.keywords)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        if isinstance(node, ast.Lambda):
            return defaults
        return (*node.decorator_list, *defaults)
    return (node.generators[0].iter,)


def _collect(node: ScopeNode) -> Bindings:
    found = Bindings()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        found.local.update(a.arg for a in parameters(node))
    inner: list[ScopeNode] = []
    todo = list(_body(node))
    comprehension = isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
    while todo:
        child = todo.pop()
        if isinstance(child, _INNER):
            inner.append(child)
            todo.extend(_outside(child))
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.local.add(child.name)
            elif not isinstance(child, ast.Lambda):
                # A walrus inside a comprehension binds in the scope around it.
                found.local.update(_walrus(child))
            continue
        if not (comprehension and isinstance(child, ast.NamedExpr)):
            _bind(child, found)
        todo.extend(ast.iter_child_nodes(child))
    found.local -= found.outer
    for scope in inner:
        for name, later in free(scope):
            if later and name in found.local:
                found.captured.add(name)
    return found


def _bind(child: ast.AST, found: Bindings) -> None:
    if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load):
        found.local.add(child.id)
    elif isinstance(child, (ast.Import, ast.ImportFrom)):
        for alias in child.names:
            found.local.add(alias.asname or alias.name.partition(".")[0])
    elif isinstance(child, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and child.name:
        found.local.add(child.name)
    elif isinstance(child, ast.MatchMapping) and child.rest:
        found.local.add(child.rest)
    elif isinstance(child, (ast.Global, ast.Nonlocal)):
        found.outer.update(child.names)
        if isinstance(child, ast.Global):
            found.global_.update(child.names)
    elif isinstance(child, (ast.Yield, ast.YieldFrom)):
        found.generator = True


def _walrus(node: Comprehension) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.NamedExpr):
            yield child.target.id


def free(node: ScopeNode) -> Iterator[tuple[str, bool]]:
    """Names a scope takes from around it.

    Yields:
        The name, and whether it may be read after the scope's own statement:
        true for functions and generators, false for comprehensions that run
        on the spot.
    """
    own = bindings(node)
    later = not isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp))
    for name in own.outer - own.global_:
        yield name, True
    todo = list(_body(node))
    while todo:
        child = todo.pop()
        if isinstance(child, _INNER):
            for name, inner_later in free(child):
                if name not in own.local:
                    yield name, later or inner_later
            todo.extend(_outside(child))
            continue
        if isinstance(child, ast.Name) and child.id not in own.local:
            yield child.id, later
        todo.extend(ast.iter_child_nodes(child))
