"""Trips that stand are told of those that come: of all that match, and of no other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_records import TOWN
from trip_records import DRIVER, MONDAY, ONCE, TRIPS, booking
from trips_worlds import world_of

from geo.errors import InputError
from indexes.journeys import BookingStatus, Role, Trip
from indexes.store import Store, open_store
from matching.detour import Ride
from matching.query import MAX_LIMIT
from matching.rides.book import TripBook, TripView
from matching.rides.meeting import MeetingPoints
from matching.rides.standing import standing_matches
from matching.rides.town import TripTown
from matching.trips import matches_of_trip

NONE = TripBook().view
ANYBODY = lambda trip, taken: None  # noqa: E731


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
    assert standing_matches(view, own, view.only(came), NONE, now) == expected


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_of_free_seats_those_are_told_who_now_match_on_more_days(seed: int) -> None:
    asked, _, told = freed(seed)
    assert told == asked


def freed(seed: int) -> tuple[list[tuple[str, str]], Trip, list[tuple[str, str]]]:
    """A town in which a full car gets free: what is news by asking all anew, and what is told."""
    world, rng, monday, _ = world_of(seed, 30)
    stops = MeetingPoints(world.stops)
    view = TripBook(world.trips, world.parties, {}, stops).view

    def days(view: TripView) -> dict[tuple[str, str], set[date]]:
        found: dict[tuple[str, str], set[date]] = {}
        for trip in world.trips:
            if view.trip(trip.id) is not None:
                for match in matches_of_trip(view, trip.id, first=monday, limit=MAX_LIMIT):
                    found.setdefault((trip.id, match.id), set()).update(match.dates)
        return found

    after = days(view)
    matched = {id for pair in after for id in pair}
    cars = [trip for trip in world.trips if trip.role is not Role.PASSENGER]
    car = rng.choice([trip for trip in cars if trip.id in matched] or cars)
    ride = Ride(car.lonlat[0], car.lonlat[-1], 0.0, car.times_s[-1], car.seats)
    full = {car.id: {monday + timedelta(days=day): [ride] for day in range(0, 14, 2)}}
    before = days(TripBook(world.trips, world.parties, full, stops).view)
    news = {pair for pair, when in after.items() if when - before.get(pair, set())}
    one = [car.id]
    told = standing_matches(
        view, [trip.id for trip in world.trips], view.only(one), view.only(one, full),
        datetime.combine(monday, time(12), UTC),
    )  # fmt: skip
    return sorted(news), car, told


def test_the_worlds_of_that_test_have_news_for_riders_and_for_drivers() -> None:
    of_riders = of_drivers = 0
    for seed in range(12):
        _, car, told = freed(seed)
        of_riders += sum(match == car.id for _, match in told)
        of_drivers += sum(id == car.id for id, _ in told)
    assert of_riders > 2 and of_drivers > 2


def test_the_worlds_of_this_test_have_matches_to_tell() -> None:
    told = 0
    for seed in range(10):
        world, _, monday, _ = world_of(seed, 30)
        view = TripBook(world.trips, world.parties, world.rides, MeetingPoints(world.stops)).view
        ids = [trip.id for trip in world.trips]
        now = datetime.combine(monday, time(12), UTC)
        told += len(standing_matches(view, ids, view.only(ids), NONE, now))
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
    assert standing_matches(view, ["r"], came, NONE, ONCE.at) == [("r", "d1")]
    assert standing_matches(view, ["r"], came, NONE, ONCE.at + timedelta(days=1)) == []


def test_of_trips_that_are_not_there_nothing_is_told() -> None:
    view = TripBook([DRIVER]).view
    came, at = view.only(["d1", "gone"]), ONCE.at or datetime.now(UTC)
    assert standing_matches(view, ["gone"], came, NONE, at) == []
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


def test_what_was_accepted_before_is_known_of_trips_whose_seats_alone_have_changed(
    store: Store,
) -> None:
    town = TripTown(store, "t")
    start = town.position
    one, other = booking(1), booking(2)
    store.book(one, ANYBODY)
    town.catch_up()
    booked = town.position
    assert town.rides_before(start, booked) == {"d1": {}}
    store.book(other, ANYBODY)
    store.change_booking("t", one.id, lambda b: replace(b, status=BookingStatus.CANCELLED))
    town.catch_up()
    (before,) = town.rides_before(booked, town.position).values()
    assert [(day, len(rides)) for day, rides in before.items()] == [(MONDAY, 1)]
    assert town.rides_before(start, town.position) == {"d1": {}}  # as it was at first
    assert town.rides_before(start, booked) == {"d1": {}}
    assert town.rides_before(town.position, town.position) == {}
    # A trip that is another by now is news by itself, whoever got out before or after.
    store.put(replace(DRIVER, seats=4))
    store.change_booking("t", other.id, lambda b: replace(b, status=BookingStatus.CANCELLED))
    town.catch_up()
    assert town.rides_before(booked, town.position) == {}
    # Of what came before the town was read, nothing is known.
    assert TripTown(store, "t").rides_before(start, town.position) == {}
