"""Changes in place of what a library call kept, handed back or passed on."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import queue
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableBranch, RunnableLambda, RunnableParallel
from pydantic import BaseModel
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, attr-defined, union-attr, misc"
# mypy: disable-error-code="comparison-overlap, arg-type, var-annotated, type-arg, no-any-return"


class State(TypedDict, total=False):
    l: list  # noqa: E741
    a: Any
    name: str


class Model(BaseModel):
    x: Any


def same(x):
    return x


async def later(x):
    return x


def add(x):
    x.append(1)
    return x


VARIABLE = contextvars.ContextVar[Any]("VARIABLE")
adding = RunnableLambda(add)
mapped = adding.map()
branch = RunnableBranch((lambda x: True, adding), RunnableLambda(same))


async def in_an_executor(state):
    (await asyncio.get_running_loop().run_in_executor(None, same, state["l"])).append(1)


async def waited_for(state):
    done, _ = await asyncio.wait([asyncio.create_task(later(state["l"]))])
    for task in done:
        task.result().append(1)


async def in_a_future(state):
    future = asyncio.get_running_loop().create_future()
    future.set_result(state["l"])
    (await future).append(1)


def in_a_context(state):
    contextvars.copy_context().run(same, state["l"]).append(1)


def in_a_variable(state):
    VARIABLE.set(state["l"])
    VARIABLE.get().append(1)


def in_a_queue(state):
    waiting = queue.SimpleQueue()
    waiting.put(state["l"])
    waiting.get().append(1)


def in_a_user_list(state):
    collections.UserList([state["l"]])[0].append(1)


def returned_by_a_generator(state):
    def inner():
        yield 1
        return state["l"]

    def outer():
        found = yield from inner()
        found.append(1)

    list(outer())


def sent_to_a_generator(state):
    def sink():
        while True:
            (yield).append(1)

    generator = sink()
    next(generator)
    generator.send(state["l"])


def in_a_local_namedtuple(state):
    pair = collections.namedtuple("pair", "x")
    pair(state["l"]).x.append(1)


def in_a_local_namedtuple_of_listed_names(state):
    pair = collections.namedtuple("pair", ["x", "y"])
    pair(state["l"], 1).x.append(1)


def in_an_instance_of_a_local_class(state):
    class Holder:
        held = state["l"]

    Holder().held.append(1)


def in_a_class_body(state):
    class Holder:
        held = state["l"]

    Holder.held.append(1)


def constructed(state):
    Model.model_construct(x=state["l"]).x.append(1)


def validated(state):
    Model.model_validate({"x": state["l"]}).x.append(1)


def chained(state):
    (RunnableLambda(same) | RunnableLambda(same)).invoke(state["l"]).append(1)


def in_parallel(state):
    RunnableParallel(z=RunnableLambda(same)).invoke(state["l"])["z"].append(1)


def branched(state):
    branch.invoke(state["l"])


def each_of_them(state):
    mapped.invoke([state["l"]])


def in_a_batch(state):
    adding.batch([state["l"]])


async def in_an_asynchronous_batch(state):
    await adding.abatch(inputs=[state["l"]])


@pytest.mark.parametrize(
    "node",
    [
        *(in_an_executor, waited_for, in_a_future, in_a_context, in_a_variable, in_a_queue),
        *(in_a_user_list, returned_by_a_generator, sent_to_a_generator, in_a_local_namedtuple),
        *(in_a_local_namedtuple_of_listed_names, in_an_instance_of_a_local_class),
        *(in_a_class_body, constructed, validated, chained, in_parallel),
        *(branched, each_of_them, in_a_batch, in_an_asynchronous_batch),
    ],
)
def test_changes_through_what_was_handed_back(node: Callable[..., Any]) -> None:
    facts = analyse_node(node, State)
    assert facts.mutates is None or any(path[:1] == ("l",) for path in facts.mutates)


ARRAYS = (
    "a = np.asarray(state['a'])\na += 1",
    "a = np.reshape(state['a'], (-1,))\na += 1",
    "a = np.squeeze(state['a'])\na += 1",
    "a = np.atleast_2d(state['a'])\na[0] = 5",
    "x, y = np.split(state['a'], 2)\nx += 7",
    "np.add.at(state['a'], [0], 5)",
    "np.put_along_axis(state['a'], np.array([0]), 9, 0)",
)


@pytest.mark.parametrize("change", ARRAYS)
def test_changes_of_arrays_through_windows_on_them(change: str, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    file = tmp_path / "node.py"
    file.write_text(f"def node(state):\n{textwrap.indent(change, '    ')}\n")
    names: dict[str, Any] = {"np": numpy, "__name__": "node"}
    exec(compile(file.read_text(), str(file), "exec"), names)
    facts = analyse_node(names["node"], State)
    assert facts.mutates is None or any(path[:1] == ("a",) for path in facts.mutates)


class Numbers(TypedDict):
    vector: list[float]
    name: str


def measures(state):
    numpy = pytest.importorskip("numpy")
    vector = numpy.asarray(state["vector"])
    vector += 1
    return {"name": str(vector)}


def batches(state):
    return {"name": "".join(x.strip() for x in RunnableLambda(str).batch([state["name"]]))}


def test_what_is_copied_is_not_changed() -> None:
    for node in (measures, batches):
        facts = analyse_node(node, Numbers)
        assert facts.mutates == frozenset()
        assert facts.writes == {"name"}


def asks_for_the_type(state):
    return {"name": type(state).__name__}


def asks_for_the_type_of_a_part(state):
    return {"name": type(state["a"]).__name__}


def test_the_type_of_the_state_is_asked_for() -> None:
    assert analyse_node(asks_for_the_type, State).reads is None
    assert analyse_node(asks_for_the_type_of_a_part, State).reads == {("a",)}
