"""The one call that a batch becomes, and what comes of it for each item.

A batch belongs to many tasks, so its function runs in a context of its own: no
owner's context variables, config, store or writer are to be had in it. That is
so in plain LangGraph too, where every batch has one item.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Any, Protocol


class BatchResultError(ValueError):
    """A list-taking function returned something that is no list of results."""


class Calls(Protocol):
    """What a batch calls.

    Attributes:
        name: What errors call it.
        asynchronous: Whether it can only be called on an event loop.
    """

    name: str
    asynchronous: bool

    def many(self, inputs: list[Any], configs: list[Any]) -> list[Any]:
        """Call it in this thread.

        Args:
            inputs: What the items' tasks were given, in the order of their arrival.
            configs: The tasks' configs.

        Returns:
            What came of each item, in the same order: its result, or an exception.
        """
        ...

    async def amany(self, inputs: list[Any], configs: list[Any]) -> list[Any]:
        """Call it on the event loop, or from there in a thread."""
        ...


class FunctionCalls:
    """Calls of a list-taking function.

    Args:
        function: Takes a list of inputs; returns, or resolves to, as many results.
        name: What errors call it.
    """

    def __init__(self, function: Callable[[list[Any]], Any], name: str) -> None:
        self.function = function
        self.name = name
        self.asynchronous = is_coroutine_function(function)

    def many(self, inputs: list[Any], configs: list[Any]) -> list[Any]:
        """Call it in this thread."""
        results = Context().run(self.function, list(inputs))
        return results_of(results, len(inputs), self.name)

    async def amany(self, inputs: list[Any], configs: list[Any]) -> list[Any]:
        """Call it on the event loop, or in a thread if it is no coroutine function."""
        # The task that this runs in has the context of its own already.
        if self.asynchronous:
            results = await self.function(list(inputs))
        else:
            loop = asyncio.get_running_loop()
            call = partial(Context().run, partial(self.function, list(inputs)))
            results = await loop.run_in_executor(None, call)
        return results_of(results, len(inputs), self.name)


class RunnableCalls:
    """Calls of a runnable's own ``batch`` and ``abatch``, each item with its own config.

    Args:
        runnable: The runnable.
        name: What errors call it.
    """

    asynchronous = False

    def __init__(self, runnable: Any, name: str) -> None:
        self.runnable = runnable
        self.name = name

    def many(self, inputs: list[Any], configs: list[Any]) -> list[Any]:
        """Call it in this thread."""
        results = Context().run(
            lambda: self.runnable.batch(inputs, config=configs, return_exceptions=True)
        )
        return results_of(results, len(inputs), self.name)

    async def amany(self, inputs: list[Any], configs: list[Any]) -> list[Any]:
        """Call it on the event loop."""
        results = await self.runnable.abatch(inputs, config=configs, return_exceptions=True)
        return results_of(results, len(inputs), self.name)


async def apart(calls: Calls, inputs: list[Any], configs: list[Any]) -> list[Any]:
    """Call on the event loop, in a task with a context of its own.

    Cancelling whoever awaits this cancels the call.
    """
    return await start_apart(calls, inputs, configs)


def start_apart(calls: Calls, inputs: list[Any], configs: list[Any]) -> asyncio.Task[list[Any]]:
    """Begin a call in a task with a context of its own."""
    task = Context().run(asyncio.ensure_future, calls.amany(inputs, configs))
    task.set_name(calls.name)
    return task


def only(outcomes: Sequence[Any]) -> Any:
    """The result of a batch of one.

    Raises:
        BaseException: The item's own error.
    """
    (outcome,) = outcomes
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def results_of(results: Any, count: int, name: str) -> list[Any]:
    """The results of a call as a list.

    Args:
        results: What the function returned.
        count: How many inputs it was given.
        name: What the error calls it.

    Raises:
        BatchResultError: It is no sequence of so many results.
    """
    if isinstance(results, dict | str | bytes) or not (
        hasattr(results, "__len__") and hasattr(results, "__iter__")
    ):
        hint = "; make it a coroutine function" if inspect.isawaitable(results) else ""
        if inspect.iscoroutine(results):
            results.close()  # nobody will await it
        raise BatchResultError(
            f"the batched function of node {name!r} returned a {type(results).__name__} for "
            f"{count} inputs{hint}; return a list with one result for each input, in their order"
        )
    found = list(results)
    if len(found) != count:
        raise BatchResultError(
            f"the batched function of node {name!r} returned {len(found)} results for {count} "
            "inputs; return one for each, in their order (None for no update, an exception for "
            "an item that failed)"
        )
    return found


def is_coroutine_function(function: object) -> bool:
    """Whether calling it makes a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  (a callable object's own)
    )
