"""``install`` and ``uninstall``: every graph compiled in between is wrapped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from langgraph_alto import AltoGraph, install, uninstall
from tests.guarantees.support import Journal, State, graph_of, node, uneven

ORIGINAL = StateGraph.compile


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    """Each test undoes what it installs; if it does not, the next ones still work."""
    assert StateGraph.compile is ORIGINAL
    yield
    left = StateGraph.compile is not ORIGINAL
    uninstall()
    assert StateGraph.compile is ORIGINAL
    assert not left


def compiled(**options: Any) -> Any:
    return uneven("sync", Journal()).compile(**options)


def policy_of(graph: Any) -> str | None:
    return graph.alto.policy if isinstance(graph, AltoGraph) else None


def test_from_here_on() -> None:
    before = compiled()
    install()
    during = compiled()
    uninstall()
    after = compiled()
    assert [policy_of(graph) for graph in (before, during, after)] == [None, "proven", None]
    # What was compiled in between stays wrapped.
    assert during.invoke({"log": []})["log"] == ["quick", "slow", "early", "late", "end"]


def test_the_policy_is_given_on() -> None:
    install(policy="speculative")
    assert policy_of(compiled()) == "speculative"
    uninstall()


def test_an_unknown_policy_installs_nothing() -> None:
    with pytest.raises(ValueError, match="policy is 'fast'"):
        install(policy="fast")
    assert StateGraph.compile is ORIGINAL


def test_the_latest_install_wins() -> None:
    install(policy="off")
    install(policy="speculative")
    assert policy_of(compiled()) == "speculative"
    uninstall()
    assert policy_of(compiled()) is None


def test_uninstall_without_install_is_nothing() -> None:
    uninstall()
    uninstall()
    assert policy_of(compiled()) is None


def test_options_of_compile_are_kept() -> None:
    saver = InMemorySaver()
    with install():
        graph = compiled(checkpointer=saver, interrupt_before=["end"], name="uneven")
    assert graph.checkpointer is saver
    assert graph.interrupt_before_nodes == ["end"]
    assert graph.name == "uneven"
    config: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"log": []}, config)
    assert graph.get_state(config).next == ("end",)


def test_compile_looks_like_compile() -> None:
    with install():
        assert StateGraph.compile.__name__ == "compile"
        assert StateGraph.compile.__doc__ == ORIGINAL.__doc__


def test_agents_are_wrapped() -> None:
    with install():
        agent = create_agent(GenericFakeChatModel(messages=iter([AIMessage("hello")])), [])
    assert isinstance(agent, AltoGraph)
    assert agent.invoke({"messages": [("user", "hi")]})["messages"][-1].text == "hello"


def test_subclasses_of_state_graph() -> None:
    class Mine(StateGraph[Any, Any, Any, Any]):
        pass

    graph: Any = Mine(State)
    graph.add_node("only", node("sync", "only", Journal()))
    graph.set_entry_point("only")
    with install():
        assert isinstance(graph.compile(), AltoGraph)


def test_a_wrapped_subgraph_of_a_wrapped_graph() -> None:
    with install():
        inner = compiled()
        outer = graph_of({"inner": inner}, [("", "inner")]).compile()
    assert isinstance(inner, AltoGraph)
    assert isinstance(outer, AltoGraph)
    assert outer.invoke({"log": []})["log"][-1] == "end"


# -- as a context manager ------------------------------------------------------


def test_context_manager() -> None:
    with install():
        assert policy_of(compiled()) == "proven"
    assert policy_of(compiled()) is None


def test_context_manager_left_by_an_exception() -> None:
    with pytest.raises(KeyError), install():
        raise KeyError
    assert policy_of(compiled()) is None


def test_nested_context_managers() -> None:
    with install(policy="off"):
        with install(policy="speculative"):
            assert policy_of(compiled()) == "speculative"
        assert policy_of(compiled()) == "off"
    assert policy_of(compiled()) is None


def test_a_context_manager_inside_an_install() -> None:
    install(policy="off")
    with install():
        assert policy_of(compiled()) == "proven"
    assert policy_of(compiled()) == "off"
    uninstall()


# -- as a decorator ------------------------------------------------------------


def test_decorator() -> None:
    @install(policy="speculative")
    def builds(name: str, *, more: int = 0) -> tuple[Any, str, int]:
        """Build."""
        return compiled(), name, more

    assert policy_of(compiled()) is None
    graph, *rest = builds("x", more=2)
    assert policy_of(graph) == "speculative"
    assert rest == ["x", 2]
    assert (builds.__name__, builds.__doc__) == ("builds", "Build.")
    assert policy_of(compiled()) is None
    assert policy_of(builds("again")[0]) == "speculative"


def test_decorated_functions_that_raise() -> None:
    @install()
    def fails() -> None:
        assert policy_of(compiled()) == "proven"
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
        assert policy_of(compiled()) is None


def test_decorators_nest_and_reenter() -> None:
    @install(policy="off")
    def outer(depth: int) -> list[str | None]:
        seen = [policy_of(compiled())]
        if depth:
            seen += inner(depth)
        return [*seen, policy_of(compiled())]

    @install(policy="speculative")
    def inner(depth: int) -> list[str | None]:
        return [policy_of(compiled()), *outer(depth - 1), policy_of(compiled())]

    assert outer(1) == ["off", "speculative", "off", "off", "speculative", "off"]
    assert policy_of(compiled()) is None


async def test_decorated_async_functions() -> None:
    @install()
    async def builds() -> Any:
        await asyncio.sleep(0)
        graph = compiled()
        return graph, await uneven("async", Journal()).compile().ainvoke({"log": []})

    assert asyncio.iscoroutinefunction(builds)
    graph, result = await builds()
    assert policy_of(graph) == "proven"
    assert result["log"][-1] == "end"
    assert policy_of(compiled()) is None


def test_the_graph_is_langgraphs_where_nothing_is_installed() -> None:
    assert type(compiled()) is CompiledStateGraph
