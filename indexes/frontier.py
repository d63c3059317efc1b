"""The frontier of a best-first search: a heap of keys, the least first.

A row of ``heap`` is an int64 key, and a reference to what it bounds.
"""

from geo.arrays import IntArray
from indexes.scores import inlined

__all__ = ["KEY", "LOW_BITS", "REFERENCE", "put", "remove_first"]

KEY, REFERENCE = range(2)
# A key is a bound, then 32 bits that say what goes first among equal bounds.
LOW_BITS = 2**32 - 1


@inlined
def put(heap: IntArray, size: int, key: int, reference: int) -> None:
    """One more than ``size`` there are."""
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if heap[parent, KEY] <= key:
            break
        heap[at, KEY], heap[at, REFERENCE] = heap[parent, KEY], heap[parent, REFERENCE]
        at = parent
    heap[at, KEY], heap[at, REFERENCE] = key, reference


@inlined
def remove_first(heap: IntArray, size: int) -> None:
    """The last of ``size + 1`` comes in the place of the first, and sinks."""
    key, reference = heap[size, KEY], heap[size, REFERENCE]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1, KEY] < heap[child, KEY]:
            child += 1
        if heap[child, KEY] >= key:
            break
        heap[at, KEY], heap[at, REFERENCE] = heap[child, KEY], heap[child, REFERENCE]
        at = child
    heap[at, KEY], heap[at, REFERENCE] = key, reference
