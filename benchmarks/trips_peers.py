"""Peers of the corridor stage: shapely's STRtree with refinement by column, and PostGIS.

Both are asked for the lines that pass within the walk of both ends, the first inside the window,
the second later on; the 20 that cost least. They measure on a plane in metres, which is quicker
than the sphere, and take the nearest point of the whole line, or of the window.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import cos, radians
from typing import Any, LiteralString, cast

import numpy as np
import psycopg
import shapely
from psycopg.rows import tuple_row

from benchmarks.trips_workload import WALK_M, Ride
from indexes import rides as j
from indexes.rides import METRES_PER_DEGREE, UNIT
from indexes.routes import RouteIndex
from matching.rides.asks import ELSEWHERE_MIN, WALK_MIN

__all__ = ["Plane", "PostgisRoutes", "StrtreeRoutes"]

LIMIT = 20


class Plane:
    """Longitude and latitude to metres on one plane, east shrunk by the middle latitude."""

    def __init__(self, index: RouteIndex) -> None:
        self._middle = index.lines.points[:, :2].mean(axis=0) / UNIT
        self._scale = METRES_PER_DEGREE * np.array([cos(radians(self._middle[1])), 1.0])

    def __call__(self, lonlat: Any) -> np.ndarray:
        metres: np.ndarray = (np.asarray(lonlat) - self._middle) * self._scale
        return metres


class StrtreeRoutes:
    """One tree over the lines, and numpy over all pieces of those that pass both ends."""

    name = "shapely STRtree"

    def __init__(self, index: RouteIndex) -> None:
        start = time.perf_counter()
        self._plane = Plane(index)
        rows = index.runs.rows
        self._points = self._plane(index.lines.points[:, :2] / UNIT)
        self._seconds = index.lines.points[:, 2] / 1000.0
        self._first = index.lines.first
        self._line = rows[:, j.LINE].astype(np.int64)
        self._starts_s = rows[:, j.SECOND] - rows[:, j.LEAD_MS] / 1000.0
        self._flex_s = rows[:, j.FLEX_BEFORE]
        counts = np.diff(self._first)
        geometries = shapely.linestrings(
            self._points, indices=np.repeat(np.arange(len(counts)), counts)
        )
        self._tree = shapely.STRtree(geometries[self._line])
        self.build_s = time.perf_counter() - start

    def ask(self, ride: Ride) -> np.ndarray:
        ends = self._plane([ride.origin, ride.destination])
        near = [
            self._tree.query(shapely.Point(end), predicate="dwithin", distance=WALK_M)
            for end in ends
        ]
        runs = np.intersect1d(*near)
        if not len(runs):
            return runs
        first = self._first[self._line[runs]]
        counts = self._first[self._line[runs] + 1] - 1 - first
        begin = np.concatenate(([0], np.cumsum(counts)[:-1]))
        piece = np.repeat(first - begin, counts) + np.arange(counts.sum())
        starts_s = np.repeat(self._starts_s[runs], counts)
        low = ride.ask[j.EARLIEST] - np.repeat(self._flex_s[runs], counts) - starts_s
        high = ride.ask[j.LATEST] + np.repeat(self._flex_s[runs], counts) - starts_s
        t1, t2 = self._seconds[piece], self._seconds[piece + 1]
        lasting = t2 - t1
        off, at = self._nearest(
            piece,
            ends[0],
            np.maximum(0.0, (low - t1) / lasting),
            np.minimum(1.0, (high - t1) / lasting),
        )
        up_s, walk_up, _ = _best(off, t1 + at * lasting, begin)
        after = np.repeat(up_s, counts)
        off, at = self._nearest(
            piece, ends[1], np.maximum(0.0, (after - t1) / lasting), np.ones(len(t1))
        )
        down_s, walk_down, _ = _best(off, t1 + at * lasting, begin)
        walks = walk_up + walk_down
        shift_s = np.abs(self._starts_s[runs] + up_s - ride.ask[j.ASKED])
        cost = (down_s - up_s + shift_s) / 60.0 + WALK_MIN * walks + 2 * ELSEWHERE_MIN
        kept = (walk_up <= WALK_M) & (walk_down <= WALK_M) & (walks <= ride.ask[j.MAX_WALKS_M])
        kept &= down_s > up_s
        order = np.argsort(cost[kept], kind="stable")[:LIMIT]
        found: np.ndarray = runs[kept][order]
        return found

    def _nearest(
        self, piece: np.ndarray, end: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        a, b = self._points[piece] - end, self._points[piece + 1] - end
        along = b - a
        squared = np.maximum((along * along).sum(axis=1), 1e-9)
        at = np.clip(-(a * along).sum(axis=1) / squared, low, np.maximum(low, high))
        off = np.hypot(*(a + at[:, None] * along).T)
        return np.where(low > high, np.inf, off), at


def _best(
    off: np.ndarray, seconds: np.ndarray, begin: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each line's pieces the nearest: seconds, metres, which."""
    least = np.minimum.reduceat(off, begin)
    counts = np.diff(np.append(begin, len(off)))
    is_least = off == np.repeat(least, counts)
    which = np.minimum.reduceat(np.where(is_least, np.arange(len(off)), len(off)), begin)
    return seconds[which], least, which


class PostgisRoutes:
    """Two ``ST_DWithin`` on a GiST index, and where each end is nearest along the line."""

    name = "PostGIS"
    # The seconds of a line are its points' M: what `ST_LineLocatePoint` finds, turned to time.
    query = f"""
        WITH near AS (
            SELECT run, start_s, flex_s, line, ST_Distance(line, o) AS up_m,
                ST_Distance(line, d) AS down_m, ST_LineLocatePoint(line, o) AS up,
                ST_LineLocatePoint(line, d) AS down
            FROM routes, ST_Point(%(x1)s, %(y1)s) AS o, ST_Point(%(x2)s, %(y2)s) AS d
            WHERE ST_DWithin(line, o, {WALK_M}) AND ST_DWithin(line, d, {WALK_M})
        ), timed AS (
            SELECT *, ST_M(ST_LineInterpolatePoint(line, up)) AS up_s,
                ST_M(ST_LineInterpolatePoint(line, down)) AS down_s
            FROM near WHERE up < down AND up_m + down_m <= %(walks)s
        )
        SELECT run FROM timed
        WHERE start_s + up_s BETWEEN %(earliest)s - flex_s AND %(latest)s + flex_s
        ORDER BY (down_s - up_s + abs(start_s + up_s - %(asked)s)) / 60
            + {WALK_MIN!r} * (up_m + down_m), run
        LIMIT {LIMIT}"""

    def __init__(self, index: RouteIndex, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._plane = Plane(index)
        start = time.perf_counter()
        self._fill(index, connection)
        self.build_s = time.perf_counter() - start
        self._cursor = connection.cursor(binary=True)

    def _fill(self, index: RouteIndex, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        lines, rows = index.lines, index.runs.rows
        metres = self._plane(lines.points[:, :2] / UNIT)
        seconds = lines.points[:, 2] / 1000.0
        starts_s = rows[:, j.SECOND] - rows[:, j.LEAD_MS] / 1000.0
        connection.execute(
            "CREATE UNLOGGED TABLE routes"
            " (run int, start_s float8, flex_s float8, line geometry(LineStringM))"
        )
        data = io.StringIO()
        for run, line in enumerate(rows[:, j.LINE].tolist()):
            some = slice(int(lines.first[line]), int(lines.first[line + 1]))
            points = np.column_stack((metres[some], seconds[some])).tolist()
            text = ",".join(f"{x:.3f} {y:.3f} {m:.3f}" for x, y, m in points)
            flex = rows[run, j.FLEX_BEFORE]
            data.write(f"{run}\t{starts_s[run]}\t{flex}\tLINESTRING M ({text})\n")
        with connection.cursor().copy("COPY routes FROM STDIN") as copy:
            copy.write(data.getvalue())
        connection.execute("CREATE INDEX ON routes USING gist (line)")
        connection.execute("VACUUM ANALYZE routes")

    def ask(self, ride: Ride) -> np.ndarray:
        (x1, y1), (x2, y2) = self._plane([ride.origin, ride.destination]).tolist()
        given = {
            "x1": x1, "y1": y1, "x2": x2, "y2": y2, "walks": float(ride.ask[j.MAX_WALKS_M]),
            "earliest": float(ride.ask[j.EARLIEST]), "latest": float(ride.ask[j.LATEST]),
            "asked": ride.at_s,
        }  # fmt: skip
        found = self._cursor.execute(cast(LiteralString, self.query), given, prepare=True)
        return np.array([run for (run,) in found.fetchall()], np.int64)

    @classmethod
    @contextmanager
    def over(cls, dsn: str, index: RouteIndex) -> Iterator["PostgisRoutes"]:
        """The lines in a database, until the end of the block."""
        with psycopg.connect(dsn, autocommit=True, row_factory=tuple_row) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
            yield cls(index, connection)
            connection.execute("DROP TABLE routes")
