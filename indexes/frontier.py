"""The frontier of the best-first search: a heap of upper bounds, the best first.

A row of ``heap`` is a bound and the number of its entry; ``entries`` keep what the bound is of.
Where all below lies on one spot the bound is exact, and TIE its scored distance; else TIE is -1.
Both are int64, and grow by `grown`.
"""

import numpy as np

from geo.arrays import IntArray
from indexes.scores import compiled, inlined

__all__ = [
    "BOUND",
    "CLASS",
    "ENTRY",
    "ENTRY_COLUMNS",
    "LOWEST_RANK",
    "REFERENCE",
    "REST",
    "TIE",
    "grown",
    "remove_first",
    "sift_up",
]

BOUND, ENTRY = range(2)
LOWEST_RANK, REFERENCE, CLASS, REST, TIE = range(5)
ENTRY_COLUMNS = 5


@inlined
def _goes_first(heap: IntArray, entries: IntArray, a: int, b: int) -> bool:
    """The better bound first; among equal bounds the lower ranks, which win ties."""
    if heap[a, BOUND] != heap[b, BOUND]:
        return bool(heap[a, BOUND] > heap[b, BOUND])
    return bool(entries[heap[a, ENTRY], LOWEST_RANK] < entries[heap[b, ENTRY], LOWEST_RANK])


@inlined
def _swap(heap: IntArray, a: int, b: int) -> None:
    for column in range(2):
        heap[a, column], heap[b, column] = heap[b, column], heap[a, column]


@inlined
def sift_up(heap: IntArray, entries: IntArray, at: int) -> None:
    """What was put at ``at``, the end, rises to its place."""
    while at > 0:
        parent = (at - 1) >> 1
        if not _goes_first(heap, entries, at, parent):
            break
        _swap(heap, at, parent)
        at = parent


@inlined
def remove_first(heap: IntArray, entries: IntArray, size: int) -> None:
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
def grown(rows: IntArray, size: int) -> IntArray:
    """The first ``size`` rows of a heap or its entries, with as much room again."""
    larger: IntArray = np.empty((2 * len(rows), rows.shape[1]), np.int64)
    for i in range(size):
        for column in range(rows.shape[1]):
            larger[i, column] = rows[i, column]
    return larger
