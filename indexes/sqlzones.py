"""Zones and groups in SQL: written and read whole, inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import shapely
from sqlalchemy import Connection, func, insert, select, text, update

from geo.errors import ConflictError
from indexes.codec import group_of_row, zone_of_row
from indexes.entities import Figures, GroupPartition, Zone
from indexes.tables import group_cells, groups, partitions, placements, zone_figures, zones

__all__ = [
    "add_placements",
    "newest_vintage",
    "placement_version",
    "raise_placement",
    "read_groups",
    "read_zones",
    "write_groups",
    "write_zones",
]


def placement_version(db: Connection, tenant_id: str) -> int:
    """How often a tenant's zones or groups have changed; on PostGIS, share-locked."""
    of_tenant = placements.c.tenant_id == tenant_id
    asked = select(placements.c.version).where(of_tenant).with_for_update(read=True)
    return db.scalar(asked) or 0


def raise_placement(db: Connection, tenant_id: str) -> None:
    """Say that a tenant's zones or groups change; on PostGIS, waits for writers under way."""
    of_tenant = placements.c.tenant_id == tenant_id
    db.execute(update(placements).where(of_tenant).values(version=placements.c.version + 1))


def add_placements(db: Connection) -> None:
    """Give every tenant its row, for writers to lock."""
    db.execute(
        text(
            "INSERT INTO placements (tenant_id, version) SELECT id, 0 FROM tenants WHERE true"
            " ON CONFLICT (tenant_id) DO NOTHING"
        )
    )


def newest_vintage(db: Connection, tenant_id: str) -> int | None:
    """The newest vintage that a tenant has."""
    newest: int | None = db.scalar(
        select(func.max(zones.c.vintage)).where(zones.c.tenant_id == tenant_id)
    )
    return newest


def write_zones(db: Connection, found: Sequence[Zone]) -> None:
    """Insert or replace zones. One that states no figures keeps those that are stored."""
    stored = {
        (tenant_id, vintage): _read_figures(db, tenant_id, vintage)
        for tenant_id, vintage in {(z.tenant_id, z.vintage) for z in found if z.figures is None}
    }
    found = [
        replace(z, figures=stored[z.tenant_id, z.vintage].get(z.code)) if z.figures is None else z
        for z in found
    ]
    keys = [{"t": z.tenant_id, "c": z.code, "v": z.vintage} for z in found]
    # Their figures go with them.
    db.execute(text("DELETE FROM zones WHERE tenant_id = :t AND code = :c AND vintage = :v"), keys)
    db.execute(
        insert(zones),
        [
            {
                "tenant_id": zone.tenant_id,
                "code": zone.code,
                "vintage": zone.vintage,
                "name": zone.name,
                "type": zone.type,
                "commune_code": zone.commune_code,
                "commune_name": zone.commune_name,
                "geom": zone.geometry,
                "census_year": zone.figures and zone.figures.census_year,
                "geography_year": zone.figures and zone.figures.geography_year,
            }
            for zone in found
        ],
    )
    figures = [
        {
            "tenant_id": zone.tenant_id,
            "code": zone.code,
            "vintage": zone.vintage,
            "name": name,
            "value": float(value),
        }
        for zone in found
        if zone.figures
        for name, value in zone.figures.values.items()
    ]
    if figures:
        db.execute(insert(zone_figures), figures)


def read_zones(db: Connection, tenant_id: str, vintage: int) -> list[Zone]:
    """Zones of a vintage, sorted by code."""
    figures = _read_figures(db, tenant_id, vintage)
    asked = select(zones).where(zones.c.tenant_id == tenant_id, zones.c.vintage == vintage)
    rows = db.execute(asked.order_by(zones.c.code)).mappings()
    return [zone_of_row(row, figures.get(row["code"])) for row in rows]


def _read_figures(db: Connection, tenant_id: str, vintage: int) -> dict[str, Figures]:
    """Figures by code of the zone, of those zones that have any."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    named = select(zone_figures.c.code, zone_figures.c.name, zone_figures.c.value).where(
        zone_figures.c.tenant_id == tenant_id, zone_figures.c.vintage == vintage
    )
    for code, name, value in db.execute(named.order_by(zone_figures.c.name)):
        values[code][name] = value
    counted = select(zones.c.code, zones.c.census_year, zones.c.geography_year).where(
        zones.c.tenant_id == tenant_id,
        zones.c.vintage == vintage,
        zones.c.census_year.is_not(None),
    )
    return {
        code: Figures(census_year=census_year, geography_year=geography_year, values=values[code])
        for code, census_year, geography_year in db.execute(counted)
    }


def write_groups(db: Connection, partition: GroupPartition, now: datetime) -> None:
    """Insert a partition, or replace the current one by another cut of the same version.

    Raises
    ------
    ConflictError
        If a later version is there.
    """
    key: dict[str, Any] = {"tenant_id": partition.tenant_id, "version": partition.version}
    newest = db.scalar(
        select(func.max(partitions.c.version)).where(partitions.c.tenant_id == partition.tenant_id)
    )
    if newest is not None and newest > partition.version:
        raise ConflictError(
            f"groups of version {newest} are there, later than {partition.version}",
            code="groups-outdated",
        )
    db.execute(
        text("DELETE FROM partitions WHERE tenant_id = :tenant_id AND version = :version"), key
    )
    db.execute(insert(partitions), [{**key, "created_at": partition.created_at or now}])
    if not partition.groups:
        return
    db.execute(
        insert(groups),
        [
            {
                **key,
                "id": group.id,
                "geom": shapely.Point(group.lon, group.lat),
                "dwellings": group.dwellings,
                "locatable": group.locatable,
                "zones": " ".join(group.zones),
                "commune_code": group.commune_code,
                "commune_name": group.commune_name,
            }
            for group in partition.groups
        ],
    )
    cells = [
        {**key, "cell": int(cell), "group_id": group.id}
        for group in partition.groups
        for cell in group.cells
    ]
    if cells:
        db.execute(insert(group_cells), cells)


def read_groups(
    db: Connection, tenant_id: str, version: int | None = None
) -> GroupPartition | None:
    """A partition, by default the one of the highest version; groups by id, cells ascending."""
    asked = select(partitions).where(partitions.c.tenant_id == tenant_id)
    if version is not None:
        asked = asked.where(partitions.c.version == version)
    current = db.execute(asked.order_by(partitions.c.version.desc()).limit(1)).first()
    if current is None:
        return None
    cells: dict[str, list[int]] = defaultdict(list)
    members = select(group_cells.c.group_id, group_cells.c.cell).where(
        group_cells.c.tenant_id == tenant_id, group_cells.c.version == current.version
    )
    for group_id, cell in db.execute(members.order_by(group_cells.c.cell)):
        cells[group_id].append(cell)
    held = select(groups).where(
        groups.c.tenant_id == tenant_id, groups.c.version == current.version
    )
    rows = db.execute(held.order_by(groups.c.id)).mappings()
    return GroupPartition(
        tenant_id=tenant_id,
        version=current.version,
        groups=tuple(group_of_row(row, cells[row["id"]]) for row in rows),
        created_at=current.created_at,
    )
