"""Polygon kernels: which of many polygons covers a point, which edge is nearest.

Edges are straight in longitude and latitude, as in GEOS and PostGIS ``geometry``. A grid of
tiles names the few polygons near a point, slabs of latitude the few of their edges that a ray
from it can cross.
"""

from math import cos, floor, radians
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

from geo.arrays import FloatArray, IntArray, LonLatArray
from geo.distance import EARTH_RADIUS_M, distance_m
from geo.kernels import forget_stale

__all__ = [
    "NONE",
    "PolygonIndex",
    "build_index",
    "covering_polygons",
    "nearest_polygons",
    "polygon_distances_m",
]

NONE = -1


class PolygonIndex(NamedTuple):
    """Polygons as arrays, for compiled code."""

    bounds: FloatArray  # (n, 4): west, south, east, north
    edges: FloatArray  # (m, 4): lon, lat, lon, lat; polygon by polygon
    first_edge: IntArray  # (n + 1,)
    slabs_per_degree: FloatArray  # (n,)
    first_slab: IntArray  # (n + 1,)
    slab_edges: FloatArray  # (p, 4): slab by slab; an edge stands in each slab it spans
    first_in_slab: IntArray  # (slabs + 1,)
    tiles_per_degree: float
    tile_columns: int
    tile_ids: IntArray  # (t,), ascending
    first_in_tile: IntArray  # (t + 1,)
    tile_polygons: IntArray  # ascending in each tile
    reach_m: float


def build_index(polygons: npt.NDArray[np.object_], reach_m: float) -> PolygonIndex:
    """Lay out polygons for `covering_polygons` and `nearest_polygons`.

    Parameters
    ----------
    polygons : ndarray of Polygon or MultiPolygon, shape (n,)
        EPSG:4326, valid, not empty.
    reach_m : float
        How far outside all of them a point still gets the nearest, metres.

    Returns
    -------
    PolygonIndex
    """
    edges, polygon = _edges_of(polygons)
    first_edge = np.searchsorted(polygon, np.arange(len(polygons) + 1)).astype(np.int64)
    bounds = np.asarray(shapely.bounds(polygons), dtype=np.float64).reshape(-1, 4)
    height = np.maximum(bounds[:, 3] - bounds[:, 1], 1e-9)
    # As many slabs as leave a few edges in each, but so few that no outline, however jagged,
    # takes more than three times its edges: each spans its part of the height, and two slabs more.
    crossed = np.add.reduceat(np.abs(edges[:, 3] - edges[:, 1]), first_edge[:-1]) / height
    slabs = np.maximum(1, np.diff(first_edge) // np.maximum(2.0, crossed)).astype(np.int64)
    slabs_per_degree = slabs / height
    first_slab = np.concatenate(([0], np.cumsum(slabs))).astype(np.int64)

    def slab(lat: FloatArray) -> IntArray:
        # Rounding keeps order: a latitude between two others never leaves the slabs of these.
        up = ((lat - bounds[polygon, 1]) * slabs_per_degree[polygon]).astype(np.int64)
        return np.asarray(first_slab[polygon] + np.clip(up, 0, slabs[polygon] - 1))

    lowest = slab(np.minimum(edges[:, 1], edges[:, 3]))
    edge, step = _counted(slab(np.maximum(edges[:, 1], edges[:, 3])) - lowest + 1)
    in_slab = lowest[edge] + step
    order = np.argsort(in_slab, kind="stable")

    reach_lat = np.degrees(reach_m / EARTH_RADIUS_M) * 1.001
    farthest = np.minimum(np.abs(bounds[:, [1, 3]]).max(axis=1) + reach_lat, 90.0)
    # A meridian's reach grows towards the poles, where it is the whole circle.
    reach_lon = np.minimum(reach_lat / np.maximum(np.cos(np.radians(farthest)), 1e-9), 180.0)
    wide = bounds.copy()
    wide[:, 0] -= reach_lon
    wide[:, 1] -= reach_lat
    wide[:, 2] += reach_lon
    wide[:, 3] += reach_lat
    # Half the root mean square of their extents: 16 tiles a polygon at most, on average.
    extent = np.maximum(wide[:, 2] - wide[:, 0], wide[:, 3] - wide[:, 1])
    size = max(1e-4, 0.5 * float(np.sqrt(np.mean(extent**2)))) if len(bounds) else 1.0
    columns = max(1, floor(360.0 / size))
    per_degree = columns / 360.0
    west, south, east, north = np.floor((wide + [180.0, 90.0] * 2) * per_degree).astype(np.int64).T
    across = np.minimum(east - west + 1, columns)
    of_tile, step = _counted(across * (north - south + 1))
    row, column = south[of_tile] + step // across[of_tile], west[of_tile] + step % across[of_tile]
    tiles = row * columns + column % columns  # round at the antimeridian
    by_tile = np.lexsort((of_tile, tiles))
    tile_ids, first_in_tile = np.unique(tiles[by_tile], return_index=True)
    return PolygonIndex(
        bounds=bounds,
        edges=edges,
        first_edge=first_edge,
        slabs_per_degree=slabs_per_degree,
        first_slab=first_slab,
        slab_edges=edges[edge[order]],
        first_in_slab=np.searchsorted(in_slab[order], np.arange(first_slab[-1] + 1)),
        tiles_per_degree=per_degree,
        tile_columns=columns,
        tile_ids=tile_ids,
        first_in_tile=np.append(first_in_tile, len(tiles)),
        tile_polygons=of_tile[by_tile],
        reach_m=reach_m,
    )


def _counted(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Each position as often as its count, and numbers from 0 within each."""
    positions = np.repeat(np.arange(len(counts)), counts)
    return positions, np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)


def _edges_of(polygons: npt.NDArray[np.object_]) -> tuple[FloatArray, IntArray]:
    """All edges as (lon, lat, lon, lat) rows, and whose they are, ascending."""
    parts, polygon = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    lonlat, ring = shapely.get_coordinates(rings, return_index=True)
    along = ring[1:] == ring[:-1]
    edges = np.hstack((lonlat[:-1][along], lonlat[1:][along]))
    return edges, polygon[part[ring[:-1][along]]]


@njit(cache=True)
def _covers(lon: float, lat: float, z: int, index: PolygonIndex) -> bool:
    """Whether a polygon covers a point, border included, by a ray to the east.

    The side of an edge is the sign of one determinant, computed in PostGIS's own order: the
    same rounding gives the same answer, even for points that float64 can't tell from a border.
    """
    west, south, east, north = index.bounds[z]
    if not (west <= lon <= east and south <= lat <= north):
        return False
    up = int((lat - south) * index.slabs_per_degree[z])  # as `build_index` does
    slab = min(index.first_slab[z] + up, index.first_slab[z + 1] - 1)
    odd = False
    for e in range(index.first_in_slab[slab], index.first_in_slab[slab + 1]):
        lon1, lat1, lon2, lat2 = index.slab_edges[e]
        side = (lon2 - lon1) * (lat - lat1) - (lon - lon1) * (lat2 - lat1)
        if (
            side == 0.0
            and min(lon1, lon2) <= lon <= max(lon1, lon2)
            and min(lat1, lat2) <= lat <= max(lat1, lat2)
        ):
            return True
        if (lat1 <= lat < lat2 and side > 0.0) or (lat2 <= lat < lat1 and side < 0.0):
            odd = not odd
    return odd


@njit(cache=True)
def _candidates(lon: float, lat: float, index: PolygonIndex) -> IntArray:
    """Polygons near a point, ascending."""
    row = floor((lat + 90.0) * index.tiles_per_degree)
    column = floor((lon + 180.0) * index.tiles_per_degree) % index.tile_columns
    tile = row * index.tile_columns + column
    t = np.searchsorted(index.tile_ids, tile)
    if t == len(index.tile_ids) or index.tile_ids[t] != tile:
        return index.tile_polygons[:0]
    return index.tile_polygons[index.first_in_tile[t] : index.first_in_tile[t + 1]]


@njit(cache=True, nogil=True)
def covering_polygons(points: LonLatArray, index: PolygonIndex) -> IntArray:
    """The first polygon that covers each point.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.
    index : PolygonIndex

    Returns
    -------
    ndarray of int64, shape (n,)
        Position of the polygon, or `NONE`.
    """
    found = np.full(len(points), NONE, dtype=np.int64)
    for i in range(len(points)):
        for z in _candidates(points[i, 0], points[i, 1], index):
            if _covers(points[i, 0], points[i, 1], z, index):
                found[i] = z
                break
    return found


@njit(cache=True, nogil=True)
def nearest_polygons(points: LonLatArray, index: PolygonIndex) -> IntArray:
    """The polygon nearest to each point that lies outside all of them.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.
    index : PolygonIndex

    Returns
    -------
    ndarray of int64, shape (n,)
        Position of the nearest polygon, the first of several equally near; `NONE` if there
        is none within ``index.reach_m``.
    """
    found = np.full(len(points), NONE, dtype=np.int64)
    reach_lat = np.degrees(index.reach_m / EARTH_RADIUS_M) * 1.001
    for i in range(len(points)):
        lon, lat = points[i]
        best = index.reach_m
        for z in _candidates(lon, lat, index):
            for e in range(index.first_edge[z], index.first_edge[z + 1]):
                edge = index.edges[e]
                if (
                    min(edge[1], edge[3]) - lat > reach_lat
                    or lat - max(edge[1], edge[3]) > reach_lat
                ):
                    continue
                away = _edge_distance_m(lon, lat, edge)
                if away < best or (away == best and found[i] == NONE):
                    best, found[i] = away, z
    return found


@njit(cache=True)
def _edge_distance_m(lon: float, lat: float, edge: FloatArray) -> float:
    """Distance to the nearest point of one edge.

    The edge is straight in degrees, and degrees of longitude shrink with latitude: the foot
    is found in a plane scaled at the latitude midway to it, three times over (once is within
    1 mm for edges of a street's length).
    """
    # Through the antimeridian, where that is nearer.
    lon -= 360.0 * round((lon - edge[0]) / 360.0)
    dlon, dlat = edge[2] - edge[0], edge[3] - edge[1]
    t = 0.5
    for _ in range(3):
        scale = cos(radians(0.5 * (lat + edge[1] + t * dlat)))
        across = scale * dlon
        length2 = across * across + dlat * dlat
        if length2 == 0.0:
            t = 0.0
            break
        t = (scale * (lon - edge[0]) * across + (lat - edge[1]) * dlat) / length2
        t = min(1.0, max(0.0, t))
    return distance_m(lon, lat, edge[0] + t * dlon, edge[1] + t * dlat)


@njit(cache=True, nogil=True)
def polygon_distances_m(points: LonLatArray, z: int, index: PolygonIndex) -> FloatArray:
    """Great-circle distances from points to one polygon.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.
    z : int
        Position of the polygon.
    index : PolygonIndex

    Returns
    -------
    ndarray of float64, shape (n,)
        Metres; 0 inside and on the border.
    """
    found = np.zeros(len(points))
    for i in range(len(points)):
        if not _covers(points[i, 0], points[i, 1], z, index):
            found[i] = np.inf
            for e in range(index.first_edge[z], index.first_edge[z + 1]):
                away = _edge_distance_m(points[i, 0], points[i, 1], index.edges[e])
                found[i] = min(found[i], away)
    return found


forget_stale(covering_polygons, "geo.distance")
