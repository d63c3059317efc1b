"""Carpooling by hand: every trip looked at, every pair of stops tried, to hold the engine to.

As in `oracles`, nothing here is imported from the rooms: records are read by their fields.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise, product
from typing import Any
from zoneinfo import ZoneInfo

import oracles

WALK_M_S = 1.12
METRES_PER_DEGREE = math.pi * 6_371_008.8 / 180
REACH_M = 1_000.0
TWO_WEEKS = 14


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    return oracles.distance_m(*one, *other)


@dataclass
class World:
    """Trips, who owns them, what is accepted on them by day, and where people meet."""

    trips: Sequence[Any]
    parties: Mapping[str, Any]
    stops: Sequence[Any]
    rides: Mapping[str, Mapping[date, Sequence[Any]]] = field(default_factory=dict)
    seated: Mapping[str, Sequence[date]] = field(default_factory=dict)  # who rides when, by trip


@dataclass
class Line:
    """Points and seconds, what is booked on it (begin, end, seats, slack), and detour spent."""

    points: list[tuple[float, float]]
    seconds: list[float]
    booked: list[tuple[float, float, int, float]]
    spent_s: float


@dataclass
class Option:
    """A stop at one passing: where, when on the line, walk, detour, piece."""

    point: tuple[float, float]
    second: float
    walk_m: float
    detour_s: float
    piece: int
    meeting: str | None


@dataclass
class Join:
    """What two stops come to."""

    effort_ms: int
    ride_ms: int
    minutes: float  # ride, walk, shift, detour, elsewhere
    pickup_ms: int  # since 1970
    stops: tuple[str | None, str | None]
    detour_s: float


# -- when -----------------------------------------------------------------------------------------


def is_on(schedule: Any, day: date) -> bool:
    """Whether a schedule's service day is this one."""
    if schedule.at is not None:
        return bool(schedule.at.astimezone(ZoneInfo(schedule.timezone)).date() == day)
    if day in schedule.removed:
        return False
    if day in schedule.added:
        return True
    if schedule.valid_from is not None and day < schedule.valid_from:
        return False
    if schedule.valid_to is not None and day > schedule.valid_to:
        return False
    week = day.isocalendar().week
    if schedule.weeks.value != "all" and schedule.weeks.value != ("odd" if week % 2 else "even"):
        return False
    return any(day.weekday() in time.days for time in schedule.weekly)


def meant(schedule: Any, day: date) -> float:
    """The instant of a service day, seconds since 1970."""
    if schedule.at is not None:
        return float(schedule.at.timestamp() // 1)
    second = next(
        (time.second for time in schedule.weekly if day.weekday() in time.days),
        schedule.weekly[0].second,
    )
    wall = datetime(day.year, day.month, day.day) + timedelta(seconds=second)
    return wall.replace(tzinfo=ZoneInfo(schedule.timezone)).timestamp()


def days_asked(schedule: Any, first: date | None) -> list[date]:
    if schedule.at is not None:
        return [schedule.at.astimezone(ZoneInfo(schedule.timezone)).date()]
    assert first is not None
    days = [first + timedelta(days=i) for i in range(TWO_WEEKS)]
    return [day for day in days if is_on(schedule, day)]


# -- where ----------------------------------------------------------------------------------------


def published(trip: Any) -> Line:
    return Line(
        [(round(lon, 7), round(lat, 7)) for lon, lat in trip.lonlat],
        [round(second * 1000) / 1000 for second in trip.times_s],
        [],
        0.0,
    )


def by_way_of(line: Line, rides: Sequence[Any]) -> Line:
    """The line by way of stops that are accepted, each between the points its second lies in."""
    stops = sorted(
        (second, point, number, end)
        for number, ride in enumerate(rides)
        for end, (second, point) in enumerate(
            ((ride.pickup_s, ride.pickup), (ride.dropoff_s, ride.dropoff))
        )
    )
    points, seconds = [line.points[0]], [line.seconds[0]]
    ends: dict[tuple[int, int], float] = {}
    late_at_end: dict[int, float] = {}
    own: dict[int, float] = dict.fromkeys(range(len(rides)), 0.0)
    late = 0.0
    rest = list(zip(line.points[1:], line.seconds[1:], strict=True))
    for second, point, number, end in stops:
        while len(rest) > 1 and rest[0][1] < second:
            passed, at = rest.pop(0)
            points.append(passed)
            seconds.append(max(at + late, seconds[-1] + 0.001))
        extra = 0.13 * max(
            0.0,
            distance_m(points[-1], point)
            + distance_m(point, rest[0][0])
            - distance_m(points[-1], rest[0][0]),
        )
        at = max(second + late + extra / 2, seconds[-1] + 0.001)
        points.append(point)
        seconds.append(at)
        late += extra
        own[number] += extra
        ends[number, end] = at
        late_at_end[number] = late
    for point, second in rest:
        points.append(point)
        seconds.append(max(second + late, seconds[-1] + 0.001))
    booked = [
        (ends[i, 0], ends[i, 1], ride.seats, max(0.0, 300.0 - (late_at_end[i] - own[i])))
        for i, ride in enumerate(rides)
    ]
    return Line(
        [(round(lon, 7), round(lat, 7)) for lon, lat in points],
        [round(second * 1000) / 1000 for second in seconds],
        booked,
        late,
    )


def nearest_part(
    line: Line, piece: int, place: tuple[float, float], low: float, high: float
) -> tuple[tuple[float, float], float] | None:
    """The nearest point of a piece inside a window, and its second; None if it is outside."""
    (x1, y1), (x2, y2) = line.points[piece], line.points[piece + 1]
    t1, t2 = line.seconds[piece], line.seconds[piece + 1]
    if t2 < low or t1 > high:
        return None
    east = math.cos(math.radians(place[1]))
    ax, ay = (x1 - place[0]) * east, y1 - place[1]
    bx, by = (x2 - place[0]) * east, y2 - place[1]
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    least, most = max(0.0, (low - t1) / (t2 - t1)), min(1.0, (high - t1) / (t2 - t1))
    share = least if length2 == 0 else min(max(-(ax * dx + ay * dy) / length2, least), most)
    return (x1 + share * (x2 - x1), y1 + share * (y2 - y1)), t1 + share * (t2 - t1)


def extra_s(line: Line, piece: int, *via: tuple[float, float]) -> float:
    way = [line.points[piece], *via, line.points[piece + 1]]
    driven = sum(distance_m(a, b) for a, b in pairwise(way))
    return 0.13 * max(0.0, driven - distance_m(way[0], way[-1]))


def options(
    line: Line, place: tuple[float, float], walk_m: float, stops: Iterable[Any],
    low: float, high: float,
) -> list[Option]:  # fmt: skip
    """Every passing of the line by the place, and by the meeting points next to it."""
    near = sorted(
        (distance_m(place, (stop.lon, stop.lat)), stop.id, stop)
        for stop in stops
        if distance_m(place, (stop.lon, stop.lat)) <= walk_m
    )[:8]
    found: list[Option] = []
    targets: list[tuple[Any, float]] = [(None, 0.0), *((stop, walk) for walk, _, stop in near)]
    for stop, walk in targets:
        here = place if stop is None else (stop.lon, stop.lat)
        reach = walk_m if stop is None else REACH_M
        passing: list[Option] = []
        passings = []
        for piece in range(len(line.points) - 1):
            part = nearest_part(line, piece, here, low, high)
            off_m = math.inf if part is None else distance_m(here, part[0])
            if part is None or off_m > reach:
                passings.append(passing)
                passing = []
                continue
            point, second = part
            if stop is None:
                passing.append(Option(point, second, off_m, 0.0, piece, None))
            else:
                detour = extra_s(line, piece, here)
                detour = detour if round(1000 * detour) else 0.0
                passing.append(Option(here, second, walk, detour, piece, stop.id))
        passings.append(passing)
        for one in [p for p in passings if p][:32]:
            # To the millimetre and the millisecond, the first of equals.
            found.append(
                min(one, key=lambda o: round(1000 * (o.walk_m if stop is None else o.detour_s)))
            )
    return found


def has_room(line: Line, seats: int, needed: int, up: Option, down: Option, late: Any) -> bool:
    if needed > seats:
        return False
    for _, end, _, slack in line.booked:
        delay = (late[0] if up.second < end else 0.0) + (late[1] if down.second < end else 0.0)
        if delay > slack:
            return False
    instants = [up.second, *(b[0] for b in line.booked if up.second <= b[0] < down.second)]
    return all(
        needed + sum(b[2] for b in line.booked if b[0] <= instant < b[1]) <= seats
        for instant in instants
    )


def join(
    line: Line, start: float, flex: tuple[int, int], seats: int, budget_s: float,
    origin: tuple[float, float], destination: tuple[float, float], walk_m: float,
    stops: Sequence[Any], needed: int, window: tuple[float, float, float], by_arrival: bool,
) -> Join | None:  # fmt: skip
    """The pair of stops of least effort, out of all."""
    earliest, latest, wanted = window
    # Seconds since 1970 leave a float no more than a tenth of a microsecond: whole milliseconds.
    low, high = (round(at, 3) for at in (earliest - flex[1] - start, latest + flex[0] - start))
    always = (-math.inf, math.inf)
    ups = options(line, origin, walk_m, stops, *(always if by_arrival else (low, high)))
    downs = options(line, destination, walk_m, stops, *((low, high) if by_arrival else always))
    best: Join | None = None
    for up, down in product(ups, downs):
        if down.second <= up.second:
            continue
        walks = up.walk_m + down.walk_m
        if walks > 0.5 * distance_m(origin, destination):
            continue
        a, b = up.detour_s, down.detour_s
        if up.piece == down.piece:
            detour = extra_s(line, up.piece, up.point, down.point) if a + b > 0 else 0.0
            parts = detour / (1 + (a > 0) + (b > 0))
            at_up = up.second + (parts if a > 0 else 0.0)
            at_down = down.second + parts * (2 if a > 0 else (b > 0))
            late = (detour, 0.0) if a > 0 else (0.0, detour)
        else:
            detour = a + b
            at_up, at_down = up.second + a / 2, down.second + a + b / 2
            late = (a, b)
        if detour * 1000 > round(budget_s * 1000):
            continue
        served = at_down if by_arrival else at_up
        if not low - 0.0005 <= served <= high + 0.0005:
            continue
        if not has_room(line, seats, needed, up, down, late):
            continue
        elsewhere = (up.meeting is None) + (down.meeting is None)
        walk_min = 2.0 * walks / WALK_M_S / 60
        effort = round((walk_min + elsewhere) * 60_000 + detour * 1000)
        ride = round((at_down - at_up) * 1000)
        if best is not None and (effort, ride) >= (best.effort_ms, best.ride_ms):
            continue
        shift = abs(start + (down if by_arrival else up).second - wanted)
        minutes = (at_down - at_up + shift + detour) / 60 + walk_min + elsewhere
        best = Join(
            effort, ride, minutes, round((start + at_up) * 1000), (up.meeting, down.meeting), detour
        )
    return best


# -- who ------------------------------------------------------------------------------------------


def sees(viewer: Any, trip: Any, owner: Any) -> bool:
    audience = trip.audience.value
    if audience == "public":
        return True
    if viewer.id is None:
        return False
    if audience == "city":
        return True
    if audience == "zone":
        return bool(set(viewer.zones) & set(owner.zones))
    if viewer.level < 2 or (trip.owner_id is not None and owner.level < 2):
        return False
    wall = trip.audience_id or getattr(owner, audience)
    return getattr(viewer, audience) != "" and getattr(viewer, audience) == wall


def same_building(one: Any, other: Any) -> bool:
    return one.level >= 2 and other.level >= 2 and one.building == other.building != ""


def may_ride(viewer: Any, wishes: Any, trip: Any, owner: Any) -> bool:
    if viewer.id is not None and viewer.id == trip.owner_id:
        return False
    if trip.owner_id in viewer.blocked or viewer.id in owner.blocked:
        return False
    if not sees(viewer, trip, owner):
        return False
    for wish, own, other in ((wishes, viewer, owner), (trip, owner, viewer)):
        if wish.verified_only and other.level < 2:
            return False
        if wish.women_only and other.gender != "F":
            return False
        if wish.same_building and not same_building(own, other):
            return False
    return True


# -- all together ---------------------------------------------------------------------------------


@dataclass(order=True)
class Ranked:
    cost: int
    pickup_ms: int
    id: bytes
    days: tuple[date, ...] = field(compare=False)
    stops: tuple[str | None, str | None] = field(compare=False)


def pair(
    world: World, driver: Any, ask: Any, seats: int, days: Sequence[date], by_driver: bool,
    who: tuple[Any, Any], id: str, busy: Collection[date] = (),
) -> Ranked | None:  # fmt: skip
    """How a rider's ask (origin, destination, schedule, walk) goes with one driver's trip.

    The rider has a seat, or drives, on the days that are ``busy``.
    """
    origin, destination, schedule, max_walk_m = ask
    if distance_m(origin, destination) < 1_000:
        return None
    walk_m = float(min(2_000, 600 if max_walk_m is None else max_walk_m))
    duration = driver.times_s[-1]
    budget = min(900.0, max(300.0, 0.25 * duration))
    if driver.max_detour_s is not None:
        budget = min(budget, driver.max_detour_s)
    matched: set[date] = set()
    best: tuple[float, date, Join] | None = None
    span = [timedelta(days=i) for i in range(-3, 4)]
    for counted in days:
        for shift in span:
            service, asked = (counted, counted + shift) if by_driver else (counted + shift, counted)
            if not is_on(driver.schedule, service) or not is_on(schedule, asked):
                continue
            if service in world.seated.get(driver.id, ()) or asked in busy:
                continue
            line = published(driver)
            taken = world.rides.get(driver.id, {}).get(service, ())
            if taken:
                line = by_way_of(line, taken)
            start = meant(driver.schedule, service)
            if driver.schedule.anchor.value == "arrive":
                start -= line.seconds[-1]
            wanted = meant(schedule, asked)
            found = join(
                line, start, (driver.schedule.flex_before_s, driver.schedule.flex_after_s),
                driver.seats, budget - line.spent_s, origin, destination, walk_m, world.stops,
                seats, (wanted - schedule.flex_before_s, wanted + schedule.flex_after_s, wanted),
                schedule.anchor.value == "arrive",
            )  # fmt: skip
            if found is None:
                continue
            matched.add(counted)
            key = round(found.minutes * 1e6), service
            if best is None or key < (round(best[0] * 1e6), best[1]):
                best = found.minutes, service, found
    if best is None:
        return None
    viewer, owner = who
    trust = viewer.trusts.get(owner.id, 1 if owner.level else 0)
    minutes = best[0] + 2.5 * (len(days) - len(matched)) - 6.0 * trust / 4
    minutes -= 3.0 * same_building(viewer, owner)
    return Ranked(
        round(minutes * 1e6), best[2].pickup_ms, id.encode(), tuple(sorted(matched)), best[2].stops
    )


def drivers(world: World, viewer: Any, query: Any, nobody: Any) -> list[Ranked]:
    """Who drives a rider, best first."""
    ask = query.origin, query.destination, query.schedule, query.max_walk_m
    days = days_asked(query.schedule, query.first)
    found = []
    for trip in world.trips:
        owner = world.parties.get(trip.owner_id, nobody)
        if trip.cancelled or trip.role.value == "passenger":
            continue
        if not may_ride(viewer, query, trip, owner):
            continue
        one = pair(world, trip, ask, query.seats, days, False, (viewer, owner), trip.id)
        if one is not None:
            found.append(one)
    return sorted(found)[: query.limit]


def drivers_of_trip(world: World, trip: Any, first: date, limit: int, nobody: Any) -> list[Ranked]:
    """Who drives the owner of a standing trip on days when they are free, best first."""
    owner = world.parties.get(trip.owner_id, nobody)
    ask, busy = ride_of(world, trip)
    days = [day for day in days_asked(trip.schedule, first) if day not in busy]
    if trip.schedule.at is not None and days_asked(trip.schedule, first)[0] < first:
        return []
    found = []
    for driver in world.trips:
        other = world.parties.get(driver.owner_id, nobody)
        if driver.cancelled or driver.role.value == "passenger" or driver.id == trip.id:
            continue
        if not may_ride(owner, trip, driver, other) or not sees(other, trip, owner):
            continue
        one = pair(world, driver, ask, trip.seats, days, False, (owner, other), driver.id)
        if one is not None:
            found.append(one)
    return sorted(found)[:limit]


def ride_of(world: World, trip: Any) -> tuple[Any, set[date]]:
    """What a trip's owner asks for as a rider, and the days on which they ride or drive already."""
    ends = [(round(lon, 7), round(lat, 7)) for lon, lat in (trip.lonlat[0], trip.lonlat[-1])]
    drives = [day for day, rides in world.rides.get(trip.id, {}).items() if rides]
    return (*ends, trip.schedule, trip.max_walk_m), {*drives, *world.seated.get(trip.id, ())}


def riders(
    world: World, viewer: Any, trip: Any, first: date | None, limit: int, nobody: Any
) -> list[Ranked]:
    """Whom a driver may take along, best first."""
    found = []
    days = days_asked(trip.schedule, first)
    for rider in world.trips:
        owner = world.parties.get(rider.owner_id, nobody)
        if rider.cancelled or rider.role.value == "driver" or rider.id == trip.id:
            continue
        if not may_ride(viewer, trip, rider, owner) or not sees(owner, trip, viewer):
            continue
        ask, busy = ride_of(world, rider)
        one = pair(world, trip, ask, rider.seats, days, True, (viewer, owner), rider.id, busy)
        if one is not None:
            found.append(one)
    return sorted(found)[:limit]
