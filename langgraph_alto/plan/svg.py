"""A plan as an SVG image: LangGraph's steps above, what Alto waits for below.

Both halves have the same columns, one per superstep, so that one sees which
vertical bars are gone. Written out directly: text, boxes and lines, no scripts,
styles or links; what comes from the graph is only ever escaped text.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from langgraph.constants import START

from langgraph_alto.plan.explain import remedy
from langgraph_alto.plan.gathers import once_per
from langgraph_alto.plan.plan import Edge, Plan
from langgraph_alto.plan.words import shown, width

_LETTER = 7.2
_BOX = 26
_ROW = 46
_GAP = 90
_MARGIN = 20
_LONGEST = 28
_FONT = 'font-family="monospace" font-size="12"'
_LINE = 100
_BARRIER = "#b00020"
_DATA = "#2e7d32"


@dataclass(frozen=True, slots=True)
class _Box:
    name: str
    left: float
    top: float
    size: float

    @property
    def right(self) -> float:
        return self.left + self.size

    @property
    def middle(self) -> float:
        return self.top + _BOX / 2


def draw(plan: Plan) -> str:
    """An image; see :meth:`~langgraph_alto.plan.plan.Plan.draw_svg`."""
    columns = _columns(plan)
    size = max((width(_short(stage.name)) for stage in plan.stages), default=6) * _LETTER + 16
    rows = max((len(names) for _, names in columns), default=1)
    half = 44 + rows * _ROW
    above = _boxes(columns, size, _MARGIN + 44)
    below = _boxes(columns, size, _MARGIN + half + 44)
    notes = list(_notes(plan))
    across = max(
        _MARGIN * 2 + len(columns) * (size + _GAP),
        _MARGIN * 2 + max((width(note) for note, _ in notes), default=0) * _LETTER,
        360.0,
    )
    down = _MARGIN * 2 + 2 * half + 18 * len(notes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across:.0f}" height="{down:.0f}" '
        f'viewBox="0 0 {across:.0f} {down:.0f}">',
        "<title>LangGraph's steps beside Alto's plan</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_langgraph(columns, above, half),
        *_alto(plan, below, _MARGIN + half),
    ]
    top = _MARGIN + 2 * half + 12
    for place, (note, colour) in enumerate(notes):
        parts.append(_text(_MARGIN, top + 18 * place, note, colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _columns(plan: Plan) -> list[tuple[str, list[str]]]:
    found: dict[int | None, list[str]] = {}
    for stage in plan.stages:
        found.setdefault(stage.step, []).append(stage.name)
    return [("?" if step is None else f"step {step}", names) for step, names in found.items()]


def _boxes(columns: list[tuple[str, list[str]]], size: float, top: float) -> dict[str, _Box]:
    return {
        name: _Box(name, _MARGIN + column * (size + _GAP), top + row * _ROW, size)
        for column, (_, names) in enumerate(columns)
        for row, name in enumerate(names)
    }


def _langgraph(
    columns: list[tuple[str, list[str]]], boxes: dict[str, _Box], half: float
) -> Iterator[str]:
    yield _text(_MARGIN, _MARGIN, "LangGraph: each step waits for all of the one before", "#000000")
    for title, names in columns:
        first = boxes[names[0]]
        yield _text(first.left, first.top - 10, title, "#555555")
        if first.left > _MARGIN:
            at = first.left - _GAP / 2
            yield _line(at, first.top - 18, at, _MARGIN + half - 14, "#000000", 3)
        for name in names:
            yield from _box(boxes[name])


def _alto(plan: Plan, boxes: dict[str, _Box], top: float) -> Iterator[str]:
    yield _text(_MARGIN, top, "Alto: each node waits for what leads to it, and its data", "#000000")
    for edge in plan.edges:
        if edge.source != START and edge.source in boxes and edge.target in boxes:
            yield _arrow(boxes[edge.source], boxes[edge.target], "#1f5fa8", _dashes(edge), 0)
    for wait in plan.dependencies:
        yield _arrow(boxes[wait.earlier], boxes[wait.node], _DATA, "2 3", 6)
    for barrier in plan.barriers:
        if barrier.earlier is not None:
            yield _arrow(boxes[barrier.earlier], boxes[barrier.node], _BARRIER, "7 4", -6)
    marks: dict[str, list[int]] = {}
    for number, barrier in enumerate(plan.barriers, 1):
        marks.setdefault(barrier.node, []).append(number)
    for name, box in boxes.items():
        yield from _box(box)
        if name in marks:
            yield _line(box.left - 4, box.top - 5, box.left - 4, box.top + _BOX + 5, _BARRIER, 3)
            numbers = ", ".join(map(str, marks[name]))
            yield _text(box.left, box.top + _BOX + 13, f"barrier {numbers}", _BARRIER)


def _dashes(edge: Edge) -> str:
    return "4 3" if edge.kind in ("route", "command") else ""


def _notes(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.off:
        yield from _wrapped(f"Nothing runs ahead: {plan.off}", _BARRIER)
    for gather in plan.gathers:
        yield from _wrapped(f"{shown(gather.node)} runs {once_per(gather)}", "#1f5fa8")
    if plan.dependencies:
        yield "green, dotted: waits that the data need", _DATA
    for number, barrier in enumerate(plan.barriers, 1):
        yield from _wrapped(f"barrier {number}: {barrier.reason}", _BARRIER)
        yield from _wrapped(f"    {remedy(barrier)}", "#555555")


def _wrapped(text: str, colour: str) -> Iterator[tuple[str, str]]:
    for line in textwrap.wrap(shown(text), _LINE, subsequent_indent=" " * 8):
        yield line, colour


def _short(name: str) -> str:
    name = shown(name)
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _box(box: _Box) -> Iterator[str]:
    yield (
        f'<rect x="{box.left:.1f}" y="{box.top:.1f}" width="{box.size:.1f}" height="{_BOX}" '
        'rx="4" fill="#f2f5f9" stroke="#44546a"/>'
    )
    yield _text(box.left + 8, box.top + 17, _short(box.name), "#000000")


def _text(left: float, top: float, text: str, colour: str) -> str:
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" {_FONT} fill="{colour}" xml:space="preserve">'
        f"{html.escape(shown(text))}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, wide: int) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{wide}"/>'
    )


def _arrow(source: _Box, target: _Box, colour: str, dashes: str, shift: float) -> str:
    """A curve from one box to another, with a head: across, beside or back below them."""
    if source.left < target.left:
        x1, y1 = source.right, source.middle + shift
        x2, y2 = target.left - 6, target.middle + shift
        bend = (x2 - x1) / 2
        bends = ((x1 + bend, y1), (x2 - bend, y2))
        head = "l-6 -4 l0 8 z"
    elif source.left == target.left:
        x1, y1 = source.right, source.middle + 4
        x2, y2 = target.right + 6, target.middle - 4 if source.top >= target.top else target.middle
        bends = ((x1 + 34, y1 + 6), (x2 + 28, y2 - 6))
        head = "l6 -4 l0 8 z"
    else:
        x1, y1 = source.left + source.size / 2 + shift, source.top + _BOX
        x2, y2 = target.left + target.size / 2 + shift, target.top + _BOX + 6
        bends = ((x1, max(y1, y2) + 26), (x2, max(y1, y2) + 26))
        head = "l-4 6 l8 0 z"
    through = " ".join(f"{x:.1f} {y:.1f}" for x, y in bends)
    tip = {"l-6": (6, 0), "l6": (-6, 0), "l-4": (0, -6)}[head.split()[0]]
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path d="M{x1:.1f} {y1:.1f} C{through} {x2:.1f} {y2:.1f}" '
        f'fill="none" stroke="{colour}"{dash}/>'
        f'<path d="M{x2 + tip[0]:.1f} {y2 + tip[1]:.1f} {head}" fill="{colour}"/>'
    )
