"""`infer` on graphs: what is declared, what is not, and that runs stay what they were."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.constants import END, START
from langgraph.func import entrypoint
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel, field_validator

from langgraph_alto import Effects, ainfer, infer, wrap
from langgraph_alto.learned.inferred import Inferred
from langgraph_alto.learned.runs import Session
from langgraph_alto.plan.shape import masks_of
from langgraph_alto.testing import check
from langgraph_alto.testing.canonical import canonical
from tests.infer.support import AsyncHidden, Hidden, State, Topic, evaluate, given, line
from tests.versions import needs_context

FIVE = [given(n) for n in range(5)]


def proved(graph: Any, inputs: Any, **options: Any) -> Inferred:
    """Infer, and check that declaring it changes no result.

    Nodes that change their input in place must be async: what a thread changes
    while LangGraph streams the state may or may not show in its events.
    """
    inferred = infer(graph, inputs, **options)
    check(graph, inputs, effects=inferred.effects).raise_for_difference()
    assert evaluate(inferred.source) == inferred.effects
    assert not inferred.contradictions
    return inferred


# -- states and depth ------------------------------------------------------------------


def test_dict_state() -> None:
    def node(state: Any) -> Any:
        state["topic"].notes.append(state["n"])
        return {"log": [sum(d["score"] for d in state["docs"])]}

    inferred = proved(line(("node", AsyncHidden(node))), FIVE)
    assert inferred.effects == {
        "node": Effects(
            reads=frozenset({"docs.[].score", "n", "topic.notes"}),
            writes=frozenset({"log"}),
            mutates=frozenset({"topic.notes"}),
            goto=frozenset(),
        )
    }
    assert inferred["node"].barrier is None
    assert inferred["node"].confidence == pytest.approx(1 - 1 / 6)


@dataclasses.dataclass
class DataState:
    topic: Topic
    n: int = 0
    out: int = 0


class ModelState(BaseModel):
    topic: Topic
    n: int = 0
    out: int = 0


@pytest.mark.parametrize("schema", [DataState, ModelState])
def test_states_with_a_class(schema: Any) -> None:
    def node(state: Any) -> Any:
        assert isinstance(state, schema)
        state.topic.notes.append(state.n)
        return {"out": len(state.topic.title)}

    graph = line(("node", AsyncHidden(node)), schema=schema)
    inferred = proved(graph, [{"topic": Topic(), "n": n} for n in range(3)])
    assert inferred.effects["node"] == Effects(
        reads=frozenset({"topic.title", "topic.notes", "n"}),
        writes=frozenset({"out"}),
        mutates=frozenset({"topic.notes"}),
        goto=frozenset(),
    )


def test_a_state_that_cannot_be_given_in_parts_is_read_as_a_whole() -> None:
    class Checked(BaseModel):
        a: int = 0
        b: int = 0

        @field_validator("a")
        @classmethod
        def _positive(cls, value: int) -> int:
            return abs(value)

    inferred = proved(line(("n", Hidden(lambda s: {"b": s.a})), schema=Checked), [{"a": 1}] * 2)
    assert inferred.effects["n"].reads is None
    assert inferred.effects["n"].writes == {"b"}


def test_messages_are_taken_as_a_whole() -> None:
    node = Hidden(lambda s: {"messages": [AIMessage(s["messages"][-1].content.upper())]})
    inputs = [{"messages": [HumanMessage(text)]} for text in ("a", "b", "c")]
    inferred = proved(line(("n", node), schema=MessagesState), inputs)
    assert inferred.effects["n"] == Effects(
        reads=frozenset({"messages"}),
        writes=frozenset({"messages"}),
        mutates=frozenset(),
        goto=frozenset(),
    )


# -- what analysis knows ----------------------------------------------------------------


def test_analysis_is_never_replaced() -> None:
    def node(state: State) -> Any:
        return {"log": [state["n"] if state["n"] < 100 else state["topic"].title]}

    inferred = proved(line(("node", node)), FIVE)
    assert inferred.effects == {}
    assert inferred.source == "{}"
    assert all(fact.source == "analysis" for fact in inferred["node"].facts)
    assert "analysis knows all of it" in str(inferred)


def test_objects_that_cannot_be_followed_contradict_nothing() -> None:
    """Analysis knows which attribute of a message is read; runs cannot tell."""

    def node(state: MessagesState) -> Any:
        return {"messages": [AIMessage(str(state["messages"][-1].content))]}

    graph = line(("n", node), schema=MessagesState)
    inferred = proved(graph, [{"messages": [HumanMessage(text)]} for text in ("a", "b")])
    assert inferred.effects == {}

    async def change(state: MessagesState) -> None:
        state["messages"][-1].content = "changed"

    graph = line(("n", change), schema=MessagesState)
    inferred = infer(graph, [{"messages": [HumanMessage(text)]} for text in ("a", "b")])
    assert not inferred.contradictions
    hidden = line(("n", AsyncHidden(change)), schema=MessagesState)
    inferred = infer(hidden, [{"messages": [HumanMessage(text)]} for text in ("a", "b")])
    assert inferred.effects["n"].mutates == {"messages"}


def test_only_what_is_unknown_is_filled_in() -> None:
    def node(state: State) -> Any:
        return {"".join(["n"]): state["n"]}

    facts = {f.name: f for f in proved(line(("node", node)), FIVE)["node"].facts}
    assert facts["writes"].source == "runs"
    assert facts["mutates"].source == facts["goto"].source == "analysis"


# -- routers, packets, commands -----------------------------------------------------------


def fan_out() -> Any:
    def route(state: Any) -> Any:
        return [Send("worker", {"doc": doc}) for doc in state["docs"]] if state["n"] else "end"

    def worker(payload: Any) -> Any:
        return {"log": [payload["doc"]["text"]]}

    graph: Any = StateGraph(State)
    graph.add_node("ask", AsyncHidden(lambda s: {"n": s["n"]}))
    graph.add_node("worker", AsyncHidden(worker))
    graph.add_node("end", Hidden(lambda s: Command(update={"n": 2}, goto=END)))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", Hidden(route))
    return graph.compile()


def test_routers_packets_and_commands() -> None:
    inferred = proved(fan_out(), [given(n) for n in (0, 1, 0, 2, 0, 3)][:4] + FIVE)
    assert inferred.effects["ask"].goto == {"worker", "end"}
    stages = {stage.name: stage for stage in masks_of(fan_out(), inferred.effects).stages}
    assert stages["ask"].leads_to == frozenset({"worker", "end"})
    assert inferred.effects["end"].goto == frozenset()
    assert inferred.effects["end"].writes == {"n"}
    worker = inferred["worker"]
    assert worker.effects == Effects(
        writes=frozenset({"log"}), mutates=frozenset(), goto=frozenset()
    )
    assert "packets only" in str(worker.why_not)


def test_commands() -> None:
    def node(state: Any) -> Any:
        return Command(update=[("n", 5)], goto=["a", Send("b", state)])

    graph: Any = StateGraph(State)
    graph.add_node("node", Hidden(node), destinations=("a", "b"))
    for name in "ab":
        graph.add_node(name, Hidden(lambda s: None))
    graph.add_edge(START, "node")
    inferred = proved(graph, FIVE)
    assert inferred.effects["node"].writes == {"n"}
    assert inferred["node"].effects is not None
    facts = {fact.name: fact for fact in inferred["node"].facts}
    assert "whole" in facts["reads"].why


# -- what cannot be judged ------------------------------------------------------------------


def test_unreached_nodes() -> None:
    graph: Any = StateGraph(State)
    graph.add_node("a", Hidden(lambda s: None))
    graph.add_node("b", Hidden(lambda s: None))
    graph.add_conditional_edges(START, lambda s: "b" if s["n"] > 100 else "a", ["a", "b"])
    inferred = infer(graph, FIVE)
    assert "b" not in inferred.effects
    assert inferred["b"].runs == 0
    assert inferred["b"].why_not == "no run reached it"
    assert "cannot be judged: no run reached it" in str(inferred)


def test_whole_reads() -> None:
    inferred = proved(line(("n", Hidden(lambda s: {"n": len({**s})}))), FIVE)
    assert inferred.effects["n"].reads is None
    assert "whole" in str(inferred["n"].why_not)


def test_reads_that_do_not_settle() -> None:
    keys = [*"abcdef"]
    Keyed = TypedDict("Keyed", dict.fromkeys(keys, int), total=False)  # type: ignore[misc]
    node = Hidden(lambda s: {"f": s[keys[s["a"]]]})
    inputs = [{**dict.fromkeys(keys, 0), "a": n} for n in range(1, 6)]
    inferred = proved(line(("n", node), schema=Keyed), inputs)
    assert inferred.effects["n"].reads is None
    assert "no earlier one had" in str(inferred["n"].why_not)


def test_items_that_differ_from_run_to_run_make_their_mapping_whole() -> None:
    def node(state: Any) -> Any:
        state["table"][f"key {state['n']}"] = 1

    inferred = proved(line(("n", AsyncHidden(node))), FIVE)
    assert inferred.effects["n"].mutates == {"table"}


@needs_context
def test_interrupts_are_said_and_resumed() -> None:
    def ask(state: State) -> Any:
        return {"n": interrupt("how many?")}

    graph = line(("ask", ask), ("then", Hidden(lambda s: {"log": [s["n"]]})))
    graph = graph.copy({"checkpointer": InMemorySaver()})
    stopped = infer(graph, given(), mode="sync")  # async needs Python 3.11 for interrupts
    assert stopped["ask"].barrier == "it may call interrupt()"
    assert stopped["ask"].runs == 0
    assert "keeps its barrier: it may call interrupt()" in str(stopped)
    assert stopped["then"].why_not == "no run reached it"
    answered = infer(graph, FIVE[:2], mode="sync", resume=["3"])
    assert answered["ask"].runs == 2
    assert answered.effects["then"].reads == {"n"}
    assert graph.checkpointer.storage == {}


@needs_context
def test_nodes_that_always_stop_at_an_interrupt() -> None:
    inferred = infer(line(("ask", Hidden(lambda s: interrupt("?")))), given(), mode="sync")
    assert inferred["ask"].why_not == "each run of it stopped at an interrupt"


def test_failures() -> None:
    def fail(state: Any) -> Any:
        raise ValueError(state["topic"])

    inferred = infer(line(("fail", Hidden(fail)), ("next", Hidden(lambda s: None))), FIVE)
    assert len(inferred.failures) == 5
    assert "no run of it ended" in str(inferred["fail"].why_not)
    assert inferred.effects == {}
    assert "5 of them failed" in str(inferred)


def test_retries_count_as_runs_that_failed() -> None:
    tries: list[int] = []

    def flaky(state: Any) -> Any:
        tries.append(1)
        if len(tries) % 2:
            raise ValueError
        return {"n": state["n"]}

    graph: Any = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)
    graph.add_node("flaky", Hidden(flaky), retry_policy=policy).add_edge(START, "flaky")
    inferred = infer(graph, FIVE)
    assert inferred["flaky"].runs == 5
    assert not inferred.failures
    assert inferred.effects["flaky"].reads == {"n"}


# -- confidence -----------------------------------------------------------------------------


def test_one_run_and_repeated_inputs_give_no_confidence() -> None:
    graph = line(("n", Hidden(lambda s: {"n": s["n"]})))
    for inputs in (given(), [given()] * 4):
        learned = infer(graph, inputs)["n"]
        assert learned.inputs == 1
        assert learned.confidence == 0
        assert "seen once" in str(learned.facts[0])
    assert infer(graph, FIVE)["n"].confidence > 0.8


def test_conflicting_runs() -> None:
    """A rare branch: what it reads counts, and lowers the confidence."""
    node = Hidden(lambda s: {"n": s["n"] if s["n"] != 1 else s["topic"].title})
    learned = proved(line(("n", node)), FIVE)["n"]
    facts = {fact.name: fact for fact in learned.facts}
    assert facts["reads"].value == frozenset({"n", "topic.title"})
    assert facts["reads"].confidence == pytest.approx(1 - 2 / 6)
    assert facts["writes"].confidence == pytest.approx(1 - 1 / 6)
    late = [given(n) for n in (0, 2, 3, 4, 1)]
    assert infer(line(("n", node)), late).effects["n"].reads is None


def test_contradictions_are_reported() -> None:
    class Lied(TypedDict, total=False):
        docs: list[int]
        n: int

    def node(state: Lied) -> Any:
        return {"n": len(state["docs"])}

    inferred = infer(line(("n", node), schema=Lied), [{"docs": [1]}])
    assert not inferred.contradictions

    class Sized:
        """Annotated as a list, and is none: its ``len`` changes it."""

        def __init__(self) -> None:
            self.asked = 0

        def __len__(self) -> int:
            self.asked += 1
            return self.asked

    inferred = infer(line(("n", node), schema=Lied), [{"docs": Sized()}])
    assert "it changed docs.asked in place, analysis: nothing" in inferred.contradictions[0]
    assert "a bug to look at" in str(inferred)
    # Both what analysis and what runs say, to be safe.
    assert inferred.effects["n"] == Effects(mutates=frozenset({"docs.asked"}))
    assert inferred["n"].confidence == 0


# -- kinds of nodes -------------------------------------------------------------------------


class Methods:
    def sync(self, state: Any) -> Any:
        return {"n": eval("state['n']")}

    async def later(self, state: Any) -> Any:
        await asyncio.sleep(0)
        return {"n": eval("state['n']")}


def _with_extra(extra: int, state: Any) -> Any:
    return {"n": eval("state['n']") + extra}


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize(
    "node",
    [
        Methods().sync,
        Methods().later,
        functools.partial(_with_extra, 1),
        RunnableLambda(Methods().sync),
        RunnableLambda(Methods().sync) | RunnableLambda(lambda u: {"n": eval("u['n']")}),
        Hidden(lambda s: {"n": s["n"]}),
    ],
)
def test_kinds_of_nodes(node: Any, mode: Any) -> None:
    if mode == "sync" and "later" in repr(node):
        pytest.skip("an async node does not run in sync mode")
    inferred = infer(line(("node", node)), FIVE, mode=mode)
    effects = inferred.effects["node"]
    assert effects.reads in (None, {"n"})
    assert effects.writes in (None, {"n"})
    assert inferred["node"].runs == 5
    assert {f.name: f.value for f in inferred["node"].facts}["reads"] == frozenset({"n"})


def test_subgraphs_are_compared_as_a_whole() -> None:
    inner = line(("inner", Hidden(lambda s: s["topic"].add(s["n"]))))
    graph = line(("sub", inner), ("after", Hidden(lambda s: {"log": [s["topic"].title]})))
    # Not `proved`: while a subgraph streams its state, what its nodes change in
    # place may or may not show in the events, in LangGraph itself.
    inferred = infer(graph, FIVE)
    assert inferred.effects["sub"].mutates == {"topic"}
    assert inferred["sub"].runs == 5
    fast = wrap(graph, effects=inferred.effects)
    assert canonical(fast.invoke(given())) == canonical(graph.invoke(given()))
    quiet = line(("sub", line(("inner", Hidden(lambda s: {"n": s["n"]})))))
    assert proved(quiet, FIVE).effects["sub"].mutates == frozenset()


def test_changes_that_no_view_sees_are_found() -> None:
    def keep(state: Any) -> Any:
        object.__setattr__(state["topic"], "title", f"changed {state['n']}")

    inferred = proved(line(("n", AsyncHidden(keep))), FIVE)
    assert inferred.effects["n"].mutates == {"topic"}
    assert "was not seen" in str(inferred["n"])


def test_whose_changes_they_are() -> None:
    """Nodes of one superstep: each is told its own changes only.

    START -> a, b
    """

    async def change(state: Any) -> Any:
        await asyncio.sleep(0.01)
        state["topic"].add(1)
        await asyncio.sleep(0.01)

    async def look(state: Any) -> Any:
        await asyncio.sleep(0.03)

    graph: Any = StateGraph(State)
    for name, node in (("a", change), ("b", look)):
        graph.add_node(name, AsyncHidden(node)).add_edge(START, name)
    inferred = infer(graph, FIVE)
    assert inferred.effects["a"].mutates == {"topic.notes"}
    assert inferred.effects["b"].mutates == frozenset()


# -- runs stay what they were -----------------------------------------------------------------


class Hostile:
    """Raises whatever is asked of it but its attribute."""

    def __init__(self) -> None:
        self.value = 1
        self.lock = threading.Lock()

    def _no(self, *args: Any) -> Any:
        raise ValueError("leave me alone")

    __repr__ = __str__ = __eq__ = __bool__ = __len__ = __iter__ = __contains__ = _no
    __reduce_ex__ = __getattr__ = __lt__ = _no
    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: Any) -> Hostile:
        return self


def test_hostile_values() -> None:
    cycle: dict[str, Any] = {"n": 1}
    cycle["self"] = cycle
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    state = {
        "table": {"hostile": Hostile(), "cycle": cycle, "huge": list(range(60_000))},
        "docs": [],
    }

    def node(view: Any) -> Any:
        view["docs"].append(1)
        table = view["table"]
        return {"n": table["hostile"].value + table["cycle"]["self"]["n"] + table["huge"][-1]}

    inferred = infer(line(("n", Hidden(node))), [state, {**state, "n": 1}], mode="sync")
    assert not inferred.failures
    assert inferred.effects["n"].mutates == {"docs"}
    assert "table.hostile.value" in (inferred.effects["n"].reads or ())
    plain = infer(line(("n", Hidden(lambda s: {"n": 1}))), {"table": {"deep": deep}}, mode="sync")
    assert not plain.failures


def test_what_cannot_be_compared_is_said() -> None:
    def numbers() -> Any:
        yield 1

    graph = line(("n", Hidden(lambda s: next(s["table"]["numbers"]) and None)))
    inferred = infer(graph, {"table": {"numbers": numbers()}}, mode="sync")
    assert inferred.effects["n"].mutates is None
    assert "a generator in it cannot be compared" in str(inferred["n"].why_not)
    untouched = line(("n", Hidden(lambda s: {"n": 1})))
    inferred = infer(untouched, {"table": {"numbers": numbers()}}, mode="sync")
    assert inferred.effects["n"].mutates == frozenset()


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_results_are_those_of_a_plain_run(mode: str) -> None:
    def change(state: Any) -> Any:
        state["docs"].sort(key=lambda d: d["text"], reverse=True)
        state["sheet"].topic = state["topic"]
        state["table"]["docs"] = [doc for doc in state["docs"] if doc["score"] > 1]
        return {"log": [state["topic"], *state["docs"]], "words": state["words"] | {"new"}}

    def more(state: Any) -> Any:
        state["sheet"].topic.notes += [state["docs"][0]]
        return {"log": state["log"][:1], "docs": state["docs"][::-1]}

    graph = line(("change", Hidden(change)), ("more", Hidden(more)))
    session = Session.make(graph, FIVE, None, (), 60.0)
    traces = session.run() if mode == "sync" else asyncio.run(session.arun())
    for n, trace in enumerate(traces):
        assert trace.segments[-1].result == canonical(graph.invoke(given(n)))


def test_the_graph_and_the_inputs_are_left_alone() -> None:
    graph = line(("n", Hidden(lambda s: s["topic"].add(1))))
    bound = graph.nodes["n"].bound
    inputs = [given()]
    infer(graph, inputs)
    assert graph.nodes["n"].bound is bound
    assert canonical(inputs) == canonical([given()])


async def test_on_an_event_loop() -> None:
    graph = line(("n", AsyncHidden(lambda s: {"n": s["n"]})))
    one, other = await ainfer(graph, FIVE), infer(graph, FIVE)
    assert one == other
    assert one.effects["n"].writes == {"n"}


def test_wrapped_graphs_and_builders() -> None:
    graph = line(("n", Hidden(lambda s: {"n": s["n"]})))
    assert infer(wrap(graph), FIVE) == infer(graph, FIVE) == infer(graph.builder, FIVE)


def test_wrong_arguments() -> None:
    @entrypoint()
    def flow(n: int) -> int:
        return n

    with pytest.raises(TypeError, match="cannot infer the effects of a Pregel"):
        infer(flow, 1)
    with pytest.raises(TypeError, match="a list; give a StateGraph"):
        infer([], 1)
    with pytest.raises(ValueError, match="must be 'async' or 'sync'"):
        infer(line(("n", Hidden(lambda s: None))), 1, mode="both")  # type: ignore[arg-type]


def test_the_result_is_immutable_and_prints_what_to_paste() -> None:
    inferred = infer(fan_out(), FIVE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        inferred.runs = 1  # type: ignore[misc]
    inferred.effects.clear()
    assert inferred.effects
    assert f"effects={inferred.source}" in str(inferred)
    with pytest.raises(KeyError):
        inferred["none"]


def test_names_that_are_no_identifiers() -> None:
    Odd = TypedDict("Odd", {"it's": Any, 'a"b': int, "dotted.key": int}, total=False)
    node = Hidden(lambda s: {"it's": s['a"b']})
    graph = line(('no"de', node), schema=Odd)
    inferred = infer(graph, [{'a"b': n} for n in range(3)])
    assert evaluate(inferred.source) == inferred.effects
    assert inferred.effects['no"de'].reads == {'a"b'}
    dotted = infer(
        line(("n", Hidden(lambda s: s["dotted.key"] and None)), schema=Odd), {"dotted.key": 0}
    )
    assert dotted.effects["n"].reads is None
