"""Words of plans: names as they may be printed, declarations as they may be pasted.

A node's name is any text. What is printed shows it on one line and without
control characters; what is pasted is a Python literal that evaluates to it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath

from langgraph_alto.plan.effects import Doubt, Effects, Path

ADVICE = "; declare Effects("
"""Analysis ends its doubts with advice; a plan has its own, which is exact."""

ACCOUNT = "__gather_"
"""What the key of a gather's account begins with, before its name; it is no user's."""


def shown(name: str) -> str:
    """A name on one line: what cannot be printed is written as an escape."""
    if name.isprintable() and name:
        return name
    escaped = (char if char.isprintable() else ascii(char)[1:-1] for char in name)
    return "".join(escaped) or "''"


def quoted(name: str) -> str:
    """A Python literal of a name, in double quotes where that needs no more escapes."""
    literal = repr(name)
    if literal[0] == "'" and '"' not in literal:
        return f'"{literal[1:-1]}"'
    return literal


def listed(names: Iterable[str], word: str = "and") -> str:
    """Names in a sentence: ``a, b and c``."""
    texts = [shown(name) for name in names]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}"


def dotted(paths: Collection[Path]) -> tuple[str, ...]:
    """Paths as a user declares them, sorted."""
    return tuple(sorted(".".join(path) for path in paths))


def because(doubt: Doubt) -> str:
    """Why something is unknown, with the place in the source."""
    why = doubt.why.partition(ADVICE)[0]
    if doubt.file is None or doubt.line is None:
        return why
    return f"{why} ({shown(PurePath(doubt.file).name)} line {doubt.line})"


def pasted(effects: Mapping[str, Effects]) -> str:
    """Declarations as an argument of ``wrap``."""
    nodes = ", ".join(f"{quoted(name)}: {_effects(effects[name])}" for name in sorted(effects))
    return f"effects={{{nodes}}}"


def _effects(of: Effects) -> str:
    parts = [
        f"{name}={_names(value)}"
        for name in ("reads", "writes", "mutates", "goto", "routes")
        if (value := getattr(of, name)) is not None
    ]
    if of.ordered:
        parts.append("ordered=True")
    return f"Effects({', '.join(parts)})"


def _names(names: Collection[str]) -> str:
    return f"{{{', '.join(quoted(name) for name in sorted(names))}}}" if names else "()"


def duration(seconds: float) -> str:
    """A time for people: three digits."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms" if seconds else "0 s"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def padded(text: str, columns: int) -> str:
    """A text with spaces after it, to fill so many columns."""
    return text + " " * max(columns - width(text), 0)
