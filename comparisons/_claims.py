"""Twelve claims written by a model, each of which is then verified by a model.

The application is LangGraph as one would write it for this: a node that asks for the
claims, a conditional edge that fans out over the lines of the answer, a node that
verifies one claim, and one that joins what was found::

    START ─► draft ══► verify ─► join
                   once per line
"""

from __future__ import annotations

import asyncio
import operator
import random
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from examples.simulated_llm import LLAMA_3_1_8B_H100, SimulatedChatModel, SimulatedServer

CLAIMS = 12
PLACES = 4
"""How many claims may be verified at once: the verifier's rate limit."""

DRAFT = "Write what is to be checked, one claim on each line."
VERIFY = "Say whether the claim is right, and why."

CLAIM_WORDS, REASON_WORDS = 22, 90


class State(TypedDict):
    """The state of the application."""

    question: str
    claims: str
    found: Annotated[list[str], operator.add]
    report: str


class Packet(TypedDict):
    """What a ``verify`` task is sent."""

    claim: str


def simulated() -> SimulatedChatModel:
    """A model that takes a real one's time, and makes words up."""

    def words(rng: random.Random, count: int) -> str:
        return " ".join(f"{rng.choice('bcdfglmprst')}o{rng.randint(10, 99)}" for _ in range(count))

    def draft(_: str, rng: random.Random) -> str:
        lines = (f"{n}. {words(rng, CLAIM_WORDS)}." for n in range(1, CLAIMS + 1))
        return "\n".join(lines)

    def verify(_: str, rng: random.Random) -> str:
        return f"It is right. {words(rng, REASON_WORDS)}."

    server = SimulatedServer(LLAMA_3_1_8B_H100)
    return SimulatedChatModel(server=server, skills={DRAFT: draft, VERIFY: verify})


def lines(text: str) -> list[str]:
    """The claims in a draft, or in the part of one."""
    return [line.strip() for line in text.splitlines() if line.strip()]


async def ask(llm: BaseChatModel, system: str, user: str) -> str:
    """The model's answer."""
    return (await llm.ainvoke([SystemMessage(system), HumanMessage(user)])).text


@dataclass(frozen=True)
class Context:
    """What a run needs besides its input."""

    llm: BaseChatModel
    places: asyncio.Semaphore


async def draft(state: State, runtime: Runtime[Context]) -> Any:
    """Write the claims."""
    return {"claims": await ask(runtime.context.llm, DRAFT, state["question"])}


async def verify(packet: Packet, runtime: Runtime[Context]) -> Any:
    """Verify one."""
    async with runtime.context.places:
        return {"found": [await ask(runtime.context.llm, VERIFY, packet["claim"])]}


def join(state: State) -> Any:
    """Put together what was found."""
    return {"report": "\n".join(state["found"])}


def each(state: State) -> list[Send]:
    """Verify the claims side by side."""
    return [Send("verify", {"claim": claim}) for claim in lines(state["claims"])]


def application() -> Any:
    """The application, compiled; it knows nothing of ``langgraph_alto``."""
    builder: Any = StateGraph(State, context_schema=Context)
    for node in (draft, verify, join):
        builder.add_node(node)
    builder.add_edge(START, "draft")
    builder.add_conditional_edges("draft", each, ["verify"])
    builder.add_edge("verify", "join")
    return builder.compile()


async def by_hand(llm: BaseChatModel, question: str) -> str:
    """The same as one would write it with asyncio alone, for its end to come soon."""
    places = asyncio.Semaphore(PLACES)
    tasks: list[asyncio.Task[str]] = []

    async def verify(claim: str) -> str:
        async with places:
            return await ask(llm, VERIFY, claim)

    text = ""
    async for chunk in llm.astream([SystemMessage(DRAFT), HumanMessage(question)]):
        text += chunk.text
        complete = lines(text.rpartition("\n")[0])
        tasks += [asyncio.create_task(verify(claim)) for claim in complete[len(tasks) :]]
    tasks += [asyncio.create_task(verify(claim)) for claim in lines(text)[len(tasks) :]]
    return "\n".join(await asyncio.gather(*tasks))
