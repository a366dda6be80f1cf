"""What one analysis has seen so far: reads, changes, doubts."""

from __future__ import annotations

from dataclasses import dataclass, field

from langgraph_alto.plan.analysis.values import ELEMENT
from langgraph_alto.plan.effects import BELOW, Doubt, Path

_ADVICE = {
    "reads": "declare Effects(reads=...)",
    "writes": "declare Effects(writes=...)",
    "mutates": "declare Effects(mutates=...)",
    "goto": "declare Effects(goto=...)",
}
_MAX_DOUBTS = 24


@dataclass(slots=True)
class Recorder:
    """Collects what a function does to its input.

    Args:
        reads: Paths whose whole content was used.
        touched: Paths that were loaded, perhaps only to go deeper.
        mutated: Paths changed in place.
        changed: Those of them that are changed for certain.
        stores: Top-level keys set on the function's own copy of the state.
        all_reads: Whether anything may be read.
        all_mutated: Whether anything may be changed in place.
        all_stores: Whether any top-level key may be set.
        untold: Where objects are that are worked on though nothing tells their class.
        graphs: Graphs the code may call, by identity.
    """

    reads: set[Path] = field(default_factory=set)
    touched: set[Path] = field(default_factory=set)
    mutated: set[Path] = field(default_factory=set)
    changed: set[Path] = field(default_factory=set)
    stores: set[str] = field(default_factory=set)
    all_reads: bool = False
    all_mutated: bool = False
    all_stores: bool = False
    interrupts: bool = False
    calls_tasks: bool = False
    uses_store: bool = False
    asks_identity: bool = False
    untold: set[Path] = field(default_factory=set)
    graphs: dict[int, object] = field(default_factory=dict)
    file: str | None = None
    line: int | None = None
    _doubts: dict[Doubt, None] = field(default_factory=dict)

    def doubt(self, fact: str, why: str) -> None:
        """Note why a fact stays unknown, at the current line."""
        if len(self._doubts) < _MAX_DOUBTS:
            self._doubts[Doubt(fact, f"{why}; {_ADVICE[fact]}", self.file, self.line)] = None

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """All doubts, in the order they were met."""
        return tuple(self._doubts)

    def read(self, path: Path, why: str) -> None:
        """The content at ``path`` is used; ``why`` is told if that is everything."""
        if path:
            self.reads.add(path)
            return
        self.all_reads = True
        self.doubt("reads", why)

    def mutate(self, path: Path, why: str, certain: bool = True) -> None:
        """What is at ``path`` changes in place, or may if not ``certain``."""
        if not path:
            self.all_mutated = True
            self.doubt("mutates", why)
            return
        self.mutated.add(path)
        if certain:
            self.changed.add(path)
        else:
            self.doubt("mutates", why)

    def store(self, key: str | None, why: str) -> None:
        """A top-level key is set on the function's own copy of the state."""
        if key is not None:
            self.stores.add(key)
        else:
            self.all_stores = True

    def final_reads(self) -> frozenset[Path] | None:
        """The shortest set of paths that covers all reads."""
        if self.all_reads:
            return None
        known = self.reads | self.touched
        leaves = {
            t for t in self.touched if not any(len(k) > len(t) and k[: len(t)] == t for k in known)
        }
        return minimal(_whole(self.reads | leaves))

    def final_mutates(self) -> frozenset[Path] | None:
        """The shortest set of paths that covers all changes in place."""
        return None if self.all_mutated else minimal(_whole(self.mutated))


def coarsest(paths: set[Path]) -> frozenset[Path]:
    """Drop what a path of the set covers that stands for all below it."""
    return frozenset(
        p for p in paths if not any((*p[:n], BELOW) in paths - {p} for n in range(len(p) + 1))
    )


def _whole(paths: set[Path]) -> set[Path]:
    """Elements as a whole are no less than their list."""
    found = set()
    for path in paths:
        while path[-1] == ELEMENT:
            path = path[:-1]
        found.add(path)
    return found


def minimal(paths: set[Path]) -> frozenset[Path]:
    """Drop paths that another path of the set already covers."""
    return frozenset(p for p in paths if not any(p[:n] in paths for n in range(1, len(p))))
