"""Zones: which district a point lies in, which cells cover one, how far one is.

The rules, everywhere the same: edges are straight in longitude and latitude; a border belongs
to its zones (``ST_Covers``), and where zones share one the lowest code wins, so that every
point lies in at most one zone. A harbour or the sea lies in none: a point there gets the
nearest zone within 300 m, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit
from shapely import Geometry

from geo.arrays import BoolArray, CellArray, FloatArray, IntArray, LonLatArray
from geo.cells import polygon_to_cells
from geo.distance import EARTH_RADIUS_M, distance_m
from geo.errors import CoordinateError, InputError, NotFoundError

__all__ = ["NEAREST_ZONE_M", "Located", "ZoneMap"]

NEAREST_ZONE_M = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Where points lie: row i of both columns is one point.

    ``index`` points into `ZoneMap.codes`, -1 for no zone; ``nearest`` is True where the point
    lies in no zone but within 300 m of this one.
    """

    index: IntArray  # (n,)
    nearest: BoolArray  # (n,)


class ZoneMap:
    """Zones of one vintage, frozen once built.

    Parameters
    ----------
    codes : sequence of str
        Each once, in any order.
    geometries : sequence of Polygon or MultiPolygon
        EPSG:4326, valid, one per code. They may share borders; where they overlap, the
        lowest code wins there too.

    Raises
    ------
    InputError
        If the two differ in length, or a code comes twice.
    CoordinateError
        If a geometry is empty, invalid or no polygon.

    Examples
    --------
    >>> west, east = shapely.box(5.0, 43.0, 5.1, 43.1), shapely.box(5.1, 43.0, 5.2, 43.1)
    >>> zones = ZoneMap(["990000102", "990000101"], [west, east])
    >>> zones.codes
    ('990000101', '990000102')

    Inside the west, on the shared border, 81 m south of it, and at sea:

    >>> points = np.array([[5.05, 43.05], [5.1, 43.05], [5.1, 42.9992701], [6.0, 43.0]])
    >>> zones.locate(points)
    Located(index=array([ 1,  0,  0, -1]), nearest=array([False, False,  True, False]))
    """

    def __init__(self, codes: Sequence[str], geometries: Sequence[Geometry]) -> None:
        if len(codes) != len(geometries):
            raise InputError(f"{len(codes)} codes for {len(geometries)} geometries")
        order = sorted(range(len(codes)), key=codes.__getitem__)
        self.codes: tuple[str, ...] = tuple(codes[i] for i in order)
        self._index = {code: i for i, code in enumerate(self.codes)}
        if len(self._index) != len(self.codes):
            raise InputError("a zone code comes twice")
        self._geometries = np.array([geometries[i] for i in order], dtype=object)
        for code, geometry in zip(self.codes, self._geometries, strict=True):
            if geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.is_empty:
                raise CoordinateError(f"zone {code} must be a polygon, not {geometry.geom_type}")
        if not shapely.is_valid(self._geometries).all():
            bad = int(np.flatnonzero(~shapely.is_valid(self._geometries))[0])
            raise CoordinateError(f"the outline of zone {self.codes[bad]} crosses itself")
        shapely.prepare(self._geometries)
        self._tree = shapely.STRtree(self._geometries)
        self._edges, self._first_edge = _edges_of(self._geometries)

    def __len__(self) -> int:
        return len(self.codes)

    def index_of(self, code: str) -> int:
        """Position of a code in `codes`.

        Raises
        ------
        NotFoundError
            If there is no such zone.
        """
        try:
            return self._index[code]
        except KeyError:
            raise NotFoundError(f"no zone {code!r} among the {len(self)} of this vintage") from None

    def locate(self, lonlat: LonLatArray) -> Located:
        """The zone of each point.

        Parameters
        ----------
        lonlat : ndarray of float64, shape (n, 2)
            Degrees, EPSG:4326.

        Returns
        -------
        Located
            At most one zone per point: covering, lowest code first; else nearest within
            300 m, lowest code first; else none.
        """
        points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
        index = np.full(len(points), len(self), dtype=np.int64)
        rows, zones = self._tree.query(shapely.points(points), predicate="intersects")
        np.minimum.at(index, rows, zones)
        outside = np.flatnonzero(index == len(self))
        index[outside] = self._nearest(points[outside])
        nearest = np.zeros(len(points), dtype=np.bool_)
        nearest[outside] = index[outside] >= 0
        return Located(index, nearest)

    def _nearest(self, points: LonLatArray) -> IntArray:
        """Nearest zone within `NEAREST_ZONE_M` of points outside all of them, else -1."""
        reach_lat = np.degrees(NEAREST_ZONE_M / EARTH_RADIUS_M) * 1.001
        lat = np.abs(points[:, 1]) + reach_lat
        reach_lon = np.where(
            lat < 90.0, reach_lat / np.cos(np.radians(np.minimum(lat, 89.999))), 360.0
        )
        boxes = shapely.box(
            points[:, 0] - reach_lon,
            points[:, 1] - reach_lat,
            points[:, 0] + reach_lon,
            points[:, 1] + reach_lat,
        )
        rows, zones = self._tree.query(boxes)
        order = np.lexsort((zones, rows))  # the lowest code comes first, and keeps a tie
        return _nearest_zones(points, rows[order], zones[order], self._edges, self._first_edge)

    def cover(self, code: str, resolution: int = 9) -> CellArray:
        """Cells that cover a zone: every point of it lies in one of them.

        Parameters
        ----------
        code : str
            Zone code.
        resolution : int
            H3 resolution, 0 to 15.

        Returns
        -------
        ndarray of uint64, shape (n,)
            Cell ids, ascending.

        Raises
        ------
        NotFoundError
            If there is no such zone.
        ResolutionError
            If ``resolution`` is not 0 to 15.
        """
        return polygon_to_cells(self._geometries[self.index_of(code)], resolution)

    def distance_m(self, code: str, lonlat: LonLatArray) -> FloatArray:
        """Great-circle distances from points to a zone, the nearest of its parts.

        Parameters
        ----------
        code : str
            Zone code.
        lonlat : ndarray of float64, shape (n, 2)
            Degrees, EPSG:4326.

        Returns
        -------
        ndarray of float64, shape (n,)
            Metres; 0 inside and on the border.

        Raises
        ------
        NotFoundError
            If there is no such zone.
        """
        zone = self.index_of(code)
        points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
        edges = self._edges[self._first_edge[zone] : self._first_edge[zone + 1]]
        outside = ~shapely.intersects_xy(self._geometries[zone], points[:, 0], points[:, 1])
        found = np.zeros(len(points))
        found[outside] = _edge_distances_m(points[outside], edges)
        return found


def _edges_of(geometries: npt.NDArray[np.object_]) -> tuple[FloatArray, IntArray]:
    """All edges as (lon, lat, lon, lat) rows, and where each geometry's begin."""
    parts, zone_of_part = shapely.get_parts(geometries, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    lonlat, ring = shapely.get_coordinates(rings, return_index=True)
    along = ring[1:] == ring[:-1]
    edges = np.hstack((lonlat[:-1][along], lonlat[1:][along]))
    zone_of_edge = zone_of_part[part_of_ring[ring[:-1][along]]]
    return edges, np.searchsorted(zone_of_edge, np.arange(len(geometries) + 1))


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
def _edge_distances_m(points: LonLatArray, edges: FloatArray) -> FloatArray:
    found = np.full(len(points), np.inf)
    for i in range(len(points)):
        for j in range(len(edges)):
            found[i] = min(found[i], _edge_distance_m(points[i, 0], points[i, 1], edges[j]))
    return found


@njit(cache=True, nogil=True)
def _nearest_zones(
    points: LonLatArray, rows: IntArray, zones: IntArray, edges: FloatArray, first_edge: IntArray
) -> IntArray:
    found = np.full(len(points), -1, dtype=np.int64)
    best = np.full(len(points), np.inf)
    for row, zone in zip(rows, zones):  # noqa: B905 - numba knows no strict=
        for j in range(first_edge[zone], first_edge[zone + 1]):
            away = _edge_distance_m(points[row, 0], points[row, 1], edges[j])
            if away <= NEAREST_ZONE_M and away < best[row]:
                best[row], found[row] = away, zone
    return found
