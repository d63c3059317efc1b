"""What is kept: plain frozen records, no behaviour beyond their own meaning.

Every record belongs to a tenant (a town or landlord) and is known by ``(tenant_id, id)``.
A place is degrees, EPSG:4326, rounded to 1e-7; an instant is aware and in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shapely import Geometry

from indexes.audience import Audience
from indexes.journeys import Booking, Message, Trip
from indexes.trusting import (
    Interaction,
    LetterCode,
    Rating,
    Reply,
    Report,
    Request,
    Standing,
    Vouch,
)

__all__ = [
    "PERSONAL_KINDS",
    "PERSON_KINDS",
    "VERIFIED_LEVEL",
    "ApiKey",
    "Audience",
    "Block",
    "Building",
    "CommuneCode",
    "Endorsement",
    "Entity",
    "Figures",
    "Group",
    "GroupPartition",
    "Household",
    "IrisCode",
    "Kind",
    "Listing",
    "Member",
    "Place",
    "Residence",
    "Scope",
    "Tenant",
    "Zone",
]

IrisCode = NewType("IrisCode", str)  # nine characters: leading zeros, 2A and 2B in Corsica
CommuneCode = NewType("CommuneCode", str)  # five characters

VERIFIED_LEVEL = 2  # from this verification level on, a member counts as verified


class Kind(StrEnum):
    """What a listing is."""

    NEIGHBOUR = "neighbour"
    SERVICE = "service"
    ARTISAN = "artisan"
    MERCHANT = "merchant"
    OFFER = "offer"
    EVENT = "event"
    AD = "ad"
    PLACE = "place"


PERSONAL_KINDS = frozenset({Kind.NEIGHBOUR, Kind.SERVICE})
"""Kinds that are always a person's."""

PERSON_KINDS = PERSONAL_KINDS | {Kind.ARTISAN, Kind.AD}
"""Kinds that may be a person's: home-based artisans are, unless they opt in."""


class Scope(StrEnum):
    """What an API key may do."""

    APP = "app"
    PLANNER = "planner"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Place:
    """What a point implies; computed once, on the way in (`indexes.placement`).

    ``cell`` is the H3 cell at resolution 9 and ``cell5`` its parent at 5; ``zone`` the IRIS
    code in ``vintage``, ``zone_nearest`` if the point lies outside every zone but within
    300 m of that one; ``group`` the published group (buildings only).
    """

    cell: int
    cell5: int
    zone: IrisCode | None = None
    vintage: int | None = None
    zone_nearest: bool = False
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A town or landlord. ``timezone`` is an IANA name, ``lang`` what its people speak."""

    tenant_id: str  # its own id, so that every record has one
    id: str
    name: str
    timezone: str = "Europe/Paris"
    lang: str = "fr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """An estate of one or more buildings."""

    tenant_id: str
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """One entrance. ``dwellings`` is None where nobody counted: the zone's are then spread."""

    tenant_id: str
    id: str
    lon: float
    lat: float
    address: str = ""
    dwellings: int | None = None
    residence_id: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """The people of one dwelling."""

    tenant_id: str
    id: str
    building_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person. ``level``: 0 none, 1 e-mail and phone, 2 vouched, 3 letter code, 4 attested.

    ``gender`` is F, M or O where they said it: trips among women ask for it, nothing tells it.
    ``created_at`` is since when they are a member: districts count by it.
    """

    tenant_id: str
    id: str
    household_id: str
    level: int = 0
    name: str = ""
    lang: str = "fr"
    gender: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Anything that can be near.

    A *personal* listing stands where its owner lives: it has no point of its own, and is
    shown at the owner's group. A public one has its exact point. ``audience_id`` names the
    building or residence that a public listing addresses with those two audiences.
    ``valid_from <= instant < valid_to`` tells when it counts. ``opening_hours`` is OSM
    syntax; French prose goes to ``hours_text`` and counts as unknown. ``quota`` is how many
    there are, ``quota_used`` how many are gone. ``reach_m`` is how far the listing wants to
    be found, whole metres. ``attested`` says who vouches that it is what it says: "town",
    "registry" or nobody.
    """

    tenant_id: str
    id: str
    kind: Kind
    title: str
    personal: bool = False
    owner_id: str | None = None
    lon: float | None = None
    lat: float | None = None
    address: str = ""
    text: str = ""
    category: str = ""
    lang: str = "fr"
    url: str = ""
    audience: Audience = Audience.PUBLIC
    audience_id: str | None = None
    reach_m: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    published_at: datetime | None = None
    opening_hours: str | None = None
    hours_text: str | None = None
    quota: int | None = None
    quota_used: int = 0
    attested: str | None = None
    place: Place | None = None

    @property
    def event_end(self) -> datetime | None:
        """When an event is over: its end, or three hours after its start."""
        if self.ends_at is not None or self.starts_at is None:
            return self.ends_at
        return self.starts_at + timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """A member recommends a listing, once."""

    tenant_id: str
    id: str
    member_id: str
    listing_id: str
    category: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Two members never see each other; said by the first, true for both."""

    tenant_id: str
    id: str
    member_id: str
    other_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key to the API. Only the SHA-256 of the secret is kept, as hex."""

    tenant_id: str
    id: str
    name: str
    scopes: frozenset[Scope]
    secret_sha256: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """Census figures of a zone: what was counted, when, on which geography."""

    census_year: int
    geography_year: int | None
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Zone:
    """An IRIS district of one vintage. ``type``: H habitat, A activity, D other, Z commune.

    ``geometry`` is a Polygon or MultiPolygon, EPSG:4326.
    """

    tenant_id: str
    code: IrisCode
    vintage: int
    name: str
    type: str
    commune_code: CommuneCode
    commune_name: str
    geometry: Geometry
    figures: Figures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A published group: cells that hold at least k dwellings, shown as one point.

    ``lon``, ``lat`` is a public constant. ``locatable`` is False for a group under k, which
    shows by commune only. ``zones`` are those that hold at least k of its dwellings, else
    the one that holds most; ``cells`` are H3 cells at resolutions 5 to 9.
    """

    id: str
    cells: tuple[int, ...]
    lon: float
    lat: float
    dwellings: int
    locatable: bool
    zones: tuple[IrisCode, ...] = ()
    commune_code: CommuneCode | None = None
    commune_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPartition:
    """One version of all groups of a tenant; every inhabited cell is in exactly one."""

    tenant_id: str
    version: int
    groups: tuple[Group, ...]
    created_at: datetime | None = None


Entity = (
    Tenant
    | Residence
    | Building
    | Household
    | Member
    | Listing
    | Endorsement
    | Block
    | ApiKey
    | Trip
    | Booking
    | Message
    | Request
    | Reply
    | Interaction
    | Rating
    | Vouch
    | LetterCode
    | Report
    | Standing
)
