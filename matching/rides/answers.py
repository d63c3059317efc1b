"""From a join to an answer: what it costs, term by term, when and where, and why."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import exp
from typing import NamedTuple

import numpy as np

from indexes import rides as j
from indexes.joining import between_m
from indexes.journeys import Role, Trip
from matching.detour import DETOUR_FACTOR
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

__all__ = ["Joined", "best_join", "joins_of", "match_of"]

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
SCORE_MIN = 30.0

# A car with a combustion engine, its construction left out: ADEME, Base Empreinte, as told by
# Impact CO2 ("voiture thermique", 2024).
CO2_KG_PER_KM = 0.192

# A point of the line is told to about a metre: nobody stops more exactly.
STOP_DECIMALS = 5


class Joined(NamedTuple):
    """How a rider joins a driver's trip at its best, and on which days.

    ``found`` is the row of `indexes.rides`, a list; ``days`` are those asked for that are matched,
    out of ``asked``; ``service_day`` is the driver's on the first of them, ``late_s`` how many
    seconds after the time asked for the car is there as planned, and ``level`` how far who asks
    trusts the other.
    """

    part: DriverPart
    found: list[float]
    days: tuple[int, ...]
    asked: int
    service_day: int
    late_s: float
    terms: dict[str, float]
    level: int
    same_building: bool

    def rank(self, id: str) -> tuple[int, int, bytes]:
        """Cost in 1e-6 minutes, then when the pick-up is, then the id."""
        return self.cost, self.instant_ms(j.PICKUP_S), id.encode()

    @property
    def cost(self) -> int:
        """Whole 1e-6 minutes."""
        return round(sum(self.terms.values()) * 1e6)

    def instant_ms(self, column: int) -> int:
        """When the car is there as planned on the first day, milliseconds since 1970."""
        midnight = clock_of(self.part.timezone, self.service_day).midnight
        return midnight * 1000 + round((self.found[j.START_S] + self.found[column]) * 1000)


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
    best: tuple[tuple[int, int, int], Pass, list[float], dict[str, float]] | None = None
    for one, found in joins:
        run = int(found[j.RUN])
        served = part.days(run, one.days)
        if not served.size:
            continue
        counted = served if by_driver else one.asked[one.days.searchsorted(served)]
        days.update(counted.tolist())
        terms = _terms(found, places)
        key = round(sum(terms.values()) * 1e6), int(served[0]), run
        if best is None or key < best[0]:
            best = key, one, found, terms
    if best is None:
        return None
    (_, service_day, _), one, found, terms = best
    there_s = found[j.DROPOFF_S if one.ask[j.BY_ARRIVAL] else j.PICKUP_S]
    late_s = found[j.START_S] + there_s - float(one.ask[j.ASKED])
    same_building = share_building(viewer, owner)
    terms["unmatched_days"] = UNMATCHED_MIN * (asked - len(days))
    level = viewer.trust(owner)
    terms["trust"] = LEVEL_MIN * -level  # of none it is 0, not -0
    terms["same_building"] = -SAME_BUILDING_MIN if same_building else 0.0
    return Joined(
        part, found, tuple(sorted(days)), asked, service_day, late_s, terms, level, same_building
    )


def _terms(found: list[float], places: Places) -> dict[str, float]:
    walks = found[j.PICKUP + j.F_WALK] + found[j.DROPOFF + j.F_WALK]
    elsewhere = sum(_meeting(found, end, places) < 0 for end in (j.PICKUP, j.DROPOFF))
    return {
        "ride": (found[j.DROPOFF_S] - found[j.PICKUP_S]) / 60.0,
        "walk": WALK_MIN * walks,
        "shift": found[j.SHIFT] / 60.0,
        "detour": found[j.DETOUR_IN_ALL_S] / 60.0,
        "elsewhere": ELSEWHERE_MIN * elsewhere,
    }


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
    found = joined.found
    driven = joined.part.trips[int(joined.part.run_trip[int(found[j.RUN])])]
    detour_s = found[j.DETOUR_IN_ALL_S]
    detour_km = detour_s * 10.0 / 1000.0
    common_km = _common_km(joined.part, found)
    saved_km = DETOUR_FACTOR * places.direct_m / 1000.0 - detour_km
    stops = [_stop(joined, end, places, meeting) for end in (j.PICKUP, j.DROPOFF)]
    cost_min = joined.cost / 1e6
    terms = {name: round(minutes, 6) for name, minutes in joined.terms.items()}
    coverage = len(joined.days) / joined.asked
    return TripMatch(
        id=trip.id,
        role=role,
        owner_id=trip.owner_id,
        pickup=stops[0],
        dropoff=stops[1],
        walk_m=round(stops[0].walk_m + stops[1].walk_m, 1),
        ride_s=round(found[j.DROPOFF_S] - found[j.PICKUP_S], 1),
        detour_s=round(detour_s, 1),
        detour_share=round(detour_s / driven.times_s[-1], 3),
        seats=trip.seats if role is Role.PASSENGER else _seats_left(joined),
        days=_weekdays(joined.days),
        dates=tuple(EPOCH + timedelta(days=day) for day in joined.days),
        coverage=round(coverage, 3),
        price_eur=prices.of(driven, common_km + detour_km),
        co2_saved_kg=round(CO2_KG_PER_KM * max(0.0, saved_km), 2),
        cost_min=cost_min,
        score=min(1.0, exp(-cost_min / SCORE_MIN)),
        terms=terms,
        why=trip_reasons(
            lang,
            stops=(stops[0], stops[1]),
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


def _weekdays(days: Sequence[int]) -> tuple[str, ...]:
    return tuple(WEEKDAYS[day] for day in sorted({(day + 3) % 7 for day in days}))


def _stop(joined: Joined, end: int, places: Places, meeting: MeetingPoints) -> Stop:
    found = joined.found
    ms = joined.instant_ms(j.PICKUP_S if end == j.PICKUP else j.DROPOFF_S)
    at = datetime.fromtimestamp(ms // 1000, UTC)
    row = _meeting(found, end, places)
    lon, lat = found[end + j.F_LON], found[end + j.F_LAT]
    run = int(found[j.RUN])
    return Stop(
        lon=lon if row >= 0 else round(lon, STOP_DECIMALS),
        lat=lat if row >= 0 else round(lat, STOP_DECIMALS),
        at=at,
        time=at.astimezone(as_zone(joined.part.timezone)).time().isoformat("minutes"),
        walk_m=round(found[end + j.F_WALK], 1),
        line_s=round(joined.part.published_s(run, found[end + j.F_LINE_S]), 3),
        meeting_point=meeting[row].id if row >= 0 else "",
        name=meeting[row].name if row >= 0 else "",
    )


def _common_km(part: DriverPart, found: list[float]) -> float:
    """Kilometres of the line between pick-up and drop-off."""
    line = part.index.runs.rows[int(found[j.RUN]), j.LINE]
    return float(between_m(part.index.lines, line, np.array(found))) / 1000.0


def _seats_left(joined: Joined) -> int:
    """Seats that are free on every leg of the ride."""
    runs = joined.part.index.runs
    row = runs.rows[int(joined.found[j.RUN])].tolist()
    booked = runs.booked[row[j.FIRST_BOOKED] : row[j.FIRST_BOOKED] + row[j.BOOKED]].tolist()
    begin = joined.found[j.PICKUP + j.F_LINE_S]
    end = joined.found[j.DROPOFF + j.F_LINE_S]
    instants = [begin, *(one[0] for one in booked if begin <= one[0] < end)]
    taken = max(sum(one[2] for one in booked if one[0] <= at < one[1]) for at in instants)
    return int(row[j.SEATS] - taken)
