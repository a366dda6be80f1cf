"""What some versions of Python and LangGraph cannot do, even plain."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

needs_context = pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="LangGraph's interrupt(), tasks and stream writers need Python 3.11 in async runs",
)
"""For a test of an async run whose nodes call on LangGraph."""

both_with_context = pytest.mark.parametrize(
    "mode", ["sync", pytest.param("async", marks=needs_context)]
)
"""As ``both``, for nodes that call on LangGraph."""


def needs_langgraph(oldest: str, why: str) -> pytest.MarkDecorator:
    """Skip a test where plain LangGraph itself does otherwise.

    Args:
        oldest: The first version that does as the test says.
        why: What older ones do.
    """
    installed, needed = (tuple(map(int, v.split(".")[:3])) for v in (version("langgraph"), oldest))
    return pytest.mark.skipif(installed < needed, reason=f"LangGraph before {oldest} {why}")
