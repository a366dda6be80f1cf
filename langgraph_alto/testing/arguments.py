"""What `check` and `infer` are given, checked before anything runs."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from numbers import Real
from typing import Any, TypeVar, get_args

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.types import Durability, StreamMode

from langgraph_alto.testing.instrument import node_names

T = TypeVar("T")

_MODES = ("async", "sync", "both")
_DELAYS = (
    'give a mapping of node names to seconds, ("random", low, high), or a function '
    "(node, superstep, place) -> seconds"
)


def compiled(graph: object) -> Any:
    """The graph to run.

    Raises:
        TypeError: It is none.
    """
    if isinstance(graph, StateGraph):
        return graph.compile()
    if not isinstance(graph, Pregel):
        raise TypeError(
            f"cannot check a {type(graph).__name__}; give a StateGraph, a compiled graph, "
            "an agent or an @entrypoint"
        )
    return graph


def inputs_of(inputs: Any) -> tuple[Any, ...]:
    """The inputs: of a list, a tuple or an iterator each, else the one that is given.

    Raises:
        ValueError: There are none.
    """
    given = tuple(inputs) if isinstance(inputs, list | tuple | Iterator) else (inputs,)
    if not given:
        raise ValueError("there are no inputs, so nothing would be run; give at least one")
    return given


def check_mode(mode: object) -> None:
    """Refuse a mode that is none.

    Raises:
        ValueError: It is none.
    """
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(map(repr, _MODES))}")


def check_arguments(
    graph: Any,
    *,
    delays: object,
    runs: object,
    checkpointer: object,
    durability: object,
    timeout: object,
    **_: Any,
) -> None:
    """Refuse what `check` cannot do, or would do without checking anything.

    Args:
        graph: The compiled graph.
        delays: Sleeps; they name nodes of the graph, and are not negative.
        runs: How often each input is run, at least once.
        checkpointer: Makes a saver: each engine needs its own.
        durability: One of LangGraph's.
        timeout: Seconds, more than 0.

    Raises:
        TypeError: One of them is of the wrong type.
        ValueError: One of them is none that there is.
    """
    _check_runs(runs)
    _check_delays(delays, graph)
    _check_checkpointer(checkpointer)
    _check_durability(durability)
    check_timeout(timeout)


def _check_runs(runs: object) -> None:
    if isinstance(runs, bool) or not isinstance(runs, int):
        raise TypeError(f"runs is {runs!r}; give a whole number, at least 1")
    if runs < 1:
        raise ValueError(f"runs is {runs}, so nothing would be run; it must be at least 1")


def check_timeout(timeout: object) -> None:
    """Refuse a timeout that no run can keep.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, Real):
        raise TypeError(f"timeout is {timeout!r}; give seconds, a number above 0")
    if not float(timeout) > 0:
        raise ValueError(f"timeout is {timeout}; give seconds above 0, which one run may take")


def stream_modes_of(modes: object) -> tuple[str, ...]:
    """The further stream modes, each once.

    Raises:
        TypeError: They are one string, or no collection.
        ValueError: One of them is none that LangGraph has.
    """
    if isinstance(modes, str) or not isinstance(modes, Collection):
        raise TypeError(f"stream_modes is {modes!r}; give a list of modes, such as ['custom']")
    there: tuple[str, ...] = get_args(StreamMode)
    for mode in modes:
        if mode not in there:
            raise ValueError(
                f"stream_modes holds {mode!r}; LangGraph's are {', '.join(map(repr, there))}"
            )
    return tuple(dict.fromkeys(modes))


def _check_durability(durability: object) -> None:
    there = get_args(Durability)
    if durability is not None and durability not in there:
        raise ValueError(
            f"durability is {durability!r}; it must be one of {', '.join(map(repr, there))}"
        )


def _check_checkpointer(checkpointer: object) -> None:
    made = isinstance(checkpointer, AbstractContextManager | AbstractAsyncContextManager)
    if checkpointer is not None and (made or not callable(checkpointer)):
        raise TypeError(
            f"checkpointer is a {type(checkpointer).__name__}, and each engine needs a saver of "
            "its own; give a factory such as InMemorySaver, without calling it"
        )


def _check_delays(delays: object, graph: Any) -> None:
    if delays is None or callable(delays):
        return
    if isinstance(delays, tuple):
        if len(delays) != 3 or delays[0] != "random":
            raise ValueError(f"delays is {delays!r}; {_DELAYS}")
        for seconds in delays[1:]:
            _check_seconds("delays", seconds)
        if delays[1] > delays[2]:
            raise ValueError(f"delays is {delays!r}, whose low is above its high")
        return
    if not isinstance(delays, Mapping):
        raise TypeError(f"delays is {delays!r}; {_DELAYS}")
    known = node_names(graph)
    for name, entry in delays.items():
        if name not in known:
            raise ValueError(
                f"delays names the node {name!r}, which the graph does not have; "
                f"its nodes are {', '.join(sorted(known))}"
            )
        several = isinstance(entry, Sequence) and not isinstance(entry, str)
        if several and not entry:
            raise ValueError(f"delays[{name!r}] is empty; give seconds, or several to draw from")
        for seconds in entry if several else [entry]:
            _check_seconds(f"delays[{name!r}]", seconds)


def _check_seconds(where: str, seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise TypeError(f"{where} holds {seconds!r}; give seconds, a number")
    if not 0 <= float(seconds) < float("inf"):
        raise ValueError(f"{where} holds {seconds}; give seconds, 0 or more")


def fresh(value: Any) -> Any:
    """A copy of an input, as nodes may change it; the thing itself if it has none."""
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - whatever a user's __deepcopy__ raises
        return value


def outside_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function, also where an event loop is already running.

    Raises:
        BaseException: What it raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(asyncio.run(work()))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
