"""Pieces by a function of the user's own."""

from __future__ import annotations

from collections.abc import Callable

from langgraph_alto.streams.split.base import Factory, Pieces


def by_function(function: Callable[[str], list[str]]) -> Factory:
    """Whatever a function makes of the text so far, but for the last piece.

    The last piece is complete when another follows it, or when the text has ended. The
    function is called with all of the text, for every chunk: what it costs grows with
    the square of the text's length.

    Args:
        function: Takes a text; returns pieces of it, word for word and in its order.
            What it leaves out (white space, mostly) goes with the piece before, or with
            the first; empty pieces are passed over. When the text goes on, only the last
            piece may change, and others follow.

    Returns:
        A factory of splitters. ``"".join(pieces)`` is the text. They raise a
        ``ValueError`` where the function does not keep to the above.
    """
    return Factory(getattr(function, "__name__", "function"), lambda: Functional(function))


class Functional(Pieces):
    """See :func:`by_function`."""

    def __init__(self, function: Callable[[str], list[str]]) -> None:
        super().__init__()
        self._function = function
        self._text = ""
        self._given: list[str] = []
        # Where in the text the piece after those that were given may begin.
        self._at = 0

    def feed(self, chunk: str) -> list[str]:
        """The pieces that another follows now."""
        self._open()
        self._text += chunk
        return self._next(ended=False)

    def close(self) -> list[str]:
        """The pieces that remain."""
        self._open()
        self._closed = True
        pieces = self._next(ended=True)
        return pieces + self._settle(self._text[self._settled :])

    def _next(self, *, ended: bool) -> list[str]:
        found = [piece for piece in self._function(self._text) if piece]
        known = len(self._given)
        if found[:known] != self._given:
            raise ValueError(
                f"{self._name} changed a piece that was complete: of {self._given} it made"
                f" {found[:known]} when the text went on; pieces may only be added"
            )
        starts = [self._find(piece) for piece in found[known:]]
        if ended:
            starts.append(len(self._text))
        self._given += found[known : known + max(len(starts) - 1, 0)]
        # Only the piece after the last complete one is looked for again.
        self._at = starts[-1] if starts else self._at
        pieces: list[str] = []
        for start in starts[1:]:
            pieces += self._settle(self._text[self._settled : start])
        return pieces

    def _find(self, piece: str) -> int:
        """Where a piece begins, not before those that were found already."""
        start = self._text.find(piece, self._at)
        if start < 0:
            raise ValueError(
                f"{self._name} returned {piece!r}, which is not in the text after the piece"
                " before it; pieces must be parts of the text, word for word"
            )
        self._at = start + len(piece)
        return start

    @property
    def _name(self) -> str:
        return getattr(self._function, "__name__", "the function")
