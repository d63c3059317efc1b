"""Trips kept current: whatever changes, they are as if everything had been read anew."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from store_records import HOUSEHOLDS, MEMBERS, TOWN, partition_of
from trip_records import DRIVER, MONDAY, OPERATORS, SUNDAY, TRIPS, booking
from waiting import PATIENCE_S

from geo.errors import DeniedError, StoreError
from indexes.entities import Audience, Block, Kind, Listing, Member
from indexes.journeys import Booking, BookingStatus, Role, Trip
from indexes.store import open_store
from matching.engine import Engine
from matching.rides.carpool import Party
from matching.rides.town import TripTown

STOP = Listing(
    tenant_id="t",
    id="stop",
    kind=Kind.PLACE,
    title="Aire du Port",
    category="mobility.carpool",
    lon=5.39,
    lat=43.31,
)
AT_SEVEN = datetime(2026, 11, 30, 6, tzinfo=UTC)
# The passenger's trip is on the Friday before, the driver's on that evening's service day.
SEAT = booking(
    2,
    passenger_trip_id="p1",
    day=date(2026, 11, 27),
    pickup_at=datetime(2026, 11, 27, 7, tzinfo=UTC),
)
ANY = lambda trip, taken: None  # noqa: E731


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *TRIPS, STOP])
    yield opened
    opened.close()


def held(view):
    """All that searches see, in an order of its own."""
    drivers = {
        trip.id: (trip, owner, {day: list(taken) for day, taken in (rides or {}).items()})
        for current in view.driver_parts()
        for trip, owner in current.trips()
        for rides in [current.part.rides.get(trip.id)]
    }
    riders = {trip.id: (trip, owner) for current in view.riders for trip, owner in current.trips()}
    meeting = [view.meeting[i] for i in range(len(view.meeting))]
    return drivers, riders, meeting


def test_what_searches_see_are_published_forms_and_their_owners(store):
    drivers, riders, meeting = held(TripTown(store, "t").view)
    assert set(drivers) == {"d1", "o1"} and set(riders) == {"p1", "o1"}
    trip, owner, _ = drivers["d1"]
    assert trip.lonlat[0] != DRIVER.lonlat[0] and trip.lonlat[-1] != DRIVER.lonlat[-1]
    assert owner == Party(id="m1", level=3, building="b1", residence="r1")
    assert replace(drivers["o1"][0], published_at=None) == replace(OPERATORS, published_at=None)
    assert riders["p1"][1].blocked == {"m3"}
    assert [point.name for point in meeting] == ["Aire du Port"]


CHANGES = {
    "a trip is another": lambda s: s.put(replace(DRIVER, seats=1)),
    "a trip is cancelled": lambda s: s.put(replace(DRIVER, cancelled=True)),
    "a trip is gone": lambda s: s.delete(Trip, "t", "d1"),
    "a driver would ride": lambda s: s.put(replace(DRIVER, role=Role.PASSENGER)),
    "nothing of it can be published any more": lambda s: s.put(
        replace(DRIVER, lonlat=((5.37, 43.29), (5.3701, 43.29)), times_s=(0.0, 9.0))
    ),
    "a trip comes": lambda s: s.put(replace(DRIVER, id="d2", owner_id="m4")),
    "an owner is verified": lambda s: s.put(replace(MEMBERS[0], level=4, gender="F")),
    "an owner moves": lambda s: s.put_all(
        [replace(TOWN[2], id="b2", residence_id=None), replace(HOUSEHOLDS[0], building_id="b2")]
    ),
    "two block each other": lambda s: s.put(
        Block(tenant_id="t", id="x2", member_id="m4", other_id="m1")
    ),
    "a block is gone": lambda s: s.delete(Block, "t", "x1"),
    "a seat is booked": lambda s: s.book(booking(), ANY),
    "a rider gets a seat": lambda s: s.book(SEAT, ANY),
    "a rider gets a seat elsewhere": lambda s: s.book(replace(SEAT, trip_id=None), ANY),
    "somebody rides on one day who drives on others": lambda s: s.book(
        replace(SEAT, passenger_trip_id="o1", day=SUNDAY, pickup_at=AT_SEVEN - timedelta(days=1)),
        ANY,
    ),
    "a stop is no more": lambda s: s.delete(Listing, "t", "stop"),
    "a stop moves": lambda s: s.put(replace(STOP, lon=5.4)),
    "a stop is not for everybody": lambda s: s.put(replace(STOP, audience=Audience.CITY)),
    "a stop comes": lambda s: s.put(replace(STOP, id="stop2", category="mobility.stop.bus")),
    "a category only begins alike": lambda s: s.put(replace(STOP, category="mobility.stopping")),
    "groups are cut": lambda s: s.put_groups(partition_of(s)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_after_a_change_all_is_as_if_read_anew(store, change):
    town = TripTown(store, "t")
    before = held(town.view)
    change(store)
    town.catch_up()
    if town.wants_rebuild:
        assert town.position < store.position()
        town.rebuild()
    assert not town.wants_rebuild
    assert town.position == store.position()
    assert held(town.view) == held(TripTown(store, "t").view)
    assert held(town.view) != before


class Failing:
    """A store of which, once, one read fails: the ``at``-th from when that is set."""

    def __init__(self, store):
        self._store, self.at = store, None

    def __getattr__(self, name):
        found = getattr(self._store, name)

        def read(*args, **named):
            if self.at is not None:
                self.at -= 1
                if self.at < 0:
                    self.at = None
                    raise StoreError("away")
            return found(*args, **named)

        return read


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_missed_by_no_store_that_fails_while_it_is_read(store, change):
    failing = Failing(store)
    towns = [TripTown(failing, "t") for _ in range(16)]
    change(store)
    anew = held(TripTown(store, "t").view)
    for at, town in enumerate(towns):
        failing.at = at
        with suppress(StoreError):
            town.refresh()
        failed = failing.at is None
        failing.at = None
        town.refresh()
        assert held(town.view) == anew
    assert not failed  # all reads there are have failed once


def test_a_cancelled_booking_frees_the_day(store):
    town = TripTown(store, "t")
    empty = held(town.view)
    store.book(booking(), ANY)
    town.catch_up()
    _, _, rides = held(town.view)[0]["d1"]
    ((day, (ride,)),) = rides.items()
    assert day == MONDAY and ride.seats == 1
    # The published line begins at its second point, 150.5 seconds on.
    assert (ride.pickup_s, ride.dropoff_s) == (0.0, 269.5)
    store.change_booking(
        "t", booking().id, lambda one: replace(one, status=BookingStatus.CANCELLED)
    )
    town.catch_up()
    assert held(town.view) == empty
    store.delete(Booking, "t", booking().id)
    town.catch_up()
    assert held(town.view) == empty


def test_a_view_taken_before_a_change_stays_as_it_is(store):
    town = TripTown(store, "t")
    view = town.view
    before = held(view)
    store.delete(Trip, "t", "d1")
    town.catch_up()
    assert held(view) == before and held(town.view) != before


def test_changes_applied_late_or_twice_do_no_harm(store):
    town = TripTown(store, "t")
    start = town.position
    store.put(replace(DRIVER, seats=1))
    store.put(replace(DRIVER, seats=2))
    changes = store.changes(start)
    for some in (changes, changes[:1], changes):
        town.apply(some, store.position())
    assert held(town.view)[0]["d1"][0].seats == 2
    assert town.position == store.position()


def test_an_engine_shows_its_own_writes_to_trips(store):
    engine = Engine.over(store, "t")
    position = store.put(replace(DRIVER, id="d9"))
    engine.wait_for(str(position), timeout_s=PATIENCE_S)
    assert engine.trips.trip("d9") is not None
    engine.start()
    try:
        position = store.delete(Trip, "t", "d9")
        engine.wait_for(str(position), timeout_s=PATIENCE_S)
        assert engine.trips.trip("d9") is None
    finally:
        engine.close()


def test_an_engine_knows_who_asks(store):
    store.put(replace(MEMBERS[1], gender="F"))
    engine = Engine.over(store, "t")
    assert engine.party(None).id is None
    assert engine.party("m2") == Party(
        id="m2", level=2, building="b1", residence="r1", gender="F", blocked=frozenset({"m3"})
    )
    store.put(Member(tenant_id="t", id="new", household_id="h1", level=1, gender="M"))
    engine.refresh()
    assert engine.party("new").gender == "M"
    with pytest.raises(DeniedError) as raised:
        engine.party("stranger")
    assert raised.value.code == "unknown-member"
