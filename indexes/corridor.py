"""The compiled corridor search: lines in cells of 350 m by time, joined, best first, exact.

Each line is walked through a grid. An *entry* says that a run is in a cell from when to when,
on which pieces of its line; a cell's entries are in the order of time. A search reads those of
the cells around one end, where the window is narrow, then those around the other end, and keeps
the runs that are in both. What it knows of a run then, walks at least and times, is a lower
bound of its cost: runs are joined (`indexes.joining`) in that order until no other can be among
the best.
"""

from heapq import heapify, heappop, heappush
from math import ceil, cos, floor, radians, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.distance import distance_m
from geo.kernels import forget_stale
from indexes import rides as j
from indexes.bounds import around, least_minutes
from indexes.joining import join
from indexes.rides import Ints, Lines, Runs, Whole, compiled

__all__ = ["CELL_M", "Grid", "Levels", "runs_near", "search", "walk"]

CELL_M = 350.0
CELL_DEGREES = CELL_M / j.METRES_PER_DEGREE
ROW_BITS = 32
ROW_ZERO, COLUMN_ZERO = 1 << 24, 1 << 30  # so that no part of a key is negative
# What the plane and the walk through the grid may be off, and more: bounds stay bounds.
SHRUNK, SLACK_M, SLACK_S = 0.999, 1.0, 0.01
NEARBY_DEGREES = 0.06  # 6 km: farther than any place reaches

Levels = npt.NDArray[np.int8]
Ticks = npt.NDArray[np.uint16]


class Grid(NamedTuple):
    """Entries by cell: those of cell i are ``first[i]`` to ``first[i + 1] - 1``.

    ``keys`` (cells,) are rows and columns of the grid, ascending. Of entries, ``begin`` and
    ``end`` are ticks after ``zero_s``, ``begin`` ascending in each cell; ``pieces`` (n, 2) the
    first piece of the line and the last. ``stay`` is the longest entry of each cell. ``numbers``
    are degrees a column, seconds of the first tick and a tick, the longest run in seconds,
    and the most flex after and before.
    """

    keys: IntArray
    first: IntArray
    stay: Ticks
    begin: Ticks
    end: Ticks
    run: Ints
    pieces: Ticks
    numbers: FloatArray


COLUMN_DEGREES, ZERO_S, TICK_S, LONGEST_S, MOST_AFTER_S, MOST_BEFORE_S = range(6)


@compiled
def walk(
    lines: Lines, column_degrees: float, keys: IntArray, seconds: FloatArray, pieces: Ticks,
    first: IntArray,
) -> int:  # fmt: skip
    """Walk lines through the grid; returns how many entries there are.

    ``first`` (lines + 1,) takes the first entry of each line. The others take the entries, as
    many as they have room for: cell, seconds on the line from which and to which, pieces.
    """
    count = 0
    for line in range(len(lines.first) - 1):
        first[line] = count
        last_key = np.int64(-1)
        for i in range(lines.first[line], lines.first[line + 1] - 1):
            piece = i - lines.first[line]
            x1 = lines.points[i, 0] / j.UNIT / column_degrees
            y1 = lines.points[i, 1] / j.UNIT / CELL_DEGREES
            x2 = lines.points[i + 1, 0] / j.UNIT / column_degrees
            y2 = lines.points[i + 1, 1] / j.UNIT / CELL_DEGREES
            t1, t2 = lines.points[i, 2] / 1000.0, lines.points[i + 1, 2] / 1000.0
            dx, dy = x2 - x1, y2 - y1
            column, row = floor(x1), floor(y1)
            to_column, to_row = floor(x2), floor(y2)
            step_x, step_y = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
            # The share of the piece at which the next column begins, and the next row.
            next_x = ((column + (dx > 0)) - x1) / dx if dx != 0.0 else np.inf
            next_y = ((row + (dy > 0)) - y1) / dy if dy != 0.0 else np.inf
            each_x = abs(1.0 / dx) if dx != 0.0 else np.inf
            each_y = abs(1.0 / dy) if dy != 0.0 else np.inf
            at = 0.0
            for _ in range(abs(to_column - column) + abs(to_row - row) + 1):
                until = min(1.0, next_x, next_y)
                if column == to_column and row == to_row:
                    until = 1.0
                key = (np.int64(row + ROW_ZERO) << ROW_BITS) + column + COLUMN_ZERO
                if key == last_key:
                    if count <= len(keys):
                        seconds[count - 1, 1] = t1 + until * (t2 - t1)
                        pieces[count - 1, 1] = piece
                else:
                    if count < len(keys):
                        keys[count] = key
                        seconds[count, 0] = t1 + at * (t2 - t1)
                        seconds[count, 1] = t1 + until * (t2 - t1)
                        pieces[count, 0] = pieces[count, 1] = piece
                    count += 1
                    last_key = key
                at = max(at, until)
                if column == to_column and row == to_row:
                    break
                # Never past the last cell, whatever the last digit says.
                if row == to_row or (column != to_column and next_x < next_y):
                    column += step_x
                    next_x += each_x
                else:
                    row += step_y
                    next_y += each_y
    first[len(lines.first) - 1] = count
    return count


@compiled
def count_cells(cell: IntArray, first: IntArray) -> None:
    """``first`` (cells + 1,) becomes where each cell's entries begin."""
    for i in range(len(cell)):
        first[cell[i] + 1] += 1
    for i in range(1, len(first)):
        first[i] += first[i - 1]


@compiled
def fill(
    order: IntArray, line_entry: IntArray, of_run: Ints, begin: Ticks, end: Ticks, cell: IntArray,
    pieces: Ticks, grid: Grid,
) -> None:  # fmt: skip
    """Put entries, in ``order`` of time, into the places of their cells."""
    at = grid.first[:-1].copy()
    for i in order:
        c = cell[line_entry[i]]
        place = at[c]
        at[c] += 1
        grid.begin[place], grid.end[place] = begin[i], end[i]
        grid.run[place] = of_run[i]
        grid.pieces[place, 0] = pieces[line_entry[i], 0]
        grid.pieces[place, 1] = pieces[line_entry[i], 1]
        grid.stay[c] = max(grid.stay[c], end[i] - begin[i])


@compiled
def _cells_near(
    grid: Grid, ask: FloatArray, places: FloatArray, first_place: Whole, last_place: Whole
) -> tuple[IntArray, FloatArray]:
    """Cells that a place may reach, and the least minutes that a stop in them can cost."""
    column_degrees = grid.numbers[COLUMN_DEGREES]
    south, north, west, east = np.inf, -np.inf, np.inf, -np.inf
    for p in range(first_place, last_place):
        reach = places[p, j.REACH_M] / SHRUNK + 2.0 * SLACK_M
        high = reach / j.METRES_PER_DEGREE
        lean = cos(radians(min(90.0, abs(places[p, j.LAT]) + NEARBY_DEGREES)))
        wide = min(360.0, high / max(lean, 1e-9))
        south, north = min(south, places[p, j.LAT] - high), max(north, places[p, j.LAT] + high)
        west, east = min(west, places[p, j.LON] - wide), max(east, places[p, j.LON] + wide)
    from_column, to_column = floor(west / column_degrees), floor(east / column_degrees)
    from_row, to_row = floor(south / CELL_DEGREES), floor(north / CELL_DEGREES)
    found = np.empty(64, np.int64)
    least = np.empty(64)
    count = 0
    for row in range(from_row, to_row + 1):
        base = np.int64(row + ROW_ZERO) << ROW_BITS
        cell = np.searchsorted(grid.keys, base + from_column + COLUMN_ZERO)
        while cell < len(grid.keys) and grid.keys[cell] <= base + to_column + COLUMN_ZERO:
            column = grid.keys[cell] - base - COLUMN_ZERO
            minutes = np.inf
            for p in range(first_place, last_place):
                lon, lat = places[p, j.LON], places[p, j.LAT]
                lean = cos(radians(min(90.0, abs(lat) + NEARBY_DEGREES)))
                x = max(0.0, column * column_degrees - lon, lon - (column + 1) * column_degrees)
                y = max(0.0, row * CELL_DEGREES - lat, lat - (row + 1) * CELL_DEGREES)
                off = j.METRES_PER_DEGREE * sqrt(x * x * lean * lean + y * y) * SHRUNK - SLACK_M
                if off > places[p, j.REACH_M]:
                    continue
                walk_m = max(0.0, off) if places[p, j.ON_LINE] != 0.0 else places[p, j.WALK_M]
                effort = ask[j.WALK_MIN] * walk_m + ask[j.ELSEWHERE_MIN] * places[p, j.ON_LINE]
                minutes = min(minutes, effort)
            if minutes < np.inf:
                if count == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                    least = np.concatenate((least, np.empty_like(least)))
                found[count], least[count] = cell, minutes
                count += 1
            cell += 1
    return found[:count], least[:count]


@compiled
def runs_near(grid: Grid, lon: float, lat: float, reach_m: float, runs: int) -> BoolArray:
    """Which runs may come within some metres of a place: all that do, and some others.

    ``reach_m`` is 5 km at most, ``runs`` how many there are.
    """
    found = np.zeros(runs, np.bool_)
    place = np.array([[lon, lat, cos(radians(lat)), 0.0, reach_m, 1.0]])
    for cell in _cells_near(grid, np.zeros(j.ASK_SIZE), place, 0, 1)[0]:
        for i in range(grid.first[cell], grid.first[cell + 1]):
            found[grid.run[i]] = True
    return found


@compiled
def _first_at(begin: Ticks, low: Whole, high: Whole, tick: Whole) -> Whole:
    """The first place from ``low`` on, up to ``high``, that begins at a tick or later."""
    while low < high:
        middle = (low + high) >> 1
        if begin[middle] < tick:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _ranges(grid: Grid, cells: IntArray, low: int, high: int) -> IntArray:
    """Of each cell, the entries that may lie in a stretch of ticks."""
    found = np.empty((len(cells), 2), np.int64)
    for i in range(len(cells)):
        a, b = grid.first[cells[i]], grid.first[cells[i] + 1]
        found[i, 0] = _first_at(grid.begin, a, b, low - np.int64(grid.stay[cells[i]]))
        found[i, 1] = _first_at(grid.begin, found[i, 0], b, high + 1)
    return found


# What is known of a run that comes by: the run; then of the end with the window and of the
# other one ticks (first in, last out) and pieces (first, last); and whether it comes by there.
SEEN_RUN, SEEN_IN, SEEN_OUT, FIRST_PIECE, LAST_PIECE = range(5)
OTHER = 4  # columns on
SEEN_COLUMNS = 9


@compiled
def search(
    grid: Grid, lines: Lines, runs: Runs, ask: FloatArray, days: IntArray, places: FloatArray,
    limit: int, run_trip: IntArray, levels: Levels,
) -> tuple[FloatArray, IntArray]:  # fmt: skip
    """The runs that a rider joins at the least cost, best first.

    Parameters
    ----------
    grid, lines, runs
        The index.
    ask, days, places
        The question (`indexes.joining`).
    limit : int
        At most so many.
    run_trip : ndarray of int64, shape (runs,)
        What ``levels`` are by.
    levels : ndarray of int8
        How far who asks trusts their owners, 0 to 4; below 0 for what does not count.

    Returns
    -------
    found : ndarray of float64, shape (m, 21)
        As `indexes.joining` has it.
    counts : ndarray of int64, shape (4,)
        Entries read around one end and the other, runs in both, runs joined.
    """
    counts = np.zeros(4, np.int64)
    zero, tick = grid.numbers[ZERO_S], grid.numbers[TICK_S]
    split = np.int64(ask[j.PICKUPS])
    by_arrival = ask[j.BY_ARRIVAL] != 0.0
    shift = ask[j.SHIFT_S]
    low_s = ask[j.EARLIEST] - grid.numbers[MOST_AFTER_S] - max(0.0, shift)
    high_s = ask[j.LATEST] + grid.numbers[MOST_BEFORE_S] - min(0.0, shift)
    longest = grid.numbers[LONGEST_S]
    low = floor((low_s - SLACK_S - zero) / tick)
    high = ceil((high_s + SLACK_S - zero) / tick)
    if by_arrival:
        cells, least = _cells_near(grid, ask, places, split, len(places))
        others, others_least = _cells_near(grid, ask, places, 0, split)
        other_low, other_high = floor((low_s - longest - zero) / tick) - 1, high
    else:
        cells, least = _cells_near(grid, ask, places, 0, split)
        others, others_least = _cells_near(grid, ask, places, split, len(places))
        other_low, other_high = low, ceil((high_s + longest - zero) / tick) + 1
    ranges = _ranges(grid, cells, low, high)
    total = 0
    for i in range(len(ranges)):
        total += ranges[i, 1] - ranges[i, 0]
    counts[0] = total
    size = 16
    while size < 2 * total:
        size *= 2
    table = np.zeros((size, 2), np.int32)  # a run, and 1 + where it is in `seen`
    seen = np.empty((total, SEEN_COLUMNS), np.int32)
    minutes = np.empty((total, 2))
    n = 0
    for c in range(len(cells)):
        for i in range(ranges[c, 0], ranges[c, 1]):
            if grid.end[i] < low:
                continue
            run = grid.run[i]
            slot = (run * 0x9E3779B1) & (size - 1)
            while table[slot, 1] != 0 and table[slot, 0] != run:
                slot = (slot + 1) & (size - 1)
            if table[slot, 1] == 0:
                table[slot, 0], table[slot, 1] = run, n + 1
                seen[n, SEEN_RUN] = run
                seen[n, SEEN_IN], seen[n, SEEN_OUT] = grid.begin[i], grid.end[i]
                seen[n, FIRST_PIECE], seen[n, LAST_PIECE] = grid.pieces[i, 0], grid.pieces[i, 1]
                seen[n, OTHER + SEEN_IN] = -1
                minutes[n, 0], minutes[n, 1] = least[c], np.inf
                n += 1
            else:
                _widen(seen, minutes, table[slot, 1] - 1, 0, grid, i, least[c])
    ranges = _ranges(grid, others, other_low, other_high)
    for c in range(len(others)):
        counts[1] += ranges[c, 1] - ranges[c, 0]
        for i in range(ranges[c, 0], ranges[c, 1]):
            run = grid.run[i]
            slot = (run * 0x9E3779B1) & (size - 1)
            while table[slot, 1] != 0 and table[slot, 0] != run:
                slot = (slot + 1) & (size - 1)
            if table[slot, 1] == 0:
                continue
            at = table[slot, 1] - 1
            if by_arrival:
                if np.int32(grid.begin[i]) > seen[at, SEEN_OUT]:
                    continue
            elif np.int32(grid.end[i]) < seen[at, SEEN_IN]:
                continue
            if seen[at, OTHER + SEEN_IN] < 0:
                seen[at, OTHER + SEEN_IN], seen[at, OTHER + SEEN_OUT] = grid.begin[i], grid.end[i]
                seen[at, OTHER + FIRST_PIECE] = grid.pieces[i, 0]
                seen[at, OTHER + LAST_PIECE] = grid.pieces[i, 1]
                minutes[at, 1] = others_least[c]
            else:
                _widen(seen, minutes, at, 1, grid, i, others_least[c])
    bounds, rest = np.empty(n), np.empty(n)
    who = np.empty(n, np.int64)
    m = 0
    for at in range(n):
        run = seen[at, SEEN_RUN]
        if seen[at, OTHER + SEEN_IN] < 0 or levels[run_trip[run]] < 0:
            continue
        if by_arrival:
            ride_s = (seen[at, SEEN_IN] - seen[at, OTHER + SEEN_OUT]) * tick
        else:
            ride_s = (seen[at, OTHER + SEEN_IN] - seen[at, SEEN_OUT]) * tick
        begin_s = zero + seen[at, SEEN_IN] * tick + min(0.0, shift)
        end_s = zero + seen[at, SEEN_OUT] * tick + max(0.0, shift)
        gap_s = max(0.0, begin_s - ask[j.ASKED], ask[j.ASKED] - end_s)
        rest[m] = -ask[j.LEVEL_MIN] * levels[run_trip[run]]
        if runs.rows[run, j.BUILDING] >= 0 and runs.rows[run, j.BUILDING] == ask[j.OWN_BUILDING]:
            rest[m] -= ask[j.SAME_BUILDING_MIN]
        stops = minutes[at, 0] + minutes[at, 1]
        bounds[m] = (rest[m] + (max(0.0, ride_s) + gap_s) / 60.0 + stops) * 1e6 - 2.0
        who[m] = at
        m += 1
    counts[2] = m
    kept = min(limit, m)
    options = np.empty((2, j.MAX_PASSES * len(places), j.OPTION_COLUMNS))
    found = np.empty((kept + 1, j.FOUND_COLUMNS))
    order = np.arange(kept + 1)  # rows of `found`, the best first; the last is scratch
    size = 0
    way_m = distance_m(
        places[0, j.LON], places[0, j.LAT], places[split, j.LON], places[split, j.LAT]
    )
    ends = (*around(ask, places, 0, split), *around(ask, places, split, len(places)))
    heap = [(bounds[i], i, False) for i in range(m)]
    heapify(heap)
    while len(heap) > 0 and kept > 0:
        bound, i, is_close = heappop(heap)
        if size == kept and bound > found[order[kept - 1], j.COST]:
            break
        at = who[i]
        run = np.int64(seen[at, SEEN_RUN])
        up, down = (OTHER, 0) if by_arrival else (0, OTHER)
        pieces = (
            np.int64(seen[at, up + FIRST_PIECE]), np.int64(seen[at, up + LAST_PIECE]) + 1,
            np.int64(seen[at, down + FIRST_PIECE]), np.int64(seen[at, down + LAST_PIECE]) + 1,
        )  # fmt: skip
        if not is_close:  # a second bound, from the line itself
            minutes_at_least = least_minutes(lines, runs, run, pieces, ask, way_m, *ends)
            if minutes_at_least < np.inf:
                bound = max(bound, (rest[i] + minutes_at_least) * 1e6 - 2.0)
                heappush(heap, (bound, i, True))
            continue
        counts[3] += 1
        new = order[size]
        if not join(lines, runs, run, pieces, ask, days, places, options, found[new]):
            continue
        found[new, j.COST] -= np.rint(ask[j.LEVEL_MIN] * levels[run_trip[run]] * 1e6)
        place = size
        while place > 0 and found[order[place - 1], j.COST] > found[new, j.COST]:
            place -= 1
        if place == kept:
            continue
        for k in range(size, place, -1):  # the one that falls out, if any, is scratch from now on
            order[k] = order[k - 1]
        order[place] = new
        size = min(size + 1, kept)
    rows = np.empty((size, j.FOUND_COLUMNS))
    for i in range(size):
        rows[i] = found[order[i]]
    return rows, counts


@compiled
def _widen(
    seen: Ints, minutes: FloatArray, at: int, end: int, grid: Grid, i: int, least: float
) -> None:
    """Another entry of a run around an end."""
    o = OTHER * end
    seen[at, o + SEEN_IN] = min(seen[at, o + SEEN_IN], np.int32(grid.begin[i]))
    seen[at, o + SEEN_OUT] = max(seen[at, o + SEEN_OUT], np.int32(grid.end[i]))
    seen[at, o + FIRST_PIECE] = min(seen[at, o + FIRST_PIECE], np.int32(grid.pieces[i, 0]))
    seen[at, o + LAST_PIECE] = max(seen[at, o + LAST_PIECE], np.int32(grid.pieces[i, 1]))
    minutes[at, end] = min(minutes[at, end], least)


forget_stale(
    search,
    "geo.distance",
    "geo.lines",
    "indexes.rides",
    "indexes.stops",
    "indexes.joining",
    "indexes.bounds",
)
