"""The five collections of a release, and their tiles."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from api.ogc.collections import COMPANIONS, Collection
from api.ogc.crs import Geometries
from api.ogc.tiles import Pyramid
from geo.errors import NotFoundError
from matching.districts import Districts
from matching.planning.measures import FLOWS

__all__ = ["COLLECTIONS", "Catalogue"]

MOST_PAIRS = 20_000  # of zones that flows are told for, whatever their status


def _fixed(count: int, name: str, value: Any, type: pa.DataType) -> tuple[str, pa.Array]:
    return name, pa.array([value] * count, type)


def _told(table: pa.Table) -> pa.Table:
    """A table without what would only make it wide.

    Of figures by category the bounds and the denominator, and of others such as say nothing of
    any zone: a town has some 120 figures by category, and each feature carries them all.
    """
    dropped = set()
    for name, column in zip(table.column_names, table.columns, strict=True):
        figure, _, companion = name.rpartition("_")
        spare = companion in COMPANIONS and figure in table.column_names and companion != "status"
        if spare and ("__" in figure or column.null_count == len(column)):
            dropped.add(name)
    # Totals before their categories, as people read them.
    kept = [name for name in table.column_names if name not in dropped]
    return table.select(sorted(kept, key=lambda name: "__" in name))


def _figures(districts: Districts, id: str, levels: tuple[str, ...]) -> Collection:
    tables = []
    for level in levels:
        measures = {name for name, _ in districts.measures(level)} - {FLOWS.name}
        tables.append(districts.table(level, measures))
    table = _told(pa.concat_tables(tables, promote_options="default").combine_chunks())
    release = _fixed(len(table), "release", districts.release.id, pa.string())
    return Collection(
        id,
        tuple(table["code"].to_pylist()),
        table.add_column(table.column_names.index("vintage") + 1, *release),
        _outlines(districts, levels),
    )


def _outlines(districts: Districts, levels: Iterable[str]) -> Geometries:
    """Outlines of levels, all MultiPolygon: readers take the first one's type for every one's."""
    shapes = np.concatenate([np.empty(0, dtype=object), *map(districts.outlines, levels)])
    single = np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON)
    shapes[single] = shapely.multipolygons(shapes[single], indices=np.arange(len(single)))
    return shapes


def _zone_levels(districts: Districts) -> tuple[str, ...]:
    return tuple(level for level in districts.levels if level != "cell")


def _districts(districts: Districts) -> Collection:
    return _figures(districts, "districts", _zone_levels(districts))


def _cells(districts: Districts) -> Collection:
    return _figures(districts, "cells", ("cell",))


def _zones(districts: Districts) -> Collection:
    tables = [districts.table(level, ()) for level in _zone_levels(districts)]
    table = pa.concat_tables(tables).combine_chunks()
    shapes = _outlines(districts, _zone_levels(districts))
    return Collection("zones", tuple(table["code"].to_pylist()), table, shapes)


def _flows(districts: Districts) -> Collection:
    table = districts.flows()
    if len(table) > MOST_PAIRS:  # of so many, few have any: what is told alone
        table = table.filter(pc.equal(table["status"], "ok"))
    ends = [table[end].to_pylist() for end in ("from", "to")]
    inside = {}
    if len(table):
        level = table["level"][0].as_py()
        points = shapely.point_on_surface(districts.outlines(level))
        inside = dict(zip(districts.codes(level), points, strict=True))
    lines = np.full(len(table), None, dtype=object)
    for i, (a, b) in enumerate(zip(*ends, strict=True)):
        # A journey within a zone goes nowhere on a map; nor does one to a zone without outline.
        if a != b and inside[a] is not None and inside[b] is not None:
            lines[i] = shapely.LineString([inside[a], inside[b]])
    return Collection("flows", tuple(map("{}-{}".format, *ends)), table, lines)


def _gaps(districts: Districts) -> Collection:
    tables, levels = [], []
    for level in _zone_levels(districts):
        figures = [category for name, category in districts.measures(level) if name == "supply_gap"]
        if not figures:
            continue
        table = districts.table(level, ("supply_rate", "supply_gap"))
        for category in figures:
            rate, gap = f"supply_rate__{category}", f"supply_gap__{category}"
            columns = {"zone": table["code"]}
            columns |= {name: table[name] for name in ("name", "level", "type", "commune")}
            columns |= [_fixed(len(table), "category", category, pa.string())]
            columns |= {"rate": table[rate], "gap": table[gap]}
            columns["under_median"] = pc.less(table[gap], 0.0)
            columns |= {name: table[f"{gap}_{name}"] for name in ("lower", "upper", "status")}
            columns["vintage"] = table["vintage"]
            columns |= [_fixed(len(table), "release", districts.release.id, pa.string())]
            tables.append(pa.table(columns))
            levels.append(level)
    table = pa.concat_tables(tables or [_NO_GAPS.empty_table()]).combine_chunks()
    ids = map("{}-{}".format, table["zone"].to_pylist(), table["category"].to_pylist())
    return Collection("gaps", tuple(ids), table, _outlines(districts, levels))


_NO_GAPS = pa.schema([("zone", pa.string()), ("category", pa.string()), ("status", pa.string())])


@dataclass(frozen=True, slots=True)
class Kind:
    """What a collection is: its title and description in French and English."""

    titles: tuple[str, str]
    descriptions: tuple[str, str]
    geometry: str  # the type of its shapes, as GeoJSON names it
    make: Callable[[Districts], Collection]


COLLECTIONS = {
    "districts": Kind(
        ("Quartiers", "Districts"),
        (
            "Les chiffres du trimestre : IRIS, grands quartiers, arrondissements, communes.",
            "The quarter's figures: IRIS, grands quartiers, arrondissements, communes.",
        ),
        "MultiPolygon",
        _districts,
    ),
    "cells": Kind(
        ("Cellules", "Cells"),
        (
            "Les mêmes par cellule H3 de résolution 8.",
            "The same by H3 cell of resolution 8.",
        ),
        "MultiPolygon",
        _cells,
    ),
    "flows": Kind(
        ("Trajets partagés", "Flows"),
        (
            "Foyers qui covoiturent de zone à zone, entre des points des zones et non de départ.",
            "Households that carpool from zone to zone, drawn between points of the zones.",
        ),
        "LineString",
        _flows,
    ),
    "gaps": Kind(
        ("Manques", "Gaps"),
        (
            "Par zone et catégorie : l'offre à 15 minutes, l'écart à la médiane de la ville.",
            "By zone and category: supply within 15 minutes, distance to the town's median.",
        ),
        "MultiPolygon",
        _gaps,
    ),
    "zones": Kind(
        ("Contours", "Outlines"),
        ("Les contours sans chiffres.", "The outlines without figures."),
        "MultiPolygon",
        _zones,
    ),
}


class Catalogue:
    """The collections of one release, each made when it is first asked for."""

    def __init__(self, districts: Districts) -> None:
        self.districts = districts
        self._made: dict[str, Collection] = {}
        self._pyramids: dict[str, Pyramid] = {}

    def collection(self, id: str) -> Collection:
        """One of `COLLECTIONS`.

        Raises
        ------
        NotFoundError
            With code ``unknown-collection``.
        """
        if id not in COLLECTIONS:
            raise NotFoundError(
                f"a collection is one of {', '.join(COLLECTIONS)}", code="unknown-collection"
            )
        if id not in self._made:
            self._made[id] = COLLECTIONS[id].make(self.districts)
        return self._made[id]

    def pyramid(self, id: str) -> Pyramid:
        """The tiles of one of them."""
        if id not in self._pyramids:
            self._pyramids[id] = Pyramid(self.collection(id))
        return self._pyramids[id]

    def item(self, id: str, feature: str) -> int:
        """Where a feature of a collection is.

        Raises
        ------
        NotFoundError
            With code ``unknown-item``.
        """
        index = self.collection(id).index
        if feature not in index:
            raise NotFoundError(f"no such feature in {id}", code="unknown-item")
        return index[feature]
