"""Trips packed for searches: drivers' lines in a corridor index, passengers by their ends."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, IntArray, LonLat, LonLatArray, as_lonlat
from geo.distance import distance_m
from indexes import rides as j
from indexes.endpoints import EndIndex
from indexes.entities import VERIFIED_LEVEL
from indexes.journeys import Anchor, Schedule, Trip, Weeks
from indexes.rides import Runs
from indexes.routes import RouteIndex, pack_lines
from matching.detour import Ride, accepted_line, budget_s
from matching.rides.carpool import ANYBODY, Party
from matching.rides.clock import DAY_S, day_number, local_to_utc
from matching.rides.meeting import MeetingPoints
from matching.schedule import days_of, runs

__all__ = [
    "DEFAULT_WALK_M",
    "MAX_WALK_M",
    "Clock",
    "DriverPart",
    "Places",
    "RiderPart",
    "Rides",
    "clock_of",
    "driven_days",
]

DEFAULT_WALK_M, MAX_WALK_M = 600, 2_000
NO_CHANGE_S = 1e12
ANY_DAY = 127
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

Rides = Mapping[date, Sequence[Ride]]  # those accepted on a trip, by service day


def driven_days(rides: Rides) -> list[date]:
    """The service days on which anybody is driven."""
    return [day for day, taken in rides.items() if taken]


class Clock(NamedTuple):
    """A local day: the instant of its midnight, and from which second on its clock is off."""

    midnight: int
    edge_s: float
    shift_s: float


@lru_cache(maxsize=4_096)
def clock_of(timezone: str, day: int) -> Clock:
    """How the clock of a service day goes, 60 hours far, against the time that passes.

    Parameters
    ----------
    timezone : str
        IANA name.
    day : int
        Day number.

    Examples
    --------
    >>> clock_of("Europe/Paris", day_number(date(2026, 3, 29)))  # 02:00 is followed by 03:00
    Clock(midnight=1774738800, edge_s=10800, shift_s=-3600)
    """
    shown = np.arange(0, 60 * 3_600 + 1, 60, dtype=np.int64)  # clocks change on the minute
    passed = local_to_utc(timezone, day * DAY_S + shown)
    off = passed - passed[0] - shown
    if not off.any():
        return Clock(int(passed[0]), NO_CHANGE_S, 0.0)
    return Clock(int(passed[0]), int(shown[np.argmax(off != 0)]), int(off[-1]))


class Places(NamedTuple):
    """Where a rider may get in and out: rows for `indexes.rides`, of which ``pickups`` are for
    the pick-up, and of each the row of its meeting point, -1 for the line itself."""

    rows: FloatArray
    pickups: int
    meeting: tuple[int, ...]
    direct_m: float

    @classmethod
    def of(
        cls, origin: LonLat, destination: LonLat, max_walk_m: int | None, meeting: MeetingPoints
    ) -> "Places":
        """Those of a ride from one point to another; degrees, EPSG:4326."""
        walk_m = float(min(MAX_WALK_M, DEFAULT_WALK_M if max_walk_m is None else max_walk_m))
        up, pickups = meeting.around(origin, walk_m)
        down, dropoffs = meeting.around(destination, walk_m)
        return cls(
            np.concatenate((pickups, dropoffs)),
            len(up),
            (*up.tolist(), *down.tolist()),
            distance_m(*origin, *destination),
        )


class DriverPart:
    """Drivers' trips of one time zone. It never changes.

    Parameters
    ----------
    trips : sequence of Trip
        One or more, of one time zone.
    owners : sequence of Party
        Of each trip.
    rides : mapping of trip id to Rides
        What is accepted on them already: those days have a line and seats of their own.

    Attributes
    ----------
    index : RouteIndex
        A run for each time of day, and one for each day with rides.
    run_trip : ndarray of int64, shape (runs,)
        The trip of each run; those of trip i are ``first_run[i]`` to ``first_run[i + 1] - 1``.
    """

    def __init__(
        self, trips: Sequence[Trip], owners: Sequence[Party], rides: Mapping[str, Rides]
    ) -> None:
        self.trips, self.owners = tuple(trips), tuple(owners)
        self.row_of = {trip.id: row for row, trip in enumerate(trips)}
        self.timezone = trips[0].schedule.timezone
        self._known = np.array([ANYBODY.trust(owner) for owner in owners], np.int8)
        self._rows_of: dict[str, list[int]] = {}
        for row, owner in enumerate(owners):
            if owner.id is not None:
                self._rows_of.setdefault(owner.id, []).append(row)
        self.rides = {trip.id: rides[trip.id] for trip in trips if trip.id in rides}
        self.buildings = {"": -1}
        self._published: dict[int, FloatArray] = {}  # of runs with rides: seconds as published
        self._lonlat: list[LonLatArray] = []
        self._times_s: list[FloatArray] = []
        self._booked = [np.empty((0, 4))]
        self._rows: list[list[int]] = []
        first_run = [0]
        for trip, owner in zip(trips, owners, strict=True):
            self._add(trip, owner)
            first_run.append(len(self._rows))
        self.first_run = np.array(first_run)
        self.run_trip = np.repeat(np.arange(len(trips)), np.diff(first_run))
        lines = pack_lines(self._lonlat, self._times_s)
        rows = np.array(self._rows, np.int32).reshape(-1, j.RUN_COLUMNS)
        self.index = RouteIndex(lines, Runs(rows, np.vstack(self._booked)))
        del self._lonlat, self._times_s, self._booked, self._rows
        self.span_s = self.index.span_s

    def _add(self, trip: Trip, owner: Party) -> None:
        line, times_s = as_lonlat(trip.lonlat), np.array(trip.times_s, np.float64)
        budget = budget_s(times_s[-1], trip.max_detour_s)
        proved = owner.building if owner.level >= VERIFIED_LEVEL else ""
        building = self.buildings.setdefault(proved, len(self.buildings) - 1)
        times = _times(trip.schedule)
        ridden = {day_number(day): taken for day, taken in self.rides.get(trip.id, {}).items()}
        several = len(times) > 1 or bool(ridden) or _is_irregular(trip.schedule)
        flex = trip.schedule.flex_before_s, trip.schedule.flex_after_s

        def add_line(line: LonLatArray, times_s: FloatArray) -> int:
            self._lonlat.append(line)
            self._times_s.append(times_s)
            return round(times_s[-1] * 1000) if trip.schedule.anchor is Anchor.ARRIVE else 0

        # The columns of `indexes.rides`, in order.
        lead_ms = add_line(line, times_s)
        number = len(self._lonlat) - 1
        for time in times:
            days = time.day_mask, time.first_day, time.last_day, several
            car = trip.seats, round(budget * 1000), building
            self._rows.append([number, time.second, lead_ms, *flex, time.dated, *days, *car, 0, 0])
        for day, taken in sorted(ridden.items()):
            one = accepted_line(line, times_s, taken)
            for time in times:
                if time.first_day <= day <= time.last_day and time.day_mask >> (day + 3) % 7 & 1:
                    self._published[len(self._rows)] = one.published_s
                    lead_ms = add_line(one.lonlat, one.times_s)
                    days = ANY_DAY, day, day, True
                    car = trip.seats, round((budget - one.detour_s) * 1000), building
                    row = [len(self._lonlat) - 1, time.second, lead_ms, *flex, time.dated, *days]
                    booked = sum(map(len, self._booked)), len(one.rides)
                    self._rows.append([*row, *car, *booked])
                    self._booked.append(one.rides)

    def levels_for(self, viewer: Party, alive: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
        """How far somebody trusts the owner of each trip.

        -1 for those that are not alive, are one's own, or whose owner one never sees.
        """
        # As np.where(alive, self._known, -1), at a tenth of the time: -1 is all bits.
        levels: npt.NDArray[np.int8] = self._known | (alive.view(np.int8) - np.int8(1))
        for member, level in viewer.trusts.items():
            rows = self._rows_of.get(member, [])
            levels[rows] = np.where(alive[rows], level, -1)
        for other in {viewer.id or "", *viewer.blocked} & self._rows_of.keys():
            levels[self._rows_of[other]] = -1
        return levels

    def building_of(self, viewer: Party) -> int:
        """The number of the building where somebody is proved to live; -1 if no owner does."""
        proved = viewer.building if viewer.level >= VERIFIED_LEVEL else ""
        return self.buildings.get(proved, -1)

    def runs_of(self, trip: int) -> IntArray:
        """The runs of a trip, by its number."""
        return np.arange(self.first_run[trip], self.first_run[trip + 1])

    def days(self, run: int, days: Iterable[int]) -> list[int]:
        """Which of some service days, in order, a run takes place on."""
        mask, begin, end, several = self.index.runs.rows[run, j.DAY_MASK : j.SEVERAL + 1].tolist()
        kept = [day for day in days if begin <= day <= end and mask >> (day + 3) % 7 & 1]
        if not kept or not several:
            return kept
        trip = self.trips[self.run_trip[run]]
        if _is_irregular(trip.schedule):
            first, last = (date.fromordinal(kept[i] + EPOCH_ORDINAL) for i in (0, -1))
            served = set(days_of(trip.schedule, first, last).tolist())
            kept = [day for day in kept if day in served]
        if trip.id in self.rides and run not in self._published:
            taken = {day_number(day) for day in driven_days(self.rides[trip.id])}
            kept = [day for day in kept if day not in taken]
        return kept

    def seats_left(self, run: int, begin_s: float, end_s: float) -> int:
        """The seats that are free on every leg between two seconds of a run's line."""
        row = self.index.runs.rows[run].tolist()
        if not row[j.BOOKED]:
            return int(row[j.SEATS])
        first = row[j.FIRST_BOOKED]
        booked = self.index.runs.booked[first : first + row[j.BOOKED]].tolist()
        # A car is fullest when somebody gets in.
        instants = [begin_s, *(one[0] for one in booked if begin_s < one[0] < end_s)]
        taken = max(sum(one[2] for one in booked if one[0] <= at < one[1]) for at in instants)
        return int(row[j.SEATS] - taken)

    def published_s(self, run: int, seconds: float) -> float:
        """Seconds along the line as published, of seconds along a run's own line."""
        published = self._published.get(run)
        if published is None:
            return seconds
        line = self.index.runs.rows[run, j.LINE]
        lines = self.index.lines
        own_ms = lines.points[lines.first[line] : lines.first[line + 1], 2]
        return float(np.interp(seconds * 1000.0, own_ms, published))


class RiderPart:
    """Passengers' trips, found by their two ends. It never changes.

    Parameters
    ----------
    trips : sequence of Trip
        One or more.
    owners : sequence of Party
        Of each trip.
    meeting : MeetingPoints
        Where they may be picked up.

    Attributes
    ----------
    ends : ndarray of float64, shape (2 n, 2)
        Where each trip begins, and then where it ends; degrees, EPSG:4326.
    """

    def __init__(
        self, trips: Sequence[Trip], owners: Sequence[Party], meeting: MeetingPoints
    ) -> None:
        self.trips, self.owners = tuple(trips), tuple(owners)
        self.row_of = {trip.id: row for row, trip in enumerate(trips)}
        ends = as_lonlat([end for trip in trips for end in (trip.lonlat[0], trip.lonlat[-1])])
        self.ends = ends
        points: list[LonLat] = [(lon, lat) for lon, lat in ends.tolist()]
        self.places = [
            Places.of(points[2 * i], points[2 * i + 1], trip.max_walk_m, meeting)
            for i, trip in enumerate(trips)
        ]
        self.index = EndIndex(ends[::2], ends[1::2])


class _Time(NamedTuple):
    second: int
    day_mask: int
    first_day: int
    last_day: int
    dated: bool


def _times(schedule: Schedule) -> list[_Time]:
    """The times of a schedule; once, it is in seconds that pass since midnight."""
    found = [
        _Time(run.second, run.day_mask, run.first_day, run.last_day, dated=False)
        for run in runs(schedule)
    ]
    if schedule.at is not None:
        (once,) = found
        midnight = clock_of(schedule.timezone, once.first_day).midnight
        passed = int(schedule.at.timestamp() // 1) - midnight
        return [once._replace(second=passed, dated=True)]
    return found


def _is_irregular(schedule: Schedule) -> bool:
    """Whether its days are fewer than weekdays and validity tell."""
    return bool(
        schedule.added
        or schedule.removed
        or schedule.weeks is not Weeks.ALL
        or not schedule.public_holidays
    )
