"""Texts to vectors: questions to requests, documents to points, and whether they fit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from qdrant_client import models

from langgraph_alto_qdrant.points import (
    Filter,
    Mode,
    Names,
    Schema,
    filter_of,
    points_of,
    request_of,
)
from langgraph_alto_qdrant.sparse import HashedBM25, SparseEncoder, query_encoder

_PROBE = "dimension"

Points = list[models.PointStruct]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How texts become vectors.

    Args:
        dense: The embeddings, if there are dense vectors.
        sparse: Text to sparse vector, if there are sparse vectors.
        mode: What questions are asked by; ``None`` for all that is given.
        names: What the collection calls the vectors.

    Raises:
        ValueError: ``mode`` needs what is not given, or nothing is given.
    """

    dense: Embeddings | None
    sparse: SparseEncoder | None
    mode: Mode | None
    names: Names

    def __post_init__(self) -> None:
        if self.dense is None and self.mode in ("dense", "hybrid"):
            raise ValueError(f"mode={self.mode!r} needs dense=, the embeddings")
        if self.sparse is None and self.mode in ("sparse", "hybrid"):
            raise ValueError(f"mode={self.mode!r} needs sparse=, such as HashedBM25()")
        if self.dense is None and self.sparse is None:
            raise ValueError("give dense=, the embeddings, or sparse=, such as HashedBM25()")

    # -- questions ------------------------------------------------------------------

    def request(
        self, schema: Schema, query: str, *, filter: Filter | None, limit: int
    ) -> models.QueryRequest | None:
        """The request for a question; ``None`` if it has no word to look for."""
        dense = None
        if self.dense is not None and self.mode != "sparse":
            dense = self.dense.embed_query(query)
        return self._request(schema, dense, self._words(query), filter, limit)

    async def arequest(
        self, schema: Schema, query: str, *, filter: Filter | None, limit: int
    ) -> models.QueryRequest | None:
        """The request for a question; see ``request``."""
        dense = None
        if self.dense is not None and self.mode != "sparse":
            dense = await self.dense.aembed_query(query)
        if isinstance(self.sparse, HashedBM25):  # a thread would cost more than the call
            words = self._words(query)
        else:
            words = await asyncio.to_thread(self._words, query)
        return self._request(schema, dense, words, filter, limit)

    def _words(self, query: str) -> models.SparseVector | None:
        if self.sparse is None or self.mode == "dense":
            return None
        return query_encoder(self.sparse)(query)

    def _request(
        self,
        schema: Schema,
        dense: list[float] | None,
        sparse: models.SparseVector | None,
        filter: Filter | None,
        limit: int,
    ) -> models.QueryRequest | None:
        size = None if dense is None else len(dense)
        schema.check(self.names, dense=size, sparse=sparse is not None)
        return request_of(
            dense,
            sparse,
            self.names,
            limit=limit,
            filter=filter_of(filter),
            hybrid=dense is not None and sparse is not None,
        )

    # -- documents ------------------------------------------------------------------

    def points(self, schema: Schema, documents: list[Document]) -> Points:
        """The points of documents."""
        dense = None
        if self.dense is not None:
            dense = self.dense.embed_documents([document.page_content for document in documents])
        return self._points(schema, documents, dense)

    async def apoints(self, schema: Schema, documents: list[Document]) -> Points:
        """The points of documents, made in a thread."""
        dense = None
        if self.dense is not None:
            texts = [document.page_content for document in documents]
            dense = await self.dense.aembed_documents(texts)
        return await asyncio.to_thread(self._points, schema, documents, dense)

    def _points(
        self, schema: Schema, documents: list[Document], dense: list[list[float]] | None
    ) -> Points:
        if dense is not None and len(dense) != len(documents):
            raise ValueError(
                f"the embeddings gave {len(dense)} vectors for {len(documents)} documents; "
                "embed_documents must return one for each"
            )
        sparse = None
        if self.sparse is not None:
            sparse = [self.sparse(document.page_content) for document in documents]
        sizes = {None} if dense is None else {len(vector) for vector in dense}
        for size in sizes:
            schema.check(self.names, dense=size, sparse=sparse is not None)
        return points_of(documents, dense, sparse, self.names)

    # -- the collection -------------------------------------------------------------

    def dimension(self) -> int | None:
        """Of the embeddings, as that of a word's; ``None`` if there are none."""
        return None if self.dense is None else len(self.dense.embed_query(_PROBE))

    async def adimension(self) -> int | None:
        """Of the embeddings; see ``dimension``."""
        return None if self.dense is None else len(await self.dense.aembed_query(_PROBE))

    @property
    def idf(self) -> bool | None:
        """Whether sparse vectors are weighed by rarity; ``None`` if there are none."""
        return None if self.sparse is None else bool(getattr(self.sparse, "idf", False))


__all__ = ["Encoding", "Points"]
