"""Pairs of points, start and end, found by a line that passes near both."""

from math import cos, radians

import numpy as np

from geo.arrays import FloatArray, IntArray, LonLatArray
from indexes.rides import METRES_PER_DEGREE

__all__ = ["EndIndex"]

CELL_M = 2_000.0
_ROWS = 1 << 20  # more than there are rows of cells from pole to pole, neighbours included


class EndIndex:
    """Rides by the cells of their two ends. It never changes.

    Parameters
    ----------
    origins, destinations : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.
    """

    def __init__(self, origins: LonLatArray, destinations: LonLatArray) -> None:
        # A cell is `CELL_M` high, and as wide or wider wherever there is a point.
        widest = float(np.abs(np.vstack((origins, destinations))[:, 1]).max(initial=0.0)) + 0.1
        self._size = np.array(
            [
                CELL_M / (METRES_PER_DEGREE * max(cos(radians(min(widest, 90.0))), 1e-6)),
                CELL_M / METRES_PER_DEGREE,
            ]
        )
        origin_keys = self._keys(origins)
        self._order = np.argsort(origin_keys, kind="stable")
        self._origin_keys = origin_keys[self._order]
        self._destination_keys = self._keys(destinations)[self._order]

    def along(self, line: LonLatArray) -> IntArray:
        """Rows of the rides that start and end within `CELL_M` of a line, and some others.

        Parameters
        ----------
        line : ndarray of float64, shape (m, 2)
            Degrees, EPSG:4326.
        """
        # Points so close that cells between two of them are neighbours of theirs.
        steps = np.ceil(np.abs(np.diff(line, axis=0) / self._size).max(axis=1) * 2.0)
        counts = np.maximum(steps, 1.0).astype(np.int64)
        piece = np.repeat(np.arange(len(counts)), counts)
        share = (np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)) / np.repeat(
            counts, counts
        )
        between = line[piece] + share[:, None] * (line[piece + 1] - line[piece])
        keys = np.unique(self._keys(np.vstack((between, line[-1:]))))
        around = np.array([dx * _ROWS + dy for dx in range(-2, 3) for dy in range(-2, 3)])
        cells = np.unique(keys[:, None] + around)
        first = np.searchsorted(self._origin_keys, cells, side="left")
        last = np.searchsorted(self._origin_keys, cells, side="right")
        found = np.concatenate(
            [np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True) if a < b]
            or [np.empty(0, np.int64)]
        )
        kept = found[np.isin(self._destination_keys[found], cells)]
        rows: IntArray = np.sort(self._order[kept])
        return rows

    def _keys(self, lonlat: FloatArray) -> IntArray:
        cell = np.floor(lonlat / self._size).astype(np.int64)
        keys: IntArray = cell[:, 0] * _ROWS + cell[:, 1]
        return keys
