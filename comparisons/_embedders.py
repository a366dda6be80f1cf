"""What turns texts into vectors: a simulator of a model server, and a real computation."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

from examples.simulated_llm.profile import LLAMA_3_1_8B_H100

TOKENS = 20
"""Length of a text, as of a sentence."""

Vector = tuple[float, ...]


class Embedder(Protocol):
    """Embeds texts.

    Attributes:
        name: What tables call it.
        note: What it is, in a sentence.
    """

    name: str
    note: str

    async def embed(self, texts: list[str]) -> list[Vector]:
        """Return one vector for each text, in their order."""
        ...


def alike(one: Sequence[Vector], other: Sequence[Vector]) -> bool:
    """Whether vectors are the same, but for the order in which their parts were added up."""
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-2)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def _hashed(text: str) -> float:
    return zlib.crc32(text.encode()) / 2**32


class SimulatedEmbedder:
    """A simulator: it takes a server's time, and computes nothing.

    The server runs one pass over its model at a time, for one call, and does not
    put calls together itself. A pass takes as long as a pass of the same model for
    one token, and as reading the tokens takes, both as published; `profile.py` of
    ``examples/simulated_llm`` says where. A late wake-up never slows it: passes
    are counted by their computed ends.
    """

    name = "simulated server"
    note = (
        f"simulated: one pass at a time, {LLAMA_3_1_8B_H100.name}, {TOKENS} tokens a text, "
        "constants from examples/simulated_llm/profile.py"
    )

    def __init__(self) -> None:
        self._free = 0.0

    def pass_s(self, texts: int) -> float:
        """Seconds of one pass for so many texts."""
        profile = LLAMA_3_1_8B_H100
        one_token = profile.inter_token_ms[0][1] / 1000
        return one_token + texts * TOKENS / profile.prompt_tokens_per_s

    async def embed(self, texts: list[str]) -> list[Vector]:
        now = time.monotonic()
        self._free = max(self._free, now) + self.pass_s(len(texts))
        await asyncio.sleep(self._free - now)
        return [(_hashed(text),) for text in texts]


class NumpyEmbedder:
    """A real computation on one core: two layers over hashed bags of letter triples.

    Its weights are random, so its vectors mean nothing; the work is that of a small
    model. For one text all of them are read from memory, for many they are read once.
    """

    name = "numpy, one core"
    note = "real: two float32 layers, 1024 x 4096 x 512, on one core, on the event loop's thread"

    def __init__(self) -> None:
        import numpy as np

        self._np: Any = np
        draw = np.random.default_rng(0)
        self._hidden = draw.standard_normal((1024, 4096), dtype=np.float32)
        self._out = draw.standard_normal((4096, 512), dtype=np.float32)

    async def embed(self, texts: list[str]) -> list[Vector]:
        np = self._np
        bags = np.zeros((len(texts), 1024), dtype=np.float32)
        for row, text in zip(bags, texts, strict=True):
            for place in range(len(text) - 2):
                row[zlib.crc32(text[place : place + 3].encode()) % 1024] += 1
        vectors = np.maximum(bags @ self._hidden, 0) @ self._out
        return [(float(vector[0]), float(vector[1])) for vector in vectors]
