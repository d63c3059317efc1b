"""What listings and members become in memory: numbers, and the words behind them again."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.columns import ALWAYS_FROM, ALWAYS_TO, EPOCH_S
from indexes.entities import Audience, Group, GroupPartition, IrisCode
from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA
from matching.catalog import Catalog, public_trust_level

NOTHING: dict[str, Any] = {
    "kind": "place", "personal": False, "title": "", "text": "", "category": "", "lang": "fr",
    "url": "", "address": "", "audience": "public", "quota_used": 0, "endorsers": 0,
    "lon": 5.37, "lat": 43.29,
}  # fmt: skip
PERSON = {"kind": "service", "personal": True, "lon": None, "lat": None}
GROUPS = GroupPartition(
    tenant_id="t",
    version=1,
    groups=(
        Group(
            id="g",
            cells=(),
            lon=5.4,
            lat=43.3,
            dwellings=25,
            locatable=True,
            zones=(IrisCode("z1"), IrisCode("z2")),
        ),
        Group(id="small", cells=(), lon=5.5, lat=43.4, dwellings=3, locatable=False),
    ),
)


def catalog(
    *listings: dict[str, Any],
    members: tuple[dict[str, Any], ...] = (),
    blocks: tuple[tuple[str, str], ...] = (),
    partition: GroupPartition | None = GROUPS,
) -> Catalog:
    """A catalog of listings with ids a, b, c … and of members."""
    rows = [NOTHING | {"id": chr(97 + i)} | one for i, one in enumerate(listings)]
    return Catalog(
        pa.Table.from_pylist(rows, LISTING_SCHEMA),
        pa.Table.from_pylist(sorted(members, key=lambda one: one["id"]), MEMBER_SCHEMA),
        blocks,
        partition,
    )


def member(id: str, level: int = 2, **home: str) -> dict[str, Any]:
    return {"id": id, "level": level, "household": "h", **home}


def seen(catalog: Catalog, member_id: str | None) -> list[str]:
    """Ids that somebody may see, blocks included."""
    viewer = catalog.seen_by(member_id)
    assert viewer is not None
    numbers = {number for mine in viewer.audiences.values() for number in mine}
    columns = catalog.columns
    return [
        catalog.id_of(row)
        for row in range(len(catalog))
        if int(columns.audience[row]) in numbers and int(columns.owner[row]) not in viewer.blocked
    ]


def test_a_tenant_without_anything_is_a_catalog_too() -> None:
    empty = catalog(partition=None)
    assert len(empty) == len(empty.columns) == 0
    assert seen(empty, None) == []
    assert empty.seen_by("m") is None
    assert empty.zones_asked(["z1"]).tolist() == [0]
    assert empty.depths_asked("food").tolist() == [0]
    assert empty.row_of("a") == 0


@given(st.integers(0, 2**31 - 1))
def test_public_trust_is_the_logarithm_of_households_rounded_down(households: int) -> None:
    level = public_trust_level(np.array([households])).item()
    assert 0 <= level <= 4
    assert 2**level <= 1 + households
    assert level == 4 or 1 + households < 2 ** (level + 1)


@pytest.mark.parametrize(
    ("listing", "level", "verified"),
    [
        ({"endorsers": 7, "owner_level": 4, "owner_id": "m"}, 3, True),
        ({"endorsers": 0, "owner_level": 1, "owner_id": "m"}, 0, False),
        ({"endorsers": 2}, 1, False),
        (PERSON | {"owner_id": "m", "owner_level": 1, "endorsers": 99}, 1, False),
        (PERSON | {"owner_id": "m", "owner_level": 3}, 3, True),
    ],
)  # fmt: skip
def test_a_person_is_trusted_by_level_and_a_public_thing_by_endorsements(
    listing: dict[str, Any], level: int, verified: bool
) -> None:
    one = catalog(listing)
    assert one.columns.trust.tolist() == [level / 4]
    assert one.columns.verified.tolist() == [verified]


def test_people_stand_at_their_group_and_without_one_nowhere() -> None:
    people = [
        PERSON | {"owner_id": "m", "owner_level": 2, "owner_group": group}
        for group in ("g", "small", "unknown", None)
    ]
    one = catalog(*people)
    assert one.columns.lonlat[0].tolist() == [5.4, 43.3]
    valid = one.columns.valid_from < one.columns.valid_to
    assert valid.tolist() == [True, False, False, False]
    assert one.zones_of(0) == ("z1", "z2")


def test_before_there_are_groups_people_are_nowhere() -> None:
    one = catalog(PERSON | {"owner_id": "m", "owner_group": "g"}, {}, partition=None)
    assert (one.columns.valid_from < one.columns.valid_to).tolist() == [False, True]


@pytest.mark.parametrize(
    ("times", "until"),
    [
        ({}, None),
        ({"valid_to": 1_700_000_000}, 1_700_000_000),
        ({"kind": "event", "starts_at": 1_700_000_000}, 1_700_010_800),
        ({"kind": "event", "starts_at": 1_700_000_000, "ends_at": 1_700_000_060}, 1_700_000_060),
        (
            {"kind": "event", "starts_at": 1_700_000_000, "valid_to": 1_700_000_009},
            1_700_000_009,
        ),
        ({"kind": "offer", "starts_at": 1, "ends_at": 2}, None),
        ({"kind": "event", "starts_at": 0, "ends_at": 0}, 0),
    ],
)
def test_a_listing_ends_with_its_validity_and_an_event_with_itself(
    times: dict[str, Any], until: int | None
) -> None:
    one = catalog(times)
    assert one.valid_to(0) == until
    assert one.columns.valid_from[0] == ALWAYS_FROM
    assert one.columns.valid_to[0] == (ALWAYS_TO if until is None else until - EPOCH_S)


def test_an_audience_holds_its_members_and_nobody_else() -> None:
    one = catalog(
        {},
        {"audience": "city"},
        {"audience": "zone", "zone": "z2"},
        {"audience": "zone"},
        {"audience": "building", "audience_id": "b1"},
        {"audience": "residence", "audience_id": "r1"},
        PERSON | {"audience": "building", "owner_id": "o", "owner_level": 2,
                  "owner_building": "b1", "owner_residence": "r1", "owner_group": "g"},
        PERSON | {"audience": "residence", "owner_id": "o", "owner_level": 1,
                  "owner_building": "b1", "owner_residence": "r1", "owner_group": "g"},
        PERSON | {"audience": "zone", "owner_id": "p", "owner_level": 0, "owner_group": "g"},
        members=(
            member("inside", building="b1", residence="r1", group="g"),
            member("unproven", level=1, building="b1", residence="r1", group="g"),
            member("next door", building="b2", residence="r1", group="small"),
            member("namesake", building="r1", residence="b1"),
        ),
    )  # fmt: skip
    assert seen(one, None) == ["a"]
    assert seen(one, "inside") == ["a", "b", "c", "e", "f", "g", "i"]
    assert seen(one, "unproven") == ["a", "b", "c", "i"]
    assert seen(one, "next door") == ["a", "b", "f"]
    assert seen(one, "namesake") == ["a", "b"]
    assert one.seen_by("nobody") is None


def test_a_block_hides_each_from_the_other_and_from_nobody_else() -> None:
    one = catalog(
        *({"owner_id": owner} for owner in ("m", "n", "o")),
        {},
        members=(member("m"), member("n"), member("o"), member("p")),
        blocks=(("m", "n"), ("p", "q")),
    )
    assert seen(one, "m") == ["a", "c", "d"]
    assert seen(one, "n") == ["b", "c", "d"]
    assert seen(one, "o") == seen(one, "p") == ["a", "b", "c", "d"]


def test_a_category_holds_what_lies_below_it_and_not_what_begins_alike() -> None:
    words = ["food", "food.bakery", "foodie", "", "help.food", "food.bakery.organic"]
    one = catalog(*({"category": word} for word in words))
    depths = one.depths_asked("food")[one.columns.category]
    assert depths.tolist() == [1, 2, 0, 0, 0, 3]
    assert one.depths_asked("food.bakery")[one.columns.category].tolist() == [0, 2, 0, 0, 0, 3]
    assert not one.depths_asked("nothing").any()


def test_rows_are_in_the_order_of_ids_by_bytes() -> None:
    ids = ["A", "a", "a1", "é", "\uff5e", "🦀"]
    assert ids == sorted(ids, key=str.encode)
    one = catalog(*({"id": id} for id in ids))
    for row, id in enumerate(ids):
        assert one.id_of(row) == id
        assert one.row_of(id) == row
        assert one.has_id(row, id)
    assert one.row_of("b") == 3  # of the first one after it
    assert not one.has_id(3, "b")
    assert one.row_of("\U0010ffff") == 6
    assert not one.has_id(6, "\U0010ffff")


@pytest.mark.parametrize("audience", list(Audience))
def test_every_audience_is_empty_or_has_numbers_of_its_own(audience: Audience) -> None:
    one = catalog(
        {"audience": "zone", "zone": "z1"},
        {"audience": "building", "audience_id": "b1"},
        {"audience": "residence", "audience_id": "b1"},
        members=(member("m", building="b1", residence="b1", group="g"),),
    )
    viewer = one.seen_by("m")
    assert viewer is not None
    others = {
        number for key, numbers in viewer.audiences.items() if key != audience for number in numbers
    }
    assert viewer.audiences[audience]
    assert others.isdisjoint(viewer.audiences[audience])
