"""What goes out: models for OpenAPI, and one encoder for HTTP and the command line.

Each model is the whole allow-list of its answer. No answer holds a person's point: a
building, a member and a personal listing are shown at their published group.
"""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import shapely.geometry
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from indexes.entities import Audience, Group, Kind, Zone
from matching.query import NearAnswer

__all__ = [
    "BlockOut",
    "BuildingOut",
    "EndorsementOut",
    "GroupOut",
    "ListingOut",
    "MemberOut",
    "NearBatchOut",
    "NearOut",
    "ProblemOut",
    "ResidenceOut",
    "TenantOut",
    "WrittenOut",
    "group_out",
    "instant_text",
    "near_answer",
    "zone_out",
]


def instant_text(instant: datetime) -> str:
    """An instant as RFC 3339, in UTC.

    Examples
    --------
    >>> instant_text(datetime(2025, 6, 15, 16, tzinfo=UTC))
    '2025-06-15T16:00:00Z'
    """
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def near_answer(answer: NearAnswer) -> dict[str, Any]:
    """A page of matches as JSON has it; what a match doesn't have is left out.

    Parameters
    ----------
    answer : NearAnswer
        What the engine found.

    Returns
    -------
    dict
        ``matches`` (each with ``id``, ``kind``, ``score``, ``why`` and either ``distance_m``
        or ``distance_band``), ``radius_m``, ``people``, ``at``, ``next``, ``profiles``,
        ``position``, ``index_age_s``.
    """
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return shown


# Left out of the answer where there is none.
Absent = SkipJsonSchema[None]
Band = Literal["same_group", "<500m", "<1km", "<2km", "<5km", "farther"]


class Output(BaseModel):
    """What goes out, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class FaultOut(Output):
    field: str
    detail: str


class ProblemOut(Output):
    """An error, as RFC 9457 says."""

    type: str = Field(description="urn:mitoyen:problem: and the code.")
    title: str = Field(description="For people, in French or English by Accept-Language.")
    status: int
    code: str = Field(description="Stable, for programs.")
    detail: str = Field(description="What was wanted and what came.")
    errors: list[FaultOut] = Field([], description="Each fault, where there are several.")


class ReasonOut(Output):
    code: str
    text: str
    share: float = Field(description="The part of the score it gave.")


class MatchOut(Output):
    """A listing found. It has distance_m or distance_band, never both."""

    id: str
    kind: Kind
    title: str
    score: float = Field(ge=0, le=1)
    distance_m: float | Absent = Field(None, ge=0, description="Metres, to a public thing.")
    distance_band: Band | Absent = Field(None, description="How far a person lives.")
    why: list[ReasonOut]
    lat: float | Absent = Field(None, description="Of a public thing only.")
    lon: float | Absent = Field(None, description="Of a public thing only.")
    zones: list[str] = Field(description="IRIS codes it belongs to.")
    personal: bool
    level: int = Field(ge=0, le=4, description="How far it can be trusted.")
    available: Literal["open", "unknown", "closed", "in_stock", "sold_out"]
    category: str | Absent = None
    lang: str | Absent = None
    address: str | Absent = None
    url: str | Absent = None
    starts_at: datetime | Absent = None
    valid_to: datetime | Absent = None


class NearOut(Output):
    """A page of matches, best first."""

    matches: list[MatchOut]
    radius_m: float
    people: Literal["searched", "not_searched"]
    at: datetime
    next: str | None = Field(description="Cursor of the next page.")
    profiles: dict[str, str] = Field(description="Ranking profiles used, and their versions.")
    position: str = Field(description="How far the index has read.")
    index_age_s: float = Field(description="Seconds since the index was known to be current.")


class NearBatchOut(Output):
    """What each query of a batch found, or the problem that it is; in the order asked."""

    answers: list[NearOut | ProblemOut]


class WrittenOut(Output):
    """What a write answers: the record's id, and where the store now stands."""

    id: str
    position: str = Field(description="Give it to `near?after=` to read your own write.")


class GroupOut(Output):
    """A published group: at least 20 dwellings, shown as one point.

    One that holds fewer shows its commune only.
    """

    id: str
    lat: float | Absent = None
    lon: float | Absent = None
    dwellings: int | Absent = None
    zones: list[str] = []
    commune_code: str | Absent = None
    commune_name: str | Absent = None


def group_out(group: Group | None) -> GroupOut | None:
    """A published group as it is shown: a small one by its commune only."""
    if group is None:
        return None
    shown = group.locatable
    return GroupOut(
        id=group.id,
        lat=group.lat if shown else None,
        lon=group.lon if shown else None,
        dwellings=group.dwellings if shown else None,
        zones=list(group.zones) if shown else [],
        commune_code=group.commune_code,
        commune_name=group.commune_name or None,
    )


class TenantOut(Output):
    id: str
    name: str
    timezone: str
    lang: str


class ResidenceOut(Output):
    id: str
    name: str


class BuildingOut(Output):
    """A building, at its group: its own point and address are not answered."""

    id: str
    residence_id: str | Absent = None
    group: GroupOut | Absent = None


class MemberOut(Output):
    id: str
    household_id: str
    building_id: str
    level: int = Field(ge=0, le=4)
    name: str
    lang: str


class ListingOut(Output):
    """A listing; a personal one is shown at its owner's group."""

    id: str
    kind: Kind
    title: str
    personal: bool
    owner_id: str | Absent = Field(None, description="Told to the app and to the owner.")
    lat: float | Absent = Field(None, description="Of a public thing only.")
    lon: float | Absent = Field(None, description="Of a public thing only.")
    cell: str | Absent = Field(None, description="H3 cell at resolution 9, of a public thing.")
    zones: list[str] = []
    group: GroupOut | Absent = None
    address: str | Absent = None
    text: str | Absent = None
    category: str | Absent = None
    lang: str
    url: str | Absent = None
    audience: Audience
    audience_id: str | Absent = None
    reach_m: int | Absent = None
    valid_from: datetime | Absent = None
    valid_to: datetime | Absent = None
    starts_at: datetime | Absent = None
    ends_at: datetime | Absent = None
    published_at: datetime | Absent = None
    opening_hours: str | Absent = None
    hours_text: str | Absent = None
    quota: int | Absent = None
    quota_used: int | Absent = None
    attested: str | Absent = Field(None, description="By whom: town or registry.")


class EndorsementOut(Output):
    id: str
    member_id: str
    listing_id: str
    category: str
    created_at: datetime | Absent = None


class BlockOut(Output):
    id: str
    member_id: str
    other_id: str


class ZoneOut(Output):
    """An IRIS district."""

    code: str
    vintage: int
    name: str
    type: str = Field(description="Habitat, activity, other, commune.")
    commune_code: str
    commune_name: str
    figures: dict[str, float] | Absent = None
    census_year: int | Absent = None
    geometry: dict[str, Any] | Absent = Field(None, description="GeoJSON geometry.")


def zone_out(zone: Zone, *, geometry: bool = False) -> ZoneOut:
    """A zone as it is shown, with its outline if asked for."""
    return ZoneOut(
        code=zone.code,
        vintage=zone.vintage,
        name=zone.name,
        type=zone.type,
        commune_code=zone.commune_code,
        commune_name=zone.commune_name,
        figures=dict(zone.figures.values) if zone.figures else None,
        census_year=zone.figures.census_year if zone.figures else None,
        geometry=shapely.geometry.mapping(zone.geometry) if geometry else None,
    )


class ZoneFeatureOut(Output):
    """An IRIS district as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any]
    properties: ZoneOut


class LocatedOut(Output):
    """Where a point lies. ``zone`` is missing outside every district."""

    zone: ZoneOut | Absent = None
    nearest: bool = Field(description="Outside every district, but within 300 m of this one.")
    cell: str = Field(description="H3 cell at resolution 9.")


class HealthOut(Output):
    status: Literal["ok"] = "ok"
    version: str


class ReadyOut(Output):
    status: Literal["ready"] = "ready"
    towns: int = Field(description="How many tenants are served.")
    index_age_s: float = Field(description="Age of the oldest index, in seconds.")
    store: Literal["up", "away"] = Field(
        description="While it is away, reads go on from the index and writes answer 503."
    )
