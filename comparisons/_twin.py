"""The same graphs for the thread engine, without writing them twice.

`sync_twin` reads a module of graphs whose nodes are coroutine functions that do
nothing but sleep, and makes the module that has `def` for `async def` and
`time.sleep` for `await asyncio.sleep`. Its source is kept where `inspect` finds
it, so what analyses node functions sees ordinary ones.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from types import ModuleType
from typing import Any


def sync_twin(module: ModuleType) -> ModuleType:
    """Make the module without coroutines; the same one for the same module.

    Args:
        module: A module whose coroutine functions await `asyncio.sleep` only.

    Raises:
        ValueError: If something else is awaited.
    """
    name = f"{module.__name__}_sync"
    if name in sys.modules:
        return sys.modules[name]
    tree = ast.fix_missing_locations(_Plain().visit(ast.parse(inspect.getsource(module))))
    source = f"import time\n{ast.unparse(tree)}\n".replace("import time\n", "", 1)
    source = source.replace("import asyncio\n", "import asyncio\nimport time\n", 1)
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    twin = ModuleType(name, f"{module.__name__} without coroutines.")
    twin.__file__ = file
    sys.modules[name] = twin
    exec(compile(source, file, "exec"), twin.__dict__)
    return twin


class _Plain(ast.NodeTransformer):
    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        fields = {name: getattr(node, name) for name in node._fields}
        return self.generic_visit(ast.FunctionDef(**fields))

    def visit_Await(self, node: ast.Await) -> ast.AST:
        called: Any = node.value.func if isinstance(node.value, ast.Call) else node.value
        if ast.unparse(called) != "asyncio.sleep":
            raise ValueError(f"line {node.lineno} awaits {ast.unparse(called)}, not a sleep")
        called.value.id, called.attr = "time", "sleep"
        return node.value
