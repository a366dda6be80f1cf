"""Calls of gathers that begin before the gather's superstep.

A gather is one LangGraph task that calls its function once per parent. Here the
entries that finished tasks leave in the log go into a ledger at once; when a
parent is complete, or has as many results as are wanted, its call begins, as a
run ahead like any other: in the same slots or threads, with its events held and
its error kept. The gather's own task asks for the call of each parent and takes
it if it was given the very same; otherwise it calls the function as usual. So
what begins here is never more than a guess, and the log decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from langgraph_alto._langgraph import PULL, prepare_single_task
from langgraph_alto.ancestry import Ancestry
from langgraph_alto.engine.events import Events
from langgraph_alto.engine.feeds import LiveFeed
from langgraph_alto.engine.making import ON, detach
from langgraph_alto.engine.run import Run, equal
from langgraph_alto.engine.supersteps import Task
from langgraph_alto.engine.tasks import TaskAhead
from langgraph_alto.engine.threads import ThreadAhead
from langgraph_alto.gathering.log import Entry, place_of, root_of
from langgraph_alto.gathering.nodes import Book, GatherNode, NotMade, Parent, site_of
from langgraph_alto.ledger import Kind, Place, Walk
from langgraph_alto.plan.gathers import may_be_early

if TYPE_CHECKING:
    from langgraph_alto.engine.ahead import Ahead


@dataclass(eq=False)
class Call:
    """A call that has begun, or stands in line.

    Args:
        run: The run ahead that makes it.
        ahead: What runs ahead.
        entries: What it was given the results of, so far.
        feed: Where its further results go, if it takes them as they come.
        output: What it returned.
    """

    run: Run
    ahead: Ahead
    entries: list[Entry]
    feed: LiveFeed | None = None
    output: Any = None

    def result(self) -> Any:
        self.run.future.result()
        return self._outcome()

    async def aresult(self) -> Any:
        await self.run.future
        return self._outcome()

    def _outcome(self) -> Any:
        run = self.run
        if run.error is not None:
            if notes := getattr(run.error, "__notes__", None):
                notes.pop()  # LangGraph adds its own again
            raise run.error
        if not run.done:
            raise NotMade
        return self.output


class _Proc(Runnable[Any, Any]):
    """What a call's run runs, in place of the node."""

    def __init__(self, node: GatherNode, calls: list[Call]) -> None:
        self.node = node
        self.calls = calls

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        # The run has a context of its own, so there is nothing to reset.
        var_child_runnable_config.set(config)
        self.calls[0].output = self.node.call(input, config)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        var_child_runnable_config.set(config)
        self.calls[0].output = await self.node.acall(input, config)


@dataclass(eq=False)
class Following:
    """A parent that may begin before it is complete.

    Args:
        walk: Its results, in order.
        entries: Those of them that are known.
    """

    walk: Walk[Entry]
    entries: list[Entry] = field(default_factory=list)

    def news(self) -> list[Entry]:
        """Those that have become known."""
        found = [
            outcome.value
            for _, outcome in self.walk
            if outcome.kind is not Kind.TOMBSTONE and outcome.value is not None
        ]
        self.entries += found
        return found


class EarlyCalls:
    """The calls of one gather in one run.

    Args:
        ahead: What runs ahead in the run.
        node: The gather.
    """

    def __init__(self, ahead: Ahead, node: GatherNode) -> None:
        self.ahead = ahead
        self.node = node
        self.name = node.declaration.name
        self.log = node.declaration.log
        self.books: dict[Any, Book] = {}
        self.calls: dict[Place, Call] = {}
        self.following: dict[Place, Following] = {}
        self.due: list[Place] = []
        self.over: set[Any] = set()
        """Roots that the gather has run for, though the log may still show them."""
        self._synced: Any = None
        self._off = not _may_be_early(ahead, node)

    # -- what the run tells ---------------------------------------------------

    def sync(self) -> None:
        """Take in what the log holds: after a resume, or of tasks that were not seen."""
        if self._off:
            return
        entries = getattr(self.ahead.loop.channels[self.log], "entries", None)
        if entries is not self._synced:
            self._synced = entries
            self.over &= {root_of(entry) for entry in entries or ()}
            for entry in entries or ():
                self.hear(entry)

    def superseded(self) -> None:
        """The gather's own task is there, and makes what has not begun."""
        self.due = [
            place for place in self.due if not self.books[place[0]].ledger.complete(place[:1])
        ]

    def hear(self, entry: Any) -> None:
        """Take in what a finished task wrote to the log."""
        if self._off or "void" in entry:
            return
        if "at" not in entry:
            for root in entry.get("done", ()):
                self._forget(tuple(root))
            return
        place = place_of(entry["at"])
        if place[0] in self.over:
            return
        book = self.books.setdefault(place[0], Book(self.node.declaration))
        if (known := book.entries.get(place)) is not None:
            if known is not entry and not equal(known, entry):
                self.stop()  # a run ahead came to nothing, and its task to something else
            return
        try:
            done = book.enter(entry)
        except ValueError:
            self.stop()
            return
        if self.node.declaration.first is not None or self._live:
            self._follow(book, place, set(done))
        else:
            self.due += [place for place in done if book.is_parent(place)]

    @property
    def _live(self) -> bool:
        """Whether the function is given results while they come."""
        if not self.node.declaration.as_completed or isinstance(self.node.function, Runnable):
            return False
        # A plain function on an event loop waits in a thread that holds a slot.
        return self.node.asynchronous == isinstance(self.ahead, TaskAhead)

    def _follow(self, book: Book, place: Place, done: set[Place]) -> None:
        """Look for news of the parents that a place belongs to."""
        for depth in range(1, len(place) + 1):
            parent = place[:depth]
            if not book.is_parent(parent):
                continue
            following = self.following.get(parent)
            if following is None:
                following = self.following[parent] = Following(book.ledger.walk(parent))
            before = len(following.entries)
            news = following.news()
            ended = parent in done
            call = self.calls.get(parent)
            if call is not None and call.feed is not None:
                call.entries += news
                call.feed.add((book.result(entry) for entry in news), ended=ended)
            wanted = self.node.declaration.first or 1
            if before < wanted and (ended or len(following.entries) >= wanted):
                self.due.append(parent)
            if ended:
                self.following.pop(parent, None)

    # -- beginning ------------------------------------------------------------

    def start(self) -> None:
        """Begin the calls that are due."""
        due, self.due = self.due, []
        for place in due:
            book = self.books.get(place[0])
            if book is not None and place not in self.calls and not self._off:
                self._begin(book, place)

    def _begin(self, book: Book, place: Place) -> None:
        ahead, node = self.ahead, self.node
        loop = ahead.loop
        levels = node.depths.get(site_of(place[0]), 0)
        step = max(place[0][0] + levels + 1, loop.step + 1)
        if step > loop.stop:
            return
        parent = book.parent(place)
        feed: LiveFeed | None = None
        if self._live:
            feed = LiveFeed(self)
            feed.add(map(book.result, parent.entries), ended=book.ledger.complete(place))
        given = node.given(book, parent, feed)
        proc_of: list[Call] = []
        try:
            made = self._made(step, given, _Proc(node, proc_of))
        except Exception:
            # What LangGraph would raise here, it will raise in the gather's own turn.
            return
        if made is None or made.timeout is not None:
            return
        # As deep as what it follows on, so that what has come furthest is finished first.
        ancestry: Ancestry = parent.ancestry
        while ancestry.depth < levels:
            ancestry = ancestry.child(node.declaration.over, 0)
        run = Run(Task(ahead.masks.index[self.name], step, ancestry=ancestry), made, False)
        detach(run, made.config)
        call = Call(run, ahead, list(parent.entries), feed)
        proc_of.append(call)
        if feed is not None:
            feed.run = run
        self.calls[place] = call
        if ahead.recording is not None:
            ahead.recording.certain(run)
        ahead.launch(run)

    def _made(self, step: int, given: Any, proc: _Proc) -> Any:
        """The gather's task at its superstep, with the call in place of the node."""
        ahead, loop = self.ahead, self.ahead.loop
        node = loop.nodes[self.name]
        checkpoint_id = ahead.foretell(step)
        fired: dict[str, Any] = dict.fromkeys(node.triggers, ON)
        made: Any = prepare_single_task(
            (PULL, self.name),
            None,
            checkpoint={
                **loop.checkpoint,
                "id": checkpoint_id,
                "channel_versions": dict.fromkeys(node.triggers, 1),
                "channel_values": {},
                "versions_seen": {},
            },
            checkpoint_id_bytes=bytes.fromhex(checkpoint_id.replace("-", "")),
            checkpoint_null_version=0,
            pending_writes=[],
            processes=loop.nodes,
            channels={
                self.log: type(loop.channels[self.log])(list, self.log),
                **fired,
            },
            managed=loop.managed,
            config=loop.config,
            step=step,
            stop=loop.stop,
            for_execution=True,
            store=loop.store,
            checkpointer=loop.checkpointer,
            manager=loop.manager,
            retry_policy=(),
            cache_policy=None,
        )
        if made is not None:
            # The gather's own task counts the attempts.
            for name, value in (("input", given), ("proc", proc), ("retry_policy", ())):
                object.__setattr__(made, name, value)
        return made

    # -- adoption -------------------------------------------------------------

    def take(self, parent: Parent, config: Any, events: Events | None) -> Call | None:
        """The call for this very parent, if one has begun; it is let out.

        Args:
            parent: The parent, as the log has it.
            config: The config of the gather's task.
            events: Where the events of the gather's task are held, if it runs
                ahead itself.
        """
        with self.ahead.locked():
            call = self.calls.pop(parent.place, None)
            if call is None:
                return None
            if not self.ahead.begun(call.run) or not self._agrees(call, parent):
                self._drop(call)
                return None
            if call.run.span is not None and self.ahead.recording is not None:
                call.run.span.adopted = self.ahead.recording.trace.now()
            call.run.events.release(_renamer(call.run.made.config, config), events)
            return call

    def _agrees(self, call: Call, parent: Parent) -> bool:
        """Whether a call was given what the gather would give it now."""
        known, true = call.entries, parent.entries
        if len(known) > len(true) or not all(
            mine is other or equal(mine, other) for mine, other in zip(known, true, strict=False)
        ):
            return False
        if call.feed is not None and not call.feed.ended:
            book = self.books[parent.place[0]]
            call.feed.add(map(book.result, true[len(known) :]), ended=True)
            return True
        return len(known) == len(true)

    # -- the end --------------------------------------------------------------

    def _forget(self, root: Any) -> None:
        """The gather has run for a root."""
        self.over.add(root)
        self.due = [place for place in self.due if place[0] != root]
        self.books.pop(root, None)
        for places in (self.following, self.calls):
            for place in [place for place in places if place[0] == root]:
                if isinstance(found := places.pop(place), Call):
                    self._drop(found)

    def stop(self) -> None:
        """Give up all calls, and begin no more: the run fails, or was mispredicted."""
        self._off = True
        for call in self.calls.values():
            self._drop(call)
        self.calls.clear()
        self.books.clear()
        self.following.clear()
        self.due.clear()

    def _drop(self, call: Call) -> None:
        if call.feed is not None:
            call.feed.abandon()
        self.ahead.discard(call.run)


def _may_be_early(ahead: Ahead, node: GatherNode) -> bool:
    """Whether calls of a gather may begin before its superstep in this run."""
    masks, loop = ahead.masks, ahead.loop
    place = masks.index[node.declaration.name]
    if loop.interrupt_before or loop.interrupt_after:
        return False
    if isinstance(ahead, ThreadAhead) and node.asynchronous:
        return False
    return may_be_early(masks, place, ahead.predictor.allowed)


def _renamer(old: Any, new: Any) -> Any:
    """Put the true identity of the gather's task in place of a foretold one."""
    before, after = old["metadata"], new["metadata"]
    keys = ("langgraph_step", "langgraph_checkpoint_ns", "checkpoint_ns", "langgraph_path")
    changed = {key: after[key] for key in keys if key in after and after[key] != before.get(key)}
    if not changed:
        return None

    def rename(metadata: Any) -> Any:
        return {
            key: changed[key] if key in changed and value == before.get(key) else value
            for key, value in metadata.items()
        }

    return rename
