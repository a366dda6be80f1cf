"""Nodes that retrieve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from langchain_core.documents import Document

from langgraph_alto import Batch, batched
from langgraph_alto_qdrant.errors import ServerAwayError
from langgraph_alto_qdrant.retriever import QdrantRetriever


def retrieve_node(
    retriever: QdrantRetriever,
    *,
    query_key: str = "query",
    to: str = "documents",
    filter_key: str | None = None,
    batch: Batch | None = None,
) -> Any:
    """A node that asks the question in its input and returns what is found.

    In a wrapped graph, the questions of tasks that are ready together become one
    ``query_batch_points``; in plain LangGraph each is asked by itself. It works with
    ``invoke`` and, in a thread, with ``ainvoke``; ``aretrieve_node`` needs no thread.

    Args:
        retriever: The retriever.
        query_key: The key of the input that holds the question.
        to: The key that gets the list of documents; with a fan-out, one with a reducer.
        filter_key: The key that may hold a filter (``None`` for the retriever's own).
        batch: How the calls are batched. Default: as the retriever's questions are.

    Example:
        ```python
        builder.add_node("search", retrieve_node(retriever, to="passages"))
        ```
    """

    def retrieve(states: Any) -> Any:
        found = retriever.find(*_questions(states, query_key, filter_key))
        return [_update(one, to) for one in found]

    return _node(retrieve, retriever, query_key, to, filter_key, batch)


def aretrieve_node(
    retriever: QdrantRetriever,
    *,
    query_key: str = "query",
    to: str = "documents",
    filter_key: str | None = None,
    batch: Batch | None = None,
) -> Any:
    """The same as ``retrieve_node``, on the event loop; for ``ainvoke`` and ``astream`` only."""

    async def retrieve(states: Any) -> Any:
        found = await retriever.afind(*_questions(states, query_key, filter_key))
        return [_update(one, to) for one in found]

    return _node(retrieve, retriever, query_key, to, filter_key, batch)


def _node(
    retrieve: Callable[[Any], Any],
    retriever: QdrantRetriever,
    query_key: str,
    to: str,
    filter_key: str | None,
    batch: Batch | None,
) -> Any:
    numbers = batch or retriever.batching
    keys: dict[str, Any] = {query_key: str}
    if filter_key is not None:
        keys[filter_key] = Any
    # As the input schema, it tells LangGraph and the plan that nothing else is read.
    question = TypedDict("Question", keys, total=False)  # type: ignore[misc]
    answer = TypedDict("Answer", {to: list[Document]})  # type: ignore[misc]
    retrieve.__annotations__ = {"states": list[question], "return": list[answer]}
    return batched(numbers.max_size, numbers.max_wait)(retrieve)


def _questions(
    states: Sequence[Any], query_key: str, filter_key: str | None
) -> tuple[list[str], list[Any] | None]:
    queries = []
    for state in states:
        query = state.get(query_key)
        if not isinstance(query, str):
            raise TypeError(
                f"the input's {query_key!r} is {query!r} and no question; give query_key= the "
                "key that holds the text"
            )
        queries.append(query)
    filters = None if filter_key is None else [state.get(filter_key) for state in states]
    return queries, filters


def _update(found: list[Document] | Exception, to: str) -> Any:
    """The update for what was found, written so that the plan sees what it can be.

    An error is raised, and then each question of the batch is asked alone, so that it
    is the error of its own task. But nobody asks a server that is away once for each.
    """
    if isinstance(found, ServerAwayError):
        return ServerAwayError(str(found))
    if isinstance(found, Exception):
        raise found
    return {to: found}


__all__ = ["aretrieve_node", "retrieve_node"]
