"""A town's trust kept current, against levels worked out by hand from what the store has."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import trust_oracle as oracle
from store_records import BLOCK, SHOP, TOWN, partition_of
from trust_records import DAY, NEIGHBOURS, NOW, dealing

import matching.trusting.town
from geo.errors import DeniedError, FeedGapError
from indexes.entities import Building, Endorsement, Household, Member
from indexes.store import Store, open_store
from indexes.trusting import Rating, Reason, Report, ReportState, Standing, Vouch
from matching.trust import TrustGraph
from matching.trusting.dealings import rate
from matching.trusting.known import TrustTables
from matching.trusting.reporting import decide_report, report
from matching.trusting.town import TrustTown
from matching.trusting.verifying import attest
from matching.trusting.vouching import vouch


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *NEIGHBOURS])
    opened.put_groups(partition_of(opened))
    yield opened
    opened.close()


def rated(store: Store, rater: str, ratee: str, stars: int, id: str, at=NOW, back: int = 3) -> None:
    """A completed interaction that both sides have rated; 3 of 5 says nothing."""
    dealing(store, rater, ratee, id, at)
    rate(store, "t", rater, id, stars, "", at, f"{id}-1")
    rate(store, "t", ratee, id, back, "", at, f"{id}-2")


def by_hand(store: Store, viewer: str, now) -> dict[str, int]:
    """Everybody's level for a viewer: the store's records, counted walks, the written formula."""
    members = store.page(Member, "t", limit=1_000)
    row = {member.id: n for n, member in enumerate(members)}
    group = {
        member.id: store.get(
            Building, "t", store.get(Household, "t", member.household_id).building_id
        ).place.group
        for member in members
    }
    standing = dict.fromkeys(row, 1.0)
    for one in store.page(Standing, "t", limit=1_000):
        if one.suspended:
            standing[one.id] = 0.0
        elif one.penalised_until is not None and now < one.penalised_until:
            standing[one.id] = 0.5
    ratings = [
        (row[one.rater_id], row[one.ratee_id], (one.stars - 3) / 2, int(one.created_at.timestamp()))
        for one in store.page(Rating, "t", limit=1_000)
        if one.opens_at <= now
    ]
    bonds = [
        (row[one.voucher_id], row[one.vouchee_id], int(one.created_at.timestamp()))
        for one in store.page(Vouch, "t", limit=1_000)
    ]
    keys = [
        int.from_bytes(hashlib.blake2b(f"t\n{id}".encode(), digest_size=8).digest(), "big")
        for id in row
    ]
    groups = sorted({name for name in group.values() if name})
    cols = oracle.columns(
        len(row),
        ratings,
        bonds,
        keys=np.array(keys, np.uint64),
        verification=np.array([member.level for member in members]),
        groups=np.array([groups.index(group[id]) if group[id] else -1 for id in row]),
        standing=np.array(list(standing.values())),
    )
    found = oracle.counted(cols, row[viewer], now.timestamp(), oracle.walks(cols, row[viewer]))
    levels = {}
    for member in members:
        good, bad = found.get(row[member.id], (0.0, 0.0))
        mean = (1 + good) / (2 + good + bad)
        bound = mean - sqrt(mean * (1 - mean) / (good + bad + 3))
        level = min(member.level, 1)
        if member.level >= 2 and bound >= 0.35:
            level = 2
        if member.level >= 3 and bound >= 0.55:
            level = 3
        if member.level >= 3 and bound >= 0.70 and good + bad >= 5:
            level = 4
        levels[member.id] = level if standing[member.id] else 0
    return levels


def held(town: TrustTown, store: Store, now) -> dict[str, dict[str, int]]:
    """What some viewers are shown, once it has been held to what is worked out by hand."""
    town.catch_up()
    assert town.position == store.position()
    ids = [member.id for member in store.page(Member, "t", limit=1_000)]
    viewers = [id for id in ("ana", "bob", "cleo", "zoe") if id in ids]
    shown = {one: dict(zip(ids, town.levels(one, ids, now), strict=True)) for one in viewers}
    for viewer in viewers:
        assert shown[viewer] == by_hand(store, viewer, now), viewer
    return shown


def test_levels_follow_every_change_as_by_hand(store: Store) -> None:
    town = TrustTown(store, "t")
    assert held(town, store, NOW)["ana"]["bob"] == 1
    for n in range(4):
        rated(store, "ana", "bob", 5, f"i{n}", NOW - n * DAY, back=4)
        rated(store, "cleo", "bob", 5, f"j{n}", NOW - n * DAY)
        rated(store, "ana", "cleo", 5, f"k{n}", NOW - n * DAY)
    shown = held(town, store, NOW)
    assert shown["ana"]["bob"] >= 3 and shown["zoe"]["bob"] == 1  # Zoe knows nobody
    vouch(store, "t", "ana", "dan", NOW, "v1")
    vouch(store, "t", "bob", "dan", NOW, "v2")
    held(town, store, NOW)
    for n in range(6):
        rated(store, "cleo", "bob", 1, f"l{n}", NOW)
    assert held(town, store, NOW)["cleo"]["bob"] < shown["cleo"]["bob"]
    attest(store, "t", "dan", 4, NOW)
    held(town, store, NOW)
    store.delete(Member, "t", "cleo")
    held(town, store, NOW)


def test_a_rating_changes_no_level_before_it_opens(store: Store) -> None:
    town = TrustTown(store, "t")
    for n in range(4):
        dealing(store, "ana", "bob", f"i{n}")
    before = held(town, store, NOW)
    for n in range(4):
        rate(store, "t", "ana", f"i{n}", 5, "", NOW, f"r{n}")
    end = NOW + 14 * DAY
    assert held(town, store, NOW) == held(town, store, end - timedelta(seconds=1)) == before
    assert held(town, store, end)["ana"]["bob"] == 3
    assert held(town, store, NOW) == before  # asked of an earlier instant


def test_a_confirmed_report_shows_at_once_and_a_penalty_ends_by_itself(store: Store) -> None:
    town = TrustTown(store, "t")
    for n in range(5):
        rated(store, "ana", "bob", 5, f"i{n}")
        rated(store, "bob", "cleo", 5, f"j{n}")
    vouch(store, "t", "bob", "dan", NOW, "v")
    trusted = held(town, store, NOW)
    for id, member, reason in (("r1", "bob", Reason.SAFETY), ("r2", "dan", Reason.FRAUD)):
        report(
            store,
            Report(tenant_id="t", id=id, member_id=member, reason=reason, created_at=NOW),
        )
        decide_report(store, "t", id, ReportState.CONFIRMED, NOW)
    assert held(town, store, NOW)["ana"]["bob"] == 0
    decide_report(store, "t", "r1", ReportState.CLEARED, NOW)
    assert held(town, store, NOW)["ana"]["bob"] == trusted["ana"]["bob"]
    held(town, store, NOW + 180 * DAY - timedelta(seconds=1))
    held(town, store, NOW + 180 * DAY)


def test_a_town_read_anew_says_the_same(store: Store) -> None:
    town = TrustTown(store, "t")
    for n in range(4):
        rated(store, "ana", "bob", 5, f"i{n}")
    town.catch_up()
    ids = ["ana", "bob", "zoe"]
    before = town.levels("ana", ids, NOW)
    assert TrustTown(store, "t").levels("ana", ids, NOW) == before
    for name in ("one", "two"):
        store.put_all([Household(tenant_id="t", id=name, building_id="b1")])
        store.trim(0)
    with pytest.raises(FeedGapError):
        TrustTown.catch_up(stale := at_start(TrustTown(store, "t"), store))
    stale.expire()
    assert stale.wants_rebuild
    stale.rebuild()
    assert stale.levels("ana", ids, NOW) == before and not stale.wants_rebuild
    store.put_groups(partition_of(store, version=2))
    stale.catch_up()
    assert stale.wants_rebuild
    stale.rebuild()
    held(stale, store, NOW)


def at_start(town: TrustTown, store: Store) -> TrustTown:
    """A town that has read nothing yet, as the store sees it."""
    town.position = type(town.position)(town.position.store, 0, 0)
    return town


def test_who_is_not_there_has_level_0_and_sees_none(store: Store) -> None:
    town = TrustTown(store, "t")
    assert town.levels("ana", ["nobody", "bob"], NOW) == [0, 1]
    assert town.levels("ana", [], NOW) == []
    with pytest.raises(DeniedError) as raised:
        town.levels("nobody", ["bob"], NOW)
    assert raised.value.code == "unknown-member"


def taken(town: TrustTown, store: Store) -> None:
    """Hand a town the changes as a follower does, and nothing more."""
    changes = store.changes(town.position)
    town.apply(changes, changes[-1].position)


def test_changes_are_gathered_and_shown_together_by_a_rebuild(store: Store) -> None:
    town = TrustTown(store, "t", clock=lambda: NOW)
    before = town.position
    for n in range(4):
        rated(store, "ana", "bob", 5, f"i{n}")
    taken(town, store)
    assert town.wants_rebuild and town.stale_s > 0
    assert town.position == before and town.levels("ana", ["bob"], NOW) == [1]
    assert not town.wait_for(store.position(), timeout_s=0.01)
    town.rebuild()
    assert not town.wants_rebuild and town.stale_s == 0
    assert town.position == store.position() and town.wait_for(store.position(), timeout_s=0.01)
    assert town.levels("ana", ["bob"], NOW) == [3]


def test_what_moves_no_level_needs_no_rebuild(store: Store) -> None:
    town = TrustTown(store, "t", clock=lambda: NOW)
    store.put(replace(SHOP, title="Pains"))
    store.put(replace(BLOCK, id="x2"))
    taken(town, store)
    assert not town.wants_rebuild and town.position == store.position() and town.stale_s == 0


def test_what_comes_while_levels_are_worked_out_is_shown_or_wanted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    come: list[Callable[[], object]] = []

    def interrupted(*columns: object) -> TrustGraph:
        if come:
            come.pop()()
            taken(town, store)
        return TrustGraph(*columns)

    monkeypatch.setattr(matching.trusting.town, "TrustGraph", interrupted)
    town = TrustTown(store, "t", clock=lambda: NOW)
    rated(store, "ana", "bob", 5, "i1")
    taken(town, store)
    come.append(lambda: store.put(replace(SHOP, title="Pains")))
    town.rebuild()
    assert not town.wants_rebuild and town.stale_s == 0
    assert town.position == store.position()  # nothing else may come that would move it on

    rated(store, "ana", "bob", 5, "i2")
    taken(town, store)
    before = store.position()
    come.append(lambda: rated(store, "ana", "bob", 5, "i3"))
    town.rebuild()
    assert town.position == before and town.wants_rebuild and town.stale_s > 0
    town.rebuild()
    assert town.position == store.position() and not town.wants_rebuild


def test_a_rating_opens_by_the_clock_and_by_no_question(store: Store) -> None:
    clock = [NOW]
    town = TrustTown(store, "t", clock=lambda: clock[0])
    for n in range(4):
        dealing(store, "ana", "bob", f"i{n}")
        rate(store, "t", "ana", f"i{n}", 5, "", NOW, f"r{n}")
    town.catch_up()
    later = int((NOW + 20 * DAY).timestamp())
    assert town.shown("ana", later).levels == ()
    clock[0] = NOW + 14 * DAY
    assert town.wants_rebuild and town.shown("ana", later).levels == ()
    town.rebuild()
    assert town.shown("ana", later).members == ("bob",) and not town.wants_rebuild


def test_what_is_recommended_is_known_by_whom_and_how_much(store: Store) -> None:
    town = TrustTown(store, "t", clock=lambda: NOW)
    store.put(replace(SHOP, attested="town"))
    for n in range(4):
        rated(store, "ana", "bob", 5, f"i{n}")
    given = {"tenant_id": "t", "listing_id": "p1", "created_at": NOW - 365 * DAY}
    store.put_all(Endorsement(id=f"by-{who}", member_id=who, **given) for who in ("ana", "bob"))
    town.catch_up()
    at = int(NOW.timestamp())
    assert town.recommended("ana", at) == {"p1": pytest.approx(0.5 + 0.5)}
    assert town.recommended("ana", at + 365 * 86_400) == {"p1": pytest.approx(0.5)}
    assert "bob" in town.reached("ana")
    assert town.listing_levels("ana", ["p1", "s1", "nothing"], NOW) == [2, 1, 1]
    assert town.shown("ana", at).listings == ("p1",)
    store.put(replace(SHOP, attested=None))
    town.catch_up()
    assert town.listing_levels("ana", ["p1"], NOW) == [1]
    # Two of one household are one voice; the owner's own is none.
    store.put_all(
        [
            replace(SHOP, attested="registry", owner_id="bob"),
            Endorsement(id="by-ana2", member_id="ana2", **given | {"created_at": NOW}),
        ]
    )
    town.catch_up()
    assert town.recommended("ana", at) == {"p1": pytest.approx(0.5)}
    assert town.recommended("nobody", at) == {} and town.reached("nobody") == []


def test_two_towns_that_came_the_same_way_or_not_show_the_same_digest(store: Store) -> None:
    early = TrustTown(store, "t", clock=lambda: NOW)
    for n in range(4):
        rated(store, "ana", "bob", 5, f"i{n}")
        rated(store, "cleo", "ana", 5, f"j{n}")
        early.catch_up()
    late = TrustTown(store, "t", clock=lambda: NOW)
    at = int(NOW.timestamp())
    digests = {who: early.shown(who, at).digest for who in ("ana", "cleo", "zoe")}
    assert digests == {who: late.shown(who, at).digest for who in digests}
    assert digests["ana"] != digests["cleo"] and digests["zoe"] == ""


def test_neighbours_of_ones_own_building_are_counted_by_proved_household(store: Store) -> None:
    def counted(viewer: str) -> int:
        town.catch_up()
        return town.neighbours(viewer, ["nothing", "p1"])[1]

    town = TrustTown(store, "t", clock=lambda: NOW)
    shop = {"tenant_id": "t", "listing_id": "p1"}
    assert counted("ana") == 0
    # Two accounts of one dwelling, an unproved one, and one of another building.
    for who in ("bob", "cleo", "ana", "ana2", "dan", "zoe"):
        store.put(Endorsement(id=f"by-{who}", member_id=who, **shop))
    assert [counted(who) for who in ("ana", "bob", "m1", "zoe", "eve", "nobody")] == [
        *(2, 2, 3, 0, 0, 0)
    ]
    attest(store, "t", "dan", 4, NOW)
    assert [counted(who) for who in ("ana", "m1", "dan")] == [3, 4, 3]
    store.put(Household(tenant_id="t", id="h-bob", building_id="far"))
    assert [counted(who) for who in ("ana", "m1", "bob", "zoe")] == [2, 3, 1, 1]
    store.delete(Member, "t", "cleo")
    assert counted("m1") == 2 and town.neighbours("ana", []) == []


def test_a_town_that_begins_with_tables_takes_in_what_came_since(store: Store) -> None:
    for n in range(4):
        rated(store, "ana", "bob", 5, f"i{n}")
    start = store.position(), store.member_table("t"), TrustTables.read(store, "t")
    same = TrustTown(store, "t", clock=lambda: NOW, start=start)
    assert not same.wants_rebuild and same.position == store.position()
    for n in range(4):
        rated(store, "ana", "cleo", 5, f"j{n}")
    later = TrustTown(store, "t", clock=lambda: NOW, start=start)
    assert later.position == store.position() and not later.wants_rebuild
    held(later, store, NOW)
    store.put_groups(partition_of(store, version=2))  # only reading all anew can show that
    held(TrustTown(store, "t", clock=lambda: NOW, start=start), store, NOW)
    for name in ("one", "two"):
        store.put_all([Household(tenant_id="t", id=name, building_id="b1")])
        store.trim(0)
    held(TrustTown(store, "t", clock=lambda: NOW, start=start), store, NOW)
