"""The tables of zones and published groups, and what is placed by them."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table

from indexes.sqltypes import Geom, Id, Instant, point_checks
from indexes.tables.base import check, key, metadata, of_tenant, refers, required, sizes

__all__ = ["group_cells", "groups", "partitions", "placements", "zone_figures", "zones"]

zones = Table(
    "zones",
    metadata,
    *key("tenant_id", "code"),
    Column("vintage", Integer, primary_key=True, autoincrement=False),
    required("name"),
    required("type"),
    required("commune_code", Id),
    required("commune_name"),
    required("geom", Geom("GEOMETRY")),
    Column("census_year", Integer),
    Column("geography_year", Integer),
    of_tenant("zones", cascade=True),
    *check("zones", vintage="vintage BETWEEN 1900 AND 2999"),
    *sizes("zones", code=20, name=300, type=20, commune_code=20, commune_name=300),
)

zone_figures = Table(
    "zone_figures",
    metadata,
    *key("tenant_id", "code"),
    Column("vintage", Integer, primary_key=True, autoincrement=False),
    Column("name", Id, primary_key=True),
    required("value", Double),
    refers(
        "zone_figures",
        "tenant_id code vintage",
        "zones",
        to="tenant_id code vintage",
        cascade=True,
    ),
)

# One row a tenant, raised whenever its zones or groups change. Writers share-lock it, so that
# nothing is placed by old zones after the new ones have placed everything again.
placements = Table(
    "placements",
    metadata,
    *key("tenant_id"),
    required("version", BigInteger),
    of_tenant("placements", cascade=True),
)

partitions = Table(
    "partitions",
    metadata,
    *key("tenant_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    required("created_at", Instant),
    of_tenant("partitions", cascade=True),
    *check("partitions", version="version >= 1"),
)

groups = Table(
    "groups",
    metadata,
    *key("tenant_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *key("id"),
    required("geom", Geom()),
    required("dwellings", Integer),
    required("locatable", Boolean),
    required("zones"),  # codes, space-separated, in the order given
    Column("commune_code", Id),
    required("commune_name"),
    refers("groups", "tenant_id version", "partitions", to="tenant_id version", cascade=True),
    *point_checks("groups"),
    *check("groups", dwellings="dwellings >= 0"),
)

group_cells = Table(
    "group_cells",
    metadata,
    *key("tenant_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    required("group_id", Id),
    refers(
        "group_cells",
        "tenant_id version group_id",
        "groups",
        to="tenant_id version id",
        cascade=True,
    ),
    Index("ix_group_cells_group", "tenant_id", "version", "group_id"),
)
