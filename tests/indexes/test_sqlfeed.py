"""What changes touch, and what the outbox forgets, against every store."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_records import (
    BUILDING,
    ENDORSEMENT,
    MEMBERS,
    SHOP,
    SLOW,
    TENANT,
    partition_of,
    start_of,
    zone,
)

import indexes.sqlfeed
from geo.errors import ConflictError, FeedGapError, InputError, NotFoundError
from indexes.entities import (
    Block,
    Building,
    Endorsement,
    Entity,
    Household,
    Kind,
    Listing,
    Member,
    Residence,
    Tenant,
)
from indexes.store import Change, Position, Store, Touched, open_store

HOMES, PEOPLE, THINGS = range(3), range(5), range(4)


def rows_of(table: pa.Table) -> dict[str, dict[str, object]]:
    return {row["id"]: row for row in table.to_pylist()}


def first_town(tenant: str) -> list[Entity]:
    """Enough for every later record to refer to: who lives where, who owns and endorses what."""
    return [
        Tenant(tenant_id=tenant, id=tenant, name="Port-Mitoyen"),
        *(Residence(tenant_id=tenant, id=f"r{i}", name="Les Pins") for i in HOMES),
        *(building(tenant, i, i, 0) for i in HOMES),
        *(Household(tenant_id=tenant, id=f"h{i}", building_id=f"b{i}") for i in HOMES),
        *(member(tenant, i, i % 3, 2) for i in PEOPLE),
        *(listing(tenant, i, i, i < 2, "Cours") for i in THINGS),
    ]


def building(tenant: str, id: int, residence: int, step: int) -> Building:
    lon = 5.37 + step / 100
    return Building(tenant_id=tenant, id=f"b{id}", lon=lon, lat=43.29, residence_id=f"r{residence}")


def member(tenant: str, id: int, household: int, level: int) -> Member:
    return Member(tenant_id=tenant, id=f"m{id}", household_id=f"h{household}", level=level)


def listing(tenant: str, id: int, owner: int, personal: bool, title: str) -> Listing:
    kind = Kind.SERVICE if personal else Kind.OFFER
    point = {} if personal else {"lon": 5.37, "lat": 43.29}
    return Listing(
        tenant_id=tenant, id=f"l{id}", kind=kind, title=title, personal=personal,
        owner_id=f"m{owner}", **point,
    )  # fmt: skip


def endorsement(tenant: str, id: int, person: int, thing: int) -> Endorsement:
    return Endorsement(
        tenant_id=tenant, id=f"e{id}", member_id=f"m{person}", listing_id=f"l{thing}"
    )


def block(tenant: str, id: int, pair: tuple[int, int]) -> Block:
    return Block(tenant_id=tenant, id=f"x{id}", member_id=f"m{pair[0]}", other_id=f"m{pair[1]}")


homes, people, things = (st.sampled_from(list(ids)) for ids in (HOMES, PEOPLE, THINGS))
writes = st.one_of(
    st.tuples(st.just(building), homes, homes, st.integers(0, 2)),
    st.tuples(st.just(Household), homes, homes),
    st.tuples(st.just(member), people, homes, st.integers(1, 3)),
    st.tuples(st.just(listing), things, people, st.booleans(), st.sampled_from("ab")),
    st.tuples(st.just(endorsement), people, people, things),
    st.tuples(st.just(endorsement), people, people, things),
    st.tuples(st.just(block), homes, st.permutations(list(PEOPLE)).map(lambda p: tuple(p[:2]))),
    st.tuples(
        st.just("delete"),
        st.sampled_from([(Listing, "l"), (Endorsement, "e"), (Block, "x"), (Member, "m")]),
        people,
    ),
    st.tuples(st.just("tenant"), st.sampled_from(["Port", "Mitoyen"])),
)


def write(store: Store, tenant: str, what: tuple) -> None:
    make, *values = what
    try:
        if make == "delete":
            (of, letter), id = values
            store.delete(of, tenant, f"{letter}{id}")
        elif make == "tenant":
            store.put(Tenant(tenant_id=tenant, id=tenant, name=values[0]))
        elif make is Household:
            id, home = values
            store.put(Household(tenant_id=tenant, id=f"h{id}", building_id=f"b{home}"))
        else:
            store.put(make(tenant, *values))
    except (ConflictError, NotFoundError, InputError):
        pass  # endorsed once already, still in use, gone: then nothing has changed


tenants = count()


@SLOW
@given(programs=st.lists(st.lists(writes, min_size=1, max_size=4), max_size=12))
def test_a_mirror_that_reads_again_what_is_touched_equals_the_whole_tables(
    store: Store, programs: list[list[tuple]]
):
    tenant = f"t{next(tenants)}"
    store.put_all(first_town(tenant))
    at = store.position()
    listings, members = rows_of(store.listing_table(tenant)), rows_of(store.member_table(tenant))
    blocks = store.blocks(tenant)
    for program in programs:
        for what in program:
            write(store, tenant, what)
        changes = store.changes(at)
        at = changes[-1].position if changes else at
        touched = store.touched(tenant, changes)
        assert touched.everything == any(change.entity == "tenants" for change in changes)
        whole = rows_of(store.listing_table(tenant)), rows_of(store.member_table(tenant))
        if touched.everything:
            assert not touched.listings and not touched.members
            (listings, members), blocks = whole, store.blocks(tenant)
            continue
        for mirror, ids, read in (
            (listings, touched.listings, store.listing_table),
            (members, touched.members, store.member_table),
        ):
            for id in ids:
                mirror.pop(id, None)
            mirror.update(rows_of(read(tenant, ids)))
        if touched.blocks:
            blocks = store.blocks(tenant)
        assert (listings, members) == whole
        assert blocks == store.blocks(tenant)


def touched_by(store: Store, *records: Entity) -> Touched:
    start = store.position()
    store.put_all(records)
    return store.touched("t", store.changes(start))


def test_a_change_touches_what_is_joined_to_it_and_nothing_else(town: Store):
    town.put(replace(SHOP, id="owned", owner_id="m3"))

    def of(listings: str = "", members: str = "", **flags: bool) -> Touched:
        return Touched(frozenset(listings.split()), frozenset(members.split()), **flags)

    assert touched_by(town, replace(SHOP, title="Brioche")) == of("p1")
    assert touched_by(town, replace(MEMBERS[2], level=0)) == of("owned", "m3")
    assert touched_by(town, replace(MEMBERS[1], level=4)) == of("s1", "m2")  # endorses s1
    assert touched_by(town, replace(BUILDING, address="1 rue")) == of("s1 owned", "m1 m2 m3 m4")
    moved = Household(tenant_id="t", id="h2", building_id="b2")
    assert touched_by(town, replace(BUILDING, id="b2")) == of()
    assert touched_by(town, moved) == of("", "m2 m4")
    assert touched_by(town, Residence(tenant_id="t", id="r1", name="Autre")) == of()
    assert touched_by(town, replace(ENDORSEMENT, listing_id="p1")) == of("s1 p1")
    assert touched_by(town, Block(tenant_id="t", id="x2", member_id="m1", other_id="m2")) == of(
        blocks=True
    )
    before = town.position()
    town.delete(Endorsement, "t", "e1")
    assert town.touched("t", town.changes(before)) == of("p1")


def test_zones_groups_and_the_tenant_touch_everything(town: Store):
    for change in (
        lambda: town.put_zones([zone("990010101", 5.0, 5.4)]),
        lambda: town.put_groups(partition_of(town)),
        lambda: town.put(replace(TENANT, timezone="Indian/Reunion")),
    ):
        before = town.position()
        change()
        assert town.touched("t", town.changes(before)) == Touched(everything=True)


def test_changes_of_another_tenant_touch_nothing(town: Store):
    before = town.position()
    other = Tenant(tenant_id="u", id="u", name="Autre")
    town.put_all([other, replace(SHOP, tenant_id="u"), replace(SHOP, title="Brioche")])
    changes = town.changes(before)
    assert town.touched("t", changes) == Touched(listings=frozenset({"p1"}))
    assert town.touched("u", changes).everything
    assert town.touched("nobody", changes) == Touched()


def test_thousands_are_touched_and_read_again_at_once(town: Store):
    # More than SQLite takes parameters, and ids that need quoting anywhere.
    ids = [f"l{i:05d} é'\"\\%s:ids" for i in range(40_000)]
    town.put_all([replace(SHOP, id=id, owner_id="m1") for id in ids[::20]])
    start = start_of(town)
    asked = [Change(start, "t", "listings", id) for id in ids]
    touched = town.touched("t", [*asked, Change(start, "t", "members", "m1")])
    assert touched.listings == {*ids, "s1"}
    found = town.listing_table("t", touched.listings)
    assert found["id"].to_pylist() == [*ids[::20], "s1"]
    whole = town.listing_table("t").to_pylist()
    assert found.to_pylist() == [row for row in whole if row["id"] != "p1"]


def test_some_rows_are_read_as_all_of_them_are(town: Store):
    everything = rows_of(town.listing_table("t")), rows_of(town.member_table("t"))
    for ids in (["s1"], ["p1", "nothing", "s1"], ["m2", "m1", "\0", "\ud800"], []):
        found = town.listing_table("t", ids), town.member_table("t", set(ids))
        assert tuple(map(rows_of, found)) == tuple(
            {id: row for id, row in whole.items() if id in ids} for whole in everything
        )
    assert town.listing_table("nobody", ["s1"]).num_rows == 0
    assert rows_of(town.listing_table("t", ["s1"]))["s1"]["endorsers"] == 1


# What is forgotten.


def open_at(dsn: str, now: list[datetime]) -> Store:
    """A store whose clock shows what ``now`` holds."""
    with closing(open_store(dsn)) as opened:
        return type(opened).open(dsn if "://" in dsn else Path(dsn), clock=lambda: now[0])


def test_only_what_is_old_enough_is_dropped(dsn: str):
    now = [datetime(2025, 6, 1, tzinfo=UTC)]
    with closing(open_at(dsn, now)) as store:
        start = store.put(TENANT)
        written: list[Position] = []
        for hour in range(5):
            now[0] += timedelta(hours=1)
            written.append(store.put(replace(SHOP, title=f"Pain {hour}")))
            store.trim(older_than_s=2.5 * 3600)
        # What was there two and a half hours ago, and nothing younger.
        assert [change.position for change in store.changes(written[1])] == written[2:]
        for gone in (start_of(store), start, written[0]):
            with pytest.raises(FeedGapError):
                store.changes(gone)
        assert store.trim(older_than_s=2.5 * 3600) == 0


def test_a_trimmed_outbox_still_knows_how_far_it_came(dsn: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indexes.sqlfeed, "AT_ONCE", 10)
    with closing(open_store(dsn)) as store:
        last = store.put_all([TENANT, *(replace(SHOP, id=f"p{i}") for i in range(24))])
        assert store.trim(older_than_s=0) == 24
        assert store.position() == store.position(settled=False) == last
        assert store.changes(last) == []
        assert store.put(replace(SHOP, id="p1")) == last  # no change
        after = store.put(replace(SHOP, id="new"))
        assert after > last
        assert [change.id for change in store.changes(last)] == ["new"]
    with closing(open_store(dsn)) as store:
        assert store.position() == after
        assert store.trim(older_than_s=0) == 1
        assert store.trim(older_than_s=0) == 0


def test_what_is_not_settled_is_not_dropped(postgis_dsn: str):
    import psycopg

    note = "INSERT INTO outbox (tenant_id, entity, id) VALUES ('t', 'listings', 'early')"
    with closing(open_store(postgis_dsn)) as store:
        start = store.put(TENANT)
        with psycopg.connect(postgis_dsn) as straggler:
            straggler.execute(note)
            store.put(SHOP)
            assert store.trim(older_than_s=0) == 0
        assert [change.id for change in store.changes(start)] == ["early", "p1"]
