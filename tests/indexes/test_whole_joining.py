"""Whole tables joined by column hold what dictionaries and loops find, in order of ids."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA
from indexes.trusting import ENDORSEMENT_SCHEMA
from indexes.whole_joining import joined_endorsements, joined_listings, joined_members

Rows = Sequence[Mapping[str, object]]

IDS = st.text("aZé0", min_size=1, max_size=2)


@st.composite
def towns(draw: st.DrawFn) -> dict[str, Rows]:
    """Rows of each table, in any order, that refer to each other as a store's do."""

    def some(rows: Rows) -> st.SearchStrategy[object]:
        return st.sampled_from([row["id"] for row in rows]) if rows else st.nothing()

    def some_or_none(rows: Rows) -> st.SearchStrategy[object]:
        return st.none() | some(rows)

    def table(**columns: st.SearchStrategy[object]) -> Rows:
        if any(one.is_empty for one in columns.values()):
            return []  # there is nothing that it could refer to
        rows = st.fixed_dictionaries({"id": IDS, **columns})
        return draw(st.lists(rows, max_size=6, unique_by=lambda row: str(row["id"])))

    levels, instants = st.integers(0, 4), st.none() | st.integers(0, 9)
    buildings = table(residence_id=st.none() | IDS, group_id=st.none() | IDS)
    households = table(building_id=some(buildings))
    members = table(
        household_id=some(households), level=levels, gender=st.sampled_from([None, "F"])
    )
    listings = table(
        owner_id=some_or_none(members), attested=st.sampled_from([None, "town"]), url=IDS
    )
    pairs = st.tuples(some(listings), some(members))
    said_of = st.just([]) if pairs.is_empty else st.lists(pairs, max_size=20, unique=True)
    said = [
        {"listing_id": listing, "member_id": member, "created_at": at}
        for at, (listing, member) in enumerate(draw(said_of))
    ]
    proved = draw(st.permutations(members)) if members else []
    standings = [{"id": row["id"], "expires_at": draw(instants)} for row in proved[::2]]
    return {
        "buildings": buildings,
        "households": households,
        "members": members,
        "listings": listings,
        "endorsements": said,
        "standings": standings,
    }


OWN = {"id", "owner_id", "attested", "url"}
RAW = {
    "buildings": ("id", "residence_id", "group_id"),
    "households": ("id", "building_id"),
    "members": ("id", "household_id", "level", "gender"),
    "listings": [
        name
        for name in LISTING_SCHEMA.names
        if name in OWN or not name.startswith(("owner_", "endorsers"))
    ],
    "endorsements": ("listing_id", "member_id", "created_at"),
    "standings": ("id", "expires_at"),
}
TYPES = {
    **{field.name: field.type for field in LISTING_SCHEMA},
    **dict.fromkeys(("created_at", "expires_at"), pa.int64()),
    "level": pa.int8(),
}


def raw(town: dict[str, Rows], name: str) -> pa.Table:
    schema = pa.schema([(column, TYPES.get(column, pa.string())) for column in RAW[name]])
    halves = [town[name][: len(town[name]) // 2], town[name][len(town[name]) // 2 :]]
    return pa.concat_tables([pa.Table.from_pylist(half, schema) for half in halves])


def by_id(rows: Rows) -> dict[object, Mapping[str, object]]:
    return {row["id"]: row for row in rows}


def as_bytes(id: object) -> bytes:
    return str(id).encode()


@given(towns())
def test_homes_are_those_of_the_household_and_its_building(town: dict[str, Rows]) -> None:
    found = joined_members(*(raw(town, name) for name in ("members", "households", "buildings")))
    households, buildings = by_id(town["households"]), by_id(town["buildings"])
    expected = []
    for row in sorted(town["members"], key=lambda row: as_bytes(row["id"])):
        building = households[row["household_id"]]["building_id"]
        expected.append(
            {
                "id": row["id"],
                "level": row["level"],
                "household": row["household_id"],
                "building": building,
                "residence": buildings[building]["residence_id"],
                "group": buildings[building]["group_id"],
                "gender": row["gender"],
            }
        )
    assert found.schema == MEMBER_SCHEMA
    assert found.to_pylist() == expected


@given(towns())
def test_a_listing_tells_of_its_owner_and_counts_verified_households_of_others(
    town: dict[str, Rows],
) -> None:
    people = joined_members(*(raw(town, name) for name in ("members", "households", "buildings")))
    found = joined_listings(
        raw(town, "listings"), people, raw(town, "standings"), raw(town, "endorsements")
    )
    members, homes = by_id(town["members"]), by_id(people.to_pylist())
    proved = by_id(town["standings"])
    assert found.schema == LISTING_SCHEMA
    assert [row["id"] for row in found.to_pylist()] == sorted(by_id(town["listings"]), key=as_bytes)
    for row in found.to_pylist():
        owner = homes.get(row["owner_id"], {})
        for name in ("level", "building", "residence", "group"):
            assert row[f"owner_{name}"] == owner.get(name)
        assert row["owner_expires_at"] == proved.get(row["owner_id"], {}).get("expires_at")
        voices = [
            members[said["member_id"]]
            for said in town["endorsements"]
            if said["listing_id"] == row["id"]
        ]
        households = {one["household_id"] for one in voices if int(str(one["level"])) >= 2}
        assert row["endorsers"] == len(households - {owner.get("household")})
        assert row["url"] == by_id(town["listings"])[row["id"]]["url"]


@given(towns())
def test_endorsements_of_what_is_ones_own_household_s_are_left_out(town: dict[str, Rows]) -> None:
    found = joined_endorsements(
        *(raw(town, name) for name in ("endorsements", "listings", "members"))
    )
    members, listings = by_id(town["members"]), by_id(town["listings"])
    expected = []
    for said in town["endorsements"]:
        listing, member = listings[said["listing_id"]], members[said["member_id"]]
        owner = members.get(listing["owner_id"], {}).get("household_id")
        if owner != member["household_id"]:
            expected.append(
                {
                    "listing": listing["id"],
                    "member": member["id"],
                    "household": member["household_id"],
                    "created_at": said["created_at"],
                    "owner": listing["owner_id"],
                    "attested": listing["attested"],
                }
            )
    expected.sort(key=lambda row: (as_bytes(row["listing"]), as_bytes(row["member"])))
    assert found.schema == ENDORSEMENT_SCHEMA
    assert found.to_pylist() == expected
    for name in ("listing", "member", "household", "owner", "attested"):
        words = found[name].combine_chunks().dictionary.to_pylist()
        assert len(words) == len(set(words)), "each id is there once"
    assert set(found["listing"].combine_chunks().dictionary.to_pylist()) == {
        row["listing"] for row in expected
    }, "and only those that are named"
