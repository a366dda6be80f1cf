"""Special methods: the user's code behind operators, items and loops."""

from __future__ import annotations

import ast
import types

from langgraph_alto.plan.analysis import hints, members
from langgraph_alto.plan.analysis.machine import Machine, wrap
from langgraph_alto.plan.analysis.source import is_library_code
from langgraph_alto.plan.analysis.values import (
    NOTHING,
    OPAQUE,
    Alloc,
    Args,
    Atom,
    Method,
    Obj,
    Opaque,
    Ref,
    Value,
    one,
)

OPERATORS = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.BitAnd: "and",
}
OBSERVERS = tuple(
    f"__{name}__"
    for name in """
    str repr format eq ne lt le gt ge hash len bool iter next getitem contains reversed neg pos
    invert abs round trunc floor ceil int float complex index bytes fspath length_hint
    """.split()
)
"""What code that only looks at an object may still call."""


def is_generated(function: types.FunctionType) -> bool:
    """Whether a method was written by a dataclass or a library, not by the user."""
    return function.__code__.co_filename == "<string>" or is_library_code(function)


def defined(machine: Machine, atom: Atom, name: str) -> tuple[types.FunctionType, ...]:
    """The special methods of the user's that an operation on an object runs."""
    cls: type | None = None
    if isinstance(atom, Alloc):
        cell = machine.cell(atom)
        cls = cell.cls if cell.kind == "instance" else None
    elif isinstance(atom, Obj) and not isinstance(atom.obj, type):
        cls = type(atom.obj)
    elif isinstance(atom, Ref) and atom.path:
        return tuple(m for m in members.methods(atom.hint, name) if not is_generated(m))
    method = None if cls is None else members.static(cls, name)
    if isinstance(method, types.FunctionType) and not is_generated(method):
        return (method,)
    return ()


def run_special(
    machine: Machine, value: Value, name: str, args: list[Value], node: ast.AST
) -> Value:
    """Call a special method of whichever of these objects define it."""
    found = NOTHING
    for atom in value:
        for method in defined(machine, atom, name):
            found |= machine.apply(machine, wrap(method), Args([one(atom), *args]), node)
    return found


def observe(machine: Machine, atom: Alloc | Ref, node: ast.AST) -> None:
    """Someone looks at an object: its own methods may run."""
    if isinstance(atom, Alloc):
        cell = machine.cells[atom.site]
        if cell.kind != "instance" or cell.cls is None:
            return
    elif not any(hints.is_user_class(cls) for cls in hints.known_classes(atom.hint)):
        if hints.is_used_up(atom.hint):
            machine.mutate(one(atom), "code that looks into it uses it up", certain=False)
        each = hints.key(atom.hint), hints.item(atom.hint, None)
        for hint in {h for h in each if hints.known_classes(h)}:
            if atom.path and hint is not atom.hint:
                observe(machine, Ref(atom.path, False, hint), node)
        return
    for name in OBSERVERS:
        if defined(machine, atom, name):
            machine.call_escaped(Method(atom, name), NOTHING, node)


def _entered_ref(machine: Machine, ref: Ref, node: ast.AST) -> Value:
    """``with`` on an object of the state: locks and files are not what they were then."""
    found, known = NOTHING, False
    for name in ("__enter__", "__aenter__", "__exit__", "__aexit__"):
        known |= bool(defined(machine, ref, name))
        rest = [] if "enter" in name else [OPAQUE] * 3
        result = run_special(machine, one(ref), name, rest, node)
        found |= result if "enter" in name else NOTHING
    if not known:
        machine.mutate(one(ref), "it is entered as a context manager", certain=False)
    return found


def entered(machine: Machine, context: Value, node: ast.AST) -> Value:
    """What ``with`` binds: the result of entering a context manager."""
    found = NOTHING
    for atom in context:
        if isinstance(atom, Alloc):
            cell = machine.cell(atom)
            if cell.kind == "instance":
                for name in ("__enter__", "__aenter__", "__exit__", "__aexit__"):
                    if cell.cls is not None and hasattr(cell.cls, name):
                        result = machine.apply(machine, one(Method(atom, name)), Args(), node)
                        found |= result if "enter" in name else NOTHING
                found |= cell.rest
                if not defined(machine, atom, "__enter__"):
                    # Most context managers of libraries return themselves.
                    found |= one(atom) | machine.opaque(node)
            else:
                found |= cell.everything()
        elif isinstance(atom, Ref):
            machine.read(one(atom), lambda: "the whole state is a context manager")
            found |= one(atom) | _entered_ref(machine, atom, node)
        elif isinstance(atom, Obj):
            machine.apply(machine, one(Method(atom, "__enter__")), Args(), node)
            found |= one(atom) | machine.opaque(node)
        elif isinstance(atom, Opaque):
            found |= one(atom)
        else:
            found |= machine.opaque(node)
    return found
