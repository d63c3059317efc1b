"""The one distance: great circle on the sphere, in metres.

All stores and indexes are held to this answer. PostGIS agrees to within 1 mm over
50 km with ``use_spheroid => false``; the ellipsoid differs by about 0.3 % in France.
"""

from math import asin, cos, radians, sin, sqrt

import numpy as np
from numba import njit

from geo.arrays import FloatArray, LonLat, LonLatArray

__all__ = ["EARTH_RADIUS_M", "HALF_CIRCUMFERENCE_M", "arc_m", "distance_m", "haversine_m"]

EARTH_RADIUS_M = 6_371_008.8  # mean radius of WGS84, IUGG
HALF_CIRCUMFERENCE_M = np.pi * EARTH_RADIUS_M


# Below this angle three terms of a series are exact to a float's last digit, and cost a third
# of a call of sin or asin; half of 500 km is below it.
SMALL = 0.04


@njit(cache=True, error_model="numpy")
def _sin(x: float) -> float:
    if abs(x) > SMALL:
        return sin(x)
    q = x * x
    return x * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0)))


@njit(cache=True, error_model="numpy")
def _asin(y: float) -> float:
    if y > SMALL:
        return asin(y)
    q = y * y
    terms = 3 / 40 + q * (15 / 336 + q * (105 / 3456 + q * (945 / 42240)))
    return y * (1.0 + q * (1 / 6 + q * terms))


@njit(cache=True, error_model="numpy")
def arc_m(lon1: float, lat1: float, cos_lat1: float, lon2: float, lat2: float) -> float:
    """`distance_m` for many points from one, whose cosine of latitude is taken once."""
    s = _sin(radians(lat2 - lat1) * 0.5)
    t = _sin(radians(lon2 - lon1) * 0.5)
    h = s * s + cos_lat1 * cos(radians(lat2)) * t * t
    return 2.0 * EARTH_RADIUS_M * _asin(sqrt(min(1.0, h)))


@njit(cache=True)
def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Great-circle distance of two points, for use inside compiled code.

    Parameters
    ----------
    lon1, lat1, lon2, lat2 : float
        Degrees, EPSG:4326. Not checked.

    Returns
    -------
    float
        Metres, 0 to half the Earth's circumference.

    References
    ----------
    R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984).
    """
    return arc_m(lon1, lat1, cos(radians(lat1)), lon2, lat2)


@njit(cache=True)
def _distances_m(lon: float, lat: float, lonlat: LonLatArray) -> FloatArray:
    found = np.empty(len(lonlat))
    cos_lat = cos(radians(lat))
    for i in range(len(lonlat)):
        found[i] = arc_m(lon, lat, cos_lat, lonlat[i, 0], lonlat[i, 1])
    return found


def haversine_m(origin: LonLat, lonlat: LonLatArray) -> FloatArray:
    """Great-circle distances from one point to many.

    Parameters
    ----------
    origin : (lon, lat)
        Degrees, EPSG:4326.
    lonlat : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.

    Returns
    -------
    ndarray of float64, shape (n,)
        Metres.

    Examples
    --------
    The Vieux-Port and the Bonne Mère:

    >>> haversine_m((5.3740, 43.2951), np.array([[5.371242, 43.2839455]])).round()
    array([1260.])
    """
    return _distances_m(float(origin[0]), float(origin[1]), np.asarray(lonlat, dtype=np.float64))
