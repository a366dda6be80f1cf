"""State with keys missing: what a task run ahead is given.

A task may start as soon as the keys it reads are certain. Its state then holds
those keys only, and touching any other, or the state as a whole, is a
misprediction caught on the spot: the run ahead is dropped and the node runs in
its own superstep, on LangGraph's own input.
"""

from __future__ import annotations

import sys
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from copy import deepcopy
from typing import Any

from langgraph_alto.engine.observers import only_looked_at
from langgraph_alto.plan.prompts import uses_variables_only


class Misprediction(BaseException):
    """A task run ahead needs what is not certain yet.

    It is no ``Exception``, so that a node's own ``except Exception`` does not
    keep it from the engine.

    Args:
        node: The node's name.
        what: What it touched, in words.
    """

    def __init__(self, node: str, what: str) -> None:
        super().__init__(f"node {node!r} {what}")
        self.node = node
        self.what = what


_PROMPTS = "langchain_core.prompts.base"
"""The module in which all prompt templates look at their input."""

_REFUSED = object()
"""Stands in what was read for a read that was refused."""


class Partial:
    """What is certain of a state, and what was read of it.

    Args:
        node: The node's name, for the message of a misprediction.
        unsure: The keys that are not certain.
    """

    __slots__ = ("node", "read", "unsure")

    def __init__(self, node: str, unsure: frozenset[str]) -> None:
        self.node = node
        self.unsure = unsure
        self.read: set[Any] = set()

    @property
    def refused(self) -> bool:
        """Whether a read was refused, though nothing may have come of it.

        A bare ``except`` in the node, or a library, can keep the misprediction
        from the engine.
        """
        return _REFUSED in self.read

    def touch(self, key: Any) -> None:
        """A key is read.

        Raises:
            Misprediction: It is not certain.
        """
        if key in self.unsure:
            if only_looked_at():
                return
            self.read.add(_REFUSED)
            raise Misprediction(self.node, f"read the key {key!r}, which is not certain yet")
        self.read.add(key)

    def refuse_whole(self) -> bool:
        """The state is read as a whole.

        Returns:
            Whether that counts: not for those who only look on.

        Raises:
            Misprediction: Some key is not certain.
        """
        if self.unsure:
            if only_looked_at():
                return False
            self.read.add(_REFUSED)
            keys = ", ".join(sorted(self.unsure))
            raise Misprediction(self.node, f"read its whole state; not certain yet: {keys}")
        return True

    def complete(self, real: Any) -> None:
        """Fill in what was not certain; from here on nothing is refused.

        Args:
            real: The input of LangGraph's own task.
        """
        raise NotImplementedError


class PartialDict(Partial):
    """What is known of a dict state; the state itself is ``target``."""

    __slots__ = ("target",)

    def __init__(self, node: str, known: Mapping[str, Any], unsure: frozenset[str]) -> None:
        super().__init__(node, unsure)
        self.target = PartialState(self, known)

    def complete(self, real: Any) -> None:
        unsure, self.unsure = self.unsure, frozenset()
        for key in unsure:
            if key in real and not dict.__contains__(self.target, key):
                dict.__setitem__(self.target, key, real[key])


class PartialState(dict[str, Any]):
    """A dict state of which some keys are not certain yet.

    Reads of certain keys behave as on the whole dict, absent keys included.

    Args:
        partial: Says what is certain, and notes what is read.
        known: Values of the certain keys that have one.
    """

    __slots__ = ("partial",)

    def __init__(self, partial: Partial, known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self.partial = partial

    def _touch(self, key: object) -> None:
        self.partial.touch(key)

    def _whole(self) -> None:
        if self.partial.refuse_whole():
            self.partial.read.update(dict.keys(self))

    def _prompted(self) -> bool:
        """Whether a prompt template asks; it has then been told its variables.

        LangChain's templates go through all of their input; what it holds beside
        their variables makes no difference to most of them.
        """
        caller = sys._getframe(2)
        if caller.f_globals.get("__name__") != _PROMPTS:
            return False
        template = caller.f_locals.get("self")
        if not uses_variables_only(template):
            return False
        names = getattr(template, "input_variables", None)
        more = getattr(template, "optional_variables", None)
        if not isinstance(names, list) or not isinstance(more, list):
            return False
        for name in [*names, *more]:
            self._touch(name)
        return True

    def __getitem__(self, key: str) -> Any:
        self._touch(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._touch(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._touch(key)
        return super().__contains__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        # A node's own copy: what it has set itself is certain to it.
        self.partial.unsure -= {key}
        super().__setitem__(key, value)

    def update(self, *others: Any, **keys: Any) -> None:
        for key, value in dict(*others, **keys).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __delitem__(self, key: str) -> None:
        self._touch(key)
        super().__delitem__(key)

    def pop(self, key: str, *default: Any) -> Any:
        self._touch(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._touch(key)
        return super().setdefault(key, default)

    def popitem(self) -> tuple[str, Any]:
        self._whole()
        return super().popitem()

    def clear(self) -> None:
        self.partial.unsure = frozenset()
        super().clear()

    def __iter__(self) -> Iterator[str]:
        if not self._prompted():
            self._whole()
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self._whole()
        return super().__reversed__()

    def __len__(self) -> int:
        self._whole()
        return super().__len__()

    def __bool__(self) -> bool:
        self._whole()
        return super().__len__() > 0

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        if not self._prompted():
            self._whole()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._whole()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._whole()
        return super().items()

    def copy(self) -> dict[str, Any]:
        if not self.partial.unsure:
            self._whole()
            return dict(self)
        # Of its own, so that what is set in it is certain in it only.
        twin = PartialDict(self.partial.node, {}, self.partial.unsure)
        dict.update(twin.target, dict.items(self))
        twin.read = self.partial.read
        return twin.target

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        self._whole()
        return deepcopy(dict(self), memo)

    def __reduce__(self) -> Any:
        self._whole()
        return (dict, (dict(self),))

    def __eq__(self, other: object) -> bool:
        self._whole()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        self._whole()
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        self._whole()
        return other | dict(self)

    def __repr__(self) -> str:
        self._whole()
        return super().__repr__()
