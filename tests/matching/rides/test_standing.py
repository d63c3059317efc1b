"""Trips that stand are told of those that come: of all that match, and of no other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_records import TOWN
from trip_records import DRIVER, ONCE, TRIPS
from trips_worlds import world_of

from geo.errors import InputError
from indexes.journeys import Role, Trip
from indexes.store import Store, open_store
from matching.query import MAX_LIMIT
from matching.rides.book import TripBook
from matching.rides.meeting import MeetingPoints
from matching.rides.standing import standing_matches
from matching.rides.town import TripTown
from matching.trips import matches_of_trip


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_what_came_matches_as_in_the_answer_to_the_whole_question(seed: int) -> None:
    world, rng, monday, _ = world_of(seed, 30)
    view = TripBook(world.trips, world.parties, world.rides, MeetingPoints(world.stops)).view
    came = {trip.id for trip in rng.sample(world.trips, 8)}
    own = [trip.id for trip in world.trips]
    now = datetime.combine(monday, time(12), UTC)
    asked = [
        (id, match.id)
        for id in sorted(own)
        if view.trip(id) is not None
        for match in matches_of_trip(view, id, first=monday, limit=MAX_LIMIT)
    ]
    expected = sorted({pair for pair in asked if pair[1] in came})
    assert standing_matches(view, own, view.only(came), now) == expected


def test_the_worlds_of_this_test_have_matches_to_tell() -> None:
    told = 0
    for seed in range(10):
        world, _, monday, _ = world_of(seed, 30)
        view = TripBook(world.trips, world.parties, world.rides, MeetingPoints(world.stops)).view
        ids = [trip.id for trip in world.trips]
        now = datetime.combine(monday, time(12), UTC)
        told += len(standing_matches(view, ids, view.only(ids), now))
    assert told > 20


def test_a_trip_that_is_over_matches_nothing_more() -> None:
    assert ONCE.at is not None
    driver = replace(DRIVER, schedule=replace(ONCE, at=ONCE.at + timedelta(minutes=2)))
    rider = replace(
        DRIVER, id="r", owner_id="m2", role=Role.PASSENGER, schedule=ONCE,
        lonlat=DRIVER.lonlat[1:], times_s=(0.0, 1.0, 2.0),
    )  # fmt: skip
    view = TripBook([driver, rider]).view
    came = view.only(["d1"])
    assert standing_matches(view, ["r"], came, ONCE.at) == [("r", "d1")]
    assert standing_matches(view, ["r"], came, ONCE.at + timedelta(days=1)) == []


def test_of_trips_that_are_not_there_nothing_is_told() -> None:
    view = TripBook([DRIVER]).view
    assert (
        standing_matches(view, ["gone"], view.only(["d1", "gone"]), ONCE.at or datetime.now(UTC))
        == []
    )
    with pytest.raises(InputError, match="no such trip"):
        matches_of_trip(view, "gone", among=view)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *TRIPS])
    yield opened
    opened.close()


def test_whose_a_trip_is_follows_the_store(store: Store) -> None:
    town = TripTown(store, "t")
    assert town.owned_by("m1") == ("d1",) and town.owned_by("m4") == ()
    store.put(replace(DRIVER, id="d2"))
    store.put(replace(DRIVER, owner_id="m4"))
    town.catch_up()
    assert town.owned_by("m1") == ("d2",) and town.owned_by("m4") == ("d1",)
    store.delete(Trip, "t", "d1")
    store.put(replace(DRIVER, id="d2", owner_id=None))
    town.catch_up()
    assert town.owned_by("m1") == () == town.owned_by("m4")
