"""Compares two traces: which differences count, and how they are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from langgraph_alto.testing.instrument import Call
from langgraph_alto.testing.report import Difference, Kind
from langgraph_alto.testing.trace import Segment, Superstep, Trace

_NO_SEGMENT = Segment()


def compare(plain: Trace, alto: Trace, *, same_work: bool) -> tuple[Difference, ...]:
    """List what differs between two runs of one job.

    Within a segment, supersteps are compared one by one up to the first that
    differs; those after it follow from it and would hide it.

    Args:
        plain: LangGraph's run.
        alto: Alto's run.
        same_work: Whether node bodies must have run equally often. They need
            to only where the run had no exception and no interrupt (G2); after
            an exception, the failing node's attempts still count (G4).

    Returns:
        The differences; empty if the runs are alike, or if LangGraph's did not
        end in time and there is nothing to compare with.
    """
    if plain.hung:
        return ()
    found: list[Difference] = []
    pairs = zip_longest(plain.segments, alto.segments)
    for number, (left, right) in enumerate(pairs):
        after = f"after resume {number}" if number else ""
        found += _segments(left or _NO_SEGMENT, right or _NO_SEGMENT, after)
        if left is None or right is None or found:
            break
    found += _history(plain.history, alto.history)
    if same_work:
        found += _calls(plain, alto)
    extra = Counter(alto.leaks) - Counter(plain.leaks)
    if extra:
        found.append(_difference("leaks", "", plain.leaks, sorted(extra.elements())))
    return tuple(found)


def _difference(kind: Kind, where: str, plain: object, alto: object) -> Difference:
    shown = ["" if side in (None, ()) else _plain_text(side) for side in (plain, alto)]
    return Difference(kind, where, *shown)


def _plain_text(side: object) -> str:
    if isinstance(side, str):
        return side
    return " | ".join(map(str, side)) if isinstance(side, Sequence) else str(side)


def _segments(plain: Segment, alto: Segment, after: str) -> Iterator[Difference]:
    for left, right in zip_longest(plain.supersteps, alto.supersteps):
        if left != right:
            yield from _supersteps(left, right, after)
            break
    if plain.failure != alto.failure:
        yield _difference("exception", after, plain.failure, alto.failure)
    if plain.result != alto.result and plain.failure is alto.failure is None:
        yield _difference("result", after, plain.result, alto.result)
    if plain.subgraphs != alto.subgraphs and plain.failure == alto.failure:
        yield _difference("subgraphs", after, plain.subgraphs, alto.subgraphs)
    if plain.interrupts != alto.interrupts:
        yield _difference("interrupts", after, plain.interrupts, alto.interrupts)
    if plain.next != alto.next:
        yield _difference("pause", after, plain.next, alto.next)


def _supersteps(
    plain: Superstep | None, alto: Superstep | None, after: str
) -> Iterator[Difference]:
    number = plain.step if plain else alto.step if alto else 0
    where = ", ".join(filter(None, [f"in superstep {number}", after]))
    if plain is None or alto is None:
        sides = [s.tasks if s else "no such superstep" for s in (plain, alto)]
        yield _difference("tasks", where, *sides)
        return
    kinds: tuple[Kind, ...] = ("tasks", "updates", "values", "checkpoints", "interrupts")
    for kind in kinds:
        left, right = getattr(plain, kind), getattr(alto, kind)
        if left == right:
            continue
        if kind in ("updates", "interrupts"):  # multisets: show only what is not shared
            left, right = (
                sorted((Counter(left) - Counter(right)).elements()),
                sorted((Counter(right) - Counter(left)).elements()),
            )
        yield _difference(kind, where, left, right)


def _history(plain: Sequence[str], alto: Sequence[str]) -> Iterator[Difference]:
    for number, (left, right) in enumerate(zip_longest(plain, alto)):
        if left != right:
            yield _difference("history", f"at snapshot {number}", left, right)
            return


def _calls(plain: Trace, alto: Trace) -> Iterator[Difference]:
    if plain.undisturbed and alto.undisturbed:
        left, right = plain.calls_by_node(), alto.calls_by_node()
        for node in sorted(left.keys() | right.keys()):
            if left[node] != right[node]:
                where = f"of node {node}"
                yield _difference("calls", where, _placed(plain, node), _placed(alto, node))
    elif (call := _failing_call(plain)) and plain.failure == alto.failure:
        counts = plain.calls[call], alto.calls.get(call, 0)
        if counts[0] != counts[1] and any(c.step >= 0 for c in alto.calls):
            where = f"of failing node {call.node} in superstep {call.step}"
            yield _difference("calls", where, counts[0], counts[1])


def _failing_call(trace: Trace) -> Call | None:
    """The call that failed, if the failing node had just one in its superstep."""
    if trace.failure is None or not trace.failure.nodes or len(trace.segments) > 1:
        return None
    name = "/".join(reversed(trace.failure.nodes))
    calls = [c for c in trace.calls if c.node == name]
    newest = max((c.step for c in calls), default=0)
    last = [c for c in calls if c.step == newest]
    return last[0] if len(last) == 1 else None


def _placed(trace: Trace, node: str) -> str:
    """How often a node ran, and in which supersteps."""
    calls = {c: n for c, n in trace.calls.items() if c.node == node}
    steps = Counter[int]()
    for call, count in calls.items():
        steps[call.step] += count
    placed = ", ".join(f"step {s}: {n}" for s, n in sorted(steps.items()))
    return f"{sum(calls.values())} calls" + (f" ({placed})" if placed else "")
