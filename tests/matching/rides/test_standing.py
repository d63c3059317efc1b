"""Trips that stand are told of those that come: of all that match, and of no other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_records import TENANT, TOWN
from trip_records import DRIVER, MONDAY, ONCE, PASSENGER, TRIPS, booking
from trips_worlds import book_of, world_of

from geo.errors import InputError
from indexes.journeys import BookingStatus, Role, Trip
from indexes.store import Change, Position, Store, open_store
from matching.detour import Ride
from matching.engine import Engine
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
    view = book_of(world).view
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
    was = {car.id: (car, full[car.id])}
    told = standing_matches(
        view, [trip.id for trip in world.trips], view.only(one), view.only(one, was),
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
        view = book_of(world).view
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
    held = town.view.trip("d1")[0]
    assert town.seats_before(start, booked) == {"d1": (held, {})}
    store.book(other, ANYBODY)
    store.change_booking("t", one.id, lambda b: replace(b, status=BookingStatus.CANCELLED))
    town.catch_up()
    ((trip, before),) = town.seats_before(booked, town.position).values()
    assert trip == held and [(day, len(taken)) for day, taken in before.items()] == [(MONDAY, 1)]
    assert town.seats_before(start, town.position) == {"d1": (held, {})}  # as it was at first
    assert town.seats_before(start, booked) == {"d1": (held, {})}
    assert town.seats_before(town.position, town.position) == {}
    # A trip that is another by now is news by itself, whoever got out before or after.
    store.put(replace(DRIVER, seats=4))
    store.change_booking("t", other.id, lambda b: replace(b, status=BookingStatus.CANCELLED))
    town.catch_up()
    assert town.seats_before(booked, town.position) == {}
    # Of what came before the town was read, nothing is known.
    assert TripTown(store, "t").seats_before(start, town.position) == {}


def test_what_was_accepted_before_all_trips_are_read_again_is_known_after_it(store: Store) -> None:
    store.put(replace(DRIVER, id="d2"))
    store.put(replace(DRIVER, id="d3"))
    town = TripTown(store, "t")
    start = town.position
    one, two = (town.view.trip(id)[0] for id in ("d1", "d2"))
    store.book(booking(1), ANYBODY)
    town.catch_up()
    booked = town.position
    store.book(booking(2), ANYBODY)
    again = store.book(booking(3, trip_id="d2"), ANYBODY)
    store.put(replace(DRIVER, id="d3", seats=1))
    store.put(replace(DRIVER, id="d4"))
    town.expire()
    town.rebuild()
    # As it was, also to whoever is told of fewer changes at once than were read again here.
    for until in (again, town.position):
        assert town.seats_before(start, until) == {"d1": (one, {}), "d2": (two, {})}
        held = town.seats_before(booked, until)
        assert set(held) == {"d1", "d2"} and held["d2"] == (two, {})
        assert [len(taken) for taken in held["d1"][1].values()] == [1]
    store.put(replace(DRIVER, id="d2", seats=1))
    store.book(booking(4, trip_id="d3"), ANYBODY)
    town.catch_up()
    assert set(town.seats_before(booked, again)) == {"d1", "d2"}
    # A trip that is another by now is news, whatever was booked on it before or after.
    assert set(town.seats_before(again, town.position)) == {"d1"}
    assert town.seats_before(town.position, town.position) == {}


class Unsettled:
    """A store whose newest changes are there to be read before its feed has them."""

    def __init__(self, store: Store, end: Position) -> None:
        self._store, self.end = store, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def position(self, *, settled: bool = True) -> Position:
        return self.end if settled else self._store.position()

    def changes(self, after: Position) -> list[Change]:
        return [one for one in self._store.changes(after) if one.position <= self.end]


def test_a_seat_that_came_free_is_known_however_late_the_feed_tells_of_it(store: Store) -> None:
    store.book(booking(), ANYBODY)
    off = lambda old: replace(old, status=BookingStatus.CANCELLED)  # noqa: E731
    behind = Unsettled(store, store.position())
    town = TripTown(behind, "t")
    start = town.position
    full = town.view.trip("d1")
    store.change_booking("t", booking().id, off)
    town.expire()
    town.rebuild()
    anew = TripTown(behind, "t")
    for read in (town, anew):
        assert read.position == start and read.view.trip("d1")[2] == {} != full[2]
    store.book(booking(2, trip_id="o1"), ANYBODY)
    behind.end = store.position()
    for read in (town, anew):
        read.catch_up()
        assert read.position == behind.end > start
    assert town.seats_before(start, town.position)["d1"] == (full[0], full[2])
    # Where nothing is known of before, the trip is told: better twice than never.
    assert "d1" not in anew.seats_before(start, anew.position)


def test_a_rider_whose_seat_is_cancelled_is_news_again_and_one_who_gets_a_seat_is_none(
    store: Store,
) -> None:
    weekly = replace(DRIVER.schedule, flex_before_s=3_600, flex_after_s=3_600)
    rider = replace(PASSENGER, schedule=weekly, lonlat=DRIVER.lonlat[1:3], owner_id=None)
    store.put(rider)
    engine = Engine.over(store, "t")
    now = datetime.combine(MONDAY, time(4), UTC)

    def news(change: Callable[[], object]) -> list[tuple[str, str]]:
        before = engine.position
        change()
        engine.refresh()
        return engine.standing_matches("m1", ["p1"], before, engine.position, now)

    def shown() -> dict[str, tuple[date, ...]]:
        found = matches_of_trip(engine.trips, "d1", first=MONDAY)
        return {match.id: match.dates for match in found}

    every = shown()["p1"]
    seat = booking(passenger_trip_id="p1", trip_id=None, driver_operator="example.org")
    assert news(lambda: store.book(seat, ANYBODY)) == []
    assert shown()["p1"] == every[1:] and every[0] == MONDAY
    # Nor is one who gets a seat just when all of the town is read again.
    later = seat.pickup_at + (every[1] - MONDAY)
    late = replace(seat, id=booking(2).id, day=every[1], pickup_at=later)
    renamed = replace(TENANT, name="Port-Neuf")
    assert news(lambda: (store.book(late, ANYBODY), store.put(renamed))) == []
    assert shown()["p1"] == every[2:]
    off = lambda old: replace(old, status=BookingStatus.CANCELLED)  # noqa: E731
    assert news(lambda: store.change_booking("t", late.id, off)) == [("d1", "p1")]
    assert news(lambda: store.change_booking("t", seat.id, off)) == [("d1", "p1")]
    assert shown()["p1"] == every
    # Whoever leaves out a day more is no news; who takes it back is.
    busy = replace(rider, schedule=replace(weekly, removed=(MONDAY,)))
    assert news(lambda: store.put(busy)) == []
    assert news(lambda: store.put(rider)) == [("d1", "p1")]
