"""Sparse vectors from text, without a vocabulary and without a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol
from zlib import crc32

from qdrant_client import models

_WORD = re.compile(r"\w+")


class SparseEncoder(Protocol):
    """Text to a sparse vector.

    A plain function will do. An object may also have a method ``query``, if queries
    are encoded in another way than documents, and an attribute ``idf``, true if Qdrant
    is to weigh each term by how rare it is in the collection.
    """

    def __call__(self, text: str, /) -> models.SparseVector:
        """The vector of a document, or of any text."""
        ...


class HashedBM25:
    """BM25 over hashed words.

    Of BM25's two factors, how often a word occurs in a document, relative to the
    document's length, is in the document's vector; how rare it is in the collection,
    Qdrant computes (``Modifier.IDF``), so that documents can be added at any time. See
    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond"
    (2009). Two simplifications: a word's index is a 32-bit hash (of 10,000 words, the
    chance that any two share one is about 1 in 100), and the average length is an
    argument, not measured, since it would change as documents come.

    It knows words as they stand, in lower case, of any script that puts spaces between
    them. For stems or stop words, give ``words``. It is no learned encoder (SPLADE, say):
    for such a one, give a function.

    Args:
        average: The length of a typical document, in words.
        k1: How soon further occurrences stop to count; 1.2 is usual.
        b: How much a document's length counts, 0 to 1.
        words: Text to its words; must be the same for documents and queries.
    """

    idf = True

    def __init__(
        self,
        *,
        average: float = 200.0,
        k1: float = 1.2,
        b: float = 0.75,
        words: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        if average <= 0 or k1 < 0 or not 0 <= b <= 1:
            raise ValueError(f"average={average} must be above 0, k1={k1} not below, b={b} 0 to 1")
        self.average = average
        self.k1 = k1
        self.b = b
        self.words = words or words_of

    def __call__(self, text: str, /) -> models.SparseVector:
        """A document's vector: at each word's index, how much the word says about it."""
        counts = self._counts(text)
        length = self.k1 * (1 - self.b + self.b * sum(counts.values()) / self.average)
        return _vector({i: n * (self.k1 + 1) / (n + length) for i, n in counts.items()})

    def query(self, text: str, /) -> models.SparseVector:
        """A query's vector: at each word's index, how often it is asked for."""
        return _vector({index: float(n) for index, n in self._counts(text).items()})

    def _counts(self, text: str) -> Counter[int]:
        return Counter(crc32(word.encode("utf-8")) for word in self.words(text))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.lower())


def query_encoder(sparse: SparseEncoder) -> Callable[[str], models.SparseVector]:
    """How queries are encoded."""
    found: Callable[[str], models.SparseVector] = getattr(sparse, "query", sparse)
    return found


def _vector(weights: dict[int, float]) -> models.SparseVector:
    indices = sorted(weights)
    return models.SparseVector(indices=indices, values=[weights[index] for index in indices])


__all__ = ["HashedBM25", "SparseEncoder", "query_encoder", "words_of"]
