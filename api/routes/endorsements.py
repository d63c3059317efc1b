"""`/v1/endorsements`: a member recommends a listing."""

from api.answers import EndorsementOut
from api.auth import Caller
from api.routes.listings import find
from api.routes.records import Resource, record_router, stored
from api.schemas import EndorsementIn
from api.towns import Town
from geo.errors import DeniedError, InputError, NotFoundError
from indexes.entities import Endorsement, Entity, Member, Scope

__all__ = ["router"]


def make(asking: Caller, id: str, body: EndorsementIn, town: Town) -> list[Entity]:
    if asking.member_id is not None:
        try:
            listing = find(asking, body.listing_id, town)
        except NotFoundError:
            # One answer for what is not there and what this member may not see.
            raise InputError("listing_id names no listing", code="unknown-reference") from None
        homes = {
            stored(town, Member, id).household_id for id in (body.member_id, listing.owner_id) if id
        }
        if listing.owner_id is not None and len(homes) == 1:
            raise DeniedError(
                "the people of one dwelling don't recommend what is their own",
                code="same-household",
            )
    return [Endorsement(tenant_id=asking.tenant_id, id=id, **body.model_dump())]


def show(asking: Caller, endorsement: Endorsement, town: Town) -> EndorsementOut:
    return EndorsementOut(
        id=endorsement.id,
        member_id=endorsement.member_id,
        listing_id=endorsement.listing_id,
        category=endorsement.category,
        created_at=endorsement.created_at,
    )


router = record_router(
    Resource(
        name="endorsements",
        of=Endorsement,
        body=EndorsementIn,
        shown=EndorsementOut,
        make=make,
        show=show,
        readers=(Scope.APP,),
        writers=(Scope.APP,),
        own="member_id",
        private=True,
        examples={"plumber": {"value": {"member_id": "m-7", "listing_id": "artisan-4"}}},
    )
)
