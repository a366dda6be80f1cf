"""What users write: ``@batched`` and ``Batch``.

This module is light, as programs import it that batch nothing.
"""

from __future__ import annotations

import collections.abc
import inspect
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langgraph_alto.batching.calls import FunctionCalls, apart, is_coroutine_function, only

_MARK = "__alto_batched__"

_INJECTED = ("config", "runtime", "store", "writer", "previous", "error")
"""What LangGraph gives to a node's function beside its input: one task's own."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How the calls of a node are batched; for ``wrap(graph, batch={"node": Batch(64, 0.005)})``.

    Args:
        max_size: How many items one call may have, at least 1.
        max_wait: How long an item may wait for others, in seconds, where others
            may come; it never waits where none can.
        function: The list-taking form of a node that takes one input: called with
            a list of inputs, it returns a list of as many updates, in their order,
            each what the node would return for its input alone (or the exception
            that it would raise). Whether that is so, ``check`` tells. Default: the
            function that ``@batched`` was put on, or the ``batch`` and ``abatch``
            of a node that is a LangChain runnable.

    Raises:
        TypeError: A field is of the wrong type.
        ValueError: ``max_size`` is below 1, or ``max_wait`` negative or no number.
    """

    max_size: int
    max_wait: float = 0.0
    function: Callable[[list[Any]], Any] | None = None

    def __post_init__(self) -> None:
        size, wait = self.max_size, self.max_wait
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(
                f"max_size is {size!r}; give a whole number of items, such as "
                "@batched(64, 0.005) or Batch(64, 0.005)"
            )
        if size < 1:
            raise ValueError(f"max_size is {size}; it must be at least 1")
        if isinstance(wait, bool) or not isinstance(wait, int | float):
            raise TypeError(f"max_wait is {wait!r}; give seconds, such as 0.005")
        if math.isnan(wait) or wait < 0:
            raise ValueError(f"max_wait is {wait!r}; give seconds, 0 or more")
        if self.function is not None:
            check_function(self.function)


@dataclass(frozen=True, slots=True)
class Declared:
    """What ``@batched`` leaves on the node that it makes.

    Args:
        node: The node. A decorator put around it that copies its attributes is
            another function, and is not taken for it.
        function: The list-taking function.
        batch: The numbers.
    """

    node: Any
    function: Callable[[list[Any]], Any]
    batch: Batch


def batched(max_size: int, max_wait: float = 0.0) -> Callable[[Callable[..., Any]], Any]:
    """Make a node of a function that takes a list of inputs.

    In a wrapped graph, calls of the node that are ready together become one call
    of the function: those of one superstep, those that run ahead, and those of
    other runs on the same event loop. In plain LangGraph each call has a list of
    one.

    The function takes a list of what a node takes, and returns a list of what a
    node returns, in the same order. An exception in place of a result is raised by
    that item's task alone. If the function itself raises, for more than one item,
    each of them is tried alone, so that whoever shares a batch makes no
    difference. It gets no ``config``, ``runtime``, ``store`` or ``writer``, and
    runs in a context of its own, as a batch belongs to many tasks.

    Put it outermost: a decorator around the node is called for each item, so it
    keeps the node from being batched.

    Args:
        max_size: How many items one call may have, at least 1.
        max_wait: How long an item may wait for others, in seconds, where others
            may come; it never waits where none can.

    Raises:
        TypeError: An argument is of the wrong type, or the function cannot be
            called with one list, or wants what belongs to one task.
        ValueError: ``max_size`` is below 1, or ``max_wait`` negative.

    Example:
        ```python
        @batched(64, 0.005)
        def embed(states: list[State]):
            return [{"vector": vector} for vector in model.encode([s["text"] for s in states])]


        builder.add_node("embed", embed)
        ```
    """
    batch = Batch(max_size, max_wait)
    return lambda function: node_of(function, batch)


def node_of(function: Callable[[list[Any]], Any], batch: Batch) -> Any:
    """The node that calls a list-taking function with a list of one."""
    check_function(function)
    name = getattr(function, "__name__", type(function).__name__)
    calls = FunctionCalls(function, name)
    node: Any
    if calls.asynchronous:

        async def anode(state: Any) -> Any:
            return only(await apart(calls, [state], [None]))

        node = anode
    else:

        def one(state: Any) -> Any:
            return only(calls.many([state], [None]))

        node = one
    node.__name__ = name
    node.__qualname__ = getattr(function, "__qualname__", name)
    node.__module__ = getattr(function, "__module__", None)
    node.__doc__ = function.__doc__
    node.__annotations__ = _item_annotations(function)
    mark(node, function, batch)
    return node


def mark(node: Any, function: Callable[[list[Any]], Any], batch: Batch) -> None:
    """Say that a node is that of a list-taking function."""
    setattr(node, _MARK, Declared(node, function, batch))


def declared_of(node: object) -> Declared | None:
    """What ``@batched`` left on a node; ``None`` where this is none, or a wrapper around one."""
    found = node.__dict__.get(_MARK) if isinstance(node, types.FunctionType) else None
    return found if isinstance(found, Declared) and found.node is node else None


def check_function(function: object) -> None:
    """Refuse a function that cannot take a list of items.

    Raises:
        TypeError: It cannot.
    """
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"a batch needs a function that takes a list of inputs, not {function!r}")
    name = getattr(function, "__name__", type(function).__name__)
    if declared_of(function) is not None:
        raise TypeError(f"{name!r} is a batched node already, which takes one input")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"the batched function {name!r} is a generator; return a list of results")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins do not tell
        return
    for parameter in _INJECTED:
        if parameter in signature.parameters:
            raise TypeError(
                f"the batched function {name!r} takes {parameter!r}, which belongs to one task, "
                "and a batch to many; take it out, and have an earlier node put what is needed "
                "into the state"
            )
    try:
        signature.bind([])
    except TypeError as error:
        raise TypeError(
            f"the batched function {name!r} takes {signature}, so it cannot be called with one "
            f"list of inputs ({error}); of a method, decorate the bound one: "
            "batched(64, 0.005)(self.method)"
        ) from None


def _item_annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of the node: LangGraph takes its input schema and destinations from them."""
    plain = function if isinstance(function, types.FunctionType | types.MethodType) else None
    try:
        hints = typing.get_type_hints(plain or getattr(function, "__call__"))  # noqa: B004, B009
    except Exception:  # noqa: BLE001 - LangGraph too goes without annotations it cannot resolve
        return {}
    parameters = list(inspect.signature(function).parameters)
    found = {}
    for name, given in (("state", parameters[0]), ("return", "return")):
        if (item := _item_of(hints.get(given))) is not None:
            found[name] = item
    return found


def _item_of(hint: Any) -> Any:
    """``State`` of ``list[State]``; exceptions among the items are left out."""
    kind, args = typing.get_origin(hint), typing.get_args(hint)
    if not (isinstance(kind, type) and issubclass(kind, collections.abc.Iterable) and args):
        return None
    item = args[0]
    if typing.get_origin(item) in (typing.Union, types.UnionType):
        kept = tuple(
            one
            for one in typing.get_args(item)
            if not (isinstance(one, type) and issubclass(one, BaseException))
        )
        return typing.Union[kept] if kept else None  # noqa: UP007
    return item


__all__ = ["Batch", "Declared", "batched", "check_function", "declared_of", "is_coroutine_function"]
