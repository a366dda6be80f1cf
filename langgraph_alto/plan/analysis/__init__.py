"""What node functions do to the state, found by reading their source.

`analyse_node`, `analyse_router` and `analyse_reducer` interpret a function's
syntax tree abstractly: instead of values, names stand for paths into the state,
objects the code makes, and constants. The result is sound for ordinary Python,
and says ``None`` with a reason where it is not sure.
"""

from langgraph_alto.plan.analysis.targets import (
    RouterFacts,
    analyse_node,
    analyse_reducer,
    analyse_router,
)

__all__ = ["RouterFacts", "analyse_node", "analyse_reducer", "analyse_router"]
