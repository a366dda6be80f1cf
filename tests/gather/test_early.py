"""In a wrapped graph a parent's call begins when its own fan-out is complete."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from typing import Any

import pytest
from langgraph.config import get_stream_writer

from langgraph_alto import Arriving, Gathered, wrap
from langgraph_alto.engine.early import EarlyCalls
from tests.gather.graphs import Mode, await_, documents, documents_graph, run, wait_for

both = pytest.mark.parametrize("mode", ["sync", "async"])


class Journal(list[str]):
    """What has happened, and nodes that wait for it."""

    def graph(self, mode: Mode, waits: dict[str, str], **declared: Any) -> Any:
        """A graph whose checks, or calls, wait for entries of the journal."""

        def check(packet: dict[str, Any]) -> dict[str, Any]:
            sentence = packet["sentence"]
            if sentence in waits:
                wait_for(lambda: waits[sentence] in self, waits[sentence])
            self.append(f"checked {sentence}")
            return {"verdict": sentence}

        async def acheck(packet: dict[str, Any]) -> dict[str, Any]:
            sentence = packet["sentence"]
            if sentence in waits:
                await await_(lambda: waits[sentence] in self, waits[sentence])
            self.append(f"checked {sentence}")
            return {"verdict": sentence}

        def summarise(verdicts: Gathered) -> dict[str, Any]:
            self.append(f"summarise {verdicts.parent['title']}")
            get_stream_writer()(verdicts.parent["title"])
            return {"summaries": [" ".join(verdicts)]}

        async def asummarise(verdicts: Gathered, runtime: Any) -> dict[str, Any]:
            self.append(f"summarise {verdicts.parent['title']}")
            runtime.stream_writer(verdicts.parent["title"])  # also on Python 3.10
            return {"summaries": [" ".join(verdicts)]}

        function = declared.pop("function", summarise if mode == "sync" else asummarise)
        nodes = {"check": check if mode == "sync" else acheck}
        return documents_graph(mode, function, nodes, **declared)


@both
@pytest.mark.parametrize("policy", ["proven", "speculative"])
@pytest.mark.parametrize("limit", [None, 2])
def test_a_parent_does_not_wait_for_others(mode: Mode, policy: Any, limit: int | None) -> None:
    journal = Journal()
    graph = wrap(journal.graph(mode, {"slow": "summarise d0"}), policy=policy)
    config = {} if limit is None else {"max_concurrency": limit}
    found = run(graph, documents("a b", "slow", "c"), mode, config)
    assert found["summaries"] == ["a b", "slow", "c"]
    calls = [entry for entry in journal if entry.startswith("summarise")]
    assert sorted(calls) == ["summarise d0", "summarise d1", "summarise d2"]
    assert journal.index("summarise d0") < journal.index("checked slow")


@both
def test_what_it_emits_is_held_until_its_superstep(mode: Mode) -> None:
    journal = Journal()
    graph = journal.graph(mode, {"slow": "summarise d0"})
    events: list[Any] = []

    async def astream() -> None:
        async for event in wrap(graph).astream(
            documents("a", "slow"), stream_mode=["updates", "custom"]
        ):
            events.append(event)

    if mode == "async":
        asyncio.run(astream())
    else:
        events += wrap(graph).stream(documents("a", "slow"), stream_mode=["updates", "custom"])
    names = [next(iter(event)) if mode == "updates" else event for mode, event in events]
    steps = ["split", "sentences", "sentences", "check", "check", "d0", "d1", "summarise", "answer"]
    assert names == steps


@both
def test_the_call_knows_its_true_superstep(mode: Mode) -> None:
    seen: list[tuple[int, str, str]] = []
    journal = Journal()

    def note(verdicts: Gathered, config: Any) -> None:
        metadata = config["metadata"]
        journal.append(f"summarise {verdicts.parent['title']}")
        seen.append(
            (
                metadata["langgraph_step"],
                metadata["langgraph_node"],
                metadata["langgraph_checkpoint_ns"].split(":")[0],
            )
        )

    async def anote(verdicts: Gathered, config: Any) -> None:
        note(verdicts, config)

    graph = journal.graph(
        mode, {"slow": "summarise d0"}, function=note if mode == "sync" else anote
    )
    run(wrap(graph), documents("a", "slow"), mode)
    assert seen == [(4, "summarise", "summarise")] * 2


@both
def test_the_first_so_many_are_enough(mode: Mode) -> None:
    journal = Journal()
    graph = journal.graph(mode, {"slow": "summarise d0"}, first=2)
    found = run(wrap(graph), documents("a b slow d", "e"), mode)
    assert found["summaries"] == ["a b", "e"]
    assert journal.index("summarise d0") < journal.index("checked slow")
    journal.append("summarise d0")
    again = run(graph.compile(), documents("a b slow d", "e"), mode)
    assert again["summaries"] == ["a b", "e"]


@both
@pytest.mark.parametrize("limit", [None, 1, 2])
def test_results_as_they_come_are_in_order(mode: Mode, limit: int | None) -> None:
    # With one slot, a check that waits would wait for ever: none does then.
    waits = {} if limit == 1 else {"a": "checked b", "c": "got a"}
    journal = Journal()

    def follow(verdicts: Arriving) -> dict[str, Any]:
        found = []
        for verdict in verdicts:
            journal.append(f"got {verdict}")
            found.append(verdict)
        return {"summaries": ["".join(found)]}

    async def afollow(verdicts: Arriving) -> dict[str, Any]:
        found = []
        async for verdict in verdicts:
            journal.append(f"got {verdict}")
            found.append(verdict)
        return {"summaries": ["".join(found)]}

    function = follow if mode == "sync" else afollow
    graph = journal.graph(mode, waits, function=function, as_completed=True)
    config = {} if limit is None else {"max_concurrency": limit}
    found = run(wrap(graph), documents("a b c d", "", "e"), mode, config)
    assert found["summaries"] == ["abcd", "", "e"]
    got = [entry for entry in journal if entry.startswith("got") and "e" not in entry[4:]]
    assert got == ["got a", "got b", "got c", "got d"]
    journal.extend(["checked b", "got a"])
    assert run(graph.compile(), documents("a b c d", "", "e"), mode)["summaries"] == [
        "abcd",
        "",
        "e",
    ]


@both
def test_a_failing_check_ends_all_calls(mode: Mode) -> None:
    journal = Journal()
    began = "summarise d0"

    async def afollow(verdicts: Arriving) -> None:
        journal.append(began)
        try:
            async for _ in verdicts:
                pass
        except BaseException as error:
            journal.append(f"left by {type(error).__name__}")
            raise

    def follow(verdicts: Arriving) -> None:
        journal.append(began)
        try:
            for _ in verdicts:
                pass
        except BaseException as error:
            journal.append(f"left by {type(error).__name__}")
            raise

    async def acheck(packet: dict[str, Any]) -> dict[str, Any]:
        if packet["sentence"] == "bad":
            await await_(lambda: began in journal, began)
            raise ValueError("no")
        return {"verdict": packet["sentence"]}

    def check(packet: dict[str, Any]) -> dict[str, Any]:
        if packet["sentence"] == "bad":
            wait_for(lambda: began in journal, began)
            raise ValueError("no")
        return {"verdict": packet["sentence"]}

    graph = documents_graph(
        mode,
        follow if mode == "sync" else afollow,
        {"check": check if mode == "sync" else acheck},
        as_completed=True,
    )
    with pytest.raises(ValueError, match="no"):
        run(wrap(graph), documents("a bad"), mode)
    assert len(journal) == 2
    assert journal[1].startswith("left by")


@both
def test_an_error_waits_for_its_superstep(mode: Mode) -> None:
    journal = Journal()

    def fails(verdicts: Gathered) -> None:
        journal.append(f"summarise {verdicts.parent['title']}")
        raise KeyError(verdicts.parent["title"])

    async def afails(verdicts: Gathered) -> None:
        fails(verdicts)

    graph = journal.graph(
        mode, {"slow": "summarise d0"}, function=fails if mode == "sync" else afails
    )
    with pytest.raises(KeyError, match="d0") as caught:
        run(wrap(graph), documents("a", "slow"), mode)
    assert "checked slow" in journal
    assert len(getattr(caught.value, "__notes__", [""])) == 1


@both
def test_nothing_of_the_ledger_outlives_the_run(mode: Mode, monkeypatch: Any) -> None:
    alive: weakref.WeakSet[EarlyCalls] = weakref.WeakSet()
    original = EarlyCalls.__init__

    def noted(self: EarlyCalls, *args: Any) -> None:
        original(self, *args)
        alive.add(self)

    forgotten: list[int] = []
    forget = EarlyCalls._forget

    def checked(self: EarlyCalls, root: Any) -> None:
        forget(self, root)
        forgotten.append(len(self.books) + len(self.calls) + len(self.following))

    monkeypatch.setattr(EarlyCalls, "__init__", noted)
    monkeypatch.setattr(EarlyCalls, "_forget", checked)
    journal = Journal()
    run(wrap(journal.graph(mode, {})), documents("a b", "c"), mode)
    assert forgotten
    assert not any(forgotten)
    gc.collect()
    assert not alive


@both
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("slow", [False, True])
def test_one_bound_covers_calls_and_tasks(mode: Mode, limit: int, slow: bool) -> None:
    running, peak = 0, 0
    lock = threading.Lock()

    def count(change: int) -> None:
        nonlocal running, peak
        with lock:
            running += change
            peak = max(peak, running)

    def body(result: Any) -> Any:
        def node(packet: Any) -> Any:
            count(1)
            time.sleep(0.003)
            count(-1)
            return result

        async def anode(packet: Any) -> Any:
            count(1)
            await asyncio.sleep(0.003)
            count(-1)
            return result

        return node if mode == "sync" else anode

    nodes = {"check": body({"verdict": "x"})}
    builder = documents_graph(mode, body({"summaries": ["y"]}), nodes)
    # Beside the gather, so that its calls do not have the bound for themselves.
    for name in ("beside", "too") if slow else ():
        builder.add_node(name, body({"checked": [name]}))
        builder.add_edge("check", name)
    found = run(
        wrap(builder), documents("a b", "c", "d e f", "g"), mode, {"max_concurrency": limit}
    )
    assert found["summaries"] == ["y"] * 4
    assert peak <= limit
