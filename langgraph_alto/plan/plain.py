"""A plan as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any


def plain(value: Any) -> Any:
    """Dataclasses as dicts, collections as lists (sets sorted), all else as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            part.name: plain(getattr(value, part.name))
            for part in dataclasses.fields(value)
            if part.compare
        }
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value
