"""H3 cells: the grid of ids, aggregation and published groups. The only importer of h3.

h3 wants (latitude, longitude) and reads any number as some place; both end here. Cells are
64-bit integers inside and hexadecimal text outside.
"""

from itertools import repeat
from math import pi

import numpy as np
import shapely
from h3.api import basic_int as h3
from numpy.typing import NDArray
from shapely import Geometry, MultiPolygon, Polygon

from geo.arrays import CellArray, LonLat, LonLatArray, as_lonlat
from geo.distance import EARTH_RADIUS_M, haversine_m
from geo.errors import CoordinateError, InputError, ResolutionError

__all__ = [
    "cell_children",
    "cell_to_parent",
    "cell_to_text",
    "cells_to_lonlat",
    "cells_to_parents",
    "cells_to_polygons",
    "cells_within",
    "point_to_cell",
    "points_to_cells",
    "polygon_to_cells",
    "text_to_cell",
]

FINEST = 15
# No cell reaches farther from its centre than 1.104 average edges: measured on every cell of
# resolutions 0 to 4 and on 60 000 random ones at 5, 6, 9, 12 and 15.
LONGEST_REACH = 1.15
# A set of cells is no map of the world: a disc of 115 km at resolution 9, or Maripasoula twice.
MOST_CELLS = 400_000


def _checked(resolution: int) -> int:
    if not 0 <= resolution <= FINEST:
        raise ResolutionError(f"resolution must be 0 to 15, got {resolution}")
    return int(resolution)


def _check_area(area_m2: float, resolution: int) -> None:
    if area_m2 > MOST_CELLS * float(h3.average_hexagon_area(resolution, unit="m^2")):
        raise InputError(
            f"{area_m2 / 1e6:.0f} km² hold more than {MOST_CELLS} cells of resolution {resolution}"
        )


def point_to_cell(lonlat: LonLat, resolution: int) -> int:
    """Cell that holds a point.

    Parameters
    ----------
    lonlat : (lon, lat)
        Degrees, EPSG:4326.
    resolution : int
        H3 resolution, 0 to 15.

    Returns
    -------
    int
        Cell id.

    Raises
    ------
    CoordinateError
        If the point is not on the Earth (h3 itself answers with a cell elsewhere).
    ResolutionError
        If ``resolution`` is not 0 to 15.

    Examples
    --------
    >>> cell_to_text(point_to_cell((5.3740, 43.2951), resolution=9))
    '893968152abffff'
    """
    lon, lat = lonlat
    if not (abs(lon) <= 180.0 and abs(lat) <= 90.0):  # false for NaN
        raise CoordinateError("latitude must be -90 to 90 and longitude -180 to 180")
    return int(h3.latlng_to_cell(lat, lon, _checked(resolution)))


def points_to_cells(lonlat: LonLatArray, resolution: int) -> CellArray:
    """Cells that hold points.

    Parameters
    ----------
    lonlat : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.
    resolution : int
        H3 resolution, 0 to 15.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Cell ids.

    Raises
    ------
    CoordinateError, ResolutionError
        As in `point_to_cell`.

    Notes
    -----
    The cell of a point at a coarser resolution is `cells_to_parents` of this one, never a
    second call: hexagons don't nest, and 7 % of points would land elsewhere.

    Examples
    --------
    >>> [hex(cell) for cell in points_to_cells(np.array([[5.3740, 43.2951]]), resolution=9)]
    ['0x893968152abffff']
    """
    _checked(resolution)
    points = np.asarray(lonlat, dtype=np.float64)
    on_earth = (np.abs(points[:, 0]) <= 180.0) & (np.abs(points[:, 1]) <= 90.0)
    if not on_earth.all():
        as_lonlat(points)  # names the row
    found = map(h3.latlng_to_cell, points[:, 1].tolist(), points[:, 0].tolist(), repeat(resolution))
    return np.fromiter(found, dtype=np.uint64, count=len(points))


def cells_to_parents(cells: CellArray, resolution: int) -> CellArray:
    """Ancestors of cells in H3's tree.

    Parameters
    ----------
    cells : ndarray of uint64, shape (n,)
        Valid cell ids, of one or several resolutions, none coarser than ``resolution``.
    resolution : int
        H3 resolution of the ancestors, 0 to 15.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Cell ids; a cell of that resolution is its own.

    Raises
    ------
    ResolutionError
        If ``resolution`` is not 0 to 15, or finer than a cell's.

    References
    ----------
    H3 index bit layout, https://h3geo.org/docs/core-library/h3Indexing: four bits of
    resolution from bit 52, then fifteen digits of three bits; a digit unused is 7.

    Examples
    --------
    >>> cell_to_text(int(cells_to_parents(np.array([0x893968152abffff], np.uint64), 5)[0]))
    '85396817fffffff'
    """
    _checked(resolution)
    cells = np.asarray(cells, dtype=np.uint64)
    if np.any((cells >> np.uint64(52) & np.uint64(15)) < resolution):
        raise ResolutionError(f"a cell coarser than resolution {resolution} has no parent there")
    level = np.uint64(resolution)
    unused = np.uint64((1 << 3 * (FINEST - resolution)) - 1)
    return (cells & ~(np.uint64(15) << np.uint64(52))) | (level << np.uint64(52)) | unused


def cell_to_parent(cell: int, resolution: int) -> int:
    """One cell's ancestor as `cells_to_parents` gives those of many, in a twentieth of the time.

    Examples
    --------
    >>> cell_to_text(cell_to_parent(0x893968152abffff, resolution=5))
    '85396817fffffff'
    """
    if (cell >> 52 & 15) < _checked(resolution):
        raise ResolutionError(f"a cell coarser than resolution {resolution} has no parent there")
    return cell & ~(15 << 52) | resolution << 52 | (1 << 3 * (FINEST - resolution)) - 1


def cell_children(cell: int) -> list[int]:
    """Cells one resolution finer, ascending: seven, or six of a pentagon.

    Examples
    --------
    >>> len(cell_children(0x883968152bfffff))
    7
    """
    return sorted(h3.cell_to_children(int(cell)))


def cells_to_lonlat(cells: CellArray) -> LonLatArray:
    """Centres of cells.

    Parameters
    ----------
    cells : ndarray of uint64, shape (n,)
        Cell ids, of any resolutions.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326, rounded to 1e-7 as every point is.

    Examples
    --------
    >>> cells_to_lonlat(np.array([0x893968152abffff], np.uint64)).round(4)
    array([[ 5.3719, 43.2946]])
    """
    latlon = [h3.cell_to_latlng(cell) for cell in np.asarray(cells, dtype=np.uint64).tolist()]
    return as_lonlat(np.array(latlon, dtype=np.float64).reshape(-1, 2)[:, ::-1])


def cells_to_polygons(cells: CellArray) -> NDArray[np.object_]:
    """Outlines of cells.

    Parameters
    ----------
    cells : ndarray of uint64, shape (n,)
        Cell ids, of any resolutions, none across the antimeridian.

    Returns
    -------
    ndarray of Polygon, shape (n,)
        EPSG:4326, corners rounded to 1e-7 degree, so that neighbours share them.

    Examples
    --------
    >>> cells_to_polygons(np.array([0x893968152abffff], np.uint64))[0].bounds[:2]
    (5.369689, 43.2928048)
    """
    corners = [h3.cell_to_boundary(cell) for cell in np.asarray(cells, dtype=np.uint64).tolist()]
    rings = np.repeat(np.arange(len(corners)), [len(ring) for ring in corners])
    latlon = np.array([corner for ring in corners for corner in ring], dtype=np.float64)
    lonlat = as_lonlat(latlon.reshape(-1, 2)[:, ::-1])
    return np.asarray(shapely.polygons(shapely.linearrings(lonlat, indices=rings)))


def cells_within(origin: LonLat, radius_m: float, resolution: int) -> CellArray:
    """Cells that may hold a point within a radius of ``origin``.

    A superset: the caller still filters by true distance.

    Parameters
    ----------
    origin : (lon, lat)
        Degrees, EPSG:4326.
    radius_m : float
        Search radius in metres, zero or more.
    resolution : int
        H3 resolution, 0 to 15.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Cell ids, each once, in no set order.

    Raises
    ------
    CoordinateError, ResolutionError
        As in `point_to_cell`.
    InputError
        If the radius is not a number of metres, or spans more than 400 000 cells.

    Notes
    -----
    Rings are added until all of a ring lies beyond the radius. A ring is closed, so nothing
    behind it can be nearer: no formula of edges is needed, and none holds next to pentagons.

    Examples
    --------
    >>> cells_within((5.3740, 43.2951), radius_m=200, resolution=9).size
    5
    """
    start = point_to_cell(origin, resolution)
    if not radius_m >= 0.0:
        raise InputError("radius_m must be zero or more")
    _check_area(min(pi * radius_m * radius_m, 4.0 * pi * EARTH_RADIUS_M**2), resolution)
    reach_m = LONGEST_REACH * float(h3.average_hexagon_edge_length(resolution, unit="m"))
    kept = [np.array([start], dtype=np.uint64)]
    for k in range(1, MOST_CELLS):
        ring = np.array(h3.grid_ring(start, k), dtype=np.uint64)
        near = ring[haversine_m(origin, cells_to_lonlat(ring)) <= radius_m + reach_m]
        if not near.size:  # all beyond the radius, or the Earth is covered
            break
        kept.append(near)
    return np.concatenate(kept)


def polygon_to_cells(geometry: Geometry, resolution: int) -> CellArray:
    """Cells that cover a polygon: every point of it lies in one of them.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        EPSG:4326, edges straight in longitude and latitude; cut at the antimeridian
        (RFC 7946), not beyond latitude 85.
    resolution : int
        H3 resolution, 0 to 15.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Cell ids, ascending. A superset of the cells that touch it, by a hair.

    Raises
    ------
    CoordinateError
        If ``geometry`` is empty, no polygon, or reaches beyond latitude 85.
    InputError
        If it would take more than 400 000 cells.
    ResolutionError
        If ``resolution`` is not 0 to 15.

    Notes
    -----
    Cells overlap, not centres inside: a block of 110 m by 90 m holds no centre at resolution 9.
    h3 draws a cell's edges straight in degrees, but cells end at great circles: the polygon is
    first widened by how far the two differ, ``edge² / 8R · tan(latitude)``.

    Examples
    --------
    >>> block = shapely.box(5.3740, 43.2951, 5.3753, 43.2959)
    >>> polygon_to_cells(block, resolution=9).size
    3
    """
    _checked(resolution)
    if not isinstance(geometry, Polygon | MultiPolygon) or geometry.is_empty:
        raise CoordinateError(f"a cover needs a polygon with area, got {type(geometry).__name__}")
    west, south, east, north = geometry.bounds
    if not (max(-south, north) <= 85.0 and max(-west, east) <= 180.0):  # false for NaN
        raise CoordinateError("a cover must stay within latitudes -85 to 85")
    degree_m = np.radians(EARTH_RADIUS_M)
    _check_area(geometry.area * degree_m**2 * np.cos(np.radians((south + north) / 2)), resolution)
    edge_m = LONGEST_REACH * float(h3.average_hexagon_edge_length(resolution, unit="m"))
    steepest = np.radians(min(85.0, max(-south, north) + 2.0))
    sagitta_m = edge_m**2 / (8.0 * EARTH_RADIUS_M) * np.tan(steepest)
    margin = np.degrees((sagitta_m + 0.01) / EARTH_RADIUS_M / np.cos(steepest))
    widened = shapely.buffer(geometry, margin, quad_segs=1)
    cells: set[int] = set()
    for part in shapely.get_parts(widened):
        cells.update(
            h3.h3shape_to_cells_experimental(h3.geo_to_h3shape(part), resolution, "overlap")
        )
    return np.array(sorted(cells), dtype=np.uint64)


def cell_to_text(cell: int) -> str:
    """A cell as it travels: hexadecimal text (JavaScript rounds integers above 2^53).

    Examples
    --------
    >>> cell_to_text(0x893968152abffff)
    '893968152abffff'
    """
    return format(int(cell), "x")


def text_to_cell(text: str) -> int:
    """A cell from its hexadecimal text.

    Raises
    ------
    InputError
        If the text names no cell.

    Examples
    --------
    >>> text_to_cell("893968152abffff") == 0x893968152abffff
    True
    >>> text_to_cell("marseille")
    Traceback (most recent call last):
    ...
    geo.errors.InputError: a cell is 15 hexadecimal digits, as in 893968152abffff
    """
    if len(text) == 15 and text.isalnum() and text.isascii():
        try:
            cell = int(text, 16)
        except ValueError:
            cell = 0
        if h3.is_valid_cell(cell):
            return cell
    raise InputError("a cell is 15 hexadecimal digits, as in 893968152abffff", code="invalid-cell")
