"""The simulation of routing: affinity gains hits, and the bound keeps the load even."""

from __future__ import annotations

import math

import pytest

routing = pytest.importorskip("comparisons.routing", reason="tables need rich")


def test_affinity_gains_hits_and_the_bound_keeps_the_load_even(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routing, "REQUESTS", 3000)
    chance = routing.simulate(1.0, hot=0.5, by_prefix=False)
    ours = routing.simulate(routing.LOAD, hot=0.5)
    unbounded = routing.simulate(math.inf, hot=0.5)
    assert chance.hits < ours.hits < unbounded.hits
    assert ours.slow < unbounded.slow / 1.3
    assert ours.fullest < 1.4 < 2 < unbounded.fullest
