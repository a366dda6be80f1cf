"""Chains of the user's functions hand out what they are given, and the node changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, attr-defined, union-attr, misc"
# mypy: disable-error-code="arg-type, operator, index, call-overload, no-any-return, call-arg"
# mypy: disable-error-code="comparison-overlap"


class State(TypedDict, total=False):
    l: list[Any]  # noqa: E741
    name: str
    docs: list[str]


def same(x):
    return x


async def later(x):
    return x


def unwrap(x):
    return x["l"]


a, b, c = RunnableLambda(same), RunnableLambda(same), RunnableLambda(unwrap)
waits = RunnableLambda(later)
chain = a | b


def piped(state):
    out = (a | b).invoke(state["l"])
    out.append(1)


def piped_out_of_a_mapping(state):
    (a | c).invoke({"l": state["l"]}).append(1)


async def piped_and_awaited(state):
    (await (waits | waits).ainvoke(state["l"])).append(1)


def piped_into_a_function(state):
    (a | same).invoke(state["l"]).append(1)


def piped_into_a_lambda(state):
    (a | (lambda x: x)).invoke(state["l"]).append(1)


def piped_out_of_a_function(state):
    (same | a).invoke(state["l"]).append(1)


def piped_out_of_steps_by_name(state):
    ({"l": a} | c).invoke(state["l"]).append(1)


def piped_into_steps_by_name(state):
    (a | {"l": b}).invoke(state["l"])["l"].append(1)


def piped_through_parallel_steps(state):
    (RunnableParallel(l=RunnablePassthrough()) | c).invoke(state["l"]).append(1)


def piped_into_a_nested_one(state):
    RunnableParallel(l={"x": a}).invoke(state["l"])["l"]["x"].append(1)


def piped_by_method(state):
    a.pipe(b, same).invoke(state["l"]).append(1)


def in_sequence(state):
    RunnableSequence(a, b, a, b, a, c).invoke({"l": state["l"]}).append(1)


def in_a_batch(state):
    (a | b).batch([state["l"]])[0].append(1)


def in_a_stream(state):
    for out in (a | b).stream(state["l"]):
        out.append(1)


def in_transformation(state):
    for out in a.transform(iter([state["l"]])):
        out.append(1)


def for_each(state):
    chain.map().invoke([state["l"]])[0].append(1)


def by_method(state):
    run = (a | b).invoke
    run(state["l"]).append(1)


def with_a_config(state):
    chain.with_config(tags=["x"]).invoke(state["l"]).append(1)


def with_retries(state):
    (a | b).with_retry().invoke(state["l"]).append(1)


def with_fallbacks(state):
    chain.with_fallbacks([a]).invoke(state["l"]).append(1)


def bound(state):
    a.bind().invoke(state["l"]).append(1)


def picked(state):
    (a | RunnablePassthrough()).pick("l").invoke({"l": state["l"]}).append(1)


def passed_through(state):
    RunnablePassthrough().invoke(state["l"]).append(1)


def passed_on(state):
    RunnablePassthrough.assign(z=lambda x: 1).invoke({"l": state["l"]})["l"].append(1)


def assigned(state):
    (RunnablePassthrough.assign(l=c) | c).invoke({"l": state["l"]}).append(1)


def assigned_by_method(state):
    (a | b).assign(z=c).invoke({"l": state["l"]})["z"].append(1)


def changed_by_a_step(state):
    def add(x):
        x.append(1)

    (a | add).invoke(state["l"])


@pytest.mark.parametrize("schema", [State, None])
@pytest.mark.parametrize(
    "node",
    [
        *(piped, piped_out_of_a_mapping, piped_and_awaited, piped_into_a_function),
        *(piped_into_a_lambda, piped_out_of_a_function, piped_out_of_steps_by_name),
        *(piped_into_steps_by_name, piped_through_parallel_steps, piped_into_a_nested_one),
        *(piped_by_method, in_sequence, in_a_batch, in_a_stream, in_transformation, for_each),
        *(by_method, with_a_config, with_retries, with_fallbacks, bound, picked),
        *(passed_through, passed_on, assigned, assigned_by_method, changed_by_a_step),
    ],
)
def test_changes_of_what_a_chain_hands_out(node: Callable[..., Any], schema: object) -> None:
    facts = analyse_node(node, schema)
    assert facts.mutates is None or any(path[:1] == ("l",) for path in facts.mutates)


prompt = ChatPromptTemplate.from_template("{docs} {name}")
model = GenericFakeChatModel(messages=iter(()))


def texts(docs):
    return "\n".join(docs)


def asks(state):
    asked = prompt | model | StrOutputParser()
    words = asked.invoke({"docs": state["docs"], "name": state["name"]}).split()
    words.append("end")
    return {"name": " ".join(words)}


def asks_with_steps(state):
    given = {"docs": RunnableLambda(texts), "name": RunnablePassthrough()}
    asked = given | prompt | model.with_retry() | StrOutputParser()
    return {"name": asked.with_config(tags=["x"]).invoke(state["docs"])}


def asks_what_it_makes(state):
    made = ChatPromptTemplate.from_template("{docs}")
    asked = made | model.bind(stop=["x"]) | (lambda message: message.content)
    return {"name": asked.invoke({"docs": state["docs"]})}


@pytest.mark.parametrize("node", [asks, asks_with_steps, asks_what_it_makes])
def test_chains_with_a_model_change_nothing(node: Callable[..., Any]) -> None:
    facts = analyse_node(node, State)
    assert facts.mutates == frozenset()
    assert facts.writes == {"name"}
    assert facts.goto == frozenset()
    assert facts.reads is not None
    assert facts.reads <= {("docs",), ("name",)}
