"""The retriever: what users hold."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, SkipValidation
from qdrant_client import models
from qdrant_client.http.models import QueryResponse

from langgraph_alto import Batch
from langgraph_alto_qdrant.collection import Collection
from langgraph_alto_qdrant.connection import MEMORY, Connection
from langgraph_alto_qdrant.encoding import Encoding
from langgraph_alto_qdrant.errors import QdrantError
from langgraph_alto_qdrant.points import (
    Filter,
    Mode,
    Names,
    document_of,
)
from langgraph_alto_qdrant.searches import Searches
from langgraph_alto_qdrant.sparse import SparseEncoder
from langgraph_alto_qdrant.writing import Progress, Writing, awrite, write

_T = TypeVar("_T")


class QdrantRetriever(BaseRetriever):
    """LangChain retriever over a collection in Qdrant, embedded or on a server.

    Questions that are asked at the same time, by whatever tasks, threads and event
    loops, become one ``query_batch_points``. ``invoke``, ``ainvoke``, ``batch`` and
    ``abatch`` take ``filter=`` and ``limit=``, in place of the retriever's own.

    Nothing is opened before it is first used. Close it, or use it as a context manager.

    Args:
        collection: The collection's name.
        location: ``":memory:"``, the path of a folder, the address of a server, or a
            ``Connection``, which others may share and which its owner closes.
        url: The address of a server, in place of ``location``.
        api_key: The server's key; never shown.
        timeout: How long a call to a server may take, in seconds.
        verify: Whether the server's certificate is checked; or an SSL context.
        dense: The embeddings, for dense vectors.
        sparse: Text to sparse vector, for sparse vectors; ``HashedBM25()``, say.
        mode: ``"dense"``, ``"sparse"``, or ``"hybrid"``: both, merged by reciprocal rank
            fusion. Default: by all that is given.
        limit: How many documents are found, at most.
        filter: Which documents may be found: a filter of Qdrant's, or a mapping of keys of
            the metadata to a value, or to a list of values of which it must be one.
        batching: How many questions one call may have, and how long one may wait for others
            that are being embedded; a lone one never waits.
        dense_vector: What the collection calls the dense vectors; ``""`` for no name.
        sparse_vector: What it calls the sparse ones.

    Raises:
        ValueError: ``mode`` needs an encoder that is not given, or none is given.
    """

    # A mistake in one argument is not to show the others, one of which is a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    collection: str
    location: SkipValidation[str | Path | Connection] = Field(default=MEMORY, repr=False)
    url: str | None = Field(default=None, repr=False)
    api_key: SecretStr | None = Field(default=None, repr=False, exclude=True)
    timeout: float = 10.0
    verify: SkipValidation[bool | ssl.SSLContext] = True
    dense: SkipValidation[Embeddings | None] = Field(default=None, repr=False)
    sparse: SkipValidation[SparseEncoder | None] = Field(default=None, repr=False)
    mode: Mode | None = None
    limit: int = Field(default=4, ge=1)
    filter: SkipValidation[Filter | None] = None
    batching: SkipValidation[Batch] = Batch(64, 0.005)
    dense_vector: str = "dense"
    sparse_vector: str = "sparse"

    _connection: Connection = PrivateAttr()
    _owned: bool = PrivateAttr()
    _stored: Collection = PrivateAttr()
    _searches: Searches = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check what was given; open nothing."""
        names = self._encoding.names
        self._owned = not isinstance(self.location, Connection)
        if isinstance(self.location, Connection):
            if self.url is not None or self.api_key is not None:
                raise ValueError("url= and api_key= belong to the Connection that is given")
            self._connection = self.location
        else:
            self._connection = Connection(
                self.location,
                url=self.url,
                api_key=self.api_key.get_secret_value() if self.api_key is not None else None,
                timeout=self.timeout,
                verify=self.verify,
            )
        self._stored = Collection(self._connection, self.collection, names)
        self._searches = Searches(self._connection, self.collection, self.batching)

    @property
    def _encoding(self) -> Encoding:
        names = Names(self.dense_vector, self.sparse_vector)
        return Encoding(self.dense, self.sparse, self.mode, names)

    # -- questions ------------------------------------------------------------------

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        filter: Filter | None = None,
        limit: int | None = None,
    ) -> list[Document]:
        return _only(self.find([query], [filter], limit=limit))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        filter: Filter | None = None,
        limit: int | None = None,
    ) -> list[Document]:
        return _only(await self.afind([query], [filter], limit=limit))

    def find(
        self,
        queries: Sequence[str],
        filters: Sequence[Filter | None] | None = None,
        *,
        limit: int | None = None,
    ) -> list[list[Document] | Exception]:
        """Ask several questions at once.

        Args:
            queries: The questions, n of them.
            filters: What each is to be asked of, n of them; ``None`` for the retriever's own.
            limit: How many documents each finds, in place of the retriever's own.

        Returns:
            For each question what was found, the best first, or what failed.
        """
        self._searches.expect(len(queries))
        pending = len(queries)
        try:
            requests = [
                _caught(partial(self._request, query, filter, limit))
                for query, filter in zip(queries, filters or [None] * len(queries), strict=True)
            ]
            asked = [one for one in requests if isinstance(one, models.QueryRequest)]
            futures = self._searches.submit(asked)
            pending -= len(asked)
        finally:
            if pending:
                self._searches.withdraw(pending)
        try:
            answers = [_caught(future.result) for future in futures]
        finally:
            for future in futures:
                future.cancel()
        return self._found(requests, answers)

    async def afind(
        self,
        queries: Sequence[str],
        filters: Sequence[Filter | None] | None = None,
        *,
        limit: int | None = None,
    ) -> list[list[Document] | Exception]:
        """Ask several questions at once; see ``find``."""
        self._searches.expect(len(queries))
        pending = len(queries)
        try:
            # Others that are asked in this turn of the event loop are expected by then.
            await asyncio.sleep(0)
            requests = await _gather(
                [
                    self._arequest(query, filter, limit)
                    for query, filter in zip(queries, filters or [None] * len(queries), strict=True)
                ]
            )
            asked = [one for one in requests if isinstance(one, models.QueryRequest)]
            futures = self._searches.submit(asked)
            pending -= len(asked)
        finally:
            if pending:
                self._searches.withdraw(pending)
        answers = await _gather([asyncio.wrap_future(future) for future in futures])
        return self._found(requests, answers)

    def _found(
        self,
        requests: Sequence[models.QueryRequest | Exception | None],
        answers: Sequence[QueryResponse | Exception],
    ) -> list[list[Document] | Exception]:
        rest = iter(answers)
        found: list[list[Document] | Exception] = []
        for request in requests:
            answer = next(rest) if isinstance(request, models.QueryRequest) else request
            if isinstance(answer, QdrantError):
                self._stored.forget()
            if isinstance(answer, QueryResponse):
                found.append([document_of(point) for point in answer.points])
            else:
                found.append([] if answer is None else answer)
        return found

    def _request(
        self, query: str, filter: Filter | None, limit: int | None
    ) -> models.QueryRequest | None:
        return self._encoding.request(
            self._stored.schema(),
            query,
            filter=self.filter if filter is None else filter,
            limit=self.limit if limit is None else limit,
        )

    async def _arequest(
        self, query: str, filter: Filter | None, limit: int | None
    ) -> models.QueryRequest | None:
        return await self._encoding.arequest(
            await self._stored.aschema(),
            query,
            filter=self.filter if filter is None else filter,
            limit=self.limit if limit is None else limit,
        )

    # -- documents ------------------------------------------------------------------

    def upsert(
        self,
        documents: Iterable[Document],
        *,
        batch_size: int = 64,
        max_pending: int = 2,
        progress: Progress | None = None,
    ) -> int:
        """Write documents: new ones are added, those that are there are written in place.

        A document is the same if it has the same ``id``, or, without one, the same content
        and ``metadata["source"]``. So this may be repeated, after an error or in another run.

        Args:
            documents: The documents. A stream is read no faster than it is written.
            batch_size: How many are embedded and sent together.
            max_pending: How many batches may be on their way at a time.
            progress: Called with the number of documents stored so far, in the caller's thread.

        Returns:
            How many documents were written.

        Raises:
            CollectionMissingError: There is no such collection.
            DimensionError: The embeddings do not fit the collection.
            ValueError: ``batch_size`` or ``max_pending`` is below 1.
            UpsertError: A batch could not be written; says how many are stored.
        """
        return write(
            documents,
            partial(self._encoding.points, self._stored.schema()),
            self._stored.send,
            Writing(self._stored.title, max_pending),
            batch_size=batch_size,
            progress=progress,
        )

    async def aupsert(
        self,
        documents: Iterable[Document] | AsyncIterable[Document],
        *,
        batch_size: int = 64,
        max_pending: int = 2,
        progress: Progress | None = None,
    ) -> int:
        """Write documents, or an async stream of them; see ``upsert``.

        A stream that is not async is read in a thread.
        """
        return await awrite(
            documents,
            partial(self._encoding.apoints, await self._stored.aschema()),
            self._stored.send,
            Writing(self._stored.title, max_pending),
            batch_size=batch_size,
            progress=progress,
        )

    # -- the collection -------------------------------------------------------------

    def ensure_collection(self) -> None:
        """Make the collection, unless it exists; then see that it fits.

        Dense vectors are compared by their cosine; their dimension is that of the
        embeddings of a word. Sparse ones are weighed by rarity if the encoder says so.

        Raises:
            DimensionError: It exists, and its dense vectors have another dimension.
            VectorMissingError: It exists, and has no vectors of that name.
        """
        self._stored.ensure(self._encoding.dimension(), self._encoding.idf)

    async def aensure_collection(self) -> None:
        """Make the collection, unless it exists; see ``ensure_collection``."""
        await self._stored.aensure(await self._encoding.adimension(), self._encoding.idf)

    # -- life -----------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection, unless it was given."""
        if self._owned:
            self._connection.close()

    async def aclose(self) -> None:
        """Close the connection, unless it was given, without blocking the event loop."""
        if self._owned:
            await self._connection.aclose()

    def __enter__(self) -> QdrantRetriever:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> QdrantRetriever:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _gather(awaitables: Sequence[Awaitable[_T]]) -> list[_T | Exception]:
    """What comes of each; a cancellation is nobody's result."""
    found = []
    for one in await asyncio.gather(*awaitables, return_exceptions=True):
        if isinstance(one, BaseException) and not isinstance(one, Exception):
            raise one
        found.append(one)
    return found


def _caught(call: Callable[[], _T]) -> _T | Exception:
    """What comes of a call, for one question among several."""
    try:
        return call()
    except CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - the question's own
        return error


def _only(found: list[list[Document] | Exception]) -> list[Document]:
    (one,) = found
    if isinstance(one, Exception):
        raise one
    return one


__all__ = ["QdrantRetriever"]
