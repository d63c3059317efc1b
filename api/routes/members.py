"""`/v1/members`: people, and the households they live in."""

from api.answers import MemberOut
from api.auth import Caller
from api.routes.records import Resource, record_router, stored
from api.schemas import MemberIn
from api.towns import Town
from geo.errors import ConflictError, NotFoundError
from indexes.entities import Entity, Household, Member, Scope

__all__ = ["router"]


def make(asking: Caller, id: str, body: MemberIn, town: Town) -> list[Entity]:
    household = Household(
        tenant_id=asking.tenant_id, id=body.household_id, building_id=body.building_id
    )
    member = Member(
        tenant_id=asking.tenant_id,
        id=id,
        household_id=body.household_id,
        level=body.level,
        name=body.name,
        lang=body.lang,
        gender=body.gender,
    )
    try:
        known = stored(town, Household, body.household_id)
    except NotFoundError:
        return [household, member]
    if known.building_id != body.building_id:
        raise ConflictError(
            "this household lives in another building: one that moves gets a new id"
        )
    return [member]


def show(asking: Caller, member: Member, town: Town) -> MemberOut:
    household = stored(town, Household, member.household_id)
    return MemberOut(
        id=member.id,
        household_id=member.household_id,
        building_id=household.building_id,
        level=member.level,
        name=member.name,
        lang=member.lang,
    )


router = record_router(
    Resource(
        name="members",
        of=Member,
        body=MemberIn,
        shown=MemberOut,
        make=make,
        show=show,
        readers=(Scope.APP,),
        writers=(Scope.APP,),
        own="id",
        private=True,
        by_members=False,  # level and household say how far a person is trusted, and where
        examples={
            "neighbour": {
                "value": {"household_id": "h-12", "building_id": "b-3", "level": 2, "name": "Ana"}
            }
        },
    )
)
