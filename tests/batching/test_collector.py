"""The collector: which items go together, and when. No clock, no threads."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from langgraph_alto.batching.collector import Collector, Formed, Item, Source

FIRST, LATER = (0,), (1, 0)


def arrived(collector: Collector, source: Source, name: str, *, placed: bool = True) -> Item:
    item = Item(source, FIRST, name)
    collector.arrive(item)
    if placed and collector.first(source) is not None:
        collector.place(source, None, 0.0)
    return item


def names(batches: list[Formed]) -> list[str]:
    return ["".join(item.value for item in batch.items) for batch in batches]


def test_a_lone_item_goes_at_once() -> None:
    """Nothing is coming, nothing feeds."""
    collector, a = Collector(8, 5.0), Source()
    arrived(collector, a, "x")
    assert names(collector.ready(0.0)) == ["x"]
    assert collector.due is None


def test_a_batch_waits_for_what_is_coming_of_any_run() -> None:
    collector, a, b = Collector(8, 5.0), Source(), Source()
    collector.expect(b)
    arrived(collector, a, "x")
    assert not collector.ready(4.9)
    collector.expect(b, -1)
    arrived(collector, b, "y")
    assert names(collector.ready(4.9)) == ["xy"]


def test_a_batch_waits_for_what_feeds_its_own_runs_only() -> None:
    collector, a, b = Collector(8, 5.0), Source(), Source()
    b.feeding = 1
    arrived(collector, a, "x")
    assert names(collector.ready(0.0)) == ["x"]
    arrived(collector, b, "y")
    assert not collector.ready(0.0)
    b.feeding = 0
    assert names(collector.ready(0.0)) == ["y"]


def test_no_longer_than_it_may() -> None:
    collector, a = Collector(8, 5.0), Source(feeding=1)
    arrived(collector, a, "x")
    assert collector.due == 5.0
    assert not collector.ready(4.9)
    assert names(collector.ready(5.0)) == ["x"]


def test_a_full_batch_goes_whatever_may_come() -> None:
    collector, a = Collector(2, 5.0), Source(feeding=1)
    for name in "xyz":
        arrived(collector, a, name)
    assert names(collector.ready(0.0)) == ["xy"]
    assert names(collector.ready(5.0)) == ["z"]


def test_a_run_without_a_place_keeps_no_other_waiting() -> None:
    collector, a, b = Collector(8, 5.0), Source(), Source()
    arrived(collector, a, "x", placed=False)
    arrived(collector, b, "y")
    assert names(collector.ready(0.0)) == ["y"]
    assert collector.place(a, "slot", 1.0)
    (batch,) = collector.ready(1.0)
    assert batch.places == {a: "slot"}


def test_one_place_for_all_items_of_a_run() -> None:
    """The line moves up as far as there is room; whoever is left needs another place."""
    collector, a = Collector(3, 5.0), Source()
    for name in "vwxyz":
        arrived(collector, a, name, placed=False)
    assert collector.place(a, "slot", 0.0)
    assert names(collector.ready(0.0)) == ["vwx"]
    assert collector.first(a) == FIRST
    assert collector.place(a, "slot", 0.0)
    assert names(collector.ready(0.0)) == ["yz"]
    assert not collector.place(a, "slot", 0.0)


def test_the_current_superstep_goes_first() -> None:
    collector, a = Collector(2, 5.0), Source()
    later = [Item(a, LATER, name) for name in "xy"]
    for item in later:
        collector.arrive(item)
    arrived(collector, a, "z", placed=False)
    collector.promote(later[1], FIRST)
    assert collector.place(a, None, 0.0)
    assert names(collector.ready(0.0)) == ["zy"]
    assert collector.first(a) == LATER
    assert collector.place(a, None, 0.0)
    assert names(collector.ready(0.0)) == ["x"]
    assert collector.first(a) is None


def test_an_item_that_is_to_be_alone_is_alone() -> None:
    collector, a = Collector(8, 5.0), Source(feeding=1)
    arrived(collector, a, "x")
    collector.arrive(Item(a, FIRST, "y", alone=True))
    assert collector.place(a, None, 0.0)
    assert names(collector.ready(0.0)) == ["y"]
    assert names(collector.ready(5.0)) == ["x"]


def test_dropped_items() -> None:
    """In line they are passed over; the last one of a batch gives it up."""
    collector, a = Collector(8, 5.0), Source(feeding=1)
    waiting = arrived(collector, a, "w", placed=False)
    assert collector.drop(waiting) is None
    assert collector.first(a) is None
    x, y = arrived(collector, a, "x"), arrived(collector, a, "y")
    assert collector.drop(x) is None
    assert collector.drop(x) is None
    assert collector.drop(y) is y.batch
    assert collector.due is None
    assert not collector.ready(9.0)


def test_a_run_that_ends_brings_nothing_more() -> None:
    collector, a, b = Collector(8, 5.0), Source(), Source()
    collector.expect(a, 3)
    arrived(collector, b, "x")
    assert not collector.ready(0.0)
    collector.leave(a)
    assert names(collector.ready(0.0)) == ["x"]


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: each item once, in time, never too many."""

    SIZE, WAIT = 3, 2.0

    def __init__(self) -> None:
        super().__init__()
        self.collector = Collector(self.SIZE, self.WAIT)
        self.sources = [Source() for _ in range(3)]
        self.now = 0.0
        self.items: list[Item] = []
        self.called: list[Item] = []
        self.placed: dict[int, float] = {}

    @rule(which=st.integers(0, 2), alone=st.booleans(), late=st.booleans())
    def arrives(self, which: int, alone: bool, late: bool) -> None:
        source = self.sources[which]
        item = Item(source, LATER if late else FIRST, len(self.items), alone=alone)
        self.items.append(item)
        self.collector.arrive(item)
        if source.coming:
            self.collector.expect(source, -1)

    @rule(which=st.integers(0, 2))
    def is_coming(self, which: int) -> None:
        self.collector.expect(self.sources[which])

    @rule(which=st.integers(0, 2), by=st.integers(0, 2))
    def is_fed(self, which: int, by: int) -> None:
        self.sources[which].feeding = by

    @rule(which=st.integers(0, 2))
    def gets_a_place(self, which: int) -> None:
        source = self.sources[which]
        waits = self.collector.first(source) is not None
        assert self.collector.place(source, which, self.now) == waits

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def nobody_wants(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.items))
        batch = self.collector.drop(item)
        assert batch is None or all(item.gone for item in batch.items)

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def moves_up(self, data: st.DataObject) -> None:
        self.collector.promote(data.draw(st.sampled_from(self.items)), FIRST)

    @rule(which=st.integers(0, 2))
    def run_ends(self, which: int) -> None:
        source = self.sources[which]
        for item in self.items:
            if item.source is source:
                self.collector.drop(item)
        self.collector.leave(source)

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for batch in self.collector.ready(self.now):
            assert len(batch.items) <= (1 if batch.items[0].alone else self.SIZE)
            assert set(batch.places) == {item.source for item in batch.items}
            assert all(item.batch is batch for item in batch.items)
            self.called += batch.items
        assert self.collector.due is None or self.collector.due > self.now

    @invariant()
    def each_once(self) -> None:
        assert len(set(map(id, self.called))) == len(self.called)
        assert self.collector.coming == sum(source.coming for source in self.sources) >= 0

    def teardown(self) -> None:
        for source in self.sources:
            self.collector.expect(source, -source.coming)
            while self.collector.first(source) is not None:
                assert self.collector.place(source, None, self.now)
        self.now += self.WAIT
        for batch in self.collector.ready(self.now):
            self.called += batch.items
        left = [item for item in self.items if item not in self.called]
        assert all(item.gone for item in left)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 8))
def test_all_that_is_ready_together_goes_in_as_few_batches_as_can_be(
    runs: list[int], size: int
) -> None:
    collector, sources = Collector(size, 5.0), [Source() for _ in range(4)]
    for run in runs:
        arrived(collector, sources[run], "x")
    sizes = [len(batch.items) for batch in collector.ready(0.0)]
    assert sum(sizes) == len(runs)
    assert len(sizes) == -(-len(runs) // size)
