"""How one rider joins one driver's line, at least effort: compiled, and exact.

A rider may get in, and out, at some *places*: any point of the line within a walk, and public
meeting points that lie within reach of the line. `matching.trips` says in words what is
decided here, and hands in what a minute is worth.
"""

import numpy as np

from geo.arrays import FloatArray, IntArray
from geo.distance import distance_m
from geo.kernels import forget_stale
from indexes.rides import (
    ASKED,
    AT_S,
    BOOKED,
    BUDGET_MS,
    BUILDING,
    BY_ARRIVAL,
    COST,
    DETOUR,
    DETOUR_IN_ALL_S,
    DETOUR_S,
    DROPOFF,
    DROPOFF_S,
    ELSEWHERE_MIN,
    F_FRACTION,
    F_LAT,
    F_LINE_S,
    F_LON,
    F_PIECE,
    F_PLACE,
    F_WALK,
    FIRST_BOOKED,
    FOUND_COLUMNS,
    FRACTION,
    LEAST_DETOUR,
    LEAST_MS,
    LINE,
    MAX_PASSES,
    MAX_WALKS_M,
    ON_LINE,
    OPT_LAT,
    OPT_LON,
    OPTION_COLUMNS,
    ORDER,
    OWN_BUILDING,
    PICKUP,
    PICKUP_S,
    PICKUPS,
    PIECE,
    PLACE,
    RUN,
    SAME_BUILDING_MIN,
    SEATS,
    SEATS_NEEDED,
    SEVERAL,
    SHIFT,
    START_S,
    UNIT,
    UNMATCHED_MIN,
    WALK,
    WALK_MIN,
    Ints,
    Lines,
    Runs,
    Whole,
    compiled,
    days_served,
    start_ms,
    window_ms,
)
from indexes.stops import options_of, reckon, settle

__all__ = ["between_m", "join", "scan"]


@compiled
def _detour_s(
    lines: Lines, line: Whole, a: FloatArray, i: Whole, b: FloatArray, j: Whole, places: FloatArray,
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
    """Whether a rider can join a run, and how with the least effort; trust is not counted.

    Parameters
    ----------
    pieces : tuple of int
        From which piece of the line to which (excluded) a pick-up can lie, then a drop-off; a
        superset of what is within reach.
    ask, days, places
        The question: `EARLIEST` and so on; service days; rows of places, `PICKUPS` of them
        for the pick-up, the rest for the drop-off.
    options : ndarray of float64, shape (2, MAX_PASSES * len(places), 13)
        Scratch.
    found : ndarray of float64, shape (21,)
        Takes the answer.
    """
    rows = runs.rows
    matched = days_served(runs, run, days)
    if matched == 0 or rows[run, SEATS] < ask[SEATS_NEEDED]:
        return False
    line = rows[run, LINE]
    begin_ms = start_ms(runs, run, ask)
    low_ms, high_ms = window_ms(runs, run, ask)
    by_arrival = ask[BY_ARRIVAL] != 0.0
    split = int(ask[PICKUPS])
    ups, downs = options[0], options[1]
    always = -np.inf, np.inf
    up_ms = always if by_arrival else (low_ms, high_ms)
    down_ms = (low_ms, high_ms) if by_arrival else always
    n = options_of(lines, line, pieces[0], pieces[1], *up_ms, places, 0, split, ask[DETOUR_S], ups)
    if n == 0:
        return False
    m = options_of(
        lines, line, pieces[2], pieces[3], *down_ms, places, split, len(places), ask[DETOUR_S],
        downs,
    )  # fmt: skip
    # The least effort of a stop, milliseconds. Between the same two points of the line a detour
    # by way of both is no less than either: half of what both are by themselves.
    alone = 1.0 if pieces[1] <= pieces[2] or pieces[3] <= pieces[0] else 0.5
    reckon(ups, n, ask, places, alone)
    reckon(downs, m, ask, places, alone)
    first_up: Whole = n
    first_down: Whole = m
    least, shortest = np.inf, np.inf
    for up_at in range(n):
        i = np.int64(ups[up_at, ORDER])
        if m == 0 or ups[i, LEAST_MS] + downs[np.int64(downs[0, ORDER]), LEAST_MS] > least + 1.0:
            break
        if 1000.0 * ups[i, LEAST_DETOUR] > rows[run, BUDGET_MS]:
            continue
        if np.isnan(ups[i, DETOUR]):
            settle(lines, line, *up_ms, places, ask[DETOUR_S], ups[i])
        for down_at in range(m):
            j = np.int64(downs[down_at, ORDER])
            if ups[i, LEAST_MS] + downs[j, LEAST_MS] > least + 1.0:
                break
            if 1000.0 * downs[j, LEAST_DETOUR] > rows[run, BUDGET_MS]:
                continue
            if np.isnan(downs[j, DETOUR]):
                settle(lines, line, *down_ms, places, ask[DETOUR_S], downs[j])
            if downs[j, AT_S] <= ups[i, AT_S]:
                continue
            walks = ups[i, WALK] + downs[j, WALK]
            if walks > ask[MAX_WALKS_M]:
                continue
            elsewhere = places[np.int64(ups[i, PLACE]), ON_LINE]
            elsewhere += places[np.int64(downs[j, PLACE]), ON_LINE]
            on_foot = ask[WALK_MIN] * walks + ask[ELSEWHERE_MIN] * elsewhere
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
            if (effort, ride, i, j) >= (least, shortest, first_up, first_down):
                continue
            if not _has_room(runs, run, ups[i, AT_S], downs[j, AT_S], detours, ask[SEATS_NEEDED]):
                continue
            least, shortest, first_up, first_down = effort, ride, i, j
            planned_s = downs[j, AT_S] if by_arrival else ups[i, AT_S]
            shift = abs(begin_ms / 1000.0 + planned_s - ask[ASKED])
            unmatched = 0.0 if rows[run, SEVERAL] else len(days) - matched * 1.0
            cost = (dropoff_s - pickup_s + shift + detour) / 60.0 + on_foot
            cost += ask[UNMATCHED_MIN] * unmatched
            if rows[run, BUILDING] >= 0 and rows[run, BUILDING] == ask[OWN_BUILDING]:
                cost -= ask[SAME_BUILDING_MIN]
            found[RUN], found[COST] = run, np.rint(cost * 1e6)
            found[PICKUP_S], found[DROPOFF_S] = pickup_s, dropoff_s
            found[DETOUR_IN_ALL_S], found[SHIFT], found[START_S] = detour, shift, begin_ms / 1000.0
            _tell(ups, i, found, PICKUP)
            _tell(downs, j, found, DROPOFF)
    return least < np.inf


@compiled
def _tell(options: FloatArray, i: Whole, found: FloatArray, at: int) -> None:
    found[at + F_PLACE], found[at + F_WALK] = options[i, PLACE], options[i, WALK]
    found[at + F_LON], found[at + F_LAT] = options[i, OPT_LON], options[i, OPT_LAT]
    found[at + F_PIECE], found[at + F_FRACTION] = options[i, PIECE], options[i, FRACTION]
    found[at + F_LINE_S] = options[i, AT_S]


@compiled
def between_m(points: Ints, up: int, down: int, up_part: float, down_part: float) -> float:
    """How long a line is from part of the piece after one point to part of that after another.

    Metres; ``points`` are those of `indexes.rides.Lines`.
    """
    along = 0.0
    for i in range(up, down + 1):
        a, b = points[i], points[i + 1]
        metres = distance_m(a[0] / UNIT, a[1] / UNIT, b[0] / UNIT, b[1] / UNIT)
        part = down_part if i == down else 1.0
        part -= up_part if i == up else 0.0
        along += part * metres
    return along


@compiled
def scan(
    lines: Lines, runs: Runs, ask: FloatArray, days: IntArray, places: FloatArray,
    which: IntArray,
) -> FloatArray:  # fmt: skip
    """Join some runs, one by one: a row of `FOUND_COLUMNS` for each that a rider can join.

    Trust is not counted.
    """
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


forget_stale(scan, "geo.distance", "geo.lines", "indexes.rides", "indexes.stops")
