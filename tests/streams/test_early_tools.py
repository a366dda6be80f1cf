"""Agents: a tool call starts when its arguments are complete, if the tool may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import (
    InjectedState,
    InjectedStore,
    ToolNode,
    ToolRuntime,
    create_react_agent,
)
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, interrupt

from langgraph_alto import Stream, wrap
from tests.guarantees.support import PATIENCE, Journal, Mode, both, run, stream, thread
from tests.streams.support import Writer

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")

AGENTS: dict[str, Callable[..., Any]] = {"react": create_react_agent, "langchain": create_agent}
agents = pytest.mark.parametrize("kind", AGENTS)
GIVEN = {"messages": [HumanMessage("go", id="h")]}


def part(place: int, args: str, name: str | None = None, round: int = 0) -> AIMessageChunk:
    """A chunk with a part of a tool call."""
    id = f"call-{round}-{place}" if name else None
    chunk = {"name": name, "args": args, "id": id, "index": place, "type": "tool_call_chunk"}
    return AIMessageChunk(content="", tool_call_chunks=[chunk], id=f"m{round}")  # type: ignore[list-item]


def calls(*names: str, round: int = 0) -> list[AIMessageChunk]:
    """Chunks of a message with these calls, three for each, and one chunk behind them."""
    chunks: list[AIMessageChunk] = []
    for place, name in enumerate(names):
        text = f"{name[0]}{place}"
        chunks += [
            part(place, "", name, round),
            part(place, '{"text": "', round=round),
            part(place, text + '"}', round=round),
        ]
    return [*chunks, AIMessageChunk(content=".", id=f"m{round}")]


class Caller(Writer):
    """Calls tools, a message of calls for each round, and then answers."""

    rounds: list[Any] = []  # noqa: RUF012 - a field, of which each model has its own

    def _pieces(self, messages: Any) -> Any:
        asked = sum(bool(getattr(message, "tool_calls", None)) for message in messages)
        if asked < len(self.rounds):
            return self.rounds[asked]
        return [AIMessageChunk(content="done", id="end")]

    def __init__(self, *rounds: Any, **more: Any) -> None:
        super().__init__(**{"chunks": [], "rounds": list(rounds), **more})


def tool_of(mode: Mode, journal: Journal, name: str = "search", **more: Any) -> StructuredTool:
    """A tool that notes its calls."""

    def body(text: str) -> str:
        journal.begin(text)
        journal.end(text)
        return f"found {text}"

    async def abody(text: str) -> str:
        return body(text)

    return StructuredTool.from_function(
        body if mode == "sync" else None,
        coroutine=abody if mode == "async" else None,
        name=name,
        description="Looks up.",
        **more,
    )


def early(journal: Journal, *rounds: Any) -> Caller:
    """A model that writes the second call when the first one has begun, and so on."""
    until = {3: lambda: journal.has("begin s0"), 6: lambda: journal.has("begin s1")}
    return Caller(*rounds, until=until)


class Watch:
    """Whether any call had begun when the model wrote the last chunk."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.seen: list[bool] = []
        self.since = 0.0

    def __call__(self) -> bool:
        """Asked again and again; the model writes on after a while."""
        self.since = self.since or time.monotonic()
        if time.monotonic() < self.since + 0.02:
            return False
        self.since = 0.0
        self.seen.append(bool(self.journal.entries))
        return True


def told(result: Any) -> Any:
    return [
        (type(m).__name__, m.content, getattr(m, "tool_calls", None), getattr(m, "tool_call_id", 0))
        for m in result["messages"]
    ]


def streams(*names: str) -> Any:
    return {"agent": Stream("messages", tools=names)}


# -- what starts early ---------------------------------------------------------


@both
@agents
@pytest.mark.parametrize("declared", ["named", "safe"])
@pytest.mark.parametrize("policy", ["proven", "speculative"])
def test_each_call_begins_when_it_is_complete(
    policy: str, declared: str, kind: str, mode: Mode
) -> None:
    journal = Journal()
    safe: Any = {"metadata": {"start_early": True}} if declared == "safe" else {}
    search = tool_of(mode, journal, **safe)
    graph = AGENTS[kind](early(journal, calls(*["search"] * 3)), [search])
    names = ["search"] if declared == "named" else []
    result = run(wrap(graph, policy=policy, streams=streams(*names)), GIVEN, mode)
    assert journal.calls() == {"s0": 1, "s1": 1, "s2": 1}
    plain = AGENTS[kind](Caller(calls(*["search"] * 3)), [search])
    assert told(result) == told(run(plain, GIVEN, mode))
    assert [m.content for m in result["messages"][2:5]] == ["found s0", "found s1", "found s2"]


@both
@agents
def test_the_node_goes_by_either_name(kind: str, mode: Mode) -> None:
    journal = Journal()
    graph = AGENTS[kind](early(journal, calls("search", "search")), [tool_of(mode, journal)])
    run(wrap(graph, streams={"model": Stream("messages", tools={"search"})}), GIVEN, mode)
    assert journal.calls() == {"s0": 1, "s1": 1}


@both
@agents
def test_several_rounds_with_a_checkpointer(kind: str, mode: Mode) -> None:
    journal = Journal()
    model = Caller(
        calls("search", "search"),
        calls("search", "search", round=1),
        until={3: lambda: len(journal.entries) % 4 > 0},
    )
    graph = AGENTS[kind](model, [tool_of(mode, journal)], checkpointer=InMemorySaver())
    result = run(wrap(graph, streams=streams("search")), GIVEN, mode, thread())
    plain = AGENTS[kind](Caller(*model.rounds), [tool_of(mode, Journal())])
    assert told(result) == told(run(plain, GIVEN, mode))
    assert journal.calls() == {"s0": 2, "s1": 2}


@both
@agents
def test_a_call_without_arguments_and_one_that_is_no_json(kind: str, mode: Mode) -> None:
    journal = Journal()

    def body() -> str:
        journal.begin("ping")
        return "pong"

    async def abody() -> str:
        return body()

    ping = StructuredTool.from_function(body, coroutine=abody, name="ping", description="Pings.")
    chunks = [part(0, "", "ping"), part(1, "", "search"), part(1, '{"text": oh'), part(1, " no}")]
    graph = AGENTS[kind](Caller(chunks), [ping, tool_of(mode, journal)])
    fast = run(wrap(graph, streams=streams("ping", "search")), GIVEN, mode)
    assert told(fast) == told(run(graph, GIVEN, mode))
    assert journal.calls()["ping"] == 2


# -- what waits ----------------------------------------------------------------


def waits(graph: Any, journal: Journal, watch: Watch, mode: Mode, **options: Any) -> Any:
    """No tool may have begun before the message had ended."""
    result = run(wrap(graph, **options), GIVEN, mode)
    assert watch.seen[0] is False
    assert journal.entries
    return result


@both
@agents
@pytest.mark.parametrize("names", [[], ["other"]])
def test_tools_that_are_not_named(names: list[str], kind: str, mode: Mode) -> None:
    journal = Journal()
    watch = Watch(journal)
    model = Caller(calls("search", "search"), until={6: watch})
    graph = AGENTS[kind](model, [tool_of(mode, journal)])
    waits(graph, journal, watch, mode, streams=streams(*names))
    assert journal.calls() == {"s0": 1, "s1": 1}


@both
@agents
def test_only_the_tool_that_is_named(kind: str, mode: Mode) -> None:
    """The other one stands before it."""
    journal = Journal()
    until = {6: lambda: journal.has("begin s1")}
    tools = [tool_of(mode, journal), tool_of(mode, journal, "pay")]
    graph = AGENTS[kind](Caller(calls("pay", "search", "pay"), until=until), tools)
    result = run(wrap(graph, streams=streams("search")), GIVEN, mode)
    assert journal.came_first("begin s1", "begin p0")
    assert [m.content for m in result["messages"][2:5]] == ["found p0", "found s1", "found p2"]
    assert journal.calls() == {"p0": 1, "s1": 1, "p2": 1}


@both
@agents
@pytest.mark.parametrize("kind_of", ["state", "store", "runtime", "id"])
def test_tools_that_are_given_more_than_their_arguments(
    kind_of: str, kind: str, mode: Mode
) -> None:
    journal = Journal()
    watch = Watch(journal)

    @tool
    def state(text: str, seen: Annotated[Any, InjectedState]) -> str:
        """Search."""
        journal.begin(text)
        return str(len(seen["messages"]))

    @tool
    def store(text: str, seen: Annotated[Any, InjectedStore()]) -> str:
        """Search."""
        journal.begin(text)
        return type(seen).__name__

    @tool
    def runtime(text: str, runtime: ToolRuntime) -> str:
        """Search."""
        journal.begin(text)
        return str(len(runtime.state["messages"]))

    @tool
    def id(text: str, seen: Annotated[str, InjectedToolCallId]) -> str:
        """Search."""
        journal.begin(text)
        return seen

    made: Any = {"state": state, "store": store, "runtime": runtime, "id": id}[kind_of]
    model = Caller(calls(kind_of, kind_of), until={6: watch})
    graph = AGENTS[kind](model, [made], store=InMemoryStore())
    fast = run(wrap(graph, streams=streams(kind_of)), GIVEN, mode)
    assert told(fast) == told(run(graph, GIVEN, mode))
    if kind_of != "id":
        assert watch.seen[0] is False
    assert len(journal.entries) == 4


@both
@agents
def test_ordered_tools(kind: str, mode: Mode) -> None:
    journal = Journal()
    watch = Watch(journal)
    graph = AGENTS[kind](Caller(calls("search"), until={3: watch}), [tool_of(mode, journal)])
    waits(graph, journal, watch, mode, streams=streams("search"), ordered={"tools"})


@both
def test_middleware_around_tool_calls(mode: Mode) -> None:
    journal = Journal()
    watch = Watch(journal)

    class Around(AgentMiddleware):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            return handler(request)

        async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
            return await handler(request)

    model = Caller(calls("search"), until={3: watch})
    graph = create_agent(model, [tool_of(mode, journal)], middleware=[Around()])
    waits(graph, journal, watch, mode, streams=streams("search"))


@both
def test_a_human_in_the_loop(mode: Mode) -> None:
    journal = Journal()
    human: Any = HumanInTheLoopMiddleware(interrupt_on={"search": True})
    graph: Any = create_agent(
        Caller(calls("search")),
        [tool_of(mode, journal)],
        middleware=[human],
        checkpointer=InMemorySaver(),
    )
    fast = wrap(graph, streams=streams("search"))
    assert run(fast, GIVEN, mode, thread())["__interrupt__"]
    assert not journal.entries
    answer: Any = Command(resume={"decisions": [{"type": "approve"}]})
    assert run(fast, answer, mode, thread())["messages"][-1].content == "done"
    assert journal.calls() == {"s0": 1}


@both
@agents
def test_static_interrupts(kind: str, mode: Mode) -> None:
    journal = Journal()
    graph = AGENTS[kind](
        Caller(calls("search", "search")),
        [tool_of(mode, journal)],
        checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )
    fast = wrap(graph, streams=streams("search"))
    run(fast, GIVEN, mode, thread())
    assert not journal.entries
    assert told(run(fast, None, mode, thread()))[-1][1] == "done"


# -- what else tools do --------------------------------------------------------


def simple(mode: Mode, name: str, function: Callable[[str], Any], **more: Any) -> StructuredTool:
    """A tool of a function of a text."""

    def body(text: str) -> Any:
        return function(text)

    async def abody(text: str) -> Any:
        return function(text)

    return StructuredTool.from_function(
        body, coroutine=abody, name=name, description="Does.", **more
    )


@both
@agents
def test_tools_that_fail(kind: str, mode: Mode) -> None:
    """Errors that become messages, and errors that end the run."""

    def fails(text: str) -> Any:
        raise LookupError(text)

    model = Caller(calls("fail", "search"))
    tools = [simple(mode, "fail", fails), tool_of(mode, Journal())]
    graph = AGENTS[kind](model, tools)
    fast = wrap(graph, streams=streams("fail", "search"))
    for engine in (graph, fast):
        with pytest.raises(LookupError, match="f0"):
            run(engine, GIVEN, mode)
    soft = create_react_agent(model, ToolNode(tools, handle_tool_errors="no luck"))
    assert told(run(wrap(soft, streams=streams("fail", "search")), GIVEN, mode)) == told(
        run(soft, GIVEN, mode)
    )


@both
@agents
def test_a_tool_that_interrupts(kind: str, mode: Mode) -> None:
    asked: list[str] = []

    def asks(text: str) -> Any:
        asked.append(text)
        return f"told {interrupt('sure?')}"

    def build() -> Any:
        tools = [simple(mode, "ask", asks), tool_of(mode, Journal())]
        return AGENTS[kind](Caller(calls("search", "ask")), tools, checkpointer=InMemorySaver())

    found = []
    for engine in (build(), wrap(build(), streams=streams("search", "ask"))):
        first = run(engine, GIVEN, mode, thread())
        assert [each.value for each in first["__interrupt__"]] == ["sure?"]
        found.append(told(run(engine, Command(resume="yes"), mode, thread())))
    assert found[0] == found[1]
    assert found[0][3][1] == "told yes"


@both
@agents
def test_tools_whose_result_is_the_answer(kind: str, mode: Mode) -> None:
    journal = Journal()
    graph = AGENTS[kind](
        early(journal, calls("search", "search")), [tool_of(mode, journal, return_direct=True)]
    )
    result = run(wrap(graph, streams=streams("search")), GIVEN, mode)
    assert told(result)[-1][1] == "found s1"
    assert journal.calls() == {"s0": 1, "s1": 1}


@both
@agents
def test_a_tool_that_returns_a_command(kind: str, mode: Mode) -> None:
    def writes(text: str) -> Any:
        return Command(update={"messages": [ToolMessage(f"wrote {text}", tool_call_id="call-0-0")]})

    graph = AGENTS[kind](Caller(calls("write")), [simple(mode, "write", writes)])
    fast = run(wrap(graph, streams=streams("write")), GIVEN, mode)
    assert told(fast) == told(run(graph, GIVEN, mode))
    assert told(fast)[2][1] == "wrote w0"


@both
@agents
def test_an_agent_in_a_graph(kind: str, mode: Mode) -> None:
    journal = Journal()
    agent = AGENTS[kind](early(journal, calls("search", "search")), [tool_of(mode, journal)])
    graph: Any = StateGraph(MessagesState)
    graph.add_node("sub", wrap(agent, streams=streams("search")))
    graph.add_edge(START, "sub")
    result = run(wrap(graph), GIVEN, mode)
    assert told(result)[-1][1] == "done"
    assert journal.calls() == {"s0": 1, "s1": 1}


@both
@agents
def test_streams_are_those_of_langgraph(kind: str, mode: Mode) -> None:
    graph = AGENTS[kind](Caller(calls("search", "search")), [tool_of(mode, Journal())])
    fast = wrap(graph, streams=streams("search"))
    for stream_mode in ("values", "messages"):
        plain, ours = (
            stream(engine, GIVEN, mode, stream_mode=stream_mode) for engine in (graph, fast)
        )
        if stream_mode == "values":
            assert list(map(told, ours)) == list(map(told, plain))
        else:
            cut = [[(c.content, m["langgraph_node"]) for c, m in every] for every in (ours, plain)]
            # Tools of one superstep speak in the order in which they end.
            assert [c for c in cut[0] if c[1] != "tools"] == [c for c in cut[1] if c[1] != "tools"]
            assert sorted(cut[0]) == sorted(cut[1])


@both
@agents
def test_within_the_bound(kind: str, mode: Mode) -> None:
    journal = Journal()
    graph = AGENTS[kind](Caller(calls(*["search"] * 3), pause=0.001), [tool_of(mode, journal)])
    fast = wrap(graph, streams=streams("search"))
    result = run(fast, GIVEN, mode, {"max_concurrency": 1})
    assert told(result)[-1][1] == "done"
    assert journal.calls() == {"s0": 1, "s1": 1, "s2": 1}


# -- a tool node of one's own --------------------------------------------------


@both
@pytest.mark.parametrize("names", [["search"], []])
def test_somebodys_own_node_for_tools(names: list[str], mode: Mode) -> None:
    """Of its tools nothing is known but their names."""
    journal = Journal()
    watch = Watch(journal)
    model = Caller(calls("search", "search"), until={6: watch})

    def ask(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def aask(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def router(state: MessagesState) -> list[Send]:
        last: Any = state["messages"][-1]
        return [Send("tools", [call]) for call in last.tool_calls]

    def tools(packet: Any) -> Any:
        text = packet[0]["args"]["text"]
        journal.begin(text)
        return {"messages": [ToolMessage(text, tool_call_id=packet[0]["id"], id=text)]}

    async def atools(packet: Any) -> Any:
        return tools(packet)

    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", ask if mode == "sync" else aask)
    graph.add_node("tools", tools if mode == "sync" else atools)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", router, ["tools"])
    fast = wrap(graph, streams={"ask": Stream("messages", tools=names)})
    result = run(fast, GIVEN, mode)
    assert told(result)[2:] == [("ToolMessage", f"s{at}", None, f"call-0-{at}") for at in range(2)]
    assert journal.calls() == {"s0": 1, "s1": 1}
    assert watch.seen[0] is bool(names)


async def test_the_caller_is_cancelled() -> None:
    journal = Journal()
    ended: list[str] = []

    async def slow(text: str) -> str:
        journal.begin(text)
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.append(text)
        return text

    search = StructuredTool.from_function(coroutine=slow, name="search", description="Looks up.")
    model = Caller(calls("search"), until={3: lambda: False})
    fast = wrap(create_agent(model, [search]), streams=streams("search"))
    task = asyncio.create_task(fast.ainvoke(GIVEN))
    while not journal.entries and not task.done():  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["s0"]
