"""Which of several replicas a request goes to: where its prompt's beginning was, if it can.

vLLM keeps what it computed for the beginning of a prompt, so requests that begin alike
should meet. Each beginning orders the replicas in its own way (rendezvous hashing, Thaler
and Ravishankar 1998), and a request goes to the first that is up and not too full: none may
hold more than `LOAD` times its share (consistent hashing with bounded loads, Mirrokni,
Thorup and Zadimoghaddam, SODA 2018). A replica that failed is left alone for a while,
longer each time, and comes back with the first request that works.

No clock and no I/O; the time is handed in. Safe to use from threads.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Sequence
from dataclasses import dataclass
from hashlib import blake2b

LOAD = 1.25
"""How much more than its share a replica may hold before a request goes to the next one: less
costs many hits, more costs time where a document is asked for by half of all
(``python -m comparisons.routing``)."""

ROOM = 8
"""What a replica may hold in any case: a batch of that many is hardly slower than one alone."""

REST_S, MOST_REST_S = 1.0, 30.0
"""How long a replica that failed is left alone: at first, and at most."""


@dataclass(slots=True)
class _Replica:
    url: str
    held: int = 0
    failures: int = 0
    back_at: float = 0.0


class Replicas:
    """The replicas of one model server.

    Args:
        urls: Their addresses, each up to and with ``/v1``.
        load: How much more than its share one may hold.
    """

    def __init__(self, urls: Sequence[str], load: float = LOAD) -> None:
        if not urls:
            raise ValueError("No address of a server is given")
        self._replicas = [_Replica(url.rstrip("/")) for url in dict.fromkeys(urls)]
        self._load = load
        self._lock = threading.Lock()

    @property
    def held(self) -> dict[str, int]:
        """How many requests each holds now."""
        return {replica.url: replica.held for replica in self._replicas}

    def take(self, beginning: bytes, now: float, avoid: Container[str] = ()) -> str:
        """Choose a replica for a request, which counts as held until it is given back.

        Args:
            beginning: The prompt's beginning.
            now: The time, in seconds of a clock that does not go back.
            avoid: Replicas that this request failed at; taken if there is no other.

        Returns:
            The replica's address.
        """
        with self._lock:
            in_order = sorted(self._replicas, key=lambda r: _weight(r.url, beginning))
            usable = (
                [r for r in in_order if r.back_at <= now and r.url not in avoid]
                or [r for r in in_order if r.url not in avoid]
                or in_order
            )
            share = (sum(r.held for r in usable) + 1) / len(usable)
            most = max(ROOM, self._load * share)
            # One always has room: were all full, they would hold more than they do.
            chosen = next((r for r in usable if r.held < most), usable[0])
            chosen.held += 1
            return chosen.url

    def give_back(self, url: str) -> None:
        """The request that ``take`` counted has ended."""
        with self._lock:
            self._of(url).held -= 1

    def worked(self, url: str) -> None:
        """The replica answered."""
        with self._lock:
            replica = self._of(url)
            replica.failures, replica.back_at = 0, 0.0

    def failed(self, url: str, now: float, rest: float | None = None) -> None:
        """The replica could not be reached, or said that it cannot serve.

        Args:
            url: Its address.
            now: The time, as for `take`.
            rest: Seconds it asked to be left alone for, if it did.
        """
        with self._lock:
            replica = self._of(url)
            if replica.back_at <= now:
                replica.failures += 1
            after = min(REST_S * 2.0 ** min(replica.failures - 1, 10), MOST_REST_S)
            replica.back_at = max(replica.back_at, now + (after if rest is None else rest))

    def _of(self, url: str) -> _Replica:
        return next(replica for replica in self._replicas if replica.url == url)


def _weight(url: str, beginning: bytes) -> bytes:
    return blake2b(beginning, digest_size=8, key=blake2b(url.encode()).digest()).digest()
