"""Continuous batching as a pure function: (profile, state, event) -> (state, actions).

No clock, no thread, no I/O: events carry their time, and `wake_at` says when the
next one is due. Time passes in iterations, as in vLLM or TensorRT-LLM:

    time ────┬───────────────┬────────┬────────┬───────►
             │ reads B, C    │        │        │
      A      │ token         │ token  │ token ■│            ■ finished
      B      │ prompt, token │ token  │ token  │ ...
      C      │ prompt, token │ token ■│        │
      D                 arrives ▲     │ prompt, token ...

A request joins at the next boundary between iterations (D), and every running
request gets one token in each. So a longer batch slows everybody a little, a
long prompt slows everybody once, and a request's time depends on its company.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from examples.simulated_llm.profile import Profile


@dataclass(frozen=True, slots=True)
class Request:
    """What the scheduler knows of a request: lengths, never the text.

    Args:
        id: Unique among the requests of one server.
        prompt_tokens: Tokens to read, at least 1.
        output_tokens: Tokens to write, at least 1.
        watched: Whether somebody wants to hear of each token, not just of the end.
    """

    id: int
    prompt_tokens: int
    output_tokens: int
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A request that holds a slot."""

    request: Request
    unread: int  # prompt tokens not yet read
    written: int = 0  # output tokens so far


@dataclass(frozen=True, slots=True)
class State:
    """A server between two events; times in seconds.

    ``iteration_ends`` is ``None`` when the server is idle. It is fixed when the
    iteration starts: a request cancelled meanwhile frees its slot, but does not
    shorten the work under way.
    """

    running: tuple[Running, ...] = ()
    waiting: tuple[Request, ...] = ()
    iteration_ends: float | None = None
    finished: int = 0
    largest_batch: int = 0


@dataclass(frozen=True, slots=True)
class Submit:
    """A request arrives."""

    request: Request


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller of request ``id`` is gone. Unknown or finished ids are ignored."""

    id: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but time has passed."""


Event = Submit | Cancel | Tick


@dataclass(frozen=True, slots=True)
class Progress:
    """Watched request ``id`` has ``written`` tokens at time ``at``."""

    id: int
    written: int
    at: float


@dataclass(frozen=True, slots=True)
class Finish:
    """Request ``id`` has all its tokens at time ``at``; its slot is free."""

    id: int
    at: float


Action = Progress | Finish


def step(
    profile: Profile, state: State, event: Event, now: float
) -> tuple[State, tuple[Action, ...]]:
    """Carry ``state`` to time ``now``, then let ``event`` happen.

    Args:
        profile: The server's timing.
        state: The state after the previous event.
        event: What happens.
        now: When it happens, in seconds; never earlier than the previous event.

    Returns:
        The new state and everything that happened up to ``now``, in order.
    """
    state, actions = _advance(profile, state, now)
    match event:
        case Submit(request):
            state = replace(state, waiting=(*state.waiting, request))
            if state.iteration_ends is None:
                state = _start_iteration(profile, state, now)
        case Cancel(id):
            state = replace(
                state,
                running=tuple(r for r in state.running if r.request.id != id),
                waiting=tuple(r for r in state.waiting if r.id != id),
            )
            if not state.running and not state.waiting:
                state = replace(state, iteration_ends=None)
        case Tick():
            pass
    return state, actions


def wake_at(profile: Profile, state: State) -> float | None:
    """When something that a caller can notice happens next, if no event comes first.

    Returns:
        A time in seconds, or ``None`` when the server is idle.
    """
    if state.iteration_ends is None:
        return None
    changes = state.waiting or any(r.unread or r.request.watched for r in state.running)
    if changes or not state.running:
        return state.iteration_ends
    left = min(r.request.output_tokens - r.written for r in state.running)
    return state.iteration_ends + (left - 1) * profile.iteration_s(len(state.running), 0)


def _advance(profile: Profile, state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    """Complete every iteration that ends by ``now``."""
    actions: list[Action] = []
    while state.iteration_ends is not None and state.iteration_ends <= now:
        ended_at = state.iteration_ends
        running: list[Running] = []
        finished = state.finished
        for one, read in zip(state.running, _reads(profile, state.running), strict=True):
            request = one.request
            unread = one.unread - read
            written = one.written if unread else one.written + 1
            if written > one.written and request.watched:
                actions.append(Progress(request.id, written, ended_at))
            if written == request.output_tokens:
                actions.append(Finish(request.id, ended_at))
                finished += 1
            else:
                running.append(Running(request, unread, written))
        state = replace(state, running=tuple(running), finished=finished)
        state = _start_iteration(profile, state, ended_at)
    return state, tuple(actions)


def _start_iteration(profile: Profile, state: State, now: float) -> State:
    """Give free slots to those who wait, first come first served, and set the end."""
    free = profile.max_running - len(state.running)
    admitted = tuple(Running(r, unread=r.prompt_tokens) for r in state.waiting[:free])
    running = state.running + admitted
    waiting = state.waiting[len(admitted) :]
    if not running:
        return replace(state, running=(), waiting=waiting, iteration_ends=None)
    duration = profile.iteration_s(len(running), sum(_reads(profile, running)))
    return replace(
        state,
        running=running,
        waiting=waiting,
        iteration_ends=now + duration,
        largest_batch=max(state.largest_batch, len(running)),
    )


def _reads(profile: Profile, running: tuple[Running, ...]) -> list[int]:
    """How many prompt tokens of each running request this iteration reads."""
    budget = profile.max_prompt_chunk
    reads = []
    for one in running:
        read = min(one.unread, budget)
        budget -= read
        reads.append(read)
    return reads
