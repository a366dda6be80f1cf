"""The corpus: the Python language reference that ships with Python, in passages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pydoc_data.topics import topics

PASSAGE_CHARACTERS = 700

_RULE = re.compile(r'^[*=\-~^"]{3,}$', re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,2})(\w[^*]*?)\1(?![\w*])")
_CODE = re.compile(r">>>|::=|^\s+(?:def|class|for|if|import|print)\b.*[:)]$", re.MULTILINE)
_MARKER = re.compile(r"^(?:[*•-]|\d+\.|\[\d+\]|Note:)\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)\s+(?=[A-Z\"“])")


@dataclass(frozen=True, slots=True)
class Passage:
    """A few paragraphs of one topic of the language reference."""

    topic: str
    text: str


@cache
def load_passages() -> tuple[Passage, ...]:
    """Every passage of ``pydoc_data.topics``, in a fixed order, without repeats.

    Paragraphs are joined up to about ``PASSAGE_CHARACTERS``; some topics quote
    others at length, and a text met twice is kept once. The texts differ a
    little between Python versions.
    """
    passages: list[Passage] = []
    seen: set[str] = set()
    for topic, text in sorted(topics.items()):
        for passage in _split(text):
            if passage not in seen:
                seen.add(passage)
                passages.append(Passage(topic, passage))
    return tuple(passages)


def sentences(text: str) -> list[str]:
    """The sentences of the prose in ``text``; code, grammar and headings are left out."""
    found = []
    for paragraph in text.split("\n\n"):
        if _CODE.search(paragraph):
            continue
        line = _MARKER.sub("", re.sub(r"(?<=\w-)\s+(?=[a-z])", "", " ".join(paragraph.split())))
        found += [s for s in _SENTENCE_END.split(line) if _is_prose(s)]
    return found


def _is_prose(sentence: str) -> bool:
    letters = sum(c.isalpha() or c.isspace() for c in sentence)
    return (
        sentence[-1:] in {".", "!", "?"}
        and (sentence[0].isupper() or sentence[0] in '"“')
        and len(sentence.split()) >= 4
        and letters > 0.75 * len(sentence)
    )


def _split(text: str) -> list[str]:
    """Whole paragraphs, packed into passages."""
    packed: list[str] = []
    size = 0
    passages: list[str] = []
    for paragraph in re.split(r"\n\s*\n", _RULE.sub("", text)):
        paragraph = _EMPHASIS.sub(r"\2", paragraph).strip("\n")
        if not paragraph.strip():
            continue
        if packed and size + len(paragraph) > PASSAGE_CHARACTERS:
            passages.append("\n\n".join(packed))
            packed, size = [], 0
        packed.append(paragraph)
        size += len(paragraph)
    if packed:
        passages.append("\n\n".join(packed))
    return passages
