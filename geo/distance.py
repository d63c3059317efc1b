"""The one distance: great circle on the sphere, in metres.

All stores and indexes are held to this answer. PostGIS agrees to within 1 mm over
50 km with ``use_spheroid => false``; the ellipsoid differs by about 0.3 % in France.
"""

from math import asin, cos, radians, sin, sqrt

import numpy as np
from numba import njit

from geo.arrays import FloatArray, LonLat, LonLatArray

__all__ = [
    "EARTH_RADIUS_M",
    "HALF_CIRCUMFERENCE_M",
    "SHORT_DEG",
    "arc_m",
    "distance_m",
    "haversine_m",
    "short_arc_m",
]

EARTH_RADIUS_M = 6_371_008.8  # mean radius of WGS84, IUGG
HALF_CIRCUMFERENCE_M = np.pi * EARTH_RADIUS_M


# Up to this difference of longitude or latitude series are exact to a float's last digit.
SHORT_DEG = 4.5


@njit(cache=True, error_model="numpy", forceinline=True)
def _short_sin(x: float) -> float:
    q = x * x
    return x * (1.0 - q * (1 / 6) * (1.0 - q * (1 / 20) * (1.0 - q * (1 / 42))))


@njit(cache=True, error_model="numpy", forceinline=True)
def short_arc_m(lon1: float, lat1: float, cos_lat1: float, lon2: float, lat2: float) -> float:
    """`arc_m` where neither coordinate differs by more than `SHORT_DEG`.

    Neither branches nor calls: a compiler does eight at once, with the very same digits.
    """
    s = _short_sin(radians(lat2 - lat1) * 0.5)
    t = _short_sin(radians(lon2 - lon1) * 0.5)
    # The cosine is 1 - 2 sin² of half the angle, which is at most 45°; at a pole it may come out
    # a hair below nothing.
    half = radians(lat2) * 0.5
    q = half * half
    sine = -1 / 39_916_800 + q * (1 / 6_227_020_800 + q * (-1 / 1_307_674_368_000))
    sine = -1 / 6 + q * (1 / 120 + q * (-1 / 5_040 + q * (1 / 362_880 + q * sine)))
    sine = half + half * q * sine
    h = s * s + cos_lat1 * abs(1.0 - 2.0 * (sine * sine)) * t * t
    y = sqrt(h)
    terms = 3 / 40 + h * (15 / 336 + h * (105 / 3456 + h * (945 / 42240)))
    return 2.0 * EARTH_RADIUS_M * (y * (1.0 + h * (1 / 6 + h * terms)))


@njit(cache=True, error_model="numpy")
def arc_m(lon1: float, lat1: float, cos_lat1: float, lon2: float, lat2: float) -> float:
    """`distance_m` for many points from one, whose cosine of latitude is taken once."""
    if abs(lat2 - lat1) <= SHORT_DEG and abs(lon2 - lon1) <= SHORT_DEG:
        return float(short_arc_m(lon1, lat1, cos_lat1, lon2, lat2))
    s = sin(radians(lat2 - lat1) * 0.5)
    t = sin(radians(lon2 - lon1) * 0.5)
    h = s * s + cos_lat1 * cos(radians(lat2)) * t * t
    return 2.0 * EARTH_RADIUS_M * asin(sqrt(min(1.0, h)))


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
