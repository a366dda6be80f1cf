"""Search: Qdrant inside the process, BM25 weights as sparse vectors.

Of BM25's two factors, how often a term occurs in a passage is computed here and
stored; how rare it is in the corpus, Qdrant computes itself
(``Modifier.IDF``). See Robertson and Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond" (2009), for the formula and the constants.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Sequence

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PrivateAttr
from qdrant_client import QdrantClient, models

from examples.fact_check.corpus import Passage

_COLLECTION = "passages"
_VECTOR = "bm25"
_K1 = 1.2
_B = 0.75
_WORD = re.compile(r"[a-z_][a-z0-9_]*|\d+")
_STOP_TEXT = """
a about after all also an and any are as at be been before being but by can could do does each
for from had has have how if in into is it its itself may might must no not of on one only or
other should so such than that the their them then there these they this those to was were what
when where which while who why will with would you your
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())
_QUOTED_WORD = re.compile("[\"'`\u2018\u201c](\\w+)[\"'`\u2019\u201d]")
# Words of English that are also words of Python, in questions about Python.
_KEPT = frozenset({"with", "while", "for", "if", "not", "or", "and", "in", "is"})


def words(text: str, *, keep_keywords: bool = False) -> list[str]:
    """The words of ``text`` that carry meaning, in order, in a crude common form.

    Args:
        text: Any text.
        keep_keywords: Keep quoted words that are both English stop words and
            Python keywords, such as ``"with"``.
    """
    text = text.lower()
    kept = _KEPT & set(_QUOTED_WORD.findall(text)) if keep_keywords else frozenset()
    return [
        _stem(word)
        for word in _WORD.findall(text)
        if (len(word) > 1 and word not in _STOP_WORDS) or word in kept
    ]


def _stem(word: str) -> str:
    """Plural and past forms to one form; rough, but the same on both sides."""
    for ending in ("ies", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


class PassageRetriever(BaseRetriever):
    """LangChain retriever over an in-memory Qdrant collection.

    Qdrant's local mode is plain Python that neither awaits nor locks, so async
    callers get a thread, and a lock lets one search in at a time (about 10 ms
    for this corpus).

    Args:
        passages: What to search.
        limit: How many passages a search returns.
    """

    limit: int = 4
    _client: QdrantClient = PrivateAttr()
    _vocabulary: dict[str, int] = PrivateAttr(default_factory=dict)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, passages: Sequence[Passage], *, limit: int = 4) -> None:
        super().__init__()
        self.limit = limit
        self._client = QdrantClient(":memory:")
        self._client.create_collection(
            _COLLECTION,
            vectors_config={},
            sparse_vectors_config={
                _VECTOR: models.SparseVectorParams(modifier=models.Modifier.IDF)
            },
        )
        counts = [Counter(words(p.text, keep_keywords=True)) for p in passages]
        average = sum(c.total() for c in counts) / max(1, len(counts))
        self._client.upsert(
            _COLLECTION,
            [
                models.PointStruct(
                    id=number,
                    vector={_VECTOR: self._passage_vector(count, average)},
                    payload={"topic": passage.topic, "text": passage.text},
                )
                for number, (passage, count) in enumerate(zip(passages, counts, strict=True))
            ],
        )

    def _passage_vector(self, counts: Counter[str], average: float) -> models.SparseVector:
        length = _K1 * (1 - _B + _B * counts.total() / average)
        indices = [self._vocabulary.setdefault(word, len(self._vocabulary)) for word in counts]
        values = [n * (_K1 + 1) / (n + length) for n in counts.values()]
        return models.SparseVector(indices=indices, values=values)

    def _search(self, query: str) -> list[Document]:
        counts = Counter(words(query, keep_keywords=True))
        known = {self._vocabulary[w]: float(n) for w, n in counts.items() if w in self._vocabulary}
        if not known:
            return []
        with self._lock:
            found = self._client.query_points(
                _COLLECTION,
                query=models.SparseVector(indices=list(known), values=list(known.values())),
                using=_VECTOR,
                limit=self.limit,
            ).points
        return [
            Document(page_content=p.payload["text"], metadata={"topic": p.payload["topic"]})
            for p in found
            if p.payload is not None
        ]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self._search(query)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        return await asyncio.to_thread(self._search, query)
