"""`/v1/listings`: anything that can be near, and who may see it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request

from api.answers import ListingOut, group_out
from api.auth import Anyone, Caller
from api.paging import Pager
from api.routes.records import Resource, missing, page_model, record_router, stored, town_of
from api.schemas import ListingIn, ListingPageParams
from api.towns import Town
from geo.cells import cell_to_text, cells_to_parents, text_to_cell
from geo.errors import DeniedError, InputError, NotFoundError, ResolutionError
from indexes.entities import (
    VERIFIED_LEVEL,
    Audience,
    Block,
    Building,
    Entity,
    Group,
    Household,
    IrisCode,
    Listing,
    Member,
    Scope,
)
from indexes.placement import CELL_RESOLUTION, PARENT_RESOLUTION
from indexes.rules import CLOCK_SKEW
from indexes.trusting import Standing
from matching.trusting.care import CARE_LEVEL, needs_level
from matching.trusting.verifying import level_at

__all__ = ["router"]

SCAN_ROWS = 1_000
# What was attested is attested no more if one of these is another.
SAME = ("kind", "title", "personal", "owner_id", "address", "lat", "lon")
Keep = Callable[[Listing], bool]


def make(asking: Caller, id: str, body: ListingIn, town: Town) -> list[Entity]:
    if body.lat is not None and body.lon is not None:
        town.outlines.refuse_swapped(body.lat, body.lon)
    if body.published_at is not None and body.published_at > datetime.now(UTC) + CLOCK_SKEW:
        raise InputError("published_at must not lie ahead", code="invalid-instant")
    if asking.member_id is not None and body.audience_id is not None:
        require_home_of(town, asking.member_id, body)
    told = body.model_dump() | {"attested": attested(asking, id, body, town)}
    listing = Listing(tenant_id=asking.tenant_id, id=id, **told)
    require_proved(town, listing)
    return [listing]


def attested(asking: Caller, id: str, body: ListingIn, town: Town) -> str | None:
    """By whom a listing is attested once it is written.

    An operator says. What others write stays attested as long as it is the same thing.

    Raises
    ------
    DeniedError
        ``attested-by-operator`` if somebody else would attest it.
    """
    if asking.member_id is None and Scope.OPERATOR in asking.scopes:
        return body.attested
    try:
        known = town.store.get(Listing, asking.tenant_id, id)
    except NotFoundError:
        known = None
    if known is not None and asking.member_id not in (None, known.owner_id):
        known = None  # nothing of what is another's is told
    if body.attested is not None and (known is None or body.attested != known.attested):
        raise DeniedError(
            "operators say who attests a listing: leave attested out", code="attested-by-operator"
        )
    same = known is not None and all(getattr(known, name) == getattr(body, name) for name in SAME)
    return known.attested if known is not None and same else None


@dataclass(frozen=True)
class Home:
    """Where a member lives, and how far they are verified."""

    level: int
    building: Building
    group: Group | None

    @property
    def zones(self) -> tuple[IrisCode, ...]:
        """Every zone of the group: a person has no finer one."""
        return self.group.zones if self.group else ()


def home_of(town: Town, member_id: str) -> Home:
    """Where a member lives, or the one answer to what is missing."""
    member = stored(town, Member, member_id)
    building = stored(town, Building, stored(town, Household, member.household_id).building_id)
    group = town.outlines.group(building.place.group if building.place else None)
    return Home(member.level, building, group)


def require_home_of(town: Town, member_id: str, body: ListingIn) -> None:
    """Refuse a public listing addressed to walls that a member is not proven to live behind.

    Raises
    ------
    DeniedError
        If so.
    """
    try:
        home = home_of(town, member_id)
    except NotFoundError:
        raise DeniedError("no such member", code="unknown-member") from None
    walls = {
        Audience.BUILDING: home.building.id,
        Audience.RESIDENCE: home.building.residence_id,
    }
    proven = home.level >= VERIFIED_LEVEL and walls.get(body.audience) == body.audience_id
    if body.audience in walls and not proven:
        raise DeniedError("a verified member addresses their own building and residence only")


def level_of(town: Town, member_id: str | None) -> int:
    """A member's level in force now; 0 for who isn't there."""
    if member_id is None:
        return 0
    try:
        member = town.store.get(Member, town.tenant_id, member_id)
    except NotFoundError:
        return 0
    try:
        standing = town.store.get(Standing, town.tenant_id, member_id)
    except NotFoundError:
        return member.level
    return level_at(member, standing, datetime.now(UTC))


def proved(town: Town, listing: Listing) -> bool:
    """Whether who offers care has proved where they live; of anything else it isn't asked."""
    return not needs_level(listing) or level_of(town, listing.owner_id) >= CARE_LEVEL


def require_proved(town: Town, listing: Listing) -> None:
    """Refuse an offer of care by somebody who has not proved where they live.

    Raises
    ------
    DeniedError
        ``level-required`` if so.
    """
    if not proved(town, listing):
        raise DeniedError(
            "care of children or of the elderly is offered by members of level 3 or 4: enter the "
            "code of a letter to the owner's address, or have the town attest it, then write again",
            code="level-required",
        )


def owner_home_of(town: Town, listing: Listing) -> Home | None:
    """Where a personal listing stands; None for a public one, which has its own point."""
    if not listing.personal or listing.owner_id is None:
        return None
    return home_of(town, listing.owner_id)


def zones_of(listing: Listing, owner: Home | None) -> tuple[IrisCode, ...]:
    """Zones a listing belongs to: its point's, or all of its owner's group."""
    if owner is not None:
        return owner.zones
    return (listing.place.zone,) if listing.place and listing.place.zone else ()


def blocked_with(town: Town, member_id: str) -> set[str]:
    """Members who block this one, or whom this one blocks."""
    others: set[str] = set()
    for side in ("member_id", "other_id"):
        after = ""
        while rows := town.store.page(
            Block, town.tenant_id, after=after, limit=SCAN_ROWS, where={side: member_id}
        ):
            others |= {row.member_id for row in rows} | {row.other_id for row in rows}
            after = rows[-1].id
    return others - {member_id}


def may_see(asking: Caller, listing: Listing, town: Town) -> bool:
    """Whether a caller may read a listing: for one thing, what a search tests for all."""
    if asking.sees_all:
        return True
    if asking.member_id is None:
        return (
            listing.audience is Audience.PUBLIC and not listing.personal and proved(town, listing)
        )
    if listing.owner_id == asking.member_id:
        return True
    if not proved(town, listing):
        return False
    if listing.owner_id in blocked_with(town, asking.member_id):
        return False
    if listing.audience is Audience.PUBLIC:
        return True
    try:
        viewer, owner = home_of(town, asking.member_id), owner_home_of(town, listing)
    except NotFoundError:
        return False
    if listing.audience is Audience.CITY:
        return True
    if listing.audience is Audience.ZONE:
        return not set(viewer.zones).isdisjoint(zones_of(listing, owner))
    # Walls are a proof of address: who stands behind them is verified, on both sides.
    if min(viewer.level, owner.level if owner else VERIFIED_LEVEL) < VERIFIED_LEVEL:
        return False
    if listing.audience is Audience.BUILDING:
        addressed = owner.building.id if owner else listing.audience_id
        return addressed == viewer.building.id
    addressed = owner.building.residence_id if owner else listing.audience_id
    return addressed is not None and addressed == viewer.building.residence_id


def find(asking: Caller, id: str, town: Town) -> Listing:
    listing = stored(town, Listing, id)
    if not may_see(asking, listing, town):
        raise missing()
    return listing


COPIED = (
    *("kind", "title", "personal", "lang", "audience", "address", "text", "category", "url"),
    *("audience_id", "reach_m", "valid_from", "valid_to", "starts_at", "ends_at"),
    *("published_at", "opening_hours", "hours_text", "quota", "attested"),
)


def show(asking: Caller, listing: Listing, town: Town) -> ListingOut:
    told: dict[str, Any] = {name: getattr(listing, name) for name in COPIED}
    told = {name: value for name, value in told.items() if value not in ("", None)}
    if asking.sees_all or (asking.member_id and asking.member_id == listing.owner_id):
        told["owner_id"] = listing.owner_id
    if listing.quota is not None:
        told["quota_used"] = listing.quota_used
    owner = owner_home_of(town, listing)
    if owner is not None:
        told["group"] = group = group_out(owner.group)
        # Those that the group tells: one too small tells its commune only.
        told["zones"] = group.zones if group else []
    else:
        told |= {"lat": listing.lat, "lon": listing.lon}
        told["zones"] = list(zones_of(listing, owner))
        told["cell"] = cell_to_text(listing.place.cell) if listing.place else None
    return ListingOut(id=listing.id, **told)


resource = Resource(
    name="listings",
    of=Listing,
    body=ListingIn,
    shown=ListingOut,
    make=make,
    show=show,
    find=find,
    readers=(),
    writers=(Scope.APP,),
    own="owner_id",
    examples={
        "bakery": {
            "value": {
                "kind": "merchant",
                "title": "Boulangerie du Port",
                "lat": 43.2955,
                "lon": 5.3745,
                "category": "food.bakery",
                "opening_hours": "Tu-Su 07:00-19:30",
            }
        },
        "tutoring": {
            "value": {
                "kind": "service",
                "title": "Soutien en maths, collège",
                "personal": True,
                "owner_id": "m-7",
                "category": "education.tutoring",
                "audience": "zone",
            }
        },
    },
)
router = record_router(resource, listed=False)


def scanned(
    town: Town, after: str, wanted: int, where: dict[str, str | int | bool], keep: Keep
) -> list[Listing]:
    """The first listings after an id that a test keeps; rows it drops never shorten a page."""
    kept: list[Listing] = []
    while len(kept) < wanted:
        records = town.store.page(
            Listing, town.tenant_id, after=after, limit=SCAN_ROWS, where=where
        )
        kept += filter(keep, records)
        if len(records) < SCAN_ROWS:
            break
        after = records[-1].id
    return kept[:wanted]


def in_cell(text: str) -> tuple[dict[str, str | int | bool], Keep]:
    """What of a cell the store can filter by, and the test that does the rest."""
    cell = text_to_cell(text)
    resolution = (cell >> 52) & 15
    if not PARENT_RESOLUTION <= resolution <= CELL_RESOLUTION:
        raise ResolutionError(
            f"a cell here has resolution {PARENT_RESOLUTION} to {CELL_RESOLUTION}, got {resolution}"
        )
    if resolution == CELL_RESOLUTION:
        return {"cell": cell}, lambda listing: True
    parent = int(cells_to_parents(np.array([cell], np.uint64), PARENT_RESOLUTION)[0])

    def inside(listing: Listing) -> bool:
        own = np.array([listing.place.cell if listing.place else 0], np.uint64)
        return int(cells_to_parents(own, resolution)[0]) == cell

    return {"cell5": parent}, inside


@router.get(
    "/v1/listings",
    name="list listings",
    summary="List public listings, perhaps a district's or a cell's, in order of id",
    response_model=page_model("listings", ListingOut),
    response_model_exclude_none=True,
)
def page(
    request: Request, asking: Anyone, params: Annotated[ListingPageParams, Query()]
) -> dict[str, Any]:
    town = town_of(request, asking)
    scope = (town.tenant_id, params.zone or "", params.cell or "", asking.member_id or "")
    pager = Pager(town.cursor_secret, "listings", *scope)
    where: dict[str, str | int | bool] = {"personal": False, "audience": Audience.PUBLIC.value}
    if params.zone is not None:
        where["zone"] = params.zone
    inside: Keep = lambda listing: True  # noqa: E731
    if params.cell is not None:
        filters, inside = in_cell(params.cell)
        where |= filters
    hidden = blocked_with(town, asking.member_id) if asking.member_id is not None else set()
    found = scanned(
        town,
        pager.read(params.cursor),
        params.limit + 1,
        where,
        lambda one: one.owner_id not in hidden and inside(one) and proved(town, one),
    )
    listed = found[: params.limit]
    return {
        "listings": [show(asking, listing, town) for listing in listed],
        "next": pager.write(listed[-1].id) if len(found) > params.limit else None,
    }
