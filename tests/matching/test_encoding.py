"""Answers put together as JSON are byte for byte those that are encoded from objects."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import NOW, Town, make_questions, make_town

from geo.errors import MitoyenError
from indexes.entities import Kind, Listing
from indexes.store import open_store
from matching import ANYONE, Engine, NearQuery, Viewer

# What a listing may be called by somebody who has read how its JSON is put together.
SEAMS = (
    '"score":0.0,"why":[],',
    '","score":0.0,"why":[],"',
    '"level":0,"available":"unknown"',
    '\\"level\\":0,\\"available\\":\\"unknown\\"',
    '[]},"matches":[]',
    "\u2028\u202f\\ \"'</script>é∞🌍",
)
PROFILES = (None, "nearest", "event", "neighbour", "place")


def encoded(engine: Engine, viewer: Viewer, query: NearQuery) -> tuple[bytes, str | None]:
    """The JSON of the plain answer, and the cursor of the next page."""
    try:
        answer = engine.near(viewer, query)
    except MitoyenError as error:
        return repr(error).encode(), None
    return msgspec.json.encode(answer), answer.next


def put_together(engine: Engine, viewer: Viewer, query: NearQuery) -> bytes:
    try:
        return engine.near_json(viewer, query)
    except MitoyenError as error:
        return repr(error).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, Engine]]:
    town = make_town(7)
    store = open_store(tmp_path_factory.mktemp("encoding") / "town.db")
    town.put(store)
    store.put_all(
        Listing(
            tenant_id=town.tenant_id,
            id=f"seam-{i}{seam if i % 2 else ''}"[:60],
            kind=kind,
            title=seam,
            address=seam,
            lon=5.37,
            lat=43.3,
            starts_at=NOW if kind is Kind.EVENT else None,
        )
        for i, (seam, kind) in enumerate(
            (seam, kind) for seam in SEAMS for kind in (Kind.MERCHANT, Kind.EVENT, Kind.OFFER)
        )
    )
    yield town, Engine.over(store, town.tenant_id)
    store.close()


@settings(max_examples=max(10, settings().max_examples // 2), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    profile=st.sampled_from(PROFILES),
    lang=st.sampled_from(["fr", "en"]),
)
def test_any_answer_and_its_next_page_are_the_same(served, seed, profile, lang):
    town, engine = served
    for viewer, query in make_questions(town, seed, 8):
        asked = replace(query, profile=profile, lang=lang)
        for _ in range(2):
            plain, following = encoded(engine, viewer, asked)
            assert put_together(engine, viewer, asked) == plain
            asked = replace(asked, cursor=following)


@pytest.mark.parametrize("lon", [5.37, 5.6, 12.0, -174.63])
@pytest.mark.parametrize("profile", PROFILES)
def test_words_that_look_like_a_seam_are_words_near_and_far(served, lon, profile):
    _, engine = served
    query = NearQuery(
        at=NOW, origin=(lon, 43.3), radius_m=2e7, limit=200, profile=profile, lang="en"
    )
    told = put_together(engine, ANYONE, query)
    assert told == encoded(engine, ANYONE, query)[0]
    titles = {match["title"] for match in msgspec.json.decode(told)["matches"]}
    assert titles.issuperset(SEAMS)


def test_a_town_without_listings_has_an_empty_page(tmp_path: Path):
    town = make_town(3)
    store = open_store(tmp_path / "town.db")
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    nowhere = NearQuery(at=NOW, origin=(-120.0, -40.0), radius_m=1.0)
    assert put_together(engine, ANYONE, nowhere) == encoded(engine, ANYONE, nowhere)[0]
    assert b'"matches":[]' in put_together(engine, ANYONE, nowhere)
    store.close()


def test_many_answers_are_the_same_as_each_alone(served):
    town, engine = served
    for viewer, query in make_questions(town, 11, 40):
        queries = [query, replace(query, limit=0), replace(query, lang="en")]
        together = engine.near_many_json(viewer, queries)
        assert [one if isinstance(one, bytes) else repr(one).encode() for one in together] == [
            encoded(engine, viewer, query)[0] for query in queries
        ]


def test_a_page_of_public_things_makes_no_object_of_any(served, monkeypatch):
    _, engine = served
    query = NearQuery(at=NOW, origin=(5.37, 43.3), radius_m=500.0)
    plain, _ = encoded(engine, ANYONE, query)
    monkeypatch.setattr("matching.encoding.matches_of", None)
    assert engine.near_json(ANYONE, query) == plain
