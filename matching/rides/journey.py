"""What other platforms ask about journeys, and what they are told: records, ids and windows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from geo.arrays import LonLat
from geo.errors import InputError
from indexes.entities import Audience
from indexes.journeys import Role, Trip
from matching.rides.clock import DAY_S, FIRST_DAY, LAST_DAY, day_number, local_to_utc

__all__ = [
    "FIRST_S",
    "LAST_S",
    "Journey",
    "JourneyId",
    "Way",
    "Within",
    "is_open",
    "weekly_windows",
]

# Between which instants anything is known: seconds since 1970, UTC.
FIRST_S, LAST_S = (day_number(day) * DAY_S for day in (FIRST_DAY, LAST_DAY))


class Way(NamedTuple):
    """From where to where, (lon, lat) in degrees, EPSG:4326, and within how many metres."""

    departure: LonLat
    arrival: LonLat
    departure_m: float
    arrival_m: float


class Within(NamedTuple):
    """Between which instants, both included, and which is meant: seconds since 1970, UTC."""

    earliest: int
    latest: int
    meant: int


class JourneyId(NamedTuple):
    """A trip on one service day, as one of the two roles. ``str()`` and `parse` are inverse.

    Examples
    --------
    >>> str(JourneyId(Role.DRIVER, date(2026, 11, 23), "trip-7"))
    'driver-2026-11-23-trip-7'
    >>> JourneyId.parse("driver-2026-11-23-trip-7").trip_id
    'trip-7'
    """

    role: Role
    day: date
    trip_id: str

    def __str__(self) -> str:
        return f"{self.role}-{self.day}-{self.trip_id}"

    @classmethod
    def parse(cls, text: str) -> "JourneyId":
        """Raises `InputError` for what can be no journey's id."""
        for role in (Role.DRIVER, Role.PASSENGER):
            if text.startswith(f"{role}-"):
                day, dash, trip_id = (rest := text[len(role) + 1 :])[:10], rest[10:11], rest[11:]
                try:
                    found = cls(role, date.fromisoformat(day), trip_id)
                except ValueError:
                    break
                if dash and trip_id and str(found) == text:
                    return found
        raise InputError("a journey's id must be one that a search answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A trip on a service day, and the part of it that two share.

    ``pickup`` and ``dropoff`` are degrees, EPSG:4326, ``pickup_at`` seconds since 1970, UTC.
    ``pickup_s`` and ``dropoff_s`` are seconds along the line as published. ``seats`` are those
    free on all that way (a driver's), or needed (a passenger's).
    """

    trip: Trip
    role: Role
    day: date
    pickup: LonLat
    dropoff: LonLat
    pickup_at: int
    pickup_s: float
    dropoff_s: float
    duration_s: float
    distance_m: float
    walks_m: tuple[float, float]
    seats: int
    price_eur: float | None
    cost_min: float

    @property
    def id(self) -> JourneyId:
        """Unique among all journeys of a town, and the same in every answer."""
        return JourneyId(self.role, self.day, self.trip.id)

    @property
    def rank(self) -> tuple[float, int, bytes]:
        """What journeys are sorted by."""
        return round(self.cost_min, 6), self.pickup_at, str(self.id).encode()


def is_open(trip: Trip) -> bool:
    """Whether a trip may be told to people of whom nothing is known."""
    asks = trip.verified_only or trip.same_building or trip.women_only
    return trip.audience is Audience.PUBLIC and not asks and not trip.cancelled


def weekly_windows(
    timezone: str, second: int, weekdays: Iterable[int], delta_s: int, begin: int, end: int
) -> list[Within]:
    """A time of day on some weekdays, as instants.

    Parameters
    ----------
    timezone : str
        Whose clock shows it.
    second : int
        Of the local day.
    weekdays : iterable of int
        0 is Monday.
    delta_s : int
        How much earlier or later also counts: of instants, so that 00:05 on Tuesday is within
        15 minutes of 23:55 on Monday.
    begin, end : int
        Both included; nothing outside of these instants counts.

    Examples
    --------
    >>> weekly_windows("Europe/Paris", 28_800, [1], 900, 0, 604_800)
    [Within(earliest=456300, latest=458100, meant=457200)]
    """
    begin, end = max(begin, FIRST_S), min(end, LAST_S)
    if begin > end:
        return []
    around = 2 + delta_s // DAY_S
    first = max(begin // DAY_S - around, FIRST_S // DAY_S)
    days = np.arange(first, min(end // DAY_S + around, LAST_S // DAY_S) + 1)
    days = days[np.isin((days + 3) % 7, list(weekdays))]
    found = []
    for meant in local_to_utc(timezone, days * DAY_S + second).tolist():
        earliest, latest = max(meant - delta_s, begin), min(meant + delta_s, end)
        if earliest <= latest:
            found.append(Within(earliest, latest, meant))
    return found
