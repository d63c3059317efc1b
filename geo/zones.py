"""Zones: which district a point lies in, which cells cover one, how far one is.

The rules, everywhere the same: edges are straight in longitude and latitude; a border belongs
to its zones (``ST_Covers``), and where zones share one the lowest code wins, so that every
point lies in at most one zone. A harbour or the sea lies in none: a point there gets the
nearest zone within 300 m, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry

from geo.arrays import BoolArray, CellArray, FloatArray, IntArray, LonLatArray
from geo.cells import polygon_to_cells
from geo.errors import CoordinateError, InputError, NotFoundError
from geo.polygons import (
    NONE,
    build_index,
    covering_polygons,
    nearest_polygons,
    polygon_distances_m,
)

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
        self._polygons = build_index(self._geometries, NEAREST_ZONE_M)

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
        points = np.ascontiguousarray(lonlat, dtype=np.float64).reshape(-1, 2)
        index = covering_polygons(points, self._polygons)
        nearest = index == NONE
        index[nearest] = nearest_polygons(points[nearest], self._polygons)
        return Located(index, nearest & (index != NONE))

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
        points = np.ascontiguousarray(lonlat, dtype=np.float64).reshape(-1, 2)
        return polygon_distances_m(points, zone, self._polygons)
