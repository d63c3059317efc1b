"""How one rider joins one driver's line, at least effort: compiled, and exact.

A rider may get in, and out, at some *places*: any point of the line within a walk, and public
meeting points that lie within reach of the line. `matching.trips` says in words what is
decided here, and hands in what a minute is worth.

As in `indexes.search`, whole arrays are passed and indexed.
"""

from math import cos, hypot, radians, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.arrays import FloatArray, IntArray
from geo.distance import EARTH_RADIUS_M, arc_m, distance_m
from geo.kernels import forget_stale
from geo.lines import extra_m, nearest_fraction

__all__ = ["Lines", "Runs", "join", "place_row"]

Ints = npt.NDArray[np.int32]
Whole = int | np.int64

compiled = njit(cache=True, nogil=True, error_model="numpy")

UNIT = 1e7  # coordinates are whole 1e-7 degrees
METRES_PER_DEGREE = radians(1.0) * EARTH_RADIUS_M
# Within some kilometres the plane that touches the Earth at a place errs by less than this.
OFF = 1.02
STEP_M, SHORT_M = 20.0, 250.0
MAX_PASSES = 32  # of a line by one place that count, the first ones


class Lines(NamedTuple):
    """Lines one after another: line i has the points ``first[i]`` to ``first[i + 1] - 1``.

    ``points`` (n, 3) are longitude and latitude in 1e-7 degrees, and milliseconds from the
    line's first point, rising: side by side, since a search reads few points of many lines.
    ``ms`` is that third column.
    """

    first: IntArray
    points: Ints
    ms: Ints


class Runs(NamedTuple):
    """One row for each line and time of day: `LINE` and the other columns of ``rows``.

    ``booked``, float64 (m, 4), are the rides already confirmed: seconds along the line from
    which and to which, the seats, and the delay that may still be put on them, seconds.
    """

    rows: Ints
    booked: FloatArray


# Columns of a run. Its time is of the line's start, or of its end if LEAD_MS is the line's whole
# duration; on DATED runs it is elapsed since midnight, on others it is the clock's.
LINE, SECOND, LEAD_MS, FLEX_BEFORE, FLEX_AFTER, DATED = range(6)
DAY_MASK, FIRST_DAY, LAST_DAY, SEVERAL, SEATS, BUDGET_MS = range(6, 12)
BUILDING, LEVEL, FIRST_BOOKED, BOOKED = range(12, 16)
RUN_COLUMNS = 16

# A place: where, and the walk to it; any point of a line within REACH_M of it if ON_LINE, else
# the place itself, to which a line comes from as far as that.
LON, LAT, COS_LAT, WALK_M, REACH_M, ON_LINE = range(6)
PLACE_COLUMNS = 6

# A question. Seconds count from midnight of the service day; from EDGE_S on the clock is
# SHIFT_S off the time that has passed since then.
EARLIEST, LATEST, ASKED, BY_ARRIVAL, EDGE_S, SHIFT_S, SEATS_NEEDED, MAX_WALKS_M = range(8)
OWN_BUILDING, WALK_MIN, DETOUR_S, ELSEWHERE_MIN, SAME_BUILDING_MIN, LEVEL_MIN = range(8, 14)
UNMATCHED_MIN, PICKUPS = range(14, 16)
ASK_SIZE = 16

# An option: where a place is served, of all times that the line passes by.
PLACE, AT_S, DETOUR, WALK, PIECE, OPT_LON, OPT_LAT, FRACTION = range(8)
OPTION_COLUMNS = 8

# What is found: the run, its cost in 1e-6 minutes, pick-up and drop-off in seconds from the line's
# start, detours included; the detour, the shift, and when the line starts as planned, all
# seconds. Then of pick-up and drop-off each the place, the point, the walk, the piece of the
# line and how far along it, and the second of the line there, without detours.
RUN, COST, PICKUP_S, DROPOFF_S, DETOUR_IN_ALL_S, SHIFT, START_S = range(7)
PICKUP, DROPOFF = 7, 14  # each begins seven columns:
F_PLACE, F_LON, F_LAT, F_WALK, F_PIECE, F_FRACTION, F_LINE_S = range(7)
FOUND_COLUMNS = 21


def place_row(
    lon: float, lat: float, reach_m: float, walk_m: float, on_line: bool
) -> tuple[float, float, float, float, float, float]:
    """A row of places."""
    return lon, lat, cos(radians(lat)), walk_m, reach_m, float(on_line)


@compiled
def start_ms(runs: Runs, run: Whole, ask: FloatArray) -> float:
    """When the line begins as planned, milliseconds from midnight of the service day."""
    rows = runs.rows
    second = rows[run, SECOND] * 1.0
    if rows[run, DATED] == 0 and second >= ask[EDGE_S]:
        second += ask[SHIFT_S]
    return float(second * 1000.0 - rows[run, LEAD_MS])


@compiled
def window_ms(runs: Runs, run: Whole, ask: FloatArray) -> tuple[float, float]:
    """The window asked for, widened by the driver's flex, milliseconds from the line's start."""
    begin_ms = start_ms(runs, run, ask)
    return (
        ask[EARLIEST] * 1000.0 - runs.rows[run, FLEX_AFTER] * 1000.0 - begin_ms,
        ask[LATEST] * 1000.0 + runs.rows[run, FLEX_BEFORE] * 1000.0 - begin_ms,
    )


@compiled
def _options(
    lines: Lines, line: Whole, begin: Whole, end: Whole, low_ms: float, high_ms: float,
    places: FloatArray, first_place: Whole, last_place: Whole, detour_s_per_m: float,
    options: FloatArray,
) -> int:  # fmt: skip
    """Where the pieces ``begin`` to ``end - 1`` of a line serve some places; how many options.

    Each time that the line passes by a place, while within reach and inside the window, it is
    an option once: at the point that is nearest, or where the detour is least.
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
            if on_line:
                if off2 > OFF * OFF * nearest + 1.0:
                    continue
                nearest = min(nearest, off2)
                key = _off_m(points, i, f, lon, lat, cos_lat)
            else:
                # There and back, less the whole piece, is the least that it can add.
                shortcut = OFF * hypot(x2 - x1, y2 - y1) + 1.0
                if 2.0 * (sqrt(off2) / OFF - 1.0) - shortcut > least:
                    continue
                key = extra_m(
                    points[i - 1, 0] / UNIT, points[i - 1, 1] / UNIT,
                    points[i, 0] / UNIT, points[i, 1] / UNIT, lon, lat,
                )  # fmt: skip
            if key < least:
                least = key
                at = count - 1
                lon1, lat1 = points[i - 1, 0] / UNIT, points[i - 1, 1] / UNIT
                options[at, PLACE] = place
                options[at, AT_S] = (t1 + f * (t2 - t1)) / 1000.0
                options[at, DETOUR] = 0.0 if on_line else detour_s_per_m * key
                options[at, WALK] = key if on_line else places[place, WALK_M]
                options[at, PIECE] = piece
                options[at, OPT_LON] = lon1 + f * (points[i, 0] / UNIT - lon1) if on_line else lon
                options[at, OPT_LAT] = lat1 + f * (points[i, 1] / UNIT - lat1) if on_line else lat
                options[at, FRACTION] = f
    return count


@compiled
def _off_m(points: Ints, i: Whole, f: float, lon: float, lat: float, cos_lat: float) -> float:
    """How far a place is from a point of the piece that ends at point ``i``."""
    lon1, lat1 = points[i - 1, 0] / UNIT, points[i - 1, 1] / UNIT
    at_lon = lon1 + f * (points[i, 0] / UNIT - lon1)
    at_lat = lat1 + f * (points[i, 1] / UNIT - lat1)
    return arc_m(lon, lat, cos_lat, at_lon, at_lat)


@compiled
def minutes_by_distance(
    ask: FloatArray, places: FloatArray, first_place: Whole, last_place: Whole
) -> FloatArray:
    """What a stop costs at least, walk and detour, by how far the line is from the rider's end.

    Row 0 is for pieces up to `SHORT_M` long, row 1 for any; a column is `STEP_M`. The first
    place is the end itself. A meeting point is at least as far from the line as the end is,
    less the walk to it; and x metres off a piece of L metres, a detour is
    2 √(L²/4 + x²) - L at least.
    """
    farthest = 0.0
    for p in range(first_place, last_place):
        farthest = max(farthest, places[p, REACH_M] + places[p, WALK_M])
    found = np.full((2, int(farthest / STEP_M) + 2), np.inf)
    for step in range(found.shape[1]):
        off = step * STEP_M
        if off <= places[first_place, REACH_M]:
            found[:, step] = ask[WALK_MIN] * off + ask[ELSEWHERE_MIN]
        for p in range(first_place + 1, last_place):
            x = max(0.0, off - places[p, WALK_M])
            if x > places[p, REACH_M]:
                continue
            extra = 2.0 * sqrt(SHORT_M * SHORT_M / 4.0 + x * x) - SHORT_M
            walk = ask[WALK_MIN] * places[p, WALK_M]
            found[0, step] = min(found[0, step], walk + ask[DETOUR_S] * extra / 60.0)
            found[1, step] = min(found[1, step], walk)
    return found


@compiled
def least_minutes(
    lines: Lines, runs: Runs, run: Whole, begin: Whole, end: Whole, ask: FloatArray,
    places: FloatArray, boards: bool, minutes: FloatArray,
) -> float:  # fmt: skip
    """A lower bound of what a stop on some pieces costs, and of the ride from or to it, minutes.

    The ride is counted from the line's start: less the later one boards, more the later one
    alights. ``minutes`` is what `minutes_by_distance` made of this end. At the end with the
    window the shift counts too.
    """
    line = runs.rows[run, LINE]
    place = 0 if boards else int(ask[PICKUPS])
    timed = boards == (ask[BY_ARRIVAL] == 0.0)
    low_ms, high_ms = window_ms(runs, run, ask)
    asked_ms = ask[ASKED] * 1000.0 - start_ms(runs, run, ask)
    points, first = lines.points, lines.first[line]
    lon, lat = places[place, LON] * UNIT, places[place, LAT] * UNIT
    north = METRES_PER_DEGREE / UNIT
    east = north * places[place, COS_LAT]
    x2, y2 = (points[first + begin, 0] - lon) * east, (points[first + begin, 1] - lat) * north
    least = np.inf
    for i in range(first + begin + 1, first + end + 1):
        x1, y1 = x2, y2
        x2, y2 = (points[i, 0] - lon) * east, (points[i, 1] - lat) * north
        shift_ms = 0.0
        if timed:
            if points[i, 2] < low_ms or points[i - 1, 2] > high_ms:
                continue
            shift_ms = max(0.0, points[i - 1, 2] - asked_ms, asked_ms - points[i, 2])
        f = nearest_fraction(x1, y1, x2, y2, 0.0, 1.0)
        x, y = x1 + f * (x2 - x1), y1 + f * (y2 - y1)
        step = int(max(0.0, sqrt(x * x + y * y) / OFF - 1.0) / STEP_M)
        if step >= minutes.shape[1]:
            continue
        is_short = (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1) < (SHORT_M / OFF - 1.0) ** 2
        stop = minutes[0 if is_short else 1, step]
        ride_ms = -points[i, 2] if boards else points[i - 1, 2]
        least = min(least, stop + (ride_ms + shift_ms) / 60_000.0)
    return least


@compiled
def _detour_s(
    lines: Lines, line: Whole, a: FloatArray, i: int, b: FloatArray, j: int, places: FloatArray,
    detour_s_per_m: float,
) -> float:  # fmt: skip
    """The detour of a pick-up and a drop-off; on one piece they are driven one after the other."""
    if a[i, PIECE] != b[j, PIECE] or a[i, DETOUR] + b[j, DETOUR] == 0.0:
        return float(a[i, DETOUR] + b[j, DETOUR])
    at = lines.first[line] + np.int64(a[i, PIECE])
    lon1, lat1 = lines.points[at, 0] / UNIT, lines.points[at, 1] / UNIT
    lon2, lat2 = lines.points[at + 1, 0] / UNIT, lines.points[at + 1, 1] / UNIT
    driven = distance_m(lon1, lat1, a[i, OPT_LON], a[i, OPT_LAT])
    driven += distance_m(a[i, OPT_LON], a[i, OPT_LAT], b[j, OPT_LON], b[j, OPT_LAT])
    driven += distance_m(b[j, OPT_LON], b[j, OPT_LAT], lon2, lat2)
    return float(detour_s_per_m * max(0.0, driven - distance_m(lon1, lat1, lon2, lat2)))


@compiled
def _has_room(
    runs: Runs, run: Whole, pickup_s: float, dropoff_s: float, detours: tuple[float, float],
    seats: float,
) -> bool:  # fmt: skip
    """Whether seats are free on every leg, and nobody who has booked comes too late for it."""
    rows, booked = runs.rows, runs.booked
    if rows[run, SEATS] < seats:
        return False
    first = rows[run, FIRST_BOOKED]
    last = first + rows[run, BOOKED]
    for i in range(first, last):
        delay = 0.0
        if pickup_s < booked[i, 1]:
            delay += detours[0]
        if dropoff_s < booked[i, 1]:
            delay += detours[1]
        if delay > booked[i, 3]:
            return False
    # The car is fullest when somebody gets in: the rider, or one who does so on the way.
    for i in range(first - 1, last):
        instant = pickup_s if i < first else booked[i, 0]
        if instant < pickup_s or instant >= dropoff_s:
            continue
        taken = seats
        for j in range(first, last):
            if booked[j, 0] <= instant and instant < booked[j, 1]:
                taken += booked[j, 2]
        if taken > rows[run, SEATS]:
            return False
    return True


@compiled
def join(
    lines: Lines, runs: Runs, run: Whole, pieces: tuple[Whole, Whole, Whole, Whole],
    ask: FloatArray, days: IntArray, places: FloatArray, options: FloatArray, found: FloatArray,
) -> bool:  # fmt: skip
    """Whether a rider can join a run, and how with the least effort.

    Parameters
    ----------
    pieces : tuple of int
        From which piece of the line to which (excluded) a pick-up can lie, then a drop-off; a
        superset of what is within reach.
    ask, days, places
        The question: `EARLIEST` and so on; service days; rows of places, `PICKUPS` of them
        for the pick-up, the rest for the drop-off.
    options : ndarray of float64, shape (2, MAX_PASSES * len(places), 8)
        Scratch.
    found : ndarray of float64, shape (21,)
        Takes the answer.
    """
    rows = runs.rows
    matched = 0
    for i in range(len(days)):
        day = days[i]
        if rows[run, FIRST_DAY] <= day and day <= rows[run, LAST_DAY]:
            matched += (rows[run, DAY_MASK] >> ((day + 3) % 7)) & 1
    if matched == 0 or rows[run, SEATS] < ask[SEATS_NEEDED]:
        return False
    line = rows[run, LINE]
    begin_ms = start_ms(runs, run, ask)
    low_ms, high_ms = window_ms(runs, run, ask)
    by_arrival = ask[BY_ARRIVAL] != 0.0
    split = int(ask[PICKUPS])
    ups, downs = options[0], options[1]
    n = _options(
        lines, line, pieces[0], pieces[1],
        -np.inf if by_arrival else low_ms, np.inf if by_arrival else high_ms,
        places, 0, split, ask[DETOUR_S], ups,
    )  # fmt: skip
    if n == 0:
        return False
    m = _options(
        lines, line, pieces[2], pieces[3],
        low_ms if by_arrival else -np.inf, high_ms if by_arrival else np.inf,
        places, split, len(places), ask[DETOUR_S], downs,
    )  # fmt: skip
    least, shortest = np.inf, np.inf
    for i in range(n):
        for j in range(m):
            if downs[j, AT_S] <= ups[i, AT_S]:
                continue
            walks = ups[i, WALK] + downs[j, WALK]
            if walks > ask[MAX_WALKS_M]:
                continue
            elsewhere = places[np.int64(ups[i, PLACE]), ON_LINE]
            elsewhere += places[np.int64(downs[j, PLACE]), ON_LINE]
            on_foot = ask[WALK_MIN] * walks + ask[ELSEWHERE_MIN] * elsewhere
            if np.rint(60_000.0 * on_foot) > least:
                continue
            up, down = ups[i, DETOUR], downs[j, DETOUR]
            detour = _detour_s(lines, line, ups, i, downs, j, places, ask[DETOUR_S])
            if detour * 1000.0 > rows[run, BUDGET_MS]:
                continue
            off_line = (up > 0.0) + (down > 0.0)
            # What is driven more is shared out evenly before, between and after its stops.
            if ups[i, PIECE] == downs[j, PIECE]:
                share = detour / (off_line + 1)
                pickup_s = ups[i, AT_S] + (share if up > 0.0 else 0.0)
                dropoff_s = downs[j, AT_S] + share * (2 if up > 0.0 else off_line)
                before = detour if up > 0.0 else 0.0
                detours = (before, detour - before)
            else:
                pickup_s = ups[i, AT_S] + up / 2.0
                dropoff_s = downs[j, AT_S] + up + down / 2.0
                detours = (up, down)
            served_ms = (dropoff_s if by_arrival else pickup_s) * 1000.0
            if served_ms < low_ms - 0.5 or served_ms > high_ms + 0.5:
                continue
            effort = np.rint(60_000.0 * on_foot + 1000.0 * detour)
            ride = np.rint(1000.0 * (dropoff_s - pickup_s))
            if effort > least or (effort == least and ride >= shortest):
                continue
            if not _has_room(runs, run, ups[i, AT_S], downs[j, AT_S], detours, ask[SEATS_NEEDED]):
                continue
            least, shortest = effort, ride
            planned_s = downs[j, AT_S] if by_arrival else ups[i, AT_S]
            shift = abs(begin_ms / 1000.0 + planned_s - ask[ASKED])
            unmatched = 0.0 if rows[run, SEVERAL] else len(days) - matched * 1.0
            cost = (dropoff_s - pickup_s + shift + detour) / 60.0 + on_foot
            cost += ask[UNMATCHED_MIN] * unmatched - ask[LEVEL_MIN] * rows[run, LEVEL]
            if rows[run, BUILDING] >= 0 and rows[run, BUILDING] == ask[OWN_BUILDING]:
                cost -= ask[SAME_BUILDING_MIN]
            found[RUN], found[COST] = run, np.rint(cost * 1e6)
            found[PICKUP_S], found[DROPOFF_S] = pickup_s, dropoff_s
            found[DETOUR_IN_ALL_S], found[SHIFT], found[START_S] = detour, shift, begin_ms / 1000.0
            _tell(ups, i, found, PICKUP)
            _tell(downs, j, found, DROPOFF)
    return least < np.inf


@compiled
def _tell(options: FloatArray, i: int, found: FloatArray, at: int) -> None:
    found[at + F_PLACE], found[at + F_WALK] = options[i, PLACE], options[i, WALK]
    found[at + F_LON], found[at + F_LAT] = options[i, OPT_LON], options[i, OPT_LAT]
    found[at + F_PIECE], found[at + F_FRACTION] = options[i, PIECE], options[i, FRACTION]
    found[at + F_LINE_S] = options[i, AT_S]


@compiled
def between_m(lines: Lines, line: Whole, found: FloatArray) -> float:
    """How long the line is between a pick-up and a drop-off that were found, metres."""
    first = lines.first[line]
    up, down = np.int64(found[PICKUP + F_PIECE]), np.int64(found[DROPOFF + F_PIECE])
    along = 0.0
    for piece in range(up, down + 1):
        a, b = lines.points[first + piece], lines.points[first + piece + 1]
        metres = distance_m(a[0] / UNIT, a[1] / UNIT, b[0] / UNIT, b[1] / UNIT)
        part = found[DROPOFF + F_FRACTION] if piece == down else 1.0
        part -= found[PICKUP + F_FRACTION] if piece == up else 0.0
        along += part * metres
    return along


@compiled
def scan(
    lines: Lines, runs: Runs, ask: FloatArray, days: IntArray, places: FloatArray,
    which: IntArray,
) -> FloatArray:  # fmt: skip
    """Join some runs, one by one: a row of `FOUND_COLUMNS` for each that a rider can join."""
    options = np.empty((2, MAX_PASSES * len(places), OPTION_COLUMNS))
    found = np.empty((len(which), FOUND_COLUMNS))
    count = 0
    for i in range(len(which)):
        line = runs.rows[which[i], LINE]
        pieces = lines.first[line + 1] - lines.first[line] - 1
        if join(
            lines, runs, which[i], (0, pieces, 0, pieces), ask, days, places, options, found[count]
        ):
            count += 1
    return found[:count]


forget_stale(scan, "geo.distance", "geo.lines")
