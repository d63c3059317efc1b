"""Care of children and of the elderly: offered by those who have proved where they live."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from near_checks import assert_equal, walked
from store_records import TOWN, partition_of
from trust_records import NEIGHBOURS, NOW, made_report
from worlds import make_questions, make_town

from indexes.entities import Kind, Listing, Member
from indexes.store import Store, open_store
from indexes.trusting import ReportState
from matching import ANYONE, Engine, NearQuery, Viewer
from matching.recommend import RecommendQuery
from matching.trusting.care import needs_level
from matching.trusting.reporting import decide_report, report
from matching.trusting.verifying import GRACE, VERIFIED_FOR, attest, lapse

SITTER = Listing(
    tenant_id="t", id="sitter", kind=Kind.SERVICE, title="Garde après l'école", personal=True,
    owner_id="cleo", category="garde.enfants",
)  # fmt: skip
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["sqlite", "postgis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    dsn = tmp_path / "town.db"
    if request.param == "postgis":
        dsn = request.getfixturevalue("postgis_dsn")
    opened = open_store(dsn)
    opened.put_all([*TOWN, *NEIGHBOURS, SITTER])
    opened.put_groups(partition_of(opened))
    yield opened
    opened.close()


def found(engine: Engine, at: datetime = NOW) -> set[str]:
    """What a neighbour finds, and is recommended, of services."""
    engine.refresh()
    kinds = (Kind.SERVICE,)
    near = engine.near(Viewer("bob"), NearQuery(at=at, kinds=kinds, radius_m=5_000.0)).matches
    liked = engine.recommend(Viewer("bob"), RecommendQuery(at=at, kinds=kinds)).matches
    assert {match.id for match in near} == {match.id for match in liked}
    return {match.id for match in near}


def test_care_is_hidden_below_level_three_and_shown_from_there_on(store: Store) -> None:
    engine = Engine.over(store, "t")
    assert "sitter" in found(engine)
    cleo = store.get(Member, "t", "cleo")
    for level, shown in ((2, False), (3, True), (1, False), (4, True)):
        store.put(replace(cleo, level=level))
        assert ("sitter" in found(engine)) is shown
    store.put(replace(cleo, level=2))
    store.put(replace(SITTER, category="garde.animaux"))
    assert "sitter" in found(engine)
    store.put(replace(SITTER, category="aide.personnes-agees.courses"))
    assert "sitter" not in found(engine)
    assert "sitter" not in found(Engine.over(store, "t"))  # read whole


def test_a_level_that_lapses_hides_care_from_that_second_on(store: Store) -> None:
    engine = Engine.over(store, "t")
    found(engine)
    attest(store, "t", "cleo", 3, NOW)
    end = NOW + VERIFIED_FOR + GRACE
    assert "sitter" in found(engine, end - SECOND)
    assert "sitter" not in found(engine, end)
    assert "sitter" not in found(Engine.over(store, "t"), end)
    match = next(
        match
        for match in engine.near(Viewer("bob"), NearQuery(at=NOW, kinds=(Kind.SERVICE,))).matches
        if match.id == "sitter"
    )
    assert match.valid_to is None  # how long somebody's address is proved is not told
    attest(store, "t", "cleo", 3, NOW + timedelta(days=1))  # again: the level is the same
    assert "sitter" in found(engine, end)
    assert lapse(store, "t", end + timedelta(days=1)) == 1
    assert "sitter" not in found(engine)


def test_a_confirmed_report_hides_care_until_it_is_cleared(store: Store) -> None:
    engine = Engine.over(store, "t")
    attest(store, "t", "cleo", 3, NOW)
    report(store, made_report("cleo"))
    assert "sitter" in found(engine)
    decide_report(store, "t", "r", ReportState.CONFIRMED, NOW)
    assert "sitter" not in found(engine)
    decide_report(store, "t", "r", ReportState.CLEARED, NOW)
    assert "sitter" in found(engine)


def test_public_care_needs_its_owners_level_unless_it_is_attested_or_nobodys(store: Store) -> None:
    """Else a member would offer it as a place, and be asked for nothing."""
    creche = replace(
        SITTER, id="creche", kind=Kind.PLACE, personal=False, owner_id="dan", lon=5.351, lat=43.301
    )
    engine = Engine.over(store, "t")
    query = NearQuery(at=NOW, kinds=(Kind.PLACE,), radius_m=50_000.0)
    for one, shown in (
        (creche, False),
        (replace(creche, attested="town"), True),
        (replace(creche, owner_id=None), True),
        (replace(creche, owner_id="cleo"), True),
    ):
        store.put(one)
        engine.refresh()
        found = {match.id for match in engine.near(Viewer("bob"), query).matches}
        assert ("creche" in found) is shown
        free = replace(query, origin=(5.351, 43.301))
        assert ("creche" in {match.id for match in engine.near(ANYONE, free).matches}) is shown


def test_pages_with_care_among_them_equal_the_oracle(tmp_path: Path) -> None:
    """So none is short for what is hidden."""
    town = make_town(31)
    listings = [
        replace(one, category="garde.enfants.soir") if one.owner_id and number % 2 else one
        for number, one in enumerate(town.world.listings)
    ]
    town.world.listings[:] = listings
    town.records = [one for one in town.records if not isinstance(one, Listing)] + listings
    store = open_store(tmp_path / "town.db")
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    hidden = [
        one for one in listings
        if needs_level(one) and town.world.members[one.owner_id].level < 3
    ]  # fmt: skip
    assert len(hidden) > 5
    compared = sum(
        assert_equal(walked(engine, viewer, query), town, viewer, query)
        for viewer, query in make_questions(town, 31, 25)
    )
    assert compared > 50
    store.close()
