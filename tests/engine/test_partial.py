"""A dict state with keys missing behaves as the whole one, or refuses on the spot."""

from __future__ import annotations

import contextlib
import copy
import json
import operator
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda

from langgraph_alto.engine.partial import Misprediction, PartialDict, PartialState
from langgraph_alto.plan.analysis import analyse_node

WHOLE = {"a": 1, "b": [2], "u": 3}
"""LangGraph's own state. ``u`` and ``v`` are not certain, ``c`` is certain to be absent."""

UNSURE = frozenset("uv")


def partial() -> PartialDict:
    known = {key: value for key, value in WHOLE.items() if key not in UNSURE}
    return PartialDict("n", known, UNSURE)


def spread(**keys: Any) -> dict[str, Any]:
    return keys


def matched(state: Any) -> Any:
    match state:
        case dict() as whole:
            return whole["a"]


def keyed(state: Any) -> Any:
    match state:
        case {"a": value}:
            return value


KEYED: dict[str, Callable[[Any, str], Any]] = {
    "[]": lambda state, key: state[key],
    "get": lambda state, key: state.get(key),
    "get default": lambda state, key: state.get(key, "default"),
    "in": lambda state, key: key in state,
    "not in": lambda state, key: key not in state,
    "pop": lambda state, key: state.pop(key),
    "pop default": lambda state, key: state.pop(key, "default"),
    "setdefault": lambda state, key: state.setdefault(key, "default"),
    "del": lambda state, key: operator.delitem(state, key),
    "itemgetter": lambda state, key: operator.itemgetter(key)(state),
    "format_map": lambda state, key: f"{{{key}}}".format_map(state),
    "%": lambda state, key: f"%({key})s" % state,
}
"""Reads of one key."""

ALL: dict[str, Callable[[Any], Any]] = {
    "iter": lambda state: list(state),
    "reversed": lambda state: list(reversed(state)),
    "len": len,
    "bool": bool,
    "keys": lambda state: list(state.keys()),
    "values": lambda state: list(state.values()),
    "items": lambda state: list(state.items()),
    "dict": dict,
    "{**}": lambda state: {**state},
    "f(**)": lambda state: spread(**state),
    "| right": lambda state: state | {"z": 1},
    "| left": lambda state: {"z": 1} | state,
    "|= left": lambda state: dict.__ior__({"z": 1}, state),
    "update of another": lambda state: {"z": 1}.update(state),
    "==": lambda state: state == WHOLE,
    "== left": lambda state: state == WHOLE,
    "!=": lambda state: state != WHOLE,
    "repr": repr,
    "str": str,
    "format": lambda state: f"{state}",
    "json": json.dumps,
    "json indented": lambda state: json.dumps(state, indent=1),
    "deepcopy": copy.deepcopy,
    "pickle": lambda state: pickle.loads(pickle.dumps(state)),
    "sorted": sorted,
    "popitem": lambda state: state.popitem(),
    "isinstance and copy": lambda state: dict(state.copy()),
}
"""Reads of the state as a whole."""


def outcome(read: Callable[..., Any], *args: Any) -> Any:
    """What a read gives, or what it raises."""
    try:
        return read(*args)
    except Exception as error:  # noqa: BLE001  -- whatever a dict raises
        return type(error), error.args


@pytest.mark.parametrize("read", KEYED.values(), ids=KEYED)
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_certain_keys(read: Callable[[Any, str], Any], key: str) -> None:
    """Also those that are certain to be absent, down to the words of the error."""
    target = partial().target
    assert outcome(read, target, key) == outcome(read, dict(WHOLE), key)


@pytest.mark.parametrize("read", KEYED.values(), ids=KEYED)
@pytest.mark.parametrize("key", ["u", "v"])
def test_other_keys(read: Callable[[Any, str], Any], key: str) -> None:
    """Whether there is such a key is not certain either."""
    with pytest.raises(Misprediction, match=f"node 'n' read the key '{key}'"):
        read(partial().target, key)


@pytest.mark.parametrize("read", ALL.values(), ids=ALL)
def test_the_whole(read: Callable[[Any], Any]) -> None:
    with pytest.raises(Misprediction, match="node 'n' read its whole state; not certain yet: u, v"):
        read(partial().target)


@pytest.mark.parametrize("read", ALL.values(), ids=ALL)
def test_the_whole_once_complete(read: Callable[[Any], Any]) -> None:
    state = partial()
    state.complete(WHOLE)
    assert outcome(read, state.target) == outcome(read, dict(WHOLE))


def test_it_is_a_dict() -> None:
    target = partial().target
    assert isinstance(target, dict)
    assert isinstance(target, Mapping)
    with pytest.raises(TypeError, match="unhashable"):
        hash(target)
    assert matched(target) == 1


def test_a_mapping_pattern_asks_how_many_keys_there_are() -> None:
    """So it reads the whole, whatever its keys; the analysis must say so, or it runs twice."""
    with pytest.raises(Misprediction, match="whole state"):
        keyed(partial().target)
    facts = analyse_node(RunnableLambda(keyed), None)
    assert facts.reads is None


def test_nodes_cannot_catch_a_misprediction() -> None:
    """``except Exception`` around a read is the node's own business, and goes on."""
    caught = False
    try:
        try:
            partial().target["u"]
        except Exception:  # noqa: BLE001  -- what a node may do
            caught = True
    except Misprediction:
        pass
    assert not caught


def test_a_refusal_is_noted() -> None:
    """A bare ``except`` does keep the misprediction from the engine."""
    state = partial()
    twin = state.target.copy()
    before = state.refused
    with contextlib.suppress(BaseException):
        twin["u"]
    assert (before, state.refused) == (False, True)


def test_reads_are_noted() -> None:
    """The keys by which the run is compared with LangGraph's task."""
    state = partial()
    state.target["a"]
    state.target.get("c")
    assert state.read == {"a", "c"}
    state.complete(WHOLE)
    list(state.target)
    assert state.read == {"a", "b", "c", "u"}


ASSIGN: dict[str, Callable[[Any], Any]] = {
    "[]=": lambda state: operator.setitem(state, "u", 9),
    "update": lambda state: state.update({"u": 9}),
    "update keyword": lambda state: state.update(u=9),
    "update pairs": lambda state: state.update([("u", 9)]),
    "|=": lambda state: state.__ior__({"u": 9}),
}


@pytest.mark.parametrize("assign", ASSIGN.values(), ids=ASSIGN)
def test_what_the_node_sets_is_certain_to_it(assign: Callable[[Any], Any]) -> None:
    state = partial()
    assign(state.target)
    assert state.target["u"] == 9
    with pytest.raises(Misprediction):
        state.target["v"]
    state.complete({**WHOLE, "v": 4})
    assert state.target == {"a": 1, "b": [2], "u": 9, "v": 4}, "its own value stays"


def test_clear() -> None:
    state = partial()
    state.target.clear()
    assert state.target == {}
    state.complete(WHOLE)
    assert state.target == {}


def test_a_copy_is_as_partial() -> None:
    """What is set in a copy is certain there only; its reads count as the node's."""
    state = partial()
    for twin in (state.target.copy(), copy.copy(state.target)):
        assert isinstance(twin, PartialState)
        twin["u"] = 9
        assert twin["u"] == 9
        assert twin["a"] == 1
        with pytest.raises(Misprediction):
            state.target["u"]
        with pytest.raises(Misprediction):
            twin["v"]
    assert "a" in state.read


def test_a_copy_shares_values_as_any_copy_does() -> None:
    state = partial()
    state.target.copy()["b"].append(3)
    assert state.target["b"] == [2, 3]


def test_complete_brings_absent_keys_too() -> None:
    state = partial()
    state.complete(WHOLE)
    assert "v" not in state.target
    assert state.target == WHOLE


KEYS = st.sampled_from("abcuv")
STEPS = st.lists(
    st.tuples(st.sampled_from(list(KEYED)), KEYS)
    | st.tuples(st.just("set"), KEYS)
    | st.tuples(st.sampled_from(["copy", "clear", *ALL]), st.just("")),
    max_size=8,
)


@settings(max_examples=300)
@given(STEPS, st.sets(KEYS), st.sets(KEYS))
def test_as_the_whole_dict(
    steps: list[tuple[str, str]], present: set[str], unsure: set[str]
) -> None:
    """Whatever a node does to its state: the same, until it is refused for a reason."""
    whole: Any = {key: ord(key) for key in sorted(present)}
    real = dict(whole)
    state = PartialDict("n", {k: v for k, v in whole.items() if k not in unsure}, frozenset(unsure))
    target: Any = state.target
    left = set(unsure)
    for step, key in steps:
        if step == "set":
            whole[key] = target[key] = "set"
            left.discard(key)
            continue
        if step == "copy":
            whole, target = whole.copy(), target.copy()
            continue
        if step == "clear":
            whole.clear()
            target.clear()
            left.clear()
            continue
        do, args = (KEYED[step], (key,)) if key else (ALL[step], ())
        if key in left or (not key and left):
            # Nothing known at all looks empty to the encoder, which does not ask.
            if step.startswith("json") and not dict.__len__(target):
                return
            with pytest.raises(Misprediction):
                do(target, *args)
            return
        # A key that a node has set, not yet certain, stands last and not where it would.
        if step == "popitem" and list(target) != list(whole):
            return
        ours, theirs = outcome(do, target, *args), outcome(do, whole, *args)
        assert _bag(ours) == _bag(theirs)
    if target is state.target:
        state.complete(real)
        assert target == whole


def _bag(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return sorted(map(repr, value))
    if isinstance(value, str):
        return sorted(value)
    return value
