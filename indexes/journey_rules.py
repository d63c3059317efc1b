"""What a trip, a booking and a message must be to be kept; `indexes.rules` checks them by it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from math import inf
from typing import Any

from geo.errors import InputError
from indexes.audience import Audience
from indexes.fields import DEGREES, FLAG, ID, INSTANT, Rule, or_none, text, whole
from indexes.journeys import Booking, BookingStatus, Message, Role, Schedule, Trip
from indexes.schedules import FIRST_DAY, LAST_DAY, require_schedule

__all__ = [
    "AMONG_JOURNEYS",
    "JOURNEYS",
    "MAX_DURATION_S",
    "MAX_POINTS",
    "MAX_SEATS",
    "require_line",
]

MAX_POINTS = 10_000
MAX_SEATS = 8
MAX_DURATION_S = 48 * 3_600
MAX_WALK_M = 2_000
MAX_PRICE_EUR = 10_000.0

PRICE = Rule(
    (float, int), f"euros, 0 to {MAX_PRICE_EUR:,.0f}", lambda value: 0 <= value <= MAX_PRICE_EUR
)
SECONDS = Rule((float, int), "seconds, zero or more", lambda value: 0 <= value < inf)
DAY = Rule((date,), "a day", lambda day: FIRST_DAY <= day <= LAST_DAY)
SEATS = whole(1, MAX_SEATS)
LINE = text(500)
NAME = text(300)
URL = text(2_000)

JOURNEYS: dict[type, dict[str, Rule]] = {
    Trip: {
        "role": Rule((Role,), "a role", None),
        "lonlat": Rule((tuple,), "points, a tuple of (lon, lat)", None),
        "times_s": Rule((tuple,), "seconds, a tuple", None),
        "schedule": Rule((Schedule,), "a schedule", None),
        "owner_id": or_none(ID),
        "estimated": FLAG,
        "seats": SEATS,
        "max_detour_s": or_none(whole(0, 86_400)),
        "max_walk_m": or_none(whole(0, MAX_WALK_M)),
        "audience": Rule((Audience,), "an audience", None),
        "audience_id": or_none(ID),
        "verified_only": FLAG,
        "same_building": FLAG,
        "women_only": FLAG,
        "luggage": or_none(whole(1, 5)),
        "smoking": or_none(FLAG),
        "animals": or_none(FLAG),
        "music": or_none(FLAG),
        "talker": or_none(FLAG),
        "origin_name": NAME,
        "destination_name": NAME,
        "price_eur": or_none(PRICE),
        "url": URL,
        "published_at": or_none(INSTANT),
        "cancelled": FLAG,
    },
    Booking: {
        "trip_id": or_none(ID),
        "driver_id": ID,
        "passenger_id": ID,
        "day": DAY,
        "pickup_at": INSTANT,
        "pickup_lon": DEGREES,
        "pickup_lat": DEGREES,
        "dropoff_lon": DEGREES,
        "dropoff_lat": DEGREES,
        "pickup_s": SECONDS,
        "dropoff_s": SECONDS,
        "seats": SEATS,
        "status": Rule((BookingStatus,), "a status", None),
        "passenger_trip_id": or_none(ID),
        "price_eur": or_none(PRICE),
        "pickup_address": LINE,
        "dropoff_address": LINE,
        "driver_alias": NAME,
        "driver_operator": NAME,
        "passenger_alias": NAME,
        "passenger_operator": NAME,
        "url": URL,
        "created_at": or_none(INSTANT),
    },
    Message: {
        "sender_id": ID,
        "recipient_id": ID,
        "recipient_role": Rule((Role,), "a role", None),
        "text": text(500, least=1, lines=True),
        "sender_alias": NAME,
        "sender_operator": NAME,
        "trip_id": or_none(ID),
        "booking_id": or_none(ID),
        "sent_at": or_none(INSTANT),
    },
}

Columns = Mapping[str, Sequence[Any]]
Faults = Iterable[tuple[int, str, str]]

_NUMBERS = (float, int)
_OWNERS = ("audience", "audience_id", "owner_id", "same_building", "women_only")


def _line_fault(lonlat: tuple[Any, ...], times_s: tuple[Any, ...]) -> tuple[str, str] | None:
    """What is wrong with a line and its times: a code, and what was wanted."""
    if not 2 <= len(lonlat) <= MAX_POINTS:
        wanted = f"2 to {MAX_POINTS:,} points"
        return "invalid-route", f"a route must have {wanted}, got {len(lonlat):,}"
    for point in lonlat:
        if type(point) is not tuple or list(map(type, point)) not in _PAIRS:
            return "invalid-route", "a route's points are pairs (lon, lat) of numbers"
        if not (-180 <= point[0] <= 180 and -90 <= point[1] <= 90):
            return "invalid-coordinates", "a route's points must be degrees on the Earth"
    if all(point == lonlat[0] for point in lonlat):
        return "zero-length-route", "a route must lead somewhere, all its points are one"
    if len(times_s) != len(lonlat):
        return "invalid-times", f"wanted {len(lonlat):,} times, one a point, got {len(times_s):,}"
    if not all(type(time) in _NUMBERS and -inf < time < inf for time in times_s):
        return "invalid-times", "times must be numbers of seconds"
    if max(times_s) > MAX_DURATION_S:
        return "invalid-times", f"a trip takes {MAX_DURATION_S // 3_600} hours at most"
    # As they are kept: in whole milliseconds.
    rising = min(times_s) == times_s[0] == 0 and all(
        a < b for a, b in pairwise(round(time * 1e3) for time in times_s)
    )
    if not rising:
        return "invalid-times", "times must begin with 0 and rise from point to point"
    return None


def require_line(lonlat: tuple[Any, ...], times_s: tuple[Any, ...]) -> None:
    """Raise `InputError` for a line and its times that can't be a trip's."""
    if fault := _line_fault(lonlat, times_s):
        raise InputError(fault[1], code=fault[0])


_PAIRS = [[one, other] for one in _NUMBERS for other in _NUMBERS]


def _trips(columns: Columns) -> Faults:
    lines = zip(columns["lonlat"], columns["times_s"], strict=True)
    for row, (lonlat, times_s) in enumerate(lines):
        if fault := _line_fault(lonlat, times_s):
            yield row, *fault
    for row, schedule in enumerate(columns["schedule"]):
        try:
            require_schedule(schedule)
        except InputError as error:
            yield row, error.code, str(error)
    owners = zip(*(columns[name] for name in _OWNERS), strict=True)
    for row, (audience, audience_id, owner, same_building, women_only) in enumerate(owners):
        walls = audience in (Audience.BUILDING, Audience.RESIDENCE)
        # An owner's walls are the owner's own; a trip of nobody's has to name whose it is for.
        if (walls and owner is None) is not (audience_id is not None):
            wanted = "goes with a trip without owner for a building or residence, and only there"
            yield row, "invalid-audience", f"audience_id {wanted}"
        if audience is Audience.ZONE and owner is None:
            yield row, "invalid-audience", "a trip for a zone needs an owner who lives in one"
        if owner is None and (same_building or women_only):
            yield row, "owner-required", "a trip for some people only needs its owner_id"


def _bookings(columns: Columns) -> Faults:
    names = ("trip_id", "pickup_s", "dropoff_s", "driver_id", "passenger_id")
    operators = ("driver_operator", "passenger_operator")
    rows = zip(*(columns[name] for name in (*names, *operators)), strict=True)
    for row, (trip, pickup_s, dropoff_s, driver, passenger, its, other) in enumerate(rows):
        if trip is not None and not pickup_s < dropoff_s:
            yield row, "invalid-booking", "the pick-up must come before the drop-off"
        if (driver, its) == (passenger, other):
            yield row, "self-booking", "nobody books a seat with himself"
    for name, most in (("lon", 180), ("lat", 90)):
        for end in ("pickup", "dropoff"):
            for row, value in enumerate(columns[f"{end}_{name}"]):
                if not -most <= value <= most:
                    yield row, "invalid-coordinates", f"{end}_{name} must be -{most} to {most}"


AMONG_JOURNEYS: dict[type, Callable[[Columns], Faults]] = {Trip: _trips, Booking: _bookings}
