"""NumPy's arrays: which of them are windows on others."""

from __future__ import annotations

import ast

from langgraph_alto.plan.analysis import hints
from langgraph_alto.plan.analysis.machine import Machine
from langgraph_alto.plan.analysis.values import NOTHING, Args, Ref, Value

_WINDOWS = frozenset(
    """
    asarray asanyarray ascontiguousarray asfortranarray asarray_chkfinite require reshape ravel
    squeeze expand_dims atleast_1d atleast_2d atleast_3d transpose matrix_transpose permute_dims
    swapaxes moveaxis rollaxis flip fliplr flipud rot90 broadcast_to diagonal diag real imag
    nan_to_num
    """.split()
)
_SPLITS = frozenset("split array_split hsplit vsplit dsplit broadcast_arrays unstack".split())


def windows(machine: Machine, name: tuple[str, str], args: Args, node: ast.AST) -> Value:
    """Arrays that NumPy's functions return, and that share the data of their arguments."""
    if name[0].partition(".")[0] != "numpy" or name[1] not in _WINDOWS | _SPLITS:
        return NOTHING
    several = name[1].startswith(("atleast", "broadcast"))
    # Of a list, NumPy makes a copy.
    arrays = frozenset(
        a
        for value in (*(args.pos if several else args.pos[:1]), args.star)
        for a in value
        if isinstance(a, Ref) and not hints.is_builtin(a.hint) and not hints.is_scalar(a.hint)
    )
    if arrays and name[1] in _SPLITS:
        return machine.container("list", node, arrays, "windows")
    return arrays
