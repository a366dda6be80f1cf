"""The fact checker's corpus, search and reading of model answers."""

from __future__ import annotations

import asyncio

import pytest

from examples.fact_check import prompts
from examples.fact_check.corpus import load_passages, sentences
from examples.fact_check.retrieval import PassageRetriever, words


@pytest.fixture(scope="module")
def retriever() -> PassageRetriever:
    return PassageRetriever(load_passages())


def test_the_corpus_is_the_language_reference_in_passages_without_repeats() -> None:
    passages = load_passages()
    assert len(passages) > 400
    assert len({p.text for p in passages}) == len(passages)
    assert {"with", "yield", "compound", "execmodel"} <= {p.topic for p in passages}


@pytest.mark.parametrize(
    ("question", "topics", "phrase"),
    [
        ('What does the "with" statement do with an exception?', {"with", "compound"}, "__exit__"),
        ('How does a generator function behave when "yield" is called?', {"yield"}, "generator"),
        ("How does class creation with a metaclass work?", {"specialnames"}, "metaclass"),
        ("When is __get__ of a descriptor called?", {"attribute-access"}, "__get__"),
    ],
)
async def test_a_question_finds_the_passages_that_answer_it(
    retriever: PassageRetriever, question: str, topics: set[str], phrase: str
) -> None:
    found = await retriever.ainvoke(question)
    assert topics & {d.metadata["topic"] for d in found}
    assert phrase in " ".join(d.page_content for d in found)
    assert found == retriever.invoke(question)


async def test_searches_made_together_find_what_they_find_alone(
    retriever: PassageRetriever,
) -> None:
    queries = ["descriptor", "metaclass", "generator", "nonlocal", "suite of a loop"]
    together = await asyncio.gather(*(retriever.ainvoke(query) for query in queries))
    assert together == [retriever.invoke(query) for query in queries]


def test_unknown_words_find_nothing(retriever: PassageRetriever) -> None:
    assert retriever.invoke("zyxwv qqqq") == []


def test_sentences_are_prose_only() -> None:
    text = (
        'The if statement\n\n   if_stmt ::= "if" suite\n\nIt is used, e.g. here, for conditional\n'
        "execution. It selects one suite!\n\n>>> print(1)\nNot this."
    )
    assert sentences(text) == [
        "It is used, e.g. here, for conditional execution.",
        "It selects one suite!",
    ]


def test_keywords_count_as_words_only_where_quoted() -> None:
    assert words('the "with" statement', keep_keywords=True) == ["with", "statement"]
    assert words("statements with a suite") == ["statement", "suite"]


def test_claims_are_read_whatever_marks_them() -> None:
    text = "Here are the claims:\n1. A class is an object.\n- A name can be bound.\n\n* Too short"
    assert prompts.read_claims(text) == ["A class is an object.", "A name can be bound."]
    many = "\n".join(f"{n}. This is claim {n} of many." for n in range(20))
    assert len(prompts.read_claims(many)) == prompts.MAX_CLAIMS
    assert prompts.read_claims("Said over and over.\n" * 9) == ["Said over and over."]


def test_queries_are_read_whatever_surrounds_them() -> None:
    text = 'I would look up:\n**Query:** "class scope"\n2. QUERY - names\nquery: names'
    assert prompts.read_queries(text, otherwise="x") == ["class scope", "names"]
    assert prompts.read_queries("No idea.", otherwise="x") == ["x"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("It says so.\nVERDICT: SUPPORTED", "SUPPORTED"),
        ("SUPPORTED at first sight. **Verdict**: refuted.", "REFUTED"),
        ("The claim is supported by passage 2.", "SUPPORTED"),
        ("It is contradicted by the notes.", "REFUTED"),
        ("It is not supported by anything", "UNCLEAR"),
        ("", "UNCLEAR"),
    ],
)
def test_verdicts_are_read_as_small_models_write_them(text: str, verdict: str) -> None:
    assert prompts.read_verdict(text) == verdict
