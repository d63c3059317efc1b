"""The four searches: journeys and regular trips, of drivers and of passengers."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, TypeAdapter

from api.covoiturage.asking import Asking, AskingPlatform
from api.covoiturage.mapping import TIMEZONE, journey_out, regular_trips_out
from api.covoiturage.schemas import (
    DriverJourney,
    DriverRegularTrip,
    JourneyParams,
    PassengerJourney,
    PassengerRegularTrip,
    RegularTripParams,
    second_of_day,
    weekdays_of,
)
from geo.errors import InputError
from matching.rides.clock import DAY_S
from matching.rides.journey import Journey, Way, Within, weekly_windows
from matching.rides.journeys import driver_journeys, passenger_journeys

__all__ = ["router"]

HORIZON_S = 28 * DAY_S  # how far regular trips are told as dated journeys
MOST = 10_000  # answers at once

router = APIRouter(tags=["Search"])

_models: TypeAdapter[Sequence[BaseModel]] = TypeAdapter(Sequence[BaseModel])


def _answer(found: Sequence[BaseModel], count: int | None) -> Response:
    told = found[:count]
    if len(told) > MOST:
        raise InputError(f"more than {MOST:,} match: ask for a smaller area, or give a count")
    body = _models.dump_json(told, exclude_none=True, serialize_as_any=True)
    return Response(body, media_type="application/json")


def _way(params: JourneyParams | RegularTripParams) -> Way:
    return Way(
        (params.departureLng, params.departureLat),
        (params.arrivalLng, params.arrivalLat),
        params.departureRadius * 1000.0,
        params.arrivalRadius * 1000.0,
    )


def _dated(params: JourneyParams) -> list[Within]:
    at, delta = params.departureDate, params.timeDelta
    return [Within(at - delta, at + delta, at)]


def _journeys(asking: Asking, params: JourneyParams, found: Sequence[Journey]) -> Response:
    departure = params.departureLng, params.departureLat
    kept = found if params.count is None else found[: params.count]
    return _answer([journey_out(one, departure, asking.ours) for one in kept], params.count)


def _weekly(asking: Asking, params: RegularTripParams) -> list[Within]:
    """The instants of the next four weeks that are asked for."""
    now = int(asking.platform.clock().timestamp())
    begin = now if params.minDepartureDate is None else max(now, params.minDepartureDate)
    end = begin + HORIZON_S
    if params.maxDepartureDate is not None:
        end = min(end, params.maxDepartureDate)
    return weekly_windows(
        TIMEZONE,
        second_of_day(params.departureTimeOfDay),
        weekdays_of(params.departureWeekdays),
        params.timeDelta,
        begin,
        end,
    )


def _regular(asking: Asking, params: RegularTripParams, found: Sequence[Journey]) -> Response:
    departure = params.departureLng, params.departureLat
    return _answer(regular_trips_out(found, departure, asking.ours), params.count)


@router.get(
    "/driver_journeys",
    summary="Search for drivers' journeys that a passenger may join",
    responses={200: {"model": list[DriverJourney]}},
)
def get_driver_journeys(
    asking: AskingPlatform, params: Annotated[JourneyParams, Query()]
) -> Response:
    found = driver_journeys(
        asking.view,
        _way(params),
        _dated(params),
        now=asking.platform.clock(),
        prices=asking.platform.prices,
    )
    return _journeys(asking, params, found)


@router.get(
    "/passenger_journeys",
    summary="Search for passengers' journeys that a driver may take along",
    responses={200: {"model": list[PassengerJourney]}},
)
def get_passenger_journeys(
    asking: AskingPlatform, params: Annotated[JourneyParams, Query()]
) -> Response:
    found = passenger_journeys(
        asking.view, _way(params), _dated(params), now=asking.platform.clock()
    )
    return _journeys(asking, params, found)


@router.get(
    "/driver_regular_trips",
    summary="Search for drivers' regular trips that a passenger may join",
    responses={200: {"model": list[DriverRegularTrip]}},
)
def get_driver_regular_trips(
    asking: AskingPlatform, params: Annotated[RegularTripParams, Query()]
) -> Response:
    found = driver_journeys(
        asking.view,
        _way(params),
        _weekly(asking, params),
        now=asking.platform.clock(),
        prices=asking.platform.prices,
        weekly=True,
    )
    return _regular(asking, params, found)


@router.get(
    "/passenger_regular_trips",
    summary="Search for passengers' regular trips that a driver may take along",
    responses={200: {"model": list[PassengerRegularTrip]}},
)
def get_passenger_regular_trips(
    asking: AskingPlatform, params: Annotated[RegularTripParams, Query()]
) -> Response:
    found = passenger_journeys(
        asking.view,
        _way(params),
        _weekly(asking, params),
        now=asking.platform.clock(),
        weekly=True,
    )
    return _regular(asking, params, found)
