"""What early calls share with all that runs ahead: attempts, order, tokens, kills."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.errors import GraphRecursionError
from langgraph.types import RetryPolicy

from langgraph_alto import Gathered, wrap
from tests.gather.graphs import Mode, documents, documents_graph, run

both = pytest.mark.parametrize("mode", ["sync", "async"])
ROOT = Path(__file__).parents[2]


def on(builder: Any, policy: str | None, **options: Any) -> Any:
    return builder.compile() if policy is None else wrap(builder, policy=policy, **options)


@both
def test_the_gather_is_tried_again_as_a_whole(mode: Mode) -> None:
    """As in LangGraph: each attempt calls the function for every parent, until one fails."""
    counts = []
    for policy in (None, "off", "proven"):
        calls: list[str] = []

        def function(verdicts: Gathered, calls: list[str] = calls) -> dict[str, Any]:
            title = verdicts.parent["title"]
            calls.append(title)
            if title == "d2" and calls.count("d2") < 3:
                raise ConnectionError(title)
            return {"summaries": [title]}

        async def afunction(verdicts: Gathered, calls: list[str] = calls) -> dict[str, Any]:
            return function(verdicts, calls)

        retry = RetryPolicy(initial_interval=0.001, jitter=False)
        builder = documents_graph(
            mode, function if mode == "sync" else afunction, retry_policy=retry
        )
        found = run(on(builder, policy), documents("a", "b", "c"), mode)
        assert found["summaries"] == ["d0", "d1", "d2"]
        counts.append(sorted(calls))
    assert counts[0] == counts[1] == counts[2] == sorted(["d0", "d1", "d2"] * 3)


@both
@pytest.mark.parametrize("how", ["ordered", "interrupt", "limit"])
def test_where_nothing_may_run_ahead_calls_wait_for_their_turn(mode: Mode, how: str) -> None:
    done: list[str] = []

    def check(packet: dict[str, Any]) -> dict[str, Any]:
        done.append("check")
        return {"verdict": "x"}

    def function(verdicts: Gathered) -> dict[str, Any]:
        done.append("call")
        return {"summaries": ["y"]}

    builder = documents_graph(mode, function, {"check": check})
    config: dict[str, Any] = {}
    if how == "ordered":
        graph = wrap(builder, ordered={"summarise"})
    elif how == "interrupt":
        graph = wrap(builder.compile(interrupt_after=["answer"]))
    else:
        graph, config = wrap(builder), {"recursion_limit": 3}
    if how == "limit":
        with pytest.raises(GraphRecursionError):
            run(graph, documents("a", "b c", "d"), mode, config)
        assert "call" not in done
        return
    run(graph, documents("a", "b c", "d"), mode, config)
    assert done == ["check"] * 4 + ["call"] * 3


def test_a_function_that_changes_what_it_is_given_waits_for_its_turn() -> None:
    done: list[str] = []

    def check(packet: dict[str, Any]) -> dict[str, Any]:
        done.append("check")
        return {"checked": [packet["sentence"]]}

    def function(updates: Gathered) -> dict[str, Any]:
        done.append("call")
        for update in updates:
            update["checked"].append("changed")
        return {"summaries": ["y"]}

    builder = documents_graph("sync", function, {"check": check}, key=None)
    wrap(builder).invoke(documents("a", "b c", "d"))
    assert done == ["check"] * 4 + ["call"] * 3


@both
def test_tokens_carry_their_true_step_in_langgraphs_order(mode: Mode) -> None:
    def model() -> GenericFakeChatModel:
        return GenericFakeChatModel(messages=iter([AIMessage("one two")]))

    def function(verdicts: Gathered) -> dict[str, Any]:
        return {"summaries": [str(model().invoke("x").content)]}

    async def afunction(verdicts: Gathered, config: Any) -> dict[str, Any]:
        return {"summaries": [str((await model().ainvoke("x", config)).content)]}

    async def astream(graph: Any) -> list[Any]:
        return [e async for e in graph.astream(documents("a", "b"), stream_mode="messages")]

    seen = []
    for policy in (None, "off", "proven"):
        graph = on(documents_graph(mode, function if mode == "sync" else afunction), policy)
        if mode == "sync":
            events = list(graph.stream(documents("a", "b"), stream_mode="messages"))
        else:
            events = asyncio.run(astream(graph))
        keys = ("langgraph_step", "langgraph_node", "langgraph_path", "langgraph_triggers")
        found = [
            (
                chunk.content,
                [metadata[key] for key in keys],
                metadata["langgraph_checkpoint_ns"].split(":")[0],
            )
            for chunk, metadata in events
        ]
        seen.append(sorted(map(str, found)))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 6


@pytest.mark.parametrize("policy", ["plain", "proven"])
@pytest.mark.parametrize("where", ["check", "call"])
def test_a_process_that_is_killed(tmp_path: Path, policy: str, where: str) -> None:
    """Killed in a check, or in a call, it goes on in another process, to the same result."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import os, sqlite3, sys
            sys.path.insert(0, {str(ROOT)!r})
            from langgraph.checkpoint.sqlite import SqliteSaver
            from langgraph_alto import wrap
            from tests.gather.graphs import documents, documents_graph, verdict_of

            dies = sys.argv[1] == "dies"

            def check(packet):
                if dies and {where!r} == "check" and packet["sentence"] == "b":
                    os._exit(9)
                return {{"verdict": verdict_of(packet["sentence"])}}

            def summarise(verdicts):
                if dies and {where!r} == "call" and verdicts.parent["title"] == "d1":
                    os._exit(9)
                return {{"summaries": [verdicts.parent["title"] + " " + " ".join(verdicts)]}}

            saver = SqliteSaver(sqlite3.connect("saved.db", check_same_thread=False))
            graph = documents_graph("sync", summarise, {{"check": check}}).compile(saver)
            if {policy!r} != "plain":
                graph = wrap(graph)
            config = {{"configurable": {{"thread_id": "1"}}}}
            given = documents("a b", "c", "") if dies else None
            print(graph.invoke(given, config, durability="sync")["summaries"])
            """
        ),
        "utf-8",
    )

    def start(how: str) -> Any:
        command = [sys.executable, str(program), how]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert start("dies").returncode == 9
    again = start("lives")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == "['d0 A B', 'd1 C', 'd2 ']"
