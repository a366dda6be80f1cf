"""The gather's node: one LangGraph task that calls the function once per parent."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Any, Protocol

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor
from langgraph.types import Command

from langgraph_alto.ancestry import ROOT, Ancestry
from langgraph_alto.gather import Errors
from langgraph_alto.gathering.log import Entry, enter, place_of
from langgraph_alto.gathering.results import Arriving, Failure, Feed, Gathered
from langgraph_alto.ledger import Kind, Ledger, Place
from langgraph_alto.plan.words import ACCOUNT

EARLY = "__alto_early_calls"
"""Where the engine leaves, in the task's config, the calls that it has begun early."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a gather was declared with; see :func:`langgraph_alto.gather`.

    Args:
        name: The gather's node.
        over: The fan-out site: the node whose tasks are the parents.
        of: The nodes whose results are gathered; ``None``: those it sends to.
        key: The one key of their updates that is gathered; ``None``: all.
        first: How many results are enough; ``None``: all are wanted.
        as_completed: Whether the function is given the results as they come.
        errors: The error scope of the site; ``None`` where none is declared.
    """

    name: str
    over: str
    of: tuple[str, ...] | None
    key: str | None
    first: int | None
    as_completed: bool
    errors: Errors | None

    @property
    def log(self) -> str:
        """The gather's channel."""
        return ACCOUNT + self.name


@dataclass(frozen=True, slots=True)
class Parent:
    """One parent whose fan-out is complete, or as far as it is wanted.

    Args:
        place: Where its task stood.
        given: What it was sent.
        entries: Those of the tasks below it that have a result, in order.
        ancestry: The fan-outs it came from.
    """

    place: Place
    given: Any
    entries: list[Entry]
    ancestry: Ancestry


class Early(Protocol):
    """A call that was begun before the gather's superstep."""

    def result(self) -> Any:
        """What it returned; waits in a thread, raises what it raised."""

    async def aresult(self) -> Any:
        """What it returned; waits on the event loop, raises what it raised."""


class EarlyCalls(Protocol):
    """The calls of one gather that were begun before its superstep."""

    def take(self, parent: Parent, config: Any) -> Early | None:
        """The call for this very parent, if there is one; what it emits is let out."""

    def room(self) -> AbstractAsyncContextManager[Any]:
        """Room for one more call than the gather's own task has room for."""
        ...


Room = Callable[[], AbstractAsyncContextManager[Any]]
"""Makes room for one more call at once."""


class NotMade(BaseException):
    """An early call came to nothing: the gather makes it itself."""


@dataclass(eq=False)
class Book:
    """The ledger of one gather, with what the entries say beside it.

    Args:
        declaration: The gather's.
    """

    declaration: Declaration
    ledger: Ledger[Entry] = field(default_factory=Ledger)
    entries: dict[Place, Entry] = field(default_factory=dict)

    def enter(self, entry: Entry) -> list[Place]:
        """Take in an entry; the places that are complete from now on."""
        done = enter(self.ledger, entry)
        self.entries[place_of(entry["at"])] = entry
        return done

    def is_parent(self, place: Place) -> bool:
        """Whether a place is that of a task of the gather's site."""
        return "given" in self.entries.get(place, ())

    def ancestry(self, place: Place) -> Ancestry:
        """The fan-outs that the task at a place came from."""
        found = ROOT
        for depth in range(1, len(place)):
            sender = self.entries.get(place[:depth])
            site = sender["node"] if sender is not None else site_of(place[0])
            sends = sender["sends"] if sender is not None else None
            count = sends if isinstance(sends, int) else None
            found = found.child(site, place[depth], count)
        return found

    def result(self, entry: Entry) -> Any:
        """What the function is given for an entry."""
        if "failed" in entry:
            kind, message = entry["failed"]
            at = self.ancestry(place_of(entry["at"]))
            return Failure(entry["node"], at, kind, message)
        return entry.get("result")

    def results(self, place: Place) -> Iterator[Entry]:
        """The entries below a place that count, in order, as far as they are known."""
        for _, outcome in self.ledger.walk(place):
            if outcome.kind is not Kind.TOMBSTONE and outcome.value is not None:
                yield outcome.value

    def parent(self, place: Place) -> Parent:
        """A parent with what there is of its results, and is wanted."""
        entries = list(islice(self.results(place), self.declaration.first))
        return Parent(place, self.entries[place].get("given"), entries, self.ancestry(place))


class GatherNode(Runnable[Any, Any]):
    """The node of a gather.

    Args:
        function: The user's function.
        declaration: What was declared.
    """

    def __init__(self, function: Any, declaration: Declaration) -> None:
        self.function = function
        self.declaration = declaration
        self.name = declaration.name
        # How many supersteps there are below a root, by its node. Set when the
        # graph is compiled, as is whether errors may leave a task without entry.
        self.depths: dict[str, int] = {}
        self.handled = False

    @cached_property
    def asynchronous(self) -> bool:
        """Whether the function is a coroutine function."""
        function = self.function
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  (a callable object's own)
        )

    @cached_property
    def accepts(self) -> frozenset[str]:
        """The names among ``config`` and ``runtime`` that the function takes."""
        if isinstance(self.function, Runnable):
            return frozenset()
        return frozenset(inspect.signature(self.function).parameters) & {"config", "runtime"}

    # -- the task -------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Call the function for each parent that is complete, in order."""
        book, roots = self._due(input, config)
        updates = [self._call(book, parent, config) for parent in self._parents(book, roots)]
        return self._output(updates, roots)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Call the function for each parent that is complete, at the same time."""
        book, roots = self._due(input, config)
        early: EarlyCalls | None = (config or {}).get("configurable", {}).get(EARLY)
        jobs = [partial(self._acall, book, parent, config) for parent in self._parents(book, roots)]
        limit = (config or {}).get("max_concurrency")
        room = nullcontext if early is None else early.room
        return self._output(await _together(jobs, limit, room), roots)

    def _due(self, input: Any, config: Any) -> tuple[Book, list[Any]]:
        """The book, and the roots that are complete."""
        entries: list[Entry] = (input or {}).get(self.declaration.log, [])
        book = Book(self.declaration)
        for entry in entries:
            book.enter(entry)
        step = config["metadata"].get("langgraph_step", 0)
        for root in book.ledger.roots() if self.handled else ():
            if root[0] + self.depths.get(site_of(root), 0) < step:
                book.ledger.give_up(root)  # an error handler has answered for a task
        complete = [root for root in book.ledger.roots() if book.ledger.complete((root,))]
        return book, sorted(complete)

    def _parents(self, book: Book, roots: list[Any]) -> Iterator[Parent]:
        due = set(roots)
        for place in sorted(book.entries):
            if place[0] in due and book.is_parent(place):
                yield book.parent(place)

    def _output(self, updates: Sequence[Any], roots: list[Any]) -> Any:
        if not roots:
            return None
        every = [part for update in updates for part in _parts(update)]
        done = {"done": [list(root) for root in roots]}
        return [*every, Command(update={self.declaration.log: done})]

    # -- one call -------------------------------------------------------------

    def given(self, book: Book, parent: Parent, feed: Feed | None = None) -> Gathered | Arriving:
        """What the function is given for a parent."""
        if self.declaration.as_completed:
            feed = feed or Feed([book.result(entry) for entry in parent.entries])
            return Arriving(parent.given, feed, parent.ancestry)
        results = [book.result(entry) for entry in parent.entries]
        return Gathered(parent.given, results, parent.ancestry)

    def call(self, given: Any, config: Any) -> Any:
        """Call the function.

        Raises:
            TypeError: It is a coroutine function.
        """
        if isinstance(self.function, Runnable):
            return self.function.invoke(given, config)
        if self.asynchronous:
            raise TypeError(
                f"the function of gather {self.name!r} is a coroutine function; "
                "run the graph with ainvoke, astream or abatch"
            )
        return self.function(given, **self._more(config))

    async def acall(self, given: Any, config: Any) -> Any:
        """Call the function, in a thread if it is no coroutine function."""
        if isinstance(self.function, Runnable):
            return await self.function.ainvoke(given, config)
        if self.asynchronous:
            return await self.function(given, **self._more(config))
        return await run_in_executor(None, self.call, given, config)

    def _more(self, config: Any) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if "config" in self.accepts:
            more["config"] = config
        if "runtime" in self.accepts:
            more["runtime"] = next(
                value
                for value in config["configurable"].values()
                if hasattr(value, "execution_info")
            )
        return more

    def _call(self, book: Book, parent: Parent, config: Any) -> Any:
        if (early := self._early(parent, config)) is not None:
            try:
                return early.result()
            except NotMade:
                pass
        return self.call(self.given(book, parent), config)

    async def _acall(self, book: Book, parent: Parent, config: Any) -> Any:
        if (early := self._early(parent, config)) is not None:
            try:
                return await early.aresult()
            except NotMade:
                pass
        return await self.acall(self.given(book, parent), config)

    def _early(self, parent: Parent, config: Any) -> Early | None:
        calls: EarlyCalls | None = config["configurable"].get(EARLY)
        return calls.take(parent, config) if calls is not None else None


def site_of(root: Any) -> str:
    """The node of a root."""
    name: str = root[1]
    return name.partition("|")[0]


def _parts(update: Any) -> list[Any]:
    if update is None:
        return []
    return list(update) if isinstance(update, list | tuple) else [update]


async def _together(
    jobs: Sequence[Callable[[], Awaitable[Any]]], limit: int | None, room: Room
) -> list[Any]:
    """Run all, at most so many at once; the first to fail ends the others.

    One works in the room that the task has anyhow, so there is always progress;
    whoever helps asks for room first.
    """
    results: list[Any] = [None] * len(jobs)
    left = iter(range(len(jobs)))
    inside: set[Any] = set()
    failed: dict[int, Exception] = {}

    async def one(place: int) -> None:
        try:
            results[place] = await jobs[place]()
        except Exception as error:
            failed[place] = error
            raise

    async def work() -> None:
        for place in left:
            await one(place)

    async def help_out() -> None:
        async with room():
            inside.add(asyncio.current_task())
            await work()

    helpers = min(len(jobs), limit or len(jobs)) - 1
    if helpers <= 0:
        await work()
        return results
    own = asyncio.ensure_future(work())
    tasks = [own, *(asyncio.ensure_future(help_out()) for _ in range(helpers))]
    try:
        waiting = set(tasks)
        # Whoever still waits for room when all has begun is not needed any more.
        while own in waiting or waiting & inside:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if failed:
                raise failed[min(failed)]  # of several at once, that of the first parent
            for task in done:
                task.result()
        return results
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["EARLY", "Book", "Declaration", "Early", "EarlyCalls", "GatherNode", "NotMade", "Parent"]
