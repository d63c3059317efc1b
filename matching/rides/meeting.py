"""Public meeting points: where drivers and riders meet without a home being told."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

import numpy as np

from geo.arrays import FloatArray, IntArray, LonLat, as_lonlat
from geo.distance import arc_m
from geo.errors import InputError
from geo.kernels import forget_stale
from indexes.rides import (
    COS_LAT,
    LAT,
    LON,
    METRES_PER_DEGREE,
    ON_LINE,
    REACH_M,
    WALK_M,
    compiled,
    place_row,
)

__all__ = ["MEETING_CATEGORIES", "MEETING_REACH_M", "MOST_PLACES", "MeetingPoint", "MeetingPoints"]

MEETING_CATEGORIES = ("mobility.carpool", "mobility.stop")
"""Public places of these categories, and of those below them, are meeting points."""

MEETING_REACH_M = 1_000.0  # of a line, to a meeting point that it can serve
MOST_PLACES = 8  # of one end of a ride that are tried, the nearest ones


@dataclass(frozen=True, slots=True)
class MeetingPoint:
    """A car park, a stop, an agreed corner; degrees, EPSG:4326."""

    id: str
    name: str
    lon: float
    lat: float


class MeetingPoints:
    """Meeting points, to be asked which are near. It never changes.

    Parameters
    ----------
    points : sequence of MeetingPoint
        In any order.

    Raises
    ------
    InputError
        If two have the same id.
    CoordinateError
        If a point is not on the Earth.

    Examples
    --------
    >>> stops = MeetingPoints([
    ...     MeetingPoint("b", "Canebière", 5.3780, 43.2965),
    ...     MeetingPoint("a", "Vieux-Port", 5.3745, 43.2953),
    ... ])
    >>> rows, places = stops.around((5.3740, 43.2951), 600)
    >>> [stops[row].name for row in rows[1:]], places[1:, WALK_M].round()
    (['Vieux-Port', 'Canebière'], array([ 46., 359.]))
    """

    def __init__(self, points: Sequence[MeetingPoint] = ()) -> None:
        self._points = sorted(points, key=lambda point: point.id)
        if len({point.id for point in points}) < len(points):
            raise InputError("meeting points must have an id each, two have the same")
        lonlat = as_lonlat([(point.lon, point.lat) for point in self._points] or np.empty((0, 2)))
        rows = [
            place_row(lon, lat, MEETING_REACH_M, 0.0, on_line=False) for lon, lat in lonlat.tolist()
        ]
        self._places = np.array(rows).reshape(-1, 6)
        self._northwards = np.argsort(lonlat[:, 1], kind="stable")

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, row: int) -> MeetingPoint:
        return self._points[row]

    def around(self, end: LonLat, walk_m: float) -> tuple[IntArray, FloatArray]:
        """Where a rider may get in, or out: on a line that passes by, or at meeting points.

        Parameters
        ----------
        end : (lon, lat)
            Degrees, EPSG:4326.
        walk_m : float
            Great circle; what lies exactly there counts.

        Returns
        -------
        rows : ndarray of int64, shape (n,)
            -1 for the line, then the nearest meeting points, `MOST_PLACES` at most: by
            distance, then id.
        places : ndarray of float64, shape (n, 6)
            The same as `indexes.rides` takes them, `indexes.rides.LON` and so on.
        """
        rows, places = _around(*end, walk_m, self._places, self._northwards)
        return rows, places


@compiled
def _around(
    lon: float, lat: float, limit_m: float, points: FloatArray, northwards: IntArray
) -> tuple[IntArray, FloatArray]:
    """See `MeetingPoints.around`. ``northwards`` are all rows of ``points`` by latitude: few are
    so near by that alone."""
    degrees = limit_m / METRES_PER_DEGREE + 1e-9  # distances round
    low, high = 0, len(northwards)
    while low < high:
        middle = (low + high) // 2
        if points[northwards[middle], LAT] < lat - degrees:
            low = middle + 1
        else:
            high = middle
    rows, metres = np.empty(MOST_PLACES + 1, np.int64), np.empty(MOST_PLACES + 1)
    cos_lat = cos(radians(lat))
    rows[0], count = -1, 1
    for row in northwards[low:]:
        if points[row, LAT] > lat + degrees:
            break
        off_m = arc_m(lon, lat, cos_lat, points[row, LON], points[row, LAT])
        if off_m > limit_m:
            continue
        at = count
        while at > 1 and (off_m, row) < (metres[at - 1], rows[at - 1]):
            at -= 1
        if at == len(rows):
            continue
        count = min(count + 1, len(rows))
        for later in range(count - 1, at, -1):
            rows[later], metres[later] = rows[later - 1], metres[later - 1]
        rows[at], metres[at] = row, off_m
    places = np.empty((count, points.shape[1]))
    places[0, LON], places[0, LAT], places[0, COS_LAT] = lon, lat, cos_lat
    places[0, WALK_M], places[0, REACH_M], places[0, ON_LINE] = 0.0, limit_m, 1.0
    for i in range(1, count):
        places[i] = points[rows[i]]
        places[i, WALK_M] = metres[i]
    return rows[:count], places


forget_stale(_around, "geo.distance", "indexes.rides")
