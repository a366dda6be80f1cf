"""What a prediction takes for granted, and what it comes to, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from langgraph_alto.plan.passage import WIDTH, Passage
from langgraph_alto.plan.plan import Plan
from langgraph_alto.plan.words import duration, listed, shown

if TYPE_CHECKING:
    from langgraph_alto.plan.gain import Course, Gain

WORTH = 0.02
"""The least gain worth the name, as a share of LangGraph's time."""

EQUAL = "with equal times for the packets of one fan-out"
UNEVEN = "from half to one and a half times as long"


def assumptions(
    plan: Plan,
    found: Sequence[Passage],
    courses: Sequence[Course],
    times: Mapping[str, float],
    widths: Mapping[str, int],
) -> tuple[str, ...]:
    """What a prediction takes for granted."""
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
    several = any(len(set(step)) < len(step) for course in courses for step in course.steps)
    if plan.gathers:
        told.append(
            f"packets and the calls of {listed([of.node for of in plan.gathers])} take {UNEVEN} "
            "as given, evenly spread, and the calls of one gather run at once"
        )
    elif several:
        told.append("the packets of one fan-out take equally long")
    for out in plan.fanouts:
        sent = " and ".join(f"{widths.get(name, WIDTH)} to {shown(name)}" for name in out.targets)
        told.append(f"each {shown(out.scope)} sends {sent}")
    if any(passage.cut for passage in found):
        told.append("a passage did not come to an end and was cut off")
    return tuple(told)


def verdict(plan: Plan, gain: Gain) -> str:
    """What a prediction comes to."""
    if not gain.before:
        return "No node that runs has a time, so there is nothing to compare."
    if gain.share >= WORTH:
        return f"{_less(gain.before, gain.after)}.{_unseen(gain)}"
    little = gain.share >= WORTH / 20
    if gain.uneven is None:
        what = f"It gains only {_percent(gain.share)}" if little else "This graph gains nothing"
        return f"{what}: {_why_not(plan, gain)}.{_unseen(gain)}"
    what = f"it gains only {_percent(gain.share)}" if little else "this graph gains nothing"
    return (
        f"{EQUAL.capitalize()}, {what}: {_why_not(plan, gain)}. "
        f"If they take {UNEVEN}, {_less(*gain.uneven)}.{_unseen(gain)}"
    )


def _less(before: float, after: float) -> str:
    return (
        f"{duration(before)} in supersteps, {duration(after)} under this plan: "
        f"{_percent((before - after) / before)} less"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _unseen(gain: Gain) -> str:
    """For which runs a prediction holds, if not for all."""
    if gain.streamed - gain.after < gain.before / 1000:
        return ""
    return (
        " This holds for invoke and ainvoke without a checkpointer only, as nodes change their "
        f"input in place; under stream, or with a checkpointer: {duration(gain.streamed)}."
    )


def _why_not(plan: Plan, gain: Gain) -> str:
    if plan.off:
        return f"nothing runs ahead, because {plan.off}"
    if all(len(set(step)) < 2 for course in gain.courses for step in course.steps):
        if all(len(step) < 2 for course in gain.courses for step in course.steps):
            return "it is a chain, in which each superstep has one task"
        if not plan.gathers:
            return "it is a chain of fan-outs, each of which meets again in the next superstep"
    if late := [gather.node for gather in plan.gathers if not gather.early]:
        return f"the calls of {listed(late)} wait for its superstep"
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
