"""The Store port, held whole against every store: equal answers, equal errors."""

import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_records import (
    BLOCK,
    BUILDING,
    ENDORSEMENT,
    HOUSEHOLDS,
    KEY,
    MEMBERS,
    NOON,
    SERVICE,
    SHOP,
    SLOW,
    TENANT,
    TOWN,
    partition_of,
    without_place,
    zone,
)
from strategies import THE_TENANT, listings, towns

from geo.errors import ConflictError, CoordinateError, InputError, NotFoundError, StoreError
from indexes.entities import (
    ApiKey,
    Audience,
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
from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA, ImportMark, Store, open_store


def test_what_is_put_is_what_is_got(town: Store) -> None:
    for entity in TOWN:
        got = town.get(type(entity), "t", entity.id)
        if isinstance(entity, Listing):
            got = replace(got, published_at=None)
        if isinstance(entity, Endorsement | ApiKey | Member):
            got = replace(got, created_at=None)
        assert without_place(got) == entity
        assert town.count(type(entity), "t") == sum(type(e) is type(entity) for e in TOWN)


def test_order_among_records_does_not_matter(store: Store) -> None:
    store.put_all(reversed(TOWN))
    assert [member.id for member in store.page(Member, "t")] == ["m1", "m2", "m3", "m4"]


@SLOW
@given(data=st.data())
def test_any_town_comes_back_whole(store: Store, data: st.DataObject) -> None:
    town = data.draw(towns())
    store.put_all(town)
    for entity in town:
        got = store.get(type(entity), THE_TENANT, entity.id)
        if isinstance(entity, Listing) and entity.published_at is None:
            assert got.published_at is not None
            got = replace(got, published_at=None)
        if isinstance(entity, Endorsement | ApiKey | Member) and entity.created_at is None:
            got = replace(got, created_at=None)
        assert without_place(got) == entity


@SLOW
@given(data=st.data())
def test_listing_table_tells_what_get_tells(store: Store, data: st.DataObject) -> None:
    store.put(Tenant(tenant_id=THE_TENANT, id=THE_TENANT, name="x"))
    store.put_all(data.draw(st.lists(listings(), max_size=8, unique_by=lambda one: one.id)))
    rows = store.listing_table(THE_TENANT).to_pylist()
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert len(rows) == store.count(Listing, THE_TENANT)
    for row in rows:
        one = store.get(Listing, THE_TENANT, row["id"])
        for name in row.keys() & {field.name for field in fields(Listing)}:
            value = getattr(one, name)
            if isinstance(value, datetime):
                value = int(value.timestamp())
            assert row[name] == value, name


def test_tables_have_their_schema_even_empty(store: Store) -> None:
    store.put(TENANT)
    assert store.listing_table("t").schema == LISTING_SCHEMA
    assert store.member_table("t").schema == MEMBER_SCHEMA
    assert store.listing_table("nobody").num_rows == 0


def test_a_personal_listing_has_its_owners_home_but_no_point(town: Store) -> None:
    town.put_groups(partition_of(town))
    row = {row["id"]: row for row in town.listing_table("t").to_pylist()}["s1"]
    assert (row["lon"], row["lat"], row["zone"]) == (None, None, None)
    assert (row["owner_level"], row["owner_building"], row["owner_residence"]) == (3, "b1", "r1")
    assert row["owner_group"] == "g1"
    assert town.member_table("t").to_pylist()[0] == {
        "id": "m1",
        "level": 3,
        "household": "h1",
        "building": "b1",
        "residence": "r1",
        "group": "g1",
        "gender": None,
    }


def test_endorsers_are_verified_households_other_than_the_owners(town: Store) -> None:
    town.put_all(
        [
            Member(tenant_id="t", id="m5", household_id="h1", level=4),  # lives with the owner
            Endorsement(tenant_id="t", id="e2", member_id="m4", listing_id="s1"),  # m2's household
            Endorsement(tenant_id="t", id="e3", member_id="m3", listing_id="s1"),  # not verified
            Endorsement(tenant_id="t", id="e4", member_id="m5", listing_id="s1"),
            Endorsement(tenant_id="t", id="e5", member_id="m1", listing_id="p1"),
            Endorsement(tenant_id="t", id="e6", member_id="m2", listing_id="p1"),
        ]
    )
    table = town.listing_table("t").to_pylist()
    assert {row["id"]: row["endorsers"] for row in table} == {"s1": 1, "p1": 2}


def test_pages_go_through_all_in_bytewise_order(store: Store) -> None:
    ids = ["a", "B", "é", "z", "Z", "10", "9", "a b", "a-b", "\U0001f980", "\uffee"]
    store.put_all([TENANT, *(replace(SHOP, id=id) for id in ids)])
    found: list[str] = []
    while page := store.page(Listing, "t", after=found[-1] if found else "", limit=3):
        found += [listing.id for listing in page]
    assert found == sorted(ids, key=str.encode)
    assert store.listing_table("t")["id"].to_pylist() == found


def test_pages_keep_rows_whose_columns_equal(town: Store) -> None:
    cell = town.get(Listing, "t", "p1").place.cell
    assert [one.id for one in town.page(Listing, "t", where={"personal": True})] == ["s1"]
    assert [one.id for one in town.page(Listing, "t", where={"cell": cell})] == ["p1"]
    assert [one.id for one in town.page(Listing, "t", where={"kind": Kind.SERVICE})] == ["s1"]
    assert town.page(Listing, "t", where={"kind": "place", "personal": False}) == []
    with pytest.raises(InputError, match="no column 'colour'"):
        town.page(Listing, "t", where={"colour": "red"})


def test_a_replacement_keeps_when_it_was_published(dsn: str) -> None:
    now = [NOON + timedelta(microseconds=999_999)]
    store = type(open_store(dsn)).open(dsn if "://" in dsn else Path(dsn), clock=lambda: now[0])
    store.put_all([TENANT, SHOP])
    assert store.get(Listing, "t", "p1").published_at == NOON
    now[0] += timedelta(days=1)
    store.put(replace(SHOP, title="Bon pain"))
    assert store.get(Listing, "t", "p1").published_at == NOON
    stated = datetime(2024, 2, 29, 23, 59, 59, 5, tzinfo=timezone(timedelta(hours=2)))
    store.put(replace(SHOP, published_at=stated))
    assert store.get(Listing, "t", "p1").published_at == datetime(
        2024, 2, 29, 21, 59, 59, tzinfo=UTC
    )
    now[0] += timedelta(days=1)
    store.put(replace(SHOP, title="Pain bio"))
    assert store.get(Listing, "t", "p1").published_at == stated.replace(microsecond=0)
    row = store.listing_table("t").to_pylist()[0]
    assert row["published_at"] == int(stated.timestamp())
    store.close()


BAD: list[tuple[Entity, str]] = [
    (replace(SHOP, lat=91.0), "lat must be -90 to 90"),
    (replace(SHOP, lon=float("nan")), "lon must be -180 to 180"),
    (replace(SHOP, lon=float("inf")), "lon must be"),
    (replace(SHOP, lon=None), "needs lon and lat"),
    (replace(SHOP, lon="5.3"), "lon must be degrees"),
    (replace(SHOP, lat=True), "lat must be degrees"),
    (replace(SHOP, id=""), "id must be text of 1 to 200"),
    (replace(SHOP, id="x" * 201), "id must be text of 1 to 200"),
    (replace(SHOP, id="a\x00b"), "control characters"),
    (replace(SHOP, id="a\nb"), "control characters"),
    (replace(SHOP, id="a\ud800"), "control characters"),
    (replace(SHOP, title=""), "title must be"),
    (replace(SHOP, title="a\u0085"), "title must be"),
    (replace(SHOP, title=5), "got int"),
    (replace(SHOP, text="x" * 20_001), "text must be"),
    (replace(SHOP, category="Food Shop"), "category must be"),
    (replace(SHOP, category=".food"), "category must be"),
    (replace(SHOP, lang="french"), "lang must be"),
    (replace(SHOP, kind="merchant"), "kind must be"),
    (replace(SHOP, kind=Kind.NEIGHBOUR), "a neighbour is always personal"),
    (replace(SHOP, kind=Kind.EVENT), "an event needs starts_at"),
    (replace(SHOP, starts_at=NOON, ends_at=NOON - timedelta(hours=1)), "ends_at must not"),
    (replace(SHOP, valid_from=NOON, valid_to=NOON), "valid_from must be before"),
    (
        replace(SHOP, valid_from=NOON, valid_to=NOON + timedelta(microseconds=5)),
        "in whole seconds",
    ),
    (replace(SHOP, valid_from=NOON.replace(tzinfo=None)), "a datetime with its offset"),
    (replace(SHOP, valid_from=datetime(1, 1, 1, tzinfo=UTC)), "years 1900 to 2999"),
    (replace(SHOP, reach_m=0), "reach_m must be a whole number, 1 to 100000"),
    (replace(SHOP, reach_m=100_001), "reach_m must be"),
    (replace(SHOP, reach_m=50.5), "got float"),
    (replace(SHOP, quota=-1), "quota must be"),
    (replace(SHOP, quota_used=2**31), "quota_used must be"),
    (replace(SHOP, audience=Audience.BUILDING), "audience_id goes with"),
    (replace(SHOP, audience_id="b1"), "audience_id goes with"),
    (replace(SHOP, audience=Audience.BUILDING, audience_id="r1"), "not among the buildings"),
    (replace(SHOP, audience=Audience.RESIDENCE, audience_id="b1"), "not among the residences"),
    (replace(SHOP, owner_id="m9"), "owner_id 'm9' is not among the members"),
    (replace(SHOP, tenant_id="u"), "not among the tenants"),
    (replace(SERVICE, owner_id=None), "needs its owner_id"),
    (replace(SERVICE, lon=5.0, lat=43.0), "no lon, lat"),
    (replace(SERVICE, kind=Kind.PLACE), "can't be personal"),
    (replace(SERVICE, audience=Audience.BUILDING, audience_id="b1"), "is its owner's"),
    (replace(TENANT, id="v"), "its own id"),
    (replace(BUILDING, dwellings=-1), "dwellings must be"),
    (replace(BUILDING, residence_id="r9"), "not among the residences"),
    (replace(HOUSEHOLDS[0], building_id="b9"), "not among the buildings"),
    (replace(MEMBERS[0], level=5), "level must be a whole number, 0 to 4"),
    (replace(MEMBERS[0], level=True), "got bool"),
    (replace(MEMBERS[0], household_id="h9"), "not among the households"),
    (replace(ENDORSEMENT, listing_id="p9"), "not among the listings"),
    (replace(BLOCK, other_id="m3"), "can't block itself"),
    (replace(KEY, secret_sha256="AB" * 32), "SHA-256"),
    (replace(KEY, scopes=frozenset({"god"})), "scopes must be"),
]


@pytest.mark.parametrize(
    ("entity", "said"), BAD, ids=lambda value: value if type(value) is str else ""
)
def test_a_broken_rule_is_refused_and_nothing_is_written(
    shared_town: Store, entity: Entity, said: str
) -> None:
    before = shared_town.position()
    good = replace(SHOP, id="good", title="never stored")
    with pytest.raises(InputError, match=said) as raised:
        shared_town.put_all([good, entity])
    for place in ("5.37", "43.29", "91"):
        assert place not in str(raised.value)
    assert shared_town.position() == before
    with pytest.raises(NotFoundError):
        shared_town.get(Listing, "t", "good")


def test_every_coordinate_error_is_told_as_one(shared_town: Store) -> None:
    with pytest.raises(CoordinateError):
        shared_town.put(replace(SHOP, lat=91.0))


def test_coordinates_are_rounded_on_the_way_in(town: Store) -> None:
    town.put(replace(SHOP, lon=5.37123456789, lat=-0.0))
    got = town.get(Listing, "t", "p1")
    assert (got.lon, got.lat) == (5.3712346, 0.0)
    assert str(got.lat) == "0.0"


def test_names_that_can_not_exist_are_just_not_found(shared_town: Store) -> None:
    for id in ("nobody", "", "a\x00b", "\ud800", "x" * 5_000, "'; DROP TABLE listings; --"):
        with pytest.raises(NotFoundError):
            shared_town.get(Listing, "t", id)
        with pytest.raises(NotFoundError):
            shared_town.delete(Listing, "t", id)
        assert shared_town.page(Listing, id) == []
        assert shared_town.count(Listing, id) == 0
        assert shared_town.find_key(id) is None
        assert shared_town.import_mark("t", id) is None


def test_a_record_still_referred_to_stays(town: Store) -> None:
    for of, id, users in (
        (Tenant, "t", "still has residences"),
        (Residence, "r1", "still has buildings"),
        (Building, "b1", "still has households"),
        (Household, "h1", "still has members"),
        (Member, "m1", "still has listings"),
    ):
        with pytest.raises(ConflictError, match=users) as raised:
            town.delete(of, "t", id)
        assert raised.value.code == "still-referred-to"
        assert town.get(of, "t", id)


def test_what_a_listing_addresses_stays(town: Store) -> None:
    town.put_all(
        [
            replace(BUILDING, id="b2", residence_id=None),
            replace(SHOP, id="p2", audience=Audience.BUILDING, audience_id="b2"),
        ]
    )
    with pytest.raises(ConflictError, match="still has listings"):
        town.delete(Building, "t", "b2")
    town.delete(Listing, "t", "p2")
    town.delete(Building, "t", "b2")


def test_what_hangs_on_a_record_alone_goes_with_it_and_is_noted(town: Store) -> None:
    before = town.position()
    town.delete(Listing, "t", "s1")
    assert town.count(Endorsement, "t") == 0
    noted = {(change.entity, change.id) for change in town.changes(before)}
    assert noted == {("listings", "s1"), ("endorsements", "e1")}
    town.delete(Member, "t", "m3")
    assert town.blocks("t") == []


def test_a_tenant_can_go_once_it_is_empty(town: Store) -> None:
    town.put_all([], ImportMark("t", "file", 5))
    town.put_zones([zone("990010101", 5, 6)])
    town.put_groups(partition_of(town))
    for of in (Block, Endorsement, Listing, Member, Household, Building, Residence):
        for entity in town.page(of, "t"):
            town.delete(of, "t", entity.id)
    town.delete(Tenant, "t", "t")
    assert town.tenants() == []
    assert (town.zones("t"), town.groups("t"), town.vintages("t")) == ([], None, [])
    assert town.find_key(KEY.secret_sha256) is None


def test_a_member_recommends_a_listing_once(town: Store) -> None:
    town.put(replace(ENDORSEMENT, category="cours"))
    with pytest.raises(ConflictError):
        town.put(replace(ENDORSEMENT, id="e9"))


def test_blocks_are_pairs_each_once(town: Store) -> None:
    town.put_all(
        [
            Block(tenant_id="t", id="x2", member_id="m2", other_id="m3"),
            Block(tenant_id="t", id="x3", member_id="m1", other_id="m4"),
        ]
    )
    assert town.blocks("t") == [("m1", "m4"), ("m2", "m3")]


def test_the_last_of_an_id_wins(store: Store) -> None:
    store.put_all([TENANT, SHOP, replace(SHOP, title="Brioche")])
    assert store.get(Listing, "t", "p1").title == "Brioche"


def test_no_method_shows_or_touches_another_tenants_things(town: Store) -> None:
    other = [replace(e, tenant_id="u") for e in TOWN if not isinstance(e, Tenant | ApiKey)]
    town.put_all([Tenant(tenant_id="u", id="u", name="Autre"), *other])
    town.put_zones([zone("990010101", 5, 6), zone("990010201", 4, 7, tenant="u", vintage=2024)])
    town.put_groups(partition_of(town))
    town.put_all([], ImportMark("u", "file", 7))
    assert town.import_mark("t", "file") is None
    assert [z.code for z in town.zones("u")] == ["990010201"]
    assert town.vintages("t") == [2020]
    assert town.groups("u") is None
    assert town.get(Building, "t", "b1").place.zone == "990010101"
    assert town.get(Building, "u", "b1").place.zone == "990010201"
    assert town.get(Building, "u", "b1").place.group is None
    before = town.listing_table("t"), town.member_table("t"), town.blocks("t")
    town.put(replace(SHOP, tenant_id="u", title="Ailleurs"))
    town.delete(Block, "u", "x1")
    town.delete(Endorsement, "u", "e1")
    town.delete(Listing, "u", "s1")
    assert before == (town.listing_table("t"), town.member_table("t"), town.blocks("t"))
    assert town.get(Listing, "t", "p1").title == "Pain"
    for of in (Residence, Building, Household, Member, Listing, Endorsement, Block):
        assert all(entity.tenant_id == "t" for entity in town.page(of, "t"))
        assert all(entity.tenant_id == "u" for entity in town.page(of, "u"))
    with pytest.raises(InputError):
        town.put(Endorsement(tenant_id="u", id="e8", member_id="m2", listing_id="s1"))


def test_a_key_is_found_by_its_digest_in_any_tenant(town: Store) -> None:
    found = town.find_key(KEY.secret_sha256)
    assert found is not None and replace(found, created_at=None) == KEY
    assert town.find_key("00" * 32) is None
    with pytest.raises(ConflictError):
        town.put(replace(KEY, id="k2"))


# The store itself.


def test_a_secret_is_made_once_and_stays(dsn: str) -> None:
    one, other = open_store(dsn), open_store(dsn)
    assert one.secret("cursor") == other.secret("cursor") == one.secret("cursor")
    assert len(one.secret("cursor")) == 32
    assert one.secret("cursor") != one.secret("other")
    one.close()
    other.close()


def test_marks_are_written_with_their_batch(town: Store) -> None:
    town.put_all([SHOP], ImportMark("t", "file", 5))
    assert town.import_mark("t", "file") == ImportMark("t", "file", 5)
    with pytest.raises(InputError):
        town.put_all([replace(SHOP, lat=91.0)], ImportMark("t", "file", 10))
    assert town.import_mark("t", "file") == ImportMark("t", "file", 5)
    town.put_all([], ImportMark("t", "file", 10, finished=True))
    assert town.import_mark("t", "file") == ImportMark("t", "file", 10, finished=True)


def test_a_reopened_store_is_the_same(dsn: str) -> None:
    store = open_store(dsn)
    store.put_all(TOWN)
    position, table = store.position(), store.listing_table("t")
    store.close()
    again = open_store(dsn, create=False)
    assert again.position() == position
    assert again.listing_table("t") == table
    again.close()


def test_a_label_names_the_store_without_its_user(dsn: str, store: Store) -> None:
    assert store.label.rpartition("/")[2] == dsn.rpartition("/")[2].partition("?")[0]
    assert "@" not in store.label


def test_the_file_of_another_application_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE albums (name TEXT)")
        db.commit()
    before = path.read_bytes()
    for create in (True, False):
        with pytest.raises(StoreError, match="is no store of Mitoyen's"):
            open_store(path, create=create)
    assert path.read_bytes() == before and sorted(tmp_path.iterdir()) == [path]


def test_what_is_no_store_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        open_store(tmp_path / "none.db", create=False)
    with pytest.raises(StoreError):
        open_store(tmp_path / "no" / "folder.db")
    with pytest.raises(StoreError):
        open_store(tmp_path)
    (tmp_path / "text.db").write_text("this is no database, however long one looks at it" * 99)
    with pytest.raises(StoreError):
        open_store(tmp_path / "text.db")
    with pytest.raises(StoreError):
        open_store("postgresql://nobody:password@127.0.0.1:9/none?connect_timeout=2")


def test_a_file_is_its_owners_only(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db").close()
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


def test_importing_the_room_loads_no_database() -> None:
    import subprocess
    import sys

    code = "import sys, indexes, indexes.store; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
