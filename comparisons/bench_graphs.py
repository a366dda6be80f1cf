"""The graphs of LangGraph's own bench, from the sdist of the installed version.

The sdist is fetched from the package index once and only its `bench` folder is
kept, in `.cache/langgraph-bench/VERSION`; unpacked whole, its `langgraph` would
hide the installed one. The list of graphs with their inputs is read out of the
bench's own entry point, so that what is measured here is what LangGraph's
maintainers measure.
"""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.pregel import Pregel

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "langgraph-bench"
_RUNNERS = {"pyperf", "uvloop"}
"""What the bench's entry point imports to time its graphs, not to build them."""


@dataclass(frozen=True, slots=True)
class BenchGraph:
    """One entry of LangGraph's bench.

    Args:
        name: Its name there.
        for_async: The graph that the bench runs with `astream`.
        for_sync: The graph that it runs with `stream`.
        given: The input of both.
    """

    name: str
    for_async: Pregel[Any, Any, Any, Any]
    for_sync: Pregel[Any, Any, Any, Any]
    given: Any

    @property
    def family(self) -> str:
        """The name without sizes and saver: `react_agent`, `wide_state`, ..."""
        return "_".join(part for part in self.name.split("_") if not part[0].isdigit())


def bench_graphs() -> list[BenchGraph]:
    """Build the graphs of the bench of the installed LangGraph.

    Returns:
        The graphs in the bench's order.

    Raises:
        RuntimeError: If the sdist cannot be fetched, or its bench has no list of
            graphs where it is looked for.
    """
    root = fetch(importlib.metadata.version("langgraph"))
    sys.path.insert(0, str(root))
    try:
        return [BenchGraph(*entry) for entry in _entries(root / "bench" / "__main__.py")]
    finally:
        sys.path.remove(str(root))


def fetch(version: str, cache: Path = CACHE) -> Path:
    """Fetch the bench of one LangGraph version unless it is in the cache.

    Args:
        version: A version of LangGraph on the package index.
        cache: Where to keep it.

    Returns:
        The folder that holds the package `bench`.

    Raises:
        RuntimeError: If the sdist cannot be fetched or has no bench.
    """
    root = cache / version
    if (root / "bench" / "__main__.py").exists():
        return root
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        download += ["--no-binary", ":all:", "--no-build-isolation", "--dest", folder]
        done = subprocess.run(
            [*download, f"langgraph=={version}"], capture_output=True, text=True, check=False
        )
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            raise RuntimeError(
                f"could not fetch the sdist of langgraph {version} (it needs pip, hatchling "
                f"and a package index):\n{done.stderr.strip()}"
            )
        _unpack(archives[0], root)
    return root


def _unpack(archive: Path, root: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            path = Path(member.name)
            if member.isfile() and path.parts[1:2] == ("bench",) and path.suffix == ".py":
                source = tar.extractfile(member)
                assert source is not None, "a regular file has content"
                target = root / "bench" / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read())
    if not (root / "bench" / "__main__.py").exists():
        raise RuntimeError(f"{archive.name} has no bench/__main__.py")


def _entries(main: Path) -> list[tuple[Any, ...]]:
    """Evaluate the `benchmarks` of the entry point, and nothing that runs them."""
    tree = ast.parse(main.read_text(encoding="utf-8"), str(main))
    tree.body = [node for node in tree.body if _builds(node)]
    names: dict[str, Any] = {}
    exec(compile(tree, str(main), "exec"), names)
    try:
        return list(names["benchmarks"])
    except KeyError:
        raise RuntimeError(f"{main.parent.parent.name}: no `benchmarks` in {main.name}") from None


def _builds(node: ast.stmt) -> bool:
    match node:
        case ast.Import():
            return True
        case ast.ImportFrom(module=str(module)):
            return module.partition(".")[0] not in _RUNNERS
        case ast.Assign(targets=[ast.Name(id="benchmarks")]):
            return True
    return False
