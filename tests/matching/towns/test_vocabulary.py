"""What listings become in an index: numbers, whether they come all at once or one by one."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listing_tables import GROUPS, PERSON, listing_table

from indexes.columns import ALWAYS_FROM, ALWAYS_TO, EPOCH_S, PointColumns
from indexes.entities import Audience, GroupPartition
from matching.towns.vocabulary import Vocabulary, Words


def columns_of(
    *listings: dict[str, Any], partition: GroupPartition | None = GROUPS
) -> tuple[PointColumns, Vocabulary]:
    vocabulary = Vocabulary(partition)
    return vocabulary.columns_of(listing_table(*listings)), vocabulary


def test_no_listings_are_columns_too() -> None:
    columns, vocabulary = columns_of(partition=None)
    assert len(columns) == 0
    assert columns.lonlat.shape == (0, 2)
    assert vocabulary.zones_asked(["z1"]).tolist() == [0]
    assert vocabulary.depths_asked("food").tolist() == [0]
    assert vocabulary.zone_audiences(["z1"]) == vocabulary.walls(Audience.BUILDING, "b") == ()
    assert vocabulary.zones_of(-1) == ()


def test_a_word_keeps_its_number_and_null_has_none() -> None:
    words = Words()
    assert words.codes(pa.array(["b", None, "a", "b"], pa.string())).tolist() == [0, -1, 1, 0]
    assert words.codes(pa.array(["c", "a", None], pa.string())).tolist() == [2, 1, -1]
    assert words.words == ["b", "a", "c"]
    assert [words.number(word) for word in ("b", "a", "c", "d", None)] == [0, 1, 2, None, None]


@pytest.mark.parametrize(
    ("listing", "level", "verified"),
    [
        ({"endorsers": 7, "owner_level": 4, "owner_id": "m"}, 1, True),
        ({"endorsers": 0, "owner_level": 0, "owner_id": "m"}, 1, False),
        ({"endorsers": 2}, 1, False),
        (PERSON | {"owner_id": "m", "owner_level": 0, "endorsers": 99}, 0, False),
        (PERSON | {"owner_id": "m", "owner_level": 1}, 1, False),
        (PERSON | {"owner_id": "m", "owner_level": 4}, 1, True),
    ],
)  # fmt: skip
def test_to_whom_nothing_is_known_all_are_new_but_the_unverified(
    listing: dict[str, Any], level: int, verified: bool
) -> None:
    columns, _ = columns_of(listing)
    assert columns.trust.tolist() == [level / 4]
    assert columns.verified.tolist() == [verified]


def test_people_stand_at_their_group_and_without_one_nowhere() -> None:
    people = [
        PERSON | {"owner_id": "m", "owner_level": 2, "owner_group": group}
        for group in ("g", "small", "unknown", None)
    ]
    columns, vocabulary = columns_of(*people)
    assert columns.lonlat[0].tolist() == [5.4, 43.3]
    valid = columns.valid_from < columns.valid_to
    assert valid.tolist() == [True, False, False, False]
    assert vocabulary.zones_of(int(columns.zones[0])) == ("z1", "z2")


def test_before_there_are_groups_people_are_nowhere() -> None:
    columns, _ = columns_of(PERSON | {"owner_id": "m", "owner_group": "g"}, {}, partition=None)
    assert (columns.valid_from < columns.valid_to).tolist() == [False, True]


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
    columns, _ = columns_of(times)
    assert columns.valid_from[0] == ALWAYS_FROM
    assert columns.valid_to[0] == (ALWAYS_TO if until is None else until - EPOCH_S)


def test_a_category_holds_what_lies_below_it_and_not_what_begins_alike() -> None:
    words = ["food", "food.bakery", "foodie", "", "help.food", "food.bakery.organic"]
    columns, vocabulary = columns_of(*({"category": word} for word in words))
    depths = vocabulary.depths_asked("food")[columns.category]
    assert depths.tolist() == [1, 2, 0, 0, 0, 3]
    bakery = vocabulary.depths_asked("food.bakery")[columns.category]
    assert bakery.tolist() == [0, 2, 0, 0, 0, 3]
    assert not vocabulary.depths_asked("nothing").any()


CATEGORY = st.lists(st.sampled_from(["a", "b", ""]), max_size=4).map(".".join)


@given(st.lists(CATEGORY, max_size=8), CATEGORY)
def test_categories_below_one_are_those_that_begin_with_it_and_a_dot(
    categories: list[str], asked: str
) -> None:
    columns, vocabulary = columns_of(*({"category": word} for word in categories))
    assert vocabulary.depths_asked(asked)[columns.category].tolist() == [
        word.count(".") + 1 if word == asked or word.startswith(asked + ".") else 0
        for word in categories
    ]


def test_a_zone_asked_for_is_every_set_that_holds_it() -> None:
    people = PERSON | {"owner_id": "m", "owner_group": "g"}
    columns, vocabulary = columns_of({"zone": "z1"}, {"zone": "z3"}, {}, people)
    sets = [set(vocabulary.zones_of(number)) for number in columns.zones.tolist()]
    assert sets == [{"z1"}, {"z3"}, set(), {"z1", "z2"}]
    asked = vocabulary.zones_asked(["z1", "nowhere"])
    assert [bool(n >= 0 and asked[n]) for n in columns.zones.tolist()] == [True, False, False, True]


LISTINGS = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["service", "artisan", "place", "event"]),
            "category": CATEGORY,
            "opening_hours": st.sampled_from([None, "24/7", "Mo 09:00-12:00"]),
            "zone": st.sampled_from([None, "z1", "z2", "z3"]),
            "audience": st.sampled_from([audience.value for audience in Audience]),
            "audience_id": st.sampled_from([None, "w1", "w2"]),
            "starts_at": st.sampled_from([0, 1_700_000_000]),
            "quota": st.sampled_from([None, 0, 3]),
            "owner_id": st.sampled_from([None, "m", "n"]),
            "owner_level": st.sampled_from([None, 1, 2]),
            "owner_building": st.sampled_from([None, "w1"]),
            "owner_residence": st.sampled_from([None, "w2"]),
            "owner_group": st.sampled_from([None, "g", "small"]),
        },
        optional={"personal": st.just(True)},
    ),
    min_size=1,
    max_size=8,
)


@given(LISTINGS, st.integers(0, 7))
def test_one_by_one_and_all_at_once_are_the_same(listings: list[dict[str, Any]], cut: int) -> None:
    """Numbers are given as words come: in another order, were it not the same one."""
    whole, known = columns_of(*listings)
    grown = Vocabulary(GROUPS)
    at_first = grown.columns_of(listing_table(*listings[:cut]))
    parts = [at_first, *(grown.columns_of(listing_table(one)) for one in listings[cut:])]
    for name in PointColumns.__dataclass_fields__:
        joined = np.concatenate([getattr(part, name) for part in parts])
        expected = getattr(whole, name)
        assert joined.dtype == expected.dtype
        if name in ("zones", "audience"):
            continue  # sets of groups come before those of points, batch by batch
        assert joined.tolist() == expected.tolist(), name
    zones = np.concatenate([part.zones for part in parts]).tolist()
    assert [grown.zones_of(n) for n in zones] == [known.zones_of(n) for n in whole.zones.tolist()]
    audiences = np.concatenate([part.audience for part in parts]).tolist()
    for codes in (["z1"], ["z2"], ["z3"], ["z1", "z2"], []):
        for building in ("w1", "w2", None):
            seen = [
                {0, 1, *v.zone_audiences(codes), *v.walls(Audience.BUILDING, building),
                 *v.walls(Audience.RESIDENCE, building)}
                for v in (grown, known)
            ]  # fmt: skip
            assert [number in seen[0] for number in audiences] == [
                number in seen[1] for number in whole.audience.tolist()
            ]
