"""Lines, and the items of a list."""

from __future__ import annotations

from langgraph_alto.streams.split.base import Factory, Pieces
from langgraph_alto.streams.split.markdown import Kind, LineReader, Opening


def line() -> Factory:
    r"""Lines; each piece is one, with its newline (``\n`` or ``\r\n``).

    Returns:
        A factory of splitters. ``"".join(pieces)`` is the text.
    """
    return Factory("line", Lines)


def item() -> Factory:
    """Items of a list: ``- ``, ``* ``, ``+ ``, ``• ``, ``1. `` or ``2) `` begins one.

    An item has its continuation lines, the items nested in it (those that are indented
    further than it), and the code blocks in it. It ends where the next one begins, or
    before a line that follows a blank one and is indented no further than it. What
    stands before the first item, and between two lists, is a piece as well.

    Returns:
        A factory of splitters. ``"".join(pieces)`` is the text.
    """
    return Factory("item", Items)


class Lines(Pieces):
    """See :func:`line`."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []

    def feed(self, chunk: str) -> list[str]:
        """The lines that this chunk completes."""
        self._open()
        first, *others = chunk.split("\n")
        self._parts.append(first)
        if not others:
            return []
        whole = "".join([*self._parts, "\n"])
        *between, last = others
        self._parts = [last]
        return self._settle(whole, *(text + "\n" for text in between))

    def close(self) -> list[str]:
        """The last line, if it has no newline."""
        self._open()
        self._closed = True
        return self._settle("".join(self._parts))


class Items(Pieces):
    """See :func:`item`."""

    def __init__(self) -> None:
        super().__init__()
        self._reader = LineReader()
        self._parts: list[str] = []
        # How far the item is indented; None where the text is of no item.
        self._indent: int | None = None
        self._after_blank = False

    def feed(self, chunk: str) -> list[str]:
        """The items that this chunk completes."""
        self._open()
        return self._read(chunk)

    def close(self) -> list[str]:
        """The last item."""
        self._open()
        self._closed = True
        return self._read("", ended=True) + self._end()

    def _read(self, chunk: str, *, ended: bool = False) -> list[str]:
        pieces: list[str] = []
        for opening, text in self._reader.read(chunk, ended=ended):
            if opening is not None:
                pieces += self._begin(opening)
            self._parts.append(text)
        return pieces

    def _begin(self, opening: Opening) -> list[str]:
        """A line begins: does something end before it?"""
        kind, indent = opening.kind, opening.indent
        after_blank, self._after_blank = self._after_blank, kind is Kind.BLANK
        if kind is Kind.ITEM and (self._indent is None or indent <= self._indent):
            self._indent = indent
            return self._end()
        if kind in (Kind.BLANK, Kind.CODE, Kind.CLOSE) or self._indent is None:
            return []
        if after_blank and indent <= self._indent:
            self._indent = None
            return self._end()
        return []

    def _end(self) -> list[str]:
        parts, self._parts = self._parts, []
        return self._settle("".join(parts))
