"""LangChain's standard suites for integrations: `make test-vllm` installs them.

The unit suites need no server. The integration suites ask the real one; the model has 135
million parameters, so what needs an understanding of the question is expected to fail.
"""

# mypy: disable-error-code="import-not-found, misc"
from __future__ import annotations

import os
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from langgraph_alto_vllm import ChatVLLM, VLLMEmbeddings
from tests.vllm.serve import CHAT, EMBEDDING, EMBEDDING_URL, URL

pytest.importorskip("langchain_tests", reason="`make test-vllm` installs langchain-tests")

from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    EmbeddingsIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def benchmark() -> Any:
    """Calls what is to be timed; times are not these tests' matter."""
    return lambda function: function()


@pytest.fixture
def snapshot() -> None:
    """Nothing: the model is not serialised."""


@pytest.fixture
def vcr() -> None:
    """Nothing: a real server answers."""


class TestChatUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": NOWHERE, "model": CHAT}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"VLLM_API_KEY": "key"}, self.chat_model_params, {"api_key": "key"}


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return VLLMEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base_url": NOWHERE, "model": EMBEDDING}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"VLLM_API_KEY": "key"}, self.embedding_model_params, {"api_key": "key"}


@pytest.mark.vllm
@pytest.mark.usefixtures("chat_url")
class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "base_url": os.environ.get(URL, NOWHERE),
            "model": CHAT,
            "temperature": 0.0,
            "seed": 1,
            "max_tokens": 256,
            # Small models asked for the likeliest word tend to repeat themselves.
            "extra_body": {"frequency_penalty": 0.7},
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    # The server answers as it should; test_real.py and test_chat.py hold both to the form.
    @pytest.mark.xfail(strict=False, reason="the model writes other JSON than it is asked for")
    def test_json_mode(self, model: BaseChatModel) -> None:
        super().test_json_mode(model)

    @pytest.mark.xfail(strict=False, reason="the model never calls a tool that it need not call")
    @pytest.mark.parametrize("model", [{}, {"output_version": "v1"}], indirect=True)
    def test_agent_loop(self, model: BaseChatModel) -> None:
        super().test_agent_loop(model)


@pytest.mark.vllm
@pytest.mark.usefixtures("embedding_url")
class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return VLLMEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base_url": os.environ.get(EMBEDDING_URL, NOWHERE), "model": EMBEDDING}
