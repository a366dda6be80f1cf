"""The shapes: for each a graph, its input, what was drawn, and the other forms."""

from __future__ import annotations

import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from comparisons import _beside, _branches, _by_hand, _fanouts, _tuned
from comparisons._bound import Work
from comparisons._twin import sync_twin

Build = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A graph to run in several forms.

    Args:
        name: What it shows.
        build: Compiles it, with coroutine functions as nodes.
        given: Its input; read only.
        works: The tasks of a run, for the bound.
        by_hand: The same in plain asyncio, from the input to (part of) the state.
        answer: The keys on which all forms must agree.
        tuned: The tuned form for LangGraph, or why there is none.
    """

    name: str
    build: Build
    given: dict[str, Any]
    works: tuple[Work, ...]
    by_hand: Callable[[Any], Awaitable[dict[str, Any]]]
    answer: tuple[str, ...]
    tuned: Build | str

    def build_sync(self) -> Any:
        """Compile the same graph for the thread engine."""
        twin = sync_twin(sys.modules[self.build.__module__])
        return getattr(twin, self.build.__name__)()


def _draw(seed: int, *ranges: tuple[float, float], count: int) -> list[tuple[float, ...]]:
    """Durations in whole 5 ms, the same for the same seed."""
    rng = random.Random(seed)
    return [
        tuple(rng.randrange(round(low * 200), round(high * 200) + 1) / 200 for low, high in ranges)
        for _ in range(count)
    ]


_ITEMS: list[dict[str, Any]] = [
    {"name": f"item {number}", "fetch": fetch, "rate": rate}
    for number, (fetch, rate) in enumerate(_draw(28, (0.02, 0.1), (0.02, 0.1), count=8))
]
_PEOPLE: list[dict[str, Any]] = [
    {"name": f"person {number}", "fetch": 0.0, "rate": rate}
    for number, (rate,) in enumerate(_draw(3, (0.02, 0.1), count=6))
]
_DOCUMENTS: list[dict[str, Any]] = [
    {
        "name": f"document {number}",
        "split": split,
        "checks": [check for (check,) in _draw(10 + number, (0.02, 0.1), count=2 + number)],
    }
    for number, (split,) in enumerate(_draw(2, (0.02, 0.1), count=4))
]
_CALLS: list[dict[str, Any]] = [
    {"tool": tool, "run": run, "digest": digest}
    for tool, (run, digest) in zip(
        ("web", "files", "sums", "maps"), _draw(4, (0.02, 0.1), (0.02, 0.1), count=4), strict=True
    )
]
_ENTRIES: list[dict[str, Any]] = [
    {"name": f"entry {number}", "score": score}
    for number, (score,) in enumerate(_draw(5, (0.02, 0.05), count=5))
]
_QUERIES: list[dict[str, Any]] = [
    {"text": f"query {number}", "search": search, "read": read}
    for number, (search, read) in enumerate(_draw(6, (0.01, 0.05), (0.01, 0.05), count=4))
]


def _each(label: str, count: int) -> tuple[str, ...]:
    return tuple(f"{label} {number}" for number in range(count))


SHAPES = (
    Shape(
        "uneven branches",
        _branches.uneven_branches,
        {"city": "Ghent"},
        (
            Work("find flights", 0.02, reads=("city",), writes=("flights",)),
            Work("find hotels", 0.1, reads=("city",), writes=("hotels",)),
            Work("forecast", 0.06, reads=("city",), writes=("weather",)),
            Work("price flights", 0.1, ("find flights",), ("flights",), ("fare",)),
            Work("price hotels", 0.02, ("find hotels",), ("hotels",), ("room",)),
            Work("pack", 0.06, ("forecast",), ("weather",), ("luggage",)),
            Work(
                "plan",
                0.02,
                ("price flights", "price hotels", "pack"),
                ("fare", "room", "luggage"),
                ("plan",),
            ),
        ),
        _by_hand.uneven_branches,
        ("plan",),
        _tuned.uneven_branches,
    ),
    Shape(
        "issue 6320",
        _branches.issue_6320,
        {"log": []},
        (
            Work("fast", 0.02, writes=("log",)),
            Work("slow", 0.12, writes=("log",)),
            Work("after fast", 0.09, ("fast",), writes=("log",)),
        ),
        _by_hand.issue_6320,
        ("log",),
        _tuned.issue_6320,
    ),
    Shape(
        "waiting edges",
        _branches.waiting_edges,
        {"files": ["a.pdf", "b.pdf"]},
        (
            Work("extract", 0.02, reads=("files",), writes=("text",)),
            Work("detect faces", 0.1, reads=("files",), writes=("faces",)),
            Work("tidy", 0.02, ("extract",), ("text",), ("clean",)),
            Work("index", 0.08, ("tidy",), ("clean",), ("index",)),
            Work("catalogue", 0.02, ("index", "detect faces"), ("index", "faces"), ("entry",)),
        ),
        _by_hand.waiting_edges,
        ("entry",),
        _tuned.waiting_edges,
    ),
    Shape(
        "double edges",
        _branches.double_edges,
        {"topic": "tides", "reviews": []},
        (
            Work("draft", 0.02, reads=("topic",), writes=("draft",)),
            Work("gather sources", 0.1, reads=("topic",), writes=("sources",)),
            Work("first review", 0.1, ("draft",), ("draft",), ("reviews",)),
            Work("cite", 0.02, ("gather sources",), ("sources",), ("cited",)),
            Work("second review", 0.1, ("cite",), ("draft",), ("reviews",)),
        ),
        _by_hand.double_edges,
        ("reviews",),
        "a subgraph makes the node run once",
    ),
    Shape(
        "router in a branch",
        _branches.router_in_branch,
        {"text": "why is it wet"},
        (
            Work("triage", 0.02, reads=("text",), writes=("kind",)),
            Work("audit", 0.12, reads=("text",), writes=("audit",)),
            Work("research", 0.1, ("triage",), ("text",), ("answer",)),
        ),
        _by_hand.router_in_branch,
        ("answer", "audit"),
        _tuned.router_in_branch,
    ),
    Shape(
        "Pydantic state",
        _branches.pydantic_state,
        {"question": "parking"},
        (
            Work("collect facts", 0.02, reads=("question",), writes=("facts",)),
            Work("find laws", 0.1, reads=("question",), writes=("laws",)),
            Work("check facts", 0.1, ("collect facts",), ("facts",), ("checked",)),
            Work("cite law", 0.02, ("find laws",), ("laws",), ("citation",)),
            Work("judge", 0.02, ("check facts", "cite law"), ("checked", "citation")),
        ),
        _by_hand.pydantic_state,
        ("verdict",),
        _tuned.pydantic_state,
    ),
    Shape(
        "Pydantic state changed in place",
        _branches.changed_in_place,
        {"question": "parking"},
        (
            Work("open", 0.02, writes=("facts", "laws")),
            Work("note facts", 0.02, ("open",), ("question", "facts"), ("facts.lines",)),
            Work("note laws", 0.1, ("open",), ("question", "laws"), ("laws.lines",)),
            Work("weigh facts", 0.1, ("note facts",), ("facts.lines",), ("facts.result",)),
            Work("weigh laws", 0.02, ("note laws",), ("laws.lines",), ("laws.result",)),
            Work("decide", 0.02, ("weigh facts", "weigh laws"), ("facts.result", "laws.result")),
        ),
        _by_hand.changed_in_place,
        ("verdict",),
        _tuned.changed_in_place,
    ),
    Shape(
        "Send chains",
        _fanouts.send_chains,
        {"items": _ITEMS, "ratings": []},
        (
            *(Work(f"fetch {i}", item["fetch"]) for i, item in enumerate(_ITEMS)),
            *(
                Work(f"rate {i}", item["rate"], (f"fetch {i}",), writes=("ratings",))
                for i, item in enumerate(_ITEMS)
            ),
            Work("choose", 0.02, _each("rate", len(_ITEMS)), ("ratings",)),
        ),
        _by_hand.send_chains,
        ("best",),
        _tuned.send_chains,
    ),
    Shape(
        "nested fan-outs",
        _fanouts.nested_fan_outs,
        {"documents": _DOCUMENTS, "checked": []},
        (
            *(Work(f"split {i}", one["split"]) for i, one in enumerate(_DOCUMENTS)),
            *(
                Work(f"check {i}.{j}", check, (f"split {i}",), writes=("checked",))
                for i, one in enumerate(_DOCUMENTS)
                for j, check in enumerate(one["checks"])
            ),
            Work("report", 0.02, ("check 0.0",), ("checked",)),
        ),
        _by_hand.nested_fan_outs,
        ("report",),
        _tuned.nested_fan_outs,
    ),
    Shape(
        "agent with tools",
        _fanouts.agent_tools,
        {"question": "is it safe", "plan": _CALLS, "digests": []},
        (
            Work("agent", 0.04, reads=("digests", "plan"), writes=("calls", "answer")),
            Work("entitle", 0.1, reads=("question",), writes=("title",)),
            *(Work(f"run {i}", call["run"], ("agent",)) for i, call in enumerate(_CALLS)),
            *(
                Work(f"digest {i}", call["digest"], (f"run {i}",), writes=("digests",))
                for i, call in enumerate(_CALLS)
            ),
            Work("agent again", 0.04, _each("digest", len(_CALLS)), ("digests", "plan")),
        ),
        _by_hand.agent_tools,
        ("answer", "title"),
        _tuned.agent_tools,
    ),
    Shape(
        "early reduce",
        _beside.early_reduce,
        {"entries": _ENTRIES, "scores": []},
        (
            *(
                Work(f"score {i}", entry["score"], writes=("scores",))
                for i, entry in enumerate(_ENTRIES)
            ),
            Work("settle accounts", 0.15, reads=("entries",), writes=("accounts",)),
            Work("rank", 0.02, _each("score", len(_ENTRIES)), ("scores",), ("ranking",)),
            Work("summarise", 0.06, ("rank",), ("ranking",), ("summary",)),
            Work("announce", 0.02, ("summarise", "settle accounts"), ("summary", "accounts")),
        ),
        _by_hand.early_reduce,
        ("notice",),
        _tuned.early_reduce,
    ),
    Shape(
        "subgraph as a branch",
        _beside.subgraph_branch,
        {"subject": "tides", "queries": _QUERIES},
        (
            Work(
                "find evidence",
                writes=("evidence",),
                inside=(
                    *(Work(f"search {i}", one["search"]) for i, one in enumerate(_QUERIES)),
                    *(
                        Work(f"read {i}", one["read"], (f"search {i}",), writes=("findings",))
                        for i, one in enumerate(_QUERIES)
                    ),
                    Work("weigh", 0.02, _each("read", len(_QUERIES)), ("findings",)),
                ),
            ),
            Work("make outline", 0.02, reads=("subject",), writes=("outline",)),
            Work("write body", 0.1, ("make outline",), ("outline",), ("body",)),
            Work("compose", 0.02, ("find evidence", "write body"), ("body", "evidence")),
        ),
        _by_hand.subgraph_branch,
        ("article",),
        _tuned.subgraph_branch,
    ),
    Shape(
        "loop beside a long task",
        _beside.loop_beside_long_task,
        {"text": "word", "rounds": 0},
        (
            Work("build index", 0.15, reads=("text",), writes=("index",)),
            Work("round 0", 0.02, reads=("rounds",), writes=("rounds",)),
            *(
                Work(f"round {i}", 0.02, (f"round {i - 1}",), ("rounds",), ("rounds",))
                for i in range(1, 6)
            ),
        ),
        _by_hand.loop_beside_long_task,
        ("rounds", "index"),
        _tuned.loop_beside_long_task,
    ),
    Shape(
        "sequence",
        _beside.sequence,
        {"text": "getij"},
        (
            Work("translate", 0.04, reads=("text",), writes=("english",)),
            Work("shorten", 0.04, ("translate",), ("english",), ("short",)),
            Work("name it", 0.04, ("shorten",), ("short",), ("title",)),
        ),
        _by_hand.sequence,
        ("title",),
        "there is one branch",
    ),
    Shape(
        "balanced fan-out, reduce",
        _fanouts.fan_out_reduce,
        {"people": [{**person, "rate": 0.06} for person in _PEOPLE], "ratings": []},
        (
            *(Work(f"rate {i}", 0.06, writes=("ratings",)) for i in range(len(_PEOPLE))),
            Work("count", 0.03, _each("rate", len(_PEOPLE)), ("ratings",)),
        ),
        _by_hand.fan_out_reduce,
        ("count",),
        "each item is one task",
    ),
    Shape(
        "skewed fan-out, reduce",
        _fanouts.fan_out_reduce,
        {"people": _PEOPLE, "ratings": []},
        (
            *(
                Work(f"rate {i}", person["rate"], writes=("ratings",))
                for i, person in enumerate(_PEOPLE)
            ),
            Work("count", 0.03, _each("rate", len(_PEOPLE)), ("ratings",)),
        ),
        _by_hand.fan_out_reduce,
        ("count",),
        "each item is one task",
    ),
    Shape(
        "nodes that take the whole state",
        _branches.whole_state,
        {"city": "Ghent"},
        (
            Work("find flights", 0.02, reads=("city",), writes=("flights",)),
            Work("find hotels", 0.1, reads=("city",), writes=("hotels",)),
            Work("describe flights", 0.1, ("find flights",), ("city", "flights", "hotels")),
            Work("describe hotels", 0.02, ("find hotels",), ("city", "flights", "hotels")),
        ),
        _by_hand.whole_state,
        ("fare", "room"),
        "each branch reads what the other writes",
    ),
)
"""Skewed graphs first, then those in which the data leaves nothing to gain."""
