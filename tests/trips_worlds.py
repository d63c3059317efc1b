"""Small made-up towns of trips, by seed: points on a lattice, so that ties and overlaps abound."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from trips_oracle import World

from indexes.entities import Audience
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime, Weeks
from matching.detour import Ride
from matching.rides.book import TripBook, without
from matching.rides.carpool import Party, TripQuery
from matching.rides.meeting import MeetingPoint, MeetingPoints
from matching.schedule import once_day

STEP = 0.0035  # degrees: about 390 m north, 280 m east
ORIGIN = (5.35, 43.28)
CELLS = 14
# Days around both changes of the clock, and the turn of an ISO year with 53 weeks.
MONDAYS = (date(2026, 3, 23), date(2026, 10, 19), date(2026, 12, 28), date(2026, 9, 7))
ZONES = ("z1", "z2")
OVERSEAS = ["Indian/Reunion", "America/Martinique", "Pacific/Noumea"]  # on either side of UTC


def corner(rng: random.Random, cells: int = CELLS) -> tuple[float, float]:
    x, y = rng.randrange(cells), rng.randrange(cells)
    return round(ORIGIN[0] + x * STEP, 7), round(ORIGIN[1] + y * STEP, 7)


def line_of(rng: random.Random) -> tuple[tuple[float, float], ...]:
    """A walk over the lattice that mostly keeps its direction, or two far points."""
    if rng.random() < 0.2:
        return corner(rng), corner(rng)
    x, y = rng.randrange(CELLS), rng.randrange(CELLS)
    dx, dy = rng.choice([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1)])
    points = []
    for _ in range(rng.randrange(6, 30)):
        points.append((round(ORIGIN[0] + x * STEP, 7), round(ORIGIN[1] + y * STEP, 7)))
        if rng.random() < 0.2:
            dx, dy = rng.choice([(1, 0), (-1, 0), (0, 1), (0, -1), (-dx, -dy)])
        x, y = x + dx, y + dy
    return tuple(points)


def times_of(rng: random.Random, points: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    seconds, pace = [0.0], rng.uniform(0.8, 3.0)
    for (x1, y1), (x2, y2) in pairwise(points):
        steps = max(abs(x2 - x1), abs(y2 - y1)) / STEP
        seconds.append(seconds[-1] + max(1.0, round(40 * pace * steps + rng.uniform(0, 5), 3)))
    return tuple(seconds)


def schedule_of(rng: random.Random, monday: date, hour_s: int) -> Schedule:
    timezone = rng.choice(["Europe/Paris"] * 10 + OVERSEAS)
    anchor = rng.choice(list(Anchor))
    flex = rng.choice([(0, 0), (900, 900), (600, 1800), (1800, 0), (5_400, 5_400)])
    second = max(0, hour_s + rng.randrange(-2_400, 2_400, 300))
    if rng.random() < 0.4:
        day = monday + timedelta(days=rng.randrange(14))
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second - 3_600)
        return Schedule(
            timezone=timezone, anchor=anchor, flex_before_s=flex[0], flex_after_s=flex[1], at=at
        )
    days = rng.sample(range(7), rng.randrange(1, 8))
    if rng.random() < 0.3 and len(days) > 1:
        weekly = (
            WeeklyTime(days=tuple(days[:1]), second=second),
            WeeklyTime(days=tuple(days[1:]), second=second + 600),
        )
    else:
        weekly = (WeeklyTime(days=tuple(days), second=second),)
    odd = rng.random()
    valid_from = monday + timedelta(days=rng.randrange(9)) if rng.random() < 0.2 else None
    valid_to = monday + timedelta(days=rng.randrange(9, 20)) if rng.random() < 0.2 else None
    if valid_from is not None:
        valid_to = None  # else there may be no day at all, which is refused
    return Schedule(
        timezone=timezone,
        anchor=anchor,
        flex_before_s=flex[0],
        flex_after_s=flex[1],
        weekly=weekly,
        weeks=Weeks.ALL if odd < 0.7 else rng.choice([Weeks.ODD, Weeks.EVEN]),
        valid_from=valid_from,
        valid_to=valid_to,
        added=(monday + timedelta(days=6),) if rng.random() < 0.2 else (),
        removed=(monday + timedelta(days=2),) if rng.random() < 0.2 else (),
    )


def part_of(rng: random.Random, trip: Trip) -> tuple[tuple[tuple[float, float], ...], Schedule]:
    """Two points near a line, the later one last as a rule, and about when it passes."""
    points = range(len(trip.lonlat))
    a, b = max(
        (sorted(rng.sample(points, 2)) for _ in range(3)), key=lambda ends: ends[1] - ends[0]
    )
    if rng.random() < 0.1:
        a, b = b, a
    off = rng.choice([0.0, 0.0, 0.0013, 0.006])
    (lon1, lat1), (lon2, lat2) = trip.lonlat[a], trip.lonlat[b]
    ends = (round(lon1 + off, 7), lat1), (lon2, round(lat2 - off, 7))
    if ends[0] == ends[1]:
        ends = trip.lonlat[a], trip.lonlat[b]
    schedule = trip.schedule
    anchor = rng.choice(list(Anchor))
    shift = trip.times_s[a if anchor is Anchor.DEPART else b]
    if schedule.anchor is Anchor.ARRIVE:
        shift -= trip.times_s[-1]
    shift = round(shift) + rng.randrange(-1_500, 1_501, 300)
    flex = rng.choice([(900, 900), (1_800, 600), (7_200, 7_200)])
    own = replace(schedule, anchor=anchor, flex_before_s=flex[0], flex_after_s=flex[1])
    if schedule.at is not None:
        if rng.random() < 0.7:
            return ends, replace(own, at=schedule.at + timedelta(seconds=shift))
        day, second = schedule.at.date(), (schedule.at.timestamp() + 3_600) % 86_400
        weekly: tuple[WeeklyTime, ...] = (
            WeeklyTime(days=tuple({day.weekday(), 2}), second=int(second)),
        )
        return ends, replace(own, at=None, weekly=weekly)
    weekly = tuple(
        replace(time, second=min(max(0, time.second + shift), 36 * 3_600))
        for time in schedule.weekly
    )
    return ends, replace(own, weekly=weekly)


def party_of(rng: random.Random, id: str, ids: list[str]) -> Party:
    return Party(
        id=id,
        level=rng.randrange(5),
        building=rng.choice(["", "b1", "b2"]),
        residence=rng.choice(["", "r1"]),
        zones=frozenset(rng.sample(ZONES, rng.randrange(3))),
        gender=rng.choice([None, "F", "F", "M"]),
        blocked=frozenset(rng.sample(ids, 1)) if rng.random() < 0.1 else frozenset(),
        trusts={other: rng.randrange(2, 5) for other in rng.sample(ids, min(3, len(ids)))},
    )


def world_of(seed: int, trips: int) -> tuple[World, random.Random, date, int]:
    """A town, and what queries about it go by: a generator, a Monday, a second of the day."""
    rng = random.Random(seed)
    monday = rng.choice(MONDAYS)
    hour_s = rng.choice([8 * 3_600, 8 * 3_600, 2 * 3_600 + 1_200, 23 * 3_600 + 2_700, 600])
    ids = [f"m{i}" for i in range(6)]
    parties = {id: party_of(rng, id, ids) for id in ids}
    made: list[Trip] = []
    for i in range(trips):
        points = line_of(rng)
        while points[0] == points[-1]:
            points = line_of(rng)
        schedule = schedule_of(rng, monday, hour_s)
        if made and rng.random() < 0.5:  # somebody who goes a part of another's way
            points, schedule = part_of(rng, rng.choice(made))
        picky = rng.random() < 0.15
        made.append(
            Trip(
                tenant_id="t",
                id=f"trip{i}",
                role=rng.choice([Role.DRIVER, Role.DRIVER, Role.PASSENGER, Role.EITHER]),
                owner_id=rng.choice([None, *ids]),
                lonlat=points,
                times_s=times_of(rng, points),
                schedule=schedule,
                seats=rng.choice([1, 1, 2, 3]),
                max_detour_s=rng.choice([None, None, 0, 120]),
                max_walk_m=rng.choice([None, None, 300, 1_500]),
                audience=rng.choice([Audience.PUBLIC] * 12 + list(Audience)),
                verified_only=picky and rng.random() < 0.5,
                women_only=picky and rng.random() < 0.5,
                same_building=picky and rng.random() < 0.2,
                cancelled=rng.random() < 0.05,
            )
        )
    stops = []
    for i in range(rng.choice([0, 6, 25])):
        lon, lat = corner(rng)
        off = rng.choice([0.0, 0.0, 0.0011])
        stops.append(MeetingPoint(f"s{i:02}", f"Stop {i}", round(lon + off, 7), lat))
    rides = {trip.id: rides_of(rng, trip, monday) for trip in made if rng.random() < 0.3}
    seated = {trip.id: seats_of(rng, trip, monday) for trip in made if rng.random() < 0.3}
    return World(made, parties, stops, rides, seated), rng, monday, hour_s


def seats_of(rng: random.Random, trip: Trip, monday: date) -> list[date]:
    """On which days somebody has a seat with another: of who only drives, never."""
    if trip.role is Role.DRIVER:
        return []
    days = [monday + timedelta(days=rng.randrange(14)) for _ in range(3)]
    once = once_day(trip.schedule)
    return days if once is None else [once]


def book_of(world: World) -> TripBook:
    """The same town as searches want it."""
    trips = [without(trip, world.seated.get(trip.id, ())) for trip in world.trips]
    return TripBook(trips, world.parties, world.rides, MeetingPoints(world.stops))


def rides_of(rng: random.Random, trip: Trip, monday: date) -> dict[date, list[Ride]]:
    """One or two rides accepted on some days, not far off the line."""
    taken = {}
    for _ in range(5):
        rides = []
        for _ in range(rng.choice([1, 1, 2])):
            begin, end = sorted(rng.uniform(0, trip.times_s[-1]) for _ in range(2))
            near = rng.choice(trip.lonlat)
            rides.append(
                Ride(
                    (round(near[0] + 0.001, 7), near[1]),
                    corner(rng) if rng.random() < 0.1 else rng.choice(trip.lonlat),
                    round(begin, 3),
                    round(end + 1, 3) if end + 1 < trip.times_s[-1] else round(end, 3),
                    rng.choice([1, 1, 2]),
                )
            )
        taken[monday + timedelta(days=rng.randrange(14))] = rides
    return taken


def query_of(rng: random.Random, world: World, monday: date, hour_s: int, limit: int) -> TripQuery:
    """A ride along one of the lines, or anywhere."""
    origin, destination = corner(rng), corner(rng)
    schedule = schedule_of(rng, monday, hour_s)
    if rng.random() < 0.8:
        (origin, *_, destination), schedule = part_of(rng, rng.choice(world.trips))
    return TripQuery(
        origin=origin,
        destination=destination,
        schedule=schedule,
        first=monday,
        seats=rng.choice([1, 1, 2]),
        max_walk_m=rng.choice([None, None, 250, 2_500]),
        verified_only=rng.random() < 0.1,
        women_only=rng.random() < 0.1,
        same_building=rng.random() < 0.05,
        limit=limit,
    )
