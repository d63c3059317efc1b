"""Rows told in words, in as many segments as they came."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from listing_tables import GROUPS, PERSON, listing_table

import matching.towns.catalog
from indexes.entities import Kind
from matching.text import TextIndex, match_words
from matching.towns.catalog import Catalog, Segment
from matching.towns.vocabulary import Vocabulary


def segment(vocabulary: Vocabulary, *listings: dict[str, Any]) -> Segment:
    table = listing_table(*listings)
    return Segment(table, vocabulary.columns_of(table))


def catalog(*listings: dict[str, Any], first: int | None = None) -> Catalog:
    """A catalog of a base of ``first`` rows, and of one more segment for each row after it."""
    vocabulary = Vocabulary(GROUPS)
    first = len(listings) if first is None else first
    found = Catalog(vocabulary, segment(vocabulary, *listings[:first]))
    for one in listings[first:]:
        found = found.with_segment(segment(vocabulary, one))
    return found


# What depends on who asks, wherever from and whenever.
ASKED = {"score", "distance_m", "distance_band", "why", "level", "available"}


def told(catalog: Catalog, *rows: int) -> list[dict[str, Any]]:
    found = []
    for one in catalog.records(np.array(rows, np.int64)):
        values = msgspec.structs.asdict(one)
        values |= msgspec.structs.asdict(values.pop("match"))
        del values["json"]  # compared with what encoding gives where it is used
        found.append({name: value for name, value in values.items() if name not in ASKED})
    return found


def test_a_record_tells_what_the_store_said() -> None:
    (found,) = told(
        catalog(
            {"id": "é", "kind": "event", "title": "Fête", "category": "fun.music", "lang": "oc",
             "url": "https://example.org", "address": "Quai", "lon": 5.25, "lat": 43.5,
             "starts_at": 1_700_000_000, "published_at": 1_699_000_000, "endorsers": 3,
             "zone": "z9", "opening_hours": "24/7", "quota": 3, "quota_used": 3},
        ),
        0,
    )  # fmt: skip
    assert found == {
        "id": "é", "kind": Kind.EVENT, "title": "Fête", "lat": 43.5, "lon": 5.25,
        "zones": ("z9",), "personal": False, "category": "fun.music", "lang": "oc",
        "address": "Quai", "url": "https://example.org", "starts_s": 1_700_000_000,
        "starts_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "ends_s": 1_700_010_800,
        "valid_to": datetime(2023, 11, 15, 1, 13, 20, tzinfo=UTC), "published_s": 1_699_000_000,
        "endorsers": 3, "hours": 0, "stock": 2,
    }  # fmt: skip


def test_of_a_person_no_record_tells_a_point_or_an_address() -> None:
    person = PERSON | {"owner_level": 3, "owner_group": "g", "address": "1 rue des Pins"}
    (found,) = told(catalog(person | {"lon": 5.1, "lat": 43.1}), 0)
    assert (found["lon"], found["lat"], found["address"]) == (None, None, "")
    assert found["zones"] == ("z1", "z2")
    assert (found["starts_at"], found["valid_to"], found["published_s"]) == (None, None, None)


LISTING = st.fixed_dictionaries(
    {
        "id": st.text(st.sampled_from("aé🦀"), max_size=3),
        "title": st.sampled_from(["Pain", "Cours de piano", ""]),
        "text": st.sampled_from(["au levain", "le soir", ""]),
        "category": st.sampled_from(["", "food", "food.bakery", "help"]),
        "lon": st.sampled_from([5.36, 5.37, 5.38]),
        "published_at": st.sampled_from([None, 5]),
        "opening_hours": st.sampled_from([None, "24/7", "Mo 09:00-12:00"]),
        "zone": st.sampled_from([None, "z1", "z3"]),
    }
)


@given(st.lists(LISTING, min_size=1, max_size=30), st.integers(0, 30), st.data())
def test_rows_are_the_same_in_one_segment_and_in_many(
    listings: list[dict[str, Any]], first: int, data: st.DataObject
) -> None:
    whole, grown = catalog(*listings), catalog(*listings, first=min(first, len(listings)))
    assert len(whole) == len(grown) == len(listings)
    rows = data.draw(st.lists(st.integers(0, len(listings) - 1)))
    assert told(grown, *rows) == told(whole, *rows)
    assert [grown.id_of(row) for row in rows] == [listings[row]["id"] for row in rows]
    assert grown.stored(rows) == whole.stored(rows)
    for query in ("pain", "piano soir", "bakery", "le", "pinao levian"):
        texts = ([one[name] for one in listings] for name in ("title", "text", "category"))
        expected = match_words([TextIndex(*texts)], query)
        for one in (whole, grown):
            found, fits, corrected = one.matching(query)
            assert found.tolist() == expected.rows.tolist()
            assert fits.tolist() == expected.fits.tolist()
            assert corrected == expected.corrected
    assert grown.words(rows) == [
        f"{one['title']} {one['category']} {one['text']}" for one in map(listings.__getitem__, rows)
    ]
    west = shapely.box(5.36, 43.0, 5.375, 44.0)
    inside = [row for row, one in enumerate(listings) if one["lon"] < 5.375]
    assert grown.inside(west).tolist() == whole.inside(west).tolist() == inside


def test_segments_stay_few_however_many_rows_come_one_by_one() -> None:
    vocabulary = Vocabulary(GROUPS)
    found = Catalog(vocabulary, segment(vocabulary))
    for i in range(300):
        found = found.with_segment(segment(vocabulary, {"id": str(i)}))
        assert len(found._segments) <= 1 + 7 * 3
    assert [found.id_of(row) for row in range(300)] == [str(i) for i in range(300)]


def test_no_more_records_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching.towns.catalog, "MAX_KEPT", 3)
    one = catalog(*({"id": str(i)} for i in range(8)))
    for rows in ((0, 1), (1, 2), (3,), (7, 6, 7), (0,)):
        assert [found["id"] for found in told(one, *rows)] == [str(row) for row in rows]
    assert len(one._segments[0]._kept) <= 3
