"""Generator nodes: what a node puts out goes on while it still works.

The decorated function is an ordinary node: plain LangGraph calls it and gets all
that it yielded, as a list of commands. In a wrapped graph each of them is told to
the engine when it is yielded, through a :class:`Sink` in the task's config.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, overload

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Send

F = TypeVar("F", bound=Callable[..., Any])

SINK = "__alto_sink"
"""Where a task's config holds its :class:`Sink`, in a wrapped graph."""

BUFFER = 64
"""How many tasks that a node's yields have started may be unfinished at once."""

_MARK = "__alto_streaming__"


@dataclass(frozen=True, slots=True)
class Streamed:
    """What makes a function a ``@streaming`` node.

    Args:
        node: The function itself. What copies its attributes is another function,
            which may make something else of what the node puts out.
        function: The generator function.
        buffer: See :func:`streaming`.
    """

    node: Any
    function: Any
    buffer: int


class Sink(Protocol):
    """Who is told what a node yields, while it runs."""

    def begin(self, config: Any) -> bool:
        """The node begins: for the first time, or again after an error.

        Args:
            config: What it is called with.

        Returns:
            Whether it is the node that is told of, and not another that it calls.
        """
        ...

    def end(self) -> None:
        """The node has ended, in whatever way."""

    def put(self, command: Command[Any]) -> None:
        """The node has yielded; returns when it may go on. Called in a thread."""

    async def aput(self, command: Command[Any]) -> None:
        """The same on the event loop."""


@overload
def streaming(function: F) -> F: ...


@overload
def streaming(*, buffer: int = ...) -> Callable[[F], F]: ...


def streaming(function: Any = None, *, buffer: int = BUFFER) -> Any:
    """Make a generator function a node whose output goes on while it still runs.

    Each thing that it yields is a part of the node's output: a ``Send``, a dict of
    updates, a ``Command``, or a list of those; ``None`` is nothing. In a wrapped
    graph, what a part leads to begins at once:

    - a ``Send``, or the packets of a ``Command``, start their tasks;
    - an update starts the nodes that edges lead to, as soon as all that they read of
      what this node may write has been yielded. Such keys must be plain ones: what a
      reducer adds up is known when the node has ended;
    - ``Command(goto="name")`` starts that node, on the same condition.

    As in LangGraph, a plain key may be written once. What it has yielded a node must
    leave as it is: if it changes that afterwards, all that came of it starts again
    when it has ended. What it all comes to is decided
    when the node ends, and is the same as without the wrapping: LangGraph applies
    the parts, in order, as one output. Should the node raise, what it has started is
    cancelled and counts for nothing.

    Args:
        function: A generator function or an async generator function, also one with
            ``config``, ``runtime``, ``store`` or ``writer`` as LangGraph gives them.
            What a sync one returns in the end is its last part.
        buffer: How many of the tasks that its yields have started may be unfinished
            before it is asked for more; at least 1.

    Returns:
        The node, for ``add_node``.

    Raises:
        TypeError: ``function`` does not yield.
        ValueError: ``buffer`` is below 1.

    Example:
        ```python
        @streaming
        async def pages(state: State) -> AsyncIterator[Send]:
            async for page in crawl(state["site"]):
                yield Send("read", {"page": page})
        ```
    """
    if buffer < 1:
        raise ValueError(f"buffer is {buffer}; a node needs at least 1 to go on")
    if function is None:
        return functools.partial(streaming, buffer=buffer)
    asynchronous = inspect.isasyncgenfunction(function)
    if not asynchronous and not inspect.isgeneratorfunction(function):
        raise TypeError(
            f"@streaming is for functions that yield, and {_name(function)} does not; "
            "yield each Send, update or Command as soon as it is known"
        )
    wrapper = (_acollector if asynchronous else _collector)(function)
    functools.update_wrapper(wrapper, function)
    wrapper.__annotations__ = _annotations(function)
    wrapper.__signature__ = _signature(function)
    mark(wrapper, function, buffer)
    return wrapper


def mark(node: Any, function: Any, buffer: int) -> None:
    """Say that a function is the node of a generator function."""
    setattr(node, _MARK, Streamed(node, function, buffer))


def streamed_of(function: Any) -> Streamed | None:
    """What ``@streaming`` left on a function; ``None`` where this is none, or wraps one."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, types.MethodType):
        function = function.__func__
    found = getattr(function, _MARK, None)
    return found if isinstance(found, Streamed) and found.node is function else None


def buffer_of(function: Any) -> int | None:
    """The ``buffer`` of a node's function; ``None`` where it is no ``@streaming`` one."""
    found = streamed_of(function)
    return None if found is None else found.buffer


def generator_of(function: Any) -> Any:
    """The user's generator function in a ``@streaming`` node; ``None`` where it is none."""
    if (found := streamed_of(function)) is None:
        return None
    if isinstance(function, functools.partial):
        inner = generator_of(function.func)
        return functools.partial(inner, *function.args, **function.keywords)
    if isinstance(function, types.MethodType):
        return types.MethodType(found.function, function.__self__)
    return found.function


def _collector(function: Any) -> Any:
    config_of = _config_of(function)

    def node(*args: Any, config: Any = None, **kwargs: Any) -> Any:
        config = config_of(args, kwargs, config)
        sink = _sink(config)
        parts: list[Command[Any]] = []
        generator = function(*args, **kwargs)
        try:
            while True:
                try:
                    part, last = next(generator), False
                except StopIteration as end:
                    part, last = end.value, True
                for command in _commands(part, function):
                    parts.append(command)
                    if sink is not None:
                        sink.put(command)
                if last:
                    return parts or None
        finally:
            try:
                generator.close()
            finally:
                if sink is not None:
                    sink.end()

    return node


def _acollector(function: Any) -> Any:
    config_of = _config_of(function)

    async def node(*args: Any, config: Any = None, **kwargs: Any) -> Any:
        config = config_of(args, kwargs, config)
        sink = _sink(config)
        parts: list[Command[Any]] = []
        try:
            async with aclosing(function(*args, **kwargs)) as generator:
                async for part in generator:
                    for command in _commands(part, function):
                        parts.append(command)
                        if sink is not None:
                            await sink.aput(command)
        finally:
            if sink is not None:
                sink.end()
        return parts or None

    return node


def _config_of(function: Any) -> Callable[[tuple[Any, ...], dict[str, Any], Any], Any]:
    """Finds the config in a call of a node, and passes it on where the function takes one."""
    names = list(inspect.signature(function).parameters)
    place = names.index("config") if "config" in names else None

    def config_of(args: tuple[Any, ...], kwargs: dict[str, Any], config: Any) -> Any:
        if place is None:
            return config
        if len(args) > place:
            return args[place]
        if config is not None:
            kwargs["config"] = config
        return config

    return config_of


def _sink(config: Any) -> Sink | None:
    sink: Sink | None = ((config or {}).get("configurable") or {}).get(SINK)
    return sink if sink is not None and sink.begin(config) else None


def _commands(part: Any, function: Any) -> list[Command[Any]]:
    """A part of a node's output as commands."""
    if part is None:
        return []
    if isinstance(part, Command):
        return [part]
    if isinstance(part, Send):
        return [Command(goto=part)]
    if isinstance(part, list | tuple):
        return [command for each in part for command in _commands(each, function)]
    if isinstance(part, str | bytes | int | float):
        raise TypeError(
            f"the streaming node {_name(function)!r} yielded a {type(part).__name__}; "
            "yield a Send, a dict of updates, or a Command"
        )
    return [Command(update=part)]


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", repr(function)))


def _signature(function: Any) -> inspect.Signature:
    """The function's, with the ``config`` that the sink is in."""
    signature = inspect.signature(function)
    if "config" in signature.parameters:
        return signature
    parameters = list(signature.parameters.values())
    own = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, annotation=RunnableConfig)
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        parameters.insert(-1, own)
    else:
        parameters.append(own)
    return signature.replace(parameters=parameters)


def _annotations(function: Any) -> dict[str, Any]:
    """The function's, with the destinations of what it yields where LangGraph looks for them."""
    while isinstance(function, functools.partial):
        function = function.func
    annotations = {**function.__annotations__, "config": RunnableConfig}
    try:
        yielded = typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError, SyntaxError):
        yielded = None  # a name that is not known here; LangGraph will not know it, either
    annotations.pop("return", None)
    if names := sorted(_destinations(yielded)):
        annotations["return"] = Command[Literal[tuple(names)]]  # type: ignore[misc]
    return annotations


def _destinations(hint: Any) -> set[str]:
    names: set[str] = set()
    if typing.get_origin(hint) is Command:
        for arg in typing.get_args(hint):
            if typing.get_origin(arg) is Literal:
                names.update(name for name in typing.get_args(arg) if isinstance(name, str))
        return names
    for arg in typing.get_args(hint):
        names |= _destinations(arg)
    return names
