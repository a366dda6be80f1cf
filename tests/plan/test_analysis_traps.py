"""Ways to hide what a node does, none of which may be believed."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.errors import GraphBubbleUp, NodeInterrupt
from langgraph.graph import END
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node, analyse_router

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportFunctionMemberAccess=false
# pyright: reportIndexIssue=false, reportOptionalMemberAccess=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportUnusedExpression=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, comparison-overlap, attr-defined"
# mypy: disable-error-code="union-attr, type-arg, misc, arg-type, var-annotated"
# ruff: noqa: PIE804


class Doc(BaseModel):
    text: str = ""
    tags: list[str] = []


@dataclasses.dataclass
class Topic:
    title: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)

    def __iadd__(self, note):
        self.notes.append(note)
        return self

    def __lshift__(self, note):
        self.notes.append(note)


class State(TypedDict):
    docs: list[Doc]
    doc: Doc
    topic: Topic
    meta: dict[str, list[int]]
    name: str
    n: int


CLIENT = None
MODE = "name"
HANDLERS = {"a": lambda s: s["docs"].append(1), "b": lambda s: s["name"]}
SPACE = types.SimpleNamespace()


def set_mode(mode):
    global MODE
    MODE = mode


class Lazy:
    def __init__(self):
        self.llm = None
        self.key = "name"

    def setup(self, llm, key):
        self.llm = llm
        self.key = key

    def answers(self, state):
        return self.llm.invoke(state["name"])

    def keyed(self, state):
        return {"out": state[self.key]}

    def related(self, state):
        return {"out": self.__class__.change(state)}

    @staticmethod
    def change(state):
        state["docs"].append(1)


@functools.singledispatch
def dispatched(value):
    return value


@dispatched.register
def _(value: list):
    value.append(1)


@tool
def tidy(docs: list[Any]) -> str:
    """Tidy up."""
    docs.clear()
    return "done"


def clear(docs):
    docs.clear()


chain = RunnableLambda(lambda parts: clear(parts["docs"]))


class Scorer:
    def __call__(self, doc):
        doc.text = "x"


class Holder:
    def __init__(self, held):
        self.held = held

    def __getattr__(self, name):
        return getattr(self.held, name)

    def __iter__(self):
        return iter(self.held)

    def __enter__(self):
        return self.held

    def __exit__(self, *args):
        self.held.clear()

    def __eq__(self, other):
        return self.held.pop() is other

    __hash__ = None  # type: ignore[assignment]


def a_copy_shares(state):
    doc = state["doc"].model_copy(update={"text": "x"})
    doc.text = "y"
    doc.tags.append("x")


def a_deep_copy_does_not(state):
    doc = state["doc"].model_copy(deep=True)
    doc.tags.append("x")


def a_replacement_shares(state):
    topic = dataclasses.replace(state["topic"], title="x")
    topic.title = "y"
    topic.notes.append("x")


def a_copy_of_a_copy_shares(state):
    copy.copy(copy.copy(state["topic"])).notes.append("x")


def an_operator_of_its_own(state):
    state["topic"] << "x"


def an_augmented_operator_of_its_own(state):
    topic = state["topic"]
    topic += "x"


def a_handler_from_a_table(state):
    HANDLERS[state["name"]](state)


def a_static_method_of_the_class(state):
    return Lazy().related(state)


def a_dispatched_function(state):
    dispatched(state["docs"])


def a_tool(state):
    tidy.invoke({"docs": state["docs"]})


def a_chain(state):
    chain.invoke({"docs": state["docs"]})


def a_callable_object(state):
    return {"out": list(map(Scorer(), state["docs"]))}


def an_object_that_forwards(state):
    Holder(state["docs"]).append(1)


def an_object_that_iterates(state):
    for doc in Holder(state["docs"]):
        doc.text = "x"


def an_object_that_manages(state):
    with Holder(state["docs"]):
        pass


def an_object_that_compares(state):
    return {"out": 1 if Holder(state["docs"]) == 1 else 2}


def an_object_that_someone_compares(state):
    return {"out": [1, 2].index(Holder(state["docs"]))}


def a_namespace(state):
    SPACE.docs = state["docs"]
    SPACE.docs.append(1)


def a_local_class(state):
    class Box:
        pass

    box = Box()
    box.docs = state["docs"]
    box.docs.append(1)


def a_function_attribute(state):
    def box():
        pass

    box.docs = state["docs"]
    box.docs.append(1)


def an_exception(state):
    try:
        raise ValueError(state["docs"])
    except ValueError as problem:
        problem.args[0].append(1)


def a_chained_map(state):
    collections.ChainMap(state["meta"])["x"] = []


def a_default(state):
    def inner(docs=state["docs"]):
        docs.append(1)

    inner()


def a_keyword(state):
    def inner(**parts):
        parts["docs"].append(1)

    inner(**{"docs": state["docs"]})


def a_generator(state):
    def pairs():
        yield from zip(state["docs"], [1], strict=False)

    for doc, _number in pairs():
        doc.text = "x"


def a_class_body(state):
    class Inner:
        state["docs"].append(1)


def a_global(state):
    global CLIENT
    CLIENT = state["docs"]
    CLIENT.append(1)


def an_unbound_method(state):
    list.append(state["docs"], 1)
    Doc.__setattr__(state["doc"], "text", "x")


def a_dictionary_of_methods(state):
    {"add": state["docs"].append}["add"](1)


@pytest.mark.parametrize(
    ("function", "mutates"),
    [
        (a_copy_shares, "doc.tags"),
        (a_deep_copy_does_not, ""),
        (a_replacement_shares, "topic.notes"),
        (a_copy_of_a_copy_shares, "topic.notes"),
        (an_operator_of_its_own, "topic.notes"),
        (an_augmented_operator_of_its_own, "topic"),
        (a_handler_from_a_table, "docs"),
        (a_static_method_of_the_class, "docs"),
        (a_dispatched_function, "docs"),
        (a_tool, "docs"),
        (a_chain, "docs"),
        (a_callable_object, "docs.[].text"),
        (an_object_that_forwards, "docs"),
        (an_object_that_iterates, "docs"),
        (an_object_that_manages, "docs"),
        (an_object_that_compares, "docs"),
        (an_object_that_someone_compares, "docs"),
        (a_namespace, "docs"),
        (a_local_class, "docs"),
        (a_function_attribute, "docs"),
        (an_exception, "docs"),
        (a_chained_map, "meta.x"),
        (a_default, "docs"),
        (a_keyword, "docs"),
        (a_generator, "docs.[].text"),
        (a_class_body, "docs"),
        (a_global, "docs"),
        (an_unbound_method, "docs doc"),
        (a_dictionary_of_methods, "docs"),
    ],
)
def test_changes_in_place_are_found(function: Callable[..., Any], mutates: str) -> None:
    found = analyse_node(function, State)
    assert found.mutates == {tuple(p.split(".")) for p in mutates.split()}, found.doubts


def reads_a_mode(state):
    return {"out": state[MODE]}


def asks_the_client(state):
    return CLIENT.ask(state["name"])


def a_default_dict(state):
    out = collections.defaultdict(list)
    out["x"].append(1)
    return out


def a_counter(state):
    out = collections.Counter(["x"])
    out["y"] += 1
    return out


def a_subclass_of_dict(state):
    class Update(dict):
        pass

    return Update(x=1)


def a_dict_that_is_filled_elsewhere(state):
    out = {}
    for fill in (out.update, lambda **kw: out.update(kw)):
        fill(x=1)
    return out


def a_dict_filled_by_its_items(state):
    out = {}
    setter = out.__setitem__
    setter("x", 1)
    return out


def a_dict_filled_by_map(state):
    out = {}
    list(map(out.setdefault, ["x"], [1]))
    return out


@pytest.mark.parametrize(
    ("function", "writes"),
    [
        (Lazy().answers, None),
        (asks_the_client, None),
        (a_default_dict, None),
        (a_counter, None),
        (a_subclass_of_dict, None),
        (a_dict_that_is_filled_elsewhere, {"x"}),
        (a_dict_filled_by_its_items, {"x"}),
        (a_dict_filled_by_map, {"x"}),
    ],
)
def test_updates_are_understood_or_not(
    function: Callable[..., Any], writes: set[str] | None
) -> None:
    assert analyse_node(function, State).writes == writes


def test_names_that_may_change_are_not_trusted() -> None:
    assert analyse_node(reads_a_mode, State).reads is None
    assert analyse_node(Lazy().keyed, State).reads is None


def interrupts_by_exception(state):
    raise NodeInterrupt("x")


def test_exceptions_that_interrupt() -> None:
    assert analyse_node(interrupts_by_exception, State).interrupts


def moves(state):
    return {"topic": Topic(notes=state["meta"]["x"]), "name": state["name"]}


def doubles(state):
    docs = [Doc()]
    return {"docs": docs, "more": [docs[0]]}


def keeps(state):
    state["topic"].notes = state["meta"]["x"]


def sends(state):
    return Command(goto=[Send("x", {"doc": d, "name": state["name"]}) for d in state["docs"]])


def sends_all(state):
    return [Send("x", dict(state))]


def test_objects_under_two_keys() -> None:
    assert analyse_node(moves, State).shares == {("meta", "topic")}
    assert analyse_node(doubles, State).shares == {("docs", "more")}
    assert analyse_node(keeps, State).shares == {("meta", "topic")}
    assert analyse_node(asks_the_client, State).shares is None
    assert analyse_node(sends, State).sends_share == {"docs"}
    assert analyse_router(sends_all, State).facts.sends_share is None
    assert analyse_node(moves, State).sends_share == frozenset()


def sets_keys(state):
    state["name"] = "x"
    state.update(n=1)
    del state["docs"]


def test_stores_in_the_input_itself() -> None:
    assert analyse_node(sets_keys, State).stores == {"name", "n", "docs"}
    assert analyse_node(moves, State).stores == frozenset()


def test_an_application_installed_beside_its_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "installed_app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text("def push(items):\n    items.append(1)\n")
    (package / "nodes.py").write_text(
        "from installed_app.helpers import push\n\ndef node(state):\n    push(state['docs'])\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    nodes = importlib.import_module("installed_app.nodes")
    try:
        assert analyse_node(nodes.node, State).mutates == {("docs",)}
    finally:
        for name in ("installed_app", "installed_app.helpers", "installed_app.nodes"):
            sys.modules.pop(name, None)


def back_to_the_start(state):
    return Command(goto=END)


def test_modules_imported_by_name() -> None:
    """What is behind a name that is not a library's may do anything with what it gets."""

    def plugin(state, config):
        importlib.import_module(config["configurable"]["plugin"]).change(state["docs"])

    def library(state):
        return {"name": importlib.import_module("json").dumps(state["meta"])}

    assert analyse_node(plugin, State).mutates == {("docs",)}
    assert analyse_node(library, State).mutates == frozenset()


def test_letting_an_interrupt_pass_is_not_asking_for_one() -> None:
    def careful(state):
        try:
            return {"name": state["name"].upper()}
        except GraphBubbleUp:
            raise
        except ValueError:
            return {}

    assert not analyse_node(careful, State).interrupts


def test_tools_of_a_tool_node() -> None:
    @tool
    def look(query: str) -> str:
        """Look something up."""
        return query

    @tool
    def ask(query: str) -> str:
        """Ask somebody."""
        return str(interrupt(query))

    @tool
    def spoil(docs: list[str]) -> str:
        """Change what it is given."""
        docs.append("x")
        return ""

    @tool
    def lead(query: str):
        """Go somewhere."""
        return Command(goto=query)

    facts = analyse_node(ToolNode([look]), State)
    assert facts.reads is None
    assert (facts.writes, facts.goto) == ({"messages"}, frozenset())
    assert facts.mutates == frozenset()
    assert analyse_node(ToolNode([look, lead]), State).goto is None
    assert not facts.interrupts
    assert analyse_node(ToolNode([look, ask]), State).interrupts
    assert analyse_node(ToolNode([spoil]), State).mutates != frozenset()


@pytest.mark.parametrize(
    "dress",
    [
        lambda r: r.with_retry(),
        lambda r: r.with_fallbacks([RunnableLambda(lambda state: {})]),
        lambda r: r.with_config(tags=["x"]),
    ],
)
def test_what_is_behind_a_runnable_of_a_library(dress) -> None:
    def ask(state):
        return {"name": interrupt("?")}

    def spoil(state):
        state["docs"].append(1)
        return {}

    assert analyse_node(dress(RunnableLambda(ask)), State).interrupts
    assert analyse_node(dress(RunnableLambda(spoil)), State).mutates == {("docs",)}


def test_the_end_is_nowhere() -> None:
    assert analyse_node(back_to_the_start, State).goto == frozenset()
