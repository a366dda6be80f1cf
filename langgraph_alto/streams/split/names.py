"""Splitters by name."""

from __future__ import annotations

from collections.abc import Callable

from langgraph_alto.streams.split.base import Factory
from langgraph_alto.streams.split.elements import element
from langgraph_alto.streams.split.functions import by_function
from langgraph_alto.streams.split.lines import item, line
from langgraph_alto.streams.split.sentences import sentence

_NAMED: dict[str, Callable[[], Factory]] = {
    "element": element,
    "item": item,
    "line": line,
    "sentence": sentence,
}


def splitter(by: str | Factory | Callable[[str], list[str]]) -> Factory:
    """What an option of the user's says that a text's pieces are.

    Args:
        by: A name, one of ``"element"``, ``"item"``, ``"line"`` and ``"sentence"``; a
            factory, as :func:`sentence` returns it; or a function, see
            :func:`by_function`.

    Returns:
        The factory.

    Raises:
        ValueError: No splitter has this name.
    """
    if isinstance(by, Factory):
        return by
    if not isinstance(by, str):
        return by_function(by)
    if by not in _NAMED:
        raise ValueError(f"no splitter is named {by!r}; there are {', '.join(_NAMED)}")
    return _NAMED[by]()
