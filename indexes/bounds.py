"""What joining a run costs at least, told from its line alone: compiled, a fraction of a join.

Around each end of a question lies a table of squares: what a stop at a meeting point costs at
least, walk and detour, if the middle of a short piece of the line lies in that square. With the
walk to the line itself, and the ride between two pieces, that bounds the cost of a join from
below (`indexes.joining`).
"""

from math import sqrt

import numpy as np

from geo.arrays import FloatArray
from geo.kernels import forget_stale
from indexes.rides import (
    ASKED,
    BY_ARRIVAL,
    COS_LAT,
    DETOUR_S,
    ELSEWHERE_MIN,
    LAT,
    LINE,
    LON,
    METRES_PER_DEGREE,
    OFF,
    REACH_M,
    UNIT,
    WALK_M,
    WALK_MIN,
    Lines,
    Runs,
    Whole,
    compiled,
    start_ms,
    window_ms,
)

__all__ = ["around", "going_on", "least_minutes"]

SQUARES = 40  # of a table, along a side
SHORT_M = 400.0  # the longest piece that a table tells of
# What is driven more counts once as detour and half as ride: half of it is driven aboard.
ABOARD = 1.5
# On one piece both stops are driven one after the other: what that adds is ridden to a third.
TOGETHER = 4.0 / 3.0

# An end: longitude and latitude in 1e-7 degrees, metres to one of these east and north; beyond
# which metres no stop is, and how far one walks, both with slack; squares of the table a metre;
# the minutes of the least walk to a meeting point, and of a metre out of the way.
E_LON, E_LAT, EAST, NORTH, FAR_M, REACH_PLANE_M, SCALE, LEAST_WALK, METRE = range(9)


@compiled
def around(
    ask: FloatArray, places: FloatArray, first_place: Whole, last_place: Whole
) -> tuple[FloatArray, FloatArray]:
    """What is known of an end: its numbers, and the table of its meeting points.

    The first of some places is the end itself, the others are meeting points that a rider walks
    to from there. Without any the table is empty.
    """
    lon, lat = places[first_place, LON], places[first_place, LAT]
    north = METRES_PER_DEGREE
    east = north * places[first_place, COS_LAT]
    reach = OFF * places[first_place, REACH_M] + 1.0
    end = np.array(
        [
            lon * UNIT, lat * UNIT, east / UNIT, north / UNIT, reach, reach, 0.0, np.inf,
            ABOARD * ask[DETOUR_S] / 60.0,
        ]
    )  # fmt: skip
    for p in range(first_place + 1, last_place):
        far = max(abs(places[p, LON] - lon) * east, abs(places[p, LAT] - lat) * north)
        end[FAR_M] = max(end[FAR_M], OFF * (far + places[p, REACH_M]) + SHORT_M)
        end[LEAST_WALK] = min(end[LEAST_WALK], ask[WALK_MIN] * places[p, WALK_M])
    sides = SQUARES if last_place > first_place + 1 else 0
    table = np.full((sides, sides), np.inf)
    square = 2.0 * end[FAR_M] / SQUARES
    end[SCALE] = 1.0 / square
    corner = square * sqrt(0.5)
    for p in range(first_place + 1, last_place):
        px, py = (places[p, LON] - lon) * east, (places[p, LAT] - lat) * north
        walk = ask[WALK_MIN] * places[p, WALK_M]
        farthest = OFF * places[p, REACH_M] + corner + SHORT_M / 2.0 + 1.0
        for row in range(sides):
            y = (row + 0.5) * square - end[FAR_M] - py
            for column in range(sides):
                x = (column + 0.5) * square - end[FAR_M] - px
                off = sqrt(x * x + y * y)
                if off < farthest:
                    # There and back is no less than twice the way from the middle of a piece.
                    minutes = walk + end[METRE] * 2.0 * max(0.0, off - corner) / OFF
                    table[row, column] = min(table[row, column], minutes)
    return end, table


@compiled
def _metres(lines: Lines, i: Whole, end: FloatArray) -> tuple[float, float]:
    """Where a point lies from an end, eastwards and northwards."""
    points = lines.points
    return (points[i, 0] - end[E_LON]) * end[EAST], (points[i, 1] - end[E_LAT]) * end[NORTH]


@compiled
def _is_beyond(x1: float, x2: float, far: float) -> bool:
    return min(abs(x1), abs(x2)) > far and x1 * x2 > 0.0


@compiled
def going_on(lines: Lines, line: Whole, piece: Whole, step: int, end: FloatArray) -> Whole:
    """The last piece of a line from one on, by steps of 1 or -1, before it is far from an end."""
    first, last = lines.first[line], lines.first[line + 1] - 2
    while first <= first + piece + step <= last:
        i = first + piece + step
        x1, y1 = _metres(lines, i, end)
        x2, y2 = _metres(lines, i + 1, end)
        if _is_beyond(x1, x2, end[FAR_M]) or _is_beyond(y1, y2, end[FAR_M]):
            break
        piece += step
    return piece


@compiled
def _stop(
    x1: float, y1: float, x2: float, y2: float, ask: FloatArray, end: FloatArray,
    table: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """The least minutes that a stop on a piece, metres from an end, costs; those of its walk."""
    far = end[FAR_M]
    if _is_beyond(x1, x2, far) or _is_beyond(y1, y2, far):
        return np.inf, np.inf
    dx, dy = x2 - x1, y2 - y1
    squared = dx * dx + dy * dy
    length = sqrt(squared)
    stop = walk = end[LEAST_WALK]
    x, y = x1 + 0.5 * dx, y1 + 0.5 * dy
    if len(table) > 0 and length <= SHORT_M:
        column, row = int((x + far) * end[SCALE]), int((y + far) * end[SCALE])
        if min(column, row) < 0 or max(column, row) >= SQUARES:
            return np.inf, np.inf
        stop = max(stop, table[row, column] - end[METRE] * (OFF * length + 2.0))
        if stop == np.inf:
            walk = np.inf
    most = end[REACH_PLANE_M] + 0.5 * length
    if x * x + y * y > most * most:
        return stop, walk
    f = 0.0 if squared == 0.0 else min(max(-(x1 * dx + y1 * dy) / squared, 0.0), 1.0)
    x, y = x1 + f * dx, y1 + f * dy
    off = sqrt(x * x + y * y)
    if off <= end[REACH_PLANE_M]:
        here = ask[WALK_MIN] * max(0.0, off / OFF - 1.0) + ask[ELSEWHERE_MIN]
        stop, walk = min(stop, here), min(walk, here)
    return stop, walk


@compiled
def _late_ms(
    begin_ms: float, end_ms: float, low_ms: float, high_ms: float, asked_ms: float
) -> float:
    """How far a piece is from the time asked for at least; infinite outside the window."""
    if end_ms < low_ms or begin_ms > high_ms:
        return np.inf
    return max(0.0, begin_ms - asked_ms, asked_ms - end_ms)


@compiled
def least_minutes(
    lines: Lines, runs: Runs, run: Whole, pieces: tuple[Whole, Whole, Whole, Whole],
    ask: FloatArray, way_m: float, up: FloatArray, up_table: FloatArray, down: FloatArray,
    down_table: FloatArray,
) -> float:  # fmt: skip
    """A lower bound of what a ride on some pieces costs, with its stops and shift, minutes.

    Parameters
    ----------
    pieces : tuple of int
        As `indexes.joining.join` takes them.
    way_m : float
        From one end of the ride to the other.
    up, up_table, down, down_table : ndarray of float64
        Where the rider gets in, and out; made by `around`.

    Returns
    -------
    float
        Infinite where the run can't be joined.

    Notes
    -----
    Between two points a and b of the line a driver goes by p and then d. That adds
    D = |ap| + |pd| + |db| - |ab|. Alone they would add u ≤ 2 |ap| and v ≤ 2 |db|, so D is
    (u + v) / 2 + |pd| - |ab| at least, and |pd| no less than the rider's way less both walks.
    """
    points, first = lines.points, lines.first[runs.rows[run, LINE]]
    low_ms, high_ms = window_ms(runs, run, ask)
    asked_ms = ask[ASKED] * 1000.0 - start_ms(runs, run, ask)
    by_arrival = ask[BY_ARRIVAL] != 0.0
    # On one piece: what a metre more costs, and what is left of walks that shorten the way.
    metre = TOGETHER / ABOARD * up[METRE]
    left = max(0.0, 1.0 - metre / ask[WALK_MIN])
    half = min(left, 0.5 * TOGETHER / ABOARD)
    best = least = np.inf
    begin = min(pieces[0], pieces[2])
    i = first + begin
    up_x, up_y = _metres(lines, i, up)
    x, y = _metres(lines, i, down)
    end_ms = points[i, 2] * 1.0
    for piece in range(begin, pieces[3]):
        i = first + piece + 1
        up_x1, up_y1, x1, y1, begin_ms = up_x, up_y, x, y, end_ms
        up_x, up_y = _metres(lines, i, up)
        x, y = _metres(lines, i, down)
        end_ms = points[i, 2] * 1.0
        late_ms = _late_ms(begin_ms, end_ms, low_ms, high_ms, asked_ms)
        stop = stop_walk = drop = drop_walk = np.inf
        if pieces[0] <= piece and piece < pieces[1] and (by_arrival or late_ms < np.inf):
            stop, stop_walk = _stop(up_x1, up_y1, up_x, up_y, ask, up, up_table)
        if pieces[2] <= piece and min(best, stop) < np.inf and (not by_arrival or late_ms < np.inf):
            drop, drop_walk = _stop(x1, y1, x, y, ask, down, down_table)
            # The pick-up is on a piece before this one: the ride is from where that ends.
            shift_ms = late_ms if by_arrival else 0.0
            least = min(least, best + drop + (begin_ms + shift_ms) / 60_000.0)
        if stop == np.inf:
            continue
        if drop < np.inf and late_ms < np.inf:  # both on this piece
            longer_m = way_m - OFF * sqrt((x - x1) ** 2 + (y - y1) ** 2)
            stops = max(half * (stop + drop), left * (stop_walk + drop_walk))
            least = min(least, stops + metre * max(0.0, longer_m) + late_ms / 60_000.0)
        shift_ms = 0.0 if by_arrival else late_ms
        best = min(best, stop + (shift_ms - end_ms) / 60_000.0)
    return least


forget_stale(least_minutes, "indexes.rides")
