"""Mapbox Vector Tiles: the library's messages, filled by columns.

The library ``mapbox-vector-tile`` goes vertex by vertex, 3 µs each, which is most of a tile's
time. Drawing commands of polygons are computed for all at once; lines are few and left to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from mapbox_vector_tile.encoder import VectorTile

from api.ogc.crs import Geometries
from geo.arrays import IntArray

__all__ = ["EXTENT", "encode_layer"]

EXTENT = 4096
OPTIONS = {"y_coord_down": True, "extents": EXTENT, "check_winding_order": False}
# Commands of the format, each with how often it is done in the bits from the fourth on.
MOVE_ONCE, LINE, CLOSE = 1 | 1 << 3, 2, 7 | 1 << 3


class _Tile(VectorTile):  # type: ignore[misc]
    """The library's tile, whose features may bring their commands."""

    def add_feature(self, feature: dict[str, Any], shape: shapely.Geometry) -> None:
        """Add one, as the library does."""
        if "commands" not in feature:
            super().add_feature(feature, shape)
            return
        added = self.layer.features.add()
        added.id = feature["id"]
        self._handle_attr(self.layer, added, feature["properties"])
        added.type = self._get_feature_type(shape)
        added.geometry.extend(feature["commands"])


def encode_layer(
    name: str, ids: IntArray, shapes: Geometries, properties: Sequence[Mapping[str, Any]]
) -> bytes:
    """A tile of one layer.

    Parameters
    ----------
    name : str
        Of the layer.
    ids : ndarray of int64, shape (n,)
        Zero or more.
    shapes : ndarray of shapely geometries, shape (n,)
        All of polygons or all of lines, not empty, on whole units of the tile, y down; outer
        rings counter-clockwise in such coordinates, which is clockwise on screen.
    properties : sequence of mapping, length n
        Text, numbers and booleans; what is None is left out.

    Returns
    -------
    bytes
        A Mapbox Vector Tile, version 2.

    Examples
    --------
    >>> square = shapely.box(0, 0, 16, 16)
    >>> len(encode_layer("zones", np.array([7]), np.array([square]), [{"code": "13055"}]))
    52
    """
    features: list[dict[str, Any]] = [
        {"id": id, "geometry": shape, "properties": told}
        for id, shape, told in zip(ids.tolist(), shapes, properties, strict=True)
    ]
    if (shapely.get_dimensions(shapes) == 2).all():
        for feature, commands in zip(features, polygon_commands(shapes), strict=True):
            feature["commands"] = commands
    tile = _Tile(default_options=OPTIONS)
    tile.add_layer(name, features)
    return bytes(tile.tile.SerializeToString())


def polygon_commands(shapes: Geometries) -> list[list[int]]:
    """The drawing commands of polygons.

    Parameters
    ----------
    shapes : ndarray of shapely geometries, shape (n,)
        Polygon and MultiPolygon, valid, on whole units.

    Returns
    -------
    list of list of int, length n
        For each ring: move to its first point, draw to the others, close. Points are told by
        how far they are from the one before, across rings, in zigzag.
    """
    parts, feature_of_part = shapely.get_parts(shapes, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    same_ring = ring_of_point[1:] == ring_of_point[:-1]
    closing = np.append(~same_ring, True)  # a ring's last point repeats its first
    repeated = np.append(False, same_ring & (points[1:] == points[:-1]).all(axis=1))
    kept = ~(closing | repeated)
    ring = ring_of_point[kept]
    points = points[kept].astype(np.int64)
    feature = feature_of_part[part_of_ring]

    starts_ring = np.append(True, ring[1:] != ring[:-1])
    first = np.flatnonzero(starts_ring)
    count = np.diff(np.append(first, len(points)))  # points of each ring
    before = np.vstack([np.zeros((1, 2), dtype=np.int64), points[:-1]])
    before[np.append(True, feature[ring][1:] != feature[ring][:-1])] = 0
    step = points - before
    zigzag = (step << 1) ^ (step >> 63)

    # Of a ring with k points: move, x, y; line × (k - 1), x, y, …; close.
    length = 2 * count + 3
    start = np.cumsum(length) - length
    commands = np.empty(length.sum(), dtype=np.int64)
    commands[start] = MOVE_ONCE
    commands[start + 3] = LINE | (count - 1) << 3
    commands[start + length - 1] = CLOSE
    nth = np.arange(len(points)) - np.repeat(first, count)
    at = np.repeat(start, count) + np.where(nth == 0, 1, 2 * nth + 2)
    commands[at], commands[at + 1] = zigzag.T
    whole = commands.tolist()
    ends = np.bincount(feature, weights=length, minlength=len(shapes)).cumsum().astype(np.int64)
    return [whole[a:b] for a, b in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]
