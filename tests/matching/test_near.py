"""Whole towns in real stores: what the engine answers is what the oracle finds by hand."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import near_oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_oracle import Near
from worlds import NOW, Town, make_questions, make_town

from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearAnswer, NearQuery, Viewer

seeds = st.integers(0, 2**32 - 1)
TOWNS = settings(max_examples=max(3, settings().max_examples // 5))
PAGES = 40  # of one walk, at most


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Store]]:
    """Makes an empty SQLite store; all are closed in the end."""
    folder = tmp_path_factory.mktemp("stores")
    stores: list[Store] = []

    def make() -> Store:
        stores.append(open_store(Path(folder, f"{len(stores)}.db")))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def walked(engine: Engine, viewer: Viewer, query: NearQuery) -> list[NearAnswer]:
    """All pages of a query."""
    answers = [engine.near(viewer, query)]
    while answers[-1].next and len(answers) < PAGES:
        answers.append(engine.near(viewer, replace(query, cursor=answers[-1].next)))
    return answers


def reported(answers: list[NearAnswer], found: dict[str, Near]) -> dict[str, tuple[int, int]]:
    """The whole numbers that answers gave: score in 1e-9 and, of public things, millimetres."""
    return {
        match.id: (
            round(match.score * 1e9),
            0 if match.distance_m is None else round(match.distance_m * 1000),
        )
        for answer in answers
        for match in answer.matches
    }


def assert_equal(answers: list[NearAnswer], town: Town, viewer: Viewer, query: NearQuery) -> int:
    """Pages equal the oracle's; returns how many matches were compared."""
    found = near_oracle.near(town.world, viewer.member_id, query)
    expected = near_oracle.pages(found, query, reported(answers, found))
    assert [
        (answer.radius_m, [match.id for match in answer.matches]) for answer in answers
    ] == expected[:PAGES]
    assert (answers[-1].next is None) == (len(expected) <= PAGES)
    count = 0
    for answer in answers:
        assert answer.people == ("searched" if query.origin is None else "not_searched")
        assert answer.at == query.at.replace(microsecond=0)
        for match in answer.matches:
            one = found[match.id]
            listing, scored = one.listing, one.scored
            count += 1
            assert match.kind is listing.kind
            assert match.title == listing.title
            assert match.personal is listing.personal
            assert match.score * 1e9 == pytest.approx(scored.score * 1e9, abs=0.501)
            assert match.score * 1e9 == pytest.approx(round(match.score * 1e9), abs=1e-6)
            assert match.distance_band == one.band
            if listing.personal:
                assert match.distance_m is None
                assert (match.lon, match.lat, match.address) == (None, None, "")
            else:
                assert match.distance_m == pytest.approx(scored.distance_m, abs=0.000501)
                assert (match.lon, match.lat) == (listing.lon, listing.lat)
            assert match.level == one.level
            assert match.available == one.available
            assert set(match.zones) == one.zones
            shares = [reason.share for reason in match.why]
            assert sum(shares) == pytest.approx(match.score, abs=3.001e-9)
    return count


@TOWNS
@given(seed=seeds)
def test_near_equals_the_oracle(new_store: Callable[[], Store], seed: int) -> None:
    town = make_town(seed)
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    for viewer, query in make_questions(town, seed + 1, 25):
        assert_equal(walked(engine, viewer, query), town, viewer, query)
