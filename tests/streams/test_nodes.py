"""``@streaming`` without an engine: the node that plain LangGraph runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.errors import InvalidUpdateError
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, StreamWriter
from pydantic import BaseModel

from langgraph_alto import streaming
from langgraph_alto.plan.analysis.targets import analyse_node
from langgraph_alto.streams.nodes import BUFFER, SINK, buffer_of, generator_of


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    left: str
    right: str


def worker(packet: dict[str, Any]) -> dict[str, Any]:
    return {"log": [f"worker {packet['at']}"]}


def graph_of(node: Any, **options: Any) -> Any:
    """``node -> after``, and ``worker`` for packets."""
    builder: Any = StateGraph(State)
    builder.add_node("node", node, **options)
    builder.add_node("worker", worker)
    builder.add_node("after", lambda state: {"log": ["after"]})
    builder.add_edge(START, "node")
    builder.add_edge("node", "after")
    return builder.compile()


def result(node: Any, **options: Any) -> Any:
    return graph_of(node, **options).invoke({"log": []})


def called(node: Any, *args: Any, **kwargs: Any) -> Any:
    """What a node returns; to type checkers it is the generator function still."""
    return node(*args, **kwargs)


# -- what it puts out -----------------------------------------------------------


def test_all_that_it_yields_is_one_output() -> None:
    @streaming
    def node(state: State) -> Iterator[Any]:
        yield {"log": ["one"], "left": "l"}
        yield Send("worker", {"at": 1})
        yield Command(update={"log": ["two"]}, goto=[Send("worker", {"at": 2}), "after"])
        yield None
        yield [{"log": ["three"]}, Send("worker", {"at": 3}), (None, {"right": "r"})]

    found = result(node)
    assert found == {
        "log": ["one", "two", "three", "after", "worker 1", "worker 2", "worker 3"],
        "left": "l",
        "right": "r",
    }


def test_as_a_coroutine() -> None:
    @streaming
    async def node(state: State) -> AsyncIterator[Any]:
        yield {"log": ["one"]}
        await asyncio.sleep(0)
        yield Send("worker", {"at": 1})

    found = asyncio.run(graph_of(node).ainvoke({"log": []}))
    assert found["log"] == ["one", "after", "worker 1"]


def test_called_as_a_function_it_returns_commands() -> None:
    @streaming
    def node(state: State) -> Iterator[Any]:
        yield {"left": "l"}
        yield Send("worker", 1)

    assert called(node, {}) == [Command(update={"left": "l"}), Command(goto=Send("worker", 1))]


def test_what_a_sync_one_returns_is_its_last_part() -> None:
    @streaming
    def node(state: State) -> Any:
        yield {"log": ["one"]}
        return [{"log": ["two"]}, Send("worker", {"at": 1})]

    assert result(node)["log"] == ["one", "two", "after", "worker 1"]


@pytest.mark.parametrize("nothing", [[], [None], [[], ()], [[None]]])
def test_nothing_is_no_update(nothing: list[Any]) -> None:
    @streaming
    def node(state: State) -> Iterator[Any]:
        yield from nothing

    assert called(node, {}) is None
    assert result(node) == {"log": ["after"]}


def test_a_model_is_an_update_of_the_fields_that_are_set() -> None:
    class Found(BaseModel):
        left: str | None = None
        right: str | None = None

    @streaming
    def node(state: State) -> Iterator[Any]:
        yield Found(left="l")
        yield Found(right="r")

    found = result(node)
    assert (found["left"], found["right"]) == ("l", "r")


def test_a_plain_key_twice_is_langgraphs_error() -> None:
    @streaming
    def node(state: State) -> Iterator[Any]:
        yield {"left": "1"}
        yield {"left": "2"}

    with pytest.raises(InvalidUpdateError, match="left"):
        result(node)


# -- signatures -----------------------------------------------------------------


def test_it_is_given_what_it_asks_for() -> None:
    seen: dict[str, Any] = {}

    @streaming
    def node(
        state: State,
        config: RunnableConfig,
        *,
        runtime: Runtime[Any],
        store: BaseStore,
        writer: StreamWriter,
    ) -> Iterator[Any]:
        writer("from the node")
        seen.update(tag=config["tags"], store=store, runtime=runtime)
        yield {"log": ["one"]}

    store = InMemoryStore()
    builder: Any = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    graph = builder.compile(store=store)
    events = list(graph.stream({"log": []}, {"tags": ["t"]}, stream_mode="custom"))
    assert events == ["from the node"]
    assert seen["tag"] == ["t"]
    assert seen["store"] is store
    assert isinstance(seen["runtime"], Runtime)


@pytest.mark.parametrize("how", ["place", "name", "not at all"])
def test_the_config_of_a_direct_call(how: str) -> None:
    @streaming
    def node(state: State, config: RunnableConfig | None = None) -> Iterator[Any]:
        yield {"left": (config or {}).get("run_name")}

    config: RunnableConfig = {"run_name": "x"}
    if how == "place":
        assert called(node, {}, config) == [Command(update={"left": "x"})]
    elif how == "name":
        assert called(node, {}, config=config) == [Command(update={"left": "x"})]
    else:
        assert called(node, {}) == [Command(update={"left": None})]


def test_the_signature_is_the_functions_with_a_config() -> None:
    def plain(state: State, *, store: BaseStore) -> Iterator[Any]:
        yield

    def given(state: State, config: RunnableConfig) -> Iterator[Any]:
        yield

    def more(state: State, **kwargs: Any) -> Iterator[Any]:
        yield

    def names(function: Any) -> list[str]:
        return list(inspect.signature(streaming(function)).parameters)

    assert names(plain) == ["state", "store", "config"]
    assert names(given) == ["state", "config"]
    assert names(more) == ["state", "config", "kwargs"]
    assert streaming(plain).__name__ == "plain"


class Pages:
    def __init__(self, name: str) -> None:
        self.name = name

    @streaming(buffer=3)
    def method(self, state: State) -> Iterator[Any]:
        yield {"log": [self.name]}

    @staticmethod
    @streaming
    def static(state: State) -> Iterator[Any]:
        yield {"log": ["static"]}

    @classmethod
    @streaming
    def of_class(cls, state: State) -> Iterator[Any]:
        yield {"log": [cls.__name__]}


def test_methods() -> None:
    assert result(Pages("a").method)["log"] == ["a", "after"]
    assert result(Pages.static)["log"] == ["static", "after"]
    assert result(Pages.of_class)["log"] == ["Pages", "after"]
    assert buffer_of(Pages("a").method) == 3
    assert list(generator_of(Pages("b").method)({})) == [{"log": ["b"]}]
    assert analyse_node(Pages("a").method).writes == frozenset({"log"})


def test_partials_on_either_side() -> None:
    def pages(name: str, state: State) -> Iterator[Any]:
        yield {"log": [name]}

    inside = streaming(functools.partial(pages, "inside"))
    outside = functools.partial(streaming(pages), "outside")
    assert result(inside)["log"] == ["inside", "after"]
    assert result(outside)["log"] == ["outside", "after"]
    assert buffer_of(inside) == buffer_of(outside) == BUFFER
    assert list(generator_of(outside)({})) == [{"log": ["outside"]}]


def test_a_wrapper_around_it_is_an_ordinary_node() -> None:
    """It may make something else of the parts, so nothing is known before it ends."""

    @streaming
    def node(state: State) -> Iterator[Any]:
        yield {"log": ["node"]}

    @functools.wraps(node)
    def around(*args: Any, **kwargs: Any) -> Any:
        return {"log": [f"{len(called(node, *args, **kwargs))} parts"]}

    assert buffer_of(node) == BUFFER
    assert buffer_of(around) is None
    assert generator_of(around) is None
    assert result(around)["log"] == ["1 parts", "after"]


# -- annotations ----------------------------------------------------------------


def test_destinations_come_from_what_it_yields() -> None:
    @streaming
    def node(state: State) -> Iterator[Command[Literal["worker", "after"]] | Send]:
        yield Command(goto="after")

    graph = graph_of(node)
    assert {"worker", "after"} <= {edge.target for edge in graph.get_graph().edges}
    assert sorted(graph.builder.nodes["node"].ends) == ["after", "worker"]


def test_destinations_may_be_given_to_add_node() -> None:
    @streaming
    def node(state: State) -> Iterator[Any]:
        yield Send("worker", {"at": 0})

    graph = graph_of(node, destinations=("worker",))
    assert graph.builder.nodes["node"].ends == ("worker",)


def test_the_input_schema_is_that_of_its_first_parameter() -> None:
    class Own(TypedDict, total=False):
        left: str

    def pages(state: Any) -> Iterator[Any]:
        yield {"log": [str(sorted(state))]}

    pages.__annotations__["state"] = Own
    builder: Any = StateGraph(State)
    builder.add_node("node", streaming(pages))
    builder.add_edge(START, "node")
    found = builder.compile().invoke({"log": [], "left": "l", "right": "r"})
    assert found["log"] == ["['left']"]


# -- errors ---------------------------------------------------------------------


@pytest.mark.parametrize("function", [worker, functools.partial(worker, {}), Pages("x"), int])
def test_what_does_not_yield_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="does not; yield each"):
        streaming(function)


@pytest.mark.parametrize("buffer", [0, -1])
def test_a_buffer_below_one_is_refused(buffer: int) -> None:
    with pytest.raises(ValueError, match=f"buffer is {buffer}"):
        streaming(buffer=buffer)


@pytest.mark.parametrize("part", ["worker", b"x", 1, 2.5, True, [["worker"]]])
def test_a_part_that_says_nothing_is_refused_by_name(part: Any) -> None:
    @streaming
    def pages(state: State) -> Iterator[Any]:
        yield part

    with pytest.raises(TypeError, match=r"'pages' yielded a (str|bytes|int|float|bool)"):
        result(pages)


def test_its_error_is_langgraphs_and_it_is_closed() -> None:
    ends: list[str] = []

    @streaming
    def node(state: State) -> Iterator[Any]:
        try:
            yield {"log": ["one"]}
            raise LookupError("two")
        finally:
            ends.append("closed")

    with pytest.raises(LookupError, match="two"):
        result(node)
    assert ends == ["closed"]


def test_it_is_closed_when_its_part_is_refused() -> None:
    ends: list[str] = []

    @streaming
    async def node(state: State) -> AsyncIterator[Any]:
        try:
            yield "worker"
        finally:
            ends.append("closed")

    with pytest.raises(TypeError):
        asyncio.run(graph_of(node).ainvoke({}))
    assert ends == ["closed"]


# -- what is told of it ---------------------------------------------------------


class Ears:
    """A sink that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.own = True

    def begin(self, config: Any) -> bool:
        self.heard.append("begin")
        return self.own

    def end(self) -> None:
        self.heard.append("end")

    def put(self, command: Command[Any]) -> None:
        self.heard.append(command)

    async def aput(self, command: Command[Any]) -> None:
        self.heard.append(command)


def test_a_sink_hears_each_part_when_it_is_yielded() -> None:
    ears = Ears()
    seen: list[int] = []

    @streaming
    def node(state: State) -> Iterator[Any]:
        seen.append(len(ears.heard))
        yield {"left": "1"}
        seen.append(len(ears.heard))
        yield [Send("worker", 1), Send("worker", 2)]
        seen.append(len(ears.heard))

    parts = called(node, {}, config={"configurable": {SINK: ears}})
    assert ears.heard == ["begin", *parts, "end"]
    assert seen == [1, 2, 4]


@pytest.mark.parametrize("raises", [False, True])
def test_a_sink_hears_the_end_in_any_case(raises: bool) -> None:
    ears = Ears()

    @streaming
    async def node(state: State) -> AsyncIterator[Any]:
        yield {"left": "1"}
        if raises:
            raise LookupError

    async def call() -> None:
        with contextlib.suppress(LookupError):
            await called(node, {}, config={"configurable": {SINK: ears}})

    asyncio.run(call())
    assert ears.heard == ["begin", Command(update={"left": "1"}), "end"]


def test_a_sink_of_somebody_else_hears_nothing() -> None:
    """A node that another one calls finds that one's sink in its config."""
    ears = Ears()
    ears.own = False

    @streaming
    def node(state: State) -> Iterator[Any]:
        yield {"left": "1"}

    assert called(node, {}, config={"configurable": {SINK: ears}}) == [
        Command(update={"left": "1"})
    ]
    assert ears.heard == ["begin"]


@pytest.mark.parametrize("config", [None, {}, {"configurable": None}, {"configurable": {}}])
def test_no_sink_is_needed(config: Any) -> None:
    @streaming
    def node(state: State) -> Iterator[Any]:
        yield {"left": "1"}

    assert called(node, {}, config=config) == [Command(update={"left": "1"})]
