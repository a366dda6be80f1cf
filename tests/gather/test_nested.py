"""Gathers at several levels, over every kind of fan-out, and in loops."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from pydantic import BaseModel

from langgraph_alto import Gathered, gather, wrap
from langgraph_alto.testing import check
from tests.gather.graphs import Mode, run

both = pytest.mark.parametrize("mode", ["sync", "async"])
engines = pytest.mark.parametrize("policy", [None, "proven", "speculative"])


class State(TypedDict, total=False):
    books: list[list[list[str]]]
    words: Annotated[list[str], operator.add]
    pages: Annotated[list[str], operator.add]
    chapters: Annotated[list[str], operator.add]
    all: Annotated[list[str], operator.add]
    rounds: int


def on(builder: Any, policy: str | None) -> Any:
    return builder.compile() if policy is None else wrap(builder, policy=policy)


def to_books(state: State) -> list[Send]:
    return [Send("chapter", book) for book in state["books"]]


def shelf(state: State) -> dict[str, Any]:
    return {}


def chapter(pages: list[list[str]]) -> Command[Any]:
    return Command(goto=[Send("page", page) for page in pages])


def page(words: list[str]) -> Command[Any]:
    return Command(goto=[Send("word", word) for word in words])


def word(text: str) -> dict[str, Any]:
    return {"words": [text], "word": text} if text else {}


def per_page(words: Gathered) -> dict[str, Any]:
    return {"pages": ["".join(words)]}


def per_chapter(words: Gathered) -> dict[str, Any]:
    return {"chapters": [f"{len(words.parent)}:{''.join(words)}"]}


def altogether(words: Gathered) -> dict[str, Any]:
    return {"all": ["".join(words)]}


def library() -> Any:
    """START -> shelf =Send=> chapter =Send=> page =Send=> word -> three gathers."""
    builder: Any = StateGraph(State)
    builder.add_node("shelf", shelf)
    builder.add_node("chapter", chapter, destinations=("page",))
    builder.add_node("page", page, destinations=("word",))
    builder.add_node("word", word)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges("shelf", to_books, ["chapter"])
    gather(builder, "per_page", per_page, over="page", of="word", key="word")
    gather(builder, "per_chapter", per_chapter, over="chapter", of="word", key="word")
    gather(builder, "altogether", altogether, over="shelf", of="word", key="word")
    return builder


books = st.lists(
    st.lists(st.lists(st.sampled_from(["a", "b", ""]), max_size=3), max_size=3), max_size=3
)


@settings(max_examples=20)
@given(books, st.sampled_from(["proven", "speculative", None]), st.booleans())
def test_three_levels_of_any_width(
    given_books: list[list[list[str]]], policy: Any, in_threads: bool
) -> None:
    graph = on(library(), policy)
    inputs: Any = {"books": given_books}
    found = graph.invoke(inputs) if in_threads else asyncio.run(graph.ainvoke(inputs))
    assert found["pages"] == ["".join(page) for book in given_books for page in book]
    assert found["chapters"] == [
        f"{len(book)}:" + "".join(word for page in book for word in page) for book in given_books
    ]
    assert found["all"] == ["".join(w for book in given_books for page in book for w in page)]


@pytest.mark.parametrize("policy", ["off", "proven", "speculative"])
@both
def test_all_that_can_be_observed_is_the_same(mode: Mode, policy: str) -> None:
    report = check(
        library(),
        [{"books": [[["a", "b"], []], [], [["c", ""]]]}],
        policy=policy,
        mode=mode,
        delays=("random", 0.0, 0.02),
        runs=2,
    )
    report.raise_for_difference()
    assert not report.uncounted if hasattr(report, "uncounted") else True


@both
@engines
def test_packets_from_start(mode: Mode, policy: Any) -> None:
    """START =Send=> page =Send=> word -> per_page."""

    def to_pages(state: State) -> list[Send]:
        return [Send("page", page) for page in state["books"][0]]

    builder: Any = StateGraph(State)
    builder.add_node("page", page, destinations=("word",))
    builder.add_node("word", word)
    builder.add_conditional_edges(START, to_pages, ["page"])
    gather(builder, "per_page", per_page, over="page", key="word")
    graph = on(builder, policy)
    for pages, expected in (([["a", "b"], ["c"], []], ["ab", "c", ""]), ([[]], [""]), ([], [])):
        assert run(graph, {"books": [pages]}, mode)["pages"] == expected


@both
@engines
def test_conditional_edges_know_where_their_task_stands(mode: Mode, policy: Any) -> None:
    """Both levels fan out by conditional edges, the inner one by two of them, and by a Command."""

    class Page(TypedDict):
        words: list[str]

    def routed(payload: Page) -> Command[Any]:
        return Command(update={"rounds": 1}, goto=[Send("word", "c" + w) for w in payload["words"]])

    def first(state: State) -> list[Send]:
        return [Send("word", "x")]

    async def second(state: State) -> list[Send]:
        return [Send("word", "y"), Send("word", "z")]

    def second_sync(state: State) -> list[Send]:
        return [Send("word", "y"), Send("word", "z")]

    builder: Any = StateGraph(State)
    builder.add_node("shelf", shelf)
    builder.add_node("page", routed, destinations=("word",))
    builder.add_node("word", word)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges(
        "shelf", lambda s: [Send("page", {"words": w}) for w in s["books"][0]], ["page"]
    )
    builder.add_conditional_edges("page", first, ["word"])
    builder.add_conditional_edges("page", second if mode == "async" else second_sync, ["word"])
    gather(builder, "per_page", per_page, over="page", key="word")
    builder.nodes["word"].input_schema  # noqa: B018
    found = run(on(builder, policy), {"books": [[["1", "2"]]]}, mode)
    assert found["pages"] == ["c1c2xyz"]


@engines
def test_a_site_that_goes_elsewhere_begins_no_fan_out(policy: Any) -> None:
    def to_pages(state: State) -> Any:
        pages = [Send("page", page) for page in state["books"][0]]
        return pages or "nothing"

    builder: Any = StateGraph(State)
    builder.add_node("shelf", shelf)
    builder.add_node("page", page, destinations=("word",))
    builder.add_node("word", word)
    builder.add_node("nothing", lambda state: {"all": ["nothing to read"]})
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges("shelf", to_pages, ["page", "nothing"])
    gather(builder, "per_page", per_page, over="page", key="word")
    graph = on(builder, policy)
    assert graph.invoke({"books": [[]]}) == {
        "books": [[]],
        "words": [],
        "pages": [],
        "chapters": [],
        "all": ["nothing to read"],
    }
    assert graph.invoke({"books": [[["a"]]]})["pages"] == ["a"]


@both
@engines
def test_a_fan_out_in_a_loop_is_a_new_one_each_time(mode: Mode, policy: Any) -> None:
    """shelf =Send=> page =Send=> word -> per_page -> again? -> shelf."""

    def count(state: State) -> dict[str, Any]:
        return {"rounds": state.get("rounds", 0) + 1}

    def to_pages(state: State) -> list[Send]:
        pages = state["books"][0] * state.get("rounds", 1)
        return [Send("page", page) for page in pages]

    builder: Any = StateGraph(State)
    builder.add_node("shelf", count)
    builder.add_node("page", page, destinations=("word",))
    builder.add_node("word", word)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges("shelf", to_pages, ["page"])
    gather(builder, "per_page", per_page, over="page", key="word")
    builder.add_conditional_edges(
        "per_page", lambda s: "shelf" if s["rounds"] < 3 else END, ["shelf", END]
    )
    found = run(on(builder, policy), {"books": [[["a", "b"], ["c"]]]}, mode)
    assert found["pages"] == ["ab", "c"] * 6


@engines
def test_a_filter_on_the_way_leaves_out_what_it_keeps(policy: Any) -> None:
    """shelf =Send=> keep =Send=> word -> altogether: what keep sends on, only."""

    def keep(text: str) -> Command[Any]:
        return Command(goto=[Send("word", text)] if text != "no" else [])

    builder: Any = StateGraph(State)
    builder.add_node("shelf", shelf)
    builder.add_node("keep", keep, destinations=("word",))
    builder.add_node("word", word)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges(
        "shelf", lambda s: [Send("keep", text) for text in s["books"][0][0]], ["keep"]
    )
    gather(builder, "altogether", altogether, over="shelf", of="word", key="word")
    graph = on(builder, policy)
    assert graph.invoke({"books": [[["a", "no", "b"]]]})["all"] == ["ab"]
    assert graph.invoke({"books": [[["no", "no"]]]})["all"] == [""]
    assert graph.invoke({"books": [[[]]]})["all"] == [""]


@engines
def test_whole_updates_of_any_kind(policy: Any) -> None:
    class Update(BaseModel):
        words: list[str] = []

    def kinds(which: int) -> Any:
        return [
            {"words": ["dict"]},
            Command(update={"words": ["command"]}),
            [{"words": ["first"]}, Command(update={"rounds": 1})],
            Update(words=["model"]),
            None,
            Command(update=[("words", ["pairs"])]),
        ][which]

    def note(results: Gathered) -> dict[str, Any]:
        return {"all": [str(list(results))]}

    builder: Any = StateGraph(State)
    builder.add_node("shelf", shelf)
    builder.add_node("word", kinds)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges("shelf", lambda s: [Send("word", n) for n in range(6)], ["word"])
    gather(builder, "note", note, over="shelf")
    found = on(builder, policy).invoke({})
    assert found["words"] == ["dict", "command", "first", "model", "pairs"]
    assert found["all"] == [
        "[{'words': ['dict']}, {'words': ['command']}, {'words': ['first'], 'rounds': 1}, "
        "{'words': ['model']}, {'words': ['pairs']}]"
    ]


@both
def test_functions_that_take_config_and_runtime(mode: Mode) -> None:
    def note(results: Gathered, config: Any, runtime: Any) -> dict[str, Any]:
        return {"all": [f"{config['configurable']['who']} {runtime.context}"]}

    async def anote(results: Gathered, config: Any, runtime: Any) -> Command[Any]:
        return Command(update=note(results, config, runtime))

    builder: Any = StateGraph(State, context_schema=str)
    builder.add_node("shelf", shelf)
    builder.add_node("word", word)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges("shelf", lambda s: [Send("word", "a")], ["word"])
    gather(builder, "note", note if mode == "sync" else anote, over="shelf")
    for graph in (builder.compile(), wrap(builder)):
        config = {"configurable": {"who": "me"}}
        assert run(graph, {}, mode, config, context="here")["all"] == ["me here"]


def test_a_coroutine_function_needs_an_event_loop() -> None:
    async def anote(results: Gathered) -> None:
        return None

    builder: Any = StateGraph(State)
    builder.add_node("shelf", shelf)
    builder.add_node("word", word)
    builder.add_edge(START, "shelf")
    builder.add_conditional_edges("shelf", lambda s: [Send("word", "a")], ["word"])
    gather(builder, "note", anote, over="shelf")
    for graph in (builder.compile(), wrap(builder)):
        with pytest.raises(TypeError, match="gather 'note' is a coroutine function"):
            graph.invoke({})
