"""`/v1/residences`: estates of one or more buildings."""

from api.answers import ResidenceOut
from api.auth import Caller
from api.routes.records import Resource, record_router
from api.schemas import ResidenceIn
from api.towns import Town
from indexes.entities import Entity, Residence, Scope

__all__ = ["router"]


def make(asking: Caller, id: str, body: ResidenceIn, town: Town) -> list[Entity]:
    return [Residence(tenant_id=asking.tenant_id, id=id, name=body.name)]


def show(asking: Caller, residence: Residence, town: Town) -> ResidenceOut:
    return ResidenceOut(id=residence.id, name=residence.name)


router = record_router(
    Resource(
        name="residences",
        of=Residence,
        body=ResidenceIn,
        shown=ResidenceOut,
        make=make,
        show=show,
        readers=(Scope.APP, Scope.OPERATOR),
        writers=(Scope.OPERATOR,),
        examples={"estate": {"value": {"name": "Les Pins"}}},
    )
)
