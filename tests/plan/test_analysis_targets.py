"""All the things that can be a node, and finding the source of each."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough, chain
from langgraph.graph import StateGraph
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node
from langgraph_alto.plan.analysis.source import source_of

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportFunctionMemberAccess=false
# pyright: reportIndexIssue=false, reportOptionalMemberAccess=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportUnusedExpression=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, comparison-overlap"


class State(TypedDict):
    docs: list[str]
    name: str


class Answer:
    key = "name"

    def __init__(self, out, llm=None):
        self.out = out
        self.llm = llm
        self.step = "docs"

    def node(self, state):
        return {self.out: self.llm.invoke(state[self.key])}

    def stepping(self, state):
        self.step = "name"
        return {"out": state[self.step]}

    def __call__(self, state):
        return self.node(state)

    @staticmethod
    def still(state):
        return {"out": state["name"]}

    @classmethod
    def classy(cls, state):
        return {"out": state[cls.key]}


class Louder(Answer):
    def node(self, state):
        return {**super().node(state), "loud": state["docs"]}


class AsyncAnswer:
    async def __call__(self, state):
        return {"out": state["name"]}


class Duck:
    """Looks like LangGraph's runnable, and is none."""

    def __init__(self, func=None, afunc=None):
        self.func = func
        self.afunc = afunc


def plain(state):
    return {"out": state["name"]}


async def aplain(state):
    return {"out": state["name"]}


def other(state):
    return {"other": state["docs"]}


def keyed(key, state, *, extra="docs"):
    return {"out": [state[key], state[extra]]}


def passing(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return fn(*args, **kwargs)

    return wrapper


def adding(fn):
    @functools.wraps(fn)
    def wrapper(state):
        result = fn(state)
        result["added"] = state["docs"]
        return result

    return wrapper


def with_argument(key):
    def decorate(fn):
        async def wrapper(state, *rest, **kwargs):
            return {key: await fn(state, *rest, **kwargs)}

        return wrapper

    return decorate


@passing
@adding
@passing
def decorated(state):
    return {"out": state["name"]}


@with_argument("made")
async def decorated_with_argument(state, config):
    return state["name"]


@chain
def chained(state):
    return {"out": state["name"]}


prompt = ChatPromptTemplate.from_messages(
    [("human", "{name}"), MessagesPlaceholder("docs", optional=True)]
)
llm = GenericFakeChatModel(messages=iter([AIMessage("x")]))


@pytest.mark.parametrize(
    ("target", "reads", "writes"),
    [
        (plain, {"name"}, {"out"}),
        (aplain, {"name"}, {"out"}),
        (lambda s: {"out": s["docs"]}, {"docs"}, {"out"}),
        (functools.partial(keyed, "name"), {"name", "docs"}, {"out"}),
        (functools.partial(keyed, "name", extra="name"), {"name"}, {"out"}),
        (Answer("made").node, {"name"}, {"made"}),
        (Answer("made"), {"name"}, {"made"}),
        (Louder("made"), {"name", "docs"}, {"made", "loud"}),
        (AsyncAnswer(), {"name"}, {"out"}),
        (Answer.still, {"name"}, {"out"}),
        (Answer.classy, {"name"}, {"out"}),
        (Answer("x").classy, {"name"}, {"out"}),
        (Answer("x").stepping, None, {"out"}),
        (Duck(plain, aplain), {"name"}, {"out"}),
        (Duck(plain, other), {"name", "docs"}, {"out", "other"}),
        (Duck(afunc=aplain), {"name"}, {"out"}),
        (decorated, {"name", "docs"}, {"out", "added"}),
        (decorated_with_argument, {"name"}, {"made"}),
        (chained, {"name"}, {"out"}),
        (RunnableLambda(plain), {"name"}, {"out"}),
        (RunnableLambda(plain, aplain), {"name"}, {"out"}),
        (prompt | llm | (lambda m: {"out": m}), {"name", "docs"}, {"out"}),
        (prompt | llm | StrOutputParser(), {"name", "docs"}, None),
        (RunnableLambda(plain) | (lambda s: {"more": s["out"]}), {"name"}, {"more"}),
        (RunnableParallel(a=itemgetter("name"), b=other), {"name", "docs"}, {"a", "b"}),
        (
            RunnableParallel(name=itemgetter("docs")) | prompt | llm | (lambda m: {"out": m}),
            {"docs"},
            {"out"},
        ),
        (RunnablePassthrough.assign(out=itemgetter("name")), None, None),
        (RunnablePassthrough(), None, None),
        (itemgetter("name"), {"name"}, None),
        (llm, None, None),
        (llm.invoke, None, None),
        (len, None, set()),
        (print, None, set()),
        ("nonsense", None, None),
        (None, None, None),
    ],
)
def test_targets(target: object, reads: set[str] | None, writes: set[str] | None) -> None:
    facts = analyse_node(target, State)
    assert facts.reads == (None if reads is None else {(name,) for name in reads}), facts.doubts
    assert facts.writes == writes, facts.doubts


@pytest.mark.parametrize("function", [plain, aplain, decorated, decorated_with_argument])
def test_what_langgraph_makes_of_a_function(function: Callable[..., Any]) -> None:
    builder = StateGraph(State)
    builder.add_node("x", function)
    builder.set_entry_point("x")
    graph = builder.compile()
    direct = analyse_node(function, State)
    assert analyse_node(builder.nodes["x"].runnable, State) == direct
    assert analyse_node(graph.nodes["x"].bound, State) == direct


def test_a_graph_as_a_node_is_opaque() -> None:
    builder = StateGraph(State)
    builder.add_node("x", plain)
    builder.set_entry_point("x")
    facts = analyse_node(builder.compile(name="inner"))
    assert facts.reads is None
    assert facts.writes is None
    assert any("inner" in doubt.why for doubt in facts.doubts)


# fmt: off
# ruff: noqa: E501
same_line = [lambda s: {"a": s["name"]}, lambda s: {"b": s["docs"]}, lambda s: (lambda t: {"c": t["n"]})(s)]
twins = (lambda s: {"a": s["name"]}, lambda s: {"a": s["name"]}, lambda t: {"z": t["docs"]})
nested = (lambda: lambda s: {"in": s["docs"]})()
# fmt: on


def test_lambdas_on_one_line_are_told_apart() -> None:
    found = [analyse_node(f, State) for f in (*same_line, *twins, nested)]
    assert [f.writes for f in found] == [{"a"}, {"b"}, {"c"}, {"a"}, {"a"}, {"z"}, {"in"}]
    assert found[1].reads == {("docs",)}


def test_code_made_by_exec_is_not_known() -> None:
    scope: dict[str, Any] = {}
    exec("def node(state): return {'a': state['b']}", scope)
    facts = analyse_node(scope["node"], State)
    assert facts.reads is facts.writes is facts.mutates is facts.goto is None
    assert {d.fact for d in facts.doubts} >= {"reads", "writes", "mutates", "goto"}


def test_code_under_a_false_file_name_is_not_known() -> None:
    text = "\n" * (plain.__code__.co_firstlineno - 1)
    text += "def plain(state):\n    return {'out': state['docs'], 'x': unheard_of}\n"
    scope: dict[str, Any] = {}
    exec(compile(text, __file__, "exec"), scope)
    assert source_of(scope["plain"]) is None
    assert analyse_node(scope["plain"], State).reads is None


def test_a_file_that_changed_after_import_is_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("def node(state):\n    return {'a': state['name']}\n")
    scope: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    file.write_text("\n\n\ndef node(other):\n    return {'b': other['docs']}\n")
    linecache.checkcache(str(file))
    assert analyse_node(scope["node"], State).writes is None


def test_source_registered_by_a_notebook_is_found() -> None:
    text = "def node(state):\n    return {'a': state['name']}\n"
    linecache.cache["<cell 1>"] = (len(text), None, text.splitlines(keepends=True), "<cell 1>")
    scope: dict[str, Any] = {}
    exec(compile(text, "<cell 1>", "exec"), scope)
    assert analyse_node(scope["node"], State).writes == {"a"}


class Hostile:
    """Raises whenever it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_nothing_raises() -> None:
    for target in (Hostile(), Hostile, object(), type, 3, [], analyse_node):
        analyse_node(target, State)
        analyse_node(target, Hostile())
    assert analyse_node(Hostile()).reads is None


def test_huge_functions_are_given_up() -> None:
    body = "".join(
        f"    x{i} = [state['k{{j}}'] for j in range(3)] + x{i - 1}\n" for i in range(1, 9000)
    )
    text = f"def node(state):\n    x0 = []\n{body}    return {{'a': x0}}\n"
    linecache.cache["<huge>"] = (len(text), None, text.splitlines(keepends=True), "<huge>")
    scope: dict[str, Any] = {"j": 1}
    exec(compile(text, "<huge>", "exec"), scope)
    facts = analyse_node(scope["node"])
    assert facts.reads is None
    assert any("too large" in d.why or "origins" in d.why for d in facts.doubts)
