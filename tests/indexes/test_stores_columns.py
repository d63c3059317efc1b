"""Records given by column are kept as the same records given one by one are, in every store."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_records import HOUSEHOLDS, NOON, SERVICE, SHOP, SLOW, TOWN
from strategies import THE_TENANT, towns

from geo.errors import CoordinateError, InputError
from indexes.codec import TABLES
from indexes.entities import Entity, Group, Household, Listing
from indexes.rules import Columns, columns_of, require
from indexes.store import ImportMark, Position, Store


def put(
    store: Store, of: type[Entity], columns: Columns, mark: ImportMark | None = None
) -> Position:
    return store.put_columns(require(of, columns), mark)


@SLOW
@given(data=st.data())
def test_a_town_put_by_column_is_the_same_town(store: Store, data: st.DataObject) -> None:
    town = data.draw(towns())
    for of in TABLES:
        records = [record for record in town if type(record) is of]
        if records:
            written = put(store, of, columns_of(of, records))
            assert store.count(of, THE_TENANT) >= len(records)
    assert store.put_all(town) == written, "to put the same again is no change"


def test_what_has_a_point_and_what_has_none_are_placed_in_one_go(store: Store) -> None:
    store.put_all(TOWN)
    away = replace(SHOP, id="p2", lon=-0.0, lat=0.0)
    owned = replace(SERVICE, id="s2")
    put(store, Listing, columns_of(Listing, [owned, away, replace(SHOP, title="Pains")]))
    kept = {listing.id: listing for listing in store.page(Listing, "t")}
    assert [kept[id].title for id in ("p1", "p2", "s2")] == ["Pains", "Pain", "Cours"]
    assert kept["s2"].place is None
    assert kept["p2"].place != kept["p1"].place
    assert str(kept["p2"].lon) == "0.0", "there is one zero"


def test_a_mark_is_written_with_the_columns_and_without_any(store: Store) -> None:
    store.put_all(TOWN)
    nothing = columns_of(Listing, [SHOP]).keys()
    first, last = ImportMark("t", "file", 1), ImportMark("t", "file", 2, finished=True)
    put(store, Listing, columns_of(Listing, [replace(SHOP, id="p2")]), first)
    assert store.import_mark("t", "file") == first
    before = store.position()
    assert put(store, Listing, dict.fromkeys(nothing, ()), last) == before
    assert store.import_mark("t", "file") == last


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("id", ("p1", "p1"), "twice"),
        ("id", ("p1",), "one length"),
        ("title", ("Pain", ""), "listing 'p2': title must be text of 1 to 300"),
        ("title", ("Pain", "a\x00b"), "listing 'p2': title must be text of 1 to 300"),
        ("title", ("Pain", "x" * 301), "listing 'p2': title must be text of 1 to 300"),
        ("address", ("ok", "\ud800"), "listing 'p2': address must be text"),
        ("owner_id", (None, ""), "listing 'p2': owner_id must be text"),
        ("owner_id", ("nobody", None), "listing 'p1': owner_id 'nobody' is not among"),
        ("quota_used", (0, True), "listing 'p2': quota_used must be a whole number"),
        ("valid_to", (None, NOON.replace(tzinfo=None)), "listing 'p2': valid_to must be"),
    ],
)
def test_columns_that_break_a_rule_are_refused_whole(
    store: Store, column: str, values: tuple[object, ...], why: str
) -> None:
    store.put_all(TOWN)
    columns = dict(columns_of(Listing, [replace(SHOP, title="Tarte"), replace(SHOP, id="p2")]))
    before = store.position()
    with pytest.raises(InputError, match=why):
        put(store, Listing, {**columns, column: values}, ImportMark("t", "file", 2))
    assert store.position() == before
    assert store.get(Listing, "t", "p1").title == "Pain"
    assert store.import_mark("t", "file") is None


def test_columns_of_no_record_or_of_another_are_refused(store: Store) -> None:
    store.put_all(TOWN)
    columns = columns_of(Household, HOUSEHOLDS)
    with pytest.raises(InputError, match="lacking or odd: building_id"):
        put(store, Household, {n: c for n, c in columns.items() if n != "building_id"})
    with pytest.raises(InputError, match="lacking or odd: place"):
        put(store, Household, {**columns, "place": [None] * 3})
    with pytest.raises(InputError, match="a Group is no record to keep"):
        put(store, Group, {"id": ["g"]})  # type: ignore[arg-type]


def test_a_point_off_the_earth_is_refused_by_column(store: Store) -> None:
    store.put_all(TOWN)
    columns = dict(columns_of(Listing, [replace(SHOP, id="p2"), replace(SHOP, id="p3")]))
    for off in (90.1, float("nan"), float("inf")):
        with pytest.raises(CoordinateError, match="listing 'p3': lat must be"):
            put(store, Listing, {**columns, "lat": (43.0, off)})
