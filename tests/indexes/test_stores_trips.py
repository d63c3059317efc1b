"""Trips and bookings at the Store port, held whole against every store."""

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from store_records import HOUSEHOLDS, MEMBERS, SLOW, TENANT, TOWN, start_of
from trip_records import (
    DRIVER,
    MESSAGE,
    MONDAY,
    ONCE,
    OPERATORS,
    PASSENGER,
    TRIPS,
    WEEKLY,
    booking,
)
from waiting import PATIENCE_S

from geo.errors import ConflictError, InputError, NotFoundError, StoreError
from indexes.copying import copy_store
from indexes.entities import Audience, Building, Kind, Listing, Member, Residence
from indexes.journeys import Anchor, Booking, BookingStatus, Message, Role, Schedule, WeeklyTime
from indexes.store import Store, open_store
from matching.rides.booking import admit, is_seated

ANYBODY = lambda trip, taken: None  # noqa: E731


def admitted(one):
    return lambda trip, taken: admit(trip, taken, one)


def unseated(trip, others, one):
    if is_seated(trip, others, one):
        raise ConflictError("this passenger has a seat then", code="has-a-seat")


def said_to(do: Callable[[], object]) -> str:
    """What many who do something at once are told: asked again while no connection is free."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            do()
        except ConflictError as error:
            return error.code
        except StoreError:
            if time.monotonic() > end:
                raise
        else:
            return "done"


@pytest.fixture
def road(town: Store) -> Store:
    town.put_all(TRIPS)
    return town


def stated(trip):
    return replace(trip, published_at=None)


def test_trips_and_messages_come_back_as_they_were_put(road: Store) -> None:
    road.put(MESSAGE)
    for trip in TRIPS:
        got = road.get(type(trip), "t", trip.id)
        assert got.published_at is not None
        assert stated(got) == stated(trip)
    assert road.get(type(OPERATORS), "t", "o1").published_at == OPERATORS.published_at
    assert replace(road.get(Message, "t", "msg1"), sent_at=None) == MESSAGE
    assert [stated(trip) for trip in road.trips("t")] == sorted(
        map(stated, TRIPS), key=lambda t: t.id
    )
    assert [trip.id for trip in road.trips("t", ["p1", "nobody", "\0"])] == ["p1"]
    assert road.trips("u") == [] and road.trips("t", []) == []


zones_of_france = st.sampled_from(["Europe/Paris", "America/Cayenne", "Indian/Reunion"])
flexes = st.integers(0, 12 * 3_600)
instants = st.datetimes(datetime(1965, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
days = st.dates(date(1970, 1, 1), date(2090, 1, 1))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    common = {
        "timezone": draw(zones_of_france),
        "anchor": draw(st.sampled_from(Anchor)),
        "flex_before_s": draw(flexes),
        "flex_after_s": draw(flexes),
    }
    if draw(st.booleans()):
        return Schedule(at=draw(instants).replace(microsecond=0), **common)
    weekdays = draw(st.lists(st.integers(0, 6), min_size=1, unique=True))
    cut = draw(st.integers(0, len(weekdays)))
    seconds = st.integers(0, 36 * 3_600)
    parts = [part for part in (weekdays[:cut], weekdays[cut:]) if part]
    exceptions = draw(st.lists(days, max_size=6, unique=True))
    return Schedule(
        weekly=tuple(WeeklyTime(days=tuple(part), second=draw(seconds)) for part in parts),
        valid_from=draw(st.none() | st.dates(date(1970, 1, 1), date(2000, 1, 1))),
        valid_to=draw(st.none() | st.dates(date(2001, 1, 1), date(2090, 1, 1))),
        added=tuple(exceptions[::2]),
        removed=tuple(exceptions[1::2]),
        public_holidays=draw(st.booleans()),
        **common,
    )


@SLOW
@given(schedule=schedules())
def test_any_schedule_comes_back_whole(store: Store, schedule: Schedule) -> None:
    store.put_all([TENANT, replace(OPERATORS, schedule=schedule)])
    assert store.trips("t")[0].schedule == schedule


def test_a_trip_put_again_just_so_is_no_change(road: Store) -> None:
    before = road.position()
    road.put_all(TRIPS)
    assert road.changes(before) == []
    road.put(replace(DRIVER, seats=2))
    assert [(change.entity, change.id) for change in road.changes(before)] == [("trips", "d1")]


def test_coordinates_and_times_are_rounded_as_they_are_kept(road: Store) -> None:
    line = ((5.370000000049, 43.29), (5.38, -0.0))
    road.put(replace(OPERATORS, lonlat=line, times_s=(0, 100.00049), schedule=WEEKLY))
    got = road.get(type(DRIVER), "t", "o1")
    assert got.lonlat == ((5.37, 43.29), (5.38, 0.0))
    assert str(got.lonlat[1][1]) == "0.0"
    assert got.times_s == (0.0, 100.0)


def test_an_instant_of_any_offset_is_the_same_trip(road: Store) -> None:
    at = ONCE.at.astimezone(timezone(timedelta(hours=5)))
    before = road.position()
    road.put(replace(PASSENGER, schedule=replace(ONCE, at=at)))
    assert road.changes(before) == []


def test_ten_thousand_points_are_kept_and_one_more_is_not(road: Store) -> None:
    line = tuple((5.0 + i * 1e-5, 43.0) for i in range(10_001))
    times = tuple(float(i) for i in range(10_001))
    road.put(replace(DRIVER, lonlat=line[:-1], times_s=times[:-1]))
    assert len(road.trips("t", ["d1"])[0].lonlat) == 10_000
    with pytest.raises(InputError, match="2 to 10,000 points, got 10,001") as raised:
        road.put(replace(DRIVER, lonlat=line, times_s=times))
    assert raised.value.code == "invalid-route"


BAD = [
    ({"lonlat": DRIVER.lonlat[:1], "times_s": (0.0,)}, "invalid-route"),
    ({"lonlat": ((5.0, 43.0),) * 4}, "zero-length-route"),
    ({"lonlat": (*DRIVER.lonlat[:3], (5.0, 91.0))}, "invalid-coordinates"),
    ({"lonlat": (*DRIVER.lonlat[:3], (float("nan"), 43.0))}, "invalid-coordinates"),
    ({"lonlat": (*DRIVER.lonlat[:3], [5.0, 43.0])}, "invalid-route"),
    ({"lonlat": (*DRIVER.lonlat[:3], ("5", 43.0))}, "invalid-route"),
    ({"times_s": (0.0, 10.0, 9.0, 20.0)}, "invalid-times"),
    ({"times_s": (0.0, 10.0, 10.0001, 20.0)}, "invalid-times"),
    ({"times_s": (1.0, 10.0, 15.0, 20.0)}, "invalid-times"),
    ({"times_s": (0.0, 10.0, 20.0)}, "invalid-times"),
    ({"times_s": (0.0, 10.0, 20.0, float("inf"))}, "invalid-times"),
    ({"times_s": (0.0, 10.0, 20.0, 200_000.0)}, "invalid-times"),
    ({"times_s": (0.0, 10.0, 20.0, 1e308)}, "invalid-times"),
    ({"times_s": (0.0, -1e308, 10.0, 20.0)}, "invalid-times"),
    ({"times_s": (0, 10, 20, 10**400)}, "invalid-times"),
    ({"seats": 0}, "invalid-input"),
    ({"seats": -1}, "invalid-input"),
    ({"seats": 9}, "invalid-input"),
    ({"max_walk_m": 2_001}, "invalid-input"),
    ({"price_eur": -1.0}, "invalid-input"),
    ({"price_eur": float("nan")}, "invalid-input"),
    ({"luggage": 6}, "invalid-input"),
    ({"schedule": replace(WEEKLY, timezone="Europe/Marseille")}, "unknown-timezone"),
    ({"schedule": replace(WEEKLY, valid_to=date(2026, 8, 1))}, "invalid-validity"),
    ({"schedule": replace(ONCE, at=datetime(2026, 11, 27, 7, 30))}, "invalid-instant"),
    ({"schedule": replace(ONCE, flex_before_s=-1)}, "invalid-flex"),
    ({"schedule": replace(ONCE, flex_before_s=True)}, "invalid-schedule"),
    ({"schedule": replace(WEEKLY, valid_from=datetime(2026, 9, 1))}, "invalid-schedule"),
    ({"schedule": Schedule(timezone="Europe/Paris")}, "invalid-schedule"),
    ({"owner_id": "stranger"}, "unknown-reference"),
    ({"audience_id": "b1"}, "invalid-audience"),
    ({"audience": Audience.BUILDING, "owner_id": None}, "invalid-audience"),
    ({"audience": Audience.RESIDENCE, "owner_id": None, "audience_id": "x"}, "unknown-reference"),
    ({"women_only": True, "owner_id": None}, "owner-required"),
]


@pytest.mark.parametrize(("changes", "code"), BAD)
def test_a_bad_trip_is_refused_and_nothing_is_written(
    shared_town: Store, changes: dict[str, object], code: str
) -> None:
    before = shared_town.position()
    with pytest.raises(InputError) as raised:
        shared_town.put_all([OPERATORS, replace(DRIVER, **changes)])
    assert raised.value.code == code
    assert shared_town.trips("t") == []
    assert shared_town.position() == before


def test_an_owners_trips_are_touched_by_what_the_owner_becomes(road: Store) -> None:
    def touched_by(*records):
        before = road.position()
        road.put_all(records)
        return road.touched("t", road.changes(before)).trips

    assert touched_by(replace(DRIVER, seats=1)) == {"d1"}
    assert touched_by(replace(MEMBERS[0], level=4)) == {"d1"}
    assert touched_by(replace(MEMBERS[1], gender="F")) == {"p1"}
    other = Building(tenant_id="t", id="b2", lon=5.3, lat=43.2)
    assert touched_by(other) == set()
    assert touched_by(replace(HOUSEHOLDS[0], building_id="b2")) == {"d1"}
    assert touched_by(replace(other, residence_id="r1")) == {"d1"}
    assert touched_by(MESSAGE) == set()


def test_a_booking_touches_the_drivers_trip_and_the_passengers(road: Store) -> None:
    before = road.position()
    road.book(booking(), ANYBODY)
    assert road.touched("t", road.changes(before)).trips == {"d1"}
    before = road.position()
    road.change_booking("t", booking().id, lambda old: replace(old, url="https://example.org"))
    assert road.touched("t", road.changes(before)).trips == {"d1"}
    before = road.position()
    road.delete(Booking, "t", booking().id)
    assert road.touched("t", road.changes(before)).trips == {"d1"}
    abroad = booking(2, trip_id=None, driver_operator="other.org", passenger_operator="")
    before = road.position()
    road.book(abroad, ANYBODY)
    assert road.touched("t", road.changes(before)).trips == set()
    for number, trips in ((3, {"d1", "p1"}), (4, {"p1"})):
        one = booking(number, trip_id="d1" if "d1" in trips else None, passenger_trip_id="p1")
        before = road.position()
        road.book(one, ANYBODY)
        assert road.touched("t", road.changes(before)).trips == trips
        before = road.position()
        off = lambda old: replace(old, status=BookingStatus.CANCELLED)  # noqa: E731
        road.change_booking("t", one.id, off)
        assert road.touched("t", road.changes(before)).trips == trips
        before = road.position()
        road.delete(Booking, "t", one.id)
        assert road.touched("t", road.changes(before)).trips == trips


def test_no_change_walks_over_all_bookings_of_a_tenant(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    store.put_all([*TOWN, *TRIPS])
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if re.search(r"\b(FROM|UPDATE) bookings\b", statement):
            asked.append((statement, values))

    for engine in (store._reader, store._writer):
        event.listen(engine, "before_cursor_execute", note)
    before = store.position()
    store.book(booking(1, **ASKED), ANYBODY, unseated)
    accept = lambda old: replace(old, status=BookingStatus.CONFIRMED)  # noqa: E731
    store.change_booking("t", booking(1).id, accept, unseated)
    touched = store.touched("t", store.changes(before))
    assert [one.id for one in store.bookings("t", touched.trips)] == [booking(1).id]
    store.put(replace(PASSENGER, cancelled=True))
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        plans = [
            (line, statement)
            for statement, values in asked
            for *_, line in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            if "bookings" in line
        ]
    # By a trip or by the booking's own id, beside the tenant.
    assert len(plans) >= 7
    for line, statement in plans:
        assert re.search(r"SEARCH .*\(tenant_id=\? AND (passenger_)?(trip_)?id=\?", line), statement


def test_a_booking_comes_back_as_it_was_made(road: Store) -> None:
    whole = booking(
        passenger_trip_id="p1",
        price_eur=2.5,
        pickup_address="Arrêt du Port",
        driver_alias="Ada",
        url="https://example.org/b",
        created_at=datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
    )
    position = road.book(whole, ANYBODY)
    assert road.position() == position
    assert road.get(Booking, "t", whole.id) == whole
    assert road.bookings("t") == road.bookings("t", ["d1", "x"]) == [whole]
    assert road.bookings("t", ["p1"]) == road.bookings("t", ["p1", "d1"]) == [whole]
    assert road.bookings("t", ["o1"]) == road.bookings("u") == []


def test_seats_on_trips_of_other_platforms_are_a_passengers_only_if_they_name_a_trip(
    road: Store,
) -> None:
    theirs = booking(2, trip_id=None, driver_operator="other.org", passenger_operator="")
    named = replace(theirs, id=booking(3).id, passenger_trip_id="p1")
    road.book(theirs, ANYBODY)
    road.book(named, ANYBODY)
    assert [one.id for one in road.bookings("t")] == [named.id]
    assert road.bookings("t", ["p1"]) == road.bookings("t")


def test_who_admits_sees_the_trip_and_the_seats_of_that_day(road: Store) -> None:
    tuesday = MONDAY + timedelta(days=1)
    seen = []
    road.book(booking(1), ANYBODY)
    road.book(booking(2, day=tuesday), ANYBODY)
    road.book(booking(3), ANYBODY)
    road.change_booking(
        "t", booking(3).id, lambda old: replace(old, status=BookingStatus.CANCELLED)
    )
    road.book(booking(4), lambda trip, taken: seen.append((trip, [one.id for one in taken])))
    ((trip, taken),) = seen
    assert stated(trip) == DRIVER
    assert taken == [booking(1).id]


def refused(trip, taken):
    raise ConflictError("no", code="no")


def test_a_refused_booking_leaves_nothing_behind(road: Store) -> None:
    before = road.position()
    with pytest.raises(ConflictError, match="no"):
        road.book(booking(), refused)
    with pytest.raises(NotFoundError, match="no trip"):
        road.book(booking(trip_id="none"), ANYBODY)
    with pytest.raises(InputError, match="pick-up must come before") as raised:
        road.book(booking(pickup_s=500.0), ANYBODY)
    assert raised.value.code == "invalid-booking"
    with pytest.raises(InputError) as raised:
        road.book(booking(passenger_id="m1", passenger_operator=""), ANYBODY)
    assert raised.value.code == "self-booking"
    with pytest.raises(InputError) as raised:
        road.book(booking(pickup_lat=91.0), ANYBODY)
    assert raised.value.code == "invalid-coordinates"
    assert road.position() == before and road.bookings("t") == []


def test_a_booking_is_made_once_and_by_book_only(road: Store) -> None:
    road.book(booking(), ANYBODY)
    with pytest.raises(ConflictError) as raised:
        road.book(booking(day=MONDAY + timedelta(days=1)), ANYBODY)
    assert raised.value.code == "booking-exists"
    with pytest.raises(InputError, match="`book` makes it"):
        road.put(booking(2))


def test_a_booking_changes_its_status_but_never_its_seats(road: Store) -> None:
    road.book(booking(), ANYBODY)
    id = booking().id
    new, position = road.change_booking(
        "t", id, lambda old: replace(old, status=BookingStatus.VALIDATED)
    )
    assert road.get(Booking, "t", id) == new and road.position() == position
    with pytest.raises(ConflictError, match="stay as they are"):
        road.change_booking("t", id, lambda old: replace(old, seats=3))
    with pytest.raises(ConflictError, match="no"):
        road.change_booking("t", id, lambda old: refused(old, ()))
    road.change_booking("t", id, lambda old: replace(old, status=BookingStatus.CANCELLED))
    with pytest.raises(ConflictError) as raised:
        road.change_booking("t", id, lambda old: replace(old, status=BookingStatus.CONFIRMED))
    assert raised.value.code == "booking-cancelled"
    with pytest.raises(NotFoundError, match="no booking"):
        road.change_booking("t", "none", lambda old: old)


def test_of_fifty_who_want_the_last_seat_at_once_exactly_one_gets_it(road: Store) -> None:
    road.book(booking(99, seats=2), admitted(booking(99, seats=2)))
    said: Counter[str] = Counter()

    def ask(number: int) -> str:
        one = booking(number)
        return said_to(lambda: road.book(one, admitted(one)))

    with ThreadPoolExecutor(50) as pool:
        said.update(pool.map(ask, range(50)))
    assert said == {"done": 1, "trip-full": 49}
    assert sum(one.seats for one in road.bookings("t")) == DRIVER.seats


ASKED = {"passenger_trip_id": "p1", "status": BookingStatus.WAITING_CONFIRMATION}
# With a driver of ours, with another, and with one of another platform: by each one's days.
DRIVERS = [{}, {"trip_id": "o1"}, {"trip_id": None, "driver_operator": "other.org"}]


def asked_of(number: int, **changes: Any) -> Booking:
    """A seat for the passenger's trip, with one of three drivers."""
    return booking(number, **(ASKED | DRIVERS[number % 3] | changes))


@pytest.fixture
def daily(road: Store) -> Store:
    """The passenger rides every Monday."""
    road.put(replace(PASSENGER, schedule=WEEKLY))
    return road


def test_of_drivers_who_accept_one_passenger_for_a_day_at_once_exactly_one_does(
    daily: Store, dsn: str
) -> None:
    other = open_store(dsn)
    try:
        for number in range(12):
            daily.book(asked_of(number, seats=1), ANYBODY, unseated)  # many may be asked

        def accept(number: int) -> str:
            def yes(old: Booking) -> Booking:
                return replace(old, status=BookingStatus.CONFIRMED)

            store = daily if number % 2 else other
            id = booking(number).id
            return said_to(lambda: store.change_booking("t", id, yes, unseated))

        with ThreadPoolExecutor(12) as pool:
            said = Counter(pool.map(accept, range(12)))
        assert said == {"done": 1, "has-a-seat": 11}
    finally:
        other.close()
    accepted = [one for one in daily.bookings("t") if one.status is BookingStatus.CONFIRMED]
    assert len(accepted) == 1


def test_of_accepted_seats_for_one_passenger_that_are_booked_at_once_one_is(daily: Store) -> None:
    def book(number: int) -> str:
        one = asked_of(number, status=BookingStatus.CONFIRMED)
        return said_to(lambda: daily.book(one, ANYBODY, unseated))

    with ThreadPoolExecutor(12) as pool:
        said = Counter(pool.map(book, range(12)))
    assert said == {"done": 1, "has-a-seat": 11}
    assert len(daily.bookings("t")) == 1


def test_a_passengers_seat_is_that_days_and_free_again_once_it_is_cancelled(daily: Store) -> None:
    def to(number: int, status: BookingStatus) -> str:
        change = lambda old: replace(old, status=status)  # noqa: E731
        return said_to(lambda: daily.change_booking("t", booking(number).id, change, unseated))

    for number in range(3):
        daily.book(asked_of(number), ANYBODY, unseated)
    tuesday = MONDAY + timedelta(days=1)
    at = booking().pickup_at + timedelta(days=1)
    daily.book(asked_of(3, day=tuesday, pickup_at=at), ANYBODY, unseated)
    assert to(0, BookingStatus.VALIDATED) == "done"
    assert to(3, BookingStatus.CONFIRMED) == "done"
    before = daily.position()
    with pytest.raises(ConflictError):
        daily.book(asked_of(4), ANYBODY, unseated)
    assert to(1, BookingStatus.COMPLETED_PENDING_VALIDATION) == "has-a-seat"
    assert daily.position() == before
    assert to(2, BookingStatus.CANCELLED) == "done"
    assert to(3, BookingStatus.VALIDATED) == "done"  # who is accepted comes forward as before
    assert to(0, BookingStatus.CANCELLED) == "done"
    assert to(1, BookingStatus.CONFIRMED) == "done"


def test_a_cancelled_seat_is_anothers_and_two_stores_agree(road: Store, dsn: str) -> None:
    other = open_store(dsn)
    try:
        for number in (1, 2, 3):
            road.book(booking(number), admitted(booking(number)))
        with pytest.raises(ConflictError) as raised:
            other.book(booking(4), admitted(booking(4)))
        assert raised.value.code == "trip-full"
        road.change_booking(
            "t", booking(1).id, lambda old: replace(old, status=BookingStatus.CANCELLED)
        )
        other.book(booking(4), admitted(booking(4)))
        assert {one.id for one in road.bookings("t")} == {booking(i).id for i in (2, 3, 4)}
    finally:
        other.close()


def test_a_trip_with_bookings_is_not_deleted_and_an_owner_not_before_the_trips(road: Store) -> None:
    road.put(MESSAGE)
    with pytest.raises(ConflictError, match="still has trips"):
        road.delete(Member, "t", "m2")
    road.delete(type(PASSENGER), "t", "p1")
    road.delete(Member, "t", "m2")
    road.book(booking(), ANYBODY)
    with pytest.raises(ConflictError, match="still has bookings"):
        road.delete(type(DRIVER), "t", "d1")
    road.delete(Booking, "t", booking().id)
    road.delete(type(DRIVER), "t", "d1")
    assert road.count(Message, "t") == 0


def still_booked(road: Store) -> dict[int, bool]:
    """By number, whether a booking holds its seat."""
    found = road.page(Booking, "t")
    return {int(one.id[-2:]): one.status is not BookingStatus.CANCELLED for one in found}


TO_COME, OVER = (datetime(year, 11, 30, 7, tzinfo=UTC) for year in (2090, 2020))


@pytest.mark.parametrize("at_once", [False, True])
def test_with_a_trip_that_is_cancelled_go_the_bookings_of_rides_to_come(
    road: Store, at_once: bool
) -> None:
    waiting = {"pickup_at": TO_COME, "status": BookingStatus.WAITING_CONFIRMATION}
    booked = [
        booking(1, pickup_at=TO_COME),
        booking(2, **waiting),
        booking(3, pickup_at=OVER),
        booking(4, pickup_at=TO_COME, trip_id="o1"),
        booking(5, pickup_at=TO_COME, trip_id="o1", passenger_trip_id="p1"),
        booking(6, pickup_at=TO_COME, trip_id=None, passenger_trip_id="p1"),
        booking(7, pickup_at=TO_COME, status=BookingStatus.VALIDATED),
    ]
    for one in booked:
        road.book(one, ANYBODY)
    start = road.position()
    road.put(replace(DRIVER, seats=2))
    assert all(still_booked(road).values())
    off = [replace(DRIVER, cancelled=True), replace(PASSENGER, cancelled=True)]
    for trips in [off] if at_once else [[trip] for trip in off]:
        road.put_all(trips)
    held = {1: False, 2: False, 3: True, 4: True, 5: False, 6: False, 7: True}
    assert still_booked(road) == held
    # Who follows learns of each, and of the driver whose seat is free again.
    told = {change.id for change in road.changes(start)}
    assert {one.id for one in booked if not held[int(one.id[-2:])]} | {"o1"} <= told
    road.put(DRIVER)
    assert still_booked(road) == held


def test_nobody_is_booked_for_a_trip_of_theirs_that_is_cancelled(road: Store) -> None:
    road.put(replace(PASSENGER, cancelled=True))
    for number, driven in enumerate(("d1", "o1", None), 1):
        one = booking(number, trip_id=driven, passenger_trip_id="p1")
        with pytest.raises(ConflictError) as refused:
            road.book(one, ANYBODY)
        assert refused.value.code == "trip-cancelled"
        road.book(replace(one, status=BookingStatus.CANCELLED), ANYBODY)
    assert not any(still_booked(road).values())


def test_of_bookings_and_a_trip_that_is_cancelled_at_once_no_seat_is_left(road: Store) -> None:
    def ask(number: int) -> str:
        if number == 10:
            trips = [replace(DRIVER, seats=2), replace(PASSENGER, cancelled=True)]
            return said_to(lambda: road.put_all(trips))
        one = booking(number, pickup_at=TO_COME, passenger_trip_id="p1")
        return said_to(lambda: road.book(one, ANYBODY))

    with ThreadPoolExecutor(20) as pool:
        said = set(pool.map(ask, range(20)))
    assert said <= {"done", "trip-cancelled"}
    assert not any(still_booked(road).values())


def test_of_seats_that_are_accepted_while_the_trips_are_cancelled_none_is_left(
    daily: Store,
) -> None:
    for number in range(16):
        daily.book(asked_of(number, pickup_at=TO_COME), ANYBODY, unseated)

    def do(number: int) -> str:
        if number == 8:
            trips = [replace(DRIVER, cancelled=True), replace(PASSENGER, cancelled=True)]
            return said_to(lambda: daily.put_all(trips))
        yes = lambda old: replace(old, status=BookingStatus.CONFIRMED)  # noqa: E731
        id = booking(number).id
        return said_to(lambda: daily.change_booking("t", id, yes, unseated))

    with ThreadPoolExecutor(16) as pool:
        said = Counter(pool.map(do, range(16)))
    assert said.keys() <= {"done", "booking-cancelled"}
    assert not any(still_booked(daily).values())


def test_with_a_member_go_the_seats_that_were_the_members_on_rides_to_come(road: Store) -> None:
    road.put(replace(MEMBERS[0], id="guest1"))
    ours = {"passenger_operator": "", "passenger_id": "guest1"}
    for one in (
        booking(1, pickup_at=TO_COME, **ours),
        booking(2, pickup_at=OVER, **ours),
        booking(3, pickup_at=TO_COME, passenger_id="guest1"),  # another platform's, of that name
        booking(4, pickup_at=TO_COME, passenger_operator=""),
    ):
        road.book(one, ANYBODY)
    start = road.position()
    road.delete(Member, "t", "guest1")
    assert still_booked(road) == {1: False, 2: True, 3: True, 4: True}
    assert "d1" in {change.id for change in road.changes(start)}


def test_an_operators_trip_for_a_residence_keeps_it(road: Store) -> None:
    road.put(Residence(tenant_id="t", id="r9", name="x"))
    road.put(replace(OPERATORS, audience=Audience.RESIDENCE, audience_id="r9"))
    with pytest.raises(ConflictError, match="still has trips"):
        road.delete(Residence, "t", "r9")


def test_a_copy_holds_the_same_trips_and_bookings(road: Store, tmp_path) -> None:
    road.book(booking(), ANYBODY)
    road.put(MESSAGE)
    target = open_store(tmp_path / "copy.db")
    try:
        copy_store(road, target)
        assert target.trips("t") == road.trips("t")
        assert target.bookings("t") == road.bookings("t")
        assert target.page(Message, "t") == road.page(Message, "t")
    finally:
        target.close()


def test_a_whole_town_and_its_trips_are_put_in_any_order(store: Store) -> None:
    store.put_all([MESSAGE, *TRIPS, *reversed(TOWN)])
    assert store.count(type(DRIVER), "t") == len(TRIPS)
    changes = store.changes(start_of(store))
    assert {change.id for change in changes if change.entity == "trips"} == {"d1", "p1", "o1"}


@pytest.mark.parametrize("gender", ["X", "f", "", 1])
def test_a_gender_is_one_of_three_or_unknown(shared_town: Store, gender: object) -> None:
    with pytest.raises(InputError, match="F, M or O"):
        shared_town.put(replace(MEMBERS[0], gender=gender))


def test_roles_are_told_apart(road: Store) -> None:
    assert [trip.id for trip in road.page(type(DRIVER), "t", where={"role": Role.PASSENGER})] == [
        "p1"
    ]


def test_listings_are_told_by_their_categories_and_those_below(road: Store) -> None:
    categories = ["mobility.stop", "mobility.stop.tram", "mobility.stopped", "mobility"]
    for i, category in enumerate(categories):
        road.put(
            Listing(
                tenant_id="t", id=f"stop-{i}", kind=Kind.PLACE, title="Vieux-Port",
                category=category, lon=5.37, lat=43.29,
            )
        )  # fmt: skip
    assert road.listing_ids("t", ["mobility.stop", "mobility.carpool"]) == ["stop-0", "stop-1"]
    assert road.listing_ids("t", []) == road.listing_ids("nobody", ["mobility.stop"]) == []
