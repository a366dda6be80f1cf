"""The claims' model on a real server: later texts are those of the first answer."""

from __future__ import annotations

import itertools
import json
from typing import Any

from comparisons import _claims, _served
from tests.vllm.stand_in import Reply, StandIn, streamed


def server() -> StandIn:
    """One that never gives the same answer twice."""
    count = itertools.count()

    def reply(request: Any) -> Reply:
        words = [f"w{next(count)} " for _ in range(4)]
        if request.get("stream"):
            return Reply(streamed(*words))
        said = {"message": {"content": "".join(words)}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 4}
        return Reply([json.dumps({"choices": [said], "usage": usage}).encode()])

    return StandIn(reply)


async def test_the_first_answer_stays_however_it_is_asked_for() -> None:
    with server() as running:
        model = _served.served(running.url, "m")
        prompt = [("system", _claims.VERIFY), ("user", "a claim")]
        first = (await model.ainvoke(prompt)).text
        pieces = [chunk.text async for chunk in model.astream(prompt) if chunk.text]
        assert len(pieces) == 4
        assert "".join(pieces) == first == model.invoke(prompt).text
        assert (model.asked_again, model.answered_differently) == (2, 2)
        assert running.requests[0]["max_tokens"] == 120
        assert running.requests[0]["frequency_penalty"] == 0.5


async def test_a_first_answer_may_be_streamed() -> None:
    with server() as running:
        model = _served.served(running.url, "m")
        pieces = [chunk.text async for chunk in model.astream("hello") if chunk.text]
        assert "".join(pieces) == (await model.ainvoke("hello")).text
