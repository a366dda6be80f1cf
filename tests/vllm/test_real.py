"""Against vLLM itself, serving a real small model: `make test-vllm`.

The model has 135 million parameters, so the tests hold it to form, not to wisdom.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from pydantic import BaseModel

from langgraph_alto_vllm import (
    ChatVLLM,
    VLLMConnectionError,
    VLLMEmbeddings,
    VLLMStatusError,
)
from tests.vllm.serve import CHAT, CHAT_OPTIONS, EMBEDDING, Server, unable

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(300)]

LONG = "Tell a long story about a ship that sails around the world."


def chat(url: str, **options: Any) -> ChatVLLM:
    return ChatVLLM(base_url=url, model=CHAT, **{"temperature": 0.0, "seed": 1, **options})


async def running(url: str) -> int:
    """How many requests the server is working on or holding, by its own count."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(url.removesuffix("/v1") + "/metrics")).text
    counts = re.findall(r"^vllm:num_requests_(?:running|waiting)\{.*\} ([\d.]+)$", text, re.M)
    assert counts, "the server tells no counts"
    return round(sum(map(float, counts)))


async def idle(url: str, seconds: float) -> None:
    """Waits until the server has nothing to do."""
    end = time.monotonic() + seconds
    while await running(url):
        assert time.monotonic() < end, f"the server still works {seconds} s later"
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def under_way(url: str, asking: Any) -> AsyncIterator[asyncio.Task[Any]]:
    """A task whose request the server is working on."""
    await idle(url, 60)
    task = asyncio.ensure_future(asking)
    while not await running(url):
        await asyncio.sleep(0.05)
    yield task


async def collect(model: Any, prompt: str) -> AIMessageChunk:
    chunks = [chunk async for chunk in model.astream(prompt)]
    merged = chunks[0]
    for chunk in chunks[1:]:
        merged = merged + chunk
    assert isinstance(merged, AIMessageChunk)
    return merged


async def test_it_answers(chat_url: str) -> None:
    model = chat(chat_url, max_tokens=20)
    question = "What is the capital of France?"
    answer = await model.ainvoke(question)
    assert "Paris" in answer.text
    assert isinstance(answer, AIMessage)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 3
    assert "Paris" in model.invoke(question).text


async def test_a_stream_says_the_same_and_counts_its_tokens(chat_url: str) -> None:
    model = chat(chat_url, max_tokens=20)
    streamed = await collect(model, "What is the capital of France?")
    assert "Paris" in streamed.text
    assert streamed.usage_metadata is not None
    assert streamed.usage_metadata["output_tokens"] > 3
    assert "Paris" in "".join(c.text for c in model.stream("What is the capital of France?"))


async def test_stop_seed_and_length(chat_url: str) -> None:
    stopped = await chat(chat_url).ainvoke("Count from one to ten: one, two,", stop=["e"])
    assert "e" not in stopped.text
    short = await chat(chat_url, max_tokens=5).ainvoke(LONG)
    assert short.response_metadata["finish_reason"] == "length"
    drawn = [
        (await chat(chat_url, temperature=1.0, seed=seed, max_tokens=20).ainvoke(LONG)).text
        for seed in (5, 5, 6)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


async def test_logprobs(chat_url: str) -> None:
    model = chat(chat_url, max_tokens=4, logprobs=True, top_logprobs=3)
    for answer in (await model.ainvoke(LONG), await collect(model, LONG)):
        tokens = answer.response_metadata["logprobs"]["content"]
        assert len(tokens) == 4
        assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 3 for token in tokens)


class Town(BaseModel):
    """A town."""

    name: str
    country: str
    inhabitants: int


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output(chat_url: str, method: Any) -> None:
    model = chat(chat_url, max_tokens=120).with_structured_output(Town, method=method)
    assert isinstance(await model.ainvoke("Describe Paris, a town in France."), Town)


@tool
def magic_function(number: int) -> int:
    """Apply a magic function to a number."""
    return number + 2


@pytest.mark.parametrize("choice", ["any", "magic_function"])
async def test_tool_calls(chat_url: str, choice: str) -> None:
    model = chat(chat_url, max_tokens=60).bind_tools([magic_function], tool_choice=choice)
    question = "What is the value of magic_function(3)? Use the tool."
    for answer in (await model.ainvoke(question), await collect(model, question)):
        (call,) = answer.tool_calls
        assert call["name"] == "magic_function"
        assert isinstance(call["args"]["number"], int)


@pytest.mark.parametrize("streamed", [True, False])
async def test_cancelling_a_task_aborts_its_request(chat_url: str, streamed: bool) -> None:
    model = chat(chat_url, max_tokens=1500, extra_body={"ignore_eos": True})
    asking = collect(model, LONG) if streamed else model.ainvoke(LONG)
    async with under_way(chat_url, asking) as task:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await idle(chat_url, 5)


async def test_leaving_a_stream_aborts_its_request(chat_url: str) -> None:
    stream: Any = chat(chat_url, max_tokens=1500, extra_body={"ignore_eos": True}).astream(LONG)
    async with under_way(chat_url, anext(stream)) as task:
        await task
        await stream.aclose()
        await idle(chat_url, 5)


async def test_a_refusal_says_why(chat_url: str) -> None:
    with pytest.raises(VLLMStatusError, match="does not exist") as caught:
        await ChatVLLM(base_url=chat_url, model="another").ainvoke("hello")
    assert caught.value.status == 404


async def test_what_is_more_urgent_is_served_first(chat_url: str) -> None:
    """The server holds 32 at once; of 64 that wait for 32, those of the lower number go first."""
    await idle(chat_url, 60)
    ended: list[int] = []

    async def ask(priority: int, number: int) -> None:
        body = {"priority": priority, "ignore_eos": True}
        await chat(chat_url, max_tokens=24, extra_body=body).ainvoke(f"Number {number}: hello")
        ended.append(priority)

    full = [asyncio.create_task(ask(0, number)) for number in range(32)]
    while await running(chat_url) < 32:
        await asyncio.sleep(0.05)
    # The less urgent come first; served as they come, they would end first.
    waiting = [asyncio.create_task(ask(9, number)) for number in range(32, 64)]
    await asyncio.sleep(0.2)
    waiting += [asyncio.create_task(ask(1, number)) for number in range(64, 96)]
    await asyncio.gather(*full, *waiting)
    after = [priority for priority in ended if priority]
    assert after[:32].count(1) >= 30, after


async def test_thirty_two_streams_and_nothing_left(chat_url: str) -> None:
    model = chat(chat_url, max_tokens=16)
    before = {task for task in asyncio.all_tasks() if not task.done()}
    texts = await asyncio.gather(*[collect(model, f"Say {n}.") for n in range(32)])
    assert all(text.usage_metadata for text in texts)
    await idle(chat_url, 5)
    assert {task for task in asyncio.all_tasks() if not task.done()} == before


@pytest.mark.usefixtures("chat_url")  # skipped where no real server is wanted
async def test_a_server_is_killed_in_the_middle_and_started_again() -> None:
    """What is shown is lost, and told; a request made while it is down waits until it is up."""
    reason = unable()
    if reason:
        pytest.skip(reason)
    server = Server("killed", CHAT_OPTIONS)
    try:
        server.start()
        await asyncio.to_thread(server.wait)
        model = chat(server.url, max_tokens=1500, extra_body={"ignore_eos": True})
        stream: Any = model.astream(LONG)
        while not (await anext(stream)).text:
            pass
        await asyncio.to_thread(server.stop, signal.SIGKILL)
        with pytest.raises(VLLMConnectionError):
            async for _ in stream:
                pass
        patient = chat(server.url, max_tokens=20, max_retries=50)
        waiting = asyncio.create_task(patient.ainvoke("What is the capital of France?"))
        await asyncio.sleep(1)
        server.start()
        assert "Paris" in (await waiting).text
    finally:
        await asyncio.to_thread(server.stop)


async def test_embeddings(embedding_url: str) -> None:
    model = VLLMEmbeddings(base_url=embedding_url, model=EMBEDDING, batch=2)
    texts = ["A cat sleeps.", "A kitten naps.", "Shares fell on Tuesday."]
    cat, kitten, shares = await model.aembed_documents(texts)
    assert len(cat) == 384

    def near(one: list[float], two: list[float]) -> float:
        return sum(a * b for a, b in zip(one, two, strict=True))

    assert near(cat, kitten) > near(cat, shares) + 0.2
    again = model.embed_documents(texts)
    assert near(again[0], cat) == pytest.approx(1, abs=1e-3)
    assert near(await model.aembed_query(texts[0]), cat) == pytest.approx(1, abs=1e-3)
