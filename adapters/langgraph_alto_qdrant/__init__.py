"""Qdrant for LangGraph: a retriever and a node, embedded or on a server.

Queries that are asked at the same time become one ``query_batch_points``, writes
are streams in bounded memory, and the embedded engine, which is plain Python that
neither awaits nor locks, works in a thread of its own.

Shipped with langgraph-alto behind the extra ``[qdrant]``; nothing in
``langgraph_alto`` imports it.
"""

from langgraph_alto_qdrant.connection import Connection
from langgraph_alto_qdrant.errors import (
    ClosedError,
    CollectionMissingError,
    DimensionError,
    LocationBusyError,
    QdrantError,
    RefusedError,
    ServerAwayError,
    UpsertError,
    VectorMissingError,
)
from langgraph_alto_qdrant.nodes import aretrieve_node, retrieve_node
from langgraph_alto_qdrant.retriever import QdrantRetriever
from langgraph_alto_qdrant.sparse import HashedBM25, SparseEncoder

__all__ = [
    "ClosedError",
    "CollectionMissingError",
    "Connection",
    "DimensionError",
    "HashedBM25",
    "LocationBusyError",
    "QdrantError",
    "QdrantRetriever",
    "RefusedError",
    "ServerAwayError",
    "SparseEncoder",
    "UpsertError",
    "VectorMissingError",
    "aretrieve_node",
    "retrieve_node",
]
