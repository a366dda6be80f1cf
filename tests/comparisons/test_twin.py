import inspect
import textwrap
from types import ModuleType
from typing import Any

import pytest

from comparisons import _branches
from comparisons._twin import sync_twin


def test_a_twin_sleeps_without_coroutines() -> None:
    twin: Any = sync_twin(_branches)
    source = inspect.getsource(twin.find_flights)
    assert source.startswith("def find_flights(")
    assert "time.sleep(0.02)" in source
    assert twin.find_flights({"city": "Ghent"})["flights"][0] == "morning to Ghent"


def test_a_twin_is_made_once() -> None:
    assert sync_twin(_branches) is sync_twin(_branches)


def test_a_coroutine_that_awaits_more_has_no_twin(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = textwrap.dedent("""
        import asyncio

        async def node(state):
            await asyncio.gather()
    """)
    file = tmp_path / "gathering.py"
    file.write_text(source)
    module = ModuleType("gathering")
    module.__file__ = str(file)
    with pytest.raises(ValueError, match=r"awaits asyncio\.gather"):
        sync_twin(module)
