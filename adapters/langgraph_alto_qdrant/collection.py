"""What a collection is known to be: asked once, and again after any error."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future
from typing import Any

from qdrant_client import models

from langgraph_alto_qdrant.connection import Connection
from langgraph_alto_qdrant.errors import CollectionMissingError, QdrantError, conflict
from langgraph_alto_qdrant.points import Names, Schema, vectors_config


class Collection:
    """One collection of a connection.

    Args:
        connection: The connection.
        name: The collection's name.
        names: What its vectors are called.
    """

    def __init__(self, connection: Connection, name: str, names: Names) -> None:
        self.connection = connection
        self.name = name
        self.names = names
        self.title = f"collection {name!r} of {connection.where}"
        self._lock = threading.Lock()
        self._asked: Future[models.CollectionInfo] | None = None

    def schema(self) -> Schema:
        """The vectors that it has.

        Raises:
            CollectionMissingError: There is no such collection.
        """
        try:
            return Schema.of(self._info().result(), self.title)
        except (QdrantError, CancelledError):
            self.forget()
            raise

    async def aschema(self) -> Schema:
        """The vectors that it has; see ``schema``."""
        try:
            # Shared: who is cancelled must not take it from the others.
            info = await asyncio.shield(asyncio.wrap_future(self._info()))
        except QdrantError:
            self.forget()
            raise
        return Schema.of(info, self.title)

    def forget(self) -> None:
        """Ask again next time."""
        with self._lock:
            self._asked = None

    def ensure(self, dimension: int | None, idf: bool | None) -> None:
        """Make it, unless it exists, and see that it fits.

        Args:
            dimension: Of its dense vectors; ``None`` for none.
            idf: Whether its sparse vectors are weighed by rarity; ``None`` for none.
        """
        try:
            schema = self.schema()
        except CollectionMissingError:
            try:
                self._make(dimension, idf).result()
            except QdrantError as error:
                _unless_made(error)
            schema = self.schema()
        schema.check(self.names, dense=dimension, sparse=idf is not None)

    async def aensure(self, dimension: int | None, idf: bool | None) -> None:
        """Make it, unless it exists, and see that it fits; see ``ensure``."""
        try:
            schema = await self.aschema()
        except CollectionMissingError:
            try:
                await asyncio.wrap_future(self._make(dimension, idf))
            except QdrantError as error:
                _unless_made(error)
            schema = await self.aschema()
        schema.check(self.names, dense=dimension, sparse=idf is not None)

    def send(self, points: list[models.PointStruct]) -> Future[Any]:
        """Write points; done when they are stored and can be found."""
        return self.connection.submit("upsert", self.name, points=points, wait=True)

    def _make(self, dimension: int | None, idf: bool | None) -> Future[Any]:
        config = vectors_config(self.names, dimension, idf)
        return self.connection.submit("create_collection", self.name, **config)

    def _info(self) -> Future[models.CollectionInfo]:
        with self._lock:
            if self._asked is None:
                self._asked = self.connection.submit("get_collection", self.name)
            return self._asked


def _unless_made(error: QdrantError) -> None:
    """Somebody else was first, or an answer was lost and the call repeated."""
    if not conflict(error.__cause__):
        raise error


__all__ = ["Collection"]
