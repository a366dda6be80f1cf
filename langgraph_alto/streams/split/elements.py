"""Elements of a JSON array that is still being written."""

from __future__ import annotations

import json
import re

from langgraph_alto.streams.split.base import Factory, Pieces

_START = re.compile(r"(?m)^[^\S\n]*(?=[\[{])")
_MARK = re.compile(r"[\"\[\]{},\s]")
_PAIRS = {"[": "]", "{": "}"}
_IN_STRING = re.compile(r"[\"\\]")


def element() -> Factory:
    """Elements of the first array of a JSON text; each piece is the JSON text of one.

    The JSON begins with the first ``[`` or ``{`` that is the first on its line. There
    may be text around it, such as a Markdown fence. The array is that value itself, or
    the first one in that object.

    The pieces leave out what is between the elements. What is shown is the text up to
    the last complete element, with the array and the objects around it closed, so that
    it can be parsed, or an empty text as long as the array has not begun. Of what
    follows the array, nothing is shown before the text has ended; then all of it is. An
    element that is not valid JSON is never complete, nor is any after it.

    Returns:
        A factory of splitters.
    """
    return Factory("element", Elements)


class Elements(Pieces):
    """See :func:`element`."""

    def __init__(self) -> None:
        super().__init__()
        # The text after the last complete element.
        self._since: list[str] = []
        self._started = self._fenced = self._over = False
        # While the JSON has not started: whether this line has begun with something else.
        self._other = False
        # What closes the brackets that are open, and how many of them are around the
        # elements; 0 as long as the array has not begun.
        self._closers: list[str] = []
        self._array = 0
        self._in_string = self._escaped = self._scalar = False
        # How many elements are complete; -1 as long as the array has not begun.
        self._count = -1

    def feed(self, chunk: str) -> list[str]:
        """The elements that this chunk completes."""
        self._open()
        at = 0 if self._started or self._over else self._start(chunk)
        if at is None or self._over:
            self._since.append(chunk)
            return []
        return self._scan(chunk, at)

    def close(self) -> list[str]:
        """None: an element is complete when it is closed, or something follows it."""
        self._open()
        self._closed = True
        self._settle("".join(self._since))
        return []

    def shown(self) -> str:
        """The complete elements and what stands before them, closed; at the end, all."""
        text = super().shown()
        if self._closed or not text:
            return text
        fence = "\n```" if self._fenced else ""
        return text + "".join(reversed(self._closers[: self._array])) + fence

    def _start(self, chunk: str) -> int | None:
        """Where in the chunk the JSON starts, if it does."""
        # The beginning of the line stands for itself: blank, or with a letter in it.
        line = "x" if self._other else ""
        match = _START.search(line + chunk)
        if match is None:
            last = (line + chunk).rpartition("\n")[2]
            self._other = bool(last.strip())
            return None
        self._started = True
        at = match.end() - len(line)
        self._fenced = "".join([*self._since, chunk[:at]]).count("```") % 2 == 1
        return at

    def _scan(self, chunk: str, at: int) -> list[str]:
        """Read on from here, within the JSON."""
        pieces: list[str] = []
        # How much of the chunk is in complete elements.
        taken = 0
        while not self._over and at < len(chunk):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            match = (_IN_STRING if self._in_string else _MARK).search(chunk, at)
            place = match.start() if match else len(chunk)
            if place > at and not self._in_string and self._between:
                self._scalar = True
            if match is None:
                break
            at = place + 1
            end = self._pass(match[0], place)
            if end is None:
                continue
            text = "".join([*self._since, chunk[taken:end]])
            value = self._value(text) if self._count >= 0 else ""
            if value is None:
                self._over = True
                break
            if value:
                pieces.append(value)
            taken = end
            self._count += 1
            self._since.clear()
            self._settle(text)
            self._scalar = False
        self._since.append(chunk[taken:])
        return pieces

    @property
    def _between(self) -> bool:
        """Between two elements, or in one that has no bracket."""
        return 0 < self._array == len(self._closers)

    def _pass(self, mark: str, place: int) -> int | None:
        """Go past a mark; returns where the array begins or an element ends, if it does."""
        outermost = self._between
        if self._in_string:
            self._escaped = mark == "\\"
            self._in_string = self._escaped
            return place + 1 if outermost and not self._escaped else None
        if mark == '"':
            self._in_string = True
        elif mark in _PAIRS:
            self._closers.append(_PAIRS[mark])
            if mark == "[" and not self._array:
                self._array = len(self._closers)
                return place + 1
        elif mark not in _PAIRS.values():
            return place if outermost and self._scalar else None
        elif outermost:
            self._over = True
            return place if self._scalar and mark == "]" else None
        else:
            opened = self._closers.pop() if self._closers else ""
            self._over = opened != mark or not self._closers
            return place + 1 if opened == mark and self._between else None
        return None

    def _value(self, text: str) -> str | None:
        """The element that a text ends with, after a comma; None if it is not valid."""
        text = text.strip()
        if self._count:
            if not text.startswith(","):
                return None
            text = text[1:].lstrip()
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return None
        return text
