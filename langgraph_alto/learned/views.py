"""Views: stand-ins for parts of the state that notice what is done with them.

A view is an instance of a subclass of the class of the object it stands for
(``dict``, ``list``, ``set``, or a class of the user's), so that ``isinstance``
answers as before. Whatever is done with it is done with the object itself; what
it gives out are views again. Before a value leaves the node, views in it are
replaced by the objects they stand for (``Tracker.release``).

Code written in C may look into a ``dict`` or ``list`` without asking its methods.
So a view of one also holds the same items itself: such code sees the right
ones, and what it changes is found (:meth:`View.settle`) and carried over.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from langgraph_alto.learned.record import Place

if TYPE_CHECKING:
    from langgraph_alto.learned.tracker import Tracker

SLOT = "alto_view"
"""The attribute of a stand-in that leads to its `View`."""

MAX_ITEMS = 50_000
"""Larger containers are taken as a whole."""


class View:
    """What a stand-in knows.

    Args:
        tracker: Of the run it belongs to.
        true: The object it stands for.
        places: Where that was found.
        own: Whether it is the task's own input, which LangGraph makes afresh for
            each task, so that setting its items changes nothing for others.
    """

    __slots__ = ("mine", "own", "places", "proxy", "seen", "tracker", "true")

    def __init__(self, tracker: Tracker, true: Any, places: list[Place], *, own: bool) -> None:
        self.tracker = tracker
        self.true = true
        self.places = places
        self.own = own
        self.mine: set[Any] = set()
        self.proxy: Any = None
        self.seen: Any = None

    def use(self) -> None:
        """The object is looked at as a whole."""
        self.tracker.record.used.update(place.path for place in self.places)

    def hand(self) -> None:
        """The object is handed on."""
        self.tracker.record.handed.update(place.path for place in self.places)

    def use_item(self, name: object) -> None:
        """An item is looked at, or that there is none."""
        if name not in self.mine:
            self.tracker.record.used.update(place.below(name).path for place in self.places)

    def item(self, name: object, value: Any) -> Any:
        """Give out an item of a mapping, or an attribute."""
        if name in self.mine:
            return self.tracker.known(value)
        return self.tracker.view(value, [place.below(name) for place in self.places])

    def element(self, value: Any) -> Any:
        """Give out an element of a list."""
        return self.tracker.view(value, [place.element() for place in self.places])

    def change(self) -> None:
        """The object itself changes."""
        if self.own:
            return
        self.tracker.record.objects.add(id(self.true))
        self.tracker.record.changed.update(place.path for place in self.places)

    def change_item(self, name: object) -> None:
        """An item of a mapping, or an attribute, is set or deleted."""
        if self.own:
            self.mine.add(name)
            return
        self.tracker.record.objects.add(id(self.true))
        self.tracker.record.changed.update(place.below(name).path for place in self.places)

    def settle(self) -> None:
        """Bring the stand-in's own items and the object's together.

        If others changed the object, the stand-in follows; if code in C changed
        the stand-in, the object does.
        """
        kind, proxy, true = self._kind(), self.proxy, self.true
        if kind is None:
            return
        if _same(kind, true, self.seen):
            if _same(kind, proxy, self.seen):
                return
            self.change()
            _fill(kind, true, _plain(kind, proxy))
        _fill(kind, proxy, true)
        self.seen = kind(true)

    def quick_settle(self) -> None:
        """The same, but where only the number of items tells that it is needed."""
        count = len(self.seen)
        kind = self._kind()
        if kind is not None and (len(self.true) != count or kind.__len__(self.proxy) != count):
            self.settle()

    def mirror(self) -> None:
        """The object was changed through the stand-in: note its items."""
        kind = self._kind()
        if kind is not None:
            _fill(kind, self.proxy, self.true)
            self.seen = kind(self.true)

    def _kind(self) -> Any:
        kind = type(self.true)
        return kind if kind in (dict, list, set) else None


def _plain(kind: Any, proxy: Any) -> Any:
    """The items a stand-in holds itself."""
    if kind is list:
        return list.copy(proxy)
    return dict(dict.items(proxy)) if kind is dict else set.copy(proxy)


def _same(kind: Any, left: Any, right: Any) -> bool:
    """Whether two containers hold the very same objects, in the same order."""
    if kind.__len__(left) != len(right):
        return False
    if kind is set:
        return all(set.__contains__(left, each) for each in right)
    if kind is list:
        pairs = zip(list.__iter__(left), right, strict=True)
        return all(a is b for a, b in pairs)
    items = zip(dict.items(left), right.items(), strict=True)
    return all(a is c and b is d for (a, b), (c, d) in items)


def _fill(kind: Any, container: Any, items: Any) -> None:
    kind.clear(container)
    if kind is list:
        list.extend(container, items)
    else:
        kind.update(container, items)


def attach(proxy: Any, view: View) -> None:
    """Tell a stand-in what it stands for."""
    object.__setattr__(proxy, SLOT, view)
    true = view.true
    if type(true) not in (dict, list, set):
        with contextlib.suppress(AttributeError):  # a class with slots only
            # Shared, so that code which goes around the methods sees the same.
            object.__setattr__(proxy, "__dict__", object.__getattribute__(true, "__dict__"))


PROXIES: set[type] = set()
"""The classes of stand-ins."""


def view_of(value: Any) -> View | None:
    """The view of a stand-in; ``None`` for any other value."""
    if type(value) not in PROXIES:
        return None
    view: View | None = object.__getattribute__(value, SLOT)
    return view


def own_attributes(value: Any) -> dict[str, Any]:
    """The attributes an object of a Python class keeps, without running its code."""
    found: dict[str, Any] = {}
    with contextlib.suppress(AttributeError, TypeError):
        found.update(object.__getattribute__(value, "__dict__"))
    for kind in type(value).__mro__:
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else tuple(names):
            if name in ("__dict__", "__weakref__"):
                continue
            try:
                found[name] = object.__getattribute__(value, name)
            except (AttributeError, TypeError):
                continue
    return found
