"""What is asked of near me, and what is answered. Records only."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from shapely import Polygon

from geo.arrays import LonLat
from indexes.entities import Audience, IrisCode, Kind

__all__ = [
    "ALL_KINDS",
    "ANYONE",
    "MAX_LIMIT",
    "Match",
    "NearAnswer",
    "NearQuery",
    "Reason",
    "Viewer",
]

ALL_KINDS = tuple(Kind)
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: somebody unknown, or a member."""

    member_id: str | None = None


ANYONE = Viewer()


@dataclass(frozen=True, slots=True, kw_only=True)
class NearQuery:
    """What is near a place, or near the viewer's own group where ``origin`` is None.

    Parameters
    ----------
    at : datetime
        The instant that counts, aware.
    origin : (lon, lat), optional
        Degrees, EPSG:4326. A free origin reaches public things only.
    kinds : tuple of Kind
        Which kinds; all by default.
    category : str, optional
        Dotted; matches itself and everything below it.
    text : str, optional
        Words to look for in title, text and category.
    radius_m : float, optional
        Metres; None takes the smallest of 150, 300, 600, 1200, 2500, 5000 that fills a page.
    min_distance_m : float
        Metres; nearer things are left out.
    zones : tuple of str
        IRIS codes; a thing in any of them is kept.
    polygon : Polygon, optional
        EPSG:4326, planar; its border counts as inside.
    audiences : tuple of Audience
        Keep only listings addressed so; empty keeps all that the viewer may see.
    open_now, verified_only : bool
        Keep only what is known to be open at ``at``; only what a verified member owns.
    profile : str, optional
        Name of a ranking profile; None ranks each kind by its own.
    limit : int
        1 to 200.
    cursor : str, optional
        `NearAnswer.next` of the page before.
    lang : str
        Language of the reasons: "fr" or "en".
    """

    at: datetime
    origin: LonLat | None = None
    kinds: tuple[Kind, ...] = ALL_KINDS
    category: str | None = None
    text: str | None = None
    radius_m: float | None = None
    min_distance_m: float = 0.0
    zones: tuple[IrisCode, ...] = ()
    polygon: Polygon | None = None
    audiences: tuple[Audience, ...] = ()
    open_now: bool = False
    verified_only: bool = False
    profile: str | None = None
    limit: int = 20
    cursor: str | None = None
    lang: str = "fr"


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why a match is there: a stable code, a sentence, and the share of the score it gave."""

    code: str
    text: str
    share: float


# Encoded as it stands, in this order: what has a default and keeps it is left out of the JSON.
class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One listing found. It carries ``distance_m`` or ``distance_band``, never both.

    ``lat`` and ``lon`` are those of a public thing; a personal one has none. ``zones`` are
    the IRIS codes it belongs to: the point's, or all of the owner's group. ``available`` is
    "open", "unknown", "closed", "in_stock" or "sold_out".
    """

    id: str
    kind: Kind
    title: str
    score: float
    distance_m: float | None = None
    distance_band: str | None = None
    why: tuple[Reason, ...]
    lat: float | None = None
    lon: float | None = None
    zones: tuple[IrisCode, ...]
    personal: bool
    level: int
    available: str
    category: str = ""
    lang: str = ""
    address: str = ""
    url: str = ""
    starts_at: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearAnswer:
    """A page of matches, best first.

    ``radius_m`` is the radius used, ``people`` "searched" or "not_searched", ``next`` the
    cursor of the next page, ``profiles`` names and versions of the profiles used, and
    ``index_age_s`` how long ago the index was known to be current.
    """

    matches: tuple[Match, ...]
    radius_m: float
    people: str
    at: datetime
    next: str | None = None
    profiles: dict[str, str] = field(default_factory=dict)
    position: str = ""
    index_age_s: float = 0.0
