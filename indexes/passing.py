"""Lines that pass within a radius of one place, and later of another: compiled.

What lies within a radius is told by great-circle distance, to points rounded to 1e-7 degree:
those that are answered. As in `indexes.search`, whole arrays are passed and indexed.
"""

from math import cos, radians, sqrt

import numpy as np
from numba import njit

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.distance import arc_m, distance_m
from geo.kernels import forget_stale
from geo.lines import nearest_fraction
from indexes.rides import METRES_PER_DEGREE, UNIT, Lines

__all__ = ["circle_row", "passing_lines", "shared_ride"]

compiled = njit(cache=True, nogil=True, error_model="numpy")

# A circle: its centre, the cosine of its latitude, its radius in metres.
LON, LAT, COS_LAT, RADIUS_M = range(4)

# A point of a line: milliseconds from its start, where, the walk to the centre, the piece.
MS, AT_LON, AT_LAT, WALK_M, PIECE = range(5)
POINT_COLUMNS = 5

# Up to 100 km from a centre, and up to 75 degrees north, the plane that touches the Earth
# there is wrong by less than this.
PLANE_SLACK = 1.08
BISECTIONS = 40


def circle_row(lon: float, lat: float, radius_m: float) -> FloatArray:
    """A circle as the kernels want it; degrees, EPSG:4326, and metres."""
    return np.array([lon, lat, cos(radians(lat)), radius_m])


@compiled
def _point(lines: Lines, i: int, f: float, circle: FloatArray, found: FloatArray) -> float:
    """The point of piece i at a fraction, rounded; how far it lies from the centre, metres."""
    lon = lines.points[i, 0] + f * (lines.points[i + 1, 0] - lines.points[i, 0])
    lat = lines.points[i, 1] + f * (lines.points[i + 1, 1] - lines.points[i, 1])
    found[AT_LON], found[AT_LAT] = np.rint(lon) / UNIT, np.rint(lat) / UNIT
    found[MS] = lines.ms[i] + f * (lines.ms[i + 1] - lines.ms[i])
    off_m = arc_m(circle[LON], circle[LAT], circle[COS_LAT], found[AT_LON], found[AT_LAT])
    found[WALK_M] = off_m
    return float(off_m)


@compiled
def _nearest(
    lines: Lines, i: int, low: float, high: float, circle: FloatArray, found: FloatArray
) -> float:
    """The fraction of piece i nearest to the centre, -1 if that is outside; ``found`` its point."""
    east, north = METRES_PER_DEGREE * circle[COS_LAT], METRES_PER_DEGREE
    x1 = (lines.points[i, 0] / UNIT - circle[LON]) * east
    y1 = (lines.points[i, 1] / UNIT - circle[LAT]) * north
    x2 = (lines.points[i + 1, 0] / UNIT - circle[LON]) * east
    y2 = (lines.points[i + 1, 1] / UNIT - circle[LAT]) * north
    f = nearest_fraction(x1, y1, x2, y2, low, high)
    x, y = x1 + f * (x2 - x1), y1 + f * (y2 - y1)
    if sqrt(x * x + y * y) > PLANE_SLACK * circle[RADIUS_M] + 1.0:
        return -1.0
    return f if _point(lines, i, f, circle, found) <= circle[RADIUS_M] else -1.0


@compiled
def _edge(
    lines: Lines, i: int, inside: float, end: float, circle: FloatArray, found: FloatArray
) -> None:
    """The last point within a circle on the way from a fraction inside to an end of piece i."""
    if _point(lines, i, end, circle, found) <= circle[RADIUS_M]:
        return
    outside = end
    for _ in range(BISECTIONS):
        middle = 0.5 * (inside + outside)
        if _point(lines, i, middle, circle, found) <= circle[RADIUS_M]:
            inside = middle
        else:
            outside = middle
    _point(lines, i, inside, circle, found)


@compiled
def shared_ride(
    lines: Lines, line: int, low_ms: float, high_ms: float, departure: FloatArray,
    arrival: FloatArray, found: FloatArray,
) -> float:  # fmt: skip
    """How a rider shares a line: in within a circle and a stretch of time, out within another.

    Of each piece of the line its nearest points count. Of all pairs, the one in time before the
    other, the one of the least walk in all is it, to the millimetre, the first of equals. Where
    circles overlap there may be no such pair, yet a ride: then it is as long as can be.

    Parameters
    ----------
    lines, line
        The lines, and the number of one.
    low_ms, high_ms : float
        Between which milliseconds of the line the rider gets in.
    departure, arrival : ndarray of float64, shape (4,)
        Made by `circle_row`; 100 km at most.
    found : ndarray of float64, shape (2, 5)
        Takes where the rider gets in, and out: `MS`, `AT_LON`, `AT_LAT`, `WALK_M`, `PIECE`.

    Returns
    -------
    float
        Metres along the line from one to the other; -1 if there is no ride.
    """
    here = np.empty((2, POINT_COLUMNS))
    best, late = np.full(POINT_COLUMNS, np.inf), np.full(POINT_COLUMNS, np.inf)
    first_in, last_out = np.full(POINT_COLUMNS, np.inf), np.full(POINT_COLUMNS, -np.inf)
    least = np.inf
    for i in range(lines.first[line], lines.first[line + 1] - 1):
        t1, t2 = lines.ms[i], lines.ms[i + 1]
        here[0, WALK_M] = np.inf
        if t1 <= high_ms and t2 >= low_ms:
            low = max(0.0, (low_ms - t1) / (t2 - t1))
            high = min(1.0, (high_ms - t1) / (t2 - t1))
            f = _nearest(lines, i, low, high, departure, here[0])
            if f < 0.0:
                here[0, WALK_M] = np.inf
            else:
                here[0, PIECE] = i
                if first_in[MS] == np.inf:
                    _edge(lines, i, f, low, departure, first_in)
                    first_in[PIECE] = i
        f = _nearest(lines, i, 0.0, 1.0, arrival, here[1])
        if f >= 0.0:
            here[1, PIECE] = i
            for point in (best, late, here[0]):
                walk = np.rint(1000.0 * (point[WALK_M] + here[1, WALK_M]))
                if walk < least and point[MS] < here[1, MS]:
                    least = walk
                    found[0], found[1] = point, here[1]
            _edge(lines, i, f, 1.0, arrival, last_out)
            last_out[PIECE] = i
        # A point at the end of a piece is at the time at which the next begins: not yet before it.
        if late[WALK_M] < best[WALK_M]:
            best[:] = late
        late[:] = here[0]
    if least == np.inf:
        if not first_in[MS] < last_out[MS]:
            return -1.0
        found[0], found[1] = first_in, last_out
    metres = 0.0
    lon, lat = found[0, AT_LON], found[0, AT_LAT]
    for i in range(int(found[0, PIECE]) + 1, int(found[1, PIECE]) + 1):
        next_lon, next_lat = lines.points[i, 0] / UNIT, lines.points[i, 1] / UNIT
        metres += distance_m(lon, lat, next_lon, next_lat)
        lon, lat = next_lon, next_lat
    return float(metres + distance_m(lon, lat, found[1, AT_LON], found[1, AT_LAT]))


@compiled
def _comes_by(lines: Lines, i: int, circle: FloatArray) -> bool:
    """Whether the box around piece i meets that around a circle; in 1e-7 degrees."""
    reach = (PLANE_SLACK * circle[RADIUS_M] + 1.0) * UNIT / METRES_PER_DEGREE
    lat, lat1, lat2 = circle[LAT] * UNIT, lines.points[i, 1], lines.points[i + 1, 1]
    if min(lat1, lat2) > lat + reach or max(lat1, lat2) < lat - reach:
        return False
    wide = reach / max(circle[COS_LAT], 1e-6)
    lon, lon1, lon2 = circle[LON] * UNIT, lines.points[i, 0], lines.points[i + 1, 0]
    return bool(min(lon1, lon2) <= lon + wide and max(lon1, lon2) >= lon - wide)


@compiled
def passing_lines(
    lines: Lines, which: IntArray, departure: FloatArray, arrival: FloatArray
) -> BoolArray:
    """Which of some lines may pass one circle and then another: all that do, and some others.

    Parameters
    ----------
    lines : Lines
        The lines.
    which : ndarray of int64, shape (m,)
        Numbers of those looked at.
    departure, arrival : ndarray of float64, shape (4,)
        Made by `circle_row`.

    Returns
    -------
    ndarray of bool, shape (lines,)
    """
    found = np.zeros(len(lines.first) - 1, np.bool_)
    for line in which:
        begin, end = lines.first[line], lines.first[line + 1] - 1
        while begin < end and not _comes_by(lines, begin, departure):
            begin += 1
        while begin < end and not _comes_by(lines, end - 1, arrival):
            end -= 1
        found[line] = begin < end
    return found


forget_stale(passing_lines, "geo.distance", "geo.lines", "indexes.rides")
