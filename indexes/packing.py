"""Packs points into trees: Hilbert order, leaves of 32, nodes of 16, one flat array.

One tree a class, a class being a kind and whether it is personal. Everything lies in one
int32 array, so that a compiled search takes one argument and a file can be mapped as it is::

    header | class table | nodes | hot leaves | cold leaves

A leaf is kept in two parts. The *hot* part is what every visited point needs, column by
column (32 longitudes, 32 latitudes, ...), so that 32 points are tested in a few instructions.
The *cold* part is what only a point that may be answered needs, point by point, 32 bytes each:
one cache line. A node keeps, for each of its 16 children, the bounding box and the bounds of
what the points below can score.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.arrays import IntArray
from geo.kernels import forget_stale
from indexes.columns import CLASSES, IN_STOCK, NEVER_FROM, NEVER_TO, TRAIT_BITS, Ints, PointColumns

Blocks = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

LEAF = 32
FANOUT = 16

# Hot columns of a leaf, then the cold numbers of a point.
LON, LAT, VALID_FROM, VALID_TO, TRUST = range(5)
HOT_COLUMNS = 5
ROW, AUDIENCE, FRESH, REACH, HOURS, OWNER, ZONES, TRAITS = range(8)
COLD_COLUMNS = 8
# In an overlay (`indexes.overlay`) the sign of ROW is set: such a row is never hidden.
OVERLAID = -(2**31)

# Rows of a node, each with one number per child.
MIN_LON, MIN_LAT, MAX_LON, MAX_LAT = range(4)
MAX_TRUST, MIN_FROM, MAX_TO, MIN_FRESH, MAX_FRESH = range(4, 9)
CATEGORIES_LOW, CATEGORIES_HIGH, PROMISES, MIN_ROW = range(9, 13)
LINKS = 13  # [first child, number of children, 1 if the children are leaves]
NODE_ROWS = 14
FIRST_CHILD, CHILD_COUNT, ABOVE_LEAVES = range(3)

HOT_BYTES, NODE_BYTES = 4 * HOT_COLUMNS * LEAF, 4 * NODE_ROWS * FANOUT  # of a leaf, of a node
COLD_BYTES = 4 * COLD_COLUMNS  # of a point

# Promises of a node: can one be fully available; has one opening hours.
CAN_BE_AVAILABLE = 1
HAS_HOURS = 2

# How the bounds of several are made of those of each.
LOWEST = (MIN_LON, MIN_LAT, MIN_FROM, MIN_FRESH, MIN_ROW)
HIGHEST = (MAX_LON, MAX_LAT, MAX_TRUST, MAX_TO, MAX_FRESH)
EITHER = (CATEGORIES_LOW, CATEGORIES_HIGH, PROMISES)

HEADER = 16  # [points, nodes, leaves, offsets of class table, nodes, hot and cold leaves]
CLASS_COLUMNS = 4  # [root node or -1, points, 0, 0]


_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, error_model="numpy", forceinline=True)


def _hilbert_steps() -> npt.NDArray[np.uint16]:
    """Four levels of the curve at once: 8 bits of the key and the next state, shape (4, 256).

    A state says whether the axes are turned round (2) and swapped (1); a step is four bits of
    x, then four of y.
    """
    state, step = np.divmod(np.arange(4 * 256), 256)
    turned, swapped = np.divmod(state, 2)
    key = np.zeros_like(step)
    for level in (3, 2, 1, 0):
        x, y = ((step >> shift) & 1 ^ turned for shift in (4 + level, level))
        right, upper = np.where(swapped, (y, x), (x, y))
        key = key << 2 | 3 * right ^ upper
        turned ^= right & ~upper
        swapped ^= 1 - upper
    return ((2 * turned + swapped) << 8 | key).astype(np.uint16).reshape(4, 256)


HILBERT_STEPS = _hilbert_steps()


@_compiled
def hilbert_keys(hot: Ints) -> Keys:
    """Place of each point on a Hilbert curve of 32 bits an axis.

    Parameters
    ----------
    hot : ndarray of int32, shape (n, 5)
        Hot columns; longitude and latitude are whole 1e-7 degrees.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Equal only for equal points.

    References
    ----------
    J. K. Lawder, "Calculation of mappings between one and n-dimensional values using the
    Hilbert space-filling curve" (2000).
    """
    keys = np.empty(len(hot), np.uint64)
    for i in range(len(hot)):
        x = np.uint64(np.int64(hot[i, LON]) + 2_147_483_648)
        y = np.uint64(np.int64(hot[i, LAT]) + 2_147_483_648)
        key = state = np.uint64(0)
        for level in range(28, -1, -4):
            east = (x >> np.uint64(level)) & np.uint64(15)
            north = (y >> np.uint64(level)) & np.uint64(15)
            step = np.uint64(HILBERT_STEPS[state, (east << np.uint64(4)) | north])
            key = (key << np.uint64(8)) | (step & np.uint64(255))
            state = step >> np.uint64(8)
        keys[i] = key
    return keys


@_compiled
def _merits(hot: Ints, cold: Ints) -> Keys:
    """Ascending: best trust first, then the newest."""
    keys = np.empty(len(hot), np.uint64)
    for i in range(len(hot)):
        trust = np.uint64(np.int64(hot[i, TRUST]) + 2_147_483_648)
        fresh = np.uint64(np.int64(cold[i, FRESH]) + 2_147_483_648)
        keys[i] = ~((trust << np.uint64(32)) | fresh)
    return keys


@_inlined
def _class_of(cold: Ints, row: int) -> int:
    return int(cold[row, TRAITS] >> 3) & (CLASSES - 1)


@_compiled
def _classes(cold: Ints) -> Keys:
    """The class of each point."""
    keys = np.empty(len(cold), np.uint64)
    for row in range(len(cold)):
        keys[row] = _class_of(cold, row)
    return keys


@_compiled
def _counts(cold: Ints) -> IntArray:
    """Points of each class, shape (CLASSES,)."""
    counts = np.zeros(CLASSES, np.int64)
    for row in range(len(cold)):
        counts[_class_of(cold, row)] += 1
    return counts


@_compiled
def _sort(order: Ints, keys: Keys) -> Ints:
    """``order`` by ``keys[order]``, equal ones as they stand: a radix sort, byte by byte.

    ``order`` itself is written over. A byte that all keys share is skipped: points of one
    region share the first two.
    """
    n = len(order)
    ordered = np.empty(n, np.uint64)
    counts = np.zeros((8, 256), np.int64)
    for i in range(n):
        key = keys[order[i]]
        ordered[i] = key
        for byte in range(8):
            counts[byte, (key >> np.uint64(8 * byte)) & np.uint64(255)] += 1
    to_order, to_ordered = np.empty(n, np.int32), np.empty(n, np.uint64)
    for byte in range(8):
        shift = np.uint64(8 * byte)
        if n == 0 or counts[byte, (ordered[0] >> shift) & np.uint64(255)] == n:
            continue
        at = 0
        for digit in range(256):
            count = counts[byte, digit]
            counts[byte, digit] = at
            at += count
        for i in range(n):
            digit = (ordered[i] >> shift) & np.uint64(255)
            to = counts[byte, digit]
            counts[byte, digit] = to + 1
            to_ordered[to], to_order[to] = ordered[i], order[i]
        ordered, to_ordered = to_ordered, ordered
        order, to_order = to_order, order
    return order


@_inlined
def _join(bounds: Blocks, at: int, others: Blocks, of: int) -> None:
    """Widen the bounds in one row by those in another."""
    for i in LOWEST:
        bounds[at, i] = min(bounds[at, i], others[of, i])
    for i in HIGHEST:
        bounds[at, i] = max(bounds[at, i], others[of, i])
    for i in EITHER:
        bounds[at, i] |= others[of, i]


@_inlined
def _bound_point(hot: Ints, cold: Ints, row: int, bounds: Blocks) -> None:
    """What a point alone is within, as the one row of ``bounds``."""
    bounds[0, MIN_LON] = bounds[0, MAX_LON] = hot[row, LON]
    bounds[0, MIN_LAT] = bounds[0, MAX_LAT] = hot[row, LAT]
    bounds[0, MIN_FROM] = hot[row, VALID_FROM]
    bounds[0, MAX_TO] = hot[row, VALID_TO]
    bounds[0, MAX_TRUST] = hot[row, TRUST]
    bounds[0, MIN_FRESH] = bounds[0, MAX_FRESH] = cold[row, FRESH]
    bounds[0, MIN_ROW] = cold[row, ROW]
    traits = cold[row, TRAITS]
    category = np.uint64(1) << np.uint64((traits >> TRAIT_BITS) & 63)
    bounds[0, CATEGORIES_LOW] = np.int32(category)
    bounds[0, CATEGORIES_HIGH] = np.int32(category >> np.uint64(32))
    has_hours = cold[row, HOURS] >= 0
    bounds[0, PROMISES] = HAS_HOURS if has_hours else 0
    if has_hours or traits & 3 == IN_STOCK:
        bounds[0, PROMISES] |= CAN_BE_AVAILABLE


@_compiled
def _write_leaves(order: Ints, hot: Ints, cold: Ints, to_hot: Blocks, to_cold: Blocks) -> Blocks:
    """Points in their order, and the bounds of each leaf, shape (leaves, LINKS).

    The last leaf is filled up with the last point, valid at no instant.
    """
    bounds = np.empty((len(to_hot), LINKS), np.int32)
    alone = np.empty((1, LINKS), np.int32)
    for leaf in range(len(to_hot)):
        first = leaf * LEAF
        count = min(LEAF, len(order) - first)
        for i in range(LEAF):  # no branch: that would wait for each point to come from memory
            row = order[first + min(i, count - 1)]
            for column in range(HOT_COLUMNS):
                to_hot[leaf, column, i] = hot[row, column]
            for column in range(COLD_COLUMNS):
                to_cold[leaf, i, column] = cold[row, column]
        to_hot[leaf, VALID_FROM, count:] = NEVER_FROM
        to_hot[leaf, VALID_TO, count:] = NEVER_TO
        for i in range(count):
            _bound_point(hot, cold, order[first + i], alone)
            if i == 0:
                bounds[leaf] = alone[0]
            else:
                _join(bounds, leaf, alone, 0)
    return bounds


@_compiled
def _write_nodes(nodes: Blocks, bounds: Blocks, first_child: int, above_leaves: int) -> Blocks:
    """Write one level of nodes above ``bounds``, and return the bounds of that level.

    The last node is filled up with its last child.
    """
    above = np.empty((len(nodes), LINKS), np.int32)
    for node in range(len(nodes)):
        first = node * FANOUT
        count = min(FANOUT, len(bounds) - first)
        above[node] = bounds[first]
        for i in range(FANOUT):
            child = first + min(i, count - 1)
            for row in range(LINKS):
                nodes[node, row, i] = bounds[child, row]
            _join(above, node, bounds, child)
        nodes[node, LINKS, FIRST_CHILD] = first_child + first
        nodes[node, LINKS, CHILD_COUNT] = count
        nodes[node, LINKS, ABOVE_LEAVES] = above_leaves
    return above


@_compiled
def _sizes(counts: IntArray) -> tuple[int, int]:
    """Leaves and nodes that trees of these many points need."""
    leaves = nodes = 0
    for count in counts:
        width = -(-count // LEAF)
        leaves += width
        while width > 0:
            width = -(-width // FANOUT)
            nodes += width
            if width == 1:
                break
    return leaves, nodes


@_compiled
def _pack(hot: Ints, cold: Ints, counts: IntArray, blocks: Blocks) -> None:
    """Fill ``blocks``, which are zero but for the header."""
    nodes_at, hot_at, cold_at = blocks[4], blocks[5], blocks[6]
    table = blocks[HEADER:nodes_at].reshape(CLASSES, CLASS_COLUMNS)
    nodes = blocks[nodes_at:hot_at].reshape(-1, NODE_ROWS, FANOUT)
    to_hot = blocks[hot_at:cold_at].reshape(-1, HOT_COLUMNS, LEAF)
    to_cold = blocks[cold_at:].reshape(-1, LEAF, COLD_COLUMNS)
    by_class = _sort(np.arange(len(hot)).astype(np.int32), _classes(cold))
    keys, merits = hilbert_keys(hot), _merits(hot, cold)
    point = node = leaf = 0
    for code in range(CLASSES):
        table[code, 0] = -1
        if counts[code] == 0:
            continue
        # Leaves of a crowded spot differ in what they can score at most, whatever the distance:
        # a search reads the best of thousands of neighbours on one group point, not the rest.
        members = _sort(_sort(by_class[point : point + counts[code]], merits), keys)
        part = slice(leaf, leaf - (-len(members) // LEAF))
        bounds = _write_leaves(members, hot, cold, to_hot[part], to_cold[part])
        first_child, above_leaves = leaf, 1
        while True:
            level = node
            node -= -len(bounds) // FANOUT
            bounds = _write_nodes(nodes[level:node], bounds, first_child, above_leaves)
            if len(bounds) == 1:
                break
            first_child, above_leaves = level, 0
        table[code, 0], table[code, 1] = level, len(members)
        point += len(members)
        leaf = part.stop


def _on_lines(n: int) -> Blocks:
    """Zeros that begin on a cache line, as all parts do then."""
    line = 64 // 4
    raw = np.zeros(n + line, np.int32)
    skip = -raw.ctypes.data // 4 % line
    return raw[skip : skip + n]


def pack(columns: PointColumns, rows: Ints | None = None) -> Blocks:
    """All points as one flat array of packed trees.

    Other threads run meanwhile.

    Parameters
    ----------
    columns : PointColumns
        n points.
    rows : ndarray of int32, shape (n,), optional
        The numbers that searches answer for the points, 0 to n - 1 by default.

    Returns
    -------
    ndarray of int32
        The layout of this module's docstring; about 54 bytes a point.
    """
    return pack_rows(*columns.packed(rows))


def pack_rows(hot: Ints, cold: Ints) -> Blocks:
    """As `pack`, of points as `PointColumns.packed` makes them."""
    counts = _counts(cold)
    n_leaves, n_nodes = _sizes(counts)
    nodes_at = HEADER + CLASSES * CLASS_COLUMNS
    hot_at = nodes_at + n_nodes * NODE_ROWS * FANOUT
    cold_at = hot_at + n_leaves * HOT_COLUMNS * LEAF
    # Made by numpy, which asks for huge pages: searches then miss the TLB less.
    blocks = _on_lines(cold_at + n_leaves * COLD_COLUMNS * LEAF)
    blocks[:7] = (len(hot), n_nodes, n_leaves, HEADER, nodes_at, hot_at, cold_at)
    _pack(hot, cold, counts, blocks)
    return blocks


forget_stale(_pack, "indexes.columns")
