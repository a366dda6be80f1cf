"""The order of service: that the forms agree, and what is measured of them."""

import asyncio
import json
from pathlib import Path
from unittest.mock import patch

import pytest

from comparisons._documents import DOCUMENTS, LOADINGS, SENTENCES, SLOTS, Clock, Loading
from comparisons.measure import Sample, event_loop
from langgraph_alto.engine.ahead import Ahead

order = pytest.importorskip("comparisons.order", reason="tables need rich")

HASTE = 0.1
"""Sleeps are a tenth as long as drawn."""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds, *more: calm(seconds * HASTE, *more))


@pytest.mark.parametrize("loading", LOADINGS, ids=lambda loading: loading.name)
def test_the_forms_agree(loading: Loading, hurried: None) -> None:
    clock = Clock()
    with event_loop() as run:
        results = [form() for form in order.contenders(loading, clock, run).values()]
    assert results[0] == results[1] == results[2]
    assert len(results[0]["collected"]) == DOCUMENTS * SENTENCES
    assert set(clock.complete) == set(range(DOCUMENTS))
    assert 0 < clock.first == min(clock.complete.values())


def test_what_is_furthest_is_complete_sooner() -> None:
    """One slow document: the first of the others is not kept waiting by the rest."""
    clock = Clock()
    with event_loop() as run:
        forms = order.contenders(order.BARRED, clock, run)
        firsts = {}
        for name in (order.FIRST_COME, order.ALTO):
            forms[name]()
            firsts[name] = clock.first
    assert firsts[order.ALTO] < 0.75 * firsts[order.FIRST_COME]


def test_the_order_is_switched_off_for_one_run_only() -> None:
    before = Ahead.priority
    with order.first_come():
        assert Ahead.priority is not before
    assert Ahead.priority is before


def test_there_is_more_to_do_than_places() -> None:
    assert DOCUMENTS == 16
    assert SENTENCES == 8
    assert SLOTS == 4


def test_a_form_that_differs_is_found(hurried: None) -> None:
    forms = {order.LANGGRAPH: lambda: {"collected": []}, order.ALTO: lambda: {"collected": [1]}}
    with (
        patch.object(order, "contenders", lambda *_: forms),
        event_loop() as run,
        pytest.raises(AssertionError, match="Alto gives"),
    ):
        order.measure(LOADINGS[0], run, 1)


def test_the_bars() -> None:
    half, same = Sample((0.4, 0.5)), Sample((1.0, 1.0))
    times = {order.ALTO: half, order.FIRST_COME: same}
    sooner, longer = order.bars(order.Row("it", times, {**times, order.ALTO: Sample((1.1, 1.1))}))
    assert sooner.met
    assert sooner.value == pytest.approx(0.45)
    assert not longer.met


def test_it_prints_and_writes_what_it_measured(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "order.json"
    assert order.main(["--runs", "1", "--json", str(file)]) == 0
    written = json.loads(file.read_text())
    assert [row["loading"] for row in written["rows"]] == [loading.name for loading in LOADINGS]
    for row in written["rows"]:
        assert (
            set(row["first"])
            == set(row["total"])
            == {
                order.LANGGRAPH,
                order.FIRST_COME,
                order.ALTO,
            }
        )
    assert len(written["bars"]) == 2
    assert "1 rounds" in capsys.readouterr().out
    monkeypatch.setattr(order, "FIRST_BAR", 0.0)
    monkeypatch.setattr(order, "LOADINGS", LOADINGS[:1])
    assert order.main(["--runs", "1", "--assert"]) == 1
    assert "missed" in capsys.readouterr().out
