"""What the simulated model "knows": text processing, one function for each prompt.

None of this is a language model, and it is no judge of truth. Every answer is
taken from the text of the prompt by counting words: drafts and explanations are
sentences of the passages, a verdict says how many words of the claim one
sentence contains. It makes the example's data flow real (what is drafted
depends on what was found, how long an answer is on what it quotes) and equal on
every run.

So that there is something to find, one sentence of each draft is turned into
its opposite, as a model might get it wrong.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from langchain_core.prompts import ChatPromptTemplate

from examples.fact_check import prompts
from examples.fact_check.corpus import sentences
from examples.fact_check.retrieval import words
from examples.simulated_llm import SimulatedChatModel, SimulatedServer, Skill

# A claim counts as settled by a sentence that has this share of its words.
_SETTLED = 0.8
# Below this share a sentence is not worth quoting.
_QUOTED = 0.3
_OPPOSITES = (
    (" cannot ", " can "),
    (" is not ", " is "),
    (" are not ", " are "),
    (" does not ", " does "),
    (" must ", " need not "),
    (" can ", " cannot "),
    (" may ", " may not "),
    (" is ", " is not "),
    (" are ", " are not "),
)
_NEGATIONS = frozenset({"not", "cannot", "never", "no", "without"})


def write_draft(message: str, rng: random.Random) -> str:
    """The sentences of the passages closest to the question, one of them turned round."""
    question = _field(message, "Question")
    candidates = [s for _, s in _passage_sentences(message) if 40 <= len(s) <= 320]
    wanted = set(words(question, keep_keywords=True))
    ranked = sorted(
        range(len(candidates)),
        key=lambda i: (-len(wanted & set(words(candidates[i], keep_keywords=True))), i),
    )
    chosen = sorted(ranked[: rng.randint(5, 6)])
    text = [candidates[i] for i in chosen]
    turnable = [i for i, sentence in enumerate(text) if _opposite(sentence) != sentence]
    if turnable:
        wrong = rng.choice(turnable)
        text[wrong] = _opposite(text[wrong])
    return " ".join(text) or "The passages say nothing about this question."


def explain_terms(message: str, rng: random.Random) -> str:
    """For the words that the passages share, the sentences that explain them best."""
    found = _passage_sentences(message)
    counts: dict[str, int] = {}
    for _, sentence in found:
        for word in set(words(sentence)):
            if len(word) > 4:
                counts[word] = counts.get(word, 0) + 1
    common = sorted(counts, key=lambda word: (-counts[word], word))[: rng.randint(6, 8)]
    lines = []
    used: set[str] = set()
    for term in common:
        fitting = sorted(
            {s for _, s in found if term in words(s) and s not in used},
            key=lambda s: (abs(len(s) - 160), s),
        )
        if fitting:
            shown = fitting[: rng.randint(1, 2)]
            used.update(shown)
            lines.append(f"{_surface(term, shown[0])}: {' '.join(shown)}")
    return "\n".join(lines) or "No terms to explain."


def split_claims(message: str, rng: random.Random) -> str:
    """The sentences of the text, numbered."""
    return "\n".join(f"{n}. {s}" for n, s in enumerate(sentences(_field(message, "Text")), 1))


def plan_queries(message: str, rng: random.Random) -> str:
    """One to three queries of a few rare-looking words, after some thinking aloud."""
    claim = _field(message, "Claim")
    terms = sorted(dict.fromkeys(words(claim, keep_keywords=True)), key=lambda w: (-len(w), w))
    thoughts = [
        f"What does the reference say about {_surface(term, claim)}, and is it said "
        f"{rng.choice(('without exception', 'in this case', 'with a condition'))}?"
        for term in terms[: rng.randint(1, max(1, len(terms) // 2))]
    ]
    shown = [_surface(term, claim) for term in terms]
    queries = [
        " ".join(rng.sample(shown, k=min(len(shown), rng.randint(2, 5))))
        for _ in range(rng.randint(1, prompts.MAX_QUERIES))
    ]
    return "\n".join([*thoughts, *(f"QUERY: {query}" for query in queries)])


def read_passages(message: str, rng: random.Random) -> str:
    """Quotes the sentences of each passage that share words with the claim."""
    wanted = set(words(_field(message, "Claim")))
    by_passage: dict[int, list[str]] = {}
    for passage, sentence in _passage_sentences(message):
        quotes = by_passage.setdefault(passage, [])
        if len(wanted & set(words(sentence))) >= _QUOTED * len(wanted) and len(quotes) < 3:
            quotes.append(sentence)
    return "\n".join(
        f"Passage {passage}: {' '.join(quotes)}" if quotes else f"Passage {passage}: nothing."
        for passage, quotes in by_passage.items()
    )


def judge_claim(message: str, rng: random.Random) -> str:
    """The sentence of the notes that has most of the claim's words decides."""
    claim = _field(message, "Claim")
    wanted = set(words(claim)) - _NEGATIONS
    share, best = 0.0, ""
    for line in _section(message, "Notes").splitlines():
        for sentence in sentences(line.partition(": ")[2]):
            found = len(wanted & set(words(sentence))) / max(1, len(wanted))
            if found > share:
                share, best = found, sentence
    if share < _SETTLED:
        missing = " or ".join(_surface(w, claim) for w in sorted(wanted - set(words(best))))
        return f"The notes do not tell about {missing or 'it'}.\nVERDICT: UNCLEAR"
    if _negative(best) == _negative(claim):
        return f"The notes say so: {best}\nVERDICT: SUPPORTED"
    return f"The notes say the opposite: {best}\nVERDICT: REFUTED"


def rephrase_query(message: str, rng: random.Random) -> str:
    """The claim itself, as the query."""
    claim = _field(message, "Claim")
    searched = _field(message, "Searched for")
    return (
        f"'{searched}' was too narrow: all that the claim names should be in the query.\n"
        f"QUERY: {claim}"
    )


def write_answer(message: str, rng: random.Random) -> str:
    """The supported claims as they are, the refuted ones marked as such."""
    text = []
    for line in _section(message, "Claims").splitlines():
        found = re.match(r"\d+\. \[(\w+)\] (.+)", line)
        if found is None:
            continue
        verdict, claim = found.groups()
        if verdict == "SUPPORTED":
            text.append(claim)
        elif verdict == "REFUTED":
            text.append(f'(The draft had this wrong: "{claim}")')
    return " ".join(text) or "Nothing that was claimed could be confirmed."


def _skills(pairs: Sequence[tuple[ChatPromptTemplate, Skill]]) -> Mapping[str, Skill]:
    by_system: dict[str, Skill] = {}
    for prompt, skill in pairs:
        blanks = dict.fromkeys(prompt.input_variables, "")
        by_system[str(prompt.format_messages(**blanks)[0].text)] = skill
    return by_system


SKILLS: Mapping[str, Skill] = _skills(
    [
        (prompts.DRAFT, write_draft),
        (prompts.TERMS, explain_terms),
        (prompts.CLAIMS, split_claims),
        (prompts.QUERIES, plan_queries),
        (prompts.READ, read_passages),
        (prompts.JUDGE, judge_claim),
        (prompts.REPHRASE, rephrase_query),
        (prompts.ANSWER, write_answer),
    ]
)
"""The simulated model's skill for the system message of each prompt."""


def simulated_model(*, seed: int = 0, speed: float = 1.0) -> SimulatedChatModel:
    """A simulated server's model that has all these skills.

    Args:
        seed: Another seed makes other choices, and so other lengths.
        speed: Simulated seconds per real second.
    """
    return SimulatedChatModel(server=SimulatedServer(speed=speed), skills=SKILLS, seed=seed)


def _field(message: str, name: str) -> str:
    """What follows ``name:`` up to the end of the paragraph."""
    found = re.search(rf"^{name}: (.*?)(?=\n\n|\Z)", message, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def _section(message: str, name: str) -> str:
    """The lines below ``name:`` up to the next blank line."""
    found = re.search(rf"^{name}:\n(.*?)(?=\n\n|\Z)", message, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def _passage_sentences(message: str) -> list[tuple[int, str]]:
    """Each sentence of the numbered passages in ``message``, with the passage's number."""
    passages = message.partition("\n---\n")[0]
    parts = re.split(r"^\[(\d+)\] \(.*\)$", passages, flags=re.MULTILINE)[1:]
    found = []
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        found += [(int(number), sentence) for sentence in sentences(text.strip("\n"))]
    return found


def _opposite(sentence: str) -> str:
    for old, new in _OPPOSITES:
        if old in sentence:
            return sentence.replace(old, new, 1)
    return sentence


def _negative(sentence: str) -> bool:
    """Whether an odd number of words deny something."""
    tokens = re.findall(r"\w+", sentence.lower())
    return sum(token in _NEGATIONS for token in tokens) % 2 == 1


def _surface(stem: str, text: str) -> str:
    """``stem`` as ``text`` spells it."""
    for word in re.findall(r"\w+", text):
        if words(word) == [stem]:
            return str(word)
    return stem
