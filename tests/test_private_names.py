"""LangGraph's private names are used in one module, and ours are as documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import langgraph_alto
import langgraph_alto.testing

ROOT = Path(__file__).parents[1]
ALLOWED = ROOT / "langgraph_alto" / "_langgraph.py"
FOLDERS = ("langgraph_alto", "tests", "examples", "comparisons")

PUBLIC = [
    "AltoGraph",
    "Ancestry",
    "Arriving",
    "Batch",
    "Effects",
    "Failure",
    "Frame",
    "Gathered",
    "Span",
    "Stream",
    "Trace",
    "UnsupportedLangGraphWarning",
    "__version__",
    "ainfer",
    "ancestry",
    "batched",
    "gather",
    "infer",
    "install",
    "streaming",
    "trace",
    "uninstall",
    "wrap",
]


def modules() -> list[Path]:
    found = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file for file in found if file != ALLOWED]


def imported(tree: ast.Module) -> Iterator[str]:
    """The dotted names a module imports, wherever in it."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            yield from (f"{part.module}.{alias.name}" for alias in part.names)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name | ast.Attribute):
            name = part.func.id if isinstance(part.func, ast.Name) else part.func.attr
            if name in ("import_module", "__import__") and part.args:
                first = part.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def private(name: str) -> bool:
    """Whether a dotted name leads to something private of LangGraph's."""
    root, *parts = name.split(".")
    return root == "langgraph" and any(
        part.startswith("_") and not part.endswith("__") for part in parts
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("langgraph._internal._config.patch_configurable", True),
        ("langgraph._internal", True),
        ("langgraph.pregel._loop", True),
        ("langgraph.graph._branch.BranchSpec", True),
        ("langgraph.pregel.Pregel", False),
        ("langgraph.version.__version__", False),
        ("langgraph_alto._langgraph.rebind", False),
    ],
)
def test_what_counts_as_private(name: str, expected: bool) -> None:
    assert private(name) is expected


def test_the_scan_sees_imports_anywhere() -> None:
    source = (
        "import langgraph.pregel._loop as x\n"
        "def f():\n"
        "    from langgraph._internal import _config\n"
        "    importlib.import_module('langgraph.graph._node')\n"
    )
    assert sum(map(private, imported(ast.parse(source)))) == 3


def test_one_module_imports_private_names() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in modules()
        for name in imported(ast.parse(file.read_text("utf-8")))
        if private(name)
    }
    assert found == set()
    assert any(map(private, imported(ast.parse(ALLOWED.read_text("utf-8")))))


def test_private_names_are_imported_behind_the_check_of_the_version() -> None:
    tree = ast.parse(ALLOWED.read_text("utf-8"))
    top = ast.Module([part for part in tree.body if not isinstance(part, ast.If)], [])
    assert not any(map(private, imported(top)))


def test_public_names() -> None:
    assert sorted(langgraph_alto.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert hasattr(langgraph_alto, name)
    assert sorted(langgraph_alto.testing.__all__) == [
        "Comparison",
        "Difference",
        "DifferenceError",
        "Report",
        "acheck",
        "check",
    ]


def test_public_names_are_documented() -> None:
    for name in PUBLIC:
        if name != "__version__":
            assert getattr(langgraph_alto, name).__doc__, name


@pytest.mark.parametrize("name", ["", "testing"])
def test_the_package_only_re_exports(name: str) -> None:
    file = ROOT / "langgraph_alto" / name / "__init__.py"
    for part in ast.parse(file.read_text("utf-8")).body:
        if isinstance(part, ast.ImportFrom):
            assert part.module is not None
            assert part.module.startswith("langgraph_alto.")
        elif isinstance(part, ast.Assign):
            (target,) = part.targets
            assert isinstance(target, ast.Name)
            assert target.id in ("__all__", "__version__")
        else:
            assert isinstance(part, ast.Expr)
            assert isinstance(part.value, ast.Constant)


def test_importing_the_package_is_light() -> None:
    """Neither the testing tools nor hypothesis come along."""
    program = (
        "import sys, langgraph_alto; "
        "bad = {'hypothesis', 'pytest', 'langgraph_alto.testing', 'langgraph_alto.learned'}; "
        "bad &= set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
