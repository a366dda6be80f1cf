"""Stand-ins for dicts, lists and sets of the state."""

from __future__ import annotations

import collections.abc
import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from langgraph_alto.learned.views import MAX_ITEMS, PROXIES, SLOT, View, view_of

_MISSING: Any = object()


def _true(value: Any) -> Any:
    """What a stand-in stands for; any other value itself."""
    view = view_of(value)
    return value if view is None else view.true


def _used(value: Any) -> Any:
    """The same, where all of it is looked at."""
    view = view_of(value)
    if view is None:
        return value
    view.use()
    return view.true


def _comparison(kind: type, name: str) -> Callable[[Any, Any], Any]:
    compare = getattr(kind, name)

    def method(self: Any, other: Any) -> Any:
        return compare(_used(self), _used(other))

    method.__name__ = name
    return method


def _comparisons(kind: type) -> dict[str, Any]:
    names = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
    return {name: _comparison(kind, name) for name in names}


class _Stand:
    """What the stand-ins of all containers share."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_used(self))

    def __format__(self, spec: str) -> str:
        return format(_used(self), spec)

    def __copy__(self) -> Any:
        return self.copy()  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(_used(self), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        true = _used(self)
        return type(true), (type(true)(true),)


class TrackedDict(_Stand, dict[Any, Any]):
    """A dict of the state, or the state itself."""

    __slots__ = (SLOT,)
    alto_view: View

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Code that makes another "of the same class" gets an ordinary one.
        return dict(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        view = self.alto_view
        view.quick_settle()
        value = view.true.get(key, _MISSING)
        if value is _MISSING:
            view.use_item(key)
            raise KeyError(key)
        return view.item(key, value)

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self.alto_view.true else self._absent(key, default)

    def _absent(self, key: Any, default: Any) -> Any:
        self.alto_view.use_item(key)
        return default

    def __contains__(self, key: object) -> bool:
        self.alto_view.quick_settle()
        self.alto_view.use_item(key)
        return key in self.alto_view.true

    def __len__(self) -> int:
        return len(_used(self))

    def __iter__(self) -> Iterator[Any]:
        return iter(dict.keys(_used(self)))

    def __reversed__(self) -> Iterator[Any]:
        return reversed(dict.keys(_used(self)))

    def keys(self) -> Any:
        return _used(self).keys()

    def values(self) -> Any:
        self.alto_view.use()
        return collections.abc.ValuesView(self)

    def items(self) -> Any:
        self.alto_view.use()
        return collections.abc.ItemsView(self)

    def copy(self) -> Any:
        return {key: self[key] for key in self}

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        view = self.alto_view
        view.quick_settle()
        view.true[key] = dict_value = view.tracker.release(value)
        view.change_item(key)
        dict.__setitem__(self, key, dict_value)
        view.seen[key] = dict_value

    def __delitem__(self, key: Any) -> None:
        view = self.alto_view
        view.quick_settle()
        view.use_item(key)
        del view.true[key]
        view.change_item(key)
        view.mirror()

    def update(self, *others: Any, **more: Any) -> None:
        for key, value in dict(*others, **more).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
            return self.alto_view.tracker.known(_true(default))
        return self[key]

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        if key not in self:
            if default is _MISSING:
                raise KeyError(key)
            return default
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> Any:
        self.alto_view.use()
        self.alto_view.change()
        key = next(reversed(self.alto_view.true))
        return key, self.pop(key)

    def clear(self) -> None:
        view = self.alto_view
        view.change()
        if view.own:
            view.mine.update(view.true)
        view.true.clear()
        view.mirror()

    locals().update(_comparisons(dict))
    __hash__ = None


class TrackedList(_Stand, list[Any]):
    """A list of the state."""

    __slots__ = (SLOT,)
    alto_view: View

    def __new__(cls, *args: Any) -> Any:
        return list(*args)

    def __getitem__(self, index: Any) -> Any:
        view = self.alto_view
        view.quick_settle()
        found = view.true[index]
        if isinstance(index, slice):
            return [view.element(each) for each in found]
        return view.element(found)

    def __len__(self) -> int:
        self.alto_view.quick_settle()
        return len(self.alto_view.true)

    def __iter__(self) -> Iterator[Any]:
        view = self.alto_view
        view.quick_settle()
        position = 0
        # By position, as a list's own iterator: it may grow meanwhile.
        while position < len(view.true):
            yield view.element(view.true[position])
            position += 1

    def __reversed__(self) -> Iterator[Any]:
        views: list[Any] = list(iter(self))
        return iter(views[::-1])

    def __contains__(self, value: object) -> bool:
        return _true(value) in _used(self)

    def index(self, value: Any, *bounds: Any) -> int:
        return _used(self).index(_true(value), *bounds)  # type: ignore[no-any-return]

    def count(self, value: Any) -> int:
        return _used(self).count(_true(value))  # type: ignore[no-any-return]

    def copy(self) -> Any:
        return list(iter(self))

    def __add__(self, other: Any) -> Any:
        both: Any = list(iter(self)) + (list(iter(other)) if view_of(other) else other)
        return both

    def __radd__(self, other: Any) -> Any:
        return other + list(iter(self))

    def __mul__(self, times: Any) -> Any:
        return list(iter(self)) * times

    __rmul__ = __mul__

    def _change(self, method: Callable[..., Any], *args: Any) -> Any:
        view = self.alto_view
        view.quick_settle()
        result = method(view.true, *(view.tracker.release(each) for each in args))
        view.change()
        view.mirror()
        return result

    def append(self, value: Any) -> None:
        view = self.alto_view
        view.quick_settle()
        value = view.tracker.release(value)
        for each in (view.true, view.seen):
            each.append(value)
        list.append(self, value)
        view.change()

    def extend(self, values: Iterable[Any]) -> None:
        self._change(list.extend, list(values))

    def __iadd__(self, values: Any) -> Any:
        self.extend(values)
        return self

    def __imul__(self, times: Any) -> Any:
        self._change(list.__imul__, times)
        return self

    def insert(self, index: Any, value: Any) -> None:
        self._change(list.insert, index, value)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(list.__setitem__, index, list(value) if isinstance(index, slice) else value)

    def __delitem__(self, index: Any) -> None:
        self._change(list.__delitem__, index)

    def remove(self, value: Any) -> None:
        self.alto_view.use()
        self._change(list.remove, value)

    def pop(self, index: Any = -1) -> Any:
        value = self.alto_view.element(self.alto_view.true[index])
        self._change(list.pop, index)
        return value

    def clear(self) -> None:
        self._change(list.clear)

    def reverse(self) -> None:
        self._change(list.reverse)

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        ordered = sorted(iter(self), key=key, reverse=reverse)
        self[:] = ordered

    locals().update(_comparisons(list))
    __hash__ = None


class TrackedSet(_Stand, set[Any]):
    """A set of the state: reading it is reading all of it, at once."""

    __slots__ = (SLOT,)
    alto_view: View

    def __new__(cls, *args: Any) -> Any:
        return set(*args)

    def copy(self) -> Any:
        return set(_used(self))

    locals().update(_comparisons(set))
    __hash__ = None


def _set_mutator(name: str) -> Any:
    change = getattr(set, name)

    def method(self: TrackedSet, *args: Any) -> Any:
        view = self.alto_view
        view.settle()
        result = change(view.true, *(view.tracker.release(each) for each in args))
        view.change()
        view.mirror()
        return self if result is view.true else result

    method.__name__ = name
    return method


for _name in (
    *("add", "clear", "difference_update", "discard", "intersection_update", "pop", "remove"),
    *("symmetric_difference_update", "update", "__iand__", "__ior__", "__isub__", "__ixor__"),
):
    setattr(TrackedSet, _name, _set_mutator(_name))

_KINDS: dict[type, Any] = {dict: TrackedDict, list: TrackedList, set: TrackedSet}
PROXIES.update(_KINDS.values())


def stand_in(value: Any) -> Any:
    """An empty stand-in of a dict, list or set; ``None`` for anything else."""
    kind = type(value)
    stand = _KINDS.get(kind)
    if stand is None or len(value) > MAX_ITEMS:
        return None
    new: Any = kind.__new__
    return new(stand)
