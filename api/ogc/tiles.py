"""Vector tiles of a collection: shapes on the tile's own grid, clipped, with a few properties.

WebMercatorQuad, 4096 units to a side, a margin of 64 around. Shapes are snapped to the grid of
their zoom once and for all tiles, so that neighbours meet at the seams; what then sticks out of
the margin is cut on the same grid.
"""

from functools import cached_property, lru_cache

import numpy as np
import shapely
from shapely import Geometry

from api.ogc.collections import Collection
from api.ogc.crs import Geometries
from api.ogc.encoding import EXTENT, encode_layer
from geo.arrays import FloatArray, IntArray
from geo.errors import NotFoundError

__all__ = ["MARGIN", "MAX_ZOOM", "Pyramid", "headline", "least_zoom"]

MARGIN = 64
MAX_ZOOM = 16  # about half a metre to a unit: readers enlarge what is nearer
KEPT_TILES = 512
SIMPLIFIED = 0.5  # units
# From which zoom on a level is drawn: before it, its zones are specks.
LEAST_ZOOM = {"commune": 0, "arrondissement": 9, "quartier": 11, "iris": 12, "cell": 11}
HEADLINES = ("households", "penetration")


def least_zoom(collection: Collection) -> int:
    """The first zoom at which a collection shows anything."""
    return min(LEAST_ZOOM.get(level, 0) for level in _levels(collection) or ("commune",))


def _levels(collection: Collection) -> list[str]:
    return (
        collection.table["level"].unique().to_pylist()
        if "level" in collection.table.column_names
        else []
    )


def headline(collection: Collection) -> tuple[str, ...]:
    """The properties that tiles carry unless others are asked for.

    Of a quarter's figures a few measures with their status: a tile with them all would be ten
    times as large, and ten times as slow to make.
    """
    names = tuple(collection.table.column_names)
    if collection.id not in ("districts", "cells"):
        return names
    told = [f"{name}{more}" for name in HEADLINES for more in ("", "_status")]
    return tuple(name for name in ("code", "name", "level", "type", *told) if name in names)


class Pyramid:
    """The tiles of a collection, made when they are asked for and then kept.

    Parameters
    ----------
    collection : Collection
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.tile = lru_cache(maxsize=KEPT_TILES)(self._tile)
        self._snapped: dict[int, Geometries] = {}
        levels = (
            collection.table["level"].to_pylist()
            if "level" in collection.table.column_names
            else ["commune"] * len(collection.ids)
        )
        self._from = np.array([LEAST_ZOOM.get(level, 0) for level in levels], dtype=np.int64)

    @cached_property
    def world(self) -> Geometries:
        """Shapes with the world's square as unit, down from the north-west."""
        return self.collection.through(lambda shapes: shapely.transform(shapes, _to_square))

    @cached_property
    def tree(self) -> shapely.STRtree:
        """The same, by place."""
        return shapely.STRtree(self.world)

    def _tile(self, zoom: int, row: int, col: int, names: tuple[str, ...]) -> bytes:
        """A tile.

        Parameters
        ----------
        zoom, row, col : int
            Row 0 is the northernmost.
        names : tuple of str
            The properties that it carries, of the collection's.

        Returns
        -------
        bytes
            A Mapbox Vector Tile of one layer, named as the collection; empty for none.

        Raises
        ------
        NotFoundError
            If there is no such tile; its code is ``unknown-tile``.
        """
        if not (0 <= zoom <= MAX_ZOOM and 0 <= row < 2**zoom and 0 <= col < 2**zoom):
            raise NotFoundError(f"tiles go to zoom {MAX_ZOOM}, 2^zoom a side", code="unknown-tile")
        corner = np.array([col, row], dtype=np.float64)
        low, high = (corner - MARGIN / EXTENT) / 2**zoom, (corner + 1 + MARGIN / EXTENT) / 2**zoom
        rows = np.sort(self.tree.query(shapely.box(*low, *high)))
        rows = rows[self._from[rows] <= zoom]
        rows, shapes = self._drawn(zoom, rows, corner * EXTENT)
        if not len(rows):
            return b""
        columns = self.collection.table.select(list(names)).take(rows)
        return encode_layer(self.collection.id, rows, shapes, columns.to_pylist())

    def _drawn(self, zoom: int, rows: IntArray, origin: FloatArray) -> tuple[IntArray, Geometries]:
        """Rows that leave a trace on a tile, and their shapes in its units."""
        shapes = self._on_grid(zoom, rows)
        low, high = origin - MARGIN, origin + EXTENT + MARGIN
        bounds = shapely.bounds(shapes)
        out = (bounds[:, :2] < low).any(axis=1) | (bounds[:, 2:] > high).any(axis=1)
        cut = shapely.intersection(shapes[out], shapely.box(*low, *high))
        shapes[out] = [_of_one_kind(shape) for shape in _on_whole_units(cut)]
        kept = ~(shapely.is_empty(shapes) | shapely.is_missing(shapes))
        moved = shapely.transform(shapes[kept], lambda xy: xy - origin)
        # Outer rings are clockwise on screen, and the y axis points down: so the other way here.
        return rows[kept], np.asarray(shapely.orient_polygons(moved))

    def _on_grid(self, zoom: int, rows: IntArray) -> Geometries:
        """Shapes in units of a zoom, on whole ones, and no finer than they show."""
        if zoom not in self._snapped:
            self._snapped[zoom] = np.full(len(self.world), None, dtype=object)
        snapped = self._snapped[zoom]
        missing = rows[shapely.is_missing(snapped[rows])]
        units = shapely.transform(self.world[missing], lambda xy: xy * (EXTENT * 2.0**zoom))
        snapped[missing] = _on_whole_units(shapely.simplify(units, SIMPLIFIED))
        return np.asarray(snapped[rows])


def _to_square(lonlat: FloatArray) -> FloatArray:
    sine = np.sin(np.radians(np.clip(lonlat[:, 1], -85.051129, 85.051129)))
    down = 0.5 - np.arctanh(sine) / (2 * np.pi)
    return np.column_stack(((lonlat[:, 0] + 180) / 360, down))


def _on_whole_units(shapes: Geometries) -> Geometries:
    """Shapes with rounded coordinates, still valid; what is left of some is nothing."""
    # Rounding alone takes a tenth of the time, and breaks few.
    rounded = np.asarray(shapely.transform(shapes, np.round))
    broken = ~shapely.is_valid(rounded)
    rounded[broken] = shapely.set_precision(shapes[broken], 1.0)
    return rounded


def _of_one_kind(shape: Geometry) -> Geometry:
    """A cut shape without the points and lines where it only touched the margin."""
    if shape.geom_type != "GeometryCollection":
        return None if shape.geom_type in ("Point", "MultiPoint") else shape
    polygons = [part for part in shape.geoms if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(polygons) if polygons else None
