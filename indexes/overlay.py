"""Rows that count otherwise for one viewer: packed once more, and searched in the others' place."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, FloatArray, IntArray
from indexes import header as h
from indexes.columns import PointColumns
from indexes.memory import address_of
from indexes.packing import OVERLAID, ROW, pack_rows
from indexes.points import PointIndex, PointView
from indexes.scan import PLACE_BITS

__all__ = ["Overlay"]


class Overlay:
    """Some rows of an index with a trust of their own.

    It stays right as long as the rows that it is made of do: a view in which some of them have
    died leaves those out, too.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Row numbers, ascending; at least one.
    columns : PointColumns
        These rows.
    trust : ndarray of float64, shape (n,)
        What the trust of each is, 0 to 1.

    Examples
    --------
    >>> from indexes.points import Ask, Plan, PointIndex, Rule, pack_filters
    >>> from indexes.sample import sample_points
    >>> sample = sample_points(1_000, seed=1)
    >>> index = PointIndex.build(sample.columns)
    >>> plan = Plan({6: Rule((0.6, 0.4, 0, 0, 0), "exp", 0.0, 300.0)})
    >>> asked = plan, Ask((5.374, 43.2951), sample.at), pack_filters(hours=sample.hours_states), 5
    >>> last = index.search(*asked).rows[-1:]
    >>> overlay = Overlay(last, sample.columns.taken(last), np.array([1.0]))
    >>> overlay.over(index).scan(*asked, last).factors[:, 1]
    array([1.])
    """

    def __init__(self, rows: IntArray, columns: PointColumns, trust: FloatArray) -> None:
        hot, cold = replace(columns, trust=trust).packed(rows.astype(np.int32))
        cold[:, ROW] |= OVERLAID
        self.rows = rows
        self._hidden = rows.astype(np.int32)
        self._tree = PointIndex(pack_rows(hot, cold))
        self._named = address_of(self._tree.blocks), address_of(self._hidden), len(rows)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self._tree.blocks.nbytes + self._hidden.nbytes + self.rows.nbytes

    def over(self, view: PointView) -> PointView:
        """What a search reads of a view, these rows being as they are here."""
        return _Overlaid(view, self)


class _Overlaid(PointView):
    def __init__(self, view: PointView, overlay: Overlay) -> None:
        header = view._header.copy()
        part = int(header[h.PARTS])
        header[h.PARTS] = part + 1
        header[h.PART_BLOCKS + part], header[h.HIDDEN], header[h.HIDDEN_ROWS] = overlay._named
        super().__init__(header, (view, overlay))
        self._under, self._rows, self._first = view, overlay.rows, part << PLACE_BITS
        self._tree = overlay._tree

    def alive(self, rows: npt.NDArray[np.integer[Any]]) -> BoolArray:
        return self._under.alive(rows)

    def _places(self, rows: IntArray) -> IntArray:
        places = self._under._places(rows)
        at = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        here = self._rows[at] == rows
        places[here] = self._first + self._tree.slots[at[here]]
        return places
