"""What joining a run costs at least, told from its line alone: compiled, a fraction of a join.

A meeting point is served where it is least out of the way, once each time that the line passes
by: on a piece of the line whose neighbours are no better. What a stop on each piece costs at
least, walk and detour, and the ride between two pieces, bound the cost of a join from below
(`indexes.joining`).
"""

from math import sqrt

import numpy as np

from geo.arrays import FloatArray
from geo.kernels import forget_stale
from indexes.rides import (
    ASKED,
    BUDGET_MS,
    BY_ARRIVAL,
    COS_LAT,
    DETOUR_S,
    ELSEWHERE_MIN,
    LAT,
    LINE,
    LON,
    METRES_PER_DEGREE,
    NEAR_M,
    OFF,
    REACH_M,
    UNIT,
    WALK_M,
    WALK_MIN,
    Lines,
    Runs,
    Whole,
    compiled,
    plane_error,
    start_ms,
    window_ms,
)

__all__ = ["ABOARD", "TOGETHER", "End", "around", "going_on", "least_minutes", "left_of_walk"]

# What is driven more counts once as detour and half as ride: half of it is driven aboard.
ABOARD = 1.5
# On one piece both stops are driven one after the other: what that adds is ridden to a third.
TOGETHER = 4.0 / 3.0

# Of an end: longitude and latitude in 1e-7 degrees, metres to one of these east and north; beyond
# which metres no stop is, and how far one walks, both with slack; by which share of itself a
# distance near the end may be wrong on the plane that touches the Earth there.
E_LON, E_LAT, EAST, NORTH, FAR_M, REACH_PLANE_M, ERROR = range(7)
# Of its meeting points: metres from the end, the minutes of the walk, how far a line may pass.
X_M, Y_M, MINUTES, WITHIN_M = range(4)
ROUNDED_M = 0.1  # what else a detour may be wrong by

End = tuple[FloatArray, FloatArray]  # its numbers, and a column for each meeting point


@compiled
def left_of_walk(ask: FloatArray) -> float:
    """What is left of a walk's minutes where both stops are on one piece: all that the rider
    walks, the car need not go from the one to the other."""
    return float(1.0 - TOGETHER * ask[DETOUR_S] / 60.0 / ask[WALK_MIN])


@compiled
def around(ask: FloatArray, places: FloatArray, first_place: Whole, last_place: Whole) -> End:
    """What is known of an end: the first of some places, the others are its meeting points."""
    lon, lat = places[first_place, LON], places[first_place, LAT]
    north = METRES_PER_DEGREE
    east = north * places[first_place, COS_LAT]
    reach = OFF * places[first_place, REACH_M] + 1.0
    error = plane_error(places[first_place, COS_LAT])
    end = np.array([lon * UNIT, lat * UNIT, east / UNIT, north / UNIT, reach, reach, error])
    stops = np.empty((4, last_place - first_place - 1))
    for k in range(stops.shape[1]):
        p = first_place + 1 + k
        stops[X_M, k] = (places[p, LON] - lon) * east
        stops[Y_M, k] = (places[p, LAT] - lat) * north
        stops[MINUTES, k] = ask[WALK_MIN] * places[p, WALK_M]
        stops[WITHIN_M, k] = places[p, REACH_M]
        off = max(abs(stops[X_M, k]), abs(stops[Y_M, k]))
        end[FAR_M] = max(end[FAR_M], OFF * (off + places[p, REACH_M]) + 1.0)
    return end, stops


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
def _stops(
    lines: Lines, line: Whole, begin: Whole, n: Whole, window: tuple[float, float],
    budget_m: float, ask: FloatArray, at: End, least: FloatArray,
) -> None:  # fmt: skip
    """What a stop on each of ``n`` pieces costs at least, minutes.

    ``least`` (2, n) takes it where it is the only stop on the piece, and its share where the
    other stop is on the same one; infinite where there can be none.

    Notes
    -----
    Of neighbouring pieces in reach of a meeting point, both whole in the window, only that of
    the less detour serves it.
    """
    end, stops = at
    points = lines.points[lines.first[line] + begin :]
    metre = ABOARD * ask[DETOUR_S] / 60.0
    metre_together = 0.5 * TOGETHER * ask[DETOUR_S] / 60.0
    left = left_of_walk(ask)
    own = np.empty((7, n + 2))
    x, y, length, error, away, least_m, whole = own
    for i in range(n + 1):
        x[i] = (points[i, 0] - end[E_LON]) * end[EAST]
        y[i] = (points[i, 1] - end[E_LAT]) * end[NORTH]
    for i in range(n):
        dx, dy = x[i + 1] - x[i], y[i + 1] - y[i]
        squared = dx * dx + dy * dy
        length[i] = sqrt(squared)
        farthest = max(max(abs(x[i]), abs(x[i + 1])), max(abs(y[i]), abs(y[i + 1])))
        error[i] = end[ERROR] if farthest <= NEAR_M else np.inf
        t1, t2 = points[i, 2], points[i + 1, 2]
        whole[i] = 0.0 if window[0] <= t1 and t2 <= window[1] else np.inf
        least[0, i] = least[1, i] = np.inf
        far = end[REACH_PLANE_M]
        if _is_beyond(x[i], x[i + 1], far) or _is_beyond(y[i], y[i + 1], far):
            continue
        f = 0.0 if squared == 0.0 else min(max(-(x[i] * dx + y[i] * dy) / squared, 0.0), 1.0)
        nx, ny = x[i] + f * dx, y[i] + f * dy
        off = sqrt(nx * nx + ny * ny)
        if off <= far:
            walk = ask[WALK_MIN] * max(0.0, off / OFF - 1.0)
            least[0, i], least[1, i] = walk + ask[ELSEWHERE_MIN], left * walk + ask[ELSEWHERE_MIN]
    for k in range(stops.shape[1]):
        px, py, walk, within = stops[X_M, k], stops[Y_M, k], stops[MINUTES, k], stops[WITHIN_M, k]
        inside = within / OFF
        most = min(2.0 * within, budget_m)
        for i in range(n + 1):
            away[i] = sqrt((x[i] - px) * (x[i] - px) + (y[i] - py) * (y[i] - py))
        # least_m[i + 1] is what piece i costs at most, if it surely counts.
        least_m[0] = least_m[n + 1] = np.inf
        for i in range(n):
            both = away[i] + away[i + 1]
            at_most = both - length[i] + error[i] * (both + length[i]) + ROUNDED_M + whole[i]
            least_m[i + 1] = at_most if min(away[i], away[i + 1]) <= inside else np.inf
        for i in range(n):
            both = away[i] + away[i + 1]
            extra = both - length[i] - error[i] * (both + length[i]) - ROUNDED_M
            if extra <= min(least_m[i], least_m[i + 2]) and extra <= most:
                extra = max(0.0, extra)
                least[0, i] = min(least[0, i], walk + metre * extra)
                least[1, i] = min(least[1, i], left * walk + metre_together * extra)


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
    ask: FloatArray, way_m: float, up: End, down: End,
) -> float:  # fmt: skip
    """A lower bound of what a ride on some pieces costs, with its stops and shift, minutes.

    Parameters
    ----------
    pieces : tuple of int
        As `indexes.joining.join` takes them.
    way_m : float
        From one end of the ride to the other.
    up, down : End
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
    line = runs.rows[run, LINE]
    points, first = lines.points, lines.first[line]
    low_ms, high_ms = window_ms(runs, run, ask)
    asked_ms = ask[ASKED] * 1000.0 - start_ms(runs, run, ask)
    by_arrival = ask[BY_ARRIVAL] != 0.0
    always, window = (-np.inf, np.inf), (low_ms, high_ms)
    # The drop-off is on the piece of the pick-up or later.
    begin, last = pieces[0], pieces[3]
    up_end, down_begin = min(pieces[1], last), max(begin, pieces[2])
    if begin >= up_end or down_begin >= last:
        return np.inf
    metre = TOGETHER * ask[DETOUR_S] / 60.0
    budget_m = runs.rows[run, BUDGET_MS] / (1000.0 * ask[DETOUR_S]) + 1.0
    ups, downs = np.empty((2, up_end - begin)), np.empty((2, last - down_begin))
    _stops(
        lines, line, begin, up_end - begin, always if by_arrival else window, budget_m, ask, up, ups
    )
    _stops(
        lines, line, down_begin, last - down_begin, window if by_arrival else always, budget_m,
        ask, down, downs,
    )  # fmt: skip
    best = least = np.inf
    for piece in range(begin, last):
        if up_end <= piece and piece < down_begin:
            continue
        i = first + piece
        begin_ms, end_ms = points[i, 2] * 1.0, points[i + 1, 2] * 1.0
        late_ms = _late_ms(begin_ms, end_ms, low_ms, high_ms, asked_ms)
        stop = together = np.inf
        if piece < up_end and (by_arrival or late_ms < np.inf):
            stop, together = ups[0, piece - begin], ups[1, piece - begin]
        if down_begin <= piece and (not by_arrival or late_ms < np.inf):
            drop = downs[0, piece - down_begin]
            # The pick-up is on a piece before this one: the ride is from where that ends.
            shift_ms = late_ms if by_arrival else 0.0
            least = min(least, best + drop + (begin_ms + shift_ms) / 60_000.0)
            if stop < np.inf and drop < np.inf and late_ms < np.inf:  # both on this piece
                x1, y1 = _metres(lines, i, up[0])
                x2, y2 = _metres(lines, i + 1, up[0])
                longer_m = way_m - OFF * sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
                stops = together + downs[1, piece - down_begin]
                least = min(least, stops + metre * max(0.0, longer_m) + late_ms / 60_000.0)
        shift_ms = 0.0 if by_arrival else late_ms
        best = min(best, stop + (shift_ms - end_ms) / 60_000.0)
    return least


forget_stale(least_minutes, "indexes.rides")
