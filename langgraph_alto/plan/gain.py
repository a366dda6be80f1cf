"""What a plan gains, predicted from how long each node takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real

from langgraph.constants import START

from langgraph_alto.plan.effects import Effects
from langgraph_alto.plan.makespan import Makespan, in_supersteps, run_ahead
from langgraph_alto.plan.masks import Masks
from langgraph_alto.plan.passage import WIDTH, Passage, passages
from langgraph_alto.plan.plan import Barrier, Given, Plan
from langgraph_alto.plan.waits import ordered_by
from langgraph_alto.plan.words import duration, listed, shown

WORTH = 0.02
"""The least gain worth the name, as a share of LangGraph's time."""


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
    courses = []
    for passage in found:
        steps = in_supersteps(passage, masks, seconds)
        ahead = steps if plan.off else run_ahead(passage, given, masks, seconds)
        courses.append(Course(_steps(passage, masks), steps, ahead))
    after = _mean([course.after.seconds for course in courses])
    lifts, lifted = _lifts(plan, given, found, seconds, after)
    gain = Gain(
        before=_mean([course.before.seconds for course in courses]),
        after=after,
        edges=_played(found, _stops(given), _edges_only(given, masks), seconds),
        courses=tuple(courses),
        lifts=lifts,
        lifted=lifted,
        assumptions=_assumptions(plan, found, courses, times, widths),
        verdict="",
    )
    return replace(gain, verdict=_verdict(plan, gain))


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


def _played(
    found: Sequence[Passage], given: Given, masks: Masks, seconds: Sequence[float]
) -> float:
    return _mean([run_ahead(passage, given, masks, seconds).seconds for passage in found])


def _lifts(
    plan: Plan, given: Given, found: Sequence[Passage], seconds: Sequence[float], after: float
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
        gains.append(LiftGain(text, after - _played(found, given, lifted, seconds)))
        for name, promised in of.items():
            together[name] = _both(together[name], promised) if name in together else promised
    gains.sort(key=lambda gain: (-gain.seconds, gain.text))
    return tuple(gains), _played(found, given, given.remade(together), seconds)


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


# -- in words -------------------------------------------------------------------


def _assumptions(
    plan: Plan,
    found: Sequence[Passage],
    courses: Sequence[Course],
    times: Mapping[str, float],
    widths: Mapping[str, int],
) -> tuple[str, ...]:
    told = ["only the nodes' own times count, and as many run at once as may"]
    ran = {name for course in courses for step in course.steps for name in step}
    untimed = sorted(ran - set(times))
    if untimed:
        told.append(f"no time was given for {listed(untimed)}: they count as 0 s")
    if len(found) > 1:
        told.append(
            f"choices are made one at a time: {len(found)} passages, each as likely as the others"
        )
    if any(stage.again for stage in plan.stages):
        told.append("a loop is gone round once")
    for out in plan.fanouts:
        sent = " and ".join(f"{widths.get(name, WIDTH)} to {shown(name)}" for name in out.targets)
        told.append(f"each {shown(out.scope)} sends {sent}")
    if any(passage.cut for passage in found):
        told.append("a passage did not come to an end and was cut off")
    return tuple(told)


def _verdict(plan: Plan, gain: Gain) -> str:
    if not gain.before:
        return "No node that runs has a time, so there is nothing to compare."
    share = f"{gain.share * 100:.0f} %"
    if gain.share >= WORTH:
        return (
            f"{duration(gain.before)} in supersteps, {duration(gain.after)} under this plan: "
            f"{share} less."
        )
    what = "This graph gains nothing" if gain.share < WORTH / 20 else f"It gains only {share}"
    return f"{what}: {_why_not(plan, gain)}."


def _why_not(plan: Plan, gain: Gain) -> str:
    if plan.off:
        return f"nothing runs ahead, because {plan.off}"
    if all(len(set(step)) < 2 for course in gain.courses for step in course.steps):
        if all(len(step) < 2 for course in gain.courses for step in course.steps):
            return "it is a chain, in which each superstep has one task"
        return "it is a chain of fan-outs, each of which meets again in the next superstep"
    if gain.edges > gain.before * (1 - WORTH):
        return (
            "the slowest task of each superstep leads to that of the next, "
            "so its edges alone take as long"
        )
    if gain.lifted < gain.before * (1 - WORTH):
        return (
            f"the barriers that stay hold it; with all that could be declared it would take "
            f"{duration(gain.lifted)} instead of {duration(gain.before)}"
        )
    if plan.dependencies and not plan.barriers:
        return f"the data need its waits ({plan.dependencies[0].why})"
    reasons = [barrier.reason for barrier in plan.barriers] + [d.why for d in plan.dependencies]
    return reasons[0] if reasons else "what it waits for is at work all the time"


__all__ = ["WORTH", "Course", "Gain", "LiftGain", "predict"]
