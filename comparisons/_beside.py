"""Graphs in which something with several steps runs beside one long task."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from typing_extensions import TypedDict

Update = dict[str, Any]


# A fan-out that could be reduced while an unrelated task still runs.


class Entry(TypedDict):
    name: str
    score: float


class Contest(TypedDict):
    entries: list[Entry]
    scores: Annotated[list[str], operator.add]
    ranking: list[str]
    summary: str
    accounts: str
    notice: str


def each_entry(state: Contest) -> list[Send]:
    return [Send("score", entry) for entry in state["entries"]]


async def score(entry: Entry) -> Update:
    await asyncio.sleep(entry["score"])
    return {"scores": [f"{entry['name']}: {len(entry['name'])}"]}


async def rank(state: Contest) -> Update:
    await asyncio.sleep(0.02)
    return {"ranking": sorted(state["scores"])}


async def summarise(state: Contest) -> Update:
    await asyncio.sleep(0.06)
    return {"summary": f"{state['ranking'][0]} first"}


async def settle_accounts(state: Contest) -> Update:
    await asyncio.sleep(0.15)
    return {"accounts": f"{len(state['entries'])} fees"}


async def announce(state: Contest) -> Update:
    await asyncio.sleep(0.02)
    return {"notice": f"{state['summary']}, {state['accounts']}"}


def early_reduce() -> Any:
    graph: Any = StateGraph(Contest)
    graph.add_node("score", score, input_schema=Entry)
    for node in (rank, summarise, settle_accounts, announce):
        graph.add_node(node)
    graph.add_conditional_edges(START, each_entry, ["score"])
    graph.add_edge(START, "settle_accounts")
    graph.add_edge("score", "rank")
    graph.add_edge("rank", "summarise")
    graph.add_edge(["summarise", "settle_accounts"], "announce")
    graph.add_edge("announce", END)
    return graph.compile()


# A subgraph with a fan-out of its own as one branch.


class Query(TypedDict):
    text: str
    search: float
    read: float


class Search(TypedDict):
    queries: list[Query]
    findings: Annotated[list[str], operator.add]
    evidence: str


class Evidence(TypedDict):
    evidence: str


class Article(TypedDict):
    subject: str
    queries: list[Query]
    evidence: str
    outline: str
    body: str
    article: str


def each_query(state: Search) -> list[Send]:
    return [Send("search", query) for query in state["queries"]]


async def search(query: Query) -> Command[Literal["read"]]:
    await asyncio.sleep(query["search"])
    return Command(goto=Send("read", query))


async def read(query: Query) -> Update:
    await asyncio.sleep(query["read"])
    return {"findings": [f"found {query['text']}"]}


async def weigh(state: Search) -> Update:
    await asyncio.sleep(0.02)
    return {"evidence": "; ".join(state["findings"])}


async def make_outline(state: Article) -> Update:
    await asyncio.sleep(0.02)
    return {"outline": f"1. {state['subject']}"}


async def write_body(state: Article) -> Update:
    await asyncio.sleep(0.1)
    return {"body": f"{state['outline']} at length"}


async def compose(state: Article) -> Update:
    await asyncio.sleep(0.02)
    return {"article": f"{state['body']} ({state['evidence']})"}


def search_graph() -> Any:
    graph: Any = StateGraph(Search, output_schema=Evidence)
    graph.add_node("search", search, input_schema=Query)
    graph.add_node("read", read, input_schema=Query)
    graph.add_node("weigh", weigh)
    graph.add_conditional_edges(START, each_query, ["search"])
    graph.add_edge("read", "weigh")
    graph.add_edge("weigh", END)
    return graph.compile()


def subgraph_branch() -> Any:
    graph: Any = StateGraph(Article)
    graph.add_node("find_evidence", search_graph())
    for node in (make_outline, write_body, compose):
        graph.add_node(node)
    graph.add_edge(START, "find_evidence")
    graph.add_edge(START, "make_outline")
    graph.add_edge("make_outline", "write_body")
    graph.add_edge(["find_evidence", "write_body"], "compose")
    graph.add_edge("compose", END)
    return graph.compile()


# A loop beside one long task.


class Refinement(TypedDict):
    text: str
    rounds: int
    index: int


async def refine(state: Refinement) -> Update:
    await asyncio.sleep(0.02)
    return {"rounds": state["rounds"] + 1}


def again(state: Refinement) -> Literal["refine", "__end__"]:
    return "refine" if state["rounds"] < 6 else "__end__"


async def build_index(state: Refinement) -> Update:
    await asyncio.sleep(0.15)
    return {"index": len(state["text"])}


def loop_beside_long_task() -> Any:
    graph = StateGraph(Refinement)
    graph.add_node(refine)
    graph.add_node(build_index)
    graph.add_edge(START, "refine")
    graph.add_edge(START, "build_index")
    graph.add_conditional_edges("refine", again)
    graph.add_edge("build_index", END)
    return graph.compile()


# One step after the other.


class Text(TypedDict):
    text: str
    english: str
    short: str
    title: str


async def translate(state: Text) -> Update:
    await asyncio.sleep(0.04)
    return {"english": f"{state['text']} in English"}


async def shorten(state: Text) -> Update:
    await asyncio.sleep(0.04)
    return {"short": state["english"][:10]}


async def name_it(state: Text) -> Update:
    await asyncio.sleep(0.04)
    return {"title": state["short"].title()}


def sequence() -> Any:
    graph = StateGraph(Text)
    graph.add_node(translate)
    graph.add_node(shorten)
    graph.add_node(name_it)
    graph.add_edge(START, "translate")
    graph.add_edge("translate", "shorten")
    graph.add_edge("shorten", "name_it")
    graph.add_edge("name_it", END)
    return graph.compile()
