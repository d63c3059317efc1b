"""What comes in and goes out over HTTP: pydantic models, each an explicit allow-list.

A body is read strictly (`api.bodies`); a query string is text, and its numbers and booleans
must be spelled as JSON spells them. Latitude and longitude are degrees, EPSG:4326, and named;
cells are hex strings, instants RFC 3339 with an offset, distances metres.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from indexes.entities import Audience, Kind
from matching.query import ALL_KINDS, MAX_LIMIT

__all__ = [
    "BODIES",
    "MAX_QUERIES",
    "MAX_VERTICES",
    "BlockIn",
    "BuildingIn",
    "EndorsementIn",
    "Id",
    "Instant",
    "Latitude",
    "ListingIn",
    "ListingPageParams",
    "LocateParams",
    "Longitude",
    "MemberIn",
    "NearBatchBody",
    "NearBody",
    "NearParams",
    "PageParams",
    "PolygonIn",
    "Position",
    "ResidenceIn",
    "TenantIn",
    "VintageParams",
    "ZonePageParams",
    "dotted",
]

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
JSON_WORDS = {"true": True, "false": False}

MAX_RADIUS_M = 100_000
MAX_ZONES = 50
MAX_VERTICES = 1_000
MAX_QUERIES = 1_000


def _number(value: Any, info: ValidationInfo) -> Any:
    # A query string's value is a str in Python mode; a body is validated in JSON mode.
    spelled = info.mode == "json" or not isinstance(value, str) or JSON_NUMBER.fullmatch(value)
    if not spelled:
        raise PydanticCustomError("number", "a number is spelled as in JSON")
    return value


def _whole(value: Any, info: ValidationInfo) -> Any:
    # To JSON Schema, 20.0 is an integer.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _number(value, info)


def _boolean(value: Any, info: ValidationInfo) -> Any:
    return JSON_WORDS.get(value, "") if info.mode == "python" and isinstance(value, str) else value


def _listed(value: Any, info: ValidationInfo) -> Any:
    """``kind=offer,event`` says the same as ``kind=offer&kind=event``, in a query string."""
    if info.mode == "python" and isinstance(value, list):
        return [part for item in value for part in str(item).split(",")]
    return value


def _rfc3339(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        if info.mode == "python":  # in a query string an unescaped + is a space
            value = value.replace(" ", "+")
        try:
            if RFC3339.fullmatch(value):
                return datetime.fromisoformat(value.upper())
        except ValueError:
            pass  # the 30th of February
        raise PydanticCustomError(
            "instant", "an instant is spelled 2025-06-15T18:00:00+02:00, with its offset"
        )
    return value


def _in_utc(value: datetime) -> datetime:
    if not 1900 <= value.year < 2200:
        raise PydanticCustomError("invalid-instant", "an instant lies in the years 1900 to 2199")
    return value.astimezone(UTC)


def _timezone(value: str) -> str:
    if value not in available_timezones():
        raise PydanticCustomError("unknown-timezone", "a time zone has an IANA name")
    return value


Number = BeforeValidator(_number)
Whole = BeforeValidator(_whole)
Listed = BeforeValidator(_listed)
Flag = Annotated[bool, BeforeValidator(_boolean)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False), Number]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False), Number]
Metres = Annotated[float, Field(ge=0, le=MAX_RADIUS_M, allow_inf_nan=False), Number]
Radius = Annotated[float, Field(gt=0, le=MAX_RADIUS_M, allow_inf_nan=False), Number]
Height = Annotated[float, Field(allow_inf_nan=False)]


def _shape(point: object) -> str:
    """Which of its two shapes a position has, so that only that one's faults are told."""
    return "tuple[3]" if isinstance(point, list | tuple) and len(point) == 3 else "tuple[2]"


def dotted(location: Iterable[object]) -> str:
    """Where in what came a fault is, as a name: ``query.lat``, ``body.polygon.type``.

    What was tried there, of several shapes, is no part of it.
    """
    return ".".join(part for part in map(str, location) if not part.startswith("tuple["))


Position = Annotated[
    Annotated[tuple[Longitude, Latitude], Tag("tuple[2]")]
    | Annotated[tuple[Longitude, Latitude, Height], Tag("tuple[3]")],
    Discriminator(_shape),
]
Year = Annotated[int, Field(ge=1900, le=2200), Whole]
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc), BeforeValidator(_rfc3339)]
Timezone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_timezone)]
Lang = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
Name = Annotated[str, StringConstraints(max_length=300)]
Line = Annotated[str, StringConstraints(max_length=500)]
# No \s here: which characters it means differs between the dialects that read this pattern.
Url = Annotated[
    str,
    StringConstraints(
        max_length=2_000, pattern=r"^(https?://[^\u0000-\u0020\u007f-\u00a0<>\"]+)?$"
    ),
]
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\u0000-\u001f\u007f]+$")
]
Category = Annotated[str, StringConstraints(max_length=200)]  # the store says how it is spelled
ZoneCode = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9AB][0-9]{7}$")]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), Whole]


class Input(BaseModel):
    """What comes in: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NearParams(Input):
    """What is near a place, or near the home of the member who asks."""

    lat: Latitude | None = Field(
        None,
        examples=[43.2951],
        description="Latitude of the origin; without one, the member's own group.",
    )
    lon: Longitude | None = Field(None, examples=[5.3740], description="Longitude of the origin.")
    kind: Annotated[list[Kind], Field(min_length=1, max_length=20), Listed] = Field(
        list(ALL_KINDS), description="Which kinds; all by default."
    )
    category: Category | None = Field(
        None, examples=["food.bakery"], description="Dotted; matches itself and all below it."
    )
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="Words to look for, in any spelling that is near enough."
    )
    radius_m: Radius | None = Field(
        None, description="Metres; by default the smallest of 150 to 5,000 that fills a page."
    )
    min_distance_m: Metres = Field(0.0, description="Metres; nearer things are left out.")
    within: Annotated[list[ZoneCode], Field(max_length=MAX_ZONES), Listed] = Field(
        [], description="IRIS codes; a thing in any of them is kept."
    )
    audience: Annotated[list[Audience], Field(max_length=5), Listed] = Field(
        [], description="Only listings addressed so; by default all that you may see."
    )
    open_now: Flag = Field(False, description="Only what is known to be open.")
    verified_only: Flag = Field(False, description="Only what verified members offer.")
    profile: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,50}$")] | None = Field(
        None, description="Ranking profile; by default each kind's own."
    )
    at: Instant | None = Field(None, description="The instant that counts; by default now.")
    limit: Limit = Field(20, description="Matches on a page.")
    cursor: Cursor | None = Field(
        None, description="`next` of the page before; the rest of the query stays the same."
    )
    lang: Literal["fr", "en"] | None = Field(
        None, description="Language of the reasons; by default `Accept-Language`'s."
    )
    after: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = Field(
        None, description="A write's `Mitoyen-Position`: wait until it is searched."
    )

    @model_validator(mode="after")
    def _whole_origin(self) -> "NearParams":
        if (self.lat is None) != (self.lon is None):
            raise PydanticCustomError("incomplete-origin", "lat and lon are given together")
        return self


class PolygonIn(Input):
    """A GeoJSON Polygon: rings of (longitude, latitude), closed; a third number is dropped."""

    type: Literal["Polygon"]
    coordinates: Annotated[
        list[list[Position]],
        Field(min_length=1, max_length=100),
    ]


class NearBody(NearParams):
    """The same question as a body, which may also name a polygon."""

    polygon: PolygonIn | None = Field(None, description="Only what lies in it, or on its border.")


class NearBatchBody(Input):
    """Many questions at once. A bad one is answered by its problem, and spoils no other."""

    queries: Annotated[list[Any], Field(min_length=1, max_length=MAX_QUERIES)] = Field(
        description="Each as `/v1/near` takes it."
    )


class PageParams(Input):
    """A page of a list."""

    limit: Limit = Field(100, description="Things on a page.")
    cursor: Cursor | None = Field(None, description="`next` of the page before.")


class ListingPageParams(PageParams):
    """A page of listings, perhaps a district's or a cell's public ones."""

    zone: ZoneCode | None = Field(None, description="IRIS code: its public listings.")
    cell: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{15}$")] | None = Field(
        None, description="H3 cell in hex, resolution 5 to 9: its public listings."
    )


class ZonePageParams(PageParams):
    """A page of zones."""

    vintage: Year | None = Field(None, description="Year of the geography; by default the newest.")
    geometry: Flag = Field(False, description="With each outline, as GeoJSON.")


class VintageParams(Input):
    """Which vintage of a zone."""

    vintage: Year | None = Field(None, description="Year of the geography; by default the newest.")


class LocateParams(Input):
    """A point to find the district of."""

    lat: Latitude = Field(examples=[43.2951], description="Latitude.")
    lon: Longitude = Field(examples=[5.3740], description="Longitude.")


class TenantIn(Input):
    """A town or landlord."""

    name: Annotated[Name, Field(min_length=1)]
    timezone: Timezone = "Europe/Paris"
    lang: Lang = "fr"


class ResidenceIn(Input):
    """An estate of one or more buildings."""

    name: Name


class BuildingIn(Input):
    """One entrance. Its point is never answered: only the group it belongs to is."""

    lat: Latitude
    lon: Longitude
    address: Line = ""
    dwellings: Annotated[int, Field(ge=0, le=10_000), Whole] | None = None
    residence_id: Id | None = None


class MemberIn(Input):
    """A person, and the household they live in; a new household is made on the way."""

    household_id: Id
    building_id: Id
    level: Annotated[int, Field(ge=0, le=4), Whole] = 0
    name: Name = ""
    lang: Lang = "fr"
    gender: Literal["F", "M", "O"] | None = Field(
        None, description="Asked by trips among women; never answered."
    )


class ListingIn(Input):
    """Anything that can be near. A personal one has no point: it stands at its owner's group."""

    kind: Kind
    title: Annotated[Name, Field(min_length=1)]
    personal: bool = False
    owner_id: Id | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    address: Line = ""
    text: Annotated[str, StringConstraints(max_length=20_000)] = ""
    category: Category = ""
    lang: Lang = "fr"
    url: Url = ""
    audience: Audience = Audience.PUBLIC
    audience_id: Id | None = None
    reach_m: Annotated[int, Field(gt=0, le=MAX_RADIUS_M), Whole] | None = None
    valid_from: Instant | None = None
    valid_to: Instant | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    published_at: Instant | None = None
    opening_hours: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | None = None
    hours_text: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    quota: Annotated[int, Field(ge=0, le=1_000_000), Whole] | None = None
    quota_used: Annotated[int, Field(ge=0, le=1_000_000), Whole] = 0
    attested: Literal["town", "registry"] | None = Field(
        None, description="Who attests it. Written by operators and imports only."
    )

    @model_validator(mode="after")
    def _whole_place(self) -> "ListingIn":
        if (self.lat is None) != (self.lon is None):
            raise PydanticCustomError("incomplete-origin", "lat and lon are given together")
        if self.personal and self.address:
            raise PydanticCustomError(
                "personal-place",
                "a personal listing has no address: it is where its owner lives",
            )
        return self


class EndorsementIn(Input):
    """A member recommends a listing."""

    member_id: Id
    listing_id: Id
    category: Category = ""


class BlockIn(Input):
    """Two members never see each other."""

    member_id: Id
    other_id: Id


BODIES: tuple[type[Input], ...] = (
    BlockIn,
    BuildingIn,
    EndorsementIn,
    ListingIn,
    MemberIn,
    NearBatchBody,
    NearBody,
    ResidenceIn,
    TenantIn,
)
