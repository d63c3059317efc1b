"""Lines in cells of 500 m by time: the grid that a corridor search reads, and how it is made.

Each line is walked through the grid. An *entry* says that a run is in a cell from when to when,
on which pieces of its line, and along which straight way, about; a cell's entries are in the
order of time.
"""

from math import ceil, cos, floor, radians, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, IntArray
from geo.kernels import forget_stale
from geo.lines import nearest_fraction
from indexes import rides as j
from indexes.rides import Ints, Lines, Whole, compiled

__all__ = [
    "CELL_M",
    "Grid",
    "count_cells",
    "fill",
    "ranges",
    "walk",
]

CELL_M = 500.0
CELL_DEGREES = CELL_M / j.METRES_PER_DEGREE
ROW_BITS = 32
ROW_ZERO, COLUMN_ZERO = 1 << 24, 1 << 30  # so that no part of a key is negative
SLACK_S = 0.01  # what the walk through the grid may be off, and more: bounds stay bounds

Ticks = npt.NDArray[np.uint16]


class Grid(NamedTuple):
    """Entries by cell: those of cell i are ``first[i]`` to ``first[i + 1] - 1``.

    ``keys`` (cells,) are rows and columns of the grid, ascending. Of entries, ``begin`` are ticks
    after ``ZERO_S``, ascending in each cell, ``run`` are the runs and ``shape`` (n, 7) the rest:
    `END`, the last tick, and what `walk` tells. ``stay`` is the longest entry of each cell.
    ``numbers`` are degrees a column, seconds of the first tick and a tick, the longest run in
    seconds, and the most flex after and before.
    """

    keys: IntArray
    first: IntArray
    stay: Ticks
    begin: Ticks
    run: Ints
    shape: Ticks
    numbers: FloatArray


COLUMN_DEGREES, ZERO_S, TICK_S, LONGEST_S, MOST_AFTER_S, MOST_BEFORE_S = range(6)

# The first piece of a line in a cell and the last, where it comes in and goes out, and how far it
# bends off the straight way between, in parts of a cell: x is the low byte of a corner, y the
# high one. Then whole metres of the longest of the pieces, `TOO_LONG` for any above.
FIRST_PIECE, LAST_PIECE, CORNER_IN, CORNER_OUT, BEND, LONGEST_M, END = range(7)
PARTS = 255
TOO_LONG = 65_535


@compiled
def walk(
    lines: Lines, column_degrees: float, keys: IntArray, seconds: FloatArray, shape: Ticks,
    first: IntArray,
) -> int:  # fmt: skip
    """Walk lines through the grid; returns how many entries there are.

    ``first`` (lines + 1,) takes the first entry of each line. The others take the entries, as
    many as they have room for: cell, seconds on the line from which and to which, and all of
    ``shape`` but `END`.
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
            low = max(0.0, min(y1, y2), -max(y1, y2)) * CELL_DEGREES  # where degrees are widest
            east_m = CELL_M * (x2 - x1) * column_degrees / CELL_DEGREES * cos(radians(low))
            metres = min(ceil(sqrt(east_m**2 + (CELL_M * (y2 - y1)) ** 2)), TOO_LONG)
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
                        shape[count, LONGEST_M] = 0
                        shape[count, CORNER_IN] = _corner(x1 + at * dx - column, y1 + at * dy - row)
                    count += 1
                    last_key = key
                if count <= len(keys):
                    seconds[count - 1, 1] = t1 + until * (t2 - t1)
                    shape[count - 1, LAST_PIECE] = piece
                    shape[count - 1, LONGEST_M] = max(shape[count - 1, LONGEST_M], metres)
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


forget_stale(walk, "geo.lines", "indexes.rides")
