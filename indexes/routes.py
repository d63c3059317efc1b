"""The corridor index: who drives past here, and then past there, at that time."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, IntArray, LonLatArray
from indexes import joining as j
from indexes.joining import Lines, Runs

__all__ = ["RouteIndex", "pack_lines"]


def pack_lines(lonlat: Sequence[LonLatArray], times_s: Sequence[FloatArray]) -> Lines:
    """Lines as the kernels want them.

    Parameters
    ----------
    lonlat : sequence of ndarray of float64, shape (n, 2)
        Of each line its points, two or more; degrees, EPSG:4326, rounded to 1e-7.
    times_s : sequence of ndarray of float64, shape (n,)
        Seconds from its first point, rising. They are kept in whole milliseconds.
    """
    counts = np.array([len(line) for line in lonlat], np.int64)
    first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    points = np.empty((int(first[-1]), 2), np.int32)
    ms = np.empty(len(points), np.int32)
    if len(points):
        np.rint(np.concatenate(lonlat) * j.UNIT, out=points, casting="unsafe")
        np.rint(np.concatenate(times_s) * 1000.0, out=ms, casting="unsafe")
    return Lines(first, points, ms)


class RouteIndex:
    """Lines and their runs, found by where and when they pass. It never changes.

    Parameters
    ----------
    lines : Lines
        Made by `pack_lines`.
    runs : Runs
        Each of one of the lines.
    """

    def __init__(self, lines: Lines, runs: Runs) -> None:
        self.lines, self.runs = lines, runs

    def __len__(self) -> int:
        return len(self.runs.rows)

    def scan(
        self, ask: FloatArray, days: IntArray, places: FloatArray, which: IntArray | None = None
    ) -> FloatArray:
        """Join some runs, or all, one after the other: slow, and what `search` is held to.

        Returns
        -------
        ndarray of float64, shape (m, 21)
            A row for each run that can be joined (`indexes.joining.RUN` and so on).
        """
        if which is None:
            which = np.arange(len(self), dtype=np.int64)
        return j.scan(self.lines, self.runs, ask, days, places, which)

    def search(
        self,
        ask: FloatArray,
        days: IntArray,
        places: FloatArray,
        limit: int,
        run_trip: IntArray,
        alive: npt.NDArray[np.uint8],
    ) -> FloatArray:
        rows = self.scan(ask, days, places, np.flatnonzero(alive[run_trip]))
        return rows[np.argsort(rows[:, j.COST], kind="stable")][:limit]

    @property
    def span_s(self) -> tuple[float, float]:
        """When the first run can be on its way, and the last, seconds of the service day."""
        rows, lines = self.runs.rows, self.lines
        if not len(rows):
            return 0.0, 0.0
        ends = lines.ms[lines.first[1:] - 1]
        starts_s = rows[:, j.SECOND] - rows[:, j.LEAD_MS] / 1000.0
        ends_s = starts_s + ends[rows[:, j.LINE]] / 1000.0
        return (
            float((starts_s - rows[:, j.FLEX_BEFORE]).min()),
            float((ends_s + rows[:, j.FLEX_AFTER]).max()),
        )
