"""What the commands of carpooling share: a ride as it is asked for, and matches as lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from api.commands.common import Place, opened, option_fault, the_tenant
from api.commands.words import day_codes, euros, heads, listed, weekdays
from api.settings import Settings
from api.towns import Outlines
from api.trip_questions import MatchParams, prices_of, trip_query
from geo.arrays import LonLat
from geo.errors import InputError
from indexes.journeys import Schedule
from matching.engine import Engine
from matching.query import Reason
from matching.rides.carpool import Party, Prices, TripMatch, TripQuery
from matching.rides.reasons import why_nobody

__all__ = ["Asking", "asking", "columns", "fault", "fields", "rows_of", "split"]

ToLat = Annotated[float, typer.Option(help="Latitude of the destination, degrees.")]
ToLon = Annotated[float, typer.Option(help="Longitude of the destination.")]
FromLat = Annotated[float | None, typer.Option(help="Latitude of the start.")]
FromLon = Annotated[float | None, typer.Option(help="Longitude of the start.")]
As = Annotated[str | None, typer.Option("--as", metavar="ID", help="Member who asks, from home.")]
DepartAt = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="07:50 with --days (25:00: the night after), or an instant."),
]
ArriveBy = Annotated[str | None, typer.Option(metavar="TIME", help="Likewise; one of the two.")]
BackDepartAt = Annotated[str | None, typer.Option(metavar="TIME", help="And back again.")]
BackArriveBy = Annotated[str | None, typer.Option(metavar="TIME", help="Likewise.")]
Days = Annotated[list[str] | None, typer.Option(help="MON-FRI or LUN-VEN; MON,WED; weekly.")]
First = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="First day of the two weeks; by default the next to come."),
]
Timezone = Annotated[str | None, typer.Option(help="Of times; by default the town's.")]
FlexBefore = Annotated[
    int | None, typer.Option(help="Earlier by how much, seconds: 900; to arrive by, 2700.")
]
FlexAfter = Annotated[int | None, typer.Option(help="Later by how much: 900; to arrive by, 0.")]
SeatsAsked = Annotated[int, typer.Option(help="How many, 1 to 8.")]
MaxWalk = Annotated[
    int | None, typer.Option(help="Metres at each end, 2,000 at most; 600 by default.")
]
Verified = Annotated[bool, typer.Option("--verified", help="Verified members only.")]
SameBuilding = Annotated[bool, typer.Option("--same-building")]
WomenOnly = Annotated[bool, typer.Option("--women-only")]


@dataclass(frozen=True, slots=True)
class Asking:
    """A ride asked of a town: who asks, what, and when the way back is, if there is one."""

    engine: Engine
    tenant_id: str
    viewer: Party
    query: TripQuery
    back: Schedule | None
    prices: Prices

    @property
    def reason(self) -> Reason | None:
        """Why nobody is looked for, if so."""
        return why_nobody(self.query.origin, self.query.destination, self.query.lang)


@contextmanager
def asking(
    wanted: MatchParams, member: str | None, lang: str, store: str | None, tenant: str | None
) -> Iterator[Asking]:
    """A ride, asked of a store's town now, by a member or by anybody.

    Raises
    ------
    InputError
        If it can't be asked so: ``origin-required`` without a start, and as `trip_query`.
    """
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
        yield Asking(engine, owner, viewer, query, back, prices_of(Settings.read()))


def _origin(engine: Engine, wanted: MatchParams, member: str | None) -> LonLat:
    if wanted.from_lon is not None and wanted.from_lat is not None:
        return wanted.from_lon, wanted.from_lat
    home = engine.group_point(member) if member is not None else None
    if home is None:
        raise InputError(
            "name a start, --from-lat and --from-lon, or a member, --as", code="origin-required"
        )
    return home


def split(days: Sequence[str] | None) -> list[str]:
    """``--days MON,WED --days ven`` day by day."""
    return [day_codes(part.strip().upper()) for text in days or () for part in text.split(",")]


# Options that have a shorter name than their fields, and those that are no field.
_FIELDS = {
    "flex_before": "flex_before_s",
    "flex_after": "flex_after_s",
    "max_walk": "max_walk_m",
    "verified": "verified_only",
}
_OPTIONS = {field: option for option, field in _FIELDS.items()}
_APART = frozenset({"member", "as_json", "store", "tenant"})


def fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a command as the fields of what is asked, for `checked`."""
    found = {_FIELDS.get(name, name): options[name] for name in options.keys() - _APART}
    return found | {"days": split(options["days"])}


def fault(where: Place, message: str) -> str:
    """What is wrong with an option, for `api.commands.common.checked`."""
    return option_fault(tuple(_OPTIONS.get(str(name), name) for name in where), message)


def columns(lang: str) -> tuple[str, ...]:
    """What the columns of `rows_of` are called."""
    return heads(lang, "trip", "cost", "days", "pick-up", "drop-off", "price", "why")


def rows_of(found: Iterable[tuple[TripMatch, Sequence[str]]], lang: str) -> list[tuple[str, ...]]:
    """Matches, best first, and the days that each is told for, as lines of a table."""
    return [
        (
            one.id,
            f"{one.cost_min:.0f} min",
            weekdays(days, lang),
            f"{one.pickup.time} {one.pickup.name}".strip(),
            f"{one.dropoff.time} {one.dropoff.name}".strip(),
            euros(one.price_eur, lang),
            listed((reason.text for reason in one.why), lang),
        )
        for one, days in found
    ]
