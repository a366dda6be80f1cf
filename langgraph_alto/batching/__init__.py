"""Micro-batching: calls of one node that are ready together become one call."""

from langgraph_alto.batching.declare import Batch, batched

__all__ = ["Batch", "batched"]
