"""From a function object to the syntax tree of exactly that function.

A file is parsed once and a function is found in it by its first line, its
name and, for lambdas that share a line, the columns its code object records.
What is found must then agree with the code object in its parameters and in the
names it uses: a file edited after import, or code compiled under a false file
name, must not be analysed as something it is not.
"""

from __future__ import annotations

import ast
import functools
import linecache
import site
import sys
import sysconfig
import types
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from langgraph_alto.plan.analysis.values import FunctionNode

_MAX_FILES = 64


@dataclass(frozen=True, slots=True)
class Source:
    """Where a function's code stands.

    Args:
        node: Its syntax tree; line numbers are those of the file.
        file: The file's name, as the code object has it.
    """

    node: FunctionNode
    file: str


# Equal code objects may come from different files, so they are told apart by identity.
_found: dict[int, tuple[weakref.ref[types.CodeType], Source | None]] = {}
_trees: dict[str, tuple[int, ast.Module | None]] = {}


def source_of(function: types.FunctionType) -> Source | None:
    """Find a function's syntax tree.

    Args:
        function: Any Python function, lambdas and generated ones included.

    Returns:
        The tree, or ``None`` if there is no source, or none that agrees with
        the function's code.
    """
    code = function.__code__
    known = _found.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    node = _locate(code, function.__globals__)
    found = None if node is None else Source(node, code.co_filename)
    key = id(code)
    _found[key] = (weakref.ref(code, lambda _: _found.pop(key, None)), found)
    return found


def _locate(code: types.CodeType, namespace: dict[str, object]) -> FunctionNode | None:
    tree = _tree(code.co_filename, namespace)
    if tree is None:
        return None
    line = code.co_firstlineno
    candidates = [n for n in _starting_at(tree, line) if _agrees(n, code)]
    if len(candidates) > 1:
        candidates = _by_column(candidates, code)
    return candidates[0] if len(candidates) == 1 else None


def _tree(file: str, namespace: dict[str, object]) -> ast.Module | None:
    lines = linecache.getlines(file, namespace)
    if not lines:
        return None
    mark = hash((len(lines), lines[0], lines[-1])) ^ id(lines)
    cached = _trees.get(file)
    if cached is not None and cached[0] == mark:
        return cached[1]
    try:
        tree: ast.Module | None = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        tree = None
    while len(_trees) >= _MAX_FILES:
        _trees.pop(next(iter(_trees)))
    _trees[file] = (mark, tree)
    return tree


def _first_line(node: ast.AST) -> int | None:
    """The line a statement starts on, its decorators included."""
    line: int | None = getattr(node, "lineno", None)
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    if line is not None and decorators:
        return min(line, *(d.lineno for d in decorators))
    return line


def _starting_at(node: ast.AST, line: int) -> Iterator[FunctionNode]:
    """All functions below ``node`` whose code starts on ``line``."""
    for child in ast.iter_child_nodes(node):
        first = _first_line(child)
        if first is not None:
            last: int | None = getattr(child, "end_lineno", None)
            if first > line or (last is not None and last < line):
                continue
            if first == line and isinstance(
                child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
            ):
                yield child
        yield from _starting_at(child, line)


def _agrees(node: FunctionNode, code: types.CodeType) -> bool:
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    if name != code.co_name:
        return False
    if _parameters(node.args) != _parameters_of(code):
        return False
    used = _names(node)
    return all(_unmangled(n) in used for n in (*code.co_names, *code.co_freevars))


def _parameters(args: ast.arguments) -> list[str]:
    found = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    found += [a.arg for a in (args.vararg, args.kwarg) if a is not None]
    return [_unmangled(name) for name in found]


def _parameters_of(code: types.CodeType) -> list[str]:
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    return [_unmangled(name) for name in code.co_varnames[:count]]


def _unmangled(name: str) -> str:
    """``__x`` for the ``_Class__x`` that the compiler makes of it in a class."""
    if name.startswith("_") and not name.startswith("__"):
        head, sep, tail = name.partition("__")
        if sep and tail and not name.endswith("__") and len(head) > 1:
            return "__" + tail
    return name


def _names(node: ast.AST) -> set[str]:
    """Every identifier below a node, in the forms code objects use."""
    # What the compiler adds by itself.
    found = {"AssertionError", "__class__", "super", "__classdict__", "__conditional_annotations__"}
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            found.add(_unmangled(child.id))
        elif isinstance(child, ast.Attribute):
            found.add(_unmangled(child.attr))
        elif isinstance(child, ast.arg):
            found.add(_unmangled(child.arg))
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(_unmangled(child.name))
        elif isinstance(child, (ast.Import, ast.ImportFrom)):
            _add_imports(child, found)
        elif isinstance(child, (ast.Global, ast.Nonlocal)):
            found.update(map(_unmangled, child.names))
        elif isinstance(child, ast.keyword) and child.arg:
            found.add(child.arg)
        elif isinstance(child, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and child.name:
            found.add(_unmangled(child.name))
        elif isinstance(child, ast.MatchMapping) and child.rest:
            found.add(_unmangled(child.rest))
        elif isinstance(child, ast.MatchClass):
            found.update(child.kwd_attrs)
    return found


def _add_imports(node: ast.Import | ast.ImportFrom, found: set[str]) -> None:
    if isinstance(node, ast.ImportFrom) and node.module:
        found.update((node.module, *node.module.split(".")))
    for alias in node.names:
        found.update((alias.name, *alias.name.split(".")))
        if alias.asname:
            found.add(alias.asname)


def _by_column(nodes: list[FunctionNode], code: types.CodeType) -> list[FunctionNode]:
    """Tell functions that start on one line apart by what columns the code covers."""
    positions = getattr(code, "co_positions", None)
    if positions is None:
        # Python 3.10 does not record columns.
        return [n for n in nodes if _compiles_to(n, code)][:1]
    # Instructions of the compiler's own have empty spans.
    spans = [p for p in positions() if None not in p and p[:1] + p[2:3] != p[1:2] + p[3:]]
    if not spans:
        return []
    first = min((line, column) for line, _, column, _ in spans)
    last = max((line, column) for _, line, _, column in spans)
    # A function's own code also covers its inner functions, so the innermost
    # node that covers everything is the one.
    covering = [n for n in nodes if _start(n) <= first and last <= _end(n)]
    covering.sort(key=lambda n: (_start(n), tuple(-x for x in _end(n))))
    return covering[-1:]


def _compiles_to(node: FunctionNode, code: types.CodeType) -> bool:
    """Whether a lambda, compiled on its own, is this code: not so if it is a closure."""
    if not isinstance(node, ast.Lambda):
        return False
    outer = compile(ast.Expression(node), code.co_filename, "eval")
    made = next((c for c in outer.co_consts if isinstance(c, types.CodeType)), None)
    return made is not None and all(
        getattr(made, name) == getattr(code, name)
        for name in ("co_code", "co_consts", "co_names", "co_varnames", "co_freevars")
    )


def _start(node: FunctionNode) -> tuple[int, int]:
    body = node.body if isinstance(node, ast.Lambda) else node
    return (_first_line(body) or 0, body.col_offset if isinstance(node, ast.Lambda) else 0)


def _end(node: FunctionNode) -> tuple[int, int]:
    body = node.body if isinstance(node, ast.Lambda) else node
    return (body.end_lineno or sys.maxsize, body.end_col_offset or sys.maxsize)


@functools.cache
def _library_roots() -> tuple[PurePath, ...]:
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib") if key in paths}
    roots.update(site.getsitepackages())
    roots.add(site.getusersitepackages())
    return tuple(PurePath(root) for root in roots if root)


@functools.lru_cache(maxsize=4096)
def is_library_file(file: str) -> bool:
    """Whether a file belongs to the standard library or an installed package."""
    if file.startswith("<frozen "):
        return True
    parts = PurePath(file).parts
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    return any(root in PurePath(file).parents for root in _library_roots())


_FRAMEWORKS = ("langchain", "langgraph", "langsmith", "pydantic")
_homes: set[str] = set()


def call_home(module: str) -> None:
    """From now on, the package of this module is the user's, wherever it is installed.

    An application may be installed beside its libraries; the nodes it adds to
    graphs tell which package that is.
    """
    top = module.partition(".")[0]
    if not top or top in _homes or top in sys.stdlib_module_names or top.startswith(_FRAMEWORKS):
        return
    _homes.add(top)
    is_library_module.cache_clear()


def is_library_code(function: types.FunctionType) -> bool:
    """Whether a function is not the user's."""
    if not is_library_file(function.__code__.co_filename):
        return False
    # Not `__module__`: decorators copy that from what they wrap.
    top = str(function.__globals__.get("__name__", "")).partition(".")[0]
    return top not in _homes


def rebound_names(file: str) -> frozenset[str]:
    """Module-level names that some function of the module declares ``global``."""
    known = _trees.get(file)
    tree = known[1] if known is not None else None
    if tree is None:
        return frozenset()
    found = _rebound.get(tree)
    if found is None:
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                names.update(node.names)
        found = _rebound[tree] = frozenset(names)
    return found


_rebound: weakref.WeakKeyDictionary[ast.Module, frozenset[str]] = weakref.WeakKeyDictionary()


@functools.lru_cache(maxsize=4096)
def is_library_module(name: str) -> bool:
    """Whether a module of this name belongs to the standard library or a package."""
    top = name.partition(".")[0]
    if top in _homes:
        return False
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return top != "__main__"
    module = sys.modules.get(name) or sys.modules.get(top)
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and is_library_file(file)
