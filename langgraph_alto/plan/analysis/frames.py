"""Activations of functions: their names, and how control flows through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from langgraph_alto.plan.analysis.scopes import Bindings, ScopeNode
from langgraph_alto.plan.analysis.values import NOTHING, Value


@dataclass(slots=True)
class Scope:
    """Where names resolve that no analysed function binds.

    Args:
        globals: The module's names.
        cells: Closure variables of the real function.
        file: The source file.
        package: For relative imports.
    """

    globals: Mapping[str, object]
    cells: Mapping[str, object]
    file: str
    library: bool = False


@dataclass(slots=True)
class Jumps:
    """Environments that leave a loop or a ``try`` body early."""

    breaks: list[dict[str, Value]] = field(default_factory=list)
    continues: list[dict[str, Value]] = field(default_factory=list)


@dataclass(slots=True)
class Frame:
    """One activation of a function, comprehension or class body.

    Args:
        node: Its syntax.
        names: Its bindings.
        scope: Where other names resolve.
        parent: The frame it is defined in, if that is analysed too.
        env: Values of names no inner function captures, here and now.
        shared: Values, at any time, of the names that are captured.
        params: What was ever passed.
        dead: Whether the current point cannot be reached.
    """

    index: int
    node: ScopeNode
    names: Bindings
    scope: Scope
    parent: Frame | None
    depth: int
    inline: bool = False
    env: dict[str, Value] = field(default_factory=dict)
    shared: dict[str, Value] = field(default_factory=dict)
    params: dict[str, Value] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    dead: bool = False
    loops: list[Jumps] = field(default_factory=list)
    tries: list[dict[str, Value]] = field(default_factory=list)
    returns: Value = NOTHING
    yields: Value = NOTHING
    results_seen: bool = False
    owner: type | None = None
