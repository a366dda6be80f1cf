"""Does a function look at its task's id, namespace or path?

A task that a packet starts has those of its place among all packets, which is not
known while others may still be sent. Whoever does not look cannot tell.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType

_NAMES = frozenset(
    {
        "langgraph_path",
        "langgraph_checkpoint_ns",
        "checkpoint_ns",
        "__pregel_task_id",
        "execution_info",
    }
)
"""Keys of a config, and attributes of a runtime, that tell."""

_CONFIGS = frozenset({"config", "get_config", "ensure_config"})


@functools.lru_cache(maxsize=4096)
def asks_identity(code: CodeType) -> bool:
    """Whether a function's code names anything that tells its task from another.

    Its text is looked at, not its flow: what goes by such a name is taken for it.
    All the metadata of a config tell, too; where one of LangGraph's keys is named,
    it is taken to be that one that is meant.
    """
    strings, names = set(_strings(code)), set(_names(code))
    if _NAMES & (strings | names):
        return True
    whole = not any(string.startswith("langgraph_") for string in strings)
    return whole and "metadata" in strings and bool(_CONFIGS & names)


def _strings(code: CodeType) -> Iterator[str]:
    for const in code.co_consts:
        if isinstance(const, str):
            yield const
        elif isinstance(const, CodeType):
            yield from _strings(const)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    yield from code.co_varnames
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)
