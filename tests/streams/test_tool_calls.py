"""Tool calls of a message that is still being written, against LangChain's sum of its chunks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall, message_chunk_to_message
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call, tool_call_chunk

from langgraph_alto.streams.split import ToolCalls, tool_calls


def part(
    args: str | None = None,
    index: int | None = 0,
    name: str | None = None,
    id_: str | None = None,
    content: str | list[str | dict[Any, Any]] = "",
) -> AIMessageChunk:
    """A chunk with a part of one tool call."""
    call = tool_call_chunk(name=name, args=args, id=id_, index=index)
    return AIMessageChunk(content=content, tool_call_chunks=[call], id="run-1")


def said(content: str) -> AIMessageChunk:
    return AIMessageChunk(content=content, id="run-1")


def whole(chunks: list[AIMessageChunk]) -> AIMessage:
    """The message that LangChain makes of the chunks."""
    first, *others = chunks
    message = message_chunk_to_message(add_ai_message_chunks(first, *others))
    assert isinstance(message, AIMessage)
    return message


def names(calls: list[ToolCall]) -> list[str]:
    return [call["name"] for call in calls]


def told(chunks: list[AIMessageChunk]) -> list[list[str]]:
    """The names of the calls that each chunk completes, and of those that the end does."""
    made = ToolCalls()
    fed = [names(made.feed(chunk)) for chunk in chunks]
    fed.append(names(made.close()))
    assert list(chain(*fed)) == names(whole(chunks).tool_calls)
    assert made.message() == whole(chunks)
    return fed


# -- one by one ----------------------------------------------------------------------------


def test_a_call_is_complete_when_its_arguments_are() -> None:
    made = ToolCalls()
    assert made.feed(part('{"city"', name="weather", id_="a", content="I will look.")) == []
    assert made.message() == AIMessage("I will look.", id="run-1")
    assert made.feed(part(': "Paris"')) == []
    weather = tool_call(name="weather", args={"city": "Paris"}, id="a")
    assert made.feed(part("}")) == [weather]
    assert made.settled == 1
    assert made.feed(part('{"zone', index=1, name="time", id_="b")) == []
    assert made.message() == AIMessage("I will look.", tool_calls=[weather], id="run-1")


def test_whole_calls_in_one_chunk() -> None:
    chunk = AIMessageChunk(
        content="",
        tool_call_chunks=[
            tool_call_chunk(name="a", args="{}", id="1", index=0),
            tool_call_chunk(name="b", args='{"x": [{}]}', id="2", index=1),
        ],
    )
    assert told([chunk]) == [["a", "b"], []]


def test_calls_that_come_parsed() -> None:
    chunk = AIMessageChunk(content="", tool_calls=[tool_call(name="a", args={"x": 1}, id="1")])
    assert told([said("Yes."), chunk]) == [[], ["a"], []]


def test_calls_without_an_index_are_whole() -> None:
    chunks = [part("{}", None, "a", "1"), part('{"x": 1}', None, "b", "2")]
    assert told(chunks) == [["a"], ["b"], []]


def test_the_same_index_with_other_ids() -> None:
    chunks = [part("{}", 0, "a", "1"), part('{"x": ', 0, "b", "2"), part("1}", 0, None, "2")]
    assert told(chunks) == [["a"], [], ["b"], []]


@pytest.mark.parametrize("nothing", ["", None])
def test_a_call_without_arguments(nothing: str | None) -> None:
    chunks = [
        part(nothing, 0, "a", "1"),
        part(nothing, 1, "b", "2"),
        part("{", 2, "c", "3"),
        part("}", 2),
        part(nothing, 3, "d", "4"),
    ]
    assert told(chunks) == [[], [], ["a", "b"], ["c"], [], ["d"]]


def test_calls_that_are_interleaved_keep_their_order() -> None:
    chunks = [
        part("", 0, "a", "1"),
        part("{", 0),
        part("", 1, "b", "2"),
        part("{}", 1),
        part("}", 0),
    ]
    assert told(chunks) == [[], [], [], [], ["a", "b"], []]


def test_braces_in_strings() -> None:
    chunks = [part('{"x": "}\\', 0, "a", "1"), part('"}"', 0), part("}", 0)]
    assert told(chunks) == [[], [], ["a"], []]


def test_arguments_that_are_no_json_are_never_complete() -> None:
    made = ToolCalls()
    chunks = [part('{"x": oops}', 0, "a", "1"), part("{}", 1, "b", "2")]
    assert [names(made.feed(chunk)) for chunk in chunks] == [[], ["b"]]
    assert names(made.message().tool_calls) == ["b"]
    assert made.close() == []
    assert names(made.message().tool_calls) == ["b"]
    assert [call["name"] for call in made.message().invalid_tool_calls] == ["a"]


def test_what_is_cut_short_is_what_langchain_makes_of_it() -> None:
    assert told([part('{"x": 1', 0, "a", "1")]) == [[], ["a"]]
    assert told([part("5", 0, "a", "1"), part("{}", 1, "b", "2")]) == [[], [], ["b"]]


def test_arguments_that_go_on_after_their_end() -> None:
    made = ToolCalls()
    made.feed(part("{}", 0, "a", "1"))
    assert made.feed(part("\n", 0)) == []
    with pytest.raises(ValueError, match="'a' \\(1\\) was complete"):
        made.feed(part('{"x": 1}', 0))


def test_a_name_that_goes_on_after_the_arguments() -> None:
    made = ToolCalls()
    made.feed(part("{}", 0, "a", "1"))
    made.feed(part(None, 0, "b"))
    with pytest.raises(ValueError, match="were shown"):
        made.close()


def test_a_closed_message_does_not_go_on() -> None:
    made = ToolCalls()
    assert made.close() == []
    with pytest.raises(ValueError, match="closed"):
        made.feed(said("more"))
    with pytest.raises(ValueError, match="closed"):
        made.close()


# -- content in blocks ---------------------------------------------------------------------


def block(kind: str, index: int, **more: Any) -> list[str | dict[Any, Any]]:
    return [{"type": kind, "index": index, **more}]


BLOCKS = [
    AIMessageChunk(content=[], id="msg_1"),
    AIMessageChunk(content=block("text", 0, text="I will ")),
    AIMessageChunk(content=block("text", 0, text="look.")),
    part("", 1, "weather", "a", block("tool_use", 1, id="a", name="weather", input={})),
    part('{"city": ', 1, content=block("input_json_delta", 1, partial_json='{"city": ')),
    part('"Rome"}', 1, content=block("input_json_delta", 1, partial_json='"Rome"}')),
    part("", 2, "time", "b", block("tool_use", 2, id="b", name="time", input={})),
    part("{}", 2, content=block("input_json_delta", 2, partial_json="{}")),
    AIMessageChunk(content=[], chunk_position="last"),
]


def test_blocks_of_calls_that_are_not_complete_are_left_out() -> None:
    made = ToolCalls()
    seen: list[list[str]] = []
    for chunk in BLOCKS:
        made.feed(chunk)
        blocks = made.message().content
        assert isinstance(blocks, list)
        seen.append([one["type"] for one in blocks if isinstance(one, dict)])
        assert made.message().id == "msg_1"
    text, one = ["text"], ["text", "tool_use"]
    assert seen == [[], text, text, text, text, one, one, [*one, "tool_use"], [*one, "tool_use"]]
    assert told(BLOCKS)[5:8] == [["weather"], [], ["time"]]


def test_a_complete_calls_block_is_that_of_the_whole_message() -> None:
    made = ToolCalls()
    for chunk in BLOCKS[:6]:
        made.feed(chunk)
    assert made.message().content == whole(BLOCKS).content[:2]


# -- any message, in any chunks ------------------------------------------------------------

arguments = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=5,
    ),
    max_size=4,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A message's chunks; of each, the call that it completes, if it does."""

    chunks: list[AIMessageChunk]
    completes: list[int | None]
    calls: list[dict[str, Any]]


@st.composite
def messages(draw: st.DrawFn) -> Written:
    calls = draw(st.lists(arguments, max_size=4))
    interleaved = draw(st.booleans())
    rows: list[list[tuple[AIMessageChunk, int | None]]] = []
    for index, args in enumerate(calls):
        text = json.dumps(args, indent=draw(st.sampled_from([None, 1])))
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0, len(text)})
        row: list[tuple[AIMessageChunk, int | None]] = []
        for start, end in pairwise(cuts):
            first = start == 0
            chunk = part(
                text[start:end],
                index,
                f"tool{index}" if first else None,
                f"id{index}" if first else None,
            )
            row.append((chunk, index if end == len(text) else None))
        rows.append([(said(draw(st.text(max_size=3))), None), *row])
    told_: list[tuple[AIMessageChunk, int | None]] = [(said("So: "), None)]
    while any(rows):
        waiting = [row for row in rows if row]
        row = draw(st.sampled_from(waiting)) if interleaved else waiting[0]
        told_.append(row.pop(0))
    return Written([chunk for chunk, _ in told_], [index for _, index in told_], calls)


@given(messages())
def test_each_call_as_soon_as_it_and_those_before_it_are_complete(written: Written) -> None:
    # In what order they begin is the message's order.
    begun = [
        call["index"] for chunk in written.chunks for call in chunk.tool_call_chunks if call["name"]
    ]
    made = ToolCalls()
    complete: set[int | None] = set()
    shown: list[ToolCall] = []
    for position, chunk in enumerate(written.chunks):
        complete.add(written.completes[position])
        shown += made.feed(chunk)
        expected = 0
        while expected < len(begun) and begun[expected] in complete:
            expected += 1
        assert len(shown) == made.settled == expected
        message = made.message()
        assert message.tool_calls == shown
        assert message.text == "".join(str(one.content) for one in written.chunks[: position + 1])
        assert message.id == "run-1"
    assert made.close() == []
    assert shown == whole(written.chunks).tool_calls
    assert [call["args"] for call in shown] == [
        written.calls[index] for index in begun if index is not None
    ]
    assert made.message() == whole(written.chunks)


def test_each_chunk_is_added_twice_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    added = 0

    def counting(left: AIMessageChunk, *others: AIMessageChunk) -> AIMessageChunk:
        nonlocal added
        added += 1 + len(others)
        return add_ai_message_chunks(left, *others)

    monkeypatch.setattr(tool_calls, "add_ai_message_chunks", counting)
    text = json.dumps({"text": "x" * 500})
    made = ToolCalls()
    chunks = shown = 0
    for index in range(10):
        for position, letter in enumerate(text):
            first = position == 0
            name, id_ = (f"t{index}", f"i{index}") if first else (None, None)
            chunks += 1
            if made.feed(part(letter, index, name, id_)):
                made.message()
                shown += 1
    made.close()
    assert shown == 10
    assert added <= 2 * chunks + shown
