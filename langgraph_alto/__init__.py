"""Run LangGraph graphs ahead of their barriers, exactly.

``wrap(graph)`` returns a graph that computes what the graph computes, sooner:
it waits for what the data needs, not for the slowest task of every superstep.
"""

from langgraph_alto.ancestry import Ancestry, Frame, ancestry
from langgraph_alto.batching.declare import Batch, batched
from langgraph_alto.gather import gather
from langgraph_alto.gathering.results import Arriving, Failure, Gathered
from langgraph_alto.graph import AltoGraph
from langgraph_alto.infer import ainfer, infer
from langgraph_alto.plan.effects import Effects
from langgraph_alto.streams.declare import Stream
from langgraph_alto.streams.nodes import streaming
from langgraph_alto.trace import Span, Trace, trace
from langgraph_alto.wrap import UnsupportedLangGraphWarning, install, uninstall, wrap

__version__ = "0.1.0"

__all__ = [
    "AltoGraph",
    "Ancestry",
    "Arriving",
    "Batch",
    "Effects",
    "Failure",
    "Frame",
    "Gathered",
    "Span",
    "Stream",
    "Trace",
    "UnsupportedLangGraphWarning",
    "__version__",
    "ainfer",
    "ancestry",
    "batched",
    "gather",
    "infer",
    "install",
    "streaming",
    "trace",
    "uninstall",
    "wrap",
]
