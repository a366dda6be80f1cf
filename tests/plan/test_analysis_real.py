"""Nodes as people and libraries really write them."""

from __future__ import annotations

import asyncio
import operator
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import END, StateGraph
from langgraph.graph.message import MessagesState, add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition
from langgraph.runtime import Runtime
from langgraph.types import Command, Send
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node, analyse_router

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportFunctionMemberAccess=false
# pyright: reportIndexIssue=false, reportOptionalMemberAccess=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportUnusedExpression=false
# mypy: disable-error-code="comparison-overlap, arg-type"


class Model(GenericFakeChatModel):
    """A model that takes tools."""

    def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
        return self


llm = Model(messages=iter([AIMessage("x")]))


@tool
def search(query: str) -> str:
    """Look something up."""
    return query


# -- a chat bot that keeps its state in one Pydantic model, and changes it in place -----


class Claim(BaseModel):
    text: str
    evidence: list[str] = Field(default_factory=list)
    verdict: str | None = None


class Turn(BaseModel):
    user: str = ""
    draft: str | None = None
    claims: list[Claim] = Field(default_factory=list)
    results: list[str] = Field(default_factory=list)

    def verified(self) -> list[Claim]:
        return [claim for claim in self.claims if claim.verdict == "yes"]


class Dialogue(BaseModel):
    turns: list[Turn] = Field(default_factory=list)
    current: Turn = Field(default_factory=Turn)
    config: dict[str, str] = Field(default_factory=dict)


async def run_chain(name: str, **inputs: object) -> str:
    await asyncio.sleep(0)
    return f"{name}{inputs}"


async def extract_claims(state: Dialogue) -> None:
    text = await run_chain("split", draft=state.current.draft)
    state.current.claims = [Claim(text=line) for line in text.splitlines()]


async def look_up(state: Dialogue) -> None:
    async def one(claim: Claim) -> None:
        claim.evidence = [await run_chain("search", text=claim.text)]

    await asyncio.gather(*(one(claim) for claim in state.current.claims))


async def search_the_web(state: Dialogue) -> None:
    state.current.results.append(await run_chain("search", q=state.current.user))


def close_turn(state: Dialogue) -> None:
    state.turns.append(state.current)


def needs_search(state: Dialogue) -> Literal["search", "draft"]:
    return "search" if "?" in state.current.user else "draft"


def test_a_chat_bot_that_changes_its_state_in_place() -> None:
    facts = analyse_node(extract_claims)
    assert facts.reads == {("current", "draft"), ("current", "claims")}
    assert facts.mutates == {("current", "claims")}
    assert facts.writes == facts.goto == frozenset()
    facts = analyse_node(look_up)
    assert facts.mutates == {("current", "claims", "[]", "evidence")}
    claim = ("current", "claims", "[]")
    assert facts.reads == {(*claim, "evidence"), (*claim, "text")}
    facts = analyse_node(search_the_web)
    assert facts.reads == {("current", "user"), ("current", "results")}
    assert facts.mutates == {("current", "results")}
    facts = analyse_node(close_turn)
    assert facts.mutates == {("turns",)}
    assert facts.shares == {("current", "turns")}
    found = analyse_router(needs_search)
    assert found.names == {"search", "draft"}
    assert found.facts.reads == {("current", "user")}


# -- retrieval, grading, map and reduce -------------------------------------------------


class RagState(TypedDict):
    question: str
    documents: list[Document]
    generation: str
    summaries: Annotated[list[str], operator.add]


prompt = ChatPromptTemplate.from_template("{question} {context}")
rag_chain = prompt | llm | StrOutputParser()


class Retriever:
    def __init__(self, store: Any) -> None:
        self.store = store

    def __call__(self, state: RagState) -> dict[str, Any]:
        question = state["question"]
        documents = self.store.similarity_search(question, k=3)
        return {"documents": documents, "question": question}


def grade(state: RagState) -> dict[str, Any]:
    question = state["question"]
    kept = []
    for document in state["documents"]:
        score = rag_chain.invoke({"question": question, "context": document.page_content})
        if score == "yes":
            kept.append(document)
        else:
            continue
    return {"documents": kept, "question": question}


def generate(state: RagState, config: RunnableConfig) -> dict[str, Any]:
    context = "\n\n".join(doc.page_content for doc in state["documents"])
    return {
        "generation": rag_chain.invoke({"context": context, "question": state["question"]}, config)
    }


def fan_out(state: RagState) -> list[Send]:
    return [Send("summarise", {"content": d.page_content}) for d in state["documents"]]


def decide(state: RagState) -> Command[Literal["generate", "__end__"]]:
    if not state["documents"]:
        return Command(update={"generation": "nothing"}, goto=END)
    return Command(goto="generate")


def test_retrieval() -> None:
    facts = analyse_node(Retriever(object()))
    assert facts.reads == {("question",)}
    assert facts.writes == {"documents", "question"}
    facts = analyse_node(grade)
    assert facts.reads == {("question",), ("documents",)}
    assert facts.writes == {"documents", "question"}
    assert facts.mutates == frozenset()
    facts = analyse_node(generate)
    assert facts.reads == {("question",), ("documents", "[]", "page_content")}
    assert facts.writes == {"generation"}
    facts = analyse_node(decide)
    assert facts.goto == {"generate"}
    assert facts.writes == {"generation"}
    found = analyse_router(fan_out)
    assert found.sends == {"summarise"}
    assert found.facts.reads == {("documents", "[]", "page_content")}


# -- agents -----------------------------------------------------------------------------


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    summary: str


def call_model(state: Chat, runtime: Runtime[Any]) -> dict[str, Any]:
    system = SystemMessage(f"Summary: {state.get('summary', '')}")
    messages = [system, *state["messages"]]
    response = llm.bind_tools([search]).invoke(messages)
    response.name = "assistant"
    return {"messages": [response]}


def rename_last(state: Chat) -> None:
    state["messages"][-1].name = "someone"


def supervisor(state: Chat) -> Command[Literal["coder", "writer", "__end__"]]:
    response = llm.with_structured_output(Claim).invoke(state["messages"])
    goto = response["next"] if isinstance(response, dict) else END
    return Command(goto=goto, update={"messages": [HumanMessage("x")]})


def test_chat_nodes() -> None:
    facts = analyse_node(call_model)
    assert facts.reads == {("messages",), ("summary",)}
    assert facts.writes == {"messages"}
    assert facts.mutates == frozenset()
    assert analyse_node(rename_last).mutates == {("messages", "[]", "name")}
    facts = analyse_node(supervisor)
    assert facts.goto == {"coder", "writer"}
    assert facts.writes == {"messages"}
    found = analyse_router(tools_condition, MessagesState)
    assert found.names == {"tools", "__end__"}
    assert found.sends == frozenset()


def react_agent() -> CompiledStateGraph[Any, Any, Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create_react_agent(llm, [search])


def test_prebuilt_agent() -> None:
    graph = react_agent()
    node = graph.builder.nodes["agent"]
    for target in (node.runnable, graph.nodes["agent"].bound):
        facts = analyse_node(target, node.input_schema)
        # It puts the whole state into an error message.
        assert facts.reads is None
        assert facts.writes == {"messages"}
        assert facts.mutates == frozenset()
        assert facts.goto == frozenset()
    (branch,) = graph.builder.branches["agent"].values()
    found = analyse_router(branch.path, branch.input_schema)
    assert found.sends == {"tools"}


def test_agent_of_langchain() -> None:
    graph = create_agent(llm, [search])
    node = graph.builder.nodes["model"]
    facts = analyse_node(node.runnable, node.input_schema)
    assert facts.writes == {"messages", "structured_response"}
    assert facts.mutates == frozenset()
    assert not facts.interrupts
    (branch,) = graph.builder.branches["model"].values()
    found = analyse_router(branch.path, branch.input_schema)
    assert found.sends == {"tools"}
    assert found.facts.reads == {("messages",), ("jump_to",), ("structured_response",)}
    (branch,) = graph.builder.branches["tools"].values()
    found = analyse_router(branch.path, branch.input_schema)
    assert found.sends == frozenset()
    assert found.names == {"model", END}


def test_a_middleware_that_interrupts() -> None:
    graph = create_agent(
        llm, [search], middleware=[HumanInTheLoopMiddleware(interrupt_on={"search": True})]
    )
    names = [n for n in graph.builder.nodes if "HumanInTheLoop" in n]
    assert names
    for name in names:
        node = graph.builder.nodes[name]
        assert analyse_node(node.runnable, node.input_schema).interrupts


@tool
def untold(query: str):  # type: ignore[no-untyped-def]
    """Look something up."""
    return query


@pytest.mark.parametrize("handed", [search, ToolNode([search, untold])])
def test_tools_may_return_anything(handed: Any) -> None:
    facts = analyse_node(handed)
    assert facts.writes is None
    assert facts.goto is None


def test_a_subgraph_called_in_a_node() -> None:
    inner = react_agent()

    def node(state: Chat) -> dict[str, Any]:
        result = inner.invoke({"messages": state["messages"]})
        return {"messages": result["messages"][-1:]}

    async def opaque(state: Chat) -> Any:
        return await inner.ainvoke(state)

    facts = analyse_node(node)
    assert facts.reads == {("messages",)}
    assert facts.writes == {"messages"}
    facts = analyse_node(opaque)
    assert facts.reads is None
    assert facts.writes is None


def test_what_the_engine_itself_makes() -> None:
    """A graph used as a node of another."""
    builder = StateGraph(Chat)
    builder.add_node("inner", react_agent())
    assert analyse_node(builder.nodes["inner"].runnable, Chat).reads is None


def parts(sequence: Sequence[Any]) -> list[Any]:
    return list(sequence)
