"""The README's example of a gather runs, after that of what comes first in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_example_prints_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = README.read_text("utf-8")
    first = text[text.index("```python") :].split("```python\n")[1].split("\n\nasync def timed")[0]
    section = text[text.index("## Reduce per parent") :].split("\n## ")[0]
    assert section.count("\n") <= 25
    (code,) = re.findall(r"```python\n(.*?)```", section, re.S)
    file = tmp_path / "readme.py"
    file.write_text(f"{first}\n{code}", "utf-8")
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(file.read_text("utf-8"), file, "exec", dont_inherit=True), names)
    printed = capsys.readouterr().out.strip()
    assert printed == "['Cheese: [True, False]', 'Water: [True]']"
    assert printed in code
