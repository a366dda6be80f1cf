"""The same results from asyncio alone, as one would write them for one graph.

No checkpoints, streams, retries or shared state: just the node functions, awaited
in the order that their data allows.
"""

from __future__ import annotations

from asyncio import create_task, gather
from typing import Any

from comparisons import _beside, _branches, _fanouts

State = dict[str, Any]


async def uneven_branches(given: Any) -> State:
    async def flights() -> Any:
        return await _branches.price_flights(await _then(_branches.find_flights, given))

    async def hotels() -> Any:
        return await _branches.price_hotels(await _then(_branches.find_hotels, given))

    async def luggage() -> Any:
        return await _branches.pack(await _then(_branches.forecast, given))

    fare, room, packed = await gather(flights(), hotels(), luggage())
    return await _branches.plan(_merged(fare, room, packed))


async def issue_6320(given: Any) -> State:
    async def branch() -> list[str]:
        first = await _branches.fast(given)
        then = await _branches.after_fast(given)
        return [*first["log"], *then["log"]]

    lines, slow = await gather(branch(), _branches.slow(given))
    return {"log": [*lines, *slow["log"]]}


async def waiting_edges(given: Any) -> State:
    async def texts() -> Any:
        clean: Any = await _branches.tidy(await _then(_branches.extract, given))
        return await _branches.index(clean)

    indexed, faces = await gather(texts(), _branches.detect_faces(given))
    return await _branches.catalogue(_merged(indexed, faces))


async def double_edges(given: Any) -> State:
    drafted = create_task(_branches.draft(given))

    async def after_draft() -> State:
        draft: Any = await drafted
        return await _branches.review(draft)

    async def after_citing() -> State:
        sources: Any = await _branches.gather_sources(given)
        await _branches.cite(sources)
        draft: Any = await drafted
        return await _branches.review(draft)

    first, second = await gather(after_draft(), after_citing())
    return {"reviews": [*first["reviews"], *second["reviews"]]}


async def router_in_branch(given: Any) -> State:
    async def answer() -> State:
        sorted_: Any = {**given, **await _branches.triage(given)}
        hard = _branches.by_kind(sorted_) == "research"
        return await (_branches.research if hard else _branches.quote)(sorted_)

    answered, audited = await gather(answer(), _branches.audit(given))
    return {**answered, **audited}


async def pydantic_state(given: Any) -> State:
    case = _branches.Case(**given)

    async def facts() -> State:
        found = await _branches.collect_facts(case)
        return await _branches.check_facts(case.model_copy(update=found))

    async def laws() -> State:
        found = await _branches.find_laws(case)
        return await _branches.cite_law(case.model_copy(update=found))

    checked, cited = await gather(facts(), laws())
    return await _branches.judge(case.model_copy(update={**checked, **cited}))


async def changed_in_place(given: Any) -> State:
    opened = await _branches.open_dossier(_branches.Dossier(**given))
    dossier = _branches.Dossier(**given, **opened)

    async def facts() -> None:
        await _branches.note_facts(dossier)
        await _branches.weigh_facts(dossier)

    async def laws() -> None:
        await _branches.note_laws(dossier)
        await _branches.weigh_laws(dossier)

    await gather(facts(), laws())
    return await _branches.decide(dossier)


async def whole_state(given: Any) -> State:
    found = await gather(_branches.find_flights(given), _branches.find_hotels(given))
    state: Any = {**given, **found[0], **found[1]}
    told = await gather(_branches.describe_flights(state), _branches.describe_hotels(state))
    return {**told[0], **told[1]}


async def send_chains(given: Any) -> State:
    async def one(item: _fanouts.Item) -> State:
        await _fanouts.fetch(item)
        return await _fanouts.rate(item)

    rated = await gather(*(one(item) for item in given["items"]))
    return await _fanouts.choose(_joined("ratings", rated))


async def nested_fan_outs(given: Any) -> State:
    async def one(document: _fanouts.Document) -> State:
        sends: Any = (await _fanouts.split(document)).goto
        checked = await gather(*(_fanouts.check(send.arg) for send in sends))
        return dict(_joined("checked", checked))

    checked = await gather(*(one(document) for document in given["documents"]))
    return await _fanouts.report(_joined("checked", checked))


async def agent_tools(given: Any) -> State:
    async def one(call: _fanouts.Call) -> State:
        await _fanouts.run_tool(call)
        return await _fanouts.digest(call)

    title = create_task(_fanouts.entitle(given))
    calls = (await _fanouts.agent(given))["calls"]
    digests = await gather(*(one(call) for call in calls))
    said = await _fanouts.agent(_merged(given, _joined("digests", digests)))
    return {"answer": said["answer"], **await title}


async def fan_out_reduce(given: Any) -> State:
    rated = await gather(*(_fanouts.rate(person) for person in given["people"]))
    return await _fanouts.count(_joined("ratings", rated))


async def early_reduce(given: Any) -> State:
    async def summary() -> State:
        scored = await gather(*(_beside.score(entry) for entry in given["entries"]))
        ranked: Any = await _beside.rank(_joined("scores", scored))
        return await _beside.summarise(ranked)

    summed, settled = await gather(summary(), _beside.settle_accounts(given))
    return await _beside.announce(_merged(summed, settled))


async def subgraph_branch(given: Any) -> State:
    async def one(query: _beside.Query) -> State:
        await _beside.search(query)
        return await _beside.read(query)

    async def evidence() -> State:
        findings = await gather(*(one(query) for query in given["queries"]))
        return await _beside.weigh(_joined("findings", findings))

    async def body() -> State:
        outline: Any = await _beside.make_outline(given)
        return await _beside.write_body(outline)

    weighed, written = await gather(evidence(), body())
    return await _beside.compose(_merged(weighed, written))


async def loop_beside_long_task(given: Any) -> State:
    async def loop() -> State:
        state: Any = await _beside.refine(given)
        while _beside.again(state) == "refine":
            state = await _beside.refine(state)
        return dict(state)

    refined, indexed = await gather(loop(), _beside.build_index(given))
    return {**refined, **indexed}


async def sequence(given: Any) -> State:
    english: Any = await _beside.translate(given)
    short: Any = await _beside.shorten(english)
    return await _beside.name_it(short)


async def _then(node: Any, given: Any) -> Any:
    return await node(given)


def _joined(key: str, updates: list[State]) -> Any:
    return {key: [value for update in updates for value in update[key]]}


def _merged(*parts: State) -> Any:
    return {key: value for part in parts for key, value in part.items()}
