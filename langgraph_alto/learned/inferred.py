"""What was learned of a graph: effects to declare, and how far to trust them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langgraph_alto.plan.effects import Effects

FactName = Literal["reads", "writes", "mutates", "goto"]
Source = Literal["analysis", "runs", "nothing"]

FACTS: tuple[FactName, ...] = ("reads", "writes", "mutates", "goto")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact about one node.

    Args:
        name: Which.
        source: Who knows it: ``"analysis"``, which is certain; ``"runs"``, which
            have shown it; or ``"nothing"``.
        value: Names or dotted paths; ``None`` if it is not known.
        confidence: Between 0 and 1; see `langgraph_alto.infer`. 1 where analysis
            knows, 0 where nothing does.
        why: Why it is not known, or what makes it less certain.
    """

    name: FactName
    source: Source
    value: frozenset[str] | None = None
    confidence: float = 0.0
    why: str = ""

    def __str__(self) -> str:
        if self.source == "analysis":
            return "analysis knows"
        if self.value is None:
            return f"not known: {self.why}"
        shown = ", ".join(sorted(self.value)) or "nothing"
        note = f"; {self.why}" if self.why else ""
        return f"{shown} (confidence {self.confidence:.2f}, {self.grade}{note})"

    @property
    def grade(self) -> str:
        """The confidence as a word: ``"high"`` from 0.9, ``"fair"`` from 0.7, ``"low"``."""
        return "high" if self.confidence >= 0.9 else "fair" if self.confidence >= 0.7 else "low"


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of one node.

    Args:
        node: Its name.
        runs: How often it ran to its end.
        inputs: How many of those runs had an input that no earlier one had.
        facts: One for each of reads, writes, mutates and goto; none if it was
            never reached.
        barrier: Why it keeps its own superstep even with these effects declared;
            ``None`` if it may run ahead.
        contradictions: What runs showed and analysis had ruled out: a bug to
            look at, in the node's annotations or in this package.
        notes: What else is worth knowing.
    """

    node: str
    runs: int
    inputs: int
    facts: tuple[Fact, ...] = ()
    barrier: str | None = None
    contradictions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def effects(self) -> Effects | None:
        """The facts that only runs have shown; ``None`` if there is none."""
        return declaration(self.facts)

    @property
    def why_not(self) -> str | None:
        """Why the node cannot be judged; ``None`` if every fact is known."""
        if not self.runs and (not self.facts or any(f.source == "nothing" for f in self.facts)):
            return self.notes[0] if self.notes else "no run reached it"
        unknown = [f"{f.name}: {f.why}" for f in self.facts if f.source == "nothing"]
        return "; ".join(unknown) or None

    @property
    def confidence(self) -> float:
        """The least confidence of what runs have shown; 1 where analysis knows all."""
        return min((f.confidence for f in self.facts if f.source != "analysis"), default=1.0)


@dataclass(frozen=True, slots=True)
class Inferred:
    """What `langgraph_alto.infer` found out about a graph.

    Args:
        nodes: One entry for each node, in the graph's order.
        runs: How often the graph ran.
        failures: The exceptions that ended runs, as text.
    """

    nodes: tuple[Learned, ...]
    runs: int
    failures: tuple[str, ...] = ()

    def __getitem__(self, node: str) -> Learned:
        for learned in self.nodes:
            if learned.node == node:
                return learned
        raise KeyError(node)

    @property
    def effects(self) -> dict[str, Effects]:
        """What to declare, by node: ``wrap(graph, effects=inferred.effects)``."""
        found = {learned.node: learned.effects for learned in self.nodes}
        return {node: effects for node, effects in found.items() if effects is not None}

    @property
    def source(self) -> str:
        """The effects as Python, for ``effects=``: evaluates to `effects`."""
        return source(self.effects)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """What runs showed and analysis had ruled out, with the nodes' names."""
        return tuple(f"{n.node}: {text}" for n in self.nodes for text in n.contradictions)

    def __str__(self) -> str:
        return "\n".join(_report(self))


def declaration(facts: Iterable[Fact]) -> Effects | None:
    """The facts that only runs have shown, as a declaration; ``None`` if there is none."""
    found: dict[str, Any] = {fact.name: fact.value for fact in facts if fact.source == "runs"}
    return Effects(**found, observed=True) if found else None


def source(effects: Mapping[str, Effects]) -> str:
    """Write effects as the Python expression of a dict.

    Args:
        effects: By node; only names and text in them.
    """
    if not effects:
        return "{}"
    lines = [f"    {_quoted(node)}: {_effects_source(each)}," for node, each in effects.items()]
    return "\n".join(["{", *lines, "}"])


def _effects_source(effects: Effects) -> str:
    parts = [
        f"{name}={_set_source(value)}"
        for name in FACTS
        if (value := getattr(effects, name)) is not None
    ]
    one = f"Effects({', '.join(parts)})"
    if len(one) <= 80:
        return one
    return "\n".join(["Effects(", *(f"        {part}," for part in parts), "    )"])


def _set_source(names: Collection[str]) -> str:
    return "{" + ", ".join(map(_quoted, sorted(names))) + "}" if names else "set()"


def _quoted(text: str) -> str:
    plain = repr(text) == f"'{text}'" and '"' not in text
    return f'"{text}"' if plain else repr(text)


def _report(inferred: Inferred) -> Iterator[str]:
    count = f"{inferred.runs} run{'s' if inferred.runs != 1 else ''} of the graph"
    failed = f", {len(inferred.failures)} of them failed" if inferred.failures else ""
    yield count + failed
    yield from (f"  {text}" for text in dict.fromkeys(inferred.failures))
    yield ""
    yield f"effects={inferred.source}"
    for learned in inferred.nodes:
        yield ""
        repeated = "" if learned.inputs == learned.runs else f", {learned.inputs} different inputs"
        yield f"{learned.node}: {learned.runs} run{'s' if learned.runs != 1 else ''}{repeated}"
        if learned.facts and all(fact.source == "analysis" for fact in learned.facts):
            yield "  analysis knows all of it"
        elif not learned.runs:
            yield f"  cannot be judged: {learned.why_not}"
        else:
            yield from (f"  {fact.name:8} {fact}" for fact in learned.facts)
        if learned.barrier is not None:
            yield f"  keeps its barrier: {learned.barrier}"
        yield from (f"  a bug to look at: {text}" for text in learned.contradictions)
        yield from (f"  {note}" for note in learned.notes if note != learned.why_not)
