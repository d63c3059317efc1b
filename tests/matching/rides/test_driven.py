"""Who drove and who rode may judge each other, and nobody else may."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from store_records import TOWN, partition_of
from trip_records import DRIVER, TRIPS, booking
from trust_records import NEIGHBOURS

from indexes.entities import Block
from indexes.journeys import Booking, BookingStatus
from indexes.store import Store, open_store
from indexes.trusting import Interaction, Rating
from matching.rides.booking import admit
from matching.rides.driven import note_driven
from matching.trusting.dealings import rate

NEXT_DAY = booking().pickup_at + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "town.db")
    trips = [replace(t, owner_id="ana", seats=4) if t.id == DRIVER.id else t for t in TRIPS]
    opened.put_all([*TOWN, *NEIGHBOURS, *trips])
    opened.put_groups(partition_of(opened))
    yield opened
    opened.close()


def book(store: Store, passenger: str = "bob", number: int = 1, **changes: object) -> Booking:
    sides = {"driver_id": "ana", "passenger_id": passenger, "passenger_operator": ""}
    one = booking(number, **sides | changes)
    store.book(one, partial(admit, booking=one))
    return one


def test_a_ride_that_took_place_can_be_judged_by_both_the_day_after(store: Store) -> None:
    one = book(store)
    assert note_driven(store, "t", NEXT_DAY - timedelta(seconds=1)) == 0
    assert note_driven(store, "t", NEXT_DAY) == 1
    made = store.get(Interaction, "t", one.id)
    assert (made.asker_id, made.helper_id, made.category) == ("bob", "ana", "carpool")
    assert made.completed_at is not None
    assert one.pickup_at < made.completed_at <= one.pickup_at + timedelta(minutes=10)
    rate(store, "t", "bob", one.id, 5, "", NEXT_DAY, "r1")
    assert store.get(Rating, "t", "r1").ratee_id == "ana"
    assert note_driven(store, "t", NEXT_DAY + timedelta(hours=1)) == 0  # once


@pytest.mark.parametrize(
    "changes",
    [
        {"status": BookingStatus.WAITING_CONFIRMATION},
        {"status": BookingStatus.CANCELLED},
        {"passenger_operator": "example.org"},
        {"trip_id": None, "driver_operator": "example.org"},
        {"passenger": "ana2"},  # of one dwelling
        {"passenger": "gone"},
    ],
)
def test_what_was_no_ride_between_two_members_is_no_dealing(store: Store, changes) -> None:
    book(store, **changes)
    assert note_driven(store, "t", NEXT_DAY) == 0
    assert store.count(Interaction, "t") == 0


def test_two_who_block_each_other_by_then_have_none(store: Store) -> None:
    book(store)
    book(store, "cleo", 2)
    store.put(Block(tenant_id="t", id="b", member_id="ana", other_id="bob"))
    assert note_driven(store, "t", NEXT_DAY) == 1
    assert store.page(Interaction, "t")[0].asker_id == "cleo"
