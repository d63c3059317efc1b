"""Lines on the Earth: how long, where along, and what is left when one is cut.

A line runs straight in longitude and latitude between its points, as in GeoJSON; lengths are
great-circle ones. The point of a straight piece that is nearest to a place is taken on the
plane that touches the Earth there: for pieces within 50 km that is the true one to a centimetre.
"""

from math import cos, radians

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.arrays import FloatArray, LonLat, LonLatArray, as_lonlat
from geo.distance import arc_m, distance_m
from geo.errors import InputError
from geo.kernels import forget_stale

__all__ = ["along_m", "cut", "extra_m", "locate", "nearest_fraction"]


@njit(cache=True, error_model="numpy")
def nearest_fraction(x1: float, y1: float, x2: float, y2: float, low: float, high: float) -> float:
    """How far along a straight piece the point nearest to the origin of a plane lies.

    For use inside compiled code.

    Parameters
    ----------
    x1, y1, x2, y2 : float
        The two ends, seen from the place.
    low, high : float
        Only this part of the piece counts; 0 to 1.

    Returns
    -------
    float
        ``low`` to ``high``; ``low`` for a piece without length.
    """
    dx, dy = x2 - x1, y2 - y1
    squared = dx * dx + dy * dy
    if squared == 0.0:
        return low
    return min(max(-(x1 * dx + y1 * dy) / squared, low), high)


@njit(cache=True)
def extra_m(lon1: float, lat1: float, lon2: float, lat2: float, lon: float, lat: float) -> float:
    """What it adds to go from one point to a second by way of a third, great circle, metres.

    For use inside compiled code. Degrees, EPSG:4326. Never negative.
    """
    there = distance_m(lon1, lat1, lon, lat)
    back = distance_m(lon, lat, lon2, lat2)
    return max(0.0, there + back - distance_m(lon1, lat1, lon2, lat2))


@njit(cache=True)
def _along_m(lonlat: LonLatArray) -> FloatArray:
    found = np.zeros(len(lonlat))
    for i in range(1, len(lonlat)):
        found[i] = found[i - 1] + distance_m(
            lonlat[i - 1, 0], lonlat[i - 1, 1], lonlat[i, 0], lonlat[i, 1]
        )
    return found


@njit(cache=True, error_model="numpy")
def _locate(lonlat: LonLatArray, lon: float, lat: float) -> tuple[int, float, float]:
    """The piece, how far along it, and the distance from the place."""
    cos_lat = cos(radians(lat))
    best, at, least = 0, 0.0, np.inf
    for i in range(len(lonlat) - 1):
        lon1, lat1, lon2, lat2 = lonlat[i, 0], lonlat[i, 1], lonlat[i + 1, 0], lonlat[i + 1, 1]
        f = nearest_fraction(
            (lon1 - lon) * cos_lat, lat1 - lat, (lon2 - lon) * cos_lat, lat2 - lat, 0.0, 1.0
        )
        d = arc_m(lon, lat, cos_lat, lon1 + f * (lon2 - lon1), lat1 + f * (lat2 - lat1))
        if d < least:
            best, at, least = i, f, d
    return best, at, least


def along_m(lonlat: npt.ArrayLike) -> FloatArray:
    """How far along a line each of its points lies.

    Parameters
    ----------
    lonlat : array_like, shape (n, 2)
        Degrees, EPSG:4326.

    Returns
    -------
    ndarray of float64, shape (n,)
        Metres from the first point, which has 0; the last is the line's length.

    Raises
    ------
    CoordinateError
        If a point is not on the Earth.

    Examples
    --------
    >>> along_m([(5.3740, 43.2951), (5.3740, 43.3051), (5.3840, 43.3051)]).round()
    array([   0., 1112., 1921.])
    """
    return _along_m(as_lonlat(lonlat))


def locate(lonlat: npt.ArrayLike, place: LonLat) -> tuple[float, float]:
    """The point of a line nearest to a place; of equals the first.

    Parameters
    ----------
    lonlat : array_like, shape (n, 2)
        The line, two points or more; degrees, EPSG:4326.
    place : (lon, lat)
        Degrees, EPSG:4326.

    Returns
    -------
    along, distance : float
        Metres along the line, and from the place to it.

    Raises
    ------
    InputError
        If the line has fewer than two points.
    CoordinateError
        If a point is not on the Earth.

    Examples
    --------
    >>> [round(metres) for metres in locate([(5.37, 43.29), (5.39, 43.29)], (5.38, 43.30))]
    [809, 1112]
    """
    line = _as_line(lonlat)
    lon, lat = as_lonlat(place)[0].tolist()
    piece, fraction, metres = _locate(line, lon, lat)
    along = _along_m(line)
    return float(along[piece] + fraction * (along[piece + 1] - along[piece])), metres


def cut(lonlat: npt.ArrayLike, begin_m: float, end_m: float) -> LonLatArray:
    """The part of a line between two places along it.

    Parameters
    ----------
    lonlat : array_like, shape (n, 2)
        The line, two points or more; degrees, EPSG:4326.
    begin_m, end_m : float
        Metres along it; what lies beyond an end is that end.

    Returns
    -------
    ndarray of float64, shape (m, 2)
        Two points or more, rounded to 1e-7 degree.

    Raises
    ------
    InputError
        If the line has fewer than two points, or ``end_m`` is less than ``begin_m``.
    CoordinateError
        If a point is not on the Earth.

    Examples
    --------
    >>> cut([(5.37, 43.29), (5.38, 43.29), (5.39, 43.29)], 404.7, 1214).round(4)
    array([[ 5.375, 43.29 ],
           [ 5.38 , 43.29 ],
           [ 5.385, 43.29 ]])
    """
    line = _as_line(lonlat)
    if not begin_m <= end_m:
        raise InputError(f"a part of a line must begin before it ends, got {begin_m} to {end_m} m")
    along = _along_m(line)
    ends = np.clip((begin_m, end_m), 0.0, along[-1])
    inside = line[(along > ends[0]) & (along < ends[1])]
    # Points that are the same lie at the same place along, and interp takes any of them.
    first, last = (
        [np.interp(metres, along, line[:, axis]) for axis in range(2)] for metres in ends
    )
    return as_lonlat(np.vstack((first, inside, last)))


def _as_line(lonlat: npt.ArrayLike) -> LonLatArray:
    line = as_lonlat(lonlat)
    if len(line) < 2:
        raise InputError(f"a line must have two points or more, got {len(line)}")
    return line


forget_stale(_along_m, "geo.distance")
