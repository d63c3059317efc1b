"""Lines in cells of 500 m by time: the grid that a corridor search reads, and how it is made.

Each line is walked through the grid. An *entry* says that a run is in a cell from when to when,
on which pieces of its line, and along which straight way, about; a cell's entries are in the
order of time.
"""

from math import ceil, cos, floor, radians, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.kernels import forget_stale
from geo.lines import nearest_fraction
from indexes import rides as j
from indexes.bounds import ABOARD, TOGETHER, left_of_walk
from indexes.rides import Ints, Lines, Whole, compiled

__all__ = [
    "CELL_M",
    "Grid",
    "Near",
    "cells_near",
    "count_cells",
    "fill",
    "ranges",
    "runs_near",
    "walk",
    "walks_m",
]

CELL_M = 500.0
CELL_DEGREES = CELL_M / j.METRES_PER_DEGREE
ROW_BITS = 32
ROW_ZERO, COLUMN_ZERO = 1 << 24, 1 << 30  # so that no part of a key is negative
# What the plane and the walk through the grid may be off, and more: bounds stay bounds.
SHRUNK, SLACK_M, SLACK_S = 0.999, 1.0, 0.01
NEARBY_DEGREES = 0.06  # 6 km: farther than any place reaches

Ticks = npt.NDArray[np.uint16]


class Grid(NamedTuple):
    """Entries by cell: those of cell i are ``first[i]`` to ``first[i + 1] - 1``.

    ``keys`` (cells,) are rows and columns of the grid, ascending. Of entries, ``begin`` are ticks
    after ``ZERO_S``, ascending in each cell, ``run`` are the runs and ``shape`` (n, 6) the rest:
    `END`, the last tick, and what `walk` tells. ``stay`` is the longest entry of each cell, and
    ``longest_m`` the longest piece of a line.
    ``numbers`` are degrees a column, seconds of the first tick and a tick, the longest run in
    seconds, and the most flex after and before.
    """

    keys: IntArray
    first: IntArray
    stay: Ticks
    longest_m: FloatArray
    begin: Ticks
    run: Ints
    shape: Ticks
    numbers: FloatArray


COLUMN_DEGREES, ZERO_S, TICK_S, LONGEST_S, MOST_AFTER_S, MOST_BEFORE_S = range(6)

# The first piece of a line in a cell and the last, where it comes in and goes out, and how far it
# bends off the straight way between, in parts of a cell: x is the low byte of a corner, y the
# high one.
FIRST_PIECE, LAST_PIECE, CORNER_IN, CORNER_OUT, BEND, END = range(6)
PARTS = 255


@compiled
def walk(
    lines: Lines, column_degrees: float, keys: IntArray, seconds: FloatArray, shape: Ticks,
    longest_m: FloatArray, first: IntArray,
) -> int:  # fmt: skip
    """Walk lines through the grid; returns how many entries there are.

    ``first`` (lines + 1,) takes the first entry of each line. The others take the entries, as
    many as they have room for: cell, seconds on the line from which and to which, all of
    ``shape`` but `END`, and metres of the longest piece.
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
            # No great circle is longer than the way straight in longitude and latitude.
            south = min(abs(lines.points[i, 1]), abs(lines.points[i + 1, 1])) / j.UNIT
            east_m = CELL_M * (x2 - x1) * column_degrees / CELL_DEGREES * cos(radians(south))
            metres = sqrt(east_m**2 + (CELL_M * (y2 - y1)) ** 2)
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
                if key != last_key:
                    if count < len(keys):
                        keys[count] = key
                        seconds[count, 0] = t1 + at * (t2 - t1)
                        shape[count, FIRST_PIECE] = piece
                        longest_m[count] = 0.0
                        shape[count, CORNER_IN] = _corner(x1 + at * dx - column, y1 + at * dy - row)
                    count += 1
                    last_key = key
                if count <= len(keys):
                    seconds[count - 1, 1] = t1 + until * (t2 - t1)
                    shape[count - 1, LAST_PIECE] = piece
                    longest_m[count - 1] = max(longest_m[count - 1], metres)
                    out = _corner(x1 + until * dx - column, y1 + until * dy - row)
                    shape[count - 1, CORNER_OUT] = out
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
        for entry in range(first[line], min(count, len(keys))):
            shape[entry, BEND] = _bend(lines, line, column_degrees, keys[entry], shape[entry])
    first[len(lines.first) - 1] = count
    return count


@compiled
def _corner(x: float, y: float) -> int:
    """A point of a cell, to the nearest of its parts."""
    column, row = round(min(max(x, 0.0), 1.0) * PARTS), round(min(max(y, 0.0), 1.0) * PARTS)
    return int(column) + (int(row) << 8)


@compiled
def _bend(lines: Lines, line: Whole, column_degrees: float, key: Whole, shape: Ticks) -> int:
    """How far a line in a cell lies from the straight way through it at most, in parts of a cell.

    What lies farthest is where the line comes in or goes out, moved by half a part each way, or
    a point between.
    """
    column, row = (key & ((1 << ROW_BITS) - 1)) - COLUMN_ZERO, (key >> ROW_BITS) - ROW_ZERO
    x1, y1 = float(shape[CORNER_IN] & 255), float(shape[CORNER_IN] >> 8)
    x2, y2 = float(shape[CORNER_OUT] & 255), float(shape[CORNER_OUT] >> 8)
    farthest = sqrt(0.5)
    for piece in range(shape[FIRST_PIECE] + 1, shape[LAST_PIECE] + 1):
        i = lines.first[line] + piece
        x = (lines.points[i, 0] / j.UNIT / column_degrees - column) * PARTS
        y = (lines.points[i, 1] / j.UNIT / CELL_DEGREES - row) * PARTS
        f = nearest_fraction(x1 - x, y1 - y, x2 - x, y2 - y, 0.0, 1.0)
        dx, dy = x1 + f * (x2 - x1) - x, y1 + f * (y2 - y1) - y
        farthest = max(farthest, sqrt(dx * dx + dy * dy))
    return ceil(farthest)


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
    shape: Ticks, grid: Grid,
) -> None:  # fmt: skip
    """Put entries, in ``order`` of time, into the places of their cells."""
    at = grid.first[:-1].copy()
    for i in order:
        c = cell[line_entry[i]]
        place = at[c]
        at[c] += 1
        grid.begin[place], grid.run[place] = begin[i], of_run[i]
        grid.shape[place, :END] = shape[line_entry[i]]
        grid.shape[place, END] = end[i]
        grid.stay[c] = max(grid.stay[c], end[i] - begin[i])


class Near(NamedTuple):
    """Cells around an end, and what a stop in them costs at least.

    ``cell`` (n,) are numbers of cells, ``corner`` (n, 2) where the first place lies, metres from
    their south-western corner on a plane that is never longer than the Earth, ``minutes`` (n, 3)
    those of a stop at another place in reach: `ALONE` on its piece, its share `WITH_OTHER` on
    the same one, and either on a piece that is `CUT` short by the window. ``part_m`` are metres
    of a part of a cell eastwards and northwards, ``longest_m`` those of the longest piece of a
    line in any of the cells.
    """

    cell: IntArray
    corner: FloatArray
    minutes: FloatArray
    part_m: tuple[float, float]
    longest_m: float


ALONE, WITH_OTHER, CUT = range(3)


@compiled
def cells_near(
    grid: Grid, ask: FloatArray, places: FloatArray, first_place: Whole, last_place: Whole
) -> Near:
    """Cells that a place may reach: first the end itself, then meeting points.

    Notes
    -----
    A line is left for a meeting point where it comes nearest to it: h metres off a piece of l
    metres or less. Going there adds √(l² + 4 h²) - l at least, as it does off the piece's middle.
    That is in a cell of its own time, unless the window cuts the piece short before.
    """
    column_degrees = grid.numbers[COLUMN_DEGREES]
    south, north, west, east = np.inf, -np.inf, np.inf, -np.inf
    leans = np.empty(last_place)
    for p in range(first_place, last_place):
        reach = places[p, j.REACH_M] / SHRUNK + 2.0 * SLACK_M
        high = reach / j.METRES_PER_DEGREE
        leans[p] = cos(radians(min(90.0, abs(places[p, j.LAT]) + NEARBY_DEGREES)))
        wide = min(360.0, high / max(leans[p], 1e-9))
        south, north = min(south, places[p, j.LAT] - high), max(north, places[p, j.LAT] + high)
        west, east = min(west, places[p, j.LON] - wide), max(east, places[p, j.LON] + wide)
    from_column, to_column = floor(west / column_degrees), floor(east / column_degrees)
    from_row, to_row = floor(south / CELL_DEGREES), floor(north / CELL_DEGREES)
    lon, lat = places[first_place, j.LON], places[first_place, j.LAT]
    up_m = j.METRES_PER_DEGREE * SHRUNK
    east_m = up_m * leans[first_place]
    found = np.empty(64, np.int64)
    corner = np.empty((64, 2))
    least = np.empty((64, 3))
    count = 0
    longest_m = 0.0
    metre = ABOARD * ask[j.DETOUR_S] / 60.0
    # Where both stops are on one piece, they add at least half of what they would alone.
    metre_together = 0.5 * TOGETHER * ask[j.DETOUR_S] / 60.0
    left = left_of_walk(ask)
    for row in range(from_row, to_row + 1):
        base = np.int64(row + ROW_ZERO) << ROW_BITS
        cell = np.searchsorted(grid.keys, base + from_column + COLUMN_ZERO)
        while cell < len(grid.keys) and grid.keys[cell] <= base + to_column + COLUMN_ZERO:
            column = grid.keys[cell] - base - COLUMN_ZERO
            is_near, longest = False, grid.longest_m[cell]
            alone = with_other = cut = np.inf
            for p in range(first_place, last_place):
                x, y = places[p, j.LON], places[p, j.LAT]
                x = max(0.0, column * column_degrees - x, x - (column + 1) * column_degrees)
                y = max(0.0, row * CELL_DEGREES - y, y - (row + 1) * CELL_DEGREES)
                off = j.METRES_PER_DEGREE * sqrt((x * leans[p]) ** 2 + y * y) * SHRUNK - SLACK_M
                if off <= places[p, j.REACH_M]:
                    is_near = True
                    if p > first_place:
                        right = 1.0 + j.plane_error(places[p, j.COS_LAT])
                        # Of a piece that ends far away the plane tells no nearest point.
                        is_flat = longest + right * places[p, j.REACH_M] <= j.NEAR_M
                        h = max(0.0, off) / (right * right) if is_flat else 0.0
                        extra = sqrt(longest * longest + 4.0 * h * h) - longest
                        stop = ask[j.WALK_MIN] * places[p, j.WALK_M]
                        alone = min(alone, stop + metre * extra)
                        with_other = min(with_other, left * stop + metre_together * extra)
                        cut = min(cut, left * stop)
            if is_near:
                if count == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                    corner = np.concatenate((corner, np.empty_like(corner)))
                    least = np.concatenate((least, np.empty_like(least)))
                found[count], longest_m = cell, max(longest_m, longest)
                least[count, ALONE], least[count, WITH_OTHER], least[count, CUT] = (
                    alone, with_other, cut,
                )  # fmt: skip
                corner[count, 0] = (lon - column * column_degrees) * east_m
                corner[count, 1] = (lat - row * CELL_DEGREES) * up_m
                count += 1
            cell += 1
    part_m = column_degrees * east_m / PARTS, CELL_DEGREES * up_m / PARTS
    return Near(found[:count], corner[:count], least[:count], part_m, longest_m)


@compiled
def walks_m(
    grid: Grid, entries: Ints, near: Near, c: Whole, scratch: FloatArray, off_m: FloatArray
) -> None:
    """How far entries in cell c of those near an end are from that at least; or below 0.

    ``scratch`` has five rows, ``off_m`` (n,) takes the answer: metres.
    """
    n = len(entries)
    x1, y1, x2, y2 = scratch[0, :n], scratch[1, :n], scratch[2, :n], scratch[3, :n]
    bend = scratch[4, :n]
    for k in range(n):
        i = np.int64(entries[k])
        corner_in, corner_out = grid.shape[i, CORNER_IN], grid.shape[i, CORNER_OUT]
        x1[k], y1[k] = corner_in & 255, corner_in >> 8
        x2[k], y2[k] = corner_out & 255, corner_out >> 8
        bend[k] = grid.shape[i, BEND]
    east, north = near.part_m
    x0, y0 = near.corner[c, 0], near.corner[c, 1]
    for k in range(n):
        x, y = x1[k] * east - x0, y1[k] * north - y0
        dx, dy = (x2[k] - x1[k]) * east, (y2[k] - y1[k]) * north
        # `geo.lines.nearest_fraction` without a branch: corners are the same, or parts apart.
        f = min(max(-(x * dx + y * dy) / max(dx * dx + dy * dy, 1e-9), 0.0), 1.0)
        x, y = x + f * dx, y + f * dy
        off_m[k] = sqrt(x * x + y * y) - bend[k] * max(east, north) - SLACK_M


@compiled
def runs_near(grid: Grid, lon: float, lat: float, reach_m: float, runs: int) -> BoolArray:
    """Which runs may come within some metres of a place: all that do, and some others.

    ``reach_m`` is 5 km at most, ``runs`` how many there are.
    """
    found = np.zeros(runs, np.bool_)
    place = np.array([[lon, lat, cos(radians(lat)), 0.0, reach_m, 1.0]])
    for cell in cells_near(grid, np.zeros(j.ASK_SIZE), place, 0, 1).cell:
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
def ranges(grid: Grid, cells: IntArray, low: int, high: int) -> IntArray:
    """Of each cell, the entries that may lie in a stretch of ticks; (cells, 2)."""
    found = np.empty((len(cells), 2), np.int64)
    for i in range(len(cells)):
        a, b = grid.first[cells[i]], grid.first[cells[i] + 1]
        found[i, 0] = _first_at(grid.begin, a, b, low - np.int64(grid.stay[cells[i]]))
        found[i, 1] = _first_at(grid.begin, found[i, 0], b, high + 1)
    return found


forget_stale(walk, "geo.lines", "indexes.bounds", "indexes.rides")
