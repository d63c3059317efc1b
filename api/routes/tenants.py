"""`/v1/tenants`: the town or landlord that a key belongs to."""

from api.answers import TenantOut
from api.auth import Caller
from api.routes.records import Resource, missing, record_router, stored
from api.schemas import TenantIn
from api.towns import Town
from geo.errors import DeniedError
from indexes.entities import Entity, Scope, Tenant

__all__ = ["router"]


def make(asking: Caller, id: str, body: TenantIn, town: Town) -> list[Entity]:
    # Whether another tenant exists is none of this key's business: one answer for both.
    if id != asking.tenant_id:
        raise DeniedError("a key writes its own tenant only")
    return [Tenant(tenant_id=id, id=id, **body.model_dump())]


def show(asking: Caller, tenant: Tenant, town: Town) -> TenantOut:
    return TenantOut(id=tenant.id, name=tenant.name, timezone=tenant.timezone, lang=tenant.lang)


def find(asking: Caller, id: str, town: Town) -> Tenant:
    if id != asking.tenant_id:
        raise missing()
    return stored(town, Tenant, id)


router = record_router(
    Resource(
        name="tenants",
        of=Tenant,
        body=TenantIn,
        shown=TenantOut,
        make=make,
        show=show,
        find=find,
        readers=(Scope.OPERATOR,),
        writers=(Scope.OPERATOR,),
        examples={"town": {"value": {"name": "Marseille", "timezone": "Europe/Paris"}}},
    )
)
