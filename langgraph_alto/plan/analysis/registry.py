"""Which real functions and classes have a model of their own."""

from __future__ import annotations

import ast
from collections.abc import Callable

from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.values import Args, Value

Model = Callable[[Machine, Args, ast.AST], Value]


MODELS: dict[int, Model] = {}


def model_of(obj: object) -> Model | None:
    """The model of a real callable, if there is one."""
    return MODELS.get(id(obj))


def model(*objs: object) -> Callable[[Model], Model]:
    """Register the model of some real callables."""

    def register(function: Model) -> Model:
        MODELS.update((id(obj), function) for obj in objs if obj is not None)
        return function

    return register
