"""The compiled near-me search: best first on an upper bound of the score, exact.

A node's bound is what a point in its box could score at most: the distance factor at a lower
bound of the distance, and the best trust, freshness and availability below it. A heap gives
the most promising node; once its bound is under the k-th score, the search is over.

Scores are whole 1e-9, so that equal is equal; then the scored distance in whole millimetres
decides, then the row, which is the order of ids.

Compiled code counts references for every view of an array that it makes, and atomically. So
these functions pass whole arrays and index them, and take parts of `filters` by offset.
"""

from math import cos, radians

import numpy as np

from geo.distance import arc_m
from geo.kernels import forget_stale
from indexes.columns import CLASSES, TRAIT_BITS, TRUST_UNIT, UNIT
from indexes.packing import (
    ABOVE_LEAVES,
    AUDIENCE,
    CAN_BE_AVAILABLE,
    CATEGORIES_HIGH,
    CATEGORIES_LOW,
    CHILD_COUNT,
    CLASS_COLUMNS,
    COLD_COLUMNS,
    FANOUT,
    FIRST_CHILD,
    FRESH,
    HAS_HOURS,
    HEADER,
    HOT_COLUMNS,
    HOURS,
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
    OWNER,
    PROMISES,
    REACH,
    ROW,
    TRAITS,
    TRUST,
    VALID_FROM,
    VALID_TO,
    ZONES,
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
    available_factor,
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

__all__ = ["FOUND_COLUMNS", "NO_BOUND", "scan", "search"]

# What is asked, one float64 each; `points.Ask` fills them. The last is cos(lat), filled here.
LON_ASKED, LAT_ASKED, RADIUS_M, MIN_M, INNER_M, AT, OPEN_NOW, VERIFIED, BY_DISTANCE = range(9)
AFTER_SCORE, AFTER_TIE, AFTER_ROW, DEPTH, LOW_CATEGORIES, HIGH_CATEGORIES = range(9, 15)
ASK_SIZE = 15

# `filters` begins with the lengths of its five parts: numbers of the audiences the viewer is
# in, of owners blocked, then by number whether a set of zones is asked for, the state of
# opening hours, and the depth of a category asked for (0: another category).
FILTER_LENGTHS = 5

SCORE, TIE, BEST_ROW = range(3)
FOUND_COLUMNS = 9  # row, score, tie, distance, five factors

NO_BOUND = 2**62
HEAP_SIZE = 256
BOUND, ENTRY = range(2)
LOWEST_ROW, REFERENCE, CLASS, REST = range(4)


@inlined
def _offsets(filters):
    """Where the parts of ``filters`` begin, and where the last one ends."""
    visible = np.int64(FILTER_LENGTHS)
    blocked = visible + filters[0]
    zones = blocked + filters[1]
    hours = zones + filters[2]
    depths = hours + filters[3]
    return visible, blocked, zones, hours, depths, depths + filters[4]


@inlined
def _holds(values, low, high, value):
    """Is a number among ``values[low:high]``, which are sorted?"""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < end and values[low] == value


@inlined
def _ranks_before(score_a, tie_a, row_a, score_b, tie_b, row_b):
    if score_a != score_b:
        return score_a > score_b
    if tie_a != tie_b:
        return tie_a < tie_b
    return row_a < row_b


@inlined
def _beats(score, tie, row, best, place):
    return _ranks_before(
        score, tie, row, best[place, SCORE], best[place, TIE], best[place, BEST_ROW]
    )


@inlined
def _passes(cold, leaf, i, ask, filters, offsets):
    """Every filter but validity, distance and reach."""
    visible, blocked, zones, hours, depths, end = offsets
    audience = cold[leaf, i, AUDIENCE]
    while visible < blocked and filters[visible] < audience:  # a viewer is in few, 0 the first
        visible += 1
    if visible == blocked or filters[visible] != audience:
        return False
    traits = cold[leaf, i, TRAITS]
    if depths < end and filters[depths + (traits >> TRAIT_BITS)] == 0:
        return False
    if ask[OPEN_NOW] != 0.0:
        number = cold[leaf, i, HOURS]
        if number < 0 or filters[hours + number] != 2:
            return False
    if ask[VERIFIED] != 0.0 and traits & 4 == 0:
        return False
    if zones < hours:
        number = cold[leaf, i, ZONES]
        if number < 0 or filters[zones + number] == 0:
            return False
    return blocked == zones or not _holds(filters, blocked, zones, cold[leaf, i, OWNER])


@inlined
def _consider(
    hot, cold, leaf, i, fit, nearness, plan, ask, cos_lat, filters, offsets,
    order, best, found, count,
):  # fmt: skip
    """Take one valid point among the k best if it belongs there; returns how many there are.

    ``nearness`` is an upper bound of its distance factor.
    """
    if not _passes(cold, leaf, i, ask, filters, offsets):
        return count
    traits = cold[leaf, i, TRAITS]
    klass = (traits >> 3) & 15
    by_distance = ask[BY_DISTANCE] != 0.0
    trust = fresh = available = distance = 0.0
    if not by_distance:
        state = 1
        if cold[leaf, i, HOURS] >= 0:
            state = filters[offsets[3] + cold[leaf, i, HOURS]]
        if offsets[4] < offsets[5]:
            fit *= ask[DEPTH] / filters[offsets[4] + (traits >> TRAIT_BITS)]
        trust = hot[leaf, TRUST, i] / TRUST_UNIT
        fresh = fresh_factor(plan[klass, FRESH_MODE], ask[AT], cold[leaf, i, FRESH])
        available = available_factor(traits & 3, state)
        # All but the distance is exact now; most points fall here, before the costly part.
        if count == len(order):
            at_most = weighted_sum(plan, klass, nearness, trust, fresh, available, fit)
            if score_ceiling(at_most) < best[order[count - 1], SCORE]:
                return count
    d = arc_m(
        ask[LON_ASKED], ask[LAT_ASKED], cos_lat, hot[leaf, LON, i] / UNIT, hot[leaf, LAT, i] / UNIT
    )
    if d > ask[RADIUS_M] or d > cold[leaf, i, REACH] or d < ask[MIN_M] or d <= ask[INNER_M]:
        return count
    row = np.int64(cold[leaf, i, ROW])
    if by_distance:
        score, tie = -to_millimetres(d), np.int64(0)
    else:
        scored = banded_m(d) if klass & 1 else d
        distance = decay_factor(plan, klass, scored)
        score = to_score_units(weighted_sum(plan, klass, distance, trust, fresh, available, fit))
        tie = to_millimetres(scored)
        if ask[AFTER_SCORE] != NO_BOUND and not _ranks_before(
            np.int64(ask[AFTER_SCORE]),
            np.int64(ask[AFTER_TIE]),
            np.int64(ask[AFTER_ROW]),
            score,
            tie,
            row,
        ):
            return count
    place, kept = count, count
    if count == len(order):
        place -= 1
        kept = order[place]  # the place of the one that falls out
        if not _beats(score, tie, row, best, kept):
            return count
    else:
        count += 1
    while place > 0 and _beats(score, tie, row, best, order[place - 1]):
        order[place] = order[place - 1]
        place -= 1
    order[place] = kept
    best[kept, SCORE] = score
    best[kept, TIE] = tie
    best[kept, BEST_ROW] = row
    found[kept, 3] = d
    found[kept, 4] = distance
    found[kept, 5] = trust
    found[kept, 6] = fresh
    found[kept, 7] = available
    found[kept, 8] = fit
    return count


@compiled
def _answer(order, best, found, count):
    """The points found, in order: row, score, tie, distance, factors."""
    answer = np.empty((count, FOUND_COLUMNS))
    for place in range(count):
        kept = order[place]
        answer[place, 0] = best[kept, BEST_ROW]
        answer[place, 1] = best[kept, SCORE]
        answer[place, 2] = best[kept, TIE]
        for column in range(3, FOUND_COLUMNS):
            answer[place, column] = found[kept, column]
    return answer


# -- the heap: bounds and the entries they belong to ----------------------------------------------


@inlined
def _goes_first(heap, entries, a, b):
    """The better bound first; among equal bounds the lower rows, which win ties."""
    if heap[a, BOUND] != heap[b, BOUND]:
        return heap[a, BOUND] > heap[b, BOUND]
    return entries[heap[a, ENTRY], LOWEST_ROW] < entries[heap[b, ENTRY], LOWEST_ROW]


@inlined
def _swap(heap, a, b):
    for column in range(2):
        heap[a, column], heap[b, column] = heap[b, column], heap[a, column]


@inlined
def _sift_up(heap, entries, at):
    while at > 0:
        parent = (at - 1) >> 1
        if not _goes_first(heap, entries, at, parent):
            break
        _swap(heap, at, parent)
        at = parent


@inlined
def _remove_first(heap, entries, size):
    """The last of ``size + 1`` comes in the place of the first, and sinks."""
    _swap(heap, 0, size)
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _goes_first(heap, entries, child + 1, child):
            child += 1
        if not _goes_first(heap, entries, child, at):
            break
        _swap(heap, at, child)
        at = child


@compiled
def _grown(rows, size):
    larger = np.empty((2 * len(rows), rows.shape[1]), np.int64)
    for i in range(size):
        for column in range(rows.shape[1]):
            larger[i, column] = rows[i, column]
    return larger


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
def _parts(blocks):
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
    classes, nodes, hot, cold = _parts(blocks)
    offsets = _offsets(filters)
    by_category = offsets[4] < offsets[5]
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
        _remove_first(heap, entries, size)
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
                    count = _consider(
                        hot, cold, leaf, i, 1.0, nearness, plan, ask, cos_lat, filters, offsets,
                        order, best, found, count,
                    )  # fmt: skip
                    if count == k:
                        floor = best[order[k - 1], SCORE]
            continue

        node = reference >> 1
        first, children = nodes[node, LINKS, FIRST_CHILD], nodes[node, LINKS, CHILD_COUNT]
        above_leaves = nodes[node, LINKS, ABOVE_LEAVES]
        if free + children > len(heap):
            heap, entries = _grown(heap, size), _grown(entries, free)
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
                    if count == k and not _beats(
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
            _sift_up(heap, entries, size)
            size += 1
            free += 1
    return _answer(order, best, found, count)


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
    _, _, hot, cold = _parts(blocks)
    offsets = _offsets(filters)
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
        count = _consider(
            hot, cold, leaf, i, fit, 1.0, plan, ask, cos_lat, filters, offsets,
            order, best, found, count,
        )  # fmt: skip
    return _answer(order, best, found, count)


forget_stale(search, "geo.distance", "indexes.columns", "indexes.packing", "indexes.scores")
