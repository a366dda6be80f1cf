"""What nodes return: updates, commands, and lists of both, read and taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, TypeGuard

from langgraph.types import Command, RetryPolicy, Send


def is_command(output: Any) -> TypeGuard[Command[Any]]:
    """Whether a node's output is one command."""
    return isinstance(output, Command)


def commands(output: Any) -> bool:
    """Whether a node's output is a command, a packet, or a list with a command in it."""
    return isinstance(output, Command) or (
        isinstance(output, list | tuple) and any(map(is_command, output))
    )


def update_of(output: Any) -> Any:
    """The update in what a node returned, as a dict where it can be one."""
    if isinstance(output, Command):
        return update_of(output.update)
    if isinstance(output, list | tuple):
        if all(isinstance(pair, tuple) and len(pair) == 2 for pair in output):
            return dict(output)
        merged: dict[str, Any] = {}
        for part in output:
            if isinstance(found := update_of(part), dict):
                merged.update(found)
        return merged
    if output is None or isinstance(output, dict):
        return output
    fields = getattr(type(output), "model_fields", None) or getattr(
        output, "__dataclass_fields__", {}
    )
    return {name: getattr(output, name) for name in fields}


def chosen(update: Any, key: str | None) -> Any:
    """The part of an update that is gathered; ``None`` where there is none."""
    if not update or not isinstance(update, dict):
        return None
    return update if key is None else update.get(key)


def gotos(command: Command[Any]) -> Sequence[Any]:
    """Where a command leads: names and packets."""
    goto = command.goto
    return [goto] if isinstance(goto, str | Send) else list(goto)


def without_goto(output: Any) -> Any:
    """A node's output that leads nowhere."""
    if not is_command(output):
        return output
    twin = copy(output)
    object.__setattr__(twin, "goto", ())
    return twin


def attempt_of(config: Any) -> int:
    """Which attempt of a task this is, from 1."""
    for value in config["configurable"].values():
        info = getattr(value, "execution_info", None)
        if info is not None:
            return int(info.node_attempt)
    return 1


def is_retried(error: Exception, policies: Any, attempt: int) -> bool:
    """Whether LangGraph tries a task again after this error."""
    if not policies:
        return False
    for policy in [policies] if isinstance(policies, RetryPolicy) else policies:
        on = policy.retry_on
        if isinstance(on, type):
            matches = isinstance(error, on)
        elif isinstance(on, Sequence):
            matches = isinstance(error, tuple(on))
        else:
            matches = bool(on(error))
        if matches:
            return attempt < int(policy.max_attempts)
    return False
