"""What trust is made of, as whole tables, from every store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from store_records import ENDORSEMENT, HOUSEHOLDS, MEMBERS, NOON, SERVICE, SHOP, TOWN
from worlds import make_town

import indexes.sqlite
from geo.errors import InputError
from indexes.entities import Endorsement, Listing, Member
from indexes.store import Store
from indexes.trusting import ENDORSEMENT_SCHEMA, Standing


def said(store: Store, *listings: str) -> list[tuple[str, str, str]]:
    table = store.endorsement_table("t", listings or None)
    assert table.schema.equals(ENDORSEMENT_SCHEMA)
    return [(row["listing"], row["member"], row["household"]) for row in table.to_pylist()]


@pytest.fixture
def hood(town: Store) -> Store:
    for id, member_id, listing_id in (("e2", "m4", "s1"), ("e3", "m3", "p1"), ("e4", "m1", "p1")):
        one = replace(ENDORSEMENT, id=id, member_id=member_id, listing_id=listing_id)
        town.put(replace(one, created_at=NOON + timedelta(hours=int(id[1]))))
    return town


def test_endorsements_are_given_by_listing_with_household_and_instant(hood: Store) -> None:
    assert said(hood) == [
        ("p1", "m1", "h1"),
        ("p1", "m3", "h3"),
        ("s1", "m2", "h2"),
        ("s1", "m4", "h2"),
    ]
    assert said(hood, "s1", "none") == [("s1", "m2", "h2"), ("s1", "m4", "h2")]
    assert hood.endorsement_table("t", ["nothing"]).num_rows == 0
    assert hood.endorsement_table("other").num_rows == 0
    instants = hood.endorsement_table("t", ["p1"])["created_at"].to_pylist()
    assert instants == [int(NOON.timestamp()) + hours * 3600 for hours in (4, 3)]


def test_an_endorsement_without_an_instant_has_that_of_its_writing(hood: Store) -> None:
    (before,) = hood.endorsement_table("t", ["s1"])["created_at"].to_pylist()[:1]
    hood.put(replace(ENDORSEMENT, category="food"))
    assert hood.endorsement_table("t", ["s1"])["created_at"].to_pylist()[:1] == [before]
    assert before > NOON.timestamp()


def test_a_household_does_not_endorse_what_is_its_own(hood: Store) -> None:
    hood.put(Member(tenant_id="t", id="m5", household_id="h1", level=4))
    hood.put(replace(ENDORSEMENT, id="e5", member_id="m5"))
    assert ("s1", "m5", "h1") not in said(hood)
    hood.put(replace(SHOP, owner_id="m3"))
    assert said(hood, "p1") == [("p1", "m1", "h1")]
    hood.put(replace(MEMBERS[2], household_id=HOUSEHOLDS[0].id))
    assert said(hood, "p1") == []
    hood.put(replace(hood.get(Member, "t", "m5"), household_id="h2"))
    assert ("s1", "m5", "h2") in said(hood, "s1")


def test_owner_and_attestation_of_a_listing_come_with_its_endorsements(hood: Store) -> None:
    def told() -> set[tuple[str, str | None, str | None]]:
        rows = hood.endorsement_table("t").to_pylist()
        return {(row["listing"], row["owner"], row["attested"]) for row in rows}

    assert told() == {("p1", None, None), ("s1", "m1", None)}
    for attested in ("registry", "town", None):
        before = hood.position()
        hood.put(replace(SHOP, attested=attested))
        assert told() == {("p1", None, attested), ("s1", "m1", None)}
        assert hood.get(Listing, "t", "p1").attested == attested
        assert [(one.entity, one.id) for one in hood.changes(before)] == [("listings", "p1")]
    with pytest.raises(InputError, match="attested must be town or registry, or none"):
        hood.put(replace(SHOP, attested="myself"))


def test_what_is_gone_is_endorsed_by_nobody(hood: Store) -> None:
    hood.delete(Endorsement, "t", "e1")
    assert said(hood, "s1") == [("s1", "m4", "h2")]
    hood.delete(Listing, "t", SERVICE.id)
    assert said(hood, "s1") == []


def test_only_standings_by_which_a_word_counts_less_are_told(hood: Store) -> None:
    kept = [
        Standing(tenant_id="t", id="m1", level=3),
        Standing(tenant_id="t", id="m2", suspended=True),
        Standing(tenant_id="t", id="m3", penalised_until=NOON),
    ]
    for one in kept:
        hood.decide("t", [], lambda desk, one=one: desk.put(one))
    noon = int(NOON.timestamp())
    told = [
        {"id": "m2", "suspended": True, "penalised_until": None},
        {"id": "m3", "suspended": False, "penalised_until": noon},
    ]
    assert hood.standing_table("t").to_pylist() == told
    assert hood.standing_table("t", ["m1", "m3"]).to_pylist() == told[1:]


def row_by_row(store: Store, tenant_id: str) -> list[list[dict[str, object]]]:
    """All three tables, as SQL joins them for ids."""
    listings = [one.id for one in store.page(Listing, tenant_id, limit=10_000)]
    members = [one.id for one in store.page(Member, tenant_id, limit=10_000)]
    tables = (
        store.listing_table(tenant_id, listings),
        store.member_table(tenant_id, members),
        store.endorsement_table(tenant_id, listings),
    )
    return [table.to_pylist() for table in tables]


def whole(store: Store, tenant_id: str) -> list[list[dict[str, object]]]:
    """All three tables, as they are joined by column."""
    tables = (store.listing_table, store.member_table, store.endorsement_table)
    return [read(tenant_id).to_pylist() for read in tables]


@pytest.mark.parametrize("together", [3, 10_000])
def test_a_whole_table_holds_what_its_ids_give_whatever_order_rows_came_in(
    store: Store, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(indexes.sqlite, "TOGETHER", together)
    town = make_town(together, listings=120)
    town.put(store)
    (told, houses, said) = whole(store, "t")
    assert [told, houses, said] == row_by_row(store, "t")
    # Once more in the other order: rows of the file are not in the order of ids any more.
    for one in told[::2]:
        store.delete(Listing, "t", str(one["id"]))
    for record in reversed(town.records):
        if isinstance(record, Listing):
            store.put(replace(record, opening_hours="", hours_text=None))
    suspended = Standing(tenant_id="t", id=str(houses[0]["id"]), expires_at=NOON, suspended=True)
    store.decide("t", [], lambda desk: desk.put(suspended))
    again = whole(store, "t")
    assert again == row_by_row(store, "t")
    assert {one["opening_hours"] for one in again[0]} == {""}
    assert {one["hours_text"] for one in again[0]} == {None}
    assert {one["endorsers"] for one in told} > {0}
    assert len(said) > len(again[2]) > 0


def test_one_tenant_of_many_gets_its_own_rows_alone(store: Store) -> None:
    crowd = make_town(5, "u", listings=100)
    crowd.put(store)
    store.put_all(TOWN)
    assert whole(store, "t") == row_by_row(store, "t")
    assert [len(table) for table in whole(store, "t")] == [2, 4, 1]
    assert whole(store, "u") == row_by_row(store, "u")
    assert whole(store, "nobody") == [[], [], []]
