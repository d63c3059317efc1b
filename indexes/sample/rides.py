"""Rides that a sample's commuters took together in the last quarter that is over."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from geo.arrays import IntArray, LonLat
from geo.distance import EARTH_RADIUS_M
from indexes.district_facts import Quarter
from indexes.journeys import Anchor, Booking, BookingStatus, Role, Trip
from indexes.sample.listings import Dice, sample_id

__all__ = ["draw_bookings"]

WALK_M = 800.0  # from either end of who rides along to the driver's line
APART_S = 1_800  # between when they would leave and when the driver comes by
RIDES = 0.5  # of those who would ride along, where somebody passes by
EVERY = 8  # points of a line are some 60 m apart: one in so many is looked at
BOOKED_BEFORE = timedelta(days=2)

Legs = tuple[int, int]  # points of the driver's line: from, to


def draw_bookings(trips: Sequence[Trip], dice: Dice) -> tuple[Booking, ...]:
    """Passengers along with drivers who pass by both their ends at about their time.

    Parameters
    ----------
    trips : sequence of Trip
        Of whom weekly drivers and passengers with owners may meet.
    dice : Dice
        Draws who, with whom, and on which day: each passenger's trip once.
    """
    weekly = [trip for trip in trips if trip.schedule.weekly and trip.owner_id is not None]
    drivers = [trip for trip in weekly if trip.role is Role.DRIVER]
    riders = [trip for trip in weekly if trip.role is Role.PASSENGER]
    if not drivers or not riders:
        return ()
    passing = _Passing(drivers)
    taken: Counter[tuple[str, date]] = Counter()
    found: list[Booking] = []
    for rider in riders:
        together = passing.by(rider) if dice.often(RIDES) else []
        if not together:
            continue
        driver, legs = passing.legs(*dice.one(together))
        if driver.owner_id == rider.owner_id:
            continue
        days = [day for day in sorted(_days(driver, dice) & _days(rider, dice))
                if taken[driver.id, day] < driver.seats]  # fmt: skip
        if days:
            day = dice.one(days)
            taken[driver.id, day] += 1
            found.append(_booking(len(found), driver, rider, legs, day))
    return tuple(found)


class _Passing:
    """Finds drivers by where their lines lead, some points of each."""

    def __init__(self, drivers: Sequence[Trip]) -> None:
        self._drivers = drivers
        lines = [np.array(driver.lonlat[::EVERY]) for driver in drivers]
        lat = float(np.median([line[0, 1] for line in lines]))
        self._metres = np.radians(1.0) * EARTH_RADIUS_M * np.array((np.cos(np.radians(lat)), 1.0))
        # Lines share roads to the last digit: each place is looked at once, however many pass.
        places, place = np.unique(np.concatenate(lines), axis=0, return_inverse=True)
        self._places, self._place = places * self._metres, place.reshape(-1)
        # Of each point: whose it is, which of the line, when it is passed.
        self._driver = np.repeat(np.arange(len(drivers)), list(map(len, lines)))
        self._point = np.concatenate([EVERY * np.arange(len(line)) for line in lines])
        passed = [_starts_s(one) + np.array(one.times_s[::EVERY]) for one in drivers]
        self._passed_s = np.concatenate(passed)

    def by(self, rider: Trip) -> list[tuple[int, int]]:
        """Points that a driver passes near the start of a trip, about when it starts, and then
        near its end: a pair for each."""
        start, end = (self._near(point) for point in (rider.lonlat[0], rider.lonlat[-1]))
        start = start[np.abs(self._passed_s[start] - _starts_s(rider)) <= APART_S]
        # In order of driver and line: the first point to get in, the last one to get out.
        start = start[np.diff(self._driver[start], prepend=-1) > 0]
        end = end[np.diff(self._driver[end], append=len(self._drivers)) > 0]
        drivers, others = self._driver[start], self._driver[end]
        _, one, other = np.intersect1d(drivers, others, assume_unique=True, return_indices=True)
        pairs = np.column_stack((start[one], end[other]))
        found: list[tuple[int, int]] = pairs[pairs[:, 0] < pairs[:, 1]].tolist()
        return found

    def legs(self, pickup: int, dropoff: int) -> tuple[Trip, Legs]:
        """Who passes two points, and which of the line they are."""
        legs = int(self._point[pickup]), int(self._point[dropoff])
        return self._drivers[self._driver[pickup]], legs

    def _near(self, lonlat: LonLat) -> IntArray:
        apart = self._places - lonlat * self._metres
        near = np.einsum("ij,ij->i", apart, apart) <= WALK_M**2
        return np.flatnonzero(near[self._place])


def _starts_s(trip: Trip) -> float:
    """When a trip sets out, seconds of its day."""
    schedule = trip.schedule
    second = schedule.weekly[0].second
    return second if schedule.anchor is Anchor.DEPART else second - trip.times_s[-1]


def _days(trip: Trip, dice: Dice) -> set[date]:
    """Days of the last quarter that is over on which a weekly trip took place."""
    quarter = Quarter.of(dice.now.date()).previous
    first = max(quarter.first_day, trip.schedule.valid_from or quarter.first_day)
    if trip.published_at is not None:
        first = max(first, trip.published_at.date() + 2 * BOOKED_BEFORE)
    length = (quarter.last_day - first).days + 1
    weekdays = {day for one in trip.schedule.weekly for day in one.days}
    days = (first + timedelta(days=number) for number in range(length))
    return {day for day in days if day.weekday() in weekdays}


def _booking(number: int, driver: Trip, rider: Trip, legs: Legs, day: date) -> Booking:
    pickup, dropoff = legs
    midnight = datetime.combine(day, time(), ZoneInfo(driver.schedule.timezone))
    seconds = round(_starts_s(driver) + driver.times_s[pickup])
    return Booking(
        tenant_id=driver.tenant_id,
        id=sample_id("booking", number),
        trip_id=driver.id,
        passenger_trip_id=rider.id,
        driver_id=str(driver.owner_id),
        passenger_id=str(rider.owner_id),
        day=day,
        pickup_at=midnight + timedelta(seconds=seconds),
        pickup_lon=driver.lonlat[pickup][0],
        pickup_lat=driver.lonlat[pickup][1],
        dropoff_lon=driver.lonlat[dropoff][0],
        dropoff_lat=driver.lonlat[dropoff][1],
        pickup_s=driver.times_s[pickup],
        dropoff_s=driver.times_s[dropoff],
        status=BookingStatus.VALIDATED,
        created_at=midnight - BOOKED_BEFORE,
    )
