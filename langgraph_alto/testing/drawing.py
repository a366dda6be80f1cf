"""Draws the parts of a random graph: first its shape, then what its nodes do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar, get_args

from langgraph_alto.testing.description import (
    END,
    Description,
    Dress,
    Node,
    Read,
    ReadStyle,
    ReturnStyle,
    Route,
    StateKind,
    WholeStyle,
    possible_steps,
)

T = TypeVar("T")

BYTES = 1200
"""How many bytes a description is drawn from; two for each choice."""

_REDUCED = ("log", "text", "table", "best", "new", "zip")


class Choices:
    """Numbers out of a string of bytes; zero bytes, and those beyond the end, are the least.

    Hypothesis is given one string of bytes to draw and shrink, not every choice,
    because it mostly repeats what it has drawn in other places of the same kind:
    all nodes would read and write the same.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, least: int, most: int) -> int:
        """The next number, from `least` to `most`."""
        two = int.from_bytes(self._data[self._at : self._at + 2], "big")
        self._at += 2
        return least + (two * (most - least + 1) >> 16)


class Maker:
    """Draws one description. Shape and nodes are kept in dictionaries by name."""

    def __init__(
        self,
        choices: Choices,
        mode: str,
        wanted: Collection[str],
        size: int,
        outer: Maker | None = None,
    ) -> None:
        self._choices = choices
        self._mode = mode
        self._wanted = wanted
        self._inner = outer is not None
        letter = "s" if self._inner else "n"
        least = 1 if self._inner else 2
        count = max(self._number(least, size), self._number(least, size))
        self.names = [f"{letter}{i}" for i in range(count)]
        self.nodes = {name: Node(name) for name in self.names}
        self.entry: list[str] = []
        self.edges: list[tuple[str, str]] = []
        self.joins: list[tuple[tuple[str, ...], str]] = []
        self.start_route: Route | None = None
        self.sent: set[str] = set()
        self.state: StateKind = outer.state if outer else "typeddict"
        self.keys: list[str] = ["log", "text"]
        if outer is not None:
            self.keys = [k for k in outer.keys if k != "shelf"]
        elif "models" in wanted:
            self.state = self._one(("pydantic", "dataclass"))

    def description(self) -> Description:
        """Draw everything."""
        if not self._inner:
            self._state_keys()
        self.owner_of_x = self._one(self.names)
        self._shape()
        if "fans" in self._wanted:
            self._fans()
        if "loops" in self._wanted:
            self._loop()
        if "subgraphs" in self._wanted and not self._inner:
            self._subgraph()
        for name in list(self.nodes):
            if self.nodes[name].inner is None:
                self.nodes[name] = self._reading(self._writing(self.nodes[name]))
        self._incidents()
        return self._finish()

    # -- drawing ---------------------------------------------------------

    def _chance(self, percent: int) -> bool:
        """True so often; false when shrunk."""
        return self._number(0, 99) >= 100 - percent

    def _number(self, least: int, most: int) -> int:
        return self._choices.number(least, most)

    def _one(self, choices: Sequence[T]) -> T:
        return choices[self._number(0, len(choices) - 1)]

    def _some(self, choices: Sequence[T], most: int, least: int = 0) -> list[T]:
        most = min(most, len(choices))
        if most < least:
            return []
        left = list(choices)
        return [left.pop(self._number(0, len(left) - 1)) for _ in range(self._number(least, most))]

    def _has(self, feature: str, percent: int) -> bool:
        return feature in self._wanted and self._chance(percent)

    # -- shape -----------------------------------------------------------

    def _shape(self) -> None:
        """A tree of nodes in order, then more edges, joins and routes."""
        children: dict[str, list[str]] = {name: [] for name in self.names}
        for number, name in enumerate(self.names):
            # Mostly chains side by side, since run-ahead is about uneven branches.
            back = self._one((0, 2, 2, 2, 1, 1, 3))
            if back == 0 or back > number:
                self.entry.append(name)
            else:
                children[self.names[number - back]].append(name)
        for _ in range(self._number(0, 2)):
            start, end = self._ordered_pair()
            if end not in children[start] and start != end:
                children[start].append(end)
        if "joins" in self._wanted and len(self.names) > 2:
            self._draw_joins(children)
        for name, targets in children.items():
            self._leave(name, targets)
        if "unguarded" in self._wanted:
            end, start = self._ordered_pair()
            self.edges.append((start, end))
        if "start_route" in self._wanted and len(self.entry) > 1:
            kind = self._one(("several", "one"))
            self.start_route = self._route(kind, tuple(self.entry[1:]))
            self.entry = self.entry[:1]
        self._defer()

    def _ordered_pair(self) -> tuple[str, str]:
        numbers = [self._number(0, len(self.names) - 1) for _ in range(2)]
        return self.names[min(numbers)], self.names[max(numbers)]

    def _draw_joins(self, children: dict[str, list[str]]) -> None:
        for _ in range(self._number(1, 2)):
            end = self._number(2, len(self.names) - 1)
            starts = self._some(self.names[:end], 3, 2)
            if len(starts) < 2:
                continue
            self.joins.append((tuple(sorted(starts)), self.names[end]))
            if self._chance(70):
                for targets in children.values():
                    targets[:] = [t for t in targets if t != self.names[end]]

    def _leave(self, name: str, targets: list[str]) -> None:
        """Lead from a node to these nodes: by edges, a router, or a command."""
        if targets and self._has("branches", 50):
            kind = self._one(("one", "several"))
            more = (END,) if self._chance(30) else ()
            self._set(name, route=self._route(kind, (*targets, *more)))
        elif targets and self._has("commands", 60):
            kind = self._one(("one", "several"))
            self._set(name, goto=replace(self._route(kind, tuple(targets)), limit=None))
        else:
            self.edges += [(name, target) for target in targets]
            if not targets and self._chance(20):
                self.edges.append((name, END))

    def _route(self, kind: str, targets: tuple[str, ...]) -> Route:
        return Route(
            kind=kind,  # type: ignore[arg-type]
            targets=targets,
            key=self._one(("log", "x", "")) if len(targets) > 1 else "log",
            varies=self._chance(50),
            mapped=self._chance(60),
            table=self._chance(20),
            asynchronous=self._mode == "async" and self._chance(20),
        )

    def _defer(self) -> None:
        if "defer" in self._wanted:
            for name in self._some(self.names, 2, 1):
                self._set(name, defer=True)

    def _set(self, name: str, **changes: object) -> None:
        self.nodes[name] = replace(self.nodes[name], **changes)  # type: ignore[arg-type]

    # -- fan-outs, loops, subgraphs --------------------------------------

    def _fans(self) -> None:
        owner = self._one(self.names)
        depth = self._number(1, 3)
        if self._chance(25) and not self._inner:  # the state itself, to an ordinary node
            target = self._one(self.names)
            self.sent.add(target)
            fan = self._fan(target)
            self._attach(owner, replace(fan, payload="state", limit=self._number(1, 2)))
            return
        later = self.names[self.names.index(owner) + 1 :]
        workers = [f"w{level}" for level in range(depth)]
        self._attach(owner, self._fan(workers[0], later))
        for level, worker in enumerate(workers):
            self.nodes[worker] = Node(worker)
            if level + 1 < depth:
                fan = self._fan(workers[level + 1])
                self._attach(worker, fan, by_command=self._chance(50))
            if later and (level + 1 == depth or self._chance(30)):
                self._collect(worker, later)
        self.names_of_workers = workers

    def _fan(self, target: str, later: Sequence[str] = ()) -> Route:
        mixed = bool(later) and self._chance(20)
        targets = (target, self._one(later)) if mixed else (target,)
        width = self._number(0, 4) if target != "w2" else 2
        return replace(self._route("mixed" if mixed else "fan", targets), width=width)

    def _collect(self, worker: str, later: Sequence[str]) -> None:
        """What follows a worker: an edge, a join with another node, or a choice."""
        target = self._one(later)
        if self.nodes[worker].route is None and self._chance(25):
            route = self._route("one", (target, END))
            self._set(worker, route=replace(route, key="", table=False))
        elif self._chance(20):
            other = self._one([n for n in self.names if n != target] or self.names)
            self.joins.append(((worker, other), target))
        else:
            self.edges.append((worker, target))

    def _attach(self, name: str, route: Route, *, by_command: bool = False) -> None:
        """Give a node a route, or a command if it has a route or should have one."""
        if by_command or self.nodes[name].route is not None or self._has("commands", 40):
            self._set(name, goto=replace(route, asynchronous=False))
        else:
            self._set(name, route=route)

    def _loop(self) -> None:
        """A way back from a node to itself or an earlier one, and a guard."""
        target, owner = self._ordered_pair()
        after = [e for s, e in self.edges if s == owner and e != END]
        leave = self._one([*after, END])
        if self.nodes[owner].route is None and self._chance(70):
            self.edges = [(s, e) for s, e in self.edges if s != owner]
        limit = self._number(1, 4)
        self._attach(owner, replace(self._route("one", (target, leave)), limit=limit))

    def _subgraph(self) -> None:
        name = self._one(self.names)
        node = self.nodes[name]
        wanted = set(self._wanted) - {"failures", "mutation", "unguarded"}
        inner = Maker(self._choices, self._mode, wanted, 3, self).description()
        self.nodes[name] = Node(name, defer=node.defer, route=node.route, inner=inner)

    # -- nodes -----------------------------------------------------------

    def _state_keys(self) -> None:
        if "reducers" in self._wanted:
            self.keys += self._some(_REDUCED[2:], 3, 1)
        if "messages" in self._wanted:
            self.keys.append("messages")
        self.keys += ["hops", "x"]
        if "conflicts" in self._wanted:
            self.keys.append("y")
        if "mutation" in self._wanted:
            self.keys.append("shelf")

    def _writing(self, node: Node) -> Node:
        reduced = [k for k in self.keys if k in (*_REDUCED, "messages")]
        writes = self._some(reduced, 2, 0 if self._chance(15) else 1)
        if not node.worker:
            if self._chance(60) and node.name not in self.sent:
                writes.append(f"of_{node.name}")
            if node.name == self.owner_of_x and not self.sent and not self._inner:
                writes.append("x")
        if "conflicts" in self._wanted and self._chance(40):
            writes.append("y")
        guarded = any(r is not None and r.limit is not None for r in (node.route, node.goto))
        if guarded or self._chance(10):
            writes.append("hops")
        styles: tuple[ReturnStyle, ...] = ("dict",)
        if "returns" in self._wanted:
            styles = get_args(ReturnStyle)
        if node.route is not None and node.worker:
            styles = ("dict",)
        return replace(
            node,
            writes=tuple(writes),
            returns=self._one(styles),
            asynchronous=self._mode == "async" and self._chance(65),
        )

    def _reading(self, node: Node) -> Node:
        if node.worker:
            return replace(node, mixes=self._chance(20))
        plain = [k for k in self.keys if k != "shelf"]
        others = [f"of_{n}" for n in self.names if f"of_{n}" in self.nodes[n].writes]
        reads = tuple(
            Read(key, self._style(key))
            for key in dict.fromkeys(self._some([*others, *plain, *others], 3))
        )
        whole: WholeStyle = ""
        if self._has("whole", 40):
            whole = self._one(get_args(WholeStyle)[1:])
        narrow = (
            self._has("narrow", 50)
            and bool(reads)
            and not any(r.key.startswith("of_") for r in reads)
            and node.route is None
            and node.goto is None
            and node.name not in self.sent
        )
        dress: Dress = "def"
        if self._has("opaque", 50):
            dress = self._one(get_args(Dress))
            if node.asynchronous and dress == "lambda":
                dress = "def"
        return replace(
            node, reads=reads, whole=whole, narrow=narrow, dress=dress, mixes=self._chance(30)
        )

    def _style(self, key: str) -> ReadStyle:
        """How to read a key: carefully, if it may be missing and that is not wanted."""
        always = key in (*_REDUCED, "messages", "hops")
        if always or self._has("missing", 40):
            styles: tuple[ReadStyle, ...] = ("item",)
        else:
            styles = ("get", "in")
        if "opaque" in self._wanted:
            styles = (*styles, "alias", "helper", "itemgetter")
        return self._one(styles)

    # -- incidents: failures, interrupts, mutation -------------------------

    def _incidents(self) -> None:
        able = [n for n, node in self.nodes.items() if node.inner is None]
        simple = [n for n in able if self.nodes[n].dress == "def"]
        if "failures" in self._wanted and able:
            name = self._one(able)
            self._set(name, fails=-1, retries=self._one((0, 0, 2)))
        if "flaky" in self._wanted:
            for name in self._some([n for n in able if not self.nodes[n].fails], 2, 1):
                fails = self._number(1, 2)
                by_attempt = name in simple and self._chance(50)
                short = by_attempt and self._chance(15)
                retries = fails if short else fails + 1
                self._set(name, fails=fails, by_attempt=by_attempt, retries=retries)
        # An interrupt streams the values at once, while a sibling may be mutating them.
        if "interrupts" in self._wanted and "mutation" not in self._wanted:
            for name in self._some(able, 2, 1):
                self._set(name, asks=self._number(1, 2))
        if "stamps" in self._wanted:
            for name in self._some(simple, 2, 1):
                self._set(name, stamps=True)
        if "mutation" in self._wanted and not self._inner:
            self._mutation(able)

    def _mutation(self, able: Sequence[str]) -> None:
        """Nodes that change what they share, and readers that LangGraph keeps apart."""
        named = [n for n in able if n in self.names and n not in self.sent]
        steps = possible_steps(self._described())
        # Subgraphs and Sends of the whole state hand the shelf on, and it may be saved then.
        handed_on = [steps[n] for n, node in self.nodes.items() if _hands_on(node)]
        free = [n for n in named if not any(steps[n] & other for other in handed_on)]
        mutators = self._some([n for n in free if not self.nodes[n].narrow], 2, 1)
        for name in mutators:
            self._set(name, mutates=True)
            if self._chance(50):
                self._set(name, writes=())
            for other in self._some(named, 2):
                node = self.nodes[other]
                apart = not (steps[other] & steps[name]) and not node.defer
                last = node.defer and not self.nodes[name].defer
                if other == name or ((apart or last) and not node.narrow):
                    self._set(other, shelves=tuple(sorted({*node.shelves, name})))

    # -- the whole ---------------------------------------------------------

    def _described(self) -> Description:
        return Description(
            state=self.state,
            keys=tuple(dict.fromkeys(self.keys)),
            nodes=tuple(self.nodes.values()),
            entry=tuple(self.entry),
            start_route=self.start_route,
            edges=tuple(dict.fromkeys(self.edges)),
            joins=tuple(dict.fromkeys(self.joins)),
        )

    def _delays(self, described: Description) -> Iterator[tuple[str, tuple[float, ...]]]:
        """A few slow nodes, so that much can run ahead of them; some of varying speed."""
        names = [*self.nodes]
        for node in described.nodes:
            if node.inner is not None:
                names += [f"{node.name}/{n.name}" for n in node.inner.nodes]
        slow = self._some(names, 3)
        varying = self._some(names, 2)
        for name in names:
            if name in slow:
                yield name, (self._one((0.008, 0.004)),)
            elif name in varying:
                yield name, (0.0, 0.002, 0.005)

    def _finish(self) -> Description:
        described = self._described()
        if self._inner:
            return described
        pausing = bool({"interrupts", "breakpoints"} & set(self._wanted))
        saved = pausing or "checkpoints" in self._wanted
        mutation = "mutation" in self._wanted
        changes: dict[str, object] = {"checkpointer": saved}
        if saved:
            # A join's checkpoint is its live set: saved behind the run's back, it may
            # already hold what the next superstep adds. Nested objects likewise.
            inner = [node.inner for node in described.nodes if node.inner is not None]
            live = mutation or any(graph.joins for graph in (described, *inner))
            durable = ("sync",) if live else (None, "sync", "exit", "async")
            changes["durability"] = self._one(durable)
        if "breakpoints" in self._wanted:
            changes["interrupt_before"] = tuple(sorted(self._some(self.names, 2)))
            changes["interrupt_after"] = tuple(sorted(self._some(self.names, 2)))
        if "recursion" in self._wanted:
            changes["recursion_limit"] = self._number(2, 7)
        given = [k for k in self.keys if k in ("shelf", "messages") or self._chance(70)]
        changes["given"] = tuple(dict.fromkeys(["x", *given] if self._chance(90) else given))
        if self._chance(10):
            changes["output"] = tuple(sorted(set(self._some(described.keys, 2, 1))))
        changes["delays"] = tuple(self._delays(described))
        return replace(described, **changes)  # type: ignore[arg-type]


def _hands_on(node: Node) -> bool:
    """Whether a node passes all of its input on, by reference."""
    routes = (node.route, node.goto)
    return node.inner is not None or any(r and r.payload == "state" for r in routes)
