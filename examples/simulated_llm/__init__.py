"""A simulated model server: real waiting, real batching, no language model.

Nothing here knows language. The *timing* is that of a named model on a named
GPU under continuous batching (`profile` says which, and where the numbers come
from); the *text* is computed by small deterministic functions, *skills*, that
the application supplies. It lets an example run anywhere, in the time a model
server would take, with the same text on every run.

The scheduler is a pure function (`scheduler`), the server a thin thread around
it (`server`), and `SimulatedChatModel` the LangChain model in front of both.
"""

from examples.simulated_llm.chat_model import SimulatedChatModel, Skill, UnknownPromptError
from examples.simulated_llm.profile import LLAMA_3_1_8B_H100, Profile
from examples.simulated_llm.server import SimulatedServer

__all__ = [
    "LLAMA_3_1_8B_H100",
    "Profile",
    "SimulatedChatModel",
    "SimulatedServer",
    "Skill",
    "UnknownPromptError",
]
