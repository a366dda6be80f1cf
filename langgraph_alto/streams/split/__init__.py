"""Splitters: when a piece of a growing text is complete, and what to show of it.

While a model writes the text of a state key, the graph's own router is shown the part
of it that can no longer change. A splitter says which part that is::

    fed      The first claim. The sec | ond one. And a th | ird.
    pieces                            | The first claim.  | The second one.
    shown                             | The first claim.  | The first claim. The second one.

It is fed chunks, whose borders mean nothing: the pieces are those of the text fed as
one chunk. What it costs is linear in the text, however finely it comes.
"""

from langgraph_alto.streams.split.base import Factory, Splitter
from langgraph_alto.streams.split.elements import element
from langgraph_alto.streams.split.functions import by_function
from langgraph_alto.streams.split.lines import item, line
from langgraph_alto.streams.split.names import splitter
from langgraph_alto.streams.split.sentences import sentence
from langgraph_alto.streams.split.tool_calls import ToolCalls

__all__ = [
    "Factory",
    "Splitter",
    "ToolCalls",
    "by_function",
    "element",
    "item",
    "line",
    "sentence",
    "splitter",
]
