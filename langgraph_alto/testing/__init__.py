"""Testing tools: does a graph do the same under Alto as under LangGraph?"""

from langgraph_alto.testing.check import acheck, check
from langgraph_alto.testing.report import Comparison, Difference, DifferenceError, Report

__all__ = ["Comparison", "Difference", "DifferenceError", "Report", "acheck", "check"]
