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
from geo.kernels import forget_stale
from indexes import header as h
from indexes.columns import TRAIT_BITS, TRUST_UNIT, Ints
from indexes.memory import floats_at, ints32_at, ints_at
from indexes.packing import (
    AUDIENCE,
    FRESH,
    HOURS,
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
    decay_factor,
    fresh_factor,
    inlined,
    score_ceiling,
    to_millimetres,
    to_score_units,
    uncounted,
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
    "consider_near",
    "dead_bit",
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
FOUND_COLUMNS = 9  # row, score, tie, distance, five factors
RANK_BITS = 31

KEPT = 1 + 3 + FOUND_COLUMNS  # int64s that one of the k best takes

NO_BOUND = 2**62

Kept = tuple[IntArray, IntArray, FloatArray]
Offsets = tuple[np.int64, np.int64, np.int64, np.int64, np.int64, np.int64]
# What a search sees: rows that there are, of them the base's, the version; then by row the
# version that it died in (0: alive), and by pending row its rank; how many are hidden, and the
# address of those; and the bits of all that died.
Seen = tuple[np.int64, np.int64, np.int64, Ints, IntArray, np.int64, np.int64, IntArray]


@inlined
def kept_at(at: np.int64, k: int) -> Kept:
    """The arrays of the k best: their order, what ranks them, what is answered of them."""
    order, best = ints_at(at, (k,)), ints_at(at + 8 * k, (k, 3))
    return order, best, floats_at(at + 32 * k, (k, FOUND_COLUMNS))


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
    dead = ints_at(header[h.DEAD], (h.DEAD_WORDS,))
    return (
        rows, base_rows, header[h.VERSION], died, ranks, header[h.HIDDEN_ROWS], header[h.HIDDEN],
        dead,
    )  # fmt: skip


@inlined
def rank_of(row: np.int64, seen: Seen) -> np.int64:
    """A row's place in the order of ids."""
    base_rows, ranks = seen[1], seen[4]
    if row < base_rows:
        return np.int64((row + 1) << RANK_BITS)
    return np.int64(ranks[row - base_rows])


@inlined
def dead_bit(row: np.int64) -> tuple[np.int64, np.int64]:
    """Which word of `header.DEAD`, and which bit of it, is set if a row died in any version.

    A row shares its bit with those 2^20 rows away.
    """
    return (row >> 6) & (h.DEAD_WORDS - 1), np.int64(1) << (row & 63)


@inlined
def _is_dead(row: np.int64, seen: Seen) -> bool:
    """Whether a row has died for this view.

    Most have not, and the bits tell so from the cache: a look at the versions of a million rows
    is a miss for each point.
    """
    version, died, dead = seen[2], seen[3], seen[7]
    if version == 0:
        return False
    word, bit = dead_bit(row)
    return bool(dead[word] & bit != 0 and 0 < died[row] <= version)


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


@uncounted
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
def row_seen(
    cold: Ints, leaf: np.int64, i: int, ask: FloatArray, filters: Ints, parts: Offsets, seen: Seen
) -> np.int64:
    """A valid point's row; -1 if it is not there for this view, or filtered out."""
    row = np.int64(cold[leaf, i, ROW] & ~OVERLAID)
    if row >= seen[0] or not _passes(cold, leaf, i, ask, filters, parts):
        return np.int64(-1)
    return np.int64(-1) if _is_dead(row, seen) else row


@inlined
def is_within(
    cold: Ints, leaf: np.int64, i: int, row: np.int64, d: float, ask: FloatArray, seen: Seen
) -> bool:
    """Whether a point at this distance is in reach, and not to be looked at elsewhere."""
    if d > ask[RADIUS_M] or d > cold[leaf, i, REACH] or d < ask[MIN_M] or d <= ask[INNER_M]:
        return False
    return not (seen[5] > 0 and cold[leaf, i, ROW] >= 0 and _is_hidden(row, seen))


@inlined
def _place_for(
    score: np.int64, tie: np.int64, rank: np.int64, k: int, order: IntArray, best: IntArray,
    count: int,
) -> int:  # fmt: skip
    """Which of the k places a point takes, its score written there; -1 if none."""
    place, kept = count, count
    if count == k:
        place -= 1
        kept = order[place]  # the place of the one that falls out
        if not beats(score, tie, rank, best, kept):
            return -1
    while place > 0 and beats(score, tie, rank, best, order[place - 1]):
        order[place] = order[place - 1]
        place -= 1
    order[place] = kept
    best[kept, SCORE] = score
    best[kept, TIE] = tie
    best[kept, RANK] = rank
    return kept


@inlined
def consider_near(
    cold: Ints, leaf: np.int64, i: int, d: float, ask: FloatArray, filters: Ints, parts: Offsets,
    seen: Seen, k: int, order: IntArray, best: IntArray, found: FloatArray, count: int,
) -> int:  # fmt: skip
    """Take one valid point at a distance among the k nearest if it belongs there.

    Returns how many there are. The score is minus the millimetres; tie and factors are 0.
    """
    row = row_seen(cold, leaf, i, ask, filters, parts, seen)
    if row < 0 or not is_within(cold, leaf, i, row, d, ask, seen):
        return count
    score = -to_millimetres(d)
    kept = _place_for(score, np.int64(0), rank_of(row, seen), k, order, best, count)
    if kept < 0:
        return count
    found[kept, 0] = row
    found[kept, 3] = d
    for column in range(4, FOUND_COLUMNS):
        found[kept, column] = 0.0
    return int(max(count, kept + 1))


@inlined
def consider(
    hot: Ints, cold: Ints, leaf: np.int64, i: int, d: float, fit: float, nearness: float,
    plan: FloatArray, ask: FloatArray, filters: Ints, parts: Offsets,
    seen: Seen, k: int, order: IntArray, best: IntArray, found: FloatArray, count: int,
) -> int:  # fmt: skip
    """Take one valid point at a distance among the k best if it belongs there.

    Returns how many there are. ``nearness`` is an upper bound of its distance factor.
    """
    row = row_seen(cold, leaf, i, ask, filters, parts, seen)
    if row < 0:
        return count
    traits = cold[leaf, i, TRAITS]
    klass = (traits >> 3) & 15
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
    if not is_within(cold, leaf, i, row, d, ask, seen):
        return count
    rank = rank_of(row, seen)
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
    kept = _place_for(score, tie, rank, k, order, best, count)
    if kept < 0:
        return count
    found[kept, 0] = row
    found[kept, 3] = d
    found[kept, 4] = distance
    found[kept, 5] = trust
    found[kept, 6] = fresh
    found[kept, 7] = available
    found[kept, 8] = fit
    return int(max(count, kept + 1))


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
    "indexes.columns",
    "indexes.header",
    "indexes.memory",
    "indexes.packing",
    "indexes.scores",
)
