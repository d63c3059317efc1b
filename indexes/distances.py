"""Distances from where a question is asked: cheap lower bounds of many, exact arcs of a few.

Bounds are squared metres in float32, on a plane (`local_plane`) where that is sound, else on the
sphere. They only ever rule out: what may be answered is decided in float64 by the one haversine.
"""

from math import asin, cos, pi, radians, sin, sqrt

import numpy as np

from geo.arrays import FloatArray, IntArray
from geo.distance import EARTH_RADIUS_M, SHORT_DEG, arc_m, distance_m, short_arc_m
from geo.kernels import forget_stale
from indexes.columns import UNIT
from indexes.packing import FANOUT, LAT, LEAF, LON, MAX_LAT, MAX_LON, MIN_LAT, MIN_LON, Blocks
from indexes.scores import SLACK, inlined, uncounted

__all__ = [
    "Floats32",
    "Here",
    "arcs",
    "bound_boxes",
    "bound_points",
    "here_at",
]

LOCAL_MAX_M = 500_000.0
LOCAL_MAX_LAT = 85.0

Floats32 = np.ndarray[tuple[int], np.dtype[np.float32]]
# Where one asks: degrees, cosine of the latitude, whole 1e-7 degrees; whether there is a plane
# for all within the radius, whether all arcs within it are short, and the plane's metres per
# 1e-7 degree east and north.
Here = tuple[float, float, float, np.int32, np.int32, bool, bool, np.float32, np.float32]


@uncounted
def local_plane(lon: float, lat: float, radius_m: float) -> tuple[bool, float, float]:
    """Metres per 1e-7 degree east and north, such that the plane never overstates.

    With h = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) the distance is 2R asin √h ≥ 2R √h, and
    sin²(x/2) ≥ x²/4 · (1 − X²/12) for |x| ≤ X. X is the widest angle, and the least cos φ₂,
    that a point within the radius can have. False where that is not sound: then the sphere.
    """
    angle = radius_m / EARTH_RADIUS_M
    if not radius_m <= LOCAL_MAX_M or abs(lat) + angle * 180.0 / pi > LOCAL_MAX_LAT:
        return False, 0.0, 0.0
    widest = asin(sin(angle) / cos(radians(lat)))
    if abs(lon) + widest * 180.0 / pi >= 180.0:  # ±180 are one meridian
        return False, 0.0, 0.0
    shrink = sqrt(1.0 - widest * widest / 12.0) * (1.0 - SLACK)
    north = EARTH_RADIUS_M * pi / 180.0 / UNIT * shrink
    east = north * sqrt(cos(radians(lat)) * cos(radians(abs(lat)) + angle))
    return True, east, north


@uncounted
def sphere_bound_m(
    lon: float, lat: float, min_lon: float, min_lat: float, max_lon: float, max_lat: float
) -> float:
    """A lower bound of the distance to a box of degrees, anywhere on Earth, metres."""
    if min_lon == max_lon and min_lat == max_lat:
        return float(distance_m(lon, lat, min_lon, min_lat)) * (1.0 - SLACK)
    north_south = radians(max(0.0, min_lat - lat, lat - max_lat))
    gap = 0.0
    if lon < min_lon or lon > max_lon:
        gap = min((min_lon - lon) % 360.0, (lon - max_lon) % 360.0)
    # To a meridian Δλ away: sin d = cos φ · sin Δλ, nearest at the pole from 90° on.
    across = asin(cos(radians(lat)) * sin(radians(min(gap, 90.0))))
    return EARTH_RADIUS_M * max(north_south, across) * (1.0 - SLACK)


@inlined
def here_at(lon: float, lat: float, radius_m: float) -> Here:
    """Where one asks, and how far."""
    local, east, north = local_plane(lon, lat, radius_m)
    # With a margin, so that `arc_m` takes the short way, too: both give the very same digits.
    short = local and 1.001 * radius_m <= SHORT_DEG * UNIT * min(east, north)
    return (
        lon, lat, cos(radians(lat)), np.int32(round(lon * UNIT)), np.int32(round(lat * UNIT)),
        local, short, np.float32(east), np.float32(north),
    )  # fmt: skip


@inlined
def bound_points(here: Here, hot: Blocks, leaf: np.int64, squared: Floats32) -> None:
    """Lower bounds of the squared distances to a leaf's points."""
    lon, lat, cos_lat, lon_units, lat_units, local, _, east, north = here
    for i in range(LEAF):
        if local:
            # A difference beyond 214° wraps around to one of 69° or more: still far.
            x = np.float32(np.int32(hot[leaf, LON, i] - lon_units)) * east
            y = np.float32(np.int32(hot[leaf, LAT, i] - lat_units)) * north
            squared[i] = x * x + y * y
        else:
            d = arc_m(lon, lat, cos_lat, hot[leaf, LON, i] / UNIT, hot[leaf, LAT, i] / UNIT)
            squared[i] = d * d * (1.0 - SLACK)


@inlined
def bound_boxes(
    here: Here, nodes: Blocks, node: np.int64, children: int, squared: Floats32
) -> None:
    """Lower bounds of the squared distances to the boxes of a node's children."""
    lon, lat, _, lon_units, lat_units, local, _, east, north = here
    if local:
        for c in range(FANOUT):
            west, south = nodes[node, MIN_LON, c], nodes[node, MIN_LAT, c]
            x = np.float32(max(0, west - lon_units, lon_units - nodes[node, MAX_LON, c])) * east
            y = np.float32(max(0, south - lat_units, lat_units - nodes[node, MAX_LAT, c])) * north
            squared[c] = x * x + y * y
    else:
        for c in range(children):
            d = sphere_bound_m(
                lon,
                lat,
                nodes[node, MIN_LON, c] / UNIT,
                nodes[node, MIN_LAT, c] / UNIT,
                nodes[node, MAX_LON, c] / UNIT,
                nodes[node, MAX_LAT, c] / UNIT,
            )
            squared[c] = d * d * (1.0 - SLACK)


@inlined
def arcs(
    here: Here, hot: Blocks, slots: IntArray, n: int, lats: FloatArray, to: FloatArray
) -> None:
    """Exact distances to the points in some slots (leaf x 32 + place in the leaf), metres.

    ``to`` takes them, and ``lats`` is scratch memory: lying side by side, eight short arcs cost
    what one call of a cosine does.
    """
    lon, lat, cos_lat, _, _, _, short, _, _ = here
    for j in range(n):
        leaf, i = slots[j] // LEAF, slots[j] % LEAF
        to[j], lats[j] = hot[leaf, LON, i], hot[leaf, LAT, i]
    if short:
        for j in range(n):
            to[j] = short_arc_m(lon, lat, cos_lat, to[j] / UNIT, lats[j] / UNIT)
    else:
        for j in range(n):
            to[j] = arc_m(lon, lat, cos_lat, to[j] / UNIT, lats[j] / UNIT)


forget_stale(local_plane, "geo.distance", "indexes.columns", "indexes.packing", "indexes.scores")
