"""On a LangGraph it does not know, the package falls back to LangGraph's own schedule.

Each test is a program in a process of its own, in which another version of
LangGraph seems to be installed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PRETEND = """
import importlib.metadata
real = importlib.metadata.version
importlib.metadata.version = lambda name: "{version}" if name == "langgraph" else real(name)
import warnings
"""

GRAPH = """
import asyncio, operator, time
from typing import Annotated, TypedDict
from langgraph.graph import START, StateGraph

class State(TypedDict):
    log: Annotated[list, operator.add]

begun = []

def node(name, seconds):
    def body(state: State):
        begun.append(name)
        time.sleep(seconds)
        begun.append(name + " ends")
        return {"log": [name]}
    return body

graph = StateGraph(State)
for name, seconds in (("quick", 0), ("slow", 0.2), ("early", 0)):
    graph.add_node(name, node(name, seconds))
graph.add_edge(START, "quick")
graph.add_edge(START, "slow")
graph.add_edge("quick", "early")
"""


def program(version: str, text: str) -> subprocess.CompletedProcess[str]:
    # Not by -c: the analysis of nodes needs their source.
    source = PRETEND.replace("{version}", version) + GRAPH + text
    return subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=source,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def passes(version: str, text: str) -> None:
    done = program(version, text)
    assert done.returncode == 0, done.stderr


UNKNOWN = pytest.mark.parametrize("version", ["1.1.9", "1.3.0", "2.0.0", "0.6.11"])


@UNKNOWN
def test_wrap_warns_and_runs_on_langgraphs_schedule(version: str) -> None:
    passes(
        version,
        f"""
from langgraph_alto import AltoGraph, UnsupportedLangGraphWarning, wrap
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    fast = wrap(graph)
(warning,) = seen
assert warning.category is UnsupportedLangGraphWarning
text = str(warning.message)
assert "langgraph {version} is installed" in text, text
assert "1.2" in text and "own schedule" in text, text
assert isinstance(fast, AltoGraph)
for run in (lambda: fast.invoke({{"log": []}}), lambda: asyncio.run(fast.ainvoke({{"log": []}}))):
    begun.clear()
    assert run() == {{"log": ["quick", "slow", "early"]}}
    assert begun.index("slow ends") < begun.index("early")
""",
    )


def test_a_known_version_does_not_warn_and_runs_ahead() -> None:
    """The control: the same program under a patch release that is known."""
    done = program(
        "1.2.99",
        """
from langgraph_alto import wrap
from langgraph_alto import _langgraph
assert _langgraph.unsupported is None
assert wrap(graph).invoke({"log": []}) == {"log": ["quick", "slow", "early"]}
""",
    )
    assert done.returncode == 0, done.stderr


def test_the_warning_can_be_an_error() -> None:
    done = program("1.3.0", "from langgraph_alto import wrap\nwrap(graph)\n")
    assert done.returncode == 1
    assert "UnsupportedLangGraphWarning" in done.stderr


def test_the_warning_points_at_the_caller() -> None:
    passes(
        "1.3.0",
        """
from langgraph_alto import wrap
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    wrap(graph)
assert seen[0].filename == "<stdin>", seen[0].filename
""",
    )


def test_a_known_version_without_a_name_the_engine_needs() -> None:
    """A patch release that has moved a private name is unknown, too."""
    passes(
        "1.2.99",
        """
import langgraph.pregel._loop as loop
del loop.AsyncPregelLoop
from langgraph_alto import UnsupportedLangGraphWarning, wrap
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    fast = wrap(graph)
assert [warning.category for warning in seen] == [UnsupportedLangGraphWarning]
assert "AsyncPregelLoop" in str(seen[0].message), seen[0].message
""",
    )


def test_options_are_checked_all_the_same() -> None:
    passes(
        "1.3.0",
        """
from langgraph_alto import wrap
warnings.simplefilter("ignore")
for wrong in ({"policy": "fast"}, {"ordered": "early"}):
    try:
        wrap(graph, **wrong)
    except (ValueError, TypeError):
        continue
    raise SystemExit(f"{wrong} was taken")
try:
    wrap(3)
except TypeError:
    pass
else:
    raise SystemExit("3 was taken")
""",
    )


def test_install_falls_back_too() -> None:
    """``install`` says so as well; graphs compiled after it work."""
    passes(
        "1.3.0",
        """
from langgraph_alto import UnsupportedLangGraphWarning, install, uninstall
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    install()
    compiled = graph.compile()
    uninstall()
assert UnsupportedLangGraphWarning in [warning.category for warning in seen], seen
assert compiled.invoke({"log": []}) == {"log": ["quick", "slow", "early"]}
assert begun.index("slow ends") < begun.index("early")
""",
    )
