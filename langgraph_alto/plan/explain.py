"""A plan as text: LangGraph's steps beside what each node waits for instead.

Plain text with box characters, at most as wide as its names make it, and the
same for the same plan, so that it can be kept and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from langgraph.constants import START

from langgraph_alto.plan.gain import Gain
from langgraph_alto.plan.gathers import once_per
from langgraph_alto.plan.plan import Barrier, Dependency, Edge, Fact, Plan, PlannedStage
from langgraph_alto.plan.words import because, duration, listed, padded, shown, width

_FEW = 4


def explain(plan: Plan, gain: Gain | None = None) -> str:
    """The plan as text; see :meth:`~langgraph_alto.plan.plan.Plan.explain`."""
    sections = [list(_head(plan))]
    if plan.given is not None:
        sections.append(list(_steps(plan)))
        if "effects" in plan.passes:
            sections.append(list(_effects(plan)))
        if "scopes" in plan.passes:
            sections.append(list(_scopes(plan)))
        if "barriers" in plan.passes:
            sections.append(list(_needed(plan)))
            sections.append(list(_barriers(plan, gain)))
        if "streams" in plan.passes:
            sections.append(list(_points(plan)))
    if gain is not None:
        sections.append(list(_gain(gain)))
    return "\n\n".join("\n".join(line.rstrip() for line in lines) for lines in sections if lines)


def _head(plan: Plan) -> Iterator[str]:
    nodes = "1 node" if len(plan.stages) == 1 else f"{len(plan.stages)} nodes"
    yield f"Plan of {nodes}, policy {plan.policy}" if plan.given else f"Policy {plan.policy}"
    if plan.off:
        yield f"Nothing runs ahead: {plan.off}."


# -- steps ----------------------------------------------------------------------


def _steps(plan: Plan) -> Iterator[str]:
    numbers = [
        "?" if stage.step is None else f"{stage.step}{'+' if stage.again else ''}"
        for stage in plan.stages
    ]
    first = max(map(width, numbers), default=1)
    second = max((width(shown(stage.name)) for stage in plan.stages), default=0)
    left = max(first + 2 + second, width("LangGraph")) + 1
    yield f"{padded('LangGraph', left)}│ Alto"
    last = None
    for stage, number in zip(plan.stages, numbers, strict=True):
        same = stage.step == last and stage.step is not None
        if last is not None and not same:
            yield "─" * left + "┤"
        name = f"{padded('' if same and not stage.again else number, first)}  {shown(stage.name)}"
        yield f"{padded(name, left)}│ {_starts(plan, stage)}"
        last = stage.step or -1


def _starts(plan: Plan, stage: PlannedStage) -> str:
    """What a node waits for: its edges, its data, and the barriers that stay."""
    gather = next((gather for gather in plan.gathers if gather.node == stage.name), None)
    parts = [trigger(plan.edges, stage.name) if gather is None else once_per(gather)]
    waits = [wait for wait in plan.dependencies if wait.node == stage.name]
    for router, owner in ((False, ""), (True, "its router: ")):
        found = [wait for wait in waits if wait.router is router]
        if found:
            parts.append(f"{owner}data of {listed(_names(found), 'and')}")
    if stage.changes and stage.ahead and plan.given is not None and not plan.given.watched:
        parts.append("ahead under invoke only")
    parts += [
        f"[barrier {number}]"
        for number, barrier in enumerate(plan.barriers, 1)
        if barrier.node == stage.name
    ]
    return "; ".join(parts)


def _names(waits: Iterable[Dependency]) -> list[str]:
    return list(dict.fromkeys(wait.earlier for wait in waits))


def trigger(edges: Sequence[Edge], name: str) -> str:
    """What starts a node, in words."""
    ways: list[str] = []
    into = [edge for edge in edges if edge.target == name]
    plain = [edge.source for edge in into if edge.kind == "edge" and edge.source != START]
    if any(edge.kind == "edge" and edge.source == START for edge in into):
        ways.append("at once")
    if plain:
        ways.append(f"after {listed(plain, 'or')}")
    joins = sorted({edge.together for edge in into if edge.kind == "join"})
    ways += [f"after {listed(together)}" for together in joins]
    for edge in into:
        source = "the input" if edge.source == START else shown(edge.source)
        if edge.kind == "route":
            ways.append(f"after {source}, if its router says so")
        elif edge.kind == "command":
            ways.append(f"after {source}, if it says so")
        elif edge.kind == "send":
            ways.append(f"on each packet of {source}")
    return ", or ".join(ways) or "nothing is known to lead to it"


# -- effects, scopes --------------------------------------------------------------


def _effects(plan: Plan) -> Iterator[str]:
    rows = [("node", "reads", "writes", "changes in place", "leads to")]
    rows += [
        (
            shown(stage.name),
            _fact(stage.reads),
            _fact(stage.writes),
            _fact(stage.mutates),
            _fact(stage.leads_to),
        )
        for stage in plan.stages
    ]
    yield "Effects, known from (s)chemas and edges, (a)nalysis, (d)eclarations, (o)bservation"
    columns = [max(width(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(padded(cell, size) for cell, size in zip(row, columns, strict=True))
    for stage in plan.stages:
        for fact, what in (
            (stage.reads, "reads"),
            (stage.writes, "writes"),
            (stage.mutates, "changes"),
            (stage.leads_to, "leads to"),
        ):
            if fact is not None and fact.doubts and (fact.names is None or what == "reads"):
                anything = "any" if fact.names is None else "all its input"
                yield f"  {shown(stage.name)} {what} {anything}: {because(fact.doubts[0])}"


def _fact(fact: Fact | None) -> str:
    if fact is None:
        return "?"
    names = "any" if fact.names is None else _few(fact.names) or "-"
    return f"{names} ({fact.source[0]})"


def _few(names: Sequence[str]) -> str:
    more = len(names) - _FEW
    shorter = names[:_FEW] if more > 0 else names
    return " ".join([*map(shown, shorter), *([f"+{more}"] if more > 0 else [])])


def _scopes(plan: Plan) -> Iterator[str]:
    if not plan.fanouts:
        return
    yield "Fan-outs"
    for out in plan.fanouts:
        inside = f", within {' › '.join(map(shown, out.within))}" if out.within else ""
        again = ", and again from its own packets" if out.recursive else ""
        yield f"  {shown(out.scope)} sends packets to {listed(out.targets)}{inside}{again}"
    for reduce in plan.reduces:
        keys = f", through {listed(reduce.keys)}" if reduce.keys else ""
        yield (
            f"  {shown(reduce.node)} runs once on what comes of {listed(reduce.of)}{keys}: "
            f"scope {' and '.join(map(shown, reduce.scopes))} ends"
        )
    for gather in plan.gathers:
        yield (
            f"  {shown(gather.node)} runs {once_per(gather)}: "
            f"scope {' and '.join(map(shown, gather.scopes))} ends"
        )
    met = {name for reduce in plan.reduces for name in reduce.of}
    met |= {name for gather in plan.gathers for name in gather.of}
    met |= {out.scope for out in plan.fanouts}
    for out in plan.fanouts:
        if open_ended := [name for name in out.targets if name not in met]:
            yield f"  no edge leads on from {listed(open_ended)}: results meet in the state"


# -- waits ------------------------------------------------------------------------


def _needed(plan: Plan) -> Iterator[str]:
    if plan.dependencies:
        yield "Waits that the data need"
        for text in dict.fromkeys(wait.why for wait in plan.dependencies):
            yield f"  {text}"


def _barriers(plan: Plan, gain: Gain | None) -> Iterator[str]:
    if not plan.barriers:
        yield "Barriers that stay: none"
        return
    yield f"Barriers that stay: {len(plan.barriers)}"
    for number, barrier in enumerate(plan.barriers, 1):
        yield f"  {number}. {barrier.reason}"
        yield f"     {remedy(barrier)}"
        if gain is not None and (seconds := gain.of(barrier)) is not None:
            yield f"     That would gain {_seconds(seconds)}."


def remedy(barrier: Barrier) -> str:
    """What can be done about a barrier, in words."""
    if barrier.lift is not None:
        return f"If true, this lifts it: {barrier.lift.text}"
    if barrier.instead is not None:
        return f"No ready declaration lifts it: {barrier.instead}."
    return "Nothing lifts it."


def _points(plan: Plan) -> Iterator[str]:
    for title, points in (("Streaming", plan.streams), ("Batching", plan.batches)):
        if points:
            yield title
            for point in points:
                yield f"  {shown(point.node)}: {point.why}"


# -- gain ---------------------------------------------------------------------------


def _gain(gain: Gain) -> Iterator[str]:
    yield f"Predicted: {gain.verdict}"
    course = gain.longest
    if course is not None and gain.before:
        yield f"  LangGraph  {_path(course.before.path)}"
        yield f"  Alto       {_path(course.after.path)}"
        if gain.lifted < gain.after * 0.995:
            yield f"  With all that could be declared: {duration(gain.lifted)}"
        yield "  Assumed: " + "; ".join(gain.assumptions)


def _path(names: Sequence[str]) -> str:
    """A critical path; the same node several times over is counted."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return " → ".join(
        shown(name) if count == 1 else f"{count} {shown(name)}" for name, count in runs
    )


def _seconds(seconds: float) -> str:
    return "nothing by itself" if seconds < 1e-9 else duration(seconds)
