"""Functions, classes and imports inside analysed code."""

from __future__ import annotations

import ast
import sys
import types

from langgraph_alto.plan.analysis.expressions import evaluate, make_function
from langgraph_alto.plan.analysis.frames import Frame
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.names import bind_name
from langgraph_alto.plan.analysis.reach import see
from langgraph_alto.plan.analysis.source import is_library_module
from langgraph_alto.plan.analysis.values import OPAQUE, USER_OPAQUE, Alloc, Args, Func, Value


def define_function(
    machine: Machine, frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> None:
    """Bind the name of a nested function, decorators applied."""
    value = make_function(machine, frame, node)
    for decorator in reversed(node.decorator_list):
        wrapper = evaluate(machine, frame, decorator)
        machine.rec.line = decorator.lineno
        made = machine.apply(machine, wrapper, Args([value]), decorator)
        known = all(isinstance(a, (Func, Alloc)) for a in made) and made
        value = made if known else made | value
    bind_name(machine, frame, node.name, value)


def import_modules(machine: Machine, frame: Frame, node: ast.Import) -> None:
    """``import a.b as c``: real modules, if they are loaded."""
    for alias in node.names:
        full = sys.modules.get(alias.name)
        top = alias.name if alias.asname else alias.name.partition(".")[0]
        module = full if alias.asname else sys.modules.get(top)
        value = _imported(module, alias.name)
        bind_name(machine, frame, alias.asname or top, value)


def _imported(obj: object, module: str) -> Value:
    if obj is not None:
        return wrap(obj)
    return OPAQUE if is_library_module(module) else USER_OPAQUE


def import_names(machine: Machine, frame: Frame, node: ast.ImportFrom) -> None:
    """``from a import b``: real objects, if the module is loaded."""
    name = node.module or ""
    if node.level:
        package = str(frame.scope.globals.get("__package__") or "")
        parts = package.split(".")
        name = ".".join([*parts[: len(parts) - node.level + 1], *([name] if name else [])])
    module = sys.modules.get(name)
    for alias in node.names:
        if isinstance(module, types.ModuleType) and alias.name in vars(module):
            value = see(machine, vars(module)[alias.name])
        else:
            value = _imported(sys.modules.get(f"{name}.{alias.name}"), name)
        bind_name(machine, frame, alias.asname or alias.name, value)
