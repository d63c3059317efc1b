"""The corridor index: who drives past here, and then past there, at that time."""

from collections.abc import Sequence
from math import cos, radians

import numpy as np

from geo.arrays import BoolArray, FloatArray, IntArray, LonLatArray
from indexes import rides as j
from indexes import stretches as s
from indexes.corridor import Levels, search
from indexes.ends import runs_near
from indexes.joining import scan
from indexes.passing import passing_lines
from indexes.rides import Lines, Runs
from indexes.stretches import Grid

__all__ = ["RouteIndex", "pack_lines"]

TICK_S = 5.0
MOST_TICKS = 65_000  # that 16 bits count, and some to spare
WIDEST_LAT = 85.0
NEAR_M = 5_000.0


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
    points = np.empty((int(first[-1]), 3), np.int32)
    if len(points):
        points[:, :2] = np.rint(np.concatenate(lonlat) * j.UNIT)
        points[:, 2] = np.rint(np.concatenate(times_s) * 1000.0)
    return Lines(first, points, points[:, 2])


class RouteIndex:
    """Lines and their runs, found by where and when they pass. It never changes.

    Parameters
    ----------
    lines : Lines
        Made by `pack_lines`.
    runs : Runs
        Each of one of the lines.

    Attributes
    ----------
    span_s : (float, float)
        When the first run can be on its way and the last, seconds of the service day.
    """

    def __init__(self, lines: Lines, runs: Runs) -> None:
        self.lines, self.runs = lines, runs
        rows = runs.rows
        self._starts_s = rows[:, j.SECOND] - rows[:, j.LEAD_MS] / 1000.0
        lasting_s = lines.points[lines.first[1:] - 1, 2][rows[:, j.LINE]] / 1000.0
        self._ends_s = self._starts_s + lasting_s
        self.span_s = (
            float((self._starts_s - rows[:, j.FLEX_BEFORE]).min(initial=0.0)),
            float((self._ends_s + rows[:, j.FLEX_AFTER]).max(initial=0.0)),
        )
        self._longest_s = float(lasting_s.max(initial=0.0))
        self._grid: Grid | None = None

    def __len__(self) -> int:
        return len(self.runs.rows)

    @property
    def grid(self) -> Grid:
        """The runs by cell and time; made when first asked for."""
        if self._grid is None:
            self._grid = self._entries()
        return self._grid

    @property
    def bytes_per_route(self) -> tuple[float, float]:
        """Bytes that a run takes: of the grid, and of its row and line."""
        grid = sum(column.nbytes for column in self.grid)
        held = sum(column.nbytes for column in (*self.lines[:2], *self.runs))
        return grid / max(1, len(self)), held / max(1, len(self))

    def search(
        self,
        ask: FloatArray,
        days: IntArray,
        places: FloatArray,
        limit: int,
        run_trip: IntArray,
        levels: Levels,
        most: float = np.inf,
    ) -> FloatArray:
        """The runs that a rider joins at the least cost, best first, exactly.

        Parameters
        ----------
        ask, days, places
            The question: `indexes.rides.EARLIEST` and so on, service days, where to.
        limit : int
            At most so many.
        run_trip : ndarray of int64, shape (runs,)
            What ``levels`` are by.
        levels : ndarray of int8
            How far who asks trusts their owners, 0 to 4; below 0 for what does not count.
        most : float
            What they cost at most, 1e-6 minutes.

        Returns
        -------
        ndarray of float64, shape (m, 21)
            `indexes.rides.RUN`, ``COST`` and so on.
        """
        found: FloatArray = self.counted(ask, days, places, limit, run_trip, levels, most)[0]
        return found

    def counted(
        self,
        ask: FloatArray,
        days: IntArray,
        places: FloatArray,
        limit: int,
        run_trip: IntArray,
        levels: Levels,
        most: float = np.inf,
    ) -> tuple[FloatArray, IntArray]:
        """As `search`, and what it read: entries around either end, runs in both, runs joined."""
        counted: tuple[FloatArray, IntArray] = search(
            self.grid, self.lines, self.runs, ask, days, places, limit, run_trip, levels, most
        )
        return counted

    def passing(self, departure: FloatArray, arrival: FloatArray) -> BoolArray:
        """Which runs may pass one circle and then another: all that do, and some others.

        Parameters
        ----------
        departure, arrival : ndarray of float64, shape (4,)
            Made by `indexes.passing.circle_row`.

        Returns
        -------
        ndarray of bool, shape (runs,)
        """
        row_lines = self.runs.rows[:, j.LINE]
        near = np.ones(len(self), np.bool_)
        for lon, lat, _, radius_m in (departure, arrival):
            if radius_m <= NEAR_M:  # a wider circle holds much of a town anyway
                near &= runs_near(self.grid, lon, lat, radius_m, len(self))
        lines = np.unique(row_lines[near]).astype(np.int64)
        found: BoolArray = near & passing_lines(self.lines, lines, departure, arrival)[row_lines]
        return found

    def scan(
        self, ask: FloatArray, days: IntArray, places: FloatArray, which: IntArray | None = None
    ) -> FloatArray:
        """Join some runs, or all, one after the other: slow, and what `search` is held to.

        Trust is not counted.

        Returns
        -------
        ndarray of float64, shape (m, 21)
            A row for each run that can be joined.
        """
        if which is None:
            which = np.arange(len(self), dtype=np.int64)
        found: FloatArray = scan(self.lines, self.runs, ask, days, places, which)
        return found

    def _entries(self) -> Grid:
        lines, rows = self.lines, self.runs.rows
        middle = float(np.median(np.abs(lines.points[:, 1]))) / j.UNIT if len(lines.points) else 0.0
        column_degrees = s.CELL_DEGREES / cos(radians(min(middle, WIDEST_LAT)))
        first = np.empty(len(lines.first), np.int64)
        nothing = np.empty(0, np.int64), np.empty((0, 2)), np.empty((0, s.END), np.uint16)
        count = s.walk(lines, column_degrees, *nothing, first)
        keys, seconds = np.empty(count, np.int64), np.empty((count, 2))
        shape = np.empty((count, s.END), np.uint16)
        s.walk(lines, column_degrees, keys, seconds, shape, first)
        cells, cell = np.unique(keys, return_inverse=True)
        # One entry for each run on a line, and each cell that the line visits.
        counts = np.diff(first)[rows[:, j.LINE]]
        of_run = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
        offset = np.arange(len(of_run)) - np.repeat(np.cumsum(counts) - counts, counts)
        line_entry = first[rows[:, j.LINE]][of_run] + offset
        zero_s = float(self._starts_s.min(initial=0.0)) - 1.0
        lasting_s = float(self._ends_s.max(initial=0.0)) - zero_s + 2.0
        tick_s = max(TICK_S, lasting_s / MOST_TICKS)
        starts_s = self._starts_s[of_run] - zero_s
        begin = ((starts_s + seconds[line_entry, 0] - s.SLACK_S) / tick_s).astype(np.uint16)
        end = np.ceil((starts_s + seconds[line_entry, 1] + s.SLACK_S) / tick_s).astype(np.uint16)
        numbers = np.array(
            [
                column_degrees, zero_s, tick_s, self._longest_s,
                rows[:, j.FLEX_AFTER].max(initial=0), rows[:, j.FLEX_BEFORE].max(initial=0),
            ],
            np.float64,
        )  # fmt: skip
        grid = Grid(
            keys=cells,
            first=np.zeros(len(cells) + 1, np.int64),
            stay=np.zeros(len(cells), np.uint16),
            begin=np.empty(len(of_run), np.uint16),
            run=np.empty(len(of_run), np.int32),
            shape=np.empty((len(of_run), s.END + 1), np.uint16),
            numbers=numbers,
        )
        s.count_cells(cell[line_entry], grid.first)
        order = np.argsort(begin, kind="stable")
        s.fill(order, line_entry, of_run, begin, end, cell, shape, grid)
        return grid
