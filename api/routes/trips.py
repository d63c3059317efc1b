"""`/v1/trips`: journeys of drivers and passengers, and who may see which, as what."""

from typing import Annotated, Any

from fastapi import Query, Request, Security

from api.auth import Caller, caller
from api.paging import Pager
from api.routes.listings import blocked_with, home_of
from api.routes.records import Resource, missing, page_model, record_router, stored, town_of
from api.schemas import PageParams
from api.towns import Town
from api.trip_answers import trip_out
from api.trip_making import make_trip
from api.trip_schemas import TripIn, TripOut
from geo.errors import NotFoundError
from indexes.entities import Entity, Scope
from indexes.journeys import Trip
from indexes.router import AirRouter
from matching.rides.carpool import ANYBODY, Party
from matching.rides.rules import may_see

__all__ = ["router"]

ROUTER = AirRouter()
MAX_BODY_ITEMS = 50_000  # 10,000 points are four items each


def make(asking: Caller, id: str, body: TripIn, town: Town) -> list[Entity]:
    trip = make_trip(
        body,
        tenant_id=town.tenant_id,
        id=id,
        owner_id=asking.member_id,
        timezone=town.engine.timezone,
        router=ROUTER,
    )
    for lon, lat in trip.lonlat[:1] + trip.lonlat[-1:]:
        town.outlines.refuse_swapped(lat, lon)
    return [trip]


def party_of(town: Town, member_id: str | None) -> Party:
    """What counts of a member when two are to share a car; nobody for one who is not known."""
    if member_id is None:
        return ANYBODY
    try:
        home = home_of(town, member_id)
    except NotFoundError:
        return ANYBODY
    return Party(
        id=member_id,
        level=home.level,
        building=home.building.id,
        residence=home.building.residence_id or "",
        zones=frozenset(home.zones),
        blocked=frozenset(blocked_with(town, member_id)),
    )


def home_group(town: Town, member_id: str | None) -> str | None:
    """The group that a member lives in, if it is known."""
    try:
        place = None if member_id is None else home_of(town, member_id).building.place
    except NotFoundError:
        return None
    return place.group if place else None


def find(asking: Caller, id: str, town: Town) -> Trip:
    trip = stored(town, Trip, id)
    if asking.sees_all or (trip.owner_id is not None and trip.owner_id == asking.member_id):
        return trip
    viewer = party_of(town, asking.member_id)
    if trip.owner_id in viewer.blocked or not may_see(viewer, trip, party_of(town, trip.owner_id)):
        raise missing()
    return trip


def show(asking: Caller, trip: Trip, town: Town) -> TripOut:
    own = trip.owner_id is None or trip.owner_id == asking.member_id
    published = (
        None if own else town.outlines.publisher.publish(trip, home_group(town, trip.owner_id))
    )
    return trip_out(trip, published, own=own, owners=asking.sees_all or own)


resource = Resource(
    name="trips",
    of=Trip,
    body=TripIn,
    shown=TripOut,
    make=make,
    show=show,
    find=find,
    readers=(),
    writers=(Scope.APP,),
    own="owner_id",
    max_items=MAX_BODY_ITEMS,
    examples={
        "commute": {
            "value": {
                "role": "driver",
                "owner_id": "m-7",
                "route": {
                    "type": "LineString",
                    "coordinates": [[5.374, 43.2951], [5.39, 43.31], [5.4285, 43.3467]],
                },
                "times_s": [0, 300, 1080],
                "schedule": {
                    "weekly": [{"days": ["MON", "TUE", "WED", "THU", "FRI"], "time": "07:50"}]
                },
                "seats": 3,
            }
        },
        "once": {
            "value": {
                "role": "passenger",
                "owner_id": "m-7",
                "waypoints": [{"lat": 43.2951, "lon": 5.374}, {"lat": 43.3467, "lon": 5.4285}],
                "schedule": {"arrive_at": "2026-11-30T08:30:00+01:00", "flex_before_s": 1800},
            }
        },
    },
)
router = record_router(resource, listed=False)


@router.get(
    "/v1/trips",
    name="list trips",
    summary="List trips in order of id: a member's own, or all for the app, as published",
    response_model=page_model("trips", TripOut),
    response_model_exclude_none=True,
)
def page(
    request: Request,
    asking: Annotated[Caller, Security(caller, scopes=[Scope.APP.value])],
    params: Annotated[PageParams, Query()],
) -> dict[str, Any]:
    town = town_of(request, asking)
    pager = Pager(town.cursor_secret, "trips", town.tenant_id, asking.member_id or "")
    found = town.store.page(
        Trip,
        town.tenant_id,
        after=pager.read(params.cursor),
        limit=params.limit + 1,
        where={} if asking.member_id is None else {"owner_id": asking.member_id},
    )
    listed = found[: params.limit]
    return {
        "trips": [show(asking, trip, town) for trip in listed],
        "next": pager.write(listed[-1].id) if len(found) > params.limit else None,
    }
