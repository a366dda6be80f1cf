"""Reading LangGraph's bench, on a made-up sdist: nothing is fetched here."""

import importlib.metadata
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from comparisons import bench_graphs as tested

MAIN = """
import random
from pyperf._runner import Runner
from bench.small import build

benchmarks = (
    ("small_10x", build(10), build(10), {"n": random.choice([3])}),
    ("small_10x_checkpoint", build(11), build(11), {"n": 4}),
)

r = Runner()
for name, agraph, graph, input in benchmarks:
    r.bench_func(name, graph)
"""


@pytest.fixture
def sdist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Stands in for the package index; holds the commands it was asked with."""
    asked: list[list[str]] = []

    def download(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        archive = Path(command[command.index("--dest") + 1]) / "langgraph-9.9.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, text in {
                "langgraph-9.9/bench/__init__.py": "",
                "langgraph-9.9/bench/__main__.py": MAIN,
                "langgraph-9.9/bench/small.py": "def build(n):\n    return ('graph', n)\n",
                "langgraph-9.9/langgraph/__init__.py": "raise AssertionError('unpacked')",
            }.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    monkeypatch.setattr(tested, "CACHE", tmp_path)
    monkeypatch.setattr(tested.fetch, "__defaults__", (tmp_path,))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9")
    for name in ("bench", "bench.small"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return asked


def test_it_builds_the_graphs_and_runs_nothing(sdist: list[list[str]]) -> None:
    first, second = tested.bench_graphs()
    built: Any = first.for_async
    assert (first.name, built, first.given) == ("small_10x", ("graph", 10), {"n": 3})
    assert (first.family, second.family) == ("small", "small_checkpoint")
    for name in ("bench", "bench.small"):
        sys.modules.pop(name)


def test_the_sdist_is_fetched_once_and_only_its_bench_kept(
    sdist: list[list[str]], tmp_path: Path
) -> None:
    root = tested.fetch("9.9")
    assert tested.fetch("9.9") == root == tmp_path / "9.9"
    (command,) = sdist
    assert command[-1] == "langgraph==9.9"
    assert sorted(path.name for path in root.rglob("*.py")) == [
        "__init__.py",
        "__main__.py",
        "small.py",
    ]


def test_what_went_wrong_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "no such version")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match="no such version"):
        tested.fetch("9.9", tmp_path)
