"""Which language model answers: the simulated one, or a server's."""

from __future__ import annotations

import httpx
from langchain_core.language_models.chat_models import BaseChatModel

from examples.fact_check.skills import SKILLS
from examples.simulated_llm import SimulatedChatModel, SimulatedServer


class ModelServerError(RuntimeError):
    """The model server cannot be used; the message says what to do."""


def simulated_model(*, seed: int = 0, speed: float = 1.0) -> SimulatedChatModel:
    """The simulated server, with the skills that the application's prompts ask for."""
    return SimulatedChatModel(server=SimulatedServer(speed=speed), skills=SKILLS, seed=seed)


def served_model(url: str, model: str | None, *, seed: int, api_key: str) -> BaseChatModel:
    """A model behind an OpenAI-compatible server, asked to answer as reproducibly as it can.

    Args:
        url: The server's base address, such as ``http://127.0.0.1:8000/v1``.
        model: The model's name there; ``None`` takes the only one it serves.
        seed: Passed to the server with each request.
        api_key: Passed to the server; many local servers ignore it.

    Raises:
        ModelServerError: The server does not answer as such a server does, it
            serves other models, or ``langchain-openai`` is not installed.
    """
    url = url.rstrip("/")
    served = _served_models(url, api_key)
    if model is None:
        if len(served) != 1:
            raise ModelServerError(
                f"The server at {url} serves {len(served)} models; "
                f"name one with --model: {', '.join(served) or '(none)'}"
            )
        model = served[0]
    elif model not in served:
        raise ModelServerError(
            f"The server at {url} does not serve {model!r}, but: {', '.join(served) or '(none)'}"
        )
    try:
        from langchain_openai import ChatOpenAI
    except ImportError:
        raise ModelServerError(
            "--llm talks to the server with langchain-openai, which is not installed: "
            "pip install langchain-openai"
        ) from None
    from pydantic import SecretStr

    return ChatOpenAI(
        base_url=url,
        model=model,
        api_key=SecretStr(api_key),
        seed=seed,
        temperature=0,
        max_completion_tokens=512,
        max_retries=0,
    )


def _served_models(url: str, api_key: str) -> list[str]:
    """The names that ``GET /models`` gives."""
    try:
        headers = {"Authorization": f"Bearer {api_key}"}
        answer = httpx.get(f"{url}/models", headers=headers, timeout=10)
        answer.raise_for_status()
        return [str(entry["id"]) for entry in answer.json()["data"]]
    except httpx.HTTPStatusError as error:
        detail = f"GET {url}/models answered with status {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{type(error).__name__}: {error}"
    except (ValueError, KeyError, TypeError):
        detail = f"what GET {url}/models answers is no list of models"
    raise ModelServerError(
        f"No OpenAI-compatible server answers at {url} ({detail}). Give its address up to "
        "and with /v1, as in --llm http://127.0.0.1:8000/v1, and check that it runs; "
        "without --llm the simulated model answers."
    )
