"""Journeys that another platform may be told of, within a radius of two places: all of them.

The rules are those of the French interoperability standard, not of `matching.trips`:

- A rider gets in at a point of the driver's line within a radius of the departure asked for, at
  a time asked for, and out at a later point within a radius of the arrival. Of all such pairs
  it is the one that is nearest to both ends in all (`indexes.passing`). A passenger's own trip
  has its two ends.
- Times are those planned: what a trip's owner would shift is for the two to agree upon.
- Nobody knows who asks. So only trips for the public count, and none that wants verified people,
  women or neighbours; and nobody gets in before now.
- A journey is a trip on one service day. Best first: the walks, weighted twice, and the time
  between what was asked and what is planned, in minutes; then the earlier, then the id.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from geo.arrays import BoolArray, FloatArray, LonLat, as_point
from geo.distance import haversine_m
from geo.lines import along_m
from indexes import rides as j
from indexes.journeys import Anchor, Role, Trip
from indexes.passing import AT_LAT, AT_LON, MS, WALK_M, circle_row, shared_ride
from matching.rides.asks import WALK_MIN
from matching.rides.book import TripView
from matching.rides.carpool import Prices
from matching.rides.clock import CLOCK_CHANGE_S, DAY_S, EPOCH, FIRST_DAY, LAST_DAY
from matching.rides.journey import FIRST_S, LAST_S, Journey, JourneyId, Way, Within, is_open
from matching.rides.parts import DriverPart, RiderPart, clock_of
from matching.schedule import days_of, instants

__all__ = ["driver_journeys", "passenger_journeys", "ride_on"]

# How exactly a booking must repeat the places and the time of a journey.
SAME_PLACE_M, SAME_TIME_S = 50.0, 60


def driver_journeys(
    view: TripView,
    way: Way,
    windows: Sequence[Within],
    *,
    now: datetime,
    weekly: bool = False,
    prices: Prices | None = None,
) -> list[Journey]:
    """The journeys of drivers that a rider may join, best first.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    way : Way
        Where the rider gets in and out.
    windows : sequence of Within
        When the rider gets in; a journey is told once, for the window that suits it best.
    now : datetime
        Aware; what begins before counts no more.
    weekly : bool
        Only trips that take place every week.
    prices : Prices, optional
        What a ride may cost.

    Returns
    -------
    list of Journey
        All there are.
    """
    windows = _to_come(windows, now)
    departure = circle_row(*as_point(way.departure), way.departure_m)
    arrival = circle_row(*as_point(way.arrival), way.arrival_m)
    found: dict[JourneyId, Journey] = {}
    for current in view.driver_parts() if windows else ():
        part = current.part
        passes = part.index.passing(departure, arrival)
        for run in np.flatnonzero(passes & _may_meet(part, windows)).tolist():
            row = int(part.run_trip[run])
            trip = part.trips[row]
            if current.alive[row] and is_open(trip) and (trip.schedule.weekly or not weekly):
                fare = prices or Prices()
                for journey in _of_run(part, run, departure, arrival, windows, fare):
                    _keep(found, journey)
    return sorted(found.values(), key=lambda journey: journey.rank)


def passenger_journeys(
    view: TripView, way: Way, windows: Sequence[Within], *, now: datetime, weekly: bool = False
) -> list[Journey]:
    """The journeys of passengers whose two ends lie within the radii, best first.

    Parameters
    ----------
    view, way, windows, now, weekly
        As for `driver_journeys`.
    """
    windows = _to_come(windows, now)
    found: dict[JourneyId, Journey] = {}
    for current in view.riders if windows else ():
        part: RiderPart = current.part
        off = [haversine_m(as_point(end), part.ends[i::2]) for i, end in enumerate(way[:2])]
        near = (off[0] <= way.departure_m) & (off[1] <= way.arrival_m) & (current.alive != 0)
        for row in np.flatnonzero(near).tolist():
            trip = part.trips[row]
            if not is_open(trip) or (weekly and not trip.schedule.weekly):
                continue
            walks = float(off[0][row]), float(off[1][row])
            for day, start in _starts(trip, windows):
                for window in windows:
                    if window.earliest <= start <= window.latest:
                        _keep(found, _of_passenger(trip, day, start, window, walks))
    return sorted(found.values(), key=lambda journey: journey.rank)


def ride_on(
    view: TripView, id: JourneyId, pickup: LonLat, dropoff: LonLat, at: int
) -> Journey | None:
    """The journey of a driver that a booking names, between its places; None if there is none.

    Whether a seat is free is for the store to say: what is searched may be a moment behind.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    id : JourneyId
        Of a driver's journey.
    pickup, dropoff : (lon, lat)
        Degrees, EPSG:4326; as answered, to 50 m.
    at : int
        When the rider gets in, seconds since 1970, UTC; as answered, to a minute.
    """
    departure, arrival = (circle_row(*as_point(end), SAME_PLACE_M) for end in (pickup, dropoff))
    windows = [Within(at - SAME_TIME_S, at + SAME_TIME_S, at)]
    for current in view.driver_parts():
        if current.has(id.trip_id):
            part, row = current.part, current.part.row_of[id.trip_id]
            for run in part.runs_of(row).tolist() if is_open(part.trips[row]) else ():
                found = _of_run(part, run, departure, arrival, windows, Prices(), least_seats=0)
                for journey in found:
                    if journey.day == id.day:
                        return journey
    return None


def _to_come(windows: Iterable[Within], now: datetime) -> list[Within]:
    """What is left of some windows from now on, and in known years."""
    begin = max(-int(-now.timestamp() // 1), FIRST_S + 40 * DAY_S)
    end = LAST_S - 40 * DAY_S
    cut = (one._replace(earliest=max(one.earliest, begin), latest=min(one.latest, end))
           for one in windows)  # fmt: skip
    return [one for one in cut if one.earliest <= one.latest]


def _may_meet(part: DriverPart, windows: Sequence[Within]) -> BoolArray:
    """Which runs may be on their way within some windows: all that are, and some others."""
    rows, lines = part.index.runs.rows, part.index.lines
    starts_s = rows[:, j.SECOND] - rows[:, j.LEAD_MS] / 1000.0
    ends_s = starts_s + lines.ms[lines.first[rows[:, j.LINE] + 1] - 1] / 1000.0
    first_s, last_s = float(starts_s.min()), float(ends_s.max())
    # Windows that are the same in seconds of the service day are one question.
    asked: dict[tuple[float, float], list[int]] = {}
    for window in windows:
        low = int((window.earliest - last_s) // DAY_S) - 1
        high = int((window.latest - first_s) // DAY_S) + 1
        for day in range(low, high + 1):
            midnight = clock_of(part.timezone, day).midnight
            near = (clock_of(part.timezone, day - ago) for ago in range(3))
            slack_s = CLOCK_CHANGE_S if any(clock.shift_s for clock in near) else 0
            seconds = (
                window.earliest - midnight - slack_s,
                window.latest - midnight + slack_s,
            )
            if seconds[0] <= last_s and seconds[1] >= first_s:
                asked.setdefault(seconds, []).append(day)
    found = np.zeros(len(rows), np.bool_)
    for (begin_s, end_s), days in asked.items():
        mask = sum({1 << (day + 3) % 7 for day in days})
        meets = (starts_s <= end_s) & (ends_s >= begin_s) & (rows[:, j.DAY_MASK] & mask != 0)
        found |= meets & (rows[:, j.FIRST_DAY] <= max(days)) & (rows[:, j.LAST_DAY] >= min(days))
    return found


def _keep(found: dict[JourneyId, Journey], journey: Journey) -> None:
    other = found.get(journey.id)
    if other is None or journey.rank < other.rank:
        found[journey.id] = journey


def _of_run(
    part: DriverPart,
    run: int,
    departure: FloatArray,
    arrival: FloatArray,
    windows: Sequence[Within],
    prices: Prices,
    least_seats: int = 1,
) -> list[Journey]:
    """The journeys of one line and time of day."""
    lines, row = part.index.lines, part.index.runs.rows[run]
    line, trip = int(row[j.LINE]), part.trips[part.run_trip[run]]
    whole_ms = int(lines.ms[lines.first[line + 1] - 1])
    lead_s = row[j.LEAD_MS] / 1000.0
    known: dict[tuple[float, float], tuple[float, FloatArray]] = {}  # most days are alike
    found = []
    for day, meant in _meant(part, run, windows, whole_ms / 1000.0, lead_s):
        start = meant - lead_s
        for window in windows:
            low_ms, high_ms = (1000.0 * (at - start) for at in window[:2])
            if low_ms > whole_ms or high_ms < 0.0:
                continue
            if (low_ms, high_ms) not in known:
                rides = np.empty((2, 5))
                known[low_ms, high_ms] = (
                    shared_ride(lines, line, low_ms, high_ms, departure, arrival, rides),
                    rides,
                )
            metres, rides = known[low_ms, high_ms]
            if metres < 0.0:
                continue
            pickup_s, dropoff_s = (float(ms) / 1000.0 for ms in rides[:, MS])
            seats = part.seats_left(run, pickup_s, dropoff_s)
            if seats < least_seats:
                continue
            walks_m = float(rides[0, WALK_M]), float(rides[1, WALK_M])
            pickup_at = round(start + pickup_s)
            found.append(
                Journey(
                    trip=trip,
                    role=Role.DRIVER,
                    day=EPOCH + timedelta(days=day),
                    pickup=(float(rides[0, AT_LON]), float(rides[0, AT_LAT])),
                    dropoff=(float(rides[1, AT_LON]), float(rides[1, AT_LAT])),
                    pickup_at=pickup_at,
                    pickup_s=part.published_s(run, pickup_s),
                    dropoff_s=part.published_s(run, dropoff_s),
                    duration_s=dropoff_s - pickup_s,
                    distance_m=metres,
                    walks_m=walks_m,
                    seats=seats,
                    price_eur=prices.of(trip, metres / 1000.0),
                    cost_min=_cost(walks_m, pickup_at, window.meant),
                )
            )
    return found


def _meant(
    part: DriverPart, run: int, windows: Sequence[Within], whole_s: float, lead_s: float
) -> list[tuple[int, float]]:
    """Service days on which a run might meet some windows, and the instants of its schedule."""
    second = float(part.index.runs.rows[run, j.SECOND])
    # A day more on either side: no clock is further from UTC, nor set by more.
    low = (min(one.earliest for one in windows) - whole_s + lead_s - second) // DAY_S - 1
    high = (max(one.latest for one in windows) + lead_s - second) // DAY_S + 1
    low, high = max(low, FIRST_S // DAY_S), min(high, LAST_S // DAY_S)
    days = part.days(run, range(int(low), int(high) + 1))
    schedule = part.trips[part.run_trip[run]].schedule
    meant = instants(schedule, np.array(days, np.int64))[0] + schedule.flex_before_s
    return list(zip(days, meant.tolist(), strict=True))


def _starts(trip: Trip, windows: Sequence[Within]) -> list[tuple[date, int]]:
    """The service days of a passenger's trip that might meet some windows, and when it begins."""
    low = min(one.earliest for one in windows) // DAY_S - 4
    high = max(one.latest for one in windows) // DAY_S + 4
    lead_s = round(trip.times_s[-1]) if trip.schedule.anchor is Anchor.ARRIVE else 0
    first = EPOCH + timedelta(days=low)
    last = EPOCH + timedelta(days=high + lead_s // DAY_S)
    days = days_of(trip.schedule, max(first, FIRST_DAY), min(last, LAST_DAY))
    starts = instants(trip.schedule, days)[0] + trip.schedule.flex_before_s - lead_s
    return [
        (EPOCH + timedelta(days=day), start)
        for day, start in zip(days.tolist(), starts.tolist(), strict=True)
    ]


def _of_passenger(
    trip: Trip, day: date, start: int, window: Within, walks_m: tuple[float, float]
) -> Journey:
    return Journey(
        trip=trip,
        role=Role.PASSENGER,
        day=day,
        pickup=trip.lonlat[0],
        dropoff=trip.lonlat[-1],
        pickup_at=start,
        pickup_s=0.0,
        dropoff_s=trip.times_s[-1],
        duration_s=trip.times_s[-1],
        distance_m=float(along_m(trip.lonlat)[-1]),
        walks_m=walks_m,
        seats=trip.seats,
        price_eur=None,
        cost_min=_cost(walks_m, start, window.meant),
    )


def _cost(walks_m: tuple[float, float], at: int, meant: int) -> float:
    return WALK_MIN * sum(walks_m) + abs(at - meant) / 60.0
