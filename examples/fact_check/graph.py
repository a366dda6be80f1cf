"""The application: answer a question about Python, and check every claim made.

                    ┌─► define_terms
    START ─► find ──┤
                    └─► draft ─► split ══► plan ══► search ─► read ─► judge ─► join ─► answer
                                                       ▲                │        when all are in
                                                       └─── rephrase ◄──┘ unclear, once

``══►`` fans out: one ``plan`` for each claim, one ``search`` for each of its
queries. This is plain LangGraph; it knows nothing of ``langgraph_alto``.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.documents import Document
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from examples.fact_check import prompts
from examples.fact_check.prompts import Verdict

MAX_ATTEMPTS = 2


class Claim(TypedDict):
    """One sentence of the draft."""

    number: int
    text: str


class Judgment(TypedDict):
    """What one search says about one claim."""

    claim: int
    query: str
    attempt: int
    verdict: Verdict
    reason: str


class Finding(TypedDict):
    """What the searches say together about one claim."""

    claim: Claim
    verdict: Verdict
    reason: str


class State(TypedDict, total=False):
    """What the nodes share."""

    question: str
    passages: list[Document]
    terms: str
    draft: str
    claims: list[Claim]
    searches: Annotated[int, operator.add]
    judgments: Annotated[list[Judgment], operator.add]
    findings: list[Finding]
    answer: str


class Check(TypedDict, total=False):
    """What is sent along while one claim is checked by one of its queries."""

    claim: Claim
    number: int
    query: str
    attempt: int
    passages: list[Document]
    notes: str


@dataclass(frozen=True)
class Context:
    """What a run needs besides its input."""

    llm: BaseChatModel
    retriever: BaseRetriever


async def ask(llm: BaseChatModel, prompt: ChatPromptTemplate, **fields: str) -> str:
    """The model's answer to ``prompt`` with its blanks filled in."""
    message = await llm.ainvoke(prompt.format_messages(**fields))
    return message.text


async def find(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Look the question up."""
    return {"passages": await runtime.context.retriever.ainvoke(state["question"])}


async def define_terms(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Explain the terms that the answer will need."""
    terms = await ask(
        runtime.context.llm,
        prompts.TERMS,
        question=state["question"],
        passages=prompts.show_passages(state["passages"]),
    )
    return {"terms": terms}


async def draft(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Write a first answer, which may be wrong in places."""
    text = await ask(
        runtime.context.llm,
        prompts.DRAFT,
        question=state["question"],
        passages=prompts.show_passages(state["passages"]),
    )
    return {"draft": text}


async def split(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Split the draft into claims."""
    text = await ask(runtime.context.llm, prompts.CLAIMS, draft=state["draft"])
    claims = prompts.read_claims(text) or [state["draft"]]
    return {"claims": [Claim(number=i, text=c) for i, c in enumerate(claims, start=1)]}


def each_claim(state: State) -> list[Send]:
    """Check the claims side by side."""
    return [Send("plan", {"claim": claim}) for claim in state["claims"]]


async def plan(state: Check, runtime: Runtime[Context]) -> Command[Literal["search"]]:
    """Decide what to search for, and search for all of it side by side."""
    claim = state["claim"]
    text = await ask(runtime.context.llm, prompts.QUERIES, claim=claim["text"])
    queries = prompts.read_queries(text, otherwise=claim["text"])
    return Command(
        update={"searches": len(queries)},
        goto=[
            Send("search", {"claim": claim, "number": number, "query": query, "attempt": 1})
            for number, query in enumerate(queries, start=1)
        ],
    )


async def search(state: Check, runtime: Runtime[Context]) -> Command[Literal["read"]]:
    """Find passages for one query."""
    passages = await runtime.context.retriever.ainvoke(state["query"])
    return Command(
        goto=Send(
            "read",
            {
                "claim": state["claim"],
                "number": state["number"],
                "query": state["query"],
                "attempt": state["attempt"],
                "passages": passages,
            },
        )
    )


async def read(state: Check, runtime: Runtime[Context]) -> Command[Literal["judge"]]:
    """Note what the passages say about the claim, and leave out the rest."""
    notes = await ask(
        runtime.context.llm,
        prompts.READ,
        claim=state["claim"]["text"],
        passages=prompts.show_passages(state["passages"]),
    )
    return Command(
        goto=Send(
            "judge",
            {
                "claim": state["claim"],
                "number": state["number"],
                "query": state["query"],
                "attempt": state["attempt"],
                "notes": notes,
            },
        )
    )


async def judge(state: Check, runtime: Runtime[Context]) -> Command[Literal["rephrase", "join"]]:
    """Check the claim against the notes; if they do not tell, have it searched once more."""
    claim = state["claim"]
    reason = await ask(
        runtime.context.llm, prompts.JUDGE, claim=claim["text"], notes=state["notes"]
    )
    verdict = prompts.read_verdict(reason)
    if verdict == "UNCLEAR" and state["attempt"] < MAX_ATTEMPTS:
        return Command(
            goto=Send(
                "rephrase",
                {
                    "claim": claim,
                    "number": state["number"],
                    "query": state["query"],
                    "attempt": state["attempt"] + 1,
                },
            )
        )
    judgment = Judgment(
        claim=claim["number"],
        query=state["query"],
        attempt=state["attempt"],
        verdict=verdict,
        reason=reason,
    )
    return Command(update={"judgments": [judgment]}, goto="join")


async def rephrase(state: Check, runtime: Runtime[Context]) -> Command[Literal["search"]]:
    """Think of a better query."""
    claim = state["claim"]
    text = await ask(
        runtime.context.llm, prompts.REPHRASE, claim=claim["text"], query=state["query"]
    )
    return Command(
        goto=Send(
            "search",
            {
                "claim": claim,
                "number": state["number"],
                "query": prompts.read_queries(text, otherwise=claim["text"])[0],
                "attempt": state["attempt"],
            },
        )
    )


async def join(state: State) -> dict[str, Any]:
    """Bring the judgments so far together, claim by claim, in the draft's order."""
    findings = []
    for claim in state["claims"]:
        judgments = [j for j in state["judgments"] if j["claim"] == claim["number"]]
        decided = [j for j in judgments if j["verdict"] != "UNCLEAR"]
        supported = [j for j in decided if j["verdict"] == "SUPPORTED"]
        best = next(iter(supported or decided or judgments), None)
        if best is not None:
            findings.append(Finding(claim=claim, verdict=best["verdict"], reason=best["reason"]))
    return {"findings": findings}


def when_all_are_in(state: State) -> Literal["answer", "__end__"]:
    """Go on once every search has been judged.

    Some searches are done over, so judgments come in at different supersteps,
    and ``join`` runs after each of these.
    """
    return "answer" if len(state["judgments"]) == state["searches"] else "__end__"


async def answer(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Write the final answer from what was found, and add the terms."""
    findings = "\n".join(
        f"{f['claim']['number']}. [{f['verdict']}] {f['claim']['text']}" for f in state["findings"]
    )
    text = await ask(
        runtime.context.llm,
        prompts.ANSWER,
        question=state["question"],
        findings=findings,
    )
    return {"answer": f"{text}\n\nTerms\n{state['terms']}"}


def build_graph() -> StateGraph[State, Context, State, State]:
    """The graph, not yet compiled."""
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("find", find)
    graph.add_node("define_terms", define_terms)
    graph.add_node("draft", draft)
    graph.add_node("split", split)
    graph.add_node("plan", plan)
    graph.add_node("search", search)
    graph.add_node("read", read)
    graph.add_node("judge", judge)
    graph.add_node("rephrase", rephrase)
    graph.add_node("join", join)
    graph.add_node("answer", answer)
    graph.add_edge(START, "find")
    graph.add_edge("find", "define_terms")
    graph.add_edge("find", "draft")
    graph.add_edge("draft", "split")
    graph.add_conditional_edges("split", each_claim, ["plan"])
    graph.add_conditional_edges("join", when_all_are_in)
    graph.add_edge("answer", END)
    return graph
