"""Checks a described graph: builds it and runs it on both engines."""

from __future__ import annotations

from functools import partial

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langgraph_alto.testing.check import Mode, Wrapped, check
from langgraph_alto.testing.description import Description
from langgraph_alto.testing.program import program
from langgraph_alto.testing.report import Report
from langgraph_alto.testing.vocabulary import Shelf

ANSWERS = tuple(f"answer {number}" for number in range(12))
"""What interrupts of random graphs are resumed with, in order."""


def check_graph(
    description: Description,
    *,
    mode: Mode = "async",
    policy: str = "proven",
    wrapped: Wrapped | None = None,
    seed: int = 0,
    timeout: float = 20.0,
) -> Report:
    """Run a described graph on LangGraph and on Alto.

    Args:
        description: Drawn by `langgraph_alto.testing.strategies.graphs`.
        mode: Through async methods, sync methods, or both.
        policy: Alto's policy.
        wrapped: Makes the second engine's graph, as for `check`.
        seed: Seed of the delays.
        timeout: Seconds after which a run counts as hanging.

    Returns:
        The report.
    """
    made = program(description)
    saver = partial(_saver, made.name) if description.checkpointer else None
    return check(
        made.compiled(),
        [made.given],
        policy=policy,
        delays=made.delays,
        mode=mode,
        config=made.config,
        checkpointer=saver,
        durability=description.durability,
        resume=ANSWERS,
        seed=seed,
        wrapped=wrapped,
        reset=made.reset,
        timeout=timeout,
    )


def reproducer(
    description: Description, *, mode: Mode = "async", policy: str = "proven", seed: int = 0
) -> str:
    """Write a script that checks one graph and prints the report.

    Args:
        description: The graph.
        mode: As for `check_graph`.
        policy: As for `check_graph`.
        seed: As for `check_graph`.

    Returns:
        The script; it needs nothing but this package.
    """
    saver = "InMemorySaver" if description.checkpointer else "None"
    return f"""\
{program(description).source}
if __name__ == "__main__":
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph_alto.testing import check

    report = check(
        compiled(), [given], config=config, delays=delays, seed={seed}, mode={mode!r},
        policy={policy!r}, checkpointer={saver}, durability={description.durability!r},
        resume=[f"answer {{n}}" for n in range({len(ANSWERS)})], reset=failures.clear,
    )
    print(report)
"""


def _saver(module: str) -> InMemorySaver:
    """A saver that may load the classes of a generated module."""
    allowed = [(Shelf.__module__, Shelf.__name__), (module, "State")]
    return InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=allowed))
