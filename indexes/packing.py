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

LEAF = 32
FANOUT = 16

# Hot columns of a leaf, then the cold numbers of a point.
LON, LAT, VALID_FROM, VALID_TO, TRUST = range(5)
HOT_COLUMNS = 5
ROW, AUDIENCE, FRESH, REACH, HOURS, OWNER, ZONES, TRAITS = range(8)
COLD_COLUMNS = 8

# Rows of a node, each with one number per child.
MIN_LON, MIN_LAT, MAX_LON, MAX_LAT = range(4)
MAX_TRUST, MIN_FROM, MAX_TO, MIN_FRESH, MAX_FRESH = range(4, 9)
CATEGORIES_LOW, CATEGORIES_HIGH, PROMISES, MIN_ROW = range(9, 13)
LINKS = 13  # [first child, number of children, 1 if the children are leaves]
NODE_ROWS = 14
FIRST_CHILD, CHILD_COUNT, ABOVE_LEAVES = range(3)

# Promises of a node: can one be fully available; has one opening hours.
CAN_BE_AVAILABLE = 1
HAS_HOURS = 2

HEADER = 16  # [points, nodes, leaves, offsets of class table, nodes, hot and cold leaves]
CLASS_COLUMNS = 4  # [root node or -1, points, 0, 0]


@njit(cache=True)
def hilbert_keys(lon: npt.NDArray[np.int32], lat: npt.NDArray[np.int32]) -> npt.NDArray[np.uint64]:
    """Place of each point on a Hilbert curve of 32 bits an axis.

    Parameters
    ----------
    lon, lat : ndarray of int32, shape (n,)
        1e-7 degree.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Equal only for equal points.

    References
    ----------
    J. K. Lawder, "Calculation of mappings between one and n-dimensional values using the
    Hilbert space-filling curve" (2000).
    """
    keys = np.empty(len(lon), np.uint64)
    for i in range(len(lon)):
        x = np.uint32(np.int64(lon[i]) + 2_147_483_648)
        y = np.uint32(np.int64(lat[i]) + 2_147_483_648)
        key = np.uint64(0)
        for level in range(31, -1, -1):
            right = (x >> np.uint32(level)) & np.uint32(1)
            upper = (y >> np.uint32(level)) & np.uint32(1)
            key = (key << np.uint64(2)) | np.uint64((np.uint32(3) * right) ^ upper)
            if upper == 0:
                if right == 1:
                    x = ~x
                    y = ~y
                x, y = y, x
        keys[i] = key
    return keys


@njit(cache=True)
def _goes_before(static: Blocks, a: int, b: int) -> bool:
    """Best trust first, then the newest, then by row."""
    if static[a, 0] != static[b, 0]:
        return bool(static[a, 0] > static[b, 0])
    if static[a, 1] != static[b, 1]:
        return bool(static[a, 1] > static[b, 1])
    return a < b


@njit(cache=True)
def _sink(order: IntArray, static: Blocks, start: int, at: int, stop: int) -> None:
    """Heapsort's step: what goes before its children sinks below them."""
    while True:
        child = start + 2 * (at - start) + 1
        if child >= stop:
            return
        if child + 1 < stop and _goes_before(static, order[child], order[child + 1]):
            child += 1
        if not _goes_before(static, order[at], order[child]):
            return
        order[at], order[child] = order[child], order[at]
        at = child


@njit(cache=True)
def _order_spots(order: IntArray, keys: npt.NDArray[np.uint64], static: Blocks) -> None:
    """Order the points of each spot by what they can score, whatever the distance.

    Leaves of a crowded spot then differ in what they can score at most, so that a search
    reads the best of thousands of neighbours on one group point and skips the rest.
    """
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and keys[order[stop]] == keys[order[start]]:
            stop += 1
        for at in range(start + (stop - start) // 2 - 1, start - 1, -1):
            _sink(order, static, start, at, stop)
        for last in range(stop - 1, start, -1):
            order[start], order[last] = order[last], order[start]
            _sink(order, static, start, start, last)
        start = stop


@njit(cache=True)
def _fill_leaves(
    order: IntArray, hot_columns: Blocks, cold_columns: Blocks, hot: Blocks, cold: Blocks
) -> None:
    """Points in their order; the last leaf is filled up with the last, valid at no instant."""
    for place in range(len(hot) * LEAF):
        leaf, i = place // LEAF, place % LEAF
        row = order[min(place, len(order) - 1)]
        for column in range(HOT_COLUMNS):
            hot[leaf, column, i] = hot_columns[row, column]
        for column in range(COLD_COLUMNS):
            cold[leaf, i, column] = cold_columns[row, column]
        if place >= len(order):
            hot[leaf, VALID_FROM, i] = NEVER_FROM
            hot[leaf, VALID_TO, i] = NEVER_TO


def _bounds_of_leaves(hot: Blocks, cold: Blocks) -> Blocks:
    """Bounds of each leaf, shape (leaves, LINKS)."""
    bounds = np.empty((len(hot), LINKS), np.int32)
    for low, column in (
        (MIN_LON, hot[:, LON]),
        (MIN_LAT, hot[:, LAT]),
        (MIN_FROM, hot[:, VALID_FROM]),
        (MIN_FRESH, cold[:, :, FRESH]),
        (MIN_ROW, cold[:, :, ROW]),
    ):
        bounds[:, low] = column.min(axis=1)
    for high, column in (
        (MAX_LON, hot[:, LON]),
        (MAX_LAT, hot[:, LAT]),
        (MAX_TO, hot[:, VALID_TO]),
        (MAX_TRUST, hot[:, TRUST]),
        (MAX_FRESH, cold[:, :, FRESH]),
    ):
        bounds[:, high] = column.max(axis=1)
    traits = cold[:, :, TRAITS]
    bit = np.uint64(1) << ((traits >> TRAIT_BITS) & 63).astype(np.uint64)
    masks = np.bitwise_or.reduce(bit, axis=1).view(np.int32).reshape(-1, 2)
    bounds[:, CATEGORIES_LOW], bounds[:, CATEGORIES_HIGH] = masks.T
    has_hours = (cold[:, :, HOURS] >= 0).any(axis=1)
    in_stock = (traits & 3 == IN_STOCK).any(axis=1)
    bounds[:, PROMISES] = HAS_HOURS * has_hours + CAN_BE_AVAILABLE * (has_hours | in_stock)
    return bounds


def _write_nodes(nodes: Blocks, bounds: Blocks, first_child: int, above_leaves: int) -> Blocks:
    """Write one level of nodes above ``bounds``, and return the bounds of that level."""
    short = -len(bounds) % FANOUT
    children = np.pad(bounds, ((0, short), (0, 0)), mode="edge").reshape(-1, FANOUT, LINKS)
    nodes[:, :LINKS] = children.transpose(0, 2, 1)
    nodes[:, LINKS, FIRST_CHILD] = first_child + FANOUT * np.arange(len(children))
    nodes[:, LINKS, CHILD_COUNT] = FANOUT
    nodes[-1, LINKS, CHILD_COUNT] = FANOUT - short
    nodes[:, LINKS, ABOVE_LEAVES] = above_leaves
    above: Blocks = children.max(axis=1)
    lowest = [MIN_LON, MIN_LAT, MIN_FROM, MIN_FRESH, MIN_ROW]
    above[:, lowest] = children[:, :, lowest].min(axis=1)
    either = [CATEGORIES_LOW, CATEGORIES_HIGH, PROMISES]
    above[:, either] = np.bitwise_or.reduce(children[:, :, either], axis=1)
    return above


def _on_lines(n: int) -> Blocks:
    """Zeros that begin on a cache line, as all parts do then."""
    line = 64 // 4
    raw = np.zeros(n + line, np.int32)
    skip = -raw.ctypes.data // 4 % line
    return raw[skip : skip + n]


def _sizes(counts: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Leaves and nodes that trees of these many points need."""
    leaves = nodes = 0
    for count in counts:
        width = -(-int(count) // LEAF)
        leaves += width
        while width:
            width = -(-width // FANOUT)
            nodes += width
            if width == 1:
                break
    return leaves, nodes


def pack(columns: PointColumns, rows: Ints | None = None) -> Blocks:
    """All points as one flat array of packed trees.

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
    hot_columns, cold_columns = columns.packed(rows)
    classes = columns.classes
    counts = np.bincount(classes, minlength=CLASSES)
    n_leaves, n_nodes = _sizes(counts)
    nodes_at = HEADER + CLASSES * CLASS_COLUMNS
    hot_at = nodes_at + n_nodes * NODE_ROWS * FANOUT
    cold_at = hot_at + n_leaves * HOT_COLUMNS * LEAF
    blocks = _on_lines(cold_at + n_leaves * COLD_COLUMNS * LEAF)
    blocks[:7] = (len(classes), n_nodes, n_leaves, HEADER, nodes_at, hot_at, cold_at)
    table = blocks[HEADER:nodes_at].reshape(CLASSES, CLASS_COLUMNS)
    nodes = blocks[nodes_at:hot_at].reshape(n_nodes, NODE_ROWS, FANOUT)
    hot = blocks[hot_at:cold_at].reshape(n_leaves, HOT_COLUMNS, LEAF)
    cold = blocks[cold_at:].reshape(n_leaves, LEAF, COLD_COLUMNS)
    table[:, 0] = -1

    keys = hilbert_keys(hot_columns[:, LON], hot_columns[:, LAT])
    static = np.stack((hot_columns[:, TRUST], cold_columns[:, FRESH]), axis=1)
    node = leaf = 0
    for code in np.flatnonzero(counts):
        members = np.flatnonzero(classes == code)
        order = members[np.argsort(keys[members])]
        _order_spots(order, keys, static)
        width = -(-len(members) // LEAF)
        part = slice(leaf, leaf + width)
        _fill_leaves(order, hot_columns, cold_columns, hot[part], cold[part])
        bounds = _bounds_of_leaves(hot[part], cold[part])
        first_child, above_leaves = leaf, 1
        while True:
            level = node
            node += -(-len(bounds) // FANOUT)
            bounds = _write_nodes(nodes[level:node], bounds, first_child, above_leaves)
            if len(bounds) == 1:
                break
            first_child, above_leaves = level, 0
        table[code, :2] = level, len(members)
        leaf += width
    return blocks


forget_stale(hilbert_keys, "indexes.columns")
