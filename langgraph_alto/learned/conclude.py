"""From the records of runs, and what analysis knows, to effects.

Analysis comes first: what it knows for certain is never replaced. Runs fill in
the rest, as far as they agree with each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from langgraph.constants import START

from langgraph_alto.learned.inferred import Fact, FactName, Learned, declaration
from langgraph_alto.learned.record import Record, covered, minimal
from langgraph_alto.plan.effects import Path
from langgraph_alto.plan.shape import masks_of
from langgraph_alto.plan.stages import Stage, roots

Runs = Sequence[frozenset[Path]]


def conclude(graph: Any, records: Sequence[Record]) -> tuple[Learned, ...]:
    """Say what was learned of each node.

    Args:
        graph: The compiled graph, as the user made it.
        records: Of all runs, in order.
    """
    stages = [stage for stage in masks_of(graph).stages if stage.name != START]
    learned = {stage.name: _facts(stage, records) for stage in stages}
    effects = {
        name: declared
        for name, (facts, _) in learned.items()
        if (declared := declaration(facts)) is not None
    }
    after = {stage.name: stage.barrier for stage in masks_of(graph, effects).stages}
    found = []
    for stage in stages:
        facts, notes = learned[stage.name]
        mine = [r for r in records if r.node == stage.name and r.route is None]
        done = [r for r in mine if r.ended == "returned"]
        found.append(
            Learned(
                stage.name,
                len(done),
                len({r.inputs for r in done}),
                facts,
                after[stage.name],
                tuple(dict.fromkeys(_contradictions(stage, records))),
                notes,
            )
        )
    return tuple(found)


def _facts(stage: Stage, records: Sequence[Record]) -> tuple[tuple[Fact, ...], tuple[str, ...]]:
    mine = [r for r in records if r.node == stage.name and r.route is None]
    done = [r for r in mine if r.ended == "returned"]
    here = [r for r in records if r.node == stage.name]
    facts = {
        "reads": _reads(stage, mine),
        "writes": _writes(stage, mine),
        "mutates": _mutates(stage, mine),
        "goto": _goto(stage, here),
    }
    facts = {name: _corrected(fact, stage, here) for name, fact in facts.items()}
    notes = []
    if not done:
        why = _never(mine)
        facts = {
            name: fact if fact.source == "analysis" else Fact(fact.name, "nothing", why=why)
            for name, fact in facts.items()
        }
        notes.append(why)
    return tuple(facts.values()), tuple(notes)


def _never(records: Sequence[Record]) -> str:
    if not records:
        return "no run reached it"
    if all(record.ended == "interrupted" for record in records):
        return "each run of it stopped at an interrupt"
    return "no run of it ended without an exception"


def _reads(stage: Stage, records: Sequence[Record]) -> Fact:
    if stage.whole_input or not any(doubt.fact == "reads" for doubt in stage.doubts):
        return _known("reads", (".".join(path) for path in stage.reads))
    records = [record for record in records if not record.packet]
    if not records:
        return Fact("reads", "nothing", why="it ran on packets only, not on the state")
    if any(() in record.reads for record in records):
        return Fact("reads", "nothing", why="it reads its state as a whole")
    runs = _by_input(records, lambda r: {p for p in r.reads if p[0] in stage.inputs})
    return _seen("reads", runs, "a key of the state")


def _writes(stage: Stage, records: Sequence[Record]) -> Fact:
    if stage.writes is not None:
        return _known("writes", stage.writes)
    if any(record.writes is None for record in records):
        return Fact("writes", "nothing", why="what it returned is no update by keys")
    return _seen("writes", _by_input(records, lambda r: _names(r.writes or ())), "a key")


def _mutates(stage: Stage, records: Sequence[Record]) -> Fact:
    doubted = any(doubt.fact == "mutates" for doubt in stage.doubts)
    if stage.mutates is not None:
        return _known("mutates", (".".join(path) for path in stage.mutates))
    if not doubted:
        why = "it changes the packets it is sent, which may hold any part of the state"
        return Fact("mutates", "nothing", why=why)
    unseen = {
        key: why for record in records for key, why in record.unseen.items() if record.reached(key)
    }
    if unseen:
        key, why = sorted(unseen.items())[0]
        return Fact("mutates", "nothing", why=f"{key!r} cannot be compared: {why}")
    if any(() in record.mutates for record in records):
        return Fact("mutates", "nothing", why="it changed a part of the state that has no name")
    hidden = {path[0] for record in records for path in record.unexplained}
    note = f"how it changed {', '.join(sorted(hidden))} was not seen" if hidden else ""
    return _seen("mutates", _by_input(records, lambda r: r.mutates), "a key", note)


def _goto(stage: Stage, records: Sequence[Record]) -> Fact:
    if stage.leads_to is not None:
        return _known("goto", stage.leads_to)
    # The node and each of its routers lead somewhere on inputs of their own.
    parts = [
        _seen("goto", _by_input(group, lambda r: _names(r.goto)), "a destination")
        for route in sorted({r.route for r in records}, key=lambda r: -1 if r is None else r)
        if (group := [r for r in records if r.route == route])
    ]
    unknown = [part for part in parts if part.value is None]
    if unknown or not parts:
        return unknown[0] if unknown else Fact("goto", "nothing", why="it never ran")
    value = frozenset().union(*(part.value or () for part in parts))
    least = min(parts, key=lambda part: part.confidence)
    return Fact("goto", "runs", value, least.confidence, least.why)


def _names(names: Iterable[str]) -> set[Path]:
    return {(name,) for name in names}


def _known(name: FactName, value: Iterable[str]) -> Fact:
    return Fact(name, "analysis", frozenset(value), 1.0)


def _by_input(records: Sequence[Record], of: Any) -> Runs:
    """What each run showed; runs on equal input are one."""
    found: dict[int, set[Path]] = {}
    for record in records:
        found.setdefault(record.inputs, set()).update(of(record))
    return [minimal(paths) for paths in found.values()]


def _seen(name: FactName, runs: Runs, what: str, note: str = "") -> Fact:
    settled = settle(runs)
    if settled is None:
        why = f"the last runs still showed {what} that no earlier one had"
        return Fact(name, "nothing", why=why)
    value = minimal(path for run in settled for path in run)
    if name in ("reads", "mutates") and any("." in path[0] for path in value):
        return Fact(name, "nothing", why="a key has a dot in its name, which paths cannot say")
    if len(runs) == 1:
        note = f"{note}; seen once" if note else "seen once"
    return Fact(
        name, "runs", frozenset(".".join(path) for path in value), confidence(settled), note
    )


def settle(runs: Runs) -> Runs | None:
    """Make runs agree: what the last third of them has must be in earlier ones.

    A path that is new in the last third is cut by its last name, and so are its
    siblings: an item whose key changes from run to run makes the whole mapping
    read. A top-level name that is new cannot be cut.

    Args:
        runs: Paths shown by each run.

    Returns:
        The runs with paths cut; ``None`` if they do not settle.
    """
    runs = [frozenset(run) for run in runs]
    last = max(1, len(runs) // 3)
    if len(runs) < 2:
        return runs
    while True:
        early = frozenset().union(*runs[:-last])
        new = {p for run in runs[-last:] for p in run if not covered(p, early)}
        if not new:
            return runs
        if any(len(path) == 1 for path in new):
            return None
        above = {path[:-1] for path in new}
        runs = [
            minimal(next((a for a in above if path[: len(a)] == a), path) for path in run)
            for run in runs
        ]


def confidence(runs: Runs) -> float:
    """One less the chance that the next run shows something new.

    Good and Turing estimate that chance by the share of runs that alone showed
    something (I. J. Good, "The population frequencies of species and the
    estimation of population parameters", Biometrika 40, 1953). One more such run
    is counted, which has not been yet, so that few runs give little confidence.

    Args:
        runs: What each run on an input of its own showed.
    """
    count = len(runs)
    if count < 2:
        return 0.0
    alone = sum(any(sum(path in other for other in runs) == 1 for path in run) for run in runs)
    return 1 - (alone + 1) / (count + 1)


def _contradictions(stage: Stage, records: Sequence[Record]) -> Iterator[str]:
    """What was seen though analysis had ruled it out, in words."""
    for record in records:
        if record.node != stage.name:
            continue
        for name, (more, known) in _ruled_out(stage, record).items():
            yield f"{_WORDS[name].format(_paths(more))}, analysis: {_paths(known)}"
        if record.route is not None:
            yield from _of_route(stage, record)
        elif record.ended == "interrupted" and not stage.interrupts:
            yield "it was interrupted, which analysis did not foresee"


_WORDS: dict[FactName, str] = {
    "reads": "it read {}",
    "writes": "it wrote {}",
    "mutates": "it changed {} in place",
    "goto": "it led to {}",
}


def _ruled_out(stage: Stage, record: Record) -> dict[FactName, tuple[set[Path], frozenset[Path]]]:
    """What a run showed though analysis had ruled it out, and what that had said."""
    found: dict[FactName, tuple[set[Path], frozenset[Path]]] = {}
    if stage.leads_to is not None:
        found["goto"] = _names(record.goto - stage.leads_to), roots(stage.leads_to)
    if record.route is None:
        if not any(doubt.fact == "reads" for doubt in stage.doubts) and not record.packet:
            used = record.used | (roots(stage.inputs) if () in record.used else set())
            more = {p for p in used if p and p[0] in stage.inputs and not covered(p, stage.reads)}
            found["reads"] = more, stage.reads
        if stage.writes is not None:
            found["writes"] = _names((record.writes or set()) - stage.writes), roots(stage.writes)
        if stage.mutates is not None:
            # What a run beside it did may look like its own doing.
            seen = record.changed | (set() if record.beside else record.unexplained)
            more = {path for path in seen if not covered(path, stage.mutates)}
            found["mutates"] = more, stage.mutates
    return {name: (more, known) for name, (more, known) in found.items() if more}


def _corrected(fact: Fact, stage: Stage, records: Sequence[Record]) -> Fact:
    """A fact of analysis that runs have contradicted: both together, to be safe."""
    wrong = [
        found[fact.name] for record in records if fact.name in (found := _ruled_out(stage, record))
    ]
    if fact.source != "analysis" or not wrong or (fact.name == "reads" and stage.whole_input):
        return fact
    every = minimal({path for more, known in wrong for path in (*more, *known)})
    if () in every:
        return Fact(fact.name, "nothing", why="analysis was wrong about it")
    value = frozenset(".".join(path) for path in every)
    return Fact(fact.name, "runs", value, 0.0, "analysis was wrong about it")


def _of_route(stage: Stage, record: Record) -> Iterator[str]:
    if record.route is None or record.route >= len(stage.routes):
        return
    route = stage.routes[record.route]
    keys = {path[0] for path in record.used if path} & route.inputs
    if () in record.used:
        keys |= route.inputs
    if not keys <= route.reads:
        yield f"its router read {_list(keys - route.reads)}, analysis: {_list(route.reads)}"


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _paths(paths: Iterable[Path]) -> str:
    return _list({".".join(path) for path in paths})
