import json
import statistics
import time
from pathlib import Path

import pytest

from comparisons.measure import (
    Bar,
    Ratio,
    Sample,
    bootstrap,
    event_loop,
    geometric_mean,
    interleaved,
    machine,
    ratio,
    write_json,
)


def test_contenders_take_turns_and_each_goes_first_in_its_round() -> None:
    calls: list[str] = []
    samples = interleaved(
        {name: lambda name=name: calls.append(name) for name in "abc"},  # type: ignore[misc]
        rounds=3,
        warm_up=1,
    )
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(sample.seconds) for name, sample in samples.items()} == dict.fromkeys(
        "abc", 3
    )


def test_what_happens_between_is_not_timed() -> None:
    samples = interleaved(
        {"a": lambda: None}, rounds=2, warm_up=0, between=lambda: time.sleep(0.02)
    )
    assert samples["a"].high < 0.02


def test_a_sample_tells_middle_and_extremes() -> None:
    sample = Sample((3.0, 1.0, 2.0))
    assert (sample.low, sample.median, sample.high) == (1.0, 2.0, 3.0)


def test_a_ratio_is_the_median_of_the_ratios_within_rounds() -> None:
    """Not the ratio of the medians, which is 4 / 2: a slow round slows both."""
    found = ratio(Sample((1.0, 9.0, 4.0)), Sample((2.0, 9.0, 1.0)))
    assert found.rounds == (0.5, 1.0, 4.0)
    assert found.median == 1.0
    assert 0.5 <= found.low <= found.median <= found.high <= 4.0


def test_a_ratio_needs_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratio(Sample((1.0,)), Sample((1.0, 2.0)))


def test_bootstrap_of_a_constant_is_that_constant() -> None:
    assert bootstrap([2.0] * 5, statistics.median) == (2.0, 2.0)


def test_bootstrap_is_the_same_for_the_same_seed() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 10.0]
    assert bootstrap(values, statistics.mean) == bootstrap(values, statistics.mean)
    low, high = bootstrap(values, statistics.mean)
    assert 1.0 <= low < 4.0 < high <= 10.0


def test_bootstrap_narrows_with_more_observations() -> None:
    few, many = ([1.0, 2.0] * times for times in (3, 100))
    spreads = [high - low for low, high in (bootstrap(v, statistics.mean) for v in (few, many))]
    assert spreads[1] < spreads[0] / 2


def test_the_geometric_mean_weighs_a_half_as_much_as_a_double() -> None:
    half, double = (Ratio((one,) * 3, one, one, one) for one in (0.5, 2.0))
    mean = geometric_mean([half, double])
    assert (mean.low, mean.median, mean.high) == pytest.approx((1.0, 1.0, 1.0))


def test_a_bar_is_met_at_its_limit() -> None:
    assert Bar("at", 1.0, 1.0).met
    assert not Bar("above", 1.001, 1.0).met


def test_the_loop_stays_open_between_runs() -> None:
    async def answer() -> int:
        return 42

    with event_loop() as run:
        assert run(answer()) + run(answer()) == 84


def test_the_machine_names_what_matters() -> None:
    found = machine()
    assert found.cores >= 1
    assert found.packages["langgraph"] in str(found)
    assert found.python in str(found)


def test_json_holds_the_dataclasses(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_json(file, machine=machine(), bars=[Bar("a", 1.0, 2.0)], note="as measured")
    read = json.loads(file.read_text())
    assert read["bars"] == [{"name": "a", "value": 1.0, "limit": 2.0}]
    assert read["note"] == "as measured"
    assert read["machine"]["cores"] >= 1
