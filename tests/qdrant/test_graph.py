"""The node, in plain and in wrapped graphs."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.documents import Document
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from langgraph_alto import Batch, wrap
from langgraph_alto.testing import acheck, check
from langgraph_alto_qdrant import (
    Connection,
    QdrantRetriever,
    aretrieve_node,
    retrieve_node,
)
from tests.qdrant.support import counted, documents, retriever, sizes


class State(TypedDict, total=False):
    questions: list[str]
    only: list[str]
    found: Annotated[list[Document], operator.add]
    answer: str


def fan_out(node: Any) -> Any:
    """A question each::

    START ──Send──▶ retrieve (n times) ──▶ answer ──▶ END
    """

    def ask(state: State) -> list[Send]:
        return [Send("retrieve", {"query": question}) for question in state["questions"]]

    def answer(state: State) -> State:
        return {"answer": " | ".join(one.page_content for one in state["found"])}

    builder = StateGraph(State)
    builder.add_node("retrieve", node)
    builder.add_node("answer", answer)
    builder.add_conditional_edges(START, ask, ["retrieve"])
    builder.add_edge("retrieve", "answer")
    builder.add_edge("answer", END)
    return builder.compile()


@pytest.fixture
def filled() -> Iterator[tuple[Connection, QdrantRetriever]]:
    with Connection() as connection:
        found = retriever(connection, limit=2, batching=Batch(64, 5.0))
        found.ensure_collection()
        found.upsert(documents(60))
        yield connection, found


GIVEN = {"questions": [f"item number {n}" for n in range(40)]}


def test_a_fan_out_is_one_call(filled: tuple[Connection, QdrantRetriever]) -> None:
    connection, found = filled
    graph = fan_out(retrieve_node(found, to="found"))
    with counted(connection) as calls:
        fast = wrap(graph).invoke(GIVEN)
    assert sizes(calls) == [40]
    assert fast == graph.invoke(GIVEN)
    assert len(fast["found"]) == 80


@pytest.mark.parametrize("factory", [retrieve_node, aretrieve_node])
async def test_a_fan_out_is_one_call_on_an_event_loop(
    filled: tuple[Connection, QdrantRetriever], factory: Any
) -> None:
    connection, found = filled
    graph = fan_out(factory(found, to="found"))
    with counted(connection) as calls:
        fast = await wrap(graph).ainvoke(GIVEN)
    assert sizes(calls) == [40]
    with counted(connection) as calls:
        plain = await graph.ainvoke(GIVEN)
    # The retriever by itself puts together what is asked at the same time.
    assert sum(sizes(calls)) == 40
    assert fast == plain


async def test_the_same_on_both_engines(filled: tuple[Connection, QdrantRetriever]) -> None:
    _, found = filled
    assert check(fan_out(retrieve_node(found, to="found")), GIVEN).ok
    report = await acheck(fan_out(aretrieve_node(found, to="found")), GIVEN)
    assert report.ok, report


async def test_a_node_in_a_chain_with_a_filter(
    filled: tuple[Connection, QdrantRetriever],
) -> None:
    class Chain(TypedDict, total=False):
        query: str
        only: dict[str, Any] | None
        documents: list[Document]
        other: int

    _, found = filled
    found.upsert(documents(5, "others"))
    builder = StateGraph(Chain)
    builder.add_node("retrieve", retrieve_node(found, filter_key="only"))
    builder.add_edge(START, "retrieve")
    graph = builder.compile()
    for only, sources in ((None, {"numbers", "others"}), ({"source": "others"}, {"others"})):
        given: Any = {"query": "item number 3 d", "only": only, "other": 1}
        result = graph.invoke(given)
        assert {one.metadata["source"] for one in result["documents"]} == sources
        assert wrap(graph).invoke(given) == result
        assert await wrap(graph).ainvoke(given) == result
    # It reads its question, and nothing else.
    read = next(one for one in wrap(graph).plan.stages if one.name == "retrieve")
    assert set(read.effects.reads or ()) == {"query", "only"}, read


def test_an_input_without_a_question_fails_alone(
    filled: tuple[Connection, QdrantRetriever],
) -> None:
    _, found = filled
    graph = fan_out(retrieve_node(found, to="found", query_key="text"))
    with pytest.raises(TypeError, match=r"'text' is None and no question; give query_key="):
        wrap(graph).invoke(GIVEN)


def test_the_core_does_not_import_the_adapter() -> None:
    import subprocess
    import sys

    code = "import sys, langgraph_alto; assert not [one for one in sys.modules if 'qdrant' in one]"
    subprocess.run([sys.executable, "-c", code], check=True)
