"""Ranks: numbers that order ids bytewise, for ids of a base and for those that came since."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from indexes.topk import RANK_BITS
from matching.towns.strings import SortedIds

__all__ = ["Ranks", "RanksUsedUp"]

GAP = 1 << RANK_BITS  # ranks between two ids of the base
STRIDE = 1 << 14  # between ids that come in order: 65,536 of them find room either way


class RanksUsedUp(Exception):  # noqa: N818  # no failure: ids must be numbered anew
    """No rank is left between two ids that stand before row ``row`` of the base."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


class Ranks:
    """The rank of every id: its place in bytewise order, never changed once given.

    Row r of the base has rank (r + 1) · 2³¹; an id that came since has one in between. One
    thread gives ranks, any number of threads ask for them.

    Ids that keep coming between the last two halve what is left there each time. When that is
    used up, `spread` gives ranks anew, to be used from then on beside those of before.

    Parameters
    ----------
    base : SortedIds
        Ids of the base.

    Examples
    --------
    >>> import pyarrow as pa
    >>> ranks = Ranks(SortedIds(pa.array(["b", "d"])))
    >>> given = ranks.give(["a", "b", "c"])
    >>> given[0] < given[1] == 1 << 31 < given[2] < 2 << 31
    True
    >>> ranks.rank_of("c") == ranks.rank_of("cc") == given[2]
    True
    """

    def __init__(self, base: SortedIds) -> None:
        self._base = base
        self._ids: list[str] = []  # that came since, sorted
        self._ranks: dict[str, int] = {}  # of those
        self._lock = threading.Lock()

    def rank_of(self, id: str) -> int:
        """The largest rank of an id that is not after this one; 0 if there is none."""
        row, known = self._base.first_from(id)
        if known:
            return (row + 1) * GAP
        with self._lock:
            i = bisect_right(self._ids, id)
            # The last that came before it may stand in an earlier gap.
            return max(row * GAP, self._ranks[self._ids[i - 1]] if i else 0)

    def ids_before(self, row: int) -> list[str]:
        """Ids that came since, between this row of the base and the one before it."""
        first, last = (
            bisect_left(self._ids, rank, key=self._ranks.__getitem__)
            for rank in (row * GAP, (row + 1) * GAP)
        )
        return self._ids[first:last]

    def spread(self, row: int) -> "Ranks":
        """The same, but for `ids_before` a row: these lie at equal distances."""
        others, between = Ranks(self._base), self.ids_before(row)
        step = GAP // (len(between) + 1)
        others._ids = self._ids[:]
        others._ranks = self._ranks | {id: row * GAP + step * i for i, id in enumerate(between, 1)}
        return others

    def give(self, ids: Sequence[str]) -> list[int]:
        """The rank of each id, given now where it had none.

        Parameters
        ----------
        ids : sequence of str
            Sorted bytewise, each once.

        Raises
        ------
        RanksUsedUp
            If there is none left for one of them. Some may have been given.
        """
        found: dict[str, int] = {}
        missing: list[tuple[int, str]] = []  # with the row of the base that it stands before
        for id in ids:
            row, known = self._base.first_from(id)
            if known:
                found[id] = (row + 1) * GAP
            elif id in self._ranks:
                found[id] = self._ranks[id]
            else:
                missing.append((row, id))

        # Those that fall between the same two known ids share what lies between these.
        places = [(row, bisect_left(self._ids, id), id) for row, id in missing]
        for (row, _), run in groupby(places, key=itemgetter(0, 1)):
            self._spread(row, [id for *_, id in run])
        return [found.get(id) or self._ranks[id] for id in ids]

    def _spread(self, row: int, ids: list[str]) -> None:
        """Give ranks to new ids in order, none of the known ones between them."""
        at = bisect_left(self._ids, ids[0])
        first, last = row * GAP, (row + 1) * GAP
        low = max(first, self._ranks[self._ids[at - 1]] if at else 0)
        high = min(last, self._ranks[self._ids[at]] if at < len(self._ids) else last)
        step = (high - low) // (len(ids) + 1)
        if step == 0:
            raise RanksUsedUp(row)
        # Most ids come in some order: at an end of a gap they leave room for those after them.
        if low == first or high == last:
            step = min(step, STRIDE)
        slack = (high - low) - step * (len(ids) + 1)
        if low == first:
            low += slack // 2 if high == last else slack
        with self._lock:
            self._ranks |= {id: low + step * i for i, id in enumerate(ids, 1)}
            self._ids[at:at] = ids
