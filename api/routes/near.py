"""`/v1/near`: what is near a place, or near the member who asks."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.answers import NearOut
from api.auth import Anyone, Caller
from api.bodies import JsonBody, accepts
from api.problems import language_of
from api.questions import near_query
from api.routes.records import town_of
from api.schemas import NearBody, NearParams
from api.towns import Town
from geo.errors import IndexBehindError, InputError
from indexes.store import Position
from matching.engine import Engine
from matching.query import NearQuery

__all__ = ["WAIT_S", "answer", "require_origin", "router", "wait_for"]

WAIT_S = 2.0
LOOK_EVERY_S = 0.02

router = APIRouter(tags=["near me"])

ANSWERED: dict[int | str, dict[str, Any]] = {200: {"description": "Best first.", "model": NearOut}}

EXAMPLES = {
    "bakeries by the port, open now": {
        "value": {
            "lat": 43.2951,
            "lon": 5.3740,
            "kind": ["merchant"],
            "category": "food.bakery",
            "open_now": True,
            "radius_m": 800,
            "lang": "en",
        }
    },
    "events of a Sunday, inside a polygon": {
        "value": {
            "lat": 43.2951,
            "lon": 5.3740,
            "kind": ["event"],
            "at": "2025-06-15T18:00:00+02:00",
            "polygon": {
                "type": "Polygon",
                "coordinates": [
                    [[5.36, 43.29], [5.39, 43.29], [5.39, 43.31], [5.36, 43.31], [5.36, 43.29]]
                ],
            },
        }
    },
}


async def wait_for(engine: Engine, position: Position, until: float) -> None:
    """Return once the index has read as far as a position.

    By looking again and again: a thread for each that waits could take them all from others.

    Parameters
    ----------
    engine : Engine
        Whose index.
    position : Position
        What a write returned.
    until : float
        When to give up, as `time.monotonic` tells it.

    Raises
    ------
    InputError
        ``invalid-position`` for one of another store.
    IndexBehindError
        If it has not by then.
    """
    while not engine.has_read(position):
        if time.monotonic() >= until:
            raise IndexBehindError("the index has not read that far yet; ask again")
        await asyncio.sleep(LOOK_EVERY_S)


def require_origin(town: Town, asking: Caller, query: NearQuery) -> None:
    """Refuse a query from nowhere, or from a point whose latitude and longitude look swapped.

    Raises
    ------
    InputError
        ``origin-required`` or ``swapped-coordinates``.
    """
    if query.origin is not None:
        lon, lat = query.origin
        town.outlines.refuse_swapped(lat, lon)
    elif asking.member_id is None:
        raise InputError("name an origin, lat and lon, or a member", code="origin-required")


async def answer(request: Request, asking: Caller, asked: NearParams) -> Response:
    """Wait for the index if a position is named, and search once."""
    town = town_of(request, asking)
    engine = town.engine
    if asked.after is not None:
        await wait_for(engine, Position.parse(asked.after), time.monotonic() + WAIT_S)
    query = near_query(asked, now=datetime.now(UTC), lang=language_of(request))
    require_origin(town, asking, query)
    if query.text is None and query.polygon is None:
        found = engine.near_json(asking.viewer, query)  # microseconds: a thread would cost more
    else:
        # Words and polygons look at every listing: the others' answers don't wait for it.
        found = await run_in_threadpool(engine.near_json, asking.viewer, query)
    return Response(found, media_type="application/json")


@router.get(
    "/v1/near",
    name="near",
    summary="Find what is near, best first, with reasons",
    responses=ANSWERED,
    description="Around `lat` and `lon`: public things. Without them, around the group of the "
    "member the app acts for (`Mitoyen-Member`): people too.",
)
async def near(
    request: Request, asking: Anyone, params: Annotated[NearParams, Query()]
) -> Response:
    return await answer(request, asking, params)


@router.post(
    "/v1/near",
    name="near by body",
    summary="Find what is near, also inside a polygon",
    responses=ANSWERED,
    openapi_extra=accepts(NearBody, EXAMPLES),
)
async def near_by_body(
    request: Request, asking: Anyone, body: Annotated[NearBody, Depends(JsonBody(NearBody))]
) -> Response:
    return await answer(request, asking, body)
