"""The simulated server's scheduler, in virtual time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

# 10 ms a token whatever the batch, 1 ms a prompt token, two slots.
SIMPLE = Profile(
    name="test",
    inter_token_ms=((1, 10.0), (2, 10.0)),
    prompt_tokens_per_s=1000,
    bench_prompt_tokens=0,
    bench_output_tokens=1,
    max_running=2,
    max_prompt_chunk=1000,
    sources=(),
)


def play(
    events: list[tuple[float, Event]], profile: Profile = SIMPLE
) -> tuple[State, list[Action]]:
    """Feed timed events, then let the server run empty, waking only when it asks to."""
    state = State()
    actions: list[Action] = []
    for at, event in events:
        state, done = step(profile, state, event, at)
        actions += done
    while (due := wake_at(profile, state)) is not None:
        state, done = step(profile, state, Tick(), due)
        actions += done
    return state, actions


def finishes(actions: list[Action]) -> dict[int, Any]:
    return {a.id: pytest.approx(a.at) for a in actions if isinstance(a, Finish)}


def test_a_lone_request_reads_its_prompt_then_writes_a_token_an_iteration() -> None:
    """
    0       30      40      50 ms
    | 20 prompt + 1st token | 2nd | 3rd ■
    """
    _, actions = play([(0.0, Submit(Request(0, prompt_tokens=20, output_tokens=3)))])
    assert finishes(actions) == {0: 0.050}


def test_a_request_joins_at_the_next_boundary_and_slows_the_others_by_its_prompt() -> None:
    """
    A: 0 ─11─ 21 ── 31 ─────────── 61 ─ 71
    B:          ▲25  │ 20 prompt, token │ token ■ 71
    """
    _, actions = play(
        [(0.0, Submit(Request(0, 1, 5))), (0.025, Submit(Request(1, 20, 2)))],
    )
    assert finishes(actions) == {0: 0.071, 1: 0.071}


def test_who_finds_no_slot_waits_for_one_in_order_of_arrival() -> None:
    state, actions = play([(0.0, Submit(Request(i, 1, 2))) for i in range(4)])
    ends = [a.id for a in actions if isinstance(a, Finish)]
    assert ends == [0, 1, 2, 3]
    assert state.largest_batch == 2
    assert state.finished == 4


def test_cancelling_frees_the_slot_at_the_next_boundary() -> None:
    state, actions = play(
        [
            (0.0, Submit(Request(0, 1, 1000))),
            (0.0, Submit(Request(1, 1, 1000))),
            (0.0, Submit(Request(2, 1, 1))),
            (0.5, Cancel(0)),
            (0.5, Cancel(1)),
        ]
    )
    assert set(finishes(actions)) == {2}
    assert next(a.at for a in actions) == pytest.approx(0.5, abs=0.03)
    assert state.iteration_ends is None


def test_cancelling_the_last_request_leaves_the_server_idle() -> None:
    state, actions = play([(0.0, Submit(Request(0, 1, 1000))), (0.1, Cancel(0)), (0.1, Cancel(7))])
    assert actions == []
    assert (state.running, state.waiting, state.iteration_ends) == ((), (), None)


def test_watchers_hear_of_each_token_and_others_only_of_the_end() -> None:
    _, actions = play(
        [(0.0, Submit(Request(0, 1, 3, watched=True))), (0.0, Submit(Request(1, 1, 3)))]
    )
    assert [(a.id, a.written) for a in actions if isinstance(a, Progress)] == [
        (0, 1),
        (0, 2),
        (0, 3),
    ]
    assert set(finishes(actions)) == {0, 1}


def test_a_long_prompt_is_read_in_chunks_that_do_not_stall_the_others() -> None:
    """B's 2,500 prompt tokens take three iterations, and A gets a token in each."""
    _, actions = play(
        [(0.0, Submit(Request(0, 1, 9, watched=True))), (0.011, Submit(Request(1, 2500, 1)))]
    )
    first = finishes(actions)[1]
    times = [a.at for a in actions if isinstance(a, Progress)]
    assert first == 2.551  # A alone until 11 and 21 ms; then 1,010, 1,010 and 510 ms
    assert max(b - a for a, b in itertools.pairwise(times)) == pytest.approx(1.010)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 2), st.integers(1, 300), st.integers(1, 60), st.booleans(), st.booleans()
        ),
        max_size=12,
    )
)
def test_every_request_ends_once_unless_cancelled_and_time_never_runs_back(
    requests: list[tuple[float, int, int, bool, bool]],
) -> None:
    events: list[tuple[float, Event]] = []
    for id, (at, prompt, output, watched, cancelled) in enumerate(requests):
        events.append((at, Submit(Request(id, prompt, output, watched))))
        if cancelled:
            events.append((at + 0.05, Cancel(id)))
    events.sort(key=lambda event: event[0])
    state, actions = play(events)
    ended = [a.id for a in actions if isinstance(a, Finish)]
    assert len(ended) == len(set(ended)) == state.finished
    assert {i for i, r in enumerate(requests) if not r[4]} <= set(ended)
    times = [a.at for a in actions]
    assert times == sorted(times)
    assert not state.running
    assert not state.waiting
    assert state.largest_batch <= SIMPLE.max_running


@given(st.lists(st.floats(0, 1), max_size=20), st.lists(st.integers(1, 40), max_size=6))
def test_extra_wake_ups_change_nothing(ticks: list[float], outputs: list[int]) -> None:
    submits: list[tuple[float, Event]] = [
        (0.0, Submit(Request(i, 5, n))) for i, n in enumerate(outputs)
    ]
    _, plain = play(submits)
    _, ticked = play(submits + [(at, Tick()) for at in sorted(ticks)])
    assert plain == ticked


# Rows of NVIDIA's published table: concurrency, time to first token (ms), output tokens/s.
PUBLISHED = [(1, 10.26, 214.56), (5, 16.8, 1076.88), (25, 36.34, 4678.88), (50, 67.4, 8018.23)]


@pytest.mark.parametrize(("concurrency", "first_token_ms", "tokens_per_s"), PUBLISHED)
def test_under_the_published_load_it_is_as_fast_as_published(
    concurrency: int, first_token_ms: float, tokens_per_s: float
) -> None:
    """``concurrency`` clients, 200 tokens in and out, each asking again at once."""
    state, ids, finished, last = State(), itertools.count(), 0, 0.0
    total = concurrency * 4
    for _ in range(concurrency):
        state, _ = step(LLAMA_3_1_8B_H100, state, Submit(Request(next(ids), 200, 200)), 0.0)
    submitted = concurrency
    while finished < total:
        due = wake_at(LLAMA_3_1_8B_H100, state)
        assert due is not None
        state, actions = step(LLAMA_3_1_8B_H100, state, Tick(), due)
        for action in actions:
            finished += 1
            last = action.at
            if submitted < total:
                request = Request(next(ids), 200, 200)
                state, _ = step(LLAMA_3_1_8B_H100, state, Submit(request), due)
                submitted += 1
    assert total * 200 / last == pytest.approx(tokens_per_s, rel=0.1)
    alone = LLAMA_3_1_8B_H100.iteration_s(1, 200)
    assert alone * 1000 <= first_token_ms
