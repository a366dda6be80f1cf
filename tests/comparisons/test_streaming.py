"""The comparison of streaming: its forms agree, claims overlap, its bars fail when missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from comparisons import _claims, _tools
from comparisons.measure import event_loop
from examples.simulated_llm import SimulatedChatModel, SimulatedServer

streaming = pytest.importorskip("comparisons.streaming", reason="tables need rich")


SIMULATED = _claims.simulated()


def quick() -> SimulatedChatModel:
    """The model of the claims, a hundred times as fast."""
    return SIMULATED.model_copy(update={"server": SimulatedServer(speed=100)})


def test_the_forms_of_the_claims_agree() -> None:
    with event_loop() as run:
        reports = [form() for form in streaming.claims(quick(), run).values()]
    assert len(set(reports)) == 1
    assert len(reports[0].splitlines()) == _claims.CLAIMS


def test_the_message_calls_three_tools_and_goes_on() -> None:
    chunks = list(_tools.written())
    assert len(chunks) == 120
    message = sum(chunks[1:], chunks[0])
    assert isinstance(message, AIMessageChunk)
    assert [call["args"] for call in message.tool_calls] == [
        {"place": f"town {number}"} for number in range(3)
    ]


def test_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_claims, "simulated", quick)
    monkeypatch.setattr(_tools, "TOKEN_S", 0.025)
    monkeypatch.setattr(_tools, "MESSAGE_S", 0.5)
    monkeypatch.setattr(_tools, "TOOL_S", 0.05)
    monkeypatch.setattr(streaming, "TUNED_BAR", 0.0)
    file = tmp_path / "results.json"
    asked: list[Any] = ["--runs", "1", "--json", str(file)]
    assert streaming.main(asked) == 0
    assert streaming.main([*asked, "--assert"]) == 1
    written = json.loads(file.read_text())
    assert set(written["rows"][0]["times"]) == set(streaming.FORMS)
    assert written["bars"][0]["limit"] == 0.0
