"""The chat model's side of the protocol, against the stand-in."""

from __future__ import annotations

import copy
import json
from pickle import dumps, loads
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langgraph_alto_vllm import ChatVLLM, VLLMEmbeddings, VLLMProtocolError
from tests.vllm.stand_in import Reply, StandIn, delta, event, streamed, whole


def chat(server: StandIn, **options: Any) -> ChatVLLM:
    return ChatVLLM(base_url=server.url, model="m", **options)


async def test_all_four_ways_of_asking() -> None:
    with StandIn() as server:
        model = chat(server)
        assert model.invoke("hello").text == (await model.ainvoke("hello")).text == "one two"
        assert [c.text for c in model.stream("hello") if c.text] == ["one ", "two ", "three"]
        chunks = [c async for c in model.astream("hello")]
        assert [c.text for c in chunks if c.text] == ["one ", "two ", "three"]
        merged = chunks[0]
        for chunk in chunks[1:]:
            merged = merged + chunk
        assert isinstance(merged, AIMessageChunk)
        assert merged.usage_metadata is not None
        assert merged.usage_metadata["total_tokens"] == 8
        assert merged.response_metadata["finish_reason"] == "stop"


def test_parameters_are_sent_and_only_those_given() -> None:
    with StandIn() as server:
        model = chat(
            server,
            temperature=0.0,
            max_tokens=7,
            seed=3,
            logprobs=True,
            top_logprobs=2,
            extra_body={"min_p": 0.1},
        )
        model.invoke("hello", stop=["."], repetition_penalty=1.1)
        assert server.requests[0] == {
            "model": "m",
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0.0,
            "max_tokens": 7,
            "seed": 3,
            "stop": ["."],
            "logprobs": True,
            "top_logprobs": 2,
            "min_p": 0.1,
            "repetition_penalty": 1.1,
        }
        list(model.stream("hello"))
        assert server.requests[1]["stream_options"] == {"include_usage": True}


def test_the_key_is_sent_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret-key")
    with StandIn(lambda _: Reply([b"no"], 401)) as server:
        model = chat(server)
        with pytest.raises(Exception, match="401") as caught:
            model.invoke("hello")
        assert server.headers[0]["authorization"] == "Bearer secret-key"
        shown = [repr(model), str(model), repr(caught.value), repr(model._identifying_params)]
        embeddings = VLLMEmbeddings(base_url=server.url, model="m")
        assert not [text for text in [*shown, repr(embeddings)] if "secret-key" in text]


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def test_tool_calls_are_bound_read_and_answered() -> None:
    with StandIn(lambda _: Reply(whole("", tool_calls=[CALL]))) as server:
        model = chat(server).bind_tools([add], tool_choice="add")
        said = model.invoke("add")
        assert isinstance(said, AIMessage)
        assert said.tool_calls == [
            {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
        ]
        model.invoke([("user", "add"), said, ToolMessage("2", tool_call_id="c1")])
        asked = server.requests[0]
        assert asked["tool_choice"] == {"type": "function", "function": {"name": "add"}}
        assert asked["tools"][0]["function"]["strict"] is True
        assert asked["tools"][0]["function"]["parameters"]["required"] == ["a"]
        assert server.requests[1]["messages"][1]["tool_calls"][0]["function"]["name"] == "add"
        assert server.requests[1]["messages"][2]["tool_call_id"] == "c1"


@pytest.mark.parametrize(
    ("given", "sent"), [("any", "required"), (True, "required"), ("auto", "auto"), (None, None)]
)
def test_tool_choices(given: Any, sent: Any) -> None:
    with StandIn() as server:
        chat(server).bind_tools([add], tool_choice=given).invoke("add")
        assert server.requests[0].get("tool_choice") == sent


def test_a_call_that_cannot_be_read_is_told_apart() -> None:
    broken = {**CALL, "function": {"name": "add", "arguments": '{"a": '}}
    with StandIn(lambda _: Reply(whole("", tool_calls=[broken]))) as server:
        said = chat(server).invoke("add")
        assert isinstance(said, AIMessage)
        assert said.tool_calls == []
        assert said.invalid_tool_calls[0]["name"] == "add"


async def test_tool_calls_come_in_pieces() -> None:
    def piece(index: int, **function: str) -> bytes:
        call = {"index": index, "function": function}
        return event(delta(tool_calls=[{**call, "id": "c1"} if "name" in function else call]))

    parts = [
        piece(0, name="add", arguments=""),
        piece(0, arguments='{"a"'),
        piece(0, arguments=": 1}"),
        event(delta(finish="tool_calls")),
        event("[DONE]"),
    ]
    with StandIn(lambda _: Reply(parts)) as server:
        chunks = [c async for c in chat(server).astream("add")]
        merged = chunks[0]
        for chunk in chunks[1:]:
            merged = merged + chunk
        assert isinstance(merged, AIMessageChunk)
        assert merged.tool_calls == [
            {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
        ]


class Town(BaseModel):
    """A town."""

    name: str


def test_structured_output() -> None:
    with StandIn(lambda _: Reply(whole('{"name": "Ulm"}'))) as server:
        model = chat(server)
        assert model.with_structured_output(Town).invoke("?") == Town(name="Ulm")
        schema = Town.model_json_schema()
        assert model.with_structured_output(schema).invoke("?") == {"name": "Ulm"}
        assert model.with_structured_output(schema, method="json_mode").invoke("?") == {
            "name": "Ulm"
        }
        both: Any = model.with_structured_output(Town, include_raw=True).invoke("?")
        assert (both["parsed"], both["parsing_error"]) == (Town(name="Ulm"), None)
        form = server.requests[0]["response_format"]
        assert form["json_schema"]["schema"]["properties"]["name"]["type"] == "string"
        assert server.requests[2]["response_format"] == {"type": "json_object"}
        assert not [r for r in server.requests if "ls_structured_output_format" in r]


def test_structured_output_that_does_not_fit_is_told() -> None:
    with StandIn(lambda _: Reply(whole('{"name": '))) as server:
        found: Any = chat(server).with_structured_output(Town, include_raw=True).invoke("?")
        assert found["parsed"] is None
        assert found["parsing_error"] is not None


def test_structured_output_by_a_tool_call() -> None:
    call = {**CALL, "function": {"name": "Town", "arguments": '{"name": "Ulm"}'}}
    with StandIn(lambda _: Reply(whole("", tool_calls=[call]))) as server:
        model = chat(server).with_structured_output(Town, method="function_calling")
        assert model.invoke("?") == Town(name="Ulm")


def test_logprobs_and_reasoning_are_kept() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.5}]}
    choice = {
        "message": {"content": "a", "reasoning": "because"},
        "logprobs": logprobs,
        "finish_reason": "stop",
        "stop_reason": ".",
    }
    sent = json.dumps({"choices": [choice], "model": "m"}).encode()
    with StandIn(lambda _: Reply([sent])) as server:
        said = chat(server).invoke("?")
        assert said.response_metadata["logprobs"] == logprobs
        assert said.response_metadata["stop_reason"] == "."
        assert said.additional_kwargs["reasoning_content"] == "because"


@pytest.mark.parametrize("sent", [{}, {"choices": []}, {"choices": [{}]}, {"choices": None}])
def test_an_answer_that_is_none_is_refused(sent: Any) -> None:
    with (
        StandIn(lambda _: Reply([json.dumps(sent).encode()])) as server,
        pytest.raises(VLLMProtocolError),
    ):
        chat(server, max_retries=0).invoke("?")


async def test_embeddings_come_in_order_and_in_batches() -> None:
    def embed(request: Any) -> Reply:
        data = [{"index": n, "embedding": [float(t)]} for n, t in enumerate(request["input"])]
        return Reply([json.dumps({"data": data[::-1]}).encode()])

    with StandIn(embed) as server:
        model = VLLMEmbeddings(base_url=server.url, model="m", batch=3)
        texts = [str(n) for n in range(8)]
        expected = [[float(n)] for n in range(8)]
        assert model.embed_documents(texts) == expected
        assert await model.aembed_documents(texts) == expected
        assert model.embed_query("5") == await model.aembed_query("5") == [5.0]
        assert model.embed_documents([]) == []
        assert sorted(len(r["input"]) for r in server.requests[:3]) == [2, 3, 3]


async def test_embeddings_that_are_missing_are_told() -> None:
    with StandIn(lambda _: Reply([b'{"data": []}'])) as server:
        model = VLLMEmbeddings(base_url=server.url, model="m")
        with pytest.raises(VLLMProtocolError, match="1 texts were sent, 0"):
            await model.aembed_query("a")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: loads(dumps(m))])
async def test_a_copy_asks_too(copied: Any) -> None:
    with StandIn() as server:
        for model in (chat(server), VLLMEmbeddings(base_url=server.url, model="m")):
            assert repr(copied(model)) == repr(model)
        assert (await copied(chat(server)).ainvoke("hello")).text == "one two"


async def test_connections_are_kept_only_where_asked() -> None:
    with StandIn(lambda _: Reply(streamed("a"))) as server:
        model = chat(server)
        async with model.connected():
            for _ in range(3):
                assert [c async for c in model.astream("hello")]
            assert server.connections == 1
