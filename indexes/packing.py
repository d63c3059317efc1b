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

from indexes.columns import CLASSES, IN_STOCK, NEVER_FROM, NEVER_TO, TRAIT_BITS, PointColumns

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
def _order_ties(
    order: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    trust: npt.NDArray[np.int32],
    fresh: npt.NDArray[np.int32],
) -> None:
    """Among points on one spot: best trust first, then newest, then by row.

    Leaves of a crowded spot then differ in what they can score at most, so that a search
    reads the best of thousands of neighbours on one group point and skips the rest.
    """
    start = 0
    n = len(order)
    while start < n:
        stop = start + 1
        while stop < n and keys[order[stop]] == keys[order[start]]:
            stop += 1
        if stop - start > 1:
            run = np.sort(order[start:stop])
            newest = np.argsort(-fresh[run].astype(np.int64), kind="mergesort")
            run = run[newest]
            best = np.argsort(-trust[run].astype(np.int64), kind="mergesort")
            order[start:stop] = run[best]
        start = stop


@njit(cache=True)
def _fill_leaves(
    order: npt.NDArray[np.int64],
    hot_columns: Blocks,
    cold_columns: Blocks,
    hot: Blocks,
    cold: Blocks,
) -> None:
    for place in range(len(hot) * LEAF):
        leaf, i = place // LEAF, place % LEAF
        if place < len(order):
            for column in range(HOT_COLUMNS):
                hot[leaf, column, i] = hot_columns[order[place], column]
            for column in range(COLD_COLUMNS):
                cold[leaf, i, column] = cold_columns[order[place], column]
        else:  # padding: valid at no instant, so no search ever looks further
            hot[leaf, VALID_FROM, i] = NEVER_FROM
            hot[leaf, VALID_TO, i] = NEVER_TO


@njit(cache=True)
def _bound_leaves(hot: Blocks, cold: Blocks, n: int, bounds: Blocks) -> None:
    for leaf in range(len(hot)):
        count = min(LEAF, n - leaf * LEAF)
        for low, column in ((MIN_LON, LON), (MIN_LAT, LAT), (MIN_FROM, VALID_FROM)):
            bounds[leaf, low] = hot[leaf, column, :count].min()
        for high, column in (
            (MAX_LON, LON),
            (MAX_LAT, LAT),
            (MAX_TO, VALID_TO),
            (MAX_TRUST, TRUST),
        ):
            bounds[leaf, high] = hot[leaf, column, :count].max()
        bounds[leaf, MIN_ROW] = cold[leaf, :count, ROW].min()
        bounds[leaf, MIN_FRESH] = cold[leaf, :count, FRESH].min()
        bounds[leaf, MAX_FRESH] = cold[leaf, :count, FRESH].max()
        low_mask, high_mask, promises = np.int32(0), np.int32(0), np.int32(0)
        for i in range(count):
            category = (cold[leaf, i, TRAITS] >> TRAIT_BITS) & 63
            if category < 32:
                low_mask |= np.int32(1) << np.int32(category)
            else:
                high_mask |= np.int32(1) << np.int32(category - 32)
            if cold[leaf, i, HOURS] >= 0:
                promises |= np.int32(HAS_HOURS | CAN_BE_AVAILABLE)
            if cold[leaf, i, TRAITS] & 3 == IN_STOCK:
                promises |= np.int32(CAN_BE_AVAILABLE)
        bounds[leaf, CATEGORIES_LOW] = low_mask
        bounds[leaf, CATEGORIES_HIGH] = high_mask
        bounds[leaf, PROMISES] = promises


@njit(cache=True)
def _bound_nodes(
    nodes: npt.NDArray[np.int32], first: int, bounds: npt.NDArray[np.int32], first_child: int
) -> npt.NDArray[np.int32]:
    """Write one level of nodes above ``bounds`` and return the bounds of that level."""
    count = (len(bounds) + FANOUT - 1) // FANOUT
    above = np.empty((count, LINKS), np.int32)
    for node in range(count):
        start = node * FANOUT
        stop = min(len(bounds), start + FANOUT)
        for row in range(LINKS):
            nodes[first + node, row, : stop - start] = bounds[start:stop, row]
        children = bounds[start:stop]
        for row in (MIN_LON, MIN_LAT, MIN_FROM, MIN_FRESH, MIN_ROW):
            above[node, row] = children[:, row].min()
        for row in (MAX_LON, MAX_LAT, MAX_TO, MAX_TRUST, MAX_FRESH):
            above[node, row] = children[:, row].max()
        for row in (CATEGORIES_LOW, CATEGORIES_HIGH, PROMISES):
            mask = np.int32(0)
            for child in range(stop - start):
                mask |= children[child, row]
            above[node, row] = mask
        nodes[first + node, LINKS, FIRST_CHILD] = first_child + start
        nodes[first + node, LINKS, CHILD_COUNT] = stop - start
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


def pack(columns: PointColumns) -> Blocks:
    """All points as one flat array of packed trees.

    Parameters
    ----------
    columns : PointColumns
        n points.

    Returns
    -------
    ndarray of int32
        The layout of this module's docstring; about 54 bytes a point.
    """
    hot_columns, cold_columns = columns.packed()
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
    node = leaf = 0
    for code in np.flatnonzero(counts):
        rows = np.flatnonzero(classes == code)
        order = rows[np.argsort(keys[rows], kind="stable")]
        _order_ties(order, keys, hot_columns[:, TRUST], cold_columns[:, FRESH])
        width = -(-len(rows) // LEAF)
        part = slice(leaf, leaf + width)
        _fill_leaves(order, hot_columns, cold_columns, hot[part], cold[part])
        bounds = np.zeros((width, LINKS), np.int32)
        _bound_leaves(hot[part], cold[part], len(rows), bounds)
        first_child, above_leaves = leaf, 1
        while True:
            level = node
            bounds = _bound_nodes(nodes, node, bounds, first_child)
            node += len(bounds)
            nodes[level:node, LINKS, ABOVE_LEAVES] = above_leaves
            if len(bounds) == 1:
                break
            first_child, above_leaves = level, 0
        table[code, :2] = level, len(rows)
        leaf += width
    return blocks
