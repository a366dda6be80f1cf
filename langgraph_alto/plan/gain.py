"""What a plan gains, predicted from how long each node takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real

from langgraph.constants import START

from langgraph_alto.plan.durations import Durations, durations
from langgraph_alto.plan.effects import Effects
from langgraph_alto.plan.makespan import Makespan, in_supersteps, run_ahead
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.passage import Passage, passages
from langgraph_alto.plan.plan import Barrier, Given, Plan
from langgraph_alto.plan.verdict import WORTH, assumptions, verdict
from langgraph_alto.plan.waits import ordered_by


@dataclass(frozen=True, slots=True)
class Course:
    """One passage through the graph, both ways.

    Args:
        steps: The nodes of each superstep, the input's left out.
        before: In supersteps.
        after: As the engine runs it.
    """

    steps: tuple[tuple[str, ...], ...]
    before: Makespan
    after: Makespan


@dataclass(frozen=True, slots=True)
class LiftGain:
    """What one declaration would gain, on top of the plan as it is.

    Args:
        text: The declaration.
        seconds: Time saved per run, on average over the passages.
    """

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Gain:
    """A prediction of times; seconds throughout.

    Args:
        before: A run in LangGraph's supersteps, on average over the passages.
        after: A run under the plan.
        edges: A run that waits for nothing but its edges: no plan is quicker.
        courses: The passages looked at.
        lifts: What each suggested declaration would gain, most first.
        lifted: A run with all of them together.
        streamed: A run under the plan where the state is seen between supersteps,
            by ``stream`` or a checkpointer: then nodes that change their input in
            place wait for their own supersteps.
        uneven: The times before and after if the packets of a node took from half
            to one and a half times as long, where equal times hide a gain; ``None``
            where they hide none, or if ``before`` and ``after`` are those.
        assumptions: What was taken for granted, in words.
        verdict: What it comes to, in words.
    """

    before: float
    after: float
    edges: float
    courses: tuple[Course, ...]
    lifts: tuple[LiftGain, ...]
    lifted: float
    assumptions: tuple[str, ...]
    verdict: str
    streamed: float = 0.0
    uneven: tuple[float, float] | None = None

    @property
    def share(self) -> float:
        """The time saved as a share of LangGraph's, from 0 to 1."""
        return (self.before - self.after) / self.before if self.before else 0.0

    @property
    def longest(self) -> Course | None:
        """The passage that takes longest under the plan."""
        return max(self.courses, key=lambda course: course.after.seconds, default=None)

    def of(self, barrier: Barrier) -> float | None:
        """What lifting a barrier would gain; ``None`` if no declaration lifts it."""
        for lift in self.lifts:
            if barrier.lift is not None and lift.text == barrier.lift.text:
                return lift.seconds
        return None


def predict(
    plan: Plan, times: Mapping[str, float], widths: Mapping[str, int] | None = None
) -> Gain:
    """Predict what a plan gains; see :meth:`~langgraph_alto.plan.plan.Plan.gain`."""
    _check_types(times, widths)
    widths = widths or {}
    given = plan.given
    if given is None:
        return Gain(0.0, 0.0, 0.0, (), (), 0.0, (), f"Nothing runs ahead: {plan.off}.")
    masks = given.masks
    _check(masks, times, widths)
    seconds = [float(times.get(stage.name, 0.0)) for stage in masks.stages]
    found = passages(given, masks, widths)
    # What gathers gain is that parents need not wait for each other.
    uneven = bool(given.gathers)
    timed = _timed(found, given, seconds, uneven=uneven)
    courses = _courses(plan, given, timed)
    before = _mean([course.before.seconds for course in courses])
    after = _mean([course.after.seconds for course in courses])
    lifts, lifted = _lifts(plan, given, timed, after)
    seen = replace(masks, ahead=masks.ahead & ~masks.mutators)
    gain = Gain(
        before=before,
        after=after,
        edges=_played(timed, _stops(given), _edges_only(given, masks)),
        courses=tuple(courses),
        lifts=lifts,
        lifted=lifted,
        assumptions=assumptions(plan, found, courses, times, widths),
        verdict="",
        streamed=after if plan.off or given.watched else _played(timed, given, seen),
    )
    if not uneven and before and gain.share < WORTH and not plan.off:
        gain = replace(gain, uneven=_uneven(plan, given, found, seconds))
    return replace(gain, verdict=verdict(plan, gain))


_Timed = Sequence[tuple[Passage, tuple[Durations, ...]]]


def _timed(
    found: Sequence[Passage], given: Given, seconds: Sequence[float], *, uneven: bool
) -> _Timed:
    return [
        (each, durations(each, given.masks, given.gathers, seconds, uneven=uneven))
        for each in found
    ]


def _courses(plan: Plan, given: Given, timed: _Timed) -> list[Course]:
    courses = []
    for passage, drawn in timed:
        both = []
        for lasts in drawn:
            steps = in_supersteps(passage, given.masks, lasts)
            ahead = steps if plan.off else run_ahead(passage, given, given.masks, lasts)
            both.append((steps, ahead))
        both.sort(key=lambda each: each[1].seconds)
        courses.append(Course(_steps(passage, given.masks), *both[len(both) // 2]))
    return courses


def _uneven(
    plan: Plan, given: Given, found: Sequence[Passage], seconds: Sequence[float]
) -> tuple[float, float] | None:
    """The times where packets differ, if there is something to gain then."""
    if not any(len(set(step)) < len(step) for each in found for step in _steps(each, given.masks)):
        return None
    courses = _courses(plan, given, _timed(found, given, seconds, uneven=True))
    before = _mean([course.before.seconds for course in courses])
    after = _mean([course.after.seconds for course in courses])
    return (before, after) if after < before * (1 - WORTH) else None


def _check_types(times: object, widths: object) -> None:
    if not isinstance(times, Mapping):
        raise TypeError(
            f"times is a {type(times).__name__}; give a mapping of node names to seconds, "
            'such as {"node": 0.5}'
        )
    if widths is not None and not isinstance(widths, Mapping):
        raise TypeError(
            f"widths is a {type(widths).__name__}; give a mapping of node names to numbers of "
            'packets, such as {"node": 8}'
        )
    for name, time in times.items():
        if isinstance(time, bool) or not isinstance(time, Real):
            raise TypeError(f"times[{name!r}] is {time!r}; give seconds, a number")
    for name, width in (widths or {}).items():
        if isinstance(width, bool) or not isinstance(width, Integral):
            raise TypeError(
                f"widths[{name!r}] is {width!r}; give the number of packets, a whole number"
            )


def _check(masks: Masks, times: Mapping[str, float], widths: Mapping[str, int]) -> None:
    known = sorted(set(masks.index) - {START})
    for option, names in (("times", times), ("widths", widths)):
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{option} names the node {name!r}, which the graph does not have; "
                    f"its nodes are {', '.join(map(repr, known))}"
                )
    for name, time in times.items():
        if not 0 <= time < float("inf"):
            raise ValueError(f"times[{name!r}] is {time}; give seconds, 0 or more")
    for name, width in widths.items():
        if width < 1:
            raise ValueError(f"widths[{name!r}] is {width}; give the number of packets, 1 or more")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _steps(passage: Passage, masks: Masks) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(masks.stages[job.node].name for job in step)
        for step in passage.steps
        if [masks.stages[job.node].name for job in step] != [START]
    )


def _played(timed: _Timed, given: Given, masks: Masks) -> float:
    middle = []
    for passage, drawn in timed:
        ends = sorted(run_ahead(passage, given, masks, lasts).seconds for lasts in drawn)
        middle.append(ends[len(ends) // 2])
    return _mean(middle)


def _lifts(
    plan: Plan, given: Given, timed: _Timed, after: float
) -> tuple[tuple[LiftGain, ...], float]:
    """What each declaration would gain alone, and what all of them leave."""
    declared = {
        barrier.lift.text: dict(barrier.lift.effects)
        for barrier in plan.barriers
        if barrier.lift is not None
    }
    if plan.off or not declared:
        return (), after
    gains = []
    together = dict(given.effects)
    for text, of in declared.items():
        lifted = given.remade({**given.effects, **of})
        gains.append(LiftGain(text, after - _played(timed, given, lifted)))
        for name, promised in of.items():
            together[name] = _both(together[name], promised) if name in together else promised
    gains.sort(key=lambda gain: (-gain.seconds, gain.text))
    return tuple(gains), _played(timed, given, given.remade(together))


def _both(one: Effects, other: Effects) -> Effects:
    """What two declarations of one node promise together."""

    def value(fact: str) -> frozenset[str] | None:
        sides = [
            frozenset(names) for each in (one, other) if (names := getattr(each, fact)) is not None
        ]
        return sides[0].intersection(*sides) if sides else None

    return Effects(
        reads=value("reads"),
        writes=value("writes"),
        mutates=value("mutates"),
        ordered=one.ordered or other.ordered,
        goto=value("goto"),
    )


def _stops(given: Given) -> Given:
    """The graph without whatever makes it stop."""
    return replace(given, stops_before=0, stops_after=0, watched=False)


def _edges_only(given: Given, masks: Masks) -> Masks:
    """The graph if no node read anything: what is left is its edges."""
    none = (0,) * len(masks.stages)
    return replace(
        masks,
        successors=ordered_by(given, masks).known,
        blockers=none,
        packet_blockers=none,
        route_blockers=none,
        ahead=(1 << len(masks.stages)) - 1,
        interrupts=0,
        mutators=0,
        as_is=tuple(frozenset[str]() for _ in masks.stages),
        routes_late=tuple(False for _ in masks.stages),
    )


__all__ = ["WORTH", "Course", "Gain", "LiftGain", "predict"]
