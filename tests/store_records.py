"""The town that the tests of the stores keep: one of each record, and two zones to place it."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import shapely
from hypothesis import HealthCheck, settings

from indexes.entities import (
    ApiKey,
    Block,
    Building,
    Endorsement,
    Entity,
    Figures,
    Group,
    GroupPartition,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Residence,
    Scope,
    Tenant,
    Zone,
)
from indexes.store import Position, Store

NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
SLOW = settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)

TENANT = Tenant(tenant_id="t", id="t", name="Port-Mitoyen")
RESIDENCE = Residence(tenant_id="t", id="r1", name="Les Pins")
BUILDING = Building(tenant_id="t", id="b1", lon=5.37, lat=43.29, residence_id="r1", dwellings=30)
HOUSEHOLDS = [Household(tenant_id="t", id=f"h{i}", building_id="b1") for i in (1, 2, 3)]
MEMBERS = [
    Member(tenant_id="t", id="m1", household_id="h1", level=3, name="Ada"),
    Member(tenant_id="t", id="m2", household_id="h2", level=2),
    Member(tenant_id="t", id="m3", household_id="h3", level=1),
    Member(tenant_id="t", id="m4", household_id="h2", level=4),
]
SERVICE = Listing(
    tenant_id="t", id="s1", kind=Kind.SERVICE, title="Cours", personal=True, owner_id="m1"
)
SHOP = Listing(tenant_id="t", id="p1", kind=Kind.MERCHANT, title="Pain", lon=5.371, lat=43.2951)
ENDORSEMENT = Endorsement(tenant_id="t", id="e1", member_id="m2", listing_id="s1")
BLOCK = Block(tenant_id="t", id="x1", member_id="m3", other_id="m2")
KEY = ApiKey(
    tenant_id="t", id="k1", name="app", scopes=frozenset({Scope.APP}), secret_sha256="ab" * 32
)
TOWN: list[Entity] = [
    *(TENANT, RESIDENCE, BUILDING, *HOUSEHOLDS, *MEMBERS, SERVICE, SHOP, ENDORSEMENT, BLOCK, KEY)
]


def zone(code: str, west: float, east: float, *, vintage: int = 2020, tenant: str = "t") -> Zone:
    return Zone(
        tenant_id=tenant,
        code=IrisCode(code),
        vintage=vintage,
        name=f"Zone {code}",
        type="H",
        commune_code="99001",
        commune_name="Port-Mitoyen (ville fictive)",
        geometry=shapely.box(west, 43.0, east, 44.0),
        figures=Figures(
            census_year=2021, geography_year=2024, values={"pop": 10.5, "logements": 4}
        ),
    )


def without_place(entity: Entity) -> Entity:
    known = {field.name for field in fields(entity)}
    return replace(entity, **({"place": None} if "place" in known else {}))


def partition_of(store: Store, version: int = 1) -> GroupPartition:
    building = store.get(Building, "t", "b1")
    group = Group(
        id="g1",
        cells=(building.place.cell,),
        lon=5.37,
        lat=43.29,
        dwellings=30,
        locatable=True,
        zones=(IrisCode("990010102"), IrisCode("990010101")),
        commune_code="99001",
        commune_name="Port-Mitoyen",
    )
    return GroupPartition(tenant_id="t", version=version, groups=(group,), created_at=NOON)


def start_of(store: Store) -> Position:
    return replace(store.position(), xid=0, seq=0)
