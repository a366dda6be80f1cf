"""Channels in virtual time: their values at the start of a superstep to come.

The value of a channel at superstep ``k`` is its real value at the base with the
known writes of the supersteps between applied, each superstep at once and its
tasks in LangGraph's order, so that order-sensitive reducers agree. LangGraph's
own channel classes do the arithmetic, on copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph_alto.engine.channels import steady
from langgraph_alto.engine.supersteps import Known


class VirtualChannels:
    """The channels of a run at any superstep from the base on.

    Args:
        known: The writes of each superstep.
        channels: The run's channels, which hold the state at the base.
    """

    def __init__(self, known: Known, channels: Mapping[str, Any]) -> None:
        self.known = known
        self.channels = channels
        self._made: dict[tuple[str, int], Any] = {}
        # What was applied to make a channel, and whether it changed by that.
        self._applied: dict[tuple[str, int], tuple[list[Any], bool]] = {}

    def advance(self, base: int) -> None:
        """Drop what the real channels hold from now on."""
        if self._made:
            self._made = {at: made for at, made in self._made.items() if at[1] > base}
        if self._applied:
            self._applied = {at: made for at, made in self._applied.items() if at[1] > base}

    def changed(self, name: str, step: int) -> None:
        """What is known of the writes to a channel at a superstep is not what it was."""
        for at in [at for at in self._made if at[0] == name and at[1] > step]:
            del self._made[at]
            self._applied.pop(at, None)

    def clear(self) -> None:
        """Drop everything foreseen."""
        self._made.clear()
        self._applied.clear()

    def made_of(self, name: str, values: list[Any]) -> tuple[Any, bool] | None:
        """The channel that these writes of the base superstep make, if it is made already.

        A reducer need not do the same twice: LangGraph's ``add_messages`` gives new
        ids to messages without one. What was foreseen, and perhaps shown to a node,
        is what the state becomes.

        Args:
            name: The channel.
            values: The writes of the base superstep, in LangGraph's order.

        Returns:
            The channel, and whether the writes changed it.
        """
        at = (name, self.known.base + 1)
        applied = self._applied.get(at)
        if applied is None or len(applied[0]) != len(values):
            return None
        if not all(one is other for one, other in zip(applied[0], values, strict=True)):
            return None
        return self._made[at], applied[1]

    def foldable(self, key: str, step: int) -> bool:
        """Whether the known writes to a key may be applied to a copy of its channel.

        A reducer that may change its arguments in place would change the real
        state under a copy's name; such a key is known only once LangGraph has
        applied the writes itself.
        """
        return key in self.known.masks.safe_reducers or self.unwritten(key, step)

    def unwritten(self, key: str, step: int) -> bool:
        """Whether the real channel still holds what a key will be at ``step``."""
        return not any(
            key in found.writes for number, found in self.known.steps.items() if number < step
        )

    def channel(self, name: str, step: int) -> Any:
        """The channel as it will be at the start of ``step``; not to be changed.

        Raises:
            InvalidUpdateError: Writes of one superstep conflict, as they will
                when LangGraph applies them.
        """
        base = self.known.base
        if step <= base:
            return self.channels[name]
        if (made := self._made.get((name, step))) is not None:
            return made
        channel = self.channel(name, step - 1)
        before = self.known.steps.get(step - 1)
        writes = before.writes.get(name) if before is not None else None
        consumed = self._consumed(name, step - 1)
        # Channels of one superstep forget their value when nothing writes them.
        fades = not steady(channel) and channel.is_available()
        if writes or consumed or fades:
            channel = channel.copy()
            if consumed:
                channel.consume()
            masks = self.known.masks
            ordered = sorted(writes or (), key=lambda write: write[0].order(masks))
            values = [value for _, value in ordered]
            self._applied[name, step] = values, channel.update(values)
        self._made[name, step] = channel
        return channel

    def fires(self, name: str, step: int) -> bool:
        """Whether the writes of the superstep before made the channel available."""
        if not self.channel(name, step).is_available():
            return False
        return self._consumed(name, step - 1) or not self.channel(name, step - 1).is_available()

    def _consumed(self, name: str, step: int) -> bool:
        here = self.known.steps.get(step)
        return here is not None and any(
            node in here.pulls for node, _ in self.known.masks.triggers.get(name, ())
        )
