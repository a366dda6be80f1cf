"""Who is refused what is not certain, and who is shown what is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.callbacks.manager import handle_event

from langgraph_alto.engine.partial import Misprediction, PartialDict


def partial() -> PartialDict:
    return PartialDict("node", {"known": 1}, frozenset({"unsure"}))


class Looks(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **_: Any) -> None:
        self.seen += [dict(inputs), copy.deepcopy(inputs), inputs.get("unsure"), len(inputs)]


def test_a_callback_handler_is_shown_what_is_certain() -> None:
    state, handler = partial(), Looks()
    CallbackManager([handler]).on_chain_start({}, state.target)
    assert handler.seen == [{"known": 1}, {"known": 1}, None, 1]
    assert not state.refused
    assert "unsure" not in state.read


def below(module: str, read: Any) -> Any:
    """Call ``read`` from a function of another module."""
    names: dict[str, Any] = {"__name__": module, "read": read}
    exec("def call():\n    return read()", names)
    return names["call"]()


def test_a_tracer_that_serialises_in_its_own_code() -> None:
    state = partial()
    names: dict[str, Any] = {"__name__": "langsmith._internal", "state": state.target}
    exec("def look():\n    return list(state.items())", names)
    assert names["look"]() == [("known", 1)]
    assert not state.refused


@pytest.mark.parametrize("module", ["langsmith.run_helpers", "anything"])
def test_a_node_below_a_tracers_decorator_is_refused(module: str) -> None:
    state = partial()
    with pytest.raises(Misprediction):
        below(module, lambda: list(state.target))
    with pytest.raises(Misprediction):
        below(module, lambda: state.target["unsure"])
    assert state.refused


def test_another_function_of_the_callback_module_is_nobody() -> None:
    state = partial()
    assert handle_event.__module__ == "langchain_core.callbacks.manager"
    with pytest.raises(Misprediction):
        below("langchain_core.callbacks.manager", lambda: dict(state.target))
