"""How many households of a viewer's own building recommend a listing: never whose they are."""

import numpy as np

from geo.arrays import IntArray
from indexes.entities import VERIFIED_LEVEL

__all__ = ["Neighbours"]


class Neighbours:
    """What the people of each building recommend; who has not proved to live there doesn't count.

    Parameters
    ----------
    level, building, household : ndarray of int64, shape (n,)
        Of each member; -1 where there is none.
    listing, member : ndarray of int64, shape (k,)
        Who recommends what.

    Examples
    --------
    >>> level, building = np.array([2, 3, 2, 3, 1]), np.array([7, 7, 7, 7, 7])
    >>> household = np.array([0, 1, 2, 2, 3])
    >>> some = Neighbours(level, building, household, np.full(4, 5), np.arange(1, 5))
    >>> some.count(0, np.array([5, 6])), some.count(1, np.array([5])), some.count(4, np.array([5]))
    (array([2, 0]), array([1]), array([0]))
    """

    def __init__(
        self,
        level: IntArray,
        building: IntArray,
        household: IntArray,
        listing: IntArray,
        member: IntArray,
    ) -> None:
        self._level, self._building, self._household = level, building, household
        self._buildings = int(building.max(initial=0)) + 1
        self._households = int(household.max(initial=0)) + 1
        proved = (level[member] >= VERIFIED_LEVEL) & (building[member] >= 0)
        member = member[proved]
        said = np.sort(self._keys(listing[proved], building[member]) + household[member])
        self._said = said[np.diff(said, prepend=-1) > 0]

    def _keys(self, listing: IntArray, building: IntArray | int) -> IntArray:
        """A number for each listing and building, with room behind it for every household."""
        return (listing * self._buildings + building) * self._households

    def count(self, viewer: int, listings: IntArray) -> IntArray:
        """Households of a viewer's building that recommend each listing, the viewer's left out."""
        if self._level[viewer] < VERIFIED_LEVEL or self._building[viewer] < 0:
            return np.zeros(len(listings), np.int64)
        first = self._keys(listings, int(self._building[viewer]))
        own = first + self._household[viewer]
        begin, end = np.searchsorted(self._said, (first, first + self._households))
        before, after = (np.searchsorted(self._said, own, side) for side in ("left", "right"))
        found: IntArray = end - begin - (after - before)
        return found
