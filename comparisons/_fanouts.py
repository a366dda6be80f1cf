"""Graphs that fan out with `Send`. Durations travel in the payloads."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from typing_extensions import TypedDict

Update = dict[str, Any]


# A chain of two steps for each item.


class Item(TypedDict):
    name: str
    fetch: float
    rate: float


class Shop(TypedDict):
    items: list[Item]
    ratings: Annotated[list[str], operator.add]
    best: str


def each_item(state: Shop) -> list[Send]:
    return [Send("fetch", item) for item in state["items"]]


async def fetch(item: Item) -> Command[Literal["rate"]]:
    await asyncio.sleep(item["fetch"])
    return Command(goto=Send("rate", item))


async def rate(item: Item) -> Update:
    await asyncio.sleep(item["rate"])
    return {"ratings": [f"{item['name']}: {len(item['name'])}"]}


async def choose(state: Shop) -> Update:
    await asyncio.sleep(0.02)
    return {"best": max(state["ratings"])}


def send_chains() -> Any:
    graph: Any = StateGraph(Shop)
    graph.add_node("fetch", fetch, input_schema=Item)
    graph.add_node("rate", rate, input_schema=Item)
    graph.add_node("choose", choose)
    graph.add_conditional_edges(START, each_item, ["fetch"])
    graph.add_edge("rate", "choose")
    graph.add_edge("choose", END)
    return graph.compile()


# Documents, and the sentences of each.


class Document(TypedDict):
    name: str
    split: float
    checks: list[float]


class Sentence(TypedDict):
    name: str
    check: float


class Library(TypedDict):
    documents: list[Document]
    checked: Annotated[list[str], operator.add]
    report: str


def each_document(state: Library) -> list[Send]:
    return [Send("split", document) for document in state["documents"]]


async def split(document: Document) -> Command[Literal["check"]]:
    await asyncio.sleep(document["split"])
    sentences = enumerate(document["checks"])
    return Command(
        goto=[
            Send("check", {"name": f"{document['name']}.{number}", "check": seconds})
            for number, seconds in sentences
        ]
    )


async def check(sentence: Sentence) -> Update:
    await asyncio.sleep(sentence["check"])
    return {"checked": [sentence["name"]]}


async def report(state: Library) -> Update:
    await asyncio.sleep(0.02)
    return {"report": ", ".join(state["checked"])}


def nested_fan_outs() -> Any:
    graph: Any = StateGraph(Library)
    graph.add_node("split", split, input_schema=Document)
    graph.add_node("check", check, input_schema=Sentence)
    graph.add_node("report", report)
    graph.add_conditional_edges(START, each_document, ["split"])
    graph.add_edge("check", "report")
    graph.add_edge("report", END)
    return graph.compile()


# An agent that calls several tools at once, each result digested on its own, beside a task
# that nothing waits for.


class Call(TypedDict):
    tool: str
    run: float
    digest: float


class Chat(TypedDict):
    question: str
    plan: list[Call]
    calls: list[Call]
    digests: Annotated[list[str], operator.add]
    title: str
    answer: str


async def agent(state: Chat) -> Update:
    await asyncio.sleep(0.04)
    if state["digests"]:
        return {"calls": [], "answer": " ".join(state["digests"])}
    return {"calls": state["plan"]}


def next_calls(state: Chat) -> list[Send] | Literal["__end__"]:
    if state["calls"]:
        return [Send("run_tool", call) for call in state["calls"]]
    return "__end__"


async def run_tool(call: Call) -> Command[Literal["digest"]]:
    await asyncio.sleep(call["run"])
    return Command(goto=Send("digest", call))


async def digest(call: Call) -> Update:
    await asyncio.sleep(call["digest"])
    return {"digests": [f"{call['tool']} says yes."]}


async def entitle(state: Chat) -> Update:
    await asyncio.sleep(0.1)
    return {"title": state["question"].title()}


def agent_tools() -> Any:
    graph: Any = StateGraph(Chat)
    graph.add_node("agent", agent)
    graph.add_node("run_tool", run_tool, input_schema=Call)
    graph.add_node("digest", digest, input_schema=Call)
    graph.add_node("entitle", entitle)
    graph.add_edge(START, "agent")
    graph.add_edge(START, "entitle")
    graph.add_conditional_edges("agent", next_calls, ["run_tool", END])
    graph.add_edge("digest", "agent")
    graph.add_edge("entitle", END)
    return graph.compile()


# One fan-out straight into a reduce, balanced or not: the reduce needs all of it.


class Survey(TypedDict):
    people: list[Item]
    ratings: Annotated[list[str], operator.add]
    count: int


def each_person(state: Survey) -> list[Send]:
    return [Send("rate", person) for person in state["people"]]


async def count(state: Survey) -> Update:
    await asyncio.sleep(0.03)
    return {"count": len(state["ratings"])}


def fan_out_reduce() -> Any:
    graph: Any = StateGraph(Survey)
    graph.add_node("rate", rate, input_schema=Item)
    graph.add_node("count", count)
    graph.add_conditional_edges(START, each_person, ["rate"])
    graph.add_edge("rate", "count")
    graph.add_edge("count", END)
    return graph.compile()
