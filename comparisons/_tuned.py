"""LangGraph tuned as its maintainers advise: a subgraph for each branch or item.

The barrier then binds only inside each subgraph. What it takes is another graph:
states split, outputs narrowed so that branches do not write the same keys, and a
router or a second fan-out that moves inside.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from comparisons import _beside, _branches, _fanouts


def _chain(state: type[Any], returns: type[Any], nodes: Sequence[Any]) -> Any:
    """A subgraph that runs nodes in a row and returns some keys."""
    graph: Any = StateGraph(state, output_schema=returns)
    before = START
    for node in nodes:
        graph.add_node(node)
        graph.add_edge(before, node.__name__)
        before = node.__name__
    graph.add_edge(before, END)
    return graph.compile()


class Fare(TypedDict):
    fare: str


class Room(TypedDict):
    room: str


class Luggage(TypedDict):
    luggage: str


def uneven_branches() -> Any:
    graph: Any = StateGraph(_branches.Trip)
    trip = _branches.Trip
    flights = _chain(trip, Fare, [_branches.find_flights, _branches.price_flights])
    graph.add_node("flights", flights)
    hotels = _chain(trip, Room, [_branches.find_hotels, _branches.price_hotels])
    graph.add_node("hotels", hotels)
    graph.add_node("luggage", _chain(trip, Luggage, [_branches.forecast, _branches.pack]))
    graph.add_node("plan", _branches.plan)
    for branch in ("flights", "hotels", "luggage"):
        graph.add_edge(START, branch)
    graph.add_edge(["flights", "hotels", "luggage"], "plan")
    graph.add_edge("plan", END)
    return graph.compile()


def issue_6320() -> Any:
    graph: Any = StateGraph(_branches.Log)
    branch = _chain(_branches.Log, _branches.Log, [_branches.fast, _branches.after_fast])
    graph.add_node("branch", branch)
    graph.add_node("slow", _branches.slow)
    for node in ("branch", "slow"):
        graph.add_edge(START, node)
        graph.add_edge(node, END)
    return graph.compile()


class Index(TypedDict):
    index: dict[str, int]


def waiting_edges() -> Any:
    graph: Any = StateGraph(_branches.Archive)
    nodes = [_branches.extract, _branches.tidy, _branches.index]
    graph.add_node("texts", _chain(_branches.Archive, Index, nodes))
    graph.add_node("detect_faces", _branches.detect_faces)
    graph.add_node("catalogue", _branches.catalogue)
    graph.add_edge(START, "texts")
    graph.add_edge(START, "detect_faces")
    graph.add_edge(["texts", "detect_faces"], "catalogue")
    graph.add_edge("catalogue", END)
    return graph.compile()


class Answer(TypedDict):
    answer: str


def router_in_branch() -> Any:
    branch: Any = StateGraph(_branches.Ticket, output_schema=Answer)
    branch.add_node("triage", _branches.triage)
    branch.add_node("research", _branches.research)
    branch.add_node("quote", _branches.quote)
    branch.add_edge(START, "triage")
    branch.add_conditional_edges("triage", _branches.by_kind)
    branch.add_edge("research", END)
    branch.add_edge("quote", END)
    graph: Any = StateGraph(_branches.Ticket)
    graph.add_node("reply", branch.compile())
    graph.add_node("audit", _branches.audit)
    for node in ("reply", "audit"):
        graph.add_edge(START, node)
        graph.add_edge(node, END)
    return graph.compile()


class Checked(TypedDict):
    checked: list[str]


class Citation(TypedDict):
    citation: str


def pydantic_state() -> Any:
    graph: Any = StateGraph(_branches.Case)
    facts = [_branches.collect_facts, _branches.check_facts]
    graph.add_node("facts", _chain(_branches.Case, Checked, facts))
    laws = [_branches.find_laws, _branches.cite_law]
    graph.add_node("laws", _chain(_branches.Case, Citation, laws))
    graph.add_node("judge", _branches.judge)
    graph.add_edge(START, "facts")
    graph.add_edge(START, "laws")
    graph.add_edge(["facts", "laws"], "judge")
    graph.add_edge("judge", END)
    return graph.compile()


class NoKeys(TypedDict): ...


def changed_in_place() -> Any:
    graph: Any = StateGraph(_branches.Dossier)
    graph.add_node("open_dossier", _branches.open_dossier)
    facts = [_branches.note_facts, _branches.weigh_facts]
    graph.add_node("weighed_facts", _chain(_branches.Dossier, NoKeys, facts))
    laws = [_branches.note_laws, _branches.weigh_laws]
    graph.add_node("weighed_laws", _chain(_branches.Dossier, NoKeys, laws))
    graph.add_node("decide", _branches.decide)
    graph.add_edge(START, "open_dossier")
    graph.add_edge("open_dossier", "weighed_facts")
    graph.add_edge("open_dossier", "weighed_laws")
    graph.add_edge(["weighed_facts", "weighed_laws"], "decide")
    graph.add_edge("decide", END)
    return graph.compile()


class Ratings(TypedDict):
    ratings: Annotated[list[str], operator.add]


class Rated(_fanouts.Item, Ratings): ...


async def fetch_only(item: _fanouts.Item) -> None:
    await _fanouts.fetch(item)


def send_chains() -> Any:
    graph: Any = StateGraph(_fanouts.Shop)
    graph.add_node("item", _chain(Rated, Ratings, [fetch_only, _fanouts.rate]))
    graph.add_node("choose", _fanouts.choose)
    graph.add_conditional_edges(START, _items, ["item"])
    graph.add_edge("item", "choose")
    graph.add_edge("choose", END)
    return graph.compile()


def _items(state: _fanouts.Shop) -> list[Send]:
    return [Send("item", item) for item in state["items"]]


class CheckedNames(TypedDict):
    checked: Annotated[list[str], operator.add]


class OneDocument(_fanouts.Document, CheckedNames): ...


def nested_fan_outs() -> Any:
    one: Any = StateGraph(OneDocument, output_schema=CheckedNames)
    one.add_node("split", _fanouts.split, input_schema=_fanouts.Document)
    one.add_node("check", _fanouts.check, input_schema=_fanouts.Sentence)
    one.add_edge(START, "split")
    one.add_edge("check", END)
    graph: Any = StateGraph(_fanouts.Library)
    graph.add_node("document", one.compile())
    graph.add_node("report", _fanouts.report)
    graph.add_conditional_edges(START, _documents, ["document"])
    graph.add_edge("document", "report")
    graph.add_edge("report", END)
    return graph.compile()


def _documents(state: _fanouts.Library) -> list[Send]:
    return [Send("document", document) for document in state["documents"]]


class Digests(TypedDict):
    digests: Annotated[list[str], operator.add]


class OneCall(_fanouts.Call, Digests): ...


async def run_only(call: _fanouts.Call) -> None:
    await _fanouts.run_tool(call)


def agent_tools() -> Any:
    inner: Any = StateGraph(_fanouts.Chat, output_schema=Answer)
    inner.add_node("agent", _fanouts.agent)
    inner.add_node("call", _chain(OneCall, Digests, [run_only, _fanouts.digest]))
    inner.add_edge(START, "agent")
    inner.add_conditional_edges("agent", _calls, ["call", END])
    inner.add_edge("call", "agent")
    graph: Any = StateGraph(_fanouts.Chat)
    graph.add_node("answer", inner.compile())
    graph.add_node("entitle", _fanouts.entitle)
    for node in ("answer", "entitle"):
        graph.add_edge(START, node)
        graph.add_edge(node, END)
    return graph.compile()


def _calls(state: _fanouts.Chat) -> Any:
    return [Send("call", call) for call in state["calls"]] or END


class Summary(TypedDict):
    summary: str


def early_reduce() -> Any:
    branch: Any = StateGraph(_beside.Contest, output_schema=Summary)
    branch.add_node("score", _beside.score, input_schema=_beside.Entry)
    branch.add_node("rank", _beside.rank)
    branch.add_node("summarise", _beside.summarise)
    branch.add_conditional_edges(START, _beside.each_entry, ["score"])
    branch.add_edge("score", "rank")
    branch.add_edge("rank", "summarise")
    branch.add_edge("summarise", END)
    graph: Any = StateGraph(_beside.Contest)
    graph.add_node("ranked", branch.compile())
    graph.add_node("settle_accounts", _beside.settle_accounts)
    graph.add_node("announce", _beside.announce)
    graph.add_edge(START, "ranked")
    graph.add_edge(START, "settle_accounts")
    graph.add_edge(["ranked", "settle_accounts"], "announce")
    graph.add_edge("announce", END)
    return graph.compile()


class Body(TypedDict):
    body: str


class Findings(TypedDict):
    findings: Annotated[list[str], operator.add]


class OneQuery(_beside.Query, Findings): ...


async def search_only(query: _beside.Query) -> None:
    await _beside.search(query)


def subgraph_branch() -> Any:
    evidence: Any = StateGraph(_beside.Search, output_schema=_beside.Evidence)
    evidence.add_node("query", _chain(OneQuery, Findings, [search_only, _beside.read]))
    evidence.add_node("weigh", _beside.weigh)
    evidence.add_conditional_edges(START, _queries, ["query"])
    evidence.add_edge("query", "weigh")
    evidence.add_edge("weigh", END)
    graph: Any = StateGraph(_beside.Article)
    graph.add_node("find_evidence", evidence.compile())
    body = _chain(_beside.Article, Body, [_beside.make_outline, _beside.write_body])
    graph.add_node("write", body)
    graph.add_node("compose", _beside.compose)
    graph.add_edge(START, "find_evidence")
    graph.add_edge(START, "write")
    graph.add_edge(["find_evidence", "write"], "compose")
    graph.add_edge("compose", END)
    return graph.compile()


def _queries(state: _beside.Search) -> list[Send]:
    return [Send("query", query) for query in state["queries"]]


class Rounds(TypedDict):
    rounds: int


def loop_beside_long_task() -> Any:
    loop: Any = StateGraph(_beside.Refinement, output_schema=Rounds)
    loop.add_node("refine", _beside.refine)
    loop.add_edge(START, "refine")
    loop.add_conditional_edges("refine", _beside.again)
    graph: Any = StateGraph(_beside.Refinement)
    graph.add_node("refined", loop.compile())
    graph.add_node("build_index", _beside.build_index)
    for node in ("refined", "build_index"):
        graph.add_edge(START, node)
        graph.add_edge(node, END)
    return graph.compile()
