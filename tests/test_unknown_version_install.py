"""On a LangGraph it does not know, the package falls back to LangGraph's own schedule.

Each test is a program in a process of its own, in which another version of
LangGraph seems to be installed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
