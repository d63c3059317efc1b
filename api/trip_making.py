"""From what is said of a trip, over HTTP or in a file, to the trip that is kept."""

from api.trip_schemas import TripIn
from geo.arrays import LonLat
from geo.errors import InputError
from indexes.journeys import Trip
from indexes.router import Router
from matching.schedule import check_schedule

__all__ = ["COPIED", "make_trip"]

# Fields that a trip has as they are said.
COPIED = (
    *("role", "seats", "max_detour_s", "max_walk_m", "audience", "audience_id", "verified_only"),
    *("same_building", "women_only", "luggage", "smoking", "animals", "music", "talker"),
    *("origin_name", "destination_name", "price_eur", "url", "cancelled"),
)


def make_trip(
    said: TripIn, *, tenant_id: str, id: str, owner_id: str | None, timezone: str, router: Router
) -> Trip:
    """The trip that is meant.

    Parameters
    ----------
    said : TripIn
        What was said.
    tenant_id, id : str
        Whose it becomes, and as what.
    owner_id : str or None
        Whose it is, if that is not said.
    timezone : str
        Of its schedule, if that is not said.
    router : Router
        Finds the way between waypoints, and the times on a way without any.

    Raises
    ------
    InputError
        If there is no such trip: see `matching.schedule.check_schedule` and
        `indexes.journey_rules`.
    """
    schedule = said.schedule.schedule(timezone)
    check_schedule(schedule)
    lonlat, times_s, estimated = _line_of(said, router)
    duration_s = said.schedule.duration_s
    if duration_s is not None:
        scale = duration_s / times_s[-1]
        times_s = tuple(round(time * scale, 3) for time in times_s)
    return Trip(
        tenant_id=tenant_id,
        id=id,
        owner_id=said.owner_id or owner_id,
        lonlat=lonlat,
        times_s=times_s,
        estimated=estimated,
        schedule=schedule,
        **{name: getattr(said, name) for name in COPIED},
    )


def _line_of(said: TripIn, router: Router) -> tuple[tuple[LonLat, ...], tuple[float, ...], bool]:
    """A trip's line and times, and whether either was made up."""
    if said.waypoints is not None:
        return router.route([(point.lon, point.lat) for point in said.waypoints])
    lonlat = tuple((point[0], point[1]) for point in said.route.coordinates) if said.route else ()
    if said.times_s is None:
        return router.route(lonlat)
    if len(lonlat) < 2:
        raise InputError(f"a route has 2 points or more, got {len(lonlat)}", code="invalid-route")
    if not said.times_s or said.times_s[-1] <= 0:
        raise InputError("times must begin with 0 and rise", code="invalid-times")
    return lonlat, tuple(map(float, said.times_s)), False
