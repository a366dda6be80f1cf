"""The node, in plain and in wrapped graphs."""

from __future__ import annotations

import operator
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.documents import Document
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

import langgraph_alto
import langgraph_alto_qdrant
from langgraph_alto import Batch, wrap
from langgraph_alto.testing import acheck, check
from langgraph_alto_qdrant import (
    Connection,
    QdrantRetriever,
    RefusedError,
    ServerAwayError,
    aretrieve_node,
    retrieve_node,
)
from tests.qdrant.stand_in import Fault, StandIn
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


def test_the_plan_knows_what_the_node_does(tmp_path: Path) -> None:
    """As it is installed, where its code is a library's: nothing keeps it back."""
    packages = tmp_path / "site-packages"
    shutil.copytree(Path(langgraph_alto_qdrant.__file__).parent, packages / "langgraph_alto_qdrant")
    code = """if True:
        from typing import Any, TypedDict
        from langgraph.graph import START, StateGraph
        from langgraph_alto import wrap
        from langgraph_alto_qdrant import HashedBM25, QdrantRetriever, aretrieve_node, retrieve_node

        State = TypedDict("State", {"query": str, "only": Any, "documents": list, "other": int})
        retriever = QdrantRetriever(collection="items", sparse=HashedBM25())
        for factory in (retrieve_node, aretrieve_node):
            builder = StateGraph(State)
            builder.add_node("retrieve", factory(retriever, filter_key="only"))
            builder.add_edge(START, "retrieve")
            (stage,) = wrap(builder.compile()).plan.stages
            print(stage.reads.names, stage.writes.names, stage.mutates.names, stage.leads_to.names)
    """
    path = os.pathsep.join([str(packages), str(Path(langgraph_alto.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["('only', 'query') ('documents',) () ()"] * 2


async def test_a_server_that_is_away_is_not_asked_once_for_each(stand_in: StandIn) -> None:
    async with Connection(url=stand_in.url, attempts=2) as connection:
        found = retriever(connection, dense=None, batching=Batch(64, 5.0))
        found.ensure_collection()
        found.upsert(documents(5))
        graph = wrap(fan_out(aretrieve_node(found, to="found")))
        stand_in.faults += [Fault("query", status=503)] * 2
        with pytest.raises(ServerAwayError, match="failed 2 times"):
            await graph.ainvoke(GIVEN)
        assert stand_in.of("query") == [40, 40]
        # What is refused is asked again, each question alone; then it is each one's own error.
        stand_in.faults += [Fault("query", status=400)] * 200
        with pytest.raises(RefusedError, match="status 400"):
            await graph.ainvoke(GIVEN)


def test_an_input_without_a_question_fails_alone(
    filled: tuple[Connection, QdrantRetriever],
) -> None:
    _, found = filled
    graph = fan_out(retrieve_node(found, to="found", query_key="text"))
    with pytest.raises(TypeError, match=r"'text' is None and no question; give query_key="):
        wrap(graph).invoke(GIVEN)


def test_the_core_does_not_import_the_adapter() -> None:
    code = "import sys, langgraph_alto; assert not [one for one in sys.modules if 'qdrant' in one]"
    subprocess.run([sys.executable, "-c", code], check=True)
