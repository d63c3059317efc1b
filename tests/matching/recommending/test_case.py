"""What counts for a listing, and for whom: members, their neighbours, crowds and blocks."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from store_records import TOWN, partition_of
from trust_records import NEIGHBOURS, dealing
from trust_records import NOW as NOON

from indexes.entities import Block, Endorsement, Household, Kind, Listing, Member
from indexes.store import Store
from indexes.trusting import Request
from matching import Engine, Viewer
from matching.recommend import RecommendQuery
from matching.trusting.dealings import ask, complete, rate, reply


def shares(engine: Engine, viewer: str, id: str, at: datetime = NOON) -> dict[str, float]:
    """What gave a listing its score, for a viewer."""
    query = RecommendQuery(at=at, kinds=(Kind.MERCHANT,), known=True, lang="en")
    (found,) = [
        match for match in engine.recommend(Viewer(viewer), query).matches if match.id == id
    ]
    return {reason.code: reason.share for reason in found.why}


@pytest.fixture
def street(new_store: Callable[[], Store]) -> Store:
    """Neighbours in one group, and two shops at their door."""
    store = new_store()
    store.put_all([*TOWN, *NEIGHBOURS])
    store.put_groups(partition_of(store))
    group = store.groups("t").groups[0]
    store.put_all(
        Listing(
            tenant_id="t", id=id, kind=Kind.MERCHANT, title=id, lon=group.lon, lat=group.lat
        )
        for id in ("four", "quai")
    )  # fmt: skip
    return store


def endorse(store: Store, listing: str, *members: str) -> None:
    store.put_all(
        Endorsement(
            tenant_id="t", id=f"{member}-{listing}", member_id=member, listing_id=listing,
            created_at=NOON - timedelta(days=1),
        )
        for member in members
    )  # fmt: skip


def test_whom_a_viewer_trusts_counts_for_that_viewer_alone(street: Store) -> None:
    for n in range(4):
        dealing(street, "eve", "hal", f"i{n}", NOON - timedelta(days=2))
        for rater in ("eve", "hal"):
            rate(street, "t", rater, f"i{n}", 5, "", NOON - timedelta(days=2), f"{rater}-{n}")
    endorse(street, "four", "hal")  # of level 1: nobody's neighbour yet
    engine = Engine.over(street, "t", clock=lambda: NOON)
    four, quai = shares(engine, "eve", "four"), shares(engine, "eve", "quai")
    assert four.keys() - quai.keys() == {"recommended"} and four["recommended"] >= 0.1
    # Ana's walks begin with neighbours who have proved where they live, and Eve has not.
    assert shares(engine, "ana", "four") == shares(engine, "ana", "quai")


def test_an_instant_asked_about_tells_nothing_of_when_somebody_recommended_it(
    street: Store,
) -> None:
    """Else it could be halved until the second is found. What is not yet said isn't heard."""
    endorse(street, "four", "bob", "cleo", "zoe", "ana")
    said = NOON - timedelta(days=1)
    before, after = (
        Engine.over(street, "t", clock=lambda now=now: now)
        for now in (said - timedelta(seconds=1), said)
    )
    told = [
        shares(after, "ana", "four", at)
        for at in (NOON, said, said - timedelta(days=400), NOON + timedelta(days=4_000))
    ]
    assert told[1:] == told[:1] * 3
    assert "known" in told[0] and "known" not in shares(before, "ana", "four")
    assert told[0]["recommended-by"] > shares(before, "ana", "four")["recommended-by"]


def texts(engine: Engine, viewer: str, id: str) -> dict[str, str]:
    """What is said of a listing to a viewer."""
    query = RecommendQuery(at=NOON, kinds=(Kind.MERCHANT,), known=True, lang="en")
    found = {match.id: match for match in engine.recommend(Viewer(viewer), query).matches}
    return {reason.code: reason.text for reason in found[id].why}


@pytest.fixture
def trusting(street: Store) -> Store:
    """Three neighbours whom Ana's walks reach recommend a shop, and so does her own household."""
    street.put(Household(tenant_id="t", id="h-ned", building_id="b1"))
    street.put(Member(tenant_id="t", id="ned", household_id="h-ned", level=3))
    endorse(street, "four", "ana2", "bob", "cleo", "ned")
    return street


def test_ones_own_household_is_none_of_those_that_one_trusts(trusting: Store) -> None:
    engine = Engine.over(trusting, "t", clock=lambda: NOON)
    told = texts(engine, "ana", "four")
    assert told["recommended-trusted"] == "recommended by 3 households that you trust"
    trusting.delete(Endorsement, "t", "ned-four")
    engine.refresh()
    assert "recommended-trusted" not in texts(engine, "ana", "four")


def test_who_has_only_used_something_is_none_of_those_who_recommend_it(trusting: Store) -> None:
    stall = Listing(
        tenant_id="t", id="quai", kind=Kind.MERCHANT, title="quai", owner_id="hal",
        lon=trusting.get(Listing, "t", "four").lon, lat=trusting.get(Listing, "t", "four").lat,
    )  # fmt: skip
    trusting.put(stall)
    endorse(trusting, "quai", "bob", "cleo")
    request = Request(
        tenant_id="t", id="u", asker_id="ned", helper_id="hal", created_at=NOON - timedelta(days=1),
        listing_id="quai",
    )  # fmt: skip
    ask(trusting, request)
    reply(trusting, "t", "hal", "u", True, "", request.created_at)
    for one in ("ned", "hal"):
        complete(trusting, "t", one, "u", request.created_at)
    told = texts(Engine.over(trusting, "t", clock=lambda: NOON), "ana", "quai")
    assert "3 households near you" in told["recommended-near"]
    assert "recommended-trusted" not in told


def test_a_block_takes_weight_and_leaves_the_counts(trusting: Store) -> None:
    """Else whoever blocks somebody sees whether they recommend it."""
    trusting.delete(Endorsement, "t", "ana2-four")
    engine = Engine.over(trusting, "t", clock=lambda: NOON)
    before, said = shares(engine, "ana", "four"), texts(engine, "ana", "four")
    for name in ("bob", "cleo"):
        trusting.put(Block(tenant_id="t", id=f"b-{name}", member_id="ana", other_id=name))
    engine.refresh()
    after = shares(engine, "ana", "four")
    for code in ("recommended-trusted", "recommended-near"):
        assert 0.0 < after[code] < before[code]
    assert texts(engine, "ana", "four") == said


def test_a_crowd_that_nobody_trusts_and_that_proved_nothing_changes_nothing(street: Store) -> None:
    """Two hundred accounts in two hundred dwellings of the viewer's building; and the same crowd
    changes the ranking once its homes are proved, else nothing would."""
    engine = Engine.over(street, "t", clock=lambda: NOON)
    before = shares(engine, "ana", "four")
    crowd = [f"fake-{n}" for n in range(200)]
    street.put_all(Household(tenant_id="t", id=id, building_id="b1") for id in crowd)
    for level, changes in ((0, False), (1, False), (3, True)):
        street.put_all(Member(tenant_id="t", id=id, household_id=id, level=level) for id in crowd)
        endorse(street, "four", *crowd)
        engine.refresh()
        assert (shares(engine, "ana", "four") != before) is changes
