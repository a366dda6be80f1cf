"""Whether what the user declares of nodes can be meant: its keys and nodes are there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from langgraph.constants import END, START

from langgraph_alto.plan.effects import Effects
from langgraph_alto.plan.stages import Stage


def check_effects(
    effects: Mapping[str, Effects],
    stages: Collection[Stage],
    keys: Collection[str],
    joins: Iterable[str] = (),
    unkeyed: Collection[str] = (),
) -> None:
    """Refuse declarations of keys that the state, or nodes that the graph, does not have.

    What was seen in runs is taken as it is. So is what a node that may be sent
    packets reads or mutates, as a packet has keys of its own.

    Args:
        effects: Declarations by node name; all of them nodes of the graph.
        stages: The graph's stages.
        keys: The names of all its channels, hidden ones included.
        joins: Names of nodes that waiting edges lead to.
        unkeyed: Names of nodes whose input is not the state (gathers).

    Raises:
        ValueError: ``reads`` or ``mutates`` begins with no key of the state,
            ``writes`` or ``routes`` holds something that is none, or ``goto`` no
            node; or ``routes`` is declared where there is no router.
    """
    packets = _may_take_packets(stages, joins) | set(unkeyed)
    nodes = {stage.name for stage in stages} - {START}
    routed = {stage.name: bool(stage.routes) for stage in stages}
    hidden = ("__", "branch:to:", "join:")
    own = sorted(key for key in keys if key == "__root__" or not key.startswith(hidden))
    there = f"its keys are {', '.join(own)}" if own else "it has no keys to name"
    for node, declared in effects.items():
        if declared.observed:
            continue
        for fact in ("reads", "mutates"):
            for name in getattr(declared, fact) or ():
                root = name.partition(".")[0]
                if name not in keys and root not in keys and node not in packets:
                    raise ValueError(
                        f"effects[{node!r}] declares {fact} of {name!r}, but the state "
                        f"has no key {root!r}; {there}"
                    )
        for name in declared.writes or ():
            root, dot, _ = name.partition(".")
            if name in keys:
                continue
            if dot and root in keys:
                raise ValueError(
                    f"effects[{node!r}] declares writes of {name!r}, but an update is of whole "
                    f"keys; give writes {root!r}, or mutates {name!r} if it is changed in place"
                )
            raise ValueError(
                f"effects[{node!r}] declares writes of {name!r}, but the state "
                f"has no such key; {there}"
            )
        if declared.routes is not None and not routed[node]:
            raise ValueError(
                f"effects[{node!r}] declares routes, what its conditional edges read, but it has "
                "none; leave that out"
            )
        for name in declared.routes or ():
            if name not in keys:
                raise ValueError(
                    f"effects[{node!r}] declares routes that read {name!r}, but the state "
                    f"has no such key; {there}"
                )
        for name in declared.goto or ():
            if name not in nodes and name != END:
                raise ValueError(
                    f"effects[{node!r}] declares goto of {name!r}, which is no node of the graph; "
                    f"its nodes are {', '.join(sorted(nodes))}"
                )


def _may_take_packets(stages: Collection[Stage], joins: Iterable[str]) -> set[str]:
    """The nodes that packets are known to lead to, and those that nothing else does.

    Where it is not known who is sent packets, a node that an edge leads to is
    taken not to be: else a slip in a declaration would pass wherever one
    node's function cannot be analysed.
    """
    known = set().union(*(stage.sends_to or () for stage in stages))
    if all(stage.sends_to is not None for stage in stages):
        return known
    named = set(joins).union(
        *(stage.edges for stage in stages),
        *(route.destinations or () for stage in stages for route in stage.routes),
    )
    return known | ({stage.name for stage in stages} - named)
