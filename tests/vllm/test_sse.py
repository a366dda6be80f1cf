"""Server-sent events, however the network cuts them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto_vllm import _sse
from langgraph_alto_vllm._sse import EventReader, MalformedEventError


def read(*parts: bytes) -> list[str]:
    reader = EventReader()
    return [event for part in parts for event in reader.feed(part)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    cuts=st.lists(st.integers(0, 400)),
)
def test_any_cut_gives_the_same_events(end: str, texts: list[str], cuts: list[int]) -> None:
    sent = "".join(f"data: {text}{end}{end}" for text in texts).encode()
    places = [0, *sorted({min(cut, len(sent)) for cut in cuts}), len(sent)]
    parts = [sent[a:b] for a, b in itertools.pairwise(places)]
    # A "\r" at the very end may yet become "\r\n", but ends its line at once.
    assert read(*parts) == texts


def test_what_is_not_data_is_passed_over() -> None:
    sent = b"\xef\xbb\xbf: comment\nevent: x\nid: 1\nretry: 5\n\ndata:a\ndata: b\ndatum: c\n\n"
    assert read(sent) == ["a\nb"]


def test_a_line_cut_after_its_return_does_not_lose_an_empty_line() -> None:
    assert read(b"data: a\rda", b"ta: b\n", b"\n") == ["a\nb"]


def test_an_event_without_its_end_is_pending() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\n") == []
    assert reader.pending
    assert reader.feed(b"\n") == ["a"]
    assert not reader.pending


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sse, "MOST_BYTES", 100)
    with pytest.raises(MalformedEventError, match="more than 100 bytes"):
        read(b"data: " + b"a" * 50 + b"\n", b"data: " + b"a" * 60)


def test_what_is_no_utf_8_is_refused() -> None:
    with pytest.raises(MalformedEventError, match="UTF-8"):
        read(b"data: \xff\n\n")
