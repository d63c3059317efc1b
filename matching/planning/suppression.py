"""Exact tables for a town's own staff: small counts hidden, and enough others to keep them so.

A table is leaves, and sums of leaves. What an attacker knows of a hidden count, from everything
that is told and from counts being no less than 0, are the ends of an interval: two linear
programs. Each interval must be as wide as the threshold.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.errors import InputError, MitoyenError
from indexes.district_facts import Facts
from matching.planning.contributions import count_pieces
from matching.planning.measures import DRAWS, HOUSEHOLD_THRESHOLD, PEOPLE_CATEGORIES
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces

__all__ = ["ExactTable", "exact_table", "interval", "require_category", "suppressed"]

SLACK = 1e-6  # of the solver


@dataclass(frozen=True, slots=True, eq=False)
class ExactTable:
    """Exact counts of households by zone: entry i of every column is one zone.

    ``value`` is NaN where it is hidden.
    """

    level: tuple[str, ...]
    zone: tuple[str, ...]
    value: FloatArray  # (n,)

    @classmethod
    def of(cls, table: pa.Table) -> "ExactTable":
        """Read what `to_table` made."""
        level, zone = (tuple(table[name].to_pylist()) for name in ("level", "zone"))
        return cls(level, zone, np.asarray(table["value"], dtype=np.float64))

    def to_table(self) -> pa.Table:
        """As it is kept: ``level, zone, value``, null where it is hidden."""
        values = pa.array(self.value, pa.float64(), from_pandas=True)
        return pa.table({"level": list(self.level), "zone": list(self.zone), "value": values})


def exact_table(facts: Facts, outlines: Outlines, category: str | None = None) -> ExactTable:
    """Households by zone, exact but for what must be hidden.

    Parameters
    ----------
    facts : Facts
    outlines : Outlines
        Of the vintage that the facts lie in.
    category : str, optional
        One of `PEOPLE_CATEGORIES`: households that offer something in it. Households
        registered by default.

    Returns
    -------
    ExactTable
        IRIS and all levels above; no cells, which would be taken from them.

    Raises
    ------
    InputError
        If there is no such category (code ``unknown-category``).

    Notes
    -----
    Not differentially private, and no part of a release: whoever asks is a town's own staff, for
    a purpose that is put on record. Made again after somebody came or left, or over other zones,
    it would tell of one household by its difference from the first: of a quarter and category
    there must be one, which is kept. Tables of two categories protect each other's counts
    only as far as their figures have nothing to do with each other.
    """
    require_category(category)
    pieces = Pieces.of(outlines, by_cell=False)
    draw = next(draw for draw in DRAWS if draw.name == ("exchange" if category else "households"))
    column = draw.columns.index(f"offers:{category}" if category else "households")
    leaves = count_pieces(facts, pieces, draw)[:-1, column]
    levels = [name for name in outlines.levels if name != "cell"]
    sums: list[csr_array] = []
    zones: list[str] = []
    level_of: list[str] = []
    for name in levels:
        level = outlines.level(name)
        inside = np.flatnonzero(level.of_iris >= 0)
        shape = len(level.codes), len(leaves)
        ones = np.ones(len(inside))
        sums.append(csr_array((ones, (level.of_iris[inside], inside)), shape=shape))
        zones += level.codes
        level_of += [name] * len(level.codes)
    rows = csr_array(vstack(sums))
    hidden = suppressed(rows, leaves)
    value = np.where(hidden, np.nan, rows @ leaves)
    return ExactTable(tuple(level_of), tuple(zones), value)


def require_category(category: str | None) -> None:
    """Refuse a category that no exact table is made of.

    Raises
    ------
    InputError
        With code ``unknown-category``.
    """
    if category is not None and category not in PEOPLE_CATEGORIES:
        raise InputError(
            f"a category is one of {', '.join(PEOPLE_CATEGORIES)}", code="unknown-category"
        )


def suppressed(
    rows: csr_array, leaves: IntArray, threshold: int = HOUSEHOLD_THRESHOLD
) -> BoolArray:
    """What of a table must be hidden.

    Parameters
    ----------
    rows : sparse array, shape (n, k)
        Which leaves each count of the table adds up: 1 or 0.
    leaves : ndarray of int64, shape (k,)
        Exact counts.
    threshold : int
        Counts from 1 to below this are hidden for their own sake.

    Returns
    -------
    ndarray of bool, shape (n,)
        Counts to hide: no interval of one, given the others, is narrower than ``threshold``.

    Examples
    --------
    Two quarters and the town: the small one could be had from the other, so both are hidden.

    >>> rows = csr_array(np.array([[1, 0], [0, 1], [1, 1]]))
    >>> suppressed(rows, np.array([5, 60]))
    array([ True,  True, False])
    """
    counts = np.asarray(rows @ leaves)
    hidden: BoolArray = (counts > 0) & (counts < threshold)
    # Each pass hides what pins down a count, until nothing does: at last all but zeros are hidden.
    open_cases = np.flatnonzero(hidden).tolist()
    while open_cases:
        target = open_cases[-1]
        low, high, pins = _bounds(rows, counts, hidden, target)
        if high - low >= threshold - SLACK:
            open_cases.pop()
            continue
        # The smallest of those loses least; a zero only if zeros alone are left.
        some = pins & (counts > 0) if (pins & (counts > 0)).any() else pins
        chosen = int(np.flatnonzero(some)[np.argmin(counts[some])])
        hidden[chosen] = True
        open_cases.insert(0, chosen)
    return hidden


def interval(
    rows: csr_array, counts: FloatArray, hidden: BoolArray, target: int
) -> tuple[float, float]:
    """Ends of what a hidden count may be, given all that is told.

    Parameters
    ----------
    rows : sparse array, shape (n, k)
        Which leaves each count adds up.
    counts : ndarray, shape (n,)
        The table; what is hidden isn't looked at.
    hidden : ndarray of bool, shape (n,)
    target : int
        Position of the count.

    Returns
    -------
    low, high : float
        ``high`` may be infinite.
    """
    low, high, _ = _bounds(rows, np.where(hidden, 0, counts), hidden, target)
    return low, high


def _bounds(
    rows: csr_array, counts: FloatArray | IntArray, hidden: BoolArray, target: int
) -> tuple[float, float, BoolArray]:
    """The interval, and which told counts set its ends."""
    told = np.flatnonzero(~hidden)
    wanted = rows[[target], :].toarray()[0]
    ends, pins = [], np.zeros(len(hidden), dtype=bool)
    for sign in (1.0, -1.0):
        found = linprog(  # type: ignore[call-overload]  # which knows no sparse A_eq
            sign * wanted, A_eq=rows[told], b_eq=counts[told], method="highs"
        )
        if found.status == 3:  # unbounded
            ends.append(np.inf)
            continue
        if found.status != 0:
            raise MitoyenError(f"an interval could not be computed: {found.message}")
        ends.append(sign * found.fun)
        pins[told[np.abs(found.eqlin.marginals) > SLACK]] = True
    return ends[0], ends[1], pins
