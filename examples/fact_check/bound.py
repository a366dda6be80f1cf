"""The dependency bound: how fast a run could be if tasks waited for their data only."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from examples.fact_check.recorder import Span, TaskKey


def needs(task: TaskKey, tasks: Collection[TaskKey]) -> list[TaskKey]:
    """The tasks whose results ``task`` was started by or reads.

    This is the graph of ``graph.py``, written down a second time for single
    tasks; a test compares it with what LangGraph does.

    Args:
        task: One task of a run.
        tasks: All tasks of that run.
    """
    claim, query, attempt = task.claim, task.query, task.attempt
    match task.node:
        case "find":
            return []
        case "define_terms" | "draft":
            return [TaskKey("find")]
        case "split":
            return [TaskKey("draft")]
        case "plan":
            return [TaskKey("split")]
        case "search" if attempt == 1:
            return [TaskKey("plan", claim)]
        case "search":
            return [TaskKey("rephrase", claim, query, attempt)]
        case "read":
            return [TaskKey("search", claim, query, attempt)]
        case "judge":
            return [TaskKey("read", claim, query, attempt)]
        case "rephrase":
            return [TaskKey("judge", claim, query, attempt - 1)]
        case "join":
            return sorted(t for t in tasks if t.node == "judge" and t.attempt <= attempt)
        case "answer":
            last = max(t for t in tasks if t.node == "join")
            return [TaskKey("define_terms"), last]
        case unknown:
            raise ValueError(f"no dependencies are written down for node {unknown!r}")


def critical_path(spans: Mapping[TaskKey, Span]) -> list[TaskKey]:
    """The chain of tasks, each needing the one before, that takes longest in all.

    Args:
        spans: When each task of one complete run ran; only durations count.
    """
    finish: dict[TaskKey, float] = {}
    via: dict[TaskKey, TaskKey | None] = {}

    def finish_of(task: TaskKey) -> float:
        if task not in finish:
            last = max(needs(task, spans), key=finish_of, default=None)
            via[task] = last
            finish[task] = spans[task].seconds + (finish[last] if last is not None else 0.0)
        return finish[task]

    task = max(spans, key=finish_of, default=None)
    path: list[TaskKey] = []
    while task is not None:
        path.append(task)
        task = via[task]
    return path[::-1]


def dependency_bound(spans: Mapping[TaskKey, Span]) -> float:
    """Seconds of the critical path: no schedule with these durations is shorter."""
    return sum(spans[task].seconds for task in critical_path(spans))
