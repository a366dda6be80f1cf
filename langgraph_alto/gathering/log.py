"""What a gather keeps in a graph's state: the log of a fan-out, and its envelopes.

A packet of a gathered fan-out travels in an *envelope*: a plain dict, which every
checkpoint can hold, that says where the packet stands. Every task of the fan-out
leaves one *entry* in the gather's own channel, the *log*: where it stood, how
many packets it sent, and its result. The log is all that a gather needs, so it is
right after a resume, too. When the gather has run, its entries are taken out.

A place is written as a list: the superstep and the name of the root's task, then
the position at each level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langgraph.channels.base import BaseChannel
from langgraph.errors import EmptyChannelError
from typing_extensions import NotRequired, Self

from langgraph_alto.ledger import TOMBSTONE, Kind, Ledger, Outcome, Place

ENVELOPE = "__alto_gather__"
"""The key that makes a packet's payload an envelope."""


class Envelope(TypedDict):
    """Where a packet stands.

    Args:
        at: Its place.
        errors: The error scope it is in; ``None`` where nobody declared one.
        phantom: Whether it stands for a fan-out of nothing: no node runs for it.
        first: Of a root that leaves no entry itself (``START``), for each log:
            how many packets it sent, or which positions they have.
    """

    at: list[Any]
    errors: str | None
    phantom: NotRequired[bool]
    first: NotRequired[dict[str, int | list[int]]]


class Entry(TypedDict):
    """What one task of a fan-out leaves in the log.

    Args:
        at: Its place.
        node: The name of its node.
        sends: How many packets it sent, or which positions they have.
        given: What a parent was sent.
        result: Its result, where it has one.
        failed: Type and message of its error, where it failed and the error is
            collected.
        void: Whether it is to be ignored: its task began no fan-out.
        first: See :class:`Envelope`; of this log.
    """

    at: list[Any]
    node: str
    sends: int | list[int]
    given: NotRequired[Any]
    result: NotRequired[Any]
    failed: NotRequired[list[str]]
    void: NotRequired[bool]
    first: NotRequired[int | list[int]]


def wrapped_in(payload: Any, envelope: Envelope) -> dict[str, Any]:
    """A payload in its envelope."""
    return {ENVELOPE: envelope, "payload": payload}


def unwrapped(input: Any) -> tuple[Envelope | None, Any]:
    """The envelope of a task's input, if it has one, and the payload."""
    # The exact class: a state given in part would count the look as a read.
    if type(input) is dict and ENVELOPE in input:
        return input[ENVELOPE], input["payload"]
    return None, input


def positions(sends: int | list[int]) -> Sequence[int]:
    """The positions that an entry speaks of."""
    return range(sends) if isinstance(sends, int) else sends


def compact(found: list[int]) -> int | list[int]:
    """Positions, in the shortest form."""
    return len(found) if found == list(range(len(found))) else found


class Log(BaseChannel[list[Entry], Any, list[Entry]]):
    """The channel of one gather: the entries of its fan-outs, while they are open.

    It has no value while there are none. An update is an entry, or
    ``{"done": [root, ...]}``, which takes out the entries of these roots.
    """

    __slots__ = ("entries",)

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self.entries: list[Entry] = []

    @property
    def ValueType(self) -> Any:
        """The type of the value."""
        return list

    @property
    def UpdateType(self) -> Any:
        """The type of an update."""
        return dict

    def copy(self) -> Self:
        """A channel with the same value. Values are never changed in place."""
        return self.from_checkpoint(self.entries)

    def checkpoint(self) -> Any:
        """The entries."""
        return self.entries if self.entries else super().checkpoint()

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """A channel with the entries of a checkpoint, if there are any."""
        again = self.__class__(self.typ, self.key)
        if isinstance(checkpoint, list):
            again.entries = checkpoint
        return again

    def get(self) -> list[Entry]:
        """The entries.

        Raises:
            EmptyChannelError: There are none.
        """
        if not self.entries:
            raise EmptyChannelError
        return self.entries

    def is_available(self) -> bool:
        """Whether there is any entry."""
        return bool(self.entries)

    def update(self, values: Sequence[Any]) -> bool:
        """Add entries, and take out those of roots that are done."""
        if not values:
            return False
        done = {tuple(root) for value in values for root in value.get("done", ())}
        added = [value for value in values if "at" in value and "void" not in value]
        kept = self.entries
        if done:
            kept = [entry for entry in kept if root_of(entry) not in done]
        # A new list: checkpoints and run-aheads may hold the old one.
        self.entries = [*kept, *added]
        return True


def root_of(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Superstep and name of the root that an entry belongs to."""
    return tuple(entry["at"][:2])


def place_of(at: Sequence[Any]) -> Place:
    """A place as the ledger knows it: its root is superstep and name together."""
    return (tuple(at[:2]), *at[2:])


def enter(ledger: Ledger[Entry], entry: Entry) -> list[Place]:
    """Tell a ledger of an entry.

    Returns:
        The places that are complete from now on.

    Raises:
        ValueError: The ledger knows an entry of this place already.
    """
    place = place_of(entry["at"])
    done = ledger.resolve(place, outcome_of(entry))
    if "first" in entry and not ledger.closed(root := place[:1]):
        done += ledger.resolve(root, TOMBSTONE)
        done += ledger.close(root, positions(entry["first"]))
    return done + ledger.close(place, positions(entry["sends"]))


def outcome_of(entry: Entry) -> Outcome[Entry]:
    """What an entry leaves at its place."""
    if "failed" in entry:
        return Outcome(Kind.FAILURE, entry)
    if "result" in entry:
        return Outcome(Kind.VALUE, entry)
    return TOMBSTONE
