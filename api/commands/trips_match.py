"""``mitoyen trips match``: who goes my way, on a terminal."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from api.commands.common import (
    JsonOption,
    StoreOption,
    TenantOption,
    checked,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from api.settings import Settings
from api.towns import Outlines
from api.trip_answers import matches_answer
from api.trip_questions import (
    MatchBody,
    MatchParams,
    drivers_trip,
    prices_of,
    trip_query,
)
from geo.arrays import LonLat
from geo.errors import InputError
from indexes.router import AirRouter
from matching.engine import Engine
from matching.rides.carpool import TripMatch
from matching.rides.weeks import find_round_trips
from matching.trips import find_drivers, find_riders

__all__ = ["COLUMNS", "match", "rows_of"]

COLUMNS = ("", "cost", "days", "pick-up", "drop-off", "price", "why")


def asked(**options: Any) -> MatchBody:
    """The options, checked as a request is.

    Raises
    ------
    InputError
        Naming the options at fault.
    """
    return checked(MatchBody, options)


def match(
    to_lat: Annotated[float, typer.Option(help="Latitude of the destination, degrees.")],
    to_lon: Annotated[float, typer.Option(help="Longitude of the destination.")],
    from_lat: Annotated[float | None, typer.Option(help="Latitude of the start.")] = None,
    from_lon: Annotated[float | None, typer.Option(help="Longitude of the start.")] = None,
    member: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Member who asks, from home.")
    ] = None,
    role: Annotated[
        str, typer.Option(help="passenger finds drivers; driver, straight on, passengers.")
    ] = "passenger",
    depart_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="07:50 with --days (25:00: the night after), or an instant."
        ),
    ] = None,
    arrive_by: Annotated[
        str | None, typer.Option(metavar="TIME", help="Likewise; one of the two.")
    ] = None,
    back_depart_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="And back again.")
    ] = None,
    back_arrive_by: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    days: Annotated[list[str] | None, typer.Option(help="MON-FRI, or MON,WED; weekly.")] = None,
    first: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="First day of the two weeks; by default the next to come."
        ),
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Of times; by default the town's.")] = None,
    flex_before: Annotated[
        int | None, typer.Option(help="Earlier by how much, seconds: 900; to arrive by, 2700.")
    ] = None,
    flex_after: Annotated[
        int | None, typer.Option(help="Later by how much: 900; to arrive by, 0.")
    ] = None,
    seats: Annotated[int, typer.Option(help="How many, 1 to 8.")] = 1,
    max_walk: Annotated[
        int | None, typer.Option(help="Metres at each end, 2,000 at most; 600 by default.")
    ] = None,
    verified: Annotated[bool, typer.Option("--verified", help="Verified members only.")] = False,
    same_building: Annotated[bool, typer.Option("--same-building")] = False,
    women_only: Annotated[bool, typer.Option("--women-only")] = False,
    limit: Annotated[int, typer.Option(help="How many, 1 to 200.")] = 20,
    lang: Annotated[str, typer.Option(help="Language of the reasons, fr or en.")] = "fr",
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Find who goes my way, least cost first, with every term of it."""
    wanted = asked(
        role=role,
        from_lat=from_lat,
        from_lon=from_lon,
        to_lat=to_lat,
        to_lon=to_lon,
        depart_at=depart_at,
        arrive_by=arrive_by,
        back_depart_at=back_depart_at,
        back_arrive_by=back_arrive_by,
        days=[part for text in days or () for part in text.split(",")],
        first=first,
        timezone=timezone,
        flex_before_s=flex_before,
        flex_after_s=flex_after,
        seats=seats,
        max_walk_m=max_walk,
        verified_only=verified,
        same_building=same_building,
        women_only=women_only,
        limit=limit,
        lang=lang,
    )
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        engine = Engine.over(kept, owner)
        now = datetime.now(UTC)
        viewer = engine.traveller(member, now)
        outlines = Outlines.read(kept, owner)
        origin = _origin(engine, wanted, member)
        for lon, lat in (origin, (wanted.to_lon, wanted.to_lat)):
            outlines.refuse_swapped(lat, lon)
        query, back = trip_query(
            wanted, origin=origin, timezone=engine.timezone, now=now, lang=lang
        )
        pairs, prices = None, prices_of(Settings.read())
        if wanted.role == "driver":
            trip = drivers_trip(wanted, query, owner, member, AirRouter())
            found = find_riders(
                engine.trips, viewer, trip, first=query.first, limit=limit, lang=lang, prices=prices
            )
        else:
            found = find_drivers(engine.trips, viewer, query, prices)
            if back is not None:
                pairs = find_round_trips(engine.trips, viewer, query, back, prices)
    if as_json:
        print_json(msgspec.json.decode(matches_answer(found, pairs, owners=True)))
        return
    if not found:
        note("nobody goes that way then")
        return
    print_table("Who goes my way", COLUMNS, rows_of(found))
    for pair in pairs or ():
        then = f"{pair.back.id} at {pair.back.pickup.time}" if pair.back else "nobody"
        note(f"there with {pair.out.id} at {pair.out.pickup.time}, back with {then}")


def _origin(engine: Engine, wanted: MatchParams, member: str | None) -> LonLat:
    if wanted.from_lon is not None and wanted.from_lat is not None:
        return wanted.from_lon, wanted.from_lat
    home = engine.group_point(member) if member is not None else None
    if home is None:
        raise InputError(
            "name a start, --from-lat and --from-lon, or a member, --as", code="origin-required"
        )
    return home


def rows_of(found: tuple[TripMatch, ...]) -> list[tuple[str, ...]]:
    """Matches as lines of a table with `COLUMNS`."""
    return [
        (
            str(rank),
            f"{one.cost_min:.0f} min",
            " ".join(one.days),
            f"{one.pickup.time} {one.pickup.name}".strip(),
            f"{one.dropoff.time} {one.dropoff.name}".strip(),
            f"{one.price_eur:.2f} €",
            "; ".join(reason.text for reason in one.why),
        )
        for rank, one in enumerate(found, 1)
    ]
