"""What every splitter is, and the account that all of them keep of complete pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Splitter(Protocol):
    """One growing text and the pieces of it that are complete.

    It is used for one text and then thrown away. The pieces do not depend on where
    one chunk ends and the next begins, and a piece that was given never changes.
    """

    def feed(self, chunk: str) -> list[str]:
        """The text goes on.

        Args:
            chunk: What follows what was fed before; may be empty.

        Returns:
            The pieces that are complete with it, in the text's order.

        Raises:
            ValueError: The text was closed.
        """
        ...

    def close(self) -> list[str]:
        """The text has ended: all of it is shown from now on.

        Returns:
            The remaining pieces, in the text's order.

        Raises:
            ValueError: The text was closed before.
        """
        ...

    @property
    def settled(self) -> int:
        """How much of the text is in complete pieces: an offset, in characters."""
        ...

    def shown(self) -> str:
        """The text to show: all complete pieces, made a valid whole.

        Building it takes time in proportion to its length.
        """
        ...


@dataclass(frozen=True, slots=True)
class Factory:
    """Makes splitters of one kind: a new one for every text.

    Args:
        name: What its pieces are called: ``"sentence"``.
        make: Makes a splitter that has been fed nothing.
    """

    name: str
    make: Callable[[], Splitter] = field(repr=False)

    def __call__(self) -> Splitter:
        """A splitter for one text."""
        return self.make()


class Pieces:
    """The complete pieces of a text, for splitters that leave nothing of it out."""

    def __init__(self) -> None:
        self._complete: list[str] = []
        self._settled = 0
        self._closed = False

    @property
    def settled(self) -> int:
        """How much of the text is in complete pieces: an offset, in characters."""
        return self._settled

    def shown(self) -> str:
        """All complete pieces, one after another."""
        self._complete = ["".join(self._complete)]
        return self._complete[0]

    def _settle(self, *pieces: str) -> list[str]:
        """These are complete, but for empty ones."""
        found = [piece for piece in pieces if piece]
        self._complete += found
        self._settled += sum(map(len, found))
        return found

    def _open(self) -> None:
        """Nothing may follow the end.

        Raises:
            ValueError: The text was closed.
        """
        if self._closed:
            raise ValueError("the text was closed: a splitter is for one text only")
