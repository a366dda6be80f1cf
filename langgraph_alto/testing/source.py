"""Writes the Python source of a described graph.

The nodes of a random graph have to be real functions with real source, since
the engine reads source to find out what a node reads and writes. The source is
also what a person reads when a graph fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from langgraph_alto.testing.description import END, KEYS, Description, Node, Read, Route

_IMPORTS: dict[str, tuple[str, ...]] = {
    "dataclasses": ("dataclass", "field"),
    "functools": ("partial",),
    "typing": ("Annotated", "Any", "TypedDict"),
    "langchain_core.messages": ("AIMessage",),
    "langchain_core.runnables": ("RunnableConfig",),
    "langgraph.graph": ("END", "START", "StateGraph"),
    "langgraph.graph.message": ("add_messages",),
    "langgraph.runtime": ("Runtime",),
    "langgraph.types": ("Command", "RetryPolicy", "Send", "interrupt"),
    "pydantic": ("BaseModel", "Field"),
    "langgraph_alto.testing.vocabulary": (
        "AsyncNode",
        "Failures",
        "FlakyError",
        "Shelf",
        "SyncNode",
        "chosen",
        "longest",
        "merged",
        "mix",
        "newest",
        "raised",
        "show",
        "zipped",
    ),
}
_MODULES = ("copy", "json", "operator")

_DEFAULTS = {
    "log": "list",
    "zip": "list",
    "messages": "list",
    "table": "dict",
    "shelf": "Shelf",
}
_GIVEN = {
    "log": '["given"]',
    "zip": '["given"]',
    "messages": '[AIMessage("given", id="given")]',
    "table": '{"given": "given"}',
    "shelf": "Shelf()",
    "hops": "0",
}


def source(description: Description) -> str:
    """Write a module that builds the described graph.

    The module has ``graph`` (a ``StateGraph``), ``compile`` (a function that
    takes a checkpointer), ``given`` (the input), ``config``, ``delays`` and
    ``failures`` (to be cleared before a run).

    Args:
        description: The graph.

    Returns:
        The source text.
    """
    lines = ["failures = Failures()", "", *_state(description)]
    lines += _graph(description, "graph")
    before, after = list(description.interrupt_before), list(description.interrupt_after)
    given = ", ".join(f'"{k}": {_GIVEN.get(k, repr(k + "0"))}' for k in description.given)
    lines += [
        "",
        "def compiled(checkpointer=None):",
        "    return graph.compile(",
        f"        checkpointer=checkpointer, interrupt_before={before!r}, "
        f"interrupt_after={after!r}",
        "    )",
        "",
        f"given = {{{given}}}",
        f'config = {{"recursion_limit": {description.recursion_limit}}}',
        f"delays = {dict(description.delays)!r}",
    ]
    body = "\n".join(lines) + "\n"
    return "\n".join(_imports(body)) + "\n\n" + body


def _imports(body: str) -> Iterator[str]:
    """Imports of what the body uses, and of no more."""
    used = set(re.findall(r"[A-Za-z_]\w*", body))
    yield from (f"import {module}" for module in _MODULES if module in used)
    for module, names in _IMPORTS.items():
        if needed := [name for name in names if name in used]:
            yield f"from {module} import {', '.join(needed)}"


def _own_keys(description: Description) -> Iterator[str]:
    for node in description.nodes:
        if node.inner is not None:
            yield from _own_keys(node.inner)
        else:
            yield from (key for key in node.writes if key.startswith("of_"))


def _state(description: Description) -> Iterator[str]:
    own = sorted(set(_own_keys(description)))
    keys = [(k, KEYS[k]) for k in description.keys] + [(k, "Any") for k in own]
    if description.state == "typeddict":
        yield "class State(TypedDict, total=False):"
        yield from (f"    {k}: {t}" for k, t in keys)
    elif description.state == "pydantic":
        yield "class State(BaseModel):"
        yield from (f"    {k}: {t} = {_default(k, 'Field(default_factory=')}" for k, t in keys)
    else:
        yield "@dataclass\nclass State:"
        yield from (f"    {k}: {t} = {_default(k, 'field(default_factory=')}" for k, t in keys)
    if description.output:
        yield ""
        yield "class Output(TypedDict, total=False):"
        types = dict(keys)
        yield from (f"    {k}: {types[k]}" for k in description.output)


def _default(key: str, factory: str) -> str:
    if key in _DEFAULTS:
        return f"{factory}{_DEFAULTS[key]})"
    return "0" if key == "hops" else "None" if key.startswith("of_") else '""'


def _graph(description: Description, variable: str) -> Iterator[str]:
    """The functions of a graph, then its builder."""
    prefix = "" if variable == "graph" else f"{variable}_"
    for node in description.nodes:
        yield ""
        if node.inner is not None:
            yield from _graph(node.inner, node.name)
        else:
            yield from _node(description, node, prefix)
        if node.route is not None:
            yield ""
            yield from _router(description, node.name, node.route, prefix)
    if description.start_route is not None:
        yield ""
        yield from _router(description, "START", description.start_route, prefix)
    output = ", output_schema=Output" if description.output and not prefix else ""
    yield ""
    yield f"{variable} = StateGraph(State{output})"
    for node in description.nodes:
        yield f'{variable}.add_node("{node.name}", {_added(node, prefix)})'
    for name in description.entry:
        yield f'{variable}.add_edge(START, "{name}")'
    if description.start_route is not None:
        yield _conditional(variable, "START", description.start_route, prefix)
    for start, end in description.edges:
        yield f'{variable}.add_edge("{start}", {_name(end)})'
    for starts, end in description.joins:
        yield f"{variable}.add_edge({list(starts)!r}, {_name(end)})"
    for node in description.nodes:
        if node.route is not None:
            yield _conditional(variable, f'"{node.name}"', node.route, prefix)


def _conditional(variable: str, start: str, route: Route, prefix: str) -> str:
    router = f"{prefix}route_{start.strip(chr(34))}"
    targets = {*route.targets, *([END] if route.limit is not None else [])}
    named = ", ".join(_name(t) for t in sorted(targets))
    mapped = f", [{named}]" if route.mapped else ""
    return f"{variable}.add_conditional_edges({start}, {router}{mapped})"


def _name(name: str) -> str:
    return "END" if name == END else f'"{name}"'


def _added(node: Node, prefix: str) -> str:
    """What ``add_node`` is given after the name."""
    function = f"{prefix}{node.name}"
    if node.inner is not None:
        action = f"{node.name}.compile()"
    elif node.dress == "partial":
        action = f"partial({function}, _unused=1)"
    elif node.dress == "object":
        action = f"{'AsyncNode' if node.asynchronous else 'SyncNode'}({function})"
    elif node.dress == "lambda":
        action = f"lambda state: {function}(state)"
    elif node.dress == "method":
        action = f"{function}.run"
    else:
        action = function
    options = []
    if node.defer:
        options.append("defer=True")
    if node.retries:
        options.append(
            f"retry_policy=RetryPolicy(initial_interval=0.001, jitter=False, "
            f"max_attempts={node.retries}, retry_on=FlakyError)"
        )
    if node.goto is not None and node.goto.mapped:
        named = ", ".join(_name(t) for t in sorted({*node.goto.targets, END}))
        options.append(f"destinations=({named},)")
    if node.narrow:
        options.append(f"input_schema={prefix}Input_{node.name}")
    return ", ".join([action, *options])


class _Reader:
    """How the state (or a payload) is read in one function."""

    def __init__(self, description: Description, node: Node | None) -> None:
        self.payload = node is not None and node.worker
        narrow = node is not None and node.narrow
        self.model = description.state != "typeddict" and not narrow and not self.payload
        self.name = "payload" if self.payload else "state"

    def __call__(self, key: str, style: str = "item") -> str:
        name = self.name
        if self.model:
            return f'getattr({name}, "{key}")' if style == "itemgetter" else f"{name}.{key}"
        if style == "item":
            return f'{name}["{key}"]'
        if style == "in":
            return f'({name}["{key}"] if "{key}" in {name} else "none")'
        if style == "alias":
            return f'same.get("{key}")'
        if style == "itemgetter":
            return f'chosen({name}, ["{key}"])'
        return f'{name}.get("{key}")'


def _node(description: Description, node: Node, prefix: str) -> Iterator[str]:
    reader = _Reader(description, node)
    if node.narrow:
        keys = [*dict.fromkeys(r.key for r in node.reads if r.key in KEYS)]
        keys += ["hops"] if _needs_hops(node) and "hops" not in keys else []
        yield f"class {prefix}Input_{node.name}(TypedDict, total=False):"
        yield from (f"    {k}: {KEYS[k]}" for k in keys)
        yield ""
    helpers = [r.key for r in node.reads if r.style == "helper"]
    for key in helpers:
        yield f"def {prefix}{node.name}_{key}({reader.name}):"
        yield f"    return {reader(key, 'get')}"
        yield ""
    parameters = [reader.name]
    if node.dress == "partial":
        parameters.append("_unused=0")
    if node.stamps:
        parameters.append("config: RunnableConfig")
    if node.by_attempt:
        parameters.append("runtime: Runtime")
    keyword = "async def" if node.asynchronous else "def"
    function = f"{prefix}{node.name}"
    body = [f"    {line}" for line in _body(node, reader, prefix)]
    if node.dress == "method":
        yield f"class {function}_Class:"
        yield f"    {keyword} run({', '.join(['self', *parameters])}):"
        yield from (f"    {line}" for line in body)
        yield ""
        yield f"{function} = {function}_Class()"
    else:
        yield f"{keyword} {function}({', '.join(parameters)}):"
        yield from body


def _body(node: Node, reader: _Reader, prefix: str) -> Iterator[str]:
    if any(r.style == "alias" for r in node.reads) and not reader.model:
        yield f"same = {reader.name}"
    yield f"seen = {_seen(node, reader, prefix)}"
    if node.stamps:
        yield "seen += f\"@{config['metadata']['langgraph_step']}\""
    for number in range(node.asks):
        yield f'seen += "," + str(interrupt(f"{node.name} asks {number}: {{seen}}"))'
    yield from _failure(node)
    if node.mutates:
        yield f"{reader('shelf')}.{node.name}.append(seen)"
    if node.returns == "early":
        yield "if len(seen) % 3 == 0:"
        yield "    return None"
    update = _update(node)
    if node.goto is not None:
        yield from _decision(node.goto, reader, "goto", seen=True)
        command = f"Command(update={update}, goto=goto)"
        yield f"return [{command}]" if node.returns == "list" else f"return {command}"
    elif node.returns == "command":
        yield f"return Command(update={update})"
    elif node.returns == "list":
        yield f"return [{update}, Command(goto=[])]" if node.writes else "return None"
    elif node.returns == "built":
        yield "update = {}"
        for key in node.writes:
            yield f'update["{key}"] = {_written(key, node)}'
        yield "return update"
    elif node.returns == "comprehension":
        yield f"return {{key: value for key, value in {update}.items() if key}}"
    elif node.returns == "helper":
        yield f"return dict({update})"
    elif not node.writes and not node.worker:
        yield "return None"
    else:
        yield f"return {update}"


def _seen(node: Node, reader: _Reader, prefix: str) -> str:
    """The digest of what the node read, as an expression."""
    parts = []
    for read in node.reads:
        if read.style == "helper":
            parts.append(f"{prefix}{node.name}_{read.key}({reader.name})")
        else:
            parts.append(_value(read, reader))
    parts += [f"{reader('shelf')}.{other}" for other in node.shelves]
    if node.worker:
        parts += [reader("item"), reader("trail", "get")]
    if node.whole:
        parts.append(_whole(node, reader))
    if node.mixes or not parts:
        return f"mix({', '.join([repr(node.name), *parts])})"
    return (
        f'f"{node.name}<' + ",".join(f"{{str({p})[-24:]}}" for p in parts).replace('"', "'") + '>"'
    )


def _value(read: Read, reader: _Reader) -> str:
    value = reader(read.key, read.style)
    if read.key == "messages" and read.style in ("item", "get") and not reader.payload:
        return f"[m.content for m in {value} or []]"
    if read.key == "messages":
        return f"show({value})"
    return value


def _whole(node: Node, reader: _Reader) -> str:
    name = reader.name
    if reader.model:
        return f"sorted((k, show(v)) for k, v in vars({name}).items())"
    return {
        "dict": f"show(dict({name}))",
        "items": f"sorted((k, show(v)) for k, v in {name}.items())",
        "unpack": f"show({{**{name}}})",
        "repr": f"mix(repr(sorted({name})), len({name}), list({name}.values()))",
        "json": f"json.dumps({name}, default=lambda v: str(show(v)))",
        "deepcopy": f"show(copy.deepcopy({name}))",
        "kind": f"(type({name}).__name__, isinstance({name}, dict), bool({name}))",
        "for": f"[(k, show({name}[k])) for k in {name}]",
    }[node.whole]


def _failure(node: Node) -> Iterator[str]:
    if node.fails < 0:
        yield f'raise FlakyError("{node.name} fails")'
    elif node.fails and node.by_attempt:
        yield f"if runtime.execution_info.node_attempt <= {node.fails}:"
        yield f'    raise FlakyError("{node.name} fails")'
    elif node.fails:
        yield f'failures.fail("{node.name}", seen, {node.fails})'


def _update(node: Node) -> str:
    entries = [f'"{key}": {_written(key, node)}' for key in node.writes]
    if node.worker and node.route is not None:
        entries.append('"item": payload["item"]')  # no state key: routers see it all the same
    return "{" + ", ".join(entries) + "}"


def _written(key: str, node: Node) -> str:
    if key in ("log", "zip"):
        return "[seen]"
    if key == "text":
        return '"/" + seen'
    if key == "hops":
        return "1"
    if key == "table":
        return f'{{"{node.name}": seen, "any": seen}}'
    if key == "messages":
        return '[AIMessage(seen, id="m-" + seen)]'
    return "seen"


def _needs_hops(node: Node) -> bool:
    return any(
        r is not None and (r.limit is not None or not r.key) for r in (node.goto, node.route)
    )


def _router(description: Description, start: str, route: Route, prefix: str) -> Iterator[str]:
    node = next((n for n in description.nodes if n.name == start), None)
    keyword = "async def" if route.asynchronous else "def"
    yield f"{keyword} {prefix}route_{start}(state):"
    reader = _Reader(description, None)
    if node is not None and node.narrow:
        reader.model = False
    passed = node is not None and node.worker and node.goto is None
    passed = passed and description.state == "typeddict"
    for line in _decision(route, reader, "return", passed=passed):
        yield f"    {line}"


def _decision(
    route: Route, reader: _Reader, verb: str, *, seen: bool = False, passed: bool = False
) -> Iterator[str]:
    """Statements that return, or assign to ``goto``, where to go."""
    say = "return" if verb == "return" else f"{verb} ="
    if reader.payload:
        chooser = 'payload["item"]'
    elif passed:
        chooser = 'state["item"]'
    elif not route.key:
        chooser = reader("hops", "get") + ("" if reader.model else " or 0")
    else:
        chooser = f"len(str({reader(route.key, 'get')}))"
    if seen and not reader.payload:
        chooser = "len(seen)"
    if not reader.payload and not chooser.startswith("len") and " or " in chooser:
        chooser = f"({chooser})"
    rest = list(_choices(route, chooser, reader))
    if route.limit is not None and not reader.payload:
        hops = reader("hops", "get") + ("" if reader.model else " or 0")
        rest.insert(0, (f"({hops}) >= {route.limit}", "END" if verb == "return" else "[]"))
    if verb == "return":
        for condition, value in rest:
            if condition:
                yield f"if {condition}:"
                yield f"    {say} {value}"
            else:
                yield f"{say} {value}"
        return
    word = "if"
    for condition, value in rest:
        if not condition:
            if word == "if":
                yield f"{say} {value}"
            else:
                yield "else:"
                yield f"    {say} {value}"
            continue
        yield f"{word} {condition}:"
        yield f"    {say} {value}"
        word = "elif"


def _choices(route: Route, chooser: str, reader: _Reader) -> Iterator[tuple[str, str]]:
    """Pairs of condition and destination; the last has no condition."""
    named = [_name(t) for t in route.targets]
    if route.kind == "one" and route.table:
        yield "", f"[{', '.join(named)}][{chooser} % {len(named)}]"
    elif route.kind == "one":
        for number, name in enumerate(named[:-1]):
            yield f"{chooser} % {len(named)} == {number}", name
        yield "", named[-1]
    elif route.kind == "several":
        if route.varies and len(named) > 1:
            yield f"{chooser} % 2 == 0", f"[{named[0]}]"
        yield "", f"[{', '.join(named)}]"
    else:
        count = f"{chooser} % {route.width + 1}" if route.varies else str(route.width)
        payload = '{"item": i, "trail": ' + ("seen" if reader.payload else '"top"') + "}"
        if route.payload == "state":
            payload = _state_payload(reader)
        sends = f"[Send({named[0]}, {payload}) for i in range({count})]"
        extra = f" + [{named[1]}]" if route.kind == "mixed" and len(named) > 1 else ""
        yield "", sends + extra


def _state_payload(reader: _Reader) -> str:
    """The whole state, with its own count of hops so that such fan-outs end."""
    if not reader.model:
        return '{**state, "item": i, "hops": (state.get("hops") or 0) + 1}'
    return "raised(state)"
