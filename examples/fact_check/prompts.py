"""What the model is asked, and how its answers are read.

The prompts are short and plain so that a small model can follow them, and the
readers accept what small models write instead of what they were asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate

Verdict = Literal["SUPPORTED", "REFUTED", "UNCLEAR"]

MAX_CLAIMS = 6
MAX_QUERIES = 3


def _prompt(system: str, user: str) -> ChatPromptTemplate:
    return ChatPromptTemplate.from_messages([("system", system), ("human", user)])


DRAFT = _prompt(
    "You answer questions about the Python language. "
    "Write four to six plain sentences, without lists or code.",
    "Passages from the language reference:\n\n{passages}\n\n---\n\nQuestion: {question}",
)
TERMS = _prompt(
    "You explain terms of the Python language to a beginner. "
    "Explain each term that matters for the question in one or two sentences, "
    "one term per line, as 'term: explanation'.",
    "Passages from the language reference:\n\n{passages}\n\n---\n\nQuestion: {question}",
)
CLAIMS = _prompt(
    "You split a text into claims that can be checked one by one. "
    "Write one claim per line, each a full sentence that can be understood alone.",
    "Text: {draft}",
)
QUERIES = _prompt(
    "You plan how to check a claim about the Python language. "
    "Say in a few words what has to be looked up; then write one to three search queries, "
    "each on a line of its own that starts with 'QUERY:'.",
    "Claim: {claim}",
)
READ = _prompt(
    "You read passages of the Python language reference. Quote, passage by passage, the "
    "sentences that say something about the claim, for or against it; leave out all others.",
    "Passages:\n\n{passages}\n\n---\n\nClaim: {claim}\n\nWhich sentences are about the claim?",
)
JUDGE = _prompt(
    "You check a claim about the Python language against notes from the language reference. "
    "Say in one or two sentences what decides it. End with a line "
    "'VERDICT: SUPPORTED', 'VERDICT: REFUTED', or 'VERDICT: UNCLEAR' if the notes do not tell.",
    "Notes:\n{notes}\n\n---\n\nClaim: {claim}\n\nWhat decides it, and what is the verdict?",
)
REPHRASE = _prompt(
    "A search about a claim found nothing that settles it. "
    "Write one better search query, on a line that starts with 'QUERY:'.",
    "Claim: {claim}\n\nSearched for: {query}",
)
ANSWER = _prompt(
    "You write the final answer to a question about the Python language. "
    "Use the claims that were found supported, and leave out or correct the others.",
    "Question: {question}\n\nClaims:\n{findings}",
)


def show_passages(passages: Sequence[Document]) -> str:
    """Passages as a model reads them: numbered, with their topic."""
    return "\n\n".join(
        f"[{number}] ({passage.metadata['topic']})\n{passage.page_content}"
        for number, passage in enumerate(passages, start=1)
    )


def read_claims(text: str) -> list[str]:
    """One claim per line, without list markers, headings and repeats; at most ``MAX_CLAIMS``."""
    lines = [_unmarked(line) for line in text.splitlines()]
    claims = [line for line in lines if len(line.split()) >= 3 and not line.endswith(":")]
    return list(dict.fromkeys(claims))[:MAX_CLAIMS]


def read_queries(text: str, *, otherwise: str) -> list[str]:
    """The lines that start with ``QUERY:``, without repeats, at most ``MAX_QUERIES``.

    Args:
        text: The model's answer.
        otherwise: The query to use when the answer holds none.
    """
    found = re.findall(r"^\W*QUERY\W*\s*[:\-]\s*(.+)$", text, re.MULTILINE | re.IGNORECASE)
    queries = [query.strip(" \"'`*") for query in found]
    unique = list(dict.fromkeys(query for query in queries if query))
    return unique[:MAX_QUERIES] or [otherwise]


def read_verdict(text: str) -> Verdict:
    """The last verdict in ``text``; one behind ``VERDICT:`` counts before all others."""
    pattern = r"\b(not supported|unsupported|supported|refuted|contradicted|unclear)\b"
    found = re.findall(r"VERDICT\W+" + pattern, text, re.IGNORECASE)
    found = found or re.findall(pattern, text, re.IGNORECASE)
    match found[-1].lower() if found else "unclear":
        case "supported":
            return "SUPPORTED"
        case "refuted" | "contradicted":
            return "REFUTED"
        case _:
            return "UNCLEAR"


def _unmarked(line: str) -> str:
    return re.sub(r"^\s*(?:[-*•]|\d+[.):])\s*", "", line).strip()
