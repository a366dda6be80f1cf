"""After the tests of a guarantee nothing of any run may be alive (G8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from langgraph_alto.engine.predictor import Predictor
from tests.guarantees.support import engines, nothing_alive, nothing_left


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """G8, for each test: no thread."""
    with nothing_left():
        yield


@pytest.fixture(autouse=True, scope="module")
def _no_predictor_is_left() -> Iterator[None]:
    """G8, for each module: no predictor, which knows all the tasks of its run."""
    original = Predictor.__init__

    def noted(self: Predictor, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        engines.alive.add(self)
        engines.made += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "__init__", noted)
        yield
    assert nothing_alive()
