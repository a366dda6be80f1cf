"""Keep the garbage collector from walking a wide fan-out again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

WIDE = 64
"""From how many tasks on a superstep is worth it."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause automatic collection while many objects are made that all stay alive.

    Making ``n`` tasks allocates some eighty objects for each. Python's collector
    runs every few hundred allocations, and finds nothing. The section must not
    await, nor run for long, so that no other code misses the collector.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def set_aside() -> bool:
    """Take the tasks just made, and all else that is alive, from the collector's view.

    They live until their superstep is committed, so looking through them for
    garbage is in vain. New objects are still collected.

    Returns:
        Whether it was done, and :func:`take_back` is owed. It is not where
        something is set aside already: by another run, or by a server that
        froze its objects before forking.
    """
    if not gc.isenabled() or gc.get_freeze_count():
        return False
    gc.freeze()
    return True


def set_aside_more() -> None:
    """Set aside what has been made since, where :func:`set_aside` was done."""
    gc.freeze()


def take_back() -> None:
    """Let the collector see again what was set aside."""
    gc.unfreeze()
