"""Sentences, by pysbd, of a text that is still being written.

pysbd decides on a whole text, and what stands far ahead may change its mind. Here each
decision has its bounds, so it can be made once, as soon as the text reaches them, and
the text's end or a chunk's changes nothing::

    ... to the U.S. Army in 1917. She came back
    ^         ^   ^    |        ^   ^   |
    the piece |   a candidate   |   a candidate
              |   and a word    |   and a word: pysbd says that a sentence ends here
              a candidate? no, no white space follows

Paragraphs, headings, list items, table rows and code blocks begin and end where
Markdown says, and with them the sentences in them. A newline within a paragraph is a
space. In between, a *candidate* is a run of the language's end marks, with the closing
quotes, brackets and references after it, that white space follows (or anything, after a
mark such as ``。``). pysbd is given the piece so far and the next word, and the piece
ends if pysbd ends a sentence exactly there. Within quotes or brackets, it is asked when
they are closed, or :data:`PATIENCE` characters later if they are not.

What differs from ``pysbd.Segmenter(clean=False).segment`` is mostly that fewer places
are cut, which is the safe side: never within a code block or a table row, nor at a
newline in a paragraph, nor where closing marks would be torn off (``**So.** And``), nor
at items of a list that stand on one line. More are cut where pysbd takes text between
two quotes for a quotation although it is between two quotations, or where a quotation is
longer than what is looked back at (:data:`MEMORY`) or waited for.
"""

# ruff: noqa: RUF001  (quotes and brackets of many languages)

from __future__ import annotations

import re
import warnings
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from langgraph_alto.streams.split.base import Factory, Pieces
from langgraph_alto.streams.split.markdown import Kind, LineReader

WORD = 32
"""How many characters of the next word are waited for, at most."""

PATIENCE = 400
"""How many characters after a candidate quotes may be closed."""

MEMORY = 1024
"""How many characters pysbd is given at most, but for a word; fewer after refusals."""

_PAIRS = {"“": "”", "«": "»", "(": ")", "[": "]", "「": "」", "『": "』", "（": "）"}
_CLOSING = frozenset(_PAIRS.values())
_DEPTH = 16
"""How many quotes and brackets within one another are kept track of."""

_CLOSERS = re.compile(r"(?:[\"'”’»)\]」』）】*_`]|\[\^?\d{1,3}\]){0,8}")
_REFERENCE = re.compile(r"\[\^?\d{0,3}\Z")
_SPACE = re.compile(r"\s*")
_NEXT = re.compile(r"\s*\S+")


_ALONE = frozenset({Kind.ITEM, Kind.HEADING, Kind.ROW, Kind.FENCE})
"""What begins a block of its own, without a blank line before it."""

_CODE = frozenset({Kind.FENCE, Kind.CODE, Kind.CLOSE})


def sentence(language: str = "en") -> Factory:
    """Sentences, each with the white space after it; a code block or table row is one piece.

    Blank lines after a paragraph, but for the first, go with what follows them. This
    imports pysbd.

    Args:
        language: One that pysbd knows, as its two letters.

    Returns:
        A factory of splitters. ``"".join(pieces)`` is the text.

    Raises:
        ValueError: pysbd does not know the language.
    """
    try:
        _segmenter(language)
    except ValueError as error:
        raise ValueError(f"no sentences of the language {language!r}: {error}") from None
    return Factory("sentence", lambda: Sentences(language))


class _Candidate(NamedTuple):
    """Where a sentence may end: after the end marks, and after what closes with them."""

    end: int
    wide: bool
    """The mark is one that no space follows."""


class Sentences(Pieces):
    """See :func:`sentence`."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._segmenter = _segmenter(language)
        marks = "".join(self._segmenter.language_module.Punctuations)
        self._special = re.compile(
            rf"(?P<marks>[{re.escape(marks)}]{{1,32}})|[\"'‘’{re.escape(''.join(_PAIRS))}"
            rf"{re.escape(''.join(_CLOSING))}]"
        )
        self._reader = LineReader()
        # Of the open piece, what is too far back to matter, and then the rest.
        self._parts: list[str] = []
        self._block = ""
        # Where in the block the piece begins, without what is in the parts; where its
        # words do, after an item's marker; how far the block was read.
        self._start = self._words = self._at = 0
        self._expected: list[str] = []
        self._waiting: list[_Candidate] = []
        self._refused = 0
        self._begun = self._line = self._row = self._in_code = False

    def feed(self, chunk: str) -> list[str]:
        """The sentences that this chunk completes."""
        self._open()
        return self._read(chunk)

    def close(self) -> list[str]:
        """The sentences that remain; the last is blank if the text ends with blank lines."""
        self._open()
        self._closed = True
        pieces = self._read("", ended=True) + self._end_block()
        return pieces + self._settle("".join(self._parts))

    def _read(self, chunk: str, *, ended: bool = False) -> list[str]:
        pieces: list[str] = []
        for opening, text in self._reader.read(chunk, ended=ended):
            kind = opening.kind if opening else None
            if kind in _ALONE:
                pieces += self._end_block()
            if kind is Kind.BLANK:
                pieces += self._end_block(text)
            elif kind in _CODE or self._in_code:
                self._in_code = kind is not Kind.CLOSE
                self._begun = True
                self._parts.append(text)
                if kind is Kind.CLOSE:
                    pieces += self._end_block()
            else:
                pieces += self._prose(kind, text)
        return pieces

    def _prose(self, kind: Kind | None, text: str) -> list[str]:
        """A part of a line that has sentences."""
        if kind in _ALONE:
            # The marker of an item is not the end of a sentence: "1. One".
            self._words = self._at = 0 if kind is Kind.ROW else len(text)
            self._line = kind in (Kind.HEADING, Kind.ROW)
            self._row = kind is Kind.ROW
        self._begun = True
        if self._row:
            self._parts.append(text)
        else:
            self._block += text
        pieces = self._decide(ended=False)
        if self._line and text.endswith("\n"):
            pieces += self._end_block()
        self._forget()
        return pieces

    def _end_block(self, text: str = "") -> list[str]:
        """The block has ended, and with it the piece; this blank line goes with it.

        White space alone is no sentence: it goes with what follows.
        """
        pieces = self._decide(ended=True)
        self._parts += [self._block[self._start :], text]
        self._block = ""
        self._start = self._words = self._at = self._refused = 0
        self._expected.clear()
        self._line = self._row = self._in_code = False
        if self._begun:
            self._begun = False
            pieces += self._settle("".join(self._parts))
            self._parts = []
        return pieces

    def _forget(self) -> None:
        """Keep no more of the block than may matter."""
        first = self._waiting[0].end if self._waiting else self._at
        before = max(self._start, first - MEMORY - WORD)
        if before < MEMORY and self._start == 0:
            return
        self._parts.append(self._block[self._start : before])
        self._block = self._block[before:]
        self._words = max(0, self._words - before)
        self._at -= before
        self._waiting = [_Candidate(one.end - before, one.wide) for one in self._waiting]
        self._start = 0

    # -- where sentences end -----------------------------------------------------------

    def _decide(self, *, ended: bool) -> list[str]:
        """The sentences that end in what is known of the block.

        What was decided never depends on more than was waited for. So this reads on
        only when nothing is to be decided first: a candidate is judged as soon as the
        text reaches what it needs, however much more text there is.
        """
        pieces: list[str] = []
        while True:
            if self._waiting and not self._expected:
                needed = self._word_after(self._at, self._waiting[-1].wide, ended=ended)
                if needed is None:
                    return pieces
                pieces += self._judge(self._waiting, needed)
                continue
            match = self._special.search(self._block, self._at)
            if self._waiting:
                first = self._waiting[0]
                limit = first.end + PATIENCE
                here = match.start() if match else len(self._block)
                if here >= limit or (ended and match is None):
                    needed = self._word_after(first.end, first.wide, ended=True)
                    pieces += self._judge([first], min(needed or limit, limit))
                    continue
            if match is None:
                self._at = len(self._block)
                return pieces
            if not self._pass(match, ended=ended):
                self._at = match.start()
                return pieces

    def _pass(self, match: re.Match[str], *, ended: bool) -> bool:
        """Go past a mark; False if more text is needed to tell what it is."""
        end = match.end()
        if match["marks"] is None:
            if end == len(self._block) and not ended:
                return False
            self._quote(match.start())
            self._at = end
            return True
        after = _CLOSERS.match(self._block, end)
        closed = after.end() if after else end
        if not ended and (
            closed == len(self._block) or _REFERENCE.match(self._block, closed) is not None
        ):
            return False
        wide = any(mark >= "\u2e80" for mark in match["marks"])
        follows = self._block[closed : closed + 1]
        if not follows or not (wide or follows.isspace()):
            self._at = end
            return True
        for place in range(end, closed):
            self._quote(place)
        self._at = closed
        self._waiting.append(_Candidate(closed, wide))
        return True

    def _quote(self, place: int) -> None:
        """Keep account of the quotes and brackets that are open after this character."""
        mark = self._block[place]
        before = self._block[place - 1 : place] if place > self._start else ""
        after = self._block[place + 1 : place + 2]
        opened = ""
        if mark == '"':
            opened = "" if mark in self._expected else mark
        elif mark in "'‘":
            if mark == "'" and "'" in self._expected:
                if after.isalnum():
                    return
            elif (not before or before.isspace() or before in _PAIRS) and after.strip():
                opened = "'" if mark == "'" else "’"
            else:
                return
        elif mark == "’" and after.isalnum():
            return
        elif mark in _PAIRS:
            opened = _PAIRS[mark]
        if opened:
            if len(self._expected) < _DEPTH:
                self._expected.append(opened)
        elif mark in self._expected:
            del self._expected[self._expected.index(mark) :]

    def _word_after(self, place: int, wide: bool, *, ended: bool) -> int | None:
        """Where the next word ends, as far as it matters; None if that is not yet known."""
        limit = place + WORD
        if wide and self._block[place : place + 1].strip():
            return place + 1
        match = _NEXT.match(self._block, place, limit)
        if match and match.end() < min(limit, len(self._block)):
            return match.end()
        if len(self._block) >= limit:
            return limit
        return len(self._block) if ended else None

    def _judge(self, candidates: list[_Candidate], needed: int) -> list[str]:
        """Does the piece end at one of these, given the text up to there?

        The candidates are then no longer waiting; if the piece does end, the text after
        it is read anew.
        """
        # A text that keeps being refused gets ever less of pysbd's time.
        memory = max(128, MEMORY >> self._refused // 4)
        begin = max(self._words, needed - memory)
        window = self._block[begin:needed].replace("\n", " ")
        ends = self._ends(window) if window.strip() else set()
        for candidate in candidates:
            follows = self._block[candidate.end : needed].strip()
            if follows and candidate.end - begin in ends:
                return self._cut(candidate.end)
        self._refused += len(candidates)
        self._waiting = self._waiting[len(candidates) :]
        return []

    def _cut(self, end: int) -> list[str]:
        """The piece ends here, or rather after the white space that follows."""
        match = _SPACE.match(self._block, end)
        end = match.end() if match else end
        piece = "".join([*self._parts, self._block[self._start : end]])
        self._parts = []
        self._start = self._words = self._at = end
        self._refused = 0
        self._waiting.clear()
        self._expected.clear()
        return self._settle(piece)

    def _ends(self, window: str) -> set[int]:
        """Where pysbd ends the sentences of a text, but for the last."""
        ends: set[int] = set()
        at = 0
        for found in self._segmenter.segment(window):
            words = found.strip()
            start = window.find(words, at)
            if words and start >= 0:
                at = start + len(words)
                ends.add(at)
        return ends


def _segmenter(language: str) -> Any:
    return _pysbd().Segmenter(language=language, clean=False)


@cache
def _pysbd() -> Any:
    """Imported when first needed."""
    with warnings.catch_warnings():
        # Its regular expressions are not raw strings, which Python warns of.
        warnings.simplefilter("ignore")
        return import_module("pysbd")
