"""Which nodes send packets to which, and which of them belong to a gather."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.constants import START

from langgraph_alto.gathering.nodes import Declaration, GatherNode
from langgraph_alto.plan.analysis import analyse_node, analyse_router


@dataclass(frozen=True, slots=True)
class Plan:
    """The gathered fan-outs of a graph.

    Args:
        of: For each gather, the nodes whose results it gathers.
        parts: For each gather, the nodes of its fan-outs, from the outermost
            root on, and which of them each sends packets to.
    """

    of: Mapping[str, frozenset[str]]
    parts: Mapping[str, Mapping[str, frozenset[str]]]

    @property
    def tracked(self) -> frozenset[str]:
        """All nodes whose packets travel in envelopes."""
        return frozenset(name for part in self.parts.values() for name in part) - {START}

    def depth(self, gather: str, node: str) -> int:
        """How many levels of packets there are from a node to the gathered ones."""
        depth, part = 0, self.parts[gather]
        while node not in self.of[gather]:
            node = min(part[node])
            depth += 1
        return depth


def plan_of(builder: Any, declared: Mapping[str, Declaration]) -> Plan:
    """Find the fan-outs of each gather, and refuse what cannot be gathered.

    Args:
        builder: The ``StateGraph``.
        declared: The gathers, by name.

    Raises:
        ValueError: See :func:`langgraph_alto.gather`.
    """
    sends = _sends(builder)
    of: dict[str, frozenset[str]] = {}
    parts: dict[str, Mapping[str, frozenset[str]]] = {}
    for name, declaration in declared.items():
        _check_names(builder, declaration, declared)
        of[name] = _gathered(declaration, sends)
        parts[name] = _part(builder, declaration, of[name], sends)
        _check_edges(builder, declaration, of[name])
    return Plan(of, parts)


def _sends(builder: Any) -> dict[str, frozenset[str]]:
    """The nodes that each node may send packets to, as far as it can be told."""
    found: dict[str, set[str]] = {name: set() for name in [START, *builder.nodes]}
    known = set(builder.nodes)
    for name, branches in builder.branches.items():
        for branch in branches.values():
            sends = analyse_router(branch.path, branch.input_schema).sends
            if sends is None and branch.ends is not None:
                sends = frozenset(branch.ends.values())
            found.setdefault(name, set()).update(known.intersection(sends or ()))
    for name, spec in builder.nodes.items():
        if isinstance(spec.runnable, GatherNode):
            target: Any = spec.runnable.function
        else:
            target = spec.runnable
        facts = analyse_node(target, spec.input_schema)
        goto = getattr(facts, "sends", None)
        if goto is None:
            goto = facts.goto
        if goto is None:
            goto = frozenset(spec.ends or ())
        found[name].update(known.intersection(goto))
    return {name: frozenset(targets) for name, targets in found.items()}


def _check_names(
    builder: Any, declaration: Declaration, declared: Mapping[str, Declaration]
) -> None:
    name, over = declaration.name, declaration.over
    if over == START:
        raise ValueError(
            f"gather {name!r} is over START, which is one parent only and has no task of its "
            "own; let a node fan out instead, or gather over a node that it sends packets to"
        )
    known = ", ".join(sorted(set(builder.nodes) - declared.keys()))
    for site in (over, *(declaration.of or ())):
        if site not in builder.nodes:
            raise ValueError(
                f"gather {name!r} names {site!r}, which is no node of the graph; "
                f"its nodes are {known}"
            )
        if site in declared:
            raise ValueError(
                f"gather {name!r} names {site!r}, which is a gather itself; name a node that "
                "sends packets, or is sent some"
            )


def _gathered(declaration: Declaration, sends: Mapping[str, frozenset[str]]) -> frozenset[str]:
    name, over = declaration.name, declaration.over
    if not sends[over]:
        raise ValueError(
            f"gather {name!r} is over {over!r}, which is not known to send packets to any node; "
            "return Send(...) from it or from its conditional edge, and name the nodes it sends "
            "to in the path_map of that edge, or in the `destinations` of the node"
        )
    return frozenset(declaration.of) if declaration.of is not None else sends[over]


def _part(
    builder: Any,
    declaration: Declaration,
    of: frozenset[str],
    sends: Mapping[str, frozenset[str]],
) -> Mapping[str, frozenset[str]]:
    """The part of the graph that a gather's packets go through."""
    name, over = declaration.name, declaration.over
    below = _reach(over, sends)
    for node in sorted(of):
        if node not in below:
            by_edge = any(end == node for _, end in builder.edges)
            raise ValueError(
                f"gather {name!r} is over {over!r}, but no packets lead from there to {node!r}"
                + (
                    f": an edge starts {node!r}, and an edge merges all parents into one task; "
                    "send it packets instead"
                    if by_edge
                    else f"; send it some, or name in `of` what {over!r} sends packets to"
                )
            )
    backwards: dict[str, set[str]] = {node: set() for node in sends}
    for node, targets in sends.items():
        for target in targets:
            backwards[target].add(node)
    leads = frozenset().union(*(_reach(node, backwards) | {node} for node in of))
    members = ((below | {over}) & leads) | _reach(over, backwards)
    part = {node: sends[node] & members for node in members}
    for node in of:
        part[node] = sends[node] & members & leads
    _check_levels(declaration, part, of)
    if name in members:
        raise ValueError(
            f"gather {name!r} sends packets into the fan-out of {over!r} that it waits for, "
            f"which would never be complete; send them to a node outside of it"
        )
    return part


def _reach(start: str, edges: Mapping[str, Any]) -> frozenset[str]:
    """All that can be reached from a node by at least one step."""
    found: set[str] = set()
    stack = list(edges[start])
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(edges[node])
    return frozenset(found)


def _check_levels(
    declaration: Declaration, part: Mapping[str, frozenset[str]], of: frozenset[str]
) -> None:
    """See that all ways to the gathered nodes are of one length, and end."""
    name, over = declaration.name, declaration.over
    heights: dict[str, int] = {}

    def height(node: str, above: tuple[str, ...]) -> int:
        if node in above:
            circle = " -> ".join([*above[above.index(node) :], node])
            raise ValueError(
                f"gather {name!r}: packets go round in a circle ({circle}), so the fan-out of "
                f"{over!r} may never be complete; lead back by an edge from the gather, or name "
                "in the path_map, or in `destinations`, only what packets are sent to"
            )
        if node not in heights:
            found = {height(target, (*above, node)) + 1 for target in part[node]}
            if node in of:
                found.add(0)
            if len(found) > 1:
                raise ValueError(
                    f"gather {name!r}: packets lead from {node!r} to {', '.join(sorted(of))} on "
                    "ways of different lengths, so they do not arrive together; send the "
                    "shorter way through a node that passes them on"
                )
            heights[node] = found.pop()
        return heights[node]

    for node in sorted(part):
        height(node, ())


def _check_edges(builder: Any, declaration: Declaration, of: frozenset[str]) -> None:
    """See that nothing but its fan-out starts a gather."""
    name = declaration.name
    handlers = {builder.nodes[node].error_handler_node for node in of}
    starts = {start for start, end in builder.edges if end == name} - of - handlers
    starts |= {start for ends, end in builder.waiting_edges if end == name for start in ends}
    for start, branches in builder.branches.items():
        for branch in branches.values():
            if branch.ends is not None and name in branch.ends.values():
                starts.add(start)
    if starts:
        raise ValueError(
            f"gather {name!r} is started by its fan-out, but there is an edge to it from "
            f"{', '.join(sorted(starts))}, too; leave that out"
        )
