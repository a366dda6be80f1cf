"""What is found, embedded and over the wire."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document
from qdrant_client import models

from langgraph_alto_qdrant import (
    CollectionMissingError,
    Connection,
    DimensionError,
    HashedBM25,
    QdrantRetriever,
    VectorMissingError,
)
from tests.qdrant.stand_in import StandIn
from tests.qdrant.support import Letters, documents, retriever, texts

FRUIT = [
    Document("aab", metadata={"source": "one", "page": 1}),
    Document("abb", metadata={"source": "one", "page": 2}),
    Document("bbb", metadata={"source": "two", "page": 1}),
    Document("ccc", metadata={"source": "two", "page": 2}),
]
PROSE = [
    Document("the cat sat on the mat", metadata={"source": "one"}),
    Document("the cat and the other cat", metadata={"source": "one"}),
    Document("the dog sat", metadata={"source": "two"}),
    Document("nothing of the kind", metadata={"source": "two"}),
]


async def filled(
    place: Connection, collection: str, given: list[Document], **options: object
) -> QdrantRetriever:
    found = retriever(place, collection=collection, **options)
    await found.aensure_collection()
    await found.aupsert(given)
    return found


async def test_dense_ranks_by_cosine(place: Connection, collection: str) -> None:
    found = await filled(place, collection, FRUIT, sparse=None, limit=3)
    # Cosines with (0, 1, 0): 3/3, 2/√5, 1/√5, 0.
    assert texts(await found.ainvoke("b")) == ["bbb", "abb", "aab"]
    assert texts(await asyncio.to_thread(found.invoke, "a", limit=2)) == ["aab", "abb"]
    first = (await found.ainvoke("b"))[0]
    assert first.metadata.pop("_score") == pytest.approx(1.0, abs=0.01)
    assert first.metadata == {"source": "two", "page": 1}


async def test_sparse_ranks_by_bm25(place: Connection, collection: str) -> None:
    found = await filled(place, collection, PROSE, dense=None)
    # "cat" is in two, "dog" in one; two cats are more than one.
    assert texts(await found.ainvoke("cat")) == [PROSE[1].page_content, PROSE[0].page_content]
    assert texts(await found.ainvoke("dog cat"))[0] == PROSE[2].page_content
    assert texts(await found.ainvoke("zebra")) == []


async def test_no_word_finds_nothing_without_asking(place: Connection, collection: str) -> None:
    found = await filled(place, collection, PROSE, dense=None)
    assert await found.ainvoke(" ?! ") == []


async def test_hybrid_merges_by_reciprocal_ranks(place: Connection, collection: str) -> None:
    given = [Document(text) for text in ("a a a", "a b b b", "b b b", "c c c")]
    found = await filled(place, collection, given, limit=4)
    dense = texts(await retriever(place, collection=collection, mode="dense").ainvoke("a"))
    sparse = texts(await retriever(place, collection=collection, mode="sparse").ainvoke("a"))
    assert sparse == ["a a a", "a b b b"]
    assert dense[:2] == ["a a a", "a b b b"]
    merged = await found.ainvoke("a")
    assert texts(merged)[:2] == ["a a a", "a b b b"]
    # Ranks are counted from 0, and the constant is 2: 1/2 + 1/2, 1/3 + 1/3, and 1/4 by one.
    scores = [document.metadata["_score"] for document in merged]
    assert scores[:3] == pytest.approx([1.0, 2 / 3, 0.25], abs=0.01)


async def test_hybrid_of_a_question_without_words_is_dense(
    place: Connection, collection: str
) -> None:
    found = await filled(place, collection, FRUIT)
    assert len(await found.ainvoke("?")) == 4


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
async def test_filters(place: Connection, collection: str, mode: str) -> None:
    found = await filled(place, collection, PROSE, mode=mode)
    only = {document.metadata["source"] for document in await found.ainvoke("the", limit=9)}
    assert only == {"one", "two"}
    for given in (
        {"source": "two"},
        {"source": ["two", "three"]},
        models.Filter(
            must=[
                models.FieldCondition(key="metadata.source", match=models.MatchValue(value="two"))
            ]
        ),
    ):
        two = await found.ainvoke("the", limit=9, filter=given)
        assert {document.metadata["source"] for document in two} == {"two"}
        assert len(two) == 2
    assert await found.ainvoke("the", filter={"source": "three"}) == []


async def test_the_retrievers_own_filter(place: Connection, collection: str) -> None:
    await filled(place, collection, FRUIT)
    found = retriever(place, collection=collection, mode="dense", filter={"page": 2})
    assert texts(await found.ainvoke("b")) == ["abb", "ccc"]
    assert texts(await found.ainvoke("b", filter={"page": 2, "source": "one"})) == ["abb"]
    # An empty one in its place means all.
    assert len(await found.ainvoke("b", filter={})) == 4


@pytest.mark.parametrize("value", [1.5, None, ["one", None]])
async def test_a_filter_that_a_mapping_cannot_say(value: object) -> None:
    async with retriever(filter={"price": value}) as found:
        await found.aensure_collection()
        with pytest.raises(ValueError, match=r"'price' to be .*give a .*models\.Filter"):
            await found.ainvoke("a")


async def test_unnamed_vectors(place: Connection, collection: str) -> None:
    found = await filled(place, collection, FRUIT, dense_vector="")
    assert texts(await found.ainvoke("c"))[0] == "ccc"


async def test_batch_and_abatch(place: Connection, collection: str) -> None:
    found = await filled(place, collection, FRUIT, mode="dense", limit=1)
    questions = ["a", "b", "c"]
    assert [texts(one) for one in await found.abatch(questions)] == [["aab"], ["bbb"], ["ccc"]]
    some = await asyncio.to_thread(found.batch, questions)
    assert [texts(one) for one in some] == [["aab"], ["bbb"], ["ccc"]]


async def test_a_function_makes_sparse_vectors(place: Connection, collection: str) -> None:
    def first_letter(text: str) -> models.SparseVector:
        return models.SparseVector(indices=[ord(text[0])], values=[1.0])

    found = await filled(place, collection, FRUIT, dense=None, sparse=first_letter)
    assert texts(await found.ainvoke("c")) == ["ccc"]
    info = place.submit("get_collection", collection).result()
    # It does not say that rarity is to count.
    assert not info.config.params.sparse_vectors["sparse"].modifier


async def test_no_collection(place: Connection, collection: str) -> None:
    found = retriever(place, collection=collection)
    for call in (found.ainvoke("a"), found.aupsert(FRUIT)):
        with pytest.raises(CollectionMissingError, match=rf"'{collection}'.*ensure_collection"):
            await call
    with pytest.raises(CollectionMissingError):
        found.invoke("a")
    # It is asked again: somebody may have made it.
    await filled(place, collection, FRUIT)
    assert await found.ainvoke("a")


async def test_wrong_dimension(place: Connection, collection: str) -> None:
    await filled(place, collection, FRUIT)
    other = retriever(place, collection=collection, dense=Letters("ab"))
    said = rf"collection '{collection}'.*dimension 26, and the embeddings have 2"
    for call in (other.ainvoke("a"), other.aupsert(FRUIT), other.aensure_collection()):
        with pytest.raises(DimensionError, match=said):
            await call


async def test_no_such_vectors(place: Connection, collection: str) -> None:
    await filled(place, collection, FRUIT, sparse=None)
    for options, said in (
        ({"mode": "sparse"}, r"no sparse vectors 'sparse' \(it has: none\)"),
        ({"mode": "dense", "dense_vector": "other"}, r"no dense vectors 'other' \(it has: 'dense'"),
    ):
        with pytest.raises(VectorMissingError, match=said):
            await retriever(place, collection=collection, **options).ainvoke("a")


async def test_a_collection_that_has_gone(stand_in: StandIn) -> None:
    async with Connection(url=stand_in.url) as place:
        found = await filled(place, "items", FRUIT)
        stand_in.engine.delete_collection("items")
        with pytest.raises(CollectionMissingError):
            await found.ainvoke("a")
        await found.aensure_collection()
        assert await found.ainvoke("a") == []


async def test_ensuring_again_keeps_what_is_there(place: Connection, collection: str) -> None:
    found = await filled(place, collection, documents(5))
    await found.aensure_collection()
    found.ensure_collection()
    assert len(await found.ainvoke("item", limit=9)) == 5


async def test_several_make_a_collection_at_once(place: Connection, collection: str) -> None:
    several = [retriever(place, collection=collection) for _ in range(5)]
    await asyncio.gather(*[one.aensure_collection() for one in several])
    assert await several[0].ainvoke("a") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dense": None, "sparse": None}, "give dense=.*or sparse="),
        ({"dense": None, "mode": "hybrid"}, "mode='hybrid' needs dense="),
        ({"sparse": None, "mode": "sparse"}, "mode='sparse' needs sparse="),
        ({"mode": "best"}, "mode"),
        ({"limit": 0}, "limit"),
        ({"colection": "typo"}, "colection"),
        ({"location": "http://"}, "names no host"),
        ({"url": "qdrant:6333"}, "must begin with"),
        ({"url": "http://a", "location": "b"}, "give one"),
        ({"api_key": "k"}, "is for a server"),
        ({"timeout": 0, "url": "http://a"}, "above 0"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        retriever(**options)


def test_hashed_bm25_by_hand() -> None:
    """BM25's own formula for how often a word occurs, at the average length and at others."""
    encode = HashedBM25(average=4, k1=1.2, b=0.75)
    one = dict(zip(*_parts(encode("cat dog dog bird")), strict=True))
    assert sorted(one.values()) == pytest.approx([1.0, 1.0, 2 * 2.2 / (2 + 1.2)])
    longer = encode("cat " + "dog " * 7)
    assert min(longer.values) == pytest.approx(2.2 / (1 + 1.2 * (0.25 + 0.75 * 2)))
    assert sorted(encode.query("Dog dog CAT").values) == [1.0, 2.0]
    assert set(encode.query("DOG").indices) <= set(one)
    assert encode("").indices == []
    with pytest.raises(ValueError, match="average"):
        HashedBM25(average=0)


def _parts(vector: models.SparseVector) -> tuple[list[int], list[float]]:
    return vector.indices, vector.values
