"""A town with a release made up by hand: every status, categories, flows, zones of every shape."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from shapely import Geometry

from indexes.entities import CommuneCode, IrisCode, Tenant, Zone
from indexes.releases import RELEASE_SCHEMA, Release
from indexes.store import Store
from matching.planning.outlines import Outlines

TENANT, VINTAGE = "north", 2020
WEST, SOUTH, SIDE = 5.30, 43.26, 0.01
COLUMNS, ROWS = 8, 5  # zones: a chessboard, with a hole, an island and an accent in it
CREATED_AT = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
KEY = [(name, "ascending") for name in ("level", "zone", "measure", "category")]
NAMES = ("Le Panier", "L'Estaque", "Noailles", "Saint-Barnabé", "La Pomme", "Endoume (100 %)")
PARENTS = {"iris": 7, "quartier": 5}  # how much of its code is its parent's


def shape_of(i: int) -> Geometry:
    """The outline of a zone."""
    west, south = WEST + SIDE * (i % COLUMNS), SOUTH + SIDE * (i // COLUMNS)
    whole = shapely.box(west, south, west + SIDE, south + SIDE)
    if i == 9:  # a hole that is no zone's
        return whole - shapely.box(west + 0.004, south + 0.004, west + 0.006, south + 0.007)
    if i == 39:  # an island off the coast
        return shapely.union_all([whole, shapely.box(5.20, 43.20, 5.21, 43.205)])
    if i == 20:  # two sides of one street
        return shapely.segmentize(whole, 0.0005)
    return whole


def zones() -> list[Zone]:
    """Forty IRIS in two arrondissements of Marseille, one of them the commune's whole."""
    found = []
    for i in range(COLUMNS * ROWS):
        part = 1 + (i >= 24)
        found.append(
            Zone(
                tenant_id=TENANT,
                code=IrisCode(f"132{part:02}{1 + i // 6:02}{i:02}"),
                vintage=VINTAGE,
                name=f"{NAMES[i % len(NAMES)]} {i}",
                type="HHAD"[i % 4],
                commune_code=CommuneCode(f"132{part:02}"),
                commune_name=f"Marseille {part}e Arrondissement",
                geometry=shapely.transform(shape_of(i), lambda xy: np.round(xy, 7)),
            )
        )
    return found


def figure(i: int, scale: float) -> dict[str, Any]:
    """The i-th zone's value of a measure: some have none."""
    status = ("ok", "ok", "hidden", "ok", "merged", "ok", "zero", "unknown")[i % 8]
    value = round(scale * (i + 1), 2) if status == "ok" else 0.0 if status == "zero" else None
    spread = {} if value is None else {"lower": value - scale, "upper": value + scale}
    return {"value": value, "status": status, **spread}


def release(outlines: Outlines, id: str = "2026Q3", version: int = 1, plus: float = 0.0) -> Release:
    """A release over all levels; ``plus`` makes another one's figures others."""
    rows: list[dict[str, Any]] = []
    for level in outlines.levels:
        codes = outlines.codes(level)
        for i, code in enumerate(codes):
            about = {"zone": code, "level": level, "source": "essai", "vintage": VINTAGE}
            about |= {"release": id, "parent": None, "category": ""}
            for measure, scale in (("households", 3.0), ("penetration", 0.25)):
                told = figure(i, scale + plus)
                if told["status"] == "merged" and level in PARENTS:
                    told["parent"] = code[: PARENTS[level]]
                rows.append(about | told | {"measure": measure, "denominator": 400.0 + i})
            for category in ("cours", "garde"):
                told = figure(i + len(category), 7.0)
                rows.append(about | told | {"measure": "listings", "category": category})
                if level == "cell":
                    continue
                for measure in ("supply_rate", "supply_gap"):
                    told = figure(i, 1.5)
                    if measure == "supply_gap" and told["value"] is not None:
                        told["value"] -= 20.0
                    rows.append(about | told | {"measure": measure, "category": category})
            if level == "quartier":
                for j, to in enumerate(codes):
                    told = figure(0 if j == (i + 1) % len(codes) or j == i else 2, 6.0)
                    rows.append(about | told | {"measure": "flows", "category": to})
    table = pa.Table.from_pylist(rows, RELEASE_SCHEMA).sort_by(KEY)
    return Release(
        tenant_id=TENANT, id=id, version=version, created_at=CREATED_AT, vintage=VINTAGE,
        head={"epsilon": {"total": 1.0}}, rows=table,
    )  # fmt: skip


def fill(store: Store) -> Outlines:
    """The town and its releases of two quarters; one of them was corrected."""
    store.put(Tenant(tenant_id=TENANT, id=TENANT, name="Nord"))
    store.put_zones(zones())
    outlines = Outlines(store.zones(TENANT))
    store.add_release(release(outlines, "2026Q2", 1, 1.0))
    store.add_release(release(outlines, "2026Q3", 1, 2.0))
    store.add_release(release(outlines, "2026Q3", 2))
    return outlines
