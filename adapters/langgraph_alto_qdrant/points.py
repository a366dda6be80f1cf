"""Documents as points, points as documents, questions as requests; pure.

A point's payload is ``{"page_content": ..., "metadata": {...}}``, as LangChain's own
Qdrant store has it, so that collections can be shared.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.documents import Document
from qdrant_client import models

from langgraph_alto_qdrant.errors import DimensionError, VectorMissingError

CONTENT = "page_content"
METADATA = "metadata"
SCORE = "_score"
_NAMESPACE = uuid.UUID("8f2ad7f4-3c1e-5b0a-9c55-6d1f6f0f0a11")

Mode = Literal["dense", "sparse", "hybrid"]
Filter = models.Filter | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """What the vectors of a collection are called; ``""`` is the one without a name."""

    dense: str
    sparse: str


# -- documents --------------------------------------------------------------------


def point_id(document: Document) -> str:
    """The id of a document's point: the same for the same document, in any run.

    A document's own ``id`` if it has one, which need not be a UUID; else it comes from
    the content and ``metadata["source"]``, so that a text that occurs twice in a source
    is one point.
    """
    if document.id is not None:
        try:
            return str(uuid.UUID(document.id))
        except ValueError:
            return str(uuid.uuid5(_NAMESPACE, f"id\0{document.id}"))
    source = document.metadata.get("source", "")
    return str(uuid.uuid5(_NAMESPACE, f"content\0{source}\0{document.page_content}"))


def points_of(
    documents: Sequence[Document],
    dense: Sequence[Sequence[float]] | None,
    sparse: Sequence[models.SparseVector] | None,
    names: Names,
) -> list[models.PointStruct]:
    """The points of documents.

    Args:
        documents: The documents, n of them.
        dense: Their embeddings, n of the collection's dimension.
        sparse: Their sparse vectors, n of them.
        names: What the vectors are called.
    """
    points = []
    for place, document in enumerate(documents):
        vector: dict[str, Any] = {}
        if dense is not None:
            vector[names.dense] = list(dense[place])
        if sparse is not None:
            vector[names.sparse] = sparse[place]
        metadata = {key: value for key, value in document.metadata.items() if key != SCORE}
        points.append(
            models.PointStruct(
                id=point_id(document),
                vector=vector,
                payload={CONTENT: document.page_content, METADATA: metadata},
            )
        )
    return points


def document_of(point: models.ScoredPoint) -> Document:
    """The document of a point that was found; its score is in ``metadata["_score"]``."""
    payload = point.payload or {}
    metadata = {**(payload.get(METADATA) or {}), SCORE: point.score}
    return Document(page_content=str(payload.get(CONTENT, "")), metadata=metadata, id=str(point.id))


# -- questions --------------------------------------------------------------------


def filter_of(given: Filter | None) -> models.Filter | None:
    """Qdrant's filter for a given one.

    Args:
        given: A filter of Qdrant's, or a mapping of keys of the metadata to the value
            that they must have, or to a list of values of which they must have one.
    """
    if given is None or isinstance(given, models.Filter):
        return given
    conditions: list[models.Condition] = []
    for key, value in given.items():
        several = isinstance(value, list | tuple | set | frozenset)
        for one in value if several else (value,):
            if not isinstance(one, str | int):
                raise ValueError(
                    f"the filter wants {key!r} to be {one!r}; a mapping takes texts, whole numbers "
                    "and truth values, for anything else give a qdrant_client.models.Filter"
                )
        match = models.MatchAny(any=list(value)) if several else models.MatchValue(value=value)
        conditions.append(models.FieldCondition(key=f"{METADATA}.{key}", match=match))
    return models.Filter(must=conditions) if conditions else None


def request_of(
    dense: list[float] | None,
    sparse: models.SparseVector | None,
    names: Names,
    *,
    limit: int,
    filter: models.Filter | None,
    hybrid: bool,
) -> models.QueryRequest | None:
    """The request for a question; ``None`` if it has nothing to look for, as no word is in it.

    A hybrid question is two, whose answers Qdrant merges by reciprocal rank fusion. Each
    brings four times ``limit`` candidates, 20 at least: a document that both rank low
    may come out first.
    """
    if sparse is not None and not sparse.indices:
        sparse = None
    if not hybrid:
        query, using = (dense, names.dense) if dense is not None else (sparse, names.sparse)
        if query is None:
            return None
        return models.QueryRequest(
            query=query, using=using or None, filter=filter, limit=limit, with_payload=True
        )
    several = [(dense, names.dense), (sparse, names.sparse)]
    return models.QueryRequest(
        prefetch=[
            models.Prefetch(
                query=query, using=using or None, filter=filter, limit=max(4 * limit, 20)
            )
            for query, using in several
            if query is not None
        ],
        query=models.FusionQuery(fusion=models.Fusion.RRF),
        limit=limit,
        with_payload=True,
    )


# -- collections --------------------------------------------------------------------


def vectors_config(names: Names, dimension: int | None, idf: bool | None) -> dict[str, Any]:
    """Arguments for making a collection.

    Args:
        names: What the vectors are to be called.
        dimension: Of the dense ones; ``None`` for none.
        idf: Whether sparse ones are weighed by rarity; ``None`` for no sparse ones.
    """
    dense = None
    if dimension is not None:
        dense = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
    found: dict[str, Any] = {"vectors_config": {}}
    if dense is not None:
        found["vectors_config"] = {names.dense: dense} if names.dense else dense
    if idf is not None:
        modifier = models.Modifier.IDF if idf else None
        found["sparse_vectors_config"] = {
            names.sparse: models.SparseVectorParams(modifier=modifier)
        }
    return found


@dataclass(frozen=True, slots=True)
class Schema:
    """The vectors that a collection has.

    Args:
        title: The collection and where it is, for errors.
        dense: Name to dimension.
        sparse: Names.
    """

    title: str
    dense: Mapping[str, int]
    sparse: frozenset[str]

    @classmethod
    def of(cls, info: models.CollectionInfo, title: str) -> Schema:
        """The schema in what Qdrant tells about a collection."""
        vectors = info.config.params.vectors
        if isinstance(vectors, models.VectorParams):
            vectors = {"": vectors}
        dense = {name: params.size for name, params in (vectors or {}).items()}
        return cls(title, dense, frozenset(info.config.params.sparse_vectors or {}))

    def check(self, names: Names, *, dense: int | None, sparse: bool) -> None:
        """See that the collection has what is to be written or looked for.

        Args:
            names: What the vectors are called.
            dense: The dimension of the embeddings, if there are any.
            sparse: Whether there are sparse vectors.

        Raises:
            VectorMissingError: It has no vectors of that name.
            DimensionError: Its dense vectors have another dimension.
        """
        if dense is not None:
            size = self.dense.get(names.dense)
            if size is None:
                raise self._absent("dense", names.dense, sorted(self.dense))
            if size != dense:
                raise DimensionError(
                    f"{self.title} holds dense vectors {names.dense!r} of dimension {size}, and "
                    f"the embeddings have {dense}; give the embeddings that it was made with, or "
                    "another collection="
                )
        if sparse and names.sparse not in self.sparse:
            raise self._absent("sparse", names.sparse, sorted(self.sparse))

    def _absent(self, kind: str, name: str, has: list[str]) -> VectorMissingError:
        there = ", ".join(map(repr, has)) or "none"
        return VectorMissingError(
            f"{self.title} has no {kind} vectors {name!r} (it has: {there}); give "
            f"{kind}_vector= its name, another mode=, or another collection="
        )


__all__ = [
    "Filter",
    "Mode",
    "Names",
    "Schema",
    "document_of",
    "filter_of",
    "point_id",
    "points_of",
    "request_of",
    "vectors_config",
]
