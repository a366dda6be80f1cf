"""A LangChain chat model in front of vLLM's server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from operator import itemgetter
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.base import OutputParserLike
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils import secret_from_env
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, Field, PrivateAttr, SecretStr
from pydantic.v1 import BaseModel as BaseModelV1

from langgraph_alto_vllm import _protocol
from langgraph_alto_vllm._place import place
from langgraph_alto_vllm._transport import Call, Limits, Transport

_PATH = "/chat/completions"


class ChatVLLM(BaseChatModel):
    """Chat completions of a vLLM server, or of several replicas of one.

    Cancelling the task that waits for an answer, or leaving its stream, closes the
    connection, whereupon the server drops the request. What fails is tried again only
    while nothing of the answer was shown.

    Args:
        base_url: The server's address, up to and with ``/v1``; several are replicas. Requests
            that begin alike go to the same one while it is not too full.
        model: The model's name there.
        api_key: Sent as the bearer token; from ``VLLM_API_KEY`` by default.
        temperature: And `top_p`, `max_tokens`, `seed`, `stop`: as in the protocol; the
            server's defaults where they are ``None``.
        logprobs: Whether to ask for the tokens' log probabilities; they are in
            ``response_metadata["logprobs"]``.
        top_logprobs: How many alternatives to ask for at each token.
        priority: Whether to send each request's place in the graph as its priority. For
            servers started with ``--scheduling-policy priority``; others refuse it. For
            runs to count as older and newer, their config needs a ``thread_id``.
        timeout: Seconds without a byte from the server. An answer that is not streamed
            comes as a whole, and so within that time.
        deadline: Seconds for a whole answer, however slowly it comes.
        max_retries: How often a failed request is sent again.
        stream_usage: Whether streams end with the count of tokens.
        extra_body: Sent with each request as it is: vLLM's own parameters.

    Example:
        ```python
        model = ChatVLLM(base_url="http://127.0.0.1:8000/v1", model="my-model")
        answer = await model.ainvoke("Which towns lie on the Danube?")
        ```
    """

    base_url: str | Sequence[str]
    model: str
    api_key: SecretStr = Field(
        default_factory=secret_from_env("VLLM_API_KEY", default=""), repr=False
    )
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    priority: bool = False
    timeout: float = Field(default=120.0, gt=0)
    deadline: float | None = Field(default=None, gt=0)
    max_retries: int = Field(default=2, ge=0)
    stream_usage: bool = True
    extra_body: dict[str, Any] = Field(default_factory=dict)
    _transport: Transport = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Know the replicas."""
        urls = (self.base_url,) if isinstance(self.base_url, str) else tuple(self.base_url)
        self._transport = Transport(urls, self.api_key.get_secret_value())

    @property
    def _llm_type(self) -> str:
        return "vllm-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "base_url": self.base_url, **self._parameters(None)}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep connections open between requests, for as long as one is inside.

        Else they are closed whenever no request is under way.
        """
        async with self._transport.aopen():
            yield

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._call(messages, stop, run_manager, kwargs)
        return _protocol.result(self._transport.post(call))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._call(messages, stop, run_manager, kwargs)
        return _protocol.result(await self._transport.apost(call))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._call(messages, stop, run_manager, self._streaming(kwargs))
        with closing(self._transport.stream(call)) as events:
            for event in events:
                chunk = _protocol.chunk(event)
                if chunk is None:
                    continue
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk, logprobs=_logprobs(chunk))
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = self._call(messages, stop, run_manager, self._streaming(kwargs))
        async with aclosing(self._transport.astream(call)) as events:
            async for event in events:
                chunk = _protocol.chunk(event)
                if chunk is None:
                    continue
                if run_manager is not None:
                    await run_manager.on_llm_new_token(
                        chunk.text, chunk=chunk, logprobs=_logprobs(chunk)
                    )
                yield chunk

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call tools.

        Args:
            tools: The tools: functions, models, LangChain tools or OpenAI schemas.
            tool_choice: A tool's name; ``"auto"``, ``"none"``; ``"any"``, ``"required"`` or
                ``True`` for at least one. The server needs ``--enable-auto-tool-choice`` and a
                ``--tool-call-parser`` for ``"auto"``; the others it enforces by itself.
            strict: Whether arguments must follow the schema.
            **kwargs: Further parameters of the requests.
        """
        found = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        for tool in found:
            # Without it vLLM holds a call to its form, but not its arguments to their schema.
            tool["function"].setdefault("strict", True)
        names = {tool["function"]["name"] for tool in found}
        choice: Any = tool_choice
        if tool_choice in ("any", True):
            choice = "required"
        elif tool_choice is False:
            choice = None
        elif isinstance(tool_choice, str) and tool_choice in names:
            choice = {"type": "function", "function": {"name": tool_choice}}
        if choice is not None:
            kwargs["tool_choice"] = choice
        bound: Any = self.bind(tools=found, **kwargs)
        return bound  # type: ignore[no-any-return]

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Make the model answer in a schema, which the server enforces token by token.

        Args:
            schema: A Pydantic model, a TypedDict or a JSON schema.
            include_raw: Whether to return ``raw``, ``parsed`` and ``parsing_error``.
            method: By JSON schema, by a tool call, or any JSON.
            **kwargs: Further parameters of the requests.
        """
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        shape = convert_to_json_schema(schema)
        if method == "json_mode":
            form: dict[str, Any] = {"type": "json_object"}
        else:
            named = {"name": shape.get("title", "answer"), "schema": shape, "strict": True}
            form = {"type": "json_schema", "json_schema": named}
        asked: Any = self.bind(
            response_format=form,
            ls_structured_output_format={"kwargs": {"method": method}, "schema": shape},
            **kwargs,
        )
        is_model = isinstance(schema, type) and issubclass(schema, (BaseModel, BaseModelV1))
        parser: OutputParserLike[Any] = (
            PydanticOutputParser(pydantic_object=schema) if is_model else JsonOutputParser()  # type: ignore[arg-type]
        )
        if not include_raw:
            return asked | parser  # type: ignore[no-any-return]
        parsed: Any = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        fallback: Any = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=asked) | parsed.with_fallbacks(  # type: ignore[no-any-return]
            [fallback], exception_key="parsing_error"
        )

    def _parameters(self, stop: list[str] | None) -> dict[str, Any]:
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": (stop if stop is not None else self.stop) or None,
            "logprobs": self.logprobs or None,
            "top_logprobs": self.top_logprobs,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _streaming(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        kwargs = dict(kwargs)
        usage = kwargs.pop("stream_usage", self.stream_usage)
        return {"stream": True, "stream_options": {"include_usage": bool(usage)}} | kwargs

    def _call(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run_manager: Any,
        kwargs: dict[str, Any],
    ) -> Call:
        sent = _protocol.messages_json(messages)
        body = {"model": self.model, "messages": sent, **self._parameters(stop), **self.extra_body}
        if self.priority:
            body["priority"] = place()
        body |= {name: value for name, value in kwargs.items() if name != "stream_usage"}
        limits = Limits(self.timeout, self.deadline, self.max_retries + 1)
        return Call(_PATH, body, _protocol.beginning(sent), limits)


def _logprobs(chunk: ChatGenerationChunk) -> Any:
    return (chunk.generation_info or {}).get("logprobs")
