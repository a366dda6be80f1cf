import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from comparisons import _contests, _wide
from comparisons.bench_graphs import BenchGraph
from comparisons.measure import Ratio, Sample, event_loop

overhead = pytest.importorskip("comparisons.overhead", reason="tables need rich")


def row(ratio: float, *, tasks: int = 1, engine: str = "async", wrapped: float = 1.0) -> Any:
    interval = Ratio((ratio,), ratio, ratio, ratio)
    times = Sample((1.0,)), Sample((wrapped,))
    return overhead.Row("graph", engine, tasks, *times, interval, 0.001)


IMPORTS = Sample((0.4,)), Sample((0.02,))


def test_bars_of_the_bench() -> None:
    mean, worst, imports = overhead.bars([row(0.8), row(1.2)], [], IMPORTS)
    assert mean.value == pytest.approx((0.8 * 1.2) ** 0.5)
    assert mean.met
    assert worst.value == 1.2
    assert not worst.met
    assert imports.value == pytest.approx(20.0)
    assert imports.met


def test_bars_of_the_fan_out_compare_cost_per_task() -> None:
    narrow, broad = overhead.WIDTHS
    rows = [row(0.9, tasks=narrow, wrapped=0.1), row(0.3, tasks=broad, wrapped=1.2)]
    ratio, growth, _ = overhead.bars([], rows, IMPORTS)
    assert (ratio.value, ratio.met) == (0.3, True)
    assert growth.value == pytest.approx(1.2)


def test_a_contest_runs_both_sides_and_forgets_its_threads() -> None:
    saver = InMemorySaver()
    graph = _wide.wide(for_async=True)
    graph.checkpointer = saver
    with event_loop() as run:
        contest = _contests.BenchContest(graph, {"width": 3}, run)
        assert contest.plain() == contest.wrapped() == 4
        assert len(saver.storage) == 2
        contest.tidy()
        assert not saver.storage


def test_both_engines_add_up_the_fan_out() -> None:
    with event_loop() as run:
        for loop in (run, None):
            contest = _contests.FanOutContest(loop)
            assert contest.plain(20) == contest.wrapped(20)
            assert contest.plain(20)["total"] == sum(range(20))


def test_it_prints_and_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graphs = _wide.wide(for_async=True), _wide.wide(for_async=False)
    bench = [BenchGraph("tiny_2x", *graphs, {"width": 2})]
    monkeypatch.setattr(overhead, "bench_graphs", lambda: bench)
    monkeypatch.setattr(overhead, "WIDTHS", (10, 20))
    file = tmp_path / "overhead.json"
    assert overhead.main(["--quick", "--runs", "1", "--json", str(file)]) == 0
    written = json.loads(file.read_text())
    assert {one["engine"] for one in written["bench"]} == {"async", "sync"}
    assert [one["tasks"] for one in written["wide"]] == [10, 10, 20, 20]
    assert len(written["bars"]) == 7
    printed = capsys.readouterr().out
    assert "tiny_2x" in printed
    assert written["machine"]["cpu"] in printed
