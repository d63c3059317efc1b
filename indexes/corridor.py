"""The compiled corridor search: runs that pass both ends in time, joined, best first, exact.

A search reads the entries (`indexes.stretches`) of the cells around both ends, and keeps those
of the runs that are in both. What these tell of stops and times (`indexes.ends`) is a lower bound
of what a run costs, and its line tells a better one: runs are joined (`indexes.joining`) in that
order until no other can be among the best.
"""

from heapq import heapify, heappop, heappush
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, IntArray
from geo.distance import distance_m
from geo.kernels import forget_stale
from indexes import rides as j
from indexes.bounds import around, going_on, least_minutes
from indexes.ends import ALONE, DRIVEN, SHARED, Kept, cells_near, least_stops
from indexes.joining import join
from indexes.rides import Ints, Lines, Runs, Whole, compiled
from indexes.stretches import (
    END,
    FIRST_PIECE,
    LAST_PIECE,
    LONGEST_S,
    MOST_AFTER_S,
    MOST_BEFORE_S,
    SLACK_S,
    TICK_S,
    ZERO_S,
    Grid,
    Ticks,
    ranges,
)

__all__ = ["Levels", "search"]

Levels = npt.NDArray[np.int8]
Stops = tuple[Ints, FloatArray, Ints]  # entries, minutes, and the entry of the same run before each

ONE, FIVE, LOW_FIVE = np.uint32(1), np.uint32(5), np.uint32(31)  # of bits in words of 32


@compiled
def _in_both(run: Ints, some: IntArray, others: IntArray, runs: int) -> tuple[Kept, Kept]:
    """Of entries in some ranges and in others, those whose run is in both.

    Notes
    -----
    Which runs they are is marked in bits, which stay in the processor's nearest cache: entries
    are far more than runs in both, so that no more is done for most of them.
    """
    marks = np.zeros((runs >> 5) + 1, np.uint32)
    for c in range(len(some)):
        for one in run[some[c, 0] : some[c, 1]]:
            marks[np.uint32(one) >> FIVE] |= ONE << (np.uint32(one) & LOW_FIVE)
    theirs = _marked(run, others, marks)
    marks[:] = 0
    for i in theirs[0]:
        marks[np.uint32(run[i]) >> FIVE] |= ONE << (np.uint32(run[i]) & LOW_FIVE)
    return _marked(run, some, marks), theirs


@compiled
def _marked(run: Ints, some: IntArray, marks: npt.NDArray[np.uint32]) -> Kept:
    """Entries in some ranges whose run is marked, and how many there are after each range."""
    found = np.empty(_count(some) + 1, np.int32)
    upto = np.empty(len(some), np.int64)
    n = np.uint64(0)
    for c in range(len(some)):
        part = run[some[c, 0] : some[c, 1]]
        for i in range(len(part)):
            # Without a branch, which would be foreseen wrongly too often.
            found[n] = some[c, 0] + i
            word = marks[np.uint32(part[i]) >> FIVE]
            n += np.uint64((word >> (np.uint32(part[i]) & LOW_FIVE)) & ONE)
        upto[c] = n
    return found[:n], upto


@compiled
def _count(some: IntArray) -> int:
    total = 0
    for c in range(len(some)):
        total += some[c, 1] - some[c, 0]
    return total


# What is known of a run that comes by: of the pick-up, then of the drop-off, the least minutes of
# a stop (`indexes.ends.ALONE` and so on), and the last of its entries there.
UP, DOWN, LAST = 0, 4, 3
SEEN_COLUMNS = 8
# What the bound of a run is from, the dearest last: of each end its entries; pairs of entries,
# and its row; its line.
BY_ENTRIES, BY_PAIRS, BY_LINE = range(3)


@compiled
def search(
    grid: Grid, lines: Lines, runs: Runs, ask: FloatArray, days: IntArray, places: FloatArray,
    limit: int, run_trip: IntArray, levels: Levels, most: float,
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
    most : float
        What a run costs at most, 1e-6 minutes.

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
    # The end with the window is ours, the other one theirs.
    up_places, down_places = places[:split], places[split:]
    if by_arrival:
        our_places, their_places = down_places, up_places
        other_low, other_high = floor((low_s - longest - zero) / tick) - 1, high
    else:
        our_places, their_places = up_places, down_places
        other_low, other_high = low, ceil((high_s + longest - zero) / tick) + 1
    near, far = cells_near(grid, our_places), cells_near(grid, their_places)
    some = ranges(grid, near.cell, low, high)
    others = ranges(grid, far.cell, other_low, other_high)
    counts[0], counts[1] = _count(some), _count(others)
    if counts[0] <= counts[1]:
        our_kept, their_kept = _in_both(grid.run, some, others, len(runs.rows))
    else:
        their_kept, our_kept = _in_both(grid.run, others, some, len(runs.rows))
    way_m = distance_m(
        up_places[0, j.LON], up_places[0, j.LAT], down_places[0, j.LON], down_places[0, j.LAT]
    )
    ours, our_minutes = least_stops(
        grid, our_kept, near, our_places, ask, way_m, low, True, by_arrival
    )
    row_of = np.empty(len(runs.rows), np.int32)  # of runs in both: where they are in `seen`
    for i in their_kept[0]:
        row_of[grid.run[i]] = -1
    run_of, ticks = _rows(grid, ours, by_arrival, row_of)
    their_kept = _going_on(grid, their_kept, by_arrival, row_of, ticks)
    theirs, their_minutes = least_stops(
        grid, their_kept, far, their_places, ask, way_m, other_low, False, not by_arrival
    )
    seen = np.full((len(run_of), SEEN_COLUMNS), np.inf)
    our_end, their_end = (DOWN, UP) if by_arrival else (UP, DOWN)
    our_before = _gather(grid, ours, our_minutes, row_of, seen, our_end)
    their_before = _gather(grid, theirs, their_minutes, row_of, seen, their_end)
    our_stops, their_stops = (ours, our_minutes, our_before), (theirs, their_minutes, their_before)
    ups, downs = (their_stops, our_stops) if by_arrival else (our_stops, their_stops)
    # What else a run costs is looked up for few: here it is as little as can be.
    most_trusted = np.int8(0)
    for level in levels:
        most_trusted = max(most_trusted, level)
    rest_at_least = -ask[j.LEVEL_MIN] * most_trusted
    if ask[j.OWN_BUILDING] >= 0:
        rest_at_least -= ask[j.SAME_BUILDING_MIN]
    bounds = np.empty(len(seen))
    for at in range(len(seen)):
        apart = max(
            seen[at, UP + ALONE] + seen[at, DOWN + ALONE],
            seen[at, UP + DRIVEN] + seen[at, DOWN + DRIVEN],
        )
        minutes = min(apart, seen[at, UP + SHARED] + seen[at, DOWN + SHARED])
        bounds[at] = _least(rest_at_least + minutes)
    heap = [(bounds[at], at, BY_ENTRIES) for at in range(len(seen)) if bounds[at] < np.inf]
    heapify(heap)
    counts[2] = len(heap)
    kept = min(limit, len(heap))
    options = np.empty((2, j.MAX_PASSES * len(places), j.OPTION_COLUMNS))
    found = np.empty((kept + 1, j.FOUND_COLUMNS))
    order = np.arange(kept + 1)  # rows of `found`, the best first; the last is scratch
    size = 0
    ends = around(ask, places, 0, split), around(ask, places, split, len(places))
    while len(heap) > 0 and kept > 0:
        bound, at, told = heappop(heap)
        if bound > most:
            break
        run = np.int64(run_of[at])
        level = levels[run_trip[run]]
        served = 0 if level < 0 else j.days_served(runs, run, days)
        if served == 0 or runs.rows[run, j.SEATS] < ask[j.SEATS_NEEDED]:
            continue
        rest = -ask[j.LEVEL_MIN] * level
        if not runs.rows[run, j.SEVERAL]:
            rest += ask[j.UNMATCHED_MIN] * (len(days) - served)
        building = runs.rows[run, j.BUILDING]
        if building >= 0 and building == ask[j.OWN_BUILDING]:
            rest -= ask[j.SAME_BUILDING_MIN]
        last_up, last_down = np.int64(seen[at, UP + LAST]), np.int64(seen[at, DOWN + LAST])
        if told == BY_ENTRIES:
            minutes = _of_pairs(grid, ups, last_up, downs, last_down)
            bound = max(bound, _least(rest + minutes))
            if bound > most or bound == np.inf:
                continue
            if len(heap) > 0 and bound > heap[0][0]:
                heappush(heap, (bound, at, BY_PAIRS))
                continue
        pieces = _pieces(grid.shape, ups, last_up) + _pieces(grid.shape, downs, last_down)
        if told != BY_LINE:
            minutes = least_minutes(lines, runs, run, pieces, ask, way_m, *ends)
            bound = max(bound, _least(rest + minutes))
            if bound <= most and bound < np.inf:
                heappush(heap, (bound, at, BY_LINE))
            continue
        counts[3] += 1
        # A passing by is told whole: its nearest point may be too early, or too late, to count.
        line = np.int64(runs.rows[run, j.LINE])
        if by_arrival:
            past = going_on(lines, line, pieces[1] - 1, 1, ends[0][0]) + 1
            pieces = pieces[0], past, pieces[2], pieces[3]
        else:
            begin_piece = going_on(lines, line, pieces[2], -1, ends[1][0])
            pieces = pieces[0], pieces[1], begin_piece, pieces[3]
        new = order[size]
        if not join(lines, runs, run, pieces, ask, days, places, options, found[new]):
            continue
        found[new, j.COST] -= np.rint(ask[j.LEVEL_MIN] * levels[run_trip[run]] * 1e6)
        if found[new, j.COST] > most:
            continue
        place = size
        while place > 0 and found[order[place - 1], j.COST] > found[new, j.COST]:
            place -= 1
        if place == kept:
            continue
        for k in range(size, place, -1):  # the one that falls out, if any, is scratch from now on
            order[k] = order[k - 1]
        order[place] = new
        size = min(size + 1, kept)
        if size == kept:
            most = min(most, found[order[kept - 1], j.COST])
    rows = np.empty((size, j.FOUND_COLUMNS))
    for i in range(size):
        rows[i] = found[order[i]]
    return rows, counts


@compiled
def _least(minutes: float) -> float:
    """A bound in minutes as one of costs, 1e-6 minutes: what is rounded there is taken off."""
    return minutes * 1e6 - 2.0


@compiled
def _rows(grid: Grid, entries: Ints, by_arrival: bool, row_of: Ints) -> tuple[Ints, Ints]:
    """Give each run of some entries a row in ``row_of``; which run has which, and its tick.

    From that tick on the run is there; for an arrival it is the last one, below 0.
    """
    run_of, ticks = np.empty(len(entries), np.int32), np.empty(len(entries), np.int32)
    n = 0
    for i in entries:
        run = grid.run[i]
        tick = -np.int32(grid.shape[i, END]) if by_arrival else np.int32(grid.begin[i])
        at = np.int64(row_of[run])
        if at < 0:
            row_of[run], run_of[n], ticks[n] = n, run, tick
            n += 1
        else:
            ticks[at] = min(ticks[at], tick)
    return run_of[:n], ticks[:n]


@compiled
def _going_on(grid: Grid, kept: Kept, by_arrival: bool, row_of: Ints, ticks: Ints) -> Kept:
    """Of entries around one end, those of runs seen at the other, and in time after (or before)."""
    entries, upto = kept
    found, found_upto = np.empty(len(entries) + 1, np.int32), np.empty_like(upto)
    n = np.uint64(0)
    k = 0
    for c in range(len(upto)):
        while k < upto[c]:
            i = np.int64(entries[k])
            k += 1
            at = np.int64(row_of[grid.run[i]])
            tick = -np.int32(grid.begin[i]) if by_arrival else np.int32(grid.shape[i, END])
            found[n] = i
            n += np.uint64(at >= 0 and tick >= ticks[at])
        found_upto[c] = n
    return found[:n], found_upto


@compiled
def _gather(
    grid: Grid, entries: Ints, minutes: FloatArray, row_of: Ints, seen: FloatArray, end: Whole
) -> Ints:
    """Note in ``seen`` what entries around an end tell of runs; of each the run's one before."""
    before = np.empty(len(entries), np.int32)
    seen[:, end + LAST] = -1.0
    for k in range(len(entries)):
        at = np.int64(row_of[grid.run[np.int64(entries[k])]])
        for which in range(3):
            seen[at, end + which] = min(seen[at, end + which], minutes[k, which])
        before[k], seen[at, end + LAST] = np.int32(seen[at, end + LAST]), k
    return before


@compiled
def _of_pairs(grid: Grid, ups: Stops, last_up: Whole, downs: Stops, last_down: Whole) -> float:
    """What a run costs at least, minutes, of all entries for a pick-up and then a drop-off."""
    entries, minutes, before = ups
    down_entries, down_minutes, down_before = downs
    shape = grid.shape
    least = np.inf
    while last_up >= 0:
        up = np.int64(entries[last_up])
        down_at = last_down
        while down_at >= 0:
            down = np.int64(down_entries[down_at])
            if shape[down, END] >= grid.begin[up]:
                apart = max(
                    minutes[last_up, ALONE] + down_minutes[down_at, ALONE],
                    minutes[last_up, DRIVEN] + down_minutes[down_at, DRIVEN],
                )
                least = min(least, apart)
                if (
                    shape[up, FIRST_PIECE] <= shape[down, LAST_PIECE]
                    and shape[down, FIRST_PIECE] <= shape[up, LAST_PIECE]
                ):
                    least = min(least, minutes[last_up, SHARED] + down_minutes[down_at, SHARED])
            down_at = np.int64(down_before[down_at])
        last_up = np.int64(before[last_up])
    return least


@compiled
def _pieces(shape: Ticks, stops: Stops, last: Whole) -> tuple[Whole, Whole]:
    """Of a run's entries around an end, the first piece of its line and the last, excluded."""
    entries, _, before = stops
    first_piece: Whole = 1 << 16  # more than any is
    last_piece: Whole = 0
    while last >= 0:
        i = np.int64(entries[last])
        first_piece = min(first_piece, np.int64(shape[i, FIRST_PIECE]))
        last_piece = max(last_piece, np.int64(shape[i, LAST_PIECE]))
        last = np.int64(before[last])
    return first_piece, last_piece + 1


forget_stale(
    search,
    "geo.distance",
    "geo.lines",
    "indexes.rides",
    "indexes.stops",
    "indexes.joining",
    "indexes.bounds",
    "indexes.ends",
    "indexes.stretches",
)
