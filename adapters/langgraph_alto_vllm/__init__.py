"""vLLM for LangGraph graphs that `langgraph_alto` runs: a chat model and embeddings.

They speak to vLLM's OpenAI-compatible server, or to several replicas of it, and know what
a general client does not: a request's place in the graph. Everything else works with
`langchain-openai` as well. Comes with ``pip install langgraph-alto[vllm]``; vLLM itself is
not needed, only its server's address.
"""

from langgraph_alto_vllm.chat import ChatVLLM
from langgraph_alto_vllm.embeddings import VLLMEmbeddings
from langgraph_alto_vllm.errors import (
    VLLMConnectionError,
    VLLMError,
    VLLMProtocolError,
    VLLMStatusError,
    VLLMTimeoutError,
)

__all__ = [
    "ChatVLLM",
    "VLLMConnectionError",
    "VLLMEmbeddings",
    "VLLMError",
    "VLLMProtocolError",
    "VLLMStatusError",
    "VLLMTimeoutError",
]
