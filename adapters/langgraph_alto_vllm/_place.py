"""The place in the graph of whoever asks, as a number for the server."""

from __future__ import annotations

import time
from typing import Any

from langgraph.config import get_config

from langgraph_alto import ancestry
from langgraph_alto_vllm._priority import Ages, priority

_AGES = Ages()
"""One for the process: models may differ, the runs are the same."""


def place(config: Any = None) -> int:
    """The priority of a request of the task that calls it.

    Args:
        config: The task's config, as in `langgraph_alto.ancestry`. Where there is none, the
            request comes from outside any graph, and goes before those of younger runs.
    """
    if config is None:
        try:
            config = get_config()
        except RuntimeError:
            config = {}
    given = config.get("configurable", {})
    run = given.get("thread_id") or config.get("metadata", {}).get("run_id") or ""
    return priority(_AGES.of(str(run), time.monotonic()), ancestry(config))
