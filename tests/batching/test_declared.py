"""``@batched``, ``Batch`` and ``wrap(batch=...)``: what they make, and what they refuse."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from langgraph_alto import Batch, batched, gather, wrap
from langgraph_alto.plan.analysis import analyse_node
from langgraph_alto.testing import check
from tests.batching.graphs import Calls, Packet, State, fan, node_of, texts, upper
from tests.guarantees.support import Mode, both, run

WRONG = [
    ((0,), ValueError, "max_size is 0; it must be at least 1"),
    ((True,), TypeError, "max_size is True; give a whole number"),
    (("64",), TypeError, r"max_size is '64'; give a whole number of items, such as @batched"),
    ((4, -1.0), ValueError, "max_wait is -1.0; give seconds, 0 or more"),
    ((4, float("nan")), ValueError, "max_wait is nan"),
    ((4, None), TypeError, "max_wait is None; give seconds"),
]


@pytest.mark.parametrize(("given", "kind", "match"), WRONG)
def test_numbers_that_are_refused(given: Any, kind: type[Exception], match: str) -> None:
    for make in (batched, Batch):
        with pytest.raises(kind, match=match):
            make(*given)


def test_the_decorator_without_numbers_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"such as @batched\(64, 0.005\)"):
        batched(lambda states: states)  # type: ignore[arg-type]


def takes_config(states: list[Packet], config: RunnableConfig) -> Any: ...
def takes_writer(states: list[Packet], *, writer: Any = None) -> Any: ...
def takes_nothing() -> Any: ...
def takes_two(self: Any, states: list[Packet]) -> Any: ...
def yields(states: list[Packet]) -> Any:
    yield states


FUNCTIONS = [
    (takes_config, "'takes_config' takes 'config', which belongs to one task"),
    (takes_writer, "takes 'writer', which belongs to one task"),
    (takes_nothing, r"takes \(\).*cannot be called with one list"),
    (takes_two, r"of a method, decorate the bound one"),
    (yields, "'yields' is a generator; return a list of results"),
    (State, "needs a function that takes a list of inputs"),
    ("embed", "needs a function that takes a list of inputs, not 'embed'"),
    (batched(2)(lambda states: states), "is a batched node already"),
]


@pytest.mark.parametrize(("function", "match"), FUNCTIONS)
def test_functions_that_are_refused(function: Any, match: str) -> None:
    with pytest.raises(TypeError, match=match):
        batched(4)(function)
    with pytest.raises(TypeError, match=match):
        Batch(4, function=function)


def plain(state: Packet) -> Any:
    return {"vectors": [state["text"].upper()]}


OPTIONS = [
    (["embed"], TypeError, "batch is a list; give a mapping of node names to Batch"),
    ({"embed": 64}, TypeError, r"batch\['embed'\] is 64; give a langgraph_alto.Batch"),
    ({"other": Batch(4)}, ValueError, "batch names the node 'other'.*its nodes are count, embed"),
    ({START: Batch(4)}, ValueError, "batch names the node '__start__'"),
    ({"embed": Batch(4)}, TypeError, "batch names the node 'embed', whose function takes one"),
]


@pytest.mark.parametrize("policy", ["off", "proven"])
@pytest.mark.parametrize(("option", "kind", "match"), OPTIONS)
def test_options_that_are_refused(
    option: Any, kind: type[Exception], match: str, policy: str
) -> None:
    with pytest.raises(kind, match=match):
        wrap(fan(plain), batch=option, policy=policy)


def test_graphs_and_gathers_are_refused() -> None:
    builder: Any = StateGraph(State)
    builder.add_node("inner", fan(plain).compile())
    builder.add_edge(START, "inner")
    with pytest.raises(TypeError, match="'inner', which is a graph; batch a node inside of it"):
        wrap(builder, batch={"inner": Batch(4)})
    outer: Any = StateGraph(State)
    outer.add_node("split", lambda state: Command(goto=[Send("embed", {"text": "t"})]))
    outer.nodes["split"].ends = ("embed",)
    outer.add_node("embed", plain)
    outer.add_edge(START, "split")
    gather(outer, "sum", lambda found: {"count": len(found)}, over="split", of="embed")
    with pytest.raises(TypeError, match="batch names the node 'sum', which is a gather"):
        wrap(outer, batch={"sum": Batch(4)})


# -- what LangGraph sees ---------------------------------------------------------------


@batched(8)
def to_next(states: list[Packet]) -> list[Command[Literal["left", "right"]] | ValueError]:
    """What it does."""
    return [Command(goto="left" if state["text"] else "right") for state in states]


def test_langgraph_sees_a_function_of_one_item() -> None:
    """Its name, its documentation, its input schema and its destinations."""
    builder: Any = StateGraph(State)
    builder.add_node(to_next)
    spec = builder.nodes["to_next"]
    assert spec.input_schema is Packet
    assert spec.ends == ("left", "right")
    assert to_next.__doc__ == "What it does."
    assert to_next.__module__ == __name__


def any_hint(states: Any) -> Any: ...
def no_hint(states):  # type: ignore[no-untyped-def]
    ...


def sequence(states: Sequence[Packet]) -> Iterable[dict[str, Any]]: ...  # type: ignore[empty-body]
def unknown(states: list[Nowhere]) -> Any: ...  # type: ignore[name-defined]  # noqa: F821


def test_annotations() -> None:
    for function in (any_hint, no_hint, unknown):
        assert batched(4)(function).__annotations__ == {}
    assert batched(4)(sequence).__annotations__ == {"state": Packet, "return": dict[str, Any]}


def test_analysis_looks_at_what_is_done_to_each_item() -> None:
    """Reads, writes and destinations of a function over a list are those of one item."""

    def embed(states: list[Packet]) -> list[Any]:
        found = []
        for state, place in zip(states, range(len(states)), strict=True):
            text = state["text"]
            found.append({"vectors": [text]} if place else ValueError(text))
        return found

    facts = analyse_node(batched(4)(embed), Packet)
    assert facts.reads == frozenset({("text",)})
    assert facts.writes == frozenset({"vectors"})
    assert facts.mutates == frozenset()
    assert facts.goto == frozenset()
    assert analyse_node(to_next, Packet).goto == frozenset({"left", "right"})


def test_the_plan_says_where_it_batches() -> None:
    calls = Calls()
    fast = wrap(fan(node_of("sync", calls, 64, 0.005)))
    assert fast.plan.explain().endswith(
        "Batching\n  embed: up to 64 calls become one, which waits up to 5 ms where more may come"
    )
    (point,) = fast.plan.to_json()["batches"]
    assert point["node"] == "embed"
    ready = wrap(fan(plain), batch={"embed": Batch(8, function=many)}, policy="off")
    assert "up to 8 calls become one, of those that are ready together" in ready.plan.explain()


# -- other forms that take a list --------------------------------------------------------


def many(states: list[Packet]) -> list[Any]:
    return [plain(state) for state in states]


async def amany(states: list[Packet]) -> list[Any]:
    await asyncio.sleep(0)
    return many(states)


@both
def test_a_function_for_a_node_that_is_left_as_it_is(mode: Mode) -> None:
    calls = Calls()

    def counted(states: list[Packet]) -> list[Any]:
        calls.begin(states)
        return many(states)

    graph = fan(plain).compile()
    fast = wrap(graph, batch={"embed": Batch(64, 5.0, function=counted)})
    assert run(fast, texts(70), mode)["vectors"] == upper(70)
    assert calls.sizes == [64, 6]
    assert run(graph, texts(3), mode)["vectors"] == upper(3)
    assert calls.sizes == [64, 6]


@both
def test_check_proves_a_function_or_finds_the_difference(mode: Mode) -> None:
    report = check(fan(plain), texts(9), batch={"embed": Batch(4, function=many)}, mode=mode)
    report.raise_for_difference()
    wrong = Batch(4, function=lambda states: [{"vectors": [s["text"]]} for s in states])
    assert not check(fan(plain), texts(9), batch={"embed": wrong}, mode=mode).ok


async def test_a_coroutine_function_for_a_plain_one() -> None:
    fast = wrap(fan(plain), batch={"embed": Batch(4, function=amany)})
    assert (await fast.ainvoke(texts(6)))["vectors"] == upper(6)
    with pytest.raises(TypeError, match="'embed' is a coroutine function; run the graph with ainv"):
        fast.invoke(texts(6))


class Model(RunnableLambda[Any, Any]):
    """A runnable with a ``batch`` of its own."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__(lambda text: text.upper())
        self.sizes = sizes

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        self.sizes.append(len(inputs))
        return [self.func(text) for text in inputs]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.batch(inputs)


@both
def test_runnables_are_batched_by_their_own_batch(mode: Mode) -> None:
    sizes: list[int] = []
    embed = (
        RunnableLambda(lambda state: state["text"]) | Model(sizes) | (lambda v: {"vectors": [v]})
    )
    graph = fan(embed)
    fast = wrap(graph, batch={"embed": Batch(64, 5.0)})
    assert run(fast, texts(70), mode)["vectors"] == upper(70)
    assert sorted(sizes) == [6, 64]
    check(graph, texts(6), batch={"embed": Batch(4)}, mode=mode).raise_for_difference()


@both
def test_a_node_of_a_gathered_fan_out_is_batched(mode: Mode) -> None:
    calls = Calls()

    class Sums(TypedDict, total=False):
        documents: list[str]
        sums: Annotated[list[int], operator.add]

    def split(state: Sums) -> Any:
        return Command(goto=[Send("parts", {"text": text}) for text in state["documents"]])

    def parts(packet: Packet) -> Any:
        return Command(goto=[Send("embed", {"text": letter}) for letter in packet["text"]])

    builder: Any = StateGraph(Sums)
    builder.add_node("split", split, destinations=("parts",))
    builder.add_node("parts", parts, destinations=("embed",))
    builder.add_node("embed", node_of(mode, calls, 64, 5.0))
    builder.add_edge(START, "split")
    gather(
        builder, "sum", lambda found: {"sums": [len(found)]}, over="parts", of="embed",
        key="vectors",
    )  # fmt: skip
    given = {"documents": ["abc", "de", ""]}
    fast = wrap(builder)
    assert run(fast, given, mode)["sums"] == [3, 2, 0]
    assert calls.sizes[0] > 1
    check(builder, given, mode=mode).raise_for_difference()


def test_a_decorator_around_it_keeps_it_from_being_batched() -> None:
    """It is called for each item, as in plain LangGraph."""
    import functools

    calls = Calls()
    node = node_of("sync", calls)

    @functools.wraps(node)
    def around(state: Any) -> Any:
        return node(state)

    assert wrap(fan(around)).invoke(texts(3))["vectors"] == upper(3)
    assert calls.sizes == [1, 1, 1]
    with pytest.raises(TypeError, match="decorate a function"):
        wrap(fan(around), batch={"embed": Batch(4)})
