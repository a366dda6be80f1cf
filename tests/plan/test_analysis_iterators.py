"""Iterators, files and queues in the state: looking at what is inside takes it out."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import queue
from collections.abc import AsyncIterator, Awaitable, Generator, Iterable, Iterator
from typing import Any, TextIO

import pytest
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node

# mypy: disable-error-code="no-untyped-def, no-untyped-call, comparison-overlap"
# ruff: noqa: C416, RUF059, T201


class State(TypedDict, total=False):
    it: Iterator[int]
    maybe: Iterator[int] | None
    gen: Generator[int, None, None]
    its: list[Iterator[int]]
    stream: AsyncIterator[int]
    job: Awaitable[int]
    file: TextIO
    q: queue.Queue[int]
    aq: asyncio.Queue[int]
    line: collections.deque[int]
    docs: list[int]
    many: Iterable[int]
    meta: dict[str, int]


CASES: list[Any] = []


def case(changes: str, unannotated: str | None = None) -> Any:
    """What a function changes, with the schema and without."""

    def register(function: Any) -> Any:
        CASES.append((function, State, changes))
        CASES.append((function, None, changes if unannotated is None else unannotated))
        return function

    return register


@case("it")
def one_of_an_iterator(state):
    return {"out": next(state["it"])}


@case("it")
def one_of_an_iterator_by_its_method(state):
    return {"out": state["it"].__next__()}


@case("it", "")
def all_of_an_iterator(state):
    return {"out": [x for x in state["it"]]}


@case("maybe", "")
def all_of_an_iterator_if_there_is_one(state):
    for _ in state["maybe"] or ():
        pass


@case("it", "it")
def a_loop_after_the_first(state):
    next(state["it"])
    for _ in state["it"]:
        pass


@case("it", "")
def an_iterator_of_an_iterator(state):
    return {"out": next(iter(state["it"]))}


@case("it", "")
def some_of_an_iterator(state):
    return {"out": list(itertools.islice(state["it"], 2))}


@case("it", "")
def a_search(state):
    return {"out": 1 in state["it"]}


@case("it", "")
def a_question_of_all(state):
    return {"out": any(state["it"])}


@case("it", "")
def an_iterator_taken_apart(state):
    first, *rest = state["it"]
    return {"out": first}


@case("it", "")
def an_iterator_handed_on(state):
    return {"out": ",".join(state["it"])}


@case("gen")
def a_generator_is_sent_to(state):
    state["gen"].send(1)


@case("gen")
def a_generator_is_closed(state):
    state["gen"].close()


@case("its")
def one_of_each(state):
    return {"out": [next(it) for it in state["its"]]}


@case("its", "")
def all_of_each(state):
    return {"out": [list(it) for it in state["its"]]}


@case("stream", "")
async def all_of_a_stream(state):
    return {"out": [x async for x in state["stream"]]}


@case("job")
async def a_job_is_awaited(state):
    return {"out": await state["job"]}


@case("file")
def a_file_is_read(state):
    return {"out": state["file"].read()}


@case("file", "")
def the_lines_of_a_file(state):
    for line in state["file"]:
        print(line)


@case("file")
def a_file_is_entered(state):
    with state["file"] as file:
        return {"out": file.name}


@case("q")
def a_queue(state):
    return {"out": state["q"].get()}


@case("q")
def a_queue_that_waits(state):
    return {"out": state["q"].get(timeout=1)}


@case("q")
def a_queue_that_does_not_wait(state):
    return {"out": state["q"].get(False)}


@case("q")
def a_queue_at_once(state):
    return {"out": state["q"].get_nowait()}


@case("q")
def a_queue_until_it_says_stop(state):
    return {"out": list(iter(state["q"].get, None))}


@case("", "q")
def the_size_of_a_queue(state):
    return {"out": state["q"].qsize()}


@case("aq")
async def a_queue_of_tasks(state):
    return {"out": await state["aq"].get()}


@case("line")
def a_deque(state):
    return {"out": state["line"].popleft()}


@case("")
def a_list(state):
    return {"out": [x for x in state["docs"]]}


@case("")
def something_that_may_be_iterated(state):
    return {"out": [x for x in state["many"]]}


@case("")
def a_mapping(state):
    return {"out": state["meta"].get("x"), "more": state["meta"].get("y", 1)}


@pytest.mark.parametrize(
    ("node", "schema", "changes"),
    CASES,
    ids=[f"{n.__name__}-{'with' if s else 'without'}" for n, s, _ in CASES],
)
def test_what_is_taken_out_is_a_change(node: Any, schema: object, changes: str) -> None:
    facts = analyse_node(node, schema)
    assert facts.mutates == {(key,) for key in changes.split()}


class Told(TypedDict, total=False):
    words: list[str]
    things: list  # type: ignore[type-arg]
    table: dict[str, int]
    names: set[str]
    many: Iterable[int]
    anything: Any


def loops(state):
    for word in state["words"]:
        print(word.upper() + "!")
    for thing in state["things"]:
        print(thing)
    for name in state["names"]:
        print(name + "!", state["table"][name] + 1)
    return {"out": ",".join(state["words"]), "more": sorted(state["table"])}


def loops_over_what_may_be_used_up(state):
    for _ in state["many"]:
        pass
    for part in state["anything"]:
        print(part["text"])


def hands_on(state):
    return {"out": json.dumps([state["words"], state["things"], state["anything"]])}


def test_what_nothing_tells_is_looked_at_when_it_is_at_hand() -> None:
    assert analyse_node(loops, Told).untold == frozenset()
    facts = analyse_node(loops_over_what_may_be_used_up, Told)
    assert facts.mutates == frozenset()
    assert facts.untold == {("many",), ("anything", "*")}
    facts = analyse_node(hands_on, Told)
    assert facts.mutates == frozenset()
    assert facts.untold == {("things", "*"), ("anything", "*")}
    untold = analyse_node(loops, None).untold
    assert {path[0] for path in untold if path} >= {"words", "table"}
