"""Published groups: dwellings per cell -> sets of cells that hold at least k dwellings.

A person's place is only ever shown as such a group, so the partition depends on dwellings
alone: not on who is a member, nor on who asks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, CellArray, IntArray, LonLatArray
from geo.cells import cell_children, cell_to_parent, cells_to_lonlat, cells_to_parents
from geo.errors import InputError

__all__ = ["COARSEST", "FINEST", "K_DWELLINGS", "CellGroups", "Partition", "partition_cells"]

K_DWELLINGS = 20
COARSEST, FINEST = 5, 9  # H3 resolutions of a group's cells


class CellGroups:
    """Disjoint sets of cells, and which of them holds a cell. Frozen once built.

    Parameters
    ----------
    groups : sequence of iterables of int
        H3 cells at resolutions 5 to 9, none inside another.

    Raises
    ------
    InputError
        If a cell comes twice.

    Examples
    --------
    >>> groups = CellGroups([[0x883968152bfffff], [0x8839681529fffff, 0x893968152d3ffff]])
    >>> cells = [0x893968152abffff, 0x893968152d3ffff, 0x89195DA49B7FFFF]
    >>> groups.group_of(np.array(cells, np.uint64))
    array([ 0,  1, -1])
    """

    def __init__(self, groups: Sequence[Iterable[int]]) -> None:
        pairs = sorted((int(cell), i) for i, group in enumerate(groups) for cell in group)
        self._cells: CellArray = np.array([cell for cell, _ in pairs], dtype=np.uint64)
        self._groups: IntArray = np.array([i for _, i in pairs], dtype=np.int64)
        if np.any(self._cells[1:] == self._cells[:-1]):
            raise InputError("a cell is in two groups")
        self._group_of_cell = dict(pairs)
        # A parent is worth looking up at these only: a town has four or so.
        self._resolutions = sorted({cell >> 52 & 15 for cell, _ in pairs})

    def group_of(self, cells: CellArray) -> IntArray:
        """Which group each cell lies in.

        Parameters
        ----------
        cells : ndarray of uint64, shape (n,)
            H3 cells of resolution 9.

        Returns
        -------
        ndarray of int64, shape (n,)
            Position of the group; -1 for a cell in none.
        """
        found = np.full(len(cells), -1, dtype=np.int64)
        for resolution in self._resolutions:
            parents = cells_to_parents(cells, resolution)
            at = np.minimum(np.searchsorted(self._cells, parents), self._cells.size - 1)
            found = np.where(self._cells[at] == parents, self._groups[at], found)
        return found

    def group_of_cell(self, cell: int) -> int:
        """`group_of` for one cell, in a twentieth of the time."""
        for resolution in self._resolutions:
            group = self._group_of_cell.get(cell_to_parent(cell, resolution))
            if group is not None:
                return group
        return -1


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Groups: row i of every column is one of them, in order of ``point_cells``.

    ``cells`` are H3 cells at resolutions 5 to 9, ascending; ``point_cells`` the one among them
    whose centre stands for the group, and ``lonlat`` that centre (degrees, EPSG:4326).
    ``locatable`` is False for what holds fewer than k dwellings: shown by commune only.
    """

    cells: tuple[tuple[int, ...], ...]
    point_cells: CellArray  # (n,)
    lonlat: LonLatArray  # (n, 2)
    dwellings: IntArray  # (n,)
    locatable: BoolArray  # (n,)

    def __len__(self) -> int:
        return len(self.cells)


def partition_cells(cells: CellArray, dwellings: npt.ArrayLike, k: int = K_DWELLINGS) -> Partition:
    """Cut cells into groups of at least ``k`` dwellings, each as fine as that allows.

    Parameters
    ----------
    cells : ndarray of uint64, shape (n,)
        H3 cells of resolution 9, in any order; what comes twice is added up.
    dwellings : array_like of int, shape (n,)
        Dwellings in each, zero or more.
    k : int
        Dwellings that a group must hold.

    Returns
    -------
    Partition
        Every cell below an inhabited cell of resolution 5 is in exactly one group.

    Raises
    ------
    InputError
        If the lengths differ, a cell is not of resolution 9, a number is negative or no whole
        one, or ``k`` is under 1.

    Notes
    -----
    From resolution 5 down, a cell is split into its children that hold k and the remainder of
    those that don't, which stays together as one group. A remainder that would hold fewer
    than k takes in the smallest of the others, and if none is left the cell is not split.
    Publishing what holds k and leaving the rest would bare the rest: in a synthetic suburb
    1 579 households, at k = 20. A remainder without any dwelling needs no group of its own: it
    joins the smallest of its siblings, for a building to come.

    A group's point is the mean of the centres of its inhabited cells, moved to the nearest of
    these: empty cells that joined must not draw it into the fields.

    References
    ----------
    Casper's cloaking (Mokbel et al., VLDB 2006) and INSEE's quadtree of "niveau naturel", with
    the remainder as above.

    Examples
    --------
    Twenty dwellings in one cell, six in its neighbour: alone they would be bare.

    >>> cells = np.array([0x893968152abffff, 0x893968152a3ffff], np.uint64)
    >>> len(partition_cells(cells, [20, 6])), len(partition_cells(cells, [20, 26]))
    (1, 2)
    """
    cells = np.asarray(cells, dtype=np.uint64)
    counts = np.asarray(dwellings)
    if counts.shape != cells.shape or cells.ndim != 1:
        raise InputError(f"dwellings must be one per cell: {counts.shape} for {cells.shape}")
    if counts.size and not np.issubdtype(counts.dtype, np.integer):
        raise InputError("dwellings must be whole numbers")
    if k < 1 or np.any(counts < 0):
        raise InputError("dwellings must be zero or more, and k one or more")
    if np.any((cells >> np.uint64(52) & np.uint64(15)) != FINEST):
        raise InputError(f"groups are cut from cells of resolution {FINEST}")
    totals = _totals(cells, counts.astype(np.int64))
    found: list[tuple[tuple[int, ...], int, int]] = []
    for top in sorted(cell for cell in totals if _resolution(cell) == COARSEST):
        for group in _split(top, (), totals, k):
            found.append((group, sum(totals.get(cell, 0) for cell in group), _point(group, totals)))
    found.sort(key=lambda one: one[2])
    point_cells = np.array([point for _, _, point in found], dtype=np.uint64)
    held = np.array([count for _, count, _ in found], dtype=np.int64)
    return Partition(
        tuple(group for group, _, _ in found),
        point_cells,
        cells_to_lonlat(point_cells),
        held,
        held >= k,
    )


def _resolution(cell: int) -> int:
    return cell >> 52 & 15


def _totals(cells: CellArray, counts: IntArray) -> dict[int, int]:
    """Dwellings of every inhabited cell and of its ancestors down to resolution 5."""
    inhabited = counts > 0
    totals: dict[int, int] = {}
    for resolution in range(COARSEST, FINEST + 1):
        parents = cells_to_parents(cells[inhabited], resolution)
        names, rows = np.unique(parents, return_inverse=True)
        sums = np.zeros(names.size, dtype=np.int64)
        np.add.at(sums, rows, counts[inhabited])
        totals.update(zip(names.tolist(), sums.tolist(), strict=True))
    return totals


def _split(
    cell: int, joined: tuple[int, ...], totals: dict[int, int], k: int
) -> list[tuple[int, ...]]:
    """Groups of a cell that holds k (or is of resolution 5), and of empty cells that joined it."""
    if _resolution(cell) == FINEST:
        return [_sorted((cell, *joined))]
    children = cell_children(cell)
    # Smallest first; equal ones by id, so that the cut depends on nothing else.
    big = sorted((c for c in children if totals.get(c, 0) >= k), key=lambda c: (totals[c], c))
    remainder = [c for c in children if totals.get(c, 0) < k]
    held = sum(totals.get(c, 0) for c in remainder)
    while 0 < held < k and big:
        smallest = big.pop(0)
        remainder.append(smallest)
        held += totals[smallest]
    if not big:
        return [_sorted((cell, *joined))]
    groups = []
    empty: tuple[int, ...] = (*joined, *remainder)
    if held:
        groups.append(_sorted(empty))
        empty = ()
    for child in big:
        groups += _split(child, empty, totals, k)
        empty = ()
    return groups


def _sorted(cells: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(cells))


def _point(group: tuple[int, ...], totals: dict[int, int]) -> int:
    """The inhabited cell of a group nearest to the mean of them all, as vectors."""
    inhabited = [cell for cell in group if cell in totals] or list(group)
    if len(inhabited) == 1:
        return inhabited[0]
    lon, lat = np.radians(cells_to_lonlat(np.array(inhabited, dtype=np.uint64))).T
    vectors = np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
    # Rounded, so that equal distances are equal on every machine; argmax takes the lowest id.
    return inhabited[int(np.argmax((vectors @ vectors.mean(axis=0)).round(15)))]
