"""The compiled corridor search: runs that pass both ends in time, joined, best first, exact.

A search reads the entries (`indexes.stretches`) of the cells around both ends, and keeps those
of the runs that are in both. What these tell of walks and times is a lower bound of what a run
costs: runs are joined (`indexes.joining`) in that order until no other can be among the best.
"""

from heapq import heapify, heappop, heappush
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, IntArray
from geo.distance import distance_m
from geo.kernels import forget_stale
from indexes import rides as j
from indexes.bounds import TOGETHER, around, going_on, least_minutes, left_of_walk
from indexes.joining import join
from indexes.rides import Ints, Lines, Runs, Whole, compiled
from indexes.stretches import (
    ALONE,
    CUT,
    END,
    FIRST_PIECE,
    LAST_PIECE,
    LONGEST_S,
    MOST_AFTER_S,
    MOST_BEFORE_S,
    SLACK_S,
    TICK_S,
    WITH_OTHER,
    ZERO_S,
    Grid,
    Near,
    Ticks,
    cells_near,
    ranges,
    walks_m,
)

__all__ = ["Levels", "search"]

Levels = npt.NDArray[np.int8]
Kept = tuple[Ints, IntArray]  # entries range by range, and how many there are after each

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


AT_A_TIME = 256  # entries, whose numbers stay in the processor's nearest cache

# What is known of a run that comes by: the run; of the end with the window the first tick that it
# is there, or the last for an arrival, and the least minutes of stop and shift less those until
# the rider gets in (for an arrival: and until he gets out), those of stop and shift alone, their
# share where both stops are on one piece, and the last of its entries there. Of the other end
# the same without a tick and shift: the stop and until he is there, the other way round.
RUN, TICK, MINUTES, STOP, SHARE, LAST = range(6)
OTHER_MINUTES, OTHER_STOP, OTHER_SHARE, OTHER_LAST = range(6, 10)
SEEN_COLUMNS = 10
# What the bound of a run is from, the dearest last: its entries; its row too; its line.
BY_ENTRIES, BY_ROW, BY_LINE = range(3)


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
    up = cells_near(grid, ask, places, 0, split)
    down = cells_near(grid, ask, places, split, len(places))
    if by_arrival:
        near, far = down, up
        reach_m, other_reach_m = places[split, j.REACH_M], places[0, j.REACH_M]
        other_low, other_high = floor((low_s - longest - zero) / tick) - 1, high
    else:
        near, far = up, down
        reach_m, other_reach_m = places[0, j.REACH_M], places[split, j.REACH_M]
        other_low, other_high = low, ceil((high_s + longest - zero) / tick) + 1
    some = ranges(grid, near.cell, low, high)
    others = ranges(grid, far.cell, other_low, other_high)
    counts[0], counts[1] = _count(some), _count(others)
    if counts[0] <= counts[1]:
        our_kept, their_kept = _in_both(grid.run, some, others, len(runs.rows))
    else:
        their_kept, our_kept = _in_both(grid.run, others, some, len(runs.rows))
    ours, stops = _stops(grid, our_kept, near, ask, reach_m, low, True)
    row_of = np.empty(len(runs.rows), np.int32)  # of runs in both: where they are in `seen`
    for i in their_kept[0]:
        row_of[grid.run[i]] = -1
    seen = np.empty((len(ours), SEEN_COLUMNS))
    before = np.empty(len(ours), np.int32)  # the entry of the same run before each
    n = 0
    for k in range(len(ours)):
        i = np.int64(ours[k])
        begin, end = float(grid.begin[i]), float(grid.shape[i, END])
        stop, share = stops[k, ALONE], stops[k, WITH_OTHER]
        minutes = stop + (zero + begin * tick if by_arrival else -(zero + end * tick)) / 60.0
        run = grid.run[i]
        at: Whole = np.int64(row_of[run])
        if at < 0:
            at = n
            row_of[run] = n
            n += 1
            row = seen[at]
            row[RUN], row[TICK] = run, end if by_arrival else begin
            row[MINUTES], row[STOP], row[SHARE], row[LAST] = minutes, stop, share, k
            row[OTHER_MINUTES] = row[OTHER_STOP] = row[OTHER_SHARE] = np.inf
            row[OTHER_LAST] = before[k] = -1
        else:
            row = seen[at]
            row[TICK] = max(row[TICK], end) if by_arrival else min(row[TICK], begin)
            row[MINUTES], row[STOP] = min(row[MINUTES], minutes), min(row[STOP], stop)
            row[SHARE] = min(row[SHARE], share)
            before[k], row[LAST] = np.int32(row[LAST]), k
    their_kept = _going_on(grid, their_kept, row_of, seen, by_arrival)
    theirs, other_stops = _stops(grid, their_kept, far, ask, other_reach_m, other_low, False)
    other_before = np.empty(len(theirs), np.int32)
    for k in range(len(theirs)):
        i = np.int64(theirs[k])
        row = seen[np.int64(row_of[grid.run[i]])]
        begin, end = float(grid.begin[i]), float(grid.shape[i, END])
        stop = other_stops[k, ALONE]
        minutes = stop + (-(zero + end * tick) if by_arrival else zero + begin * tick) / 60.0
        row[OTHER_MINUTES] = min(row[OTHER_MINUTES], minutes)
        row[OTHER_STOP] = min(row[OTHER_STOP], stop)
        row[OTHER_SHARE] = min(row[OTHER_SHARE], other_stops[k, WITH_OTHER])
        other_before[k], row[OTHER_LAST] = np.int32(row[OTHER_LAST]), k
    # What else a run costs is looked up for few: here it is as little as can be.
    most_trusted = np.int8(0)
    for level in levels:
        most_trusted = max(most_trusted, level)
    rest_at_least = -ask[j.LEVEL_MIN] * most_trusted
    if ask[j.OWN_BUILDING] >= 0:
        rest_at_least -= ask[j.SAME_BUILDING_MIN]
    way_m = distance_m(
        places[0, j.LON], places[0, j.LAT], places[split, j.LON], places[split, j.LAT]
    )
    # Between two stops on one piece, what is no part of it is driven besides, or walked.
    besides_m = max(0.0, way_m - min(near.longest_m, far.longest_m))
    besides = TOGETHER * ask[j.DETOUR_S] / 60.0 * besides_m
    bounds = np.full(n, np.inf)
    for at in range(n):
        if seen[at, OTHER_MINUTES] < np.inf:
            driven = seen[at, MINUTES] + seen[at, OTHER_MINUTES]
            apart = max(driven, seen[at, STOP] + seen[at, OTHER_STOP])
            minutes = min(apart, seen[at, SHARE] + seen[at, OTHER_SHARE] + besides)
            bounds[at] = (rest_at_least + minutes) * 1e6 - 2.0
    heap = [(bounds[at], at, BY_ENTRIES) for at in range(n) if bounds[at] < np.inf]
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
        run = np.int64(seen[at, RUN])
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
        if told == BY_ENTRIES:
            bound += (rest - rest_at_least) * 1e6
            if len(heap) > 0 and bound > heap[0][0]:
                heappush(heap, (bound, at, BY_ROW))
                continue
        last, other_last = np.int64(seen[at, LAST]), np.int64(seen[at, OTHER_LAST])
        one = _pieces(grid.shape, ours, before, last)
        other = _pieces(grid.shape, theirs, other_before, other_last)
        pieces = (*other, *one) if by_arrival else (*one, *other)
        if told != BY_LINE:
            minutes_at_least = least_minutes(lines, runs, run, pieces, ask, way_m, *ends)
            bound = max(bound, (rest + minutes_at_least) * 1e6 - 2.0)
            if bound <= most and minutes_at_least < np.inf:
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
def _going_on(grid: Grid, kept: Kept, row_of: Ints, seen: FloatArray, by_arrival: bool) -> Kept:
    """Of entries around one end, those of runs seen at the other, and in time after (or before)."""
    entries, upto = kept
    found, found_upto = np.empty(len(entries), np.int32), np.empty_like(upto)
    n = k = 0
    for c in range(len(upto)):
        while k < upto[c]:
            i = np.int64(entries[k])
            k += 1
            at = np.int64(row_of[grid.run[i]])
            if at < 0:
                continue
            if (
                grid.begin[i] <= seen[at, TICK]
                if by_arrival
                else grid.shape[i, END] >= seen[at, TICK]
            ):
                found[n] = i
                n += 1
        found_upto[c] = n
    return found[:n], found_upto


@compiled
def _pieces(shape: Ticks, entries: Ints, before: Ints, last: Whole) -> tuple[Whole, Whole]:
    """Of a run's entries around an end, the first piece of its line and the last, excluded."""
    first_piece: Whole = 1 << 16  # more than any is
    last_piece: Whole = 0
    while last >= 0:
        i = np.int64(entries[last])
        first_piece = min(first_piece, np.int64(shape[i, FIRST_PIECE]))
        last_piece = max(last_piece, np.int64(shape[i, LAST_PIECE]))
        last = np.int64(before[last])
    return first_piece, last_piece + 1


@compiled
def _stops(
    grid: Grid, kept: Kept, near: Near, ask: FloatArray, reach_m: float, low: float, is_timed: bool
) -> tuple[Ints, FloatArray]:
    """Of entries kept around an end, those where a stop can be, and what it costs at least.

    Minutes (n, 2) are `ALONE` and `WITH_OTHER`: at a meeting point, or of the walk to the line.
    Where ``is_timed`` the window is at this end, and shift is counted. No stop is before the
    tick ``low``.

    Notes
    -----
    Some entries at a time are told side by side, without branches: the processor does several
    at once, and foresees nothing wrongly.
    """
    entries, upto = kept
    tick, shift = grid.numbers[TICK_S], ask[j.SHIFT_S]
    first_s, last_s = grid.numbers[ZERO_S] + min(0.0, shift), grid.numbers[ZERO_S] + max(0.0, shift)
    walk_min, elsewhere, left = ask[j.WALK_MIN], ask[j.ELSEWHERE_MIN], left_of_walk(ask)
    earliest, latest, asked = ask[j.EARLIEST], ask[j.LATEST], ask[j.ASKED]
    min_per_s = 1.0 / 60.0 if is_timed else 0.0
    found = np.empty(len(entries) + 1, np.int32)
    minutes = np.empty((len(entries) + 1, 2))
    scratch = np.empty((10, AT_A_TIME))
    n = np.uint64(0)
    done = 0
    for c in range(len(upto)):
        alone, with_other = near.minutes[c, ALONE], near.minutes[c, WITH_OTHER]
        cut = near.minutes[c, CUT]
        while done < upto[c]:
            part = entries[done : min(done + AT_A_TIME, upto[c])]
            m = len(part)
            done += m
            off_m, stop, share = scratch[0, :m], scratch[1, :m], scratch[2, :m]
            begin, end = scratch[3, :m], scratch[4, :m]
            walks_m(grid, part, near, c, scratch[5:], off_m)
            for k in range(m):
                i = np.int64(part[k])
                begin[k], end[k] = grid.begin[i], grid.shape[i, END]
            for k in range(m):
                first, last = first_s + begin[k] * tick, last_s + end[k] * tick
                is_cut = is_timed & ((first <= earliest) | (last >= latest))
                walk = walk_min * max(0.0, off_m[k])
                on_line = elsewhere if off_m[k] <= reach_m else np.inf
                late_min = min_per_s * max(0.0, max(first - asked, asked - last))
                stop[k] = late_min + min(cut if is_cut else alone, walk + on_line)
                share[k] = late_min + min(cut if is_cut else with_other, left * walk + on_line)
            for k in range(m):
                found[n], minutes[n, ALONE], minutes[n, WITH_OTHER] = part[k], stop[k], share[k]
                n += np.uint64((stop[k] < np.inf) & (end[k] >= low))
    return found[:n], minutes[:n]


forget_stale(
    search,
    "geo.distance",
    "geo.lines",
    "indexes.rides",
    "indexes.stops",
    "indexes.joining",
    "indexes.bounds",
    "indexes.stretches",
)
