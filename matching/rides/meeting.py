"""Public meeting points: where drivers and riders meet without a home being told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from geo.arrays import FloatArray, IntArray, LonLat, LonLatArray, as_lonlat
from geo.distance import EARTH_RADIUS_M, haversine_m
from geo.errors import InputError
from geo.sphere import on_sphere

__all__ = ["MEETING_CATEGORIES", "MOST_PLACES", "MeetingPoint", "MeetingPoints"]

MEETING_CATEGORIES = ("mobility.carpool", "mobility.stop")
"""Public places of these categories, and of those below them, are meeting points."""

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
    >>> [stops[row].name for row in stops.near((5.3740, 43.2951), 600)]
    ['Vieux-Port', 'Canebière']
    """

    def __init__(self, points: Sequence[MeetingPoint] = ()) -> None:
        self._points = sorted(points, key=lambda point: point.id)
        if len({point.id for point in points}) < len(points):
            raise InputError("meeting points must have an id each, two have the same")
        self.lonlat: LonLatArray = as_lonlat(
            np.array([(point.lon, point.lat) for point in self._points]).reshape(-1, 2)
        )
        self._tree = cKDTree(on_sphere(self.lonlat))

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, row: int) -> MeetingPoint:
        return self._points[row]

    def near(self, place: LonLat, limit_m: float, most: int = MOST_PLACES) -> IntArray:
        """Rows of the meeting points nearest to a place: by distance, then id.

        Parameters
        ----------
        place : (lon, lat)
            Degrees, EPSG:4326.
        limit_m : float
            Great circle; what lies exactly there counts.
        most : int
            At most so many.
        """
        here = np.array([place])
        # Chords are shorter than arcs, so none is missed; the last digit is the haversine's.
        chord = 2.0 * np.sin(min(limit_m / EARTH_RADIUS_M, np.pi) / 2.0) * (1.0 + 1e-9) + 1e-12
        rows = np.sort(self._tree.query_ball_point(on_sphere(here)[0], chord)).astype(np.int64)
        distance_m: FloatArray = haversine_m(place, self.lonlat[rows])
        order = np.argsort(distance_m, kind="stable")[:most]
        found: IntArray = rows[order[distance_m[order] <= limit_m]]
        return found
