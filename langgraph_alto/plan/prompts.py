"""Prompt templates of LangChain that use their variables and nothing else.

A template is given all of its input. LangChain's plain ones put their variables
in; but one that chooses examples by their length, or one of your own, may look
at everything.
"""

from __future__ import annotations

_MODULES = "langchain_core.prompts."
_PLAIN = frozenset({"PromptTemplate", "ImagePromptTemplate", "DictPromptTemplate"})


def uses_variables_only(template: object) -> bool:
    """Whether a prompt template's result depends on its variables only."""
    name = _name(template)
    if name != "ChatPromptTemplate":
        return name in _PLAIN
    messages = getattr(template, "messages", None)
    return isinstance(messages, list) and all(map(_message, messages))


def _message(message: object) -> bool:
    if type(message).__module__.startswith("langchain_core.messages."):
        return True
    name = _name(message)
    if name == "MessagesPlaceholder":
        return True
    if name is None or not name.endswith("MessagePromptTemplate"):
        return False
    prompt = getattr(message, "prompt", None)
    parts = prompt if isinstance(prompt, list) else [prompt]
    return all(_name(part) in _PLAIN for part in parts)


def _name(obj: object) -> str | None:
    """The name of an object's class, if it is one of LangChain's templates."""
    kind = type(obj)
    return kind.__name__ if kind.__module__.startswith(_MODULES) else None
