"""Declarations of the wrong type are refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_alto import Effects


@pytest.mark.parametrize("field", ["reads", "writes", "mutates", "goto"])
@pytest.mark.parametrize("names", ["docs", "a", ""])
def test_a_string_is_no_collection_of_letters(field: str, names: str) -> None:
    given: Any = {field: names}
    with pytest.raises(TypeError) as caught:
        Effects(**given)
    message = str(caught.value)
    assert f"Effects({field}={names!r}): give a collection of" in message
    assert f"{field}={{{names!r}}}" in message


@pytest.mark.parametrize("field", ["reads", "writes", "mutates", "goto"])
@pytest.mark.parametrize("names", [3, True, iter("ab")])
def test_what_is_no_collection(field: str, names: Any) -> None:
    """A generator is none either: it could be read only once."""
    with pytest.raises(TypeError, match=rf"Effects\({field}=.*give a collection of"):
        Effects(**{field: names})


@pytest.mark.parametrize("names", [{3}, ["a", None], (b"a",)])
def test_names_are_strings(names: Any) -> None:
    with pytest.raises(TypeError, match=r"Effects\(reads=\.\.\.\) holds .*which are strings"):
        Effects(reads=names)


@pytest.mark.parametrize("ordered", ["yes", 1, None])
def test_ordered_is_true_or_false(ordered: Any) -> None:
    with pytest.raises(TypeError, match=rf"Effects\(ordered={ordered!r}\): give True or False"):
        Effects(ordered=ordered)


def test_collections_of_names_are_taken() -> None:
    effects = Effects(reads=["a", "b.c"], writes=(), mutates={"a": 1}, goto=frozenset({"n"}))
    assert effects == Effects(["a", "b.c"], (), {"a": 1}, goto=frozenset({"n"}))
    assert Effects(observed=True) == Effects()
