"""Drawings of plans: SVG and Mermaid, whatever the nodes are called."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph

from langgraph_alto import wrap
from langgraph_alto.plan.mermaid import label
from langgraph_alto.plan.plan import Plan
from tests.plan.vague import State, agent, draft, fan_out, load, nested, rank, vague_writes

HOSTILE = [
    "<script>alert(1)</script>",
    '"]; click a0 href "javascript&colon;alert(1)"',
    "a]b[c}d{e)f(g",
    "quote ' and \" and `",
    "& &amp; &#60;",
    "two\nlines\r\n%% and a comment",
    "end",
    "subgraph",
    "né 名前 \U0001f600",
    "\u202ereversed\u202c",
    "control \x01\x1b[31m",
    "  spaces  ",
    "#quot; #35;",
    "x" * 200,
    "]]>",
    "--> a1",
]

SVG = "{http://www.w3.org/2000/svg}"


def named(name: str) -> StateGraph[Any]:
    """
    name ............/?
    "other" --> "name again"[docs]
    """
    builder = StateGraph(State)
    builder.add_node(name, draft)
    builder.add_node("other", load)
    builder.add_node(name + " again", rank)
    builder.add_edge(START, name)
    builder.add_edge(START, "other")
    builder.add_edge("other", name + " again")
    return builder


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


# -- hostile names ---------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_svg_of_any_name(name: str) -> None:
    svg = wrap(named(name)).plan.draw_svg()
    tree = ET.fromstring(svg)
    tags = {node.tag.removeprefix(SVG) for node in tree.iter()}
    assert tags <= {"svg", "title", "rect", "text", "line", "path"}
    attributes = {attribute for node in tree.iter() for attribute in node.attrib}
    assert not [a for a in attributes if a.startswith("on") or "href" in a]
    assert "<script" not in svg
    drawn = "\n".join(texts(svg))
    assert drawn.isprintable() or set(filter(lambda c: not c.isprintable(), drawn)) == {"\n"}
    # Whatever needs escaping in a name appears in the file only escaped.
    if "<" in name or "&" in name:
        assert name not in svg


@pytest.mark.parametrize("name", HOSTILE)
def test_mermaid_of_any_name(name: str) -> None:
    drawn = wrap(named(name)).plan.draw_mermaid()
    grammar = re.compile(
        r"""
        flowchart\ LR | \s*end | \s*direction\ LR
        | \s*subgraph\ \w+\ \["[\w ?]+"\]
        | \s*[al]\d+\[{1,2}"[^"\[\]{}<>`|]*"\]{1,2}
        | \s*step\d+\ ==>\ step\d+
        | \s*a\d+\ (-->|==>|-\.->|-\.-x)(\|"[^"\[\]{}<>`|]*"\|)?\ a\d+
        | \s*b\d+>"barrier\ \d+"\]\ -\.-\ a\d+
        | \s*classDef\ barrier\ [\w: -]+ | \s*class\ [a\d,]+\ barrier
        """,
        re.VERBOSE,
    )
    for line in drawn.splitlines():
        assert grammar.fullmatch(line), line


@pytest.mark.parametrize("name", HOSTILE)
def test_text_and_json_of_any_name(name: str) -> None:
    plan = wrap(named(name)).plan
    times = {stage.name: 0.5 for stage in plan.stages}
    text = plan.explain(times=times)
    assert all(line.isprintable() for line in text.splitlines())
    (barrier,) = plan.barriers
    assert barrier.lift is not None
    pasted: dict[str, Any] = eval(f"dict({barrier.lift.text})", {"Effects": dict})
    assert list(pasted["effects"]) == [name]
    assert json.loads(json.dumps(plan.to_json()))["barriers"][0]["earlier"] == name


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_labels(text: str) -> None:
    drawn = label(text)
    assert re.fullmatch(r'"[^"<>\[\]{}()`|\\\n]*"', drawn.replace("(", "").replace(")", "")), drawn


# -- what is drawn -----------------------------------------------------------------


def lines(plan: Plan) -> list[str]:
    return [line.strip() for line in plan.draw_mermaid().splitlines()]


def test_mermaid() -> None:
    assert (
        wrap(vague_writes()).plan.draw_mermaid()
        == """\
flowchart LR
  subgraph langgraph ["LangGraph"]
    direction LR
    subgraph step0 ["step 1"]
      l0["first"]
      l1["slow"]
    end
    subgraph step1 ["step 2"]
      l2["then"]
    end
    step0 ==> step1
  end
  subgraph alto ["Alto"]
    direction LR
    a0["first"]
    a1["slow"]
    a2["then"]
    a0 --> a2
    a1 -.-x|"barrier 1"| a2
  end
"""
    )


def test_mermaid_of_packets_and_routers() -> None:
    assert 'a0 ==>|"packets"| a1' in lines(wrap(fan_out()).plan)
    assert 'a1[["check"]]' in lines(wrap(fan_out()).plan)
    assert 'a0 -.->|"if"| a1' in lines(wrap(agent()).plan)


def test_mermaid_of_a_node_that_stays() -> None:
    plan = wrap(vague_writes(), ordered={"then"}).plan
    assert 'b1>"barrier 1"] -.- a2' in lines(plan)
    assert "class a2 barrier" in lines(plan)


def test_svg() -> None:
    plan = wrap(vague_writes()).plan
    found = texts(plan.draw_svg())
    assert found.count("first") == found.count("slow") == found.count("then") == 2
    assert found.count("step 1") == 1
    assert "barrier 1" in found
    assert any(text.startswith("barrier 1: then waits for every unfinished slow") for text in found)
    assert any("Effects(writes=" in text for text in found)


def test_columns_are_supersteps() -> None:
    """Boxes of one step are below each other, those of the next further right."""
    plan = wrap(nested()).plan
    tree = ET.fromstring(plan.draw_svg())
    boxes = [node for node in tree.iter(f"{SVG}rect") if node.get("rx")]
    left = [float(str(box.get("x"))) for box in boxes]
    assert left[:4] == sorted(set(left))
    assert left[:4] == left[4:]


def test_nothing_is_drawn_outside() -> None:
    for make in (vague_writes, nested, agent, fan_out):
        tree = ET.fromstring(wrap(make()).plan.draw_svg())
        across, down = float(str(tree.get("width"))), float(str(tree.get("height")))
        for node in tree.iter(f"{SVG}text"):
            assert 0 <= float(str(node.get("x"))) < across
            assert 0 <= float(str(node.get("y"))) < down
        for node in tree.iter(f"{SVG}rect"):
            if node.get("x"):
                assert float(str(node.get("x"))) + float(str(node.get("width"))) <= across
                assert float(str(node.get("y"))) + float(str(node.get("height"))) <= down
