"""From a join to an answer: what it costs, term by term, when and where, and why."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import exp
from typing import NamedTuple

from indexes import rides as j
from indexes.joining import between_m
from indexes.journeys import Role, Trip
from matching.detour import DETOUR_FACTOR, DETOUR_SPEED_M_S
from matching.rides.asks import (
    ELSEWHERE_MIN,
    LEVEL_MIN,
    SAME_BUILDING_MIN,
    UNMATCHED_MIN,
    WALK_MIN,
    Pass,
)
from matching.rides.carpool import Party, Prices, Stop, TripMatch
from matching.rides.clock import EPOCH, as_zone
from matching.rides.meeting import MeetingPoints
from matching.rides.parts import DriverPart, Places, clock_of
from matching.rides.reasons import trip_reasons
from matching.rides.rules import share_building

__all__ = ["WEEKDAYS", "Joined", "best_join", "joins_of", "match_of"]

TERMS = (
    "ride", "walk", "shift", "detour", "elsewhere", "unmatched_days", "trust", "same_building",
)  # fmt: skip
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
SCORE_MIN = 30.0

# A car with a combustion engine, its construction left out: ADEME, Base Empreinte, as told by
# Impact CO2 ("voiture thermique", 2024).
CO2_KG_PER_KM = 0.192

# A point of the line is told to about a metre: nobody stops more exactly.
STOP_PARTS = 1e5  # of a degree


class Joined(NamedTuple):
    """How a rider joins a driver's trip at its best, and on which days.

    ``found`` is the row of `indexes.rides`, a list; ``days`` are those asked for that are matched,
    out of ``asked``; ``service_day`` is the driver's on the first of them, ``late_s`` how many
    seconds after the time asked for the car is there as planned, ``terms`` are the minutes of
    `TERMS`, ``cost`` is their sum in whole 1e-6 minutes, and ``level`` how far who asks trusts
    the other.
    """

    part: DriverPart
    found: list[float]
    days: tuple[int, ...]
    asked: int
    service_day: int
    late_s: float
    terms: tuple[float, ...]
    cost: int
    level: int
    same_building: bool

    def rank(self, id: str) -> tuple[int, int, bytes]:
        """Cost, then when the pick-up is, then the id."""
        return self.cost, self.instant_ms(self.found[j.PICKUP_S]), id.encode()

    def instant_ms(self, second: float) -> int:
        """When a second of the ride is as planned on the first day, milliseconds since 1970."""
        midnight = clock_of(self.part.timezone, self.service_day).midnight
        return midnight * 1000 + round((self.found[j.START_S] + second) * 1000)


def joins_of(
    part: DriverPart, row: int, passes: Iterable[Pass], places: Places
) -> Iterator[tuple[Pass, list[float]]]:
    """All ways to join a driver's trip, by its number: a pass and a row of `indexes.rides`."""
    for one in passes:
        rows = part.index.scan(one.ask, one.days, places.rows, part.runs_of(row))
        for found in rows.tolist():
            yield one, found


def best_join(
    part: DriverPart,
    joins: Iterable[tuple[Pass, list[float]]],
    places: Places,
    viewer: Party,
    owner: Party,
    asked: int,
    *,
    by_driver: bool,
) -> Joined | None:
    """How a rider joins one driver's trip at the least cost, on all days together.

    Parameters
    ----------
    part : DriverPart
        Where the driver's trip is.
    joins : iterable of (Pass, list of float)
        What `joins_of` finds of it.
    places : Places
        Where the rider may get in and out.
    viewer, owner : Party
        Who asks, and whose trip was found.
    asked : int
        How many days were asked for.
    by_driver : bool
        Whether those are the driver's service days, or the rider's.
    """
    days: set[int] = set()
    best: tuple[tuple[int, int, int], Pass, list[float], tuple[float, ...]] | None = None
    for one, found in joins:
        run = int(found[j.RUN])
        served = part.days(run, one.asked)
        if not served:
            continue
        days.update(served if by_driver else [one.asked[day] for day in served])
        terms = _terms(found, places)
        key = round(sum(terms) * 1e6), served[0], run
        if best is None or key < best[0]:
            best = key, one, found, terms
    if best is None:
        return None
    (_, service_day, _), one, found, terms = best
    there_s = found[j.DROPOFF_S if one.ask[j.BY_ARRIVAL] else j.PICKUP_S]
    late_s = found[j.START_S] + there_s - float(one.ask[j.ASKED])
    level = viewer.trust(owner)
    same_building = share_building(viewer, owner)
    terms = (
        *terms,
        UNMATCHED_MIN * (asked - len(days)),
        LEVEL_MIN * -level,  # of none it is 0, not -0
        -SAME_BUILDING_MIN if same_building else 0.0,
    )
    cost = round(sum(terms) * 1e6)
    matched = tuple(sorted(days))
    return Joined(
        part, found, matched, asked, service_day, late_s, terms, cost, level, same_building
    )


def _terms(found: list[float], places: Places) -> tuple[float, ...]:
    """Those of `TERMS` that a join has by itself."""
    elsewhere = (_meeting(found, j.PICKUP, places) < 0) + (_meeting(found, j.DROPOFF, places) < 0)
    return (
        (found[j.DROPOFF_S] - found[j.PICKUP_S]) / 60.0,
        WALK_MIN * (found[j.PICKUP + j.F_WALK] + found[j.DROPOFF + j.F_WALK]),
        found[j.SHIFT] / 60.0,
        found[j.DETOUR_IN_ALL_S] / 60.0,
        ELSEWHERE_MIN * elsewhere,
    )


def _meeting(found: list[float], end: int, places: Places) -> int:
    """Row of the meeting point at an end, -1 where it is on the line."""
    return places.meeting[int(found[end + j.F_PLACE])]


def match_of(
    joined: Joined,
    trip: Trip,
    places: Places,
    meeting: MeetingPoints,
    lang: str,
    prices: Prices,
    role: Role,
) -> TripMatch:
    """What is answered: ``trip`` is what was found, ``role`` its owner's in this match."""
    part, found = joined.part, joined.found
    run = int(found[j.RUN])
    driven = part.trips[part.run_trip[run]]
    detour_s = found[j.DETOUR_IN_ALL_S]
    detour_km = detour_s * DETOUR_SPEED_M_S / 1000.0
    saved_km = DETOUR_FACTOR * places.direct_m / 1000.0 - detour_km
    pickup, dropoff = (_stop(joined, run, end, places, meeting) for end in (j.PICKUP, j.DROPOFF))
    cost_min = joined.cost / 1e6
    # Rounded as numpy does: round(minutes, 6) would take twice the time, for ties' decimal text.
    terms = {
        name: round(minutes * 1e6) / 1e6 for name, minutes in zip(TERMS, joined.terms, strict=True)
    }
    weekdays, dates = _named(joined.days)
    return TripMatch(
        id=trip.id,
        role=role,
        owner_id=trip.owner_id,
        pickup=pickup,
        dropoff=dropoff,
        walk_m=round((pickup.walk_m + dropoff.walk_m) * 10) / 10,
        ride_s=round((found[j.DROPOFF_S] - found[j.PICKUP_S]) * 10) / 10,
        detour_s=round(detour_s * 10) / 10,
        detour_share=round(detour_s / driven.times_s[-1] * 1000) / 1000,
        seats=trip.seats
        if role is Role.PASSENGER
        else part.seats_left(run, found[j.PICKUP + j.F_LINE_S], found[j.DROPOFF + j.F_LINE_S]),
        days=weekdays,
        dates=dates,
        coverage=round(len(joined.days) / joined.asked * 1000) / 1000,
        price_eur=prices.of(driven, _common_km(part, run, found) + detour_km),
        co2_saved_kg=round(CO2_KG_PER_KM * max(0.0, saved_km) * 100) / 100,
        cost_min=cost_min,
        score=min(1.0, exp(-cost_min / SCORE_MIN)),
        terms=terms,
        why=trip_reasons(
            lang,
            stops=(pickup, dropoff),
            detour_s=detour_s,
            late_s=joined.late_s,
            days=(len(joined.days), joined.asked),
            level=joined.level,
            same_building=joined.same_building,
            terms=terms,
        ),
        level=joined.level,
        estimated=driven.estimated,
        origin_name=trip.origin_name,
        destination_name=trip.destination_name,
        url=trip.url,
    )


@lru_cache(maxsize=4_096)
def _named(days: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[date, ...]]:
    """Day numbers as weekdays, each once, and as dates. Most matches of a search share them."""
    weekdays = sorted({(day + 3) % 7 for day in days})
    return (
        tuple(WEEKDAYS[day] for day in weekdays),
        tuple(EPOCH + timedelta(days=day) for day in days),
    )


def _stop(joined: Joined, run: int, end: int, places: Places, meeting: MeetingPoints) -> Stop:
    part, found = joined.part, joined.found
    second = found[j.PICKUP_S if end == j.PICKUP else j.DROPOFF_S]
    at = datetime.fromtimestamp(joined.instant_ms(second) // 1000, UTC)
    row = _meeting(found, end, places)
    lon, lat = found[end + j.F_LON], found[end + j.F_LAT]
    return Stop(
        lon=lon if row >= 0 else round(lon * STOP_PARTS) / STOP_PARTS,
        lat=lat if row >= 0 else round(lat * STOP_PARTS) / STOP_PARTS,
        at=at,
        time=at.astimezone(as_zone(part.timezone)).time().isoformat("minutes"),
        walk_m=round(found[end + j.F_WALK] * 10) / 10,
        line_s=round(part.published_s(run, found[end + j.F_LINE_S]) * 1000) / 1000,
        meeting_point=meeting[row].id if row >= 0 else "",
        name=meeting[row].name if row >= 0 else "",
    )


def _common_km(part: DriverPart, run: int, found: list[float]) -> float:
    """Kilometres of the line between pick-up and drop-off."""
    lines = part.index.lines
    first = int(lines.first[part.index.runs.rows[run, j.LINE]])
    metres: float = between_m(
        lines.points,
        first + int(found[j.PICKUP + j.F_PIECE]),
        first + int(found[j.DROPOFF + j.F_PIECE]),
        found[j.PICKUP + j.F_FRACTION],
        found[j.DROPOFF + j.F_FRACTION],
    )
    return metres / 1000.0
