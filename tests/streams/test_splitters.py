"""Splitters: what a piece is, and that chunks and time have no say in it."""

# ruff: noqa: RUF001  (punctuation of other languages)

from __future__ import annotations

import importlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pydoc_data.topics import topics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_alto.streams.split import (
    Factory,
    by_function,
    element,
    item,
    line,
    sentence,
    splitter,
)

# pysbd's regular expressions are not raw strings, which Python warns of where it compiles them.
pysbd: Any = importlib.import_module("pysbd")

PROSE = (
    "Dr. Smith joined the U.S. Army in 1917. She was paid $3.50 a day, i.e. nothing. "
    'Her sergeant said "Come here. Now!" and left. What then? (Nobody knows. Really.) She '
    "wrote to Mr. and Mrs. Jones Jr. at 5 p.m. that day! They lived in St. Louis, cf. p. 55, "
    "with J. K. Brown et al. from Apple Inc. in Jan. 1918. No. 7 was the best."
)

MARKDOWN = """\
# Findings. In short

The first claim is wrapped
over two lines. The second is **bold.** And not.[1] A third, e.g. this.[^2]

- One. Two.
- Three
  goes on
    1. Four.
    2. Five

```python
x = 1. # A comment. Another.

    - not an item
```
| a. b | c |
|------|---|
Text after. "Unclosed quote. It goes on.

~~~
```
~~~
He said 'so. And so' and "no. no." That's it


The end... Or not?! Yes.
"""

CHINESE = "你好。我很好！「真的。」他说。价格是3.14元。（是吗？对。）完了 结束。"
JSON = """\
Here is the list, as asked [1]:

```json
{"n": {"a": "[x]"}, "claims": [ "one, \\"two\\" ]", 3, -1.5e3, null,
  {"text": "a } b", "more": [1, [2]]}, [], "\\\\", "é\\u00e9" ], "note": [1, 2]}
```
That is all.
"""
TEXTS = [PROSE, MARKDOWN, CHINESE, JSON, topics["assert"], topics["bltin-null-object"]]

FACTORIES = [
    sentence(),
    sentence("zh"),
    line(),
    item(),
    element(),
    by_function(lambda text: re.findall(r"[^.]+\.?", text)),
]
LOSSLESS = [factory for factory in FACTORIES if factory.name != "element"]

names = [f"{factory.name}{position}" for position, factory in enumerate(FACTORIES)]
factories = pytest.mark.parametrize("factory", FACTORIES, ids=names)

pieces_of_text = st.sampled_from(
    [
        *(
            "a",
            "A",
            "the",
            "The",
            "word",
            "Word",
            "Dr",
            "U.S",
            "e.g",
            "p.m",
            "Inc",
            "No",
            "1",
            "12",
        ),
        *(".", ".", "!", "?", "...", "。", "！", ",", ":", " ", " ", " ", "  ", "\n", "\n", "\n\n"),
        *(
            '"',
            "'",
            "“",
            "”",
            "(",
            ")",
            "[",
            "]",
            "[1]",
            "「",
            "」",
            "*",
            "**",
            "_",
            "`",
            "\\",
            "\r\n",
        ),
        *(
            "- ",
            "\n- ",
            "\n  * ",
            "\n1. ",
            "\n2) ",
            "\n```\n",
            "\n```py\n",
            "```",
            "~~~",
            "\n# ",
            "|",
        ),
        *(
            "{",
            "}",
            "[",
            "]",
            ",",
            '"x"',
            '\\"',
            "null",
            "\t",
            "\u00a0",
            "\u3000",
            "-",
            "#",
            "3.14",
        ),
    ]
)
made_up = st.lists(pieces_of_text, max_size=60).map("".join)
texts = st.one_of(st.sampled_from(TEXTS), made_up)


def chunks_of(text: str, cuts: Sequence[int]) -> list[str]:
    """A text cut at these places, counted around."""
    places = sorted({0, len(text), *(cut % (len(text) or 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)] or [text]


def split(factory: Factory, chunks: Sequence[str]) -> tuple[list[str], list[str], str]:
    """The pieces of a text: those of the chunks, those of its end, and what is then shown."""
    made = factory()
    fed = [piece for chunk in chunks for piece in made.feed(chunk)]
    return fed, made.close(), made.shown()


def pieces(factory: Factory, text: str) -> list[str]:
    """The pieces of a text that comes as one chunk."""
    fed, closed, _ = split(factory, [text])
    return fed + closed


# -- what holds for all of them ------------------------------------------------------------


@factories
@given(texts, st.lists(st.integers(0, 3000), max_size=20))
def test_chunks_have_no_say(factory: Factory, text: str, cuts: list[int]) -> None:
    assert split(factory, chunks_of(text, cuts)) == split(factory, [text])


@factories
@given(texts)
def test_one_character_at_a_time(factory: Factory, text: str) -> None:
    assert split(factory, list(text)) == split(factory, [text])


@pytest.mark.parametrize(
    "factory", [sentence(), line(), item(), element()], ids=lambda factory: factory.name
)
def test_long_texts_of_the_standard_library(factory: Factory) -> None:
    rng = random.Random(0)
    for name in sorted(topics)[::8]:
        text = topics[name][:8000]
        cuts = rng.sample(range(len(text)), min(len(text), 400))
        assert split(factory, chunks_of(text, cuts)) == split(factory, [text]), name


@pytest.mark.parametrize("factory", LOSSLESS, ids=lambda factory: factory.name)
@given(texts)
def test_no_character_is_lost(factory: Factory, text: str) -> None:
    fed, closed, shown = split(factory, [text])
    assert "".join(fed + closed) == text == shown
    assert all(fed + closed)


@factories
@given(texts, st.lists(st.integers(0, 3000), max_size=20))
def test_what_was_shown_stays(factory: Factory, text: str, cuts: list[int]) -> None:
    made = factory()
    settled, so_far = 0, ""
    for chunk in chunks_of(text, cuts):
        made.feed(chunk)
        so_far += chunk
        assert settled <= made.settled <= len(so_far)
        settled = made.settled
        assert made.shown().startswith(text[:settled])
        if factory.name != "element":
            assert made.shown() == text[:settled]
    made.close()
    assert (made.settled, made.shown()) == (len(text), text)


@factories
def test_a_closed_text_does_not_go_on(factory: Factory) -> None:
    made = factory()
    made.close()
    with pytest.raises(ValueError, match="closed"):
        made.feed("more")
    with pytest.raises(ValueError, match="closed"):
        made.close()


# -- sentences -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "One. |Two! |Three? |Four.",
        "Dr. Smith of the U.S. Army came. |He left, e.g. at 5 p.m. on Sunday.",
        "It costs $3.50 now. |It was 2.5% less.",
        'He said "Stop. Now!" and left. |She did not.',
        "It is so (see p. 5. It is long.) and stays so. |Why?",
        "One line\nand its rest. |Two.\n",
        "A paragraph\n\n|Another. |It goes on",
        "# A heading\n|Its text. |More.",
        "Items:\n|- One. |Two.\n|- Three\n|  1. Four\n|  2. Five",
        "Code:\n|```\na. B. c\n\nd. E\n```\n|Text.",
        "So it is.[1] |And not.[2][3] |Or?",
        "你好。|我很好！|价格是3.14元。",
        "Wait... |What?! |No.",
    ],
)
def test_sentences(text: str) -> None:
    expected = text.split("|")
    assert pieces(sentence(), "".join(expected)) == expected


def test_a_sentence_is_complete_with_the_word_after_it() -> None:
    made = sentence()()
    assert made.feed("He joined the U.S. ") == []
    assert made.feed("Army. ") == []
    assert made.feed("Then") == []
    assert made.feed(" he") == ["He joined the U.S. Army. "]
    assert made.shown() == "He joined the U.S. Army. "
    assert made.feed(" left.\n") == []
    assert made.feed("\n") == ["Then he left.\n\n"]


def test_a_table_row_is_a_piece() -> None:
    rows = [
        "Text.\n",
        "| a. b | c |\n",
        "|--|\n",
        "| d. e",
    ]
    assert pieces(sentence(), "".join(rows)) == rows


def test_a_line_is_a_sentence_where_markdown_says_so() -> None:
    made = sentence()()
    assert made.feed("- One") == []
    assert made.feed("\n-") == []
    assert made.feed(" ") == ["- One\n"]


def prose() -> list[str]:
    """Paragraphs that are no code and no lists, each on one line."""
    blocks = [block for name in sorted(topics) for block in re.split(r"\n\s*\n", topics[name])]
    other = re.compile(r"\s{3}|\s*(?:[-*+|#>~`]|\d+\.|$)")
    return [PROSE, *(" ".join(block.split()) for block in blocks if not other.match(block))]


def test_prose_is_cut_as_by_pysbd_on_the_whole() -> None:
    segmenter = pysbd.Segmenter(language="en", clean=False)
    paragraphs = prose()
    assert len(paragraphs) > 1000
    different = [text for text in paragraphs if pieces(sentence(), text) != segmenter.segment(text)]
    # Footnotes, and quotes that are quoted themselves.
    assert len(different) <= len(paragraphs) * 0.015, different


def test_a_router_that_uses_pysbd_hardly_takes_a_sentence_back() -> None:
    segmenter = pysbd.Segmenter(language="en", clean=False)
    kept = taken_back = 0
    for text in [MARKDOWN, *prose()[::4]]:
        final = [one.strip() for one in segmenter.segment(text)]
        made = sentence()()
        for chunk in chunks_of(text, range(0, len(text), 30)):
            if made.feed(chunk):
                routed = [one.strip() for one in segmenter.segment(made.shown())]
                same = routed == final[: len(routed)]
                kept, taken_back = kept + same, taken_back + (not same)
    assert kept > 200
    # pysbd itself may change its mind long after: at a footnote, or a list's second item.
    assert taken_back <= 0.03 * kept


@pytest.mark.parametrize(
    ("text", "most"),
    [
        (PROSE * 40, 8),
        (MARKDOWN * 40, 8),
        ("word " * 20_000, 1),
        ("x" * 100_000, 1),
        ("!" * 50_000, 50),
        ("\n" * 50_000, 1),
        ('"' + "He left it. " * 4_000, 60),
        ("e.g. " * 2_000, 60),
        ("(" * 20_000, 1),
        ("```\n" + "a. B\n" * 10_000, 1),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, str) else str(value),
)
def test_pysbd_is_given_each_character_a_bounded_number_of_times(
    text: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_ = 0
    segment: Callable[[Any, str], list[str]] = pysbd.Segmenter.segment

    def counting(self: Any, window: str) -> list[str]:
        nonlocal given_
        given_ += len(window)
        return segment(self, window)

    monkeypatch.setattr(pysbd.Segmenter, "segment", counting)
    split(sentence(), chunks_of(text, range(0, len(text), 4)))
    assert given_ <= most * len(text)


def test_pysbd_is_imported_when_first_needed() -> None:
    code = (
        "import sys, langgraph_alto.streams.split as split\n"
        "split.splitter('line'); assert 'pysbd' not in sys.modules\n"
        "split.splitter('sentence'); assert 'pysbd' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_language() -> None:
    with pytest.raises(ValueError, match=r"the language 'xx'.*'de'"):
        sentence("xx")


# -- lines and items -----------------------------------------------------------------------


def test_lines() -> None:
    assert pieces(line(), "a\r\nb\n\nc") == ["a\r\n", "b\n", "\n", "c"]


def test_a_chunk_ends_between_the_two_characters_of_a_newline() -> None:
    assert split(line(), ["a\r", "\nb"]) == (["a\r\n"], ["b"], "a\r\nb")


def test_items() -> None:
    text = (
        "Here are two:\n\n|- one\n  goes on\n  - nested\n\n  still one\n|- two\n```\n- code\n```\n"
        "lazily goes on\n\n|Then these:\n|1. three\n|2) four"
    )
    assert pieces(item(), text.replace("|", "")) == text.split("|")


def test_an_item_is_complete_when_the_next_begins() -> None:
    made = item()()
    assert made.feed("* one\n*") == []
    assert made.feed(" ") == ["* one\n"]
    assert made.shown() == "* one\n"


def test_no_list() -> None:
    assert pieces(item(), "-not an item\n\n*nor* this\n") == ["-not an item\n\n*nor* this\n"]


# -- elements ------------------------------------------------------------------------------

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.lists(values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_every_element_as_soon_as_it_is_complete(
    array: list[Any], indent: int | None, ascii_: bool
) -> None:
    text = json.dumps(array, indent=indent, ensure_ascii=ascii_)
    made = element()()
    found: list[Any] = []
    for character in text:
        found += map(json.loads, made.feed(character))
        assert json.loads(made.shown()) == found == array[: len(found)]
    assert found == array
    assert made.close() == []
    assert made.shown() == text


@given(st.dictionaries(st.text(), st.integers()), st.lists(values, min_size=1))
def test_the_first_array_of_an_object(before: dict[str, int], array: list[Any]) -> None:
    whole = {**before, "claims": {"all": array, "none": []}}
    made = element()()
    found: list[Any] = []
    for character in json.dumps(whole):
        found += map(json.loads, made.feed(character))
        if shown := made.shown():
            assert json.loads(shown) == {**before, "claims": {"all": found}}
    assert found == array


def test_text_around_the_array() -> None:
    made = element()()
    assert made.feed(JSON[: JSON.index(" 3")]) == ['"one, \\"two\\" ]"']
    assert made.shown().endswith('"claims": [ "one, \\"two\\" ]"]}\n```')
    assert made.feed(JSON[JSON.index(" 3") :]) == [
        *("3", "-1.5e3", "null", '{"text": "a } b", "more": [1, [2]]}', "[]"),
        *('"\\\\"', '"é\\u00e9"'),
    ]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("no json", []),
        ("[1, x, 3]", ["1"]),
        ("[1 2, 3]", ["1"]),
        ("[{]}, 1]", []),
        ('{"a": 1} [2, 3]', []),
        ('{"a": [1, {"b": 2], 3]}', ["1"]),
        ("[1, 2", ["1"]),
        ("[1,, 2]", ["1"]),
        ("[" * 20_000, []),
        ("[]\n[1]", []),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_not_json_is_not_complete(text: str, complete: list[str]) -> None:
    assert pieces(element(), text) == complete


# -- functions and names -------------------------------------------------------------------


def test_a_function_of_the_users() -> None:
    made = by_function(lambda text: text.split(";"))()
    assert made.feed("a; b") == ["a;"]
    assert made.feed(";") == []
    assert made.feed("c") == [" b;"]
    assert made.close() == ["c"]


def test_a_function_that_changes_its_mind() -> None:
    made = by_function(lambda text: text.split() if len(text) < 4 else [text])()
    assert made.feed("a b") == ["a "]
    with pytest.raises(ValueError, match="changed a piece that was complete"):
        made.feed(" c")


def test_a_function_that_makes_up_text() -> None:
    made = by_function(lambda text: [part.upper() for part in text.split()])()
    with pytest.raises(ValueError, match="word for word"):
        made.feed("a b")


@pytest.mark.parametrize("name", ["element", "item", "line", "sentence"])
def test_names(name: str) -> None:
    assert splitter(name).name == name
    assert splitter(name)() is not splitter(name)()


def test_an_option_is_a_name_a_factory_or_a_function() -> None:
    factory = sentence("de")
    assert splitter(factory) is factory
    assert pieces(splitter(str.split), "a b") == ["a ", "b"]


def test_an_unknown_name_names_the_choices() -> None:
    with pytest.raises(ValueError, match="'word'; there are element, item, line, sentence"):
        splitter("word")
