r"""The lines of a growing text, and how each begins: what Markdown says of its structure.

Sentences and list items both need to know where a paragraph, an item or a code block
ends, and both need to know it before the line is complete. So a line's opening is told
as soon as it is certain, which takes few characters, and the rest of it as it comes::

    fed      "- on" | "e\n``" | "`py\nx" | " = 1"
    told     ITEM "- ", "on" | "e\n" | FENCE "```py\n", CODE "x" | " = 1"

No more than :data:`LIMIT` characters of a line are looked at to tell its opening;
whatever they leave open is taken to be text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

LIMIT = 200
"""How many characters of a line may be needed to tell how it begins."""

_BLANK = re.compile(r"[^\S\n]*(?:\n|\Z)")
_FENCE = re.compile(r"[^\S\n]*(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)(?:\n|\Z)")
_ITEM = re.compile(r"([^\S\n]*)(?:[-*+•]|\d{1,3}[.)])[^\S\n]")
_HEADING = re.compile(r"[^\S\n]*#{1,6}[^\S\n]")
_ROW = re.compile(r"[^\S\n]*\|")
_INDENT = re.compile(r"[^\S\n]*")
_UNDECIDED = re.compile(
    r"[^\S\n]*(?:[-*+•]|\d{1,3}[.)]?|#{1,6}|`{1,2}|~{1,2}|`{3,}[^`\n]*|~{3,}[^\n]*)?\Z"
)


class Kind(Enum):
    """How a line begins."""

    TEXT = "text"
    BLANK = "blank"
    ITEM = "item"
    """A list item: its marker and a space."""
    HEADING = "heading"
    ROW = "row"
    """A row of a table."""
    FENCE = "fence"
    """The whole line that opens a code block."""
    CODE = "code"
    """A line of a code block."""
    CLOSE = "close"
    """The whole line that closes it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a line.

    Args:
        kind: See :class:`Kind`.
        indent: How many characters of white space it begins with.
    """

    kind: Kind
    indent: int


Told = tuple[Opening | None, str]
"""How a line begins and as much of its text as that is; or more of the same line."""


class LineReader:
    """Tells the lines of one text as it grows.

    The texts told are, one after another, the text that was fed. Those that belong to
    one line may be cut anywhere, except within the opening; of a line's texts, the last
    ends with its newline.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._inside = False
        self._fence = ""

    def read(self, chunk: str, *, ended: bool = False) -> list[Told]:
        """The text goes on.

        Args:
            chunk: What follows.
            ended: Nothing follows after it.

        Returns:
            What is certain now.
        """
        told: list[Told] = []
        text, at = self._rest + chunk, 0
        while at < len(text):
            if self._inside:
                end = text.find("\n", at) + 1 or len(text)
                told.append((None, text[at:end]))
                self._inside = text[end - 1] != "\n"
            else:
                start = text[at : at + LIMIT]
                whole = ended and at + LIMIT >= len(text)
                found = self._code(start, whole) if self._fence else self._opening(start, whole)
                if found is None:
                    break
                opening, length = found
                end = at + length
                told.append((opening, text[at:end]))
                self._inside = text[end - 1] != "\n" or not length
            at = end
        self._rest = text[at:]
        return told

    def _opening(self, start: str, whole: bool) -> tuple[Opening, int] | None:
        """How a line outside code begins, and how long that is; None if it is not certain."""
        whole = whole or "\n" in start
        if not whole and len(start) < LIMIT and _UNDECIDED.match(start):
            return None
        indent = _end(_INDENT.match(start))
        if whole and (match := _BLANK.match(start)):
            return Opening(Kind.BLANK, indent), match.end()
        if whole and (match := _FENCE.match(start)):
            self._fence = match[1] or match[2]
            return Opening(Kind.FENCE, indent), match.end()
        for kind, pattern in ((Kind.ITEM, _ITEM), (Kind.HEADING, _HEADING), (Kind.ROW, _ROW)):
            if match := pattern.match(start):
                return Opening(kind, indent), match.end()
        return Opening(Kind.TEXT, indent), indent

    def _code(self, start: str, whole: bool) -> tuple[Opening, int] | None:
        """The same for a line inside code."""
        mark = re.escape(self._fence[0])
        indent = _end(_INDENT.match(start))
        closing = rf"[^\S\n]*{mark}{{{len(self._fence)},}}[^\S\n]*"
        if match := re.match(closing + (r"(?:\n|\Z)" if whole else r"\n"), start):
            self._fence = ""
            return Opening(Kind.CLOSE, indent), match.end()
        undecided = re.match(rf"[^\S\n]*{mark}*[^\S\n]*\Z", start)
        if undecided and not whole and len(start) < LIMIT:
            return None
        return Opening(Kind.CODE, indent), indent


def _end(match: re.Match[str] | None) -> int:
    """Where a match ends that cannot fail."""
    return match.end() if match else 0
