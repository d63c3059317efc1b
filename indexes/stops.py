"""Where one line serves the places of a rider, each time that it passes by: compiled, exact."""

from math import sqrt

import numpy as np

from geo.arrays import FloatArray
from geo.distance import arc_m
from geo.kernels import forget_stale
from geo.lines import extra_m, nearest_fraction
from indexes.rides import (
    AT_S,
    COS_LAT,
    DETOUR,
    ELSEWHERE_MIN,
    FIRST_PIECE,
    FRACTION,
    LAST_PIECE,
    LAT,
    LEAST_DETOUR,
    LEAST_MS,
    LON,
    MAX_PASSES,
    METRES_PER_DEGREE,
    NEAR_M,
    OFF,
    ON_LINE,
    OPT_LAT,
    OPT_LON,
    ORDER,
    PIECE,
    PLACE,
    REACH_M,
    UNIT,
    WALK,
    WALK_M,
    WALK_MIN,
    Ints,
    Lines,
    Whole,
    compiled,
    plane_error,
)

__all__ = ["options_of", "reckon", "settle"]


@compiled
def options_of(
    lines: Lines, line: Whole, begin: Whole, end: Whole, low_ms: float, high_ms: float,
    places: FloatArray, first_place: Whole, last_place: Whole, detour_s_per_m: float,
    options: FloatArray,
) -> int:  # fmt: skip
    """Where the pieces ``begin`` to ``end - 1`` of a line serve some places; how many options.

    Each time that the line passes by a place, while within reach and inside the window, it is
    an option once. Of the line itself that is the nearest point. Of a meeting point only the
    stretch is told, and the least detour that it can cost: most are never asked more
    (`settle`).
    """
    origin, points = lines.first[line], lines.points
    count = 0
    for place in range(first_place, last_place):
        lon, lat, cos_lat = places[place, LON], places[place, LAT], places[place, COS_LAT]
        reach, on_line = places[place, REACH_M], places[place, ON_LINE] != 0.0
        # On the plane that touches here, metres: it tells what is surely out, or surely farther.
        north = METRES_PER_DEGREE / UNIT
        east = north * cos_lat
        lon_units, lat_units = lon * UNIT, lat * UNIT
        out, inside = OFF * reach + 1.0, max(0.0, reach / OFF - 1.0)
        passes, is_open, least, nearest = 0, False, np.inf, np.inf
        i = origin + begin
        x2, y2 = (points[i, 0] - lon_units) * east, (points[i, 1] - lat_units) * north
        t2 = points[i, 2] * 1.0
        for piece in range(begin, end):
            i = origin + piece + 1
            x1, y1, t1 = x2, y2, t2
            x2, y2 = (points[i, 0] - lon_units) * east, (points[i, 1] - lat_units) * north
            t2 = points[i, 2] * 1.0
            if t2 < low_ms or t1 > high_ms:
                is_open = False
                continue
            if min(abs(x1), abs(x2)) > out and x1 * x2 > 0.0:  # all of it east of here, or west
                is_open = False
                continue
            if min(abs(y1), abs(y2)) > out and y1 * y2 > 0.0:
                is_open = False
                continue
            low = 0.0 if low_ms <= t1 else (low_ms - t1) / (t2 - t1)
            high = 1.0 if high_ms >= t2 else (high_ms - t1) / (t2 - t1)
            f = nearest_fraction(x1, y1, x2, y2, low, high)
            x, y = x1 + f * (x2 - x1), y1 + f * (y2 - y1)
            off2 = x * x + y * y
            if off2 > out * out or (
                off2 > inside * inside and _off_m(points, i, f, lon, lat, cos_lat) > reach
            ):
                is_open = False
                continue
            if not is_open:
                if passes == MAX_PASSES:
                    break
                passes += 1
                count += 1
                is_open, least, nearest = True, np.inf, np.inf
                options[count - 1, FIRST_PIECE] = piece
            at = count - 1
            options[at, LAST_PIECE] = piece
            if on_line:
                if off2 > OFF * OFF * nearest + 1.0:
                    continue
                nearest = min(nearest, off2)
                walk = _off_m(points, i, f, lon, lat, cos_lat)
                key = np.rint(1000.0 * walk)
                if key < least:
                    least = key
                    options[at, PLACE], options[at, WALK] = place, walk
                    options[at, DETOUR] = options[at, LEAST_DETOUR] = 0.0
                    _take(points, i, piece, f, options[at])
                    options[at, OPT_LON] = points[i - 1, 0] / UNIT
                    options[at, OPT_LON] += f * (points[i, 0] - points[i - 1, 0]) / UNIT
                    options[at, OPT_LAT] = points[i - 1, 1] / UNIT
                    options[at, OPT_LAT] += f * (points[i, 1] - points[i - 1, 1]) / UNIT
            else:
                extra = _least_extra_m(x1, y1, x2, y2, cos_lat)
                if extra < least:
                    least = extra
                    options[at, PLACE], options[at, WALK] = place, places[place, WALK_M]
                    options[at, DETOUR] = np.nan
                    options[at, LEAST_DETOUR] = detour_s_per_m * max(0.0, extra)
                    options[at, PIECE] = piece
                    options[at, OPT_LON], options[at, OPT_LAT] = lon, lat
    return count


@compiled
def _least_extra_m(x1: float, y1: float, x2: float, y2: float, cos_lat: float) -> float:
    """The least that it can add to go by a place, by the plane around that; may be below 0."""
    if max(abs(x1), abs(y1), abs(x2), abs(y2)) > NEAR_M:
        return -np.inf
    off = 1.0 + plane_error(cos_lat)
    there, back = sqrt(x1 * x1 + y1 * y1), sqrt(x2 * x2 + y2 * y2)
    return (there + back) / off - off * sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2) - 0.1


@compiled
def _take(points: Ints, i: Whole, piece: Whole, f: float, option: FloatArray) -> None:
    t1, t2 = points[i - 1, 2], points[i, 2]
    option[AT_S], option[PIECE], option[FRACTION] = (t1 + f * (t2 - t1)) / 1000.0, piece, f


@compiled
def settle(
    lines: Lines, line: Whole, low_ms: float, high_ms: float, places: FloatArray,
    detour_s_per_m: float, option: FloatArray,
) -> None:  # fmt: skip
    """Of a passing by a meeting point, where the detour is least to the millisecond; the first."""
    origin, points = lines.first[line], lines.points
    place = np.int64(option[PLACE])
    lon, lat, cos_lat = places[place, LON], places[place, LAT], places[place, COS_LAT]
    north = METRES_PER_DEGREE / UNIT
    east = north * cos_lat
    likely = np.int64(option[PIECE])
    first, last = np.int64(option[FIRST_PIECE]), np.int64(option[LAST_PIECE])
    best: Whole = likely
    least = np.inf
    for k in range(first - 1, last + 1):  # the likely one before all others
        piece = likely if k < first else k
        if k == likely:
            continue
        i = origin + piece + 1
        x1, y1 = (points[i - 1, 0] - lon * UNIT) * east, (points[i - 1, 1] - lat * UNIT) * north
        x2, y2 = (points[i, 0] - lon * UNIT) * east, (points[i, 1] - lat * UNIT) * north
        if 1000.0 * detour_s_per_m * _least_extra_m(x1, y1, x2, y2, cos_lat) > least + 1.0:
            continue
        extra = extra_m(
            points[i - 1, 0] / UNIT, points[i - 1, 1] / UNIT,
            points[i, 0] / UNIT, points[i, 1] / UNIT, lon, lat,
        )  # fmt: skip
        detour = detour_s_per_m * extra
        key = np.rint(1000.0 * detour)
        if key < least or (key == least and piece < best):
            least, best = key, piece
            # Of a stop on the line itself rounding makes a little more than nothing, or none.
            option[DETOUR] = detour if key > 0.0 else 0.0
            t1, t2 = points[i - 1, 2] * 1.0, points[i, 2] * 1.0
            low = 0.0 if low_ms <= t1 else (low_ms - t1) / (t2 - t1)
            high = 1.0 if high_ms >= t2 else (high_ms - t1) / (t2 - t1)
            _take(points, i, piece, nearest_fraction(x1, y1, x2, y2, low, high), option)


@compiled
def _off_m(points: Ints, i: Whole, f: float, lon: float, lat: float, cos_lat: float) -> float:
    """How far a place is from a point of the piece that ends at point ``i``."""
    lon1, lat1 = points[i - 1, 0] / UNIT, points[i - 1, 1] / UNIT
    at_lon = lon1 + f * (points[i, 0] / UNIT - lon1)
    at_lat = lat1 + f * (points[i, 1] / UNIT - lat1)
    return arc_m(lon, lat, cos_lat, at_lon, at_lat)


@compiled
def reckon(
    options: FloatArray, count: int, ask: FloatArray, places: FloatArray, share: float
) -> None:
    """What options cost at least, and their order by that."""
    for i in range(count):
        on_foot = ask[WALK_MIN] * options[i, WALK]
        on_foot += ask[ELSEWHERE_MIN] * places[np.int64(options[i, PLACE]), ON_LINE]
        options[i, LEAST_MS] = 60_000.0 * on_foot + 1000.0 * share * options[i, LEAST_DETOUR]
        at = i
        while at > 0 and options[np.int64(options[at - 1, ORDER]), LEAST_MS] > options[i, LEAST_MS]:
            options[at, ORDER] = options[at - 1, ORDER]
            at -= 1
        options[at, ORDER] = i


forget_stale(options_of, "geo.distance", "geo.lines", "indexes.rides")
forget_stale(settle, "geo.distance", "geo.lines", "indexes.rides")
