"""LangGraph's ``ToolNode`` looks into what it is given to read the state with."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send

from langgraph_alto import wrap
from tests.guarantees.support import Journal, Mode, both, node, run


@tool
def search(query: str) -> str:
    """Look something up."""
    return f"found {query}"


CALL = {"name": "search", "args": {"query": "x"}, "id": "1"}
DRESSES: dict[str, Any] = {
    "plain": lambda tools: tools,
    "retried": lambda tools: tools.with_retry(),
    "with fallbacks": lambda tools: tools.with_fallbacks([RunnableLambda(lambda _: {})]),
}


@both
@pytest.mark.parametrize("policy", ["proven", "speculative"])
@pytest.mark.parametrize("dress", DRESSES)
def test_a_call_sent_to_it(dress: str, policy: str, mode: Mode) -> None:
    """Also where the node might run ahead: it needs the whole state, and waits."""

    def model(state: MessagesState) -> Any:
        return {"messages": [AIMessage("", id="a", tool_calls=[CALL])]}

    def calls(state: MessagesState) -> list[Send]:
        last: Any = state["messages"][-1]
        return [Send("tools", [call]) for call in last.tool_calls]

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("slow", node(mode, "slow", Journal(), seconds=0.05, key="unused"))
    graph.add_node("tools", DRESSES[dress](ToolNode([search])))
    graph.add_edge(START, "model")
    graph.add_edge(START, "slow")
    graph.add_conditional_edges("model", calls, ["tools"])
    result = run(wrap(graph, policy=policy), {"messages": []}, mode)
    assert result["messages"][-1].content == "found x"
