"""Random texts in random chunks and at random times: wrapped graphs equal their plain selves."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.types import RetryPolicy, Send

from langgraph_alto import Stream
from langgraph_alto.testing import check
from tests.guarantees.support import Journal, Mode
from tests.streams.support import Broken, Facts, Writer, asks, checks, facts

EXAMPLES = 40


class Paced(Writer):
    """Writes at random times; may fail half-way, a few times.

    Args:
        pauses: Seconds before each chunk, again and again.
        failing: How often it fails before it does not.
        failed: How often it has.
    """

    pauses: list[float]
    failing: int = 0
    failed: list[int]

    def _fail(self, place: int) -> None:
        if place == len(self.chunks) // 2 and len(self.failed) < self.failing:
            self.failed.append(place)
            raise Broken("the line is dead")

    def _stream(self, messages: Any, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for place, piece in enumerate(self.chunks):
            time.sleep(self.pauses[place % len(self.pauses)])
            self._fail(place)
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    async def _astream(
        self, messages: Any, *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for place, piece in enumerate(self.chunks):
            await asyncio.sleep(self.pauses[place % len(self.pauses)])
            self._fail(place)
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


def by_line(state: Facts) -> list[Send]:
    return sends(state["answer"].splitlines())


def by_sentence(state: Facts) -> list[Send]:
    return sends(re.split(r"(?<=[.!?\u3002])\s*", state["answer"]))


def by_json(state: Facts) -> list[Send]:
    return sends([json.dumps(each) for each in json.loads(state["answer"])])


def with_sum(state: Facts) -> list[Send]:
    rows = state["answer"].splitlines()
    return sends([*rows, f"{len(rows)} in all"])


def longest_first(state: Facts) -> list[Send]:
    """Not stable: what is early is not what is sent in the end."""
    return sends(sorted(state["answer"].splitlines(), key=len, reverse=True))


def sends(pieces: list[str]) -> list[Send]:
    return [Send("verify", {"line": piece}) for piece in pieces if piece.strip()]


words = st.text(st.sampled_from("ab.!?\n, -1\u3002\u4e00"), max_size=40)
arrays = st.lists(st.text(max_size=6) | st.integers() | st.dictionaries(st.just("k"), st.none()))
stable = st.one_of(
    st.tuples(st.just(by_line), st.sampled_from([None, "line"]), words),
    st.tuples(st.just(with_sum), st.sampled_from([None, "line"]), words),
    st.tuples(st.just(by_sentence), st.just(None), words),
    st.tuples(st.just(by_json), st.sampled_from([None, "element"]), arrays.map(json.dumps)),
)


@st.composite
def chunks(draw: Callable[..., Any], text: str) -> list[str]:
    """A text in pieces."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[at:to] for at, to in zip([0, *cuts], [*cuts, len(text)], strict=True)]


paces = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.003]), min_size=1, max_size=4)


@settings(max_examples=EXAMPLES)
@given(
    data=st.data(),
    case=stable,
    pauses=paces,
    mode=st.sampled_from(["sync", "async"]),
    how=st.sampled_from(["invoke", "stream"]),
    bound=st.sampled_from([None, 1, 2]),
    seconds=st.sampled_from([0.0, 0.002]),
)
def test_stable_routers(
    data: Any, case: Any, pauses: Any, mode: Mode, how: str, bound: int | None, seconds: float
) -> None:
    """Equal in all that can be seen, and no body runs twice."""
    router, by, text = case
    model = Paced(chunks=data.draw(chunks(text)), pauses=pauses, failed=[])
    graph = facts(asks(mode, model, how), checks(mode, Journal(), seconds), router)
    report = check(
        graph,
        [{"topic": "x", "found": []}],
        mode=mode,
        streams={"draft": Stream("answer", by)},
        config={} if bound is None else {"max_concurrency": bound},
    )
    assert report.ok, report.text()


@settings(max_examples=EXAMPLES)
@given(
    data=st.data(),
    text=words,
    router=st.sampled_from([by_line, by_sentence, by_json, with_sum, longest_first]),
    by=st.sampled_from([None, "line", "sentence", "item", "element"]),
    pauses=paces,
    mode=st.sampled_from(["sync", "async"]),
    failing=st.integers(0, 3),
    policy=st.sampled_from(["proven", "speculative"]),
)
def test_any_router_and_any_splitter(
    data: Any,
    text: str,
    router: Any,
    by: Any,
    pauses: Any,
    mode: Mode,
    failing: int,
    policy: str,
) -> None:
    """Equal in all but the work: also where the model fails, and its node is tried again."""
    model = Paced(chunks=data.draw(chunks(text)), pauses=pauses, failed=[], failing=failing)
    graph = facts(asks(mode, model), checks(mode, Journal()), router)
    again = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=Broken)
    graph.nodes["draft"].retry_policy = again
    report = check(
        graph,
        [{"topic": "x", "found": []}],
        mode=mode,
        policy=policy,
        streams={"draft": Stream("answer", by)},
        reset=model.failed.clear,
    )
    found = [each for pair in report.comparisons for each in pair.differences]
    assert not [each for each in found if each.kind != "calls"], report.text()
