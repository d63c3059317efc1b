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
from indexes.columns import CLASSES, TRUST_UNIT, UNIT
from indexes.frontier import (
    BOUND,
    CLASS,
    ENTRY,
    LOWEST_ROW,
    REFERENCE,
    REST,
    grown,
    remove_first,
    sift_up,
)
from indexes.packing import (
    ABOVE_LEAVES,
    CAN_BE_AVAILABLE,
    CATEGORIES_HIGH,
    CATEGORIES_LOW,
    CHILD_COUNT,
    CLASS_COLUMNS,
    COLD_COLUMNS,
    FANOUT,
    FIRST_CHILD,
    HAS_HOURS,
    HEADER,
    HOT_COLUMNS,
    LAT,
    LEAF,
    LINKS,
    LON,
    MAX_FRESH,
    MAX_LAT,
    MAX_LON,
    MAX_TO,
    MAX_TRUST,
    MIN_FRESH,
    MIN_FROM,
    MIN_LAT,
    MIN_LON,
    MIN_ROW,
    NODE_ROWS,
    PROMISES,
    ROW,
    TRAITS,
    TRUST,
    VALID_FROM,
    VALID_TO,
)
from indexes.scores import (
    ACTIVE,
    EVENT,
    FRESH_MODE,
    SLACK,
    TABLE,
    W_DISTANCE,
    W_FRESH,
    W_TRUST,
    banded_m,
    compiled,
    decay_factor,
    fresh_factor,
    inlined,
    local_plane,
    nearest_ceiling,
    score_ceiling,
    sphere_bound_m,
    table_step,
    to_millimetres,
    to_score_units,
    weighted_sum,
)
from indexes.topk import (
    AT,
    BY_DISTANCE,
    FOUND_COLUMNS,
    HIGH_CATEGORIES,
    INNER_M,
    LAT_ASKED,
    LON_ASKED,
    LOW_CATEGORIES,
    MIN_M,
    NO_BOUND,
    OPEN_NOW,
    RADIUS_M,
    SCORE,
    answer,
    beats,
    consider,
    offsets,
)

__all__ = ["scan", "search"]

HEAP_SIZE = 256


@compiled
def _squared_bound(hot, leaf, i, lon, lat, cos_lat):
    """A lower bound of a point's squared distance, anywhere on Earth."""
    d = arc_m(lon, lat, cos_lat, hot[leaf, LON, i] / UNIT, hot[leaf, LAT, i] / UNIT)
    return np.float32(d * d * (1.0 - SLACK))


@compiled
def _squared_box_bound(nodes, node, c, lon, lat):
    """A lower bound of a box's squared distance, anywhere on Earth."""
    d = sphere_bound_m(
        lon,
        lat,
        nodes[node, MIN_LON, c] / UNIT,
        nodes[node, MIN_LAT, c] / UNIT,
        nodes[node, MAX_LON, c] / UNIT,
        nodes[node, MAX_LAT, c] / UNIT,
    )
    return np.float32(d * d * (1.0 - SLACK))


@inlined
def _trees(blocks):
    """Class table, nodes, hot and cold leaves, as views."""
    n_nodes, n_leaves = np.int64(blocks[1]), np.int64(blocks[2])
    nodes_at, hot_at, cold_at = blocks[4], blocks[5], blocks[6]
    return (
        blocks[HEADER:nodes_at].reshape((CLASSES, CLASS_COLUMNS)),
        blocks[nodes_at:hot_at].reshape((n_nodes, NODE_ROWS, FANOUT)),
        blocks[hot_at:cold_at].reshape((n_leaves, HOT_COLUMNS, LEAF)),
        blocks[cold_at:].reshape((n_leaves, LEAF, COLD_COLUMNS)),
    )


@compiled
def search(blocks, plan, tables, ask, filters, k):
    """The k best points.

    Parameters
    ----------
    blocks : ndarray of int32
        Packed trees (`indexes.packing`).
    plan : ndarray of float64, shape (16, 12)
        How each class is scored (`indexes.scores`).
    tables : ndarray of float32, shape (tables, TABLE_SIZE)
        Decay tables that ``plan`` names.
    ask : ndarray of float64, shape (15,)
        Origin, radius, instant and the rest.
    filters : ndarray of int32
        Made by `points.pack_filters`.
    k : int
        At most so many, 1 or more.

    Returns
    -------
    ndarray of float64, shape (found, 9)
        Row, score in 1e-9, tie in mm, distance in m, five factors; best first. By distance,
        the score is minus the millimetres, and tie and factors are 0.
    """
    classes, nodes, hot, cold = _trees(blocks)
    parts = offsets(filters)
    by_category = parts[4] < parts[5]
    lon, lat, radius_m = ask[LON_ASKED], ask[LAT_ASKED], ask[RADIUS_M]
    cos_lat = cos(radians(lat))
    by_distance = ask[BY_DISTANCE] != 0.0
    local, east, north = local_plane(lon, lat, radius_m)
    east32, north32 = np.float32(east), np.float32(north)
    lon_units, lat_units = np.int32(round(lon * UNIT)), np.int32(round(lat * UNIT))
    now = np.int32(ask[AT])
    limit2 = np.float32(radius_m * radius_m * (1.0 + SLACK))

    order = np.empty(k, np.int64)  # places in `best` and `found`, best first
    best = np.empty((k, 3), np.int64)
    found = np.empty((k, FOUND_COLUMNS))
    count = 0
    floor = np.int64(-NO_BOUND)  # the k-th score, once there are k
    squared = np.empty(LEAF, np.float32)
    ceilings = np.empty(LEAF, np.int64)
    chosen = np.empty(LEAF + 1, np.int64)
    heap = np.empty((HEAP_SIZE, 2), np.int64)
    entries = np.empty((HEAP_SIZE, 4), np.int64)
    size = free = 0
    for klass in range(CLASSES):
        if plan[klass, ACTIVE] != 0.0 and classes[klass, 0] >= 0:
            entries[free, LOWEST_ROW] = klass
            entries[free, REFERENCE] = 2 * classes[klass, 0]
            entries[free, CLASS] = klass
            heap[size, BOUND] = NO_BOUND
            heap[size, ENTRY] = free
            size += 1
            free += 1

    while size > 0:
        bound, entry = heap[0, BOUND], heap[0, ENTRY]
        if bound < floor:
            break
        size -= 1
        remove_first(heap, entries, size)
        reference, klass = entries[entry, REFERENCE], entries[entry, CLASS]
        table = np.int64(plan[klass, TABLE])
        if reference & 1:
            leaf = reference >> 1
            for i in range(LEAF):
                if local:
                    # A difference beyond 214° wraps around to one of 69° or more: still far.
                    x = np.float32(np.int32(hot[leaf, LON, i] - lon_units)) * east32
                    y = np.float32(np.int32(hot[leaf, LAT, i] - lat_units)) * north32
                    squared[i] = x * x + y * y
                else:
                    squared[i] = _squared_bound(hot, leaf, i, lon, lat, cos_lat)
            w_distance, w_trust = plan[klass, W_DISTANCE], plan[klass, W_TRUST] / TRUST_UNIT
            rest = entries[entry, REST] * 1e-9
            # First all that may belong there, without a branch to mispredict; then one by one.
            m = 0
            for i in range(LEAF):
                if by_distance:
                    ceilings[i] = nearest_ceiling(squared[i])
                else:
                    ceilings[i] = score_ceiling(
                        w_distance * tables[table, table_step(squared[i])]
                        + w_trust * hot[leaf, TRUST, i]
                        + rest
                    )
                chosen[m] = i
                m += (
                    (squared[i] <= limit2)
                    & (hot[leaf, VALID_FROM, i] <= now)
                    & (now < hot[leaf, VALID_TO, i])
                    & (ceilings[i] >= floor)
                )
            for j in range(m):
                i = chosen[j]
                if ceilings[i] >= floor:
                    nearness = np.float64(tables[table, table_step(squared[i])])
                    count = consider(
                        hot, cold, leaf, i, 1.0, nearness, plan, ask, cos_lat, filters, parts,
                        order, best, found, count,
                    )  # fmt: skip
                    if count == k:
                        floor = best[order[k - 1], SCORE]
            continue

        node = reference >> 1
        first, children = nodes[node, LINKS, FIRST_CHILD], nodes[node, LINKS, CHILD_COUNT]
        above_leaves = nodes[node, LINKS, ABOVE_LEAVES]
        if free + children > len(heap):
            heap, entries = grown(heap, size), grown(entries, free)
        m = 0
        for c in range(children):
            if local:
                x = np.float32(
                    max(0, nodes[node, MIN_LON, c] - lon_units, lon_units - nodes[node, MAX_LON, c])
                )
                y = np.float32(
                    max(0, nodes[node, MIN_LAT, c] - lat_units, lat_units - nodes[node, MAX_LAT, c])
                )
                x *= east32
                y *= north32
                squared[c] = x * x + y * y
            else:
                squared[c] = _squared_box_bound(nodes, node, c, lon, lat)
            chosen[m] = c
            m += (
                (squared[c] <= limit2)
                & (nodes[node, MIN_FROM, c] <= now)
                & (now < nodes[node, MAX_TO, c])
            )
        for j in range(m):
            c = chosen[j]
            if ask[OPEN_NOW] != 0.0 and nodes[node, PROMISES, c] & HAS_HOURS == 0:
                continue
            if by_category and not (
                nodes[node, CATEGORIES_LOW, c] & np.int64(ask[LOW_CATEGORIES])
                or nodes[node, CATEGORIES_HIGH, c] & np.int64(ask[HIGH_CATEGORIES])
            ):
                continue
            lowest_row = np.int64(nodes[node, MIN_ROW, c])
            rest = 0.0
            if by_distance:
                ceiling = nearest_ceiling(squared[c])
            else:
                fresh = 1.0
                if plan[klass, W_FRESH] > 0.0:
                    mode = plan[klass, FRESH_MODE]
                    newest = nodes[node, MIN_FRESH if mode == EVENT else MAX_FRESH, c]
                    fresh = fresh_factor(mode, ask[AT], newest)
                available = 1.0 if nodes[node, PROMISES, c] & CAN_BE_AVAILABLE else 0.5
                trust = nodes[node, MAX_TRUST, c] / TRUST_UNIT
                rest = weighted_sum(plan, klass, 0.0, 0.0, fresh, available, 1.0)
                min_lon, min_lat = nodes[node, MIN_LON, c], nodes[node, MIN_LAT, c]
                if min_lon == nodes[node, MAX_LON, c] and min_lat == nodes[node, MAX_LAT, c]:
                    d = arc_m(lon, lat, cos_lat, min_lon / UNIT, min_lat / UNIT)
                    if d > radius_m or d < ask[MIN_M] or d <= ask[INNER_M]:
                        continue
                    scored = banded_m(d) if klass & 1 else d
                    factor = decay_factor(plan, klass, scored)
                    # The very sum that the best point there can have: equal means equal, and
                    # then distance and row decide without a look at the points.
                    ceiling = to_score_units(
                        weighted_sum(plan, klass, factor, trust, fresh, available, 1.0)
                    )
                    if count == k and not beats(
                        ceiling, to_millimetres(scored), lowest_row, best, order[k - 1]
                    ):
                        continue
                else:
                    ceiling = score_ceiling(
                        plan[klass, W_DISTANCE] * tables[table, table_step(squared[c])]
                        + plan[klass, W_TRUST] * trust
                        + rest
                    )
            if ceiling < floor:
                continue
            entries[free, LOWEST_ROW] = lowest_row
            entries[free, REFERENCE] = 2 * (first + c) + above_leaves
            entries[free, CLASS] = klass
            entries[free, REST] = np.int64(rest * 1e9) + 1
            heap[size, BOUND] = ceiling
            heap[size, ENTRY] = free
            sift_up(heap, entries, size)
            size += 1
            free += 1
    return answer(order, best, found, count)


@compiled
def scan(blocks, plan, ask, filters, slots, fits, k):
    """The k best among given points: for words and polygons, which the trees don't know.

    Parameters
    ----------
    blocks, plan, ask, filters, k
        As in `search`.
    slots : ndarray of int64, shape (m,)
        Where the candidates lie: leaf x 32 + place.
    fits : ndarray of float64, shape (n,) or (0,)
        How well each row of the index fits the words asked; empty for 1.

    Returns
    -------
    ndarray of float64, shape (found, 9)
        As in `search`.
    """
    _, _, hot, cold = _trees(blocks)
    parts = offsets(filters)
    cos_lat = cos(radians(ask[LAT_ASKED]))
    now = np.int32(ask[AT])
    order = np.empty(k, np.int64)  # places in `best` and `found`, best first
    best = np.empty((k, 3), np.int64)
    found = np.empty((k, FOUND_COLUMNS))
    count = 0
    for slot in slots:
        leaf, i = slot // LEAF, slot % LEAF
        if hot[leaf, VALID_FROM, i] > now or now >= hot[leaf, VALID_TO, i]:
            continue
        if plan[(cold[leaf, i, TRAITS] >> 3) & 15, ACTIVE] == 0.0:
            continue
        fit = 1.0
        if len(fits) > 0:
            fit = fits[cold[leaf, i, ROW]]
        count = consider(
            hot, cold, leaf, i, fit, 1.0, plan, ask, cos_lat, filters, parts,
            order, best, found, count,
        )  # fmt: skip
    return answer(order, best, found, count)


forget_stale(
    search,
    "geo.distance",
    "indexes.columns",
    "indexes.frontier",
    "indexes.packing",
    "indexes.scores",
    "indexes.topk",
)
