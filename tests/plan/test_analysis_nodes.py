"""Small node functions and exactly what analysis says of them."""

from __future__ import annotations

import asyncio
import bisect
import copy
import functools
import heapq
import json
import operator
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from langgraph.config import get_store
from langgraph.func import task
from langgraph.graph import END
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from langgraph_alto.plan.analysis import analyse_node
from langgraph_alto.plan.effects import Path

# These functions are material: some are written the way no one should.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportFunctionMemberAccess=false
# pyright: reportIndexIssue=false, reportOptionalMemberAccess=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportUnusedExpression=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg, attr-defined, arg-type"
# mypy: disable-error-code="comparison-overlap"
# ruff: noqa: B007, B905, C406, C408, C416, C417, C420, F841, PERF102, PERF401
# ruff: noqa: RUF005, RUF059, T201


class Doc(BaseModel):
    text: str = ""
    score: float = 0.0
    tags: list[str] = []

    def rename(self, text):
        self.text = text

    def words(self):
        return self.text.split()

    @property
    def loud(self):
        return self.text.upper()


class Checked(BaseModel):
    model_config = ConfigDict(validate_assignment=True)
    name: str = ""
    other: str = ""


@dataclass
class Topic:
    title: str = ""
    notes: list[Doc] = field(default_factory=list)
    meta: dict[str, int] = field(default_factory=dict)

    def add(self, note):
        self.notes.append(note)

    def first(self):
        return self.notes[0]

    def __len__(self):
        return len(self.notes)


class Slippery:
    """Sees every attribute access."""

    known: int = 0

    def __getattr__(self, name):
        return name


class Base:
    def touch(self):
        return 1


class Derived(Base):
    seen: list

    def touch(self):
        self.seen.append(1)


class State(TypedDict):
    docs: list[Doc]
    topic: Topic
    meta: dict[str, list[int]]
    name: str
    n: int
    doc: Doc
    maybe: Topic | None
    checked: Checked
    slippery: Slippery
    base: Base
    any: Any
    either: Doc | Topic


class Model(BaseModel):
    docs: list[Doc] = []
    topic: Topic = Topic()
    name: str = ""
    n: int = 0

    def shout(self):
        return self.name.upper()

    @property
    def first_doc(self):
        return self.docs[0]

    def bump(self):
        self.topic.title = "x"


@dataclass
class Data:
    docs: list[Doc]
    name: str = ""


KEY = "docs"
KEYS = ("name", "n")
TABLE = {"a": "name", "b": "n"}
LOG: list = []


def helper(state):
    return state["name"]


def update_of(name):
    return {"name": name}


def push(items, item):
    items.append(item)


def deep(state, depth):
    return deep(state, depth - 1) if depth else state["n"]


def endless(state):
    return endless(state)


def everything(state):
    return json.dumps(state)


def build(**parts):
    return {**parts, "built": True}


def swap(first, second):
    return second, first


def keyed(state, key="name"):
    return state[key]


def numbers(state):
    for doc in state["docs"]:
        yield doc.score


async def fetch(doc):
    await asyncio.sleep(0)
    return doc.text


@task
def a_task(x):
    return x


CASES: list[Any] = []
UNSET = object()


def case(
    *,
    reads: str | object | None = UNSET,
    writes: str | object | None = UNSET,
    mutates: str | object | None = "",
    goto: str | object | None = "",
    schema: object = State,
    **flags: bool,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Expect exactly these facts; words separate, ``None`` is unknown, unset is not checked."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        expected = {"reads": reads, "writes": writes, "mutates": mutates, "goto": goto}
        CASES.append(pytest.param(function, schema, expected, flags, id=function.__name__))
        return function

    return register


def paths(words: str) -> frozenset[Path]:
    return frozenset(tuple(word.split(".")) for word in words.split())


# -- reads ------------------------------------------------------------------------


@case(reads="name", writes="out")
def reads_a_key(state):
    return {"out": state["name"]}


@case(reads="docs name n", writes="out")
def reads_in_many_ways(state):
    out = state.get("docs") or []
    if "name" in state:
        out = out + [state.get("n", 0)]
    return {"out": out}


@case(reads="docs", writes="")
def reads_a_key_without_using_it(state):
    state["docs"]


@case(reads="docs name n", writes="out")
def reads_constant_names(state):
    key = "docs"
    out = [state[key], state[KEY]]
    for each in KEYS:
        out.append(state[each])
    return {"out": out}


@case(reads="name n", writes="out")
def reads_through_a_real_table(state):
    return {"out": [state[TABLE["a"]], *(state[k] for k in TABLE.values())]}


@case(reads="name n", writes="out")
def reads_names_that_are_built(state):
    return {"out": [state["na" + "me"], state[f"{'n'}"]]}


@case(reads=None, writes="out")
def reads_a_computed_key(state):
    return {"out": state[input()]}


@case(reads="topic.title", writes="out")
def reads_an_attribute(state):
    return {"out": state["topic"].title}


@case(reads="topic.title topic.notes", writes="out")
def reads_attributes_through_a_name(state):
    topic = state["topic"]
    size = len(topic.notes)
    return {"out": (topic.title, size)}


@case(reads="topic", writes="out")
def reads_all_of_what_escapes(state):
    topic = state["topic"]
    print(topic)
    return {"out": topic.title}


@case(reads="topic", writes="out")
def reads_all_of_what_is_formatted(state):
    return {"out": f"{state['topic']} {state['topic'].title}"}


@case(reads="topic", writes="topic")
def reads_all_of_what_is_returned(state):
    return {"topic": state["topic"]}


@case(reads="meta.sizes", writes="out")
def reads_an_item_of_an_item(state):
    return {"out": sum(state["meta"]["sizes"])}


@case(reads="meta", writes="out")
def reads_a_computed_item(state):
    return {"out": state["meta"][input()]}


@case(reads="doc.text", writes="out")
def follows_a_property(state):
    return {"out": state["doc"].loud}


@case(reads="doc.text", writes="out")
def follows_a_method(state):
    return {"out": len(state["doc"].words())}


@case(reads="topic", writes="out")
def a_special_method_may_look_at_anything(state):
    return {"out": len(state["topic"])}


@case(reads="slippery", writes="out")
def getattr_hooks_hide_what_is_read(state):
    return {"out": state["slippery"].known}


@case(reads="any", writes="out")
def attributes_of_anything_may_be_properties(state):
    return {"out": state["any"].name}


@case(reads="maybe.title", writes="out")
def optional_is_looked_through(state):
    return {"out": state["maybe"].title if state["maybe"] is not None else None}


@case(reads="maybe", writes="out")
def truth_may_call_len(state):
    return {"out": state["maybe"].title if state["maybe"] else None}


@case(reads="either", writes="out")
def unions_that_differ_are_unknown(state):
    return {"out": state["either"].text}


@case(reads="name docs", writes="out")
def walrus_and_unpacking(state):
    if (name := state["name"]) and (docs := state.get("docs")):
        first, *rest = docs
        a, b = name, rest
        return {"out": (a, b, first)}
    return None


@case(reads="docs n", writes="out")
def comprehensions_have_their_own_names(state):
    state_ = [state for state in state["docs"]]
    return {"out": state_ + [state["n"]]}


@case(reads="docs name", writes="out")
def inner_functions_capture_the_state(state):
    def inner():
        return state["name"]

    return {"out": [inner(), (lambda s=state: s["docs"])()]}


@case(reads="name n", writes="out")
def captured_names_change_later(state):
    def inner():
        return state[key]

    key = "name"
    out = inner()
    key = "n"
    return {"out": (out, inner())}


@case(reads="name", writes="name")
def helpers_are_followed(state):
    return update_of(helper(state))


@case(reads="n", writes="out")
def recursion_ends(state):
    return {"out": deep(state, 3)}


@case(reads="", writes="out")
def recursion_without_end(state):
    return {"out": endless(state)}


@case(reads=None, writes="out")
def a_helper_passes_the_state_on(state):
    return {"out": everything(state)}


@case(reads="name n", writes="out")
def defaults_are_known(state):
    return {"out": (keyed(state), keyed(state, key="n"))}


@case(reads=None, writes="out")
def the_state_is_passed_to_a_library(state):
    return {"out": json.dumps(state)}


@case(reads=None, writes="out")
def the_state_is_passed_to_a_local(state, config):
    return {"out": config["fn"](state)}


@case(reads=None, writes="out")
def the_state_is_copied(state):
    copied = dict(state)
    return {"out": copied["name"]}


@case(reads=None, writes="out")
def items_are_all_keys(state):
    return {"out": [k for k, v in state.items()]}


@case(reads=None, writes="out")
def len_is_all_keys(state):
    return {"out": len(state)}


@case(reads=None, writes="out")
def iterating_is_all_keys(state):
    return {"out": [k for k in state]}


@case(reads=None, writes="out")
def getattr_of_a_name(state, config):
    return {"out": getattr(state, config["key"])}


@case(reads="name", writes="out")
def getattr_of_a_constant(state):
    return {"out": getattr(state, "name", None)}


@case(reads="name", writes="out")
def vars_is_the_state(state):
    return {"out": vars(state)["name"]}


@case(reads="name", writes="out")
def locals_hold_the_state(state):
    return {"out": locals()["state"]["name"]}


@case(reads=None, writes=None, mutates=None, goto=None)
def eval_can_do_anything(state):
    return {"out": eval("state['name']")}


@case(reads=None, writes="out")
def keywords_from_the_state(state):
    return {"out": dict(**state)}


@case(reads=None, writes="out")
def matching_a_mapping(state):
    match state:
        case {"name": "x" | "y" as found}:
            return {"out": found}
    return {"out": None}


@case(reads=None, writes="out")
def matching_the_rest(state):
    match state:
        case {"name": "x", **rest}:
            return {"out": rest}
    return {"out": None}


@case(reads="topic.title topic.notes", writes="out")
def matching_a_class(state):
    match state["topic"]:
        case Topic(title=title, notes=[first, *_]):
            return {"out": (title, first)}
    return {"out": None}


@case(reads="name docs n", writes="out")
def control_flow_joins(state):
    try:
        x = state["name"]
    except KeyError:
        x = state["docs"]
    finally:
        y = state["n"]
    while x:
        x = x[1:]
        if y:
            break
        continue
    else:
        y = x
    return {"out": (x, y)}


@case(reads="docs.[].score", writes="out")
def generators_are_read(state):
    return {"out": list(numbers(state))}


@case(reads="docs.[].text", writes="out")
async def gathering_coroutines(state):
    texts = await asyncio.gather(*[fetch(doc) for doc in state["docs"]])
    return {"out": texts}


@case(reads="docs name", writes="out")
async def async_comprehensions(state, config):
    async with config["lock"] as lock:
        out = [x async for x in config["stream"](state["docs"])]
    async for each in config["stream"](state["name"]):
        out.append(each)
    return {"out": out}


@case(reads="name n", writes="out")
def operators_know_their_keys(state):
    return {"out": operator.itemgetter("name", "n")(state)}


@case(reads="name", writes="out")
def partial_is_followed(state):
    return {"out": functools.partial(keyed, state)("name")}


@case(reads="name", writes="out")
def map_is_followed(state):
    return {"out": list(map(lambda key: state[key], ["name"]))}


@case(reads="name n", writes="out")
def star_arguments(state):
    pair = (state["name"], state["n"])
    first, second = swap(*pair)
    return {
        "out": first,
    }


@case(reads="", writes="out")
def shadowing_the_parameter(state):
    state = {"name": 1}
    return {"out": state["name"]}


@case(reads="name", writes="out")
def isinstance_reads_nothing(state):
    return {"out": state["name"] if isinstance(state, dict) else state.name}


# -- typed states -----------------------------------------------------------------


@case(reads="name docs.[].text", writes="out", schema=Model)
def pydantic_fields(state):
    return {"out": (state.name, [d.text for d in state.docs])}


@case(reads="name docs", writes="out", schema=Model)
def pydantic_methods_and_properties(state):
    return {"out": (state.shout(), state.first_doc)}


@case(reads=None, writes="out", schema=Model)
def pydantic_dumps_all(state):
    return {"out": state.model_dump()}


@case(reads=None, writes=None, schema=Model)
def pydantic_state_returned(state):
    state.name = "x"
    return state


@case(reads="topic.title", writes="", mutates="topic.title", schema=Model)
def pydantic_method_changes(state):
    state.bump()


@case(reads="name docs", writes="docs name", schema=Data)
def dataclass_state(state: Data):
    return Data(docs=state.docs, name=state.name)


@case(reads="name", writes="docs name topic n shout first_doc bump model_config", schema=None)
def the_annotation_is_the_schema(state: Model):
    return Model(name=state.name)


# -- writes -----------------------------------------------------------------------


@case(reads="", writes="")
def returns_nothing(state):
    return None


@case(reads="", writes="")
def returns_in_vain(state):
    return


@case(reads="", writes="a b c d")
def builds_a_dict(state):
    out = {"a": 1}
    out["b"] = 2
    out.update({"c": 3})
    out |= dict(d=4)
    return out


@case(reads="", writes="a b")
def two_names_for_one_dict(state):
    out = {"a": 1}
    alias = out
    alias["b"] = 2
    return out


@case(reads="", writes="a b c")
def early_returns(state, config):
    if config:
        return {"a": 1}
    return {"b": 1} if config["x"] else {"c": 1}


@case(reads="", writes="a b built")
def a_helper_builds(state):
    return build(a=1, b=2)


@case(reads="", writes="name n")
def a_comprehension_builds(state):
    return {key: 1 for key in KEYS}


@case(reads="", writes="name n")
def fromkeys_builds(state):
    return dict.fromkeys(KEYS, 1)


@case(reads="", writes="a b")
def dict_of_pairs(state):
    return dict([("a", 1), ("b", 2)])


@case(reads="", writes="a late")
def setdefault_adds(state):
    out = {"a": 1}
    out.setdefault("late", []).append(1)
    return out


@case(reads="", writes=None)
def a_computed_key(state):
    return {input(): 1}


@case(reads="name", writes=None)
def a_key_from_the_state(state):
    return {state["name"]: 1}


@case(reads=None, writes=None)
def spreads_the_state(state):
    return {**state, "x": 1}


@case(reads=None, writes=None)
def returns_the_state(state):
    state["name"] = "x"
    return state


@case(reads=None, writes=None)
def returns_a_copy(state):
    out = state.copy()
    out["x"] = 1
    return out


@case(reads="meta", writes=None, goto="")
def returns_a_mapping_of_the_state(state):
    return state["meta"]


@case(reads="any", writes=None, goto=None)
def returns_anything_of_the_state(state):
    return state["any"]


@case(reads="name", writes=None, goto=None)
async def returns_what_a_model_says(state, config):
    return await config["llm"].ainvoke(state["name"])


@case(reads="name", writes=None, goto=None)
def returns_what_a_library_says(state):
    return json.loads(state["name"])


@case(reads="", writes="out")
def a_dict_that_was_logged(state):
    out = {"out": 1}
    print(out)
    return out


@case(reads="", writes=None)
def a_dict_that_was_handed_to_someone(state, config):
    out = {"out": 1}
    config["fill"](out)
    return out


@case(reads="docs", writes=None, goto=None)
def yields_chunks(state):
    yield {"a": state["docs"]}
    yield {"b": 1}


@case(reads="", writes="")
def returns_a_number(state):
    return 1


@case(reads="", writes="a")
def raises_instead(state):
    try:
        raise ValueError("x")
    except ValueError:
        return {"a": 1}


# -- commands ---------------------------------------------------------------------


@case(reads="", writes="a", goto="x")
def a_command(state):
    return Command(update={"a": 1}, goto="x")


@case(reads="docs", writes="", goto="x y")
def a_command_with_sends(state):
    return Command(goto=[*[Send("x", {"doc": d}) for d in state["docs"]], "y", END])


@case(reads="", writes="a b", goto="x y")
def a_list_of_commands(state):
    return [Command(update={"a": 1}, goto="x"), Command(update=[("b", 2)], goto=("y",))]


@case(reads="n", writes="a", goto="x y")
def a_conditional_goto(state):
    goto = "x" if state["n"] else "y"
    return Command(goto=goto, update=dict(a=1))


@case(reads="name", writes="", goto=None)
def a_goto_from_the_state(state):
    return Command(goto=state["name"])


@case(reads="name", writes="", goto="x y")
def a_goto_that_is_annotated(state) -> Command[Literal["x", "y", "__end__"]]:
    return Command(goto=state["name"])


@case(reads="", writes=None, goto=None)
def a_command_to_the_parent(state):
    return Command(graph=Command.PARENT, update={"a": 1}, goto="x")


@case(reads=None, writes=None, goto="x")
def a_command_with_the_state(state):
    return Command(update=state, goto="x")


@case(reads="", writes=None, goto=None)
def a_command_of_parts(state, config):
    return Command(**config["parts"])


@case(reads="", writes="a", goto="x")
def a_command_of_known_parts(state):
    parts = {"update": {"a": 1}, "goto": "x"}
    return Command(**parts)


@case(reads="name", writes="node arg timeout", goto="x")
def a_send(state):
    return Send("x", state["name"])


@case(reads="name", writes="node arg timeout", goto=None)
def a_send_somewhere(state):
    return Send(state["name"], 1)


# -- changes in place -------------------------------------------------------------


@case(reads="docs", writes="", mutates="docs")
def appends(state):
    state["docs"].append(1)


@case(reads="topic.title", writes="", mutates="topic.title")
def sets_an_attribute(state):
    state["topic"].title = "x"


@case(reads="meta.x", writes="", mutates="meta.x")
def sets_an_item(state):
    state["meta"]["x"] = []


@case(reads="meta.x", writes="", mutates="meta.x")
def deletes_an_item(state):
    del state["meta"]["x"]


@case(reads="topic.notes", writes="", mutates="topic.notes")
def changes_through_a_name(state):
    notes = state["topic"].notes
    notes.append(1)


@case(reads="topic.notes", writes="", mutates="topic.notes")
def changes_in_a_method(state):
    state["topic"].add(1)


@case(reads="base", writes="", mutates="base")
def changes_in_a_subclass(state):
    state["base"].touch()


@case(reads="docs.[].score", writes="", mutates="docs.[].score")
def changes_elements(state):
    for doc in state["docs"]:
        doc.score = 1.0


@case(reads="docs.[].score", writes="out", mutates="docs.[].score")
def changes_elements_of_a_copy(state):
    best = sorted(state["docs"], key=lambda d: d.score)[:3]
    best[0].score = 2.0
    return {"out": 1}


@case(reads="docs", writes="out")
def changes_only_the_copy(state):
    best = list(state["docs"])
    best.append(1)
    best.sort(key=lambda d: d.score)
    more = state["docs"][1:]
    more.pop()
    return {"out": best + more}


@case(reads="docs", writes="docs")
def rebinds_to_a_new_list(state):
    docs = state["docs"]
    docs = docs + [1]
    docs.append(2)
    return {"docs": docs}


@case(reads="docs", writes="docs", mutates="docs")
def augments_a_list(state):
    docs = state["docs"]
    docs += [1]
    return {"docs": docs}


@case(reads="n", writes="n")
def augments_a_number(state):
    state["n"] += 1
    n = state["n"]
    n += 1
    return {"n": n}


@case(reads="any", writes="", mutates="any")
def augments_anything(state):
    state["any"] += 1


@case(reads="name docs", writes="")
def sets_top_level_keys(state):
    state["name"] = "x"
    state["docs"] = []
    state.update(n=1)
    del state["name"]
    return {} if state["name"] or state["docs"] else None


@case(reads="meta name", writes="", mutates="meta name")
def a_top_level_key_gets_another_object(state):
    state["name"] = state["meta"]
    state["name"].clear()


@case(reads="meta docs", writes="", mutates="meta docs")
def an_object_is_kept_in_another(state):
    state["docs"].append(state["meta"])
    state["docs"][-1].clear()


@case(reads="checked", writes="", mutates="checked")
def validation_may_change_other_fields(state):
    state["checked"].name = "x"


@case(reads="any", writes="", mutates="any")
def an_unknown_method(state):
    state["any"].frobnicate()


@case(reads="any", writes="out")
def a_harmless_method(state):
    return {"out": state["any"].get("x").lower().split()}


@case(reads="docs", writes="", mutates="docs")
def functions_that_change(state):
    random.shuffle(state["docs"])


@case(reads="docs", writes="", mutates="docs")
def heaps(state):
    heapq.heappush(state["docs"], 1)


@case(reads="docs", writes="", mutates="docs")
def bisecting(state):
    bisect.insort(state["docs"], 1)


@case(reads="docs", writes="", mutates="docs")
def setting_an_item_by_function(state):
    operator.setitem(state["docs"], 0, 1)


@case(reads="doc.text", writes="", mutates="doc.text")
def setattr_of_a_constant(state):
    state["doc"].text = "x"


@case(reads="doc", writes="", mutates="doc")
def setattr_of_a_name(state, config):
    setattr(state["doc"], config["name"], "x")


@case(reads="docs", writes="", mutates="docs")
def a_helper_changes_its_argument(state):
    push(state["docs"], 1)


@case(reads="docs", writes="", mutates="docs")
def an_inner_function_changes(state):
    docs = state["docs"]

    def inner(item):
        docs.append(item)

    for i in range(3):
        inner(i)


@case(reads="docs", writes="", mutates="docs")
def a_callback_changes(state, config):
    config["each"](lambda: state["docs"].append(1))


@case(reads="docs", writes="", mutates="docs")
def a_bound_method_is_passed_on(state):
    list(map(state["docs"].append, [1]))


@case(reads="docs", writes="", mutates="docs")
def an_alias_in_a_container(state):
    box = {"inner": [state["docs"]]}
    box["inner"][0].append(1)


@case(reads="docs", writes="", mutates="docs")
def an_alias_in_an_object(state):
    box = Topic(notes=state["docs"])
    box.add(1)


@case(reads="docs", writes="", mutates="docs")
def an_alias_in_a_counter(state):
    box = defaultdict(list)
    box["x"] = state["docs"]
    box["x"].append(1)


@case(reads="docs.[].score", writes="", mutates="docs.[].score")
def an_alias_in_a_deque(state):
    for doc in deque(state["docs"]):
        doc.score = 1


@case(reads="docs", writes="")
def counting_is_harmless(state):
    Counter(state["docs"]).update(["x"])


@case(reads="docs", writes="")
def deep_copies_are_new(state):
    docs = copy.deepcopy(state["docs"])
    docs[0].score = 1


@case(reads="docs", writes="", mutates="docs.[].score")
def shallow_copies_share(state):
    docs = copy.copy(state["docs"])
    docs[0].score = 1


@case(reads="docs.[].score", writes="", mutates="docs.[].score")
def zipped_elements(state):
    for doc, i in zip(state["docs"], range(3)):
        doc.score = i


@case(reads="docs.[].tags", writes="", mutates="docs.[].tags")
def enumerated_elements(state):
    for i, doc in enumerate(state["docs"]):
        doc.tags.append("x")


@case(reads="docs.[].text docs.[].score", writes="", mutates="docs.[].score")
def a_mapping_of_elements(state):
    by_text = {doc.text: doc for doc in state["docs"]}
    for doc in by_text.values():
        doc.score = 1


@case(reads="meta", writes="", mutates="meta")
def values_of_a_mapping(state):
    for value in state["meta"].values():
        value.append(1)


@case(reads="meta", writes="", mutates="meta")
def items_of_a_mapping(state):
    for key, value in state["meta"].items():
        value.append(1)


@case(reads="docs", writes="", mutates="docs.[].score")
def a_match_capture(state):
    match state["docs"]:
        case [first, *_]:
            first.score = 1


@case(reads="docs", writes="", mutates="docs")
def kept_in_a_global(state):
    LOG.append(state["docs"])
    LOG[-1].append(1)


@case(reads=None, writes="", mutates=None)
def anything_in_the_state_changes(state):
    for value in state.values():
        value.append(1)


@case(reads="docs", writes="", mutates="docs")
def exec_made_helpers_are_not_trusted(state):
    MADE(state["docs"])


namespace: dict[str, Any] = {}
exec("def made(items): items.append(1)", namespace)
MADE = namespace["made"]


# -- flags ------------------------------------------------------------------------


@case(reads="name", writes="out", interrupts=True)
def interrupts(state):
    return {"out": interrupt(state["name"])}


@case(reads="", writes="out", interrupts=True)
def interrupts_in_a_helper(state):
    def ask():
        return interrupt("?")

    return {"out": ask()}


@case(reads="name", writes="out", calls_tasks=True)
def calls_a_task(state):
    return {"out": a_task(state["name"]).result()}


@case(reads="", writes="out", uses_store=True)
def uses_the_store(state, store):
    return {"out": store.get(("x",), "y")}


@case(reads="", writes="out", uses_store=True)
def gets_the_store(state):
    return {"out": get_store().get(("x",), "y")}


@case(reads="", writes="out", uses_store=True)
def uses_the_runtime_store(state, runtime):
    return {"out": runtime.store.get(("x",), "y")}


@case(reads="", writes="out")
def uses_the_runtime(state, runtime):
    return {"out": runtime.context.user}


# -- checking ---------------------------------------------------------------------


@pytest.mark.parametrize(("function", "schema", "expected", "flags"), CASES)
def test_facts(
    function: Callable[..., Any],
    schema: object,
    expected: dict[str, object],
    flags: dict[str, bool],
) -> None:
    facts = analyse_node(function, schema)
    for fact, words in expected.items():
        if words is UNSET:
            continue
        found = getattr(facts, fact)
        if words is None:
            assert found is None, fact
            assert any(d.fact == fact for d in facts.doubts), fact
            continue
        assert isinstance(words, str)
        wanted: object = paths(words) if fact in ("reads", "mutates") else frozenset(words.split())
        assert found == wanted, (fact, found, facts.doubts)
    for flag in ("interrupts", "calls_tasks", "uses_store"):
        assert getattr(facts, flag) is flags.get(flag, False), flag


def test_doubts_point_at_the_line_and_say_what_to_declare() -> None:
    facts = analyse_node(the_state_is_passed_to_a_library, State)
    (doubt,) = (d for d in facts.doubts if d.fact == "reads")
    line = the_state_is_passed_to_a_library.__code__.co_firstlineno
    assert doubt.file == __file__
    assert doubt.line == line + 2
    assert "json.dumps" in doubt.why
    assert "Effects(reads=" in doubt.why


def test_a_doubt_about_a_result_points_at_the_return() -> None:
    facts = analyse_node(returns_the_state, State)
    (doubt,) = (d for d in facts.doubts if d.fact == "writes")
    assert doubt.line == returns_the_state.__code__.co_firstlineno + 3


def test_a_state_of_one_value() -> None:
    facts = analyse_node(lambda state: [*state, 1], list[int])
    assert facts.reads == paths("__root__")
    assert facts.writes == {"__root__"}
    assert facts.mutates == frozenset()
    assert analyse_node(lambda state: state.append(1), list).mutates == paths("__root__")
