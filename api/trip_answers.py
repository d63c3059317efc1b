"""What carpooling answers, over HTTP and on the command line."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from pydantic import Field

from api.answers import Absent, Output
from api.trip_making import COPIED
from api.trip_schemas import Day, LineStringOut, TripOut, schedule_out
from indexes.journeys import Role, Trip
from indexes.publishing import Published
from matching.query import Reason
from matching.rides.carpool import RoundTrip, TripMatch, WeekCover

__all__ = ["MatchesOut", "WeekOut", "matches_answer", "trip_out", "week_answer"]


class StopOut(Output):
    """Where a rider gets in or out: a public meeting point, or a point of the driver's line."""

    lat: float
    lon: float
    at: datetime = Field(description="Of the first day matched, as the driver plans it.")
    time: str = Field(description="The clock then, where the driver is.")
    walk_m: float
    line_s: float = Field(description="Seconds along the line as published.")
    meeting_point: str | Absent = Field(None, description="The listing's id.")
    name: str | Absent = None


class TripReasonOut(Output):
    code: str
    text: str
    share: float = Field(description="Minutes of the cost.")


REASON = Field(
    None,
    description="Why nobody was looked for: `walkable`, a rider's way is under 1 km. Its share is "
    "of nothing, 0.",
)


class TripMatchOut(Output):
    """A trip that suits."""

    id: str
    role: Role
    owner_id: str | Absent = Field(None, description="Told to the app.")
    pickup: StopOut
    dropoff: StopOut
    walk_m: float
    ride_s: float
    detour_s: float
    detour_share: float
    seats: int = Field(description="Free (a driver's) or needed (a passenger's).")
    days: list[Day]
    dates: list[date]
    coverage: float = Field(description="Days matched of days asked for, 0 to 1.")
    price_eur: float = Field(
        description="For a seat: 0.06 € a kilometre or what the driver asks; at most the equal "
        "share of what the car costs, 0.636 € a kilometre (barème kilométrique, 5 CV), that all "
        "aboard bear when no seat is free. Both can be set."
    )
    co2_saved_kg: float = Field(
        description="Of the ride driven alone, less the detour: 0.192 kg a kilometre, a car with "
        "a combustion engine in use (ADEME, Base Empreinte)."
    )
    cost_min: float = Field(description="What ranks: minutes, the sum of the terms.")
    score: float
    terms: dict[str, float]
    why: list[TripReasonOut]
    level: int | Absent = None
    estimated: bool | Absent = None
    origin_name: str | Absent = None
    destination_name: str | Absent = None
    url: str | Absent = None


class RoundTripOut(Output):
    """A way there and the best way back."""

    out: TripMatchOut
    back: TripMatchOut | None
    back_by: Literal["same", "other", "none"]
    cost_min: float


class MatchesOut(Output):
    """What matches, least cost first; pairs of there and back where a way back was asked for."""

    matches: list[TripMatchOut]
    reason: TripReasonOut | Absent = REASON
    round_trips: list[RoundTripOut] | Absent = None
    position: str = Field(description="How far the index has read.")
    index_age_s: float


class DriverOut(Output):
    match: TripMatchOut
    days: list[Day]


class CoverOut(Output):
    """Who drives on which days, in the order of choice."""

    drivers: list[DriverOut]
    missing: list[Day]


class WeekOut(CoverOut):
    """A few drivers that cover a week between them; the ways back, where they were asked for."""

    reason: TripReasonOut | Absent = REASON
    back: CoverOut | Absent = None
    position: str
    index_age_s: float


def trip_out(trip: Trip, published: Published | None, *, own: bool, owners: bool) -> TripOut:
    """A trip as it is shown.

    Parameters
    ----------
    trip : Trip
        As it is kept.
    published : Published or None
        What of it others may see, None for nothing; not looked at where it is ``own``.
    own : bool
        Whether it is shown whole: to its owner, or because it has none.
    owners : bool
        Whether it may be told whose it is.
    """
    shown = trip if own else published.trip if published else None
    told: dict[str, Any] = {name: getattr(shown or trip, name) for name in COPIED}
    if shown is None:
        told |= {"origin_name": "", "destination_name": ""}
    told = {name: value for name, value in told.items() if value not in ("", None)}
    if owners:
        told["owner_id"] = trip.owner_id
    if shown is not None:
        told |= {
            "route": LineStringOut(coordinates=list(shown.lonlat)),
            "times_s": list(shown.times_s),
            "schedule": schedule_out(shown.schedule),
        }
    estimated = (shown or trip).estimated
    return TripOut(
        id=trip.id, exact=own, estimated=estimated, published_at=trip.published_at, **told
    )


def matches_answer(
    matches: Iterable[TripMatch],
    pairs: Iterable[RoundTrip] | None,
    reason: Reason | None = None,
    *,
    owners: bool,
    **current: Any,
) -> bytes:
    """Matches as JSON.

    Parameters
    ----------
    matches, pairs
        What was found; pairs of ways there and back, if they were asked for.
    reason : Reason, optional
        Why nobody was looked for, if so (`matching.rides.reasons.why_nobody`).
    owners : bool
        Whether it may be told whose trips they are.
    **current
        How current the answer is.
    """
    told = _teller(owners)
    answer: dict[str, Any] = {"matches": [told(match) for match in matches]}
    if pairs is not None:
        answer["round_trips"] = [
            msgspec.structs.replace(
                pair, out=told(pair.out), back=None if pair.back is None else told(pair.back)
            )
            for pair in pairs
        ]
    if reason is not None:
        answer["reason"] = reason
    return msgspec.json.encode(answer | current)


def week_answer(
    cover: WeekCover, reason: Reason | None = None, *, owners: bool, **current: Any
) -> bytes:
    """A covered week as JSON; parameters as for `matches_answer`."""
    told = _teller(owners)

    def one_way(cover: WeekCover) -> dict[str, Any]:
        drivers = [{"match": told(match), "days": days} for match, days in cover.chosen]
        return {"drivers": drivers, "missing": cover.missing}

    answer = one_way(cover)
    if cover.back is not None:
        answer["back"] = one_way(cover.back)
    if reason is not None:
        answer["reason"] = reason
    return msgspec.json.encode(answer | current)


def _teller(owners: bool) -> Callable[[TripMatch], TripMatch]:
    if owners:
        return lambda match: match
    return lambda match: msgspec.structs.replace(match, owner_id=None)
