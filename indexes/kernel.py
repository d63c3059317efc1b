"""The compiled near-me search: best first on an upper bound of the score, exact.

Three ideas carry it.

1. A node's bound is what a point in its box could score at most: the distance factor at a
   lower bound of the distance, and the best trust, freshness and availability below it. A
   heap gives the most promising node; once its bound is under the k-th score, the search
   is over.
2. Distances are first taken as lower bounds in float32 on a local plane (`_plane`), good
   for radii up to 500 km away from poles and antimeridian, or on the sphere elsewhere. They
   only ever rule out. What may be answered is decided in float64 by the one haversine.
3. Scores are whole 1e-9, so that equal is equal; then the scored distance in whole
   millimetres decides, then the row, which is the order of ids.
"""

from math import asin, cos, floor, pi, radians, sin, sqrt

import numpy as np
from numba import njit

from geo.distance import EARTH_RADIUS_M, distance_m
from indexes.columns import CLASSES, IN_STOCK, SOLD_OUT, TRUST_UNIT, UNIT
from indexes.packing import (
    ABOVE_LEAVES,
    AUDIENCE,
    CAN_BE_AVAILABLE,
    CATEGORIES_HIGH,
    CATEGORIES_LOW,
    CATEGORY,
    CHILD_COUNT,
    CLASS_COLUMNS,
    COLD_COLUMNS,
    FANOUT,
    FIRST_CHILD,
    FLAGS,
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
    REACH,
    ROW,
    TRAITS,
    TRUST,
    VALID_FROM,
    VALID_TO,
    ZONES,
)

# Divisions here never meet zero, so nothing needs to check; no fast-math: sums keep their order.
compiled = njit(cache=True, nogil=True, error_model="numpy")
inlined = njit(cache=True, error_model="numpy", forceinline=True)

# A class's row of a plan: how a kind is scored.
ACTIVE, W_DISTANCE, W_TRUST, W_FRESH, W_AVAILABLE, W_FIT = range(6)
SHAPE, OFFSET_M, SCALE_M, DECAY, FRESH_MODE, TABLE = range(6, 12)
PLAN_COLUMNS = 12
GAUSS, EXPONENTIAL, LINEAR = range(3)
STEADY, HALF_LIFE, EVENT = range(3)

# What a search filters by, and how it orders; `points.Ask` fills it.
(
    ASK_LON,
    ASK_LAT,
    ASK_RADIUS_M,
    ASK_MIN_M,
    ASK_INNER_M,
    ASK_AT,
    ASK_OPEN_NOW,
    ASK_VERIFIED,
    ASK_BY_DISTANCE,
    ASK_AFTER_SCORE,
    ASK_AFTER_TIE,
    ASK_AFTER_ROW,
    ASK_DEPTH,
    ASK_CATEGORIES_LOW,
    ASK_CATEGORIES_HIGH,
) = range(15)
ASK_SIZE = 15

# A filter array: five lengths, then visible audiences, blocked owners, zone sets asked for,
# states of the hours, depths of the categories asked for (0: another category).
FILTER_HEADER = 5

SCORE_UNIT = 1e9
BANDS_M = (500.0, 1000.0, 2000.0, 5000.0)  # people: same group, then these, then farther
FARTHER_MM = 2**62

HALF_LIFE_S = 14 * 86_400.0
EVENT_FULL_S = 48 * 3_600.0
EVENT_NONE_S = 30 * 86_400.0

# The decay table: 128 steps per doubling of the squared distance, from 1 m² on.
STEP_BITS = 16
TABLE_SIZE = 50 * 128
ONE_BITS = 0x3F800000

LOCAL_MAX_M = 500_000.0
LOCAL_MAX_LAT = 85.0
SLACK = 1e-6  # more than float32 loses

FACTORS = 5
SCORE, TIE, BEST_ROW, SLOT = range(4)
BEST_COLUMNS = 4
BOUND, LOWEST_ROW, REFERENCE, CLASS, REST = range(5)
HEAP_COLUMNS = 5
NO_BOUND = 2**62


@inlined
def banded_m(d):
    """The upper edge of the band that a distance between people falls in, metres.

    Zero only on the spot, which is the same group; infinite from 5 km on.
    """
    if d == 0.0:
        return 0.0
    for edge in BANDS_M:
        if d < edge:
            return edge
    return np.inf


@compiled
def decay_factor(shape, offset, scale, decay, d):
    """1 up to ``offset`` metres, ``decay`` at ``offset + scale``, never rising, 0 at infinity."""
    if d == np.inf:
        return 0.0
    beyond = max(0.0, d - offset)
    if shape == GAUSS:
        return np.exp(np.log(decay) * (beyond / scale) ** 2)
    if shape == EXPONENTIAL:
        return np.exp(np.log(decay) * (beyond / scale))
    return max(0.0, 1.0 - beyond * (1.0 - decay) / scale)


@inlined
def _decayed(plan, klass, d):
    return decay_factor(
        plan[klass, SHAPE], plan[klass, OFFSET_M], plan[klass, SCALE_M], plan[klass, DECAY], d
    )


@compiled
def fill_decay_table(shape, offset, scale, decay, personal, table):
    """Upper bounds of the distance factor, one a step of the squared distance.

    Any factor that never rises with distance can be bounded so, whatever its formula.
    """
    for step in range(TABLE_SIZE):
        edge_m = 0.0
        if step > 0:
            bits = np.int32(ONE_BITS + (step << STEP_BITS))
            edge_m = sqrt(np.float64(bits.view(np.float32))) * (1.0 - SLACK)
        d = banded_m(edge_m) if personal else edge_m
        table[step] = np.float32(decay_factor(shape, offset, scale, decay, d)) + np.float32(SLACK)


@inlined
def _step(squared_m):
    """Step of the decay table for a squared distance: the float's own exponent and top bits."""
    if squared_m < np.float32(1.0):
        return 0
    bits = np.float32(squared_m).view(np.int32)
    return min((bits - ONE_BITS) >> STEP_BITS, TABLE_SIZE - 1)


@compiled
def _plane(lon, lat, radius_m) -> tuple[bool, float, float]:
    """Metres per 1e-7 degree east and north, such that the plane never overstates.

    With h = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) the distance is 2R asin √h ≥ 2R √h, and
    sin²(x/2) ≥ x²/4 · (1 − X²/12) for |x| ≤ X. X is the widest angle, and the least cos φ₂,
    that a point within the radius can have. False where that is not sound: then the sphere.
    """
    angle = radius_m / EARTH_RADIUS_M
    if not radius_m <= LOCAL_MAX_M or abs(lat) + angle * 180.0 / pi > LOCAL_MAX_LAT:
        return False, 0.0, 0.0
    widest = asin(sin(angle) / cos(radians(lat)))
    if abs(lon) + widest * 180.0 / pi > 180.0:
        return False, 0.0, 0.0
    shrink = sqrt(1.0 - widest * widest / 12.0) * (1.0 - SLACK)
    north = EARTH_RADIUS_M * pi / 180.0 / UNIT * shrink
    east = north * sqrt(cos(radians(lat)) * cos(radians(abs(lat)) + angle))
    return True, east, north


@compiled
def _sphere_bound_m(lon, lat, min_lon, min_lat, max_lon, max_lat):
    """A lower bound of the distance to a box of degrees, anywhere on Earth, metres."""
    if min_lon == max_lon and min_lat == max_lat:
        return distance_m(lon, lat, min_lon, min_lat) * (1.0 - SLACK)
    north_south = radians(max(0.0, min_lat - lat, lat - max_lat))
    gap = 0.0
    if lon < min_lon or lon > max_lon:
        gap = min((min_lon - lon) % 360.0, (lon - max_lon) % 360.0)
    # To a meridian Δλ away: sin d = cos φ · sin Δλ, nearest at the pole from 90° on.
    across = asin(cos(radians(lat)) * sin(radians(min(gap, 90.0))))
    return EARTH_RADIUS_M * max(north_south, across) * (1.0 - SLACK)


@inlined
def _fresh(mode, at, fresh_at):
    if mode == HALF_LIFE:
        return 0.5 ** (max(0.0, at - fresh_at) / HALF_LIFE_S)
    if mode == EVENT:
        lead = fresh_at - at
        if lead <= EVENT_FULL_S:
            return 1.0
        return max(0.0, (EVENT_NONE_S - lead) / (EVENT_NONE_S - EVENT_FULL_S))
    return 1.0


@inlined
def _available(stock, state):
    """1 open or in stock, 0 closed or sold out, a half where nothing is known."""
    if stock == SOLD_OUT or state == 0:
        return 0.0
    if stock == IN_STOCK or state == 2:
        return 1.0
    return 0.5


@inlined
def _sum(plan, klass, distance, trust, fresh, available, fit):
    """The score, always added in this order."""
    return (
        plan[klass, W_DISTANCE] * distance
        + plan[klass, W_TRUST] * trust
        + plan[klass, W_FRESH] * fresh
        + plan[klass, W_AVAILABLE] * available
        + plan[klass, W_FIT] * fit
    )


@inlined
def _units(score):
    return np.int64(floor(score * SCORE_UNIT + 0.5))


@inlined
def _millimetres(d: float):
    if d == np.inf:
        return np.int64(FARTHER_MM)
    return np.int64(floor(d * 1000.0 + 0.5))


@inlined
def _bound(score: float):
    """A score's upper bound in whole 1e-9, float32 errors covered."""
    return np.int64((score + SLACK) * SCORE_UNIT)


@inlined
def _nearest_bound(squared_m: np.float32):
    """By distance, the score is minus the millimetres."""
    return -np.int64(sqrt(squared_m) * 1000.0 * (1.0 - SLACK))


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
def _parts(filters):
    """Where the parts of a filter array begin, and where the last ends."""
    visible = FILTER_HEADER
    blocked = visible + np.int64(filters[0])
    zones = blocked + np.int64(filters[1])
    hours = zones + np.int64(filters[2])
    depths = hours + np.int64(filters[3])
    return visible, blocked, zones, hours, depths, depths + np.int64(filters[4])


@inlined
def _open_blocks(blocks):
    """Class table, nodes, hot and cold leaves as views."""
    n_nodes, n_leaves = np.int64(blocks[1]), np.int64(blocks[2])
    nodes_at, hot_at, cold_at = blocks[4], blocks[5], blocks[6]
    return (
        blocks[HEADER:nodes_at].reshape((CLASSES, CLASS_COLUMNS)),
        blocks[nodes_at:hot_at].reshape((n_nodes, NODE_ROWS, FANOUT)),
        blocks[hot_at:cold_at].reshape((n_leaves, HOT_COLUMNS, LEAF)),
        blocks[cold_at:].reshape((n_leaves, COLD_COLUMNS, LEAF)),
    )


# Compiled code pays an atomic count for every view of an array that it makes: the functions
# below pass whole arrays and index them, and take the parts of `filters` by their offsets.


@inlined
def _keeps(hot, cold, leaf, i, ask, filters, parts):
    """Every filter but validity, distance and reach."""
    visible, blocked, zones_asked, hours_state, depths, end = parts
    if not _holds(filters, visible, blocked, hot[leaf, AUDIENCE, i]):
        return False
    if depths < end and filters[depths + cold[leaf, CATEGORY, i]] == 0:
        return False
    if ask[ASK_OPEN_NOW] != 0.0:
        hours = cold[leaf, HOURS, i]
        if hours < 0 or filters[hours_state + hours] != 2:
            return False
    if ask[ASK_VERIFIED] != 0.0 and cold[leaf, FLAGS, i] & 4 == 0:
        return False
    if zones_asked < hours_state:
        zones = cold[leaf, ZONES, i]
        if zones < 0 or filters[zones_asked + zones] == 0:
            return False
    return blocked == zones_asked or not _holds(filters, blocked, zones_asked, cold[leaf, OWNER, i])


@inlined
def _weigh(hot, cold, leaf, i, d, fit, plan, ask, filters, parts):
    """The five factors of a point ``d`` metres away."""
    _, _, _, hours_state, depths, end = parts
    klass = cold[leaf, FLAGS, i] >> 3
    scored = banded_m(d) if klass & 1 else d
    if depths < end:
        fit *= ask[ASK_DEPTH] / filters[depths + cold[leaf, CATEGORY, i]]
    state = 1
    if cold[leaf, HOURS, i] >= 0:
        state = filters[hours_state + cold[leaf, HOURS, i]]
    return (
        _decayed(plan, klass, scored),
        hot[leaf, TRUST, i] / TRUST_UNIT,
        _fresh(plan[klass, FRESH_MODE], ask[ASK_AT], cold[leaf, FRESH, i]),
        _available(cold[leaf, FLAGS, i] & 3, state),
        fit,
    )


@inlined
def _consider(hot, cold, leaf, i, fit, plan, ask, filters, parts, best, count):
    """Take one valid point among the k best if it belongs there; returns how many there are."""
    if not _keeps(hot, cold, leaf, i, ask, filters, parts):
        return count
    d = distance_m(ask[ASK_LON], ask[ASK_LAT], hot[leaf, LON, i] / UNIT, hot[leaf, LAT, i] / UNIT)
    if d > ask[ASK_RADIUS_M] or d > cold[leaf, REACH, i]:
        return count
    if d < ask[ASK_MIN_M] or d <= ask[ASK_INNER_M]:
        return count
    row = np.int64(hot[leaf, ROW, i])
    if ask[ASK_BY_DISTANCE] != 0.0:
        score, tie = -_millimetres(d), np.int64(0)
    else:
        klass = cold[leaf, FLAGS, i] >> 3
        distance, trust, fresh, available, fit = _weigh(
            hot, cold, leaf, i, d, fit, plan, ask, filters, parts
        )
        score = _units(_sum(plan, klass, distance, trust, fresh, available, fit))
        tie = _millimetres(banded_m(d) if klass & 1 else d)
        if not _ranks_before(
            np.int64(ask[ASK_AFTER_SCORE]),
            np.int64(ask[ASK_AFTER_TIE]),
            np.int64(ask[ASK_AFTER_ROW]),
            score,
            tie,
            row,
        ):
            return count
    place = count
    if count == len(best):
        place -= 1
        if not _beats(score, tie, row, best, place):
            return count
    else:
        count += 1
    while place > 0 and _beats(score, tie, row, best, place - 1):
        for column in range(BEST_COLUMNS):
            best[place, column] = best[place - 1, column]
        place -= 1
    best[place, SCORE] = score
    best[place, TIE] = tie
    best[place, BEST_ROW] = row
    best[place, SLOT] = leaf * LEAF + i
    return count


@compiled
def _answer(hot, cold, plan, ask, filters, parts, fits, best, count):
    """The k best as (count, 9) numbers: row, score, tie, distance, factors."""
    found = np.empty((count, 4 + FACTORS))
    for j in range(count):
        leaf, i = best[j, SLOT] // LEAF, best[j, SLOT] % LEAF
        fit = 1.0
        if len(fits) > 0:
            fit = fits[hot[leaf, ROW, i]]
        d = distance_m(
            ask[ASK_LON], ask[ASK_LAT], hot[leaf, LON, i] / UNIT, hot[leaf, LAT, i] / UNIT
        )
        found[j, 0] = best[j, BEST_ROW]
        found[j, 1] = best[j, SCORE]
        found[j, 2] = best[j, TIE]
        found[j, 3] = d
        found[j, 4], found[j, 5], found[j, 6], found[j, 7], found[j, 8] = _weigh(
            hot, cold, leaf, i, d, fit, plan, ask, filters, parts
        )
    return found


@inlined
def _goes_first(heap, a, b):
    """The better bound first; among equal bounds the lower rows, which win ties."""
    if heap[a, BOUND] != heap[b, BOUND]:
        return heap[a, BOUND] > heap[b, BOUND]
    return heap[a, LOWEST_ROW] < heap[b, LOWEST_ROW]


@inlined
def _swap(heap, a, b):
    for column in range(HEAP_COLUMNS):
        heap[a, column], heap[b, column] = heap[b, column], heap[a, column]


@inlined
def _sift_up(heap, at):
    while at > 0:
        parent = (at - 1) >> 1
        if not _goes_first(heap, at, parent):
            return
        _swap(heap, at, parent)
        at = parent


@inlined
def _sift_down(heap, size):
    """Take the first of a heap out: the last of ``size + 1`` comes in its place and sinks."""
    _swap(heap, 0, size)
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _goes_first(heap, child + 1, child):
            child += 1
        if not _goes_first(heap, child, at):
            return
        _swap(heap, at, child)
        at = child


@compiled
def _grown(heap):
    larger = np.empty((2 * len(heap), HEAP_COLUMNS), np.int64)
    larger[: len(heap)] = heap
    return larger


@compiled
def search(blocks, plan, tables, ask, filters, k):
    """The k best points.

    Parameters
    ----------
    blocks : ndarray of int32
        Packed trees (`indexes.packing`).
    plan : ndarray of float64, shape (16, 12)
        How each class is scored.
    tables : ndarray of float32, shape (tables, TABLE_SIZE)
        Decay tables that ``plan`` names.
    ask : ndarray of float64, shape (ASK_SIZE,)
        Origin, radius, instant and the rest, by the ASK names.
    filters : ndarray of int32
        Audiences, blocked owners, zones, hours and categories (`points.pack_filters`).
    k : int
        At most so many, 1 or more.

    Returns
    -------
    ndarray of float64, shape (found, 9)
        Row, score in 1e-9, tie in mm, distance in m, five factors; best first.
    """
    classes, nodes, hot, cold = _open_blocks(blocks)
    parts = _parts(filters)
    by_category = parts[4] < parts[5]
    lon, lat, radius_m = ask[ASK_LON], ask[ASK_LAT], ask[ASK_RADIUS_M]
    by_distance = ask[ASK_BY_DISTANCE] != 0.0
    local, east, north = _plane(lon, lat, radius_m)
    east32, north32 = np.float32(east), np.float32(north)
    lon_units, lat_units = np.int32(round(lon * UNIT)), np.int32(round(lat * UNIT))
    now = np.int32(ask[ASK_AT])
    limit2 = np.float32(radius_m * radius_m * (1.0 + SLACK))

    best = np.empty((k, BEST_COLUMNS), np.int64)
    count = 0
    squared = np.empty(LEAF, np.float32)
    heap = np.empty((256, HEAP_COLUMNS), np.int64)
    size = 0
    for klass in range(CLASSES):
        if plan[klass, ACTIVE] != 0.0 and classes[klass, 0] >= 0:
            heap[size, BOUND] = NO_BOUND
            heap[size, LOWEST_ROW] = klass
            heap[size, REFERENCE] = 2 * classes[klass, 0]
            heap[size, CLASS] = klass
            size += 1

    while size > 0:
        bound, reference, klass = heap[0, BOUND], heap[0, REFERENCE], heap[0, CLASS]
        others = heap[0, REST]
        if count == k and bound < best[k - 1, SCORE]:
            break
        size -= 1
        _sift_down(heap, size)
        table = np.int64(plan[klass, TABLE])
        if reference & 1:
            leaf = reference >> 1
            if local:
                for i in range(LEAF):
                    x = np.float32(hot[leaf, LON, i] - lon_units) * east32
                    y = np.float32(hot[leaf, LAT, i] - lat_units) * north32
                    squared[i] = x * x + y * y
            else:
                for i in range(LEAF):
                    d = distance_m(lon, lat, hot[leaf, LON, i] / UNIT, hot[leaf, LAT, i] / UNIT)
                    squared[i] = np.float32(d * d * (1.0 - SLACK))
            w_distance, w_trust = plan[klass, W_DISTANCE], plan[klass, W_TRUST] / TRUST_UNIT
            rest = others / SCORE_UNIT
            for i in range(LEAF):
                if squared[i] > limit2:
                    continue
                if hot[leaf, VALID_FROM, i] > now or now >= hot[leaf, VALID_TO, i]:
                    continue
                if count == k:
                    if by_distance:
                        at_most = _nearest_bound(squared[i])
                    else:
                        at_most = _bound(
                            w_distance * tables[table, _step(squared[i])]
                            + w_trust * hot[leaf, TRUST, i]
                            + rest
                        )
                    if at_most < best[k - 1, SCORE]:
                        continue
                count = _consider(hot, cold, leaf, i, 1.0, plan, ask, filters, parts, best, count)
            continue

        node = reference >> 1
        first, children = nodes[node, LINKS, FIRST_CHILD], nodes[node, LINKS, CHILD_COUNT]
        above_leaves = nodes[node, LINKS, ABOVE_LEAVES]
        if size + children > len(heap):
            heap = _grown(heap)
        for c in range(children):
            if nodes[node, MIN_FROM, c] > now or now >= nodes[node, MAX_TO, c]:
                continue
            if ask[ASK_OPEN_NOW] != 0.0 and nodes[node, TRAITS, c] & HAS_HOURS == 0:
                continue
            if by_category and not (
                nodes[node, CATEGORIES_LOW, c] & np.int64(ask[ASK_CATEGORIES_LOW])
                or nodes[node, CATEGORIES_HIGH, c] & np.int64(ask[ASK_CATEGORIES_HIGH])
            ):
                continue
            min_lon, max_lon = nodes[node, MIN_LON, c], nodes[node, MAX_LON, c]
            min_lat, max_lat = nodes[node, MIN_LAT, c], nodes[node, MAX_LAT, c]
            one_spot = min_lon == max_lon and min_lat == max_lat
            exact_m = 0.0
            if one_spot:
                exact_m = distance_m(lon, lat, min_lon / UNIT, min_lat / UNIT)
                if exact_m > radius_m or exact_m < ask[ASK_MIN_M] or exact_m <= ask[ASK_INNER_M]:
                    continue
                d2 = np.float32(exact_m * exact_m * (1.0 - SLACK))
            elif local:
                x = np.float32(max(0, min_lon - lon_units, lon_units - max_lon)) * east32
                y = np.float32(max(0, min_lat - lat_units, lat_units - max_lat)) * north32
                d2 = x * x + y * y
            else:
                d = _sphere_bound_m(
                    lon, lat, min_lon / UNIT, min_lat / UNIT, max_lon / UNIT, max_lat / UNIT
                )
                d2 = np.float32(d * d)
            if d2 > limit2:
                continue
            lowest_row = np.int64(nodes[node, MIN_ROW, c])
            spare = np.int64(0)
            if by_distance:
                ceiling = _nearest_bound(d2)
            else:
                fresh = 1.0
                if plan[klass, W_FRESH] > 0.0:
                    mode = plan[klass, FRESH_MODE]
                    newest = nodes[node, MIN_FRESH if mode == EVENT else MAX_FRESH, c]
                    fresh = _fresh(mode, ask[ASK_AT], newest)
                available = 1.0 if nodes[node, TRAITS, c] & CAN_BE_AVAILABLE else 0.5
                trust = nodes[node, MAX_TRUST, c] / TRUST_UNIT
                rest = _sum(plan, klass, 0.0, 0.0, fresh, available, 1.0)
                spare = np.int64(rest * SCORE_UNIT) + 1
                if one_spot:
                    scored = banded_m(exact_m) if klass & 1 else exact_m
                    # The very sum that the best point there can have: equal means equal, and
                    # then distance and row decide without a look at the points.
                    ceiling = _units(
                        _sum(
                            plan, klass, _decayed(plan, klass, scored), trust, fresh, available, 1.0
                        )
                    )
                    if count == k and not _beats(
                        ceiling, _millimetres(scored), lowest_row, best, k - 1
                    ):
                        continue
                else:
                    ceiling = _bound(
                        plan[klass, W_DISTANCE] * tables[table, _step(d2)]
                        + plan[klass, W_TRUST] * trust
                        + rest
                    )
            if count == k and ceiling < best[k - 1, SCORE]:
                continue
            heap[size, BOUND] = ceiling
            heap[size, LOWEST_ROW] = lowest_row
            heap[size, REFERENCE] = 2 * (first + c) + above_leaves
            heap[size, CLASS] = klass
            heap[size, REST] = spare
            _sift_up(heap, size)
            size += 1
    return _answer(hot, cold, plan, ask, filters, parts, np.empty(0), best, count)


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
    _, _, hot, cold = _open_blocks(blocks)
    parts = _parts(filters)
    now = np.int32(ask[ASK_AT])
    best = np.empty((k, BEST_COLUMNS), np.int64)
    count = 0
    for slot in slots:
        leaf, i = slot // LEAF, slot % LEAF
        if hot[leaf, VALID_FROM, i] > now or now >= hot[leaf, VALID_TO, i]:
            continue
        if plan[cold[leaf, FLAGS, i] >> 3, ACTIVE] == 0.0:
            continue
        fit = 1.0
        if len(fits) > 0:
            fit = fits[hot[leaf, ROW, i]]
        count = _consider(hot, cold, leaf, i, fit, plan, ask, filters, parts, best, count)
    return _answer(hot, cold, plan, ask, filters, parts, fits, best, count)
