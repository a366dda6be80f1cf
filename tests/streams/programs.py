"""Random programs of nodes that stream: what each yields, in which order, and how slowly.

A program is a chain of layers of nodes. A node of a layer yields parts: packets to
nodes of the next layer, updates of keys of its own, commands to the nodes behind.
Beside them stand followers, which edges start and which read what was written::

    START --> n0 ..> n1 ..> leaf        ..> packets, several each
               `--> f0 --> f1
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from hypothesis import strategies as st
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send

from langgraph_alto import streaming

Mode = Literal["sync", "async"]
Part = Literal["log", "a", "b", "send", "sends", "goto", "tail", "none", "pause", "fail", "flaky"]


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    a: str
    b: str


@dataclass(frozen=True)
class Program:
    """A random graph.

    Args:
        mode: Whether its generators are asynchronous.
        first: What the first node yields.
        middle: What the one that it sends packets to yields.
        follow: Keys that each follower of an edge reads.
        router: Whether a conditional edge stands after the first.
        beside: How long a node beside the first one takes, in pauses; below 0: none.
        buffer: As for ``@streaming``.
        saved: Whether there is a checkpointer.
        limited: Whether a node has a limit of its own.
    """

    mode: Mode
    first: tuple[Part, ...]
    middle: tuple[Part, ...]
    follow: tuple[str, ...]
    router: bool
    beside: int
    buffer: int
    saved: bool
    limited: bool


def _parts(*parts: Part) -> st.SearchStrategy[tuple[Part, ...]]:
    return st.lists(st.sampled_from(parts), max_size=7).map(_once).map(tuple)


def _once(parts: list[Part]) -> list[Part]:
    """A plain key may be written once."""
    seen: set[str] = set()
    kept: list[Part] = []
    for part in parts:
        key = {"goto": "b"}.get(part, part)
        if key in ("a", "b", "flaky") and key in seen:
            continue
        seen.add(key)
        kept.append(part)
    return kept


def programs(mode: Mode, *, fails: bool = True) -> st.SearchStrategy[Program]:
    """Random programs.

    Args:
        mode: Whether generators are asynchronous.
        fails: Whether they may raise.
    """
    bad: tuple[Part, ...] = ("fail", "flaky") if fails else ()
    often: tuple[Part, ...] = ("send", "sends", "a", "b", "goto", "pause", "log", "tail", "none")
    return st.builds(
        Program,
        mode=st.just(mode),
        first=_parts(*often, *often, *bad),
        middle=_parts("send", "sends", "log", "pause", "send", "sends", "pause", *bad),
        follow=st.lists(st.sampled_from(["", "a", "b", "ab", "log"]), max_size=3).map(tuple),
        router=st.booleans(),
        beside=st.integers(-1, 2),
        buffer=st.sampled_from([1, 2, 64]),
        saved=st.booleans(),
        limited=st.booleans(),
    )


def build(program: Program, delays: Sequence[float]) -> Any:
    """The program as a ``StateGraph``."""
    retry = RetryPolicy(initial_interval=0.0005, jitter=False, max_attempts=2, retry_on=_Again)
    builder: Any = StateGraph(State)
    first = _streaming(program, program.first, "first", "middle", delays)
    middle = _streaming(program, program.middle, "middle", "leaf", delays)
    builder.add_node("first", first, destinations=("middle", "tail"), retry_policy=retry)
    builder.add_node("middle", middle, destinations=("leaf",), retry_policy=retry)

    def leaf(packet: dict[str, Any]) -> dict[str, Any]:
        return {"log": [f"leaf {packet['at']}"]}

    def tail(state: State) -> dict[str, Any]:
        return {"log": [f"tail {state.get('b')}"]}

    builder.add_node("leaf", leaf)
    builder.add_node("tail", tail)
    builder.add_edge(START, "first")
    for number, keys in enumerate(program.follow):
        builder.add_node(f"f{number}", _FOLLOWERS[keys])
        builder.add_edge("first", f"f{number}")
        if number:
            builder.add_edge(f"f{number - 1}", f"f{number}")
    if program.router:

        def route(state: State) -> list[Any]:
            more = [Send("leaf", {"at": "routed"})] if "a" in state else []
            return [*more, "tail"] if len(state["log"]) % 2 else more

        builder.add_conditional_edges("first", route, ["leaf", "tail"])
    if program.beside >= 0:

        def beside(state: State) -> dict[str, Any]:
            time.sleep(0.001 * program.beside)
            return {"log": ["beside"]}

        def behind(state: State) -> dict[str, Any]:
            return {"log": [f"behind {len(state['log'])}"]}

        builder.add_node("beside", beside)
        builder.add_node("behind", behind)
        builder.add_edge(START, "beside")
        builder.add_edge("beside", "behind")
    return builder


def _nothing(state: State) -> dict[str, Any]:
    return {"log": ["follows"]}


def _a(state: State) -> dict[str, Any]:
    return {"log": [f"a {state.get('a')}"]}


def _b(state: State) -> dict[str, Any]:
    return {"log": [f"b {state.get('b')}"]}


def _ab(state: State) -> dict[str, Any]:
    return {"log": [f"ab {state.get('a')} {state.get('b')}"]}


def _log(state: State) -> dict[str, Any]:
    return {"log": [f"log {len(state['log'])}"]}


_FOLLOWERS = {"": _nothing, "a": _a, "b": _b, "ab": _ab, "log": _log}


class _Again(Exception):
    """An error after which a node is tried again."""


def _attempt(runtime: Runtime[Any]) -> int:
    return runtime.execution_info.node_attempt if runtime.execution_info else 1


def _streaming(
    program: Program, parts: tuple[Part, ...], name: str, to: str, delays: Sequence[float]
) -> Any:
    def fails(part: Part, attempt: int) -> None:
        if part == "fail":
            raise LookupError(name)
        if part == "flaky" and attempt < 2:
            raise _Again(name)

    if program.mode == "sync":

        @streaming(buffer=program.buffer)
        def node(state: Any, runtime: Runtime[Any]) -> Any:
            at = state.get("at", "")
            for place, part in enumerate(parts):
                fails(part, _attempt(runtime))
                if part == "pause":
                    time.sleep(delays[place])
                elif part == "a":
                    yield {"a": f"a {at}"}
                elif part == "b":
                    yield {"b": f"b {at}"}
                elif part == "log":
                    yield {"log": [f"{name} {at}.{place}"]}
                elif part == "send":
                    yield Send(to, {"at": f"{at}.{place}"})
                elif part == "sends":
                    yield [Send(to, {"at": f"{at}.{place}.0"}), Send(to, {"at": f"{at}.{place}.1"})]
                elif part == "goto":
                    yield Command(update={"b": "goto"}, goto="tail")
                elif part == "tail":
                    yield Command(goto="tail")
                else:
                    yield None

        return node

    @streaming(buffer=program.buffer)
    async def anode(state: Any, runtime: Runtime[Any]) -> Any:
        at = state.get("at", "")
        for place, part in enumerate(parts):
            fails(part, _attempt(runtime))
            if part == "pause":
                await asyncio.sleep(delays[place])
            elif part == "a":
                yield {"a": f"a {at}"}
            elif part == "b":
                yield {"b": f"b {at}"}
            elif part == "log":
                yield {"log": [f"{name} {at}.{place}"]}
            elif part == "send":
                yield Send(to, {"at": f"{at}.{place}"})
            elif part == "sends":
                yield [Send(to, {"at": f"{at}.{place}.0"}), Send(to, {"at": f"{at}.{place}.1"})]
            elif part == "goto":
                yield Command(update={"b": "goto"}, goto="tail")
            elif part == "tail":
                yield Command(goto="tail")
            else:
                yield None

    return anode
