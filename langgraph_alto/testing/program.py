"""Turns a description into a graph that can be run."""

from __future__ import annotations

import itertools
import linecache
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.graph import StateGraph

from langgraph_alto.testing.description import Description
from langgraph_alto.testing.source import source

_numbers = itertools.count()
_kept: list[tuple[str, str]] = []
_KEEP = 16


@dataclass(frozen=True, slots=True)
class Program:
    """A generated graph, ready to run.

    Attributes:
        name: Name of its module.
        source: Its source.
        graph: The ``StateGraph``.
        compiled: Compiles it with its breakpoints; takes a checkpointer.
        given: The input.
        config: The config of a run.
        delays: Seconds to sleep, by node.
        reset: To be called before every run.
    """

    name: str
    source: str
    graph: Any
    compiled: Callable[..., Any]
    given: dict[str, Any]
    config: dict[str, Any]
    delays: Mapping[str, tuple[float, ...]]
    reset: Callable[[], None]


def program(description: Description) -> Program:
    """Write, register and run the source of a described graph.

    The source is registered with ``linecache`` under a name of its own, so
    ``inspect.getsource`` works on every node.

    Args:
        description: The graph.

    Returns:
        The program.
    """
    text = source(description)
    name = f"random_graph_{next(_numbers)}"
    file = f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType(name)
    sys.modules[name] = module  # for savers, which import the classes they load
    _kept.append((name, file))
    if len(_kept) > _KEEP:
        old_name, old_file = _kept.pop(0)
        del sys.modules[old_name], linecache.cache[old_file]
    exec(compile(text, file, "exec", dont_inherit=True), vars(module))
    made = vars(module)
    return Program(
        name=name,
        source=text,
        graph=made["graph"],
        compiled=made["compiled"],
        given=made["given"],
        config=made["config"],
        delays=made["delays"],
        reset=made["failures"].clear,
    )


def build(description: Description) -> StateGraph[Any, Any, Any, Any]:
    """Build the described graph.

    Args:
        description: Drawn by `langgraph_alto.testing.strategies.graphs`.

    Returns:
        A ``StateGraph`` of real functions with source.
    """
    graph: StateGraph[Any, Any, Any, Any] = program(description).graph
    return graph
