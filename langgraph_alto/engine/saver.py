"""Hold the checkpoints of a subgraph that runs ahead until its superstep comes.

A graph used as a node saves its own checkpoints while it runs. When its task
runs ahead, they must not reach the saver before LangGraph asks for the task:
a superstep is persisted when its turn comes, and a run that is dropped must
leave nothing that running the node again would find.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver


class HeldSaver(BaseCheckpointSaver[Any]):
    """A saver that keeps what it is given in memory until :meth:`release`.

    It reads its own checkpoints first and the real saver's next. Once released,
    it passes everything on.

    Args:
        saver: The real saver.
    """

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        super().__init__(serde=saver.serde)
        self.saver = saver
        self._memory: InMemorySaver | None = None
        self._lock = threading.Lock()
        self._held: deque[tuple[str, tuple[Any, ...]]] | None = deque()

    @property
    def config_specs(self) -> list[Any]:
        return self.saver.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:
        return self.saver.get_next_version(current, channel)

    def release(self) -> None:
        """Give the real saver all that is held, in order; pass on what follows."""
        while (call := self._next()) is not None:
            getattr(self.saver, call[0])(*call[1])

    async def arelease(self) -> None:
        """Like :meth:`release`, on an event loop."""
        while (call := self._next()) is not None:
            await getattr(self.saver, f"a{call[0]}")(*call[1])

    def _next(self) -> tuple[str, tuple[Any, ...]] | None:
        with self._lock:
            if self._held:
                return self._held.popleft()
            self._held = None
            return None

    def _hold(self, method: str, *args: Any) -> bool:
        """Keep a call in memory; ``False`` once it is to be passed on."""
        with self._lock:
            if self._held is None:
                return False
            if self._memory is None:
                self._memory = InMemorySaver(serde=self.serde)
            self._held.append((method, args))
            getattr(self._memory, method)(*args)
            return True

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        if self._hold("put", config, checkpoint, metadata, new_versions):
            return config
        return self.saver.put(config, checkpoint, metadata, new_versions)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        if self._hold("put", config, checkpoint, metadata, new_versions):
            return config
        return await self.saver.aput(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        if not self._hold("put_writes", config, writes, task_id, task_path):
            self.saver.put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        if not self._hold("put_writes", config, writes, task_id, task_path):
            await self.saver.aput_writes(config, writes, task_id, task_path)

    def get_tuple(self, config: Any) -> Any:
        return self._own(config) or self.saver.get_tuple(config)

    async def aget_tuple(self, config: Any) -> Any:
        return self._own(config) or await self.saver.aget_tuple(config)

    def _own(self, config: Any) -> Any:
        return None if self._memory is None else self._memory.get_tuple(config)

    def list(self, config: Any, **options: Any) -> Iterator[Any]:
        if self._memory is not None:
            yield from self._memory.list(config, **options)
        yield from self.saver.list(config, **options)

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        if self._memory is not None:
            for found in self._memory.list(config, **options):
                yield found
        async for found in self.saver.alist(config, **options):
            yield found
