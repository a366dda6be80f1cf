"""The simulated server's shells: threads, event loops, and the chat model."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from examples.simulated_llm import SimulatedChatModel, SimulatedServer, UnknownPromptError


def repeat(message: str, rng: random.Random) -> str:
    """Writes the message a few times over."""
    return " ".join([message] * rng.randint(1, 5))


def model(*, speed: float = 50, seed: int = 0) -> SimulatedChatModel:
    return SimulatedChatModel(
        server=SimulatedServer(speed=speed), skills={"Repeat.": repeat}, seed=seed
    )


def prompt(text: str) -> list[SystemMessage | HumanMessage]:
    return [SystemMessage("Repeat."), HumanMessage(text)]


def idle(server: SimulatedServer) -> bool:
    """Whether nothing of the server is left, within a second."""
    for _ in range(100):
        if not any(t.name == "simulated-model-server" for t in threading.enumerate()):
            return (server.stats.running, server.stats.waiting) == (0, 0)
        time.sleep(0.01)
    return False


async def test_sync_async_and_streams_write_the_same_text() -> None:
    llm = model()
    text = (await llm.ainvoke(prompt("a b c"))).text
    assert llm.invoke(prompt("a b c")).text == text
    assert "".join([chunk.text async for chunk in llm.astream(prompt("a b c"))]) == text
    assert "".join(chunk.text for chunk in llm.stream(prompt("a b c"))) == text
    assert idle(llm.server)


def test_the_text_depends_on_prompt_and_seed_only() -> None:
    texts = {
        (seed, t): model(seed=seed).invoke(prompt(t)).text for seed in (0, 1) for t in "abcdef"
    }
    assert texts == {(s, t): model(seed=s).invoke(prompt(t)).text for s in (1, 0) for t in "fedcba"}
    assert [texts[0, t] for t in "abcdef"] != [texts[1, t] for t in "abcdef"]


async def test_requests_made_together_share_iterations() -> None:
    """Eight at once take about as long as one, as on a real server."""
    server = SimulatedServer(speed=10)
    begin = time.perf_counter()
    await asyncio.gather(*(asyncio.wrap_future(server.submit(10, 200)) for _ in range(8)))
    together = time.perf_counter() - begin
    alone = 200 * server.profile.decode_s(1) / server.speed
    assert alone <= together < 2 * alone
    assert server.stats.largest_batch == 8


def test_threads_share_iterations_too() -> None:
    server = SimulatedServer(speed=10)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: server.submit(10, 200).result(), range(8)))
    assert server.stats.largest_batch == 8
    assert idle(server)


async def test_cancelling_a_call_frees_its_slot() -> None:
    llm = model(speed=0.01)
    call = asyncio.create_task(llm.ainvoke(prompt("a long text " * 50)))
    await asyncio.sleep(0.05)
    assert llm.server.stats.running == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert llm.server.stats.running == 0
    assert llm.server.stats.finished == 0
    assert idle(llm.server)


async def test_leaving_a_stream_frees_its_slot() -> None:
    llm = model(speed=5)
    stream = llm.astream(prompt("a long text " * 50))
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]
    assert llm.server.stats.running == 0
    assert idle(llm.server)


def test_a_prompt_without_a_skill_is_refused() -> None:
    with pytest.raises(UnknownPromptError, match=r"no skill for the system message 'Sing\.'"):
        model().invoke([SystemMessage("Sing."), HumanMessage("a")])
