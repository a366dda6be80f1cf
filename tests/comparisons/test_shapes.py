"""Every shape: what is drawn for it, and that its forms agree."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from comparisons._bound import bound, steps, supersteps
from comparisons._catalogue import SHAPES, Shape
from comparisons.measure import event_loop

shapes = pytest.importorskip("comparisons.shapes", reason="tables need rich")

HASTE = 0.1
"""Sleeps are a tenth as long as drawn."""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    calm, still = asyncio.sleep, time.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds, *more: calm(seconds * HASTE, *more))
    monkeypatch.setattr(time, "sleep", lambda seconds: still(seconds * HASTE))


every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


@every_shape
def test_the_forms_agree(shape: Shape, hurried: None) -> None:
    with event_loop() as run:
        forms = shapes.contenders(shape, run)
        assert shapes.disagreements(shape, forms) == []


@every_shape
def test_the_works_are_the_tasks_of_each_superstep(shape: Shape, hurried: None) -> None:
    ran: Counter[int] = Counter()
    for event in shape.build_sync().stream(shape.given, stream_mode="debug"):
        ran[event["step"]] += event["type"] == "task"
    drawn = Counter(steps(shape.works).values())
    assert [drawn[step] for step in sorted(drawn)] == [ran[step] for step in sorted(ran)]


@every_shape
def test_the_bound_is_no_later_than_supersteps(shape: Shape) -> None:
    assert 0 < bound(shape.works) <= supersteps(shape.works)


def test_some_shapes_gain_and_some_do_not() -> None:
    gains = [supersteps(shape.works) / bound(shape.works) for shape in SHAPES]
    assert sum(gain > 1.2 for gain in gains) >= 10
    assert sum(gain == 1.0 for gain in gains) >= 4


def test_a_form_that_differs_is_found(hurried: None) -> None:
    shape = SHAPES[0]
    with event_loop() as run:
        forms: dict[str, Any] = shapes.contenders(shape, run)
        forms[shapes.ALTO] = lambda: {"plan": "stay at home"}
        (line,) = shapes.disagreements(shape, forms)
    assert "stay at home" in line
    assert shape.name in line


def test_it_prints_and_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hurried: None
) -> None:
    file = tmp_path / "shapes.json"
    assert shapes.main(["--only", "sequence", "--runs", "1", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())["rows"]
    assert row["bound"] == pytest.approx(bound(SHAPES[13].works))
    assert set(row["samples"]) == {
        *(shapes.LANGGRAPH, shapes.ALTO, shapes.BY_HAND),
        *(shapes.LANGGRAPH_SYNC, shapes.ALTO_SYNC),
    }
    assert "there is one branch" in capsys.readouterr().out


def test_a_missed_bar_fails_when_asked_to(
    monkeypatch: pytest.MonkeyPatch, hurried: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shapes, "SLOPE", 0.0)
    monkeypatch.setattr(shapes, "OFFSET", 0.0)
    assert shapes.main(["--only", "sequence", "--runs", "1", "--assert"]) == 1
    assert "missed" in capsys.readouterr().out
