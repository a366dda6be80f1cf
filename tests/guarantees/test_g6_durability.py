"""G6, durability as in LangGraph.

A superstep is persisted when it commits. Kill the process anywhere: resume gives
the same final state.

The process that is killed is this module, run as a program.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from tests.guarantees.support import (
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

ROOT = Path(__file__).parents[2]
NAMES = ["quick", "slow", "early", "late", "after", "end"]
EDGES: list[tuple[Any, str]] = [
    ("", "quick"),
    ("", "slow"),
    ("quick", "early"),
    ("slow", "late"),
    ("early", "after"),
    (["after", "late"], "end"),
]
FINAL = ["quick", "slow", "early", "late", "after", "end"]


def program(journal: Journal, dies: str = "", seconds: float = 0.1) -> Any:
    """The graph of these tests; the process dies in the node ``dies``.

    START -> quick -> early -> after -> end
    START -> slow  -> late           -> end
    """

    def dying(name: str) -> Any:
        async def body(state: State) -> dict[str, Any]:
            # Let savers that work in the background come to rest.
            await asyncio.sleep(0.15)
            os._exit(9)

        return body

    nodes = {
        name: dying(name)
        if name == dies
        else node("async", name, journal, seconds=seconds if name == "slow" else 0)
        for name in NAMES
    }
    return graph_of(nodes, EDGES)


async def start(file: str, dies: str, how: str, durability: Any) -> None:
    async with AsyncSqliteSaver.from_conn_string(file) as saver:
        compiled = program(Journal(), dies, seconds=0.5).compile(checkpointer=saver)
        graph = wrapped(compiled) if how == "wrapped" else compiled
        await graph.ainvoke({"log": []}, thread(), durability=durability)


def killed(file: Path, dies: str, how: str, durability: str) -> None:
    """Run the graph in a process that dies in the node ``dies``."""
    file.parent.mkdir(exist_ok=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.guarantees.test_g6_durability",
            str(file),
            dies,
            how,
            durability,
        ],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr.decode()


async def resumed(file: Path, how: str, journal: Journal) -> tuple[list[str], list[Any]]:
    """Resume; the final log, and the history."""
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        compiled = program(journal, seconds=0.01).compile(checkpointer=saver)
        graph = wrapped(compiled) if how == "wrapped" else compiled
        before = await graph.aget_state(thread())
        given: Any = None if before.values or before.next else {"log": []}
        # Not in the background: a waiting edge's channel shares what it has seen with
        # its checkpoint, and LangGraph's own history may then show it too early.
        result = await graph.ainvoke(given, thread(), durability="sync")
        history = [
            (s.values, s.next, s.metadata["step"], s.metadata["source"])
            async for s in graph.aget_state_history(thread())
        ]
        return result["log"], history


@pytest.mark.parametrize("dies", NAMES)
async def test_kill_the_process_anywhere(dies: str, tmp_path: Path) -> None:
    """Kill the process anywhere: resume gives the same final state, wrapped or plain."""
    histories = []
    await asyncio.to_thread(killed, tmp_path / "wrapped" / "db", dies, "wrapped", "sync")
    # With the files beside it, in which SQLite keeps what it has not moved yet.
    await asyncio.to_thread(shutil.copytree, tmp_path / "wrapped", tmp_path / "plain")
    for how in ("wrapped", "plain"):
        log, history = await resumed(tmp_path / how / "db", how, Journal())
        assert log == FINAL
        histories.append(history)
    assert histories[0] == histories[1]
    uninterrupted = await resumed(tmp_path / "whole", "plain", Journal())
    assert histories[0] == uninterrupted[1]


@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_kill_under_weaker_durability(durability: str, tmp_path: Path) -> None:
    """With less durability less may be there; the final state is the same."""
    await asyncio.to_thread(killed, tmp_path / "db", "after", "wrapped", durability)
    log, _ = await resumed(tmp_path / "db", "wrapped", Journal())
    assert log == FINAL


async def test_a_task_run_ahead_is_not_persisted_before_its_superstep(tmp_path: Path) -> None:
    """What ran ahead when the process died runs again; what had committed does not."""
    # `after` dies while `slow` still runs, in the first superstep: it ran ahead.
    await asyncio.to_thread(killed, tmp_path / "db", "after", "wrapped", "sync")
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "db")) as saver:
        state = await program(Journal()).compile(checkpointer=saver).aget_state(thread())
    assert set(state.next) == {"quick", "slow"} or state.next == ("slow",)
    journal = Journal()
    log, _ = await resumed(tmp_path / "db", "plain", journal)
    assert log == FINAL
    # quick's writes were saved as it ended, as in LangGraph.
    assert journal.calls() == dict.fromkeys(["slow", "early", "late", "after", "end"], 1)


@both
def test_a_superstep_is_persisted_when_it_commits(mode: Mode) -> None:
    """While a superstep runs, the saver holds the one before, whatever runs ahead."""
    journal = Journal()
    saver = InMemorySaver()
    seen: list[tuple[Any, list[str]]] = []

    def look(state: State) -> dict[str, Any]:
        tuples = list(saver.list(thread()))
        checkpoint = tuples[0].checkpoint["channel_values"]
        writes = [w for _, channel, w in tuples[0].pending_writes or [] if channel == "log"]
        seen.append((list(checkpoint.get("log", [])), sorted(w[0] for w in writes)))
        return {"log": ["looks"]}

    graph = graph_of(
        {
            "quick": node(mode, "quick", journal),
            "slow": node(mode, "slow", journal, until="end early"),
            "early": node(mode, "early", journal),
            "looks": look,
        },
        [("", "quick"), ("", "slow"), ("quick", "early"), ("slow", "looks")],
    )
    fast = wrapped(graph.compile(checkpointer=saver), ordered=["looks"])
    run(fast, {"log": []}, mode, thread(), durability="sync")
    [(values, writes)] = seen
    assert values == ["quick", "slow"]
    # `early` is done; in its own superstep its writes may be saved, as LangGraph would.
    assert set(writes) <= {"early"}


@both
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_every_durability_gives_langgraphs_history(durability: Any, mode: Mode) -> None:
    """What is persisted under each durability mode is what LangGraph persists."""

    def history(make: Any) -> list[Any]:
        saver = InMemorySaver()
        journal = Journal()
        nodes = {
            name: node(mode, name, journal, seconds=0.02 if name == "slow" else 0) for name in NAMES
        }
        graph = make(graph_of(nodes, EDGES).compile(checkpointer=saver))
        run(graph, {"log": []}, mode, thread(), durability=durability)
        return [
            (
                found.checkpoint["channel_values"].get("log"),
                found.metadata,
                sorted((channel, repr(value)) for _, channel, value in found.pending_writes or []),
            )
            for found in saver.list(thread())
        ]

    expected = history(lambda compiled: compiled)
    assert len(expected) == (1 if durability == "exit" else 6)
    assert history(wrapped) == expected


@both
def test_checkpoint_ids_grow(mode: Mode) -> None:
    """Savers order checkpoints by id: those foretold for run-ahead keep the order."""
    saver = InMemorySaver()
    graph = wrapped(_quick_graph(mode).compile(checkpointer=saver))
    for _ in range(3):
        run(graph, {"log": []}, mode, thread(), durability="sync")
    found = list(saver.list(thread()))
    ids = [item.checkpoint["id"] for item in found]
    assert len(ids) == len(set(ids)) == 18
    assert ids == sorted(ids, reverse=True)
    steps = [item.metadata["step"] for item in found]
    assert steps == sorted(steps, reverse=True)
    parents = [(item.parent_config or {}).get("configurable", {}) for item in found]
    assert [p.get("checkpoint_id") for p in parents] == [*ids[1:], None]


def _quick_graph(mode: Mode) -> Any:
    journal = Journal()
    nodes = {
        name: node(mode, name, journal, seconds=0.01 if name == "slow" else 0) for name in NAMES
    }
    return graph_of(nodes, EDGES)


def test_plain_takes_over_a_thread_that_wrapped_began(tmp_path: Path) -> None:
    """Threads move between plain and wrapped graphs in either direction."""
    for order in (("plain", "wrapped", "plain"), ("wrapped", "plain", "wrapped")):
        with SqliteSaver.from_conn_string(str(tmp_path / "-".join(order))) as saver:
            compiled = _quick_graph("sync").compile(checkpointer=saver)
            for turn, how in enumerate(order, start=1):
                graph = wrapped(compiled) if how == "wrapped" else compiled
                result = run(graph, {"log": []}, "sync", thread())
                assert result["log"] == FINAL * turn


@both
def test_a_failed_superstep_is_resumed(mode: Mode) -> None:
    """After a failure, what had ended in that superstep does not run again; what ran ahead does."""

    def outcome(make: Any) -> tuple[Any, Any]:
        journal = Journal()
        broken = [True]
        plain = node(mode, "slow", journal, seconds=0.05)

        def fails(state: State) -> Any:
            result = plain(state)
            if broken:
                broken.clear()
                raise ValueError("no")
            return result

        async def afails(state: State) -> Any:
            result = await plain(state)
            if broken:
                broken.clear()
                raise ValueError("no")
            return result

        nodes = {name: node(mode, name, journal) for name in NAMES}
        nodes["slow"] = fails if mode == "sync" else afails
        graph = make(graph_of(nodes, EDGES).compile(checkpointer=InMemorySaver()))
        with pytest.raises(ValueError, match="no"):
            run(graph, {"log": []}, mode, thread())
        journal.clear()
        return run(graph, None, mode, thread()), journal.calls()

    assert outcome(wrapped) == outcome(lambda compiled: compiled)
    assert outcome(wrapped)[1] == dict.fromkeys(["slow", "early", "late", "after", "end"], 1)


if __name__ == "__main__":
    asyncio.run(start(*sys.argv[1:]))
