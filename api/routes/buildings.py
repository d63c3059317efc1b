"""`/v1/buildings`: entrances. Written with their point, read at their group."""

from api.answers import BuildingOut, group_out
from api.auth import Caller
from api.routes.records import Resource, record_router
from api.schemas import BuildingIn
from api.towns import Town
from indexes.entities import Building, Entity, Scope

__all__ = ["router"]


def make(asking: Caller, id: str, body: BuildingIn, town: Town) -> list[Entity]:
    town.outlines.refuse_swapped(body.lat, body.lon)
    return [Building(tenant_id=asking.tenant_id, id=id, **body.model_dump())]


def show(asking: Caller, building: Building, town: Town) -> BuildingOut:
    group = town.outlines.group(building.place.group if building.place else None)
    return BuildingOut(id=building.id, residence_id=building.residence_id, group=group_out(group))


router = record_router(
    Resource(
        name="buildings",
        of=Building,
        body=BuildingIn,
        shown=BuildingOut,
        make=make,
        show=show,
        readers=(Scope.APP, Scope.OPERATOR),
        writers=(Scope.OPERATOR,),
        examples={
            "entrance": {"value": {"lat": 43.2965, "lon": 5.3698, "dwellings": 24}},
        },
    )
)
