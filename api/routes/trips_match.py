"""`/v1/trips/match`, `/v1/trips/week` and `/v1/trips/{id}/matches`: who goes my way."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from api.auth import Anyone, Caller
from api.bodies import JsonBody, accepts
from api.problems import language_of
from api.routes.near import WAIT_S
from api.routes.records import RecordId, missing, town_of
from api.routes.trips import MAX_BODY_ITEMS, ROUTER, find
from api.towns import Town
from api.trip_answers import MatchesOut, WeekOut, matches_answer, week_answer
from api.trip_questions import (
    MatchBody,
    MatchParams,
    StandingParams,
    drivers_trip,
    first_day,
    trip_query,
)
from api.trust_pages import now_of
from geo.arrays import LonLat
from geo.errors import InputError
from indexes.journey_rules import require_line
from indexes.journeys import Role, Schedule
from matching.query import Reason
from matching.rides.carpool import Prices, RoundTrip, TripMatch, TripQuery
from matching.rides.reasons import why_nobody
from matching.rides.weeks import cover_week, find_round_trips
from matching.trips import find_drivers, find_riders, matches_of_trip

__all__ = ["router"]

router = APIRouter(tags=["trips"])

MATCHED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Least cost first.", "model": MatchesOut}
}
COVERED: dict[int | str, dict[str, Any]] = {
    200: {"description": "In the order of choice.", "model": WeekOut}
}
EXAMPLES = {
    "to work by half past eight": {
        "value": {
            "from_lat": 43.2951,
            "from_lon": 5.3740,
            "to_lat": 43.3467,
            "to_lon": 5.4285,
            "arrive_by": "08:30",
            "back_depart_at": "17:30",
            "days": ["MON-FRI"],
        }
    },
    "who would ride with me": {
        "value": {
            "role": "driver",
            "from_lat": 43.2951,
            "from_lon": 5.3740,
            "to_lat": 43.3467,
            "to_lon": 5.4285,
            "depart_at": "2026-11-30T07:50:00+01:00",
            "seats": 3,
        }
    },
}


def current(town: Town) -> dict[str, Any]:
    """How current an answer is: asked before the search, which shows all that far at least."""
    return {"position": str(town.engine.position), "index_age_s": town.engine.age_s}


def wait(town: Town, asked: StandingParams) -> None:
    """Return once what was written before is searched."""
    if asked.after is not None:
        town.engine.wait_for(asked.after, WAIT_S)


def origin_of(town: Town, asking: Caller, asked: MatchParams) -> LonLat:
    """Where a ride begins: the point named, or the member's group.

    Raises
    ------
    InputError
        ``origin-required`` if there is neither, ``swapped-coordinates`` for a point that looks
        so.
    """
    if asked.from_lon is not None and asked.from_lat is not None:
        town.outlines.refuse_swapped(asked.from_lat, asked.from_lon)
        return asked.from_lon, asked.from_lat
    home = town.engine.group_point(asking.member_id) if asking.member_id is not None else None
    if home is None:
        raise InputError("name a start, from_lat and from_lon, or a member", code="origin-required")
    return home


def query_of(
    request: Request, town: Town, asking: Caller, asked: MatchParams
) -> tuple[TripQuery, Schedule | None]:
    """The query, and when the way back is, once what was written before is searched."""
    wait(town, asked)
    town.engine.party(asking.member_id)  # who is not known is told so first
    origin = origin_of(town, asking, asked)
    town.outlines.refuse_swapped(asked.to_lat, asked.to_lon)
    return trip_query(
        asked,
        origin=origin,
        timezone=town.engine.timezone,
        now=now_of(request),
        lang=language_of(request),
    )


def json(data: bytes) -> Response:
    return Response(data, media_type="application/json")


def drivers(request: Request, asking: Caller, asked: MatchParams) -> Response:
    """The drivers that suit, and pairs of there and back where a way back is asked for."""
    town = town_of(request, asking)
    query, back = query_of(request, town, asking, asked)
    shown, view = current(town), town.engine.trips
    viewer = town.engine.traveller(asking.member_id, now_of(request))
    prices: Prices = request.app.state.prices
    found = find_drivers(view, viewer, query, prices)
    pairs: tuple[RoundTrip, ...] | None = None
    if back is not None:
        pairs = find_round_trips(found, view, viewer, query, back, prices)
    reason = why_nobody(query.origin, query.destination, query.lang)
    return json(matches_answer(found, pairs, reason, owners=asking.sees_all, **shown))


@router.get(
    "/v1/trips/match",
    name="match trips",
    summary="Find drivers who go my way, least cost first, with every term of it",
    responses=MATCHED,
    description="From `from_lat` and `from_lon`, or from the group of the member the app acts "
    "for, at an instant or weekly. Trips are searched as published: no end of one is told.",
)
def match(request: Request, asking: Anyone, params: Annotated[MatchParams, Query()]) -> Response:
    return drivers(request, asking, params)


@router.post(
    "/v1/trips/match",
    name="match trips by body",
    summary="Find drivers who go my way, or passengers who go mine",
    responses=MATCHED,
    openapi_extra=accepts(MatchBody, EXAMPLES),
)
def match_by_body(
    request: Request,
    asking: Anyone,
    body: Annotated[MatchBody, Depends(JsonBody(MatchBody, MAX_BODY_ITEMS))],
) -> Response:
    if body.role == "passenger":
        return drivers(request, asking, body)
    town = town_of(request, asking)
    query, _ = query_of(request, town, asking, body)
    trip = drivers_trip(body, query, town.tenant_id, asking.member_id, ROUTER)
    require_line(trip.lonlat, trip.times_s)
    shown = current(town)
    found = find_riders(
        town.engine.trips,
        town.engine.traveller(asking.member_id, now_of(request)),
        trip,
        first=query.first,
        limit=query.limit,
        lang=query.lang,
        prices=request.app.state.prices,
    )
    return json(matches_answer(found, None, owners=asking.sees_all, **shown))


@router.get(
    "/v1/trips/week",
    name="cover a week",
    summary="A few drivers that cover my days between them",
    responses=COVERED,
    description="There, and back if a way back is asked for; `limit` is of drivers.",
)
def week(request: Request, asking: Anyone, params: Annotated[MatchParams, Query()]) -> Response:
    town = town_of(request, asking)
    query, back = query_of(request, town, asking, params)
    shown = current(town)
    viewer = town.engine.traveller(asking.member_id, now_of(request))
    cover = cover_week(town.engine.trips, viewer, query, request.app.state.prices, back)
    reason = why_nobody(query.origin, query.destination, query.lang)
    return json(week_answer(cover, reason, owners=asking.sees_all, **shown))


@router.get(
    "/v1/trips/{id:path}/matches",
    name="matches of a trip",
    summary="What matches a stored trip, in each role it has",
    responses=MATCHED,
    description="For its owner, and for the app.",
)
def of_trip(
    request: Request,
    asking: Anyone,
    id: RecordId,
    params: Annotated[StandingParams, Query()],
) -> Response:
    town = town_of(request, asking)
    wait(town, params)
    trip = find(asking, id, town)
    if not asking.sees_all and (trip.owner_id is None or trip.owner_id != asking.member_id):
        raise missing()
    # One that is cancelled, or can't be published, matches nothing.
    found: tuple[TripMatch, ...] = ()
    reason: Reason | None = None
    lang = params.lang or language_of(request)
    shown, view = current(town), town.engine.trips
    held = view.trip(id)
    if held is not None:
        now = now_of(request)
        if trip.role is Role.PASSENGER:
            reason = why_nobody(held[0].lonlat[0], held[0].lonlat[-1], lang)
        found = matches_of_trip(
            view,
            id,
            trusts=town.engine.trusts(trip.owner_id, now) if trip.owner_id else None,
            first=first_day(params, trip.schedule.timezone, now),
            limit=params.limit,
            lang=lang,
            prices=request.app.state.prices,
        )
    return json(matches_answer(found, None, reason, owners=asking.sees_all, **shown))


# Else a trip of such an id would be written, and never be read again.
@router.api_route("/v1/trips/match", methods=["PUT", "DELETE"], include_in_schema=False)
@router.api_route("/v1/trips/week", methods=["PUT", "DELETE", "POST"], include_in_schema=False)
@router.api_route(
    "/v1/trips/{id:path}/matches", methods=["PUT", "DELETE", "POST"], include_in_schema=False
)
def not_a_trip() -> None:
    raise HTTPException(405)
