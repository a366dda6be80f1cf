"""A plan as a Mermaid flowchart: LangGraph's steps, and Alto's waits below them."""

from __future__ import annotations

from collections.abc import Iterator

from langgraph.constants import START

from langgraph_alto.plan.plan import Plan, PlannedStage
from langgraph_alto.plan.words import shown

_SAFE = frozenset(" .,-/+=()?!")
_ARROWS = {
    "edge": "-->",
    "join": "-->",
    "route": "-.->",
    "command": "-.->",
    "send": "==>",
    "gather": "-->",
}
_WORDS = {"edge": "", "join": "all of them", "route": "if", "command": "if", "send": "packets"}


def draw(plan: Plan) -> str:
    """A flowchart; see :meth:`~langgraph_alto.plan.plan.Plan.draw_mermaid`.

    Names are only ever in quoted labels, with everything that Mermaid or HTML
    could take for markup as character codes.
    """
    return "\n".join([*_langgraph(plan), *_alto(plan)]) + "\n"


def label(text: str) -> str:
    """A quoted label that shows the text as it is."""
    codes = (char if char.isalnum() or char in _SAFE else f"#{ord(char)};" for char in shown(text))
    return f'"{"".join(codes)}"'


def _langgraph(plan: Plan) -> Iterator[str]:
    yield "flowchart LR"
    yield '  subgraph langgraph ["LangGraph"]'
    yield "    direction LR"
    steps: dict[int | None, list[tuple[int, PlannedStage]]] = {}
    for number, stage in enumerate(plan.stages):
        steps.setdefault(stage.step, []).append((number, stage))
    last = None
    for place, (step, stages) in enumerate(steps.items()):
        yield f'    subgraph step{place} ["step {"?" if step is None else step}"]'
        for number, stage in stages:
            yield f"      l{number}[{label(stage.name)}]"
        yield "    end"
        if last is not None:
            yield f"    step{last} ==> step{place}"
        last = place
    yield "  end"


def _alto(plan: Plan) -> Iterator[str]:
    yield '  subgraph alto ["Alto"]'
    yield "    direction LR"
    number = {stage.name: place for place, stage in enumerate(plan.stages)}
    over = {gather.node: gather.over for gather in plan.gathers}
    for stage in plan.stages:
        several = stage.granularity in (("packet",), ("parent",))
        shape = "[[{}]]" if several else "[{}]"
        yield f"    a{number[stage.name]}{shape.format(label(stage.name))}"
    for edge in plan.edges:
        if edge.source == START or edge.source not in number or edge.target not in number:
            continue
        words = _WORDS.get(edge.kind) or ""
        if edge.kind == "gather":
            words = f"once per {over[edge.target]}"
        text = f"|{label(words)}|" if words else ""
        yield f"    a{number[edge.source]} {_ARROWS[edge.kind]}{text} a{number[edge.target]}"
    drawn: set[tuple[str, str]] = set()
    for wait in plan.dependencies:
        if (wait.earlier, wait.node) not in drawn:
            drawn.add((wait.earlier, wait.node))
            text = label("data: " + ", ".join(map(shown, wait.keys)) if wait.keys else "data")
            yield f"    a{number[wait.earlier]} -->|{text}| a{number[wait.node]}"
    alone: list[int] = []
    for place, barrier in enumerate(plan.barriers, 1):
        text = label(f"barrier {place}")
        if barrier.earlier is None:
            alone.append(number[barrier.node])
            yield f"    b{place}>{text}] -.- a{number[barrier.node]}"
        else:
            yield f"    a{number[barrier.earlier]} -.-x|{text}| a{number[barrier.node]}"
    yield "  end"
    if alone:
        yield "  classDef barrier stroke-dasharray: 5 5"
        yield f"  class {','.join(f'a{place}' for place in sorted(set(alone)))} barrier"


__all__ = ["draw", "label"]
