"""Pytest plugin for LangGraph's own test suites: wrap every graph, note every outcome.

`run.py` starts pytest with ``-p alto_conformance`` in a copy of the suite. The
module stands alone and is found through ``PYTHONPATH``, because the suite has
a package called ``tests`` of its own.

Environment:
    ALTO_POLICY: Policy to install; empty for plain LangGraph.
    ALTO_OUTCOMES: File to write the outcomes to, as JSON.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    _hide_langchain()
    policy = os.environ.get("ALTO_POLICY")
    if policy:
        _install(policy)
    if not hasattr(config, "workerinput"):  # only xdist's controller sees all reports
        config.pluginmanager.register(Recorder(Path(os.environ["ALTO_OUTCOMES"])))


def _hide_langchain() -> None:
    """Run as LangGraph's developers do, without the langchain distribution.

    langchain-core notes the version of langchain, if it is installed, in what
    every model emits, and nine tests of streamed messages compare that exactly.
    """
    real = importlib.metadata.version

    def version(distribution_name: str) -> str:
        if distribution_name == "langchain":
            raise importlib.metadata.PackageNotFoundError(distribution_name)
        return real(distribution_name)

    importlib.metadata.version = version


def _install(policy: str) -> None:
    # Imported here: the plain run must not load the package.
    from langgraph.graph import START, MessagesState, StateGraph

    from langgraph_alto import install

    install(policy=policy)
    builder = StateGraph(MessagesState)
    builder.add_node("node", lambda state: {})
    builder.add_edge(START, "node")
    if not type(builder.compile()).__module__.startswith("langgraph_alto"):
        # Alto falls back to plain LangGraph on versions it does not know. That is
        # right for users, but here it would compare LangGraph with itself.
        raise pytest.UsageError("install() did not wrap a graph, so there is nothing to compare")


class Recorder:
    """Keeps the worst outcome of each test's set-up, call and tear-down."""

    _RANK = ("passed", "xpassed", "skipped", "xfailed", "failed")

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcomes: dict[str, str] = {}
        self._messages: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = {"passed": "xpassed", "skipped": "xfailed"}.get(outcome, outcome)
        self._note(report.nodeid, outcome, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(report.nodeid, "failed", report)

    def _note(
        self, test: str, outcome: str, report: pytest.TestReport | pytest.CollectReport
    ) -> None:
        known = self._outcomes.get(test, "passed")
        self._outcomes[test] = max(known, outcome, key=self._RANK.index)
        if outcome == "failed" and test not in self._messages:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else report.longreprtext
            self._messages[test] = next((line for line in text.splitlines() if line.strip()), "")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        report = {
            "exit": int(exitstatus),
            "outcomes": dict(sorted(self._outcomes.items())),
            "messages": self._messages,
        }
        self._file.write_text(json.dumps(report, indent=1))
