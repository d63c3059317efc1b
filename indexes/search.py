"""The compiled near-me search: best first on an upper bound of the score, exact.

A node's bound is what a point in its box could score at most: the distance factor at a lower
bound of the distance, and the best trust, freshness and availability below it. A heap gives
the most promising node; once its bound is under the k-th score, the search is over.

As everywhere in these kernels, whole arrays are passed and indexed (why: `indexes.topk`).
"""

from math import cos, radians

import numpy as np

from geo.distance import arc_m
from geo.kernels import forget_stale
from indexes import frontier as f
from indexes import header as h
from indexes import packing as p
from indexes import scores as s
from indexes import topk as t
from indexes.columns import CLASSES, TRUST_UNIT, UNIT
from indexes.memory import floats32_at, floats_at, ints32_at, ints_at, prefetch
from indexes.scores import compiled, inlined

__all__ = ["search", "search_many"]

HEAP_SIZE = 256
NEAR_FIRST_M = (5_000.0, 100_000.0, np.inf)
# Of a leaf's hot columns, a node, and a point's cold numbers.
HOT_BYTES, NODE_BYTES = 4 * p.HOT_COLUMNS * p.LEAF, 4 * p.NODE_ROWS * p.FANOUT
COLD_BYTES = 4 * p.COLD_COLUMNS


@compiled
def _squared_bound(hot, leaf, i, lon, lat, cos_lat):
    """A lower bound of a point's squared distance, anywhere on Earth."""
    d = arc_m(lon, lat, cos_lat, hot[leaf, p.LON, i] / UNIT, hot[leaf, p.LAT, i] / UNIT)
    return np.float32(d * d * (1.0 - s.SLACK))


@compiled
def _squared_box_bound(nodes, node, c, lon, lat):
    """A lower bound of a box's squared distance, anywhere on Earth."""
    d = s.sphere_bound_m(
        lon,
        lat,
        nodes[node, p.MIN_LON, c] / UNIT,
        nodes[node, p.MIN_LAT, c] / UNIT,
        nodes[node, p.MAX_LON, c] / UNIT,
        nodes[node, p.MAX_LAT, c] / UNIT,
    )
    return np.float32(d * d * (1.0 - s.SLACK))


# One search's memory, in int64s: ten arrays by address cost one allocation, not ten. Whoever
# allocates it uses it last, else it would be gone too early.
LAST_AT = 0
CHOSEN_AT = LAST_AT + 3
SQUARED_AT = CHOSEN_AT + p.LEAF + 1
PROMISE_AT = SQUARED_AT + p.LEAF // 2
HEAP_AT = PROMISE_AT + p.LEAF // 2
ENTRIES_AT = HEAP_AT + 2 * HEAP_SIZE
KEPT_AT = ENTRIES_AT + f.ENTRY_COLUMNS * HEAP_SIZE
KEPT = 1 + 3 + t.FOUND_COLUMNS  # a place in the order, score, tie and rank, and what is answered


@inlined
def _kept(at, k):
    """The arrays of the k best: their order, what ranks them, what is answered of them."""
    at += 8 * KEPT_AT
    order, best = ints_at(at, (k,)), ints_at(at + 8 * k, (k, 3))
    return order, best, floats_at(at + 32 * k, (k, t.FOUND_COLUMNS))


@compiled
def _best(question, filters, first_filter, k, view, plan_at, tables_at, at):
    """Find the k best points, in memory that begins at ``at``; returns how many there are."""
    order, best, found = _kept(at, k)
    heap = ints_at(at + 8 * HEAP_AT, (HEAP_SIZE, 2))
    entries = ints_at(at + 8 * ENTRIES_AT, (HEAP_SIZE, f.ENTRY_COLUMNS))
    chosen = ints_at(at + 8 * CHOSEN_AT, (p.LEAF + 1,))
    squared = floats32_at(at + 8 * SQUARED_AT, (p.LEAF,))
    promise = floats32_at(at + 8 * PROMISE_AT, (p.LEAF,))
    last = floats_at(at + 8 * LAST_AT, (3,))
    last[t.LAST_LON] = last[t.LAST_LAT] = np.inf
    header = ints_at(view, (h.HEADER_SIZE,))
    seen = t.seen_in(header)
    plan = floats_at(plan_at, (CLASSES, s.PLAN_COLUMNS))
    tables = floats32_at(tables_at, (CLASSES, s.TABLE_SIZE))
    parts = t.offsets(filters, first_filter)
    by_category = parts[4] < parts[5]
    lon, lat, radius_m = question[t.LON_ASKED], question[t.LAT_ASKED], question[t.RADIUS_M]
    cos_lat = cos(radians(lat))
    by_distance = question[t.BY_DISTANCE] != 0.0
    local, east, north = s.local_plane(lon, lat, radius_m)
    east32, north32 = np.float32(east), np.float32(north)
    lon_units, lat_units = np.int32(round(lon * UNIT)), np.int32(round(lat * UNIT))
    now = np.int32(question[t.AT])
    farthest2 = np.float32(radius_m * radius_m * (1.0 + s.SLACK))  # shrinks where distance ranks

    count = 0
    floor = np.int64(-t.NO_BOUND)  # the k-th score, once there are k
    floor32 = np.float32(-np.inf)
    size = free = 0
    part, klass, leaf = -1, CLASSES, np.int64(-1)
    blocks = ints32_at(header[h.PART_BLOCKS], (p.HEADER,))
    nodes = ints32_at(header[h.PART_BLOCKS], (1, p.NODE_ROWS, p.FANOUT))
    hot = ints32_at(header[h.PART_BLOCKS], (1, p.HOT_COLUMNS, p.LEAF))
    cold = ints32_at(header[h.PART_BLOCKS], (1, p.LEAF, p.COLD_COLUMNS))
    nodes_at = hot_at = cold_at = header[h.PART_BLOCKS]
    chain = ints_at(header[h.CHAIN], (header[h.LEAVES],))
    while True:
        node = np.int64(-1)
        if size > 0 and heap[0, f.BOUND] >= floor:
            size -= 1
            f.remove_first(heap, entries, size)
            entry = heap[size, f.ENTRY]
            reference, klass = entries[entry, f.REFERENCE], entries[entry, f.CLASS]
            rest = entries[entry, f.REST] * 1e-9
            tie = entries[entry, f.TIE]
            if size > 0:  # what likely comes next is fetched while this is looked at
                following = entries[heap[0, f.ENTRY], f.REFERENCE]
                if following & 1:
                    prefetch(hot_at + HOT_BYTES * (following >> 1), HOT_BYTES)
                else:
                    prefetch(nodes_at + NODE_BYTES * (following >> 1), NODE_BYTES)
            if tie >= 0 and count == k:  # better ones may have been found since it was put there
                bound, lowest = heap[size, f.BOUND], entries[entry, f.LOWEST_RANK]
                if not t.beats(bound, tie, lowest, best, order[k - 1]):
                    continue
            if reference & 1:
                leaf = reference >> 1
            else:
                node = reference >> 1
        elif part < header[h.PARTS] - 1:  # on to the next tree; what this one has left is worse
            part += 1
            at = header[h.PART_BLOCKS + part]
            blocks = ints32_at(at, (p.HEADER + CLASSES * p.CLASS_COLUMNS,))
            nodes = ints32_at(at + 4 * blocks[4], (blocks[1], p.NODE_ROWS, p.FANOUT))
            nodes_at, hot_at = at + 4 * np.int64(blocks[4]), at + 4 * np.int64(blocks[5])
            hot = ints32_at(hot_at, (blocks[2], p.HOT_COLUMNS, p.LEAF))
            cold_at = at + 4 * np.int64(blocks[6])
            cold = ints32_at(cold_at, (blocks[2], p.LEAF, p.COLD_COLUMNS))
            size = free = 0
            for code in range(CLASSES):
                root = blocks[p.HEADER + p.CLASS_COLUMNS * code]
                if plan[code, s.ACTIVE] != 0.0 and root >= 0:
                    entries[free, f.LOWEST_RANK] = code
                    entries[free, f.REFERENCE] = 2 * root
                    entries[free, f.CLASS] = code
                    entries[free, f.TIE] = -1
                    heap[size, f.BOUND] = t.NO_BOUND
                    heap[size, f.ENTRY] = free
                    size += 1
                    free += 1
            continue
        else:  # the newest leaves, which are in no tree
            size = 0
            if part < header[h.PARTS]:
                part, klass = header[h.PARTS], -1
                hot = ints32_at(header[h.HOT], (header[h.LEAVES], p.HOT_COLUMNS, p.LEAF))
                cold_at = header[h.COLD]
                cold = ints32_at(cold_at, (header[h.LEAVES], p.LEAF, p.COLD_COLUMNS))
            else:
                leaf = chain[leaf]
            while leaf < 0 and klass < CLASSES - 1:
                klass += 1
                if plan[klass, s.ACTIVE] != 0.0:
                    leaf = header[h.NEWEST + klass]
            if leaf < 0:
                break
            rest = plan[klass, s.W_FRESH] + plan[klass, s.W_AVAILABLE] + plan[klass, s.W_FIT]

        table = np.int64(plan[klass, s.TABLE])
        w_distance = np.float32(plan[klass, s.W_DISTANCE])
        if node < 0:
            if local:
                for i in range(p.LEAF):
                    # A difference beyond 214° wraps around to one of 69° or more: still far.
                    x = np.float32(np.int32(hot[leaf, p.LON, i] - lon_units)) * east32
                    y = np.float32(np.int32(hot[leaf, p.LAT, i] - lat_units)) * north32
                    squared[i] = x * x + y * y
            else:
                for i in range(p.LEAF):
                    squared[i] = _squared_bound(hot, leaf, i, lon, lat, cos_lat)
            # First all that may belong there, without a branch to mispredict; then one by one.
            m = 0
            if by_distance:
                for i in range(p.LEAF):
                    chosen[m] = i
                    m += (
                        (squared[i] <= farthest2)
                        & (hot[leaf, p.VALID_FROM, i] <= now)
                        & (now < hot[leaf, p.VALID_TO, i])
                    )
            else:
                w_trust, rest32 = np.float32(plan[klass, s.W_TRUST] / TRUST_UNIT), np.float32(rest)
                for i in range(p.LEAF):
                    nearness = tables[table, s.table_step(squared[i])]
                    promise[i] = (
                        w_distance * nearness + w_trust * np.float32(hot[leaf, p.TRUST, i]) + rest32
                    )
                for i in range(p.LEAF):
                    chosen[m] = i
                    m += (
                        (squared[i] <= farthest2)
                        & (hot[leaf, p.VALID_FROM, i] <= now)
                        & (now < hot[leaf, p.VALID_TO, i])
                        & (promise[i] >= floor32)
                    )
            for j in range(m):
                prefetch(cold_at + COLD_BYTES * (leaf * p.LEAF + chosen[j]), COLD_BYTES)
            for j in range(m):
                i = chosen[j]
                if by_distance:
                    if squared[i] > farthest2:
                        continue
                elif promise[i] < floor32:
                    continue
                nearness = np.float64(tables[table, s.table_step(squared[i])])
                count = t.consider(
                    hot, cold, leaf, i, 1.0, nearness, plan, question, cos_lat, filters, parts,
                    seen, last, k, order, best, found, count,
                )  # fmt: skip
                if count == k:
                    floor = best[order[k - 1], t.SCORE]
                    if by_distance:
                        kth_m = (0.5 - floor) / 1000.0
                        farthest2 = min(farthest2, np.float32(kth_m * kth_m * (1.0 + s.SLACK)))
                    else:
                        floor32 = np.float32(floor * 1e-9 - s.SLACK)
            if part < header[h.PARTS]:
                leaf = np.int64(-1)
            continue

        first, children = nodes[node, p.LINKS, p.FIRST_CHILD], nodes[node, p.LINKS, p.CHILD_COUNT]
        above_leaves = nodes[node, p.LINKS, p.ABOVE_LEAVES]
        if free + children > len(heap):
            heap, entries = f.grown(heap, size), f.grown(entries, free)
        if local:
            for c in range(p.FANOUT):
                west, south = nodes[node, p.MIN_LON, c], nodes[node, p.MIN_LAT, c]
                x = np.float32(max(0, west - lon_units, lon_units - nodes[node, p.MAX_LON, c]))
                y = np.float32(max(0, south - lat_units, lat_units - nodes[node, p.MAX_LAT, c]))
                x *= east32
                y *= north32
                squared[c] = x * x + y * y
        else:
            for c in range(children):
                squared[c] = _squared_box_bound(nodes, node, c, lon, lat)
        m = 0
        for c in range(children):
            chosen[m] = c
            m += (
                (squared[c] <= farthest2)
                & (nodes[node, p.MIN_FROM, c] <= now)
                & (now < nodes[node, p.MAX_TO, c])
            )
        for j in range(m):
            c = chosen[j]
            if question[t.OPEN_NOW] != 0.0 and nodes[node, p.PROMISES, c] & p.HAS_HOURS == 0:
                continue
            if by_category and not (
                nodes[node, p.CATEGORIES_LOW, c] & np.int64(question[t.LOW_CATEGORIES])
                or nodes[node, p.CATEGORIES_HIGH, c] & np.int64(question[t.HIGH_CATEGORIES])
            ):
                continue
            # Rows of the base are in the order of ids; of others nothing is known.
            lowest = np.int64(0)
            if part == 0:
                lowest = np.int64(nodes[node, p.MIN_ROW, c] + 1) << t.RANK_BITS
            rest, tie = 0.0, np.int64(-1)
            min_lon, min_lat = nodes[node, p.MIN_LON, c], nodes[node, p.MIN_LAT, c]
            one_spot = min_lon == nodes[node, p.MAX_LON, c] and min_lat == nodes[node, p.MAX_LAT, c]
            if by_distance:
                ceiling = s.nearest_ceiling(squared[c])
                if one_spot:
                    d = arc_m(lon, lat, cos_lat, min_lon / UNIT, min_lat / UNIT)
                    ceiling, tie = -s.to_millimetres(d), np.int64(0)
            else:
                fresh = 1.0
                if plan[klass, s.W_FRESH] > 0.0:
                    mode = plan[klass, s.FRESH_MODE]
                    newest = nodes[node, p.MIN_FRESH if mode == s.EVENT else p.MAX_FRESH, c]
                    fresh = s.fresh_factor(mode, question[t.AT], newest)
                available = 1.0 if nodes[node, p.PROMISES, c] & p.CAN_BE_AVAILABLE else 0.5
                trust = nodes[node, p.MAX_TRUST, c] / TRUST_UNIT
                rest = s.weighted_sum(plan, klass, 0.0, 0.0, fresh, available, 1.0)
                if one_spot:
                    d = arc_m(lon, lat, cos_lat, min_lon / UNIT, min_lat / UNIT)
                    if d > radius_m or d < question[t.MIN_M] or d <= question[t.INNER_M]:
                        continue
                    scored = s.banded_m(d) if klass & 1 else d
                    factor = s.decay_factor(plan, klass, scored)
                    # The very sum that the best point there can have: equal means equal, and
                    # then distance and rank decide without a look at the points.
                    ceiling = s.to_score_units(
                        s.weighted_sum(plan, klass, factor, trust, fresh, available, 1.0)
                    )
                    tie = s.to_millimetres(scored)
                else:
                    ceiling = s.score_ceiling(
                        plan[klass, s.W_DISTANCE] * tables[table, s.table_step(squared[c])]
                        + plan[klass, s.W_TRUST] * trust
                        + rest
                    )
            if ceiling < floor:
                continue
            if tie >= 0 and count == k and not t.beats(ceiling, tie, lowest, best, order[k - 1]):
                continue
            entries[free, f.LOWEST_RANK] = lowest
            entries[free, f.REFERENCE] = 2 * (first + c) + above_leaves
            entries[free, f.CLASS] = klass
            entries[free, f.REST] = np.int64(rest * 1e9) + 1
            entries[free, f.TIE] = tie
            heap[size, f.BOUND] = ceiling
            heap[size, f.ENTRY] = free
            f.sift_up(heap, entries, size)
            size += 1
            free += 1
    return count


@compiled
def _answer(question, filters, first_filter, k, view, plan, tables, memory, rows, first):
    """Write the k best points into ``rows[first:]``; returns how many there are.

    The nearest are first looked for in near circles: those can be searched on a plane, at a
    third of the cost.
    """
    at, count, asked_m = memory.ctypes.data, 0, question[t.RADIUS_M]
    by_distance = question[t.BY_DISTANCE] != 0.0
    for near_m in NEAR_FIRST_M:
        if by_distance:
            question[t.RADIUS_M] = min(near_m, asked_m)
        count = _best(question, filters, first_filter, k, view, plan, tables, at)
        if count == k or question[t.RADIUS_M] == asked_m:
            break
    order, best, found = _kept(at, k)
    t.write_answer(order, best, found, count, rows, first)
    memory[0] = 0
    return count


@compiled
def search(question, filters, k, view, plan, tables, rows):
    """Find the k best points.

    Parameters
    ----------
    question : ndarray of float64, shape (20,)
        What is asked (`indexes.topk`); may be written over.
    filters : ndarray of int32
        Made by `points.pack_filters`.
    k : int
        At most so many, 1 or more.
    view, plan, tables : int
        Addresses: of a view's header (`indexes.header`), how each class is scored, and the
        decay tables that it names (`indexes.scores`).
    rows : ndarray of float64, shape (k, 9)
        Takes row, score in 1e-9, tie in mm, distance in m, five factors; best first. By
        distance, the score is minus the millimetres, and tie and factors are 0.

    Returns
    -------
    int
        How many there are.
    """
    memory = np.empty(KEPT_AT + KEPT * k, np.int64)
    return _answer(question, filters, np.int64(0), k, view, plan, tables, memory, rows, 0)


@compiled
def search_many(questions, filters, k, view, rows, counts):
    """Each question's best points.

    Parameters
    ----------
    questions : ndarray of float64, shape (n, 20)
        As `search` takes one; limit, place of its filters, plan and tables filled in.
    filters : ndarray of int32
        The filters of all, one after another.
    k : int
        The greatest limit of any question.
    view : int
        Address of a view's header.
    rows : ndarray of float64, shape (n * k, 2) or (n * k, 9)
        Takes the answers, question i's from row i * k on: row and score, or all columns.
    counts : ndarray of int64, shape (n,)
        Takes how many each found.
    """
    memory = np.empty(KEPT_AT + KEPT * k, np.int64)
    for i in range(len(questions)):
        limit = np.int64(questions[i, t.LIMIT])
        plan, tables = np.int64(questions[i, t.PLAN]), np.int64(questions[i, t.TABLES])
        first = np.int64(questions[i, t.FILTERS])
        counts[i] = _answer(
            questions[i], filters, first, limit, view, plan, tables, memory, rows, i * k
        )


forget_stale(
    search,
    "geo.distance",
    "indexes.columns",
    "indexes.frontier",
    "indexes.header",
    "indexes.memory",
    "indexes.packing",
    "indexes.scores",
    "indexes.topk",
)
