"""`/v1/listings`: anything that can be near, and who may see it."""

from collections.abc import Callable
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
from geo.errors import NotFoundError, ResolutionError
from indexes.entities import (
    Audience,
    Block,
    Building,
    Entity,
    Group,
    Household,
    Listing,
    Member,
    Scope,
)
from indexes.placement import CELL_RESOLUTION, PARENT_RESOLUTION

__all__ = ["router"]

SCAN_ROWS = 1_000
Keep = Callable[[Listing], bool]


def make(asking: Caller, id: str, body: ListingIn, town: Town) -> list[Entity]:
    if body.lat is not None and body.lon is not None:
        town.outlines.refuse_swapped(body.lat, body.lon)
    return [Listing(tenant_id=asking.tenant_id, id=id, **body.model_dump())]


def home_of(town: Town, member_id: str) -> Building:
    """The building a member lives in."""
    member = stored(town, Member, member_id)
    return stored(town, Building, stored(town, Household, member.household_id).building_id)


def blocked_with(town: Town, member_id: str) -> set[str]:
    """Members who block this one, or whom this one blocks."""
    pairs: set[tuple[str, str]] = set()
    for side in ("member_id", "other_id"):
        after = ""
        while rows := town.store.page(
            Block, town.tenant_id, after=after, limit=SCAN_ROWS, where={side: member_id}
        ):
            pairs |= {(row.member_id, row.other_id) for row in rows}
            after = rows[-1].id
    return {other for pair in pairs for other in pair} - {member_id}


def group_at(town: Town, building: Building) -> Group | None:
    return town.outlines.group(building.place.group if building.place else None)


def may_see(asking: Caller, listing: Listing, town: Town) -> bool:
    """Whether a caller may read a listing: the audiences of a search, for one thing."""
    public = listing.audience is Audience.PUBLIC and not listing.personal
    if asking.sees_all:
        return True
    if asking.member_id is None:
        return public
    if listing.owner_id == asking.member_id:
        return True
    if listing.owner_id in blocked_with(town, asking.member_id):
        return False
    if public or listing.audience in (Audience.PUBLIC, Audience.CITY):
        return True
    try:
        home = home_of(town, asking.member_id)
    except NotFoundError:
        return False
    owner_home = home_of(town, listing.owner_id) if listing.personal and listing.owner_id else None
    if listing.audience is Audience.ZONE:
        near = group_at(town, home)
        return near is not None and bool(set(near.zones) & set(zones_of(listing, owner_home, town)))
    if listing.audience is Audience.BUILDING:
        return home.id == (owner_home.id if owner_home else listing.audience_id)
    residence = owner_home.residence_id if owner_home else listing.audience_id
    return residence is not None and home.residence_id == residence


def zones_of(listing: Listing, owner_home: Building | None, town: Town) -> list[str]:
    """Zones a listing belongs to: its point's, or all of its owner's group."""
    if owner_home is not None:
        group = group_at(town, owner_home)
        return list(group.zones) if group else []
    return [listing.place.zone] if listing.place and listing.place.zone else []


def find(asking: Caller, id: str, town: Town) -> Listing:
    listing = stored(town, Listing, id)
    if not may_see(asking, listing, town):
        raise missing()
    return listing


COPIED = (
    *("kind", "title", "personal", "lang", "audience", "address", "text", "category", "url"),
    *("audience_id", "reach_m", "valid_from", "valid_to", "starts_at", "ends_at"),
    *("published_at", "opening_hours", "hours_text", "quota"),
)


def show(asking: Caller, listing: Listing, town: Town) -> ListingOut:
    told: dict[str, Any] = {name: getattr(listing, name) for name in COPIED}
    told = {name: value for name, value in told.items() if value not in ("", None)}
    if asking.sees_all or (asking.member_id and asking.member_id == listing.owner_id):
        told["owner_id"] = listing.owner_id
    if listing.quota is not None:
        told["quota_used"] = listing.quota_used
    owner_home = home_of(town, listing.owner_id) if listing.personal and listing.owner_id else None
    told["zones"] = zones_of(listing, owner_home, town)
    if owner_home is not None:
        told["group"] = group_out(group_at(town, owner_home))
    else:
        told |= {"lat": listing.lat, "lon": listing.lon}
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
    pager = Pager(town.store.secret("cursor"), "listings", *scope)
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
        lambda listing: listing.owner_id not in hidden and inside(listing),
    )
    listed = found[: params.limit]
    return {
        "listings": [show(asking, listing, town) for listing in listed],
        "next": pager.write(listed[-1].id) if len(found) > params.limit else None,
    }
