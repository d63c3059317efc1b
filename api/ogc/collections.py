"""Features of a collection: an id, properties in columns, a shape; and how they are encoded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import shapely
from shapely import Geometry

from api.ogc.crs import Crs, Geometries
from api.ogc.filters import BoolArray, Predicate
from geo.arrays import IntArray
from matching.planning.measures import TITLES

__all__ = ["COMPANIONS", "Collection", "View", "property_schema", "title_of"]

KEPT_BYTES = 1 << 26  # of encoded features, by view: a town whole, not a country
COMPANIONS = {
    "lower": ("au moins", "at least"),
    "upper": ("au plus", "at most"),
    "status": ("statut", "status"),
    "parent": ("zone qui le porte", "zone that tells it"),
    "denominator": ("dénominateur", "denominator"),
}
IDENTITY = {
    "code": ("Code", "Code"),
    "name": ("Nom", "Name"),
    "level": ("Niveau", "Level"),
    "type": ("Type d'IRIS : H, A, D ou Z", "Type of IRIS: H, A, D or Z"),
    "commune": ("Commune", "Commune"),
    "vintage": ("Millésime des contours", "Vintage of the outlines"),
    "release": ("Diffusion", "Release"),
    "from": ("Depuis", "From"),
    "to": ("Vers", "To"),
    "zone": ("Zone", "Zone"),
    "category": ("Catégorie", "Category"),
    "value": ("Valeur", "Value"),
    "rate": TITLES["supply_rate"][1:],
    "gap": TITLES["supply_gap"][1:],
    "under_median": ("Sous la médiane de la ville", "Under the town's median"),
}


def title_of(column: str) -> tuple[str, str]:
    """What a property is called in French and in English.

    Examples
    --------
    >>> title_of("listings__garde_lower")
    ('Foyers qui proposent, garde (au moins)', 'Households that offer, garde (at least)')
    """
    if column in IDENTITY:
        return IDENTITY[column]
    base, _, companion = column.rpartition("_")
    if companion not in COMPANIONS or column in TITLES:
        base, companion = column, ""
    measure, _, category = base.partition("__")
    told = []
    for i, title in enumerate(IDENTITY.get(measure) or TITLES[measure][1:] if measure else ()):
        within = f", {category}" if category else ""
        more = f" ({COMPANIONS[companion][i]})" if companion else ""
        told.append(f"{title}{within}{more}")
    return (told[0], told[1]) if told else COMPANIONS[companion]


def property_schema(column: pa.Field, lang: int) -> dict[str, Any]:
    """A property as JSON Schema, its title in French (0) or English (1)."""
    if pa.types.is_string(column.type):
        kind = "string"
    elif pa.types.is_boolean(column.type):
        kind = "boolean"
    else:
        kind = "integer" if pa.types.is_integer(column.type) else "number"
    return {"type": kind, "title": title_of(column.name)[lang]}


@dataclass(eq=False)
class Collection:
    """Features that one address serves, frozen.

    Parameters
    ----------
    id : str
        What it is called in addresses.
    ids : tuple of str
        Of the features, each once, in the order that they are listed in.
    table : Table
        Their properties: text, numbers and booleans.
    geometries : ndarray of shapely geometries, shape (n,)
        EPSG:4326, longitude first; None for a feature without an outline.
    """

    id: str
    ids: tuple[str, ...]
    table: pa.Table
    geometries: Geometries
    _views: dict[Crs, "View"] = field(default_factory=dict, repr=False)

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each id is."""
        return {id: i for i, id in enumerate(self.ids)}

    @cached_property
    def bounds(self) -> tuple[float, ...] | None:
        """West, south, east, north; None for no shape at all."""
        bounds = tuple(map(float, shapely.total_bounds(self.geometries)))
        return None if np.isnan(bounds).any() else bounds

    def through(self, change: Callable[[Geometries], Geometries]) -> Geometries:
        """The shapes, changed; one that many features share is changed once."""
        addresses = [id(shape) for shape in self.geometries]
        _, first, of_each = np.unique(addresses, return_index=True, return_inverse=True)
        return np.asarray(change(self.geometries[first])[of_each])

    def view(self, crs: Crs) -> "View":
        """The features in a reference system."""
        if crs not in self._views:
            self._views[crs] = View(self, crs)  # twice by two threads at once does no harm
        return self._views[crs]


class View:
    """A collection in one reference system: what is encoded of it is kept.

    Attributes
    ----------
    crs : Crs
    table : Table
    geometries : ndarray of shapely geometries, shape (n,)
        Easting first.
    """

    def __init__(self, collection: Collection, crs: Crs) -> None:
        self.crs = crs
        self.table = collection.table
        self.geometries = collection.through(crs.project)
        self._ids = collection.ids
        self._encoded: dict[int, bytes] = {}
        self._kept = 0

    @cached_property
    def tree(self) -> shapely.STRtree:
        """The shapes by place."""
        return shapely.STRtree(self.geometries)

    def related(self, predicate: Predicate, shape: Geometry) -> BoolArray:
        """Which shapes stand in a relation to one, of those whose boxes meet."""
        found = np.zeros(len(self.geometries), dtype=np.bool_)
        near = self.tree.query(shape)
        shapely.prepare(shape)
        found[near] = predicate(self.geometries[near], shape)
        return found

    def features(self, rows: IntArray) -> list[bytes]:
        """Features as GeoJSON, in a given order.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
        """
        known, wanted = self._encoded, rows.tolist()
        missing = [row for row in wanted if row not in known]
        if missing:
            made = dict(zip(missing, self._encode(np.array(missing)), strict=True))
            self._kept += sum(map(len, made.values()))
            known = self._encoded = known | made
            if self._kept > KEPT_BYTES:
                self._encoded, self._kept = {}, 0
        return [known[row] for row in wanted]

    def _encode(self, rows: IntArray) -> Iterator[bytes]:
        shapes = shapely.orient_polygons(self.geometries[rows])  # outer rings to the left
        drawn = shapely.to_geojson(self.crs.ordered(shapes))  # None for no shape
        table = self.table.take(rows)
        names = (msgspec.json.encode(name).replace(b"%", b"%%") for name in table.column_names)
        pattern = (
            b'{"type":"Feature","id":%b,"geometry":%b,"properties":{'
            + b",".join(name + b":%b" for name in names)
            + b"}}"
        )
        ids = [msgspec.json.encode(self._ids[row]) for row in rows.tolist()]
        outlines = [b"null" if shape is None else shape.encode() for shape in drawn]
        return map(pattern.__mod__, zip(ids, outlines, *map(_values, table.columns), strict=True))


def _values(column: pa.ChunkedArray) -> list[bytes]:
    """A column's values as JSON, each on its own. By columns it is five times as fast."""
    if pa.types.is_string(column.type):
        told = column.combine_chunks().dictionary_encode()
        known = [msgspec.json.encode(text) for text in told.dictionary.to_pylist()]
        return [b"null" if i is None else known[i] for i in told.indices.to_pylist()]
    if not len(column):
        return []
    return msgspec.json.encode(column.to_pylist())[1:-1].split(b",")
