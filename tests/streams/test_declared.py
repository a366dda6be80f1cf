"""Declared streams: what a node's model writes starts what its own routers will send."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableParallel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel

from langgraph_alto import Stream, ancestry, gather, wrap
from langgraph_alto.streams import split
from langgraph_alto.testing import check
from tests.guarantees.support import Journal, Mode, both, nothing_left, run, stream, thread
from tests.streams.support import (
    Broken,
    Facts,
    Whole,
    Writer,
    asks,
    checks,
    facts,
    lines,
)

TEXT = ["One is ", "one.\n", "Two is ", "two.\n", "Three is three.\n", "End"]
LINES = ["One is one.", "Two is two.", "Three is three.", "End"]
GIVEN = {"topic": "numbers", "found": []}


def waiting(journal: Journal, line: str = LINES[0], place: int = 4, **more: Any) -> Writer:
    """A model that does not write on before a line is being checked."""
    return Writer(chunks=TEXT, until={place: lambda: journal.has(f"begin {line}")}, **more)


def once(journal: Journal, names: list[str] = LINES) -> None:
    """Every line was checked once, and nothing else."""
    assert journal.calls() == Counter(names)


# -- what starts, and when -----------------------------------------------------


@both
@pytest.mark.parametrize("how", ["invoke", "stream"])
@pytest.mark.parametrize("by", [None, "line", "sentence", split.line()])
@pytest.mark.parametrize("policy", ["proven", "speculative"])
def test_a_line_is_checked_while_the_model_writes(
    policy: str, by: Any, how: str, mode: Mode
) -> None:
    journal = Journal()
    graph = facts(asks(mode, waiting(journal), how), checks(mode, journal))
    fast = wrap(graph, policy=policy, streams={"draft": Stream("answer", by)})
    result = run(fast, GIVEN, mode)
    assert result == {**GIVEN, "answer": "".join(TEXT), "found": LINES, "end": 4}
    once(journal)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_a_function_on_an_event_loop(how: str) -> None:
    """It runs in a thread, and what it starts on the loop."""
    journal = Journal()
    graph = facts(asks("sync", waiting(journal), how), checks("async", journal))
    fast = wrap(graph, streams={"draft": "answer"})
    assert run(fast, GIVEN, "async")["found"] == LINES
    once(journal)


@both
def test_policy_off(mode: Mode) -> None:
    journal = Journal()
    seen: list[bool] = []

    def looked() -> bool:
        seen.append(bool(journal.entries))
        return True

    model = Writer(chunks=TEXT, until={5: looked})
    graph = facts(asks(mode, model), checks(mode, journal))
    assert run(wrap(graph, policy="off", streams={"draft": "answer"}), GIVEN, mode)["end"] == 4
    assert seen == [False]
    once(journal)


def elements(state: Any) -> list[Send]:
    return [Send("verify", {"line": each["claim"]}) for each in json.loads(state["answer"])]


@both
def test_elements_of_an_array_for_a_router_that_parses_it(mode: Mode) -> None:
    journal = Journal()
    chunks = ["```json\n[", '{"claim": "a"}', ', {"cla', 'im": "b"}, ', '{"claim": "c"}', "]\n```"]

    def router(state: Facts) -> list[Send]:
        text = state["answer"].removeprefix("```json").removesuffix("```")
        return elements({"answer": text})

    model = Writer(chunks=chunks, until={3: lambda: journal.has("begin a")})
    graph = facts(asks(mode, model), checks(mode, journal), router)
    result = run(wrap(graph, streams={"draft": Stream("answer", "element")}), GIVEN, mode)
    assert result["found"] == ["a", "b", "c"]
    once(journal, ["a", "b", "c"])


@both
def test_items_of_a_list(mode: Mode) -> None:
    journal = Journal()
    chunks = ["Facts:\n", "1. first\n", "2. second", " and more\n", "3. third\n"]

    def router(state: Facts) -> list[Send]:
        items = [row[3:] for row in state["answer"].splitlines() if row[:1].isdigit()]
        return [Send("verify", {"line": each}) for each in items]

    model = Writer(chunks=chunks, until={4: lambda: journal.has("begin first")})
    graph = facts(asks(mode, model), checks(mode, journal), router)
    result = run(wrap(graph, streams={"draft": Stream("answer", "item")}), GIVEN, mode)
    assert result["found"] == ["first", "second and more", "third"]
    once(journal, result["found"])


@both
def test_a_function_of_the_users(mode: Mode) -> None:
    journal = Journal()
    chunks = ["a b|c", " d|e", "|", "f"]

    def router(state: Facts) -> list[Send]:
        return [Send("verify", {"line": each}) for each in state["answer"].split("|") if each]

    model = Writer(chunks=chunks, until={2: lambda: journal.has("begin a b")})
    graph = facts(asks(mode, model), checks(mode, journal), router)
    by = Stream("answer", lambda text: text.split("|"))
    assert run(wrap(graph, streams={"draft": by}), GIVEN, mode)["found"] == ["a b", "c d", "e", "f"]
    once(journal, ["a b", "c d", "e", "f"])


@both
def test_texts_without_spaces(mode: Mode) -> None:
    journal = Journal()
    text = "\u4e00\u306f\u4e00\u3067\u3059\u3002\u4e8c\u306f\u4e8c\u3067\u3059\u3002\u4e09\u3002"
    chunks = [text[at : at + 4] for at in range(0, len(text), 4)]

    def router(state: Facts) -> list[Send]:
        pieces = state["answer"].split("\u3002")
        return [Send("verify", {"line": each}) for each in pieces if each]

    model = Writer(chunks=chunks, until={3: lambda: len(journal.entries) > 0})
    graph = facts(asks(mode, model), checks(mode, journal), router)
    for by in (None, "sentence"):
        journal.clear()
        result = run(wrap(graph, streams={"draft": Stream("answer", by)}), GIVEN, mode)
        assert result["found"] == "".join(chunks)[:-1].split("\u3002")
        once(journal, result["found"])


@both
def test_two_conditional_edges(mode: Mode) -> None:
    """Both are shown the text; what they send has its own order in the end."""
    journal = Journal()
    graph = facts(asks(mode, waiting(journal)), checks(mode, journal))

    def loud(state: Facts) -> list[Send]:
        return [Send("verify", {"line": each.upper()}) for each in state["answer"].splitlines()]

    graph.add_conditional_edges("draft", loud, ["verify"])
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert result == run(graph.compile(), GIVEN, mode)
    assert journal.calls() == {name: 2 for each in LINES for name in (each, each.upper())}


@both
def test_two_packets_for_each_piece_and_one_in_the_end(mode: Mode) -> None:
    """What stands behind the pieces is not sent before they are all there."""
    journal = Journal()

    def router(state: Facts) -> list[Send]:
        pairs = [(each, each.upper()) for each in state["answer"].splitlines()]
        packets = [Send("verify", {"line": each}) for pair in pairs for each in pair]
        return [*packets, Send("verify", {"line": f"all {len(pairs)}"})]

    graph = facts(asks(mode, waiting(journal)), checks(mode, journal), router)
    for by in (None, "line"):
        journal.clear()
        result = run(wrap(graph, streams={"draft": Stream("answer", by)}), GIVEN, mode)
        names = [name for each in LINES for name in (each, each.upper())]
        assert result["found"] == [*names, "all 4"]
        once(journal, [*names, "all 4"])


@both
def test_path_map_and_names_of_nodes(mode: Mode) -> None:
    """A router may send packets and name nodes at once."""
    journal = Journal()

    def router(state: Facts) -> list[Any]:
        return [*lines(state), "beside"]

    graph = facts(
        asks(mode, waiting(journal)), checks(mode, journal), router, to={"beside": "side"}
    )
    graph.add_node("side", lambda state: {"topic": "beside"})
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert (result["found"], result["topic"]) == (LINES, "beside")
    once(journal)


def test_an_async_router() -> None:
    journal = Journal()

    async def router(state: Facts) -> list[Send]:
        await asyncio.sleep(0.001)
        return lines(state)

    graph = facts(asks("async", waiting(journal)), checks("async", journal), router)
    assert run(wrap(graph, streams={"draft": "answer"}), GIVEN, "async")["found"] == LINES
    once(journal)


class Model(BaseModel):
    topic: str = ""
    answer: str = ""


@both
@pytest.mark.parametrize("kind", ["model", "keys"])
def test_other_kinds_of_state(kind: str, mode: Mode) -> None:
    """A Pydantic state, and a router with a schema of its own that reads other keys."""
    journal = Journal()

    def of_model(state: Model) -> list[Send]:
        return lines({"answer": state.answer}) if state.topic else []

    def of_keys(state: Facts) -> list[Send]:
        return lines(state) if state["topic"] == "numbers" else []

    writer = waiting(journal)

    def draft(state: Any) -> Any:
        return {"answer": writer.invoke("x").content}

    async def adraft(state: Any) -> Any:
        return {"answer": (await writer.ainvoke("x")).content}

    graph: Any = StateGraph(Model if kind == "model" else Facts)
    graph.add_node("draft", draft if mode == "sync" else adraft)
    graph.add_node("verify", checks(mode, journal) if kind == "keys" else found_of(mode, journal))
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", of_model if kind == "model" else of_keys, ["verify"])
    fast = wrap(graph, streams={"draft": "answer"})
    given = GIVEN if kind == "keys" else {"topic": "numbers"}
    run(fast, given, mode)
    once(journal)


def found_of(mode: Mode, journal: Journal) -> Any:
    """A check that writes nothing."""
    verify = checks(mode, journal)

    def body(packet: Any) -> None:
        verify(packet)

    async def abody(packet: Any) -> None:
        await verify(packet)

    return body if mode == "sync" else abody


# -- how the model is asked ----------------------------------------------------

MODELS: dict[str, Any] = {
    "in a chain": lambda model: model | StrOutputParser(),
    "retried": lambda model: model.with_retry() | StrOutputParser(),
    "with fallbacks": lambda model: model.with_fallbacks([model]) | StrOutputParser(),
    "configured": lambda model: model.with_config(tags=["x"]) | StrOutputParser(),
}


def parsed(mode: Mode, chain: Any) -> Any:
    """A node that asks a chain that returns a text."""

    def draft(state: Facts) -> Any:
        return {"answer": chain.invoke(state["topic"])}

    async def adraft(state: Facts) -> Any:
        return {"answer": await chain.ainvoke(state["topic"])}

    return draft if mode == "sync" else adraft


@both
@pytest.mark.parametrize("dress", MODELS)
def test_a_model_in_a_chain(dress: str, mode: Mode) -> None:
    journal = Journal()
    graph = facts(parsed(mode, MODELS[dress](waiting(journal))), checks(mode, journal))
    assert run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)["found"] == LINES
    once(journal)


@both
@pytest.mark.parametrize(
    "model", [Whole(chunks=TEXT), FakeListChatModel(responses=["".join(TEXT)])]
)
def test_a_model_that_does_not_stream_or_by_the_letter(model: Any, mode: Mode) -> None:
    journal = Journal()
    graph = facts(asks(mode, model), checks(mode, journal))
    for by in (None, "line"):
        journal.clear()
        result = run(wrap(graph, streams={"draft": Stream("answer", by)}), GIVEN, mode)
        assert result["found"] == LINES
        once(journal)


@both
def test_models_one_after_another(mode: Mode) -> None:
    """What the first wrote is dropped; what the last one writes is checked early."""
    journal = Journal()
    first = Writer(chunks=["No.\n", "Not this.\n", "Nor this.\n", "x"])
    second = waiting(journal)

    def draft(state: Facts) -> Any:
        first.invoke("plan")
        return {"answer": second.invoke("write").content}

    async def adraft(state: Facts) -> Any:
        await first.ainvoke("plan")
        return {"answer": (await second.ainvoke("write")).content}

    graph = facts(draft if mode == "sync" else adraft, checks(mode, journal))
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert result["found"] == LINES
    assert {name: journal.calls()[name] for name in LINES} == dict.fromkeys(LINES, 1)


@both
def test_models_at_once(mode: Mode) -> None:
    """Nobody knows whose text it will be: nothing starts early."""
    journal = Journal()
    chain = RunnableParallel(
        one=Writer(chunks=TEXT, pause=0.003), two=Writer(chunks=TEXT, pause=0.002)
    )

    def draft(state: Facts) -> Any:
        return {"answer": chain.invoke("x")["two"].content}

    async def adraft(state: Facts) -> Any:
        return {"answer": (await chain.ainvoke("x"))["two"].content}

    graph = facts(draft if mode == "sync" else adraft, checks(mode, journal))
    assert run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)["found"] == LINES


# -- what goes wrong -----------------------------------------------------------


@both
def test_a_stream_that_fails_ends_the_run(mode: Mode) -> None:
    journal = Journal()
    model = waiting(journal, fails=4)
    graph = facts(asks(mode, model), checks(mode, journal))
    with pytest.raises(Broken):
        run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert set(journal.calls()) <= set(LINES)


@both
@pytest.mark.parametrize("same", [True, False])
def test_a_stream_that_fails_with_a_fallback(same: bool, mode: Mode) -> None:
    journal = Journal()
    broken = Writer(chunks=["Half.\n", *TEXT[1:]], fails=4, pause=0.002)
    other = Writer(chunks=broken.chunks if same else TEXT)
    chain = broken.with_fallbacks([other]) | StrOutputParser()
    graph = facts(parsed(mode, chain), checks(mode, journal))
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert result == run(graph.compile(), GIVEN, mode)


@both
def test_a_stream_that_fails_in_a_node_that_is_retried(mode: Mode) -> None:
    journal = Journal()
    attempts: list[int] = []

    class Unsteady(Writer):
        def _pieces(self, messages: Any) -> Any:
            attempts.append(1)
            if len(attempts) == 1:
                raise Broken("not at all")
            return TEXT

    graph: Any = StateGraph(Facts)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, retry_on=Broken)
    graph.add_node("draft", asks(mode, Unsteady(chunks=[])), retry_policy=policy)
    graph.add_node("verify", checks(mode, journal))
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", lines, ["verify"])
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert (result["found"], len(attempts)) == (LINES, 2)
    once(journal)


@both
def test_a_router_that_changes_its_mind(mode: Mode) -> None:
    """What it filters in the end was checked in vain, and is in no result."""
    journal = Journal()

    def router(state: Facts) -> list[Send]:
        packets = lines(state)
        return packets[2:] if "End" in state["answer"] else packets

    graph = facts(asks(mode, waiting(journal)), checks(mode, journal), router)
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert result["found"] == LINES[2:]
    assert journal.calls()[LINES[0]] == 1


@both
def test_a_router_that_ends_the_run_after_all(mode: Mode) -> None:
    journal = Journal()

    def router(state: Facts) -> Any:
        return END if state["answer"].endswith("End") else lines(state)

    to = ["verify", END]
    graph = facts(asks(mode, waiting(journal)), checks(mode, journal), router, to=to)
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert result == {**GIVEN, "answer": "".join(TEXT)}


@both
def test_a_packet_with_the_text_in_it_waits(mode: Mode) -> None:
    """Else each line would be checked again when the text has grown."""
    journal = Journal()

    def router(state: Facts) -> list[Send]:
        rows = state["answer"].splitlines()
        return [Send("verify", {**state, "line": row, "at": {"in": state}}) for row in rows]

    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, journal), router)
    for by in (None, "line"):
        journal.clear()
        run(wrap(graph, streams={"draft": Stream("answer", by)}), GIVEN, mode)
        once(journal)


@both
def test_what_cannot_be_pickled_may_be_in_a_packet(mode: Mode) -> None:
    journal = Journal()
    lock = threading.Lock()

    def router(state: Facts) -> list[Send]:
        rows = state["answer"].splitlines()
        return [Send("verify", {"line": row, "lock": lock}) for row in rows]

    graph = facts(asks(mode, waiting(journal)), checks(mode, journal), router)
    run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    once(journal)


@both
def test_a_router_that_changes_its_state_is_not_tried(mode: Mode) -> None:
    """It would change the state of everybody, once for each piece."""
    journal = Journal()

    def router(state: Facts) -> list[Send]:
        state["found"].append("routed")
        return lines(state)

    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, journal), router)
    given = {"topic": "numbers", "found": ["given"]}
    result = run(wrap(graph, streams={"draft": Stream("answer", "line")}), given, mode)
    assert result["found"].count("routed") == 1
    once(journal)


class Odd:
    """Looks at all of the state when it is pickled."""

    def __init__(self, state: Any) -> None:
        self.state = state


@both
@pytest.mark.parametrize("other", [lambda state: Odd(state), lambda state: state.get("end")])
def test_a_router_that_reads_what_is_not_certain(other: Any, mode: Mode) -> None:
    """``draft`` writes the key as well."""
    journal = Journal()
    writer = Writer(chunks=TEXT)

    def draft(state: Facts) -> Any:
        return {"answer": writer.invoke("x").content, "end": 1}

    async def adraft(state: Facts) -> Any:
        return {"answer": (await writer.ainvoke("x")).content, "end": 1}

    def router(state: Facts) -> list[Send]:
        found = other(state)
        return [Send("verify", {"line": x, "o": found}) for x in state["answer"].splitlines()]

    graph = facts(draft if mode == "sync" else adraft, checks(mode, journal), router)
    assert run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)["found"] == LINES
    assert journal.calls().keys() == set(LINES)


@both
@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError])
def test_a_router_that_raises_on_half_a_text(error: Any, mode: Mode) -> None:
    journal = Journal()

    def router(state: Facts) -> list[Send]:
        if not state["answer"].endswith("End"):
            raise error("half")
        return lines(state)

    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, journal), router)
    assert run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)["found"] == LINES
    once(journal)


@both
def test_a_router_that_raises_in_the_end(mode: Mode) -> None:
    def router(state: Facts) -> list[Send]:
        if state["answer"].endswith("End"):
            raise Broken("router")
        return lines(state)

    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, Journal()), router)
    with pytest.raises(Broken, match="router"):
        run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)


@both
@pytest.mark.parametrize("by", [lambda text: [][0], lambda text: ["not in it"], lambda text: None])
def test_a_splitter_that_is_wrong(by: Any, mode: Mode, caplog: Any) -> None:
    journal = Journal()
    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, journal))
    fast = wrap(graph, streams={"draft": Stream("answer", by)})
    assert run(fast, GIVEN, mode)["found"] == LINES
    once(journal)
    assert not caplog.records


@both
def test_a_router_that_writes_and_asks(mode: Mode) -> None:
    """Custom events are those of the end; and ``interrupt()`` is not asked before it."""
    asked: list[int] = []

    def router(state: Facts) -> list[Send]:
        get_stream_writer()(len(state["answer"]))
        if len(asked) > 100:
            interrupt("sure?")
        return lines(state)

    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, Journal()), router)
    fast = wrap(graph, streams={"draft": "answer"})
    assert stream(fast, GIVEN, mode, stream_mode="custom") == [len("".join(TEXT))]

    def careful(state: Facts) -> list[Send]:
        return lines(state) if interrupt("sure?") else []

    draft, verify = asks(mode, Writer(chunks=TEXT)), checks(mode, Journal())
    graph = facts(draft, verify, careful)
    plain = graph.compile(checkpointer=InMemorySaver())
    fast = wrap(graph.compile(checkpointer=InMemorySaver()), streams={"draft": "answer"})
    for engine in (plain, fast):
        result = run(engine, GIVEN, mode, thread())
        assert [each.value for each in result["__interrupt__"]] == ["sure?"]
        assert run(engine, Command(resume=True), mode, thread())["found"] == LINES


@both
def test_a_node_that_changes_the_text(mode: Mode) -> None:
    journal = Journal()
    model = waiting(journal)
    graph = facts(asks(mode, model, after=lambda text: text.strip() + "!"), checks(mode, journal))
    for by in (None, "line"):
        journal.clear()
        result = run(wrap(graph, streams={"draft": Stream("answer", by)}), GIVEN, mode)
        assert result["found"] == [*LINES[:-1], "End!"]
        once(journal, result["found"])


@both
def test_a_node_that_writes_something_else(mode: Mode) -> None:
    graph = facts(asks(mode, Writer(chunks=TEXT), after=str.upper), checks(mode, Journal()))
    fast = wrap(graph, streams={"draft": "answer"})
    assert run(fast, GIVEN, mode)["found"] == [line.upper() for line in LINES]


# -- where the node is ---------------------------------------------------------


@both
def test_in_a_subgraph(mode: Mode) -> None:
    """A graph that is wrapped keeps its streams where it is a node."""
    journal = Journal()
    inner = facts(asks(mode, waiting(journal)), checks(mode, journal))
    graph: Any = StateGraph(Facts)
    graph.add_node("inner", wrap(inner, streams={"draft": "answer"}))
    graph.add_edge(START, "inner")
    assert run(wrap(graph), GIVEN, mode)["found"] == LINES
    once(journal)


@both
def test_a_subgraph_that_asks_the_model(mode: Mode) -> None:
    journal = Journal()
    inner: Any = StateGraph(Facts)
    inner.add_node("ask", asks(mode, waiting(journal)))
    inner.add_edge(START, "ask")
    graph = facts(inner.compile(), checks(mode, journal))
    assert run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)["found"] == LINES
    once(journal)


@both
def test_in_a_loop(mode: Mode) -> None:
    """Each round has a text of its own."""
    journal = Journal()

    class Rounds(Writer):
        def _pieces(self, messages: Any) -> Any:
            return [f"{messages[0].content}{piece}" for piece in ("a\n", "b\n", "c\n", "d")]

    def again(state: Facts) -> str:
        return "draft" if len(state["found"]) < 12 else END

    def topic(state: Facts) -> Any:
        return {"end": len(state["found"]), "topic": f"t{len(state['found'])}"}

    graph: Any = StateGraph(Facts)
    graph.add_node("draft", asks(mode, Rounds(chunks=[], pause=0.001)))
    graph.add_node("verify", checks(mode, journal))
    graph.add_node("count", topic)
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", lines, ["verify"])
    graph.add_edge("verify", "count")
    graph.add_conditional_edges("count", again, ["draft", END])
    result = run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert result == run(graph.compile(), GIVEN, mode)
    assert set(journal.calls().values()) == {2}
    with pytest.raises(GraphRecursionError):
        run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode, {"recursion_limit": 4})


@both
def test_of_a_node_that_runs_ahead_itself(mode: Mode) -> None:
    journal = Journal()
    graph = facts(asks(mode, waiting(journal, place=5)), checks(mode, journal))
    ahead: Any = StateGraph(Facts)
    for name, spec in graph.nodes.items():
        ahead.add_node(name, spec.runnable)
    slow = [False]

    def lag(state: Facts) -> None:
        limit = time.monotonic() + 5
        while not journal.has(f"begin {LINES[0]}") and time.monotonic() < limit:
            time.sleep(0.002)
        slow[0] = True

    async def alag(state: Facts) -> None:
        await asyncio.to_thread(lag, state)

    ahead.add_node("first", lambda state: None)
    ahead.add_node("lag", lag if mode == "sync" else alag)
    ahead.add_edge(START, "first")
    ahead.add_edge(START, "lag")
    ahead.add_edge("first", "draft")
    ahead.add_conditional_edges("draft", lines, ["verify"])
    result = run(wrap(ahead, streams={"draft": "answer"}), GIVEN, mode)
    assert result["found"] == LINES
    assert slow == [True]
    once(journal)


@both
@pytest.mark.parametrize("limit", [1, 2])
def test_within_the_bound(limit: int, mode: Mode) -> None:
    journal = Journal()
    graph = facts(asks(mode, Writer(chunks=TEXT, pause=0.002)), checks(mode, journal, 0.005))
    fast = wrap(graph, streams={"draft": "answer"})
    assert run(fast, GIVEN, mode, {"max_concurrency": limit})["found"] == LINES
    assert journal.peak <= limit
    once(journal)


@both
@pytest.mark.parametrize(
    "where", [{"interrupt_before": ["verify"]}, {"interrupt_after": ["draft"]}]
)
def test_static_interrupts(where: Any, mode: Mode) -> None:
    journal = Journal()
    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, journal))
    made = graph.compile(checkpointer=InMemorySaver(), **where)
    fast = wrap(made, streams={"draft": "answer"})
    run(fast, GIVEN, mode, thread())
    assert not journal.entries
    assert run(fast, None, mode, thread())["found"] == LINES
    once(journal)


@both
def test_past_the_recursion_limit(mode: Mode) -> None:
    journal = Journal()
    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, journal))
    with pytest.raises(GraphRecursionError):
        run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode, {"recursion_limit": 1})
    assert not journal.entries


@both
def test_ordered(mode: Mode) -> None:
    journal = Journal()
    seen: list[bool] = []

    def looked() -> bool:
        seen.append(bool(journal.entries))
        return True

    model = Writer(chunks=TEXT, until={5: looked})
    graph = facts(asks(mode, model), checks(mode, journal))
    run(wrap(graph, ordered={"verify"}, streams={"draft": "answer"}), GIVEN, mode)
    assert seen == [False]
    once(journal)


@both
def test_gathered(mode: Mode) -> None:
    """START ─▶ draft ─▷ verify (each) ─▶ gathered, with declared streams."""

    def build(journal: Journal, model: Any) -> Any:
        graph: Any = StateGraph(Facts)
        graph.add_node("draft", asks(mode, model))
        graph.add_node("verify", checks(mode, journal))

        def all_of(group: Any) -> Any:
            return {"end": len(group.results), "topic": ",".join(map(str, group.results))}

        gather(graph, "all", all_of, over="draft", of="verify", key="found")
        graph.add_edge(START, "draft")
        graph.add_conditional_edges("draft", lines, ["verify"])
        return graph

    journal = Journal()
    plain = run(build(Journal(), Writer(chunks=TEXT)).compile(), GIVEN, mode)
    for by in (None, "line"):
        journal.clear()
        fast = wrap(build(journal, waiting(journal)), streams={"draft": Stream("answer", by)})
        assert run(fast, GIVEN, mode) == plain
        once(journal)
    assert plain["end"] == 4


# -- how a run ends, and who sees it -------------------------------------------


async def test_the_caller_is_cancelled() -> None:
    journal = Journal()
    model = Writer(chunks=[*TEXT, "x"], until={6: lambda: False})
    graph = facts(asks("async", model), checks("async", journal, 60))
    with nothing_left():
        task = asyncio.create_task(wrap(graph, streams={"draft": "answer"}).ainvoke(GIVEN))
        while not journal.has(f"begin {LINES[1]}") and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert journal.has(f"cancel {LINES[0]}")


@both
def test_a_check_fails_while_the_model_writes(mode: Mode) -> None:
    """Its error comes when its superstep does."""
    journal = Journal()

    def verify(packet: Any) -> Any:
        journal.begin(packet["line"])
        if packet["line"] == LINES[0]:
            raise Broken(packet["line"])

    async def averify(packet: Any) -> Any:
        verify(packet)

    model = waiting(journal)
    graph = facts(asks(mode, model), verify if mode == "sync" else averify)
    with pytest.raises(Broken, match="is one"):
        run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)


@both
def test_another_node_fails_while_the_model_writes(mode: Mode) -> None:
    journal = Journal()
    graph = facts(asks(mode, Writer(chunks=TEXT, pause=0.01)), checks(mode, journal, 0.02))

    def fails(state: Facts) -> None:
        while not journal.entries:
            time.sleep(0.002)
        raise Broken("beside")

    async def afails(state: Facts) -> None:
        await asyncio.to_thread(fails, state)

    graph.add_node("fails", fails if mode == "sync" else afails)
    graph.add_edge(START, "fails")
    with pytest.raises(Broken, match="beside"):
        run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)


def shape(events: list[Any]) -> list[Any]:
    """Streams of messages without what differs from run to run."""
    return [
        (chunk.content, meta["langgraph_step"], meta["langgraph_node"]) for chunk, meta in events
    ]


@both
def test_messages_are_streamed_as_ever(mode: Mode) -> None:
    graph = facts(asks(mode, Writer(chunks=TEXT)), checks(mode, Journal()))
    fast = wrap(graph, streams={"draft": "answer"})
    plain = stream(graph.compile(), GIVEN, mode, stream_mode="messages")
    assert shape(stream(fast, GIVEN, mode, stream_mode="messages")) == shape(plain)


async def test_events_are_those_of_langgraph() -> None:
    graph = facts(asks("async", Writer(chunks=TEXT)), checks("async", Journal()))
    found = []
    for engine in (graph.compile(), wrap(graph, streams={"draft": "answer"})):
        names: Counter[Any] = Counter()
        async for event in engine.astream_events(GIVEN, version="v2"):
            # The run goes by the class of its graph.
            names[event["event"], event["name"].replace("Alto", "Lang")] += 1
        found.append(names)
    assert found[0] == found[1]


@both
def test_equal_in_all_that_can_be_seen(mode: Mode) -> None:
    graph = facts(asks(mode, Writer(chunks=TEXT, pause=0.001)), checks(mode, Journal()))
    for by in (None, "line", "sentence"):
        report = check(
            graph,
            [GIVEN],
            mode=mode,
            streams={"draft": Stream("answer", by)},
            delays={"verify": 0.004},
            checkpointer=InMemorySaver,
        )
        assert report.ok, report.text()


@both
def test_ancestry_of_what_starts_early(mode: Mode) -> None:
    seen: dict[str, str] = {}
    journal = Journal()

    def note(packet: Any) -> Any:
        journal.begin(packet["line"])
        frame: Any = ancestry().frame
        seen[packet["line"]] = f"{frame.scope}/{frame.index}"
        return {"found": [packet["line"]]}

    async def anote(packet: Any) -> Any:
        return note(packet)

    graph = facts(asks(mode, waiting(journal)), note if mode == "sync" else anote)
    run(wrap(graph, streams={"draft": "answer"}), GIVEN, mode)
    assert seen == {line: f"draft/{place}" for place, line in enumerate(LINES)}


# -- what is declared wrongly --------------------------------------------------


class Kinds(Facts, total=False):
    claims: list[str]


WRONG: list[tuple[Any, type[Exception], str]] = [
    ({"drft": "answer"}, ValueError, "the node 'drft', .*its nodes are .*draft"),
    ({"draft": "answr"}, ValueError, "the key 'answr', .*its keys are .*answer"),
    ({"draft": "claims"}, TypeError, "the key 'claims', which holds neither a text"),
    ({"draft": "found"}, TypeError, "the key 'found', which holds neither a text"),
    ({"draft": 3}, TypeError, r"streams\['draft'\] is 3; give the name of a state key"),
    (["draft"], TypeError, "streams is a list; give a mapping"),
]


@pytest.mark.parametrize("policy", ["proven", "off"])
@pytest.mark.parametrize(("given", "kind", "text"), WRONG)
def test_wrong_options(given: Any, kind: type[Exception], text: str, policy: str) -> None:
    graph: Any = StateGraph(Kinds)
    graph.add_node("draft", lambda state: {"answer": "x"})
    graph.add_edge(START, "draft")
    with pytest.raises(kind, match=text):
        wrap(graph, policy=policy, streams=given)


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: Stream("x", "word"), ValueError, "no splitter is named 'word'; there are element"),
        (lambda: Stream("x", 3), TypeError, "by is 3; give the name of a splitter"),  # type: ignore[arg-type]
        (lambda: Stream("x", tools="search"), TypeError, "tools is the string 'search'"),
        (lambda: Stream(""), TypeError, "a Stream's key is ''"),
    ],
)
def test_wrong_streams(make: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        make()
