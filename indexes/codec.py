"""Records to rows of their tables and back. Rows are what a driver takes: plain values.

Only instants differ between the databases, so their conversion is handed in.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import RowMapping, Table

from geo.arrays import LonLatArray, as_lonlat, rounded
from indexes import tables
from indexes.entities import (
    ApiKey,
    Audience,
    Block,
    Building,
    Endorsement,
    Entity,
    Figures,
    Group,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Place,
    Residence,
    Scope,
    Tenant,
    Zone,
)
from indexes.journeys import Booking, BookingStatus, Message, Role, Trip
from indexes.placement import Places
from indexes.rules import Columns
from indexes.schedules import schedule_of_text, schedule_to_text
from indexes.sqltypes import ewkb_lines, ewkb_points
from indexes.trusting import (
    Interaction,
    LetterCode,
    Rating,
    Reason,
    Reply,
    Report,
    ReportState,
    Request,
    Standing,
    Vouch,
)

__all__ = [
    "KEPT",
    "PLACE",
    "TABLES",
    "Instants",
    "Placing",
    "group_of_row",
    "lonlat_of",
    "place_columns",
    "record_of_row",
    "row_columns",
    "zone_of_row",
]

E = TypeVar("E", bound=Entity)

# In the order in which they may be written: what a record refers to comes before it.
TABLES: dict[type, Table] = {
    Tenant: tables.tenants,
    Residence: tables.residences,
    Building: tables.buildings,
    Household: tables.households,
    Member: tables.members,
    Listing: tables.listings,
    Endorsement: tables.endorsements,
    Block: tables.blocks,
    ApiKey: tables.api_keys,
    Trip: tables.trips,
    Booking: tables.bookings,
    Message: tables.messages,
    Request: tables.requests,
    Reply: tables.replies,
    Interaction: tables.interactions,
    Rating: tables.ratings,
    Vouch: tables.vouches,
    LetterCode: tables.letter_codes,
    Report: tables.reports,
    Standing: tables.standings,
}

# An instant that a record states, or else keeps from its first writing.
KEPT: dict[type, str] = {
    Member: "created_at",
    Listing: "published_at",
    Endorsement: "created_at",
    ApiKey: "created_at",
    Trip: "published_at",
    Booking: "created_at",
    Message: "sent_at",
}

PLACE = ("cell", "cell5", "zone", "vintage", "zone_nearest")
_INSTANTS = (
    *("valid_from", "valid_to", "starts_at", "ends_at", "published_at", "created_at"),
    *("pickup_at", "sent_at", "asker_done_at", "helper_done_at", "opens_at", "expires_at"),
    *("used_at", "decided_at", "penalised_until"),
)
_DEGREES = ("pickup_lon", "pickup_lat", "dropoff_lon", "dropoff_lat")
# Drivers take plain values fastest, and not every one an enum or a date.
_PLAIN: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(
        ("kind", "audience", "role", "status", "recipient_role", "reason", "state"), str.__str__
    ),
    "day": date.isoformat,
    "schedule": schedule_to_text,
}
_OF_PLAIN: dict[str, Callable[[str], Any]] = {
    "kind": Kind,
    "audience": Audience,
    "role": Role,
    "status": BookingStatus,
    "recipient_role": Role,
    "reason": Reason,
    "state": ReportState,
    "day": date.fromisoformat,
    "schedule": schedule_of_text,
}

Instants = Callable[[Iterable[datetime | None]], Sequence[Any]]
Placing = Callable[[str, LonLatArray], Places]


def lonlat_of(columns: Columns) -> tuple[NDArray[np.intp], LonLatArray]:
    """Which rows have a point, and their points, rounded as they are kept."""
    # None becomes NaN, which no checked point is.
    lonlat = np.array([columns["lon"], columns["lat"]], dtype=np.float64).T
    rows = np.flatnonzero(~np.isnan(lonlat[:, 0]))
    # Adding zero makes -0.0 the 0.0 that it equals, so that equal points are equal bytes.
    return rows, as_lonlat(lonlat[rows]) + 0.0


def place_columns(places: Places) -> dict[str, list[Any]]:
    """Places as columns of a table."""
    return {
        "cell": places.cell.tolist(),
        "cell5": places.cell5.tolist(),
        "zone": places.zone,
        "vintage": places.vintage,
        "zone_nearest": places.zone_nearest.tolist(),
        "group_id": places.group,
    }


def row_columns(
    of: type[Entity],
    columns: Columns,
    instants: Instants,
    now: datetime,
    place: Placing,
) -> dict[str, Sequence[Any]]:
    """Checked records, by column of their table.

    Parameters
    ----------
    of : type
        Their class.
    columns : dict of sequences
        As `indexes.rules.columns_of` gives them.
    instants : callable
        Aware datetimes to what the database's driver takes.
    now : datetime
        The instant of the write.
    place : callable
        Tenant and points, shape (n, 2), to their `Places`.
    """
    found: dict[str, Sequence[Any]] = {
        name: instants(values) if name in _INSTANTS else values
        for name, values in columns.items()
        if name not in ("lon", "lat", "lonlat", "times_s")
    }
    n = len(columns["id"])
    if "lon" in columns:
        rows, lonlat = lonlat_of(columns)
        found["geom"] = _spread(n, [(rows, ewkb_points(lonlat))])
        tenants = np.array([columns["tenant_id"][row] for row in rows.tolist()], dtype=object)
        placed = []
        for tenant_id in set(tenants.tolist()):
            mine = np.flatnonzero(tenants == tenant_id)
            placed.append((rows[mine], place_columns(place(tenant_id, lonlat[mine]))))
        for name in (*PLACE, "group_id"):
            if name in TABLES[of].c:
                none = False if name == "zone_nearest" else None
                found[name] = _spread(n, [(at, values[name]) for at, values in placed], none)
    if of is Booking:
        for name in _DEGREES:
            found[name] = list(map(rounded, columns[name]))
    if of is Trip:
        found["geom"] = ewkb_lines(columns["lonlat"], columns["times_s"])
    for name in _PLAIN.keys() & columns.keys():
        found[name] = list(map(_PLAIN[name], columns[name]))
    if of is ApiKey:
        found["scopes"] = [" ".join(sorted(scopes)) for scopes in columns["scopes"]]
    if of in KEPT:
        found["first_written_at"] = list(instants([now])) * n
    return found


def _spread(
    n: int, parts: Iterable[tuple[NDArray[np.intp], Sequence[Any]]], none: object = None
) -> list[Any]:
    """A column of n rows: the values of each part at its rows, ``none`` elsewhere."""
    found = np.full(n, none, dtype=object)
    for rows, values in parts:
        found[rows] = np.fromiter(values, dtype=object, count=len(values))
    return list(found.tolist())


def record_of_row(of: type[E], row: RowMapping) -> E:
    """The record that a row keeps."""
    values = dict(row)
    first_written_at = values.pop("first_written_at", None)
    if of in KEPT and values[KEPT[of]] is None:
        values[KEPT[of]] = first_written_at
    if of is Trip:
        line = shapely.get_coordinates(values.pop("geom"), include_m=True)
        values["lonlat"] = tuple(zip(line[:, 0].tolist(), line[:, 1].tolist(), strict=True))
        values["times_s"] = tuple(line[:, 2].tolist())
    if "geom" in values:
        point = values.pop("geom")
        values["lon"], values["lat"] = (None, None) if point is None else (point.x, point.y)
        place = {name: values.pop(name) for name in PLACE}
        group = values.pop("group_id", None)
        values["place"] = None if point is None else Place(**place, group=group)
    for name in _OF_PLAIN.keys() & values.keys():
        values[name] = _OF_PLAIN[name](values[name])
    if of is ApiKey:
        values["scopes"] = frozenset(map(Scope, values["scopes"].split()))
    return of(**values)


def zone_of_row(row: RowMapping, figures: Figures | None) -> Zone:
    """The zone that a row keeps, with its figures."""
    values = dict(row)
    geometry = values.pop("geom")
    for name in ("census_year", "geography_year"):  # the figures have them
        del values[name]
    return Zone(**values, geometry=geometry, figures=figures)


def group_of_row(row: RowMapping, cells: Sequence[int]) -> Group:
    """The group that a row keeps, with its cells."""
    return Group(
        id=row["id"],
        cells=tuple(cells),
        lon=row["geom"].x,
        lat=row["geom"].y,
        dwellings=row["dwellings"],
        locatable=row["locatable"],
        zones=tuple(map(IrisCode, row["zones"].split())),
        commune_code=row["commune_code"],
        commune_name=row["commune_name"],
    )
