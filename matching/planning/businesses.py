"""Counts of businesses: exact, since each is public, but none that tells of one of them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from geo.arrays import BoolArray, IntArray
from matching.disclosure import dominated

__all__ = ["business_cells", "withheld"]


def business_cells(
    zone: IntArray, category: IntArray, owner: IntArray, zones: int, categories: int
) -> tuple[IntArray, BoolArray]:
    """Listings by zone and category, and which of these counts would tell of one business.

    Parameters
    ----------
    zone, category, owner : ndarray of int64, shape (n,)
        Of each listing; zone -1 for none.
    zones, categories : int
        How many there are.

    Returns
    -------
    totals : ndarray of int64, shape (zones, categories)
    hidden : ndarray of bool, of the same shape
        `dominated`: one or two owners, or one with more than 85 %.
    """
    inside = zone >= 0
    cell = zone[inside] * categories + category[inside]
    owners = int(owner.max(initial=0)) + 1
    pairs, listings = np.unique(cell * owners + owner[inside], return_counts=True)
    of = pairs // owners
    size = zones * categories
    units = np.bincount(of, minlength=size)
    largest = np.zeros(size, dtype=np.int64)
    np.maximum.at(largest, of, listings)
    totals = np.bincount(cell, minlength=size)
    shape = zones, categories
    return totals.reshape(shape), dominated(units, totals, largest).reshape(shape)


def withheld(
    parents: Sequence[IntArray], totals: Sequence[IntArray], hidden: Sequence[BoolArray]
) -> list[BoolArray]:
    """What to hide so that nothing hidden follows from sums.

    Parameters
    ----------
    parents : sequence of ndarray of int64
        Levels from the coarsest to the finest: for each zone of a level the position of the one
        it is part of, among all levels' zones one after the other; -1 for none.
    totals : sequence of ndarray of int64, shape (zones, k)
        Counts by level; a zone's children add up to it.
    hidden : sequence of ndarray of bool, of the same shapes
        What must be hidden for its own sake.

    Returns
    -------
    list of ndarray of bool
        By level: what must be hidden, and for each sum with just one unknown the smallest other
        count that isn't zero.

    Notes
    -----
    In the end each sum has no unknown or at least two, and each hidden zone has a hidden part, down
    to the finest. So for any hidden count there is another one under the same told sum, and
    what is added to one and taken from the other, each along its parts, changes nothing that is
    told.
    """
    counts = np.concatenate(totals)
    secret = np.concatenate(hidden)
    parent = np.concatenate(parents)
    first = np.cumsum([0, *(len(level) for level in totals)])
    for start, end in pairwise(first.tolist()):
        children = np.arange(start, end)[parent[start:end] >= 0]
        above = parent[children]
        for k in range(counts.shape[1]):
            unknown = np.bincount(above, weights=secret[children, k], minlength=len(counts))
            short = np.where(secret[:, k], unknown < 1, unknown == 1) & (counts[:, k] > 0)
            could = short[above] & ~secret[children, k] & (counts[children, k] > 0)
            chosen = children[could]
            order = np.lexsort((chosen, counts[chosen, k], parent[chosen]))
            _, at = np.unique(parent[chosen][order], return_index=True)
            secret[chosen[order[at]], k] = True
    return [secret[start:end] for start, end in pairwise(first.tolist())]
