"""Commutes along the sample's roads: as many as a benchmark wants, by column."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.errors import InputError
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from indexes.sample.roads import RoadNet, Ways
from indexes.sample.town import HARBOUR

__all__ = ["SampleRoutes", "TripTimes", "commute_times", "sample_routes", "work_places"]

TIMEZONE = "Europe/Paris"
FROM_DAY = date(2026, 9, 1)
LEAST_M, MOST_M = 2_000.0, 48_000.0
AT_CORE, AT_HUBS = 0.45, 0.30  # of workplaces; the rest is anywhere
HUBS = 9
NEAR_ROAD_M = 250.0  # how far from an arterial people live, a standard deviation
TO_WORK = 0.5  # of all trips; the others come back
DATED = 0.08

# Days of a week as bits, Monday first, and how many keep to them.
WORKDAYS = 0b0011111
WEEKS = (WORKDAYS, 0b0001111, 0b0010101, 0b0001010, 0b0011011, 0b0111111)
WEEK_SHARES = (0.55, 0.12, 0.08, 0.08, 0.12, 0.05)
FLEX_S = (0, 300, 600, 900, 1_800)
FLEX_SHARES = (0.05, 0.25, 0.30, 0.30, 0.10)
SEATS = (1, 2, 3, 4)
SEAT_SHARES = (0.25, 0.30, 0.35, 0.10)

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class TripTimes:
    """When trips take place, and with how many seats: row i of every column is one trip.

    ``second`` is of the local day and of the start, or of the end where ``arrive``; bit 0 of
    ``day_mask`` is Monday. A ``dated`` trip takes place once, on ``first_day`` (days since
    1970-01-01), the others from then on.
    """

    second: Ints
    day_mask: Ints
    first_day: Ints
    flex_s: Ints
    arrive: BoolArray
    dated: BoolArray
    seats: Ints

    def schedule(self, row: int, timezone: str = TIMEZONE) -> Schedule:
        """The schedule of a trip; what is dated is so in UTC."""
        anchor = Anchor.ARRIVE if self.arrive[row] else Anchor.DEPART
        flex_s, second = int(self.flex_s[row]), int(self.second[row])
        day = date(1970, 1, 1) + timedelta(days=int(self.first_day[row]))
        if self.dated[row]:
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
            return Schedule(
                timezone=timezone, anchor=anchor, flex_before_s=flex_s, flex_after_s=flex_s, at=at
            )
        days = tuple(bit for bit in range(7) if self.day_mask[row] >> bit & 1)
        return Schedule(
            timezone=timezone,
            anchor=anchor,
            flex_before_s=flex_s,
            flex_after_s=flex_s,
            weekly=(WeeklyTime(days=days, second=second),),
            valid_from=day,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SampleRoutes:
    """Drivers' lines with times, and when they are driven."""

    ways: Ways
    times: TripTimes

    def __len__(self) -> int:
        return len(self.ways)

    def trip(self, row: int, tenant_id: str = "default") -> Trip:
        """One of them as a trip of nobody's, with the id ``sample-route-0000012``."""
        return Trip(
            tenant_id=tenant_id,
            id=f"sample-route-{row:07}",
            role=Role.DRIVER,
            lonlat=self.ways.line(row),
            times_s=self.ways.times_s(row),
            schedule=self.times.schedule(row),
            seats=int(self.times.seats[row]),
        )


def sample_routes(n: int, seed: int) -> SampleRoutes:
    """Commutes of a made-up region, morning and evening, along roads that they share.

    Parameters
    ----------
    n : int
        How many, one or more; a million take some seconds and 1.5 GB.
    seed : int
        Zero or more. The same seed and number give the same routes.

    Returns
    -------
    SampleRoutes
        2 to 48 km long, half of them over 11 km, of 40 to 200 points.

    Raises
    ------
    InputError
        If a number is out of its range.

    Examples
    --------
    >>> routes = sample_routes(3, seed=1)
    >>> len(routes), routes.trip(2).id
    (3, 'sample-route-0000002')
    """
    if n < 1 or seed < 0:
        raise InputError(f"n must be one or more and seed zero or more, got {n} and {seed}")
    rng = np.random.default_rng(seed)
    net = RoadNet(HARBOUR)
    found = [np.empty((0, 4))]
    while sum(map(len, found)) < n:
        ends = np.hstack((_homes(net, n, rng), work_places(net, n, rng)))
        length_m = net.length_m(ends[:, :2], ends[:, 2:])
        found.append(ends[(length_m >= LEAST_M) & (length_m <= MOST_M)])
    ends = np.vstack(found)[:n]
    to_work = rng.random(n) < TO_WORK
    ends[~to_work] = ends[~to_work][:, [2, 3, 0, 1]]
    ways = net.ways(ends[:, :2], ends[:, 2:], rng.uniform(1.0, 1.5, n))
    return SampleRoutes(ways, commute_times(to_work, FROM_DAY, rng))


def commute_times(to_work: BoolArray, today: date, rng: np.random.Generator) -> TripTimes:
    """Peak hours of some commutes: around 07:50 to work and 17:35 back, in steps of 5 minutes.

    Parameters
    ----------
    to_work : ndarray of bool, shape (n,)
        Or back.
    today : date
        Weekly ones began up to 60 days before; those that take place once do within 14 days.
    rng : Generator
        Draws all.
    """
    n = len(to_work)
    minute = np.where(to_work, rng.normal(470.0, 45.0, n), rng.normal(1_055.0, 55.0, n))
    dated = rng.random(n) < DATED
    day = (today - date(1970, 1, 1)).days
    return TripTimes(
        second=(np.clip(np.rint(minute / 5.0), 0, 287) * 300).astype(np.int32),
        day_mask=rng.choice(WEEKS, n, p=WEEK_SHARES).astype(np.int32),
        first_day=np.where(
            dated, day + rng.integers(0, 14, n), day - rng.integers(0, 60, n)
        ).astype(np.int32),
        flex_s=rng.choice(FLEX_S, n, p=FLEX_SHARES).astype(np.int32),
        arrive=np.asarray(to_work & (rng.random(n) < 0.4)),
        dated=dated,
        seats=rng.choice(SEATS, n, p=SEAT_SHARES).astype(np.int32),
    )


def _homes(net: RoadNet, n: int, rng: np.random.Generator) -> FloatArray:
    """Mostly a few kilometres out, not far from a road."""
    along_m = np.minimum(28_000.0, rng.lognormal(np.log(7_500.0), 0.75, n))
    return net.near_roads(_roads(net, n, rng), along_m, rng.normal(0.0, NEAR_ROAD_M, n))


def work_places(net: RoadNet, n: int, rng: np.random.Generator) -> FloatArray:
    """In the middle, at a few hubs on the rings, or anywhere: as `RoadNet.metres` gives places."""
    kind = rng.choice(3, n, p=(AT_CORE, AT_HUBS, 1.0 - AT_CORE - AT_HUBS))
    hub = rng.integers(HUBS, size=n)
    along_m = np.choose(
        kind,
        (
            np.abs(rng.normal(0.0, 1_100.0, n)),
            np.array([4_000.0, 8_500.0, 16_000.0])[hub % 3] + rng.normal(0.0, 300.0, n),
            np.minimum(26_000.0, rng.lognormal(np.log(6_000.0), 0.7, n)),
        ),
    )
    road = np.where(kind == 1, 1 + hub * 5 % 11, _roads(net, n, rng))
    return net.near_roads(road, along_m, rng.normal(0.0, 0.6 * NEAR_ROAD_M, n))


def _roads(net: RoadNet, n: int, rng: np.random.Generator) -> IntArray:
    return np.asarray(rng.integers(net.count, size=n), dtype=np.int64)
