"""Pieces, what everything is counted by and every zone is a sum of: IRIS × cell, or whole IRIS."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from geo import cells_to_lonlat
from geo.arrays import BoolArray, CellArray, FloatArray, IntArray
from geo.sphere import on_sphere
from matching.planning.outlines import PARENT_LEVELS, Outlines

__all__ = ["Pieces", "empty_zones", "level_weights", "own_weights", "piece_shares", "touched"]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Pieces of zones, sorted by zone and then cell: entry i of both columns is one piece.

    After them, at position ``len(pieces)``, counts *unplaced* what lies in none.

    Attributes
    ----------
    zones : tuple of str
        IRIS codes, ascending.
    zone : ndarray of int64, shape (n,)
        Position in ``zones``.
    cell : ndarray of uint64, shape (n,)
        H3 cells at resolution 8; 0 for a whole IRIS, if pieces are these.
    """

    zones: tuple[str, ...]
    zone: IntArray
    cell: CellArray

    def __len__(self) -> int:
        return len(self.zone)

    def same(self, other: "Pieces") -> bool:
        """Whether both have the same pieces."""
        return (
            self.zones == other.zones
            and np.array_equal(self.zone, other.zone)
            and np.array_equal(self.cell, other.cell)
        )

    @property
    def whole(self) -> bool:
        """Whether pieces are whole IRIS."""
        return not self.cell.any()

    @classmethod
    def of(cls, outlines: Outlines, empty: Sequence[str] = (), *, by_cell: bool = True) -> "Pieces":
        """All pieces of zones but those that nobody can live in.

        Parameters
        ----------
        outlines : Outlines
        empty : sequence of str
            Codes of IRIS without a dwelling: nothing is counted there, so nothing is drawn.
        by_cell : bool
            IRIS × cell, or else whole IRIS.
        """
        if by_cell:
            zone, cell, _ = outlines.pieces
        else:
            zone = np.arange(len(outlines.map.codes))
            cell = np.zeros(len(zone), dtype=np.uint64)
        lived_in = ~np.isin(np.array(outlines.map.codes), list(empty))
        kept = lived_in[zone]
        codes = np.array(outlines.map.codes)[lived_in]
        return cls(tuple(codes.tolist()), (np.cumsum(lived_in) - 1)[zone[kept]], cell[kept])

    def place(self, zone: pa.ChunkedArray, cell: pa.ChunkedArray) -> IntArray:
        """The piece of each row.

        Parameters
        ----------
        zone : ChunkedArray of string
            IRIS codes; null outside every zone.
        cell : ChunkedArray of uint64
            H3 cells at resolution 8.

        Returns
        -------
        ndarray of int64, shape (n,)
            Position of the piece; ``len(pieces)`` for what is in no zone, in an unknown one or
            in one without pieces. A cell in which the zone has no piece (but a sliver, or the
            point lay within 300 m of it) counts in the zone's piece of the nearest cell.
        """
        known = pc.index_in(zone, value_set=pa.array(self.zones, pa.string()))
        rows = np.asarray(pc.fill_null(known, -1)).astype(np.int64)
        cells = np.asarray(cell, dtype=np.uint64)
        if self.whole:
            cells = np.zeros_like(cells)
        grid = np.unique(self.cell)
        column = np.searchsorted(grid, cells)
        column[column == len(grid)] = 0
        keys = self.zone * len(grid) + np.searchsorted(grid, self.cell)
        wanted = rows * len(grid) + column
        at = np.searchsorted(keys, wanted)
        at[at == len(keys)] = 0
        placed = np.full(len(rows), len(self), dtype=np.int64)
        if not len(self):
            return placed
        exact = (rows >= 0) & (keys[at] == wanted) & (grid[column] == cells)
        placed[exact] = at[exact]
        astray = np.flatnonzero((rows >= 0) & ~exact)
        pairs = np.stack((rows[astray].astype(np.uint64), cells[astray]), axis=1)
        found, index = np.unique(pairs, axis=0, return_inverse=True)
        placed[astray] = self._nearest(found[:, 0].astype(np.int64), found[:, 1])[index.ravel()]
        return placed

    def _nearest(self, zone: IntArray, cell: CellArray) -> IntArray:
        """For each zone and cell, the zone's piece whose cell is nearest; unplaced if none."""
        first, last = np.searchsorted(self.zone, [zone, zone + 1])
        row = np.repeat(np.arange(len(zone)), last - first)
        piece = np.arange(len(row)) - np.repeat(np.cumsum(last - first) - last, last - first)
        cells, at = np.unique(np.concatenate((cell[row], self.cell[piece])), return_inverse=True)
        centres = on_sphere(cells_to_lonlat(cells))
        away = np.sum((centres[at[: len(row)]] - centres[at[len(row) :]]) ** 2, axis=1)
        order = np.lexsort((piece, away, row))
        found = np.full(len(zone), len(self), dtype=np.int64)
        rows, at_first = np.unique(row[order], return_index=True)
        found[rows] = piece[order[at_first]]
        return found


def empty_zones(outlines: Outlines, buildings: pa.Table) -> list[str]:
    """Codes of zones where the census counts no dwelling, and no building has any."""
    # A building whose dwellings nobody counted may have some.
    lived_in = buildings.filter(pc.fill_null(pc.not_equal(buildings["dwellings"], 0), True))
    built = set(pc.unique(lived_in["zone"]).to_pylist())
    return [
        zone.code
        for zone in outlines.zones
        if zone.figures is not None
        and zone.figures.values.get("logements") == 0
        and zone.code not in built
    ]


def touched(iris: BoolArray, outlines: Outlines) -> dict[str, BoolArray]:
    """Zones that some of the IRIS lie in, by level; cells that a piece of one lies in.

    Parameters
    ----------
    iris : ndarray of bool, shape (IRIS,)
    outlines : Outlines
    """
    found = {}
    for name in outlines.levels[:-1]:
        level = outlines.level(name)
        found[name] = np.zeros(len(level.codes), dtype=bool)
        found[name][level.of_iris[iris & (level.of_iris >= 0)]] = True
    zone, cell, _ = outlines.pieces
    found["cell"] = np.isin(outlines.cells, cell[iris[zone]])
    return found


def piece_shares(outlines: Outlines, buildings: pa.Table) -> FloatArray:
    """How each zone's dwellings spread over its pieces.

    Parameters
    ----------
    outlines : Outlines
    buildings : Table
        `BUILDING_FACTS`.

    Returns
    -------
    ndarray of float64, shape (n,)
        Share of its zone in each piece of ``outlines.pieces``: of the dwellings of its buildings
        where any are known, else of its area. Each zone's add up to 1.
    """
    pieces = Pieces.of(outlines)
    place = pieces.place(buildings["zone"], buildings["cell8"])
    dwellings = np.asarray(pc.fill_null(buildings["dwellings"], 0), dtype=np.float64)
    weight = np.zeros(len(pieces) + 1)
    np.add.at(weight, place, dwellings)
    weight = weight[:-1]
    known = np.bincount(pieces.zone, weights=weight, minlength=len(pieces.zones))
    bare = known[pieces.zone] == 0.0
    weight[bare] = outlines.pieces[2][bare]
    totals = np.bincount(pieces.zone, weights=weight, minlength=len(pieces.zones))
    return np.asarray(weight / totals[pieces.zone])


def level_weights(pieces: Pieces, outlines: Outlines, iris: csr_array) -> dict[str, csr_array]:
    """How much of each piece lies in each zone, by level.

    Parameters
    ----------
    pieces : Pieces
    outlines : Outlines
        Zones to tell.
    iris : sparse array, shape (IRIS, len(pieces))
        The same for IRIS: `own_weights`, or `apportioned` where the pieces are of another vintage.

    Returns
    -------
    dict of str to sparse array, shape (zones, len(pieces))
        Without cells where pieces are whole IRIS.
    """
    found = {"iris": iris}
    for name in PARENT_LEVELS:
        if name in outlines.levels:
            level = outlines.level(name)
            found[name] = _members(level.of_iris, len(level.codes)) @ iris
    if pieces.whole:
        return found
    grid = outlines.cells
    at = np.searchsorted(grid, pieces.cell)
    at[at == len(grid)] = 0
    found["cell"] = _members(np.where(grid[at] == pieces.cell, at, -1), len(grid))
    return found


def own_weights(pieces: Pieces, outlines: Outlines) -> csr_array:
    """Weights of pieces in the IRIS they were cut from: 1 or 0."""
    position = np.searchsorted(np.array(outlines.map.codes), np.array(pieces.zones, dtype=str))
    return _members(position[pieces.zone], len(outlines.map.codes))


def _members(group: IntArray, groups: int) -> csr_array:
    column = np.flatnonzero(group >= 0)
    ones = np.ones(len(column))
    return csr_array((ones, (group[column], column)), shape=(groups, len(group)))
