"""The two ends of a ride in the grid: cells around each, and what stops cost there at least.

A rider stops where a line comes nearest to the end itself, or to a public meeting point. What an
entry (`indexes.stretches`) tells of its line bounds what that costs from below: the straight way
through the cell and how far the line bends off it, when it comes and goes, its longest piece.
"""

from math import cos, floor, radians, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.kernels import forget_stale
from indexes import rides as j
from indexes.bounds import ABOARD, TOGETHER, left_of_walk
from indexes.rides import Ints, compiled
from indexes.stretches import (
    BEND,
    CELL_DEGREES,
    COLUMN_DEGREES,
    COLUMN_ZERO,
    CORNER_IN,
    CORNER_OUT,
    END,
    LONGEST_M,
    PARTS,
    ROW_BITS,
    ROW_ZERO,
    TICK_S,
    TOO_LONG,
    ZERO_S,
    Grid,
)

__all__ = ["ALONE", "DRIVEN", "SHARED", "Kept", "Near", "cells_near", "least_stops", "runs_near"]

NEARBY_DEGREES = 0.06  # 6 km: farther than any place reaches
# What the plane and the walk through the grid may be off, and more: bounds stay bounds.
SHRUNK, SLACK_M = 0.999, 1.0

Kept = tuple[Ints, IntArray]  # entries cell by cell, and how many there are after each


class Near(NamedTuple):
    """Cells around an end: the first of some places, the others are its meeting points.

    ``cell`` (n,) are numbers of cells. On a plane that is never longer than the Earth, metres
    eastwards and northwards: ``corner`` (n, 2) is where the first place lies from the
    south-western corner of each, ``off`` (m, 2) where each place lies from the first, and
    ``part_m`` are those of a part of a cell.
    """

    cell: IntArray
    corner: FloatArray
    off: FloatArray
    part_m: tuple[float, float]


@compiled
def cells_near(grid: Grid, places: FloatArray) -> Near:
    """Cells that a place may reach."""
    column_degrees = grid.numbers[COLUMN_DEGREES]
    south, north, west, east = np.inf, -np.inf, np.inf, -np.inf
    leans = np.empty(len(places))
    for p in range(len(places)):
        reach = places[p, j.REACH_M] / SHRUNK + 2.0 * SLACK_M
        high = reach / j.METRES_PER_DEGREE
        leans[p] = cos(radians(min(90.0, abs(places[p, j.LAT]) + NEARBY_DEGREES)))
        wide = min(360.0, high / max(leans[p], 1e-9))
        south, north = min(south, places[p, j.LAT] - high), max(north, places[p, j.LAT] + high)
        west, east = min(west, places[p, j.LON] - wide), max(east, places[p, j.LON] + wide)
    from_column, to_column = floor(west / column_degrees), floor(east / column_degrees)
    from_row, to_row = floor(south / CELL_DEGREES), floor(north / CELL_DEGREES)
    lon, lat = places[0, j.LON], places[0, j.LAT]
    up_m = j.METRES_PER_DEGREE * SHRUNK
    east_m = up_m * leans[0]
    off = np.empty((len(places), 2))
    for p in range(len(places)):
        off[p, 0], off[p, 1] = (places[p, j.LON] - lon) * east_m, (places[p, j.LAT] - lat) * up_m
    found = np.empty(64, np.int64)
    corner = np.empty((64, 2))
    count = 0
    for row in range(from_row, to_row + 1):
        base = np.int64(row + ROW_ZERO) << ROW_BITS
        cell = np.searchsorted(grid.keys, base + from_column + COLUMN_ZERO)
        while cell < len(grid.keys) and grid.keys[cell] <= base + to_column + COLUMN_ZERO:
            column = grid.keys[cell] - base - COLUMN_ZERO
            is_near = False
            for p in range(len(places)):
                x, y = places[p, j.LON], places[p, j.LAT]
                x = max(0.0, column * column_degrees - x, x - (column + 1) * column_degrees)
                y = max(0.0, row * CELL_DEGREES - y, y - (row + 1) * CELL_DEGREES)
                least_m = j.METRES_PER_DEGREE * sqrt((x * leans[p]) ** 2 + y * y) * SHRUNK - SLACK_M
                is_near |= least_m <= places[p, j.REACH_M]
            if is_near:
                if count == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                    corner = np.concatenate((corner, np.empty_like(corner)))
                found[count] = cell
                corner[count, 0] = (lon - column * column_degrees) * east_m
                corner[count, 1] = (lat - row * CELL_DEGREES) * up_m
                count += 1
            cell += 1
    part_m = column_degrees * east_m / PARTS, CELL_DEGREES * up_m / PARTS
    return Near(found[:count], corner[:count], off, part_m)


@compiled
def runs_near(grid: Grid, lon: float, lat: float, reach_m: float, runs: int) -> BoolArray:
    """Which runs may come within some metres of a place: all that do, and some others.

    ``reach_m`` is 5 km at most, ``runs`` how many there are.
    """
    found = np.zeros(runs, np.bool_)
    place = np.array([[lon, lat, cos(radians(lat)), 0.0, reach_m, 1.0]])
    for cell in cells_near(grid, place).cell:
        for i in range(grid.first[cell], grid.first[cell + 1]):
            found[grid.run[i]] = True
    return found


# Entries are told some at a time, side by side and without branches, in single precision: the
# processor does several at once, foresees nothing wrongly, and finds them in its nearest cache.
AT_A_TIME = 256
Singles = npt.NDArray[np.float32]
ZERO, ONE, TINY, NEVER = np.float32(0.0), np.float32(1.0), np.float32(1e-9), np.float32(np.inf)
SLACK_MIN = 1e-4  # what single precision may put wrong, and more

# Of straight ways through a cell: where they begin, metres from its south-western corner, the
# vector to where they end, one by the square of its length, how far the lines bend off, with
# slack, and their longest pieces.
X, Y, DX, DY, PER_SQUARE, BEND_M, LENGTH = range(7)

# What a stop costs at least, minutes: alone on its piece, its share where both stops are on one
# piece, both with the shift where it counts; and alone, with what of shift and ride is told by
# when this stop is: seconds at the drop-off less seconds at the pick-up are the ride.
ALONE, SHARED, DRIVEN = range(3)


@compiled
def _read_ways(grid: Grid, entries: Ints, part_m: tuple[float, float], ways: Singles) -> None:
    east, north = np.float32(part_m[0]), np.float32(part_m[1])
    part = max(east, north)
    n = len(entries)
    x, y, dx, dy = ways[X, :n], ways[Y, :n], ways[DX, :n], ways[DY, :n]
    per, bend, length = ways[PER_SQUARE, :n], ways[BEND_M, :n], ways[LENGTH, :n]
    for k in range(n):
        i = np.int64(entries[k])
        corner_in, corner_out = grid.shape[i, CORNER_IN], grid.shape[i, CORNER_OUT]
        x[k], y[k] = corner_in & 255, corner_in >> 8
        dx[k], dy[k] = corner_out & 255, corner_out >> 8
        bend[k], length[k] = grid.shape[i, BEND], grid.shape[i, LONGEST_M]
    for k in range(n):
        dx[k], dy[k] = (dx[k] - x[k]) * east, (dy[k] - y[k]) * north
        x[k], y[k] = x[k] * east, y[k] * north
        per[k] = ONE / max(dx[k] * dx[k] + dy[k] * dy[k], TINY)
        bend[k] = bend[k] * part + np.float32(SLACK_M)


@compiled
def _least_off_m(ways: Singles, x0_m: float, y0_m: float, off_m: Singles) -> None:
    """How far lines are from a point at least, or below 0; that is told as the ways are."""
    n = len(off_m)
    x0, y0 = np.float32(x0_m), np.float32(y0_m)
    x1, y1, dx, dy = ways[X, :n], ways[Y, :n], ways[DX, :n], ways[DY, :n]
    per, bend = ways[PER_SQUARE, :n], ways[BEND_M, :n]
    for k in range(n):
        x, y = x1[k] - x0, y1[k] - y0
        # `geo.lines.nearest_fraction` without a branch: corners are the same, or parts apart.
        f = min(max(-(x * dx[k] + y * dy[k]) * per[k], ZERO), ONE)
        x, y = x + f * dx[k], y + f * dy[k]
        off_m[k] = sqrt(x * x + y * y) - bend[k]


@compiled
def _stop_at(
    ways: Singles, off_m: Singles, place: FloatArray, ask: FloatArray, stops: Singles
) -> None:
    """Let stops be at a meeting point too, where that costs less; ``stops`` (2, n), minutes.

    Notes
    -----
    A line is left for a meeting point where it comes nearest to it: h metres off a piece of l
    metres. Going there adds √(l² + 4 h²) - l at least, as it does off the piece's middle. That is
    in the entry of its own time, unless the window cuts the piece short before.
    """
    right = 1.0 + j.plane_error(place[j.COS_LAT])
    twice, reach = np.float32(2.0 / (right * right)), np.float32(place[j.REACH_M])
    # Of a piece that ends far away the plane tells no nearest point.
    flat = np.float32(j.NEAR_M - right * place[j.REACH_M])
    walk = np.float32(ask[j.WALK_MIN] * place[j.WALK_M])
    walk_shared = np.float32(left_of_walk(ask) * ask[j.WALK_MIN] * place[j.WALK_M])
    metre = np.float32(ABOARD * ask[j.DETOUR_S] / 60.0)
    # Where both stops are on one piece, they add at least half of what they would alone.
    metre_shared = np.float32(0.5 * TOGETHER * ask[j.DETOUR_S] / 60.0)
    n = len(off_m)
    length, alone, shared = ways[LENGTH, :n], stops[0, :n], stops[1, :n]
    for k in range(n):
        h2 = twice * max(ZERO, off_m[k])
        extra = sqrt(length[k] * length[k] + h2 * h2) - length[k]
        extra = extra if length[k] <= flat else ZERO
        extra = extra if off_m[k] <= reach else NEVER
        alone[k] = min(alone[k], walk + metre * extra)
        shared[k] = min(shared[k], walk_shared + metre_shared * extra)


@compiled
def least_stops(
    grid: Grid, kept: Kept, near: Near, places: FloatArray, ask: FloatArray, way_m: float,
    low: float, is_timed: bool, is_out: bool,
) -> tuple[Ints, FloatArray]:  # fmt: skip
    """Of entries kept around an end, those where a stop can be, and what it costs at least.

    Parameters
    ----------
    grid, kept, near, places
        The index, entries in cells around an end, and its places.
    ask : ndarray of float64, shape (16,)
        The question.
    way_m : float
        From one end of the ride to the other.
    low : float
        No stop is before this tick.
    is_timed, is_out : bool
        Whether the window is at this end, and whether the rider gets out here.

    Returns
    -------
    entries : ndarray of int32, shape (n,)
    minutes : ndarray of float64, shape (n, 3)
        `ALONE`, `SHARED` and `DRIVEN`.

    Notes
    -----
    Where both stops are on one piece, what of the way is no part of it is driven besides, or
    walked; each stop tells half of that, by the longest piece of its own entry.

    A ride is the second of its drop-off less that of its pick-up. Shift and ride together are
    told by where the window is: a pick-up at t costs |t - asked| - t, which is no more for any
    later t, and a drop-off |t - asked| + t, no more for any earlier one. So the last second of an
    entry tells of a pick-up, the first of a drop-off; of a clock that is put forward or back
    (`indexes.rides.SHIFT_S`), the later or the earlier time.
    """
    entries, upto = kept
    tick, shift = grid.numbers[TICK_S], ask[j.SHIFT_S]
    first_s, last_s = grid.numbers[ZERO_S] + min(0.0, shift), grid.numbers[ZERO_S] + max(0.0, shift)
    walk_min, left = np.float32(ask[j.WALK_MIN]), np.float32(left_of_walk(ask))
    elsewhere, walked_m = np.float32(ask[j.ELSEWHERE_MIN]), np.float32(places[0, j.REACH_M])
    earliest, latest, asked = ask[j.EARLIEST], ask[j.LATEST], ask[j.ASKED]
    asked_s = asked if is_out else -asked
    min_per_s = 1.0 / 60.0 if is_timed else 0.0
    metre_besides = 0.5 * TOGETHER * ask[j.DETOUR_S] / 60.0
    high_m, wide_m = PARTS * near.part_m[1], PARTS * near.part_m[0]
    found = np.empty(len(entries) + 1, np.int32)
    minutes = np.empty((len(entries) + 1, 3))
    ways, singles = np.empty((7, AT_A_TIME), np.float32), np.empty((3, AT_A_TIME), np.float32)
    doubles = np.empty((5, AT_A_TIME))
    served = np.empty(len(places), np.int64)
    n = np.uint64(0)
    done = 0
    for c in range(len(upto)):
        x0, y0 = near.corner[c, 0], near.corner[c, 1]
        cut = np.inf  # the least of a stop that the window has cut short
        stops_here = 0
        for p in range(1, len(places)):
            x, y = x0 + near.off[p, 0], y0 + near.off[p, 1]
            x, y = max(0.0, -x, x - wide_m), max(0.0, -y, y - high_m)
            if sqrt(x * x + y * y) - SLACK_M <= places[p, j.REACH_M]:
                served[stops_here] = p
                stops_here += 1
                cut = min(cut, left_of_walk(ask) * ask[j.WALK_MIN] * places[p, j.WALK_M])
        while done < upto[c]:
            part = entries[done : min(done + AT_A_TIME, upto[c])]
            m = len(part)
            done += m
            _read_ways(grid, part, near.part_m, ways)
            off_m, stops = singles[0, :m], singles[1:]
            _least_off_m(ways, x0, y0, off_m)
            for k in range(m):
                walk = walk_min * max(ZERO, off_m[k])
                on_line = elsewhere if off_m[k] <= walked_m else NEVER
                stops[0, k], stops[1, k] = walk + on_line, left * walk + on_line
            for p in served[:stops_here]:
                _least_off_m(ways, x0 + near.off[p, 0], y0 + near.off[p, 1], off_m)
                _stop_at(ways, off_m, places[p], ask, stops)
            alone, shared, driven = doubles[0, :m], doubles[1, :m], doubles[2, :m]
            begin, end = doubles[3, :m], doubles[4, :m]
            for k in range(m):
                i = np.int64(part[k])
                begin[k], end[k] = grid.begin[i], grid.shape[i, END]
            for k in range(m):
                first, last = first_s + begin[k] * tick, last_s + end[k] * tick
                is_cut = is_timed & ((first <= earliest) | (last >= latest))
                least = cut if is_cut else np.inf
                stop = min(stops[0, k] - SLACK_MIN, least)
                share = min(stops[1, k] - SLACK_MIN, least)
                besides_m = max(0.0, way_m - ways[LENGTH, k])
                share += metre_besides * (besides_m if ways[LENGTH, k] < TOO_LONG else 0.0)
                late_min = min_per_s * max(0.0, max(first - asked, asked - last))
                at_s = first if is_out else -last
                alone[k], shared[k] = late_min + stop, late_min + share
                driven[k] = stop + at_s / 60.0 + min_per_s * abs(at_s - asked_s)
            for k in range(m):
                found[n] = part[k]
                minutes[n, ALONE], minutes[n, SHARED] = alone[k], shared[k]
                minutes[n, DRIVEN] = driven[k]
                n += np.uint64((alone[k] < np.inf) & (end[k] >= low))
    return found[:n], minutes[:n]


forget_stale(runs_near, "indexes.rides", "indexes.bounds", "indexes.stretches")
