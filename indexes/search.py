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
    LOWEST_RANK,
    REFERENCE,
    REST,
    grown,
    remove_first,
    sift_up,
)
from indexes.header import (
    BASE_ROWS,
    CHAIN,
    COLD,
    DIED,
    HEADER_SIZE,
    HOT,
    LEAVES,
    MAX_PARTS,
    NEWEST,
    PART_BLOCKS,
    PARTS,
    RANKS,
    ROWS,
    VERSION,
)
from indexes.memory import floats32_at, floats_at, ints32_at, ints_at
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
    TRAITS,
    TRUST,
    VALID_FROM,
    VALID_TO,
)
from indexes.scores import (
    ACTIVE,
    EVENT,
    FRESH_MODE,
    PLAN_COLUMNS,
    SLACK,
    TABLE,
    TABLE_SIZE,
    W_AVAILABLE,
    W_DISTANCE,
    W_FIT,
    W_FRESH,
    W_TRUST,
    banded_m,
    compiled,
    decay_factor,
    fresh_factor,
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
    FILTERS,
    FOUND_COLUMNS,
    HIGH_CATEGORIES,
    INNER_M,
    LAT_ASKED,
    LIMIT,
    LON_ASKED,
    LOW_CATEGORIES,
    MIN_M,
    NO_BOUND,
    OPEN_NOW,
    PLAN,
    RADIUS_M,
    RANK_BITS,
    SCORE,
    TABLES,
    VIEW,
    beats,
    consider,
    offsets,
    write_answer,
)

__all__ = ["NEWEST_PART", "PLACE_BITS", "scan", "search", "search_many"]

HEAP_SIZE = 256
PLACE_BITS = 40
NEWEST_PART = MAX_PARTS


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


@compiled
def _best(question, filters, order, best, found, heap, entries, squared, promise, chosen):
    """Find the k best points; returns how many there are.

    ``order``, ``best`` and ``found`` take them (`indexes.topk`); the rest is scratch.
    """
    header = ints_at(question[VIEW], (HEADER_SIZE,))
    base_rows, rows = header[BASE_ROWS], header[ROWS]
    seen = (
        rows,
        base_rows,
        header[VERSION],
        ints32_at(header[DIED], (rows,)),
        ints_at(header[RANKS], (rows - base_rows,)),
    )
    plan = floats_at(question[PLAN], (CLASSES, PLAN_COLUMNS))
    tables = floats32_at(question[TABLES], (CLASSES, TABLE_SIZE))
    parts = offsets(filters, np.int64(question[FILTERS]))
    by_category = parts[4] < parts[5]
    k = np.int64(question[LIMIT])
    lon, lat, radius_m = question[LON_ASKED], question[LAT_ASKED], question[RADIUS_M]
    cos_lat = cos(radians(lat))
    by_distance = question[BY_DISTANCE] != 0.0
    local, east, north = local_plane(lon, lat, radius_m)
    east32, north32 = np.float32(east), np.float32(north)
    lon_units, lat_units = np.int32(round(lon * UNIT)), np.int32(round(lat * UNIT))
    now = np.int32(question[AT])
    farthest2 = np.float32(radius_m * radius_m * (1.0 + SLACK))  # shrinks where distance ranks

    count = 0
    floor = np.int64(-NO_BOUND)  # the k-th score, once there are k
    floor32 = np.float32(-np.inf)
    size = free = 0
    part, klass, leaf = -1, CLASSES, np.int64(-1)
    blocks = ints32_at(header[PART_BLOCKS], (HEADER,))
    nodes = ints32_at(header[PART_BLOCKS], (1, NODE_ROWS, FANOUT))
    hot = ints32_at(header[PART_BLOCKS], (1, HOT_COLUMNS, LEAF))
    cold = ints32_at(header[PART_BLOCKS], (1, LEAF, COLD_COLUMNS))
    chain = ints_at(header[CHAIN], (header[LEAVES],))
    while True:
        node = np.int64(-1)
        if size > 0 and heap[0, BOUND] >= floor:
            size -= 1
            remove_first(heap, entries, size)
            entry = heap[size, ENTRY]
            reference, klass = entries[entry, REFERENCE], entries[entry, CLASS]
            rest = entries[entry, REST] * 1e-9
            if reference & 1:
                leaf = reference >> 1
            else:
                node = reference >> 1
        elif part < header[PARTS] - 1:  # on to the next tree; what this one has left is worse
            part += 1
            at = header[PART_BLOCKS + part]
            blocks = ints32_at(at, (HEADER + CLASSES * CLASS_COLUMNS,))
            nodes = ints32_at(at + 4 * blocks[4], (blocks[1], NODE_ROWS, FANOUT))
            hot = ints32_at(at + 4 * blocks[5], (blocks[2], HOT_COLUMNS, LEAF))
            cold = ints32_at(at + 4 * blocks[6], (blocks[2], LEAF, COLD_COLUMNS))
            size = free = 0
            for code in range(CLASSES):
                root = blocks[HEADER + CLASS_COLUMNS * code]
                if plan[code, ACTIVE] != 0.0 and root >= 0:
                    entries[free, LOWEST_RANK] = code
                    entries[free, REFERENCE] = 2 * root
                    entries[free, CLASS] = code
                    heap[size, BOUND] = NO_BOUND
                    heap[size, ENTRY] = free
                    size += 1
                    free += 1
            continue
        else:  # the newest leaves, which are in no tree
            size = 0
            if part < header[PARTS]:
                part, klass = header[PARTS], -1
                hot = ints32_at(header[HOT], (header[LEAVES], HOT_COLUMNS, LEAF))
                cold = ints32_at(header[COLD], (header[LEAVES], LEAF, COLD_COLUMNS))
            else:
                leaf = chain[leaf]
            while leaf < 0 and klass < CLASSES - 1:
                klass += 1
                if plan[klass, ACTIVE] != 0.0:
                    leaf = header[NEWEST + klass]
            if leaf < 0:
                break
            rest = plan[klass, W_FRESH] + plan[klass, W_AVAILABLE] + plan[klass, W_FIT]

        table = np.int64(plan[klass, TABLE])
        w_distance = np.float32(plan[klass, W_DISTANCE])
        if node < 0:
            if local:
                for i in range(LEAF):
                    # A difference beyond 214° wraps around to one of 69° or more: still far.
                    x = np.float32(np.int32(hot[leaf, LON, i] - lon_units)) * east32
                    y = np.float32(np.int32(hot[leaf, LAT, i] - lat_units)) * north32
                    squared[i] = x * x + y * y
            else:
                for i in range(LEAF):
                    squared[i] = _squared_bound(hot, leaf, i, lon, lat, cos_lat)
            # First all that may belong there, without a branch to mispredict; then one by one.
            m = 0
            if by_distance:
                for i in range(LEAF):
                    chosen[m] = i
                    m += (
                        (squared[i] <= farthest2)
                        & (hot[leaf, VALID_FROM, i] <= now)
                        & (now < hot[leaf, VALID_TO, i])
                    )
            else:
                w_trust, rest32 = np.float32(plan[klass, W_TRUST] / TRUST_UNIT), np.float32(rest)
                for i in range(LEAF):
                    nearness = tables[table, table_step(squared[i])]
                    promise[i] = (
                        w_distance * nearness + w_trust * np.float32(hot[leaf, TRUST, i]) + rest32
                    )
                for i in range(LEAF):
                    chosen[m] = i
                    m += (
                        (squared[i] <= farthest2)
                        & (hot[leaf, VALID_FROM, i] <= now)
                        & (now < hot[leaf, VALID_TO, i])
                        & (promise[i] >= floor32)
                    )
            for j in range(m):
                i = chosen[j]
                if by_distance:
                    if squared[i] > farthest2:
                        continue
                elif promise[i] < floor32:
                    continue
                nearness = np.float64(tables[table, table_step(squared[i])])
                count = consider(
                    hot, cold, leaf, i, 1.0, nearness, plan, question, cos_lat, filters, parts,
                    seen, order, best, found, count,
                )  # fmt: skip
                if count == k:
                    floor = best[order[k - 1], SCORE]
                    if by_distance:
                        kth_m = (0.5 - floor) / 1000.0
                        farthest2 = min(farthest2, np.float32(kth_m * kth_m * (1.0 + SLACK)))
                    else:
                        floor32 = np.float32(floor * 1e-9 - SLACK)
            if part < header[PARTS]:
                leaf = np.int64(-1)
            continue

        first, children = nodes[node, LINKS, FIRST_CHILD], nodes[node, LINKS, CHILD_COUNT]
        above_leaves = nodes[node, LINKS, ABOVE_LEAVES]
        if free + children > len(heap):
            heap, entries = grown(heap, size), grown(entries, free)
        if local:
            for c in range(FANOUT):
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
            for c in range(children):
                squared[c] = _squared_box_bound(nodes, node, c, lon, lat)
        m = 0
        for c in range(children):
            chosen[m] = c
            m += (
                (squared[c] <= farthest2)
                & (nodes[node, MIN_FROM, c] <= now)
                & (now < nodes[node, MAX_TO, c])
            )
        for j in range(m):
            c = chosen[j]
            if question[OPEN_NOW] != 0.0 and nodes[node, PROMISES, c] & HAS_HOURS == 0:
                continue
            if by_category and not (
                nodes[node, CATEGORIES_LOW, c] & np.int64(question[LOW_CATEGORIES])
                or nodes[node, CATEGORIES_HIGH, c] & np.int64(question[HIGH_CATEGORIES])
            ):
                continue
            # Rows of the base are in the order of ids; of others nothing is known.
            lowest = np.int64(0)
            if part == 0:
                lowest = np.int64(nodes[node, MIN_ROW, c] + 1) << RANK_BITS
            rest = 0.0
            if by_distance:
                ceiling = nearest_ceiling(squared[c])
            else:
                fresh = 1.0
                if plan[klass, W_FRESH] > 0.0:
                    mode = plan[klass, FRESH_MODE]
                    newest = nodes[node, MIN_FRESH if mode == EVENT else MAX_FRESH, c]
                    fresh = fresh_factor(mode, question[AT], newest)
                available = 1.0 if nodes[node, PROMISES, c] & CAN_BE_AVAILABLE else 0.5
                trust = nodes[node, MAX_TRUST, c] / TRUST_UNIT
                rest = weighted_sum(plan, klass, 0.0, 0.0, fresh, available, 1.0)
                min_lon, min_lat = nodes[node, MIN_LON, c], nodes[node, MIN_LAT, c]
                if min_lon == nodes[node, MAX_LON, c] and min_lat == nodes[node, MAX_LAT, c]:
                    d = arc_m(lon, lat, cos_lat, min_lon / UNIT, min_lat / UNIT)
                    if d > radius_m or d < question[MIN_M] or d <= question[INNER_M]:
                        continue
                    scored = banded_m(d) if klass & 1 else d
                    factor = decay_factor(plan, klass, scored)
                    # The very sum that the best point there can have: equal means equal, and
                    # then distance and rank decide without a look at the points.
                    ceiling = to_score_units(
                        weighted_sum(plan, klass, factor, trust, fresh, available, 1.0)
                    )
                    if count == k and not beats(
                        ceiling, to_millimetres(scored), lowest, best, order[k - 1]
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
            entries[free, LOWEST_RANK] = lowest
            entries[free, REFERENCE] = 2 * (first + c) + above_leaves
            entries[free, CLASS] = klass
            entries[free, REST] = np.int64(rest * 1e9) + 1
            heap[size, BOUND] = ceiling
            heap[size, ENTRY] = free
            sift_up(heap, entries, size)
            size += 1
            free += 1
    return count


@compiled
def search(question, filters):
    """The k best points.

    Parameters
    ----------
    question : ndarray of float64, shape (21,)
        What is asked, and where the view, the plan and its tables lie (`indexes.topk`).
    filters : ndarray of int32
        Made by `points.pack_filters`.

    Returns
    -------
    ndarray of float64, shape (found, 9)
        Row, score in 1e-9, tie in mm, distance in m, five factors; best first. By distance,
        the score is minus the millimetres, and tie and factors are 0.
    """
    k = np.int64(question[LIMIT])
    order = np.empty(k, np.int64)
    best = np.empty((k, 3), np.int64)
    found = np.empty((k, FOUND_COLUMNS))
    heap = np.empty((HEAP_SIZE, 2), np.int64)
    entries = np.empty((HEAP_SIZE, 4), np.int64)
    squared, promise = np.empty(LEAF, np.float32), np.empty(LEAF, np.float32)
    chosen = np.empty(LEAF + 1, np.int64)
    count = _best(question, filters, order, best, found, heap, entries, squared, promise, chosen)
    rows = np.empty((count, FOUND_COLUMNS))
    write_answer(order, best, found, count, rows, 0)
    return rows


@compiled
def search_many(questions, filters, k, rows, counts):
    """Each question's best points.

    Parameters
    ----------
    questions : ndarray of float64, shape (n, 21)
        As `search` takes one.
    filters : ndarray of int32
        The filters of all, one after another.
    k : int
        The greatest limit of any question.
    rows : ndarray of float64, shape (n * k, 2) or (n * k, 9)
        Takes the answers, question i's from row i * k on: row and score, or all columns.
    counts : ndarray of int64, shape (n,)
        Takes how many each found.
    """
    order = np.empty(k, np.int64)
    best = np.empty((k, 3), np.int64)
    found = np.empty((k, FOUND_COLUMNS))
    heap = np.empty((HEAP_SIZE, 2), np.int64)
    entries = np.empty((HEAP_SIZE, 4), np.int64)
    squared, promise = np.empty(LEAF, np.float32), np.empty(LEAF, np.float32)
    chosen = np.empty(LEAF + 1, np.int64)
    for i in range(len(questions)):
        count = _best(
            questions[i], filters, order, best, found, heap, entries, squared, promise, chosen
        )
        write_answer(order, best, found, count, rows, i * k)
        counts[i] = count


@compiled
def scan(question, filters, rows, places, fits):
    """The k best among given rows: for words and polygons, which the trees don't know.

    Parameters
    ----------
    question, filters
        As in `search`.
    rows : ndarray of int64, shape (m,)
        The candidates.
    places : ndarray of int64, shape (m,)
        Where each lies: part x 2^40 + leaf x 32 + place in the leaf, the newest leaves being
        part `NEWEST_PART`; -1 for a row that is no more.
    fits : ndarray of float64, shape (m,) or (0,)
        How well each fits the words asked; empty for 1.

    Returns
    -------
    ndarray of float64, shape (found, 9)
        As in `search`.
    """
    header = ints_at(question[VIEW], (HEADER_SIZE,))
    base_rows, visible = header[BASE_ROWS], header[ROWS]
    seen = (
        visible,
        base_rows,
        header[VERSION],
        ints32_at(header[DIED], (visible,)),
        ints_at(header[RANKS], (visible - base_rows,)),
    )
    plan = floats_at(question[PLAN], (CLASSES, PLAN_COLUMNS))
    parts = offsets(filters, np.int64(question[FILTERS]))
    cos_lat = cos(radians(question[LAT_ASKED]))
    now = np.int32(question[AT])
    k = np.int64(question[LIMIT])
    order = np.empty(k, np.int64)
    best = np.empty((k, 3), np.int64)
    found = np.empty((k, FOUND_COLUMNS))
    count = 0
    part = np.int64(-1)
    hot = ints32_at(header[HOT], (header[LEAVES], HOT_COLUMNS, LEAF))
    cold = ints32_at(header[COLD], (header[LEAVES], LEAF, COLD_COLUMNS))
    for j in range(len(rows)):
        if rows[j] >= visible or places[j] < 0:
            continue
        if places[j] >> PLACE_BITS != part:
            part = places[j] >> PLACE_BITS
            if part < NEWEST_PART:
                at = header[PART_BLOCKS + part]
                blocks = ints32_at(at, (HEADER,))
                hot = ints32_at(at + 4 * blocks[5], (blocks[2], HOT_COLUMNS, LEAF))
                cold = ints32_at(at + 4 * blocks[6], (blocks[2], LEAF, COLD_COLUMNS))
            else:
                hot = ints32_at(header[HOT], (header[LEAVES], HOT_COLUMNS, LEAF))
                cold = ints32_at(header[COLD], (header[LEAVES], LEAF, COLD_COLUMNS))
        slot = places[j] & ((1 << PLACE_BITS) - 1)
        leaf, i = slot // LEAF, slot % LEAF
        if hot[leaf, VALID_FROM, i] > now or now >= hot[leaf, VALID_TO, i]:
            continue
        if plan[(cold[leaf, i, TRAITS] >> 3) & 15, ACTIVE] == 0.0:
            continue
        fit = fits[j] if len(fits) > 0 else 1.0
        count = consider(
            hot, cold, leaf, i, fit, 1.0, plan, question, cos_lat, filters, parts,
            seen, order, best, found, count,
        )  # fmt: skip
    answered = np.empty((count, FOUND_COLUMNS))
    write_answer(order, best, found, count, answered, 0)
    return answered


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
