"""What node functions do to the state, found by reading their source.

`analyse_node`, `analyse_router` and `analyse_reducer` interpret a function's
syntax tree abstractly: instead of values, names stand for paths into the state,
objects the code makes, and constants. What is not certain comes out as ``None``,
with the reason. For that to be sound, these things must hold:

- What a name means when the plan is made, it means when the graph runs. Names
  that are ``None`` at that time, that a function declares ``global``, or that
  methods other than the initialiser set, are not relied on.
- Code that is not followed (libraries; objects that are only known at run time)
  changes its arguments only if it is known to, and hands out no part of them
  unless it is known to. Code that may be the user's is assumed to do its worst.
- The annotations of the state are right about the user's classes, and about
  builtin ones where the code uses them as such. What does not fit its annotation
  (a method its class lacks, an abstract one) is taken as if there were none.
- Where no annotation, check or default tells an object's class, its attributes
  count as reads of all of it, its unknown methods as changes of it and of what
  they are passed, and its properties and comparisons as harmless.
- Where nothing tells the class of what is iterated over, subscripted or worked on
  by an operator, that is noted in ``Facts.untold``; the objects are looked at
  before the node runs ahead. Of iterators, files and queues that annotations
  tell, taking from one is a change.
- Slices and copies of objects whose class is not known are like those of lists
  and dicts.
- Nodes share objects through the state only. ``Facts.shares`` and
  ``Facts.sends_share`` say which keys may come to hold the same object.
"""

from langgraph_alto.plan.analysis.targets import (
    RouterFacts,
    analyse_node,
    analyse_reducer,
    analyse_router,
)

__all__ = ["RouterFacts", "analyse_node", "analyse_reducer", "analyse_router"]
