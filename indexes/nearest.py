"""The compiled search for the nearest: best first on a lower bound of the distance, exact.

A point that is looked at costs a line of memory of its own, and its exact arc. So points wait,
by a bound of their distance, until there are enough that surely lie nearer than all that is not
yet opened; only these are looked at.

As everywhere in these kernels, whole arrays are passed and indexed (why: `indexes.topk`).
"""

import numpy as np

from geo.distance import arc_m
from geo.kernels import forget_stale
from indexes import distances as d
from indexes import frontier as f
from indexes import header as h
from indexes import packing as p
from indexes import scores as s
from indexes import topk as t
from indexes.columns import CLASSES, UNIT
from indexes.memory import floats32_at, floats_at, ints32_at, ints_at, prefetch
from indexes.scores import compiled, inlined, uncounted

__all__ = ["nearest"]

# The nearest are first looked for in near circles: those can be searched on a plane, at a third
# of the cost.
NEAR_FIRST_M = (5_000.0, 100_000.0, np.inf)
ROOM = 512  # of the frontier, at first
WAITING = 512  # points that may wait; if there are more, all are looked at

# One search's memory, in int64s: ten arrays by address cost one allocation, not ten. Whoever
# allocates it uses it last, else it would be gone too early.
SQUARED_AT = 0
WAITING_AT = SQUARED_AT + p.LEAF // 2
ARCS_AT = WAITING_AT + WAITING
LATS_AT = ARCS_AT + WAITING
KEPT_AT = LATS_AT + WAITING

NOTHING_LEFT = np.int64(2**63 - 1)
IS_LEAF, ONE_SPOT = 1, 2  # a reference's flags; above them the number of a leaf or node


@inlined
def _key(squared, low):
    """The bits of a squared distance, which are in its order; then what goes first."""
    return np.int64(np.float32(squared).view(np.int32)) << 32 | low


@inlined
def _squared(key):
    return np.int32(key >> 32).view(np.float32)


@inlined
def _opened(here, hot, leaf, now, farthest2, squared, waiting, size):
    """Points of a leaf that may belong join those that wait; returns how many these are."""
    d.bound_points(here, hot, leaf, squared)
    for i in range(p.LEAF):  # without a branch to mispredict
        waiting[size] = _key(squared[i], leaf * p.LEAF + i)
        size += (
            (squared[i] <= farthest2)
            & (hot[leaf, p.VALID_FROM, i] <= now)
            & (now < hot[leaf, p.VALID_TO, i])
        )
    return size


@inlined
def _due(waiting, size, bound, cold_at):
    """Bring those that wait with a key up to ``bound`` to the front, sorted; how many they are.

    Their cold numbers are on the way meanwhile.
    """
    due = 0
    for j in range(size):
        key = waiting[j]
        if key <= bound:
            prefetch(cold_at + p.COLD_BYTES * (key & f.LOW_BITS), p.COLD_BYTES)
            waiting[j] = waiting[due]
            place = due
            while place > 0 and waiting[place - 1] > key:
                waiting[place] = waiting[place - 1]
                place -= 1
            waiting[place] = key
            due += 1
    return due


@uncounted
def _nearest(question, filters, k, view, plan_at, at, room):
    """Find the k nearest points, in memory that begins at ``at``; returns how many there are.

    Or -1 where the frontier has no ``room``.
    """
    order, best, found = t.kept_at(at + 8 * KEPT_AT, k)
    squared = floats32_at(at + 8 * SQUARED_AT, (p.LEAF,))
    heap = ints_at(at + 8 * (KEPT_AT + t.KEPT * k), (room, 2))
    waiting = ints_at(at + 8 * WAITING_AT, (WAITING,))
    arcs, lats = floats_at(at + 8 * ARCS_AT, (WAITING,)), floats_at(at + 8 * LATS_AT, (WAITING,))
    header = ints_at(view, (h.HEADER_SIZE,))
    seen = t.seen_in(header)
    plan = floats_at(plan_at, (CLASSES, s.PLAN_COLUMNS))
    parts = t.offsets(filters, np.int64(0))
    by_category = parts[4] < parts[5]
    low_asked = np.int64(question[t.LOW_CATEGORIES])
    high_asked = np.int64(question[t.HIGH_CATEGORIES])
    lon, lat, radius_m = question[t.LON_ASKED], question[t.LAT_ASKED], question[t.RADIUS_M]
    here = d.here_at(lon, lat, radius_m)
    now = np.int32(question[t.AT])
    kth_m = np.inf
    farthest2 = np.float32(radius_m * radius_m * (1.0 + s.SLACK))  # the k-th's, once there are k
    count = 0
    chain = ints_at(header[h.CHAIN], (header[h.LEAVES],))
    nodes = ints32_at(header[h.PART_BLOCKS], (1, p.NODE_ROWS, p.FANOUT))
    nodes_at = header[h.PART_BLOCKS]
    for part in range(header[h.PARTS] + 1):
        size = waits = 0
        if part < header[h.PARTS]:
            at = header[h.PART_BLOCKS + part]
            blocks = ints32_at(at, (p.HEADER + CLASSES * p.CLASS_COLUMNS,))
            nodes_at = at + 4 * np.int64(blocks[4])
            hot_at, cold_at = at + 4 * np.int64(blocks[5]), at + 4 * np.int64(blocks[6])
            leaves = np.int64(blocks[2])
            nodes = ints32_at(nodes_at, (blocks[1], p.NODE_ROWS, p.FANOUT))
            for code in range(CLASSES):
                root = np.int64(blocks[p.HEADER + p.CLASS_COLUMNS * code])
                if plan[code, s.ACTIVE] != 0.0 and root >= 0:
                    f.put(heap, size, np.int64(0), root * 4)
                    size += 1
        else:  # the newest leaves, which are in no tree
            hot_at, cold_at, leaves = header[h.HOT], header[h.COLD], header[h.LEAVES]
            for code in range(CLASSES):
                leaf = header[h.NEWEST + code] if plan[code, s.ACTIVE] != 0.0 else np.int64(-1)
                while leaf >= 0:
                    if size == room:
                        return -1
                    f.put(heap, size, np.int64(0), leaf * 4 + IS_LEAF)
                    size += 1
                    leaf = chain[leaf]
        hot = ints32_at(hot_at, (leaves, p.HOT_COLUMNS, p.LEAF))
        cold = ints32_at(cold_at, (leaves, p.LEAF, p.COLD_COLUMNS))
        while True:
            # Nothing unopened is nearer than `first`, so what waits up to there is sure.
            first = heap[0, f.KEY] if size > 0 else NOTHING_LEFT
            sure = 0
            for j in range(waits):
                sure += waiting[j] <= first | f.LOW_BITS
            if size == 0 or count + sure >= k or waits > WAITING - p.LEAF:
                until = first | f.LOW_BITS if waits <= WAITING - p.LEAF else NOTHING_LEFT
                due = _due(waiting, waits, until, cold_at)
                for j in range(due):
                    waiting[j] &= f.LOW_BITS
                d.arcs(here, hot, waiting, due, lats, arcs)
                for j in range(due):
                    if arcs[j] > kth_m:
                        continue
                    leaf, i = waiting[j] // p.LEAF, waiting[j] % p.LEAF
                    count = t.consider_near(
                        cold, leaf, i, arcs[j], question, filters, parts, seen,
                        k, order, best, found, count,
                    )  # fmt: skip
                    if count == k:
                        kth_m = (0.5 - best[order[k - 1], t.SCORE]) / 1000.0 * (1.0 + s.SLACK)
                waits -= due
                for j in range(waits):
                    waiting[j] = waiting[due + j]
                farthest2 = min(farthest2, np.float32(kth_m * kth_m))
            if size == 0 or _squared(first) > farthest2:
                break
            reference = heap[0, f.REFERENCE]
            size -= 1
            f.remove_first(heap, size)
            if size > 0:  # what likely comes next is fetched while this is looked at
                following = heap[0, f.REFERENCE]
                if following & IS_LEAF:
                    prefetch(hot_at + p.HOT_BYTES * (following >> 2), p.HOT_BYTES)
                else:
                    prefetch(nodes_at + p.NODE_BYTES * (following >> 2), p.NODE_BYTES)
            child = reference >> 2
            if reference & ONE_SPOT and count == k:
                if reference & IS_LEAF:
                    x, y = hot[child, p.LON, 0], hot[child, p.LAT, 0]
                else:
                    x, y = nodes[child, p.MIN_LON, 0], nodes[child, p.MIN_LAT, 0]
                score = -s.to_millimetres(arc_m(lon, lat, here[2], x / UNIT, y / UNIT))
                lowest = (first & f.LOW_BITS) << t.RANK_BITS
                if not t.beats(score, np.int64(0), lowest, best, order[k - 1]):
                    continue
            if reference & IS_LEAF:
                waits = _opened(here, hot, child, now, farthest2, squared, waiting, waits)
                continue
            children = nodes[child, p.LINKS, p.CHILD_COUNT]
            below = np.int64(nodes[child, p.LINKS, p.FIRST_CHILD])
            above_leaves = np.int64(nodes[child, p.LINKS, p.ABOVE_LEAVES])
            if size + children > room:
                return -1
            d.bound_boxes(here, nodes, child, children, squared)
            for c in range(children):
                if (
                    squared[c] > farthest2
                    or nodes[child, p.MIN_FROM, c] > now
                    or nodes[child, p.MAX_TO, c] <= now
                ):
                    continue
                if question[t.OPEN_NOW] != 0.0 and nodes[child, p.PROMISES, c] & p.HAS_HOURS == 0:
                    continue
                if by_category and not (
                    nodes[child, p.CATEGORIES_LOW, c] & low_asked
                    or nodes[child, p.CATEGORIES_HIGH, c] & high_asked
                ):
                    continue
                # Rows of the base are in the order of ids; of others nothing is known.
                lowest = np.int64(nodes[child, p.MIN_ROW, c] + 1) if part == 0 else np.int64(0)
                one_spot = (
                    nodes[child, p.MIN_LON, c] == nodes[child, p.MAX_LON, c]
                    and nodes[child, p.MIN_LAT, c] == nodes[child, p.MAX_LAT, c]
                )
                reference = (below + c) * 4 + ONE_SPOT * one_spot + IS_LEAF * above_leaves
                f.put(heap, size, _key(squared[c], lowest), reference)
                size += 1
    return count


@compiled
def nearest(question, filters, k, view, plan, rows):
    """Find the k nearest points, in whole millimetres, then by rank.

    Parameters
    ----------
    question, filters, k, view, plan, rows
        As in `indexes.search.search`. The score is minus the millimetres; tie and factors are 0.

    Returns
    -------
    int
        How many there are.
    """
    asked_m, room, circle = question[t.RADIUS_M], ROOM, 0
    while True:
        question[t.RADIUS_M] = min(NEAR_FIRST_M[circle], asked_m)
        memory = np.empty(KEPT_AT + t.KEPT * k + 2 * room, np.int64)
        at = memory.ctypes.data
        count = _nearest(question, filters, k, view, plan, at, room)
        if count == k or (count >= 0 and question[t.RADIUS_M] == asked_m):
            break
        if count < 0:
            room *= 4
        else:
            circle += 1
    order, best, found = t.kept_at(at + 8 * KEPT_AT, k)
    t.write_answer(order, best, found, count, rows, 0)
    memory[0] = 0
    return count


forget_stale(
    nearest,
    "geo.distance",
    "indexes.columns",
    "indexes.distances",
    "indexes.frontier",
    "indexes.header",
    "indexes.memory",
    "indexes.packing",
    "indexes.scores",
    "indexes.topk",
)
