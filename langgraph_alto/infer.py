"""Learned effects: watch a graph run, and declare what was seen.

This module is light; what it needs is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from langgraph_alto.learned.inferred import Inferred


def infer(
    graph: Any,
    inputs: Any,
    *,
    config: Mapping[str, Any] | None = None,
    mode: Literal["async", "sync"] = "async",
    resume: Sequence[Any] = (),
    timeout: float = 60.0,
) -> Inferred:
    """Run a graph on plain LangGraph and learn what its nodes read, write and change.

    For nodes that analysis cannot read: infer, paste, check. The nodes get
    views of their true state, which note what is done with it, at attribute-path
    depth, in dicts, lists, sets, dataclasses, Pydantic models and objects of
    other classes of yours; objects of libraries count as a whole. The input of
    every node is also compared before and after. Results are those of a run
    without; only code that asks for the exact ``type()`` of a part of its state
    could tell.

    What analysis knows is certain and stays as it is. What it cannot tell is
    filled in from the runs, if they settle: whatever the last third of the
    different inputs showed must have been seen before. Items whose keys differ
    from run to run make their mapping count as a whole. A node that looks at
    its whole state, or was never reached, cannot be judged. What runs showed
    though analysis had ruled it out is reported as a bug to look at, and both
    are declared, which is safe.

    Confidence is one less Good and Turing's estimate of the chance that the
    node's next run shows something new: ``1 - (s + 1) / (n + 1)`` for ``n`` runs
    on different inputs, of which ``s`` alone showed something; 0 for one run.
    It speaks of inputs like those given. So check on others:

    Args:
        graph: A ``StateGraph``, a compiled or a wrapped graph. It is left as it is.
        inputs: A list of inputs, an iterator over them, or one. The more different, the better.
        config: Config of every run. A checkpointer is replaced by one in memory,
            and its thread id by a new one.
        mode: Through async or through sync methods.
        resume: Answers to the graph's interrupts, in order.
        timeout: Seconds after which one run is given up.

    Returns:
        What was learned. Printing it shows ``effects={...}`` to paste, how far
        to trust it, and the nodes that cannot be judged.

    Raises:
        TypeError: ``graph`` is no state graph, or ``timeout`` no number.
        ValueError: ``mode`` is unknown, there are no inputs, or ``timeout`` is not
            positive.
        RuntimeError: The installed LangGraph is not one that is known.

    Example:
        ```python
        inferred = infer(graph, some_inputs)
        print(inferred)
        check(graph, more_inputs, effects=inferred.effects).raise_for_difference()
        fast = wrap(graph, effects=inferred.effects)  # or what was printed
        ```
    """
    from langgraph_alto.learned import runs

    return runs.infer(graph, inputs, config, mode, resume, timeout)


async def ainfer(
    graph: Any,
    inputs: Any,
    *,
    config: Mapping[str, Any] | None = None,
    resume: Sequence[Any] = (),
    timeout: float = 60.0,
) -> Inferred:
    """Like `infer` with ``mode="async"``, on the running event loop.

    Raises:
        TypeError: As for `infer`.
        ValueError: As for `infer`.
        RuntimeError: As for `infer`.
    """
    from langgraph_alto.learned import runs

    return await runs.ainfer(graph, inputs, config, resume, timeout)
