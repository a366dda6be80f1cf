"""Graphs in which a branch waits for a sibling that it does not need."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, Literal

from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

Update = dict[str, Any]


# Branches whose first steps differ in length.


class Trip(TypedDict):
    city: str
    flights: list[str]
    fare: str
    hotels: list[str]
    room: str
    weather: str
    luggage: str
    plan: str


async def find_flights(state: Trip) -> Update:
    await asyncio.sleep(0.02)
    return {"flights": [f"morning to {state['city']}", f"evening to {state['city']}"]}


async def price_flights(state: Trip) -> Update:
    await asyncio.sleep(0.1)
    return {"fare": min(state["flights"])}


async def find_hotels(state: Trip) -> Update:
    await asyncio.sleep(0.1)
    return {"hotels": [f"station hotel, {state['city']}", f"harbour inn, {state['city']}"]}


async def price_hotels(state: Trip) -> Update:
    await asyncio.sleep(0.02)
    return {"room": min(state["hotels"])}


async def forecast(state: Trip) -> Update:
    await asyncio.sleep(0.06)
    return {"weather": f"rain in {state['city']}"}


async def pack(state: Trip) -> Update:
    await asyncio.sleep(0.06)
    return {"luggage": "umbrella" if "rain" in state["weather"] else "hat"}


async def plan(state: Trip) -> Update:
    await asyncio.sleep(0.02)
    return {"plan": f"{state['fare']}; {state['room']}; {state['luggage']}"}


def uneven_branches() -> Any:
    graph = StateGraph(Trip)
    for node in (find_flights, price_flights, find_hotels, price_hotels, forecast, pack, plan):
        graph.add_node(node)
    for first, then in (
        ("find_flights", "price_flights"),
        ("find_hotels", "price_hotels"),
        ("forecast", "pack"),
    ):
        graph.add_edge(START, first)
        graph.add_edge(first, then)
    graph.add_edge(["price_flights", "price_hotels", "pack"], "plan")
    graph.add_edge("plan", END)
    return graph.compile()


# The graph of langgraph issue 6320, at a tenth of its durations and with work in `after_fast`.


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


async def fast(state: Log) -> Update:
    await asyncio.sleep(0.02)
    return {"log": ["fast"]}


async def slow(state: Log) -> Update:
    await asyncio.sleep(0.12)
    return {"log": ["slow"]}


async def after_fast(state: Log) -> Update:
    await asyncio.sleep(0.09)
    return {"log": ["after fast"]}


def issue_6320() -> Any:
    graph = StateGraph(Log)
    graph.add_node(fast)
    graph.add_node(slow)
    graph.add_node(after_fast)
    graph.add_edge(START, "fast")
    graph.add_edge(START, "slow")
    graph.add_edge("fast", "after_fast")
    graph.add_edge("slow", END)
    graph.add_edge("after_fast", END)
    return graph.compile()


# A join in the list form, with more hops on one side than on the other.


class Archive(TypedDict):
    files: list[str]
    text: list[str]
    clean: list[str]
    index: dict[str, int]
    faces: list[str]
    entry: str


async def extract(state: Archive) -> Update:
    await asyncio.sleep(0.02)
    return {"text": [f"Text of {name}" for name in state["files"]]}


async def tidy(state: Archive) -> Update:
    await asyncio.sleep(0.02)
    return {"clean": [text.lower() for text in state["text"]]}


async def index(state: Archive) -> Update:
    await asyncio.sleep(0.08)
    return {"index": {text: len(text) for text in state["clean"]}}


async def detect_faces(state: Archive) -> Update:
    await asyncio.sleep(0.1)
    return {"faces": [f"face in {name}" for name in state["files"]]}


async def catalogue(state: Archive) -> Update:
    await asyncio.sleep(0.02)
    return {"entry": f"{len(state['index'])} texts, {len(state['faces'])} faces"}


def waiting_edges() -> Any:
    graph = StateGraph(Archive)
    for node in (extract, tidy, index, detect_faces, catalogue):
        graph.add_node(node)
    graph.add_edge(START, "extract")
    graph.add_edge(START, "detect_faces")
    graph.add_edge("extract", "tidy")
    graph.add_edge("tidy", "index")
    graph.add_edge(["index", "detect_faces"], "catalogue")
    graph.add_edge("catalogue", END)
    return graph.compile()


# Two plain edges into one node, from different supersteps: it runs twice.


class Paper(TypedDict):
    topic: str
    draft: str
    sources: list[str]
    cited: str
    reviews: Annotated[list[str], operator.add]


async def draft(state: Paper) -> Update:
    await asyncio.sleep(0.02)
    return {"draft": f"On {state['topic']}"}


async def gather_sources(state: Paper) -> Update:
    await asyncio.sleep(0.1)
    return {"sources": [f"{state['topic']} handbook"]}


async def cite(state: Paper) -> Update:
    await asyncio.sleep(0.02)
    return {"cited": state["sources"][0]}


async def review(state: Paper) -> Update:
    await asyncio.sleep(0.1)
    return {"reviews": [f"{state['draft']}: fine"]}


def double_edges() -> Any:
    graph = StateGraph(Paper)
    for node in (draft, gather_sources, cite, review):
        graph.add_node(node)
    graph.add_edge(START, "draft")
    graph.add_edge(START, "gather_sources")
    graph.add_edge("gather_sources", "cite")
    graph.add_edge("draft", "review")
    graph.add_edge("cite", "review")
    graph.add_edge("review", END)
    return graph.compile()


# A router inside a branch, beside a long task.


class Ticket(TypedDict):
    text: str
    kind: str
    answer: str
    audit: str


async def triage(state: Ticket) -> Update:
    await asyncio.sleep(0.02)
    return {"kind": "hard" if "why" in state["text"] else "easy"}


def by_kind(state: Ticket) -> Literal["research", "quote"]:
    return "research" if state["kind"] == "hard" else "quote"


async def research(state: Ticket) -> Update:
    await asyncio.sleep(0.1)
    return {"answer": f"because of {state['text']}"}


async def quote(state: Ticket) -> Update:
    await asyncio.sleep(0.02)
    return {"answer": "see the manual"}


async def audit(state: Ticket) -> Update:
    await asyncio.sleep(0.12)
    return {"audit": f"{len(state['text'])} characters"}


def router_in_branch() -> Any:
    graph = StateGraph(Ticket)
    for node in (triage, research, quote, audit):
        graph.add_node(node)
    graph.add_edge(START, "triage")
    graph.add_edge(START, "audit")
    graph.add_conditional_edges("triage", by_kind)
    for last in ("research", "quote", "audit"):
        graph.add_edge(last, END)
    return graph.compile()


# Pydantic state, read by attribute.


class Case(BaseModel):
    question: str
    facts: list[str] = Field(default_factory=list)
    checked: list[str] = Field(default_factory=list)
    laws: list[str] = Field(default_factory=list)
    citation: str = ""
    verdict: str = ""


async def collect_facts(state: Case) -> Update:
    await asyncio.sleep(0.02)
    return {"facts": [f"fact about {state.question}"]}


async def check_facts(state: Case) -> Update:
    await asyncio.sleep(0.1)
    return {"checked": [f"checked {fact}" for fact in state.facts]}


async def find_laws(state: Case) -> Update:
    await asyncio.sleep(0.1)
    return {"laws": [f"law on {state.question}"]}


async def cite_law(state: Case) -> Update:
    await asyncio.sleep(0.02)
    return {"citation": state.laws[0]}


async def judge(state: Case) -> Update:
    await asyncio.sleep(0.02)
    return {"verdict": f"{state.citation}; {state.checked[0]}"}


def pydantic_state() -> Any:
    graph = StateGraph(Case)
    for node in (collect_facts, check_facts, find_laws, cite_law, judge):
        graph.add_node(node)
    graph.add_edge(START, "collect_facts")
    graph.add_edge(START, "find_laws")
    graph.add_edge("collect_facts", "check_facts")
    graph.add_edge("find_laws", "cite_law")
    graph.add_edge(["check_facts", "cite_law"], "judge")
    graph.add_edge("judge", END)
    return graph.compile()


# Pydantic state whose nodes change parts of it in place and return nothing.


class Notes(BaseModel):
    lines: list[str] = Field(default_factory=list)
    result: str = ""


class Dossier(BaseModel):
    question: str
    facts: Notes = Field(default_factory=Notes)
    laws: Notes = Field(default_factory=Notes)
    verdict: str = ""


async def open_dossier(state: Dossier) -> Update:
    await asyncio.sleep(0.02)
    return {"facts": Notes(), "laws": Notes()}


async def note_facts(state: Dossier) -> None:
    await asyncio.sleep(0.02)
    state.facts.lines.append(f"fact about {state.question}")


async def weigh_facts(state: Dossier) -> None:
    await asyncio.sleep(0.1)
    state.facts.result = f"{len(state.facts.lines)} checked"


async def note_laws(state: Dossier) -> None:
    await asyncio.sleep(0.1)
    state.laws.lines.append(f"law on {state.question}")


async def weigh_laws(state: Dossier) -> None:
    await asyncio.sleep(0.02)
    state.laws.result = state.laws.lines[0]


async def decide(state: Dossier) -> Update:
    await asyncio.sleep(0.02)
    return {"verdict": f"{state.facts.result}; {state.laws.result}"}


def changed_in_place() -> Any:
    graph = StateGraph(Dossier)
    for node in (open_dossier, note_facts, weigh_facts, note_laws, weigh_laws, decide):
        graph.add_node(node)
    graph.add_edge(START, "open_dossier")
    graph.add_edge("open_dossier", "note_facts")
    graph.add_edge("open_dossier", "note_laws")
    graph.add_edge("note_facts", "weigh_facts")
    graph.add_edge("note_laws", "weigh_laws")
    graph.add_edge(["weigh_facts", "weigh_laws"], "decide")
    graph.add_edge("decide", END)
    return graph.compile()


# Nodes that pass the state on whole: nobody can tell what they read.


async def describe_flights(state: Trip) -> Update:
    await asyncio.sleep(0.1)
    return {"fare": repr(sorted(state))}


async def describe_hotels(state: Trip) -> Update:
    await asyncio.sleep(0.02)
    return {"room": repr(sorted(state))}


def whole_state() -> Any:
    graph = StateGraph(Trip)
    for node in (find_flights, find_hotels, describe_flights, describe_hotels):
        graph.add_node(node)
    graph.add_edge(START, "find_flights")
    graph.add_edge(START, "find_hotels")
    graph.add_edge("find_flights", "describe_flights")
    graph.add_edge("find_hotels", "describe_hotels")
    graph.add_edge("describe_flights", END)
    graph.add_edge("describe_hotels", END)
    return graph.compile()
