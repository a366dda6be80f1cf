"""The thread shell around the scheduler: real time in, finished futures out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from examples.simulated_llm.profile import LLAMA_3_1_8B_H100, Profile
from examples.simulated_llm.scheduler import (
    Action,
    Cancel,
    Event,
    Finish,
    Progress,
    Request,
    State,
    Submit,
    Tick,
    step,
    wake_at,
)


@dataclass(frozen=True, slots=True)
class ServerStats:
    """What a server has done so far."""

    finished: int
    running: int
    waiting: int
    largest_batch: int


@dataclass(frozen=True, slots=True)
class _Caller:
    future: Future[None]
    on_tokens: Callable[[int], None] | None


class SimulatedServer:
    """A model server that takes the time a real one would, and computes nothing.

    It serves threads and any number of event loops at once. Its one worker
    thread lives only while requests are under way, so an idle server leaves
    nothing behind. A late wake-up never slows the simulation: iterations are
    counted by their computed ends, not by when the thread got to run.

    Args:
        profile: The model and GPU to imitate.
        speed: Simulated seconds per real second; 1 is real time.
    """

    def __init__(self, profile: Profile = LLAMA_3_1_8B_H100, *, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, got {speed}")
        self.profile = profile
        self.speed = speed
        self._epoch = time.monotonic()
        self._changed = threading.Condition()
        self._state = State()
        self._callers: dict[int, _Caller] = {}
        self._next_id = 0
        self._worker: threading.Thread | None = None

    def submit(
        self,
        prompt_tokens: int,
        output_tokens: int,
        on_tokens: Callable[[int], None] | None = None,
    ) -> Future[None]:
        """Queue a request.

        Args:
            prompt_tokens: Length of the prompt; at least 1 is counted.
            output_tokens: Length of the output; at least 1 is counted.
            on_tokens: Called in the worker's thread with the number of tokens
                written so far, after each of them.

        Returns:
            A future that completes when the last token is written. Cancelling
            it gives the slot back at the next iteration.
        """
        with self._changed:
            request = Request(
                self._next_id,
                max(1, prompt_tokens),
                max(1, output_tokens),
                watched=on_tokens is not None,
            )
            self._next_id += 1
            future: Future[None] = Future()
            self._callers[request.id] = _Caller(future, on_tokens)
            actions = self._take(Submit(request))
            if self._worker is None:
                self._worker = threading.Thread(
                    target=self._work, name="simulated-model-server", daemon=True
                )
                self._worker.start()
            self._changed.notify()
        self._report(actions)
        future.add_done_callback(lambda done: self._forget(request.id, done))
        return future

    @property
    def stats(self) -> ServerStats:
        """Counts since the server was made, and its load at this moment."""
        with self._changed:
            state = self._state
        return ServerStats(
            state.finished, len(state.running), len(state.waiting), state.largest_batch
        )

    def _now(self) -> float:
        return (time.monotonic() - self._epoch) * self.speed

    def _take(self, event: Event) -> tuple[Action, ...]:
        self._state, actions = step(self.profile, self._state, event, self._now())
        return actions

    def _work(self) -> None:
        while True:
            with self._changed:
                actions = self._take(Tick())
                due = wake_at(self.profile, self._state)
                if not actions:
                    if due is None:
                        self._worker = None
                        return
                    self._changed.wait(max(0.0, (due - self._now()) / self.speed))
            self._report(actions)

    def _report(self, actions: tuple[Action, ...]) -> None:
        """Tell the callers, outside the lock: they may submit in their turn."""
        for action in actions:
            match action:
                case Progress(id, written):
                    caller = self._callers.get(id)
                    if caller is not None and caller.on_tokens is not None:
                        caller.on_tokens(written)
                case Finish(id):
                    caller = self._callers.pop(id, None)
                    if caller is not None and caller.future.set_running_or_notify_cancel():
                        caller.future.set_result(None)

    def _forget(self, id: int, future: Future[None]) -> None:
        if not future.cancelled():
            return
        with self._changed:
            self._callers.pop(id, None)
            actions = self._take(Cancel(id))
            self._changed.notify()
        self._report(actions)
