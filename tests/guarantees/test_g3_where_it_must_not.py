"""G3: nothing runs ahead where it must not.

Each test keeps ``slow`` busy while ``quick`` is long done, and looks whether the
node after ``quick`` waits for the end of ``slow`` or never begins:

    START -> quick -> early -> after
    START -> slow  -> late
"""

from __future__ import annotations

import operator
import time
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.func import task
from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl, Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, interrupt

from langgraph_alto import Effects
from tests.guarantees.shapes import pause
from tests.guarantees.support import (
    Body,
    Journal,
    Mode,
    State,
    both,
    graph_of,
    node,
    run,
    thread,
    wrapped,
)
from tests.versions import both_with_context

SLOW = 0.12
EDGES = [("", "quick"), ("", "slow"), ("quick", "early"), ("early", "after"), ("slow", "late")]


def branches(mode: Mode, journal: Journal, **replaced: Body) -> Any:
    nodes = {
        "quick": node(mode, "quick", journal),
        "slow": node(mode, "slow", journal, seconds=SLOW),
        "early": node(mode, "early", journal),
        "after": node(mode, "after", journal),
        "late": node(mode, "late", journal),
    }
    return graph_of({**nodes, **replaced}, EDGES)


def waited(journal: Journal, name: str = "early") -> bool:
    """Whether a node began only when the superstep of ``slow`` had ended."""
    return journal.came_first("end slow", f"begin {name}")


@both
def test_control_where_nothing_forbids_it_early_does_not_wait(mode: Mode) -> None:
    """The graph of these tests does run ahead as such: two supersteps ahead."""
    journal = Journal()
    run(wrapped(branches(mode, journal)), {"log": []}, mode)
    assert not waited(journal)
    assert not waited(journal, "after")


# -- static interrupts ---------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("before", "begun"),
    [
        (["early"], set()),
        (["late"], set()),
        (["after"], {"early"}),
        ("*", None),
    ],
)
def test_interrupt_before(before: Any, begun: set[str] | None, mode: Mode) -> None:
    """Nodes named in ``interrupt_before`` and everything at or after them."""
    journal = Journal()
    saver = InMemorySaver()
    graph = branches(mode, journal).compile(checkpointer=saver, interrupt_before=before)
    fast = wrapped(graph)
    run(fast, {"log": []}, mode, thread())
    if begun is None:
        assert journal.entries == []
        run(fast, None, mode, thread())
        begun = set()
    elif begun:
        assert not waited(journal)
    assert set(journal.calls()) == {"quick", "slow"} | begun | ({"late"} if begun else set())
    while fast.get_state(thread()).next:
        run(fast, None, mode, thread())
    assert journal.calls() == dict.fromkeys(["quick", "slow", "early", "after", "late"], 1)


@both
@pytest.mark.parametrize("name", ["quick", "slow", "*"])
def test_interrupt_after(name: str, mode: Mode) -> None:
    """Anything after an ``interrupt_after`` node."""
    journal = Journal()
    after: Any = "*" if name == "*" else [name]
    graph = branches(mode, journal).compile(checkpointer=InMemorySaver(), interrupt_after=after)
    fast = wrapped(graph)
    run(fast, {"log": []}, mode, thread())
    assert set(journal.calls()) == {"quick", "slow"}
    while fast.get_state(thread()).next:
        run(fast, None, mode, thread())
    assert journal.calls() == dict.fromkeys(["quick", "slow", "early", "after", "late"], 1)


@both
def test_interrupts_given_with_the_call(mode: Mode) -> None:
    """Breakpoints of one call count like those of the graph."""
    journal = Journal()
    fast = wrapped(branches(mode, journal).compile(checkpointer=InMemorySaver()))
    run(fast, {"log": []}, mode, thread(), interrupt_before=["early"])
    assert set(journal.calls()) == {"quick", "slow"}


# -- dynamic interrupts --------------------------------------------------------


def ask(question: str) -> str:
    return str(interrupt(question))


@both_with_context
def test_nodes_that_call_interrupt(mode: Mode) -> None:
    """Nodes that call ``interrupt()``, here through a helper."""
    journal = Journal()

    def early(state: State) -> dict[str, Any]:
        journal.begin("early")
        answer = ask("go on?")
        journal.end("early")
        return {"log": [answer]}

    fast = wrapped(branches(mode, journal, early=early).compile(checkpointer=InMemorySaver()))
    result = run(fast, {"log": []}, mode, thread())
    assert [i.value for i in result["__interrupt__"]] == ["go on?"]
    assert waited(journal)
    assert journal.calls()["early"] == 1
    result = run(fast, Command(resume="yes"), mode, thread())
    assert result["log"] == ["quick", "slow", "yes", "late", "after"]
    assert journal.calls() == {"quick": 1, "slow": 1, "early": 2, "after": 1, "late": 1}


@both_with_context
def test_an_interrupt_that_cannot_be_seen_still_works(mode: Mode) -> None:
    """``interrupt()`` out of sight of the analysis is asked by the task that is resumed."""
    journal = Journal()

    def early(state: State) -> dict[str, Any]:
        journal.begin("early")
        return {"log": [str(eval("ask")("go on?"))]}

    # Nothing about `early` can be known, so it is declared.
    effects = {"early": Effects(reads=(), writes=["log"], mutates=(), goto=())}
    graph = branches(mode, journal, early=early).compile(checkpointer=InMemorySaver())
    fast = wrapped(graph, effects=effects)
    result = run(fast, {"log": []}, mode, thread())
    assert not waited(journal)
    assert [i.value for i in result["__interrupt__"]] == ["go on?"]
    result = run(fast, Command(resume="yes"), mode, thread())
    assert result["log"] == ["quick", "slow", "yes", "late", "after"]


@both_with_context
def test_nothing_after_an_unfinished_node_that_may_interrupt(mode: Mode) -> None:
    """While ``slow`` may still ask, its superstep may not be the last before a pause."""
    journal = Journal()
    asking = pause(mode, "slow", journal, SLOW, lambda state: {"log": [ask("slow?")]})
    fast = wrapped(branches(mode, journal, slow=asking).compile(checkpointer=InMemorySaver()))
    run(fast, {"log": []}, mode, thread())
    assert journal.calls() == {"quick": 1, "slow": 1}
    result = run(fast, Command(resume="yes"), mode, thread())
    assert result["log"] == ["quick", "yes", "early", "late", "after"]
    assert journal.calls() == {"quick": 1, "slow": 2, "early": 1, "after": 1, "late": 1}


@both_with_context
def test_a_subgraph_that_may_interrupt(mode: Mode) -> None:
    """A subgraph whose node calls ``interrupt()`` counts as a node that does."""
    journal = Journal()

    def asks(state: State) -> dict[str, Any]:
        journal.begin("early")
        answer = interrupt("inside?")
        journal.end("early")
        return {"left": answer}

    inner = graph_of({"asks": asks}, [("", "asks")]).compile()
    fast = wrapped(branches(mode, journal, early=inner).compile(checkpointer=InMemorySaver()))
    run(fast, {"log": []}, mode, thread())
    assert waited(journal)
    assert run(fast, Command(resume="yes"), mode, thread())["left"] == "yes"


# -- error handlers ------------------------------------------------------------


@both
def test_error_handlers(mode: Mode) -> None:
    """An error handler runs in the superstep of the node that failed, and not before."""
    journal = Journal()
    graph = branches(mode, journal)

    def handle(state: State) -> Command[Any]:
        journal.begin("handler")
        journal.end("handler")
        return Command(update={"log": ["handled"]}, goto="fixed")

    failing = node(mode, "failing", journal, error=ValueError("no"))
    graph.add_node("failing", failing, error_handler=handle)
    graph.add_node("fixed", node(mode, "fixed", journal))
    graph.add_edge("quick", "failing")
    result = run(wrapped(graph), {"log": []}, mode)
    assert "handled" in result["log"]
    assert result["log"][-1] in ("fixed", "after")
    # The failing node may run ahead; its handler may not.
    assert not waited(journal, "failing")
    assert waited(journal, "handler")
    assert journal.calls()["handler"] == journal.calls()["fixed"] == 1


# -- ordered -------------------------------------------------------------------


@both
@pytest.mark.parametrize("how", ["ordered", "effects"])
def test_nodes_marked_ordered(how: str, mode: Mode) -> None:
    """Nodes marked ``ordered``, by either option."""
    journal = Journal()
    options: dict[str, Any] = (
        {"ordered": {"early"}}
        if how == "ordered"
        else {"effects": {"early": Effects(ordered=True)}}
    )
    run(wrapped(branches(mode, journal), **options), {"log": []}, mode)
    assert waited(journal)
    assert waited(journal, "after")


# -- the recursion limit -------------------------------------------------------


@both
@pytest.mark.parametrize(("limit", "begun"), [(1, set()), (2, {"early", "late"})])
def test_tasks_beyond_recursion_limit(limit: int, begun: set[str], mode: Mode) -> None:
    """Tasks beyond ``recursion_limit``."""
    journal = Journal()
    with pytest.raises(GraphRecursionError):
        run(wrapped(branches(mode, journal)), {"log": []}, mode, {"recursion_limit": limit})
    assert set(journal.calls()) == {"quick", "slow"} | begun


# -- draining ------------------------------------------------------------------


@both
def test_anything_after_a_drain_request(mode: Mode) -> None:
    """Anything after a drain request; the run goes on later where it stopped."""
    journal = Journal()
    control = RunControl()
    plain = node(mode, "quick", journal)

    def quick(state: State, runtime: Runtime[None]) -> Any:
        control.request_drain()
        return plain(state)

    async def aquick(state: State, runtime: Runtime[None]) -> Any:
        control.request_drain()
        return await plain(state)

    graph = branches(mode, journal, quick=quick if mode == "sync" else aquick)
    fast = wrapped(graph.compile(checkpointer=InMemorySaver()))
    with pytest.raises(GraphDrained):
        run(fast, {"log": []}, mode, thread(), control=control)
    assert set(journal.calls()) == {"quick", "slow"}
    assert set(fast.get_state(thread()).next) == {"early", "late"}
    result = run(fast, None, mode, thread())
    assert result["log"] == ["quick", "slow", "early", "late", "after"]
    assert journal.calls() == dict.fromkeys(["quick", "slow", "early", "after", "late"], 1)


# -- inputs that may still change ----------------------------------------------


@both
def test_a_key_that_an_unfinished_task_writes(mode: Mode) -> None:
    """A node whose inputs another unfinished task may still change."""
    journal = Journal()

    def reads(state: State) -> dict[str, Any]:
        return {"log": [state["right"]]}

    slow = node(mode, "slow", journal, seconds=SLOW, key="right")
    early = pause(mode, "early", journal, 0, reads)
    result = run(wrapped(branches(mode, journal, slow=slow, early=early)), {"log": []}, mode)
    assert waited(journal)
    assert result["log"] == ["quick", "slow", "late", "after"]


@both
def test_a_key_that_a_task_still_to_come_may_write(mode: Mode) -> None:
    """The same through a task that does not exist yet: ``late`` writes what ``after`` reads."""
    journal = Journal()

    def reads(state: State) -> dict[str, Any]:
        return {"log": [state["right"]]}

    late = node(mode, "late", journal, key="right")
    after = pause(mode, "after", journal, 0, reads)
    result = run(wrapped(branches(mode, journal, late=late, after=after)), {"log": []}, mode)
    assert not waited(journal)
    assert journal.came_first("end late", "begin after")
    assert result["log"] == ["quick", "slow", "early", "late"]


@both
def test_a_node_that_reads_everything(mode: Mode) -> None:
    """A node that reads its whole state waits for all who write to it."""
    journal = Journal()

    def whole(state: State) -> dict[str, Any]:
        return {"left": ",".join(sorted(state)), "log": list(state["log"])}

    early = pause(mode, "early", journal, 0, whole)
    result = run(wrapped(branches(mode, journal, early=early)), {"log": []}, mode)
    assert waited(journal)
    assert result["log"] == ["quick", "slow", "quick", "slow", "late", "after"]


@both
def test_a_router_whose_state_may_change(mode: Mode) -> None:
    """Where a router reads what may change, its node runs ahead and its successors do not."""
    journal = Journal()
    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, seconds=SLOW),
            "late": node(mode, "late", journal, seconds=0.05, key="right"),
            "early": node(mode, "early", journal),
            "yes": node(mode, "yes", journal),
            "no": node(mode, "no", journal),
        },
        [("", "quick"), ("", "slow"), ("quick", "early"), ("slow", "late")],
    )

    def choose(state: State) -> str:
        return "no" if "right" in state else "yes"

    def reads_log(state: State) -> str:
        return "yes" if "slow" in state["log"] else "no"

    graph.add_conditional_edges("early", reads_log, ["yes", "no"])
    result = run(wrapped(graph), {"log": []}, mode)
    assert not waited(journal)
    assert waited(journal, "yes")
    assert result["log"] == ["quick", "slow", "early", "yes"]


@both
def test_the_store(mode: Mode) -> None:
    """A node that reads the store waits for those that may write it."""
    journal = Journal()

    def writes(state: State, store: BaseStore) -> dict[str, Any]:
        journal.end("slow")
        store.put(("n",), "k", {"v": 1})
        return {"log": ["slow"]}

    plain = node(mode, "waits", journal, seconds=SLOW)

    def slow(state: State, store: BaseStore) -> Any:
        plain(state)
        return writes(state, store)

    async def aslow(state: State, store: BaseStore) -> Any:
        await plain(state)
        return writes(state, store)

    def early(state: State, store: BaseStore) -> dict[str, Any]:
        journal.begin("early")
        found = store.get(("n",), "k")
        return {"log": [str(found.value["v"]) if found else "nothing"]}

    graph = branches(mode, journal, slow=slow if mode == "sync" else aslow, early=early)
    result = run(wrapped(graph.compile(store=InMemoryStore())), {"log": []}, mode)
    assert waited(journal)
    assert result["log"] == ["quick", "slow", "1", "late", "after"]


# -- mutation in place ---------------------------------------------------------


def _appends(state: State) -> dict[str, Any]:
    state["items"].append("early")
    return {"left": str(len(state["items"]))}


def _counts(state: State) -> dict[str, Any]:
    return {"right": str(len(state["items"]))}


@both
def test_a_node_that_mutates_its_input_in_place(mode: Mode) -> None:
    """A node that mutates what an unfinished task reads."""
    journal = Journal()
    slow = pause(mode, "slow", journal, SLOW, _counts)
    early = pause(mode, "early", journal, 0, _appends)
    graph = branches(mode, journal, slow=slow, early=early)
    result = run(wrapped(graph), {"log": [], "items": []}, mode)
    assert waited(journal)
    assert (result["left"], result["right"]) == ("1", "0")


@both
def test_a_node_that_reads_what_an_unfinished_task_mutates(mode: Mode) -> None:
    """And the other way round: ``slow`` mutates what ``early`` reads."""
    journal = Journal()
    slow = pause(mode, "slow", journal, SLOW, _appends)
    early = pause(mode, "early", journal, 0, _counts)
    graph = branches(mode, journal, slow=slow, early=early)
    result = run(wrapped(graph), {"log": [], "items": []}, mode)
    assert waited(journal)
    assert (result["left"], result["right"]) == ("1", "1")


@both
def test_a_packet_with_an_object_that_is_mutated(mode: Mode) -> None:
    """A packet holds an object of the state, which an unfinished task changes in place."""
    journal = Journal()

    def sends(state: State) -> Command[Any]:
        return Command(goto=[Send("reads", {"items": state["items"]})])

    def reads(packet: dict[str, Any]) -> dict[str, Any]:
        journal.begin("reads")
        return {"right": str(len(packet["items"]))}

    graph: Any = StateGraph(State)
    graph.add_node("sends", sends, destinations=("reads",))
    graph.add_node("reads", reads)
    graph.add_node("slow", pause(mode, "slow", journal, SLOW, _appends))
    graph.add_edge(START, "sends")
    graph.add_edge(START, "slow")
    result = run(wrapped(graph), {"log": [], "items": []}, mode)
    assert waited(journal, "reads")
    assert result["right"] == "1"


@both
def test_a_promise_not_to_mutate_lets_it_run_ahead(mode: Mode) -> None:
    """What the user declares wins: the node no longer waits."""
    journal = Journal()

    def early(state: State) -> dict[str, Any]:
        return {"left": str(eval("len")(state["items"]))}

    made = pause(mode, "early", journal, 0, early)
    run(wrapped(branches(mode, journal, early=made)), {"log": [], "items": []}, mode)
    assert waited(journal)
    journal.clear()
    effects = {"early": Effects(reads=["items"], writes=["left"], mutates=(), goto=())}
    run(wrapped(branches(mode, journal, early=made), effects=effects), {"items": []}, mode)
    assert not waited(journal)


class Total(TypedDict, total=False):
    """``log`` has a reducer that changes its first argument."""

    log: Annotated[list[str], operator.iadd]
    left: str


@both
def test_a_reducer_that_mutates_its_argument(mode: Mode) -> None:
    """What such a reducer makes of known writes is not made ahead of time."""
    journal = Journal()

    def reads(state: Total) -> dict[str, Any]:
        return {"left": ",".join(state["log"])}

    graph = graph_of(
        {
            "quick": pause(mode, "quick", journal, 0, lambda state: {"log": ["quick"]}),
            "slow": pause(mode, "slow", journal, SLOW, lambda state: {"log": ["slow"]}),
            "early": pause(mode, "early", journal, 0, reads),
        },
        [("", "quick"), ("", "slow"), ("quick", "early")],
        Total,
    )
    given: dict[str, Any] = {"log": ["given"]}
    assert run(wrapped(graph), given, mode)["left"] == "given,quick,slow"


# -- @task ---------------------------------------------------------------------


@both_with_context
def test_nodes_that_call_a_task(mode: Mode) -> None:
    """LangGraph numbers the calls of a ``@task`` within the superstep."""
    journal = Journal()

    @task
    def twice(number: int) -> int:
        return 2 * number

    def early(state: State) -> dict[str, Any]:
        journal.begin("early")
        journal.end("early")
        return {"log": [str(twice(4).result())]}

    async def aearly(state: State) -> dict[str, Any]:
        journal.begin("early")
        journal.end("early")
        return {"log": [str(await twice(4))]}

    graph = branches(mode, journal, early=early if mode == "sync" else aearly)
    assert "8" in run(wrapped(graph), {"log": []}, mode)["log"]
    assert waited(journal)
    assert journal.calls()["early"] == 1


@both
def test_a_change_in_place_under_another_key(mode: Mode) -> None:
    """Two keys hold the same objects, since a node has stored them under both."""

    class Shared(TypedDict, total=False):
        documents: list[dict[str, int]]
        by_id: dict[int, dict[str, int]]
        log: Annotated[list[Any], operator.add]

    def load(state: Shared) -> Any:
        documents = [{"id": 1, "n": 0}]
        return {"documents": documents, "by_id": {d["id"]: d for d in documents}}

    def enrich(state: Shared) -> Any:
        time.sleep(0.05)
        for document in state["documents"]:
            document["n"] += 1
        return {"log": ["enriched"]}

    def quick(state: Shared) -> Any:
        return {"log": ["quick"]}

    def look(state: Shared) -> Any:
        return {"log": [state["by_id"][1]["n"]]}

    graph = StateGraph(Shared)
    for body in (load, enrich, quick, look):
        graph.add_node(body.__name__, body)
    graph.add_edge(START, "load")
    graph.add_edge("load", "enrich")
    graph.add_edge("load", "quick")
    graph.add_edge("quick", "look")
    assert run(wrapped(graph), {"log": []}, mode)["log"] == ["enriched", "quick", 1]
