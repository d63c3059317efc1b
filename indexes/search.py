"""The compiled near-me search: best first on an upper bound of the score, exact.

A node's bound is what a point in its box could score at most: the distance factor at a lower
bound of the distance, and the best trust, freshness and availability below it. A heap gives
the most promising node; once its bound is under the k-th score, the search is over.

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
from indexes.columns import CLASSES, TRUST_UNIT, UNIT
from indexes.memory import floats32_at, floats_at, ints32_at, ints_at, prefetch
from indexes.scores import compiled, inlined, uncounted

__all__ = ["search", "search_many"]

ROOM = 1_024  # entries that the frontier may come to have, at first
# What the frontier keeps of a node or leaf. Where all below lies on one spot the bound is exact,
# and TIE its scored distance; else TIE is -1.
BOUND, REFERENCE, CLASS, REST, TIE = range(5)
ENTRY_COLUMNS = 5
MOST = 2**31 - 1  # scores above, which no profile gives, are in no order in the frontier

# One search's memory, in int64s: ten arrays by address cost one allocation, not ten. Whoever
# allocates it uses it last, else it would be gone too early.
CHOSEN_AT = 0
SQUARED_AT = CHOSEN_AT + p.LEAF
PROMISE_AT = SQUARED_AT + p.LEAF // 2
ARCS_AT = PROMISE_AT + p.LEAF // 2
LATS_AT = ARCS_AT + p.LEAF
KEPT_AT = LATS_AT + p.LEAF


@inlined
def _key(bound, lowest):
    """The better bound first; among equal bounds the lower ranks, which win ties."""
    return (MOST - min(max(bound, 0), MOST)) << 32 | lowest


@uncounted
def _best(question, filters, first_filter, k, view, plan_at, tables_at, at, room):
    """Find the k best points, in memory that begins at ``at``; returns how many there are.

    Or -1 where the frontier has no ``room``.
    """
    order, best, found = t.kept_at(at + 8 * KEPT_AT, k)
    heap_at = at + 8 * (KEPT_AT + t.KEPT * k)
    heap = ints_at(heap_at, (room, 2))
    entries = ints_at(heap_at + 16 * room, (room, ENTRY_COLUMNS))
    chosen = ints_at(at + 8 * CHOSEN_AT, (p.LEAF,))
    squared = floats32_at(at + 8 * SQUARED_AT, (p.LEAF,))
    promise = floats32_at(at + 8 * PROMISE_AT, (p.LEAF,))
    arcs, lats = floats_at(at + 8 * ARCS_AT, (p.LEAF,)), floats_at(at + 8 * LATS_AT, (p.LEAF,))
    header = ints_at(view, (h.HEADER_SIZE,))
    seen = t.seen_in(header)
    plan = floats_at(plan_at, (CLASSES, s.PLAN_COLUMNS))
    tables = floats32_at(tables_at, (CLASSES, s.TABLE_SIZE))
    parts = t.offsets(filters, first_filter)
    by_category = parts[4] < parts[5]
    lon, lat, radius_m = question[t.LON_ASKED], question[t.LAT_ASKED], question[t.RADIUS_M]
    here = d.here_at(lon, lat, radius_m)
    now = np.int32(question[t.AT])
    farthest2 = np.float32(radius_m * radius_m * (1.0 + s.SLACK))

    count = 0
    floor = np.int64(-t.NO_BOUND)  # the k-th score, once there are k
    floor32 = np.float32(-np.inf)
    last_key = np.int64(2**63 - 1)
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
        if size > 0 and heap[0, f.KEY] <= last_key:
            lowest = (heap[0, f.KEY] & f.LOW_BITS) << t.RANK_BITS
            entry = heap[0, f.REFERENCE]
            size -= 1
            f.remove_first(heap, size)
            reference, klass = entries[entry, REFERENCE], entries[entry, CLASS]
            rest = entries[entry, REST] * 1e-9
            tie = entries[entry, TIE]
            if size > 0:  # what likely comes next is fetched while this is looked at
                following = entries[heap[0, f.REFERENCE], REFERENCE]
                if following & 1:
                    prefetch(hot_at + p.HOT_BYTES * (following >> 1), p.HOT_BYTES)
                else:
                    prefetch(nodes_at + p.NODE_BYTES * (following >> 1), p.NODE_BYTES)
            # Better ones may have been found since it was put there.
            if (
                tie >= 0
                and count == k
                and not t.beats(entries[entry, BOUND], tie, lowest, best, order[k - 1])
            ):
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
                    entries[free, REFERENCE] = 2 * root
                    entries[free, CLASS] = code
                    entries[free, TIE] = -1
                    f.put(heap, size, np.int64(code), free)
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
            d.bound_points(here, hot, leaf, squared)
            # First all that may belong there, without a branch to mispredict; then one by one.
            m = 0
            w_trust, rest32 = np.float32(plan[klass, s.W_TRUST] / TRUST_UNIT), np.float32(rest)
            for i in range(p.LEAF):
                nearness = tables[table, s.table_step(squared[i])]
                promise[i] = (
                    w_distance * nearness + w_trust * np.float32(hot[leaf, p.TRUST, i]) + rest32
                )
            for i in range(p.LEAF):
                chosen[m] = leaf * p.LEAF + i
                m += (
                    (squared[i] <= farthest2)
                    & (hot[leaf, p.VALID_FROM, i] <= now)
                    & (now < hot[leaf, p.VALID_TO, i])
                    & (promise[i] >= floor32)
                )
            for j in range(m):
                prefetch(cold_at + p.COLD_BYTES * chosen[j], p.COLD_BYTES)
            d.arcs(here, hot, chosen, m, lats, arcs)
            for j in range(m):
                i = chosen[j] % p.LEAF
                if promise[i] < floor32:
                    continue
                nearness = np.float64(tables[table, s.table_step(squared[i])])
                count = t.consider(
                    hot, cold, leaf, i, arcs[j], 1.0, nearness, plan, question, filters, parts,
                    seen, k, order, best, found, count,
                )  # fmt: skip
                if count == k:
                    floor = best[order[k - 1], t.SCORE]
                    floor32 = np.float32(floor * 1e-9 - s.SLACK)
                    last_key = _key(floor, f.LOW_BITS)
            if part < header[h.PARTS]:
                leaf = np.int64(-1)
            continue

        first, children = nodes[node, p.LINKS, p.FIRST_CHILD], nodes[node, p.LINKS, p.CHILD_COUNT]
        above_leaves = nodes[node, p.LINKS, p.ABOVE_LEAVES]
        if free + children > room:
            return -1
        d.bound_boxes(here, nodes, node, children, squared)
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
            lowest = np.int64(nodes[node, p.MIN_ROW, c]) + 1 if part == 0 else np.int64(0)
            rest, tie = 0.0, np.int64(-1)
            min_lon, min_lat = nodes[node, p.MIN_LON, c], nodes[node, p.MIN_LAT, c]
            one_spot = min_lon == nodes[node, p.MAX_LON, c] and min_lat == nodes[node, p.MAX_LAT, c]
            fresh = 1.0
            if plan[klass, s.W_FRESH] > 0.0:
                mode = plan[klass, s.FRESH_MODE]
                newest = nodes[node, p.MIN_FRESH if mode == s.EVENT else p.MAX_FRESH, c]
                fresh = s.fresh_factor(mode, question[t.AT], newest)
            available = 1.0 if nodes[node, p.PROMISES, c] & p.CAN_BE_AVAILABLE else 0.5
            trust = nodes[node, p.MAX_TRUST, c] / TRUST_UNIT
            rest = s.weighted_sum(plan, klass, 0.0, 0.0, fresh, available, 1.0)
            if one_spot:
                spot_m = arc_m(lon, lat, here[2], min_lon / UNIT, min_lat / UNIT)
                if (
                    not max(question[t.MIN_M], 0.0) <= spot_m <= radius_m
                    or spot_m <= question[t.INNER_M]
                ):
                    continue
                scored = s.banded_m(spot_m) if klass & 1 else spot_m
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
            rank = lowest << t.RANK_BITS
            if tie >= 0 and count == k and not t.beats(ceiling, tie, rank, best, order[k - 1]):
                continue
            entries[free, BOUND] = ceiling
            entries[free, REFERENCE] = 2 * (first + c) + above_leaves
            entries[free, CLASS] = klass
            entries[free, REST] = np.int64(rest * 1e9) + 1
            entries[free, TIE] = tie
            f.put(heap, size, _key(ceiling, lowest), free)
            size += 1
            free += 1
    return count


@compiled
def _answer(question, filters, first_filter, k, view, plan, tables, rows, first):
    """Write the k best points into ``rows[first:]``; returns how many there are."""
    room = ROOM
    while True:
        memory = np.empty(KEPT_AT + t.KEPT * k + (2 + ENTRY_COLUMNS) * room, np.int64)
        at = memory.ctypes.data
        count = _best(question, filters, first_filter, k, view, plan, tables, at, room)
        if count >= 0:
            break
        room *= 4
    order, best, found = t.kept_at(at + 8 * KEPT_AT, k)
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
        Takes row, score in 1e-9, tie in mm, distance in m, five factors; best first.

    Returns
    -------
    int
        How many there are.
    """
    return _answer(question, filters, np.int64(0), k, view, plan, tables, rows, 0)


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
    for i in range(len(questions)):
        limit = np.int64(questions[i, t.LIMIT])
        plan, tables = np.int64(questions[i, t.PLAN]), np.int64(questions[i, t.TABLES])
        first = np.int64(questions[i, t.FILTERS])
        counts[i] = _answer(questions[i], filters, first, limit, view, plan, tables, rows, i * k)


forget_stale(
    search,
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
