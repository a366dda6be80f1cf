"""The comparison of batches: its forms agree, its batchers batch, its bars fail when missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comparisons._embedders import NumpyEmbedder, SimulatedEmbedder, Vector, alike
from comparisons.measure import event_loop

batching = pytest.importorskip("comparisons.batching", reason="tables need rich")
pytest.importorskip("numpy")


class Quick:
    """An embedder that takes no time, and remembers its calls."""

    name = note = "quick"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def embed(self, texts: list[str]) -> list[Vector]:
        self.sizes.append(len(texts))
        return [(float(len(text)),) for text in texts]


def test_the_forms_call_as_they_say() -> None:
    one, many = [1] * 130, [64, 64, 2]
    sizes = {
        batching.ONE_BY_ONE: one,
        batching.ALTO_ONE: one,
        batching.BY_HAND: many,
        batching.ONE_NODE: many,
        batching.ALTO: many,
        batching.BOUND: many,
    }
    embedder = Quick()
    with event_loop() as run:
        texts = [f"t{number}" for number in range(130)]
        for name, form in batching.contenders(embedder, texts, run).items():
            embedder.sizes.clear()
            assert form() == [(float(len(text)),) for text in texts]
            assert embedder.sizes == sizes[name], name


def test_the_embedders_embed_each_text_by_itself() -> None:
    texts = [f"sentence {number}" for number in range(5)]
    for embedder in (SimulatedEmbedder(), NumpyEmbedder()):
        with event_loop() as run:
            together = run(embedder.embed(texts))
            assert alike(together, [run(embedder.embed([text]))[0] for text in texts])
            assert not alike(together, together[::-1])
            assert len(set(together)) == 5


def test_a_pass_takes_what_was_published() -> None:
    """4.63 ms for a pass, 55,200 tokens a second."""
    assert SimulatedEmbedder().pass_s(64) == pytest.approx(0.00463 + 64 * 20 / 55_200)


def test_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "NumpyEmbedder", Quick)
    monkeypatch.setattr(batching, "GAIN_BAR", 0.0)
    file = tmp_path / "results.json"
    asked: list[Any] = ["--runs", "1", "--texts", "70", "--json", str(file)]
    assert batching.main(asked) == 0
    assert batching.main([*asked, "--assert"]) == 1
    written = json.loads(file.read_text())
    assert set(written["rows"][0]["times"]) == set(batching.FORMS)
    assert written["bars"][0]["limit"] == 0.0
