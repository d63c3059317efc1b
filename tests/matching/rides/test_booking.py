"""Seats that nobody answers for are free again, in every store and every search."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from store_records import TOWN
from trip_records import DRIVER, MONDAY, PASSENGER, TRIPS, booking

from geo.errors import ConflictError
from indexes.journeys import Anchor, Booking, BookingStatus, Role, Schedule, WeeklyTime
from indexes.store import Store, open_store
from matching.rides.booking import admit, cancel_unanswered, seated_days, seats_free
from matching.rides.clock import FIRST_DAY, LAST_DAY, day_number
from matching.rides.town import TripTown
from matching.schedule import days_of

MADE = datetime(2026, 11, 20, 9, tzinfo=UTC)
WAITING = {"status": BookingStatus.WAITING_CONFIRMATION, "created_at": MADE}


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *(replace(t, seats=1) if t.id == "d1" else t for t in TRIPS)])
    yield opened
    opened.close()


def book(store: Store, number: int, **changes: object) -> Booking:
    one = booking(number, **changes)
    store.book(one, partial(admit, booking=one))
    return one


def status_of(store: Store, one: Booking) -> BookingStatus:
    return store.get(Booking, "t", one.id).status


def test_a_seat_that_waits_a_day_for_its_driver_is_free_again(store: Store) -> None:
    town = TripTown(store, "t", clock=lambda: MADE)
    first = book(store, 1, **WAITING)
    assert cancel_unanswered(store, "t", MADE + timedelta(hours=23, minutes=59)) == 0
    with pytest.raises(ConflictError, match="0 are free"):
        book(store, 2, **WAITING)
    town.catch_up()
    assert town.view.trip("d1")[2]  # it sits in the car
    assert cancel_unanswered(store, "t", MADE + timedelta(hours=24)) == 1
    assert status_of(store, first) is BookingStatus.CANCELLED
    town.catch_up()
    assert not town.view.trip("d1")[2]
    book(store, 2, **WAITING)


def test_a_town_read_too_late_for_an_answer_shows_the_seat_as_free(store: Store) -> None:
    book(store, 1, **WAITING)
    times = [MADE + timedelta(hours=hours) for hours in (23, 24)]
    views = [TripTown(store, "t", clock=lambda at=at: at).view for at in times]
    assert [bool(view.trip("d1")[2]) for view in views] == [True, False]


def test_nobody_waits_beyond_the_pick_up(store: Store) -> None:
    late = booking().pickup_at - timedelta(hours=1)
    one = book(store, 1, **WAITING | {"created_at": late})
    assert cancel_unanswered(store, "t", one.pickup_at - timedelta(seconds=1)) == 0
    assert cancel_unanswered(store, "t", one.pickup_at) == 1


def test_what_was_answered_or_is_on_another_platforms_trip_stays(store: Store) -> None:
    mine = book(store, 1, created_at=MADE)
    theirs = book(
        store, 2, **WAITING, trip_id=None, driver_id="x", driver_operator="example.org",
        passenger_id="m1", passenger_operator="",
    )  # fmt: skip
    assert cancel_unanswered(store, "t", MADE + timedelta(days=300)) == 0
    assert status_of(store, mine) is BookingStatus.CONFIRMED
    assert status_of(store, theirs) is BookingStatus.WAITING_CONFIRMATION


def test_an_answer_that_comes_at_the_last_moment_counts(store: Store) -> None:
    one = book(store, 1, **WAITING)
    late = MADE + timedelta(days=2)
    real, answered = store.change_booking, []

    def change_booking(tenant_id, id, change):
        if not answered:  # after it was read as waiting, before it is cancelled
            answered.append(
                real(tenant_id, id, lambda old: replace(old, status=BookingStatus.CONFIRMED))
            )
        return real(tenant_id, id, change)

    store.change_booking = change_booking  # type: ignore[method-assign]
    assert cancel_unanswered(store, "t", late) == 0
    assert status_of(store, one) is BookingStatus.CONFIRMED


LEG = st.tuples(st.integers(0, 6), st.integers(1, 3)).map(lambda leg: (leg[0], sum(leg)))


@given(st.lists(st.tuples(LEG, st.integers(1, 2)), max_size=5), LEG)
@example([((0, 1), 1), ((1, 2), 1)], (0, 2))
def test_seats_are_free_if_they_are_on_every_stretch_between_two_stops(taken, asked) -> None:
    held = [
        booking(n, pickup_s=100.0 * begin, dropoff_s=100.0 * end, seats=seats)
        for n, ((begin, end), seats) in enumerate(taken)
    ]
    used = [sum(seats for (a, b), seats in taken if a <= at < b) for at in range(*asked)]
    assert seats_free(DRIVER, held, *(100.0 * at for at in asked)) == DRIVER.seats - max(used)


def test_who_has_a_seat_may_have_another_from_where_they_get_out(store: Store) -> None:
    for number, at in enumerate((100.0, 0.0, 200.0)):
        book(store, number, pickup_s=at, dropoff_s=at + 100.0, passenger_id="tom")
    with pytest.raises(ConflictError, match="has a seat on that trip"):
        book(store, 3, pickup_s=0.0, dropoff_s=100.5, passenger_id="tom")


# -- who has a seat on a day ----------------------------------------------------------------------

DAYS = [date(2026, 9, 6) + timedelta(days=off) for off in range(9)]
RIDE_S = 600
EVERY_DAY = Schedule(timezone="UTC", weekly=(WeeklyTime(days=tuple(range(7)), second=28_200),))


@given(
    days=st.sets(st.integers(0, 6), min_size=1),
    second=st.integers(0, 36 * 3_600),
    anchor=st.sampled_from(Anchor),
    late_s=st.integers(-6 * 3_600, 6 * 3_600),
    place=st.integers(1, 7),
)
def test_a_booking_is_a_seat_on_one_day_whichever_day_its_driver_counts(
    days, second, anchor, late_s, place
) -> None:
    day = DAYS[place]
    weekly = (WeeklyTime(days=tuple(days | {day.weekday()}), second=second),)
    rider = replace(PASSENGER, schedule=Schedule(timezone="UTC", anchor=anchor, weekly=weekly))
    planned = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
    pickup_at = planned + timedelta(seconds=late_s)
    if anchor is Anchor.ARRIVE:
        pickup_at -= timedelta(seconds=RIDE_S)
    for off in (-1, 0, 1):
        one = booking(
            passenger_trip_id="p1", day=day + timedelta(days=off), pickup_at=pickup_at,
            pickup_s=0.0, dropoff_s=float(RIDE_S),
        )  # fmt: skip
        assert seated_days(rider, [one]) == {day}


@pytest.mark.parametrize("day", [FIRST_DAY, LAST_DAY])
def test_the_first_and_last_days_that_are_known_have_seats(day) -> None:
    pickup_at = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    one = booking(passenger_trip_id="p1", day=day, pickup_at=pickup_at)
    assert seated_days(replace(PASSENGER, schedule=EVERY_DAY), [one]) == {day}


def test_a_driver_has_no_seat_and_who_is_not_on_the_road_then_has_none_either() -> None:
    one = booking(passenger_trip_id="p1")
    assert seated_days(PASSENGER, [one]) == set()  # rides on another day, once
    rider = replace(PASSENGER, schedule=EVERY_DAY)
    assert seated_days(rider, []) == set()
    later = replace(
        one, day=MONDAY + timedelta(days=1), pickup_at=one.pickup_at + timedelta(days=1)
    )
    assert seated_days(rider, [one, later]) == {MONDAY, MONDAY + timedelta(days=1)}
    assert seated_days(replace(rider, role=Role.DRIVER), [one]) == set()


def test_who_takes_the_day_of_a_seat_out_of_a_schedule_still_rides_on_the_days_around_it() -> None:
    one = booking(passenger_trip_id="p1")
    for schedule in (
        replace(EVERY_DAY, removed=(MONDAY,)),
        replace(EVERY_DAY, weekly=(WeeklyTime(days=tuple(range(1, 7)), second=28_200),)),
        replace(EVERY_DAY, valid_from=MONDAY + timedelta(days=1)),
        replace(EVERY_DAY, valid_to=MONDAY - timedelta(days=1)),
    ):
        assert seated_days(replace(PASSENGER, schedule=schedule), [one]) == set()


def test_a_rider_is_shown_on_the_days_without_an_accepted_seat(store: Store) -> None:
    days = [MONDAY + timedelta(days=off) for off in range(7)]
    store.put(replace(PASSENGER, schedule=EVERY_DAY))

    def left_out(waiting=False, now=MADE):
        """The days on which the rider's trip doesn't take place."""
        view = TripTown(store, "t", clock=lambda: now, waiting=waiting).view
        trip = view.trip("p1")[0]
        served = set(days_of(trip.schedule, days[0], days[-1]).tolist())
        return [day for day in days if day_number(day) not in served]

    def ask(number, day, **changes):
        at = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
        one = booking(number, passenger_trip_id="p1", day=day, pickup_at=at, **changes)
        store.book(one, lambda trip, taken: None)

    assert left_out() == []
    ask(1, days[0])
    ask(2, days[1], status=BookingStatus.CANCELLED)
    ask(3, days[2], **WAITING)
    ask(4, days[3], trip_id=None, driver_operator="example.org", passenger_operator="")
    ask(5, days[4], status=BookingStatus.VALIDATED)
    assert left_out() == [days[0], days[3], days[4]]
    assert left_out(waiting=True) == [days[0], days[2], days[3], days[4]]
    late = MADE + timedelta(days=1)  # nobody has answered by then
    assert left_out(waiting=True, now=late) == [days[0], days[3], days[4]]
