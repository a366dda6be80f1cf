"""Hands out views of one function's input, and takes them out of what it returns."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

from langgraph_alto.learned import containers, objects
from langgraph_alto.learned.record import Place, Record
from langgraph_alto.learned.views import PROXIES, View, attach, own_attributes, view_of

MAX_DEPTH = 6
"""Objects deeper in the state than this are taken as a whole."""


class Tracker:
    """The views of one run of one function.

    Args:
        record: Where what is done is noted.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self._views: dict[int, View] = {}

    def root(self, state: Any) -> Any:
        """The view of the function's input, or the input itself where it has none."""
        proxy = make(state)
        if proxy is None or type(state) is list or type(state) is set:
            self.record.handed.add(())
            return state
        return self._made(proxy, View(self, state, [Place(())], own=not self.record.packet))

    def view(self, value: Any, places: list[Place]) -> Any:
        """The view of a part of the state; parts that can have none count as a whole."""
        if (view := view_of(value)) is not None:
            value = view.true
        paths = [place.path for place in places]
        known = self._views.get(id(value))
        if known is not None and known.true is value:
            for place in places:
                # Below what is known already: a cycle.
                if not any(
                    p.exact and place.path[: len(p.path)] == p.path for p in known.places if p.path
                ):
                    known.places.append(place)
            self.record.loaded.update(paths)
            if known.seen is not None:
                known.quick_settle()
            return known.proxy
        deep = any(len(path) > MAX_DEPTH for path in paths)
        proxy = None if deep else make(value)
        if proxy is None:
            # Of an object without a view, nobody sees how much of it is looked at.
            leaf = type(value) in _LEAVES
            (self.record.used if leaf else self.record.handed).update(paths)
            return value
        self.record.loaded.update(paths)
        return self._made(proxy, View(self, value, places, own=False))

    def own_keys(self, state: Any) -> set[Any]:
        """Top-level keys that the function set on its own input."""
        view = self._views.get(id(state))
        return set() if view is None else view.mine

    def known(self, value: Any) -> Any:
        """The view of an object if it has one, else the object."""
        view = self._views.get(id(value))
        return view.proxy if view is not None and view.true is value else value

    def _made(self, proxy: Any, view: View) -> Any:
        view.proxy = proxy
        attach(proxy, view)
        view.mirror()
        self._views[id(view.true)] = view
        return proxy

    def release(self, value: Any) -> Any:
        """Replace all views in a value that leaves the function, in place where it can."""
        return Release(View.hand).of(value)

    def finish(self, *values: Any) -> None:
        """The function has ended: nothing of the views may stay in the state.

        Args:
            values: Its input.
        """
        for view in tuple(self._views.values()):
            view.settle()
        walk = Release(lambda view: None)
        for value in values:
            walk.of(value)
        for view in tuple(self._views.values()):
            view.mirror()


def make(value: Any) -> Any:
    """An empty stand-in of a value, or ``None`` where it can have none."""
    made = containers.stand_in(value)
    return objects.stand_in(value) if made is None else made


_LEAVES = frozenset(
    {
        *(str, int, float, bool, bytes, type(None), complex, type, range),
        *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.MethodType),
    }
)
_MOST = 500_000


class Release:
    """One walk through a value that replaces the views in it.

    Args:
        found: Called with each view.
    """

    def __init__(self, found: Callable[[View], None]) -> None:
        self._found = found
        self._seen: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """The value without views: the same object, unless it is a view or immutable."""
        kind = type(value)
        if kind in _LEAVES:
            return value
        if (view := view_of(value)) is not None:
            self._found(view)
            return view.true
        if id(value) in self._seen or len(self._seen) > _MOST:
            return value
        self._seen[id(value)] = value
        try:
            if issubclass(kind, tuple):
                return self._tuple(value)
            if issubclass(kind, frozenset):
                items = [self.of(each) for each in value]
                same = all(type(each) not in PROXIES for each in value)
                return value if same else frozenset(items)
            self._inside(value)
        except RecursionError:
            pass  # so deep that LangGraph could not store it either
        return value

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = [self.of(each) for each in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        kind: Any = type(value)
        return kind._make(items) if hasattr(kind, "_make") else kind(items)

    def _inside(self, value: Any) -> None:
        kind = type(value)
        if issubclass(kind, dict):
            if any(type(key) in PROXIES for key in dict.keys(value)):
                items = [(self.of(k), v) for k, v in dict.items(value)]
                dict.clear(value)
                dict.update(value, items)
            self._items(dict.items(value), lambda k, v: dict.__setitem__(value, k, v))
        elif issubclass(kind, list):
            self._items(enumerate(list.__iter__(value)), lambda i, v: list.__setitem__(value, i, v))
        elif issubclass(kind, set) and any(type(e) in PROXIES for e in set.__iter__(value)):
            held = [self.of(each) for each in set.__iter__(value)]
            set.clear(value)
            set.update(value, held)
        attributes = own_attributes(value)
        self._items(attributes.items(), lambda k, v: object.__setattr__(value, k, v))

    def _items(self, items: Iterable[tuple[Any, Any]], put: Callable[[Any, Any], None]) -> None:
        for key, each in tuple(items):
            new = self.of(each)
            if new is not each:
                put(key, new)
