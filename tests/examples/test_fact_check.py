"""The fact checker: the same answers plain and wrapped, and an honest report."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from typer.testing import CliRunner

from examples.fact_check.__main__ import QUESTION, app
from examples.fact_check.bound import critical_path, dependency_bound, needs
from examples.fact_check.corpus import load_passages
from examples.fact_check.graph import Context, Judgment, State, build_graph, join
from examples.fact_check.prompts import REPHRASE
from examples.fact_check.recorder import Span, TaskKey, TaskRecorder, task_key
from examples.fact_check.retrieval import PassageRetriever
from examples.fact_check.runner import Run, difference, run_once
from examples.fact_check.served_llm import ModelServerError, served_model
from examples.fact_check.skills import simulated_model
from examples.fact_check.timeline import draw
from langgraph_alto import wrap

QUESTIONS = [
    QUESTION,
    'What does the "with" statement do with an exception raised in its suite?',
    "How are function arguments and default parameter values evaluated?",
    "How does class creation with a metaclass work?",
]


@pytest.fixture(scope="module")
def retriever() -> PassageRetriever:
    return PassageRetriever(load_passages())


def context(retriever: PassageRetriever, *, seed: int = 0, speed: float = 40) -> Context:
    return Context(llm=simulated_model(seed=seed, speed=speed), retriever=retriever)


@pytest.mark.parametrize(("seed", "question"), list(enumerate(QUESTIONS)))
async def test_wrapped_and_plain_end_in_the_same_state_with_the_same_work(
    retriever: PassageRetriever, seed: int, question: str
) -> None:
    plain = build_graph().compile()
    runs = [
        await run_once(engine, graph, question, context(retriever, seed=seed))
        for engine, graph in [("LangGraph", plain), ("Alto", wrap(plain))]
    ]
    assert difference(runs) is None
    assert runs[0].spans.keys() == runs[1].spans.keys()
    assert runs[0].node_runs == runs[1].node_runs == len(runs[0].spans)
    assert runs[0].state["answer"]
    assert [f["claim"] for f in runs[0].state["findings"]] == runs[0].state["claims"]


async def test_one_task_at_a_time_gives_the_same_answer(retriever: PassageRetriever) -> None:
    plain = build_graph().compile()
    free = await run_once("free", plain, QUESTION, context(retriever))
    for engine, graph in [("LangGraph", plain), ("Alto", wrap(plain))]:
        bounded = await run_once(engine, graph, QUESTION, context(retriever), concurrency=1)
        assert difference([free, bounded]) is None
        spans = sorted(bounded.spans.values(), key=lambda span: span.start)
        busy = [s for s in spans if s.seconds > 0.002]
        assert all(a.end <= b.start + 0.002 for a, b in itertools.pairwise(busy))


async def test_the_draft_goes_wrong_once_and_the_check_finds_it(
    retriever: PassageRetriever,
) -> None:
    run = await run_once("LangGraph", build_graph().compile(), QUESTION, context(retriever))
    verdicts = [f["verdict"] for f in run.state["findings"]]
    assert "SUPPORTED" in verdicts
    assert "REFUTED" in verdicts
    assert {"yield", "types"} & {d.metadata["topic"] for d in run.state["passages"]}


async def test_findings_are_in_the_drafts_order_and_the_first_support_wins() -> None:
    def said(claim: int, verdict: Any, reason: str) -> Judgment:
        return Judgment(claim=claim, query="q", attempt=1, verdict=verdict, reason=reason)

    state: State = {
        "claims": [{"number": 1, "text": "A."}, {"number": 2, "text": "B."}],
        "judgments": [
            said(2, "UNCLEAR", "a"),
            said(1, "REFUTED", "b"),
            said(2, "REFUTED", "c"),
            said(1, "SUPPORTED", "d"),
            said(1, "SUPPORTED", "e"),
        ],
    }
    findings = (await join(state))["findings"]
    assert [(f["claim"]["number"], f["verdict"], f["reason"]) for f in findings] == [
        (1, "SUPPORTED", "d"),
        (2, "REFUTED", "c"),
    ]


class _Writes(InMemorySaver):
    """Notes which task wrote what."""

    def __init__(self) -> None:
        super().__init__()
        self.by_task: dict[str, list[tuple[str, Any]]] = {}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self.by_task.setdefault(task_id, []).extend(writes)
        await super().aput_writes(config, writes, task_id, task_path)


async def test_the_dependencies_written_down_are_those_of_the_graph(
    retriever: PassageRetriever,
) -> None:
    saver = _Writes()
    graph = build_graph().compile(checkpointer=saver)
    config = RunnableConfig(configurable={"thread_id": "1"})
    keys: dict[str, tuple[int, TaskKey]] = {}
    async for event in graph.astream(
        {"question": QUESTION}, config, context=context(retriever), stream_mode="debug"
    ):
        if event["type"] == "task":
            payload = event["payload"]
            keys[payload["id"]] = event["step"], task_key(payload["name"], payload["input"])
    tasks = {key for _, key in keys.values()}
    assert len(tasks) == len(keys)
    started: set[tuple[TaskKey, TaskKey]] = set()
    for id, (step, key) in keys.items():
        for channel, value in saver.by_task[id]:
            if channel == "__pregel_tasks":
                started.add((key, task_key(value.node, value.arg)))
            elif channel.startswith("branch:to:"):
                node = channel.removeprefix("branch:to:")
                started |= {(key, t) for s, t in keys.values() if (s, t.node) == (step + 1, node)}
    written = {(needed, task) for task in tasks for needed in needs(task, tasks)}
    assert started <= written
    # What is left does not start the task, but writes what it reads.
    assert {(needed.node, task.node) for needed, task in written - started} == {
        ("define_terms", "answer"),
        ("judge", "join"),
    }
    assert any(task.node == "rephrase" for task in tasks)


def test_the_bound_is_the_longest_chain_of_needs() -> None:
    """
    find 1 ─┬─ draft 2 ── split 1 ── plan 1 ── search 1 ── read 1 ── judge 3 ── join 0 ─┬─ answer 1
            └─ define_terms 9 ──────────────────────────────────────────────────────────┘
    """
    seconds = {
        TaskKey("find"): 1,
        TaskKey("draft"): 2,
        TaskKey("define_terms"): 9,
        TaskKey("split"): 1,
        TaskKey("plan", 1): 1,
        TaskKey("search", 1, 1, 1): 1,
        TaskKey("read", 1, 1, 1): 1,
        TaskKey("judge", 1, 1, 1): 3,
        TaskKey("join", attempt=1): 0,
        TaskKey("answer"): 1,
    }
    spans = {task: Span(0.0, float(length)) for task, length in seconds.items()}
    assert dependency_bound(spans) == 11
    assert [task.node for task in critical_path(spans)] == ["find", "define_terms", "answer"]
    spans[TaskKey("judge", 1, 1, 1)] = Span(0.0, 4.0)
    assert dependency_bound(spans) == 12
    assert len(critical_path(spans)) == 9


def test_the_timeline_shows_waits_for_others_as_dots_and_for_data_as_blanks() -> None:
    spans = {
        TaskKey("find"): Span(0.0, 1.0),
        TaskKey("draft"): Span(1.0, 3.0),
        TaskKey("define_terms"): Span(1.0, 5.0),
        TaskKey("split"): Span(5.0, 7.0),
        TaskKey("plan", 1): Span(7.0, 8.0),
        TaskKey("search", 1, 1, 1): Span(8.0, 8.5),
        TaskKey("read", 1, 1, 1): Span(9.0, 9.5),
        TaskKey("judge", 1, 1, 1): Span(9.5, 9.5),
        TaskKey("join", attempt=1): Span(9.5, 10.0),
    }
    lines = draw(spans, seconds=10, width=31).plain.splitlines()
    assert lines == [
        "question   fidraf····spli     j",
        "terms        define_t",
        "claim 1.1                pls·rj",
        "           0 s       5 s",
    ]


def test_a_difference_names_the_key_and_both_engines() -> None:
    one = Run("LangGraph", 1.0, {"answer": "a", "terms": "t"}, {}, 1)
    two = Run("Alto", 1.0, {"answer": "b", "terms": "t"}, {}, 1)
    assert difference([one, one]) is None
    told = difference([one, two])
    assert told is not None
    assert "'answer' differs between LangGraph and Alto" in told


def test_the_recorder_passes_over_what_is_no_node() -> None:
    recorder = TaskRecorder()
    assert recorder.spans == {}
    assert recorder.node_runs == 0


class _StandIn(BaseHTTPRequestHandler):
    """Speaks the OpenAI protocol as far as the fact checker needs it."""

    models: Sequence[str] = ("small",)
    suffix = ""

    def do_GET(self) -> None:
        self._reply({"data": [{"id": name} for name in self.models]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system, user = (m["content"] for m in asked["messages"])
        said = simulated_model(speed=100).invoke([SystemMessage(system), HumanMessage(user)])
        message = {"role": "assistant", "content": said.text + self.suffix}
        self._reply(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
        )

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _reply(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def stand_in() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _StandIn)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_any_openai_compatible_server_can_answer(
    stand_in: str, retriever: PassageRetriever
) -> None:
    served = Context(llm=served_model(stand_in, None, seed=0, api_key="none"), retriever=retriever)
    plain = build_graph().compile()
    ours = await run_once("Alto", wrap(plain), QUESTION, served)
    simulated = await run_once("LangGraph", plain, QUESTION, context(retriever))
    assert difference([simulated, ours]) is None


def test_a_server_that_does_not_repeat_itself_is_kept_to_its_first_answer(
    stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = served_model(stand_in, "small", seed=0, api_key="none")
    prompt = REPHRASE.format_messages(claim="A name is bound.", query="name")
    first = model.invoke(prompt).text
    assert model.invoke(prompt).text == first
    assert (model.asked_again, model.answered_differently) == (1, 0)
    monkeypatch.setattr(_StandIn, "suffix", " or so")
    assert model.invoke(prompt).text == first
    assert (model.asked_again, model.answered_differently) == (2, 1)


def test_a_model_the_server_does_not_have_is_an_error_that_lists_what_it_has(
    stand_in: str,
) -> None:
    with pytest.raises(ModelServerError, match="does not serve 'large', but: small"):
        served_model(stand_in, "large", seed=0, api_key="none")


def test_the_command_prints_equal_answers_times_bound_and_timelines() -> None:
    result = CliRunner().invoke(app, ["--runs", "1", "--speed", "20"])
    assert result.exit_code == 0, result.output
    for part in (
        "Answer on LangGraph",
        "Answer on Alto",
        "dependency bound",
        "Equal:",
        "claim 1.1",
    ):
        assert part in result.output
    assert max(map(len, result.output.splitlines())) <= 160


def test_the_command_fails_when_the_answers_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.fact_check.__main__.difference", lambda runs: "'answer' differs")
    result = CliRunner().invoke(app, ["--runs", "1", "--speed", "50"])
    assert result.exit_code == 1
    assert "'answer' differs" in result.output


def test_help_names_the_options() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for option in ("--question", "--llm", "--model", "--runs", "--seed", "--concurrency"):
        assert option in result.output


def test_an_address_without_a_server_is_an_error_that_says_what_to_do() -> None:
    result = CliRunner().invoke(app, ["--llm", "http://127.0.0.1:9/v1"])
    assert result.exit_code == 2
    assert "No OpenAI-compatible server answers at http://127.0.0.1:9/v1" in result.output
    assert "without --llm the simulated model answers" in result.output
