"""Paired timings, and what has to stand beside them to mean something.

A shared machine drifts by far more than the differences measured here, so
nothing is timed alone: the contenders take turns, the order rotates from round
to round, and what is reported is the median of the ratios within a round, with
a bootstrap interval. Garbage is collected before each timed call, so that none
pays for another's, and collection stays on during it, because its cost belongs
to the engine that makes the garbage.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import json
import math
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

PACKAGES = ("langgraph", "langgraph-checkpoint", "langgraph-prebuilt", "langchain-core")
"""The distributions whose versions a result names, beside this one's own."""

_LONG = 0.1
"""Seconds of work, not of waiting, from which a run is worth a full collection after it."""


class RunOnLoop(Protocol):
    """Runs one coroutine to its end on an event loop that stays open."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """The times of one contender, in seconds, one for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle time."""
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        """The shortest time."""
        return min(self.seconds)

    @property
    def high(self) -> float:
        """The longest time."""
        return max(self.seconds)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two contenders: the median over the rounds and its interval.

    Args:
        rounds: The ratio within each round.
        median: The middle of `rounds`.
        low: Lower end of the 95 % bootstrap interval of the median.
        high: Upper end of it.
    """

    rounds: tuple[float, ...]
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that must not be passed.

    Args:
        name: What is limited.
        value: What was measured.
        limit: The most that is allowed.
    """

    name: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 1,
    between: Callable[[], None] | None = None,
) -> dict[str, Sample]:
    """Time the contenders in turn, in an order that rotates with each round.

    Args:
        contenders: What to call, by name.
        rounds: How often each is timed.
        warm_up: How often each is called before that.
        between: Called before each timed call, outside its time.

    Returns:
        The times of each contender, round by round, so that index `i` of two of
        them belongs to the same round.
    """
    names = list(contenders)
    for _ in range(warm_up):
        for name in names:
            contenders[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    worked = 0.0
    for round_ in range(rounds):
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            if between is not None:
                between()
            # A full collection takes longer than a short run leaves behind to collect.
            gc.collect(1 if worked < _LONG else 2)
            worked = time.process_time()
            start = time.perf_counter()
            contenders[name]()
            times[name].append(time.perf_counter() - start)
            worked = time.process_time() - worked
    return {name: Sample(tuple(seconds)) for name, seconds in times.items()}


def ratio(of: Sample, to: Sample) -> Ratio:
    """The ratio of two samples taken in the same rounds.

    Args:
        of: The sample above the line.
        to: The sample below it.

    Raises:
        ValueError: If the samples do not have the same number of rounds.
    """
    rounds = tuple(a / b for a, b in zip(of.seconds, to.seconds, strict=True))
    low, high = bootstrap(rounds, statistics.median)
    return Ratio(rounds, statistics.median(rounds), low, high)


def bootstrap(
    values: Sequence[float],
    of: Callable[[Sequence[float]], float],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap interval of a statistic.

    Args:
        values: The observations.
        of: The statistic.
        resamples: How often to draw from `values` with replacement.
        confidence: The share of the resampled statistics inside the interval.
        seed: Makes the interval a function of its arguments.

    Returns:
        Lower and upper end.
    """
    draw = random.Random(seed)
    drawn = sorted(of(draw.choices(values, k=len(values))) for _ in range(resamples))
    return _middle(drawn, confidence)


def geometric_mean(ratios: Sequence[Ratio]) -> Ratio:
    """The geometric mean of several ratios, with an interval over all of them.

    Each ratio counts once, whatever its number of rounds. The interval comes
    from resampling the rounds of each ratio on their own.

    Args:
        ratios: What to average; at least one.
    """
    medians = tuple(one.median for one in ratios)
    draw = random.Random(0)
    drawn = sorted(
        statistics.geometric_mean(
            [statistics.median(draw.choices(one.rounds, k=len(one.rounds))) for one in ratios]
        )
        for _ in range(1000)
    )
    low, high = _middle(drawn, 0.95)
    return Ratio(medians, statistics.geometric_mean(medians), low, high)


def _middle(ordered: Sequence[float], confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    last = len(ordered) - 1
    return ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)]


@contextmanager
def event_loop() -> Iterator[RunOnLoop]:
    """An event loop for many timed runs, so that none pays for opening one.

    Yields:
        A function that runs one coroutine on it to its end.
    """
    loop = asyncio.new_event_loop()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return loop.run_until_complete(work)

    try:
        yield run
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and with what a result was measured."""

    cpu: str
    cores: int
    memory_gib: float | None
    load: float | None
    system: str
    python: str
    packages: dict[str, str]
    date: str

    def __str__(self) -> str:
        """Two lines for the foot of a table."""
        memory = f", {self.memory_gib:.0f} GiB" if self.memory_gib else ""
        load = f", load {self.load:.1f} at the start" if self.load is not None else ""
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores{memory}{load}; {self.system}; {self.date}\n"
            f"{self.python}; {versions}"
        )


def machine() -> Machine:
    """Describe this machine and the versions in use, at this moment."""
    packages = {name: _version(name) for name in (*PACKAGES, "langgraph-alto")}
    return Machine(
        cpu=_cpu_model(),
        cores=_usable_cores(),
        memory_gib=_memory_gib(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=packages,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):
        return None


def write_json(path: Path, **parts: Any) -> None:
    """Write dataclasses, and lists of them, to a JSON file.

    Args:
        path: The file, replaced if it exists.
        parts: What to write, by name; each a dataclass, a sequence of them, or
            plain JSON.
    """

    def plain(part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [plain(one) for one in part]
        return asdict(part) if hasattr(part, "__dataclass_fields__") else part

    text = json.dumps({name: plain(part) for name, part in parts.items()}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
