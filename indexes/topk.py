"""The k best points: what a question asks, its filters, a point's exact score and place.

Scores are whole 1e-9, so that equal is equal; then the scored distance in whole millimetres
decides, then the rank, which is the order of ids: a row of the base has the rank
``(row + 1) << 31``, and a pending one a rank in the gap between two of those. The k best are
kept in three arrays of k rows: ``order`` are places in ``best`` (score, tie, rank) and ``found``
(row, distance, factors), best first.

Compiled code counts references for every view of an array that it makes, and atomically. So
these functions pass whole arrays and index them, and take parts of ``filters`` by offset.
"""

import numpy as np

from geo.arrays import FloatArray, IntArray
from geo.distance import arc_m
from geo.kernels import forget_stale
from indexes import header as h
from indexes.columns import TRAIT_BITS, TRUST_UNIT, UNIT, Ints
from indexes.memory import ints32_at, ints_at
from indexes.packing import (
    AUDIENCE,
    FRESH,
    HOURS,
    LAT,
    LON,
    OVERLAID,
    OWNER,
    REACH,
    ROW,
    TRAITS,
    TRUST,
    ZONES,
)
from indexes.scores import (
    FRESH_MODE,
    available_factor,
    banded_m,
    compiled,
    decay_factor,
    fresh_factor,
    inlined,
    score_ceiling,
    to_millimetres,
    to_score_units,
    weighted_sum,
)

__all__ = [
    "AFTER_GAP",
    "AFTER_PLACE",
    "AFTER_SCORE",
    "AFTER_TIE",
    "ASK_SIZE",
    "AT",
    "BY_DISTANCE",
    "DEPTH",
    "FILTERS",
    "FOUND_COLUMNS",
    "HIGH_CATEGORIES",
    "INNER_M",
    "LAST_LON",
    "LAT_ASKED",
    "LIMIT",
    "LON_ASKED",
    "LOW_CATEGORIES",
    "MIN_M",
    "NO_BOUND",
    "OPEN_NOW",
    "PLAN",
    "RADIUS_M",
    "RANK_BITS",
    "SCORE",
    "TABLES",
    "VERIFIED",
    "beats",
    "consider",
    "offsets",
    "rank_of",
    "seen_in",
    "write_answer",
]

# What is asked, one float64 each; `points.Ask` fills them.
LON_ASKED, LAT_ASKED, RADIUS_M, MIN_M, INNER_M, AT, OPEN_NOW, VERIFIED, BY_DISTANCE = range(9)
AFTER_SCORE, AFTER_TIE, AFTER_GAP, AFTER_PLACE = range(9, 13)  # a rank is a gap and a place
DEPTH, LOW_CATEGORIES, HIGH_CATEGORIES = range(13, 16)
# For one of many questions: how many it wants, where its filters begin, and two addresses.
LIMIT, FILTERS, PLAN, TABLES = range(16, 20)
ASK_SIZE = 20

# `filters` begins with the lengths of its five parts: numbers of the audiences the viewer is
# in, of owners blocked, then by number whether a set of zones is asked for, the state of
# opening hours, and the depth of a category asked for (0: another category).
FILTER_LENGTHS = 5

SCORE, TIE, RANK = range(3)
LAST_LON, LAST_LAT, LAST_M = range(3)
FOUND_COLUMNS = 9  # row, score, tie, distance, five factors
RANK_BITS = 31

NO_BOUND = 2**62

Offsets = tuple[np.int64, np.int64, np.int64, np.int64, np.int64, np.int64]
# What a search sees: rows that there are, of them the base's, the version; then by row the
# version that it died in (0: alive), and by pending row its rank; and how many are hidden, and
# the address of those.
Seen = tuple[np.int64, np.int64, np.int64, Ints, IntArray, np.int64, np.int64]


@inlined
def offsets(filters: Ints, first: np.int64) -> Offsets:
    """Where the parts of the filters that begin at ``first`` begin, and where the last ends."""
    visible = first + FILTER_LENGTHS
    blocked = visible + filters[first]
    zones = blocked + filters[first + 1]
    hours = zones + filters[first + 2]
    depths = hours + filters[first + 3]
    return visible, blocked, zones, hours, depths, depths + filters[first + 4]


@inlined
def seen_in(header: IntArray) -> Seen:
    """What a view sees, from its header."""
    rows, base_rows = header[h.ROWS], header[h.BASE_ROWS]
    died = ints32_at(header[h.DIED], (rows,))
    ranks = ints_at(header[h.RANKS], (rows - base_rows,))
    return (
        rows, base_rows, header[h.VERSION], died, ranks, header[h.HIDDEN_ROWS], header[h.HIDDEN],
    )  # fmt: skip


@inlined
def rank_of(row: np.int64, seen: Seen) -> np.int64:
    """A row's place in the order of ids."""
    base_rows, ranks = seen[1], seen[4]
    if row < base_rows:
        return np.int64((row + 1) << RANK_BITS)
    return np.int64(ranks[row - base_rows])


@inlined
def _holds(values: Ints, low: np.int64, high: np.int64, value: np.int32) -> bool:
    """Is a number among ``values[low:high]``, which are sorted?"""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return bool(low < end and values[low] == value)


@compiled
def _is_hidden(row: np.int64, seen: Seen) -> bool:
    """Whether a row is to be looked at in the overlay only."""
    hidden = ints32_at(seen[6], (seen[5],))
    return bool(_holds(hidden, np.int64(0), seen[5], np.int32(row)))


@inlined
def _ranks_before(
    score_a: np.int64,
    tie_a: np.int64,
    rank_a: np.int64,
    score_b: np.int64,
    tie_b: np.int64,
    rank_b: np.int64,
) -> bool:
    """The better score first, then the lesser distance, then the lower rank."""
    if score_a != score_b:
        return bool(score_a > score_b)
    if tie_a != tie_b:
        return bool(tie_a < tie_b)
    return bool(rank_a < rank_b)


@inlined
def beats(score: np.int64, tie: np.int64, rank: np.int64, best: IntArray, place: int) -> bool:
    """Does a point rank before the one kept at a place of ``best``?"""
    return bool(
        _ranks_before(score, tie, rank, best[place, SCORE], best[place, TIE], best[place, RANK])
    )


@inlined
def _passes(
    cold: Ints, leaf: np.int64, i: int, ask: FloatArray, filters: Ints, parts: Offsets
) -> bool:
    """Every filter but validity, distance and reach."""
    visible, blocked, zones, hours, depths, end = parts
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
    return bool(blocked == zones or not _holds(filters, blocked, zones, cold[leaf, i, OWNER]))


@inlined
def consider(
    hot: Ints, cold: Ints, leaf: np.int64, i: int, fit: float, nearness: float,
    plan: FloatArray, ask: FloatArray, cos_lat: float, filters: Ints, parts: Offsets,
    seen: Seen, last: FloatArray, k: int,
    order: IntArray, best: IntArray, found: FloatArray, count: int,
) -> int:  # fmt: skip
    """Take one valid point among the k best if it belongs there; returns how many there are.

    ``nearness`` is an upper bound of its distance factor. ``last`` keeps the last point's place
    and distance: points of one spot lie side by side.
    """
    row = np.int64(cold[leaf, i, ROW] & ~OVERLAID)
    if row >= seen[0] or not _passes(cold, leaf, i, ask, filters, parts):
        return count
    if seen[2] > 0 and 0 < seen[3][row] <= seen[2]:
        return count
    traits = cold[leaf, i, TRAITS]
    klass = (traits >> 3) & 15
    by_distance = ask[BY_DISTANCE] != 0.0
    trust = fresh = available = distance = 0.0
    if not by_distance:
        state = 1
        if cold[leaf, i, HOURS] >= 0:
            state = filters[parts[3] + cold[leaf, i, HOURS]]
        if parts[4] < parts[5]:
            fit *= ask[DEPTH] / filters[parts[4] + (traits >> TRAIT_BITS)]
        trust = hot[leaf, TRUST, i] / TRUST_UNIT
        fresh = fresh_factor(plan[klass, FRESH_MODE], ask[AT], cold[leaf, i, FRESH])
        available = available_factor(traits & 3, state)
        # All but the distance is exact now; most points fall here, before the costly part.
        if count == k:
            at_most = weighted_sum(plan, klass, nearness, trust, fresh, available, fit)
            if score_ceiling(at_most) < best[order[count - 1], SCORE]:
                return count
    lon, lat = np.float64(hot[leaf, LON, i]), np.float64(hot[leaf, LAT, i])
    if lon != last[LAST_LON] or lat != last[LAST_LAT]:
        last[LAST_LON], last[LAST_LAT] = lon, lat
        last[LAST_M] = arc_m(ask[LON_ASKED], ask[LAT_ASKED], cos_lat, lon / UNIT, lat / UNIT)
    d = last[LAST_M]
    if d > ask[RADIUS_M] or d > cold[leaf, i, REACH] or d < ask[MIN_M] or d <= ask[INNER_M]:
        return count
    if seen[5] > 0 and cold[leaf, i, ROW] >= 0 and _is_hidden(row, seen):
        return count
    rank = rank_of(row, seen)
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
            (np.int64(ask[AFTER_GAP]) << RANK_BITS) + np.int64(ask[AFTER_PLACE]),
            score,
            tie,
            rank,
        ):
            return count
    place, kept = count, count
    if count == k:
        place -= 1
        kept = order[place]  # the place of the one that falls out
        if not beats(score, tie, rank, best, kept):
            return count
    else:
        count += 1
    while place > 0 and beats(score, tie, rank, best, order[place - 1]):
        order[place] = order[place - 1]
        place -= 1
    order[place] = kept
    best[kept, SCORE] = score
    best[kept, TIE] = tie
    best[kept, RANK] = rank
    found[kept, 0] = row
    found[kept, 3] = d
    found[kept, 4] = distance
    found[kept, 5] = trust
    found[kept, 6] = fresh
    found[kept, 7] = available
    found[kept, 8] = fit
    return count


@inlined
def write_answer(
    order: IntArray, best: IntArray, found: FloatArray, count: int, rows: FloatArray, first: int
) -> None:
    """The points found, in order, into ``rows[first:]``: as many of the columns as it has."""
    for place in range(count):
        kept = order[place]
        rows[first + place, 0] = found[kept, 0]
        rows[first + place, 1] = best[kept, SCORE]
        if rows.shape[1] == FOUND_COLUMNS:
            rows[first + place, 2] = best[kept, TIE]
            for column in range(3, FOUND_COLUMNS):
                rows[first + place, column] = found[kept, column]


forget_stale(
    consider,
    "geo.distance",
    "indexes.columns",
    "indexes.header",
    "indexes.memory",
    "indexes.packing",
    "indexes.scores",
)
