"""The pages of the documentation: their code runs, and prints what they say it prints.

To write what is printed into the pages: ``python -m tests.docs.test_pages``.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.versions import needs_context

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/**/*.md"))

BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?", re.M | re.S
)


def executed(page: Path, folder: Path) -> Iterator[tuple[re.Match[str], str]]:
    """Run a page's blocks of code one after another.

    The code stands in a file, at the lines it has in the page, since what nodes
    touch is found in their source.

    Yields:
        Each block, and what it printed.
    """
    text = page.read_text("utf-8")
    blocks = list(BLOCK.finditer(text))
    lines = [""] * text.count("\n")
    for block in blocks:
        first = text.count("\n", 0, block.start("code"))
        code = block["code"].split("\n")[:-1]
        lines[first : first + len(code)] = code
    file = folder / f"{page.stem}.py"
    file.write_text("\n".join(lines), "utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        printed = io.StringIO()
        padded = "\n" * text.count("\n", 0, block.start("code")) + block["code"]
        with contextlib.redirect_stdout(printed):
            exec(compile(padded, file, "exec", dont_inherit=True), names)
        yield block, printed.getvalue()


def marked(page: Path) -> Any:
    """A page; its async nodes cannot ask LangGraph who they are before Python 3.11."""
    text = page.read_text("utf-8")
    asks = "async def" in text and re.search(r"\b(ancestry|interrupt)\(\)", text)
    return pytest.param(page, marks=needs_context if asks else (), id=page.stem)


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block, printed in executed(page, tmp_path):
        if block["text"] is not None:
            assert _flat(printed) == _flat(block["text"])


def test_links_of_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _flat(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def rewrite(page: Path, folder: Path) -> None:
    """Put what a page's code prints into the page."""
    text = page.read_text("utf-8")
    for block, printed in reversed(list(executed(page, folder))):
        if block["text"] is not None:
            text = text[: block.start("text")] + _flat(printed) + "\n" + text[block.end("text") :]
    page.write_text(text, "utf-8")


if __name__ == "__main__":
    import tempfile

    for found in PAGES:
        with tempfile.TemporaryDirectory() as made:
            rewrite(found, Path(made))
