"""Graphs with gathers, and the same with a subgraph per parent, as the oracle."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import Gathered, gather

Mode = Literal["sync", "async"]


class State(TypedDict, total=False):
    documents: list[dict[str, Any]]
    checked: Annotated[list[str], operator.add]
    summaries: Annotated[list[str], operator.add]
    answer: str


class Document(TypedDict, total=False):
    title: str
    sentences: list[str]
    verdicts: Annotated[list[str], operator.add]
    checked: Annotated[list[str], operator.add]
    summaries: Annotated[list[str], operator.add]


def split(state: State) -> dict[str, Any]:
    return {}


def to_documents(state: State) -> list[Send]:
    return [Send("sentences", document) for document in state["documents"]]


def sentences(document: dict[str, Any]) -> Command[Literal["check"]]:
    packets = [
        Send("check", {"sentence": sentence, "title": document["title"]})
        for sentence in document["sentences"]
    ]
    return Command(goto=packets)


def verdict_of(sentence: str) -> str | None:
    """What a check finds: nothing at all for some sentences; some cannot be checked."""
    if sentence.startswith("bad"):
        raise ValueError(f"cannot check {sentence}")
    return None if sentence.startswith("skip") else sentence.upper()


def check(packet: dict[str, Any]) -> dict[str, Any] | None:
    verdict = verdict_of(packet["sentence"])
    if verdict is None:
        return None
    return {"checked": [packet["sentence"]], "verdict": verdict}


async def acheck(packet: dict[str, Any]) -> dict[str, Any] | None:
    await asyncio.sleep(0)
    verdict = verdict_of(packet["sentence"])
    if verdict is None:
        return None
    return {"checked": [packet["sentence"]], "verdict": verdict}


def summarise(verdicts: Gathered) -> dict[str, Any]:
    return {"summaries": [f"{verdicts.parent['title']}: {' '.join(verdicts)}"]}


async def asummarise(verdicts: Gathered) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"summaries": [f"{verdicts.parent['title']}: {' '.join(verdicts)}"]}


def answer(state: State) -> dict[str, Any]:
    return {"answer": " | ".join(state["summaries"])}


def documents_graph(
    mode: Mode = "sync",
    function: Callable[..., Any] | None = None,
    nodes: Mapping[str, Callable[..., Any]] | None = None,
    **declared: Any,
) -> Any:
    """The builder of a graph that checks documents, sentence by sentence.

    START -> split =Send=> sentences =Send=> check -> summarise -> answer
    """
    nodes = nodes or {}
    builder: Any = StateGraph(State)
    builder.add_node("split", split)
    builder.add_node("sentences", nodes.get("sentences", sentences), destinations=("check",))
    builder.add_node("check", nodes.get("check", check if mode == "sync" else acheck))
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", to_documents, ["sentences"])
    function = function or (summarise if mode == "sync" else asummarise)
    options = {"over": "sentences", "of": "check", "key": "verdict", **declared}
    gather(builder, "summarise", function, **options)
    builder.add_node("answer", answer)
    builder.add_edge("summarise", "answer")
    builder.add_edge("answer", END)
    return builder


def oracle() -> Any:
    """The same with a subgraph per document, without a gather.

    START -> split =Send=> document -> answer;  document: START =Send=> check -> summarise
    """

    def to_checks(document: Document) -> list[Send] | str:
        return [Send("check", {"sentence": s}) for s in document["sentences"]] or "summarise"

    def inner_check(packet: dict[str, Any]) -> dict[str, Any] | None:
        verdict = verdict_of(packet["sentence"])
        return None if verdict is None else {"checked": [packet["sentence"]], "verdicts": [verdict]}

    def inner_summarise(document: Document) -> dict[str, Any]:
        return {"summaries": [f"{document['title']}: {' '.join(document['verdicts'])}"]}

    inner: Any = StateGraph(Document)
    inner.add_node("check", inner_check)
    inner.add_node("summarise", inner_summarise)
    inner.add_conditional_edges(START, to_checks, ["check", "summarise"])
    inner.add_edge("check", "summarise")
    per_document = inner.compile()

    def document(packet: Document) -> dict[str, Any]:
        found = per_document.invoke(packet)
        return {"checked": found["checked"], "summaries": found["summaries"]}

    builder: Any = StateGraph(State)
    builder.add_node("split", split)
    builder.add_node("document", document)
    builder.add_node("answer", answer)
    builder.add_edge(START, "split")
    builder.add_conditional_edges(
        "split", lambda s: [Send("document", d) for d in s["documents"]], ["document"]
    )
    builder.add_edge("document", "answer")
    return builder.compile()


def documents(*texts: str) -> dict[str, Any]:
    """An input: one document per text, one sentence per word."""
    return {
        "documents": [
            {"title": f"d{place}", "sentences": text.split()} for place, text in enumerate(texts)
        ]
    }


def run(graph: Any, given: Any, mode: Mode, config: Any = None, **kwargs: Any) -> Any:
    """Invoke a graph."""
    if mode == "sync":
        return graph.invoke(given, config, **kwargs)
    return asyncio.run(graph.ainvoke(given, config, **kwargs))


def wait_for(condition: Callable[[], bool], what: str, patience: float = 5.0) -> None:
    """Wait in a thread until something has happened."""
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.002)


async def await_(condition: Callable[[], bool], what: str, patience: float = 5.0) -> None:
    """Wait on the event loop until something has happened."""
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        await asyncio.sleep(0.002)
